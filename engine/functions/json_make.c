/* JSON made: JSON_STRING, JSON_OBJECT, JSON_ARRAY, JSON; JSON_QUOTE, JSON_UNQUOTE.
 *
 * The first argument of the constructors is a literal that planners make: N or A (NULL or ABSENT ON NULL), then for each value r
 * (JSON already, put in as it is) or v. */
#include "engine/functions/functions.h"

#include "engine/data/value_print.h"
#include "engine/expr/type_rules.h"
#include "engine/functions/cells.h"
#include "engine/patterns/json_text.h"

#include <inttypes.h>
#include <math.h>

/* ---- values ----------------------------------------------------------------------------------------- */

static void put_base64(struct slice s, struct str *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)s.data;
    str_append_char(out, '"');
    for (size_t i = 0; i < s.len; i += 3) {
        const size_t n = MIN(s.len - i, (size_t)3);
        const uint32_t v =
            (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0u);
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                              n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        str_append(out, four, sizeof(four));
    }
    str_append_char(out, '"');
}

static void put_real(double v, bool is_narrow, struct str *out)
{
    str_append_cstr(out, isfinite(v) ? "" : "\"");
    if (is_narrow) {
        value_print_f32((float)v, out);
    } else {
        value_print_f64(v, out);
    }
    str_append_cstr(out, isfinite(v) ? "" : "\"");
}

static void put_cell(const struct column *c, uint32_t row, struct str *out);

static void put_entries(const struct column *c, uint32_t row, struct str *out)
{
    const struct cells cells = cells_of(c, row);
    const bool is_array = cells.values == NULL;
    str_append_char(out, is_array ? '[' : '{');
    for (uint32_t i = cells.from; i < cells.from + cells.n; i++) {
        str_append_cstr(out, i > cells.from ? "," : "");
        put_cell(cells.items, i, out);
        if (!is_array) {
            str_append_char(out, ':');
            put_cell(cells.values, i, out);
        }
    }
    str_append_char(out, is_array ? ']' : '}');
}

static void put_fields(const struct column *c, uint32_t row, struct str *out)
{
    str_append_char(out, '{');
    for (uint32_t i = 0; i < c->n_children; i++) {
        str_append_cstr(out, i > 0 ? "," : "");
        json_text_quote(slice_cstr(c->type->names[i]), out);
        str_append_char(out, ':');
        put_cell(&c->children[i], row, out);
    }
    str_append_char(out, '}');
}

static void put_cell(const struct column *c, uint32_t row, struct str *out)
{
    if (column_is_null(c, row)) {
        str_append_cstr(out, "null");
        return;
    }
    switch (c->type->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        json_text_quote(column_get_bytes(c, row), out);
        break;
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        put_base64(column_get_bytes(c, row), out);
        break;
    case TYPE_BOOLEAN:
        str_append_cstr(out, column_get_bool(c, row) ? "true" : "false");
        break;
    case TYPE_DECIMAL:
        value_print_decimal(c->type->layout == LAYOUT_I128 ? COLUMN_VALUES(c, const __int128)[row]
                                                           : column_get_int(c, row),
                            c->type->scale, out);
        break;
    case TYPE_FLOAT:
        put_real(COLUMN_VALUES(c, const float)[row], true, out);
        break;
    case TYPE_DOUBLE:
        put_real(COLUMN_VALUES(c, const double)[row], false, out);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        str_append_char(out, '"');
        value_print_timestamp(c->type, expr_timestamp_cell(c, row), out);
        str_append_char(out, '"');
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
        put_entries(c, row, out);
        break;
    case TYPE_ROW:
        put_fields(c, row, out);
        break;
    default:
        str_printf(out, "%" PRId64, column_get_int(c, row));
        break;
    }
}

