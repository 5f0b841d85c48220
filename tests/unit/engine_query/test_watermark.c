/* flinc.query.watermark. */
#include "engine/query/query.h"
#include "tests/unit/engine_query/expressions.h"

#define INPUT "ROW<t TIMESTAMP(3), v INT>"

static struct harness *watermark(const char *sql, int64_t idle_timeout_ms,
                                 const struct clock *clock)
{
    Flinc__QueryWatermarkConfig config = FLINC__QUERY_WATERMARK_CONFIG__INIT;
    struct expressions e;
    expressions_init(&e, INPUT);
    config.watermark = expressions_add(&e, sql);
    config.exprs = expressions_list(&e);
    config.idle_timeout_ms = idle_timeout_ms;
    struct harness *h = opened(&(struct harness_options){
        .desc = &query_watermark,
        .input_schemas = {INPUT},
        .output_schemas = {INPUT},
        .config = &config.base,
        .clock = clock,
    });
    expressions_fini(&e);
    return h;
}

static void watermarks_rise(void **state)
{
    struct harness *h = watermark("t - INTERVAL '1' SECOND", 0, NULL);
    must(harness_push_rows(h, 0, "5000, 1\n9000, 2\n7000, 3", &err));
    assert_non_null(strstr(harness_rows(h, 0), "watermark 8000"));
    harness_clear(h);
    must(harness_push_rows(h, 0, "6000, 4", &err)); /* below: nothing is told */
    assert_null(strstr(harness_rows(h, 0), "watermark"));
    must(harness_push_rows(h, 0, "12500, 5", &err));
    assert_non_null(strstr(harness_rows(h, 0), "watermark 11500"));
    harness_clear(h);
    must(harness_watermark(h, 0, 99000, &err)); /* from above: ends here */
    assert_string_equal(harness_rows(h, 0), "");
    must(harness_watermark(h, 0, INT64_MAX, &err));
    assert_string_equal(harness_rows(h, 0), "watermark MAX");
    harness_free(h);
}

static void a_row_without_time_fails(void **state)
{
    struct harness *h = watermark("t", 0, NULL);
    must_fail(harness_push_rows(h, 0, "NULL, 1", &err), ERR_INVALID_ARGUMENT,
              "RowTime field should not be null");
    harness_free(h);
}

static void without_rows_it_is_idle(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct harness *h = watermark("t", 1000, &clock.base);
    must(harness_push_rows(h, 0, "5000, 1", &err));
    harness_clear(h);
    clock_manual_advance_ms(&clock, 999);
    must(harness_processing_time(h, &err));
    assert_string_equal(harness_rows(h, 0), "");
    clock_manual_advance_ms(&clock, 1);
    must(harness_processing_time(h, &err));
    assert_string_equal(harness_rows(h, 0), "idle");
    harness_clear(h);
    must(harness_push_rows(h, 0, "5000, 1", &err));
    assert_non_null(strstr(harness_rows(h, 0), "active"));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watermarks_rise),
        cmocka_unit_test(a_row_without_time_fails),
        cmocka_unit_test(without_rows_it_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
