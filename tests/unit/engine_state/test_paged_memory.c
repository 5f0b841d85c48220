/* Tables of paged states whose part of the memory shrinks, since files that grow have larger indexes and filters. */
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum { KEYS = 300000, BATCH = 2000, GROUPS = 8, SOME = 32 * BATCH };
#define CACHE (UINT64_C(8) << 20)

static const uint32_t KEY_COLUMN = 0;

struct sums {
    struct mem_budget budget;
    struct rocks_shared *shared;
    struct schema *keys, *values;
    struct record_layout layout;
    struct fixture_disk disk;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct builder builder;
};

static void sums_open(struct sums *x, struct buffer_pool *pool)
{
    x->keys = parse_schema("ROW<k BIGINT NOT NULL>");
    x->values = parse_schema("ROW<n BIGINT NOT NULL>");
    mem_budget_init(&x->budget, "managed", 4 * CACHE, NULL);
    assert_ok(rocks_shared_new(
        &(struct rocks_shared_options){.memory_bytes = 4 * CACHE, .budget = &x->budget}, &x->shared,
        &err));
    assert_ok(record_layout_init(&x->layout, x->values, &err));
    fixture_disk_init(&x->disk, 0);
    x->disk.disk.shared = x->shared;
    x->disk.disk.cache_bytes = CACHE;
    assert_ok(keyed_backend_new("rocksdb",
                                &(struct keyed_backend_options){.operator_name = "Sum",
                                                                .pool = pool,
                                                                .budget = &x->budget,
                                                                .max_parallelism = GROUPS,
                                                                .last_group = GROUPS - 1,
                                                                .disk = &x->disk.disk},
                                &x->backend, &err));
    builder_init(&x->builder, pool, x->keys, BATCH_ROWS_MAX);
    assert_ok(keyed_backend_state(x->backend,
                                  &(struct keyed_state_desc){.name = "sum",
                                                             .key_schema = x->keys,
                                                             .value_bytes = sizeof(int64_t),
                                                             .value_layout = &x->layout,
                                                             .grows_in_pieces = true},
                                  &x->state, &err));
}

static void sums_close(struct sums *x)
{
    keyed_backend_free(x->backend);
    assert_int_equal(atomic_load(&x->budget.used_bytes), 0);
    rocks_shared_unref(x->shared);
    builder_fini(&x->builder);
    record_layout_fini(&x->layout);
    schema_unref(x->keys);
    schema_unref(x->values);
}

/* Adds 1 to the keys [from, until), each of which has `expected`. */
static void add(struct sums *x, int64_t from, int64_t until, int64_t expected)
{
    static uint32_t slots[BATCH_ROWS_MAX];
    static uint8_t is_new[BATCH_ROWS_MAX];
    for (int64_t key = from; key < until; key += BATCH) {
        for (int64_t i = 0; i < BATCH; i++) {
            builder_put_i64(&x->builder, 0, key + i);
            builder_end_row(&x->builder);
        }
        struct batch *b = finish_hashed(&x->builder, 1);
        assert_ok(
            keyed_state_upsert(x->state, NAMESPACE_VOID, b, &KEY_COLUMN, slots, is_new, &err));
        for (uint32_t i = 0; i < BATCH; i++) {
            int64_t *sum = (int64_t *)keyed_state_value(x->state, slots[i]);
            assert_int_equal(is_new[i], expected == 0);
            assert_int_equal(*sum, expected);
            *sum += 1;
        }
        batch_unref(b);
    }
}

static uint64_t bytes_of(const struct sums *x)
{
    return keyed_table_bytes(x->state->table);
}

static void a_table_gives_memory_back(void **state)
{
    struct sums *x = MEM_NEW(struct sums);
    sums_open(x, *state);
    add(x, 0, KEYS, 0);
    assert_in_range(bytes_of(x), CACHE / 2, CACHE);
    uint32_t numbering = x->state->table->numbering;
    /* As if RocksDB held the most of it: what is left is a quarter of the cache. */
    rocks_shared_set_memory(x->shared, 1 << 20);
    assert_int_equal(paged_store_limit(x->backend->paged), CACHE / 4);
    add(x, 0, SOME, 1);
    assert_true(bytes_of(x) <= CACHE / 4);
    assert_true(x->state->table->numbering != numbering);
    add(x, SOME, KEYS, 1);
    add(x, 0, KEYS, 2);
    assert_true(bytes_of(x) <= CACHE / 4);
    /* It grows when there is room again. */
    rocks_shared_set_memory(x->shared, 4 * CACHE);
    add(x, 0, KEYS, 3);
    assert_true(bytes_of(x) > CACHE / 4);
    sums_close(x);
    mem_free(x);
}

/* What was frozen is not touched; the table shrinks behind the checkpoint. */
static void a_table_shrinks_behind_the_checkpoint(void **state)
{
    struct sums *x = MEM_NEW(struct sums);
    Flinc__KeyedHandle handle;
    sums_open(x, *state);
    add(x, 0, KEYS, 0);
    struct keyed_snapshot *s = freeze(x->backend, 1, INCREMENTAL, 0);
    rocks_shared_set_memory(x->shared, 1 << 20);
    uint64_t before = bytes_of(x);
    add(x, KEYS - SOME, KEYS, 1);
    assert_true(bytes_of(x) >= before || !x->backend->paged->is_frozen);
    finish_snapshot(s, &handle);
    handle_fini(&handle);
    add(x, 0, KEYS - SOME, 1);
    assert_true(bytes_of(x) < before);
    add(x, 0, KEYS, 2);
    sums_close(x);
    mem_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROCKSDB_TEST(a_table_gives_memory_back),
        ROCKSDB_TEST(a_table_shrinks_behind_the_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
