/* The key codec's encoder (codec.h; the format is in docs/internals/encodings.md).
 *
 * Numbers are big-endian with the sign turned over, strings escaped and ended, nested values element by
 * element; a column in descending order is encoded as usual and then inverted byte by byte. */
#include "engine/data/codec/key_wire.h"

static int write_value(struct str *out, const struct column *c, uint32_t row);

/* ---- bytes ------------------------------------------------------------------------------------- */

static inline uint8_t *add_bytes(struct str *out, size_t len)
{
    if (UNLIKELY(out->cap < out->len + len + 1)) {
        str_reserve(out, len);
    }
    uint8_t *at = (uint8_t *)out->data + out->len;
    out->len += len;
    return at;
}

static inline void write_byte(struct str *out, uint8_t byte)
{
    *add_bytes(out, 1) = byte;
}

static inline void write_u16(struct str *out, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(add_bytes(out, sizeof(v)), &v, sizeof(v));
}

static inline void write_u32(struct str *out, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(add_bytes(out, sizeof(v)), &v, sizeof(v));
}

static inline void write_u64(struct str *out, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(add_bytes(out, sizeof(v)), &v, sizeof(v));
}

/* ---- values ------------------------------------------------------------------------------------ */

static void write_string(struct str *out, const struct column *c, uint32_t row)
{
    struct slice rest = column_get_bytes(c, row);
    if (c->type->id == TYPE_CHAR) {
        while (rest.len > 0 && rest.data[rest.len - 1] == ' ') {
            rest.len--;
        }
    }
    for (;;) {
        const char *zero = rest.len > 0 ? memchr(rest.data, 0, rest.len) : NULL;
        size_t len = zero != NULL ? (size_t)(zero - rest.data) + 1 : rest.len;
        uint8_t *to = add_bytes(out, len + 2);
        if (len > 0) {
            memcpy(to, rest.data, len);
        }
        if (zero == NULL) {
            to[len] = 0;
            to[len + 1] = KEY_BYTE_END;
            return;
        }
        to[len] = KEY_BYTE_ESCAPE;
        out->len--;
        rest = (struct slice){zero + 1, rest.len - len};
    }
}

static int write_array(struct str *out, const struct column *c, uint32_t row)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    const struct column *items = &c->children[0];
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        if (column_is_null(items, (uint32_t)i)) {
            write_byte(out, KEY_ITEM_NULL);
        } else {
            write_byte(out, KEY_ITEM_VALUE);
            TRY(write_value(out, items, (uint32_t)i));
        }
    }
    write_byte(out, KEY_ITEM_END);
    return 0;
}

static int write_cell(struct str *out, const struct column *c, uint32_t row)
{
    if (column_is_null(c, row)) {
        write_byte(out, KEY_MARK_NULL);
        return 0;
    }
    write_byte(out, KEY_MARK_VALUE);
    return write_value(out, c, row);
}

static int write_value(struct str *out, const struct column *c, uint32_t row)
{
    switch (c->type->layout) {
    case LAYOUT_NULL:
        ASSERT(!"a value of type NULL");
        return 0;
    case LAYOUT_BIT:
        write_byte(out, column_get_bool(c, row));
        return 0;
    case LAYOUT_I8:
        write_byte(out, (uint8_t)(COLUMN_VALUES(c, const uint8_t)[row] ^ 0x80u));
        return 0;
    case LAYOUT_I16:
        write_u16(out, (uint16_t)(COLUMN_VALUES(c, const uint16_t)[row] ^ 0x8000u));
        return 0;
    case LAYOUT_I32:
        write_u32(out, COLUMN_VALUES(c, const uint32_t)[row] ^ KEY_SIGN_32);
        return 0;
    case LAYOUT_I64:
        write_u64(out, COLUMN_VALUES(c, const uint64_t)[row] ^ KEY_SIGN_64);
        return 0;
    case LAYOUT_I128: {
        unsigned __int128 v = COLUMN_VALUES(c, const unsigned __int128)[row];
        write_u64(out, (uint64_t)(v >> 64) ^ KEY_SIGN_64);
        write_u64(out, (uint64_t)v);
        return 0;
    }
    case LAYOUT_F32:
        write_u32(out, key_order_f32(COLUMN_VALUES(c, const float)[row]));
        return 0;
    case LAYOUT_F64:
        write_u64(out, key_order_f64(COLUMN_VALUES(c, const double)[row]));
        return 0;
    case LAYOUT_TS_NANO: {
        const struct ts_nano *v = COLUMN_VALUES(c, const struct ts_nano) + row;
        write_u64(out, (uint64_t)v->millis ^ KEY_SIGN_64);
        write_u32(out, (uint32_t)v->nanos);
        return 0;
    }
    case LAYOUT_VIEW:
        write_string(out, c, row);
        return 0;
    case LAYOUT_LIST:
        return write_array(out, c, row);
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < c->n_children; i++) {
            TRY(write_cell(out, &c->children[i], row));
        }
        return 0;
    case LAYOUT_MAP:
        break;
    }
    return ERR_UNSUPPORTED;
}

/* ---- keys -------------------------------------------------------------------------------------- */

bool key_type_is_ordered(const struct data_type *type)
{
    if (type->layout == LAYOUT_MAP) {
        return false;
    }
    for (uint32_t i = 0; i < type->n_children; i++) {
        if (!key_type_is_ordered(type->children[i])) {
            return false;
        }
    }
    return true;
}

static void invert(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)~bytes[i];
    }
}

static int unordered(const struct batch *b, uint32_t column, struct error *err) COLD;
static int unordered(const struct batch *b, uint32_t column, struct error *err)
{
    STR_AUTO type = STR_INIT;
    type_print(b->schema->fields[column].type, &type);
    return error_set(err, ERR_UNSUPPORTED, "column '%s' cannot be sorted by: %s has no order",
                     b->schema->fields[column].name, str_cstr(&type));
}

int key_encode(const struct batch *b, uint32_t row, const struct key_encoding *how, struct str *out,
               struct error *err)
{
    uint32_t n = how->columns != NULL ? how->n_columns : b->n_columns;
    size_t start = out->len;
    ASSERT(row < b->n_rows);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t column = how->columns != NULL ? how->columns[i] : i;
        size_t at = out->len;
        ASSERT(column < b->n_columns);
        if (write_cell(out, &b->columns[column], row) < 0) {
            out->len = start;
            out->data[start] = '\0';
            return unordered(b, column, err);
        }
        if (how->orders != NULL && how->orders[i] == KEY_ORDER_DESC) {
            invert((uint8_t *)out->data + at, out->len - at);
        }
    }
    str_reserve(out, 0);
    out->data[out->len] = '\0';
    return 0;
}
