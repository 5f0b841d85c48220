/* CSV by RFC 4180: columns by position, quotes only where they are needed, LF behind each record.
 *
 * A NULL is null_literal, else nothing; an empty string is "" then.  Elements of an array and fields of a row are
 * joined by ';' in one field; deeper nesting, maps and multisets cannot be written.
 *
 * Thread: the task's.  Flink: CsvRowDataSerializationSchema, CsvBulkWriter. */
#include "common/text/csv.h"

#include "engine/operators/files/encoder.h"
#include "formats/cells/cell_text.h"

static const struct cell_style exact = {CELL_TIME_SQL, CELL_DECIMAL_EXACT};

struct csv_encoder {
    struct file_encoder base;
    struct csv_format format;
    char element_delimiter;
    bool special[256]; /* bytes that make quotes necessary */
    struct slice null_literal;
    struct str nested; /* a nested value, before it is quoted */
    struct str header;
};

/* ---- what it can write -------------------------------------------------------------------------------- */

static bool is_text(const struct data_type *t)
{
    return t->layout == LAYOUT_VIEW && t->id != TYPE_RAW;
}

static bool is_scalar(const struct data_type *t)
{
    return is_text(t) || (t->n_children == 0 && t->id != TYPE_RAW && t->id != TYPE_ROW);
}

static bool can_write(const struct data_type *t)
{
    if (t->id != TYPE_ARRAY && t->id != TYPE_ROW) {
        return is_scalar(t);
    }
    for (uint32_t i = 0; i < t->n_children; i++) {
        if (!is_scalar(t->children[i])) {
            return false;
        }
    }
    return true;
}

static int csv_check(const struct schema *schema, const Flinc__FileSinkConfig *config,
                     struct error *err)
{
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (!can_write(schema->fields[i].type)) {
            STR_AUTO type = STR_INIT;
            type_print(schema->fields[i].type, &type);
            return error_set(err, ERR_UNSUPPORTED,
                             "CSV cannot write the column '%s' of type %s; write \"json\", or make "
                             "it a string before",
                             schema->fields[i].name, str_cstr(&type));
        }
    }
    const Flinc__CsvFormat *f = config->csv;
    if (f != NULL &&
        (f->delimiter > 127 || f->quote > 127 || f->delimiter == '\n' || f->delimiter == '\r' ||
         f->quote == '\n' || f->quote == '\r' || (f->delimiter != 0 && f->delimiter == f->quote))) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the delimiter and the quote of CSV are two different ASCII characters, "
                         "and no line ends");
    }
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void make_header(struct csv_encoder *e, const struct schema *schema)
{
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (i > 0) {
            str_append_char(&e->header, e->format.delimiter);
        }
        csv_append_field(&e->header, slice_cstr(schema->fields[i].name), &e->format);
    }
    str_append_char(&e->header, '\n');
    e->base.header = str_slice(&e->header);
}

static int csv_open(struct file_encoder *base, const struct file_encoder_context *c,
                    struct error *err)
{
    struct csv_encoder *e = CONTAINER_OF(base, struct csv_encoder, base);
    const Flinc__CsvFormat *f = c->config->csv;

    (void)err;
    e->format.delimiter = f != NULL && f->delimiter != 0 ? (char)f->delimiter : ',';
    e->format.quote = f != NULL && f->quote != 0 ? (char)f->quote : '"';
    e->element_delimiter = ';';
    e->null_literal = slice_cstr(f != NULL ? f->null_literal : "");
    e->special[(uint8_t)e->format.delimiter] = e->special[(uint8_t)e->format.quote] = true;
    e->special['\n'] = e->special['\r'] = true;
    if (f != NULL && f->header) {
        make_header(e, c->schema);
    }
    return 0;
}

static void csv_close(struct file_encoder *base)
{
    struct csv_encoder *e = CONTAINER_OF(base, struct csv_encoder, base);

    str_fini(&e->nested);
    str_fini(&e->header);
}

/* ---- cells --------------------------------------------------------------------------------------------- */

static COLD void append_quoted(const struct csv_encoder *e, struct str *out, struct slice text)
{
    char *p = cell_room(out, text.len * 2 + 2);

    *p++ = e->format.quote;
    for (size_t i = 0; i < text.len; i++) {
        *p++ = text.data[i];
        if (text.data[i] == e->format.quote) {
            *p++ = e->format.quote;
        }
    }
    *p++ = e->format.quote;
    cell_wrote(out, p);
}

