/* flinc/udf.h: functions of SQL written in C: scalar, table and aggregate functions.
 *
 *   #include <flinc/udf.h>
 *   static int eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out, flinc_udf_error *error) { ... }
 *   FLINC_SCALAR_FUNCTION(count_char, .arguments = "STRING, STRING", .result = "BIGINT", .eval = eval);
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) my.c -o my.so
 *
 *   CREATE FUNCTION count_char AS 'count_char' LANGUAGE C USING JAR '/path/my.so';
 *   SELECT count_char(line, 'c') FROM t;
 *
 * The library is read when a statement first uses the function, goes with the job to every worker, and links nothing of Flinc.
 * Callbacks get batches: columns of up to 4096 rows and the numbers of those that count.
 *
 * Arguments.  Alternatives between |, each a list of SQL types or families (ANY, STRING for any CHAR or VARCHAR, BINARY, BOOLEAN,
 * NUMERIC, EXACT, INTEGER, DATETIME, TIMESTAMPS, INTERVAL, ARRAY, MAP, ROW), each with ? behind it when it may be left out, the last
 * one with ... when it may come again.  Arguments are cast to a type that they convert to by themselves (INT to BIGINT); a
 * family takes them as they are.  "" is a function without arguments.
 *
 * NULL.  A scalar function is not asked for rows in which an argument is NULL: its result is NULL there; an aggregate function
 * does not get them; a table function gives no rows for them.  With FLINC_UDF_CALLED_ON_NULL all rows come.
 *
 * Versions.  flinc_udf begins with its size and FLINC_UDF_ABI_VERSION of the header that it was compiled with.  New members are
 * added at its end; what exists keeps its meaning, else the version grows and older libraries are refused with a sentence.
 *
 * Threads.  An instance is used by one thread at a time; many instances exist at once (per call, subtask and attempt), and before
 * a job runs infer() is called where it is planned.  Functions do not block for long: a task that waits takes no checkpoint.
 *
 * Ownership.  Arguments are borrowed for the call.  What open() returns belongs to the library until close(), which is called
 * however the task ends.  Outputs are read only after 0 was returned.
 *
 * Errors.  0, or one of enum flinc_udf_code by flinc_udf_fail(); the code decides what happens, the message goes to people.
 *
 * Flink: ScalarFunction, TableFunction, AggregateFunction. */
#ifndef FLINC_UDF_H
#define FLINC_UDF_H

#include <stdarg.h>
#include <stdio.h>

#include "flinc/out.h"
#include "flinc/sqltype.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLINC_UDF_ABI_VERSION 1
#define FLINC_UDF_MAGIC 0x46554446u /* "FDUF": what CREATE FUNCTION names is one of these */
#define FLINC_UDF_MESSAGE_MAX 512
#define FLINC_UDF_TYPE_MAX 1024 /* bytes of a type as text, with its NUL */
#define FLINC_UDF_STATE_MAX 64  /* bytes of the state of a group */
#define FLINC_UDF_SAVED_MAX (1024 * 1024)

enum flinc_udf_code {
    FLINC_UDF_OK = 0,
    FLINC_UDF_INVALID = 1,     /* values that can never work: the job fails */
    FLINC_UDF_UNAVAILABLE = 2, /* may work later: the job restarts by its strategy */
    FLINC_UDF_TOO_LARGE = 3
};

typedef struct flinc_udf_error {
    char message[FLINC_UDF_MESSAGE_MAX]; /* NUL-terminated; a sentence without full stop */
} flinc_udf_error;

/* Sets the message and is the code. */
static inline int flinc_udf_fail(flinc_udf_error *error, enum flinc_udf_code code, const char *fmt,
                                 ...) FLINC_PRINTF(3, 4);
static inline int flinc_udf_fail(flinc_udf_error *error, enum flinc_udf_code code, const char *fmt,
                                 ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(error->message, sizeof(error->message), fmt, ap);
    va_end(ap);
    return (int)code;
}

/* ---- columns ------------------------------------------------------------------------------------------ */

/* Bytes of up to 12 lie in the view itself, longer ones in a data buffer. */
typedef struct flinc_udf_view {
    int32_t len;
    char prefix[4]; /* short ones go on behind it */
    int32_t buffer, offset;
} flinc_udf_view;

