/* The key codec: memcmp order against a comparison of the values, round trips, golden bytes, and
 * damaged input. */
#include "tests/unit/engine_data/edge_rows.h"
#include "tests/unit/seeds.h"

/* A schema all of whose types have an order. */
static struct schema *random_ordered_schema(struct rng *r)
{
    for (;;) {
        struct schema *s = random_schema(r, 3, 2);
        bool ordered = true;
        for (uint32_t i = 0; i < s->n_fields; i++) {
            ordered = ordered && key_type_is_ordered(s->fields[i].type);
        }
        if (ordered) {
            return s;
        }
        schema_unref(s);
    }
}

/* ---- the order, by values ---------------------------------------------------------------------- */

static int compare_cells(const struct column *c, uint32_t x, uint32_t y);

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* Java's Double.compare, but for -0.0 = 0.0. */
static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return COMPARE(isnan(a) != 0, isnan(b) != 0);
    }
    return COMPARE(a, b);
}

static int compare_strings(const struct column *c, uint32_t x, uint32_t y)
{
    struct slice a = column_get_bytes(c, x), b = column_get_bytes(c, y);
    while (c->type->id == TYPE_CHAR && a.len > 0 && a.data[a.len - 1] == ' ') {
        a.len--;
    }
    while (c->type->id == TYPE_CHAR && b.len > 0 && b.data[b.len - 1] == ' ') {
        b.len--;
    }
    return slice_compare(a, b);
}

static int compare_arrays(const struct column *c, uint32_t x, uint32_t y)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
    int32_t len_x = offsets[x + 1] - offsets[x], len_y = offsets[y + 1] - offsets[y];
    for (int32_t i = 0; i < len_x && i < len_y; i++) {
        int order =
            compare_cells(&c->children[0], (uint32_t)(offsets[x] + i), (uint32_t)(offsets[y] + i));
        if (order != 0) {
            return order;
        }
    }
    return COMPARE(len_x, len_y);
}

static int compare_cells(const struct column *c, uint32_t x, uint32_t y)
{
#define COMPARE_AS(ctype) \
    COMPARE(COLUMN_VALUES(c, const ctype)[x], COLUMN_VALUES(c, const ctype)[y])
    if (column_is_null(c, x) || column_is_null(c, y)) {
        return COMPARE(!column_is_null(c, x), !column_is_null(c, y));
    }
    switch (c->type->layout) {
    case LAYOUT_BIT:
        return COMPARE(column_get_bool(c, x), column_get_bool(c, y));
    case LAYOUT_I8:
        return COMPARE_AS(int8_t);
    case LAYOUT_I16:
        return COMPARE_AS(int16_t);
    case LAYOUT_I32:
        return COMPARE_AS(int32_t);
    case LAYOUT_I64:
        return COMPARE_AS(int64_t);
    case LAYOUT_I128:
        return COMPARE_AS(__int128);
    case LAYOUT_F32:
        return compare_doubles((double)COLUMN_VALUES(c, const float)[x],
                               (double)COLUMN_VALUES(c, const float)[y]);
    case LAYOUT_F64:
        return compare_doubles(COLUMN_VALUES(c, const double)[x],
                               COLUMN_VALUES(c, const double)[y]);
    case LAYOUT_TS_NANO: {
        const struct ts_nano *v = COLUMN_VALUES(c, const struct ts_nano);
        int order = COMPARE(v[x].millis, v[y].millis);
        return order != 0 ? order : COMPARE(v[x].nanos, v[y].nanos);
    }
    case LAYOUT_VIEW:
        return compare_strings(c, x, y);
    case LAYOUT_LIST:
        return compare_arrays(c, x, y);
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < c->n_children; i++) {
            int order = compare_cells(&c->children[i], x, y);
            if (order != 0) {
                return order;
            }
        }
        return 0;
    default:
        fail_msg("a type without an order");
        return 0;
    }
}

static int compare_rows(const struct batch *b, uint32_t x, uint32_t y, const enum key_order *orders)
{
    for (uint32_t i = 0; i < b->n_columns; i++) {
        int order = compare_cells(&b->columns[i], x, y);
        if (order != 0) {
            return orders[i] == KEY_ORDER_DESC ? -order : order;
        }
    }
    return 0;
}

static int sign(int v)
{
    return COMPARE(v, 0);
}

static void encode_key(const struct batch *b, uint32_t row, const struct key_encoding *how,
                       struct str *out)
{
    struct error err = ERROR_INIT;
    str_clear(out);
    check_ok(key_encode(b, row, how, out, &err), &err);
    assert_int_equal(out->data[out->len], '\0');
}

