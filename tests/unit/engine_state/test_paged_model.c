/* State of the rocksdb backend whose cache is far smaller than it, against an array: random batches of upserts,
 * finds and removals with the checkpoints' writing in between.  The values count the upserts of a key. */
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/snapshot_fixture.h"
#include "tests/unit/seeds.h"

#if UNDER_SANITIZER
#define ROUNDS 100
#else
#define ROUNDS 500
#endif

enum { UNIVERSE = 60000, GROUPS = 8 };

struct model {
    const char *keys, *values;
    void (*put)(struct builder *b, uint32_t id);
    uint32_t columns[2];
};

static void put_number(struct builder *b, uint32_t id)
{
    if (id == 0) {
        builder_put_null(b, 0);
    } else {
        builder_put_i64(b, 0, (int64_t)id * 1000003 * (id % 2 == 0 ? 1 : -1));
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
    snprintf(text, sizeof(text), id % 5 == 0 ? "a text of some length, %u" : "%u", id / 7);
    builder_put_i64(b, 0, id % 7);
    put_text(b, 1, text);
}

static void put_words(struct builder *b, uint32_t id)
{
    builder_put_i64(b, 0, id % 97);
    if (id / 97 == 0) {
        builder_put_null(b, 1);
    } else {
        builder_put_i64(b, 1, id / 97);
    }
}

static const struct model models[] = {
    {"ROW<k BIGINT>", "ROW<n BIGINT NOT NULL>", put_number, {0, 1}},
    {"ROW<k STRING>", "ROW<n BIGINT NOT NULL, s STRING>", put_string, {0, 1}},
    {"ROW<a BIGINT NOT NULL, b STRING NOT NULL>",
     "ROW<s STRING, n BIGINT NOT NULL>",
     put_pair,
     {0, 1}},
    {"ROW<a INT NOT NULL, b BIGINT>", "ROW<n BIGINT NOT NULL, s STRING>", put_words, {0, 1}},
};

struct run {
    const struct model *model;
    struct rocks_shared *shared;
    struct executor *executor;
    struct keyed_disk disk;
    char directory[300];
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct record_layout layout;
    struct builder builder;
    struct rng rng;
    uint32_t counts[UNIVERSE];
    uint32_t ids[BATCH_ROWS_MAX], slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    char *record;
    uint32_t hot; /* ids from here on are asked for often */
};

/* ---- records ---------------------------------------------------------------------------------------- */

static void text_of(uint32_t id, uint32_t count, char *ret_text, size_t size)
{
    snprintf(ret_text, size, count % 2 == 0 ? "%u times %u" : "the key %u was there for %u times",
             id, count);
}

/* Column of the number and of the text; -1: there is none. */
static int column_of(const struct run *r, enum type_layout layout)
{
    for (uint32_t i = 0; i < r->layout.n_fields; i++) {
        if (r->layout.fields[i].layout == layout) {
            return (int)i;
        }
    }
    return -1;
}

static int64_t number_at(const struct run *r, const char *record)
{
    int64_t n;
    memcpy(&n, record + r->layout.fields[column_of(r, LAYOUT_I64)].offset, sizeof(n));
    return n;
}

static void check_record(const struct run *r, const char *record, uint32_t id)
{
    char text[64];
    int column = column_of(r, LAYOUT_VIEW);
    assert_int_equal(number_at(r, record), r->counts[id]);
    if (column >= 0 && r->counts[id] > 0) {
        flinc_string s;
        text_of(id, r->counts[id], text, sizeof(text));
        memcpy(&s, record + r->layout.fields[column].offset, sizeof(s));
        assert_int_equal(s.len, strlen(text));
        assert_memory_equal(s.data, text, s.len);
    }
}

static void keep_record(struct run *r, uint32_t slot, uint32_t id)
{
    char text[64];
    int column = column_of(r, LAYOUT_VIEW);
    int64_t n = r->counts[id];
    memset(r->record, 0, r->layout.size);
    memcpy(r->record + r->layout.fields[column_of(r, LAYOUT_I64)].offset, &n, sizeof(n));
    if (column >= 0) {
        text_of(id, r->counts[id], text, sizeof(text));
        flinc_string s = {.data = text, .len = (uint32_t)strlen(text)};
        memcpy(r->record + r->layout.fields[column].offset, &s, sizeof(s));
    }
    assert_ok(keyed_state_keep(r->state, slot, r->record, &err));
}

/* ---- steps ------------------------------------------------------------------------------------------ */

static struct batch *random_batch(struct run *r)
{
    uint32_t n = 1 + (uint32_t)rng_below(&r->rng, rng_below(&r->rng, 3) == 0 ? 4000 : 300);
    r->hot = rng_below(&r->rng, 50) == 0 ? (uint32_t)rng_below(&r->rng, UNIVERSE) : r->hot;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)rng_below(&r->rng, rng_below(&r->rng, 2) == 0 ? UNIVERSE : 500);
        r->ids[i] = (id + r->hot) % UNIVERSE;
        r->model->put(&r->builder, r->ids[i]);
        builder_end_row(&r->builder);
    }
    struct batch *b = builder_finish(&r->builder);
    batch_hash_keys(r->builder.pool, b, r->model->columns, r->builder.schema->n_fields);
    return b;
}

