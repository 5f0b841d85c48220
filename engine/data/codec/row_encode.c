/* The row codec's encoder (codec.h; the format is in row_wire.h and docs/internals/encodings.md).
 *
 *   version and flags | timestamp, if there | bitmap of NULLs | the values that are not NULL
 *
 * Entries of maps are sorted by their bytes, so that equal maps are equal bytes; the room behind the
 * row in `out` is the scratch space for it. */
#include "engine/data/codec/row_wire.h"
#include <stdlib.h>

struct row_writer {
    struct str *out; /* Borrows */
    uint32_t flags;  /* row_encode_flag */
};

static void write_value(struct row_writer *w, const struct column *c, uint32_t row);

/* ---- bytes ------------------------------------------------------------------------------------- */

/* Room for `len` bytes at the end; they count once `out->len` covers them. */
static inline uint8_t *room(struct row_writer *w, size_t len)
{
    struct str *out = w->out;
    if (UNLIKELY(out->cap < out->len + len + 1)) {
        str_reserve(out, len);
    }
    return (uint8_t *)out->data + out->len;
}

static inline void write_bytes(struct row_writer *w, const void *bytes, size_t len)
{
    uint8_t *to = room(w, len);
    if (len > 0) {
        memcpy(to, bytes, len);
    }
    w->out->len += len;
}

static inline void write_varint(struct row_writer *w, uint64_t v)
{
    uint8_t *to = room(w, ROW_VARINT_MAX);
    w->out->len += row_varint_put(to, v);
}

/* Zeros, to be set later by their offset in `out`, which may move. */
static size_t write_bitmap(struct row_writer *w, uint64_t len)
{
    size_t at = w->out->len;
    memset(room(w, len), 0, len);
    w->out->len += len;
    return at;
}

static inline void set_null(struct row_writer *w, size_t bitmap, uint32_t i)
{
    w->out->data[bitmap + i / 8] |= (char)(1u << (i & 7));
}

/* ---- flat values ------------------------------------------------------------------------------- */

static void write_f32(struct row_writer *w, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    bits = v != v ? ROW_NAN_32 : bits;
    bits = v == 0 && (w->flags & ROW_ENCODE_AS_KEY) ? 0 : bits;
    write_bytes(w, &bits, sizeof(bits));
}

static void write_f64(struct row_writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    bits = v != v ? ROW_NAN_64 : bits;
    bits = v == 0 && (w->flags & ROW_ENCODE_AS_KEY) ? 0 : bits;
    write_bytes(w, &bits, sizeof(bits));
}

/* A byte that says how many follow: the folded value without its leading zeros. */
static void write_i128(struct row_writer *w, __int128 v)
{
    unsigned __int128 folded = row_fold_128(v);
    uint8_t bytes[1 + sizeof(folded)] = {0};
    uint8_t n = 0;
    memcpy(bytes + 1, &folded, sizeof(folded));
    for (; folded != 0; folded >>= 8) {
        n++;
    }
    bytes[0] = n;
    write_bytes(w, bytes, 1u + n);
}

static void write_string(struct row_writer *w, const struct column *c, uint32_t row)
{
    struct slice bytes = column_get_bytes(c, row);
    if (c->type->id == TYPE_CHAR && (w->flags & ROW_ENCODE_AS_KEY)) {
        while (bytes.len > 0 && bytes.data[bytes.len - 1] == ' ') {
            bytes.len--;
        }
    }
    write_varint(w, bytes.len);
    write_bytes(w, bytes.data, bytes.len);
}

/* ---- nested values ----------------------------------------------------------------------------- */

/* Writes the number of elements and whether there are NULLs among them. */
static bool write_count(struct row_writer *w, const struct column *c, int32_t from, int32_t to)
{
    bool nulls = false;
    for (uint32_t k = 0; k < c->n_children; k++) {
        const struct column *child = &c->children[k];
        for (int32_t i = from; child->validity != NULL && !nulls && i < to; i++) {
            nulls = column_is_null(child, (uint32_t)i);
        }
    }
    write_varint(w, ((uint64_t)(to - from) << 1) | (nulls ? 1 : 0));
    return nulls;
}

