/* Expressions as the parser found them: names are not resolved and types not known.
 *
 * All nodes lie in the arena given to the parser and live as long as it; strings are NUL-free slices into it or into the
 * text.  Every node has its place in the text.  AND, OR are one node for a whole chain, so that generated conditions of
 * thousands of terms are not deep; other nestings are bounded by SQL_DEPTH_MAX and SQL_TREE_DEPTH_MAX.
 * Flink: SqlNode and its call kinds.  Thread: any, read only after parsing. */
#ifndef FLINC_SQL_PARSER_EXPR_H
#define FLINC_SQL_PARSER_EXPR_H

#include "sql/parser/token.h"

enum {
    SQL_DEPTH_MAX = 500,       /* nested parentheses, calls, queries and types, counted together */
    SQL_TREE_DEPTH_MAX = 4000, /* levels of a tree: chains such as a + b + c lean to the left */
};

struct sql_query;
struct sql_expr;

struct sql_name {
    struct slice text; /* without quotes, doubled ones once */
    struct sql_span span;
    bool is_quoted;
};

/* a.b.c */
struct sql_path {
    struct sql_name *parts;
    uint32_t n;
    struct sql_span span;
};

/* ---- types ------------------------------------------------------------------------------------ */

enum sql_type_kind {
    SQL_TYPE_CHAR,
    SQL_TYPE_VARCHAR, /* STRING has is_max */
    SQL_TYPE_BINARY,
    SQL_TYPE_VARBINARY, /* BYTES has is_max */
    SQL_TYPE_BOOLEAN,
    SQL_TYPE_DECIMAL,
    SQL_TYPE_TINYINT,
    SQL_TYPE_SMALLINT,
    SQL_TYPE_INTEGER,
    SQL_TYPE_BIGINT,
    SQL_TYPE_FLOAT,
    SQL_TYPE_DOUBLE,
    SQL_TYPE_DATE,
    SQL_TYPE_TIME,
    SQL_TYPE_TIMESTAMP,
    SQL_TYPE_TIMESTAMP_LTZ,
    SQL_TYPE_TIMESTAMP_TZ, /* WITH TIME ZONE: declared only */
    SQL_TYPE_INTERVAL,
    SQL_TYPE_ARRAY,
    SQL_TYPE_MULTISET,
    SQL_TYPE_MAP,
    SQL_TYPE_ROW,
    SQL_TYPE_STRUCTURED,
    SQL_TYPE_RAW,
    SQL_TYPE_NULL,
    SQL_TYPE_VARIANT,
    SQL_TYPE_BITMAP,
    SQL_TYPE_KIND_COUNT
};

enum sql_unit {
    SQL_UNIT_NONE,
    SQL_UNIT_YEAR,
    SQL_UNIT_MONTH,
    SQL_UNIT_DAY,
    SQL_UNIT_HOUR,
    SQL_UNIT_MINUTE,
    SQL_UNIT_SECOND,
    SQL_UNIT_QUARTER,
    SQL_UNIT_WEEK,
    SQL_UNIT_MILLENNIUM,
    SQL_UNIT_CENTURY,
    SQL_UNIT_DECADE,
    SQL_UNIT_MILLISECOND,
    SQL_UNIT_MICROSECOND,
    SQL_UNIT_NANOSECOND,
    SQL_UNIT_EPOCH,
    SQL_UNIT_DOW,
    SQL_UNIT_DOY,
    SQL_UNIT_ISODOW,
    SQL_UNIT_ISOYEAR,
    SQL_UNIT_COUNT
};
const char *sql_unit_name(enum sql_unit unit);

/* DAY(3) TO SECOND(6) */
struct sql_interval_range {
    enum sql_unit from, to;                /* to: SQL_UNIT_NONE when there is one unit */
    int32_t leading_digits, second_digits; /* -1: not given */
};

struct sql_type_field {
    struct sql_name name; /* text.data NULL: ROW(INT, ...) without names */
    struct sql_type *type;
    struct slice comment; /* data NULL: none */
};

