/* What stands in FROM: tables, subqueries, functions, joins.  Thread: any. */
#include "sql/parser/inside.h"

enum { JOINS_MAX = 1000 }; /* of one FROM: they lean to the left */

static int parse_join_tree(struct sql_parser *p, struct sql_relation **ret);

int sql_parse_alias(struct sql_parser *p, struct sql_alias *ret)
{
    int rc = sql_accept_kw(p, SQL_KW_AS);
    TRY(rc);
    if (rc == 0 && !sql_is_name(p->tokens[0])) {
        return 0;
    }
    p->alias = rc > 0 ? p->alias : p->tokens[0];
    TRY(sql_parse_name(p, &ret->name));
    return p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN ? sql_parse_paren_names(p, &ret->columns) : 0;
}

static struct sql_relation *relation_new(struct sql_parser *p, enum sql_relation_kind kind,
                                         uint32_t start)
{
    struct sql_relation *r = arena_zalloc(p->arena, sizeof(*r));
    r->kind = kind;
    r->span.start = r->span.end = start;
    return r;
}

/* ---- tables ----------------------------------------------------------------------------------------- */

/* TABLESAMPLE BERNOULLI | SYSTEM (percentage) [REPEATABLE (seed)] */
static int parse_sample(struct sql_parser *p, struct sql_relation *r)
{
    int rc = sql_accept_kw(p, SQL_KW_TABLESAMPLE);
    if (rc <= 0) {
        return rc;
    }
    r->sample = arena_zalloc(p->arena, sizeof(*r->sample));
    TRY(sql_take_name(p, &r->sample->method));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_parse_expr(p, &r->sample->percentage));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    rc = sql_accept_kw(p, SQL_KW_REPEATABLE);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
        TRY(sql_parse_expr(p, &r->sample->seed));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    }
    return 0;
}

/* [FOR SYSTEM_TIME AS OF operand] */
static int parse_system_time(struct sql_parser *p, struct sql_relation *r)
{
    int rc = sql_accept_kws(p, SQL_KW_FOR, SQL_KW_SYSTEM_TIME);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_expect_kws(p, SQL_KW_AS, SQL_KW_OF, SQL_KEYWORD_NONE));
    return sql_parse_operand(p, &r->system_time);
}

/* A table, or a function when ( follows its name. */
static int parse_named(struct sql_parser *p, struct sql_relation **ret)
{
    struct sql_relation *r = relation_new(p, SQL_RELATION_TABLE, sql_start(p));
    TRY(sql_parse_path(p, 3, &r->name));
    if (p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN) {
        r->kind = SQL_RELATION_FUNCTION;
        TRY(sql_parse_call(p, r->name, r->span.start, &r->call));
    } else {
        TRY(sql_parse_hints(p, &r->hints));
        TRY(parse_system_time(p, r));
    }
    *ret = r;
    return 0;
}

/* TABLE ( f(...) ) */
static int parse_table_function(struct sql_parser *p, struct sql_relation **ret)
{
    struct sql_relation *r = relation_new(p, SQL_RELATION_FUNCTION, sql_start(p));
    struct sql_path name;
    TRY(sql_next(p));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    uint32_t start = sql_start(p);
    TRY(sql_parse_path(p, 3, &name));
    TRY(sql_parse_call(p, name, start, &r->call));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    *ret = r;
    return 0;
}

static int parse_unnest(struct sql_parser *p, struct sql_relation **ret)
{
    struct sql_relation *r = relation_new(p, SQL_RELATION_UNNEST, sql_start(p));
    CLEANUP(vec_fini) struct vec operands = VEC_INIT(struct sql_expr *);
    TRY(sql_next(p));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_parse_expr_list(p, &operands));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    r->operands = sql_take_items(p, &operands, &r->n_operands);
    int rc = sql_accept_kws(p, SQL_KW_WITH, SQL_KW_ORDINALITY);
    TRY(rc);
    r->with_ordinality = rc > 0;
    *ret = r;
    return 0;
}

/* ( query ) or ( joins ) */
static int parse_parens(struct sql_parser *p, struct sql_relation **ret)
{
    uint32_t start = sql_start(p);
    TRY(sql_enter(p));
    TRY(sql_next(p));
    if (sql_at_query(p)) {
        struct sql_relation *r = relation_new(p, SQL_RELATION_QUERY, start);
        TRY(sql_parse_query(p, &r->query));
        *ret = r;
    } else {
        TRY(parse_join_tree(p, ret));
        struct sql_relation *r = *ret;
        bool is_bare_query =
            r->kind == SQL_RELATION_QUERY && !r->is_lateral && r->alias.name.text.data == NULL;
        if (is_bare_query && sql_at_query_end(p)) {
            /* ((SELECT ...) UNION ...) */
            TRY(sql_parse_query_behind(p, r->query, r->span.start, &r->query));
        }
    }
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    (*ret)->span = sql_span_from(p, start);
    sql_leave(p);
    return 0;
}

