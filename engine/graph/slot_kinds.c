/* Slot sharing groups by what their slots are worth; see slot_kinds.h. */
#include "engine/graph/slot_kinds.h"

#include "common/base/mem.h"
#include <string.h>

static uint32_t kind_of(struct slot_kinds *k, const struct resource_profile *p)
{
    for (uint32_t kind = 1; kind < k->n; kind++) {
        if (resource_profile_equals(&k->profiles[kind], p)) {
            return kind;
        }
    }
    k->profiles[k->n] = *p;
    return k->n++;
}

void slot_kinds_init(struct slot_kinds *k, const Flinc__JobGraph *graph)
{
    size_t n = graph->n_slot_sharing_groups;
    *k = (struct slot_kinds){.graph = graph, .n = 1};
    k->profiles = MEM_NEW_ARRAY(struct resource_profile, n + 1);
    k->of_group = MEM_NEW_ARRAY(uint32_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct resource_profile p = {0};
        int rc = resource_profile_read(graph->slot_sharing_groups[i]->profile, &p, NULL);
        ASSERT(rc == 0); /* job_graph_validate() has read it */
        k->of_group[i] = kind_of(k, &p);
    }
}

void slot_kinds_fini(struct slot_kinds *k)
{
    mem_free(k->profiles);
    mem_free(k->of_group);
    *k = (struct slot_kinds){0};
}

uint32_t slot_kinds_find(const struct slot_kinds *k, const char *group)
{
    for (size_t i = 0; i < k->graph->n_slot_sharing_groups; i++) {
        if (strcmp(k->graph->slot_sharing_groups[i]->name, group) == 0) {
            return k->of_group[i];
        }
    }
    return 0;
}

const struct resource_profile *slot_kinds_profile(const struct slot_kinds *k, uint32_t kind)
{
    return kind == 0 ? NULL : &k->profiles[kind];
}