/* A column of arguments.  How values lie: flinc/sqltype.h; strings and bytes as views. */
typedef struct flinc_udf_column {
    const flinc_type *type;
    const void *values;
    const uint8_t *validity; /* bit set = not NULL; NULL pointer: no NULLs */
    const void *const *data; /* data buffers of views */
    /* ARRAY, MAP, MULTISET: values are n + 1 int32_t offsets into the children (their elements; keys and values or counts);
     * ROW: its fields, by the same row.  Rows of children are not affected by `step`. */
    const struct flinc_udf_column *children;
    uint32_t n_children;
    uint32_t step; /* 1; 0: a constant, all rows are row 0 */
} flinc_udf_column;

static inline bool flinc_udf_is_null(const flinc_udf_column *c, uint32_t row)
{
    const uint32_t i = row * c->step;
    return c->validity != NULL && ((c->validity[i >> 3] >> (i & 7)) & 1) == 0;
}
/* Valid during the call. */
static inline flinc_string flinc_udf_string(const flinc_udf_column *c, uint32_t row)
{
    const flinc_udf_view *v = (const flinc_udf_view *)c->values + (size_t)row * c->step;
    flinc_string s;
    s.len = (size_t)v->len;
    s.data = v->len <= 12 ? v->prefix : (const char *)c->data[v->buffer] + v->offset;
    return s;
}
static inline bool flinc_udf_bool(const flinc_udf_column *c, uint32_t row)
{
    const uint32_t i = row * c->step;
    return ((((const uint8_t *)c->values)[i >> 3] >> (i & 7)) & 1) != 0;
}
static inline int64_t flinc_udf_int64(const flinc_udf_column *c, uint32_t row)
{
    return ((const int64_t *)c->values)[(size_t)row * c->step];
}
static inline int32_t flinc_udf_int32(const flinc_udf_column *c, uint32_t row)
{
    return ((const int32_t *)c->values)[(size_t)row * c->step];
}
static inline double flinc_udf_double(const flinc_udf_column *c, uint32_t row)
{
    return ((const double *)c->values)[(size_t)row * c->step];
}

/* Rows that count: number i is row flinc_udf_row(in, i) of each argument. */
typedef struct flinc_udf_batch {
    uint32_t struct_size;
    uint32_t n;
    const uint16_t *rows; /* increasing; NULL: 0, 1, ... */
    uint32_t n_args;
    const flinc_udf_column *args;
} flinc_udf_batch;

static inline uint32_t flinc_udf_row(const flinc_udf_batch *in, uint32_t i)
{
    return in->rows != NULL ? in->rows[i] : i;
}

/* ---- results ------------------------------------------------------------------------------------------ */

/* The column of results, by row.  What is not written is 0, false, empty. */
typedef struct flinc_udf_result {
    uint32_t struct_size;
    const flinc_type *type;
    void *values; /* fixed-width values, bits or views */
    /* Where long strings go. */
    char *heap;
    size_t heap_left;
    int32_t heap_number, heap_offset;
    /* Makes room for `size` bytes at `heap`.  Never fails. */
    void (*grow)(struct flinc_udf_result *out, size_t size);
    /* The result is NULL here.  Scalar functions say FLINC_UDF_NULLABLE or FLINC_UDF_CALLED_ON_NULL. */
    void (*set_null)(struct flinc_udf_result *out, uint32_t row);
    void *owner; /* Flinc's */
} flinc_udf_result;

