/* The delta trigger: a window fires with a record that is more than a threshold away from the one that it
 * fired with last, and measures from this one on.  The record measured from is keyed state of its own, keyed
 * by (key, end) as the windows' entries; it outlives what purging empties, and goes with the window.
 * Flink: DeltaTrigger. */
#include "engine/operators/window/general_window.h"

typedef double (*delta_fn)(flinc_ctx *ctx, const void *older, const void *newer);

int delta_open(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const struct record_layout *record = &w->sides[0].record;
    if (w->trigger_delta == NULL) {
        return 0;
    }
    struct keyed_state_desc desc = {.name = "window-delta",
                                    .key_schema = w->entry_keys,
                                    .n_key_columns = w->base.n_keys,
                                    .record = record,
                                    .grows_in_pieces = general_is_paged(w),
                                    .kind = "window"};
    TRY_CTX(err, keyed_backend_state(w->base.backend, &desc, &w->delta.last, err),
            "opening operator '%s'", ctx->spec->name);
    pass_tile_open(&w->delta.tile, w);
    return 0;
}

void delta_close(struct general_window *w)
{
    pass_tile_close(&w->delta.tile);
}

int delta_begin(struct general_window *w, const struct batch *keys, struct error *err)
{
    struct general_delta *d = &w->delta;
    d->tile.n = 0;
    return d->last == NULL ? 0
                           : keyed_state_upsert(d->last, NAMESPACE_VOID, keys, w->entry_columns,
                                                d->slots, d->is_new, err);
}

int delta_measure(struct user_function *f, const char *older, const char *newer, double *ret_delta,
                  struct error *err)
{
    TRY(user_function_check_cancelled(f, err));
    *ret_delta = ((delta_fn)(void (*)(void))f->call)(&f->ctx, older, newer);
    return user_function_check(f, err);
}

int delta_on_element(struct general_window *w, uint32_t i, unsigned *ret_result, struct error *err)
{
    const Flinc__WindowTrigger *t = w->base.config->trigger;
    struct general_delta *d = &w->delta;
    const char *newer = NULL;
    TRY(pass_tile_row(w, &d->tile, i, &newer, err));
    *ret_result = TRIGGER_CONTINUE;
    if (!d->is_new[i]) {
        double delta;
        TRY(delta_measure(w->trigger_delta, keyed_state_value(d->last, d->slots[i]), newer, &delta,
                          err));
        if (!(delta > t->threshold)) {
            return 0;
        }
        *ret_result = TRIGGER_FIRE | (t->purging ? TRIGGER_PURGE : 0);
    }
    return keyed_state_keep(d->last, d->slots[i], newer, err);
}

int delta_forget(struct general_window *w, const struct window_at_hand *at, struct error *err)
{
    uint32_t slot = KEYED_SLOT_NONE;
    if (w->delta.last == NULL) {
        return 0;
    }
    TRY(pass_state_slot(w, w->delta.last, at, &slot, err));
    if (slot != KEYED_SLOT_NONE) {
        keyed_state_remove(w->delta.last, slot);
    }
    return 0;
}
