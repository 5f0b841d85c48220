/* Entries of paged state whose time is over: compactions of the store leave them out, and only them. */
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum { KEYS = 6000, TTL_MS = 1000 };

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
    struct paged_rows *rows = paged_rows_new(s->paged, &s->paged->value);
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

static void compactions_leave_out_what_is_over(void **state)
{
    struct schema *keys = parse_schema("ROW<k BIGINT NOT NULL>");
    struct schema *values = parse_schema("ROW<n BIGINT NOT NULL, `$ttl` BIGINT NOT NULL>");
    struct record_layout layout;
    struct clock_manual clock;
    struct fixture_disk disk;
    struct keyed_backend *b = NULL;
    struct keyed_state *s = NULL;
    struct builder builder;
    clock_manual_init(&clock);
    assert_ok(record_layout_init(&layout, values, &err));
    assert_ok(
        keyed_backend_new("rocksdb",
                          &(struct keyed_backend_options){.operator_name = "Values",
                                                          .pool = *state,
                                                          .max_parallelism = 8,
                                                          .last_group = 7,
                                                          .disk = fixture_disk_init(&disk, 0)},
                          &b, &err));
    assert_ok(keyed_backend_state(
        b,
        &(struct keyed_state_desc){.name = "value",
                                   .key_schema = keys,
                                   .value_bytes = sizeof(struct kept),
                                   .value_layout = &layout,
                                   .grows_in_pieces = true,
                                   .ttl_ms = TTL_MS,
                                   .expiry = {.clock = &clock.base, .offset = 8, .ttl_ms = TTL_MS}},
        &s, &err));
    builder_init(&builder, *state, keys, BATCH_ROWS_MAX);
    int64_t now_ms = clock_now_ms(&clock.base);
    for (uint32_t i = 0; i < KEYS; i += 2000) {
        stamp(s, &builder, i, 2000, now_ms);
    }
    assert_ok(paged_store_flush(b->paged, &err));
    rocks_store_compact(b->paged->rocks);
    assert_int_equal(count_stored(s), KEYS);
    clock_manual_advance_ms(&clock, TTL_MS);
    stamp(s, &builder, 0, 2000, clock_now_ms(&clock.base));
    assert_ok(paged_store_flush(b->paged, &err));
    rocks_store_compact(b->paged->rocks);
    assert_int_equal(count_stored(s), 2000);
    builder_fini(&builder);
    keyed_backend_free(b);
    record_layout_fini(&layout);
    schema_unref(keys);
    schema_unref(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROCKSDB_TEST(compactions_leave_out_what_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
