/* flinc.window.general: records into windows, timers and life (general_window.h). */
#include "engine/operators/window/general_custom.h"
#include "engine/operators/window/general_sessions.h"

#include "engine/data/hash.h"
#include "engine/operators/registry.h"

/* ---- timers ------------------------------------------------------------------------------------ */

static enum general_time cleanup_kind(const struct general_window *w)
{
    return w->base.processing_time ? GENERAL_PROCESSING : GENERAL_EVENT;
}

int64_t general_due(const struct general_window *w, const struct window_at_hand *at,
                    enum general_time kind)
{
    int64_t due = at->entry->wait[kind];
    return kind == cleanup_kind(w) ? MIN(due, general_cleanup_time(w, at->end)) : due;
}

int general_schedule(struct general_window *w, const struct window_at_hand *at, struct error *err)
{
    for (enum general_time kind = 0; kind < GENERAL_TIMES; kind++) {
        const int64_t due = general_due(w, at, kind);
        if (due >= at->entry->due[kind] && (w->timers == NULL || at->entry->due[kind] != 0)) {
            continue;
        }
        at->entry->due[kind] = due;
        if (w->timers == NULL) {
            due_index_push(&w->due[kind], due, at->slot);
        } else if (due < INT64_MAX) {
            TRY(timer_service_add(w->timers, (enum timer_kind)kind, w->timer_row, w->timer_space,
                                  due, err));
        }
    }
    return 0;
}

/* The window of a slot; `end`: that of read_end(). */
static struct window_at_hand window_at(struct general_window *w, uint32_t slot, int64_t end)
{
    if (w->sessions != NULL) {
        struct window_entry *e = general_entry(w, slot);
        return (struct window_at_hand){.slot = slot, .start = e->start, .end = e->end, .entry = e};
    }
    return (struct window_at_hand){.slot = slot,
                                   .start = w->base.is_global ? INT64_MIN : end - w->size,
                                   .end = end,
                                   .entry = general_entry(w, slot)};
}

/* End of the window of a slot: the last key column.  Sessions: it is in the entry. */
static int read_end(struct general_window *w, uint32_t slot, int64_t *ret_end, struct error *err)
{
    if (w->sessions != NULL) {
        *ret_end = general_entry(w, slot)->end;
        return 0;
    }
    struct window_entry *e = general_entry(w, slot);
    if (e->end == 0) { /* restored, or just 0 */
        struct batch *keys = NULL;
        TRY(keyed_state_read_keys(w->entries, &slot, 1, &keys, err));
        e->end = COLUMN_VALUES(&keys->columns[w->base.n_keys], const int64_t)[0];
        batch_unref(keys);
    }
    *ret_end = e->end;
    return 0;
}

int general_at(struct general_window *w, uint32_t slot, struct window_at_hand *ret,
               struct error *err)
{
    int64_t end;
    TRY(read_end(w, slot, &end, err));
    *ret = window_at(w, slot, end);
    return 0;
}

/* Makes the indexes anew when the table has other slots than they know. */
static int check_index(struct general_window *w, struct error *err)
{
    const struct keyed_table *t = w->entries->table;
    if (w->timers != NULL ||
        LIKELY(t->entries == w->indexed_entries && t->n_slots == w->indexed_slots)) {
        return 0;
    }
    w->indexed_entries = t->entries;
    w->indexed_slots = t->n_slots;
    for (enum general_time kind = 0; kind < GENERAL_TIMES; kind++) {
        due_index_clear(&w->due[kind]);
    }
    for (uint32_t slot = 0; (slot = keyed_table_next(t, slot)) != KEYED_SLOT_NONE; slot++) {
        struct window_entry *e = general_entry(w, slot);
        if (e->is_open) {
            struct window_at_hand at;
            TRY(general_at(w, slot, &at, err));
            e->due[GENERAL_EVENT] = e->due[GENERAL_PROCESSING] = INT64_MAX;
            TRY(general_schedule(w, &at, err));
        }
    }
    return 0;
}

static void set_timer(struct general_window *w, struct op_context *ctx)
{
    op_timer_at(ctx, w->timers != NULL ? timer_service_next_time(w->timers, TIMER_PROCESSING)
                                       : due_index_least(&w->due[GENERAL_PROCESSING]));
}

