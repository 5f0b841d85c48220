/* flinc/function.h: user functions and what they see.
 *
 * A function is named by FLINC_FN(f), or with its optional parts by FLINC_FUNCTION(.call = ..., .open =
 * ..., .config = &c, .config_size = sizeof c).  The graph keeps an offset into the bundle and a copy of the
 * configuration, so functions may be static, and must not rely on globals set by `main`.
 *
 * All callbacks of one subtask run on one thread: no locks are needed.  A callback returns 0, or a
 * negative code made by flinc_ctx_fail(), which fails the task with that message.
 *
 * Flink: org.apache.flink.api.common.functions. */
#ifndef FLINC_FUNCTION_H
#define FLINC_FUNCTION_H

#include "flinc/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flinc_ctx flinc_ctx;
typedef struct flinc_counter flinc_counter;

/* Kinds of calls: which signature `.call` has.  IN, OUT: structs of FLINC_STRUCT (or flinc_string,
 * int64_t ... for single-value streams).
 *   map        int f(flinc_ctx *, const IN *in, OUT *out)         fills out; strings are copied after
 *   filter     int f(flinc_ctx *, const IN *in)                   1 keep, 0 drop, negative: error
 *   flat map   int f(flinc_ctx *, const IN *in, flinc_out *out)   emits any number
 *   process    the same, with side outputs: flinc_ctx_side()
 *   reduce     int f(flinc_ctx *, const T *a, const T *b, T *out) strings of out may be those of a or b
 *   partition  int f(flinc_ctx *, const IN *in, int n)            a channel in [0, n)
 *   generate   int f(flinc_ctx *, int64_t index, OUT *out)        datagen
 *   format     int f(flinc_ctx *, const IN *in, flinc_text *out)  a line of a text sink
 *   bucket     the same: the bucket of a record of a file sink
 *   batch map     int f(flinc_ctx *, const flinc_batch *in, flinc_batch_out *out)
 *   batch filter  int f(flinc_ctx *, const flinc_batch *in, uint16_t *ret_rows)  number of rows kept
 * co- functions have one call per input. */
typedef enum flinc_fn_kind {
    FLINC_FN_MAP = 1,
    FLINC_FN_FILTER = 2,
    FLINC_FN_FLAT_MAP = 3,
    FLINC_FN_PROCESS = 4,
    FLINC_FN_REDUCE = 5,
    FLINC_FN_PARTITION = 6,
    FLINC_FN_GENERATE = 7,
    FLINC_FN_FORMAT = 8,
    FLINC_FN_BATCH_MAP = 9,
    FLINC_FN_BATCH_FILTER = 10,
    FLINC_FN_OPEN = 11,      /* int open(flinc_ctx *)  */
    FLINC_FN_CLOSE = 12,     /* void close(flinc_ctx *) */
    FLINC_FN_SNAPSHOT = 13,  /* int snapshot(flinc_ctx *) */
    FLINC_FN_ON_TIMER = 20,  /* int on_timer(flinc_ctx *, int64_t timestamp, flinc_out *) */
    FLINC_FN_TIMESTAMP = 21, /* flinc/time.h, and below */
    FLINC_FN_WATERMARK_EVENT = 22,
    FLINC_FN_WATERMARK_PERIODIC = 23,
    FLINC_FN_AGGREGATE_ADD = 30, /* flinc/window.h */
    FLINC_FN_AGGREGATE_RESULT = 31,
    FLINC_FN_WINDOW = 32,
    FLINC_FN_CO_GROUP = 33,
    FLINC_FN_JOIN = 34,
    FLINC_FN_DELTA = 35,
    FLINC_FN_AGGREGATE_MERGE = 36,
    FLINC_FN_SESSION_GAP = 37,
    FLINC_FN_EVICT = 38,
    FLINC_FN_ASYNC = 40, /* flinc/async.h */
    FLINC_FN_ASYNC_RETRY_IF = 41,
    FLINC_FN_TRIGGER_ELEMENT = 50, /* flinc/window.h */
    FLINC_FN_TRIGGER_TIME = 51,
    FLINC_FN_TRIGGER_MERGE = 52,
    FLINC_FN_TRIGGER_CLEAR = 53,
    FLINC_FN_BUCKET = 60 /* flinc/files.h */
} flinc_fn_kind;

typedef void (*flinc_any_fn)(void);

/* A function as named in a job.  Made by the macros below. */
typedef struct flinc_function {
    uint32_t struct_size;
    int line; /* where it was named */
    const char *file;
    const char *name; /* for people */
    flinc_any_fn call;
    int (*open)(flinc_ctx *ctx);   /* once per subtask, before the first call; may be NULL */
    void (*close)(flinc_ctx *ctx); /* once per subtask, also after a failure; may be NULL */
    const void *config;            /* copied into the graph; plain data without pointers */
    size_t config_size;
    /* Process functions of keyed streams: a timer fires (flinc/time.h); may be NULL. */
    int (*on_timer)(flinc_ctx *ctx, int64_t timestamp, struct flinc_out *out);
    /* A checkpoint is made: brings operator lists up to date (flinc/state.h); may be NULL.
     * Flink: CheckpointedFunction.snapshotState. */
    int (*snapshot)(flinc_ctx *ctx);
} flinc_function;

/* FLINC_FUNCTION(split, .open = split_open, .config = &options, .config_size = sizeof options): a function
 * with its optional parts, in the order of the struct.  FLINC_FN(split): without. */
/* The environment copies a function at the call that it is given to, so a slot per place is enough; it also
 * outlives the block that it is written in, as a strategy that is put together in an `if` needs it. */
