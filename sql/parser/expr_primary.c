/* Operands: literals, columns, calls, parentheses and constructors, with what may follow them (.field, [item]).
 * Thread: any. */
#include "sql/parser/inside.h"

/* Reserved words that are functions when a parenthesis follows. */
static bool is_function_word(enum sql_keyword keyword)
{
    switch (keyword) {
    case SQL_KW_ABS:
    case SQL_KW_ARRAY_CONCAT_AGG:
    case SQL_KW_AVG:
    case SQL_KW_CARDINALITY:
    case SQL_KW_CHARACTER_LENGTH:
    case SQL_KW_CHAR_LENGTH:
    case SQL_KW_CLASSIFIER:
    case SQL_KW_COALESCE:
    case SQL_KW_COLLECT:
    case SQL_KW_CORR:
    case SQL_KW_COUNT:
    case SQL_KW_COVAR_POP:
    case SQL_KW_COVAR_SAMP:
    case SQL_KW_CUME_DIST:
    case SQL_KW_CURRENT_DATE:
    case SQL_KW_CURRENT_TIME:
    case SQL_KW_CURRENT_TIMESTAMP:
    case SQL_KW_DATE_TRUNC:
    case SQL_KW_DENSE_RANK:
    case SQL_KW_ELEMENT:
    case SQL_KW_EVERY:
    case SQL_KW_EXP:
    case SQL_KW_FIRST_VALUE:
    case SQL_KW_FUSION:
    case SQL_KW_GROUPING:
    case SQL_KW_GROUP_CONCAT:
    case SQL_KW_HOUR:
    case SQL_KW_INTERSECTION:
    case SQL_KW_LAG:
    case SQL_KW_LAST_VALUE:
    case SQL_KW_LEAD:
    case SQL_KW_LEFT:
    case SQL_KW_LN:
    case SQL_KW_LOCALTIME:
    case SQL_KW_LOCALTIMESTAMP:
    case SQL_KW_LOWER:
    case SQL_KW_MATCH_NUMBER:
    case SQL_KW_MAX:
    case SQL_KW_MIN:
    case SQL_KW_MINUTE:
    case SQL_KW_MOD:
    case SQL_KW_MONTH:
    case SQL_KW_NEXT:
    case SQL_KW_NTH_VALUE:
    case SQL_KW_NTILE:
    case SQL_KW_NULLIF:
    case SQL_KW_OCTET_LENGTH:
    case SQL_KW_PERCENTILE_CONT:
    case SQL_KW_PERCENTILE_DISC:
    case SQL_KW_PERCENT_RANK:
    case SQL_KW_POWER:
    case SQL_KW_PREV:
    case SQL_KW_RANK:
    case SQL_KW_REGR_COUNT:
    case SQL_KW_REGR_SXX:
    case SQL_KW_REGR_SYY:
    case SQL_KW_RIGHT:
    case SQL_KW_ROW_NUMBER:
    case SQL_KW_SECOND:
    case SQL_KW_SOME:
    case SQL_KW_SQRT:
    case SQL_KW_STDDEV_POP:
    case SQL_KW_STDDEV_SAMP:
    case SQL_KW_STRING_AGG:
    case SQL_KW_SUM:
    case SQL_KW_TRANSLATE:
    case SQL_KW_TRUNCATE:
    case SQL_KW_UPPER:
    case SQL_KW_USER:
    case SQL_KW_VAR_POP:
    case SQL_KW_VAR_SAMP:
    case SQL_KW_YEAR:
        return true;
    default:
        return false;
    }
}

/* Functions without parentheses. */
static bool is_bare_function(enum sql_keyword keyword)
{
    switch (keyword) {
    case SQL_KW_CURRENT_CATALOG:
    case SQL_KW_CURRENT_DATE:
    case SQL_KW_CURRENT_PATH:
    case SQL_KW_CURRENT_ROLE:
    case SQL_KW_CURRENT_SCHEMA:
    case SQL_KW_CURRENT_TIME:
    case SQL_KW_CURRENT_TIMESTAMP:
    case SQL_KW_CURRENT_USER:
    case SQL_KW_LOCALTIME:
    case SQL_KW_LOCALTIMESTAMP:
    case SQL_KW_SESSION_USER:
    case SQL_KW_SYSTEM_USER:
    case SQL_KW_USER:
        return true;
    default:
        return false;
    }
}