/* ---- life -------------------------------------------------------------------------------------- */

/* The schema with one BIGINT column behind `n` columns of another. */
static struct schema *with_column(const struct schema *s, const char *name)
{
    const char **names = MEM_NEW_ARRAY(const char *, s->n_fields + 1);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, s->n_fields + 1);
    for (uint32_t i = 0; i < s->n_fields; i++) {
        names[i] = s->fields[i].name;
        types[i] = type_ref(s->fields[i].type);
    }
    names[s->n_fields] = name;
    types[s->n_fields] = type_new(TYPE_BIGINT, false);
    struct schema *more = schema_new(names, types, s->n_fields + 1);
    mem_free(names);
    mem_free(types);
    return more;
}

static void make_side(struct general_window *w, struct op_context *ctx, uint32_t input)
{
    struct general_side *side = &w->sides[input];
    const struct schema *schema = ctx->input_schemas[input];
    const uint32_t *keys = input == 0 ? w->base.key_columns : w->base.second_columns;
    uint32_t n = w->base.n_keys;
    side->schema = w->base.is_all ? with_column(schema, "<all>") : schema_ref(schema);
    side->row_columns = arena_alloc(ctx->arena, n * sizeof(uint32_t));
    side->entry_map = arena_alloc(ctx->arena, (n + 1) * sizeof(int32_t));
    for (uint32_t i = 0; i < n; i++) {
        side->row_columns[i] = w->base.is_all ? schema->n_fields : keys[i];
        side->entry_map[i] = (int32_t)side->row_columns[i];
    }
    side->entry_map[n] = -1;
}

void general_make_schemas(struct general_window *w, struct op_context *ctx)
{
    uint32_t n = w->base.n_keys;
    w->n_sides = ctx->n_inputs;
    w->entry_keys =
        with_column(w->base.key_schema, w->sessions != NULL ? "<session>" : "<window end>");
    w->entry_columns = arena_alloc(ctx->arena, (n + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i <= n; i++) {
        w->entry_columns[i] = i;
    }
    for (uint32_t i = 0; i < w->n_sides; i++) {
        make_side(w, ctx, i);
    }
}

/* Of struct window_entry those members are in snapshots that come first. */
static const char *const entry_names[] = {"count",      "next event time", "next processing time",
                                          "is open",    "has value",       "session start",
                                          "session end"};
_Static_assert(offsetof(struct window_entry, end) == (ARRAY_LEN(entry_names) - 1) * 8,
               "the columns of an entry are its first members, in their order");

static void make_entry_layout(struct general_window *w, uint32_t n)
{
    struct data_type *types[ARRAY_LEN(entry_names)];
    struct record_field fields[ARRAY_LEN(entry_names)];
    for (uint32_t i = 0; i < n; i++) {
        types[i] = type_new(TYPE_BIGINT, false);
        fields[i] = (struct record_field){.column = i,
                                          .offset = i * 8,
                                          .null_offset = RECORD_NEVER_NULL,
                                          .width = 8,
                                          .layout = LAYOUT_I64};
    }
    struct schema *schema = schema_new(entry_names, types, n);
    record_layout_init_fields(&w->entry_layout, schema, sizeof(struct window_entry), fields, n);
    schema_unref(schema);
}

/* The same behind a value, whose fields may have any names in C. */
static int extend_value(struct general_window *w, uint32_t n, struct error *err)
{
    const char *names[ARRAY_LEN(entry_names)];
    memcpy(names, entry_names, sizeof(names));
    names[0] = "<count>";
    w->entry_offset = (w->values.record->size + 7) & ~7u;
    return record_layout_extend(&w->entry_layout, w->values.record, names, n,
                                (uint32_t)sizeof(struct window_entry) - n * 8, err);
}

static int open_entries(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const uint32_t n = ARRAY_LEN(entry_names) - (w->sessions != NULL ? 0 : 2);
    if (w->values.is_kept) {
        TRY_CTX(err, extend_value(w, n, err), "opening operator '%s'", ctx->spec->name);
    } else {
        make_entry_layout(w, n);
    }
    struct keyed_state_desc desc = {.name = "windows",
                                    .key_schema = w->entry_keys,
                                    .n_key_columns = w->base.n_keys,
                                    .record = &w->entry_layout,
                                    .grows_in_pieces = general_is_paged(w),
                                    .kind = w->values.is_kept ? "window value" : "window"};
    TRY_CTX(err, keyed_backend_state(w->base.backend, &desc, &w->entries, err),
            "opening operator '%s'", ctx->spec->name);
    (void)keyed_state_next(w->entries, NAMESPACE_VOID, 0); /* selects the table */
    return 0;
}

int general_read_config(struct general_window *w, const struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    const Flinc__WindowAssigner *a = c->assigner;
    if (c->allowed_lateness_ms < 0 || (c->evictor != NULL && !evictor_is_sound(c->evictor))) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "operator '%s': windows of functions have evictors by count, time, delta or function "
            "and a lateness that is not negative",
            ctx->spec->name);
    }
    w->lateness = w->base.processing_time ? 0 : c->allowed_lateness_ms;
    if (a->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION) {
        w->sessions = MEM_NEW(struct general_sessions);
        w->n_passes = 1;
        TRY(sessions_check(w, ctx, err));
        return trigger_check(w, ctx, err);
    }
    w->size = a->size_ms;
    w->slide = a->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING ? a->slide_ms : a->size_ms;
    w->offset = a->offset_ms;
    w->n_passes = w->base.is_global ? 1 : (uint32_t)((w->size + w->slide - 1) / w->slide);
    return trigger_check(w, ctx, err);
}

