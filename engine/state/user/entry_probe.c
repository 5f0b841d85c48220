/* Keys of entries, made in place.  Thread: one owner (the task). */
#include "engine/state/user/entry_probe.h"

#include "engine/data/hash.h"
#include "flinc/base.h"

static const uint32_t all_columns[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

/* ---- life -------------------------------------------------------------------------------------- */

static struct buffer *zeroed(struct buffer_pool *pool, uint64_t bytes)
{
    struct buffer *b = buffer_get(pool, bytes);
    memset(b->data, 0, bytes);
    b->size = bytes;
    return b;
}

void entry_probe_init(struct entry_probe *p, struct key_cursor *cursor, struct keyed_state *state)
{
    struct buffer_pool *pool = cursor->backend->options.pool;
    uint32_t n = state->key_schema->n_fields;
    *p = (struct entry_probe){.cursor = cursor, .state = state};
    ASSERT(n <= ARRAY_LEN(all_columns));
    p->n_keys = cursor->key_schema->n_fields;
    p->batch = batch_new(pool, state->key_schema);
    p->headers = MEM_NEW_ARRAY(struct buffer, (size_t)n * PROBE_ROWS);
    p->pointers = MEM_NEW_ARRAY(struct buffer *, (size_t)n * PROBE_ROWS);
    p->batch->hashes = zeroed(pool, PROBE_ROWS * sizeof(uint64_t));
    for (uint32_t k = 0; k < n; k++) {
        struct column *c = &p->batch->columns[k];
        column_set_values(c, zeroed(pool, column_values_bytes(c->type, PROBE_ROWS)));
        if (c->type->nullable) {
            column_set_validity(c, zeroed(pool, PROBE_ROWS / 8));
        }
        for (uint32_t i = 0; i < PROBE_ROWS; i++) {
            p->pointers[k * PROBE_ROWS + i] = &p->headers[k * PROBE_ROWS + i];
        }
        if (c->type->layout == LAYOUT_VIEW) {
            c->data = p->pointers + (size_t)k * PROBE_ROWS;
            c->n_data = PROBE_ROWS;
        }
    }
}

void entry_probe_fini(struct entry_probe *p)
{
    for (uint32_t k = 0; p->batch != NULL && k < p->batch->n_columns; k++) {
        /* The headers are ours, and count no references. */
        p->batch->columns[k].n_data = 0;
        p->batch->columns[k].data = p->batch->columns[k].data_inline;
    }
    batch_unref(p->batch);
    mem_free(p->headers);
    mem_free(p->pointers);
    memset(p, 0, sizeof(*p));
}

/* ---- cells ------------------------------------------------------------------------------------- */

static void set_null(struct column *c, uint32_t i, bool is_null)
{
    if (c->validity != NULL) {
        uint8_t *byte = &c->validity->data[i >> 3], bit = (uint8_t)(1u << (i & 7));
        *byte = (uint8_t)(is_null ? *byte & ~bit : *byte | bit);
    }
}

static void set_bytes(struct column *c, uint32_t i, const char *data, size_t len)
{
    struct view *v = COLUMN_VALUES(c, struct view) + i;
    if (len <= VIEW_INLINE_MAX) {
        *v = view_inline(data, (uint32_t)len);
        return;
    }
    buffer_wrap_at(c->data[i], (void *)(uintptr_t)data, len, NULL, NULL);
    v->len = (int32_t)len;
    memcpy(v->prefix, data, sizeof(v->prefix));
    v->buffer = (int32_t)i;
    v->offset = 0;
}

static void set_bit(struct column *c, uint32_t i, bool value)
{
    uint8_t *byte = &c->values->data[i >> 3], bit = (uint8_t)(1u << (i & 7));
    *byte = (uint8_t)(value ? *byte | bit : *byte & ~bit);
}

/* The cell of a batch in rows [from, to). */
static void copy_cell(struct column *c, uint32_t from, uint32_t to, const struct column *src,
                      uint32_t row)
{
    bool is_null = column_is_null(src, row);
    for (uint32_t i = from; i < to; i++) {
        set_null(c, i, is_null);
        if (is_null) {
            continue;
        }
        if (c->type->layout == LAYOUT_VIEW) {
            /* Short strings lie in the view, in memory that stays. */
            struct slice s = column_get_bytes(src, row);
            set_bytes(c, i, s.data, s.len);
        } else if (c->type->layout == LAYOUT_BIT) {
            set_bit(c, i, column_get_bool(src, row));
        } else {
            uint32_t width = c->type->width;
            memcpy(c->values->data + (size_t)i * width, src->values->data + (size_t)row * width,
                   width);
        }
    }
}

/* The key at hand in rows [0, n). */
static void put_key(struct entry_probe *p, uint32_t n)
{
    const struct key_cursor *k = p->cursor;
    if (p->batch_number != k->batch_number || p->row != k->row) {
        p->batch_number = k->batch_number;
        p->row = k->row;
        p->rows = 0;
    }
    if (p->rows < n) {
        for (uint32_t i = 0; i < p->n_keys; i++) {
            copy_cell(&p->batch->columns[i], p->rows, n, &k->batch->columns[k->columns[i]],
                      batch_row(k->batch, k->row));
        }
        p->rows = n;
    }
}

void entry_probe_number(struct entry_probe *p, uint32_t i, int64_t number)
{
    COLUMN_VALUES(&p->batch->columns[p->n_keys], int64_t)[i] = number;
}

void entry_probe_record(struct entry_probe *p, uint32_t i, const struct record_layout *l,
                        const char *record)
{
    for (uint32_t f = 0; f < l->n_fields; f++) {
        const struct record_field *field = &l->fields[f];
        struct column *c = &p->batch->columns[p->n_keys + field->column];
        const char *from = record + field->offset;
        bool is_null = field->null_offset != RECORD_NEVER_NULL && record[field->null_offset] != 0;
        set_null(c, i, is_null);
        if (is_null) {
            continue;
        }
        if (field->layout == LAYOUT_VIEW) {
            const flinc_string *s = (const flinc_string *)(const void *)from;
            set_bytes(c, i, s->data, s->len);
        } else if (field->layout == LAYOUT_BIT) {
            set_bit(c, i, *from != 0);
        } else {
            memcpy(c->values->data + (size_t)i * field->width, from, field->width);
        }
    }
}

/* ---- probing ----------------------------------------------------------------------------------- */

/* As batch_extend_hashes() does it. */
static void begin(struct entry_probe *p, uint32_t n)
{
    struct batch *b = p->batch;
    uint64_t key_hash = key_cursor_hash(p->cursor), *hashes;
    hashes = (uint64_t *)(void *)b->hashes->data;
    put_key(p, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t h = key_hash;
        for (uint32_t k = p->n_keys; k < b->n_columns; k++) {
            h = key_hash_combine(h, key_hash_cell(&b->columns[k], i));
        }
        hashes[i] = (h & ~(uint64_t)UINT32_MAX) | (uint32_t)key_hash;
    }
    b->n_rows = n;
    b->n_sel = n;
}

int entry_probe_find(struct entry_probe *p, uint32_t n, struct error *err)
{
    begin(p, n);
    return keyed_state_find(p->state, NAMESPACE_VOID, p->batch, all_columns, p->slots, err);
}

int entry_probe_add(struct entry_probe *p, uint32_t n, struct error *err)
{
    begin(p, n);
    return keyed_state_upsert(p->state, NAMESPACE_VOID, p->batch, all_columns, p->slots, p->is_new,
                              err);
}

int entry_probe_add_new(struct entry_probe *p, uint32_t n, struct error *err)
{
    begin(p, n);
    return keyed_state_add(p->state, NAMESPACE_VOID, p->batch, all_columns, p->slots, p->is_new,
                           err);
}