static inline void flinc_udf_put_int64(flinc_udf_result *out, uint32_t row, int64_t v)
{
    ((int64_t *)out->values)[row] = v;
}
static inline void flinc_udf_put_int32(flinc_udf_result *out, uint32_t row, int32_t v)
{
    ((int32_t *)out->values)[row] = v;
}
static inline void flinc_udf_put_double(flinc_udf_result *out, uint32_t row, double v)
{
    ((double *)out->values)[row] = v;
}
static inline void flinc_udf_put_bool(flinc_udf_result *out, uint32_t row, bool v)
{
    uint8_t *bits = (uint8_t *)out->values + (row >> 3);
    *bits = (uint8_t)((*bits & ~(1u << (row & 7))) | ((uint32_t)v << (row & 7)));
}
/* Room for a string of `len` bytes, to be filled and then ended by flinc_udf_end_string(). */
static inline char *flinc_udf_begin_string(flinc_udf_result *out, size_t max_len)
{
    if (out->heap_left < max_len) {
        out->grow(out, max_len);
    }
    return out->heap;
}
static inline void flinc_udf_end_string(flinc_udf_result *out, uint32_t row, size_t len)
{
    flinc_udf_view *v = (flinc_udf_view *)out->values + row;
    v->len = (int32_t)len;
    if (len <= 12) {
        memset(v->prefix, 0, 12);
        if (len > 0) {
            memcpy(v->prefix, out->heap, len);
        }
        return;
    }
    memcpy(v->prefix, out->heap, 4);
    v->buffer = out->heap_number;
    v->offset = out->heap_offset;
    out->heap += len;
    out->heap_left -= len;
    out->heap_offset += (int32_t)len;
}
/* Copies the bytes. */
static inline void flinc_udf_put_string(flinc_udf_result *out, uint32_t row, flinc_string s)
{
    char *at = flinc_udf_begin_string(out, s.len);
    if (s.len > 0) {
        memcpy(at, s.data, s.len);
    }
    flinc_udf_end_string(out, row, s.len);
}

/* ---- table functions ---------------------------------------------------------------------------------- */

/* Where a table function's rows go, each with the row of the batch that it belongs to: flinc_udf_begin_row(), each column once by
 * flinc_out_put_...(to->out, column, value) of flinc/out.h, flinc_udf_end_row().  Rows of one row follow each other. */
typedef struct flinc_udf_rows {
    uint32_t struct_size;
    flinc_out *out;
    uint16_t *of; /* by row of out */
} flinc_udf_rows;

/* 0, or what call() is to return. */
static inline int flinc_udf_begin_row(flinc_udf_rows *to, uint32_t row)
{
    flinc_out_begin_row(to->out);
    to->of[to->out->n] = (uint16_t)row;
    return to->out->status;
}
static inline int flinc_udf_end_row(flinc_udf_rows *to)
{
    return flinc_out_end_row(to->out);
}

/* ---- aggregate functions ------------------------------------------------------------------------------ */

/* States of groups: `size` bytes each, at most FLINC_UDF_STATE_MAX, 8-aligned.  Zeros are an empty group. */
typedef struct flinc_udf_states {
    char *base;
    uint32_t size;
    const uint32_t *groups; /* by number i of a batch */
} flinc_udf_states;

static inline void *flinc_udf_state(const flinc_udf_states *s, uint32_t i)
{
    return s->base + (size_t)s->groups[i] * s->size;
}

/* Takes bytes and copies them. */
typedef struct flinc_udf_bytes {
    void (*add)(struct flinc_udf_bytes *to, const void *data, size_t size);
    void *owner;
} flinc_udf_bytes;

/* ---- functions ---------------------------------------------------------------------------------------- */

/* A call in a query. */
typedef struct flinc_udf_call {
    uint32_t struct_size;
    const char *function; /* its name in SQL */
    uint32_t n_args; /* aggregates that merge partial results have none: values do not come there */
    const flinc_type *const *args;
    /* By argument: its value in row 0 where it is a constant, else with values NULL.  NULL pointer: not known. */
    const flinc_udf_column *constants;
    const flinc_type *result; /* NULL: infer() */
} flinc_udf_call;

enum flinc_udf_kind { FLINC_UDF_SCALAR = 1, FLINC_UDF_TABLE = 2, FLINC_UDF_AGGREGATE = 3 };

enum flinc_udf_flags {
    FLINC_UDF_CALLED_ON_NULL = 1, /* gets rows with NULLs, too */
    FLINC_UDF_NULLABLE =
        2, /* the result may be NULL though no argument is (aggregates: always so) */
    /* Another value each time, or something happens: called once for each place in the query, and never for conditions
     * that are moved.  Flink: isDeterministic(). */
    FLINC_UDF_NOT_DETERMINISTIC = 4
};