static int general_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct general_window *w = (struct general_window *)op;
    due_index_init(&w->due[GENERAL_EVENT]);
    due_index_init(&w->due[GENERAL_PROCESSING]);
    TRY(window_base_open(&w->base, ctx, err));
    TRY(general_read_config(w, ctx, err));
    general_make_schemas(w, ctx);
    TRY(contents_open(w, ctx, err));
    TRY(values_open(w, ctx, err));
    TRY(open_entries(w, ctx, err));
    if (w->sessions != NULL) {
        TRY(sessions_open(w, ctx, err));
    }
    TRY(delta_open(w, ctx, err));
    TRY(custom_open(w, ctx, err));
    TRY(general_timers_open(w, ctx, err));
    TRY(check_index(w, err));
    set_timer(w, ctx);
    return 0;
}

void general_fini(struct general_window *w)
{
    w->input = batch_unref(w->input);
    w->batch = batch_unref(w->batch);
    w->pass_rows = batch_unref(w->pass_rows);
    general_timers_close(w);
    contents_close(w);
    values_close(w);
    sessions_close(w);
    custom_close(w);
    if (w->entry_layout.schema != NULL) {
        record_layout_fini(&w->entry_layout);
    }
    for (uint32_t i = 0; i < OPERATOR_INPUTS_MAX; i++) {
        w->sides[i].schema = schema_unref(w->sides[i].schema);
    }
    w->entry_keys = schema_unref(w->entry_keys);
    due_index_fini(&w->due[GENERAL_EVENT]);
    due_index_fini(&w->due[GENERAL_PROCESSING]);
    window_base_close(&w->base);
}

static void general_close(struct operator* op, struct op_context *ctx)
{
    struct general_window *w = (struct general_window *)op;
    delta_close(w);
    general_fini(w);
}

/* ---- windows ----------------------------------------------------------------------------------- */

/* Does what a trigger said, and notes what the window waits for next. */
static int obey(struct general_window *w, struct op_context *ctx, const struct window_at_hand *at,
                unsigned result, struct error *err)
{
    if (result & TRIGGER_FIRE) {
        TRY(contents_fire(w, ctx, at, err));
    }
    if (result & TRIGGER_PURGE) {
        TRY(contents_clear(w, ctx, at, err));
    }
    return general_schedule(w, at, err);
}

/* An item of an index, which may be stale. */
static int on_item(struct general_window *w, struct op_context *ctx, const struct due_item *item,
                   struct error *err)
{
    if (keyed_table_next(w->entries->table, item->slot) != item->slot) {
        return 0;
    }
    const struct window_entry *e = general_entry(w, item->slot);
    return e->is_open && e->due[w->fire_kind] == item->time_ms
               ? general_on_due(w, ctx, item->slot, item->time_ms, err)
               : 0;
}

