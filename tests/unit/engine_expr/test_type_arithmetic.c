/* Results of arithmetic: the table of the dialect, decimals to their limit, intervals; concatenation; SUM and AVG. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "types.h"
#include <stdio.h>

struct row {
    const char *a;
    char op;
    const char *b, *result; /* NULL: there is none */
};

static enum type_arithmetic op_of(char sign)
{
    return sign == '+'   ? TYPE_PLUS
           : sign == '-' ? TYPE_MINUS
           : sign == '*' ? TYPE_TIMES
           : sign == '/' ? TYPE_DIVIDE
                         : TYPE_MODULO;
}

static void check_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct data_type *a = type_of_text(r->a), *b = type_of_text(r->b), *ret = NULL;
        struct error err = ERROR_INIT;
        char what[200];
        snprintf(what, sizeof(what), "%s %c %s", r->a, r->op, r->b);
        int rc = r->op == '|' ? type_of_concat(a, b, &ret, &err)
                              : type_of_arithmetic(op_of(r->op), a, b, &ret, &err);
        if (r->result == NULL) {
            assert_int_equal(rc, ERR_INVALID_ARGUMENT);
            assert_non_null(strstr(err.message, "There is no operation"));
        } else if (rc < 0) {
            fail_msg("%s: %s", what, err.message);
        } else {
            check_type(ret, r->result, what);
        }
        type_unref(a);
        type_unref(b);
    }
}

static void test_numbers(void **state)
{
    static const struct row rows[] = {
        {"TINYINT", '+', "SMALLINT", "SMALLINT"},
        {"INT NOT NULL", '*', "INT NOT NULL", "INT NOT NULL"},
        {"INT NOT NULL", '*', "INT", "INT"},
        {"BIGINT", '/', "INT", "BIGINT"},
        {"BIGINT", '%', "TINYINT", "TINYINT"},
        {"INT", '+', "FLOAT", "FLOAT"},
        {"FLOAT", '-', "FLOAT", "FLOAT"},
        {"FLOAT", '+', "DOUBLE", "DOUBLE"},
        {"DECIMAL(10, 2)", '*', "FLOAT", "DOUBLE"},
        {"DOUBLE", '/', "BIGINT", "DOUBLE"},
        {"NULL", '+', "INT NOT NULL", "INT"},
        {"BOOLEAN", '+', "INT", NULL},
        {"STRING", '-', "INT", NULL},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_decimals(void **state)
{
    static const struct row rows[] = {
        {"DECIMAL(5, 2)", '+', "DECIMAL(4, 3)", "DECIMAL(7, 3)"},
        {"DECIMAL(5, 2)", '*', "DECIMAL(4, 3)", "DECIMAL(10, 5)"},
        {"DECIMAL(5, 2)", '/', "DECIMAL(4, 3)", "DECIMAL(13, 7)"},
        {"DECIMAL(5, 2)", '%', "DECIMAL(4, 3)", "DECIMAL(4, 3)"},
        {"DECIMAL(5, 0)", '%', "DECIMAL(4, 0)", "DECIMAL(4, 0)"},
        {"DECIMAL(5, 2)", '+', "INT", "DECIMAL(13, 2)"},
        {"BIGINT", '*', "DECIMAL(5, 2)", "DECIMAL(25, 2)"},
        {"DECIMAL(5, 2)", '%', "INT", "DECIMAL(5, 2)"},
        {"DECIMAL(38, 18)", '*', "DECIMAL(38, 18)", "DECIMAL(38, 6)"},
        {"DECIMAL(38, 2)", '+', "DECIMAL(38, 2)", "DECIMAL(38, 2)"},
        {"DECIMAL(38, 10)", '/', "DECIMAL(38, 10)", "DECIMAL(38, 6)"},
        {"DECIMAL(38, 38)", '*', "DECIMAL(38, 38)", "DECIMAL(38, 37)"},
        {"DECIMAL(30, 0)", '*', "DECIMAL(30, 0)", "DECIMAL(38, 0)"},
        {"DECIMAL(10, 2) NOT NULL", '-', "DECIMAL(10, 2) NOT NULL", "DECIMAL(11, 2) NOT NULL"},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_times(void **state)
{
    static const struct row rows[] = {
        {"DATE", '+', "INTERVAL HOUR", "DATE"},
        {"INTERVAL MONTH", '+', "TIMESTAMP(3)", "TIMESTAMP(3)"},
        {"TIMESTAMP_LTZ(3)", '-', "INTERVAL SECOND", "TIMESTAMP_LTZ(3)"},
        {"TIME(0)", '+', "INTERVAL MINUTE", "TIME(0)"},
        {"INTERVAL DAY", '+', "INTERVAL SECOND", "INTERVAL DAY(2) TO SECOND(6)"},
        {"INTERVAL YEAR", '-', "INTERVAL MONTH", "INTERVAL YEAR(2) TO MONTH"},
        {"INTERVAL HOUR", '*', "INT", "INTERVAL HOUR"},
        {"DECIMAL(3, 1)", '*', "INTERVAL HOUR", "INTERVAL HOUR"},
        {"INTERVAL HOUR", '/', "INT", "INTERVAL HOUR"},
        {"INTERVAL DAY", '+', "INTERVAL MONTH", NULL},
        {"INTERVAL DAY", '-', "DATE", NULL},
        {"DATE", '-', "DATE", NULL},
        {"INT", '/', "INTERVAL DAY", NULL},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_concat(void **state)
{
    static const struct row rows[] = {
        {"CHAR(3)", '|', "CHAR(4) NOT NULL", "CHAR(7)"},
        {"CHAR(3)", '|', "VARCHAR(4)", "VARCHAR(7)"},
        {"STRING", '|', "STRING", "STRING"},
        {"CHAR(2147483647)", '|', "CHAR(1)", "CHAR(2147483647)"},
        {"BINARY(2)", '|', "BYTES", "BYTES"},
        {"STRING", '|', "INT", NULL},
        {"STRING", '|', "BYTES", NULL},
    };
    check_all(rows, ARRAY_LEN(rows));
}

static void test_aggregates(void **state)
{
    static const struct {
        const char *argument, *sum, *avg;
    } rows[] = {
        {"INT NOT NULL", "INT", "INT"},
        {"DOUBLE", "DOUBLE", "DOUBLE"},
        {"DECIMAL(10, 2)", "DECIMAL(38, 2)", "DECIMAL(38, 6)"},
        {"DECIMAL(20, 10) NOT NULL", "DECIMAL(38, 10)", "DECIMAL(38, 10)"},
    };
    struct error err = ERROR_INIT;
    struct data_type *ret = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_type *t = type_of_text(rows[i].argument);
        assert_int_equal(type_of_aggregate(TYPE_SUM, t, &ret, &err), 0);
        check_type(ret, rows[i].sum, rows[i].argument);
        assert_int_equal(type_of_aggregate(TYPE_AVG, t, &ret, &err), 0);
        check_type(ret, rows[i].avg, rows[i].argument);
        type_unref(t);
    }
    struct data_type *text = type_of_text("STRING");
    assert_int_equal(type_of_aggregate(TYPE_AVG, text, &ret, &err), ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message, "AVG takes a number, not STRING");
    type_unref(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_concat),
        cmocka_unit_test(test_aggregates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
