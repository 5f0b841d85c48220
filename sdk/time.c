/* Builders of include/flinc/time.h: timestamps and watermarks. */
#include "flinc/time.h"

#include "sdk/internal.h"

static const char assign_call[] = "flinc_assign_timestamps";

enum { ALIGNMENT_INTERVAL_MS_DEFAULT = 1000 };

/* NULL: fine. */
static const char *alignment_fault(const flinc_watermarks *w)
{
    if (w->alignment_group == NULL) {
        return w->alignment_drift_ms != 0 || w->alignment_interval_ms != 0
                   ? ".alignment_drift_ms and .alignment_interval_ms go with .alignment_group"
                   : NULL;
    }
    if (w->alignment_group[0] == '\0') {
        return ".alignment_group must not be empty";
    }
    if (w->kind == FLINC_WATERMARKS_NONE) {
        return ".alignment_group needs watermarks, which .kind = FLINC_WATERMARKS_NONE has not";
    }
    if (w->alignment_drift_ms < 0 || w->alignment_interval_ms < 0) {
        return ".alignment_drift_ms and .alignment_interval_ms must not be negative";
    }
    return NULL;
}

static bool strategy_is_whole(flinc_env *env, const flinc_watermarks *w, flinc_place at)
{
    const char *fault = NULL;
    if (w->struct_size < sizeof(flinc_watermarks)) {
        fault = "the strategy is missing; give FLINC_WATERMARKS(...)";
    } else if ((unsigned)w->kind > FLINC_WATERMARKS_CUSTOM) {
        fault = "unknown .kind";
    } else if (w->timestamp != NULL && w->timestamp_fn != NULL) {
        fault = "give .timestamp or .timestamp_fn, not both";
    } else if (w->max_out_of_orderness_ms < 0 || w->idle_timeout_ms < 0) {
        fault = ".max_out_of_orderness_ms and .idle_timeout_ms must not be negative";
    } else if (w->kind != FLINC_WATERMARKS_BOUNDED && w->max_out_of_orderness_ms != 0) {
        fault = ".max_out_of_orderness_ms is for .kind = FLINC_WATERMARKS_BOUNDED";
    } else if ((w->kind == FLINC_WATERMARKS_CUSTOM) !=
               (w->on_event != NULL || w->on_periodic != NULL)) {
        fault = ".kind = FLINC_WATERMARKS_CUSTOM goes with .on_event or .on_periodic";
    } else {
        fault = alignment_fault(w);
    }
    if (fault != NULL) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: %s", assign_call, fault);
    }
    return fault == NULL;
}

/* The column of timestamps; false after an error. */
static bool find_timestamp_column(flinc_stream *s, const char *name, flinc_place at,
                                  uint32_t *ret_column)
{
    uint32_t *columns = NULL;
    uint32_t n = stream_columns(s, name, assign_call, at, &columns);
    if (n == 0) {
        return false;
    }
    enum type_id id = s->schema->fields[columns[0]].type->id;
    if (n > 1 || (id != TYPE_INTEGER && id != TYPE_BIGINT && id != TYPE_DATE &&
                  id != TYPE_TIMESTAMP && id != TYPE_TIMESTAMP_LTZ)) {
        (void)env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                          "%s: '%s' cannot be the timestamp; it is one column of type INT or "
                          "BIGINT (milliseconds), DATE, TIMESTAMP or TIMESTAMP_LTZ",
                          assign_call, name);
        return false;
    }
    *ret_column = columns[0];
    return true;
}

static int add_functions(flinc_env *env, struct stream_node *node, const flinc_watermarks *w,
                         flinc_place at)
{
    const struct {
        const flinc_function *fn;
        flinc_fn_kind kind;
    } all[] = {
        {w->timestamp_fn, FLINC_FN_TIMESTAMP},
        {w->on_event, FLINC_FN_WATERMARK_EVENT},
        {w->on_periodic, FLINC_FN_WATERMARK_PERIODIC},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].fn != NULL) {
            TRY(env_add_function(env, node, all[i].fn, all[i].kind, assign_call, at));
        }
    }
    return 0;
}

/* `ret_config` borrows from the strategy. */
static void set_alignment(struct stream_node *node, const flinc_watermarks *w,
                          Flinc__WatermarkAlignment *ret_config)
{
    ret_config->group = (char *)(uintptr_t)w->alignment_group;
    ret_config->max_drift_ms = w->alignment_drift_ms;
    ret_config->interval_ms =
        w->alignment_interval_ms > 0 ? w->alignment_interval_ms : ALIGNMENT_INTERVAL_MS_DEFAULT;
    node->coordinator = "flinc.watermark_alignment";
    node->holds_sources = true;
}

flinc_stream *flinc_assign_timestamps_(flinc_stream *s, flinc_watermarks strategy, flinc_place at)
{
    Flinc__WatermarkConfig c = FLINC__WATERMARK_CONFIG__INIT;
    Flinc__WatermarkAlignment alignment = FLINC__WATERMARK_ALIGNMENT__INIT;
    if (!stream_usable(s, assign_call, at)) {
        flinc_env *broken = env_of(s);
        return broken != NULL ? &broken->broken : NULL;
    }
    flinc_env *env = s->env;
    if (!strategy_is_whole(env, &strategy, at)) {
        return &env->broken;
    }
    if (strategy.timestamp != NULL) {
        c.has_column = true;
        if (!find_timestamp_column(s, strategy.timestamp, at, &c.column)) {
            return &env->broken;
        }
    }
    c.kind = (Flinc__WatermarkKind)strategy.kind;
    c.max_out_of_orderness_ms = strategy.max_out_of_orderness_ms;
    c.idle_timeout_ms = strategy.idle_timeout_ms;
    c.has_timestamp_function = strategy.timestamp_fn != NULL;
    c.has_on_event = strategy.on_event != NULL;
    c.has_on_periodic = strategy.on_periodic != NULL;
    c.record = env_struct_desc(env, s->type);
    struct stream_node *node = stream_graph_add(&env->graph, "flinc.timestamps_and_watermarks",
                                                "Timestamps/Watermarks", s->schema);
    node->location = env_location(env, at);
    if (strategy.alignment_group != NULL) {
        set_alignment(node, &strategy, &alignment);
        c.has_alignment = true;
        c.alignment = &alignment;
    }
    if (add_functions(env, node, &strategy, at) < 0) {
        return &env->broken;
    }
    STREAM_SET_CONFIG(env, node, flinc__watermark_config, &c);
    stream_connect(env, s, node, 0, at);
    return stream_of_node(env, node, 0, s->type, s->schema);
}
