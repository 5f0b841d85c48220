/* Least restrictive types and comparisons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "types.h"
#include <stdio.h>

enum { TYPES_MAX = 4 };

static void test_all(void **state)
{
    static const struct {
        const char *types[TYPES_MAX];
        const char *result;
    } rows[] = {
        {{"INT NOT NULL"}, "INT NOT NULL"},
        {{"INT NOT NULL", "INT"}, "INT"},
        {{"INT NOT NULL", "NULL"}, "INT"},
        {{"NULL", "NULL", "STRING NOT NULL"}, "STRING"},
        {{"CHAR(3)", "CHAR(3)"}, "CHAR(3)"},
        {{"CHAR(3)", "CHAR(5)"}, "VARCHAR(5)"},
        {{"CHAR(3)", "VARCHAR(2)"}, "VARCHAR(3)"},
        {{"BINARY(3)", "BYTES"}, "BYTES"},
        {{"TINYINT", "BIGINT", "INT"}, "BIGINT"},
        {{"INT", "DECIMAL(5, 2)"}, "DECIMAL(12, 2)"},
        {{"BIGINT", "DECIMAL(38, 30)"}, "DECIMAL(38, 19)"},
        {{"INT", "FLOAT"}, "FLOAT"},
        {{"DECIMAL(5, 2)", "FLOAT"}, "DOUBLE"},
        {{"TIME(0)", "TIME(3)"}, "TIME(3)"},
        {{"TIMESTAMP(3)", "TIMESTAMP(6)"}, "TIMESTAMP(6)"},
        {{"TIMESTAMP(9)", "TIMESTAMP_LTZ(3)"}, "TIMESTAMP_LTZ(9)"},
        {{"INTERVAL DAY", "INTERVAL MINUTE"}, "INTERVAL DAY(2) TO MINUTE"},
        {{"ARRAY<INT NOT NULL>", "ARRAY<BIGINT> NOT NULL"}, "ARRAY<BIGINT>"},
        {{"MAP<INT, STRING>", "MAP<BIGINT, CHAR(1)>"}, "MAP<BIGINT, STRING>"},
        {{"ROW<a INT, b CHAR(1)>", "ROW<c BIGINT, d CHAR(2)>"}, "ROW<`a` BIGINT, `b` VARCHAR(2)>"},
        {{"BOOLEAN", "BOOLEAN NOT NULL"}, "BOOLEAN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_type *types[TYPES_MAX] = {NULL}, *ret = NULL;
        struct error err = ERROR_INIT;
        size_t n = 0;
        for (; n < TYPES_MAX && rows[i].types[n] != NULL; n++) {
            types[n] = type_of_text(rows[i].types[n]);
        }
        if (type_of_all((const struct data_type *const *)types, n, &ret, &err) < 0) {
            fail_msg("%s, %s: %s", rows[i].types[0], rows[i].types[1], err.message);
        }
        check_type(ret, rows[i].result, rows[i].types[0]);
        while (n > 0) {
            type_unref(types[--n]);
        }
    }
}

static void test_nothing_in_common(void **state)
{
    static const char *const rows[][2] = {
        {"INT", "STRING"},
        {"DATE", "TIMESTAMP(3)"},
        {"BOOLEAN", "INT"},
        {"STRING", "BYTES"},
        {"ROW<a INT>", "ROW<a INT, b INT>"},
        {"ARRAY<INT>", "ARRAY<STRING>"},
        {"NULL", "NULL"},
        {"INTERVAL DAY", "INTERVAL MONTH"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_type *types[2] = {type_of_text(rows[i][0]), type_of_text(rows[i][1])},
                         *ret = NULL;
        struct error err = ERROR_INIT;
        assert_int_equal(type_of_all((const struct data_type *const *)types, 2, &ret, &err),
                         ERR_INVALID_ARGUMENT);
        assert_null(ret);
        type_unref(types[0]);
        type_unref(types[1]);
    }
}

static void test_comparisons(void **state)
{
    static const struct {
        const char *a, *b, *equality, *order; /* NULL: none */
    } rows[] = {
        {"INT", "BIGINT", "BIGINT", "BIGINT"},
        {"DECIMAL(5, 2)", "INT", "DECIMAL(12, 2)", "DECIMAL(12, 2)"},
        {"INT NOT NULL", "DOUBLE NOT NULL", "DOUBLE NOT NULL", "DOUBLE NOT NULL"},
        {"CHAR(2)", "STRING", "STRING", "STRING"},
        {"STRING", "DATE NOT NULL", "DATE", "DATE"},
        {"TIMESTAMP(3)", "CHAR(19)", "TIMESTAMP(3)", "TIMESTAMP(3)"},
        {"BOOLEAN", "CHAR(4)", "BOOLEAN", "BOOLEAN"},
        {"DATE", "TIMESTAMP(3)", "TIMESTAMP(3)", "TIMESTAMP(3)"},
        {"TIMESTAMP(3)", "TIMESTAMP_LTZ(6)", "TIMESTAMP_LTZ(6)", "TIMESTAMP_LTZ(6)"},
        {"TIMESTAMP(6)", "TIMESTAMP_LTZ(3)", "TIMESTAMP(6)", "TIMESTAMP(6)"},
        {"ARRAY<INT>", "ARRAY<BIGINT>", "ARRAY<BIGINT>", NULL},
        {"ROW<a INT>", "ROW<b INT>", "ROW<`a` INT>", NULL},
        {"STRING", "INT", NULL, NULL},
        {"DATE", "INT", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int is_order = 0; is_order < 2; is_order++) {
            struct data_type *a = type_of_text(rows[i].a), *b = type_of_text(rows[i].b),
                             *ret = NULL;
            const char *wanted = is_order ? rows[i].order : rows[i].equality;
            struct error err = ERROR_INIT;
            int rc = type_of_comparison(a, b, is_order, &ret, &err);
            assert_int_equal(rc, wanted != NULL ? 0 : ERR_INVALID_ARGUMENT);
            if (wanted != NULL) {
                check_type(ret, wanted, rows[i].a);
            }
            type_unref(a);
            type_unref(b);
        }
    }
    struct data_type *a = type_of_text("STRING"), *b = type_of_text("INT"), *ret = NULL;
    struct error err = ERROR_INIT;
    assert_true(type_of_comparison(a, b, false, &ret, &err) < 0);
    assert_string_equal(err.message,
                        "implicit type conversion between STRING and INT is not supported now");
    type_unref(a);
    type_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_nothing_in_common),
        cmocka_unit_test(test_comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
