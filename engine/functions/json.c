/* Questions about JSON: IS JSON, JSON_EXISTS, JSON_VALUE, JSON_QUERY.
 *
 * Words of their syntax come as literals ("NULL ON EMPTY"), RETURNING as a NULL of its type, DEFAULT as the word and its value. */
#include "engine/functions/functions.h"

#include "engine/data/value_print.h"
#include "engine/expr/type_rules.h"
#include "engine/patterns/json_text.h"

#include <stdlib.h>
#include <strings.h>

/* ---- what a call says ------------------------------------------------------------------------------- */

enum answer {
    ANSWER_NULL,
    ANSWER_ERROR,
    ANSWER_TRUE,
    ANSWER_FALSE,
    ANSWER_EMPTY_ARRAY,
    ANSWER_EMPTY_OBJECT,
    ANSWER_DEFAULT,
};
enum wrapper { WRAPPER_NONE, WRAPPER_CONDITIONAL, WRAPPER_ALWAYS };

struct json_state {
    struct json_document document;
    struct json_found found;
    struct json_path *path; /* Owns */
    enum answer on_empty, on_error;
    uint32_t default_empty, default_error; /* arguments */
    enum wrapper wrapper;
};

static const struct {
    const char *word;
    enum answer answer;
    bool is_empty;
} words[] = {
    {"TRUE ON ERROR", ANSWER_TRUE, false},
    {"FALSE ON ERROR", ANSWER_FALSE, false},
    {"UNKNOWN ON ERROR", ANSWER_NULL, false},
    {"ERROR ON ERROR", ANSWER_ERROR, false},
    {"NULL ON ERROR", ANSWER_NULL, false},
    {"DEFAULT ON ERROR", ANSWER_DEFAULT, false},
    {"EMPTY ARRAY ON ERROR", ANSWER_EMPTY_ARRAY, false},
    {"EMPTY OBJECT ON ERROR", ANSWER_EMPTY_OBJECT, false},
    {"ERROR ON EMPTY", ANSWER_ERROR, true},
    {"NULL ON EMPTY", ANSWER_NULL, true},
    {"DEFAULT ON EMPTY", ANSWER_DEFAULT, true},
    {"EMPTY ARRAY ON EMPTY", ANSWER_EMPTY_ARRAY, true},
    {"EMPTY OBJECT ON EMPTY", ANSWER_EMPTY_OBJECT, true},
};

static void json_free(void *state)
{
    struct json_state *s = state;
    json_document_fini(&s->document);
    json_found_fini(&s->found);
    s->path = json_path_free(s->path);
}

/* Returns whether the word has a value behind it. */
static bool take_word(struct json_state *s, struct slice word, uint32_t next)
{
    if (slice_eq_cstr(word, "WITH UNCONDITIONAL ARRAY WRAPPER")) {
        s->wrapper = WRAPPER_ALWAYS;
    } else if (slice_eq_cstr(word, "WITH CONDITIONAL ARRAY WRAPPER")) {
        s->wrapper = WRAPPER_CONDITIONAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (slice_eq_cstr(word, words[i].word)) {
            *(words[i].is_empty ? &s->on_empty : &s->on_error) = words[i].answer;
            *(words[i].is_empty ? &s->default_empty : &s->default_error) = next;
            return words[i].answer == ANSWER_DEFAULT;
        }
    }
    return false;
}

static int bind_json(struct expr_binding *b, struct error *err)
{
    const struct expr *call = b->call;
    struct json_state *s = arena_zalloc(b->arena, sizeof(*s));
    b->state = s;
    b->free_state = json_free;
    s->on_error = strcmp(call->function->name, "JSON_EXISTS") == 0 ? ANSWER_FALSE : ANSWER_NULL;
    for (uint32_t i = 2; i < call->n_args; i++) {
        const struct expr *e = call->args[i];
        if (e->kind == EXPR_LITERAL && !e->value.is_null && type_is_string(e->type)) {
            i += take_word(s, e->value.bytes, i + 1);
        }
    }
    if (call->n_args > 1 && !call->args[1]->value.is_null) {
        return json_path_new(call->args[1]->value.bytes, &s->path, err);
    }
    return 0;
}

/* ---- evaluation ------------------------------------------------------------------------------------- */

enum outcome { OUTCOME_FOUND, OUTCOME_EMPTY, OUTCOME_ERROR };

