/* Tables as caches: what is used stays, and how often a trace by Zipf's law misses. */
#include "engine/state/keyed_table_evict.h"
#include "engine/state/keyed_table_probe.h"
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

#include <math.h>

static const uint32_t KEY_COLUMN = 0;

/* ---- a table alone ------------------------------------------------------------------------------------- */

enum { KEPT = 500, PASSING = 4000, ROWS = 250, ROUNDS = 12 };

struct rig {
    struct schema *schema;
    struct builder builder;
    struct keyed_table table;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static void rig_init(struct rig *r, struct buffer_pool *pool, uint32_t mapped_from)
{
    memset(r, 0, sizeof(*r));
    r->schema = parse_schema("ROW<k BIGINT NOT NULL>");
    builder_init(&r->builder, pool, r->schema, BATCH_ROWS_MAX);
    assert_ok(keyed_table_init(&r->table,
                               &(struct keyed_table_options){.key_schema = r->schema,
                                                             .value_bytes = 8,
                                                             .mapped_from = mapped_from,
                                                             .grows_in_pieces = mapped_from > 0},
                               &err));
    r->table.keeps_heat = true;
}

static void rig_fini(struct rig *r)
{
    keyed_table_fini(&r->table);
    builder_fini(&r->builder);
    schema_unref(r->schema);
}

static struct batch *keys_of(struct builder *builder, int64_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(builder, 0, from + i);
        builder_end_row(builder);
    }
    return finish_hashed(builder, 1);
}

/* Uses keys [from, from + n), which come with it where they are not there, and are clean. */
static void use(struct rig *r, int64_t from, uint32_t n)
{
    for (int64_t key = from; key < from + n; key += ROWS) {
        struct batch *b = keys_of(&r->builder, key, ROWS);
        assert_ok(keyed_table_upsert(&r->table, b, &KEY_COLUMN, r->slots, r->is_new, &err));
        keyed_table_note_use(&r->table, r->slots, r->is_new, ROWS);
        for (uint32_t i = 0; i < ROWS; i++) {
            keyed_table_set_known(&r->table, r->slots[i], true);
        }
        batch_unref(b);
    }
}

static uint32_t count_there(struct rig *r, int64_t from, uint32_t n)
{
    uint32_t there = 0;
    for (int64_t key = from; key < from + n; key += ROWS) {
        struct batch *b = keys_of(&r->builder, key, ROWS);
        assert_ok(keyed_table_find(&r->table, b, &KEY_COLUMN, r->slots, &err));
        for (uint32_t i = 0; i < ROWS; i++) {
            there += r->slots[i] != KEYED_SLOT_NONE;
        }
        batch_unref(b);
    }
    return there;
}

static uint32_t evict_round(struct rig *r, struct keyed_evict_hand *hand)
{
    uint32_t n_groups = r->table.n_slots / KEYED_GROUP_SLOTS, seen = 0, n = 0;
    while (seen < n_groups) {
        uint32_t from = hand->group;
        n += keyed_table_evict(&r->table, hand);
        uint32_t went = (hand->group - from) & (n_groups - 1);
        seen += went > 0 ? went : n_groups;
    }
    return n;
}

static void used_entries_stay(struct rig *r)
{
    struct keyed_evict_hand hand = {.random = 12345};
    for (int i = 0; i < 4; i++) {
        use(r, 0, KEPT);
    }
    use(r, KEPT, PASSING); /* the table grows meanwhile, and heat goes with its entries */
    keyed_table_finish_growth(&r->table);
    assert_true(evict_round(r, &hand) >= PASSING);
    assert_int_equal(count_there(r, KEPT, PASSING), 0);
    assert_int_equal(count_there(r, 0, KEPT), KEPT);
    for (int i = 0; i < ROUNDS; i++) {
        use(r, KEPT + PASSING * (i + 1), PASSING); /* what comes and goes does not drive them out */
        evict_round(r, &hand);
    }
    assert_true(count_there(r, 0, KEPT) > KEPT / 4 * 3);
    for (int i = 0; i < 1000 && r->table.n_keys > 0; i++) {
        evict_round(r, &hand); /* but nothing stays forever */
    }
    assert_int_equal(count_there(r, 0, KEPT), 0);
    for (uint32_t group = 0; group < r->table.n_slots / KEYED_GROUP_SLOTS; group++) {
        assert_int_equal(r->table.heat[group], 0);
    }
}

static void heat_goes_with_entries(void **state)
{
    struct rig *r = MEM_NEW(struct rig);
    static const uint32_t mapped_from[] = {0, 16 * 1024};
    for (size_t i = 0; i < ARRAY_LEN(mapped_from); i++) {
        rig_init(r, *state, mapped_from[i]);
        used_entries_stay(r);
        rig_fini(r);
    }
    mem_free(r);
}

static void a_hand_in_need_takes_what_is_hot(void **state)
{
    struct rig *r = MEM_NEW(struct rig);
    struct keyed_evict_hand hand = {.random = 12345};
    rig_init(r, *state, 0);
    use(r, 0, KEPT);
    use(r, 0, KEPT);
    assert_int_equal(evict_round(r, &hand), 0);
    hand.takes_hot = true;
    assert_int_equal(evict_round(r, &hand), KEPT);
    assert_int_equal(r->table.n_keys, 0);
    rig_fini(r);
    mem_free(r);
}

