/* flinc/time.h: timestamps, watermarks and timers.
 *
 *   flinc_stream *timed = flinc_assign_timestamps(readings, FLINC_WATERMARKS(
 *       .kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = 5000, .timestamp = "at_ms"));
 *
 *   static int on_reading(flinc_ctx *ctx, const reading *in, flinc_out *out)
 *   {
 *       return flinc_ctx_timer_event(ctx, flinc_ctx_timestamp(ctx) + 60000);
 *   }
 *   static int on_timer(flinc_ctx *ctx, int64_t timestamp, flinc_out *out) { ... }
 *   flinc_process(flinc_key_by(timed, "sensor"), FLINC_FUNCTION(on_reading, .on_timer = on_timer),
 *                 FLINC_TYPE(alert));
 *
 * Times are milliseconds since 1970.  A watermark T says that no more records up to T are expected; an
 * operator sees the least of its active inputs.
 *
 * Flink: WatermarkStrategy, TimerService, KeyedProcessFunction. */
#ifndef FLINC_TIME_H
#define FLINC_TIME_H

#include "flinc/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLINC_NO_TIMESTAMP INT64_MIN
#define FLINC_NO_WATERMARK INT64_MIN

/* ---- in functions --------------------------------------------------------------------------- */

/* The timestamp of the record, or the time of the event-time timer, at hand; FLINC_NO_TIMESTAMP without.
 * Flink: Context.timestamp(). */
FLINC_API int64_t flinc_ctx_timestamp(const flinc_ctx *ctx);
/* Event time as far as the operator has come; FLINC_NO_WATERMARK before the first watermark.
 * Flink: currentWatermark(). */
FLINC_API int64_t flinc_ctx_watermark(const flinc_ctx *ctx);
/* Processing time.  Flink: currentProcessingTime(). */
FLINC_API int64_t flinc_ctx_now(const flinc_ctx *ctx);

/* Timers of the key at hand, in process functions on keyed streams that have .on_timer: it is called once
 * per key and time, however often a timer was set.  A timer for a time that is over fires at the next
 * watermark, or at once.  In the functions of a window's trigger (flinc/window.h) they are timers of the
 * window.  What fails (no keyed stream, no .on_timer) fails the task with the reason.
 * Flink: TimerService. */
FLINC_API int flinc_ctx_timer_event(flinc_ctx *ctx, int64_t time_ms);
FLINC_API int flinc_ctx_timer_processing(flinc_ctx *ctx, int64_t time_ms);
FLINC_API int flinc_ctx_timer_delete_event(flinc_ctx *ctx, int64_t time_ms);
FLINC_API int flinc_ctx_timer_delete_processing(flinc_ctx *ctx, int64_t time_ms);
/* In .on_timer: whether the timer at hand is one of event time.  Flink: timeDomain(). */
FLINC_API bool flinc_ctx_timer_is_event(const flinc_ctx *ctx);

/* Columns of the key at hand, by number from 0, in process functions on keyed streams; 0 and the empty
 * string for NULL.  Strings are valid until the call returns.  Flink: getCurrentKey(). */
FLINC_API int64_t flinc_ctx_key_int64(flinc_ctx *ctx, uint32_t column); /* any integer or time */
FLINC_API double flinc_ctx_key_double(flinc_ctx *ctx, uint32_t column);
FLINC_API flinc_string flinc_ctx_key_string(flinc_ctx *ctx, uint32_t column);

/* ---- timestamps and watermarks -------------------------------------------------------------- */

typedef enum flinc_watermark_kind {
    FLINC_WATERMARKS_NONE = 0,       /* timestamps only; none before the end of input */
    FLINC_WATERMARKS_MONOTONOUS = 1, /* timestamps ascend */
    FLINC_WATERMARKS_BOUNDED = 2,    /* late by max_out_of_orderness_ms at most */
    FLINC_WATERMARKS_CUSTOM = 3      /* on_event and on_periodic say it */
} flinc_watermark_kind;

/* How a stream gets its timestamps and watermarks.  Flink: WatermarkStrategy. */
typedef struct flinc_watermarks {
    uint32_t struct_size;
    flinc_watermark_kind kind;
    int64_t max_out_of_orderness_ms;
    /* Where timestamps come from: a column (an integer of milliseconds, TIMESTAMP, TIMESTAMP_LTZ or
     * DATE), or a function
     *   int64_t f(flinc_ctx *, const IN *in, int64_t record_timestamp)
     * or neither: records keep those that they have. */
    const char *timestamp;
    const flinc_function *timestamp_fn;
    /* FLINC_WATERMARKS_CUSTOM; each may be NULL.  They return a watermark, or FLINC_NO_WATERMARK; one
     * that is not above the last is none.
     *   int64_t on_event(flinc_ctx *, const IN *in, int64_t timestamp)   emitted behind the record
     *   int64_t on_periodic(flinc_ctx *)              every pipeline.auto-watermark-interval */
    const flinc_function *on_event;
    const flinc_function *on_periodic;
    /* Without a record for so long the stream is idle and holds nobody back.  0: never.
     * Flink: withIdleness. */
    int64_t idle_timeout_ms;
    /* Sources of one group (any name, in one job) wait for each other: a subtask whose watermark is more than
     * alignment_drift_ms above the lowest of the group reads on when the others have caught up.  Idle and
     * finished ones are not waited for; one that never gets a record is, unless it is idle.  Subtasks and
     * the job master talk every alignment_interval_ms (0: 1000).  The stream must come from its source by
     * maps, filters and the like, without a change of parallelism or partitioning in between.  NULL: none.
     * Flink: withWatermarkAlignment. */
    const char *alignment_group;
    int64_t alignment_drift_ms;
    int64_t alignment_interval_ms;
} flinc_watermarks;
/* FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "at_ms"): members in the order of the
 * struct. */
#define FLINC_WATERMARKS(...) \
    ((flinc_watermarks){.struct_size = (uint32_t)sizeof(flinc_watermarks), __VA_ARGS__})

/* The same records with timestamps, and watermarks in between.
 * Flink: DataStream.assignTimestampsAndWatermarks. */
#define flinc_assign_timestamps(s, strategy) flinc_assign_timestamps_((s), (strategy), FLINC_HERE)
FLINC_API flinc_stream *flinc_assign_timestamps_(flinc_stream *s, flinc_watermarks strategy,
                                                 flinc_place at);

#ifdef __cplusplus
}
#endif

#endif
