/* Rows as text; see row_text.h.  The common types are written here, the others by the printer of
 * engine/data. */
#include "engine/operators/io/row_text.h"
#include "common/text/number.h"

static void append_int(struct str *out, int64_t v)
{
    char text[NUMBER_TEXT_MAX];
    str_append(out, text, number_format_int64(v, text));
}

static void append_cell(struct str *out, const struct column *c, uint32_t row)
{
    if (column_is_null(c, row)) {
        str_append(out, "null", 4);
        return;
    }
    switch (c->type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        str_append_slice(out, column_get_bytes(c, row));
        return;
    case TYPE_BIGINT:
        append_int(out, COLUMN_VALUES(c, int64_t)[row]);
        return;
    case TYPE_INTEGER:
        append_int(out, COLUMN_VALUES(c, int32_t)[row]);
        return;
    case TYPE_SMALLINT:
        append_int(out, COLUMN_VALUES(c, int16_t)[row]);
        return;
    case TYPE_TINYINT:
        append_int(out, COLUMN_VALUES(c, int8_t)[row]);
        return;
    default:
        column_print_cell(c, row, out);
        return;
    }
}

void row_text_append(struct str *out, const struct batch *b, uint32_t row)
{
    if (b->n_columns == 1) {
        append_cell(out, &b->columns[0], row);
        return;
    }
    str_append_char(out, '(');
    for (uint32_t c = 0; c < b->n_columns; c++) {
        if (c > 0) {
            str_append_char(out, ',');
        }
        append_cell(out, &b->columns[c], row);
    }
    str_append_char(out, ')');
}
