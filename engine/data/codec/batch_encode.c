/* The batch codec's encoder (codec.h; the format is in batch_wire.h).
 *
 * An encoding is a list of pieces: runs of the scratch buffer, and column buffers in place.  A run in
 * scratch starts at an address that is aligned as its position in the encoding, so that kernels store
 * whole values.  Encoding into a caller's buffer is the same with that buffer as scratch and nothing
 * in place.
 *
 * Null cells are written as zeros and bitmaps without a NULL are left out: the bytes are a function of
 * the values, and no byte that nobody wrote leaves the process. */
#include "engine/data/codec/batch_wire.h"
#include "engine/data/gather.h"

enum {
    SCRATCH_FIRST_BYTES = 16 * 1024,
    SCRATCH_KEEP_BYTES = 1024 * 1024, /* a larger one goes back to the pool before the next batch */
    IN_PLACE_MIN_BYTES = 1024,        /* below, copying is cheaper than one more piece */
    PIECES_FIRST = 32,
};
#define NO_BITMAP UINT64_MAX

/* A run of scratch while `in_place` is NULL. */
struct batch_piece {
    const void *in_place; /* Borrows */
    uint64_t at;          /* offset in scratch */
    uint64_t len;
};

static int encode_column(struct batch_encoder *e, const struct column *c,
                         const struct row_index *ix, uint32_t n, struct error *err);

/* ---- life -------------------------------------------------------------------------------------- */

void batch_encoder_init(struct batch_encoder *e, struct buffer_pool *pool)
{
    *e = (struct batch_encoder){.pool = pool};
}

void batch_encoder_fini(struct batch_encoder *e)
{
    mem_free(e->iov);
    mem_free(e->pieces);
    buffer_unref(e->scratch);
    *e = (struct batch_encoder){0};
}

/* ---- pieces ------------------------------------------------------------------------------------ */

static struct batch_piece *piece_add(struct batch_encoder *e)
{
    if (e->n_pieces == e->cap_pieces) {
        uint32_t cap = e->cap_pieces > 0 ? e->cap_pieces * 2 : PIECES_FIRST;
        e->pieces = mem_realloc(e->pieces, cap * sizeof(*e->pieces));
        e->cap_pieces = cap;
    }
    return &e->pieces[e->n_pieces++];
}

static bool run_is_open(const struct batch_encoder *e)
{
    return e->n_pieces > 0 && e->pieces[e->n_pieces - 1].in_place == NULL;
}

/* Where in scratch the next byte of the encoding goes. */
static uint64_t scratch_next(const struct batch_encoder *e)
{
    if (run_is_open(e)) {
        return e->scratch->size;
    }
    return wire_align(e->scratch->size, WIRE_ALIGN) + (e->total_bytes & (WIRE_ALIGN - 1));
}

static int check_total(uint64_t total, struct error *err)
{
    if (total > BATCH_CODEC_BYTES_MAX - WIRE_ALIGN) {
        return error_set(err, ERR_TOO_LARGE, "a batch of %llu bytes or more, the limit is %llu",
                         (unsigned long long)total, (unsigned long long)BATCH_CODEC_BYTES_MAX);
    }
    return 0;
}

/* Room for a piece of `len` bytes in scratch, with zeros in front of it up to its alignment.  It
 * becomes part of the encoding by piece_commit(). */
static int piece_reserve(struct batch_encoder *e, uint64_t len, uint64_t align, uint8_t **ret,
                         struct error *err)
{
    uint64_t pad = wire_align(e->total_bytes, align) - e->total_bytes;
    TRY(check_total(e->total_bytes + pad + len, err));
    uint64_t at = scratch_next(e);
    uint64_t end = at + pad + len;
    if (end > e->scratch->capacity) {
        e->scratch = buffer_grow(e->pool, e->scratch, MAX(end, e->scratch->capacity * 2));
    }
    memset(e->scratch->data + at, 0, pad);
    *ret = e->scratch->data + at + pad;
    return 0;
}

