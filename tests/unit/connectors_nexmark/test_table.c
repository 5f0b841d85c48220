/* The nexmark table: options, columns, filters, what a scan costs. */
#include "nexmark_fixture.h"

static void test_options(void **state)
{
    struct error err = ERROR_INIT;

    expect_ok(conf_schema_check(connector_nexmark.options, &err), &err);
    expect_bad_table(NEXMARK_ROW, PAIRS("connector", "nexmark", "event.num", "1"),
                     ERR_INVALID_CONFIG, "event.num (did you mean events.num?)");
    expect_bad_table(NEXMARK_ROW, PAIRS("connector", "nexmark", "bid.proportion", "0"),
                     ERR_INVALID_CONFIG, "Invalid value for option 'bid.proportion'");
    expect_bad_table(NEXMARK_ROW, PAIRS("connector", "nexmark", "bid.avg-size", "1 mb"),
                     ERR_INVALID_CONFIG, "at most 512 kb");
    expect_bad_table(NEXMARK_ROW, PAIRS("connector", "nexmark", "events.num", "-1"),
                     ERR_INVALID_CONFIG, "at least 0");
    expect_bad_table(NEXMARK_ROW, PAIRS("connector", "nexmark", "rate-limit", "0"),
                     ERR_INVALID_CONFIG, "'rate-limit'");
}

static void test_columns(void **state)
{
    static const char *const plain[] = {"connector", "nexmark", NULL};
    expect_bad_table("ROW<event_type INT, price BIGINT>", plain, ERR_INVALID_CONFIG,
                     "event_type, person, auction and bid, not 'price'");
    expect_bad_table("ROW<event_type BIGINT>", plain, ERR_INVALID_CONFIG,
                     "column 'event_type' of a nexmark table is INT, not BIGINT");
    expect_bad_table("ROW<bid ROW<auction BIGINT> NOT NULL>", plain, ERR_INVALID_CONFIG,
                     "'bid' of a nexmark table is a ROW that may be NULL");
    expect_bad_table("ROW<bid ROW<auction BIGINT, cost INT>>", plain, ERR_INVALID_CONFIG,
                     "column 'bid' has no field 'cost'");
    expect_bad_table("ROW<bid ROW<dateTime TIMESTAMP(6)>>", plain, ERR_INVALID_CONFIG,
                     "field 'dateTime' of a nexmark table is TIMESTAMP(3), not TIMESTAMP(6)");
    /* Some of the columns and fields, in any order, will do. */
    struct error err = ERROR_INIT;
    struct table_fixture f;
    expect_ok(table_fixture_open(&f, "ROW<bid ROW<price BIGINT, auction BIGINT>, event_type INT>",
                                 plain, &err),
              &err);
    table_fixture_fini(&f);
}

static void test_filters(void **state)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;
    struct table_literal two = {.whole = 2};
    const struct table_predicate p[] = {
        {.column = {1, {0}}, .compare = TABLE_EQ, .n_values = 1, .values = &two},
        {.column = {1, {3}}, .compare = TABLE_IS_NOT_NULL},
        {.column = {2, {3, 2}}, .compare = TABLE_GT, .n_values = 1, .values = &two},
        {.column = {1, {0}}, .compare = TABLE_LT, .n_values = 1, .values = &two},
    };
    bool taken[ARRAY_LEN(p)];

    expect_ok(table_fixture_open(&f, NEXMARK_ROW,
                                 PAIRS("connector", "nexmark", "events.num", "5000"), &err),
              &err);
    const struct table_source *source = connector_nexmark.source;
    expect_ok(source->push_filters(&f.table, p, ARRAY_LEN(p), taken, &err), &err);
    assert_true(taken[0] && taken[1] && !taken[2] && taken[3]);
    struct table_scan scan = {.filters = p, .n_filters = 2};
    assert_true(source->row_count(&f.table, &scan) == 4600);
    scan = (struct table_scan){.filters = &p[3], .n_filters = 1};
    assert_true(source->row_count(&f.table, &scan) == 400);
    assert_true(source->is_bounded(&f.table));
    table_fixture_fini(&f);
    expect_ok(table_fixture_open(&f, NEXMARK_ROW, PAIRS("connector", "nexmark"), &err), &err);
    assert_true(source->row_count(&f.table, &scan) < 0);
    assert_false(source->is_bounded(&f.table));
    table_fixture_fini(&f);
}

static int register_it(void **state)
{
    return table_connector_register(&connector_nexmark, NULL);
}

static int forget_it(void **state)
{
    conf_schema_fini(connector_nexmark.options);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, register_it, forget_it);
}
