/* Numbers as text: exact parsing, overflow, shortest formatting. */
#include "common/text/number.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/clock.h"
#include <float.h>
#include <math.h>

static int parse_int(const char *text, int64_t *ret)
{
    return number_parse_int64(slice_cstr(text), ret);
}

static void test_whole_numbers(void **state)
{
    int64_t v = 0;
    assert_int_equal(parse_int("0", &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(parse_int("-7", &v), 0);
    assert_int_equal(v, -7);
    assert_int_equal(parse_int("+7", &v), 0);
    assert_int_equal(v, 7);
    assert_int_equal(parse_int("9223372036854775807", &v), 0);
    assert_true(v == INT64_MAX);
    assert_int_equal(parse_int("-9223372036854775808", &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(parse_int("9223372036854775808", &v), ERR_TOO_LARGE);
    assert_int_equal(parse_int("-9223372036854775809", &v), ERR_TOO_LARGE);
    assert_int_equal(parse_int("99999999999999999999999999", &v), ERR_TOO_LARGE);
    static const char *const bad[] = {"", "-", "+", "-+1", "+-1", "--1", "1 ", " 1", "1.0", "0x1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(parse_int(bad[i], &v), ERR_PARSE);
    }
    assert_true(v == INT64_MIN); /* untouched by failures */

    uint64_t u = 0;
    assert_int_equal(number_parse_uint64(SLICE_LIT("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(number_parse_uint64(SLICE_LIT("18446744073709551616"), &u), ERR_TOO_LARGE);
    assert_int_equal(number_parse_uint64(SLICE_LIT("-1"), &u), ERR_PARSE);
}

static void test_doubles(void **state)
{
    double d = 0;
    assert_int_equal(number_parse_double(SLICE_LIT("1.5e3"), &d), 0);
    assert_true(d == 1500);
    assert_int_equal(number_parse_double(SLICE_LIT("-.5"), &d), 0);
    assert_true(d == -0.5);
    assert_int_equal(number_parse_double(SLICE_LIT("5."), &d), 0);
    assert_true(d == 5);
    assert_int_equal(number_parse_double(SLICE_LIT("-Infinity"), &d), 0);
    assert_true(isinf(d) && d < 0);
    assert_int_equal(number_parse_double(SLICE_LIT("NaN"), &d), 0);
    assert_true(isnan(d));
    assert_int_equal(number_parse_double(SLICE_LIT("1e-400"), &d), 0);
    assert_true(d == 0);
    assert_int_equal(number_parse_double(SLICE_LIT("1e400"), &d), ERR_TOO_LARGE);
    static const char *const bad[] = {"",    "-",   ".",   "e5", "1e", "1e+", "0x10",
                                      "1,5", "inf", "nan", "1 ", " 1", "1f"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(number_parse_double(slice_cstr(bad[i]), &d), ERR_PARSE);
    }
    STR_AUTO longest = STR_INIT;
    for (int i = 0; i < 2000; i++) {
        str_append_char(&longest, '1');
    }
    assert_int_equal(number_parse_double(str_slice(&longest), &d), ERR_TOO_LARGE);
}

static void test_formats_shortest(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {0.1, "0.1"},
        {1e20, "1.0E20"},
        {1.5e-7, "1.5E-7"},
        {123456, "123456.0"},
        {1.0 / 3, "0.3333333333333333"},
        {DBL_MAX, "1.7976931348623157E308"},
        {NAN, "NaN"},
        {-INFINITY, "-Infinity"},
        {5e-324, "4.94065645841247E-324"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[NUMBER_TEXT_MAX];
        assert_int_equal(number_format_double(rows[i].value, text), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

static void test_doubles_round_trip(void **state)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof(value));
        char text[NUMBER_TEXT_MAX];
        size_t len = number_format_double(value, text);
        assert_true(len < NUMBER_TEXT_MAX);
        double back;
        assert_int_equal(number_parse_double(slice_make(text, len), &back), 0);
        assert_true(back == value || (isnan(back) && isnan(value)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_formats_shortest),
        cmocka_unit_test(test_doubles_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
