/* Cells as text of CSV and JSON; see cell_text.h. */
#include "formats/cells/cell_text.h"

#include "engine/data/civil.h"
#include "engine/data/value_print.h"

#include <math.h>

const char cell_digit_pairs[200] = "000102030405060708091011121314151617181920212223242526272829303"
                                   "13233343536373839404142434445464748"
                                   "495051525354555657585960616263646566676869707172737475767778798"
                                   "08182838485868788899091929394959697"
                                   "9899";

/* ---- floating point --------------------------------------------------------------------------------- */

/* Numbers of few decimals, as most are: the least k for which v is a whole number of 10^-k.  Both are exact below
 * 2^53, so that the division gives the double nearest to the decimal: it reads back as v, and nothing shorter does. */
static char *put_short_decimal(char *p, double v)
{
    static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};
    double a = fabs(v);

    for (size_t k = 0; k < ARRAY_LEN(powers); k++) {
        double scaled = rint(a * powers[k]);
        if (scaled < 9007199254740992.0 && scaled / powers[k] == a) {
            uint64_t whole = (uint64_t)scaled / (uint64_t)powers[k];
            uint64_t rest = (uint64_t)scaled % (uint64_t)powers[k];
            if (signbit(v)) {
                *p++ = '-';
            }
            p = cell_put_u64(p, whole);
            *p++ = '.';
            for (size_t i = 1; i < k; i++) { /* its leading zeros */
                if (rest >= (uint64_t)powers[k - i]) {
                    break;
                }
                *p++ = '0';
            }
            return cell_put_u64(p, rest);
        }
    }
    return NULL;
}

void cell_append_double(struct str *out, double v)
{
    char *p = cell_room(out, 48);

    if (fabs(v) >= 1e-3 && fabs(v) < 1e7) { /* where Java writes no exponent */
        char *end = put_short_decimal(p, v);
        if (end != NULL) {
            cell_wrote(out, end);
            return;
        }
    }
    *p = '\0';
    value_print_f64(v, out);
}

/* ---- dates and times ---------------------------------------------------------------------------------- */

static char *put_two(char *p, uint32_t v)
{
    memcpy(p, cell_digit_pairs + (size_t)v * 2, 2);
    return p + 2;
}

/* A fraction of a second without the zeros at its end. */
static char *put_fraction(char *p, uint32_t nanos)
{
    int digits = 9;

    if (nanos == 0) {
        return p;
    }
    for (; nanos % 10 == 0; digits--) {
        nanos /= 10;
    }
    *p = '.';
    for (int i = digits; i > 0; i--, nanos /= 10) {
        p[i] = (char)('0' + nanos % 10);
    }
    return p + digits + 1;
}

static char *put_time(char *p, uint32_t second, uint32_t nanos)
{
    p = put_two(p, second / 3600);
    *p++ = ':';
    p = put_two(p, second / 60 % 60);
    *p++ = ':';
    p = put_two(p, second % 60);
    return put_fraction(p, nanos);
}

/* Of the years that people write, by two digits; others as Java does. */
static void append_date(struct str *out, int64_t days)
{
    struct civil_date d = civil_date_of(days);

    if (d.year < 0 || d.year > 9999) {
        *cell_room(out, 1) = '\0';
        value_print_date(days, out);
        return;
    }
    char *p = cell_room(out, 16);
    p = put_two(p, (uint32_t)d.year / 100);
    p = put_two(p, (uint32_t)d.year % 100);
    *p++ = '-';
    p = put_two(p, (uint32_t)d.month);
    *p++ = '-';
    cell_wrote(out, put_two(p, (uint32_t)d.day));
}

static void append_timestamp(struct str *out, enum cell_time_style style, const struct data_type *t,
                             struct ts_nano v)
{
    int64_t days = v.millis / 86400000 - (v.millis % 86400000 < 0);
    int64_t of_day = v.millis - days * 86400000;

    append_date(out, days);
    char *p = cell_room(out, 32);
    *p++ = style == CELL_TIME_ISO ? 'T' : ' ';
    p = put_time(p, (uint32_t)(of_day / 1000),
                 (uint32_t)(of_day % 1000) * 1000000u + (uint32_t)v.nanos);
    if (t->id == TYPE_TIMESTAMP_LTZ) {
        *p++ = 'Z';
    }
    cell_wrote(out, p);
}

