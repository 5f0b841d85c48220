/* Windows across snapshots: a run that is stopped at a random place and goes on at another parallelism gives
 * the same rows as the naive evaluator, which never stopped: built-in aggregates, and functions.  FLINK-36663: after a restore the first watermark
 * fires no window again, and what was late stays late. */
#include "common/base/failpoint.h"
#include "engine/data/hash.h"
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define SUM FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM
#define COUNT FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT
#define MAX_OF FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX

enum { SUBTASKS_MAX = 5, KEYS = 23 };

/* ---- functions ----------------------------------------------------------------------------------- */

FLINC_STRUCT(reading, FLINC_INT32(k), FLINC_INT32(v));
FLINC_STRUCT(counted, FLINC_INT32(k), FLINC_INT64(n));
/* What it becomes: a field more, others elsewhere; "count" and "end" are names in the state of windows too. */
FLINC_STRUCT(counted_more, FLINC_INT64(count), FLINC_INT64(n), FLINC_INT32(k), FLINC_INT64(end));
FLINC_STRUCT(shown_value, FLINC_INT32(k), FLINC_INT64(window_start), FLINC_INT64(window_end),
             FLINC_INT64(value));

static bool sums_all; /* of show_all() */

static int add_readings(flinc_ctx *ctx, const reading *a, const reading *b, reading *out)
{
    *out = (reading){.k = a->k, .v = a->v + b->v};
    return 0;
}

static int count_add(flinc_ctx *ctx, const reading *in, counted *acc)
{
    acc->k = in->k;
    acc->n++;
    return 0;
}

static int count_merge(flinc_ctx *ctx, const counted *other, counted *acc)
{
    acc->n += other->n;
    return 0;
}

static int count_result(flinc_ctx *ctx, const counted *acc, counted *out)
{
    *out = *acc;
    return 0;
}

static int more_add(flinc_ctx *ctx, const reading *in, counted_more *acc)
{
    acc->k = in->k;
    acc->n++;
    acc->count++;
    return 0;
}

static int more_merge(flinc_ctx *ctx, const counted_more *other, counted_more *acc)
{
    acc->n += other->n;
    acc->count += other->count;
    return 0;
}

static int more_result(flinc_ctx *ctx, const counted_more *acc, counted *out)
{
    *out = (counted){.k = acc->k, .n = acc->n + acc->count * 100};
    return 0;
}

static int show_reading(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    const reading *r = FLINC_PANE_RECORD(pane, reading, 0);
    return FLINC_EMIT(out, shown_value, .k = r->k, .window_start = pane->start_ms,
                      .window_end = pane->end_ms, .value = r->v);
}

static int show_count(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    const counted *c = FLINC_PANE_RECORD(pane, counted, 0);
    return FLINC_EMIT(out, shown_value, .k = c->k, .window_start = pane->start_ms,
                      .window_end = pane->end_ms, .value = c->n);
}

/* The sum, or the number of all records. */
static int show_all(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    const reading *first = FLINC_PANE_RECORD(pane, reading, 0);
    int64_t value = 0;
    for (size_t i = 0; i < pane->n; i++) {
        value += sums_all ? FLINC_PANE_RECORD(pane, reading, i)->v : 1;
    }
    return FLINC_EMIT(out, shown_value, .k = first->k, .window_start = pane->start_ms,
                      .window_end = pane->end_ms, .value = value);
}

/* Sums by a reduce function, counts by an aggregate one; or either by a process function, which sees all records. */
static void set_functions(struct general *g, Flinc__WindowColumnKind aggregate, bool by_records)
{
    g->o = (struct harness_options){.inputs = {FLINC_TYPE(reading)},
                                    .outputs = {FLINC_TYPE(shown_value)}};
    g->c.config.process = true;
    g->c.config.input = g->c.config.value = general_desc(g, 0, FLINC_TYPE(reading));
    g->c.config.output = general_desc(g, 1, FLINC_TYPE(shown_value));
    if (by_records) {
        sums_all = aggregate == SUM;
        g->o.functions[0] = (struct harness_function)FN(FLINC_FN_WINDOW, show_all);
        return;
    }
    if (aggregate == SUM) {
        g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
        g->o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_readings);
        g->o.functions[1] = (struct harness_function)FN(FLINC_FN_WINDOW, show_reading);
        return;
    }
    g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    g->c.config.merges = true;
    g->c.config.accumulator = g->c.config.value = general_desc(g, 2, FLINC_TYPE(counted));
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, count_add);
    g->o.functions[1] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, count_result);
    g->o.functions[2] = (struct harness_function)FN(FLINC_FN_AGGREGATE_MERGE, count_merge);
    g->o.functions[3] = (struct harness_function)FN(FLINC_FN_WINDOW, show_count);
}

