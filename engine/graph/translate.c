/* Stream graph -> job graph: defaults, checks, order, ids, chains; then the messages, written into the
 * stream graph's arena, packed and unpacked once so that the result owns all it points to.
 * Flink: StreamingJobGraphGenerator. */
#include "engine/data/hash.h"
#include "engine/data/schema.h"
#include "engine/graph/job_graph.h"
#include "engine/graph/partitioner.h"
#include "engine/graph/translate_internal.h"

static const char default_group[] = "default";

static const char *place_of(const char *location)
{
    return location != NULL ? location : "unknown place";
}

/* ---- settling what was left open ------------------------------------------------------------- */

static int settle_node(struct translation *t, struct translate_node *n, struct error *err)
{
    const struct stream_node *node = n->node;

    n->parallelism = stream_node_parallelism(node, t->options);
    if (n->parallelism > JOB_GRAPH_PARALLELISM_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "parallelism %u of operator '%s' is over the limit of %d", n->parallelism,
                         node->name, JOB_GRAPH_PARALLELISM_MAX);
    }
    if (node->parallelism_limit > 0 && n->parallelism > node->parallelism_limit) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' (%s) runs with parallelism %u at most, but has %u",
                         node->name, place_of(node->location), node->parallelism_limit,
                         n->parallelism);
    }
    if (node->max_parallelism > 0) {
        n->max_parallelism = (uint32_t)node->max_parallelism;
    } else if (t->options->max_parallelism > 0) {
        n->max_parallelism = (uint32_t)t->options->max_parallelism;
    } else {
        n->max_parallelism = max_parallelism_default(n->parallelism);
        n->max_parallelism_derived = true;
    }
    if (n->max_parallelism < n->parallelism || n->max_parallelism > MAX_PARALLELISM_LIMIT) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' has parallelism %u, which does not fit its maximum "
                         "parallelism %u (at most %d): raise pipeline.max-parallelism or lower the "
                         "parallelism",
                         node->name, n->parallelism, n->max_parallelism, MAX_PARALLELISM_LIMIT);
    }
    return 0;
}

/* A node's group is its own, else its inputs' when they agree, else the default one. */
static void settle_group(struct translation *t, struct translate_node *n)
{
    n->group = n->node->slot_sharing_group;
    for (size_t i = 0; n->node->slot_sharing_group == NULL && i < n->in.len; i++) {
        const struct translate_edge *e = vec_ptr(&n->in, i);
        const char *group = t->nodes[e->edge->source].group;
        if (n->group != NULL && strcmp(n->group, group) != 0) {
            n->group = default_group;
            break;
        }
        n->group = group;
    }
    if (n->group == NULL) {
        n->group = default_group;
    }
}

static int settle_edge(struct translation *t, struct translate_edge *e, struct error *err)
{
    const struct translate_node *up = &t->nodes[e->edge->source];
    const struct translate_node *down = &t->nodes[e->edge->target];

    if (e->edge->has_partitioner) {
        e->kind = e->edge->partitioner->kind;
    } else {
        e->kind = up->parallelism == down->parallelism
                      ? FLINC__PARTITIONER_KIND__PARTITION_FORWARD
                      : FLINC__PARTITIONER_KIND__PARTITION_REBALANCE;
    }
    if (e->kind == FLINC__PARTITIONER_KIND__PARTITION_FORWARD &&
        up->parallelism != down->parallelism) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "forward partitioning does not allow a change of parallelism: '%s' has %u, "
            "'%s' has %u (%s); use rebalance, broadcast, shuffle or global",
            up->node->name, up->parallelism, down->node->name, down->parallelism,
            place_of(e->edge->location));
    }
    return 0;
}

/* The same schema must come in on every edge of one input (union). */
static int check_schemas(const struct translation *t, const struct stream_edge *e,
                         struct error *err)
{
    const struct stream_node *up = t->nodes[e->source].node;
    const struct stream_node *down = t->nodes[e->target].node;
    const struct schema *have =
        VEC_AT(&up->outputs, struct stream_output, e->source_output)->schema;

