/* flinc.window.general: the delta trigger, the delta evictor, and aggregates of one column (sum, min, max,
 * minBy, maxBy). */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
#define GLOBAL FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL
#define DELTA FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DELTA
#define AT_END "@9223372036854775807"
#define FOREVER ", -9223372036854775808] " AT_END

static double difference(flinc_ctx *ctx, const event *older, const event *newer)
{
    assert_int_equal(older->k.data[0], newer->k.data[0]); /* strings, too, are kept */
    return (double)(newer->v - older->v);
}

static double refuse(flinc_ctx *ctx, const event *older, const event *newer)
{
    (void)flinc_ctx_fail(ctx, "no way from %lld", (long long)older->v);
    return 0;
}

static void delta_init(struct general *g, Flinc__WindowAssignerKind kind, bool purging)
{
    general_init(g, kind, 100, 100);
    g->c.trigger.kind = DELTA;
    g->c.trigger.threshold = 10;
    g->c.trigger.purging = purging;
    g->o.functions[1] = (struct harness_function)FN(FLINC_FN_DELTA, difference);
}

static void fires_when_it_has_gone_far_enough(void **state)
{
    struct general g;
    delta_init(&g, GLOBAL, true);
    struct harness *h = general_start(&g);
    check_push(h, "a, 1\na, 11\nb, 5\na, 12\na, 22\nb, 6", "+I[a: 1 11 12" FOREVER);
    /* From 12 on, in this batch and the next one; each key on its own. */
    check_push(h, "a, 22", "");
    check_push(h, "a, 23\nb, 15\na, 40", "+I[a: 22 22 23" FOREVER "\n+I[a: 40" FOREVER);
    check_push(h, "b, 16", "+I[b: 5 6 15 16" FOREVER);
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void without_purging_records_stay(void **state)
{
    struct general g;
    delta_init(&g, TUMBLING, false);
    struct harness *h = general_start(&g);
    check_push(h, "a, 1 @1\na, 12 @2\na, 1 @101\na, 30 @3",
               "+I[a: 1 12, 0] @99\n+I[a: 1 12 30, 0] @99");
    check_push(h, "a, 12 @102", "+I[a: 1 12, 100] @199");
    check_watermark(h, 99,
                    ""); /* the window goes without firing, and what it measured from with it */
    check_watermark(h, 199, "");
    harness_free(h);
}

static void more_rows_than_a_tile(void **state)
{
    struct general g;
    delta_init(&g, GLOBAL, true);
    struct harness *h = general_start(&g);
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 1000; i++) {
        str_printf(&rows, "%c, %d\n", 'a' + i % 2, i);
    }
    harness_clear(h);
    must(harness_push_rows(h, 0, str_cstr(&rows), &err));
    /* A key has every other number: it is 12 further every six records. */
    assert_int_equal(harness_row_count(h, 0), 2 * (499 / 6));
    harness_free(h);
}

static void what_it_measured_from_is_restored(void **state)
{
    struct general g;
    delta_init(&g, GLOBAL, true);
    struct harness *h = general_start(&g);
    check_push(h, "a, 1\nb, 100\na, 20", "+I[a: 1 20" FOREVER);
    Flinc__OperatorSubtaskState *s = NULL;
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    g.o.restore_checkpoint = 1;
    g.o.flags = OP_FLAG_RESTORED;
    h = general_start(&g);
    check_push(h, "a, 30\nb, 110", "");
    check_push(h, "a, 31\nb, 111", "+I[a: 30 31" FOREVER "\n+I[b: 100 110 111" FOREVER);
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

static void a_failing_function_is_named(void **state)
{
    struct general g;
    struct error e = ERROR_INIT;
    delta_init(&g, GLOBAL, true);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_DELTA, refuse);
    struct harness *h = general_start(&g);
    assert_true(harness_push_rows(h, 0, "a, 7\na, 8", &e) < 0);
    assert_non_null(strstr(e.message, "no way from 7"));
    assert_non_null(strstr(e.message, "refuse"));
    harness_free(h);
}

