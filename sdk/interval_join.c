/* Interval joins of two keyed streams.  Flink: KeyedStream.IntervalJoin. */
#include "sdk/internal.h"

#include "flinc/window.h"
#include "proto/window.pb-c.h"

/* An inclusive bound; no bound that people mean is beyond the limits here. */
static int64_t bound_of(int64_t ms, int64_t step)
{
    const int64_t limit = INT64_MAX / 8;
    return (ms > limit ? limit : ms < -limit ? -limit : ms) + step;
}

/* Both keyed by columns of the same types, and bounds that some pair can be within. */
static int check_join(flinc_stream *a, flinc_stream *b, const flinc_interval *interval,
                      int64_t width, flinc_place at)
{
    bool fit = a->env == b->env && a->n_keys > 0 && a->n_keys == b->n_keys;
    for (uint32_t k = 0; fit && k < a->n_keys; k++) {
        fit = type_equals(a->schema->fields[a->keys[k]].type, b->schema->fields[b->keys[k]].type);
    }
    if (!fit) {
        (void)env_fail_at(a->env, at, ERR_INVALID_ARGUMENT,
                          "flinc_interval_join: both streams are keyed by columns of the same "
                          "types; call flinc_key_by first");
        return a->env->err.code;
    }
    if (interval->struct_size < sizeof(*interval) || width < 0) {
        (void)env_fail_at(a->env, at, ERR_INVALID_ARGUMENT,
                          "flinc_interval_join: nothing is between %lld ms and %lld ms; give "
                          "FLINC_INTERVAL(.lower_ms = -5000, .upper_ms = 5000), where the lower "
                          "bound is not above the upper one",
                          (long long)interval->lower_ms, (long long)interval->upper_ms);
        return a->env->err.code;
    }
    if (interval->late_first_tag != NULL && interval->late_second_tag != NULL &&
        strcmp(interval->late_first_tag, interval->late_second_tag) == 0) {
        (void)env_fail_at(a->env, at, ERR_INVALID_ARGUMENT,
                          "flinc_interval_join: late records of both streams go to '%s'; give them "
                          "different tags",
                          interval->late_first_tag);
        return a->env->err.code;
    }
    return 0;
}

flinc_stream *flinc_interval_join_(flinc_stream *a, flinc_stream *b, flinc_interval interval,
                                   const flinc_function *fn, const flinc_struct *type,
                                   flinc_place at)
{
    static const char call[] = "flinc_interval_join";
    if (!stream_usable(a, call, at) || !stream_usable(b, call, at)) {
        flinc_env *env = env_of(a);
        return env != NULL ? &env->broken : NULL;
    }
    flinc_env *env = a->env;
    int64_t lower = bound_of(interval.lower_ms, interval.lower_exclusive ? 1 : 0);
    int64_t upper = bound_of(interval.upper_ms, interval.upper_exclusive ? -1 : 0);
    const flinc_struct *result = NULL;
    if (check_join(a, b, &interval, upper - lower, at) < 0 ||
        (result = env_copy_struct(env, type, call, at)) == NULL) {
        return &env->broken;
    }
    struct schema *schema = env_schema_of(env, result);
    struct stream_node *node =
        stream_graph_add(&env->graph, "flinc.interval_join", "IntervalJoin", schema);
    node->location = env_location(env, at);
    if (env_add_function(env, node, fn, FLINC_FN_JOIN, call, at) < 0) {
        return &env->broken;
    }
    Flinc__WindowConfig c = FLINC__WINDOW_CONFIG__INIT;
    c.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_INTERVAL_JOIN;
    c.lower_ms = lower;
    c.upper_ms = upper;
    c.key_columns = a->keys;
    c.n_key_columns = a->n_keys;
    c.key_columns_second = b->keys;
    c.n_key_columns_second = b->n_keys;
    c.input = env_struct_desc(env, a->type);
    c.input_second = env_struct_desc(env, b->type);
    c.output = env_struct_desc(env, result);
    if (interval.late_first_tag != NULL) {
        c.late_output = stream_node_add_output(
            &env->graph, node, arena_strdup(&env->arena, interval.late_first_tag), a->schema);
    }
    if (interval.late_second_tag != NULL) {
        c.late_output_second = stream_node_add_output(
            &env->graph, node, arena_strdup(&env->arena, interval.late_second_tag), b->schema);
    }
    STREAM_SET_CONFIG(env, node, flinc__window_config, &c);
    stream_connect(env, a, node, 0, at);
    stream_connect(env, b, node, 1, at);
    return stream_of_node(env, node, 0, result, schema);
}
