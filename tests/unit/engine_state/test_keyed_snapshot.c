/* Snapshots of keyed state, case by case: what an increment holds, changes while one is written, budgets,
 * failures. */
#include "engine/state/keyed_snapshot.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

static const uint32_t key_columns[] = {0};

struct rig {
    struct buffer_pool *pool;
    struct mem_budget budget;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct schema *key, *value;
    struct record_layout layout;
    Flinc__KeyedHandle handle;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static void rig_init(struct rig *r, struct buffer_pool *pool)
{
    memset(r, 0, sizeof(*r));
    r->pool = pool;
    mem_budget_init(&r->budget, "managed", 0, NULL);
    r->key = parse_schema("ROW<k BIGINT NOT NULL>");
    r->value = parse_schema("ROW<n BIGINT NOT NULL>");
    assert_ok(record_layout_init(&r->layout, r->value, &err));
    assert_ok(keyed_backend_new("hashmap",
                                &(struct keyed_backend_options){.operator_name = "Sum",
                                                                .pool = pool,
                                                                .budget = &r->budget,
                                                                .max_parallelism = 128,
                                                                .last_group = 127},
                                &r->backend, &err));
    assert_ok(keyed_backend_state(
        r->backend,
        &(struct keyed_state_desc){
            .name = "sum", .key_schema = r->key, .value_bytes = 8, .value_layout = &r->layout},
        &r->state, &err));
}

static void rig_fini(struct rig *r)
{
    keyed_backend_free(r->backend);
    assert_int_equal(atomic_load(&r->budget.used_bytes), 0);
    record_layout_fini(&r->layout);
    schema_unref(r->key);
    schema_unref(r->value);
}

static struct batch *keys(struct rig *r, int64_t from, uint32_t n)
{
    struct builder b;
    builder_init(&b, r->pool, r->key, BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(&b, 0, from + i);
        builder_end_row(&b);
    }
    struct batch *batch = finish_hashed(&b, 1);
    builder_fini(&b);
    return batch;
}

static void set(struct rig *r, int64_t name_space, int64_t from, uint32_t n, int64_t value)
{
    struct batch *b = keys(r, from, n);
    assert_ok(keyed_state_upsert(r->state, name_space, b, key_columns, r->slots, r->is_new, &err));
    for (uint32_t i = 0; i < n; i++) {
        memcpy(keyed_state_value(r->state, r->slots[i]), &value, sizeof(value));
    }
    batch_unref(b);
}

static void remove_keys(struct rig *r, int64_t name_space, int64_t from, uint32_t n)
{
    struct batch *b = keys(r, from, n);
    assert_ok(keyed_state_find(r->state, name_space, b, key_columns, r->slots, &err));
    for (uint32_t i = 0; i < n; i++) {
        keyed_state_remove(r->state, r->slots[i]);
    }
    batch_unref(b);
}

struct rows {
    uint32_t puts, removes, drops, blocks;
    int64_t sum; /* of the values of puts */
};

/* What the last segment of a handle has. */
static struct rows last_segment(struct rig *r, const Flinc__KeyedHandle *h)
{
    struct rows rows = {0};
    struct segment_reader *reader;
    assert_true(h->n_segments > 0);
    assert_ok(segment_reader_open(h->segments[h->n_segments - 1], fixture_dir, &reader, &err));
    for (;;) {
        struct segment_block b;
        struct error err = ERROR_INIT;
        int rc = segment_reader_next(reader, r->pool, 0, 127, &b, &err);
        assert_true(rc >= 0);
        if (rc == 0) {
            break;
        }
        rows.blocks++;
        rows.drops += b.kind == SEGMENT_BLOCK_DROP;
        rows.removes += b.kind == SEGMENT_BLOCK_REMOVE ? b.rows->n_rows : 0;
        for (uint32_t i = 0; b.kind == SEGMENT_BLOCK_PUT && i < b.rows->n_rows; i++) {
            rows.puts++;
            rows.sum += COLUMN_VALUES(&b.rows->columns[1], const int64_t)[i];
        }
        batch_unref(b.rows);
    }
    segment_reader_close(reader);
    return rows;
}

static struct rows take(struct rig *r, uint64_t checkpoint_id, Flinc__CheckpointKind kind)
{
    Flinc__KeyedHandle h;
    finish_snapshot(freeze(r->backend, checkpoint_id, kind, 1000000), &h);
    struct rows rows = last_segment(r, &h);
    handle_fini(&h);
    return rows;
}

static void an_increment_has_what_changed_since_the_confirmed_one(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    set(&r, NAMESPACE_VOID, 0, 4000, 1);
    assert_int_equal(take(&r, 1, INCREMENTAL).puts, 4000);
    keyed_backend_confirm(r.backend, 1);
    set(&r, NAMESPACE_VOID, 100, 50, 2);
    remove_keys(&r, NAMESPACE_VOID, 200, 30);
    struct rows rows = take(&r, 2, INCREMENTAL);
    assert_int_equal(rows.puts, 50);
    assert_int_equal(rows.sum, 100);
    assert_int_equal(rows.removes, 30);
    /* Not confirmed: its changes stay in the set. */
    set(&r, NAMESPACE_VOID, 140, 20, 3);
    rows = take(&r, 3, INCREMENTAL);
    assert_int_equal(rows.puts, 60);
    assert_int_equal(rows.removes, 30);
    keyed_backend_confirm(r.backend, 3);
    set(&r, NAMESPACE_VOID, 0, 1, 9);
    rows = take(&r, 4, INCREMENTAL);
    assert_int_equal(rows.puts, 1);
    assert_int_equal(rows.removes, 0);
    rig_fini(&r);
}

static void what_came_and_went_leaves_nothing(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    set(&r, NAMESPACE_VOID, 0, 4000, 1);
    set(&r, 7, 0, 10, 1);
    (void)take(&r, 1, INCREMENTAL);
    keyed_backend_confirm(r.backend, 1);
    set(&r, 5, 0, 1000, 2);
    keyed_state_drop_namespace(r.state, 5);
    set(&r, NAMESPACE_VOID, 9000, 100, 2);
    remove_keys(&r, NAMESPACE_VOID, 9000, 100);
    keyed_state_drop_namespace(r.state, 7);
    struct rows rows = take(&r, 2, INCREMENTAL);
    assert_int_equal(rows.puts, 0);
    assert_int_equal(rows.removes, 0);
    assert_int_equal(rows.drops, 1);
    keyed_backend_confirm(r.backend, 2);
    /* Nothing changed: the segments are those of before. */
    Flinc__KeyedHandle h;
    finish_snapshot(freeze(r.backend, 3, INCREMENTAL, 1000000), &h);
    assert_int_equal(h.n_segments, 2);
    assert_int_equal(h.segments[1]->checkpoint_id, 2);
    handle_fini(&h);
    rig_fini(&r);
}

static void changes_while_it_is_written_are_not_in_it(void **state)
{
    struct rig r;
    Flinc__KeyedHandle h;
    rig_init(&r, *state);
    set(&r, NAMESPACE_VOID, 0, 4000, 1);
    set(&r, 3, 0, 2000, 1);
    struct keyed_snapshot *s = freeze(r.backend, 1, INCREMENTAL, 1000000);
    struct error err = ERROR_INIT;
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(keyed_snapshot_step(s, 300, &h, &err), 1);
        set(&r, NAMESPACE_VOID, i * 1000, 500, 1000);
        remove_keys(&r, NAMESPACE_VOID, i * 1000 + 600, 100);
        set(&r, NAMESPACE_VOID, 4000 + i * 4000, 4000, 1000); /* grows the table */
    }
    keyed_state_drop_namespace(r.state, 3);
    set(&r, 3, 0, 10, 1000);
    finish_snapshot(s, &h);
    struct rows rows = last_segment(&r, &h);
    assert_int_equal(rows.puts, 6000);
    assert_int_equal(rows.sum, 6000);
    handle_fini(&h);
    rig_fini(&r);
}

