/* Parallelism from slots; see parallelism.h. */
#include "jobmanager/adaptive/parallelism.h"

#include "common/base/mem.h"
#include "common/base/str.h"
#include <string.h>

/* ---- the problem ---------------------------------------------------------------------------------- */

static uint32_t group_of(struct parallelism_problem *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_groups; i++) {
        if (strcmp(p->groups[i].name, name) == 0) {
            return i;
        }
    }
    p->groups[p->n_groups] =
        (struct parallelism_group){.name = name, .slot_kind = slot_kinds_find(&p->kinds, name)};
    return p->n_groups++;
}

/* Vertices are in topological order, but a vertex may have several forward inputs with different
 * leaders: the whole set takes the smallest. */
static void join(struct parallelism_problem *p, uint32_t a, uint32_t b)
{
    uint32_t from = MAX(p->vertices[a].leader, p->vertices[b].leader);
    uint32_t to = MIN(p->vertices[a].leader, p->vertices[b].leader);
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        if (p->vertices[i].leader == from) {
            p->vertices[i].leader = to;
        }
    }
}

void parallelism_init(struct parallelism_problem *p, const Flinc__JobGraph *graph)
{
    *p = (struct parallelism_problem){.graph = graph, .n_vertices = (uint32_t)graph->n_vertices};
    slot_kinds_init(&p->kinds, graph);
    p->n_slot_kinds = p->kinds.n;
    p->vertices = MEM_NEW_ARRAY(struct parallelism_vertex, graph->n_vertices + 1);
    p->groups = MEM_NEW_ARRAY(struct parallelism_group, graph->n_vertices + 1);
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        const Flinc__JobVertex *v = graph->vertices[i];
        p->vertices[i] = (struct parallelism_vertex){
            .group = group_of(p, v->slot_sharing_group), .leader = i, .limit = v->max_parallelism};
        if (v->parallelism_limit > 0) {
            p->vertices[i].limit = MIN(p->vertices[i].limit, v->parallelism_limit);
        }
    }
    for (size_t i = 0; i < graph->n_edges; i++) {
        const Flinc__JobEdge *e = graph->edges[i];
        if (e->partitioner->kind == FLINC__PARTITIONER_KIND__PARTITION_FORWARD) {
            join(p, e->source_vertex, e->target_vertex);
        }
    }
}

void parallelism_fini(struct parallelism_problem *p)
{
    slot_kinds_fini(&p->kinds);
    mem_free(p->vertices);
    mem_free(p->groups);
    *p = (struct parallelism_problem){0};
}

/* ---- bounds --------------------------------------------------------------------------------------- */

/* The bounds of everybody along forward edges, which end up with the leader. */
static void settle(const struct parallelism_problem *p, const struct parallelism_bounds *bounds,
                   struct parallelism_bounds *ret)
{
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        uint32_t limit = p->vertices[i].limit;
        struct parallelism_bounds b = {MIN(bounds[i].lower, limit), MIN(bounds[i].upper, limit)};
        struct parallelism_bounds *leader = &ret[p->vertices[i].leader];
        ret[i] = b;
        leader->lower = MAX(leader->lower, b.lower);
        leader->upper = MIN(leader->upper, b.upper);
    }
}

int parallelism_check_bounds(const struct parallelism_problem *p,
                             const struct parallelism_bounds *bounds, struct error *err)
{
    STR_AUTO text = STR_INIT;
    struct parallelism_bounds *settled =
        MEM_NEW_ARRAY(struct parallelism_bounds, (size_t)p->n_vertices + 1);
    settle(p, bounds, settled);
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        const char *name = p->graph->vertices[i]->name;
        const struct parallelism_bounds *b = &bounds[i];
        const struct parallelism_bounds *s = &settled[p->vertices[i].leader];
        const char *comma = text.len > 0 ? ", " : "";
        if (b->lower < 1 || b->upper < 1) {
            str_printf(&text,
                       "%sThe requested bounds [%u, %u] for job vertex [%s] must be greater than "
                       "zero",
                       comma, b->lower, b->upper, name);
        } else if (b->lower > b->upper) {
            str_printf(&text,
                       "%sThe requested lower bound [%u] for job vertex [%s] is higher than the "
                       "upper bound [%u]",
                       comma, b->lower, name, b->upper);
        } else if (b->upper > p->graph->vertices[i]->max_parallelism) {
            str_printf(&text,
                       "%sThe newly requested parallelism [%u] for the job vertex [%s] exceeds "
                       "its maximum parallelism [%u]",
                       comma, b->upper, name, p->graph->vertices[i]->max_parallelism);
        } else if (s->lower > s->upper) {
            str_printf(&text,
                       "%sThe bounds [%u, %u] of job vertex [%s] leave no parallelism that it "
                       "can share with the vertices that forward edges connect it with",
                       comma, b->lower, b->upper, name);
        }
    }
    mem_free(settled);
    return text.len > 0 ? error_set(err, ERR_INVALID_ARGUMENT, "%s", str_cstr(&text)) : 0;
}

