/* Names, paths, lists of them, strings, properties and hints.  Thread: any. */
#include "common/text/number.h"
#include "sql/parser/inside.h"

void *sql_take_items(struct sql_parser *p, struct vec *items, uint32_t *ret_n)
{
    void *taken = NULL;
    if (items->len > 0) {
        taken = arena_alloc(p->arena, items->len * items->item_size);
        memcpy(taken, items->data, items->len * items->item_size);
    }
    *ret_n = (uint32_t)items->len;
    vec_clear(items);
    return taken;
}

int sql_push(struct sql_parser *p, struct vec *items, void *ret_item)
{
    if (items->len >= SQL_LIST_MAX) {
        return sql_fail_because(p, "A list has more than %d items", SQL_LIST_MAX);
    }
    *(void **)ret_item = vec_push(items);
    return 0;
}

/* ---- names -------------------------------------------------------------------------------------- */

bool sql_is_name(struct sql_token token)
{
    return token.kind == SQL_TOKEN_QUOTED ||
           (token.kind == SQL_TOKEN_WORD && !sql_keyword_is_reserved(token.keyword));
}

bool sql_at_name(struct sql_parser *p)
{
    return sql_at(p, SQL_TOKEN_WORD) ? !sql_keyword_is_reserved(p->tokens[0].keyword)
                                     : p->tokens[0].kind == SQL_TOKEN_QUOTED;
}

/* Without the quotes from `open` on, doubled ones once. */
static struct slice without_quotes(struct sql_parser *p, struct sql_span span, uint32_t open)
{
    const char *text = p->lexer.text.data;
    uint32_t from = span.start + open + 1, to = span.end - 1;
    char quote = text[from - 1];
    if (memchr(text + from, quote, to - from) == NULL) {
        return slice_make(text + from, to - from);
    }
    char *out = arena_alloc(p->arena, to - from);
    size_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        out[n++] = text[i];
        i += text[i] == quote;
    }
    return slice_make(out, n);
}

struct slice sql_unquote(struct sql_parser *p, struct sql_token token)
{
    const char *text = p->lexer.text.data + token.span.start;
    const char *open = memchr(text, token.kind == SQL_TOKEN_QUOTED ? '`' : '\'',
                              token.span.end - token.span.start);
    ASSERT(open != NULL);
    return without_quotes(p, token.span, (uint32_t)(open - text));
}

int sql_take_name(struct sql_parser *p, struct sql_name *ret)
{
    struct sql_token token = p->tokens[0];
    if (token.kind != SQL_TOKEN_WORD && token.kind != SQL_TOKEN_QUOTED) {
        sql_at_name(p);
        return sql_fail(p);
    }
    ret->is_quoted = token.kind == SQL_TOKEN_QUOTED;
    ret->span = token.span;
    ret->text = ret->is_quoted ? sql_unquote(p, token)
                               : slice_make(p->lexer.text.data + token.span.start,
                                            token.span.end - token.span.start);
    return sql_next(p);
}

int sql_parse_name(struct sql_parser *p, struct sql_name *ret)
{
    return sql_at_name(p) ? sql_take_name(p, ret) : sql_fail(p);
}

int sql_parse_path(struct sql_parser *p, uint32_t most, struct sql_path *ret)
{
    CLEANUP(vec_fini) struct vec parts = VEC_INIT(struct sql_name);
    uint32_t start = sql_start(p);
    int rc;
    do {
        struct sql_name *name = NULL;
        if (parts.len >= most) {
            return sql_fail_because(p, "A name of more than %u parts", most);
        }
        TRY(sql_push(p, &parts, &name));
        TRY(sql_parse_name(p, name));
        rc = sql_accept(p, SQL_TOKEN_DOT);
        TRY(rc);
    } while (rc > 0);
    ret->parts = sql_take_items(p, &parts, &ret->n);
    ret->span = sql_span_from(p, start);
    return 0;
}

int sql_parse_names(struct sql_parser *p, struct sql_names *ret)
{
    CLEANUP(vec_fini) struct vec names = VEC_INIT(struct sql_name);
    int rc;
    do {
        struct sql_name *name = NULL;
        TRY(sql_push(p, &names, &name));
        TRY(sql_parse_name(p, name));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    ret->items = sql_take_items(p, &names, &ret->n);
    return 0;
}

int sql_parse_paren_names(struct sql_parser *p, struct sql_names *ret)
{
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_parse_names(p, ret));
    return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
}

/* ---- strings and numbers ------------------------------------------------------------------------ */

int sql_parse_string(struct sql_parser *p, struct slice *ret)
{
    if (!sql_at(p, SQL_TOKEN_STRING)) {
        return sql_fail(p);
    }
    *ret = sql_unquote(p, p->tokens[0]);
    return sql_next(p);
}

