/* Rows as JSON; see json_rows.h. */
#include "client/statetool/json_rows.h"

#include "common/text/json_writer.h"
#include "common/text/number.h"
#include "engine/data/value_print.h"
#include <math.h>

static void append_cell(const struct column *c, uint32_t row, struct str *out);

void json_columns_init(struct json_columns *c, const struct schema *s, uint32_t first, uint32_t n)
{
    *c = (struct json_columns){.first = first, .n = n, .names = MEM_NEW_ARRAY(struct str, n + 1)};
    for (uint32_t i = 0; i < n; i++) {
        str_append_char(&c->names[i], i == 0 ? '{' : ',');
        json_append_quoted(&c->names[i], slice_cstr(s->fields[first + i].name));
        str_append_char(&c->names[i], ':');
    }
}

void json_columns_fini(struct json_columns *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        str_fini(&c->names[i]);
    }
    mem_free(c->names);
}

void json_columns_append(const struct json_columns *c, const struct batch *b, uint32_t row,
                         struct str *out)
{
    if (c->n == 0) {
        str_append_cstr(out, "{}");
        return;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        str_append(out, c->names[i].data, c->names[i].len);
        append_cell(&b->columns[c->first + i], row, out);
    }
    str_append_char(out, '}');
}

/* ---- values ----------------------------------------------------------------------------------- */

void json_append_int(struct str *out, int64_t v)
{
    char digits[24];
    char *p = digits + sizeof(digits);
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v < 0) {
        *--p = '-';
    }
    str_append(out, p, (size_t)(digits + sizeof(digits) - p));
}

static void append_float(struct str *out, double v, bool is_single)
{
    char text[NUMBER_TEXT_MAX];
    if (!isfinite(v)) {
        str_append_cstr(out, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else if (is_single) {
        value_print_f32((float)v, out);
    } else {
        size_t len = number_format_double(v, text);
        str_append(out, text, len);
    }
}

static void append_bytes(const struct column *c, uint32_t row, struct str *out)
{
    struct slice s = column_get_bytes(c, row);
    if (c->type->id == TYPE_CHAR || c->type->id == TYPE_VARCHAR) {
        json_append_quoted(out, s);
        return;
    }
    str_append_char(out, '"');
    str_append_hex(out, s.data, s.len);
    str_append_char(out, '"');
}

static void append_nested(const struct column *c, uint32_t row, struct str *out)
{
    if (c->type->layout == LAYOUT_STRUCT) {
        str_append_char(out, '{');
        for (uint32_t i = 0; i < c->n_children; i++) {
            str_append(out, ",", i > 0);
            json_append_quoted(out, slice_cstr(c->type->names[i]));
            str_append_char(out, ':');
            append_cell(&c->children[i], row, out);
        }
        str_append_char(out, '}');
        return;
    }
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
    bool is_map = c->type->layout == LAYOUT_MAP;
    str_append_char(out, '[');
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        str_append(out, ",", i > offsets[row]);
        str_append_cstr(out, is_map ? "{\"key\":" : "");
        append_cell(&c->children[0], (uint32_t)i, out);
        if (is_map) {
            str_append_cstr(out, ",\"value\":");
            append_cell(&c->children[1], (uint32_t)i, out);
            str_append_char(out, '}');
        }
    }
    str_append_char(out, ']');
}

/* Times, intervals and decimals, as Flink prints them. */
static void append_printed(const struct column *c, uint32_t row, struct str *out)
{
    bool is_number = c->type->id == TYPE_DECIMAL;
    str_append(out, "\"", !is_number);
    column_print_cell(c, row, out);
    str_append(out, "\"", !is_number);
}

static void append_cell(const struct column *c, uint32_t row, struct str *out)
{
    if (column_is_null(c, row)) {
        str_append(out, "null", 4);
        return;
    }
    switch (c->type->id) {
    case TYPE_BOOLEAN:
        str_append_cstr(out, column_get_bool(c, row) ? "true" : "false");
        break;
    case TYPE_TINYINT:
        json_append_int(out, COLUMN_VALUES(c, const int8_t)[row]);
        break;
    case TYPE_SMALLINT:
        json_append_int(out, COLUMN_VALUES(c, const int16_t)[row]);
        break;
    case TYPE_INTEGER:
        json_append_int(out, COLUMN_VALUES(c, const int32_t)[row]);
        break;
    case TYPE_BIGINT:
        json_append_int(out, COLUMN_VALUES(c, const int64_t)[row]);
        break;
    case TYPE_FLOAT:
        append_float(out, COLUMN_VALUES(c, const float)[row], true);
        break;
    case TYPE_DOUBLE:
        append_float(out, COLUMN_VALUES(c, const double)[row], false);
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
    case TYPE_RAW:
        append_bytes(c, row, out);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        append_nested(c, row, out);
        break;
    default:
        append_printed(c, row, out);
        break;
    }
}
