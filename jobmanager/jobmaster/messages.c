/* What workers say: states of tasks, reports, events for coordinators, refused deployments.
 *
 * Nothing a worker says is taken on trust: the fencing token must fit, ids must be ids, states must be
 * known, and the attempt must be the current one of its subtask on that very worker.  What is left
 * over changes nothing; an attempt that runs without being wanted is cancelled.
 * Thread: the job master's.  Flink: SchedulerBase.updateTaskExecutionState. */
#include "common/rpc/error_info.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "jobmanager/jobmaster/reconcile.h"

enum { ATTEMPT_ID_BYTES = 16 };

static void count_malformed(struct jobmaster *jm, const struct worker_link *link, const char *what)
{
    snapshot_count(&jm->snapshot, &jm->snapshot.stats.messages_malformed);
    LOG_WARN(JOBMASTER_TOPIC, "A message of worker %u is ignored: %s.", link->number, what);
}

#define NO_REASON "the task failed without saying why"

static bool is_live(Flinc__ExecutionState state)
{
    return (unsigned)state < EXECUTION_STATES && !execution_state_is_terminal(state);
}

/* The current attempt with this id if it is that worker's and not over.  Else NULL; one that still runs
 * there is cancelled by the next flush. */
static struct execution *find_attempt(struct jobmaster *jm, struct worker_link *link,
                                      const ProtobufCBinaryData *id, Flinc__ExecutionState state)
{
    if (id->len != ATTEMPT_ID_BYTES) {
        count_malformed(jm, link, "an attempt id has not 16 bytes");
        return NULL;
    }
    struct execution *e = execution_graph_find(&jm->graph, id->data);
    if (e != NULL && execution_is_on_worker(e) && e->slot.worker == link->number) {
        return e;
    }
    snapshot_count(&jm->snapshot, &jm->snapshot.stats.updates_stale);
    if (is_live(state)) {
        struct flinc_id attempt;
        memcpy(attempt.bytes, id->data, sizeof(attempt.bytes));
        workers_cancel(&jm->workers, link->number, &attempt);
    }
    return NULL;
}

/* ---- states ----------------------------------------------------------------------------------- */

/* DEPLOYING, INITIALIZING, RUNNING, FINISHED follow each other; what was lost on the way is made up. */
static void advance_to(struct jobmaster *jm, struct execution *e, Flinc__ExecutionState to)
{
    static const Flinc__ExecutionState next[EXECUTION_STATES] = {
        [FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING] =
            FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING,
        [FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING] =
            FLINC__EXECUTION_STATE__EXECUTION_RUNNING,
        [FLINC__EXECUTION_STATE__EXECUTION_RUNNING] = FLINC__EXECUTION_STATE__EXECUTION_FINISHED,
    };
    bool was_acknowledged = e->state != FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING;
    while (e->state < to && next[e->state] != 0) {
        execution_transition(jm, e, next[e->state], NULL);
    }
    if (!was_acknowledged && !execution_state_is_terminal(e->state)) {
        coordinators_on_acknowledged(jm, e);
    }
}

/* A cancelled task may end in any way: it is CANCELED. */
static void finish_cancel(struct jobmaster *jm, struct execution *e)
{
    execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_CANCELED, NULL);
    failover_check(jm);
}

static void on_task_failed(struct jobmaster *jm, struct execution *e, const Flinc__ErrorInfo *info)
{
    struct error why = ERROR_INIT;
    error_info_read(info, NO_REASON, &why);
    failover_task_failed(jm, e, &why, FAILURE_OF_WORKER);
}

static void on_task_canceled(struct jobmaster *jm, struct execution *e)
{
    if (e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING) {
        finish_cancel(jm, e);
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "worker %u cancelled the task without being asked to",
              e->slot.worker);
    failover_task_failed(jm, e, &why, FAILURE_OF_WORKER);
}

