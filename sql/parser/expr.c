/* Operators: from OR, the loosest, to the signs in front of an operand.
 *
 * OR < AND < NOT < = <> < <= > >= < BETWEEN IN LIKE SIMILAR IS < + - || < * / % < signs < . [].  Thread: any. */
#include "sql/parser/inside.h"

static const char *const operator_names[] = {
    [SQL_OP_PLUS] = "+",
    [SQL_OP_MINUS] = "-",
    [SQL_OP_TIMES] = "*",
    [SQL_OP_DIVIDE] = "/",
    [SQL_OP_MODULO] = "%",
    [SQL_OP_CONCAT] = "||",
    [SQL_OP_EQUAL] = "=",
    [SQL_OP_NOT_EQUAL] = "<>",
    [SQL_OP_LESS] = "<",
    [SQL_OP_LESS_EQUAL] = "<=",
    [SQL_OP_GREATER] = ">",
    [SQL_OP_GREATER_EQUAL] = ">=",
    [SQL_OP_NOT] = "NOT",
    [SQL_OP_AND] = "AND",
    [SQL_OP_OR] = "OR",
    [SQL_OP_IS_DISTINCT] = "IS DISTINCT FROM",
    [SQL_OP_LIKE] = "LIKE",
    [SQL_OP_ILIKE] = "ILIKE",
    [SQL_OP_SIMILAR] = "SIMILAR TO",
    [SQL_OP_RLIKE] = "RLIKE",
    [SQL_OP_OVERLAPS] = "OVERLAPS",
    [SQL_OP_MEMBER_OF] = "MEMBER OF",
    [SQL_OP_SUBMULTISET_OF] = "SUBMULTISET OF",
};
_Static_assert(ARRAY_LEN(operator_names) == SQL_OP_COUNT, "a name for each operator");

const char *sql_operator_name(enum sql_operator op)
{
    return operator_names[op];
}

/* ---- nodes -------------------------------------------------------------------------------------- */

struct sql_expr *sql_expr_new(struct sql_parser *p, enum sql_expr_kind kind, uint32_t start)
{
    struct sql_expr *e = arena_zalloc(p->arena, sizeof(*e));
    e->kind = kind;
    e->span.start = e->span.end = start;
    e->depth = 1;
    return e;
}

int sql_expr_end_n(struct sql_parser *p, struct sql_expr *e, struct sql_expr *const *operands,
                   uint32_t n)
{
    uint16_t depth = 0;
    for (uint32_t i = 0; i < n; i++) {
        depth = MAX(depth, operands[i]->depth);
    }
    if (depth >= SQL_TREE_DEPTH_MAX) {
        return sql_fail_because(p, "An expression has more than %d levels", SQL_TREE_DEPTH_MAX);
    }
    e->depth = (uint16_t)(depth + 1);
    e->n_operands = n;
    if (n > 0) {
        e->operands = arena_alloc(p->arena, n * sizeof(struct sql_expr *));
        memcpy(e->operands, operands, n * sizeof(struct sql_expr *));
    }
    e->span = sql_span_from(p, e->span.start);
    return 0;
}

int sql_expr_end(struct sql_parser *p, struct sql_expr *e, struct vec *operands)
{
    return sql_expr_end_n(p, e, operands->data, (uint32_t)operands->len);
}

int sql_parse_expr_list(struct sql_parser *p, struct vec *ret)
{
    int rc;
    do {
        struct sql_expr **slot = NULL, *e = NULL;
        TRY(sql_parse_expr(p, &e));
        TRY(sql_push(p, ret, &slot));
        *slot = e;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    return 0;
}

/* ---- arithmetic --------------------------------------------------------------------------------- */

/* `+ 1`, `- x`, bounded like parentheses. */
static int parse_sign(struct sql_parser *p, struct sql_expr **ret)
{
    enum sql_token_kind kind = p->tokens[0].kind;
    if (kind != SQL_TOKEN_PLUS && kind != SQL_TOKEN_MINUS) {
        return sql_parse_primary(p, ret);
    }
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_UNARY, sql_start(p)), *operand = NULL;
    e->op = kind == SQL_TOKEN_PLUS ? SQL_OP_PLUS : SQL_OP_MINUS;
    TRY(sql_enter(p));
    TRY(sql_next(p));
    TRY(parse_sign(p, &operand));
    sql_leave(p);
    TRY(sql_expr_end_n(p, e, &operand, 1));
    *ret = e;
    return 0;
}

static int binary_end(struct sql_parser *p, enum sql_operator op, struct sql_expr *left,
                      struct sql_expr *right, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_BINARY, left->span.start);
    struct sql_expr *operands[] = {left, right};
    e->op = op;
    TRY(sql_expr_end_n(p, e, operands, 2));
    *ret = e;
    return 0;
}

