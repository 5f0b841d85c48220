/* Every type as JSON. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "client/statetool/json_rows.h"
#include "common/text/json.h"

#include <math.h>

static void check(struct builder *b, const char *want)
{
    STR_AUTO got = STR_INIT;
    struct json_columns c;
    struct batch *rows = builder_finish(b);
    json_columns_init(&c, rows->schema, 0, rows->schema->n_fields);
    json_columns_append(&c, rows, rows->n_rows - 1, &got);
    assert_string_equal(str_cstr(&got), want);
    json_columns_fini(&c);
    batch_unref(rows);
}

static void flat_types(void **state)
{
    struct builder b;
    struct schema *s =
        schema_of("ROW<`b` BOOLEAN, `t` TINYINT, `s` SMALLINT, `i` INT, `l` BIGINT, `f` FLOAT, `d` "
                  "DOUBLE, `x` STRING, `y` BYTES, `n` DECIMAL(10, 2), `w` DECIMAL(30, 1), `day` "
                  "DATE, `at` TIMESTAMP(3), `nil` INT>");
    builder_init(&b, *state, s, 0);
    builder_begin(&b);
    builder_put_bool(&b, 0, true);
    builder_put_i64(&b, 1, -128);
    builder_put_i64(&b, 2, 32767);
    builder_put_i64(&b, 3, -1);
    builder_put_i64(&b, 4, INT64_MIN);
    builder_put_f64(&b, 5, 0.1f);
    builder_put_f64(&b, 6, 1e300);
    assert_int_equal(builder_put_bytes(&b, 7, "a \"quoted\" and longer\n", 22, NULL), 0);
    assert_int_equal(builder_put_bytes(&b, 8, "\x00\xff", 2, NULL), 0);
    builder_put_i64(&b, 9, -12345);
    builder_put_i128(&b, 10, 70);
    builder_put_i64(&b, 11, 19000);
    builder_put_i64(&b, 12, 1700000000123);
    builder_put_null(&b, 13);
    builder_end_row(&b);
    check(&b, "{\"b\":true,\"t\":-128,\"s\":32767,\"i\":-1,\"l\":-9223372036854775808,\"f\":0.1,"
              "\"d\":1.0E300,\"x\":\"a \\\"quoted\\\" and longer\\n\",\"y\":\"00ff\",\"n\":-123.45,"
              "\"w\":7.0,\"day\":\"2022-01-08\",\"at\":\"2023-11-14T22:13:20.123\",\"nil\":null}");
    builder_fini(&b);
    schema_unref(s);
}

static void what_is_no_number(void **state)
{
    struct builder b;
    struct schema *s = schema_of("ROW<`a` DOUBLE, `b` FLOAT, `c` DOUBLE>");
    builder_init(&b, *state, s, 0);
    builder_begin(&b);
    builder_put_f64(&b, 0, NAN);
    builder_put_f64(&b, 1, INFINITY);
    builder_put_f64(&b, 2, -INFINITY);
    builder_end_row(&b);
    check(&b, "{\"a\":\"NaN\",\"b\":\"Infinity\",\"c\":\"-Infinity\"}");
    builder_fini(&b);
    schema_unref(s);
}

static void nested_types(void **state)
{
    struct builder b;
    struct schema *s = schema_of("ROW<`a` ARRAY<INT>, `m` MAP<STRING, BIGINT>, `r` ROW<`x` INT, "
                                 "`y` STRING>, `e` ARRAY<INT>>");
    builder_init(&b, *state, s, 0);
    builder_begin(&b);
    struct builder_column *item = builder_child_of(builder_column_of(&b, 0), 0);
    builder_add_i64(&b, item, 1);
    builder_add_null(&b, item);
    builder_put_nested(&b, 0);
    struct builder_column *map = builder_column_of(&b, 1);
    assert_int_equal(builder_add_bytes(&b, builder_child_of(map, 0), "k", 1, NULL), 0);
    builder_add_i64(&b, builder_child_of(map, 1), 9);
    builder_put_nested(&b, 1);
    struct builder_column *row = builder_column_of(&b, 2);
    builder_add_i64(&b, builder_child_of(row, 0), 5);
    builder_add_null(&b, builder_child_of(row, 1));
    builder_put_nested(&b, 2);
    builder_put_nested(&b, 3);
    builder_end_row(&b);
    check(&b, "{\"a\":[1,null],\"m\":[{\"key\":\"k\",\"value\":9}],\"r\":{\"x\":5,\"y\":null},"
              "\"e\":[]}");
    builder_fini(&b);
    schema_unref(s);
}

static void no_columns(void **state)
{
    STR_AUTO got = STR_INIT;
    struct json_columns c;
    struct schema *s = schema_of("ROW<`a` INT>");
    struct batch *b = batch_new(*state, s);
    json_columns_init(&c, s, 1, 0);
    json_columns_append(&c, b, 0, &got);
    assert_string_equal(str_cstr(&got), "{}");
    json_columns_fini(&c);
    batch_unref(b);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(flat_types),
        SNAPSHOT_TEST(what_is_no_number),
        SNAPSHOT_TEST(nested_types),
        SNAPSHOT_TEST(no_columns),
    };
    return cmocka_run_group_tests_name("json_rows", tests, NULL, NULL);
}
