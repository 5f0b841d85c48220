/* Queries as trees: kinds, schemas, errors with their places. */
#include "tests/sql/plan_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct plan_session session;

static void define(const char *text)
{
    struct arena arena;
    struct sql_statement *s;
    struct sql_error_place place;
    struct sql_result *r = NULL;
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    int rc = sql_parse_statement(slice_cstr(text), &arena, &s, &place, &err);
    rc = rc == 0 ? plan_session_execute(&session, slice_cstr(text), s, &r, &place, &err) : rc;
    if (rc < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    sql_result_free(r);
    arena_fini(&arena);
}

static int setup(void **state)
{
    plan_session_init(&session);
    define("CREATE TABLE t (a INT NOT NULL, b STRING, c BIGINT, d AS c + 1) WITH ('connector' = "
           "'datagen', 'number-of-rows' = '10')");
    define("CREATE TABLE u (k INT, v DECIMAL(10, 2)) WITH ('connector' = 'datagen', "
           "'number-of-rows' = '10')");
    define("CREATE TABLE sink (a INT, b STRING) WITH ('connector' = 'blackhole')");
    return 0;
}

static int teardown(void **state)
{
    plan_session_fini(&session);
    return 0;
}

/* The schema of the query's result, as text. */
static void expect_schema(const char *text, const char *schema)
{
    struct arena arena;
    struct sql_statement *s;
    struct sql_error_place place;
    struct error err = ERROR_INIT;
    const struct rel *r = NULL;
    STR_AUTO shown = STR_INIT;
    arena_init(&arena, 0);
    struct sql_plan *p = plan_session_new_plan(&session);
    int rc = sql_parse_statement(slice_cstr(text), &arena, &s, &place, &err);
    rc = rc == 0 ? sql_plan_query(p, s->query, slice_cstr(text), &r, &place, &err) : rc;
    if (rc < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    schema_print(r->schema, &shown);
    assert_string_equal(str_cstr(&shown), schema);
    const struct rel *root = sql_plan_collect(p, r), *made = NULL;
    rc = sql_plan_optimize(p, &root, 1, &made, &err);
    if (rc < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    /* Optimized, it has the same columns. */
    assert_int_equal(made->inputs[0]->schema->n_fields, r->schema->n_fields);
    for (uint32_t i = 0; i < r->schema->n_fields; i++) {
        assert_int_equal(made->inputs[0]->schema->fields[i].type->id,
                         r->schema->fields[i].type->id);
    }
    sql_plan_free(p);
    arena_fini(&arena);
}

static void expect_error(const char *text, int code, uint32_t at, const char *message)
{
    struct sql_error_place place = {{0, 0}};
    struct error err = ERROR_INIT;
    int rc = plan_session_plan(&session, text, NULL, &place, &err);
    if (rc != code || strstr(err.message, message) == NULL) {
        fail_msg("%s: %d, %s", text, rc, err.message);
    }
    assert_int_equal(place.span.start, at);
}

static void test_schemas(void **state)
{
    expect_schema("SELECT * FROM t",
                  "ROW<`a` INT NOT NULL, `b` STRING, `c` BIGINT, `d` BIGINT> NOT NULL");
    expect_schema("SELECT a, a FROM t", "ROW<`a` INT NOT NULL, `a0` INT NOT NULL> NOT NULL");
    expect_schema("SELECT a + 1, 'x' AS y FROM t",
                  "ROW<`EXPR$0` INT NOT NULL, `y` CHAR(1) NOT NULL> NOT NULL");
}

static void test_nullability(void **state)
{
    expect_schema("SELECT COUNT(*) AS n, MAX(a) AS m FROM t",
                  "ROW<`n` BIGINT NOT NULL, `m` INT> NOT NULL");
    expect_schema("SELECT t.a, x.a FROM t LEFT JOIN t AS x ON t.a = x.a",
                  "ROW<`a` INT NOT NULL, `a0` INT> NOT NULL");
    expect_schema("SELECT t.a, x.a FROM t FULL JOIN t AS x ON t.a = x.a",
                  "ROW<`a` INT, `a0` INT> NOT NULL");
    expect_schema("SELECT a + 1 AS k, COUNT(*) AS n, GROUPING(a + 1) AS g FROM t GROUP BY "
                  "ROLLUP(a + 1)",
                  "ROW<`k` INT, `n` BIGINT NOT NULL, `g` BIGINT NOT NULL> NOT NULL");
    expect_schema("SELECT a, (SELECT COUNT(*) FROM u WHERE k = a) AS n FROM t",
                  "ROW<`a` INT NOT NULL, `n` BIGINT> NOT NULL");
    expect_schema("SELECT a IN (SELECT k FROM u) AS x, EXISTS (SELECT 1 FROM u) AS y FROM t",
                  "ROW<`x` BOOLEAN, `y` BOOLEAN NOT NULL> NOT NULL");
    expect_schema("SELECT * FROM t JOIN u ON a = k WHERE a NOT IN (SELECT k FROM u)",
                  "ROW<`a` INT NOT NULL, `b` STRING, `c` BIGINT, `d` BIGINT, `k` INT, `v` "
                  "DECIMAL(10, 2)> NOT NULL");
}

static void test_aggregates(void **state)
{
    expect_error("SELECT b, COUNT(*) FROM t GROUP BY a", ERR_INVALID_ARGUMENT, 7,
                 "Expression 'b' is not being grouped");
    expect_error("SELECT 1 FROM t WHERE COUNT(*) > 1", ERR_INVALID_ARGUMENT, 22,
                 "Aggregate expression is illegal in WHERE clause");
    expect_error("SELECT SUM(COUNT(*)) FROM t", ERR_INVALID_ARGUMENT, 11,
                 "Aggregate expressions cannot be nested");
    expect_error("SELECT ROW_NUMBER() FROM t", ERR_INVALID_ARGUMENT, 7, "OVER clause is necessary");
}

static void test_streaming(void **state)
{
    define("SET 'execution.runtime-mode' = 'STREAMING'");
    define("CREATE TABLE s (a INT) WITH ('connector' = 'datagen')");
    assert_int_equal(plan_session_plan(&session, "SELECT a + 1 FROM s", NULL, NULL, NULL), 0);
    expect_error("SELECT a, COUNT(*) FROM s GROUP BY a", ERR_UNSUPPORTED, 0,
                 "not supported yet: GROUP BY and aggregates over unbounded input (set "
                 "'execution.runtime-mode' = 'batch' when the input is bounded)");
    define("SET 'execution.runtime-mode' = 'BATCH'");
    expect_error("SELECT a FROM s", ERR_INVALID_ARGUMENT, 0,
                 "Querying an unbounded table 'default_catalog.default_database.s' in batch mode "
                 "is not allowed. The table source is unbounded.");
}

static void test_errors(void **state)
{
    expect_error("SELECT * FROM nope", ERR_NOT_FOUND, 14, "was not found");
    expect_error("SELECT q FROM t", ERR_NOT_FOUND, 7, "Column 'q' not found in any table");
    expect_error("SELECT 1 FROM t WHERE a", ERR_INVALID_ARGUMENT, 22, "WHERE clause must be");
    expect_error("INSERT INTO sink SELECT b, a FROM t", ERR_INVALID_ARGUMENT, 17,
                 "Column types of query result and sink for "
                 "'default_catalog.default_database.sink' do not match.\nCause: Incompatible types "
                 "for sink column 'a' at position 0.");
    expect_error("INSERT INTO sink SELECT a FROM t", ERR_INVALID_ARGUMENT, 17,
                 "Cause: Different number of columns.");
    expect_error("INSERT INTO sink (a, x) SELECT a, b FROM t", ERR_NOT_FOUND, 21,
                 "Unknown target column 'x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas),    cmocka_unit_test(test_nullability),
        cmocka_unit_test(test_aggregates), cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
