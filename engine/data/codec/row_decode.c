/* The row codec's decoder (codec.h; the format is in row_wire.h and docs/internals/encodings.md).
 *
 * Takes exactly what the encoder writes: numbers in their shortest form, one NaN, sorted maps, no byte
 * left over.  Cells go straight into the builder; an error half way cancels the row there. */
#include "engine/data/builder_column.h"
#include "engine/data/codec/cell.h"
#include "engine/data/codec/row_wire.h"

struct row_reader {
    const uint8_t *at, *end;
    uint64_t room_bytes; /* what the nested cells of the row may still take in the batch */
    struct error *err;   /* Borrows; may be NULL */
};

static int read_value(struct row_reader *r, const struct data_type *type, struct cell to);

/* ---- bytes ------------------------------------------------------------------------------------- */

/* Inline, so that the compiler sees that it fails. */
static ALWAYS_INLINE int corrupt(const struct row_reader *r, const char *what)
{
    return error_set(r->err, ERR_CORRUPT, "encoded row: %s", what);
}

static uint64_t left(const struct row_reader *r)
{
    return (uint64_t)(r->end - r->at);
}

static int read_bytes(struct row_reader *r, uint64_t len, const uint8_t **ret)
{
    if (len > left(r)) {
        return corrupt(r, "it ends within a value");
    }
    *ret = r->at;
    r->at += len;
    return 0;
}

static int read_varint(struct row_reader *r, uint64_t *ret)
{
    if (r->at == r->end) {
        return corrupt(r, "it ends within a value");
    }
    uint32_t first = *r->at;
    uint32_t n = first == 0 ? ROW_VARINT_MAX : (uint32_t)__builtin_ctz(first) + 1;
    const uint8_t *bytes = NULL;
    TRY(read_bytes(r, n, &bytes));
    uint64_t v = 0;
    if (n == ROW_VARINT_MAX) {
        memcpy(&v, bytes + 1, sizeof(v));
    } else {
        memcpy(&v, bytes, n);
        v >>= n;
    }
    if (row_varint_bytes(v) != n) {
        return corrupt(r, "a number is longer than it needs to be");
    }
    *ret = v;
    return 0;
}

static int read_i64(struct row_reader *r, int64_t min, int64_t max, int64_t *ret)
{
    uint64_t folded = 0;
    TRY(read_varint(r, &folded));
    int64_t v = row_unfold(folded);
    if (v < min || v > max) {
        return corrupt(r, "a number is out of the range of its type");
    }
    *ret = v;
    return 0;
}

/* A bitmap whose bits behind the n-th are zero. */
static int read_bitmap(struct row_reader *r, uint64_t bytes, uint32_t n, const uint8_t **ret)
{
    const uint8_t *bits = NULL;
    TRY(read_bytes(r, bytes, &bits));
    uint32_t used = n - (uint32_t)(bytes - 1) * 8; /* bits of the last byte */
    if (bytes > 0 && used < 8 && (bits[bytes - 1] >> used) != 0) {
        return corrupt(r, "bits behind the end of a bitmap");
    }
    *ret = bits;
    return 0;
}

static inline bool bit_at(const uint8_t *bits, uint32_t i)
{
    return ((bits[i / 8] >> (i & 7)) & 1) != 0;
}

/* ---- flat values ------------------------------------------------------------------------------- */

static int read_bool(struct row_reader *r, struct cell to)
{
    const uint8_t *v = NULL;
    TRY(read_bytes(r, 1, &v));
    if (*v > 1) {
        return corrupt(r, "a BOOLEAN is neither true nor false");
    }
    cell_bool(to, *v == 1);
    return 0;
}

static int read_f32(struct row_reader *r, struct cell to)
{
    const uint8_t *bytes = NULL;
    float v;
    TRY(read_bytes(r, sizeof(v), &bytes));
    memcpy(&v, bytes, sizeof(v));
    if (v != v && memcmp(bytes, &(uint32_t){ROW_NAN_32}, sizeof(v)) != 0) {
        return corrupt(r, "an unusual NaN");
    }
    cell_f64(to, v);
    return 0;
}

