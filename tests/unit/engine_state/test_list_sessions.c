/* Lists of many keys that fill up and are emptied side by side, as sessions do it: tables that grow and are full of removed
 * slots, snapshots that are written between batches, restores from any of them. */
#include "tests/unit/engine_state/user_fixture.h"
#include "tests/unit/seeds.h"

#if UNDER_SANITIZER
#define LIVES 4
#else
#define LIVES 20
#endif
enum { KEYS = 3072, SESSION = 40, LAST_GROUP = 127 };

struct kept {
    Flinc__KeyedHandle handle;
    bool is_there;
    int64_t next[KEYS];
};

struct run {
    struct user_fixture f;
    struct schema *numbers;
    struct record_layout number;
    struct rng rng;
    struct mem_budget budget;
    struct keyed_backend *backend;
    struct key_cursor cursor;
    struct list_state *list;
    struct keyed_snapshot *snapshot; /* under way */
    struct kept pending;             /* what it will be */
    struct kept last;
    uint64_t checkpoint;
    int64_t next[KEYS]; /* of each key, the number of the record that comes */
    uint32_t first, last_group;
};

static bool is_mine(const struct run *r, int64_t key)
{
    uint32_t group = (uint32_t)user_key_hash(key) % 128;
    return group >= r->first && group <= r->last_group;
}

static void open_side(struct run *r)
{
    Flinc__KeyedHandle *handles[] = {&r->last.handle};
    mem_budget_init(&r->budget, "managed", 0, NULL);
    assert_ok(keyed_backend_new("hashmap",
                                &(struct keyed_backend_options){.operator_name = "Test",
                                                                .pool = r->f.pool,
                                                                .budget = &r->budget,
                                                                .max_parallelism = 128,
                                                                .first_group = r->first,
                                                                .last_group = r->last_group},
                                &r->backend, &err));
    if (r->last.is_there) {
        assert_ok(restore(r->backend, handles, 1, &err));
    }
    key_cursor_init(&r->cursor, r->backend, r->f.keys, &r->f.clock.base);
    assert_ok(list_state_open(&r->cursor,
                              &(struct list_state_desc){.name = "session", .record = &r->number},
                              &r->list, &err));
    memcpy(r->next, r->last.next, sizeof(r->next));
}

static void close_side(struct run *r)
{
    if (r->snapshot != NULL) {
        finish_snapshot(r->snapshot, &r->pending.handle);
        handle_fini(&r->pending.handle);
        r->snapshot = NULL;
    }
    key_cursor_fini(&r->cursor);
    keyed_backend_free(r->backend);
}

static void end_session(struct run *r, int64_t key, int64_t number)
{
    const char *found = NULL;
    int64_t n = 0, first = number / SESSION * SESSION;
    assert_ok(list_state_begin(r->list, &err));
    for (;; n++) {
        assert_ok(list_state_next(r->list, &found, &err));
        if (found == NULL) {
            break;
        }
        int64_t is;
        memcpy(&is, found, sizeof(is));
        if (is != first + n) {
            fail_msg("key %lld: %lld at %lld of session %lld", (long long)key, (long long)is,
                     (long long)n, (long long)(number / SESSION));
        }
    }
    assert_int_equal(n, SESSION);
    assert_ok(list_state_clear(r->list, &err));
}

static void step_batch(struct run *r, int64_t behind)
{
    int64_t ids[BATCH_ROWS_MAX];
    uint32_t n = 1 + (uint32_t)rng_below(&r->rng, 2000), rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t key = 1 + (int64_t)rng_below(&r->rng, KEYS - 1);
        if (is_mine(r, key) && r->next[key] <= behind) {
            ids[rows++] = key;
            user_put_key(&r->f, key);
        }
    }
    if (rows == 0) {
        return;
    }
    struct batch *b = finish_hashed(&r->f.builder, 1);
    key_cursor_begin(&r->cursor, b, user_key_columns);
    batch_unref(b);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t number = r->next[ids[i]]++;
        r->cursor.row = i;
        assert_ok(list_state_add(r->list, (const char *)&number, &err));
        if (number % SESSION == SESSION - 1) {
            end_session(r, ids[i], number);
        }
    }
    key_cursor_end(&r->cursor);
}

static void kept_fini(struct kept *k)
{
    if (k->is_there) {
        handle_fini(&k->handle);
        k->is_there = false;
    }
}

static void step_snapshot(struct run *r)
{
    if (r->snapshot == NULL) {
        if (rng_below(&r->rng, 6) == 0) {
            memcpy(r->pending.next, r->next, sizeof(r->next));
            flinc__keyed_handle__init(&r->pending.handle);
            r->snapshot =
                freeze(r->backend, ++r->checkpoint,
                       rng_below(&r->rng, 12) == 0 ? FULL : INCREMENTAL, UINT64_C(1) << 40);
        }
        return;
    }
    struct error fault = ERROR_INIT;
    int rc = keyed_snapshot_step(r->snapshot, 1 + (uint32_t)rng_below(&r->rng, 4000),
                                 &r->pending.handle, &fault);
    if (rc < 0) { /* more removals than an increment may lack */
        r->snapshot = keyed_snapshot_free(r->snapshot);
    } else if (rc == 0) {
        keyed_snapshot_free(r->snapshot);
        r->snapshot = NULL;
        kept_fini(&r->last);
        r->last = r->pending;
        r->last.is_there = true;
        if (rng_below(&r->rng, 10) != 0) {
            keyed_backend_confirm(r->backend, r->checkpoint);
        }
    }
}

static void sessions_are_whole(void **state)
{
    struct seeds seeds = seeds_from(1, 2);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct run *r = MEM_NEW(struct run);
        user_fixture_init(&r->f, *state);
        r->numbers = parse_schema("ROW<f0 BIGINT NOT NULL>");
        assert_ok(record_layout_init(&r->number, r->numbers, &err));
        rng_init(&r->rng, seed);
        r->last_group = rng_below(&r->rng, 2) == 0 ? LAST_GROUP : LAST_GROUP / 2;
        int64_t behind = 0;
        for (uint32_t life = 0; life < LIVES; life++) {
            open_side(r);
            uint64_t batches = 20 + rng_below(&r->rng, 400);
            for (uint64_t i = 0; i < batches; i++) {
                behind += rng_below(&r->rng, 3) == 0;
                step_batch(r, behind);
                step_snapshot(r);
            }
            close_side(r);
            behind = 0;
            for (uint32_t k = 0; k < KEYS; k++) {
                behind = MAX(behind, r->last.next[k]);
            }
        }
        kept_fini(&r->last);
        record_layout_fini(&r->number);
        schema_unref(r->numbers);
        user_fixture_fini(&r->f);
        mem_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(sessions_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
