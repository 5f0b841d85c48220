/* Queries: WITH, SELECT, VALUES, set operations, ORDER BY and limits.  Thread: any. */
#include "sql/parser/inside.h"

bool sql_at_query(struct sql_parser *p)
{
    switch (p->tokens[0].keyword) {
    case SQL_KW_SELECT:
    case SQL_KW_VALUES:
    case SQL_KW_WITH:
        return true;
    case SQL_KW_TABLE:
        return sql_is_name(sql_ahead(p, 1));
    default:
        return false;
    }
}

/* ---- SELECT --------------------------------------------------------------------------------------- */

static int parse_item(struct sql_parser *p, struct vec *items)
{
    struct sql_select_item item = {0}, *slot = NULL;
    TRY(sql_parse_expr(p, &item.expr));
    int rc = sql_accept_kw(p, SQL_KW_AS);
    TRY(rc);
    const bool is_star = item.expr->kind == SQL_EXPR_STAR ||
                         (item.expr->kind == SQL_EXPR_FIELD && item.expr->field.text.data == NULL);
    if (rc > 0 && is_star) {
        return sql_fail_because(p, "* is of several columns: it has no name of its own");
    }
    if (rc > 0 || (!is_star && sql_at_name(p))) {
        p->alias = rc > 0 ? p->alias : p->tokens[0];
        TRY(sql_parse_name(p, &item.alias));
    }
    TRY(sql_push(p, items, &slot));
    *slot = item;
    return 0;
}

static int parse_group_items(struct sql_parser *p, struct sql_group_item **ret, uint32_t *ret_n);

/* GROUPING SETS, ROLLUP and CUBE: what stands in their parentheses. */
static int parse_group_sets(struct sql_parser *p, enum sql_group_kind kind,
                            struct sql_group_item *g)
{
    TRY(sql_next(p));
    if (kind == SQL_GROUP_SETS) {
        TRY(sql_next(p));
    }
    g->kind = kind;
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(parse_group_items(p, &g->items, &g->n_items));
    return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
}

static int parse_group_item(struct sql_parser *p, struct sql_group_item *g)
{
    uint32_t start = sql_start(p);
    bool before_paren = sql_ahead_is(p, 1, SQL_TOKEN_LEFT_PAREN);
    if (sql_at_kws(p, SQL_KW_GROUPING, SQL_KW_SETS)) {
        TRY(parse_group_sets(p, SQL_GROUP_SETS, g));
    } else if (before_paren && sql_at_kw(p, SQL_KW_ROLLUP)) {
        TRY(parse_group_sets(p, SQL_GROUP_ROLLUP, g));
    } else if (before_paren && sql_at_kw(p, SQL_KW_CUBE)) {
        TRY(parse_group_sets(p, SQL_GROUP_CUBE, g));
    } else if (p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN &&
               sql_ahead_is(p, 1, SQL_TOKEN_RIGHT_PAREN)) {
        TRY(sql_next(p));
        TRY(sql_next(p));
        g->kind = SQL_GROUP_LIST;
    } else {
        bool in_parens = p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN;
        struct sql_expr *e = NULL;
        TRY(sql_parse_expr(p, &e));
        g->kind = SQL_GROUP_EXPR;
        if (in_parens && e->kind == SQL_EXPR_ROW) {
            g->kind = SQL_GROUP_LIST;
            g->exprs = e->operands;
            g->n_exprs = e->n_operands;
        } else {
            g->exprs = arena_alloc(p->arena, sizeof(e));
            g->exprs[0] = e;
            g->n_exprs = 1;
        }
    }
    g->span = sql_span_from(p, start);
    return 0;
}

static int parse_group_items(struct sql_parser *p, struct sql_group_item **ret, uint32_t *ret_n)
{
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_group_item);
    int rc;
    TRY(sql_enter(p));
    do {
        struct sql_group_item item = {0}, *slot = NULL;
        TRY(parse_group_item(p, &item));
        TRY(sql_push(p, &items, &slot));
        *slot = item;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    sql_leave(p);
    *ret = sql_take_items(p, &items, ret_n);
    return 0;
}

