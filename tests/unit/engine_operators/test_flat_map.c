/* flinc.flat_map, flinc.process and their co- variants. */
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(line, FLINC_STRING(text));
FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));
FLINC_STRUCT(number, FLINC_INT64(v));

static int split(flinc_ctx *ctx, const line *in, flinc_out *out)
{
    const char *p = in->text.data, *end = p + in->text.len;
    while (p < end) {
        const char *space = memchr(p, ' ', (size_t)(end - p));
        const char *stop = space != NULL ? space : end;
        if (stop > p) {
            int rc = FLINC_EMIT(out, word_count, .word = {p, (size_t)(stop - p)}, .count = 1);
            if (rc < 0) {
                return rc;
            }
        }
        p = stop + 1;
    }
    return 0;
}

static int explode(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    for (int64_t i = 0; i < in->v; i++) {
        int rc = FLINC_EMIT(out, number, .v = i);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int fail_on_negative(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    return in->v < 0 ? flinc_ctx_fail(ctx, "negative: %d", (int)in->v)
                     : FLINC_EMIT(out, number, .v = in->v);
}

static int too_long(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    char *text = calloc(1, (size_t)in->v);
    int rc = FLINC_EMIT(out, word_count, .word = {text, (size_t)in->v}, .count = 1);
    free(text);
    return rc;
}

/* Even numbers to the main output, odd ones to a side, multiples of ten to both sides. */
static int route(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    flinc_out *odd = flinc_ctx_side(ctx, "odd"), *tens = flinc_ctx_side(ctx, "tens");
    if (odd == NULL || tens == NULL || flinc_ctx_side(ctx, "even") != NULL) {
        return flinc_ctx_fail(ctx, "sides are wrong");
    }
    if (in->v % 10 == 0 && FLINC_EMIT(tens, word_count, .word = FLINC_STR("ten"), .count = in->v)) {
        return -1;
    }
    return in->v % 2 == 0 ? FLINC_EMIT(out, number, .v = in->v)
                          : FLINC_EMIT(odd, number, .v = in->v);
}

static struct harness *flat_map(flinc_any_fn fn, const char *name, const flinc_struct *in,
                                const flinc_struct *out)
{
    return opened(
        &(struct harness_options){.kind = "flinc.flat_map",
                                  .functions = {{FLINC_FN_FLAT_MAP, fn, name, "test.c:5"}},
                                  .inputs = {in},
                                  .outputs = {out}});
}

static void lines_become_words(void **state)
{
    struct harness *h =
        flat_map((flinc_any_fn)split, "split", FLINC_TYPE(line), FLINC_TYPE(word_count));
    check_rows(h, 0, "to be or\n''\nnot to be a conspicuously-long-word",
               "+I[to, 1]\n+I[be, 1]\n+I[or, 1]\n+I[not, 1]\n+I[to, 1]\n+I[be, 1]\n"
               "+I[a, 1]\n+I[conspicuously-long-word, 1]");
    check_rows(h, 0, "''", "");
    harness_free(h);
}

static void small_outputs_wait_for_flush_or_end(void **state)
{
    struct harness *h =
        flat_map((flinc_any_fn)split, "split", FLINC_TYPE(line), FLINC_TYPE(word_count));
    must(harness_push_rows(h, 0, "a b", &err));
    must(harness_push_rows(h, 0, "c", &err));
    assert_int_equal(harness_batch_count(h, 0), 0);
    must(harness_flush(h, &err));
    assert_int_equal(harness_batch_count(h, 0), 1);
    assert_string_equal(harness_rows(h, 0), "+I[a, 1]\n+I[b, 1]\n+I[c, 1]");
    must(harness_push_rows(h, 0, "d", &err));
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), 4);
    harness_free(h);
}

static void records_keep_timestamp_and_kind(void **state)
{
    struct harness *h =
        flat_map((flinc_any_fn)split, "split", FLINC_TYPE(line), FLINC_TYPE(word_count));
    must(harness_push_rows(h, 0, "a", &err));
    must(harness_push_rows(h, 0, "'b c' @7\n-D d\n'' @8\ne @9", &err));
    must(harness_push_rows(h, 0, "f", &err));
    must(harness_flush(h, &err));
    assert_string_equal(harness_rows(h, 0),
                        "+I[a, 1] @none\n+I[b, 1] @7\n+I[c, 1] @7\n-D[d, 1] @none\n"
                        "+I[e, 1] @9\n+I[f, 1] @none");
    harness_free(h);
}

static uint64_t n_taken;
static int64_t last_timestamp;

static void take(void *arg, uint32_t output, struct batch *take_batch)
{
    const int64_t *values = COLUMN_VALUES(&take_batch->columns[0], const int64_t);
    for (uint32_t i = 0; i < take_batch->n_rows; i++) {
        assert_int_equal(values[i], n_taken++ % 100000);
    }
    last_timestamp =
        ((const int64_t *)(const void *)take_batch->timestamps->data)[take_batch->n_rows - 1];
    batch_unref(take_batch);
}

static void one_record_may_become_many_batches(void **state)
{
    struct harness *h = opened(&(struct harness_options){
        .kind = "flinc.flat_map",
        .functions = {FN(FLINC_FN_FLAT_MAP, explode)},
        .inputs = {FLINC_TYPE(number)},
        .outputs = {FLINC_TYPE(number)},
        .on_batch = take,
    });
    n_taken = 0;
    /* 49 batches a record; no more than a few may leave per call. */
    must(harness_push_rows(h, 0, "100000 @5\n100000 @6\n100000 @7", &err));
    must(harness_flush(h, &err));
    assert_int_equal(n_taken, 300000);
    assert_int_equal(last_timestamp, 7);
    assert_in_range(harness_more_count(h), 15, 25);
    assert_true(harness_max_emitted(h) <= 8);
    harness_free(h);
}

