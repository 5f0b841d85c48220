/* Calls: arguments of every kind, functions with a syntax of their own, and what may follow a call (WITHIN GROUP, FILTER,
 * OVER).  Thread: any. */
#include "sql/parser/inside.h"

/* ---- building ------------------------------------------------------------------------------------- */

int sql_add_argument(struct sql_parser *p, struct vec *args, struct sql_expr *expr)
{
    struct sql_argument *arg = NULL;
    TRY(sql_push(p, args, &arg));
    arg->expr = expr;
    return 0;
}

struct sql_expr *sql_symbol_expr(struct sql_parser *p, enum sql_symbol symbol, uint32_t start)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_SYMBOL, start);
    e->symbol = symbol;
    e->span = sql_span_from(p, start);
    return e;
}

/* Takes the arguments and sets the depth and the end. */
static int call_end(struct sql_parser *p, struct sql_expr *e, struct vec *args)
{
    uint16_t depth = 0;
    for (size_t i = 0; i < args->len; i++) {
        depth = MAX(depth, VEC_AT(args, struct sql_argument, i)->expr->depth);
    }
    if (depth >= SQL_TREE_DEPTH_MAX) {
        return sql_fail_because(p, "An expression has more than %d levels", SQL_TREE_DEPTH_MAX);
    }
    e->depth = (uint16_t)(depth + 1);
    e->call->args = sql_take_items(p, args, &e->call->n_args);
    e->span = sql_span_from(p, e->span.start);
    return 0;
}

static struct sql_expr *call_start(struct sql_parser *p, struct sql_path name, uint32_t start)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_CALL, start);
    e->call = arena_zalloc(p->arena, sizeof(*e->call));
    e->call->name = name;
    return e;
}

int sql_call_new(struct sql_parser *p, struct sql_name name, uint32_t start, struct vec *args,
                 struct sql_expr **ret)
{
    struct sql_path path = {.n = 1, .span = name.span};
    path.parts = arena_alloc(p->arena, sizeof(name));
    path.parts[0] = name;
    struct sql_expr *e = call_start(p, path, start);
    TRY(call_end(p, e, args));
    *ret = e;
    return 0;
}

/* ---- order and windows ------------------------------------------------------------------------------ */

int sql_parse_order(struct sql_parser *p, struct sql_order_item **ret, uint32_t *ret_n)
{
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_order_item);
    int rc;
    do {
        struct sql_order_item item = {0}, *slot = NULL;
        TRY(sql_parse_expr(p, &item.expr));
        TRY(sql_flag_kw(p, SQL_KW_DESC, &item.is_descending));
        if (!item.is_descending) {
            rc = sql_accept_kw(p, SQL_KW_ASC);
            TRY(rc);
        }
        rc = sql_accept_kw(p, SQL_KW_NULLS);
        TRY(rc);
        if (rc > 0) {
            rc = sql_accept_kw(p, SQL_KW_FIRST);
            TRY(rc);
            item.nulls = rc > 0 ? SQL_NULLS_FIRST : SQL_NULLS_LAST;
            TRY(rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_LAST));
        }
        TRY(sql_push(p, &items, &slot));
        *slot = item;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    *ret = sql_take_items(p, &items, ret_n);
    return 0;
}

int sql_parse_partition_by(struct sql_parser *p, struct sql_expr ***ret, uint32_t *ret_n)
{
    int rc = sql_accept_kws(p, SQL_KW_PARTITION, SQL_KW_BY);
    if (rc <= 0) {
        return rc;
    }
    CLEANUP(vec_fini) struct vec exprs = VEC_INIT(struct sql_expr *);
    bool in_parens = p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN;
    TRY(sql_parse_expr_list(p, &exprs));
    struct sql_expr *first = vec_ptr(&exprs, 0);
    if (in_parens && exprs.len == 1 && first->kind == SQL_EXPR_ROW) {
        *ret = first->operands; /* PARTITION BY (a, b) */
        *ret_n = first->n_operands;
        return 0;
    }
    *ret = sql_take_items(p, &exprs, ret_n);
    return 0;
}

