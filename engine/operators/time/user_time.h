/* Time as user functions see it: timers of the key at hand, and the key.  What functions see is
 * include/flinc/time.h.
 *
 * The row at hand is the one of the row operator, or the one of the timer that fires; nothing is noted per
 * row, what is asked for is found when it is asked for.
 *
 * Thread: the task's.  Flink: SimpleTimerService, KeyedProcessOperator.ContextImpl. */
#ifndef FLINC_ENGINE_OPERATORS_TIME_USER_TIME_H
#define FLINC_ENGINE_OPERATORS_TIME_USER_TIME_H

#include "engine/operators/row_operator.h"
#include "engine/state/timers/timers.h"

struct user_timers {
    struct timer_service *service;   /* Owns */
    const struct row_operator *rows; /* Borrows */
    bool has_callback;
    /* Key columns of the batch at hand, `n_keys` of them; NULL: no key is at hand. */
    const uint32_t *key_columns; /* Borrows */
    uint32_t n_keys;
    bool begun;  /* the service knows the batch at hand */
    bool firing; /* `timer` is at hand, not a row of `rows` */
    enum timer_kind kind;
    struct timer timer;
};

enum user_timer_change { USER_TIMER_SET, USER_TIMER_DELETE };

/* Timers of the window whose trigger is asked, instead of those of a key. */
struct user_window_timers {
    int (*change)(struct user_window_timers *t, enum timer_kind kind, int64_t time_ms,
                  enum user_timer_change change, struct error *err);
};

/* The physical row at hand of user_timers_batch(). */
uint32_t user_timers_row(const struct user_timers *t);
struct batch *user_timers_batch(const struct user_timers *t);

#endif
