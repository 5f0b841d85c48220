/* The key codec's decoder (codec.h; the format is in docs/internals/encodings.md).
 *
 * Takes exactly what the encoder writes.  Cells go straight into the builder; an error half way cancels
 * the row there. */
#include "engine/data/codec/cell.h"
#include "engine/data/codec/key_wire.h"

struct key_reader {
    const uint8_t *at, *end;
    struct builder *out; /* Borrows */
    uint8_t invert;      /* 0xff in descending columns */
    uint64_t room_bytes; /* what the nested cells of the key may still take in the batch */
    struct error *err;   /* Borrows; may be NULL */
};

static int read_value(struct key_reader *r, const struct data_type *type, struct cell to);

/* ---- bytes ------------------------------------------------------------------------------------- */

/* Inline, so that the compiler sees that it fails. */
static ALWAYS_INLINE int corrupt(const struct key_reader *r, const char *what)
{
    return error_set(r->err, ERR_CORRUPT, "encoded key: %s", what);
}

/* A big-endian number of `width` bytes. */
static int read_unsigned(struct key_reader *r, uint32_t width, uint64_t *ret)
{
    if ((uint64_t)(r->end - r->at) < width) {
        return corrupt(r, "it ends within a value");
    }
    uint64_t v = 0;
    for (uint32_t i = 0; i < width; i++) {
        v = v << 8 | (uint8_t)(r->at[i] ^ r->invert);
    }
    r->at += width;
    *ret = v;
    return 0;
}

static int read_mark(struct key_reader *r, uint8_t most, uint8_t *ret)
{
    uint64_t mark = 0;
    TRY(read_unsigned(r, 1, &mark));
    if (mark > most) {
        return corrupt(r, "an unknown mark");
    }
    *ret = (uint8_t)mark;
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------ */

static int read_integer(struct key_reader *r, uint32_t width, struct cell to)
{
    uint64_t v = 0;
    TRY(read_unsigned(r, width, &v));
    uint32_t shift = 64 - width * 8; /* to the top, where the sign bit is */
    v = (v << shift) ^ KEY_SIGN_64;
    cell_i64(to, (int64_t)v >> shift);
    return 0;
}

static int read_i128(struct key_reader *r, struct cell to)
{
    uint64_t high = 0, low = 0;
    TRY(read_unsigned(r, sizeof(high), &high));
    TRY(read_unsigned(r, sizeof(low), &low));
    cell_i128(to, (__int128)((unsigned __int128)(high ^ KEY_SIGN_64) << 64 | low));
    return 0;
}

static int read_f32(struct key_reader *r, struct cell to)
{
    uint64_t ordered = 0;
    TRY(read_unsigned(r, sizeof(uint32_t), &ordered));
    float v = key_unorder_f32((uint32_t)ordered);
    if (key_order_f32(v) != ordered) {
        return corrupt(r, "an unusual NaN, or -0.0");
    }
    cell_f64(to, v);
    return 0;
}

static int read_f64(struct key_reader *r, struct cell to)
{
    uint64_t ordered = 0;
    TRY(read_unsigned(r, sizeof(ordered), &ordered));
    double v = key_unorder_f64(ordered);
    if (key_order_f64(v) != ordered) {
        return corrupt(r, "an unusual NaN, or -0.0");
    }
    cell_f64(to, v);
    return 0;
}

static int read_ts_nano(struct key_reader *r, struct cell to)
{
    uint64_t millis = 0, nanos = 0;
    TRY(read_unsigned(r, sizeof(millis), &millis));
    TRY(read_unsigned(r, sizeof(uint32_t), &nanos));
    if (nanos > KEY_NANOS_MAX) {
        return corrupt(r, "nanoseconds outside of their millisecond");
    }
    cell_ts_nano(to, (struct ts_nano){(int64_t)(millis ^ KEY_SIGN_64), (int32_t)nanos, 0});
    return 0;
}

/* Finds the end of a string: its encoded bytes without the end mark, and the zeros among them. */
static int find_string(struct key_reader *r, uint64_t *ret_len, uint64_t *ret_zeros)
{
    uint64_t zeros = 0;
    const uint8_t *p = r->at;
    for (;;) {
        p = memchr(p, r->invert, (size_t)(r->end - p)); /* a zero */
        if (p == NULL || p + 1 == r->end) {
            return corrupt(r, "a string without an end");
        }
        uint8_t next = (uint8_t)(p[1] ^ r->invert);
        if (next == KEY_BYTE_END) {
            *ret_len = (uint64_t)(p - r->at);
            *ret_zeros = zeros;
            return 0;
        }
        if (next != KEY_BYTE_ESCAPE) {
            return corrupt(r, "a zero byte that is not escaped");
        }
        zeros++;
        p += 2;
    }
}

static void unescape(const struct key_reader *r, uint64_t len, uint8_t *restrict to)
{
    for (uint64_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)(r->at[i] ^ r->invert);
        *to++ = byte;
        i += byte == 0; /* and its escape */
    }
}

