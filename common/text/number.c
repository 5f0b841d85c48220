/* Numbers as text: checked parsing of int64 and double, shortest formatting of double. */
#include "common/text/number.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DOUBLE_DIGITS_MAX = 1100 }; /* enough for any exact decimal of a double */

int number_parse_uint64(struct slice text, uint64_t *ret_value)
{
    size_t i = 0;
    if (i < text.len && text.data[i] == '+') {
        i++;
    }
    if (i == text.len) {
        return ERR_PARSE;
    }
    uint64_t value = 0;
    bool overflow = false;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9) {
            return ERR_PARSE;
        }
        overflow |= __builtin_mul_overflow(value, (uint64_t)10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)digit, &value);
    }
    if (overflow) {
        return ERR_TOO_LARGE;
    }
    *ret_value = value;
    return 0;
}

int number_parse_int64(struct slice text, int64_t *ret_value)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    if (negative) {
        text = slice_make(text.data + 1, text.len - 1);
        if (text.len > 0 && text.data[0] == '+') {
            return ERR_PARSE;
        }
    }
    uint64_t magnitude;
    TRY(number_parse_uint64(text, &magnitude));
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return ERR_TOO_LARGE;
    }
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return 0;
}

/* [digits][.digits][e[+-]digits] with at least one digit before the exponent. */
static bool is_decimal(struct slice text)
{
    size_t i = 0;
    size_t digits = 0;
    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9') {
        i++;
        digits++;
    }
    if (i < text.len && text.data[i] == '.') {
        i++;
        while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9') {
            i++;
            digits++;
        }
    }
    if (digits == 0) {
        return false;
    }
    if (i < text.len && (text.data[i] == 'e' || text.data[i] == 'E')) {
        i++;
        if (i < text.len && (text.data[i] == '+' || text.data[i] == '-')) {
            i++;
        }
        size_t exponent_start = i;
        while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9') {
            i++;
        }
        if (i == exponent_start) {
            return false;
        }
    }
    return i == text.len;
}

int number_parse_double(struct slice text, double *ret_value)
{
    struct slice body = text;
    bool negative = false;
    if (body.len > 0 && (body.data[0] == '-' || body.data[0] == '+')) {
        negative = body.data[0] == '-';
        body = slice_make(body.data + 1, body.len - 1);
    }
    if (slice_eq_cstr(body, "NaN")) {
        *ret_value = NAN;
        return 0;
    }
    if (slice_eq_cstr(body, "Infinity")) {
        *ret_value = negative ? -INFINITY : INFINITY;
        return 0;
    }
    if (!is_decimal(body)) {
        return ERR_PARSE;
    }
    if (body.len > DOUBLE_DIGITS_MAX) {
        return ERR_TOO_LARGE;
    }
    char buf[DOUBLE_DIGITS_MAX + 1];
    memcpy(buf, body.data, body.len);
    buf[body.len] = '\0';
    double value = strtod(buf, NULL);
    if (isinf(value)) {
        return ERR_TOO_LARGE;
    }
    *ret_value = negative ? -value : value;
    return 0;
}

size_t number_format_double(double value, char ret_text[NUMBER_TEXT_MAX])
{
    if (isnan(value)) {
        return (size_t)snprintf(ret_text, NUMBER_TEXT_MAX, "NaN");
    }
    if (isinf(value)) {
        return (size_t)snprintf(ret_text, NUMBER_TEXT_MAX, value < 0 ? "-Infinity" : "Infinity");
    }
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(ret_text, NUMBER_TEXT_MAX, "%.*g", digits, value);
        if (strtod(ret_text, NULL) == value) {
            break;
        }
    }
    size_t n = (size_t)len;
    char *exponent = memchr(ret_text, 'e', n);
    if (exponent != NULL) {
        /* "1e+20" -> "1.0E20", "1.5e-07" -> "1.5E-7" */
        char digits[NUMBER_TEXT_MAX];
        size_t mantissa = (size_t)(exponent - ret_text);
        int power = atoi(exponent + 1);
        memcpy(digits, ret_text, mantissa);
        digits[mantissa] = '\0';
        const char *fraction = memchr(digits, '.', mantissa) == NULL ? ".0" : "";
        return (size_t)snprintf(ret_text, NUMBER_TEXT_MAX, "%s%sE%d", digits, fraction, power);
    }
    if (memchr(ret_text, '.', n) == NULL) {
        memcpy(ret_text + n, ".0", 3);
        n += 2;
    }
    return n;
}

size_t number_format_int64(int64_t value, char ret_text[NUMBER_TEXT_MAX])
{
    return (size_t)snprintf(ret_text, NUMBER_TEXT_MAX, "%" PRId64, value);
}
