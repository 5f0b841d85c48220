/* Ordered multimaps: entries by sequence number, heads with the order.
 *
 * Thread: one owner (the task). */
#include "engine/state/ordered_map.h"

#include "engine/data/codec.h"
#include "engine/state/entries.h"
#include "engine/state/ordered_index.h"
#include "flinc/base.h"

struct map_head {
    struct ordered_index index;
    uint64_t dying; /* the head is on the list of those that are removed */
};

/* Rows that are looked up together. */
struct found {
    uint32_t n;
    uint32_t owners[STATE_ROWS_MAX]; /* selected rows */
    uint64_t numbers[STATE_ROWS_MAX];
};

struct ordered_map {
    struct entry_space space;
    struct sort_column columns[SORT_COLUMNS_MAX];
    uint32_t n_columns;
    struct str key;    /* a sort key */
    char *record;      /* Owns: a row as a record */
    struct str nested; /* its nested values */
    struct found some; /* of the call at hand */
};

static struct map_head *head_at(const struct ordered_map *m, uint32_t slot)
{
    return keyed_state_value(m->space.heads, slot);
}

static struct state_heap *heap_of(const struct ordered_map *m)
{
    return &m->space.heads->table->heap;
}

/* ---- heads as bytes: the next sequence number, then of each row its number and its sort key --------- */

static void head_drop(void *arg, struct state_heap *heap, char *value)
{
    (void)arg;
    ordered_index_clear(&((struct map_head *)(void *)value)->index, heap);
}

static int head_encode(void *arg, const char *value, struct str *out, struct error *err)
{
    (void)arg;
    (void)err;
    const struct ordered_index *ix = &((const struct map_head *)(const void *)value)->index;
    str_append(out, (const char *)&ix->next_seq, sizeof(ix->next_seq));
    for (uint32_t c = 0; c < ix->n_chunks; c++) {
        for (uint32_t i = 0; i < ix->chunks[c]->n; i++) {
            const struct ordered_item *item = &ix->chunks[c]->items[i];
            str_append(out, (const char *)&item->seq, sizeof(item->seq));
            str_append(out, (const char *)&item->len, sizeof(item->len));
            str_append(out, item->bytes, item->len);
        }
    }
    return 0;
}

/* The row whose item is at *inout_at. */
static int decode_item(struct ordered_index *ix, struct state_heap *heap, struct slice bytes,
                       size_t *inout_at, struct error *err)
{
    uint64_t seq, len;
    size_t left = bytes.len - *inout_at;
    const char *from = bytes.data + *inout_at;
    if (left < sizeof(seq) + sizeof(len)) {
        return error_set(err, ERR_CORRUPT, "the order of rows ends in the middle");
    }
    memcpy(&seq, from, sizeof(seq));
    memcpy(&len, from + sizeof(seq), sizeof(len));
    left -= sizeof(seq) + sizeof(len);
    if (len > left) {
        return error_set(err, ERR_CORRUPT, "a sort key of %llu bytes has %zu",
                         (unsigned long long)len, left);
    }
    struct slice key = slice_make(from + sizeof(seq) + sizeof(len), len);
    struct ordered_at place = ordered_index_lower(ix, key, seq);
    if (ordered_index_item(ix, place) != NULL) {
        return error_set(err, ERR_CORRUPT, "the order of rows is none");
    }
    *inout_at += sizeof(seq) + sizeof(len) + len;
    return ordered_index_insert(ix, heap, key, seq, err);
}

static int head_decode(void *arg, struct state_heap *heap, struct slice bytes, char *ret_value,
                       struct error *err)
{
    (void)arg;
    struct ordered_index *ix = &((struct map_head *)(void *)ret_value)->index;
    size_t at = sizeof(ix->next_seq);
    int rc = bytes.len < at
                 ? error_set(err, ERR_CORRUPT, "%zu bytes are no order of rows", bytes.len)
                 : 0;
    while (rc == 0 && at < bytes.len) {
        rc = decode_item(ix, heap, bytes, &at, err);
    }
    if (rc < 0) {
        ordered_index_clear(ix, heap);
        return rc;
    }
    memcpy(&ix->next_seq, bytes.data, sizeof(ix->next_seq));
    return 0;
}