static int parse_bound(struct sql_parser *p, struct sql_bound *ret)
{
    int rc = sql_accept_kw(p, SQL_KW_UNBOUNDED);
    TRY(rc);
    if (rc > 0) {
        rc = sql_accept_kw(p, SQL_KW_PRECEDING);
        TRY(rc);
        ret->kind = rc > 0 ? SQL_BOUND_UNBOUNDED_PRECEDING : SQL_BOUND_UNBOUNDED_FOLLOWING;
        return rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_FOLLOWING);
    }
    rc = sql_accept_kws(p, SQL_KW_CURRENT, SQL_KW_ROW);
    TRY(rc);
    if (rc > 0) {
        ret->kind = SQL_BOUND_CURRENT_ROW;
        return 0;
    }
    TRY(sql_parse_operand(p, &ret->offset));
    rc = sql_accept_kw(p, SQL_KW_PRECEDING);
    TRY(rc);
    ret->kind = rc > 0 ? SQL_BOUND_PRECEDING : SQL_BOUND_FOLLOWING;
    return rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_FOLLOWING);
}

static int parse_frame(struct sql_parser *p, struct sql_window *w)
{
    if (!sql_at_kw(p, SQL_KW_ROWS) && !sql_at_kw(p, SQL_KW_RANGE)) {
        return 0;
    }
    w->frame = p->tokens[0].keyword == SQL_KW_ROWS ? SQL_FRAME_ROWS : SQL_FRAME_RANGE;
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_BETWEEN);
    TRY(rc);
    TRY(parse_bound(p, &w->from));
    w->to.kind = SQL_BOUND_CURRENT_ROW;
    if (rc > 0) {
        TRY(sql_expect_kw(p, SQL_KW_AND));
        TRY(parse_bound(p, &w->to));
    }
    return 0;
}

int sql_parse_window(struct sql_parser *p, struct sql_window **ret)
{
    struct sql_window *w = arena_zalloc(p->arena, sizeof(*w));
    uint32_t start = sql_start(p);
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    if (sql_is_name(p->tokens[0])) {
        TRY(sql_parse_name(p, &w->name));
    }
    TRY(sql_parse_partition_by(p, &w->partition, &w->n_partition));
    int rc = sql_accept_kws(p, SQL_KW_ORDER, SQL_KW_BY);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_order(p, &w->order, &w->n_order));
    }
    TRY(parse_frame(p, w));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    w->span = sql_span_from(p, start);
    *ret = w;
    return 0;
}

/* ---- behind the parenthesis -------------------------------------------------------------------------- */

static int parse_nulls(struct sql_parser *p, struct sql_call *call)
{
    int rc = sql_accept_kws(p, SQL_KW_IGNORE, SQL_KW_NULLS);
    TRY(rc);
    if (rc > 0) {
        call->flags |= SQL_CALL_IGNORE_NULLS;
        return 0;
    }
    rc = sql_accept_kws(p, SQL_KW_RESPECT, SQL_KW_NULLS);
    TRY(rc);
    call->flags |= rc > 0 ? SQL_CALL_RESPECT_NULLS : 0u;
    return 0;
}

int sql_parse_call_tail(struct sql_parser *p, struct sql_expr *e)
{
    struct sql_call *call = e->call;
    TRY(parse_nulls(p, call));
    int rc = sql_accept_kws(p, SQL_KW_WITHIN, SQL_KW_GROUP);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
        TRY(sql_expect_kws(p, SQL_KW_ORDER, SQL_KW_BY, SQL_KEYWORD_NONE));
        TRY(sql_parse_order(p, &call->within, &call->n_within));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    }
    if (p->tokens[0].keyword == SQL_KW_FILTER && sql_ahead_is(p, 1, SQL_TOKEN_LEFT_PAREN)) {
        TRY(sql_next(p));
        TRY(sql_next(p));
        TRY(sql_expect_kw(p, SQL_KW_WHERE));
        TRY(sql_parse_expr(p, &call->filter));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    }
    TRY(parse_nulls(p, call));
    rc = sql_accept_kw(p, SQL_KW_OVER);
    TRY(rc);
    if (rc > 0 && sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
        TRY(sql_parse_window(p, &call->over));
    } else if (rc > 0) {
        struct sql_window *w = arena_zalloc(p->arena, sizeof(*w));
        TRY(sql_parse_name(p, &w->name));
        w->span = w->name.span;
        call->over = w;
    }
    e->span = sql_span_from(p, e->span.start);
    return 0;
}

