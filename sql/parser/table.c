/* What stands between the parentheses of CREATE TABLE, and behind ALTER TABLE ADD and MODIFY: columns, constraints,
 * watermarks; distributions.  Thread: any. */
#include "sql/parser/inside.h"

enum { COLUMN_PATH_MAX = 16 };

/* [NOT ENFORCED | ENFORCED] */
static int parse_enforcement(struct sql_parser *p, enum sql_enforcement *ret)
{
    int rc = sql_accept_kws(p, SQL_KW_NOT, SQL_KW_ENFORCED);
    TRY(rc);
    if (rc > 0) {
        *ret = SQL_NOT_ENFORCED;
        return 0;
    }
    rc = sql_accept_kw(p, SQL_KW_ENFORCED);
    TRY(rc);
    *ret = rc > 0 ? SQL_ENFORCED : SQL_ENFORCEMENT_DEFAULT;
    return 0;
}

/* [CONSTRAINT name] PRIMARY KEY | UNIQUE, without what follows. */
static int parse_constraint_head(struct sql_parser *p, struct sql_constraint *c)
{
    int rc = sql_accept_kw(p, SQL_KW_CONSTRAINT);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_name(p, &c->name));
    }
    TRY(sql_flag_kw(p, SQL_KW_PRIMARY, &c->is_primary));
    return sql_expect_kw(p, c->is_primary ? SQL_KW_KEY : SQL_KW_UNIQUE);
}

static bool at_constraint(struct sql_parser *p)
{
    return sql_at_kw(p, SQL_KW_CONSTRAINT) || sql_at_kw(p, SQL_KW_PRIMARY) ||
           sql_at_kw(p, SQL_KW_UNIQUE);
}

static int parse_constraint(struct sql_parser *p, struct vec *constraints)
{
    struct sql_constraint *c = NULL;
    uint32_t start = sql_start(p);
    TRY(sql_push(p, constraints, &c));
    TRY(parse_constraint_head(p, c));
    TRY(sql_parse_paren_names(p, &c->columns));
    TRY(parse_enforcement(p, &c->enforcement));
    c->span = sql_span_from(p, start);
    return 0;
}

/* PRIMARY KEY behind a column's type. */
static int parse_column_constraint(struct sql_parser *p, struct sql_column *column)
{
    if (!at_constraint(p)) {
        return 0;
    }
    struct sql_constraint *c = arena_zalloc(p->arena, sizeof(*c));
    uint32_t start = sql_start(p);
    TRY(parse_constraint_head(p, c));
    TRY(parse_enforcement(p, &c->enforcement));
    c->columns.items = &column->name.parts[column->name.n - 1];
    c->columns.n = 1;
    c->span = sql_span_from(p, start);
    column->constraint = c;
    return 0;
}

static int parse_watermark(struct sql_parser *p, struct vec *watermarks)
{
    struct sql_watermark *w = NULL;
    uint32_t start = sql_start(p);
    TRY(sql_push(p, watermarks, &w));
    TRY(sql_expect_kws(p, SQL_KW_WATERMARK, SQL_KW_FOR, SQL_KEYWORD_NONE));
    TRY(sql_parse_path(p, COLUMN_PATH_MAX, &w->column));
    TRY(sql_expect_kw(p, SQL_KW_AS));
    TRY(sql_parse_expr(p, &w->expr));
    w->span = sql_span_from(p, start);
    return 0;
}

/* METADATA [FROM 'key'] [VIRTUAL] */
static int parse_metadata(struct sql_parser *p, struct sql_column *c)
{
    int rc = sql_accept_kw(p, SQL_KW_METADATA);
    if (rc <= 0) {
        return rc;
    }
    c->kind = SQL_COLUMN_METADATA;
    rc = sql_accept_kw(p, SQL_KW_FROM);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_string(p, &c->metadata_key));
    }
    return sql_flag_kw(p, SQL_KW_VIRTUAL, &c->is_virtual);
}

/* [FIRST | AFTER column] */
static int parse_place(struct sql_parser *p, struct sql_column *c)
{
    int rc = sql_accept_kw(p, SQL_KW_FIRST);
    TRY(rc);
    if (rc > 0) {
        c->place = SQL_PLACE_FIRST;
        return 0;
    }
    rc = sql_accept_kw(p, SQL_KW_AFTER);
    if (rc <= 0) {
        return rc;
    }
    c->place = SQL_PLACE_AFTER;
    return sql_parse_name(p, &c->after);
}

