/* What the tests of user state share: a backend with a cursor, states of every kind, records of values and
 * of map keys that are made from a number. */
#ifndef FLINC_TESTS_ENGINE_STATE_USER_FIXTURE_H
#define FLINC_TESTS_ENGINE_STATE_USER_FIXTURE_H

#include "engine/state/user/list_state.h"
#include "engine/state/user/map_state.h"
#include "engine/state/user/value_state.h"
#include "flinc/base.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

static const uint32_t user_key_columns[] = {0};

struct user_fixture {
    struct buffer_pool *pool;
    struct schema *keys, *values, *map_keys;
    struct record_layout value, map_key;
    struct clock_manual clock;
    struct state_ttl ttl;
    struct builder builder;
};

/* A subtask: some key groups, and the states of a function. */
struct user_side {
    struct mem_budget budget;
    struct fixture_disk disk;
    struct keyed_backend *backend;
    struct key_cursor cursor;
    struct value_state *value;
    struct list_state *list;
    struct map_state *map;
};

static inline void user_fixture_init(struct user_fixture *f, struct buffer_pool *pool)
{
    memset(f, 0, sizeof(*f));
    f->pool = pool;
    f->keys = parse_schema("ROW<k BIGINT>");
    f->values = parse_schema("ROW<id BIGINT NOT NULL, text STRING>");
    f->map_keys = parse_schema("ROW<a BIGINT, s STRING NOT NULL>");
    assert_ok(record_layout_init(&f->value, f->values, &err));
    assert_ok(record_layout_init(&f->map_key, f->map_keys, &err));
    clock_manual_init(&f->clock);
    builder_init(&f->builder, pool, f->keys, BATCH_ROWS_MAX);
}

static inline void user_fixture_fini(struct user_fixture *f)
{
    record_layout_fini(&f->value);
    record_layout_fini(&f->map_key);
    builder_fini(&f->builder);
    schema_unref(f->keys);
    schema_unref(f->values);
    schema_unref(f->map_keys);
}

/* With the groups [first, last] of the handles, if any. */
static inline void user_side_open(struct user_fixture *f, struct user_side *s, uint32_t first,
                                  uint32_t last, Flinc__KeyedHandle **handles, size_t n_handles)
{
    static uint32_t number; /* several are open at a time */
    memset(s, 0, sizeof(*s));
    mem_budget_init(&s->budget, "managed", 0, NULL);
    assert_ok(keyed_backend_new(
        fixture_backend,
        &(struct keyed_backend_options){.operator_name = "Test",
                                        .pool = f->pool,
                                        .budget = &s->budget,
                                        .max_parallelism = 128,
                                        .first_group = first,
                                        .last_group = last,
                                        .disk = fixture_disk_init(&s->disk, number++)},
        &s->backend, &err));
    if (n_handles > 0) {
        assert_ok(restore(s->backend, handles, n_handles, &err));
    }
    key_cursor_init(&s->cursor, s->backend, f->keys, &f->clock.base);
    assert_ok(
        value_state_open(&s->cursor,
                         &(struct value_state_desc){
                             .name = "value", .kind = "value", .record = &f->value, .ttl = f->ttl},
                         &s->value, &err));
    assert_ok(list_state_open(
        &s->cursor, &(struct list_state_desc){.name = "list", .record = &f->value, .ttl = f->ttl},
        &s->list, &err));
    assert_ok(
        map_state_open(&s->cursor,
                       &(struct map_state_desc){
                           .name = "map", .key = &f->map_key, .record = &f->value, .ttl = f->ttl},
                       &s->map, &err));
}

static inline void user_side_close(struct user_side *s)
{
    key_cursor_fini(&s->cursor);
    keyed_backend_free(s->backend);
    assert_int_equal(atomic_load(&s->budget.used_bytes), 0);
}

/* ---- keys -------------------------------------------------------------------------------------- */

static inline uint64_t user_key_hash(int64_t key)
{
    return key == 0 ? KEY_HASH_NULL : key_hash_i64(key);
}

/* Key 0 stands for NULL. */
static inline void user_put_key(struct user_fixture *f, int64_t key)
{
    if (key == 0) {
        builder_put_null(&f->builder, 0);
    } else {
        builder_put_i64(&f->builder, 0, key);
    }
    builder_end_row(&f->builder);
}

/* The batch of the keys put so far is at hand. */
static inline void user_begin(struct user_fixture *f, struct user_side *s)
{
    struct batch *b = finish_hashed(&f->builder, 1);
    key_cursor_begin(&s->cursor, b, user_key_columns);
    batch_unref(b);
}

static inline void user_begin_key(struct user_fixture *f, struct user_side *s, int64_t key)
{
    user_put_key(f, key);
    user_begin(f, s);
}

/* ---- records ----------------------------------------------------------------------------------- */

struct user_record {
    char bytes[64] __attribute__((aligned(8)));
    char text[64];
};

static inline void user_text(int64_t id, char ret_text[64])
{
    snprintf(ret_text, 64, id % 3 == 0 ? "a text that is kept in the heap %lld" : "%lld",
             (long long)id);
}

static inline void user_put_string(struct user_record *r, const struct record_field *f, int64_t id)
{
    user_text(id, r->text);
    flinc_string s = FLINC_STR(r->text);
    memcpy(r->bytes + f->offset, &s, sizeof(s));
}

static inline const char *user_value(const struct user_fixture *f, struct user_record *r,
                                     int64_t id)
{
    const struct record_field *t = record_layout_find(&f->value, 1);
    memset(r, 0, sizeof(*r));
    memcpy(r->bytes + record_layout_find(&f->value, 0)->offset, &id, sizeof(id));
    user_put_string(r, t, id);
    r->bytes[t->null_offset] = id % 7 == 0;
    return r->bytes;
}

static inline const char *user_map_key(const struct user_fixture *f, struct user_record *r,
                                       int64_t m)
{
    const struct record_field *a = record_layout_find(&f->map_key, 0);
    memset(r, 0, sizeof(*r));
    memcpy(r->bytes + a->offset, &m, sizeof(m));
    r->bytes[a->null_offset] = m % 5 == 0;
    user_put_string(r, record_layout_find(&f->map_key, 1), m);
    return r->bytes;
}

static inline bool user_string_is(const char *record, const struct record_field *f, int64_t id)
{
    char text[64];
    flinc_string s;
    user_text(id, text);
    memcpy(&s, record + f->offset, sizeof(s));
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* The number that a value was made from, after a check of the rest. */
static inline int64_t user_value_id(const struct user_fixture *f, const char *record)
{
    const struct record_field *t = record_layout_find(&f->value, 1);
    int64_t id;
    memcpy(&id, record + record_layout_find(&f->value, 0)->offset, sizeof(id));
    assert_int_equal(record[t->null_offset], id % 7 == 0);
    assert_true(id % 7 == 0 || user_string_is(record, t, id));
    return id;
}

static inline int64_t user_map_key_id(const struct user_fixture *f, const char *record, int64_t max)
{
    for (int64_t m = 0; m < max; m++) {
        if (user_string_is(record, record_layout_find(&f->map_key, 1), m)) {
            const struct record_field *a = record_layout_find(&f->map_key, 0);
            int64_t found;
            memcpy(&found, record + a->offset, sizeof(found));
            assert_int_equal(record[a->null_offset], m % 5 == 0);
            assert_true(m % 5 == 0 || found == m);
            return m;
        }
    }
    fail_msg("a map key that was never put");
    return -1;
}

#endif
