/* Columns under construction (builder_column.h): life, growth, and blocks of string bytes.
 *
 * Blocks double within a batch; the first one of a batch has the size that the last batch needed, so
 * that a steady stream has one block per column.  No block reaches beyond the target of bytes, so that
 * the slow path of the inline writers, taken when a block is used up, sees that the batch is full. */
#include "engine/data/builder_column.h"

enum {
    HEAP_FIRST_BYTES = 4 * 1024,
    HEAP_OWN_BLOCK_BYTES = 32 * 1024, /* longer strings leave the current block as it is */
    CHILD_ROWS_FIRST = 64,
};

static void set_bits(uint8_t *bits, uint64_t from_byte, uint64_t to_byte, bool one)
{
    memset(bits + from_byte, one ? 0xff : 0, to_byte - from_byte);
}

static void make_validity(struct buffer_pool *pool, struct builder_column *c, bool valid)
{
    struct buffer *validity = buffer_get(pool, (c->cap + 7) / 8);
    set_bits(validity->data, 0, (c->cap + 7) / 8, valid);
    column_set_validity(c->col, validity);
    c->face->validity = validity->data;
}

void builder_column_need_validity(struct buffer_pool *pool, struct builder_column *c)
{
    if (c->face->validity == NULL) {
        make_validity(pool, c, true);
    }
}

void builder_column_start(struct buffer_pool *pool, struct builder_column *c, struct column *col,
                          uint32_t cap)
{
    c->col = col;
    c->n = 0;
    c->cap = cap;
    c->block = NULL;
    c->closed_bytes = 0;
    *c->face = (struct flinc_out_column){.layout = (uint32_t)c->type->layout};
    uint64_t bytes = column_values_bytes(c->type, cap);
    if (bytes > 0) {
        struct buffer *values = buffer_get(pool, bytes);
        column_set_values(col, values);
        c->face->values = values->data;
    }
    bool lists = c->type->layout == LAYOUT_LIST || c->type->layout == LAYOUT_MAP;
    if (lists) {
        *(int32_t *)c->face->values = 0;
    } else if (c->type->layout == LAYOUT_NULL) {
        make_validity(pool, c, false);
    }
    for (uint32_t i = 0; i < c->n_children; i++) {
        struct builder_column *child = &c->children[i];
        builder_column_start(pool, child, &col->children[i],
                             lists ? MAX(child->rows_hint, (uint32_t)CHILD_ROWS_FIRST) : cap);
    }
}

void builder_column_reserve(struct buffer_pool *pool, struct builder_column *c, uint32_t n,
                            uint32_t cap)
{
    if (cap <= c->cap) {
        return;
    }
    struct column *col = c->col;
    uint64_t old_bits_bytes = (c->cap + 7) / 8;
    if (col->values != NULL) {
        col->values->size = column_values_bytes(c->type, n);
        col->values = buffer_grow(pool, col->values, column_values_bytes(c->type, cap));
        c->face->values = col->values->data;
    }
    if (col->validity != NULL) {
        col->validity->size = old_bits_bytes;
        col->validity = buffer_grow(pool, col->validity, (cap + 7) / 8);
        c->face->validity = col->validity->data;
        set_bits(col->validity->data, old_bits_bytes, (cap + 7) / 8,
                 c->type->layout != LAYOUT_NULL);
    }
    c->cap = cap;
    if (c->type->layout == LAYOUT_STRUCT) {
        for (uint32_t i = 0; i < c->n_children; i++) {
            builder_column_reserve(pool, &c->children[i], c->children[i].n, cap);
        }
    }
}

