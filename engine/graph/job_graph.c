/* Decoding, checking and reading of job graphs; see job_graph.h.  A graph may come from anywhere, so
 * every index and count is checked before the control plane relies on it. */
#include "engine/graph/job_graph.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/data/hash.h"
#include "engine/graph/edge_channels.h"
#include "engine/graph/resource_profile.h"
#include "engine/graph/stream_graph.h"

static int bad_graph(struct error *err, const char *what, size_t where)
{
    return error_set(err, ERR_PARSE, "the job graph is damaged: %s (at %zu)", what, where);
}

static int check_schema_text(const char *text, struct error *err)
{
    struct schema *schema = NULL;

    TRY_CTX(err, schema_parse(slice_cstr(text), &schema, err), "reading a schema of the job graph");
    schema_unref(schema);
    return 0;
}

static int check_operator(const Flinc__Operator *op, size_t where, struct error *err)
{
    if (op->id.len != 16) {
        return bad_graph(err, "an operator id has not 16 bytes", where);
    }
    if (op->kind[0] == '\0') {
        return bad_graph(err, "an operator without a kind", where);
    }
    if (op->n_input_schemas > STREAM_NODE_INPUTS_MAX) {
        return bad_graph(err, "an operator with too many inputs", where);
    }
    for (size_t i = 0; i < op->n_input_schemas; i++) {
        TRY(check_schema_text(op->input_schemas[i], err));
    }
    for (size_t i = 0; i < op->n_outputs; i++) {
        TRY(check_schema_text(op->outputs[i]->schema, err));
    }
    return 0;
}

/* A chain is a tree of calls: every operator but the head is the target of exactly one edge, from an
 * operator before it. */
static int check_chain(const Flinc__JobVertex *v, size_t where, struct error *err)
{
    if (v->n_chain + 1 != v->n_operators) {
        return bad_graph(err, "a chain whose edges do not fit its operators", where);
    }
    bool *reached = MEM_NEW_ARRAY(bool, v->n_operators);
    int rc = 0;
    for (size_t i = 0; i < v->n_chain && rc == 0; i++) {
        const Flinc__ChainEdge *e = v->chain[i];
        if (e->target_operator >= v->n_operators || e->source_operator >= e->target_operator ||
            reached[e->target_operator] ||
            e->source_output >= v->operators[e->source_operator]->n_outputs ||
            e->target_input >= v->operators[e->target_operator]->n_input_schemas) {
            rc = bad_graph(err, "a chain edge out of order", where);
        } else {
            reached[e->target_operator] = true;
        }
    }
    mem_free(reached);
    return rc;
}

static int check_vertex(const Flinc__JobVertex *v, size_t where, struct error *err)
{
    if (v->id.len != 16) {
        return bad_graph(err, "a vertex id has not 16 bytes", where);
    }
    if (v->n_operators == 0 || v->n_operators > STREAM_GRAPH_NODES_MAX) {
        return bad_graph(err, "a vertex without operators, or with too many", where);
    }
    if (v->parallelism == 0 || v->parallelism > JOB_GRAPH_PARALLELISM_MAX ||
        v->max_parallelism < v->parallelism || v->max_parallelism > MAX_PARALLELISM_LIMIT ||
        v->min_parallelism > v->parallelism) {
        return error_set(err, ERR_PARSE,
                         "the job graph is damaged: parallelism %u with maximum %u of vertex '%s'",
                         v->parallelism, v->max_parallelism, v->name);
    }
    for (size_t i = 0; i < v->n_operators; i++) {
        TRY(check_operator(v->operators[i], where, err));
    }
    return check_chain(v, where, err);
}

static int check_edge(const Flinc__JobGraph *g, const Flinc__JobEdge *e, size_t where,
                      struct error *err)
{
    if (e->source_vertex >= g->n_vertices || e->target_vertex >= g->n_vertices ||
        e->source_vertex == e->target_vertex || e->partitioner == NULL || e->id.len != 16) {
        return bad_graph(err, "an edge without its ends", where);
    }
    const Flinc__JobVertex *from = g->vertices[e->source_vertex];
    const Flinc__JobVertex *to = g->vertices[e->target_vertex];
    if (e->source_operator >= from->n_operators || e->target_operator >= to->n_operators ||
        e->source_output >= from->operators[e->source_operator]->n_outputs ||
        e->target_input >= to->operators[e->target_operator]->n_input_schemas) {
        return bad_graph(err, "an edge to an operator that is not there", where);
    }
    const Flinc__Partitioner *p = e->partitioner;
    if ((unsigned)p->kind > FLINC__PARTITIONER_KIND__PARTITION_CUSTOM) {
        return bad_graph(err, "an unknown partitioner", where);
    }
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_FORWARD &&
        from->parallelism != to->parallelism) {
        return bad_graph(err, "a forward edge between unequal parallelisms", where);
    }
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_CUSTOM && p->function == NULL) {
        return bad_graph(err, "a custom partitioner without its function", where);
    }
    struct schema *schema = NULL;
    TRY_CTX(err, schema_parse(slice_cstr(e->schema), &schema, err), "reading an edge's schema");
    int rc = 0;
    for (size_t i = 0; i < p->n_key_columns; i++) {
        if (p->key_columns[i] >= schema->n_fields) {
            rc = bad_graph(err, "a key column that is not there", where);
        }
    }
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_HASH && p->n_key_columns == 0) {
        rc = bad_graph(err, "a hash edge without key columns", where);
    }
    schema_unref(schema);
    return rc;
}

