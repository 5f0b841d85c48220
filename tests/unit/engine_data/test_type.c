/* Types: text out and in, ranges, layouts. */
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"

static struct data_type *type_of(const char *text)
{
    struct error err = ERROR_INIT;
    struct data_type *t = NULL;
    if (type_parse(slice_cstr(text), &t, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return t;
}

static void text_is_flinks_summary_string(void **state)
{
    /* What is parsed, and what is printed if not the same. */
    static const char *const CASES[][2] = {
        {"NULL", NULL},
        {"CHAR(1)", NULL},
        {"CHAR", "CHAR(1)"},
        {"character (7)", "CHAR(7)"},
        {"VARCHAR(5) NOT NULL", NULL},
        {"CHARACTER VARYING(5)", "VARCHAR(5)"},
        {"VARCHAR(2147483647)", "STRING"},
        {"STRING", NULL},
        {"BOOLEAN", NULL},
        {"BINARY(3)", NULL},
        {"VARBINARY(3)", NULL},
        {"BINARY VARYING(3)", "VARBINARY(3)"},
        {"BYTES", NULL},
        {"DECIMAL", "DECIMAL(10, 0)"},
        {"DEC(4)", "DECIMAL(4, 0)"},
        {"NUMERIC(38,38)", "DECIMAL(38, 38)"},
        {"DECIMAL(10, 2) NOT NULL", NULL},
        {"TINYINT", NULL},
        {"SMALLINT", NULL},
        {"INTEGER", "INT"},
        {"INT", NULL},
        {"int null", "INT"},
        {"BIGINT", NULL},
        {"FLOAT", NULL},
        {"DOUBLE PRECISION", "DOUBLE"},
        {"DATE", NULL},
        {"TIME", "TIME(0)"},
        {"TIME(3) WITHOUT TIME ZONE", "TIME(3)"},
        {"TIMESTAMP", "TIMESTAMP(6)"},
        {"TIMESTAMP(9) WITHOUT TIME ZONE", "TIMESTAMP(9)"},
        {"TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"},
        {"TIMESTAMP_LTZ(0)", NULL},
        {"INTERVAL YEAR", "INTERVAL YEAR(2)"},
        {"INTERVAL YEAR(4) TO MONTH", NULL},
        {"INTERVAL MONTH", NULL},
        {"INTERVAL DAY(6) TO SECOND(3)", NULL},
        {"INTERVAL DAY TO HOUR", "INTERVAL DAY(2) TO HOUR"},
        {"INTERVAL DAY(1) TO MINUTE", NULL},
        {"INTERVAL DAY(1)", NULL},
        {"INTERVAL HOUR", NULL},
        {"INTERVAL HOUR TO MINUTE", NULL},
        {"INTERVAL HOUR TO SECOND(0)", NULL},
        {"INTERVAL MINUTE TO SECOND", "INTERVAL MINUTE TO SECOND(6)"},
        {"INTERVAL MINUTE", NULL},
        {"INTERVAL SECOND(9)", NULL},
        {"ARRAY<INT NOT NULL> NOT NULL", NULL},
        {"INT NOT NULL ARRAY", "ARRAY<INT NOT NULL>"},
        {"INT ARRAY MULTISET NOT NULL", "MULTISET<ARRAY<INT>> NOT NULL"},
        {"MAP<STRING, ARRAY<BIGINT>>", NULL},
        {"MULTISET<STRING>", NULL},
        {"ROW<`a` INT, `b` STRING>", NULL},
        {"ROW<a INT, `b``c` STRING NOT NULL>", "ROW<`a` INT, `b``c` STRING NOT NULL>"},
        {"ROW(a INT 'the number', order BIGINT)", "ROW<`a` INT, `order` BIGINT>"},
        {"ROW<>", NULL},
        {"RAW('com.example.X', 'AbC=')", "RAW('com.example.X', '...')"},
        {"RAW('it''s')", "RAW('it''s', '...')"},
        {"\n ROW < `\xc3\xa9` MAP<INT,ROW<x DATE>> > ", "ROW<`\xc3\xa9` MAP<INT, ROW<`x` DATE>>>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        STR_AUTO text = STR_INIT;
        struct data_type *t = type_of(CASES[i][0]);
        type_print(t, &text);
        assert_string_equal(str_cstr(&text), CASES[i][1] != NULL ? CASES[i][1] : CASES[i][0]);
        type_unref(t);
    }
}

static void bad_text_is_refused_with_the_column(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } CASES[] = {
        {"", ERR_PARSE, "ends at column 1"},
        {"STRIN", ERR_PARSE, "a type expected at column 1, found 'STRIN'"},
        {"INT INT", ERR_PARSE, "the end expected at column 5"},
        {"INT NOT", ERR_PARSE, "ends at column 8"},
        {"DECIMAL(", ERR_PARSE, "a number"},
        {"DECIMAL(1,)", ERR_PARSE, "a number expected at column 11"},
        {"CHAR(99999999999)", ERR_PARSE, "2147483647"},
        {"CHAR(12x)", ERR_PARSE, "a number"},
        {"CHAR(-1)", ERR_PARSE, "a number expected at column 6"},
        {"TIMESTAMP WITH TIME ZONE", ERR_PARSE, "LOCAL expected at column 16"},
        {"INTERVAL", ERR_PARSE, "a field of an interval"},
        {"INTERVAL SECOND TO DAY", ERR_PARSE, "a field of an interval"},
        {"INTERVAL WEEK", ERR_PARSE, "found 'WEEK'"},
        {"ARRAY<INT", ERR_PARSE, "'>' is expected"},
        {"ARRAY INT", ERR_PARSE, "'<' expected at column 7"},
        {"MAP<INT>", ERR_PARSE, "',' expected at column 8"},
        {"ROW<a>", ERR_PARSE, "a type expected at column 6"},
        {"ROW<a INT", ERR_PARSE, "'>'"},
        {"ROW(a INT>", ERR_PARSE, "')'"},
        {"ROW<1 INT>", ERR_PARSE, "a field name"},
        {"ROW<`a INT>", ERR_PARSE, "quote opened at column 5"},
        {"RAW(x)", ERR_PARSE, "the quoted name"},
        {"RAW('x', y)", ERR_PARSE, "a quoted snapshot"},
        {"ROW<a INT, a STRING>", ERR_INVALID_ARGUMENT, "'a' is twice"},
        {"ROW<`` INT>", ERR_INVALID_ARGUMENT, "empty name"},
        {"CHAR(0)", ERR_INVALID_ARGUMENT, "length of CHAR must be between 1 and"},
        {"DECIMAL(39)", ERR_INVALID_ARGUMENT, "precision of DECIMAL"},
        {"DECIMAL(3, 4)", ERR_INVALID_ARGUMENT, "scale of DECIMAL must be between 0 and 3"},
        {"TIMESTAMP(10)", ERR_INVALID_ARGUMENT, "between 0 and 9"},
        {"INTERVAL YEAR(5)", ERR_INVALID_ARGUMENT, "year precision"},
        {"INTERVAL DAY(7) TO SECOND", ERR_INVALID_ARGUMENT, "day precision"},
        {"INTERVAL SECOND(10)", ERR_INVALID_ARGUMENT, "fractional precision"},
        {"ARRAY<CHAR(0)>", ERR_INVALID_ARGUMENT, "length"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct error err = ERROR_INIT;
        struct data_type *t = NULL;
        int rc = type_parse(slice_cstr(CASES[i].text), &t, &err);
        check_error(rc, CASES[i].code, &err, CASES[i].says);
        assert_null(t);
    }
    struct data_type *t = NULL;
    assert_int_equal(type_parse(slice_make("ROW<`a\0b` INT>", 14), &t, NULL), ERR_PARSE);
}

static void nesting_and_fields_have_limits(void **state)
{
    struct error err = ERROR_INIT;
    struct data_type *t = NULL;
    for (int postfix = 0; postfix < 2; postfix++) {
        for (int levels = TYPE_DEPTH_MAX - 1; levels <= TYPE_DEPTH_MAX; levels++) {
            STR_AUTO text = STR_INIT;
            for (int i = 0; i < levels && postfix == 0; i++) {
                str_append_cstr(&text, "ARRAY<");
            }
            str_append_cstr(&text, "INT");
            for (int i = 0; i < levels; i++) {
                str_append_cstr(&text, postfix == 0 ? ">" : " ARRAY");
            }
            int rc = type_parse(str_slice(&text), &t, &err);
            if (levels < TYPE_DEPTH_MAX) {
                assert_int_equal(rc, 0);
                assert_int_equal(type_nested_columns(t), levels);
                type_unref(t);
            } else {
                check_error(rc, ERR_TOO_LARGE, &err, "nest deeper than 32");
            }
        }
    }
    STR_AUTO text = STR_INIT;
    str_append_cstr(&text, "ROW<f INT");
    for (int i = 1; i <= TYPE_CHILDREN_MAX; i++) {
        str_printf(&text, ", f%d INT", i);
    }
    str_append_cstr(&text, ">");
    check_error(type_parse(str_slice(&text), &t, &err), ERR_TOO_LARGE, &err, "more than 4096");
}

static void random_types_survive_text(void **state)
{
    struct rng r;
    rng_init(&r, 7);
    for (int i = 0; i < 2000; i++) {
        STR_AUTO text = STR_INIT;
        STR_AUTO again = STR_INIT;
        struct data_type *t = random_type(&r, 4);
        assert_int_equal(type_validate(t, NULL), 0);
        type_print(t, &text);
        struct data_type *back = type_of(str_cstr(&text));
        assert_true(type_equals(t, back));
        type_print(back, &again);
        assert_string_equal(str_cstr(&text), str_cstr(&again));

        struct data_type *other = type_with_nullable(t, !t->nullable);
        assert_true(t->id == TYPE_NULL ? other == t : !type_equals(t, other));
        struct data_type *same = type_with_nullable(other, t->nullable);
        assert_true(type_equals(t, same));
        type_unref(same);
        type_unref(other);
        type_unref(back);
        type_unref(t);
    }
}

static void layouts_follow_precision(void **state)
{
    static const struct {
        const char *text;
        enum type_layout layout;
        uint32_t width;
    } CASES[] = {
        {"NULL", LAYOUT_NULL, 0},
        {"BOOLEAN", LAYOUT_BIT, 0},
        {"TINYINT", LAYOUT_I8, 1},
        {"SMALLINT", LAYOUT_I16, 2},
        {"INT", LAYOUT_I32, 4},
        {"BIGINT", LAYOUT_I64, 8},
        {"FLOAT", LAYOUT_F32, 4},
        {"DOUBLE", LAYOUT_F64, 8},
        {"DECIMAL(18, 2)", LAYOUT_I64, 8},
        {"DECIMAL(19, 2)", LAYOUT_I128, 16},
        {"DATE", LAYOUT_I32, 4},
        {"TIME(9)", LAYOUT_I32, 4},
        {"TIMESTAMP(3)", LAYOUT_I64, 8},
        {"TIMESTAMP(6)", LAYOUT_I64, 8},
        {"TIMESTAMP(7)", LAYOUT_TS_NANO, 16},
        {"TIMESTAMP_LTZ(9)", LAYOUT_TS_NANO, 16},
        {"INTERVAL YEAR", LAYOUT_I32, 4},
        {"INTERVAL DAY", LAYOUT_I64, 8},
        {"STRING", LAYOUT_VIEW, 16},
        {"BYTES", LAYOUT_VIEW, 16},
        {"RAW('x')", LAYOUT_VIEW, 16},
        {"ARRAY<INT>", LAYOUT_LIST, 4},
        {"MAP<INT, INT>", LAYOUT_MAP, 4},
        {"MULTISET<INT>", LAYOUT_MAP, 4},
        {"ROW<a INT>", LAYOUT_STRUCT, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct data_type *t = type_of(CASES[i].text);
        assert_int_equal(t->layout, CASES[i].layout);
        assert_int_equal(t->width, CASES[i].width);
        type_unref(t);
    }
    struct data_type *t = type_of("MULTISET<STRING>");
    assert_int_equal(type_child_columns(t), 2);
    assert_int_equal(type_child_column(t, 1)->id, TYPE_INTEGER);
    assert_false(type_child_column(t, 1)->nullable);
    type_unref(t);
}

static void types_differ_by_every_parameter(void **state)
{
    static const char *const TEXTS[] = {
        "CHAR(1)",      "CHAR(2)",       "VARCHAR(2)",    "DECIMAL(3, 1)", "DECIMAL(3, 2)",
        "TIMESTAMP(1)", "INTERVAL DAY",  "INTERVAL HOUR", "RAW('a')",      "RAW('b')",
        "ARRAY<INT>",   "ARRAY<BIGINT>", "ROW<a INT>",    "ROW<b INT>",    "ROW<a INT, b INT>",
        "MAP<INT,INT>", "MULTISET<INT>", "INT",           "INT NOT NULL",  "DATE",
    };
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        for (size_t k = 0; k < ARRAY_LEN(TEXTS); k++) {
            struct data_type *a = type_of(TEXTS[i]);
            struct data_type *b = type_of(TEXTS[k]);
            assert_int_equal(type_equals(a, b), i == k);
            type_unref(a);
            type_unref(b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_flinks_summary_string),
        cmocka_unit_test(bad_text_is_refused_with_the_column),
        cmocka_unit_test(nesting_and_fields_have_limits),
        cmocka_unit_test(random_types_survive_text),
        cmocka_unit_test(layouts_follow_precision),
        cmocka_unit_test(types_differ_by_every_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