    if (have == NULL || !schema_equals(have, down->input_schemas[e->target_input])) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "'%s' and the other streams into '%s' have different types (%s)", up->name,
                         down->name, place_of(e->location));
    }
    return 0;
}

static int settle(struct translation *t, struct error *err)
{
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        TRY(settle_node(t, &t->nodes[i], err));
    }
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        settle_group(t, &t->nodes[t->order[i]]);
    }
    for (uint32_t i = 0; i < t->n_edges; i++) {
        TRY(check_schemas(t, t->edges[i].edge, err));
        TRY(settle_edge(t, &t->edges[i], err));
    }
    return 0;
}

/* ---- making the messages --------------------------------------------------------------------- */

static void *zalloc(const struct translation *t, size_t size)
{
    return arena_zalloc(&t->graph->arena, size);
}

static char *schema_text(const struct translation *t, const struct schema *schema)
{
    STR_AUTO text = STR_INIT;

    schema_print(schema, &text);
    return arena_strdup(&t->graph->arena, str_cstr(&text));
}

static ProtobufCBinaryData id_bytes(const struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), (uint8_t *)(uintptr_t)id->bytes};
}

static char *literal(const char *text)
{
    return text != NULL ? (char *)(uintptr_t)text : (char *)(uintptr_t)protobuf_c_empty_string;
}

static Flinc__Operator *make_operator(const struct translation *t, const struct translate_node *n)
{
    const struct stream_node *node = n->node;
    Flinc__Operator *op = zalloc(t, sizeof(*op));

    flinc__operator__init(op);
    op->id = id_bytes(&n->id);
    op->uid = literal(node->uid);
    op->name = literal(node->name);
    op->kind = literal(node->kind);
    op->version = 1;
    op->config = (ProtobufCBinaryData){node->config_size, node->config};
    op->n_functions = node->n_functions;
    op->functions = node->functions;
    bool is_free = node->holds_sources && t->batch; /* no source waits for one that runs later */
    op->coordinator = literal(is_free ? NULL : node->coordinator);
    op->description = literal(node->description != NULL ? node->description : node->name);
    op->stream_node = node->index + 1;
    op->n_input_schemas = node->n_inputs;
    op->input_schemas = zalloc(t, sizeof(char *) * (node->n_inputs + 1));
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        op->input_schemas[i] = schema_text(t, node->input_schemas[i]);
    }
    op->n_outputs = node->outputs.len;
    op->outputs = zalloc(t, sizeof(Flinc__OperatorOutput *) * (op->n_outputs + 1));
    for (size_t i = 0; i < op->n_outputs; i++) {
        const struct stream_output *o = VEC_AT(&node->outputs, struct stream_output, i);
        op->outputs[i] = zalloc(t, sizeof(Flinc__OperatorOutput));
        flinc__operator_output__init(op->outputs[i]);
        op->outputs[i]->tag = literal(o->tag);
        op->outputs[i]->schema = schema_text(t, o->schema);
    }
    return op;
}

