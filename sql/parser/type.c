/* Types, as they are written in columns, CAST and functions' signatures.  Thread: any. */
#include "sql/parser/inside.h"

static const struct plain_type {
    enum sql_keyword keyword;
    enum sql_type_kind kind;
    uint8_t n_parameters; /* that may follow in parentheses */
    bool is_max;
} plain_types[] = {
    {SQL_KW_BOOLEAN, SQL_TYPE_BOOLEAN, 0, false},
    {SQL_KW_TINYINT, SQL_TYPE_TINYINT, 0, false},
    {SQL_KW_SMALLINT, SQL_TYPE_SMALLINT, 0, false},
    {SQL_KW_INT, SQL_TYPE_INTEGER, 0, false},
    {SQL_KW_INTEGER, SQL_TYPE_INTEGER, 0, false},
    {SQL_KW_BIGINT, SQL_TYPE_BIGINT, 0, false},
    {SQL_KW_FLOAT, SQL_TYPE_FLOAT, 0, false},
    {SQL_KW_REAL, SQL_TYPE_FLOAT, 0, false},
    {SQL_KW_DATE, SQL_TYPE_DATE, 0, false},
    {SQL_KW_STRING, SQL_TYPE_VARCHAR, 0, true},
    {SQL_KW_BYTES, SQL_TYPE_VARBINARY, 0, true},
    {SQL_KW_VARIANT, SQL_TYPE_VARIANT, 0, false},
    {SQL_KW_BITMAP, SQL_TYPE_BITMAP, 0, false},
    {SQL_KW_NULL, SQL_TYPE_NULL, 0, false},
    {SQL_KW_VARCHAR, SQL_TYPE_VARCHAR, 1, false},
    {SQL_KW_VARBINARY, SQL_TYPE_VARBINARY, 1, false},
    {SQL_KW_DECIMAL, SQL_TYPE_DECIMAL, 2, false},
    {SQL_KW_DEC, SQL_TYPE_DECIMAL, 2, false},
    {SQL_KW_NUMERIC, SQL_TYPE_DECIMAL, 2, false},
    {SQL_KW_TIMESTAMP_LTZ, SQL_TYPE_TIMESTAMP_LTZ, 1, false},
};

/* [(a [, b])] */
static int parse_parameters(struct sql_parser *p, uint8_t most, struct sql_type *t)
{
    int rc = sql_accept(p, SQL_TOKEN_LEFT_PAREN);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_parse_uint(p, &t->precision));
    if (most > 1) {
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
        if (rc > 0) {
            TRY(sql_parse_uint(p, &t->scale));
        }
    }
    return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
}

/* CHAR [VARYING] [(n)], BINARY likewise. */
static int parse_varying(struct sql_parser *p, enum sql_type_kind fixed, enum sql_type_kind varying,
                         struct sql_type *t)
{
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_VARYING);
    TRY(rc);
    t->kind = rc > 0 ? varying : fixed;
    return parse_parameters(p, 1, t);
}

/* TIME, TIMESTAMP with [(p)] [WITH [LOCAL] TIME ZONE | WITHOUT TIME ZONE]. */
static int parse_time(struct sql_parser *p, enum sql_type_kind kind, struct sql_type *t)
{
    TRY(sql_next(p));
    t->kind = kind;
    TRY(parse_parameters(p, 1, t));
    if (sql_at_kws(p, SQL_KW_WITHOUT, SQL_KW_TIME)) {
        return sql_expect_kws(p, SQL_KW_WITHOUT, SQL_KW_TIME, SQL_KW_ZONE);
    }
    bool is_zoned = kind == SQL_TYPE_TIMESTAMP && sql_at_kw(p, SQL_KW_WITH) &&
                    (sql_ahead_kw(p, 1, SQL_KW_LOCAL) || sql_ahead_kw(p, 1, SQL_KW_TIME));
    if (!is_zoned) {
        return 0;
    }
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_LOCAL);
    TRY(rc);
    t->kind = rc > 0 ? SQL_TYPE_TIMESTAMP_LTZ : SQL_TYPE_TIMESTAMP_TZ;
    return sql_expect_kws(p, SQL_KW_TIME, SQL_KW_ZONE, SQL_KEYWORD_NONE);
}

static int parse_element(struct sql_parser *p, enum sql_type_kind kind, struct sql_type *t)
{
    TRY(sql_next(p));
    t->kind = kind;
    TRY(sql_expect(p, SQL_TOKEN_LESS));
    TRY(sql_parse_type_rule(p, &t->element));
    if (kind == SQL_TYPE_MAP) {
        TRY(sql_expect(p, SQL_TOKEN_COMMA));
        TRY(sql_parse_type_rule(p, &t->value));
    }
    return sql_expect(p, SQL_TOKEN_GREATER);
}

