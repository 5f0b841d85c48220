/* Strings and types once more: OVERLAY, ELT, IS_ALPHA and its like, TYPEOF. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/text.h"
#include "engine/patterns/regex.h"

/* ---- OVERLAY, ELT ----------------------------------------------------------------------------------- */

static int infer_overlay(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    bool nullable = false;
    struct data_type *sum;
    TRY(type_of_concat(args[0]->type, args[1]->type, &sum, err));
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    *ret = type_new_sized(TYPE_VARCHAR, MAX(sum->length, 1), nullable);
    type_unref(sum);
    return 0;
}

static int run_overlay(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), by = expr_bytes(f, 1, row);
        const int64_t from = expr_int(f, 2, row), length = text_length(s);
        const int64_t n = MAX(f->n_args > 3 ? expr_int(f, 3, row) : text_length(by), (int64_t)0);
        if (from <= 0 || from > length) {
            expr_put_part(f, row, 0, s);
            continue;
        }
        const size_t start = text_offset(s, from - 1);
        const size_t end = n > length - from + 1 ? s.len : text_offset(s, from - 1 + n);
        str_clear(&text);
        str_append(&text, s.data, start);
        str_append_slice(&text, by);
        str_append(&text, s.data + end, s.len - end);
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int infer_elt(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    const struct data_type *t = args[1]->type;
    if (!type_is_string(t) && !type_is_binary(t)) {
        STR_AUTO text = STR_INIT;
        type_print(t, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot apply 'ELT' to arguments of type 'ELT(<INTEGER>, <%s>)'. "
                         "Supported form(s): 'ELT(<INTEGER>, <CHARACTER>...)', 'ELT(<INTEGER>, "
                         "<BINARY>...)'",
                         str_cstr(&text));
    }
    *ret = type_with_nullable(t, true);
    return 0;
}

static int run_elt(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t i = expr_arg_is_null(f, 0, row) ? 0 : expr_int(f, 0, row);
        if (i < 1 || i >= f->n_args) {
            expr_set_null(f, row);
        } else {
            expr_put_arg(f, row, (uint32_t)i);
        }
    }
    return 0;
}

/* ---- IS_ALPHA, IS_DIGIT, IS_DECIMAL ----------------------------------------------------------------- */

struct kind_state {
    struct regex *regex; /* Owns */
    bool of_number;      /* the answer for numbers */
};

static void kind_free(void *state)
{
    struct kind_state *s = state;
    s->regex = regex_free(s->regex);
}

static int bind_kind(struct expr_binding *b, struct error *err)
{
    static const struct {
        const char *name, *pattern;
    } kinds[] = {
        {"IS_ALPHA", "^\\p{L}+\\z"},
        {"IS_DIGIT", "^\\p{Nd}+\\z"},
        {"IS_DECIMAL", "^[\\x00-\\x20]*[+-]?(?:NaN|Infinity|(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+"
                       "-]?[0-9]+)?[fFdD]?)[\\x00-\\x20]*\\z"},
    };
    const struct data_type *t = b->call->args[0]->type;
    struct kind_state *s = arena_zalloc(b->arena, sizeof(*s));
    b->state = s;
    b->free_state = kind_free;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, b->call->function->name) == 0) {
            s->of_number = i > 0 && (type_is_integer(t) || (i == 2 && type_is_approximate(t)));
            return regex_new(slice_cstr(kinds[i].pattern), &s->regex, err);
        }
    }
    return 0;
}

static int run_kind(struct expr_frame *f, struct error *err)
{
    const struct kind_state *s = f->state;
    const bool is_string = type_is_string(f->args[0]->column.type);
    for (EXPR_ROWS(f, row)) {
        bool answer = s->of_number;
        if (expr_arg_is_null(f, 0, row)) {
            answer = false;
        } else if (is_string) {
            TRY(regex_find(s->regex, expr_bytes(f, 0, row), 0, &answer, err));
        }
        expr_put_bool(f, row, answer);
    }
    return 0;
}

/* ---- TYPEOF ----------------------------------------------------------------------------------------- */

static int bind_typeof(struct expr_binding *b, struct error *err)
{
    STR_AUTO text = STR_INIT;
    struct slice *shown = arena_zalloc(b->arena, sizeof(*shown));
    type_print(b->call->args[0]->type, &text);
    shown->data = arena_strndup(b->arena, str_cstr(&text), text.len);
    shown->len = text.len;
    b->state = shown;
    return 0;
}

static int run_typeof(struct expr_frame *f, struct error *err)
{
    const struct slice *shown = f->state;
    for (EXPR_ROWS(f, row)) {
        expr_put_bytes(f, row, *shown);
    }
    return 0;
}

static int infer_typeof(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    *ret = type_new_string(true);
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define KIND_ROW(function, words, sample)                                                     \
    {                                                                                         \
        .name = (function), .signatures = "STRING | NUMERIC", .result = "BOOLEAN NOT NULL",   \
        .flags = EXPR_FN_OWN_NULLS | EXPR_FN_CAN_FAIL, .bind = bind_kind, .kernel = run_kind, \
        .category = "string", .text = (words), .example = (sample)                            \
    }

static const struct expr_function rows[] = {
    {.name = "OVERLAY",
     .signatures = "STRING, STRING, INT, INT?",
     .infer = infer_overlay,
     .kernel = run_overlay,
     .category = "string",
     .text = "The string with characters from a place on (as many as the new ones, or as said) "
             "replaced.",
     .example = "OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6) -- xxxxxxxxx\n"
                "OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6 FOR 2) -- xxxxxxxxxst"},
    {.name = "ELT",
     .signatures = "INTEGER, T...",
     .flags = EXPR_FN_OWN_NULLS,
     .infer = infer_elt,
     .kernel = run_elt,
     .category = "string",
     .text = "The string with this number, from 1; NULL when there is none.",
     .example = "ELT(2, 'scala', 'java') -- java"},
    KIND_ROW("IS_ALPHA", "Is the string of letters alone?", "IS_ALPHA('abc') -- TRUE"),
    KIND_ROW("IS_DIGIT", "Is the string of digits alone?", "IS_DIGIT('123') -- TRUE"),
    KIND_ROW("IS_DECIMAL", "Is the string a number?", "IS_DECIMAL('1.5') -- TRUE"),
    {.name = "TYPEOF",
     .signatures = "ANY, 'BOOLEAN'?",
     .flags = EXPR_FN_OWN_NULLS,
     .infer = infer_typeof,
     .bind = bind_typeof,
     .kernel = run_typeof,
     .category = "conversion",
     .text = "The type of a value as text.",
     .example = "TYPEOF(1) -- INT NOT NULL"},
};

const struct expr_functions functions_words = FUNCTIONS_TABLE(rows);
