/* Which statement it is; those of one line.  Thread: any. */
#include "sql/parser/inside.h"

static int parse_statement_inside(struct sql_parser *p, struct sql_statement *s);

/* A statement inside another: of EXPLAIN and COMPILE PLAN. */
static int parse_inner(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_statement *inner = arena_zalloc(p->arena, sizeof(*inner));
    inner->span.start = sql_start(p);
    TRY(parse_statement_inside(p, inner));
    inner->span = sql_span_from(p, inner->span.start);
    s->statements = arena_alloc(p->arena, sizeof(inner));
    s->statements[0] = inner;
    s->n_statements = 1;
    return 0;
}

static int check_inner(struct sql_parser *p, struct sql_statement *s, bool may_be_query,
                       const char *what)
{
    const struct sql_statement *inner = s->statements[0];
    bool is_creation = inner->kind == SQL_STATEMENT_CREATE &&
                       inner->create->object == SQL_OBJECT_TABLE && inner->create->query != NULL;
    bool is_fine = inner->kind == SQL_STATEMENT_INSERT ||
                   inner->kind == SQL_STATEMENT_STATEMENT_SET ||
                   (may_be_query &&
                    (inner->kind == SQL_STATEMENT_QUERY || inner->kind == SQL_STATEMENT_UPDATE ||
                     inner->kind == SQL_STATEMENT_DELETE || is_creation ||
                     inner->kind == SQL_STATEMENT_EXECUTE_PLAN));
    return is_fine ? 0 : sql_fail_at(p, inner->span, "%s", what);
}

static int parse_explain(struct sql_parser *p, struct sql_statement *s)
{
    static const struct {
        enum sql_keyword word;
        enum sql_explain_detail detail;
    } rows[] = {
        {SQL_KW_ESTIMATED_COST, SQL_EXPLAIN_ESTIMATED_COST},
        {SQL_KW_CHANGELOG_MODE, SQL_EXPLAIN_CHANGELOG_MODE},
        {SQL_KW_JSON_EXECUTION_PLAN, SQL_EXPLAIN_JSON_EXECUTION_PLAN},
        {SQL_KW_PLAN_ADVICE, SQL_EXPLAIN_PLAN_ADVICE},
    };
    s->kind = SQL_STATEMENT_EXPLAIN;
    TRY(sql_next(p));
    int rc = sql_accept_kws(p, SQL_KW_PLAN, SQL_KW_FOR);
    TRY(rc);
    bool goes_on = rc == 0;
    while (goes_on) {
        int found = 0;
        for (size_t i = 0; i < ARRAY_LEN(rows) && found == 0; i++) {
            found = sql_accept_kw(p, rows[i].word);
            TRY(found);
            s->explain_details |= found > 0 ? rows[i].detail : 0u;
        }
        rc = found > 0 ? sql_accept(p, SQL_TOKEN_COMMA) : 0;
        TRY(rc);
        goes_on = rc > 0;
    }
    TRY(parse_inner(p, s));
    return check_inner(p, s, true, "EXPLAIN takes a query, an INSERT or a statement set");
}

/* COMPILE [AND EXECUTE] PLAN 'path' [IF NOT EXISTS] FOR statement */
static int parse_compile(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_COMPILE_PLAN;
    TRY(sql_next(p));
    int rc = sql_accept_kws(p, SQL_KW_AND, SQL_KW_EXECUTE);
    TRY(rc);
    s->is_executed = rc > 0;
    TRY(sql_expect_kw(p, SQL_KW_PLAN));
    TRY(sql_parse_string(p, &s->text));
    TRY(s->is_executed ? 0 : sql_parse_if(p, true, &s->if_exists));
    TRY(sql_expect_kw(p, SQL_KW_FOR));
    TRY(parse_inner(p, s));
    return check_inner(p, s, false, "COMPILE PLAN takes an INSERT or a statement set");
}

/* EXECUTE PLAN 'path', EXECUTE STATEMENT SET, EXECUTE INSERT, EXECUTE query */
static int parse_execute(struct sql_parser *p, struct sql_statement *s)
{
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_PLAN);
    TRY(rc);
    if (rc > 0) {
        s->kind = SQL_STATEMENT_EXECUTE_PLAN;
        return sql_parse_string(p, &s->text);
    }
    rc = sql_accept_kws(p, SQL_KW_STATEMENT, SQL_KW_SET);
    TRY(rc);
    if (rc > 0) {
        return sql_parse_statement_set(p, s);
    }
    if (sql_at_kw(p, SQL_KW_INSERT)) {
        return sql_parse_insert(p, s);
    }
    s->kind = SQL_STATEMENT_QUERY;
    return sql_parse_query(p, &s->query);
}