static ALWAYS_INLINE void append_text(const struct csv_encoder *e, struct str *out,
                                      struct slice text)
{
    bool special = text.len == 0 || text.data[0] == ' ' || text.data[text.len - 1] == ' ';

    for (size_t i = 0; i < text.len; i++) {
        special |= e->special[(uint8_t)text.data[i]];
    }
    if (UNLIKELY(special) || (e->null_literal.len > 0 && slice_eq(text, e->null_literal))) {
        append_quoted(e, out, text);
        return;
    }
    char *p = cell_room(out, text.len);
    memcpy(p, text.data, text.len);
    cell_wrote(out, p + text.len);
}

static void append_element(struct str *out, const struct column *c, uint32_t row)
{
    if (column_is_null(c, row)) {
        return;
    }
    if (c->type->id == TYPE_CHAR || c->type->id == TYPE_VARCHAR) {
        cell_end(out);
        str_append_slice(out, column_get_bytes(c, row));
    } else if (c->type->layout == LAYOUT_VIEW) {
        cell_append_base64(out, column_get_bytes(c, row));
    } else {
        cell_append_scalar(out, exact, c, row);
    }
}

static COLD void append_nested(struct csv_encoder *e, struct str *out, const struct column *c,
                               uint32_t row)
{
    bool is_row = c->type->id == TYPE_ROW;
    const int32_t *offsets = is_row ? NULL : COLUMN_VALUES(c, const int32_t) + row;
    uint32_t first = is_row ? 0 : (uint32_t)offsets[0];
    uint32_t end = is_row ? c->n_children : (uint32_t)offsets[1];

    str_clear(&e->nested);
    for (uint32_t i = first; i < end; i++) {
        if (i > first) {
            char *p = cell_room(&e->nested, 1);
            *p = e->element_delimiter;
            cell_wrote(&e->nested, p + 1);
        }
        append_element(&e->nested, &c->children[is_row ? i : 0], is_row ? row : i);
    }
    append_text(e, out, str_slice(&e->nested));
}

static void append_other(struct csv_encoder *e, struct str *out, const struct column *c,
                         uint32_t row)
{
    if (c->type->layout == LAYOUT_VIEW) {
        cell_append_base64(out, column_get_bytes(c, row));
    } else if (c->type->id == TYPE_ARRAY || c->type->id == TYPE_ROW) {
        append_nested(e, out, c, row);
    } else {
        size_t before = out->len;
        cell_append_scalar(out, exact, c, row);
        /* Numbers and times have the delimiter only where somebody chose an odd one. */
        for (size_t i = before; i < out->len; i++) {
            if (UNLIKELY(e->special[(uint8_t)out->data[i]])) {
                str_clear(&e->nested);
                str_append(&e->nested, out->data + before, out->len - before);
                out->len = before;
                append_quoted(e, out, str_slice(&e->nested));
                return;
            }
        }
    }
}

static ALWAYS_INLINE void append_cell(struct csv_encoder *e, struct str *out,
                                      const struct column *c, uint32_t row)
{
    if (UNLIKELY(column_is_null(c, row))) {
        char *p = cell_room(out, e->null_literal.len);
        memcpy(p, e->null_literal.data, e->null_literal.len);
        cell_wrote(out, p + e->null_literal.len);
        return;
    }
    switch (c->type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        append_text(e, out, column_get_bytes(c, row));
        return;
    case TYPE_BIGINT:
    case TYPE_INTEGER:
        if (LIKELY(!e->special['-'])) {
            cell_wrote(out, cell_put_i64(cell_room(out, CELL_INT_MAX), column_get_int(c, row)));
            return;
        }
        break;
    default:
        break;
    }
    append_other(e, out, c, row);
}

static int csv_encode(struct file_encoder *base, void *part, const struct batch *b, struct str *out,
                      struct error *err)
{
    struct csv_encoder *e = CONTAINER_OF(base, struct csv_encoder, base);

    (void)part;
    (void)err;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        for (uint32_t k = 0; k < b->n_columns; k++) {
            append_cell(e, out, &b->columns[k], row);
            char *p = cell_room(out, 1);
            *p = k + 1 < b->n_columns ? e->format.delimiter : '\n';
            cell_wrote(out, p + 1);
        }
    }
    cell_end(out);
    return 0;
}

const struct file_encoder_desc file_encoder_csv = {
    .name = "csv",
    .is_appendable = true,
    .instance_size = sizeof(struct csv_encoder),
    .check = csv_check,
    .open = csv_open,
    .close = csv_close,
    .encode = csv_encode,
};
