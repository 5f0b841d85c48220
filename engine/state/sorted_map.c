/* Sorted multimaps: entries by (sort number, sequence number), heads with the order.
 *
 * Thread: one owner (the task). */
#include "engine/state/sorted_map.h"

#include "engine/state/entries.h"
#include "engine/state/sorted_index.h"

struct map_head {
    struct sorted_index index;
    uint64_t dying; /* the head is on the list of those that are removed */
};

struct sorted_map {
    struct entry_space space;
};

/* Entries that have left the index and are removed together. */
struct removals {
    uint32_t n;
    uint32_t owners[STATE_ROWS_MAX];
    struct sorted_item items[STATE_ROWS_MAX];
};

static struct map_head *head_at(const struct sorted_map *m, uint32_t slot)
{
    return keyed_state_value(m->space.heads, slot);
}

static struct state_heap *heap_of(const struct sorted_map *m)
{
    return &m->space.heads->table->heap;
}

/* ---- heads as bytes: the next sequence number, then the pairs -------------------------------------- */

static void head_drop(void *arg, struct state_heap *heap, char *value)
{
    (void)arg;
    sorted_index_clear(&((struct map_head *)(void *)value)->index, heap);
}

static int head_encode(void *arg, const char *value, struct str *out, struct error *err)
{
    (void)arg;
    (void)err;
    const struct sorted_index *ix = &((const struct map_head *)(const void *)value)->index;
    str_append(out, (const char *)&ix->next_seq, sizeof(ix->next_seq));
    for (uint32_t i = 0; i < ix->n_chunks; i++) {
        str_append(out, (const char *)ix->chunks[i]->items,
                   ix->chunks[i]->n * sizeof(struct sorted_item));
    }
    return 0;
}

static int head_decode(void *arg, struct state_heap *heap, struct slice bytes, char *ret_value,
                       struct error *err)
{
    (void)arg;
    struct sorted_index *ix = &((struct map_head *)(void *)ret_value)->index;
    struct sorted_item item, last = {INT64_MIN, 0};
    size_t at = sizeof(ix->next_seq);
    if (bytes.len < at || (bytes.len - at) % sizeof(item) != 0) {
        return error_set(err, ERR_CORRUPT, "%zu bytes are no order of rows", bytes.len);
    }
    int rc = 0;
    for (; at < bytes.len && rc == 0; at += sizeof(item)) {
        memcpy(&item, bytes.data + at, sizeof(item));
        if (item.sort < last.sort ||
            (ix->n > 0 && item.sort == last.sort && item.seq <= last.seq)) {
            rc = error_set(err, ERR_CORRUPT, "the order of rows is none");
        } else {
            rc = sorted_index_insert(ix, heap, item, err);
        }
        last = item;
    }
    if (rc < 0) {
        sorted_index_clear(ix, heap);
        return rc;
    }
    memcpy(&ix->next_seq, bytes.data, sizeof(ix->next_seq));
    return 0;
}

static const struct keyed_value_ops head_ops = {
    .drop = head_drop, .encode = head_encode, .decode = head_decode};

/* ---- life -------------------------------------------------------------------------------------- */

static void sorted_map_free(void *object)
{
    struct sorted_map *m = object;
    entry_space_fini(&m->space);
    mem_free(m);
}

static int add_restored(void *owner, struct batch *entries, struct error *err)
{
    struct sorted_map *m = owner;
    const int64_t *sorts = entry_numbers(&m->space, entries, 0);
    const int64_t *numbers = entry_numbers(&m->space, entries, 1);
    for (uint32_t i = 0; i < entries->n_sel; i++) {
        struct sorted_index *ix = &head_at(m, m->space.head_slots[i])->index;
        uint64_t seq = (uint64_t)numbers[i];
        TRY(sorted_index_insert(ix, heap_of(m), (struct sorted_item){sorts[i], seq}, err));
        ix->next_seq = MAX(ix->next_seq, seq + 1);
    }
    return 0;
}

int sorted_map_open(struct keyed_backend *b, const struct sorted_map_desc *desc,
                    struct sorted_map **ret_map, struct error *err)
{
    static const char *const names[] = {"$sort", "$number"};
    struct sorted_map *m = MEM_NEW(struct sorted_map);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(b, m, sorted_map_free);
    struct schema *extra = entry_numbers_schema(names, ARRAY_LEN(names));
    int rc = entry_space_open(&m->space, b,
                              &(struct entry_desc){.name = desc->name,
                                                   .kind = "sorted map",
                                                   .key_schema = desc->key_schema,
                                                   .record = desc->record,
                                                   .stays = desc->stays,
                                                   .extra = extra,
                                                   .timestamp_name = "$timestamp",
                                                   .head_bytes = sizeof(struct map_head),
                                                   .head_ops = &head_ops,
                                                   .head_kind = "sorted heads"},
                              err);
    schema_unref(extra);
    TRY(rc);
    TRY(entry_space_rebuild(&m->space, &(struct entry_rebuild){.add = add_restored, .owner = m},
                            err));
    *ret_map = m;
    return 0;
}

