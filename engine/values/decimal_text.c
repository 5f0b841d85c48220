/* Decimals from text and doubles, and back; see decimal.h.  Thread: any. */
#include "common/text/number.h"
#include "engine/data/value_print.h"
#include "engine/values/decimal.h"
#include <math.h>
#include <stdlib.h>

enum {
    EXPONENT_MAX = 1000000, /* beyond it a number is 0 or too large, whatever its digits */
    DOUBLE_EXACT = 22,      /* powers of ten up to here are doubles */
};

struct scanned {
    struct slice digits; /* with at most one point */
    int64_t exponent;
    bool is_negative;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Splits sign, digits and exponent. */
static bool scan(struct slice text, struct scanned *ret)
{
    size_t i = 0, n_digits = 0, n_points = 0;
    text = slice_trim(text);
    ret->is_negative = text.len > 0 && text.data[0] == '-';
    ret->exponent = 0;
    i += text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    ret->digits = slice_make(text.data + i, 0);
    for (; i < text.len && (is_digit(text.data[i]) || text.data[i] == '.');
         i++, ret->digits.len++) {
        n_points += text.data[i] == '.';
        n_digits += is_digit(text.data[i]);
    }
    if (n_digits == 0 || n_points > 1) {
        return false;
    }
    if (i == text.len) {
        return true;
    }
    if (text.data[i] != 'e' && text.data[i] != 'E') {
        return false;
    }
    struct slice exponent = slice_make(text.data + i + 1, text.len - i - 1);
    int rc = number_parse_int64(exponent, &ret->exponent);
    if (rc == ERR_TOO_LARGE) {
        ret->exponent = exponent.data[0] == '-' ? -EXPONENT_MAX : EXPONENT_MAX;
        return true;
    }
    return rc == 0;
}

/* Digits up to `scale` behind the point, rounded by the next one. */
static int gather(const struct scanned *s, int32_t scale, unsigned __int128 *ret)
{
    unsigned __int128 limit = (unsigned __int128)decimal_power(DECIMAL_DIGITS_MAX), m = 0;
    size_t point = s->digits.len, n_before = 0;
    for (size_t i = 0; i < s->digits.len; i++) {
        if (s->digits.data[i] == '.') {
            point = i;
        }
    }
    n_before = point;
    int64_t exponent = MAX(s->exponent, (int64_t)-EXPONENT_MAX);
    exponent = MIN(exponent, (int64_t)EXPONENT_MAX);
    /* The digit at place k has the weight 10^(first - k). */
    int64_t weight = (int64_t)n_before - 1 + exponent + scale;
    bool rounds_up = false;
    for (size_t i = 0; i < s->digits.len && weight >= -1; i++) {
        if (s->digits.data[i] == '.') {
            continue;
        }
        unsigned digit = (unsigned)(s->digits.data[i] - '0');
        if (weight == -1) {
            rounds_up = digit >= 5;
        } else if (m >= limit / 10 && (m != 0 || digit != 0)) {
            return ERR_TOO_LARGE;
        } else {
            m = m * 10 + digit;
        }
        weight--;
    }
    for (; weight >= 0 && m != 0; weight--) {
        if (m >= limit / 10) {
            return ERR_TOO_LARGE;
        }
        m *= 10;
    }
    *ret = m + rounds_up;
    return 0;
}

int decimal_parse(struct slice text, struct decimal_type type, __int128 *ret)
{
    struct scanned s;
    unsigned __int128 m = 0;
    if (!scan(text, &s)) {
        return ERR_PARSE;
    }
    TRY(gather(&s, type.scale, &m));
    if (!decimal_fits((__int128)m, type.precision)) {
        return ERR_TOO_LARGE;
    }
    *ret = s.is_negative ? -(__int128)m : (__int128)m;
    return 0;
}

bool decimal_from_double(double value, struct decimal_type type, __int128 *ret)
{
    char text[NUMBER_TEXT_MAX];
    if (!isfinite(value)) {
        return false;
    }
    size_t len = number_format_double(value, text);
    return decimal_parse(slice_make(text, len), type, ret) == 0;
}

double decimal_to_double(struct decimal v)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const __int128 exact = (__int128)1 << 53;
    if (v.scale <= DOUBLE_EXACT && v.unscaled <= exact && v.unscaled >= -exact) {
        return (double)v.unscaled / powers[v.scale];
    }
    STR_AUTO text = STR_INIT;
    double value = 0;
    value_print_decimal(v.unscaled, v.scale, &text);
    int rc = number_parse_double(str_slice(&text), &value);
    ASSERT(rc == 0);
    return value;
}

int64_t decimal_to_int64(struct decimal v)
{
    return (int64_t)(v.unscaled / decimal_power(v.scale));
}
