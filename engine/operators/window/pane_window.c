/* flinc.window.panes: records into panes, firing and life (pane_window.h). */
#include "engine/operators/window/pane_window.h"

#include "engine/operators/registry.h"

/* ---- life -------------------------------------------------------------------------------------- */

static int read_config(struct pane_window *w, const struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    const Flinc__WindowConfig *c = g->base.config;
    TRY(general_read_config(g, ctx, err));
    w->pane_ms = g->base.is_global ? 0 : gcd64(g->size, g->slide);
    if (c->assigner->kind != FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING || g->slide > g->size ||
        c->function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER || !pane_fires_at_the_end(g)) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': panes of records are those of process functions over overlapping "
            "sliding windows that fire when their time is over, without evictor",
            ctx->spec->name);
    }
    return 0;
}

static void set_timer(struct pane_window *w, struct op_context *ctx)
{
    struct timer_service *timers = w->general.timers;
    if (pane_time_kind(&w->general) == GENERAL_PROCESSING) {
        int64_t next_ms = timers != NULL ? timer_service_next_time(timers, TIMER_PROCESSING)
                                         : due_index_least(&w->due);
        op_timer_at(ctx, time_add(next_ms, 1));
    }
}

static int pane_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct pane_window *w = (struct pane_window *)op;
    struct general_window *g = &w->general;
    due_index_init(&g->due[GENERAL_EVENT]);
    due_index_init(&g->due[GENERAL_PROCESSING]);
    due_index_init(&w->due);
    TRY(window_base_open(&g->base, ctx, err));
    TRY(read_config(w, ctx, err));
    general_make_schemas(g, ctx);
    TRY(contents_open_functions(g, ctx, err));
    TRY(pane_rows_open(w, ctx, err));
    TRY(general_is_paged(g) ? pane_paged_open(w, ctx, err) : pane_list_open(w, ctx, err));
    set_timer(w, ctx);
    return user_functions_start(&g->rows.functions, err);
}

static void pane_close(struct operator* op, struct op_context *ctx)
{
    struct pane_window *w = (struct pane_window *)op;
    pane_list_close(w);
    pane_paged_close(w);
    if (w->layout.schema != NULL) {
        record_layout_fini(&w->layout);
    }
    mem_free(w->gathered);
    due_index_fini(&w->due);
    general_fini(&w->general);
}

/* ---- windows ----------------------------------------------------------------------------------- */

static int fire_window(struct pane_window *w, struct op_context *ctx, struct pane_key *k,
                       int64_t end, struct error *err)
{
    struct general_window *g = &w->general;
    struct window_at_hand at = {.slot = KEYED_SLOT_NONE, .start = end - g->size, .end = end};
    TRY(pane_rows_load(w, ctx, k, end, err));
    return contents_fire_records(g, ctx, &at, err);
}

/* A key whose next window, or whose first pane, is over. */
static int on_due(struct pane_window *w, struct op_context *ctx, const struct due_item *item,
                  struct error *err)
{
    struct pane_key *k = pane_key_at(w, item->slot);
    bool gone;
    if (k == NULL || k->due_ms != item->time_ms) {
        return 0; /* stale */
    }
    k->due_ms = INT64_MAX;
    if (k->next_end != INT64_MAX && k->next_end - 1 <= item->time_ms) {
        int64_t end = k->next_end;
        TRY(fire_window(w, ctx, k, end, err));
        pane_list_advance(w, k, end);
    }
    TRY(pane_list_expire(w, ctx, item->slot, item->time_ms, &gone, err));
    if (!gone) {
        pane_list_schedule(w, item->slot);
    }
    return 0;
}

/* 1: there is more; 0: that was all. */
static int fire_items(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct due_item item;
    while (emit_queue_len(&w->general.rows.queue) < EMIT_QUEUE_STOP) {
        if (!due_index_take(&w->due, w->general.fire_now, &item)) {
            return 0;
        }
        TRY(on_due(w, ctx, &item, err));
    }
    return 1;
}

static int fire(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    int rc = g->timers != NULL ? pane_paged_fire(w, ctx, err) : fire_items(w, ctx, err);
    TRY(rc);
    g->is_firing = rc > 0;
    if (g->is_firing) {
        (void)emit_queue_drain(&g->rows.queue, ctx);
        return OP_MORE;
    }
    g->base.time_ms = MAX(g->base.time_ms, g->fire_now);
    set_timer(w, ctx);
    return general_drain(g, ctx);
}

