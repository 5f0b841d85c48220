/* Options of a filesystem table, and what is wrong with them. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/registry/registry.h"

#define SCHEMA "ROW<a INT, b STRING, dt STRING>"

static int set_up(void **state)
{
    (void)state;
    connectors_register();
    return 0;
}

static void good_tables(void **state)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;
    (void)state;
    expect_ok(table_fixture_open(&f, SCHEMA,
                                 PAIRS("connector", "filesystem", "path", "/tmp/x", "format",
                                       "json", "json.ignore-parse-errors", "true",
                                       "source.monitor-interval", "1 s"),
                                 &err),
              &err);
    assert_false(f.table.connector->source->is_bounded(&f.table));
    table_fixture_fini(&f);
}

static void bad_tables(void **state)
{
    (void)state;
    expect_bad_table(SCHEMA, PAIRS("connector", "filesystem", "format", "json"), ERR_INVALID_CONFIG,
                     "path");
    expect_bad_table(SCHEMA, PAIRS("connector", "filesystem", "path", "/tmp/x"), ERR_INVALID_CONFIG,
                     "format");
    expect_bad_table(SCHEMA, PAIRS("connector", "filesystem", "path", "/tmp/x", "format", "jsn"),
                     ERR_NOT_FOUND, "did you mean 'json'");
    expect_bad_table(SCHEMA,
                     PAIRS("connector", "filesystem", "path", "/tmp/x", "format", "json",
                           "json.ignore-parse-error", "true"),
                     ERR_INVALID_CONFIG, "json.ignore-parse-errors");
    expect_bad_table(SCHEMA,
                     PAIRS("connector", "filesystem", "path", "/tmp/x", "format", "json",
                           "json.ignore-parse-errors", "perhaps"),
                     ERR_INVALID_CONFIG, "json.ignore-parse-errors");
    expect_bad_table(SCHEMA,
                     PAIRS("connector", "filesystem", "path", "/tmp/x", "format", "json",
                           "source.path.regex-pattern", "*("),
                     ERR_INVALID_CONFIG, "source.path.regex-pattern");
}

static bool reads_watermarks(const char *const *options)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;
    expect_ok(table_fixture_open(&f, SCHEMA, options, &err), &err);
    bool reads = table_sink_reads_watermarks(&f.table);
    table_fixture_fini(&f);
    return reads;
}

static void who_reads_watermarks(void **state)
{
    (void)state;
    assert_false(
        reads_watermarks(PAIRS("connector", "filesystem", "path", "/tmp/x", "format", "json")));
    assert_false(
        reads_watermarks(PAIRS("connector", "filesystem", "path", "/tmp/x", "format", "json",
                               "sink.partition-commit.policy.kind", "success-file")));
    assert_true(reads_watermarks(PAIRS("connector", "filesystem", "path", "/tmp/x", "format",
                                       "json", "sink.partition-commit.policy.kind", "success-file",
                                       "sink.partition-commit.trigger", "partition-time")));
}

static void what_is_not_there_yet(void **state)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;
    struct table_node node;
    struct arena arena;
    struct table_write write = {.kinds = TABLE_INSERT};
    (void)state;
    expect_ok(table_fixture_open(&f, SCHEMA,
                                 PAIRS("connector", "filesystem", "path", "/tmp/x", "format",
                                       "json", "sink.partition-commit.policy.kind", "success-file"),
                                 &err),
              &err);
    arena_init(&arena, 0);
    expect_error(table_plan_sink(&f.table, &write, &arena, &node, &err), ERR_UNSUPPORTED, &err,
                 "not supported yet: 'sink.partition-commit.policy.kind'");
    arena_fini(&arena);
    table_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tables),
        cmocka_unit_test(bad_tables),
        cmocka_unit_test(who_reads_watermarks),
        cmocka_unit_test(what_is_not_there_yet),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