static void a_full_one_refers_to_nothing_else(void **state)
{
    struct rig r;
    Flinc__KeyedHandle h;
    rig_init(&r, *state);
    set(&r, NAMESPACE_VOID, 0, 4000, 1);
    (void)take(&r, 1, INCREMENTAL);
    keyed_backend_confirm(r.backend, 1);
    set(&r, NAMESPACE_VOID, 0, 10, 1);
    finish_snapshot(freeze(r.backend, 2, SAVEPOINT, 0), &h);
    assert_string_equal(h.backend, "canonical");
    assert_int_equal(h.n_segments, 1);
    assert_false(h.segments[0]->blob->shared);
    handle_fini(&h);
    /* A savepoint is not of the chain, so that the increment is as small as before. */
    assert_int_equal(take(&r, 3, INCREMENTAL).puts, 10);
    finish_snapshot(freeze(r.backend, 4, FULL, 0), &h);
    assert_string_equal(h.backend, "hashmap");
    assert_int_equal(h.n_segments, 1);
    handle_fini(&h);
    finish_snapshot(freeze(r.backend, 5, INCREMENTAL, 0), &h);
    assert_int_equal(h.n_segments, 1);
    assert_true(h.segments[0]->is_base && h.segments[0]->blob->shared);
    handle_fini(&h);
    rig_fini(&r);
}

