/* The order of rows that are held: by keys, each ascending or descending, NULLs first or last; equal rows in the order in which they
 * came.  Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_ORDER_H
#define FLINC_ENGINE_QUERY_ORDER_H

#include "engine/query/inside.h"
#include "engine/query/rows.h"

struct query_order {
    Flinc__SortKey *const *keys; /* Borrows: the configuration's */
    uint32_t n;
};

/* ERR_CORRUPT, ERR_UNSUPPORTED: columns that are not there, types without an order. */
int query_order_check(const struct op_context *ctx, const struct query_order *o,
                      const struct schema *schema, struct error *err) MUST_CHECK;
/* -1, 0, 1; as keys are: NaN is the greatest, -0.0 is 0.0, CHARs without padding. */
int query_cells_order(const struct column *a, uint32_t row_a, const struct column *b,
                      uint32_t row_b);
/* By all keys from number `from` on. */
int query_order_compare(const struct query_order *o, uint32_t from, const struct batch *a,
                        uint32_t row_a, const struct batch *b, uint32_t row_b);
/* The numbers of all rows in order: uint32_t[rows->n], of the pool.  Rows are sealed.  ERR_CANCELLED. */
int query_order_sort(const struct query_order *o, const struct query_rows *rows,
                     const struct op_context *ctx, struct buffer_pool *pool, struct buffer **ret,
                     struct error *err) MUST_CHECK;

#endif
