/* flinc.window.slices, tumbling: which window, when, what, in event and processing time. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_fixture.h"

#define SUM FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM
#define COUNT FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT

static struct harness *tumbling(struct window_config *c, Flinc__WindowColumnKind kind)
{
    if (c->config.n_columns == 0) {
        window_config_columns(c, kind);
    }
    return opened(&(struct harness_options){.kind = "flinc.window.slices",
                                            .input_schemas = {WINDOW_INPUT},
                                            .output_schemas = {WINDOW_OUTPUT},
                                            .config = &c->config.base});
}

static void a_window_fires_when_its_last_moment_is_over(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 0);
    c.assigner.slide_ms = 10;
    struct harness *h = tumbling(&c, SUM);
    push(h, "1, 5 @0\n1, 6 @9\n2, 7 @5\n1, 8 @10");
    check_watermark(h, 8, "");
    check_watermark(h, 9, "+I[1, 0, 10, 11] @9\n+I[2, 0, 10, 7] @9");
    push(h, "2, 1 @25");
    check_watermark(h, 18, "");
    check_watermark(h, INT64_MAX, "+I[1, 10, 20, 8] @19\n+I[2, 20, 30, 1] @29");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void windows_before_1970_and_offsets(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    c.assigner.offset_ms = 3;
    struct harness *h = tumbling(&c, COUNT);
    push(h, "1, 0 @-8\n1, 0 @-7\n1, 0 @2\n1, 0 @3\n1, 0 @12\n1, 0 @13");
    check_watermark(h, 100,
                    "+I[1, -17, -7, 1] @-8\n+I[1, -7, 3, 2] @2\n+I[1, 3, 13, 2] @12\n"
                    "+I[1, 13, 23, 1] @22");
    harness_free(h);
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    c.assigner.offset_ms = -3;
    h = tumbling(&c, COUNT);
    push(h, "1, 0 @-3\n1, 0 @-4\n1, 0 @6\n1, 0 @7");
    check_watermark(h, 100, "+I[1, -13, -3, 1] @-4\n+I[1, -3, 7, 2] @6\n+I[1, 7, 17, 1] @16");
    harness_free(h);
}

static void late_records_are_dropped(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    struct harness *h = tumbling(&c, SUM);
    push(h, "1, 1 @5\n1, 2 @15");
    check_watermark(h, 12, "+I[1, 0, 10, 1] @9");
    push(h, "1, 100 @9\n1, 4 @11\n2, 100 @0");
    check_watermark(h, 19, "+I[1, 10, 20, 6] @19");
    harness_free(h);
}

static void late_records_to_the_side_output(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    c.config.late_output = 1;
    window_config_columns(&c, SUM);
    struct harness *h =
        opened(&(struct harness_options){.kind = "flinc.window.slices",
                                         .input_schemas = {WINDOW_INPUT},
                                         .output_schemas = {WINDOW_OUTPUT, WINDOW_INPUT},
                                         .tags = {NULL, "late"},
                                         .config = &c.config.base});
    push(h, "1, 1 @5");
    check_watermark(h, 20, "+I[1, 0, 10, 1] @9");
    must(harness_push_rows(h, 0, "1, 7 @19\n1, 8 @20\n2, 9 @3", &err));
    assert_string_equal(harness_rows(h, 1), "+I[1, 7] @19\n+I[2, 9] @3");
    check_watermark(h, 29, "+I[1, 20, 30, 8] @29");
    harness_free(h);
}

static void all_aggregates_side_by_side(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX, 1);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY, 0);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG, 1);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN, 2);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM, 2);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT_OF, 2);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT, 0);
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG, 2);
    struct harness *h = opened(&(struct harness_options){
        .kind = "flinc.window.slices",
        .input_schemas = {"ROW<k STRING NOT NULL, a SMALLINT NOT NULL, b DOUBLE>"},
        .output_schemas = {"ROW<max_a SMALLINT NOT NULL, k STRING NOT NULL, avg_a DOUBLE NOT NULL, "
                           "min_b DOUBLE, sum_b DOUBLE, n_b BIGINT NOT NULL, n BIGINT NOT NULL, "
                           "avg_b DOUBLE>"},
        .config = &c.config.base});
    push(h, "a-key-longer-than-twelve, -3, 2.5 @1\na-key-longer-than-twelve, -4, NULL @2\n"
            "a-key-longer-than-twelve, -20, -1.5 @3\nx, 7, NULL @4");
    check_watermark(h, 9,
                    "+I[-3, a-key-longer-than-twelve, -9.0, -1.5, 1.0, 2, 3, 0.5] @9\n"
                    "+I[7, x, 7.0, null, null, 0, 1, null] @9");
    harness_free(h);
}

static void processing_time_windows(void **state)
{
    struct clock_manual clock;
    struct window_config c;
    clock_manual_init(&clock); /* 1,000,000,000,000 is a multiple of 10 s */
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10000, 10000);
    c.assigner.processing_time = true;
    window_config_columns(&c, SUM);
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.window.slices",
                                                         .input_schemas = {WINDOW_INPUT},
                                                         .output_schemas = {WINDOW_OUTPUT},
                                                         .clock = &clock.base,
                                                         .config = &c.config.base});
    push(h, "1, 1\n2, 2 @77");
    clock_manual_advance_ms(&clock, 9998);
    push(h, "1, 3");
    must(harness_watermark(h, 0, INT64_MAX, &err));
    must(harness_processing_time(h, &err));
    assert_string_equal(harness_rows(h, 0), "");
    clock_manual_advance_ms(&clock, 1);
    must(harness_processing_time(h, &err));
    check_sorted_rows(harness_rows(h, 0), "+I[1, 1000000000000, 1000000010000, 4] @1000000009999\n"
                                          "+I[2, 1000000000000, 1000000010000, 2] @1000000009999");
    assert_int_equal(harness_timer(h), INT64_MAX);
    harness_free(h);
}