static const struct keyed_value_ops head_ops = {
    .drop = head_drop, .encode = head_encode, .decode = head_decode};

/* ---- sort keys --------------------------------------------------------------------------------- */

/* In the key codec a NULL is below all values, and above them where bytes are inverted; where it is to be
 * elsewhere a byte in front of the column says so. */
static void put_null_order(const struct sort_column *s, const struct column *c, uint32_t row,
                           struct str *out)
{
    bool last = (s->flags & SORT_NULLS_LAST) != 0, desc = (s->flags & SORT_DESC) != 0;
    if (last != desc) {
        str_append_char(out, column_is_null(c, row) == last ? 1 : 0);
    }
}

int ordered_map_encode(const struct ordered_map *m, const struct batch *b, uint32_t row,
                       uint32_t n_columns, struct str *out, struct error *err)
{
    ASSERT(n_columns <= m->n_columns);
    for (uint32_t i = 0; i < n_columns; i++) {
        const struct sort_column *s = &m->columns[i];
        enum key_order order = (s->flags & SORT_DESC) != 0 ? KEY_ORDER_DESC : KEY_ORDER_ASC;
        struct key_encoding how = {.columns = &s->column, .n_columns = 1, .orders = &order};
        put_null_order(s, &b->columns[s->column], row, out);
        TRY(key_encode(b, row, &how, out, err));
    }
    return 0;
}

/* Of a row, in m->key. */
static int make_key(struct ordered_map *m, const struct batch *b, uint32_t row,
                    struct slice *ret_key, struct error *err)
{
    str_clear(&m->key);
    TRY(ordered_map_encode(m, b, row, m->n_columns, &m->key, err));
    *ret_key = str_slice(&m->key);
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void ordered_map_free(void *object)
{
    struct ordered_map *m = object;
    entry_space_fini(&m->space);
    str_fini(&m->key);
    mem_free(m->record);
    str_fini(&m->nested);
    mem_free(m);
}

/* The rows of restored entries, a block at a time. */
struct rebuild {
    struct ordered_map *map;
    struct state_rows_writer writer;
    struct state_rows rows;
};

static int add_block(struct rebuild *r, const int64_t *numbers, uint32_t from, uint32_t n,
                     struct error *err)
{
    struct ordered_map *m = r->map;
    const struct entry_space *e = &m->space;
    struct batch *b = NULL;
    int rc = 0;
    for (uint32_t i = 0; i < n; i++) {
        r->rows.records[i] = keyed_state_value(e->entries, e->slots[from + i]);
        r->rows.timestamps[i] = BATCH_NO_TIMESTAMP;
    }
    r->rows.n = n;
    TRY(state_rows_batch(&r->writer, &r->rows, 0, n, &b, err));
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct ordered_index *ix = &head_at(m, e->head_slots[from + i])->index;
        uint64_t seq = (uint64_t)numbers[from + i];
        struct slice key;
        rc = make_key(m, b, i, &key, err);
        rc = rc < 0 ? rc : ordered_index_insert(ix, heap_of(m), key, seq, err);
        ix->next_seq = MAX(ix->next_seq, seq + 1);
    }
    batch_unref(b);
    return rc;
}

static int add_restored(void *owner, struct batch *entries, struct error *err)
{
    struct rebuild *r = owner;
    const int64_t *numbers = entry_numbers(&r->map->space, entries, 0);
    for (uint32_t from = 0; from < entries->n_sel; from += STATE_ROWS_MAX) {
        uint32_t n = MIN(entries->n_sel - from, (uint32_t)STATE_ROWS_MAX);
        TRY(add_block(r, numbers, from, n, err));
    }
    return 0;
}