/* The accumulator has other fields. */
static void set_more(struct general *g)
{
    g->c.config.accumulator = general_desc(g, 3, FLINC_TYPE(counted_more));
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, more_add);
    g->o.functions[1] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, more_result);
    g->o.functions[2] = (struct harness_function)FN(FLINC_FN_AGGREGATE_MERGE, more_merge);
}

/* ---- subtasks ------------------------------------------------------------------------------------ */

/* An operator in several subtasks. */
struct vertex {
    const char *kind;
    struct general *functions; /* NULL: columns */
    struct window_config *config;
    Flinc__WindowColumnKind aggregate;
    uint32_t parallelism;
    uint32_t n_restarts;
    struct harness *subtasks[SUBTASKS_MAX];
};

static void vertex_open(struct vertex *v, uint32_t parallelism,
                        const Flinc__OperatorSubtaskState *restore)
{
    v->parallelism = parallelism;
    struct harness_options o = {
        .input_schemas = {WINDOW_INPUT},
        .output_schemas = {v->aggregate == MAX_OF
                               ? "ROW<k INT NOT NULL, window_start BIGINT NOT NULL, window_end "
                                 "BIGINT NOT NULL, value INT NOT NULL>"
                               : WINDOW_OUTPUT}};
    o = v->functions != NULL ? v->functions->o : o;
    o.kind = v->kind;
    o.config = &v->config->config.base;
    o.parallelism = parallelism;
    o.restore = restore;
    o.restore_checkpoint = 1;
    o.flags = restore != NULL ? OP_FLAG_RESTORED : 0;
    for (o.subtask = 0; o.subtask < parallelism; o.subtask++) {
        v->subtasks[o.subtask] = opened(&o);
    }
}

static void vertex_close(struct vertex *v)
{
    for (uint32_t i = 0; i < v->parallelism; i++) {
        harness_free(v->subtasks[i]);
    }
}

/* Stops with a snapshot and goes on with another parallelism, on disk every other time with a savepoint that the other backend takes. */
static void vertex_restart(struct vertex *v, uint32_t parallelism)
{
    Flinc__OperatorSubtaskState *states[SUBTASKS_MAX];
    const bool changes = fixture_disk.shared != NULL && ++v->n_restarts % 2 == 0;
    for (uint32_t i = 0; i < v->parallelism; i++) {
        must(harness_snapshot(v->subtasks[i], 1,
                              changes ? FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL
                                      : FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL,
                              &states[i], &err));
    }
    vertex_close(v);
    if (changes) {
        harness_set_disk(v->n_restarts % 4 == 2 ? NULL : &fixture_disk);
    }
    Flinc__OperatorSubtaskState *all = harness_join_states(states, v->parallelism);
    vertex_open(v, parallelism, all);
    flinc__operator_subtask_state__free_unpacked(all, NULL);
}

static uint32_t owner_of(const struct vertex *v, int64_t key)
{
    return key_group_subtask((uint32_t)key_hash_i64(key) % 128, 128, v->parallelism);
}

static void append_rows(struct str *all, const char *rows)
{
    if (rows[0] != '\0') {
        str_printf(all, "%s%s", all->len > 0 ? "\n" : "", rows);
    }
}

/* A step of random records for the vertex and for the evaluator. */
static void push_random(struct vertex *v, struct naive *naive, struct rng *rng, int64_t now,
                        int64_t spread)
{
    struct str rows[SUBTASKS_MAX] = {0};
    uint64_t n = rng_below(rng, 60);
    for (uint64_t i = 0; i < n; i++) {
        int64_t ts = now + (int64_t)rng_below(rng, (uint64_t)spread) - spread / 2;
        int64_t key = (int64_t)rng_below(rng, KEYS), value = (int64_t)rng_below(rng, 1000) - 500;
        str_printf(&rows[owner_of(v, key)], "%lld, %lld @%lld\n", (long long)key, (long long)value,
                   (long long)ts);
        naive_add(naive, key, ts, value);
    }
    for (uint32_t i = 0; i < v->parallelism; i++) {
        push(v->subtasks[i], str_cstr(&rows[i]));
        str_fini(&rows[i]);
    }
}

static void check_step(struct vertex *v, struct naive *naive, int64_t watermark)
{
    STR_AUTO expected = STR_INIT;
    STR_AUTO got = STR_INIT;
    naive_watermark(naive, watermark, v->aggregate, &expected);
    for (uint32_t i = 0; i < v->parallelism; i++) {
        harness_clear(v->subtasks[i]);
        must(harness_watermark(v->subtasks[i], 0, watermark, &err));
        append_rows(&got, harness_rows(v->subtasks[i], 0));
    }
    check_sorted_rows(str_cstr(&got), str_cstr(&expected));
}

