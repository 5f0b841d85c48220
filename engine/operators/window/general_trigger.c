/* Triggers: what each says of a record and of a time, and what it waits for (Flink's package
 * windowing.triggers). */
#include "engine/operators/window/general_window.h"

static Flinc__WindowTriggerKind kind_of(const struct general_window *w)
{
    Flinc__WindowTriggerKind kind = w->base.config->trigger->kind;
    if (kind != FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DEFAULT) {
        return kind;
    }
    if (w->base.is_global) {
        return FLINC__WINDOW_TRIGGER_KIND__TRIGGER_NEVER;
    }
    return w->base.processing_time ? FLINC__WINDOW_TRIGGER_KIND__TRIGGER_PROCESSING_TIME
                                   : FLINC__WINDOW_TRIGGER_KIND__TRIGGER_EVENT_TIME;
}

int trigger_check(const struct general_window *w, const struct op_context *ctx, struct error *err)
{
    const Flinc__WindowTrigger *t = w->base.config->trigger;
    Flinc__WindowTriggerKind kind = kind_of(w);
    bool sound = true;
    if (kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT) {
        sound = t->count > 0;
    } else if (kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME ||
               kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_PROCESSING_TIME) {
        sound = t->interval_ms > 0;
    } else if ((unsigned)kind > FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CUSTOM ||
               ((kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DELTA ||
                 kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CUSTOM) &&
                ctx->n_inputs > 1)) {
        sound = false;
    }
    return sound
               ? 0
               : error_set(err, ERR_INVALID_ARGUMENT,
                           "operator '%s': its trigger (kind %d, count %lld, interval %lld ms) is "
                           "not known here, or its count or interval is not positive; two "
                           "inputs have no trigger of functions",
                           ctx->spec->name, (int)kind, (long long)t->count,
                           (long long)t->interval_ms);
}

static unsigned fired(const struct general_window *w)
{
    return TRIGGER_FIRE | (w->base.config->trigger->purging ? TRIGGER_PURGE : 0);
}

/* The next moment of a continuous trigger an interval behind `from_ms`, not behind the window's last one. */
static int64_t next_moment(const struct general_window *w, const struct window_at_hand *at,
                           int64_t from_ms)
{
    int64_t next = time_add(from_ms, w->base.config->trigger->interval_ms);
    return w->base.is_global ? next : MIN(next, at->end - 1);
}

/* The first one of a window: moments are multiples of the interval. */
static int64_t first_moment(const struct general_window *w, const struct window_at_hand *at,
                            int64_t time_ms)
{
    return next_moment(w, at, window_start(time_ms, 0, w->base.config->trigger->interval_ms));
}

unsigned trigger_on_element(const struct general_window *w, const struct op_context *ctx,
                            const struct window_at_hand *at, int64_t ts)
{
    struct window_entry *e = at->entry;
    int64_t last = at->end - 1;
    switch (kind_of(w)) {
    case FLINC__WINDOW_TRIGGER_KIND__TRIGGER_EVENT_TIME:
        if (last <= window_now(&w->base, ctx)) {
            return fired(w);
        }
        e->wait[GENERAL_EVENT] = last;
        return TRIGGER_CONTINUE;
    case FLINC__WINDOW_TRIGGER_KIND__TRIGGER_PROCESSING_TIME:
        e->wait[GENERAL_PROCESSING] = last;
        return TRIGGER_CONTINUE;
    case FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT:
        if (++e->count < w->base.config->trigger->count) {
            return TRIGGER_CONTINUE;
        }
        e->count = 0;
        return fired(w);
    case FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME:
        if (last <= window_now(&w->base, ctx)) {
            return fired(w);
        }
        if (e->wait[GENERAL_EVENT] == INT64_MAX) {
            e->wait[GENERAL_EVENT] = first_moment(w, at, ts);
        }
        return TRIGGER_CONTINUE;
    case FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_PROCESSING_TIME:
        if (e->wait[GENERAL_PROCESSING] == INT64_MAX) {
            e->wait[GENERAL_PROCESSING] = first_moment(w, at, w->now_ms);
        }
        return TRIGGER_CONTINUE;
    default:
        return TRIGGER_CONTINUE;
    }
}

unsigned trigger_on_time(const struct general_window *w, const struct window_at_hand *at,
                         enum general_time kind, int64_t time_ms)
{
    struct window_entry *e = at->entry;
    Flinc__WindowTriggerKind trigger = kind_of(w);
    e->wait[kind] = INT64_MAX;
    bool continuous = trigger == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME ||
                      trigger == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_PROCESSING_TIME;
    if (continuous && (w->base.is_global || time_ms < at->end - 1)) {
        e->wait[kind] = next_moment(w, at, time_ms);
    } else if (trigger == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME) {
        e->count = 1; /* it would come again if the window grew: trigger_on_growth() */
    }
    return fired(w);
}

bool trigger_can_merge(const struct general_window *w)
{
    Flinc__WindowTriggerKind kind = kind_of(w);
    if (kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CUSTOM) {
        return w->base.config->trigger->on_merge;
    }
    return kind != FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DELTA &&
           kind != FLINC__WINDOW_TRIGGER_KIND__TRIGGER_NEVER;
}

void trigger_on_growth(const struct general_window *w, struct window_entry *e)
{
    if (e->count > 0 && kind_of(w) == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME) {
        e->count = 0;
        e->wait[GENERAL_EVENT] = MIN(e->wait[GENERAL_EVENT], e->end - 1);
    }
}

void trigger_on_merge(struct window_entry *into, const struct window_entry *from)
{
    into->count += from->count;
    for (enum general_time kind = 0; kind < GENERAL_TIMES; kind++) {
        into->wait[kind] = MIN(into->wait[kind], from->wait[kind]);
    }
}
