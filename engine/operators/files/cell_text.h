/* Cells as the text that CSV and JSON have in common: numbers, dates and times as Flink's formats write them
 * (DATE 2020-01-31, TIME 23:59:59.5, TIMESTAMP "2020-01-31 23:59:59.123", LTZ with a Z behind; bytes as base64).
 *
 * Writers reserve what a cell needs at most and go on by a pointer; `out` has no NUL behind its bytes until
 * cell_end().  Thread: any. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_CELL_TEXT_H
#define FLINC_ENGINE_OPERATORS_FILES_CELL_TEXT_H

#include "engine/data/batch.h"

enum { CELL_INT_MAX = 24 };

/* Room for n more bytes: where they go. */
static ALWAYS_INLINE char *cell_room(struct str *out, size_t n)
{
    if (UNLIKELY(out->cap - out->len <= n)) {
        str_reserve(out, n + 1);
    }
    return out->data + out->len;
}
/* What was written ends here. */
static ALWAYS_INLINE void cell_wrote(struct str *out, const char *end)
{
    out->len = (size_t)(end - out->data);
}
static inline void cell_end(struct str *out)
{
    *cell_room(out, 1) = '\0';
}

extern const char cell_digit_pairs[200];

/* At most 20 bytes; returns the end. */
static ALWAYS_INLINE char *cell_put_u64(char *p, uint64_t v)
{
    char text[20];
    char *at = text + sizeof(text);

    while (v >= 100) {
        at -= 2;
        memcpy(at, cell_digit_pairs + (v % 100) * 2, 2);
        v /= 100;
    }
    if (v >= 10) {
        at -= 2;
        memcpy(at, cell_digit_pairs + v * 2, 2);
    } else {
        *--at = (char)('0' + v);
    }
    size_t n = (size_t)(text + sizeof(text) - at);
    memcpy(p, at, n);
    return p + n;
}
static ALWAYS_INLINE char *cell_put_i64(char *p, int64_t v)
{
    if (v < 0) {
        *p++ = '-';
        return cell_put_u64(p, 0 - (uint64_t)v);
    }
    return cell_put_u64(p, (uint64_t)v);
}

/* Appends a cell that is not NULL and none of strings and nested types. */
void cell_append_scalar(struct str *out, const struct column *c, uint32_t row);
void cell_append_base64(struct str *out, struct slice bytes);
/* As Java's Double.toString(). */
void cell_append_double(struct str *out, double v);

#endif