static void evictor_by_delta(void **state)
{
    for (int after = 0; after < 2; after++) {
        struct general g;
        general_init(&g, GLOBAL, 0, 0);
        g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
        g.c.trigger.count = 3;
        g.c.config.evictor = &g.c.evictor;
        g.c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_DELTA;
        g.c.evictor.threshold = 10;
        g.c.evictor.after = after;
        g.o.functions[1] = (struct harness_function)FN(FLINC_FN_DELTA, difference);
        struct harness *h = general_start(&g);
        check_push(h, "a, 1\na, 5\na, 14", after ? "+I[a: 1 5 14" FOREVER : "+I[a: 5 14" FOREVER);
        check_push(h, "a, 2\na, 3\na, 15",
                   after ? "+I[a: 5 14 2 3 15" FOREVER : "+I[a: 14 15" FOREVER);
        check_push(h, "a, 0\na, 0\na, 0",
                   after ? "+I[a: 14 15 0 0 0" FOREVER : "+I[a: 14 15 0 0 0" FOREVER);
        harness_free(h);
    }
}

/* ---- one column of the records ------------------------------------------------------------------ */

FLINC_STRUCT(sample, FLINC_STRING(k), FLINC_INT32(n), FLINC_NULLABLE(FLINC_DOUBLE(x)),
             FLINC_STRING(tag));

static void check_fold(Flinc__AggregateKind kind, uint32_t column, const char *expected)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD;
    g.c.config.process = false;
    g.c.config.aggregate = kind;
    g.c.config.column = column;
    g.c.config.first = true;
    g.c.config.input = g.c.config.value = g.c.config.output =
        general_desc(&g, 0, FLINC_TYPE(sample));
    memset(g.o.functions, 0, sizeof(g.o.functions));
    g.o.inputs[0] = g.o.outputs[0] = FLINC_TYPE(sample);
    struct harness *h = general_start(&g);
    push(h, "a, 5, NULL, p @1\na, 7, 2.5, r @2\nb, 1, NULL, s @3\na, -3, 2.5, q @4\na, 7, 1, o @5");
    check_watermark(h, 9, expected);
    harness_free(h);
}

static void sum_min_and_max_keep_the_first_record(void **state)
{
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_SUM, 1,
               "+I[a, 16, null, p] @9\n+I[b, 1, null, s] @9");
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_SUM, 2,
               "+I[a, 5, 6.0, p] @9\n+I[b, 1, null, s] @9");
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_MIN, 1,
               "+I[a, -3, null, p] @9\n+I[b, 1, null, s] @9");
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_MAX, 3,
               "+I[a, 5, null, r] @9\n+I[b, 1, null, s] @9");
}

static void min_by_and_max_by_give_the_whole_record(void **state)
{
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY, 1,
               "+I[a, 7, 2.5, r] @9\n+I[b, 1, null, s] @9");
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY, 1,
               "+I[a, -3, 2.5, q] @9\n+I[b, 1, null, s] @9");
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY, 2,
               "+I[a, 7, 1.0, o] @9\n+I[b, 1, null, s] @9");
    check_fold(FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY, 2,
               "+I[a, 7, 2.5, r] @9\n+I[b, 1, null, s] @9");
}

static void strings_have_no_sum(void **state)
{
    struct general g;
    struct error e = ERROR_INIT;
    struct harness *h = NULL;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD;
    g.c.config.process = false;
    g.c.config.value = g.c.config.output = g.c.config.input;
    g.c.config.aggregate = FLINC__AGGREGATE_KIND__AGGREGATE_SUM;
    g.o.outputs[0] = FLINC_TYPE(event);
    memset(g.o.functions, 0, sizeof(g.o.functions));
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    assert_true(harness_open(h, &e) < 0);
    assert_non_null(strstr(e.message, "column 0 cannot be aggregated"));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_when_it_has_gone_far_enough),
        cmocka_unit_test(without_purging_records_stay),
        cmocka_unit_test(more_rows_than_a_tile),
        cmocka_unit_test(what_it_measured_from_is_restored),
        cmocka_unit_test(a_failing_function_is_named),
        cmocka_unit_test(evictor_by_delta),
        cmocka_unit_test(sum_min_and_max_keep_the_first_record),
        cmocka_unit_test(min_by_and_max_by_give_the_whole_record),
        cmocka_unit_test(strings_have_no_sum),
    };
    return RUN_ON_BOTH(tests);
}
