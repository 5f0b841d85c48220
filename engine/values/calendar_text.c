/* Dates and times from text and back, as CAST has them; see calendar.h.  Thread: any. */
#include "engine/values/calendar.h"
#include <stdio.h>

enum { YEAR_DIGITS_MAX = 9, FIELD_DIGITS_MAX = 2, FRACTION_DIGITS_MAX = 9 };

/* What is left of the text. */
struct reader {
    struct slice rest;
};

static bool take_char(struct reader *r, char c)
{
    if (r->rest.len == 0 || r->rest.data[0] != c) {
        return false;
    }
    r->rest = slice_make(r->rest.data + 1, r->rest.len - 1);
    return true;
}

/* One to `most` digits. */
static bool take_number(struct reader *r, size_t most, int64_t *ret)
{
    int64_t value = 0;
    size_t n = 0;
    while (n < r->rest.len && r->rest.data[n] >= '0' && r->rest.data[n] <= '9') {
        if (n == most) {
            return false;
        }
        value = value * 10 + (r->rest.data[n++] - '0');
    }
    r->rest = slice_make(r->rest.data + n, r->rest.len - n);
    *ret = value;
    return n > 0;
}

/* .digits, as nanoseconds. */
static bool take_fraction(struct reader *r, int64_t *ret_nanos)
{
    size_t before = r->rest.len;
    *ret_nanos = 0;
    if (!take_char(r, '.')) {
        return true;
    }
    if (!take_number(r, FRACTION_DIGITS_MAX, ret_nanos)) {
        return false;
    }
    for (size_t digits = before - r->rest.len - 1; digits < FRACTION_DIGITS_MAX; digits++) {
        *ret_nanos *= 10;
    }
    return true;
}

static bool take_date(struct reader *r, bool is_whole, int64_t *ret_days)
{
    int64_t year, month = 1, day = 1;
    bool is_fine = take_number(r, YEAR_DIGITS_MAX, &year);
    bool has_month = is_fine && take_char(r, '-');
    is_fine = is_fine && (!has_month || take_number(r, FIELD_DIGITS_MAX, &month));
    bool has_day = has_month && is_fine && take_char(r, '-');
    is_fine = is_fine && (!has_day || take_number(r, FIELD_DIGITS_MAX, &day));
    if (!is_fine || (is_whole && !has_day) || !calendar_exists(year, month, day)) {
        return false;
    }
    *ret_days = calendar_days_of((struct calendar_date){(int32_t)year, (int8_t)month, (int8_t)day});
    return true;
}

int calendar_parse_date(struct slice text, int64_t *ret_days)
{
    struct reader r = {slice_trim(text)};
    int64_t days;
    if (!take_date(&r, false, &days) || (r.rest.len > 0 && r.rest.data[0] != ' ')) {
        return ERR_PARSE;
    }
    *ret_days = days;
    return 0;
}

/* H[:m[:s[.fraction]]]; `is_whole`: all but the fraction must be there. */
static bool take_time(struct reader *r, bool is_whole, int64_t *ret_nanos)
{
    int64_t hour, minute = 0, second = 0, fraction = 0;
    bool is_fine = take_number(r, FIELD_DIGITS_MAX, &hour);
    bool has_minute = is_fine && take_char(r, ':');
    is_fine = is_fine && (!has_minute || take_number(r, FIELD_DIGITS_MAX, &minute));
    bool has_second = has_minute && is_fine && take_char(r, ':');
    is_fine =
        is_fine &&
        (!has_second || (take_number(r, FIELD_DIGITS_MAX, &second) && take_fraction(r, &fraction)));
    if (!is_fine || (is_whole && !has_second) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *ret_nanos = ((hour * 60 + minute) * 60 + second) * 1000000000 + fraction;
    return true;
}

/* [+h[:m] | -h[:m]] */
static bool skip_offset(struct reader *r)
{
    int64_t hours, minutes = 0;
    if (!take_char(r, '+') && !take_char(r, '-')) {
        return true;
    }
    return take_number(r, FIELD_DIGITS_MAX, &hours) &&
           (!take_char(r, ':') || take_number(r, FIELD_DIGITS_MAX, &minutes));
}

int calendar_parse_time(struct slice text, int32_t *ret_millis)
{
    struct reader r = {slice_trim(text)};
    int64_t nanos;
    if (!take_time(&r, false, &nanos) || !skip_offset(&r) || r.rest.len > 0) {
        return ERR_PARSE;
    }
    *ret_millis = (int32_t)(nanos / 1000000);
    return 0;
}

int calendar_parse_timestamp(struct slice text, int32_t precision, struct ts_nano *ret)
{
    struct reader r = {slice_trim(text)};
    int64_t days, nanos = 0, unit = 1;
    if (!take_date(&r, true, &days)) {
        return ERR_PARSE;
    }
    if (r.rest.len > 0 && (!take_char(&r, ' ') || !take_time(&r, true, &nanos) || r.rest.len > 0)) {
        return ERR_PARSE;
    }
    for (int32_t i = precision; i < FRACTION_DIGITS_MAX; i++) {
        unit *= 10;
    }
    nanos -= nanos % unit;
    *ret = (struct ts_nano){.millis = days * CALENDAR_DAY_MS + nanos / 1000000,
                            .nanos = (int32_t)(nanos % 1000000)};
    return 0;
}

/* ---- printing --------------------------------------------------------------------------------------- */

size_t calendar_print_date(int64_t days, char ret[CALENDAR_TEXT_MAX])
{
    struct calendar_date d = calendar_date_of(days);
    return (size_t)snprintf(ret, CALENDAR_TEXT_MAX, "%04d-%02d-%02d", d.year, d.month, d.day);
}

/* Behind `at` bytes: time of the day with its fraction. */
static size_t print_time(int64_t millis, int32_t nanos, int32_t precision, size_t at,
                         char ret[CALENDAR_TEXT_MAX])
{
    int64_t seconds = millis / 1000;
    int n = snprintf(ret + at, CALENDAR_TEXT_MAX - at, "%02d:%02d:%02d", (int)(seconds / 3600),
                     (int)(seconds / 60 % 60), (int)(seconds % 60));
    at += (size_t)n;
    if (precision > 0) {
        char fraction[FRACTION_DIGITS_MAX + 1];
        snprintf(fraction, sizeof(fraction), "%09u",
                 (unsigned)(millis % 1000 * 1000000 + nanos) % 1000000000u);
        n = snprintf(ret + at, CALENDAR_TEXT_MAX - at, ".%.*s",
                     MIN(precision, (int32_t)FRACTION_DIGITS_MAX), fraction);
        at += (size_t)n;
    }
    return at;
}

size_t calendar_print_time(int64_t millis, int32_t precision, char ret[CALENDAR_TEXT_MAX])
{
    return print_time(millis, 0, precision, 0, ret);
}

size_t calendar_print_timestamp(struct ts_nano t, int32_t precision, char ret[CALENDAR_TEXT_MAX])
{
    int64_t days = t.millis / CALENDAR_DAY_MS;
    days -= t.millis % CALENDAR_DAY_MS < 0;
    size_t at = calendar_print_date(days, ret);
    ret[at++] = ' ';
    return print_time(t.millis - days * CALENDAR_DAY_MS, t.nanos, precision, at, ret);
}
