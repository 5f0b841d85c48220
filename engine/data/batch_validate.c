/* Every invariant of a batch (batch.h), checked: for data from outside, and for tests.  Nothing is
 * read before the size of its buffer is known to cover it. */
#include "engine/data/batch.h"

/* Where in the batch we are, for messages. */
struct place {
    const char *column; /* name of the top column */
    struct error *err;
};

static int bad(const struct place *at, const char *what)
{
    return error_set(at->err, ERR_CORRUPT, "column '%s': %s", at->column, what);
}

static int check_buffer(const struct place *at, const struct buffer *buffer, uint64_t bytes,
                        const char *what)
{
    if (buffer == NULL || buffer->data == NULL) {
        return error_set(at->err, ERR_CORRUPT, "column '%s': there is no %s buffer", at->column,
                         what);
    }
    if (buffer->size < bytes || buffer->size > buffer->capacity) {
        return error_set(at->err, ERR_CORRUPT,
                         "column '%s': the %s buffer has %llu bytes, not %llu", at->column, what,
                         (unsigned long long)buffer->size, (unsigned long long)bytes);
    }
    return 0;
}

static int check_views(const struct place *at, const struct column *c, uint32_t n)
{
    const struct view *views = COLUMN_VALUES(c, const struct view);
    for (uint32_t i = 0; i < c->n_data; i++) {
        TRY(check_buffer(at, c->data[i], 0, "data"));
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct view *v = &views[i];
        if (v->len < 0) {
            return bad(at, "a string has a negative length");
        }
        if (view_is_inline(v)) {
            for (int32_t k = v->len; k < VIEW_INLINE_MAX; k++) {
                if (v->inlined[k] != 0) {
                    return bad(at, "bytes behind a short string are not zero");
                }
            }
            continue;
        }
        if (v->buffer < 0 || (uint32_t)v->buffer >= c->n_data) {
            return bad(at, "a string lies in a data buffer that does not exist");
        }
        const struct buffer *data = c->data[v->buffer];
        if (v->offset < 0 || (uint64_t)v->offset + (uint64_t)v->len > data->size) {
            return bad(at, "a string reaches beyond its data buffer");
        }
        if (memcmp(data->data + v->offset, v->prefix, sizeof(v->prefix)) != 0) {
            return bad(at, "the prefix of a string differs from its bytes");
        }
    }
    return 0;
}

static int check_offsets(const struct place *at, const struct column *c, uint32_t n)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
    if (offsets[0] < 0) {
        return bad(at, "an offset is negative");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (offsets[i + 1] < offsets[i]) {
            return bad(at, "offsets decrease");
        }
    }
    if ((uint32_t)offsets[n] > c->child_rows) {
        return bad(at, "an offset lies beyond the elements");
    }
    return 0;
}

static int check_ts_nanos(const struct place *at, const struct column *c, uint32_t n)
{
    const struct ts_nano *values = COLUMN_VALUES(c, const struct ts_nano);
    for (uint32_t i = 0; i < n; i++) {
        if (values[i].nanos < 0 || values[i].nanos > 999999 || values[i].pad != 0) {
            return bad(at, "the nanoseconds of a timestamp are not within a millisecond");
        }
    }
    return 0;
}

static int check_column(const struct place *at, const struct column *c,
                        const struct data_type *type, uint32_t n)
{
    if (c->type != type && !type_equals(c->type, type)) {
        return bad(at, "its type is not the schema's");
    }
    if (c->n_children != type_child_columns(type) || c->data == NULL || c->n_data > c->cap_data) {
        return bad(at, "its header is damaged");
    }
    if (n > 0 && (c->validity != NULL || type->layout == LAYOUT_NULL)) {
        TRY(check_buffer(at, c->validity, (n + 7) / 8, "validity"));
    }
    if (n > 0 && column_values_bytes(type, n) > 0) {
        TRY(check_buffer(at, c->values, column_values_bytes(type, n), "values"));
        switch (type->layout) {
        case LAYOUT_VIEW:
            TRY(check_views(at, c, n));
            break;
        case LAYOUT_LIST:
        case LAYOUT_MAP:
            TRY(check_offsets(at, c, n));
            break;
        case LAYOUT_TS_NANO:
            TRY(check_ts_nanos(at, c, n));
            break;
        default:
            break;
        }
    }
    for (uint32_t i = 0; i < n && type->layout == LAYOUT_NULL; i++) {
        if (!column_is_null(c, i)) {
            return bad(at, "a cell of type NULL is not NULL");
        }
    }
    uint32_t child_rows = n > 0 ? column_child_rows(c, n) : 0;
    for (uint32_t i = 0; i < c->n_children; i++) {
        TRY(check_column(at, &c->children[i], type_child_column(type, i), child_rows));
    }
    return 0;
}

static int check_selection(const struct place *at, const struct batch *b)
{
    if (b->sel == NULL) {
        return b->n_sel == b->n_rows ? 0 : bad(at, "rows are missing from no selection");
    }
    TRY(check_buffer(at, b->sel, (uint64_t)b->n_sel * sizeof(uint16_t), "rows"));
    const uint16_t *rows = batch_sel(b);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        if (rows[i] >= b->n_rows || (i > 0 && rows[i] <= rows[i - 1])) {
            return bad(at, "rows are not increasing, or beyond the batch");
        }
    }
    return 0;
}

int batch_validate(const struct batch *b, struct error *err)
{
    struct place at = {.column = "(selection)", .err = err};
    if (b->n_rows > BATCH_ROWS_MAX) {
        return error_set(err, ERR_CORRUPT, "a batch of %u rows, at most %d are possible", b->n_rows,
                         BATCH_ROWS_MAX);
    }
    if (b->n_columns != b->schema->n_fields) {
        return error_set(err, ERR_CORRUPT, "a batch of %u columns for a schema of %u", b->n_columns,
                         b->schema->n_fields);
    }
    TRY(check_selection(&at, b));
    if (b->row_kinds != NULL) {
        at.column = "(row kinds)";
        TRY(check_buffer(&at, b->row_kinds, b->n_rows, "values"));
        for (uint32_t i = 0; i < b->n_rows; i++) {
            if (b->row_kinds->data[i] > ROW_KIND_DELETE) {
                return bad(&at, "not a row kind");
            }
        }
    }
    at.column = "(timestamps)";
    if (b->timestamps != NULL) {
        TRY(check_buffer(&at, b->timestamps, (uint64_t)b->n_rows * 8, "values"));
    }
    at.column = "(hashes)";
    if (b->hashes != NULL) {
        TRY(check_buffer(&at, b->hashes, (uint64_t)b->n_rows * 8, "values"));
    }
    for (uint32_t i = 0; i < b->n_columns; i++) {
        at.column = b->schema->fields[i].name;
        TRY(check_column(&at, &b->columns[i], b->schema->fields[i].type, b->n_rows));
    }
    return 0;
}