/* Edges must allow an order of the vertices: repeatedly take away what has no input left. */
static int check_acyclic(const Flinc__JobGraph *g, struct error *err)
{
    uint32_t *n_in = MEM_NEW_ARRAY(uint32_t, g->n_vertices + 1);
    uint32_t *stack = MEM_NEW_ARRAY(uint32_t, g->n_vertices + 1);
    size_t depth = 0;
    size_t taken = 0;

    for (size_t i = 0; i < g->n_edges; i++) {
        n_in[g->edges[i]->target_vertex]++;
    }
    for (uint32_t v = 0; v < g->n_vertices; v++) {
        if (n_in[v] == 0) {
            stack[depth++] = v;
        }
    }
    while (depth > 0) {
        uint32_t v = stack[--depth];
        taken++;
        for (size_t i = 0; i < g->n_edges; i++) {
            if (g->edges[i]->source_vertex == v && --n_in[g->edges[i]->target_vertex] == 0) {
                stack[depth++] = g->edges[i]->target_vertex;
            }
        }
    }
    mem_free(n_in);
    mem_free(stack);
    return taken == g->n_vertices ? 0 : bad_graph(err, "a cycle of vertices", taken);
}

static int check_slot_sharing_group(const Flinc__JobGraph *g, size_t where, struct error *err)
{
    const Flinc__SlotSharingGroup *group = g->slot_sharing_groups[where];
    struct resource_profile p;
    if (group->name[0] == '\0' || group->profile == NULL) {
        return bad_graph(err, "a slot sharing group without name or profile", where);
    }
    for (size_t i = 0; i < where; i++) {
        if (strcmp(g->slot_sharing_groups[i]->name, group->name) == 0) {
            return bad_graph(err, "a slot sharing group with two profiles", where);
        }
    }
    TRY_CTX(err, resource_profile_read(group->profile, &p, err),
            "reading the profile of slot sharing group '%s'", group->name);
    if (p.cpu_units == 0 || p.task_heap_bytes == 0) {
        return bad_graph(err, "a slot sharing group without CPU or task heap memory", where);
    }
    return 0;
}

int job_graph_validate(const Flinc__JobGraph *g, struct error *err)
{
    if (g->version != JOB_GRAPH_VERSION) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "the job graph has version %u, this Flinc reads version %d: submit it with "
            "the client of the same release",
            g->version, JOB_GRAPH_VERSION);
    }
    if (g->job_id.len != 16) {
        return bad_graph(err, "the job id has not 16 bytes", g->job_id.len);
    }
    if (g->n_vertices == 0 || g->n_vertices > STREAM_GRAPH_NODES_MAX ||
        g->n_edges > (size_t)STREAM_GRAPH_NODES_MAX * STREAM_NODE_INPUTS_MAX) {
        return bad_graph(err, "no vertices, or too many", g->n_vertices);
    }
    for (size_t i = 0; i < g->n_vertices; i++) {
        TRY(check_vertex(g->vertices[i], i, err));
    }
    if (g->n_slot_sharing_groups > JOB_GRAPH_SLOT_GROUPS_MAX) {
        return bad_graph(err, "too many slot sharing groups with profiles",
                         g->n_slot_sharing_groups);
    }
    for (size_t i = 0; i < g->n_slot_sharing_groups; i++) {
        TRY(check_slot_sharing_group(g, i, err));
    }
    for (size_t i = 0; i < g->n_edges; i++) {
        TRY(check_edge(g, g->edges[i], i, err));
    }
    return check_acyclic(g, err);
}

