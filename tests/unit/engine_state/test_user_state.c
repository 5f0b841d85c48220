/* Value, list and map state, row by row: random calls in batches against plain arrays, with snapshots,
 * increments and restores into two subtasks and back into one. */
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/user_fixture.h"
#include "tests/unit/seeds.h"

#if UNDER_SANITIZER
#define BATCHES 150
#else
#define BATCHES 1200
#endif
enum { KEYS = 60, MAP_KEYS = 90, NONE = -1 };

struct model_key {
    int64_t value;         /* NONE: not there */
    struct vec list;       /* int64_t */
    int64_t map[MAP_KEYS]; /* NONE: not there */
};

struct run {
    struct user_fixture f;
    struct user_side side;
    struct rng rng;
    struct model_key keys[KEYS];
    int64_t ids[BATCH_ROWS_MAX]; /* keys of the rows */
    int64_t next_id;
    uint64_t checkpoint;
};

/* ---- steps ------------------------------------------------------------------------------------- */

static void check_value(struct run *r, struct user_side *s, const struct model_key *k)
{
    const char *found = NULL;
    assert_ok(value_state_get(s->value, &found, &err));
    int64_t id = found != NULL ? user_value_id(&r->f, found) : NONE;
    assert_int_equal(id, k->value);
}

static void check_list(struct run *r, struct user_side *s, const struct model_key *k)
{
    const char *found = NULL;
    size_t n = 0;
    assert_ok(list_state_begin(s->list, &err));
    for (;;) {
        assert_ok(list_state_next(s->list, &found, &err));
        if (found == NULL) {
            break;
        }
        assert_true(n < k->list.len);
        assert_int_equal(user_value_id(&r->f, found), *VEC_AT(&k->list, int64_t, n));
        n++;
    }
    assert_int_equal(n, k->list.len);
}

static void check_map(struct run *r, struct user_side *s, const struct model_key *k)
{
    const char *key = NULL, *value = NULL;
    bool seen[MAP_KEYS] = {false};
    assert_ok(map_state_begin(s->map, &err));
    for (;;) {
        assert_ok(map_state_next(s->map, &key, &value, &err));
        if (key == NULL) {
            break;
        }
        int64_t m = user_map_key_id(&r->f, key, MAP_KEYS);
        assert_false(seen[m]);
        seen[m] = true;
        assert_int_equal(user_value_id(&r->f, value), k->map[m]);
    }
    for (int64_t m = 0; m < MAP_KEYS; m++) {
        assert_int_equal(seen[m], k->map[m] != NONE);
    }
}

static void step_value(struct run *r, struct model_key *k)
{
    struct user_record v;
    uint64_t what = rng_below(&r->rng, 10);
    if (what < 4) {
        check_value(r, &r->side, k);
    }
    if (what < 8) {
        k->value = r->next_id++;
        assert_ok(value_state_set(r->side.value, user_value(&r->f, &v, k->value), &err));
        check_value(r, &r->side, k);
    } else if (what == 8) {
        k->value = NONE;
        assert_ok(value_state_clear(r->side.value, &err));
        check_value(r, &r->side, k);
    }
}

static void step_list(struct run *r, struct model_key *k)
{
    struct user_record v;
    uint64_t what = rng_below(&r->rng, 40);
    if (what < 35) {
        *VEC_PUSH(&k->list, int64_t) = r->next_id;
        assert_ok(list_state_add(r->side.list, user_value(&r->f, &v, r->next_id++), &err));
    } else if (what < 38) {
        check_list(r, &r->side, k);
    } else {
        vec_clear(&k->list);
        assert_ok(list_state_clear(r->side.list, &err));
    }
}

