/* Messages of the task manager to this worker process. */
#include "common/base/log.h"
#include "common/conf/log_setup.h"
#include "common/fs/drivers/drivers.h"
#include "taskmanager/taskworker/taskworker.h"
#include <unistd.h>

static const char topic[] = "flinc.taskworker";

/* ---- hello --------------------------------------------------------------------------------------- */

static int take_id(const ProtobufCBinaryData *bytes, const char *what, struct flinc_id *ret,
                   struct error *err)
{
    if (bytes->len != sizeof(*ret)) {
        return error_set(err, ERR_CORRUPT, "a %s of %zu bytes", what, bytes->len);
    }
    memcpy(ret, bytes->data, sizeof(*ret));
    return 0;
}

static int hello_configure(struct taskworker *tw, const Flinc__WorkerHello *h, struct error *err)
{
    TRY(take_id(&h->job_id, "job id", &tw->job_id, err));
    TRY(take_id(&h->incarnation, "worker incarnation", &tw->incarnation, err));
    for (size_t i = 0; i < h->n_config; i++) {
        TRY(conf_set(&tw->conf, h->config[i]->key, h->config[i]->value, err));
    }
    log_setup_levels(&tw->conf);
    TRY(file_systems_register(&tw->conf, err));
    tw->job_name = mem_strdup(h->job_name);
    tw->tm_id = mem_strdup(h->tm_id);
    tw->host = mem_strdup(h->host);
    if (h->n_local_state_dirs > LOCAL_DIRS_MAX) {
        return error_set(err, ERR_CORRUPT, "%zu folders of local state", h->n_local_state_dirs);
    }
    const struct local_dirs dirs = {h->local_state_dirs, (uint32_t)h->n_local_state_dirs};
    local_dirs_copy(&dirs, NULL, &tw->local_state_dirs);
    tw->state_dir = h->state_dir[0] != '\0' ? mem_strdup(h->state_dir) : NULL;
    job_code_init(&tw->code, h->blob_dir);
    return 0;
}

static void on_n_tasks(void *owner, uint32_t n_tasks)
{
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    Flinc__WorkerStatus status = FLINC__WORKER_STATUS__INIT;
    status.n_tasks = n_tasks;
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_STATUS;
    m.status = &status;
    taskworker_send(owner, &m);
}

static void on_stuck_task(void *owner, const struct stuck_task *task)
{
    struct taskworker *tw = owner;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_TIMEOUT,
              "Task %s of job '%s' did not end within %lld ms of its cancellation "
              "(task.cancellation.timeout), in operator %s: its worker process is ended",
              task->task_name, task->job_name, (long long)task->cancelling_ms, task->operator_name);
    taskworker_die(tw, &err, TASKWORKER_EXIT_STUCK);
}

/* What the task manager adds to its own process's. */
static void make_process_metrics(struct taskworker *tw)
{
    const struct metric_variable variables[] = {{"host", tw->host}, {"tm_id", tw->tm_id}};
    tw->own_metrics =
        metric_group_new(tw->metrics, NULL, METRIC_SCOPE_TM, variables, ARRAY_LEN(variables));
    tw->process_metrics = process_metrics_new(tw->own_metrics, NULL, 0);
}

static int make_worker(struct taskworker *tw, struct error *err)
{
    struct metric_registry_options metrics = {
        .delimiter = conf_string(&tw->conf, "metrics.scope.delimiter")[0]};
    for (int i = 0; i < METRIC_SCOPES; i++) {
        metrics.formats[i] = conf_string(&tw->conf, metric_scope_option((enum metric_scope)i));
    }
    TRY(metric_registry_new(&metrics, &tw->metrics, err));
    make_process_metrics(tw);
    TRY(executor_new(
        &(struct executor_options){.name = "flinc-io", .n_threads = TASKWORKER_IO_THREADS}, &tw->io,
        err));
    const struct worker_options options = {
        .name = "worker",
        .host = tw->host,
        .tm_id = tw->tm_id,
        .job_id = tw->job_id,
        .incarnation = tw->incarnation,
        .remote = {taskworker_open_remote, tw},
        .conf = &tw->conf,
        .mode = COMPONENT_THREAD,
        .code = &tw->code.resolver,
        .metrics = tw->metrics,
        .io_executor = tw->io,
        .local_state_dirs = tw->local_state_dirs,
        .budget = &tw->pools,
        .state_budget = &tw->managed,
        .n_slots = &tw->n_slots,
        .state_dir = tw->state_dir,
        .report_interval_ms = TASKWORKER_REPORT_MS,
        .on_stuck_task = on_stuck_task,
        .on_standstill = taskworker_log_stacks,
        .on_n_tasks = on_n_tasks,
        .owner = tw,
    };
    tw->worker = worker_new(&options);
    TRY(taskworker_network_start(tw, err));
    return worker_start(tw->worker, NULL, err);
}

static void send_ready(struct taskworker *tw)
{
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    Flinc__WorkerReady ready = FLINC__WORKER_READY__INIT;
    ready.pid = (uint32_t)getpid();
    ready.start_us = (uint64_t)(clock_monotonic_ns(&clock_system) - tw->start_ns) / 1000;
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_READY;
    m.ready = &ready;
    taskworker_send(tw, &m);
}

