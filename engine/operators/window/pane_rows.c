/* Records of panes, once each, and where they lie (pane_window.h).
 *
 * The map keeps them by time.  Looking a record up costs as much as adding it; so a pane that was shown once
 * notes where its records lie, which holds until the table of the map's entries is made anew. */
#include "engine/operators/window/pane_window.h"

#include <stdlib.h>

enum { PANE_ROWS_MIN = 4, GATHERED_MIN = 256 };

int pane_rows_open(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    const char *name = "<pane end>";
    struct data_type *type = type_new(TYPE_BIGINT, false);
    const struct record_field field = {.offset = offsetof(struct pane_meta, end),
                                       .null_offset = RECORD_NEVER_NULL,
                                       .width = 8,
                                       .layout = LAYOUT_I64};
    struct schema *schema = schema_new(&name, &type, 1);
    record_layout_init_fields(&w->layout, schema, sizeof(struct pane_meta), &field, 1);
    schema_unref(schema);
    w->generation = 1;
    struct sorted_map_desc desc = {.name = "window-pane-rows",
                                   .key_schema = g->base.key_schema,
                                   .record = &g->sides[0].record,
                                   .stays = !general_is_paged(g)};
    TRY_CTX(err, sorted_map_open(g->base.backend, &desc, &w->rows, err), "opening operator '%s'",
            ctx->spec->name);
    return 0;
}

/* ---- adding ------------------------------------------------------------------------------------ */

static void check_generation(struct pane_window *w)
{
    const struct keyed_table *t = sorted_map_table(w->rows);
    if (t->entries != w->row_entries || t->n_slots != w->row_slots) {
        w->row_entries = t->entries;
        w->row_slots = t->n_slots;
        w->generation++;
    }
}

/* The panes of some rows of the batch at hand have to be looked up again. */
static void forget_rows(struct pane_window *w, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct pane_meta *meta = pane_meta_of(w, w->slots[i]);
        struct pane_key *k = pane_key_at(w, meta->key);
        pane_list_at(k, pane_list_above(k, meta->end - 1))->generation = 0;
    }
}

int pane_rows_add(struct pane_window *w, struct op_context *ctx, uint32_t from, uint32_t to,
                  struct error *err)
{
    struct general_window *g = &w->general;
    int64_t times[BATCH_ROWS_MAX];
    uint32_t n = to - from;
    if (n == 0) {
        return 0;
    }
    if (!general_is_paged(g)) {
        forget_rows(w, from, to);
    }
    struct buffer *sel = buffer_get(ctx->pool, n * sizeof(uint16_t));
    for (uint32_t i = 0; i < n; i++) {
        ((uint16_t *)(void *)sel->data)[i] = w->batch_rows[from + i];
        times[i] = general_time_of(g, w->batch_rows[from + i]);
    }
    struct batch *part = window_select(ctx, g->batch, sel, n);
    struct state_keys keys = {
        .name_space = NAMESPACE_VOID, .batch = part, .key_columns = g->sides[0].row_columns};
    int rc = sorted_map_insert(w->rows, &keys, times, err);
    batch_unref(part);
    TRY(rc);
    if (!general_is_paged(g)) {
        check_generation(w);
    }
    return 0;
}

int pane_rows_expire(struct pane_window *w, struct batch *key, int64_t end, struct error *err)
{
    int64_t high = end - 1;
    struct state_keys keys = {
        .name_space = NAMESPACE_VOID, .batch = key, .key_columns = w->general.entry_columns};
    struct sorted_ranges ranges = {.high = &high};
    return sorted_map_remove_ranges(w->rows, &keys, &ranges, NULL, err);
}

/* ---- noting ------------------------------------------------------------------------------------ */

static int compare_rows(const void *a, const void *b)
{
    uint64_t x = ((const struct pane_row *)a)->number, y = ((const struct pane_row *)b)->number;
    return x < y ? -1 : x > y;
}

/* Into the order of arrival.  Records mostly come nearly in the order of time: few are moved, and not far. */
static void sort_rows(struct pane_row *rows, size_t n)
{
    size_t moves = 8 * n + 64;
    for (size_t i = 1; i < n; i++) {
        struct pane_row row = rows[i];
        size_t at = i;
        while (at > 0 && rows[at - 1].number > row.number && moves > 0) {
            rows[at] = rows[at - 1];
            at--;
            moves--;
        }
        rows[at] = row;
        if (moves == 0) {
            qsort(rows, n, sizeof(*rows), compare_rows);
            return;
        }
    }
}

