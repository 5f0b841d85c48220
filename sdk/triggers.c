/* Triggers of windows: what the builders of windows.c take over of them, and the functions that custom ones
 * call.  Flink: WindowedStream.trigger. */
#include "sdk/triggers.h"

static const char call[] = "flinc_window";

const flinc_function *env_copy_function(flinc_env *env, const flinc_function *fn)
{
    if (fn == NULL) {
        return NULL;
    }
    flinc_function *copy = arena_zalloc(&env->arena, sizeof(*copy));
    memcpy(copy, fn, MIN((size_t)fn->struct_size, sizeof(*copy)));
    if (fn->config_size > 0) {
        void *config = arena_alloc(&env->arena, fn->config_size);
        memcpy(config, fn->config, fn->config_size);
        copy->config = config;
    }
    return copy;
}

int env_copy_trigger(flinc_env *env, const flinc_trigger *trigger, flinc_place at,
                     flinc_trigger *ret_copy)
{
    flinc_trigger copy = *trigger;
    if (trigger->kind == FLINC_TRIGGER_CUSTOM && trigger->on_element == NULL) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                          "%s: FLINC_TRIGGER takes a function to call with each record", call);
        return -1;
    }
    if (trigger->kind == FLINC_TRIGGER_CUSTOM && trigger->state != NULL) {
        copy.state = env_copy_struct(env, trigger->state, call, at);
        if (copy.state == NULL) {
            return -1;
        }
    }
    copy.delta = env_copy_function(env, trigger->delta);
    copy.on_element = env_copy_function(env, trigger->on_element);
    copy.on_event_time = env_copy_function(env, trigger->on_event_time);
    copy.on_processing_time = env_copy_function(env, trigger->on_processing_time);
    copy.on_merge = env_copy_function(env, trigger->on_merge);
    copy.clear = env_copy_function(env, trigger->clear);
    *ret_copy = copy;
    return 0;
}

void env_trigger_config(flinc_env *env, const flinc_trigger *trigger,
                        Flinc__WindowTrigger *ret_config)
{
    flinc__window_trigger__init(ret_config);
    ret_config->kind = (Flinc__WindowTriggerKind)trigger->kind;
    ret_config->count = trigger->count;
    ret_config->interval_ms = trigger->interval_ms;
    ret_config->threshold = trigger->threshold;
    ret_config->purging = trigger->purging;
    if (trigger->kind == FLINC_TRIGGER_CUSTOM) {
        ret_config->on_event_time = trigger->on_event_time != NULL;
        ret_config->on_processing_time = trigger->on_processing_time != NULL;
        ret_config->on_merge = trigger->on_merge != NULL;
        ret_config->clear = trigger->clear != NULL;
        ret_config->state = trigger->state != NULL ? env_struct_desc(env, trigger->state) : NULL;
    }
}

int env_add_trigger(flinc_env *env, struct stream_node *node, const flinc_trigger *trigger,
                    flinc_place at)
{
    const struct {
        const flinc_function *fn;
        flinc_fn_kind kind;
    } calls[] = {{trigger->on_element, FLINC_FN_TRIGGER_ELEMENT},
                 {trigger->on_event_time, FLINC_FN_TRIGGER_TIME},
                 {trigger->on_processing_time, FLINC_FN_TRIGGER_TIME},
                 {trigger->on_merge, FLINC_FN_TRIGGER_MERGE},
                 {trigger->clear, FLINC_FN_TRIGGER_CLEAR}};
    if (trigger->kind != FLINC_TRIGGER_CUSTOM) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (calls[i].fn != NULL) {
            TRY(env_add_function(env, node, calls[i].fn, calls[i].kind, call, at));
        }
    }
    return 0;
}
