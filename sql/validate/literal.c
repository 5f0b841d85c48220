/* Literals: what type a number has, dates, intervals. */
#include "sql/validate/inside.h"

#include "engine/values/calendar.h"
#include "engine/values/decimal.h"
#include "sql/types/resolve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* ---- numbers ---------------------------------------------------------------------------------------- */

static int exact(struct sql_validator *v, struct slice text, const struct expr **ret,
                 struct error *err)
{
    int32_t digits = 0, scale = 0;
    bool has_point = false, is_leading = true;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.') {
            has_point = true;
            continue;
        }
        is_leading &= text.data[i] == '0' && !has_point;
        digits += !is_leading;
        scale += has_point;
    }
    digits = MAX(digits, scale);
    digits = MAX(digits, 1);
    if (digits > DECIMAL_DIGITS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Numeric literal '%.*s' out of range",
                         (int)MIN(text.len, (size_t)100), text.data);
    }
    __int128 value;
    TRY(decimal_parse(text, (struct decimal_type){DECIMAL_DIGITS_MAX, scale}, &value));
    if (!has_point && value <= INT64_MAX) {
        *ret =
            expr_integer(v->pool, value <= INT32_MAX ? TYPE_INTEGER : TYPE_BIGINT, (int64_t)value);
        return 0;
    }
    struct expr_value literal = {0};
    struct data_type *type = type_new_precision(TYPE_DECIMAL, digits, scale, false);
    if (type->layout == LAYOUT_I128) {
        literal.wide = value;
    } else {
        literal.integer = (int64_t)value;
    }
    *ret = expr_literal(v->pool, type, literal);
    return 0;
}

static int approximate(struct sql_validator *v, struct slice text, const struct expr **ret,
                       struct error *err)
{
    char digits[64];
    if (text.len >= sizeof(digits)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Numeric literal '%.60s...' is too long",
                         text.data);
    }
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    const double value = strtod(digits, NULL);
    if (!isfinite(value)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Numeric literal '%s' out of range", digits);
    }
    *ret = expr_literal(v->pool, type_new(TYPE_DOUBLE, false), (struct expr_value){.real = value});
    return 0;
}

/* ---- dates and times -------------------------------------------------------------------------------- */

static int illegal(const char *what, struct slice text, const char *form, struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT, "Illegal %s literal '%.*s': not in format '%s'",
                     what, (int)MIN(text.len, (size_t)100), text.data, form);
}

static int32_t fraction_digits(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.') {
            return (int32_t)MIN(text.len - i - 1, (size_t)9);
        }
    }
    return 0;
}

static int timestamp(struct sql_validator *v, const struct sql_literal *l, enum type_id id,
                     const struct expr **ret, struct error *err)
{
    const int32_t precision = fraction_digits(l->text);
    struct expr_value value = {0};
    struct ts_nano t;
    if (calendar_parse_timestamp(l->text, 9, &t) < 0) {
        return illegal("TIMESTAMP", l->text, "yyyy-MM-dd HH:mm:ss", err);
    }
    if (precision > 6) {
        value.timestamp = t;
    } else if (precision > 3) {
        value.integer = t.millis * 1000 + t.nanos / 1000;
    } else {
        value.integer = t.millis;
    }
    *ret = expr_literal(v->pool, type_new_precision(id, precision, 0, false), value);
    return 0;
}

static int datetime(struct sql_validator *v, const struct sql_literal *l, const struct expr **ret,
                    struct error *err)
{
    int64_t days;
    int32_t millis;
    switch (l->kind) {
    case SQL_LITERAL_DATE:
        if (calendar_parse_date(l->text, &days) < 0) {
            return illegal("DATE", l->text, "yyyy-MM-dd", err);
        }
        *ret = expr_integer(v->pool, TYPE_DATE, days);
        return 0;
    case SQL_LITERAL_TIME:
        if (calendar_parse_time(l->text, &millis) < 0) {
            return illegal("TIME", l->text, "HH:mm:ss", err);
        }
        *ret = expr_literal(
            v->pool, type_new_precision(TYPE_TIME, MIN(fraction_digits(l->text), 3), 0, false),
            (struct expr_value){.integer = millis});
        return 0;
    case SQL_LITERAL_TIMESTAMP:
        return timestamp(v, l, TYPE_TIMESTAMP, ret, err);
    default:
        return error_set(err, ERR_UNSUPPORTED,
                         "not supported yet: literals of TIMESTAMP WITH LOCAL TIME ZONE; write "
                         "CAST(TIMESTAMP '...' AS TIMESTAMP_LTZ(3))");
    }
}

/* ---- intervals -------------------------------------------------------------------------------------- */

/* Fields from the first to the last of a range, with what stands in front of each and its most. */
enum interval_field { YEARS, MONTHS, DAYS, HOURS, MINUTES, SECONDS, NO_FIELD };

static const struct {
    enum sql_unit unit;
    enum interval_field place;
    int64_t factor; /* of the field's unit: weeks and quarters are so many days and months */
} unit_rows[] = {
    {SQL_UNIT_YEAR, YEARS, 1},     {SQL_UNIT_QUARTER, MONTHS, 3}, {SQL_UNIT_MONTH, MONTHS, 1},
    {SQL_UNIT_WEEK, DAYS, 7},      {SQL_UNIT_DAY, DAYS, 1},       {SQL_UNIT_HOUR, HOURS, 1},
    {SQL_UNIT_MINUTE, MINUTES, 1}, {SQL_UNIT_SECOND, SECONDS, 1},
};
static const struct {
    int64_t unit, most; /* months or milliseconds; the most behind another field */
    char before;
} field_rows[] = {
    [YEARS] = {12, 0, 0},         [MONTHS] = {1, 11, '-'},      [DAYS] = {86400000, 0, 0},
    [HOURS] = {3600000, 23, ' '}, [MINUTES] = {60000, 59, ':'}, [SECONDS] = {1000, 59, ':'},
};

