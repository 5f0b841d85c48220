/* Makes job graphs of vertices whose operators have the ids of metadata_maker.h. */
#ifndef FLINC_TESTS_ENGINE_SNAPSHOT_GRAPH_MAKER_H
#define FLINC_TESTS_ENGINE_SNAPSHOT_GRAPH_MAKER_H

#include "tests/unit/engine_snapshot/metadata_maker.h"

static inline Flinc__JobGraph *make_graph(void)
{
    Flinc__JobGraph *g = MEM_NEW(Flinc__JobGraph);
    flinc__job_graph__init(g);
    return g;
}

static inline Flinc__JobVertex *add_vertex(Flinc__JobGraph *g, const char *name,
                                           uint32_t parallelism, uint32_t max_parallelism)
{
    Flinc__JobVertex *v =
        ADD_MESSAGE(g->n_vertices, g->vertices, Flinc__JobVertex, flinc__job_vertex__init);
    v->name = mem_strdup(name);
    v->parallelism = parallelism;
    v->max_parallelism = max_parallelism;
    return v;
}

static inline void add_chained(Flinc__JobVertex *v, uint8_t id, const char *name)
{
    Flinc__Operator *o =
        ADD_MESSAGE(v->n_operators, v->operators, Flinc__Operator, flinc__operator__init);
    o->id = make_id(id);
    o->name = mem_strdup(name);
}

static inline void add_edge(Flinc__JobGraph *g, uint32_t from, uint32_t to)
{
    Flinc__JobEdge *e = ADD_MESSAGE(g->n_edges, g->edges, Flinc__JobEdge, flinc__job_edge__init);
    e->source_vertex = from;
    e->target_vertex = to;
}

#endif
