/* The parser's way through the tokens, and its messages; entry points.  See parser.h and inside.h.  Thread: any. */
#include "sql/parser/inside.h"

enum { EXPECTED_KIND = 0x8000 }; /* in `expected`: a token kind, not a keyword */

enum {
    EXPECTED_SHOWN = 12, /* of what could have stood there */
    TOKEN_SHOWN = 60,    /* bytes of a token in messages */
};

/* ---- tokens ------------------------------------------------------------------------------------- */

static int parser_init(struct sql_parser *p, struct slice text, struct arena *arena,
                       struct sql_error_place *place, struct error *err)
{
    memset(p, 0, sizeof(*p));
    p->arena = arena;
    p->err = err;
    p->place = place;
    TRY(sql_lexer_init(&p->lexer, text, err));
    return sql_next(p);
}

int sql_next(struct sql_parser *p)
{
    memcpy(p->missed, p->seconds, sizeof(p->missed));
    p->n_missed = p->n_seconds;
    p->n_expected = p->n_seconds = 0;
    if (p->n_tokens > 0) {
        p->last_end = p->tokens[0].span.end;
        p->n_tokens--;
        memmove(&p->tokens[0], &p->tokens[1], p->n_tokens * sizeof(p->tokens[0]));
    }
    if (p->n_tokens == 0) {
        struct sql_token token;
        int rc = sql_lexer_next(&p->lexer, &token, p->err);
        if (rc < 0) {
            if (p->place != NULL) {
                p->place->span = token.span;
            }
            return rc;
        }
        p->tokens[0] = token;
        p->n_tokens = 1;
    }
    return 0;
}

struct sql_token sql_ahead(struct sql_parser *p, uint32_t n)
{
    ASSERT(n < SQL_AHEAD);
    while (p->n_tokens <= n) {
        struct sql_lexer before = p->lexer;
        struct sql_token token;
        if (sql_lexer_next(&p->lexer, &token, NULL) < 0) {
            p->lexer = before;
            return (struct sql_token){.kind = SQL_TOKEN_END};
        }
        p->tokens[p->n_tokens++] = token;
    }
    return p->tokens[n];
}

static void note_expected(struct sql_parser *p, uint16_t what)
{
    for (uint32_t i = 0; i < p->n_expected; i++) {
        if (p->expected[i] == what) {
            return;
        }
    }
    if (p->n_expected < SQL_EXPECTED) {
        p->expected[p->n_expected++] = what;
    }
}

bool sql_at(struct sql_parser *p, enum sql_token_kind kind)
{
    note_expected(p, (uint16_t)(EXPECTED_KIND + kind));
    return p->tokens[0].kind == kind;
}

bool sql_at_kw(struct sql_parser *p, enum sql_keyword keyword)
{
    note_expected(p, (uint16_t)keyword);
    return p->tokens[0].keyword == keyword;
}

bool sql_ahead_kw(struct sql_parser *p, uint32_t n, enum sql_keyword keyword)
{
    return sql_ahead(p, n).keyword == keyword;
}

bool sql_ahead_is(struct sql_parser *p, uint32_t n, enum sql_token_kind kind)
{
    return sql_ahead(p, n).kind == kind;
}

bool sql_at_kws(struct sql_parser *p, enum sql_keyword first, enum sql_keyword second)
{
    if (!sql_at_kw(p, first) || sql_ahead_kw(p, 1, second)) {
        return p->tokens[0].keyword == first;
    }
    if (p->n_seconds < SQL_SECONDS) {
        p->seconds[p->n_seconds++] = second;
    }
    return false;
}

int sql_accept(struct sql_parser *p, enum sql_token_kind kind)
{
    if (!sql_at(p, kind)) {
        return 0;
    }
    TRY(sql_next(p));
    return 1;
}

int sql_accept_kw(struct sql_parser *p, enum sql_keyword keyword)
{
    if (!sql_at_kw(p, keyword)) {
        return 0;
    }
    TRY(sql_next(p));
    return 1;
}

int sql_accept_kws(struct sql_parser *p, enum sql_keyword first, enum sql_keyword second)
{
    if (!sql_at_kws(p, first, second)) {
        return 0;
    }
    TRY(sql_next(p));
    TRY(sql_next(p));
    return 1;
}

int sql_flag_kw(struct sql_parser *p, enum sql_keyword keyword, bool *ret)
{
    int rc = sql_accept_kw(p, keyword);
    TRY(rc);
    *ret = rc > 0;
    return 0;
}

int sql_expect(struct sql_parser *p, enum sql_token_kind kind)
{
    int rc = sql_accept(p, kind);
    TRY(rc);
    return rc > 0 ? 0 : sql_fail(p);
}

int sql_expect_kw(struct sql_parser *p, enum sql_keyword keyword)
{
    int rc = sql_accept_kw(p, keyword);
    TRY(rc);
    return rc > 0 ? 0 : sql_fail(p);
}

