/* Arrays, maps and rows in the bytes of the row codec, as records hold them: where one ends, and whether it is
 * one.  As strict as row_decode(); there is nothing to be made of them.  Thread: any. */
#include "engine/state/record_row_wire.h"

/* A value under way. */
struct nested_walk {
    struct row_bytes *bytes; /* Borrows */
    uint64_t room_bytes;     /* what its cells may still take in a batch */
};

static int walk_value(struct nested_walk *w, const struct data_type *type);

static int walk_flat(struct row_bytes *r, enum type_layout layout)
{
    _Alignas(16) char value[16]; /* the widest: a decimal, a string */
    return row_bytes_flat(r, layout, value);
}

/* A NULL costs a bit in the bytes and up to 16 bytes in a batch. */
static int take_room(struct nested_walk *w, const struct data_type *type, uint64_t cells)
{
    uint64_t bytes = cells * (type->width + 1);
    if (bytes > w->room_bytes) {
        return error_set(w->bytes->err, ERR_TOO_LARGE,
                         "encoded row: its elements are over the limit");
    }
    w->room_bytes -= bytes;
    return 0;
}

/* The number of elements, no more than the bytes that are left can hold. */
static int walk_count(struct nested_walk *w, const struct data_type *type, uint32_t *ret_n,
                      bool *ret_nulls)
{
    uint64_t count = 0;
    TRY(row_bytes_varint(w->bytes, &count));
    bool nulls = (count & 1) != 0;
    count >>= 1;
    /* An element is at least a byte; a NULL among NULLs in an array a bit. */
    size_t left = row_bytes_left(w->bytes);
    uint64_t most = nulls && type->layout == LAYOUT_LIST ? left * 8 : left;
    if (count > most || count > INT32_MAX || (nulls && count == 0)) {
        return row_bytes_corrupt(w->bytes, "more elements than bytes");
    }
    for (uint32_t k = 0; k < type_child_columns(type); k++) {
        TRY(take_room(w, type_child_column(type, k), count));
    }
    *ret_n = (uint32_t)count;
    *ret_nulls = nulls;
    return 0;
}

static int walk_array(struct nested_walk *w, const struct data_type *type)
{
    const struct data_type *item = type_child_column(type, 0);
    const uint8_t *bits = NULL;
    uint32_t n = 0;
    bool nulls = false, null_seen = false;
    TRY(walk_count(w, type, &n, &nulls));
    if (nulls) {
        TRY(row_bytes_bitmap(w->bytes, ((uint64_t)n + 7) / 8, n, &bits));
    }
    for (uint32_t i = 0; i < n; i++) {
        if (nulls && row_bit_at(bits, i)) {
            null_seen = true;
        } else {
            TRY(walk_value(w, item));
        }
    }
    return null_seen == nulls ? 0 : row_bytes_corrupt(w->bytes, "a bitmap without a NULL");
}

/* Whether the entry at [b, c) may follow the entry at [a, b). */
static bool entries_in_order(const uint8_t *a, const uint8_t *b, const uint8_t *c)
{
    size_t len_a = (size_t)(b - a), len_b = (size_t)(c - b);
    int order = memcmp(a, b, MIN(len_a, len_b));
    return order < 0 || (order == 0 && len_a <= len_b);
}

static int walk_entry(struct nested_walk *w, const struct data_type *type, bool nulls,
                      uint8_t *inout_marks)
{
    uint8_t mark = 0;
    if (nulls) {
        TRY(row_bytes_skip(w->bytes, 1));
        mark = w->bytes->at[-1];
    }
    if ((mark & ~(ROW_MAP_KEY_NULL | ROW_MAP_VALUE_NULL)) != 0) {
        return row_bytes_corrupt(w->bytes, "an unknown mark in a map");
    }
    if ((mark & ROW_MAP_KEY_NULL) == 0) {
        TRY(walk_value(w, type_child_column(type, 0)));
    }
    if ((mark & ROW_MAP_VALUE_NULL) == 0) {
        TRY(walk_value(w, type_child_column(type, 1)));
    }
    *inout_marks |= mark;
    return 0;
}

static int walk_map(struct nested_walk *w, const struct data_type *type)
{
    uint32_t n = 0;
    uint8_t marks = 0;
    bool nulls = false;
    TRY(walk_count(w, type, &n, &nulls));
    const uint8_t *before = w->bytes->at;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *here = w->bytes->at;
        TRY(walk_entry(w, type, nulls, &marks));
        if (i > 0 && !entries_in_order(before, here, w->bytes->at)) {
            return row_bytes_corrupt(w->bytes, "the entries of a map are not sorted");
        }
        before = here;
    }
    return nulls == (marks != 0) ? 0 : row_bytes_corrupt(w->bytes, "marks without a NULL");
}

static int walk_row(struct nested_walk *w, const struct data_type *type)
{
    const uint8_t *bits = NULL;
    TRY(row_bytes_bitmap(w->bytes, row_bitmap_bytes(type->n_children), type->n_children, &bits));
    for (uint32_t i = 0; i < type->n_children; i++) {
        TRY(take_room(w, type->children[i], 1));
        if (!row_bit_at(bits, i)) {
            TRY(walk_value(w, type->children[i]));
        }
    }
    return 0;
}

static int walk_value(struct nested_walk *w, const struct data_type *type)
{
    switch (type->layout) {
    case LAYOUT_LIST:
        return walk_array(w, type);
    case LAYOUT_MAP:
        return walk_map(w, type);
    case LAYOUT_STRUCT:
        return walk_row(w, type);
    default:
        return walk_flat(w->bytes, type->layout);
    }
}

int row_bytes_nested(struct row_bytes *r, const struct data_type *type)
{
    struct nested_walk w = {.bytes = r, .room_bytes = BATCH_ROW_BYTES_MAX_DEFAULT};
    return walk_value(&w, type);
}

/* ---- zeros ------------------------------------------------------------------------------------- */

static void append_zeros(struct str *out, size_t n)
{
    static const char zeros[8];
    str_append(out, zeros, n);
}

static void append_varint_zero(struct str *out)
{
    str_append_char(out, 1);
}

static void append_row(const struct data_type *type, struct str *out)
{
    size_t bitmap = out->len;
    for (uint64_t i = 0; i < row_bitmap_bytes(type->n_children); i++) {
        append_zeros(out, 1);
    }
    for (uint32_t i = 0; i < type->n_children; i++) {
        const struct data_type *child = type->children[i];
        if (child->nullable || child->layout == LAYOUT_NULL) {
            out->data[bitmap + i / 8] |= (char)(1u << (i & 7));
        } else {
            row_zero_encode(child, out);
        }
    }
}

void row_zero_encode(const struct data_type *type, struct str *out)
{
    switch (type->layout) {
    case LAYOUT_NULL:
        ASSERT(!"a value of type NULL");
        break;
    case LAYOUT_BIT:
    case LAYOUT_I8:
    case LAYOUT_I128: /* no bytes */
        append_zeros(out, 1);
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        append_zeros(out, type->width);
        break;
    case LAYOUT_TS_NANO: /* milliseconds, nanoseconds */
        append_varint_zero(out);
        append_varint_zero(out);
        break;
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
    case LAYOUT_VIEW: /* a length */
    case LAYOUT_LIST: /* a number of elements */
    case LAYOUT_MAP:
        append_varint_zero(out);
        break;
    case LAYOUT_STRUCT:
        append_row(type, out);
        break;
    }
}
