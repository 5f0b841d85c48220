/* Rows of the job graph: in and out again, with kinds; too many of them. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/values/values.h"
#include "engine/operators/harness.h"
#include "proto/operators.pb-c.h"

#define ROW "ROW<a INT, b STRING>"

static void test_rows(void **state)
{
    struct error err = ERROR_INIT;
    struct stream_graph g;
    struct stream_node *node = NULL;
    struct schema *schema = NULL;
    struct batch *batches[2];
    struct harness *h = NULL;
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});

    expect_ok(schema_parse(slice_cstr(ROW), &schema, &err), &err);
    expect_ok(harness_parse_rows(pool, schema, "1, one\n+U 2, 'a long string of characters'",
                                 &batches[0], &err),
              &err);
    expect_ok(harness_parse_rows(pool, schema, "NULL, NULL", &batches[1], &err), &err);
    stream_graph_init(&g);
    expect_ok(values_source_add(&g, schema, batches, 2, pool, &node, &err), &err);
    assert_true(node->bounded);
    assert_int_equal(node->parallelism_limit, 1);
    assert_string_equal(node->name, "Values");
    Flinc__ElementsSourceConfig *c =
        flinc__elements_source_config__unpack(NULL, node->config_size, node->config);
    expect_ok(harness_new(&(struct harness_options){.kind = node->kind,
                                                    .config = &c->base,
                                                    .output_schemas = {ROW}},
                          &h, &err),
              &err);
    flinc__elements_source_config__free_unpacked(c, NULL);
    expect_ok(harness_open(h, &err), &err);
    assert_int_equal(harness_poll(h, &err), OP_DONE);
    assert_int_equal(harness_poll(h, &err), OP_DONE);
    assert_int_equal(harness_poll(h, &err), OP_END);
    assert_string_equal(harness_rows(h, 0),
                        "+I[1, one]\n+U[2, a long string of characters]\n+I[null, null]");
    harness_free(h);
    for (int i = 0; i < 2; i++) {
        batch_unref(batches[i]);
    }
    stream_graph_fini(&g);
    schema_unref(schema);
    buffer_pool_close(pool);
}

static void test_too_large(void **state)
{
    struct error err = ERROR_INIT;
    struct schema *schema = NULL;
    struct batch *b = NULL;
    struct batch *batches[40];
    struct table_node node;
    struct arena arena;
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    struct builder builder;
    char *text = mem_zalloc(1024 * 1024);

    expect_ok(schema_parse(slice_cstr("ROW<a STRING>"), &schema, &err), &err);
    builder_init(&builder, pool, schema, 1);
    builder_begin(&builder);
    expect_ok(builder_put_bytes(&builder, 0, text, 1024 * 1024, &err), &err);
    builder_end_row(&builder);
    b = builder_finish(&builder);
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        batches[i] = b;
    }
    arena_init(&arena, 0);
    expect_error(values_source_plan(schema, batches, ARRAY_LEN(batches), pool, &arena, &node, &err),
                 ERR_TOO_LARGE, &err, "larger than 32 MB");
    arena_fini(&arena);
    batch_unref(b);
    builder_fini(&builder);
    schema_unref(schema);
    mem_free(text);
    buffer_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_too_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
