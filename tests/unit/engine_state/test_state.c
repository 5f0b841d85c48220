/* Keyed state by its interface: backends by name, states by name, namespaces, records. */
#include "engine/state/state.h"
#include "tests/unit/engine_state/fixture.h"

static const uint32_t key_columns[] = {0};

static struct keyed_backend *backend(struct buffer_pool *pool, struct mem_budget *budget)
{
    struct keyed_backend *b = NULL;
    assert_ok(keyed_backend_new("hashmap",
                                &(struct keyed_backend_options){.operator_name = "Sum",
                                                                .pool = pool,
                                                                .budget = budget,
                                                                .max_parallelism = 128,
                                                                .last_group = 127},
                                &b, &err));
    return b;
}

static struct batch *numbers(struct buffer_pool *pool, const struct schema *s, int64_t from,
                             uint32_t n)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(&b, 0, from + i);
        builder_end_row(&b);
    }
    struct batch *batch = finish_hashed(&b, 1);
    builder_fini(&b);
    return batch;
}

static void an_unknown_kind_is_named(void **state)
{
    struct keyed_backend *b = NULL;
    struct error fault = ERROR_INIT;
    int rc = keyed_backend_new("forst", &(struct keyed_backend_options){.max_parallelism = 1}, &b,
                               &fault);
    assert_int_equal(rc, ERR_NOT_FOUND);
    assert_string_equal(fault.message,
                        "there is no state backend 'forst'; known: hashmap, rocksdb");
}

static void a_state_is_opened_once(void **state)
{
    struct keyed_backend *b = backend(*state, NULL);
    struct schema *keys = parse_schema("ROW<k BIGINT NOT NULL>");
    struct schema *others = parse_schema("ROW<k STRING NOT NULL>");
    struct keyed_state *first = NULL, *second = NULL, *third = NULL;
    struct keyed_state_desc desc = {.name = "sum", .key_schema = keys, .value_bytes = 8};
    assert_ok(keyed_backend_state(b, &desc, &first, &err));
    assert_ok(keyed_backend_state(b, &desc, &second, &err));
    assert_ptr_equal(first, second);
    struct error fault = ERROR_INIT;
    desc.key_schema = others;
    assert_int_equal(keyed_backend_state(b, &desc, &third, &fault), ERR_STATE);
    assert_non_null(strstr(fault.message, "'sum' of operator 'Sum'"));
    desc.name = "other";
    assert_ok(keyed_backend_state(b, &desc, &third, &err));
    assert_ptr_not_equal(third, first);
    schema_unref(keys);
    schema_unref(others);
    keyed_backend_free(b);
}

static void namespaces_are_apart_and_dropped_whole(void **state)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "managed", 0, NULL);
    struct keyed_backend *b = backend(*state, &budget);
    struct schema *keys = parse_schema("ROW<k BIGINT NOT NULL>");
    struct keyed_state *s = NULL;
    uint32_t slots[100];
    uint8_t is_new[100];
    struct keyed_state_desc desc = {.name = "window", .key_schema = keys, .value_bytes = 8};
    assert_ok(keyed_backend_state(b, &desc, &s, &err));
    struct batch *batch = numbers(*state, keys, 0, 100);
    for (int64_t ns = 5; ns > -5; ns--) {
        assert_ok(keyed_state_upsert(s, ns, batch, key_columns, slots, is_new, &err));
        for (int i = 0; i < 100; i++) {
            assert_int_equal(is_new[i], 1);
            *(int64_t *)keyed_state_value(s, slots[i]) = ns * 1000 + i;
        }
    }
    keyed_state_drop_namespace(s, 3);
    keyed_state_drop_namespace(s, 77);
    for (int64_t ns = -6; ns <= 6; ns++) {
        assert_ok(keyed_state_find(s, ns, batch, key_columns, slots, &err));
        bool there = ns > -5 && ns <= 5 && ns != 3;
        for (int i = 0; i < 100; i++) {
            assert_int_equal(slots[i] != KEYED_SLOT_NONE, there);
            if (there) {
                assert_int_equal(*(int64_t *)keyed_state_value(s, slots[i]), ns * 1000 + i);
            }
        }
        uint32_t n = 0;
        for (uint32_t at = keyed_state_next(s, ns, 0); at != KEYED_SLOT_NONE;
             at = keyed_state_next(s, ns, at + 1)) {
            n++;
        }
        assert_int_equal(n, there ? 100 : 0);
    }
    int64_t found = INT64_MIN, expected = -4;
    for (; keyed_state_next_namespace(s, found, &found); found++) {
        assert_int_equal(found, expected);
        expected += expected == 2 ? 2 : 1;
    }
    assert_int_equal(expected, 6);
    assert_int_equal(keyed_backend_bytes(b), atomic_load(&budget.used_bytes));
    batch_unref(batch);
    keyed_backend_free(b);
    schema_unref(keys);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