static int parse_group_by(struct sql_parser *p, struct sql_select *s)
{
    int rc = sql_accept_kws(p, SQL_KW_GROUP, SQL_KW_BY);
    if (rc <= 0) {
        return rc;
    }
    s->has_group = true;
    TRY(sql_flag_kw(p, SQL_KW_DISTINCT, &s->group_distinct));
    if (!s->group_distinct) {
        rc = sql_accept_kw(p, SQL_KW_ALL);
        TRY(rc);
    }
    return parse_group_items(p, &s->groups, &s->n_groups);
}

static int parse_windows(struct sql_parser *p, struct sql_select *s)
{
    int rc = sql_accept_kw(p, SQL_KW_WINDOW);
    if (rc <= 0) {
        return rc;
    }
    CLEANUP(vec_fini) struct vec windows = VEC_INIT(struct sql_named_window);
    do {
        struct sql_named_window *w = NULL;
        TRY(sql_push(p, &windows, &w));
        TRY(sql_parse_name(p, &w->name));
        TRY(sql_expect_kw(p, SQL_KW_AS));
        TRY(sql_parse_window(p, &w->window));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    s->windows = sql_take_items(p, &windows, &s->n_windows);
    return 0;
}

/* [WHERE expr] and the like. */
static int parse_clause(struct sql_parser *p, enum sql_keyword word, struct sql_expr **ret)
{
    int rc = sql_accept_kw(p, word);
    return rc > 0 ? sql_parse_expr(p, ret) : rc;
}

static int parse_select(struct sql_parser *p, struct sql_body *body)
{
    struct sql_select *s = arena_zalloc(p->arena, sizeof(*s));
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_select_item);
    body->kind = SQL_BODY_SELECT;
    body->select = s;
    TRY(sql_next(p));
    TRY(sql_parse_hints(p, &s->hints));
    TRY(sql_flag_kw(p, SQL_KW_DISTINCT, &s->is_distinct));
    if (!s->is_distinct && sql_at_kw(p, SQL_KW_ALL)) {
        TRY(sql_next(p));
    }
    int rc;
    do {
        TRY(parse_item(p, &items));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    s->items = sql_take_items(p, &items, &s->n_items);
    rc = sql_accept_kw(p, SQL_KW_FROM);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_from(p, &s->from));
    }
    TRY(parse_clause(p, SQL_KW_WHERE, &s->where));
    TRY(parse_group_by(p, s));
    TRY(parse_clause(p, SQL_KW_HAVING, &s->having));
    TRY(parse_windows(p, s));
    return parse_clause(p, SQL_KW_QUALIFY, &s->qualify);
}

/* ---- bodies ----------------------------------------------------------------------------------------- */

static int parse_values(struct sql_parser *p, struct sql_body *body)
{
    CLEANUP(vec_fini) struct vec rows = VEC_INIT(struct sql_expr *);
    TRY(sql_next(p));
    body->kind = SQL_BODY_VALUES;
    TRY(sql_parse_expr_list(p, &rows));
    for (size_t i = 0; i < rows.len; i++) {
        struct sql_expr **row = VEC_AT(&rows, struct sql_expr *, i);
        if ((*row)->kind != SQL_EXPR_ROW) {
            struct sql_expr *e = sql_expr_new(p, SQL_EXPR_ROW, (*row)->span.start);
            TRY(sql_expr_end_n(p, e, row, 1));
            e->span = (*row)->span;
            *row = e;
        }
    }
    body->rows = sql_take_items(p, &rows, &body->n_rows);
    return 0;
}

static struct sql_body *body_new(struct sql_parser *p, uint32_t start)
{
    struct sql_body *b = arena_zalloc(p->arena, sizeof(*b));
    b->span.start = b->span.end = start;
    b->depth = 1;
    return b;
}

