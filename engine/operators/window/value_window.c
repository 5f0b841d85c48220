/* flinc.window.values: records into panes, firing and life (value_window.h). */
#include "engine/operators/window/value_window.h"

#include "common/base/failpoint.h"
#include "engine/operators/registry.h"

/* ---- windows ----------------------------------------------------------------------------------- */

/* End of the last window that is over at `now`. */
static int64_t last_end_at(const struct general_window *g, int64_t now)
{
    return time_add(pane_window_end_above(g, time_add(now, 1)), -g->slide);
}

/* The next window to fire; false: there is no pane for any. */
static bool next_window(const struct value_window *w, int64_t *ret_end)
{
    const struct general_window *g = &w->general;
    int64_t next = w->fired_end == INT64_MIN ? INT64_MIN : time_add(w->fired_end, g->slide);
    size_t at = value_panes_above(w, time_add(next, -g->size));
    if (at == w->panes.len || w->fired_end == INT64_MAX) {
        return false;
    }
    *ret_end = MAX(next, pane_window_end_above(g, value_pane_at(w, at)->end - w->pane_ms));
    return true;
}

static void set_timer(struct value_window *w, struct op_context *ctx)
{
    int64_t end;
    if (w->general.base.processing_time) {
        op_timer_at(ctx, next_window(w, &end) ? end : INT64_MAX);
    }
}

/* ---- life -------------------------------------------------------------------------------------- */

static int read_config(struct value_window *w, const struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    const Flinc__WindowConfig *c = g->base.config;
    TRY(general_read_config(g, ctx, err));
    w->is_sliding = g->slide < g->size;
    w->has_stacks = w->is_sliding && !keyed_backend_pages(g->base.backend);
    w->pane_ms = g->slide > 0 ? gcd64(g->size, g->slide) : 0;
    bool is_sized = c->assigner->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING ||
                    c->assigner->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING;
    bool has_values = c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE ||
                      c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE ||
                      c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD;
    bool can_merge =
        c->function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE || c->merges || !w->is_sliding;
    if (!is_sized || g->slide > g->size || !has_values || !can_merge || !pane_fires_at_the_end(g)) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': panes of values are those of reduce and aggregate functions over "
            "tumbling or overlapping sliding windows that fire when their time is over, without "
            "evictor; aggregate functions over sliding windows have a merge function",
            ctx->spec->name);
    }
    return 0;
}

static int value_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct value_window *w = (struct value_window *)op;
    struct general_window *g = &w->general;
    due_index_init(&g->due[GENERAL_EVENT]);
    due_index_init(&g->due[GENERAL_PROCESSING]);
    TRY(window_base_open(&g->base, ctx, err));
    TRY(read_config(w, ctx, err));
    general_make_schemas(g, ctx);
    TRY(contents_open_functions(g, ctx, err));
    TRY(value_panes_open(w, ctx, err));
    bool fired = g->base.restored_low > INT64_MIN && !PLANTED("window_forgets_what_fired");
    w->fired_end = fired ? last_end_at(g, g->base.restored_low) : INT64_MIN;
    w->front_end = w->back_end = INT64_MIN;
    w->back_round = 1;
    set_timer(w, ctx);
    return user_functions_start(&g->rows.functions, err);
}

static void value_close(struct operator* op, struct op_context *ctx)
{
    struct value_window *w = (struct value_window *)op;
    w->walk = keyed_walk_free(w->walk);
    value_panes_close(w);
    general_fini(&w->general);
}

/* ---- firing ------------------------------------------------------------------------------------ */

static int fire_value(struct value_window *w, struct op_context *ctx, int64_t end,
                      const char *value, struct error *err)
{
    struct window_at_hand at = {
        .slot = KEYED_SLOT_NONE, .start = end - w->general.size, .end = end};
    return contents_fire_value(&w->general, ctx, &at, value, err);
}

/* Whether the window has fired before the restore for the key of this hash. */
static bool has_fired(const struct value_window *w, const struct op_context *ctx, uint64_t hash)
{
    return window_key_now(&w->general.base, ctx, hash, INT64_MIN) >= w->fire_end - 1;
}

/* The next block of a walk; 0: there is none. */
static int next_block(struct value_window *w, struct keyed_state *from, int64_t name_space,
                      struct error *err)
{
    if (w->walk == NULL) {
        TRY(keyed_walk_start(from, name_space, &w->walk, err));
    }
    int n = keyed_walk_next(w->walk, BATCH_ROWS_TARGET, w->fire_slots, err);
    w->n_fire = (uint32_t)MAX(n, 0);
    w->next_fire = 0;
    return n;
}

