/* The harness itself: rows as text, wake-ups, events, time. */
#include "common/base/thread.h"
#include "engine/state/state.h"
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(row, FLINC_STRING(s), FLINC_NULLABLE(FLINC_DOUBLE(d)), FLINC_BOOL(b));

static int keep(flinc_ctx *ctx, const row *in)
{
    return 1;
}

static struct harness *make(void)
{
    return opened(&(struct harness_options){.kind = "flinc.filter",
                                            .functions = {FN(FLINC_FN_FILTER, keep)},
                                            .inputs = {FLINC_TYPE(row)},
                                            .outputs = {FLINC_TYPE(row)}});
}

static void rows_in_and_out(void **state)
{
    struct harness *h = make();
    check_rows(h, 0, "a b, 1.5, true\n'x, y', NULL, false\n, -2e3, true @-5",
               "+I[a b, 1.5, true] @none\n+I[x, y, null, false] @none\n+I[, -2000.0, true] @-5");
    check_rows(h, 0, "-U 'it', 1, true", "-U[it, 1.0, true]");
    check_rows(h, 0, "", "");
    must_fail(harness_push_rows(h, 0, "a, b, true", &err), ERR_PARSE,
              "'b' is no value of column 'd'");
    must_fail(harness_push_rows(h, 0, "'a, 1, true", &err), ERR_PARSE, "a quote is not closed");
    must_fail(harness_push_rows(h, 0, "a, 1, true, 7", &err), ERR_PARSE, "too many values");
    harness_free(h);
}

static void *wake_it(void *arg)
{
    op_wake(arg);
    return NULL;
}

static void a_wake_up_is_waited_for(void **state)
{
    struct harness *h = make();
    pthread_t thread;
    assert_false(harness_wait_wake(h, 0));
    must(thread_start(&thread, "waker", wake_it, op_get_waker(harness_context(h)), &err));
    assert_true(harness_wait_wake(h, 60000));
    thread_join(thread);
    assert_false(harness_wait_wake(h, 0));
    assert_int_equal(harness_take_wake_delay(h), -1);
    op_wake_after(harness_context(h), 250);
    assert_int_equal(harness_take_wake_delay(h), 250);
    harness_free(h);
}

static void events_are_kept(void **state)
{
    struct harness *h = make();
    op_send_event(harness_context(h), (const uint8_t *)"one", 3);
    op_send_event(harness_context(h), (const uint8_t *)"two", 3);
    assert_int_equal(harness_event_count(h), 2);
    assert_true(slice_eq_cstr(harness_event(h, 1), "two"));
    harness_clear(h);
    assert_int_equal(harness_event_count(h), 0);
    harness_free(h);
}

/* ---- time: an operator that tells what it is called with ---------------------------------------- */

static struct {
    char text[256];
    int64_t next_timer_ms;
} seen;

static void note(const char *what, int64_t number)
{
    size_t len = strlen(seen.text);
    snprintf(seen.text + len, sizeof(seen.text) - len, "%s %lld, ", what, (long long)number);
}

static int teller_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct keyed_backend *one = NULL, *two = NULL;
    TRY(op_keyed_backend(ctx, &one, err));
    TRY(op_keyed_backend(ctx, &two, err));
    assert_ptr_equal(one, two);
    note("groups from", one->options.first_group);
    note("to", one->options.last_group);
    return 0;
}

static int teller_process(struct operator* op, struct op_context *ctx, uint32_t input,
                          struct batch *take_batch, struct error *err)
{
    op_emit(ctx, 0, take_batch);
    op_emit_watermark(ctx, 7);
    op_emit_watermark(ctx, 6);
    op_emit_idle(ctx, true);
    op_emit_idle(ctx, true);
    op_emit_idle(ctx, false);
    return OP_WAIT;
}

static int teller_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    note("resume", 0);
    return OP_DONE;
}

static int teller_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                            struct error *err)
{
    assert_int_equal(op_watermark(ctx), watermark_ms);
    note("watermark", watermark_ms);
    return watermark_ms == 30 ? OP_MORE : OP_DONE;
}