/* Decodes from memory of just that size, so that reading beyond it is seen. */
static int decode_key(const struct str *key, const enum key_order *orders, struct builder *to,
                      struct error *err)
{
    uint8_t *copy = mem_dup(key->data, key->len);
    int rc = key_decode(copy, key->len, orders, to, err);
    mem_free(copy);
    return rc;
}

enum { PAIR_ROWS = 40 };

static void check_order(const struct batch *batch, const enum key_order *orders)
{
    struct str keys[PAIR_ROWS] = {0};
    struct key_encoding how = {.orders = orders};
    for (uint32_t i = 0; i < batch->n_rows; i++) {
        encode_key(batch, i, &how, &keys[i]);
    }
    for (uint32_t x = 0; x < batch->n_rows; x++) {
        for (uint32_t y = 0; y < batch->n_rows; y++) {
            struct slice a = str_slice(&keys[x]), b = str_slice(&keys[y]);
            int order = compare_rows(batch, x, y, orders);
            assert_int_equal(sign(slice_compare(a, b)), order);
            /* No key is a prefix of another: the shorter one decides nothing. */
            assert_int_equal(sign(memcmp(a.data, b.data, MIN(a.len, b.len))), order);
        }
    }
    for (uint32_t i = 0; i < batch->n_rows; i++) {
        str_fini(&keys[i]);
    }
}

static void check_round_trip(struct buffer_pool *pool, const struct batch *batch,
                             const enum key_order *orders)
{
    struct error err = ERROR_INIT;
    struct key_encoding how = {.orders = orders};
    struct builder to;
    STR_AUTO key = STR_INIT;
    STR_AUTO again = STR_INIT;
    builder_init(&to, pool, batch->schema, 0);
    for (uint32_t i = 0; i < batch->n_rows; i++) {
        encode_key(batch, i, &how, &key);
        check_ok(decode_key(&key, orders, &to, &err), &err);
    }
    struct batch *back = builder_finish(&to);
    check_valid(back);
    for (uint32_t i = 0; i < batch->n_rows; i++) {
        encode_key(batch, i, &how, &key);
        encode_key(back, i, &how, &again);
        assert_true(slice_eq(str_slice(&key), str_slice(&again)));
    }
    batch_unref(back);
    builder_fini(&to);
}

static void order_of_keys_is_order_of_values(void **state)
{
    const struct seeds seeds = seeds_from(0, 300);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        enum key_order orders[3];
        rng_init(&r, seed);
        struct schema *s = random_ordered_schema(&r);
        for (int i = 0; i < 3; i++) {
            orders[i] = rng_below(&r, 2) == 0 ? KEY_ORDER_ASC : KEY_ORDER_DESC;
        }
        struct batch *batch = edge_batch(*state, s, &r, PAIR_ROWS);
        check_order(batch, orders);
        check_round_trip(*state, batch, orders);
        batch_unref(batch);
        schema_unref(s);
    }
}

static void every_flat_type_is_ordered(void **state)
{
    static const char *const TYPES[] = {
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL(18, 3)",
        "STRING",
        "DECIMAL(38, 3)",
        "CHAR(10)",
        "BYTES",
        "BINARY(4)",
        "DATE",
        "TIME(3)",
        "NULL",
        "TIMESTAMP(3)",
        "TIMESTAMP(9)",
        "TIMESTAMP_LTZ(6)",
        "ARRAY<STRING>",
        "ROW<a STRING, b INT>",
        "INTERVAL DAY",
        "INTERVAL YEAR",
        "ARRAY<ARRAY<INT>>",
        "RAW('com.example.Foo', 'AA==')",
    };
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        char text[128];
        snprintf(text, sizeof(text), "ROW<a %s>", TYPES[i]);
        struct rng r;
        struct schema *s = parse_schema(text);
        const struct seeds seeds = seeds_from(0, 5);
        for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
            rng_init(&r, seed);
            struct batch *batch = edge_batch(*state, s, &r, PAIR_ROWS);
            static const enum key_order ASC = KEY_ORDER_ASC, DESC = KEY_ORDER_DESC;
            check_order(batch, &ASC);
            check_order(batch, &DESC);
            check_round_trip(*state, batch, &DESC);
            batch_unref(batch);
        }
        schema_unref(s);
    }
}