/* The combiner of an edge, as the last operator of its source's vertex so far. */
static void add_combiner(const struct translation *t, Flinc__JobVertex *v, struct translate_edge *e)
{
    const struct stream_combiner *combiner = e->edge->combiner;
    const struct translate_node *up = &t->nodes[e->edge->source];
    const struct translate_node *down = &t->nodes[e->edge->target];
    Flinc__Operator *op = zalloc(t, sizeof(*op));
    Flinc__ChainEdge *c = zalloc(t, sizeof(*c));
    struct flinc_id *id = zalloc(t, sizeof(*id));
    uint8_t seed[17];

    memcpy(seed, down->id.bytes, 16);
    seed[16] = (uint8_t)e->edge->target_input;
    murmur3_128(seed, sizeof(seed), 0, id->bytes);
    flinc__operator__init(op);
    op->id = id_bytes(id);
    op->name = op->description = literal(combiner->name);
    op->kind = literal(combiner->kind);
    op->version = 1;
    op->config = (ProtobufCBinaryData){combiner->config_size, combiner->config};
    op->stream_node = down->node->index + 1;
    op->n_input_schemas = op->n_outputs = 1;
    op->input_schemas = zalloc(t, sizeof(char *));
    op->outputs = zalloc(t, sizeof(Flinc__OperatorOutput *));
    op->outputs[0] = zalloc(t, sizeof(Flinc__OperatorOutput));
    flinc__operator_output__init(op->outputs[0]);
    op->input_schemas[0] = op->outputs[0]->schema =
        schema_text(t, down->node->input_schemas[e->edge->target_input]);
    e->combined = true;
    e->combiner = (uint32_t)v->n_operators;
    flinc__chain_edge__init(c);
    c->source_operator = up->position;
    c->source_output = e->edge->source_output;
    c->target_operator = e->combiner;
    v->operators[v->n_operators++] = op;
    v->chain[v->n_chain++] = c;
}

static bool has_combiner(const struct translation *t, const struct translate_edge *e)
{
    return t->batch && t->options->combine && !e->chained && e->edge->combiner != NULL;
}

static Flinc__JobVertex *make_vertex(const struct translation *t, uint32_t vertex)
{
    const struct translate_node *head = &t->nodes[*VEC_AT(&t->heads, uint32_t, vertex)];
    Flinc__JobVertex *v = zalloc(t, sizeof(*v));
    STR_AUTO name = STR_INIT;

    flinc__job_vertex__init(v);
    v->id = id_bytes(&head->id);
    translation_chain_name(t, head->node->index, &name);
    v->parallelism = head->parallelism;
    v->min_parallelism = 1;
    v->max_bound_parallelism = head->parallelism;
    v->max_parallelism = head->max_parallelism;
    v->max_parallelism_derived = head->max_parallelism_derived;
    v->slot_sharing_group = literal(head->group);
    v->n_inputs = head->node->n_inputs;
    v->operators = zalloc(t, sizeof(Flinc__Operator *) * (t->n_nodes + t->n_edges));
    v->chain = zalloc(t, sizeof(Flinc__ChainEdge *) * (t->n_edges + 1));
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        const struct translate_node *n = &t->nodes[t->order[i]];
        if (n->vertex == vertex) {
            uint32_t limit = n->node->parallelism_limit;
            if (limit > 0 && (v->parallelism_limit == 0 || limit < v->parallelism_limit)) {
                v->parallelism_limit = limit;
            }
            v->operators[v->n_operators++] = make_operator(t, n);
        }
    }
    for (uint32_t i = 0; i < t->n_edges; i++) {
        const struct translate_edge *e = &t->edges[i];
        if (e->chained && t->nodes[e->edge->source].vertex == vertex) {
            Flinc__ChainEdge *c = zalloc(t, sizeof(*c));
            flinc__chain_edge__init(c);
            c->source_operator = t->nodes[e->edge->source].position;
            c->source_output = e->edge->source_output;
            c->target_operator = t->nodes[e->edge->target].position;
            c->target_input = e->edge->target_input;
            v->chain[v->n_chain++] = c;
        }
    }
    for (uint32_t i = 0; i < t->n_edges; i++) {
        struct translate_edge *e = &t->edges[i];
        if (has_combiner(t, e) && t->nodes[e->edge->source].vertex == vertex) {
            add_combiner(t, v, e);
            str_printf(&name, " -> %s", e->edge->combiner->name);
        }
    }
    v->name = arena_strdup(&t->graph->arena, str_cstr(&name));
    v->description = v->name;
    return v;
}

