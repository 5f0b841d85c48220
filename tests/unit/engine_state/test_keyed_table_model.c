/* The keyed table against a model: an array indexed by a small number from which each key is made.
 * Batches of random upserts, finds and removals; the values count the upserts of a key.
 * One million steps, a tenth of it under a sanitizer. */
#include "engine/state/keyed_table.h"
#include "tests/unit/engine_state/fixture.h"
#include "tests/unit/seeds.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS 100000u
#else
#define STEPS 1000000u
#endif

enum { UNIVERSE = 20000 };

struct model {
    const char *schema_text;
    /* Puts key number `id` into the builder's row. */
    void (*put)(struct builder *b, uint32_t id);
    uint64_t seed;
};

static void put_i64(struct builder *b, uint32_t id)
{
    if (id == 0) {
        builder_put_null(b, 0);
    } else {
        builder_put_i64(b, 0, (int64_t)id * 1000003);
    }
}

static void put_string(struct builder *b, uint32_t id)
{
    char text[64];
    snprintf(text, sizeof(text), id % 3 == 0 ? "a long key in the heap %u" : "%u", id);
    put_text(b, 0, id == 0 ? NULL : text);
}

static void put_pair(struct builder *b, uint32_t id)
{
    char text[64];
    snprintf(text, sizeof(text), "%*u", (int)(id % 40), id / 100);
    builder_put_i64(b, 0, id % 100);
    put_text(b, 1, text);
}

struct run {
    const struct model *model;
    struct keyed_table table;
    struct builder builder;
    struct rng rng;
    uint32_t counts[UNIVERSE]; /* upserts since the key was added; 0: not there */
    uint32_t n_live;
    uint32_t ids[BATCH_ROWS_MAX];
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static const uint32_t key_columns[] = {0, 1};

static struct batch *random_batch(struct run *r, uint32_t universe)
{
    uint32_t n = 1 + (uint32_t)rng_below(&r->rng, 3000);
    for (uint32_t i = 0; i < n; i++) {
        r->ids[i] = (uint32_t)rng_below(&r->rng, universe);
        r->model->put(&r->builder, r->ids[i]);
        builder_end_row(&r->builder);
    }
    return finish_hashed(&r->builder, r->builder.schema->n_fields);
}

static uint64_t *count_at(struct run *r, uint32_t slot)
{
    return keyed_table_value(&r->table, slot);
}

static void step_upsert(struct run *r, const struct batch *b)
{
    assert_ok(keyed_table_upsert(&r->table, b, key_columns, r->slots, r->is_new, &err));
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t *count = &r->counts[r->ids[i]];
        if (r->is_new[i] != (*count == 0) || *count_at(r, r->slots[i]) != *count) {
            fail_msg("row %u of %u: is_new %d, value %llu, expected %u", i, b->n_sel, r->is_new[i],
                     (unsigned long long)*count_at(r, r->slots[i]), *count);
        }
        r->n_live += r->is_new[i];
        *count_at(r, r->slots[i]) = ++*count;
    }
}

static void step_find(struct run *r, const struct batch *b, bool remove)
{
    assert_ok(keyed_table_find(&r->table, b, key_columns, r->slots, &err));
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t *count = &r->counts[r->ids[i]];
        if (!remove) {
            assert_int_equal(r->slots[i] == KEYED_SLOT_NONE, *count == 0);
        }
        if (*count == 0) {
            continue;
        }
        assert_int_equal(*count_at(r, r->slots[i]), *count);
        if (remove && i % 2 == 0) {
            keyed_table_remove(&r->table, r->slots[i]);
            *count = 0;
            r->n_live--;
        }
    }
}

/* The sum of all values by iteration is that of the model. */
static void check_iteration(struct run *r)
{
    uint64_t sum = 0, expected = 0;
    uint32_t n = 0;
    for (uint32_t s = keyed_table_next(&r->table, 0); s != KEYED_SLOT_NONE;
         s = keyed_table_next(&r->table, s + 1)) {
        sum += *count_at(r, s);
        n++;
    }
    for (uint32_t i = 0; i < UNIVERSE; i++) {
        expected += r->counts[i];
    }
    assert_int_equal(sum, expected);
    assert_int_equal(n, r->n_live);
    assert_int_equal(keyed_table_len(&r->table), r->n_live);
}

static void run_seed(struct buffer_pool *pool, const struct model *model, uint64_t seed)
{
    struct run *r = MEM_NEW(struct run);
    struct schema *schema = parse_schema(model->schema_text);
    r->model = model;
    rng_init(&r->rng, seed);
    builder_init(&r->builder, pool, schema, BATCH_ROWS_MAX);
    assert_ok(keyed_table_init(
        &r->table,
        &(struct keyed_table_options){.key_schema = schema, .value_bytes = 8, .seed = seed}, &err));
    for (uint32_t steps = 0, round = 0; steps < STEPS; round++) {
        uint32_t universe = round % 5 == 0 ? UNIVERSE : 2000;
        struct batch *b = random_batch(r, universe);
        steps += b->n_sel;
        uint64_t what = rng_below(&r->rng, 10);
        if (what < 6) {
            step_upsert(r, b);
        } else {
            step_find(r, b, what < 9);
        }
        batch_unref(b);
        if (round % 20 == 0) {
            check_iteration(r);
        }
        if (rng_below(&r->rng, 100) == 0) {
            keyed_table_clear(&r->table);
            memset(r->counts, 0, sizeof(r->counts));
            r->n_live = 0;
        }
    }
    check_iteration(r);
    keyed_table_fini(&r->table);
    builder_fini(&r->builder);
    schema_unref(schema);
    mem_free(r);
}

static void run_model(struct buffer_pool *pool, const struct model *model)
{
    const struct seeds seeds = seeds_from(model->seed, 1);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_seed(pool, model, seed);
    }
}

static void fixed_keys(void **state)
{
    run_model(*state, &(struct model){"ROW<k BIGINT>", put_i64, 1});
}

static void string_keys(void **state)
{
    run_model(*state, &(struct model){"ROW<k STRING>", put_string, 2});
}

static void keys_of_two_columns(void **state)
{
    run_model(*state, &(struct model){"ROW<a BIGINT, b STRING>", put_pair, 3});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fixed_keys, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(string_keys, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(keys_of_two_columns, pool_setup, pool_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
