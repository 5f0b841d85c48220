/* The general window operator with a backend that pages: windows go to disk and come back elsewhere, so when they are
 * due is in timers, which may go to disk as well, and slots that a pass has are looked up again when they have moved.
 *
 * A timer is that of a window's key, with the end in its entry's key as the namespace.  It says when the window is to be looked at;
 * what the window waits for is seen then.  A window has a timer at or before each time that it waits for.
 * Thread: the task's. */
#include "engine/operators/window/general_custom.h"
#include "engine/operators/window/general_sessions.h"

#include "engine/data/hash.h"

/* ---- life -------------------------------------------------------------------------------------- */

static int set_again(void *arg, const struct op_context *ctx, const struct batch *keys,
                     uint32_t row, uint32_t slot, struct error *err)
{
    struct general_window *w = arg;
    struct window_entry *e = general_entry(w, slot);
    struct window_at_hand at;
    w->timer_row = row;
    w->timer_space = COLUMN_VALUES(&keys->columns[w->base.n_keys], const int64_t)[row];
    e->due[GENERAL_EVENT] = e->due[GENERAL_PROCESSING] = INT64_MAX;
    TRY(general_at(w, slot, &at, err));
    return general_schedule(w, &at, err);
}

int general_timers_open(struct general_window *w, struct op_context *ctx, struct error *err)
{
    if (w->entries->paged == NULL) {
        return 0;
    }
    struct timer_service_options options = {
        .name = "windows", .key_schema = w->base.key_schema, .is_derived = true};
    TRY(timer_service_new(w->base.backend, &options, &w->timers, err));
    if (w->entries->was_stored && timer_service_was_stored(w->timers, TIMER_EVENT) &&
        timer_service_was_stored(w->timers, TIMER_PROCESSING)) {
        return 0;
    }
    const struct window_timers again = {.entries = w->entries,
                                        .timers = w->timers,
                                        .key_columns = w->entry_columns,
                                        .n_keys = w->base.n_keys,
                                        .slots = w->slots,
                                        .set = set_again,
                                        .arg = w};
    return window_timers_set_again(&again, ctx, err);
}

void general_timers_close(struct general_window *w)
{
    w->fired = batch_unref(w->fired);
    w->fired_keys = batch_unref(w->fired_keys);
    w->timers = timer_service_free(w->timers);
}

/* ---- a pass ------------------------------------------------------------------------------------ */

int general_timers_begin(struct general_window *w, struct error *err)
{
    return w->timers != NULL
               ? timer_service_begin(w->timers, w->batch, w->sides[w->side].row_columns, err)
               : 0;
}

int general_timers_settle(struct general_window *w, struct error *err)
{
    return w->timers != NULL ? timer_service_settle(w->timers, err) : 0;
}

void general_note_slots(struct general_window *w)
{
    w->numbering = keyed_state_numbering(w->entries);
    w->custom_numbering = w->custom != NULL ? keyed_state_numbering(w->custom->state) : 0;
}

int general_keep_slots(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                       uint32_t i, uint32_t n, struct error *err)
{
    uint8_t is_new[BATCH_ROWS_MAX];
    if (w->timers == NULL ||
        (keyed_state_numbering(w->entries) == w->numbering &&
         (w->custom == NULL || keyed_state_numbering(w->custom->state) == w->custom_numbering))) {
        return 0;
    }
    struct batch *keys = general_entry_keys(w, ctx, w->entries, rows + i, n - i);
    int rc = keyed_state_upsert(w->entries, NAMESPACE_VOID, keys, w->entry_columns, w->slots + i,
                                is_new, err);
    if (rc == 0 && w->custom != NULL) {
        rc = keyed_state_upsert(w->custom->state, NAMESPACE_VOID, keys, w->entry_columns,
                                w->custom->slots + i, is_new, err);
    }
    batch_unref(keys);
    general_note_slots(w);
    return rc;
}

/* ---- firing ------------------------------------------------------------------------------------ */

/* The keys of the entries of a batch of timers, which are read together. */
static int ask_for(struct general_window *w, struct op_context *ctx, struct batch *timers,
                   struct error *err)
{
    const uint32_t n = w->base.n_keys;
    int32_t map[KEYED_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        map[i] = (int32_t)i;
    }
    map[n] = (int32_t)n + 1; /* keys, time, namespace */
    batch_unref(w->fired);
    batch_unref(w->fired_keys);
    w->fired = batch_ref(timers);
    w->fired_keys = batch_project(ctx->pool, timers, w->entry_keys, map);
    keyed_state_hash(w->entries, w->fired_keys, w->entry_columns);
    return keyed_state_find(w->entries, NAMESPACE_VOID, w->fired_keys, w->entry_columns, w->slots,
                            err);
}

static int find_entry(struct general_window *w, struct op_context *ctx, uint32_t row,
                      uint32_t *ret_slot, struct error *err)
{
    int32_t map[KEYED_KEY_COLUMNS_MAX];
    struct buffer *sel = buffer_get(ctx->pool, sizeof(uint16_t));
    *(uint16_t *)(void *)sel->data = (uint16_t)row;
    sel->size = sizeof(uint16_t);
    for (uint32_t i = 0; i <= w->base.n_keys; i++) {
        map[i] = (int32_t)i;
    }
    struct batch *one = batch_project(ctx->pool, w->fired_keys, w->entry_keys, map);
    if (one->hashes == NULL) {
        one->hashes = buffer_ref(w->fired_keys->hashes);
    }
    batch_set_selection(one, sel, 1);
    int rc = keyed_state_find(w->entries, NAMESPACE_VOID, one, w->entry_columns, ret_slot, err);
    batch_unref(one);
    return rc;
}

static int on_timer(struct general_window *w, struct op_context *ctx, const struct timer *t,
                    struct error *err)
{
    uint32_t slot = KEYED_SLOT_NONE;
    if (t->batch != w->fired) {
        TRY(ask_for(w, ctx, t->batch, err));
    }
    TRY(find_entry(w, ctx, t->row, &slot, err));
    if (slot == KEYED_SLOT_NONE) {
        return 0; /* the window went before */
    }
    struct window_entry *e = general_entry(w, slot);
    struct window_at_hand at;
    TRY(general_at(w, slot, &at, err));
    w->timer_row = t->row;
    w->timer_space = t->name_space;
    if (general_due(w, &at, w->fire_kind) > t->time_ms) {
        e->due[w->fire_kind] = INT64_MAX;
        return general_schedule(w, &at, err);
    }
    TRY(general_on_due(w, ctx, slot, t->time_ms, err));
    return w->sessions != NULL ? sessions_remove_closed(w, err) : 0;
}

int general_timers_fire(struct general_window *w, struct op_context *ctx, struct error *err)
{
    struct timer t;
    int rc = 1;
    while (rc == 1 && emit_queue_len(&w->rows.queue) < EMIT_QUEUE_STOP) {
        rc = timer_service_fire(w->timers, (enum timer_kind)w->fire_kind, w->fire_now, &t, err);
        if (rc == 1) {
            TRY(on_timer(w, ctx, &t, err));
        }
    }
    if (rc == 1) {
        TRY(timer_service_settle(w->timers, err));
    } else {
        w->fired = batch_unref(w->fired);
        w->fired_keys = batch_unref(w->fired_keys);
    }
    return rc;
}
