/* What the rooms above ask of the catalogs: tables and functions by name, checks of connectors, limits, places of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/unit/sql_catalog/session.h"

static int parse_path(const char *text, struct arena *arena, struct sql_path *ret)
{
    struct sql_expr *e = NULL;
    TRY(sql_parse_expression(slice_cstr(text), arena, &e, NULL, NULL));
    *ret = e->column;
    return 0;
}

static int resolve(struct session *s, const char *name, struct arena *arena,
                   struct sql_found_table *ret)
{
    struct sql_path path;
    assert_int_equal(parse_path(name, arena, &path), 0);
    return sql_manager_resolve_table(s->m, &path, arena, ret, &s->place, &s->err);
}

static void test_tables_by_name(void **state)
{
    struct session s;
    struct arena arena;
    arena_init(&arena, 0);
    session_open(&s, NULL);
    session_do(&s, "CREATE CATALOG c WITH ('type' = 'generic_in_memory')");
    session_do(&s, "CREATE TABLE c.`default`.t (a INT, b STRING METADATA VIRTUAL, d AS a + 1, "
                   "e INT METADATA)");
    session_do(&s, "CREATE TEMPORARY TABLE t (x INT)");
    static const char *const names[] = {"t", "default_database.t",
                                        "default_catalog.default_database.t", "c.`default`.t"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sql_found_table found;
        assert_int_equal(resolve(&s, names[i], &arena, &found), 0);
        assert_string_equal(found.id.name, "t");
        assert_int_equal(found.is_temporary, i < 3);
        assert_string_equal(found.id.catalog, i < 3 ? "default_catalog" : "c");
        sql_table_unref(found.table);
    }
    struct sql_found_table none = {.table = NULL};
    assert_int_equal(resolve(&s, "c.defualt.t", &arena, &none), ERR_NOT_FOUND);
    assert_string_equal(s.err.message, "Table 'c.defualt.t' was not found. Did you mean the "
                                       "database 'default'?");
    assert_null(none.table);

    /* Definitions outlive their table. */
    struct sql_found_table kept;
    assert_int_equal(resolve(&s, "c.`default`.t", &arena, &kept), 0);
    session_do(&s, "DROP TABLE c.`default`.t");
    static const char *const schemas[] = {
        [SQL_TABLE_ALL] = "ROW<`a` INT, `b` STRING, `d` INT, `e` INT>",
        [SQL_TABLE_PHYSICAL] = "ROW<`a` INT>",
        [SQL_TABLE_SINK] = "ROW<`a` INT, `e` INT>",
    };
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        struct schema *schema = NULL;
        STR_AUTO text = STR_INIT;
        assert_int_equal(sql_table_schema(kept.table, (enum sql_table_part)i, &schema, &s.err), 0);
        schema_print(schema, &text);
        assert_non_null(strstr(str_cstr(&text), schemas[i]));
        schema_unref(schema);
    }
    sql_table_unref(kept.table);
    session_close(&s);
    arena_fini(&arena);
}

