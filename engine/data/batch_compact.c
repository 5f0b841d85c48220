/* What makes batches smaller or plainer: materialising a selection, slicing, compacting strings, and
 * the counts of bytes.
 *
 * A view column pins its data buffers whole.  A batch that references less than half of the string
 * bytes it pins is compacted: the referenced bytes are copied to one fresh buffer per column. */
#include "engine/data/gather.h"

enum { COMPACT_BLOCK_MAX_BYTES = 1 << 30 };

/* ---- gathering a column ------------------------------------------------------------------------ */

static struct buffer *gather_buffer(struct buffer_pool *pool, const struct buffer *src,
                                    uint32_t width, const struct row_index *ix, uint32_t n)
{
    struct buffer *out = buffer_get(pool, (uint64_t)n * width);
    gather_fixed(out->data, src->data, width, ix, n);
    out->size = (uint64_t)n * width;
    return out;
}

static struct buffer *gather_bit_buffer(struct buffer_pool *pool, const struct buffer *src,
                                        const struct row_index *ix, uint32_t n, uint32_t *ret_ones)
{
    struct buffer *out = buffer_get(pool, (n + 7) / 8);
    *ret_ones = gather_bits(out->data, 0, src->data, ix, n);
    out->size = (n + 7) / 8;
    return out;
}

static void gather_column(struct buffer_pool *pool, struct column *dst, const struct column *src,
                          const struct row_index *ix, uint32_t n);

static void gather_list_column(struct buffer_pool *pool, struct column *dst,
                               const struct column *src, const struct row_index *ix, uint32_t n)
{
    const int32_t *src_offsets = COLUMN_VALUES(src, const int32_t);
    dst->values = buffer_get(pool, column_values_bytes(dst->type, n));
    dst->values->size = column_values_bytes(dst->type, n);
    int32_t *offsets = COLUMN_VALUES(dst, int32_t);
    offsets[0] = 0;
    dst->child_rows = gather_lists(offsets, src_offsets, ix, n, NULL);
    if (dst->child_rows == 0) {
        return;
    }
    struct buffer *rows = buffer_get(pool, (uint64_t)dst->child_rows * sizeof(uint32_t));
    gather_lists(offsets, src_offsets, ix, n, (uint32_t *)(void *)rows->data);
    struct row_index child_ix = {.rows32 = (const uint32_t *)(void *)rows->data};
    for (uint32_t i = 0; i < dst->n_children; i++) {
        gather_column(pool, &dst->children[i], &src->children[i], &child_ix, dst->child_rows);
    }
    buffer_unref(rows);
}

/* Rows of `src` into the empty column `dst`; string bytes are shared, not copied. */
static void gather_column(struct buffer_pool *pool, struct column *dst, const struct column *src,
                          const struct row_index *ix, uint32_t n)
{
    uint32_t ones = 0;
    if (n == 0) {
        return;
    }
    if (src->validity != NULL) {
        dst->validity = gather_bit_buffer(pool, src->validity, ix, n, &ones);
        if (ones == n) {
            column_set_validity(dst, NULL);
        }
    }
    switch (dst->type->layout) {
    case LAYOUT_NULL:
        break;
    case LAYOUT_BIT:
        dst->values = gather_bit_buffer(pool, src->values, ix, n, &ones);
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        gather_list_column(pool, dst, src, ix, n);
        break;
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < dst->n_children; i++) {
            gather_column(pool, &dst->children[i], &src->children[i], ix, n);
        }
        break;
    case LAYOUT_VIEW:
        for (uint32_t i = 0; i < src->n_data; i++) {
            column_add_data(pool, dst, buffer_ref(src->data[i]));
        }
        dst->values = gather_buffer(pool, src->values, dst->type->width, ix, n);
        break;
    default:
        dst->values = gather_buffer(pool, src->values, dst->type->width, ix, n);
        break;
    }
}

struct batch *batch_materialize(struct buffer_pool *pool, struct batch *take_b)
{
    struct batch *b = take_b;
    if (b->sel != NULL) {
        struct batch *out = batch_new(pool, b->schema);
        struct row_index ix = {.rows16 = batch_sel(b)};
        uint32_t n = b->n_sel;
        for (uint32_t i = 0; i < b->n_columns; i++) {
            gather_column(pool, &out->columns[i], &b->columns[i], &ix, n);
        }
        out->n_rows = n;
        out->n_sel = n;
        if (b->row_kinds != NULL) {
            out->row_kinds = gather_buffer(pool, b->row_kinds, 1, &ix, n);
        }
        if (b->timestamps != NULL) {
            out->timestamps = gather_buffer(pool, b->timestamps, 8, &ix, n);
        }
        if (b->hashes != NULL) {
            out->hashes = gather_buffer(pool, b->hashes, 8, &ix, n);
        }
        batch_unref(b);
        b = out;
    }
    if (batch_wastes_strings(b)) {
        b = batch_make_unique(pool, b);
        batch_compact_strings(pool, b);
    }
    return b;
}

