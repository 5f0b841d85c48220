/* Times to live of user state: what makes entries young again, what is shown after their time, what the
 * sweep removes, what restored entries know; per value, element and map entry. */
#include "tests/unit/engine_state/user_fixture.h"

enum { TTL_MS = 1000, NONE = -1 };

struct ttl_test {
    struct user_fixture f;
    struct user_side s;
    struct user_record value, key;
};

static void open_test(struct ttl_test *t, struct buffer_pool *pool, struct state_ttl ttl)
{
    user_fixture_init(&t->f, pool);
    t->f.ttl = ttl;
    t->f.ttl.ms = TTL_MS;
    user_side_open(&t->f, &t->s, 0, 127, NULL, 0);
}

static void close_test(struct ttl_test *t)
{
    user_side_close(&t->s);
    user_fixture_fini(&t->f);
}

static void later(struct ttl_test *t, int64_t ms)
{
    clock_manual_advance_ms(&t->f.clock, ms);
}

static void begin(struct ttl_test *t, int64_t key)
{
    user_begin_key(&t->f, &t->s, key);
}

static void end(struct ttl_test *t)
{
    key_cursor_end(&t->s.cursor);
    assert_ok(value_state_sweep(t->s.value, &err));
    assert_ok(list_state_sweep(t->s.list, &err));
    assert_ok(map_state_sweep(t->s.map, &err));
}

static void put_all(struct ttl_test *t, int64_t key, int64_t id)
{
    begin(t, key);
    user_value(&t->f, &t->value, id);
    assert_ok(value_state_set(t->s.value, t->value.bytes, &err));
    assert_ok(list_state_add(t->s.list, t->value.bytes, &err));
    user_map_key(&t->f, &t->key, id);
    assert_ok(map_state_put(t->s.map, t->key.bytes, t->value.bytes, &err));
    end(t);
}

static int64_t get_value(struct ttl_test *t, int64_t key)
{
    const char *found = NULL;
    begin(t, key);
    assert_ok(value_state_get(t->s.value, &found, &err));
    int64_t id = found != NULL ? user_value_id(&t->f, found) : NONE;
    end(t);
    return id;
}

/* The digits of the elements' numbers, one behind the other. */
static int64_t get_list(struct ttl_test *t, int64_t key)
{
    const char *found = NULL;
    int64_t digits = 0;
    begin(t, key);
    assert_ok(list_state_begin(t->s.list, &err));
    for (;;) {
        assert_ok(list_state_next(t->s.list, &found, &err));
        if (found == NULL) {
            break;
        }
        digits = digits * 10 % 1000000 + user_value_id(&t->f, found);
    }
    end(t);
    return digits;
}

static int64_t get_map(struct ttl_test *t, int64_t key, int64_t m)
{
    const char *found = NULL;
    begin(t, key);
    user_map_key(&t->f, &t->key, m);
    assert_ok(map_state_get(t->s.map, t->key.bytes, &found, &err));
    int64_t id = found != NULL ? user_value_id(&t->f, found) : NONE;
    end(t);
    return id;
}

static int64_t walk_map(struct ttl_test *t, int64_t key)
{
    const char *k = NULL, *v = NULL;
    int64_t digits = 0;
    begin(t, key);
    assert_ok(map_state_begin(t->s.map, &err));
    for (;;) {
        assert_ok(map_state_next(t->s.map, &k, &v, &err));
        if (k == NULL) {
            break;
        }
        digits = digits * 10 % 1000000 + user_value_id(&t->f, v);
    }
    end(t);
    return digits;
}

/* Entries of all states, in the tables themselves. */
static uint32_t entries_left(struct ttl_test *t)
{
    uint32_t n = 0;
    for (size_t i = 0; i < t->s.backend->states.len; i++) {
        struct keyed_state *s = vec_ptr(&t->s.backend->states, i);
        for (uint32_t at = keyed_state_next(s, NAMESPACE_VOID, 0); at != KEYED_SLOT_NONE;
             at = keyed_state_next(s, NAMESPACE_VOID, at + 1)) {
            n++;
        }
    }
    return n;
}

