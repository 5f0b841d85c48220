/* flinc.filter by rows. */
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(item, FLINC_INT64(v), FLINC_STRING(name));

static int is_even(flinc_ctx *ctx, const item *in)
{
    return in->v % 2 == 0;
}

static int is_bad(flinc_ctx *ctx, const item *in)
{
    return in->v == 7 ? -1 : 1;
}

static struct harness *filter(int (*fn)(flinc_ctx *, const item *), const char *name)
{
    return opened(&(struct harness_options){
        .kind = "flinc.filter",
        .functions = {{FLINC_FN_FILTER, (flinc_any_fn)fn, name, "test.c:9"}},
        .inputs = {FLINC_TYPE(item)},
        .outputs = {FLINC_TYPE(item)}});
}

static void rows_that_pass_keep_everything(void **state)
{
    struct harness *h = filter(is_even, "is_even");
    check_rows(h, 0, "1, a\n2, b\n3, c\n4, d", "+I[2, b]\n+I[4, d]");
    check_rows(h, 0, "-U 2, b @5\n+U 3, c @6\n-D 4, d @7", "-U[2, b] @5\n-D[4, d] @7");
    check_rows(h, 0, "1, a\n3, b", "");
    harness_free(h);
}

static struct batch *emitted;

static void take(void *arg, uint32_t output, struct batch *take_batch)
{
    emitted = take_batch;
}

static void a_batch_that_passes_whole_is_not_touched(void **state)
{
    struct harness *h = opened(&(struct harness_options){
        .kind = "flinc.filter",
        .functions = {FN(FLINC_FN_FILTER, is_even)},
        .inputs = {FLINC_TYPE(item)},
        .outputs = {FLINC_TYPE(item)},
        .on_batch = take,
    });
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0), "2, a\n4, b", &b, &err));
    must(harness_push(h, 0, b, &err));
    assert_ptr_equal(emitted, b);
    assert_null(b->sel);
    batch_unref(emitted);
    harness_free(h);
}

static void a_shared_batch_is_left_as_it_was(void **state)
{
    struct harness *h = filter(is_even, "is_even");
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0), "1, a\n2, b", &b, &err));
    must(harness_push(h, 0, batch_ref(b), &err));
    assert_string_equal(harness_rows(h, 0), "+I[2, b]");
    assert_null(b->sel);
    assert_int_equal(b->n_sel, 2);
    batch_unref(b);
    harness_free(h);
}

static void a_selection_is_narrowed(void **state)
{
    struct harness *h = filter(is_even, "is_even");
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0),
                            "2, a\n4, b\n5, c\n6, d\n8, e", &b, &err));
    struct buffer *sel = buffer_get(harness_pool(h), 6);
    memcpy(sel->data, (const uint16_t[]){1, 2, 4}, 6);
    sel->size = 6;
    batch_set_selection(b, sel, 3);
    must(harness_push(h, 0, b, &err));
    assert_string_equal(harness_rows(h, 0), "+I[4, b]\n+I[8, e]");
    harness_free(h);
}

static void an_error_ends_it(void **state)
{
    struct harness *h = filter(is_bad, "is_bad");
    must_fail(harness_push_rows(h, 0, "1, a\n7, b", &err), ERR_USER_CODE,
              "function 'is_bad' returned -1 (test.c:9)");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_pass_keep_everything),
        cmocka_unit_test(a_batch_that_passes_whole_is_not_touched),
        cmocka_unit_test(a_shared_batch_is_left_as_it_was),
        cmocka_unit_test(a_selection_is_narrowed),
        cmocka_unit_test(an_error_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