struct batch *batch_slice(struct buffer_pool *pool, struct batch *b, uint32_t from, uint32_t to)
{
    ASSERT(from <= to && to <= b->n_sel);
    struct batch *out = batch_make_unique(pool, batch_ref(b));
    struct buffer *sel = buffer_get(pool, (uint64_t)(to - from) * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    for (uint32_t i = from; i < to; i++) {
        rows[i - from] = (uint16_t)batch_row(b, i);
    }
    sel->size = (uint64_t)(to - from) * sizeof(uint16_t);
    batch_set_selection(out, sel, to - from);
    return out;
}

/* ---- strings ----------------------------------------------------------------------------------- */

/* Bytes of long strings that the rows of the column reference. */
static uint64_t referenced_bytes(const struct column *c, const uint16_t *sel, uint32_t n)
{
    const struct view *views = COLUMN_VALUES(c, const struct view);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)views[sel != NULL ? sel[i] : i].len;
        bytes += len > VIEW_INLINE_MAX ? len : 0;
    }
    return bytes;
}

struct string_use {
    uint64_t referenced, pinned;
    /* A few buffers seen already, so that one shared by columns (a decoded frame) counts once. */
    const struct buffer *seen[16];
    uint32_t n_seen;
};

static void count_strings(const struct column *c, const uint16_t *sel, uint32_t n,
                          struct string_use *use)
{
    if (c->type->layout == LAYOUT_VIEW && c->n_data > 0) {
        use->referenced += referenced_bytes(c, sel, n);
        for (uint32_t i = 0; i < c->n_data; i++) {
            uint32_t k = 0;
            while (k < use->n_seen && use->seen[k] != c->data[i]) {
                k++;
            }
            if (k == use->n_seen) {
                use->pinned += c->data[i]->size;
                if (use->n_seen < ARRAY_LEN(use->seen)) {
                    use->seen[use->n_seen++] = c->data[i];
                }
            }
        }
    }
    /* Rows of children cannot be told from a selection of their parents without a walk: all count. */
    bool rows_kept = c->type->layout == LAYOUT_STRUCT;
    for (uint32_t i = 0; i < c->n_children; i++) {
        count_strings(&c->children[i], rows_kept ? sel : NULL, rows_kept ? n : c->child_rows, use);
    }
}

bool batch_wastes_strings(const struct batch *b)
{
    struct string_use use = {0};
    for (uint32_t i = 0; i < b->n_columns; i++) {
        count_strings(&b->columns[i], batch_sel(b), b->n_sel, &use);
    }
    return use.referenced * 2 < use.pinned;
}

/* Moves the long strings of the rows to fresh buffers.  Rows that do not count become empty. */
static void compact_views(struct buffer_pool *pool, struct column *c, const uint16_t *sel,
                          uint32_t n_rows, uint32_t n)
{
    uint64_t left = referenced_bytes(c, sel, n);
    struct buffer *values = buffer_get(pool, (uint64_t)n_rows * sizeof(struct view));
    values->size = (uint64_t)n_rows * sizeof(struct view);
    struct view *to = (struct view *)(void *)values->data;
    const struct view *from = COLUMN_VALUES(c, const struct view);
    struct column old = *c;
    struct buffer *const *old_data = c->data_array != NULL ? c->data : old.data_inline;
    c->values = NULL;
    c->data_array = NULL;
    c->data = c->data_inline;
    c->cap_data = BATCH_DATA_INLINE;
    c->n_data = 0;
    if (sel != NULL) {
        memset(to, 0, values->size);
    }
    struct buffer *block = NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel != NULL ? sel[i] : i;
        struct view v = from[row];
        if (v.len > VIEW_INLINE_MAX) {
            uint32_t len = (uint32_t)v.len;
            const char *bytes = (const char *)old_data[v.buffer]->data + v.offset;
            if (block == NULL || block->size + len > COMPACT_BLOCK_MAX_BYTES) {
                uint64_t room = MIN(left, (uint64_t)COMPACT_BLOCK_MAX_BYTES);
                block = buffer_get(pool, MAX(room, (uint64_t)len));
                column_add_data(pool, c, block);
            }
            memcpy((char *)block->data + block->size, bytes, len);
            v.buffer = (int32_t)c->n_data - 1;
            v.offset = (int32_t)block->size;
            block->size += len;
            left -= len;
        }
        to[row] = v;
    }
    for (uint32_t i = 0; i < old.n_data; i++) {
        buffer_unref(old_data[i]);
    }
    buffer_unref(old.data_array);
    buffer_unref(old.values);
    column_set_values(c, values);
}

