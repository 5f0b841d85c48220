/* flinc.interval_join: bounds, lateness, removal; random streams against a list of all records, stopped and
 * restored at another parallelism. */
#include "engine/data/hash.h"
#include "engine/state/state.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

FLINC_STRUCT(order, FLINC_INT64(user), FLINC_STRING(name), FLINC_INT64(id));
FLINC_STRUCT(payment, FLINC_INT64(id), FLINC_INT64(user));
FLINC_STRUCT(paid, FLINC_STRING(name), FLINC_INT64(order_id), FLINC_INT64(payment_id));

static int pay(flinc_ctx *ctx, const order *a, const payment *b, flinc_out *out)
{
    assert_int_equal(a->user, b->user);
    return FLINC_EMIT(out, paid, .name = a->name, .order_id = a->id, .payment_id = b->id);
}

static int show_times(flinc_ctx *ctx, const order *a, const payment *b, flinc_out *out)
{
    assert_int_equal(flinc_ctx_window_start(ctx), INT64_MIN);
    return FLINC_EMIT(out, paid, .name = a->name, .order_id = flinc_ctx_first_timestamp(ctx),
                      .payment_id = flinc_ctx_second_timestamp(ctx));
}

static int fail_at_13(flinc_ctx *ctx, const order *a, const payment *b, flinc_out *out)
{
    return b->id == 13 ? flinc_ctx_fail(ctx, "unlucky order %lld", (long long)a->id) : 0;
}

static uint32_t first_key = 0, second_key = 1;

struct join {
    struct general g;
    Flinc__WindowConfig *config;
};

static void join_init(struct join *j, int64_t lower, int64_t upper)
{
    memset(j, 0, sizeof(*j));
    Flinc__WindowConfig *c = j->config = &j->g.c.config;
    *c = (Flinc__WindowConfig)FLINC__WINDOW_CONFIG__INIT;
    c->function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_INTERVAL_JOIN;
    c->lower_ms = lower;
    c->upper_ms = upper;
    c->key_columns = &first_key;
    c->key_columns_second = &second_key;
    c->n_key_columns = c->n_key_columns_second = 1;
    c->input = general_desc(&j->g, 0, FLINC_TYPE(order));
    c->input_second = general_desc(&j->g, 1, FLINC_TYPE(payment));
    c->output = general_desc(&j->g, 2, FLINC_TYPE(paid));
    j->g.o = (struct harness_options){.kind = "flinc.interval_join",
                                      .functions = {FN(FLINC_FN_JOIN, pay)},
                                      .inputs = {FLINC_TYPE(order), FLINC_TYPE(payment)},
                                      .outputs = {FLINC_TYPE(paid)}};
}

/* What rows of an input bring out. */
static void check_input(struct harness *h, uint32_t input, const char *rows, const char *expected)
{
    harness_clear(h);
    must(harness_push_rows(h, input, rows, &err));
    check_sorted_rows(harness_rows(h, 0), expected);
}

static void advance(struct harness *h, int64_t watermark)
{
    harness_clear(h);
    must(harness_watermark(h, 0, watermark, &err));
    must(harness_watermark(h, 1, watermark, &err));
    assert_string_equal(harness_rows(h, 0), ""); /* a watermark pairs nothing */
}

static uint64_t rows_kept(struct harness *h)
{
    struct keyed_backend *b = NULL;
    uint64_t n = 0;
    must(op_keyed_backend(harness_context(h), &b, &err));
    for (size_t i = 0; i < b->states.len; i++) {
        struct keyed_state *s = vec_ptr(&b->states, i);
        (void)keyed_state_next(s, NAMESPACE_VOID, 0);
        n += s->table != NULL ? s->table->n_keys : 0;
    }
    return n;
}

static void functions_see_both_timestamps(void **state)
{
    struct join j;
    join_init(&j, -5, 10);
    j.g.o.functions[0] = (struct harness_function)FN(FLINC_FN_JOIN, show_times);
    struct harness *h = general_start(&j.g);
    check_input(h, 0, "1, ann, 100 @50", "");
    check_input(h, 1, "1, 1 @47\n2, 1 @60", "+I[ann, 50, 47] @50\n+I[ann, 50, 60] @60");
    check_input(h, 0, "1, cy, 101 @52", "+I[cy, 52, 47] @52\n+I[cy, 52, 60] @60");
    harness_free(h);
}