static enum outcome find(struct expr_frame *f, uint32_t row, struct json_state *s)
{
    const bool is_lax = json_path_is_lax(s->path);
    if (!json_document_parse(&s->document, expr_bytes(f, 0, row)) ||
        !json_path_find(s->path, &s->document, &s->found)) {
        return is_lax ? OUTCOME_EMPTY : OUTCOME_ERROR;
    }
    if (s->found.n == 0) {
        return is_lax ? OUTCOME_EMPTY : OUTCOME_ERROR;
    }
    if (json_path_is_definite(s->path) &&
        s->document.items[s->found.items[0]].kind == JSON_ITEM_NULL) {
        return is_lax ? OUTCOME_EMPTY : OUTCOME_ERROR;
    }
    return OUTCOME_FOUND;
}

static int fail(const struct expr_frame *f, uint32_t row, const char *function, enum outcome o,
                struct error *err)
{
    const struct slice s = expr_bytes(f, 0, row);
    return error_set(err, ERR_INVALID_ARGUMENT, "%s: %s: '%.*s'", function,
                     o == OUTCOME_EMPTY ? "Empty result of the path is not allowed"
                                        : "the document or what the path finds in it is not right",
                     (int)MIN(s.len, (size_t)100), s.data);
}

static int run_exists(struct expr_frame *f, struct error *err)
{
    struct json_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const enum outcome o = find(f, row, s);
        if (o != OUTCOME_ERROR) {
            expr_put_bool(f, row, o == OUTCOME_FOUND);
        } else if (s->on_error == ANSWER_ERROR) {
            return fail(f, row, "JSON_EXISTS", o, err);
        } else if (s->on_error == ANSWER_NULL) {
            expr_set_null(f, row);
        } else {
            expr_put_bool(f, row, s->on_error == ANSWER_TRUE);
        }
    }
    return 0;
}

/* A scalar as text: strings by their characters, numbers as Java prints them. */
static void scalar_text(const struct json_item *item, struct str *out)
{
    const struct slice t = item->text;
    if (item->kind == JSON_ITEM_STRING) {
        json_text_unescape(t, out);
    } else if (item->kind == JSON_ITEM_NUMBER &&
               (memchr(t.data, '.', t.len) != NULL || memchr(t.data, 'e', t.len) != NULL ||
                memchr(t.data, 'E', t.len) != NULL) &&
               t.len < 300) {
        char number[304];
        memcpy(number, t.data, t.len);
        number[t.len] = '\0';
        value_print_f64(strtod(number, NULL), out);
    } else {
        str_append_slice(out, t);
    }
}

/* The text as the type that is returned. */
static bool put_scalar(struct expr_frame *f, uint32_t row, const struct str *text)
{
    const char *t = str_cstr(text);
    char *end = NULL;
    switch (f->out->column.type->id) {
    case TYPE_BOOLEAN:
        if (strcasecmp(t, "true") != 0 && strcasecmp(t, "false") != 0) {
            return false;
        }
        expr_put_bool(f, row, (t[0] | 32) == 't');
        return true;
    case TYPE_INTEGER: {
        const double v = strtod(t, &end);
        if (end == t || *end != '\0' || !(v >= INT32_MIN && v <= INT32_MAX)) {
            return false;
        }
        expr_put_int(f, row, (int64_t)v);
        return true;
    }
    case TYPE_DOUBLE: {
        const double v = strtod(t, &end);
        if (end == t || *end != '\0') {
            return false;
        }
        expr_put_real(f, row, v);
        return true;
    }
    default:
        expr_put_bytes(f, row, str_slice(text));
        return true;
    }
}

static int answer_value(struct expr_frame *f, uint32_t row, const struct json_state *s,
                        enum outcome o, struct error *err)
{
    const bool is_empty = o == OUTCOME_EMPTY;
    switch (is_empty ? s->on_empty : s->on_error) {
    case ANSWER_ERROR:
        return fail(f, row, "JSON_VALUE", o, err);
    case ANSWER_DEFAULT:
        expr_put_arg(f, row, is_empty ? s->default_empty : s->default_error);
        return 0;
    default:
        expr_set_null(f, row);
        return 0;
    }
}

static int run_value(struct expr_frame *f, struct error *err)
{
    struct json_state *s = f->state;
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row) || s->path == NULL) {
            expr_set_null(f, row);
            continue;
        }
        enum outcome o = find(f, row, s);
        if (o == OUTCOME_FOUND) {
            const struct json_item *item = &s->document.items[s->found.items[0]];
            str_clear(&text);
            if (!json_path_is_definite(s->path) || item->kind >= JSON_ITEM_ARRAY) {
                o = json_path_is_lax(s->path) ? OUTCOME_EMPTY : OUTCOME_ERROR;
            } else {
                scalar_text(item, &text);
                o = put_scalar(f, row, &text) ? OUTCOME_FOUND : OUTCOME_ERROR;
            }
        }
        if (o != OUTCOME_FOUND) {
            TRY(answer_value(f, row, s, o, err));
        }
    }
    return 0;
}

