/* flinc.window.general: evictors that are functions. */
#include "flinc/time.h"
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
#define GLOBAL FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL

/* Odd values, and those of the first two milliseconds of the window. */
static int evict_odd(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                     uint8_t *evict)
{
    for (size_t i = 0; i < pane->n; i++) {
        assert_int_equal(evict[i], 0);
        evict[i] = FLINC_PANE_RECORD(pane, event, i)->v % 2 != 0 ||
                   (timestamps[i] != FLINC_NO_TIMESTAMP && timestamps[i] < pane->start_ms + 2);
    }
    return 0;
}

static int evict_large(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                       uint8_t *evict)
{
    for (size_t i = 0; i < pane->n; i++) {
        evict[i] = FLINC_PANE_RECORD(pane, event, i)->v >= 100;
    }
    return 0;
}

static int evict_all(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                     uint8_t *evict)
{
    assert_true(pane->n > 0);
    memset(evict, 1, pane->n);
    return 0;
}

static int refuse(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps, uint8_t *evict)
{
    return flinc_ctx_fail(ctx, "nothing of %zu goes", pane->n);
}

static void set_evictor(struct general *g, bool before, bool after)
{
    g->c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_FUNCTION;
    g->c.evictor.has_before = before;
    g->c.evictor.has_after = after;
    g->c.config.evictor = &g->c.evictor;
}

/* Fires with each record, so that it shows what is left. */
static void init_every_record(struct general *g)
{
    general_init(g, GLOBAL, 0, 0);
    g->c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
    g->c.trigger.count = 1;
}

static void before_the_function(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    set_evictor(&g, true, false);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_EVICT, evict_odd);
    struct harness *h = general_start(&g);
    push(h, "a, 2 @1\na, 4 @2\na, 5 @3\na, 6 @9\nb, 1 @5\na, 8 @11\na, 10 @12");
    check_watermark(h, 9, "+I[a: 4 6, 0] @9"); /* nothing is left of b */
    check_watermark(h, 100, "+I[a: 10, 10] @19");
    harness_free(h);
}

static void behind_the_function_and_across_a_restore(void **state)
{
    struct general g;
    Flinc__OperatorSubtaskState *s = NULL;
    init_every_record(&g);
    set_evictor(&g, false, true);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_EVICT, evict_large);
    struct harness *h = general_start(&g);
    check_push(h, "a, 1\na, 100\na, 2",
               "+I[a: 1 100, -9223372036854775808] @9223372036854775807\n"
               "+I[a: 1 2, -9223372036854775808] @9223372036854775807\n"
               "+I[a: 1, -9223372036854775808] @9223372036854775807");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    h = general_start(&g);
    check_push(h, "a, 300", "+I[a: 1 2 300, -9223372036854775808] @9223372036854775807");
    check_push(h, "a, 3", "+I[a: 1 2 3, -9223372036854775808] @9223372036854775807");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

static void before_and_behind(void **state)
{
    struct general g;
    init_every_record(&g);
    set_evictor(&g, true, true);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_EVICT, evict_odd);
    g.o.functions[2] = (struct harness_function)FN(FLINC_FN_EVICT, evict_large);
    struct harness *h = general_start(&g);
    check_push(h, "a, 1", ""); /* nothing is left: the second function is not asked */
    check_push(h, "a, 100", "+I[a: 100, -9223372036854775808] @9223372036854775807");
    check_push(h, "a, 2", "+I[a: 2, -9223372036854775808] @9223372036854775807");
    harness_free(h);
    init_every_record(&g);
    set_evictor(&g, true, true);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_EVICT, evict_all);
    g.o.functions[2] = (struct harness_function)FN(FLINC_FN_EVICT, refuse);
    h = general_start(&g);
    check_push(h, "a, 1\na, 2", "");
    harness_free(h);
}

static void reduce_sees_what_is_left(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
    g.c.config.value = g.c.config.input;
    set_evictor(&g, true, false);
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_WINDOW, show);
    g.o.functions[2] = (struct harness_function)FN(FLINC_FN_EVICT, evict_odd);
    struct harness *h = general_start(&g);
    push(h, "a, 2 @5\na, 3 @5\na, 4 @9");
    check_watermark(h, 9, "+I[a: 6, 0] @9");
    harness_free(h);
}

static void mistakes(void **state)
{
    struct general g;
    init_every_record(&g);
    set_evictor(&g, false, true);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_EVICT, refuse);
    struct harness *h = general_start(&g);
    must_fail(harness_push_rows(h, 0, "a, 1", &err), ERR_USER_CODE, "nothing of 1 goes");
    harness_free(h);
    init_every_record(&g);
    set_evictor(&g, false, false);
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    must_fail(harness_open(h, &err), ERR_UNSUPPORTED, "evictors by count, time, delta or function");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_function),
        cmocka_unit_test(behind_the_function_and_across_a_restore),
        cmocka_unit_test(before_and_behind),
        cmocka_unit_test(reduce_sees_what_is_left),
        cmocka_unit_test(mistakes),
    };
    return RUN_ON_BOTH(tests);
}
