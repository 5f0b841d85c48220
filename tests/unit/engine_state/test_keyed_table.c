/* The keyed table: every kind of key, NULL, growth within a batch, budget, removal. */
#include "engine/state/keyed_table.h"
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_state/fixture.h"

#include <math.h>

static const uint32_t first_columns[] = {0, 1, 2};

struct rig {
    struct buffer_pool *pool;
    struct schema *schema;
    struct builder builder;
    struct keyed_table table;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static void rig_init(struct rig *r, struct buffer_pool *pool, const char *schema,
                     uint32_t value_bytes, struct mem_budget *budget)
{
    memset(r, 0, sizeof(*r));
    r->pool = pool;
    r->schema = parse_schema(schema);
    builder_init(&r->builder, pool, r->schema, BATCH_ROWS_MAX);
    assert_ok(keyed_table_init(
        &r->table,
        &(struct keyed_table_options){
            .key_schema = r->schema, .value_bytes = value_bytes, .budget = budget, .seed = 12345},
        &err));
}

static void rig_fini(struct rig *r)
{
    keyed_table_fini(&r->table);
    builder_fini(&r->builder);
    schema_unref(r->schema);
}

/* Takes what the builder has. */
static void rig_upsert(struct rig *r)
{
    struct batch *b = finish_hashed(&r->builder, r->schema->n_fields);
    assert_ok(keyed_table_upsert(&r->table, b, first_columns, r->slots, r->is_new, &err));
    batch_unref(b);
}

static int64_t *count_at(struct rig *r, uint32_t slot)
{
    return keyed_table_value(&r->table, slot);
}

static void put_i64s(struct rig *r, const int64_t *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(&r->builder, 0, keys[i]);
        builder_end_row(&r->builder);
    }
}

static void equal_keys_share_a_slot(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT NOT NULL>", 8, NULL);
    put_i64s(&r, (const int64_t[]){5, 7, 5, INT64_MIN, 7}, 5);
    rig_upsert(&r);
    assert_int_equal(r.slots[0], r.slots[2]);
    assert_int_equal(r.slots[1], r.slots[4]);
    assert_int_not_equal(r.slots[0], r.slots[1]);
    assert_memory_equal(r.is_new, ((const uint8_t[]){1, 1, 0, 1, 0}), 5);
    assert_int_equal(keyed_table_len(&r.table), 3);
    assert_int_equal(*count_at(&r, r.slots[0]), 0);
    *count_at(&r, r.slots[0]) = 42;
    uint32_t five = r.slots[0];
    put_i64s(&r, (const int64_t[]){8, 5}, 2);
    rig_upsert(&r);
    assert_int_equal(r.slots[1], five);
    assert_int_equal(*count_at(&r, five), 42);
    rig_fini(&r);
}

/* What the table says of a key's hash is what the batch said, whether the entry keeps it or not. */
static void check_hashes_of(struct buffer_pool *pool, const char *schema, bool is_kept)
{
    struct rig r;
    struct rng rng;
    rng_init(&rng, 7);
    rig_init(&r, pool, schema, 8, NULL);
    for (int i = 0; i < 500; i++) {
        random_row(&r.builder, &rng);
    }
    struct batch *b = finish_hashed(&r.builder, 1);
    assert_ok(keyed_table_upsert(&r.table, b, first_columns, r.slots, r.is_new, &err));
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        assert_int_equal(keyed_table_hash(&r.table, r.slots[i]), hashes[batch_row(b, i)]);
    }
    assert_int_equal(r.table.stride, is_kept ? 24 : 16);
    batch_unref(b);
    rig_fini(&r);
}

static void hashes_of_words_are_not_kept(void **state)
{
    static const char *const types[] = {"BOOLEAN",       "TINYINT",      "SMALLINT",
                                        "INT",           "BIGINT",       "DATE",
                                        "DECIMAL(12,3)", "TIMESTAMP(3)", "DOUBLE"};
    char schema[64];
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        snprintf(schema, sizeof(schema), "ROW<k %s>", types[i]);
        check_hashes_of(*state, schema, false);
    }
    check_hashes_of(*state, "ROW<k FLOAT>", true);
}

