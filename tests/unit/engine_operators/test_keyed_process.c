/* Process functions of keyed streams: timers, keys, timestamps, and what must fail. */
#include "flinc/state.h"
#include "flinc/time.h"
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(event, FLINC_STRING(key), FLINC_INT64(at));
FLINC_STRUCT(other, FLINC_INT64(n), FLINC_STRING(name));
FLINC_STRUCT(result, FLINC_STRING(key), FLINC_STRING(what), FLINC_INT64(n));

static int emit(flinc_ctx *ctx, flinc_out *out, const char *what, int64_t n)
{
    FLINC_EMIT(out, result, .key = flinc_ctx_key_string(ctx, 0),
               .what = (flinc_string){what, strlen(what)}, .n = n);
    return 0;
}

/* A record sets a timer at its time; what fires says so. */
static int remind(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    TRY(emit(ctx, out, "record", flinc_ctx_timestamp(ctx)));
    return flinc_ctx_timer_event(ctx, in->at);
}

static int reminded(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    assert_int_equal(flinc_ctx_timestamp(ctx), timestamp);
    assert_true(flinc_ctx_timer_is_event(ctx));
    assert_true(flinc_ctx_watermark(ctx) >= timestamp);
    return emit(ctx, out, "timer", timestamp);
}

#define PROCESS(call, timer)                                     \
    {                                                            \
        FN(FLINC_FN_PROCESS, call), FN(FLINC_FN_ON_TIMER, timer) \
    }

static struct harness *make(const struct harness_options *options)
{
    struct harness_options o = *options;
    o.kind = o.kind != NULL ? o.kind : "flinc.keyed_process";
    o.inputs[0] = FLINC_TYPE(event);
    o.outputs[0] = FLINC_TYPE(result);
    o.keys[0] = "key";
    return opened(&o);
}

static void check(struct harness *h, const char *rows)
{
    assert_string_equal(harness_rows(h, 0), rows);
    harness_clear(h);
}

static void event_timers_fire_with_the_watermark(void **state)
{
    struct harness *h = make(&(struct harness_options){.functions = PROCESS(remind, reminded)});
    must(harness_push_rows(h, 0, "a, 30 @3\nb, 20 @4\na, 30 @5\na, 10", &err));
    must(harness_watermark(h, 0, 9, &err));
    check(h, "+I[a, record, 3] @3\n+I[b, record, 4] @4\n+I[a, record, 5] @5\n"
             "+I[a, record, -9223372036854775808] @none");
    must(harness_watermark(h, 0, 20, &err));
    check(h, "+I[a, timer, 10] @10\n+I[b, timer, 20] @20");
    must(harness_watermark(h, 0, INT64_MAX, &err));
    check(h, "+I[a, timer, 30] @30"); /* once, though set twice */
    harness_free(h);
}

/* One timer sets the next, up to 50: in the same round as far as they are due. */
static int chained(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    TRY(emit(ctx, out, "timer", timestamp));
    return timestamp < 50 ? flinc_ctx_timer_event(ctx, timestamp + 10) : 0;
}

static void timers_set_by_timers_fire_in_the_same_round(void **state)
{
    struct harness *h = make(&(struct harness_options){.functions = PROCESS(remind, chained)});
    must(harness_push_rows(h, 0, "a, 10\nb, 15", &err));
    harness_clear(h);
    must(harness_watermark(h, 0, 30, &err));
    const char *rows = harness_rows(h, 0);
    assert_non_null(strstr(rows, "+I[a, timer, 10] @10\n+I[b, timer, 15] @15\n"
                                 "+I[a, timer, 20] @20\n+I[b, timer, 25] @25\n"
                                 "+I[a, timer, 30] @30"));
    harness_clear(h);
    must(harness_watermark(h, 0, 100, &err));
    check(h, "+I[b, timer, 35] @35\n+I[a, timer, 40] @40\n+I[b, timer, 45] @45\n"
             "+I[a, timer, 50] @50\n+I[b, timer, 55] @55");
    harness_free(h);
}

/* ---- processing time --------------------------------------------------------------------------- */

static int delay(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    if (in->at < 0) {
        return flinc_ctx_timer_delete_processing(ctx, 1000000000000 - in->at);
    }
    return flinc_ctx_timer_processing(ctx, 1000000000000 + in->at);
}

static int delayed(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    assert_int_equal(flinc_ctx_timestamp(ctx), FLINC_NO_TIMESTAMP);
    assert_false(flinc_ctx_timer_is_event(ctx));
    return emit(ctx, out, "timer", timestamp - 1000000000000);
}

static void processing_timers_follow_the_clock(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct harness *h =
        make(&(struct harness_options){.functions = PROCESS(delay, delayed), .clock = &clock.base});
    assert_int_equal(harness_timer(h), INT64_MAX);
    must(harness_push_rows(h, 0, "a, 100\nb, 50\nc, 50\nc, -50", &err));
    assert_int_equal(harness_timer(h), 1000000000050);
    must(harness_processing_time(h, &err));
    check(h, "");
    clock_manual_advance_ms(&clock, 60);
    must(harness_processing_time(h, &err));
    check(h, "+I[b, timer, 50]");
    assert_int_equal(harness_timer(h), 1000000000100);
    clock_manual_advance_ms(&clock, 60);
    must(harness_processing_time(h, &err));
    check(h, "+I[a, timer, 100]");
    assert_int_equal(harness_timer(h), INT64_MAX);
    harness_free(h);
}

