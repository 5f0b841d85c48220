/* User functions: open, close, configuration, facts, counters, accumulators, and their errors. */
#include "common/base/log.h"
#include "engine/operators/user_function.h"
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(number, FLINC_INT64(v));

struct config {
    int64_t factor;
    double wide;
};

static int n_opened, n_closed;
static flinc_counter *counter;

static int scale(flinc_ctx *ctx, const number *in, number *out)
{
    const struct config *c = flinc_ctx_config(ctx);
    flinc_counter_add(counter, 1);
    out->v = in->v * c->factor;
    return flinc_ctx_accumulate(ctx, "sum", in->v);
}

static int open_scale(flinc_ctx *ctx)
{
    const struct config *c = flinc_ctx_config(ctx);
    n_opened++;
    counter = flinc_ctx_counter(ctx, "scaled");
    assert_int_equal((uintptr_t)c % 16, 0);
    assert_int_equal(c->factor, 3);
    assert_int_equal(flinc_ctx_subtask(ctx), 2);
    assert_int_equal(flinc_ctx_parallelism(ctx), 4);
    assert_int_equal(flinc_ctx_attempt(ctx), 0);
    assert_string_equal(flinc_ctx_job_name(ctx), "harness");
    assert_string_equal(flinc_ctx_operator_name(ctx), "Scale");
    assert_false(flinc_ctx_is_cancelled(ctx));
    assert_null(flinc_ctx_user(ctx));
    assert_null(flinc_ctx_side(ctx, "any"));
    flinc_ctx_log(ctx, "opened with %d", (int)c->factor);
    return 0;
}

static void close_any(flinc_ctx *ctx)
{
    n_closed++;
}

static int open_fails(flinc_ctx *ctx)
{
    n_opened++;
    return flinc_ctx_fail(ctx, "no connection to %s", "the oracle");
}

static int open_returns(flinc_ctx *ctx)
{
    return -77;
}

static char logged[512];

static void keep_line(void *arg, enum log_level level, const char *line)
{
    snprintf(logged, sizeof(logged), "%s", line);
}

static void a_function_has_its_life(void **state)
{
    struct config config = {.factor = 3};
    n_opened = n_closed = 0;
    log_set_sink(keep_line, NULL);
    struct harness *h =
        opened(&(struct harness_options){.kind = "flinc.map",
                                         .name = "Scale",
                                         .subtask = 2,
                                         .parallelism = 4,
                                         .functions = {{FLINC_FN_MAP, (flinc_any_fn)scale, "scale",
                                                        "job.c:1", &config, sizeof(config)},
                                                       FN(FLINC_FN_OPEN, open_scale),
                                                       FN(FLINC_FN_CLOSE, close_any)},
                                         .inputs = {FLINC_TYPE(number)},
                                         .outputs = {FLINC_TYPE(number)}});
    log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "opened with 3 job=harness operator=Scale subtask=2"));
    check_rows(h, 0, "1\n2", "+I[3]\n+I[6]");
    check_rows(h, 0, "5", "+I[15]");
    assert_int_equal(flinc_counter_get(counter), 3);
    assert_int_equal(harness_accumulator(h, "sum"), 8);
    assert_int_equal(harness_accumulator(h, "other"), 0);
    assert_int_equal(n_opened, 1);
    assert_int_equal(n_closed, 0);
    harness_free(h);
    assert_int_equal(n_closed, 1);
}

static struct harness_options with(struct harness_function call, struct harness_function second,
                                   struct harness_function third)
{
    return (struct harness_options){.kind = "flinc.map",
                                    .functions = {call, second, third},
                                    .inputs = {FLINC_TYPE(number)},
                                    .outputs = {FLINC_TYPE(number)}};
}

static void close_runs_after_a_failed_open(void **state)
{
    struct harness *h = NULL;
    struct harness_options o = with((struct harness_function)FN(FLINC_FN_MAP, scale),
                                    (struct harness_function)FN(FLINC_FN_OPEN, open_fails),
                                    (struct harness_function)FN(FLINC_FN_CLOSE, close_any));
    n_opened = n_closed = 0;
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_USER_CODE,
              "function 'scale' (test.c:1) failed: no connection to the oracle (while "
              "opening function 'scale'");
    harness_free(h);
    assert_int_equal(n_opened, 1);
    assert_int_equal(n_closed, 1);

    o.functions[1] = (struct harness_function)FN(FLINC_FN_OPEN, open_returns);
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_USER_CODE, "function 'scale' returned -77 (test.c:1)");
    harness_free(h);
    assert_int_equal(n_closed, 2);
}

static void close_does_not_run_without_open(void **state)
{
    struct harness *h = NULL;
    struct harness_options o =
        with((struct harness_function)FN(FLINC_FN_MAP, scale),
             (struct harness_function)FN(FLINC_FN_CLOSE, close_any), (struct harness_function){0});
    n_closed = 0;
    o.input_schemas[0] = "ROW<other BIGINT>";
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "there is no column 'v'");
    harness_free(h);
    assert_int_equal(n_closed, 0);
}

