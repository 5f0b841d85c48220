/* From queries to logical trees: what the files of the conversion share.
 *
 * A block is one SELECT (or the left side of a LATERAL): the relation that its names refer to, which grows columns on the right
 * while subqueries are joined to it.  Aggregates, OVER and subqueries become externals while expressions are resolved, and are
 * put in place when the relation that has their results is there. */
#ifndef FLINC_SQL_PLAN_CONVERT_H
#define FLINC_SQL_PLAN_CONVERT_H

#include "sql/plan/inside.h"
#include "sql/validate/expression.h"

enum {
    PLAN_NESTING_MAX = 250, /* queries in queries, views and WITH counted */
    PLAN_NO_COLUMN = UINT32_MAX,
};

/* WITH, innermost first. */
struct cte {
    const struct sql_cte *definition;
    const struct cte *next; /* those it sees itself */
    bool is_open;           /* being converted: a reference is a recursion */
};

/* An aggregate or OVER that was met in an expression. */
struct plan_call {
    const struct expr_function *function;
    struct rel_exprs args; /* over the block's columns */
    bool distinct;
    const struct expr *filter; /* NULL: none */
    const struct expr **order; /* WITHIN GROUP */
    struct rel_sort_key *order_keys;
    uint32_t n_order;
    const struct sql_window *window; /* OVER, after the named ones were put in */
    const struct data_type *type;
    const char *name;
    const struct expr *external;
    uint32_t number;
    struct rel_exprs partition; /* OVER */
    Flinc__OverFrameUnit unit;
    Flinc__OverBoundKind lower, upper;
    const struct expr *lower_value, *upper_value;
};

enum plan_phase {
    PLAN_PHASE_PLAIN,     /* FROM, WHERE: no aggregates */
    PLAN_PHASE_RESULT,    /* SELECT, HAVING, ORDER BY: aggregates are gathered */
    PLAN_PHASE_ARGUMENTS, /* of aggregates: no aggregates inside */
};

struct block {
    struct block *parent; /* NULL: outermost */
    struct sql_scope scope;
    const struct rel *rel;
    struct vec columns; /* struct sql_scope_column */
    struct vec outer;   /* struct plan_correlation *: columns that subqueries refer to */
    struct vec calls;   /* struct plan_call *: aggregates */
    struct vec overs;   /* struct plan_call * */
    enum plan_phase phase;
    const char *clause;              /* being resolved, for messages */
    const struct sql_select *select; /* NULL: none */
    const struct sql_query *query;   /* with the ORDER BY of the block; NULL: none */
    const struct rel_exprs *items;   /* ORDER BY: what aliases stand for; NULL: no aliases */
    const struct sql_name *item_names;
    bool is_aggregate;
    /* Once it is aggregated: what expressions over the input became. */
    const struct rel_exprs *keys;
    const struct vec *group_keys; /* of GROUP BY, while results are resolved */
};

/* A column of a query around: of its block, before it is aggregated. */
struct plan_correlation {
    struct block *block;
    uint32_t column;
    const struct expr *external;
};

enum plan_subquery_kind {
    PLAN_SUBQUERY_SCALAR,
    PLAN_SUBQUERY_EXISTS,
    PLAN_SUBQUERY_IN, /* args[i] op column i of the query, for some row; `op` */
};

struct plan_subquery {
    enum plan_subquery_kind kind;
    const struct rel *rel;
    struct rel_exprs args;
    enum sql_operator op;
    struct block *block; /* that it stands in */
};

/* Views whose text is being converted, the inner one first. */
struct expanding_view {
    const struct sql_table *view;
    const struct expanding_view *around;
};

struct convert {
    struct sql_plan *p;
    struct slice text;
    struct sql_error_place *place;
    bool has_place;
    const struct cte *ctes;
    struct block *block;
    uint32_t nesting;
    const struct expanding_view *views;
    const struct sql_hints *hints; /* of the SELECT whose FROM is converted */
};

/* A relation and the names that it shows: struct sql_scope_column. */
struct source {
    const struct rel *rel;
    struct vec columns;
};
void source_fini(struct source *s);