/* ---- arguments --------------------------------------------------------------------------------------- */

/* TABLE name [PARTITION BY ...] [ORDER BY ...], TABLE (query) ... */
static int parse_table_argument(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_TABLE, sql_start(p));
    struct sql_table_argument *t = arena_zalloc(p->arena, sizeof(*t));
    TRY(sql_next(p));
    bool in_parens = sql_at(p, SQL_TOKEN_LEFT_PAREN);
    if (in_parens) {
        TRY(sql_next(p));
    }
    if (in_parens && sql_at_query(p)) {
        TRY(sql_parse_query(p, &t->query));
    } else {
        TRY(sql_parse_path(p, 3, &t->name));
    }
    if (in_parens) {
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    }
    TRY(sql_parse_partition_by(p, &t->partition, &t->n_partition));
    int rc = sql_accept_kws(p, SQL_KW_ORDER, SQL_KW_BY);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_order(p, &t->order, &t->n_order));
    }
    e->table = t;
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

static int parse_model_argument(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_MODEL, sql_start(p));
    TRY(sql_next(p));
    TRY(sql_parse_path(p, 3, &e->column));
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

static int parse_default_argument(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_DEFAULT, sql_start(p));
    TRY(sql_next(p));
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

static int parse_argument_value(struct sql_parser *p, struct sql_expr **ret)
{
    switch (p->tokens[0].keyword) {
    case SQL_KW_TABLE:
        return parse_table_argument(p, ret);
    case SQL_KW_DEFAULT:
        return parse_default_argument(p, ret);
    case SQL_KW_MODEL:
        if (sql_is_name(sql_ahead(p, 1))) {
            return parse_model_argument(p, ret);
        }
        break;
    default:
        break;
    }
    if (p->tokens[0].kind == SQL_TOKEN_WORD && sql_at_query(p)) {
        struct sql_expr *e = sql_expr_new(p, SQL_EXPR_QUERY, sql_start(p));
        TRY(sql_parse_query(p, &e->query));
        e->span = sql_span_from(p, e->span.start);
        *ret = e;
        return 0;
    }
    return sql_parse_expr(p, ret);
}

static int parse_argument(struct sql_parser *p, struct vec *args)
{
    struct sql_argument arg = {0}, *slot = NULL;
    if (p->tokens[0].kind != SQL_TOKEN_LEFT_PAREN && sql_ahead_is(p, 1, SQL_TOKEN_ARROW)) {
        TRY(sql_take_name(p, &arg.name));
        TRY(sql_next(p));
    }
    TRY(parse_argument_value(p, &arg.expr));
    TRY(sql_push(p, args, &slot));
    *slot = arg;
    return 0;
}

/* From ( to ). */
static int parse_arguments(struct sql_parser *p, struct sql_call *call, struct vec *args)
{
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    int rc = sql_accept(p, SQL_TOKEN_RIGHT_PAREN);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    rc = sql_accept_kw(p, SQL_KW_DISTINCT);
    TRY(rc);
    call->flags |= rc > 0 ? SQL_CALL_DISTINCT : 0u;
    if (rc == 0 && p->tokens[0].keyword == SQL_KW_ALL) {
        TRY(sql_next(p));
    }
    do {
        TRY(parse_argument(p, args));
        const struct sql_expr *last =
            VEC_AT(args, struct sql_argument, args->len - 1)->expr; /* nothing stands beside * */
        rc =
            last->kind == SQL_EXPR_STAR && last->column.n == 0 ? 0 : sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    TRY(parse_nulls(p, call));
    rc = sql_accept_kws(p, SQL_KW_ORDER, SQL_KW_BY);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_order(p, &call->within, &call->n_within));
    }
    return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
}