struct sql_type {
    enum sql_type_kind kind;
    struct sql_span span;
    bool is_max;              /* STRING, BYTES */
    bool not_null;            /* NOT NULL was written */
    int32_t precision, scale; /* length or precision; -1: not given */
    struct sql_interval_range interval;
    struct sql_type *element, *value; /* ARRAY, MULTISET: element; MAP: key and value */
    struct sql_type_field *fields;    /* ROW, STRUCTURED */
    uint32_t n_fields;
    struct slice class_name, serializer; /* STRUCTURED, RAW */
};

/* ---- literals --------------------------------------------------------------------------------- */

enum sql_literal_kind {
    SQL_LITERAL_NULL,
    SQL_LITERAL_TRUE,
    SQL_LITERAL_FALSE,
    SQL_LITERAL_UNKNOWN,
    SQL_LITERAL_EXACT,       /* text: digits with at most one point, no sign */
    SQL_LITERAL_APPROXIMATE, /* text: as written */
    SQL_LITERAL_STRING,      /* text: the characters */
    SQL_LITERAL_BINARY,      /* text: the bytes */
    SQL_LITERAL_DATE,        /* text: what stands between the quotes, and so below */
    SQL_LITERAL_TIME,
    SQL_LITERAL_TIMESTAMP,
    SQL_LITERAL_TIMESTAMP_LTZ,
    SQL_LITERAL_INTERVAL, /* with `interval`; a minus before the quotes is part of text */
};

struct sql_literal {
    enum sql_literal_kind kind;
    struct slice text;
    struct sql_interval_range interval;
};

/* ---- expressions ------------------------------------------------------------------------------ */

enum sql_operator {
    SQL_OP_PLUS, /* unary too */
    SQL_OP_MINUS,
    SQL_OP_TIMES,
    SQL_OP_DIVIDE,
    SQL_OP_MODULO,
    SQL_OP_CONCAT,
    SQL_OP_EQUAL,
    SQL_OP_NOT_EQUAL,
    SQL_OP_LESS,
    SQL_OP_LESS_EQUAL,
    SQL_OP_GREATER,
    SQL_OP_GREATER_EQUAL,
    SQL_OP_NOT,
    SQL_OP_AND,
    SQL_OP_OR,
    SQL_OP_IS_DISTINCT, /* IS [NOT] DISTINCT FROM */
    SQL_OP_LIKE,
    SQL_OP_ILIKE,
    SQL_OP_SIMILAR,
    SQL_OP_RLIKE,
    SQL_OP_OVERLAPS,
    SQL_OP_MEMBER_OF,
    SQL_OP_SUBMULTISET_OF,
    SQL_OP_COUNT
};
const char *sql_operator_name(enum sql_operator op);

enum sql_is {
    SQL_IS_NULL,
    SQL_IS_TRUE,
    SQL_IS_FALSE,
    SQL_IS_UNKNOWN,
    SQL_IS_JSON, /* = IS JSON VALUE */
    SQL_IS_JSON_OBJECT,
    SQL_IS_JSON_ARRAY,
    SQL_IS_JSON_SCALAR,
    SQL_IS_A_SET,
    SQL_IS_EMPTY,
};

