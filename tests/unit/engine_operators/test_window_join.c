/* flinc.window.join: coGroup and inner join of two streams in tumbling and sliding windows. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define TUMBLING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING
#define SLIDING FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING

FLINC_STRUCT(price, FLINC_INT64(amount), FLINC_STRING(name));

static int pair_up(flinc_ctx *ctx, const event *a, const price *b, flinc_out *out)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%.*s %lld-%lld", (int)a->k.len, a->k.data,
                       (long long)a->v, (long long)b->amount);
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = (int64_t)b->name.len);
}

static int show_window(flinc_ctx *ctx, const event *a, const price *b, flinc_out *out)
{
    assert_int_equal(flinc_ctx_first_timestamp(ctx), INT64_MIN);
    return FLINC_EMIT(out, shown, .text = a->k,
                      .start = 1000 * flinc_ctx_window_start(ctx) + flinc_ctx_window_end(ctx));
}

static int both(flinc_ctx *ctx, const flinc_pane *first, const flinc_pane *second, flinc_out *out)
{
    char text[64];
    int64_t sum = 0;
    for (size_t i = 0; i < first->n; i++) {
        sum += FLINC_PANE_RECORD(first, event, i)->v;
    }
    for (size_t i = 0; i < second->n; i++) {
        sum += 1000 * FLINC_PANE_RECORD(second, price, i)->amount;
    }
    int len = snprintf(text, sizeof(text), "%zu+%zu=%lld", first->n, second->n, (long long)sum);
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = first->start_ms);
}

static uint32_t second_key = 1;

static void join_init(struct general *g, Flinc__WindowAssignerKind kind, int64_t size,
                      int64_t slide, bool pairs)
{
    general_init(g, kind, size, slide);
    g->c.config.function = pairs ? FLINC__WINDOW_FUNCTION_KIND__WINDOW_JOIN
                                 : FLINC__WINDOW_FUNCTION_KIND__WINDOW_CO_GROUP;
    g->c.config.process = false;
    g->c.config.input_second = general_desc(g, 2, FLINC_TYPE(price));
    g->c.config.key_columns_second = &second_key;
    g->c.config.n_key_columns_second = 1;
    g->o.kind = "flinc.window.join";
    g->o.inputs[1] = FLINC_TYPE(price);
    g->o.functions[0] = pairs ? (struct harness_function)FN(FLINC_FN_JOIN, pair_up)
                              : (struct harness_function)FN(FLINC_FN_CO_GROUP, both);
}

static void push_second(struct harness *h, const char *rows)
{
    harness_clear(h);
    must(harness_push_rows(h, 1, rows, &err));
    assert_string_equal(harness_rows(h, 0), "");
}

static void check_both(struct harness *h, int64_t watermark, const char *expected)
{
    harness_clear(h);
    must(harness_watermark(h, 0, watermark, &err));
    must(harness_watermark(h, 1, watermark, &err));
    check_sorted_rows(harness_rows(h, 0), expected);
}

static void pairs_know_their_window(void **state)
{
    struct general g;
    join_init(&g, SLIDING, 10, 5, true);
    g.o.functions[0] = (struct harness_function)FN(FLINC_FN_JOIN, show_window);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @12");
    push_second(h, "10, a @14");
    check_both(h, 100, "+I[a, 5015] @14\n+I[a, 10020] @19");
    harness_free(h);
}

static void each_pair_of_a_window(void **state)
{
    struct general g;
    join_init(&g, TUMBLING, 10, 10, true);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\na, 2 @9\nb, 3 @5\na, 4 @10");
    push_second(h, "10, a @3\n20, a @4\n30, c @3\n40, a @19");
    must(harness_watermark(h, 0, 100, &err)); /* the other one has none yet */
    assert_string_equal(harness_rows(h, 0), "");
    check_both(h, 100,
               "+I[a 1-10, 1] @9\n+I[a 1-20, 1] @9\n+I[a 2-10, 1] @9\n+I[a 2-20, 1] @9\n"
               "+I[a 4-40, 1] @19");
    check_both(h, INT64_MAX, "");
    harness_free(h);
}

static void sliding_windows_join_again(void **state)
{
    struct general g;
    join_init(&g, SLIDING, 10, 5, true);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @6");
    push_second(h, "10, a @8\n20, a @12\n30, a @16");
    check_both(h, 100, "+I[a 1-10, 1] @9\n+I[a 1-10, 1] @14\n+I[a 1-20, 1] @14");
    harness_free(h);
}

static void co_group_sees_sides_that_are_empty(void **state)
{
    struct general g;
    join_init(&g, TUMBLING, 10, 10, false);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\na, 2 @2\nb, 7 @3");
    push_second(h, "5, a @3\n6, c @4\n7, c @15");
    check_both(h, 9, "+I[2+1=5003, 0] @9\n+I[1+0=7, 0] @9\n+I[0+1=6000, 0] @9");
    push_second(h, "8, c @9"); /* late */
    check_both(h, 50, "+I[0+1=7000, 10] @19");
    harness_free(h);
}

static void a_restored_join_goes_on(void **state)
{
    struct general g;
    Flinc__OperatorSubtaskState *s = NULL;
    join_init(&g, TUMBLING, 10, 10, true);
    struct harness *h = general_start(&g);
    push(h, "a, 1 @1\nb, 2 @11");
    push_second(h, "10, b @12");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    h = general_start(&g);
    push_second(h, "20, a @2");
    check_both(h, 100, "+I[a 1-20, 1] @9\n+I[b 2-10, 1] @19");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_know_their_window),
        cmocka_unit_test(each_pair_of_a_window),
        cmocka_unit_test(sliding_windows_join_again),
        cmocka_unit_test(co_group_sees_sides_that_are_empty),
        cmocka_unit_test(a_restored_join_goes_on),
    };
    return RUN_ON_BOTH(tests);
}
