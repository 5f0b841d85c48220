/* The stream graph: operators and edges as the program named them, before chaining.  The SDK (and later
 * SQL) builds one and translates it into a job graph, which is plain data (proto/graph.proto).
 *
 *   stream graph --stream_graph_translate()--> Flinc__JobGraph --job_graph_validate()--> job master
 *
 * Everything lives in the graph's arena.  Flink: StreamGraph, StreamNode, StreamEdge.
 * Thread: one owner. */
#ifndef FLINC_ENGINE_GRAPH_STREAM_GRAPH_H
#define FLINC_ENGINE_GRAPH_STREAM_GRAPH_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "engine/graph/resource_profile.h"

struct schema;

enum {
    STREAM_GRAPH_NODES_MAX = 10000, /* operators in a job */
    STREAM_NODE_INPUTS_MAX = 2,     /* logical inputs; a union is several edges into one */
    JOB_GRAPH_VERSION = 1,
};

/* Flink: ChainingStrategy. */
enum chaining {
    CHAINING_ALWAYS, /* may join the chain of its input, and others may join it */
    CHAINING_HEAD,   /* starts a chain; others may join it */
    CHAINING_NEVER,
};

struct stream_output {
    const char *tag;             /* "" for the main output */
    const struct schema *schema; /* Borrows a ref that the graph keeps */
};

struct stream_edge {
    uint32_t source; /* node index */
    uint32_t source_output;
    uint32_t target;
    uint32_t target_input;
    bool has_partitioner; /* false: forward where parallelisms agree, else rebalance */
    Flinc__Partitioner *partitioner;
    const char *location;             /* where the job asked for it */
    struct stream_combiner *combiner; /* NULL: none */
};

/* An operator that may run before an edge in BATCH mode, chained to its source, to send less over it: it
 * keeps the schema, and its target gives the same results with it as without. */
struct stream_combiner {
    const char *kind;
    const char *name;
    uint8_t *config;
    size_t config_size;
};

struct stream_node {
    uint32_t index; /* in the graph; its id for people is index + 1 */
    const char *kind;
    const char *name;
    const char *uid; /* NULL: an id from the topology */
    const char *description;
    const char *location; /* "job.c:12" */
    uint8_t *config;
    size_t config_size;
    Flinc__FunctionRef **functions;
    uint32_t n_functions;
    struct vec outputs; /* struct stream_output; 0 is the main one */
    uint32_t n_inputs;
    const struct schema *input_schemas[STREAM_NODE_INPUTS_MAX];
    int32_t parallelism;            /* 0: the job's default */
    int32_t max_parallelism;        /* 0: the job's, or derived */
    uint32_t parallelism_limit;     /* what the operator can do (socket source: 1); 0: no limit */
    const char *slot_sharing_group; /* NULL: its inputs' */
    enum chaining chaining;
    bool bounded; /* sources: ends by itself */
    bool is_sink;
    const char *coordinator; /* kind of its coordinator half, or NULL */
    bool holds_sources;      /* must be in one vertex with its source, also when chaining is off */
    Flinc__Partitioner *partitioner; /* of edges into it that say none; NULL: none */
    struct stream_node
        *behind; /* a sink of two operators: the second, already connected; NULL: it is one */
};

/* A slot sharing group whose slots are worth something of their own.  Flink: SlotSharingGroup. */
struct stream_slot_group {
    const char *name;
    const char *location; /* "job.c:12" */
    struct resource_profile profile;
};

struct stream_graph {
    struct arena arena;
    struct vec nodes;   /* struct stream_node *, in the order they were made */
    struct vec edges;   /* struct stream_edge * */
    struct vec schemas; /* refs kept */
    struct vec groups;  /* struct stream_slot_group *; those with a profile */
};

/* Options of a translation; from the job's configuration. */
struct translate_options {
    const char *job_name;
    struct flinc_id job_id;
    int32_t default_parallelism; /* parallelism.default */
    int32_t max_parallelism;     /* pipeline.max-parallelism; <= 0: derived */
    bool chaining;               /* pipeline.operator-chaining.enabled */
    bool chain_different_max_parallelism;
    bool combine;      /* pipeline.batch.local-aggregation.enabled */
    bool require_uids; /* pipeline.auto-generate-uids is false */
    bool batch;        /* execution.runtime-mode BATCH */
    bool automatic;    /* execution.runtime-mode AUTOMATIC: batch when all is bounded */
    const Flinc__KeyValue *const *config; /* Borrows: copied */
    size_t n_config;
    const Flinc__Library *const *libraries; /* Borrows: copied */
    size_t n_libraries;
};

void stream_graph_init(struct stream_graph *g);
void stream_graph_fini(struct stream_graph *g);
/* A node with one main output.  `schema` may be NULL for sinks. */
struct stream_node *stream_graph_add(struct stream_graph *g, const char *kind, const char *name,
                                     const struct schema *schema);
struct stream_node *stream_graph_node(const struct stream_graph *g, uint32_t index);
/* Index of the new (or existing) side output of this tag. */
uint32_t stream_node_add_output(struct stream_graph *g, struct stream_node *n, const char *tag,
                                const struct schema *schema);
void stream_node_set_config(struct stream_graph *g, struct stream_node *n, const uint8_t *data,
                            size_t size);
/* Edges that will be made into the node without a partitioner have this one; copied. */
void stream_node_set_partitioner(struct stream_graph *g, struct stream_node *n,
                                 const Flinc__Partitioner *partitioner);
/* Copies the reference. */
void stream_node_add_function(struct stream_graph *g, struct stream_node *n,
                              const Flinc__FunctionRef *fn);
/* `partitioner` may be NULL; copied. */
void stream_graph_connect(struct stream_graph *g, uint32_t source, uint32_t source_output,
                          uint32_t target, uint32_t target_input,
                          const Flinc__Partitioner *partitioner, const char *location);
/* Gives every edge into an input of the node a combiner. */
void stream_graph_combine(struct stream_graph *g, const struct stream_node *target, uint32_t input,
                          const struct stream_combiner *combiner);
/* Slots of this group are worth so much.  ERR_INVALID_ARGUMENT: they were to be worth something else before. */
int stream_graph_set_profile(struct stream_graph *g, const char *group,
                             const struct resource_profile *profile, const char *location,
                             struct error *err) MUST_CHECK;
/* True when every source ends by itself. */
bool stream_graph_is_bounded(const struct stream_graph *g);
/* Effective parallelism of a node under the options. */
uint32_t stream_node_parallelism(const struct stream_node *n, const struct translate_options *o);

/* Chains operators into vertices, gives ids, names and slot sharing groups, and writes the plan.  The
 * job graph belongs to the caller (flinc__job_graph__free_unpacked). */
int stream_graph_translate(struct stream_graph *g, const struct translate_options *options,
                           Flinc__JobGraph **ret, struct error *err) MUST_CHECK;

#endif
