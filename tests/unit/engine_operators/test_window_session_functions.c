/* Sessions of user functions: what Flink's WindowOperator does, against an oracle over random input with
 * lateness, triggers, evictors, gaps of records, and restarts at other parallelisms. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/session_oracle.h"
#include "tests/unit/seeds.h"

/* One seed after the other takes the shapes of random_shape(). */
enum { KEYS = 17, SHAPES = 105, STEPS = UNDER_SANITIZER ? 12 : 60, EVICTOR_KEEPS = 4 };

/* All records to visits_show(); a late output. */
static void session_init(struct general *g, int64_t gap)
{
    general_init(g, SESSION, gap, 0);
    g->c.config.input = general_desc(g, 0, FLINC_TYPE(visit));
    g->c.config.late_output = 1;
    g->o.inputs[0] = FLINC_TYPE(visit);
    g->o.outputs[1] = FLINC_TYPE(visit);
    g->o.tags[1] = "late";
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_WINDOW, visits_show);
}

static void use_reduce(struct general *g)
{
    g->c.config.function = FUNCTION(REDUCE);
    g->c.config.process = false;
    g->c.config.value = g->c.config.output = g->c.config.input;
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, visits_add);
    g->o.outputs[0] = FLINC_TYPE(visit);
}

static void use_aggregate(struct general *g, bool with_process)
{
    uint32_t n = 0;
    g->c.config.function = FUNCTION(AGGREGATE);
    g->c.config.accumulator = general_desc(g, 2, FLINC_TYPE(visit_sum));
    g->c.config.value = general_desc(g, 3, FLINC_TYPE(visit_sum));
    g->c.config.merges = true;
    g->c.config.process = with_process;
    g->o.functions[n++] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, visit_sum_add);
    g->o.functions[n++] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, visit_sum_result);
    g->o.functions[n++] = (struct harness_function)FN(FLINC_FN_AGGREGATE_MERGE, visit_sum_merge);
    if (with_process) {
        g->o.functions[n] = (struct harness_function)FN(FLINC_FN_WINDOW, visit_sum_show);
    } else {
        g->c.config.output = g->c.config.value;
        g->o.outputs[0] = FLINC_TYPE(visit_sum);
    }
}

static void use_min_by(struct general *g)
{
    use_reduce(g);
    g->c.config.function = FUNCTION(FOLD);
    g->c.config.aggregate = FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY;
    g->c.config.column = 1;
    g->c.config.first = true;
    memset(g->o.functions, 0, sizeof(g->o.functions));
}

static void use_function(struct general *g, struct harness_function f)
{
    uint32_t n = 0;
    while (g->o.functions[n].kind != 0) {
        n++;
    }
    g->o.functions[n] = f;
}

/* Comes behind all other functions. */
static void use_gap_function(struct general *g)
{
    use_function(g, (struct harness_function)FN(FLINC_FN_SESSION_GAP, visit_gap));
    g->c.assigner.gap_ms = 0;
    g->c.assigner.gap_function = true;
}

static void use_evictor(struct general *g, Flinc__WindowEvictorKind kind)
{
    g->c.config.evictor = &g->c.evictor;
    g->c.evictor.kind = kind;
}

static void use_gap_column(struct general *g)
{
    static uint32_t column = 2;
    g->c.assigner.gap_ms = 0;
    g->c.assigner.gap_columns = &column;
    g->c.assigner.n_gap_columns = 1;
}

static void visit_row(struct str *rows, int64_t key, struct oracle_record r)
{
    str_printf(rows, "%lld, %lld, %lld, %s @%lld\n", (long long)key, (long long)r.v,
               (long long)r.gap, visit_name(key), (long long)r.ts);
}

/* ---- by hand ------------------------------------------------------------------------------------- */