/* ---- columns and calls ---------------------------------------------------------------------------- */

static int parse_bare_function(struct sql_parser *p, struct sql_expr **ret)
{
    CLEANUP(vec_fini) struct vec args = VEC_INIT(struct sql_argument);
    uint32_t start = sql_start(p);
    struct sql_name name;
    TRY(sql_take_name(p, &name));
    TRY(sql_call_new(p, name, start, &args, ret));
    (*ret)->call->flags = SQL_CALL_NO_PARENS;
    return 0;
}

/* a, a.b, a.b.*, f(...), a.b.f(...) */
static int parse_path_expr(struct sql_parser *p, struct sql_expr **ret)
{
    CLEANUP(vec_fini) struct vec parts = VEC_INIT(struct sql_name);
    uint32_t start = sql_start(p);
    bool is_star = false;
    int rc;
    do {
        struct sql_name *part = NULL;
        TRY(sql_push(p, &parts, &part));
        TRY(parts.len == 1 ? sql_take_name(p, part) : sql_parse_name(p, part));
        rc = p->tokens[0].kind == SQL_TOKEN_DOT ? 1 : 0;
        if (rc > 0) {
            TRY(sql_next(p));
            is_star = p->tokens[0].kind == SQL_TOKEN_STAR;
        }
    } while (rc > 0 && !is_star);
    struct sql_path path = {.span = {start, p->last_end}};
    path.parts = sql_take_items(p, &parts, &path.n);
    if (p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN) {
        path.span = sql_span_from(p, start);
        return sql_parse_call(p, path, start, ret);
    }
    struct sql_expr *e = sql_expr_new(p, is_star ? SQL_EXPR_STAR : SQL_EXPR_COLUMN, start);
    if (is_star) {
        TRY(sql_next(p));
    }
    e->column = path;
    e->span = sql_span_from(p, start);
    *ret = e;
    return 0;
}

/* ---- parentheses and constructors ------------------------------------------------------------------ */

static int parse_query_expr(struct sql_parser *p, enum sql_expr_kind kind, uint32_t start,
                            struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, kind, start);
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_parse_query(p, &e->query));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    e->span = sql_span_from(p, start);
    *ret = e;
    return 0;
}

/* ( query ), ( expr ), ( expr ) DAY, ( a, b ) */
static int parse_parens(struct sql_parser *p, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    CLEANUP(vec_fini) struct vec operands = VEC_INIT(struct sql_expr *);
    TRY(sql_next(p));
    if (sql_at_query(p)) {
        struct sql_expr *e = sql_expr_new(p, SQL_EXPR_QUERY, start);
        TRY(sql_parse_query(p, &e->query));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
        e->span = sql_span_from(p, start);
        *ret = e;
        return 0;
    }
    TRY(sql_parse_expr_list(p, &operands));
    struct sql_expr *first = vec_ptr(&operands, 0);
    if (operands.len == 1 && first->kind == SQL_EXPR_QUERY && sql_at_query_end(p)) {
        /* ((SELECT ...) UNION ...) */
        TRY(sql_parse_query_behind(p, first->query, first->span.start, &first->query));
    }
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    if (operands.len == 1 && !sql_at_interval_unit(p)) {
        first->span = sql_span_from(p, start);
        *ret = first;
        return 0;
    }
    struct sql_expr *e =
        sql_expr_new(p, operands.len == 1 ? SQL_EXPR_INTERVAL : SQL_EXPR_ROW, start);
    if (operands.len == 1) {
        TRY(sql_parse_interval_range(p, &e->interval));
    }
    TRY(sql_expr_end(p, e, &operands));
    *ret = e;
    return 0;
}

