/* The life of a task: its thread from start to on_ended(), and what the worker asks of it. */
#include "taskmanager/worker/task.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "taskmanager/worker/task_channels.h"
#include <stdio.h>

static void *task_main(void *arg);

/* ---- life --------------------------------------------------------------------------------------- */

static void task_init_texts(struct task *t)
{
    const Flinc__DeployTasks *d = t->deployment->tasks;
    struct str s = STR_INIT;
    char attempt[ID_HEX_LEN + 1];
    id_format(&t->attempt_id, attempt);
    str_printf(&s, "%s (%u/%u)", d->vertex->name, t->spec->subtask + 1, d->vertex->parallelism);
    t->name = str_take(&s);
    str_printf(&s, "%u, %s", t->spec->attempt_number, attempt);
    t->attempt_text = str_take(&s);
    str_printf(&s, "job=%s vertex=\"%s\" subtask=%u attempt=%u", t->deployment->job_id,
               d->vertex->name, t->spec->subtask, t->spec->attempt_number);
    t->log_context = str_take(&s);
    t->site = (struct crash_site){
        .job_name = d->job_name,
        .job_id = t->deployment->job_id,
        .task_name = t->name,
        .attempt = t->attempt_text,
    };
}

struct task *task_new(const struct task_environment *env, struct deployment *deployment,
                      const Flinc__SubtaskDeployment *spec)
{
    struct task *t = MEM_NEW(struct task);
    t->env = env;
    t->deployment = deployment_ref(deployment);
    t->spec = spec;
    t->attempt_id = id_of_bytes(&spec->attempt_id);
    atomic_init(&t->state, FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING);
    atomic_init(&t->watermark_ms, INT64_MIN);
    task_init_texts(t);
    crash_slot_set(&t->slot, &t->site);
    t->mailbox = mailbox_new(&(struct mailbox_options){.name = t->name});
    accumulators_init(&t->accumulators);
    vec_init(&t->remotes, sizeof(uint64_t));
    return t;
}

int task_start(struct task *t, struct error *err)
{
    TRY(FAILPOINT(err, "task.deploy.start_thread"));
    return thread_start(&t->thread, t->name, task_main, t, err);
}

void task_join(struct task *t)
{
    thread_join(t->thread);
}

struct task *task_free(struct task *t)
{
    if (t != NULL) {
        mailbox_close(t->mailbox);
        mailbox_unref(t->mailbox);
        accumulators_fini(&t->accumulators);
        mem_free(t->name);
        mem_free(t->attempt_text);
        mem_free(t->log_context);
        deployment_unref(t->deployment);
        mem_free(t);
    }
    return NULL;
}

/* ---- the thread --------------------------------------------------------------------------------- */

static int task_cancelled_error(struct task *t, struct error *err)
{
    return error_set(err, ERR_CANCELLED, "%s was cancelled", t->name);
}

/* Moves on and tells; fails when a cancellation came first. */
static int task_enter(struct task *t, task_state state, struct error *err)
{
    if (!task_state_transition(&t->state, state, NULL)) {
        return task_cancelled_error(t, err);
    }
    t->env->on_state(t->env->owner, t, state);
    return 0;
}

/* What is damaged of a checkpoint may be read well by another try, or be mended meanwhile: the restart strategy says how
 * often.  No other checkpoint is taken instead. */
static int task_restore(struct task *t, struct error *err)
{
    int rc = chain_open(t->chain, err);
    rc = rc == 0 ? task_replay_open(t, &t->replay, err) : rc;
    if (rc == ERR_CORRUPT && t->spec->restore != NULL) {
        error_set_class(err, ERROR_CLASS_TRANSIENT);
    }
    return rc;
}

static int task_run(struct task *t, struct error *err)
{
    TRY(FAILPOINT(err, "task.deploy.before_setup"));
    TRY(task_setup(t, err));
    TRY(task_enter(t, FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING, err));
    TRY(FAILPOINT(err, "task.deploy.before_open"));
    TRY(task_restore(t, err));
    TRY(FAILPOINT(err, "task.run.before_state_running"));
    TRY(task_enter(t, FLINC__EXECUTION_STATE__EXECUTION_RUNNING, err));
    atomic_store(&t->times.running_since_ns, clock_monotonic_ns(t->env->clock));
    if (t->spec->restore != NULL && t->spec->restore->finished) {
        TRY(task_end_restored(t, err));
    } else {
        TRY(task_loop(t, err));
    }
    return FAILPOINT(err, "task.end.before_finished");
}

/* The terminal state: everything has been given back. */
static void task_conclude(struct task *t, int rc)
{
    if (rc >= 0 &&
        task_state_transition(&t->state, FLINC__EXECUTION_STATE__EXECUTION_FINISHED, NULL)) {
        return;
    }
    if (task_state_transition(&t->state, FLINC__EXECUTION_STATE__EXECUTION_CANCELED, NULL)) {
        return; /* whatever else went wrong meanwhile */
    }
    if (t->error.code == 0) {
        error_set(&t->error, rc, "failed without saying why, in %s", task_current_operator(t));
    }
    error_context(&t->error, "task %s", t->name);
    ASSERT(task_state_transition(&t->state, FLINC__EXECUTION_STATE__EXECUTION_FAILED, NULL));
}

