/* Days and fields against another engine; months, units, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/values/calendar.h"

static const struct {
    int64_t days;
    int32_t year;
    int month, day, weekday, day_of_year, week;
    int32_t week_year;
} cases[] = {
#include "calendar_cases.inc"
};

static void test_fields(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct calendar_date d = calendar_date_of(cases[i].days);
        int32_t week_year = 0;
        assert_true(d.year == cases[i].year && d.month == cases[i].month && d.day == cases[i].day);
        assert_int_equal(calendar_days_of(d), cases[i].days);
        assert_int_equal(calendar_day_of_week(cases[i].days), cases[i].weekday);
        assert_int_equal(calendar_day_of_year(cases[i].days), cases[i].day_of_year);
        assert_int_equal(calendar_week(cases[i].days, &week_year), cases[i].week);
        assert_int_equal(week_year, cases[i].week_year);
    }
    /* Every day of 0000 to 0800 follows the one before. */
    struct calendar_date last = calendar_date_of(-719529);
    for (int64_t days = -719528; days < -427000; days++) {
        struct calendar_date d = calendar_date_of(days);
        bool is_next = (d.year == last.year && d.month == last.month && d.day == last.day + 1) ||
                       (d.day == 1 && last.day == calendar_days_in_month(last.year, last.month) &&
                        d.year * 12 + d.month == last.year * 12 + last.month + 1);
        assert_true(is_next && calendar_days_of(d) == days);
        last = d;
    }
}

static int64_t days_of(const char *text)
{
    int64_t days = 0;
    assert_int_equal(calendar_parse_date(slice_cstr(text), &days), 0);
    return days;
}

static int64_t millis_of(const char *text)
{
    struct ts_nano t = {0, 0, 0};
    assert_int_equal(calendar_parse_timestamp(slice_cstr(text), 3, &t), 0);
    return t.millis;
}

static void check_date(int64_t days, const char *wanted)
{
    char text[CALENDAR_TEXT_MAX];
    size_t len = calendar_print_date(days, text);
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, wanted);
}

static void test_months(void **state)
{
    check_date(calendar_add_months(days_of("2020-01-31"), 1), "2020-02-29");
    check_date(calendar_add_months(days_of("2021-01-31"), 1), "2021-02-28");
    check_date(calendar_add_months(days_of("2020-03-31"), -1), "2020-02-29");
    check_date(calendar_add_months(days_of("2020-02-29"), -12), "2019-02-28");
    check_date(calendar_add_months(days_of("1969-12-15"), 25), "1972-01-15");
    static const struct {
        const char *a, *b;
        int64_t months;
    } rows[] = {
        {"2020-01-15 00:00:00", "2020-02-15 00:00:00", 1},
        {"2020-01-15 00:00:01", "2020-02-15 00:00:00", 0},
        {"2020-01-31 00:00:00", "2020-02-29 00:00:00", 1},
        {"2020-02-15 00:00:00", "2020-01-15 00:00:01", 0},
        {"2020-02-15 00:00:00", "2020-01-15 00:00:00", -1},
        {"1960-05-01 10:00:00", "1970-05-01 09:00:00", 119},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(calendar_months_between(millis_of(rows[i].a), millis_of(rows[i].b)),
                         rows[i].months);
    }
}

static void check_millis(int64_t millis, const char *wanted)
{
    char text[CALENDAR_TEXT_MAX];
    calendar_print_timestamp((struct ts_nano){.millis = millis}, 3, text);
    assert_string_equal(text, wanted);
}

static void test_units(void **state)
{
    static const struct {
        enum calendar_unit unit;
        const char *floor, *ceil;
    } rows[] = {
        {CALENDAR_MILLENNIUM, "2001-01-01 00:00:00.000", "3001-01-01 00:00:00.000"},
        {CALENDAR_CENTURY, "2001-01-01 00:00:00.000", "2101-01-01 00:00:00.000"},
        {CALENDAR_DECADE, "2020-01-01 00:00:00.000", "2030-01-01 00:00:00.000"},
        {CALENDAR_YEAR, "2021-01-01 00:00:00.000", "2022-01-01 00:00:00.000"},
        {CALENDAR_QUARTER, "2021-04-01 00:00:00.000", "2021-07-01 00:00:00.000"},
        {CALENDAR_MONTH, "2021-05-01 00:00:00.000", "2021-06-01 00:00:00.000"},
        {CALENDAR_WEEK, "2021-05-16 00:00:00.000", "2021-05-23 00:00:00.000"},
        {CALENDAR_DAY, "2021-05-19 00:00:00.000", "2021-05-20 00:00:00.000"},
        {CALENDAR_HOUR, "2021-05-19 13:00:00.000", "2021-05-19 14:00:00.000"},
        {CALENDAR_MINUTE, "2021-05-19 13:14:00.000", "2021-05-19 13:15:00.000"},
        {CALENDAR_SECOND, "2021-05-19 13:14:15.000", "2021-05-19 13:14:16.000"},
        {CALENDAR_MILLISECOND, "2021-05-19 13:14:15.167", "2021-05-19 13:14:15.167"},
    };
    _Static_assert(ARRAY_LEN(rows) == CALENDAR_UNIT_COUNT, "a row for each unit");
    int64_t at = millis_of("2021-05-19 13:14:15.167");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_millis(calendar_floor(at, rows[i].unit), rows[i].floor);
        check_millis(calendar_ceil(at, rows[i].unit), rows[i].ceil);
        check_millis(calendar_ceil(calendar_floor(at, rows[i].unit), rows[i].unit), rows[i].floor);
    }
    check_millis(calendar_floor(-1, CALENDAR_HOUR), "1969-12-31 23:00:00.000");
    check_millis(calendar_floor(millis_of("2000-06-01 00:00:00"), CALENDAR_CENTURY),
                 "1901-01-01 00:00:00.000");
    check_millis(calendar_floor(millis_of("2021-05-16 01:00:00"), CALENDAR_WEEK),
                 "2021-05-16 00:00:00.000");
}

