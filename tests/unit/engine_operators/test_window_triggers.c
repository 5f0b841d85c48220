/* flinc.window.general: triggers and evictors, one by one. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
#define GLOBAL FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL

static void count_fires_with_each_nth_record(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
    g.c.trigger.count = 2;
    struct harness *h = general_start(&g);
    check_push(h, "a, 1 @1\nb, 2 @1\na, 3 @2\na, 4 @3\na, 5 @4",
               "+I[a: 1 3, 0] @9\n+I[a: 1 3 4 5, 0] @9");
    check_push(h, "b, 6 @12", "");
    check_push(h, "b, 7 @9", "+I[b: 2 7, 0] @9");
    check_watermark(h, 100, ""); /* not at the end: what is left goes with its window */
    harness_free(h);
}

static void purging_empties_the_window(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
    g.c.trigger.count = 2;
    g.c.trigger.purging = true;
    struct harness *h = general_start(&g);
    check_push(h, "a, 1 @1\na, 3 @2\na, 4 @3\na, 5 @4\na, 6 @4",
               "+I[a: 1 3, 0] @9\n+I[a: 4 5, 0] @9");
    check_push(h, "a, 7 @5", "+I[a: 6 7, 0] @9");
    harness_free(h);
}

static void continuous_event_time(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 100, 100);
    g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME;
    g.c.trigger.interval_ms = 30;
    struct harness *h = general_start(&g);
    push(h, "a, 1 @5");
    check_watermark(h, 29, "");
    check_watermark(h, 30, "+I[a: 1, 0] @99");
    push(h, "a, 2 @35");
    check_watermark(h, 65, "+I[a: 1 2, 0] @99");
    check_watermark(h, 98, "+I[a: 1 2, 0] @99");
    check_watermark(h, 99, "+I[a: 1 2, 0] @99");
    check_watermark(h, 1000, "");
    harness_free(h);
}

static void continuous_processing_time_over_global_windows(void **state)
{
    struct clock_manual clock;
    struct general g;
    clock_manual_init(&clock);
    general_init(&g, GLOBAL, 0, 0);
    g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_PROCESSING_TIME;
    g.c.trigger.interval_ms = 1000;
    g.o.clock = &clock.base;
    struct harness *h = general_start(&g);
    push(h, "a, 1 @5");
    clock_manual_advance_ms(&clock, 999);
    must(harness_processing_time(h, &err));
    assert_string_equal(harness_rows(h, 0), "");
    clock_manual_advance_ms(&clock, 1);
    must(harness_processing_time(h, &err));
    assert_int_equal(harness_row_count(h, 0), 1);
    clock_manual_advance_ms(&clock, 1000);
    must(harness_processing_time(h, &err));
    assert_int_equal(harness_row_count(h, 0), 2);
    harness_free(h);
}

static void processing_time_windows(void **state)
{
    struct clock_manual clock;
    struct general g;
    clock_manual_init(&clock);
    general_init(&g, TUMBLING, 1000, 1000);
    g.c.assigner.processing_time = true;
    g.o.clock = &clock.base;
    struct harness *h = general_start(&g);
    push(h, "a, 1\nb, 2");
    clock_manual_advance_ms(&clock, 500);
    push(h, "a, 3");
    clock_manual_advance_ms(&clock, 499);
    must(harness_processing_time(h, &err));
    check_sorted_rows(harness_rows(h, 0), "+I[a: 1 3, 1000000000000] @1000000000999\n"
                                          "+I[b: 2, 1000000000000] @1000000000999");
    assert_int_equal(harness_timer(h), INT64_MAX);
    harness_free(h);
}

static void global_windows_never_fire_by_themselves(void **state)
{
    struct general g;
    general_init(&g, GLOBAL, 0, 0);
    struct harness *h = general_start(&g);
    push(h, "a, 1\nb, 2 @4");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void evictor_by_count(void **state)
{
    for (int after = 0; after < 2; after++) {
        struct general g;
        general_init(&g, GLOBAL, 0, 0);
        g.c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
        g.c.trigger.count = 2;
        g.c.config.evictor = &g.c.evictor;
        g.c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT;
        g.c.evictor.count = 3;
        g.c.evictor.after = after;
        struct harness *h = general_start(&g);
        harness_clear(h);
        must(harness_push_rows(h, 0, "a, 1\na, 2\na, 3\na, 4\na, 5", &err));
        must(harness_push_rows(h, 0, "a, 6\na, 7\na, 8", &err));
        STR_AUTO got = STR_INIT;
        str_append_cstr(&got, harness_rows(h, 0));
        const char *expected[] = {"a: 1 2,", "a: 2 3 4,",   "a: 4 5 6,",     "a: 6 7 8,",
                                  "a: 1 2,", "a: 1 2 3 4,", "a: 2 3 4 5 6,", "a: 4 5 6 7 8,"};
        for (int i = 0; i < 4; i++) {
            assert_non_null(strstr(str_cstr(&got), expected[after * 4 + i]));
        }
        harness_free(h);
    }
}

static void evictor_by_time(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 100, 100);
    g.c.config.evictor = &g.c.evictor;
    g.c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_TIME;
    g.c.evictor.time_ms = 10;
    struct harness *h = general_start(&g);
    push(h, "a, 1 @80\na, 2 @81\na, 3 @90\na, 4 @85");
    check_watermark(h, 99, "+I[a: 2 3 4, 0] @99");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count_fires_with_each_nth_record),
        cmocka_unit_test(purging_empties_the_window),
        cmocka_unit_test(continuous_event_time),
        cmocka_unit_test(continuous_processing_time_over_global_windows),
        cmocka_unit_test(processing_time_windows),
        cmocka_unit_test(global_windows_never_fire_by_themselves),
        cmocka_unit_test(evictor_by_count),
        cmocka_unit_test(evictor_by_time),
    };
    return RUN_ON_BOTH(tests);
}