enum sql_expr_kind {
    SQL_EXPR_LITERAL, /* literal */
    SQL_EXPR_COLUMN, /* column: a, t.a, c.d.t.a.f; what is table and what is field is not known yet */
    SQL_EXPR_STAR, /* column: the path before .*; n 0 for a bare star.  Items of SELECT, COUNT(*) */
    SQL_EXPR_UNARY,      /* op PLUS, MINUS, NOT; operands[0] */
    SQL_EXPR_BINARY,     /* op; operands[0], [1] ([2]: the escape of LIKE, SIMILAR); is_negated */
    SQL_EXPR_LOGIC,      /* op AND, OR; two or more operands */
    SQL_EXPR_IS,         /* is; operands[0]; is_negated */
    SQL_EXPR_BETWEEN,    /* operands value, low, high; is_negated, is_symmetric */
    SQL_EXPR_IN,         /* operands[0] and the list behind it, or `query`; is_negated */
    SQL_EXPR_QUANTIFIED, /* op, quantifier; operands[0] and a list, or `query` */
    SQL_EXPR_EXISTS,     /* query */
    SQL_EXPR_UNIQUE,     /* query */
    SQL_EXPR_CASE, /* case_value, NULL: searched; operands when, then, ..., and else when their number is odd */
    SQL_EXPR_CAST,       /* operands[0], type; is_try */
    SQL_EXPR_CALL,       /* call */
    SQL_EXPR_FIELD,      /* operands[0], field: (row).f; field.text.data NULL: (row).* */
    SQL_EXPR_ITEM,       /* operands[0][operands[1]] */
    SQL_EXPR_ROW,        /* operands: ROW(a, b), (a, b) */
    SQL_EXPR_ARRAY,      /* operands: ARRAY[...]; or query: ARRAY(SELECT ...) */
    SQL_EXPR_MAP,        /* operands key, value, ...: MAP[...]; or query */
    SQL_EXPR_MULTISET,   /* operands: MULTISET[...]; or query */
    SQL_EXPR_QUERY,      /* query: a scalar subquery, or a query as an argument */
    SQL_EXPR_TABLE,      /* table: an argument TABLE t PARTITION BY ... ORDER BY ... */
    SQL_EXPR_DESCRIPTOR, /* operands: columns */
    SQL_EXPR_MODEL,      /* column: the model's path */
    SQL_EXPR_DEFAULT,    /* an argument that is left to its default */
    SQL_EXPR_SYMBOL, /* symbol: a word that a function's syntax has as an argument (BOTH, a time unit, ...) */
    SQL_EXPR_INTERVAL, /* operands[0] with a unit: INTERVAL (expr) DAY, (a - b) DAY; interval */
    SQL_EXPR_KIND_COUNT
};

enum sql_quantifier { SQL_QUANTIFIER_SOME, SQL_QUANTIFIER_ALL };

/* Words as arguments.  Of JSON functions: what happens without a value and on errors, and wrappers. */
enum sql_symbol {
    SQL_SYMBOL_UNIT, /* with `unit` */
    SQL_SYMBOL_BOTH,
    SQL_SYMBOL_LEADING,
    SQL_SYMBOL_TRAILING,
    SQL_SYMBOL_NULL_ON_NULL,
    SQL_SYMBOL_ABSENT_ON_NULL,
    SQL_SYMBOL_TRUE_ON_ERROR,
    SQL_SYMBOL_FALSE_ON_ERROR,
    SQL_SYMBOL_UNKNOWN_ON_ERROR,
    SQL_SYMBOL_ERROR_ON_ERROR,
    SQL_SYMBOL_NULL_ON_ERROR,
    SQL_SYMBOL_DEFAULT_ON_ERROR, /* the next argument is the default */
    SQL_SYMBOL_EMPTY_ARRAY_ON_ERROR,
    SQL_SYMBOL_EMPTY_OBJECT_ON_ERROR,
    SQL_SYMBOL_ERROR_ON_EMPTY,
    SQL_SYMBOL_NULL_ON_EMPTY,
    SQL_SYMBOL_DEFAULT_ON_EMPTY, /* the next argument is the default */
    SQL_SYMBOL_EMPTY_ARRAY_ON_EMPTY,
    SQL_SYMBOL_EMPTY_OBJECT_ON_EMPTY,
    SQL_SYMBOL_WITHOUT_WRAPPER,
    SQL_SYMBOL_WITH_WRAPPER,
    SQL_SYMBOL_WITH_CONDITIONAL_WRAPPER,
    SQL_SYMBOL_RETURNING, /* with `type` of the expression */
    SQL_SYMBOL_COUNT
};
const char *sql_symbol_name(enum sql_symbol symbol);

