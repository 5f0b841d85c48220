/* Sessions of the general window operator: assigning, joining, ending (general_sessions.h). */
#include "engine/operators/window/general_sessions.h"

#include "engine/operators/window/general_custom.h"

#include "engine/data/hash.h"

/* ---- life -------------------------------------------------------------------------------------- */

int sessions_check(const struct general_window *w, const struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    if (!trigger_can_merge(w)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': session windows grow together, and its trigger cannot",
                         ctx->spec->name);
    }
    if (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE && !c->merges &&
        c->evictor == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': session windows grow together, and its aggregate has no "
                         "merge function",
                         ctx->spec->name);
    }
    return 0;
}

int sessions_open(struct general_window *w, struct op_context *ctx, struct error *err)
{
    struct general_sessions *s = w->sessions;
    TRY(session_gap_open(&s->gap, w->base.config, ctx, &w->rows.functions, err));
    struct session_set_desc desc = {.name = "session-windows", .key_schema = w->base.key_schema};
    TRY_CTX(err, session_set_open(w->base.backend, &desc, &s->set, err), "opening operator '%s'",
            ctx->spec->name);
    vec_init(&s->joins, sizeof(struct session_join));
    s->generation = 1; /* a note of 0 is none */
    return 0;
}

void sessions_close(struct general_window *w)
{
    struct general_sessions *s = w->sessions;
    if (s != NULL) {
        session_gap_close(&s->gap);
        batch_unref(s->keys);
        vec_fini(&s->joins);
        mem_free(s);
        w->sessions = NULL;
    }
}

/* ---- assigning ----------------------------------------------------------------------------------- */

/* Each row's own window, and whether it is too late to be one. */
static int make_windows(struct general_window *w, const struct op_context *ctx, struct error *err)
{
    struct general_sessions *s = w->sessions;
    const uint64_t *hashes = (const uint64_t *)(const void *)w->batch->hashes->data;
    int64_t now = window_now(&w->base, ctx);
    TRY_CTX(err, session_gap_read(&s->gap, w->side, w->input, s->gaps, err), "in operator '%s'",
            ctx->spec->name);
    for (uint32_t i = 0; i < w->batch->n_sel; i++) {
        uint32_t row = batch_row(w->batch, i);
        int64_t ts = general_time_of(w, row), end = time_add(ts, s->gaps[i]);
        s->spans[i] = (struct session_span){.start = ts, .end = end};
        s->join_only[i] =
            !w->base.processing_time &&
            general_cleanup_time(w, end) <= window_key_now(&w->base, ctx, hashes[row], now);
    }
    return 0;
}

int sessions_assign(struct general_window *w, struct op_context *ctx, uint16_t *ret_rows,
                    uint32_t *ret_n, struct error *err)
{
    struct general_sessions *s = w->sessions;
    struct state_keys keys = {.name_space = NAMESPACE_VOID,
                              .batch = w->batch,
                              .key_columns = w->sides[w->side].row_columns};
    struct session_rows rows = {.spans = s->spans, .join_only = s->join_only, .taken = s->taken};
    uint32_t n = 0;
    TRY(make_windows(w, ctx, err));
    TRY_CTX(err, session_set_add(s->set, &keys, &rows, &s->joins, err), "in operator '%s'",
            ctx->spec->name);
    s->next_join = 0;
    for (uint32_t i = 0; i < w->batch->n_sel; i++) {
        uint32_t row = batch_row(w->batch, i);
        if (s->taken[i]) {
            w->ends[row] = s->spans[i].state;
            w->in_window[row] = 1;
            s->numbers[n] = (uint16_t)i;
            ret_rows[n++] = (uint16_t)row;
        }
    }
    *ret_n = n;
    return 0;
}

/* ---- entries ------------------------------------------------------------------------------------- */

/* A table that was made anew has other slots. */
static bool is_new_table(struct general_window *w)
{
    struct general_sessions *s = w->sessions;
    const struct keyed_table *t = w->entries->table;
    if (LIKELY(t->entries == s->noted_entries && t->n_slots == s->noted_slots)) {
        return false;
    }
    s->noted_entries = t->entries;
    s->noted_slots = t->n_slots;
    s->generation++;
    return true;
}

/* The slots of rows whose sessions have notes, on their way to the cache; the others' numbers are the rest. */
static uint32_t read_notes(struct general_window *w, const uint16_t *rows, uint32_t n,
                           uint16_t *ret_rest)
{
    struct general_sessions *s = w->sessions;
    const struct keyed_table *t = w->entries->table;
    uint32_t n_rest = 0;
    for (uint32_t i = 0; i < n; i++) {
        const int64_t *note = session_set_note(s->set, s->numbers[i], w->ends[rows[i]]);
        if (note == NULL || (uint64_t)*note >> 32 != s->generation) {
            ret_rest[n_rest++] = (uint16_t)i;
            continue;
        }
        w->slots[i] = (uint32_t)*note - 1;
        w->is_new[i] = 0;
        const char *entry = keyed_table_entry(t, w->slots[i]);
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + t->stride - 1, 1);
        __builtin_prefetch(&t->groups[w->slots[i] / KEYED_GROUP_SLOTS], 1);
    }
    return n_rest;
}

