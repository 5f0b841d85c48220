/* Session windows of built-in aggregates with a backend that pages: when keys are looked at is in timers, which may go to disk as
 * entries do (session_window.h).
 *
 * A timer says that a key may have something due, no more: there may be several of a key, and what a key has is seen when it
 * is looked at.  One of these is never after the end of its earliest session.
 * Thread: the task's. */
#include "engine/operators/window/session_window.h"

/* ---- life -------------------------------------------------------------------------------------- */

static int set_again(void *arg, const struct op_context *ctx, const struct batch *keys,
                     uint32_t row, uint32_t slot, struct error *err)
{
    struct session_window *w = arg;
    w->timer_row = row;
    return session_schedule(w, slot, session_entry_at(w, slot), err);
}

int session_timers_open(struct session_window *w, struct op_context *ctx, struct error *err)
{
    if (w->state->paged == NULL) {
        return 0;
    }
    struct timer_service_options options = {
        .name = "window-sessions", .key_schema = w->base.key_schema, .is_derived = true};
    w->timer_kind = w->base.processing_time ? TIMER_PROCESSING : TIMER_EVENT;
    TRY(timer_service_new(w->base.backend, &options, &w->timers, err));
    if (w->state->was_stored && timer_service_was_stored(w->timers, w->timer_kind)) {
        return 0;
    }
    const struct window_timers again = {.entries = w->state,
                                        .timers = w->timers,
                                        .key_columns = w->base.plain_columns,
                                        .n_keys = w->base.n_keys,
                                        .slots = w->slots,
                                        .set = set_again,
                                        .arg = w};
    return window_timers_set_again(&again, ctx, err);
}

/* ---- firing ------------------------------------------------------------------------------------ */

/* All keys of a batch of timers; a key may be there more than once. */
static int fire_keys(struct session_window *w, struct op_context *ctx,
                     const struct timer_batch *due, struct error *err)
{
    TRY(keyed_state_find(w->state, NAMESPACE_VOID, due->batch, w->base.plain_columns, w->slots,
                         err));
    TRY(timer_service_begin(w->timers, due->batch, w->base.plain_columns, err));
    for (uint32_t i = 0; i < due->n; i++) {
        uint32_t slot = w->slots[i];
        if (slot == KEYED_SLOT_NONE || !keyed_table_is_live(w->state->table, slot) ||
            session_entry_at(w, slot)->due_ms == INT64_MIN) {
            continue;
        }
        w->timer_row = batch_row(due->batch, i);
        keyed_state_touch(w->state, slot);
        TRY(session_fire_entry(w, slot, w->fire_now, err));
        if (w->n_results == BATCH_ROWS_TARGET) {
            TRY(session_emit(w, ctx, err));
        }
    }
    if (w->n_results > 0) {
        /* Slots are others for the next keys. */
        TRY(session_emit(w, ctx, err));
    }
    return timer_service_settle(w->timers, err);
}

int session_timers_fire(struct session_window *w, struct op_context *ctx, struct error *err)
{
    for (uint32_t batches = 0; batches < WINDOW_EMIT_BATCHES; batches++) {
        struct timer_batch due;
        TRY(timer_service_take(w->timers, w->timer_kind, w->fire_now, &due, err));
        if (due.batch == NULL) {
            return OP_DONE;
        }
        int rc = fire_keys(w, ctx, &due, err);
        batch_unref(due.batch);
        TRY(rc);
    }
    return OP_MORE;
}
