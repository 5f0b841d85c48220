/* Entries of paged state whose time is over: compactions of the store and savepoints leave them out, and
 * only them.  And names of states that files cannot tell apart. */
#include "engine/data/hash.h"
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum { KEYS = 6000, YOUNG = 2000, TTL_MS = 1000 };

static const uint32_t KEY_COLUMN = 0;

struct kept {
    int64_t n, stamp_ms;
};

/* Keys [from, from + n) get this stamp. */
static void stamp(struct keyed_state *s, struct builder *b, uint32_t from, uint32_t n,
                  int64_t now_ms)
{
    static uint32_t slots[BATCH_ROWS_MAX];
    static uint8_t is_new[BATCH_ROWS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(b, 0, from + i);
        builder_end_row(b);
    }
    struct batch *batch = finish_hashed(b, 1);
    assert_ok(keyed_state_upsert(s, NAMESPACE_VOID, batch, &KEY_COLUMN, slots, is_new, &err));
    for (uint32_t i = 0; i < n; i++) {
        struct kept kept = {.n = from + i, .stamp_ms = now_ms};
        memcpy(keyed_state_value(s, slots[i]), &kept, sizeof(kept));
    }
    batch_unref(batch);
}

static uint32_t count_stored(struct keyed_state *s)
{
    struct segment_run runs[BATCH_ROWS_MAX];
    const int64_t name_space = NAMESPACE_VOID;
    struct paged_rows *rows = paged_rows_new(s->paged, &s->paged->value, &name_space, 1);
    struct batch *b = NULL;
    uint32_t n = 0, n_runs, n_rows = 1;
    while (n_rows > 0) {
        struct error err = ERROR_INIT;
        int rc = paged_rows_next(rows, BATCH_ROWS_MAX, &b, runs, &n_runs, &err);
        assert_true(rc >= 0);
        n_rows = rc > 0 ? b->n_rows : 0;
        n += n_rows;
        if (rc > 0) {
            batch_unref(b);
        }
    }
    paged_rows_free(rows);
    return n;
}

struct values {
    struct schema *keys, *values;
    struct record_layout layout;
    struct clock_manual clock;
    struct fixture_disk disk;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct builder builder;
};

static void values_init(struct values *x, struct buffer_pool *pool)
{
    x->keys = parse_schema("ROW<k BIGINT NOT NULL>");
    x->values = parse_schema("ROW<n BIGINT NOT NULL, `$ttl` BIGINT NOT NULL>");
    clock_manual_init(&x->clock);
    assert_ok(record_layout_init(&x->layout, x->values, &err));
    builder_init(&x->builder, pool, x->keys, BATCH_ROWS_MAX);
}

static void values_open(struct values *x, struct buffer_pool *pool, const char *kind,
                        Flinc__KeyedHandle *handle)
{
    const struct keyed_disk *disk = fixture_disk_init(&x->disk, 0);
    assert_ok(keyed_backend_new(kind,
                                &(struct keyed_backend_options){.operator_name = "Values",
                                                                .pool = pool,
                                                                .max_parallelism = 8,
                                                                .last_group = 7,
                                                                .disk = disk},
                                &x->backend, &err));
    if (handle != NULL) {
        assert_ok(restore(x->backend, &handle, 1, &err));
    }
    assert_ok(keyed_backend_state(x->backend,
                                  &(struct keyed_state_desc){.name = "value",
                                                             .key_schema = x->keys,
                                                             .value_bytes = sizeof(struct kept),
                                                             .value_layout = &x->layout,
                                                             .grows_in_pieces = true,
                                                             .ttl_ms = TTL_MS,
                                                             .expiry = {.clock = &x->clock.base,
                                                                        .offset = 8,
                                                                        .ttl_ms = TTL_MS,
                                                                        .is_left_out = true}},
                                  &x->state, &err));
}

static void values_fini(struct values *x)
{
    builder_fini(&x->builder);
    record_layout_fini(&x->layout);
    schema_unref(x->keys);
    schema_unref(x->values);
}