/* Dates, times and intervals have no JSON of their own, and keys are strings. */
static bool has_json(const struct data_type *t)
{
    if (t->id == TYPE_DATE || t->id == TYPE_TIME || type_is_interval(t) || t->id == TYPE_RAW ||
        ((t->id == TYPE_MAP || t->id == TYPE_MULTISET) && !type_is_string(t->children[0]))) {
        return false;
    }
    for (uint32_t i = 0; i < t->n_children; i++) {
        if (!has_json(t->children[i])) {
            return false;
        }
    }
    return true;
}

static int check_values(const struct expr_function *function, const struct expr *const *args,
                        uint32_t from, uint32_t n_args, uint32_t step, struct error *err)
{
    for (uint32_t i = from; i < n_args; i += step) {
        if (!has_json(args[i]->type)) {
            STR_AUTO text = STR_INIT;
            type_print(args[i]->type, &text);
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Type '%s' is not supported by %s: CAST(... AS STRING) is",
                             str_cstr(&text), function->name);
        }
    }
    return 0;
}

/* ---- JSON_STRING, JSON_OBJECT, JSON_ARRAY ----------------------------------------------------------- */

static int infer_string(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    TRY(check_values(function, args, 0, n_args, 1, err));
    *ret = type_new_string(args[0]->type->nullable);
    return 0;
}

