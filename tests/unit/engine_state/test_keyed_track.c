/* The bits of groups: what freezes, confirmations and changes make of them, and copies on write. */
#include "engine/state/keyed_table_probe.h"
#include "tests/unit/engine_state/fixture.h"

static void live_slots_are_those_with_high_bits(void **state)
{
    struct keyed_group g = {.tags = UINT64_C(0x007e80ff00008000)};
    (void)state;
    assert_int_equal(keyed_group_live(&g), 0x32);
    g.tags = UINT64_MAX;
    assert_int_equal(keyed_group_live(&g), 0xff);
    g.tags = 0;
    assert_int_equal(keyed_group_live(&g), 0);
}

static void a_mark_is_good_for_its_slot_and_version_alone(void **state)
{
    struct keyed_group g = {.dirty = 0x05, .version = 7};
    (void)state;
    assert_true(keyed_group_is_marked(&g, 7, 0));
    assert_true(keyed_group_is_marked(&g, 7, 2));
    assert_false(keyed_group_is_marked(&g, 7, 1));
    assert_false(keyed_group_is_marked(&g, 8, 0));
    g.frozen = 0x04;
    assert_true(keyed_group_is_marked(&g, 7, 0));
    assert_false(keyed_group_is_marked(&g, 7, 2));
    g.unconfirmed = g.known = 0xff;
    assert_true(keyed_group_is_marked(&g, 7, 0));
}

/* Three live slots, the first one changed. */
static struct keyed_group changed_group(const struct keyed_track *k)
{
    return (struct keyed_group){.tags = UINT64_C(0x808080), .dirty = 0x01, .version = k->version};
}

static void groups_catch_up_with_what_happened(void **state)
{
    struct keyed_track k;
    (void)state;
    keyed_track_init(&k, NULL);
    struct keyed_group early = changed_group(&k), late;
    keyed_track_freeze(&k, KEYED_FROZEN_CHANGES, true);
    keyed_group_catch_up(&k, &early);
    assert_int_equal(early.dirty, 0);
    assert_int_equal(early.unconfirmed, 0x01);
    assert_int_equal(early.frozen, 0x01);
    assert_int_equal(early.known, 0x07);
    late = early;
    keyed_track_thaw(&k);
    keyed_track_confirm(&k);
    keyed_group_catch_up(&k, &early);
    assert_int_equal(early.unconfirmed, 0);
    /* `late` sees freeze, confirmation and another freeze at once. */
    late.dirty = 0x02;
    keyed_track_freeze(&k, KEYED_FROZEN_CHANGES, true);
    keyed_group_catch_up(&k, &late);
    assert_int_equal(late.unconfirmed, 0x02);
    assert_int_equal(late.frozen, 0x02);
    keyed_track_thaw(&k);
    /* One that is not of the chain takes everything and leaves the rest alone. */
    late.dirty = 0x04;
    keyed_track_freeze(&k, KEYED_FROZEN_ALL, false);
    keyed_group_catch_up(&k, &late);
    assert_int_equal(late.frozen, 0x07);
    assert_int_equal(late.dirty, 0x04);
    assert_int_equal(late.unconfirmed, 0x02);
    keyed_track_thaw(&k);
    keyed_track_fini(&k);
}

static void an_unconfirmed_freeze_keeps_its_changes(void **state)
{
    struct keyed_track k;
    (void)state;
    keyed_track_init(&k, NULL);
    struct keyed_group g = changed_group(&k);
    keyed_track_freeze(&k, KEYED_FROZEN_CHANGES, true);
    keyed_track_thaw(&k);
    keyed_group_catch_up(&k, &g);
    g.dirty |= 0x04;
    keyed_track_freeze(&k, KEYED_FROZEN_CHANGES, true);
    keyed_group_catch_up(&k, &g);
    assert_int_equal(g.frozen, 0x05);
    keyed_track_thaw(&k);
    keyed_track_fini(&k);
}

struct rig {
    struct keyed_track track;
    struct keyed_table table;
    struct schema *key;
    struct buffer_pool *pool;
    uint32_t slots[100];
    uint8_t is_new[100];
};

static const uint32_t key_columns[] = {0};

static void rig_init(struct rig *r, struct buffer_pool *pool, struct mem_budget *budget)
{
    r->pool = pool;
    r->key = parse_schema("ROW<k STRING>");
    keyed_track_init(&r->track, budget);
    assert_ok(keyed_table_init(&r->table,
                               &(struct keyed_table_options){.key_schema = r->key,
                                                             .value_bytes = 8,
                                                             .budget = budget,
                                                             .seed = 1,
                                                             .track = &r->track},
                               &err));
}

