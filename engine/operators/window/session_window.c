/* flinc.window.sessions: session windows of built-in aggregates, in event and processing time
 * (session_window.h).  A record at t is in [t, t + its gap); sessions of a key that meet or touch are one.
 *
 * Flink: WindowOperator with EventTimeSessionWindows, ProcessingTimeSessionWindows.  Thread: the task's. */
#include "engine/operators/window/session_window.h"

#include "common/base/failpoint.h"
#include "engine/operators/registry.h"

/* ---- entries ----------------------------------------------------------------------------------- */

static void add_field(struct record_field *fields, struct data_type **types, const char **names,
                      uint32_t i, const char *name, struct data_type *take_type, uint32_t offset)
{
    names[i] = name;
    types[i] = take_type;
    fields[i] = (struct record_field){.column = i,
                                      .offset = offset,
                                      .null_offset = RECORD_NEVER_NULL,
                                      .width = take_type->layout == LAYOUT_VIEW ? 16 : 8,
                                      .layout = take_type->layout};
}

/* start, end, the words, and the earlier sessions as bytes. */
static void make_layout(struct session_window *w)
{
    const struct schema *words = w->columns.layout.schema;
    uint32_t n = words->n_fields + 3, i = 0;
    const char **names = MEM_NEW_ARRAY(const char *, n);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, n);
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, n);
    w->words_bytes = window_columns_bytes(&w->columns);
    w->session_bytes = sizeof(struct session) + w->words_bytes;
    w->earlier_offset = sizeof(struct session_entry) + w->words_bytes;
    add_field(fields, types, names, i++, "window start", type_new(TYPE_BIGINT, false),
              offsetof(struct session_entry, latest.start));
    add_field(fields, types, names, i++, "window end", type_new(TYPE_BIGINT, false),
              offsetof(struct session_entry, latest.end));
    for (uint32_t k = 0; k < words->n_fields; k++) {
        add_field(fields, types, names, i++, words->fields[k].name, type_ref(words->fields[k].type),
                  sizeof(struct session_entry) + k * 8);
    }
    add_field(fields, types, names, i++, "earlier sessions",
              type_new_sized(TYPE_VARBINARY, TYPE_LENGTH_MAX, false), w->earlier_offset);
    struct schema *schema = schema_new(names, types, n);
    record_layout_init_fields(&w->layout, schema,
                              w->earlier_offset + (uint32_t)sizeof(flinc_string), fields, n);
    schema_unref(schema);
    mem_free(names);
    mem_free(types);
    mem_free(fields);
}

int session_schedule(struct session_window *w, uint32_t slot, struct session_entry *e,
                     struct error *err)
{
    e->due_ms = session_due_ms(w, e);
    if (w->timers != NULL) {
        return timer_service_add(w->timers, w->timer_kind, w->timer_row, NAMESPACE_VOID, e->due_ms,
                                 err);
    }
    due_index_push(&w->due, e->due_ms, slot);
    return 0;
}

/* Makes the index anew when the table has other slots than it knows. */
static int check_index(struct session_window *w, struct error *err)
{
    const struct keyed_table *t = w->state->table;
    if (w->timers != NULL ||
        LIKELY(t->entries == w->indexed_entries && t->n_slots == w->indexed_slots)) {
        return 0;
    }
    w->indexed_entries = t->entries;
    w->indexed_slots = t->n_slots;
    due_index_clear(&w->due);
    for (uint32_t slot = 0; (slot = keyed_table_next(t, slot)) != KEYED_SLOT_NONE; slot++) {
        struct session_entry *e = session_entry_at(w, slot);
        if (!session_is_empty(e) && !(slot % 8 == 0 && PLANTED("sessions.lost"))) {
            TRY(session_schedule(w, slot, e, err));
        }
    }
    return 0;
}

static void set_timer(struct session_window *w, struct op_context *ctx)
{
    if (w->base.processing_time) {
        op_timer_at(ctx, w->timers != NULL ? timer_service_next_time(w->timers, w->timer_kind)
                                           : due_index_least(&w->due));
    }
}

/* ---- life -------------------------------------------------------------------------------------- */