/* All values of a namespace.  1: more is to come. */
static int emit_values(struct value_window *w, struct op_context *ctx, struct keyed_state *from,
                       int64_t name_space, struct error *err)
{
    const bool some_have = window_has_ahead(&w->general.base, w->fire_end - 1);
    while (emit_queue_len(&w->general.rows.queue) < EMIT_QUEUE_STOP) {
        if (w->next_fire == w->n_fire) {
            int n = next_block(w, from, name_space, err);
            if (n <= 0) {
                w->walk = keyed_walk_free(w->walk);
                return n;
            }
        }
        const uint32_t slot = w->fire_slots[w->next_fire++];
        if (LIKELY(!some_have) || !has_fired(w, ctx, keyed_table_hash(from->table, slot))) {
            TRY(fire_value(w, ctx, w->fire_end, keyed_state_value(from, slot), err));
        }
    }
    return 1;
}

/* 1: more is to come. */
static int emit_pane(struct value_window *w, struct op_context *ctx, struct error *err)
{
    return emit_values(w, ctx, w->values, w->fire_end, err);
}

static int emit_sums(struct value_window *w, struct op_context *ctx, struct error *err)
{
    int rc = emit_values(w, ctx, w->sums, NAMESPACE_VOID, err);
    if (rc == 0) {
        value_sums_done(w);
    }
    return rc;
}

/* Keys and their first nodes lie anywhere: those of the next ones are on their way meanwhile. */
static void prefetch_keys(const struct value_window *w, uint32_t at)
{
    const uint32_t *numbers = w->active.data;
    if (at + 2 * VALUE_PREFETCH < w->active.len) {
        __builtin_prefetch(value_key_at(w, numbers[at + 2 * VALUE_PREFETCH]));
        const struct value_key *k = value_key_at(w, numbers[at + VALUE_PREFETCH]);
        if (k->head != 0) {
            const char *node = (const char *)value_node_at(w, k->head);
            __builtin_prefetch(node);
            __builtin_prefetch(node + 64);
        }
    }
}

static int emit_keys(struct value_window *w, struct op_context *ctx, struct error *err)
{
    const bool some_have = window_has_ahead(&w->general.base, w->fire_end - 1);
    while (w->at < w->active.len) {
        struct value_key *k = value_key_at(w, *VEC_AT(&w->active, uint32_t, w->at));
        const char *value = NULL;
        prefetch_keys(w, w->at);
        if (emit_queue_len(&w->general.rows.queue) >= EMIT_QUEUE_STOP) {
            return 1;
        }
        TRY(value_stacks_get(w, k, &value, err));
        if (value == NULL) {
            value_key_deactivate(w, w->at);
            continue;
        }
        w->at++;
        if (LIKELY(!some_have) || !has_fired(w, ctx, k->hash)) {
            TRY(fire_value(w, ctx, w->fire_end, value, err));
        }
    }
    return 0;
}

/* The window w->fire_end goes on.  1: more is to come. */
static int fire_window(struct value_window *w, struct op_context *ctx, struct error *err)
{
    int rc = 0;
    if (w->step != VALUE_EMIT) {
        if (w->has_stacks) {
            rc = value_stacks_step(w, err);
        } else if (w->is_sliding) {
            rc = value_sums_step(w, ctx, err);
        }
        w->step = rc == 0 ? VALUE_EMIT : w->step;
        w->n_fire = w->next_fire = 0;
    }
    if (rc == 0) {
        rc = w->has_stacks   ? emit_keys(w, ctx, err)
             : w->is_sliding ? emit_sums(w, ctx, err)
                             : emit_pane(w, ctx, err);
    }
    if (rc == 0) {
        w->step = VALUE_IDLE;
        w->fired_end = w->fire_end;
    }
    return rc;
}

static int fire(struct value_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    while (w->step != VALUE_IDLE ||
           (next_window(w, &w->fire_end) && w->fire_end - 1 <= g->fire_now)) {
        int rc = fire_window(w, ctx, err);
        TRY(rc);
        if (rc == 1) {
            (void)emit_queue_drain(&g->rows.queue, ctx);
            return OP_MORE;
        }
    }
    g->is_firing = false;
    /* Windows without records are over, too. */
    w->fired_end = MAX(w->fired_end, last_end_at(g, g->fire_now));
    g->base.time_ms = MAX(g->base.time_ms, g->fire_now);
    TRY(value_panes_expire(w, ctx, g->fire_now, err));
    set_timer(w, ctx);
    return general_drain(g, ctx);
}

static int begin_firing(struct value_window *w, struct op_context *ctx, enum general_time kind,
                        int64_t now_ms, struct error *err)
{
    struct general_window *g = &w->general;
    if (kind != pane_time_kind(g)) {
        return general_drain(g, ctx);
    }
    g->is_firing = true;
    /* Records may still come in the millisecond at hand; so what ends with it waits for the next one.
     * Flink: ProcessingTimeServiceUtil. */
    g->fire_now = kind == GENERAL_PROCESSING ? now_ms - 1 : now_ms;
    return fire(w, ctx, err);
}

static int value_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                           struct error *err)
{
    return begin_firing((struct value_window *)op, ctx, GENERAL_EVENT, watermark_ms, err);
}

