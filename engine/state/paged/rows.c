/* Entries of the store as rows: what savepoints, migrations and walks read; of values that are no rows, their keys.
 *
 * Keys and values of a block are copied to one run of bytes, and made entries of the table's layout that point
 * into it.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

enum {
    ROWS_BYTES =
        512 * 1024, /* of keys and values of a block; one that is longer is a block of its own */
};

struct paged_rows {
    struct paged_state *state; /* Borrows */
    struct vec name_spaces;    /* int64_t */
    size_t next;               /* of them; the one before is at hand */
    struct keyed_rows rows;    /* of the values as they were written */
    struct record_row row;
    struct rocks_scan *scan; /* Owns */
    bool has_next;           /* an entry that did not fit the last block */
    struct rocks_bytes key, value;
    uint32_t prefix; /* of the keys at hand */
    struct str bytes;
    char *entries; /* Owns; BATCH_ROWS_MAX of the table's stride, but with these values */
    uint32_t stride, value_offset;
    uint32_t n, max;
    bool leaves_out_expired;
    int64_t now_ms; /* of the block at hand */
    struct keyed_entry items[2 * BATCH_ROWS_MAX];
    struct rocks_bytes values[BATCH_ROWS_MAX]; /* of the items */
    struct record_layout value_layout;         /* Owns */
};

struct paged_rows *paged_rows_new(struct paged_state *ps, const struct record_layout *value,
                                  const int64_t *name_spaces, size_t n)
{
    struct paged_rows *r = mem_zalloc(sizeof(*r));
    r->state = ps;
    vec_init(&r->name_spaces, sizeof(int64_t));
    for (size_t i = 0; i < n; i++) {
        *VEC_PUSH(&r->name_spaces, int64_t) = name_spaces[i];
    }
    record_layout_init_fields(&r->value_layout, value->schema, value->size, value->fields,
                              value->n_fields);
    keyed_rows_init(&r->rows, ps->state->key_schema, &r->value_layout);
    record_row_init(&r->row, &r->value_layout);
    r->value_offset = ps->shape->value_offset;
    r->stride = r->value_offset + ((value->size + 7) & ~7u);
    r->entries = mem_alloc_aligned(16, (size_t)r->stride * BATCH_ROWS_MAX);
    memset(r->entries, 0, (size_t)r->stride * BATCH_ROWS_MAX);
    rocks_scan_start_infix(ps->store->rocks, (struct rocks_bytes){ps->infix.bytes, ps->infix.size},
                           &r->scan);
    return r;
}

void paged_rows_seek(struct paged_rows *r, struct rocks_bytes from, struct rocks_bytes until)
{
    rocks_scan_free(r->scan);
    r->has_next = false;
    rocks_scan_start(r->state->store->rocks, from, until, &r->scan);
    r->next = r->name_spaces.len; /* nothing is behind it */
    r->prefix = PAGED_KEY_PREFIX;
}

bool paged_rows_peek(const struct paged_rows *r, struct rocks_bytes *ret_key)
{
    *ret_key = r->key;
    return r->has_next;
}

struct paged_rows *paged_rows_free(struct paged_rows *r)
{
    if (r != NULL) {
        rocks_scan_free(r->scan);
        record_row_fini(&r->row);
        keyed_rows_fini(&r->rows);
        record_layout_fini(&r->value_layout);
        str_fini(&r->bytes);
        vec_fini(&r->name_spaces);
        mem_free(r->entries);
        mem_free(r);
    }
    return NULL;
}

void paged_rows_leave_out_expired(struct paged_rows *r)
{
    const struct keyed_expiry *x = &r->state->state->expiry;
    r->leaves_out_expired = x->clock != NULL && x->is_left_out;
}

struct keyed_state *paged_rows_state(const struct paged_rows *r)
{
    return r->state->state;
}

int64_t paged_rows_name_space(const struct paged_rows *r)
{
    return *VEC_AT(&r->name_spaces, int64_t, r->next - 1);
}

/* Copies an entry; false: it does not fit the block. */
static bool copy_entry(struct paged_rows *r, size_t *ret_at)
{
    size_t size = r->key.size + r->value.size;
    if (r->n == r->max || (r->n > 0 && r->bytes.len + size > ROWS_BYTES)) {
        return false;
    }
    /* Once per block: entries point into it. */
    str_reserve(&r->bytes, r->n == 0 ? MAX(size, (size_t)ROWS_BYTES) : size);
    *ret_at = r->bytes.len;
    str_append(&r->bytes, r->key.data, r->key.size);
    str_append(&r->bytes, r->value.data, r->value.size);
    return true;
}

