/* Texts parsed by patterns of dates and times. */
#include "engine/patterns/time_inside.h"

#include "engine/values/calendar.h"

#include <strings.h>

enum field {
    FIELD_YEAR,
    FIELD_YEAR_OF_ERA,
    FIELD_ERA, /* 1: AD */
    FIELD_MONTH,
    FIELD_DAY,
    FIELD_DAY_OF_YEAR,
    FIELD_DAY_OF_WEEK,
    FIELD_HOUR,      /* 0 to 23 */
    FIELD_CLOCK_24,  /* 1 to 24 */
    FIELD_HALF_HOUR, /* 0 to 11 */
    FIELD_CLOCK_12,  /* 1 to 12 */
    FIELD_HALF,      /* 0: AM */
    FIELD_MINUTE,
    FIELD_SECOND,
    FIELD_NANO, /* of the second; of the simple dialect milliseconds */
    FIELD_MILLI_OF_DAY,
    FIELD_NANO_OF_DAY,
    FIELD_OFFSET,
    FIELD_IGNORED,
    FIELD_COUNT
};

struct parser {
    const struct time_pattern *pattern;
    struct slice rest;
    uint32_t has; /* bits of enum field */
    int64_t values[FIELD_COUNT];
};

static bool has(const struct parser *p, enum field f)
{
    return (p->has >> f & 1) != 0;
}

static bool set(struct parser *p, enum field f, int64_t value)
{
    p->has |= 1u << f;
    p->values[f] = value;
    return true;
}

static void skip(struct parser *p, size_t n)
{
    p->rest = slice_make(p->rest.data + n, p->rest.len - n);
}

/* ---- pieces ----------------------------------------------------------------------------------------- */

static size_t count_digits(struct slice s, size_t most)
{
    size_t n = 0;
    while (n < s.len && n < most && s.data[n] >= '0' && s.data[n] <= '9') {
        n++;
    }
    return n;
}

static int64_t digits_value(const char *digits, size_t n)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v * 10 + (digits[i] - '0');
    }
    return v;
}

/* Least and most digits of a number of the formatter's, whose years of four and more have no more without a sign. */
static bool take_formatter_number(struct parser *p, const struct time_item *item, int64_t *ret)
{
    const bool is_year = strchr("yuY", item->letter) != NULL;
    const size_t fixed = time_item_fixed_width(item);
    const size_t least = fixed > 0 ? fixed : is_year ? item->width : 1;
    const size_t most = fixed > 0 ? fixed : item->letter == 'D' ? 3 : 18;
    bool is_negative = false, has_sign = false;
    if (fixed == 0 && p->rest.len > 0 && (p->rest.data[0] == '-' || p->rest.data[0] == '+')) {
        has_sign = true;
        is_negative = p->rest.data[0] == '-';
        if (!is_year || (!is_negative && item->width < 4)) {
            return false;
        }
        skip(p, 1);
    }
    size_t n = count_digits(p->rest, fixed > 0 ? fixed : most + item->reserved);
    if (fixed == 0 && item->reserved > 0) {
        n = MAX(least, n > item->reserved ? n - item->reserved : 0);
        if (count_digits(p->rest, n) < n) {
            return false;
        }
    }
    if (n < least || n > 18) {
        return false;
    }
    if (is_year && item->width >= 4 && !is_negative && (n > item->width) != has_sign) {
        return false;
    }
    *ret = digits_value(p->rest.data, n);
    *ret = is_negative ? -*ret : *ret;
    skip(p, n);
    return true;
}

/* Blanks before it are left aside; numbers that touch the next take as many digits as they have letters. */
static bool take_simple_number(struct parser *p, const struct time_item *item, int64_t *ret,
                               size_t *ret_digits)
{
    bool is_negative = false;
    while (p->rest.len > 0 && (p->rest.data[0] == ' ' || p->rest.data[0] == '\t')) {
        skip(p, 1);
    }
    if (!item->is_adjacent && p->rest.len > 0 && p->rest.data[0] == '-') {
        is_negative = true;
        skip(p, 1);
    }
    const size_t n = count_digits(p->rest, item->is_adjacent ? item->width : 18);
    if (n == 0 || (item->is_adjacent && n < item->width)) {
        return false;
    }
    *ret_digits = n;
    *ret = digits_value(p->rest.data, n);
    *ret = is_negative ? -*ret : *ret;
    skip(p, n);
    return true;
}