static void apply_state(struct jobmaster *jm, struct execution *e, Flinc__ExecutionState state,
                        const Flinc__ErrorInfo *info)
{
    bool canceling = e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING;
    switch (state) {
    case FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING:
    case FLINC__EXECUTION_STATE__EXECUTION_RUNNING:
        if (!canceling) { /* else it crossed our cancel message */
            advance_to(jm, e, state);
        }
        break;
    case FLINC__EXECUTION_STATE__EXECUTION_FINISHED:
        if (canceling) {
            finish_cancel(jm, e);
        } else {
            advance_to(jm, e, state);
            failover_check(jm);
        }
        break;
    case FLINC__EXECUTION_STATE__EXECUTION_CANCELED:
        on_task_canceled(jm, e);
        break;
    case FLINC__EXECUTION_STATE__EXECUTION_FAILED:
        on_task_failed(jm, e, info);
        break;
    default:
        break; /* SCHEDULED, DEPLOYING, CANCELING say nothing new */
    }
}

static void set_reported(struct jobmaster *jm, struct execution *e,
                         const Flinc__TaskIoMetrics *metrics,
                         Flinc__Accumulator *const *accumulators, size_t n_accumulators)
{
    if (metrics != NULL) {
        snapshot_set_counters(&jm->snapshot, e->subtask, metrics);
    }
    if (n_accumulators > 0) {
        snapshot_set_accumulators(&jm->snapshot, e->subtask, accumulators, n_accumulators);
    }
}

static void on_state(struct jobmaster *jm, struct worker_link *link,
                     const Flinc__TaskStateUpdate *update)
{
    if ((unsigned)update->state >= EXECUTION_STATES) {
        count_malformed(jm, link, "a task state is unknown");
        return;
    }
    struct execution *e = find_attempt(jm, link, &update->attempt_id, update->state);
    if (e == NULL) {
        return;
    }
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.state_update.before_apply") < 0) {
        failover_task_failed(jm, e, &err,
                             is_live(update->state) ? FAILURE_HERE : FAILURE_OF_WORKER);
        return;
    }
    set_reported(jm, e, update->metrics, update->accumulators, update->n_accumulators);
    e->io_complete = update->metrics != NULL && !is_live(update->state);
    apply_state(jm, e, update->state, update->error);
}

/* ---- the others ------------------------------------------------------------------------------- */

static void on_report(struct jobmaster *jm, struct worker_link *link,
                      const Flinc__TaskReport *report)
{
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.report.before_apply") < 0) {
        LOG_WARN(JOBMASTER_TOPIC,
                 "A report of worker %u is left out, the next one says it anew: %s", link->number,
                 err.message);
        return;
    }
    link->refresh_owed = false;
    for (size_t i = 0; i < report->n_tasks; i++) {
        const Flinc__TaskReportEntry *t = report->tasks[i];
        struct execution *e = find_attempt(jm, link, &t->attempt_id, t->state);
        if (e != NULL) {
            set_reported(jm, e, t->metrics, t->accumulators, t->n_accumulators);
            if (t->state == FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING ||
                t->state == FLINC__EXECUTION_STATE__EXECUTION_RUNNING) {
                apply_state(jm, e, t->state, NULL); /* the update may have been lost */
            }
        }
    }
    if (report->request_id != 0) {
        reconcile_on_report(jm, link, report);
    }
}

static void on_refused(struct jobmaster *jm, struct worker_link *link,
                       const Flinc__DeployRefused *refused)
{
    struct error why = ERROR_INIT;
    struct vec executions = VEC_INIT(struct execution *);
    error_info_read(refused->error, NO_REASON, &why);
    error_context(&why, "deploying on worker %u", link->number);
    for (size_t i = 0; i < refused->n_attempt_ids; i++) {
        struct execution *e = find_attempt(jm, link, &refused->attempt_ids[i],
                                           FLINC__EXECUTION_STATE__EXECUTION_FAILED);
        if (e != NULL) {
            vec_push_ptr(&executions, e);
        }
    }
    failover_tasks_failed(jm, executions.data, executions.len, &why, FAILURE_OF_WORKER);
    vec_fini(&executions);
}

static void on_operator_event(struct jobmaster *jm, struct worker_link *link,
                              const Flinc__OperatorEvent *event)
{
    struct execution *e =
        find_attempt(jm, link, &event->attempt_id, FLINC__EXECUTION_STATE__EXECUTION_RUNNING);
    struct error err = ERROR_INIT;
    if (e != NULL && coordinators_on_event(jm, e, event, &err) < 0) {
        failover_task_failed(jm, e, &err, FAILURE_HERE);
    }
}

/* ---- checkpoints ------------------------------------------------------------------------------ */

