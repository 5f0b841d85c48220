/* What kernels work on: vectors of values, the rows that count, the result.
 *
 * A vector is a column (batch.h) whose row i belongs to row i of the batch, or a constant, whose only row is 0.  A kernel
 * computes the rows that it is given (`rows`, or all of 0..n) and may leave others as they are; it never reads a row that
 * it was not given, nor one that is NULL, unless it is DENSE (function.h), which means: safe and cheap on any bytes.
 *
 * A strict function's kernel gets its result's validity made (NULL wherever an argument is) and, unless DENSE, only
 * rows without NULL arguments; it says expr_set_null() for a NULL of its own.  Others look at NULLs themselves.
 *
 * Values: out->values is allocated for n_rows (bits, offsets and views are zeroed); nested results are made by a builder.
 * Thread: that of the program. */
#ifndef FLINC_ENGINE_EXPR_VECTOR_H
#define FLINC_ENGINE_EXPR_VECTOR_H

#include "engine/data/batch.h"
#include "engine/data/builder.h"

struct time_zone;

struct expr_vector {
    struct column column;
    bool is_constant;
};

/* What is the same for all calls of a program in one batch. */
struct expr_context {
    struct buffer_pool *pool;     /* Borrows */
    struct arena *arena;          /* Borrows: emptied after each batch */
    const struct time_zone *zone; /* Borrows: table.local-time-zone; NULL: UTC */
    bool is_batch;                /* execution.runtime-mode = batch: CURRENT_* stand still */
    int64_t query_start_ms;
    int64_t now_ms;            /* wall clock, read once per batch */
    int64_t watermark;         /* INT64_MIN: none yet */
    const int64_t *timestamps; /* of the records; NULL: none */
    uint32_t subtask;
};

struct expr_frame {
    const struct expr_vector *const *args;
    uint32_t n_args;
    struct expr_vector *out;
    const uint16_t *rows; /* NULL: all of 0..n */
    uint32_t n;
    uint32_t n_rows; /* physical rows of the batch */
    void *state;     /* what bind() prepared */
    struct expr_context *context;
    struct expr_heap *heap; /* where bytes of results go: expr_put_bytes() */
};

/* 0, or an error that stops the job: "Division by zero". */
typedef int (*expr_kernel)(struct expr_frame *f, struct error *err);

/* for (EXPR_ROWS(f, row)) { ... } */
#define EXPR_ROWS(f, row)                                                           \
    uint32_t row##_i = 0, row = (f)->n > 0 && (f)->rows != NULL ? (f)->rows[0] : 0; \
    row##_i < (f)->n;                                                               \
    row##_i++, row = (f)->rows == NULL ? row##_i : row##_i < (f)->n ? (f)->rows[row##_i] : 0

/* Row of a vector: 0 of constants. */
static inline uint32_t expr_at(const struct expr_vector *v, uint32_t row)
{
    return v->is_constant ? 0 : row;
}
#define EXPR_VALUES(v, ctype) COLUMN_VALUES(&(v)->column, ctype)
static inline bool expr_is_null_at(const struct expr_vector *v, uint32_t row)
{
    return column_is_null(&v->column, expr_at(v, row));
}
/* Argument k at a row, by layout. */
static inline struct slice expr_bytes(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    return column_get_bytes(&f->args[k]->column, expr_at(f->args[k], row));
}
static inline int64_t expr_int(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    return column_get_int(&f->args[k]->column, expr_at(f->args[k], row));
}
static inline bool expr_bool(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    return column_get_bool(&f->args[k]->column, expr_at(f->args[k], row));
}
static inline double expr_real(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    const struct expr_vector *v = f->args[k];
    return v->column.type->layout == LAYOUT_F32 ? EXPR_VALUES(v, const float)[expr_at(v, row)]
                                                : EXPR_VALUES(v, const double)[expr_at(v, row)];
}
static inline __int128 expr_wide(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    const struct expr_vector *v = f->args[k];
    return v->column.type->layout == LAYOUT_I128 ? EXPR_VALUES(v, const __int128)[expr_at(v, row)]
                                                 : column_get_int(&v->column, expr_at(v, row));
}
/* A timestamp of any precision: a cell, and argument k at a row. */
struct ts_nano expr_timestamp_cell(const struct column *c, uint32_t row);
struct ts_nano expr_timestamp(const struct expr_frame *f, uint32_t k, uint32_t row);
static inline bool expr_arg_is_null(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    return expr_is_null_at(f->args[k], row);
}

