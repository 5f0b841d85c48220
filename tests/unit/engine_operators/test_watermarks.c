/* Timestamps and watermarks of all strategies, idleness, and the end of input. */
#include "flinc/time.h"
#include "proto/operators.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(event, FLINC_STRING(key), FLINC_NULLABLE(FLINC_INT64(at)));

static struct clock_manual test_clock;

/* FLINC_TYPE(event) as the message that the functions' reader wants. */
static Flinc__StructDesc *record_of(const flinc_struct *type)
{
    static Flinc__StructField fields[2];
    static Flinc__StructField *pointers[2];
    static Flinc__StructDesc desc;
    flinc__struct_desc__init(&desc);
    desc.name = (char *)(uintptr_t)type->name;
    desc.size = type->size;
    desc.n_fields = type->n_fields;
    desc.fields = pointers;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        flinc__struct_field__init(&fields[i]);
        fields[i].name = (char *)(uintptr_t)type->fields[i].name;
        fields[i].kind = type->fields[i].kind;
        fields[i].offset = type->fields[i].offset;
        fields[i].null_offset = type->fields[i].null_offset;
        pointers[i] = &fields[i];
    }
    return &desc;
}

static struct harness *make(Flinc__WatermarkConfig config, struct harness_options options)
{
    clock_manual_init(&test_clock);
    config.record = record_of(FLINC_TYPE(event));
    options.kind = "flinc.timestamps_and_watermarks";
    options.config = &config.base;
    options.clock = &test_clock.base;
    if (options.input_schemas[0] == NULL) {
        options.inputs[0] = options.outputs[0] = FLINC_TYPE(event);
    }
    return opened(&options);
}

static Flinc__WatermarkConfig strategy(Flinc__WatermarkKind kind)
{
    Flinc__WatermarkConfig c = FLINC__WATERMARK_CONFIG__INIT;
    c.kind = kind;
    c.has_column = true;
    c.column = 1;
    return c;
}

static void pass_time(struct harness *h, int64_t ms)
{
    clock_manual_advance_ms(&test_clock, ms);
    must(harness_processing_time(h, &err));
}

static void check(struct harness *h, const char *rows)
{
    assert_string_equal(harness_rows(h, 0), rows);
    harness_clear(h);
}

static void ascending_timestamps(void **state)
{
    struct harness *h = make(strategy(FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS),
                             (struct harness_options){.kind = NULL});
    pass_time(h, 500);
    check(h, ""); /* nothing is known yet */
    must(harness_push_rows(h, 0, "a, 10\nb, 30\nc, 20", &err));
    check(h, "+I[a, 10] @10\n+I[b, 30] @30\n+I[c, 20] @20");
    pass_time(h, 199);
    check(h, "");
    pass_time(h, 1);
    check(h, "watermark 29");
    pass_time(h, 1000);
    check(h, "");
    must(harness_push_rows(h, 0, "d, 5\ne, 40 @1", &err));
    harness_clear(h);
    must(harness_flush(h, &err)); /* the input pauses */
    check(h, "watermark 39");
    harness_free(h);
}

static void bounded_out_of_orderness(void **state)
{
    Flinc__WatermarkConfig c = strategy(FLINC__WATERMARK_KIND__WATERMARK_BOUNDED);
    c.max_out_of_orderness_ms = 5000;
    struct harness *h = make(c, (struct harness_options){.kind = NULL});
    must(harness_push_rows(h, 0, "a, 100000\nb, 98000", &err));
    harness_clear(h);
    pass_time(h, 200);
    check(h, "watermark 94999");
    must(harness_push_rows(h, 0, "a, -9223372036854775807", &err)); /* no overflow */
    harness_clear(h);
    pass_time(h, 200);
    check(h, "");
    harness_free(h);
    h = make(c, (struct harness_options){.kind = NULL});
    must(harness_push_rows(h, 0, "a, -9223372036854775807", &err));
    harness_clear(h);
    pass_time(h, 200);
    check(h, "");
    harness_free(h);
}

static void watermarks_from_above_end_here(void **state)
{
    struct harness *h = make(strategy(FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS),
                             (struct harness_options){.kind = NULL});
    must(harness_watermark(h, 0, 1000, &err));
    check(h, "");
    must(harness_push_rows(h, 0, "a, 10", &err));
    must(harness_watermark(h, 0, INT64_MAX, &err));
    check(h, "+I[a, 10] @10\nwatermark MAX");
    pass_time(h, 1000);
    check(h, ""); /* nothing behind it */
    harness_free(h);
}

static void no_watermarks_before_the_end(void **state)
{
    struct harness *h = make(strategy(FLINC__WATERMARK_KIND__WATERMARK_NONE),
                             (struct harness_options){.kind = NULL});
    must(harness_push_rows(h, 0, "a, 10", &err));
    pass_time(h, 1000);
    check(h, "+I[a, 10] @10");
    assert_int_equal(harness_timer(h), INT64_MAX);
    must(harness_watermark(h, 0, INT64_MAX, &err));
    check(h, "watermark MAX");
    harness_free(h);
}

static void a_silent_stream_is_idle(void **state)
{
    Flinc__WatermarkConfig c = strategy(FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS);
    c.idle_timeout_ms = 1000;
    struct harness *h = make(c, (struct harness_options){.kind = NULL});
    must(harness_push_rows(h, 0, "a, 10", &err));
    pass_time(h, 900);
    check(h, "+I[a, 10] @10\nwatermark 9");
    pass_time(h, 100);
    check(h, "idle");
    pass_time(h, 5000);
    check(h, "");
    must(harness_push_rows(h, 0, "b, 20", &err));
    check(h, "active\n+I[b, 20] @20");
    pass_time(h, 999);
    check(h, "watermark 19");
    pass_time(h, 1);
    check(h, "idle");
    harness_free(h);
    h = make(c, (struct harness_options){.kind = NULL}); /* never a record */
    pass_time(h, 1000);
    check(h, "idle");
    harness_free(h);
}

