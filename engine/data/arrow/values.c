/* Values of Arrow arrays as columns (import.h).
 *
 * Foreign buffers have no padding and no alignment that one could rely on: everything is copied but long
 * runs of string bytes.  Those are referred to, except for the strings that end within BUFFER_PADDING of
 * their buffer's end, which are copied too, as views promise that many readable bytes behind them. */
#include "engine/data/arrow/import.h"

enum {
    NANOS_PER_MS = 1000000,
    MS_PER_DAY = 86400000,
    COPY_BELOW_BYTES = 16 * 1024, /* shorter runs of string bytes are copied whole */
};

/* What is to be imported, and where to. */
struct import_task {
    struct arrow_import *import; /* Borrows */
    struct buffer_pool *pool;    /* Borrows */
    struct error *err;           /* Borrows; may be NULL */
};

static int import_node(struct import_task *t, const struct import_node *node, int64_t from,
                       uint32_t n, struct column *ret);

/* ---- validity ---------------------------------------------------------------------------------- */

/* n bits from bit `from` on, zeros behind them; no byte is read that holds none of them. */
static void copy_bits(uint8_t *to, const uint8_t *from_bits, int64_t from, uint32_t n)
{
    memset(to, 0, ((size_t)n + 7) / 8);
    if ((from & 7) == 0) {
        memcpy(to, from_bits + from / 8, ((size_t)n + 7) / 8);
        if ((n & 7) != 0) {
            to[n / 8] &= (uint8_t)((1u << (n & 7)) - 1);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        int64_t at = from + i;
        to[i / 8] |= (uint8_t)(((from_bits[at / 8] >> (at & 7)) & 1u) << (i & 7));
    }
}

uint32_t import_validity(const struct ArrowArray *array, int64_t from, uint32_t n, uint8_t *to)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;
    if (bits == NULL || array->null_count == 0 || n == 0) {
        return 0;
    }
    copy_bits(to, bits, from, n);
    uint32_t nulls = n;
    for (uint32_t i = 0; i < n; i += 8) {
        nulls -= (uint32_t)__builtin_popcount(to[i / 8]);
    }
    return nulls;
}

static struct buffer *new_buffer(struct import_task *t, uint64_t size)
{
    struct buffer *b = buffer_get(t->pool, size);
    b->size = size;
    return b;
}

static void make_validity(struct import_task *t, const struct import_node *node, int64_t at,
                          uint32_t n, struct column *ret)
{
    struct buffer *bits = new_buffer(t, ((uint64_t)n + 7) / 8);
    if (node->format.storage == ARROW_NULLS) {
        memset(bits->data, 0, bits->size);
        column_set_validity(ret, bits);
    } else if (import_validity(node->array, at, n, bits->data) > 0) {
        column_set_validity(ret, bits);
    } else {
        buffer_unref(bits);
    }
}

/* ---- fixed-width values ------------------------------------------------------------------------ */

static int64_t read_i64(const uint8_t *from, const struct arrow_format *f)
{
    uint64_t v = 0;
    memcpy(&v, from, f->width);
    uint32_t shift = 64 - f->width * 8;
    return f->is_unsigned ? (int64_t)v : (int64_t)(v << shift) >> shift;
}

static int64_t floor_div(int64_t v, int64_t by)
{
    return v / by - (v % by < 0);
}

static int scale_values(struct import_task *t, const struct import_node *node, const uint8_t *from,
                        uint32_t n, struct column *ret)
{
    const struct arrow_format *f = &node->format;
    uint32_t width = node->type->width;
    int64_t limit = width == 8 ? INT64_MAX : (INT64_C(1) << (width * 8 - 1)) - 1;
    for (uint32_t i = 0; i < n; i++) {
        int64_t v = 0;
        if (!column_is_null(ret, i)) {
            v = floor_div(read_i64(from + (size_t)i * f->width, f), f->divide);
            if (__builtin_mul_overflow(v, (int64_t)f->multiply, &v) || v > limit ||
                v < -limit - 1) {
                return error_set(t->err, ERR_TOO_LARGE, "a value is out of the range of %s",
                                 type_id_name(node->type->id));
            }
        }
        memcpy(ret->values->data + (size_t)i * width, &v, width);
    }
    return 0;
}

