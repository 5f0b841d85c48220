/* Restoring keyed state: other schemas, states that nobody opens, errors that say what to do. */
#include "engine/state/keyed_snapshot.h"
#include "flinc/base.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum { KEYS = 5000 };

static const uint32_t key_columns[] = {0};

struct rig {
    struct buffer_pool *pool;
    struct keyed_backend *backend;
    struct schema *key;
    struct record_layout layouts[16];
    uint32_t n_layouts;
    Flinc__KeyedHandle handle;
    uint32_t slots[KEYS];
    uint8_t is_new[KEYS];
};

static struct keyed_backend *new_backend(struct rig *r)
{
    struct keyed_backend *b = NULL;
    assert_ok(keyed_backend_new(
        "hashmap",
        &(struct keyed_backend_options){
            .operator_name = "Sum", .pool = r->pool, .max_parallelism = 128, .last_group = 127},
        &b, &err));
    return b;
}

static void rig_init(struct rig *r, struct buffer_pool *pool)
{
    memset(r, 0, sizeof(*r));
    r->pool = pool;
    r->key = parse_schema("ROW<k BIGINT NOT NULL>");
    r->backend = new_backend(r);
}

static void rig_fini(struct rig *r)
{
    keyed_backend_free(r->backend);
    schema_unref(r->key);
    for (uint32_t i = 0; i < r->n_layouts; i++) {
        record_layout_fini(&r->layouts[i]);
    }
}

static int try_open(struct rig *r, const char *name, const char *value, struct keyed_state **ret,
                    struct error *err)
{
    struct schema *s = parse_schema(value);
    struct record_layout *l = &r->layouts[r->n_layouts++];
    assert_int_equal(record_layout_init(l, s, err), 0);
    schema_unref(s);
    return keyed_backend_state(
        r->backend, &(struct keyed_state_desc){.name = name, .key_schema = r->key, .record = l},
        ret, err);
}

static struct keyed_state *open_state(struct rig *r, const char *name, const char *value)
{
    struct keyed_state *s = NULL;
    assert_ok(try_open(r, name, value, &s, &err));
    return s;
}

static struct batch *keys(struct rig *r, uint32_t n)
{
    struct builder b;
    builder_init(&b, r->pool, r->key, BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(&b, 0, i);
        builder_end_row(&b);
    }
    struct batch *batch = finish_hashed(&b, 1);
    builder_fini(&b);
    return batch;
}

/* n keys, whose first column is an int64: key * factor. */
static void fill(struct rig *r, struct keyed_state *s, uint32_t n, int64_t factor)
{
    struct batch *b = keys(r, n);
    const struct record_field *f = record_layout_find(s->record, 0);
    assert_ok(keyed_state_upsert(s, NAMESPACE_VOID, b, key_columns, r->slots, r->is_new, &err));
    for (uint32_t i = 0; i < n; i++) {
        int64_t v = i * factor;
        memcpy((char *)keyed_state_value(s, r->slots[i]) + f->offset, &v, sizeof(v));
    }
    batch_unref(b);
}

static void check(struct rig *r, struct keyed_state *s, uint32_t n, int64_t factor)
{
    struct batch *b = keys(r, n);
    const struct record_field *f = record_layout_find(s->record, 0);
    assert_ok(keyed_state_find(s, NAMESPACE_VOID, b, key_columns, r->slots, &err));
    for (uint32_t i = 0; i < n; i++) {
        int64_t v;
        assert_int_not_equal(r->slots[i], KEYED_SLOT_NONE);
        memcpy(&v, (char *)keyed_state_value(s, r->slots[i]) + f->offset, sizeof(v));
        assert_int_equal(v, i * factor);
    }
    batch_unref(b);
}

static void take(struct rig *r, uint64_t checkpoint_id, Flinc__CheckpointKind kind)
{
    finish_snapshot(freeze(r->backend, checkpoint_id, kind, 0), &r->handle);
    keyed_backend_confirm(r->backend, checkpoint_id);
}