static bool is_over(const struct paged_rows *r, const char *value)
{
    const struct keyed_expiry *x = &r->state->state->expiry;
    int64_t stamp;
    if (!r->leaves_out_expired) {
        return false;
    }
    memcpy(&stamp, value + x->offset, sizeof(stamp));
    return keyed_stamp_is_over(stamp, x->ttl_ms, r->now_ms);
}

static int make_entry(struct paged_rows *r, size_t at, struct error *err)
{
    const struct keyed_table *t = r->state->shape;
    struct rocks_bytes key = {r->bytes.data + at, r->key.size};
    char *entry = r->entries + (size_t)r->n * r->stride;
    bool is_null;
    TRY(paged_key_get(r->state, key, r->prefix, entry, &is_null, err));
    if (t->ops == NULL) {
        TRY(record_row_read(&r->row, key.data + key.size, r->value.size, entry + t->value_offset,
                            err));
    }
    if (is_over(r, entry + t->value_offset)) {
        r->bytes.len = at;
        return 0;
    }
    r->values[r->n] = (struct rocks_bytes){key.data + key.size, r->value.size};
    r->items[r->n++] =
        (struct keyed_entry){.entry = entry,
                             .group = (uint32_t)(uint8_t)key.data[0] << 8 | (uint8_t)key.data[1],
                             .is_null = is_null};
    return 0;
}

/* The next namespace; false: there is none. */
static bool enter_space(struct paged_rows *r)
{
    if (r->next == r->name_spaces.len) {
        return false;
    }
    struct paged_infix infix =
        paged_state_infix(r->state, *VEC_AT(&r->name_spaces, int64_t, r->next++));
    r->prefix = 2 + infix.size;
    rocks_scan_restart_infix(r->scan, (struct rocks_bytes){infix.bytes, infix.size});
    return true;
}

/* Rows of one namespace. */
static int fill(struct paged_rows *r, struct error *err)
{
    size_t at = 0;
    str_clear(&r->bytes);
    r->n = 0;
    r->now_ms = r->leaves_out_expired ? clock_now_ms(r->state->state->expiry.clock) : 0;
    if (r->next == 0 && !enter_space(r)) {
        return 0;
    }
    for (;;) {
        if (!r->has_next) {
            int rc = rocks_scan_next(r->scan, &r->key, &r->value, err);
            if (rc < 0 || (rc == 0 && (r->n > 0 || !enter_space(r)))) {
                return rc;
            }
            if (rc == 0) {
                continue;
            }
        }
        r->has_next = !copy_entry(r, &at);
        if (r->has_next) {
            return 0;
        }
        TRY(make_entry(r, at, err));
    }
}

int paged_rows_next(struct paged_rows *r, uint32_t max, struct batch **ret_rows,
                    struct segment_run *ret_runs, uint32_t *ret_n_runs, struct error *err)
{
    r->max = max;
    TRY(fill(r, err));
    if (r->n == 0) {
        return 0;
    }
    uint32_t n_runs = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (i == 0 || r->items[i].group != r->items[i - 1].group) {
            ret_runs[n_runs++] = (struct segment_run){.group = r->items[i].group, .first_row = i};
        }
        ret_runs[n_runs - 1].n_rows++;
    }
    *ret_n_runs = n_runs;
    /* The keys as the table has them, the values as they were written. */
    struct keyed_table as = *r->state->shape;
    as.stride = r->stride;
    TRY(keyed_rows_gather(&r->rows, &as, r->state->store->options->pool, r->items, r->n, ret_rows,
                          err));
    return 1;
}

int paged_rows_next_keys(struct paged_rows *r, uint32_t max, struct batch **ret_keys,
                         struct rocks_bytes *ret_values, struct error *err)
{
    r->max = max;
    TRY(fill(r, err));
    if (r->n == 0) {
        return 0;
    }
    memcpy(ret_values, r->values, r->n * sizeof(*ret_values));
    struct keyed_table as = *r->state->shape;
    as.stride = r->stride;
    TRY(keyed_keys_gather(&r->rows, &as, r->state->store->options->pool, r->items, r->n, ret_keys,
                          err));
    return 1;
}