static int teller_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                  struct error *err)
{
    note("time", now_ms - 1000000000000);
    op_timer_at(ctx, seen.next_timer_ms);
    seen.next_timer_ms = INT64_MAX;
    return OP_DONE;
}

static int teller_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                         uint64_t checkpoint_id, struct error *err)
{
    note(notice == OP_NOTICE_COMPLETE ? "complete" : "other", (int64_t)checkpoint_id);
    return OP_DONE;
}

static void teller_close(struct operator* op, struct op_context *ctx)
{
}

static const struct operator_desc teller = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "test.teller",
    .instance_size = sizeof(struct operator),
    .n_inputs = 2,
    .open = teller_open,
    .process = teller_process,
    .resume = teller_resume,
    .close = teller_close,
    .flags = OPERATOR_OWN_WATERMARKS,
    .watermark = teller_watermark,
    .processing_time = teller_processing_time,
    .notify = teller_notify,
};

static struct harness *make_teller(const struct clock *clock)
{
    memset(&seen, 0, sizeof(seen));
    seen.next_timer_ms = INT64_MAX;
    return opened(&(struct harness_options){.desc = &teller,
                                            .inputs = {FLINC_TYPE(row), FLINC_TYPE(row)},
                                            .outputs = {FLINC_TYPE(row)},
                                            .subtask = 1,
                                            .parallelism = 2,
                                            .max_parallelism = 8,
                                            .clock = clock});
}

static void check_seen(const char *text)
{
    assert_string_equal(seen.text, text);
    seen.text[0] = '\0';
}

static void watermarks_are_the_minimum_of_active_inputs(void **state)
{
    struct harness *h = make_teller(NULL);
    assert_int_equal(op_watermark(harness_context(h)), INT64_MIN);
    must(harness_watermark(h, 0, 20, &err));
    check_seen("groups from 4, to 7, ");
    must(harness_watermark(h, 1, 10, &err));
    must(harness_watermark(h, 1, 10, &err));
    must(harness_watermark(h, 0, 30, &err));
    must(harness_idle(h, 1, true, &err));
    check_seen("watermark 10, watermark 30, resume 0, ");
    must(harness_idle(h, 0, true, &err));
    must(harness_watermark(h, 1, 25, &err)); /* back, and late */
    must(harness_watermark(h, 1, 35, &err));
    check_seen("watermark 35, ");
    harness_free(h);
}

static void emitted_watermarks_show_and_waiting_is_told(void **state)
{
    struct harness *h = make_teller(NULL);
    struct error err = ERROR_INIT;
    assert_int_equal(harness_push_rows(h, 1, "a, 1, true", &err), OP_WAIT);
    assert_string_equal(harness_rows(h, 0), "+I[a, 1.0, true]\nwatermark 7\nidle\nactive");
    assert_int_equal(harness_resume(h, &err), OP_DONE);
    op_emit_watermark(harness_context(h), INT64_MAX);
    assert_non_null(strstr(harness_rows(h, 0), "\nwatermark MAX"));
    harness_free(h);
}

static void timers_follow_the_clock(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct harness *h = make_teller(&clock.base);
    seen.text[0] = '\0';
    op_timer_at(harness_context(h), 1000000000010);
    must(harness_processing_time(h, &err));
    check_seen("");
    clock_manual_advance_ms(&clock, 12);
    seen.next_timer_ms = 1000000000011; /* due already */
    must(harness_processing_time(h, &err));
    check_seen("time 12, time 12, ");
    assert_int_equal(harness_timer(h), INT64_MAX);
    must(harness_notify(h, OP_NOTICE_COMPLETE, 3, &err));
    check_seen("complete 3, ");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_and_out),
        cmocka_unit_test(a_wake_up_is_waited_for),
        cmocka_unit_test(events_are_kept),
        cmocka_unit_test(watermarks_are_the_minimum_of_active_inputs),
        cmocka_unit_test(emitted_watermarks_show_and_waiting_is_told),
        cmocka_unit_test(timers_follow_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
