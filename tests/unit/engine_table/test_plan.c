/* Tables into stream graphs: schemas of scans, abilities, nodes. */
#include "sample_connector.h"

#define ROWS "ROW<a INT NOT NULL, b ROW<c BIGINT NOT NULL, d ROW<e STRING>>, f DOUBLE>"
#define GOOD PAIRS("connector", "sample", "path", "/x", "format", "plain")

static struct table_fixture f;

static void open_table(const char *const *pairs)
{
    struct error err = ERROR_INIT;
    expect_ok(table_fixture_open(&f, ROWS, pairs, &err), &err);
}

static void expect_schema(const struct table_scan *scan, const char *text)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    STR_AUTO shown = STR_INIT;

    expect_ok(table_scan_schema(&f.table, scan, &s, &err), &err);
    schema_print(s, &shown);
    assert_string_equal(str_cstr(&shown), text);
    schema_unref(s);
}

static void test_schema(void **state)
{
    static const char *const metadata[] = {"time", "offset"};
    static const struct table_path paths[] = {{1, {2}}, {2, {1, 0}}, {3, {1, 1, 0}}};

    open_table(GOOD);
    expect_schema(&TABLE_SCAN_ALL, "ROW<`a` INT NOT NULL, `b` ROW<`c` BIGINT NOT NULL, `d` ROW<`e` "
                                   "STRING>>, `f` DOUBLE> NOT NULL");
    expect_schema(
        &(struct table_scan){
            .columns = paths, .n_columns = 3, .metadata = metadata, .n_metadata = 2},
        "ROW<`f` DOUBLE, `b.c` BIGINT, `b.d.e` STRING, `time` TIMESTAMP_LTZ(3), `offset` "
        "BIGINT NOT NULL> NOT NULL");
    expect_schema(&(struct table_scan){.columns = paths, .n_columns = 1},
                  "ROW<`f` DOUBLE> NOT NULL");
    table_fixture_fini(&f);
}

static void expect_bad_scan(const struct table_scan *scan, int code, const char *part)
{
    struct error err = ERROR_INIT;
    struct stream_graph g;
    struct stream_node *node = NULL;

    stream_graph_init(&g);
    expect_error(table_add_source(&g, &f.table, scan, &node, &err), code, &err, part);
    expect_error(code, code, &err, "Unable to create a source for reading table 'c.d.t'");
    assert_int_equal(g.nodes.len, 0);
    stream_graph_fini(&g);
}

static void test_bad_scans(void **state)
{
    static const char *const metadata[] = {"nothing"};
    static const struct table_path none[] = {{1, {3}}}, deep[] = {{2, {0, 0}}},
                                   empty[] = {{0, {0}}};
    const struct table_watermark watermark = {0, 0, 0};

    open_table(GOOD);
    expect_bad_scan(&(struct table_scan){.columns = none, .n_columns = 1}, ERR_INVALID_ARGUMENT,
                    "no such column");
    expect_bad_scan(&(struct table_scan){.columns = deep, .n_columns = 1}, ERR_INVALID_ARGUMENT,
                    "no such column");
    expect_bad_scan(&(struct table_scan){.columns = empty, .n_columns = 1}, ERR_INVALID_ARGUMENT,
                    "no such column");
    expect_bad_scan(&(struct table_scan){.metadata = metadata, .n_metadata = 1},
                    ERR_INVALID_ARGUMENT, "no metadata key 'nothing' to read");
    expect_bad_scan(&(struct table_scan){.has_limit = true}, ERR_UNSUPPORTED,
                    "source of connector 'sample' does not support limits");
    expect_bad_scan(&(struct table_scan){.watermark = &watermark}, ERR_UNSUPPORTED,
                    "does not support watermarks");
    table_fixture_fini(&f);
}

