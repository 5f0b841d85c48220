/* Scalar functions in programs: batches, selections, NULLs, constants, failures. */
#include "sample_library.h"

#include "engine/data/builder.h"

#include <string.h>

enum { ROWS = 1000 };

struct bench {
    struct expr_pool *pool;
    struct buffer_pool *buffers;
    struct schema *input, *output;
    const struct expr *columns[2];
    struct batch *in, *out;
    struct expr_program *program;
    struct error err;
};

/* i BIGINT with a NULL every 7th row, s STRING with long ones and a NULL every 5th. */
static void bench_init(struct bench *b)
{
    static const char *const names[] = {"i", "s"};
    struct data_type *types[] = {type_new(TYPE_BIGINT, true), type_new_string(true)};
    struct builder builder;
    *b = (struct bench){.pool = expr_pool_new(), .err = ERROR_INIT};
    b->buffers = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    b->input = schema_new(names, types, 2);
    for (uint32_t i = 0; i < 2; i++) {
        b->columns[i] = expr_input(b->pool, i, type_ref(b->input->fields[i].type));
    }
    builder_init(&builder, b->buffers, b->input, BATCH_ROWS_MAX);
    for (int64_t i = 0; i < ROWS; i++) {
        const char *text = i % 2 == 0 ? "ab" : "a text of many letters";
        builder_begin(&builder);
        if (i % 7 == 0) {
            builder_put_null(&builder, 0);
        } else {
            builder_put_i64(&builder, 0, i + 100);
        }
        if (i % 5 == 0) {
            builder_put_null(&builder, 1);
        } else {
            assert_int_equal(builder_put_bytes(&builder, 1, text, strlen(text), NULL), 0);
        }
        builder_end_row(&builder);
    }
    b->in = builder_finish(&builder);
    builder_fini(&builder);
}

static void bench_fini(struct bench *b)
{
    expr_program_free(b->program);
    batch_unref(b->in);
    batch_unref(b->out);
    schema_unref(b->input);
    schema_unref(b->output);
    expr_pool_free(b->pool);
    buffer_pool_close(b->buffers);
}

/* The call over the rows that meet the condition. */
static int run(struct bench *b, const char *symbol, const struct expr *const *args, uint32_t n_args,
               const struct expr *condition)
{
    static const char *const names[] = {"r"};
    static const struct expr_clock clock = {0, 0};
    const struct expr *call;
    assert_int_equal(
        expr_call_resolve(b->pool, sample_function(symbol), args, n_args, &call, &b->err), 0);
    struct data_type *type = type_ref(call->type);
    b->output = schema_new(names, &type, 1);
    const struct expr_program_options o = {.input = b->input,
                                           .conditions = &condition,
                                           .n_conditions = condition != NULL,
                                           .outputs = &call,
                                           .n_outputs = 1,
                                           .output = b->output};
    int rc = expr_program_new(&o, &b->program, &b->err);
    return rc < 0 ? rc : expr_program_run(b->program, b->buffers, b->in, &clock, &b->out, &b->err);
}

static void test_strict(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b);
    assert_int_equal(run(&b, "twice", &b.columns[0], 1, NULL), 0);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_int_equal(column_is_null(&b.out->columns[0], i), i % 7 == 0);
        assert_true(i % 7 == 0 || column_get_int(&b.out->columns[0], i) == 2 * (i + 100));
    }
    bench_fini(&b);
}

static void test_selection(void **state)
{
    struct bench b;
    const struct expr *pair[2], *condition;
    (void)state;
    bench_init(&b);
    pair[0] = b.columns[0];
    pair[1] = expr_integer(b.pool, TYPE_BIGINT, 900);
    assert_int_equal(expr_call(b.pool, ">", pair, 2, &condition, &b.err), 0);
    assert_int_equal(run(&b, "holes", &b.columns[0], 1, condition), 0);
    assert_int_equal(b.out->n_sel, 171); /* 801 to 999 without the multiples of 7 */
    for (uint32_t i = 0; i < b.out->n_sel; i++) {
        const uint32_t row = batch_row(b.out, i);
        assert_int_equal(column_is_null(&b.out->columns[0], row), row % 3 == 0);
        assert_true(row % 3 == 0 || column_get_int(&b.out->columns[0], row) == row + 100);
    }
    bench_fini(&b);
}

static void test_own_nulls_and_constants(void **state)
{
    struct bench b;
    const struct expr *args[2];
    (void)state;
    bench_init(&b);
    args[0] = b.columns[1];
    args[1] = expr_integer(b.pool, TYPE_INTEGER, 3);
    assert_int_equal(run(&b, "repeat_text", args, 2, NULL), 0);
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct slice s = column_get_bytes(&b.out->columns[0], i);
        const char *want =
            i % 5 == 0   ? "nonenonenone"
            : i % 2 == 0 ? "ababab"
                         : "a text of many lettersa text of many lettersa text of many letters";
        assert_false(column_is_null(&b.out->columns[0], i));
        assert_true(slice_eq_cstr(s, want));
    }
    bench_fini(&b);
}

static void test_open_fails(void **state)
{
    struct bench b;
    const struct expr *args[2];
    struct data_type *type = type_new(TYPE_INTEGER, true);
    (void)state;
    bench_init(&b);
    args[0] = b.columns[1];
    assert_int_equal(expr_cast(b.pool, b.columns[0], type, false, &args[1], &b.err), 0);
    assert_int_equal(run(&b, "repeat_text", args, 2, NULL), ERR_INVALID_ARGUMENT);
    assert_string_equal(b.err.message,
                        "user function 'repeat_text' (symbol 'repeat_text' of sample.so), opening "
                        "it: how often is a constant");
    type_unref(type);
    bench_fini(&b);
}

static void test_eval_fails(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b);
    COLUMN_VALUES(&b.in->columns[0], int64_t)[1] = 13;
    assert_int_equal(run(&b, "twice", &b.columns[0], 1, NULL), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(b.err.message, "computing it: 13 brings no luck"));
    bench_fini(&b);
}

/* Planners open no instance: a constant call stays a call. */
static void test_not_folded(void **state)
{
    struct bench b;
    const struct expr *arg, *call;
    (void)state;
    bench_init(&b);
    arg = expr_integer(b.pool, TYPE_BIGINT, 13);
    assert_int_equal(expr_call_resolve(b.pool, sample_function("twice"), &arg, 1, &call, &b.err),
                     0);
    assert_ptr_equal(expr_fold(b.pool, call, NULL), call);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_own_nulls_and_constants),
        cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_eval_fails),
        cmocka_unit_test(test_not_folded),
    };
    sample_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