static void without_memory_for_copies_the_checkpoint_fails_alone(void **state)
{
    struct rig r;
    Flinc__KeyedHandle h;
    struct error fault = ERROR_INIT;
    rig_init(&r, *state);
    for (int64_t i = 0; i < 10; i++) {
        set(&r, NAMESPACE_VOID, i * 4000, 4000, 1);
    }
    struct keyed_snapshot *s = freeze(r.backend, 1, INCREMENTAL, 1000000);
    mem_budget_set_limit(&r.budget, atomic_load(&r.budget.used_bytes) + 50 * 1000);
    for (int64_t i = 0; i < 10; i++) {
        set(&r, NAMESPACE_VOID, i * 4000, 4000, 2);
    }
    assert_int_equal(keyed_snapshot_step(s, 1000, &h, &fault), ERR_LIMIT);
    assert_non_null(strstr(fault.message, "checkpoint 1 of operator 'Sum' is given up"));
    assert_non_null(strstr(fault.message, "taskmanager.memory.managed.size"));
    keyed_snapshot_free(s);
    struct rows rows = take(&r, 2, INCREMENTAL);
    assert_int_equal(rows.puts, 40000);
    assert_int_equal(rows.sum, 80000);
    rig_fini(&r);
}

static void too_many_removals_make_a_base(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    for (int64_t i = 0; i < 40; i++) {
        set(&r, NAMESPACE_VOID, i * 4000, 4000, 1);
    }
    (void)take(&r, 1, INCREMENTAL);
    keyed_backend_confirm(r.backend, 1);
    /* No checkpoint is confirmed for so long that the list of removed keys is given up. */
    for (int64_t round = 0; round < 5; round++) {
        for (int64_t i = 0; i < 40; i++) {
            remove_keys(&r, NAMESPACE_VOID, i * 4000, 4000);
            set(&r, NAMESPACE_VOID, i * 4000, 4000, 1);
        }
        struct keyed_snapshot *s = freeze(r.backend, (uint64_t)round + 2, INCREMENTAL, 1000000);
        Flinc__KeyedHandle h;
        int rc = keyed_snapshot_step(s, 1, &h, NULL);
        assert_int_equal(rc, 1);
        keyed_snapshot_free(s);
    }
    assert_true(keyed_track_needs_base(&r.backend->track));
    Flinc__KeyedHandle h;
    finish_snapshot(freeze(r.backend, 10, INCREMENTAL, 1000000), &h);
    assert_int_equal(h.n_segments, 1);
    assert_int_equal(last_segment(&r, &h).puts, 160000);
    handle_fini(&h);
    keyed_backend_confirm(r.backend, 10);
    assert_false(keyed_track_needs_base(&r.backend->track));
    rig_fini(&r);
}