/* Ret: the offset of the piece in scratch. */
static uint64_t piece_commit(struct batch_encoder *e, uint64_t len, uint64_t align)
{
    uint64_t pad = wire_align(e->total_bytes, align) - e->total_bytes;
    uint64_t at = scratch_next(e);
    if (!run_is_open(e)) {
        *piece_add(e) = (struct batch_piece){.at = at};
    }
    e->pieces[e->n_pieces - 1].len += pad + len;
    e->scratch->size = at + pad + len;
    e->total_bytes += pad + len;
    return at + pad;
}

static int piece_copy(struct batch_encoder *e, const void *data, uint64_t len, uint64_t align,
                      struct error *err)
{
    uint8_t *to;
    TRY(piece_reserve(e, len, align, &to, err));
    memcpy(to, data, len);
    piece_commit(e, len, align);
    return 0;
}

/* Bytes that lie as they are wanted: referred to when that pays, else copied. */
static int piece_in_place(struct batch_encoder *e, const void *data, uint64_t len, uint64_t align,
                          struct error *err)
{
    if (e->flat || len < IN_PLACE_MIN_BYTES) {
        return piece_copy(e, data, len, align, err);
    }
    TRY(check_total(e->total_bytes + WIRE_ALIGN + len, err));
    uint8_t *pad;
    if ((e->total_bytes & (align - 1)) != 0) {
        TRY(piece_reserve(e, 0, align, &pad, err));
        piece_commit(e, 0, align);
    }
    *piece_add(e) = (struct batch_piece){.in_place = data, .len = len};
    e->total_bytes += len;
    return 0;
}

/* ---- kernels ----------------------------------------------------------------------------------- */

/* n bits to the start of `dst`, zeros behind them; returns how many are set. */
static uint64_t copy_bits(uint8_t *restrict dst, const uint8_t *restrict src,
                          const struct row_index *ix, uint32_t n)
{
    uint64_t bytes = wire_bitmap_bytes(n);
    if (row_index_is_range(ix) && (ix->from & 7) == 0) {
        memcpy(dst, src + ix->from / 8, bytes);
        if (bytes > 0) {
            dst[bytes - 1] &= wire_tail_mask(n);
        }
        return wire_count_ones(dst, n);
    }
    if (bytes > 0) {
        dst[bytes - 1] = 0;
    }
    return gather_bits(dst, 0, src, ix, n);
}

static void zero_null_values(uint8_t *restrict values, uint32_t width, const uint8_t *restrict bits,
                             uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 8) {
        uint32_t nulls = (uint8_t)~bits[i / 8];
        for (; nulls != 0; nulls &= nulls - 1) {
            uint32_t row = i + (uint32_t)__builtin_ctz(nulls);
            if (row < n) {
                memset(values + (size_t)row * width, 0, width);
            }
        }
    }
}

static inline uint32_t bit_mask(const uint8_t *bits, uint32_t i)
{
    return bits == NULL ? UINT32_MAX : -(uint32_t)((bits[i >> 3] >> (i & 7)) & 1u);
}

/* Offsets of the strings, the first 0.  *ret_first: where the bytes lie when they lie in order in one
 * data buffer, else NULL.  Returns the sum of lengths, which may be over the limit of the offsets. */
static uint64_t view_offsets(int32_t *restrict offsets, const struct column *c,
                             const struct row_index *ix, const uint8_t *restrict bits, uint32_t n,
                             const char **ret_first)
{
    const struct view *views = n > 0 ? COLUMN_VALUES(c, const struct view) : NULL;
    uint64_t total = 0;
    uint64_t first = 0, want = 0;
    bool in_order = true;
    offsets[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct view *v = &views[row_index_at(ix, i)];
        uint32_t len = (uint32_t)v->len & bit_mask(bits, i);
        if (total == 0) {
            first = want = v->word1; /* buffer, offset */
        }
        in_order = in_order & ((len == 0) | ((len > VIEW_INLINE_MAX) & (v->word1 == want)));
        want += (uint64_t)len << 32;
        total += len;
        offsets[i + 1] = (int32_t)total;
    }
    *ret_first = NULL;
    if (in_order && total > 0) {
        const struct buffer *data = c->data[(uint32_t)first];
        *ret_first = (const char *)data->data + (first >> 32);
    }
    return total;
}

