/* The batch codec's decoder (codec.h; the format is in batch_wire.h).
 *
 * Two walks over the schema.  The first adds up what header and nodes claim and compares it with the
 * bytes that are there; nothing is allocated before it agrees.  The second makes the columns by
 * reference to the frame, and checks what lies in the pieces: offsets, padding, NULL cells.
 *
 * The columns' buffers are headers over parts of the frame.  They lie together in one pool buffer, a
 * `frame_share`, so that decoding calls no malloc; the last of them drops the frame. */
#include "engine/data/codec/batch_wire.h"

enum { VIEW_MASKS = VIEW_INLINE_MAX + 2 };

/* Thread: any (atomics). */
struct frame_share {
    _Atomic uint32_t refs;
    uint32_t n_buffers;
    struct buffer *self;     /* the buffer in which this lies */
    struct buffer *frame;    /* Owns a ref */
    struct buffer buffers[]; /* headers over parts of the frame, each a reference to this */
};

struct decoder {
    struct buffer_pool *pool; /* Borrows */
    struct buffer *frame;     /* Owns a ref; aligned, padded */
    const uint8_t *data;      /* of the encoding, in the frame */
    uint64_t size;
    uint64_t pos; /* end of the pieces walked over */
    uint32_t next_node;
    uint32_t n_pieces;
    struct frame_share *share; /* Owns a ref */
    struct error *err;         /* Borrows; may be NULL */
};

static int plan_column(struct decoder *d, const struct data_type *type, uint64_t n);
static int make_column(struct decoder *d, struct column *c, uint32_t n);
static uint64_t rows_bytes(const struct column *c, uint32_t from, uint32_t to);

/* ---- parts of the frame ------------------------------------------------------------------------ */

static void frame_share_unref(void *owner)
{
    struct frame_share *s = owner;
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        buffer_unref(s->frame);
        buffer_unref(s->self);
    }
}

static struct frame_share *frame_share_new(struct decoder *d)
{
    size_t size = sizeof(struct frame_share) + d->n_pieces * sizeof(struct buffer);
    struct buffer *self = buffer_get(d->pool, size);
    struct frame_share *s = (struct frame_share *)(void *)self->data;
    atomic_init(&s->refs, 1);
    s->n_buffers = 0;
    s->self = self;
    s->frame = buffer_ref(d->frame);
    return s;
}

/* A buffer over bytes of the encoding. */
static struct buffer *share_bytes(struct decoder *d, const uint8_t *bytes, uint64_t len)
{
    struct frame_share *s = d->share;
    ASSERT(s->n_buffers < d->n_pieces);
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    struct buffer *b = &s->buffers[s->n_buffers++];
    buffer_wrap_at(b, (void *)(uintptr_t)bytes, len, frame_share_unref, s);
    return b;
}

/* Makes the frame of a source: its own, when all of the encoding can be referred to there. */
static struct buffer *take_frame(struct buffer_pool *pool, const struct batch_source *source)
{
    struct buffer *frame = source->frame;
    if (frame != NULL) {
        uint64_t offset = (uint64_t)(source->data - frame->data);
        uint64_t padded = frame->capacity + (frame->pool != NULL ? BUFFER_PADDING : 0);
        ASSERT(source->data >= frame->data && offset + source->size <= frame->size);
        if (((uintptr_t)source->data & (WIRE_ALIGN - 1)) == 0 &&
            offset + source->size + BUFFER_PADDING <= padded &&
            offset + source->size <= BATCH_CODEC_BYTES_MAX) {
            return buffer_ref(frame);
        }
    }
    struct buffer *copy = buffer_get(pool, source->size);
    memcpy(copy->data, source->data, source->size);
    copy->size = source->size;
    return copy;
}

/* ---- first walk: sizes ------------------------------------------------------------------------- */