int general_on_due(struct general_window *w, struct op_context *ctx, uint32_t slot, int64_t time_ms,
                   struct error *err)
{
    struct window_entry *e = general_entry(w, slot);
    struct window_at_hand at;
    TRY(general_at(w, slot, &at, err));
    keyed_state_touch(w->entries, slot);
    e->due[w->fire_kind] = INT64_MAX;
    unsigned result = TRIGGER_CONTINUE;
    if (e->wait[w->fire_kind] <= time_ms) {
        if (w->custom != NULL) {
            TRY(custom_on_time(w, &at, w->fire_kind, &result, err));
        } else {
            result = trigger_on_time(w, &at, w->fire_kind, time_ms);
        }
    }
    if (w->fire_kind != cleanup_kind(w) || time_ms < general_cleanup_time(w, at.end)) {
        return obey(w, ctx, &at, result, err);
    }
    if (result & TRIGGER_FIRE) {
        TRY(contents_fire(w, ctx, &at, err));
    }
    TRY(custom_forget(w, &at, err));
    if (w->sessions != NULL) {
        return sessions_end(w, slot, err);
    }
    TRY(contents_forget(w, ctx, &at, err));
    TRY(delta_forget(w, &at, err));
    keyed_state_remove(w->entries, slot);
    return 0;
}

int general_drain(struct general_window *w, struct op_context *ctx)
{
    if (emit_queue_drain(&w->rows.queue, ctx)) {
        return OP_MORE;
    }
    flat_outputs_flush(&w->outputs, ctx);
    return OP_DONE;
}

/* Takes the next items that are due, and asks for their entries. */
static void look_ahead(struct general_window *w)
{
    const struct keyed_table *t = w->entries->table;
    w->next_ahead = w->n_ahead = 0;
    while (w->n_ahead < GENERAL_LOOK_AHEAD &&
           due_index_take(&w->due[w->fire_kind], w->fire_now, &w->ahead[w->n_ahead])) {
        const uint32_t slot = w->ahead[w->n_ahead++].slot;
        const char *entry = keyed_table_entry(t, slot);
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + t->stride - 1, 1);
        __builtin_prefetch(&t->groups[slot / KEYED_GROUP_SLOTS], 1);
    }
}

/* The least item that is due, also when it came after later ones had been looked at; false: there is none. */
static bool next_due(struct general_window *w, struct due_item *ret)
{
    struct due_index *due = &w->due[w->fire_kind];
    if (w->next_ahead == w->n_ahead) {
        look_ahead(w);
    }
    if (w->n_ahead == 0) {
        return false;
    }
    if (UNLIKELY(due_index_least(due) < w->ahead[w->next_ahead].time_ms)) {
        return due_index_take(due, w->fire_now, ret);
    }
    *ret = w->ahead[w->next_ahead++];
    return true;
}

/* 1: there is more; 0: that was all. */
static int fire_items(struct general_window *w, struct op_context *ctx, struct error *err)
{
    struct due_item item;
    while (emit_queue_len(&w->rows.queue) < EMIT_QUEUE_STOP) {
        if (!next_due(w, &item)) {
            return 0;
        }
        TRY(on_item(w, ctx, &item, err));
    }
    return 1;
}

static int fire(struct general_window *w, struct op_context *ctx, struct error *err)
{
    int rc = w->timers != NULL ? general_timers_fire(w, ctx, err) : fire_items(w, ctx, err);
    TRY(rc);
    w->is_firing = rc > 0;
    if (w->sessions != NULL) {
        TRY(sessions_remove_closed(w, err));
    }
    if (w->is_firing) {
        (void)emit_queue_drain(&w->rows.queue, ctx);
        return OP_MORE;
    }
    if (w->fire_kind == cleanup_kind(w)) {
        w->base.time_ms = MAX(w->base.time_ms, w->fire_now);
    }
    set_timer(w, ctx);
    return general_drain(w, ctx);
}

