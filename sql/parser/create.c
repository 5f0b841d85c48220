/* CREATE of tables, views, catalogs, databases, functions, models, connections and materialized tables; DROP.
 * Thread: any. */
#include "sql/parser/inside.h"
#include <strings.h>

static const char *const object_names[] = {
    [SQL_OBJECT_NONE] = "",
    [SQL_OBJECT_TABLE] = "TABLE",
    [SQL_OBJECT_VIEW] = "VIEW",
    [SQL_OBJECT_MATERIALIZED_TABLE] = "MATERIALIZED TABLE",
    [SQL_OBJECT_CATALOG] = "CATALOG",
    [SQL_OBJECT_DATABASE] = "DATABASE",
    [SQL_OBJECT_FUNCTION] = "FUNCTION",
    [SQL_OBJECT_PROCEDURE] = "PROCEDURE",
    [SQL_OBJECT_MODEL] = "MODEL",
    [SQL_OBJECT_CONNECTION] = "CONNECTION",
    [SQL_OBJECT_MODULE] = "MODULE",
    [SQL_OBJECT_COLUMN] = "COLUMN",
    [SQL_OBJECT_PARTITION] = "PARTITION",
    [SQL_OBJECT_JAR] = "JAR",
    [SQL_OBJECT_JOB] = "JOB",
};
_Static_assert(ARRAY_LEN(object_names) == SQL_OBJECT_COUNT, "a name for each object");

const char *sql_object_name(enum sql_object object)
{
    return object_names[object];
}

int sql_parse_if(struct sql_parser *p, bool negated, bool *ret)
{
    *ret = false;
    if (!(negated ? sql_at_kws(p, SQL_KW_IF, SQL_KW_NOT)
                  : sql_at_kws(p, SQL_KW_IF, SQL_KW_EXISTS))) {
        return 0;
    }
    *ret = true;
    TRY(sql_next(p));
    return negated ? sql_expect_kws(p, SQL_KW_NOT, SQL_KW_EXISTS, SQL_KEYWORD_NONE)
                   : sql_expect_kw(p, SQL_KW_EXISTS);
}

int sql_parse_as_query(struct sql_parser *p, struct sql_query **ret, struct sql_span *ret_text)
{
    TRY(sql_expect_kw(p, SQL_KW_AS));
    TRY(sql_parse_query(p, ret));
    *ret_text = (*ret)->span;
    return 0;
}

/* [AS query] */
static int parse_optional_query(struct sql_parser *p, struct sql_create *c)
{
    return sql_at_kw(p, SQL_KW_AS) ? sql_parse_as_query(p, &c->query, &c->query_text) : 0;
}

static int parse_name_of(struct sql_parser *p, uint32_t most, struct sql_create *c)
{
    TRY(sql_parse_if(p, true, &c->if_not_exists));
    return sql_parse_path(p, most, &c->name);
}

/* ---- tables ------------------------------------------------------------------------------------------- */

static int parse_like_option(struct sql_parser *p, struct vec *options)
{
    static const enum sql_keyword rules[] = {SQL_KW_INCLUDING, SQL_KW_EXCLUDING,
                                             SQL_KW_OVERWRITING};
    static const enum sql_keyword features[] = {
        [SQL_LIKE_ALL] = SQL_KW_ALL,
        [SQL_LIKE_CONSTRAINTS] = SQL_KW_CONSTRAINTS,
        [SQL_LIKE_DISTRIBUTION] = SQL_KW_DISTRIBUTION,
        [SQL_LIKE_GENERATED] = SQL_KW_GENERATED,
        [SQL_LIKE_METADATA] = SQL_KW_METADATA,
        [SQL_LIKE_OPTIONS] = SQL_KW_OPTIONS,
        [SQL_LIKE_PARTITIONS] = SQL_KW_PARTITIONS,
        [SQL_LIKE_WATERMARKS] = SQL_KW_WATERMARKS,
    };
    struct sql_like_option *option = NULL;
    uint32_t start = sql_start(p);
    int found = 0;
    TRY(sql_push(p, options, &option));
    for (size_t i = 0; i < ARRAY_LEN(rules) && found == 0; i++) {
        found = sql_accept_kw(p, rules[i]);
        TRY(found);
        option->rule = (enum sql_like_rule)i;
    }
    TRY(found > 0 ? 0 : sql_fail(p));
    found = 0;
    for (size_t i = 0; i < ARRAY_LEN(features) && found == 0; i++) {
        found = sql_accept_kw(p, features[i]);
        TRY(found);
        option->feature = (enum sql_like_feature)i;
    }
    option->span = sql_span_from(p, start);
    return found > 0 ? 0 : sql_fail(p);
}

