/* See test_job.h.  Thread: the test's. */
#include "tests/unit/taskmanager_worker/test_job.h"
#include "flinc/function.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t TOKEN[] = "token of the master";
static const struct flinc_id JOB_ID = {{1, 2, 3}};

/* ---- what the master hears ----------------------------------------------------------------------- */

static struct job_task *find_attempt(struct test_cluster *c, const ProtobufCBinaryData *attempt)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        uint8_t id[16];
        job_attempt_id(&c->tasks[i], id);
        if (attempt->len == sizeof(id) && memcmp(attempt->data, id, sizeof(id)) == 0) {
            return &c->tasks[i];
        }
    }
    fail_msg("a message about an attempt that was not deployed");
    return NULL;
}

static void take_error(struct error *err, const Flinc__ErrorInfo *info)
{
    err->code = info->code;
    err->cls = (enum error_class)info->error_class;
    snprintf(err->message, sizeof(err->message), "%s", info->message);
    snprintf(err->frames, sizeof(err->frames), "%s", info->frames);
}

static void take_state(struct test_cluster *c, const Flinc__TaskStateUpdate *u)
{
    struct job_task *t = find_attempt(c, &u->attempt_id);
    assert_true(t->n_states < 8);
    assert_false(job_task_is_terminal(t));
    t->states[t->n_states++] = u->state;
    t->records_in = u->metrics->records_in;
    t->records_out = u->metrics->records_out;
    t->bytes_in = u->metrics->bytes_in;
    t->bytes_out = u->metrics->bytes_out;
    t->busy_ms = (int64_t)u->metrics->busy_ms;
    t->idle_ms = (int64_t)u->metrics->idle_ms;
    t->backpressured_ms = (int64_t)u->metrics->backpressured_ms;
    for (size_t i = 0; i < u->n_accumulators; i++) {
        assert_string_equal(u->accumulators[i]->name, "rows");
        t->accumulated = u->accumulators[i]->long_value;
    }
    assert_int_equal(u->state == STATE(FAILED), u->error != NULL);
    if (u->error != NULL) {
        take_error(&t->error, u->error);
    }
}

static void take_refused(struct test_cluster *c, const Flinc__DeployRefused *r)
{
    for (size_t i = 0; i < r->n_attempt_ids; i++) {
        struct job_task *t = find_attempt(c, &r->attempt_ids[i]);
        t->refused = true;
        take_error(&t->error, r->error);
    }
}

static void master_on_message(void *target, ProtobufCMessage *take_message)
{
    struct test_cluster *c = target;
    Flinc__WorkerToMaster *m = (Flinc__WorkerToMaster *)take_message;
    assert_int_equal(m->fencing_token.len, c->token_len);
    assert_memory_equal(m->fencing_token.data, c->token, c->token_len);
    switch (m->body_case) {
    case FLINC__WORKER_TO_MASTER__BODY_STATE:
        take_state(c, m->state);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_REFUSED:
        take_refused(c, m->refused);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_REPORT:
        c->n_reports++;
        c->last_report_id = m->report->request_id;
        c->n_reported_tasks = (uint32_t)m->report->n_tasks;
        break;
    case FLINC__WORKER_TO_MASTER__BODY_OPERATOR_EVENT:
        str_printf(
            &c->events, "%u:%llu:%.*s;", find_attempt(c, &m->operator_event->attempt_id)->subtask,
            (unsigned long long)m->operator_event->sequence, (int)m->operator_event->payload.len,
            (const char *)m->operator_event->payload.data);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_ACK:
        cluster_take_ack(c, m->checkpoint_ack);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_DECLINE:
        cluster_take_decline(c, m->checkpoint_decline);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_END_OF_DATA:
        c->n_end_of_data++;
        break;
    case FLINC__WORKER_TO_MASTER__BODY_SHUTDOWN_DONE:
        c->shutdown_done = true;
        break;
    default:
        fail_msg("message of kind %d", m->body_case);
    }
    rpc_message_free(take_message);
}