/* Entries of a map: the key decides the group, the map key only distinguishes. */
static void longer_keys_keep_their_key_group(void **state)
{
    struct keyed_backend *b = backend(*state, NULL);
    struct schema *keys = parse_schema("ROW<k BIGINT NOT NULL, m BIGINT NOT NULL>");
    const uint32_t columns[] = {0, 1};
    struct keyed_state *s = NULL;
    uint32_t slots[100];
    uint8_t is_new[100];
    struct keyed_state_desc desc = {
        .name = "map", .key_schema = keys, .value_bytes = 8, .n_key_columns = 1};
    assert_ok(keyed_backend_state(b, &desc, &s, &err));
    struct builder rows;
    builder_init(&rows, *state, keys, 0);
    for (int64_t i = 0; i < 100; i++) {
        builder_put_i64(&rows, 0, i / 10);
        builder_put_i64(&rows, 1, i % 10);
        builder_end_row(&rows);
    }
    struct batch *batch = builder_finish(&rows);
    keyed_state_hash(s, batch, columns);
    assert_ok(keyed_state_upsert(s, NAMESPACE_VOID, batch, columns, slots, is_new, &err));
    for (int64_t i = 0; i < 100; i++) {
        assert_int_equal(is_new[i], 1);
        assert_int_equal((uint32_t)keyed_table_hash(s->table, slots[i]),
                         (uint32_t)key_hash_i64(i / 10));
    }
    batch_unref(batch);
    builder_fini(&rows);
    keyed_backend_free(b);
    schema_unref(keys);
}

static void records_are_removed_with_their_strings(void **state)
{
    struct keyed_backend *b = backend(*state, NULL);
    struct schema *keys = parse_schema("ROW<k BIGINT NOT NULL>");
    struct schema *values = parse_schema("ROW<k BIGINT NOT NULL, word STRING NOT NULL>");
    struct record_layout l;
    struct keyed_state *s = NULL;
    uint32_t slots[10];
    uint8_t is_new[10];
    assert_ok(record_layout_init(&l, values, &err));
    struct keyed_state_desc desc = {.name = "reduce", .key_schema = keys, .record = &l};
    assert_ok(keyed_backend_state(b, &desc, &s, &err));
    struct batch *batch = numbers(*state, keys, 0, 10);
    assert_ok(keyed_state_upsert(s, NAMESPACE_VOID, batch, key_columns, slots, is_new, &err));
    char record[64] = {0};
    assert_true(l.size <= sizeof(record));
    flinc_string word = FLINC_STR("a word");
    memcpy(record + record_layout_find(&l, 1)->offset, &word, sizeof(word));
    for (int i = 0; i < 10; i++) {
        assert_ok(keyed_state_keep(s, slots[i], record, &err));
    }
    assert_int_equal(s->table->heap.used_bytes, 160);
    for (int i = 0; i < 10; i++) {
        keyed_state_remove(s, slots[i]);
    }
    assert_int_equal(s->table->heap.used_bytes, 0);
    assert_int_equal(keyed_table_len(s->table), 0);
    batch_unref(batch);
    keyed_backend_free(b);
    record_layout_fini(&l);
    schema_unref(keys);
    schema_unref(values);
}

static void an_error_names_state_and_operator(void **state)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "managed", 1000, NULL);
    struct keyed_backend *b = backend(*state, &budget);
    struct schema *keys = parse_schema("ROW<k BIGINT NOT NULL>");
    struct keyed_state *s = NULL;
    uint32_t slots[1];
    uint8_t is_new[1];
    struct error fault = ERROR_INIT;
    struct keyed_state_desc desc = {.name = "sum", .key_schema = keys, .value_bytes = 8};
    assert_ok(keyed_backend_state(b, &desc, &s, &err));
    struct batch *batch = numbers(*state, keys, 0, 1);
    assert_int_equal(keyed_state_upsert(s, 0, batch, key_columns, slots, is_new, &fault),
                     ERR_LIMIT);
    assert_string_equal(fault.frames, "state 'sum' of operator 'Sum'\n");
    assert_non_null(strstr(fault.message, "raise taskmanager.memory.managed.size"));
    batch_unref(batch);
    keyed_backend_free(b);
    schema_unref(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unknown_kind_is_named, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_state_is_opened_once, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(namespaces_are_apart_and_dropped_whole, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(longer_keys_keep_their_key_group, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(records_are_removed_with_their_strings, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(an_error_names_state_and_operator, pool_setup,
                                        pool_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
