/* The key hash: golden values of version 1, independence of representation, NULLs and canonical forms;
 * key groups and their owners. */
#include "engine/data/hash.h"
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"
#include "tests/unit/seeds.h"

#include <math.h>

/* Made by an independent program (big integers, and xxHash's own library for long strings). */
static void golden_values_never_change(void **state)
{
    static const struct {
        int64_t v;
        uint64_t hash;
    } INTS[] = {
        {INT64_C(0), 0xe220a8397b1dcdafu},
        {INT64_C(1), 0x910a2dec89025cc1u},
        {INT64_C(-1), 0xe4d971771b652c20u},
        {INT64_C(42), 0xbdd732262feb6e95u},
        {INT64_MAX, 0x2a67d7552e039ea7u},
        {INT64_MIN, 0x481ec0a212a9f3dbu},
        {INT64_C(1700000000000), 0x0d0dffe4ef391603u},
    };
    static const struct {
        const char *v;
        uint64_t hash;
    } TEXTS[] = {
        {"", 0xf5bbb786ac4058c7u},
        {"a", 0x5400892933b83ac0u},
        {"ab", 0x5966749cb6e86ef3u},
        {"abcd", 0x018818bc23aa4cc5u},
        {"hello", 0x57b1fd2255d18d4eu},
        {"abcdefgh", 0xf4c48b13c32672a9u},
        {"hello world!", 0xd9e1408ca9644ec7u},
        {"hello, world!", 0x37d0952b447ba6ccu},
        {"more than sixteen bytes", 0x8b19e07860a84e93u},
        {"this text is forty-eight bytes and then some more", 0x6d314d9cb3ac3a5bu},
    };
    static const struct {
        size_t len;
        uint64_t hash;
    } LONG[] = {
        {13, 0xf2d44492d7afd263u},  {128, 0xc4399c7829d0628fu}, {129, 0x8433489056750b32u},
        {240, 0x3c0bb96864e543a1u}, {241, 0xbff7215089202d8fu}, {1000, 0xb8b406a98622d913u},
    };
    assert_int_equal(KEY_HASH_VERSION, 1);
    for (size_t i = 0; i < ARRAY_LEN(INTS); i++) {
        assert_true(key_hash_i64(INTS[i].v) == INTS[i].hash);
    }
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        assert_true(key_hash_bytes(TEXTS[i].v, strlen(TEXTS[i].v)) == TEXTS[i].hash);
    }
    char bytes[1000];
    for (int i = 0; i < 1000; i++) {
        bytes[i] = (char)(i * 7 + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(LONG); i++) {
        assert_true(key_hash_bytes(bytes, LONG[i].len) == LONG[i].hash);
    }
    assert_true(key_hash_f64(0.0) == 0xe220a8397b1dcdafu);
    assert_true(key_hash_f64(-0.0) == key_hash_f64(0.0));
    assert_true(key_hash_f64(1.0) == 0x88d7c35bbbf3ededu);
    assert_true(key_hash_f64(-2.5) == 0xe0191234ca04fa08u);
    assert_true(key_hash_f64(INFINITY) == 0x249e5410c2f97d99u);
    assert_true(key_hash_f64(NAN) == 0xc72971d82e15bb46u);
    assert_true(key_hash_f64(-NAN) == key_hash_f64(NAN));
    __int128 big = (__int128)1000000000000000 * 1000000000000000;
    assert_true(key_hash_i128(big) == 0x3c09f78c0a0d69f0u);
    assert_true(key_hash_i128(-big) == 0xacafa9222330e5d7u);
    assert_true(key_hash_i128(-5) == key_hash_i64(-5));
    assert_true(key_hash_combine(key_hash_i64(1), key_hash_bytes("a", 1)) == 0x7119f8455c7fc3d3u);
}

static void check_cell(struct builder *b, uint64_t expected)
{
    builder_end_row(b);
    struct batch *batch = builder_finish(b);
    const uint32_t key = 0;
    batch_hash_keys(b->pool, batch, &key, 1);
    assert_true(((uint64_t *)(void *)batch->hashes->data)[0] == expected);
    assert_true(key_hash_cell(&batch->columns[0], 0) == expected);
    batch_unref(batch);
}

static void integer_columns_hash_as_int64(void **state)
{
    static const char *const TYPES[] = {
        "ROW<a TINYINT>",          "ROW<a SMALLINT>",       "ROW<a INT>",
        "ROW<a BIGINT>",           "ROW<a DATE>",           "ROW<a TIME(3)>",
        "ROW<a DECIMAL(5, 2)>",    "ROW<a DECIMAL(38, 2)>", "ROW<a TIMESTAMP(3)>",
        "ROW<a TIMESTAMP_LTZ(6)>", "ROW<a INTERVAL YEAR>",
    };
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        struct schema *s = schema_of(TYPES[i]);
        struct builder b;
        builder_init(&b, *state, s, 0);
        if (s->fields[0].type->layout == LAYOUT_I128) {
            builder_put_i128(&b, 0, -7);
        } else {
            builder_put_i64(&b, 0, -7);
        }
        check_cell(&b, key_hash_i64(-7));
        builder_put_null(&b, 0);
        check_cell(&b, KEY_HASH_NULL);
        builder_fini(&b);
        schema_unref(s);
    }
}