static int run_string(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        str_clear(&text);
        put_cell(&f->args[0]->column, expr_at(f->args[0], row), &text);
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int infer_object(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    for (uint32_t i = 1; i < n_args; i += 2) {
        if (args[i]->kind != EXPR_LITERAL || args[i]->value.is_null ||
            !type_is_string(args[i]->type)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Keys of JSON_OBJECT are literals of strings");
        }
    }
    TRY(check_values(function, args, 2, n_args, 2, err));
    *ret = type_new_string(false);
    return 0;
}

static int infer_array(const struct expr_function *function, struct expr_pool *pool,
                       const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                       struct error *err)
{
    TRY(check_values(function, args, 1, n_args, 1, err));
    *ret = type_new_string(false);
    return 0;
}

/* Value k; false when it is to be left out. */
static bool put_value(const struct expr_frame *f, uint32_t k, bool is_raw, uint32_t row,
                      struct str *out)
{
    if (is_raw && !expr_arg_is_null(f, k, row) && expr_bytes(f, k, row).len > 0) {
        str_append_slice(out, expr_bytes(f, k, row));
    } else if (is_raw) {
        str_append_cstr(out, "null");
    } else {
        put_cell(&f->args[k]->column, expr_at(f->args[k], row), out);
    }
    return true;
}

static bool is_absent(const struct expr_frame *f, uint32_t k, bool is_raw, uint32_t row)
{
    return expr_arg_is_null(f, k, row) || (is_raw && expr_bytes(f, k, row).len == 0);
}

static ALWAYS_INLINE int run_constructor(struct expr_frame *f, bool is_object)
{
    STR_AUTO text = STR_INIT;
    const uint32_t step = is_object ? 2 : 1;
    for (EXPR_ROWS(f, row)) {
        const struct slice how = expr_bytes(f, 0, row);
        bool is_first = true;
        str_clear(&text);
        str_append_char(&text, is_object ? '{' : '[');
        for (uint32_t i = 1, n = 1; i < f->n_args; i += step, n++) {
            const uint32_t value = is_object ? i + 1 : i;
            const bool is_raw = how.data[n] == 'r';
            if (how.data[0] == 'A' && is_absent(f, value, is_raw, row)) {
                continue;
            }
            str_append_cstr(&text, is_first ? "" : ",");
            is_first = false;
            if (is_object) {
                json_text_quote(expr_bytes(f, i, row), &text);
                str_append_char(&text, ':');
            }
            put_value(f, value, is_raw, row, &text);
        }
        str_append_char(&text, is_object ? '}' : ']');
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}
static int run_object(struct expr_frame *f, struct error *err)
{
    return run_constructor(f, true);
}
static int run_array(struct expr_frame *f, struct error *err)
{
    return run_constructor(f, false);
}

/* JSON(text): what constructors put in as it is. */
static int run_json(struct expr_frame *f, struct error *err)
{
    struct json_document d = {0};
    int rc = 0;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        if (s.len == 0) {
            expr_set_null(f, row);
        } else if (!json_document_parse(&d, s)) {
            rc = error_set(err, ERR_INVALID_ARGUMENT, "JSON: '%.*s' is no JSON",
                           (int)MIN(s.len, (size_t)100), s.data);
            break;
        } else {
            expr_put_part(f, row, 0, s);
        }
    }
    json_document_fini(&d);
    return rc;
}

/* ---- JSON_QUOTE, JSON_UNQUOTE ----------------------------------------------------------------------- */

/* A slash is escaped, too. */
static int run_quote(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO quoted = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        str_clear(&text);
        str_clear(&quoted);
        json_text_quote(expr_bytes(f, 0, row), &quoted);
        for (size_t i = 0; i < quoted.len; i++) {
            if (quoted.data[i] == '/') {
                str_append_char(&text, '\\');
            }
            str_append_char(&text, quoted.data[i]);
        }
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int run_unquote(struct expr_frame *f, struct error *err)
{
    struct json_document d = {0};
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        if (s.len < 2 || s.data[0] != '"' || !json_document_parse(&d, s) ||
            s.data[s.len - 1] != '"') {
            expr_put_part(f, row, 0, s);
            continue;
        }
        str_clear(&text);
        json_text_unescape(d.items[0].text, &text);
        expr_put_bytes(f, row, str_slice(&text));
    }
    json_document_fini(&d);
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define JSON_ROW(function, args, words, sample, ...)                                 \
    {                                                                                \
        .name = (function), .signatures = args, .category = "json", .text = (words), \
        .example = (sample), __VA_ARGS__                                             \
    }

static const struct expr_function rows[] = {
    JSON_ROW("JSON_STRING", "ANY", "The value as JSON.", "JSON_STRING(ARRAY[1, 2]) -- [1,2]",
             .infer = infer_string, .kernel = run_string),
    JSON_ROW("JSON_OBJECT", "'STRING' | 'STRING', ANY...",
             "A JSON object of keys, which are literals, and values; NULLs are in it unless ABSENT "
             "ON NULL is said.",
             "JSON_OBJECT('a' VALUE 1, KEY 'b' VALUE 'x') -- {\"a\":1,\"b\":\"x\"}",
             .infer = infer_object, .kernel = run_object, .flags = EXPR_FN_OWN_NULLS),
    JSON_ROW("JSON_ARRAY", "'STRING' | 'STRING', ANY...",
             "A JSON array of values; NULLs are left out unless NULL ON NULL is said.",
             "JSON_ARRAY(1, 'x', JSON_OBJECT('a' VALUE 2)) -- [1,\"x\",{\"a\":2}]",
             .infer = infer_array, .kernel = run_array, .flags = EXPR_FN_OWN_NULLS),
    JSON_ROW("JSON", "STRING",
             "A string that is JSON, put into JSON_OBJECT and JSON_ARRAY as it is.",
             "JSON_ARRAY(JSON('{\"a\": 1}')) -- [{\"a\": 1}]", .result = "STRING",
             .flags = EXPR_FN_NULLABLE | EXPR_FN_CAN_FAIL, .kernel = run_json),
    JSON_ROW("JSON_QUOTE", "STRING", "The string in quotes, as JSON has it.",
             "JSON_QUOTE('a\"b') -- \"a\\\"b\"", .result = "STRING", .kernel = run_quote),
    JSON_ROW("JSON_UNQUOTE", "STRING",
             "The characters of a quoted JSON string; other strings stay as they are.",
             "JSON_UNQUOTE('\"a\\\"b\"') -- a\"b", .result = "STRING", .kernel = run_unquote),
};

const struct expr_functions functions_json_make = FUNCTIONS_TABLE(rows);
