/* Batches as CSV; see csv_rows.h. */
#include "formats/csv/csv_rows.h"

#include <cell_block.h>

/* ---- what it can write -------------------------------------------------------------------------------------- */

static bool is_flat(const struct data_type *t)
{
    return t->n_children == 0 && t->id != TYPE_RAW && t->id != TYPE_ROW;
}

bool csv_rows_can_write(const struct data_type *t)
{
    if (t->id != TYPE_ARRAY && t->id != TYPE_ROW) {
        return is_flat(t);
    }
    for (uint32_t i = 0; i < t->n_children; i++) {
        if (!is_flat(t->children[i])) {
            return false;
        }
    }
    return true;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

void csv_rows_init(struct csv_rows *w, const struct csv_rows_options *options)
{
    *w = (struct csv_rows){.options = *options};
    if (options->null_literal != NULL) {
        str_append_cstr(&w->null_literal, options->null_literal);
    }
    w->options.null_literal = NULL;
    w->special[(uint8_t)options->delimiter] = true;
    w->special['\n'] = w->special['\r'] = true;
    if (options->quote != 0) {
        w->special[(uint8_t)options->quote] = true;
    }
    if (options->escape != 0) {
        w->special[(uint8_t)options->escape] = true;
    }
}

void csv_rows_fini(struct csv_rows *w)
{
    str_fini(&w->null_literal);
    str_fini(&w->nested);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static COLD void append_special(const struct csv_rows *w, struct str *out, struct slice text)
{
    char quote = w->options.quote, escape = w->options.escape;
    char *p = cell_room(out, text.len * 2 + 2);

    if (quote != 0) {
        *p++ = quote;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (escape != 0 && (c == escape || (quote != 0 && c == quote) ||
                            (quote == 0 && c == w->options.delimiter))) {
            *p++ = escape;
        } else if (quote != 0 && c == quote) {
            *p++ = quote;
        }
        *p++ = c;
    }
    if (quote != 0) {
        *p++ = quote;
    }
    cell_wrote(out, p);
}

static ALWAYS_INLINE uint32_t special_bytes(const struct csv_rows *w, cell_block b)
{
    uint32_t bits = cell_block_equal(b, w->options.delimiter) | cell_block_equal(b, '\n') |
                    cell_block_equal(b, '\r');

    bits |= w->options.quote != 0 ? cell_block_equal(b, w->options.quote) : 0;
    return bits | (w->options.escape != 0 ? cell_block_equal(b, w->options.escape) : 0);
}

/* Bytes that may be read past their end, as those of columns. */
static ALWAYS_INLINE void append_text(const struct csv_rows *w, struct str *out, struct slice text)
{
    char *p = cell_room(out, text.len + CELL_BLOCK);
    uint32_t special = text.len == 0 || text.data[0] == ' ' || text.data[text.len - 1] == ' ';
    size_t i = 0;

    for (; i + CELL_BLOCK <= text.len; i += CELL_BLOCK) {
        cell_block b = cell_block_load(text.data + i);
        memcpy(p + i, &b, CELL_BLOCK);
        special |= special_bytes(w, b);
    }
    if (i < text.len) {
        cell_block b = cell_block_load(text.data + i);
        memcpy(p + i, &b, CELL_BLOCK);
        special |= special_bytes(w, b) & ((1u << (text.len - i)) - 1);
    }
    if (UNLIKELY(special != 0) ||
        (w->null_literal.len > 0 && slice_eq(text, str_slice(&w->null_literal)))) {
        append_special(w, out, text);
        return;
    }
    cell_wrote(out, p + text.len);
}

/* The same of any bytes. */
static void append_plain_text(const struct csv_rows *w, struct str *out, struct slice text)
{
    bool special = text.len == 0 || text.data[0] == ' ' || text.data[text.len - 1] == ' ';

    for (size_t i = 0; i < text.len; i++) {
        special |= w->special[(uint8_t)text.data[i]];
    }
    if (special || (w->null_literal.len > 0 && slice_eq(text, str_slice(&w->null_literal)))) {
        append_special(w, out, text);
        return;
    }
    char *p = cell_room(out, text.len);
    memcpy(p, text.data, text.len);
    cell_wrote(out, p + text.len);
}

void csv_rows_append_text(struct csv_rows *w, struct str *out, struct slice text)
{
    append_plain_text(w, out, text);
}

/* ---- nested -------------------------------------------------------------------------------------------------------- */

static void append_null(const struct csv_rows *w, struct str *out)
{
    char *p = cell_room(out, w->null_literal.len);

    if (w->null_literal.len > 0) {
        memcpy(p, w->null_literal.data, w->null_literal.len);
    }
    cell_wrote(out, p + w->null_literal.len);
}

static void append_element(const struct csv_rows *w, struct str *out, const struct column *c,
                           uint32_t row)
{
    if (c->type->id == TYPE_NULL || column_is_null(c, row)) {
        if (w->options.writes_null_elements) {
            append_null(w, out);
        }
    } else if (c->type->id == TYPE_CHAR || c->type->id == TYPE_VARCHAR) {
        cell_end(out);
        str_append_slice(out, column_get_bytes(c, row));
    } else if (c->type->layout == LAYOUT_VIEW) {
        cell_append_base64(out, column_get_bytes(c, row));
    } else {
        cell_append_scalar(out, w->options.style, c, row);
    }
}

static COLD void append_nested(struct csv_rows *w, struct str *out, const struct column *c,
                               uint32_t row)
{
    bool is_row = c->type->id == TYPE_ROW;
    const int32_t *offsets = is_row ? NULL : COLUMN_VALUES(c, const int32_t) + row;
    uint32_t first = is_row ? 0 : (uint32_t)offsets[0];
    uint32_t end = is_row ? c->n_children : (uint32_t)offsets[1];

    str_clear(&w->nested);
    for (uint32_t i = first; i < end; i++) {
        if (i > first) {
            char *p = cell_room(&w->nested, 1);
            *p = w->options.element_delimiter;
            cell_wrote(&w->nested, p + 1);
        }
        append_element(w, &w->nested, &c->children[is_row ? i : 0], is_row ? row : i);
    }
    append_plain_text(w, out, str_slice(&w->nested));
}

/* ---- cells ------------------------------------------------------------------------------------------------------------ */

static void append_other(struct csv_rows *w, struct str *out, const struct column *c, uint32_t row)
{
    if (c->type->layout == LAYOUT_VIEW) {
        cell_append_base64(out, column_get_bytes(c, row));
        return;
    }
    if (c->type->id == TYPE_ARRAY || c->type->id == TYPE_ROW) {
        append_nested(w, out, c, row);
        return;
    }
    size_t before = out->len;
    cell_append_scalar(out, w->options.style, c, row);
    /* Numbers and times have the delimiter only where somebody chose an odd one. */
    for (size_t i = before; i < out->len; i++) {
        if (UNLIKELY(w->special[(uint8_t)out->data[i]])) {
            str_clear(&w->nested);
            str_append(&w->nested, out->data + before, out->len - before);
            out->len = before;
            append_special(w, out, str_slice(&w->nested));
            return;
        }
    }
}

static ALWAYS_INLINE void append_cell(struct csv_rows *w, struct str *out, const struct column *c,
                                      uint32_t row)
{
    if (UNLIKELY(c->type->id == TYPE_NULL || column_is_null(c, row))) {
        append_null(w, out);
        return;
    }
    switch (c->type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        append_text(w, out, column_get_bytes(c, row));
        return;
    case TYPE_BIGINT:
    case TYPE_INTEGER:
        if (LIKELY(!w->special['-'])) {
            cell_wrote(out, cell_put_i64(cell_room(out, CELL_INT_MAX), column_get_int(c, row)));
            return;
        }
        break;
    default:
        break;
    }
    append_other(w, out, c, row);
}

void csv_rows_append(struct csv_rows *w, const struct batch *b, uint32_t row, struct str *out)
{
    for (uint32_t k = 0; k < b->n_columns; k++) {
        if (k > 0) {
            char *p = cell_room(out, 1);
            *p = w->options.delimiter;
            cell_wrote(out, p + 1);
        }
        append_cell(w, out, &b->columns[k], row);
    }
}
