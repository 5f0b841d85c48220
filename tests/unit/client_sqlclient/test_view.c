/* Views that fill the screen: what changes add up to, which page is seen, and the picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "client/sqlclient/view.h"
#include "engine/data/builder.h"
#include <locale.h>

static struct buffer_pool *pool;
static struct schema *schema;

struct change {
    enum row_kind kind;
    const char *a, *b; /* NULL: NULL */
};

static void put(struct view_rows *v, const struct change *changes, size_t n)
{
    struct builder b;
    builder_init(&b, pool, schema, 0);
    for (size_t i = 0; i < n; i++) {
        const char *cells[] = {changes[i].a, changes[i].b};
        builder_begin(&b);
        builder_set_kind(&b, changes[i].kind);
        for (uint32_t k = 0; k < 2; k++) {
            if (cells[k] == NULL) {
                builder_put_null(&b, k);
            } else {
                assert_int_equal(builder_put_bytes(&b, k, cells[k], strlen(cells[k]), NULL), 0);
            }
        }
        builder_end_row(&b);
    }
    struct batch *made = builder_finish(&b);
    view_rows_put(v, made);
    (void)batch_unref(made);
    builder_fini(&b);
}

/* "a,b a,b" */
static void check_rows(const struct view_rows *v, const char *expected)
{
    STR_AUTO text = STR_INIT;
    for (uint64_t i = 0; i < v->n; i++) {
        struct slice cells[2];
        view_row_cells(view_rows_at(v, i), 2, cells);
        str_append_cstr(&text, i > 0 ? " " : "");
        for (uint32_t k = 0; k < 2; k++) {
            str_append_cstr(&text, k > 0 ? "," : "");
            str_append_slice(&text, cells[k].data != NULL ? cells[k] : SLICE_LIT("NULL"));
        }
    }
    assert_string_equal(str_cstr(&text), expected);
    assert_null(view_rows_at(v, v->n));
}

static void test_changes_add_up(void **state)
{
    static const struct change changes[] = {
        {ROW_KIND_INSERT, "x", "1"},        {ROW_KIND_INSERT, "y", NULL},
        {ROW_KIND_INSERT, "x", "1"},        {ROW_KIND_UPDATE_BEFORE, "x", "1"},
        {ROW_KIND_UPDATE_AFTER, "x", "2"},  {ROW_KIND_DELETE, "y", NULL},
        {ROW_KIND_DELETE, "y", "not here"}, {ROW_KIND_INSERT, "", ""},
    };
    struct view_rows v;
    (void)state;
    view_rows_init(&v, 2, true, 100);
    put(&v, changes, ARRAY_LEN(changes));
    check_rows(&v, "x,1 x,2 ,"); /* of equal rows the newest goes */
    assert_int_equal(v.n_received, ARRAY_LEN(changes));
    view_rows_fini(&v);
    view_rows_init(&v, 2, false, 3); /* the changes themselves, the newest three */
    put(&v, changes, ARRAY_LEN(changes));
    check_rows(&v, "y,NULL y,not here ,");
    assert_int_equal(view_rows_at(&v, 0)->kind, ROW_KIND_DELETE);
    view_rows_fini(&v);
}

static void test_many_rows(void **state)
{
    struct view_rows v;
    char text[16];
    (void)state;
    view_rows_init(&v, 2, true, 2000);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        const struct change c = {ROW_KIND_INSERT, text, "x"};
        put(&v, &c, 1);
    }
    assert_int_equal(v.n, 2000);
    for (int i = 3001; i < 5000; i++) { /* all but the oldest */
        (void)snprintf(text, sizeof(text), "%d", i);
        const struct change c = {ROW_KIND_DELETE, text, "x"};
        put(&v, &c, 1);
    }
    check_rows(&v, "3000,x");
    view_rows_fini(&v);
}

/* ---- pages ------------------------------------------------------------------------------------------------- */

static void fill(struct view_rows *v, int n)
{
    char text[16];
    view_rows_init(v, 2, true, 1000);
    for (int i = 1; i <= n; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        const struct change c = {ROW_KIND_INSERT, text, i == 2 ? NULL : "x"};
        put(v, &c, 1);
    }
}

static void test_pages(void **state)
{
    struct view_rows rows;
    struct tableau t;
    (void)state;
    fill(&rows, 12);
    tableau_init(&t, schema, false, 10);
    struct picture v = {.tableau = &t, .rows = &rows, .lines = 12, .columns = 40, .selected = 1};
    assert_int_equal(view_page_rows(&v), 5);
    assert_int_equal(view_pages(&v), 3);
    assert_int_equal(view_first_row(&v), 10); /* the last one */
    v.page = 2;
    assert_int_equal(view_first_row(&v), 5);
    struct slice cells[2];
    view_row_cells(view_selected_row(&v), 2, cells);
    assert_true(slice_eq_cstr(cells[0], "7"));
    v.page = 9; /* rows have gone */
    assert_int_equal(view_first_row(&v), 10);
    v.lines = 1;
    assert_int_equal(view_page_rows(&v), 1);
    tableau_fini(&t);
    view_rows_fini(&rows);
}

static void test_picture(void **state)
{
    struct view_rows rows;
    struct tableau t;
    STR_AUTO out = STR_INIT;
    (void)state;
    fill(&rows, 2);
    tableau_init(&t, schema, true, 10);
    struct picture v = {.tableau = &t, .rows = &rows, .lines = 12, .columns = 24, .interval = 4};
    view_draw(&v, &out);
    assert_non_null(strstr(str_cstr(&out), "SQL Query Result (Change"));
    assert_non_null(strstr(str_cstr(&out), "\033[5;1H\033[7m| +I |          1 |   "));
    assert_non_null(strstr(str_cstr(&out), "\033[6;1H| +I |          2 |   "));
    str_clear(&out);
    v.left = 20; /* the right end of the table */
    v.selected = 1;
    view_draw(&v, &out);
    assert_non_null(strstr(str_cstr(&out), "    <NULL> |"));
    str_clear(&out);
    v.is_row = true;
    view_draw(&v, &out);
    assert_non_null(strstr(str_cstr(&out), "a (STRING):"));
    assert_non_null(strstr(str_cstr(&out), "  <NULL>"));
    str_clear(&out);
    v.is_row = false;
    v.question = "Search: ";
    str_append_cstr(&v.answer, "abc");
    view_draw(&v, &out);
    assert_non_null(strstr(str_cstr(&out), "Search: abc"));
    str_fini(&v.answer);
    tableau_fini(&t);
    view_rows_fini(&rows);
}

static void test_columns_of_text(void **state)
{
    (void)state;
    assert_true(slice_eq_cstr(text_columns(SLICE_LIT("abcdef"), 2, 3), "cde"));
    assert_true(slice_eq_cstr(text_columns(SLICE_LIT("abc"), 0, 9), "abc"));
    assert_true(slice_eq_cstr(text_columns(SLICE_LIT("abc"), 5, 9), ""));
    assert_true(slice_eq_cstr(text_columns(SLICE_LIT("\xe4\xb8\xad\xe6\x96\x87x"), 2, 2),
                              "\xe6\x96\x87")); /* each takes two */
}

int main(void)
{
    const char *names[] = {"a", "b"};
    struct data_type *types[] = {type_new_string(true), type_new_string(true)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_add_up),  cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_pages),           cmocka_unit_test(test_picture),
        cmocka_unit_test(test_columns_of_text),
    };
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        return 77;
    }
    pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    schema = schema_new(names, types, 2);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    schema_unref(schema);
    buffer_pool_close(pool);
    return failed;
}