static void master_on_closed(void *target, const struct error *why)
{
    struct test_cluster *c = target;
    c->worker_closed = true;
}

/* ---- life --------------------------------------------------------------------------------------- */

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* A channel between the two; returns the worker's end. */
static struct rpc_channel *cluster_pair(struct test_cluster *c)
{
    struct rpc_end_options worker_end, master_end = {
                                           .name = "master",
                                           .sends = &flinc__master_to_worker__descriptor,
                                           .receives = &flinc__worker_to_master__descriptor,
                                           .mailbox = c->mailbox,
                                           .on_message = master_on_message,
                                           .on_closed = master_on_closed,
                                           .target = c,
                                       };
    struct rpc_channel *worker_channel = NULL;
    worker_get_end(c->worker, &worker_end);
    assert_int_equal(
        rpc_memory_pair(&master_end, &worker_end, NULL, &c->channel, &worker_channel, NULL), 0);
    return worker_channel;
}

static const struct operator_desc *find_operator(const char *kind)
{
    const struct operator_desc *desc = stateful_operator_find(kind);
    return desc != NULL ? desc : test_operator_find(kind);
}

void cluster_open(struct test_cluster *c, const struct worker_options *options)
{
    cluster_open_limited(c, options, 0);
}

void cluster_open_limited(struct test_cluster *c, const struct worker_options *options,
                          uint32_t master_limit)
{
    struct error err = ERROR_INIT;
    struct worker_options o = {.mode = COMPONENT_MANUAL};
    *c = (struct test_cluster){.threads_before = thread_count(), .fds_before = count_fds()};
    if (options != NULL) {
        o = *options;
    }
    c->manual = o.mode == COMPONENT_MANUAL;
    vec_init(&c->acks, sizeof(void *));
    vec_init(&c->declines, sizeof(void *));
    mem_budget_init(&c->budget, "test", 0, NULL);
    assert_int_equal(
        executor_new(&(struct executor_options){.name = "io", .n_threads = 1}, &c->io, &err), 0);
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &c->metrics, &err),
                     0);
    o.name = "worker";
    o.job_id = JOB_ID;
    o.find_operator = find_operator;
    o.io_executor = c->io;
    o.budget = &c->budget;
    o.metrics = c->metrics;
    c->worker = worker_new(&o);
    c->mailbox = mailbox_new(&(struct mailbox_options){.name = "master", .limit = master_limit});
    memcpy(c->token, TOKEN, sizeof(TOKEN));
    c->token_len = sizeof(TOKEN);
    assert_int_equal(worker_start(c->worker, cluster_pair(c), &err), 0);
}

void cluster_replace_master(struct test_cluster *c, const struct flinc_id *token)
{
    struct rpc_channel *old = c->channel;
    memcpy(c->token, token, sizeof(*token));
    c->token_len = sizeof(*token);
    worker_replace_master(c->worker, token, cluster_pair(c));
    /* Behind it: a master that is gone before another follows is a lost one. */
    rpc_channel_free(old);
    cluster_step(c);
}

void cluster_close(struct test_cluster *c)
{
    c->worker = worker_free(c->worker);
    mailbox_run(c->mailbox, 0);
    c->channel = rpc_channel_free(c->channel);
    mailbox_close(c->mailbox);
    mailbox_unref(c->mailbox);
    executor_free(c->io);
    assert_int_equal(metric_registry_len(c->metrics), 0);
    metric_registry_free(c->metrics);
    str_fini(&c->events);
    cluster_forget_checkpoints(c);
    vec_fini(&c->acks);
    vec_fini(&c->declines);
    /* Every buffer of every pool is back at the system. */
    assert_int_equal(atomic_load(&c->budget.used_bytes), 0);
    assert_int_equal(thread_count(), c->threads_before);
    assert_int_equal(count_fds(), c->fds_before);
}

/* ---- running ------------------------------------------------------------------------------------ */