typedef struct flinc_udf {
    uint32_t magic;       /* FLINC_UDF_MAGIC */
    uint32_t struct_size; /* sizeof(flinc_udf) */
    uint32_t abi_version; /* FLINC_UDF_ABI_VERSION */
    uint32_t kind;        /* enum flinc_udf_kind */
    uint32_t flags;       /* enum flinc_udf_flags */
    const char *description;
    const char *arguments;
    /* A type: "BIGINT", "DECIMAL(10, 2) NOT NULL"; a ROW of a table function has its columns: "ROW<word STRING, length INT>".
     * NULL: infer(). */
    const char *result;
    /* Writes the type, NUL-terminated, to ret_type[FLINC_UDF_TYPE_MAX]: by the types of the arguments and constants.  Depends on
     * nothing else: workers ask again. */
    int (*infer)(const flinc_udf_call *call, char *ret_type, flinc_udf_error *error);
    /* Both may be NULL: the instance is NULL. */
    int (*open)(const flinc_udf_call *call, void **ret_instance, flinc_udf_error *error);
    void (*close)(void *instance);

    /* FLINC_UDF_SCALAR: writes the result of each row that counts. */
    int (*eval)(void *instance, const flinc_udf_batch *in, flinc_udf_result *out,
                flinc_udf_error *error);

    /* FLINC_UDF_TABLE */
    int (*call)(void *instance, const flinc_udf_batch *in, flinc_udf_rows *to,
                flinc_udf_error *error);

    /* FLINC_UDF_AGGREGATE */
    uint32_t state_size;
    /* Row i goes to the state flinc_udf_state(states, i).  retract() takes back what was added; NULL: cannot. */
    int (*add)(void *instance, const flinc_udf_batch *in, const flinc_udf_states *states,
               flinc_udf_error *error);
    int (*retract)(void *instance, const flinc_udf_batch *in, const flinc_udf_states *states,
                   flinc_udf_error *error);
    /* Adds state i of `from` to state i of `to`, for all n.  `from` is not used any more, but for destroy(). */
    int (*merge)(void *instance, const flinc_udf_states *to, const flinc_udf_states *from,
                 uint32_t n, flinc_udf_error *error);
    /* Writes row i from state i, for all n. */
    int (*finish)(void *instance, const flinc_udf_states *states, uint32_t n, flinc_udf_result *out,
                  flinc_udf_error *error);
    /* States that are more than their bytes (that point to memory of the function): as bytes, at most FLINC_UDF_SAVED_MAX; back into
     * an empty state; ended.  All three or none. */
    int (*save)(void *instance, const void *state, flinc_udf_bytes *ret, flinc_udf_error *error);
    int (*load)(void *instance, void *state, flinc_string saved, flinc_udf_error *error);
    void (*destroy)(void *instance, void *state);
} flinc_udf;

#ifdef __cplusplus
#define FLINC_UDF_EXTERN extern "C"
#else
#define FLINC_UDF_EXTERN extern
#endif
/* Exports a function under the name that CREATE FUNCTION ... AS 'symbol' gives. */
#define FLINC_UDF_OF_(symbol, of_kind, ...)                               \
    FLINC_UDF_EXTERN FLINC_API const flinc_udf symbol;                    \
    const flinc_udf symbol = {.magic = FLINC_UDF_MAGIC,                   \
                              .struct_size = (uint32_t)sizeof(flinc_udf), \
                              .abi_version = FLINC_UDF_ABI_VERSION,       \
                              .kind = (of_kind),                          \
                              __VA_ARGS__};                               \
    typedef int symbol##_needs_semicolon_
#define FLINC_SCALAR_FUNCTION(symbol, ...) FLINC_UDF_OF_(symbol, FLINC_UDF_SCALAR, __VA_ARGS__)
#define FLINC_TABLE_FUNCTION(symbol, ...) FLINC_UDF_OF_(symbol, FLINC_UDF_TABLE, __VA_ARGS__)
#define FLINC_AGGREGATE_FUNCTION(symbol, ...) \
    FLINC_UDF_OF_(symbol, FLINC_UDF_AGGREGATE, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
