/* The panes of each key, by time, and what it waits for (pane_window.h). */
#include "engine/operators/window/pane_window.h"

#include "engine/data/hash.h"

enum { PANES_MIN = 8 };

/* ---- keys -------------------------------------------------------------------------------------- */

static int64_t new_key(struct pane_window *w)
{
    struct pane_key *k = MEM_NEW(struct pane_key);
    k->next_end = k->due_ms = INT64_MAX;
    if (w->free_keys.len > 0) {
        uint32_t number = *VEC_AT(&w->free_keys, uint32_t, w->free_keys.len - 1);
        vec_pop(&w->free_keys);
        *VEC_AT(&w->items, struct pane_key *, number) = k;
        return number;
    }
    vec_push_ptr(&w->items, k);
    return (int64_t)w->items.len - 1;
}

static void free_key(struct pane_key *k)
{
    if (k == NULL) {
        return;
    }
    for (uint32_t i = 0; i < k->n; i++) {
        mem_free(pane_list_at(k, i)->rows);
    }
    mem_free(k->panes);
    mem_free(k);
}

uint32_t pane_list_above(const struct pane_key *k, int64_t ms)
{
    uint32_t low = 0, high = k->n;
    if (high > 0 && pane_list_at(k, high - 1)->end <= ms) {
        return high;
    }
    /* Windows begin with the first pane and end with the last: bisecting hundreds would miss the cache. */
    if (high > 0 && pane_list_at(k, 0)->end > ms) {
        return 0;
    }
    if (high > 1 && pane_list_at(k, high - 2)->end <= ms) {
        return high - 1;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pane_list_at(k, middle)->end <= ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A place for one more pane before number `at`. */
static struct pane *insert_pane(struct pane_key *k, uint32_t at, int64_t end)
{
    if (k->first + k->n == k->cap) {
        if (k->first > k->cap / 2) {
            memmove(k->panes, k->panes + k->first, k->n * sizeof(*k->panes));
            k->first = 0;
        } else {
            k->cap = MAX(k->cap * 2, (uint32_t)PANES_MIN);
            k->panes = mem_realloc(k->panes, k->cap * sizeof(*k->panes));
        }
    }
    struct pane *p = pane_list_at(k, at);
    memmove(p + 1, p, (k->n - at) * sizeof(*p));
    *p = (struct pane){.end = end};
    k->n++;
    return p;
}

/* ---- time -------------------------------------------------------------------------------------- */

void pane_list_advance(const struct pane_window *w, struct pane_key *k, int64_t end)
{
    int64_t next = time_add(end, w->general.slide);
    uint32_t i = pane_list_above(k, next - w->general.size);
    if (i == k->n) {
        k->next_end = INT64_MAX;
        return;
    }
    int64_t pane_end = pane_list_at(k, i)->end;
    k->next_end =
        pane_end <= next ? next : pane_window_end_above(&w->general, pane_end - w->pane_ms);
}

void pane_list_schedule(struct pane_window *w, int64_t number)
{
    struct pane_key *k = pane_key_at(w, number);
    int64_t due =
        k->n > 0 ? pane_expiry(&w->general, w->pane_ms, pane_list_at(k, 0)->end) : INT64_MAX;
    if (k->next_end != INT64_MAX) {
        due = MIN(due, k->next_end - 1);
    }
    if (due < k->due_ms) {
        k->due_ms = due;
        due_index_push(&w->due, due, (uint32_t)number);
    }
}

/* ---- panes ------------------------------------------------------------------------------------- */

/* A pane that is new here: into the list, and its windows are waited for. */
static void note_pane(struct pane_window *w, int64_t number, uint32_t slot, int64_t now)
{
    struct pane_key *k = pane_key_at(w, number);
    struct pane_meta *meta = pane_meta_of(w, slot);
    uint32_t at = pane_list_above(k, meta->end - 1);
    insert_pane(k, at, meta->end)->slot = slot;
    meta->key = number;
    k->next_end = MIN(k->next_end, pane_first_window(&w->general, w->pane_ms, meta->end, now));
    pane_list_schedule(w, number);
}

/* The keys of `rows`, whose entries are `slots`. */
static int note_panes(struct pane_window *w, struct op_context *ctx, struct batch *rows,
                      const uint32_t *key_columns, const uint32_t *slots, struct error *err)
{
    uint32_t key_slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    const uint64_t *hashes = (const uint64_t *)(const void *)rows->hashes->data;
    TRY(keyed_state_upsert(w->keys, NAMESPACE_VOID, rows, key_columns, key_slots, is_new, err));
    for (uint32_t i = 0; i < rows->n_sel; i++) {
        int64_t *number = keyed_state_value(w->keys, key_slots[i]);
        if (*number == 0) {
            *number = new_key(w);
        }
        note_pane(w, *number, slots[i], pane_now(&w->general, ctx, hashes[batch_row(rows, i)]));
    }
    return 0;
}

int pane_list_add(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    uint32_t slots[BATCH_ROWS_MAX], n = 0;
    struct buffer *sel = buffer_get(ctx->pool, BATCH_ROWS_MAX * sizeof(uint16_t));
    for (uint32_t i = 0; i < w->n_rows; i++) {
        if (w->is_new[i]) {
            slots[n] = w->slots[i];
            ((uint16_t *)(void *)sel->data)[n++] = w->batch_rows[i];
            pane_meta_of(w, w->slots[i])->end = g->ends[w->batch_rows[i]];
        }
    }
    if (n == 0) {
        buffer_unref(sel);
        return 0;
    }
    struct batch *part = window_select(ctx, g->batch, sel, n);
    int rc = note_panes(w, ctx, part, g->sides[0].row_columns, slots, err);
    batch_unref(part);
    return rc;
}

int pane_list_key(struct pane_window *w, struct op_context *ctx, uint32_t slot,
                  struct batch **ret_key, struct error *err)
{
    const struct general_window *g = &w->general;
    TRY(keyed_state_read_keys(w->panes, &slot, 1, ret_key, err));
    batch_hash_keys(ctx->pool, *ret_key, g->entry_columns, g->base.n_keys);
    return 0;
}

int pane_list_expire(struct pane_window *w, struct op_context *ctx, int64_t number, int64_t now,
                     bool *ret_gone, struct error *err)
{
    struct pane_key *k = pane_key_at(w, number);
    uint32_t n = 0;
    *ret_gone = false;
    while (n < k->n && pane_expiry(&w->general, w->pane_ms, pane_list_at(k, n)->end) <= now) {
        n++;
    }
    if (n == 0) {
        return 0;
    }
    struct batch *key = NULL;
    TRY(pane_list_key(w, ctx, pane_list_at(k, 0)->slot, &key, err));
    int rc = pane_rows_expire(w, key, pane_list_at(k, n - 1)->end, err);
    if (rc >= 0 && n == k->n) {
        uint32_t slot = KEYED_SLOT_NONE;
        rc = keyed_state_find(w->keys, NAMESPACE_VOID, key, w->general.entry_columns, &slot, err);
        if (rc >= 0 && slot != KEYED_SLOT_NONE) {
            keyed_state_remove(w->keys, slot);
        }
    }
    batch_unref(key);
    TRY(rc);
    for (uint32_t i = 0; i < n; i++) {
        keyed_state_remove(w->panes, pane_list_at(k, i)->slot);
        mem_free(pane_list_at(k, i)->rows);
    }
    k->first += n;
    k->n -= n;
    if (k->n == 0) {
        free_key(k);
        *VEC_AT(&w->items, struct pane_key *, (size_t)number) = NULL;
        *(uint32_t *)vec_push(&w->free_keys) = (uint32_t)number;
        *ret_gone = true;
    }
    return 0;
}

/* ---- the table --------------------------------------------------------------------------------- */

/* Restored panes, whose keys are not known yet. */
static int find_keys(struct pane_window *w, struct op_context *ctx, const uint32_t *slots,
                     uint32_t n, struct error *err)
{
    struct batch *keys = NULL;
    TRY(keyed_state_read_keys(w->panes, slots, n, &keys, err));
    const int64_t *ends = COLUMN_VALUES(&keys->columns[w->general.base.n_keys], const int64_t);
    for (uint32_t i = 0; i < n; i++) {
        pane_meta_of(w, slots[i])->end = ends[i];
    }
    batch_hash_keys(ctx->pool, keys, w->general.entry_columns, w->general.base.n_keys);
    int rc = note_panes(w, ctx, keys, w->general.entry_columns, slots, err);
    batch_unref(keys);
    return rc;
}

int pane_list_check(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    const struct keyed_table *t = w->panes->table;
    uint32_t unknown[BATCH_ROWS_MAX], n = 0;
    if (LIKELY(t->entries == w->indexed_entries && t->n_slots == w->indexed_slots)) {
        return 0;
    }
    w->indexed_entries = t->entries;
    w->indexed_slots = t->n_slots;
    for (uint32_t slot = 0; (slot = keyed_table_next(t, slot)) != KEYED_SLOT_NONE; slot++) {
        const struct pane_meta *meta = pane_meta_of(w, slot);
        if (meta->key != 0) {
            const struct pane_key *k = pane_key_at(w, meta->key);
            uint32_t at = pane_list_above(k, meta->end - 1);
            ASSERT(at < k->n && pane_list_at(k, at)->end == meta->end);
            pane_list_at(k, at)->slot = slot;
        } else if (w->n_rows == 0) {
            unknown[n++] = slot;
            if (n == BATCH_ROWS_MAX) {
                TRY(find_keys(w, ctx, unknown, n, err));
                n = 0;
            }
        }
    }
    return n > 0 ? find_keys(w, ctx, unknown, n, err) : 0;
}

int pane_list_open_state(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    struct keyed_state_desc panes = {.name = "window-panes",
                                     .key_schema = g->entry_keys,
                                     .n_key_columns = g->base.n_keys,
                                     .record = &w->layout,
                                     .grows_in_pieces = general_is_paged(g),
                                     .kind = "window"};
    TRY_CTX(err, keyed_backend_state(g->base.backend, &panes, &w->panes, err),
            "opening operator '%s'", ctx->spec->name);
    return 0;
}

int pane_list_open(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    vec_init(&w->items, sizeof(struct pane_key *));
    vec_init(&w->free_keys, sizeof(uint32_t));
    vec_push_ptr(&w->items, NULL);
    struct keyed_state_desc keys = {
        .name = "window-pane-keys", .key_schema = g->base.key_schema, .value_bytes = 8};
    TRY(pane_list_open_state(w, ctx, err));
    TRY_CTX(err, keyed_backend_state(g->base.backend, &keys, &w->keys, err),
            "opening operator '%s'", ctx->spec->name);
    (void)keyed_state_next(w->panes, NAMESPACE_VOID, 0); /* selects the table */
    return pane_list_check(w, ctx, err);
}

void pane_list_close(struct pane_window *w)
{
    for (size_t i = 0; i < w->items.len; i++) {
        free_key(vec_ptr(&w->items, i));
    }
    vec_fini(&w->items);
    vec_fini(&w->free_keys);
}
