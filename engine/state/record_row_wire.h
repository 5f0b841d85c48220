/* Values of the row codec (engine/data/codec/row_wire.h) straight into memory: what records and the nested
 * values in them share.  Inside the room only.
 *
 * As strict as row_decode(): numbers in their shortest form, one NaN, and nothing is read behind the end. */
#ifndef FLINC_ENGINE_STATE_RECORD_ROW_WIRE_H
#define FLINC_ENGINE_STATE_RECORD_ROW_WIRE_H

#include "engine/data/codec/row_wire.h"
#include "flinc/base.h"

struct row_bytes {
    const uint8_t *at, *end;
    struct error *err; /* Borrows; may be NULL */
};

/* Inline, so that the compiler sees that it fails. */
static ALWAYS_INLINE int row_bytes_corrupt(const struct row_bytes *r, const char *what)
{
    return error_set(r->err, ERR_CORRUPT, "encoded row: %s", what);
}

static ALWAYS_INLINE size_t row_bytes_left(const struct row_bytes *r)
{
    return (size_t)(r->end - r->at);
}

static ALWAYS_INLINE int row_bytes_skip(struct row_bytes *r, uint64_t len)
{
    if (UNLIKELY(len > row_bytes_left(r))) {
        return row_bytes_corrupt(r, "it ends within a value");
    }
    r->at += len;
    return 0;
}

/* The next 8 bytes, of which those behind the end are zero.  There is at least one. */
static ALWAYS_INLINE uint64_t row_bytes_word(const struct row_bytes *r)
{
    size_t left = row_bytes_left(r);
    uint64_t word = 0;
    if (LIKELY(left >= sizeof(word))) {
        memcpy(&word, r->at, sizeof(word));
    } else if (left >= sizeof(uint32_t)) { /* two that overlap */
        uint32_t low, high;
        memcpy(&low, r->at, sizeof(low));
        memcpy(&high, r->end - sizeof(high), sizeof(high));
        word = low | (uint64_t)high << (8 * (left - sizeof(high)));
    } else { /* first, middle and last of up to three */
        word = r->at[0] | (uint64_t)r->at[left / 2] << (8 * (left / 2)) |
               (uint64_t)r->end[-1] << (8 * (left - 1));
    }
    return word;
}

static ALWAYS_INLINE int row_bytes_varint(struct row_bytes *r, uint64_t *ret)
{
    if (UNLIKELY(r->at == r->end)) {
        return row_bytes_corrupt(r, "it ends within a value");
    }
    uint64_t word = row_bytes_word(r);
    uint32_t n = (uint32_t)__builtin_ctzll(word | (1u << 8)) + 1;
    uint64_t v;
    if (UNLIKELY(n > row_bytes_left(r))) {
        return row_bytes_corrupt(r, "it ends within a value");
    }
    if (LIKELY(n < ROW_VARINT_MAX)) {
        v = word << (64 - 8 * n) >> (64 - 7 * n);
    } else {
        memcpy(&v, r->at + 1, sizeof(v));
    }
    if (UNLIKELY(n > 1 && v >> (7 * (n - 1)) == 0)) {
        return row_bytes_corrupt(r, "a number is longer than it needs to be");
    }
    r->at += n;
    *ret = v;
    return 0;
}

static ALWAYS_INLINE int row_bytes_i64(struct row_bytes *r, int64_t min, int64_t max, int64_t *ret)
{
    uint64_t folded = 0;
    TRY(row_bytes_varint(r, &folded));
    *ret = row_unfold(folded);
    if (UNLIKELY(*ret < min || *ret > max)) {
        return row_bytes_corrupt(r, "a number is out of the range of its type");
    }
    return 0;
}

static ALWAYS_INLINE int row_bytes_f32(struct row_bytes *r, char *to)
{
    float v;
    uint32_t bits;
    const uint8_t *from = r->at;
    TRY(row_bytes_skip(r, sizeof(v)));
    memcpy(&v, from, sizeof(v));
    memcpy(&bits, from, sizeof(bits));
    if (UNLIKELY(v != v && bits != ROW_NAN_32)) {
        return row_bytes_corrupt(r, "an unusual NaN");
    }
    memcpy(to, &bits, sizeof(bits));
    return 0;
}

static ALWAYS_INLINE int row_bytes_f64(struct row_bytes *r, char *to)
{
    double v;
    uint64_t bits;
    const uint8_t *from = r->at;
    TRY(row_bytes_skip(r, sizeof(v)));
    memcpy(&v, from, sizeof(v));
    memcpy(&bits, from, sizeof(bits));
    if (UNLIKELY(v != v && bits != ROW_NAN_64)) {
        return row_bytes_corrupt(r, "an unusual NaN");
    }
    memcpy(to, &bits, sizeof(bits));
    return 0;
}

