/* Sorted maps: order, equal numbers, ranges, removal; and random steps against plain sorted arrays. */
#include "engine/state/paged/paged.h"
#include "engine/state/sorted_map.h"
#include "tests/unit/engine_state/rows_fixture.h"
#include "tests/unit/seeds.h"

static struct sorted_map *open_map(struct rows_fixture *f)
{
    struct sorted_map *m = NULL;
    assert_ok(sorted_map_open(
        f->backend,
        &(struct sorted_map_desc){.name = "rows", .key_schema = f->keys, .record = &f->layout}, &m,
        &err));
    return m;
}

static void insert(struct rows_fixture *f, struct sorted_map *m, int64_t name_space,
                   const int64_t *sorts)
{
    struct state_keys rows = hashed(&f->builder, name_space);
    assert_ok(sorted_map_insert(m, &rows, sorts, &err));
    batch_unref(rows.batch);
}

static void equal_numbers_stay_in_order_of_arrival(void **state)
{
    struct rows_fixture f;
    struct sorted_map_reader *r = MEM_NEW(struct sorted_map_reader);
    int64_t sorts[1000], low = -5, high = 2;
    rows_fixture_open(&f, *state, 0);
    struct sorted_map *m = open_map(&f);
    for (int64_t id = 0; id < 1000; id++) {
        put_row(&f, 8, id);
        sorts[id] = 5 - id % 10;
    }
    insert(&f, m, NAMESPACE_VOID, sorts);
    struct state_keys keys = one_key(&f, NAMESPACE_VOID, 8);
    struct sorted_ranges ranges = {&low, &high};
    assert_ok(sorted_map_reader_start(r, m, &keys, &ranges, &err));
    int more;
    int64_t sort = -4, n = 0;
    while ((more = sorted_map_reader_next(r, 77, NULL)) > 0) {
        for (uint32_t i = 0; i < r->rows.n; i++) {
            assert_int_equal(r->rows.sorts[i], sort);
            check_row(&f, &r->rows, i, 8, 5 - sort + n * 10);
            if (++n == 100) {
                sort++;
                n = 0;
            }
        }
    }
    assert_int_equal(more, 0);
    assert_int_equal(sort, 3);
    sorted_map_reader_fini(r);
    r->order_only = true;
    assert_ok(sorted_map_reader_start(r, m, &keys, &ranges, &err));
    for (n = 0; (more = sorted_map_reader_next(r, 77, NULL)) > 0; n += r->rows.n) {
        for (uint32_t i = 0; i < r->rows.n; i++) {
            assert_int_equal(r->rows.sorts[i], -4 + (n + i) / 100);
            assert_int_equal(r->numbers[i], 9 - (n + i) / 100 + (n + i) % 100 * 10);
        }
    }
    assert_int_equal(more, 0);
    assert_int_equal(n, 700);
    sorted_map_reader_fini(r);
    batch_unref(keys.batch);
    mem_free(r);
    rows_fixture_close(&f);
}

static void removing_takes_the_first_of_equals(void **state)
{
    struct rows_fixture f;
    struct sorted_map_reader *r = MEM_NEW(struct sorted_map_reader);
    int64_t sorts[] = {3, 3, 3, 1}, gone[] = {3, 3, 9};
    uint8_t removed[3];
    rows_fixture_open(&f, *state, 0);
    struct sorted_map *m = open_map(&f);
    for (int64_t id = 0; id < 4; id++) {
        put_row(&f, 1, id);
    }
    insert(&f, m, 2, sorts);
    add_key(&f, 1);
    add_key(&f, 7);
    add_key(&f, 1);
    struct state_keys keys = hashed(&f.key_builder, 2);
    assert_ok(sorted_map_remove(m, &keys, gone, removed, &err));
    assert_int_equal(removed[0], 1);
    assert_int_equal(removed[1], 0);
    assert_int_equal(removed[2], 0);
    batch_unref(keys.batch);
    keys = one_key(&f, 2, 1);
    assert_ok(sorted_map_reader_start(r, m, &keys, &(struct sorted_ranges){0}, &err));
    assert_int_equal(sorted_map_reader_next(r, STATE_ROWS_MAX, NULL), 1);
    assert_int_equal(r->rows.n, 3);
    check_row(&f, &r->rows, 0, 1, 3);
    check_row(&f, &r->rows, 1, 1, 1);
    check_row(&f, &r->rows, 2, 1, 2);
    sorted_map_reader_fini(r);
    batch_unref(keys.batch);
    mem_free(r);
    rows_fixture_close(&f);
}