static void writing_makes_young_again_and_reading_does_not(void **state)
{
    struct ttl_test t;
    open_test(&t, *state, (struct state_ttl){.sweep = 0});
    put_all(&t, 1, 1);
    later(&t, 600);
    put_all(&t, 1, 2);
    assert_int_equal(get_value(&t, 1), 2);
    assert_int_equal(get_list(&t, 1), 12);
    assert_int_equal(walk_map(&t, 1), 12);
    later(&t, 399);
    assert_int_equal(get_list(&t, 1), 12);
    later(&t, 1); /* element 1 is 1000 ms old */
    assert_int_equal(get_value(&t, 1), 2);
    assert_int_equal(get_list(&t, 1), 2);
    assert_int_equal(walk_map(&t, 1), 2);
    assert_int_equal(get_map(&t, 1, 1), NONE);
    assert_int_equal(get_map(&t, 1, 2), 2);
    later(&t, 600);
    assert_int_equal(get_value(&t, 1), NONE);
    assert_int_equal(get_list(&t, 1), 0);
    assert_int_equal(get_map(&t, 1, 2), NONE);
    close_test(&t);
}

static void reading_makes_young_again_where_it_is_wanted(void **state)
{
    struct ttl_test t;
    open_test(&t, *state, (struct state_ttl){.on_read = true});
    put_all(&t, 1, 1);
    put_all(&t, 1, 2);
    for (int i = 0; i < 5; i++) {
        later(&t, 900);
        assert_int_equal(get_value(&t, 1), 2);
        assert_int_equal(get_list(&t, 1), 12);
        assert_int_equal(get_map(&t, 1, 1), 1);
    }
    assert_int_equal(get_map(&t, 1, 2), NONE);
    later(&t, TTL_MS);
    assert_int_equal(get_value(&t, 1), NONE);
    assert_int_equal(get_list(&t, 1), 0);
    assert_int_equal(get_map(&t, 1, 1), NONE);
    close_test(&t);
}

static void what_is_over_may_be_shown_once(void **state)
{
    struct ttl_test t;
    open_test(&t, *state, (struct state_ttl){.returns_expired = true});
    put_all(&t, 1, 3); /* with a string in the heap */
    later(&t, 5 * TTL_MS);
    assert_int_equal(get_list(&t, 1), 3);
    assert_int_equal(walk_map(&t, 1), 3);
    assert_int_equal(get_value(&t, 1), 3);
    assert_int_equal(get_value(&t, 1), NONE);
    assert_int_equal(get_map(&t, 1, 3), 3);
    assert_int_equal(get_map(&t, 1, 3), NONE);
    close_test(&t);
}

static void editing_starts_anew_after_its_time(void **state)
{
    struct user_fixture f;
    struct user_side s;
    struct value_state *numbers = NULL;
    struct record_layout l;
    struct schema *schema = parse_schema("ROW<n BIGINT NOT NULL>");
    user_fixture_init(&f, *state);
    user_side_open(&f, &s, 0, 127, NULL, 0);
    assert_ok(record_layout_init(&l, schema, &err));
    assert_ok(value_state_open(
        &s.cursor,
        &(struct value_state_desc){
            .name = "numbers", .kind = "value", .record = &l, .ttl = {.ms = TTL_MS}},
        &numbers, &err));
    for (int64_t round = 0; round < 4; round++) {
        char *n = NULL;
        user_begin_key(&f, &s, 1);
        assert_ok(value_state_edit(numbers, &n, &err));
        int64_t expected = round % 2, found;
        memcpy(&found, n, sizeof(found));
        assert_int_equal(found, expected);
        found++;
        memcpy(n, &found, sizeof(found));
        key_cursor_end(&s.cursor);
        clock_manual_advance_ms(&f.clock, round % 2 == 0 ? TTL_MS - 1 : TTL_MS);
    }
    record_layout_fini(&l);
    schema_unref(schema);
    user_side_close(&s);
    user_fixture_fini(&f);
}

