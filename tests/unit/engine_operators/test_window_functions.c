/* flinc.window.general: process, reduce and aggregate functions, alone and together. */
#include "engine/operators/harness_internal.h"
#include "engine/state/state.h"
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
#define SLIDING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING

static void process_sees_all_records_in_order(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\nb, 2 @9\na, 3 @0\na-key-longer-than-twelve, 4 @12");
    push(h, "a, 5 @9");
    check_watermark(h, 8, "");
    check_watermark(h, 9, "+I[a: 1 3 5, 0] @9\n+I[b: 2, 0] @9");
    check_watermark(h, 100, "+I[a-key-longer-than-twelve: 4, 10] @19");
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

static void a_record_is_in_all_windows_over_it(void **state)
{
    struct general g;
    general_init(&g, SLIDING, 10, 5);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @0\na, 2 @5\na, 3 @14");
    check_watermark(h, 9, "+I[a: 1 2, 0] @9\n+I[a: 1, -5] @4");
    push(h, "a, 4 @6"); /* late for [0, 10), not for [5, 15) */
    check_watermark(h, 100, "+I[a: 2 3 4, 5] @14\n+I[a: 3, 10] @19");
    harness_free(h);
}

static void reduce_gives_one_record(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
    g.c.config.process = false;
    g.c.config.value = g.c.config.output = g.c.config.input;
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
    g.o.outputs[0] = FLINC_TYPE(event);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\na-key-longer-than-twelve, 2 @9\na, 3 @0\na-key-longer-than-twelve, 4 @9\n"
            "a-key-longer-than-twelve, 6 @9");
    check_watermark(h, 9, "+I[a, 4] @9\n+I[a-key-longer-than-twelve, 12] @9");
    harness_free(h);
}

static void reduce_with_process(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
    g.c.config.value = g.c.config.input;
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
    g.o.functions[1] = (struct harness_function)FN(FLINC_FN_WINDOW, show);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @11\na, 3 @12");
    check_watermark(h, 19, "+I[a: 4, 10] @19");
    harness_free(h);
}

FLINC_STRUCT(key_sum, FLINC_STRING(k), FLINC_INT64(sum), FLINC_INT64(n));

static int mean_add(flinc_ctx *ctx, const event *in, key_sum *acc)
{
    acc->k = in->k;
    acc->sum += in->v;
    acc->n++;
    return 0;
}

static int mean_result(flinc_ctx *ctx, const key_sum *acc, mean *out)
{
    out->k = acc->k;
    out->mean = (double)acc->sum / (double)acc->n;
    return 0;
}

static int mean_merge(flinc_ctx *ctx, const key_sum *other, key_sum *acc)
{
    acc->sum += other->sum;
    acc->n += other->n;
    return 0;
}

static int show_mean(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    char text[64];
    int len =
        snprintf(text, sizeof(text), "%g of %zu", FLINC_PANE_RECORD(pane, mean, 0)->mean, pane->n);
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = pane->end_ms);
}

static void aggregate_through_an_accumulator(void **state)
{
    for (int shape = 0; shape < 4; shape++) {
        struct general g;
        bool with_process = shape % 2 == 1;
        uint32_t n = 2;
        general_init(&g, TUMBLING, 10, 10);
        g.c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
        g.c.config.accumulator = general_desc(&g, 2, FLINC_TYPE(key_sum));
        g.c.config.value = general_desc(&g, 3, FLINC_TYPE(mean));
        g.c.config.process = with_process;
        g.o.functions[0] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, mean_add);
        g.o.functions[1] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, mean_result);
        g.c.config.merges = shape >= 2; /* nothing is merged here, and nothing is in its way */
        if (g.c.config.merges) {
            g.o.functions[n++] = (struct harness_function)FN(FLINC_FN_AGGREGATE_MERGE, mean_merge);
        }
        if (with_process) {
            g.o.functions[n] = (struct harness_function)FN(FLINC_FN_WINDOW, show_mean);
        } else {
            g.c.config.output = g.c.config.value;
            g.o.outputs[0] = FLINC_TYPE(mean);
        }
        struct harness *h = general_start(&g);
        push(h, "a, 1 @1\nb, 7 @2\na, 2 @3");
        check_watermark(h, 50,
                        with_process ? "+I[1.5 of 1, 10] @9\n+I[7 of 1, 10] @9"
                                     : "+I[a, 1.5] @9\n+I[b, 7.0] @9");
        harness_free(h);
    }
}

