/* Deploy messages: one per vertex and worker, with all subtasks of the vertex that the worker gets, so
 * that what they share (operators, edges, configuration) is sent once.
 *
 * Vertices are deployed in topological order, so that producers come before those who ask for their
 * output; a consumer in another worker that is faster still waits for them.  Gates name the attempts of all
 * producers, and where these are unless it is the consumer's own worker.
 * Thread: the job master's.  Flink: TaskDeploymentDescriptorFactory, Execution.deploy. */
#include "jobmanager/jobmaster/jobmaster_internal.h"

static ProtobufCBinaryData id_data(const struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), (uint8_t *)id->bytes};
}

/* ---- what all subtasks of a vertex share ------------------------------------------------------ */

static Flinc__ResultDescriptor *describe_result(struct jobmaster *jm, uint32_t edge,
                                                struct arena *arena)
{
    const Flinc__JobEdge *e = jm->graph.spec->edges[edge];
    const Flinc__JobVertex *consumer = jm->graph.spec->vertices[e->target_vertex];
    Flinc__ResultDescriptor *r = arena_zalloc(arena, sizeof(*r));
    flinc__result_descriptor__init(r);
    r->edge = edge;
    r->edge_id = e->id;
    r->source_operator = e->source_operator;
    r->source_output = e->source_output;
    r->partitioner = e->partitioner;
    r->consumer_parallelism = consumer->parallelism;
    r->consumer_max_parallelism = checkpoints_max_parallelism(jm, e->target_vertex);
    r->schema = e->schema;
    return r;
}

static Flinc__GateDescriptor *describe_gate(struct jobmaster *jm, uint32_t edge,
                                            struct arena *arena)
{
    const Flinc__JobEdge *e = jm->graph.spec->edges[edge];
    const struct execution_vertex *producer = &jm->graph.vertices[e->source_vertex];
    Flinc__GateDescriptor *g = arena_zalloc(arena, sizeof(*g));
    flinc__gate_descriptor__init(g);
    g->edge = edge;
    g->edge_id = e->id;
    g->target_operator = e->target_operator;
    g->target_input = e->target_input;
    g->partitioner = e->partitioner;
    g->producer_parallelism = producer->n_subtasks;
    g->n_producer_attempts = producer->n_subtasks;
    g->producer_attempts =
        arena_alloc(arena, producer->n_subtasks * sizeof(g->producer_attempts[0]));
    for (uint32_t i = 0; i < producer->n_subtasks; i++) {
        g->producer_attempts[i] = id_data(&producer->subtasks[i].execution.id);
    }
    g->schema = e->schema;
    return g;
}

static void describe_vertex(struct jobmaster *jm, const struct execution_vertex *v,
                            struct arena *arena, Flinc__DeployTasks *d)
{
    const Flinc__JobGraph *spec = jm->graph.spec;
    flinc__deploy_tasks__init(d);
    d->job_id = spec->job_id;
    d->job_name = spec->name;
    Flinc__JobVertex *vertex = arena_alloc(arena, sizeof(*vertex));
    *vertex = *v->spec;
    vertex->max_parallelism = checkpoints_max_parallelism(jm, v->number);
    d->vertex = vertex;
    d->n_config = spec->n_config;
    d->config = spec->config;
    d->n_libraries = spec->n_libraries;
    d->libraries = spec->libraries;
    d->runtime_mode = spec->runtime_mode;
    d->n_results = v->n_out_edges;
    d->results = arena_alloc(arena, (v->n_out_edges + 1) * sizeof(d->results[0]));
    for (uint32_t i = 0; i < v->n_out_edges; i++) {
        d->results[i] = describe_result(jm, v->out_edges[i], arena);
    }
    d->n_gates = v->n_in_edges;
    d->gates = arena_alloc(arena, (v->n_in_edges + 1) * sizeof(d->gates[0]));
    for (uint32_t i = 0; i < v->n_in_edges; i++) {
        d->gates[i] = describe_gate(jm, v->in_edges[i], arena);
    }
}

/* Where the producers are, as this worker sees it: nothing at all when all are in it. */
static void locate_producers(struct jobmaster *jm, const struct worker_link *link,
                             Flinc__DeployTasks *d, struct arena *arena)
{
    for (size_t i = 0; i < d->n_gates; i++) {
        Flinc__GateDescriptor *g = d->gates[i];
        const struct execution_vertex *producer =
            &jm->graph.vertices[jm->graph.spec->edges[g->edge]->source_vertex];
        g->n_producer_locations = 0;
        for (uint32_t j = 0; j < producer->n_subtasks; j++) {
            const struct execution *e = &producer->subtasks[j].execution;
            if (e->slot.worker == link->number || e->place == NULL ||
                e->place->data_location == NULL) {
                continue;
            }
            if (g->n_producer_locations == 0) {
                g->n_producer_locations = producer->n_subtasks;
                g->producer_locations =
                    arena_alloc(arena, producer->n_subtasks * sizeof(g->producer_locations[0]));
                for (uint32_t k = 0; k < producer->n_subtasks; k++) {
                    g->producer_locations[k] = (char *)"";
                }
            }
            g->producer_locations[j] = e->place->data_location;
        }
    }
}

