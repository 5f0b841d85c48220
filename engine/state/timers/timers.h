/* Timers of an operator: per (key, namespace, time), in event and in processing time.
 *
 * A timer is an entry of keyed state of the operator's backend (states "_timer_state/event_<name>" and
 * "_timer_state/processing_<name>"): so it is in snapshots, goes with its key group when the job is
 * rescaled, and is there once however often it is set.  Beside the state there is an order of time
 * (timer_queue.h), made anew on restore.
 *
 * Timers belong to keys, and keys are rows of batches: timer_service_begin() names the batch that the
 * calls behind it are about, with its key columns.  What they ask for is collected and done for many
 * rows at once, by timer_service_settle() at the latest: an operator calls it when it is done with a
 * batch, and in snapshot().
 *
 *   process():    begin(batch) { timer_service_add(t, TIMER_EVENT, row, ns, time) }* settle()
 *   watermark():  while (timer_service_fire(t, TIMER_EVENT, watermark_ms, &timer) == 1) { ... }
 *                 or, many at once: timer_service_take(t, TIMER_EVENT, watermark_ms, &due)
 *   both, last:   op_timer_at(ctx, timer_service_next_time(t, TIMER_PROCESSING))
 *
 * With a backend that pages (paged/order.h) memory holds the timers that come next and those that were set last; the
 * others are on disk, in order of their time.
 *
 * Timers fire in order of their time.  One that is set while others fire, for a time that is due, fires in
 * the same round; one that is deleted does not fire any more.
 *
 * Thread: one owner (the task).  Flink: InternalTimerService, InternalTimeServiceManager. */
#ifndef FLINC_ENGINE_STATE_TIMERS_TIMERS_H
#define FLINC_ENGINE_STATE_TIMERS_TIMERS_H

#include "engine/state/state.h"

enum timer_kind {
    TIMER_EVENT,
    TIMER_PROCESSING,
    TIMER_KINDS,
};
enum { TIMER_FIRE_ROWS = 2048 }; /* timers of one batch at most */
#define TIMER_NONE INT64_MAX     /* timer_service_next_time(): there is none */

struct timer_service;

struct timer_service_options {
    const char *name;                /* stable: "user-timers", "window-timers" */
    const struct schema *key_schema; /* key columns, as the operator's keyed state has them */
    /* They can be made again from other state: snapshots have them only where they consist of the backend's own files, and
     * then they are as they were (timer_service_was_stored()). */
    bool is_derived;
};
/* Opens the states, with what was restored, and puts restored timers in order.  ERR_LIMIT: more keys
 * columns or states than there may be. */
int timer_service_new(struct keyed_backend *backend, const struct timer_service_options *options,
                      struct timer_service **ret_service, struct error *err) MUST_CHECK;
/* The state stays with the backend.  NULL is fine; returns NULL. */
struct timer_service *timer_service_free(struct timer_service *t);

/* Whether the timers of this kind were restored; of a service that is derived. */
bool timer_service_was_stored(const struct timer_service *t, enum timer_kind kind);

/* ---- setting and deleting ---------------------------------------------------------------------- */

/* The calls behind this one name rows of `b` (physical numbers), whose keys are in `key_columns` and whose
 * b->hashes are there.  Keeps a reference; timer_service_fire() begins its own batch. */
int timer_service_begin(struct timer_service *t, struct batch *b, const uint32_t *key_columns,
                        struct error *err) MUST_CHECK;
/* A timer that is there already stays the one it is. */
int timer_service_add(struct timer_service *t, enum timer_kind kind, uint32_t row,
                      int64_t name_space, int64_t time_ms, struct error *err) MUST_CHECK;
/* One that is not there is none. */
int timer_service_delete(struct timer_service *t, enum timer_kind kind, uint32_t row,
                         int64_t name_space, int64_t time_ms, struct error *err) MUST_CHECK;
/* The same for `n` rows; `name_spaces` NULL: NAMESPACE_VOID. */
int timer_service_add_rows(struct timer_service *t, enum timer_kind kind, const uint16_t *rows,
                           const int64_t *name_spaces, const int64_t *times_ms, uint32_t n,
                           struct error *err) MUST_CHECK;
int timer_service_delete_rows(struct timer_service *t, enum timer_kind kind, const uint16_t *rows,
                              const int64_t *name_spaces, const int64_t *times_ms, uint32_t n,
                              struct error *err) MUST_CHECK;
/* Everything that was asked for is in the state, what fired is gone from it, and the batch is let go.
 * Call begin() before setting more. */
int timer_service_settle(struct timer_service *t, struct error *err) MUST_CHECK;

/* ---- firing ------------------------------------------------------------------------------------ */

/* No timer is before this time; TIMER_NONE without any.  There may be none at it: it was deleted. */
int64_t timer_service_next_time(const struct timer_service *t, enum timer_kind kind);
/* Settled; with a backend that keeps timers on disk, too, those at hand. */
uint64_t timer_service_count(const struct timer_service *t, enum timer_kind kind);

struct timer {
    int64_t time_ms, name_space;
    struct batch
        *batch;   /* Borrows until the next call of fire or settle: key columns first, b->hashes
                            are those of the key */
    uint32_t row; /* physical; also what add and delete take while this timer fires */
};
/* The next timer that is due at `limit_ms`: 1, and it is set no more; 0: no more are due, and everything
 * is settled.  In between timers may be set and deleted for the row that fires; the operator may
 * stop after any timer and go on later (OP_MORE). */
int timer_service_fire(struct timer_service *t, enum timer_kind kind, int64_t limit_ms,
                       struct timer *ret_timer, struct error *err) MUST_CHECK;

struct timer_batch {
    struct batch *batch;  /* Owns a ref; NULL: no more are due */
    const uint16_t *rows; /* Borrows until the next call: physical rows in order of time */
    uint32_t n;
    const int64_t *times_ms, *name_spaces; /* by row, in `batch` */
};
/* Up to TIMER_FIRE_ROWS due timers at once, all set no more. */
int timer_service_take(struct timer_service *t, enum timer_kind kind, int64_t limit_ms,
                       struct timer_batch *ret_due, struct error *err) MUST_CHECK;

#endif
