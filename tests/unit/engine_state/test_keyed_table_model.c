/* The keyed table against a model: an array indexed by a small number from which each key is made.
 * Batches of random upserts, finds and removals; the values count the upserts of a key.
 * One million steps, a tenth of it under a sanitizer. */
#include "engine/state/keyed_table.h"
#include "tests/unit/engine_state/fixture.h"
#include "tests/unit/seeds.h"

#include <math.h>

#if UNDER_SANITIZER
#define STEPS 100000u
#else
#define STEPS 1000000u
#endif

enum { UNIVERSE = 20000, RANDOM_SCHEMAS = 100 };

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

/* ---- keys of random columns ---------------------------------------------------------------------- */

enum { COLUMNS_MAX = 10, NULL_ONE_IN = 5 };

static struct {
    const char *name;
    uint32_t n; /* values that a column of it takes; 0: any number */
} const kinds[] = {
    {"BOOLEAN", 2},        {"TINYINT", 100},    {"SMALLINT", 1000},  {"INT", 0},
    {"BIGINT", 0},         {"FLOAT", 1000},     {"DOUBLE", 0},       {"DECIMAL(12, 2)", 0},
    {"DECIMAL(30, 0)", 0}, {"TIMESTAMP(9)", 0}, {"TIMESTAMP(3)", 0}, {"STRING", 0},
    {"CHAR(20)", 0},       {"DATE", 10000},
};

/* The columns of a run: the numbers of the keys are spread over them. */
static struct {
    uint32_t n, kinds[COLUMNS_MAX];
    bool nullable[COLUMNS_MAX];
    struct rng noise; /* for values that are equal and look otherwise */
} columns;

static void put_text_of(struct builder *b, uint32_t column, uint32_t v, bool is_char)
{
    char text[80];
    const char *pad = is_char && rng_below(&columns.noise, 2) == 0 ? "   " : "";
    snprintf(text, sizeof(text), v % 2 == 0 ? "%u%s" : "text %u in heap%s", v, pad);
    put_text(b, column, text);
}

static void put_double_of(struct builder *b, uint32_t column, uint32_t v)
{
    bool other = rng_below(&columns.noise, 2) == 0;
    double zero = other ? -0.0 : 0.0, nan = other ? -(double)NAN : (double)NAN;
    builder_put_f64(b, column, v == 0 ? zero : v == 1 ? nan : v * 0.5);
}

static void put_value(struct builder *b, uint32_t column, uint32_t v)
{
    const struct data_type *type = b->schema->fields[column].type;
    switch (type->layout) {
    case LAYOUT_BIT:
        builder_put_bool(b, column, v != 0);
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        put_double_of(b, column, v);
        break;
    case LAYOUT_I128:
        builder_put_i128(b, column, (__int128)v << 60);
        break;
    case LAYOUT_TS_NANO:
        builder_put_ts_nano(b, column,
                            (struct ts_nano){.millis = v / 7, .nanos = (int32_t)(v % 7)});
        break;
    case LAYOUT_VIEW:
        put_text_of(b, column, v, type->id == TYPE_CHAR);
        break;
    default:
        builder_put_i64(b, column, -(int64_t)v);
    }
}

static void put_random(struct builder *b, uint32_t id)
{
    for (uint32_t k = 0; k < columns.n; k++) {
        uint32_t n = kinds[columns.kinds[k]].n, v = n > 0 ? id % n : id;
        bool last = k + 1 == columns.n;
        if (columns.nullable[k] && !last && id % NULL_ONE_IN == 0) {
            builder_put_null(b, k); /* the rest of the number says more */
        } else {
            put_value(b, k, last ? id : v);
        }
    }
}

/* Columns at random, the last one of a type that takes any number. */
static const char *random_schema(struct rng *rng)
{
    static char text[1024];
    size_t at = (size_t)snprintf(text, sizeof(text), "ROW<");
    columns.n = 2 + (uint32_t)rng_below(rng, rng_below(rng, 5) == 0 ? 8 : 3);
    for (uint32_t k = 0; k < columns.n; k++) {
        do {
            columns.kinds[k] = (uint32_t)rng_below(rng, ARRAY_LEN(kinds));
        } while (k + 1 == columns.n && kinds[columns.kinds[k]].n > 0);
        columns.nullable[k] = rng_below(rng, 3) == 0;
        at +=
            (size_t)snprintf(text + at, sizeof(text) - at, "%sc%u %s%s", k > 0 ? ", " : "", k,
                             kinds[columns.kinds[k]].name, columns.nullable[k] ? "" : " NOT NULL");
    }
    snprintf(text + at, sizeof(text) - at, ">");
    rng_init(&columns.noise, 1);
    return text;
}