/* Inline, so that the compiler sees that it fails. */
static ALWAYS_INLINE int corrupt(const struct decoder *d, const char *what)
{
    return error_set(d->err, ERR_CORRUPT, "encoded batch: %s", what);
}

static struct wire_node node_at(const struct decoder *d, uint32_t node)
{
    struct wire_node n;
    memcpy(&n, d->data + sizeof(struct wire_header) + (uint64_t)node * sizeof(n), sizeof(n));
    return n;
}

static bool all_zero(const uint8_t *bytes, uint64_t n)
{
    uint8_t any = 0;
    for (uint64_t i = 0; i < n; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

static int plan_piece(struct decoder *d, uint64_t len, uint64_t align)
{
    uint64_t at = wire_align(d->pos, align);
    if (at + len > d->size) {
        return corrupt(d, "a column is longer than the batch");
    }
    if (!all_zero(d->data + d->pos, at - d->pos)) {
        return corrupt(d, "bytes between columns are not zero");
    }
    d->pos = at + len;
    d->n_pieces++;
    return 0;
}

static int plan_children(struct decoder *d, const struct data_type *type, uint64_t n)
{
    for (uint32_t i = 0; i < type_child_columns(type); i++) {
        TRY(plan_column(d, type_child_column(type, i), n));
    }
    return 0;
}

static int plan_column(struct decoder *d, const struct data_type *type, uint64_t n)
{
    struct wire_node node = node_at(d, d->next_node++);
    bool has_extent =
        type->layout == LAYOUT_VIEW || type->layout == LAYOUT_LIST || type->layout == LAYOUT_MAP;
    if (node.layout != (uint8_t)type->layout) {
        return corrupt(d, "a column has another layout than its type");
    }
    if ((node.flags & ~WIRE_NODE_NULLS) != 0 || node.zero != 0 ||
        (!has_extent && node.extent != 0) || node.extent > INT32_MAX ||
        (wire_has_bitmap_always(type) && node.flags == 0)) {
        return corrupt(d, "a column is described by unknown bits");
    }
    if (node.flags & WIRE_NODE_NULLS) {
        TRY(plan_piece(d, wire_bitmap_bytes(n), WIRE_PIECE_ALIGN));
    }
    switch (type->layout) {
    case LAYOUT_NULL:
        return 0;
    case LAYOUT_STRUCT:
        return plan_children(d, type, n);
    case LAYOUT_BIT:
        return plan_piece(d, wire_bitmap_bytes(n), WIRE_PIECE_ALIGN);
    case LAYOUT_VIEW:
        TRY(plan_piece(d, (n + 1) * sizeof(int32_t), WIRE_PIECE_ALIGN));
        return plan_piece(d, node.extent, 1);
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        TRY(plan_piece(d, (n + 1) * sizeof(int32_t), WIRE_PIECE_ALIGN));
        return plan_children(d, type, node.extent);
    default:
        return plan_piece(d, n * type->width, wire_value_align(type));
    }
}

static int plan_batch(struct decoder *d, const struct schema *schema, struct wire_header *ret)
{
    struct wire_header h;
    if (d->size < sizeof(h)) {
        return corrupt(d, "shorter than its header");
    }
    memcpy(&h, d->data, sizeof(h));
    if (h.version != BATCH_CODEC_VERSION) {
        return error_set(d->err, ERR_UNSUPPORTED,
                         "encoded batch: version %u, this program reads version %d", h.version,
                         BATCH_CODEC_VERSION);
    }
    if (h.size != d->size || h.zero != 0 || (h.size & (WIRE_ALIGN - 1)) != 0 ||
        h.size > BATCH_CODEC_BYTES_MAX) {
        return corrupt(d, "another size than its header says");
    }
    if (h.n_rows > BATCH_ROWS_MAX) {
        return corrupt(d, "more rows than a batch may have");
    }
    if ((h.parts & ~(BATCH_PART_KINDS | BATCH_PART_TIMESTAMPS | BATCH_PART_HASHES)) != 0) {
        return corrupt(d, "unknown parts");
    }
    if (h.n_columns != schema->n_fields) {
        return error_set(d->err, ERR_CORRUPT, "encoded batch: %u columns where %u are expected",
                         h.n_columns, schema->n_fields);
    }
    d->pos = sizeof(h);
    d->n_pieces = 0;
    d->next_node = 0;
    uint64_t n_nodes = (uint64_t)schema->n_fields + schema->n_nested;
    TRY(plan_piece(d, n_nodes * sizeof(struct wire_node), WIRE_PIECE_ALIGN));
    static const uint32_t PART_WIDTHS[] = {sizeof(uint8_t), sizeof(int64_t), sizeof(uint64_t)};
    for (uint32_t i = 0; i < ARRAY_LEN(PART_WIDTHS); i++) {
        if (h.parts & (1u << i)) {
            TRY(plan_piece(d, (uint64_t)h.n_rows * PART_WIDTHS[i], WIRE_PIECE_ALIGN));
        }
    }
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        TRY_CTX(d->err, plan_column(d, schema->fields[i].type, h.n_rows), "decoding column '%s'",
                schema->fields[i].name);
    }
    TRY(plan_piece(d, 0, WIRE_ALIGN));
    if (d->pos != d->size) {
        return corrupt(d, "longer than its columns");
    }
    *ret = h;
    return 0;
}

/* ---- kernels ----------------------------------------------------------------------------------- */

static bool nulls_are_zero(const uint8_t *values, uint32_t width, const uint8_t *bits, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 8) {
        uint32_t nulls = (uint8_t)~bits[i / 8];
        for (; nulls != 0; nulls &= nulls - 1) {
            uint32_t row = i + (uint32_t)__builtin_ctz(nulls);
            if (row < n && !all_zero(values + (uint64_t)row * width, width)) {
                return false;
            }
        }
    }
    return true;
}