/* What a query gives. */
struct result {
    const struct rel *rel;
    const char **names;
    uint32_t n;
};

/* hints.c: the names in hints are those of the FROM.  What they want of a join, and of which side. */
int convert_hints(struct convert *c, const struct sql_select *s, struct error *err) MUST_CHECK;
enum rel_join_hint convert_join_hint(const struct convert *c, const struct sql_join *j,
                                     bool *ret_left);
/* Notes the place of the first error; returns rc. */
int convert_at(struct convert *c, struct sql_span span, int rc);
/* Names that no hint has are refused. */
int convert_check_hints(struct convert *c, const struct sql_hints *hints,
                        struct error *err) MUST_CHECK;
/* "Duplicate name 'a' in <what>", at its place. */
int convert_unique_names(struct convert *c, const struct sql_names *names, const char *what,
                         struct error *err) MUST_CHECK;

/* query.c */
int plan_convert(struct sql_plan *p, const struct sql_query *query, struct slice text,
                 const struct rel **ret, struct sql_error_place *place,
                 struct error *err) MUST_CHECK;
int convert_query(struct convert *c, const struct sql_query *q, struct block *parent,
                  const struct rel **ret, struct error *err) MUST_CHECK;
/* select.c; the order's columns lie behind the visible ones, *ret_keys has their numbers. */
int convert_select(struct convert *c, const struct sql_select *s, const struct sql_query *order,
                   struct block *parent, const struct rel **ret, struct rel_sort_keys *ret_keys,
                   uint32_t *ret_visible, struct error *err) MUST_CHECK;
int convert_values(struct convert *c, const struct sql_body *body, struct block *parent,
                   const struct rel **ret, struct error *err) MUST_CHECK;
/* ORDER BY over the columns of a relation. */
int convert_order(struct convert *c, const struct sql_query *q, const struct rel *rel,
                  struct rel_sort_keys *ret, struct error *err) MUST_CHECK;
/* from.c */
int convert_relation(struct convert *c, const struct sql_relation *r, struct block *parent,
                     struct source *ret, struct error *err) MUST_CHECK;
int convert_table(struct convert *c, const struct sql_path *name, const struct sql_hints *hints,
                  struct block *parent, const struct rel **ret, struct error *err) MUST_CHECK;
/* correlate.c: a table function over the columns of `left`: the result's are those of both. */
int convert_table_function(struct convert *c, const struct sql_relation *r, struct block *left,
                           bool is_left, const struct rel **ret, struct error *err) MUST_CHECK;
/* expressions.c */
void block_init(struct block *b, struct block *parent, const struct source *s);
void block_fini(struct block *b);
int convert_expr(struct convert *c, struct block *b, const struct sql_expr *e,
                 const struct expr **ret, struct error *err) MUST_CHECK;
/* The conjuncts, appended to a vector of pointers. */
int convert_condition(struct convert *c, struct block *b, const struct sql_expr *e,
                      const char *clause, struct vec *out, struct error *err) MUST_CHECK;
bool sort_key_nulls_last(const struct sql_order_item *item);
/* An expression of a definition: no subqueries, no aggregates. */
int plan_resolve_plain(struct sql_plan *p, const struct sql_scope *scope, const struct sql_expr *e,
                       const struct expr **ret, struct sql_error_place *place,
                       struct error *err) MUST_CHECK;
/* subquery.c: joins what expressions have of subqueries to the block's relation. */
int lower_conditions(struct convert *c, struct block *b, struct rel_exprs conds,
                     struct error *err) MUST_CHECK;
int lower_exprs(struct convert *c, struct block *b, struct rel_exprs in, struct rel_exprs *ret,
                struct error *err) MUST_CHECK;
int convert_subquery(struct convert *c, struct block *b, const struct sql_expr *e,
                     const struct expr **ret, struct error *err) MUST_CHECK;
int convert_lateral(struct convert *c, const struct sql_join *j, struct block *parent,
                    const struct source *left, struct source *ret, struct error *err) MUST_CHECK;

#endif