/* STATEMENT SET BEGIN ... END, as EXPLAIN and COMPILE PLAN have it */
static int parse_statement_set(struct sql_parser *p, struct sql_statement *s)
{
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_SET));
    return sql_parse_statement_set(p, s);
}

/* BEGIN STATEMENT SET, of the shell */
static int parse_begin(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_BEGIN_SET;
    TRY(sql_next(p));
    return sql_expect_kws(p, SQL_KW_STATEMENT, SQL_KW_SET, SQL_KEYWORD_NONE);
}

static int parse_end(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_END_SET;
    return sql_next(p);
}

static int parse_truncate(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_TRUNCATE;
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_TABLE));
    return sql_parse_path(p, 3, &s->name);
}

static int parse_call_statement(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_CALL;
    TRY(sql_next(p));
    uint32_t start = sql_start(p);
    struct sql_path name;
    TRY(sql_parse_path(p, 3, &name));
    return sql_parse_call(p, name, start, &s->expr);
}

/* LOAD MODULE name [WITH (...)], UNLOAD MODULE name */
static int parse_module(struct sql_parser *p, struct sql_statement *s)
{
    bool is_load = p->tokens[0].keyword == SQL_KW_LOAD;
    s->kind = is_load ? SQL_STATEMENT_LOAD_MODULE : SQL_STATEMENT_UNLOAD_MODULE;
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_MODULE));
    TRY(sql_parse_path(p, 1, &s->name));
    return is_load ? sql_parse_with(p, &s->properties) : 0;
}

static int parse_jar(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = p->tokens[0].keyword == SQL_KW_ADD ? SQL_STATEMENT_ADD_JAR : SQL_STATEMENT_REMOVE_JAR;
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_JAR));
    return sql_parse_string(p, &s->text);
}

/* The text up to the semicolon, without blanks at its ends: SET k = v without quotes. */
static int parse_bare_text(struct sql_parser *p, bool up_to_equal, struct slice *ret)
{
    uint32_t start = sql_start(p);
    while (!sql_at(p, SQL_TOKEN_SEMICOLON) && p->tokens[0].kind != SQL_TOKEN_END &&
           !(up_to_equal && p->tokens[0].kind == SQL_TOKEN_EQUAL)) {
        TRY(sql_next(p));
    }
    if (p->last_end <= start) {
        return sql_fail(p);
    }
    *ret = slice_trim(slice_make(p->lexer.text.data + start, p->last_end - start));
    return 0;
}

static bool at_statement_end(struct sql_parser *p)
{
    return p->tokens[0].kind == SQL_TOKEN_SEMICOLON || p->tokens[0].kind == SQL_TOKEN_END;
}

/* SET, SET 'k' = 'v', SET k = v */
static int parse_set(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_SET;
    TRY(sql_next(p));
    if (at_statement_end(p)) {
        return 0;
    }
    bool is_quoted = sql_at(p, SQL_TOKEN_STRING);
    TRY(is_quoted ? sql_parse_string(p, &s->text) : parse_bare_text(p, true, &s->text));
    TRY(sql_expect(p, SQL_TOKEN_EQUAL));
    return p->tokens[0].kind == SQL_TOKEN_STRING ? sql_parse_string(p, &s->value)
                                                 : parse_bare_text(p, false, &s->value);
}

static int parse_reset(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_RESET;
    TRY(sql_next(p));
    if (at_statement_end(p)) {
        return 0;
    }
    return p->tokens[0].kind == SQL_TOKEN_STRING ? sql_parse_string(p, &s->text)
                                                 : parse_bare_text(p, false, &s->text);
}

/* STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN] */
static int parse_stop(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_STOP_JOB;
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_JOB));
    TRY(sql_parse_string(p, &s->text));
    int rc = sql_accept_kws(p, SQL_KW_WITH, SQL_KW_SAVEPOINT);
    TRY(rc);
    s->with_savepoint = rc > 0;
    rc = sql_accept_kws(p, SQL_KW_WITH, SQL_KW_DRAIN);
    TRY(rc);
    s->with_drain = rc > 0;
    return 0;
}

static int parse_shell(struct sql_parser *p, struct sql_statement *s)
{
    switch (p->tokens[0].keyword) {
    case SQL_KW_CLEAR:
        s->kind = SQL_STATEMENT_CLEAR;
        break;
    case SQL_KW_HELP:
        s->kind = SQL_STATEMENT_HELP;
        break;
    default:
        s->kind = SQL_STATEMENT_QUIT;
        break;
    }
    return sql_next(p);
}

static int parse_source(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_SOURCE;
    TRY(sql_next(p));
    return sql_parse_string(p, &s->text);
}

static int parse_query(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_QUERY;
    return sql_parse_query(p, &s->query);
}

