/* Builders: whole rows of other batches, column at a time.
 *
 * Fixed-width values are gathered by the kernels of gather.h; strings of up to 12 bytes are their
 * views, longer ones are copied into the builder's blocks by wide copies. */
#include "engine/data/builder_column.h"
#include "engine/data/gather.h"

enum { DATA_BASES = 16 }; /* data buffers of a column whose addresses are kept at hand */

/* Where the strings of the column lie: the addresses of its data buffers.  `local` has room for
 * DATA_BASES; more take a pool buffer, which is returned. */
static struct buffer *data_bases(struct buffer_pool *pool, const struct column *src,
                                 const char **local, const char *const **ret_bases)
{
    struct buffer *memory = NULL;
    const char **bases = local;
    if (src->n_data > DATA_BASES) {
        memory = buffer_get(pool, src->n_data * sizeof(char *));
        bases = (const char **)(void *)memory->data;
    }
    for (uint32_t i = 0; i < src->n_data; i++) {
        bases[i] = (const char *)src->data[i]->data;
    }
    *ret_bases = bases;
    return memory;
}

static void append_views(struct builder *b, struct builder_column *c, uint32_t at,
                         const struct column *src, const struct row_index *ix, uint32_t n)
{
    const char *local[DATA_BASES];
    const char *const *bases = NULL;
    struct buffer *memory = data_bases(b->pool, src, local, &bases);
    const struct view *from = COLUMN_VALUES(src, const struct view);
    struct view *to = (struct view *)c->face->values + at;
    struct row_index rest = *ix;
    for (uint32_t done = 0;; done++) {
        struct flinc_out_column *face = c->face;
        struct string_heap heap = {face->heap, face->heap_left, face->heap_index,
                                   face->heap_offset};
        uint32_t k = gather_strings(to + done, from, bases, &rest, n - done, &heap);
        face->heap = heap.next;
        face->heap_left = heap.left;
        face->heap_offset = heap.offset;
        done += k;
        if (done == n) {
            break;
        }
        /* The next one starts a new block. */
        rest = row_index_from(&rest, k);
        struct view v = from[row_index_at(&rest, 0)];
        const char *bytes = bases[v.buffer] + v.offset;
        memcpy(builder_column_heap(b, c, (size_t)v.len, &v.buffer, &v.offset), bytes,
               (size_t)v.len);
        to[done] = v;
        rest = row_index_from(&rest, 1);
    }
    buffer_unref(memory);
}

static void append_column(struct builder *b, struct builder_column *c, uint32_t at,
                          const struct column *src, const struct row_index *ix, uint32_t n);

/* Appends to a nested column, behind what it has. */
static void append_child(struct builder *b, struct builder_column *c, const struct column *src,
                         const struct row_index *ix, uint32_t n)
{
    if (c->n + n > c->cap) {
        builder_column_reserve(b->pool, c, c->n, MAX(c->n + n, c->cap * 2));
    }
    append_column(b, c, c->n, src, ix, n);
    c->n += n;
}

static void append_lists(struct builder *b, struct builder_column *c, uint32_t at,
                         const struct column *src, const struct row_index *ix, uint32_t n)
{
    int32_t *offsets = (int32_t *)c->face->values + at;
    const int32_t *src_offsets = COLUMN_VALUES(src, const int32_t);
    uint32_t total = gather_lists(offsets, src_offsets, ix, n, NULL);
    if (total == 0) {
        return;
    }
    struct row_index child_ix = {.from = (uint32_t)src_offsets[ix->from]};
    struct buffer *rows = NULL;
    if (!row_index_is_range(ix)) {
        rows = buffer_get(b->pool, (uint64_t)total * sizeof(uint32_t));
        child_ix = (struct row_index){.rows32 = (const uint32_t *)(void *)rows->data};
        gather_lists(offsets, src_offsets, ix, n, (uint32_t *)(void *)rows->data);
    }
    for (uint32_t i = 0; i < c->n_children; i++) {
        append_child(b, &c->children[i], &src->children[i], &child_ix, total);
    }
    buffer_unref(rows);
}

