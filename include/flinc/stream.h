/* flinc/stream.h: streams and what can be done with them.
 *
 * A builder returns a stream always.  The first mistake (a NULL, an unknown column, types that do not
 * fit) sticks to the environment with the file and line of the call that made it; flinc_env_execute()
 * reports it.  So a job needs no ladder of checks.  Streams belong to their environment.
 *
 * Each call below is a macro over a function of the same name with an underscore, that adds the place
 * of the call.  `type` is FLINC_TYPE(struct), `fn` is FLINC_FN(function) or FLINC_FUNCTION(...).
 *
 * Flink: org.apache.flink.streaming.api.datastream. */
#ifndef FLINC_STREAM_H
#define FLINC_STREAM_H

#include "flinc/function.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flinc_env flinc_env;
typedef struct flinc_stream flinc_stream;

/* Where in the job's source a call stands. */
typedef struct flinc_place {
    const char *file;
    int line;
} flinc_place;
static inline flinc_place flinc_place_at(const char *file, int line)
{
    flinc_place p;
    p.file = file;
    p.line = line;
    return p;
}
#define FLINC_HERE (flinc_place_at(__FILE__, __LINE__))

/* ---- one stream to one stream ---- */

/* One record for each record.  Flink: DataStream.map. */
#define flinc_map(s, fn, type) flinc_map_((s), (fn), (type), FLINC_HERE)
/* The records for which fn says 1.  Flink: DataStream.filter. */
#define flinc_filter(s, fn) flinc_filter_((s), (fn), FLINC_HERE)
/* Any number of records for each.  Flink: DataStream.flatMap. */
#define flinc_flat_map(s, fn, type) flinc_flat_map_((s), (fn), (type), FLINC_HERE)
/* As flat map, with side outputs (flinc_ctx_side).  Flink: DataStream.process. */
#define flinc_process(s, fn, type) flinc_process_((s), (fn), (type), FLINC_HERE)
/* Batch callbacks: whole columns at a time. */
#define flinc_map_batch(s, fn, type) flinc_map_batch_((s), (fn), (type), FLINC_HERE)
#define flinc_filter_batch(s, fn) flinc_filter_batch_((s), (fn), FLINC_HERE)
FLINC_API flinc_stream *flinc_map_(flinc_stream *s, const flinc_function *fn,
                                   const flinc_struct *type, flinc_place at);
FLINC_API flinc_stream *flinc_filter_(flinc_stream *s, const flinc_function *fn, flinc_place at);
FLINC_API flinc_stream *flinc_flat_map_(flinc_stream *s, const flinc_function *fn,
                                        const flinc_struct *type, flinc_place at);
FLINC_API flinc_stream *flinc_process_(flinc_stream *s, const flinc_function *fn,
                                       const flinc_struct *type, flinc_place at);
FLINC_API flinc_stream *flinc_map_batch_(flinc_stream *s, const flinc_function *fn,
                                         const flinc_struct *type, flinc_place at);
FLINC_API flinc_stream *flinc_filter_batch_(flinc_stream *s, const flinc_function *fn,
                                            flinc_place at);

/* The side output `tag` of a process or co-process function.  Ask for it before execute; the function
 * gets its writer from flinc_ctx_side(ctx, tag).  Flink: getSideOutput. */
#define flinc_side_output(s, tag, type) flinc_side_output_((s), (tag), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_side_output_(flinc_stream *s, const char *tag,
                                           const flinc_struct *type, flinc_place at);

/* ---- keyed streams ---- */

/* Records with equal keys meet in one subtask.  `columns`: "word" or "user, day".
 * Flink: DataStream.keyBy. */
#define flinc_key_by(s, columns) flinc_key_by_((s), (columns), FLINC_HERE)
FLINC_API flinc_stream *flinc_key_by_(flinc_stream *s, const char *columns, flinc_place at);
/* Rolling aggregates of a keyed stream: in STREAMING mode one result per record, in BATCH mode the
 * final value of each key, at the end of input.  sum, min and max change one column and keep the
 * others of the first record; minBy and maxBy give the whole record (the first of equals). */
#define flinc_sum(s, column) flinc_aggregate_((s), FLINC_AGG_SUM, (column), FLINC_HERE)
#define flinc_min(s, column) flinc_aggregate_((s), FLINC_AGG_MIN, (column), FLINC_HERE)
#define flinc_max(s, column) flinc_aggregate_((s), FLINC_AGG_MAX, (column), FLINC_HERE)
#define flinc_min_by(s, column) flinc_aggregate_((s), FLINC_AGG_MIN_BY, (column), FLINC_HERE)
#define flinc_max_by(s, column) flinc_aggregate_((s), FLINC_AGG_MAX_BY, (column), FLINC_HERE)
typedef enum flinc_agg {
    FLINC_AGG_SUM = 0,
    FLINC_AGG_MIN = 1,
    FLINC_AGG_MAX = 2,
    FLINC_AGG_MIN_BY = 3,
    FLINC_AGG_MAX_BY = 4
} flinc_agg;
FLINC_API flinc_stream *flinc_aggregate_(flinc_stream *s, flinc_agg agg, const char *column,
                                         flinc_place at);
/* Combines the value so far with each record of the key.  Flink: KeyedStream.reduce. */
#define flinc_reduce(s, fn, type) flinc_reduce_((s), (fn), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_reduce_(flinc_stream *s, const flinc_function *fn,
                                      const flinc_struct *type, flinc_place at);

/* ---- several streams ---- */

