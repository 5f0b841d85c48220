/* The text of a type: Flink's LogicalType.asSummaryString.  type_parse.c reads it back. */
#include "engine/data/type_text.h"

const struct interval_text INTERVAL_TEXTS[INTERVAL_RESOLUTION_COUNT] = {
    [INTERVAL_YEAR] = {"YEAR", NULL, true, false},
    [INTERVAL_YEAR_TO_MONTH] = {"YEAR", "MONTH", true, false},
    [INTERVAL_MONTH] = {"MONTH", NULL, false, false},
    [INTERVAL_DAY] = {"DAY", NULL, true, false},
    [INTERVAL_DAY_TO_HOUR] = {"DAY", "HOUR", true, false},
    [INTERVAL_DAY_TO_MINUTE] = {"DAY", "MINUTE", true, false},
    [INTERVAL_DAY_TO_SECOND] = {"DAY", "SECOND", true, true},
    [INTERVAL_HOUR] = {"HOUR", NULL, false, false},
    [INTERVAL_HOUR_TO_MINUTE] = {"HOUR", "MINUTE", false, false},
    [INTERVAL_HOUR_TO_SECOND] = {"HOUR", "SECOND", false, true},
    [INTERVAL_MINUTE] = {"MINUTE", NULL, false, false},
    [INTERVAL_MINUTE_TO_SECOND] = {"MINUTE", "SECOND", false, true},
    [INTERVAL_SECOND] = {"SECOND", NULL, false, true},
};

/* Between two `quote` characters, each of them inside doubled. */
static void print_quoted(struct str *out, const char *text, char quote)
{
    str_append_char(out, quote);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == quote) {
            str_append_char(out, quote);
        }
        str_append_char(out, *p);
    }
    str_append_char(out, quote);
}

static void print_sized(const struct data_type *t, const char *name, const char *unbounded,
                        struct str *out)
{
    if (unbounded != NULL && t->length == TYPE_LENGTH_MAX) {
        str_append_cstr(out, unbounded);
    } else {
        str_printf(out, "%s(%d)", name, t->length);
    }
}

static void print_interval(const struct data_type *t, struct str *out)
{
    const struct interval_text *text = &INTERVAL_TEXTS[t->resolution];
    str_printf(out, "INTERVAL %s", text->from);
    if (text->has_digits) {
        str_printf(out, "(%d)", t->precision);
    }
    if (text->to != NULL) {
        str_printf(out, " TO %s", text->to);
    }
    if (text->has_fraction) {
        str_printf(out, "(%d)", t->scale);
    }
}

static void print_nested(const struct data_type *t, const char *name, struct str *out)
{
    str_printf(out, "%s<", name);
    for (uint32_t i = 0; i < t->n_children; i++) {
        if (i > 0) {
            str_append_cstr(out, ", ");
        }
        if (t->names != NULL) {
            print_quoted(out, t->names[i], '`');
            str_append_char(out, ' ');
        }
        type_print(t->children[i], out);
    }
    str_append_char(out, '>');
}

void type_print(const struct data_type *t, struct str *out)
{
    switch (t->id) {
    case TYPE_CHAR:
        print_sized(t, "CHAR", NULL, out);
        break;
    case TYPE_VARCHAR:
        print_sized(t, "VARCHAR", "STRING", out);
        break;
    case TYPE_BINARY:
        print_sized(t, "BINARY", NULL, out);
        break;
    case TYPE_VARBINARY:
        print_sized(t, "VARBINARY", "BYTES", out);
        break;
    case TYPE_DECIMAL:
        str_printf(out, "DECIMAL(%d, %d)", t->precision, t->scale);
        break;
    case TYPE_INTEGER:
        str_append_cstr(out, "INT");
        break;
    case TYPE_TIME:
        str_printf(out, "TIME(%d)", t->precision);
        break;
    case TYPE_TIMESTAMP:
        str_printf(out, "TIMESTAMP(%d)", t->precision);
        break;
    case TYPE_TIMESTAMP_LTZ:
        str_printf(out, "TIMESTAMP_LTZ(%d)", t->precision);
        break;
    case TYPE_INTERVAL_YEAR_MONTH:
    case TYPE_INTERVAL_DAY_TIME:
        print_interval(t, out);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        print_nested(t, type_id_name(t->id), out);
        break;
    case TYPE_RAW:
        str_append_cstr(out, "RAW(");
        print_quoted(out, t->raw_name, '\'');
        str_append_cstr(out, ", '...')");
        break;
    default:
        str_append_cstr(out, type_id_name(t->id));
        break;
    }
    if (!t->nullable) {
        str_append_cstr(out, " NOT NULL");
    }
}
