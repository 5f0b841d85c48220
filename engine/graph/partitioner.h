/* What is known about each partitioner: its name in plans, and whether it connects a subtask to a share of the
 * other side only.  One row each (partitioner.c); the exchange and the plans both read it.
 * Flink: StreamPartitioner.toString, isPointwise.  Thread: any. */
#ifndef FLINC_ENGINE_GRAPH_PARTITIONER_H
#define FLINC_ENGINE_GRAPH_PARTITIONER_H

#include "common/base/macros.h"
#include "proto/graph.pb-c.h"
#include <stdbool.h>

const char *partitioner_name(Flinc__PartitionerKind kind); /* "FORWARD", "HASH", ...; "UNKNOWN" */
bool partitioner_is_pointwise(Flinc__PartitionerKind kind);
/* Barriers may overtake what is in flight on such an edge, because what they overtake can be dealt anew to
 * any number of subtasks.  Not those of pointwise, broadcast and custom edges, as in Flink. */
bool partitioner_is_overtakable(Flinc__PartitionerKind kind);

#endif