static void note_row(struct pane *p, const char *record, uint64_t number)
{
    if (p->n_rows == p->cap_rows) {
        p->cap_rows = MAX(p->cap_rows * 2, (uint32_t)PANE_ROWS_MIN);
        p->rows = mem_realloc(p->rows, p->cap_rows * sizeof(*p->rows));
    }
    p->rows[p->n_rows++] = (struct pane_row){record, number};
}

static void note_block(const struct pane_window *w, struct pane_key *k,
                       const struct sorted_map_reader *r, uint32_t *inout_at)
{
    for (uint32_t i = 0; i < r->rows.n; i++) {
        int64_t end = pane_end_of(&w->general, w->pane_ms, r->rows.sorts[i]);
        while (pane_list_at(k, *inout_at)->end < end) {
            ++*inout_at;
        }
        note_row(pane_list_at(k, *inout_at), r->rows.records[i], r->numbers[i]);
    }
}

/* Notes the rows of panes [from, to). */
static int note_rows(struct pane_window *w, struct op_context *ctx, struct pane_key *k,
                     uint32_t from, uint32_t to, struct error *err)
{
    int64_t low = pane_list_at(k, from)->end - w->pane_ms, high = pane_list_at(k, to - 1)->end - 1;
    struct batch *key = NULL;
    struct sorted_map_reader r;
    for (uint32_t i = from; i < to; i++) {
        pane_list_at(k, i)->n_rows = 0;
        pane_list_at(k, i)->generation = w->generation;
    }
    TRY(pane_list_key(w, ctx, pane_list_at(k, from)->slot, &key, err));
    struct state_keys keys = {
        .name_space = NAMESPACE_VOID, .batch = key, .key_columns = w->general.entry_columns};
    struct sorted_ranges ranges = {.low = &low, .high = &high};
    memset(&r, 0, sizeof(r));
    uint32_t at = from;
    int rc = sorted_map_reader_start(&r, w->rows, &keys, &ranges, err);
    while (rc >= 0 && (rc = sorted_map_reader_next(&r, STATE_ROWS_MAX, err)) == 1) {
        note_block(w, k, &r, &at);
    }
    sorted_map_reader_fini(&r);
    batch_unref(key);
    for (uint32_t i = from; i < to; i++) {
        sort_rows(pane_list_at(k, i)->rows, pane_list_at(k, i)->n_rows);
    }
    return rc;
}

/* ---- windows ----------------------------------------------------------------------------------- */

void pane_rows_reserve(struct pane_window *w, size_t n)
{
    struct general_side *side = &w->general.sides[0];
    if (n > w->cap_gathered) {
        w->cap_gathered = MAX(n * 2, (size_t)GATHERED_MIN);
        w->gathered = mem_realloc(w->gathered, w->cap_gathered * sizeof(*w->gathered));
        side->cap_records = w->cap_gathered;
        side->records = mem_realloc(side->records, side->cap_records * sizeof(*side->records));
    }
}

void pane_rows_show(struct pane_window *w, bool in_order)
{
    struct general_side *side = &w->general.sides[0];
    if (!in_order) {
        sort_rows(w->gathered, w->n_gathered);
    }
    for (size_t i = 0; i < w->n_gathered; i++) {
        side->records[i] = w->gathered[i].record;
    }
    side->n_records = w->n_gathered;
}

static void gather(struct pane_window *w, struct pane_key *k, uint32_t from, uint32_t to)
{
    bool in_order = true;
    size_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        n += pane_list_at(k, i)->n_rows;
    }
    pane_rows_reserve(w, n);
    w->n_gathered = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct pane *p = pane_list_at(k, i);
        if (p->n_rows == 0) { /* its records of the batch at hand are still to come */
            continue;
        }
        in_order = in_order && (w->n_gathered == 0 ||
                                w->gathered[w->n_gathered - 1].number < p->rows[0].number);
        memcpy(w->gathered + w->n_gathered, p->rows, p->n_rows * sizeof(*p->rows));
        w->n_gathered += p->n_rows;
    }
    pane_rows_show(w, in_order);
}

int pane_rows_load(struct pane_window *w, struct op_context *ctx, struct pane_key *k, int64_t end,
                   struct error *err)
{
    uint32_t from = pane_list_above(k, end - w->general.size), to = pane_list_above(k, end);
    uint32_t stale_from = to, stale_to = from;
    for (uint32_t i = from; i < to; i++) {
        if (pane_list_at(k, i)->generation != w->generation) {
            stale_from = MIN(stale_from, i);
            stale_to = i + 1;
        }
    }
    if (stale_from < stale_to) {
        TRY(note_rows(w, ctx, k, stale_from, stale_to, err));
    }
    gather(w, k, from, to);
    return 0;
}
