/* Statements about rows: INSERT, statement sets, UPDATE, DELETE, ANALYZE; partitions.  Thread: any. */
#include "sql/parser/inside.h"

enum { COLUMN_PATH_MAX = 16 };

/* (a = 1, b = 'x'), values may be missing. */
int sql_parse_partition(struct sql_parser *p, struct sql_partition *ret)
{
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_partition_item);
    uint32_t start = sql_start(p);
    int rc;
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    do {
        struct sql_partition_item item = {0}, *slot = NULL;
        TRY(sql_parse_name(p, &item.column));
        rc = sql_accept(p, SQL_TOKEN_EQUAL);
        TRY(rc);
        TRY(rc > 0 ? sql_parse_operand(p, &item.value) : 0);
        TRY(sql_push(p, &items, &slot));
        *slot = item;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    ret->items = sql_take_items(p, &items, &ret->n);
    ret->span = sql_span_from(p, start);
    return 0;
}

/* ---- INSERT --------------------------------------------------------------------------------------------- */

/* (a, b.c): not the parenthesis of a query. */
static int parse_insert_columns(struct sql_parser *p, struct sql_insert *in)
{
    struct sql_token next = sql_ahead(p, 1);
    if (p->tokens[0].kind != SQL_TOKEN_LEFT_PAREN || !sql_is_name(next)) {
        return 0;
    }
    CLEANUP(vec_fini) struct vec columns = VEC_INIT(struct sql_path);
    int rc;
    TRY(sql_next(p));
    do {
        struct sql_path *column = NULL;
        TRY(sql_push(p, &columns, &column));
        TRY(sql_parse_path(p, COLUMN_PATH_MAX, column));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    in->columns = sql_take_items(p, &columns, &in->n_columns);
    return 0;
}

/* [ON CONFLICT DO ERROR | NOTHING | DEDUPLICATE] */
static int parse_conflict(struct sql_parser *p, enum sql_conflict *ret)
{
    int rc = sql_accept_kws(p, SQL_KW_ON, SQL_KW_CONFLICT);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_expect_kw(p, SQL_KW_DO));
    rc = sql_accept_kw(p, SQL_KW_ERROR);
    TRY(rc);
    if (rc > 0) {
        *ret = SQL_CONFLICT_ERROR;
        return 0;
    }
    rc = sql_accept_kw(p, SQL_KW_NOTHING);
    TRY(rc);
    *ret = rc > 0 ? SQL_CONFLICT_NOTHING : SQL_CONFLICT_DEDUPLICATE;
    return rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_DEDUPLICATE);
}

int sql_parse_insert(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_insert *in = arena_zalloc(p->arena, sizeof(*in));
    s->kind = SQL_STATEMENT_INSERT;
    s->insert = in;
    TRY(sql_expect_kw(p, SQL_KW_INSERT));
    TRY(sql_flag_kw(p, SQL_KW_OVERWRITE, &in->is_overwrite));
    TRY(in->is_overwrite ? 0 : sql_expect_kw(p, SQL_KW_INTO));
    TRY(sql_parse_path(p, 3, &in->table));
    TRY(sql_parse_hints(p, &in->hints));
    int rc = sql_accept_kw(p, SQL_KW_PARTITION);
    TRY(rc);
    TRY(rc > 0 ? sql_parse_partition(p, &in->partition) : 0);
    TRY(parse_insert_columns(p, in));
    TRY(sql_parse_query(p, &in->query));
    return parse_conflict(p, &in->conflict);
}

int sql_parse_statement_set(struct sql_parser *p, struct sql_statement *s)
{
    CLEANUP(vec_fini) struct vec inserts = VEC_INIT(struct sql_statement *);
    s->kind = SQL_STATEMENT_STATEMENT_SET;
    TRY(sql_expect_kw(p, SQL_KW_BEGIN));
    do {
        struct sql_statement **slot = NULL, *insert = arena_zalloc(p->arena, sizeof(*insert));
        insert->span.start = sql_start(p);
        TRY(sql_parse_insert(p, insert));
        insert->span = sql_span_from(p, insert->span.start);
        TRY(sql_expect(p, SQL_TOKEN_SEMICOLON));
        TRY(sql_push(p, &inserts, &slot));
        *slot = insert;
    } while (!sql_at_kw(p, SQL_KW_END));
    s->statements = sql_take_items(p, &inserts, &s->n_statements);
    return sql_next(p);
}

/* ---- rows that are there ---------------------------------------------------------------------------------- */

static int parse_where(struct sql_parser *p, struct sql_update *u)
{
    int rc = sql_accept_kw(p, SQL_KW_WHERE);
    return rc > 0 ? sql_parse_expr(p, &u->where) : rc;
}

int sql_parse_update(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_update *u = arena_zalloc(p->arena, sizeof(*u));
    CLEANUP(vec_fini) struct vec assignments = VEC_INIT(struct sql_assignment);
    int rc;
    s->kind = SQL_STATEMENT_UPDATE;
    s->update = u;
    TRY(sql_next(p));
    TRY(sql_parse_path(p, 3, &u->table));
    TRY(sql_parse_alias(p, &u->alias));
    TRY(sql_expect_kw(p, SQL_KW_SET));
    do {
        struct sql_assignment a = {0}, *slot = NULL;
        TRY(sql_parse_name(p, &a.column));
        TRY(sql_expect(p, SQL_TOKEN_EQUAL));
        TRY(sql_parse_expr(p, &a.value));
        TRY(sql_push(p, &assignments, &slot));
        *slot = a;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    u->assignments = sql_take_items(p, &assignments, &u->n_assignments);
    return parse_where(p, u);
}

int sql_parse_delete(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_update *u = arena_zalloc(p->arena, sizeof(*u));
    s->kind = SQL_STATEMENT_DELETE;
    s->update = u;
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_FROM));
    TRY(sql_parse_path(p, 3, &u->table));
    TRY(sql_parse_alias(p, &u->alias));
    return parse_where(p, u);
}

/* ANALYZE TABLE t [PARTITION (...)] COMPUTE STATISTICS [FOR COLUMNS a, b | FOR ALL COLUMNS] */
int sql_parse_analyze(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_analyze *a = arena_zalloc(p->arena, sizeof(*a));
    s->kind = SQL_STATEMENT_ANALYZE;
    s->analyze = a;
    TRY(sql_next(p));
    TRY(sql_expect_kw(p, SQL_KW_TABLE));
    TRY(sql_parse_path(p, 3, &a->table));
    int rc = sql_accept_kw(p, SQL_KW_PARTITION);
    TRY(rc);
    TRY(rc > 0 ? sql_parse_partition(p, &a->partition) : 0);
    TRY(sql_expect_kws(p, SQL_KW_COMPUTE, SQL_KW_STATISTICS, SQL_KEYWORD_NONE));
    rc = sql_accept_kw(p, SQL_KW_FOR);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_flag_kw(p, SQL_KW_ALL, &a->all_columns));
    TRY(sql_expect_kw(p, SQL_KW_COLUMNS));
    return a->all_columns ? 0 : sql_parse_names(p, &a->columns);
}