/* ---- one message ------------------------------------------------------------------------------ */

static Flinc__SubtaskDeployment *describe_subtask(struct jobmaster *jm, const struct execution *e,
                                                  struct arena *arena)
{
    Flinc__SubtaskDeployment *s = arena_zalloc(arena, sizeof(*s));
    flinc__subtask_deployment__init(s);
    s->subtask = e->subtask->index;
    s->attempt_number = e->number;
    s->attempt_id = id_data(&e->id);
    s->allocation_id = id_data(&e->slot.allocation_id);
    s->restore = checkpoints_describe_restore(jm, e, arena);
    return s;
}

static void mark_deploying(struct jobmaster *jm, struct execution *e)
{
    char name[JOBMASTER_TASK_NAME_BYTES];
    char attempt[ID_HEX_LEN + 1];
    char allocation[ID_HEX_LEN + 1];
    id_format(&e->id, attempt);
    id_format(&e->slot.allocation_id, allocation);
    execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING, NULL);
    e->deploy_round = jm->reconcile_round;
    LOG_INFO(JOBMASTER_TOPIC,
             "Deploying %s (attempt #%u) with attempt id %s to worker %u with allocation id %s",
             execution_task_name(e, name, sizeof(name)), e->number, attempt, e->slot.worker,
             allocation);
}

/* The subtasks in the worker's batch.  On failure they are FAILED afterwards. */
static bool deploy_batch(struct jobmaster *jm, struct worker_link *link, Flinc__DeployTasks *d,
                         struct arena *arena)
{
    struct vec *batch = &link->deploy_batch;
    locate_producers(jm, link, d, arena);
    d->n_subtasks = batch->len;
    d->subtasks = arena_alloc(arena, batch->len * sizeof(d->subtasks[0]));
    struct execution **executions = arena_alloc(arena, batch->len * sizeof(struct execution *));
    for (size_t i = 0; i < batch->len; i++) {
        executions[i] = &((struct subtask *)vec_ptr(batch, i))->execution;
        mark_deploying(jm, executions[i]);
        d->subtasks[i] = describe_subtask(jm, executions[i], arena);
    }
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_DEPLOY;
    message.deploy = d;
    struct error err = ERROR_INIT;
    enum failure_source source = FAILURE_OF_WORKER; /* nothing is there before the send */
    int rc = FAILPOINT(&err, "jobmaster.deploy.before_send");
    if (rc == 0) {
        rc = workers_send(&jm->workers, link, &message, &err);
    }
    if (rc == 0) {
        source = FAILURE_HERE;
        rc = FAILPOINT(&err, "jobmaster.deploy.after_send");
    }
    if (rc < 0) {
        error_context(&err, "deploying %zu subtasks of %s on worker %u", batch->len,
                      d->vertex->name, link->number);
        vec_clear(batch);
        failover_tasks_failed(jm, executions, d->n_subtasks, &err, source);
        return false;
    }
    return true;
}

/* ---- a vertex, a region ----------------------------------------------------------------------- */

/* False: it failed, and the region is being dealt with. */
static bool deploy_vertex(struct jobmaster *jm, const struct execution_vertex *v,
                          struct arena *arena)
{
    struct vec links = VEC_INIT(struct worker_link *);
    struct execution *unconnected = NULL;
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        struct subtask *s = &v->subtasks[i];
        s->execution.slot = *slot_pool_get(&jm->slots, v->first_slot + i);
        struct worker_link *link = workers_find(&jm->workers, s->execution.slot.worker);
        if (link == NULL) {
            unconnected = &s->execution;
            continue;
        }
        s->execution.place = place_ref(link->place);
        if (link->deploy_batch.len == 0) {
            vec_push_ptr(&links, link);
        }
        vec_push_ptr(&link->deploy_batch, s);
    }
    Flinc__DeployTasks deploy;
    describe_vertex(jm, v, arena, &deploy);
    bool deployed = unconnected == NULL;
    for (size_t i = 0; i < links.len; i++) {
        struct worker_link *link = vec_ptr(&links, i);
        deployed = deployed && deploy_batch(jm, link, &deploy, arena);
        vec_clear(&link->deploy_batch);
    }
    vec_fini(&links);
    if (unconnected != NULL) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_UNAVAILABLE, "worker %u of its slot is not connected",
                  unconnected->slot.worker);
        failover_task_failed(jm, unconnected, &err, FAILURE_OF_WORKER);
    }
    return deployed;
}

void region_deploy(struct jobmaster *jm, struct region *r)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    region_transition(r, REGION_DEPLOYED);
    for (uint32_t i = 0; i < r->n_vertices; i++) {
        if (!deploy_vertex(jm, &jm->graph.vertices[r->vertices[i]], &arena)) {
            break;
        }
    }
    arena_fini(&arena);
}