/* The entries of the rows with these numbers, by their keys. */
static int upsert_rest(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                       const uint16_t *rest, uint32_t n, struct error *err)
{
    uint16_t rest_rows[BATCH_ROWS_MAX] = {0};
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        rest_rows[i] = rows[rest[i]];
    }
    struct batch *keys = general_entry_keys(w, ctx, w->entries, rest_rows, n);
    int rc =
        keyed_state_upsert(w->entries, NAMESPACE_VOID, keys, w->entry_columns, slots, is_new, err);
    batch_unref(keys);
    TRY(rc);
    for (uint32_t i = 0; i < n; i++) {
        w->slots[rest[i]] = slots[i];
        w->is_new[rest[i]] = is_new[i];
    }
    return 0;
}

int sessions_find_entries(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                          uint32_t n, struct error *err)
{
    struct general_sessions *s = w->sessions;
    uint16_t rest[BATCH_ROWS_MAX];
    (void)is_new_table(w);
    uint32_t n_rest = read_notes(w, rows, n, rest);
    if (n_rest > 0) {
        TRY(upsert_rest(w, ctx, rows, rest, n_rest, err));
    }
    if (is_new_table(w)) { /* what was read of it a moment ago holds no more */
        for (n_rest = 0; n_rest < n; n_rest++) {
            rest[n_rest] = (uint16_t)n_rest;
        }
        TRY(upsert_rest(w, ctx, rows, rest, n_rest, err));
        (void)is_new_table(w);
    }
    for (uint32_t i = 0; i < n; i++) {
        keyed_state_touch(w->entries, w->slots[i]);
    }
    for (uint32_t i = 0; i < n_rest; i++) {
        const uint32_t at = rest[i];
        int64_t *note = session_set_note(s->set, s->numbers[at], w->ends[rows[at]]);
        if (note != NULL) {
            *note = (int64_t)((uint64_t)s->generation << 32 | (w->slots[at] + 1));
        }
    }
    return 0;
}

/* ---- contents ------------------------------------------------------------------------------------ */

static struct batch *select_range(struct op_context *ctx, struct batch *b, const uint16_t *rows,
                                  uint32_t from, uint32_t to)
{
    struct buffer *sel = buffer_get(ctx->pool, (to - from) * sizeof(uint16_t));
    memcpy(sel->data, rows + from, (to - from) * sizeof(uint16_t));
    return window_select(ctx, b, sel, to - from);
}

int sessions_append(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                    uint32_t from, uint32_t to, struct error *err)
{
    struct batch *keys = select_range(ctx, w->sessions->keys, rows, from, to);
    struct batch *part = select_range(ctx, w->batch, rows, from, to);
    struct state_keys owners = {.batch = keys, .key_columns = w->entry_columns};
    int rc = row_list_append_rows(w->sides[w->side].contents, &owners, part, err);
    batch_unref(keys);
    batch_unref(part);
    return rc;
}

/* ---- joining ------------------------------------------------------------------------------------- */

static int join_values(struct general_window *w, const struct window_at_hand *into,
                       const struct window_at_hand *from, struct error *err)
{
    const char *value = values_get(w, from->slot);
    if (!from->entry->has_value) {
        return 0;
    }
    if (into->entry->has_value) {
        TRY(values_combine(w, values_get(w, into->slot), value, VALUE_OF_RECORDS, w->scratch[0],
                           err));
        value = w->scratch[0];
    }
    into->entry->has_value = 1;
    return values_keep(w, into->slot, value, err);
}

static int join_lists(struct general_window *w, struct batch *into, struct batch *from,
                      struct error *err)
{
    struct state_keys to = {.batch = into, .key_columns = w->entry_columns};
    struct state_keys of = {.batch = from, .key_columns = w->entry_columns};
    for (uint32_t i = 0; i < w->n_sides; i++) {
        TRY(row_list_move(w->sides[i].contents, &of, &to, err));
    }
    return 0;
}

/* Both windows' entries at once, where a look at one may move the other. */
static int find_both(struct general_window *w, uint32_t i, int64_t from, uint32_t *ret_from,
                     struct error *err)
{
    const uint32_t twice[] = {w->slots[i], w->slots[i]};
    uint32_t slots[2];
    struct batch *keys = NULL;
    TRY(keyed_state_read_keys(w->entries, twice, 2, &keys, err));
    COLUMN_VALUES(&keys->columns[w->base.n_keys], int64_t)[1] = from;
    keyed_state_hash(w->entries, keys, w->entry_columns);
    int rc = keyed_state_find(w->entries, NAMESPACE_VOID, keys, w->entry_columns, slots, err);
    batch_unref(keys);
    TRY(rc);
    ASSERT(slots[0] != KEYED_SLOT_NONE);
    keyed_state_touch(w->entries, slots[0]);
    w->slots[i] = slots[0];
    *ret_from = slots[1];
    return 0;
}