static bool product_operator(const struct sql_parser *p, enum sql_operator *ret)
{
    switch (p->tokens[0].kind) {
    case SQL_TOKEN_STAR:
        *ret = SQL_OP_TIMES;
        return true;
    case SQL_TOKEN_SLASH:
        *ret = SQL_OP_DIVIDE;
        return true;
    case SQL_TOKEN_PERCENT:
        *ret = SQL_OP_MODULO;
        return true;
    default:
        return false;
    }
}

static bool sum_operator(const struct sql_parser *p, enum sql_operator *ret)
{
    switch (p->tokens[0].kind) {
    case SQL_TOKEN_PLUS:
        *ret = SQL_OP_PLUS;
        return true;
    case SQL_TOKEN_MINUS:
        *ret = SQL_OP_MINUS;
        return true;
    case SQL_TOKEN_CONCAT:
        *ret = SQL_OP_CONCAT;
        return true;
    default:
        return false;
    }
}

static int parse_product(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *left = NULL, *right = NULL;
    enum sql_operator op;
    TRY(parse_sign(p, &left));
    while (product_operator(p, &op)) {
        TRY(sql_next(p));
        TRY(parse_sign(p, &right));
        TRY(binary_end(p, op, left, right, &left));
    }
    *ret = left;
    return 0;
}

int sql_parse_operand(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *left = NULL, *right = NULL;
    enum sql_operator op;
    TRY(parse_product(p, &left));
    while (sum_operator(p, &op)) {
        TRY(sql_next(p));
        TRY(parse_product(p, &right));
        TRY(binary_end(p, op, left, right, &left));
    }
    *ret = left;
    return 0;
}

/* ---- predicates --------------------------------------------------------------------------------- */

static int parse_between(struct sql_parser *p, struct sql_expr *value, bool is_negated,
                         struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_BETWEEN, value->span.start);
    struct sql_expr *operands[3] = {value};
    TRY(sql_next(p));
    e->is_negated = is_negated;
    TRY(sql_flag_kw(p, SQL_KW_SYMMETRIC, &e->is_symmetric));
    if (!e->is_symmetric) {
        int rc = sql_accept_kw(p, SQL_KW_ASYMMETRIC);
        TRY(rc);
    }
    TRY(sql_parse_operand(p, &operands[1]));
    TRY(sql_expect_kw(p, SQL_KW_AND));
    TRY(sql_parse_operand(p, &operands[2]));
    TRY(sql_expr_end_n(p, e, operands, 3));
    *ret = e;
    return 0;
}

/* (query) or (a, b) behind IN and the quantifiers. */
static int parse_list_or_query(struct sql_parser *p, struct sql_expr *e, struct sql_expr *value)
{
    CLEANUP(vec_fini) struct vec operands = VEC_INIT(struct sql_expr *);
    vec_push_ptr(&operands, value);
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_at_query(p) ? sql_parse_query(p, &e->query) : sql_parse_expr_list(p, &operands));
    struct sql_expr *last = vec_ptr(&operands, operands.len - 1);
    if (operands.len == 2 && last->kind == SQL_EXPR_QUERY && sql_at_query_end(p)) {
        /* ((SELECT ...) UNION ...) */
        vec_pop(&operands);
        TRY(sql_parse_query_behind(p, last->query, last->span.start, &e->query));
    }
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    return sql_expr_end(p, e, &operands);
}

static int parse_in(struct sql_parser *p, struct sql_expr *value, bool is_negated,
                    struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_IN, value->span.start);
    TRY(sql_next(p));
    e->is_negated = is_negated;
    TRY(parse_list_or_query(p, e, value));
    *ret = e;
    return 0;
}

static int parse_like(struct sql_parser *p, enum sql_operator op, struct sql_expr *value,
                      bool is_negated, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_BINARY, value->span.start);
    struct sql_expr *operands[3] = {value};
    uint32_t n = 2;
    TRY(sql_next(p));
    if (op == SQL_OP_SIMILAR) {
        TRY(sql_expect_kw(p, SQL_KW_TO));
    }
    e->op = op;
    e->is_negated = is_negated;
    TRY(sql_parse_operand(p, &operands[1]));
    int rc = op == SQL_OP_RLIKE ? 0 : sql_accept_kw(p, SQL_KW_ESCAPE);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_operand(p, &operands[2]));
        n = 3;
    }
    TRY(sql_expr_end_n(p, e, operands, n));
    *ret = e;
    return 0;
}

