/* Row lists: entries by sequence number, heads with the numbers in use.
 *
 * A key's rows have the numbers [first, next) of its head.  A number may be missing when a row's time was
 * over (state with a time to live); readers pass over it.  Thread: one owner (the task). */
#include "engine/state/row_list.h"

#include "engine/state/entries.h"

struct list_head {
    uint64_t first, next; /* sequence numbers */
};

struct row_list {
    struct entry_space space;
};

static struct list_head *head_at(const struct row_list *l, uint32_t slot)
{
    return keyed_state_value(l->space.heads, slot);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void row_list_free(void *object)
{
    struct row_list *l = object;
    entry_space_fini(&l->space);
    mem_free(l);
}

static int add_restored(void *owner, struct batch *entries, struct error *err)
{
    struct row_list *l = owner;
    const int64_t *numbers = entry_numbers(&l->space, entries, 0);
    for (uint32_t i = 0; i < entries->n_sel; i++) {
        struct list_head *h = head_at(l, l->space.head_slots[i]);
        uint64_t seq = (uint64_t)numbers[i];
        h->first = h->next == 0 ? seq : MIN(h->first, seq);
        h->next = MAX(h->next, seq + 1);
    }
    return 0;
}

int row_list_open(struct keyed_backend *b, const struct row_list_desc *desc,
                  struct row_list **ret_list, struct error *err)
{
    static const char *const names[] = {"$number"};
    struct row_list *l = MEM_NEW(struct row_list);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(b, l, row_list_free);
    struct schema *extra = entry_numbers_schema(names, ARRAY_LEN(names));
    int rc = entry_space_open(&l->space, b,
                              &(struct entry_desc){.name = desc->name,
                                                   .kind = desc->kind != NULL ? desc->kind : "list",
                                                   .key_schema = desc->key_schema,
                                                   .n_key_columns = desc->n_key_columns,
                                                   .record = desc->record,
                                                   .stays = desc->stays,
                                                   .extra = extra,
                                                   .timestamp_name = "$timestamp",
                                                   .head_bytes = sizeof(struct list_head)},
                              err);
    schema_unref(extra);
    TRY(rc);
    TRY(entry_space_rebuild(&l->space, &(struct entry_rebuild){.add = add_restored, .owner = l},
                            err));
    *ret_list = l;
    return 0;
}

const struct record_layout *row_list_layout(const struct row_list *l)
{
    return &l->space.rows;
}

/* ---- changing ---------------------------------------------------------------------------------- */

int row_list_append_rows(struct row_list *l, const struct state_keys *keys,
                         const struct batch *rows, struct error *err)
{
    struct entry_space *e = &l->space;
    ASSERT(rows->n_sel == keys->batch->n_sel);
    TRY(entry_space_add_heads(e, keys, err));
    struct batch *b = entry_space_project(e, keys);
    int64_t *numbers = entry_numbers(e, b, 0);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        numbers[batch_row(b, i)] = (int64_t)head_at(l, e->head_slots[i])->next++;
    }
    int rc = entry_space_put(e, keys->name_space, rows, b, err);
    batch_unref(b);
    return rc;
}

int row_list_append(struct row_list *l, const struct state_keys *rows, struct error *err)
{
    return row_list_append_rows(l, rows, rows->batch, err);
}

int row_list_count(struct row_list *l, const struct state_keys *keys, uint64_t *ret_counts,
                   struct error *err)
{
    struct entry_space *e = &l->space;
    TRY(entry_space_find_heads(e, keys, err));
    for (uint32_t i = 0; i < keys->batch->n_sel; i++) {
        uint32_t slot = e->head_slots[i];
        ret_counts[i] =
            slot != KEYED_SLOT_NONE ? head_at(l, slot)->next - head_at(l, slot)->first : 0;
    }
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Numbers of the keys' rows, by selected row.  `take`: the heads are empty afterwards, so that a key that
 * stands in the batch again has no rows left. */
enum range_use { RANGES_READ, RANGES_TAKE };
static struct buffer *ranges_of(struct row_list *l, uint32_t n, enum range_use use)
{
    struct buffer *b =
        buffer_get(l->space.heads->backend->options.pool, n * sizeof(struct list_head));
    struct list_head *ranges = (struct list_head *)(void *)b->data;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = l->space.head_slots[i];
        ranges[i] = (struct list_head){0, 0};
        if (slot != KEYED_SLOT_NONE) {
            ranges[i] = *head_at(l, slot);
            if (use == RANGES_TAKE) {
                entry_space_touch_head(&l->space, slot);
                *head_at(l, slot) = (struct list_head){0, 0};
            }
        }
    }
    return b;
}