enum sql_null_order { SQL_NULLS_DEFAULT, SQL_NULLS_FIRST, SQL_NULLS_LAST };

struct sql_order_item {
    struct sql_expr *expr;
    bool is_descending;
    enum sql_null_order nulls;
};

enum sql_bound_kind {
    SQL_BOUND_UNBOUNDED_PRECEDING,
    SQL_BOUND_PRECEDING, /* offset */
    SQL_BOUND_CURRENT_ROW,
    SQL_BOUND_FOLLOWING, /* offset */
    SQL_BOUND_UNBOUNDED_FOLLOWING,
};

struct sql_bound {
    enum sql_bound_kind kind;
    struct sql_expr *offset; /* NULL unless the kind has one */
};

enum sql_frame { SQL_FRAME_NONE, SQL_FRAME_ROWS, SQL_FRAME_RANGE };

/* What stands behind OVER, or in a WINDOW clause. */
struct sql_window {
    struct sql_span span;
    struct sql_name name; /* of the WINDOW that it refers to or begins with; text.data NULL: none */
    struct sql_expr **partition;
    uint32_t n_partition;
    struct sql_order_item *order;
    uint32_t n_order;
    enum sql_frame frame;
    struct sql_bound from, to; /* without BETWEEN `to` is the current row */
};

struct sql_argument {
    struct sql_name name; /* f(name => expr); text.data NULL: by position */
    struct sql_expr *expr;
};

enum sql_call_flags {
    SQL_CALL_DISTINCT = 1 << 0,
    SQL_CALL_NO_PARENS = 1 << 1, /* CURRENT_DATE */
    SQL_CALL_IGNORE_NULLS = 1 << 2,
    SQL_CALL_RESPECT_NULLS = 1 << 3,
};

/* f(DISTINCT a, b => 1) WITHIN GROUP (ORDER BY c) FILTER (WHERE d) OVER (...).  Functions with a syntax of their own have
 * their arguments in order, words as SYMBOL: EXTRACT(unit, x), CEIL(x, unit), TRIM(BOTH, chars, x), SUBSTRING(x, from,
 * for), OVERLAY(x, by, from, for), POSITION(what, in), TIMESTAMPADD(unit, n, x), JSON_VALUE(doc, path, RETURNING,
 * DEFAULT_ON_EMPTY, expr, ...), JSON_OBJECT(key, value, ..., NULL_ON_NULL). */
struct sql_call {
    struct sql_path name;
    uint32_t flags; /* enum sql_call_flags */
    struct sql_argument *args;
    uint32_t n_args;
    struct sql_order_item *within; /* WITHIN GROUP, or ORDER BY among the arguments */
    uint32_t n_within;
    struct sql_expr *filter; /* NULL: none */
    struct sql_window *over; /* NULL: none */
};

struct sql_table_argument {
    struct sql_path name;
    struct sql_query *query; /* TABLE (SELECT ...); then name.n is 0 */
    struct sql_expr **partition;
    uint32_t n_partition;
    struct sql_order_item *order;
    uint32_t n_order;
};

struct sql_expr {
    enum sql_expr_kind kind;
    struct sql_span span;
    bool is_negated;   /* NOT LIKE, NOT IN, NOT BETWEEN, IS NOT ... */
    bool is_symmetric; /* BETWEEN SYMMETRIC */
    bool is_try;       /* TRY_CAST */
    uint16_t depth;    /* levels of nodes below, itself included */
    enum sql_operator op;
    enum sql_is is;
    enum sql_quantifier quantifier;
    enum sql_symbol symbol;
    enum sql_unit unit;
    struct sql_expr **operands;
    uint32_t n_operands;
    struct sql_type *type;
    struct sql_query *query;
    struct sql_expr *case_value;
    union {
        struct sql_literal literal;
        struct sql_path column;
        struct sql_call *call;
        struct sql_name field;
        struct sql_table_argument *table;
        struct sql_interval_range interval;
    };
};

#endif
