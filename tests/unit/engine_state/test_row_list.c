/* Row lists: order, namespaces, reading in blocks and as batches, clearing, the budget; and random steps
 * against plain arrays. */
#include "engine/state/paged/paged.h"
#include "engine/state/row_list.h"
#include "tests/unit/engine_state/rows_fixture.h"
#include "tests/unit/seeds.h"

static struct row_list *open_list(struct rows_fixture *f)
{
    struct row_list *l = NULL;
    assert_ok(row_list_open(
        f->backend,
        &(struct row_list_desc){.name = "rows", .key_schema = f->keys, .record = &f->layout}, &l,
        &err));
    return l;
}

static void append(struct rows_fixture *f, struct row_list *l, int64_t name_space)
{
    struct state_keys rows = hashed(&f->builder, name_space);
    assert_ok(row_list_append(l, &rows, &err));
    batch_unref(rows.batch);
}

static void rows_come_back_in_order(void **state)
{
    struct rows_fixture f;
    struct row_list_reader *r = MEM_NEW(struct row_list_reader);
    rows_fixture_open(&f, *state, 0);
    struct row_list *l = open_list(&f);
    for (int64_t id = 0; id < 3000; id++) {
        put_row(&f, id % 3, id);
    }
    append(&f, l, 5);
    for (int64_t id = 3000; id < 4000; id++) {
        put_row(&f, 1, id);
    }
    append(&f, l, 5);
    add_key(&f, 1);
    add_key(&f, 9);
    add_key(&f, 0);
    struct state_keys keys = hashed(&f.key_builder, 5);
    uint64_t counts[3];
    assert_ok(row_list_count(l, &keys, counts, &err));
    assert_int_equal(counts[0], 2000);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 1000);
    assert_ok(row_list_reader_start(r, l, &keys, &err));
    int64_t next[3] = {1, 0, 0};
    uint32_t n = 0, last = 0;
    int more;
    struct error fault = ERROR_INIT;
    while ((more = row_list_reader_next(r, 300, &fault)) > 0) {
        for (uint32_t i = 0; i < r->rows.n; i++) {
            uint32_t owner = r->rows.owners[i];
            assert_true(owner == last || (last == 0 && owner == 2));
            last = owner;
            check_row(&f, &r->rows, i, owner == 0 ? 1 : 0, next[owner]);
            next[owner] += next[owner] < 2998 ? 3 : next[owner] == 2998 ? 2 : 1;
            n++;
        }
    }
    assert_int_equal(more, 0);
    assert_int_equal(n, 3000);
    row_list_reader_fini(r);
    batch_unref(keys.batch);
    mem_free(r);
    rows_fixture_close(&f);
}

static void found_rows_become_batches(void **state)
{
    struct rows_fixture f;
    struct row_list_reader *r = MEM_NEW(struct row_list_reader);
    struct state_rows_writer w = {0};
    struct batch *b = NULL;
    rows_fixture_open(&f, *state, 0);
    struct row_list *l = open_list(&f);
    for (int64_t id = 0; id < 500; id++) {
        put_row(&f, 4, id);
    }
    struct state_keys rows = hashed(&f.builder, NAMESPACE_VOID);
    assert_ok(row_list_append(l, &rows, &err));
    struct state_keys keys = one_key(&f, NAMESPACE_VOID, 4);
    assert_ok(row_list_reader_start(r, l, &keys, &err));
    assert_ok(row_list_reader_next(r, STATE_ROWS_MAX, &err));
    state_rows_writer_init(&w, row_list_layout(l), *state);
    assert_ok(state_rows_batch(&w, &r->rows, 0, r->rows.n, &b, &err));
    assert_ok(batch_validate(b, &err));
    rows.batch->hashes = buffer_unref(rows.batch->hashes);
    assert_true(batch_equals(b, rows.batch));
    batch_unref(b);
    batch_unref(rows.batch);
    batch_unref(keys.batch);
    row_list_reader_fini(r);
    mem_free(r);
    state_rows_writer_fini(&w);
    rows_fixture_close(&f);
}

