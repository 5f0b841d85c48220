/* Rows and cells as text: Flink's Row.toString ("+I[hello, 3]"), values as Java prints them. */
#include "engine/data/batch.h"
#include "engine/data/value_print.h"

static void print_bytes(struct slice bytes, struct str *out)
{
    str_append_char(out, '[');
    for (size_t i = 0; i < bytes.len; i++) {
        str_printf(out, "%s%d", i > 0 ? ", " : "", (signed char)bytes.data[i]);
    }
    str_append_char(out, ']');
}

static void print_view(const struct column *c, uint32_t row, struct str *out)
{
    if (c->type->id == TYPE_CHAR || c->type->id == TYPE_VARCHAR) {
        str_append_slice(out, column_get_bytes(c, row));
    } else {
        print_bytes(column_get_bytes(c, row), out);
    }
}

static void print_array(const struct column *c, uint32_t row, struct str *out)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    str_append_char(out, '[');
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        if (i > offsets[0]) {
            str_append_cstr(out, ", ");
        }
        column_print_cell(&c->children[0], (uint32_t)i, out);
    }
    str_append_char(out, ']');
}

static void print_map(const struct column *c, uint32_t row, struct str *out)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    str_append_char(out, '{');
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        if (i > offsets[0]) {
            str_append_cstr(out, ", ");
        }
        column_print_cell(&c->children[0], (uint32_t)i, out);
        str_append_char(out, '=');
        column_print_cell(&c->children[1], (uint32_t)i, out);
    }
    str_append_char(out, '}');
}

static void print_columns(enum row_kind kind, const struct column *columns, uint32_t n,
                          uint32_t row, struct str *out)
{
    str_append_cstr(out, row_kind_name(kind));
    str_append_char(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) {
            str_append_cstr(out, ", ");
        }
        column_print_cell(&columns[i], row, out);
    }
    str_append_char(out, ']');
}

static void print_i64(const struct data_type *t, int64_t v, struct str *out)
{
    switch (t->id) {
    case TYPE_DATE:
        value_print_date(v, out);
        break;
    case TYPE_TIME:
        value_print_time(v / 1000, (uint32_t)(v % 1000) * 1000000u, out);
        break;
    case TYPE_DECIMAL:
        value_print_decimal(v, t->scale, out);
        break;
    case TYPE_INTERVAL_YEAR_MONTH:
        value_print_months((int32_t)v, t->resolution, out);
        break;
    case TYPE_INTERVAL_DAY_TIME:
        value_print_duration(v, out);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ: {
        int64_t per_milli = t->precision <= 3 ? 1 : 1000; /* stored as ms or us */
        int64_t millis = v / per_milli - (v % per_milli < 0 ? 1 : 0);
        int64_t micros = (v % per_milli + per_milli) % per_milli;
        struct ts_nano ts = {millis, (int32_t)micros * 1000, 0};
        value_print_timestamp(t, ts, out);
        break;
    }
    default:
        str_printf(out, "%lld", (long long)v);
        break;
    }
}

void column_print_cell(const struct column *c, uint32_t row, struct str *out)
{
    if (column_is_null(c, row)) {
        str_append_cstr(out, "null");
        return;
    }
    switch (c->type->layout) {
    case LAYOUT_NULL:
        str_append_cstr(out, "null");
        break;
    case LAYOUT_BIT:
        str_append_cstr(out, column_get_bool(c, row) ? "true" : "false");
        break;
    case LAYOUT_I8:
        print_i64(c->type, COLUMN_VALUES(c, const int8_t)[row], out);
        break;
    case LAYOUT_I16:
        print_i64(c->type, COLUMN_VALUES(c, const int16_t)[row], out);
        break;
    case LAYOUT_I32:
        print_i64(c->type, COLUMN_VALUES(c, const int32_t)[row], out);
        break;
    case LAYOUT_I64:
        print_i64(c->type, COLUMN_VALUES(c, const int64_t)[row], out);
        break;
    case LAYOUT_I128:
        value_print_decimal(COLUMN_VALUES(c, const __int128)[row], c->type->scale, out);
        break;
    case LAYOUT_F32:
        value_print_f32(COLUMN_VALUES(c, const float)[row], out);
        break;
    case LAYOUT_F64:
        value_print_f64(COLUMN_VALUES(c, const double)[row], out);
        break;
    case LAYOUT_TS_NANO:
        value_print_timestamp(c->type, COLUMN_VALUES(c, const struct ts_nano)[row], out);
        break;
    case LAYOUT_VIEW:
        print_view(c, row, out);
        break;
    case LAYOUT_LIST:
        print_array(c, row, out);
        break;
    case LAYOUT_MAP:
        print_map(c, row, out);
        break;
    case LAYOUT_STRUCT:
        print_columns(ROW_KIND_INSERT, c->children, c->n_children, row, out);
        break;
    }
}

void batch_print_row(const struct batch *b, uint32_t row, struct str *out)
{
    enum row_kind kind =
        b->row_kinds != NULL ? (enum row_kind)b->row_kinds->data[row] : ROW_KIND_INSERT;
    print_columns(kind, b->columns, b->n_columns, row, out);
}
