/* flinc.window.panes (process functions) and flinc.window.values (reduce and aggregate functions) give what
 * flinc.window.general does, where every window keeps its own: random records, early, late and too late,
 * through snapshots and restores. */
#include "engine/operators/window/value_window.h"
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define SLIDING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING

/* ---- functions --------------------------------------------------------------------------------- */

FLINC_STRUCT(spread, FLINC_STRING(k), FLINC_INT64(low), FLINC_INT64(high), FLINC_INT64(n));
FLINC_STRUCT(span, FLINC_STRING(k), FLINC_INT64(width));

static int spread_add(flinc_ctx *ctx, const event *in, spread *acc)
{
    acc->low = acc->n == 0 || in->v < acc->low ? in->v : acc->low;
    acc->high = acc->n == 0 || in->v > acc->high ? in->v : acc->high;
    acc->k = in->k;
    acc->n++;
    return 0;
}

static int spread_result(flinc_ctx *ctx, const spread *acc, span *out)
{
    out->k = acc->k;
    out->width = (acc->high - acc->low) * 1000 + acc->n;
    return 0;
}

static int spread_merge(flinc_ctx *ctx, const spread *other, spread *acc)
{
    acc->low = other->low < acc->low ? other->low : acc->low;
    acc->high = other->high > acc->high ? other->high : acc->high;
    acc->n += other->n;
    return 0;
}

static int refuse(flinc_ctx *ctx, const event *a, const event *b, event *out)
{
    return flinc_ctx_fail(ctx, "no %lld", (long long)b->v);
}

static int show_span(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    char text[64];
    int len =
        snprintf(text, sizeof(text), "%.*s %lld", (int)FLINC_PANE_RECORD(pane, span, 0)->k.len,
                 FLINC_PANE_RECORD(pane, span, 0)->k.data,
                 (long long)FLINC_PANE_RECORD(pane, span, 0)->width);
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = pane->start_ms);
}

enum shape { PROCESS, REDUCE, REDUCE_PROCESS, AGGREGATE, AGGREGATE_PROCESS, SUM, MIN_BY, SHAPES };

static void give_record(struct general *g)
{
    g->c.config.process = false;
    g->c.config.value = g->c.config.output = g->c.config.input;
    g->o.outputs[0] = FLINC_TYPE(event);
}

static void set_aggregate(struct general *g, bool with_process)
{
    g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    g->c.config.accumulator = general_desc(g, 2, FLINC_TYPE(spread));
    g->c.config.value = general_desc(g, 3, FLINC_TYPE(span));
    g->c.config.process = with_process;
    g->c.config.merges = true;
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, spread_add);
    g->o.functions[1] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, spread_result);
    g->o.functions[2] = (struct harness_function)FN(FLINC_FN_AGGREGATE_MERGE, spread_merge);
    if (with_process) {
        g->o.functions[3] = (struct harness_function)FN(FLINC_FN_WINDOW, show_span);
    } else {
        g->c.config.output = g->c.config.value;
        g->o.outputs[0] = FLINC_TYPE(span);
    }
}

static void set_fold(struct general *g, Flinc__AggregateKind kind)
{
    give_record(g);
    g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD;
    g->c.config.aggregate = kind;
    g->c.config.column = 1;
    g->c.config.first = true;
    memset(g->o.functions, 0, sizeof(g->o.functions));
}

static void set_shape(struct general *g, enum shape shape)
{
    switch (shape) {
    case REDUCE:
        give_record(g);
        g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
        g->o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
        break;
    case REDUCE_PROCESS:
        g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
        g->c.config.value = g->c.config.input;
        g->o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
        g->o.functions[1] = (struct harness_function)FN(FLINC_FN_WINDOW, show);
        break;
    case AGGREGATE:
    case AGGREGATE_PROCESS:
        set_aggregate(g, shape == AGGREGATE_PROCESS);
        break;
    case SUM:
        set_fold(g, FLINC__AGGREGATE_KIND__AGGREGATE_SUM);
        break;
    case MIN_BY:
        set_fold(g, FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY);
        break;
    default:
        break;
    }
}

/* ---- both operators ---------------------------------------------------------------------------- */

struct trial {
    uint64_t seed;
    enum shape shape;
    int64_t size, slide, offset, lateness;
    bool all, purging, processing_time;
    uint32_t keys;
};