/* Into two subtasks, by key group; rows that come later go behind those that were restored. */
static void lists_are_restored_with_their_key_groups(void **state)
{
    enum { N_KEYS = 30, ROWS = 900 };
    struct rows_fixture f;
    struct row_list_reader *r = MEM_NEW(struct row_list_reader);
    uint32_t owned = 0;
    rows_fixture_open(&f, *state, 0);
    struct row_list *l = open_list(&f);
    for (int64_t space = -3; space < 9; space += 6) {
        for (int64_t id = 0; id < ROWS; id++) {
            put_row(&f, id % N_KEYS, id);
        }
        append(&f, l, space);
    }
    Flinc__KeyedHandle handle = rows_fixture_snapshot(&f);
    for (uint32_t half = 0; half < 2; half++) {
        uint32_t first = half * 64, last = first + 63;
        rows_fixture_backend(&f, first, last, &handle);
        l = open_list(&f);
        for (int64_t key = 0; key < N_KEYS; key++) {
            bool is_owned = group_of_key(key) >= first && group_of_key(key) <= last;
            if (!is_owned) {
                continue;
            }
            put_row(&f, key, ROWS + key);
            append(&f, l, 3);
            struct state_keys k = one_key(&f, 3, key);
            assert_ok(row_list_reader_start(r, l, &k, &err));
            assert_ok(row_list_reader_next(r, STATE_ROWS_MAX, &err));
            assert_int_equal(r->rows.n, ROWS / N_KEYS + 1);
            for (uint32_t i = 0; i < r->rows.n; i++) {
                check_row(&f, &r->rows, i, key, (int64_t)i * N_KEYS + key);
            }
            row_list_reader_fini(r);
            batch_unref(k.batch);
            owned++;
        }
        bool seen[N_KEYS];
        assert_true(walk_numbers(row_list_keys(l), -3, N_KEYS, seen) > 0);
        for (int64_t key = 0; key < N_KEYS; key++) {
            assert_true(!seen[key] || (group_of_key(key) >= first && group_of_key(key) <= last));
        }
        f.backend = keyed_backend_free(f.backend);
    }
    assert_int_equal(owned, N_KEYS);
    handle_fini(&handle);
    mem_free(r);
    rows_fixture_close(&f);
}

