/* Statements of a session with an executor that runs nothing: answers, settings, statement sets, what is undone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "sql/session/cells.h"
#include "tests/unit/sql_session/fake_executor.h"

struct fixture {
    struct fake_executor executor;
    struct conf conf;
    struct sql_session *s;
    struct buffer_pool *pool;
    struct sql_answer *a; /* the last one */
    struct error err;
    struct sql_error_place place;
};

static void fixture_open(struct fixture *f, bool only_check)
{
    *f = (struct fixture){.s = NULL};
    fake_executor_init(&f->executor);
    conf_init(&f->conf, NULL);
    f->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    assert_int_equal(conf_set(&f->conf, "parallelism.default", "2", NULL), 0);
    assert_int_equal(conf_set(&f->conf, "table.local-time-zone", "UTC", NULL), 0);
    const struct sql_session_options o = {
        .conf = &f->conf, .executor = &f->executor.base, .only_check = only_check};
    if (sql_session_new(&o, &f->s, &f->err) < 0) {
        fail_msg("%s", f->err.message);
    }
}

static void fixture_close(struct fixture *f)
{
    f->a = sql_answer_close(f->a);
    sql_session_free(f->s);
    conf_fini(&f->conf);
    fake_executor_fini(&f->executor);
    assert_int_equal(buffer_pool_out_count(f->pool), 0);
    buffer_pool_close(f->pool);
}

static int execute(struct fixture *f, const char *text)
{
    struct arena arena;
    struct sql_statement *statement = NULL;
    f->a = sql_answer_close(f->a);
    error_clear(&f->err);
    arena_init(&arena, 0);
    int rc = sql_parse_statement(slice_cstr(text), &arena, &statement, &f->place, &f->err);
    rc = rc < 0 ? rc
                : sql_session_execute(f->s, slice_cstr(text), statement, &f->a, &f->place, &f->err);
    arena_fini(&arena);
    return rc;
}

static void run(struct fixture *f, const char *text)
{
    if (execute(f, text) < 0) {
        fail_msg("%s: %s", text, f->err.message);
    }
}

static void refuse(struct fixture *f, const char *text, const char *message)
{
    if (execute(f, text) >= 0) {
        fail_msg("%s: executed", text);
    }
    if (strstr(f->err.message, message) == NULL) {
        fail_msg("%s: %s", text, f->err.message);
    }
    assert_true(f->place.span.end > f->place.span.start);
}

/* All rows of the last answer: cells with blanks between, rows with ';' behind. */
static const char *rows_of(struct fixture *f, struct str *out)
{
    struct sql_cells *cells = NULL;
    struct batch *page = NULL, *strings = NULL;
    str_clear(out);
    assert_int_equal(sql_cells_new(f->a->schema, sql_session_zone(f->s), &cells, &f->err), 0);
    while (sql_answer_next(f->a, 0, &page, &f->err) == SQL_FETCHED_ROWS) {
        assert_int_equal(sql_cells_print(cells, f->pool, page, &strings, &f->err), 0);
        (void)batch_unref(page);
        for (uint32_t i = 0; strings != NULL && i < strings->n_sel; i++) {
            for (uint32_t k = 0; k < strings->n_columns; k++) {
                const struct column *c = &strings->columns[k];
                uint32_t row = batch_row(strings, i);
                struct slice text =
                    column_is_null(c, row) ? slice_cstr("NULL") : column_get_bytes(c, row);
                str_append_cstr(out, k > 0 ? " " : "");
                str_append_slice(out, text);
            }
            str_append_char(out, ';');
        }
        strings = batch_unref(strings);
    }
    sql_cells_free(cells);
    return str_cstr(out);
}

static void test_ddl(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, false);
    run(&f, "CREATE TABLE t (a INT, b AS a + 1, c TIMESTAMP(3), WATERMARK FOR c AS c - INTERVAL "
            "'1' SECOND) WITH ('connector' = 'print')");
    assert_int_equal(f.a->kind, SQL_ANSWER_OK);
    assert_string_equal(rows_of(&f, &out), "OK;");
    run(&f, "SHOW TABLES");
    assert_int_equal(f.a->kind, SQL_ANSWER_TABLE);
    assert_string_equal(f.a->schema->fields[0].name, "table name");
    assert_string_equal(rows_of(&f, &out), "t;");
    run(&f, "SHOW COLUMNS FROM t LIKE 'b'");
    assert_string_equal(rows_of(&f, &out), "b INT TRUE NULL AS `a` + 1 NULL;");
    fixture_close(&f);
}