/* The one test of it: an attempt that a newer one has replaced, under the newer one's name. */
static struct execution *find_replaced(struct jobmaster *jm, const ProtobufCBinaryData *id)
{
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct subtask *s = &jm->graph.subtasks[i];
        for (size_t j = 0; j < s->prior.len; j++) {
            const struct prior_attempt *p = VEC_AT(&s->prior, struct prior_attempt, j);
            if (id->len == sizeof(p->id.bytes) && memcmp(id->data, p->id.bytes, id->len) == 0) {
                return &s->execution;
            }
        }
    }
    return NULL;
}

static void on_checkpoint_ack(struct jobmaster *jm, struct worker_link *link,
                              Flinc__CheckpointAck *ack)
{
    if (ack->attempt_id.len != ATTEMPT_ID_BYTES) {
        count_malformed(jm, link, "an attempt id has not 16 bytes");
        return;
    }
    struct execution *e =
        find_attempt(jm, link, &ack->attempt_id, FLINC__EXECUTION_STATE__EXECUTION_RUNNING);
    if (e == NULL && PLANTED("checkpoint.older_attempt")) {
        e = find_replaced(jm, &ack->attempt_id);
    }
    checkpoints_on_ack(jm, e, ack);
}

static void on_checkpoint_decline(struct jobmaster *jm, struct worker_link *link,
                                  const Flinc__CheckpointDecline *decline)
{
    checkpoints_on_decline(
        jm, find_attempt(jm, link, &decline->attempt_id, FLINC__EXECUTION_STATE__EXECUTION_RUNNING),
        decline);
}

static void on_end_of_data(struct jobmaster *jm, struct worker_link *link,
                           const Flinc__EndOfDataReached *end)
{
    checkpoints_on_end_of_data(
        jm, find_attempt(jm, link, &end->attempt_id, FLINC__EXECUTION_STATE__EXECUTION_RUNNING));
}

void messages_on_worker_message(struct jobmaster *jm, struct worker_link *link,
                                const Flinc__WorkerToMaster *message)
{
    if (!workers_token_fits(&jm->workers, message)) {
        snapshot_count(&jm->snapshot, &jm->snapshot.stats.messages_fenced);
        LOG_DEBUG(JOBMASTER_TOPIC, "A message of worker %u carries another fencing token.",
                  link->number);
        return;
    }
    if (message->version > CONTROL_VERSION) {
        count_malformed(jm, link, "its version is newer than this job master");
        return;
    }
    switch (message->body_case) {
    case FLINC__WORKER_TO_MASTER__BODY_STATE:
        on_state(jm, link, message->state);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_OPERATOR_EVENT:
        on_operator_event(jm, link, message->operator_event);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_REPORT:
        on_report(jm, link, message->report);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_REFUSED:
        on_refused(jm, link, message->refused);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_ACK:
        on_checkpoint_ack(jm, link, message->checkpoint_ack);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_DECLINE:
        on_checkpoint_decline(jm, link, message->checkpoint_decline);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_END_OF_DATA:
        on_end_of_data(jm, link, message->end_of_data);
        break;
    case FLINC__WORKER_TO_MASTER__BODY_SHUTDOWN_DONE:
        break; /* its owner asked for it, and sees to its slots */
    default:
        count_malformed(jm, link, "it has no known body");
        break;
    }
    workers_flush_cancels(&jm->workers);
}

void messages_on_worker_closed(struct jobmaster *jm, struct worker_link *link,
                               const struct error *why)
{
    if (!link->connected) {
        return;
    }
    workers_disconnect(&jm->workers, link);
    struct error err = ERROR_INIT;
    if (link->place != NULL) { /* whose owner says what happened: a crash, a lost task manager */
        error_copy(&err, why);
        error_set_class(&err, ERROR_CLASS_TRANSIENT);
    } else {
        error_set(&err, ERR_UNAVAILABLE, "The connection to worker %u was lost: %s", link->number,
                  why->message);
    }
    LOG_INFO(JOBMASTER_TOPIC, "%s", err.message);
    slots_drop_worker(jm, link->number);
    struct vec executions = VEC_INIT(struct execution *);
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct execution *e = &jm->graph.subtasks[i].execution;
        if (execution_is_on_worker(e) && e->slot.worker == link->number) {
            vec_push_ptr(&executions, e);
        }
    }
    failover_tasks_failed(jm, executions.data, executions.len, &err, FAILURE_OF_WORKER);
    vec_fini(&executions);
}