static void an_append_over_the_budget_says_so(void **state)
{
    struct rows_fixture f;
    rows_fixture_open(&f, *state, 64 * 1024);
    struct row_list *l = open_list(&f);
    struct error fault = ERROR_INIT;
    int rc = 0;
    for (int64_t id = 0; rc == 0 && id < 10000; id += 100) {
        for (int64_t i = 0; i < 100; i++) {
            put_row(&f, 1, id + i);
        }
        struct state_keys rows = hashed(&f.builder, NAMESPACE_VOID);
        rc = row_list_append(l, &rows, &fault);
        batch_unref(rows.batch);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_non_null(strstr(fault.message, "'managed'"));
    rows_fixture_close(&f);
}

/* Lists are those of (key, number) here, whose key group is the key's; they are moved, restored, moved on. */
static void lists_of_longer_keys_are_moved(void **state)
{
    enum { ROWS = 2600 };
    static const uint32_t columns[] = {0, 1};
    struct rows_fixture f;
    struct row_list_reader *r = MEM_NEW(struct row_list_reader);
    uint64_t counts[2];
    rows_fixture_open(&f, *state, 0);
    struct schema *pairs = parse_schema("ROW<k BIGINT, number BIGINT NOT NULL>");
    struct row_list_desc desc = {
        .name = "rows", .key_schema = pairs, .n_key_columns = 1, .record = &f.layout};
    struct keyed_state *same = NULL; /* hashes as the list wants them */
    struct builder b;
    struct state_keys keys[3];
    struct row_list *l = NULL;
    Flinc__KeyedHandle handle = FLINC__KEYED_HANDLE__INIT;
    builder_init(&b, f.pool, pairs, BATCH_ROWS_MAX);
    for (int round = 0; round < 2; round++) {
        assert_ok(row_list_open(f.backend, &desc, &l, &err));
        assert_ok(keyed_backend_state(
            f.backend,
            &(struct keyed_state_desc){
                .name = "same", .key_schema = pairs, .value_bytes = 8, .n_key_columns = 1},
            &same, &err));
        for (int64_t i = 0; i < 3; i++) { /* (1, 5), (1, 6), (1, 7) */
            builder_put_i64(&b, 0, 1);
            builder_put_i64(&b, 1, 5 + i);
            builder_end_row(&b);
            keys[i] = (struct state_keys){.batch = builder_finish(&b), .key_columns = columns};
            keyed_state_hash(same, keys[i].batch, columns);
        }
        if (round == 0) {
            for (int64_t id = 0; id < ROWS; id++) {
                put_row(&f, 1, id);
                if (id % 1000 == 999 || id + 1 == ROWS) {
                    struct batch *rows = builder_finish(&f.builder);
                    assert_ok(row_list_append_to(l, id < 1000 ? &keys[0] : &keys[1], rows, &err));
                    batch_unref(rows);
                }
            }
        }
        /* First 6 behind 5, then, restored, 5 into 7, which is empty. */
        assert_ok(row_list_move(l, &keys[1 - round], &keys[round * 2], &err));
        assert_ok(row_list_count(l, &keys[1 - round], counts, &err));
        assert_int_equal(counts[0], 0);
        assert_ok(row_list_reader_start(r, l, &keys[round * 2], &err));
        int64_t id = 0;
        int more;
        while ((more = row_list_reader_next(r, 300, NULL)) > 0) {
            for (uint32_t i = 0; i < r->rows.n; i++) {
                check_row(&f, &r->rows, i, 1, id++);
            }
        }
        assert_int_equal(more, 0);
        assert_int_equal(id, ROWS);
        row_list_reader_fini(r);
        for (int i = 0; i < 3; i++) {
            batch_unref(keys[i].batch);
        }
        if (round == 0) {
            handle = rows_fixture_snapshot(&f);
            rows_fixture_backend(&f, 0, 127, &handle);
        }
    }
    handle_fini(&handle);
    builder_fini(&b);
    schema_unref(pairs);
    mem_free(r);
    rows_fixture_close(&f);
}

/* ---- model ------------------------------------------------------------------------------------- */

#if UNDER_SANITIZER
#define STEPS 400
#else
#define STEPS 3000
#endif
enum { KEYS = 40, SPACES = 3, IDS_MAX = 100000 };

struct model {
    struct rows_fixture f;
    struct row_list *list;
    struct row_list_reader reader;
    struct vec rows[SPACES][KEYS]; /* int64_t ids */
    int64_t next_id;
};

static void step_append(struct model *m, uint32_t space)
{
    uint32_t n = 1 + (uint32_t)rng_below(&m->f.rng, rng_below(&m->f.rng, 10) == 0 ? 2000 : 30);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)rng_below(&m->f.rng, KEYS);
        put_row(&m->f, key, m->next_id);
        *VEC_PUSH(&m->rows[space][key], int64_t) = m->next_id++;
    }
    append(&m->f, m->list, space);
}

/* Some keys, each at most once, in random order; those not there among them. */
static struct state_keys some_keys(struct model *m, uint32_t space, uint32_t *ret_keys)
{
    uint32_t n = 1 + (uint32_t)rng_below(&m->f.rng, KEYS);
    uint32_t first = (uint32_t)rng_below(&m->f.rng, KEYS);
    for (uint32_t i = 0; i < n; i++) {
        ret_keys[i] = (first + i * 7) % KEYS;
        add_key(&m->f, ret_keys[i]);
    }
    return hashed(&m->f.key_builder, space);
}