static void window_all_sees_all_keys(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.n_key_columns = 0;
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\nb, 2 @9\nc, 3 @11");
    check_watermark(h, 50, "+I[a: 1 2, 0] @9\n+I[c: 3, 10] @19");
    harness_free(h);
}

static int fails(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    return flinc_ctx_fail(ctx, "%zu are too many", pane->n);
}

static void a_function_that_fails_is_named(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_WINDOW, fails);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\na, 2 @9");
    must_fail(harness_watermark(h, 0, 10, &err), ERR_USER_CODE, "2 are too many");
    harness_free(h);
}

static int show_many(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    for (int i = 0; i < 5000; i++) {
        int rc = FLINC_EMIT(out, shown, .text = {"x", 1}, .start = i);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void results_leave_a_few_batches_at_a_time(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_WINDOW, show_many);
    struct harness *h = general_start(&g);
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 50; i++) {
        str_printf(&rows, "key-%d, 1 @1\n", i);
    }
    push(h, str_cstr(&rows));
    must(harness_watermark(h, 0, 9, &err));
    assert_int_equal(harness_row_count(h, 0), 250000);
    assert_true(harness_max_emitted(h) <= 9);
    harness_free(h);
}

static void a_restored_operator_goes_on(void **state)
{
    struct general g;
    Flinc__OperatorSubtaskState *s = NULL;
    general_init(&g, SLIDING, 20, 10);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @5\nb, 2 @15\na, 3 @25");
    check_watermark(h, 19, "+I[a: 1, -10] @9\n+I[a: 1, 0] @19\n+I[b: 2, 0] @19");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    g.o.restore_checkpoint = 1;
    h = general_start(&g);
    check_watermark(h, 10, "");
    push(h, "b, 4 @3\nb, 5 @11"); /* late; late for [0, 20) only */
    check_watermark(h, 29, "+I[a: 3, 10] @29\n+I[b: 2 5, 10] @29");
    check_watermark(h, INT64_MAX, "+I[a: 3, 20] @39");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

static uint32_t count_tables(const struct harness *h)
{
    uint32_t n = 0;
    for (size_t i = 0; i < h->backend->states.len; i++) {
        const struct keyed_state *s = vec_ptr(&h->backend->states, i);
        for (int64_t ns = INT64_MIN; keyed_state_next_namespace(s, ns, &ns); ns++) {
            n++;
        }
    }
    return n;
}

static void a_window_that_is_over_takes_no_memory(void **state)
{
    struct general g;
    general_init(&g, TUMBLING, 10, 10);
    g.c.config.allowed_lateness_ms = 5;
    struct harness *h = general_start(&g);
    uint32_t n_before = count_tables(h);
    for (int64_t at = 0; at < 1000; at += 10) {
        char rows[96];
        snprintf(rows, sizeof(rows), "a, 1 @%lld\nb, 2 @%lld", (long long)at, (long long)at + 1);
        push(h, rows);
        must(harness_watermark(h, 0, at + 9, &err));
        must(harness_push_rows(h, 0, rows, &err)); /* late, and in time */
        assert_true(count_tables(h) <= n_before + 4);
    }
    must(harness_watermark(h, 0, 2000, &err));
    assert_int_equal(count_tables(h), n_before);
    harness_free(h);
}

/* ---- values brought up to date against kept records ------------------------------------------------ */

/* A mean or a sum per window; behind an evictor that evicts nothing records are kept. */
static void random_init(struct general *g, uint64_t seed, bool keeps_records)
{
    general_init(g, seed % 3 == 0 ? SLIDING : TUMBLING, 20, seed % 3 == 0 ? 5 : 20);
    if (seed % 2 == 0) {
        g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
        g->c.config.accumulator = general_desc(g, 2, FLINC_TYPE(key_sum));
        g->c.config.value = general_desc(g, 3, FLINC_TYPE(mean));
        g->o.functions[0] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, mean_add);
        g->o.functions[1] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, mean_result);
        g->o.outputs[0] = FLINC_TYPE(mean);
    } else {
        g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
        g->c.config.value = g->c.config.input;
        g->o.functions[0] = (struct harness_function)FN(FLINC_FN_REDUCE, add_events);
        g->o.outputs[0] = FLINC_TYPE(event);
    }
    g->c.config.process = false;
    g->c.config.output = g->c.config.value;
    g->c.config.allowed_lateness_ms = (int64_t)(seed % 5) * 7;
    if (seed % 4 > 1) {
        g->c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
        g->c.trigger.count = 3;
        g->c.trigger.purging = seed % 4 == 2;
    }
    if (keeps_records) {
        g->c.config.evictor = &g->c.evictor;
        g->c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT;
        g->c.evictor.count = INT64_MAX;
    }
}