static int read_f64(struct row_reader *r, struct cell to)
{
    const uint8_t *bytes = NULL;
    double v;
    TRY(read_bytes(r, sizeof(v), &bytes));
    memcpy(&v, bytes, sizeof(v));
    if (v != v && memcmp(bytes, &(uint64_t){ROW_NAN_64}, sizeof(v)) != 0) {
        return corrupt(r, "an unusual NaN");
    }
    cell_f64(to, v);
    return 0;
}

static int read_integer(struct row_reader *r, const struct data_type *type, struct cell to)
{
    int64_t v = 0;
    if (type->layout == LAYOUT_I8) {
        const uint8_t *byte = NULL;
        TRY(read_bytes(r, sizeof(int8_t), &byte));
        v = (int8_t)*byte;
    } else if (type->layout == LAYOUT_I16) {
        TRY(read_i64(r, INT16_MIN, INT16_MAX, &v));
    } else if (type->layout == LAYOUT_I32) {
        TRY(read_i64(r, INT32_MIN, INT32_MAX, &v));
    } else {
        TRY(read_i64(r, INT64_MIN, INT64_MAX, &v));
    }
    cell_i64(to, v);
    return 0;
}

static int read_i128(struct row_reader *r, struct cell to)
{
    const uint8_t *n = NULL, *bytes = NULL;
    unsigned __int128 folded = 0;
    TRY(read_bytes(r, 1, &n));
    if (*n > sizeof(folded)) {
        return corrupt(r, "a DECIMAL of more than 16 bytes");
    }
    TRY(read_bytes(r, *n, &bytes));
    if (*n > 0 && bytes[*n - 1] == 0) {
        return corrupt(r, "a number is longer than it needs to be");
    }
    memcpy(&folded, bytes, *n);
    cell_i128(to, row_unfold_128(folded));
    return 0;
}

static int read_ts_nano(struct row_reader *r, struct cell to)
{
    struct ts_nano v = {0};
    uint64_t nanos = 0;
    TRY(read_i64(r, INT64_MIN, INT64_MAX, &v.millis));
    TRY(read_varint(r, &nanos));
    if (nanos > ROW_NANOS_MAX) {
        return corrupt(r, "nanoseconds outside of their millisecond");
    }
    v.nanos = (int32_t)nanos;
    cell_ts_nano(to, v);
    return 0;
}

static int read_string(struct row_reader *r, struct cell to)
{
    uint64_t len = 0;
    const uint8_t *bytes = NULL;
    TRY(read_varint(r, &len));
    TRY(read_bytes(r, len, &bytes));
    return cell_bytes(to, bytes, len, r->err);
}

/* ---- nested values ----------------------------------------------------------------------------- */

static int read_cell(struct row_reader *r, const struct data_type *type, bool null, struct cell to)
{
    if (null) {
        cell_null(to);
        return 0;
    }
    return read_value(r, type, to);
}

/* Cells of `type` that are about to be made count against the row's limit: a NULL costs a bit here
 * and up to 16 bytes there. */
static int take_room(struct row_reader *r, const struct data_type *type, uint64_t cells)
{
    uint64_t bytes = cells * (type->width + 1);
    if (bytes > r->room_bytes) {
        return error_set(r->err, ERR_TOO_LARGE, "encoded row: its elements are over the limit");
    }
    r->room_bytes -= bytes;
    return 0;
}

/* The number of elements, no more than the bytes that are left can hold. */
static int read_count(struct row_reader *r, const struct data_type *type, struct cell to,
                      uint32_t *ret_n, bool *ret_nulls)
{
    uint64_t count = 0;
    TRY(read_varint(r, &count));
    bool nulls = (count & 1) != 0;
    count >>= 1;
    /* An element is at least a byte; a NULL among NULLs in an array a bit. */
    uint64_t most = nulls && type->layout == LAYOUT_LIST ? left(r) * 8 : left(r);
    if (count > most || count > INT32_MAX || (nulls && count == 0)) {
        return corrupt(r, "more elements than bytes");
    }
    if (cell_child(to, 0).nested->n + count > INT32_MAX) {
        return error_set(r->err, ERR_TOO_LARGE, "encoded row: too many elements in one batch");
    }
    for (uint32_t k = 0; k < type_child_columns(type); k++) {
        TRY(take_room(r, type_child_column(type, k), count));
    }
    *ret_n = (uint32_t)count;
    *ret_nulls = nulls;
    return 0;
}