/* Into two subtasks, by key group, in order; rows that come later go behind equals that were restored. */
static void maps_are_restored_in_their_order(void **state)
{
    enum { N_KEYS = 20, ROWS = 1000 };
    struct rows_fixture f;
    struct sorted_map_reader *r = MEM_NEW(struct sorted_map_reader);
    int64_t sorts[ROWS], again = 3;
    uint32_t owned = 0;
    rows_fixture_open(&f, *state, 0);
    struct sorted_map *m = open_map(&f);
    for (int64_t id = 0; id < ROWS; id++) {
        put_row(&f, id % N_KEYS, id);
        sorts[id] = 5 - id / N_KEYS % 10;
    }
    insert(&f, m, NAMESPACE_VOID, sorts);
    Flinc__KeyedHandle handle = rows_fixture_snapshot(&f);
    for (uint32_t half = 0; half < 2; half++) {
        uint32_t first = half * 64, last = first + 63;
        rows_fixture_backend(&f, first, last, &handle);
        m = open_map(&f);
        for (int64_t key = 0; key < N_KEYS; key++) {
            if (group_of_key(key) < first || group_of_key(key) > last) {
                continue;
            }
            put_row(&f, key, ROWS + key);
            insert(&f, m, NAMESPACE_VOID, &again);
            struct state_keys k = one_key(&f, NAMESPACE_VOID, key);
            struct sorted_ranges ranges = {&again, &again};
            assert_ok(sorted_map_reader_start(r, m, &k, &ranges, &err));
            assert_ok(sorted_map_reader_next(r, STATE_ROWS_MAX, &err));
            assert_int_equal(r->rows.n, ROWS / N_KEYS / 10 + 1);
            for (uint32_t i = 0; i < r->rows.n; i++) {
                int64_t id = i + 1 < r->rows.n ? (i * 10 + 2) * N_KEYS + key : ROWS + key;
                check_row(&f, &r->rows, i, key, id);
            }
            sorted_map_reader_fini(r);
            batch_unref(k.batch);
            owned++;
        }
        f.backend = keyed_backend_free(f.backend);
    }
    assert_int_equal(owned, N_KEYS);
    handle_fini(&handle);
    mem_free(r);
    rows_fixture_close(&f);
}

/* ---- model ------------------------------------------------------------------------------------- */

#if UNDER_SANITIZER
#define STEPS 300
#else
#define STEPS 2500
#endif
enum { KEYS = 20, SPACES = 2, SORTS = 400 };

struct pair {
    int64_t sort, id;
};

struct model {
    struct rows_fixture f;
    struct sorted_map *map;
    struct sorted_map_reader reader;
    struct vec rows[SPACES][KEYS]; /* struct pair, in order */
    int64_t next_id;
    int64_t sorts[BATCH_ROWS_MAX];
};

/* Behind those that are not above it. */
static void model_insert(struct vec *rows, int64_t sort, int64_t id)
{
    size_t at = rows->len;
    (void)VEC_PUSH(rows, struct pair);
    for (; at > 0 && VEC_AT(rows, struct pair, at - 1)->sort > sort; at--) {
        *VEC_AT(rows, struct pair, at) = *VEC_AT(rows, struct pair, at - 1);
    }
    *VEC_AT(rows, struct pair, at) = (struct pair){sort, id};
}