static int begin_firing(struct general_window *w, struct op_context *ctx, enum general_time kind,
                        int64_t now_ms, struct error *err)
{
    w->is_firing = true;
    w->fire_kind = kind;
    w->fire_now = w->now_ms = now_ms;
    return fire(w, ctx, err);
}

static int general_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                             struct error *err)
{
    return begin_firing((struct general_window *)op, ctx, GENERAL_EVENT, watermark_ms, err);
}

static int general_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                   struct error *err)
{
    return begin_firing((struct general_window *)op, ctx, GENERAL_PROCESSING, now_ms, err);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* The end of the window that pass `pass` puts a row into; INT64_MIN: none. */
static int64_t assign(const struct general_window *w, const struct op_context *ctx, uint32_t row,
                      uint32_t pass, uint64_t hash)
{
    if (w->base.is_global) {
        return INT64_MAX;
    }
    int64_t ts = general_time_of(w, row);
    int64_t start = window_start(ts, w->offset, w->slide) - (int64_t)pass * w->slide;
    int64_t end = time_add(start, w->size);
    if (end <= ts) { /* the slide is above the size, or no further window */
        return INT64_MIN;
    }
    if (!w->base.processing_time &&
        general_cleanup_time(w, end) <=
            window_key_now(&w->base, ctx, hash, window_now(&w->base, ctx))) {
        return INT64_MIN;
    }
    return end;
}

void general_set_pass_rows(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                           uint32_t n)
{
    struct buffer *sel = buffer_get(ctx->pool, n * sizeof(uint16_t));
    memcpy(sel->data, rows, n * sizeof(uint16_t));
    batch_unref(w->pass_rows);
    w->pass_rows = window_select(ctx, w->batch, sel, n);
}

/* Values and triggers that look at records get to know the rows of this pass. */
static int begin_pass(struct general_window *w, struct op_context *ctx, const struct batch *keys,
                      const uint16_t *rows, uint32_t n, struct error *err)
{
    if (!w->values.is_kept && w->delta.last == NULL && w->custom == NULL) {
        return 0;
    }
    general_set_pass_rows(w, ctx, rows, n);
    w->values.tile.n = 0;
    TRY(delta_begin(w, keys, err));
    return w->custom != NULL ? custom_begin(w, keys, err) : 0;
}

struct batch *general_entry_keys(struct general_window *w, struct op_context *ctx,
                                 const struct keyed_state *state, const uint16_t *rows, uint32_t n)
{
    struct batch *keys =
        batch_project(ctx->pool, w->batch, w->entry_keys, w->sides[w->side].entry_map);
    struct buffer *ends = buffer_get(ctx->pool, (uint64_t)w->batch->n_rows * 8);
    struct buffer *sel = buffer_get(ctx->pool, n * sizeof(uint16_t));
    ends->size = (uint64_t)w->batch->n_rows * 8;
    memcpy(ends->data, w->ends, ends->size);
    column_set_values(&keys->columns[w->base.n_keys], ends);
    memcpy(sel->data, rows, n * sizeof(uint16_t));
    sel->size = n * sizeof(uint16_t);
    batch_set_selection(keys, sel, n);
    keyed_state_hash(state, keys, w->entry_columns);
    return keys;
}

/* Slots of the windows of this pass; w->is_new of those that are new there. */
static int upsert_entries(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                          uint32_t n, struct error *err)
{
    if (w->sessions != NULL && w->values.is_kept && w->custom == NULL && w->timers == NULL) {
        TRY(sessions_find_entries(w, ctx, rows, n, err));
        return begin_pass(w, ctx, NULL, rows, n, err);
    }
    struct batch *keys = general_entry_keys(w, ctx, w->entries, rows, n);
    int rc = keyed_state_upsert(w->entries, NAMESPACE_VOID, keys, w->entry_columns, w->slots,
                                w->is_new, err);
    if (rc >= 0) {
        rc = begin_pass(w, ctx, keys, rows, n, err);
    }
    if (w->sessions != NULL) {
        batch_unref(w->sessions->keys);
        w->sessions->keys = batch_ref(keys);
    }
    batch_unref(keys);
    return rc;
}

/* The entries of the windows of this pass: slots by index in `rows`. */
static int find_entries(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                        uint32_t n, struct error *err)
{
    TRY(upsert_entries(w, ctx, rows, n, err));
    for (uint32_t i = 0; i < n; i++) {
        struct window_entry *e = general_entry(w, w->slots[i]);
        if (!e->is_open) {
            *e = (struct window_entry){
                .wait = {INT64_MAX, INT64_MAX}, .due = {INT64_MAX, INT64_MAX}, .is_open = 1};
            e->end = w->sessions != NULL ? 0 : w->ends[rows[i]];
        }
    }
    general_note_slots(w);
    return check_index(w, err);
}

/* The rows that have a window in this pass. */
static uint32_t assign_rows(struct general_window *w, struct op_context *ctx, uint32_t pass,
                            uint16_t *ret_rows)
{
    const uint64_t *hashes = (const uint64_t *)(const void *)w->batch->hashes->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->batch->n_sel; i++) {
        uint32_t row = batch_row(w->batch, i);
        w->ends[row] = assign(w, ctx, row, pass, hashes[row]);
        if (w->ends[row] != INT64_MIN) {
            w->in_window[row] = 1;
            ret_rows[n++] = (uint16_t)row;
        }
    }
    return n;
}

