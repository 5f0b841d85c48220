/* Job graphs by hand for the tests of the job master. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_GRAPHS_H
#define FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_GRAPHS_H

#include "engine/graph/job_graph.h"
#include "engine/graph/stream_graph.h"
#include <stdlib.h>

#define TEST_SCHEMA "ROW<word STRING NOT NULL, count BIGINT NOT NULL>"

struct vertex_spec {
    const char *name;
    uint32_t parallelism;
    const char *group;       /* slot sharing group; NULL: "default" */
    const char *coordinator; /* kind; NULL: none */
};

struct edge_spec {
    uint32_t from, to;
    Flinc__PartitionerKind kind;
    Flinc__ExchangeMode mode;
};

/* Protobuf-c frees what it unpacked by free(). */
static inline void *graph_zalloc(size_t size)
{
    void *p = calloc(1, size);
    ASSERT(p != NULL);
    return p;
}

static inline ProtobufCBinaryData graph_id(uint8_t kind, uint32_t number)
{
    uint8_t *bytes = graph_zalloc(16);
    bytes[0] = kind;
    memcpy(bytes + 1, &number, sizeof(number));
    return (ProtobufCBinaryData){16, bytes};
}

static inline Flinc__JobVertex *graph_vertex(const struct vertex_spec *spec, uint32_t number,
                                             uint32_t n_inputs)
{
    Flinc__JobVertex *v = graph_zalloc(sizeof(*v));
    Flinc__Operator *op = graph_zalloc(sizeof(*op));
    flinc__job_vertex__init(v);
    flinc__operator__init(op);
    op->id = graph_id('o', number);
    op->name = strdup(spec->name);
    op->kind = strdup("test.operator");
    op->coordinator = strdup(spec->coordinator != NULL ? spec->coordinator : "");
    op->n_input_schemas = n_inputs;
    op->input_schemas = graph_zalloc((n_inputs + 1) * sizeof(char *));
    for (uint32_t i = 0; i < n_inputs; i++) {
        op->input_schemas[i] = strdup(TEST_SCHEMA);
    }
    op->n_outputs = 1;
    op->outputs = graph_zalloc(sizeof(op->outputs[0]));
    op->outputs[0] = graph_zalloc(sizeof(*op->outputs[0]));
    flinc__operator_output__init(op->outputs[0]);
    op->outputs[0]->schema = strdup(TEST_SCHEMA);
    v->id = graph_id('v', number);
    v->name = strdup(spec->name);
    v->n_operators = 1;
    v->operators = graph_zalloc(sizeof(v->operators[0]));
    v->operators[0] = op;
    v->parallelism = spec->parallelism;
    v->max_parallelism = 128;
    v->slot_sharing_group = strdup(spec->group != NULL ? spec->group : "default");
    v->n_inputs = n_inputs;
    return v;
}

static inline Flinc__JobEdge *graph_edge(const struct edge_spec *spec, uint32_t number,
                                         uint32_t input)
{
    Flinc__JobEdge *e = graph_zalloc(sizeof(*e));
    flinc__job_edge__init(e);
    e->id = graph_id('e', number);
    e->source_vertex = spec->from;
    e->target_vertex = spec->to;
    e->target_input = input;
    e->partitioner = graph_zalloc(sizeof(*e->partitioner));
    flinc__partitioner__init(e->partitioner);
    e->partitioner->kind = spec->kind;
    if (spec->kind == FLINC__PARTITIONER_KIND__PARTITION_HASH) { /* by the first column */
        e->partitioner->n_key_columns = 1;
        e->partitioner->key_columns = graph_zalloc(sizeof(e->partitioner->key_columns[0]));
    }
    e->mode = spec->mode;
    e->schema = strdup(TEST_SCHEMA);
    return e;
}

static inline Flinc__JobGraph *graph_new(const struct vertex_spec *vertices, uint32_t n_vertices,
                                         const struct edge_spec *edges, uint32_t n_edges)
{
    Flinc__JobGraph *g = graph_zalloc(sizeof(*g));
    flinc__job_graph__init(g);
    g->version = JOB_GRAPH_VERSION;
    g->job_id = graph_id('j', 1);
    g->name = strdup("wordcount");
    g->n_vertices = n_vertices;
    g->vertices = graph_zalloc(n_vertices * sizeof(g->vertices[0]));
    g->n_edges = n_edges;
    g->edges = graph_zalloc((n_edges + 1) * sizeof(g->edges[0]));
    for (uint32_t i = 0; i < n_vertices; i++) {
        uint32_t n_inputs = 0;
        for (uint32_t j = 0; j < n_edges; j++) {
            if (edges[j].to == i) {
                g->edges[j] = graph_edge(&edges[j], j, n_inputs++);
            }
        }
        g->vertices[i] = graph_vertex(&vertices[i], i, n_inputs);
    }
    return g;
}

/* The slots of a group are to be worth this. */
static inline void graph_add_group(Flinc__JobGraph *g, const char *name, double cpu,
                                   uint64_t task_heap_bytes)
{
    Flinc__SlotSharingGroup *group = graph_zalloc(sizeof(*group));
    flinc__slot_sharing_group__init(group);
    group->name = strdup(name);
    group->profile = graph_zalloc(sizeof(*group->profile));
    flinc__resource_profile__init(group->profile);
    group->profile->cpu_cores = cpu;
    group->profile->task_heap_bytes = task_heap_bytes;
    g->slot_sharing_groups = realloc(g->slot_sharing_groups, (g->n_slot_sharing_groups + 1) *
                                                                 sizeof(g->slot_sharing_groups[0]));
    g->slot_sharing_groups[g->n_slot_sharing_groups++] = group;
}

static inline void graph_add_config(Flinc__JobGraph *g, const char *key, const char *value)
{
    g->config = realloc(g->config, (g->n_config + 1) * sizeof(g->config[0]));
    Flinc__KeyValue *kv = graph_zalloc(sizeof(*kv));
    flinc__key_value__init(kv);
    kv->key = strdup(key);
    kv->value = strdup(value);
    g->config[g->n_config++] = kv;
}

/* Source (2) -> Count (3): one region, three slots. */
static inline Flinc__JobGraph *graph_word_count(void)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, NULL},
                                                  {"Count", 3, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
                                              FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    return graph_new(vertices, 2, edges, 1);
}

#endif