struct pair {
    struct clock_manual clock;
    struct general configs[2]; /* of general, of the other */
    struct harness *h[2];
};

static const char *kind_of(enum shape shape)
{
    return shape == PROCESS ? "flinc.window.panes" : "flinc.window.values";
}

static void pair_start(struct pair *p, const struct trial *t)
{
    const char *kinds[] = {"flinc.window.general", kind_of(t->shape)};
    for (int i = 0; i < 2; i++) {
        struct general *g = &p->configs[i];
        general_init(g, SLIDING, t->size, t->slide);
        set_shape(g, t->shape);
        g->c.assigner.offset_ms = t->offset;
        g->c.assigner.processing_time = t->processing_time;
        g->c.config.allowed_lateness_ms = t->lateness;
        g->c.trigger.purging = t->purging;
        g->c.config.n_key_columns = t->all ? 0 : 1;
        g->c.config.late_output = 1;
        g->o.outputs[1] = FLINC_TYPE(event);
        g->o.tags[1] = "late";
        g->o.kind = kinds[i];
        g->o.clock = t->processing_time ? &p->clock.base : NULL;
        p->h[i] = general_start(g);
    }
}

static void pair_check(struct pair *p)
{
    for (uint32_t output = 0; output < 2; output++) {
        check_sorted_rows(harness_rows(p->h[1], output), harness_rows(p->h[0], output));
    }
    harness_clear(p->h[0]);
    harness_clear(p->h[1]);
}

/* The general operator gets them one by one: records that it gets together it takes window by window. */
static void pair_push(struct pair *p, const char *rows)
{
    struct slice rest = slice_cstr(rows), row;
    while (rest.len > 0 && slice_next(&rest, '\n', &row)) {
        char text[200];
        snprintf(text, sizeof(text), "%.*s", (int)row.len, row.data);
        must(harness_push_rows(p->h[0], 0, text, &err));
    }
    must(harness_push_rows(p->h[1], 0, rows, &err));
    pair_check(p);
}

static void pair_watermark(struct pair *p, int64_t watermark)
{
    for (int i = 0; i < 2; i++) {
        must(harness_watermark(p->h[i], 0, watermark, &err));
    }
    pair_check(p);
}

static void pair_processing_time(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        must(harness_processing_time(p->h[i], &err));
    }
    pair_check(p);
}