/* ---- functions --------------------------------------------------------------------------------- */

static int64_t twice(flinc_ctx *ctx, const event *in, int64_t old)
{
    return old == FLINC_NO_TIMESTAMP ? in->at * 2 : old;
}

static int64_t every_x(flinc_ctx *ctx, const event *in, int64_t timestamp)
{
    return in->key.data[0] == 'x' ? timestamp : FLINC_NO_WATERMARK;
}

static int64_t periodic(flinc_ctx *ctx)
{
    return 77;
}

static int64_t failing(flinc_ctx *ctx, const event *in, int64_t old)
{
    return flinc_ctx_fail(ctx, "no time");
}

static void timestamps_by_function(void **state)
{
    Flinc__WatermarkConfig c = strategy(FLINC__WATERMARK_KIND__WATERMARK_CUSTOM);
    c.has_column = false;
    c.has_timestamp_function = c.has_on_periodic = true;
    struct harness *h =
        make(c, (struct harness_options){.functions = {FN(FLINC_FN_TIMESTAMP, twice),
                                                       FN(FLINC_FN_WATERMARK_PERIODIC, periodic)}});
    must(harness_push_rows(h, 0, "a, 10\nb, 30 @7", &err));
    check(h, "+I[a, 10] @20\n+I[b, 30] @7");
    pass_time(h, 200);
    check(h, "watermark 77");
    pass_time(h, 200);
    check(h, "");
    harness_free(h);
    c.has_on_periodic = false;
    h = make(c, (struct harness_options){.functions = {FN(FLINC_FN_TIMESTAMP, failing)}});
    must_fail(harness_push_rows(h, 0, "a, 10", &err), ERR_USER_CODE, "no time");
    harness_free(h);
}

/* The watermark is right behind its record. */
static void watermarks_by_event_split_the_batch(void **state)
{
    Flinc__WatermarkConfig c = strategy(FLINC__WATERMARK_KIND__WATERMARK_CUSTOM);
    c.has_on_event = true;
    struct harness_options options = {.functions = {FN(FLINC_FN_WATERMARK_EVENT, every_x)}};
    struct harness *h = make(c, options);
    must(harness_push_rows(h, 0, "a, 1\nx, 2\nb, 3\nc, 4\nx, 1\nx, 6\nd, 7", &err));
    check(h, "+I[a, 1] @1\n+I[x, 2] @2\nwatermark 2\n+I[b, 3] @3\n+I[c, 4] @4\n+I[x, 1] @1\n"
             "+I[x, 6] @6\nwatermark 6\n+I[d, 7] @7");
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 1000; i++) {
        str_printf(&rows, "%sx, %d", i > 0 ? "\n" : "", 10 + i);
    }
    must(harness_push_rows(h, 0, str_cstr(&rows), &err));
    assert_int_equal(harness_row_count(h, 0), 1000);
    assert_int_equal(harness_batch_count(h, 0), 1000);
    assert_true(harness_max_emitted(h) <= OPERATOR_EMIT_MAX);
    harness_free(h);
}

/* ---- columns ----------------------------------------------------------------------------------- */

static void columns_of_all_times(void **state)
{
    static const struct {
        const char *type, *value, *row;
    } cases[] = {
        {"INT NOT NULL", "5", " @5"},       {"BIGINT", "5", " @5"},
        {"DATE", "2", " @172800000"},       {"TIMESTAMP(3)", "1234", " @1234"},
        {"TIMESTAMP_LTZ(6)", "-1", " @-1"}, {"TIMESTAMP(6)", "1999", " @1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char schema[80], rows[80];
        snprintf(schema, sizeof(schema), "ROW<k INT, at %s>", cases[i].type);
        snprintf(rows, sizeof(rows), "1, %s", cases[i].value);
        struct harness *h =
            make(strategy(FLINC__WATERMARK_KIND__WATERMARK_NONE),
                 (struct harness_options){.input_schemas = {schema}, .output_schemas = {schema}});
        must(harness_push_rows(h, 0, rows, &err));
        const char *at = strstr(harness_rows(h, 0), " @");
        assert_string_equal(at != NULL ? at : "", cases[i].row);
        harness_free(h);
    }
}

static void mistakes_are_named(void **state)
{
    struct harness *h = make(strategy(FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS),
                             (struct harness_options){.kind = NULL});
    must_fail(harness_push_rows(h, 0, "a, 1\nb, NULL", &err), ERR_INVALID_ARGUMENT,
              "column 'at' is the timestamp of records and is NULL");
    harness_free(h);
    Flinc__WatermarkConfig c = strategy(FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS);
    c.column = 0;
    must(harness_new(&(struct harness_options){.kind = "flinc.timestamps_and_watermarks",
                                               .config = &c.base,
                                               .inputs = {FLINC_TYPE(event)},
                                               .outputs = {FLINC_TYPE(event)}},
                     &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "not from 'key'");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascending_timestamps),
        cmocka_unit_test(bounded_out_of_orderness),
        cmocka_unit_test(watermarks_from_above_end_here),
        cmocka_unit_test(no_watermarks_before_the_end),
        cmocka_unit_test(a_silent_stream_is_idle),
        cmocka_unit_test(timestamps_by_function),
        cmocka_unit_test(watermarks_by_event_split_the_batch),
        cmocka_unit_test(columns_of_all_times),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
