/* What the control plane asks of a job graph: is it sound, how many slots does it need, what restarts
 * together.  The graph itself is Flinc__JobGraph (proto/graph.proto).
 * Flink: JobGraph, PipelinedRegion, SlotSharingGroup.  Thread: any (read-only). */
#ifndef FLINC_ENGINE_GRAPH_JOB_GRAPH_H
#define FLINC_ENGINE_GRAPH_JOB_GRAPH_H

#include "common/base/str.h"
#include "proto/graph.pb-c.h"

enum {
    JOB_GRAPH_BYTES_MAX = 256 * 1024 * 1024,
    JOB_GRAPH_PARALLELISM_MAX = 32768,
    JOB_GRAPH_SLOT_GROUPS_MAX = 1024, /* slot sharing groups with a profile of their own */
};

/* Decodes and validates.  Errors name what does not fit; a Java-serialized Flink graph is told apart. */
int job_graph_decode(const uint8_t *data, size_t size, Flinc__JobGraph **ret,
                     struct error *err) MUST_CHECK;
/* Every index, id, parallelism, schema and chain: for graphs from outside. */
int job_graph_validate(const Flinc__JobGraph *g, struct error *err) MUST_CHECK;
/* Slots needed at full parallelism: the sum over slot sharing groups of their largest vertex. */
uint32_t job_graph_slots(const Flinc__JobGraph *g);
uint64_t job_graph_tasks(const Flinc__JobGraph *g); /* subtasks of all vertices */
/* Pipelined regions: ret_region[task] = number of the region, tasks being counted vertex by vertex; returns
 * how many there are.  Subtasks that a pipelined edge connects restart together: all of both vertices, but
 * by a pointwise edge only those that it connects.  Costs O(tasks x edges). */
uint32_t job_graph_regions(const Flinc__JobGraph *g, uint32_t *ret_region);
/* The plan of vertices and edges, as REST's /jobs/:id/plan shows it. */
void job_graph_plan_json(const Flinc__JobGraph *g, struct str *out);

#endif