static void step_insert(struct model *m, uint32_t space)
{
    struct rng *rng = &m->f.rng;
    uint32_t n = 1 + (uint32_t)rng_below(rng, rng_below(rng, 20) == 0 ? 3000 : 40);
    bool rising = rng_below(rng, 2) == 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)rng_below(rng, KEYS);
        int64_t sort =
            rising ? (int64_t)(i * SORTS / n) : (int64_t)rng_below(rng, SORTS) - SORTS / 2;
        put_row(&m->f, key, m->next_id);
        m->sorts[i] = sort;
        model_insert(&m->rows[space][key], sort, m->next_id++);
    }
    insert(&m->f, m->map, space, m->sorts);
}

static struct state_keys random_keys(struct model *m, uint32_t space, uint32_t n,
                                     uint32_t *ret_keys)
{
    for (uint32_t i = 0; i < n; i++) {
        ret_keys[i] = (uint32_t)rng_below(&m->f.rng, KEYS);
        add_key(&m->f, ret_keys[i]);
    }
    return hashed(&m->f.key_builder, space);
}

static void random_ranges(struct model *m, uint32_t n, int64_t *low, int64_t *high)
{
    for (uint32_t i = 0; i < n; i++) {
        low[i] = (int64_t)rng_below(&m->f.rng, SORTS) - SORTS / 2;
        high[i] = low[i] + (int64_t)rng_below(&m->f.rng, 100) - 5;
    }
}

static void step_read(struct model *m, uint32_t space)
{
    enum { N = 12 };
    uint32_t keys[N], owner = 0;
    int64_t low[N], high[N];
    struct state_keys k = random_keys(m, space, N, keys);
    random_ranges(m, N, low, high);
    struct sorted_ranges ranges = {low, high};
    uint32_t max = 1 + (uint32_t)rng_below(&m->f.rng, STATE_ROWS_MAX), at = 0, i = 0;
    assert_ok(sorted_map_reader_start(&m->reader, m->map, &k, &ranges, &err));
    int more = sorted_map_reader_next(&m->reader, max, NULL);
    for (; owner < N; owner++) {
        const struct vec *rows = &m->rows[space][keys[owner]];
        for (at = 0; at < rows->len; at++) {
            const struct pair *p = VEC_AT(rows, struct pair, at);
            if (p->sort < low[owner] || p->sort > high[owner]) {
                continue;
            }
            assert_int_equal(more, 1);
            assert_int_equal(m->reader.rows.owners[i], owner);
            assert_int_equal(m->reader.rows.sorts[i], p->sort);
            check_row(&m->f, &m->reader.rows, i, keys[owner], p->id);
            if (++i == m->reader.rows.n) {
                more = sorted_map_reader_next(&m->reader, max, NULL);
                i = 0;
            }
        }
    }
    assert_int_equal(more, 0);
    sorted_map_reader_fini(&m->reader);
    batch_unref(k.batch);
}

static void step_remove_ranges(struct model *m, uint32_t space)
{
    enum { N = 6 };
    uint32_t keys[N];
    int64_t low[N], high[N];
    uint64_t removed = 0, expected = 0;
    struct state_keys k = random_keys(m, space, N, keys);
    random_ranges(m, N, low, high);
    bool whole = rng_below(&m->f.rng, 5) == 0;
    struct sorted_ranges ranges = {whole ? NULL : low, whole ? NULL : high};
    assert_ok(sorted_map_remove_ranges(m->map, &k, &ranges, &removed, &err));
    for (uint32_t i = 0; i < N; i++) {
        struct vec *rows = &m->rows[space][keys[i]];
        for (size_t at = rows->len; at-- > 0;) {
            int64_t sort = VEC_AT(rows, struct pair, at)->sort;
            if (whole || (sort >= low[i] && sort <= high[i])) {
                vec_remove(rows, at);
                expected++;
            }
        }
    }
    assert_int_equal(removed, expected);
    batch_unref(k.batch);
}

