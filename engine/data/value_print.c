/* Values as Java prints them (value_print.h). */
#include "engine/data/value_print.h"
#include "engine/data/civil.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- numbers ----------------------------------------------------------------------------------- */

/* The shortest digits that read back as the same value, as "d.ddde[+-]x"; Java shows at least two. */
static void shortest_digits(double v, bool single, char *ret, size_t size)
{
    /* Decimals of up to 15 (float: 6) digits survive a round trip, subnormals excepted. */
    bool subnormal = single ? fpclassify((float)v) == FP_SUBNORMAL : fpclassify(v) == FP_SUBNORMAL;
    int max = single ? 9 : 17;
    int digits = subnormal ? 2 : (single ? 6 : 15);
    for (; digits <= max; digits++) {
        snprintf(ret, size, "%.*e", digits - 1, v);
        if (single ? strtof(ret, NULL) == (float)v : strtod(ret, NULL) == v) {
            return;
        }
    }
}

static void print_floating(double v, bool single, struct str *out)
{
    if (isnan(v)) {
        str_append_cstr(out, "NaN");
        return;
    }
    if (signbit(v)) {
        str_append_char(out, '-');
        v = -v;
    }
    if (isinf(v) || v == 0) {
        str_append_cstr(out, v == 0 ? "0.0" : "Infinity");
        return;
    }
    char text[40];
    shortest_digits(v, single, text, sizeof(text));
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    char digits[32];
    int n = 0;
    for (char *p = text; p < e; p++) {
        if (*p != '.') {
            digits[n++] = *p;
        }
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    bool plain = exponent >= -3 && exponent < 7;
    int point = plain ? exponent + 1 : 1; /* digits before the point */
    if (point <= 0) {
        str_append_cstr(out, "0.");
        for (int i = point; i < 0; i++) {
            str_append_char(out, '0');
        }
        str_append(out, digits, (size_t)n);
    } else {
        for (int i = 0; i < point; i++) {
            str_append_char(out, i < n ? digits[i] : '0');
        }
        str_append_char(out, '.');
        if (n > point) {
            str_append(out, digits + point, (size_t)(n - point));
        } else {
            str_append_char(out, '0');
        }
    }
    if (!plain) {
        str_printf(out, "E%d", exponent);
    }
}

void value_print_f32(float v, struct str *out)
{
    print_floating((double)v, true, out);
}

void value_print_f64(double v, struct str *out)
{
    print_floating(v, false, out);
}

void value_print_decimal(__int128 unscaled, int32_t scale, struct str *out)
{
    char digits[48];
    int n = 0;
    unsigned __int128 v = (unsigned __int128)unscaled;
    if (unscaled < 0) {
        v = -v;
    }
    /* Least digit first; a zero before the point at least. */
    do {
        digits[n++] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v > 0);
    while (n <= scale && n < (int)sizeof(digits)) {
        digits[n++] = '0';
    }
    if (unscaled < 0) {
        str_append_char(out, '-');
    }
    while (n > 0) {
        if (n == scale) {
            str_append_char(out, '.');
        }
        str_append_char(out, digits[--n]);
    }
}

/* ---- dates and times --------------------------------------------------------------------------- */

void value_print_date(int64_t days, struct str *out)
{
    struct civil_date d = civil_date_of(days);
    if (d.year > 9999) {
        str_append_char(out, '+');
    }
    str_printf(out, "%s%04lld-%02d-%02d", d.year < 0 ? "-" : "",
               (long long)(d.year < 0 ? -d.year : d.year), d.month, d.day);
}

/* A fraction of a second by groups of three digits, nothing when it is zero. */
static void print_fraction(uint32_t nanos, struct str *out)
{
    if (nanos == 0) {
        return;
    }
    if (nanos % 1000000 == 0) {
        str_printf(out, ".%03u", nanos / 1000000);
    } else if (nanos % 1000 == 0) {
        str_printf(out, ".%06u", nanos / 1000);
    } else {
        str_printf(out, ".%09u", nanos);
    }
}

static void print_day_time(int64_t seconds, uint32_t nanos, bool always_seconds, struct str *out)
{
    int s = (int)seconds;
    str_printf(out, "%02d:%02d", s / 3600, s / 60 % 60);
    if (always_seconds || s % 60 != 0 || nanos != 0) {
        str_printf(out, ":%02d", s % 60);
        print_fraction(nanos, out);
    }
}

void value_print_time(int64_t seconds, uint32_t nanos, struct str *out)
{
    print_day_time(seconds, nanos, false, out);
}

void value_print_timestamp(const struct data_type *t, struct ts_nano v, struct str *out)
{
    int64_t days = civil_floor_divide(v.millis, 86400000);
    int64_t of_day = v.millis - days * 86400000;
    uint32_t nanos = (uint32_t)(of_day % 1000) * 1000000u + (uint32_t)v.nanos;
    bool instant = t->id == TYPE_TIMESTAMP_LTZ;
    value_print_date(days, out);
    str_append_char(out, 'T');
    print_day_time(of_day / 1000, nanos, instant, out);
    if (instant) {
        str_append_char(out, 'Z');
    }
}

void value_print_months(int32_t months, enum interval_resolution resolution, struct str *out)
{
    int32_t years = resolution == INTERVAL_MONTH ? 0 : months / 12;
    int32_t rest = months - years * 12;
    str_append_char(out, 'P');
    if (years != 0) {
        str_printf(out, "%dY", years);
    }
    if (rest != 0) {
        str_printf(out, "%dM", rest);
    }
    if (months == 0) {
        str_append_cstr(out, "0D");
    }
}

void value_print_duration(int64_t millis, struct str *out)
{
    int64_t hours = millis / 3600000;
    int minutes = (int)(millis / 60000 % 60);
    int rest = (int)(millis % 60000); /* of the sign of the whole */
    str_append_cstr(out, "PT");
    if (hours != 0) {
        str_printf(out, "%lldH", (long long)hours);
    }
    if (minutes != 0) {
        str_printf(out, "%dM", minutes);
    }
    if (rest == 0 && millis != 0) {
        return;
    }
    int fraction = abs(rest % 1000);
    str_printf(out, "%s%d", rest < 0 ? "-" : "", abs(rest / 1000));
    if (fraction != 0) {
        char text[8];
        int n = snprintf(text, sizeof(text), "%03d", fraction);
        while (text[n - 1] == '0') {
            n--;
        }
        str_append_char(out, '.');
        str_append(out, text, (size_t)n);
    }
    str_append_char(out, 'S');
}
