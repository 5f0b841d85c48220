/* A worker's life, and what its tasks tell it.
 *
 * Tasks post to the worker's mailbox; their posts are in order, so that a task exists until its
 * TASK_ENDED is processed and may be borrowed by all operations before. */
#include "common/base/log.h"
#include "connectors/plugin/plugin.h"
#include "connectors/registry/registry.h"
#include "engine/snapshot/merging.h"
#include "engine/table/table.h"
#include "formats/format.h"
#include "taskmanager/worker/state_disk.h"
#include "taskmanager/worker/worker_internal.h"

static const char topic[] = "flinc.taskmanager.worker";

/* ---- from tasks --------------------------------------------------------------------------------- */

struct task_event {
    struct task *task; /* Borrows */
    task_state state;
    ProtobufCBinaryData operator_id; /* Borrows: the deployment's */
    uint64_t sequence;
    size_t size;
    uint8_t data[];
};

/* Posts of tasks have no limit of their own: a task posts three states, and events that its
 * coordinator asked for.  The mailbox closes after the last task has ended. */
static void worker_post(struct worker *w, enum worker_op kind,
                        void (*run)(void *target, void *payload), void *payload)
{
    const struct mailbox_op op = {
        .kind = kind, .run = run, .target = w, .payload = payload, .drop = mem_free};
    int rc = mailbox_post_internal(component_mailbox(w->component), MAILBOX_LANE_DATA, &op);
    ASSERT(rc == 0);
}

static void worker_op_task_state(void *target, void *payload)
{
    struct task_event *e = payload;
    LOG_INFO(topic, "task %s switched to %s", e->task->name, task_state_name(e->state));
    worker_send_state(target, e->task, e->state);
    mem_free(e);
}

static void worker_on_task_state(void *owner, struct task *task, task_state state)
{
    struct task_event *e = MEM_NEW(struct task_event);
    e->task = task;
    e->state = state;
    worker_post(owner, WORKER_OP_TASK_STATE, worker_op_task_state, e);
}

static void worker_op_task_event(void *target, void *payload)
{
    struct task_event *e = payload;
    Flinc__WorkerToMaster message = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__OperatorEvent event = FLINC__OPERATOR_EVENT__INIT;
    event.attempt_id = e->task->spec->attempt_id;
    event.operator_id = e->operator_id;
    event.payload = (ProtobufCBinaryData){e->size, e->data};
    event.sequence = e->sequence;
    message.body_case = FLINC__WORKER_TO_MASTER__BODY_OPERATOR_EVENT;
    message.operator_event = &event;
    if (e->task->master_epoch == ((struct worker *)target)->master_epoch) {
        e->task->n_events_sent++;
        worker_send(target, &message);
    }
    mem_free(e);
}

static void worker_on_task_event(void *owner, struct task *task,
                                 const ProtobufCBinaryData *operator_id, const uint8_t *data,
                                 size_t size, uint64_t sequence)
{
    struct task_event *e = mem_zalloc(sizeof(*e) + size);
    e->task = task;
    e->operator_id = *operator_id;
    e->sequence = sequence;
    e->size = size;
    if (size > 0) {
        memcpy(e->data, data, size);
    }
    worker_post(owner, WORKER_OP_TASK_EVENT, worker_op_task_event, e);
}

struct task_message {
    struct task *task;              /* Borrows */
    Flinc__WorkerToMaster *message; /* Owns */
};

static void task_message_drop(void *payload)
{
    struct task_message *m = payload;
    rpc_message_free(&m->message->base);
    mem_free(m);
}

static void worker_op_task_message(void *target, void *payload)
{
    struct worker *w = target;
    struct task_message *m = payload;
    if (m->task->master_epoch == w->master_epoch) {
        worker_send(w, m->message);
        m->message->fencing_token = (ProtobufCBinaryData){0}; /* it was lent */
    }
    task_message_drop(m);
}

static void worker_on_task_message(void *owner, struct task *task,
                                   Flinc__WorkerToMaster *take_message)
{
    struct worker *w = owner;
    struct task_message *m = MEM_NEW(struct task_message);
    m->task = task;
    m->message = take_message;
    const struct mailbox_op op = {.kind = WORKER_OP_TASK_MESSAGE,
                                  .run = worker_op_task_message,
                                  .target = w,
                                  .payload = m,
                                  .drop = task_message_drop};
    int rc = mailbox_post_internal(component_mailbox(w->component), MAILBOX_LANE_DATA, &op);
    ASSERT(rc == 0);
}

static void worker_log_end(const struct task *t, task_state state)
{
    if (state == FLINC__EXECUTION_STATE__EXECUTION_FAILED) {
        char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
        LOG_WARN(topic, "task %s switched to FAILED: %s", t->name,
                 error_format(&t->error, text, sizeof(text)));
    } else {
        LOG_INFO(topic, "task %s switched to %s", t->name, task_state_name(state));
    }
}