static void step_read(struct model *m, uint32_t space)
{
    uint32_t keys[KEYS], at[KEYS] = {0};
    struct state_keys k = some_keys(m, space, keys);
    uint32_t max = 1 + (uint32_t)rng_below(&m->f.rng, STATE_ROWS_MAX);
    assert_ok(row_list_reader_start(&m->reader, m->list, &k, &err));
    int more;
    while ((more = row_list_reader_next(&m->reader, max, NULL)) > 0) {
        for (uint32_t i = 0; i < m->reader.rows.n; i++) {
            uint32_t owner = m->reader.rows.owners[i];
            const struct vec *ids = &m->rows[space][keys[owner]];
            check_row(&m->f, &m->reader.rows, i, keys[owner], *VEC_AT(ids, int64_t, at[owner]));
            at[owner]++;
        }
    }
    assert_int_equal(more, 0);
    for (uint32_t i = 0; i < k.batch->n_sel; i++) {
        assert_int_equal(at[i], m->rows[space][keys[i]].len);
    }
    row_list_reader_fini(&m->reader);
    batch_unref(k.batch);
}

static void step_clear(struct model *m, uint32_t space)
{
    uint32_t n = 1 + (uint32_t)rng_below(&m->f.rng, 6);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)rng_below(&m->f.rng, KEYS);
        vec_clear(&m->rows[space][key]);
        add_key(&m->f, key);
        if (rng_below(&m->f.rng, 3) == 0) {
            add_key(&m->f, key); /* a key twice */
        }
    }
    struct state_keys k = hashed(&m->f.key_builder, space);
    assert_ok(row_list_clear(m->list, &k, &err));
    batch_unref(k.batch);
}

static void step_keys(struct model *m, uint32_t space)
{
    bool seen[KEYS];
    uint32_t found = walk_numbers(row_list_keys(m->list), space, KEYS, seen), expected = 0;
    for (uint32_t k = 0; k < KEYS; k++) {
        expected += m->rows[space][k].len > 0;
        assert_int_equal(seen[k], m->rows[space][k].len > 0);
    }
    assert_int_equal(found, expected);
}

static void random_steps_agree_with_arrays(void **state)
{
    struct seeds seeds = seeds_from(1, 3);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct model *m = MEM_NEW(struct model);
        rows_fixture_open(&m->f, *state, 0);
        rng_init(&m->f.rng, seed);
        m->list = open_list(&m->f);
        for (uint32_t s = 0; s < SPACES * KEYS; s++) {
            vec_init(&m->rows[s / KEYS][s % KEYS], sizeof(int64_t));
        }
        for (uint32_t step = 0; step < fixture_steps(STEPS) && m->next_id < IDS_MAX; step++) {
            uint32_t space = (uint32_t)rng_below(&m->f.rng, SPACES);
            uint64_t what = rng_below(&m->f.rng, 100);
            if (what < 50) {
                step_append(m, space);
            } else if (what < 70) {
                step_read(m, space);
            } else if (what < 90) {
                step_clear(m, space);
            } else if (what < 98) {
                step_keys(m, space);
            } else {
                row_list_drop_namespace(m->list, space);
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
        cmocka_unit_test_setup_teardown(rows_come_back_in_order, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(found_rows_become_batches, pool_setup, pool_teardown),
        SNAPSHOT_TEST(lists_are_restored_with_their_key_groups),
        SNAPSHOT_TEST(lists_of_longer_keys_are_moved),
        cmocka_unit_test_setup_teardown(an_append_over_the_budget_says_so, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(random_steps_agree_with_arrays, pool_setup, pool_teardown),
        EVICTING_TEST(rows_come_back_in_order),
        EVICTING_TEST(found_rows_become_batches),
        EVICTING_TEST(lists_are_restored_with_their_key_groups),
        EVICTING_TEST(lists_of_longer_keys_are_moved),
        EVICTING_TEST(random_steps_agree_with_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