/* The real resolver: types by the planner, options by the connector, functions by the table. */
static void test_resolver(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, false);
    refuse(&f, "CREATE TABLE t (a INT, b AS nope + 1) WITH ('connector' = 'print')", "nope");
    refuse(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'print', 'standart-error' = 'true')",
           "standard-error");
    refuse(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'print', 'standard-error' = 'maybe')",
           "standard-error");
    run(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'not-there-yet', 'x' = 'y')");
    run(&f, "CREATE TABLE g (a INT) WITH ('connector' = 'datagen')");
    run(&f, "CREATE VIEW v (x) AS SELECT a + 1 FROM g");
    run(&f, "DESCRIBE v");
    assert_non_null(strstr(rows_of(&f, &out), "x INT TRUE"));
    refuse(&f, "CREATE VIEW w AS SELECT nope FROM g", "nope");
    run(&f, "SHOW FUNCTIONS LIKE 'upper'");
    fixture_close(&f);
}

static void test_set(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, false);
    run(&f, "SET 'parallelism.default' = '7'");
    assert_int_equal(conf_int(sql_session_conf(f.s), "parallelism.default"), 7);
    refuse(&f, "SET 'parallelism.default' = 'many'", "parallelism.default");
    assert_int_equal(conf_int(sql_session_conf(f.s), "parallelism.default"), 7);
    refuse(&f, "SET 'table.local-time-zone' = 'Europe/Nowhere'", "Europe/Nowhere");
    assert_string_equal(conf_string(sql_session_conf(f.s), "table.local-time-zone"), "UTC");
    run(&f, "SET 'my.own-key' = 'v'");
    assert_string_equal(conf_raw(sql_session_conf(f.s), "my.own-key"), "v");
    run(&f, "SET 'parallelism.defualt' = '3'");
    assert_int_equal(f.a->notes.n, 1);
    assert_non_null(strstr(f.a->notes.items[0], "parallelism.default"));
    run(&f, "SET 'my.password' = 'secret'");
    run(&f, "SET");
    assert_string_equal(rows_of(&f, &out), "my.own-key v;my.password ******;parallelism.default 7;"
                                           "parallelism.defualt 3;table.local-time-zone UTC;");
    run(&f, "RESET 'parallelism.default'");
    assert_int_equal(conf_int(sql_session_conf(f.s), "parallelism.default"), 2);
    run(&f, "RESET");
    run(&f, "SET");
    assert_string_equal(rows_of(&f, &out), "parallelism.default 2;table.local-time-zone UTC;");
    fixture_close(&f);
}

static void test_query(void **state)
{
    struct fixture f;
    struct batch *page = NULL;
    (void)state;
    fixture_open(&f, false);
    run(&f, "SELECT 1 AS a, 'x' AS b");
    assert_int_equal(f.a->kind, SQL_ANSWER_QUERY);
    assert_true(f.a->is_streaming && f.a->has_job);
    assert_string_equal(f.a->schema->fields[1].name, "b");
    assert_string_equal(fake_executor_graph(&f.executor, 0)->name, "collect");
    assert_int_equal(f.executor.n_rows_open, 1);
    assert_int_equal(sql_answer_next(f.a, 0, &page, &f.err), SQL_FETCHED_NOTHING);
    f.a = sql_answer_close(f.a);
    assert_int_equal(f.executor.n_cancelled, 1);
    run(&f, "SET 'execution.runtime-mode' = 'batch'");
    run(&f, "SELECT 1");
    assert_false(f.a->is_streaming);
    assert_int_equal(sql_answer_next(f.a, 0, &page, &f.err), SQL_FETCHED_NOTHING);
    assert_int_equal(sql_answer_next(f.a, 0, &page, &f.err), SQL_FETCHED_END);
    assert_int_equal(sql_answer_next(f.a, 0, &page, &f.err), SQL_FETCHED_END);
    run(&f, "SET 'execution.runtime-mode' = 'automatic'");
    refuse(&f, "SELECT 1", "execution.runtime-mode");
    fixture_close(&f);
}

