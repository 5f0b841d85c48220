/* The harness itself: rows as text, wake-ups, events. */
#include "common/base/thread.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_and_out),
        cmocka_unit_test(a_wake_up_is_waited_for),
        cmocka_unit_test(events_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