static int check_config(const struct session_window *w, const struct op_context *ctx,
                        struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    if (c->assigner->kind != FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION ||
        c->function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS || c->allowed_lateness_ms != 0 ||
        c->evictor != NULL || c->trigger->kind != FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DEFAULT) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': sessions by columns have built-in aggregates and the default trigger",
            ctx->spec->name);
    }
    return 0;
}

static int open_gap(struct session_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    TRY(user_functions_open(&w->functions, ctx, (const uint32_t[]){FLINC_FN_SESSION_GAP},
                            c->assigner->gap_function ? 1 : 0, err));
    return session_gap_open(&w->gap, c, ctx, &w->functions, err);
}

static int session_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct session_window *w = (struct session_window *)op;
    due_index_init(&w->due);
    TRY(window_base_open(&w->base, ctx, err));
    TRY(check_config(w, ctx, err));
    TRY(open_gap(w, ctx, err));
    TRY_CTX(err,
            window_columns_init(&w->columns, w->base.config, ctx->input_schemas[0],
                                ctx->output_schemas[0], err),
            "opening operator '%s'", ctx->spec->name);
    make_layout(w);
    w->scratch = mem_alloc_aligned(16, w->layout.size);
    w->result_words = mem_alloc_aligned(64, (size_t)w->words_bytes * BATCH_ROWS_TARGET);
    struct keyed_state_desc desc = {.name = "window-sessions",
                                    .key_schema = w->base.key_schema,
                                    .record = &w->layout,
                                    .grows_in_pieces = w->base.backend->paged != NULL,
                                    .kind = "window"};
    TRY_CTX(err, keyed_backend_state(w->base.backend, &desc, &w->state, err),
            "opening operator '%s'", ctx->spec->name);
    (void)keyed_state_next(w->state, NAMESPACE_VOID, 0); /* selects the table */
    TRY(session_timers_open(w, ctx, err));
    TRY(check_index(w, err));
    set_timer(w, ctx);
    return 0;
}

static void session_close(struct operator* op, struct op_context *ctx)
{
    struct session_window *w = (struct session_window *)op;
    due_index_fini(&w->due);
    w->timers = timer_service_free(w->timers);
    user_functions_close(&w->functions);
    session_gap_close(&w->gap);
    window_columns_fini(&w->columns);
    mem_free(w->list);
    mem_free(w->scratch);
    mem_free(w->result_words);
    if (w->layout.schema != NULL) {
        record_layout_fini(&w->layout);
    }
    window_base_close(&w->base);
}

/* ---- firing ------------------------------------------------------------------------------------ */

int session_emit(struct session_window *w, struct op_context *ctx, struct error *err)
{
    struct window_results r = {
        .accumulators = w->accumulators, .starts = w->starts, .ends = w->ends};
    uint32_t n = w->n_results;
    w->n_results = 0;
    TRY(keyed_state_read_keys(w->state, w->result_slots, n, &r.keys, err));
    if (PLANTED("sessions.twice")) {
        op_emit(ctx, 0, window_columns_results(&w->columns, ctx->pool, ctx->output_schemas[0], &r));
    }
    op_emit(ctx, 0, window_columns_results(&w->columns, ctx->pool, ctx->output_schemas[0], &r));
    batch_unref(r.keys);
    for (uint32_t i = 0; i < n; i++) {
        if (w->result_is_last[i]) {
            keyed_state_remove(w->state, w->result_slots[i]);
        }
    }
    return 0;
}

/* The entry that an item of the index is about; NULL: it is stale. */
static struct session_entry *entry_of(const struct session_window *w, const struct due_item *item)
{
    if (keyed_table_next(w->state->table, item->slot) != item->slot) {
        return NULL;
    }
    struct session_entry *e = session_entry_at(w, item->slot);
    return e->due_ms == item->time_ms ? e : NULL;
}