static bool has_setting(const Flinc__JobGraph *g, const char *key, const char *value)
{
    for (size_t i = 0; i < g->n_config; i++) {
        if (strcmp(g->config[i]->key, key) == 0) {
            return strcmp(g->config[i]->value, value) == 0;
        }
    }
    return false;
}

static void test_insert(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, false);
    run(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')");
    run(&f, "SET 'execution.checkpointing.interval' = '5 s'");
    run(&f, "SET 'rest.port' = '1'");
    run(&f, "INSERT INTO t VALUES 1");
    const Flinc__JobGraph *g = fake_executor_graph(&f.executor, 0);
    assert_int_equal(f.a->kind, SQL_ANSWER_JOB);
    assert_string_equal(g->name, "insert-into_default_catalog.default_database.t");
    assert_true(has_setting(g, "execution.checkpointing.interval", "5 s"));
    assert_false(has_setting(g, "rest.port", "1"));
    assert_string_equal(f.a->schema->fields[0].name, "job id");
    STR_AUTO expected = STR_INIT;
    str_printf(&expected, "%s;", f.a->job);
    assert_string_equal(rows_of(&f, &out), str_cstr(&expected));
    f.executor.wait_rc = 1;
    assert_int_equal(sql_answer_wait(f.a, 0, &f.err), 1);
    f.executor.wait_rc = ERR_USER_CODE;
    assert_int_equal(sql_answer_wait(f.a, 0, &f.err), ERR_USER_CODE);
    f.executor.fail_submit = ERR_LIMIT;
    assert_int_equal(execute(&f, "INSERT INTO t VALUES 1"), ERR_LIMIT);
    fixture_close(&f);
}

static void test_statement_sets(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f, false);
    run(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')");
    run(&f, "CREATE TABLE u (a INT) WITH ('connector' = 'blackhole')");
    refuse(&f, "END", "No Statement Set to submit");
    run(&f, "BEGIN STATEMENT SET");
    assert_true(sql_session_is_in_set(f.s));
    run(&f, "INSERT INTO t VALUES 1");
    run(&f, "INSERT INTO u VALUES 2;");
    refuse(&f, "SELECT 1", "Only INSERT statement is allowed in Statement Set.");
    refuse(&f, "INSERT INTO nope VALUES 1", "nope");
    assert_int_equal(f.executor.graphs.len, 0);
    run(&f, "END");
    assert_false(sql_session_is_in_set(f.s));
    assert_int_equal(f.executor.graphs.len, 1);
    assert_string_equal(fake_executor_graph(&f.executor, 0)->name,
                        "insert-into_default_catalog.default_database.t,default_catalog.default_"
                        "database.u");
    run(&f, "BEGIN STATEMENT SET");
    run(&f, "END"); /* nothing was added */
    assert_int_equal(f.executor.graphs.len, 1);
    run(&f, "EXECUTE STATEMENT SET BEGIN INSERT INTO t VALUES 1; INSERT INTO u VALUES 2; END");
    assert_int_equal(f.executor.graphs.len, 2);
    fixture_close(&f);
}

static void test_create_as(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, false);
    run(&f, "CREATE TABLE t WITH ('connector' = 'blackhole') AS SELECT 1 AS a, 'x' AS b");
    assert_int_equal(f.a->kind, SQL_ANSWER_JOB);
    run(&f, "SHOW TABLES");
    assert_string_equal(rows_of(&f, &out), "t;");
    run(&f, "CREATE TABLE IF NOT EXISTS t WITH ('connector' = 'blackhole') AS SELECT 1 AS a");
    assert_int_equal(f.a->kind, SQL_ANSWER_OK);
    f.executor.fail_submit = ERR_LIMIT;
    assert_int_equal(
        execute(&f, "CREATE TABLE u WITH ('connector' = 'blackhole') AS SELECT 1 AS a"), ERR_LIMIT);
    run(&f, "SHOW TABLES"); /* it went again */
    assert_string_equal(rows_of(&f, &out), "t;");
    fixture_close(&f);
}