static void pair_restore(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        Flinc__OperatorSubtaskState *s = NULL;
        must(harness_snapshot(p->h[i], 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
        harness_free(p->h[i]);
        p->configs[i].o.restore = s;
        p->h[i] = general_start(&p->configs[i]);
        flinc__operator_subtask_state__free_unpacked(s, NULL);
        p->configs[i].o.restore = NULL;
    }
}

static void pair_end(struct pair *p)
{
    pair_watermark(p, INT64_MAX);
    harness_free(p->h[0]);
    harness_free(p->h[1]);
}

static void random_rows(struct rng *rng, const struct trial *t, int64_t now, struct str *rows)
{
    uint64_t n = rng_below(rng, 12);
    int64_t reach = rng_below(rng, 4) == 0 ? 2 * t->size : t->size / 2 + 2;
    for (uint64_t i = 0; i < n; i++) {
        int64_t ts = now + (int64_t)rng_below(rng, (uint64_t)reach) - reach / 2;
        uint64_t key = rng_below(rng, t->keys);
        str_printf(rows, "%s%s%llu, %lld @%lld", rows->len > 0 ? "\n" : "",
                   key % 3 == 0 ? "a-key-longer-than-twelve-" : "k", (unsigned long long)key,
                   (long long)rng_below(rng, 50), (long long)ts);
    }
}

static void run_trial(const struct trial *t)
{
    struct pair p;
    struct rng rng;
    rng_init(&rng, t->seed);
    pair_start(&p, t);
    int64_t now = -2 * t->size, watermark = INT64_MIN;
    for (int step = 0; step < 120 / (int)fixture_stride(4); step++) {
        STR_AUTO rows = STR_INIT;
        random_rows(&rng, t, now, &rows);
        if (rows.len > 0) {
            pair_push(&p, str_cstr(&rows));
        }
        if (rng_below(&rng, 10) == 0) {
            pair_restore(&p);
        }
        now += (int64_t)rng_below(&rng, (uint64_t)(rng_below(&rng, 15) == 0 ? 3 * t->size : 6));
        watermark = MAX(watermark, now - (int64_t)rng_below(&rng, (uint64_t)t->size));
        pair_watermark(&p, watermark);
    }
    pair_end(&p);
}

static void panes_give_what_windows_give(void **state)
{
    static const int64_t sizes[][2] = {{10, 5}, {12, 1}, {9, 6}, {40, 4}, {7, 3}};
    for (enum shape shape = 0; shape < SHAPES; shape++) {
        for (size_t s = 0; s < ARRAY_LEN(sizes); s += fixture_stride(3)) {
            for (uint64_t k = 0; k < 3; k++) {
                run_trial(&(struct trial){.seed = s * 10 + k,
                                          .shape = shape,
                                          .size = sizes[s][0],
                                          .slide = sizes[s][1],
                                          .offset = k == 1 ? -(sizes[s][1] - 1) : 0,
                                          .lateness = k == 2 ? sizes[s][0] : 0,
                                          .purging = k == 1,
                                          .keys = k == 0 ? 3 : 40});
            }
        }
    }
}

/* One pane is a window. */
static void tumbling_windows_of_values(void **state)
{
    for (enum shape shape = REDUCE; shape < SHAPES; shape++) {
        for (uint64_t k = 0; k < 4; k++) {
            run_trial(&(struct trial){.seed = 100 + k,
                                      .shape = shape,
                                      .size = 8,
                                      .slide = 8,
                                      .offset = k == 1 ? -3 : 0,
                                      .lateness = k == 2 ? 20 : 0,
                                      .purging = k == 1,
                                      .all = k == 3,
                                      .keys = k == 0 ? 40 : 3});
        }
    }
}

static void window_all_shares_panes_too(void **state)
{
    for (enum shape shape = 0; shape < SHAPES; shape++) {
        run_trial(&(struct trial){.seed = shape,
                                  .shape = shape,
                                  .size = 12,
                                  .slide = 4,
                                  .lateness = shape % 2 == 0 ? 5 : 0,
                                  .all = true,
                                  .keys = 1});
    }
}

/* Both operators live by one clock, which moves between records; it is never the last millisecond of a
 * window, where the general operator does not wait for further records. */
static void processing_time_fires_by_the_clock(void **state)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        const struct trial t = {.seed = seed,
                                .shape = seed % 2 == 0 ? PROCESS : AGGREGATE,
                                .size = 12,
                                .slide = 4,
                                .processing_time = true,
                                .keys = 5};
        struct pair p;
        struct rng rng;
        rng_init(&rng, t.seed);
        clock_manual_init(&p.clock);
        pair_start(&p, &t);
        for (int step = 0; step < 100 / (int)fixture_stride(4); step++) {
            STR_AUTO rows = STR_INIT;
            random_rows(&rng, &t, 0, &rows);
            if (rows.len > 0) {
                pair_push(&p, str_cstr(&rows));
            }
            if (rng_below(&rng, 10) == 0) {
                pair_restore(&p);
            }
            clock_manual_advance_ms(&p.clock, 2 * (int64_t)rng_below(&rng, 4));
            pair_processing_time(&p);
        }
        clock_manual_advance_ms(&p.clock, 100);
        pair_processing_time(&p);
        pair_end(&p);
    }
}

/* ---- by hand ----------------------------------------------------------------------------------- */

FLINC_STRUCT(order_seen, FLINC_STRING(k), FLINC_INT64(start), FLINC_INT64(n), FLINC_INT64(order));

/* The number of records and what tells their order. */
static int show_order(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    uint64_t order = 0;
    for (size_t i = 0; i < pane->n; i++) {
        order = order * 31 + (uint64_t)FLINC_PANE_RECORD(pane, event, i)->v;
    }
    return FLINC_EMIT(out, order_seen, .k = FLINC_PANE_RECORD(pane, event, 0)->k,
                      .start = pane->start_ms, .n = (int64_t)pane->n, .order = (int64_t)order);
}