static int parse_is_what(struct sql_parser *p, enum sql_is *ret)
{
    static const struct {
        enum sql_keyword keyword;
        enum sql_is is;
    } rows[] = {
        {SQL_KW_NULL, SQL_IS_NULL},       {SQL_KW_TRUE, SQL_IS_TRUE}, {SQL_KW_FALSE, SQL_IS_FALSE},
        {SQL_KW_UNKNOWN, SQL_IS_UNKNOWN}, {SQL_KW_A, SQL_IS_A_SET},   {SQL_KW_EMPTY, SQL_IS_EMPTY},
        {SQL_KW_JSON, SQL_IS_JSON},
    };
    static const struct {
        enum sql_keyword keyword;
        enum sql_is is;
    } json_rows[] = {
        {SQL_KW_VALUE, SQL_IS_JSON},
        {SQL_KW_OBJECT, SQL_IS_JSON_OBJECT},
        {SQL_KW_ARRAY, SQL_IS_JSON_ARRAY},
        {SQL_KW_SCALAR, SQL_IS_JSON_SCALAR},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++) {
        rc = sql_accept_kw(p, rows[i].keyword);
        TRY(rc);
        *ret = rows[i].is;
    }
    if (rc == 0) {
        sql_at_kw(p, SQL_KW_DISTINCT);
        return sql_fail(p);
    }
    if (*ret == SQL_IS_A_SET) {
        return sql_expect_kw(p, SQL_KW_SET);
    }
    rc = *ret == SQL_IS_JSON ? 0 : 1;
    for (size_t i = 0; i < ARRAY_LEN(json_rows) && rc == 0; i++) {
        rc = sql_accept_kw(p, json_rows[i].keyword);
        TRY(rc);
        *ret = rc > 0 ? json_rows[i].is : SQL_IS_JSON;
    }
    return 0;
}

static int parse_is(struct sql_parser *p, struct sql_expr *value, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_IS, value->span.start);
    struct sql_expr *operands[2] = {value};
    TRY(sql_next(p));
    TRY(sql_flag_kw(p, SQL_KW_NOT, &e->is_negated));
    int rc = sql_accept_kws(p, SQL_KW_DISTINCT, SQL_KW_FROM);
    TRY(rc);
    if (rc > 0) {
        e->kind = SQL_EXPR_BINARY;
        e->op = SQL_OP_IS_DISTINCT;
        TRY(sql_parse_operand(p, &operands[1]));
    } else {
        TRY(parse_is_what(p, &e->is));
    }
    TRY(sql_expr_end_n(p, e, operands, rc > 0 ? 2 : 1));
    *ret = e;
    return 0;
}

/* OVERLAPS, MEMBER OF, SUBMULTISET OF. */
static int parse_word_operator(struct sql_parser *p, enum sql_operator op, struct sql_expr *left,
                               bool is_negated, struct sql_expr **ret)
{
    struct sql_expr *right = NULL;
    TRY(sql_next(p));
    if (op != SQL_OP_OVERLAPS) {
        int rc = sql_accept_kw(p, SQL_KW_OF);
        TRY(rc);
    }
    TRY(sql_parse_operand(p, &right));
    TRY(binary_end(p, op, left, right, ret));
    (*ret)->is_negated = is_negated;
    return 0;
}

/* One predicate behind `value`; *ret stays NULL when there is none.  NOT was stepped over when is_negated. */
static int parse_predicate(struct sql_parser *p, enum sql_keyword word, struct sql_expr *value,
                           bool is_negated, struct sql_expr **ret)
{
    switch (word) {
    case SQL_KW_BETWEEN:
        return parse_between(p, value, is_negated, ret);
    case SQL_KW_IN:
        return parse_in(p, value, is_negated, ret);
    case SQL_KW_LIKE:
        return parse_like(p, SQL_OP_LIKE, value, is_negated, ret);
    case SQL_KW_ILIKE:
        return parse_like(p, SQL_OP_ILIKE, value, is_negated, ret);
    case SQL_KW_SIMILAR:
        return parse_like(p, SQL_OP_SIMILAR, value, is_negated, ret);
    case SQL_KW_RLIKE:
        return parse_like(p, SQL_OP_RLIKE, value, is_negated, ret);
    case SQL_KW_MEMBER:
        return parse_word_operator(p, SQL_OP_MEMBER_OF, value, is_negated, ret);
    case SQL_KW_SUBMULTISET:
        return parse_word_operator(p, SQL_OP_SUBMULTISET_OF, value, is_negated, ret);
    case SQL_KW_OVERLAPS:
        return is_negated ? 0 : parse_word_operator(p, SQL_OP_OVERLAPS, value, false, ret);
    case SQL_KW_IS:
        return is_negated ? 0 : parse_is(p, value, ret);
    default:
        return 0;
    }
}

static bool is_negatable(enum sql_keyword word)
{
    return word == SQL_KW_BETWEEN || word == SQL_KW_IN || word == SQL_KW_LIKE ||
           word == SQL_KW_ILIKE || word == SQL_KW_SIMILAR || word == SQL_KW_RLIKE ||
           word == SQL_KW_MEMBER || word == SQL_KW_SUBMULTISET;
}