static void window_all_has_one_result_per_window(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    c.config.n_key_columns = 0;
    window_config_add(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_END, 0);
    window_config_add(&c, SUM, 1);
    struct harness *h = opened(
        &(struct harness_options){.kind = "flinc.window.slices",
                                  .input_schemas = {WINDOW_INPUT},
                                  .output_schemas = {"ROW<at BIGINT NOT NULL, s INT NOT NULL>"},
                                  .config = &c.config.base});
    push(h, "1, 1 @1\n2, 2 @2\n3, 4 @9\n4, 8 @10");
    check_watermark(h, 1000, "+I[10, 7] @9\n+I[20, 8] @19");
    harness_free(h);
}

static void many_keys_leave_batch_by_batch(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    struct harness *h = tumbling(&c, COUNT);
    STR_AUTO rows = STR_INIT;
    for (int round = 0; round < 20; round++) {
        str_clear(&rows);
        for (int i = 0; i < 2000; i++) {
            str_printf(&rows, "%d, 1 @%d\n", round * 2000 + i, i % 10);
        }
        push(h, str_cstr(&rows));
    }
    harness_clear(h);
    must(harness_watermark(h, 0, 9, &err));
    assert_int_equal(harness_row_count(h, 0), 40000);
    assert_int_equal(harness_batch_count(h, 0), 20);
    assert_int_equal(harness_more_count(h), 2);
    assert_int_equal(harness_max_emitted(h), 8);
    harness_free(h);
}

static void what_cannot_be_is_said(void **state)
{
    struct window_config c;
    struct harness *h = NULL;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    h = tumbling(&c, SUM);
    must_fail(harness_push_rows(h, 0, "1, 1", &err), ERR_INVALID_ARGUMENT, "has no timestamp");
    must_fail(harness_push_rows(h, 0, "-D 1, 1 @1", &err), ERR_UNSUPPORTED, "inserts only");
    harness_free(h);
    static const int64_t sizes[][3] = {{0, 10, 0}, {10, 0, 0}, {10, 10, 10}, {10, 10, -10}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, sizes[i][0],
                           sizes[i][1]);
        c.assigner.offset_ms = sizes[i][2];
        window_config_columns(&c, SUM);
        must(harness_new(&(struct harness_options){.kind = "flinc.window.slices",
                                                   .input_schemas = {WINDOW_INPUT},
                                                   .output_schemas = {WINDOW_OUTPUT},
                                                   .config = &c.config.base},
                         &h, &err));
        must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "size and slide are positive");
        harness_free(h);
    }
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, 10, 10);
    window_config_columns(&c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG);
    must(harness_new(&(struct harness_options){.kind = "flinc.window.slices",
                                               .input_schemas = {WINDOW_INPUT},
                                               .output_schemas = {WINDOW_OUTPUT},
                                               .config = &c.config.base},
                     &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "cannot hold avg");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_fires_when_its_last_moment_is_over),
        cmocka_unit_test(windows_before_1970_and_offsets),
        cmocka_unit_test(late_records_are_dropped),
        cmocka_unit_test(late_records_to_the_side_output),
        cmocka_unit_test(all_aggregates_side_by_side),
        cmocka_unit_test(processing_time_windows),
        cmocka_unit_test(window_all_has_one_result_per_window),
        cmocka_unit_test(many_keys_leave_batch_by_batch),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return RUN_ON_BOTH(tests);
}
