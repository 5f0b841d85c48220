/* Expressions as plans show them. */
#include "engine/data/batch.h"
#include "engine/data/value_print.h"
#include "engine/expr/function.h"
#include "engine/expr/type_rules.h"
#include "engine/values/calendar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

static void print_quoted(struct slice bytes, struct str *out)
{
    str_append_char(out, '\'');
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] == '\'') {
            str_append_char(out, '\'');
        }
        str_append_char(out, bytes.data[i]);
    }
    str_append_char(out, '\'');
}

static void print_timestamp(const struct expr *e, struct str *out)
{
    char text[CALENDAR_TEXT_MAX];
    struct ts_nano t = e->value.timestamp;
    if (e->type->layout == LAYOUT_I64) {
        const int64_t unit = e->type->precision <= 3 ? 1 : 1000, v = e->value.integer;
        const int64_t rest = ((v % unit) + unit) % unit;
        t = (struct ts_nano){.millis = (v - rest) / unit, .nanos = (int32_t)(rest * 1000)};
    }
    str_append(out, text, calendar_print_timestamp(t, e->type->precision, text));
}

static void print_literal(const struct expr *e, struct str *out)
{
    char text[CALENDAR_TEXT_MAX];
    if (e->value.is_null) {
        str_append_cstr(out, "null:");
        type_print(e->type, out);
        return;
    }
    switch (e->type->id) {
    case TYPE_BOOLEAN:
        str_append_cstr(out, e->value.boolean ? "true" : "false");
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        print_quoted(e->value.bytes, out);
        break;
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        str_append_cstr(out, "X'");
        str_append_hex(out, e->value.bytes.data, e->value.bytes.len);
        str_append_char(out, '\'');
        break;
    case TYPE_DECIMAL:
        value_print_decimal(e->type->layout == LAYOUT_I128 ? e->value.wide : e->value.integer,
                            e->type->scale, out);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        str_printf(out, "%.17g", e->value.real);
        break;
    case TYPE_DATE:
        str_append(out, text, calendar_print_date(e->value.integer, text));
        break;
    case TYPE_TIME:
        str_append(out, text, calendar_print_time(e->value.integer, e->type->precision, text));
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        print_timestamp(e, out);
        break;
    default:
        str_printf(out, "%" PRId64, e->value.integer);
        if (type_is_interval(e->type)) {
            str_append_char(out, ':');
            type_print(e->type, out);
        }
        break;
    }
}

static void print_list(const struct expr *e, uint32_t from, const char *between,
                       const struct schema *input, struct str *out)
{
    for (uint32_t i = from; i < e->n_args; i++) {
        if (i > from) {
            str_append_cstr(out, between);
        }
        expr_print(e->args[i], input, out);
    }
}

static void print_call(const struct expr *e, const struct schema *input, struct str *out)
{
    const struct expr_function *f = e->function;
    const bool is_cast = strcmp(f->name, "CAST") == 0 || strcmp(f->name, "TRY_CAST") == 0;
    if ((f->flags & EXPR_FN_OPERATOR) != 0 && e->n_args >= 2 &&
        !isalpha((unsigned char)f->name[0])) {
        char between[16];
        (void)snprintf(between, sizeof(between), " %s ", f->name);
        str_append_char(out, '(');
        print_list(e, 0, between, input, out);
        str_append_char(out, ')');
        return;
    }
    if (strncmp(f->name, "IS ", 3) == 0 && e->n_args == 1) {
        expr_print(e->args[0], input, out);
        str_printf(out, " %s", f->name);
        return;
    }
    str_append_cstr(out, f->name);
    str_append_char(out, '(');
    print_list(e, 0, ", ", input, out);
    if (is_cast) {
        str_append_cstr(out, " AS ");
        type_print(e->type, out);
    }
    str_append_char(out, ')');
}

void expr_print(const struct expr *e, const struct schema *input, struct str *out)
{
    switch (e->kind) {
    case EXPR_INPUT:
        if (input != NULL && e->index < input->n_fields) {
            str_append_cstr(out, input->fields[e->index].name);
        } else {
            str_printf(out, "$%" PRIu32, e->index);
        }
        break;
    case EXPR_LITERAL:
        print_literal(e, out);
        break;
    case EXPR_CALL:
        print_call(e, input, out);
        break;
    case EXPR_FIELD:
        expr_print(e->args[0], input, out);
        str_printf(out, ".%s", e->args[0]->type->names[e->index]);
        break;
    case EXPR_EXTERNAL:
        str_printf(out, "external(%" PRIu32 ")", e->external_kind);
        break;
    }
}
