/* Collects operators and edges of a program; see stream_graph.h.  Nothing is judged here but what the
 * caller could not have meant (asserted); users' mistakes are found by the SDK at the call, or by the
 * translation. */
#include "engine/graph/stream_graph.h"
#include "engine/data/schema.h"
#include "engine/graph/job_graph.h"

enum { STREAM_GRAPH_ARENA_BYTES = 16 * 1024 };

void stream_graph_init(struct stream_graph *g)
{
    arena_init(&g->arena, STREAM_GRAPH_ARENA_BYTES);
    vec_init(&g->nodes, sizeof(void *));
    vec_init(&g->edges, sizeof(void *));
    vec_init(&g->schemas, sizeof(void *));
    vec_init(&g->groups, sizeof(void *));
}

void stream_graph_fini(struct stream_graph *g)
{
    for (size_t i = 0; i < g->schemas.len; i++) {
        schema_unref(vec_ptr(&g->schemas, i));
    }
    for (size_t i = 0; i < g->nodes.len; i++) {
        struct stream_node *n = vec_ptr(&g->nodes, i);
        vec_fini(&n->outputs);
    }
    vec_fini(&g->schemas);
    vec_fini(&g->groups);
    vec_fini(&g->edges);
    vec_fini(&g->nodes);
    arena_fini(&g->arena);
}

static const struct schema *keep_schema(struct stream_graph *g, const struct schema *schema)
{
    if (schema != NULL) {
        vec_push_ptr(&g->schemas, schema_ref(schema));
    }
    return schema;
}

int stream_graph_set_profile(struct stream_graph *g, const char *group,
                             const struct resource_profile *profile, const char *location,
                             struct error *err)
{
    for (size_t i = 0; i < g->groups.len; i++) {
        const struct stream_slot_group *old = vec_ptr(&g->groups, i);
        if (strcmp(old->name, group) != 0) {
            continue;
        }
        if (resource_profile_equals(&old->profile, profile)) {
            return 0;
        }
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "slot sharing group '%s' has been configured with two different resource "
                         "profiles (the first at %s): give it one, or name the second group "
                         "otherwise",
                         group, old->location);
    }
    if (g->groups.len == JOB_GRAPH_SLOT_GROUPS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the job has more than %d slot sharing groups with resource profiles",
                         JOB_GRAPH_SLOT_GROUPS_MAX);
    }
    struct stream_slot_group *added = arena_zalloc(&g->arena, sizeof(*added));
    added->name = arena_strdup(&g->arena, group);
    added->location = arena_strdup(&g->arena, location);
    added->profile = *profile;
    vec_push_ptr(&g->groups, added);
    return 0;
}

struct stream_node *stream_graph_add(struct stream_graph *g, const char *kind, const char *name,
                                     const struct schema *schema)
{
    struct stream_node *n = arena_zalloc(&g->arena, sizeof(*n));

    n->index = (uint32_t)g->nodes.len;
    n->kind = arena_strdup(&g->arena, kind);
    n->name = arena_strdup(&g->arena, name);
    n->chaining = CHAINING_ALWAYS;
    vec_init(&n->outputs, sizeof(struct stream_output));
    vec_push_ptr(&g->nodes, n);
    if (schema != NULL) {
        (void)stream_node_add_output(g, n, "", schema);
    }
    return n;
}

struct stream_node *stream_graph_node(const struct stream_graph *g, uint32_t index)
{
    return vec_ptr(&g->nodes, index);
}

uint32_t stream_node_add_output(struct stream_graph *g, struct stream_node *n, const char *tag,
                                const struct schema *schema)
{
    for (size_t i = 0; i < n->outputs.len; i++) {
        if (strcmp(VEC_AT(&n->outputs, struct stream_output, i)->tag, tag) == 0) {
            return (uint32_t)i;
        }
    }
    struct stream_output *o = VEC_PUSH(&n->outputs, struct stream_output);
    o->tag = arena_strdup(&g->arena, tag);
    o->schema = keep_schema(g, schema);
    return (uint32_t)(n->outputs.len - 1);
}

void stream_node_set_config(struct stream_graph *g, struct stream_node *n, const uint8_t *data,
                            size_t size)
{
    n->config = size > 0 ? arena_alloc(&g->arena, size) : NULL;
    n->config_size = size;
    if (size > 0) {
        memcpy(n->config, data, size);
    }
}

