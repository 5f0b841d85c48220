/* The JSON functions of the standard, whose arguments have clauses: what a value becomes without one, on errors, between
 * wrappers.  Clauses become SYMBOL arguments behind the others, in the order in which they were written.  Thread: any. */
#include "sql/parser/inside.h"

static const char *const symbol_names[] = {
    [SQL_SYMBOL_UNIT] = "",
    [SQL_SYMBOL_BOTH] = "BOTH",
    [SQL_SYMBOL_LEADING] = "LEADING",
    [SQL_SYMBOL_TRAILING] = "TRAILING",
    [SQL_SYMBOL_NULL_ON_NULL] = "NULL ON NULL",
    [SQL_SYMBOL_ABSENT_ON_NULL] = "ABSENT ON NULL",
    [SQL_SYMBOL_TRUE_ON_ERROR] = "TRUE ON ERROR",
    [SQL_SYMBOL_FALSE_ON_ERROR] = "FALSE ON ERROR",
    [SQL_SYMBOL_UNKNOWN_ON_ERROR] = "UNKNOWN ON ERROR",
    [SQL_SYMBOL_ERROR_ON_ERROR] = "ERROR ON ERROR",
    [SQL_SYMBOL_NULL_ON_ERROR] = "NULL ON ERROR",
    [SQL_SYMBOL_DEFAULT_ON_ERROR] = "DEFAULT ON ERROR",
    [SQL_SYMBOL_EMPTY_ARRAY_ON_ERROR] = "EMPTY ARRAY ON ERROR",
    [SQL_SYMBOL_EMPTY_OBJECT_ON_ERROR] = "EMPTY OBJECT ON ERROR",
    [SQL_SYMBOL_ERROR_ON_EMPTY] = "ERROR ON EMPTY",
    [SQL_SYMBOL_NULL_ON_EMPTY] = "NULL ON EMPTY",
    [SQL_SYMBOL_DEFAULT_ON_EMPTY] = "DEFAULT ON EMPTY",
    [SQL_SYMBOL_EMPTY_ARRAY_ON_EMPTY] = "EMPTY ARRAY ON EMPTY",
    [SQL_SYMBOL_EMPTY_OBJECT_ON_EMPTY] = "EMPTY OBJECT ON EMPTY",
    [SQL_SYMBOL_WITHOUT_WRAPPER] = "WITHOUT ARRAY WRAPPER",
    [SQL_SYMBOL_WITH_WRAPPER] = "WITH UNCONDITIONAL ARRAY WRAPPER",
    [SQL_SYMBOL_WITH_CONDITIONAL_WRAPPER] = "WITH CONDITIONAL ARRAY WRAPPER",
    [SQL_SYMBOL_RETURNING] = "RETURNING",
};
_Static_assert(ARRAY_LEN(symbol_names) == SQL_SYMBOL_COUNT, "a name for each symbol");

const char *sql_symbol_name(enum sql_symbol symbol)
{
    return symbol_names[symbol];
}

static int add_symbol(struct sql_parser *p, struct vec *args, enum sql_symbol symbol,
                      uint32_t start)
{
    return sql_add_argument(p, args, sql_symbol_expr(p, symbol, start));
}

/* [FORMAT JSON] behind a document. */
static int skip_format(struct sql_parser *p)
{
    int rc = sql_accept_kws(p, SQL_KW_FORMAT, SQL_KW_JSON);
    return MIN(rc, 0);
}

static int add_value(struct sql_parser *p, struct vec *args)
{
    struct sql_expr *e = NULL;
    TRY(sql_parse_expr(p, &e));
    TRY(sql_add_argument(p, args, e));
    return skip_format(p);
}

/* document, path */
static int add_document(struct sql_parser *p, struct vec *args)
{
    TRY(add_value(p, args));
    TRY(sql_expect(p, SQL_TOKEN_COMMA));
    return add_value(p, args);
}