const struct record_layout *sorted_map_layout(const struct sorted_map *m)
{
    return &m->space.rows;
}

const struct keyed_table *sorted_map_table(const struct sorted_map *m)
{
    return m->space.entries->table;
}

/* ---- adding ------------------------------------------------------------------------------------ */

int sorted_map_insert(struct sorted_map *m, const struct state_keys *rows, const int64_t *sorts,
                      struct error *err)
{
    struct entry_space *e = &m->space;
    int rc = 0;
    TRY(entry_space_add_heads(e, rows, err));
    struct batch *b = entry_space_project(e, rows);
    int64_t *sort_cells = entry_numbers(e, b, 0), *number_cells = entry_numbers(e, b, 1);
    for (uint32_t i = 0; i < b->n_sel && rc == 0; i++) {
        struct sorted_index *ix = &head_at(m, e->head_slots[i])->index;
        uint32_t row = batch_row(b, i);
        sort_cells[row] = sorts[i];
        number_cells[row] = (int64_t)ix->next_seq;
        rc = sorted_index_insert(ix, heap_of(m), (struct sorted_item){sorts[i], ix->next_seq++},
                                 err);
    }
    if (rc == 0) {
        rc = entry_space_put(e, rows->name_space, rows->batch, b, err);
    }
    batch_unref(b);
    return rc;
}

int sorted_map_count(struct sorted_map *m, const struct state_keys *keys, uint64_t *ret_counts,
                     struct error *err)
{
    TRY(entry_space_find_heads(&m->space, keys, err));
    for (uint32_t i = 0; i < keys->batch->n_sel; i++) {
        uint32_t slot = m->space.head_slots[i];
        ret_counts[i] = slot != KEYED_SLOT_NONE ? head_at(m, slot)->index.n : 0;
    }
    return 0;
}

struct keyed_state *sorted_map_keys(const struct sorted_map *m)
{
    return m->space.heads;
}

void sorted_map_drop_namespace(struct sorted_map *m, int64_t name_space)
{
    entry_space_drop_namespace(&m->space, name_space);
}

/* ---- removing ---------------------------------------------------------------------------------- */

static int remove_entries(struct sorted_map *m, const struct state_keys *keys, struct removals *r,
                          struct error *err)
{
    struct entry_space *e = &m->space;
    if (r->n == 0) {
        return 0;
    }
    struct batch *b = entry_space_gather(e, keys, r->owners, r->n);
    int64_t *sort_cells = entry_numbers(e, b, 0), *number_cells = entry_numbers(e, b, 1);
    for (uint32_t i = 0; i < r->n; i++) {
        sort_cells[i] = r->items[i].sort;
        number_cells[i] = (int64_t)r->items[i].seq;
    }
    int rc = entry_space_find(e, keys->name_space, b, err);
    for (uint32_t i = 0; i < r->n && rc == 0; i++) {
        if (e->slots[i] != KEYED_SLOT_NONE) {
            keyed_state_remove(e->entries, e->slots[i]);
        }
    }
    r->n = 0;
    batch_unref(b);
    return rc;
}

/* Up to `max` rows of a range of one key. */
struct removal {
    uint32_t key; /* selected row */
    int64_t low, high;
    uint64_t max;
};

/* Takes them out of the index, and their entries away by the block. */
static int remove_rows(struct sorted_map *m, const struct state_keys *keys, struct removal what,
                       struct removals *r, uint64_t *ret_removed, struct error *err)
{
    uint32_t slot = m->space.head_slots[what.key];
    entry_space_touch_head(&m->space, slot);
    struct sorted_index *ix = &head_at(m, slot)->index;
    uint64_t left = what.max;
    uint32_t some = 1;
    while (left > 0 && some > 0) {
        if (r->n == STATE_ROWS_MAX) {
            TRY(remove_entries(m, keys, r, err));
        }
        uint32_t room = STATE_ROWS_MAX - r->n;
        some = sorted_index_take(ix, heap_of(m), what.low, what.high, (uint32_t)MIN(left, room),
                                 r->items + r->n);
        for (uint32_t i = 0; i < some; i++) {
            r->owners[r->n++] = what.key;
        }
        left -= some;
    }
    *ret_removed = what.max - left;
    return 0;
}

/* Heads without rows go, each once however often its key stands in the batch. */
static void remove_empty_heads(struct sorted_map *m, uint32_t n)
{
    uint32_t *slots = m->space.head_slots, dying = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct map_head *h = slots[i] != KEYED_SLOT_NONE ? head_at(m, slots[i]) : NULL;
        if (h != NULL && h->index.n == 0 && !h->dying) {
            h->dying = 1;
            slots[dying++] = slots[i];
        }
    }
    for (uint32_t i = 0; i < dying; i++) {
        keyed_state_remove(m->space.heads, slots[i]);
    }
}