static struct ts_nano timestamp_of(const struct column *c, uint32_t row)
{
    if (c->type->layout == LAYOUT_TS_NANO) {
        return COLUMN_VALUES(c, const struct ts_nano)[row];
    }
    int64_t v = COLUMN_VALUES(c, const int64_t)[row];
    if (c->type->precision <= 3) {
        return (struct ts_nano){.millis = v};
    }
    int64_t ms = v / 1000 - (v % 1000 < 0);
    return (struct ts_nano){.millis = ms, .nanos = (int32_t)(v - ms * 1000) * 1000};
}

/* ---- cells ---------------------------------------------------------------------------------------------- */

/* Digits, and behind the first of them a point, with E and the place of the first. */
static void append_scientific(struct str *out, __int128 unscaled, int32_t scale)
{
    STR_AUTO digits = STR_INIT;
    value_print_decimal(unscaled < 0 ? -unscaled : unscaled, 0, &digits);
    int32_t exponent = (int32_t)digits.len - 1 - scale;

    str_append(out, "-", unscaled < 0);
    str_append(out, digits.data, 1);
    str_append(out, ".", digits.len > 1);
    str_append(out, digits.data + 1, digits.len - 1);
    str_printf(out, "E%+d", exponent);
}

void cell_append_decimal(struct str *out, enum cell_decimal_style style, __int128 unscaled,
                         int32_t scale)
{
    *cell_room(out, 1) = '\0';
    if (style == CELL_DECIMAL_EXACT) {
        value_print_decimal(unscaled, scale, out);
        return;
    }
    if (unscaled == 0) {
        str_append_char(out, '0');
        return;
    }
    bool is_scientific = style == CELL_DECIMAL_SCIENTIFIC;
    while (unscaled % 10 == 0 && (scale > 0 || is_scientific)) {
        unscaled /= 10;
        scale--;
    }
    /* As BigDecimal.toString(): no exponent for scales from 0 on and numbers from 0.000001 on. */
    __int128 small = unscaled < 0 ? -unscaled : unscaled;
    int32_t n_digits = 1;
    for (; small >= 10; small /= 10) {
        n_digits++;
    }
    if (is_scientific && (scale < 0 || n_digits - 1 - scale < -6)) {
        append_scientific(out, unscaled, scale);
    } else {
        value_print_decimal(unscaled, scale, out);
    }
}

static void append_decimal(struct str *out, enum cell_decimal_style style, const struct column *c,
                           uint32_t row)
{
    __int128 v;

    if (c->type->layout == LAYOUT_I128) {
        memcpy(&v, c->values->data + (size_t)row * sizeof(v), sizeof(v));
    } else {
        v = COLUMN_VALUES(c, const int64_t)[row];
    }
    cell_append_decimal(out, style, v, c->type->scale);
}

void cell_append_scalar(struct str *out, struct cell_style style, const struct column *c,
                        uint32_t row)
{
    char *p = cell_room(out, 64);

    switch (c->type->id) {
    case TYPE_BOOLEAN: {
        bool v = column_get_bool(c, row);
        memcpy(p, v ? "true " : "false", 5);
        cell_wrote(out, p + (v ? 4 : 5));
        return;
    }
    case TYPE_FLOAT:
        *p = '\0';
        value_print_f32(COLUMN_VALUES(c, const float)[row], out);
        return;
    case TYPE_DOUBLE:
        cell_append_double(out, COLUMN_VALUES(c, const double)[row]);
        return;
    case TYPE_DECIMAL:
        append_decimal(out, style.decimal, c, row);
        return;
    case TYPE_DATE:
        append_date(out, COLUMN_VALUES(c, const int32_t)[row]);
        return;
    case TYPE_TIME: {
        uint32_t ms = (uint32_t)COLUMN_VALUES(c, const int32_t)[row];
        cell_wrote(out, put_time(p, ms / 1000 % 86400, ms % 1000 * 1000000u));
        return;
    }
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        append_timestamp(out, style.time, c->type, timestamp_of(c, row));
        return;
    default: /* integers and intervals */
        cell_wrote(out, cell_put_i64(p, column_get_int(c, row)));
    }
}

void cell_append_base64(struct str *out, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *from = (const uint8_t *)bytes.data;
    char *p = cell_room(out, (bytes.len + 2) / 3 * 4);

    for (size_t i = 0; i < bytes.len; i += 3, p += 4) {
        size_t n = MIN(bytes.len - i, (size_t)3);
        uint32_t v = (uint32_t)from[i] << 16 | (n > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                     (n > 2 ? from[i + 2] : 0);
        p[0] = digits[v >> 18];
        p[1] = digits[v >> 12 & 63];
        p[2] = n > 1 ? digits[v >> 6 & 63] : '=';
        p[3] = n > 2 ? digits[v & 63] : '=';
    }
    cell_wrote(out, p);
}
