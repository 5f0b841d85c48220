/* Restoring in the order of the tables that were written: new keys find their place as near as if
 * they came in no order, whatever is put together. */
#include "engine/state/keyed_snapshot.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum {
    SLOTS = 1 << 17,
    FULL_KEYS = SLOTS / 4 * 3, /* as many as fit */
    GROUPS = 128,
    WALK_MAX =
        100, /* full groups in front of a free one; in a table that is filled from one end: thousands */
};

static const uint32_t key_columns[] = {0};

struct rig {
    struct buffer_pool *pool;
    struct schema *key, *value;
    struct record_layout layout;
    uint64_t checkpoint_id;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

/* A subtask with its state. */
struct part {
    struct keyed_backend *backend;
    struct keyed_state *state;
    uint32_t first_group, last_group;
    Flinc__KeyedHandle handle;
};

static void rig_init(struct rig *r, struct buffer_pool *pool)
{
    memset(r, 0, sizeof(*r));
    r->pool = pool;
    r->key = parse_schema("ROW<k BIGINT NOT NULL>");
    r->value = parse_schema("ROW<n BIGINT NOT NULL>");
    assert_ok(record_layout_init(&r->layout, r->value, &err));
}

static void rig_fini(struct rig *r)
{
    record_layout_fini(&r->layout);
    schema_unref(r->key);
    schema_unref(r->value);
}

/* Restored from the handles of others, if there are any. */
static struct part open_part(struct rig *r, uint32_t first_group, uint32_t last_group,
                             Flinc__KeyedHandle **handles, size_t n)
{
    struct part p = {.first_group = first_group, .last_group = last_group};
    const struct keyed_backend_options options = {.operator_name = "Sum",
                                                  .pool = r->pool,
                                                  .max_parallelism = GROUPS,
                                                  .first_group = first_group,
                                                  .last_group = last_group};
    const struct keyed_state_desc desc = {
        .name = "sum", .key_schema = r->key, .value_bytes = 8, .value_layout = &r->layout};
    assert_ok(keyed_backend_new("hashmap", &options, &p.backend, &err));
    if (n > 0) {
        assert_ok(restore(p.backend, handles, n, &err));
    }
    assert_ok(keyed_backend_state(p.backend, &desc, &p.state, &err));
    return p;
}

static void close_part(struct part *p)
{
    keyed_backend_free(p->backend);
    if (p->handle.n_segments > 0) {
        handle_fini(&p->handle);
    }
}

static void take(struct rig *r, struct part *p)
{
    if (p->handle.n_segments > 0) {
        handle_fini(&p->handle);
    }
    r->checkpoint_id++;
    /* Inside the handle: no disk. */
    finish_snapshot(freeze(p->backend, r->checkpoint_id, INCREMENTAL, 1 << 30), &p->handle);
    keyed_backend_confirm(p->backend, r->checkpoint_id);
}

/* Keys [from, to) count one up, those of other parts not. */
static void count(struct rig *r, struct part *p, int64_t from, int64_t to)
{
    struct builder b;
    builder_init(&b, r->pool, r->key, BATCH_ROWS_MAX);
    while (from < to) {
        for (uint32_t i = 0; i < BATCH_ROWS_MAX && from < to; i++, from++) {
            uint32_t group = (uint32_t)key_hash_i64(from) % GROUPS;
            if (group >= p->first_group && group <= p->last_group) {
                builder_put_i64(&b, 0, from);
                builder_end_row(&b);
            }
        }
        struct batch *batch = finish_hashed(&b, 1);
        assert_ok(keyed_state_upsert(p->state, NAMESPACE_VOID, batch, key_columns, r->slots,
                                     r->is_new, &err));
        for (uint32_t i = 0; i < batch->n_sel; i++) {
            ++*(int64_t *)keyed_state_value(p->state, r->slots[i]);
        }
        batch_unref(batch);
    }
    builder_fini(&b);
}

static int64_t sum(const struct keyed_table *t)
{
    int64_t n = 0;
    for (uint32_t s = 0; (s = keyed_table_next(t, s)) != KEYED_SLOT_NONE; s++) {
        n += *(const int64_t *)keyed_table_value(t, s);
    }
    return n;
}

static void check(const struct part *p, uint32_t n_keys, int64_t n_counted)
{
    const struct keyed_table *t = p->state->table;
    assert_int_equal(keyed_table_len(t), n_keys);
    assert_int_equal(sum(t), n_counted);
    assert_in_range(t->longest_walk, 0, WALK_MAX);
}

static void a_table_takes_the_order_of_what_it_is_made_of(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    struct part p = open_part(&r, 0, GROUPS - 1, NULL, 0);
    count(&r, &p, 0, FULL_KEYS);
    check(&p, FULL_KEYS, FULL_KEYS);
    uint64_t seed = p.state->table->seed;
    take(&r, &p);
    Flinc__KeyedHandle *handles[] = {&p.handle};
    struct part q = open_part(&r, 0, GROUPS - 1, handles, 1);
    assert_int_equal(q.state->table->seed, seed);
    assert_int_equal(q.state->table->n_slots, SLOTS);
    check(&q, FULL_KEYS, FULL_KEYS);
    close_part(&p);
    close_part(&q);
    rig_fini(&r);
}

/* Halves of one table have one order, and come together again. */
static void parts_of_one_table(void **state)
{
    const uint32_t n_keys = FULL_KEYS - 2000; /* halves of a half's size */
    struct rig r;
    rig_init(&r, *state);
    struct part p = open_part(&r, 0, GROUPS - 1, NULL, 0);
    count(&r, &p, 0, n_keys);
    take(&r, &p);
    Flinc__KeyedHandle *handles[] = {&p.handle};
    struct part half[2] = {open_part(&r, 0, GROUPS / 2 - 1, handles, 1),
                           open_part(&r, GROUPS / 2, GROUPS - 1, handles, 1)};
    uint32_t n[2];
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(half[i].state->table->seed, p.state->table->seed);
        assert_int_equal(half[i].state->table->n_slots, SLOTS / 2);
        n[i] = keyed_table_len(half[i].state->table);
        check(&half[i], n[i], n[i]);
        count(&r, &half[i], n_keys - 100, n_keys + 100);
        take(&r, &half[i]);
    }
    assert_int_equal(n[0] + n[1], n_keys);
    Flinc__KeyedHandle *both[] = {&half[0].handle, &half[1].handle};
    struct part q = open_part(&r, 0, GROUPS - 1, both, 2);
    check(&q, n_keys + 100, n_keys + 200);
    close_part(&q);
    close_part(&half[0]);
    close_part(&half[1]);
    close_part(&p);
    rig_fini(&r);
}

