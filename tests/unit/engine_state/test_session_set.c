/* Session sets: what joins what, snapshots, and random steps against a naive map. */
#include "engine/state/session_set.h"
#include "tests/unit/engine_state/rows_fixture.h"
#include "tests/unit/seeds.h"

static struct session_set *open_set(struct rows_fixture *f)
{
    struct session_set *s = NULL;
    assert_ok(session_set_open(
        f->backend, &(struct session_set_desc){.name = "set", .key_schema = f->keys}, &s, &err));
    return s;
}

/* The sessions of a key as "[0, 9) 3, ...", the number being the state. */
static void check_set(struct rows_fixture *f, struct session_set *s, int64_t key,
                      const char *expected)
{
    struct vec spans = VEC_INIT(struct session_span);
    STR_AUTO text = STR_INIT;
    struct state_keys k = one_key(f, NAMESPACE_VOID, key);
    assert_ok(session_set_read(s, &k, &spans, &err));
    for (size_t i = 0; i < spans.len; i++) {
        const struct session_span *x = VEC_AT(&spans, struct session_span, i);
        str_printf(&text, "%s[%lld, %lld) %lld", i > 0 ? ", " : "", (long long)x->start,
                   (long long)x->end, (long long)x->state);
    }
    assert_string_equal(str_cstr(&text), expected);
    batch_unref(k.batch);
    vec_fini(&spans);
}

/* Adds [start, end) to a key; the state it is in, INT64_MIN when it was refused.  "into<from" of each join. */
static int64_t add_one(struct rows_fixture *f, struct session_set *s, int64_t key,
                       struct session_span span, uint8_t join_only, const char *expected_joins)
{
    struct vec joins = VEC_INIT(struct session_join);
    STR_AUTO text = STR_INIT;
    uint8_t taken = 7;
    struct session_rows rows = {.spans = &span, .join_only = &join_only, .taken = &taken};
    struct state_keys k = one_key(f, NAMESPACE_VOID, key);
    assert_ok(session_set_add(s, &k, &rows, &joins, &err));
    for (size_t i = 0; i < joins.len; i++) {
        const struct session_join *j = VEC_AT(&joins, struct session_join, i);
        assert_int_equal(j->row, 0);
        str_printf(&text, "%s%lld<%lld", i > 0 ? " " : "", (long long)j->into, (long long)j->from);
    }
    assert_string_equal(str_cstr(&text), expected_joins);
    batch_unref(k.batch);
    vec_fini(&joins);
    return taken ? span.state : INT64_MIN;
}

static void remove_one(struct rows_fixture *f, struct session_set *s, int64_t key, int64_t state)
{
    struct state_keys k = one_key(f, NAMESPACE_VOID, key);
    assert_ok(session_set_remove(s, &k, &state, &err));
    batch_unref(k.batch);
}

static void sessions_that_touch_become_one(void **state)
{
    struct rows_fixture f;
    rows_fixture_open(&f, *state, 0);
    struct session_set *s = open_set(&f);
    assert_int_equal(add_one(&f, s, 1, (struct session_span){20, 30, 0}, 0, ""), 20);
    assert_int_equal(add_one(&f, s, 1, (struct session_span){40, 50, 0}, 0, ""), 40);
    assert_int_equal(add_one(&f, s, 1, (struct session_span){0, 10, 0}, 0, ""), 0);
    assert_int_equal(add_one(&f, s, 0, (struct session_span){5, 6, 0}, 0, ""), 5);
    check_set(&f, s, 1, "[0, 10) 0, [20, 30) 20, [40, 50) 40");
    assert_int_equal(add_one(&f, s, 1, (struct session_span){22, 24, 0}, 0, ""), 20); /* inside */
    assert_int_equal(add_one(&f, s, 1, (struct session_span){15, 25, 0}, 0, ""), 20); /* earlier */
    assert_int_equal(add_one(&f, s, 1, (struct session_span){10, 12, 0}, 0, ""), 0);  /* touches */
    check_set(&f, s, 1, "[0, 12) 0, [15, 30) 20, [40, 50) 40");
    assert_int_equal(add_one(&f, s, 1, (struct session_span){12, 60, 0}, 0, "0<20 0<40"), 0);
    check_set(&f, s, 1, "[0, 60) 0");
    check_set(&f, s, 0, "[5, 6) 5");
    rows_fixture_close(&f);
}