int sql_parse_call(struct sql_parser *p, struct sql_path name, uint32_t start,
                   struct sql_expr **ret)
{
    CLEANUP(vec_fini) struct vec args = VEC_INIT(struct sql_argument);
    struct sql_expr *e = call_start(p, name, start);
    TRY(parse_arguments(p, e->call, &args));
    TRY(call_end(p, e, &args));
    TRY(sql_parse_call_tail(p, e));
    *ret = e;
    return 0;
}

/* ---- functions with a syntax of their own --------------------------------------------------------------- */

/* A unit of time as an argument; *ret stays NULL when the current word is none. */
static int parse_unit(struct sql_parser *p, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    enum sql_unit unit = sql_unit_of(p->tokens[0].keyword);
    *ret = NULL;
    if (unit == SQL_UNIT_NONE) {
        return 0;
    }
    TRY(sql_next(p));
    *ret = sql_symbol_expr(p, SQL_SYMBOL_UNIT, start);
    (*ret)->unit = unit;
    return 0;
}

static int add_expr(struct sql_parser *p, struct vec *args)
{
    struct sql_expr *e = NULL;
    TRY(sql_parse_expr(p, &e));
    return sql_add_argument(p, args, e);
}

/* Behind a word that is there: word expr. */
static int add_behind(struct sql_parser *p, enum sql_keyword word, struct vec *args)
{
    int rc = sql_accept_kw(p, word);
    return rc > 0 ? add_expr(p, args) : rc;
}

static int parse_extract(struct sql_parser *p, struct vec *args)
{
    struct sql_expr *unit = NULL;
    TRY(parse_unit(p, &unit));
    if (unit == NULL) {
        return sql_fail_because(
            p, "EXTRACT takes a unit such as YEAR, MONTH, DAY, HOUR, MINUTE or SECOND");
    }
    TRY(sql_add_argument(p, args, unit));
    TRY(sql_expect_kw(p, SQL_KW_FROM));
    return add_expr(p, args);
}

/* FLOOR(x), FLOOR(x, s), FLOOR(x TO unit) */
static int parse_floor(struct sql_parser *p, struct vec *args)
{
    TRY(add_expr(p, args));
    int rc = sql_accept_kw(p, SQL_KW_TO);
    TRY(rc);
    if (rc > 0) {
        struct sql_expr *unit = NULL;
        TRY(parse_unit(p, &unit));
        return unit != NULL
                   ? sql_add_argument(p, args, unit)
                   : sql_fail_because(
                         p, "TO takes a unit such as YEAR, MONTH, DAY, HOUR, MINUTE or SECOND");
    }
    rc = sql_accept(p, SQL_TOKEN_COMMA);
    return rc > 0 ? add_expr(p, args) : rc;
}

/* TRIM([BOTH | LEADING | TRAILING] [chars] FROM x), TRIM(x): always TRIM(side, chars, x), chars ' ' by default. */
static int parse_trim(struct sql_parser *p, struct vec *args)
{
    uint32_t start = sql_start(p);
    enum sql_symbol side = SQL_SYMBOL_BOTH;
    struct sql_expr *chars = NULL, *x = NULL;
    bool has_side = true;
    switch (p->tokens[0].keyword) {
    case SQL_KW_BOTH:
        break;
    case SQL_KW_LEADING:
        side = SQL_SYMBOL_LEADING;
        break;
    case SQL_KW_TRAILING:
        side = SQL_SYMBOL_TRAILING;
        break;
    default:
        has_side = false;
        break;
    }
    if (has_side) {
        TRY(sql_next(p));
    }
    struct sql_expr *symbol = sql_symbol_expr(p, side, start);
    if (!has_side || p->tokens[0].keyword != SQL_KW_FROM) {
        TRY(sql_parse_expr(p, &x));
    }
    int rc = sql_accept_kw(p, SQL_KW_FROM);
    TRY(rc);
    if (rc > 0) {
        chars = x;
        TRY(sql_parse_expr(p, &x));
    } else if (has_side) {
        return sql_fail(p);
    }
    if (chars == NULL) {
        chars = sql_expr_new(p, SQL_EXPR_LITERAL, start);
        chars->literal.kind = SQL_LITERAL_STRING;
        chars->literal.text = SLICE_LIT(" ");
    }
    TRY(sql_add_argument(p, args, symbol));
    TRY(sql_add_argument(p, args, chars));
    return sql_add_argument(p, args, x);
}

