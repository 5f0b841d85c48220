/* How many subtasks each vertex of a job gets from the slots that there are.
 *
 * A vertex has bounds; the vertices of a slot sharing group share its slots, subtask i of each running in
 * slot i, so a group needs as many slots as its widest vertex.  Slots are dealt to the groups: each gets
 * what its lower bounds ask for, and an equal share of the rest.  Vertices that a forward edge connects
 * have one parallelism, since a forward edge joins subtasks one to one.
 *
 * Pure: no thread, no clock.  Flink: SlotSharingSlotAllocator, VertexParallelismStore. */
#ifndef FLINC_JOBMANAGER_ADAPTIVE_PARALLELISM_H
#define FLINC_JOBMANAGER_ADAPTIVE_PARALLELISM_H

#include "common/base/error.h"
#include "engine/graph/slot_kinds.h"

/* Flink: JobVertexResourceRequirements.Parallelism; lower <= upper, both from 1 on. */
struct parallelism_bounds {
    uint32_t lower, upper;
};

/* Slots of one kind can serve all groups that ask for this kind (engine/graph/slot_kinds.h). */
struct parallelism_group {
    const char *name; /* Borrows: of the graph */
    uint32_t slot_kind;
    uint32_t lower, upper; /* slots; set by parallelism_set_bounds() */
};

struct parallelism_vertex {
    uint32_t group;
    uint32_t leader; /* the first of the vertices that forward edges connect with it */
    uint32_t limit;  /* what it can run with: key groups, or what its operators say */
    struct parallelism_bounds bounds;
};

/* A job as far as its parallelism goes.  Caller's memory; borrows the graph. */
struct parallelism_problem {
    const Flinc__JobGraph *graph;
    struct parallelism_vertex *vertices; /* Owns; as in the graph */
    uint32_t n_vertices;
    struct parallelism_group *groups; /* Owns */
    uint32_t n_groups;
    struct slot_kinds kinds;
    uint32_t n_slot_kinds; /* at least 1 */
};
void parallelism_init(struct parallelism_problem *p, const Flinc__JobGraph *graph);
void parallelism_fini(struct parallelism_problem *p);

/* What is wrong with bounds that somebody asks for, by vertex; several reasons in one text.  What operators of a
 * vertex cannot run with is no mistake: bounds are cut to it.
 * ERR_INVALID_ARGUMENT. */
int parallelism_check_bounds(const struct parallelism_problem *p,
                             const struct parallelism_bounds *bounds, struct error *err) MUST_CHECK;
/* Bounds are cut to the limits, and made equal along forward edges: the higher lower one and the lower
 * upper one. */
void parallelism_set_bounds(struct parallelism_problem *p, const struct parallelism_bounds *bounds);
/* The vertex runs with this number of key groups, which bounds it. */
void parallelism_set_limit(struct parallelism_problem *p, uint32_t vertex, uint32_t limit);

/* Slots of this kind without which the job does not run / more than which it cannot use. */
uint32_t parallelism_slots_min(const struct parallelism_problem *p, uint32_t slot_kind);
uint32_t parallelism_slots_max(const struct parallelism_problem *p, uint32_t slot_kind);

/* With n_slots[kind] slots: the parallelism of each vertex (ret, n_vertices of them), and the slots of each
 * group that are used (ret_slots, n_groups; may be NULL).  False: not even the lower bounds fit, nothing is
 * written. */
bool parallelism_determine(const struct parallelism_problem *p, const uint32_t *n_slots,
                           uint32_t *ret, uint32_t *ret_slots);

#endif