static void a_late_window_joins_or_is_refused(void **state)
{
    struct rows_fixture f;
    rows_fixture_open(&f, *state, 0);
    struct session_set *s = open_set(&f);
    assert_int_equal(add_one(&f, s, 1, (struct session_span){0, 10, 0}, 1, ""), INT64_MIN);
    check_set(&f, s, 1, "");
    assert_int_equal(add_one(&f, s, 1, (struct session_span){20, 30, 0}, 0, ""), 20);
    assert_int_equal(add_one(&f, s, 1, (struct session_span){5, 15, 0}, 1, ""), INT64_MIN);
    assert_int_equal(add_one(&f, s, 1, (struct session_span){10, 20, 0}, 1, ""), 20);
    check_set(&f, s, 1, "[10, 30) 20");
    rows_fixture_close(&f);
}

static void sessions_go_by_their_state(void **state)
{
    struct rows_fixture f;
    rows_fixture_open(&f, *state, 0);
    struct session_set *s = open_set(&f);
    for (int64_t at = 0; at < 50; at += 10) {
        assert_int_equal(add_one(&f, s, 3, (struct session_span){at, at + 5, 0}, 0, ""), at);
    }
    remove_one(&f, s, 3, 20);
    remove_one(&f, s, 3, 40);
    remove_one(&f, s, 3, 41); /* is not there */
    remove_one(&f, s, 4, 0);
    check_set(&f, s, 3, "[0, 5) 0, [10, 15) 10, [30, 35) 30");
    remove_one(&f, s, 3, 0);
    remove_one(&f, s, 3, 10);
    remove_one(&f, s, 3, 30);
    check_set(&f, s, 3, "");
    rows_fixture_close(&f);
}

/* ---- model ------------------------------------------------------------------------------------- */

#if UNDER_SANITIZER
#define STEPS 400
#else
#define STEPS 4000
#endif
enum { KEYS = 30, TIME = 2000 };

struct model {
    struct rows_fixture f;
    uint32_t halves; /* backends: one, or one per half of the key groups */
    struct session_set *sets[2];
    struct keyed_backend *backends[2];
    struct vec spans[KEYS]; /* struct session_span, in no order */
    struct session_span rows[BATCH_ROWS_MAX], expected[BATCH_ROWS_MAX];
    uint8_t join_only[BATCH_ROWS_MAX], taken[BATCH_ROWS_MAX], expected_taken[BATCH_ROWS_MAX];
};

static bool meets(const struct session_span *a, const struct session_span *b)
{
    return a->start <= b->end && b->start <= a->end;
}

/* The definition: everything that meets the window is one; *ret_n joined. */
static uint8_t model_add(struct vec *spans, struct session_span *own, uint8_t join_only,
                         uint32_t *ret_n)
{
    struct session_span sum = *own;
    int64_t first = INT64_MAX;
    uint32_t n = 0;
    for (size_t i = 0; i < spans->len;) {
        struct session_span x = *VEC_AT(spans, struct session_span, i);
        if (!meets(&x, own)) {
            i++;
            continue;
        }
        if (x.start < first) {
            first = x.start;
            sum.state = x.state;
        }
        sum.start = MIN(sum.start, x.start);
        sum.end = MAX(sum.end, x.end);
        vec_remove_swap(spans, i);
        n++;
    }
    *ret_n = n;
    if (n == 0 && join_only) {
        return 0;
    }
    if (n == 0) {
        sum.state = own->start;
    }
    *VEC_PUSH(spans, struct session_span) = sum;
    *own = sum;
    return 1;
}

static uint32_t half_of(const struct model *m, uint32_t key)
{
    return m->halves == 1 ? 0 : group_of_key(key) / 64;
}

static void step_add(struct model *m)
{
    struct rng *rng = &m->f.rng;
    uint32_t n = 1 + (uint32_t)rng_below(rng, rng_below(rng, 30) == 0 ? 2000 : 30);
    uint32_t half = (uint32_t)rng_below(rng, m->halves), at = 0, n_joins = 0, joined;
    struct vec joins = VEC_INIT(struct session_join);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)rng_below(rng, KEYS);
        if (half_of(m, key) != half) {
            continue;
        }
        int64_t start = (int64_t)rng_below(rng, TIME) - TIME / 2;
        m->rows[at] = (struct session_span){start, start + 1 + (int64_t)rng_below(rng, 40), 0};
        m->join_only[at] = rng_below(rng, 3) == 0;
        m->expected[at] = m->rows[at];
        m->expected_taken[at] =
            model_add(&m->spans[key], &m->expected[at], m->join_only[at], &joined);
        n_joins += joined > 1 ? joined - 1 : 0;
        add_key(&m->f, key);
        at++;
    }
    if (at > 0) {
        struct state_keys k = hashed(&m->f.key_builder, NAMESPACE_VOID);
        struct session_rows rows = {.spans = m->rows, .join_only = m->join_only, .taken = m->taken};
        assert_ok(session_set_add(m->sets[half], &k, &rows, &joins, &err));
        assert_memory_equal(m->taken, m->expected_taken, at);
        for (uint32_t i = 0; i < at; i++) {
            if (m->taken[i]) {
                assert_memory_equal(&m->rows[i], &m->expected[i], sizeof(m->rows[i]));
            }
        }
        assert_int_equal(joins.len, n_joins);
        for (size_t i = 0; i < joins.len; i++) {
            const struct session_join *j = VEC_AT(&joins, struct session_join, i);
            assert_int_equal(j->into, m->expected[j->row].state);
            assert_true(j->from > j->into && j->from < m->expected[j->row].end);
        }
        batch_unref(k.batch);
    }
    vec_fini(&joins);
}