static void step_remove(struct model *m, uint32_t space)
{
    enum { N = 30 };
    uint32_t keys[N];
    uint8_t removed[N];
    int64_t sorts[N];
    struct state_keys k = random_keys(m, space, N, keys);
    for (uint32_t i = 0; i < N; i++) {
        sorts[i] = (int64_t)rng_below(&m->f.rng, SORTS) - SORTS / 2;
    }
    assert_ok(sorted_map_remove(m->map, &k, sorts, removed, &err));
    for (uint32_t i = 0; i < N; i++) {
        struct vec *rows = &m->rows[space][keys[i]];
        bool found = false;
        for (size_t at = 0; at < rows->len && !found; at++) {
            if (VEC_AT(rows, struct pair, at)->sort == sorts[i]) {
                vec_remove(rows, at);
                found = true;
            }
        }
        assert_int_equal(removed[i], found);
    }
    batch_unref(k.batch);
}

static void check_counts(struct model *m, uint32_t space)
{
    uint64_t counts[KEYS];
    bool seen[KEYS];
    uint32_t expected = 0;
    for (int64_t k = 0; k < KEYS; k++) {
        add_key(&m->f, k);
        expected += m->rows[space][k].len > 0;
    }
    struct state_keys keys = hashed(&m->f.key_builder, space);
    assert_ok(sorted_map_count(m->map, &keys, counts, &err));
    for (uint32_t k = 0; k < KEYS; k++) {
        assert_int_equal(counts[k], m->rows[space][k].len);
    }
    assert_int_equal(walk_numbers(sorted_map_keys(m->map), space, KEYS, seen), expected);
    batch_unref(keys.batch);
}

static void random_steps_agree_with_arrays(void **state)
{
    struct seeds seeds = seeds_from(1, 3);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct model *m = MEM_NEW(struct model);
        rows_fixture_open(&m->f, *state, 0);
        rng_init(&m->f.rng, seed);
        m->map = open_map(&m->f);
        for (uint32_t s = 0; s < SPACES * KEYS; s++) {
            vec_init(&m->rows[s / KEYS][s % KEYS], sizeof(struct pair));
        }
        for (uint32_t step = 0; step < fixture_steps(STEPS); step++) {
            uint32_t space = (uint32_t)rng_below(&m->f.rng, SPACES);
            uint64_t what = rng_below(&m->f.rng, 100);
            if (what < 30) {
                step_insert(m, space);
            } else if (what < 55) {
                step_read(m, space);
            } else if (what < 75) {
                step_remove_ranges(m, space);
            } else if (what < 92) {
                step_remove(m, space);
            } else if (what < 99) {
                check_counts(m, space);
            } else {
                sorted_map_drop_namespace(m->map, space);
                for (uint32_t k = 0; k < KEYS; k++) {
                    vec_clear(&m->rows[space][k]);
                }
            }
        }
        for (uint32_t s = 0; s < SPACES * KEYS; s++) {
            vec_fini(&m->rows[s / KEYS][s % KEYS]);
        }
        assert_true(!fixture_evicts_always || m->f.backend->paged->n_found > 0);
        rows_fixture_close(&m->f);
        mem_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_numbers_stay_in_order_of_arrival, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(removing_takes_the_first_of_equals, pool_setup,
                                        pool_teardown),
        SNAPSHOT_TEST(maps_are_restored_in_their_order),
        cmocka_unit_test_setup_teardown(random_steps_agree_with_arrays, pool_setup, pool_teardown),
        EVICTING_TEST(equal_numbers_stay_in_order_of_arrival),
        EVICTING_TEST(removing_takes_the_first_of_equals),
        EVICTING_TEST(maps_are_restored_in_their_order),
        EVICTING_TEST(random_steps_agree_with_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
