/* Timers of one owner thread over a clock: a heap of deadlines with cancel handles.  Equal deadlines
 * fire in the order in which they were added, so that a run over a manual clock repeats exactly.
 *
 * Thread: one owner.  (Flink: the scheduled executor of an RPC endpoint, ProcessingTimeService.) */
#ifndef FLINC_COMMON_LOOP_TIMER_H
#define FLINC_COMMON_LOOP_TIMER_H

#include "common/base/clock.h"
#include "common/base/error.h"

/* A handle names one timer and stays unique after it fired or was cancelled, so a late cancel is
 * harmless. */
#define TIMER_NONE UINT64_C(0)
#define TIMER_NEVER_NS INT64_MAX

struct timer_slot;

/* Caller's memory. */
struct timers {
    const struct clock *clock; /* Borrows */
    struct timer_slot *slots;  /* Owns; by slot number */
    uint32_t *heap;            /* Owns; slot numbers, the earliest deadline first */
    uint32_t n, n_due, cap;    /* in the heap; taken out of it by a run; room in both arrays */
    uint32_t free_slot;        /* first of the free list, plus 1; 0: none */
    uint32_t n_slots;          /* ever used */
    uint32_t due_first;        /* of those that the present run has taken, plus 1 */
    uint64_t sequence;
};

void timers_init(struct timers *t, const struct clock *clock);
/* Drops the timers that wait. */
void timers_fini(struct timers *t);

/* Calls fn(arg) from timers_run_due() once the monotonic clock has reached deadline_ns. */
uint64_t timers_add(struct timers *t, int64_t deadline_ns, void (*fn)(void *arg), void *arg);
uint64_t timers_add_after_ms(struct timers *t, int64_t delay_ms, void (*fn)(void *arg), void *arg);
/* The same with a destructor of `arg`, called instead of fn when the timer is cancelled or dropped. */
uint64_t timers_add_owned(struct timers *t, int64_t deadline_ns, void (*fn)(void *arg), void *arg,
                          void (*drop)(void *arg));
/* True when the timer was waiting and now is not; false for TIMER_NONE and timers of the past. */
bool timers_cancel(struct timers *t, uint64_t handle);
void timers_clear(struct timers *t);

/* When the next timer is due, on the monotonic clock; TIMER_NEVER_NS when none waits. */
int64_t timers_next_deadline_ns(const struct timers *t);
/* How long a wait may last until then: 0 when due, -1 (no limit) when none waits. */
int64_t timers_wait_ns(const struct timers *t);
/* Runs what is due now, earliest first, and returns how many ran.  Timers added by these callbacks
 * run in the next call even when they are due, so that a call always ends. */
size_t timers_run_due(struct timers *t);
static inline uint32_t timers_len(const struct timers *t)
{
    return t->n + t->n_due;
}

#endif