/* ---- many -------------------------------------------------------------------------------------- */

static void many_timers_let_the_mailbox_run(void **state)
{
    struct harness *h = make(&(struct harness_options){.functions = PROCESS(remind, reminded)});
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 4000; i++) {
        str_printf(&rows, "key %d, %d\n", i % 997, 1000 + i);
    }
    for (int i = 0; i < 5; i++) {
        must(harness_push_rows(h, 0, str_cstr(&rows), &err));
        str_clear(&rows);
        for (int k = 0; k < 4000; k++) {
            str_printf(&rows, "key %d, %d\n", k % 997, 1000 + (i + 1) * 4000 + k);
        }
    }
    must(harness_flush(h, &err));
    harness_clear(h);
    must(harness_watermark(h, 0, 1000000, &err));
    assert_int_equal(harness_row_count(h, 0), 20000);
    assert_true(harness_more_count(h) >= 2);
    assert_true(harness_max_emitted(h) <= OPERATOR_EMIT_MAX);
    harness_free(h);
}

/* ---- snapshots --------------------------------------------------------------------------------- */

static void timers_are_restored_at_any_parallelism(void **state)
{
    struct harness_options options = {.functions = PROCESS(remind, reminded)};
    struct harness *h = make(&options);
    Flinc__OperatorSubtaskState *one = NULL, *parts[3];
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 300; i++) {
        str_printf(&rows, "key %d, %d\n", i % 100, 1000 + i);
    }
    must(harness_push_rows(h, 0, str_cstr(&rows), &err));
    must(harness_watermark(h, 0, 1099, &err));
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &one, &err));
    harness_free(h);
    uint64_t fired = 0;
    for (uint32_t i = 0; i < 3; i++) {
        options.subtask = i;
        options.parallelism = 3;
        options.restore = one;
        h = make(&options);
        must(harness_watermark(h, 0, 1199, &err));
        fired += harness_row_count(h, 0);
        must(harness_snapshot(h, 2, FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                              &parts[i], &err));
        harness_free(h);
    }
    assert_int_equal(fired, 100);
    Flinc__OperatorSubtaskState *whole = harness_join_states(parts, 3);
    options = (struct harness_options){.functions = PROCESS(remind, reminded), .restore = whole};
    h = make(&options);
    must(harness_watermark(h, 0, INT64_MAX, &err));
    assert_int_equal(harness_row_count(h, 0), 100);
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(one, NULL);
    flinc__operator_subtask_state__free_unpacked(whole, NULL);
}

/* What fired before the snapshot does not fire again, whatever the first watermark behind it is. */
static void FLINK_36663_the_first_watermark_emits_nothing_again(void **state)
{
    struct harness_options options = {.functions = PROCESS(remind, reminded)};
    struct harness *h = make(&options);
    Flinc__OperatorSubtaskState *snapshot = NULL;
    must(harness_push_rows(h, 0, "a, 10\nb, 20\na, 30", &err));
    must(harness_watermark(h, 0, 20, &err));
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &snapshot, &err));
    harness_free(h);
    options.restore = snapshot;
    h = make(&options);
    must(harness_watermark(h, 0, 15, &err));
    must(harness_watermark(h, 0, 20, &err));
    check(h, "");
    must(harness_watermark(h, 0, 30, &err));
    check(h, "+I[a, timer, 30] @30");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(snapshot, NULL);
}

static void overdue_processing_timers_fire_when_restored(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct harness_options options = {.functions = PROCESS(delay, delayed), .clock = &clock.base};
    struct harness *h = make(&options);
    Flinc__OperatorSubtaskState *snapshot = NULL;
    must(harness_push_rows(h, 0, "a, 100\nb, 50000000", &err));
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &snapshot, &err));
    harness_free(h);
    clock_manual_advance_ms(&clock, 3600 * 1000);
    options.restore = snapshot;
    h = make(&options);
    must(harness_processing_time(h, &err));
    check(h, "+I[a, timer, 100]");
    assert_int_equal(harness_timer(h), 1000050000000);
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(snapshot, NULL);
}

/* ---- state ------------------------------------------------------------------------------------- */