static int rebuild(struct ordered_map *m, struct buffer_pool *pool, struct error *err)
{
    struct rebuild *r = MEM_NEW(struct rebuild);
    r->map = m;
    state_rows_writer_init(&r->writer, &m->space.rows, pool);
    int rc = entry_space_rebuild(&m->space,
                                 &(struct entry_rebuild){.add = add_restored, .owner = r}, err);
    state_rows_writer_fini(&r->writer);
    mem_free(r);
    return rc;
}

static int check_columns(const struct ordered_map_desc *desc, struct error *err)
{
    if (desc->n_columns == 0 || desc->n_columns > SORT_COLUMNS_MAX) {
        return error_set(err, ERR_UNSUPPORTED, "state '%s' sorts by %u columns; 1 to %d are taken",
                         desc->name, desc->n_columns, SORT_COLUMNS_MAX);
    }
    for (uint32_t i = 0; i < desc->n_columns; i++) {
        uint32_t c = desc->columns[i].column;
        const struct schema *s = desc->record->schema;
        ASSERT(c < s->n_fields);
        if (record_layout_find(desc->record, c) == NULL ||
            !key_type_is_ordered(s->fields[c].type)) {
            return error_set(err, ERR_UNSUPPORTED,
                             "state '%s' cannot sort by column '%s' of type %s", desc->name,
                             s->fields[c].name, type_id_name(s->fields[c].type->id));
        }
    }
    return 0;
}

/* Heads of another order are of no use. */
static void name_order(const struct ordered_map_desc *desc, struct str *out)
{
    str_append_cstr(out, "ordered heads");
    for (uint32_t i = 0; i < desc->n_columns; i++) {
        str_printf(out, " %u/%u", desc->columns[i].column, desc->columns[i].flags);
    }
}

int ordered_map_open(struct keyed_backend *b, const struct ordered_map_desc *desc,
                     struct ordered_map **ret_map, struct error *err)
{
    static const char *const names[] = {"$number"};
    TRY(check_columns(desc, err));
    struct ordered_map *m = MEM_NEW(struct ordered_map);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(b, m, ordered_map_free);
    m->n_columns = desc->n_columns;
    memcpy(m->columns, desc->columns, desc->n_columns * sizeof(*desc->columns));
    m->record = mem_alloc_aligned(16, MAX(desc->record->size, 1u));
    STR_AUTO kind = STR_INIT;
    name_order(desc, &kind);
    struct schema *extra = entry_numbers_schema(names, ARRAY_LEN(names));
    int rc = entry_space_open(&m->space, b,
                              &(struct entry_desc){.name = desc->name,
                                                   .kind = "ordered map",
                                                   .key_schema = desc->key_schema,
                                                   .record = desc->record,
                                                   .extra = extra,
                                                   .timestamp_name = "$timestamp",
                                                   .head_bytes = sizeof(struct map_head),
                                                   .head_ops = &head_ops,
                                                   .head_kind = str_cstr(&kind)},
                              err);
    schema_unref(extra);
    TRY(rc);
    TRY(rebuild(m, b->options.pool, err));
    *ret_map = m;
    return 0;
}

const struct record_layout *ordered_map_layout(const struct ordered_map *m)
{
    return &m->space.rows;
}

/* ---- adding ------------------------------------------------------------------------------------ */

int ordered_map_insert(struct ordered_map *m, const struct state_keys *rows, struct error *err)
{
    struct entry_space *e = &m->space;
    int rc = 0;
    TRY(entry_space_add_heads(e, rows, err));
    struct batch *b = entry_space_project(e, rows);
    int64_t *numbers = entry_numbers(e, b, 0);
    for (uint32_t i = 0; i < b->n_sel && rc == 0; i++) {
        struct ordered_index *ix = &head_at(m, e->head_slots[i])->index;
        uint32_t row = batch_row(b, i);
        struct slice key;
        numbers[row] = (int64_t)ix->next_seq;
        rc = make_key(m, rows->batch, row, &key, err);
        rc = rc < 0 ? rc : ordered_index_insert(ix, heap_of(m), key, ix->next_seq++, err);
    }
    if (rc == 0) {
        rc = entry_space_put(e, rows->name_space, rows->batch, b, err);
    }
    batch_unref(b);
    return rc;
}

