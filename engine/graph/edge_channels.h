/* Which subtasks of the two vertices of an edge are connected: derived from the partitioner and the two
 * parallelisms, never listed one by one.
 *
 * Pointwise edges (forward, rescale) connect each subtask to a contiguous share of the other side, by
 * Flink's formulas; all others connect everybody.  A producing subtask has one subpartition per
 * consumer that it feeds, in the order of the consumers' subtask numbers.
 * Flink: EdgeManagerBuildUtil, DistributionPattern.  Thread: any. */
#ifndef FLINC_ENGINE_GRAPH_EDGE_CHANNELS_H
#define FLINC_ENGINE_GRAPH_EDGE_CHANNELS_H

#include "engine/graph/partitioner.h"

/* A run of subtasks: first, first + 1, ... */
struct subtask_range {
    uint32_t first, n;
};

struct edge_shape {
    Flinc__PartitionerKind kind;
    uint32_t producers, consumers; /* parallelisms, > 0 */
};

/* The consumers that a producing subtask feeds. */
struct subtask_range edge_consumers(const struct edge_shape *edge, uint32_t producer);
/* The producers that feed a consuming subtask. */
struct subtask_range edge_producers(const struct edge_shape *edge, uint32_t consumer);
/* The number of the subpartition of `producer` that `consumer` reads. */
uint32_t edge_subpartition(const struct edge_shape *edge, uint32_t producer, uint32_t consumer);

#endif