/* Counts the records of a key; a timer emits the count and forgets it. */
static int count_open(flinc_ctx *ctx)
{
    flinc_ctx_set_user(
        ctx, flinc_ctx_value_state(ctx, FLINC_STATE(.name = "n", .type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int count(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_value_state *n = flinc_ctx_user(ctx);
    TRY(flinc_value_set_int64(n, flinc_value_get_int64(n, 0) + 1));
    return flinc_ctx_timer_event(ctx, in->at);
}

static int counted(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    flinc_value_state *n = flinc_ctx_user(ctx);
    TRY(emit(ctx, out, "count", flinc_value_get_int64(n, -1)));
    flinc_value_clear(n);
    return 0;
}

#define COUNT                                                                                      \
    {                                                                                              \
        FN(FLINC_FN_PROCESS, count), FN(FLINC_FN_OPEN, count_open), FN(FLINC_FN_ON_TIMER, counted) \
    }

static void timers_see_the_state_of_their_key(void **state)
{
    struct harness_options options = {.functions = COUNT};
    struct harness *h = make(&options);
    Flinc__OperatorSubtaskState *snapshot = NULL;
    must(harness_push_rows(h, 0, "a, 30\nb, 20\na, 30\nb, 40\na, 30", &err));
    must(harness_watermark(h, 0, 25, &err));
    check(h, "+I[b, count, 2] @20");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &snapshot, &err));
    harness_free(h);
    options.restore = snapshot;
    h = make(&options);
    must(harness_push_rows(h, 0, "b, 35", &err));
    must(harness_watermark(h, 0, 100, &err));
    check(h, "+I[a, count, 3] @30\n+I[b, count, 1] @35\n+I[b, count, -1] @40");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(snapshot, NULL);
}

/* ---- two inputs -------------------------------------------------------------------------------- */

static int second(flinc_ctx *ctx, const other *in, flinc_out *out)
{
    TRY(emit(ctx, out, "second", in->n));
    return flinc_ctx_timer_event(ctx, in->n);
}

static void two_inputs_share_timers(void **state)
{
    struct harness *h = opened(&(struct harness_options){
        .kind = "flinc.keyed_co_process",
        .functions = {FN(FLINC_FN_PROCESS, remind), FN(FLINC_FN_ON_TIMER, reminded),
                      FN(FLINC_FN_PROCESS, second)},
        .inputs = {FLINC_TYPE(event), FLINC_TYPE(other)},
        .outputs = {FLINC_TYPE(result)},
        .keys = {"key", "name"}});
    must(harness_push_rows(h, 0, "a, 30\nb, 40", &err));
    must(harness_push_rows(h, 1, "30, a\n35, b", &err));
    harness_clear(h);
    must(harness_watermark(h, 0, 100, &err));
    check(h, "");
    must(harness_watermark(h, 1, 35, &err)); /* the least of both */
    must(harness_flush(h, &err));
    const char *rows = harness_rows(h, 0);
    assert_non_null(strstr(rows, "+I[a, timer, 30] @30\n+I[b, timer, 35] @35"));
    harness_clear(h);
    must(harness_watermark(h, 1, 40, &err));
    check(h, "+I[b, timer, 40] @40");
    harness_free(h);
}

/* ---- mistakes ---------------------------------------------------------------------------------- */

static int bad_timer(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    return flinc_ctx_fail(ctx, "no");
}

static int asks_for_a_column(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    return flinc_ctx_key_int64(ctx, 0) != 0;
}

static void mistakes_are_named(void **state)
{
    struct harness *h =
        make(&(struct harness_options){.functions = {FN(FLINC_FN_PROCESS, remind)}});
    must_fail(harness_push_rows(h, 0, "a, 1", &err), ERR_USER_CODE, "timers need a callback");
    harness_free(h);
    h = opened(&(struct harness_options){.kind = "flinc.process",
                                         .functions = {FN(FLINC_FN_PROCESS, delay)},
                                         .inputs = {FLINC_TYPE(event)},
                                         .outputs = {FLINC_TYPE(result)}});
    must_fail(harness_push_rows(h, 0, "a, 1", &err), ERR_USER_CODE,
              "timers need a process function on a keyed stream");
    harness_free(h);
    h = make(&(struct harness_options){.functions = PROCESS(remind, bad_timer)});
    must(harness_push_rows(h, 0, "a, 1", &err));
    must_fail(harness_watermark(h, 0, 1, &err), ERR_USER_CODE, "function 'remind'");
    harness_free(h);
    h = make(&(struct harness_options){.functions = {FN(FLINC_FN_PROCESS, asks_for_a_column)}});
    must_fail(harness_push_rows(h, 0, "a, 1", &err), ERR_USER_CODE,
              "column 0 of the key is no integer");
    harness_free(h);
    must(harness_new(&(struct harness_options){.kind = "flinc.keyed_process",
                                               .functions = {FN(FLINC_FN_PROCESS, remind)},
                                               .inputs = {FLINC_TYPE(event)},
                                               .outputs = {FLINC_TYPE(result)}},
                     &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "input 0 must be keyed");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_timers_fire_with_the_watermark),
        cmocka_unit_test(timers_set_by_timers_fire_in_the_same_round),
        cmocka_unit_test(processing_timers_follow_the_clock),
        cmocka_unit_test(many_timers_let_the_mailbox_run),
        cmocka_unit_test(timers_are_restored_at_any_parallelism),
        cmocka_unit_test(FLINK_36663_the_first_watermark_emits_nothing_again),
        cmocka_unit_test(overdue_processing_timers_fire_when_restored),
        cmocka_unit_test(timers_see_the_state_of_their_key),
        cmocka_unit_test(two_inputs_share_timers),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
