/* A subquery made independent of the query around.  Inside the room only. */
#ifndef FLINC_SQL_PLAN_DECORRELATE_H
#define FLINC_SQL_PLAN_DECORRELATE_H

#include "sql/plan/convert.h"

struct decorrelation {
    struct sql_plan *p;
    struct block *block; /* whose columns are referred to */
    bool is_exists;      /* only whether there are rows matters */
    /* The rows around are joined to where they are referred to, each combination of their columns once, so that nothing but
     * equality is left to be pulled up: always possible, and dearer. */
    bool by_domain;
    struct vec conds; /* const struct expr *: over the result, and columns of the block */
    /* The subquery is an aggregate without keys: one row, also when nothing meets the conditions, with these values. */
    bool is_scalar, has_filter;
    struct rel_exprs empty;
};

/* The column of the block's relation that it is now; ERR_INVALID_ARGUMENT: it is not grouped. */
int correlation_column(const struct plan_correlation *k, uint32_t *ret,
                       struct error *err) MUST_CHECK;
/* The subquery's columns first, then those that `conds` reads; d->conds is to be freed. */
int decorrelate(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                struct error *err) MUST_CHECK;
/* Done again by the domain when one of the conditions is no equality. */
int decorrelate_by_equality(struct decorrelation *d, const struct rel *r, const struct rel **inout,
                            struct error *err) MUST_CHECK;
/* The inner sides of the conditions, all equalities, as columns of the relation, by condition. */
int decorrelation_keys(struct decorrelation *d, const struct rel **inout, struct vec *ret_columns,
                       const char *what, struct error *err) MUST_CHECK;
bool expr_is_correlated(const struct expr *e, const struct block *b);
bool rel_is_correlated(const struct rel *r, const struct block *b);

#endif
