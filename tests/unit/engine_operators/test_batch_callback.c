/* Batch callbacks of flinc.map and flinc.filter. */
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(trade, FLINC_STRING(symbol), FLINC_INT64(price), FLINC_BOOL(buy));
FLINC_STRUCT(valued, FLINC_INT64(cents), FLINC_STRING(symbol), FLINC_BOOL(cheap));

static int to_cents(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    if (flinc_batch_out_forward(out, 1, 0) < 0) {
        return -1;
    }
    const int64_t *price = flinc_batch_int64(in, 1);
    int64_t *cents = flinc_batch_out_column(out, 0);
    uint8_t *cheap = flinc_batch_out_column(out, 2);
    memset(cheap, 0, (in->n_rows + 7) / 8);
    for (uint32_t i = 0; i < in->n_rows; i++) {
        cents[i] = price[i] * 100;
        cheap[i / 8] = (uint8_t)(cheap[i / 8] | (price[i] < 10) << i % 8);
    }
    return 0;
}

static int buys(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    const uint8_t *bits = in->columns[2].values;
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n_selected; i++) {
        uint32_t row = flinc_batch_row(in, i);
        flinc_string symbol = flinc_batch_string(in, 0, row);
        ret_rows[n] = (uint16_t)row;
        n += (bits[row / 8] >> row % 8 & 1) != 0 && symbol.len > 0;
    }
    return (int)n;
}

static struct harness_options map_options(flinc_any_fn fn, const char *name)
{
    return (struct harness_options){.kind = "flinc.map",
                                    .functions = {{FLINC_FN_BATCH_MAP, fn, name, "test.c:7"}},
                                    .inputs = {FLINC_TYPE(trade)},
                                    .outputs = {FLINC_TYPE(valued)},
                                    .batch_callback = true};
}

static struct harness_options filter_options(flinc_any_fn fn, const char *name)
{
    return (struct harness_options){.kind = "flinc.filter",
                                    .functions = {{FLINC_FN_BATCH_FILTER, fn, name, "test.c:8"}},
                                    .inputs = {FLINC_TYPE(trade)},
                                    .outputs = {FLINC_TYPE(trade)},
                                    .batch_callback = true};
}

static void columns_are_filled_and_forwarded(void **state)
{
    struct harness_options o = map_options((flinc_any_fn)to_cents, "to_cents");
    struct harness *h = opened(&o);
    check_rows(h, 0, "ABC, 5, true\na-symbol-of-some-length, 20, false @7",
               "+I[500, ABC, true] @none\n+I[2000, a-symbol-of-some-length, false] @7");
    harness_free(h);
}

static void a_batch_filter_selects(void **state)
{
    struct harness_options o = filter_options((flinc_any_fn)buys, "buys");
    struct harness *h = opened(&o);
    check_rows(h, 0, "A, 1, true\nB, 2, false\na-symbol-of-some-length, 3, true",
               "+I[A, 1, true]\n+I[a-symbol-of-some-length, 3, true]");
    check_rows(h, 0, "B, 2, false", "");
    check_rows(h, 0, "-D B, 2, true", "-D[B, 2, true]");
    harness_free(h);
}

static void selections_pass_through(void **state)
{
    struct harness_options m = map_options((flinc_any_fn)to_cents, "to_cents");
    struct harness_options f = filter_options((flinc_any_fn)buys, "buys");
    struct harness *map = opened(&m), *filter = opened(&f);
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(map), harness_input_schema(map, 0),
                            "A, 1, true\nB, 2, false\nC, 3, true\nD, 4, true", &b, &err));
    struct buffer *sel = buffer_get(harness_pool(map), 6);
    memcpy(sel->data, (const uint16_t[]){1, 2, 3}, 6);
    sel->size = 6;
    batch_set_selection(b, sel, 3);
    must(harness_push(filter, 0, batch_ref(b), &err));
    assert_string_equal(harness_rows(filter, 0), "+I[C, 3, true]\n+I[D, 4, true]");
    must(harness_push(map, 0, b, &err));
    assert_string_equal(harness_rows(map, 0),
                        "+I[200, B, true]\n+I[300, C, true]\n+I[400, D, true]");
    harness_free(filter);
    harness_free(map);
}

static int forgets(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    (void)flinc_batch_out_column(out, 0);
    return flinc_batch_out_forward(out, 1, 0);
}

static int fills_a_string(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    return flinc_batch_out_column(out, 1) != NULL ? 0 : -1;
}

static int wrong_type(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    return flinc_batch_out_forward(out, 0, 0);
}

static int no_such_column(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    return flinc_batch_out_forward(out, 7, 0);
}

static int gives_up(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    return flinc_ctx_fail(ctx, "no prices today");
}

static void mistakes_of_a_batch_map(void **state)
{
    static const struct {
        int (*fn)(flinc_ctx *, const flinc_batch *, flinc_batch_out *);
        const char *text;
    } cases[] = {
        {forgets, "(test.c:7): output column 2 ('cheap') was neither forwarded nor filled"},
        {fills_a_string, "column 'symbol' has no fixed width"},
        {wrong_type, "input column 0 cannot become output column 0 ('cents')"},
        {no_such_column, "there is no output column 7, the output has 3"},
        {gives_up, "failed: no prices today"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct harness_options o = map_options((flinc_any_fn)cases[i].fn, "bad");
        struct harness *h = opened(&o);
        must_fail(harness_push_rows(h, 0, "A, 1, true", &err), ERR_USER_CODE, cases[i].text);
        harness_free(h);
    }
}

static int twice_the_first(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    ret_rows[0] = ret_rows[1] = 0;
    return 2;
}

static int beyond(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    ret_rows[0] = (uint16_t)in->n_rows;
    return 1;
}

static int too_many(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    return (int)in->n_selected + 1;
}

static int row_zero(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    ret_rows[0] = 0;
    return 1;
}

static void mistakes_of_a_batch_filter(void **state)
{
    static int (*const cases[])(flinc_ctx *, const flinc_batch *,
                                uint16_t *) = {twice_the_first, beyond, too_many, row_zero};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct harness_options o = filter_options((flinc_any_fn)cases[i], "bad");
        struct harness *h = opened(&o);
        struct batch *b = NULL;
        must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0),
                                "A, 1, true\nB, 1, true\nC, 1, true", &b, &err));
        /* Row 0 is not selected. */
        struct buffer *sel = buffer_get(harness_pool(h), 4);
        memcpy(sel->data, (const uint16_t[]){1, 2}, 4);
        sel->size = 4;
        batch_set_selection(b, sel, 2);
        must_fail(harness_push(h, 0, b, &err), ERR_USER_CODE,
                  "function 'bad' (test.c:8) kept rows that are not rows of the batch");
        harness_free(h);
    }
}

static void nullability_may_change_without_nulls(void **state)
{
    struct harness_options o = map_options((flinc_any_fn)to_cents, "to_cents");
    o.input_schemas[0] = "ROW<symbol STRING, price BIGINT, buy BOOLEAN>";
    struct harness *h = opened(&o);
    check_rows(h, 0, "A, 1, true", "+I[100, A, true]");
    must_fail(harness_push_rows(h, 0, "NULL, 1, true", &err), ERR_USER_CODE, "holds a NULL");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_filled_and_forwarded),
        cmocka_unit_test(a_batch_filter_selects),
        cmocka_unit_test(selections_pass_through),
        cmocka_unit_test(mistakes_of_a_batch_map),
        cmocka_unit_test(mistakes_of_a_batch_filter),
        cmocka_unit_test(nullability_may_change_without_nulls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