/* 2,000 keys are young, 4,000 are over; all are in the store. */
static void make_some_old(struct values *x)
{
    int64_t now_ms = clock_now_ms(&x->clock.base);
    for (uint32_t i = 0; i < KEYS; i += YOUNG) {
        stamp(x->state, &x->builder, i, YOUNG, now_ms);
    }
    assert_ok(paged_store_flush(x->backend->paged, &err));
    rocks_store_compact(x->backend->paged->rocks);
    assert_int_equal(count_stored(x->state), KEYS);
    clock_manual_advance_ms(&x->clock, TTL_MS);
    stamp(x->state, &x->builder, 0, YOUNG, clock_now_ms(&x->clock.base));
    assert_ok(paged_store_flush(x->backend->paged, &err));
    assert_int_equal(count_stored(x->state), KEYS);
}

static void compactions_leave_out_what_is_over(void **state)
{
    struct values x;
    values_init(&x, *state);
    values_open(&x, *state, "rocksdb", NULL);
    make_some_old(&x);
    rocks_store_compact(x.backend->paged->rocks);
    assert_int_equal(count_stored(x.state), YOUNG);
    keyed_backend_free(x.backend);
    values_fini(&x);
}

/* Of all that the store has a canonical savepoint has what is young. */
static void savepoints_leave_out_what_is_over(void **state)
{
    struct values x;
    Flinc__KeyedHandle handle;
    values_init(&x, *state);
    values_open(&x, *state, "rocksdb", NULL);
    make_some_old(&x);
    finish_snapshot(freeze(x.backend, 1, SAVEPOINT, 0), &handle);
    keyed_backend_free(x.backend);
    values_open(&x, *state, "hashmap", &handle);
    uint32_t n = 0;
    for (uint32_t at = keyed_state_next(x.state, NAMESPACE_VOID, 0); at != KEYED_SLOT_NONE;
         at = keyed_state_next(x.state, NAMESPACE_VOID, at + 1)) {
        struct kept kept;
        memcpy(&kept, keyed_state_value(x.state, at), sizeof(kept));
        assert_true(kept.n < YOUNG);
        n++;
    }
    assert_int_equal(n, YOUNG);
    keyed_backend_free(x.backend);
    handle_fini(&handle);
    values_fini(&x);
}

/* ---- names ------------------------------------------------------------------------------------------- */

enum { NAMES = 300000 };

struct named {
    uint32_t hash, number;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Two names whose numbers in files are the same. */
static void find_twins(char ret_first[16], char ret_second[16])
{
    struct named *all = MEM_NEW_ARRAY(struct named, NAMES);
    for (uint32_t i = 0; i < NAMES; i++) {
        snprintf(ret_first, 16, "s%u", i);
        all[i] = (struct named){(uint32_t)key_hash_bytes(ret_first, strlen(ret_first)), i};
    }
    qsort(all, NAMES, sizeof(*all), compare_named);
    uint32_t at = 1;
    while (at < NAMES && all[at].hash != all[at - 1].hash) {
        at++;
    }
    assert_true(at < NAMES);
    snprintf(ret_first, 16, "s%u", all[at - 1].number);
    snprintf(ret_second, 16, "s%u", all[at].number);
    mem_free(all);
}

static void names_that_are_one(void **state)
{
    struct values x;
    struct error err = ERROR_INIT;
    struct keyed_state *second = NULL;
    char first[16], other[16];
    find_twins(first, other);
    values_init(&x, *state);
    values_open(&x, *state, "rocksdb", NULL);
    struct keyed_state_desc desc = {.name = first,
                                    .key_schema = x.keys,
                                    .value_bytes = sizeof(struct kept),
                                    .value_layout = &x.layout,
                                    .grows_in_pieces = true};
    assert_int_equal(keyed_backend_state(x.backend, &desc, &second, &err), 0);
    desc.name = other;
    assert_int_equal(keyed_backend_state(x.backend, &desc, &second, &err), ERR_STATE);
    assert_non_null(strstr(err.message, first));
    assert_non_null(strstr(err.message, other));
    keyed_backend_free(x.backend);
    values_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROCKSDB_TEST(compactions_leave_out_what_is_over),
        ROCKSDB_TEST(savepoints_leave_out_what_is_over),
        ROCKSDB_TEST(names_that_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
