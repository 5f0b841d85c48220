/* Cells as the text that CSV and JSON have in common: numbers, dates and times as Flink's formats write them
 * (DATE 2020-01-31, TIME 23:59:59.5, TIMESTAMP "2020-01-31 23:59:59.123", LTZ with a Z behind; bytes as base64).
 *
 * Writers reserve what a cell needs at most and go on by a pointer; `out` has no NUL behind its bytes until
 * cell_end().  Thread: any. */
#ifndef FLINC_FORMATS_CELLS_CELL_TEXT_H
#define FLINC_FORMATS_CELLS_CELL_TEXT_H

#include "engine/data/batch.h"
#include "formats/cells/cell_parse.h"

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

/* How decimals are written: 12.50 of a DECIMAL(10, 2) as it is, without zeros at its end (12.5), or so and with an exponent where
 * Java's BigDecimal writes one (1E+5, 2.7E-8). */
enum cell_decimal_style { CELL_DECIMAL_EXACT, CELL_DECIMAL_STRIPPED, CELL_DECIMAL_SCIENTIFIC };

struct cell_style {
    enum cell_time_style time;
    enum cell_decimal_style decimal;
};

/* Appends a cell that is not NULL and none of strings and nested types. */
void cell_append_scalar(struct str *out, struct cell_style style, const struct column *c,
                        uint32_t row);
void cell_append_decimal(struct str *out, enum cell_decimal_style style, __int128 unscaled,
                         int32_t scale);
void cell_append_base64(struct str *out, struct slice bytes);
/* As Java's Double.toString(). */
void cell_append_double(struct str *out, double v);

#endif