static bool nulls_are_empty(const int32_t *offsets, const uint8_t *bits, uint32_t n)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t null = 1u ^ ((uint32_t)(bits[i >> 3] >> (i & 7)) & 1u);
        bad |= null & (uint32_t)(offsets[i] != offsets[i + 1]);
    }
    return bad == 0;
}

/* From 0 to `end`, never falling: then all of them are inside. */
static bool offsets_are_valid(const int32_t *offsets, uint32_t n, uint32_t end)
{
    uint32_t falls = 0;
    for (uint32_t i = 0; i < n; i++) {
        falls |= (uint32_t)(offsets[i + 1] < offsets[i]);
    }
    return falls == 0 && offsets[0] == 0 && (uint32_t)offsets[n] == end;
}

static bool nanos_are_valid(const struct ts_nano *values, uint32_t n)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        bad |= (uint32_t)((uint32_t)values[i].nanos > WIRE_NANOS_MAX) | (uint32_t)values[i].pad;
    }
    return bad == 0;
}

/* Views of strings that lie in order from `base` in the only data buffer, at `first` in memory.  Reads
 * up to 12 bytes behind a string.  Returns whether a view refers to the data buffer.
 *
 * Without a branch on the length: of the first 12 bytes, masks keep those that belong into the view,
 * and the offset goes over the last 4 when the string is long. */