/* Keys that nobody asks for any more go, and everything that belongs to them. */
static void the_sweep_removes_what_nobody_asks_for(void **state)
{
    struct ttl_test t;
    open_test(&t, *state, (struct state_ttl){.sweep = 5});
    for (int64_t k = 1; k <= 500; k++) {
        put_all(&t, k, k % 10);
        put_all(&t, k, k % 10 + 1);
    }
    uint32_t all = entries_left(&t);
    assert_int_equal(all, 500 * (1 + 1 + 2 + 1 + 2)); /* value; head and two entries each */
    later(&t, TTL_MS);
    for (int i = 0; i < 1000; i++) {
        put_all(&t, 1000, 1);
        (void)get_list(&t, 1000);
        assert_ok(list_state_sweep(t.s.list, &err));
        later(&t, 1);
    }
    later(&t, TTL_MS);
    for (int i = 0; i < 1000; i++) {
        put_all(&t, 1000, 1);
    }
    /* Those of key 1000 that are not over: the value, a map entry, a thousand elements, two heads. */
    assert_int_equal(entries_left(&t), 1 + 2 + 1001);
    assert_int_equal(get_value(&t, 1000), 1);
    close_test(&t);
}

static void restored_entries_know_their_age(void **state)
{
    struct ttl_test t;
    Flinc__KeyedHandle handle = FLINC__KEYED_HANDLE__INIT, *handles[] = {&handle};
    open_test(&t, *state, (struct state_ttl){.sweep = 0});
    put_all(&t, 1, 1);
    later(&t, 700);
    put_all(&t, 1, 2);
    put_all(&t, 2, 4);
    finish_snapshot(freeze(t.s.backend, 1, FULL, UINT64_MAX), &handle);
    user_side_close(&t.s);
    user_side_open(&t.f, &t.s, 0, 127, handles, 1);
    assert_int_equal(get_list(&t, 1), 12);
    later(&t, 300);
    assert_int_equal(get_list(&t, 1), 2);
    assert_int_equal(walk_map(&t, 1), 2);
    assert_int_equal(get_value(&t, 2), 4);
    later(&t, 700);
    assert_int_equal(get_value(&t, 2), NONE);
    handle_fini(&handle);
    close_test(&t);
}

/* The states are opened again out of a snapshot, with another time to live. */
static void reopen(struct ttl_test *t, uint64_t ttl_ms, Flinc__CheckpointKind kind)
{
    Flinc__KeyedHandle handle = FLINC__KEYED_HANDLE__INIT, *handles[] = {&handle};
    finish_snapshot(freeze(t->s.backend, 1, kind, UINT64_MAX), &handle);
    user_side_close(&t->s);
    t->f.ttl.ms = ttl_ms;
    user_side_open(&t->f, &t->s, 0, 127, handles, 1);
    handle_fini(&handle);
}

static void a_time_to_live_that_is_new_begins_with_the_restore(void **state)
{
    static const Flinc__CheckpointKind kinds[] = {FULL, INCREMENTAL};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct ttl_test t;
        open_test(&t, *state, (struct state_ttl){.full_snapshots = true});
        reopen(&t, 0, FULL);
        put_all(&t, 1, 1);
        put_all(&t, 1, 2);
        put_all(&t, 2, 3);
        later(&t, 100 * TTL_MS); /* of no account */
        reopen(&t, TTL_MS, kinds[i]);
        assert_int_equal(get_value(&t, 2), 3);
        later(&t, TTL_MS - 1);
        assert_int_equal(get_value(&t, 1), 2);
        int64_t listed = get_list(&t, 1), walked = walk_map(&t, 1);
        assert_int_equal(listed, 12);
        assert_true(walked == 12 || walked == 21); /* restored entries have no order */
        put_all(&t, 2, 4);
        reopen(&t, TTL_MS, kinds[i]); /* now they have a time, and keep it */
        later(&t, 1);
        assert_int_equal(get_value(&t, 1), NONE);
        assert_int_equal(get_list(&t, 1), 0);
        assert_int_equal(walk_map(&t, 1), 0);
        assert_int_equal(get_value(&t, 2), 4);
        assert_int_equal(get_list(&t, 2), 4);
        assert_int_equal(get_map(&t, 2, 3), NONE);
        assert_int_equal(get_map(&t, 2, 4), 4);
        close_test(&t);
    }
}