/* [a, b] of ARRAY, MAP, MULTISET; (a, b) of ROW. */
static int parse_items(struct sql_parser *p, enum sql_expr_kind kind, enum sql_token_kind close,
                       uint32_t start, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, kind, start);
    CLEANUP(vec_fini) struct vec operands = VEC_INIT(struct sql_expr *);
    TRY(sql_next(p));
    if (!sql_at(p, close)) {
        TRY(sql_parse_expr_list(p, &operands));
    }
    TRY(sql_expect(p, close));
    if (kind == SQL_EXPR_MAP && operands.len % 2 != 0) {
        return sql_fail_at(p, sql_span_from(p, start),
                           "MAP[...] needs a value for each key, it has %zu items", operands.len);
    }
    TRY(sql_expr_end(p, e, &operands));
    *ret = e;
    return 0;
}

static int parse_collection(struct sql_parser *p, enum sql_expr_kind kind, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    TRY(sql_next(p));
    if (sql_at(p, SQL_TOKEN_LEFT_BRACKET)) {
        return parse_items(p, kind, SQL_TOKEN_RIGHT_BRACKET, start, ret);
    }
    return parse_query_expr(p, kind, start, ret);
}

int sql_parse_case(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_CASE, sql_start(p));
    CLEANUP(vec_fini) struct vec operands = VEC_INIT(struct sql_expr *);
    TRY(sql_next(p));
    if (!sql_at_kw(p, SQL_KW_WHEN)) {
        TRY(sql_parse_expr(p, &e->case_value));
    }
    int rc;
    do {
        struct sql_expr *when = NULL, *then = NULL, **slot = NULL;
        TRY(sql_expect_kw(p, SQL_KW_WHEN));
        TRY(sql_parse_expr(p, &when));
        TRY(sql_expect_kw(p, SQL_KW_THEN));
        TRY(sql_parse_expr(p, &then));
        TRY(sql_push(p, &operands, &slot));
        *slot = when;
        TRY(sql_push(p, &operands, &slot));
        *slot = then;
    } while (sql_at_kw(p, SQL_KW_WHEN));
    rc = sql_accept_kw(p, SQL_KW_ELSE);
    TRY(rc);
    if (rc > 0) {
        struct sql_expr *otherwise = NULL;
        TRY(sql_parse_expr(p, &otherwise));
        vec_push_ptr(&operands, otherwise);
    }
    TRY(sql_expect_kw(p, SQL_KW_END));
    TRY(sql_expr_end(p, e, &operands));
    *ret = e;
    return 0;
}

int sql_parse_cast(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_CAST, sql_start(p)), *operand = NULL;
    e->is_try = p->tokens[0].keyword != SQL_KW_CAST;
    TRY(sql_next(p));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_parse_expr(p, &operand));
    TRY(sql_expect_kw(p, SQL_KW_AS));
    TRY(sql_parse_type_rule(p, &e->type));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    TRY(sql_expr_end_n(p, e, &operand, 1));
    *ret = e;
    return 0;
}

/* DESCRIPTOR(a, b) */
static int parse_descriptor(struct sql_parser *p, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    TRY(sql_next(p));
    return parse_items(p, SQL_EXPR_DESCRIPTOR, SQL_TOKEN_RIGHT_PAREN, start, ret);
}

static int parse_row(struct sql_parser *p, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    TRY(sql_next(p));
    if (!sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
        return sql_fail(p);
    }
    return parse_items(p, SQL_EXPR_ROW, SQL_TOKEN_RIGHT_PAREN, start, ret);
}

static int parse_exists(struct sql_parser *p, enum sql_expr_kind kind, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    TRY(sql_next(p));
    return parse_query_expr(p, kind, start, ret);
}

