/* Cells from text; see cell_parse.h. */
#include "formats/cells/cell_parse.h"

#include "common/text/number.h"
#include "engine/values/calendar.h"

#include <math.h>
#include <stdlib.h>

/* ---- numbers --------------------------------------------------------------------------------------------- */

int cell_parse_int64(struct slice text, int64_t *ret)
{
    size_t i = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool is_negative = text.len > 0 && text.data[0] == '-';
    uint64_t v = 0;

    if (text.len - i > 18 || text.len == i) {
        return number_parse_int64(text, ret);
    }
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)(uint8_t)text.data[i] - '0';
        if (digit > 9) {
            return ERR_PARSE;
        }
        v = v * 10 + digit;
    }
    *ret = is_negative ? -(int64_t)v : (int64_t)v;
    return 0;
}

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { POWER_EXACT_MAX = 22, MANTISSA_DIGITS_MAX = 15 };

bool cell_scan_short_double(const char *p, const char **ret_end, double *ret)
{
    bool is_negative = *p == '-';
    uint32_t n_whole, n_fraction = 0;

    p += is_negative;
    uint64_t mantissa = cell_scan_digits(p, &n_whole);
    if (n_whole == 0 || n_whole > MANTISSA_DIGITS_MAX || (*p == '0' && n_whole > 1)) {
        return false;
    }
    p += n_whole;
    if (*p == '.') {
        static const uint64_t scale[] = {
            1,           10,           100,           1000,           10000,
            100000,      1000000,      10000000,      100000000,      1000000000,
            10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000};
        uint64_t fraction = cell_scan_digits(p + 1, &n_fraction);
        if (n_fraction == 0 || n_whole + n_fraction > MANTISSA_DIGITS_MAX) {
            return false;
        }
        mantissa = mantissa * scale[n_fraction] + fraction;
        p += 1 + n_fraction;
    }
    if ((*p | 0x20) == 'e') {
        return false;
    }
    /* Both are exact, so that the quotient is the nearest double. */
    double v = (double)mantissa / powers_of_ten[n_fraction];
    *ret = is_negative ? -v : v;
    *ret_end = p;
    return true;
}

/* The forms of Java that number_parse_double() has not. */
static int parse_odd_double(struct slice text, double *ret)
{
    char last = text.len > 1 ? (char)(text.data[text.len - 1] | 0x20) : '\0';
    char before = text.len > 1 ? text.data[text.len - 2] : '\0';

    if ((last == 'd' || last == 'f') && (before == '.' || (before >= '0' && before <= '9'))) {
        text.len--;
    }
    int rc = number_parse_double(text, ret);
    if (rc == ERR_TOO_LARGE && text.len <= 400) {
        *ret = text.data[0] == '-' ? -INFINITY : INFINITY;
        return 0;
    }
    return rc;
}

int cell_parse_double(struct slice text, double *ret)
{
    char padded[CELL_SCAN_PADDING + 32] = {0};
    const char *end;

    if (text.len == 0 || text.len > 24) {
        return parse_odd_double(text, ret);
    }
    memcpy(padded, text.data, text.len);
    if (cell_scan_short_double(padded, &end, ret) && end == padded + text.len) {
        return 0;
    }
    return parse_odd_double(text, ret);
}

int cell_parse_float(struct slice text, float *ret)
{
    char copy[64];
    double v;

    TRY(cell_parse_double(text, &v));
    if (text.len < sizeof(copy) && isfinite(v)) { /* rounded once, not twice */
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        *ret = strtof(copy, NULL);
    } else {
        *ret = (float)v;
    }
    return 0;
}