void cluster_step(struct test_cluster *c)
{
    if (c->manual && c->worker != NULL) {
        component_run_until_idle(worker_component(c->worker), 0);
    }
    mailbox_run(c->mailbox, 10000);
}

void cluster_run_until(struct test_cluster *c, bool (*fn)(struct test_cluster *c))
{
    /* The worker's messages come from steps of this thread, or from its own. */
    struct event_count *event =
        mailbox_event(c->manual ? component_mailbox(worker_component(c->worker)) : c->mailbox);
    for (;;) {
        uint32_t ticket = event_count_prepare(event);
        cluster_step(c);
        if (fn(c)) {
            event_count_cancel(event);
            return;
        }
        event_count_wait(event, ticket, -1);
    }
}

static bool all_terminal(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (!c->tasks[i].refused && !job_task_is_terminal(&c->tasks[i])) {
            return false;
        }
    }
    return true;
}

void cluster_run_to_end(struct test_cluster *c)
{
    cluster_run_until(c, all_terminal);
}

Flinc__ExecutionState job_task_state(const struct job_task *t)
{
    return t->n_states > 0 ? t->states[t->n_states - 1] : STATE(DEPLOYING);
}

bool job_task_is_terminal(const struct job_task *t)
{
    Flinc__ExecutionState s = job_task_state(t);
    return s == STATE(FINISHED) || s == STATE(CANCELED) || s == STATE(FAILED);
}

void cluster_assert_all(const struct test_cluster *c, Flinc__ExecutionState state)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (job_task_state(t) != state) {
            fail_msg("vertex %u subtask %u is in state %d: %s (%s)", t->vertex, t->subtask,
                     job_task_state(t), t->error.message, t->error.frames);
        }
    }
}

/* ---- ids ---------------------------------------------------------------------------------------- */

void job_attempt_id(const struct job_task *t, uint8_t ret_id[16])
{
    memset(ret_id, 0, 16);
    ret_id[0] = (uint8_t)(t->vertex + 1);
    ret_id[1] = (uint8_t)t->subtask;
    memcpy(ret_id + 2, &t->attempt, sizeof(t->attempt));
}

void job_operator_id(uint32_t vertex, uint32_t op, uint8_t ret_id[16])
{
    memset(ret_id, 0, 16);
    ret_id[0] = (uint8_t)(vertex + 1);
    ret_id[1] = (uint8_t)(op + 1);
}

struct job_task *cluster_task(struct test_cluster *c, uint32_t vertex, uint32_t subtask)
{
    for (uint32_t i = c->n_tasks; i-- > 0;) { /* the latest attempt */
        if (c->tasks[i].vertex == vertex && c->tasks[i].subtask == subtask) {
            return &c->tasks[i];
        }
    }
    fail_msg("no subtask %u of vertex %u", subtask, vertex);
    return NULL;
}

/* ---- messages of the master ---------------------------------------------------------------------- */