int sorted_map_remove(struct sorted_map *m, const struct state_keys *keys, const int64_t *sorts,
                      uint8_t *ret_removed, struct error *err)
{
    struct removals r = {.n = 0};
    uint32_t n = keys->batch->n_sel;
    TRY(entry_space_find_heads(&m->space, keys, err));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t removed = 0;
        if (m->space.head_slots[i] != KEYED_SLOT_NONE) {
            struct removal what = {.key = i, .low = sorts[i], .high = sorts[i], .max = 1};
            TRY(remove_rows(m, keys, what, &r, &removed, err));
        }
        if (ret_removed != NULL) {
            ret_removed[i] = removed > 0;
        }
    }
    TRY(remove_entries(m, keys, &r, err));
    remove_empty_heads(m, n);
    return 0;
}

int sorted_map_remove_ranges(struct sorted_map *m, const struct state_keys *keys,
                             const struct sorted_ranges *ranges, uint64_t *ret_removed,
                             struct error *err)
{
    struct removals r = {.n = 0};
    uint32_t n = keys->batch->n_sel;
    uint64_t all = 0;
    TRY(entry_space_find_heads(&m->space, keys, err));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t removed = 0;
        if (m->space.head_slots[i] != KEYED_SLOT_NONE) {
            struct removal what = {.key = i,
                                   .low = ranges->low != NULL ? ranges->low[i] : INT64_MIN,
                                   .high = ranges->high != NULL ? ranges->high[i] : INT64_MAX,
                                   .max = UINT64_MAX};
            TRY(remove_rows(m, keys, what, &r, &removed, err));
        }
        all += removed;
    }
    TRY(remove_entries(m, keys, &r, err));
    remove_empty_heads(m, n);
    if (ret_removed != NULL) {
        *ret_removed = all;
    }
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

int sorted_map_reader_start(struct sorted_map_reader *r, struct sorted_map *m,
                            const struct state_keys *keys, const struct sorted_ranges *ranges,
                            struct error *err)
{
    uint64_t bytes = (uint64_t)keys->batch->n_sel * sizeof(uint32_t);
    sorted_map_reader_fini(r);
    TRY(entry_space_find_heads(&m->space, keys, err));
    r->map = m;
    r->keys = *keys;
    r->ranges = *ranges;
    r->key = 0;
    r->inside = false;
    r->rows.n = 0;
    r->heads = buffer_get(m->space.heads->backend->options.pool, bytes);
    memcpy(r->heads->data, m->space.head_slots, bytes);
    r->numbering = keyed_state_numbering(m->space.heads);
    return 0;
}

/* Rows of selected row r->key from where the reader is on, while the block has less than `max`; true when
 * the key has more. */
static bool take_rows(struct sorted_map_reader *r, const struct sorted_index *ix, uint32_t max,
                      uint64_t *ret_numbers)
{
    struct state_rows *rows = &r->rows;
    uint32_t key = r->key;
    int64_t high = r->ranges.high != NULL ? r->ranges.high[key] : INT64_MAX;
    if (!r->inside) {
        r->next_sort = r->ranges.low != NULL ? r->ranges.low[key] : INT64_MIN;
        r->next_seq = 0;
        r->inside = true;
    }
    struct sorted_at at = sorted_index_lower(ix, (struct sorted_item){r->next_sort, r->next_seq});
    const struct sorted_item *item;
    while ((item = sorted_index_item(ix, at)) != NULL && item->sort <= high) {
        if (rows->n == max) {
            r->next_sort = item->sort;
            r->next_seq = item->seq;
            return true;
        }
        rows->owners[rows->n] = key;
        rows->sorts[rows->n] = item->sort;
        ret_numbers[rows->n++] = item->seq;
        at = sorted_index_step(ix, at);
    }
    return false;
}

static int find_rows(struct sorted_map_reader *r, const uint64_t *numbers, struct error *err)
{
    struct entry_space *e = &r->map->space;
    uint32_t n = r->rows.n;
    struct batch *b = entry_space_gather(e, &r->keys, r->rows.owners, n);
    memcpy(entry_numbers(e, b, 0), r->rows.sorts, n * sizeof(int64_t));
    memcpy(entry_numbers(e, b, 1), numbers, n * sizeof(int64_t));
    int rc = entry_space_find(e, r->keys.name_space, b, err);
    batch_unref(b);
    r->rows.n = 0;
    if (rc == 0) {
        entry_space_collect(e, n, &r->rows);
    }
    return rc;
}

int sorted_map_reader_next(struct sorted_map_reader *r, uint32_t max, struct error *err)
{
    const uint32_t *heads = (const uint32_t *)(const void *)r->heads->data;
    ASSERT(max > 0 && max <= STATE_ROWS_MAX);
    r->rows.n = 0;
    TRY(entry_space_keep_heads(&r->map->space, &r->keys, r->heads, &r->numbering, err));
    while (r->key < r->keys.batch->n_sel && r->rows.n < max) {
        uint32_t slot = heads[r->key];
        if (slot == KEYED_SLOT_NONE ||
            !take_rows(r, &head_at(r->map, slot)->index, max, r->numbers)) {
            r->key++;
            r->inside = false;
        }
    }
    if (r->rows.n == 0) {
        return 0;
    }
    if (!r->order_only) {
        TRY(find_rows(r, r->numbers, err));
    }
    return 1;
}

void sorted_map_reader_fini(struct sorted_map_reader *r)
{
    r->heads = buffer_unref(r->heads);
}