static int decimal_values(struct import_task *t, const struct import_node *node,
                          const uint8_t *from, uint32_t n, struct column *ret)
{
    const struct arrow_format *f = &node->format;
    uint32_t width = node->type->width;
    __int128 limit = 1;
    for (int32_t i = 0; i < node->type->precision; i++) {
        limit *= 10;
    }
    for (uint32_t i = 0; i < n; i++) {
        __int128 v = 0;
        if (!column_is_null(ret, i) && f->width == sizeof(v)) {
            memcpy(&v, from + (size_t)i * sizeof(v), sizeof(v));
        } else if (!column_is_null(ret, i)) {
            int64_t narrow = read_i64(from + (size_t)i * f->width, f);
            v = f->is_unsigned ? (__int128)(uint64_t)narrow : narrow;
        }
        if (v >= limit || v <= -limit) {
            return error_set(t->err, ERR_TOO_LARGE, "a decimal of more than %d digits",
                             node->type->precision);
        }
        memcpy(ret->values->data + (size_t)i * width, &v, width);
    }
    return 0;
}

static void nano_values(const uint8_t *from, uint32_t n, struct column *ret)
{
    struct ts_nano *to = COLUMN_VALUES(ret, struct ts_nano);
    for (uint32_t i = 0; i < n; i++) {
        int64_t v;
        memcpy(&v, from + (size_t)i * sizeof(v), sizeof(v));
        v = column_is_null(ret, i) ? 0 : v;
        int64_t millis = floor_div(v, NANOS_PER_MS);
        to[i] = (struct ts_nano){millis, (int32_t)(v - millis * NANOS_PER_MS), 0};
    }
}

static void day_values(const uint8_t *from, uint32_t n, struct column *ret)
{
    int64_t *to = COLUMN_VALUES(ret, int64_t);
    for (uint32_t i = 0; i < n; i++) {
        int32_t parts[2];
        memcpy(parts, from + (size_t)i * sizeof(parts), sizeof(parts));
        to[i] = column_is_null(ret, i) ? 0 : (int64_t)parts[0] * MS_PER_DAY + parts[1];
    }
}

static int import_fixed(struct import_task *t, const struct import_node *node, int64_t at,
                        uint32_t n, struct column *ret)
{
    const uint8_t *from = node->array->buffers[1];
    column_set_values(ret, new_buffer(t, column_values_bytes(node->type, n)));
    if (node->format.storage == ARROW_BITS) {
        copy_bits(ret->values->data, from, at, n);
        return 0;
    }
    from += (size_t)at * node->format.width;
    switch (node->format.convert) {
    case ARROW_SCALE:
        return scale_values(t, node, from, n, ret);
    case ARROW_DECIMAL:
        return decimal_values(t, node, from, n, ret);
    case ARROW_NANOS:
        nano_values(from, n, ret);
        return 0;
    case ARROW_DAYS_MILLIS:
        day_values(from, n, ret);
        return 0;
    case ARROW_COPY:
        break;
    }
    ASSERT(node->format.width == node->type->width);
    memcpy(ret->values->data, from, (size_t)n * node->format.width);
    return 0;
}

/* ---- offsets ----------------------------------------------------------------------------------- */

/* Offset i of rows that begin at `at`, whatever the storage. */
static int64_t offset_at(const struct import_node *node, int64_t at, uint32_t i)
{
    const struct arrow_format *f = &node->format;
    if (f->storage == ARROW_BYTES || f->storage == ARROW_TUPLES) {
        return (at + i) * (int64_t)f->width;
    }
    const uint8_t *from = (const uint8_t *)node->array->buffers[1] + (size_t)(at + i) * f->width;
    int64_t v = 0;
    int32_t narrow;
    if (f->width == sizeof(v)) {
        memcpy(&v, from, sizeof(v));
        return v;
    }
    memcpy(&narrow, from, sizeof(narrow));
    return narrow;
}

