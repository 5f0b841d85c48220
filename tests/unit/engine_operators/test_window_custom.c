/* flinc.window.general: triggers of user functions, by a trigger that does what its records say. */
#include "common/base/clock.h"
#include "flinc/time.h"
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
#define SLIDING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING
#define SESSION FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION
#define GLOBAL FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL
#define AT_END "@9223372036854775807"
#define FOREVER ", -9223372036854775808] " AT_END

FLINC_STRUCT(memory, FLINC_INT64(n), FLINC_STRING(last));

/* What records say: 0 to 3 a result, SET + t and so on a change of timers; each fifth of a window fires. */
enum { SET = 1000, DELETE = 2000, SET_PROCESSING = 3000, DELETE_PROCESSING = 4000, EVERY = 5 };

static char calls[4096]; /* of timers, as text */
static int64_t n_cleared, cleared_records;

static void note(const char *format, ...)
{
    size_t len = strlen(calls);
    va_list args;
    va_start(args, format);
    vsnprintf(calls + len, sizeof(calls) - len, format, args);
    va_end(args);
}

static int on_record(flinc_ctx *ctx, const event *in, int64_t timestamp, memory *m)
{
    if (m->n++ > 0) {
        assert_int_equal(m->last.len, in->k.len); /* strings, too, are kept */
        assert_memory_equal(m->last.data, in->k.data, in->k.len);
    }
    m->last = in->k;
    int64_t t = in->v % 1000;
    switch (in->v - t) {
    case SET:
        return flinc_ctx_timer_event(ctx, t);
    case DELETE:
        return flinc_ctx_timer_delete_event(ctx, t);
    case SET_PROCESSING:
        return flinc_ctx_timer_processing(ctx, flinc_ctx_now(ctx) + t);
    case DELETE_PROCESSING:
        return flinc_ctx_timer_delete_processing(ctx, flinc_ctx_now(ctx) + t);
    default:
        return t <= FLINC_FIRE_AND_PURGE ? (int)t : m->n % EVERY == 0 ? FLINC_FIRE : FLINC_CONTINUE;
    }
}

static int on_event_time(flinc_ctx *ctx, int64_t time_ms, memory *m)
{
    note(" %.*s%lld", (int)m->last.len, m->last.data, (long long)time_ms);
    assert_true(time_ms <= flinc_ctx_watermark(ctx));
    return time_ms == flinc_ctx_window_end(ctx) - 1 ? FLINC_FIRE : FLINC_CONTINUE;
}

static int on_processing_time(flinc_ctx *ctx, int64_t time_ms, memory *m)
{
    note(" p%lld", (long long)(time_ms % 1000));
    assert_true(time_ms <= flinc_ctx_now(ctx));
    return FLINC_FIRE_AND_PURGE;
}

static int on_merge(flinc_ctx *ctx, const memory *other, memory *m)
{
    note(" +%lld", other != NULL ? (long long)other->n : 0);
    if (other != NULL) {
        m->n += other->n;
        m->last = other->last;
    }
    return flinc_ctx_timer_event(ctx, flinc_ctx_window_end(ctx) - 1);
}

static int on_clear(flinc_ctx *ctx, memory *m)
{
    n_cleared++;
    cleared_records += m->n;
    return 0;
}

static void custom_init(struct general *g, Flinc__WindowAssignerKind kind, int64_t size,
                        int64_t slide)
{
    calls[0] = '\0';
    n_cleared = cleared_records = 0;
    general_init(g, kind, size, slide);
    g->c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CUSTOM;
    g->c.trigger.on_event_time = g->c.trigger.on_processing_time = g->c.trigger.clear = true;
    g->c.trigger.state = general_desc(g, 2, FLINC_TYPE(memory));
    g->o.functions[1] = (struct harness_function)FN(FLINC_FN_TRIGGER_ELEMENT, on_record);
    g->o.functions[2] = (struct harness_function)FN(FLINC_FN_TRIGGER_TIME, on_event_time);
    g->o.functions[3] = (struct harness_function)FN(FLINC_FN_TRIGGER_TIME, on_processing_time);
    g->o.functions[4] = (struct harness_function)FN(FLINC_FN_TRIGGER_CLEAR, on_clear);
}

static void use_merge(struct general *g)
{
    g->c.trigger.on_merge = true;
    g->o.functions[5] = g->o.functions[4];
    g->o.functions[4] = (struct harness_function)FN(FLINC_FN_TRIGGER_MERGE, on_merge);
}

static void check_calls(const char *expected)
{
    assert_string_equal(calls, expected);
    calls[0] = '\0';
}