/* All records of both; the types must be equal.  Flink: DataStream.union. */
#define flinc_union(a, b) flinc_union_((a), (b), FLINC_HERE)
FLINC_API flinc_stream *flinc_union_(flinc_stream *a, flinc_stream *b, flinc_place at);
/* Two streams of any types into one operator; `first` and `second` are its calls.  One of the two
 * may be broadcast, or both keyed.  Flink: DataStream.connect, CoMapFunction, ... */
#define flinc_co_map(a, b, first, second, type) \
    flinc_co_map_((a), (b), (first), (second), (type), FLINC_HERE)
#define flinc_co_flat_map(a, b, first, second, type) \
    flinc_co_flat_map_((a), (b), (first), (second), (type), FLINC_HERE)
#define flinc_co_process(a, b, first, second, type) \
    flinc_co_process_((a), (b), (first), (second), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_co_map_(flinc_stream *a, flinc_stream *b, const flinc_function *first,
                                      const flinc_function *second, const flinc_struct *type,
                                      flinc_place at);
FLINC_API flinc_stream *flinc_co_flat_map_(flinc_stream *a, flinc_stream *b,
                                           const flinc_function *first,
                                           const flinc_function *second, const flinc_struct *type,
                                           flinc_place at);
FLINC_API flinc_stream *flinc_co_process_(flinc_stream *a, flinc_stream *b,
                                          const flinc_function *first, const flinc_function *second,
                                          const flinc_struct *type, flinc_place at);

/* ---- how records travel to the next operator ---- */

#define flinc_forward(s) flinc_partition_((s), FLINC_SHIP_FORWARD, FLINC_HERE)
#define flinc_rebalance(s) flinc_partition_((s), FLINC_SHIP_REBALANCE, FLINC_HERE)
#define flinc_rescale(s) flinc_partition_((s), FLINC_SHIP_RESCALE, FLINC_HERE)
#define flinc_broadcast(s) flinc_partition_((s), FLINC_SHIP_BROADCAST, FLINC_HERE)
#define flinc_shuffle(s) flinc_partition_((s), FLINC_SHIP_SHUFFLE, FLINC_HERE)
#define flinc_global(s) flinc_partition_((s), FLINC_SHIP_GLOBAL, FLINC_HERE)
typedef enum flinc_ship {
    FLINC_SHIP_FORWARD = 0,
    FLINC_SHIP_REBALANCE = 2,
    FLINC_SHIP_RESCALE = 3,
    FLINC_SHIP_BROADCAST = 4,
    FLINC_SHIP_SHUFFLE = 5,
    FLINC_SHIP_GLOBAL = 6
} flinc_ship;
FLINC_API flinc_stream *flinc_partition_(flinc_stream *s, flinc_ship ship, flinc_place at);
/* fn chooses the channel.  Flink: DataStream.partitionCustom. */
#define flinc_partition_custom(s, fn) flinc_partition_custom_((s), (fn), FLINC_HERE)
FLINC_API flinc_stream *flinc_partition_custom_(flinc_stream *s, const flinc_function *fn,
                                                flinc_place at);

/* ---- ends ---- */

/* One line per record on standard output, as Flink prints them; "3> " in front with parallelism > 1.
 * Flink: DataStream.print. */
#define flinc_print(s) flinc_print_((s), NULL, FLINC_HERE)
#define flinc_print_named(s, name) flinc_print_((s), (name), FLINC_HERE)
FLINC_API flinc_stream *flinc_print_(flinc_stream *s, const char *name, flinc_place at);

/* Lines in part files of a folder, finished by rename.  Start from FLINC_TEXT_SINK(.path = ...). */
typedef struct flinc_text_sink {
    uint32_t struct_size;
    const char *path;             /* folder; made when it is missing */
    const flinc_function *format; /* format function; NULL: "(a,b)" as Flink prints a tuple */
    const char *prefix;           /* of part files; NULL: "part" */
    const char *suffix;           /* NULL: none */
    uint64_t rolling_bytes;       /* next part file above it; 0: 128 MiB */
    uint64_t rolling_interval_ms; /* or after it; 0: never */
} flinc_text_sink;
#define FLINC_TEXT_SINK(...) \
    ((flinc_text_sink){.struct_size = (uint32_t)sizeof(flinc_text_sink), __VA_ARGS__})
#define flinc_write_text(s, sink) flinc_write_text_((s), (sink), FLINC_HERE)
FLINC_API flinc_stream *flinc_write_text_(flinc_stream *s, flinc_text_sink sink, flinc_place at);
/* Drops every record.  Flink: DiscardingSink. */
#define flinc_discard(s) flinc_discard_((s), FLINC_HERE)
FLINC_API flinc_stream *flinc_discard_(flinc_stream *s, flinc_place at);

/* ---- settings of the operator that made the stream; each returns it ---- */

FLINC_API flinc_stream *flinc_name(flinc_stream *s, const char *name);
FLINC_API flinc_stream *flinc_uid(flinc_stream *s, const char *uid);
FLINC_API flinc_stream *flinc_set_parallelism(flinc_stream *s, int parallelism);
FLINC_API flinc_stream *flinc_set_max_parallelism(flinc_stream *s, int max_parallelism);
/* Subtasks of operators of one group share slots; operators without a group are in their inputs', else in
 * "default".  What the slots of a group are worth: flinc_env_register_slot_sharing_group(). */
FLINC_API flinc_stream *flinc_slot_sharing_group(flinc_stream *s, const char *group);
FLINC_API flinc_stream *flinc_start_new_chain(flinc_stream *s);
FLINC_API flinc_stream *flinc_disable_chaining(flinc_stream *s);

#ifdef __cplusplus
}
#endif

#endif