/* What a function answers, of those that it may; both columns are SQL_SYMBOL_COUNT where it may not. */
static const struct answer {
    enum sql_keyword first, second;
    enum sql_symbol on_error, on_empty;
} answers[] = {
    {SQL_KW_TRUE, SQL_KEYWORD_NONE, SQL_SYMBOL_TRUE_ON_ERROR, SQL_SYMBOL_COUNT},
    {SQL_KW_FALSE, SQL_KEYWORD_NONE, SQL_SYMBOL_FALSE_ON_ERROR, SQL_SYMBOL_COUNT},
    {SQL_KW_UNKNOWN, SQL_KEYWORD_NONE, SQL_SYMBOL_UNKNOWN_ON_ERROR, SQL_SYMBOL_COUNT},
    {SQL_KW_ERROR, SQL_KEYWORD_NONE, SQL_SYMBOL_ERROR_ON_ERROR, SQL_SYMBOL_ERROR_ON_EMPTY},
    {SQL_KW_NULL, SQL_KEYWORD_NONE, SQL_SYMBOL_NULL_ON_ERROR, SQL_SYMBOL_NULL_ON_EMPTY},
    {SQL_KW_EMPTY, SQL_KW_ARRAY, SQL_SYMBOL_EMPTY_ARRAY_ON_ERROR, SQL_SYMBOL_EMPTY_ARRAY_ON_EMPTY},
    {SQL_KW_EMPTY, SQL_KW_OBJECT, SQL_SYMBOL_EMPTY_OBJECT_ON_ERROR,
     SQL_SYMBOL_EMPTY_OBJECT_ON_EMPTY},
    {SQL_KW_DEFAULT, SQL_KEYWORD_NONE, SQL_SYMBOL_DEFAULT_ON_ERROR, SQL_SYMBOL_DEFAULT_ON_EMPTY},
};

enum { JSON_EXISTS_ANSWERS = 4 }; /* the first rows are those of JSON_EXISTS, ERROR is of all */

/* ON EMPTY or ON ERROR behind an answer. */
static int add_on(struct sql_parser *p, const struct answer *a, struct sql_expr *value,
                  uint32_t start, struct vec *args)
{
    TRY(sql_expect_kw(p, SQL_KW_ON));
    int rc = a->on_empty != SQL_SYMBOL_COUNT ? sql_accept_kw(p, SQL_KW_EMPTY) : 0;
    TRY(rc);
    if (rc == 0) {
        TRY(sql_expect_kw(p, SQL_KW_ERROR));
    }
    TRY(add_symbol(p, args, rc > 0 ? a->on_empty : a->on_error, start));
    return value != NULL ? sql_add_argument(p, args, value) : 0;
}

/* At most one ON EMPTY and one ON ERROR, in this order; rows [first, last) of `answers`. */
static int add_answers(struct sql_parser *p, size_t first, size_t last, struct vec *args)
{
    for (int n = 0; n < 2; n++) {
        const struct answer *found = NULL;
        uint32_t start = sql_start(p);
        for (size_t i = first; i < last && found == NULL; i++) {
            bool is_it = sql_at_kw(p, answers[i].first) && (answers[i].second == SQL_KEYWORD_NONE ||
                                                            sql_ahead_kw(p, 1, answers[i].second));
            found = is_it ? &answers[i] : NULL;
        }
        if (found == NULL) {
            break;
        }
        struct sql_expr *value = NULL;
        TRY(sql_next(p));
        if (found->second != SQL_KEYWORD_NONE) {
            TRY(sql_next(p));
        }
        if (found->first == SQL_KW_DEFAULT) {
            TRY(sql_parse_expr(p, &value));
        }
        TRY(add_on(p, found, value, start, args));
    }
    return 0;
}

static int parse_exists(struct sql_parser *p, struct vec *args)
{
    TRY(add_document(p, args));
    return add_answers(p, 0, JSON_EXISTS_ANSWERS, args);
}

static int add_returning(struct sql_parser *p, struct vec *args)
{
    uint32_t start = sql_start(p);
    int rc = sql_accept_kw(p, SQL_KW_RETURNING);
    if (rc <= 0) {
        return rc;
    }
    struct sql_type *type = NULL;
    TRY(sql_parse_type_rule(p, &type));
    struct sql_expr *e = sql_symbol_expr(p, SQL_SYMBOL_RETURNING, start);
    e->type = type;
    TRY(sql_add_argument(p, args, e));
    return skip_format(p);
}

static int parse_value(struct sql_parser *p, struct vec *args)
{
    TRY(add_document(p, args));
    TRY(add_returning(p, args));
    return add_answers(p, JSON_EXISTS_ANSWERS - 1, ARRAY_LEN(answers), args);
}

