/* Builders: cells.  Each setter writes one cell of a column at a row; the public functions give the
 * builder's row (put), or the next row of a nested column (add).
 *
 * The slow halves of the SDK's inline writers (flinc/out.h) are here too. */
#include "engine/data/builder_column.h"
#include "engine/data/codec.h"

/* ---- setters ----------------------------------------------------------------------------------- */

static inline void set_valid(struct builder_column *c, uint32_t row)
{
    if (c->face->validity != NULL) {
        c->face->validity[row >> 3] |= (uint8_t)(1u << (row & 7));
    }
}

static void set_bool(struct builder_column *c, uint32_t row, bool v)
{
    uint8_t *bits = (uint8_t *)c->face->values + (row >> 3);
    uint8_t bit = (uint8_t)(1u << (row & 7));
    *bits = (uint8_t)(v ? *bits | bit : *bits & ~bit);
    set_valid(c, row);
}

static void set_i64(struct builder_column *c, uint32_t row, int64_t v)
{
    void *values = c->face->values;
    switch (c->type->layout) {
    case LAYOUT_BIT:
        set_bool(c, row, v != 0);
        return;
    case LAYOUT_I8:
        ((int8_t *)values)[row] = (int8_t)v;
        break;
    case LAYOUT_I16:
        ((int16_t *)values)[row] = (int16_t)v;
        break;
    case LAYOUT_I32:
        ((int32_t *)values)[row] = (int32_t)v;
        break;
    case LAYOUT_I64:
        ((int64_t *)values)[row] = v;
        break;
    case LAYOUT_I128:
        ((__int128 *)values)[row] = v;
        break;
    default:
        ASSERT(!"an integer layout");
    }
    set_valid(c, row);
}

static void set_f64(struct builder_column *c, uint32_t row, double v)
{
    if (c->type->layout == LAYOUT_F32) {
        ((float *)c->face->values)[row] = (float)v;
    } else {
        ASSERT(c->type->layout == LAYOUT_F64);
        ((double *)c->face->values)[row] = v;
    }
    set_valid(c, row);
}

static void set_i128(struct builder_column *c, uint32_t row, __int128 v)
{
    if (c->type->layout == LAYOUT_I128) {
        ((__int128 *)c->face->values)[row] = v;
        set_valid(c, row);
    } else {
        set_i64(c, row, (int64_t)v);
    }
}

static void set_ts_nano(struct builder_column *c, uint32_t row, struct ts_nano v)
{
    ASSERT(c->type->layout == LAYOUT_TS_NANO);
    v.pad = 0;
    ((struct ts_nano *)c->face->values)[row] = v;
    set_valid(c, row);
}

static COLD int row_too_large(struct builder *b, const struct builder_column *c, uint64_t bytes)
{
    /* Nested columns answer for their top column: those of column i lie before those of i + 1. */
    uint32_t top = 0;
    while (top + 1 < b->out.n_columns && c != &b->columns[top] &&
           !(c >= b->columns[top].children && c < b->columns[top + 1].children)) {
        top++;
    }
    b->failed_column = top;
    b->failed_bytes = bytes;
    return ERR_TOO_LARGE;
}

/* The slow path of a long string: a new block, and the check of limits. */
static int set_long(struct builder *b, struct builder_column *c, uint32_t row, const char *data,
                    size_t len)
{
    if (b->long_row != b->out.n) {
        b->long_row = b->out.n;
        b->long_bytes = 0;
    }
    uint64_t row_bytes = b->long_bytes + len;
    if (row_bytes > b->max_row_bytes || len > INT32_MAX) {
        return row_too_large(b, c, row_bytes);
    }
    b->long_bytes = row_bytes;
    struct view v = {.len = (int32_t)len};
    memcpy(v.prefix, data, sizeof(v.prefix));
    char *to = builder_column_heap(b, c, len, &v.buffer, &v.offset);
    memcpy(to, data, len);
    ((struct view *)c->face->values)[row] = v;
    return 0;
}

static int set_bytes(struct builder *b, struct builder_column *c, uint32_t row, const char *data,
                     size_t len)
{
    ASSERT(c->type->layout == LAYOUT_VIEW);
    if (len <= VIEW_INLINE_MAX) {
        ((struct view *)c->face->values)[row] = view_inline(data, (uint32_t)len);
    } else {
        TRY(set_long(b, c, row, data, len));
    }
    set_valid(c, row);
    return 0;
}

static void add_missing(struct builder *b, struct builder_column *parent, uint32_t rows)
{
    for (uint32_t i = 0; i < parent->n_children; i++) {
        while (parent->children[i].n < rows) {
            builder_add_null(b, &parent->children[i]);
        }
        ASSERT(parent->children[i].n == rows);
    }
}

