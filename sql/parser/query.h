/* Queries and what stands in FROM, as the parser found them.  Memory and places as in expr.h.
 * Flink: SqlSelect, SqlJoin, SqlWith, SqlOrderBy, SqlMatchRecognize, RichSqlHint.  Thread: any, read only after parsing. */
#ifndef FLINC_SQL_PARSER_QUERY_H
#define FLINC_SQL_PARSER_QUERY_H

#include "sql/parser/expr.h"

/* 'key' = 'value' */
struct sql_property {
    struct slice key, value;
    struct sql_span span;
};

struct sql_properties {
    struct sql_property *items;
    uint32_t n;
};

/* One of a hint block: NAME('k' = 'v', ...) or NAME(a, b).  Duplicates are as written. */
struct sql_hint {
    struct sql_name name;
    struct sql_properties properties; /* of the first form */
    struct slice *values;             /* of the second */
    uint32_t n_values;
};

struct sql_hints {
    struct sql_hint *items;
    uint32_t n;
};

struct sql_names {
    struct sql_name *items;
    uint32_t n;
};

struct sql_alias {
    struct sql_name name; /* text.data NULL: none */
    struct sql_names columns;
};

enum sql_join_kind {
    SQL_JOIN_INNER,
    SQL_JOIN_LEFT,
    SQL_JOIN_RIGHT,
    SQL_JOIN_FULL,
    SQL_JOIN_CROSS,
    SQL_JOIN_COMMA,
};

enum sql_relation_kind {
    SQL_RELATION_TABLE,    /* name, hints, system_time, sample */
    SQL_RELATION_QUERY,    /* query; is_lateral */
    SQL_RELATION_FUNCTION, /* call; is_lateral: LATERAL TABLE(f(...)), TABLE(f(...)), f(...) */
    SQL_RELATION_UNNEST,   /* operands; with_ordinality */
    SQL_RELATION_JOIN,     /* join */
    SQL_RELATION_MATCH,    /* match */
    SQL_RELATION_KIND_COUNT
};

struct sql_join {
    enum sql_join_kind kind;
    bool is_natural;
    struct sql_relation *left, *right;
    struct sql_expr *condition; /* NULL: none */
    struct sql_names using_columns;
};

enum sql_quantifier_max { SQL_REPEAT_UNBOUNDED = -1 };

/* One variable of a PATTERN with how often it may come. */
struct sql_pattern_item {
    struct sql_name variable;
    int32_t least, most; /* most SQL_REPEAT_UNBOUNDED: * and + */
    bool is_reluctant;
};

enum sql_after_match {
    SQL_AFTER_MATCH_DEFAULT, /* = TO NEXT ROW, as the clause is left out */
    SQL_AFTER_MATCH_NEXT_ROW,
    SQL_AFTER_MATCH_PAST_LAST_ROW,
    SQL_AFTER_MATCH_FIRST, /* skip_to */
    SQL_AFTER_MATCH_LAST,
};

struct sql_match_measure {
    struct sql_expr *expr;
    struct sql_name name;
};

struct sql_match {
    struct sql_relation *input;
    struct sql_expr **partition;
    uint32_t n_partition;
    struct sql_order_item *order;
    uint32_t n_order;
    struct sql_match_measure *measures;
    uint32_t n_measures;
    bool all_rows; /* ALL ROWS PER MATCH: parsed, never supported */
    enum sql_after_match after;
    struct sql_name skip_to;
    struct sql_pattern_item *pattern;
    uint32_t n_pattern;
    struct sql_expr *within; /* NULL: none */
    struct sql_match_measure *defines;
    uint32_t n_defines;
};

struct sql_sample {
    struct sql_name method; /* BERNOULLI, SYSTEM */
    struct sql_expr *percentage, *seed;
};

struct sql_relation {
    enum sql_relation_kind kind;
    struct sql_span span;
    bool is_lateral, with_ordinality;
    struct sql_alias alias;
    struct sql_path name;
    struct sql_hints hints;
    struct sql_expr *system_time; /* FOR SYSTEM_TIME AS OF; NULL: none */
    struct sql_sample *sample;
    struct sql_query *query;
    struct sql_expr *call;
    struct sql_expr **operands;
    uint32_t n_operands;
    struct sql_join *join;
    struct sql_match *match;
};

enum sql_group_kind {
    SQL_GROUP_EXPR,   /* exprs[0] */
    SQL_GROUP_LIST,   /* exprs: (a, b); none: () */
    SQL_GROUP_SETS,   /* items */
    SQL_GROUP_ROLLUP, /* items */
    SQL_GROUP_CUBE,   /* items */
};

struct sql_group_item {
    enum sql_group_kind kind;
    struct sql_span span;
    struct sql_expr **exprs;
    uint32_t n_exprs;
    struct sql_group_item *items;
    uint32_t n_items;
};

struct sql_select_item {
    struct sql_expr *expr; /* STAR for *, t.*; FIELD with a NULL name for (row).* */
    struct sql_name alias; /* text.data NULL: none */
};

struct sql_named_window {
    struct sql_name name;
    struct sql_window *window;
};

struct sql_select {
    struct sql_hints hints;
    bool is_distinct;
    struct sql_select_item *items;
    uint32_t n_items;
    struct sql_relation *from; /* NULL: one row without columns */
    struct sql_expr *where, *having, *qualify;
    struct sql_group_item *groups;
    uint32_t n_groups;
    bool has_group;      /* GROUP BY was written */
    bool group_distinct; /* GROUP BY DISTINCT */
    struct sql_named_window *windows;
    uint32_t n_windows;
};

enum sql_set_op { SQL_SET_UNION, SQL_SET_INTERSECT, SQL_SET_EXCEPT };

enum sql_body_kind {
    SQL_BODY_SELECT,
    SQL_BODY_VALUES, /* rows: each a ROW */
    SQL_BODY_TABLE,  /* table */
    SQL_BODY_QUERY,  /* query: in parentheses, with its own ORDER BY */
    SQL_BODY_SET,    /* left, right */
};

struct sql_body {
    enum sql_body_kind kind;
    struct sql_span span;
    struct sql_select *select;
    struct sql_expr **rows;
    uint32_t n_rows;
    struct sql_path table;
    struct sql_query *query;
    enum sql_set_op set_op;
    bool is_all;
    struct sql_body *left, *right;
    uint16_t depth;
};

struct sql_cte {
    struct sql_name name;
    struct sql_names columns;
    struct sql_query *query;
};

struct sql_query {
    struct sql_span span;
    struct sql_cte *ctes;
    uint32_t n_ctes;
    struct sql_body *body;
    struct sql_order_item *order;
    uint32_t n_order;
    struct sql_expr *offset; /* NULL: none */
    struct sql_expr *limit;  /* LIMIT or FETCH; NULL: none, or LIMIT ALL */
};

#endif
