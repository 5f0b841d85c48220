/* Decimals: operations against results of another engine, text, doubles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/data/value_print.h"
#include "engine/values/decimal.h"
#include <math.h>

static const struct {
    const char *a;
    int32_t a_scale;
    char op;
    const char *b;
    int32_t b_scale, precision, scale;
    const char *result;
} cases[] = {
#include "decimal_cases.inc"
};

static __int128 parse(const char *text)
{
    __int128 v = 0;
    const char *digits = text + (text[0] == '-');
    for (size_t i = 0; digits[i] != '\0'; i++) {
        v = v * 10 + (digits[i] - '0');
    }
    return text[0] == '-' ? -v : v;
}

static void test_operations(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct decimal a = {parse(cases[i].a), cases[i].a_scale},
                       b = {parse(cases[i].b), cases[i].b_scale};
        struct decimal_type type = {cases[i].precision, cases[i].scale};
        __int128 ret = 42;
        bool fits = false;
        switch (cases[i].op) {
        case '+':
            fits = decimal_add(a, b, type, &ret);
            break;
        case '-':
            fits = decimal_subtract(a, b, type, &ret);
            break;
        case '*':
            fits = decimal_multiply(a, b, type, &ret);
            break;
        case '/':
            fits = decimal_divide(a, b, type, &ret);
            break;
        default:
            fits = decimal_modulo(a, b, type, &ret);
            break;
        }
        STR_AUTO text = STR_INIT;
        value_print_decimal(ret, 0, &text);
        if (fits != (cases[i].result != NULL) ||
            (fits && strcmp(str_cstr(&text), cases[i].result) != 0)) {
            fail_msg("%s (%d) %c %s (%d) as (%d, %d) is %s, not %s", cases[i].a, cases[i].a_scale,
                     cases[i].op, cases[i].b, cases[i].b_scale, cases[i].precision, cases[i].scale,
                     fits ? str_cstr(&text) : "NULL",
                     cases[i].result != NULL ? cases[i].result : "NULL");
        }
        assert_true(fits || ret == 42);
    }
}

static void test_compare(void **state)
{
    static const struct {
        const char *a;
        int32_t a_scale;
        const char *b;
        int32_t b_scale;
        int order;
    } rows[] = {
        {"1", 0, "100", 2, 0},
        {"-1", 0, "0", 5, -1},
        {"99999999999999999999999999999999999999", 0, "99999999999999999999999999999999999999", 38,
         1},
        {"-99999999999999999999999999999999999999", 0, "1", 38, -1},
        {"-5", 1, "-50", 2, 0},
        {"-6", 1, "-50", 2, -1},
        {"0", 0, "0", 38, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decimal a = {parse(rows[i].a), rows[i].a_scale},
                       b = {parse(rows[i].b), rows[i].b_scale};
        assert_int_equal(decimal_compare(a, b), rows[i].order);
        assert_int_equal(decimal_compare(b, a), -rows[i].order);
    }
}

static void test_rescale(void **state)
{
    __int128 ret = 0;
    assert_true(decimal_rescale((struct decimal){12345, 3}, (struct decimal_type){10, 1}, &ret) &&
                ret == 123);
    assert_true(decimal_rescale((struct decimal){-12350, 3}, (struct decimal_type){10, 1}, &ret) &&
                ret == -124);
    assert_true(decimal_rescale((struct decimal){5, 0}, (struct decimal_type){38, 37}, &ret) &&
                ret == 5 * decimal_power(37));
    assert_false(decimal_rescale((struct decimal){10, 0}, (struct decimal_type){38, 37}, &ret));
    assert_false(decimal_rescale((struct decimal){95, 1}, (struct decimal_type){1, 0}, &ret));
}

static void test_text(void **state)
{
    static const struct {
        const char *text;
        int32_t precision, scale;
        int rc;
        const char *result;
    } rows[] = {
        {"1.5", 10, 2, 0, "150"},
        {" -1.005 ", 10, 2, 0, "-101"},
        {"+.5", 10, 0, 0, "1"},
        {"5.", 10, 1, 0, "50"},
        {"1e3", 10, 0, 0, "1000"},
        {"12345e-3", 10, 2, 0, "1235"},
        {"0.0000000000000000000000000000000000000000000001", 38, 38, 0, "0"},
        {"0000000000000000000000000000000000000000000001", 1, 0, 0, "1"},
        {"99999999999999999999999999999999999999", 38, 0, 0,
         "99999999999999999999999999999999999999"},
        {"99999999999999999999999999999999999999.5", 38, 0, ERR_TOO_LARGE, NULL},
        {"123", 2, 0, ERR_TOO_LARGE, NULL},
        {"9.99", 2, 1, ERR_TOO_LARGE, NULL},
        {"1e999999999999999999999", 38, 0, ERR_TOO_LARGE, NULL},
        {"1e-999999999999999999999", 38, 10, 0, "0"},
        {"0e999999", 38, 10, 0, "0"},
        {"", 10, 0, ERR_PARSE, NULL},
        {"-", 10, 0, ERR_PARSE, NULL},
        {".", 10, 0, ERR_PARSE, NULL},
        {"1.2.3", 10, 0, ERR_PARSE, NULL},
        {"1e", 10, 0, ERR_PARSE, NULL},
        {"1x", 10, 0, ERR_PARSE, NULL},
        {"NaN", 10, 0, ERR_PARSE, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        __int128 ret = 0;
        int rc = decimal_parse(slice_cstr(rows[i].text),
                               (struct decimal_type){rows[i].precision, rows[i].scale}, &ret);
        if (rc != rows[i].rc || (rc == 0 && ret != parse(rows[i].result))) {
            STR_AUTO text = STR_INIT;
            value_print_decimal(ret, 0, &text);
            fail_msg("'%s' is %d, %s", rows[i].text, rc, str_cstr(&text));
        }
    }
}

static void test_doubles(void **state)
{
    __int128 ret = 0;
    assert_true(decimal_from_double(0.1, (struct decimal_type){38, 20}, &ret) &&
                ret == 10000000000000000000u);
    assert_true(decimal_from_double(-2.5, (struct decimal_type){10, 0}, &ret) && ret == -3);
    assert_true(decimal_from_double(1e20, (struct decimal_type){38, 2}, &ret) &&
                ret == decimal_power(22));
    assert_false(decimal_from_double(NAN, (struct decimal_type){38, 2}, &ret));
    assert_false(decimal_from_double(-INFINITY, (struct decimal_type){38, 2}, &ret));
    assert_false(decimal_from_double(1e38, (struct decimal_type){38, 0}, &ret));
    assert_true(decimal_to_double((struct decimal){1, 1}) == 0.1);
    assert_true(decimal_to_double((struct decimal){-123456789, 4}) == -12345.6789);
    assert_true(decimal_to_double(
                    (struct decimal){parse("99999999999999999999999999999999999999"), 0}) == 1e38);
    assert_true(decimal_to_double((struct decimal){parse("12345678901234567890123456789"), 30}) ==
                0.012345678901234567890123456789);
    assert_int_equal(decimal_to_int64((struct decimal){-199, 2}), -1);
    assert_int_equal(decimal_to_int64((struct decimal){((__int128)1 << 64) + 5, 0}), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_rescale),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