/* One of `names`, in full or by its first three letters; case does not matter to the simple dialect. */
static bool take_name(struct parser *p, const char *const *names, uint32_t n, uint32_t width,
                      int64_t *ret)
{
    const bool is_simple = p->pattern->dialect == TIME_DIALECT_SIMPLE;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < n; i++) {
            const size_t len = pass == 0 ? strlen(names[i]) : 3;
            const bool is_wanted = is_simple || (pass == 0) == (width == 4);
            if (is_wanted && p->rest.len >= len &&
                (is_simple ? strncasecmp(p->rest.data, names[i], len)
                           : strncmp(p->rest.data, names[i], len)) == 0) {
                skip(p, len);
                *ret = i + 1;
                return true;
            }
        }
    }
    return false;
}

static bool take_half(struct parser *p)
{
    const bool is_simple = p->pattern->dialect == TIME_DIALECT_SIMPLE;
    if (p->rest.len < 2) {
        return false;
    }
    const char a = p->rest.data[0], m = p->rest.data[1];
    const bool is_right = ((a == 'A' || a == 'P') && m == 'M') ||
                          (is_simple && ((a | 32) == 'a' || (a | 32) == 'p') && (m | 32) == 'm');
    if (is_right) {
        set(p, FIELD_HALF, (a | 32) == 'p');
        skip(p, 2);
    }
    return is_right;
}

/* Z, +1, +01, +0100, +01:00; GMT and UTC before it, and other names, which say nothing. */
static bool take_zone(struct parser *p)
{
    bool is_named = false;
    if (slice_starts_with(p->rest, "GMT") || slice_starts_with(p->rest, "UTC")) {
        skip(p, 3);
        is_named = true;
    } else if (slice_starts_with(p->rest, "Z")) {
        skip(p, 1);
        return set(p, FIELD_OFFSET, 0);
    }
    if (p->rest.len == 0 || (p->rest.data[0] != '+' && p->rest.data[0] != '-')) {
        return is_named && set(p, FIELD_OFFSET, 0);
    }
    const bool is_negative = p->rest.data[0] == '-';
    skip(p, 1);
    const size_t n = count_digits(p->rest, 4);
    int64_t hours = digits_value(p->rest.data, n), minutes = 0;
    if (n == 0 || n == 3) {
        return false;
    }
    skip(p, n);
    if (n == 4) {
        minutes = hours % 100;
        hours /= 100;
    } else if (p->rest.len > 2 && p->rest.data[0] == ':' &&
               count_digits(slice_make(p->rest.data + 1, 2), 2) == 2) {
        minutes = digits_value(p->rest.data + 1, 2);
        skip(p, 3);
    }
    const int64_t seconds = hours * 3600 + minutes * 60;
    return hours <= 23 && minutes <= 59 && set(p, FIELD_OFFSET, is_negative ? -seconds : seconds);
}

/* ---- items ------------------------------------------------------------------------------------------ */

static enum field field_of(char letter, enum time_dialect dialect)
{
    switch (letter) {
    case 'u':
        return dialect == TIME_DIALECT_FORMATTER ? FIELD_YEAR : FIELD_DAY_OF_WEEK;
    case 'y':
        return FIELD_YEAR_OF_ERA;
    case 'M':
    case 'L':
        return FIELD_MONTH;
    case 'd':
        return FIELD_DAY;
    case 'D':
        return FIELD_DAY_OF_YEAR;
    case 'H':
        return FIELD_HOUR;
    case 'k':
        return FIELD_CLOCK_24;
    case 'K':
        return FIELD_HALF_HOUR;
    case 'h':
        return FIELD_CLOCK_12;
    case 'm':
        return FIELD_MINUTE;
    case 's':
        return FIELD_SECOND;
    case 'S':
    case 'n':
        return FIELD_NANO;
    case 'A':
        return FIELD_MILLI_OF_DAY;
    case 'N':
        return FIELD_NANO_OF_DAY;
    default:
        return FIELD_IGNORED; /* weeks, quarters: they make no date */
    }
}

