/* flinc_async_map: the builder of asynchronous calls.  Flink: AsyncDataStream. */
#include "flinc/async.h"
#include "sdk/internal.h"

#include <math.h>

enum { ASYNC_CAPACITY_DEFAULT = 100, ASYNC_CAPACITY_MAX = 1000 * 1000 };

/* What is wrong with the options; NULL: nothing. */
static const char *check_options(const flinc_async_options *o)
{
    if (o->struct_size != sizeof(*o)) {
        return "start the options from FLINC_ASYNC(...)";
    }
    if (o->order != FLINC_ASYNC_ORDERED && o->order != FLINC_ASYNC_UNORDERED) {
        return "order is neither FLINC_ASYNC_ORDERED nor FLINC_ASYNC_UNORDERED";
    }
    if (o->capacity > ASYNC_CAPACITY_MAX) {
        return "capacity is above 1000000";
    }
    if (o->timeout_ms < 0 || o->retry_delay_ms < 0 || o->retry_max_delay_ms < 0) {
        return "a time is negative";
    }
    if (o->on_timeout != NULL && o->timeout_ms == 0) {
        return "there is an on_timeout function and no timeout_ms";
    }
    if (o->retry_if != NULL && o->max_attempts < 2) {
        return "there is a retry_if function, and max_attempts allows no second call";
    }
    if (!(o->retry_multiplier >= 0) || isinf(o->retry_multiplier)) {
        return "retry_multiplier is not a number from 0 on";
    }
    return NULL;
}

static void set_config(flinc_env *env, struct stream_node *node, const flinc_stream *s,
                       const flinc_async_options *o, const flinc_struct *type)
{
    Flinc__AsyncConfig c = FLINC__ASYNC_CONFIG__INIT;

    c.input = env_struct_desc(env, s->type);
    c.output = env_struct_desc(env, type);
    c.unordered = o->order == FLINC_ASYNC_UNORDERED;
    c.capacity = o->capacity > 0 ? o->capacity : ASYNC_CAPACITY_DEFAULT;
    c.timeout_ms = (uint64_t)o->timeout_ms;
    c.max_attempts = o->max_attempts;
    c.retry_delay_ms = (uint64_t)o->retry_delay_ms;
    c.retry_multiplier = o->retry_multiplier;
    c.retry_max_delay_ms = (uint64_t)o->retry_max_delay_ms;
    c.has_timeout_function = o->on_timeout != NULL;
    c.has_retry_function = o->retry_if != NULL;
    STREAM_SET_CONFIG(env, node, flinc__async_config, &c);
}

flinc_stream *flinc_async_map_(flinc_stream *s, const flinc_function *fn,
                               flinc_async_options options, const flinc_struct *type,
                               flinc_place at)
{
    static const char call[] = "flinc_async_map";
    flinc_env *env = env_of(s);

    if (!stream_usable(s, call, at)) {
        return env != NULL ? &env->broken : NULL;
    }
    const char *wrong = check_options(&options);
    if (wrong != NULL) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: %s", call, wrong);
    }
    const flinc_struct *result = env_copy_struct(env, type, call, at);
    if (result == NULL) {
        return &env->broken;
    }
    struct schema *schema = env_schema_of(env, result);
    struct stream_node *node =
        stream_graph_add(&env->graph, "flinc.async_map", "async wait operator", schema);
    node->location = env_location(env, at);
    const struct {
        const flinc_function *fn;
        flinc_fn_kind kind;
    } functions[] = {{fn, FLINC_FN_ASYNC},
                     {options.on_timeout, FLINC_FN_ASYNC},
                     {options.retry_if, FLINC_FN_ASYNC_RETRY_IF}};
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if ((i == 0 || functions[i].fn != NULL) &&
            env_add_function(env, node, functions[i].fn, functions[i].kind, call, at) < 0) {
            return &env->broken;
        }
    }
    set_config(env, node, s, &options, result);
    stream_connect(env, s, node, 0, at);
    return stream_of_node(env, node, 0, result, schema);
}