static void growth_renumbers_the_slots_of_the_batch(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT NOT NULL>", 8, NULL);
    for (int64_t i = 0; i < BATCH_ROWS_MAX; i++) {
        put_i64s(&r, &(int64_t){i / 2}, 1);
    }
    struct batch *b = finish_hashed(&r.builder, 1);
    assert_ok(keyed_table_upsert(&r.table, b, first_columns, r.slots, r.is_new, &err));
    uint32_t again[BATCH_ROWS_MAX];
    assert_ok(keyed_table_find(&r.table, b, first_columns, again, &err));
    assert_memory_equal(r.slots, again, sizeof(again));
    for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
        assert_int_equal(r.is_new[i], i % 2 == 0);
    }
    assert_int_equal(keyed_table_len(&r.table), BATCH_ROWS_MAX / 2);
    batch_unref(b);
    rig_fini(&r);
}

static struct batch *key_of(struct rig *r, uint32_t slot)
{
    struct batch *keys = NULL;
    assert_ok(keyed_table_read_keys(&r->table, r->pool, &slot, 1, &keys, &err));
    assert_ok(batch_validate(keys, &err));
    assert_int_equal(keys->n_rows, 1);
    return keys;
}

/* The string key of a slot; NULL for NULL. */
static void check_key(struct rig *r, uint32_t slot, const char *expected)
{
    struct batch *keys = key_of(r, slot);
    assert_int_equal(column_is_null(&keys->columns[0], 0), expected == NULL);
    if (expected != NULL) {
        struct slice s = column_get_bytes(&keys->columns[0], 0);
        assert_int_equal(s.len, strlen(expected));
        assert_memory_equal(s.data, expected, s.len);
    }
    batch_unref(keys);
}

static void strings_short_and_long(void **state)
{
    static const char *const words[] = {"",
                                        "a",
                                        "twelve bytes",
                                        "thirteen byte",
                                        "thirteen bytf",
                                        "a rather long word that lies in the heap",
                                        "a rather long word that lies in the heaq"};
    struct rig r;
    rig_init(&r, *state, "ROW<k STRING NOT NULL>", 8, NULL);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            put_text(&r.builder, 0, words[i]);
            builder_end_row(&r.builder);
        }
        rig_upsert(&r);
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            assert_int_equal(r.is_new[i], round == 0);
            check_key(&r, r.slots[i], words[i]);
        }
    }
    assert_int_equal(keyed_table_len(&r.table), ARRAY_LEN(words));
    rig_fini(&r);
}

static void null_is_a_key(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k STRING>", 8, NULL);
    put_text(&r.builder, 0, "x");
    builder_end_row(&r.builder);
    put_text(&r.builder, 0, NULL);
    builder_end_row(&r.builder);
    put_text(&r.builder, 0, "");
    builder_end_row(&r.builder);
    put_text(&r.builder, 0, NULL);
    builder_end_row(&r.builder);
    rig_upsert(&r);
    assert_memory_equal(r.is_new, ((const uint8_t[]){1, 1, 1, 0}), 4);
    assert_int_equal(r.slots[1], r.slots[3]);
    assert_int_equal(keyed_table_len(&r.table), 3);
    check_key(&r, r.slots[1], NULL);
    check_key(&r, r.slots[2], "");
    *count_at(&r, r.slots[1]) = 9;
    /* The NULL key moves with growth. */
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "key %d", i);
        put_text(&r.builder, 0, i == 999 ? NULL : text);
        builder_end_row(&r.builder);
    }
    rig_upsert(&r);
    assert_int_equal(r.is_new[999], 0);
    assert_int_equal(*count_at(&r, r.slots[999]), 9);
    keyed_table_remove(&r.table, r.slots[999]);
    assert_int_equal(keyed_table_len(&r.table), 1001);
    rig_fini(&r);
}