static void append_column(struct builder *b, struct builder_column *c, uint32_t at,
                          const struct column *src, const struct row_index *ix, uint32_t n)
{
    if (n == 0) {
        return;
    }
    if (src->validity != NULL) {
        builder_column_need_validity(b->pool, c);
        gather_bits(c->face->validity, at, src->validity->data, ix, n);
    }
    switch (c->type->layout) {
    case LAYOUT_NULL:
        break;
    case LAYOUT_BIT:
        gather_bits(c->face->values, at, src->values->data, ix, n);
        break;
    case LAYOUT_VIEW:
        append_views(b, c, at, src, ix, n);
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        append_lists(b, c, at, src, ix, n);
        break;
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < c->n_children; i++) {
            append_child(b, &c->children[i], &src->children[i], ix, n);
        }
        break;
    default:
        gather_fixed((char *)c->face->values + (size_t)at * c->type->width, src->values->data,
                     c->type->width, ix, n);
        break;
    }
}

/* Kinds, timestamps and hashes of the rows, which go to row `at` and on. */
static void append_row_facts(struct builder *b, uint32_t at, const struct batch *src,
                             const struct row_index *ix, uint32_t n)
{
    struct batch *batch = b->batch;
    if (src->row_kinds != NULL) {
        gather_fixed(builder_need_kinds(b) + at, src->row_kinds->data, 1, ix, n);
    }
    if (src->timestamps != NULL) {
        gather_fixed(builder_need_timestamps(b) + at, src->timestamps->data, 8, ix, n);
    }
    if (src->hashes != NULL && b->hash_rows == at) {
        if (batch->hashes == NULL) {
            batch->hashes = buffer_get(b->pool, b->cap_rows * sizeof(uint64_t));
        }
        gather_fixed(batch->hashes->data + (size_t)at * 8, src->hashes->data, 8, ix, n);
        b->hash_rows = at + n;
    }
}

void builder_append_column(struct builder *b, uint32_t column, const struct batch *src,
                           const struct row_index *ix, uint32_t n)
{
    append_column(b, &b->columns[column], b->out.n, &src->columns[column], ix, n);
}

void builder_append_end(struct builder *b, const struct batch *src, const struct row_index *ix,
                        uint32_t n)
{
    append_row_facts(b, b->out.n, src, ix, n);
    b->out.n += n;
}

static void append_indexed(struct builder *b, const struct batch *src, const struct row_index *ix,
                           uint32_t n)
{
    if (n == 0) {
        return;
    }
    ASSERT(src->n_columns == b->out.n_columns);
    builder_reserve_rows(b, n);
    for (uint32_t i = 0; i < src->n_columns; i++) {
        builder_append_column(b, i, src, ix, n);
    }
    builder_append_end(b, src, ix, n);
}

void builder_append_rows(struct builder *b, const struct batch *src, const uint16_t *rows,
                         uint32_t n)
{
    struct row_index ix = {.rows16 = rows};
    append_indexed(b, src, &ix, n);
}

void builder_append_range(struct builder *b, const struct batch *src, uint32_t from, uint32_t n)
{
    ASSERT((uint64_t)from + n <= src->n_rows);
    struct row_index ix = {.from = from};
    append_indexed(b, src, &ix, n);
}

static int push_indexed(struct builder *b, const struct batch *src, struct row_index ix, uint32_t n)
{
    while (n > 0 && b->out.status >= 0) {
        uint32_t some = MIN(n, builder_room(b));
        append_indexed(b, src, &ix, some);
        n -= some;
        ix = row_index_from(&ix, some);
        (void)builder_hand_on(b);
    }
    return b->out.status;
}

int builder_push_rows(struct builder *b, const struct batch *src, const uint16_t *rows, uint32_t n)
{
    return push_indexed(b, src, (struct row_index){.rows16 = rows}, n);
}

int builder_push_batch(struct builder *b, const struct batch *src)
{
    return push_indexed(b, src, (struct row_index){.rows16 = batch_sel(src)}, src->n_sel);
}

int builder_put_cell(struct builder *b, uint32_t column, const struct column *src, uint32_t row,
                     struct error *err)
{
    struct builder_column *c = builder_column_of(b, column);
    if (src->type->layout == LAYOUT_VIEW && !column_is_null(src, row)) {
        struct slice bytes = column_get_bytes(src, row);
        return builder_put_bytes(b, column, bytes.data, bytes.len, err);
    }
    struct row_index ix = {.from = row};
    append_column(b, c, b->out.n, src, &ix, 1);
    return 0;
}

void builder_add_cells(struct builder *b, struct builder_column *c, const struct column *src,
                       uint32_t from, uint32_t n)
{
    const struct row_index ix = {.from = from};
    if (UNLIKELY(c->col == NULL)) {
        builder_begin(b);
    }
    append_child(b, c, src, &ix, n);
}
