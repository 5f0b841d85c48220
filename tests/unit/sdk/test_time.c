/* Timestamps, watermarks and keyed process functions: the operators that the builders add, and what
 * mistakes are told as. */
#include "flinc/flinc.h"
#include "proto/operators.pb-c.h"
#include "sdk/environment.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

FLINC_STRUCT(sale, FLINC_STRING(shop), FLINC_INT64(at), FLINC_DOUBLE(amount));

static flinc_env *capturing(void)
{
    struct env_options o = {.mode = ENV_MODE_CAPTURE, .one_job = true};
    return env_new(&o);
}

static flinc_stream *sales(flinc_env *env)
{
    static const sale all[] = {{{"a", 1}, 2, 3}};
    return flinc_from_elements(env, all, 1, FLINC_TYPE(sale));
}

static const Flinc__Operator *operator_of(flinc_env *env, const char *kind)
{
    if (flinc_env_execute(env, "job") != 0) {
        fail_msg("%s", flinc_env_error(env));
    }
    const Flinc__JobGraph *g = env_captured_graph(env);
    for (size_t v = 0; v < g->n_vertices; v++) {
        for (size_t i = 0; i < g->vertices[v]->n_operators; i++) {
            if (strcmp(g->vertices[v]->operators[i]->kind, kind) == 0) {
                return g->vertices[v]->operators[i];
            }
        }
    }
    fail_msg("there is no operator of kind %s", kind);
    return NULL;
}

static int64_t watermark_of(flinc_ctx *ctx, const sale *in, int64_t timestamp)
{
    return timestamp;
}

static void strategies_are_in_the_graph(void **state)
{
    flinc_env *env = capturing();
    flinc_print(flinc_assign_timestamps(
        sales(env), FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = 5,
                                     .timestamp = "at", .idle_timeout_ms = 7)));
    const Flinc__Operator *op = operator_of(env, "flinc.timestamps_and_watermarks");
    Flinc__WatermarkConfig *c =
        flinc__watermark_config__unpack(NULL, op->config.len, op->config.data);
    assert_string_equal(op->name, "Timestamps/Watermarks");
    assert_int_equal(c->kind, FLINC__WATERMARK_KIND__WATERMARK_BOUNDED);
    assert_int_equal(c->max_out_of_orderness_ms, 5);
    assert_int_equal(c->idle_timeout_ms, 7);
    assert_true(c->has_column);
    assert_int_equal(c->column, 1);
    flinc__watermark_config__free_unpacked(c, NULL);
    flinc_env_free(env);
    env = capturing();
    flinc_print(
        flinc_assign_timestamps(sales(env), FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_CUSTOM,
                                                             .on_event = FLINC_FN(watermark_of))));
    op = operator_of(env, "flinc.timestamps_and_watermarks");
    assert_int_equal(op->n_functions, 1);
    assert_int_equal(op->functions[0]->kind, FLINC_FN_WATERMARK_EVENT);
    flinc_env_free(env);
}

/* A strategy may be put together in inner blocks: functions outlive them. */
static void functions_outlive_their_block(void **state)
{
    for (int i = 0; i < 2; i++) {
        flinc_env *env = capturing();
        flinc_watermarks w = FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS);
        if (i == 1) {
            w = FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_CUSTOM,
                                 .on_event = FLINC_FN(watermark_of));
        } else {
            flinc_watermarks other = FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_CUSTOM,
                                                      .timestamp_fn = FLINC_FN(watermark_of),
                                                      .on_event = FLINC_FN(watermark_of));
            w = other;
        }
        flinc_print(flinc_assign_timestamps(sales(env), w));
        const Flinc__Operator *op = operator_of(env, "flinc.timestamps_and_watermarks");
        assert_int_equal(op->n_functions, 2 - i);
        assert_string_equal(op->functions[0]->name, "watermark_of");
        flinc_env_free(env);
    }
}

static void alignment_is_in_the_graph(void **state)
{
    flinc_env *env = capturing();
    flinc_stream *s = flinc_assign_timestamps(
        sales(env), FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "at",
                                     .alignment_group = "shops", .alignment_drift_ms = 5));
    flinc_print(flinc_set_parallelism(s, 1));
    const Flinc__Operator *op = operator_of(env, "flinc.timestamps_and_watermarks");
    Flinc__WatermarkConfig *c =
        flinc__watermark_config__unpack(NULL, op->config.len, op->config.data);
    assert_true(c->has_alignment);
    assert_string_equal(c->alignment->group, "shops");
    assert_int_equal(c->alignment->max_drift_ms, 5);
    assert_int_equal(c->alignment->interval_ms, 1000);
    flinc__watermark_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static int process(flinc_ctx *ctx, const sale *in, flinc_out *out)
{
    return flinc_ctx_timer_event(ctx, in->at);
}

