/* flinc.window.general: allowed lateness, firing again, late records. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING

static void late_records_fire_again_until_the_clean_up(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.allowed_lateness_ms = 5;
    g.c.config.late_output = 1;
    g.o.outputs[1] = FLINC_TYPE(event);
    g.o.tags[1] = "late";
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1");
    check_watermark(h, 9, "+I[a: 1, 0] @9");
    /* Each late record fires; so does one of a key that was not there. */
    check_push(h, "a, 2 @2\nb, 3 @3\na, 4 @4",
               "+I[a: 1 2, 0] @9\n+I[b: 3, 0] @9\n+I[a: 1 2 4, 0] @9");
    check_watermark(h, 13, "");
    check_push(h, "b, 5 @9", "+I[b: 3 5, 0] @9");
    check_watermark(h, 14, ""); /* end - 1 + lateness: gone */
    check_push(h, "a, 6 @9\nb, 7 @10", "");
    assert_string_equal(harness_rows(h, 1), "+I[a, 6] @9");
    check_watermark(h, 100, "+I[b: 7, 10] @19");
    harness_free(h);
}

static void purging_and_lateness(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.allowed_lateness_ms = 100;
    g.c.trigger.purging = true;
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\na, 2 @2");
    check_watermark(h, 20, "+I[a: 1 2, 0] @9");
    check_push(h, "a, 3 @3\na, 4 @4", "+I[a: 3, 0] @9\n+I[a: 4, 0] @9");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void lateness_across_a_restore(void **state)
{
    struct general g;
    Flinc__OperatorSubtaskState *s = NULL;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.allowed_lateness_ms = 10;
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1");
    check_watermark(h, 12, "+I[a: 1, 0] @9");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    h = general_start(&g);
    check_push(h, "a, 2 @2", "+I[a: 1 2, 0] @9"); /* before any watermark */
    check_watermark(h, 18, "");
    check_push(h, "a, 3 @3", "+I[a: 1 2 3, 0] @9");
    check_watermark(h, 19, "");
    check_push(h, "a, 4 @4", "");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_records_fire_again_until_the_clean_up),
        cmocka_unit_test(purging_and_lateness),
        cmocka_unit_test(lateness_across_a_restore),
    };
    return RUN_ON_BOTH(tests);
}
