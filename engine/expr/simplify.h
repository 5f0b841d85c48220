/* Logic whose conditions are literals: for fold.c alone. */
#ifndef FLINC_ENGINE_EXPR_SIMPLIFY_H
#define FLINC_ENGINE_EXPR_SIMPLIFY_H

#include "engine/expr/function.h"

/* The call without what no row takes: arms of CASE whose condition is FALSE or NULL, those behind a TRUE one, operands of AND, OR and
 * COALESCE that decide nothing or everything.  The call itself when there is nothing to leave out; its type stays. */
const struct expr *expr_simplify_call(struct expr_pool *pool, const struct expr *e);

#endif