/* WITHOUT [ARRAY] WRAPPER, WITH [CONDITIONAL | UNCONDITIONAL] [ARRAY] WRAPPER */
static int add_wrapper(struct sql_parser *p, struct vec *args)
{
    uint32_t start = sql_start(p);
    enum sql_symbol symbol = SQL_SYMBOL_WITHOUT_WRAPPER;
    int rc = sql_accept_kw(p, SQL_KW_WITHOUT);
    TRY(rc);
    if (rc == 0) {
        rc = sql_accept_kw(p, SQL_KW_WITH);
        if (rc <= 0) {
            return rc;
        }
        symbol = SQL_SYMBOL_WITH_WRAPPER;
        rc = sql_accept_kw(p, SQL_KW_CONDITIONAL);
        TRY(rc);
        if (rc > 0) {
            symbol = SQL_SYMBOL_WITH_CONDITIONAL_WRAPPER;
        } else {
            rc = sql_accept_kw(p, SQL_KW_UNCONDITIONAL);
            TRY(rc);
        }
    }
    rc = sql_accept_kw(p, SQL_KW_ARRAY);
    TRY(rc);
    TRY(sql_expect_kw(p, SQL_KW_WRAPPER));
    return add_symbol(p, args, symbol, start);
}

static int parse_query_call(struct sql_parser *p, struct vec *args)
{
    TRY(add_document(p, args));
    TRY(add_returning(p, args));
    TRY(add_wrapper(p, args));
    return add_answers(p, JSON_EXISTS_ANSWERS - 1, ARRAY_LEN(answers), args);
}

/* [NULL | ABSENT] ON NULL */
static int add_on_null(struct sql_parser *p, struct vec *args)
{
    uint32_t start = sql_start(p);
    bool is_null = sql_at_kws(p, SQL_KW_NULL, SQL_KW_ON);
    if (!is_null && !sql_at_kws(p, SQL_KW_ABSENT, SQL_KW_ON)) {
        return 0;
    }
    TRY(sql_next(p));
    TRY(sql_expect_kws(p, SQL_KW_ON, SQL_KW_NULL, SQL_KEYWORD_NONE));
    return add_symbol(p, args, is_null ? SQL_SYMBOL_NULL_ON_NULL : SQL_SYMBOL_ABSENT_ON_NULL,
                      start);
}

/* [KEY] k VALUE v, k : v */
static int add_entry(struct sql_parser *p, struct vec *args)
{
    struct sql_expr *key = NULL;
    if (p->tokens[0].keyword == SQL_KW_KEY && !sql_ahead_is(p, 1, SQL_TOKEN_DOT) &&
        !sql_ahead_kw(p, 1, SQL_KW_VALUE)) {
        TRY(sql_next(p));
    }
    TRY(sql_parse_expr(p, &key));
    TRY(sql_add_argument(p, args, key));
    int rc = sql_accept(p, SQL_TOKEN_COLON);
    TRY(rc);
    if (rc == 0) {
        TRY(sql_expect_kw(p, SQL_KW_VALUE));
    }
    return add_value(p, args);
}

static int parse_object(struct sql_parser *p, struct vec *args)
{
    if (sql_at(p, SQL_TOKEN_RIGHT_PAREN)) {
        return 0;
    }
    if (sql_at_kws(p, SQL_KW_NULL, SQL_KW_ON) || sql_at_kws(p, SQL_KW_ABSENT, SQL_KW_ON)) {
        return add_on_null(p, args);
    }
    int rc;
    do {
        TRY(add_entry(p, args));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    return add_on_null(p, args);
}

static int parse_array(struct sql_parser *p, struct vec *args)
{
    int rc = !sql_at(p, SQL_TOKEN_RIGHT_PAREN) && !sql_at_kws(p, SQL_KW_NULL, SQL_KW_ON) &&
             !sql_at_kws(p, SQL_KW_ABSENT, SQL_KW_ON);
    while (rc > 0) {
        TRY(add_value(p, args));
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    }
    return add_on_null(p, args);
}

static int parse_object_agg(struct sql_parser *p, struct vec *args)
{
    TRY(add_entry(p, args));
    return add_on_null(p, args);
}

static int parse_array_agg(struct sql_parser *p, struct vec *args)
{
    TRY(add_value(p, args));
    return add_on_null(p, args);
}

const struct sql_special_call sql_json_calls[SQL_JSON_CALLS] = {
    {SQL_KW_JSON_EXISTS, false, parse_exists},     {SQL_KW_JSON_VALUE, false, parse_value},
    {SQL_KW_JSON_QUERY, false, parse_query_call},  {SQL_KW_JSON_OBJECT, false, parse_object},
    {SQL_KW_JSON_ARRAY, false, parse_array},       {SQL_KW_JSON_OBJECTAGG, true, parse_object_agg},
    {SQL_KW_JSON_ARRAYAGG, true, parse_array_agg},
};
