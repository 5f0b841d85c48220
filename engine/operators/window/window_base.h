/* What all window operators and the interval join share: configuration, keys, lateness, and how far time had come.
 *
 * A keyed window operator's keys are columns of its input.  windowAll has none: every record gets the same
 * one-column key, made here.  Records that come too late go to the side output of late records, or are
 * dropped and counted (numLateRecordsDropped).
 *
 * Progress.  Fired windows must not fire again after a restore, and what was late stays late, though the
 * watermark starts anew: the time that each key group had reached is operator state.  When the parallelism
 * has changed, key groups of one subtask may have come from different places in time; each keeps its own
 * until the common time has passed it.
 *
 * Thread: the task's.  Flink: WindowOperator, InternalTimerService.currentWatermark. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_WINDOW_BASE_H
#define FLINC_ENGINE_OPERATORS_WINDOW_WINDOW_BASE_H

#include "engine/operators/operator.h"
#include "engine/operators/window/window_time.h"
#include "engine/state/operator_state.h"
#include "engine/state/state.h"
#include "proto/window.pb-c.h"

enum {
    WINDOW_EMIT_BATCHES = 8, /* per call of the operator; then OP_MORE */
};

struct window_base {
    struct operator base;
    Flinc__WindowConfig *config; /* Owns */
    uint32_t *key_columns;       /* of the batches that window_keys() gives; in the task's arena */
    uint32_t *second_columns;    /* the keys in the second input; NULL: there is none */
    uint32_t *plain_columns;     /* 0, 1, 2 ...: of batches of keys alone; in the arena */
    uint32_t n_keys;
    struct schema *key_schema; /* Owns a ref */
    bool is_all;               /* windowAll */
    bool processing_time, is_global;
    uint32_t late_output;             /* of the batch at hand; 0: late records are dropped */
    struct keyed_backend *backend;    /* Borrows: the task's */
    struct operator_list *progress;   /* Borrows: the task's */
    int64_t *group_time;              /* Owns: by key group from first_group on; NULL: as `low` */
    uint32_t first_group, last_group; /* of this subtask */
    int64_t restored_low, restored_high; /* of group_time; INT64_MIN: nothing restored */
    int64_t time_ms;                     /* the latest watermark, or processing time fired */
    uint32_t n_marked;                   /* late rows of the batch at hand */
    uint8_t late[BATCH_ROWS_MAX];
    uint64_t n_late;                     /* dropped */
    struct metric_counter *late_counter; /* Borrows: the metrics'; may be NULL */
};

/* Reads the configuration, makes keys, opens state and progress. */
int window_base_open(struct window_base *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* Safe on a zeroed struct. */
void window_base_close(struct window_base *w);

/* Checks the records of a batch (inserts, with timestamps in event time) and hashes its keys.  On failure
 * the batch is still the caller's. */
int window_base_admit(struct window_base *w, struct op_context *ctx, uint32_t input,
                      struct batch **inout_batch, struct error *err) MUST_CHECK;
/* The batch to look up keys with, row for row as `b`, hashed; a new reference. */
struct batch *window_keys(const struct window_base *w, struct op_context *ctx, struct batch *b);
/* The same rows of `b` only; takes `sel`. */
struct batch *window_select(struct op_context *ctx, struct batch *b, struct buffer *take_sel,
                            uint32_t n);
/* Notes a row of the batch at hand as too late. */
static inline void window_mark_late(struct window_base *w, uint32_t row)
{
    w->late[row] = 1;
    w->n_marked++;
}
/* At the end of a batch: the late rows go out, or are counted. */
void window_emit_late(struct window_base *w, struct op_context *ctx, struct batch *b);

/* What time it is for lateness and firing: the watermark, but not before the restored one. */
static inline int64_t window_now(const struct window_base *w, const struct op_context *ctx)
{
    int64_t watermark = op_watermark(ctx);
    return watermark > w->restored_low ? watermark : w->restored_low;
}
/* True while some key group had come further before the restore. */
static inline bool window_has_ahead(const struct window_base *w, int64_t now)
{
    return w->group_time != NULL && now < w->restored_high;
}
/* The time of a key by its hash, given the common one. */
int64_t window_key_now(const struct window_base *w, const struct op_context *ctx, uint64_t hash,
                       int64_t now);

/* ---- window_progress.c ---------------------------------------------------------------------------- */

int window_progress_open(struct window_base *w, struct op_context *ctx,
                         struct error *err) MUST_CHECK;
/* Fills the operator state; for snapshot(). */
int window_progress_snapshot(struct window_base *w, struct error *err) MUST_CHECK;

/* ---- window_timers.c -------------------------------------------------------------------------------- */

/* Timers that follow from the entries of a state (NAMESPACE_VOID): where they were not restored with it, they are set again. */
struct window_timers {
    struct keyed_state *entries;
    struct timer_service *timers;
    const uint32_t *
        key_columns; /* of batches of keys of the entries; the first n_keys of them are those of timers */
    uint32_t n_keys;
    uint32_t *slots; /* room for BATCH_ROWS_MAX */
    /* Sets those of the entry in a slot, whose key is row `row` of `keys`, about which the timers are. */
    int (*set)(void *arg, const struct op_context *ctx, const struct batch *keys, uint32_t row,
               uint32_t slot, struct error *err);
    void *arg;
};
int window_timers_set_again(const struct window_timers *t, struct op_context *ctx,
                            struct error *err) MUST_CHECK;

/* The hashes of slots of the state's table, as those of a batch of their keys. */
void window_copy_hashes(struct op_context *ctx, const struct keyed_state *s, const uint32_t *slots,
                        uint32_t n, struct batch *keys);

#endif