/* A string of 13 bytes or more; up to BUFFER_PADDING bytes behind it are touched on either side.  Two
 * copies of a fixed size, of which the second ends with the string: no loop whose number of rounds
 * would have to be predicted. */
static inline void copy_long(char *restrict dst, const char *restrict src, uint32_t len)
{
    if (LIKELY(len <= 2 * BUFFER_PADDING)) {
        uint32_t tail = len > BUFFER_PADDING ? len - BUFFER_PADDING : 0;
        memcpy(dst, src, BUFFER_PADDING);
        memcpy(dst + tail, src + tail, BUFFER_PADDING);
    } else {
        memcpy(dst, src, len);
    }
}

static void copy_views(char *restrict dst, const int32_t *restrict offsets, const struct column *c,
                       const struct row_index *ix, uint32_t n)
{
    const struct view *views = n > 0 ? COLUMN_VALUES(c, const struct view) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)(offsets[i + 1] - offsets[i]); /* 0 for NULL, whatever the view */
        const struct view *v = &views[row_index_at(ix, i)];
        if (len > VIEW_INLINE_MAX) {
            copy_long(dst + offsets[i], (const char *)c->data[v->buffer]->data + v->offset, len);
        } else if (len > 0) {
            memcpy(dst + offsets[i], v->inlined, sizeof(v->inlined));
        }
    }
}

/* Offsets of the lists, the first 0.  *ret_from: the first child row when the children lie in order,
 * else UINT32_MAX.  Returns the number of child rows. */
static uint64_t list_offsets(int32_t *restrict offsets, const struct column *c,
                             const struct row_index *ix, const uint8_t *restrict bits, uint32_t n,
                             uint32_t *ret_from)
{
    const int32_t *src = n > 0 ? COLUMN_VALUES(c, const int32_t) : NULL;
    uint64_t total = 0;
    uint32_t first = 0, want = 0;
    bool in_order = true;
    offsets[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = row_index_at(ix, i);
        uint32_t from = (uint32_t)src[row];
        uint32_t len = ((uint32_t)src[row + 1] - from) & bit_mask(bits, i);
        if (total == 0) {
            first = want = from;
        }
        in_order = in_order & ((len == 0) | (from == want));
        want += len;
        total += len;
        offsets[i + 1] = (int32_t)total;
    }
    *ret_from = in_order ? first : UINT32_MAX;
    return total;
}

static void list_rows(uint32_t *restrict rows, const int32_t *restrict offsets,
                      const struct column *c, const struct row_index *ix, uint32_t n)
{
    const int32_t *src = COLUMN_VALUES(c, const int32_t);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = (uint32_t)src[row_index_at(ix, i)];
        for (int32_t k = offsets[i]; k < offsets[i + 1]; k++) {
            rows[k] = from + (uint32_t)(k - offsets[i]);
        }
    }
}

/* ---- columns ----------------------------------------------------------------------------------- */

static struct wire_node *node_at(const struct batch_encoder *e, uint32_t node)
{
    uint8_t *nodes = e->scratch->data + e->start + sizeof(struct wire_header);
    return (struct wire_node *)(void *)nodes + node;
}

/* The bitmap in scratch, or NULL.  Valid until the next piece. */
static const uint8_t *bitmap_at(const struct batch_encoder *e, uint64_t at)
{
    return at == NO_BITMAP ? NULL : e->scratch->data + at;
}