static void records_between_merge_what_functions_made(void **state)
{
    struct general g;
    session_init(&g, 10);
    struct harness *h = general_start(&g);
    push(h, "1, 5, 0, odd @20\n1, 1, 0, odd @0\n2, 9, 0, even @3\n1, 7, 0, odd @38");
    push(h, "1, 2, 0, odd @10\n1, 6, 0, odd @29");
    check_watermark(h, 12, "+I[2 until 13: 9, 3] @12");
    check_watermark(h, 46, "");
    check_watermark(h, 47, "+I[1 until 48: 1 5 2 7 6, 0] @47");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void late_records_fire_again_and_join(void **state)
{
    struct general g;
    session_init(&g, 10);
    use_aggregate(&g, true);
    g.c.config.allowed_lateness_ms = 20;
    struct harness *h = general_start(&g);
    push(h, "1, 1, 0, odd @0\n1, 2, 0, odd @30");
    check_watermark(h, 9, "+I[1 until 10: 1 of 1, 0] @9");
    check_push(h, "1, 4, 0, odd @-5", "+I[1 until 10: 5 of 2, -5] @9");
    check_push(h, "1, 8, 0, odd @6", ""); /* no longer over: [-5, 16) */
    check_watermark(h, 15, "+I[1 until 16: 13 of 3, -5] @15");
    /* Joins what has fired and what has not: neither fires now. */
    check_push(h, "1, 16, 0, odd @16\n1, 32, 0, odd @24", "");
    check_watermark(h, 39, "+I[1 until 40: 63 of 6, -5] @39");
    check_watermark(h, 59, "");
    check_push(h, "1, 64, 0, odd @30", ""); /* too late, and what it would meet is gone */
    assert_string_equal(harness_rows(h, 1), "+I[1, 64, 0, odd] @30");
    check_push(h, "1, 64, 0, odd @31", "+I[1 until 41: 64 of 1, 31] @40");
    harness_free(h);
}

static void count_triggers_add_up(void **state)
{
    struct general g;
    session_init(&g, 10);
    g.c.trigger.kind = TRIGGER(COUNT);
    g.c.trigger.count = 4;
    g.c.trigger.purging = true;
    struct harness *h = general_start(&g);
    push(h, "1, 1, 0, odd @0\n1, 2, 0, odd @20\n1, 3, 0, odd @21");
    check_push(h, "1, 4, 0, odd @10", "+I[1 until 31: 1 2 3 4, 0] @30");
    check_push(h, "1, 5, 0, odd @11", "");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void continuous_triggers_fire_on_the_way(void **state)
{
    struct general g;
    session_init(&g, 10);
    g.c.trigger.kind = TRIGGER(CONTINUOUS_EVENT_TIME);
    g.c.trigger.interval_ms = 12;
    struct harness *h = general_start(&g);
    push(h, "1, 1, 0, odd @4\n1, 2, 0, odd @13\n1, 3, 0, odd @21");
    check_watermark(h, 11, "");
    check_watermark(h, 12, "+I[1 until 31: 1 2 3, 4] @30");
    check_watermark(h, 26, "+I[1 until 31: 1 2 3, 4] @30");
    check_watermark(h, 30, "+I[1 until 31: 1 2 3, 4] @30");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void continuous_triggers_come_again_when_sessions_grow(void **state)
{
    for (int join = 0; join < 2; join++) {
        struct general g;
        session_init(&g, 10);
        g.c.trigger.kind = TRIGGER(CONTINUOUS_EVENT_TIME);
        g.c.trigger.interval_ms = 12;
        g.c.config.allowed_lateness_ms = 20;
        struct harness *h = general_start(&g);
        push(h, "1, 1, 0, odd @0");
        check_watermark(h, 9, "+I[1 until 10: 1, 0] @9");
        if (join) {
            push(h, "1, 3, 0, odd @20");
            check_push(h, "1, 2, 0, odd @10", "");
            check_watermark(h, 10, "+I[1 until 30: 1 3 2, 0] @29");
            check_watermark(h, 20, "");
            check_watermark(h, 21, "+I[1 until 30: 1 3 2, 0] @29");
            check_watermark(h, 29, "+I[1 until 30: 1 3 2, 0] @29");
        } else {
            check_push(h, "1, 2, 0, odd @6", "");
            check_watermark(h, 10, "+I[1 until 16: 1 2, 0] @15");
            check_watermark(h, 14, "");
            check_watermark(h, 15, "+I[1 until 16: 1 2, 0] @15");
            check_push(h, "1, 3, 0, odd @-3", "+I[1 until 16: 1 2 3, -3] @15");
            check_watermark(h, 16, "+I[1 until 16: 1 2 3, -3] @15");
        }
        check_watermark(h, INT64_MAX, "");
        harness_free(h);
    }
}

static int evict_odd(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                     uint8_t *evict)
{
    for (size_t i = 0; i < pane->n; i++) {
        assert_in_range(timestamps[i], pane->start_ms, pane->end_ms - 1);
        evict[i] = FLINC_PANE_RECORD(pane, visit, i)->v % 2 != 0;
    }
    return 0;
}

static int evict_large(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                       uint8_t *evict)
{
    for (size_t i = 0; i < pane->n; i++) {
        evict[i] = FLINC_PANE_RECORD(pane, visit, i)->v >= 100;
    }
    return 0;
}

/* What evictors left stays with the session, also where it grows together with another and over a restart. */
static void evictors_that_are_functions(void **state)
{
    struct general g;
    Flinc__OperatorSubtaskState *s = NULL;
    session_init(&g, 10);
    g.c.trigger.kind = TRIGGER(COUNT);
    g.c.trigger.count = 2;
    use_evictor(&g, FLINC__WINDOW_EVICTOR_KIND__EVICTOR_FUNCTION);
    g.c.evictor.has_before = g.c.evictor.has_after = true;
    use_function(&g, (struct harness_function)FN(FLINC_FN_EVICT, evict_odd));
    use_function(&g, (struct harness_function)FN(FLINC_FN_EVICT, evict_large));
    use_gap_function(&g);
    struct harness *h = general_start(&g);
    push(h, "1, 2, 10, odd @0\n1, 100, 10, odd @30");
    check_push(h, "1, 4, 25, odd @8", "+I[1 until 40: 2 100 4, 0] @39");
    check_push(h, "1, 5, 10, odd @9\n1, 6, 10, odd @10", "+I[1 until 40: 2 4 6, 0] @39");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    h = general_start(&g);
    check_push(h, "1, 200, 10, odd @80\n1, 8, 10, odd @81", "+I[1 until 91: 200 8, 80] @90");
    check_push(h, "1, 10, 50, odd @35\n1, 11, 10, odd @90", "+I[1 until 100: 2 4 6 8 10, 0] @99");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

static void processing_time_sessions(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    for (int shape = 0; shape < 2; shape++) {
        struct general g;
        session_init(&g, 1000);
        if (shape == 1) {
            use_aggregate(&g, true);
        }
        g.c.assigner.processing_time = true;
        g.c.config.allowed_lateness_ms = 5000; /* is of event time */
        g.o.clock = &clock.base;
        struct harness *h = general_start(&g);
        int64_t start = clock_now_ms(&clock.base);
        push(h, "1, 1, 0, odd");
        clock_manual_advance_ms(&clock, 999);
        push(h, "1, 2, 0, odd");
        clock_manual_advance_ms(&clock, 998);
        must(harness_processing_time(h, &err));
        assert_string_equal(harness_rows(h, 0), "");
        clock_manual_advance_ms(&clock, 1);
        must(harness_processing_time(h, &err));
        char expected[200];
        snprintf(expected, sizeof(expected), "+I[1 until %lld: %s, %lld] @%lld",
                 (long long)start + 1999, shape == 0 ? "1 2" : "3 of 2", (long long)start,
                 (long long)start + 1998);
        assert_string_equal(harness_rows(h, 0), expected);
        assert_int_equal(harness_timer(h), INT64_MAX);
        harness_free(h);
    }
}

static void window_all_over_sessions(void **state)
{
    struct general g;
    session_init(&g, 10);
    g.c.config.n_key_columns = 0;
    struct harness *h = general_start(&g);
    push(h, "1, 1, 0, odd @20\n2, 2, 0, even @0");
    push(h, "3, 3, 0, odd @10");
    check_watermark(h, 100, "+I[2 until 30: 2 1 3, 0] @29");
    harness_free(h);
}

static void what_cannot_grow_together_is_refused(void **state)
{
    struct general g;
    struct harness *h = NULL;
    session_init(&g, 10);
    g.c.trigger.kind = TRIGGER(NEVER);
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "its trigger cannot");
    harness_free(h);
    session_init(&g, 10);
    use_aggregate(&g, false);
    g.c.config.merges = false;
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "no merge function");
    harness_free(h);
    session_init(&g, 0);
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "one positive gap");
    harness_free(h);
}

static void gaps_are_above_zero(void **state)
{
    for (int by_column = 0; by_column < 2; by_column++) {
        struct general g;
        session_init(&g, 0);
        if (by_column) {
            use_gap_column(&g);
        } else {
            use_gap_function(&g);
        }
        struct harness *h = general_start(&g);
        push(h, "1, 1, 3, odd @0\n1, 2, 100, odd @2\n1, 3, 1, odd @50");
        check_watermark(h, 101, "+I[1 until 102: 1 2 3, 0] @101");
        must_fail(harness_push_rows(h, 0, "1, 1, 0, odd @200", &err), ERR_INVALID_ARGUMENT,
                  "gaps are above 0");
        harness_free(h);
    }
}

static int show_both(flinc_ctx *ctx, const flinc_pane *first, const flinc_pane *second,
                     flinc_out *out)
{
    char text[200];
    int len = snprintf(text, sizeof(text), "until %lld:", (long long)first->end_ms);
    for (size_t i = 0; i < first->n; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %lld",
                        (long long)FLINC_PANE_RECORD(first, visit, i)->v);
    }
    len += snprintf(text + len, sizeof(text) - (size_t)len, " |");
    for (size_t i = 0; i < second->n; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %lld",
                        (long long)FLINC_PANE_RECORD(second, visit, i)->v);
    }
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = first->start_ms);
}

