/* Values as Java prints them, and whole rows. */
#include "engine/data/value_print.h"
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"

#include <math.h>
#include <stdlib.h>

static void check_text(struct str *text, const char *expected)
{
    assert_string_equal(str_cstr(text), expected);
    str_clear(text);
}

static void doubles_are_shortest(void **state)
{
    static const struct {
        double v;
        const char *text;
    } CASES[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.001, "0.001"},
        {0.00099, "9.9E-4"},
        {9999999, "9999999.0"},
        {1e7, "1.0E7"},
        {12345678.9, "1.23456789E7"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100.0"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {4.9e-324, "4.9E-324"},
        {2.2250738585072014e-308, "2.2250738585072014E-308"},
        {9007199254740993.0, "9.007199254740992E15"},
    };
    STR_AUTO text = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        value_print_f64(CASES[i].v, &text);
        check_text(&text, CASES[i].text);
    }
    value_print_f64(NAN, &text);
    check_text(&text, "NaN");
    value_print_f64(-INFINITY, &text);
    check_text(&text, "-Infinity");
    value_print_f32(0.1f, &text);
    check_text(&text, "0.1");
    value_print_f32(16777216.0f, &text);
    check_text(&text, "1.6777216E7");
    value_print_f32(1.4e-45f, &text);
    check_text(&text, "1.4E-45");
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&r);
        double v;
        memcpy(&v, &bits, sizeof(v));
        if (isfinite(v)) {
            value_print_f64(v, &text);
            assert_true(strtod(str_cstr(&text), NULL) == v);
            str_clear(&text);
        }
    }
}

static void decimals_are_plain(void **state)
{
    STR_AUTO text = STR_INIT;
    value_print_decimal(12345, 2, &text);
    check_text(&text, "123.45");
    value_print_decimal(-5, 3, &text);
    check_text(&text, "-0.005");
    value_print_decimal(0, 2, &text);
    check_text(&text, "0.00");
    value_print_decimal(7, 0, &text);
    check_text(&text, "7");
    __int128 max = 1;
    for (int i = 0; i < 38; i++) {
        max *= 10;
    }
    value_print_decimal(max - 1, 38, &text);
    check_text(&text, "0.99999999999999999999999999999999999999");
    value_print_decimal(-(max - 1), 0, &text);
    check_text(&text, "-99999999999999999999999999999999999999");
}

static void dates_and_times_are_iso(void **state)
{
    static const struct {
        int64_t days;
        const char *text;
    } DATES[] = {
        {0, "1970-01-01"},       {-1, "1969-12-31"},        {11016, "2000-02-29"},
        {19782, "2024-02-29"},   {-719528, "0000-01-01"},   {-719529, "-0001-12-31"},
        {2932896, "9999-12-31"}, {2932897, "+10000-01-01"}, {-141427, "1582-10-15"},
    };
    STR_AUTO text = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(DATES); i++) {
        value_print_date(DATES[i].days, &text);
        check_text(&text, DATES[i].text);
    }
    value_print_time(3600 * 9 + 60 * 5, 0, &text);
    check_text(&text, "09:05");
    value_print_time(59, 0, &text);
    check_text(&text, "00:00:59");
    value_print_time(0, 120000000, &text);
    check_text(&text, "00:00:00.120");
    value_print_time(0, 1000, &text);
    check_text(&text, "00:00:00.000001");
    value_print_time(86399, 999999999, &text);
    check_text(&text, "23:59:59.999999999");

    struct data_type *plain = type_new(TYPE_TIMESTAMP, true);
    struct data_type *ltz = type_new(TYPE_TIMESTAMP_LTZ, true);
    value_print_timestamp(plain, (struct ts_nano){0, 0, 0}, &text);
    check_text(&text, "1970-01-01T00:00");
    value_print_timestamp(ltz, (struct ts_nano){0, 0, 0}, &text);
    check_text(&text, "1970-01-01T00:00:00Z");
    value_print_timestamp(ltz, (struct ts_nano){-1, 999999, 0}, &text);
    check_text(&text, "1969-12-31T23:59:59.999999999Z");
    type_unref(plain);
    type_unref(ltz);
}

