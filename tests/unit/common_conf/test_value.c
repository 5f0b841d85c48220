/* Values by type: what each accepts, ranges, and the sentence for what is wrong. */
#include "common/conf/value.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <string.h>

static int check(const struct conf_option *option, const char *value, struct error *err)
{
    return conf_option_check(option, value, value, err);
}

static void test_types(void **state)
{
    static const struct {
        enum conf_type type;
        const char *good[4], *bad[4];
    } rows[] = {
        {CONF_TYPE_BOOL, {"true", "FALSE", " True "}, {"yes", "1", ""}},
        {CONF_TYPE_INT, {"0", "-2147483648", "2147483647"}, {"2147483648", "1.0", "a", ""}},
        {CONF_TYPE_LONG, {"9223372036854775807"}, {"9223372036854775808", "1e3"}},
        {CONF_TYPE_DOUBLE, {"1", "-.5", "1e-3"}, {"one", "NaN", "1e999"}},
        {CONF_TYPE_FLOAT, {"0.4"}, {"0,4"}},
        {CONF_TYPE_STRING, {"", "anything at all"}, {NULL}},
        {CONF_TYPE_DURATION, {"10 s", "5", "PT1M"}, {"-1 s", "PT-1S", "soon", ""}},
        {CONF_TYPE_MEMORY, {"64 mb", "0", "1g"}, {"-1", "1.5 gb", "64 apples"}},
        {CONF_TYPE_LIST, {"", "a;b", "[a, b]", "'a;b'"}, {"'a", "'a'b"}},
        {CONF_TYPE_MAP, {"", "a:b", "{a: b}", "a:b,c:d"}, {"a", "a:b:c"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf_option option = {.name = "x.y", .type = rows[i].type};
        struct error err = ERROR_INIT;
        for (size_t k = 0; k < 4 && rows[i].good[k] != NULL; k++) {
            assert_int_equal(check(&option, rows[i].good[k], &err), 0);
        }
        for (size_t k = 0; k < 4 && rows[i].bad[k] != NULL; k++) {
            assert_int_equal(check(&option, rows[i].bad[k], &err), ERR_INVALID_CONFIG);
            assert_true(cstr_starts_with(err.message, "x.y cannot be \""));
            assert_non_null(strstr(err.message, conf_type_name(option.type)));
            assert_non_null(strstr(err.message, conf_type_example(option.type)));
        }
    }
}

static void test_messages(void **state)
{
    struct error err = ERROR_INIT;
    struct conf_option slots = {"slots", CONF_TYPE_INT, .min = "1", .max = "8"};
    assert_int_equal(check(&slots, "zwei", &err), ERR_INVALID_CONFIG);
    assert_string_equal(err.message,
                        "slots cannot be \"zwei\": not a whole number; expected int: a "
                        "whole number of 32 bits, at least 1, at most 8, for example "
                        "4");
    assert_int_equal(check(&slots, "0", &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "must be at least 1;"));
    assert_int_equal(check(&slots, "9", &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "must be at most 8;"));

    struct conf_option mode = {"mode", CONF_TYPE_ENUM, .enum_values = "STREAMING|BATCH"};
    assert_int_equal(check(&mode, "batch", &err), 0);
    assert_int_equal(check(&mode, "BATC", &err), ERR_INVALID_CONFIG);
    assert_string_equal(
        err.message,
        "mode cannot be \"BATC\": no such value; expected enum: one of STREAMING, BATCH");
    assert_int_equal(check(&mode, "", &err), ERR_INVALID_CONFIG);

    struct conf_option list = {"list", CONF_TYPE_LIST, .enum_values = "A|B"};
    assert_int_equal(check(&list, "a;B", &err), 0);
    assert_int_equal(check(&list, "a;C", &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "\"C\" is none of A|B"));
}

static void test_secrets_stay_out_of_messages(void **state)
{
    struct error err = ERROR_INIT;
    struct conf_option option = {"x.token-lifetime", CONF_TYPE_DURATION};
    assert_int_equal(conf_option_check(&option, "hunter2", "******", &err), ERR_INVALID_CONFIG);
    assert_null(strstr(err.message, "hunter2"));
    assert_non_null(strstr(err.message, "cannot be \"******\"; expected duration"));
}

static void test_enum_index(void **state)
{
    assert_int_equal(conf_enum_index("A|BB|C", SLICE_LIT("bb")), 1);
    assert_int_equal(conf_enum_index("A|BB|C", SLICE_LIT("B")), -1);
    assert_int_equal(conf_enum_index("A|BB|C", SLICE_LIT("A|BB")), -1);
    assert_int_equal(conf_enum_index("A|BB|C", SLICE_LIT("")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_secrets_stay_out_of_messages),
        cmocka_unit_test(test_enum_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