struct run {
    const struct model *model;
    struct keyed_table table;
    struct builder builder;
    struct rng rng;
    uint32_t counts[UNIVERSE]; /* upserts since the key was added; 0: not there */
    uint32_t n_live;
    uint64_t grows; /* batches that met a table in the middle of its growth */
    uint32_t ids[BATCH_ROWS_MAX];
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static const uint32_t key_columns[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static struct batch *random_batch(struct run *r, uint32_t universe)
{
    uint32_t n = 1 + (uint32_t)rng_below(&r->rng, rng_below(&r->rng, 4) == 0 ? 3000 : 300);
    for (uint32_t i = 0; i < n; i++) {
        r->ids[i] = (uint32_t)rng_below(&r->rng, universe);
        r->model->put(&r->builder, r->ids[i]);
        builder_end_row(&r->builder);
    }
    struct batch *b = builder_finish(&r->builder);
    batch_hash_keys(r->builder.pool, b, key_columns, r->builder.schema->n_fields);
    return b;
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

/* Keys that are not there, each once. */
static void step_add(struct run *r, uint32_t universe)
{
    uint32_t from = (uint32_t)rng_below(&r->rng, universe), n = 0;
    for (uint32_t id = from; id < MIN(from + 1000, universe); id++) {
        if (r->counts[id] == 0) {
            r->ids[n++] = id;
            r->model->put(&r->builder, id);
            builder_end_row(&r->builder);
        }
    }
    if (n == 0) {
        return;
    }
    struct batch *b = builder_finish(&r->builder);
    batch_hash_keys(r->builder.pool, b, key_columns, r->builder.schema->n_fields);
    assert_ok(keyed_table_add(&r->table, b, key_columns, r->slots, &err));
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(*count_at(r, r->slots[i]), 0);
        *count_at(r, r->slots[i]) = r->counts[r->ids[i]] = 1;
    }
    r->n_live += n;
    batch_unref(b);
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

/* Keys that are read are found where they were, under the hash they came with. */
static void check_keys(struct run *r)
{
    uint32_t slots[100], found[100], n = 0;
    struct batch *keys = NULL;
    for (uint32_t s = keyed_table_next(&r->table, 0); s != KEYED_SLOT_NONE && n < ARRAY_LEN(slots);
         s = keyed_table_next(&r->table, s + 1)) {
        slots[n++] = s;
    }
    if (n == 0) {
        return;
    }
    assert_ok(keyed_table_read_keys(&r->table, r->builder.pool, slots, n, &keys, &err));
    batch_hash_keys(r->builder.pool, keys, key_columns, r->builder.schema->n_fields);
    assert_ok(keyed_table_find(&r->table, keys, key_columns, found, &err));
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(found[i], slots[i]);
        assert_int_equal(keyed_table_hash(&r->table, slots[i]),
                         ((const uint64_t *)(const void *)keys->hashes->data)[i]);
    }
    batch_unref(keys);
}

static uint64_t batches_while_growing; /* of all runs: in a short one there may be none */

static void run_seed(struct buffer_pool *pool, const struct model *model, uint64_t seed,
                     uint32_t n_steps, uint32_t mapped_from)
{
    struct run *r = MEM_NEW(struct run);
    struct schema *schema = parse_schema(model->schema_text);
    r->model = model;
    rng_init(&r->rng, seed);
    builder_init(&r->builder, pool, schema, BATCH_ROWS_MAX);
    assert_ok(keyed_table_init(&r->table,
                               &(struct keyed_table_options){.key_schema = schema,
                                                             .value_bytes = 8,
                                                             .seed = seed,
                                                             .mapped_from = mapped_from,
                                                             .grows_in_pieces = mapped_from > 0},
                               &err));
    for (uint32_t steps = 0, round = 0; steps < n_steps; round++) {
        uint32_t universe = round % 5 == 0 ? UNIVERSE : 2000;
        struct batch *b = random_batch(r, universe);
        steps += b->n_sel;
        r->grows += r->table.moving.n_slots > 0;
        uint64_t what = rng_below(&r->rng, 10);
        if (what < 6) {
            step_upsert(r, b);
        } else {
            step_find(r, b, what < 9);
        }
        batch_unref(b);
        if (round % 7 == 0) {
            step_add(r, universe);
        }
        if (round % 20 == 0) {
            check_iteration(r);
            check_keys(r);
        }
        if (rng_below(&r->rng, 100) == 0) {
            keyed_table_clear(&r->table);
            memset(r->counts, 0, sizeof(r->counts));
            r->n_live = 0;
        }
    }
    check_iteration(r);
    assert_true(r->grows == 0 || mapped_from == 1);
    batches_while_growing += r->grows;
    keyed_table_fini(&r->table);
    builder_fini(&r->builder);
    schema_unref(schema);
    mem_free(r);
}

static void run_model(struct buffer_pool *pool, const struct model *model)
{
    const struct seeds seeds = seeds_from(model->seed, 1);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_seed(pool, model, seed, STEPS, 0);
        run_seed(pool, model, seed, STEPS, 1);
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

static void keys_of_random_columns(void **state)
{
    struct rng rng;
    rng_init(&rng, 4);
    for (uint64_t i = 0; i < RANDOM_SCHEMAS; i++) {
        const struct model model = {random_schema(&rng), put_random, 4 + i};
        run_seed(*state, &model, model.seed, STEPS / RANDOM_SCHEMAS, i % 2 == 0 ? 0 : 1);
    }
}

static void tables_were_growing(void **state)
{
    (void)state;
    assert_true(batches_while_growing > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fixed_keys, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(string_keys, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(keys_of_two_columns, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(keys_of_random_columns, pool_setup, pool_teardown),
        cmocka_unit_test(tables_were_growing), /* the last one */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