int sql_expect_kws(struct sql_parser *p, enum sql_keyword a, enum sql_keyword b, enum sql_keyword c)
{
    enum sql_keyword all[] = {a, b, c};
    for (size_t i = 0; i < ARRAY_LEN(all) && all[i] != SQL_KEYWORD_NONE; i++) {
        TRY(sql_expect_kw(p, all[i]));
    }
    return 0;
}

int sql_enter(struct sql_parser *p)
{
    if (p->depth >= SQL_DEPTH_MAX) {
        return sql_fail_because(p, "The statement is nested more than %d levels deep",
                                SQL_DEPTH_MAX);
    }
    p->depth++;
    return 0;
}

void sql_leave(struct sql_parser *p)
{
    p->depth--;
}

uint32_t sql_start(const struct sql_parser *p)
{
    return p->tokens[0].span.start;
}

struct sql_span sql_span_from(const struct sql_parser *p, uint32_t start)
{
    return (struct sql_span){start, MAX(start, p->last_end)};
}

/* ---- messages ----------------------------------------------------------------------------------- */

static struct slice token_text(const struct sql_parser *p, struct sql_token token)
{
    if (token.kind == SQL_TOKEN_END) {
        return slice_cstr(sql_token_kind_text(token.kind));
    }
    return slice_make(p->lexer.text.data + token.span.start, token.span.end - token.span.start);
}

static void print_expected(const struct sql_parser *p, struct str *out)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < p->n_expected && shown < EXPECTED_SHOWN; i++, shown++) {
        uint16_t what = p->expected[i];
        const char *text = (what & EXPECTED_KIND) != 0
                               ? sql_token_kind_text((enum sql_token_kind)(what - EXPECTED_KIND))
                               : sql_keyword_name((enum sql_keyword)what);
        bool is_class = text[0] == '<' && text[1] >= 'A' && text[1] <= 'Z';
        str_printf(out, is_class ? "%s%s" : "%s\"%s\"", shown > 0 ? ", " : "", text);
    }
    if (shown < p->n_expected) {
        str_append_cstr(out, ", ...");
    }
}

