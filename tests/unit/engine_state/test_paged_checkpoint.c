/* Checkpoints of paged state that cannot be written: they fail, and the state goes on. */
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum { KEYS = 20000, BATCH = 2000, GROUPS = 8 };

static const uint32_t KEY_COLUMN = 0;

struct sums {
    struct mem_budget budget;
    struct schema *keys, *values;
    struct record_layout layout;
    struct fixture_disk disk;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct builder builder;
};

static void sums_open(struct sums *x, struct buffer_pool *pool, uint32_t number)
{
    x->keys = parse_schema("ROW<k BIGINT NOT NULL>");
    x->values = parse_schema("ROW<n BIGINT NOT NULL>");
    mem_budget_init(&x->budget, "managed", 0, NULL);
    assert_ok(record_layout_init(&x->layout, x->values, &err));
    const struct keyed_disk *disk = fixture_disk_init(&x->disk, number);
    assert_ok(keyed_backend_new("rocksdb",
                                &(struct keyed_backend_options){.operator_name = "Sum",
                                                                .pool = pool,
                                                                .budget = &x->budget,
                                                                .max_parallelism = GROUPS,
                                                                .last_group = GROUPS - 1,
                                                                .disk = disk},
                                &x->backend, &err));
    builder_init(&x->builder, pool, x->keys, BATCH_ROWS_MAX);
}

static void sums_open_state(struct sums *x)
{
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
    builder_fini(&x->builder);
    record_layout_fini(&x->layout);
    schema_unref(x->keys);
    schema_unref(x->values);
}

/* Adds `n` to every key, each of which has `expected`. */
static void add(struct sums *x, int64_t expected, int64_t n)
{
    static uint32_t slots[BATCH_ROWS_MAX];
    static uint8_t is_new[BATCH_ROWS_MAX];
    for (int64_t key = 0; key < KEYS; key += BATCH) {
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
            *sum += n;
        }
        batch_unref(b);
    }
}

static int step_to_end(struct keyed_snapshot *s, Flinc__KeyedHandle *ret, struct error *err)
{
    int rc;
    while ((rc = keyed_snapshot_step(s, 1000, ret, err)) == 1) {
    }
    keyed_snapshot_free(s);
    return rc;
}

/* The next checkpoint has everything, also what the one that failed had written. */
static void check_goes_on(struct sums *x, struct buffer_pool *pool, int64_t expected)
{
    Flinc__KeyedHandle handle, *handles[] = {&handle};
    struct sums *after = MEM_NEW(struct sums);
    finish_snapshot(freeze(x->backend, 9, INCREMENTAL, 0), &handle);
    sums_open(after, pool, 1);
    assert_ok(restore(after->backend, handles, 1, &err));
    sums_open_state(after);
    add(after, expected, 0);
    sums_close(after);
    mem_free(after);
    handle_fini(&handle);
    add(x, expected, 1);
}

/* No memory for copies of entries that change, while the table needs room: the writing is not asked for meanwhile. */
static void a_checkpoint_without_copies_fails_alone(void **state)
{
    struct sums *x = MEM_NEW(struct sums);
    struct error why = ERROR_INIT;
    Flinc__KeyedHandle handle;
    sums_open(x, *state, 0);
    sums_open_state(x);
    add(x, 0, 1);
    struct keyed_snapshot *s = freeze(x->backend, 1, INCREMENTAL, 0);
    mem_budget_set_limit(&x->budget, 1);
    keyed_track_lose(&x->backend->paged->track);
    add(x, 1, 1);
    assert_false(x->backend->paged->is_frozen);
    mem_budget_set_limit(&x->budget, 0);
    assert_int_equal(step_to_end(s, &handle, &why), ERR_LIMIT);
    assert_non_null(strstr(why.message, "the state is unharmed"));
    check_goes_on(x, *state, 2);
    sums_close(x);
    mem_free(x);
}

/* A local disk that does not take restored files is no reason for a job to give up. */
static void files_that_cannot_be_taken_over_are_tried_again(void **state)
{
    struct sums *x = MEM_NEW(struct sums), *after = MEM_NEW(struct sums);
    Flinc__KeyedHandle handle, *handles[] = {&handle};
    struct error why = ERROR_INIT;
    sums_open(x, *state, 0);
    sums_open_state(x);
    add(x, 0, 1);
    finish_snapshot(freeze(x->backend, 1, INCREMENTAL, 0), &handle);
    sums_open(after, *state, 1);
    assert_ok(failpoint_configure("rocksdb.adopt=error", &err));
    assert_true(restore(after->backend, handles, 1, &why) < 0);
    failpoint_clear_all();
    assert_int_equal(why.cls, ERROR_CLASS_TRANSIENT);
    sums_close(after);
    sums_close(x);
    handle_fini(&handle);
    mem_free(after);
    mem_free(x);
}