void cluster_send(struct test_cluster *c, Flinc__MasterToWorker *message)
{
    struct error err = ERROR_INIT;
    message->version = 1;
    if (message->fencing_token.data == NULL) {
        message->fencing_token = (ProtobufCBinaryData){c->token_len, c->token};
    }
    if (rpc_channel_send(c->channel, &message->base, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static ProtobufCBinaryData bytes_in(struct arena *a, const void *data, size_t len)
{
    uint8_t *copy = arena_alloc(a, len + 1);
    memcpy(copy, data, len);
    return (ProtobufCBinaryData){len, copy};
}

static ProtobufCBinaryData attempt_in(struct arena *a, const struct test_cluster *c,
                                      uint32_t vertex, uint32_t subtask)
{
    const struct job_task t = {.vertex = vertex, .subtask = subtask, .attempt = c->attempt};
    uint8_t id[16];
    job_attempt_id(&t, id);
    return bytes_in(a, id, sizeof(id));
}

#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_LIST(arena, type, n) ((type **)arena_zalloc((arena), sizeof(type *) * ((n) + 1)))

static Flinc__Operator *operator_in(struct arena *a, const struct job *job, uint32_t vertex,
                                    uint32_t index)
{
    const struct job_operator *o = &job->vertices[vertex].operators[index];
    Flinc__Operator *op = ARENA_NEW(a, Flinc__Operator);
    const struct operator_desc *desc = find_operator(o->kind);
    uint8_t id[16];
    flinc__operator__init(op);
    job_operator_id(vertex, index, id);
    op->id = bytes_in(a, id, sizeof(id));
    op->kind = (char *)o->kind;
    op->name = (char *)o->name;
    op->version = 1;
    op->config = stateful_operator_find(o->kind) != NULL
                     ? bytes_in(a, &o->stateful, sizeof(o->stateful))
                     : bytes_in(a, &o->config, sizeof(o->config));
    op->n_input_schemas = desc != NULL ? desc->n_inputs : 0;
    op->input_schemas = ARENA_LIST(a, char, op->n_input_schemas);
    for (size_t i = 0; i < op->n_input_schemas; i++) {
        op->input_schemas[i] = TEST_SCHEMA;
    }
    op->n_outputs = o->n_outputs;
    op->outputs = ARENA_LIST(a, Flinc__OperatorOutput, op->n_outputs);
    for (size_t i = 0; i < op->n_outputs; i++) {
        op->outputs[i] = ARENA_NEW(a, Flinc__OperatorOutput);
        flinc__operator_output__init(op->outputs[i]);
        op->outputs[i]->schema = TEST_SCHEMA;
    }
    return op;
}

static Flinc__JobVertex *vertex_in(struct arena *a, const struct job *job, uint32_t index)
{
    const struct job_vertex *v = &job->vertices[index];
    Flinc__JobVertex *vertex = ARENA_NEW(a, Flinc__JobVertex);
    flinc__job_vertex__init(vertex);
    vertex->name = (char *)v->name;
    vertex->parallelism = v->parallelism;
    vertex->max_parallelism = 128;
    vertex->n_operators = v->n_operators;
    vertex->operators = ARENA_LIST(a, Flinc__Operator, v->n_operators);
    for (uint32_t i = 0; i < v->n_operators; i++) {
        vertex->operators[i] = operator_in(a, job, index, i);
    }
    vertex->n_chain = v->n_operators - 1;
    vertex->chain = ARENA_LIST(a, Flinc__ChainEdge, vertex->n_chain);
    for (uint32_t i = 0; i + 1 < v->n_operators; i++) {
        vertex->chain[i] = ARENA_NEW(a, Flinc__ChainEdge);
        flinc__chain_edge__init(vertex->chain[i]);
        vertex->chain[i]->source_operator = i;
        vertex->chain[i]->target_operator = i + 1;
    }
    return vertex;
}

static Flinc__Partitioner *partitioner_in(struct arena *a, Flinc__PartitionerKind kind)
{
    Flinc__Partitioner *p = ARENA_NEW(a, Flinc__Partitioner);
    flinc__partitioner__init(p);
    p->kind = kind;
    if (kind == PARTITION(HASH)) {
        p->n_key_columns = 1;
        p->key_columns = arena_zalloc(a, sizeof(*p->key_columns));
    }
    if (kind == PARTITION(CUSTOM)) { /* by the field n of a struct of one field */
        p->function = ARENA_NEW(a, Flinc__FunctionRef);
        flinc__function_ref__init(p->function);
        p->function->name = "by_number";
        p->function->location = "job.c:7";
        p->function->kind = FLINC_FN_PARTITION;
        p->function_input = ARENA_NEW(a, Flinc__StructDesc);
        flinc__struct_desc__init(p->function_input);
        p->function_input->name = "number";
        p->function_input->size = sizeof(int64_t);
        p->function_input->n_fields = 1;
        p->function_input->fields = ARENA_LIST(a, Flinc__StructField, 1);
        p->function_input->fields[0] = ARENA_NEW(a, Flinc__StructField);
        flinc__struct_field__init(p->function_input->fields[0]);
        p->function_input->fields[0]->name = "n";
        p->function_input->fields[0]->kind = FLINC_KIND_INT64;
        p->function_input->fields[0]->null_offset = FLINC_NEVER_NULL;
    }
    return p;
}

static void add_edges(struct arena *a, struct test_cluster *c, Flinc__DeployTasks *d,
                      const struct job *job, uint32_t vertex)
{
    d->results = ARENA_LIST(a, Flinc__ResultDescriptor, job->n_edges);
    d->gates = ARENA_LIST(a, Flinc__GateDescriptor, job->n_edges);
    for (uint32_t i = 0; i < job->n_edges; i++) {
        const struct job_edge *e = &job->edges[i];
        uint32_t producers = job->vertices[e->source].parallelism;
        if (e->source == vertex) {
            Flinc__ResultDescriptor *r = ARENA_NEW(a, Flinc__ResultDescriptor);
            flinc__result_descriptor__init(r);
            r->edge = i;
            r->source_operator = e->source_operator;
            r->source_output = e->source_output;
            r->partitioner = partitioner_in(a, e->kind);
            r->consumer_parallelism = job->vertices[e->target].parallelism;
            r->consumer_max_parallelism = 128;
            r->schema = TEST_SCHEMA;
            d->results[d->n_results++] = r;
        }
        if (e->target == vertex) {
            Flinc__GateDescriptor *g = ARENA_NEW(a, Flinc__GateDescriptor);
            flinc__gate_descriptor__init(g);
            g->edge = i;
            g->edge_id = bytes_in(a, &i, sizeof(i));
            g->target_operator = e->target_operator;
            g->target_input = e->target_input;
            g->partitioner = partitioner_in(a, e->kind);
            g->producer_parallelism = producers;
            g->n_producer_attempts = producers;
            g->producer_attempts = arena_zalloc(a, sizeof(ProtobufCBinaryData) * producers);
            g->n_producer_locations = e->location != NULL ? producers : 0;
            g->producer_locations = ARENA_LIST(a, char, producers);
            for (uint32_t p = 0; p < producers; p++) {
                g->producer_attempts[p] = attempt_in(a, c, e->source, p);
                g->producer_locations[p] = arena_strdup(a, e->location != NULL ? e->location : "");
            }
            g->schema = TEST_SCHEMA;
            d->gates[d->n_gates++] = g;
        }
    }
}

/* What the task acknowledged, as it is. */
static Flinc__TaskRestore *restore_in(struct arena *a, const struct test_cluster *c,
                                      uint32_t vertex, uint32_t subtask)
{
    if (c->restore_id == 0) {
        return NULL;
    }
    const Flinc__CheckpointAck *ack = cluster_ack(c, c->restore_id, vertex, subtask);
    Flinc__TaskRestore *r = ARENA_NEW(a, Flinc__TaskRestore);
    flinc__task_restore__init(r);
    r->checkpoint_id = c->restore_id;
    r->directory = (char *)(c->restore_directory != NULL ? c->restore_directory : "");
    if (ack != NULL) {
        r->n_operators = ack->snapshot->n_operators;
        r->operators = ack->snapshot->operators;
        r->finished = ack->snapshot->finished;
    } else {
        r->finished = true; /* it had ended before */
    }
    return r;
}

static void add_task(struct test_cluster *c, uint32_t vertex, uint32_t subtask)
{
    struct job_task t = {.vertex = vertex, .subtask = subtask, .attempt = c->attempt};
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].vertex == vertex && c->tasks[i].subtask == subtask &&
            c->tasks[i].attempt == c->attempt) {
            return; /* deployed again */
        }
    }
    assert_true(c->n_tasks < JOB_TASKS_MAX);
    c->tasks[c->n_tasks++] = t;
}

