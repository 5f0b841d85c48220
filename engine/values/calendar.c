/* Days, fields and units; see calendar.h.  Thread: any. */
#include "engine/values/calendar.h"
#include "engine/data/civil.h"

enum {
    DAYS_OF_ERA = 146097, /* 400 years */
    HOUR_MS = 3600000,
    MINUTE_MS = 60000,
    SECOND_MS = 1000,
};

static int64_t floor_mod(int64_t a, int64_t b)
{
    return a - civil_floor_divide(a, b) * b;
}

struct calendar_date calendar_date_of(int64_t days)
{
    struct civil_date d = civil_date_of(days);
    return (struct calendar_date){
        .year = (int32_t)d.year, .month = (int8_t)d.month, .day = (int8_t)d.day};
}

int64_t calendar_days_of(struct calendar_date date)
{
    return civil_days_of((struct civil_date){date.year, date.month, date.day});
}

int calendar_days_in_month(int32_t year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

bool calendar_exists(int64_t year, int64_t month, int64_t day)
{
    return year >= CALENDAR_YEAR_MIN && year <= CALENDAR_YEAR_MAX && month >= 1 && month <= 12 &&
           day >= 1 && day <= calendar_days_in_month((int32_t)year, (int)month);
}

int calendar_day_of_week(int64_t days)
{
    return (int)floor_mod(days + 3, 7) + 1; /* 1970-01-01 was a Thursday */
}

static int64_t first_of_year(int32_t year)
{
    return calendar_days_of((struct calendar_date){year, 1, 1});
}

int calendar_day_of_year(int64_t days)
{
    return (int)(days - first_of_year(calendar_date_of(days).year)) + 1;
}

int calendar_week(int64_t days, int32_t *ret_year)
{
    int64_t thursday = days - calendar_day_of_week(days) + 4;
    int32_t year = calendar_date_of(thursday).year;
    if (ret_year != NULL) {
        *ret_year = year;
    }
    return (int)((thursday - first_of_year(year)) / 7) + 1;
}

/* ---- months ----------------------------------------------------------------------------------------- */

int64_t calendar_add_months(int64_t days, int64_t months)
{
    struct calendar_date d = calendar_date_of(days);
    int64_t all = (int64_t)d.year * 12 + d.month - 1 + months;
    int32_t year = (int32_t)civil_floor_divide(all, 12);
    int month = (int)floor_mod(all, 12) + 1;
    int last = calendar_days_in_month(year, month);
    return calendar_days_of(
        (struct calendar_date){year, (int8_t)month, (int8_t)MIN((int)d.day, last)});
}

int64_t calendar_months_between(int64_t a_ms, int64_t b_ms)
{
    if (b_ms < a_ms) {
        return -calendar_months_between(b_ms, a_ms); /* as many as forwards */
    }
    int64_t a_days = civil_floor_divide(a_ms, CALENDAR_DAY_MS),
            b_days = civil_floor_divide(b_ms, CALENDAR_DAY_MS);
    struct calendar_date a = calendar_date_of(a_days), b = calendar_date_of(b_days);
    int64_t months = ((int64_t)b.year - a.year) * 12 + b.month - a.month;
    int64_t reached =
        calendar_add_months(a_days, months) * CALENDAR_DAY_MS + floor_mod(a_ms, CALENDAR_DAY_MS);
    return months > 0 && reached > b_ms ? months - 1 : months;
}

/* ---- units ------------------------------------------------------------------------------------------ */

static int64_t year_begin(int64_t year)
{
    return first_of_year((int32_t)year) * CALENDAR_DAY_MS;
}

/* The first year of the span of years that `year` lies in; spans of 1,000 and 100 begin with 1. */
static int64_t span_begin(int64_t year, int64_t span)
{
    return span == 10 ? civil_floor_divide(year, span) * span
                      : civil_floor_divide(year - 1, span) * span + 1;
}

static int64_t years_of(enum calendar_unit unit)
{
    return unit == CALENDAR_MILLENNIUM ? 1000
           : unit == CALENDAR_CENTURY  ? 100
           : unit == CALENDAR_DECADE   ? 10
                                       : 1;
}

static int64_t millis_of(enum calendar_unit unit)
{
    switch (unit) {
    case CALENDAR_DAY:
        return CALENDAR_DAY_MS;
    case CALENDAR_HOUR:
        return HOUR_MS;
    case CALENDAR_MINUTE:
        return MINUTE_MS;
    case CALENDAR_SECOND:
        return SECOND_MS;
    default:
        return 1;
    }
}

static int64_t month_begin(int64_t days, int months_per_unit)
{
    struct calendar_date d = calendar_date_of(days);
    d.month = (int8_t)((d.month - 1) / months_per_unit * months_per_unit + 1);
    d.day = 1;
    return calendar_days_of(d);
}

int64_t calendar_floor(int64_t millis, enum calendar_unit unit)
{
    int64_t days = civil_floor_divide(millis, CALENDAR_DAY_MS);
    switch (unit) {
    case CALENDAR_MILLENNIUM:
    case CALENDAR_CENTURY:
    case CALENDAR_DECADE:
        return year_begin(span_begin(calendar_date_of(days).year, years_of(unit)));
    case CALENDAR_YEAR:
        return year_begin(calendar_date_of(days).year);
    case CALENDAR_QUARTER:
        return month_begin(days, 3) * CALENDAR_DAY_MS;
    case CALENDAR_MONTH:
        return month_begin(days, 1) * CALENDAR_DAY_MS;
    case CALENDAR_WEEK:
        return (days - calendar_day_of_week(days) % 7) * CALENDAR_DAY_MS;
    default:
        return civil_floor_divide(millis, millis_of(unit)) * millis_of(unit);
    }
}

int64_t calendar_ceil(int64_t millis, enum calendar_unit unit)
{
    int64_t begin = calendar_floor(millis, unit);
    if (begin == millis) {
        return millis;
    }
    int64_t days = civil_floor_divide(begin, CALENDAR_DAY_MS);
    switch (unit) {
    case CALENDAR_MILLENNIUM:
    case CALENDAR_CENTURY:
    case CALENDAR_DECADE:
    case CALENDAR_YEAR:
        return year_begin(calendar_date_of(days).year + years_of(unit));
    case CALENDAR_QUARTER:
        return calendar_add_months(days, 3) * CALENDAR_DAY_MS;
    case CALENDAR_MONTH:
        return calendar_add_months(days, 1) * CALENDAR_DAY_MS;
    case CALENDAR_WEEK:
        return begin + (int64_t)7 * CALENDAR_DAY_MS;
    default:
        return begin + millis_of(unit);
    }
}