static bool take_number(struct parser *p, const struct time_item *item)
{
    const enum time_dialect dialect = p->pattern->dialect;
    const enum field field = field_of(item->letter, dialect);
    int64_t v;
    if (dialect == TIME_DIALECT_SIMPLE) {
        size_t digits;
        if (!take_simple_number(p, item, &v, &digits)) {
            return false;
        }
        if (item->letter == 'y' && item->width <= 2 && digits == 2 && v >= 0) {
            v += v < 70 ? 2000 : 1900; /* Java's window is 80 years before now to 20 behind */
        }
        return set(p, field, v);
    }
    if (!take_formatter_number(p, item, &v)) {
        return false;
    }
    if (item->letter == 'S') {
        for (uint32_t i = item->width; i < 9; i++) {
            v *= 10;
        }
    } else if (item->width == 2 && strchr("yu", item->letter) != NULL) {
        v += 2000;
    }
    return set(p, field, v);
}

static bool take_word(struct parser *p, const struct time_item *item)
{
    static const char *const eras[] = {"BC ", "AD "}; /* three characters, of which two count */
    int64_t v;
    switch (item->letter) {
    case 'M':
    case 'L':
        return take_name(p, time_month_names, 12, item->width, &v) && set(p, FIELD_MONTH, v);
    case 'E':
    case 'e':
    case 'c':
        return take_name(p, time_day_names, 7, item->width, &v) && set(p, FIELD_DAY_OF_WEEK, v);
    case 'a':
        return take_half(p);
    case 'G':
        for (int64_t i = 0; i < 2; i++) {
            if (p->rest.len >= 2 && strncmp(p->rest.data, eras[i], 2) == 0) {
                skip(p, 2);
                return set(p, FIELD_ERA, i);
            }
        }
        return false;
    default:
        return take_zone(p);
    }
}

static bool take_items(struct parser *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct time_item *item = &p->pattern->items[i];
        bool is_right = true;
        if (item->letter == '[') {
            const struct parser before = *p;
            if (!take_items(p, i + 1, item->end)) {
                *p = before;
            }
            i = item->end;
        } else if (item->letter == 0) {
            is_right = p->rest.len >= item->text.len &&
                       memcmp(p->rest.data, item->text.data, item->text.len) == 0;
            if (is_right) {
                skip(p, item->text.len);
            }
        } else if (item->letter != ']') {
            is_right = item->is_number ? take_number(p, item) : take_word(p, item);
        }
        if (!is_right) {
            return false;
        }
    }
    return true;
}

/* ---- what fields make ------------------------------------------------------------------------------- */

static int64_t year_of(const struct parser *p)
{
    if (has(p, FIELD_YEAR)) {
        return p->values[FIELD_YEAR];
    }
    if (!has(p, FIELD_YEAR_OF_ERA)) {
        return 1970;
    }
    const int64_t year = p->values[FIELD_YEAR_OF_ERA];
    return has(p, FIELD_ERA) && p->values[FIELD_ERA] == 0 ? 1 - year : year;
}

/* The hour of the day, or of its half. */
static int64_t hour_of(const struct parser *p)
{
    if (has(p, FIELD_HOUR)) {
        return p->values[FIELD_HOUR];
    }
    if (has(p, FIELD_CLOCK_24)) {
        return p->values[FIELD_CLOCK_24] == 24 ? 0 : p->values[FIELD_CLOCK_24];
    }
    const bool is_simple = p->pattern->dialect == TIME_DIALECT_SIMPLE;
    if (!has(p, FIELD_HALF) && !is_simple) {
        return 0; /* without its half it is no hour */
    }
    const int64_t half = p->values[FIELD_HALF] * 12;
    if (has(p, FIELD_CLOCK_12)) {
        return half + (p->values[FIELD_CLOCK_12] == 12 ? 0 : p->values[FIELD_CLOCK_12]);
    }
    return has(p, FIELD_HALF_HOUR) ? half + p->values[FIELD_HALF_HOUR] : is_simple ? half : 0;
}

static bool is_between(const struct parser *p, enum field f, int64_t least, int64_t most)
{
    return !has(p, f) || (p->values[f] >= least && p->values[f] <= most);
}