/* ---- JSON_QUERY ------------------------------------------------------------------------------------- */

/* The items that were found as one value: of a path that finds several, an array. */
static void query_text(const struct json_state *s, bool is_wrapped, struct str *out)
{
    const bool is_list = !json_path_is_definite(s->path);
    str_append_cstr(out, is_wrapped ? "[" : "");
    str_append_cstr(out, is_list ? "[" : "");
    for (uint32_t i = 0; i < s->found.n; i++) {
        str_append_cstr(out, i > 0 ? "," : "");
        json_document_print(&s->document, s->found.items[i], out);
    }
    str_append_cstr(out, is_list ? "]" : "");
    str_append_cstr(out, is_wrapped ? "]" : "");
}

static int put_elements(struct expr_frame *f, uint32_t row, struct slice text, struct error *err)
{
    struct json_document d = {0};
    STR_AUTO element = STR_INIT;
    struct builder *b = expr_builder(f, row);
    int rc = 0;
    if (json_document_parse(&d, text) && d.items[0].kind == JSON_ITEM_ARRAY) {
        struct builder_column *to = builder_child_of(builder_column_of(b, 0), 0);
        for (uint32_t i = 1; rc == 0 && i < d.n; i = d.items[i].end) {
            str_clear(&element);
            if (d.items[i].kind == JSON_ITEM_NULL) {
                builder_add_null(b, to);
                continue;
            }
            if (d.items[i].kind == JSON_ITEM_STRING) {
                json_text_unescape(d.items[i].text, &element);
            } else {
                json_document_print(&d, i, &element);
            }
            rc = builder_add_bytes(b, to, str_cstr(&element), element.len, err);
        }
        if (rc == 0) {
            builder_put_nested(b, 0);
        }
    } else {
        builder_put_null(b, 0);
    }
    if (rc == 0) {
        expr_next(f, row);
    }
    json_document_fini(&d);
    return rc;
}

static int put_query(struct expr_frame *f, uint32_t row, struct slice text, struct error *err)
{
    if (f->out->column.type->id == TYPE_ARRAY) {
        return put_elements(f, row, text, err);
    }
    expr_put_bytes(f, row, text);
    return 0;
}

static void put_query_null(struct expr_frame *f, uint32_t row)
{
    if (f->out->column.type->id == TYPE_ARRAY) {
        builder_put_null(expr_builder(f, row), 0);
        expr_next(f, row);
    } else {
        expr_set_null(f, row);
    }
}

static int answer_query(struct expr_frame *f, uint32_t row, const struct json_state *s,
                        enum outcome o, struct error *err)
{
    switch (o == OUTCOME_EMPTY ? s->on_empty : s->on_error) {
    case ANSWER_ERROR:
        return fail(f, row, "JSON_QUERY", o, err);
    case ANSWER_EMPTY_ARRAY:
        return put_query(f, row, slice_cstr("[]"), err);
    case ANSWER_EMPTY_OBJECT:
        return put_query(f, row, slice_cstr("{}"), err);
    default:
        put_query_null(f, row);
        return 0;
    }
}

static int run_query(struct expr_frame *f, struct error *err)
{
    struct json_state *s = f->state;
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row) || s->path == NULL) {
            put_query_null(f, row);
            continue;
        }
        enum outcome o = find(f, row, s);
        if (o == OUTCOME_FOUND) {
            const enum json_item_kind kind = s->document.items[s->found.items[0]].kind;
            const bool is_array = !json_path_is_definite(s->path) || kind == JSON_ITEM_ARRAY;
            const bool is_wrapped =
                s->wrapper == WRAPPER_ALWAYS || (s->wrapper == WRAPPER_CONDITIONAL && !is_array);
            if (!is_wrapped && !is_array && kind != JSON_ITEM_OBJECT) {
                o = json_path_is_lax(s->path) ? OUTCOME_EMPTY : OUTCOME_ERROR;
            } else {
                str_clear(&text);
                query_text(s, is_wrapped, &text);
                TRY(put_query(f, row, str_slice(&text), err));
            }
        }
        if (o != OUTCOME_FOUND) {
            TRY(answer_query(f, row, s, o, err));
        }
    }
    return 0;
}

/* ---- types ------------------------------------------------------------------------------------------ */