static enum interval_field field_of(enum sql_unit unit, int64_t *ret_factor)
{
    for (size_t i = 0; i < ARRAY_LEN(unit_rows); i++) {
        if (unit_rows[i].unit == unit) {
            *ret_factor = unit_rows[i].factor;
            return unit_rows[i].place;
        }
    }
    return NO_FIELD;
}

static bool take_number(struct slice *rest, int32_t digits_max, int64_t *ret)
{
    int64_t value = 0;
    size_t i = 0;
    while (i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9' && i < 18) {
        value = value * 10 + (rest->data[i++] - '0');
    }
    if (i == 0 || (int32_t)i > digits_max) {
        return false;
    }
    *rest = slice_make(rest->data + i, rest->len - i);
    *ret = value;
    return true;
}

/* .fff: of up to nine digits the first three count. */
static bool take_fraction(struct slice *rest, int64_t *ret_millis)
{
    int64_t value = 0;
    if (rest->len == 0 || rest->data[0] != '.') {
        return true;
    }
    for (size_t i = 1; i < 4; i++) {
        value = value * 10 + (i < rest->len ? rest->data[i] - '0' : 0);
    }
    for (size_t i = 1; i < rest->len; i++) {
        if (i > 9 || rest->data[i] < '0' || rest->data[i] > '9') {
            return false;
        }
    }
    *rest = slice_make(rest->data + rest->len, 0);
    *ret_millis += value;
    return true;
}

int sql_parse_interval_text(struct slice text, const struct sql_interval_range *range, int64_t *ret,
                            struct error *err)
{
    struct slice rest = slice_trim(text);
    int64_t factor = 1, ignored, total = 0, value;
    const enum interval_field from = field_of(range->from, &factor);
    const enum interval_field to =
        range->to == SQL_UNIT_NONE ? from : field_of(range->to, &ignored);
    bool is_negative = false, is_right = from != NO_FIELD && to != NO_FIELD;
    if (rest.len > 0 && (rest.data[0] == '-' || rest.data[0] == '+')) {
        is_negative = rest.data[0] == '-';
        rest = slice_trim(slice_make(rest.data + 1, rest.len - 1));
    }
    for (enum interval_field f = from; is_right && f <= to; f++) {
        const bool is_first = f == from;
        if (!is_first) {
            is_right = rest.len > 0 && rest.data[0] == field_rows[f].before;
            rest = is_right ? slice_make(rest.data + 1, rest.len - 1) : rest;
        }
        const int32_t leading = range->leading_digits >= 0 ? range->leading_digits : 2;
        is_right = is_right && take_number(&rest, is_first ? leading : 2, &value) &&
                   (is_first || value <= field_rows[f].most);
        total += is_right ? value * field_rows[f].unit * (is_first ? factor : 1) : 0;
    }
    if (!is_right || (to == SECONDS && !take_fraction(&rest, &total)) || rest.len > 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Illegal interval literal format '%.*s' for INTERVAL %s%s%s",
                         (int)MIN(text.len, (size_t)100), text.data, sql_unit_name(range->from),
                         range->to != SQL_UNIT_NONE ? " TO " : "",
                         range->to != SQL_UNIT_NONE ? sql_unit_name(range->to) : "");
    }
    *ret = is_negative ? -total : total;
    return 0;
}

static int interval(struct sql_validator *v, const struct sql_literal *l, const struct expr **ret,
                    struct error *err)
{
    int64_t value;
    TRY(sql_parse_interval_text(l->text, &l->interval, &value, err));
    struct data_type *type = sql_interval_resolve(&l->interval, false);
    if (type == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "There is no interval of %s%s%s",
                         sql_unit_name(l->interval.from),
                         l->interval.to != SQL_UNIT_NONE ? " TO " : "",
                         l->interval.to != SQL_UNIT_NONE ? sql_unit_name(l->interval.to) : "");
    }
    *ret = expr_literal(v->pool, type, (struct expr_value){.integer = value});
    return 0;
}

int sql_resolve_literal(struct sql_validator *v, const struct sql_expr *e, const struct expr **ret,
                        struct error *err)
{
    const struct sql_literal *l = &e->literal;
    switch (l->kind) {
    case SQL_LITERAL_NULL:
        *ret = expr_null(v->pool, type_new(TYPE_NULL, true));
        return 0;
    case SQL_LITERAL_TRUE:
    case SQL_LITERAL_FALSE:
        *ret = expr_boolean(v->pool, l->kind == SQL_LITERAL_TRUE);
        return 0;
    case SQL_LITERAL_UNKNOWN:
        *ret = expr_null(v->pool, type_new(TYPE_BOOLEAN, true));
        return 0;
    case SQL_LITERAL_EXACT:
        return exact(v, l->text, ret, err);
    case SQL_LITERAL_APPROXIMATE:
        return approximate(v, l->text, ret, err);
    case SQL_LITERAL_STRING:
        *ret = expr_string(v->pool, l->text);
        return 0;
    case SQL_LITERAL_BINARY:
        *ret = expr_literal(
            v->pool, type_new_sized(TYPE_BINARY, (int32_t)MAX(l->text.len, (size_t)1), false),
            (struct expr_value){.bytes = l->text});
        return 0;
    case SQL_LITERAL_INTERVAL:
        return interval(v, l, ret, err);
    default:
        return datetime(v, l, ret, err);
    }
}
