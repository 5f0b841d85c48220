/* Values of reduce and aggregate functions, and of sums, minima and maxima, brought up to date with each record:
 * per window and key one record of keyed state, keyed by (key, end) as the windows' entries, whose has_value
 * says whether there is one.  Rows of a pass have their slots before any of them is looked at, so a slot stays
 * while its window does, also when a trigger purges it.
 * Flink: WindowOperator over ReducingState and AggregatingState. */
#include "engine/operators/struct_schema.h"
#include "engine/operators/window/general_window.h"

typedef int (*reduce_fn)(flinc_ctx *ctx, const void *a, const void *b, void *out);
typedef int (*add_fn)(flinc_ctx *ctx, const void *in, void *accumulator);

/* ---- rows of a pass ---------------------------------------------------------------------------- */

void pass_tile_open(struct pass_tile *t, const struct general_window *w)
{
    t->records = mem_alloc_aligned(16, (size_t)RECORD_TILE_ROWS * w->sides[0].record.size);
}

void pass_tile_close(struct pass_tile *t)
{
    mem_free(t->records);
    str_fini(&t->nested);
    memset(t, 0, sizeof(*t));
}

int pass_tile_row(struct general_window *w, struct pass_tile *t, uint32_t i,
                  const char **ret_record, struct error *err)
{
    const struct record_layout *record = &w->sides[0].record;
    if (i < t->from || i >= t->from + t->n) {
        t->from = i;
        t->n = MIN(w->pass_rows->n_sel - i, (uint32_t)RECORD_TILE_ROWS);
        TRY(record_read(record, w->pass_rows, i, t->n, t->records, &t->nested, err));
    }
    *ret_record = t->records + (size_t)(i - t->from) * record->size;
    return 0;
}

int pass_state_slot(struct general_window *w, struct keyed_state *s,
                    const struct window_at_hand *at, uint32_t *ret_slot, struct error *err)
{
    struct batch *keys = NULL;
    TRY(keyed_state_read_keys(w->entries, &at->slot, 1, &keys, err));
    keyed_state_hash(s, keys, w->entry_columns);
    int rc = keyed_state_find(s, NAMESPACE_VOID, keys, w->entry_columns, ret_slot, err);
    batch_unref(keys);
    return rc;
}

/* ---- life -------------------------------------------------------------------------------------- */

int values_open_accumulator(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__StructDesc *d = w->base.config->accumulator;
    flinc_field *fields = arena_zalloc(ctx->arena, (d->n_fields + 1) * sizeof(*fields));
    struct_fields_from(d, fields);
    flinc_struct type = {.struct_size = sizeof(type),
                         .size = d->size,
                         .name = d->name,
                         .n_fields = (uint32_t)d->n_fields,
                         .fields = fields};
    TRY_CTX(err,
            struct_record_layout(&w->values.accumulator, &type, "the accumulator of a window", err),
            "opening operator '%s'", ctx->spec->name);
    w->values.record = &w->values.accumulator;
    return 0;
}

int values_open(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    struct general_values *v = &w->values;
    if (c->evictor != NULL || w->accumulator_bytes == 0) {
        return 0;
    }
    v->record = &w->sides[0].record;
    if (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE) {
        TRY(values_open_accumulator(w, ctx, err));
    } else if (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS) {
        v->record = &w->columns.layout;
    }
    v->is_kept = true;
    v->in_place = values_change_in_place(w);
    pass_tile_open(&v->tile, w);
    return 0;
}

void values_close(struct general_window *w)
{
    pass_tile_close(&w->values.tile);
    if (w->values.accumulator.schema != NULL) {
        record_layout_fini(&w->values.accumulator);
    }
}

/* ---- records ----------------------------------------------------------------------------------- */

