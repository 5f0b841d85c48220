/* From a physical tree to the stream graph: one node of the tree is one operator, an EXCHANGE is the partitioner of an edge.
 * Uids of operators are stable for equal plans ("<n>_<kind>", as Flink's ExecNode ids).  Flink: ExecNodeTranslator, the planner's
 * translateToTransformation.  Thread: one owner. */
#ifndef FLINC_SQL_EXEC_EXEC_H
#define FLINC_SQL_EXEC_EXEC_H

#include "engine/graph/stream_graph.h"
#include "sql/plan/rel.h"

/* Adds the operators of the trees to the graph.  *ret_collect_uid (may be NULL): of the operator of REL_COLLECT, in the graph's arena;
 * NULL when there is none. */
int sql_exec_translate(struct sql_plan *p, const struct rel *const *roots, uint32_t n,
                       struct buffer_pool *pool, struct stream_graph *graph,
                       const char **ret_collect_uid, struct error *err) MUST_CHECK;

/* Appends the name of table.local-time-zone; `default` is the zone of this machine. */
void sql_exec_time_zone(const struct conf *conf, struct str *out);

#endif
