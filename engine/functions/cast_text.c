/* Casts to CHAR, VARCHAR, BINARY and VARBINARY: the text of every type, lengths. */
#include "engine/functions/cast.h"

#include "engine/data/value_print.h"
#include "engine/expr/type_rules.h"
#include "engine/functions/zones.h"
#include "engine/values/calendar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- text of values --------------------------------------------------------------------------------- */

static void print_months(int64_t months, struct str *out)
{
    const int64_t m = llabs(months);
    str_printf(out, "%c%" PRId64 "-%02" PRId64, months < 0 ? '-' : '+', m / 12, m % 12);
}

static void print_duration(int64_t millis, struct str *out)
{
    const uint64_t m = millis < 0 ? -(uint64_t)millis : (uint64_t)millis;
    str_printf(out, "%c%" PRIu64 " %02d:%02d:%02d.%03d", millis < 0 ? '-' : '+',
               m / CALENDAR_DAY_MS, (int)(m / 3600000 % 24), (int)(m / 60000 % 60),
               (int)(m / 1000 % 60), (int)(m % 1000));
}

static void print_cell(const struct column *c, uint32_t row, const struct time_zone *zone,
                       struct str *out);

static void print_range(const struct column *c, uint32_t row, const struct time_zone *zone,
                        struct str *out)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    const bool is_list = c->type->layout == LAYOUT_LIST;
    str_append_char(out, is_list ? '[' : '{');
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        str_append_cstr(out, i > offsets[0] ? ", " : "");
        print_cell(&c->children[0], (uint32_t)i, zone, out);
        if (!is_list) {
            str_append_char(out, '=');
            print_cell(&c->children[1], (uint32_t)i, zone, out);
        }
    }
    str_append_char(out, is_list ? ']' : '}');
}

static void print_row(const struct column *c, uint32_t row, const struct time_zone *zone,
                      struct str *out)
{
    str_append_char(out, '(');
    for (uint32_t i = 0; i < c->n_children; i++) {
        str_append_cstr(out, i > 0 ? ", " : "");
        print_cell(&c->children[i], row, zone, out);
    }
    str_append_char(out, ')');
}

static void print_timestamp(const struct column *c, uint32_t row, const struct time_zone *zone,
                            struct str *out)
{
    char text[CALENDAR_TEXT_MAX];
    struct ts_nano t = expr_timestamp_cell(c, row);
    if (c->type->id == TYPE_TIMESTAMP_LTZ) {
        t.millis = zone_to_local(zone, t.millis);
    }
    str_append(out, text, calendar_print_timestamp(t, c->type->precision, text));
}

static void print_scalar(const struct column *c, uint32_t row, const struct time_zone *zone,
                         struct str *out)
{
    char text[CALENDAR_TEXT_MAX];
    switch (c->type->id) {
    case TYPE_BOOLEAN:
        str_append_cstr(out, column_get_bool(c, row) ? "TRUE" : "FALSE");
        break;
    case TYPE_DECIMAL:
        value_print_decimal(c->type->layout == LAYOUT_I128 ? COLUMN_VALUES(c, const __int128)[row]
                                                           : column_get_int(c, row),
                            c->type->scale, out);
        break;
    case TYPE_FLOAT:
        value_print_f32(COLUMN_VALUES(c, const float)[row], out);
        break;
    case TYPE_DOUBLE:
        value_print_f64(COLUMN_VALUES(c, const double)[row], out);
        break;
    case TYPE_DATE:
        str_append(out, text, calendar_print_date(column_get_int(c, row), text));
        break;
    case TYPE_TIME:
        str_append(out, text,
                   calendar_print_time(column_get_int(c, row), MIN(c->type->precision, 3), text));
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        print_timestamp(c, row, zone, out);
        break;
    case TYPE_INTERVAL_YEAR_MONTH:
        print_months(column_get_int(c, row), out);
        break;
    case TYPE_INTERVAL_DAY_TIME:
        print_duration(column_get_int(c, row), out);
        break;
    default:
        str_printf(out, "%" PRId64, column_get_int(c, row));
        break;
    }
}

static void print_cell(const struct column *c, uint32_t row, const struct time_zone *zone,
                       struct str *out)
{
    if (column_is_null(c, row)) {
        str_append_cstr(out, "NULL");
        return;
    }
    switch (c->type->layout) {
    case LAYOUT_VIEW:
        str_append_slice(out, column_get_bytes(c, row));
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        print_range(c, row, zone, out);
        break;
    case LAYOUT_STRUCT:
        print_row(c, row, zone, out);
        break;
    default:
        print_scalar(c, row, zone, out);
        break;
    }
}

/* ---- lengths ---------------------------------------------------------------------------------------- */

/* The first `n` characters of a text, and how many it has up to there. */
static struct slice first_characters(struct slice text, int32_t n, int32_t *ret_n)
{
    int32_t count = 0;
    if (text.len <= (size_t)n) {
        for (size_t i = 0; i < text.len; i++) {
            count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
        }
        *ret_n = count;
        return text;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (((unsigned char)text.data[i] & 0xc0) != 0x80 && count++ == n) {
            *ret_n = n;
            return slice_make(text.data, i);
        }
    }
    *ret_n = count;
    return text;
}

static void put_padded(struct expr_frame *f, uint32_t row, struct slice text, size_t n_pad,
                       char pad)
{
    char *to = expr_begin_bytes(f, row, text.len + n_pad);
    if (text.len > 0) {
        memcpy(to, text.data, text.len);
    }
    memset(to + text.len, pad, n_pad);
    expr_end_bytes(f, row, text.len + n_pad);
}

/* Cut to the type's length, padded when it is fixed.  `k`: the argument whose bytes they are; UINT32_MAX: of none. */
static void put_sized(struct expr_frame *f, uint32_t row, struct slice text, uint32_t k)
{
    const struct data_type *to = f->out->column.type;
    const bool is_fixed = to->id == TYPE_CHAR || to->id == TYPE_BINARY;
    int32_t n = (int32_t)MIN(text.len, (size_t)TYPE_LENGTH_MAX);
    if (to->length < TYPE_LENGTH_MAX) {
        if (type_is_string(to)) {
            text = first_characters(text, to->length, &n);
        } else if (n > to->length) {
            text.len = (size_t)to->length;
            n = to->length;
        }
    }
    if (is_fixed && n < to->length) {
        put_padded(f, row, text, (size_t)(to->length - n), to->id == TYPE_CHAR ? ' ' : '\0');
    } else if (k != UINT32_MAX) {
        expr_put_part(f, row, k, text);
    } else {
        expr_put_bytes(f, row, text);
    }
}

/* ---- kernels ---------------------------------------------------------------------------------------- */

static int run_resize(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        put_sized(f, row, expr_bytes(f, 0, row), 0);
    }
    return 0;
}

static int run_to_text(struct expr_frame *f, struct error *err)
{
    const struct cast_state *s = f->state;
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        str_clear(&text);
        print_cell(&f->args[0]->column, expr_at(f->args[0], row), s->zone, &text);
        put_sized(f, row, str_slice(&text), UINT32_MAX);
    }
    return 0;
}

static bool is_bytes(const struct data_type *t)
{
    return type_is_string(t) || type_is_binary(t);
}

void functions_bind_cast_text(struct expr_binding *b, const struct cast_state *s)
{
    if (is_bytes(s->from) && is_bytes(s->to)) {
        b->kernel = run_resize;
    } else if (type_is_string(s->to)) {
        b->kernel = run_to_text;
    } else {
        return;
    }
    b->flags &= ~(uint32_t)(EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE);
}