static void all_results(void **state)
{
    struct general g;
    custom_init(&g, TUMBLING, 100, 100);
    struct harness *h = general_start(&g);
    check_push(h, "a, 10 @1\na, 0 @2\nb, 11 @3", "");
    check_push(h, "a, 1 @4\nb, 2 @5", "+I[a: 10 0 1, 0] @99"); /* b is empty again */
    check_push(h, "a, 3 @6\nb, 1 @7", "+I[a: 10 0 1 3, 0] @99\n+I[b: 1, 0] @99");
    check_push(h, "a, 12 @8\na, 1 @103", "+I[a: 12, 0] @99\n+I[a: 1, 100] @199"); /* the fifth */
    check_calls("");
    check_watermark(h, 99, ""); /* nobody waited for it */
    check_watermark(h, 199, "");
    assert_int_equal(n_cleared, 3);
    assert_int_equal(cleared_records, 9);
    harness_free(h);
}

static void timers_of_event_time(void **state)
{
    struct general g;
    custom_init(&g, TUMBLING, 100, 100);
    struct harness *h = general_start(&g);
    push(h, "a, 1040 @1\na, 1020 @2\na, 1030 @3\na, 1099 @4\na, 1020 @5\nb, 1030 @6");
    harness_clear(h);
    push(h, "a, 2030 @7\na, 2035 @8\na, 1010 @9\na, 2010 @10");
    check_watermark(h, 19, "");
    check_calls("");
    check_watermark(h, 50, "");
    check_calls(" a20 b30 a40");
    push(h, "a, 1015 @16"); /* a time that has passed: with the next watermark */
    check_watermark(h, 51, "");
    check_calls(" a15");
    check_watermark(h, 99, "+I[a: 1040 1020 1030 1099 1020 2030 2035 1010 2010 1015, 0] @99");
    check_calls(" a99");
    check_watermark(h, INT64_MAX, "");
    check_calls("");
    assert_int_equal(n_cleared, 2);
    assert_int_equal(cleared_records, 11);
    harness_free(h);
}

static void timers_of_processing_time(void **state)
{
    struct clock_manual clock;
    struct general g;
    clock_manual_init(&clock);
    custom_init(&g, GLOBAL, 0, 0);
    g.o.clock = &clock.base;
    struct harness *h = general_start(&g);
    push(h, "a, 3030\na, 3010\na, 3020\na, 4020");
    harness_clear(h);
    clock_manual_advance_ms(&clock, 9);
    must(harness_processing_time(h, &err));
    check_calls("");
    clock_manual_advance_ms(&clock, 1);
    must(harness_processing_time(h, &err));
    check_sorted_rows(harness_rows(h, 0), "+I[a: 3030 3010 3020 4020" FOREVER);
    harness_clear(h);
    clock_manual_advance_ms(&clock, 100);
    must(harness_processing_time(h, &err));
    check_sorted_rows(harness_rows(h, 0), ""); /* purged */
    check_calls(" p10 p30");
    assert_int_equal(harness_timer(h), INT64_MAX);
    harness_free(h);
}

static void sliding_windows_and_all_records(void **state)
{
    struct general g;
    custom_init(&g, SLIDING, 20, 10);
    g.c.trigger.purging = true; /* FIRE is FIRE_AND_PURGE */
    struct harness *h = general_start(&g);
    check_push(h, "a, 50 @5\na, 1 @15", "+I[a: 50 1, 0] @19\n+I[a: 1, 10] @29");
    check_push(h, "a, 1 @16", "+I[a: 1, 0] @19\n+I[a: 1, 10] @29");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
    custom_init(&g, TUMBLING, 10, 10);
    g.c.config.n_key_columns = 0;
    h = general_start(&g);
    check_push(h, "a, 50 @5\na, 1 @6", "+I[a: 50 1, 0] @9");
    harness_free(h);
}

static void values_are_fired_and_purged(void **state)
{
    struct general g;
    custom_init(&g, TUMBLING, 100, 100);
    g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
    g.c.config.process = false;
    g.c.config.value = g.c.config.output = g.c.config.input;
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
    g.o.outputs[0] = FLINC_TYPE(event);
    struct harness *h = general_start(&g);
    check_push(h, "a, 10 @1\na, 1 @2\na, 3 @3", "+I[a, 11] @99\n+I[a, 14] @99");
    check_push(h, "a, 1 @4", "+I[a, 1] @99");
    harness_free(h);
}