/* LIKE name [(option ...)] */
static int parse_like(struct sql_parser *p, struct sql_create *c)
{
    int rc = sql_accept_kw(p, SQL_KW_LIKE);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_parse_path(p, 3, &c->like));
    rc = sql_accept(p, SQL_TOKEN_LEFT_PAREN);
    if (rc <= 0) {
        return rc;
    }
    CLEANUP(vec_fini) struct vec options = VEC_INIT(struct sql_like_option);
    while (!sql_at(p, SQL_TOKEN_RIGHT_PAREN)) {
        TRY(parse_like_option(p, &options));
    }
    c->like_options = sql_take_items(p, &options, &c->n_like_options);
    return sql_next(p);
}

static int parse_partitioned(struct sql_parser *p, struct sql_create *c)
{
    int rc = sql_accept_kws(p, SQL_KW_PARTITIONED, SQL_KW_BY);
    return rc > 0 ? sql_parse_paren_names(p, &c->partitioned) : rc;
}

static int parse_distributed(struct sql_parser *p, struct sql_create *c)
{
    int rc = sql_accept_kw(p, SQL_KW_DISTRIBUTED);
    return rc > 0 ? sql_parse_distribution(p, &c->distribution) : rc;
}

/* [(elements)] [COMMENT] [DISTRIBUTED] [PARTITIONED] [WITH], of tables and materialized ones. */
static int parse_table_head(struct sql_parser *p, struct sql_create *c)
{
    c->has_elements = sql_at(p, SQL_TOKEN_LEFT_PAREN);
    if (c->has_elements) {
        TRY(sql_parse_elements(p, &c->elements));
    }
    TRY(sql_parse_comment(p, &c->comment));
    TRY(parse_distributed(p, c));
    TRY(parse_partitioned(p, c));
    return sql_parse_with(p, &c->properties);
}

static int parse_table(struct sql_parser *p, struct sql_create *c)
{
    TRY(parse_name_of(p, 3, c));
    TRY(parse_table_head(p, c));
    if (c->is_replace) {
        return sql_parse_as_query(p, &c->query, &c->query_text);
    }
    TRY(parse_like(p, c));
    return c->like.n == 0 ? parse_optional_query(p, c) : 0;
}

static int parse_view(struct sql_parser *p, struct sql_create *c)
{
    TRY(parse_name_of(p, 3, c));
    if (sql_at(p, SQL_TOKEN_LEFT_PAREN)) {
        TRY(sql_parse_paren_names(p, &c->columns));
    }
    TRY(sql_parse_comment(p, &c->comment));
    return sql_parse_as_query(p, &c->query, &c->query_text);
}

/* ---- materialized tables -------------------------------------------------------------------------------- */

int sql_parse_refresh_mode(struct sql_parser *p, enum sql_refresh_mode *ret)
{
    TRY(sql_expect(p, SQL_TOKEN_EQUAL));
    int rc = sql_accept_kw(p, SQL_KW_FULL);
    TRY(rc);
    *ret = rc > 0 ? SQL_REFRESH_FULL : SQL_REFRESH_CONTINUOUS;
    return rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_CONTINUOUS);
}