static Flinc__FunctionRef *copy_function(struct stream_graph *g, const Flinc__FunctionRef *fn)
{
    Flinc__FunctionRef *copy = arena_alloc(&g->arena, sizeof(*copy));

    flinc__function_ref__init(copy);
    copy->library = arena_strdup(&g->arena, fn->library);
    copy->offset = fn->offset;
    copy->name = arena_strdup(&g->arena, fn->name);
    copy->kind = fn->kind;
    copy->location = arena_strdup(&g->arena, fn->location);
    copy->config.len = fn->config.len;
    if (fn->config.len > 0) {
        copy->config.data = arena_alloc(&g->arena, fn->config.len);
        memcpy(copy->config.data, fn->config.data, fn->config.len);
    }
    return copy;
}

void stream_node_add_function(struct stream_graph *g, struct stream_node *n,
                              const Flinc__FunctionRef *fn)
{
    Flinc__FunctionRef **all =
        arena_alloc(&g->arena, (n->n_functions + 1) * sizeof(Flinc__FunctionRef *));

    if (n->n_functions > 0) {
        memcpy(all, n->functions, n->n_functions * sizeof(*all));
    }
    all[n->n_functions++] = copy_function(g, fn);
    n->functions = all;
}

/* Packs and unpacks into the arena: the one way to copy a message that cannot miss a field. */
static void *arena_message_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void arena_message_free(void *arena, void *p)
{
    (void)arena; /* everything goes with the arena */
    (void)p;
}

static Flinc__Partitioner *copy_partitioner(struct stream_graph *g, const Flinc__Partitioner *p)
{
    ProtobufCAllocator in_arena = {arena_message_alloc, arena_message_free, &g->arena};
    size_t size = flinc__partitioner__get_packed_size(p);
    uint8_t *bytes = arena_alloc(&g->arena, size + 1);

    flinc__partitioner__pack(p, bytes);
    Flinc__Partitioner *copy = flinc__partitioner__unpack(&in_arena, size, bytes);
    ASSERT(copy != NULL);
    return copy;
}

void stream_node_set_partitioner(struct stream_graph *g, struct stream_node *n,
                                 const Flinc__Partitioner *partitioner)
{
    n->partitioner = copy_partitioner(g, partitioner);
}

void stream_graph_connect(struct stream_graph *g, uint32_t source, uint32_t source_output,
                          uint32_t target, uint32_t target_input,
                          const Flinc__Partitioner *partitioner, const char *location)
{
    struct stream_node *from = stream_graph_node(g, source);
    struct stream_node *to = stream_graph_node(g, target);

    ASSERT(source < target); /* a node is made after its inputs: the graph cannot have cycles */
    ASSERT(source_output < from->outputs.len && target_input < STREAM_NODE_INPUTS_MAX);
    struct stream_edge *e = arena_zalloc(&g->arena, sizeof(*e));
    e->source = source;
    e->source_output = source_output;
    e->target = target;
    e->target_input = target_input;
    e->location = arena_strdup(&g->arena, location);
    if (partitioner == NULL) {
        partitioner = to->partitioner;
    }
    if (partitioner != NULL) {
        e->has_partitioner = true;
        e->partitioner = copy_partitioner(g, partitioner);
    }
    vec_push_ptr(&g->edges, e);
    to->n_inputs = MAX(to->n_inputs, target_input + 1);
    to->input_schemas[target_input] =
        VEC_AT(&from->outputs, struct stream_output, source_output)->schema;
}

void stream_graph_combine(struct stream_graph *g, const struct stream_node *target, uint32_t input,
                          const struct stream_combiner *combiner)
{
    struct stream_combiner *c = arena_alloc(&g->arena, sizeof(*c));

    c->kind = arena_strdup(&g->arena, combiner->kind);
    c->name = arena_strdup(&g->arena, combiner->name);
    c->config_size = combiner->config_size;
    c->config = arena_alloc(&g->arena, combiner->config_size + 1);
    memcpy(c->config, combiner->config, combiner->config_size);
    for (size_t i = 0; i < g->edges.len; i++) {
        struct stream_edge *e = vec_ptr(&g->edges, i);
        if (e->target == target->index && e->target_input == input) {
            e->combiner = c;
        }
    }
}

bool stream_graph_is_bounded(const struct stream_graph *g)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const struct stream_node *n = vec_ptr(&g->nodes, i);
        if (n->n_inputs == 0 && !n->bounded) {
            return false;
        }
    }
    return true;
}

uint32_t stream_node_parallelism(const struct stream_node *n, const struct translate_options *o)
{
    int32_t p = n->parallelism > 0 ? n->parallelism : o->default_parallelism;

    if (n->parallelism <= 0 && n->parallelism_limit > 0) {
        p = MIN(p, (int32_t)n->parallelism_limit);
    }
    return (uint32_t)MAX(p, 1);
}
