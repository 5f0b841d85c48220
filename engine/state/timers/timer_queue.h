/* Timers in order of time: a radix queue of marks.  Inside timers/.
 *
 * A mark is a time and the hash of a timer's entry in the state: 16 bytes, whatever the key is.  The queue
 * does not know what was deleted, nor that two timers have the same hash: whoever takes marks looks the
 * entries up.
 *
 * Marks lie in a wheel of levels, each of them 64 buckets by six bits of the time.  A mark is at the level
 * of the highest bits in which its time differs from `base_ms`, so that what is due next is in the first
 * bucket of the lowest level.  Such a bucket is either small and is sorted to be the front, or is spread
 * over the levels below; a mark moves down a few times in its life, always to the end of a chunk.  What
 * is set for a time that the front or those before it had goes to `near`, a small heap.
 *
 * Memory is taken from the state's budget: timer_queue_reserve() before marks are added.
 * Thread: one owner.  Flink: HeapPriorityQueueSet. */
#ifndef FLINC_ENGINE_STATE_TIMERS_TIMER_QUEUE_H
#define FLINC_ENGINE_STATE_TIMERS_TIMER_QUEUE_H

#include "common/base/error.h"
#include "engine/state/timers/timer_sort.h"

enum {
    TIMER_LEVELS = 11, /* of 6 bits */
    TIMER_BUCKETS = 64,
    TIMER_FRONT_MAX = BATCH_ROWS_MAX, /* marks that are sorted at once */
    TIMER_NEAR_MAX = 4096,            /* more of them make the front go back into the wheel */
};

struct timer_mark {
    int64_t time_ms;
    uint64_t hash;
};

struct timer_chunk;
struct timer_bucket {
    struct timer_chunk *first, *last; /* Owns */
    uint64_t n;
    int64_t least_ms;
};
struct timer_level {
    uint64_t used; /* a bit per bucket that has marks */
    struct timer_bucket buckets[TIMER_BUCKETS];
};

struct timer_queue {
    struct mem_budget *budget;                /* Borrows; may be NULL */
    struct timer_level *levels[TIMER_LEVELS]; /* Owns; NULL: was never needed */
    uint32_t used_levels;                     /* a bit per level that has marks */
    int64_t base_ms;                          /* nothing in the wheel is before it */
    struct timer_mark *front;                 /* Owns; in order of time; those left: */
    uint32_t front_at, front_n;
    struct timer_mark *near; /* Owns; a heap, the least first */
    uint32_t near_n;
    uint64_t n;                       /* all marks */
    struct timer_sort *sort;          /* Owns; scratch */
    uint64_t held_bytes, taken_bytes; /* of memory; of the budget */
};

void timer_queue_init(struct timer_queue *q, struct mem_budget *budget);
void timer_queue_fini(struct timer_queue *q);
/* Forgets all marks. */
void timer_queue_clear(struct timer_queue *q);
/* There is memory for `n` more, of which none is before `least_ms`.  ERR_LIMIT: there is not. */
int timer_queue_reserve(struct timer_queue *q, uint32_t n, int64_t least_ms,
                        struct error *err) MUST_CHECK;
/* Cannot fail: what was not reserved is taken over the limit. */
void timer_queue_add(struct timer_queue *q, int64_t time_ms, uint64_t hash);
/* The time of the first mark; INT64_MAX: there is none. */
int64_t timer_queue_head(const struct timer_queue *q);
/* The last marks go, so that about `keep` are left: those of times above *ret_time_ms, and those of this time whose hash is of key
 * group *ret_end_group or above.  Some are left to go (asserted). */
void timer_queue_cut(struct timer_queue *q, uint64_t keep, uint32_t max_parallelism,
                     int64_t *ret_time_ms, uint32_t *ret_end_group);
/* Takes up to `max` marks of times up to `limit_ms`, in order of time; returns how many. */
uint32_t timer_queue_take(struct timer_queue *q, int64_t limit_ms, uint32_t max,
                          struct timer_mark *ret_marks);

#endif