static bool make_views(struct view *restrict views, const int32_t *restrict offsets,
                       const uint8_t *restrict first, uint32_t base, uint32_t n)
{
#define LOW_BYTES(k) ((k) >= 8 ? UINT64_MAX : (UINT64_C(1) << (((k)&7) * 8)) - 1)
#define WORD_0(k) (uint32_t) LOW_BYTES((k) > 4 ? 4 : (k))
#define WORD_1(k) LOW_BYTES((k) > 4 ? (k)-4 : 0)
    static const uint32_t MASK_0[VIEW_MASKS] = {
        WORD_0(0), WORD_0(1), WORD_0(2), WORD_0(3),  WORD_0(4),  WORD_0(5),  WORD_0(6),
        WORD_0(7), WORD_0(8), WORD_0(9), WORD_0(10), WORD_0(11), WORD_0(12), WORD_0(4)};
    static const uint64_t MASK_1[VIEW_MASKS] = {
        WORD_1(0), WORD_1(1), WORD_1(2), WORD_1(3),  WORD_1(4),  WORD_1(5),  WORD_1(6),
        WORD_1(7), WORD_1(8), WORD_1(9), WORD_1(10), WORD_1(11), WORD_1(12), 0};
#undef WORD_0
#undef WORD_1
#undef LOW_BYTES
    uint32_t longest = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t offset = (uint32_t)offsets[i];
        uint32_t len = (uint32_t)offsets[i + 1] - offset;
        uint32_t word_0;
        uint64_t word_1;
        memcpy(&word_0, first + offset, sizeof(word_0));
        memcpy(&word_1, first + offset + sizeof(word_0), sizeof(word_1));
        uint32_t k = MIN(len, (uint32_t)VIEW_INLINE_MAX + 1);
        uint64_t is_long = -(uint64_t)(len > VIEW_INLINE_MAX);
        views[i].len = (int32_t)len;
        views[i].word0 = word_0 & MASK_0[k];
        views[i].word1 = (word_1 & MASK_1[k]) | (((uint64_t)(base + offset) << 32) & is_long);
        longest = MAX(longest, len);
    }
    return longest > VIEW_INLINE_MAX;
}

/* ---- second walk: columns ---------------------------------------------------------------------- */

/* The next piece, which is known to be there. */
static const uint8_t *take_piece(struct decoder *d, uint64_t len, uint64_t align)
{
    uint64_t at = wire_align(d->pos, align);
    d->pos = at + len;
    return d->data + at;
}

/* A bitmap is there exactly when it is always there or a row is NULL. */
static int make_validity(struct decoder *d, struct column *c, uint32_t n, const uint8_t **ret_bits)
{
    uint64_t bytes = wire_bitmap_bytes(n);
    const uint8_t *bits = take_piece(d, bytes, WIRE_PIECE_ALIGN);
    uint64_t ones = wire_count_ones(bits, n);
    if (bytes > 0 && (bits[bytes - 1] & ~wire_tail_mask(n)) != 0) {
        return corrupt(d, "bits behind a bitmap's end");
    }
    if (c->type->layout == LAYOUT_NULL ? ones != 0
                                       : ones == n && !wire_has_bitmap_always(c->type)) {
        return corrupt(d, "a bitmap that does not fit its column");
    }
    if (ones < n || c->type->layout == LAYOUT_NULL) {
        column_set_validity(c, share_bytes(d, bits, bytes));
        *ret_bits = bits;
    }
    return 0;
}

static int make_bits(struct decoder *d, struct column *c, uint32_t n, const uint8_t *nulls)
{
    uint64_t bytes = wire_bitmap_bytes(n);
    const uint8_t *values = take_piece(d, bytes, WIRE_PIECE_ALIGN);
    if (bytes > 0 && (values[bytes - 1] & ~wire_tail_mask(n)) != 0) {
        return corrupt(d, "bits behind a column's end");
    }
    uint32_t bad = 0;
    for (uint64_t i = 0; nulls != NULL && i < bytes; i++) {
        bad |= values[i] & (uint32_t)(uint8_t)~nulls[i];
    }
    if (bad != 0) {
        return corrupt(d, "a NULL with a value");
    }
    column_set_values(c, share_bytes(d, values, bytes));
    return 0;
}

