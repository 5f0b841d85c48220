/* CAST between all families, one letter a cell, and the casts that need not be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "types.h"

static const char *const columns[] = {
    "STRING",         "BYTES",
    "BOOLEAN",        "INT",
    "DECIMAL(10, 2)", "DOUBLE",
    "DATE",           "TIME(0)",
    "TIMESTAMP(3)",   "TIMESTAMP_LTZ(3)",
    "INTERVAL MONTH", "INTERVAL SECOND",
    "ARRAY<INT>",
};

/* Y always, ! may fail, - never; a letter for each column. */
static const struct {
    const char *from, *casts;
} rows[] = {
    {"STRING", "Y!!!!!!!!!---"},
    {"CHAR(3)", "Y!!!!!!!!!---"},
    {"BYTES", "YY-----------"},
    {"BOOLEAN", "Y-YYYY-------"},
    {"TINYINT", "Y-YYYY-------"},
    {"INT", "Y-YYYY----Y--"},
    {"BIGINT", "Y-YYYY-----Y-"},
    {"DECIMAL(10, 2)", "Y-YYYY-------"},
    {"DOUBLE", "Y-YYYY-------"},
    {"DATE", "Y-----Y-YY---"},
    {"TIME(0)", "Y------YYY---"},
    {"TIMESTAMP(3)", "Y-----YYYY---"},
    {"TIMESTAMP_LTZ(3)", "Y-----YYYY---"},
    {"INTERVAL MONTH", "Y--Y------Y--"},
    {"INTERVAL SECOND", "Y----------Y-"},
    {"ARRAY<STRING>", "Y-----------!"},
    {"ARRAY<BIGINT>", "Y-----------Y"},
    {"MAP<INT, INT>", "Y------------"},
    {"NULL", "YYYYYYYYYYYYY"},
};

static void test_casts(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_type *from = type_of_text(rows[i].from);
        assert_int_equal(strlen(rows[i].casts), ARRAY_LEN(columns));
        for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
            struct data_type *to = type_of_text(columns[c]);
            char found = "-!Y"[type_cast_rule(from, to)];
            if (found != rows[i].casts[c]) {
                fail_msg("%s to %s is %c", rows[i].from, columns[c], found);
            }
            type_unref(to);
        }
        type_unref(from);
    }
}

static void test_nested_casts(void **state)
{
    static const struct {
        const char *from, *to;
        enum type_cast rule;
    } all[] = {
        {"ROW<a INT, b STRING>", "ROW<c STRING, d INT>", TYPE_CAST_MAY_FAIL},
        {"ROW<a INT, b STRING>", "ROW<c STRING>", TYPE_CAST_NEVER},
        {"MAP<INT, BOOLEAN>", "MAP<STRING, INT>", TYPE_CAST_ALWAYS},
        {"MAP<INT, DATE>", "MAP<INT, INT>", TYPE_CAST_NEVER},
        {"MULTISET<INT>", "ARRAY<INT>", TYPE_CAST_NEVER},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct data_type *from = type_of_text(all[i].from), *to = type_of_text(all[i].to);
        assert_int_equal(type_cast_rule(from, to), all[i].rule);
        type_unref(from);
        type_unref(to);
    }
}

static void test_implicit(void **state)
{
    static const struct {
        const char *from, *to;
        bool is_implicit;
    } all[] = {
        {"INT", "INT", true},
        {"INT", "INT NOT NULL", false},
        {"INT NOT NULL", "INT", true},
        {"SMALLINT", "BIGINT", true},
        {"BIGINT", "INT", false},
        {"DOUBLE", "DECIMAL(10, 2)", true},
        {"BIGINT", "FLOAT", true},
        {"DOUBLE", "FLOAT", false},
        {"FLOAT", "DOUBLE", true},
        {"DECIMAL(5, 2)", "INT", false},
        {"CHAR(3)", "STRING", true},
        {"STRING", "CHAR(3)", false},
        {"CHAR(3)", "CHAR(5)", true},
        {"INT", "STRING", false},
        {"BINARY(2)", "BYTES", true},
        {"TIMESTAMP(3)", "DATE", true},
        {"TIMESTAMP(3)", "TIME(0)", true},
        {"TIMESTAMP_LTZ(3)", "DATE", false},
        {"TIMESTAMP(9)", "TIMESTAMP_LTZ(3)", true},
        {"TIMESTAMP_LTZ(3)", "TIMESTAMP(3)", true},
        {"DATE", "TIMESTAMP(3)", false},
        {"NULL", "ARRAY<INT>", true},
        {"ARRAY<INT>", "ARRAY<BIGINT>", true},
        {"ARRAY<BIGINT>", "ARRAY<INT>", false},
        {"ROW<a INT, b CHAR(1)>", "ROW<c BIGINT, d STRING>", true},
        {"MAP<INT, INT>", "MULTISET<INT>", false},
        {"INTERVAL DAY", "INTERVAL SECOND", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct data_type *from = type_of_text(all[i].from), *to = type_of_text(all[i].to);
        if (type_casts_implicitly(from, to) != all[i].is_implicit) {
            fail_msg("%s to %s", all[i].from, all[i].to);
        }
        type_unref(from);
        type_unref(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_casts),
        cmocka_unit_test(test_nested_casts),
        cmocka_unit_test(test_implicit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