static int read_array(struct row_reader *r, const struct data_type *type, struct cell to)
{
    const struct data_type *item = type_child_column(type, 0);
    struct cell items = cell_child(to, 0);
    uint32_t n = 0;
    bool nulls = false;
    const uint8_t *bits = NULL;
    TRY(read_count(r, type, to, &n, &nulls));
    if (nulls) {
        TRY(read_bitmap(r, ((uint64_t)n + 7) / 8, n, &bits));
    }
    bool null_seen = false;
    for (uint32_t i = 0; i < n; i++) {
        bool null = nulls && bit_at(bits, i);
        null_seen = null_seen || null;
        TRY(read_cell(r, item, null, items));
    }
    if (null_seen != nulls) {
        return corrupt(r, "a bitmap without a NULL");
    }
    cell_nested(to);
    return 0;
}

/* Whether the entry at [b, c) may follow the entry at [a, b). */
static bool entries_in_order(const uint8_t *a, const uint8_t *b, const uint8_t *c)
{
    size_t len_a = (size_t)(b - a), len_b = (size_t)(c - b);
    int order = memcmp(a, b, MIN(len_a, len_b));
    return order < 0 || (order == 0 && len_a <= len_b);
}

static int read_map(struct row_reader *r, const struct data_type *type, struct cell to)
{
    uint32_t n = 0;
    bool nulls = false;
    uint8_t marks = 0;
    TRY(read_count(r, type, to, &n, &nulls));
    const uint8_t *before = r->at;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *here = r->at;
        uint8_t mark = 0;
        if (nulls) {
            const uint8_t *byte = NULL;
            TRY(read_bytes(r, 1, &byte));
            mark = *byte;
        }
        if ((mark & ~(ROW_MAP_KEY_NULL | ROW_MAP_VALUE_NULL)) != 0) {
            return corrupt(r, "an unknown mark in a map");
        }
        marks |= mark;
        for (uint32_t k = 0; k < 2; k++) {
            bool null = (mark & (k == 0 ? ROW_MAP_KEY_NULL : ROW_MAP_VALUE_NULL)) != 0;
            TRY(read_cell(r, type_child_column(type, k), null, cell_child(to, k)));
        }
        if (i > 0 && !entries_in_order(before, here, r->at)) {
            return corrupt(r, "the entries of a map are not sorted");
        }
        before = here;
    }
    if (nulls != (marks != 0)) {
        return corrupt(r, "marks without a NULL");
    }
    cell_nested(to);
    return 0;
}

static int read_row(struct row_reader *r, const struct data_type *type, struct cell to)
{
    const uint8_t *bits = NULL;
    TRY(read_bitmap(r, row_bitmap_bytes(type->n_children), type->n_children, &bits));
    for (uint32_t i = 0; i < type->n_children; i++) {
        TRY(take_room(r, type->children[i], 1));
        TRY(read_cell(r, type->children[i], bit_at(bits, i), cell_child(to, i)));
    }
    cell_nested(to);
    return 0;
}

static int read_value(struct row_reader *r, const struct data_type *type, struct cell to)
{
    switch (type->layout) {
    case LAYOUT_NULL:
        return corrupt(r, "a value of type NULL");
    case LAYOUT_BIT:
        return read_bool(r, to);
    case LAYOUT_I128:
        return read_i128(r, to);
    case LAYOUT_F32:
        return read_f32(r, to);
    case LAYOUT_F64:
        return read_f64(r, to);
    case LAYOUT_TS_NANO:
        return read_ts_nano(r, to);
    case LAYOUT_VIEW:
        return read_string(r, to);
    case LAYOUT_LIST:
        return read_array(r, type, to);
    case LAYOUT_MAP:
        return read_map(r, type, to);
    case LAYOUT_STRUCT:
        return read_row(r, type, to);
    default:
        return read_integer(r, type, to);
    }
}