/* Every second entry is removed, the others get another value, while one walks over them. */
static void change_while_walking(struct run *r, struct model_key *k)
{
    const char *key = NULL, *value = NULL;
    struct user_record v;
    assert_ok(map_state_begin(r->side.map, &err));
    for (bool remove = false;; remove = !remove) {
        assert_ok(map_state_next(r->side.map, &key, &value, &err));
        if (key == NULL) {
            return;
        }
        int64_t m = user_map_key_id(&r->f, key, MAP_KEYS);
        if (remove) {
            assert_ok(map_state_remove(r->side.map, key, &err));
            k->map[m] = NONE;
        } else {
            k->map[m] = r->next_id++;
            assert_ok(map_state_put(r->side.map, key, user_value(&r->f, &v, k->map[m]), &err));
        }
    }
}

static void step_map(struct run *r, struct model_key *k)
{
    struct user_record key, v;
    int64_t m = (int64_t)rng_below(&r->rng, MAP_KEYS);
    uint64_t what = rng_below(&r->rng, 50);
    const char *found = NULL;
    user_map_key(&r->f, &key, m);
    if (what < 25) {
        k->map[m] = r->next_id++;
        assert_ok(map_state_put(r->side.map, key.bytes, user_value(&r->f, &v, k->map[m]), &err));
    } else if (what < 40) {
        assert_ok(map_state_get(r->side.map, key.bytes, &found, &err));
        int64_t id = found != NULL ? user_value_id(&r->f, found) : NONE;
        assert_int_equal(id, k->map[m]);
    } else if (what < 46) {
        k->map[m] = NONE;
        assert_ok(map_state_remove(r->side.map, key.bytes, &err));
    } else if (what < 48) {
        check_map(r, &r->side, k);
    } else if (what == 48) {
        change_while_walking(r, k);
    } else {
        for (m = 0; m < MAP_KEYS; m++) {
            k->map[m] = NONE;
        }
        assert_ok(map_state_clear(r->side.map, &err));
    }
}

static void step_batch(struct run *r)
{
    uint32_t n = 1 + (uint32_t)rng_below(&r->rng, 200);
    for (uint32_t i = 0; i < n; i++) {
        r->ids[i] = (int64_t)rng_below(&r->rng, KEYS);
        user_put_key(&r->f, r->ids[i]);
    }
    user_begin(&r->f, &r->side);
    for (uint32_t i = 0; i < n; i++) {
        struct model_key *k = &r->keys[r->ids[i]];
        r->side.cursor.row = i;
        step_value(r, k);
        step_list(r, k);
        step_map(r, k);
    }
    key_cursor_end(&r->side.cursor);
}

/* ---- snapshots --------------------------------------------------------------------------------- */

static void snapshot_of(struct run *r, struct user_side *s, Flinc__CheckpointKind kind,
                        Flinc__KeyedHandle *ret)
{
    flinc__keyed_handle__init(ret);
    finish_snapshot(freeze(s->backend, ++r->checkpoint, kind, UINT64_MAX), ret);
}

static void check_side(struct run *r, struct user_side *s, uint32_t first, uint32_t last)
{
    for (int64_t key = 0; key < KEYS; key++) {
        uint32_t group = (uint32_t)user_key_hash(key) % 128;
        if (group < first || group > last) {
            continue;
        }
        user_begin_key(&r->f, s, key);
        check_value(r, s, &r->keys[key]);
        check_list(r, s, &r->keys[key]);
        check_map(r, s, &r->keys[key]);
        key_cursor_end(&s->cursor);
    }
}

/* Into two subtasks, and from them back into one, which goes on. */
static void step_rescale(struct run *r, Flinc__CheckpointKind kind)
{
    Flinc__KeyedHandle whole, parts[2];
    Flinc__KeyedHandle *all[] = {&whole}, *both[] = {&parts[0], &parts[1]};
    snapshot_of(r, &r->side, kind, &whole);
    user_side_close(&r->side);
    for (uint32_t i = 0; i < 2; i++) {
        struct user_side half;
        uint32_t first = i == 0 ? 0 : 50, last = i == 0 ? 49 : 127;
        user_side_open(&r->f, &half, first, last, all, 1);
        check_side(r, &half, first, last);
        snapshot_of(r, &half, FULL, &parts[i]);
        user_side_close(&half);
    }
    user_side_open(&r->f, &r->side, 0, 127, both, 2);
    check_side(r, &r->side, 0, 127);
    handle_fini(&whole);
    handle_fini(&parts[0]);
    handle_fini(&parts[1]);
}