/* Closes the nested cell that the children hold. */
static void set_nested(struct builder *b, struct builder_column *c, uint32_t row)
{
    if (c->type->layout == LAYOUT_STRUCT) {
        add_missing(b, c, row + 1);
    } else {
        ASSERT(c->type->layout == LAYOUT_LIST || c->type->layout == LAYOUT_MAP);
        uint32_t end = c->children[0].n;
        ASSERT(end <= INT32_MAX && (c->n_children == 1 || c->children[1].n == end));
        ((int32_t *)c->face->values)[row + 1] = (int32_t)end;
    }
    set_valid(c, row);
}

static void set_null(struct builder *b, struct builder_column *c, uint32_t row)
{
    switch (c->type->layout) {
    case LAYOUT_STRUCT:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        set_nested(b, c, row);
        break;
    case LAYOUT_BIT:
        set_bool(c, row, false);
        break;
    default:
        if (c->type->width > 0) {
            memset((char *)c->face->values + (size_t)row * c->type->width, 0, c->type->width);
        }
        break;
    }
    builder_column_need_validity(b->pool, c);
    c->face->validity[row >> 3] &= (uint8_t) ~(1u << (row & 7));
}

/* ---- top columns ------------------------------------------------------------------------------- */

/* Room for the row under construction. */
static inline void put_begin(struct builder *b)
{
    if (UNLIKELY(b->out.n == b->out.cap)) {
        builder_begin(b);
    }
}

static inline struct builder_column *put_column(struct builder *b, uint32_t column)
{
    ASSERT(column < b->out.n_columns);
    put_begin(b);
    return &b->columns[column];
}

void builder_put_null(struct builder *b, uint32_t column)
{
    set_null(b, put_column(b, column), b->out.n);
}

void builder_put_bool(struct builder *b, uint32_t column, bool v)
{
    struct builder_column *c = put_column(b, column);
    ASSERT(c->type->layout == LAYOUT_BIT);
    set_bool(c, b->out.n, v);
}

void builder_put_i64(struct builder *b, uint32_t column, int64_t v)
{
    set_i64(put_column(b, column), b->out.n, v);
}

void builder_put_f64(struct builder *b, uint32_t column, double v)
{
    set_f64(put_column(b, column), b->out.n, v);
}

void builder_put_i128(struct builder *b, uint32_t column, __int128 v)
{
    set_i128(put_column(b, column), b->out.n, v);
}

void builder_put_ts_nano(struct builder *b, uint32_t column, struct ts_nano v)
{
    set_ts_nano(put_column(b, column), b->out.n, v);
}

static COLD int report_too_large(const struct builder *b, struct error *err)
{
    return error_set(err, ERR_TOO_LARGE,
                     "column '%s': a value makes a row of %llu bytes, the limit is %llu",
                     b->schema->fields[b->failed_column].name, (unsigned long long)b->failed_bytes,
                     (unsigned long long)b->max_row_bytes);
}

int builder_check(const struct builder *b, struct error *err)
{
    if (b->out.status >= 0) {
        return 0;
    }
    if (b->out.status == ERR_TOO_LARGE) {
        return report_too_large(b, err);
    }
    if (b->out.status == ERR_CORRUPT) {
        const struct field *f = &b->schema->fields[b->failed_column];
        return error_set(err, ERR_CORRUPT, "column '%s': the bytes are no value of its type, %s",
                         f->name, type_id_name(f->type->id));
    }
    return error_set(err, b->out.status, "records could not be handed on: %s",
                     error_code_text(b->out.status));
}

int builder_put_bytes(struct builder *b, uint32_t column, const char *data, size_t len,
                      struct error *err)
{
    int rc = set_bytes(b, put_column(b, column), b->out.n, data, len);
    return rc < 0 ? report_too_large(b, err) : rc;
}

void builder_put_nested(struct builder *b, uint32_t column)
{
    set_nested(b, put_column(b, column), b->out.n);
}

void builder_set_kind(struct builder *b, enum row_kind kind)
{
    put_begin(b);
    if (kind != ROW_KIND_INSERT || b->batch->row_kinds != NULL) {
        builder_need_kinds(b)[b->out.n] = (uint8_t)kind;
    }
}

void builder_set_timestamp(struct builder *b, int64_t timestamp_ms)
{
    put_begin(b);
    if (timestamp_ms != BATCH_NO_TIMESTAMP || b->batch->timestamps != NULL) {
        builder_need_timestamps(b)[b->out.n] = timestamp_ms;
    }
}

void builder_fill_kinds(struct builder *b, uint32_t from, enum row_kind kind)
{
    if (from < b->out.n && (kind != ROW_KIND_INSERT || b->batch->row_kinds != NULL)) {
        memset(builder_need_kinds(b) + from, kind, b->out.n - from);
    }
}

void builder_fill_timestamps(struct builder *b, uint32_t from, int64_t timestamp_ms)
{
    if (from < b->out.n && (timestamp_ms != BATCH_NO_TIMESTAMP || b->batch->timestamps != NULL)) {
        int64_t *timestamps = builder_need_timestamps(b);
        for (uint32_t i = from; i < b->out.n; i++) {
            timestamps[i] = timestamp_ms;
        }
    }
}