static Flinc__JobEdge *make_edge(const struct translation *t, const struct translate_edge *e,
                                 uint32_t number)
{
    const struct translate_node *up = &t->nodes[e->edge->source];
    const struct translate_node *down = &t->nodes[e->edge->target];
    Flinc__JobEdge *edge = zalloc(t, sizeof(*edge));
    struct flinc_id *id = zalloc(t, sizeof(*id));
    uint8_t seed[20];

    flinc__job_edge__init(edge);
    memcpy(seed, up->id.bytes, 16);
    memcpy(seed + 16, &number, 4);
    murmur3_128(seed, sizeof(seed), 0, id->bytes);
    edge->id = id_bytes(id);
    edge->source_vertex = up->vertex;
    edge->source_operator = e->combined ? e->combiner : up->position;
    edge->source_output = e->combined ? 0 : e->edge->source_output;
    edge->target_vertex = down->vertex;
    edge->target_operator = down->position;
    edge->target_input = e->edge->target_input;
    edge->partitioner = e->edge->partitioner;
    if (edge->partitioner == NULL) {
        edge->partitioner = zalloc(t, sizeof(Flinc__Partitioner));
        flinc__partitioner__init(edge->partitioner);
        edge->partitioner->kind = e->kind;
    }
    edge->mode = FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED;
    edge->ship_strategy = literal(partitioner_name(e->kind));
    edge->schema = schema_text(
        t, VEC_AT(&up->node->outputs, struct stream_output, e->edge->source_output)->schema);
    return edge;
}

static void make_edges(const struct translation *t, Flinc__JobGraph *g)
{
    g->edges = zalloc(t, sizeof(Flinc__JobEdge *) * (t->n_edges + 1));
    for (uint32_t i = 0; i < t->n_edges; i++) {
        if (!t->edges[i].chained) {
            g->edges[g->n_edges] = make_edge(t, &t->edges[i], (uint32_t)g->n_edges);
            g->n_edges++;
        }
    }
}

static bool group_is_used(const struct translation *t, const char *group)
{
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        if (strcmp(t->nodes[i].group, group) == 0) {
            return true;
        }
    }
    return false;
}

/* Profiles of the groups that somebody is in. */
static void make_groups(const struct translation *t, Flinc__JobGraph *g)
{
    const struct vec *groups = &t->graph->groups;
    g->slot_sharing_groups = zalloc(t, sizeof(Flinc__SlotSharingGroup *) * (groups->len + 1));
    for (size_t i = 0; i < groups->len; i++) {
        const struct stream_slot_group *from = vec_ptr(groups, i);
        if (!group_is_used(t, from->name)) {
            continue;
        }
        Flinc__SlotSharingGroup *to = zalloc(t, sizeof(*to));
        struct resource_profile_message *profile = zalloc(t, sizeof(*profile));
        flinc__slot_sharing_group__init(to);
        resource_profile_fill(&from->profile, profile);
        to->name = literal(from->name);
        to->profile = &profile->profile;
        g->slot_sharing_groups[g->n_slot_sharing_groups++] = to;
    }
}

static int make_graph(const struct translation *t, Flinc__JobGraph **ret, struct error *err)
{
    Flinc__JobGraph g = FLINC__JOB_GRAPH__INIT;
    STR_AUTO plan = STR_INIT;

    g.version = JOB_GRAPH_VERSION;
    g.job_id = id_bytes(&t->options->job_id);
    g.name = literal(t->options->job_name);
    g.n_vertices = t->heads.len;
    g.vertices = zalloc(t, sizeof(Flinc__JobVertex *) * (g.n_vertices + 1));
    for (uint32_t i = 0; i < g.n_vertices; i++) {
        g.vertices[i] = make_vertex(t, i);
    }
    make_edges(t, &g);
    make_groups(t, &g);
    /* The messages are read-only from here on; only protobuf-c's types lack the const. */
    g.config = (Flinc__KeyValue **)(uintptr_t)t->options->config;
    g.n_config = t->options->n_config;
    g.libraries = (Flinc__Library **)(uintptr_t)t->options->libraries;
    g.n_libraries = t->options->n_libraries;
    g.runtime_mode =
        t->batch ? FLINC__RUNTIME_MODE__RUNTIME_BATCH : FLINC__RUNTIME_MODE__RUNTIME_STREAMING;
    translation_plan(t, &plan);
    g.plan_json = literal(str_cstr(&plan));

    size_t size = flinc__job_graph__get_packed_size(&g);
    if (size > JOB_GRAPH_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "the job graph has %zu bytes; the limit is %d", size,
                         JOB_GRAPH_BYTES_MAX);
    }
    uint8_t *bytes = mem_alloc(size);
    flinc__job_graph__pack(&g, bytes);
    int rc = job_graph_decode(bytes, size, ret, err);
    mem_free(bytes);
    return rc;
}