bool cell_parse_bool(struct slice text)
{
    static const char word[] = "true";

    if (text.len != sizeof(word) - 1) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((text.data[i] | 0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

int cell_parse_decimal(struct slice text, struct decimal_type type, __int128 *ret)
{
    size_t i = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool is_negative = text.len > 0 && text.data[0] == '-';
    int32_t n_fraction = -1; /* no point yet */
    uint64_t v = 0;

    /* Blanks at the ends, which decimal_parse() passes over, are none of a number. */
    if (text.len == 0 || text.data[0] == ' ' || text.data[text.len - 1] == ' ') {
        return ERR_PARSE;
    }
    if (text.len - i > 18) {
        return decimal_parse(text, type, ret);
    }
    size_t n_digits = 0;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)(uint8_t)text.data[i] - '0';
        if (digit <= 9) {
            v = v * 10 + digit;
            n_digits++;
            n_fraction += n_fraction >= 0;
        } else if (text.data[i] == '.' && n_fraction < 0) {
            n_fraction = 0;
        } else {
            return decimal_parse(text, type, ret);
        }
    }
    n_fraction = MAX(n_fraction, 0);
    if (n_digits == 0 || n_fraction > type.scale || type.scale - n_fraction > 18) {
        return decimal_parse(text, type, ret);
    }
    __int128 scaled = (__int128)v * decimal_power(type.scale - n_fraction);
    if (!decimal_fits(scaled, type.precision)) {
        return ERR_TOO_LARGE;
    }
    *ret = is_negative ? -scaled : scaled;
    return 0;
}

/* ---- dates and times ---------------------------------------------------------------------------------------- */

/* Two digits; above 99 when they are none. */
static ALWAYS_INLINE uint32_t two_digits(const char *p)
{
    uint32_t a = (uint32_t)(uint8_t)p[0] - '0', b = (uint32_t)(uint8_t)p[1] - '0';
    return a > 9 || b > 9 ? 1000 : a * 10 + b;
}

static int take_date(const char *p, int64_t *ret_days)
{
    uint32_t century = two_digits(p), of_century = two_digits(p + 2);
    uint32_t month = two_digits(p + 5), day = two_digits(p + 8);

    if (century > 99 || of_century > 99 || p[4] != '-' || p[7] != '-' || month > 99 || day > 99) {
        return ERR_PARSE;
    }
    int32_t year = (int32_t)(century * 100 + of_century);
    if (day > 28 || day == 0 || month == 0 || month > 12) {
        if (!calendar_exists(year, month, day)) {
            return ERR_PARSE;
        }
    }
    *ret_days = calendar_days_of((struct calendar_date){year, (int8_t)month, (int8_t)day});
    return 0;
}

int cell_parse_date(struct slice text, int64_t *ret_days)
{
    return text.len == 10 ? take_date(text.data, ret_days) : ERR_PARSE;
}

/* HH:mm[:ss[.f{0,9}]] as nanoseconds of the day. */
static int take_time(struct slice text, int64_t *ret_nanos)
{
    const char *p = text.data;
    uint32_t second = 0, nanos = 0, unit = 100000000;

    if (text.len < 5 || p[2] != ':' || (text.len > 5 && (text.len < 8 || p[5] != ':')) ||
        (text.len > 8 && p[8] != '.')) {
        return ERR_PARSE;
    }
    uint32_t hour = two_digits(p), minute = two_digits(p + 3);
    if (text.len > 5) {
        second = two_digits(p + 6);
    }
    if (hour > 23 || minute > 59 || second > 59 || text.len > 18) {
        return ERR_PARSE;
    }
    for (size_t i = 9; i < text.len; i++, unit /= 10) {
        uint32_t digit = (uint32_t)(uint8_t)p[i] - '0';
        if (digit > 9) {
            return ERR_PARSE;
        }
        nanos += digit * unit;
    }
    *ret_nanos = (int64_t)((hour * 60 + minute) * 60 + second) * 1000000000 + nanos;
    return 0;
}

int cell_parse_time(struct slice text, int32_t *ret_millis)
{
    int64_t nanos;

    TRY(take_time(text, &nanos));
    *ret_millis = (int32_t)(nanos / 1000000);
    return 0;
}

int cell_parse_timestamp(struct slice text, enum cell_time_style style, bool is_instant,
                         struct ts_nano *ret)
{
    int64_t days, nanos;

    if (is_instant) {
        if (text.len == 0 || text.data[text.len - 1] != 'Z') {
            return ERR_PARSE;
        }
        text.len--;
    }
    if (text.len < 16 || text.data[10] != (style == CELL_TIME_ISO ? 'T' : ' ')) {
        return ERR_PARSE;
    }
    TRY(take_date(text.data, &days));
    TRY(take_time(slice_make(text.data + 11, text.len - 11), &nanos));
    *ret = (struct ts_nano){.millis = days * CALENDAR_DAY_MS + nanos / 1000000,
                            .nanos = (int32_t)(nanos % 1000000)};
    return 0;
}

int64_t cell_timestamp_units(const struct data_type *type, struct ts_nano t)
{
    return type->precision <= 3 ? t.millis : t.millis * 1000 + t.nanos / 1000;
}

/* ---- base64 ---------------------------------------------------------------------------------------------------- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int cell_parse_base64(struct slice text, struct str *out)
{
    size_t padding = 0;

    if (text.len % 4 != 0) {
        return ERR_PARSE;
    }
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
        padding++;
    }
    str_reserve(out, text.len / 4 * 3 + 1);
    for (size_t i = 0; i < text.len; i += 4) {
        size_t n = i + 4 == text.len ? 4 - padding : 4;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k < n ? base64_digit(text.data[i + k]) : 0;
            if (digit < 0) {
                return ERR_PARSE;
            }
            v = v << 6 | (uint32_t)digit;
        }
        if ((n < 4 && (v & 0xff) != 0) || (n < 3 && (v & 0xff00) != 0)) {
            return ERR_PARSE; /* bits that belong to no byte */
        }
        char bytes[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        str_append(out, bytes, n - 1);
    }
    return 0;
}
