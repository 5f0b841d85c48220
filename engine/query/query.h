/* The operators of queries as plans name them.  Thread: any. */
#ifndef FLINC_ENGINE_QUERY_QUERY_H
#define FLINC_ENGINE_QUERY_QUERY_H

#include "engine/operators/operator.h"

extern const struct operator_desc query_calc;
extern const struct operator_desc query_expand;
extern const struct operator_desc query_hash_aggregate;
extern const struct operator_desc query_hash_join;
extern const struct operator_desc query_limit;
extern const struct operator_desc query_nested_loop_join;
extern const struct operator_desc query_over;
extern const struct operator_desc query_sort;
extern const struct operator_desc query_table_function;
extern const struct operator_desc query_unnest;
extern const struct operator_desc query_watermark;

/* Makes all of them, and the built-in functions, known to table_operator_find().  The same again is fine; connectors_register()
 * does it. */
void query_operators_register(void);
/* All of them, for the reference page. */
const struct operator_desc *const *query_operator_all(size_t *ret_n);

#endif