static int parse_start_mode(struct sql_parser *p, struct sql_refresh *r)
{
    static const struct {
        enum sql_keyword word;
        enum sql_start_kind kind;
        bool may_have_value, must_have_value;
    } rows[] = {
        {SQL_KW_FROM_BEGINNING, SQL_START_FROM_BEGINNING, false, false},
        {SQL_KW_FROM_NOW, SQL_START_FROM_NOW, true, false},
        {SQL_KW_FROM_TIMESTAMP, SQL_START_FROM_TIMESTAMP, true, true},
        {SQL_KW_RESUME_OR_FROM_BEGINNING, SQL_START_RESUME_OR_FROM_BEGINNING, false, false},
        {SQL_KW_RESUME_OR_FROM_NOW, SQL_START_RESUME_OR_FROM_NOW, true, false},
        {SQL_KW_RESUME_OR_FROM_TIMESTAMP, SQL_START_RESUME_OR_FROM_TIMESTAMP, true, true},
    };
    TRY(sql_expect(p, SQL_TOKEN_EQUAL));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = sql_accept_kw(p, rows[i].word);
        TRY(rc);
        if (rc > 0) {
            r->start = rows[i].kind;
            rc = !rows[i].may_have_value ? 0 : sql_accept(p, SQL_TOKEN_LEFT_PAREN);
            TRY(rc);
            if (rc > 0) {
                TRY(sql_parse_expr(p, &r->start_at));
                return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
            }
            return rows[i].must_have_value ? sql_fail(p) : 0;
        }
    }
    return sql_fail(p);
}

static int parse_materialized_table(struct sql_parser *p, struct sql_create *c)
{
    TRY(sql_parse_path(p, 3, &c->name));
    TRY(parse_table_head(p, c));
    int rc = sql_accept_kw(p, SQL_KW_START_MODE);
    TRY(rc);
    TRY(rc > 0 ? parse_start_mode(p, &c->refresh) : 0);
    rc = sql_accept_kw(p, SQL_KW_FRESHNESS);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_expect(p, SQL_TOKEN_EQUAL));
        TRY(sql_parse_primary(p, &c->refresh.freshness));
    }
    rc = sql_accept_kw(p, SQL_KW_REFRESH_MODE);
    TRY(rc);
    TRY(rc > 0 ? sql_parse_refresh_mode(p, &c->refresh.mode) : 0);
    return sql_parse_as_query(p, &c->query, &c->query_text);
}

/* ---- the others ------------------------------------------------------------------------------------------- */

int sql_parse_language(struct sql_parser *p, enum sql_language *ret)
{
    static const struct {
        const char *word;
        enum sql_language language;
    } rows[] = {
        {"JAVA", SQL_LANGUAGE_JAVA}, {"SCALA", SQL_LANGUAGE_SCALA}, {"PYTHON", SQL_LANGUAGE_PYTHON},
        {"SQL", SQL_LANGUAGE_SQL},   {"C", SQL_LANGUAGE_C},
    };
    int rc = sql_accept_kw(p, SQL_KW_LANGUAGE);
    if (rc <= 0) {
        return rc;
    }
    struct sql_name name;
    TRY(sql_take_name(p, &name));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (name.text.len == strlen(rows[i].word) &&
            strncasecmp(name.text.data, rows[i].word, name.text.len) == 0) {
            *ret = rows[i].language;
            return 0;
        }
    }
    return sql_fail_at(p, name.span, "There is no language \"%.*s\": C, JAVA, PYTHON, SCALA or SQL",
                       (int)name.text.len, name.text.data);
}