static void test_jobs(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    STR_AUTO text = STR_INIT;
    char job[ID_HEX_LEN + 1];
    (void)state;
    fixture_open(&f, false);
    run(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')");
    run(&f, "INSERT INTO t VALUES 1");
    memcpy(job, f.a->job, sizeof(job));
    run(&f, "SHOW JOBS");
    str_printf(&text,
               "%s insert-into_default_catalog.default_database.t RUNNING 1970-01-01 "
               "00:00:01.000;",
               job);
    assert_string_equal(rows_of(&f, &out), str_cstr(&text));
    str_clear(&out);
    str_printf(&out, "DESCRIBE JOB '%s'", job);
    char *describe = str_take(&out);
    run(&f, describe);
    mem_free(describe);
    assert_string_equal(rows_of(&f, &out), str_cstr(&text));
    refuse(&f, "DESCRIBE JOB '00000000000000000000000000000000'", "does not exist");
    refuse(&f, "STOP JOB 'x'", "no job id");
    str_clear(&out);
    str_printf(&out, "STOP JOB '%s' WITH SAVEPOINT WITH DRAIN", job);
    char *stop = str_take(&out);
    run(&f, stop);
    mem_free(stop);
    assert_true(f.executor.stop.with_savepoint && f.executor.stop.with_drain);
    assert_string_equal(f.a->schema->fields[0].name, "savepoint path");
    assert_string_equal(rows_of(&f, &out), "file:/savepoints/1;");
    fixture_close(&f);
}

static void test_explain(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, false);
    run(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')");
    run(&f, "EXPLAIN SELECT 1");
    assert_non_null(strstr(rows_of(&f, &out), "== Optimized Execution Plan =="));
    run(&f, "EXPLAIN JSON_EXECUTION_PLAN INSERT INTO t VALUES 1");
    assert_non_null(strstr(rows_of(&f, &out), "== Physical Execution Plan =="));
    run(&f, "EXPLAIN STATEMENT SET BEGIN INSERT INTO t VALUES 1; INSERT INTO t VALUES 2; END");
    run(&f, "EXPLAIN CREATE TABLE u WITH ('connector' = 'blackhole') AS SELECT 1 AS a");
    assert_non_null(strstr(rows_of(&f, &out), "Sink(table=[default_catalog.default_database.u]"));
    refuse(&f, "DESCRIBE u", "doesn't exist");
    run(&f,
        "EXPLAIN CREATE OR REPLACE TABLE t WITH ('connector' = 'blackhole') AS SELECT 'x' AS b");
    assert_non_null(strstr(rows_of(&f, &out), "fields=[b]"));
    run(&f, "DESCRIBE t"); /* the table is as it was */
    assert_non_null(strstr(rows_of(&f, &out), "INT"));
    assert_int_equal(f.executor.graphs.len, 0);
    fixture_close(&f);
}

static void test_not_yet(void **state)
{
    static const char *const statements[] = {"COMPILE PLAN 'x' FOR INSERT INTO t VALUES 1",
                                             "EXECUTE PLAN 'x'"};
    struct fixture f;
    (void)state;
    fixture_open(&f, false);
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        refuse(&f, statements[i], "not supported yet: ");
        assert_int_equal(f.err.code, ERR_UNSUPPORTED);
    }
    refuse(&f, "QUIT", "statement of the SQL shell");
    fixture_close(&f);
}

static void test_check(void **state)
{
    struct fixture f;
    STR_AUTO out = STR_INIT;
    (void)state;
    fixture_open(&f, true);
    run(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')");
    run(&f, "INSERT INTO t VALUES 1");
    assert_int_equal(f.a->kind, SQL_ANSWER_OK);
    run(&f, "SELECT 1");
    run(&f, "CREATE TABLE u WITH ('connector' = 'blackhole') AS SELECT 1 AS a");
    run(&f, "INSERT INTO u SELECT a FROM (VALUES 1) AS v(a)");
    run(&f, "SHOW JOBS");
    assert_string_equal(rows_of(&f, &out), "");
    run(&f, "STOP JOB '00000000000000000000000000000000'");
    refuse(&f, "SELECT nope FROM (VALUES 1) AS v(a)", "nope");
    assert_int_equal(f.executor.graphs.len, 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ddl),       cmocka_unit_test(test_resolver),
        cmocka_unit_test(test_set),       cmocka_unit_test(test_query),
        cmocka_unit_test(test_insert),    cmocka_unit_test(test_statement_sets),
        cmocka_unit_test(test_create_as), cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_explain),   cmocka_unit_test(test_not_yet),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