static void check_random(uint64_t seed, const char *kind, Flinc__WindowAssignerKind assigner,
                         int64_t size, int64_t slide, Flinc__WindowColumnKind aggregate)
{
    struct general g;
    struct naive naive;
    struct rng rng;
    rng_init(&rng, seed);
    general_init(&g, assigner, size, slide);
    naive_init(&naive, &g.c.assigner);
    struct vertex v = {.kind = kind, .config = &g.c, .aggregate = aggregate};
    const bool by_records = strcmp(kind, "flinc.window.panes") == 0;
    if (by_records || strcmp(kind, "flinc.window.values") == 0 ||
        strcmp(kind, "flinc.window.general") == 0) {
        v.functions = &g;
        set_functions(&g, aggregate, by_records);
    } else {
        g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS;
        window_config_columns(&g.c, aggregate);
    }
    vertex_open(&v, 2, NULL);
    int64_t now = -100, watermark = INT64_MIN;
    for (int step = 0; step < 80 / (int)fixture_stride(4); step++) {
        push_random(&v, &naive, &rng, now, 40);
        if (rng_below(&rng, 6) == 0) {
            vertex_restart(&v, 1 + (uint32_t)rng_below(&rng, SUBTASKS_MAX));
            push_random(&v, &naive, &rng, now, 40); /* before the first watermark */
        }
        now += (int64_t)rng_below(&rng, 12);
        watermark = MAX(watermark, now - (int64_t)rng_below(&rng, 30));
        check_step(&v, &naive, watermark);
    }
    check_step(&v, &naive, INT64_MAX);
    vertex_close(&v);
    naive_fini(&naive);
    harness_set_disk(fixture_disk.shared != NULL ? &fixture_disk : NULL);
}

static void windows_go_on_exactly(void **state)
{
    static const int64_t shapes[][2] = {{10, 10}, {10, 5}, {60, 4}, {9, 6}, {4, 10}};
    static const Flinc__WindowColumnKind kinds[] = {COUNT, SUM, MAX_OF};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k += fixture_stride(2)) {
        for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
            check_random(s * 10 + k, "flinc.window.slices",
                         shapes[s][0] == shapes[s][1] ? FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
                                                      : FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING,
                         shapes[s][0], shapes[s][1], kinds[k]);
        }
        check_random(1000 + k, "flinc.window.sessions", FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION,
                     4, 0, kinds[k]);
        check_random(2000 + k, "flinc.window.sessions", FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION,
                     1, 0, kinds[k]);
    }
}

static void windows_of_functions_go_on_exactly(void **state)
{
    static const int64_t shapes[][2] = {{10, 10}, {10, 5}, {60, 4}, {9, 6}};
    static const Flinc__WindowColumnKind kinds[] = {COUNT, SUM};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k += fixture_stride(2)) {
        for (size_t s = 0; s < ARRAY_LEN(shapes); s += fixture_stride(3)) {
            check_random(3000 + s * 10 + k, "flinc.window.values",
                         FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING, shapes[s][0], shapes[s][1],
                         kinds[k]);
        }
        for (size_t s = 1; s < ARRAY_LEN(shapes); s++) {
            check_random(6000 + s * 10 + k, "flinc.window.panes",
                         FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING, shapes[s][0], shapes[s][1],
                         kinds[k]);
        }
        check_random(4000 + k, "flinc.window.general", FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING,
                     10, 10, kinds[k]);
        check_random(5000 + k, "flinc.window.general", FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION,
                     4, 0, kinds[k]);
    }
}

/* Subtasks that were at different watermarks become one: each key goes on from where it was. */
/* Sums of one operator or the other. */
static struct vertex summing(struct general *g, const char *kind, int64_t size, int64_t slide)
{
    general_init(g, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING, size, slide);
    struct vertex v = {.kind = kind, .config = &g->c, .aggregate = SUM};
    if (strcmp(kind, "flinc.window.slices") != 0) {
        v.functions = g;
        set_functions(g, SUM, strcmp(kind, "flinc.window.panes") == 0);
    } else {
        g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS;
        window_config_columns(&g->c, SUM);
    }
    return v;
}