static void test_functions_by_name(void **state)
{
    struct session s;
    struct arena arena;
    struct sql_path path;
    arena_init(&arena, 0);
    session_open(&s, NULL);
    session_do(&s, "CREATE FUNCTION md5 AS 'mine'");
    static const struct {
        const char *name;
        int rc;
        bool is_system, is_temporary;
        const char *class_name; /* NULL: built in */
    } rows[] = {
        {"MD5", 1, true, false, NULL},
        {"default_database.Md5", 1, false, false, "mine"},
        {"nix", 0, false, false, NULL},
        {"nix.nix.nix", 0, false, false, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sql_found_function f = {.function = NULL};
        assert_int_equal(parse_path(rows[i].name, &arena, &path), 0);
        assert_int_equal(sql_manager_find_function(s.m, &path, &f, &s.err), rows[i].rc);
        assert_int_equal(f.is_system, rows[i].is_system);
        assert_int_equal(f.is_temporary, rows[i].is_temporary);
        if (rows[i].class_name != NULL) {
            assert_string_equal(f.function->class_name, rows[i].class_name);
        }
        sql_found_function_fini(&f);
    }
    /* Hidden by temporary system functions. */
    session_do(&s, "CREATE TEMPORARY SYSTEM FUNCTION md5 AS 'hides'");
    struct sql_found_function f = {.function = NULL};
    assert_int_equal(parse_path("Md5", &arena, &path), 0);
    assert_int_equal(sql_manager_find_function(s.m, &path, &f, &s.err), 1);
    assert_string_equal(f.function->class_name, "hides");
    sql_found_function_fini(&f);
    session_close(&s);
    arena_fini(&arena);
}

/* ---- the connector's check ------------------------------------------------------------------------------ */

static int refuse_nothing_but_x(void *arg, const struct sql_table *t, struct error *err)
{
    const char *connector = sql_options_find(&t->options, "connector");
    return connector != NULL && strcmp(connector, "x") == 0
               ? 0
               : error_set(err, ERR_INVALID_ARGUMENT, "no such connector");
}

static void test_connectors_check(void **state)
{
    struct session s;
    session_open(&s, NULL);
    s.resolver.base.check_table = refuse_nothing_but_x;
    session_do(&s, "CREATE TABLE t (a INT) WITH ('connector' = 'x')");
    static const char *const refused[] = {
        "CREATE TABLE t2 (a INT) WITH ('connector' = 'y')",
        "CREATE TEMPORARY TABLE t2 (a INT)",
        "ALTER TABLE t SET ('connector' = 'y')",
        "CREATE TABLE t2 WITH ('connector' = 'y') LIKE t",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_int_equal(session_run(&s, refused[i], NULL), ERR_INVALID_ARGUMENT);
        assert_string_equal(s.err.message, "no such connector");
        assert_int_equal(session_run(&s, "DESCRIBE t2", NULL), ERR_NOT_FOUND);
    }
    session_do(&s, "ALTER TABLE t SET ('connector' = 'x')");
    /* Views and models have none. */
    session_do(&s, "CREATE VIEW v AS SELECT a FROM t");
    session_do(&s, "CREATE MODEL m INPUT (a INT) OUTPUT (b INT) WITH ('a' = 'b')");
    session_close(&s);
}

/* Without anybody to ask: what needs nobody works, the rest says so. */
static void test_without_resolver(void **state)
{
    struct session s = {.m = NULL};
    const struct sql_manager_options options = {.catalog = "cat", .database = "db"};
    assert_int_equal(sql_manager_new(&options, &s.m, &s.err), 0);
    session_do(&s, "CREATE TABLE t (a INT, PRIMARY KEY (a) NOT ENFORCED)");
    session_do(&s, "CREATE TABLE cat.db.u LIKE t");
    assert_int_equal(session_run(&s, "CREATE TABLE x (a INT, b AS a)", NULL), ERR_UNSUPPORTED);
    assert_int_equal(session_run(&s, "CREATE VIEW v AS SELECT 1", NULL), ERR_UNSUPPORTED);
    session_do(&s, "SHOW FUNCTIONS");
    session_close(&s);
}

/* ---- others' statements ------------------------------------------------------------------------------------ */

static void test_takes(void **state)
{
    static const struct {
        const char *text;
        bool is_taken;
    } rows[] = {
        {"CREATE TABLE t (a INT)", true},
        {"CREATE TABLE t AS SELECT 1", false},
        {"SHOW TABLES", true},
        {"SHOW JOBS", false},
        {"DESCRIBE JOB 'x'", false},
        {"DESCRIBE t", true},
        {"SELECT 1", false},
        {"INSERT INTO t SELECT 1", false},
        {"EXPLAIN SELECT 1", false},
        {"SET 'a' = 'b'", false},
        {"TRUNCATE TABLE t", false},
        {"ANALYZE TABLE t COMPUTE STATISTICS", false},
        {"ADD JAR 'x'", true},
        {"USE MODULES core", true},
    };
    struct session s;
    session_open(&s, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct sql_statement *statement = NULL;
        struct sql_result *r = NULL;
        arena_init(&arena, 0);
        if (sql_parse_statement(slice_cstr(rows[i].text), &arena, &statement, NULL, &s.err) < 0) {
            fail_msg("%s: %s", rows[i].text, s.err.message);
        }
        if (sql_catalog_takes(statement) != rows[i].is_taken) {
            fail_msg("%s", rows[i].text);
        }
        if (!rows[i].is_taken) {
            assert_int_equal(
                sql_catalog_execute(s.m, slice_cstr(rows[i].text), statement, &r, NULL, &s.err),
                ERR_STATE);
        }
        arena_fini(&arena);
    }
    session_close(&s);
}

static void test_create_as(void **state)
{
    const char *text = "CREATE TABLE t (b INT, c AS b) AS SELECT 1 AS a, 'x' AS b";
    struct session s;
    struct arena arena;
    struct sql_statement *statement = NULL;
    struct sql_created made;
    session_open(&s, NULL);
    arena_init(&arena, 0);
    assert_int_equal(sql_parse_statement(slice_cstr(text), &arena, &statement, NULL, &s.err), 0);
    assert_int_equal(
        sql_catalog_create_as(s.m, slice_cstr(text), statement, &made, &s.place, &s.err), 0);
    assert_string_equal(made.id.name, "t");
    assert_int_equal(made.table->n_columns, 3);
    assert_int_equal(sql_table_find(made.table, "b")->type->id, TYPE_INTEGER);
    sql_created_fini(&made);
    session_do(&s, "DESCRIBE t");
    assert_int_equal(
        sql_catalog_create_as(s.m, slice_cstr(text), statement, &made, &s.place, &s.err),
        ERR_ALREADY_EXISTS);
    assert_int_equal(s.place.span.start, 13);
    arena_fini(&arena);
    session_close(&s);
}

/* ---- limits, statistics ---------------------------------------------------------------------------------------- */

static void test_long_names(void **state)
{
    struct session s;
    static const char *const formats[] = {
        "CREATE TABLE %s (a INT)",
        "CREATE DATABASE %s",
        "USE CATALOG %s",
        "CREATE TABLE t (%s INT)",
        "ALTER TABLE good RENAME a TO %s",
        "DESCRIBE %s",
    };
    char name[SQL_OBJECT_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[SQL_OBJECT_NAME_MAX + 1] = '\0';
    session_open(&s, NULL);
    session_do(&s, "CREATE TABLE good (a INT)");
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        STR_AUTO text = STR_INIT;
        const char *mark = strstr(formats[i], "%s");
        str_append(&text, formats[i], (size_t)(mark - formats[i]));
        str_append_cstr(&text, name);
        str_append_cstr(&text, mark + 2);
        int rc = session_run(&s, str_cstr(&text), NULL);
        if (rc != ERR_TOO_LARGE) {
            fail_msg("%s is %d: %s", formats[i], rc, s.err.message);
        }
    }
    session_close(&s);
}

static void test_many_columns(void **state)
{
    struct session s;
    STR_AUTO text = STR_INIT;
    session_open(&s, NULL);
    str_append_cstr(&text, "CREATE TABLE wide (c0 INT");
    for (int i = 1; i < SCHEMA_FIELDS_MAX; i++) {
        str_printf(&text, ", c%d INT", i);
    }
    STR_AUTO more = STR_INIT;
    str_append_slice(&more, str_slice(&text));
    str_append_char(&text, ')');
    session_do(&s, str_cstr(&text));
    str_append_cstr(&more, ", one_more INT)");
    assert_int_equal(session_run(&s, str_cstr(&more), NULL), ERR_TOO_LARGE);
    assert_int_equal(session_run(&s, "ALTER TABLE wide ADD one_more INT", NULL), ERR_TOO_LARGE);
    session_close(&s);
}

static void test_statistics(void **state)
{
    struct session s;
    struct sql_catalog *c = NULL;
    struct sql_table_statistics read, set = {10, 2, 300, 400};
    session_open(&s, NULL);
    session_do(&s, "CREATE TABLE t (a INT)");
    assert_int_equal(sql_manager_get_catalog(s.m, "default_catalog", &c, &s.err), 0);
    assert_int_equal(c->ops->get_statistics(c, "default_database", "t", &read, &s.err), 0);
    assert_int_equal(read.rows, -1);
    assert_int_equal(c->ops->set_statistics(c, "default_database", "t", &set, &s.err), 0);
    session_do(&s, "ALTER TABLE t RENAME TO u");
    assert_int_equal(c->ops->get_statistics(c, "default_database", "u", &read, &s.err), 0);
    assert_int_equal(read.rows, 10);
    assert_int_equal(read.raw_bytes, 400);
    assert_int_equal(c->ops->get_statistics(c, "default_database", "t", &read, &s.err),
                     ERR_NOT_FOUND);
    session_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_by_name),
        cmocka_unit_test(test_functions_by_name),
        cmocka_unit_test(test_connectors_check),
        cmocka_unit_test(test_without_resolver),
        cmocka_unit_test(test_takes),
        cmocka_unit_test(test_create_as),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