/* SUBSTRING(x FROM a [FOR b]), SUBSTRING(x, a [, b]) */
static int parse_substring(struct sql_parser *p, struct vec *args)
{
    TRY(add_expr(p, args));
    int rc = sql_accept_kw(p, SQL_KW_FROM);
    TRY(rc);
    enum sql_token_kind separator = SQL_TOKEN_COMMA;
    if (rc == 0) {
        TRY(sql_expect(p, separator));
    }
    bool is_standard = rc > 0;
    TRY(add_expr(p, args));
    if (is_standard) {
        return add_behind(p, SQL_KW_FOR, args);
    }
    rc = sql_accept(p, separator);
    return rc > 0 ? add_expr(p, args) : rc;
}

static int parse_overlay(struct sql_parser *p, struct vec *args)
{
    TRY(add_expr(p, args));
    TRY(sql_expect_kw(p, SQL_KW_PLACING));
    TRY(add_expr(p, args));
    TRY(sql_expect_kw(p, SQL_KW_FROM));
    TRY(add_expr(p, args));
    return add_behind(p, SQL_KW_FOR, args);
}

/* POSITION(a IN b [FROM c]): the needle is an operand, as IN would be taken for a predicate. */
static int parse_position(struct sql_parser *p, struct vec *args)
{
    struct sql_expr *needle = NULL;
    TRY(sql_parse_operand(p, &needle));
    TRY(sql_add_argument(p, args, needle));
    TRY(sql_expect_kw(p, SQL_KW_IN));
    TRY(add_expr(p, args));
    return add_behind(p, SQL_KW_FROM, args);
}

/* TIMESTAMPADD(unit, n, x), TIMESTAMPDIFF(unit, a, b) */
static int parse_timestamp_call(struct sql_parser *p, struct vec *args)
{
    struct sql_expr *unit = NULL;
    TRY(parse_unit(p, &unit));
    if (unit == NULL) {
        return sql_fail_because(
            p, "The first argument is a unit such as SECOND, MINUTE, HOUR, DAY, MONTH or YEAR");
    }
    TRY(sql_add_argument(p, args, unit));
    for (int i = 0; i < 2; i++) {
        TRY(sql_expect(p, SQL_TOKEN_COMMA));
        TRY(add_expr(p, args));
    }
    return 0;
}

static const struct sql_special_call own_calls[] = {
    {SQL_KW_EXTRACT, false, parse_extract},
    {SQL_KW_CEIL, false, parse_floor},
    {SQL_KW_CEILING, false, parse_floor},
    {SQL_KW_FLOOR, false, parse_floor},
    {SQL_KW_TRIM, false, parse_trim},
    {SQL_KW_SUBSTRING, false, parse_substring},
    {SQL_KW_OVERLAY, false, parse_overlay},
    {SQL_KW_POSITION, false, parse_position},
    {SQL_KW_TIMESTAMPADD, false, parse_timestamp_call},
    {SQL_KW_TIMESTAMPDIFF, false, parse_timestamp_call},
};

static const struct sql_special_call *find_special(enum sql_keyword word)
{
    for (size_t i = 0; i < ARRAY_LEN(own_calls); i++) {
        if (own_calls[i].word == word) {
            return &own_calls[i];
        }
    }
    for (size_t i = 0; i < SQL_JSON_CALLS; i++) {
        if (sql_json_calls[i].word == word) {
            return &sql_json_calls[i];
        }
    }
    return NULL;
}

int sql_parse_special_call(struct sql_parser *p, struct sql_expr **ret)
{
    const struct sql_special_call *special = find_special(p->tokens[0].keyword);
    CLEANUP(vec_fini) struct vec args = VEC_INIT(struct sql_argument);
    uint32_t start = sql_start(p);
    struct sql_name name;
    *ret = NULL;
    if (special == NULL) {
        return 0;
    }
    TRY(sql_take_name(p, &name));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(special->parse(p, &args));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    TRY(sql_call_new(p, name, start, &args, ret));
    return special->is_aggregate ? sql_parse_call_tail(p, *ret) : 0;
}
