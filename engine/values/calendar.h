/* The proleptic Gregorian calendar: days and fields, months added, times cut to units, dates and times as text.
 *
 * Days count from 1970-01-01, times are milliseconds and the nanoseconds of the last one (struct ts_nano), without a zone.
 * Weeks: the number is ISO's (Monday first, the week with the year's first Thursday), FLOOR and CEIL go to a Sunday.
 * Flink: DateTimeUtils, java.time for text.  Thread: any. */
#ifndef FLINC_ENGINE_VALUES_CALENDAR_H
#define FLINC_ENGINE_VALUES_CALENDAR_H

#include "engine/data/type.h"

enum {
    CALENDAR_DAY_MS = 86400000,
    CALENDAR_YEAR_MIN = 0, /* of dates that SQL has */
    CALENDAR_YEAR_MAX = 9999,
    CALENDAR_TEXT_MAX = 40, /* bytes of a printed timestamp, with its NUL */
};

struct calendar_date {
    int32_t year;
    int8_t month, day; /* from 1 */
};

struct calendar_date calendar_date_of(int64_t days);
int64_t calendar_days_of(struct calendar_date date); /* the date exists */
int calendar_days_in_month(int32_t year, int month);
bool calendar_exists(int64_t year, int64_t month, int64_t day); /* years 0 to 9999 */
int calendar_day_of_week(int64_t days);                         /* Monday 1 to Sunday 7 */
int calendar_day_of_year(int64_t days);                         /* from 1 */
int calendar_week(int64_t days,
                  int32_t *ret_year); /* ISO; ret_year (may be NULL): the year it belongs to */

/* The day of the month is cut to the month's last. */
int64_t calendar_add_months(int64_t days, int64_t months);
/* Full months from a to b, negative when b is before a: milliseconds since 1970 both. */
int64_t calendar_months_between(int64_t a_ms, int64_t b_ms);

enum calendar_unit {
    CALENDAR_MILLENNIUM,
    CALENDAR_CENTURY,
    CALENDAR_DECADE,
    CALENDAR_YEAR,
    CALENDAR_QUARTER,
    CALENDAR_MONTH,
    CALENDAR_WEEK,
    CALENDAR_DAY,
    CALENDAR_HOUR,
    CALENDAR_MINUTE,
    CALENDAR_SECOND,
    CALENDAR_MILLISECOND,
    CALENDAR_UNIT_COUNT
};

/* FLOOR(t TO unit), CEIL(t TO unit).  Millennia and centuries begin with the year 1 (2001, 1901), decades with 0. */
int64_t calendar_floor(int64_t millis, enum calendar_unit unit);
int64_t calendar_ceil(int64_t millis, enum calendar_unit unit);

/* ---- text ------------------------------------------------------------------------------------------- */

/* y, y-M or y-M-d; what follows a blank is left aside.  ERR_PARSE, also for days that do not exist. */
int calendar_parse_date(struct slice text, int64_t *ret_days) MUST_CHECK;
/* H, H:m, H:m:s, H:m:s.fraction, with an offset +h or -h:m behind it, which is left aside; of the fraction three digits count.
 * Milliseconds of the day. */
int calendar_parse_time(struct slice text, int32_t *ret_millis) MUST_CHECK;
/* y-M-d, y-M-d H:m:s, y-M-d H:m:s.fraction of up to nine digits, cut to `precision`. */
int calendar_parse_timestamp(struct slice text, int32_t precision, struct ts_nano *ret) MUST_CHECK;

/* "2020-01-02", "10:11:12.5", "2020-01-02 10:11:12.500": as CAST prints them, with exactly `precision` digits.  They return
 * the length. */
size_t calendar_print_date(int64_t days, char ret[CALENDAR_TEXT_MAX]);
size_t calendar_print_time(int64_t millis, int32_t precision, char ret[CALENDAR_TEXT_MAX]);
size_t calendar_print_timestamp(struct ts_nano t, int32_t precision, char ret[CALENDAR_TEXT_MAX]);

#endif