/* A backend that is restored from the handle takes the place of the old one. */
static void reopen(struct rig *r)
{
    Flinc__KeyedHandle *handles[] = {&r->handle};
    keyed_backend_free(r->backend);
    r->backend = new_backend(r);
    assert_ok(restore(r->backend, handles, 1, &err));
    handle_fini(&r->handle);
}

static void a_value_gets_more_fields(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    fill(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL, gone INT NOT NULL>"), 3000, 3);
    take(&r, 1, INCREMENTAL);
    assert_false(keyed_chain_is_due(&r.backend->chain));
    reopen(&r);
    struct keyed_state *s = open_state(&r, "sum", "ROW<n BIGINT NOT NULL, more STRING>");
    check(&r, s, 3000, 3);
    assert_true(((char *)keyed_state_value(s, r.slots[0]))[s->record->fields[1].null_offset]);
    /* The next checkpoint has the new schema from the bottom up. */
    assert_true(keyed_chain_is_due(&r.backend->chain));
    take(&r, 2, INCREMENTAL);
    reopen(&r);
    check(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL, more STRING>"), 3000, 3);
    rig_fini(&r);
}

/* Values that are zeroed memory: a row of zeros, an empty array. */
static void nested_values_get_more_fields(void **state)
{
    static const char *const text = "ROW<n BIGINT NOT NULL, r ROW<x BIGINT NOT NULL, y STRING> NOT "
                                    "NULL, l ARRAY<INT> NOT NULL>";
    struct rig r;
    struct error fault = ERROR_INIT;
    struct keyed_state *s;
    rig_init(&r, *state);
    fill(&r,
         open_state(&r, "sum",
                    "ROW<n BIGINT NOT NULL, r ROW<x INT NOT NULL, gone INT> NOT NULL, l "
                    "ARRAY<SMALLINT> NOT NULL>"),
         3000, 3);
    take(&r, 1, INCREMENTAL);
    reopen(&r);
    assert_int_equal(try_open(&r, "sum",
                              "ROW<n BIGINT NOT NULL, r ROW<x DOUBLE NOT NULL, gone INT> NOT NULL>",
                              &s, &fault),
                     ERR_STATE);
    assert_non_null(strstr(fault.message, "field 'r.x' was INT NOT NULL and is DOUBLE NOT NULL"));
    s = open_state(&r, "sum", text);
    check(&r, s, 3000, 3);
    const char *record = keyed_state_value(s, r.slots[2999]);
    flinc_string row, list;
    memcpy(&row, record + record_layout_find(s->record, 1)->offset, sizeof(row));
    memcpy(&list, record + record_layout_find(s->record, 2)->offset, sizeof(list));
    assert_int_equal(row.len, 2); /* bitmap: y is NULL; x is 0 */
    assert_memory_equal(row.data, "\x02\x01", 2);
    assert_int_equal(list.len, 1);
    take(&r, 2, SAVEPOINT);
    reopen(&r);
    check(&r, open_state(&r, "sum", text), 3000, 3);
    rig_fini(&r);
}

static void what_does_not_fit_is_named(void **state)
{
    struct rig r;
    struct error fault = ERROR_INIT;
    struct keyed_state *s;
    rig_init(&r, *state);
    fill(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL>"), 10, 3);
    take(&r, 1, FULL);
    reopen(&r);
    assert_int_equal(try_open(&r, "sum", "ROW<n STRING NOT NULL>", &s, &fault), ERR_STATE);
    assert_non_null(strstr(fault.message, "state 'sum' of operator 'Sum' cannot be restored from "
                                          "checkpoint 7"));
    assert_non_null(strstr(fault.message, "'n'"));
    struct schema *key = parse_schema("ROW<k STRING NOT NULL>");
    fault = (struct error)ERROR_INIT;
    int rc = keyed_backend_state(
        r.backend,
        &(struct keyed_state_desc){.name = "sum", .key_schema = key, .record = &r.layouts[0]}, &s,
        &fault);
    assert_int_equal(rc, ERR_STATE);
    assert_non_null(strstr(fault.message, "keys cannot change their type"));
    schema_unref(key);
    rig_fini(&r);
}

static void states_that_nobody_opens_come_along(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    fill(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL>"), 2000, 3);
    fill(&r, open_state(&r, "old", "ROW<n BIGINT NOT NULL, s STRING>"), 1000, 5);
    take(&r, 1, INCREMENTAL);
    for (int round = 0; round < 3; round++) {
        reopen(&r);
        check(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL>"), 2000, 3);
        /* An increment leaves them where they are, a base has to write them anew. */
        take(&r, (uint64_t)round + 2, round == 1 ? FULL : round == 0 ? INCREMENTAL : SAVEPOINT);
    }
    rig_fini(&r);
    handle_fini(&r.handle);
}

static void a_carried_state_is_opened_late(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    fill(&r, open_state(&r, "old", "ROW<n BIGINT NOT NULL, s STRING>"), 3000, 5);
    take(&r, 1, FULL);
    reopen(&r);
    take(&r, 2, INCREMENTAL);
    handle_fini(&r.handle);
    struct keyed_state *s = open_state(&r, "old", "ROW<n BIGINT NOT NULL>");
    check(&r, s, 3000, 5);
    /* What it was to the last checkpoint is forgotten. */
    struct batch *b = keys(&r, 1);
    assert_ok(keyed_state_find(s, NAMESPACE_VOID, b, key_columns, r.slots, &err));
    keyed_state_remove(s, r.slots[0]);
    batch_unref(b);
    take(&r, 3, INCREMENTAL);
    assert_true(r.handle.segments[0]->is_base && r.handle.n_segments == 1);
    reopen(&r);
    s = open_state(&r, "old", "ROW<n BIGINT NOT NULL>");
    assert_int_equal(keyed_table_len(s->table), 2999);
    rig_fini(&r);
}

static void a_key_may_be_removed_more_than_once(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    struct keyed_state *s = open_state(&r, "sum", "ROW<n BIGINT NOT NULL>");
    fill(&r, s, 100, 3);
    take(&r, 1, INCREMENTAL);
    /* The freeze between makes the second removal news, too. */
    for (uint64_t round = 0; round < 2; round++) {
        struct batch *b = keys(&r, 50);
        assert_ok(keyed_state_find(s, NAMESPACE_VOID, b, key_columns, r.slots, &err));
        for (uint32_t i = 0; i < 50; i++) {
            keyed_state_remove(s, r.slots[i]);
        }
        batch_unref(b);
        if (round == 0) {
            fill(&r, s, 50, 4);
            Flinc__KeyedHandle given_up;
            handle_fini(&r.handle);
            finish_snapshot(freeze(r.backend, 2, INCREMENTAL, 0), &given_up);
            handle_fini(&given_up);
        }
    }
    take(&r, 3, INCREMENTAL);
    reopen(&r);
    s = open_state(&r, "sum", "ROW<n BIGINT NOT NULL>");
    assert_int_equal(keyed_table_len(s->table), 50);
    rig_fini(&r);
}

/* All keys of a base, or those of the wanted groups. */
static void tables_are_made_large_enough_at_once(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    fill(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL>"), 4000, 3);
    take(&r, 1, INCREMENTAL);
    struct keyed_backend *half = NULL;
    assert_ok(keyed_backend_new(
        "hashmap",
        &(struct keyed_backend_options){
            .operator_name = "Sum", .pool = r.pool, .max_parallelism = 128, .last_group = 31},
        &half, &err));
    Flinc__KeyedHandle *handles[] = {&r.handle};
    assert_ok(restore(half, handles, 1, &err));
    keyed_backend_free(r.backend);
    r.backend = half;
    const struct keyed_table *t = open_state(&r, "sum", "ROW<n BIGINT NOT NULL>")->table;
    assert_true(t->n_keys > 4000 / 8 && t->n_keys < 4000 / 2);
    assert_int_equal(t->n_slots, 2048);
    reopen(&r);
    struct keyed_state *s = open_state(&r, "sum", "ROW<n BIGINT NOT NULL>");
    assert_int_equal(s->table->n_slots, 8192);
    check(&r, s, 4000, 3);
    rig_fini(&r);
}

static void another_maximum_parallelism_is_refused(void **state)
{
    struct rig r;
    struct error fault = ERROR_INIT;
    rig_init(&r, *state);
    fill(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL>"), 10, 3);
    take(&r, 1, FULL);
    struct keyed_backend *b = NULL;
    assert_ok(keyed_backend_new(
        "hashmap",
        &(struct keyed_backend_options){
            .operator_name = "Sum", .pool = r.pool, .max_parallelism = 256, .last_group = 255},
        &b, &err));
    Flinc__KeyedHandle *handles[] = {&r.handle};
    assert_int_equal(restore(b, handles, 1, &fault), ERR_STATE);
    assert_non_null(strstr(fault.message, "maximum parallelism 256"));
    keyed_backend_free(b);
    handle_fini(&r.handle);
    rig_fini(&r);
}

/* How many of the keys are in a backend of these groups that is restored from the handle. */
static uint32_t restored_keys(struct rig *r, uint32_t first_group, uint32_t last_group)
{
    struct keyed_backend *whole = r->backend;
    Flinc__KeyedHandle *handles[] = {&r->handle};
    r->backend = NULL;
    assert_ok(keyed_backend_new("hashmap",
                                &(struct keyed_backend_options){.operator_name = "Sum",
                                                                .pool = r->pool,
                                                                .max_parallelism = 128,
                                                                .first_group = first_group,
                                                                .last_group = last_group},
                                &r->backend, &err));
    assert_ok(restore(r->backend, handles, 1, &err));
    struct keyed_state *s = open_state(r, "sum", "ROW<n BIGINT NOT NULL>");
    struct batch *b = keys(r, 4000);
    uint32_t n = 0;
    assert_ok(keyed_state_find(s, NAMESPACE_VOID, b, key_columns, r->slots, &err));
    for (uint32_t i = 0; i < 4000; i++) {
        n += r->slots[i] != KEYED_SLOT_NONE;
    }
    batch_unref(b);
    keyed_backend_free(r->backend);
    r->backend = whole;
    return n;
}

/* FLINK-21650: after a change of the parallelism part of the state is missing.  Each key is in one of the parts. */
static void FLINK_21650_rescaling_keeps_every_key(void **state)
{
    static const char *const guards[] = {NULL, "planted.state.key_group_off_by_one=error"};
    for (size_t i = 0; i < ARRAY_LEN(guards); i++) {
        struct rig r;
        rig_init(&r, *state);
        fill(&r, open_state(&r, "sum", "ROW<n BIGINT NOT NULL>"), 4000, 3);
        take(&r, 1, FULL);
        assert_ok(guards[i] != NULL ? failpoint_configure(guards[i], &err) : 0);
        uint32_t n =
            restored_keys(&r, 0, 49) + restored_keys(&r, 50, 99) + restored_keys(&r, 100, 127);
        failpoint_clear_all();
        if (guards[i] == NULL) {
            assert_int_equal(n, 4000);
        } else {
            assert_in_range(n, 3000, 3999);
        }
        handle_fini(&r.handle);
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(a_value_gets_more_fields),
        SNAPSHOT_TEST(nested_values_get_more_fields),
        SNAPSHOT_TEST(what_does_not_fit_is_named),
        SNAPSHOT_TEST(states_that_nobody_opens_come_along),
        SNAPSHOT_TEST(a_carried_state_is_opened_late),
        SNAPSHOT_TEST(a_key_may_be_removed_more_than_once),
        SNAPSHOT_TEST(tables_are_made_large_enough_at_once),
        SNAPSHOT_TEST(another_maximum_parallelism_is_refused),
        SNAPSHOT_TEST(FLINK_21650_rescaling_keeps_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
