/* Ordered maps: rows by several columns, each ascending or descending, NULLs first or last; ranges, the first and
 * the last rows of a key, retraction, snapshots; all of it against plain sorted arrays. */
#include "engine/state/ordered_map.h"
#include "engine/state/paged/paged.h"
#include "tests/unit/engine_state/rows_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS 250
#else
#define STEPS 1500
#endif
enum { KEYS = 12, SPACES = 2, IDS = 90, TEXT = 2, ID = 1 };

struct model {
    struct rows_fixture f;
    struct ordered_map *map;
    struct ordered_map_reader reader;
    struct sort_column columns[2];
    struct vec rows[SPACES][KEYS]; /* int64_t ids, in order */
};

static void open_map(struct model *m)
{
    assert_ok(ordered_map_open(m->f.backend,
                               &(struct ordered_map_desc){.name = "rows",
                                                          .key_schema = m->f.keys,
                                                          .record = &m->f.layout,
                                                          .columns = m->columns,
                                                          .n_columns = 2},
                               &m->map, &err));
}

/* ---- the order, by hand ------------------------------------------------------------------------- */

static int compare_texts(int64_t a, int64_t b, uint32_t flags)
{
    char x[64], y[64];
    bool a_null = a % 7 == 0, b_null = b % 7 == 0;
    if (a_null || b_null) {
        int c = (int)b_null - (int)a_null; /* NULLs first */
        return flags & SORT_NULLS_LAST ? -c : c;
    }
    row_text(a, x);
    row_text(b, y);
    int c = strcmp(x, y);
    return flags & SORT_DESC ? -c : c;
}

static int compare_ids(int64_t a, int64_t b, uint32_t flags)
{
    int c = a < b ? -1 : a > b;
    return flags & SORT_DESC ? -c : c;
}

static int compare_rows(const struct model *m, int64_t a, int64_t b)
{
    int c = compare_texts(a, b, m->columns[0].flags);
    return c != 0 ? c : compare_ids(a, b, m->columns[1].flags);
}

static void model_insert(struct model *m, struct vec *rows, int64_t id)
{
    size_t at = rows->len;
    (void)VEC_PUSH(rows, int64_t);
    for (; at > 0 && compare_rows(m, *VEC_AT(rows, int64_t, at - 1), id) > 0; at--) {
        *VEC_AT(rows, int64_t, at) = *VEC_AT(rows, int64_t, at - 1);
    }
    *VEC_AT(rows, int64_t, at) = id;
}

/* ---- steps --------------------------------------------------------------------------------------- */

static void step_insert(struct model *m, uint32_t space)
{
    uint32_t n = 1 + (uint32_t)rng_below(&m->f.rng, rng_below(&m->f.rng, 20) == 0 ? 2500 : 60);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)rng_below(&m->f.rng, KEYS);
        int64_t id = (int64_t)rng_below(&m->f.rng, IDS);
        put_row(&m->f, key, id);
        model_insert(m, &m->rows[space][key], id);
    }
    struct state_keys rows = hashed(&m->f.builder, space);
    assert_ok(ordered_map_insert(m->map, &rows, &err));
    batch_unref(rows.batch);
}

static void step_retract(struct model *m, uint32_t space)
{
    enum { MAX = 600 };
    uint32_t n = 1 + (uint32_t)rng_below(&m->f.rng, MAX);
    uint8_t removed[MAX], expected[MAX];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)rng_below(&m->f.rng, KEYS);
        int64_t id = (int64_t)rng_below(&m->f.rng, IDS);
        struct vec *rows = &m->rows[space][key];
        put_row(&m->f, key, id);
        expected[i] = 0;
        for (size_t at = 0; at < rows->len && !expected[i]; at++) {
            if (*VEC_AT(rows, int64_t, at) == id) {
                vec_remove(rows, at);
                expected[i] = 1;
            }
        }
    }
    struct state_keys rows = hashed(&m->f.builder, space);
    assert_ok(ordered_map_remove(m->map, &rows, removed, &err));
    assert_memory_equal(removed, expected, n);
    batch_unref(rows.batch);
}

enum { ASKED = 8 };

/* Ranges of random keys: bounds are rows, or what rows begin with. */
struct question {
    uint32_t keys[ASKED];
    int64_t low_ids[ASKED], high_ids[ASKED];
    uint32_t columns; /* of the bounds */
    struct str bounds[2 * ASKED];
    struct slice low[ASKED], high[ASKED];
    struct ordered_ranges ranges;
    struct state_keys asked;
};

