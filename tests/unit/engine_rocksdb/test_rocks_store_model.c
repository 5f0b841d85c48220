/* Random runs, snapshots and changes of the division of key groups, against a table of numbers. */
#include "common/base/clock.h"
#include "tests/unit/engine_rocksdb/fixture.h"
#include "tests/unit/seeds.h"

enum {
    GROUPS = 8,
    KEYS = 40, /* per group */
    PARTS_MAX = 3,
};

/* What must be there: value + 1, 0 for none. */
struct model {
    uint32_t values[GROUPS][KEYS];
};

struct world {
    struct place *place;
    struct rng rng;
    struct rocks_store *parts[PARTS_MAX];
    int n_parts;
    struct model now, then; /* as of the snapshot at hand */
    struct vec snapshot;    /* struct rocks_files */
    uint32_t next_value;
};

static uint32_t first_group(int part, int n)
{
    return (uint32_t)(part * GROUPS / n);
}

static void open_parts(struct world *w, int n)
{
    w->n_parts = n;
    for (int i = 0; i < n; i++) {
        w->parts[i] = open_store(w->place, first_group(i, n), first_group(i + 1, n) - 1);
    }
}

static void close_parts(struct world *w)
{
    for (int i = 0; i < w->n_parts; i++) {
        w->parts[i] = rocks_store_free(w->parts[i]);
    }
}

static struct rocks_bytes numbered(uint32_t group, uint32_t key)
{
    char text[16];
    snprintf(text, sizeof(text), "%04u", key);
    return key_of(group, text);
}

static void random_run(struct world *w, int part)
{
    struct rocks_store *s = w->parts[part];
    uint32_t one_in = 1 + (uint32_t)rng_below(&w->rng, 30);
    assert_ok(rocks_run_begin(s, &err));
    for (uint32_t g = first_group(part, w->n_parts); g < first_group(part + 1, w->n_parts); g++) {
        if (rng_below(&w->rng, 10) == 0) {
            uint32_t from = (uint32_t)rng_below(&w->rng, KEYS),
                     until = from + (uint32_t)rng_below(&w->rng, KEYS);
            assert_ok(rocks_run_remove_range(s, numbered(g, from), numbered(g, until), &err));
            for (uint32_t k = from; k < MIN(until, (uint32_t)KEYS); k++) {
                w->now.values[g][k] = 0;
            }
        }
        for (uint32_t k = 0; k < KEYS; k++) {
            if (rng_below(&w->rng, one_in) != 0) {
                continue;
            }
            uint32_t value = rng_below(&w->rng, 4) == 0 ? 0 : ++w->next_value;
            w->now.values[g][k] = value;
            if (value == 0) {
                assert_ok(rocks_run_remove(s, numbered(g, k), &err));
            } else {
                assert_ok(rocks_run_put(s, numbered(g, k),
                                        (struct rocks_bytes){(const char *)&value, sizeof(value)},
                                        &err));
            }
        }
    }
    assert_ok(rocks_run_finish(s, &err));
}

static void check_group(struct rocks_store *s, uint32_t g, const uint32_t *expected)
{
    struct rocks_bytes keys[KEYS], values[KEYS];
    char bytes[KEYS][16];
    for (uint32_t k = 0; k < KEYS; k++) {
        struct rocks_bytes key = numbered(g, k);
        memcpy(bytes[k], key.data, key.size);
        keys[k] = (struct rocks_bytes){bytes[k], key.size};
    }
    assert_ok(rocks_store_read(s, keys, KEYS, values, &err));
    for (uint32_t k = 0; k < KEYS; k++) {
        uint32_t value = 0;
        if (values[k].data != NULL) {
            assert_int_equal(values[k].size, sizeof(value));
            memcpy(&value, values[k].data, sizeof(value));
        }
        assert_int_equal(value, expected[k]);
    }
}

static void check_scan(struct rocks_store *s, uint32_t from, uint32_t until, const struct model *m)
{
    struct rocks_scan *c = NULL;
    struct rocks_bytes key, value;
    rocks_scan_start(s, key_of(from, ""), key_of(until, ""), &c);
    for (uint32_t g = from; g < until; g++) {
        for (uint32_t k = 0; k < KEYS; k++) {
            if (m->values[g][k] != 0) {
                assert_int_equal(rocks_scan_next(c, &key, &value, NULL), 1);
                assert_int_equal(key.data[1], g);
                assert_memory_equal(value.data, &m->values[g][k], sizeof(uint32_t));
            }
        }
    }
    assert_int_equal(rocks_scan_next(c, &key, &value, NULL), 0);
    rocks_scan_free(c);
}

static void check_all(struct world *w)
{
    for (int i = 0; i < w->n_parts; i++) {
        uint32_t from = first_group(i, w->n_parts), until = first_group(i + 1, w->n_parts);
        for (uint32_t g = from; g < until; g++) {
            check_group(w->parts[i], g, w->now.values[g]);
        }
        check_scan(w->parts[i], from, until, &w->now);
    }
}

static void take_snapshot(struct world *w)
{
    rocks_files_drop(&w->snapshot);
    for (int i = 0; i < w->n_parts; i++) {
        assert_ok(rocks_store_link_files(w->parts[i], &w->snapshot, &err));
    }
    w->then = w->now;
}

/* Back to the snapshot, at another parallelism; the old parts go before or after. */
static void restore(struct world *w)
{
    struct world old = *w;
    open_parts(w, 1 + (int)rng_below(&w->rng, PARTS_MAX));
    for (int i = 0; i < w->n_parts; i++) {
        for (size_t k = 0; k < w->snapshot.len; k++) {
            assert_ok(rocks_store_adopt(w->parts[i], VEC_AT(&w->snapshot, struct rocks_files, k),
                                        ids, &err));
        }
    }
    w->now = w->then;
    take_snapshot(w); /* its links are of the new parts: the old ones may go */
    close_parts(&old);
}

static void run_world(struct place *place, uint64_t seed)
{
    struct world w = {.place = place, .snapshot = VEC_INIT(struct rocks_files)};
    int n_steps = UNDER_SANITIZER ? 30 : 60;
    rng_init(&w.rng, seed);
    open_parts(&w, 2);
    for (int step = 0; step < n_steps; step++) {
        uint64_t what = rng_below(&w.rng, 10);
        if (what < 7) {
            for (int i = 0; i < w.n_parts; i++) {
                random_run(&w, i);
                if (rng_below(&w.rng, 8) == 0) {
                    rocks_store_compact(w.parts[i]);
                }
            }
        } else if (what < 9) {
            take_snapshot(&w);
        } else {
            restore(&w);
        }
        check_all(&w);
    }
    rocks_files_drop(&w.snapshot);
    vec_fini(&w.snapshot);
    close_parts(&w);
}

static void a_store_is_what_was_written(void **state)
{
    struct seeds seeds = seeds_from(1, 1);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_world(*state, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_is_what_was_written, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