static void pairs_within_the_bounds(void **state)
{
    struct join j;
    join_init(&j, -5, 10);
    struct harness *h = general_start(&j.g);
    check_input(h, 0, "1, ann, 100 @50\n1, ann, 101 @60\n2, bob, 200 @50", "");
    check_input(h, 1, "1, 1 @44\n2, 1 @45\n3, 1 @60\n4, 1 @61\n5, 1 @70\n6, 1 @71\n7, 3 @50",
                "+I[ann, 100, 2] @50\n+I[ann, 100, 3] @60\n+I[ann, 101, 3] @60\n"
                "+I[ann, 101, 4] @61\n+I[ann, 101, 5] @70");
    check_input(h, 0, "1, ann, 102 @62\n3, cy, 300 @55",
                "+I[ann, 102, 3] @62\n+I[ann, 102, 4] @62\n+I[ann, 102, 5] @70\n"
                "+I[ann, 102, 6] @71\n+I[cy, 300, 7] @55");
    harness_free(h);
}

static void bounds_on_one_side(void **state)
{
    struct join j;
    join_init(&j, 3, 5); /* payments behind their orders only */
    struct harness *h = general_start(&j.g);
    check_input(h, 1, "1, 1 @12\n2, 1 @13\n3, 1 @15\n4, 1 @16", "");
    check_input(h, 0, "1, ann, 7 @10", "+I[ann, 7, 2] @13\n+I[ann, 7, 3] @15");
    harness_free(h);
    join_init(&j, -5, -3);
    h = general_start(&j.g);
    check_input(h, 1, "1, 1 @4\n2, 1 @5\n3, 1 @7\n4, 1 @8", "");
    check_input(h, 0, "1, ann, 7 @10", "+I[ann, 7, 2] @10\n+I[ann, 7, 3] @10");
    harness_free(h);
}

static void late_records_are_paired_with_nothing(void **state)
{
    struct join j;
    join_init(&j, -5, 5);
    j.config->late_output = 2;
    j.config->late_output_second = 1;
    j.g.o.outputs[1] = FLINC_TYPE(payment);
    j.g.o.outputs[2] = FLINC_TYPE(order);
    j.g.o.tags[1] = "late payments";
    j.g.o.tags[2] = "late orders";
    struct harness *h = general_start(&j.g);
    check_input(h, 0, "1, ann, 1 @20", "");
    advance(h, 20);
    check_input(h, 1, "1, 1 @19\n2, 1 @20", "+I[ann, 1, 2] @20");
    assert_string_equal(harness_rows(h, 1), "+I[1, 1] @19");
    check_input(h, 0, "1, ann, 2 @19\n1, ann, 3 @18\n1, ann, 4 @21", "+I[ann, 4, 2] @21");
    assert_string_equal(harness_rows(h, 2), "+I[1, ann, 2] @19\n+I[1, ann, 3] @18");
    harness_free(h);
}

static void what_is_of_no_use_is_removed(void **state)
{
    static const int64_t bounds[][2] = {{-5, 10}, {3, 5}, {-5, -3}, {0, 0}, {-100000, 100000}};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        struct join j;
        join_init(&j, bounds[i][0], bounds[i][1]);
        struct harness *h = general_start(&j.g);
        assert_int_equal(rows_kept(h), 0);
        for (int64_t t = 0; t < 1000; t += 7) {
            STR_AUTO rows = STR_INIT;
            str_printf(&rows, "%lld, ann, 1 @%lld\n%lld, bob, 1 @%lld", (long long)(t % 3),
                       (long long)t, (long long)t, (long long)t);
            must(harness_push_rows(h, 0, str_cstr(&rows), &err));
            str_clear(&rows);
            str_printf(&rows, "1, %lld @%lld", (long long)(t % 3), (long long)t);
            must(harness_push_rows(h, 1, str_cstr(&rows), &err));
        }
        assert_true(rows_kept(h) > 400);
        advance(h, 250000);
        assert_int_equal(rows_kept(h), 0);
        harness_free(h);
    }
}

static void a_partner_at_its_limit(void **state)
{
    struct join j;
    join_init(&j, 0, 100); /* timers are 12 ms apart */
    struct harness *h = general_start(&j.g);
    check_input(h, 0, "1, ann, 1 @0\n1, ann, 2 @1", "");
    advance(h, 99);
    check_input(h, 1, "1, 1 @100", "+I[ann, 1, 1] @100\n+I[ann, 2, 1] @100");
    advance(h, 100); /* still there, but of no use */
    check_input(h, 1, "2, 1 @100", "+I[ann, 2, 2] @100");
    harness_free(h);
}

