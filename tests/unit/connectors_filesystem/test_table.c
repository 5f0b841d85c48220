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

static void expect_bad_sink(const char *const *options, int code, const char *part)
{
    static const uint32_t keys[] = {2};
    struct error err = ERROR_INIT;
    struct table_fixture f;
    struct table_node node = {.kind = NULL};
    struct arena arena;
    struct table_write write = {.kinds = TABLE_INSERT};
    expect_ok(table_fixture_open(&f, SCHEMA, options, &err), &err);
    f.table.partition_keys = keys;
    f.table.n_partition_keys = 1;
    arena_init(&arena, 0);
    expect_error(table_plan_sink(&f.table, &write, &arena, &node, &err), code, &err, part);
    arena_fini(&arena);
    table_fixture_fini(&f);
}

#define SINK "connector", "filesystem", "path", "/tmp/x", "format", "json"
#define POLICY "sink.partition-commit.policy.kind"

static void bad_sinks(void **state)
{
    (void)state;
    expect_bad_sink(PAIRS(SINK, POLICY, "metastore,success-file"), ERR_INVALID_CONFIG, "Hive");
    expect_bad_sink(PAIRS(SINK, POLICY, "custom"), ERR_INVALID_CONFIG, "Java class");
    expect_bad_sink(PAIRS(SINK, POLICY, "success"), ERR_INVALID_CONFIG, "'success' is no policy");
    expect_bad_sink(
        PAIRS(SINK, POLICY, "success-file", "sink.partition-commit.success-file.name", "a/b"),
        ERR_INVALID_CONFIG, "success-file.name");
    expect_bad_sink(PAIRS(SINK, POLICY, "success-file", "partition.time-extractor.kind", "custom"),
                    ERR_INVALID_CONFIG, "partition.time-extractor.kind");
    expect_bad_sink(PAIRS(SINK, POLICY, "success-file", "sink.partition-commit.trigger",
                          "partition-time", "sink.partition-commit.watermark-time-zone", "Nowhere"),
                    ERR_NOT_FOUND, "sink.partition-commit.watermark-time-zone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tables),
        cmocka_unit_test(bad_tables),
        cmocka_unit_test(who_reads_watermarks),
        cmocka_unit_test(bad_sinks),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