static void values_come_back(void **state)
{
    struct schema *s = parse_schema("ROW<a STRING, b BIGINT, c DECIMAL(38, 0), d ARRAY<BYTES>, "
                                    "e ROW<x DOUBLE, y TIMESTAMP(9)>, f BOOLEAN>");
    static const enum key_order ORDERS[] = {KEY_ORDER_ASC,  KEY_ORDER_DESC, KEY_ORDER_ASC,
                                            KEY_ORDER_DESC, KEY_ORDER_ASC,  KEY_ORDER_DESC};
    struct builder b, to;
    builder_init(&b, *state, s, 0);
    builder_init(&to, *state, s, 0);
    size_t len = 100 * 1024;
    char *text = mem_zalloc(len); /* of zeros: each is escaped */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(builder_put_bytes(&b, 0, text, i == 7 ? len : (size_t)i, NULL), 0);
        builder_put_i64(&b, 1, i * 77 - 300);
        builder_put_i128(&b, 2, (__int128)(i - 10) * ((__int128)1 << 100));
        assert_int_equal(
            builder_add_bytes(&b, builder_child_of(builder_column_of(&b, 3), 0), "\0x\0", 3, NULL),
            0);
        builder_put_nested(&b, 3);
        struct builder_column *row = builder_column_of(&b, 4);
        builder_add_f64(&b, builder_child_of(row, 0), i / 3.0 - 2);
        builder_add_ts_nano(&b, builder_child_of(row, 1), (struct ts_nano){i - 10, i * 1000, 0});
        builder_put_nested(&b, 4);
        builder_put_bool(&b, 5, i & 1);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    struct key_encoding how = {.orders = ORDERS};
    STR_AUTO key = STR_INIT;
    for (uint32_t i = 0; i < 20; i++) {
        encode_key(batch, i, &how, &key);
        assert_int_equal(decode_key(&key, ORDERS, &to, NULL), 0);
    }
    struct batch *back = builder_finish(&to);
    assert_true(batch_equals(batch, back));
    mem_free(text);
    batch_unref(back);
    batch_unref(batch);
    builder_fini(&to);
    builder_fini(&b);
    schema_unref(s);
}

static void first_columns_are_a_prefix(void **state)
{
    struct schema *s = parse_schema("ROW<a STRING, b INT, c STRING>");
    static const uint32_t COLUMNS[] = {2, 1};
    struct rng r;
    rng_init(&r, 3);
    struct batch *batch = edge_batch(*state, s, &r, 20);
    STR_AUTO one = STR_INIT;
    STR_AUTO two = STR_INIT;
    for (uint32_t i = 0; i < 20; i++) {
        encode_key(batch, i, &(struct key_encoding){.columns = COLUMNS, .n_columns = 1}, &one);
        encode_key(batch, i, &(struct key_encoding){.columns = COLUMNS, .n_columns = 2}, &two);
        assert_true(two.len > one.len);
        assert_memory_equal(two.data, one.data, one.len);
    }
    batch_unref(batch);
    schema_unref(s);
}