/* The next up to `max` numbers with the selected rows that they belong to; returns how many. */
static uint32_t take_numbers(struct buffer *b, uint32_t *inout_key, uint32_t n_keys, uint32_t max,
                             uint32_t *ret_owners, int64_t *ret_numbers)
{
    struct list_head *ranges = (struct list_head *)(void *)b->data;
    uint32_t n = 0, key = *inout_key;
    while (key < n_keys && n < max) {
        struct list_head *r = &ranges[key];
        for (; r->first < r->next && n < max; r->first++) {
            ret_owners[n] = key;
            ret_numbers[n++] = (int64_t)r->first;
        }
        key += r->first == r->next;
    }
    *inout_key = key;
    return n;
}

/* Slots of the entries of these numbers, in space.slots. */
static int find_numbers(struct row_list *l, const struct state_keys *keys, const uint32_t *owners,
                        const int64_t *numbers, uint32_t n, struct error *err)
{
    struct batch *b = entry_space_gather(&l->space, keys, owners, n);
    memcpy(entry_numbers(&l->space, b, 0), numbers, n * sizeof(*numbers));
    int rc = entry_space_find(&l->space, keys->name_space, b, err);
    batch_unref(b);
    return rc;
}

int row_list_reader_start(struct row_list_reader *r, struct row_list *l,
                          const struct state_keys *keys, struct error *err)
{
    row_list_reader_fini(r);
    TRY(entry_space_find_heads(&l->space, keys, err));
    r->list = l;
    r->keys = *keys;
    r->key = 0;
    r->rows.n = 0;
    r->ranges = ranges_of(l, keys->batch->n_sel, RANGES_READ);
    return 0;
}

int row_list_reader_next(struct row_list_reader *r, uint32_t max, struct error *err)
{
    struct state_rows *rows = &r->rows;
    ASSERT(max > 0 && max <= STATE_ROWS_MAX);
    rows->n = 0;
    while (rows->n == 0) {
        uint32_t n =
            take_numbers(r->ranges, &r->key, r->keys.batch->n_sel, max, rows->owners, rows->sorts);
        if (n == 0) {
            return 0;
        }
        TRY(find_numbers(r->list, &r->keys, rows->owners, rows->sorts, n, err));
        entry_space_collect(&r->list->space, n, rows);
    }
    return 1;
}

void row_list_reader_fini(struct row_list_reader *r)
{
    r->ranges = buffer_unref(r->ranges);
}

struct keyed_state *row_list_keys(const struct row_list *l)
{
    return l->space.heads;
}

/* ---- removing ---------------------------------------------------------------------------------- */

static int remove_rows(struct row_list *l, const struct state_keys *keys, struct buffer *ranges,
                       struct error *err)
{
    uint32_t owners[STATE_ROWS_MAX];
    int64_t numbers[STATE_ROWS_MAX];
    uint32_t key = 0, n;
    while ((n = take_numbers(ranges, &key, keys->batch->n_sel, STATE_ROWS_MAX, owners, numbers)) >
           0) {
        TRY(find_numbers(l, keys, owners, numbers, n, err));
        for (uint32_t i = 0; i < n; i++) {
            if (l->space.slots[i] != KEYED_SLOT_NONE) {
                keyed_state_remove(l->space.entries, l->space.slots[i]);
            }
        }
    }
    return 0;
}

