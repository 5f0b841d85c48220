/* Tables with borders, by Flink's rules: cells to the right, NULL as <NULL>, the column `op` for changes.
 * Flink: TableauStyle, PrintStyle. */
#include "client/sqlclient/inside.h"
#include "common/text/utf8.h"
#include <wchar.h>

static const char null_text[] = "<NULL>", more[] = "...";

/* The character at the start: its bytes, at least one. */
static size_t decode(struct slice text, uint32_t *ret_point)
{
    size_t n = utf8_decode(text.data, text.len, ret_point);
    *ret_point = n > 0 ? *ret_point : UTF8_REPLACEMENT;
    return MAX(n, (size_t)1);
}

uint32_t text_width(struct slice text)
{
    uint32_t width = 0;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x80) {
            width += 1;
            i += 1;
            continue;
        }
        uint32_t point = 0;
        size_t n = decode(slice_make(text.data + i, text.len - i), &point);
        int columns = wcwidth((wchar_t)point);
        width += columns >= 0 ? (uint32_t)columns : 1;
        i += n;
    }
    return width;
}

/* ---- widths -------------------------------------------------------------------------------------------- */

static uint32_t width_of_time(int32_t precision, uint32_t base)
{
    return precision == 0 ? base : base + 1 + (precision <= 3 ? 3 : precision <= 6 ? 6 : 9);
}

/* What values of the type take at most; `otherwise` where it does not say. */
static uint32_t width_of_type(const struct data_type *type, uint32_t otherwise)
{
    switch (type->id) {
    case TYPE_TINYINT:
        return 4;
    case TYPE_SMALLINT:
        return 6;
    case TYPE_INTEGER:
        return 11;
    case TYPE_BIGINT:
        return 20;
    case TYPE_DECIMAL:
        return (uint32_t)type->precision + 2;
    case TYPE_BOOLEAN:
        return 5;
    case TYPE_DATE:
        return 10;
    case TYPE_TIME:
        return type->precision == 0 ? 8 : (uint32_t)type->precision + 9;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return width_of_time(type->precision, 19);
    default:
        return otherwise;
    }
}

void tableau_init(struct tableau *t, const struct schema *schema, bool has_kinds,
                  uint32_t max_width)
{
    *t = (struct tableau){schema, has_kinds, true, schema->n_fields, NULL};
    t->widths = mem_zalloc_array(t->n + 1, sizeof(*t->widths));
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t name = text_width(slice_cstr(schema->fields[i].name));
        uint32_t type = width_of_type(schema->fields[i].type, max_width);
        uint32_t width = MAX(name, type);
        t->widths[i] = MAX(width, (uint32_t)sizeof(null_text) - 1);
    }
}

void tableau_narrow(struct tableau *t)
{
    t->ellipsis = false;
    for (uint32_t i = 0; i < t->n; i++) {
        t->widths[i] = text_width(slice_cstr(t->schema->fields[i].name));
    }
}

static struct slice cell_of(const struct batch *strings, uint32_t column, uint32_t row)
{
    const struct column *c = &strings->columns[column];
    return column_is_null(c, row) ? slice_cstr(null_text) : column_get_bytes(c, row);
}

void tableau_widen(struct tableau *t, const struct batch *strings)
{
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t k = 0; k < strings->n_sel; k++) {
            uint32_t width = text_width(cell_of(strings, i, batch_row(strings, k)));
            t->widths[i] = MAX(t->widths[i], width);
        }
    }
}

void tableau_fini(struct tableau *t)
{
    mem_free(t->widths);
    t->widths = NULL;
}

/* ---- text ------------------------------------------------------------------------------------------------ */

static void fill(struct str *out, char c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        str_append_char(out, c);
    }
}

/* Where the character is that has a column. */
static size_t byte_at(struct slice text, uint32_t column)
{
    size_t end = 0;
    uint32_t width = 0;
    while (end < text.len) {
        uint32_t point = 0;
        size_t n = decode(slice_make(text.data + end, text.len - end), &point);
        width += text_width(slice_make(text.data + end, n));
        if (width > column) {
            break;
        }
        end += n;
    }
    return end;
}

struct slice text_columns(struct slice text, uint32_t from, uint32_t n)
{
    if (text.len == 0) {
        return text;
    }
    size_t start = from > 0 ? byte_at(text, from) : 0;
    struct slice rest = slice_make(text.data + start, text.len - start);
    return slice_make(rest.data, byte_at(rest, n));
}

static void append_cell(const struct tableau *t, struct slice text, uint32_t width, struct str *out)
{
    uint32_t has = text_width(text);
    bool is_cut = has > width && t->ellipsis && width > sizeof(more) - 1;
    if (is_cut) {
        text = text_columns(text, 0, width - (uint32_t)(sizeof(more) - 1));
        has = text_width(text) + (uint32_t)(sizeof(more) - 1);
    }
    str_append_char(out, ' ');
    fill(out, ' ', has < width ? width - has : 0);
    str_append_slice(out, text);
    str_append_cstr(out, is_cut ? more : "");
    str_append_cstr(out, " |");
}

void tableau_line(const struct tableau *t, struct str *out)
{
    str_append_cstr(out, t->has_kinds ? "+----+" : "+");
    for (uint32_t i = 0; i < t->n; i++) {
        fill(out, '-', t->widths[i] + 2);
        str_append_char(out, '+');
    }
    str_append_char(out, '\n');
}

void tableau_names(const struct tableau *t, struct str *out)
{
    str_append_cstr(out, t->has_kinds ? "| op |" : "|");
    for (uint32_t i = 0; i < t->n; i++) {
        append_cell(t, slice_cstr(t->schema->fields[i].name), t->widths[i], out);
    }
}

void tableau_header(const struct tableau *t, struct str *out)
{
    tableau_line(t, out);
    tableau_names(t, out);
    str_append_char(out, '\n');
    tableau_line(t, out);
}

uint32_t tableau_width(const struct tableau *t)
{
    uint32_t width = t->has_kinds ? 6 : 1;
    for (uint32_t i = 0; i < t->n; i++) {
        width += t->widths[i] + 3;
    }
    return width;
}

void tableau_cells(const struct tableau *t, enum row_kind kind, const struct slice *cells,
                   struct str *out)
{
    if (t->has_kinds) {
        str_printf(out, "| %s |", row_kind_name(kind));
    } else {
        str_append_char(out, '|');
    }
    for (uint32_t i = 0; i < t->n; i++) {
        append_cell(t, cells[i].data != NULL ? cells[i] : slice_cstr(null_text), t->widths[i], out);
    }
}

void tableau_row(const struct tableau *t, const struct batch *strings, uint32_t row,
                 struct str *out)
{
    if (t->has_kinds) {
        enum row_kind kind = strings->row_kinds != NULL
                                 ? (enum row_kind)strings->row_kinds->data[row]
                                 : ROW_KIND_INSERT;
        str_printf(out, "| %s |", row_kind_name(kind));
    } else {
        str_append_char(out, '|');
    }
    for (uint32_t i = 0; i < t->n; i++) {
        append_cell(t, cell_of(strings, i, row), t->widths[i], out);
    }
    str_append_char(out, '\n');
}