int ordered_map_count(struct ordered_map *m, const struct state_keys *keys, uint64_t *ret_counts,
                      struct error *err)
{
    TRY(entry_space_find_heads(&m->space, keys, err));
    for (uint32_t i = 0; i < keys->batch->n_sel; i++) {
        uint32_t slot = m->space.head_slots[i];
        ret_counts[i] = slot != KEYED_SLOT_NONE ? head_at(m, slot)->index.n : 0;
    }
    return 0;
}

struct keyed_state *ordered_map_keys(const struct ordered_map *m)
{
    return m->space.heads;
}

void ordered_map_drop_namespace(struct ordered_map *m, int64_t name_space)
{
    entry_space_drop_namespace(&m->space, name_space);
}

/* ---- walking over ranges ----------------------------------------------------------------------- */

/* Where the range of a key begins; false: it has no rows. */
static bool range_first(const struct ordered_index *ix, const struct ordered_ranges *r,
                        uint32_t key, struct ordered_at *ret_at)
{
    if (!r->from_last) {
        *ret_at =
            r->low != NULL ? ordered_index_lower(ix, r->low[key], 0) : (struct ordered_at){0, 0};
        return ordered_index_item(ix, *ret_at) != NULL;
    }
    *ret_at = r->high != NULL ? ordered_index_lower(ix, r->high[key], ORDERED_SEQ_END)
                              : (struct ordered_at){ix->n_chunks, 0};
    return ordered_index_previous(ix, ret_at);
}

/* Whether a row that comes in the walk's direction is still in the range. */
static bool is_within(const struct ordered_item *item, const struct ordered_ranges *r, uint32_t key)
{
    if (r->from_last) {
        return r->low == NULL || ordered_item_compare(item, r->low[key]) >= 0;
    }
    return r->high == NULL || ordered_item_compare(item, r->high[key]) <= 0;
}

/* ---- removing ---------------------------------------------------------------------------------- */

/* Slots of the entries of `f`, in e->slots. */
static int find_entries(struct ordered_map *m, const struct state_keys *keys, const struct found *f,
                        struct error *err)
{
    struct entry_space *e = &m->space;
    struct batch *b = entry_space_gather(e, keys, f->owners, f->n);
    memcpy(entry_numbers(e, b, 0), f->numbers, f->n * sizeof(int64_t));
    int rc = entry_space_find(e, keys->name_space, b, err);
    batch_unref(b);
    return rc;
}

static int remove_entries(struct ordered_map *m, const struct state_keys *keys, struct found *f,
                          struct error *err)
{
    struct entry_space *e = &m->space;
    if (f->n == 0) {
        return 0;
    }
    TRY(find_entries(m, keys, f, err));
    for (uint32_t i = 0; i < f->n; i++) {
        if (e->slots[i] != KEYED_SLOT_NONE) {
            keyed_state_remove(e->entries, e->slots[i]);
        }
    }
    f->n = 0;
    return 0;
}

/* Heads of keys that have no rows any more. */
static void remove_empty_heads(struct ordered_map *m, uint32_t n)
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

static int remove_range(struct ordered_map *m, const struct state_keys *keys, uint32_t key,
                        const struct ordered_ranges *ranges, uint64_t *inout_removed,
                        struct error *err)
{
    uint32_t slot = m->space.head_slots[key];
    entry_space_touch_head(&m->space, slot);
    struct ordered_index *ix = &head_at(m, slot)->index;
    struct found *f = &m->some;
    uint64_t left = ranges->limit > 0 ? ranges->limit : UINT64_MAX;
    struct ordered_at at;
    while (left > 0 && range_first(ix, ranges, key, &at)) {
        const struct ordered_item *item = ordered_index_item(ix, at);
        if (!is_within(item, ranges, key)) {
            break;
        }
        if (f->n == STATE_ROWS_MAX) {
            TRY(remove_entries(m, keys, f, err));
        }
        f->owners[f->n] = key;
        f->numbers[f->n++] = item->seq;
        ordered_index_remove(ix, heap_of(m), at);
        (*inout_removed)++;
        left--;
    }
    return 0;
}