static void compact_column(struct buffer_pool *pool, struct column *c, const uint16_t *sel,
                           uint32_t n_rows, uint32_t n)
{
    if (c->type->layout == LAYOUT_VIEW && c->n_data > 0) {
        uint64_t pinned = 0;
        for (uint32_t i = 0; i < c->n_data; i++) {
            pinned += c->data[i]->size;
        }
        if (referenced_bytes(c, sel, n) * 2 < pinned) {
            compact_views(pool, c, sel, n_rows, n);
        }
    }
    bool rows_kept = c->type->layout == LAYOUT_STRUCT;
    for (uint32_t i = 0; i < c->n_children; i++) {
        if (rows_kept) {
            compact_column(pool, &c->children[i], sel, n_rows, n);
        } else {
            compact_column(pool, &c->children[i], NULL, c->child_rows, c->child_rows);
        }
    }
}

void batch_compact_strings(struct buffer_pool *pool, struct batch *b)
{
    ASSERT(batch_is_unique(b));
    if (!batch_wastes_strings(b)) {
        return;
    }
    for (uint32_t i = 0; i < b->n_columns; i++) {
        compact_column(pool, &b->columns[i], batch_sel(b), b->n_rows, b->n_sel);
    }
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static uint64_t string_bytes(const struct view *views, const struct row_index *ix, uint32_t n)
{
    uint64_t bytes = 0;
    if (row_index_is_range(ix)) {
        for (uint32_t i = 0; i < n; i++) {
            bytes += (uint32_t)views[ix->from + i].len;
        }
        return bytes;
    }
    for (uint32_t i = 0; i < n; i++) {
        bytes += (uint32_t)views[row_index_at(ix, i)].len;
    }
    return bytes;
}

static uint64_t column_bytes(const struct column *c, const struct row_index *ix, uint32_t n)
{
    uint64_t bytes = (uint64_t)n * c->type->width + (c->validity != NULL ? (n + 7) / 8 : 0);
    switch (c->type->layout) {
    case LAYOUT_BIT:
        bytes += (n + 7) / 8;
        break;
    case LAYOUT_VIEW:
        /* As offsets and bytes, which is how strings travel. */
        bytes -= (uint64_t)n * (sizeof(struct view) - sizeof(int32_t));
        bytes += string_bytes(COLUMN_VALUES(c, const struct view), ix, n);
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP: {
        const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = row_index_at(ix, i);
            struct row_index child = {.from = (uint32_t)offsets[row]};
            uint32_t count = (uint32_t)(offsets[row + 1] - offsets[row]);
            for (uint32_t k = 0; count > 0 && k < c->n_children; k++) {
                bytes += column_bytes(&c->children[k], &child, count);
            }
        }
        break;
    }
    case LAYOUT_STRUCT:
        for (uint32_t k = 0; k < c->n_children; k++) {
            bytes += column_bytes(&c->children[k], ix, n);
        }
        break;
    default:
        break;
    }
    return bytes;
}

uint64_t batch_bytes(const struct batch *b)
{
    struct row_index ix = {.rows16 = batch_sel(b)};
    uint32_t n = b->n_sel;
    uint64_t bytes = (b->row_kinds != NULL ? n : 0) +
                     (b->timestamps != NULL ? (uint64_t)n * sizeof(int64_t) : 0);
    for (uint32_t i = 0; n > 0 && i < b->n_columns; i++) {
        bytes += column_bytes(&b->columns[i], &ix, n);
    }
    return bytes;
}

static uint64_t capacity_of(const struct buffer *b)
{
    return b != NULL ? b->capacity : 0;
}

static uint64_t column_pinned_bytes(const struct column *c)
{
    uint64_t bytes = capacity_of(c->validity) + capacity_of(c->values) + capacity_of(c->data_array);
    for (uint32_t i = 0; i < c->n_data; i++) {
        bytes += c->data[i]->capacity;
    }
    for (uint32_t i = 0; i < c->n_children; i++) {
        bytes += column_pinned_bytes(&c->children[i]);
    }
    return bytes;
}

uint64_t batch_pinned_bytes(const struct batch *b)
{
    uint64_t bytes = capacity_of(b->self) + capacity_of(b->sel) + capacity_of(b->row_kinds) +
                     capacity_of(b->timestamps) + capacity_of(b->hashes);
    for (uint32_t i = 0; i < b->n_columns; i++) {
        bytes += column_pinned_bytes(&b->columns[i]);
    }
    return bytes;
}
