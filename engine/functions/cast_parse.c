/* Casts from CHAR and VARCHAR to numbers, booleans, dates and times. */
#include "engine/functions/cast.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/zones.h"
#include "engine/values/calendar.h"
#include "engine/values/decimal.h"

#include <math.h>
#include <stdlib.h>

/* Java's trim of its fast casts: blanks and control characters. */
static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (unsigned char)s.data[0] <= ' ') {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && (unsigned char)s.data[s.len - 1] <= ' ') {
        s.len--;
    }
    return s;
}

/* ---- integers --------------------------------------------------------------------------------------- */

/* Sign, digits, and a fraction of digits, which is dropped. */
static bool parse_integer(struct slice s, int64_t least, int64_t most, int64_t *ret)
{
    int64_t v = 0;
    size_t i = 0;
    bool is_negative;
    s = trimmed(s);
    is_negative = s.len > 0 && s.data[0] == '-';
    i = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+');
    if (i == s.len) {
        return false;
    }
    for (; i < s.len && s.data[i] != '.'; i++) {
        const int digit = s.data[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, (int64_t)10, &v) ||
            __builtin_sub_overflow(v, (int64_t)digit, &v)) { /* below zero there is one more */
            return false;
        }
    }
    for (i++; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
    }
    if (!is_negative && __builtin_sub_overflow((int64_t)0, v, &v)) {
        return false;
    }
    *ret = v;
    return v >= least && v <= most;
}

static int run_to_integer(struct expr_frame *f, struct error *err)
{
    static const struct {
        int64_t least, most;
    } ranges[] = {
        [LAYOUT_I8] = {INT8_MIN, INT8_MAX},
        [LAYOUT_I16] = {INT16_MIN, INT16_MAX},
        [LAYOUT_I32] = {INT32_MIN, INT32_MAX},
        [LAYOUT_I64] = {INT64_MIN, INT64_MAX},
    };
    const enum type_layout layout = f->out->column.type->layout;
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        int64_t v;
        if (parse_integer(text, ranges[layout].least, ranges[layout].most, &v)) {
            expr_put_int(f, row, v);
        } else {
            TRY(cast_failed(f, row, text, err));
        }
    }
    return 0;
}

/* ---- floats, decimals, booleans --------------------------------------------------------------------- */

/* Java's Double.parseDouble: NaN and Infinity by name, hexadecimal ones, suffixes d and f. */
static bool parse_real(struct slice s, bool is_narrow, double *ret)
{
    char text[400];
    char *end;
    s = trimmed(s);
    if (s.len == 0 || s.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    const size_t sign = text[0] == '-' || text[0] == '+';
    if (strcmp(text + sign, "NaN") == 0) {
        *ret = NAN;
        return true;
    }
    if (strcmp(text + sign, "Infinity") == 0) {
        *ret = text[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (!((text[sign] >= '0' && text[sign] <= '9') || text[sign] == '.')) {
        return false;
    }
    const bool is_hex = text[sign] == '0' && (text[sign + 1] | 32) == 'x';
    if (is_hex && strpbrk(text, "pP") == NULL) {
        return false;
    }
    if (s.len > 1 && strchr("dDfF", text[s.len - 1]) != NULL) {
        text[s.len - 1] = '\0';
    }
    *ret = is_narrow ? (double)strtof(text, &end) : strtod(text, &end);
    return *end == '\0' && end > text;
}

static int run_to_real(struct expr_frame *f, struct error *err)
{
    const bool is_narrow = f->out->column.type->layout == LAYOUT_F32;
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        double v;
        if (parse_real(text, is_narrow, &v)) {
            expr_put_real(f, row, v);
        } else {
            TRY(cast_failed(f, row, text, err));
        }
    }
    return 0;
}

static int run_to_decimal(struct expr_frame *f, struct error *err)
{
    const struct data_type *to = f->out->column.type;
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        __int128 v;
        if (decimal_parse(trimmed(text), (struct decimal_type){to->precision, to->scale}, &v) ==
            0) {
            expr_put_wide(f, row, v);
        } else {
            TRY(cast_failed(f, row, text, err));
        }
    }
    return 0;
}

static bool parse_boolean(struct slice s, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"t", true},  {"true", true},   {"y", true},  {"yes", true}, {"1", true},
                 {"f", false}, {"false", false}, {"n", false}, {"no", false}, {"0", false}};
    char lower[8];
    s = trimmed(s);
    if (s.len >= sizeof(lower)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    lower[s.len] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(lower, words[i].word) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

static int run_to_boolean(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        bool v;
        if (parse_boolean(text, &v)) {
            expr_put_bool(f, row, v);
        } else {
            TRY(cast_failed(f, row, text, err));
        }
    }
    return 0;
}

/* ---- dates and times -------------------------------------------------------------------------------- */

static bool put_datetime(struct expr_frame *f, uint32_t row, struct slice text,
                         const struct cast_state *s)
{
    int64_t days;
    int32_t millis;
    struct ts_nano t;
    switch (s->to->id) {
    case TYPE_DATE:
        if (calendar_parse_date(text, &days) < 0) {
            return false;
        }
        expr_put_int(f, row, days);
        return true;
    case TYPE_TIME:
        if (calendar_parse_time(text, &millis) < 0) {
            return false;
        }
        expr_put_int(f, row, millis - millis % cast_time_unit(s->to));
        return true;
    default:
        if (calendar_parse_timestamp(text, s->to->precision, &t) < 0) {
            return false;
        }
        if (s->to->id == TYPE_TIMESTAMP_LTZ) {
            t.millis = zone_to_utc(s->zone, t.millis);
        }
        expr_put_timestamp(f, row, t);
        return true;
    }
}

static int run_to_datetime(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        if (!put_datetime(f, row, text, f->state)) {
            TRY(cast_failed(f, row, text, err));
        }
    }
    return 0;
}

void functions_bind_cast_parse(struct expr_binding *b, const struct cast_state *s)
{
    if (!type_is_string(s->from)) {
        return;
    }
    if (type_is_integer(s->to)) {
        b->kernel = run_to_integer;
    } else if (type_is_approximate(s->to)) {
        b->kernel = run_to_real;
    } else if (s->to->id == TYPE_DECIMAL) {
        b->kernel = run_to_decimal;
    } else if (s->to->id == TYPE_BOOLEAN) {
        b->kernel = run_to_boolean;
    } else if (type_is_datetime(s->to)) {
        b->kernel = run_to_datetime;
    }
    if (!s->is_try) {
        b->flags &= ~(uint32_t)EXPR_FN_NULLABLE;
    } else {
        b->flags &= ~(uint32_t)EXPR_FN_CAN_FAIL;
    }
}