int ordered_map_remove_ranges(struct ordered_map *m, const struct state_keys *keys,
                              const struct ordered_ranges *ranges, uint64_t *ret_removed,
                              struct error *err)
{
    uint32_t n = keys->batch->n_sel;
    uint64_t removed = 0;
    m->some.n = 0;
    TRY(entry_space_find_heads(&m->space, keys, err));
    for (uint32_t i = 0; i < n; i++) {
        if (m->space.head_slots[i] != KEYED_SLOT_NONE) {
            TRY(remove_range(m, keys, i, ranges, &removed, err));
        }
    }
    TRY(remove_entries(m, keys, &m->some, err));
    remove_empty_heads(m, n);
    if (ret_removed != NULL) {
        *ret_removed = removed;
    }
    return 0;
}

/* ---- removing by value ------------------------------------------------------------------------- */

/* Where a removal by value is: rows before it are done, and of its own those of lower numbers. */
struct retraction {
    uint32_t row; /* selected */
    uint64_t seq;
};

/* The rows that may be the wanted ones, as they sort where these do: a block of them. */
static int collect_candidates(struct ordered_map *m, const struct state_keys *rows,
                              struct retraction *at, struct error *err)
{
    struct found *f = &m->some;
    f->n = 0;
    while (at->row < rows->batch->n_sel && f->n < STATE_ROWS_MAX) {
        uint32_t slot = m->space.head_slots[at->row];
        if (slot != KEYED_SLOT_NONE) {
            const struct ordered_index *ix = &head_at(m, slot)->index;
            struct slice key;
            TRY(make_key(m, rows->batch, batch_row(rows->batch, at->row), &key, err));
            struct ordered_at place = ordered_index_lower(ix, key, at->seq);
            const struct ordered_item *item;
            while (f->n < STATE_ROWS_MAX && (item = ordered_index_item(ix, place)) != NULL &&
                   ordered_item_compare(item, key) == 0) {
                f->owners[f->n] = at->row;
                f->numbers[f->n++] = item->seq;
                at->seq = item->seq + 1;
                place = ordered_index_next(ix, place);
            }
            if (f->n == STATE_ROWS_MAX) {
                return 0; /* it may have more */
            }
        }
        *at = (struct retraction){.row = at->row + 1};
    }
    return 0;
}

static int remove_candidate(struct ordered_map *m, const struct state_keys *rows, uint32_t i,
                            struct error *err)
{
    const struct found *f = &m->some;
    uint32_t slot = m->space.head_slots[f->owners[i]];
    entry_space_touch_head(&m->space, slot);
    struct ordered_index *ix = &head_at(m, slot)->index;
    struct slice key;
    TRY(make_key(m, rows->batch, batch_row(rows->batch, f->owners[i]), &key, err));
    ordered_index_remove(ix, heap_of(m), ordered_index_lower(ix, key, f->numbers[i]));
    keyed_state_remove(m->space.entries, m->space.slots[i]);
    return 0;
}

/* Removes the first equal one of each row's candidates; *inout_done is the last row that has lost one. */
static int match_candidates(struct ordered_map *m, const struct state_keys *rows,
                            uint8_t *ret_removed, uint32_t *inout_done, struct error *err)
{
    struct entry_space *e = &m->space;
    const struct found *f = &m->some;
    uint32_t read = UINT32_MAX;
    TRY(find_entries(m, rows, f, err));
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t row = f->owners[i], slot = e->slots[i];
        if (row == *inout_done || slot == KEYED_SLOT_NONE ||
            !keyed_table_is_live(e->entries->table, slot)) {
            continue; /* or it was taken for a row before this one */
        }
        if (read != row) {
            memset(m->record, 0, e->rows.size);
            TRY(record_read(&e->rows, rows->batch, row, 1, m->record, &m->nested, err));
            read = row;
        }
        if (record_equals(&e->rows, keyed_state_value(e->entries, slot), m->record)) {
            TRY(remove_candidate(m, rows, i, err));
            *inout_done = row;
            if (ret_removed != NULL) {
                ret_removed[row] = 1;
            }
        }
    }
    return 0;
}