static int make_fixed(struct decoder *d, struct column *c, uint32_t n, const uint8_t *nulls)
{
    uint32_t width = c->type->width;
    const uint8_t *values = take_piece(d, (uint64_t)n * width, wire_value_align(c->type));
    if (nulls != NULL && !nulls_are_zero(values, width, nulls, n)) {
        return corrupt(d, "a NULL with a value");
    }
    if (c->type->layout == LAYOUT_TS_NANO &&
        !nanos_are_valid((const struct ts_nano *)(const void *)values, n)) {
        return corrupt(d, "nanoseconds outside of their millisecond");
    }
    column_set_values(c, share_bytes(d, values, (uint64_t)n * width));
    return 0;
}

static int take_offsets(struct decoder *d, uint32_t n, uint32_t end, const uint8_t *nulls,
                        const int32_t **ret)
{
    const uint8_t *piece = take_piece(d, ((uint64_t)n + 1) * sizeof(int32_t), WIRE_PIECE_ALIGN);
    const int32_t *offsets = (const int32_t *)(const void *)piece;
    if (!offsets_are_valid(offsets, n, end)) {
        return corrupt(d, "an offset outside of its column");
    }
    if (nulls != NULL && !nulls_are_empty(offsets, nulls, n)) {
        return corrupt(d, "a NULL with a value");
    }
    *ret = offsets;
    return 0;
}

static int make_string_views(struct decoder *d, struct column *c, uint32_t n, uint32_t extent,
                             const uint8_t *nulls)
{
    const int32_t *offsets;
    const uint8_t *bytes;
    TRY(take_offsets(d, n, extent, nulls, &offsets));
    bytes = take_piece(d, extent, 1);
    struct buffer *values = buffer_get(d->pool, (uint64_t)n * sizeof(struct view));
    values->size = (uint64_t)n * sizeof(struct view);
    column_set_values(c, values);
    uint32_t base = (uint32_t)(bytes - d->frame->data);
    if (make_views((struct view *)(void *)values->data, offsets, bytes, base, n)) {
        column_add_data(d->pool, c, buffer_ref(d->frame));
    }
    return 0;
}

static int make_lists(struct decoder *d, struct column *c, uint32_t n, uint32_t extent,
                      const uint8_t *nulls)
{
    const int32_t *offsets;
    TRY(take_offsets(d, n, extent, nulls, &offsets));
    column_set_values(
        c, share_bytes(d, (const uint8_t *)offsets, ((uint64_t)n + 1) * sizeof(int32_t)));
    c->child_rows = extent;
    for (uint32_t i = 0; i < c->n_children; i++) {
        TRY(make_column(d, &c->children[i], extent));
    }
    return 0;
}

static int make_column(struct decoder *d, struct column *c, uint32_t n)
{
    struct wire_node node = node_at(d, d->next_node++);
    const uint8_t *nulls = NULL;
    if (node.flags & WIRE_NODE_NULLS) {
        TRY(make_validity(d, c, n, &nulls));
    }
    switch (c->type->layout) {
    case LAYOUT_NULL:
        return 0;
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < c->n_children; i++) {
            TRY(make_column(d, &c->children[i], n));
        }
        return 0;
    case LAYOUT_BIT:
        return make_bits(d, c, n, nulls);
    case LAYOUT_VIEW:
        return make_string_views(d, c, n, node.extent, nulls);
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        return make_lists(d, c, n, node.extent, nulls);
    default:
        return make_fixed(d, c, n, nulls);
    }
}

/* Kinds, timestamps and hashes. */
static int make_parts(struct decoder *d, struct batch *b, uint32_t parts)
{
    const uint8_t *at;
    uint32_t n = b->n_rows;
    if (parts & BATCH_PART_KINDS) {
        at = take_piece(d, n, WIRE_PIECE_ALIGN);
        uint32_t bad = 0;
        for (uint32_t i = 0; i < n; i++) {
            bad |= (uint32_t)(at[i] > ROW_KIND_DELETE);
        }
        if (bad != 0) {
            return corrupt(d, "an unknown row kind");
        }
        b->row_kinds = share_bytes(d, at, n);
    }
    if (parts & BATCH_PART_TIMESTAMPS) {
        at = take_piece(d, n * sizeof(int64_t), WIRE_PIECE_ALIGN);
        b->timestamps = share_bytes(d, at, n * sizeof(int64_t));
    }
    if (parts & BATCH_PART_HASHES) {
        at = take_piece(d, n * sizeof(uint64_t), WIRE_PIECE_ALIGN);
        b->hashes = share_bytes(d, at, n * sizeof(uint64_t));
    }
    return 0;
}