/* Some sessions of some keys, several of a key among them. */
static void step_remove(struct model *m)
{
    struct rng *rng = &m->f.rng;
    int64_t states[64];
    uint32_t half = (uint32_t)rng_below(rng, m->halves), n = 0;
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t key = (uint32_t)rng_below(rng, KEYS);
        struct vec *spans = &m->spans[key];
        if (half_of(m, key) != half || spans->len == 0) {
            continue;
        }
        size_t which = rng_below(rng, spans->len);
        states[n++] = VEC_AT(spans, struct session_span, which)->state;
        vec_remove_swap(spans, which);
        add_key(&m->f, key);
    }
    if (n > 0) {
        struct state_keys k = hashed(&m->f.key_builder, NAMESPACE_VOID);
        assert_ok(session_set_remove(m->sets[half], &k, states, &err));
        batch_unref(k.batch);
    }
}

static int by_start(const void *a, const void *b)
{
    const struct session_span *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void check_all(struct model *m)
{
    struct vec found = VEC_INIT(struct session_span);
    for (uint32_t key = 0; key < KEYS; key++) {
        struct vec *spans = &m->spans[key];
        struct state_keys k = one_key(&m->f, NAMESPACE_VOID, key);
        assert_ok(session_set_read(m->sets[half_of(m, key)], &k, &found, &err));
        assert_int_equal(found.len, spans->len);
        if (spans->len > 0) {
            qsort(spans->data, spans->len, sizeof(struct session_span), by_start);
            assert_memory_equal(found.data, spans->data, spans->len * sizeof(struct session_span));
        }
        batch_unref(k.batch);
    }
    vec_fini(&found);
}

/* All backends into snapshots, and those into one or two others. */
static void step_restart(struct model *m)
{
    Flinc__KeyedHandle handles[2];
    Flinc__KeyedHandle *pointers[2] = {&handles[0], &handles[1]};
    uint32_t n = m->halves;
    for (uint32_t i = 0; i < n; i++) {
        m->f.backend = m->backends[i];
        handles[i] = rows_fixture_snapshot(&m->f);
    }
    m->halves = 1 + (uint32_t)rng_below(&m->f.rng, 2);
    for (uint32_t i = 0; i < m->halves; i++) {
        uint32_t last = m->halves == 1 ? 127 : i * 64 + 63;
        rows_fixture_backend(&m->f, i * 64, last, NULL);
        assert_ok(restore(m->f.backend, pointers, n, &err));
        m->backends[i] = m->f.backend;
        m->sets[i] = open_set(&m->f);
    }
    for (uint32_t i = 0; i < n; i++) {
        handle_fini(&handles[i]);
    }
}

static void random_steps_agree_with_a_naive_map(void **state)
{
    struct seeds seeds = seeds_from(1, 3);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct model *m = MEM_NEW(struct model);
        rows_fixture_open(&m->f, *state, 0);
        rng_init(&m->f.rng, seed);
        m->halves = 1;
        m->backends[0] = m->f.backend;
        m->sets[0] = open_set(&m->f);
        for (uint32_t k = 0; k < KEYS; k++) {
            vec_init(&m->spans[k], sizeof(struct session_span));
        }
        for (uint32_t step = 0; step < STEPS; step++) {
            uint64_t what = rng_below(&m->f.rng, 100);
            if (what < 50) {
                step_add(m);
            } else if (what < 95) {
                step_remove(m);
            } else if (what < 99) {
                check_all(m);
            } else if (step % 10 == 0) {
                step_restart(m);
            }
        }
        step_restart(m);
        check_all(m);
        for (uint32_t i = 0; i < m->halves; i++) {
            keyed_backend_free(m->backends[i]);
        }
        m->f.backend = NULL;
        for (uint32_t k = 0; k < KEYS; k++) {
            vec_fini(&m->spans[k]);
        }
        rows_fixture_close(&m->f);
        mem_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_that_touch_become_one, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_late_window_joins_or_is_refused, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(sessions_go_by_their_state, pool_setup, pool_teardown),
        SNAPSHOT_TEST(random_steps_agree_with_a_naive_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
