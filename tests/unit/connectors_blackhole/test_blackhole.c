/* The blackhole table: all kinds, partitions, overwrite; no options. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/blackhole/blackhole.h"
#include "engine/operators/harness.h"

static void test_sink(void **state)
{
    static const uint32_t keys[] = {0};
    struct error err = ERROR_INIT;
    struct table_fixture f;
    struct table_node node;
    struct arena arena;
    struct harness *h = NULL;

    arena_init(&arena, 0);
    expect_ok(table_connector_register(&connector_blackhole, &err), &err);
    expect_ok(table_fixture_open(&f, "ROW<a INT, b STRING>", PAIRS("connector", "blackhole"), &err),
              &err);
    f.table.partition_keys = keys;
    f.table.n_partition_keys = 1;
    struct table_write write = {.kinds = TABLE_ALL_KINDS, .overwrite = true};
    expect_ok(table_plan_sink(&f.table, &write, &arena, &node, &err), &err);
    assert_string_equal(node.name, "blackhole");
    expect_ok(harness_new(&(struct harness_options){.kind = node.kind,
                                                    .input_schemas = {"ROW<a INT, b STRING>"}},
                          &h, &err),
              &err);
    expect_ok(harness_open(h, &err), &err);
    expect_ok(harness_push_rows(h, 0, "1, a\n-U 2, b\n+U 3, c\n-D 4, NULL", &err), &err);
    harness_free(h);
    expect_error(table_plan_source(&f.table, &TABLE_SCAN_ALL, &arena, &node, &err), ERR_UNSUPPORTED,
                 &err, "Connector 'blackhole' can only be used as a sink");
    table_fixture_fini(&f);
    expect_bad_table("ROW<a INT>", PAIRS("connector", "blackhole", "depth", "1"),
                     ERR_INVALID_CONFIG, "Unsupported options found for 'blackhole'");
    arena_fini(&arena);
    conf_schema_fini(connector_blackhole.options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sink)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