static struct harness *restarted(struct general *g, struct harness *h)
{
    Flinc__OperatorSubtaskState *s = NULL;
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g->o.restore = s;
    g->o.restore_checkpoint = 1;
    g->o.flags = OP_FLAG_RESTORED;
    h = general_start(g);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
    return h;
}

static void values_are_those_of_kept_records(void **state)
{
    for (uint64_t seed = 0; seed < 60; seed += fixture_stride(30)) {
        struct general g[2];
        struct harness *h[2];
        struct rng rng;
        uint64_t n_rows = 0;
        rng_init(&rng, seed + 1);
        for (int i = 0; i < 2; i++) {
            random_init(&g[i], seed, i == 1);
            h[i] = general_start(&g[i]);
        }
        for (int64_t now = 0; now < 300; now += (int64_t)rng_below(&rng, 12)) {
            STR_AUTO rows = STR_INIT;
            for (uint64_t n = rng_below(&rng, 200); n > 0; n--) {
                str_printf(&rows, "%s%d, %d @%lld\n", n % 2 == 0 ? "k" : "key-above-twelve-bytes",
                           (int)rng_below(&rng, 4), (int)rng_below(&rng, 100),
                           (long long)(now + (int64_t)rng_below(&rng, 50) - 25));
            }
            for (int i = 0; i < 2; i++) {
                harness_clear(h[i]);
                must(harness_push_rows(h[i], 0, str_cstr(&rows), &err));
                must(harness_watermark(h[i], 0, now, &err));
            }
            check_sorted_rows(harness_rows(h[0], 0), harness_rows(h[1], 0));
            n_rows += harness_row_count(h[0], 0);
            if (rng_below(&rng, 15) == 0) {
                h[0] = restarted(&g[0], h[0]);
                h[1] = restarted(&g[1], h[1]);
            }
        }
        assert_true(n_rows > 50);
        harness_free(h[0]);
        harness_free(h[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_sees_all_records_in_order),
        cmocka_unit_test(a_record_is_in_all_windows_over_it),
        cmocka_unit_test(reduce_gives_one_record),
        cmocka_unit_test(reduce_with_process),
        cmocka_unit_test(aggregate_through_an_accumulator),
        cmocka_unit_test(values_are_those_of_kept_records),
        cmocka_unit_test(window_all_sees_all_keys),
        cmocka_unit_test(a_function_that_fails_is_named),
        cmocka_unit_test(results_leave_a_few_batches_at_a_time),
        cmocka_unit_test(a_restored_operator_goes_on),
        cmocka_unit_test(a_window_that_is_over_takes_no_memory),
    };
    return RUN_ON_BOTH(tests);
}
