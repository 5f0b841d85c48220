/* Days since 1970-01-01 and dates of the proleptic Gregorian calendar.  Thread: any. */
#ifndef FLINC_ENGINE_DATA_CIVIL_H
#define FLINC_ENGINE_DATA_CIVIL_H

#include <stdint.h>

struct civil_date {
    int64_t year;
    int32_t month, day; /* from 1 */
};

/* Rounds down; b > 0. */
static inline int64_t civil_floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Years begin in March here, so that a leap day is the last of its year; eras of 400 years are alike. */
enum { CIVIL_ERA_DAYS = 146097, CIVIL_MARCH_0_DAYS = 719468 /* from 0000-03-01 to 1970-01-01 */ };

static inline struct civil_date civil_date_of(int64_t days)
{
    int64_t shifted = days + CIVIL_MARCH_0_DAYS;
    int64_t era = civil_floor_divide(shifted, CIVIL_ERA_DAYS);
    int64_t d = shifted - era * CIVIL_ERA_DAYS;
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t of_year = d - (365 * y + y / 4 - y / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil_date ret = {.month = (int32_t)(month < 10 ? month + 3 : month - 9),
                             .day = (int32_t)(of_year - (153 * month + 2) / 5 + 1)};
    ret.year = y + era * 400 + (ret.month <= 2);
    return ret;
}

static inline int64_t civil_days_of(struct civil_date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = civil_floor_divide(year, 400);
    int64_t y = year - era * 400;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t of_year = (153 * month + 2) / 5 + date.day - 1;
    return era * CIVIL_ERA_DAYS + y * 365 + y / 4 - y / 100 + of_year - CIVIL_MARCH_0_DAYS;
}

#endif