int job_graph_decode(const uint8_t *data, size_t size, Flinc__JobGraph **ret, struct error *err)
{
    static const uint8_t java_magic[] = {0xac, 0xed, 0x00, 0x05};

    if (size > JOB_GRAPH_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "the job graph has %zu bytes; the limit is %d", size,
                         JOB_GRAPH_BYTES_MAX);
    }
    if (size >= sizeof(java_magic) && memcmp(data, java_magic, sizeof(java_magic)) == 0) {
        return error_set(err, ERR_UNSUPPORTED,
                         "this is a Java-serialized Flink job graph, which Flinc cannot run: build "
                         "the job as a C bundle or as SQL and submit it with Flinc's own client");
    }
    Flinc__JobGraph *g = flinc__job_graph__unpack(NULL, size, data);
    if (g == NULL) {
        return bad_graph(err, "not a job graph message", size);
    }
    int rc = job_graph_validate(g, err);
    if (rc < 0) {
        flinc__job_graph__free_unpacked(g, NULL);
        return rc;
    }
    *ret = g;
    return 0;
}

uint32_t job_graph_slots(const Flinc__JobGraph *g)
{
    struct map largest; /* group -> widest vertex seen */
    uint32_t slots = 0;

    map_init(&largest, NULL);
    for (size_t i = 0; i < g->n_vertices; i++) {
        const Flinc__JobVertex *v = g->vertices[i];
        const Flinc__JobVertex *old = map_find(&largest, v->slot_sharing_group);
        if (old == NULL || old->parallelism < v->parallelism) {
            slots += v->parallelism - (old != NULL ? old->parallelism : 0);
            (void)map_put(&largest, v->slot_sharing_group, g->vertices[i]);
        }
    }
    map_fini(&largest);
    return slots;
}

uint64_t job_graph_tasks(const Flinc__JobGraph *g)
{
    uint64_t n_tasks = 0;
    for (size_t v = 0; v < g->n_vertices; v++) {
        n_tasks += g->vertices[v]->parallelism;
    }
    return n_tasks;
}

/* ---- regions: sets of tasks, each a tree whose root is its smallest task ------------------------- */

static uint32_t root_of(uint32_t *parent, uint32_t task)
{
    while (parent[task] != task) {
        parent[task] = parent[parent[task]];
        task = parent[task];
    }
    return task;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
    uint32_t x = root_of(parent, a);
    uint32_t y = root_of(parent, b);
    parent[MAX(x, y)] = MIN(x, y);
}

/* The tasks of the two vertices begin at these numbers. */
static void join_edge(uint32_t *parent, const struct edge_shape *shape, uint32_t producers,
                      uint32_t consumers)
{
    if (!partitioner_is_pointwise(shape->kind)) { /* in P + C steps, not in P x C */
        for (uint32_t p = 1; p < shape->producers; p++) {
            join(parent, producers, producers + p);
        }
        for (uint32_t c = 0; c < shape->consumers; c++) {
            join(parent, producers, consumers + c);
        }
        return;
    }
    for (uint32_t c = 0; c < shape->consumers; c++) {
        struct subtask_range range = edge_producers(shape, c);
        for (uint32_t i = 0; i < range.n; i++) {
            join(parent, producers + range.first + i, consumers + c);
        }
    }
}

uint32_t job_graph_regions(const Flinc__JobGraph *g, uint32_t *ret_region)
{
    uint32_t n_tasks = 0;
    uint32_t n_regions = 0;
    uint32_t *first = MEM_NEW_ARRAY(uint32_t, g->n_vertices + 1); /* task of each vertex */
    for (size_t v = 0; v < g->n_vertices; v++) {
        first[v] = n_tasks;
        for (uint32_t i = 0; i < g->vertices[v]->parallelism; i++) {
            ret_region[n_tasks] = n_tasks;
            n_tasks++;
        }
    }
    for (size_t i = 0; i < g->n_edges; i++) {
        const Flinc__JobEdge *e = g->edges[i];
        struct edge_shape shape = {e->partitioner->kind, g->vertices[e->source_vertex]->parallelism,
                                   g->vertices[e->target_vertex]->parallelism};
        if (e->mode == FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED) {
            join_edge(ret_region, &shape, first[e->source_vertex], first[e->target_vertex]);
        }
    }
    for (uint32_t t = 0; t < n_tasks; t++) { /* roots to themselves, all others past them */
        ret_region[t] = root_of(ret_region, t);
    }
    for (uint32_t t = 0; t < n_tasks; t++) { /* dense numbers, in order of their first task */
        ret_region[t] = ret_region[t] == t ? n_regions++ : ret_region[ret_region[t]];
    }
    mem_free(first);
    return n_regions;
}
