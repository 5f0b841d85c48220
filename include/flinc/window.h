/* flinc/window.h: windows over keyed and other streams.
 *
 *   flinc_windowed *w = flinc_window(flinc_key_by(words, "word"),
 *                                    FLINC_WINDOW(.assigner = FLINC_TUMBLING(5000)));
 *   flinc_stream *counts = flinc_window_sum(w, "count");
 *
 * A window is [start, end) in milliseconds; what comes out of it carries end - 1 as its timestamp.
 * Event-time windows need timestamps and watermarks; they fire when the watermark passes end - 1.
 * Mistakes stick to the environment, as everywhere (flinc/stream.h).
 *
 * Flink: WindowedStream, AllWindowedStream, org.apache.flink.streaming.api.windowing. */
#ifndef FLINC_WINDOW_H
#define FLINC_WINDOW_H

#include "flinc/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A stream with a description of its windows; what is made of them makes a stream again. */
typedef struct flinc_windowed flinc_windowed;

typedef enum flinc_assigner_kind {
    FLINC_ASSIGN_NONE = 0,
    FLINC_ASSIGN_TUMBLING = 1,
    FLINC_ASSIGN_SLIDING = 2,
    FLINC_ASSIGN_SESSION = 3,
    FLINC_ASSIGN_GLOBAL = 4
} flinc_assigner_kind;

typedef enum flinc_time { FLINC_EVENT_TIME = 0, FLINC_PROCESSING_TIME = 1 } flinc_time;

/* How records are put into windows; made by the macros below, which take more fields behind their
 * arguments: FLINC_TUMBLING(5000, .time = FLINC_PROCESSING_TIME, .offset_ms = 500). */
