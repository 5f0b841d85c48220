/* ALTER of every object.  Thread: any. */
#include "sql/parser/inside.h"

static int parse_set(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_SET;
    return sql_parse_properties(p, &a->properties);
}

static int parse_reset(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_RESET;
    return sql_parse_keys(p, &a->keys, &a->n_keys);
}

/* ---- tables ------------------------------------------------------------------------------------------- */

/* RENAME TO name | RENAME column TO name */
static int parse_rename(struct sql_parser *p, struct sql_alter *a)
{
    int rc = sql_accept_kw(p, SQL_KW_TO);
    TRY(rc);
    a->kind = rc > 0 ? SQL_ALTER_RENAME : SQL_ALTER_RENAME_COLUMN;
    if (rc == 0) {
        TRY(sql_parse_path(p, 16, &a->column));
        TRY(sql_expect_kw(p, SQL_KW_TO));
    }
    return sql_parse_path(p, 3, &a->new_name);
}

/* PARTITION (...) [WITH (...)] [,] PARTITION ... */
static int parse_partitions(struct sql_parser *p, bool with_properties, struct sql_alter *a)
{
    CLEANUP(vec_fini) struct vec partitions = VEC_INIT(struct sql_partition);
    do {
        struct sql_partition partition = {0}, *slot = NULL;
        TRY(sql_expect_kw(p, SQL_KW_PARTITION));
        TRY(sql_parse_partition(p, &partition));
        if (with_properties) {
            TRY(sql_parse_with(p, &partition.properties));
        }
        TRY(sql_push(p, &partitions, &slot));
        *slot = partition;
        int rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (sql_at_kw(p, SQL_KW_PARTITION));
    a->partitions = sql_take_items(p, &partitions, &a->n_partitions);
    return 0;
}

/* ADD and MODIFY: one element, several in parentheses, a distribution. */
static int parse_changes(struct sql_parser *p, enum sql_alter_kind kind, struct sql_alter *a)
{
    a->kind = kind;
    int rc = sql_accept_kw(p, SQL_KW_DISTRIBUTION);
    TRY(rc);
    if (rc > 0) {
        return sql_parse_distribution(p, &a->distribution);
    }
    if (sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
        return sql_parse_elements(p, &a->elements);
    }
    CLEANUP(vec_fini) struct vec columns = VEC_INIT(struct sql_column);
    CLEANUP(vec_fini) struct vec constraints = VEC_INIT(struct sql_constraint);
    CLEANUP(vec_fini) struct vec watermarks = VEC_INIT(struct sql_watermark);
    TRY(sql_parse_element(p, &columns, &constraints, &watermarks));
    sql_take_elements(p, &columns, &constraints, &watermarks, &a->elements);
    return 0;
}

static int parse_add(struct sql_parser *p, struct sql_alter *a)
{
    if (!sql_at_kws(p, SQL_KW_IF, SQL_KW_NOT) && !sql_at_kw(p, SQL_KW_PARTITION)) {
        return parse_changes(p, SQL_ALTER_ADD, a);
    }
    a->kind = SQL_ALTER_ADD_PARTITIONS;
    TRY(sql_parse_if(p, true, &a->if_exists));
    return parse_partitions(p, true, a);
}

static int parse_drop_columns(struct sql_parser *p, struct sql_alter *a)
{
    CLEANUP(vec_fini) struct vec columns = VEC_INIT(struct sql_path);
    int rc = sql_accept(p, SQL_TOKEN_LEFT_PAREN);
    TRY(rc);
    bool in_parens = rc > 0;
    a->kind = SQL_ALTER_DROP_COLUMNS;
    do {
        struct sql_path *column = NULL;
        TRY(sql_push(p, &columns, &column));
        TRY(sql_parse_path(p, 16, column));
        rc = in_parens ? sql_accept(p, SQL_TOKEN_COMMA) : 0;
        TRY(rc);
    } while (rc > 0);
    a->columns = sql_take_items(p, &columns, &a->n_columns);
    return in_parens ? sql_expect(p, SQL_TOKEN_RIGHT_PAREN) : 0;
}

static int parse_drop(struct sql_parser *p, struct sql_alter *a)
{
    if (sql_at_kws(p, SQL_KW_IF, SQL_KW_EXISTS) || sql_at_kw(p, SQL_KW_PARTITION)) {
        a->kind = SQL_ALTER_DROP_PARTITIONS;
        TRY(sql_parse_if(p, false, &a->if_exists));
        return parse_partitions(p, false, a);
    }
    int rc = sql_accept_kws(p, SQL_KW_PRIMARY, SQL_KW_KEY);
    TRY(rc);
    if (rc > 0) {
        a->kind = SQL_ALTER_DROP_PRIMARY_KEY;
        return 0;
    }
    rc = sql_accept_kw(p, SQL_KW_CONSTRAINT);
    TRY(rc);
    if (rc > 0) {
        a->kind = SQL_ALTER_DROP_CONSTRAINT;
        return sql_parse_path(p, 1, &a->new_name);
    }
    rc = sql_accept_kw(p, SQL_KW_WATERMARK);
    TRY(rc);
    if (rc > 0) {
        a->kind = SQL_ALTER_DROP_WATERMARK;
        return 0;
    }
    rc = sql_accept_kw(p, SQL_KW_DISTRIBUTION);
    TRY(rc);
    if (rc > 0) {
        a->kind = SQL_ALTER_DROP_DISTRIBUTION;
        return 0;
    }
    return parse_drop_columns(p, a);
}

static int parse_table(struct sql_parser *p, struct sql_alter *a)
{
    static const struct {
        enum sql_keyword word;
        int (*parse)(struct sql_parser *p, struct sql_alter *a);
    } rows[] = {
        {SQL_KW_RENAME, parse_rename}, {SQL_KW_ADD, parse_add},     {SQL_KW_DROP, parse_drop},
        {SQL_KW_SET, parse_set},       {SQL_KW_RESET, parse_reset},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = sql_accept_kw(p, rows[i].word);
        TRY(rc);
        if (rc > 0) {
            return rows[i].parse(p, a);
        }
    }
    TRY(sql_expect_kw(p, SQL_KW_MODIFY));
    return parse_changes(p, SQL_ALTER_MODIFY, a);
}

/* ---- materialized tables -------------------------------------------------------------------------------- */

static int parse_materialized_set(struct sql_parser *p, struct sql_alter *a)
{
    int rc = sql_accept_kw(p, SQL_KW_FRESHNESS);
    TRY(rc);
    if (rc > 0) {
        a->kind = SQL_ALTER_SET_FRESHNESS;
        TRY(sql_expect(p, SQL_TOKEN_EQUAL));
        return sql_parse_primary(p, &a->refresh.freshness);
    }
    rc = sql_accept_kw(p, SQL_KW_REFRESH_MODE);
    TRY(rc);
    if (rc > 0) {
        a->kind = SQL_ALTER_SET_REFRESH_MODE;
        return sql_parse_refresh_mode(p, &a->refresh.mode);
    }
    return parse_set(p, a);
}

static int parse_suspend(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_SUSPEND;
    return 0;
}

static int parse_resume(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_RESUME;
    return sql_parse_with(p, &a->properties);
}

static int parse_refresh(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_REFRESH;
    return sql_at_kw(p, SQL_KW_PARTITION) ? parse_partitions(p, false, a) : 0;
}

static int parse_new_query(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_QUERY;
    return sql_parse_as_query(p, &a->query, &a->query_text);
}

static int parse_materialized_table(struct sql_parser *p, struct sql_alter *a)
{
    static const struct {
        enum sql_keyword word;
        int (*parse)(struct sql_parser *p, struct sql_alter *a);
    } rows[] = {
        {SQL_KW_SUSPEND, parse_suspend},
        {SQL_KW_RESUME, parse_resume},
        {SQL_KW_REFRESH, parse_refresh},
        {SQL_KW_SET, parse_materialized_set},
    };
    if (sql_at_kw(p, SQL_KW_AS)) {
        return parse_new_query(p, a);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = sql_accept_kw(p, rows[i].word);
        TRY(rc);
        if (rc > 0) {
            return rows[i].parse(p, a);
        }
    }
    return parse_table(p, a);
}

/* ---- the others ------------------------------------------------------------------------------------------- */

static int parse_view(struct sql_parser *p, struct sql_alter *a)
{
    int rc = sql_accept_kw(p, SQL_KW_RENAME);
    TRY(rc);
    if (rc == 0) {
        return parse_new_query(p, a);
    }
    a->kind = SQL_ALTER_RENAME;
    TRY(sql_expect_kw(p, SQL_KW_TO));
    return sql_parse_path(p, 3, &a->new_name);
}

/* RENAME TO (models, connections), SET, RESET, COMMENT (catalogs). */
static int parse_plain(struct sql_parser *p, struct sql_alter *a)
{
    int rc = sql_accept_kw(p, SQL_KW_SET);
    TRY(rc);
    if (rc > 0) {
        return parse_set(p, a);
    }
    if (a->object == SQL_OBJECT_DATABASE) {
        return sql_fail(p);
    }
    rc = sql_accept_kw(p, SQL_KW_RESET);
    TRY(rc);
    if (rc > 0) {
        return parse_reset(p, a);
    }
    if (a->object == SQL_OBJECT_CATALOG) {
        a->kind = SQL_ALTER_COMMENT;
        TRY(sql_expect_kw(p, SQL_KW_COMMENT));
        return sql_parse_string(p, &a->text);
    }
    a->kind = SQL_ALTER_RENAME;
    TRY(sql_expect_kws(p, SQL_KW_RENAME, SQL_KW_TO, SQL_KEYWORD_NONE));
    return sql_parse_path(p, 3, &a->new_name);
}

static int parse_function(struct sql_parser *p, struct sql_alter *a)
{
    a->kind = SQL_ALTER_FUNCTION;
    TRY(sql_expect_kw(p, SQL_KW_AS));
    TRY(sql_parse_string(p, &a->text));
    return sql_parse_language(p, &a->language);
}

int sql_parse_alter(struct sql_parser *p, struct sql_statement *s)
{
    static const struct {
        enum sql_keyword word, second;
        enum sql_object object;
        uint8_t name_parts;
        bool may_be_missing; /* IF EXISTS */
        int (*parse)(struct sql_parser *p, struct sql_alter *a);
    } rows[] = {
        {SQL_KW_TABLE, SQL_KEYWORD_NONE, SQL_OBJECT_TABLE, 3, true, parse_table},
        {SQL_KW_VIEW, SQL_KEYWORD_NONE, SQL_OBJECT_VIEW, 3, false, parse_view},
        {SQL_KW_CATALOG, SQL_KEYWORD_NONE, SQL_OBJECT_CATALOG, 1, false, parse_plain},
        {SQL_KW_DATABASE, SQL_KEYWORD_NONE, SQL_OBJECT_DATABASE, 2, false, parse_plain},
        {SQL_KW_FUNCTION, SQL_KEYWORD_NONE, SQL_OBJECT_FUNCTION, 3, true, parse_function},
        {SQL_KW_MODEL, SQL_KEYWORD_NONE, SQL_OBJECT_MODEL, 3, true, parse_plain},
        {SQL_KW_CONNECTION, SQL_KEYWORD_NONE, SQL_OBJECT_CONNECTION, 3, true, parse_plain},
        {SQL_KW_MATERIALIZED, SQL_KW_TABLE, SQL_OBJECT_MATERIALIZED_TABLE, 3, false,
         parse_materialized_table},
    };
    struct sql_alter *a = arena_zalloc(p->arena, sizeof(*a));
    s->kind = SQL_STATEMENT_ALTER;
    s->alter = a;
    TRY(sql_next(p));
    TRY(sql_flag_kw(p, SQL_KW_TEMPORARY, &a->is_temporary));
    if (a->is_temporary) {
        TRY(sql_flag_kw(p, SQL_KW_SYSTEM, &a->is_system));
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (a->is_temporary && rows[i].object != SQL_OBJECT_FUNCTION) {
            continue;
        }
        int rc = sql_accept_kw(p, rows[i].word);
        TRY(rc);
        if (rc > 0) {
            a->object = rows[i].object;
            TRY(rows[i].second != SQL_KEYWORD_NONE ? sql_expect_kw(p, rows[i].second) : 0);
            TRY(rows[i].may_be_missing ? sql_parse_if(p, false, &a->object_if_exists) : 0);
            TRY(sql_parse_path(p, rows[i].name_parts, &a->name));
            return rows[i].parse(p, a);
        }
    }
    return sql_fail(p);
}
