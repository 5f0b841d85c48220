/* From expressions as they were written to typed ones: names resolved, functions found, types inferred, casts put in.
 *
 * What needs more than a scope of columns (subqueries, aggregates, OVER) goes to the callbacks of the validator, by which
 * the room that plans queries takes part; without them such an expression is refused.
 * Flink: SqlValidatorImpl, SqlToRexConverter.  Thread: one owner. */
#ifndef FLINC_SQL_VALIDATE_EXPRESSION_H
#define FLINC_SQL_VALIDATE_EXPRESSION_H

#include "engine/expr/function.h"
#include "sql/parser/expr.h"

/* A column that can be named. */
struct sql_scope_column {
    struct slice table; /* alias or name of the relation; data NULL: none */
    struct slice name;
    const struct expr *expr; /* what the name stands for: an input of the plan */
    bool is_hidden;          /* found with its table before it only: what USING has merged */
};

/* The columns of FROM, in order; names are case-sensitive. */
struct sql_scope {
    struct sql_scope_column *columns;
    uint32_t n;
    const struct sql_scope *parent; /* of the query around; NULL: none */
};

struct sql_validator {
    struct expr_pool *pool;       /* Borrows */
    const struct time_zone *zone; /* Borrows; NULL: UTC */
    struct sql_span place; /* of the first error: what is meant; length 0: the whole statement */
    bool has_place;
    /* For subqueries, aggregates, OVER: 1 when it made something of the expression, 0 when it is none of its business.
     * `level`: which scope a name was found in, 0 the own one; outer columns are the callback's, too. */
    int (*other)(void *arg, struct sql_validator *v, const struct sql_scope *scope,
                 const struct sql_expr *e, const struct expr **ret, struct error *err);
    int (*outer)(void *arg, struct sql_validator *v, uint32_t level, const struct expr *column,
                 const struct expr **ret, struct error *err);
    /* A function that is not built in (may be NULL): 1 and what CREATE FUNCTION made; 0 when there is none of the name. */
    int (*function)(void *arg, const struct sql_path *name, const struct expr_function **ret,
                    struct error *err);
    void *arg;
};

/* ERR_INVALID_ARGUMENT, ERR_UNSUPPORTED, ERR_NOT_FOUND; v->place is the innermost expression that is meant. */
int sql_resolve(struct sql_validator *v, const struct sql_scope *scope, const struct sql_expr *e,
                const struct expr **ret, struct error *err) MUST_CHECK;
/* The same, and BOOLEAN: conditions. */
int sql_resolve_condition(struct sql_validator *v, const struct sql_scope *scope,
                          const struct sql_expr *e, const char *clause, const struct expr **ret,
                          struct error *err) MUST_CHECK;

#endif