/* Tables that were never one: that of the larger becomes the order of both. */
static void parts_of_two_tables(void **state)
{
    struct rig r;
    rig_init(&r, *state);
    struct part parts[2] = {open_part(&r, 0, GROUPS / 4 - 1, NULL, 0),
                            open_part(&r, GROUPS / 4, GROUPS - 1, NULL, 0)};
    for (uint32_t i = 0; i < 2; i++) {
        count(&r, &parts[i], 0, FULL_KEYS);
        take(&r, &parts[i]);
    }
    Flinc__KeyedHandle *both[] = {&parts[0].handle, &parts[1].handle};
    struct part q = open_part(&r, 0, GROUPS - 1, both, 2);
    assert_int_equal(q.state->table->seed, parts[1].state->table->seed);
    check(&q, FULL_KEYS, FULL_KEYS);
    close_part(&q);
    close_part(&parts[0]);
    close_part(&parts[1]);
    rig_fini(&r);
}

/* A base that is about full, and increments that each add a few keys or many. */
static void increments_over_a_full_table(void **state)
{
    static const int64_t STEPS[] = {200, 3000, 40000};
    for (size_t k = 0; k < ARRAY_LEN(STEPS); k++) {
        struct rig r;
        rig_init(&r, *state);
        struct part p = open_part(&r, 0, GROUPS - 1, NULL, 0);
        count(&r, &p, 0, FULL_KEYS - 100);
        take(&r, &p);
        int64_t end = FULL_KEYS - 100;
        for (int i = 0; i < 8; i++, end += STEPS[k]) {
            count(&r, &p, end - 100, end + STEPS[k]);
            take(&r, &p);
            Flinc__KeyedHandle *handles[] = {&p.handle};
            struct part q = open_part(&r, 0, GROUPS - 1, handles, 1);
            check(&q, (uint32_t)(end + STEPS[k]), sum(p.state->table));
            close_part(&q);
        }
        close_part(&p);
        rig_fini(&r);
    }
}

/* Its keys would fill the table of the base far above its limit from the front, before it grows. */
static void an_increment_about_as_large_as_its_base(void **state)
{
    const uint32_t n_base = SLOTS / 100 * 60, n_more = SLOTS / 100 * 58;
    struct rig r;
    rig_init(&r, *state);
    struct part p = open_part(&r, 0, GROUPS - 1, NULL, 0);
    count(&r, &p, 0, n_base);
    take(&r, &p);
    count(&r, &p, n_base, n_base + n_more);
    take(&r, &p);
    assert_int_equal(p.handle.n_segments, 2);
    Flinc__KeyedHandle *handles[] = {&p.handle};
    struct part q = open_part(&r, 0, GROUPS - 1, handles, 1);
    check(&q, n_base + n_more, n_base + n_more);
    close_part(&q);
    close_part(&p);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(a_table_takes_the_order_of_what_it_is_made_of),
        SNAPSHOT_TEST(parts_of_one_table),
        SNAPSHOT_TEST(parts_of_two_tables),
        SNAPSHOT_TEST(increments_over_a_full_table),
        SNAPSHOT_TEST(an_increment_about_as_large_as_its_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
