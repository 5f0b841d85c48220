/* A batch that is handed out in parts, because its consumer takes too long for all of it at once, or because its
 * channel is small.
 *
 * Parts share the buffers of the batch by a selection.  What was not handed out yet can be shown as one more
 * part: a barrier that overtakes it makes channel state of it.
 * Thread: the task's. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_ELEMENT_PARTS_H
#define FLINC_TASKMANAGER_EXCHANGE_ELEMENT_PARTS_H

#include "taskmanager/exchange/element.h"

struct element_parts {
    struct element whole; /* Owns; a batch, when rows are left */
    uint32_t from;        /* selected rows handed out so far */
    uint32_t bytes;       /* payload of them */
};

static inline bool element_parts_has(const struct element_parts *p)
{
    return p->whole.batch != NULL;
}
/* Takes a batch; nothing is left of the one before. */
void element_parts_begin(struct element_parts *p, const struct element *take_element);
/* The next rows, at most `rows` (> 0); something must be left.  The payload adds up to that of the whole. */
struct element element_parts_take(struct element_parts *p, struct buffer_pool *pool, uint32_t rows);
/* What is left, as an element that owns a batch of its own; it stays. */
struct element element_parts_left(const struct element_parts *p, struct buffer_pool *pool);
void element_parts_fini(struct element_parts *p);

#endif