static void check_not_equally_far(const char *kind)
{
    struct general g;
    struct vertex v = summing(&g, kind, 20, 10);
    vertex_open(&v, 2, NULL);
    int64_t first = 0, second = 0;
    while (owner_of(&v, first) != 0) {
        first++;
    }
    while (owner_of(&v, second) != 1) {
        second++;
    }
    char rows[200], expected[400];
    snprintf(rows, sizeof(rows), "%lld, 1 @5\n%lld, 2 @15", (long long)first, (long long)first);
    push(v.subtasks[0], rows);
    snprintf(rows, sizeof(rows), "%lld, 10 @5\n%lld, 20 @15", (long long)second, (long long)second);
    push(v.subtasks[1], rows);
    snprintf(expected, sizeof(expected), "+I[%lld, -10, 10, 1] @9\n+I[%lld, 0, 20, 3] @19",
             (long long)first, (long long)first);
    check_watermark(v.subtasks[0], 20, expected);
    check_watermark(v.subtasks[1], 5, "");
    vertex_restart(&v, 1);
    /* Late for the first key, whose windows up to 20 have fired, not for the second. */
    snprintf(rows, sizeof(rows), "%lld, 100 @6\n%lld, 200 @6", (long long)first, (long long)second);
    push(v.subtasks[0], rows);
    snprintf(expected, sizeof(expected), "+I[%lld, -10, 10, 210] @9\n+I[%lld, 0, 20, 230] @19",
             (long long)second, (long long)second);
    check_watermark(v.subtasks[0], 19, expected);
    snprintf(expected, sizeof(expected), "+I[%lld, 10, 30, 2] @29\n+I[%lld, 10, 30, 20] @29",
             (long long)first, (long long)second);
    check_watermark(v.subtasks[0], 40, expected);
    vertex_close(&v);
}

static void subtasks_that_were_not_equally_far(void **state)
{
    check_not_equally_far("flinc.window.slices");
    check_not_equally_far("flinc.window.values");
    check_not_equally_far("flinc.window.panes");
}

/* The bug itself: nothing comes but a watermark below the one before the restore. */
static void check_fired(const char *kind, const char *planted)
{
    struct error why = ERROR_INIT;
    struct general g;
    struct vertex v = summing(&g, kind, 20, 5);
    vertex_open(&v, 1, NULL);
    push(v.subtasks[0], "1, 1 @2");
    check_watermark(v.subtasks[0], 10, "+I[1, -15, 5, 1] @4\n+I[1, -10, 10, 1] @9");
    if (planted != NULL) {
        assert_int_equal(failpoint_configure(planted, &why), 0);
    }
    vertex_restart(&v, 1);
    failpoint_clear_all();
    if (planted != NULL) {
        check_watermark(v.subtasks[0], 9, "+I[1, -15, 5, 1] @4\n+I[1, -10, 10, 1] @9");
    } else {
        check_watermark(v.subtasks[0], 9, "");
        push(v.subtasks[0], "1, 2 @-20\n1, 4 @3");
        check_watermark(v.subtasks[0], 100, "+I[1, -5, 15, 5] @14\n+I[1, 0, 20, 5] @19");
    }
    vertex_close(&v);
}

static void flink_36663_no_window_fires_again(void **state)
{
    check_fired("flinc.window.slices", NULL);
    check_fired("flinc.window.values", NULL);
    check_fired("flinc.window.panes", NULL);
}

static void flink_36663_guard(void **state)
{
    check_fired("flinc.window.slices", "planted.window_forgets_what_fired=error");
    check_fired("flinc.window.values", "planted.window_forgets_what_fired=error");
}

static void check_evolution(const char *kind, Flinc__WindowAssignerKind assigner, int64_t size,
                            int64_t slide, int64_t watermark, const char *expected)
{
    struct general g;
    general_init(&g, assigner, size, slide);
    struct vertex v = {.kind = kind, .config = &g.c, .functions = &g, .aggregate = COUNT};
    set_functions(&g, COUNT, false);
    vertex_open(&v, 1, NULL);
    push(v.subtasks[0], "1, 1 @1\n1, 1 @2");
    set_more(&g);
    vertex_restart(&v, 1);
    push(v.subtasks[0], "1, 1 @3");
    check_watermark(v.subtasks[0], watermark, expected);
    vertex_close(&v);
}

static void accumulators_may_change(void **state)
{
    const Flinc__WindowAssignerKind sliding = FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING;
    check_evolution("flinc.window.values", sliding, 10, 10, 9, "+I[1, 0, 10, 103] @9");
    check_evolution("flinc.window.values", sliding, 20, 10, 9, "+I[1, -10, 10, 103] @9");
    check_evolution("flinc.window.general", sliding, 20, 10, 9, "+I[1, -10, 10, 103] @9");
    check_evolution("flinc.window.general", FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, 10, 0, 12,
                    "+I[1, 1, 13, 103] @12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_go_on_exactly),
        cmocka_unit_test(windows_of_functions_go_on_exactly),
        cmocka_unit_test(subtasks_that_were_not_equally_far),
        cmocka_unit_test(flink_36663_no_window_fires_again),
        cmocka_unit_test(flink_36663_guard),
        cmocka_unit_test(accumulators_may_change),
    };
    return RUN_ON_BOTH(tests);
}