/* ---- values alone ------------------------------------------------------------------------------ */

/* What zeroed memory stands for. */
static void zero_value(const struct data_type *type, struct cell to)
{
    switch (type->layout) {
    case LAYOUT_F32:
    case LAYOUT_F64:
        cell_f64(to, 0);
        break;
    case LAYOUT_TS_NANO:
        cell_ts_nano(to, (struct ts_nano){0});
        break;
    case LAYOUT_VIEW:
        (void)!cell_bytes(to, "", 0, NULL); /* it cannot be too long */
        break;
    case LAYOUT_NULL:
        cell_null(to);
        break;
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < type->n_children; i++) {
            if (type->children[i]->nullable) {
                cell_null(cell_child(to, i));
            } else {
                zero_value(type->children[i], cell_child(to, i));
            }
        }
        cell_nested(to);
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        cell_nested(to);
        break;
    default:
        cell_i64(to, 0);
        break;
    }
}

int value_decode(const void *data, uint64_t size, struct builder *out, uint32_t column,
                 struct error *err)
{
    const struct data_type *type = out->schema->fields[column].type;
    struct cell to = {.builder = out, .column = column};
    if (size == 0) { /* `data` may be NULL */
        zero_value(type, to);
        return 0;
    }
    struct row_reader r = {.at = data,
                           .end = (const uint8_t *)data + size,
                           .room_bytes = out->max_row_bytes,
                           .err = err};
    int rc = read_value(&r, type, to);
    if (rc == 0 && r.at != r.end) {
        rc = corrupt(&r, "bytes behind its last value");
    }
    if (rc < 0) {
        builder_column_cancel(&out->columns[column], out->out.n);
        builder_put_null(out, column);
        error_context(err, "decoding column '%s'", out->schema->fields[column].name);
    }
    return rc;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static int read_front(struct row_reader *r, struct builder *out)
{
    const uint8_t *first = NULL;
    TRY(read_bytes(r, 1, &first));
    if (*first >> ROW_VERSION_SHIFT != ROW_CODEC_VERSION) {
        return error_set(r->err, ERR_UNSUPPORTED,
                         "encoded row: version %u, this program reads version %d",
                         *first >> ROW_VERSION_SHIFT, ROW_CODEC_VERSION);
    }
    uint8_t flags = *first & ((1u << ROW_VERSION_SHIFT) - 1);
    if ((flags & ~(ROW_KIND_MASK | ROW_HAS_TIMESTAMP)) != 0) {
        return corrupt(r, "unknown flags");
    }
    builder_set_kind(out, (enum row_kind)(flags & ROW_KIND_MASK));
    if (flags & ROW_HAS_TIMESTAMP) {
        int64_t timestamp = 0;
        TRY(read_i64(r, BATCH_NO_TIMESTAMP + 1, INT64_MAX, &timestamp));
        builder_set_timestamp(out, timestamp);
    }
    return 0;
}

static int read_columns(struct row_reader *r, struct builder *out)
{
    const struct schema *s = out->schema;
    const uint8_t *bits = NULL;
    TRY(read_front(r, out));
    TRY(read_bitmap(r, row_bitmap_bytes(s->n_fields), s->n_fields, &bits));
    for (uint32_t i = 0; i < s->n_fields; i++) {
        struct cell to = {.builder = out, .column = i};
        TRY_CTX(r->err, read_cell(r, s->fields[i].type, bit_at(bits, i), to),
                "decoding column '%s'", s->fields[i].name);
    }
    return r->at == r->end ? 0 : corrupt(r, "bytes behind its last value");
}

int row_decode(const uint8_t *data, uint64_t size, struct builder *out, struct error *err)
{
    struct row_reader r = {
        .at = data,
        .end = data + size,
        .room_bytes = out->max_row_bytes,
        .err = err,
    };
    builder_begin(out);
    int rc = read_columns(&r, out);
    if (rc < 0) {
        builder_cancel_row(out);
        return rc;
    }
    builder_end_row(out);
    return 0;
}
