/* Shared by the steps of a translation: stream_graph.c collects, ids.c hashes, chain.c groups, plan.c
 * prints, translate.c writes the job graph.  Lives for one call of stream_graph_translate(). */
#ifndef FLINC_ENGINE_GRAPH_TRANSLATE_INTERNAL_H
#define FLINC_ENGINE_GRAPH_TRANSLATE_INTERNAL_H

#include "common/base/str.h"
#include "engine/graph/stream_graph.h"

struct translate_edge {
    const struct stream_edge *edge;
    Flinc__PartitionerKind kind; /* after defaults */
    bool chained;
    bool combined;     /* its combiner is an operator of the source's vertex, */
    uint32_t combiner; /* at this position */
};

struct translate_node {
    struct stream_node *node;
    uint32_t parallelism, max_parallelism;
    bool max_parallelism_derived; /* from the parallelism: nobody asked for it */
    const char *group;            /* slot sharing group */
    struct flinc_id id;
    bool hashed;
    bool is_below_source; /* with its source it feeds a node that holds sources: always chained */
    struct vec in, out;   /* struct translate_edge * */
    uint32_t head;        /* node index of its chain's head */
    uint32_t vertex;      /* index of its vertex */
    uint32_t position;    /* index among the vertex's operators */
};

struct translation {
    struct stream_graph *graph;
    const struct translate_options *options;
    bool batch;
    struct translate_node *nodes; /* by node index */
    struct translate_edge *edges;
    uint32_t n_nodes, n_edges;
    uint32_t *order;  /* node indexes, topological, sources first */
    struct vec heads; /* uint32_t node indexes of chain heads, topological */
};

/* Flink's ids: murmur3_128 of the uid, else of the position, mixed with the inputs' ids. */
int translation_assign_ids(struct translation *t, struct error *err) MUST_CHECK;
/* Decides which edges are calls; sets head, vertex and position of every node.  Fails when a node that holds
 * sources would not be with its source. */
int translation_chain(struct translation *t, struct error *err) MUST_CHECK;
/* "Source: a -> (b, c -> d)" */
void translation_chain_name(const struct translation *t, uint32_t node, struct str *out);
/* The plan of the stream graph, as `flink info` prints it. */
void translation_plan(const struct translation *t, struct str *out);

void murmur3_128(const void *data, size_t len, uint32_t seed, uint8_t ret[16]);

#endif
