/* Built-in aggregates of windows over columns: COUNT, SUM, MIN, MAX, AVG, by kernels over arrays.
 *
 * The accumulator of a key is a few 8-byte words: whole numbers as int64, floating-point ones as double, and
 * a count of values where NULL is possible or an average is asked for.  Accumulators are made from rows
 * (add), put together (merge) and, when no aggregate loses anything by it, taken apart (subtract): counts
 * and whole sums do, minima, maxima and floating-point sums do not.  Zeroed words are an empty one, but for
 * minima and maxima, which look at `is_new`.
 *
 * Immutable after init but for its scratch.  Thread: one owner (the task). */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_WINDOW_COLUMNS_H
#define FLINC_ENGINE_OPERATORS_WINDOW_WINDOW_COLUMNS_H

#include "engine/state/record.h"
#include "proto/window.pb-c.h"

enum {
    WINDOW_COLUMNS_MAX = 256, /* output columns */
    WINDOW_NO_WORD = UINT32_MAX,
};

struct window_column {
    Flinc__WindowColumnKind kind;
    uint32_t column;     /* key number, or column of the input */
    uint32_t word;       /* its value in the accumulator */
    uint32_t count_word; /* how many values it has; WINDOW_NO_WORD: not counted */
    bool is_float;       /* the value is a double */
};

struct window_columns {
    struct window_column *items; /* Owns; one per output column */
    uint32_t n_items;
    uint32_t n_words;
    bool invertible;
    struct record_layout layout; /* the words as columns, for snapshots */
    int64_t *scratch;            /* Owns: BATCH_ROWS_MAX values widened to 8 bytes */
};

/* Rows of a batch and where their accumulators are.  Accumulator of slot s: values + s * stride. */
struct accumulator_run {
    char *values;
    uint32_t stride;
    const uint32_t *slots; /* by i */
    const uint8_t *is_new; /* by i: the accumulator is empty before this row */
    uint32_t n;
};

/* Checks the configuration against the schemas.  ERR_INVALID_ARGUMENT names the column. */
int window_columns_init(struct window_columns *w, const Flinc__WindowConfig *config,
                        const struct schema *input, const struct schema *output,
                        struct error *err) MUST_CHECK;
void window_columns_fini(struct window_columns *w);
static inline uint32_t window_columns_bytes(const struct window_columns *w)
{
    return w->n_words * 8;
}

/* Adds row rows[i] of the batch (rows NULL: physical row i) to accumulator slots[i]. */
void window_columns_add(struct window_columns *w, const struct batch *b, const uint16_t *rows,
                        const struct accumulator_run *run);
/* One accumulator into another; `is_new`: `to` is empty. */
void window_columns_merge(const struct window_columns *w, char *to, const char *from, bool is_new);
/* Only when `invertible`. */
void window_columns_subtract(const struct window_columns *w, char *from, const char *what);

/* Results of keys: row i is the i-th of `keys`, its accumulator and its window. */
struct window_results {
    struct batch *keys; /* Borrows: a batch of the key columns alone */
    const char *const *accumulators;
    const int64_t *starts, *ends; /* of the windows; NULL: all in [start, end) */
    int64_t start, end;
};
/* They as a batch of the output's schema, with the last moment of each window as its timestamp. */
struct batch *window_columns_results(const struct window_columns *w, struct buffer_pool *pool,
                                     const struct schema *output, const struct window_results *r);

#endif