/* Is there a name in front of the type?  A quoted word, or one that is not reserved; all types but MAP are reserved words. */
static bool at_named_field(struct sql_parser *p)
{
    return sql_is_name(p->tokens[0]) &&
           !(p->tokens[0].keyword == SQL_KW_MAP && sql_ahead_is(p, 1, SQL_TOKEN_LESS)) &&
           !(p->tokens[0].keyword == SQL_KW_STRUCTURED && sql_ahead_is(p, 1, SQL_TOKEN_LESS));
}

static int parse_fields(struct sql_parser *p, enum sql_token_kind close, struct vec *fields)
{
    int rc;
    do {
        struct sql_type_field *f = NULL;
        TRY(sql_push(p, fields, &f));
        if (at_named_field(p)) {
            TRY(sql_parse_name(p, &f->name));
        }
        TRY(sql_parse_type_rule(p, &f->type));
        if (sql_at(p, SQL_TOKEN_STRING)) {
            TRY(sql_parse_string(p, &f->comment));
        }
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    return sql_expect(p, close);
}

/* ROW<a INT, b STRING 'comment'>, ROW(INT, STRING), ROW<> */
static int parse_row(struct sql_parser *p, struct sql_type *t)
{
    CLEANUP(vec_fini) struct vec fields = VEC_INIT(struct sql_type_field);
    TRY(sql_next(p));
    t->kind = SQL_TYPE_ROW;
    if (sql_at(p, SQL_TOKEN_NOT_EQUAL)) {
        return sql_next(p);
    }
    enum sql_token_kind close =
        sql_at(p, SQL_TOKEN_LESS) ? SQL_TOKEN_GREATER : SQL_TOKEN_RIGHT_PAREN;
    TRY(close == SQL_TOKEN_GREATER ? sql_next(p) : sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    int rc = sql_accept(p, close);
    TRY(rc);
    if (rc == 0) {
        TRY(parse_fields(p, close, &fields));
    }
    t->fields = sql_take_items(p, &fields, &t->n_fields);
    return 0;
}

static int parse_structured(struct sql_parser *p, struct sql_type *t)
{
    CLEANUP(vec_fini) struct vec fields = VEC_INIT(struct sql_type_field);
    TRY(sql_next(p));
    t->kind = SQL_TYPE_STRUCTURED;
    TRY(sql_expect(p, SQL_TOKEN_LESS));
    TRY(sql_parse_string(p, &t->class_name));
    int rc = sql_accept(p, SQL_TOKEN_COMMA);
    TRY(rc);
    TRY(rc > 0 ? parse_fields(p, SQL_TOKEN_GREATER, &fields) : sql_expect(p, SQL_TOKEN_GREATER));
    t->fields = sql_take_items(p, &fields, &t->n_fields);
    return 0;
}

static int parse_raw(struct sql_parser *p, struct sql_type *t)
{
    TRY(sql_next(p));
    t->kind = SQL_TYPE_RAW;
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(sql_parse_string(p, &t->class_name));
    TRY(sql_expect(p, SQL_TOKEN_COMMA));
    TRY(sql_parse_string(p, &t->serializer));
    return sql_expect(p, SQL_TOKEN_RIGHT_PAREN);
}

static int parse_interval(struct sql_parser *p, struct sql_type *t)
{
    TRY(sql_next(p));
    t->kind = SQL_TYPE_INTERVAL;
    return sql_parse_interval_range(p, &t->interval);
}

static int parse_double(struct sql_parser *p, struct sql_type *t)
{
    TRY(sql_next(p));
    t->kind = SQL_TYPE_DOUBLE;
    int rc = sql_accept_kw(p, SQL_KW_PRECISION);
    return rc < 0 ? rc : 0;
}

enum { WORD_SHOWN = 40 }; /* bytes of a word that may be meant for a type */

/* The current token begins no type. */
static int fail_unknown(struct sql_parser *p)
{
    static const enum sql_keyword others[] = {
        SQL_KW_CHAR,      SQL_KW_BINARY,   SQL_KW_DOUBLE,     SQL_KW_TIME,
        SQL_KW_TIMESTAMP, SQL_KW_INTERVAL, SQL_KW_ARRAY,      SQL_KW_MULTISET,
        SQL_KW_MAP,       SQL_KW_ROW,      SQL_KW_STRUCTURED, SQL_KW_RAW,
    };
    const char *names[ARRAY_LEN(plain_types) + ARRAY_LEN(others)];
    struct sql_token token = p->tokens[0];
    size_t n = 0, len = token.span.end - token.span.start;
    if (token.kind != SQL_TOKEN_WORD || len >= WORD_SHOWN) {
        return sql_fail_because(p, "A type should stand here");
    }
    for (size_t i = 0; i < ARRAY_LEN(plain_types); i++) {
        names[n++] = sql_keyword_name(plain_types[i].keyword);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        names[n++] = sql_keyword_name(others[i]);
    }
    const char *nearest = sql_nearest(p, names, n);
    return sql_fail_because(
        p, nearest != NULL ? "There is no type \"%.*s\" (%s?)" : "There is no type \"%.*s\"%s",
        (int)len, p->lexer.text.data + token.span.start, nearest != NULL ? nearest : "");
}

static int parse_base(struct sql_parser *p, struct sql_type *t)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_types); i++) {
        const struct plain_type *row = &plain_types[i];
        if (p->tokens[0].keyword == row->keyword) {
            t->kind = row->kind;
            t->is_max = row->is_max;
            TRY(sql_next(p));
            return row->n_parameters > 0 ? parse_parameters(p, row->n_parameters, t) : 0;
        }
    }
    switch (p->tokens[0].keyword) {
    case SQL_KW_CHAR:
    case SQL_KW_CHARACTER:
        return parse_varying(p, SQL_TYPE_CHAR, SQL_TYPE_VARCHAR, t);
    case SQL_KW_BINARY:
        return parse_varying(p, SQL_TYPE_BINARY, SQL_TYPE_VARBINARY, t);
    case SQL_KW_DOUBLE:
        return parse_double(p, t);
    case SQL_KW_TIME:
        return parse_time(p, SQL_TYPE_TIME, t);
    case SQL_KW_TIMESTAMP:
        return parse_time(p, SQL_TYPE_TIMESTAMP, t);
    case SQL_KW_INTERVAL:
        return parse_interval(p, t);
    case SQL_KW_ARRAY:
        return parse_element(p, SQL_TYPE_ARRAY, t);
    case SQL_KW_MULTISET:
        return parse_element(p, SQL_TYPE_MULTISET, t);
    case SQL_KW_MAP:
        return parse_element(p, SQL_TYPE_MAP, t);
    case SQL_KW_ROW:
        return parse_row(p, t);
    case SQL_KW_STRUCTURED:
        return parse_structured(p, t);
    case SQL_KW_RAW:
        return parse_raw(p, t);
    default:
        break;
    }
    return fail_unknown(p);
}