static int put_string(struct key_reader *r, const struct data_type *type, const uint8_t *bytes,
                      uint64_t len, struct cell to)
{
    if (type->id == TYPE_CHAR && len > 0 && bytes[len - 1] == ' ') {
        return corrupt(r, "a CHAR with padding");
    }
    return cell_bytes(to, bytes, len, r->err);
}

static int read_string(struct key_reader *r, const struct data_type *type, struct cell to)
{
    uint64_t encoded = 0, zeros = 0;
    int rc;
    TRY(find_string(r, &encoded, &zeros));
    if (zeros == 0 && r->invert == 0) {
        rc = put_string(r, type, r->at, encoded, to);
    } else {
        struct buffer *plain = buffer_get(r->out->pool, encoded);
        unescape(r, encoded, plain->data);
        rc = put_string(r, type, plain->data, encoded - zeros, to);
        buffer_unref(plain);
    }
    r->at += encoded + 2;
    return rc;
}

/* A nested cell that is about to be made counts against the row's limit. */
static int take_room(struct key_reader *r, const struct data_type *type)
{
    uint64_t bytes = (uint64_t)type->width + 1;
    if (bytes > r->room_bytes) {
        return error_set(r->err, ERR_TOO_LARGE, "encoded key: its elements are over the limit");
    }
    r->room_bytes -= bytes;
    return 0;
}

static int read_array(struct key_reader *r, const struct data_type *type, struct cell to)
{
    const struct data_type *item = type_child_column(type, 0);
    struct cell items = cell_child(to, 0);
    for (;;) {
        uint8_t mark = 0;
        TRY(read_mark(r, KEY_ITEM_VALUE, &mark));
        if (mark == KEY_ITEM_END) {
            cell_nested(to);
            return 0;
        }
        TRY(take_room(r, item));
        if (mark == KEY_ITEM_NULL) {
            cell_null(items);
        } else {
            TRY(read_value(r, item, items));
        }
    }
}

static int read_cell(struct key_reader *r, const struct data_type *type, struct cell to)
{
    uint8_t mark = 0;
    TRY(read_mark(r, KEY_MARK_VALUE, &mark));
    if (mark == KEY_MARK_NULL) {
        cell_null(to);
        return 0;
    }
    return read_value(r, type, to);
}

static int read_row(struct key_reader *r, const struct data_type *type, struct cell to)
{
    for (uint32_t i = 0; i < type->n_children; i++) {
        TRY(take_room(r, type->children[i]));
        TRY(read_cell(r, type->children[i], cell_child(to, i)));
    }
    cell_nested(to);
    return 0;
}

static int read_value(struct key_reader *r, const struct data_type *type, struct cell to)
{
    switch (type->layout) {
    case LAYOUT_NULL:
        return corrupt(r, "a value of type NULL");
    case LAYOUT_BIT: {
        uint8_t v = 0;
        TRY(read_mark(r, 1, &v));
        cell_bool(to, v == 1);
        return 0;
    }
    case LAYOUT_I128:
        return read_i128(r, to);
    case LAYOUT_F32:
        return read_f32(r, to);
    case LAYOUT_F64:
        return read_f64(r, to);
    case LAYOUT_TS_NANO:
        return read_ts_nano(r, to);
    case LAYOUT_VIEW:
        return read_string(r, type, to);
    case LAYOUT_LIST:
        return read_array(r, type, to);
    case LAYOUT_STRUCT:
        return read_row(r, type, to);
    case LAYOUT_MAP:
        return error_set(r->err, ERR_UNSUPPORTED, "%s has no order: it is never part of a key",
                         type_id_name(type->id));
    default:
        return read_integer(r, type->width, to);
    }
}

/* ---- keys -------------------------------------------------------------------------------------- */

static int read_columns(struct key_reader *r, const enum key_order *orders)
{
    const struct schema *s = r->out->schema;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        struct cell to = {.builder = r->out, .column = i};
        r->invert = orders != NULL && orders[i] == KEY_ORDER_DESC ? 0xff : 0;
        TRY_CTX(r->err, read_cell(r, s->fields[i].type, to), "decoding key column '%s'",
                s->fields[i].name);
    }
    return r->at == r->end ? 0 : corrupt(r, "bytes behind its last value");
}

int key_decode(const uint8_t *data, uint64_t size, const enum key_order *orders,
               struct builder *out, struct error *err)
{
    struct key_reader r = {
        .at = data,
        .end = data + size,
        .out = out,
        .room_bytes = out->max_row_bytes,
        .err = err,
    };
    builder_begin(out);
    int rc = read_columns(&r, orders);
    if (rc < 0) {
        builder_cancel_row(out);
        return rc;
    }
    builder_end_row(out);
    return 0;
}