static int parse_first(struct sql_parser *p, struct sql_relation **ret)
{
    bool is_lateral = false;
    uint32_t start = sql_start(p);
    TRY(sql_flag_kw(p, SQL_KW_LATERAL, &is_lateral));
    if (sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
        TRY(parse_parens(p, ret));
    } else if (sql_at_kw(p, SQL_KW_TABLE)) {
        TRY(parse_table_function(p, ret));
    } else if (sql_at_kw(p, SQL_KW_UNNEST)) {
        TRY(parse_unnest(p, ret));
    } else {
        TRY(parse_named(p, ret));
    }
    if (is_lateral && ((*ret)->kind == SQL_RELATION_TABLE || (*ret)->kind == SQL_RELATION_JOIN)) {
        return sql_fail_at(p, (*ret)->span,
                           "LATERAL goes before a subquery, a table function or UNNEST");
    }
    (*ret)->is_lateral = is_lateral;
    (*ret)->span = sql_span_from(p, start);
    return 0;
}

static int parse_table(struct sql_parser *p, struct sql_relation **ret)
{
    struct sql_relation *r = NULL;
    TRY(parse_first(p, &r));
    if (sql_at_kw(p, SQL_KW_MATCH_RECOGNIZE)) {
        TRY(sql_parse_match(p, r, &r));
    }
    if (r->alias.name.text.data == NULL) {
        TRY(sql_parse_alias(p, &r->alias));
    }
    if (sql_at_kw(p, SQL_KW_MATCH_RECOGNIZE)) {
        TRY(sql_parse_match(p, r, &r));
        TRY(sql_parse_alias(p, &r->alias));
    }
    TRY(parse_sample(p, r));
    r->span = sql_span_from(p, r->span.start);
    *ret = r;
    return 0;
}

/* ---- joins ------------------------------------------------------------------------------------------ */

/* [NATURAL] [INNER | LEFT | RIGHT | FULL [OUTER] | CROSS] JOIN.  *ret_found false: no join follows. */
static int parse_join_words(struct sql_parser *p, struct sql_join *j, bool *ret_found)
{
    static const struct {
        enum sql_keyword word;
        enum sql_join_kind kind;
        bool may_be_outer;
    } rows[] = {
        {SQL_KW_INNER, SQL_JOIN_INNER, false}, {SQL_KW_LEFT, SQL_JOIN_LEFT, true},
        {SQL_KW_RIGHT, SQL_JOIN_RIGHT, true},  {SQL_KW_FULL, SQL_JOIN_FULL, true},
        {SQL_KW_CROSS, SQL_JOIN_CROSS, false},
    };
    int found = 0;
    *ret_found = true;
    TRY(sql_flag_kw(p, SQL_KW_NATURAL, &j->is_natural));
    j->kind = SQL_JOIN_INNER;
    for (size_t i = 0; i < ARRAY_LEN(rows) && found == 0; i++) {
        found = sql_accept_kw(p, rows[i].word);
        TRY(found);
        if (found > 0) {
            j->kind = rows[i].kind;
            int rc = rows[i].may_be_outer ? sql_accept_kw(p, SQL_KW_OUTER) : 0;
            TRY(rc);
        }
    }
    int rc = sql_accept_kw(p, SQL_KW_JOIN);
    TRY(rc);
    *ret_found = rc > 0;
    return rc == 0 && (found > 0 || j->is_natural) ? sql_fail(p) : 0;
}

static int parse_join_condition(struct sql_parser *p, struct sql_join *j)
{
    if (j->kind == SQL_JOIN_CROSS || j->is_natural) {
        return 0;
    }
    int rc = sql_accept_kw(p, SQL_KW_ON);
    TRY(rc);
    if (rc > 0) {
        return sql_parse_expr(p, &j->condition);
    }
    rc = sql_accept_kw(p, SQL_KW_USING);
    return rc > 0 ? sql_parse_paren_names(p, &j->using_columns) : rc;
}

static struct sql_relation *join_new(struct sql_parser *p, const struct sql_join *j)
{
    struct sql_relation *r = relation_new(p, SQL_RELATION_JOIN, j->left->span.start);
    r->join = arena_alloc(p->arena, sizeof(*j));
    *r->join = *j;
    r->span = sql_span_from(p, j->left->span.start);
    return r;
}

static int parse_join_tree(struct sql_parser *p, struct sql_relation **ret)
{
    struct sql_relation *left = NULL;
    TRY(parse_table(p, &left));
    for (uint32_t n = 0;; n++) {
        struct sql_join j = {.left = left};
        bool found = false;
        TRY(parse_join_words(p, &j, &found));
        if (!found) {
            break;
        }
        if (n >= JOINS_MAX) {
            return sql_fail_because(p, "More than %d joins in one FROM", JOINS_MAX);
        }
        TRY(parse_table(p, &j.right));
        TRY(parse_join_condition(p, &j));
        left = join_new(p, &j);
    }
    *ret = left;
    return 0;
}

int sql_parse_from(struct sql_parser *p, struct sql_relation **ret)
{
    struct sql_relation *left = NULL;
    TRY(parse_join_tree(p, &left));
    int rc = sql_accept(p, SQL_TOKEN_COMMA);
    TRY(rc);
    for (uint32_t n = 0; rc > 0; n++) {
        struct sql_join j = {.kind = SQL_JOIN_COMMA, .left = left};
        if (n >= JOINS_MAX) {
            return sql_fail_because(p, "More than %d tables in one FROM", JOINS_MAX);
        }
        TRY(parse_join_tree(p, &j.right));
        left = join_new(p, &j);
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    }
    *ret = left;
    return 0;
}