/* The offsets of n rows begin at *ret_first >= 0, do not fall, and span less than 2 GiB. */
static int check_offsets(struct import_task *t, const struct import_node *node, int64_t at,
                         uint32_t n, int64_t *ret_first, int64_t *ret_end)
{
    int64_t first = offset_at(node, at, 0);
    int64_t before = first;
    for (uint32_t i = 1; i <= n; i++) {
        int64_t next = offset_at(node, at, i);
        if (next < before) {
            return error_set(t->err, ERR_CORRUPT, "an Arrow array whose offsets decrease");
        }
        before = next;
    }
    if (first < 0) {
        return error_set(t->err, ERR_CORRUPT, "an Arrow array with a negative offset");
    }
    if (before - first > INT32_MAX) {
        return error_set(t->err, ERR_TOO_LARGE, "strings or lists of 2 GiB and more in one batch");
    }
    *ret_first = first;
    *ret_end = before;
    return 0;
}

/* ---- strings ----------------------------------------------------------------------------------- */

/* A string in foreign memory, and the foreign buffer in which it ends. */
struct foreign_string {
    const char *data;
    uint32_t len;
    const char *end; /* of the buffer */
};

static bool ends_within_padding(const struct foreign_string *s)
{
    return s->len > VIEW_INLINE_MAX && s->end - (s->data + s->len) < BUFFER_PADDING;
}

static struct view make_view(const char *data, uint32_t len, int32_t buffer, int64_t offset)
{
    if (len <= VIEW_INLINE_MAX) {
        return view_inline(data, len);
    }
    struct view v = {.len = (int32_t)len};
    memcpy(v.prefix, data, sizeof(v.prefix));
    v.buffer = buffer;
    v.offset = (int32_t)offset;
    return v;
}

/* A new last data buffer of a column, for strings that are copied. */
struct string_copies {
    struct buffer *buffer; /* Borrows: the column's; NULL: none */
    int32_t number;
};

static void copies_start(struct import_task *t, struct column *c, uint64_t bytes,
                         struct string_copies *ret)
{
    *ret = (struct string_copies){.number = (int32_t)c->n_data};
    if (bytes > 0) {
        ret->buffer = buffer_get(t->pool, bytes);
        column_add_data(t->pool, c, ret->buffer);
    }
}

static struct view copies_add(struct string_copies *copies, const struct foreign_string *s)
{
    uint64_t offset = copies->buffer->size;
    memcpy(copies->buffer->data + offset, s->data, s->len);
    copies->buffer->size += s->len;
    return make_view(s->data, s->len, copies->number, (int64_t)offset);
}

/* Foreign bytes as a data buffer of the column; they keep the import alive. */
static int32_t add_foreign(struct import_task *t, struct column *c, const char *data, int64_t size)
{
    atomic_fetch_add_explicit(&t->import->refs, 1, memory_order_relaxed);
    column_add_data(
        t->pool, c,
        buffer_wrap((void *)(uintptr_t)data, (uint64_t)size, arrow_import_drop, t->import));
    return (int32_t)c->n_data - 1;
}

