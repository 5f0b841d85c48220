/* Plans as JSON, in Flink's shapes: of the stream graph (`flink info`) and of the job graph (REST). */
#include "common/base/clock.h"
#include "common/text/json_writer.h"
#include "engine/graph/job_graph.h"
#include "engine/graph/partitioner.h"
#include "engine/graph/translate_internal.h"

static const char *node_pact(const struct translate_node *n)
{
    if (n->in.len == 0) {
        return "Data Source";
    }
    return n->node->is_sink ? "Data Sink" : "Operator";
}

static void plan_node(const struct translation *t, const struct translate_node *n,
                      struct json_writer *w)
{
    json_writer_object(w);
    json_writer_put_int(w, "id", n->node->index + 1);
    json_writer_put_string(w, "type", n->node->name);
    json_writer_put_string(w, "pact", node_pact(n));
    json_writer_put_string(w, "contents",
                           n->node->description != NULL ? n->node->description : n->node->name);
    json_writer_put_int(w, "parallelism", n->parallelism);
    if (n->in.len > 0) {
        json_writer_key(w, "predecessors");
        json_writer_array(w);
        for (size_t i = 0; i < n->in.len; i++) {
            const struct translate_edge *e = vec_ptr(&n->in, i);
            json_writer_object(w);
            json_writer_put_int(w, "id", t->nodes[e->edge->source].node->index + 1);
            json_writer_put_string(w, "ship_strategy", partitioner_name(e->kind));
            json_writer_put_string(w, "side", i == 0 ? "first" : "second");
            json_writer_end(w);
        }
        json_writer_end(w);
    }
    json_writer_end(w);
}

void translation_plan(const struct translation *t, struct str *out)
{
    struct json_writer w;

    json_writer_init(&w, out, JSON_STYLE_PRETTY);
    json_writer_object(&w);
    json_writer_key(&w, "nodes");
    json_writer_array(&w);
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        plan_node(t, &t->nodes[t->order[i]], &w);
    }
    json_writer_end(&w);
    json_writer_end(&w);
    json_writer_finish(&w);
}

static void put_id(struct json_writer *w, const char *key, const ProtobufCBinaryData *bytes)
{
    struct flinc_id id = {{0}};
    char hex[ID_HEX_LEN + 1];

    memcpy(id.bytes, bytes->data, MIN(bytes->len, sizeof(id.bytes)));
    id_format(&id, hex);
    json_writer_put_string(w, key, hex);
}

static void plan_vertex(const Flinc__JobGraph *g, uint32_t vertex, struct json_writer *w)
{
    const Flinc__JobVertex *v = g->vertices[vertex];
    uint32_t n_inputs = 0;

    json_writer_object(w);
    put_id(w, "id", &v->id);
    json_writer_put_int(w, "parallelism", v->parallelism);
    json_writer_put_string(w, "operator", "");
    json_writer_put_string(w, "operator_strategy", "");
    json_writer_put_string(w, "description", v->description);
    for (size_t i = 0; i < g->n_edges; i++) {
        const Flinc__JobEdge *e = g->edges[i];
        if (e->target_vertex != vertex) {
            continue;
        }
        if (n_inputs == 0) {
            json_writer_key(w, "inputs");
            json_writer_array(w);
        }
        json_writer_object(w);
        json_writer_put_int(w, "num", n_inputs++);
        put_id(w, "id", &g->vertices[e->source_vertex]->id);
        json_writer_put_string(w, "ship_strategy", e->ship_strategy);
        json_writer_put_string(
            w, "exchange",
            e->mode == FLINC__EXCHANGE_MODE__EXCHANGE_BLOCKING ? "blocking" : "pipelined_bounded");
        json_writer_end(w);
    }
    if (n_inputs > 0) {
        json_writer_end(w);
    }
    json_writer_key(w, "optimizer_properties");
    json_writer_object(w);
    json_writer_end(w);
    json_writer_end(w);
}

void job_graph_plan_json(const Flinc__JobGraph *g, struct str *out)
{
    struct json_writer w;

    json_writer_init(&w, out, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    put_id(&w, "jid", &g->job_id);
    json_writer_put_string(&w, "name", g->name);
    json_writer_put_string(
        &w, "type", g->runtime_mode == FLINC__RUNTIME_MODE__RUNTIME_BATCH ? "BATCH" : "STREAMING");
    json_writer_key(&w, "nodes");
    json_writer_array(&w);
    for (size_t i = g->n_vertices; i-- > 0;) { /* sinks first, as Flink lists them */
        plan_vertex(g, (uint32_t)i, &w);
    }
    json_writer_end(&w);
    json_writer_end(&w);
    json_writer_finish(&w);
}
