/* Tables with borders: widths by types and by cells, cut cells, wide characters, NULL, kinds of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "client/sqlclient/inside.h"
#include "engine/data/builder.h"
#include <locale.h>

static struct buffer_pool *pool;

static struct schema *parse(const char *text)
{
    struct schema *s = NULL;
    struct error err = ERROR_INIT;
    if (schema_parse(slice_cstr(text), &s, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return s;
}

/* A batch of strings; NULL is NULL. */
static struct batch *strings_of(const struct schema *names, const char *const *cells, uint32_t rows)
{
    struct builder b;
    uint32_t n = names->n_fields;
    const char *columns[8] = {NULL};
    struct data_type *types[8] = {NULL};
    for (uint32_t i = 0; i < n; i++) {
        columns[i] = names->fields[i].name;
        types[i] = type_new_string(true);
    }
    struct schema *s = schema_new(columns, types, n);
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < rows * n; i++) {
        if (i % n == 0) {
            builder_begin(&b);
        }
        if (cells[i] == NULL) {
            builder_put_null(&b, i % n);
        } else {
            assert_int_equal(builder_put_bytes(&b, i % n, cells[i], strlen(cells[i]), NULL), 0);
        }
        if (i % n == n - 1) {
            builder_end_row(&b);
        }
    }
    struct batch *made = builder_finish(&b);
    builder_fini(&b);
    schema_unref(s);
    return made;
}

static void check_text(struct str *out, const char *expected)
{
    assert_string_equal(str_cstr(out), expected);
    str_fini(out);
}

static void test_widths_by_type(void **state)
{
    static const struct {
        const char *type;
        uint32_t width;
    } cases[] = {
        {"TINYINT", 6},       {"SMALLINT", 6},          {"INT", 11},
        {"BIGINT", 20},       {"DECIMAL(10, 2)", 12},   {"BOOLEAN", 6},
        {"DATE", 10},         {"TIME(0)", 8},           {"TIMESTAMP(0)", 19},
        {"TIMESTAMP(3)", 23}, {"TIMESTAMP_LTZ(6)", 26}, {"TIMESTAMP(9)", 29},
        {"STRING", 30},       {"DOUBLE", 30},           {"ARRAY<INT>", 30},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tableau t;
        STR_AUTO text = STR_INIT;
        str_printf(&text, "ROW<`a` %s>", cases[i].type);
        struct schema *s = parse(str_cstr(&text));
        tableau_init(&t, s, false, 30);
        assert_int_equal(t.widths[0], cases[i].width);
        tableau_fini(&t);
        schema_unref(s);
    }
}

static void test_streaming(void **state)
{
    static const char *const cells[] = {"1", "Bob", NULL, "a name of more than ten"};
    struct schema *s = parse("ROW<`id` INT, `name` STRING>");
    struct batch *b = strings_of(s, cells, 2);
    struct str out = STR_INIT;
    struct tableau t;
    (void)state;
    tableau_init(&t, s, true, 10);
    tableau_header(&t, &out);
    tableau_row(&t, b, 0, &out);
    tableau_row(&t, b, 1, &out);
    tableau_line(&t, &out);
    check_text(&out, "+----+-------------+------------+\n"
                     "| op |          id |       name |\n"
                     "+----+-------------+------------+\n"
                     "| +I |           1 |        Bob |\n"
                     "| +I |      <NULL> | a name ... |\n"
                     "+----+-------------+------------+\n");
    tableau_fini(&t);
    (void)batch_unref(b);
    schema_unref(s);
}

static void test_widths_by_cells(void **state)
{
    static const char *const cells[] = {"1", "a name of more than ten"};
    struct schema *s = parse("ROW<`id` INT, `name` STRING>");
    struct batch *b = strings_of(s, cells, 1);
    struct str out = STR_INIT;
    struct tableau t;
    (void)state;
    tableau_init(&t, s, false, 10);
    tableau_narrow(&t);
    tableau_widen(&t, b);
    tableau_header(&t, &out);
    tableau_row(&t, b, 0, &out);
    check_text(&out, "+----+-------------------------+\n"
                     "| id |                    name |\n"
                     "+----+-------------------------+\n"
                     "|  1 | a name of more than ten |\n");
    tableau_fini(&t);
    (void)batch_unref(b);
    schema_unref(s);
}

static void test_wide_characters(void **state)
{
    static const char *const cells[] = {"\xe4\xb8\xad\xe6\x96\x87", "\xc3\xa9t\xc3\xa9"};
    struct schema *s = parse("ROW<`a` STRING>");
    struct batch *b = strings_of(s, cells, 2);
    struct str out = STR_INIT;
    struct tableau t;
    (void)state;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        skip();
    }
    tableau_init(&t, s, false, 6);
    tableau_row(&t, b, 0, &out);
    tableau_row(&t, b, 1, &out);
    check_text(&out, "|   \xe4\xb8\xad\xe6\x96\x87 |\n|    \xc3\xa9t\xc3\xa9 |\n");
    tableau_fini(&t);
    (void)batch_unref(b);
    schema_unref(s);
}

static void test_broken_text(void **state)
{
    (void)state;
    assert_int_equal(text_width(slice_make("a\xff\xfe", 3)), 3);
    assert_int_equal(text_width(slice_make("", 0)), 0);
}

static int open_pool(void **state)
{
    (void)state;
    pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    assert_int_equal(buffer_pool_out_count(pool), 0);
    buffer_pool_close(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths_by_type),  cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_widths_by_cells), cmocka_unit_test(test_wide_characters),
        cmocka_unit_test(test_broken_text),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