static void worker_op_task_ended(void *target, void *payload)
{
    struct worker *w = target;
    struct task *task = payload;
    task_join(task);
    worker_unwatch(w, task);
    task_state state = task_get_state(task);
    worker_log_end(task, state);
    map_remove_bytes(&w->tasks, task->attempt_id.bytes, sizeof(task->attempt_id.bytes));
    worker_send_state(w, task, state);
    task_free(task);
    worker_count_tasks(w, -1);
    event_count_signal(&w->tasks_ended);
    worker_check_shutdown(w);
}

static void worker_on_task_ended(void *owner, struct task *task)
{
    struct worker *w = owner;
    const struct mailbox_op op = {
        .kind = WORKER_OP_TASK_ENDED, .run = worker_op_task_ended, .target = w, .payload = task};
    int rc = mailbox_post_internal(component_mailbox(w->component), MAILBOX_LANE_DATA, &op);
    ASSERT(rc == 0);
}

void worker_count_tasks(struct worker *w, int32_t change)
{
    uint32_t n = atomic_fetch_add(&w->n_tasks, (uint32_t)change) + (uint32_t)change;
    if (w->options.on_n_tasks != NULL) {
        w->options.on_n_tasks(w->options.owner, n);
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

static void worker_on_start(void *owner);

struct worker *worker_new(const struct worker_options *options)
{
    struct worker *w = MEM_NEW(struct worker);
    connectors_register();
    connector_plugins_load(NULL);
    format_plugins_load(NULL);
    w->options = *options;
    w->name = mem_strdup(options->name);
    if (w->options.clock == NULL) {
        w->options.clock = &clock_system;
    }
    map_init(&w->tasks, NULL);
    map_init(&w->attempts, NULL);
    vec_init(&w->outbox, sizeof(Flinc__WorkerToMaster *));
    w->component = component_new(&(struct component_options){
        .name = w->name,
        .mode = options->mode,
        .clock = w->options.clock,
        .on_start = worker_on_start,
        .owner = w,
    });
    w->env = (struct task_environment){
        .clock = w->options.clock,
        .code = options->code,
        .registry = options->metrics,
        .io_executor = options->io_executor,
        .budget = options->budget,
        .state_budget = options->state_budget,
        .state_disk = state_disk_new(&(struct state_disk_options){.directory = options->state_dir,
                                                                  .budget = options->state_budget,
                                                                  .n_slots = options->n_slots}),
        .n_tasks = &w->n_tasks,
        .incarnation = options->incarnation,
        .remote = options->remote,
        .local_dirs = options->local_state_dirs,
        .find_operator =
            options->find_operator != NULL ? options->find_operator : table_operator_find,
        .partitions = partition_registry_new(w->options.clock),
        .on_state = worker_on_task_state,
        .on_event = worker_on_task_event,
        .on_message = worker_on_task_message,
        .on_ended = worker_on_task_ended,
        .owner = w,
    };
    return w;
}

void worker_get_end(struct worker *w, struct rpc_end_options *ret_end)
{
    *ret_end = (struct rpc_end_options){
        .name = w->name,
        .sends = &flinc__worker_to_master__descriptor,
        .receives = &flinc__master_to_worker__descriptor,
        .mailbox = component_mailbox(w->component),
        .lane = MAILBOX_LANE_CONTROL,
        .message_kind = WORKER_OP_MESSAGE,
        .closed_kind = WORKER_OP_MASTER_CLOSED,
        .on_message = worker_on_message,
        .on_closed = worker_on_master_closed,
        .target = w,
    };
}

int worker_start(struct worker *w, struct rpc_channel *take_master, struct error *err)
{
    w->master = take_master;
    return component_start(w->component, err);
}

/* Channels whose other side never came. */
static void worker_sweep(void *arg)
{
    struct worker *w = arg;
    uint32_t n = partition_registry_sweep(w->env.partitions, 2 * w->partition_timeout_ms);
    if (n > 0) {
        LOG_INFO(topic, "%u channels are dropped: their other side did not come", n);
    }
    component_schedule(w->component, WORKER_SWEEP_INTERVAL_MS, worker_sweep, w);
}

/* The periodic report; a master that has asked meanwhile has what it would say. */
static void worker_report(void *arg)
{
    struct worker *w = arg;
    int64_t age_ns = clock_monotonic_ns(w->options.clock) - w->last_report_ns;
    if (age_ns >= w->options.report_interval_ms * 1000000 / 2) {
        worker_send_report(w, 0);
    }
    component_schedule(w->component, w->options.report_interval_ms, worker_report, w);
}

static void worker_update_rates(void *arg)
{
    struct worker *w = arg;
    (void)metric_registry_update(w->options.metrics); /* it looks at the time itself */
    state_disk_sample(w->env.state_disk);
    component_schedule(w->component, WORKER_RATES_INTERVAL_MS, worker_update_rates, w);
}

static void worker_on_start(void *owner)
{
    struct worker *w = owner;
    if (w->options.metrics != NULL) {
        component_schedule(w->component, WORKER_RATES_INTERVAL_MS, worker_update_rates, w);
    }
    component_schedule(w->component, WORKER_SWEEP_INTERVAL_MS, worker_sweep, w);
    if (w->options.report_interval_ms > 0) {
        component_schedule(w->component, w->options.report_interval_ms, worker_report, w);
    }
}

struct new_master {
    struct rpc_channel *channel; /* Owns */
    struct flinc_id token;
};

static void new_master_drop(void *payload)
{
    struct new_master *m = payload;
    rpc_channel_free(m->channel);
    mem_free(m);
}

static void worker_forget_master(struct worker *w)
{
    w->master_epoch++;
    worker_outbox_clear(w);
    worker_cancel_all(w);
    mem_free(w->token);
    w->token = NULL;
    w->shutting_down = atomic_load(&w->stopping);
    w->shutdown_answered = false;
}

static void worker_op_master(void *target, void *payload)
{
    struct worker *w = target;
    struct new_master *m = payload;
    bool same = w->has_token && w->token_len == sizeof(m->token) &&
                memcmp(w->token, &m->token, sizeof(m->token)) == 0;
    rpc_channel_free(w->master);
    w->master = STEAL(m->channel);
    if (!same) {
        worker_forget_master(w);
        w->token = mem_dup(&m->token, sizeof(m->token));
        w->token_len = sizeof(m->token);
        w->has_token = true;
    }
    mem_free(m);
}

void worker_replace_master(struct worker *w, const struct flinc_id *token,
                           struct rpc_channel *take_master)
{
    struct new_master *m = MEM_NEW(struct new_master);
    m->channel = take_master;
    m->token = *token;
    const struct mailbox_op op = {.kind = WORKER_OP_MASTER,
                                  .run = worker_op_master,
                                  .target = w,
                                  .payload = m,
                                  .drop = new_master_drop};
    if (mailbox_post_internal(component_mailbox(w->component), MAILBOX_LANE_CONTROL, &op) < 0) {
        new_master_drop(m);
    }
}

static void worker_op_trim(void *target, void *payload)
{
    struct worker *w = target;
    MAP_FOREACH (&w->tasks, e) {
        task_post_trim(e->value);
    }
}

void worker_trim(struct worker *w)
{
    const struct mailbox_op op = {.kind = WORKER_OP_TRIM, .run = worker_op_trim, .target = w};
    (void)!mailbox_post(component_mailbox(w->component), MAILBOX_LANE_DATA, &op);
}

static void worker_op_stop(void *target, void *payload)
{
    struct worker *w = target;
    w->shutting_down = true;
    worker_cancel_all(w);
    /* From here on no task is deployed any more. */
    atomic_store(&w->stopping, true);
    event_count_signal(&w->tasks_ended);
}

/* Manual mode: the component is the caller's to step. */
static void worker_step_until_ended(struct worker *w)
{
    struct event_count *event = mailbox_event(component_mailbox(w->component));
    while (!atomic_load(&w->stopping) || worker_n_tasks(w) > 0) {
        uint32_t ticket = event_count_prepare(event);
        if (component_run_until_idle(w->component, 0) > 0) {
            event_count_cancel(event);
        } else {
            event_count_wait(event, ticket, -1);
        }
    }
}

static void worker_wait_until_ended(struct worker *w)
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&w->tasks_ended);
        if (atomic_load(&w->stopping) && worker_n_tasks(w) == 0) {
            event_count_cancel(&w->tasks_ended);
            return;
        }
        event_count_wait(&w->tasks_ended, ticket, -1);
    }
}