static struct harness *start_order(struct general *g, int64_t size, int64_t slide)
{
    general_init(g, SLIDING, size, slide);
    g->c.config.output = general_desc(g, 1, FLINC_TYPE(order_seen));
    g->o.outputs[0] = FLINC_TYPE(order_seen);
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_WINDOW, show_order);
    g->o.kind = "flinc.window.panes";
    return general_start(g);
}

/* Several windows of each are due at one watermark: more results than a call gives, and more keys than are looked at
 * together. */
static void many_keys_with_many_windows(void **state)
{
    enum { KEYS = 2500, PART = 500, SIZE = 40, SLIDE = 10 };
    struct general g;
    struct harness *h = start_order(&g, SIZE, SLIDE);
    STR_AUTO expected = STR_INIT;
    for (int first = 0; first < KEYS; first += PART) {
        STR_AUTO rows = STR_INIT;
        for (int k = first; k < first + PART; k++) {
            str_printf(&rows, "key-%d, 1 @7\nkey-%d, 2 @23\nkey-%d, 3 @5\n", k, k, k);
        }
        push(h, str_cstr(&rows));
    }
    for (int k = 0; k < KEYS; k++) {
        for (int start = -30; start <= 20; start += SLIDE) {
            const bool early = start <= 0, later = start + SIZE > 23;
            str_printf(&expected, "+I[key-%d, %d, %d, %d] @%d\n", k, start,
                       (early ? 2 : 0) + (later ? 1 : 0),
                       early && later ? (1 * 31 + 2) * 31 + 3
                       : early        ? 1 * 31 + 3
                                      : 2,
                       start + SIZE - 1);
        }
    }
    check_watermark(h, 1000, str_cstr(&expected));
    assert_true(harness_more_count(h) > 0);
    check_watermark(h, 2000, "");
    harness_free(h);
}

/* Blocks that are read together have less; records come out of order of their times. */
static void windows_with_many_records(void **state)
{
    enum { ROWS = 3000, SIZE = 1000, SLIDE = 250 };
    struct general g;
    struct harness *h = start_order(&g, SIZE, SLIDE);
    STR_AUTO rows = STR_INIT;
    STR_AUTO expected = STR_INIT;
    for (int i = 0; i < ROWS; i++) {
        str_printf(&rows, "%s, %d @%d\n", i % 10 == 0 ? "b" : "a", i, i * 7919 % 2000);
        if (i % 1000 == 999) {
            push(h, str_cstr(&rows));
            str_clear(&rows);
        }
    }
    for (int key = 0; key < 2; key++) {
        for (int start = SLIDE - SIZE; start < 2000; start += SLIDE) {
            uint64_t n = 0, order = 0;
            for (int i = 0; i < ROWS; i++) {
                int ts = i * 7919 % 2000;
                if ((i % 10 == 0) == (key == 1) && ts >= start && ts < start + SIZE) {
                    order = order * 31 + (uint64_t)i;
                    n++;
                }
            }
            str_printf(&expected, "+I[%s, %d, %llu, %lld] @%d\n", key == 1 ? "b" : "a", start,
                       (unsigned long long)n, (long long)order, start + SIZE - 1);
        }
    }
    check_watermark(h, 10000, str_cstr(&expected));
    harness_free(h);
}

static void check_savepoint(const struct keyed_disk *from, const struct keyed_disk *to,
                            const char *expected[3])
{
    Flinc__OperatorSubtaskState *s = NULL;
    struct general g;
    general_init(&g, SLIDING, 20, 10);
    g.c.config.allowed_lateness_ms = 15;
    g.o.kind = "flinc.window.panes";
    harness_set_disk(from);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @3\nb, 2 @12\na, 3 @14");
    check_watermark(h, 9, "+I[a: 1, -10] @9");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL, &s, &err));
    harness_free(h);
    harness_set_disk(to);
    g.o.restore = s;
    h = general_start(&g);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
    check_push(h, "a, 4 @8", expected[0]);
    check_watermark(h, 19, expected[1]);
    check_watermark(h, 1000, expected[2]);
    harness_free(h);
}