static void step_upsert(struct run *r, const struct batch *b)
{
    assert_ok(keyed_state_upsert(r->state, NAMESPACE_VOID, b, r->model->columns, r->slots,
                                 r->is_new, &err));
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t id = r->ids[i];
        assert_int_equal(r->is_new[i], r->counts[id] == 0);
        check_record(r, keyed_state_value(r->state, r->slots[i]), id);
        r->counts[id]++;
        keep_record(r, r->slots[i], id);
    }
}

enum find_use { FIND_LOOK, FIND_CHANGE, FIND_REMOVE };
static void step_find(struct run *r, const struct batch *b, enum find_use use)
{
    assert_ok(keyed_state_find(r->state, NAMESPACE_VOID, b, r->model->columns, r->slots, &err));
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t id = r->ids[i];
        if (use != FIND_REMOVE) {
            assert_int_equal(r->slots[i] == KEYED_SLOT_NONE, r->counts[id] == 0);
        }
        if (r->counts[id] == 0) {
            continue;
        }
        check_record(r, keyed_state_value(r->state, r->slots[i]), id);
        if (use == FIND_CHANGE && i % 3 == 0) {
            r->counts[id]++;
            keep_record(r, r->slots[i], id);
        } else if (use == FIND_REMOVE && i % 2 == 0) {
            keyed_state_remove(r->state, r->slots[i]);
            r->counts[id] = 0;
        }
    }
}

static void step_checkpoint(struct run *r)
{
    struct paged_store *s = r->backend->paged;
    uint32_t n = (uint32_t)rng_below(&r->rng, 5);
    if (!s->is_frozen) {
        paged_store_freeze(s, PAGED_NO_FILES, NULL);
    }
    for (uint32_t i = 0; i < n && s->is_frozen; i++) {
        assert_ok(paged_store_step(s, 1 + (uint32_t)rng_below(&r->rng, 3000), &err));
    }
    if (s->is_frozen && rng_below(&r->rng, 20) == 0) {
        paged_store_thaw(s);
    }
}

/* ---- runs ------------------------------------------------------------------------------------------- */

static void open_run(struct run *r, struct buffer_pool *pool, uint64_t seed)
{
    struct schema *keys = parse_schema(r->model->keys), *values = parse_schema(r->model->values);
    snprintf(r->directory, sizeof(r->directory), "%s/db", fixture_dir);
    assert_ok(rocks_shared_new(&(struct rocks_shared_options){.n_threads = 2}, &r->shared, &err));
    if (seed % 2 == 0) {
        assert_ok(executor_new(&(struct executor_options){.name = "disk", .n_threads = 1},
                               &r->executor, &err));
    }
    r->disk = (struct keyed_disk){
        .shared = r->shared, .directory = r->directory, .executor = r->executor, .cache_bytes = 1};
    assert_ok(keyed_backend_new("rocksdb",
                                &(struct keyed_backend_options){.operator_name = "Count",
                                                                .pool = pool,
                                                                .max_parallelism = GROUPS,
                                                                .last_group = GROUPS - 1,
                                                                .tables_mapped_from = 1 << 16,
                                                                .disk = &r->disk},
                                &r->backend, &err));
    assert_ok(record_layout_init(&r->layout, values, &err));
    r->record = mem_zalloc(r->layout.size);
    assert_ok(keyed_backend_state(
        r->backend,
        &(struct keyed_state_desc){
            .name = "count", .key_schema = keys, .record = &r->layout, .grows_in_pieces = true},
        &r->state, &err));
    builder_init(&r->builder, pool, keys, BATCH_ROWS_MAX);
    schema_unref(keys);
    schema_unref(values);
}

static void close_run(struct run *r)
{
    keyed_backend_free(r->backend);
    executor_free(r->executor);
    rocks_shared_unref(r->shared);
    record_layout_fini(&r->layout);
    builder_fini(&r->builder);
    mem_free(r->record);
    mem_free(r);
}

static void run_seed(struct buffer_pool *pool, const struct model *model, uint64_t seed)
{
    struct run *r = MEM_NEW(struct run);
    r->model = model;
    rng_init(&r->rng, seed);
    open_run(r, pool, seed);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct batch *b = random_batch(r);
        uint64_t what = rng_below(&r->rng, 10);
        if (what < 6) {
            step_upsert(r, b);
        } else {
            step_find(r, b, what == 6 ? FIND_LOOK : what == 7 ? FIND_CHANGE : FIND_REMOVE);
        }
        batch_unref(b);
        if (rng_below(&r->rng, 10) == 0) {
            step_checkpoint(r);
        }
    }
    const struct paged_store *s = r->backend->paged;
    assert_true(s->n_evicted > ROUNDS && s->n_found > ROUNDS && s->n_pieces > 0);
    print_message("%llu misses, %llu found, %llu evicted, %llu written in %llu pieces\n",
                  (unsigned long long)s->n_misses, (unsigned long long)s->n_found,
                  (unsigned long long)s->n_evicted, (unsigned long long)s->n_written,
                  (unsigned long long)s->n_pieces);
    close_run(r);
}

static void the_cache_and_the_store_are_one_state(void **state)
{
    const struct seeds seeds = seeds_from(1, 1);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        for (size_t i = 0; i < ARRAY_LEN(models); i++) {
            run_seed(*state, &models[i], seed + i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(the_cache_and_the_store_are_one_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