/* The type behind RETURNING, which stands as a NULL of it; else STRING. */
static int infer_returning(const struct expr_function *function, struct expr_pool *pool,
                           const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                           struct error *err)
{
    const bool is_value = strcmp(function->name, "JSON_VALUE") == 0;
    const struct expr *e = n_args > 2 ? args[2] : NULL;
    if (e == NULL || !expr_is_null_literal(e)) {
        *ret = type_new_string(true);
        return 0;
    }
    const struct data_type *t = e->type;
    const bool is_right =
        type_is_string(t) ||
        (is_value ? t->id == TYPE_BOOLEAN || t->id == TYPE_INTEGER || t->id == TYPE_DOUBLE
                  : t->id == TYPE_ARRAY && type_is_string(t->children[0]));
    if (!is_right) {
        STR_AUTO text = STR_INIT;
        type_print(t, &text);
        return error_set(err, ERR_INVALID_ARGUMENT, "Unsupported type '%s' for RETURNING of %s: %s",
                         str_cstr(&text), function->name,
                         is_value ? "there are STRING, BOOLEAN, INTEGER, DOUBLE"
                                  : "there are STRING, ARRAY<STRING>");
    }
    *ret = type_is_string(t) ? type_new_string(true) : type_with_nullable(t, true);
    return 0;
}

/* ---- IS JSON ---------------------------------------------------------------------------------------- */

static int run_is_json(struct expr_frame *f, struct error *err)
{
    struct json_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        bool answer = false;
        if (!expr_arg_is_null(f, 0, row)) {
            const char wanted = expr_bytes(f, 1, row).data[0];
            answer = json_document_parse(&s->document, expr_bytes(f, 0, row));
            const enum json_item_kind kind = answer ? s->document.items[0].kind : JSON_ITEM_NULL;
            answer &= wanted == 'V' || (wanted == 'O' && kind == JSON_ITEM_OBJECT) ||
                      (wanted == 'A' && kind == JSON_ITEM_ARRAY) ||
                      (wanted == 'S' && kind < JSON_ITEM_ARRAY);
        }
        expr_put_bool(f, row, answer);
    }
    return 0;
}

static int bind_is_json(struct expr_binding *b, struct error *err)
{
    b->state = arena_zalloc(b->arena, sizeof(struct json_state));
    b->free_state = json_free;
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define WITH_WORDS "STRING, 'STRING' | STRING, 'STRING', ANY..."

static const struct expr_function rows[] = {
    {.name = "IS JSON",
     .signatures = "STRING, 'STRING'",
     .result = "BOOLEAN NOT NULL",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_OWN_NULLS,
     .bind = bind_is_json,
     .kernel = run_is_json,
     .category = "json",
     .text = "Is the string JSON: any (VALUE), an OBJECT, an ARRAY, or a SCALAR?",
     .example = "'{}' IS JSON -- TRUE\n'[1]' IS JSON OBJECT -- FALSE"},
    {.name = "JSON_EXISTS",
     .signatures = WITH_WORDS,
     .result = "BOOLEAN",
     .flags = EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE,
     .bind = bind_json,
     .kernel = run_exists,
     .category = "json",
     .text = "Does the path find something in the document?",
     .example = "JSON_EXISTS('{\"a\": true}', '$.a') -- TRUE"},
    {.name = "JSON_VALUE",
     .signatures = WITH_WORDS,
     .infer = infer_returning,
     .flags = EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE | EXPR_FN_OWN_NULLS,
     .bind = bind_json,
     .kernel = run_value,
     .category = "json",
     .text = "The scalar that a path finds, as a string or as the type behind RETURNING; ON EMPTY "
             "and ON ERROR say what becomes of nothing and of mistakes.",
     .example = "JSON_VALUE('{\"a\": 1}', '$.a') -- 1\n"
                "JSON_VALUE('{\"a\": 1}', 'lax $.b' DEFAULT 'x' ON EMPTY) -- x"},
    {.name = "JSON_QUERY",
     .signatures = WITH_WORDS,
     .infer = infer_returning,
     .flags = EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE | EXPR_FN_OWN_NULLS,
     .bind = bind_json,
     .kernel = run_query,
     .category = "json",
     .text = "The object or the array that a path finds, as JSON; WRAPPER puts others into an "
             "array.",
     .example = "JSON_QUERY('{\"a\": {\"b\": 1}}', '$.a') -- {\"b\":1}\n"
                "JSON_QUERY('{\"a\": 1}', '$.a' WITH WRAPPER) -- [1]"},
};

const struct expr_functions functions_json = FUNCTIONS_TABLE(rows);
