/* Rows that lie in the job graph: VALUES of SQL, and tables of tests.  Not a connector that WITH could name: the rows come
 * as batches.  The operator is flinc.source.elements, of one subtask, bounded, with the batches as the batch codec
 * writes them.  Flink: ValuesTableSource (StreamPhysicalValues). */
#ifndef FLINC_CONNECTORS_VALUES_VALUES_H
#define FLINC_CONNECTORS_VALUES_VALUES_H

#include "engine/table/table.h"

enum { VALUES_BYTES_MAX = 32 * 1024 * 1024 }; /* of all batches of a node */

/* A node that gives the rows of the batches, which have the schema.  ERR_TOO_LARGE.  Thread: the batches' owner. */
int values_source_plan(const struct schema *schema, struct batch *const *batches, size_t n,
                       struct buffer_pool *pool, struct arena *arena, struct table_node *ret,
                       struct error *err) MUST_CHECK;
/* The same, into a graph. */
int values_source_add(struct stream_graph *g, const struct schema *schema,
                      struct batch *const *batches, size_t n, struct buffer_pool *pool,
                      struct stream_node **ret_node, struct error *err) MUST_CHECK;

#endif