static void keys_are_canonical(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k DOUBLE NOT NULL>", 8, NULL);
    static const double values[] = {0.0, -0.0, 1.5, 0.0 / 0.0, -(0.0 / 0.0)};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        builder_put_f64(&r.builder, 0, values[i]);
        builder_end_row(&r.builder);
    }
    rig_upsert(&r);
    assert_memory_equal(r.is_new, ((const uint8_t[]){1, 0, 1, 1, 0}), 5);
    struct batch *zero = key_of(&r, r.slots[1]), *nan = key_of(&r, r.slots[4]);
    assert_false(signbit(COLUMN_VALUES(&zero->columns[0], const double)[0]));
    assert_true(isnan(COLUMN_VALUES(&nan->columns[0], const double)[0]));
    batch_unref(zero);
    batch_unref(nan);
    rig_fini(&r);

    rig_init(&r, *state, "ROW<k CHAR(6) NOT NULL>", 8, NULL);
    put_text(&r.builder, 0, "ab    ");
    builder_end_row(&r.builder);
    put_text(&r.builder, 0, "ab");
    builder_end_row(&r.builder);
    rig_upsert(&r);
    assert_int_equal(r.slots[0], r.slots[1]);
    rig_fini(&r);
}

static void put_by_layout(struct builder *b, uint32_t column, int64_t v)
{
    switch (b->schema->fields[column].type->layout) {
    case LAYOUT_BIT:
        builder_put_bool(b, column, v & 1);
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        builder_put_f64(b, column, (double)v);
        break;
    case LAYOUT_TS_NANO:
        builder_put_ts_nano(b, column, (struct ts_nano){.millis = v, .nanos = 7});
        break;
    case LAYOUT_VIEW: {
        char text[64];
        snprintf(text, sizeof(text), "%s%d", v % 2 ? "" : "with a long start: ", (int)v);
        put_text(b, column, text);
        break;
    }
    default:
        builder_put_i64(b, column, v);
    }
}

/* Every type: keys are found again and read back as they were. */
static void every_type_of_key(void **state)
{
    static const char *const schemas[] = {
        "ROW<k BOOLEAN>",
        "ROW<k TINYINT>",
        "ROW<k SMALLINT>",
        "ROW<k INT>",
        "ROW<k DATE>",
        "ROW<k FLOAT>",
        "ROW<k DECIMAL(10, 2)>",
        "ROW<k DECIMAL(30, 2)>",
        "ROW<k TIMESTAMP(3)>",
        "ROW<k TIMESTAMP(9)>",
        "ROW<k BYTES>",
        "ROW<a BIGINT, b STRING, c BOOLEAN>",
        "ROW<a DOUBLE, b FLOAT, c TIMESTAMP(9)>",
        "ROW<a TINYINT, b SMALLINT, c DECIMAL(30, 2)>",
        "ROW<a STRING, b STRING, c INT>",
    };
    for (size_t s = 0; s < ARRAY_LEN(schemas); s++) {
        struct rig r;
        rig_init(&r, *state, schemas[s], 8, NULL);
        for (int64_t i = 0; i < 50; i++) {
            for (uint32_t c = 0; c < r.schema->n_fields; c++) {
                if (i % 7 == (int64_t)c) {
                    builder_put_null(&r.builder, c);
                } else {
                    put_by_layout(&r.builder, c, i * (c + 1));
                }
            }
            builder_end_row(&r.builder);
        }
        struct batch *b = finish_hashed(&r.builder, r.schema->n_fields);
        assert_ok(keyed_table_upsert(&r.table, b, first_columns, r.slots, r.is_new, &err));
        struct batch *keys = NULL;
        assert_ok(keyed_table_read_keys(&r.table, *state, r.slots, 50, &keys, &err));
        assert_ok(batch_validate(keys, &err));
        assert_true(batch_equals(keys, b));
        batch_unref(keys);
        batch_unref(b);
        rig_fini(&r);
    }
}

static void a_selection_counts_selected_rows_only(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT NOT NULL>", 8, NULL);
    put_i64s(&r, (const int64_t[]){1, 2, 3, 1}, 4);
    struct batch *b = builder_finish(&r.builder);
    struct buffer *sel = buffer_get(*state, 4);
    memcpy(sel->data, (const uint16_t[]){0, 3}, 4);
    batch_set_selection(b, sel, 2);
    batch_hash_keys(*state, b, first_columns, 1);
    assert_ok(keyed_table_upsert(&r.table, b, first_columns, r.slots, r.is_new, &err));
    assert_int_equal(keyed_table_len(&r.table), 1);
    assert_int_equal(r.slots[0], r.slots[1]);
    assert_memory_equal(r.is_new, ((const uint8_t[]){1, 0}), 2);
    batch_unref(b);
    rig_fini(&r);
}

