/* The harness itself: rows as text, wake-ups, events, time, checkpoints. */
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

/* ---- checkpoints: an operator that counts per key ----------------------------------------------- */

FLINC_STRUCT(number, FLINC_INT64(n));

struct counter {
    struct operator base;
    struct keyed_state *state;
    struct record_layout value;
};

static const uint32_t key_columns[] = {0};

static int counter_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct counter *c = (struct counter *)op;
    struct keyed_backend *backend = NULL;
    struct schema *keys = NULL, *values = NULL;
    TRY(op_keyed_backend(ctx, &backend, err));
    TRY(schema_parse(slice_cstr("ROW<k BIGINT NOT NULL>"), &keys, err));
    TRY(schema_parse(slice_cstr("ROW<count BIGINT NOT NULL>"), &values, err));
    TRY(record_layout_init(&c->value, values, err));
    struct keyed_state_desc desc = {
        .name = "count", .key_schema = keys, .value_bytes = 8, .value_layout = &c->value};
    int rc = keyed_backend_state(backend, &desc, &c->state, err);
    schema_unref(keys);
    schema_unref(values);
    return rc;
}

static int counter_process(struct operator* op, struct op_context *ctx, uint32_t input,
                           struct batch *take_batch, struct error *err)
{
    struct counter *c = (struct counter *)op;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    keyed_state_hash(c->state, take_batch, key_columns);
    TRY(keyed_state_upsert(c->state, NAMESPACE_VOID, take_batch, key_columns, slots, is_new, err));
    for (uint32_t i = 0; i < take_batch->n_sel; i++) {
        ++*(int64_t *)keyed_state_value(c->state, slots[i]);
    }
    batch_unref(take_batch);
    return OP_DONE;
}

/* The layout outlives the state, which the harness closes behind the operator. */
static struct record_layout last_layout;

static void counter_close(struct operator* op, struct op_context *ctx)
{
    last_layout = ((struct counter *)op)->value;
}

static const struct operator_desc counter = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "test.counter",
    .instance_size = sizeof(struct counter),
    .n_inputs = 1,
    .open = counter_open,
    .process = counter_process,
    .close = counter_close,
};

static struct harness *make_counter(uint32_t subtask, uint32_t parallelism,
                                    const Flinc__OperatorSubtaskState *restore)
{
    return opened(&(struct harness_options){.desc = &counter,
                                            .inputs = {FLINC_TYPE(number)},
                                            .outputs = {FLINC_TYPE(number)},
                                            .subtask = subtask,
                                            .parallelism = parallelism,
                                            .restore = restore,
                                            .restore_checkpoint = 7});
}

static void free_counter(struct harness *h)
{
    harness_free(h);
    record_layout_fini(&last_layout);
}

/* The sum of counts, and the number of keys. */
static int64_t sum_of(struct harness *h, uint32_t *inout_n)
{
    struct counter *c = (struct counter *)harness_operator(h);
    int64_t sum = 0;
    for (uint32_t s = 0; (s = keyed_state_next(c->state, NAMESPACE_VOID, s)) != KEYED_SLOT_NONE;
         s++) {
        sum += *(const int64_t *)keyed_state_value(c->state, s);
        ++*inout_n;
    }
    return sum;
}

static void push_numbers(struct harness *h, int from, int to)
{
    STR_AUTO rows = STR_INIT;
    for (int i = from; i < to; i++) {
        str_printf(&rows, "%d\n", i);
    }
    must(harness_push_rows(h, 0, str_cstr(&rows), &err));
}

static void snapshots_are_restored_at_any_parallelism(void **state)
{
    struct harness *h = make_counter(0, 1, NULL);
    Flinc__OperatorSubtaskState *first = NULL, *second = NULL, *parts[4], *whole;
    assert_int_equal(harness_context(h)->flags & OP_FLAG_RESTORED, 0);
    push_numbers(h, 0, 100);
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &first, &err));
    must(harness_notify(h, OP_NOTICE_COMPLETE, 1, &err));
    push_numbers(h, 50, 150);
    must(harness_snapshot(h, 2, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &second, &err));
    free_counter(h);
    int64_t sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < 4; i++) {
        h = make_counter(i, 4, second);
        assert_true((harness_context(h)->flags & OP_FLAG_RESTORED) != 0);
        assert_int_equal(harness_context(h)->restored_checkpoint, 7);
        sum += sum_of(h, &n);
        must(harness_snapshot(h, 8, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &parts[i], &err));
        free_counter(h);
    }
    assert_int_equal(sum, 200);
    assert_int_equal(n, 150);
    whole = harness_join_states(parts, 4);
    h = make_counter(0, 1, whole);
    n = 0;
    assert_int_equal(sum_of(h, &n), 200);
    assert_int_equal(n, 150);
    free_counter(h);
    h = make_counter(0, 1, first);
    n = 0;
    assert_int_equal(sum_of(h, &n), 100);
    free_counter(h);
    flinc__operator_subtask_state__free_unpacked(first, NULL);
    flinc__operator_subtask_state__free_unpacked(second, NULL);
    flinc__operator_subtask_state__free_unpacked(whole, NULL);
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
        cmocka_unit_test(snapshots_are_restored_at_any_parallelism),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