/* Keys that are found and removed, without a new one: neither what the store has not heard of, nor a piece that nobody asks for,
 * keeps memory. */
static void what_was_removed_takes_no_memory(void **state)
{
    enum { ROUNDS = 20 };
    static uint32_t slots[BATCH_ROWS_MAX];
    struct sums *x = MEM_NEW(struct sums);
    uint64_t most = 0;
    sums_open(x, *state, 0);
    sums_open_state(x);
    for (int round = 0; round < ROUNDS; round++) {
        add(x, 0, 1);
        for (int64_t key = 0; key < KEYS; key += BATCH) {
            for (int64_t i = 0; i < BATCH; i++) {
                builder_put_i64(&x->builder, 0, key + i);
                builder_end_row(&x->builder);
            }
            struct batch *b = finish_hashed(&x->builder, 1);
            assert_ok(keyed_state_find(x->state, NAMESPACE_VOID, b, &KEY_COLUMN, slots, &err));
            keyed_state_remove_many(x->state, slots, BATCH);
            most = MAX(most, x->state->table->removed.len - x->state->table->removed_start);
            batch_unref(b);
        }
        assert_true(atomic_load(&x->budget.used_bytes) < 4 << 20);
    }
    assert_in_range(most, 1, 4096 * 2 + BATCH);
    sums_close(x);
    mem_free(x);
}

/* The disk takes what changed, but not the links: asked for, or on the way to room for keys. */
static void a_checkpoint_without_links_fails_alone(void **state)
{
    for (int is_asked = 0; is_asked < 2; is_asked++) {
        struct sums *x = MEM_NEW(struct sums);
        struct error why = ERROR_INIT;
        Flinc__KeyedHandle handle;
        sums_open(x, *state, 0);
        sums_open_state(x);
        add(x, 0, 1);
        assert_ok(failpoint_configure("rocksdb.link_files=error", &err));
        struct keyed_snapshot *s = freeze(x->backend, 1, INCREMENTAL, 0);
        if (!is_asked) {
            add(x, 1, 1);
            assert_false(x->backend->paged->is_frozen);
        }
        assert_true(step_to_end(s, &handle, &why) < 0);
        assert_non_null(strstr(why.message, "rocksdb.link_files"));
        failpoint_clear_all();
        check_goes_on(x, *state, is_asked ? 1 : 2);
        sums_close(x);
        mem_free(x);
    }
}

/* ---- namespaces ------------------------------------------------------------------------------------ */

enum { SPACE = 5, SPACE_KEYS = 1000 };

static struct batch *space_keys(struct sums *x)
{
    for (int64_t i = 0; i < SPACE_KEYS; i++) {
        builder_put_i64(&x->builder, 0, i);
        builder_end_row(&x->builder);
    }
    return finish_hashed(&x->builder, 1);
}

/* All keys of the namespace are as they are expected (0: not there), and become `n`. */
static void put_space(struct sums *x, int64_t expected, int64_t n)
{
    static uint32_t slots[BATCH_ROWS_MAX];
    static uint8_t is_new[BATCH_ROWS_MAX];
    struct batch *b = space_keys(x);
    assert_ok(keyed_state_upsert(x->state, SPACE, b, &KEY_COLUMN, slots, is_new, &err));
    for (uint32_t i = 0; i < SPACE_KEYS; i++) {
        int64_t *sum = (int64_t *)keyed_state_value(x->state, slots[i]);
        assert_int_equal(is_new[i], expected == 0);
        assert_int_equal(*sum, expected);
        *sum = n;
    }
    batch_unref(b);
}

/* How many keys a restored namespace has, all of which are `n`. */
static uint32_t restored_space(struct buffer_pool *pool, Flinc__KeyedHandle *handle, int64_t n)
{
    static uint32_t slots[BATCH_ROWS_MAX];
    struct sums *after = MEM_NEW(struct sums);
    uint32_t found = 0;
    int64_t space = INT64_MIN;
    sums_open(after, pool, 1);
    assert_ok(restore(after->backend, &handle, 1, &err));
    sums_open_state(after);
    bool is_there = keyed_state_next_namespace(after->state, SPACE, &space) && space == SPACE;
    struct batch *b = space_keys(after);
    assert_ok(keyed_state_find(after->state, SPACE, b, &KEY_COLUMN, slots, &err));
    for (uint32_t i = 0; i < SPACE_KEYS; i++) {
        if (slots[i] != KEYED_SLOT_NONE) {
            assert_int_equal(*(int64_t *)keyed_state_value(after->state, slots[i]), n);
            found++;
        }
    }
    assert_int_equal(is_there, found > 0);
    batch_unref(b);
    sums_close(after);
    mem_free(after);
    return found;
}