static void many_pairs_leave_in_parts(void **state)
{
    struct join j;
    join_init(&j, 0, 0);
    struct harness *h = general_start(&j.g);
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 1000; i++) {
        str_printf(&rows, "5, ann, %d @7\n", i);
    }
    check_input(h, 0, str_cstr(&rows), "");
    str_clear(&rows);
    for (int i = 0; i < 300; i++) {
        str_printf(&rows, "%d, 5 @7\n", i);
    }
    harness_clear(h);
    must(harness_push_rows(h, 1, str_cstr(&rows), &err));
    assert_int_equal(harness_row_count(h, 0), 300000);
    assert_true(harness_more_count(h) > 5);
    harness_free(h);
}

static void mistakes_are_named(void **state)
{
    struct join j;
    struct harness *h;
    struct error e = ERROR_INIT;
    join_init(&j, 5, 3);
    j.g.o.config = &j.config->base;
    must(harness_new(&j.g.o, &h, &err));
    assert_true(harness_open(h, &e) < 0);
    assert_non_null(strstr(e.message, "lower bound of an interval join, 5 ms, is above"));
    harness_free(h);
    join_init(&j, 0, 3);
    j.g.o.functions[0] = (struct harness_function)FN(FLINC_FN_JOIN, fail_at_13);
    h = general_start(&j.g);
    must(harness_push_rows(h, 0, "1, ann, 77 @5", &err));
    e = (struct error)ERROR_INIT;
    assert_true(harness_push_rows(h, 1, "13, 1 @5", &e) < 0);
    assert_non_null(strstr(e.message, "unlucky order 77"));
    harness_free(h);
    join_init(&j, 0, 3);
    h = general_start(&j.g);
    e = (struct error)ERROR_INIT;
    assert_true(harness_push_rows(h, 1, "13, 1", &e) < 0);
    assert_non_null(strstr(e.message, "a record has no timestamp"));
    harness_free(h);
}

/* ---- random streams ------------------------------------------------------------------------------ */

enum { SUBTASKS_MAX = 4, KEYS = 11, RECORDS_MAX = 20000 };

struct kept {
    int64_t key, ts, id;
};
struct model {
    int64_t lower, upper, watermark;
    struct kept *records[2]; /* Owns */
    size_t n[2];
    uint64_t n_late, n_pairs;
};

static void model_pair(struct model *m, const struct kept *a, const struct kept *b, struct str *out)
{
    if (a->key == b->key && a->ts + m->lower <= b->ts && b->ts <= a->ts + m->upper) {
        str_printf(out, "%s+I[u%lld, %lld, %lld] @%lld", out->len > 0 ? "\n" : "",
                   (long long)a->key, (long long)a->id, (long long)b->id,
                   (long long)MAX(a->ts, b->ts));
        m->n_pairs++;
    }
}

static void model_add(struct model *m, uint32_t side, struct kept r, struct str *out)
{
    if (r.ts < m->watermark) {
        m->n_late++;
        return;
    }
    const struct kept *others = m->records[1 - side];
    /* How long those that were there are of use. */
    int64_t reach = MAX(side == 0 ? -m->lower : m->upper, INT64_C(0));
    for (size_t i = 0; i < m->n[1 - side]; i++) {
        if (others[i].ts + reach > m->watermark) {
            model_pair(m, side == 0 ? &r : &others[i], side == 0 ? &others[i] : &r, out);
        }
    }
    assert_true(m->n[side] < RECORDS_MAX);
    m->records[side][m->n[side]++] = r;
}

struct vertex {
    struct join *join;
    uint32_t parallelism;
    struct harness *subtasks[SUBTASKS_MAX];
};

static void vertex_open(struct vertex *v, uint32_t parallelism,
                        const Flinc__OperatorSubtaskState *restore)
{
    v->parallelism = parallelism;
    for (uint32_t i = 0; i < parallelism; i++) {
        struct harness_options *o = &v->join->g.o;
        o->subtask = i;
        o->parallelism = parallelism;
        o->restore = restore;
        o->restore_checkpoint = 1;
        o->flags = restore != NULL ? OP_FLAG_RESTORED : 0;
        v->subtasks[i] = general_start(&v->join->g);
    }
}