static int on_timer(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    return 0;
}

static void process_functions_of_keyed_streams(void **state)
{
    flinc_env *env = capturing();
    flinc_stream *s =
        flinc_process(flinc_key_by(sales(env), "shop"),
                      FLINC_FUNCTION(process, .on_timer = on_timer), FLINC_TYPE(sale));
    flinc_print(flinc_side_output(s, "side", FLINC_TYPE(sale)));
    flinc_print(s);
    const Flinc__Operator *op = operator_of(env, "flinc.keyed_process");
    assert_string_equal(op->name, "KeyedProcess");
    assert_int_equal(op->n_functions, 2);
    assert_int_equal(op->functions[1]->kind, FLINC_FN_ON_TIMER);
    flinc_env_free(env);
    env = capturing();
    flinc_print(flinc_co_process(flinc_key_by(sales(env), "shop"), flinc_key_by(sales(env), "shop"),
                                 FLINC_FN(process), FLINC_FN(process), FLINC_TYPE(sale)));
    assert_string_equal(operator_of(env, "flinc.keyed_co_process")->name, "Co-Keyed-Process");
    flinc_env_free(env);
}

static void a_broadcast_stream_and_another(void **state)
{
    flinc_env *env = capturing();
    flinc_print(flinc_broadcast_process(flinc_key_by(sales(env), "shop"),
                                        flinc_broadcast(sales(env)), FLINC_FN(process),
                                        FLINC_FN(process), FLINC_TYPE(sale)));
    assert_non_null(operator_of(env, "flinc.keyed_broadcast_process"));
    flinc_env_free(env);
    env = capturing();
    flinc_print(flinc_broadcast_process(sales(env), flinc_broadcast(sales(env)), FLINC_FN(process),
                                        FLINC_FN(process), FLINC_TYPE(sale)));
    assert_non_null(operator_of(env, "flinc.broadcast_process"));
    flinc_env_free(env);
    env = capturing();
    flinc_print(flinc_broadcast_process(sales(env), sales(env), FLINC_FN(process),
                                        FLINC_FN(process), FLINC_TYPE(sale)));
    assert_int_not_equal(flinc_env_execute(env, "job"), 0);
    assert_non_null(strstr(flinc_env_error(env), "must be broadcast; call flinc_broadcast first"));
    flinc_env_free(env);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        flinc_watermarks strategy;
        const char *error;
    } cases[] = {
        {{0}, "the strategy is missing"},
        {FLINC_WATERMARKS(.kind = 9), "unknown .kind"},
        {FLINC_WATERMARKS(.timestamp = "shop"), "'shop' cannot be the timestamp"},
        {FLINC_WATERMARKS(.timestamp = "att"), "did you mean 'at'"},
        {FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_CUSTOM), "goes with .on_event"},
        {FLINC_WATERMARKS(.max_out_of_orderness_ms = 1), "is for .kind = FLINC_WATERMARKS_BOUNDED"},
        {FLINC_WATERMARKS(.idle_timeout_ms = -1), "must not be negative"},
        {FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .alignment_group = ""),
         "must not be empty"},
        {FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .alignment_group = "g",
                          .alignment_drift_ms = -1),
         "must not be negative"},
        {FLINC_WATERMARKS(.alignment_group = "g"), "needs watermarks"},
        {FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .alignment_drift_ms = 5),
         "go with .alignment_group"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        flinc_env *env = capturing();
        flinc_print(flinc_assign_timestamps(sales(env), cases[i].strategy));
        assert_int_not_equal(flinc_env_execute(env, "job"), 0);
        if (strstr(flinc_env_error(env), cases[i].error) == NULL) {
            fail_msg("'%s' is not in: %s", cases[i].error, flinc_env_error(env));
        }
        flinc_env_free(env);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies_are_in_the_graph),
        cmocka_unit_test(functions_outlive_their_block),
        cmocka_unit_test(alignment_is_in_the_graph),
        cmocka_unit_test(process_functions_of_keyed_streams),
        cmocka_unit_test(a_broadcast_stream_and_another),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