static int show_pair(flinc_ctx *ctx, const visit *a, const visit *b, flinc_out *out)
{
    char text[60];
    int len = snprintf(text, sizeof(text), "%lld %lld", (long long)a->v, (long long)b->v);
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = a->k);
}

static void two_streams_share_sessions(void **state)
{
    static uint32_t gap_columns[] = {2, 2};
    for (int join = 0; join < 2; join++) {
        struct general g;
        session_init(&g, 0);
        g.c.assigner.gap_columns = gap_columns;
        g.c.assigner.n_gap_columns = 2;
        g.c.config.late_output = 0;
        g.c.config.process = false;
        g.c.config.function = join ? FUNCTION(JOIN) : FUNCTION(CO_GROUP);
        g.c.config.input_second = g.c.config.input;
        g.c.config.key_columns_second = &g.c.key;
        g.c.config.n_key_columns_second = 1;
        g.o.kind = "flinc.window.join";
        g.o.inputs[1] = FLINC_TYPE(visit);
        g.o.outputs[1] = NULL;
        g.o.tags[1] = NULL;
        g.o.functions[0] = join ? (struct harness_function)FN(FLINC_FN_JOIN, show_pair)
                                : (struct harness_function)FN(FLINC_FN_CO_GROUP, show_both);
        struct harness *h = general_start(&g);
        must(
            harness_push_rows(h, 0, "1, 1, 10, odd @0\n1, 2, 10, odd @20\n2, 7, 5, even @1", &err));
        must(harness_push_rows(h, 1, "1, 3, 10, odd @21\n1, 4, 10, odd @10\n1, 5, 10, odd @70",
                               &err));
        harness_clear(h);
        must(harness_watermark(h, 0, 1000, &err));
        must(harness_watermark(h, 1, 1000, &err));
        check_sorted_rows(harness_rows(h, 0),
                          join ? "+I[1 3, 1] @30\n+I[1 4, 1] @30\n+I[2 3, 1] @30\n+I[2 4, 1] @30"
                               : "+I[until 31: 1 2 | 3 4, 0] @30\n+I[until 6: 7 |, 1] @5\n"
                                 "+I[until 80: | 5, 70] @79");
        harness_free(h);
    }
}