static int parse_column_inside(struct sql_parser *p, struct sql_column *c)
{
    TRY(sql_parse_path(p, COLUMN_PATH_MAX, &c->name));
    if (sql_at(p, SQL_TOKEN_COMMA) || sql_at(p, SQL_TOKEN_RIGHT_PAREN)) {
        c->kind = SQL_COLUMN_NAME;
        return 0;
    }
    int rc = sql_accept_kw(p, SQL_KW_AS);
    TRY(rc);
    if (rc > 0) {
        c->kind = SQL_COLUMN_COMPUTED;
        TRY(sql_parse_expr(p, &c->expr));
    } else {
        TRY(sql_parse_type_rule(p, &c->type));
        TRY(parse_metadata(p, c));
        if (c->kind == SQL_COLUMN_PHYSICAL) {
            TRY(parse_column_constraint(p, c));
        }
    }
    TRY(sql_parse_comment(p, &c->comment));
    return parse_place(p, c);
}

int sql_parse_element(struct sql_parser *p, struct vec *columns, struct vec *constraints,
                      struct vec *watermarks)
{
    if (at_constraint(p)) {
        return parse_constraint(p, constraints);
    }
    if (sql_at_kw(p, SQL_KW_WATERMARK)) {
        return parse_watermark(p, watermarks);
    }
    struct sql_column column = {0}, *slot = NULL;
    uint32_t start = sql_start(p);
    TRY(parse_column_inside(p, &column));
    column.span = sql_span_from(p, start);
    TRY(sql_push(p, columns, &slot));
    *slot = column;
    return 0;
}

void sql_take_elements(struct sql_parser *p, struct vec *columns, struct vec *constraints,
                       struct vec *watermarks, struct sql_table_elements *ret)
{
    ret->columns = sql_take_items(p, columns, &ret->n_columns);
    ret->constraints = sql_take_items(p, constraints, &ret->n_constraints);
    ret->watermarks = sql_take_items(p, watermarks, &ret->n_watermarks);
}

int sql_parse_elements(struct sql_parser *p, struct sql_table_elements *ret)
{
    CLEANUP(vec_fini) struct vec columns = VEC_INIT(struct sql_column);
    CLEANUP(vec_fini) struct vec constraints = VEC_INIT(struct sql_constraint);
    CLEANUP(vec_fini) struct vec watermarks = VEC_INIT(struct sql_watermark);
    int rc = 1;
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    if (!sql_at(p, SQL_TOKEN_RIGHT_PAREN)) {
        do {
            TRY(sql_parse_element(p, &columns, &constraints, &watermarks));
            rc = sql_accept(p, SQL_TOKEN_COMMA);
            TRY(rc);
        } while (rc > 0);
    }
    sql_take_elements(p, &columns, &constraints, &watermarks, ret);
    return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
}

/* ---- distributions ---------------------------------------------------------------------------------- */

static int parse_buckets(struct sql_parser *p, struct sql_distribution *ret)
{
    TRY(sql_parse_primary(p, &ret->buckets));
    return sql_expect_kw(p, SQL_KW_BUCKETS);
}

/* BY [HASH | RANGE] (a, b) [INTO n BUCKETS], INTO n BUCKETS */
int sql_parse_distribution(struct sql_parser *p, struct sql_distribution *ret)
{
    ret->kind = SQL_DISTRIBUTION_UNKNOWN;
    int rc = sql_accept_kw(p, SQL_KW_INTO);
    TRY(rc);
    if (rc > 0) {
        return parse_buckets(p, ret);
    }
    TRY(sql_expect_kw(p, SQL_KW_BY));
    if (sql_at_kw(p, SQL_KW_HASH) || sql_at_kw(p, SQL_KW_RANGE)) {
        ret->kind =
            p->tokens[0].keyword == SQL_KW_HASH ? SQL_DISTRIBUTION_HASH : SQL_DISTRIBUTION_RANGE;
        TRY(sql_next(p));
    }
    TRY(sql_parse_paren_names(p, &ret->columns));
    rc = sql_accept_kw(p, SQL_KW_INTO);
    return rc > 0 ? parse_buckets(p, ret) : rc;
}