static int parse_primary_body(struct sql_parser *p, struct sql_body **ret)
{
    struct sql_body *b = body_new(p, sql_start(p));
    if (sql_at_kw(p, SQL_KW_SELECT)) {
        TRY(parse_select(p, b));
    } else if (sql_at_kw(p, SQL_KW_VALUES)) {
        TRY(parse_values(p, b));
    } else if (sql_at_kw(p, SQL_KW_TABLE)) {
        b->kind = SQL_BODY_TABLE;
        TRY(sql_next(p));
        TRY(sql_parse_path(p, 3, &b->table));
    } else {
        b->kind = SQL_BODY_QUERY;
        TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
        TRY(sql_parse_query(p, &b->query));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    }
    b->span = sql_span_from(p, b->span.start);
    *ret = b;
    return 0;
}

static int parse_set_op(struct sql_parser *p, enum sql_set_op op, struct sql_body *left,
                        int (*parse_right)(struct sql_parser *p, struct sql_body **ret),
                        struct sql_body **ret)
{
    struct sql_body *b = body_new(p, left->span.start);
    TRY(sql_next(p));
    b->kind = SQL_BODY_SET;
    b->set_op = op;
    b->left = left;
    TRY(sql_flag_kw(p, SQL_KW_ALL, &b->is_all));
    if (!b->is_all) {
        int rc = sql_accept_kw(p, SQL_KW_DISTINCT);
        TRY(rc);
    }
    TRY(parse_right(p, &b->right));
    uint16_t depth = MAX(left->depth, b->right->depth);
    if (depth >= SQL_TREE_DEPTH_MAX) {
        return sql_fail_because(p, "More than %d set operations in a row", SQL_TREE_DEPTH_MAX);
    }
    b->depth = (uint16_t)(depth + 1);
    b->span = sql_span_from(p, left->span.start);
    *ret = b;
    return 0;
}

/* INTERSECT binds closer than UNION and EXCEPT. */
static int parse_intersections(struct sql_parser *p, struct sql_body *left, struct sql_body **ret)
{
    while (sql_at_kw(p, SQL_KW_INTERSECT)) {
        TRY(parse_set_op(p, SQL_SET_INTERSECT, left, parse_primary_body, &left));
    }
    *ret = left;
    return 0;
}

static int parse_term(struct sql_parser *p, struct sql_body **ret)
{
    struct sql_body *left = NULL;
    TRY(parse_primary_body(p, &left));
    return parse_intersections(p, left, ret);
}

static int parse_body_behind(struct sql_parser *p, struct sql_body *left, struct sql_body **ret)
{
    TRY(parse_intersections(p, left, &left));
    while (sql_at_kw(p, SQL_KW_UNION) || sql_at_kw(p, SQL_KW_EXCEPT)) {
        enum sql_set_op op = p->tokens[0].keyword == SQL_KW_UNION ? SQL_SET_UNION : SQL_SET_EXCEPT;
        TRY(parse_set_op(p, op, left, parse_term, &left));
    }
    *ret = left;
    return 0;
}

/* ---- queries ---------------------------------------------------------------------------------------- */

static int parse_with(struct sql_parser *p, struct sql_query *q)
{
    int rc = sql_accept_kw(p, SQL_KW_WITH);
    if (rc <= 0) {
        return rc;
    }
    if (p->tokens[0].keyword == SQL_KW_RECURSIVE) {
        return sql_fail_because(p, "WITH RECURSIVE is not supported");
    }
    CLEANUP(vec_fini) struct vec ctes = VEC_INIT(struct sql_cte);
    do {
        struct sql_cte cte = {0}, *slot = NULL;
        TRY(sql_parse_name(p, &cte.name));
        if (sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
            TRY(sql_parse_paren_names(p, &cte.columns));
        }
        TRY(sql_expect_kw(p, SQL_KW_AS));
        TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
        TRY(sql_parse_query(p, &cte.query));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
        TRY(sql_push(p, &ctes, &slot));
        *slot = cte;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    q->ctes = sql_take_items(p, &ctes, &q->n_ctes);
    return 0;
}

/* LIMIT n | ALL */
static int parse_limit(struct sql_parser *p, struct sql_query *q)
{
    int rc = sql_accept_kw(p, SQL_KW_LIMIT);
    if (rc <= 0) {
        return rc;
    }
    rc = sql_accept_kw(p, SQL_KW_ALL);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    TRY(sql_parse_operand(p, &q->limit));
    if (p->tokens[0].kind == SQL_TOKEN_COMMA) {
        return sql_fail_because(
            p, "LIMIT start, count is not of this dialect: LIMIT count OFFSET start is");
    }
    return 0;
}

static int parse_offset(struct sql_parser *p, struct sql_query *q)
{
    int rc = sql_accept_kw(p, SQL_KW_OFFSET);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_parse_operand(p, &q->offset));
    rc = sql_accept_kw(p, SQL_KW_ROWS);
    TRY(rc);
    if (rc == 0) {
        rc = sql_accept_kw(p, SQL_KW_ROW);
        TRY(rc);
    }
    return 0;
}

