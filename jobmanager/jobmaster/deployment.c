/* Deploy messages: one per vertex and worker, with all subtasks of the vertex that the worker gets now, so
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

/* Its region's slots are there, and it has not been sent yet. */
static bool is_to_deploy(const struct jobmaster *jm, const struct subtask *s)
{
    return s->execution.state == FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED &&
           jm->graph.regions[s->region].state == REGION_DEPLOYED;
}

/* Empties the worker's batch.  A failure of an earlier message may have cancelled tasks in it. */
static size_t take_batch(const struct jobmaster *jm, struct worker_link *link,
                         struct execution **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < link->deploy_batch.len; i++) {
        struct subtask *s = vec_ptr(&link->deploy_batch, i);
        if (is_to_deploy(jm, s)) {
            ret[n++] = &s->execution;
        }
    }
    vec_clear(&link->deploy_batch);
    return n;
}

/* Sends the subtasks in the worker's batch.  On failure they are FAILED afterwards. */
static void deploy_batch(struct jobmaster *jm, struct worker_link *link, Flinc__DeployTasks *d,
                         struct arena *arena)
{
    size_t n_batch = link->deploy_batch.len;
    struct execution **executions = arena_alloc(arena, n_batch * sizeof(executions[0]));
    d->subtasks = arena_alloc(arena, n_batch * sizeof(d->subtasks[0]));
    d->n_subtasks = take_batch(jm, link, executions);
    if (d->n_subtasks == 0) {
        return;
    }
    locate_producers(jm, link, d, arena);
    for (size_t i = 0; i < d->n_subtasks; i++) {
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
        error_context(&err, "deploying %zu subtasks of %s on worker %u", d->n_subtasks,
                      d->vertex->name, link->number);
        failover_tasks_failed(jm, executions, d->n_subtasks, &err, source);
    }
}

/* ---- a vertex, all of them --------------------------------------------------------------------- */

/* Their slots are of workers that are not connected (any more). */
static void fail_unconnected(struct jobmaster *jm, const struct vec *executions)
{
    struct error err = ERROR_INIT;
    if (executions->len > 0) {
        const struct execution *first = vec_ptr(executions, 0);
        error_set(&err, ERR_UNAVAILABLE, "worker %u of its slot is not connected",
                  first->slot.worker);
        failover_tasks_failed(jm, executions->data, executions->len, &err, FAILURE_OF_WORKER);
    }
}

static void deploy_vertex(struct jobmaster *jm, const struct execution_vertex *v,
                          struct arena *arena)
{
    struct vec links = VEC_INIT(struct worker_link *);
    struct vec unconnected = VEC_INIT(struct execution *);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        struct subtask *s = &v->subtasks[i];
        if (!is_to_deploy(jm, s)) {
            continue;
        }
        s->execution.slot = *slot_pool_get(&jm->slots, v->first_slot + i);
        struct worker_link *link = workers_find(&jm->workers, s->execution.slot.worker);
        if (link == NULL) {
            vec_push_ptr(&unconnected, &s->execution);
            continue;
        }
        s->execution.place = place_ref(link->place);
        if (link->deploy_batch.len == 0) {
            vec_push_ptr(&links, link);
        }
        vec_push_ptr(&link->deploy_batch, s);
    }
    Flinc__DeployTasks deploy;
    if (links.len > 0) {
        describe_vertex(jm, v, arena, &deploy);
    }
    for (size_t i = 0; i < links.len; i++) {
        deploy_batch(jm, vec_ptr(&links, i), &deploy, arena);
    }
    fail_unconnected(jm, &unconnected);
    vec_fini(&links);
    vec_fini(&unconnected);
}

void tasks_deploy(struct jobmaster *jm)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        deploy_vertex(jm, &jm->graph.vertices[i], &arena);
    }
    arena_fini(&arena);
}