/* ---- results ---------------------------------------------------------------------------------------- */

/* Makes the validity of the result, all rows valid, when there is none. */
uint8_t *expr_need_validity(struct expr_frame *f);
static inline void expr_set_null(struct expr_frame *f, uint32_t row)
{
    uint8_t *bits =
        f->out->column.validity != NULL ? f->out->column.validity->data : expr_need_validity(f);
    bits[row >> 3] &= (uint8_t) ~(1u << (row & 7));
}
static inline void expr_put_bool(struct expr_frame *f, uint32_t row, bool value)
{
    uint8_t *bits = f->out->column.values->data;
    bits[row >> 3] |= (uint8_t)(value << (row & 7)); /* bits start as zeros */
}
void expr_put_int(struct expr_frame *f, uint32_t row, int64_t value); /* any integer layout */
/* DECIMAL of either layout: the unscaled value, which fits. */
void expr_put_wide(struct expr_frame *f, uint32_t row, __int128 value);
void expr_put_real(struct expr_frame *f, uint32_t row, double value);
/* A timestamp of the result's precision: what is finer is cut off. */
void expr_put_timestamp(struct expr_frame *f, uint32_t row, struct ts_nano value);
/* Bytes are copied. */
void expr_put_bytes(struct expr_frame *f, uint32_t row, struct slice value);
/* Room for a result of up to `max_len` bytes, to be filled in place, then closed with its length. */
char *expr_begin_bytes(struct expr_frame *f, uint32_t row, size_t max_len);
void expr_end_bytes(struct expr_frame *f, uint32_t row, size_t len);
/* For code that writes views itself: a place for `size` bytes of long ones, which have its number and offset.  What was opened
 * before is closed first, with the bytes that were written there. */
struct expr_room {
    char *at;
    size_t left;
    int32_t number, offset;
};
void expr_open_room(struct expr_frame *f, size_t size, struct expr_room *ret);
void expr_close_room(struct expr_frame *f, size_t written);
/* A part of argument k's own bytes at this row, without a copy: the result shares the argument's buffers. */
void expr_put_part(struct expr_frame *f, uint32_t row, uint32_t k, struct slice part);
/* The cell of argument k (of the result's type) at this row, of any type. */
void expr_put_arg(struct expr_frame *f, uint32_t row, uint32_t k);

/* Nested results (ARRAY, MAP, MULTISET, ROW) are made by a builder of one column.  For each row given, in order: b =
 * expr_builder(f, row), add values to the children of builder_column_of(b, 0), then builder_put_nested(b, 0) or
 * builder_put_null(b, 0), then expr_next(f, row).  Rows between become NULL. */
struct builder *expr_builder(struct expr_frame *f, uint32_t row);
void expr_next(struct expr_frame *f, uint32_t row);

/* Instead, by columns: the whole result, or a child of a ROW, shares the buffers of argument k. */
void expr_put_whole(struct expr_frame *f, uint32_t k);
void expr_put_child(struct expr_frame *f, uint32_t child, uint32_t k);

/* ---- bits ------------------------------------------------------------------------------------------- */

/* n bytes of 0 or 1 as bits; the last byte's rest is zero. */
void expr_pack_bits(uint8_t *restrict bits, const uint8_t *restrict bytes, uint32_t n);
/* Rows of `rows` (NULL: 0..n) whose bit is set (and whose `validity`, when there is one, is too): written to `ret`,
 * which may be `rows` itself.  Returns how many. */
uint32_t expr_select_bits(const uint8_t *bits, const uint8_t *validity, const uint16_t *rows,
                          uint32_t n, uint16_t *ret);

#endif