void builder_end_row(struct builder *b)
{
    put_begin(b); /* a row without columns */
    b->out.n++;
}

void builder_cancel_row(struct builder *b)
{
    uint32_t n = b->out.n;
    if (b->batch == NULL) {
        return;
    }
    b->long_row = UINT32_MAX;
    for (uint32_t i = 0; i < b->out.n_columns; i++) {
        builder_column_cancel(&b->columns[i], n);
    }
    if (n < b->cap_rows && b->batch->row_kinds != NULL) {
        b->batch->row_kinds->data[n] = ROW_KIND_INSERT;
    }
    if (n < b->cap_rows && b->batch->timestamps != NULL) {
        ((int64_t *)(void *)b->batch->timestamps->data)[n] = BATCH_NO_TIMESTAMP;
    }
}

void builder_cancel_cell(struct builder *b, uint32_t column)
{
    ASSERT(column < b->out.n_columns);
    if (b->batch != NULL) {
        builder_column_cancel(&b->columns[column], b->out.n);
    }
}

/* ---- nested columns ---------------------------------------------------------------------------- */

struct builder_column *builder_column_of(struct builder *b, uint32_t column)
{
    return put_column(b, column);
}

struct builder_column *builder_child_of(struct builder_column *c, uint32_t child)
{
    ASSERT(child < c->n_children);
    return &c->children[child];
}

uint32_t builder_column_rows(const struct builder_column *c)
{
    return c->n;
}

void builder_truncate(struct builder_column *c, uint32_t rows)
{
    ASSERT(rows <= c->n);
    if (c->col != NULL) {
        c->n = rows;
        builder_column_cancel(c, rows);
    }
}

/* The next row of a nested column. */
static inline uint32_t add_row(struct builder *b, struct builder_column *c)
{
    if (UNLIKELY(c->col == NULL)) {
        builder_begin(b);
    }
    builder_column_need_row(b->pool, c);
    return c->n++;
}

void builder_add_null(struct builder *b, struct builder_column *c)
{
    set_null(b, c, add_row(b, c));
}

void builder_add_bool(struct builder *b, struct builder_column *c, bool v)
{
    set_bool(c, add_row(b, c), v);
}

void builder_add_i64(struct builder *b, struct builder_column *c, int64_t v)
{
    set_i64(c, add_row(b, c), v);
}

void builder_add_f64(struct builder *b, struct builder_column *c, double v)
{
    set_f64(c, add_row(b, c), v);
}

void builder_add_i128(struct builder *b, struct builder_column *c, __int128 v)
{
    set_i128(c, add_row(b, c), v);
}

void builder_add_ts_nano(struct builder *b, struct builder_column *c, struct ts_nano v)
{
    set_ts_nano(c, add_row(b, c), v);
}

int builder_add_bytes(struct builder *b, struct builder_column *c, const char *data, size_t len,
                      struct error *err)
{
    int rc = set_bytes(b, c, add_row(b, c), data, len);
    if (rc < 0) {
        c->n--;
        return report_too_large(b, err);
    }
    return 0;
}

void builder_add_nested(struct builder *b, struct builder_column *c)
{
    set_nested(b, c, add_row(b, c));
}

/* ---- slow halves of flinc/out.h ---------------------------------------------------------------- */

/* The row under construction is the last one once the bytes reached their target. */
static void stop_when_full(struct builder *b)
{
    b->out.n++;
    if (builder_is_full(b)) {
        b->out.cap = b->out.n;
    }
    b->out.n--;
}

void flinc_out_put_long(flinc_out *out, uint32_t column, const char *data, size_t len)
{
    struct builder *b = (struct builder *)out->owner;
    struct builder_column *c = &b->columns[column];
    int rc = out->status < 0 ? out->status : set_long(b, c, out->n, data, len);
    if (rc < 0) {
        out->status = rc;
        ((struct view *)c->face->values)[out->n] = (struct view){0};
        return;
    }
    stop_when_full(b);
}

void flinc_out_put_nested(flinc_out *out, uint32_t column, flinc_string bytes)
{
    struct builder *b = (struct builder *)out->owner;
    ASSERT(b->columns[column].type->layout >= LAYOUT_LIST);
    if (out->status < 0) {
        builder_put_null(b, column);
        return;
    }
    int rc = value_decode(bytes.data, bytes.len, b, column, NULL);
    if (rc < 0) {
        b->failed_column = column;
        b->failed_bytes = rc == ERR_TOO_LARGE ? MAX(b->failed_bytes, bytes.len) : 0;
        out->status = rc;
        return;
    }
    stop_when_full(b);
}

void flinc_out_put_null(flinc_out *out, uint32_t column)
{
    struct builder *b = (struct builder *)out->owner;
    set_null(b, &b->columns[column], out->n);
}