int sql_parse_comment(struct sql_parser *p, struct slice *ret)
{
    int rc = sql_accept_kw(p, SQL_KW_COMMENT);
    return rc > 0 ? sql_parse_string(p, ret) : rc;
}

int sql_parse_uint(struct sql_parser *p, int32_t *ret)
{
    int64_t value = 0;
    if (!sql_at(p, SQL_TOKEN_INTEGER)) {
        return sql_fail(p);
    }
    struct sql_span span = p->tokens[0].span;
    struct slice text = slice_make(p->lexer.text.data + span.start, span.end - span.start);
    if (number_parse_int64(text, &value) < 0 || value > INT32_MAX) {
        return sql_fail_because(p, "The number is over the limit of %d", INT32_MAX);
    }
    *ret = (int32_t)value;
    return sql_next(p);
}

/* ---- properties --------------------------------------------------------------------------------- */

int sql_parse_properties(struct sql_parser *p, struct sql_properties *ret)
{
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_property);
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    int rc = sql_accept(p, SQL_TOKEN_RIGHT_PAREN);
    TRY(rc);
    while (rc == 0) {
        struct sql_property *item = NULL;
        uint32_t start = sql_start(p);
        TRY(sql_push(p, &items, &item));
        TRY(sql_parse_string(p, &item->key));
        TRY(sql_expect(p, SQL_TOKEN_EQUAL));
        TRY(sql_parse_string(p, &item->value));
        item->span = sql_span_from(p, start);
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
        if (rc == 0) {
            TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
            break;
        }
        rc = 0;
    }
    ret->items = sql_take_items(p, &items, &ret->n);
    return 0;
}

int sql_parse_with(struct sql_parser *p, struct sql_properties *ret)
{
    int rc = sql_accept_kw(p, SQL_KW_WITH);
    return rc > 0 ? sql_parse_properties(p, ret) : rc;
}

int sql_parse_keys(struct sql_parser *p, struct slice **ret, uint32_t *ret_n)
{
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(struct slice);
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    while (!sql_at(p, SQL_TOKEN_RIGHT_PAREN)) {
        struct slice *key = NULL;
        TRY(sql_push(p, &keys, &key));
        TRY(sql_parse_string(p, key));
        int rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
        if (rc == 0) {
            break;
        }
    }
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    *ret = sql_take_items(p, &keys, ret_n);
    return 0;
}

/* ---- hints -------------------------------------------------------------------------------------- */

/* A name with its dots, a string or a number: its text. */
static int parse_hint_value(struct sql_parser *p, struct slice *ret)
{
    if (sql_at(p, SQL_TOKEN_STRING)) {
        return sql_parse_string(p, ret);
    }
    if (sql_at(p, SQL_TOKEN_INTEGER) || sql_at(p, SQL_TOKEN_DECIMAL)) {
        struct sql_span span = p->tokens[0].span;
        *ret = slice_make(p->lexer.text.data + span.start, span.end - span.start);
        return sql_next(p);
    }
    struct sql_path path;
    TRY(sql_parse_path(p, 3, &path));
    *ret = path.n == 1
               ? path.parts[0].text
               : slice_make(p->lexer.text.data + path.span.start, path.span.end - path.span.start);
    return 0;
}

static int parse_hint_arguments(struct sql_parser *p, struct sql_hint *ret)
{
    if (sql_ahead_is(p, 1, SQL_TOKEN_STRING) && sql_ahead_is(p, 2, SQL_TOKEN_EQUAL)) {
        return sql_parse_properties(p, &ret->properties);
    }
    CLEANUP(vec_fini) struct vec values = VEC_INIT(struct slice);
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    while (!sql_at(p, SQL_TOKEN_RIGHT_PAREN)) {
        struct slice *value = NULL;
        TRY(sql_push(p, &values, &value));
        TRY(parse_hint_value(p, value));
        int rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
        if (rc == 0) {
            break;
        }
    }
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    ret->values = sql_take_items(p, &values, &ret->n_values);
    return 0;
}

int sql_parse_hints(struct sql_parser *p, struct sql_hints *ret)
{
    if (p->tokens[0].kind != SQL_TOKEN_HINT_BEGIN) {
        return 0;
    }
    CLEANUP(vec_fini) struct vec hints = VEC_INIT(struct sql_hint);
    TRY(sql_next(p));
    int rc;
    do {
        struct sql_hint *hint = NULL;
        TRY(sql_push(p, &hints, &hint));
        TRY(sql_take_name(p, &hint->name));
        if (sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
            TRY(parse_hint_arguments(p, hint));
        }
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    TRY(sql_expect(p, SQL_TOKEN_HINT_END));
    ret->items = sql_take_items(p, &hints, &ret->n);
    return 0;
}