int values_combine(struct general_window *w, const char *kept, const char *other,
                   enum value_source from, char *out, struct error *err)
{
    struct user_function *f = &w->rows.functions.items[0];
    const uint32_t size = w->values.record->size;
    int rc = 0;
    if (w->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE) {
        memset(out, 0, size);
        rc = ((reduce_fn)f->call)(&f->ctx, kept, other, out);
        return UNLIKELY(rc < 0) ? user_function_failed(f, rc, err) : user_function_check(f, err);
    }
    if (out != kept) {
        memcpy(out, kept, size);
    }
    if (w->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS) {
        ASSERT(from == VALUE_OF_RECORDS); /* records: add_columns() */
        window_columns_merge(&w->columns, out, other, false);
        return 0;
    }
    if (w->base.config->function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE) {
        record_fold_add(&w->fold, size, out, other);
        return 0;
    }
    f = from == VALUE_OF_RECORD ? f : w->merge; /* add() and merge() look the same */
    rc = ((add_fn)f->call)(&f->ctx, other, out);
    return UNLIKELY(rc < 0) ? user_function_failed(f, rc, err) : user_function_check(f, err);
}

bool values_change_in_place(const struct general_window *w)
{
    switch (w->base.config->function) {
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE:
        return w->values.record->n_strings == 0;
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD:
        return w->fold.kind <= FLINC__AGGREGATE_KIND__AGGREGATE_MAX &&
               w->fold.field.layout != LAYOUT_VIEW;
    default:
        return false;
    }
}

int values_keep(struct general_window *w, uint32_t slot, const char *value, struct error *err)
{
    const struct record_layout *l = w->values.record;
    char *kept = keyed_state_value(w->entries, slot);
    keyed_state_touch(w->entries, slot);
    if (l->n_strings == 0) {
        memmove(kept, value, l->size);
        return 0;
    }
    int rc = record_keep(l, &w->entries->table->heap, kept, value, err);
    return UNLIKELY(rc < 0) ? keyed_state_failed(w->entries, rc, err) : 0;
}

/* Built-in aggregates: by kernels. */
static void add_columns(struct general_window *w, const uint16_t *rows, uint32_t from, uint32_t to)
{
    uint8_t is_new[BATCH_ROWS_MAX];
    struct accumulator_run run = {.slots = w->slots + from, .is_new = is_new, .n = to - from};
    for (uint32_t i = from; i < to; i++) {
        struct window_entry *e = general_entry(w, w->slots[i]);
        is_new[i - from] = e->has_value == 0;
        e->has_value = 1;
    }
    run.values = keyed_state_values(w->entries, &run.stride);
    window_columns_add(&w->columns, w->batch, rows + from, &run);
}

/* Entries of the rows of a pass are marked as changed. */
int values_add(struct general_window *w, const uint16_t *rows, uint32_t from, uint32_t to,
               struct error *err)
{
    struct general_values *v = &w->values;
    if (w->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS) {
        add_columns(w, rows, from, to);
        return 0;
    }
    const bool aggregates =
        w->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    for (uint32_t i = from; i < to; i++) {
        const uint32_t slot = w->slots[i];
        char *kept = keyed_state_value(w->entries, slot);
        struct window_entry *e = general_entry(w, slot);
        const char *record = NULL, *value;
        TRY(pass_tile_row(w, &v->tile, i, &record, err));
        if (i % USER_CANCEL_ROWS == 0 && w->rows.functions.n > 0) {
            TRY(user_function_check_cancelled(&w->rows.functions.items[0], err));
        }
        value = record;
        if (e->has_value || aggregates) { /* an accumulator is all zero at first */
            char *out = v->in_place ? kept : w->scratch[0];
            TRY(values_combine(w, kept, record, VALUE_OF_RECORD, out, err));
            value = out;
        }
        if (value != kept) {
            TRY(values_keep(w, slot, value, err));
        }
        e->has_value = 1;
    }
    return 0;
}

int values_clear(struct general_window *w, const struct window_at_hand *at, struct error *err)
{
    if (!at->entry->has_value) {
        return 0;
    }
    at->entry->has_value = 0;
    memset(w->scratch[0], 0, w->values.record->size); /* gives its strings back */
    return values_keep(w, at->slot, w->scratch[0], err);
}