static void a_wrong_or_missing_function_is_named(void **state)
{
    struct harness *h = NULL;
    struct harness_options o = with((struct harness_function)FN(FLINC_FN_FILTER, scale),
                                    (struct harness_function){0}, (struct harness_function){0});
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT,
              "function 'scale' is a filter function, operator 'Test' needs a map function");
    harness_free(h);

    o.functions[0] = (struct harness_function){0};
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "a map function is missing");
    harness_free(h);

    o.functions[0] = (struct harness_function){.kind = FLINC_FN_MAP, .name = "lost"};
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_NOT_FOUND, "resolving function 'lost'");
    harness_free(h);
    must_fail(harness_new(&(struct harness_options){.kind = "flinc.none"}, &h, &err), ERR_NOT_FOUND,
              "'flinc.none'");
}

static void damaged_configuration_is_refused(void **state)
{
    static uint8_t bytes[] = {0xff, 0xff, 0xff};
    static const char *const kinds[] = {"flinc.map", "flinc.filter", "flinc.flat_map",
                                        "flinc.keyed_aggregate"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct harness *h = NULL;
        struct harness_options o = with((struct harness_function)FN(FLINC_FN_MAP, scale),
                                        (struct harness_function){0}, (struct harness_function){0});
        o.kind = kinds[i];
        must(harness_new(&o, &h, &err));
        Flinc__Operator *spec = (Flinc__Operator *)(uintptr_t)harness_context(h)->spec;
        spec->config = (ProtobufCBinaryData){sizeof(bytes), bytes};
        must_fail(harness_open(h, &err), ERR_CORRUPT, "its configuration is damaged");
        harness_free(h);
    }
}

static void text_grows(void **state)
{
    struct flinc_text text = {STR_INIT};
    flinc_text_append(&text, "a,b", 2);
    flinc_text_printf(&text, "%d", 12);
    assert_string_equal(str_cstr(&text.str), "a,12");
    str_fini(&text.str);
}

static void the_cancel_flag_is_seen(void **state)
{
    struct harness *h = NULL;
    struct harness_options o = with((struct harness_function)FN(FLINC_FN_MAP, scale),
                                    (struct harness_function){0}, (struct harness_function){0});
    must(harness_new(&o, &h, &err));
    struct flinc_ctx ctx = {.op = harness_context(h)};
    assert_false(flinc_ctx_is_cancelled(&ctx));
    harness_cancel(h);
    assert_true(flinc_ctx_is_cancelled(&ctx));
    harness_free(h);
}

/* ---- cancelled in the middle of a batch ---------------------------------------------------------- */

enum { CANCEL_IN_CALL = 5, CANCEL_ROWS = 1000 };
static struct harness *cancelling;
static int n_calls;

static int count_call(void)
{
    if (++n_calls == CANCEL_IN_CALL) {
        harness_cancel(cancelling);
    }
    return 0;
}

static int cancel_map(flinc_ctx *ctx, const number *in, number *out)
{
    return count_call();
}

static int cancel_filter(flinc_ctx *ctx, const number *in)
{
    return count_call();
}

static int cancel_flat(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    return count_call();
}

static void few_calls_follow_a_cancellation(void **state)
{
    static const struct {
        const char *kind;
        struct harness_function function;
    } cases[] = {
        {"flinc.map", FN(FLINC_FN_MAP, cancel_map)},
        {"flinc.filter", FN(FLINC_FN_FILTER, cancel_filter)},
        {"flinc.flat_map", FN(FLINC_FN_FLAT_MAP, cancel_flat)},
        {"flinc.process", FN(FLINC_FN_PROCESS, cancel_flat)},
    };
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < CANCEL_ROWS; i++) {
        str_printf(&rows, "%s%d", i > 0 ? "\n" : "", i);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        n_calls = 0;
        cancelling = opened(&(struct harness_options){.kind = cases[i].kind,
                                                      .functions = {cases[i].function},
                                                      .inputs = {FLINC_TYPE(number)},
                                                      .outputs = {FLINC_TYPE(number)}});
        must_fail(harness_push_rows(cancelling, 0, str_cstr(&rows), &err), ERR_CANCELLED,
                  "were cancelled");
        assert_in_range(n_calls, CANCEL_IN_CALL, CANCEL_IN_CALL + USER_CANCEL_ROWS);
        harness_free(cancelling);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_has_its_life),
        cmocka_unit_test(close_runs_after_a_failed_open),
        cmocka_unit_test(close_does_not_run_without_open),
        cmocka_unit_test(a_wrong_or_missing_function_is_named),
        cmocka_unit_test(damaged_configuration_is_refused),
        cmocka_unit_test(text_grows),
        cmocka_unit_test(the_cancel_flag_is_seen),
        cmocka_unit_test(few_calls_follow_a_cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