static int parse_predicates(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *value = NULL;
    TRY(sql_parse_operand(p, &value));
    for (;;) {
        struct sql_expr *next = NULL;
        enum sql_keyword word = p->tokens[0].keyword;
        bool is_negated = word == SQL_KW_NOT && is_negatable(sql_ahead(p, 1).keyword);
        if (is_negated) {
            TRY(sql_next(p));
            word = p->tokens[0].keyword;
        }
        TRY(parse_predicate(p, word, value, is_negated, &next));
        if (next == NULL) {
            break;
        }
        value = next;
    }
    *ret = value;
    return 0;
}

/* ---- comparisons and logic ------------------------------------------------------------------------ */

static bool comparison_operator(const struct sql_parser *p, enum sql_operator *ret)
{
    switch (p->tokens[0].kind) {
    case SQL_TOKEN_EQUAL:
        *ret = SQL_OP_EQUAL;
        return true;
    case SQL_TOKEN_NOT_EQUAL:
        *ret = SQL_OP_NOT_EQUAL;
        return true;
    case SQL_TOKEN_LESS:
        *ret = SQL_OP_LESS;
        return true;
    case SQL_TOKEN_LESS_EQUAL:
        *ret = SQL_OP_LESS_EQUAL;
        return true;
    case SQL_TOKEN_GREATER:
        *ret = SQL_OP_GREATER;
        return true;
    case SQL_TOKEN_GREATER_EQUAL:
        *ret = SQL_OP_GREATER_EQUAL;
        return true;
    default:
        return false;
    }
}

static int parse_quantified(struct sql_parser *p, enum sql_operator op, struct sql_expr *left,
                            struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_QUANTIFIED, left->span.start);
    e->op = op;
    e->quantifier = p->tokens[0].keyword == SQL_KW_ALL ? SQL_QUANTIFIER_ALL : SQL_QUANTIFIER_SOME;
    TRY(sql_next(p));
    TRY(parse_list_or_query(p, e, left));
    *ret = e;
    return 0;
}

static int parse_comparison(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *left = NULL, *right = NULL;
    enum sql_operator op;
    TRY(parse_predicates(p, &left));
    while (comparison_operator(p, &op)) {
        TRY(sql_next(p));
        enum sql_keyword word = p->tokens[0].keyword;
        if ((word == SQL_KW_ALL || word == SQL_KW_ANY || word == SQL_KW_SOME) &&
            sql_ahead_is(p, 1, SQL_TOKEN_LEFT_PAREN)) {
            TRY(parse_quantified(p, op, left, &left));
            continue;
        }
        TRY(parse_predicates(p, &right));
        TRY(binary_end(p, op, left, right, &left));
    }
    *ret = left;
    return 0;
}

static int parse_not(struct sql_parser *p, struct sql_expr **ret)
{
    if (p->tokens[0].keyword != SQL_KW_NOT) {
        return parse_comparison(p, ret);
    }
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_UNARY, sql_start(p)), *operand = NULL;
    e->op = SQL_OP_NOT;
    TRY(sql_enter(p));
    TRY(sql_next(p));
    TRY(parse_not(p, &operand));
    sql_leave(p);
    TRY(sql_expr_end_n(p, e, &operand, 1));
    *ret = e;
    return 0;
}

static int parse_and(struct sql_parser *p, struct sql_expr **ret);

/* A chain of one operator: one node. */
static int parse_chain(struct sql_parser *p, enum sql_keyword word, enum sql_operator op,
                       int (*parse_term)(struct sql_parser *p, struct sql_expr **ret),
                       struct sql_expr **ret)
{
    struct sql_expr *first = NULL;
    TRY(parse_term(p, &first));
    if (p->tokens[0].keyword != word) {
        *ret = first;
        return 0;
    }
    CLEANUP(vec_fini) struct vec terms = VEC_INIT(struct sql_expr *);
    vec_push_ptr(&terms, first);
    while (p->tokens[0].keyword == word) {
        struct sql_expr **slot = NULL, *term = NULL;
        TRY(sql_next(p));
        TRY(parse_term(p, &term));
        TRY(sql_push(p, &terms, &slot));
        *slot = term;
    }
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_LOGIC, first->span.start);
    e->op = op;
    TRY(sql_expr_end(p, e, &terms));
    *ret = e;
    return 0;
}

static int parse_and(struct sql_parser *p, struct sql_expr **ret)
{
    return parse_chain(p, SQL_KW_AND, SQL_OP_AND, parse_not, ret);
}

int sql_parse_expr(struct sql_parser *p, struct sql_expr **ret)
{
    TRY(sql_enter(p));
    TRY(parse_chain(p, SQL_KW_OR, SQL_OP_OR, parse_and, ret));
    sql_leave(p);
    return 0;
}