static inline int row_bytes_i128(struct row_bytes *r, char *to)
{
    unsigned __int128 folded = 0;
    const uint8_t *from = r->at;
    TRY(row_bytes_skip(r, 1));
    uint8_t n = *from++;
    if (n > sizeof(folded)) {
        return row_bytes_corrupt(r, "a DECIMAL of more than 16 bytes");
    }
    TRY(row_bytes_skip(r, n));
    if (n > 0 && from[n - 1] == 0) {
        return row_bytes_corrupt(r, "a number is longer than it needs to be");
    }
    memcpy(&folded, from, n);
    __int128 v = row_unfold_128(folded);
    memcpy(to, &v, sizeof(v));
    return 0;
}

static inline int row_bytes_ts_nano(struct row_bytes *r, char *to)
{
    struct ts_nano v = {0};
    uint64_t nanos = 0;
    TRY(row_bytes_i64(r, INT64_MIN, INT64_MAX, &v.millis));
    TRY(row_bytes_varint(r, &nanos));
    if (nanos > ROW_NANOS_MAX) {
        return row_bytes_corrupt(r, "nanoseconds outside of their millisecond");
    }
    v.nanos = (int32_t)nanos;
    memcpy(to, &v, sizeof(v));
    return 0;
}

static ALWAYS_INLINE int row_bytes_string(struct row_bytes *r, char *to)
{
    uint64_t len = 0;
    TRY(row_bytes_varint(r, &len));
    const flinc_string s = {(const char *)r->at, len};
    TRY(row_bytes_skip(r, len));
    memcpy(to, &s, sizeof(s));
    return 0;
}

/* One value that is no nested one, as a record's field has it.  A string points into the bytes. */
static ALWAYS_INLINE int row_bytes_flat(struct row_bytes *r, enum type_layout layout, char *to)
{
    int64_t v = 0;
    switch (layout) {
    case LAYOUT_I64:
        TRY(row_bytes_i64(r, INT64_MIN, INT64_MAX, &v));
        memcpy(to, &v, sizeof(int64_t));
        return 0;
    case LAYOUT_I32:
        TRY(row_bytes_i64(r, INT32_MIN, INT32_MAX, &v));
        memcpy(to, &v, sizeof(int32_t)); /* little-endian */
        return 0;
    case LAYOUT_I16:
        TRY(row_bytes_i64(r, INT16_MIN, INT16_MAX, &v));
        memcpy(to, &v, sizeof(int16_t));
        return 0;
    case LAYOUT_I8:
    case LAYOUT_BIT:
        TRY(row_bytes_skip(r, 1));
        *to = (char)r->at[-1];
        if (layout == LAYOUT_BIT && UNLIKELY((uint8_t)*to > 1)) {
            return row_bytes_corrupt(r, "a BOOLEAN is neither true nor false");
        }
        return 0;
    case LAYOUT_F32:
        return row_bytes_f32(r, to);
    case LAYOUT_F64:
        return row_bytes_f64(r, to);
    case LAYOUT_I128:
        return row_bytes_i128(r, to);
    case LAYOUT_TS_NANO:
        return row_bytes_ts_nano(r, to);
    case LAYOUT_VIEW:
        return row_bytes_string(r, to);
    default:
        return row_bytes_corrupt(r, "a value of type NULL");
    }
}

/* A bitmap of `bytes` bytes whose bits behind the n-th are zero; `r` goes behind it. */
static ALWAYS_INLINE int row_bytes_bitmap(struct row_bytes *r, uint64_t bytes, uint32_t n,
                                          const uint8_t **ret_bits)
{
    const uint8_t *bits = r->at;
    TRY(row_bytes_skip(r, bytes));
    uint32_t used = n - (uint32_t)(bytes - 1) * 8; /* bits of the last byte */
    if (UNLIKELY(bytes > 0 && used < 8 && (bits[bytes - 1] >> used) != 0)) {
        return row_bytes_corrupt(r, "bits behind the end of a bitmap");
    }
    *ret_bits = bits;
    return 0;
}

static inline bool row_bit_at(const uint8_t *bits, uint32_t i)
{
    return ((bits[i / 8] >> (i & 7)) & 1) != 0;
}

/* ---- nested values (record_row_nested.c) ------------------------------------------------------- */

/* Goes over one value of a nested type.  ERR_CORRUPT when there is none, ERR_TOO_LARGE when value_decode()
 * would not make it: its elements take more than a row may have. */
int row_bytes_nested(struct row_bytes *r, const struct data_type *type) MUST_CHECK;
/* Appends what a value of the type has where nobody has set it: zeros, empty strings and collections, NULLs
 * where they may be. */
void row_zero_encode(const struct data_type *type, struct str *out);

#endif
