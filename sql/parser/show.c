/* SHOW, DESCRIBE and USE.  Thread: any. */
#include "sql/parser/inside.h"

/* [NOT] LIKE | ILIKE 'pattern' */
static int parse_pattern(struct sql_parser *p, bool may_be_ilike, struct sql_show *show)
{
    bool is_pattern = sql_at_kw(p, SQL_KW_LIKE) || (may_be_ilike && sql_at_kw(p, SQL_KW_ILIKE)) ||
                      (sql_at_kw(p, SQL_KW_NOT) &&
                       (sql_ahead_kw(p, 1, SQL_KW_LIKE) || sql_ahead_kw(p, 1, SQL_KW_ILIKE)));
    if (!is_pattern) {
        return 0;
    }
    TRY(sql_flag_kw(p, SQL_KW_NOT, &show->is_negated));
    int rc = may_be_ilike ? sql_accept_kw(p, SQL_KW_ILIKE) : 0;
    TRY(rc);
    show->pattern_kind = rc > 0 ? SQL_PATTERN_ILIKE : SQL_PATTERN_LIKE;
    TRY(rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_LIKE));
    return sql_parse_string(p, &show->pattern);
}

/* FROM | IN path */
static int parse_in(struct sql_parser *p, uint32_t parts, struct sql_show *show)
{
    int rc = sql_accept_kw(p, SQL_KW_FROM);
    TRY(rc);
    if (rc == 0) {
        rc = sql_accept_kw(p, SQL_KW_IN);
        if (rc <= 0) {
            return rc;
        }
    }
    show->has_in = true;
    return sql_parse_path(p, parts, &show->in);
}

/* SHOW words: which list, in what it may look, and whether its pattern may be ILIKE. */
static const struct list {
    enum sql_keyword word;
    enum sql_object object;
    uint8_t in_parts; /* 0: everywhere */
    bool has_pattern, may_be_ilike;
} lists[] = {
    {SQL_KW_CATALOGS, SQL_OBJECT_CATALOG, 0, true, true},
    {SQL_KW_DATABASES, SQL_OBJECT_DATABASE, 1, true, true},
    {SQL_KW_TABLES, SQL_OBJECT_TABLE, 2, true, false},
    {SQL_KW_VIEWS, SQL_OBJECT_VIEW, 2, true, false},
    {SQL_KW_COLUMNS, SQL_OBJECT_COLUMN, 3, true, false},
    {SQL_KW_FUNCTIONS, SQL_OBJECT_FUNCTION, 2, true, true},
    {SQL_KW_PROCEDURES, SQL_OBJECT_PROCEDURE, 2, true, true},
    {SQL_KW_MODELS, SQL_OBJECT_MODEL, 2, true, false},
    {SQL_KW_CONNECTIONS, SQL_OBJECT_CONNECTION, 2, true, false},
    {SQL_KW_MODULES, SQL_OBJECT_MODULE, 0, false, false},
    {SQL_KW_JARS, SQL_OBJECT_JAR, 0, false, false},
    {SQL_KW_JOBS, SQL_OBJECT_JOB, 0, false, false},
};

/* SHOW CURRENT CATALOG | DATABASE */
static int parse_current(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_SHOW_CURRENT;
    int rc = sql_accept_kw(p, SQL_KW_CATALOG);
    TRY(rc);
    s->object = rc > 0 ? SQL_OBJECT_CATALOG : SQL_OBJECT_DATABASE;
    return rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_DATABASE);
}

/* SHOW CREATE object name */
static int parse_show_create(struct sql_parser *p, struct sql_statement *s)
{
    static const struct {
        enum sql_keyword word;
        enum sql_object object;
    } rows[] = {
        {SQL_KW_TABLE, SQL_OBJECT_TABLE},
        {SQL_KW_VIEW, SQL_OBJECT_VIEW},
        {SQL_KW_CATALOG, SQL_OBJECT_CATALOG},
        {SQL_KW_MODEL, SQL_OBJECT_MODEL},
        {SQL_KW_CONNECTION, SQL_OBJECT_CONNECTION},
        {SQL_KW_MATERIALIZED, SQL_OBJECT_MATERIALIZED_TABLE},
    };
    s->kind = SQL_STATEMENT_SHOW_CREATE;
    int rc = sql_accept_kws(p, SQL_KW_OR, SQL_KW_ALTER);
    TRY(rc);
    size_t first = rc > 0 ? ARRAY_LEN(rows) - 1 : 0; /* OR ALTER goes with materialized tables */
    for (size_t i = first; i < ARRAY_LEN(rows); i++) {
        rc = sql_accept_kw(p, rows[i].word);
        TRY(rc);
        if (rc > 0) {
            s->object = rows[i].object;
            TRY(s->object == SQL_OBJECT_MATERIALIZED_TABLE ? sql_expect_kw(p, SQL_KW_TABLE) : 0);
            return sql_parse_path(p, s->object == SQL_OBJECT_CATALOG ? 1 : 3, &s->name);
        }
    }
    return sql_fail(p);
}