static int parse_word(struct sql_parser *p, struct sql_expr **ret)
{
    enum sql_keyword word = p->tokens[0].keyword;
    bool before_paren = sql_ahead_is(p, 1, SQL_TOKEN_LEFT_PAREN);
    bool before_bracket = sql_ahead_is(p, 1, SQL_TOKEN_LEFT_BRACKET);
    switch (word) {
    case SQL_KW_CASE:
        return sql_parse_case(p, ret);
    case SQL_KW_CAST:
    case SQL_KW_TRY_CAST:
    case SQL_KW_SAFE_CAST:
        return sql_parse_cast(p, ret);
    case SQL_KW_ROW:
        return parse_row(p, ret);
    case SQL_KW_EXISTS:
        return parse_exists(p, SQL_EXPR_EXISTS, ret);
    case SQL_KW_UNIQUE:
        return parse_exists(p, SQL_EXPR_UNIQUE, ret);
    case SQL_KW_ARRAY:
        return parse_collection(p, SQL_EXPR_ARRAY, ret);
    case SQL_KW_MULTISET:
        return parse_collection(p, SQL_EXPR_MULTISET, ret);
    case SQL_KW_MAP:
        if (before_bracket || before_paren) {
            return parse_collection(p, SQL_EXPR_MAP, ret);
        }
        break;
    case SQL_KW_DESCRIPTOR:
        if (before_paren) {
            return parse_descriptor(p, ret);
        }
        break;
    default:
        break;
    }
    if (before_paren) {
        TRY(sql_parse_special_call(p, ret));
        if (*ret != NULL) {
            return 0;
        }
    }
    if (is_bare_function(word) && !before_paren) {
        return parse_bare_function(p, ret);
    }
    if (sql_is_name(p->tokens[0]) || (before_paren && is_function_word(word))) {
        return parse_path_expr(p, ret);
    }
    return 0;
}

static int parse_first(struct sql_parser *p, struct sql_expr **ret)
{
    *ret = NULL;
    TRY(sql_parse_literal(p, ret));
    if (*ret != NULL) {
        return 0;
    }
    switch (p->tokens[0].kind) {
    case SQL_TOKEN_LEFT_PAREN:
        return parse_parens(p, ret);
    case SQL_TOKEN_QUOTED:
        return parse_path_expr(p, ret);
    case SQL_TOKEN_WORD:
        TRY(parse_word(p, ret));
        break;
    case SQL_TOKEN_STAR: {
        /* COUNT(*), SELECT *: whoever has no use for a star says so. */
        struct sql_expr *e = sql_expr_new(p, SQL_EXPR_STAR, sql_start(p));
        TRY(sql_next(p));
        e->span = sql_span_from(p, e->span.start);
        *ret = e;
        break;
    }
    default:
        break;
    }
    if (*ret != NULL) {
        return 0;
    }
    if (p->tokens[0].kind == SQL_TOKEN_WORD) {
        sql_at(p, SQL_TOKEN_WORD);
        return sql_fail(p);
    }
    sql_at(p, SQL_TOKEN_WORD);
    sql_at(p, SQL_TOKEN_STRING);
    sql_at(p, SQL_TOKEN_INTEGER);
    sql_at(p, SQL_TOKEN_LEFT_PAREN);
    return sql_fail(p);
}

/* .field and [item] behind an operand; (row).* too. */
static int parse_suffix(struct sql_parser *p, struct sql_expr *operand, struct sql_expr **ret)
{
    bool is_item = p->tokens[0].kind == SQL_TOKEN_LEFT_BRACKET;
    struct sql_expr *e =
        sql_expr_new(p, is_item ? SQL_EXPR_ITEM : SQL_EXPR_FIELD, operand->span.start);
    struct sql_expr *operands[2] = {operand};
    TRY(sql_next(p));
    if (is_item) {
        TRY(sql_parse_expr(p, &operands[1]));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_BRACKET));
    } else if (p->tokens[0].kind == SQL_TOKEN_STAR) {
        TRY(sql_next(p));
    } else {
        TRY(sql_parse_name(p, &e->field));
    }
    TRY(sql_expr_end_n(p, e, operands, is_item ? 2 : 1));
    *ret = e;
    return 0;
}

int sql_parse_primary(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = NULL;
    TRY(parse_first(p, &e));
    while (p->tokens[0].kind == SQL_TOKEN_LEFT_BRACKET || p->tokens[0].kind == SQL_TOKEN_DOT) {
        TRY(parse_suffix(p, e, &e));
    }
    *ret = e;
    return 0;
}