/* ---- the whole -------------------------------------------------------------------------------- */

/* Nodes are made after their inputs, so the order in which they were made is topological; sources go
 * first, as Flink lists them. */
static void translation_order(struct translation *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i].in.len == 0) {
            t->order[n++] = i;
        }
    }
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i].in.len > 0) {
            t->order[n++] = i;
        }
    }
}

static void translation_init(struct translation *t, struct stream_graph *g,
                             const struct translate_options *options)
{
    *t = (struct translation){.graph = g, .options = options};
    t->batch = options->batch || (options->automatic && stream_graph_is_bounded(g));
    t->n_nodes = (uint32_t)g->nodes.len;
    t->n_edges = (uint32_t)g->edges.len;
    t->nodes = MEM_NEW_ARRAY(struct translate_node, t->n_nodes + 1);
    t->edges = MEM_NEW_ARRAY(struct translate_edge, t->n_edges + 1);
    t->order = MEM_NEW_ARRAY(uint32_t, t->n_nodes + 1);
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        t->nodes[i].node = stream_graph_node(g, i);
        vec_init(&t->nodes[i].in, sizeof(void *));
        vec_init(&t->nodes[i].out, sizeof(void *));
    }
    for (uint32_t i = 0; i < t->n_edges; i++) {
        struct translate_edge *e = &t->edges[i];
        e->edge = vec_ptr(&g->edges, i);
        vec_push_ptr(&t->nodes[e->edge->source].out, e);
        vec_push_ptr(&t->nodes[e->edge->target].in, e);
    }
    translation_order(t);
}

static void translation_fini(struct translation *t)
{
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        vec_fini(&t->nodes[i].in);
        vec_fini(&t->nodes[i].out);
    }
    vec_fini(&t->heads);
    mem_free(t->nodes);
    mem_free(t->edges);
    mem_free(t->order);
}

static int check_inputs(const struct translation *t, struct error *err)
{
    if (t->n_nodes == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "no operators defined in the job: nothing to execute");
    }
    if (t->n_nodes > STREAM_GRAPH_NODES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "the job has %u operators; the limit is %d",
                         t->n_nodes, STREAM_GRAPH_NODES_MAX);
    }
    if (t->options->batch && !stream_graph_is_bounded(t->graph)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "execution.runtime-mode is BATCH, but a source of the job is unbounded: "
                         "use STREAMING, or make the source end");
    }
    return 0;
}

int stream_graph_translate(struct stream_graph *g, const struct translate_options *options,
                           Flinc__JobGraph **ret, struct error *err)
{
    struct translation t;

    translation_init(&t, g, options);
    int rc = check_inputs(&t, err);
    if (rc == 0) {
        rc = settle(&t, err);
    }
    if (rc == 0) {
        rc = translation_chain(&t, err);
    }
    if (rc == 0) {
        rc = translation_assign_ids(&t, err);
    }
    if (rc == 0) {
        rc = make_graph(&t, ret, err);
    }
    translation_fini(&t);
    return rc;
}