/* A namespace goes, and comes again, while a checkpoint still has to write it. */
static void drop_while_frozen(struct buffer_pool *pool, Flinc__CheckpointKind kind,
                              uint32_t expected)
{
    struct sums *x = MEM_NEW(struct sums);
    Flinc__KeyedHandle handle;
    sums_open(x, pool, 0);
    sums_open_state(x);
    put_space(x, 0, 7);
    struct keyed_snapshot *s = freeze(x->backend, 1, kind, 0);
    keyed_state_drop_namespace(x->state, SPACE);
    put_space(x, 0, 8);
    finish_snapshot(s, &handle);
    assert_int_equal(restored_space(pool, &handle, 7), expected);
    handle_fini(&handle);
    /* The next one has the new keys alone, and the one behind a drop none. */
    finish_snapshot(freeze(x->backend, 2, kind, 0), &handle);
    assert_int_equal(restored_space(pool, &handle, 8), SPACE_KEYS);
    handle_fini(&handle);
    put_space(x, 8, 9);
    keyed_state_drop_namespace(x->state, SPACE);
    finish_snapshot(freeze(x->backend, 3, kind, 0), &handle);
    assert_int_equal(restored_space(pool, &handle, 9), 0);
    handle_fini(&handle);
    put_space(x, 0, 1);
    sums_close(x);
    mem_free(x);
}

static void a_checkpoint_has_what_is_dropped_meanwhile(void **state)
{
    drop_while_frozen(*state, INCREMENTAL, SPACE_KEYS);
    drop_while_frozen(*state, SAVEPOINT, SPACE_KEYS);
}

static void a_checkpoint_has_what_is_dropped_meanwhile_guard(void **state)
{
    assert_ok(failpoint_configure("planted.paged.drop_forgets_frozen=error", &err));
    drop_while_frozen(*state, INCREMENTAL, 0);
}

static void remove_key(struct sums *x, int64_t key)
{
    uint32_t slot = KEYED_SLOT_NONE;
    builder_put_i64(&x->builder, 0, key);
    builder_end_row(&x->builder);
    struct batch *b = finish_hashed(&x->builder, 1);
    assert_ok(keyed_state_find(x->state, SPACE, b, &KEY_COLUMN, &slot, &err));
    assert_true(slot != KEYED_SLOT_NONE);
    keyed_state_remove(x->state, slot);
    batch_unref(b);
}

/* Keys come from the disk, go, and each time it is asked whether that was the last: nothing is written for an answer, and
 * in the end it is known. */
static void a_namespace_that_goes_key_by_key(void **state)
{
    enum { ASKS = 5000 };
    struct sums *x = MEM_NEW(struct sums), *after = MEM_NEW(struct sums);
    Flinc__KeyedHandle handle, *handles[] = {&handle};
    int64_t space = INT64_MIN;
    sums_open(x, *state, 0);
    sums_open_state(x);
    put_space(x, 0, 7);
    finish_snapshot(freeze(x->backend, 1, INCREMENTAL, 0), &handle);
    sums_open(after, *state, 1);
    assert_ok(restore(after->backend, handles, 1, &err));
    sums_open_state(after);
    const struct paged_store *store = after->backend->paged;
    uint64_t n_pieces = store->n_pieces;
    for (int64_t key = 0; key < SPACE_KEYS; key++) {
        assert_true(keyed_state_next_namespace(after->state, SPACE, &space) && space == SPACE);
        remove_key(after, key);
        keyed_state_drop_if_empty(after->state, SPACE);
    }
    assert_int_equal(store->n_pieces, n_pieces);
    assert_ok(paged_store_flush(after->backend->paged, &err));
    for (int i = 0; i < ASKS; i++) {
        keyed_state_drop_if_empty(after->state, SPACE);
    }
    assert_false(keyed_state_next_namespace(after->state, SPACE, &space) && space == SPACE);
    sums_close(after);
    sums_close(x);
    handle_fini(&handle);
    mem_free(after);
    mem_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROCKSDB_TEST(a_checkpoint_without_copies_fails_alone),
        ROCKSDB_TEST(a_checkpoint_without_links_fails_alone),
        ROCKSDB_TEST(a_checkpoint_has_what_is_dropped_meanwhile),
        EVICTING_TEST(a_checkpoint_has_what_is_dropped_meanwhile),
        ROCKSDB_TEST(a_checkpoint_has_what_is_dropped_meanwhile_guard),
        ROCKSDB_TEST(a_namespace_that_goes_key_by_key),
        ROCKSDB_TEST(what_was_removed_takes_no_memory),
        ROCKSDB_TEST(files_that_cannot_be_taken_over_are_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