/* The session of row `i` becomes what it is with this row; rows [*inout_added, i) that are still to be added
 * are, where sessions grow together. */
static int grow_session(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                        uint32_t i, uint32_t *inout_added, struct error *err)
{
    const bool joins = sessions_joins_at(w->sessions, i);
    const struct window_entry *e = general_entry(w, w->slots[i]);
    const int64_t start = e->start, end = e->end; /* before */
    sessions_grow(w, i);
    if (UNLIKELY(joins)) {
        if (*inout_added < i) {
            TRY(contents_append(w, ctx, rows, *inout_added, i, err));
            *inout_added = i;
        }
        return sessions_join(w, i, err);
    }
    struct window_at_hand at = window_at(w, w->slots[i], 0);
    bool was_there = start < end;
    if (w->custom != NULL && was_there && (at.start != start || at.end != end)) {
        return custom_on_merge(w, i, &at, NULL, err);
    }
    return 0;
}

/* One window of every row: entries, contents, triggers.  Contents are added in runs, up to the record with
 * which a window fires. */
static int run_pass(struct general_window *w, struct op_context *ctx, uint32_t pass,
                    struct error *err)
{
    uint16_t rows[BATCH_ROWS_MAX];
    uint32_t n = 0, added = 0;
    if (w->sessions != NULL) {
        TRY(sessions_assign(w, ctx, rows, &n, err));
    } else {
        n = assign_rows(w, ctx, pass, rows);
    }
    if (n == 0) {
        return 0;
    }
    TRY(general_timers_begin(w, err));
    TRY(find_entries(w, ctx, rows, n, err));
    for (uint32_t i = 0; i < n; i++) {
        w->timer_row = rows[i];
        w->timer_space = w->ends[rows[i]];
        if (w->sessions != NULL) {
            TRY(grow_session(w, ctx, rows, i, &added, err));
            TRY(general_keep_slots(w, ctx, rows, i, n, err));
        }
        struct window_at_hand at = window_at(w, w->slots[i], w->ends[rows[i]]);
        unsigned result = TRIGGER_CONTINUE;
        if (w->delta.last != NULL) {
            TRY(delta_on_element(w, i, &result, err));
        } else if (w->custom != NULL) {
            TRY(custom_on_element(w, i, &at, general_time_of(w, rows[i]), &result, err));
        } else {
            result = trigger_on_element(w, ctx, &at, general_time_of(w, rows[i]));
        }
        if (result != TRIGGER_CONTINUE) {
            TRY(contents_append(w, ctx, rows, added, i + 1, err));
            added = i + 1;
        }
        TRY(obey(w, ctx, &at, result, err));
    }
    if (added < n) {
        TRY(contents_append(w, ctx, rows, added, n, err));
    }
    return general_timers_settle(w, err);
}