/* USING JAR 'a', JAR 'b' */
static int parse_resources(struct sql_parser *p, struct sql_create *c)
{
    int rc = sql_accept_kw(p, SQL_KW_USING);
    if (rc <= 0) {
        return rc;
    }
    CLEANUP(vec_fini) struct vec resources = VEC_INIT(struct slice);
    do {
        struct slice *path = NULL;
        TRY(sql_push(p, &resources, &path));
        rc = sql_accept_kw(p, SQL_KW_JAR);
        TRY(rc);
        TRY(rc > 0 ? 0 : sql_expect_kw(p, SQL_KW_ARTIFACT));
        TRY(sql_parse_string(p, path));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    c->resources = sql_take_items(p, &resources, &c->n_resources);
    return 0;
}

static int parse_function(struct sql_parser *p, struct sql_create *c)
{
    TRY(parse_name_of(p, 3, c));
    TRY(sql_expect_kw(p, SQL_KW_AS));
    TRY(sql_parse_string(p, &c->function_class));
    TRY(sql_parse_language(p, &c->language));
    TRY(parse_resources(p, c));
    return sql_parse_with(p, &c->properties);
}

static int parse_catalog(struct sql_parser *p, struct sql_create *c)
{
    TRY(parse_name_of(p, c->object == SQL_OBJECT_CATALOG ? 1 : 2, c));
    TRY(sql_parse_comment(p, &c->comment));
    return sql_parse_with(p, &c->properties);
}

static int parse_connection(struct sql_parser *p, struct sql_create *c)
{
    TRY(parse_name_of(p, 3, c));
    TRY(sql_parse_comment(p, &c->comment));
    TRY(sql_expect_kw(p, SQL_KW_WITH));
    return sql_parse_properties(p, &c->properties);
}

static int parse_model(struct sql_parser *p, struct sql_create *c)
{
    TRY(parse_name_of(p, 3, c));
    int rc = sql_accept_kw(p, SQL_KW_INPUT);
    TRY(rc);
    TRY(rc > 0 ? sql_parse_elements(p, &c->elements) : 0);
    rc = sql_accept_kw(p, SQL_KW_OUTPUT);
    TRY(rc);
    TRY(rc > 0 ? sql_parse_elements(p, &c->output) : 0);
    TRY(sql_parse_comment(p, &c->comment));
    TRY(sql_parse_with(p, &c->properties));
    return parse_optional_query(p, c);
}

/* ---- verbs -------------------------------------------------------------------------------------------------- */

/* [TEMPORARY [SYSTEM]] */
static int parse_temporary(struct sql_parser *p, bool *ret_temporary, bool *ret_system)
{
    TRY(sql_flag_kw(p, SQL_KW_TEMPORARY, ret_temporary));
    return sql_flag_kw(p, SQL_KW_SYSTEM, ret_system);
}

/* The kind of object that the current words name, which are stepped over; SQL_OBJECT_NONE: none that can be made. */
static int parse_object(struct sql_parser *p, enum sql_object *ret)
{
    static const struct {
        enum sql_keyword word;
        enum sql_object object;
    } rows[] = {
        {SQL_KW_TABLE, SQL_OBJECT_TABLE},           {SQL_KW_VIEW, SQL_OBJECT_VIEW},
        {SQL_KW_CATALOG, SQL_OBJECT_CATALOG},       {SQL_KW_DATABASE, SQL_OBJECT_DATABASE},
        {SQL_KW_FUNCTION, SQL_OBJECT_FUNCTION},     {SQL_KW_MODEL, SQL_OBJECT_MODEL},
        {SQL_KW_CONNECTION, SQL_OBJECT_CONNECTION},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = sql_accept_kw(p, rows[i].word);
        TRY(rc);
        if (rc > 0) {
            *ret = rows[i].object;
            return 0;
        }
    }
    *ret = SQL_OBJECT_MATERIALIZED_TABLE;
    return sql_expect_kws(p, SQL_KW_MATERIALIZED, SQL_KW_TABLE, SQL_KEYWORD_NONE);
}

/* TEMPORARY and SYSTEM go with some objects only. */
static int check_temporary(struct sql_parser *p, struct sql_span span, enum sql_object object,
                           bool temporary, bool system)
{
    bool may_be_temporary = object == SQL_OBJECT_TABLE || object == SQL_OBJECT_VIEW ||
                            object == SQL_OBJECT_FUNCTION || object == SQL_OBJECT_MODEL ||
                            object == SQL_OBJECT_CONNECTION;
    bool may_be_system = object == SQL_OBJECT_FUNCTION || object == SQL_OBJECT_CONNECTION;
    if (temporary && !may_be_temporary) {
        return sql_fail_at(p, span, "A %s cannot be temporary", sql_object_name(object));
    }
    if (system && !may_be_system) {
        return sql_fail_at(p, span, "SYSTEM goes with functions and connections, not with a %s",
                           sql_object_name(object));
    }
    return 0;
}

static int parse_created(struct sql_parser *p, struct sql_create *c)
{
    switch (c->object) {
    case SQL_OBJECT_TABLE:
        return parse_table(p, c);
    case SQL_OBJECT_VIEW:
        return parse_view(p, c);
    case SQL_OBJECT_FUNCTION:
        return parse_function(p, c);
    case SQL_OBJECT_MODEL:
        return parse_model(p, c);
    case SQL_OBJECT_CONNECTION:
        return parse_connection(p, c);
    case SQL_OBJECT_MATERIALIZED_TABLE:
        return parse_materialized_table(p, c);
    default:
        return parse_catalog(p, c);
    }
}

int sql_parse_create(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_create *c = arena_zalloc(p->arena, sizeof(*c));
    bool has_or = false;
    s->kind = SQL_STATEMENT_CREATE;
    s->create = c;
    int rc = sql_accept_kw(p, SQL_KW_CREATE);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_flag_kw(p, SQL_KW_OR, &has_or));
    }
    if (has_or && sql_at_kw(p, SQL_KW_ALTER)) {
        c->is_or_alter = true;
        TRY(sql_next(p));
    } else if (has_or || rc == 0) {
        c->is_replace = true;
        TRY(sql_expect_kw(p, SQL_KW_REPLACE));
    }
    struct sql_span span = p->tokens[0].span;
    TRY(parse_temporary(p, &c->is_temporary, &c->is_system));
    if (c->is_system && !c->is_temporary) {
        return sql_fail_at(p, span, "SYSTEM goes with TEMPORARY");
    }
    struct sql_span object_span = p->tokens[0].span;
    TRY(parse_object(p, &c->object));
    TRY(check_temporary(p, span, c->object, c->is_temporary, c->is_system));
    if (c->is_replace && c->object != SQL_OBJECT_TABLE) {
        return sql_fail_at(p, object_span, "REPLACE goes with tables, not with a %s",
                           sql_object_name(c->object));
    }
    if (c->is_or_alter && c->object != SQL_OBJECT_MATERIALIZED_TABLE) {
        return sql_fail_at(p, object_span,
                           "CREATE OR ALTER goes with materialized tables, not with a %s",
                           sql_object_name(c->object));
    }
    return parse_created(p, c);
}

int sql_parse_drop(struct sql_parser *p, struct sql_statement *s)
{
    struct sql_drop *d = arena_zalloc(p->arena, sizeof(*d));
    s->kind = SQL_STATEMENT_DROP;
    s->drop = d;
    TRY(sql_next(p));
    struct sql_span span = p->tokens[0].span;
    TRY(parse_temporary(p, &d->is_temporary, &d->is_system));
    TRY(parse_object(p, &d->object));
    TRY(check_temporary(p, span, d->object, d->is_temporary, d->is_system));
    TRY(sql_parse_if(p, false, &d->if_exists));
    TRY(sql_parse_path(p,
                       d->object == SQL_OBJECT_CATALOG    ? 1
                       : d->object == SQL_OBJECT_DATABASE ? 2
                                                          : 3,
                       &d->name));
    if (d->object == SQL_OBJECT_DATABASE) {
        TRY(sql_flag_kw(p, SQL_KW_CASCADE, &d->is_cascade));
        int rc = d->is_cascade ? 0 : sql_accept_kw(p, SQL_KW_RESTRICT);
        TRY(rc);
    }
    return 0;
}