/* ---- against the oracle -------------------------------------------------------------------------- */

static int evict_all_but_the_last(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                                  uint8_t *evict)
{
    for (size_t i = 0; i + EVICTOR_KEEPS < pane->n; i++) {
        evict[i] = 1;
    }
    return 0;
}

static void random_shape(struct general *g, uint64_t seed)
{
    session_init(g, 8);
    switch (seed % 5) {
    case 1:
        use_reduce(g);
        break;
    case 2:
    case 3:
        use_aggregate(g, seed % 2 == 0);
        break;
    case 4:
        use_min_by(g);
        break;
    default:
        break;
    }
    g->c.config.allowed_lateness_ms = (int64_t)(seed / 5 % 3) * 13;
    if (seed / 15 % 3 == 1) {
        g->c.trigger.kind = TRIGGER(COUNT);
        g->c.trigger.count = 3;
    }
    g->c.trigger.purging = seed / 15 % 2 == 1;
    if (seed / 7 % 3 > 0) {
        use_evictor(g, FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT);
        g->c.evictor.count = EVICTOR_KEEPS;
        g->c.evictor.after = seed / 21 % 2 == 1;
    }
    if (seed / 7 % 3 == 2) { /* the same by a function */
        use_evictor(g, FLINC__WINDOW_EVICTOR_KIND__EVICTOR_FUNCTION);
        g->c.evictor.has_after = g->c.evictor.after;
        g->c.evictor.has_before = !g->c.evictor.after;
        use_function(g, (struct harness_function)FN(FLINC_FN_EVICT, evict_all_but_the_last));
    }
    if (seed / 4 % 3 == 1) {
        use_gap_function(g);
    } else if (seed / 4 % 3 == 2) {
        use_gap_column(g);
    }
}