typedef struct flinc_assigner {
    flinc_assigner_kind kind;
    int64_t size_ms;
    int64_t slide_ms;
    int64_t offset_ms; /* absolute value below the slide; windows start at offset + n * slide */
    int64_t gap_ms;    /* of sessions */
    flinc_time time;
    const flinc_function *gap; /* of sessions, instead of gap_ms: by record */
    const char *gap_column;    /* the same */
} flinc_assigner;
/* Flink: TumblingEventTimeWindows, TumblingProcessingTimeWindows. */
#define FLINC_TUMBLING(size, ...) \
    ((flinc_assigner){            \
        .kind = FLINC_ASSIGN_TUMBLING, .size_ms = (size), .slide_ms = (size), ##__VA_ARGS__})
/* Flink: SlidingEventTimeWindows, SlidingProcessingTimeWindows. */
#define FLINC_SLIDING(size, slide, ...) \
    ((flinc_assigner){                  \
        .kind = FLINC_ASSIGN_SLIDING, .size_ms = (size), .slide_ms = (slide), ##__VA_ARGS__})
/* Sessions: records of a key that are at most the gap apart are in one window, which ends the gap after the
 * last of them.  Windows grow together as records come; what was made of them is merged, and so are triggers:
 * those by time and count can be (delta and `never` cannot).
 * Flink: EventTimeSessionWindows, ProcessingTimeSessionWindows. */
#define FLINC_SESSION(ms, ...) \
    ((flinc_assigner){.kind = FLINC_ASSIGN_SESSION, .gap_ms = (ms), ##__VA_ARGS__})
/* Each record brings its gap in ms, above 0: a function's result, or a column of whole numbers (two streams:
 * the column of this name of each).
 *   int64_t f(flinc_ctx *, const IN *)
 * Flink: EventTimeSessionWindows.withDynamicGap, SessionWindowTimeGapExtractor. */
#define FLINC_SESSION_GAP(fn, ...) \
    ((flinc_assigner){.kind = FLINC_ASSIGN_SESSION, .gap = (fn), ##__VA_ARGS__})
#define FLINC_SESSION_GAP_COLUMN(column, ...) \
    ((flinc_assigner){.kind = FLINC_ASSIGN_SESSION, .gap_column = (column), ##__VA_ARGS__})

/* One window for everything, that fires by its trigger alone.  Flink: GlobalWindows. */
#define FLINC_GLOBAL(...) ((flinc_assigner){.kind = FLINC_ASSIGN_GLOBAL, ##__VA_ARGS__})

/* When a window fires.  Made by the macros below; zero: when its time is over (global windows: never). */
typedef enum flinc_trigger_kind {
    FLINC_TRIGGER_DEFAULT = 0,
    FLINC_TRIGGER_EVENT_TIME = 1,
    FLINC_TRIGGER_PROCESSING_TIME = 2,
    FLINC_TRIGGER_COUNT = 3,
    FLINC_TRIGGER_CONTINUOUS_EVENT_TIME = 4,
    FLINC_TRIGGER_CONTINUOUS_PROCESSING_TIME = 5,
    FLINC_TRIGGER_DELTA = 6,
    FLINC_TRIGGER_NEVER = 7,
    FLINC_TRIGGER_CUSTOM = 8
} flinc_trigger_kind;
typedef struct flinc_trigger {
    flinc_trigger_kind kind;
    int64_t count;
    int64_t interval_ms;
    bool purging; /* firing empties the window.  Flink: PurgingTrigger */
    double threshold;
    const flinc_function *delta;
    /* Of FLINC_TRIGGER. */
    const flinc_function *on_element, *on_event_time, *on_processing_time, *on_merge, *clear;
    const flinc_struct *state;
} flinc_trigger;
/* With each n-th record.  FLINC_ON_COUNT(100, .purging = true).  Flink: CountTrigger. */
#define FLINC_ON_COUNT(n, ...) \
    ((flinc_trigger){.kind = FLINC_TRIGGER_COUNT, .count = (n), ##__VA_ARGS__})
/* Each `ms` of event or processing time, and at the end.  Flink: ContinuousEventTimeTrigger, ... */
#define FLINC_EVERY_EVENT_TIME(ms, ...) \
    ((flinc_trigger){                   \
        .kind = FLINC_TRIGGER_CONTINUOUS_EVENT_TIME, .interval_ms = (ms), ##__VA_ARGS__})
#define FLINC_EVERY_PROCESSING_TIME(ms, ...) \
    ((flinc_trigger){                        \
        .kind = FLINC_TRIGGER_CONTINUOUS_PROCESSING_TIME, .interval_ms = (ms), ##__VA_ARGS__})

/* With a record that is more than `t` away from the one that the window fired with last (or its first).
 *   double f(flinc_ctx *, const IN *older, const IN *newer)
 * FLINC_ON_DELTA(50, FLINC_FN(metres_between)).  Flink: DeltaTrigger. */
#define FLINC_ON_DELTA(t, fn, ...) \
    ((flinc_trigger){.kind = FLINC_TRIGGER_DELTA, .threshold = (t), .delta = (fn), ##__VA_ARGS__})

/* What a trigger's function says of its window.  Flink: TriggerResult. */
typedef enum flinc_trigger_result {
    FLINC_CONTINUE = 0,
    FLINC_FIRE = 1,
    FLINC_PURGE = 2, /* the window is empty again; what the trigger remembers of it stays */
    FLINC_FIRE_AND_PURGE = 3
} flinc_trigger_result;

/* A trigger of one's own:
 *   FLINC_TRIGGER(FLINC_FN(on_element), .on_event_time = FLINC_FN(on_time), .state = FLINC_TYPE(seen))
 *   int on_element(flinc_ctx *, const IN *, int64_t timestamp, STATE *)     a record has come
 *   int on_event_time(flinc_ctx *, int64_t time, STATE *)                   a timer fires
 *   int on_processing_time(flinc_ctx *, int64_t time, STATE *)              the same
 *   int on_merge(flinc_ctx *, const STATE *other, STATE *)                  a session has grown
 *   int clear(flinc_ctx *, STATE *)                                         the window goes for good
 * The first three return what is to become of the window, a flinc_trigger_result; all return a negative code to
 * fail, flinc_ctx_fail().  Only on_element must be there; a timer without its function changes nothing.  The
 * timestamp of records without one is the processing time.  With `.purging = true` what fires also purges.
 *
 * They set and delete timers of their window, in both times, by flinc_ctx_timer_event() and its companions
 * (flinc/time.h), and see flinc_ctx_watermark(), flinc_ctx_now(), flinc_ctx_window_start() and _end().  A timer
 * of a time that has passed fires with the next watermark, or at once; timers go with their window.  Nothing
 * fires at the end of a window unless a timer is set for end - 1.  A window has few timers: at most 1,024.
 *
 * STATE is kept per key and window, as value state is: zero in a new window, in snapshots, with strings copied
 * behind the call.  Without `.state` the pointer is of no use.
 *
 * Session windows need on_merge, which is called when records have made a session longer, with its new bounds
 * and without its timers, which it sets again: once per session that has come into it, whose state is `other`
 * (clear is called for it next), or with NULL when the record alone made it longer.
 * Not for windows of two streams, nor for built-in aggregates.
 * Flink: Trigger; canMerge is whether there is an on_merge. */
#define FLINC_TRIGGER(element, ...) \
    ((flinc_trigger){.kind = FLINC_TRIGGER_CUSTOM, .on_element = (element), ##__VA_ARGS__})

/* Which records a firing window forgets, before the function sees them or after.  Flink: Evictor. */
typedef enum flinc_evictor_kind {
    FLINC_EVICT_NONE = 0,
    FLINC_EVICT_COUNT = 1,
    FLINC_EVICT_TIME = 2,
    FLINC_EVICT_DELTA = 3,
    FLINC_EVICT_FUNCTION = 4
} flinc_evictor_kind;
typedef struct flinc_evictor {
    flinc_evictor_kind kind;
    int64_t count;
    int64_t time_ms;
    bool after;
    double threshold;
    const flinc_function *delta;
    const flinc_function *evict_before, *evict_after;
} flinc_evictor;
/* Keeps the last n.  Flink: CountEvictor. */
#define FLINC_KEEP_LAST(n, ...) \
    ((flinc_evictor){.kind = FLINC_EVICT_COUNT, .count = (n), ##__VA_ARGS__})
/* Keeps those of the last `ms` before the latest.  Flink: TimeEvictor. */
#define FLINC_KEEP_TIME(ms, ...) \
    ((flinc_evictor){.kind = FLINC_EVICT_TIME, .time_ms = (ms), ##__VA_ARGS__})

/* Keeps those that are less than `t` away from the last one, by a function as FLINC_ON_DELTA takes it.
 * Flink: DeltaEvictor. */
#define FLINC_KEEP_DELTA(t, fn, ...) \
    ((flinc_evictor){.kind = FLINC_EVICT_DELTA, .threshold = (t), .delta = (fn), ##__VA_ARGS__})

/* Functions of one's own, either of which may be NULL:
 *   int f(flinc_ctx *, const flinc_pane *pane, const int64_t *timestamps, uint8_t *evict)
 * `pane` is the window with its records, the i-th of which came with timestamps[i] (FLINC_NO_TIMESTAMP
 * of flinc/time.h: without one); the function sets evict[i], which is 0, to 1 for those that the window is to forget.  The
 * first function is called before that of the window, which does not see what is forgotten, the second one
 * behind it.  Neither is called for a window without records.
 * FLINC_EVICT(FLINC_FN(outliers), NULL).  Flink: Evictor.evictBefore, evictAfter. */
#define FLINC_EVICT(before, after, ...)            \
    ((flinc_evictor){.kind = FLINC_EVICT_FUNCTION, \
                     .evict_before = (before),     \
                     .evict_after = (after),       \
                     ##__VA_ARGS__})

/* Start from FLINC_WINDOW(.assigner = ...). */
typedef struct flinc_window_options {
    uint32_t struct_size;
    flinc_assigner assigner;
    flinc_trigger trigger;
    flinc_evictor evictor;
    /* How long a window is kept after its end: records that come until then make it fire again. */
    int64_t allowed_lateness_ms;
    /* Records that come too late go to this side output (flinc_side_output with the stream's type);
     * NULL: they are dropped and counted in the metric numLateRecordsDropped. */
    const char *late_tag;
} flinc_window_options;
#define FLINC_WINDOW(...) \
    ((flinc_window_options){.struct_size = (uint32_t)sizeof(flinc_window_options), __VA_ARGS__})

/* Windows per key.  Flink: KeyedStream.window. */
#define flinc_window(s, options) flinc_window_((s), (options), FLINC_HERE)
FLINC_API flinc_windowed *flinc_window_(flinc_stream *s, flinc_window_options options,
                                        flinc_place at);
/* Windows over all records, in one subtask.  Flink: DataStream.windowAll. */
#define flinc_window_all(s, options) flinc_window_all_((s), (options), FLINC_HERE)
FLINC_API flinc_windowed *flinc_window_all_(flinc_stream *s, flinc_window_options options,
                                            flinc_place at);

/* Windows of n records of a key.  Flink: countWindow(size), countWindow(size, slide). */
#define flinc_count_window(s, n)                                                 \
    flinc_window_((s),                                                           \
                  FLINC_WINDOW(.assigner = {.kind = FLINC_ASSIGN_GLOBAL},        \
                               .trigger = FLINC_ON_COUNT((n), .purging = true)), \
                  FLINC_HERE)
#define flinc_count_window_sliding(s, n, slide)                                                  \
    flinc_window_((s),                                                                           \
                  FLINC_WINDOW(.assigner = {.kind = FLINC_ASSIGN_GLOBAL},                        \
                               .trigger = FLINC_ON_COUNT(slide), .evictor = FLINC_KEEP_LAST(n)), \
                  FLINC_HERE)

/* ---- functions ----
 *
 * Process functions, and all functions behind an evictor, see the records of a window, which are kept until
 * it is over; reduce and aggregate functions are called with each record as it comes, and one value is kept
 * per window and key.
 *
 * Sliding windows without trigger and evictor of their own share panes: records are kept once and values once per
 * gcd(size, slide), whatever size / slide is.  Values of panes are put together with the reduce function, or with the
 * aggregate's merge function (without one, each window has an accumulator of its own); these are associative, and
 * commutative where records come out of order. */

/* A window that fires. */
typedef struct flinc_pane {
    uint32_t struct_size;
    int64_t start_ms; /* INT64_MIN, and the end INT64_MAX, of a global window */
    int64_t end_ms;   /* exclusive */
    int64_t watermark_ms;
    /* Structs of the records, in order of arrival; of one key.  Of sessions that grew together the records
     * of the earlier one come first. */
    const void *const *records;
    size_t n; /* above 0 */
} flinc_pane;
#define FLINC_PANE_RECORD(pane, type, i) ((const type *)(pane)->records[i])

/* int f(flinc_ctx *, const flinc_pane *, flinc_out *): any number of results.  The key is in each record.
 * Flink: ProcessWindowFunction, ProcessAllWindowFunction. */
#define flinc_window_process(w, fn, type) flinc_window_process_((w), (fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_process_(flinc_windowed *w, const flinc_function *fn,
                                              const flinc_struct *type, flinc_place at);
/* Combines the records to one: a reduce function, as flinc_reduce takes it. */
#define flinc_window_reduce(w, fn) flinc_window_reduce_((w), (fn), NULL, NULL, FLINC_HERE)
/* The same, and the result goes through a process function (a pane of one record). */
#define flinc_window_reduce_process(w, fn, process, type) \
    flinc_window_reduce_((w), (fn), (process), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_reduce_(flinc_windowed *w, const flinc_function *fn,
                                             const flinc_function *process,
                                             const flinc_struct *type, flinc_place at);
/* Through an accumulator of another type, which is all zero at first:
 *   int add(flinc_ctx *, const IN *, ACC *)      strings may be those of the record
 *   int result(flinc_ctx *, const ACC *, OUT *)
 *   int merge(flinc_ctx *, const ACC *other, ACC *)   puts another accumulator into this one
 * Session windows, which grow together, need merge unless they have an evictor; sliding windows share panes with
 * it; the others may leave it out.
 * Flink: AggregateFunction. */
typedef struct flinc_aggregate {
    uint32_t struct_size;
    const flinc_function *add;
    const flinc_function *result;
    const flinc_struct *accumulator;
    const flinc_struct *type; /* of the result */
    const flinc_function *merge;
} flinc_aggregate;
#define FLINC_AGGREGATE(...) \
    ((flinc_aggregate){.struct_size = (uint32_t)sizeof(flinc_aggregate), __VA_ARGS__})
#define flinc_window_aggregate(w, aggregate) \
    flinc_window_aggregate_((w), (aggregate), NULL, NULL, FLINC_HERE)
#define flinc_window_aggregate_process(w, aggregate, process, type) \
    flinc_window_aggregate_((w), (aggregate), (process), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_aggregate_(flinc_windowed *w, flinc_aggregate aggregate,
                                                const flinc_function *process,
                                                const flinc_struct *type, flinc_place at);

/* ---- two streams ----
 *
 * Windows over the records of two keyed streams with the same key, with triggers and lateness, without
 * evictors.  A session holds records of both. */

/* int f(flinc_ctx *, const flinc_pane *first, const flinc_pane *second, flinc_out *): the records of a key and
 * window of both; one of them may be empty (n is 0).  Flink: DataStream.coGroup. */
#define flinc_co_group(a, b, options, fn, type) \
    flinc_co_group_((a), (b), (options), (fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_co_group_(flinc_stream *a, flinc_stream *b,
                                        flinc_window_options options, const flinc_function *fn,
                                        const flinc_struct *type, flinc_place at);
/* int f(flinc_ctx *, const A *, const B *, flinc_out *): each pair of a key and window, flinc_ctx_window_start().
 * Flink: DataStream.join. */
#define flinc_window_join(a, b, options, fn, type) \
    flinc_window_join_((a), (b), (options), (fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_join_(flinc_stream *a, flinc_stream *b,
                                           flinc_window_options options, const flinc_function *fn,
                                           const flinc_struct *type, flinc_place at);

/* Pairs of records of two keyed streams with the same key whose timestamps are in an interval:
 *   time of a + lower_ms <= time of b <= time of a + upper_ms
 *   int f(flinc_ctx *, const A *, const B *, flinc_out *)
 *   flinc_interval_join(a, b, FLINC_INTERVAL(.lower_ms = -5, .upper_ms = 10), FLINC_FN(f), FLINC_TYPE(pair))
 * Event time.  Results carry the later timestamp of their pair; the function sees both,
 * flinc_ctx_first_timestamp().  Records behind the watermark are late and
 * are paired with nothing.  Flink: KeyedStream.intervalJoin. */
typedef struct flinc_interval {
    uint32_t struct_size;
    int64_t lower_ms, upper_ms;
    bool lower_exclusive, upper_exclusive;
    /* Side outputs of late records, as those of windows; NULL: they are dropped.
     * Flink: sideOutputLeftLateData, sideOutputRightLateData. */
    const char *late_first_tag, *late_second_tag;
} flinc_interval;
#define FLINC_INTERVAL(...) \
    ((flinc_interval){.struct_size = (uint32_t)sizeof(flinc_interval), __VA_ARGS__})
#define flinc_interval_join(a, b, interval, fn, type) \
    flinc_interval_join_((a), (b), (interval), (fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_interval_join_(flinc_stream *a, flinc_stream *b,
                                             flinc_interval interval, const flinc_function *fn,
                                             const flinc_struct *type, flinc_place at);

/* The timestamps, in milliseconds, of the records of the pair that the function of an interval join sees;
 * INT64_MIN in any other function.  Flink: ProcessJoinFunction.Context.getLeftTimestamp, getRightTimestamp. */
FLINC_API int64_t flinc_ctx_first_timestamp(const flinc_ctx *ctx);
FLINC_API int64_t flinc_ctx_second_timestamp(const flinc_ctx *ctx);
/* Bounds of the window that fires, in milliseconds, the end exclusive: in functions that are called when it
 * does (of a window join, a coGroup, process; the result of an aggregate).  Of a global window, INT64_MIN and
 * INT64_MAX; INT64_MIN in functions without windows.  Flink: the window of CoGroupedStreams, JoinedStreams. */
FLINC_API int64_t flinc_ctx_window_start(const flinc_ctx *ctx);
FLINC_API int64_t flinc_ctx_window_end(const flinc_ctx *ctx);

/* ---- built-in aggregates ---- */

/* Columns computed by the engine: "count() as n, sum(amount) as total, max(amount) as largest".  Known:
 * count(), count(column), sum, min, max, avg.  Each field of the result is one of these by its name,
 * window_start, window_end (BIGINT or TIMESTAMP), or a key column of the same name.  Counts are INT64,
 * averages DOUBLE, sums of whole numbers INT8 to INT64 as declared, the others as their column.  Sliding
 * windows share their work: the cost does not depend on size / slide.  Any windows; those with the default
 * trigger, without evictor and lateness, are the fastest. */
#define flinc_window_columns(w, columns, type) \
    flinc_window_columns_((w), (columns), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_columns_(flinc_windowed *w, const char *columns,
                                              const flinc_struct *type, flinc_place at);
/* The same with "count() as count". */
#define flinc_window_count(w, type) \
    flinc_window_columns_((w), "count() as count", (type), FLINC_HERE)
/* One column of the records; the result has their type, and the other columns are those of the first record.
 * minBy and maxBy give the whole record, the first of equals.
 * Flink: WindowedStream.sum, min, max, minBy, maxBy. */
#define flinc_window_sum(w, column) flinc_window_fold_((w), FLINC_AGG_SUM, (column), FLINC_HERE)
#define flinc_window_min(w, column) flinc_window_fold_((w), FLINC_AGG_MIN, (column), FLINC_HERE)
#define flinc_window_max(w, column) flinc_window_fold_((w), FLINC_AGG_MAX, (column), FLINC_HERE)
#define flinc_window_min_by(w, column) \
    flinc_window_fold_((w), FLINC_AGG_MIN_BY, (column), FLINC_HERE)
#define flinc_window_max_by(w, column) \
    flinc_window_fold_((w), FLINC_AGG_MAX_BY, (column), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_fold_(flinc_windowed *w, flinc_agg agg, const char *column,
                                           flinc_place at);

#ifdef __cplusplus
}
#endif

#endif