static void random_calls_agree_with_arrays(void **state)
{
    struct seeds seeds = seeds_from(1, 2);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct run *r = MEM_NEW(struct run);
        user_fixture_init(&r->f, *state);
        rng_init(&r->rng, seed);
        for (int64_t k = 0; k < KEYS; k++) {
            r->keys[k].value = NONE;
            vec_init(&r->keys[k].list, sizeof(int64_t));
            memset(r->keys[k].map, 0xff, sizeof(r->keys[k].map));
        }
        user_side_open(&r->f, &r->side, 0, 127, NULL, 0);
        for (uint32_t i = 0; i < (fixture_evicts_always ? BATCHES / 30 : BATCHES); i++) {
            step_batch(r);
            uint64_t what = rng_below(&r->rng, 60);
            if (what == 0) {
                step_rescale(r, FULL);
            } else if (what < 3) {
                step_rescale(r, INCREMENTAL);
            } else if (what < 10) {
                Flinc__KeyedHandle h;
                snapshot_of(r, &r->side, INCREMENTAL, &h);
                handle_fini(&h);
                keyed_backend_confirm(r->side.backend, r->checkpoint);
            }
        }
        check_side(r, &r->side, 0, 127);
        assert_true(!fixture_evicts_always || r->side.backend->paged->n_found > 0);
        user_side_close(&r->side);
        for (int64_t k = 0; k < KEYS; k++) {
            vec_fini(&r->keys[k].list);
        }
        user_fixture_fini(&r->f);
        mem_free(r);
    }
}

/* ---- by hand ----------------------------------------------------------------------------------- */

static void a_list_changed_under_a_walk_says_so(void **state)
{
    struct user_fixture f;
    struct user_side s;
    struct user_record v;
    struct error fault = ERROR_INIT;
    const char *found = NULL;
    user_fixture_init(&f, *state);
    user_side_open(&f, &s, 0, 127, NULL, 0);
    user_begin_key(&f, &s, 1);
    assert_ok(list_state_add(s.list, user_value(&f, &v, 1), &err));
    assert_ok(list_state_add(s.list, user_value(&f, &v, 2), &err));
    assert_ok(list_state_begin(s.list, &err));
    assert_ok(list_state_next(s.list, &found, &err));
    assert_ok(list_state_add(s.list, user_value(&f, &v, 3), &err));
    assert_int_equal(list_state_next(s.list, &found, &fault), ERR_STATE);
    assert_non_null(strstr(fault.message, "'list'"));
    user_side_close(&s);
    user_fixture_fini(&f);
}

static void values_with_strings_are_not_edited(void **state)
{
    struct user_fixture f;
    struct user_side s;
    struct error fault = ERROR_INIT;
    char *found = NULL;
    user_fixture_init(&f, *state);
    user_side_open(&f, &s, 0, 127, NULL, 0);
    user_begin_key(&f, &s, 1);
    assert_int_equal(value_state_edit(s.value, &found, &fault), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(fault.message, "'value' keeps strings"));
    user_side_close(&s);
    user_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(random_calls_agree_with_arrays),
        SNAPSHOT_TEST(a_list_changed_under_a_walk_says_so),
        SNAPSHOT_TEST(values_with_strings_are_not_edited),
        EVICTING_TEST(random_calls_agree_with_arrays),
        EVICTING_TEST(a_list_changed_under_a_walk_says_so),
        EVICTING_TEST(values_with_strings_are_not_edited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
