/* Subqueries. */
#include "sql/plan/convert.h"

int lower_conditions(struct convert *c, struct block *b, struct rel_exprs conds, struct error *err)
{
    b->rel = plan_filter(c->p, b->rel, conds);
    return 0;
}
int lower_exprs(struct convert *c, struct block *b, struct rel_exprs in, struct rel_exprs *ret,
                struct error *err)
{
    *ret = in;
    return 0;
}
int convert_subquery(struct convert *c, struct block *b, const struct sql_expr *e,
                     const struct expr **ret, struct error *err)
{
    return plan_unsupported(err, "subqueries in expressions");
}
int convert_lateral(struct convert *c, const struct sql_join *j, struct block *parent,
                    const struct source *left, struct source *ret, struct error *err)
{
    return plan_unsupported(err, "LATERAL");
}