void general_mark_late_rows(struct general_window *w, const struct op_context *ctx)
{
    const uint64_t *hashes = (const uint64_t *)(const void *)w->batch->hashes->data;
    int64_t now = window_now(&w->base, ctx);
    for (uint32_t i = 0; i < w->input->n_sel; i++) {
        uint32_t row = batch_row(w->input, i);
        if (!w->in_window[row] && !w->base.processing_time && !w->base.is_global &&
            time_add(general_time_of(w, row), w->lateness) <=
                window_key_now(&w->base, ctx, hashes[row], now)) {
            window_mark_late(&w->base, row);
        }
        w->in_window[row] = 0;
    }
}

static int run_batch(struct general_window *w, struct op_context *ctx, struct error *err)
{
    while (w->next_pass < w->n_passes && emit_queue_len(&w->rows.queue) < EMIT_QUEUE_STOP) {
        TRY(run_pass(w, ctx, w->next_pass, err));
        w->next_pass++;
    }
    if (w->next_pass < w->n_passes) {
        (void)emit_queue_drain(&w->rows.queue, ctx);
        return OP_MORE;
    }
    general_mark_late_rows(w, ctx);
    window_emit_late(&w->base, ctx, w->input);
    w->input = batch_unref(w->input);
    w->batch = batch_unref(w->batch);
    w->pass_rows = batch_unref(w->pass_rows);
    set_timer(w, ctx);
    return general_drain(w, ctx);
}

struct batch *general_kept_rows(struct general_window *w, struct op_context *ctx, struct batch *b)
{
    struct batch *rows;
    if (w->base.is_all) {
        uint32_t n = b->schema->n_fields;
        int32_t *map = MEM_NEW_ARRAY(int32_t, n + 1);
        for (uint32_t i = 0; i <= n; i++) {
            map[i] = i < n ? (int32_t)i : -1;
        }
        rows = batch_project(ctx->pool, b, w->sides[0].schema, map);
        mem_free(map);
        struct batch *keys = window_keys(&w->base, ctx, b);
        column_share(ctx->pool, &rows->columns[n], &keys->columns[0]);
        batch_unref(keys);
        batch_hash_keys(ctx->pool, rows, w->sides[0].row_columns, w->base.n_keys);
    } else {
        rows = batch_make_unique(ctx->pool, batch_ref(b));
    }
    rows->row_kinds = buffer_unref(rows->row_kinds);
    return rows;
}

static int general_process(struct operator* op, struct op_context *ctx, uint32_t input,
                           struct batch *take_batch, struct error *err)
{
    struct general_window *w = (struct general_window *)op;
    struct batch *b = take_batch;
    int rc = window_base_admit(&w->base, ctx, input, &b, err);
    if (rc < 0 || b->n_sel == 0) {
        batch_unref(b);
        return rc;
    }
    w->side = input;
    w->input = b;
    w->batch = general_kept_rows(w, ctx, b);
    w->next_pass = 0;
    w->now_ms = clock_now_ms(ctx->clock);
    return run_batch(w, ctx, err);
}

static int general_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct general_window *w = (struct general_window *)op;
    if (w->is_firing) {
        return fire(w, ctx, err);
    }
    return w->batch != NULL ? run_batch(w, ctx, err) : general_drain(w, ctx);
}

static int general_snapshot(struct operator* op, struct op_context *ctx,
                            const struct op_checkpoint *checkpoint, struct error *err)
{
    return window_progress_snapshot(&((struct general_window *)op)->base, err);
}

#define GENERAL_OPERATOR(name, kind_text, inputs, summary_text) \
    const struct operator_desc operator_window_##name = {       \
        .struct_size = sizeof(struct operator_desc),            \
        .version = 1,                                           \
        .kind = kind_text,                                      \
        .summary = summary_text,                                \
        .instance_size = sizeof(struct general_window),         \
        .n_inputs = inputs,                                     \
        .open = general_open,                                   \
        .process = general_process,                             \
        .resume = general_resume,                               \
        .close = general_close,                                 \
        .watermark = general_watermark,                         \
        .processing_time = general_processing_time,             \
        .snapshot = general_snapshot,                           \
    }

GENERAL_OPERATOR(general, "flinc.window.general", 1,
                 "Windows with triggers, evictors, allowed lateness and user functions");
GENERAL_OPERATOR(join, "flinc.window.join", 2,
                 "Window join and coGroup of two keyed streams (JoinedStreams, CoGroupedStreams)");