static void other_columns_hash_by_value(void **state)
{
    struct builder b;
    struct schema *s = schema_of("ROW<a BOOLEAN>");
    builder_init(&b, *state, s, 0);
    builder_put_bool(&b, 0, true);
    check_cell(&b, key_hash_i64(1));
    builder_fini(&b);
    schema_unref(s);

    s = schema_of("ROW<a FLOAT>");
    builder_init(&b, *state, s, 0);
    builder_put_f64(&b, 0, -2.5);
    check_cell(&b, key_hash_f64(-2.5));
    builder_put_f64(&b, 0, -0.0);
    check_cell(&b, key_hash_f64(0));
    builder_fini(&b);
    schema_unref(s);

    s = schema_of("ROW<a TIMESTAMP(9)>");
    builder_init(&b, *state, s, 0);
    builder_put_ts_nano(&b, 0, (struct ts_nano){1000, 999, 0});
    check_cell(&b, 0x6bd04a55f8d7a1d4u);
    builder_fini(&b);
    schema_unref(s);

    s = schema_of("ROW<a ARRAY<INT>>");
    builder_init(&b, *state, s, 0);
    for (int i = 1; i <= 3; i++) {
        builder_add_i64(&b, builder_child_of(builder_column_of(&b, 0), 0), i);
    }
    builder_put_nested(&b, 0);
    check_cell(&b, 0x426ae7645440b7f6u);
    builder_fini(&b);
    schema_unref(s);

    s = schema_of("ROW<a ROW<n INT, t STRING>>");
    builder_init(&b, *state, s, 0);
    builder_add_i64(&b, builder_child_of(builder_column_of(&b, 0), 0), 7);
    assert_int_equal(
        builder_add_bytes(&b, builder_child_of(builder_column_of(&b, 0), 1), "x", 1, NULL), 0);
    builder_put_nested(&b, 0);
    check_cell(&b, 0x3e315951568db8adu);
    builder_fini(&b);
    schema_unref(s);
}

static void maps_hash_without_order(void **state)
{
    static const char *const TYPES[] = {"ROW<a MAP<STRING, INT>>", "ROW<a MULTISET<STRING>>"};
    for (int order = 0; order < 2; order++) {
        for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
            struct schema *s = schema_of(TYPES[i]);
            struct builder b;
            builder_init(&b, *state, s, 0);
            struct builder_column *map = builder_column_of(&b, 0);
            for (int k = 0; k < 2; k++) {
                bool first = k == order;
                assert_int_equal(
                    builder_add_bytes(&b, builder_child_of(map, 0), first ? "a" : "b", 1, NULL), 0);
                builder_add_i64(&b, builder_child_of(map, 1), first ? 1 : 2);
            }
            builder_put_nested(&b, 0);
            check_cell(&b, 0x9983f60062d62cefu);
            builder_fini(&b);
            schema_unref(s);
        }
    }
}

static void char_ignores_its_pad(void **state)
{
    static const char *const SAME[] = {"ab", "ab ", "ab                   "};
    struct schema *s = schema_of("ROW<a CHAR(30)>");
    struct schema *varchar = schema_of("ROW<a VARCHAR(30)>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++) {
        assert_int_equal(builder_put_bytes(&b, 0, SAME[i], strlen(SAME[i]), NULL), 0);
        check_cell(&b, key_hash_bytes("ab", 2));
    }
    builder_fini(&b);
    builder_init(&b, *state, varchar, 0);
    assert_int_equal(builder_put_bytes(&b, 0, "ab ", 3, NULL), 0);
    check_cell(&b, key_hash_bytes("ab ", 3));
    builder_fini(&b);
    schema_unref(s);
    schema_unref(varchar);
}

static void random_keys_hash_alike_in_every_form(void **state)
{
    struct buffer_pool *pool = *state;
    const struct seeds seeds = seeds_from(1, 60);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = random_schema(&r, 5, 2);
        struct builder b;
        builder_init(&b, pool, s, 0);
        struct batch *batch = random_batch(&b, &r, 200);
        uint32_t keys[5];
        uint32_t n_keys = (uint32_t)rng_below(&r, s->n_fields + 1);
        for (uint32_t i = 0; i < n_keys; i++) {
            keys[i] = (uint32_t)rng_below(&r, s->n_fields);
        }
        struct batch *some = batch_slice(pool, batch, 0, 200);
        random_selection(pool, some, &r, 3);
        struct batch *plain = batch_materialize(pool, batch_ref(some));
        batch_hash_keys(pool, batch, keys, n_keys);
        batch_hash_keys(pool, some, keys, n_keys);
        batch_hash_keys(pool, plain, keys, n_keys);
        for (uint32_t i = 0; i < some->n_sel; i++) {
            uint32_t row = batch_row(some, i);
            uint64_t h =
                n_keys == 0 ? KEY_HASH_NO_COLUMNS : key_hash_cell(&batch->columns[keys[0]], row);
            for (uint32_t k = 1; k < n_keys; k++) {
                h = key_hash_combine(h, key_hash_cell(&batch->columns[keys[k]], row));
            }
            assert_true(((uint64_t *)(void *)batch->hashes->data)[row] == h);
            assert_true(((uint64_t *)(void *)some->hashes->data)[row] == h);
            assert_true(((uint64_t *)(void *)plain->hashes->data)[i] == h);
        }
        batch_unref(plain);
        batch_unref(some);
        batch_unref(batch);
        builder_fini(&b);
        schema_unref(s);
    }
}