static void test_source(void **state)
{
    struct error err = ERROR_INIT;
    struct stream_graph g;
    struct stream_node *node = NULL;

    open_table(PAIRS("connector", "sample", "path", "/x", "format", "plain", "scan.parallelism",
                     "3", "interval", "1 s"));
    stream_graph_init(&g);
    expect_ok(table_add_source(&g, &f.table, &TABLE_SCAN_ALL, &node, &err), &err);
    assert_string_equal(node->kind, "sample.source");
    assert_string_equal(node->name, "sample");
    assert_string_equal(node->coordinator, "sample.splits");
    assert_int_equal(node->parallelism, 3);
    assert_false(node->bounded);
    assert_memory_equal(node->config, "abc", 3);
    assert_true(schema_equals(VEC_AT(&node->outputs, struct stream_output, 0)->schema, f.schema));
    stream_graph_fini(&g);
    table_fixture_fini(&f);
}

static void expect_bad_write(const struct table_write *write, const char *part)
{
    struct error err = ERROR_INIT;
    struct stream_graph g;
    struct stream_node *node = NULL;

    stream_graph_init(&g);
    int rc = table_add_sink(&g, &f.table, write, &node, &err);
    assert_true(rc < 0);
    expect_error(rc, rc, &err, part);
    expect_error(rc, rc, &err, "Unable to create a sink for writing table 'c.d.t'");
    stream_graph_fini(&g);
}

static void test_sink(void **state)
{
    static const char *const offset[] = {"offset"}, *const time[] = {"time"};
    static const uint32_t keys[] = {0};
    struct error err = ERROR_INIT;
    struct stream_graph g;
    struct stream_node *node = NULL;

    open_table(GOOD);
    stream_graph_init(&g);
    struct table_write write = {.kinds = TABLE_UPSERT, .metadata = time, .n_metadata = 1};
    expect_ok(table_add_sink(&g, &f.table, &write, &node, &err), &err);
    assert_string_equal(node->kind, "sample.sink");
    assert_string_equal(node->name, "Sample");
    assert_true(node->is_sink);
    assert_int_equal(node->parallelism, 0);
    assert_int_equal(node->parallelism_limit, 1);
    stream_graph_fini(&g);
    expect_bad_write(&(struct table_write){.kinds = TABLE_ALL_KINDS},
                     "Table sink 'c.d.t' doesn't support consuming update and delete changes");
    expect_bad_write(&(struct table_write){.kinds = TABLE_INSERT, .overwrite = true},
                     "does not support INSERT OVERWRITE");
    expect_bad_write(
        &(struct table_write){.kinds = TABLE_INSERT, .metadata = offset, .n_metadata = 1},
        "no metadata key 'offset' to write");
    f.table.partition_keys = keys;
    f.table.n_partition_keys = 1;
    expect_bad_write(&(struct table_write){.kinds = TABLE_INSERT}, "does not support partitions");
    table_fixture_fini(&f);
}

static void test_one_way(void **state)
{
    struct table_connector only = sample_connector;
    struct error err = ERROR_INIT;
    struct table_node node;
    struct arena arena;
    struct table_write write = {.kinds = TABLE_INSERT};

    open_table(GOOD);
    arena_init(&arena, 0);
    f.table.connector = &only;
    only.sink = NULL;
    expect_error(table_plan_sink(&f.table, &write, &arena, &node, &err), ERR_UNSUPPORTED, &err,
                 "Connector 'sample' can only be used as a source. It cannot be used as a sink.");
    only.source = NULL;
    expect_error(table_plan_source(&f.table, &TABLE_SCAN_ALL, &arena, &node, &err), ERR_UNSUPPORTED,
                 &err,
                 "Connector 'sample' can only be used as a sink. It cannot be used as a source.");
    arena_fini(&arena);
    table_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema),  cmocka_unit_test(test_bad_scans),
        cmocka_unit_test(test_source),  cmocka_unit_test(test_sink),
        cmocka_unit_test(test_one_way),
    };
    return cmocka_run_group_tests(tests, register_sample, forget_options);
}