static void write_array(struct row_writer *w, const struct column *c, int32_t from, int32_t to)
{
    const struct column *items = &c->children[0];
    size_t bitmap = 0;
    bool nulls = write_count(w, c, from, to);
    if (nulls) {
        bitmap = write_bitmap(w, ((uint64_t)(to - from) + 7) / 8);
    }
    for (int32_t i = from; i < to; i++) {
        if (nulls && column_is_null(items, (uint32_t)i)) {
            set_null(w, bitmap, (uint32_t)(i - from));
        } else {
            write_value(w, items, (uint32_t)i);
        }
    }
}

/* An entry of a map, as a run of the map's bytes.  Packed: the list lies among the bytes of the row. */
struct row_entry {
    size_t at, len;
} __attribute__((packed));

static int entry_compare(const void *a, const void *b, void *bytes)
{
    const struct row_entry *x = a, *y = b;
    const char *base = bytes;
    int order = memcmp(base + x->at, base + y->at, MIN(x->len, y->len));
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The list of n entries lies at `start`, the entries behind it: leaves the sorted entries there. */
static void sort_entries(struct row_writer *w, size_t start, uint32_t n)
{
    size_t list_bytes = n * sizeof(struct row_entry);
    size_t len = w->out->len - start - list_bytes;
    char *sorted = (char *)room(w, len);
    char *list_at = w->out->data + start;
    char *entries = list_at + list_bytes;
    struct row_entry *list = (struct row_entry *)(void *)list_at;
    bool in_order = true;
    for (uint32_t i = 1; i < n && in_order; i++) {
        in_order = entry_compare(&list[i - 1], &list[i], entries) <= 0;
    }
    if (in_order) {
        memmove(list_at, entries, len);
    } else {
        qsort_r(list, n, sizeof(*list), entry_compare, entries);
        size_t done = 0;
        for (uint32_t i = 0; i < n; i++) {
            memcpy(sorted + done, entries + list[i].at, list[i].len);
            done += list[i].len;
        }
        memcpy(list_at, sorted, len);
    }
    w->out->len = start + len;
}

static void write_entry(struct row_writer *w, const struct column *map, uint32_t row, bool nulls)
{
    bool is_null[2];
    for (uint32_t k = 0; k < 2; k++) {
        is_null[k] = nulls && column_is_null(&map->children[k], row);
    }
    if (nulls) {
        uint8_t mark =
            (uint8_t)((is_null[0] ? ROW_MAP_KEY_NULL : 0) | (is_null[1] ? ROW_MAP_VALUE_NULL : 0));
        write_bytes(w, &mark, sizeof(mark));
    }
    for (uint32_t k = 0; k < 2; k++) {
        if (!is_null[k]) {
            write_value(w, &map->children[k], row);
        }
    }
}

static void write_map(struct row_writer *w, const struct column *c, int32_t from, int32_t to)
{
    uint32_t n = (uint32_t)(to - from);
    bool nulls = write_count(w, c, from, to);
    if (n < 2) {
        for (int32_t i = from; i < to; i++) {
            write_entry(w, c, (uint32_t)i, nulls);
        }
        return;
    }
    size_t start = w->out->len;
    size_t list_bytes = n * sizeof(struct row_entry);
    (void)room(w, list_bytes);
    w->out->len += list_bytes;
    for (uint32_t i = 0; i < n; i++) {
        size_t at = w->out->len;
        write_entry(w, c, (uint32_t)from + i, nulls);
        struct row_entry *list = (struct row_entry *)(void *)(w->out->data + start);
        list[i] = (struct row_entry){at - start - list_bytes, w->out->len - at};
    }
    sort_entries(w, start, n);
}

static void write_row(struct row_writer *w, const struct column *c, uint32_t row)
{
    size_t bitmap = write_bitmap(w, row_bitmap_bytes(c->n_children));
    for (uint32_t i = 0; i < c->n_children; i++) {
        if (column_is_null(&c->children[i], row)) {
            set_null(w, bitmap, i);
        } else {
            write_value(w, &c->children[i], row);
        }
    }
}

static void write_value(struct row_writer *w, const struct column *c, uint32_t row)
{
    switch (c->type->layout) {
    case LAYOUT_NULL:
        ASSERT(!"a value of type NULL");
        break;
    case LAYOUT_BIT: {
        uint8_t v = column_get_bool(c, row);
        write_bytes(w, &v, sizeof(v));
        break;
    }
    case LAYOUT_I8:
        write_bytes(w, COLUMN_VALUES(c, const int8_t) + row, sizeof(int8_t));
        break;
    case LAYOUT_I16:
        write_varint(w, row_fold(COLUMN_VALUES(c, const int16_t)[row]));
        break;
    case LAYOUT_I32:
        write_varint(w, row_fold(COLUMN_VALUES(c, const int32_t)[row]));
        break;
    case LAYOUT_I64:
        write_varint(w, row_fold(COLUMN_VALUES(c, const int64_t)[row]));
        break;
    case LAYOUT_I128:
        write_i128(w, COLUMN_VALUES(c, const __int128)[row]);
        break;
    case LAYOUT_F32:
        write_f32(w, COLUMN_VALUES(c, const float)[row]);
        break;
    case LAYOUT_F64:
        write_f64(w, COLUMN_VALUES(c, const double)[row]);
        break;
    case LAYOUT_TS_NANO: {
        const struct ts_nano *v = COLUMN_VALUES(c, const struct ts_nano) + row;
        write_varint(w, row_fold(v->millis));
        write_varint(w, (uint64_t)v->nanos);
        break;
    }
    case LAYOUT_VIEW:
        write_string(w, c, row);
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP: {
        const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
        if (c->type->layout == LAYOUT_LIST) {
            write_array(w, c, offsets[0], offsets[1]);
        } else {
            write_map(w, c, offsets[0], offsets[1]);
        }
        break;
    }
    case LAYOUT_STRUCT:
        write_row(w, c, row);
        break;
    }
}

void value_encode(const struct column *c, uint32_t row, struct str *out)
{
    struct row_writer w = {.out = out};
    ASSERT(!column_is_null(c, row));
    write_value(&w, c, row);
    out->data[out->len] = '\0';
}

/* ---- rows -------------------------------------------------------------------------------------- */

static void write_front(struct row_writer *w, const struct batch *b, uint32_t row)
{
    uint8_t first = ROW_CODEC_VERSION << ROW_VERSION_SHIFT;
    int64_t timestamp = BATCH_NO_TIMESTAMP;
    if ((w->flags & ROW_ENCODE_KIND) && b->row_kinds != NULL) {
        first |= b->row_kinds->data[row];
    }
    if ((w->flags & ROW_ENCODE_TIMESTAMP) && b->timestamps != NULL) {
        timestamp = ((const int64_t *)(const void *)b->timestamps->data)[row];
    }
    if (timestamp != BATCH_NO_TIMESTAMP) {
        first |= ROW_HAS_TIMESTAMP;
    }
    write_bytes(w, &first, sizeof(first));
    if (timestamp != BATCH_NO_TIMESTAMP) {
        write_varint(w, row_fold(timestamp));
    }
}

int row_encode(const struct batch *b, uint32_t row, const struct row_encoding *how, struct str *out,
               struct error *err)
{
    struct row_writer w = {.out = out, .flags = how->flags};
    uint32_t n = how->columns != NULL ? how->n_columns : b->n_columns;
    size_t start = out->len;
    ASSERT(row < b->n_rows);
    write_front(&w, b, row);
    size_t bitmap = write_bitmap(&w, row_bitmap_bytes(n));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t column = how->columns != NULL ? how->columns[i] : i;
        ASSERT(column < b->n_columns);
        if (column_is_null(&b->columns[column], row)) {
            set_null(&w, bitmap, i);
        } else {
            write_value(&w, &b->columns[column], row);
        }
    }
    size_t len = out->len - start;
    if (len > INT32_MAX) {
        out->len = start;
        out->data[start] = '\0';
        return error_set(err, ERR_TOO_LARGE, "an encoded row of %zu bytes, the limit is %d", len,
                         INT32_MAX);
    }
    out->data[out->len] = '\0';
    return 0;
}