/* Hashes of (a, b) that extend those of (a). */
static void extended_hashes_keep_the_key_group(void **state)
{
    struct schema *schema = schema_of("ROW<a BIGINT, b BIGINT NOT NULL>");
    const uint32_t columns[] = {0, 1};
    struct builder b;
    uint32_t equal_high = 0;
    builder_init(&b, *state, schema, 0);
    for (int64_t i = 0; i < 1000; i++) {
        builder_put_i64(&b, 0, i % 10);
        builder_put_i64(&b, 1, i / 10);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    batch_hash_keys(*state, batch, columns, 1);
    batch_extend_hashes(*state, batch, columns + 1, 1);
    const uint64_t *h = (const uint64_t *)(const void *)batch->hashes->data;
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal((uint32_t)h[i], (uint32_t)key_hash_i64(i % 10));
        uint64_t whole = key_hash_combine(key_hash_i64(i % 10), key_hash_i64(i / 10));
        assert_int_equal(h[i] >> 32, whole >> 32);
        for (int64_t k = 0; k < i; k++) {
            equal_high += h[k] == h[i];
        }
    }
    assert_int_equal(equal_high, 0);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(schema);
}

static void dense_keys_spread_over_key_groups(void **state)
{
    static uint32_t counts[128];
    struct key_router router;
    key_router_init(&router, 128, 4);
    for (int64_t i = 0; i < 128 * 1000; i++) {
        counts[key_group_of(&router, key_hash_i64(i))]++;
    }
    for (int i = 0; i < 128; i++) {
        assert_in_range(counts[i], 850, 1150);
    }
    key_router_fini(&router);
}

/* ---- key groups -------------------------------------------------------------------------------- */

static void key_groups_are_remainders(void **state)
{
    static const uint32_t MAXES[] = {1, 2, 3, 7, 100, 128, 129, 4096, 32767, 32768};
    struct rng r;
    rng_init(&r, 1);
    for (size_t i = 0; i < ARRAY_LEN(MAXES); i++) {
        struct key_router router;
        uint32_t parallelism = 1 + (uint32_t)rng_below(&r, MAXES[i]);
        key_router_init(&router, MAXES[i], parallelism);
        for (int k = 0; k < 10000; k++) {
            uint64_t hash = k == 0 ? UINT64_MAX : rng_next(&r);
            uint32_t group = (uint32_t)hash % MAXES[i];
            assert_int_equal(key_group_of(&router, hash), group);
            assert_int_equal(key_owner_of(&router, hash), (uint64_t)group * parallelism / MAXES[i]);
        }
        key_router_fini(&router);
    }
}

static void ranges_and_owners_agree(void **state)
{
    for (uint32_t max = 1; max <= 200; max += 7) {
        for (uint32_t parallelism = 1; parallelism <= max; parallelism++) {
            uint32_t next = 0;
            for (uint32_t subtask = 0; subtask < parallelism; subtask++) {
                uint32_t first;
                uint32_t last;
                key_group_range(subtask, max, parallelism, &first, &last);
                assert_int_equal(first, next);
                for (uint32_t g = first; g <= last; g++) {
                    assert_int_equal(key_group_subtask(g, max, parallelism), subtask);
                }
                next = last + 1;
            }
            assert_int_equal(next, max);
        }
    }
}

static void default_max_parallelism_is_flinks(void **state)
{
    assert_int_equal(max_parallelism_default(1), 128);
    assert_int_equal(max_parallelism_default(85), 128);
    assert_int_equal(max_parallelism_default(86), 256);
    assert_int_equal(max_parallelism_default(200), 512);
    assert_int_equal(max_parallelism_default(30000), 32768);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values_never_change),
        POOL_TEST(integer_columns_hash_as_int64),
        POOL_TEST(other_columns_hash_by_value),
        POOL_TEST(maps_hash_without_order),
        POOL_TEST(char_ignores_its_pad),
        POOL_TEST(random_keys_hash_alike_in_every_form),
        POOL_TEST(extended_hashes_keep_the_key_group),
        cmocka_unit_test(dense_keys_spread_over_key_groups),
        cmocka_unit_test(key_groups_are_remainders),
        cmocka_unit_test(ranges_and_owners_agree),
        cmocka_unit_test(default_max_parallelism_is_flinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