void builder_column_finish(struct builder_column *c, uint32_t n)
{
    struct column *col = c->col;
    if (col->values != NULL) {
        col->values->size = column_values_bytes(c->type, n);
    }
    if (col->validity != NULL) {
        col->validity->size = (n + 7) / 8;
    }
    c->heap_hint = builder_column_heap_bytes(c);
    if (c->block != NULL) {
        c->block->size = (uint64_t)c->face->heap_offset;
    }
    if (c->type->layout == LAYOUT_LIST || c->type->layout == LAYOUT_MAP) {
        col->child_rows = c->children[0].n;
    }
    for (uint32_t i = 0; i < c->n_children; i++) {
        struct builder_column *child = &c->children[i];
        child->rows_hint = child->n;
        builder_column_finish(child, child->n);
    }
    c->col = NULL;
}

void builder_column_cancel(struct builder_column *c, uint32_t n)
{
    struct column *col = c->col;
    if (col->validity != NULL && c->type->layout != LAYOUT_NULL && n < c->cap) {
        c->face->validity[n >> 3] |= (uint8_t)(0xffu << (n & 7));
        set_bits(c->face->validity, n / 8 + 1, (c->cap + 7) / 8, true);
    }
    for (uint32_t i = 0; i < c->n_children; i++) {
        struct builder_column *child = &c->children[i];
        child->n = c->type->layout == LAYOUT_STRUCT ? n : (uint32_t)((int32_t *)c->face->values)[n];
        builder_column_cancel(child, child->n);
    }
}

/* ---- strings ----------------------------------------------------------------------------------- */

uint64_t builder_column_heap_bytes(const struct builder_column *c)
{
    return c->closed_bytes + (uint64_t)c->face->heap_offset;
}

uint64_t builder_column_bytes(const struct builder_column *c, uint32_t n)
{
    uint64_t bytes = column_values_bytes(c->type, n) + builder_column_heap_bytes(c);
    for (uint32_t i = 0; i < c->n_children; i++) {
        bytes += builder_column_bytes(&c->children[i], c->children[i].n);
    }
    return bytes;
}

static COLD char *heap_own_block(struct buffer_pool *pool, struct builder_column *c, size_t len,
                                 int32_t *ret_buffer, int32_t *ret_offset)
{
    struct buffer *block = buffer_get(pool, len);
    block->size = len;
    *ret_buffer = (int32_t)c->col->n_data;
    *ret_offset = 0;
    c->closed_bytes += len;
    column_add_data(pool, c->col, block);
    return (char *)block->data;
}

static void heap_new_block(struct buffer_pool *pool, struct builder_column *c, size_t len,
                           uint64_t room)
{
    uint64_t used = builder_column_heap_bytes(c);
    uint64_t want = used > 0 ? used : c->heap_hint + c->heap_hint / 8;
    want = MIN(want, room);
    want = MAX(want, (uint64_t)HEAP_FIRST_BYTES);
    struct buffer *block = buffer_get(pool, MAX(want, (uint64_t)len));
    if (c->block != NULL) {
        c->block->size = (uint64_t)c->face->heap_offset;
    }
    c->closed_bytes = used;
    c->face->heap_index = (int32_t)c->col->n_data;
    c->face->heap_offset = 0;
    c->face->heap = (char *)block->data;
    c->face->heap_left = (uint32_t)MIN(block->capacity, (uint64_t)INT32_MAX);
    c->block = block;
    column_add_data(pool, c->col, block);
}

char *builder_column_heap(struct builder *b, struct builder_column *c, size_t len,
                          int32_t *ret_buffer, int32_t *ret_offset)
{
    struct flinc_out_column *face = c->face;
    if (len > face->heap_left) {
        if (len >= HEAP_OWN_BLOCK_BYTES && c->block != NULL) {
            return heap_own_block(b->pool, c, len, ret_buffer, ret_offset);
        }
        uint64_t bytes = builder_bytes(b);
        heap_new_block(b->pool, c, len, b->target_bytes > bytes ? b->target_bytes - bytes : 0);
    }
    char *at = face->heap;
    *ret_buffer = face->heap_index;
    *ret_offset = face->heap_offset;
    face->heap += len;
    face->heap_left -= (uint32_t)len;
    face->heap_offset += (int32_t)len;
    return at;
}
