/* Panes of values, and what sliding windows know of them: keys and nodes (value_window.h). */
#include "engine/operators/window/value_window.h"

#include "engine/data/hash.h"

#include <stdlib.h>

/* ---- pools ------------------------------------------------------------------------------------- */

static void pool_init(struct value_pool *p, size_t item_bytes, struct mem_budget *budget)
{
    *p = (struct value_pool){.stride = (uint32_t)((item_bytes + 7) & ~(size_t)7), .budget = budget};
    vec_init(&p->chunks, sizeof(char *));
}

static uint64_t chunk_bytes(const struct value_pool *p)
{
    return (uint64_t)VALUE_POOL_ITEMS * p->stride;
}

static void pool_fini(struct value_pool *p)
{
    for (size_t i = 0; i < p->chunks.len; i++) {
        mem_free(vec_ptr(&p->chunks, i));
    }
    if (p->budget != NULL) {
        mem_budget_give(p->budget, p->chunks.len * chunk_bytes(p));
    }
    vec_fini(&p->chunks);
}

/* The budget is overdrawn where need be: then the next new key of any state fails, with the remedy. */
static void add_chunk(struct value_pool *p)
{
    if (p->budget != NULL) {
        mem_budget_force(p->budget, chunk_bytes(p));
    }
    vec_push_ptr(&p->chunks, mem_zalloc_array(VALUE_POOL_ITEMS, p->stride));
}

/* The number of a zeroed item. */
static uint32_t pool_take(struct value_pool *p)
{
    uint32_t number = p->free_item;
    if (number != 0) {
        memcpy(&p->free_item, value_pool_at(p, number), sizeof(p->free_item));
        memset(value_pool_at(p, number), 0, p->stride);
        return number;
    }
    number = ++p->n;
    if (number / VALUE_POOL_ITEMS >= p->chunks.len) {
        add_chunk(p);
    }
    return number;
}

static void pool_give(struct value_pool *p, uint32_t number)
{
    memcpy(value_pool_at(p, number), &p->free_item, sizeof(p->free_item));
    p->free_item = number;
}

/* ---- panes ------------------------------------------------------------------------------------- */