/* Strings that lie in one run of bytes, in order. */
static int import_run(struct import_task *t, const struct import_node *node, int64_t at, uint32_t n,
                      struct column *ret)
{
    int64_t first, end;
    TRY(check_offsets(t, node, at, n, &first, &end));
    const char *bytes = node->array->buffers[node->format.storage == ARROW_BYTES ? 1 : 2];
    if (bytes == NULL && end > first) {
        return error_set(t->err, ERR_CORRUPT, "an Arrow array of strings without bytes");
    }
    bool refer = end - first >= COPY_BELOW_BYTES;
    uint64_t copied = refer ? 0 : (uint64_t)(end - first);
    struct string_copies copies;
    struct view *views = COLUMN_VALUES(ret, struct view);
    int32_t foreign = refer ? add_foreign(t, ret, bytes + first, end - first) : 0;
    for (uint32_t i = n; refer && i > 0; i--) {
        int64_t from = offset_at(node, at, i - 1), to = offset_at(node, at, i);
        if (end - to >= BUFFER_PADDING) {
            break;
        }
        copied += (uint64_t)(to - from);
    }
    copies_start(t, ret, copied, &copies);
    for (uint32_t i = 0; i < n; i++) {
        int64_t from = offset_at(node, at, i), to = offset_at(node, at, i + 1);
        if (from == to || column_is_null(ret, i)) {
            views[i] = (struct view){0};
            continue;
        }
        struct foreign_string s = {bytes + from, (uint32_t)(to - from), bytes + end};
        if (s.len > VIEW_INLINE_MAX && (!refer || ends_within_padding(&s))) {
            views[i] = copies_add(&copies, &s);
        } else {
            views[i] = make_view(s.data, s.len, foreign, from - first);
        }
    }
    return 0;
}

/* The string of a foreign view, checked against the sizes of the data buffers. */
static int read_view(struct import_task *t, const struct ArrowArray *array, int64_t row,
                     struct foreign_string *ret, int32_t *ret_buffer)
{
    const struct view *from = (const struct view *)array->buffers[1] + row;
    struct view v;
    memcpy(&v, from, sizeof(v));
    int64_t n_data = array->n_buffers - 3;
    if (v.len < 0) {
        return error_set(t->err, ERR_CORRUPT, "an Arrow string of a negative length");
    }
    if (v.len <= VIEW_INLINE_MAX) {
        *ret = (struct foreign_string){from->inlined, (uint32_t)v.len, NULL};
        return 0;
    }
    if (v.buffer < 0 || v.buffer >= n_data) {
        return error_set(t->err, ERR_CORRUPT, "an Arrow string in a buffer that does not exist");
    }
    int64_t size;
    const uint8_t *sizes = array->buffers[array->n_buffers - 1];
    const char *data = array->buffers[2 + v.buffer];
    memcpy(&size, sizes + (size_t)v.buffer * sizeof(size), sizeof(size));
    if (data == NULL || v.offset < 0 || (int64_t)v.offset + v.len > size) {
        return error_set(t->err, ERR_CORRUPT, "an Arrow string that reaches beyond its buffer");
    }
    *ret = (struct foreign_string){data + v.offset, (uint32_t)v.len, data + size};
    *ret_buffer = v.buffer;
    return 0;
}

/* Views: `numbers` has the column's number of each foreign data buffer, -1 before it is used. */
static int import_views_into(struct import_task *t, const struct ArrowArray *array, int64_t at,
                             uint32_t n, struct column *ret, int32_t *numbers)
{
    uint64_t total = 0, tails = 0;
    struct foreign_string s;
    int32_t buffer = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!column_is_null(ret, i)) {
            TRY(read_view(t, array, at + i, &s, &buffer));
            total += s.len > VIEW_INLINE_MAX ? s.len : 0;
            tails += ends_within_padding(&s) ? s.len : 0;
        }
    }
    bool refer = total >= COPY_BELOW_BYTES;
    struct string_copies copies;
    struct view *views = COLUMN_VALUES(ret, struct view);
    if ((refer ? tails : total) > INT32_MAX) {
        return error_set(t->err, ERR_TOO_LARGE, "strings of 2 GiB and more in one batch");
    }
    copies_start(t, ret, refer ? tails : total, &copies);
    for (uint32_t i = 0; i < n; i++) {
        if (column_is_null(ret, i)) {
            views[i] = (struct view){0};
            continue;
        }
        TRY(read_view(t, array, at + i, &s, &buffer));
        if (s.len <= VIEW_INLINE_MAX) {
            views[i] = view_inline(s.data, s.len);
        } else if (!refer || ends_within_padding(&s)) {
            views[i] = copies_add(&copies, &s);
        } else {
            const char *data = array->buffers[2 + buffer];
            if (numbers[buffer] < 0) {
                numbers[buffer] = add_foreign(t, ret, data, s.end - data);
            }
            views[i] = make_view(s.data, s.len, numbers[buffer], s.data - data);
        }
    }
    return 0;
}