static int make_batch(struct decoder *d, struct batch *b, uint32_t parts)
{
    d->pos = sizeof(struct wire_header) +
             ((uint64_t)b->n_columns + b->schema->n_nested) * sizeof(struct wire_node);
    d->next_node = 0;
    TRY(make_parts(d, b, parts));
    for (uint32_t i = 0; i < b->n_columns; i++) {
        TRY_CTX(d->err, make_column(d, &b->columns[i], b->n_rows), "decoding column '%s'",
                b->schema->fields[i].name);
    }
    return 0;
}

/* ---- the limit of a row ------------------------------------------------------------------------ */

static uint64_t children_bytes(const struct column *c, uint32_t from, uint32_t to)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < c->n_children; i++) {
        bytes += rows_bytes(&c->children[i], from, to);
    }
    return bytes;
}

/* Bytes of the values of a column's rows [from, to). */
static uint64_t rows_bytes(const struct column *c, uint32_t from, uint32_t to)
{
    uint64_t bytes = column_values_bytes(c->type, to - from);
    switch (c->type->layout) {
    case LAYOUT_VIEW:
        for (uint32_t i = from; i < to; i++) {
            bytes += (uint64_t)COLUMN_VALUES(c, const struct view)[i].len;
        }
        return bytes;
    case LAYOUT_LIST:
    case LAYOUT_MAP: {
        const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
        return bytes + children_bytes(c, (uint32_t)offsets[from], (uint32_t)offsets[to]);
    }
    case LAYOUT_STRUCT:
        return children_bytes(c, from, to);
    default:
        return bytes;
    }
}

static int check_row_bytes(const struct decoder *d, const struct batch *b, uint64_t limit)
{
    /* No row is larger than all of them; a view takes 12 bytes more than its offset. */
    if (d->size * 4 <= limit) {
        return 0;
    }
    for (uint32_t row = 0; row < b->n_rows; row++) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < b->n_columns; i++) {
            bytes += rows_bytes(&b->columns[i], row, row + 1);
        }
        if (bytes > limit) {
            return error_set(d->err, ERR_TOO_LARGE,
                             "encoded batch: row %u has %llu bytes, the limit is %llu", row,
                             (unsigned long long)bytes, (unsigned long long)limit);
        }
    }
    return 0;
}

/* ---- batches ----------------------------------------------------------------------------------- */

int batch_decode(struct buffer_pool *pool, const struct schema *schema,
                 const struct batch_source *source, struct batch **ret, struct error *err)
{
    struct decoder d = {.pool = pool, .data = source->data, .size = source->size, .err = err};
    struct wire_header header;
    TRY(plan_batch(&d, schema, &header));
    d.frame = take_frame(pool, source);
    if (source->frame != d.frame) {
        d.data = d.frame->data;
    }
    d.share = frame_share_new(&d);
    struct batch *b = batch_new(pool, schema);
    b->n_rows = header.n_rows;
    b->n_sel = header.n_rows;
    int rc = make_batch(&d, b, header.parts);
    if (rc >= 0) {
        uint64_t limit = source->max_row_bytes;
        rc = check_row_bytes(&d, b, limit > 0 ? limit : BATCH_ROW_BYTES_MAX_DEFAULT);
    }
    frame_share_unref(d.share);
    buffer_unref(d.frame);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    *ret = b;
    return 0;
}