int row_list_clear(struct row_list *l, const struct state_keys *keys, struct error *err)
{
    struct entry_space *e = &l->space;
    uint32_t n = keys->batch->n_sel;
    TRY(entry_space_find_heads(e, keys, err));
    struct buffer *ranges = ranges_of(l, n, RANGES_TAKE);
    const struct list_head *taken = (const struct list_head *)(const void *)ranges->data;
    for (uint32_t i = 0; i < n; i++) {
        if (taken[i].next > 0) {
            keyed_state_remove(e->heads, e->head_slots[i]);
        }
    }
    int rc = remove_rows(l, keys, ranges, err);
    buffer_unref(ranges);
    return rc;
}

/* ---- moving ------------------------------------------------------------------------------------ */

/* Row i goes to the list of selected key owners[i]. */
static int put_rows(struct row_list *l, const struct state_keys *to, const uint32_t *owners,
                    const struct batch *rows, struct error *err)
{
    struct entry_space *e = &l->space;
    TRY(entry_space_add_heads(e, to, err));
    struct batch *b = entry_space_gather(e, to, owners, rows->n_sel);
    int64_t *numbers = entry_numbers(e, b, 0);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        numbers[batch_row(b, i)] = (int64_t)head_at(l, e->head_slots[owners[i]])->next++;
    }
    int rc = entry_space_put(e, to->name_space, rows, b, err);
    batch_unref(b);
    return rc;
}

int row_list_append_to(struct row_list *l, const struct state_keys *key, const struct batch *rows,
                       struct error *err)
{
    static const uint32_t owners[STATE_ROWS_MAX];
    ASSERT(key->batch->n_sel == 1);
    return rows->n_sel > 0 ? put_rows(l, key, owners, rows, err) : 0;
}

/* One block: out of the state into a batch, for entries do not stay where they are while others are added. */
static int move_block(struct row_list *l, const struct state_keys *from,
                      const struct state_keys *to, struct state_rows *rows, struct error *err)
{
    struct entry_space *e = &l->space;
    struct state_rows_writer w;
    struct batch *b = NULL;
    uint32_t n = rows->n;
    TRY(find_numbers(l, from, rows->owners, rows->sorts, n, err));
    rows->n = 0;
    entry_space_collect(e, n, rows);
    if (rows->n == 0) {
        return 0;
    }
    state_rows_writer_init(&w, row_list_layout(l), e->heads->backend->options.pool);
    int rc = state_rows_batch(&w, rows, 0, rows->n, &b, err);
    state_rows_writer_fini(&w);
    TRY(rc);
    for (uint32_t i = 0; i < n; i++) {
        if (e->slots[i] != KEYED_SLOT_NONE) {
            keyed_state_remove(e->entries, e->slots[i]);
        }
    }
    rc = put_rows(l, to, rows->owners, b, err);
    batch_unref(b);
    return rc;
}

int row_list_move(struct row_list *l, const struct state_keys *from, const struct state_keys *to,
                  struct error *err)
{
    struct entry_space *e = &l->space;
    uint32_t n = from->batch->n_sel, key = 0;
    ASSERT(n == to->batch->n_sel);
    TRY(entry_space_find_heads(e, from, err));
    struct buffer *ranges = ranges_of(l, n, RANGES_READ);
    for (uint32_t i = 0; i < n; i++) {
        if (e->head_slots[i] != KEYED_SLOT_NONE) {
            keyed_state_remove(e->heads, e->head_slots[i]);
        }
    }
    struct state_rows *rows = MEM_NEW(struct state_rows);
    int rc = 0;
    while (rc >= 0 && (rows->n = take_numbers(ranges, &key, n, STATE_ROWS_MAX, rows->owners,
                                              rows->sorts)) > 0) {
        rc = move_block(l, from, to, rows, err);
    }
    mem_free(rows);
    buffer_unref(ranges);
    return rc;
}

void row_list_drop_namespace(struct row_list *l, int64_t name_space)
{
    entry_space_drop_namespace(&l->space, name_space);
}

void row_list_drop_if_empty(struct row_list *l, int64_t name_space)
{
    entry_space_drop_if_empty(&l->space, name_space);
}