static int begin_firing(struct pane_window *w, struct op_context *ctx, enum general_time kind,
                        int64_t now_ms, struct error *err)
{
    if (kind != pane_time_kind(&w->general)) {
        return general_drain(&w->general, ctx);
    }
    w->general.is_firing = true;
    /* Records may still come in the millisecond at hand; so what ends with it waits for the next one.
     * Flink: ProcessingTimeServiceUtil. */
    w->general.fire_now = kind == GENERAL_PROCESSING ? now_ms - 1 : now_ms;
    return fire(w, ctx, err);
}

static int pane_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                          struct error *err)
{
    return begin_firing((struct pane_window *)op, ctx, GENERAL_EVENT, watermark_ms, err);
}

static int pane_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                struct error *err)
{
    return begin_firing((struct pane_window *)op, ctx, GENERAL_PROCESSING, now_ms, err);
}

/* ---- records ----------------------------------------------------------------------------------- */

static int find_panes(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    struct batch *keys = general_entry_keys(g, ctx, w->panes, w->batch_rows, w->n_rows);
    int rc = keyed_state_upsert(w->panes, NAMESPACE_VOID, keys, g->entry_columns, w->slots,
                                w->is_new, err);
    batch_unref(keys);
    TRY(rc);
    if (g->timers != NULL) {
        return pane_paged_note(w, ctx, err);
    }
    TRY(pane_list_check(w, ctx, err));
    return pane_list_add(w, ctx, err);
}

/* Adds rows up to and without `to`. */
static int add_rows(struct pane_window *w, struct op_context *ctx, uint32_t to, struct error *err)
{
    uint32_t from = w->n_added;
    w->n_added = to;
    return pane_rows_add(w, ctx, from, to, err);
}

/* Rows may come late for some windows that are still kept: these fire again.  1: more is to come. */
static int fire_late(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    while (w->next_row < w->n_rows) {
        const uint32_t i = w->next_row;
        if (emit_queue_len(&g->rows.queue) >= EMIT_QUEUE_STOP) {
            (void)emit_queue_drain(&g->rows.queue, ctx);
            return 1;
        }
        if (!pane_next_late(g, ctx, w->batch_rows[i], &w->late_end)) {
            w->late_end = INT64_MIN;
            w->next_row++;
            continue;
        }
        TRY(add_rows(w, ctx, i + 1, err));
        TRY(g->timers != NULL
                ? pane_paged_fire_late(w, ctx, w->batch_rows[i], w->late_end, err)
                : fire_window(w, ctx, pane_key_at(w, pane_meta_of(w, w->slots[i])->key),
                              w->late_end, err));
    }
    return 0;
}

static int run_batch(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    if (g->lateness > 0) {
        int rc = fire_late(w, ctx, err);
        TRY(rc);
        if (rc == 1) {
            return OP_MORE;
        }
    }
    TRY(add_rows(w, ctx, w->n_rows, err));
    general_mark_late_rows(g, ctx);
    window_emit_late(&g->base, ctx, g->input);
    g->input = batch_unref(g->input);
    g->batch = batch_unref(g->batch);
    g->pass_rows = batch_unref(g->pass_rows);
    set_timer(w, ctx);
    return general_drain(g, ctx);
}

static int pane_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct pane_window *w = (struct pane_window *)op;
    struct general_window *g = &w->general;
    struct batch *b = take_batch;
    int rc = window_base_admit(&g->base, ctx, input, &b, err);
    if (rc < 0 || b->n_sel == 0) {
        batch_unref(b);
        return rc;
    }
    g->input = b;
    g->batch = general_kept_rows(g, ctx, b);
    g->now_ms = clock_now_ms(ctx->clock);
    w->n_rows = pane_take_rows(g, ctx, w->pane_ms, w->batch_rows);
    w->next_row = w->n_added = 0;
    w->late_end = INT64_MIN;
    if (w->n_rows > 0) {
        TRY(find_panes(w, ctx, err));
    }
    return run_batch(w, ctx, err);
}

static int pane_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct pane_window *w = (struct pane_window *)op;
    if (w->general.is_firing) {
        return fire(w, ctx, err);
    }
    return w->general.batch != NULL ? run_batch(w, ctx, err) : general_drain(&w->general, ctx);
}

static int pane_snapshot(struct operator* op, struct op_context *ctx,
                         const struct op_checkpoint *checkpoint, struct error *err)
{
    return window_progress_snapshot(&((struct general_window *)op)->base, err);
}

const struct operator_desc operator_window_panes = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.window.panes",
    .summary = "Sliding windows of user functions, which share panes",
    .instance_size = sizeof(struct pane_window),
    .n_inputs = 1,
    .open = pane_open,
    .process = pane_process,
    .resume = pane_resume,
    .close = pane_close,
    .watermark = pane_watermark,
    .processing_time = pane_processing_time,
    .snapshot = pane_snapshot,
};