static const struct verb {
    enum sql_keyword word;
    int (*parse)(struct sql_parser *p, struct sql_statement *s);
} verbs[] = {
    {SQL_KW_SELECT, parse_query},
    {SQL_KW_INSERT, sql_parse_insert},
    {SQL_KW_CREATE, sql_parse_create},
    {SQL_KW_ALTER, sql_parse_alter},
    {SQL_KW_DROP, sql_parse_drop},
    {SQL_KW_WITH, parse_query},
    {SQL_KW_VALUES, parse_query},
    {SQL_KW_TABLE, parse_query},
    {SQL_KW_SHOW, sql_parse_show},
    {SQL_KW_DESCRIBE, sql_parse_describe},
    {SQL_KW_DESC, sql_parse_describe},
    {SQL_KW_EXPLAIN, parse_explain},
    {SQL_KW_USE, sql_parse_use},
    {SQL_KW_SET, parse_set},
    {SQL_KW_RESET, parse_reset},
    {SQL_KW_EXECUTE, parse_execute},
    {SQL_KW_COMPILE, parse_compile},
    {SQL_KW_STATEMENT, parse_statement_set},
    {SQL_KW_BEGIN, parse_begin},
    {SQL_KW_END, parse_end},
    {SQL_KW_UPDATE, sql_parse_update},
    {SQL_KW_DELETE, sql_parse_delete},
    {SQL_KW_TRUNCATE, parse_truncate},
    {SQL_KW_REPLACE, sql_parse_create},
    {SQL_KW_CALL, parse_call_statement},
    {SQL_KW_ANALYZE, sql_parse_analyze},
    {SQL_KW_LOAD, parse_module},
    {SQL_KW_UNLOAD, parse_module},
    {SQL_KW_ADD, parse_jar},
    {SQL_KW_REMOVE, parse_jar},
    {SQL_KW_STOP, parse_stop},
    {SQL_KW_SOURCE, parse_source},
    {SQL_KW_QUIT, parse_shell},
    {SQL_KW_EXIT, parse_shell},
    {SQL_KW_CLEAR, parse_shell},
    {SQL_KW_HELP, parse_shell},
};

static int parse_statement_inside(struct sql_parser *p, struct sql_statement *s)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (sql_at_kw(p, verbs[i].word)) {
            TRY(sql_enter(p));
            TRY(verbs[i].parse(p, s));
            sql_leave(p);
            return 0;
        }
    }
    return sql_at(p, SQL_TOKEN_LEFT_PAREN) ? parse_query(p, s) : sql_fail(p);
}

int sql_parse_statement_rule(struct sql_parser *p, struct sql_statement **ret)
{
    struct sql_statement *s = arena_zalloc(p->arena, sizeof(*s));
    s->span.start = sql_start(p);
    TRY(parse_statement_inside(p, s));
    s->span = sql_span_from(p, s->span.start);
    *ret = s;
    return 0;
}

/* ---- splitting -------------------------------------------------------------------------------------------- */

/* The word at the start of what is left, behind blanks and comments, is `keyword`. */
static bool is_word(struct sql_token token, enum sql_keyword keyword)
{
    return token.kind == SQL_TOKEN_WORD && token.keyword == keyword;
}

uint32_t sql_statement_end(struct slice text, bool *ret_complete)
{
    struct sql_lexer lexer = {.text = text};
    struct sql_token token, last = {.kind = SQL_TOKEN_END};
    bool is_set =
        false; /* EXECUTE STATEMENT SET BEGIN ... END: its inserts have semicolons of their own */
    uint32_t n = 0;
    *ret_complete = false;
    for (;; n++) {
        if (sql_lexer_next(&lexer, &token, NULL) < 0) {
            /* What is never closed may be closed by the next line; other characters are for the parser to refuse. */
            uint32_t start = token.span.start;
            char c = start < text.len ? text.data[start] : '\0';
            if (c == '"' || c == '!' || lexer.pos > start) {
                lexer.pos = MAX(lexer.pos, start + 1);
                continue;
            }
            bool is_open = c == '\'' || c == '`' || c == '/' || c == 'x' || c == 'X' || c == 'u' ||
                           c == 'U' || c == '_';
            if (is_open || start >= text.len) {
                return (uint32_t)text.len;
            }
            lexer.pos = start + 1;
            continue;
        }
        if (token.kind == SQL_TOKEN_END) {
            return (uint32_t)text.len;
        }
        is_set = is_set || (n > 0 && is_word(token, SQL_KW_BEGIN) && is_word(last, SQL_KW_SET));
        if (is_set && is_word(token, SQL_KW_END)) {
            is_set = false;
        }
        if (token.kind == SQL_TOKEN_SEMICOLON && !is_set) {
            *ret_complete = true;
            return token.span.end;
        }
        last = token;
    }
}