/* Takes the next items that are due, and asks for their entries; false: there are none. */
static bool look_ahead(struct session_window *w)
{
    const struct keyed_table *t = w->state->table;
    w->next_looked_at = w->n_looked_at = 0;
    while (w->n_looked_at < SESSION_LOOK_AHEAD &&
           due_index_take(&w->due, w->fire_now, &w->looked_at[w->n_looked_at])) {
        uint32_t slot = w->looked_at[w->n_looked_at++].slot;
        const char *entry = t->entries + (size_t)slot * t->stride;
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + t->stride - 1, 1);
        __builtin_prefetch(&t->groups[slot / KEYED_GROUP_SLOTS]);
    }
    return w->n_looked_at > 0;
}

static int fire_slots(struct session_window *w, struct op_context *ctx, struct error *err)
{
    uint32_t batches = 0;
    while (w->next_looked_at < w->n_looked_at || look_ahead(w)) {
        const struct due_item *item = &w->looked_at[w->next_looked_at++];
        if (entry_of(w, item) == NULL) {
            continue;
        }
        TRY(session_fire_entry(w, item->slot, w->fire_now, err));
        if (w->n_results == BATCH_ROWS_TARGET) {
            TRY(session_emit(w, ctx, err));
            if (++batches == WINDOW_EMIT_BATCHES) {
                return OP_MORE;
            }
        }
    }
    if (w->n_results > 0) {
        TRY(session_emit(w, ctx, err));
    }
    return OP_DONE;
}

static int fire(struct session_window *w, struct op_context *ctx, struct error *err)
{
    int rc = w->timers != NULL ? session_timers_fire(w, ctx, err) : fire_slots(w, ctx, err);
    if (rc != OP_DONE) {
        return rc;
    }
    w->base.time_ms = MAX(w->base.time_ms, w->fire_now);
    set_timer(w, ctx);
    return OP_DONE;
}

static int session_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                             struct error *err)
{
    struct session_window *w = (struct session_window *)op;
    if (w->base.processing_time) {
        return OP_DONE;
    }
    w->fire_now = watermark_ms;
    return fire(w, ctx, err);
}

static int session_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                   struct error *err)
{
    struct session_window *w = (struct session_window *)op;
    w->fire_now = now_ms;
    return fire(w, ctx, err);
}

static int session_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return fire((struct session_window *)op, ctx, err);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* Adds the rows that wait to the latest sessions of their keys. */
static void flush_run(struct session_window *w, const struct batch *b)
{
    if (w->run.n > 0) {
        char *values = keyed_state_values(w->state, &w->run.stride);
        w->run.values = values + sizeof(struct session_entry);
        window_columns_add(&w->columns, b, w->run_rows, &w->run);
        w->run.n = 0;
    }
}

static inline void run_add(struct session_window *w, uint32_t row, uint32_t slot, uint8_t is_new)
{
    uint32_t i = w->run.n++;
    w->run_rows[i] = (uint16_t)row;
    w->run_slots[i] = slot;
    w->run_is_new[i] = is_new;
}

/* A record of a key without sessions. */
static int open_session(struct session_window *w, struct op_context *ctx, uint32_t row,
                        uint32_t slot, struct session own, int64_t now, struct error *err)
{
    struct session_entry *e = session_entry_at(w, slot);
    if (!w->base.processing_time) {
        int64_t key_now =
            window_key_now(&w->base, ctx, keyed_table_hash(w->state->table, slot), now);
        if (UNLIKELY(own.end - 1 <= key_now)) {
            window_mark_late(&w->base, row);
            return 0;
        }
    }
    e->latest = own;
    run_add(w, row, slot, 1);
    return session_schedule(w, slot, e, err);
}

/* True when the record alone would make a session that is over, and meets none of its key's. */
static bool is_late_beside(const struct session_window *w, const struct op_context *ctx,
                           uint32_t slot, struct session_entry *e, struct session own, int64_t now)
{
    if (w->base.processing_time ||
        own.end - 1 > window_key_now(&w->base, ctx, keyed_table_hash(w->state->table, slot), now)) {
        return false;
    }
    const flinc_string *earlier = session_earlier(w, e);
    for (size_t at = 0; at < earlier->len; at += w->session_bytes) {
        struct session s;
        memcpy(&s, earlier->data + at, sizeof(s));
        if (s.start <= own.end && own.start <= s.end) {
            return false;
        }
    }
    return !(e->latest.start <= own.end && own.start <= e->latest.end);
}