/* Writes the bitmap if there is a NULL. */
static int encode_validity(struct batch_encoder *e, const struct column *c,
                           const struct row_index *ix, uint32_t n, uint64_t *ret_at,
                           struct error *err)
{
    *ret_at = NO_BITMAP;
    bool always = wire_has_bitmap_always(c->type);
    if (c->validity == NULL && !always) {
        return 0;
    }
    uint8_t *bits;
    uint64_t bytes = wire_bitmap_bytes(n);
    TRY(piece_reserve(e, bytes, WIRE_PIECE_ALIGN, &bits, err));
    uint64_t ones = 0;
    if (c->type->layout == LAYOUT_NULL) {
        memset(bits, 0, bytes);
    } else if (c->validity != NULL) {
        ones = copy_bits(bits, c->validity->data, ix, n);
    } else {
        memset(bits, 0xff, bytes);
        if (bytes > 0) {
            bits[bytes - 1] = wire_tail_mask(n);
        }
        ones = n;
    }
    if (ones < n || always) {
        *ret_at = piece_commit(e, bytes, WIRE_PIECE_ALIGN);
    }
    return 0;
}

static int encode_bits(struct batch_encoder *e, const struct column *c, const struct row_index *ix,
                       uint32_t n, uint64_t bitmap, struct error *err)
{
    uint8_t *values;
    uint64_t bytes = wire_bitmap_bytes(n);
    TRY(piece_reserve(e, bytes, WIRE_PIECE_ALIGN, &values, err));
    if (n > 0) {
        copy_bits(values, c->values->data, ix, n);
    }
    const uint8_t *bits = bitmap_at(e, bitmap);
    for (uint64_t i = 0; bits != NULL && i < bytes; i++) {
        values[i] &= bits[i];
    }
    piece_commit(e, bytes, WIRE_PIECE_ALIGN);
    return 0;
}

static int encode_fixed(struct batch_encoder *e, const struct column *c, const struct row_index *ix,
                        uint32_t n, uint64_t bitmap, struct error *err)
{
    uint32_t width = c->type->width;
    uint64_t bytes = (uint64_t)n * width;
    uint64_t align = wire_value_align(c->type);
    const uint8_t *src = n > 0 ? c->values->data : NULL;
    if (row_index_is_range(ix) && bitmap == NO_BITMAP && n > 0) {
        return piece_in_place(e, src + (size_t)ix->from * width, bytes, align, err);
    }
    uint8_t *values;
    TRY(piece_reserve(e, bytes, align, &values, err));
    if (n > 0) {
        gather_fixed(values, src, width, ix, n);
    }
    if (bitmap != NO_BITMAP) {
        zero_null_values(values, width, bitmap_at(e, bitmap), n);
    }
    piece_commit(e, bytes, align);
    return 0;
}

static int encode_views(struct batch_encoder *e, const struct column *c, const struct row_index *ix,
                        uint32_t n, uint64_t bitmap, uint32_t *ret_extent, struct error *err)
{
    uint8_t *offsets;
    uint64_t offsets_bytes = ((uint64_t)n + 1) * sizeof(int32_t);
    const char *in_order;
    TRY(piece_reserve(e, offsets_bytes, WIRE_PIECE_ALIGN, &offsets, err));
    uint64_t total =
        view_offsets((int32_t *)(void *)offsets, c, ix, bitmap_at(e, bitmap), n, &in_order);
    TRY(check_total(total, err));
    uint64_t offsets_at = piece_commit(e, offsets_bytes, WIRE_PIECE_ALIGN);
    *ret_extent = (uint32_t)total;
    if (in_order != NULL) {
        return piece_in_place(e, in_order, total, 1, err);
    }
    uint8_t *bytes;
    TRY(piece_reserve(e, total, 1, &bytes, err));
    copy_views((char *)bytes, (const int32_t *)(void *)(e->scratch->data + offsets_at), c, ix, n);
    piece_commit(e, total, 1);
    return 0;
}

static int encode_children(struct batch_encoder *e, const struct column *c,
                           const struct row_index *ix, uint32_t n, struct error *err)
{
    for (uint32_t i = 0; i < c->n_children; i++) {
        TRY(encode_column(e, &c->children[i], ix, n, err));
    }
    return 0;
}