static const char *nearest_to(const struct sql_parser *p, struct sql_token token,
                              const char *const *names, size_t n)
{
    struct slice word = token_text(p, token);
    char upper[TOKEN_SHOWN];
    if (word.len >= sizeof(upper)) {
        return NULL;
    }
    for (size_t i = 0; i < word.len; i++) {
        char c = word.data[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    upper[word.len] = '\0';
    return cstr_nearest(upper, names, n);
}

const char *sql_nearest(const struct sql_parser *p, const char *const *names, size_t n)
{
    return nearest_to(p, p->tokens[0], names, n);
}

/* FORM t, GROUPBY a: the word before was taken for an alias. */
static void print_alias_hint(const struct sql_parser *p, const char *const *names, size_t n,
                             struct str *out)
{
    const struct sql_token alias = p->alias;
    const bool is_before = alias.kind == SQL_TOKEN_WORD && alias.span.end == p->last_end;
    const char *nearest = is_before ? nearest_to(p, alias, names, n) : NULL;
    if (nearest != NULL) {
        struct slice word = token_text(p, alias);
        str_printf(out, " Did you mean \"%s\" instead of \"%.*s\"?", nearest, (int)word.len,
                   word.data);
    }
}

/* The keyword that a misspelt word was meant to be. */
static void print_hint(const struct sql_parser *p, struct str *out)
{
    struct sql_token token = p->tokens[0];
    struct slice word = token_text(p, token);
    bool wants_name = false, wants_string = false;
    const char *names[SQL_EXPECTED + SQL_SECONDS];
    size_t n = 0;
    for (uint32_t i = 0; i < p->n_expected; i++) {
        if ((p->expected[i] & EXPECTED_KIND) == 0) {
            names[n++] = sql_keyword_name((enum sql_keyword)p->expected[i]);
        } else {
            wants_name = wants_name || p->expected[i] == EXPECTED_KIND + SQL_TOKEN_WORD;
            wants_string = wants_string || p->expected[i] == EXPECTED_KIND + SQL_TOKEN_STRING;
        }
    }
    if (token.kind != SQL_TOKEN_WORD) {
        print_alias_hint(p, names, n, out);
        return;
    }
    if (wants_string && !wants_name && n == 0) {
        str_printf(out, " Keys and values are strings: '%.*s'.", (int)word.len, word.data);
        return;
    }
    if (wants_name && sql_keyword_is_reserved(token.keyword)) {
        str_printf(out, " \"%.*s\" is a reserved word: as a name it is written `%.*s`.",
                   (int)word.len, word.data, (int)word.len, word.data);
        return;
    }
    for (uint32_t i = 0; i < p->n_missed; i++) {
        names[n++] = sql_keyword_name(p->missed[i]);
    }
    const char *nearest = sql_nearest(p, names, n);
    if (nearest != NULL) {
        str_printf(out, " Did you mean \"%s\"?", nearest);
        return;
    }
    print_alias_hint(p, names, n, out);
}

static void set_place(struct sql_parser *p, struct sql_span span)
{
    if (p->place != NULL) {
        p->place->span = span;
    }
}

/* GROUP without BY: what is wrong is the word behind. */
static int step_to_second(struct sql_parser *p)
{
    enum sql_keyword seconds[SQL_SECONDS];
    const uint32_t n = p->n_seconds;
    memcpy(seconds, p->seconds, sizeof(seconds));
    TRY(sql_next(p));
    for (uint32_t i = 0; i < n; i++) {
        note_expected(p, (uint16_t)seconds[i]);
    }
    return 0;
}

int sql_fail(struct sql_parser *p)
{
    if (p->n_seconds > 0) {
        TRY(step_to_second(p));
    }
    struct sql_token token = p->tokens[0];
    struct slice text = token_text(p, token);
    struct sql_position at = sql_position_of(p->lexer.text, token.span.start);
    STR_AUTO more = STR_INIT;
    print_expected(p, &more);
    str_append_char(&more, '.');
    print_hint(p, &more);
    set_place(p, token.span);
    return error_set(
        p->err, ERR_PARSE,
        "SQL parse failed. Encountered \"%.*s%s\" at line %u, column %u. Was expecting %s%s",
        (int)MIN(text.len, (size_t)TOKEN_SHOWN), text.data, text.len > TOKEN_SHOWN ? "..." : "",
        at.line, at.column, p->n_expected > 1 ? "one of: " : "", str_cstr(&more));
}

static int fail_text(struct sql_parser *p, struct sql_span span, const char *fmt, va_list ap)
{
    STR_AUTO text = STR_INIT;
    str_vprintf(&text, fmt, ap);
    struct sql_position at = sql_position_of(p->lexer.text, span.start);
    set_place(p, span);
    return error_set(p->err, ERR_PARSE, "SQL parse failed. %s, at line %u, column %u",
                     str_cstr(&text), at.line, at.column);
}

int sql_fail_because(struct sql_parser *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fail_text(p, p->tokens[0].span, fmt, ap);
    va_end(ap);
    return rc;
}

int sql_fail_at(struct sql_parser *p, struct sql_span span, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fail_text(p, span, fmt, ap);
    va_end(ap);
    return rc;
}

/* ---- entries ------------------------------------------------------------------------------------ */

static int expect_end(struct sql_parser *p)
{
    return sql_at(p, SQL_TOKEN_END) ? 0 : sql_fail(p);
}

int sql_parse_statement(struct slice text, struct arena *arena, struct sql_statement **ret,
                        struct sql_error_place *ret_place, struct error *err)
{
    struct sql_parser p;
    struct sql_statement *s = NULL;
    TRY(parser_init(&p, text, arena, ret_place, err));
    TRY(sql_parse_statement_rule(&p, &s));
    int rc = sql_accept(&p, SQL_TOKEN_SEMICOLON);
    TRY(rc);
    TRY(expect_end(&p));
    *ret = s;
    return 0;
}

int sql_parse_script(struct slice text, struct arena *arena, struct vec *ret,
                     struct sql_error_place *ret_place, struct error *err)
{
    struct sql_parser p;
    TRY(parser_init(&p, text, arena, ret_place, err));
    while (!sql_at(&p, SQL_TOKEN_END)) {
        int rc = sql_accept(&p, SQL_TOKEN_SEMICOLON); /* an empty statement */
        TRY(rc);
        if (rc > 0) {
            continue;
        }
        if (ret->len >= SQL_STATEMENTS_MAX) {
            return error_set(err, ERR_TOO_LARGE, "a script of more than %d statements",
                             SQL_STATEMENTS_MAX);
        }
        struct sql_statement *s = NULL;
        TRY(sql_parse_statement_rule(&p, &s));
        vec_push_ptr(ret, s);
        rc = sql_accept(&p, SQL_TOKEN_SEMICOLON);
        TRY(rc);
        if (rc == 0) {
            TRY(expect_end(&p));
        }
    }
    return 0;
}

int sql_parse_expression(struct slice text, struct arena *arena, struct sql_expr **ret,
                         struct sql_error_place *ret_place, struct error *err)
{
    struct sql_parser p;
    struct sql_expr *e = NULL;
    TRY(parser_init(&p, text, arena, ret_place, err));
    TRY(sql_parse_expr(&p, &e));
    TRY(expect_end(&p));
    *ret = e;
    return 0;
}

int sql_parse_type(struct slice text, struct arena *arena, struct sql_type **ret,
                   struct sql_error_place *ret_place, struct error *err)
{
    struct sql_parser p;
    struct sql_type *t = NULL;
    TRY(parser_init(&p, text, arena, ret_place, err));
    TRY(sql_parse_type_rule(&p, &t));
    TRY(expect_end(&p));
    *ret = t;
    return 0;
}
