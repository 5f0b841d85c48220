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
    FLINC_ASSIGN_SESSION = 3
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
} flinc_assigner;
/* Flink: TumblingEventTimeWindows, TumblingProcessingTimeWindows. */
#define FLINC_TUMBLING(size, ...) \
    ((flinc_assigner){            \
        .kind = FLINC_ASSIGN_TUMBLING, .size_ms = (size), .slide_ms = (size), ##__VA_ARGS__})
/* Flink: SlidingEventTimeWindows, SlidingProcessingTimeWindows. */
#define FLINC_SLIDING(size, slide, ...) \
    ((flinc_assigner){                  \
        .kind = FLINC_ASSIGN_SLIDING, .size_ms = (size), .slide_ms = (slide), ##__VA_ARGS__})
/* Flink: EventTimeSessionWindows, ProcessingTimeSessionWindows. */
#define FLINC_SESSION(gap, ...) \
    ((flinc_assigner){.kind = FLINC_ASSIGN_SESSION, .gap_ms = (gap), ##__VA_ARGS__})

/* Start from FLINC_WINDOW(.assigner = ...). */
typedef struct flinc_window_options {
    uint32_t struct_size;
    flinc_assigner assigner;
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

/* ---- built-in aggregates ---- */

/* Columns computed by the engine: "count() as n, sum(amount) as total, max(amount) as largest".  Known:
 * count(), count(column), sum, min, max, avg.  Each field of the result is one of these by its name,
 * window_start, window_end (BIGINT or TIMESTAMP), or a key column of the same name.  Counts are INT64,
 * averages DOUBLE, sums of whole numbers INT8 to INT64 as declared, the others as their column.  Sliding
 * windows share their work: the cost does not depend on size / slide. */
#define flinc_window_columns(w, columns, type) \
    flinc_window_columns_((w), (columns), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_columns_(flinc_windowed *w, const char *columns,
                                              const flinc_struct *type, flinc_place at);
/* The same with "count() as count". */
#define flinc_window_count(w, type) \
    flinc_window_columns_((w), "count() as count", (type), FLINC_HERE)
/* One column of the records; the result has their type.  Flink: WindowedStream.sum, min, max. */
#define flinc_window_sum(w, column) flinc_window_fold_((w), FLINC_AGG_SUM, (column), FLINC_HERE)
#define flinc_window_min(w, column) flinc_window_fold_((w), FLINC_AGG_MIN, (column), FLINC_HERE)
#define flinc_window_max(w, column) flinc_window_fold_((w), FLINC_AGG_MAX, (column), FLINC_HERE)
FLINC_API flinc_stream *flinc_window_fold_(flinc_windowed *w, flinc_agg agg, const char *column,
                                           flinc_place at);

#ifdef __cplusplus
}
#endif

#endif