static int import_views(struct import_task *t, const struct import_node *node, int64_t at,
                        uint32_t n, struct column *ret)
{
    uint64_t n_data = (uint64_t)node->array->n_buffers - 3;
    struct buffer *numbers = buffer_get(t->pool, n_data * sizeof(int32_t));
    memset(numbers->data, 0xff, n_data * sizeof(int32_t));
    int rc = import_views_into(t, node->array, at, n, ret, (int32_t *)(void *)numbers->data);
    buffer_unref(numbers);
    return rc;
}

static int import_strings(struct import_task *t, const struct import_node *node, int64_t at,
                          uint32_t n, struct column *ret)
{
    column_set_values(ret, new_buffer(t, column_values_bytes(node->type, n)));
    return node->format.storage == ARROW_VIEWS ? import_views(t, node, at, n, ret)
                                               : import_run(t, node, at, n, ret);
}

/* ---- nested values ----------------------------------------------------------------------------- */

static int import_lists(struct import_task *t, const struct import_node *node, int64_t at,
                        uint32_t n, struct column *ret)
{
    int64_t first, end;
    TRY(check_offsets(t, node, at, n, &first, &end));
    const struct ArrowArray *child =
        node->entries != NULL ? node->entries : node->array->children[0];
    if (end > child->length) {
        return error_set(t->err, ERR_CORRUPT, "an Arrow list that reaches beyond its elements");
    }
    column_set_values(ret, new_buffer(t, column_values_bytes(node->type, n)));
    int32_t *offsets = COLUMN_VALUES(ret, int32_t);
    for (uint32_t i = 0; i <= n; i++) {
        offsets[i] = (int32_t)(offset_at(node, at, i) - first);
    }
    ret->child_rows = (uint32_t)(end - first);
    /* The struct of a map's entries has an offset of its own. */
    int64_t from = first + (node->entries != NULL ? node->entries->offset : 0);
    if (node->entries != NULL && end > first) {
        struct buffer *bits = new_buffer(t, ((uint64_t)(end - first) + 7) / 8);
        uint32_t nulls = import_validity(node->entries, from, (uint32_t)(end - first), bits->data);
        buffer_unref(bits);
        if (nulls > 0) {
            return error_set(t->err, ERR_CORRUPT, "an Arrow map with a NULL entry");
        }
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        TRY(import_node(t, &node->children[i], from, ret->child_rows, &ret->children[i]));
    }
    return 0;
}

static int import_node(struct import_task *t, const struct import_node *node, int64_t from,
                       uint32_t n, struct column *ret)
{
    int64_t at = node->array->offset + from;
    if (n == 0) {
        return 0;
    }
    make_validity(t, node, at, n, ret);
    switch (node->format.storage) {
    case ARROW_NULLS:
        return 0;
    case ARROW_BITS:
    case ARROW_FIXED:
        return import_fixed(t, node, at, n, ret);
    case ARROW_BYTES:
    case ARROW_STRINGS:
    case ARROW_VIEWS:
        return import_strings(t, node, at, n, ret);
    case ARROW_LIST:
    case ARROW_TUPLES:
    case ARROW_MAP:
        return import_lists(t, node, at, n, ret);
    case ARROW_STRUCT:
        for (uint32_t i = 0; i < node->n_children; i++) {
            TRY(import_node(t, &node->children[i], at, n, &ret->children[i]));
        }
        return 0;
    }
    return 0;
}

int import_values(struct arrow_import *import, struct buffer_pool *pool,
                  const struct import_node *node, int64_t from, uint32_t n, struct column *ret,
                  struct error *err)
{
    struct import_task t = {import, pool, err};
    return import_node(&t, node, from, n, ret);
}