/* ---- misses of a trace -------------------------------------------------------------------------------- */

enum {
    KEYS = 56000, /* ten times those at hand */
    RECORDS = 250000,
    RECORDS_UNIFORM = 50000, /* of which nearly each one misses */
    WARM_SHARE = 2,          /* of the records that are not counted, one in so many */
    BATCH = 250,
};

struct counts {
    struct schema *keys, *values;
    struct record_layout layout;
    struct fixture_disk disk;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct builder builder;
    uint32_t slots[BATCH];
    uint8_t is_new[BATCH];
    int64_t rows[BATCH], expected[KEYS];
};

static void counts_open(struct counts *x, struct buffer_pool *pool, uint32_t number)
{
    memset(x, 0, sizeof(*x));
    x->keys = parse_schema("ROW<k BIGINT NOT NULL>");
    x->values = parse_schema("ROW<n BIGINT NOT NULL>");
    assert_ok(record_layout_init(&x->layout, x->values, &err));
    (void)fixture_disk_init(&x->disk, number);
    x->disk.disk.cache_bytes = PAGED_TABLE_MIN;
    assert_ok(keyed_backend_new("rocksdb",
                                &(struct keyed_backend_options){.operator_name = "Count",
                                                                .pool = pool,
                                                                .max_parallelism = 8,
                                                                .last_group = 7,
                                                                .seed = 77,
                                                                .disk = &x->disk.disk},
                                &x->backend, &err));
    assert_ok(keyed_backend_state(x->backend,
                                  &(struct keyed_state_desc){.name = "count",
                                                             .key_schema = x->keys,
                                                             .value_bytes = sizeof(int64_t),
                                                             .value_layout = &x->layout,
                                                             .grows_in_pieces = true},
                                  &x->state, &err));
    builder_init(&x->builder, pool, x->keys, BATCH_ROWS_MAX);
}

static void counts_close(struct counts *x)
{
    keyed_backend_free(x->backend);
    builder_fini(&x->builder);
    record_layout_fini(&x->layout);
    schema_unref(x->keys);
    schema_unref(x->values);
}

static void count_rows(struct counts *x)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        builder_put_i64(&x->builder, 0, x->rows[i]);
        builder_end_row(&x->builder);
    }
    struct batch *b = finish_hashed(&x->builder, 1);
    assert_ok(
        keyed_state_upsert(x->state, NAMESPACE_VOID, b, &KEY_COLUMN, x->slots, x->is_new, &err));
    for (uint32_t i = 0; i < BATCH; i++) {
        int64_t *n = keyed_state_value(x->state, x->slots[i]);
        assert_int_equal(*n, x->expected[x->rows[i]]);
        *n = ++x->expected[x->rows[i]];
    }
    batch_unref(b);
}

/* Misses of the records behind the first ones: each key once, then by Zipf's law of exponent 1, or all alike. */
static uint64_t count_misses(struct buffer_pool *pool, bool keeps_heat, bool is_zipf)
{
    struct counts *x = MEM_NEW(struct counts);
    struct rng rng;
    const uint32_t records = is_zipf ? RECORDS : RECORDS_UNIFORM;
    uint64_t before = 0;
    counts_open(x, pool, keeps_heat);
    assert_ok(paged_state_select(x->state->paged, NAMESPACE_VOID, true, &err));
    x->state->table->keeps_heat = keeps_heat;
    rng_init(&rng, 4711);
    for (int64_t key = 0; key < KEYS; key += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            x->rows[i] = key + i;
        }
        count_rows(x);
    }
    for (uint32_t at = 0; at < records; at += BATCH) {
        before = at == records / WARM_SHARE ? x->backend->paged->n_misses : before;
        for (uint32_t i = 0; i < BATCH; i++) {
            x->rows[i] = is_zipf ? (int64_t)exp(rng_double(&rng) * log(KEYS)) - 1
                                 : (int64_t)rng_below(&rng, KEYS);
        }
        count_rows(x);
    }
    uint64_t misses = x->backend->paged->n_misses - before;
    counts_close(x);
    mem_free(x);
    return misses;
}

static void what_is_used_often_stays_at_hand(void **state)
{
    uint64_t alike = count_misses(*state, false, true), by_heat = count_misses(*state, true, true);
    printf("misses of %d records: %llu, by heat %llu\n", RECORDS / WARM_SHARE,
           (unsigned long long)alike, (unsigned long long)by_heat);
    assert_true(by_heat < alike / 100 * 85);
}

static void uniform_keys_miss_as_before(void **state)
{
    uint64_t alike = count_misses(*state, false, false),
             by_heat = count_misses(*state, true, false);
    assert_true(by_heat < alike / 100 * 102);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(heat_goes_with_entries, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_hand_in_need_takes_what_is_hot, pool_setup,
                                        pool_teardown),
        ROCKSDB_TEST(what_is_used_often_stays_at_hand),
        ROCKSDB_TEST(uniform_keys_miss_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