static int encode_lists(struct batch_encoder *e, const struct column *c, const struct row_index *ix,
                        uint32_t n, uint64_t bitmap, uint32_t *ret_extent, struct error *err)
{
    uint8_t *offsets;
    uint64_t offsets_bytes = ((uint64_t)n + 1) * sizeof(int32_t);
    struct row_index children = {0};
    TRY(piece_reserve(e, offsets_bytes, WIRE_PIECE_ALIGN, &offsets, err));
    uint64_t total =
        list_offsets((int32_t *)(void *)offsets, c, ix, bitmap_at(e, bitmap), n, &children.from);
    if (total > INT32_MAX) {
        return error_set(err, ERR_TOO_LARGE, "lists of %llu elements in one batch",
                         (unsigned long long)total);
    }
    uint64_t offsets_at = piece_commit(e, offsets_bytes, WIRE_PIECE_ALIGN);
    *ret_extent = (uint32_t)total;
    if (children.from != UINT32_MAX) {
        return encode_children(e, c, &children, (uint32_t)total, err);
    }
    struct buffer *rows = buffer_get(e->pool, total * sizeof(uint32_t));
    list_rows((uint32_t *)(void *)rows->data,
              (const int32_t *)(void *)(e->scratch->data + offsets_at), c, ix, n);
    children.rows32 = (const uint32_t *)(void *)rows->data;
    int rc = encode_children(e, c, &children, (uint32_t)total, err);
    buffer_unref(rows);
    return rc;
}