static void vertex_restart(struct vertex *v, uint32_t parallelism)
{
    Flinc__OperatorSubtaskState *states[SUBTASKS_MAX];
    for (uint32_t i = 0; i < v->parallelism; i++) {
        must(harness_snapshot(v->subtasks[i], 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL,
                              &states[i], &err));
        harness_free(v->subtasks[i]);
    }
    Flinc__OperatorSubtaskState *all = harness_join_states(states, v->parallelism);
    vertex_open(v, parallelism, all);
    flinc__operator_subtask_state__free_unpacked(all, NULL);
}

static void push_random(struct vertex *v, struct model *m, struct rng *rng, int64_t now)
{
    struct str rows[SUBTASKS_MAX] = {0};
    STR_AUTO expected = STR_INIT;
    STR_AUTO got = STR_INIT;
    static int64_t id;
    uint32_t side = (uint32_t)rng_below(rng, 2);
    uint64_t n = rng_below(rng, 40);
    for (uint64_t i = 0; i < n; i++) {
        struct kept r = {(int64_t)rng_below(rng, KEYS), now + (int64_t)rng_below(rng, 30) - 15,
                         ++id};
        uint32_t to = key_group_subtask((uint32_t)key_hash_i64(r.key) % 128, 128, v->parallelism);
        if (side == 0) {
            str_printf(&rows[to], "%lld, u%lld, %lld @%lld\n", (long long)r.key, (long long)r.key,
                       (long long)r.id, (long long)r.ts);
        } else {
            str_printf(&rows[to], "%lld, %lld @%lld\n", (long long)r.id, (long long)r.key,
                       (long long)r.ts);
        }
        model_add(m, side, r, &expected);
    }
    for (uint32_t i = 0; i < v->parallelism; i++) {
        harness_clear(v->subtasks[i]);
        must(harness_push_rows(v->subtasks[i], side, str_cstr(&rows[i]), &err));
        const char *more = harness_rows(v->subtasks[i], 0);
        str_printf(&got, "%s%s", got.len > 0 && more[0] != '\0' ? "\n" : "", more);
        str_fini(&rows[i]);
    }
    check_sorted_rows(str_cstr(&got), str_cstr(&expected));
}

static void random_streams(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rng rng;
        struct join j;
        rng_init(&rng, seed);
        int64_t lower = (int64_t)rng_below(&rng, 60) - 30;
        int64_t upper = lower + (int64_t)rng_below(&rng, 60);
        struct model m = {.lower = lower, .upper = upper, .watermark = INT64_MIN};
        m.records[0] = MEM_NEW_ARRAY(struct kept, RECORDS_MAX);
        m.records[1] = MEM_NEW_ARRAY(struct kept, RECORDS_MAX);
        join_init(&j, lower, upper);
        struct vertex v = {.join = &j};
        vertex_open(&v, 2, NULL);
        int64_t now = -200;
        for (int step = 0; step < 300; step++) {
            push_random(&v, &m, &rng, now);
            now += (int64_t)rng_below(&rng, 6);
            if (rng_below(&rng, 3) == 0 && now - 12 > m.watermark) {
                m.watermark = now - 12;
                for (uint32_t i = 0; i < v.parallelism; i++) {
                    advance(v.subtasks[i], m.watermark);
                }
            }
            if (rng_below(&rng, 25) == 0) {
                vertex_restart(&v, 1 + (uint32_t)rng_below(&rng, SUBTASKS_MAX));
            }
        }
        assert_true(m.n_pairs > 100 && m.n_late > 10);
        for (uint32_t i = 0; i < v.parallelism; i++) {
            advance(v.subtasks[i], INT64_MAX);
            assert_int_equal(rows_kept(v.subtasks[i]), 0);
            harness_free(v.subtasks[i]);
        }
        mem_free(m.records[0]);
        mem_free(m.records[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_see_both_timestamps),
        cmocka_unit_test(pairs_within_the_bounds),
        cmocka_unit_test(bounds_on_one_side),
        cmocka_unit_test(late_records_are_paired_with_nothing),
        cmocka_unit_test(what_is_of_no_use_is_removed),
        cmocka_unit_test(a_partner_at_its_limit),
        cmocka_unit_test(many_pairs_leave_in_parts),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