/* A canonical savepoint goes from one backend to the other, with windows that have fired and are kept for late records. */
static void savepoints_go_to_the_other_backend(void **state)
{
    const char *expected[] = {"+I[a: 1 4, -10] @9", "+I[a: 1 3 4, 0] @19\n+I[b: 2, 0] @19",
                              "+I[a: 3, 10] @29\n+I[b: 2, 10] @29"};
    const struct keyed_disk *disk = fixture_disk.shared != NULL ? &fixture_disk : NULL;
    check_savepoint(NULL, disk, expected);
    check_savepoint(disk, NULL, expected);
    check_savepoint(disk, disk, expected);
    harness_set_disk(disk);
}

static void a_gap_costs_nothing_and_fires_nothing(void **state)
{
    struct general g;
    general_init(&g, SLIDING, 1000, 10);
    g.o.kind = "flinc.window.panes";
    struct harness *h = general_start(&g);
    push(h, "a, 1 @5");
    check_watermark(h, 9, "+I[a: 1, -990] @9");
    push(h, "a, 2 @1000000005");
    harness_clear(h);
    must(harness_watermark(h, 0, 1000000000, &err));
    assert_int_equal(harness_row_count(h, 0), 99); /* the rest of the first record's windows */
    check_watermark(h, 1000000009, "+I[a: 2, 999999010] @1000000009");
    harness_free(h);
}

static void a_failing_function_is_named(void **state)
{
    struct general g;
    general_init(&g, SLIDING, 10, 5);
    set_shape(&g, REDUCE);
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, refuse);
    g.o.kind = "flinc.window.values";
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\na, 2 @6"); /* two panes */
    check_watermark(h, 4, "+I[a, 1] @4");
    must_fail(harness_watermark(h, 0, 9, &err), ERR_USER_CODE, "no 2");
    harness_free(h);
}

/* What sliding windows remember beside the panes is of the budget of state, too. */
static void nodes_are_of_the_budget(void **state)
{
    if (fixture_stride(2) > 1) {
        skip(); /* there are none */
    }
    struct mem_budget budget;
    mem_budget_init(&budget, "managed", 1 << 30, NULL);
    struct general g;
    struct harness *h;
    general_init(&g, SLIDING, 10, 5);
    set_shape(&g, REDUCE);
    g.o.kind = kind_of(REDUCE);
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    harness_context(h)->state_budget = &budget;
    must(harness_open(h, &err));
    uint64_t before = atomic_load(&budget.used_bytes);
    push(h, "a, 1 @1");
    uint64_t pools = VALUE_POOL_ITEMS * (sizeof(struct value_node) + sizeof(struct value_key));
    assert_true(atomic_load(&budget.used_bytes) - before > pools);
    harness_free(h);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void check_refused(enum shape shape, int change)
{
    struct general g;
    struct harness *h;
    general_init(&g, SLIDING, 10, 5);
    set_shape(&g, shape);
    g.o.kind = kind_of(shape);
    g.o.config = &g.c.config.base;
    switch (change) {
    case 0:
        g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
        g.c.trigger.count = 3;
        break;
    case 1:
        g.c.trigger.purging = true;
        g.c.config.allowed_lateness_ms = 1;
        break;
    case 2:
        g.c.assigner.slide_ms = 11;
        break;
    default:
        g.c.config.merges = false;
        g.o.functions[2] = (struct harness_function){0};
    }
    must(harness_new(&g.o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "panes");
    harness_free(h);
}

static void what_has_no_panes_is_refused(void **state)
{
    for (int change = 0; change < 3; change++) {
        check_refused(PROCESS, change);
        check_refused(REDUCE, change);
    }
    check_refused(AGGREGATE, 3);
    struct general g;
    struct harness *h;
    general_init(&g, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    g.o.kind = "flinc.window.values"; /* a process function alone has no value */
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "panes of values");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panes_give_what_windows_give),
        cmocka_unit_test(tumbling_windows_of_values),
        cmocka_unit_test(window_all_shares_panes_too),
        cmocka_unit_test(processing_time_fires_by_the_clock),
        cmocka_unit_test(many_keys_with_many_windows),
        cmocka_unit_test(windows_with_many_records),
        cmocka_unit_test(savepoints_go_to_the_other_backend),
        cmocka_unit_test(a_gap_costs_nothing_and_fires_nothing),
        cmocka_unit_test(a_failing_function_is_named),
        cmocka_unit_test(nodes_are_of_the_budget),
        cmocka_unit_test(what_has_no_panes_is_refused),
    };
    return RUN_ON_BOTH(tests);
}