static int encode_column(struct batch_encoder *e, const struct column *c,
                         const struct row_index *ix, uint32_t n, struct error *err)
{
    uint32_t node = e->next_node++;
    uint32_t extent = 0;
    uint64_t bitmap;
    TRY(encode_validity(e, c, ix, n, &bitmap, err));
    switch (c->type->layout) {
    case LAYOUT_NULL:
        break;
    case LAYOUT_BIT:
        TRY(encode_bits(e, c, ix, n, bitmap, err));
        break;
    case LAYOUT_VIEW:
        TRY(encode_views(e, c, ix, n, bitmap, &extent, err));
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        TRY(encode_lists(e, c, ix, n, bitmap, &extent, err));
        break;
    case LAYOUT_STRUCT:
        TRY(encode_children(e, c, ix, n, err));
        break;
    default:
        TRY(encode_fixed(e, c, ix, n, bitmap, err));
        break;
    }
    *node_at(e, node) = (struct wire_node){
        .layout = (uint8_t)c->type->layout,
        .flags = bitmap != NO_BITMAP ? WIRE_NODE_NULLS : 0,
        .extent = extent,
    };
    return 0;
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* Kinds, timestamps, hashes: one value per row, no NULLs. */
static int encode_part(struct batch_encoder *e, const struct buffer *values, uint32_t width,
                       const struct row_index *ix, uint32_t n, struct error *err)
{
    uint64_t bytes = (uint64_t)n * width;
    if (row_index_is_range(ix)) {
        return piece_in_place(e, values->data, bytes, WIRE_PIECE_ALIGN, err);
    }
    uint8_t *to;
    TRY(piece_reserve(e, bytes, WIRE_PIECE_ALIGN, &to, err));
    gather_fixed(to, values->data, width, ix, n);
    piece_commit(e, bytes, WIRE_PIECE_ALIGN);
    return 0;
}

static uint32_t parts_of(const struct batch_encoder *e, const struct batch *b)
{
    uint32_t parts = (b->row_kinds != NULL ? BATCH_PART_KINDS : 0u) |
                     (b->timestamps != NULL ? BATCH_PART_TIMESTAMPS : 0u) |
                     (b->hashes != NULL ? BATCH_PART_HASHES : 0u);
    return parts & ~e->omit;
}

/* Everything, into e->scratch from its size on. */
static int encode_batch(struct batch_encoder *e, const struct batch *b, struct error *err)
{
    uint32_t n = b->n_sel;
    uint32_t n_nodes = b->n_columns + b->schema->n_nested;
    uint32_t parts = parts_of(e, b);
    struct row_index ix = {.rows16 = batch_sel(b)};
    uint64_t front = sizeof(struct wire_header) + (uint64_t)n_nodes * sizeof(struct wire_node);
    uint8_t *at;
    e->n_pieces = 0;
    e->total_bytes = 0;
    e->next_node = 0;
    TRY(piece_reserve(e, front, WIRE_ALIGN, &at, err));
    e->start = piece_commit(e, front, WIRE_ALIGN);
    if (parts & BATCH_PART_KINDS) {
        TRY(encode_part(e, b->row_kinds, sizeof(uint8_t), &ix, n, err));
    }
    if (parts & BATCH_PART_TIMESTAMPS) {
        TRY(encode_part(e, b->timestamps, sizeof(int64_t), &ix, n, err));
    }
    if (parts & BATCH_PART_HASHES) {
        TRY(encode_part(e, b->hashes, sizeof(uint64_t), &ix, n, err));
    }
    for (uint32_t i = 0; i < b->n_columns; i++) {
        TRY_CTX(err, encode_column(e, &b->columns[i], &ix, n, err), "encoding column '%s'",
                b->schema->fields[i].name);
    }
    TRY(piece_reserve(e, 0, WIRE_ALIGN, &at, err));
    piece_commit(e, 0, WIRE_ALIGN);
    ASSERT(e->next_node == n_nodes && n <= BATCH_ROWS_MAX);
    *(struct wire_header *)(void *)(e->scratch->data + e->start) = (struct wire_header){
        .version = BATCH_CODEC_VERSION,
        .parts = (uint8_t)parts,
        .n_columns = (uint16_t)b->n_columns,
        .n_rows = n,
        .size = (uint32_t)e->total_bytes,
    };
    return 0;
}

/* The pieces as addresses, once scratch moves no more. */
static void encoder_list_pieces(struct batch_encoder *e)
{
    if (e->cap_iov < e->n_pieces) {
        e->cap_iov = e->cap_pieces;
        e->iov = mem_realloc(e->iov, e->cap_iov * sizeof(*e->iov));
    }
    for (uint32_t i = 0; i < e->n_pieces; i++) {
        const struct batch_piece *p = &e->pieces[i];
        const void *base = p->in_place != NULL ? p->in_place : e->scratch->data + p->at;
        e->iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)base, .iov_len = p->len};
    }
    e->n_iov = e->n_pieces;
}

int batch_encode(struct batch_encoder *e, const struct batch *b, struct error *err)
{
    if (e->scratch != NULL && e->scratch->capacity > SCRATCH_KEEP_BYTES) {
        e->scratch = buffer_unref(e->scratch);
    }
    if (e->scratch == NULL) {
        e->scratch = buffer_get(e->pool, SCRATCH_FIRST_BYTES);
    }
    e->scratch->size = 0;
    e->flat = false;
    e->n_iov = 0;
    TRY(encode_batch(e, b, err));
    encoder_list_pieces(e);
    return 0;
}

int batch_encode_to(struct batch_encoder *e, const struct batch *b, struct buffer **inout,
                    struct error *err)
{
    if (*inout == NULL) {
        *inout = buffer_get(e->pool, SCRATCH_FIRST_BYTES);
    }
    ASSERT(((*inout)->size & (WIRE_ALIGN - 1)) == 0);
    struct buffer *own = e->scratch;
    uint64_t old_size = (*inout)->size;
    e->scratch = *inout;
    e->flat = true;
    e->n_iov = 0;
    int rc = encode_batch(e, b, err);
    *inout = e->scratch;
    e->scratch = own;
    if (rc < 0) {
        (*inout)->size = old_size;
    }
    return rc;
}