static void without_its_time_to_live_a_state_keeps_all(void **state)
{
    struct ttl_test t;
    open_test(&t, *state, (struct state_ttl){.sweep = 0});
    put_all(&t, 1, 1);
    later(&t, TTL_MS / 2);
    put_all(&t, 2, 2);
    later(&t, TTL_MS / 2);
    reopen(&t, 0, INCREMENTAL);
    later(&t, 100 * TTL_MS);
    for (int64_t k = 1; k <= 2; k++) {
        assert_int_equal(get_value(&t, k), k);
        assert_int_equal(get_list(&t, k), k);
        assert_int_equal(get_map(&t, k, k), k);
    }
    put_all(&t, 1, 5);
    assert_int_equal(get_list(&t, 1), 15);
    close_test(&t);
}

static void full_snapshots_leave_out_what_is_over(void **state)
{
    struct ttl_test t;
    uint64_t sizes[2];
    for (int on = 0; on < 2; on++) {
        Flinc__KeyedHandle handle = FLINC__KEYED_HANDLE__INIT, *handles[] = {&handle};
        open_test(&t, *state, (struct state_ttl){.full_snapshots = on == 1});
        for (int64_t k = 1; k <= 300; k++) {
            put_all(&t, k, k % 10);
        }
        later(&t, TTL_MS);
        for (int64_t k = 200; k <= 220; k++) {
            put_all(&t, k, 8);
        }
        /* What increments build upon has everything. */
        Flinc__KeyedHandle base = FLINC__KEYED_HANDLE__INIT;
        finish_snapshot(freeze(t.s.backend, 1, INCREMENTAL, UINT64_MAX), &base);
        assert_int_equal(base.segments[0]->n_entries, 300 + 2 * (300 + 21) - 2);
        handle_fini(&base);
        finish_snapshot(freeze(t.s.backend, 2, FULL, UINT64_MAX), &handle);
        sizes[on] = handle.segments[0]->n_entries;
        user_side_close(&t.s);
        t.f.clock.now_ms_value -= TTL_MS / 2; /* nothing of what is left is over */
        user_side_open(&t.f, &t.s, 0, 127, handles, 1);
        assert_int_equal(get_value(&t, 210), 8);
        assert_int_equal(get_value(&t, 100), on == 1 ? NONE : 0);
        assert_int_equal(get_list(&t, 219), on == 1 ? 8 : 98);
        int64_t walked = walk_map(&t, 219); /* restored entries have no order */
        assert_true(on == 1 ? walked == 8 : walked == 98 || walked == 89);
        handle_fini(&handle);
        close_test(&t);
    }
    assert_int_equal(sizes[0], 300 + 2 * (300 + 21) - 2);
    assert_int_equal(sizes[1], 3 * 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(writing_makes_young_again_and_reading_does_not),
        SNAPSHOT_TEST(reading_makes_young_again_where_it_is_wanted),
        SNAPSHOT_TEST(what_is_over_may_be_shown_once),
        SNAPSHOT_TEST(editing_starts_anew_after_its_time),
        SNAPSHOT_TEST(the_sweep_removes_what_nobody_asks_for),
        SNAPSHOT_TEST(full_snapshots_leave_out_what_is_over),
        SNAPSHOT_TEST(restored_entries_know_their_age),
        SNAPSHOT_TEST(a_time_to_live_that_is_new_begins_with_the_restore),
        SNAPSHOT_TEST(without_its_time_to_live_a_state_keeps_all),
        EVICTING_TEST(writing_makes_young_again_and_reading_does_not),
        EVICTING_TEST(reading_makes_young_again_where_it_is_wanted),
        EVICTING_TEST(editing_starts_anew_after_its_time),
        EVICTING_TEST(restored_entries_know_their_age),
        EVICTING_TEST(a_time_to_live_that_is_new_begins_with_the_restore),
        EVICTING_TEST(without_its_time_to_live_a_state_keeps_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