static void on_hello(struct taskworker *tw, const Flinc__WorkerHello *h)
{
    struct error err = ERROR_INIT;
    if (tw->state != TASKWORKER_WAITING) {
        LOG_WARN(topic, "a second hello is ignored");
        return;
    }
    int rc = hello_configure(tw, h, &err);
    if (rc == 0) {
        rc = make_worker(tw, &err);
    }
    if (rc < 0) {
        error_context(&err, "starting the worker process of job '%s'", h->job_name);
        LOG_ERROR(topic, "the worker process cannot start: %s", err.message);
        taskworker_die(tw, &err, TASKWORKER_EXIT_REFUSED);
        return;
    }
    tw->state = TASKWORKER_READY;
    taskworker_watch_memory(tw);
    send_ready(tw);
}

/* ---- stop ---------------------------------------------------------------------------------------- */

static void on_flushed(void *arg)
{
    struct taskworker *tw = arg;
    loop_stop(tw->loop);
}

static void op_stopped(void *target, void *payload)
{
    struct taskworker *tw = target;
    (void)loop_schedule(tw->loop, TASKWORKER_FLUSH_MS, on_flushed, tw);
}

/* On a thread of its own, because the loop passes on what the ending tasks say. */
static void *stop_main(void *arg)
{
    struct taskworker *tw = arg;
    worker_stop(tw->worker);
    const struct mailbox_op op = {.run = op_stopped, .target = tw};
    int rc = mailbox_post_internal(loop_mailbox(tw->loop), MAILBOX_LANE_DATA, &op);
    ASSERT(rc == 0);
    return NULL;
}

static void on_stop(struct taskworker *tw, const Flinc__WorkerStop *stop)
{
    struct error err = ERROR_INIT;
    if (tw->state == TASKWORKER_STOPPING) {
        return;
    }
    LOG_INFO(topic, "the worker of job '%s' stops: %s", tw->job_name, stop->reason);
    bool ready = tw->state == TASKWORKER_READY;
    tw->state = TASKWORKER_STOPPING;
    if (!ready) {
        loop_stop(tw->loop);
    } else if (thread_start(&tw->stopper, "stop", stop_main, tw, &err) < 0) {
        taskworker_die(tw, &err, TASKWORKER_EXIT_REFUSED);
    } else {
        tw->stop_runs = true;
    }
}

/* ---- all of them --------------------------------------------------------------------------------- */

static void on_link(struct taskworker *tw, const Flinc__MasterLink *link)
{
    struct error err = ERROR_INIT;
    if (taskworker_open_link(tw, link, &err) < 0) {
        LOG_WARN(topic, "a link to a job master is not opened: %s", err.message);
    }
}

static void dispatch_ready(struct taskworker *tw, const Flinc__TaskManagerToWorker *m)
{
    switch (m->body_case) {
    case FLINC__TASK_MANAGER_TO_WORKER__BODY_BUDGET:
        taskworker_set_budget(tw, m->budget);
        break;
    case FLINC__TASK_MANAGER_TO_WORKER__BODY_LINK:
        on_link(tw, m->link);
        break;
    case FLINC__TASK_MANAGER_TO_WORKER__BODY_LINK_CLOSED:
        taskworker_close_link(tw, m->link_closed);
        break;
    case FLINC__TASK_MANAGER_TO_WORKER__BODY_MESSAGE:
        taskworker_deliver(tw, m->message);
        break;
    case FLINC__TASK_MANAGER_TO_WORKER__BODY_QUERY:
        taskworker_answer(tw, m->query);
        break;
    default:
        LOG_WARN(topic, "a message of unknown kind %d is ignored", (int)m->body_case);
    }
}

void taskworker_on_message(void *target, ProtobufCMessage *take_message)
{
    struct taskworker *tw = target;
    Flinc__TaskManagerToWorker *m = (Flinc__TaskManagerToWorker *)take_message;
    if (atomic_load(&tw->dying)) {
        /* Only its last words are left to say. */
    } else if (m->body_case == FLINC__TASK_MANAGER_TO_WORKER__BODY_HELLO) {
        on_hello(tw, m->hello);
    } else if (m->body_case == FLINC__TASK_MANAGER_TO_WORKER__BODY_STOP) {
        on_stop(tw, m->stop);
    } else if (tw->state == TASKWORKER_READY) {
        dispatch_ready(tw, m);
    }
    rpc_message_free(take_message);
}

void taskworker_on_message_fd(void *target, ProtobufCMessage *take_message, int take_fd)
{
    struct taskworker *tw = target;
    Flinc__TaskManagerToWorker *m = (Flinc__TaskManagerToWorker *)take_message;
    if (m->body_case == FLINC__TASK_MANAGER_TO_WORKER__BODY_DATA_CONNECTION &&
        tw->state == TASKWORKER_READY) {
        taskworker_network_accept(tw, take_fd, m->data_connection->peer);
        rpc_message_free(take_message);
    } else {
        close(take_fd);
        taskworker_on_message(target, take_message);
    }
}

void taskworker_on_closed(void *target, const struct error *why)
{
    struct taskworker *tw = target;
    if (tw->state != TASKWORKER_STOPPING) {
        LOG_WARN(topic, "the task manager is gone, so its worker of job '%s' ends: %s",
                 tw->job_name != NULL ? tw->job_name : "", why->message);
    }
    _exit(TASKWORKER_EXIT_LOST);
}
