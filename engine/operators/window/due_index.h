/* Which keys are due when: a radix heap of (time, slot), for times that only go forward.
 *
 * Derived from state, never part of it.  An item names a slot of a keyed table, so the index is made anew when
 * the table was rebuilt; an item may be stale, which its user sees by the time kept beside the key.  Each item
 * is moved a few times along arrays; nothing is compared but the least time of each array.
 *
 * Thread: one owner (the task).  Flink: the priority queues of InternalTimerServiceImpl. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_DUE_INDEX_H
#define FLINC_ENGINE_OPERATORS_WINDOW_DUE_INDEX_H

#include "common/base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DUE_BUCKETS = 65 };

struct due_item {
    int64_t time_ms;
    uint32_t slot;
};

/* Items whose times first differ from `last` in the same bit. */
struct due_bucket {
    struct due_item *items; /* Owns */
    size_t n, cap;
    int64_t least_ms;
};

struct due_index {
    int64_t last_ms; /* no item is before it */
    struct due_bucket buckets[DUE_BUCKETS];
};

void due_index_init(struct due_index *d);
void due_index_fini(struct due_index *d); /* safe on a zeroed struct */
void due_index_clear(struct due_index *d);
/* A time before the last one taken counts as that one. */
void due_index_push(struct due_index *d, int64_t time_ms, uint32_t slot);
/* The least time; INT64_MAX: empty. */
int64_t due_index_least(const struct due_index *d);
/* Takes an item that is not after `until_ms`; false: there is none. */
bool due_index_take(struct due_index *d, int64_t until_ms, struct due_item *ret);

#endif