static void types_without_an_order_are_refused(void **state)
{
    struct schema *s = parse_schema("ROW<a INT, b ARRAY<ROW<k MAP<INT, STRING>>>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_put_i64(&b, 0, 1);
    struct builder_column *row = builder_child_of(builder_column_of(&b, 1), 0);
    builder_add_nested(&b, builder_child_of(row, 0));
    builder_add_nested(&b, row);
    builder_put_nested(&b, 1);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    struct error err = ERROR_INIT;
    STR_AUTO key = STR_INIT;
    str_append_cstr(&key, "kept");
    assert_int_equal(key_encode(batch, 0, &(struct key_encoding){0}, &key, &err), ERR_UNSUPPORTED);
    assert_string_equal(str_cstr(&key), "kept");
    assert_non_null(strstr(err.message, "column 'b'"));
    assert_true(key_type_is_ordered(s->fields[0].type));
    assert_false(key_type_is_ordered(s->fields[1].type));
    const uint8_t bytes[] = {1, 0x80, 0, 0, 1, 1, 2, 1};
    assert_int_equal(key_decode(bytes, sizeof(bytes), NULL, &b, &err), ERR_UNSUPPORTED);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void warm_encoding_allocates_nothing(void **state)
{
    struct schema *s = parse_schema("ROW<a STRING, b BIGINT, c ARRAY<INT>>");
    static const enum key_order ORDERS[] = {KEY_ORDER_DESC, KEY_ORDER_ASC, KEY_ORDER_DESC};
    struct rng r;
    rng_init(&r, 3);
    struct batch *batch = edge_batch(*state, s, &r, 20);
    struct builder to;
    builder_init(&to, *state, s, 0);
    STR_AUTO key = STR_INIT;
    uint64_t before = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        if (i == 600) {
            before = mem_thread_allocations();
        }
        str_clear(&key);
        assert_int_equal(
            key_encode(batch, i % 20, &(struct key_encoding){.orders = ORDERS}, &key, NULL), 0);
        assert_int_equal(key_decode((uint8_t *)key.data, key.len, ORDERS, &to, NULL), 0);
        if (i % 100 == 99) {
            batch_unref(builder_finish(&to));
        }
    }
    assert_int_equal(mem_thread_allocations(), before);
    builder_fini(&to);
    batch_unref(batch);
    schema_unref(s);
}

/* ---- golden bytes ------------------------------------------------------------------------------ */

/* All columns but the maps, which have no order. */
static void all_types_have_golden_bytes(void **state)
{
    static const char GOLDEN[] =
        "01616200 00016120 73747269 6e67206f 66203236 20636861 72616374 6572732e "
        "00000101 0100ff01 ff000001 7fffffff ffffcfc7 017fffff f0000000 00000000 "
        "00000000 00017901 812c017f feee9001 00000000 00000000 01bfc000 00014046 "
        "66666666 66650180 004d0b01 85265bff 01800001 8bcfe568 7b017fff ffffffff "
        "ffff000f 423f0180 060a2418 20224001 7ffffff2 01800000 00055e38 c9010280 "
        "00000101 027fffff ff000101 8000002a 01020000 026e6573 74656420 616e6420 "
        "6c6f6e67 00000000 ff00ff00 ff00ff00 ff00ff00 ff00ff00 ff00ff00";
    static const uint32_t COLUMNS[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10,
                                       11, 12, 13, 14, 15, 16, 17, 18, 19, 22};
    enum key_order orders[ARRAY_LEN(COLUMNS)];
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b;
    builder_init(&b, *state, s, 0);
    put_all_types_row(&b);
    put_null_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO keys = STR_INIT;
    struct key_encoding how = {COLUMNS, ARRAY_LEN(COLUMNS), orders};
    for (uint32_t row = 0; row < 2; row++) {
        for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
            orders[i] = row == 1 && i % 2 == 1 ? KEY_ORDER_DESC : KEY_ORDER_ASC;
        }
        assert_int_equal(key_encode(batch, row, &how, &keys, NULL), 0);
    }
    check_golden((const uint8_t *)keys.data, keys.len, GOLDEN);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* The example of docs/internals/encodings.md. */
static void the_documented_example(void **state)
{
    static const char GOLDEN[] = "016100ff 620000fe 7ffffefd 00";
    static const enum key_order ORDERS[] = {KEY_ORDER_ASC, KEY_ORDER_DESC, KEY_ORDER_ASC};
    struct schema *s = parse_schema("ROW<name STRING, n INT, d DOUBLE>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    assert_int_equal(builder_put_bytes(&b, 0, "a\0b", 3, NULL), 0);
    builder_put_i64(&b, 1, 258);
    builder_put_null(&b, 2);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO key = STR_INIT;
    encode_key(batch, 0, &(struct key_encoding){.orders = ORDERS}, &key);
    check_golden((const uint8_t *)key.data, key.len, GOLDEN);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- bad input --------------------------------------------------------------------------------- */

static void try_damaged(const struct str *key, const enum key_order *orders, struct builder *to)
{
    struct error err = ERROR_INIT;
    if (decode_key(key, orders, to, &err) < 0) {
        assert_true(err.code == ERR_CORRUPT || err.code == ERR_TOO_LARGE ||
                    err.code == ERR_UNSUPPORTED);
        assert_int_equal(builder_rows(to), 0);
        return;
    }
    struct batch *back = builder_finish(to);
    STR_AUTO again = STR_INIT;
    check_valid(back);
    encode_key(back, 0, &(struct key_encoding){.orders = orders}, &again);
    assert_true(slice_eq(str_slice(&again), str_slice(key)));
    batch_unref(back);
}

static void damaged_bytes_never_crash(void **state)
{
    const struct seeds seeds = seeds_from(3000, 60);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        enum key_order orders[3];
        rng_init(&r, seed);
        struct schema *s = random_ordered_schema(&r);
        for (int i = 0; i < 3; i++) {
            orders[i] = rng_below(&r, 2) == 0 ? KEY_ORDER_ASC : KEY_ORDER_DESC;
        }
        struct batch *batch = edge_batch(*state, s, &r, 1);
        struct builder to;
        builder_init(&to, *state, s, 0);
        STR_AUTO key = STR_INIT;
        encode_key(batch, 0, &(struct key_encoding){.orders = orders}, &key);
        size_t whole = key.len;
        for (key.len = 0; key.len < whole; key.len++) {
            assert_true(decode_key(&key, orders, &to, NULL) < 0);
        }
        for (size_t i = 0; i < whole; i++) {
            char was = key.data[i];
            for (int value = 0; value < 256; value++) {
                key.data[i] = (char)value;
                try_damaged(&key, orders, &to);
            }
            key.data[i] = was;
        }
        builder_fini(&to);
        batch_unref(batch);
        schema_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_of_keys_is_order_of_values, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(every_flat_type_is_ordered, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(values_come_back, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(first_columns_are_a_prefix, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(types_without_an_order_are_refused, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(warm_encoding_allocates_nothing, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(all_types_have_golden_bytes, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(the_documented_example, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(damaged_bytes_never_crash, setup_pool, teardown_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