static void intervals_are_periods_and_durations(void **state)
{
    STR_AUTO text = STR_INIT;
    value_print_months(14, INTERVAL_YEAR_TO_MONTH, &text);
    check_text(&text, "P1Y2M");
    value_print_months(-14, INTERVAL_YEAR_TO_MONTH, &text);
    check_text(&text, "P-1Y-2M");
    value_print_months(14, INTERVAL_MONTH, &text);
    check_text(&text, "P14M");
    value_print_months(0, INTERVAL_YEAR, &text);
    check_text(&text, "P0D");
    static const struct {
        int64_t millis;
        const char *text;
    } DURATIONS[] = {
        {0, "PT0S"},       {500, "PT0.5S"},
        {3600000, "PT1H"}, {90061001, "PT25H1M1.001S"},
        {-1, "PT-0.001S"}, {-3661500, "PT-1H-1M-1.5S"},
        {60000, "PT1M"},
    };
    for (size_t i = 0; i < ARRAY_LEN(DURATIONS); i++) {
        value_print_duration(DURATIONS[i].millis, &text);
        check_text(&text, DURATIONS[i].text);
    }
}

static void rows_print_as_flink_rows(void **state)
{
    struct schema *s = schema_of(
        "ROW<b BOOLEAN, s STRING, y BYTES, m DECIMAL(5, 2), d DATE, t TIME(3), p TIMESTAMP(3), "
        "q TIMESTAMP(6), l TIMESTAMP_LTZ(9), a ARRAY<INT>, k MAP<STRING, INT>, u MULTISET<STRING>, "
        "r ROW<x INT, y STRING>, f FLOAT, n INT, i INTERVAL DAY TO SECOND, "
        "j INTERVAL YEAR TO MONTH>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_put_bool(&b, 0, true);
    assert_int_equal(builder_put_bytes(&b, 1, "hello", 5, NULL), 0);
    assert_int_equal(builder_put_bytes(&b, 2, "\x01\xff", 2, NULL), 0);
    builder_put_i64(&b, 3, -1234);
    builder_put_i64(&b, 4, 19782);
    builder_put_i64(&b, 5, 61001);
    builder_put_i64(&b, 6, -1);
    builder_put_i64(&b, 7, -1);
    builder_put_ts_nano(&b, 8, (struct ts_nano){1000, 1, 0});
    struct builder_column *array = builder_column_of(&b, 9);
    builder_add_i64(&b, builder_child_of(array, 0), 1);
    builder_add_null(&b, builder_child_of(array, 0));
    builder_put_nested(&b, 9);
    for (uint32_t c = 10; c <= 11; c++) {
        struct builder_column *map = builder_column_of(&b, c);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                builder_add_bytes(&b, builder_child_of(map, 0), i ? "two" : "one", 3, NULL), 0);
            builder_add_i64(&b, builder_child_of(map, 1), i + 1);
        }
        builder_put_nested(&b, c);
    }
    struct builder_column *row = builder_column_of(&b, 12);
    builder_add_i64(&b, builder_child_of(row, 0), 5);
    builder_put_nested(&b, 12); /* the field without a value becomes NULL */
    builder_put_f64(&b, 13, 2.5);
    builder_put_null(&b, 14);
    builder_put_i64(&b, 15, 1500);
    builder_put_i64(&b, 16, 25);
    builder_set_kind(&b, ROW_KIND_UPDATE_AFTER);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    check_valid(batch);
    check_row(
        batch, 0,
        "+U[true, hello, [1, -1], -12.34, 2024-02-29, 00:01:01.001, "
        "1969-12-31T23:59:59.999, 1969-12-31T23:59:59.999999, 1970-01-01T00:00:01.000000001Z, "
        "[1, null], {one=1, two=2}, {one=1, two=2}, +I[5, null], 2.5, null, PT1.5S, P2Y1M]");
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_shortest),
        cmocka_unit_test(decimals_are_plain),
        cmocka_unit_test(dates_and_times_are_iso),
        cmocka_unit_test(intervals_are_periods_and_durations),
        POOL_TEST(rows_print_as_flink_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