#ifndef __cplusplus
#define FLINC_FUNCTION(f, ...)                                                    \
    (__extension__({                                                              \
        static _Thread_local flinc_function slot_;                                \
        slot_ = (flinc_function){.struct_size = (uint32_t)sizeof(flinc_function), \
                                 .line = __LINE__,                                \
                                 .file = __FILE__,                                \
                                 .name = #f,                                      \
                                 .call = (flinc_any_fn)(f),                       \
                                 __VA_ARGS__};                                    \
        (const flinc_function *)&slot_;                                           \
    }))
#define FLINC_FN(f) FLINC_FUNCTION(f, .open = NULL)
#else
#define FLINC_FUNCTION(f, ...)                                \
    ([&]() -> const flinc_function * {                        \
        static thread_local flinc_function slot_;             \
        slot_ = flinc_function{__VA_ARGS__};                  \
        slot_.struct_size = (uint32_t)sizeof(flinc_function); \
        slot_.line = __LINE__;                                \
        slot_.file = __FILE__;                                \
        slot_.name = #f;                                      \
        slot_.call = (flinc_any_fn)(f);                       \
        return &slot_;                                        \
    }())
#define FLINC_FN(f) FLINC_FUNCTION(f, )
#endif

/* ---- the context ---- */

/* Fails the task: prints the message into the error and returns the code to return with. */
FLINC_API int flinc_ctx_fail(flinc_ctx *ctx, const char *format, ...) FLINC_PRINTF(2, 3);
/* The function's own configuration (16-byte aligned; the subtask's copy), NULL without one. */
FLINC_API const void *flinc_ctx_config(const flinc_ctx *ctx);
/* A pointer of the operator's own, for what open() allocates; NULL at first.  The two calls of a co-
 * function share it. */
FLINC_API void *flinc_ctx_user(const flinc_ctx *ctx);
FLINC_API void flinc_ctx_set_user(flinc_ctx *ctx, void *user);
/* Facts.  Subtask numbers start at 0. */
FLINC_API uint32_t flinc_ctx_subtask(const flinc_ctx *ctx);
FLINC_API uint32_t flinc_ctx_parallelism(const flinc_ctx *ctx);
FLINC_API uint32_t flinc_ctx_attempt(const flinc_ctx *ctx);
FLINC_API const char *flinc_ctx_job_name(const flinc_ctx *ctx);
FLINC_API const char *flinc_ctx_operator_name(const flinc_ctx *ctx);
/* True when the task is being cancelled: long loops of user code should look now and then. */
FLINC_API bool flinc_ctx_is_cancelled(const flinc_ctx *ctx);
/* The side output of this tag (declared by flinc_side_output on the stream); NULL: no such tag. */
FLINC_API flinc_out *flinc_ctx_side(flinc_ctx *ctx, const char *tag);
/* A line in the log, with job, operator and subtask behind it.  Not per record. */
FLINC_API void flinc_ctx_log(flinc_ctx *ctx, const char *format, ...) FLINC_PRINTF(2, 3);

/* ---- metrics and accumulators ---- */

/* A counter metric of the operator; get it in open().  Flink: MetricGroup.counter. */
FLINC_API flinc_counter *flinc_ctx_counter(flinc_ctx *ctx, const char *name);
FLINC_API void flinc_counter_add(flinc_counter *counter, int64_t n);
FLINC_API int64_t flinc_counter_get(const flinc_counter *counter);
/* Summed over all subtasks and part of the job's result.  Flink: LongCounter. */
FLINC_API int flinc_ctx_accumulate(flinc_ctx *ctx, const char *name, int64_t n);

/* ---- batches ---- */

/* A column of a batch, Arrow's layout. */
typedef struct flinc_column {
    const void *values;      /* fixed-width values, bits, or 16-byte views, by physical row */
    const uint8_t *validity; /* bit set = not NULL; NULL pointer: no NULLs */
    const void *const *data; /* data buffers of views */
    uint32_t kind;           /* flinc_field_kind nearest to the type */
    uint32_t n_data;
} flinc_column;

typedef struct flinc_batch {
    uint32_t struct_size;
    uint32_t n_rows;     /* physical rows */
    uint32_t n_selected; /* rows that count */
    uint32_t n_columns;
    const uint16_t *selection; /* their numbers, increasing; NULL: all n_rows */
    const flinc_column *columns;
    void *owner;
} flinc_batch;

static inline uint32_t flinc_batch_row(const flinc_batch *b, uint32_t i)
{
    return b->selection != NULL ? b->selection[i] : i;
}
static inline const int64_t *flinc_batch_int64(const flinc_batch *b, uint32_t column)
{
    return (const int64_t *)b->columns[column].values;
}
static inline const double *flinc_batch_double(const flinc_batch *b, uint32_t column)
{
    return (const double *)b->columns[column].values;
}
FLINC_API flinc_string flinc_batch_string(const flinc_batch *b, uint32_t column, uint32_t row);

/* The result of a batch map: the same rows, other columns.  Every output column must be forwarded or
 * filled. */
typedef struct flinc_batch_out flinc_batch_out;
/* Output column `to` is input column `from`, by reference. */
FLINC_API int flinc_batch_out_forward(flinc_batch_out *out, uint32_t to, uint32_t from);
/* Memory for n_rows fixed-width values of output column `to`, to be filled by physical row. */
FLINC_API void *flinc_batch_out_column(flinc_batch_out *out, uint32_t to);

/* ---- text ---- */

/* A growing line of text for format functions. */
typedef struct flinc_text flinc_text;
FLINC_API void flinc_text_append(flinc_text *text, const char *data, size_t len);
FLINC_API void flinc_text_printf(flinc_text *text, const char *format, ...) FLINC_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