static void ask(struct model *m, uint32_t space, struct question *q)
{
    struct rng *rng = &m->f.rng;
    memset(q, 0, sizeof(*q));
    q->columns = 1 + (uint32_t)rng_below(rng, 2);
    for (uint32_t i = 0; i < ASKED; i++) {
        q->keys[i] = (uint32_t)rng_below(rng, KEYS);
        q->low_ids[i] = (int64_t)rng_below(rng, IDS);
        q->high_ids[i] = (int64_t)rng_below(rng, IDS);
        put_row(&m->f, 1, q->low_ids[i]);
        put_row(&m->f, 1, q->high_ids[i]);
    }
    struct batch *b = builder_finish(&m->f.builder);
    for (uint32_t i = 0; i < 2 * ASKED; i++) {
        assert_ok(ordered_map_encode(m->map, b, i, q->columns, &q->bounds[i], &err));
        (i % 2 == 0 ? q->low : q->high)[i / 2] = str_slice(&q->bounds[i]);
    }
    batch_unref(b);
    for (uint32_t i = 0; i < ASKED; i++) {
        add_key(&m->f, q->keys[i]);
    }
    q->asked = hashed(&m->f.key_builder, space);
    q->ranges = (struct ordered_ranges){
        .low = rng_below(rng, 3) == 0 ? NULL : q->low,
        .high = rng_below(rng, 3) == 0 ? NULL : q->high,
        .limit = rng_below(rng, 2) == 0 ? 0 : 1 + rng_below(rng, 20),
        .from_last = rng_below(rng, 2) == 0,
    };
}

static void answered(struct question *q)
{
    for (uint32_t i = 0; i < 2 * ASKED; i++) {
        str_fini(&q->bounds[i]);
    }
    batch_unref(q->asked.batch);
}

static bool is_meant(const struct model *m, const struct question *q, uint32_t i, int64_t id)
{
    int low = compare_texts(id, q->low_ids[i], m->columns[0].flags);
    int high = compare_texts(id, q->high_ids[i], m->columns[0].flags);
    if (q->columns == 2) {
        low = compare_rows(m, id, q->low_ids[i]);
        high = compare_rows(m, id, q->high_ids[i]);
    }
    return (q->ranges.low == NULL || low >= 0) && (q->ranges.high == NULL || high <= 0);
}

/* Positions of the rows that key i is to give, in the order in which they come. */
static size_t expected_rows(const struct model *m, const struct question *q, uint32_t i,
                            const struct vec *rows, size_t *ret_at)
{
    size_t n = 0;
    for (size_t k = 0; k < rows->len; k++) {
        size_t at = q->ranges.from_last ? rows->len - 1 - k : k;
        if (is_meant(m, q, i, *VEC_AT(rows, int64_t, at)) &&
            (q->ranges.limit == 0 || n < q->ranges.limit)) {
            ret_at[n++] = at;
        }
    }
    return n;
}

static void step_read(struct model *m, uint32_t space)
{
    struct question q;
    ask(m, space, &q);
    uint32_t max = 1 + (uint32_t)rng_below(&m->f.rng, STATE_ROWS_MAX), at = 0;
    assert_ok(ordered_map_reader_start(&m->reader, m->map, &q.asked, &q.ranges, &err));
    int more = ordered_map_reader_next(&m->reader, max, NULL);
    for (uint32_t i = 0; i < ASKED; i++) {
        const struct vec *rows = &m->rows[space][q.keys[i]];
        size_t *places = MEM_NEW_ARRAY(size_t, rows->len + 1);
        size_t n = expected_rows(m, &q, i, rows, places);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(more, 1);
            assert_int_equal(m->reader.rows.owners[at], i);
            check_row(&m->f, &m->reader.rows, at, q.keys[i], *VEC_AT(rows, int64_t, places[k]));
            if (++at == m->reader.rows.n) {
                more = ordered_map_reader_next(&m->reader, max, NULL);
                at = 0;
            }
        }
        mem_free(places);
    }
    assert_int_equal(more, 0);
    ordered_map_reader_fini(&m->reader);
    answered(&q);
}

static void step_remove_ranges(struct model *m, uint32_t space)
{
    struct question q;
    uint64_t removed = 0, expected = 0;
    ask(m, space, &q);
    assert_ok(ordered_map_remove_ranges(m->map, &q.asked, &q.ranges, &removed, &err));
    for (uint32_t i = 0; i < ASKED; i++) {
        struct vec *rows = &m->rows[space][q.keys[i]];
        size_t *places = MEM_NEW_ARRAY(size_t, rows->len + 1);
        size_t n = expected_rows(m, &q, i, rows, places);
        for (size_t k = 0; k < n; k++) {
            vec_remove(rows, q.ranges.from_last ? places[k] : places[n - 1 - k]);
        }
        expected += n;
        mem_free(places);
    }
    assert_int_equal(removed, expected);
    answered(&q);
}