/* What is kept of one window into another; `keys` are those of their entries. */
static int join_windows(struct general_window *w, uint32_t i, struct batch *into_keys,
                        struct batch *from_keys, struct error *err)
{
    struct window_at_hand from = {.slot = KEYED_SLOT_NONE};
    keyed_state_hash(w->entries, from_keys, w->entry_columns);
    const int64_t state = COLUMN_VALUES(&from_keys->columns[w->base.n_keys], const int64_t)[0];
    TRY(w->timers != NULL ? find_both(w, i, state, &from.slot, err)
                          : keyed_state_find(w->entries, NAMESPACE_VOID, from_keys,
                                             w->entry_columns, &from.slot, err));
    struct window_at_hand into = {.slot = w->slots[i], .entry = general_entry(w, w->slots[i])};
    if (from.slot == KEYED_SLOT_NONE) {
        return error_set(err, ERR_CORRUPT,
                         "a session has no window: its state was not restored as a whole");
    }
    from.entry = general_entry(w, from.slot);
    from.end = from.entry->end;
    if (w->custom != NULL) {
        from.start = from.entry->start;
        into.start = into.entry->start;
        into.end = into.entry->end;
        TRY(custom_on_merge(w, i, &into, &from, err));
    } else {
        trigger_on_growth(w, into.entry);
        trigger_on_growth(w, from.entry);
        trigger_on_merge(into.entry, from.entry);
    }
    if (w->values.is_kept) {
        TRY(join_values(w, &into, &from, err));
    } else {
        keyed_state_hash(w->entries, into_keys, w->entry_columns);
        TRY(join_lists(w, into_keys, from_keys, err));
    }
    keyed_state_remove(w->entries, from.slot);
    return 0;
}

int sessions_join(struct general_window *w, uint32_t i, struct error *err)
{
    struct general_sessions *s = w->sessions;
    int rc = 0;
    while (rc >= 0 && sessions_joins_at(s, i)) {
        const struct session_join *join = VEC_AT(&s->joins, struct session_join, s->next_join++);
        struct batch *into = NULL, *from = NULL;
        TRY(keyed_state_read_keys(w->entries, &w->slots[i], 1, &into, err));
        rc = keyed_state_read_keys(w->entries, &w->slots[i], 1, &from, err);
        if (rc >= 0) {
            COLUMN_VALUES(&from->columns[w->base.n_keys], int64_t)[0] = join->from;
            rc = join_windows(w, i, into, from, err);
        }
        batch_unref(into);
        batch_unref(from);
    }
    return rc < 0 ? rc : 0;
}

/* ---- ending -------------------------------------------------------------------------------------- */

int sessions_end(struct general_window *w, uint32_t slot, struct error *err)
{
    struct general_sessions *s = w->sessions;
    general_entry(w, slot)->is_open = 0; /* what is left in the indexes is stale */
    s->closed[s->n_closed++] = slot;
    return s->n_closed == ARRAY_LEN(s->closed) ? sessions_remove_closed(w, err) : 0;
}

static int remove_lists(struct general_window *w, struct batch *keys, struct error *err)
{
    struct state_keys owners = {.batch = keys, .key_columns = w->entry_columns};
    for (uint32_t i = 0; i < w->n_sides; i++) {
        TRY(row_list_clear(w->sides[i].contents, &owners, err));
    }
    return 0;
}

/* All that is kept under these keys of entries. */
static int remove_kept(struct general_window *w, struct batch *keys, struct error *err)
{
    struct general_sessions *s = w->sessions;
    if (!w->values.is_kept) {
        keyed_state_hash(w->entries, keys, w->entry_columns);
        TRY(remove_lists(w, keys, err));
    }
    batch_hash_keys(w->base.backend->options.pool, keys, w->entry_columns, w->base.n_keys);
    struct state_keys owners = {.batch = keys, .key_columns = w->entry_columns};
    const int64_t *states = COLUMN_VALUES(&keys->columns[w->base.n_keys], const int64_t);
    TRY(session_set_remove(s->set, &owners, states, err));
    for (uint32_t i = 0; i < s->n_closed; i++) {
        keyed_state_remove(w->entries, s->closed[i]);
    }
    return 0;
}

int sessions_remove_closed(struct general_window *w, struct error *err)
{
    struct general_sessions *s = w->sessions;
    struct batch *keys = NULL;
    if (s->n_closed == 0) {
        return 0;
    }
    TRY(keyed_state_read_keys(w->entries, s->closed, s->n_closed, &keys, err));
    int rc = remove_kept(w, keys, err);
    batch_unref(keys);
    s->n_closed = 0;
    return rc;
}