static void rig_fini(struct rig *r)
{
    keyed_table_fini(&r->table);
    keyed_track_fini(&r->track);
    schema_unref(r->key);
}

/* Keys 0 (NULL) to n - 1. */
static void upsert(struct rig *r, uint32_t n)
{
    struct builder b;
    char text[64];
    builder_init(&b, r->pool, r->key, 0);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "a key that is long enough %u", i);
        put_text(&b, 0, i == 0 ? NULL : text);
        builder_end_row(&b);
    }
    struct batch *batch = finish_hashed(&b, 1);
    assert_ok(keyed_table_upsert(&r->table, batch, key_columns, r->slots, r->is_new, &err));
    batch_unref(batch);
    builder_fini(&b);
}

static void set_values(struct rig *r, uint32_t n, int64_t value)
{
    for (uint32_t i = 0; i < n; i++) {
        memcpy(keyed_table_value(&r->table, r->slots[i]), &value, sizeof(value));
    }
}

static uint32_t count_copies(const struct keyed_table *t, int64_t expected, bool *ret_null)
{
    uint32_t n = 0;
    *ret_null = false;
    for (struct keyed_copies *c = keyed_table_copies(t); c != NULL; c = c->next) {
        for (uint32_t i = 0; i < c->n; i++, n++) {
            int64_t value;
            memcpy(&value, c->entries + (size_t)i * t->stride + t->value_offset, sizeof(value));
            assert_int_equal(value, expected);
            *ret_null = *ret_null || c->null_at == i;
        }
    }
    return n;
}

static void frozen_entries_are_copied_once_before_they_change(void **state)
{
    struct rig r;
    struct mem_budget budget;
    bool has_null;
    mem_budget_init(&budget, "managed", 0, NULL);
    rig_init(&r, *state, &budget);
    upsert(&r, 50);
    set_values(&r, 50, 1);
    keyed_track_freeze(&r.track, KEYED_FROZEN_ALL, true);
    upsert(&r, 20);
    set_values(&r, 20, 2);
    upsert(&r, 30);
    set_values(&r, 30, 3);
    assert_int_equal(count_copies(&r.table, 1, &has_null), 30);
    assert_true(has_null);
    upsert(&r, 50);
    for (uint32_t i = 40; i < 50; i++) {
        keyed_table_remove(&r.table, r.slots[i]);
    }
    /* The upsert before announced a change of all. */
    assert_int_equal(count_copies(&r.table, 1, &has_null), 50);
    assert_int_equal(r.table.removed.len, 10);
    while (keyed_table_copies(&r.table) != NULL) {
        keyed_table_pop_copies(&r.table);
    }
    assert_int_equal(r.track.copies.used_bytes, 0);
    keyed_track_thaw(&r.track);
    keyed_track_confirm(&r.track);
    keyed_table_trim_removed(&r.table);
    assert_int_equal(r.table.removed.len, 10);
    keyed_track_freeze(&r.track, KEYED_FROZEN_CHANGES, true);
    keyed_track_thaw(&r.track);
    keyed_track_confirm(&r.track);
    keyed_table_trim_removed(&r.table);
    assert_int_equal(r.table.removed.len, 0);
    rig_fini(&r);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void without_room_for_a_copy_the_snapshot_is_lost(void **state)
{
    struct rig r;
    struct mem_budget budget;
    bool has_null;
    mem_budget_init(&budget, "managed", 0, NULL);
    rig_init(&r, *state, &budget);
    upsert(&r, 50);
    keyed_track_freeze(&r.track, KEYED_FROZEN_ALL, true);
    mem_budget_set_limit(&budget, atomic_load(&budget.used_bytes));
    upsert(&r, 50);
    assert_true(r.track.snapshot_lost);
    assert_int_equal(count_copies(&r.table, 0, &has_null), 0);
    keyed_track_thaw(&r.track);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_slots_are_those_with_high_bits),
        cmocka_unit_test(a_mark_is_good_for_its_slot_and_version_alone),
        cmocka_unit_test(groups_catch_up_with_what_happened),
        cmocka_unit_test(an_unconfirmed_freeze_keeps_its_changes),
        cmocka_unit_test_setup_teardown(frozen_entries_are_copied_once_before_they_change,
                                        pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(without_room_for_a_copy_the_snapshot_is_lost, pool_setup,
                                        pool_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
