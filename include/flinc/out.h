/* flinc/out.h: where a user function puts its records.
 *
 * A flinc_out is the face of a batch under construction.  FLINC_EMIT writes a struct declared by
 * FLINC_STRUCT into its columns with a few inline stores; the slow paths (a batch is full, a string is
 * longer than 12 bytes and its block is used up) are calls.  The struct is sized: functions compiled
 * against an older header keep working.
 *
 * Flink: org.apache.flink.util.Collector. */
#ifndef FLINC_OUT_H
#define FLINC_OUT_H

#include "flinc/base.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define FLINC_NO_OVERREAD
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* One column of the batch under construction.  Read-only for users of FLINC_EMIT; the inline put
 * functions below are the only writers. */
typedef struct flinc_out_column {
    void *values;        /* fixed-width values, bits or 16-byte views, by row */
    uint8_t *validity;   /* bit set = not NULL; NULL pointer until the first NULL */
    char *heap;          /* next free byte of the current block of long strings */
    uint32_t heap_left;  /* bytes left in it */
    int32_t heap_index;  /* number of the block in the column */
    int32_t heap_offset; /* offset of `heap` in it */
    uint32_t layout;     /* one of FLINC_LAYOUT_* */
} flinc_out_column;

typedef struct flinc_out {
    uint32_t struct_size; /* of this struct, as the engine knows it */
    uint32_t n;           /* rows written */
    uint32_t cap;         /* rows that fit; 0 before the first */
    uint32_t n_columns;
    flinc_out_column *columns;
    int32_t status; /* sticky: 0, or the first negative code of a put or flush */
    uint32_t reserved;
    void *owner; /* the engine's */
} flinc_out;

/* The batch is full (or not begun): hands it on and makes room for more.  Returns out->status. */
FLINC_API int flinc_out_flush(flinc_out *out);
/* A string that does not fit the current block. */
FLINC_API void flinc_out_put_long(flinc_out *out, uint32_t column, const char *data, size_t len);
FLINC_API void flinc_out_put_null(flinc_out *out, uint32_t column);
/* An array, a map or a row, as the bytes that a record has of it (flinc/row.h). */
FLINC_API void flinc_out_put_nested(flinc_out *out, uint32_t column, flinc_string bytes);

#define FLINC_OUT_VALUES_(out, column, ctype) ((ctype *)(out)->columns[column].values)

static inline void flinc_out_put_int64(flinc_out *out, uint32_t column, int64_t v)
{
    FLINC_OUT_VALUES_(out, column, int64_t)[out->n] = v;
}
static inline void flinc_out_put_int32(flinc_out *out, uint32_t column, int32_t v)
{
    FLINC_OUT_VALUES_(out, column, int32_t)[out->n] = v;
}
static inline void flinc_out_put_int16(flinc_out *out, uint32_t column, int16_t v)
{
    FLINC_OUT_VALUES_(out, column, int16_t)[out->n] = v;
}
static inline void flinc_out_put_int8(flinc_out *out, uint32_t column, int8_t v)
{
    FLINC_OUT_VALUES_(out, column, int8_t)[out->n] = v;
}
static inline void flinc_out_put_double(flinc_out *out, uint32_t column, double v)
{
    FLINC_OUT_VALUES_(out, column, double)[out->n] = v;
}
static inline void flinc_out_put_float(flinc_out *out, uint32_t column, float v)
{
    FLINC_OUT_VALUES_(out, column, float)[out->n] = v;
}
static inline void flinc_out_put_bool(flinc_out *out, uint32_t column, bool v)
{
    uint8_t *bits = FLINC_OUT_VALUES_(out, column, uint8_t) + (out->n >> 3);
    uint8_t bit = (uint8_t)(1u << (out->n & 7u));
    *bits = (uint8_t)(v ? (*bits | bit) : (*bits & ~bit));
}
/* A view of at most 12 bytes: its length, the bytes, and zeros behind them. */
static inline void flinc_view_put_short_(char *view, const char *data, size_t len)
{
#if defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(FLINC_NO_OVERREAD)
    /* Loads, masks and stores of fixed size: lengths of words are hard to predict, so branches on them
     * cost more than all else here.  Up to 12 bytes are read from `data`, never into another page. */
    if (len != 0 && ((uintptr_t)data & 4095u) <= 4096u - 12u) {
        const char *hidden = data; /* the compiler must not reason about the object's end */
        size_t low = len < 8 ? len : 8;
        size_t high = len < 8 ? 0 : len - 8;
        uint64_t a;
        uint32_t b;
        int32_t head = (int32_t)len;
        __asm__("" : "+r"(hidden));
        memcpy(&a, hidden, 8);
        memcpy(&b, hidden + 8, 4);
        a &= (((uint64_t)1 << (8 * (low & 7))) - 1) | (0 - (uint64_t)(low >> 3));
        b &= (uint32_t)(((uint64_t)1 << (8 * high)) - 1);
        memcpy(view, &head, 4);
        memcpy(view + 4, &a, 8);
        memcpy(view + 12, &b, 4);
        return;
    }
#endif
    {
        int32_t head = (int32_t)len;
        char padded[12] = {0};
        if (len != 0) {
            memcpy(padded, data, len);
        }
        memcpy(view, &head, 4);
        memcpy(view + 4, padded, 12);
    }
}
/* Copies the bytes: up to 12 into the view itself, longer ones into the column's current block. */
static inline void flinc_out_put_string(flinc_out *out, uint32_t column, flinc_string s)
{
    flinc_out_column *c = &out->columns[column];
    char *view = (char *)c->values + (size_t)out->n * 16;
    if (s.len <= 12) {
        flinc_view_put_short_(view, s.data, s.len);
        return;
    }
    if (s.len > c->heap_left) {
        flinc_out_put_long(out, column, s.data, s.len);
        return;
    }
    {
        int32_t head[2];
        int32_t tail[2];
        head[0] = (int32_t)s.len;
        memcpy(&head[1], s.data, 4);
        tail[0] = c->heap_index;
        tail[1] = c->heap_offset;
        memcpy(view, head, 8);
        memcpy(view + 8, tail, 8);
        memcpy(c->heap, s.data, s.len);
        c->heap += s.len;
        c->heap_left -= (uint32_t)s.len;
        c->heap_offset += (int32_t)s.len;
    }
}
/* Ends the row.  Returns out->status: 0, or the code with which the function should return. */
static inline int flinc_out_end_row(flinc_out *out)
{
    if (++out->n == out->cap) {
        return flinc_out_flush(out);
    }
    return out->status;
}
static inline void flinc_out_begin_row(flinc_out *out)
{
    if (out->n == out->cap) {
        (void)flinc_out_flush(out);
    }
}

#ifdef __cplusplus
}
#endif

#endif