void worker_stop(struct worker *w)
{
    if (component_get_state(w->component) == COMPONENT_RUNNING) {
        const struct mailbox_op op = {.kind = WORKER_OP_STOP, .run = worker_op_stop, .target = w};
        int rc = mailbox_post_internal(component_mailbox(w->component), MAILBOX_LANE_CONTROL, &op);
        ASSERT(rc == 0);
        if (w->options.mode == COMPONENT_MANUAL) {
            worker_step_until_ended(w);
        } else {
            worker_wait_until_ended(w);
        }
    }
    component_stop(w->component);
}

struct worker *worker_free(struct worker *w)
{
    if (w == NULL) {
        return NULL;
    }
    worker_stop(w);
    rpc_channel_free(w->master);
    component_free(w->component);
    worker_outbox_clear(w);
    vec_fini(&w->outbox);
    partition_registry_free(w->env.partitions);
    state_disk_free(w->env.state_disk);
    metric_group_free(w->job_metrics);
    file_merging_unref(w->env.merging); /* its gauges are gone */
    map_fini(&w->tasks);
    map_fini(&w->attempts);
    mem_free(w->token);
    mem_free(w->name);
    mem_free(w);
    return NULL;
}

struct component *worker_component(struct worker *w)
{
    return w->component;
}

struct partition_registry *worker_partitions(struct worker *w)
{
    return w->env.partitions;
}

uint32_t worker_n_tasks(const struct worker *w)
{
    return atomic_load(&w->n_tasks);
}