/* Stops with a snapshot and goes on in two subtasks. */
static void it_remembers_across_restores(void **state)
{
    struct general g;
    custom_init(&g, TUMBLING, 100, 100);
    struct harness *h = general_start(&g), *two[2];
    Flinc__OperatorSubtaskState *s = NULL;
    push(h, "a, 1040 @1\na, 1020 @2\nb, 1030 @3\nb, 1099 @4\nc, 1035 @4\nd, 1036 @4");
    check_watermark(h, 20, "");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    check_calls(" a20");
    g.o.restore = s;
    g.o.restore_checkpoint = 1;
    g.o.flags = OP_FLAG_RESTORED;
    g.o.parallelism = 2;
    for (uint32_t i = 0; i < 2; i++) {
        g.o.subtask = i;
        two[i] = general_start(&g);
    }
    int64_t times[] = {30, 35, 36, 40, 99};
    size_t rows = 0;
    for (size_t t = 0; t < ARRAY_LEN(times); t++) {
        for (uint32_t i = 0; i < 2; i++) {
            must(harness_watermark(two[i], 0, times[t], &err));
            rows += harness_row_count(two[i], 0);
            harness_clear(two[i]);
        }
    }
    assert_int_equal(rows, 1); /* b at 99 */
    assert_non_null(strstr(calls, " b30 c35 d36 a40"));
    assert_non_null(strstr(calls, " b99"));
    for (uint32_t i = 0; i < 2; i++) {
        harness_free(two[i]);
    }
    flinc__operator_subtask_state__free_unpacked(s, NULL);
    /* What was counted goes on: the fifth record fires. */
    custom_init(&g, GLOBAL, 0, 0);
    h = general_start(&g);
    check_push(h, "a, 10\na, 11\na, 12\nb, 10", "");
    must(harness_snapshot(h, 2, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    g.o.restore_checkpoint = 2;
    g.o.flags = OP_FLAG_RESTORED;
    h = general_start(&g);
    check_push(h, "a, 13\nb, 11\na, 14", "+I[a: 10 11 12 13 14" FOREVER);
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

static void sessions_grow_with_it(void **state)
{
    struct general g;
    custom_init(&g, SESSION, 10, 0);
    use_merge(&g);
    struct harness *h = general_start(&g);
    push(h, "a, 1009 @0\na, 10 @3"); /* longer: its timer is set anew */
    check_calls(" +0");
    push(h, "a, 1029 @20\na, 11 @20"); /* another one, with the same bounds */
    check_calls("");
    check_push(h, "a, 12 @11", "+I[a: 1009 10 1029 11 12, 0] @29"); /* the fifth */
    check_calls(" +2");
    assert_int_equal(n_cleared, 1);
    check_watermark(h, 28, "");
    check_calls("");
    check_watermark(h, 29, "+I[a: 1009 10 1029 11 12, 0] @29");
    check_calls(" a29");
    assert_int_equal(n_cleared, 2);
    harness_free(h);
}

/* ---- mistakes ------------------------------------------------------------------------------------ */

static int say_seven(flinc_ctx *ctx, const event *in, int64_t timestamp, memory *m)
{
    return 7;
}

static int give_up(flinc_ctx *ctx, const event *in, int64_t timestamp, memory *m)
{
    return flinc_ctx_fail(ctx, "no more of %lld", (long long)in->v);
}

static int set_many(flinc_ctx *ctx, const event *in, int64_t timestamp, memory *m)
{
    for (int i = 0; i <= 1025; i++) {
        if (flinc_ctx_timer_event(ctx, 10 + i) < 0) {
            return -1;
        }
    }
    return FLINC_CONTINUE;
}

static int set_in_window(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    return flinc_ctx_timer_event(ctx, 5);
}

static void check_failure(struct harness_function function, int at, const char *expected)
{
    struct general g;
    struct error e = ERROR_INIT;
    custom_init(&g, TUMBLING, 10000, 10000);
    g.o.functions[at] = function;
    struct harness *h = general_start(&g);
    assert_true(harness_push_rows(h, 0, "a, 1 @1", &e) < 0);
    if (strstr(e.message, expected) == NULL) {
        fail_msg("'%s' is not in: %s", expected, e.message);
    }
    harness_free(h);
}

static void failing_functions_are_named(void **state)
{
    check_failure((struct harness_function)FN(FLINC_FN_TRIGGER_ELEMENT, say_seven), 1,
                  "'say_seven' returned 7");
    check_failure((struct harness_function)FN(FLINC_FN_TRIGGER_ELEMENT, give_up), 1,
                  "no more of 1");
    check_failure((struct harness_function)FN(FLINC_FN_TRIGGER_ELEMENT, set_many), 1,
                  "at most 1024 timers");
    check_failure((struct harness_function)FN(FLINC_FN_WINDOW, set_in_window), 0,
                  "a function of a window's trigger");
}

static void sessions_need_on_merge(void **state)
{
    struct general g;
    struct error e = ERROR_INIT;
    struct harness *h = NULL;
    custom_init(&g, SESSION, 10, 0);
    g.o.config = &g.c.config.base;
    must(harness_new(&g.o, &h, &err));
    assert_true(harness_open(h, &e) < 0);
    assert_non_null(strstr(e.message, "session windows grow together, and its trigger cannot"));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_results),
        cmocka_unit_test(timers_of_event_time),
        cmocka_unit_test(timers_of_processing_time),
        cmocka_unit_test(sliding_windows_and_all_records),
        cmocka_unit_test(values_are_fired_and_purged),
        cmocka_unit_test(it_remembers_across_restores),
        cmocka_unit_test(sessions_grow_with_it),
        cmocka_unit_test(failing_functions_are_named),
        cmocka_unit_test(sessions_need_on_merge),
    };
    return RUN_ON_BOTH(tests);
}