static int value_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                 struct error *err)
{
    return begin_firing((struct value_window *)op, ctx, GENERAL_PROCESSING, now_ms, err);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* Adds rows up to and without the one that comes as number `to`. */
static int add_rows(struct value_window *w, uint32_t to, struct error *err)
{
    for (; w->n_added < to; w->n_added++) {
        TRY(value_add(w, w->numbers[w->n_added], err));
    }
    return 0;
}

/* What a window that has fired comes to with a late record, the number of whose entry is `i`. */
static int late_value(struct value_window *w, struct op_context *ctx, uint32_t i, int64_t end,
                      const char **ret_value, struct error *err)
{
    if (w->is_sliding && !w->has_stacks) {
        return value_sums_of_row(w, ctx, i, end, ret_value, err);
    }
    const char *entry = keyed_table_value(w->tables[i], w->slots[i]);
    if (!w->is_sliding) {
        *ret_value = entry;
        return 0;
    }
    const uint32_t node = (uint32_t)value_meta_in(w, entry)->node;
    return value_put_together(w, value_key_at(w, value_node_at(w, node)->key), end, ret_value, err);
}

/* Rows may come late for some windows that are still kept: these fire again.  1: more is to come. */
static int fire_late(struct value_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    while (w->next_row < w->n_found) {
        const uint32_t i = w->numbers[w->next_row];
        const char *value = NULL;
        if (emit_queue_len(&g->rows.queue) >= EMIT_QUEUE_STOP) {
            (void)emit_queue_drain(&g->rows.queue, ctx);
            return 1;
        }
        if (!pane_next_late(g, ctx, w->batch_rows[i], &w->late_end)) {
            w->late_end = INT64_MIN;
            w->next_row++;
            continue;
        }
        TRY(add_rows(w, w->next_row + 1, err));
        TRY(late_value(w, ctx, i, w->late_end, &value, err));
        TRY(fire_value(w, ctx, w->late_end, value, err));
    }
    return 0;
}

/* The rows whose entries are found.  1: more is to come. */
static int run_found(struct value_window *w, struct op_context *ctx, struct error *err)
{
    if (w->general.lateness > 0) {
        int rc = fire_late(w, ctx, err);
        if (rc != 0) {
            return rc;
        }
    }
    return add_rows(w, w->n_found, err);
}

static int run_batch(struct value_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    for (;;) {
        int rc = run_found(w, ctx, err);
        TRY(rc);
        if (rc == 1) {
            return OP_MORE;
        }
        if (w->n_found == w->n_rows) {
            break;
        }
        TRY(value_panes_find(w, ctx, err));
    }
    w->arrivals += w->n_rows;
    general_mark_late_rows(g, ctx);
    window_emit_late(&g->base, ctx, g->input);
    g->input = batch_unref(g->input);
    g->batch = batch_unref(g->batch);
    g->pass_rows = batch_unref(g->pass_rows);
    set_timer(w, ctx);
    return general_drain(g, ctx);
}

static int value_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct value_window *w = (struct value_window *)op;
    struct general_window *g = &w->general;
    struct batch *b = take_batch;
    int rc = window_base_admit(&g->base, ctx, input, &b, err);
    if (rc < 0 || b->n_sel == 0) {
        batch_unref(b);
        return rc;
    }
    g->input = b;
    g->batch = general_kept_rows(g, ctx, b);
    /* A clock that steps back puts nothing into windows that have fired. */
    const int64_t fired_ms = MAX(g->base.time_ms, g->base.restored_low);
    g->now_ms = MAX(clock_now_ms(ctx->clock), time_add(fired_ms, 1));
    w->n_rows = pane_take_rows(g, ctx, w->pane_ms, w->batch_rows);
    w->next_row = w->n_added = w->n_found = 0;
    w->late_end = INT64_MIN;
    if (w->n_rows > 0) {
        g->values.tile.n = 0;
        general_set_pass_rows(g, ctx, w->batch_rows, w->n_rows);
        value_panes_order(w);
    }
    return run_batch(w, ctx, err);
}

static int value_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct value_window *w = (struct value_window *)op;
    if (w->general.is_firing) {
        return fire(w, ctx, err);
    }
    return w->general.batch != NULL ? run_batch(w, ctx, err) : general_drain(&w->general, ctx);
}

static int value_snapshot(struct operator* op, struct op_context *ctx,
                          const struct op_checkpoint *checkpoint, struct error *err)
{
    return window_progress_snapshot(&((struct value_window *)op)->general.base, err);
}

const struct operator_desc operator_window_values = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.window.values",
    .summary = "Tumbling and sliding windows of reduce and aggregate functions, by shared panes",
    .instance_size = sizeof(struct value_window),
    .n_inputs = 1,
    .open = value_open,
    .process = value_process,
    .resume = value_resume,
    .close = value_close,
    .watermark = value_watermark,
    .processing_time = value_processing_time,
    .snapshot = value_snapshot,
};