static bool in_ranges(const struct parser *p)
{
    return is_between(p, FIELD_YEAR, -999999, 999999) &&
           is_between(p, FIELD_YEAR_OF_ERA, 1, 999999) && is_between(p, FIELD_MONTH, 1, 12) &&
           is_between(p, FIELD_DAY, 1, 31) && is_between(p, FIELD_DAY_OF_YEAR, 1, 366) &&
           is_between(p, FIELD_HOUR, 0, 23) && is_between(p, FIELD_CLOCK_24, 1, 24) &&
           is_between(p, FIELD_HALF_HOUR, 0, 11) && is_between(p, FIELD_CLOCK_12, 1, 12) &&
           is_between(p, FIELD_MINUTE, 0, 59) && is_between(p, FIELD_SECOND, 0, 59) &&
           is_between(p, FIELD_NANO, 0, 999999999) &&
           is_between(p, FIELD_MILLI_OF_DAY, 0, 86399999) &&
           is_between(p, FIELD_NANO_OF_DAY, 0, INT64_C(86399999999999));
}

static bool resolve_strictly(const struct parser *p, struct time_value *ret)
{
    if (!in_ranges(p)) {
        return false;
    }
    const int32_t year = (int32_t)year_of(p);
    int64_t days, nanos;
    if (has(p, FIELD_DAY_OF_YEAR) && !has(p, FIELD_MONTH)) {
        days =
            calendar_days_of((struct calendar_date){year, 1, 1}) + p->values[FIELD_DAY_OF_YEAR] - 1;
        if (calendar_date_of(days).year != year) {
            return false;
        }
    } else {
        const int month = has(p, FIELD_MONTH) ? (int)p->values[FIELD_MONTH] : 1;
        const int day = has(p, FIELD_DAY) ? (int)p->values[FIELD_DAY] : 1;
        const int last = calendar_days_in_month(year, month);
        days =
            calendar_days_of((struct calendar_date){year, (int8_t)month, (int8_t)MIN(day, last)});
    }
    if (has(p, FIELD_DAY_OF_WEEK) && has(p, FIELD_DAY) && has(p, FIELD_MONTH) &&
        calendar_day_of_week(days) != p->values[FIELD_DAY_OF_WEEK]) {
        return false;
    }
    if (has(p, FIELD_NANO_OF_DAY)) {
        nanos = p->values[FIELD_NANO_OF_DAY];
    } else if (has(p, FIELD_MILLI_OF_DAY)) {
        nanos = p->values[FIELD_MILLI_OF_DAY] * 1000000;
    } else {
        nanos = ((hour_of(p) * 60 + p->values[FIELD_MINUTE]) * 60 + p->values[FIELD_SECOND]) *
                    1000000000 +
                p->values[FIELD_NANO];
    }
    ret->local_ms = days * CALENDAR_DAY_MS + nanos / 1000000;
    ret->nanos = (int32_t)(nanos % 1000000);
    return true;
}

static bool resolve_leniently(const struct parser *p, struct time_value *ret)
{
    const int64_t limit = INT64_C(1000000000);
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        if (!is_between(p, f, -limit, limit)) {
            return false;
        }
    }
    int64_t year = year_of(p), month = has(p, FIELD_MONTH) ? p->values[FIELD_MONTH] - 1 : 0;
    year += month / 12 - (month % 12 < 0);
    month = (month % 12 + 12) % 12;
    if (year < -1000000 || year > 1000000) {
        return false;
    }
    int64_t days = calendar_days_of((struct calendar_date){(int32_t)year, (int8_t)(month + 1), 1});
    if (has(p, FIELD_DAY_OF_YEAR) && !has(p, FIELD_DAY) && !has(p, FIELD_MONTH)) {
        days += p->values[FIELD_DAY_OF_YEAR] - 1;
    } else if (has(p, FIELD_DAY)) {
        days += p->values[FIELD_DAY] - 1;
    }
    ret->local_ms =
        days * CALENDAR_DAY_MS +
        ((hour_of(p) * 60 + p->values[FIELD_MINUTE]) * 60 + p->values[FIELD_SECOND]) * 1000 +
        p->values[FIELD_NANO];
    return true;
}

bool time_pattern_parse(const struct time_pattern *p, struct slice text, struct time_value *ret)
{
    const bool is_simple = p->dialect == TIME_DIALECT_SIMPLE;
    struct parser parser = {.pattern = p,
                            .rest = slice_make(text.data != NULL ? text.data : "", text.len)};
    *ret = (struct time_value){0};
    if (!take_items(&parser, 0, p->n) || (!is_simple && parser.rest.len > 0)) {
        return false;
    }
    ret->has_offset = has(&parser, FIELD_OFFSET);
    ret->offset_s = (int32_t)parser.values[FIELD_OFFSET];
    return is_simple ? resolve_leniently(&parser, ret) : resolve_strictly(&parser, ret);
}