static void test_dates(void **state)
{
    static const char *const good[][2] = {
        {"2020-02-29", "2020-02-29"},
        {"2020-1-2", "2020-01-02"},
        {"2020-03", "2020-03-01"},
        {"2020", "2020-01-01"},
        {" 2020-01-02 anything ", "2020-01-02"},
        {"0000-01-01", "0000-01-01"},
    };
    static const char *const bad[] = {
        "",         "x",        "2021-02-29",  "2020-13-01",          "2020-00-01", "2020-01-32",
        "2020-01-", "-1-01-01", "10000-01-01", "2020-01-02T00:00:00", "2020/01/02", "2020-001-01"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        check_date(days_of(good[i][0]), good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t days = 42;
        assert_int_equal(calendar_parse_date(slice_cstr(bad[i]), &days), ERR_PARSE);
        assert_int_equal(days, 42);
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *text, *printed;
    } good[] = {
        {"10:11:12", "10:11:12.000"},
        {"1:2:3.4", "01:02:03.400"},
        {"23", "23:00:00.000"},
        {"10:11", "10:11:00.000"},
        {"10:11:12.123456789", "10:11:12.123"},
        {"10:11:12+02:00", "10:11:12.000"},
        {"10:11:12 ", "10:11:12.000"},
    };
    static const char *const bad[] = {"",    "24:00:00",  "10:60:00",  "10:00:60", "10:00:00.",
                                      "10:", "10:11:12Z", "10:11:12+", "a"};
    char text[CALENDAR_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int32_t millis = 0;
        assert_int_equal(calendar_parse_time(slice_cstr(good[i].text), &millis), 0);
        calendar_print_time(millis, 3, text);
        assert_string_equal(text, good[i].printed);
    }
    calendar_print_time(36672500, 0, text);
    assert_string_equal(text, "10:11:12");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int32_t millis = 0;
        assert_int_equal(calendar_parse_time(slice_cstr(bad[i]), &millis), ERR_PARSE);
    }
}

static void test_timestamps(void **state)
{
    static const struct {
        const char *text;
        int32_t precision;
        const char *printed;
    } good[] = {
        {"2020-01-02 10:11:12", 0, "2020-01-02 10:11:12"},
        {"2020-01-02", 3, "2020-01-02 00:00:00.000"},
        {"2020-1-2 1:2:3.4", 3, "2020-01-02 01:02:03.400"},
        {"2020-01-02 10:11:12.123456789", 9, "2020-01-02 10:11:12.123456789"},
        {"2020-01-02 10:11:12.987654321", 6, "2020-01-02 10:11:12.987654"},
        {"2020-01-02 10:11:12.999999999", 0, "2020-01-02 10:11:12"},
        {"1969-12-31 23:59:59.999", 3, "1969-12-31 23:59:59.999"},
        {"0001-01-01 00:00:00.001", 3, "0001-01-01 00:00:00.001"},
    };
    static const char *const bad[] = {"",
                                      "2020",
                                      "2020-01",
                                      "2020-01-02T10:11:12",
                                      "2020-01-02 10:11",
                                      "2020-01-02 10:11:12Z",
                                      "2020-01-02 10:11:12.1234567890",
                                      "2020-02-30 00:00:00",
                                      "2020-01-02  10:11:12"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct ts_nano t = {0, 0, 0};
        char text[CALENDAR_TEXT_MAX];
        assert_int_equal(calendar_parse_timestamp(slice_cstr(good[i].text), good[i].precision, &t),
                         0);
        assert_int_equal(calendar_print_timestamp(t, good[i].precision, text),
                         strlen(good[i].printed));
        assert_string_equal(text, good[i].printed);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ts_nano t = {0, 0, 0};
        assert_int_equal(calendar_parse_timestamp(slice_cstr(bad[i]), 3, &t), ERR_PARSE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_months),
        cmocka_unit_test(test_units),  cmocka_unit_test(test_dates),
        cmocka_unit_test(test_times),  cmocka_unit_test(test_timestamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
