/* How aggregates are written: what a descriptor binds, and what its kernels get.  For engine/functions.
 *
 * Kernels never see a NULL, in the arguments that bind() does not let through (n_strict); rows and groups are always given.
 * Thread: that of the aggregate. */
#ifndef FLINC_ENGINE_EXPR_AGGREGATE_KERNELS_H
#define FLINC_ENGINE_EXPR_AGGREGATE_KERNELS_H

#include "engine/expr/aggregate.h"

struct aggregate_heap_block;

/* Bytes that states point to: they go all at once. */
struct aggregate_heap {
    struct buffer_pool *pool;
    struct buffer **blocks; /* Owns */
    uint32_t n_blocks, cap_blocks;
    char *next;
    uint64_t left, bytes;
};
/* 8-aligned, not zeroed. */
void *aggregate_heap_get(struct aggregate_heap *h, uint64_t size);

struct aggregate_kernels {
    int (*add)(struct aggregate *a, const struct aggregate_rows *in, struct error *err);
    /* NULL: cannot. */
    int (*retract)(struct aggregate *a, const struct aggregate_rows *in, struct error *err);
    int (*merge)(struct aggregate *a, const struct aggregate_rows *in, struct error *err);
    void (*merge_groups)(struct aggregate *a, const uint32_t *to, const uint32_t *from, uint32_t n);
    int (*accumulate)(struct aggregate *a, const uint32_t *groups, uint32_t n,
                      struct buffer_pool *pool, struct column *ret, struct error *err);
    int (*result)(struct aggregate *a, const uint32_t *groups, uint32_t n, struct buffer_pool *pool,
                  struct column *ret, struct error *err);
    /* Groups [from, from + n) end; NULL: their states are nothing but bytes. */
    void (*drop)(struct aggregate *a, uint32_t from, uint32_t n);
};

struct aggregate {
    const struct aggregate_desc *desc;
    const struct expr_function *function;
    const struct data_type *arg;    /* Owns a ref: of the value; NULL: COUNT(*) */
    const struct data_type *result; /* Owns a ref */
    bool is_merging;
    const struct aggregate_kernels *kernels;
    uint32_t state_bytes; /* a multiple of 8; of 16 where there is an __int128 */
    uint32_t n_accumulators;
    struct data_type *accumulators[AGGREGATE_ACCUMULATORS_MAX]; /* Owns refs */
    uint32_t n_args;
    uint32_t n_strict; /* leading arguments that must not be NULL; 1 unless bind() says otherwise */
    struct buffer_pool *pool; /* Borrows */
    struct buffer *states;    /* Owns */
    uint32_t n_groups, cap_groups;
    struct aggregate_heap heap;
    const struct data_type *const *arg_types; /* Borrows: n_args, for bind() */
    void *user;                               /* Owns; the kernels' own; free_user() */
    void (*free_user)(void *user);
    uint64_t setting;    /* the kernels' own */
    char *text;          /* Owns; the kernels' own */
    uint16_t *kept_rows; /* Owns: scratch of rows without NULLs */
    uint32_t *kept_groups;
};

struct aggregate_desc {
    /* Chooses kernels, state_bytes and accumulators for a->arg and a->result. */
    int (*bind)(struct aggregate *a, struct error *err);
    /* Where accumulators come: the type of the value by that of the first of them and that of the result (a borrowed one); NULL:
     * the result's. */
    const struct data_type *(*value_of)(const struct data_type *accumulator,
                                        const struct data_type *result);
};

#define AGGREGATE_STATES(a, ctype) ((ctype *)(void *)(a)->states->data)

/* A cell in a column under construction: values zeroed, no validity yet. */
void aggregate_column(struct buffer_pool *pool, struct column *ret, uint32_t n);
void aggregate_set_null(struct buffer_pool *pool, struct column *c, uint32_t row, uint32_t n);
/* A column of strings, or of values as value_encode() writes them.  `cell` has the bytes of the i-th; false: NULL. */
int aggregate_put_encoded(struct buffer_pool *pool, struct column *ret, uint32_t n,
                          bool (*cell)(const void *arg, uint32_t i, struct slice *ret),
                          const void *arg, struct error *err) MUST_CHECK;
static inline void aggregate_put_int(struct column *c, uint32_t row, int64_t v)
{
    switch (c->type->layout) {
    case LAYOUT_I8:
        COLUMN_VALUES(c, int8_t)[row] = (int8_t)v;
        break;
    case LAYOUT_I16:
        COLUMN_VALUES(c, int16_t)[row] = (int16_t)v;
        break;
    case LAYOUT_I32:
        COLUMN_VALUES(c, int32_t)[row] = (int32_t)v;
        break;
    case LAYOUT_I128:
        COLUMN_VALUES(c, __int128)[row] = v;
        break;
    default:
        COLUMN_VALUES(c, int64_t)[row] = v;
        break;
    }
}
static inline void aggregate_put_wide(struct column *c, uint32_t row, __int128 v)
{
    if (c->type->layout == LAYOUT_I128) {
        COLUMN_VALUES(c, __int128)[row] = v;
    } else {
        aggregate_put_int(c, row, (int64_t)v);
    }
}
static inline void aggregate_put_real(struct column *c, uint32_t row, double v)
{
    if (c->type->layout == LAYOUT_F32) {
        COLUMN_VALUES(c, float)[row] = (float)v;
    } else {
        COLUMN_VALUES(c, double)[row] = v;
    }
}

#endif
