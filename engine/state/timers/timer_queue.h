/* Timers in order of time: batches sorted by it, and a heap over their first rows.  Inside timers/.
 *
 * A run is a batch of timers (key columns, then time and namespace, with the hashes of the keys) sorted by
 * time, of which the first rows are used up.  Taking merges the runs; small runs are joined when there
 * are many, so that there are a few hundred rows per run on average.  The queue does not know what was
 * deleted: whoever takes timers asks the state which of them are still set.
 *
 * Memory: pool buffers of the task; about 40 bytes per timer beside long keys.
 * Thread: one owner.  Flink: HeapPriorityQueueSet. */
#ifndef FLINC_ENGINE_STATE_TIMERS_TIMER_QUEUE_H
#define FLINC_ENGINE_STATE_TIMERS_TIMER_QUEUE_H

#include "engine/data/builder.h"
#include "engine/state/timers/timer_sort.h"

struct timer_run {
    int64_t head_ms;     /* time of the next row */
    struct batch *batch; /* Owns a ref; without selection */
    uint32_t next, end;  /* rows left */
    uint32_t taken_from; /* while taking: the first row taken; UINT32_MAX: none yet */
    uint32_t base;       /* and where its rows lie in the batch that is made */
};

struct timer_queue {
    struct buffer_pool *pool; /* Borrows */
    uint32_t time_column;     /* BIGINT */
    struct timer_run **heap;  /* Owns; the least head_ms first */
    uint32_t n_runs, cap_runs;
    uint64_t n_rows;            /* left in all runs */
    struct builder builder;     /* of sorted and merged batches */
    struct timer_run **touched; /* Owns; scratch of one take */
    uint32_t cap_touched;
    struct timer_sort *sort; /* Owns; scratch */
};

void timer_queue_init(struct timer_queue *q, struct buffer_pool *pool, const struct schema *schema,
                      uint32_t time_column);
void timer_queue_fini(struct timer_queue *q);
/* Adds the selected rows of a batch, in any order; taken. */
void timer_queue_push(struct timer_queue *q, struct batch *take_batch);
/* Adds the `n` rows `rows`, which are in order of time. */
void timer_queue_push_sorted(struct timer_queue *q, const struct batch *b, const uint16_t *rows,
                             uint32_t n);
static inline int64_t timer_queue_head(const struct timer_queue *q)
{
    return q->n_runs > 0 ? q->heap[0]->head_ms : INT64_MAX;
}
/* Takes up to `max` rows of times up to `limit_ms`, the earliest first: a batch of its own, and its rows
 * in order of time.  NULL: none is due. */
struct batch *timer_queue_take(struct timer_queue *q, int64_t limit_ms, uint32_t max,
                               uint16_t *ret_rows, uint32_t *ret_n);
/* Takes the last run as it is, its rows left selected; NULL: there is none. */
struct batch *timer_queue_pop_run(struct timer_queue *q);

#endif