static void the_budget_is_kept(void **state)
{
    struct mem_budget budget;
    struct rig r;
    struct error fault = ERROR_INIT;
    mem_budget_init(&budget, "managed", 300 * 1024, NULL);
    rig_init(&r, *state, "ROW<k STRING NOT NULL>", 8, &budget);
    int rc = 0, batches = 0;
    for (; rc == 0; batches++) {
        for (int i = 0; i < 100; i++) {
            char text[64];
            snprintf(text, sizeof(text), "a key that is longer than a view %d", batches * 100 + i);
            put_text(&r.builder, 0, text);
            builder_end_row(&r.builder);
        }
        struct batch *b = finish_hashed(&r.builder, 1);
        rc = keyed_table_upsert(&r.table, b, first_columns, r.slots, r.is_new, &fault);
        batch_unref(b);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_non_null(strstr(fault.message, "'managed'"));
    assert_true(atomic_load(&budget.used_bytes) <= budget.limit_bytes);
    assert_in_range(keyed_table_len(&r.table), 1000, 4000);
    assert_int_equal(keyed_table_bytes(&r.table), atomic_load(&budget.used_bytes));
    /* As usable as before. */
    put_text(&r.builder, 0, "a key that is longer than a view 7");
    builder_end_row(&r.builder);
    rig_upsert(&r);
    assert_int_equal(r.is_new[0], 0);
    keyed_table_clear(&r.table);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
    rig_fini(&r);
}

static void removed_slots_are_used_again(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT NOT NULL>", 8, NULL);
    for (int64_t i = 0; i < 100000; i += 50) {
        int64_t keys[50];
        for (int64_t k = 0; k < 50; k++) {
            keys[k] = i + k;
        }
        put_i64s(&r, keys, 50);
        rig_upsert(&r);
        for (int k = 0; k < 50; k++) {
            keyed_table_remove(&r.table, r.slots[k]);
        }
        assert_int_equal(keyed_table_len(&r.table), 0);
    }
    assert_true(r.table.n_slots <= 256);
    assert_int_equal(keyed_table_next(&r.table, 0), KEYED_SLOT_NONE);
    rig_fini(&r);
}

static void find_adds_nothing(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT>", 8, NULL);
    for (int round = 0; round < 2; round++) {
        put_i64s(&r, (const int64_t[]){1, 2}, 2);
        builder_put_null(&r.builder, 0);
        builder_end_row(&r.builder);
        struct batch *b = finish_hashed(&r.builder, 1);
        assert_ok(keyed_table_find(&r.table, b, first_columns, r.slots, &err));
        for (int i = 0; i < 3; i++) {
            assert_int_equal(r.slots[i] == KEYED_SLOT_NONE, round == 0 || i != 0);
        }
        batch_unref(b);
        put_i64s(&r, (const int64_t[]){1}, 1);
        rig_upsert(&r);
    }
    rig_fini(&r);
}

static void room_is_made_before_keys_come(void **state)
{
    struct mem_budget budget = {.name = "state", .limit_bytes = 8 * 1024 * 1024};
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT NOT NULL>", 8, &budget);
    assert_ok(keyed_table_reserve(&r.table, 100000, &err));
    const char *entries = r.table.entries;
    for (int64_t from = 0; from < 100000; from += 1000) {
        int64_t keys[1000];
        for (int64_t k = 0; k < 1000; k++) {
            keys[k] = from + k;
        }
        put_i64s(&r, keys, 1000);
        rig_upsert(&r);
    }
    assert_ptr_equal(r.table.entries, entries);
    /* Less is no reason to move anything, and what there is no memory for changes nothing. */
    assert_ok(keyed_table_reserve(&r.table, 10, &err));
    assert_int_equal(keyed_table_reserve(&r.table, 10000000, NULL), ERR_LIMIT);
    assert_ptr_equal(r.table.entries, entries);
    assert_int_equal(keyed_table_len(&r.table), 100000);
    rig_fini(&r);
}

/* As a table would have its keys in order: NULL, keys of any length, in the place of removed ones. */
static void keys_that_are_known_to_be_new(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k STRING>", 8, NULL);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            char text[64];
            snprintf(text, sizeof(text), i % 2 == 0 ? "%u" : "a key that lies in the heap: %u",
                     round * 1000 + i);
            put_text(&r.builder, 0, round == 7 && i == 500 ? NULL : text);
            builder_end_row(&r.builder);
        }
        struct batch *b = finish_hashed(&r.builder, 1);
        assert_ok(keyed_table_add(&r.table, b, first_columns, r.slots, &err));
        for (uint32_t i = 0; i < 1000; i++) {
            assert_int_equal(*count_at(&r, r.slots[i]), 0);
            *count_at(&r, r.slots[i]) = round * 1000 + i;
        }
        uint32_t found[1000];
        assert_ok(keyed_table_find(&r.table, b, first_columns, found, &err));
        assert_memory_equal(found, r.slots, sizeof(found));
        /* What is removed may come again; many removed slots are no reason to grow. */
        for (uint32_t i = 0; i < 1000 && round >= 2 && round != 7; i++) {
            keyed_table_remove(&r.table, r.slots[i]);
        }
        batch_unref(b);
    }
    assert_int_equal(keyed_table_len(&r.table), 3000);
    assert_true(r.table.has_null);
    assert_int_equal(r.table.n_slots, 8192);
    uint32_t null = keyed_table_next(&r.table, r.table.n_slots);
    assert_int_equal(*count_at(&r, null), 7500);
    rig_fini(&r);
}

