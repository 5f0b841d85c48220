/* Messages of the job master: deploy, cancel, events, reports, shutdown. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/rpc/message.h"
#include "taskmanager/worker/worker_internal.h"

static const char topic[] = "flinc.taskmanager.worker";

static struct task *worker_find_task(const struct worker *w, const ProtobufCBinaryData *attempt)
{
    return map_find_bytes(&w->tasks, attempt->data, attempt->len);
}

/* ---- deploying ---------------------------------------------------------------------------------- */

static void worker_make_metrics(struct worker *w, const struct deployment *d)
{
    const struct worker_options *o = &w->options;
    if (o->metrics == NULL || w->job_metrics != NULL) {
        return;
    }
    const struct metric_variable variables[] = {
        {"host", o->host != NULL ? o->host : "localhost"},
        {"tm_id", o->tm_id != NULL ? o->tm_id : w->name},
        {"job_id", d->job_id},
        {"job_name", d->tasks->job_name},
    };
    w->job_metrics =
        metric_group_new(o->metrics, NULL, METRIC_SCOPE_TM_JOB, variables, ARRAY_LEN(variables));
    w->env.job_metrics = w->job_metrics;
}

/* Remembers the attempt; false: it was deployed before. */
static bool worker_remember(struct worker *w, const ProtobufCBinaryData *attempt)
{
    struct flinc_id id = id_of_bytes(attempt);
    char key[ID_HEX_LEN + 1];
    id_format(&id, key);
    if (map_has(&w->attempts, key)) {
        return false;
    }
    if (w->attempts.len >= WORKER_ATTEMPTS_MAX) {
        const struct map_entry *oldest = map_next(&w->attempts, NULL);
        char *forgotten = mem_strdup(oldest->key);
        map_remove(&w->attempts, forgotten);
        mem_free(forgotten);
    }
    map_put(&w->attempts, key, NULL);
    return true;
}

static int worker_deploy_task(struct worker *w, struct deployment *d,
                              const Flinc__SubtaskDeployment *spec, struct error *err)
{
    if (w->tasks.len >= WORKER_TASKS_MAX) {
        return error_set(err, ERR_LIMIT, "%d tasks run on worker %s already", WORKER_TASKS_MAX,
                         w->name);
    }
    struct task *task = task_new(&w->env, d, spec);
    task->master_epoch = w->master_epoch;
    int rc = task_start(task, err);
    if (rc < 0) {
        task_free(task);
        return rc;
    }
    map_put_bytes(&w->tasks, spec->attempt_id.data, spec->attempt_id.len, task);
    worker_count_tasks(w, 1);
    worker_watch_standstill(w, d);
    LOG_INFO(topic, "deploying task %s, attempt %s", task->name, task->attempt_text);
    return 0;
}

/* What may refuse the whole message. */
static int worker_accept(struct worker *w, Flinc__MasterToWorker *take_message,
                         struct deployment **ret_deployment, struct error *err)
{
    const Flinc__DeployTasks *d = take_message->deploy;
    TRY(FAILPOINT(err, "task.deploy.accept"));
    if (w->shutting_down) {
        return error_set(err, ERR_CLOSED, "worker %s is shutting down", w->name);
    }
    struct deployment *deployment = NULL;
    TRY(deployment_new(take_message, w->options.conf, &deployment, err));
    int rc = 0;
    struct flinc_id job_id = id_of_bytes(&d->job_id);
    if (!id_eq(&job_id, &w->options.job_id)) {
        rc = error_set(err, ERR_INVALID_ARGUMENT, "worker %s does not serve job %s", w->name,
                       deployment->job_id);
    } else if (d->n_libraries > 0 && w->options.code == NULL) {
        rc = error_set(err, ERR_UNSUPPORTED, "worker %s does not load libraries", w->name);
    } else if (w->options.code != NULL) {
        rc = w->options.code->load(w->options.code, d->libraries, d->n_libraries, err);
    }
    if (rc < 0) {
        deployment->message = NULL; /* stays with the caller */
        deployment_unref(deployment);
        return rc;
    }
    *ret_deployment = deployment;
    return 0;
}

static void worker_deploy(struct worker *w, Flinc__MasterToWorker *take_message)
{
    const Flinc__DeployTasks *d = take_message->deploy;
    struct deployment *deployment = NULL;
    struct error err = ERROR_INIT;
    if (worker_accept(w, take_message, &deployment, &err) < 0) {
        LOG_WARN(topic, "a deployment of %zu tasks is refused: %s", d->n_subtasks, err.message);
        ProtobufCBinaryData *attempts = MEM_NEW_ARRAY(ProtobufCBinaryData, d->n_subtasks + 1);
        for (size_t i = 0; i < d->n_subtasks; i++) {
            attempts[i] = d->subtasks[i]->attempt_id;
        }
        worker_send_refused(w, attempts, d->n_subtasks, &err);
        mem_free(attempts);
        rpc_message_free(&take_message->base);
        return;
    }
    worker_make_metrics(w, deployment);
    worker_start_merging(w, deployment);
    w->partition_timeout_ms = MAX(w->partition_timeout_ms, deployment->partition_timeout_ms);
    for (size_t i = 0; i < d->n_subtasks; i++) {
        const Flinc__SubtaskDeployment *spec = d->subtasks[i];
        if (!worker_remember(w, &spec->attempt_id)) {
            continue; /* a repeated message */
        }
        error_clear(&err);
        if (worker_deploy_task(w, deployment, spec, &err) < 0) {
            LOG_WARN(topic, "a deployment is refused: %s", err.message);
            worker_send_refused(w, &spec->attempt_id, 1, &err);
        }
    }
    deployment_unref(deployment);
}