static int add_record(struct session_window *w, struct op_context *ctx, const struct batch *b,
                      uint32_t row, uint32_t slot, struct session own, int64_t now,
                      struct error *err)
{
    struct session_entry *e = session_entry_at(w, slot);
    if (LIKELY(own.start >= e->latest.start && own.start <= e->latest.end &&
               !session_is_empty(e))) {
        e->latest.end = MAX(e->latest.end, own.end);
        run_add(w, row, slot, 0);
        return 0;
    }
    w->timer_row = row;
    if (session_is_empty(e)) {
        return open_session(w, ctx, row, slot, own, now, err);
    }
    if (is_late_beside(w, ctx, slot, e, own, now)) {
        window_mark_late(&w->base, row);
        return 0;
    }
    flush_run(w, b);
    return session_add_slowly(w, b, (uint16_t)row, slot, own, err);
}

/* Entries that were made for records which turned out to be late. */
static void remove_empty(struct session_window *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (w->is_new[i] && session_is_empty(session_entry_at(w, w->slots[i]))) {
            keyed_state_remove(w->state, w->slots[i]);
        }
    }
}

static int add_batch(struct session_window *w, struct op_context *ctx, struct batch *b,
                     struct error *err)
{
    const int64_t gap = w->gap.gap_ms;
    if (gap == 0) {
        TRY_CTX(err, session_gap_read(&w->gap, 0, b, w->gaps, err), "in operator '%s'",
                ctx->spec->name);
    }
    struct batch *keys = window_keys(&w->base, ctx, b);
    int rc = keyed_state_upsert(w->state, NAMESPACE_VOID, keys, w->base.key_columns, w->slots,
                                w->is_new, err);
    if (rc == 0 && w->timers != NULL) {
        rc = timer_service_begin(w->timers, keys, w->base.key_columns, err);
    }
    batch_unref(keys);
    TRY(rc);
    TRY(check_index(w, err));
    const int64_t *times =
        w->base.processing_time ? NULL : (const int64_t *)(const void *)b->timestamps->data;
    int64_t now = window_now(&w->base, ctx), clock_ms = clock_now_ms(ctx->clock);
    w->run = (struct accumulator_run){.slots = w->run_slots, .is_new = w->run_is_new};
    for (uint32_t i = 0; i < b->n_sel && rc >= 0; i++) {
        uint32_t row = batch_row(b, i);
        int64_t ts = times != NULL ? times[row] : clock_ms;
        struct session own = {ts, time_add(ts, gap != 0 ? gap : w->gaps[i])};
        rc = add_record(w, ctx, b, row, w->slots[i], own, now, err);
    }
    flush_run(w, b);
    if (w->base.n_marked > 0) {
        remove_empty(w, b->n_sel);
    }
    if (rc >= 0 && w->timers != NULL) {
        rc = timer_service_settle(w->timers, err);
    }
    set_timer(w, ctx);
    return rc;
}

static int session_process(struct operator* op, struct op_context *ctx, uint32_t input,
                           struct batch *take_batch, struct error *err)
{
    struct session_window *w = (struct session_window *)op;
    struct batch *b = take_batch;
    int rc = window_base_admit(&w->base, ctx, input, &b, err);
    if (rc >= 0 && b->n_sel > 0) {
        rc = add_batch(w, ctx, b, err);
        window_emit_late(&w->base, ctx, b);
    }
    batch_unref(b);
    return rc;
}

static int session_snapshot(struct operator* op, struct op_context *ctx,
                            const struct op_checkpoint *checkpoint, struct error *err)
{
    return window_progress_snapshot(&((struct session_window *)op)->base, err);
}

const struct operator_desc operator_window_sessions = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.window.sessions",
    .summary = "Session windows of built-in aggregates",
    .instance_size = sizeof(struct session_window),
    .n_inputs = 1,
    .open = session_open,
    .process = session_process,
    .resume = session_resume,
    .close = session_close,
    .watermark = session_watermark,
    .processing_time = session_processing_time,
    .snapshot = session_snapshot,
};
