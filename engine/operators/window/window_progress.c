/* How far time had come, by key group, across restores (window_base.h). */
#include "engine/operators/window/window_base.h"

/* One item of the list: key groups that had come equally far. */
struct progress_item {
    uint32_t first_group, last_group;
    int64_t time_ms;
};

static void take_progress(struct window_base *w, const struct progress_item *item)
{
    for (uint32_t g = MAX(item->first_group, w->first_group);
         g <= MIN(item->last_group, w->last_group); g++) {
        int64_t *at = &w->group_time[g - w->first_group];
        *at = MAX(*at, item->time_ms);
    }
}

static int restore_progress(struct window_base *w, const struct op_context *ctx, struct error *err)
{
    uint32_t n_groups = w->last_group - w->first_group + 1;
    w->group_time = MEM_NEW_ARRAY(int64_t, n_groups);
    for (uint32_t g = 0; g < n_groups; g++) {
        w->group_time[g] = INT64_MIN;
    }
    for (size_t i = 0; i < operator_list_len(w->progress); i++) {
        struct slice bytes = operator_list_get(w->progress, i);
        struct progress_item item;
        if (bytes.len != sizeof(item)) {
            return error_set(
                err, ERR_CORRUPT,
                "operator '%s': its restored progress has an item of %zu bytes instead "
                "of %zu",
                ctx->spec->name, bytes.len, sizeof(item));
        }
        memcpy(&item, bytes.data, sizeof(item));
        take_progress(w, &item);
    }
    w->restored_low = INT64_MAX;
    for (uint32_t g = 0; g < n_groups; g++) {
        w->restored_low = MIN(w->restored_low, w->group_time[g]);
        w->restored_high = MAX(w->restored_high, w->group_time[g]);
    }
    if (w->restored_low == w->restored_high) {
        mem_free(w->group_time);
        w->group_time = NULL;
    }
    return 0;
}

int window_progress_open(struct window_base *w, struct op_context *ctx, struct error *err)
{
    struct operator_state *state = NULL;
    w->restored_low = w->restored_high = INT64_MIN;
    TRY(op_operator_state(ctx, &state, err));
    TRY(operator_state_list(state, "window-progress",
                            FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, "BYTES", &w->progress,
                            err));
    return operator_list_len(w->progress) > 0 ? restore_progress(w, ctx, err) : 0;
}

static int add_progress(struct window_base *w, const struct progress_item *item, struct error *err)
{
    return operator_list_add(w->progress, item, sizeof(*item), err);
}

int window_progress_snapshot(struct window_base *w, struct error *err)
{
    int64_t now = MAX(w->time_ms, w->restored_low);
    struct progress_item item = {w->first_group, w->last_group, now};
    operator_list_clear(w->progress);
    if (!window_has_ahead(w, now)) {
        return add_progress(w, &item, err);
    }
    /* Runs of groups that are equally far. */
    for (uint32_t g = w->first_group; g <= w->last_group; g++) {
        int64_t time_ms = MAX(now, w->group_time[g - w->first_group]);
        if (g > w->first_group && time_ms != item.time_ms) {
            TRY(add_progress(w, &item, err));
            item.first_group = g;
        }
        item.last_group = g;
        item.time_ms = time_ms;
    }
    return add_progress(w, &item, err);
}