/* SHOW PARTITIONS name [PARTITION (...)] */
static int parse_partitions(struct sql_parser *p, struct sql_show *show)
{
    show->object = SQL_OBJECT_PARTITION;
    TRY(sql_parse_path(p, 3, &show->in));
    int rc = sql_accept_kw(p, SQL_KW_PARTITION);
    return rc > 0 ? sql_parse_partition(p, &show->partition) : rc;
}

static int parse_list(struct sql_parser *p, const struct list *list, struct sql_show *show)
{
    show->object = list->object;
    if (list->in_parts > 0) {
        TRY(parse_in(p, list->in_parts, show));
    }
    if (list->object == SQL_OBJECT_COLUMN && !show->has_in) {
        return sql_fail(p);
    }
    return list->has_pattern ? parse_pattern(p, list->may_be_ilike, show) : 0;
}

int sql_parse_show(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_show *show = arena_zalloc(p->arena, sizeof(*show));
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_CURRENT);
    TRY(rc);
    if (rc > 0) {
        return parse_current(p, s);
    }
    rc = sql_accept_kw(p, SQL_KW_CREATE);
    TRY(rc);
    if (rc > 0) {
        return parse_show_create(p, s);
    }
    s->kind = SQL_STATEMENT_SHOW;
    s->show = show;
    rc = sql_accept_kw(p, SQL_KW_PARTITIONS);
    TRY(rc);
    if (rc > 0) {
        return parse_partitions(p, show);
    }
    rc = sql_accept_kws(p, SQL_KW_MATERIALIZED, SQL_KW_TABLES);
    TRY(rc);
    if (rc > 0) {
        static const struct list materialized = {SQL_KEYWORD_NONE, SQL_OBJECT_MATERIALIZED_TABLE, 2,
                                                 true, false};
        return parse_list(p, &materialized, show);
    }
    TRY(sql_flag_kw(p, SQL_KW_USER, &show->is_user));
    if (!show->is_user) {
        TRY(sql_flag_kw(p, SQL_KW_FULL, &show->is_full));
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if ((show->is_user && lists[i].object != SQL_OBJECT_FUNCTION) ||
            (show->is_full && lists[i].object != SQL_OBJECT_MODULE)) {
            continue;
        }
        rc = sql_accept_kw(p, lists[i].word);
        TRY(rc);
        if (rc > 0) {
            return parse_list(p, &lists[i], show);
        }
    }
    return sql_fail(p);
}

/* ---- DESCRIBE, USE -------------------------------------------------------------------------------------- */

int sql_parse_describe(struct sql_parser *p, struct sql_statement *s)
{
    static const struct {
        enum sql_keyword word;
        enum sql_object object;
        uint8_t parts;
    } rows[] = {
        {SQL_KW_CATALOG, SQL_OBJECT_CATALOG, 1},       {SQL_KW_DATABASE, SQL_OBJECT_DATABASE, 2},
        {SQL_KW_FUNCTION, SQL_OBJECT_FUNCTION, 3},     {SQL_KW_MODEL, SQL_OBJECT_MODEL, 3},
        {SQL_KW_CONNECTION, SQL_OBJECT_CONNECTION, 3},
    };
    s->kind = SQL_STATEMENT_DESCRIBE;
    TRY(sql_next(p));
    if (sql_at_kw(p, SQL_KW_JOB) && sql_ahead_is(p, 1, SQL_TOKEN_STRING)) {
        s->object = SQL_OBJECT_JOB;
        TRY(sql_next(p));
        return sql_parse_string(p, &s->text);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        /* They are no reserved words: a table may be called so. */
        struct sql_token next = sql_ahead(p, 1);
        bool is_it =
            sql_at_kw(p, rows[i].word) && (sql_is_name(next) || next.keyword == SQL_KW_EXTENDED);
        if (is_it) {
            s->object = rows[i].object;
            TRY(sql_next(p));
            TRY(sql_flag_kw(p, SQL_KW_EXTENDED, &s->is_extended));
            return sql_parse_path(p, rows[i].parts, &s->name);
        }
    }
    s->object = SQL_OBJECT_TABLE;
    TRY(sql_flag_kw(p, SQL_KW_EXTENDED, &s->is_extended));
    return sql_parse_path(p, 3, &s->name);
}

int sql_parse_use(struct sql_parser *p, struct sql_statement *s)
{
    s->kind = SQL_STATEMENT_USE;
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_MODULES);
    TRY(rc);
    if (rc > 0) {
        s->object = SQL_OBJECT_MODULE;
        return sql_parse_names(p, &s->names);
    }
    s->object = SQL_OBJECT_DATABASE;
    if (sql_at_kw(p, SQL_KW_CATALOG) && sql_is_name(sql_ahead(p, 1))) {
        s->object = SQL_OBJECT_CATALOG;
        TRY(sql_next(p));
    }
    return sql_parse_path(p, s->object == SQL_OBJECT_CATALOG ? 1 : 2, &s->name);
}
