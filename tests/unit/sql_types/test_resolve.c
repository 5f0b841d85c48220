/* Types as they are written, and what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "sql/parser/parser.h"
#include "sql/types/resolve.h"

static int resolve(const char *text, struct data_type **ret, struct sql_span *span,
                   struct error *err)
{
    struct arena arena;
    struct sql_type *t = NULL;
    arena_init(&arena, 0);
    if (sql_parse_type(slice_cstr(text), &arena, &t, NULL, err) < 0) {
        fail_msg("%s: %s", text, err->message);
    }
    int rc = sql_type_resolve(t, ret, span, err);
    arena_fini(&arena);
    return rc;
}

static void test_types(void **state)
{
    static const struct {
        const char *text, *type;
    } rows[] = {
        {"CHAR", "CHAR(1)"},
        {"VARCHAR NOT NULL", "STRING NOT NULL"},
        {"VARCHAR(1)", "VARCHAR(1)"},
        {"BINARY", "BINARY(1)"},
        {"VARBINARY", "BYTES"},
        {"STRING", "STRING"},
        {"BYTES", "BYTES"},
        {"BINARY(7)", "BINARY(7)"},
        {"DECIMAL", "DECIMAL(10, 0)"},
        {"DEC(5)", "DECIMAL(5, 0)"},
        {"NUMERIC(38, 38)", "DECIMAL(38, 38)"},
        {"INTEGER", "INT"},
        {"REAL", "FLOAT"},
        {"DOUBLE PRECISION", "DOUBLE"},
        {"TIME", "TIME(0)"},
        {"TIMESTAMP", "TIMESTAMP(6)"},
        {"TIMESTAMP(9) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(9)"},
        {"INTERVAL YEAR TO MONTH", "INTERVAL YEAR(2) TO MONTH"},
        {"INTERVAL DAY(3) TO SECOND(9)", "INTERVAL DAY(3) TO SECOND(9)"},
        {"INT NOT NULL ARRAY", "ARRAY<INT NOT NULL>"},
        {"MAP<STRING, MULTISET<INT>> NOT NULL", "MAP<STRING, MULTISET<INT>> NOT NULL"},
        {"ROW(INT, STRING NOT NULL)", "ROW<`f0` INT, `f1` STRING NOT NULL>"},
        {"ROW<a ROW<`b c` DATE>>", "ROW<`a` ROW<`b c` DATE>>"},
        {"NULL", "NULL"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_type *t = NULL;
        struct sql_span span;
        struct error err = ERROR_INIT;
        STR_AUTO text = STR_INIT;
        if (resolve(rows[i].text, &t, &span, &err) < 0) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
        type_print(t, &text);
        assert_string_equal(str_cstr(&text), rows[i].type);
        type_unref(t);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint32_t start;
        const char *message;
    } rows[] = {
        {"CHAR(0)", ERR_INVALID_ARGUMENT, 0, "CHAR"},
        {"DECIMAL(39, 2)", ERR_INVALID_ARGUMENT, 0, "DECIMAL"},
        {"DECIMAL(5, 6)", ERR_INVALID_ARGUMENT, 0, "DECIMAL"},
        {"ARRAY<TIMESTAMP(10)>", ERR_INVALID_ARGUMENT, 6, "TIMESTAMP"},
        {"ROW<a INT, b INT, a STRING>", ERR_INVALID_ARGUMENT, 18, "two fields with the name a"},
        {"MAP<STRING, VARIANT>", ERR_UNSUPPORTED, 12, "not supported yet: type VARIANT"},
        {"TIMESTAMP(3) WITH TIME ZONE", ERR_UNSUPPORTED, 0,
         "not supported yet: type TIMESTAMP WITH TIME ZONE"},
        {"STRUCTURED<'a.B'>", ERR_UNSUPPORTED, 0, "not supported yet: type STRUCTURED"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_type *t = NULL;
        struct sql_span span = {0, 0};
        struct error err = ERROR_INIT;
        int rc = resolve(rows[i].text, &t, &span, &err);
        if (rc != rows[i].rc || strstr(err.message, rows[i].message) == NULL ||
            span.start != rows[i].start) {
            fail_msg("%s is %d at %u: %s", rows[i].text, rc, span.start, err.message);
        }
        assert_null(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
