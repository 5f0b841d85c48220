/* Expressions in a job graph (proto/expression.proto) and back.
 *
 * Shared nodes are written once.  Reading trusts nothing: every function is looked up, every call resolved again, and its type must
 * be the one that was written; bounds of nodes, depth and literals are checked.  Externals cannot be written.
 * Thread: any; the pool's owner. */
#ifndef FLINC_ENGINE_EXPR_WIRE_H
#define FLINC_ENGINE_EXPR_WIRE_H

#include "engine/expr/expr.h"
#include "proto/expression.pb-c.h"

/* Gathers expressions of one message. */
struct expr_writer;
/* The list and all that it points to lie in `arena`. */
struct expr_writer *expr_writer_new(struct arena *arena);
/* The index of the expression in the list; it is written unless it was before.  ERR_UNSUPPORTED: an external. */
int expr_writer_add(struct expr_writer *w, const struct expr *e, uint32_t *ret,
                    struct error *err) MUST_CHECK;
Flinc__ExprList *expr_writer_list(struct expr_writer *w); /* of the arena */
struct expr_writer *expr_writer_free(struct expr_writer *w);

/* `ret_nodes` (list->n_nodes pointers, in `arena`).  `input` says what the columns are.  ERR_CORRUPT. */
int expr_read(const Flinc__ExprList *list, const struct schema *input, struct expr_pool *pool,
              struct arena *arena, const struct expr ***ret_nodes, struct error *err) MUST_CHECK;

#endif