void parallelism_set_bounds(struct parallelism_problem *p, const struct parallelism_bounds *bounds)
{
    struct parallelism_bounds *settled =
        MEM_NEW_ARRAY(struct parallelism_bounds, (size_t)p->n_vertices + 1);
    settle(p, bounds, settled);
    for (uint32_t i = 0; i < p->n_groups; i++) {
        p->groups[i].lower = p->groups[i].upper = 0;
    }
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        struct parallelism_vertex *v = &p->vertices[i];
        struct parallelism_group *g = &p->groups[v->group];
        v->bounds = settled[v->leader];
        v->bounds.lower = MIN(v->bounds.lower, v->bounds.upper);
        g->lower = MAX(g->lower, v->bounds.lower);
        g->upper = MAX(g->upper, v->bounds.upper);
    }
    mem_free(settled);
}

void parallelism_set_limit(struct parallelism_problem *p, uint32_t vertex, uint32_t limit)
{
    uint32_t own = p->graph->vertices[vertex]->parallelism_limit;
    p->vertices[vertex].limit = own > 0 ? MIN(own, limit) : limit;
}

uint32_t parallelism_slots_min(const struct parallelism_problem *p, uint32_t slot_kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_groups; i++) {
        n += p->groups[i].slot_kind == slot_kind ? p->groups[i].lower : 0;
    }
    return n;
}

uint32_t parallelism_slots_max(const struct parallelism_problem *p, uint32_t slot_kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_groups; i++) {
        n += p->groups[i].slot_kind == slot_kind ? p->groups[i].upper : 0;
    }
    return n;
}

/* ---- dealing -------------------------------------------------------------------------------------- */

static uint32_t range_of(const struct parallelism_group *g)
{
    return g->upper - g->lower;
}

/* The group of this kind that has no slots yet and can use the fewest beyond its lower bound: what it
 * leaves goes to the others. */
static uint32_t next_group(const struct parallelism_problem *p, uint32_t slot_kind,
                           const uint32_t *slots)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < p->n_groups; i++) {
        if (p->groups[i].slot_kind == slot_kind && slots[i] == UINT32_MAX &&
            (best == UINT32_MAX || range_of(&p->groups[i]) < range_of(&p->groups[best]))) {
            best = i;
        }
    }
    return best;
}

static void deal(const struct parallelism_problem *p, uint32_t slot_kind, uint32_t n_slots,
                 uint32_t *slots)
{
    uint32_t reserved = parallelism_slots_min(p, slot_kind);
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < p->n_groups; i++) {
        n_left += p->groups[i].slot_kind == slot_kind;
    }
    for (; n_left > 0; n_left--) {
        uint32_t i = next_group(p, slot_kind, slots);
        const struct parallelism_group *g = &p->groups[i];
        uint32_t share = (n_slots - reserved) / n_left;
        slots[i] = g->lower + MIN(range_of(g), share);
        n_slots -= slots[i];
        reserved -= g->lower;
    }
}

bool parallelism_determine(const struct parallelism_problem *p, const uint32_t *n_slots,
                           uint32_t *ret, uint32_t *ret_slots)
{
    for (uint32_t kind = 0; kind < p->n_slot_kinds; kind++) {
        if (n_slots[kind] < parallelism_slots_min(p, kind)) {
            return false;
        }
    }
    uint32_t *slots = MEM_NEW_ARRAY(uint32_t, (size_t)p->n_groups + 1);
    memset(slots, 0xff, p->n_groups * sizeof(slots[0]));
    for (uint32_t kind = 0; kind < p->n_slot_kinds; kind++) {
        deal(p, kind, n_slots[kind], slots);
    }
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        const struct parallelism_vertex *v = &p->vertices[i];
        ret[i] = MIN(v->bounds.upper, slots[v->group]);
        ret[v->leader] = MIN(ret[v->leader], ret[i]);
    }
    uint32_t *used = ret_slots;
    for (uint32_t i = 0; i < p->n_groups && used != NULL; i++) {
        used[i] = 0;
    }
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        const struct parallelism_vertex *v = &p->vertices[i];
        ret[i] = ret[v->leader];
        if (used != NULL) {
            used[v->group] = MAX(used[v->group], ret[i]);
        }
    }
    mem_free(slots);
    return true;
}