static int parse_nullability(struct sql_parser *p, struct sql_type *t)
{
    int rc = sql_accept_kws(p, SQL_KW_NOT, SQL_KW_NULL);
    TRY(rc);
    t->not_null = rc > 0;
    if (rc == 0 && !sql_at_kws(p, SQL_KW_NULL, SQL_KW_ON)) { /* RETURNING type NULL ON EMPTY */
        rc = sql_accept_kw(p, SQL_KW_NULL);
        TRY(rc);
    }
    return 0;
}

static struct sql_type *type_new(struct sql_parser *p)
{
    struct sql_type *t = arena_zalloc(p->arena, sizeof(*t));
    t->precision = t->scale = -1;
    t->interval.leading_digits = t->interval.second_digits = -1;
    return t;
}

static int parse_type_inside(struct sql_parser *p, struct sql_type **ret)
{
    uint32_t start = sql_start(p);
    struct sql_type *t = type_new(p);
    TRY(parse_base(p, t));
    TRY(parse_nullability(p, t));
    t->span = sql_span_from(p, start);
    /* INT ARRAY, INT MULTISET ARRAY */
    for (uint32_t n = 0; sql_at_kw(p, SQL_KW_ARRAY) || sql_at_kw(p, SQL_KW_MULTISET); n++) {
        if (n >= SQL_DEPTH_MAX) {
            return sql_fail_because(p, "The type is nested more than %d levels deep",
                                    SQL_DEPTH_MAX);
        }
        struct sql_type *outer = type_new(p);
        outer->kind = p->tokens[0].keyword == SQL_KW_ARRAY ? SQL_TYPE_ARRAY : SQL_TYPE_MULTISET;
        outer->element = t;
        TRY(sql_next(p));
        TRY(parse_nullability(p, outer));
        outer->span = sql_span_from(p, start);
        t = outer;
    }
    *ret = t;
    return 0;
}

int sql_parse_type_rule(struct sql_parser *p, struct sql_type **ret)
{
    TRY(sql_enter(p));
    int rc = parse_type_inside(p, ret);
    sql_leave(p);
    return rc;
}
