/* Completion: names of the session, keywords, keys and values between quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "client/sqlclient/complete.h"

static struct shell shell;

static void run(const char *text)
{
    assert_int_equal(shell_run_statement(&shell, slice_cstr(text)), 0);
}

/* The words that are offered, "a b c", or those that are only shown, in brackets. */
static void check(const char *before, const char *expected, const char *tail)
{
    struct completion c;
    STR_AUTO text = STR_INIT;
    completion_find(&shell, slice_cstr(before), &c);
    for (size_t i = 0; i < c.words.n; i++) {
        str_printf(&text, "%s%s", i > 0 ? " " : "", c.words.items[i]);
    }
    for (size_t i = 0; i < c.others.n && c.words.n == 0; i++) {
        str_printf(&text, "[%s]", c.others.items[i]);
    }
    assert_string_equal(str_cstr(&text), expected);
    if (tail != NULL) {
        assert_string_equal(c.tail, tail);
    }
    completion_fini(&c);
}

static void test_names(void **state)
{
    (void)state;
    check("SELECT tempera", "temperature", " ");
    check("DESCRIBE meas", "measurements", " ");
    check("selec", "select", " ");
    check("SELECT 'selec", "", NULL); /* a string */
}

static void test_options_of_tables(void **state)
{
    (void)state;
    check("CREATE TABLE t (a INT) WITH ('conn", "connector", "' = '");
    check("CREATE TABLE t (a INT) WITH ('connector' = 'datag", "datagen", "'");
    check("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'number", "number-of-rows",
          "' = '");
    check("CREATE TABLE t (a INT) WITH (\n  'connector' = 'datagen',\n  'row", "rows-per-second",
          NULL);
    check("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', 'row",
          "[number-of-rows]", NULL); /* the other one was given */
    check("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'per-sec", "[rows-per-second]",
          NULL);
    check("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'numbr-of-row", "[number-of-rows]",
          NULL);
    check("CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'js", "json", "'");
    check("CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'csv.field",
          "csv.field-delimiter", NULL);
    check("SELECT * FROM t /*+ OPTIONS('conn", "connector", NULL);
    check("SELECT ('conn", "", NULL);
}

static void test_keys_of_the_session(void **state)
{
    (void)state;
    check("SET 'table.dml-s", "table.dml-sync", "' = '");
    check("SET 'table.dml-sync' = 't", "true", "'");
    check("SET 'sql-client.execution.result-mode' = 'tableau", "TABLEAU", NULL);
    check("SHOW TABLES; RESET 'table.dml-s", "table.dml-sync", "'");
}

int main(void)
{
    static const struct sqlclient_options options = {.only_check = true};
    const struct sql_session_options o = {.only_check = true};
    struct error err = ERROR_INIT;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_options_of_tables),
        cmocka_unit_test(test_keys_of_the_session),
    };
    shell = (struct shell){.options = &options};
    shell.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    interrupt_install();
    if (sql_session_new(&o, &shell.session, &err) < 0) {
        return 1;
    }
    run("CREATE TABLE measurements (temperature INT) WITH ('connector' = 'datagen')");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sql_session_free(shell.session);
    buffer_pool_close(shell.pool);
    return failed;
}