int ordered_map_remove(struct ordered_map *m, const struct state_keys *rows, uint8_t *ret_removed,
                       struct error *err)
{
    uint32_t n = rows->batch->n_sel, done = UINT32_MAX;
    struct retraction at = {.row = 0};
    TRY(entry_space_find_heads(&m->space, rows, err));
    if (ret_removed != NULL) {
        memset(ret_removed, 0, n);
    }
    while (at.row < n) {
        TRY(collect_candidates(m, rows, &at, err));
        if (m->some.n > 0) {
            TRY(match_candidates(m, rows, ret_removed, &done, err));
        }
        if (at.row == done) { /* its other candidates need no look */
            at = (struct retraction){.row = at.row + 1};
        }
    }
    remove_empty_heads(m, n);
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

int ordered_map_reader_start(struct ordered_map_reader *r, struct ordered_map *m,
                             const struct state_keys *keys, const struct ordered_ranges *ranges,
                             struct error *err)
{
    uint64_t bytes = (uint64_t)keys->batch->n_sel * sizeof(uint32_t);
    ordered_map_reader_fini(r);
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
 * the key may have more. */
static bool take_rows(struct ordered_map_reader *r, const struct ordered_index *ix, uint32_t max)
{
    const struct ordered_ranges *ranges = &r->ranges;
    uint64_t limit = ranges->limit > 0 ? ranges->limit : UINT64_MAX;
    struct ordered_at at = {0, 0};
    bool more = true;
    if (r->inside) {
        at = ordered_index_nth(ix, r->next);
    } else {
        more = range_first(ix, ranges, r->key, &at);
        r->given = 0;
        r->inside = true;
    }
    while (more && r->rows.n < max) {
        const struct ordered_item *item = ordered_index_item(ix, at);
        if (item == NULL || r->given == limit || !is_within(item, ranges, r->key)) {
            return false;
        }
        r->rows.owners[r->rows.n] = r->key;
        r->rows.sorts[r->rows.n] = 0;
        r->numbers[r->rows.n++] = item->seq;
        r->given++;
        if (ranges->from_last) {
            more = ordered_index_previous(ix, &at);
        } else {
            at = ordered_index_next(ix, at);
        }
    }
    r->next = ordered_index_before(ix, at);
    return more;
}

static int find_rows(struct ordered_map_reader *r, struct error *err)
{
    struct found *f = &r->map->some;
    f->n = r->rows.n;
    memcpy(f->owners, r->rows.owners, f->n * sizeof(*f->owners));
    memcpy(f->numbers, r->numbers, f->n * sizeof(*f->numbers));
    TRY(find_entries(r->map, &r->keys, f, err));
    r->rows.n = 0;
    entry_space_collect(&r->map->space, f->n, &r->rows);
    return 0;
}

int ordered_map_reader_next(struct ordered_map_reader *r, uint32_t max, struct error *err)
{
    const uint32_t *heads = (const uint32_t *)(const void *)r->heads->data;
    ASSERT(max > 0 && max <= STATE_ROWS_MAX);
    r->rows.n = 0;
    TRY(entry_space_keep_heads(&r->map->space, &r->keys, r->heads, &r->numbering, err));
    while (r->key < r->keys.batch->n_sel && r->rows.n < max) {
        uint32_t slot = heads[r->key];
        if (slot == KEYED_SLOT_NONE || !take_rows(r, &head_at(r->map, slot)->index, max)) {
            r->key++;
            r->inside = false;
        }
    }
    if (r->rows.n == 0) {
        return 0;
    }
    TRY(find_rows(r, err));
    return 1;
}

void ordered_map_reader_fini(struct ordered_map_reader *r)
{
    r->heads = buffer_unref(r->heads);
}
