/* The kinds of slots that a job needs: one for each different resource profile of its slot sharing groups.  Kind 0
 * is any slot, of the default profile: what groups get that ask for nothing of their own.
 * Thread: any; read-only.  Flink: SlotSharingGroup.getResourceProfile, ResourceProfile.UNKNOWN. */
#ifndef FLINC_ENGINE_GRAPH_SLOT_KINDS_H
#define FLINC_ENGINE_GRAPH_SLOT_KINDS_H

#include "engine/graph/resource_profile.h"

struct slot_kinds {
    const Flinc__JobGraph *graph;      /* Borrows */
    struct resource_profile *profiles; /* Owns; by kind; that of kind 0 says nothing */
    uint32_t n;                        /* at least 1 */
    uint32_t *of_group;                /* Owns; by position in graph->slot_sharing_groups */
};
/* Caller's memory; the graph is valid and outlives it. */
void slot_kinds_init(struct slot_kinds *k, const Flinc__JobGraph *graph);
void slot_kinds_fini(struct slot_kinds *k);
/* The kind of slot that the group of this name runs in. */
uint32_t slot_kinds_find(const struct slot_kinds *k, const char *group);
/* NULL: kind 0, which has none of its own. */
const struct resource_profile *slot_kinds_profile(const struct slot_kinds *k, uint32_t kind);

#endif
