/* The datagen table: options by column, bad values, bounds. */
#include "datagen_fixture.h"

static const struct bad_option {
    const char *schema, *key, *value, *part;
} bad[] = {
    {"ROW<a INT>", "rows-per-second", "0", "at least 1"},
    {"ROW<a INT>", "number-of-rows", "-1", "at least 0"},
    {"ROW<a INT>", "rows-per-seconds", "1", "did you mean rows-per-second?"},
    {"ROW<a INT>", "fields.a.kind", "rnd", "one of random, sequence"},
    {"ROW<a INT>", "fields.b.kind", "random", "Unsupported options:\n\nfields.b.kind"},
    {"ROW<a INT>", "fields.a.start", "1", "Unsupported options:\n\nfields.a.start"},
    {"ROW<a INT>", "fields.a.length", "1", "Unsupported options:\n\nfields.a.length"},
    {"ROW<a BOOLEAN>", "fields.a.min", "1", "Unsupported options:\n\nfields.a.min"},
    {"ROW<a INT>", "fields.a.min", "2147483648",
     "'2147483648': it is no value of the column's type"},
    {"ROW<a INT>", "fields.a.max", "1.5", "no value"},
    {"ROW<a TINYINT>", "fields.a.max", "-129", "no value"},
    {"ROW<a TINYINT>", "fields.a.min", "x", "no value"},
    {"ROW<a DECIMAL(4, 2)>", "fields.a.min", "123.4", "no value"},
    {"ROW<a DECIMAL(4, 2)>", "fields.a.min", "1.234", "no value"},
    {"ROW<a DECIMAL(38, 0)>", "fields.a.min", "999999999999999999999999999999999999999",
     "no value"},
    {"ROW<a DOUBLE>", "fields.a.min", "NaN", "no number"},
    {"ROW<a STRING>", "fields.a.length", "0", "at least 1"},
    {"ROW<a VARCHAR(5)>", "fields.a.length", "6", "must be at most that of the type"},
    {"ROW<a CHAR(5)>", "fields.a.length", "5", "fixed-length type (CHAR/BINARY)"},
    {"ROW<a BINARY(5)>", "fields.a.var-len", "true", "only variable-length types"},
    {"ROW<a INT>", "fields.a.null-rate", "1.1", "at most 1"},
    {"ROW<a INT NOT NULL>", "fields.a.null-rate", "0.5", "the column is NOT NULL"},
    {"ROW<a TIMESTAMP(3)>", "fields.a.max-past", "-1 s", "does not start with a number"},
    {"ROW<a INT>", "fields.a.kind", "sequence",
     "Could not find required property 'fields.a.start' for sequence generator."},
    {"ROW<a BOOLEAN>", "fields.a.kind", "sequence",
     "Unsupported type for sequence generator: BOOLEAN (field 'a')"},
    {"ROW<a STRING>", "fields.a.length", "99999999", "a row of table 'c.d.t' would have up to"},
    {"ROW<a ROW<b INT>>", "fields.a.c.min", "1", "Unsupported options:\n\nfields.a.c.min"},
};

static void test_bad(void **state)
{
    struct error err = ERROR_INIT;

    expect_ok(conf_schema_check(connector_datagen.options, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        expect_bad_table(bad[i].schema, PAIRS("connector", "datagen", bad[i].key, bad[i].value),
                         ERR_INVALID_CONFIG, bad[i].part);
    }
    expect_bad_table("ROW<a INT>",
                     PAIRS("connector", "datagen", "fields.a.min", "2", "fields.a.max", "1"),
                     ERR_INVALID_CONFIG, "above the upper end");
    expect_bad_table("ROW<a BIGINT>",
                     PAIRS("connector", "datagen", "fields.a.kind", "sequence", "fields.a.start",
                           "0", "fields.a.end", "2147483647"),
                     ERR_INVALID_CONFIG, "exceeds the maximum limit: 2147483647");
    expect_bad_table("ROW<a TINYINT>",
                     PAIRS("connector", "datagen", "fields.a.kind", "sequence", "fields.a.start",
                           "0", "fields.a.end", "128"),
                     ERR_INVALID_CONFIG, "'128': it is no value");
}

static double rows_of(const char *const *options)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;

    expect_ok(table_fixture_open(&f, "ROW<a INT, b BIGINT>", options, &err), &err);
    double rows = connector_datagen.source->row_count(&f.table, &TABLE_SCAN_ALL);
    assert_int_equal(connector_datagen.source->is_bounded(&f.table), rows >= 0);
    table_fixture_fini(&f);
    return rows;
}

static void test_bounds(void **state)
{
    assert_true(rows_of(PAIRS("connector", "datagen")) < 0);
    assert_true(rows_of(PAIRS("connector", "datagen", "number-of-rows", "0")) == 0);
    assert_true(rows_of(PAIRS("connector", "datagen", "number-of-rows", "70")) == 70);
    assert_true(rows_of(PAIRS("connector", "datagen", "fields.a.kind", "sequence", "fields.a.start",
                              "-5", "fields.a.end", "4", "number-of-rows", "70")) == 10);
    assert_true(rows_of(PAIRS("connector", "datagen", "fields.a.kind", "sequence", "fields.a.start",
                              "1", "fields.a.end", "9", "fields.b.kind", "sequence",
                              "fields.b.start", "1", "fields.b.end", "8")) == 8);
}

static int register_it(void **state)
{
    return table_connector_register(&connector_datagen, NULL);
}

static int forget_it(void **state)
{
    conf_schema_fini(connector_datagen.options);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, register_it, forget_it);
}