/* An empty table takes the seed of another one, but no table that has keys, and not none. */
static void a_table_takes_a_seed(void **state)
{
    struct rig r;
    rig_init(&r, *state, "ROW<k BIGINT NOT NULL>", 8, NULL);
    keyed_table_take_seed(&r.table, 0);
    assert_int_equal(r.table.seed, 12345);
    keyed_table_take_seed(&r.table, 6);
    assert_int_equal(r.table.seed, 7);
    put_i64s(&r, (const int64_t[]){5, 7}, 2);
    rig_upsert(&r);
    keyed_table_take_seed(&r.table, 99);
    assert_int_equal(r.table.seed, 7);
    rig_fini(&r);
}

/* Else keys that come in the order of another table would crowd at one end of this one. */
static void tables_have_seeds_of_their_own(void **state)
{
    struct keyed_table a, b;
    struct schema *s = parse_schema("ROW<k BIGINT NOT NULL>");
    const struct keyed_table_options options = {.key_schema = s, .value_bytes = 8};
    assert_ok(keyed_table_init(&a, &options, &err));
    assert_ok(keyed_table_init(&b, &options, &err));
    assert_int_not_equal(a.seed, b.seed);
    assert_int_equal(a.seed & b.seed & 1, 1);
    keyed_table_fini(&a);
    keyed_table_fini(&b);
    schema_unref(s);
}

static void nested_keys_are_refused(void **state)
{
    struct keyed_table t;
    struct error fault = ERROR_INIT;
    struct schema *s = parse_schema("ROW<a INT, b ARRAY<INT>>");
    int rc = keyed_table_init(&t, &(struct keyed_table_options){.key_schema = s, .value_bytes = 8},
                              &fault);
    assert_int_equal(rc, ERR_UNSUPPORTED);
    assert_non_null(strstr(fault.message, "column 'b' cannot be a key"));
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_keys_share_a_slot, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(hashes_of_words_are_not_kept, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(growth_renumbers_the_slots_of_the_batch, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(strings_short_and_long, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(null_is_a_key, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(keys_are_canonical, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(every_type_of_key, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_selection_counts_selected_rows_only, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(the_budget_is_kept, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(removed_slots_are_used_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(find_adds_nothing, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(room_is_made_before_keys_come, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(keys_that_are_known_to_be_new, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_table_takes_a_seed, pool_setup, pool_teardown),
        cmocka_unit_test(tables_have_seeds_of_their_own),
        cmocka_unit_test(nested_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