static struct sql_expr *one(struct sql_parser *p, uint32_t start)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_LITERAL, start);
    e->literal.kind = SQL_LITERAL_EXACT;
    e->literal.text = SLICE_LIT("1");
    return e;
}

/* FETCH FIRST | NEXT [n] ROW | ROWS ONLY */
static int parse_fetch(struct sql_parser *p, struct sql_query *q)
{
    uint32_t start = sql_start(p);
    int rc = sql_accept_kw(p, SQL_KW_FETCH);
    if (rc <= 0) {
        return rc;
    }
    rc = sql_accept_kw(p, SQL_KW_FIRST);
    TRY(rc);
    if (rc == 0) {
        TRY(sql_expect_kw(p, SQL_KW_NEXT));
    }
    if (p->tokens[0].keyword == SQL_KW_ROW || p->tokens[0].keyword == SQL_KW_ROWS) {
        q->limit = one(p, start);
    } else {
        TRY(sql_parse_operand(p, &q->limit));
    }
    rc = sql_accept_kw(p, SQL_KW_ROWS);
    TRY(rc);
    if (rc == 0) {
        TRY(sql_expect_kw(p, SQL_KW_ROW));
    }
    return sql_expect_kw(p, SQL_KW_ONLY);
}

static int parse_query_end(struct sql_parser *p, struct sql_query *q)
{
    int rc = sql_accept_kws(p, SQL_KW_ORDER, SQL_KW_BY);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_order(p, &q->order, &q->n_order));
    }
    TRY(parse_limit(p, q));
    TRY(parse_offset(p, q));
    if (q->limit == NULL) {
        TRY(q->offset != NULL ? parse_limit(p, q) : 0);
        TRY(q->limit == NULL ? parse_fetch(p, q) : 0);
    }
    q->span = sql_span_from(p, q->span.start);
    return 0;
}

int sql_parse_query(struct sql_parser *p, struct sql_query **ret)
{
    struct sql_query *q = arena_zalloc(p->arena, sizeof(*q));
    struct sql_body *first = NULL;
    TRY(sql_enter(p));
    q->span.start = q->span.end = sql_start(p);
    TRY(parse_with(p, q));
    TRY(parse_primary_body(p, &first));
    TRY(parse_body_behind(p, first, &q->body));
    TRY(parse_query_end(p, q));
    sql_leave(p);
    *ret = q;
    return 0;
}

bool sql_at_query_end(struct sql_parser *p)
{
    switch (p->tokens[0].keyword) {
    case SQL_KW_UNION:
    case SQL_KW_INTERSECT:
    case SQL_KW_EXCEPT:
    case SQL_KW_ORDER:
    case SQL_KW_LIMIT:
    case SQL_KW_OFFSET:
    case SQL_KW_FETCH:
        return true;
    default:
        return false;
    }
}

int sql_parse_query_behind(struct sql_parser *p, struct sql_query *first, uint32_t start,
                           struct sql_query **ret)
{
    struct sql_query *q = arena_zalloc(p->arena, sizeof(*q));
    struct sql_body *b = body_new(p, start);
    b->kind = SQL_BODY_QUERY;
    b->query = first;
    b->span = sql_span_from(p, start);
    q->span = b->span;
    TRY(parse_body_behind(p, b, &q->body));
    TRY(parse_query_end(p, q));
    *ret = q;
    return 0;
}