static void cancelled_in_the_middle_nothing_is_left(void **state)
{
    struct harness *h =
        flat_map((flinc_any_fn)explode, "explode", FLINC_TYPE(number), FLINC_TYPE(number));
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0), "100000\n5", &b, &err));
    struct operator* op = harness_operator(h);
    must(op->desc->process(op, harness_context(h), 0, b, &err) == OP_MORE ? 0 : -1);
    uint64_t emitted = harness_row_count(h, 0);
    must(harness_flush(h, &err)); /* does not overtake what is queued */
    assert_int_equal(harness_row_count(h, 0), emitted);
    harness_free(h); /* checks that all buffers are back */
}

static void errors_of_the_function(void **state)
{
    struct harness *h = flat_map((flinc_any_fn)fail_on_negative, "fail_on_negative",
                                 FLINC_TYPE(number), FLINC_TYPE(number));
    must_fail(harness_push_rows(h, 0, "1\n-2", &err), ERR_USER_CODE,
              "function 'fail_on_negative' (test.c:5) failed: negative: -2");
    harness_free(h);
}

static void a_record_above_the_limit(void **state)
{
    struct harness *h =
        flat_map((flinc_any_fn)too_long, "too_long", FLINC_TYPE(number), FLINC_TYPE(word_count));
    must(harness_push_rows(h, 0, "1000000", &err));
    must_fail(harness_push_rows(h, 0, "70000000", &err), ERR_TOO_LARGE,
              "function 'too_long' (test.c:5) emits a record");
    harness_free(h);
}

static void side_outputs_have_their_own_types(void **state)
{
    struct harness *h = opened(&(struct harness_options){
        .kind = "flinc.process",
        .functions = {FN(FLINC_FN_PROCESS, route)},
        .inputs = {FLINC_TYPE(number)},
        .outputs = {FLINC_TYPE(number), FLINC_TYPE(number), FLINC_TYPE(word_count)},
        .tags = {NULL, "odd", "tens"}});
    must(harness_push_rows(h, 0, "1\n2 @5\n10 @6\n13 @7", &err));
    must(harness_end_of_input(h, 0, &err));
    assert_string_equal(harness_rows(h, 0), "+I[2] @5\n+I[10] @6");
    assert_string_equal(harness_rows(h, 1), "+I[1] @none\n+I[13] @7");
    assert_string_equal(harness_rows(h, 2), "+I[ten, 10] @6");
    harness_free(h);
}

static int first_call(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    return FLINC_EMIT(out, word_count, .word = FLINC_STR("first"), .count = in->v);
}

static int second_call(flinc_ctx *ctx, const line *in, flinc_out *out)
{
    flinc_out *side = flinc_ctx_side(ctx, "lines");
    if (side != NULL && FLINC_EMIT(side, line, .text = in->text) < 0) {
        return -1;
    }
    return FLINC_EMIT(out, word_count, .word = in->text, .count = -1);
}

static void two_inputs(void **state)
{
    static const char *const kinds[] = {"flinc.co_flat_map", "flinc.co_process"};
    for (int i = 0; i < 2; i++) {
        uint32_t kind = i == 0 ? FLINC_FN_FLAT_MAP : FLINC_FN_PROCESS;
        struct harness *h = opened(&(struct harness_options){
            .kind = kinds[i],
            .functions = {FN(kind, first_call), FN(kind, second_call)},
            .inputs = {FLINC_TYPE(number), FLINC_TYPE(line)},
            .outputs = {FLINC_TYPE(word_count), i == 1 ? FLINC_TYPE(line) : NULL},
            .tags = {NULL, "lines"}});
        check_rows(h, 0, "1\n2", "+I[first, 1]\n+I[first, 2]");
        check_rows(h, 1, "abc", "+I[abc, -1]");
        assert_string_equal(harness_rows(h, 1), i == 1 ? "+I[abc]" : "");
        must(harness_push_rows(h, 0, "3", &err));
        must(harness_end_of_input(h, 1, &err));
        must(harness_end_of_input(h, 0, &err));
        assert_int_equal(harness_row_count(h, 0), 2);
        harness_free(h);
    }
}

static void the_struct_must_be_the_stream(void **state)
{
    struct harness *h = NULL;
    struct harness_options o = {.kind = "flinc.flat_map",
                                .functions = {FN(FLINC_FN_FLAT_MAP, split)},
                                .inputs = {FLINC_TYPE(line)},
                                .outputs = {FLINC_TYPE(word_count)},
                                .output_schemas = {"ROW<count BIGINT, word STRING>"}};
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT,
              "output 'main' of operator 'Test': the struct's fields are not the stream's columns");
    harness_free(h);
    o.batch_callback = true;
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_UNSUPPORTED, "has no batch callbacks");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_words),
        cmocka_unit_test(small_outputs_wait_for_flush_or_end),
        cmocka_unit_test(records_keep_timestamp_and_kind),
        cmocka_unit_test(one_record_may_become_many_batches),
        cmocka_unit_test(cancelled_in_the_middle_nothing_is_left),
        cmocka_unit_test(errors_of_the_function),
        cmocka_unit_test(a_record_above_the_limit),
        cmocka_unit_test(side_outputs_have_their_own_types),
        cmocka_unit_test(two_inputs),
        cmocka_unit_test(the_struct_must_be_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
