/* Sliding windows without stacks: the panes of a window added up, one after the other (value_window.h).
 *
 * Values are put together in the order in which their first records came, as in the stacks. */
#include "engine/operators/window/value_window.h"

int value_sums_open(struct value_window *w, struct op_context *ctx, struct error *err)
{
    struct keyed_state_desc sums = {.name = "window-pane-sums",
                                    .key_schema = w->general.base.key_schema,
                                    .record = &w->layout,
                                    .grows_in_pieces = true,
                                    .is_derived = true,
                                    .kind = "derived"};
    TRY_CTX(err, keyed_backend_state(w->general.base.backend, &sums, &w->sums, err),
            "opening operator '%s'", ctx->spec->name);
    /* What is on disk of an earlier run. */
    keyed_state_drop_namespace(w->sums, NAMESPACE_VOID);
    return 0;
}

/* Values of a pane, in w->fire_slots, whose keys these are. */
static int add_block(struct value_window *w, const struct batch *keys, uint32_t n,
                     struct error *err)
{
    uint32_t slots[BATCH_ROWS_TARGET];
    uint8_t is_new[BATCH_ROWS_TARGET];
    TRY(keyed_state_upsert(w->sums, NAMESPACE_VOID, keys, w->general.base.plain_columns, slots,
                           is_new, err));
    for (uint32_t i = 0; i < n; i++) {
        const char *value = keyed_state_value(w->values, w->fire_slots[i]);
        const char *sum = is_new[i] ? NULL : keyed_state_value(w->sums, slots[i]);
        if (value_meta_in(w, value)->arrival != 0) {
            TRY(value_merge(w, sum, value, &value, err));
            TRY(keyed_state_keep(w->sums, slots[i], value, err));
        }
    }
    return 0;
}

/* Some of a pane: the number of its values, 0 at the end. */
static int add_some(struct value_window *w, struct op_context *ctx, int64_t end, struct error *err)
{
    struct batch *keys = NULL;
    if (w->walk == NULL) {
        TRY(keyed_walk_start(w->values, end, &w->walk, err));
    }
    int n = keyed_walk_next(w->walk, BATCH_ROWS_TARGET, w->fire_slots, err);
    if (n <= 0) {
        w->walk = keyed_walk_free(w->walk);
        return n;
    }
    TRY(keyed_state_read_keys(w->values, w->fire_slots, (uint32_t)n, &keys, err));
    window_copy_hashes(ctx, w->values, w->fire_slots, (uint32_t)n, keys);
    int rc = add_block(w, keys, (uint32_t)n, err);
    batch_unref(keys);
    return rc < 0 ? rc : n;
}

int value_sums_step(struct value_window *w, struct op_context *ctx, struct error *err)
{
    if (w->step == VALUE_IDLE) {
        w->step = VALUE_SUM;
        w->at = (uint32_t)value_panes_above(w, w->fire_end - w->general.size);
    }
    uint32_t done = 0;
    while (w->at < w->panes.len && value_pane_at(w, w->at)->end <= w->fire_end) {
        if (done >= VALUE_STEP_NODES) {
            return 1;
        }
        int n = add_some(w, ctx, value_pane_at(w, w->at)->end, err);
        TRY(n);
        done += (uint32_t)n;
        w->at += n == 0;
    }
    w->step = VALUE_EMIT;
    return 0;
}

void value_sums_done(struct value_window *w)
{
    keyed_state_drop_namespace(w->sums, NAMESPACE_VOID);
}

/* One more pane of a key; *inout_value is w->so_far or NULL. */
static int add_pane_of_row(struct value_window *w, const struct batch *row, int64_t end,
                           const char **inout_value, struct error *err)
{
    uint32_t slot;
    TRY(keyed_state_find(w->values, end, row, w->general.sides[0].row_columns, &slot, err));
    const char *value = slot != KEYED_SLOT_NONE ? keyed_state_value(w->values, slot) : NULL;
    if (value == NULL || value_meta_in(w, value)->arrival == 0) {
        return 0;
    }
    TRY(value_merge(w, *inout_value, value, &value, err));
    if (value != w->so_far) {
        TRY(record_keep(&w->layout, &w->strings, w->so_far, value, err));
    }
    *inout_value = w->so_far;
    return 0;
}

int value_sums_of_row(struct value_window *w, struct op_context *ctx, uint32_t i, int64_t end,
                      const char **ret_value, struct error *err)
{
    struct buffer *sel = buffer_get(ctx->pool, sizeof(uint16_t));
    *(uint16_t *)(void *)sel->data = w->batch_rows[i];
    struct batch *row = window_select(ctx, w->general.batch, sel, 1);
    int rc = 0;
    *ret_value = NULL;
    for (size_t at = value_panes_above(w, end - w->general.size);
         rc == 0 && at < w->panes.len && value_pane_at(w, at)->end <= end; at++) {
        rc = add_pane_of_row(w, row, value_pane_at(w, at)->end, ret_value, err);
    }
    batch_unref(row);
    return rc;
}