void cluster_deploy_vertex(struct test_cluster *c, const struct job *job, uint32_t vertex)
{
    struct arena a;
    arena_init(&a, 0);
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__DeployTasks d = FLINC__DEPLOY_TASKS__INIT;
    d.job_id = bytes_in(&a, &JOB_ID, sizeof(JOB_ID));
    d.job_name = "test job";
    d.vertex = vertex_in(&a, job, vertex);
    d.n_subtasks = d.vertex->parallelism;
    d.subtasks = ARENA_LIST(&a, Flinc__SubtaskDeployment, d.n_subtasks);
    for (uint32_t i = 0; i < d.n_subtasks; i++) {
        d.subtasks[i] = ARENA_NEW(&a, Flinc__SubtaskDeployment);
        flinc__subtask_deployment__init(d.subtasks[i]);
        d.subtasks[i]->subtask = i;
        d.subtasks[i]->attempt_number = c->attempt;
        d.subtasks[i]->attempt_id = attempt_in(&a, c, vertex, i);
        d.subtasks[i]->restore = restore_in(&a, c, vertex, i);
        add_task(c, vertex, i);
    }
    add_edges(&a, c, &d, job, vertex);
    d.n_config = job->n_config;
    d.config = ARENA_LIST(&a, Flinc__KeyValue, job->n_config);
    for (uint32_t i = 0; i < job->n_config; i++) {
        d.config[i] = ARENA_NEW(&a, Flinc__KeyValue);
        flinc__key_value__init(d.config[i]);
        d.config[i]->key = job->config[i].key;
        d.config[i]->value = job->config[i].value;
    }
    d.runtime_mode = job->mode;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_DEPLOY;
    message.deploy = &d;
    cluster_send(c, &message);
    arena_fini(&a);
}

