/* Batches that an operator has made and not emitted yet.
 *
 * A call of a user function cannot be interrupted, and may make any number of batches: they queue here,
 * and leave a few per call of the operator, which returns OP_MORE while some are left.  What one call of a
 * function makes is bounded by memory only.
 *
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_OPERATORS_EMIT_QUEUE_H
#define FLINC_ENGINE_OPERATORS_EMIT_QUEUE_H

#include "engine/data/builder.h"
#include "engine/operators/operator.h"

enum {
    EMIT_QUEUE_STOP = 4,  /* with as many queued no further row is begun */
    EMIT_QUEUE_DRAIN = 8, /* emitted per call of the operator */
};

struct emit_item {
    struct batch *batch; /* Owns */
    uint32_t output;
};

struct emit_queue {
    struct emit_item *items; /* Owns */
    uint32_t head, n, cap;   /* items[head .. head + n) */
};

/* Takes the batch; NULL is nothing. */
void emit_queue_push(struct emit_queue *q, uint32_t output, struct batch *take_batch);
static inline uint32_t emit_queue_len(const struct emit_queue *q)
{
    return q->n;
}
/* Emits up to EMIT_QUEUE_DRAIN batches.  True when more are left. */
bool emit_queue_drain(struct emit_queue *q, struct op_context *ctx);
/* Drops what is left.  Safe on a zeroed struct. */
void emit_queue_fini(struct emit_queue *q);

#endif