static void *task_main(void *arg)
{
    struct task *t = arg;
    crash_report_enter_thread(&t->slot);
    log_set_thread_context(t->log_context);
    int rc = task_run(t, &t->error);
    atomic_store(&t->times.ended_ns, clock_monotonic_ns(t->env->clock));
    task_teardown(t);
    mailbox_close(t->mailbox);
    task_conclude(t, rc);
    log_set_thread_context(NULL);
    crash_report_leave_thread();
    t->env->on_ended(t->env->owner, t);
    return NULL;
}

/* ---- what the worker asks ----------------------------------------------------------------------- */

task_state task_get_state(const struct task *t)
{
    return (task_state)atomic_load(&t->state);
}

bool task_cancel(struct task *t)
{
    task_state from;
    bool moved =
        task_state_transition(&t->state, FLINC__EXECUTION_STATE__EXECUTION_CANCELING, &from);
    if (!moved && from != FLINC__EXECUTION_STATE__EXECUTION_CANCELING) {
        return false;
    }
    atomic_store(&t->cancelled, true);
    event_count_signal(mailbox_event(t->mailbox));
    return true;
}

static void task_op_event(void *target, void *payload)
{
    struct task *t = target;
    Flinc__MasterToWorker *message = payload;
    if (t->async_rc == 0 && task_hold_message(t, message)) {
        return;
    }
    if (t->async_rc == 0) {
        t->async_rc = chain_on_event(t->chain, message->operator_event, &t->error);
    }
    rpc_message_free(&message->base);
}

static void drop_message(void *payload)
{
    Flinc__MasterToWorker *message = payload;
    rpc_message_free(&message->base);
}

void task_post_event(struct task *t, Flinc__MasterToWorker *take_message)
{
    const struct mailbox_op op = {
        .kind = TASK_OP_EVENT,
        .run = task_op_event,
        .target = t,
        .payload = take_message,
        .drop = drop_message,
    };
    /* Without a limit: a coordinator sends what its reader asked for. */
    if (mailbox_post_internal(t->mailbox, MAILBOX_LANE_DATA, &op) < 0) {
        drop_message(take_message); /* the task has ended */
    }
}

static void task_op_trim(void *target, void *payload)
{
    struct task *t = target;
    if (t->pool != NULL) {
        buffer_pool_trim(t->pool);
    }
}

void task_post_trim(struct task *t)
{
    const struct mailbox_op op = {.kind = TASK_OP_TRIM, .run = task_op_trim, .target = t};
    /* A task that has ended, or is busy with thousands of events, has nothing to give. */
    (void)!mailbox_post(t->mailbox, MAILBOX_LANE_CONTROL, &op);
}

/* ---- what others read --------------------------------------------------------------------------- */

void task_times_get(const struct task *t, struct task_times_sample *ret_sample)
{
    const struct task_times *times = &t->times;
    int64_t since_ns = atomic_load(&times->running_since_ns);
    *ret_sample = (struct task_times_sample){0};
    if (since_ns == 0) {
        return;
    }
    int64_t ended_ns = atomic_load(&times->ended_ns);
    int64_t now_ns = ended_ns != 0 ? ended_ns : clock_monotonic_ns(t->env->clock);
    int wait = atomic_load(&times->wait);
    int64_t waiting_ns = 0;
    if (wait != TASK_WAIT_NONE && ended_ns == 0) {
        waiting_ns = MAX(now_ns - atomic_load(&times->wait_since_ns), (int64_t)0);
    }
    int64_t idle_ns = atomic_load(&times->idle_ns);
    int64_t backpressured_ns = atomic_load(&times->backpressured_ns);
    idle_ns += wait == TASK_WAIT_IDLE ? waiting_ns : 0;
    backpressured_ns += wait > TASK_WAIT_IDLE ? waiting_ns : 0;
    int64_t busy_ns = now_ns - since_ns - idle_ns - backpressured_ns;
    *ret_sample = (struct task_times_sample){
        .busy_ms = MAX(busy_ns, (int64_t)0) / 1000000,
        .idle_ms = idle_ns / 1000000,
        .backpressured_ms = backpressured_ns / 1000000,
    };
}

void task_get_io_metrics(const struct task *t, Flinc__TaskIoMetrics *ret_metrics)
{
    struct task_times_sample times;
    task_times_get(t, &times);
    flinc__task_io_metrics__init(ret_metrics);
    ret_metrics->records_in = (uint64_t)metric_counter_get(&t->in.n_records);
    ret_metrics->bytes_in = (uint64_t)metric_counter_get(&t->in.n_bytes);
    ret_metrics->records_out = (uint64_t)metric_counter_get(&t->out.n_records);
    ret_metrics->bytes_out = (uint64_t)metric_counter_get(&t->out.n_bytes);
    ret_metrics->busy_ms = (uint64_t)times.busy_ms;
    ret_metrics->idle_ms = (uint64_t)times.idle_ms;
    ret_metrics->backpressured_ms = (uint64_t)times.backpressured_ms;
}

const char *task_current_operator(const struct task *t)
{
    const struct crash_site *site = crash_slot_get(&t->slot);
    return site->operator_name != NULL ? site->operator_name : "none of its operators";
}
