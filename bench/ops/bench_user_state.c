/* State of user functions, row by row: values, maps and lists of a key that is set for each row of a batch,
 * per CPU second of one thread.  Keys are uniform; the states are filled before they are measured. */
#include "bench/report.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"
#include "engine/state/user/list_state.h"
#include "engine/state/user/map_state.h"
#include "engine/state/user/value_state.h"

#include <stdlib.h>

enum { ROWS = BATCH_ROWS_TARGET, RING = 256, ROUNDS = 3, MAP_KEYS = 16, LIST_MAX = 8 };

struct side {
    struct buffer_pool *pool;
    struct schema *keys, *number;
    struct record_layout record;
    struct keyed_backend *backend;
    struct key_cursor cursor;
    struct value_state *value;
    struct map_state *map;
    struct list_state *list;
    struct batch *ring[RING];
    uint64_t random;
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const uint32_t key_columns[] = {0};

static struct batch *keys_new(struct side *s, uint32_t n_keys, bool strings)
{
    struct builder b;
    builder_init(&b, s->pool, s->keys, ROWS);
    for (int i = 0; i < ROWS; i++) {
        int64_t key = (int64_t)(random_next(&s->random) % n_keys);
        if (strings) {
            char text[32];
            int len = snprintf(text, sizeof(text), "user-%lld", (long long)key);
            bench_check(builder_put_bytes(&b, 0, text, (size_t)len, NULL), NULL);
        } else {
            builder_put_i64(&b, 0, key);
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    batch_hash_keys(s->pool, batch, key_columns, 1);
    return batch;
}

static void open_side(struct side *s, uint32_t n_keys, bool strings)
{
    struct error err = ERROR_INIT;
    *s = (struct side){.random = 88172645463325252};
    s->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(s->pool);
    const char *keys = strings ? "ROW<k STRING NOT NULL>" : "ROW<k BIGINT NOT NULL>";
    bench_check(schema_parse(slice_cstr(keys), &s->keys, &err), &err);
    bench_check(schema_parse(slice_cstr("ROW<n BIGINT NOT NULL>"), &s->number, &err), &err);
    bench_check(record_layout_init(&s->record, s->number, &err), &err);
    struct keyed_backend_options options = {
        .operator_name = "bench", .pool = s->pool, .max_parallelism = 128, .last_group = 127};
    bench_check(keyed_backend_new("hashmap", &options, &s->backend, &err), &err);
    key_cursor_init(&s->cursor, s->backend, s->keys, &clock_system);
    struct value_state_desc value = {.name = "value", .kind = "value", .record = &s->record};
    struct map_state_desc map = {.name = "map", .key = &s->record, .record = &s->record};
    struct list_state_desc list = {.name = "list", .record = &s->record};
    bench_check(value_state_open(&s->cursor, &value, &s->value, &err), &err);
    bench_check(map_state_open(&s->cursor, &map, &s->map, &err), &err);
    bench_check(list_state_open(&s->cursor, &list, &s->list, &err), &err);
    for (int i = 0; i < RING; i++) {
        s->ring[i] = keys_new(s, n_keys, strings);
    }
}

static void close_side(struct side *s)
{
    for (int i = 0; i < RING; i++) {
        batch_unref(s->ring[i]);
    }
    key_cursor_fini(&s->cursor);
    keyed_backend_free(s->backend);
    record_layout_fini(&s->record);
    schema_unref(s->number);
    schema_unref(s->keys);
    buffer_pool_close(s->pool);
}

/* ---- what a function does with a row ------------------------------------------------------------ */

static int count(struct side *s, struct error *err)
{
    const char *old;
    int64_t n = 0;
    TRY(value_state_get(s->value, &old, err));
    if (old != NULL) {
        memcpy(&n, old, sizeof(n));
    }
    n++;
    return value_state_set(s->value, (const char *)&n, err);
}

static int count_in_map(struct side *s, struct error *err)
{
    const char *old;
    int64_t key = (int64_t)(random_next(&s->random) % MAP_KEYS), n = 0;
    TRY(map_state_get(s->map, (const char *)&key, &old, err));
    if (old != NULL) {
        memcpy(&n, old, sizeof(n));
    }
    n++;
    return map_state_put(s->map, (const char *)&key, (const char *)&n, err);
}

/* Adds; a full list is read and cleared. */
static int collect(struct side *s, struct error *err)
{
    int64_t one = 1, n = 0;
    TRY(list_state_add(s->list, (const char *)&one, err));
    if (random_next(&s->random) % LIST_MAX != 0) {
        return 0;
    }
    const char *element;
    TRY(list_state_begin(s->list, err));
    for (;;) {
        TRY(list_state_next(s->list, &element, err));
        if (element == NULL) {
            break;
        }
        n++;
    }
    return list_state_clear(s->list, err);
}

static double rate(uint32_t n_keys, bool strings, int (*process)(struct side *s, struct error *err))
{
    struct error err = ERROR_INIT;
    struct side s;
    open_side(&s, n_keys, strings);
    double start = 0;
    for (int round = 0; round < ROUNDS; round++) {
        start = round == 1 ? bench_cpu_seconds() : start;
        for (int i = 0; i < RING; i++) {
            key_cursor_begin(&s.cursor, s.ring[i], key_columns);
            for (uint32_t row = 0; row < ROWS; row++) {
                s.cursor.row = row;
                bench_check(process(&s, &err), &err);
            }
            key_cursor_end(&s.cursor);
        }
    }
    double seconds = bench_cpu_seconds() - start;
    close_side(&s);
    return (double)(ROUNDS - 1) * RING * ROWS / seconds * 1e-6;
}

int main(void)
{
    static struct bench_report report;
    static const struct {
        const char *name;
        uint32_t n_keys;
        bool strings;
        int (*process)(struct side *s, struct error *err);
    } rows[] = {
        {"user state: value, 100,000 keys", 100000, false, count},
        {"user state: map of 16, 100,000 keys", 100000, false, count_in_map},
        {"user state: map of 16, 100,000 string keys", 100000, true, count_in_map},
        {"user state: list of 8, 100,000 keys", 100000, false, collect},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bench_report_add(&report, rows[i].name,
                         rate(rows[i].n_keys, rows[i].strings, rows[i].process), "M rows/s", 0, 0,
                         BENCH_MORE_IS_BETTER);
    }
    bench_report_print(&report);
    return 0;
}