/* ---- the others --------------------------------------------------------------------------------- */

static void worker_cancel_task(struct worker *w, struct task *task)
{
    if (task_cancel(task)) {
        worker_watch(w, task);
    }
}

void worker_cancel_all(struct worker *w)
{
    MAP_FOREACH (&w->tasks, e) {
        worker_cancel_task(w, e->value);
    }
}

static void worker_cancel(struct worker *w, const Flinc__CancelTasks *cancel)
{
    for (size_t i = 0; i < cancel->n_attempt_ids; i++) {
        struct task *task = worker_find_task(w, &cancel->attempt_ids[i]);
        if (task != NULL) {
            worker_cancel_task(w, task);
        }
    }
}

static bool worker_pass_checkpoint(struct worker *w, const ProtobufCBinaryData *attempt,
                                   const Flinc__MasterToWorker *message)
{
    struct task *task = worker_find_task(w, attempt);
    if (task == NULL) {
        return false;
    }
    /* A mailbox owns what waits in it. */
    Flinc__MasterToWorker *copy = message_copy(&message->base);
    if (!task_post_checkpoint(task, copy)) {
        rpc_message_free(&copy->base);
        return false;
    }
    return true;
}

static void worker_trigger(struct worker *w, const Flinc__MasterToWorker *message)
{
    const Flinc__TriggerCheckpoint *trigger = message->trigger_checkpoint;
    for (size_t i = 0; i < trigger->n_attempt_ids; i++) {
        if (!worker_pass_checkpoint(w, &trigger->attempt_ids[i], message) &&
            trigger->barrier != NULL) {
            struct error why = ERROR_INIT;
            /* It has just ended, or failed: no failure of the checkpoint. */
            error_set(&why, ERR_UNAVAILABLE, "the task does not run here (any more)");
            worker_send_decline(w, &trigger->attempt_ids[i], trigger->barrier->checkpoint_id, &why);
        }
    }
}

static void worker_notify(struct worker *w, const Flinc__MasterToWorker *message)
{
    const Flinc__NotifyCheckpoint *notify = message->notify_checkpoint;
    for (size_t i = 0; i < notify->n_attempt_ids; i++) {
        (void)worker_pass_checkpoint(w, &notify->attempt_ids[i], message); /* best effort */
    }
}

static void worker_shutdown(struct worker *w, const Flinc__Shutdown *shutdown)
{
    if (!w->shutting_down) {
        LOG_INFO(topic, "worker %s shuts down: %s", w->name, shutdown->reason);
    }
    w->shutting_down = true;
    worker_cancel_all(w);
    worker_check_shutdown(w);
}

void worker_check_shutdown(struct worker *w)
{
    if (w->shutting_down && !w->shutdown_answered && w->tasks.len == 0) {
        Flinc__WorkerToMaster message = FLINC__WORKER_TO_MASTER__INIT;
        Flinc__ShutdownDone done = FLINC__SHUTDOWN_DONE__INIT;
        message.body_case = FLINC__WORKER_TO_MASTER__BODY_SHUTDOWN_DONE;
        message.shutdown_done = &done;
        w->shutdown_answered = true;
        worker_send(w, &message);
    }
}

/* The first message of a master brings its token; others must have the same. */
static bool worker_check_token(struct worker *w, const ProtobufCBinaryData *token)
{
    if (!w->has_token) {
        w->has_token = true;
        w->token = mem_dup(token->data, token->len);
        w->token_len = token->len;
        return true;
    }
    return w->token_len == token->len &&
           (token->len == 0 || memcmp(w->token, token->data, token->len) == 0);
}

static void worker_dispatch(struct worker *w, Flinc__MasterToWorker *take_message)
{
    switch (take_message->body_case) {
    case FLINC__MASTER_TO_WORKER__BODY_DEPLOY:
        worker_deploy(w, take_message);
        return;
    case FLINC__MASTER_TO_WORKER__BODY_OPERATOR_EVENT: {
        struct task *task = worker_find_task(w, &take_message->operator_event->attempt_id);
        if (task != NULL) {
            task->n_events_received++;
            task_post_event(task, take_message);
            return;
        }
        break; /* it has ended: the master hears so, or has heard */
    }
    case FLINC__MASTER_TO_WORKER__BODY_CANCEL:
        worker_cancel(w, take_message->cancel);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_SHUTDOWN:
        worker_shutdown(w, take_message->shutdown);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_REPORT_REQUEST:
        worker_send_report(w, take_message->report_request->request_id);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT:
        worker_trigger(w, take_message);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_NOTIFY_CHECKPOINT:
        worker_notify(w, take_message);
        break;
    default:
        LOG_WARN(topic, "a message of unknown kind %d is ignored", take_message->body_case);
    }
    rpc_message_free(&take_message->base);
}

void worker_on_message(void *target, ProtobufCMessage *take_message)
{
    struct worker *w = target;
    Flinc__MasterToWorker *message = (Flinc__MasterToWorker *)take_message;
    if (!worker_check_token(w, &message->fencing_token)) {
        LOG_WARN(topic, "a message with the token of another job master is dropped");
        rpc_message_free(take_message);
        return;
    }
    worker_dispatch(w, message);
}

void worker_on_master_closed(void *target, const struct error *why)
{
    struct worker *w = target;
    const char *reason = why != NULL ? why->message : "the channel was closed";
    if (worker_n_tasks(w) > 0) {
        LOG_WARN(topic, "worker %s lost its job master, its tasks are cancelled: %s", w->name,
                 reason);
    } else { /* the job has ended */
        LOG_DEBUG(topic, "worker %s has no job master any more: %s", w->name, reason);
    }
    worker_cancel_all(w);
}