static void push_random(struct session_vertex *v, struct oracle *o, struct rng *rng, int64_t now)
{
    struct str rows[SESSION_SUBTASKS_MAX] = {0};
    for (uint64_t n = rng_below(rng, 50); n > 0; n--) {
        int64_t key = (int64_t)rng_below(rng, KEYS);
        struct oracle_record r = {.v = (int64_t)rng_below(rng, 100) - 50,
                                  .gap = 1 + (int64_t)rng_below(rng, 12),
                                  .ts = now + (int64_t)rng_below(rng, 90) - 50};
        visit_row(&rows[session_owner(v, key)], key, r);
        oracle_add(o, key, r);
    }
    for (uint32_t i = 0; i < v->parallelism; i++) {
        if (rows[i].len > 0) {
            must(harness_push_rows(v->subtasks[i], 0, str_cstr(&rows[i]), &err));
        }
        str_fini(&rows[i]);
    }
    session_check(v, o);
}

static void check_random(uint64_t seed)
{
    struct general *g = MEM_NEW(struct general);
    struct oracle o;
    struct rng rng;
    rng_init(&rng, seed + 1);
    random_shape(g, seed);
    oracle_init(&o, &g->c);
    struct session_vertex v = {.g = g};
    session_vertex_open(&v, 1 + (uint32_t)(seed % 3), NULL);
    int64_t now = -100, watermark = -1000;
    for (int step = 0; step < STEPS; step++) {
        push_random(&v, &o, &rng, now);
        if (rng_below(&rng, 8) == 0) {
            session_vertex_restart(&v, 1 + (uint32_t)rng_below(&rng, SESSION_SUBTASKS_MAX));
            push_random(&v, &o, &rng, now); /* before the first watermark */
        }
        now += (int64_t)rng_below(&rng, 20);
        watermark = MAX(watermark, now - (int64_t)rng_below(&rng, 40));
        for (uint32_t i = 0; i < v.parallelism; i++) {
            must(harness_watermark(v.subtasks[i], 0, watermark, &err));
        }
        oracle_advance(&o, watermark);
        session_check(&v, &o);
    }
    for (uint32_t i = 0; i < v.parallelism; i++) {
        must(harness_watermark(v.subtasks[i], 0, INT64_MAX, &err));
    }
    oracle_advance(&o, INT64_MAX);
    session_check(&v, &o);
    session_vertex_close(&v);
    oracle_fini(&o);
    mem_free(g);
}

static void random_input_against_the_oracle(void **state)
{
    struct seeds seeds = seeds_from(0, SHAPES);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed += fixture_stride(8)) {
        check_random(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_between_merge_what_functions_made),
        cmocka_unit_test(late_records_fire_again_and_join),
        cmocka_unit_test(count_triggers_add_up),
        cmocka_unit_test(continuous_triggers_fire_on_the_way),
        cmocka_unit_test(continuous_triggers_come_again_when_sessions_grow),
        cmocka_unit_test(evictors_that_are_functions),
        cmocka_unit_test(processing_time_sessions),
        cmocka_unit_test(window_all_over_sessions),
        cmocka_unit_test(what_cannot_grow_together_is_refused),
        cmocka_unit_test(gaps_are_above_zero),
        cmocka_unit_test(two_streams_share_sessions),
        cmocka_unit_test(random_input_against_the_oracle),
    };
    return RUN_ON_BOTH(tests);
}
