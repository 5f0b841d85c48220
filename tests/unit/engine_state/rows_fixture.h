/* What the tests of row lists and sorted maps share: a backend, rows (key, id, text), batches of keys. */
#ifndef FLINC_TESTS_ENGINE_STATE_ROWS_FIXTURE_H
#define FLINC_TESTS_ENGINE_STATE_ROWS_FIXTURE_H

#include "engine/state/rows.h"
#include "tests/unit/engine_state/snapshot_fixture.h"
#include "tests/unit/seeds.h"

#include "flinc/base.h"

static const uint32_t rows_key_columns[] = {0};

struct rows_fixture {
    struct buffer_pool *pool;
    struct mem_budget budget;
    struct keyed_backend *backend;
    struct schema *keys, *schema;
    struct record_layout layout;
    struct builder builder, key_builder;
    struct rng rng;
    struct fixture_disk disk;
};

/* A backend with some of the groups of a snapshot, if there is one. */
static inline void rows_fixture_backend(struct rows_fixture *f, uint32_t first, uint32_t last,
                                        Flinc__KeyedHandle *handle)
{
    assert_ok(
        keyed_backend_new(fixture_backend,
                          &(struct keyed_backend_options){.operator_name = "Test",
                                                          .pool = f->pool,
                                                          .budget = &f->budget,
                                                          .max_parallelism = 128,
                                                          .first_group = first,
                                                          .last_group = last,
                                                          .disk = fixture_disk_init(&f->disk, 0)},
                          &f->backend, &err));
    if (handle != NULL) {
        assert_ok(restore(f->backend, &handle, 1, &err));
    }
}

static inline void rows_fixture_open(struct rows_fixture *f, struct buffer_pool *pool,
                                     uint64_t limit_bytes)
{
    memset(f, 0, sizeof(*f));
    f->pool = pool;
    mem_budget_init(&f->budget, "managed", limit_bytes, NULL);
    rows_fixture_backend(f, 0, 127, NULL);
    f->keys = parse_schema("ROW<k BIGINT>");
    f->schema = parse_schema("ROW<k BIGINT, id BIGINT NOT NULL, text STRING>");
    assert_ok(record_layout_init(&f->layout, f->schema, &err));
    builder_init(&f->builder, pool, f->schema, BATCH_ROWS_MAX);
    builder_init(&f->key_builder, pool, f->keys, BATCH_ROWS_MAX);
}

/* The state as it is, and no backend any more. */
static inline Flinc__KeyedHandle rows_fixture_snapshot(struct rows_fixture *f)
{
    Flinc__KeyedHandle h = FLINC__KEYED_HANDLE__INIT;
    finish_snapshot(freeze(f->backend, 1, FULL, UINT64_MAX), &h);
    f->backend = keyed_backend_free(f->backend);
    return h;
}

static inline uint32_t group_of_key(int64_t key)
{
    return (uint32_t)(key == 0 ? KEY_HASH_NULL : key_hash_i64(key)) % 128;
}

static inline void rows_fixture_close(struct rows_fixture *f)
{
    keyed_backend_free(f->backend);
    assert_int_equal(atomic_load(&f->budget.used_bytes), 0);
    record_layout_fini(&f->layout);
    builder_fini(&f->builder);
    builder_fini(&f->key_builder);
    schema_unref(f->keys);
    schema_unref(f->schema);
}

/* Key 0 stands for NULL. */
static inline void put_key(struct builder *b, int64_t key)
{
    if (key == 0) {
        builder_put_null(b, 0);
    } else {
        builder_put_i64(b, 0, key);
    }
}

static inline void row_text(int64_t id, char ret_text[64])
{
    snprintf(ret_text, 64, id % 3 == 0 ? "a text that is kept in the heap %lld" : "%lld",
             (long long)id);
}

static inline void put_row(struct rows_fixture *f, int64_t key, int64_t id)
{
    char text[64];
    row_text(id, text);
    put_key(&f->builder, key);
    builder_put_i64(&f->builder, 1, id);
    put_text(&f->builder, 2, id % 7 == 0 ? NULL : text);
    builder_set_timestamp(&f->builder, id * 10);
    builder_end_row(&f->builder);
}

static inline struct state_keys hashed(struct builder *b, int64_t name_space)
{
    return (struct state_keys){
        .name_space = name_space, .batch = finish_hashed(b, 1), .key_columns = rows_key_columns};
}

static inline void add_key(struct rows_fixture *f, int64_t key)
{
    put_key(&f->key_builder, key);
    builder_end_row(&f->key_builder);
}

static inline struct state_keys one_key(struct rows_fixture *f, int64_t name_space, int64_t key)
{
    add_key(f, key);
    return hashed(&f->key_builder, name_space);
}

/* Row i of a block is the row of this key and id, timestamp included. */
static inline void check_row(const struct rows_fixture *f, const struct state_rows *rows,
                             uint32_t i, int64_t key, int64_t id)
{
    const char *record = rows->records[i];
    const struct record_field *k = record_layout_find(&f->layout, 0);
    const struct record_field *t = record_layout_find(&f->layout, 2);
    int64_t found_key, found_id;
    flinc_string found;
    char text[64];
    memcpy(&found_key, record + k->offset, 8);
    memcpy(&found_id, record + record_layout_find(&f->layout, 1)->offset, 8);
    memcpy(&found, record + t->offset, sizeof(found));
    assert_int_equal(found_id, id);
    assert_int_equal(record[k->null_offset], key == 0);
    if (key != 0) {
        assert_int_equal(found_key, key);
    }
    assert_int_equal(rows->timestamps[i], id * 10);
    assert_int_equal(record[t->null_offset], id % 7 == 0);
    if (id % 7 != 0) {
        row_text(id, text);
        assert_int_equal(found.len, strlen(text));
        assert_memory_equal(found.data, text, found.len);
    }
}

#endif