static void removals_between_a_base_and_its_confirmation_are_told(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    for (int64_t i = 0; i < 40; i++) {
        set(&r, NAMESPACE_VOID, i * 4000, 4000, 1);
    }
    set(&r, 7, 0, 100, 1);
    (void)take(&r, 1, INCREMENTAL);
    keyed_backend_confirm(r.backend, 1);
    /* So many that the list of removed keys is given up. */
    for (int64_t round = 0; !keyed_track_needs_base(&r.backend->track); round++) {
        for (int64_t i = 1; i < 40; i++) {
            remove_keys(&r, NAMESPACE_VOID, i * 4000, 4000);
            set(&r, NAMESPACE_VOID, i * 4000, 4000, 1);
        }
        keyed_snapshot_free(freeze(r.backend, (uint64_t)round + 2, INCREMENTAL, 1000000));
    }
    (void)take(&r, 20, INCREMENTAL);
    remove_keys(&r, NAMESPACE_VOID, 0, 300);
    keyed_state_drop_namespace(r.state, 7);
    keyed_backend_confirm(r.backend, 20);
    remove_keys(&r, NAMESPACE_VOID, 300, 30);
    struct rows rows = take(&r, 21, INCREMENTAL);
    assert_int_equal(rows.puts, 0);
    assert_int_equal(rows.removes, 330);
    assert_int_equal(rows.drops, 1);
    rig_fini(&r);
}

static void a_failed_write_leaves_the_state_as_it_was(void **state)
{
    struct rig r;
    Flinc__KeyedHandle h;
    struct error fault = ERROR_INIT;
    rig_init(&r, *state);
    set(&r, NAMESPACE_VOID, 0, 4000, 1);
    struct keyed_snapshot *s = freeze(r.backend, 1, INCREMENTAL, 1000000);
    assert_ok(failpoint_configure("snapshot.segment.put=error:disk full", &err));
    assert_true(keyed_snapshot_step(s, 1000, &h, &fault) < 0);
    assert_non_null(strstr(fault.message, "disk full"));
    keyed_snapshot_free(s);
    failpoint_clear_all();
    assert_int_equal(take(&r, 2, INCREMENTAL).puts, 4000);
    rig_fini(&r);
}

static void written_bytes_stay_below_three_times_the_changes(void **state)
{
    struct rig r;
    uint64_t written = 0, changed = 0;
    rig_init(&r, *state);
    for (int64_t i = 0; i < 20; i++) {
        set(&r, NAMESPACE_VOID, i * 4000, 4000, 1);
    }
    for (uint64_t c = 1; c <= 60; c++) {
        Flinc__KeyedHandle h;
        set(&r, NAMESPACE_VOID, (int64_t)(c % 20) * 4000, 4000, (int64_t)c);
        changed += 4000;
        finish_snapshot(freeze(r.backend, c, INCREMENTAL, 1000000), &h);
        const Flinc__KeyedSegment *last = h.segments[h.n_segments - 1];
        written += c > 1 && last->checkpoint_id == c ? last->blob->size : 0;
        assert_true(h.n_segments <= 25);
        handle_fini(&h);
        keyed_backend_confirm(r.backend, c);
    }
    /* Keys and values of 8 bytes each. */
    assert_true(written <= changed * 16 * 3);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(an_increment_has_what_changed_since_the_confirmed_one),
        SNAPSHOT_TEST(what_came_and_went_leaves_nothing),
        SNAPSHOT_TEST(changes_while_it_is_written_are_not_in_it),
        SNAPSHOT_TEST(a_full_one_refers_to_nothing_else),
        SNAPSHOT_TEST(without_memory_for_copies_the_checkpoint_fails_alone),
        SNAPSHOT_TEST(too_many_removals_make_a_base),
        SNAPSHOT_TEST(removals_between_a_base_and_its_confirmation_are_told),
        SNAPSHOT_TEST(a_failed_write_leaves_the_state_as_it_was),
        SNAPSHOT_TEST(written_bytes_stay_below_three_times_the_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