void cluster_deploy(struct test_cluster *c, const struct job *job, enum job_order order)
{
    for (uint32_t i = 0; i < job->n_vertices; i++) {
        cluster_deploy_vertex(c, job, order == JOB_SOURCES_FIRST ? i : job->n_vertices - 1 - i);
    }
}

void cluster_cancel(struct test_cluster *c, const struct job_task *task)
{
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__CancelTasks cancel = FLINC__CANCEL_TASKS__INIT;
    uint8_t id[16];
    job_attempt_id(task, id);
    ProtobufCBinaryData bytes = {sizeof(id), id};
    cancel.n_attempt_ids = 1;
    cancel.attempt_ids = &bytes;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_CANCEL;
    message.cancel = &cancel;
    cluster_send(c, &message);
}

void cluster_cancel_all(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        cluster_cancel(c, &c->tasks[i]);
    }
}

void cluster_send_event(struct test_cluster *c, const struct job_task *task, uint32_t op,
                        const char *payload, uint64_t sequence)
{
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__OperatorEvent event = FLINC__OPERATOR_EVENT__INIT;
    uint8_t attempt[16], operator_id[16];
    job_attempt_id(task, attempt);
    job_operator_id(task->vertex, op, operator_id);
    event.attempt_id = (ProtobufCBinaryData){sizeof(attempt), attempt};
    event.operator_id = (ProtobufCBinaryData){sizeof(operator_id), operator_id};
    event.payload = (ProtobufCBinaryData){strlen(payload), (uint8_t *)payload};
    event.sequence = sequence;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_OPERATOR_EVENT;
    message.operator_event = &event;
    cluster_send(c, &message);
}

struct job job_pipeline(Flinc__PartitionerKind kind, uint32_t sources, uint32_t sinks,
                        const struct test_config *source, const struct test_config *sink)
{
    struct job job = {.n_vertices = 2, .n_edges = 1};
    job.vertices[0] = (struct job_vertex){
        .name = "Source",
        .parallelism = sources,
        .operators = {{.kind = "test.source", .name = "Source", .config = *source, .n_outputs = 1}},
        .n_operators = 1,
    };
    job.vertices[1] = (struct job_vertex){
        .name = "Sink",
        .parallelism = sinks,
        .operators = {{.kind = "test.sink", .name = "Sink", .config = *sink}},
        .n_operators = 1,
    };
    job.edges[0] = (struct job_edge){.source = 0, .target = 1, .kind = kind};
    return job;
}