static void step_count(struct model *m, uint32_t space)
{
    uint64_t counts[KEYS];
    bool seen[KEYS];
    uint32_t expected = 0;
    for (int64_t k = 0; k < KEYS; k++) {
        add_key(&m->f, k);
        expected += m->rows[space][k].len > 0;
    }
    struct state_keys keys = hashed(&m->f.key_builder, space);
    assert_ok(ordered_map_count(m->map, &keys, counts, &err));
    for (uint32_t k = 0; k < KEYS; k++) {
        assert_int_equal(counts[k], m->rows[space][k].len);
    }
    assert_int_equal(walk_numbers(ordered_map_keys(m->map), space, KEYS, seen), expected);
    batch_unref(keys.batch);
}

/* Restored, and perhaps by other columns: equal rows stay in order of arrival. */
static void step_restore(struct model *m, uint32_t flags)
{
    Flinc__KeyedHandle handle = rows_fixture_snapshot(&m->f);
    rows_fixture_backend(&m->f, 0, 127, &handle);
    m->columns[0].flags = flags & (SORT_DESC | SORT_NULLS_LAST);
    m->columns[1].flags = flags >> 2 & SORT_DESC;
    for (uint32_t s = 0; s < SPACES * KEYS; s++) {
        struct vec *rows = &m->rows[s / KEYS][s % KEYS], sorted;
        vec_init(&sorted, sizeof(int64_t));
        for (size_t i = 0; i < rows->len; i++) {
            model_insert(m, &sorted, *VEC_AT(rows, int64_t, i));
        }
        vec_fini(rows);
        *rows = sorted;
    }
    open_map(m);
    handle_fini(&handle);
}

static void one_step(struct model *m)
{
    uint32_t space = (uint32_t)rng_below(&m->f.rng, SPACES);
    uint64_t what = rng_below(&m->f.rng, 200);
    if (what < 60) {
        step_insert(m, space);
    } else if (what < 120) {
        step_read(m, space);
    } else if (what < 150) {
        step_retract(m, space);
    } else if (what < 185) {
        step_remove_ranges(m, space);
    } else if (what < 196) {
        step_count(m, space);
    } else if (what < 198) {
        step_restore(m, (uint32_t)rng_below(&m->f.rng, 8));
    } else {
        ordered_map_drop_namespace(m->map, space);
        for (uint32_t k = 0; k < KEYS; k++) {
            vec_clear(&m->rows[space][k]);
        }
    }
}

static void random_steps_agree_with_arrays(void **state)
{
    struct seeds seeds = seeds_from(1, 4);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct model *m = MEM_NEW(struct model);
        rows_fixture_open(&m->f, *state, 0);
        rng_init(&m->f.rng, seed);
        m->columns[0] = (struct sort_column){TEXT, seed & (SORT_DESC | SORT_NULLS_LAST)};
        m->columns[1] = (struct sort_column){ID, seed >> 1 & SORT_DESC};
        open_map(m);
        for (uint32_t s = 0; s < SPACES * KEYS; s++) {
            vec_init(&m->rows[s / KEYS][s % KEYS], sizeof(int64_t));
        }
        for (uint32_t step = 0; step < fixture_steps(STEPS); step++) {
            one_step(m);
        }
        for (uint32_t s = 0; s < SPACES * KEYS; s++) {
            vec_fini(&m->rows[s / KEYS][s % KEYS]);
        }
        assert_true(!fixture_evicts_always || m->f.backend->paged->n_found > 0);
        rows_fixture_close(&m->f);
        mem_free(m);
    }
}

static void what_has_no_order_is_refused(void **state)
{
    struct rows_fixture f;
    struct ordered_map *map = NULL;
    struct error e = ERROR_INIT;
    rows_fixture_open(&f, *state, 0);
    struct ordered_map_desc desc = {.name = "rows", .key_schema = f.keys, .record = &f.layout};
    assert_int_equal(ordered_map_open(f.backend, &desc, &map, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "state 'rows' sorts by 0 columns"));
    rows_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(random_steps_agree_with_arrays),
        cmocka_unit_test_setup_teardown(what_has_no_order_is_refused, pool_setup, pool_teardown),
        EVICTING_TEST(random_steps_agree_with_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