size_t value_panes_above(const struct value_window *w, int64_t ms)
{
    size_t low = 0, high = w->panes.len;
    if (high == 0 || value_pane_at(w, high - 1)->end <= ms) {
        return high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (value_pane_at(w, middle)->end <= ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The number of the pane that ends at `end`, whose table is the state's. */
static size_t note_pane(struct value_window *w, int64_t end)
{
    size_t at = value_panes_above(w, end - 1);
    if (at < w->panes.len && value_pane_at(w, at)->end == end) {
        return at;
    }
    (void)VEC_PUSH(&w->panes, struct value_pane);
    struct value_pane *p = value_pane_at(w, at);
    memmove(p + 1, p, (w->panes.len - 1 - at) * sizeof(*p));
    *p = (struct value_pane){.end = end};
    if (w->has_stacks) {
        p->table = w->values->table;
        p->entries = p->table->entries;
        p->n_slots = p->table->n_slots;
    }
    return at;
}

static struct value_meta *meta_at(const struct value_window *w, const struct keyed_table *t,
                                  uint32_t slot)
{
    return value_meta_in(w, keyed_table_value(t, slot));
}

/* The table has grown: its nodes get to know where their values lie. */
static void check_slots(struct value_window *w, struct value_pane *p)
{
    const struct keyed_table *t = p->table;
    if (LIKELY(t->entries == p->entries && t->n_slots == p->n_slots)) {
        return;
    }
    p->entries = t->entries;
    p->n_slots = t->n_slots;
    for (uint32_t slot = 0; (slot = keyed_table_next(t, slot)) != KEYED_SLOT_NONE; slot++) {
        int64_t node = meta_at(w, t, slot)->node;
        if (node != 0) { /* else it has just come */
            value_node_at(w, (uint32_t)node)->slot = slot;
        }
    }
}

/* ---- keys and nodes ---------------------------------------------------------------------------- */

static uint32_t new_key(struct value_window *w, uint64_t hash)
{
    uint32_t number = pool_take(&w->keys);
    struct value_key *k = value_key_at(w, number);
    k->hash = hash;
    k->stale_end = INT64_MIN;
    return number;
}

/* Into the key's list, which is by time; mostly at its end. */
static void link_node(struct value_window *w, struct value_key *k, uint32_t number)
{
    struct value_node *n = value_node_at(w, number);
    if (k->last == 0 || value_node_at(w, k->last)->end < n->end) {
        *(k->last != 0 ? &value_node_at(w, k->last)->next : &k->first) = number;
        k->last = number;
    } else {
        uint32_t *at = &k->first;
        if (k->head != 0 && value_node_at(w, k->head)->end < n->end) {
            at = &value_node_at(w, k->head)->next;
        }
        while (value_node_at(w, *at)->end < n->end) {
            at = &value_node_at(w, *at)->next;
        }
        n->next = *at;
        *at = number;
    }
    if (k->head == 0 || n->end < value_node_at(w, k->head)->end) {
        k->head = number;
    }
}

static void add_node(struct value_window *w, struct value_pane *p, uint32_t key, uint32_t slot)
{
    uint32_t number = pool_take(&w->nodes);
    struct value_node *n = value_node_at(w, number);
    n->end = p->end;
    n->table = p->table;
    n->slot = slot;
    n->key = key;
    n->peer = p->first;
    p->first = number;
    meta_at(w, p->table, slot)->node = number;
    link_node(w, value_key_at(w, key), number);
}

/* Entries of a pane that are new here; `keys` are theirs, selected in the same order. */
static int add_nodes(struct value_window *w, struct value_pane *p, const struct batch *keys,
                     const uint32_t *key_columns, const uint32_t *slots, struct error *err)
{
    uint32_t number_slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    const uint64_t *hashes = (const uint64_t *)(const void *)keys->hashes->data;
    TRY(keyed_state_upsert(w->key_numbers, NAMESPACE_VOID, keys, key_columns, number_slots, is_new,
                           err));
    for (uint32_t i = 0; i < keys->n_sel; i++) {
        int64_t *number = keyed_state_value(w->key_numbers, number_slots[i]);
        if (*number == 0) {
            *number = new_key(w, hashes[batch_row(keys, i)]);
        }
        add_node(w, p, (uint32_t)*number, slots[i]);
    }
    return 0;
}

/* ---- records ----------------------------------------------------------------------------------- */

/* Those of the `n` rows from number `from` on whose entries are new. */
static int note_entries(struct value_window *w, struct op_context *ctx, struct value_pane *p,
                        const uint32_t *numbers, uint32_t n, struct error *err)
{
    struct general_window *g = &w->general;
    uint32_t slots[BATCH_ROWS_MAX], n_new = 0;
    struct buffer *sel = buffer_get(ctx->pool, n * sizeof(uint16_t));
    check_slots(w, p);
    for (uint32_t i = 0; i < n; i++) {
        if (w->is_new[numbers[i]]) {
            slots[n_new] = w->slots[numbers[i]];
            ((uint16_t *)(void *)sel->data)[n_new++] = w->batch_rows[numbers[i]];
        }
    }
    if (n_new == 0) {
        buffer_unref(sel);
        return 0;
    }
    struct batch *part = window_select(ctx, g->batch, sel, n_new);
    int rc = add_nodes(w, p, part, g->sides[0].row_columns, slots, err);
    batch_unref(part);
    return rc;
}

/* The state gets room for as many keys as the pane before had. */
static int open_pane(struct value_window *w, int64_t end, struct error *err)
{
    size_t at = value_panes_above(w, end - 1);
    bool is_there = at < w->panes.len && value_pane_at(w, at)->end == end;
    if (is_there || at == 0 || keyed_backend_pages(w->general.base.backend)) {
        return 0;
    }
    (void)keyed_state_next(w->values, value_pane_at(w, at - 1)->end, 0); /* selects the table */
    const struct keyed_table *before = w->values->table;
    uint32_t n_keys = before != NULL ? keyed_table_len(before) : 0;
    /* Where there is no memory for so many, there may still be for those that come. */
    int rc = keyed_state_reserve(w->values, end, n_keys, NULL);
    return rc < 0 && rc != ERR_LIMIT ? error_set(err, rc, "a pane of windows cannot be opened") : 0;
}

/* The rows with these numbers in batch_rows, all of one pane. */
static int find_entries(struct value_window *w, struct op_context *ctx, const uint32_t *numbers,
                        uint32_t n, struct error *err)
{
    struct general_window *g = &w->general;
    const int64_t end = g->ends[w->batch_rows[numbers[0]]];
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    struct buffer *sel = buffer_get(ctx->pool, n * sizeof(uint16_t));
    for (uint32_t i = 0; i < n; i++) {
        ((uint16_t *)(void *)sel->data)[i] = w->batch_rows[numbers[i]];
    }
    TRY(open_pane(w, end, err));
    struct batch *part = window_select(ctx, g->batch, sel, n);
    int rc = keyed_state_upsert(w->values, end, part, g->sides[0].row_columns, slots, is_new, err);
    batch_unref(part);
    TRY(rc);
    for (uint32_t i = 0; i < n; i++) {
        w->slots[numbers[i]] = slots[i];
        w->is_new[numbers[i]] = is_new[i];
        w->tables[numbers[i]] = w->values->table;
    }
    size_t at = note_pane(w, end);
    return w->has_stacks ? note_entries(w, ctx, value_pane_at(w, at), numbers, n, err) : 0;
}

/* All rows of the batch, which are of one pane. */
static int find_all_entries(struct value_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    const int64_t end = g->ends[w->batch_rows[0]];
    TRY(open_pane(w, end, err));
    TRY(keyed_state_upsert(w->values, end, g->pass_rows, g->sides[0].row_columns, w->slots,
                           w->is_new, err));
    for (uint32_t i = 0; i < w->n_rows; i++) {
        w->tables[i] = w->values->table;
    }
    size_t at = note_pane(w, end);
    return w->has_stacks ? note_entries(w, ctx, value_pane_at(w, at), w->numbers, w->n_rows, err)
                         : 0;
}

/* A row of the batch at hand and its pane. */
struct pane_of_row {
    int64_t end;
    uint32_t number;
};

static int compare_panes(const void *a, const void *b)
{
    const struct pane_of_row *x = a, *y = b;
    int c = (x->end > y->end) - (x->end < y->end);
    return c != 0 ? c : (x->number > y->number) - (x->number < y->number);
}

/* Numbers of the rows in the order of their panes. */
static void sort_rows(const struct value_window *w, uint32_t *ret_numbers)
{
    struct pane_of_row order[BATCH_ROWS_MAX];
    bool sorted = true;
    for (uint32_t i = 0; i < w->n_rows; i++) {
        order[i] = (struct pane_of_row){w->general.ends[w->batch_rows[i]], i};
        sorted = sorted && (i == 0 || order[i - 1].end <= order[i].end);
    }
    if (!sorted) {
        qsort(order, w->n_rows, sizeof(order[0]), compare_panes);
    }
    for (uint32_t i = 0; i < w->n_rows; i++) {
        ret_numbers[i] = order[i].number;
    }
}

/* With stacks rows are taken as they came, whose panes are found together, and so are those that may fire windows at once. */
void value_panes_order(struct value_window *w)
{
    const int64_t end = w->general.ends[w->batch_rows[0]];
    bool is_one = true;
    for (uint32_t i = 0; i < w->n_rows; i++) {
        is_one &= w->general.ends[w->batch_rows[i]] == end;
        w->numbers[i] = i;
    }
    if (UNLIKELY(!is_one) && !w->has_stacks && w->general.lateness == 0) {
        sort_rows(w, w->numbers);
    }
}

static int64_t end_of(const struct value_window *w, const uint32_t *numbers, uint32_t i)
{
    return w->general.ends[w->batch_rows[numbers[i]]];
}

/* Rows of one pane, which come one after another; behind one that fires a window at once others have to be found again. */
static uint32_t run_of(const struct value_window *w, const struct op_context *ctx,
                       const uint32_t *numbers, uint32_t from)
{
    const struct general_window *g = &w->general;
    const bool stops = w->is_sliding && !w->has_stacks && g->lateness > 0;
    uint32_t to = from;
    while (to < w->n_rows && end_of(w, numbers, to) == end_of(w, numbers, from)) {
        int64_t late_end = INT64_MIN;
        to++;
        if (stops && pane_next_late(g, ctx, w->batch_rows[numbers[to - 1]], &late_end)) {
            break;
        }
    }
    return to - from;
}

/* Pane by pane, but the rows stay in their order. */
static int find_all_panes(struct value_window *w, struct op_context *ctx, struct error *err)
{
    uint32_t numbers[BATCH_ROWS_MAX];
    sort_rows(w, numbers);
    for (uint32_t from = 0, n; from < w->n_rows; from += n) {
        n = run_of(w, ctx, numbers, from);
        TRY(find_entries(w, ctx, numbers + from, n, err));
    }
    return 0;
}

int value_panes_find(struct value_window *w, struct op_context *ctx, struct error *err)
{
    const uint32_t from = w->n_found, n = run_of(w, ctx, w->numbers, from);
    if (LIKELY(n == w->n_rows)) {
        w->n_found = n;
        return find_all_entries(w, ctx, err);
    }
    w->n_found = w->has_stacks ? w->n_rows : from + n;
    return w->has_stacks ? find_all_panes(w, ctx, err)
                         : find_entries(w, ctx, w->numbers + from, n, err);
}

/* ---- panes that are over ------------------------------------------------------------------------- */

/* Keys that have gone, by entries of the table that the state has at hand. */
static int forget_keys(struct value_window *w, struct op_context *ctx, const uint32_t *slots,
                       uint32_t n, struct error *err)
{
    struct general_window *g = &w->general;
    uint32_t number_slots[BATCH_ROWS_MAX];
    struct batch *keys = NULL;
    TRY(keyed_state_read_keys(w->values, slots, n, &keys, err));
    batch_hash_keys(ctx->pool, keys, g->base.plain_columns, g->base.n_keys);
    int rc = keyed_state_find(w->key_numbers, NAMESPACE_VOID, keys, g->base.plain_columns,
                              number_slots, err);
    batch_unref(keys);
    TRY(rc);
    keyed_state_remove_many(w->key_numbers, number_slots, n);
    return 0;
}

static void free_node(struct value_window *w, uint32_t number)
{
    if (w->layout.n_strings > 0) {
        record_drop(&w->layout, &w->strings, value_of_node(value_node_at(w, number)));
    }
    pool_give(&w->nodes, number);
}

static void free_key(struct value_window *w, uint32_t number)
{
    if (w->layout.n_strings > 0) {
        record_drop(&w->layout, &w->strings, value_of_back(value_key_at(w, number)));
    }
    pool_give(&w->keys, number);
}

void value_key_activate(struct value_window *w, uint32_t number)
{
    struct value_key *k = value_key_at(w, number);
    if (!k->is_active) {
        k->is_active = true;
        *VEC_PUSH(&w->active, uint32_t) = number;
    }
}

void value_key_deactivate(struct value_window *w, size_t at)
{
    const uint32_t number = *VEC_AT(&w->active, uint32_t, at);
    vec_remove_swap(&w->active, at);
    value_key_at(w, number)->is_active = false;
    if (value_key_at(w, number)->first == 0) {
        free_key(w, number);
    }
}

/* The nodes of the first pane, which are the first ones of their keys. */
static int forget_nodes(struct value_window *w, struct op_context *ctx, const struct value_pane *p,
                        struct error *err)
{
    uint32_t gone[BATCH_ROWS_TARGET], n_gone = 0;
    (void)keyed_state_next(w->values, p->end, 0); /* selects the table */
    for (uint32_t number = p->first, peer; number != 0; number = peer) {
        const struct value_node *n = value_node_at(w, number);
        struct value_key *k = value_key_at(w, n->key);
        peer = n->peer;
        k->first = n->next;
        k->head = k->head == number ? n->next : k->head;
        if (k->first == 0) {
            gone[n_gone++] = n->slot;
            if (!k->is_active) { /* else when the next window has nothing of it */
                free_key(w, n->key);
            }
        }
        free_node(w, number);
        if (n_gone == ARRAY_LEN(gone) || (peer == 0 && n_gone > 0)) {
            TRY(forget_keys(w, ctx, gone, n_gone, err));
            n_gone = 0;
        }
    }
    return 0;
}

int value_panes_expire(struct value_window *w, struct op_context *ctx, int64_t now,
                       struct error *err)
{
    size_t n = 0;
    for (; n < w->panes.len; n++) {
        const struct value_pane *p = value_pane_at(w, n);
        if (pane_expiry(&w->general, w->pane_ms, p->end) > now) {
            break;
        }
        if (w->has_stacks) {
            TRY(forget_nodes(w, ctx, p, err));
        }
        keyed_state_drop_namespace(w->values, p->end);
    }
    if (n > 0) {
        w->panes.len -= n;
        memmove(w->panes.data, (struct value_pane *)w->panes.data + n,
                w->panes.len * sizeof(struct value_pane));
    }
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int open_layout(struct value_window *w, struct op_context *ctx, struct error *err)
{
    static const char *const names[] = {"<arrival>"};
    struct general_window *g = &w->general;
    const bool aggregates =
        g->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    g->values.record = &g->sides[0].record;
    if (aggregates) {
        TRY(values_open_accumulator(g, ctx, err));
    }
    const struct record_layout *base = g->values.record;
    TRY(record_layout_extend(&w->layout, base, names, ARRAY_LEN(names),
                             sizeof(struct value_meta) - sizeof(int64_t), err));
    w->meta_offset = (base->size + 7) & ~7u;
    g->values.in_place = values_change_in_place(g);
    w->scratch = mem_alloc_aligned(16, w->layout.size);
    w->so_far = mem_alloc_aligned(16, w->layout.size);
    memset(w->so_far, 0, w->layout.size);
    pass_tile_open(&g->values.tile, g);
    return 0;
}

/* Restored entries of a pane. */
static int restore_entries(struct value_window *w, struct op_context *ctx, struct value_pane *p,
                           const uint32_t *slots, uint32_t n, struct error *err)
{
    struct general_window *g = &w->general;
    struct batch *keys = NULL;
    for (uint32_t i = 0; i < n; i++) {
        struct value_meta *meta = meta_at(w, w->values->table, slots[i]);
        meta->node = 0;
        w->arrivals = MAX(w->arrivals, meta->arrival);
    }
    if (!w->has_stacks) {
        return 0;
    }
    TRY(keyed_state_read_keys(w->values, slots, n, &keys, err));
    batch_hash_keys(ctx->pool, keys, g->base.plain_columns, g->base.n_keys);
    int rc = add_nodes(w, p, keys, g->base.plain_columns, slots, err);
    batch_unref(keys);
    return rc;
}

/* Of tumbling windows on disk the first entry is enough: arrivals matter between panes. */
static int restore_pane(struct value_window *w, struct op_context *ctx, int64_t end,
                        struct error *err)
{
    struct keyed_walk *walk = NULL;
    uint32_t slots[BATCH_ROWS_TARGET];
    const bool is_brief = !w->is_sliding && keyed_backend_pages(w->general.base.backend);
    TRY(keyed_walk_start(w->values, end, &walk, err));
    int rc;
    while ((rc = keyed_walk_next(walk, BATCH_ROWS_TARGET, slots, err)) > 0) {
        size_t at = note_pane(w, end);
        rc = restore_entries(w, ctx, value_pane_at(w, at), slots, (uint32_t)rc, err);
        if (rc < 0 || is_brief) {
            break;
        }
    }
    keyed_walk_free(walk);
    return rc;
}

int value_panes_open(struct value_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    vec_init(&w->panes, sizeof(struct value_pane));
    vec_init(&w->active, sizeof(uint32_t));
    struct mem_budget *budget = g->base.backend->options.budget;
    state_heap_init(&w->strings, budget);
    TRY(open_layout(w, ctx, err));
    pool_init(&w->nodes, sizeof(struct value_node) + w->layout.size, budget);
    pool_init(&w->keys, sizeof(struct value_key) + w->layout.size, budget);
    struct keyed_state_desc values = {.name = "window-panes",
                                      .key_schema = g->base.key_schema,
                                      .record = &w->layout,
                                      .grows_in_pieces = !w->has_stacks,
                                      .kind = "window"};
    struct keyed_state_desc numbers = {
        .name = "window-pane-keys", .key_schema = g->base.key_schema, .value_bytes = 8};
    TRY_CTX(err, keyed_backend_state(g->base.backend, &values, &w->values, err),
            "opening operator '%s'", ctx->spec->name);
    if (w->has_stacks) {
        TRY_CTX(err, keyed_backend_state(g->base.backend, &numbers, &w->key_numbers, err),
                "opening operator '%s'", ctx->spec->name);
    } else if (w->is_sliding) {
        TRY(value_sums_open(w, ctx, err));
    }
    int64_t end = INT64_MIN;
    for (; keyed_state_next_namespace(w->values, end, &end); end++) {
        TRY_CTX(err, restore_pane(w, ctx, end, err), "opening operator '%s'", ctx->spec->name);
    }
    return 0;
}

void value_panes_close(struct value_window *w)
{
    vec_fini(&w->panes);
    vec_fini(&w->active);
    pool_fini(&w->nodes);
    pool_fini(&w->keys);
    state_heap_fini(&w->strings);
    mem_free(w->scratch);
    mem_free(w->so_far);
    if (w->layout.schema != NULL) {
        record_layout_fini(&w->layout);
    }
}
