/* The host of the checkpointer, and the way in for requests; see checkpoints.h. */
#include "jobmanager/jobmaster/checkpoints.h"

#include "common/rpc/error_info.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"

/* Never refused but by the mailbox's end. */
static int post(struct jobmaster *jm, enum jobmaster_op kind, void (*run)(void *, void *),
                void *take_payload, void (*drop)(void *))
{
    struct mailbox_op op = {
        .kind = (int)kind, .run = run, .target = jm, .payload = take_payload, .drop = drop};
    return mailbox_post_internal(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op);
}

/* ---- messages to tasks: one per worker ------------------------------------------------------------- */

/* Attempts by worker. */
struct address_book {
    struct vec links; /* of struct worker_link *, with a filled checkpoint_batch */
};

static void address(struct jobmaster *jm, struct address_book *book, const struct execution *e)
{
    struct worker_link *link = workers_find(&jm->workers, e->slot.worker);
    if (link == NULL) {
        return;
    }
    if (link->checkpoint_batch.len == 0) {
        vec_push_ptr(&book->links, link);
    }
    vec_push_ptr(&link->checkpoint_batch, e->subtask);
}

/* Ids of the attempts in the link's batch. */
static ProtobufCBinaryData *batch_ids(const struct worker_link *link)
{
    ProtobufCBinaryData *ids = MEM_NEW_ARRAY(ProtobufCBinaryData, link->checkpoint_batch.len + 1);
    for (size_t i = 0; i < link->checkpoint_batch.len; i++) {
        struct subtask *s = vec_ptr(&link->checkpoint_batch, i);
        ids[i] = (ProtobufCBinaryData){sizeof(s->execution.id.bytes), s->execution.id.bytes};
    }
    return ids;
}

/* Sends to every addressed worker what `fill` makes; goes on after a failure, the first of which counts. */
static int send_all(struct jobmaster *jm, struct address_book *book,
                    void (*fill)(void *arg, Flinc__MasterToWorker *m, ProtobufCBinaryData *ids,
                                 size_t n),
                    void *arg, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < book->links.len; i++) {
        struct worker_link *link = vec_ptr(&book->links, i);
        ProtobufCBinaryData *ids = batch_ids(link);
        Flinc__MasterToWorker m = FLINC__MASTER_TO_WORKER__INIT;
        struct error why = ERROR_INIT;
        fill(arg, &m, ids, link->checkpoint_batch.len);
        int sent = workers_send(&jm->workers, link, &m, &why);
        if (sent < 0 && rc == 0) {
            rc = sent;
            if (err != NULL) {
                error_copy(err, &why);
            }
        }
        mem_free(ids);
        vec_clear(&link->checkpoint_batch);
    }
    vec_fini(&book->links);
    return rc;
}

static void fill_trigger(void *arg, Flinc__MasterToWorker *m, ProtobufCBinaryData *ids, size_t n)
{
    Flinc__TriggerCheckpoint *trigger = arg;
    trigger->attempt_ids = ids;
    trigger->n_attempt_ids = n;
    m->body_case = FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT;
    m->trigger_checkpoint = trigger;
}

static int host_send_trigger(void *arg, const struct checkpoint_task *tasks, size_t n,
                             const Flinc__CheckpointBarrier *barrier, struct error *err)
{
    struct jobmaster *jm = arg;
    struct address_book book = {VEC_INIT(struct worker_link *)};
    Flinc__TriggerCheckpoint trigger = FLINC__TRIGGER_CHECKPOINT__INIT;
    for (size_t i = 0; i < n; i++) {
        const struct execution_vertex *v = &jm->graph.vertices[tasks[i].vertex];
        address(jm, &book, &v->subtasks[tasks[i].subtask].execution);
    }
    trigger.barrier = (Flinc__CheckpointBarrier *)barrier;
    return send_all(jm, &book, fill_trigger, &trigger, err);
}

static void fill_notice(void *arg, Flinc__MasterToWorker *m, ProtobufCBinaryData *ids, size_t n)
{
    Flinc__NotifyCheckpoint *notice = arg;
    notice->attempt_ids = ids;
    notice->n_attempt_ids = n;
    m->body_case = FLINC__MASTER_TO_WORKER__BODY_NOTIFY_CHECKPOINT;
    m->notify_checkpoint = notice;
}

static void notify_tasks(struct jobmaster *jm, Flinc__NotifyCheckpoint *notice)
{
    struct address_book book = {VEC_INIT(struct worker_link *)};
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        const struct execution *e = &jm->graph.subtasks[i].execution;
        if (e->state == FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING ||
            e->state == FLINC__EXECUTION_STATE__EXECUTION_RUNNING) {
            address(jm, &book, e);
        }
    }
    if (send_all(jm, &book, fill_notice, notice, &err) < 0) {
        LOG_DEBUG(JOBMASTER_TOPIC, "A notice of checkpoint %llu is lost, a later one says more: %s",
                  (unsigned long long)notice->checkpoint_id, err.message);
    }
}

static void host_notify(void *arg, Flinc__CheckpointNotice what, uint64_t checkpoint_id,
                        uint64_t latest_completed)
{
    struct jobmaster *jm = arg;
    struct error ignored = ERROR_INIT;
    Flinc__NotifyCheckpoint notice = FLINC__NOTIFY_CHECKPOINT__INIT;
    notice.notice = what;
    notice.checkpoint_id = checkpoint_id;
    notice.latest_completed = latest_completed;
    if (FAILPOINT(&ignored, "jobmaster.checkpoint.before_notify") == 0) {
        notify_tasks(jm, &notice);
    }
    if (FAILPOINT(&ignored, "jobmaster.coordinator.before_notify") == 0) {
        coordinators_notify(jm, what, checkpoint_id);
    }
    adaptive_on_checkpoint(jm, what);
}

/* ---- the rest of the host -------------------------------------------------------------------------- */

static enum checkpoint_task_state host_task_state(void *arg, uint32_t vertex, uint32_t subtask,
                                                  struct flinc_id *ret_attempt_id)
{
    struct jobmaster *jm = arg;
    const struct execution *e = &jm->graph.vertices[vertex].subtasks[subtask].execution;
    *ret_attempt_id = e->id;
    switch (e->state) {
    case FLINC__EXECUTION_STATE__EXECUTION_RUNNING:
        return CHECKPOINT_TASK_RUNNING;
    case FLINC__EXECUTION_STATE__EXECUTION_FINISHED:
        return CHECKPOINT_TASK_FINISHED;
    default:
        return CHECKPOINT_TASK_NOT_READY;
    }
}

static int host_prepare_coordinators(void *arg, uint64_t checkpoint_id, struct error *err)
{
    return coordinators_prepare_snapshot(arg, checkpoint_id, err);
}

static int host_snapshot_coordinators(void *arg, uint64_t checkpoint_id, struct vec *ret_snapshots,
                                      struct error *err)
{
    return coordinators_snapshot(arg, checkpoint_id, ret_snapshots, err);
}

static void host_release_coordinators(void *arg, uint64_t checkpoint_id)
{
    coordinators_release_events(arg, checkpoint_id);
}

static void host_fail_job(void *arg, const struct error *why)
{
    coordinator_post_failure(arg, why);
}

static void host_cancel_job(void *arg)
{
    jobmaster_cancel(arg);
}

static void host_on_restored(void *arg, int rc, const struct error *err)
{
    struct jobmaster *jm = arg;
    jm->checkpoints.restoring = false;
    if (jm->global.pending || (jm->status != JOB_STATUS_RUNNING &&
                               !(jm->status == JOB_STATUS_CREATED && adaptive_is_on(jm)))) {
        return; /* it ends, or a restart will ask again */
    }
    if (rc < 0) {
        failover_global(jm, err);
        return;
    }
    jm->checkpoints.restored = true;
    if (adaptive_is_on(jm)) {
        adaptive_on_restored(jm);
    } else {
        jobmaster_begin(jm);
    }
}

static void host_on_changed(void *arg)
{
    details_outdate(arg);
    adaptive_on_stopping(arg);
}

static void run_settled(void *target, void *payload)
{
    failover_check(target);
}

static void host_on_settled(void *arg)
{
    struct jobmaster *jm = arg;
    if (jm->status == JOB_STATUS_RESTARTING) {
        (void)post(jm, JOBMASTER_OP_CHECKPOINT_SETTLED, run_settled, NULL, NULL);
    }
}

static const struct checkpointer_host host_ops = {
    .task_state = host_task_state,
    .prepare_coordinators = host_prepare_coordinators,
    .snapshot_coordinators = host_snapshot_coordinators,
    .release_coordinators = host_release_coordinators,
    .send_trigger = host_send_trigger,
    .notify = host_notify,
    .fail_job = host_fail_job,
    .cancel_job = host_cancel_job,
    .on_restored = host_on_restored,
    .on_changed = host_on_changed,
    .on_settled = host_on_settled,
};

/* ---- life ------------------------------------------------------------------------------------------- */

int checkpoints_init(struct jobmaster *jm, struct error *err)
{
    struct job_checkpoints *jc = &jm->checkpoints;
    TRY_CTX(err, checkpoint_config_read(&jm->conf, &jc->config, err),
            "reading the configuration of job %s", jm->options.graph->name);
    if (jm->options.graph->runtime_mode == FLINC__RUNTIME_MODE__RUNTIME_BATCH) {
        jc->restored = true;
        return 0;
    }
    jc->checkpointer = checkpointer_new(&(struct checkpointer_options){
        .graph = jm->graph.spec,
        .config = &jc->config,
        .component = jm->component,
        .clock = jm->clock,
        .io_executor = jm->options.io_executor,
        .reply_kind = JOBMASTER_OP_CHECKPOINT_IO,
        .seed = rng_next(&jm->rng),
        .files = jm->options.checkpoint_files,
        .pointers = jm->options.checkpoint_pointers,
        .recovered = jm->options.recovered,
        .host = &host_ops,
        .host_arg = jm,
    });
    jc->restored = !checkpointer_has_restore(jc->checkpointer);
    job_metrics_add_checkpoints(&jm->metrics, checkpointer_gauges(jc->checkpointer));
    return 0;
}

void checkpoints_fini(struct jobmaster *jm)
{
    jm->checkpoints.checkpointer = checkpointer_free(jm->checkpoints.checkpointer);
    checkpoint_config_fini(&jm->checkpoints.config);
}

bool checkpoints_prepare(struct jobmaster *jm)
{
    struct job_checkpoints *jc = &jm->checkpoints;
    if (!jc->restored && !jc->restoring) {
        jc->restoring = true;
        checkpointer_restore(jc->checkpointer);
    }
    return jc->restored;
}

bool jobmaster_is_unrecovered(const struct jobmaster *jm)
{
    const struct checkpoint_recovery *recovered = jm->options.recovered;
    return recovered != NULL && recovered->pointers.len > 0 && !jm->checkpoints.restored;
}

bool jobmaster_checkpoints_go(const struct jobmaster *jm)
{
    const struct checkpointer *c = jm->checkpoints.checkpointer;
    return c != NULL && checkpointer_all_go(c);
}

static void end(struct jobmaster *jm, enum job_status status)
{
    static const enum checkpoint_job_end ends[JOB_STATUS_COUNT] = {
        [JOB_STATUS_FINISHED] = CHECKPOINT_JOB_FINISHED,
        [JOB_STATUS_CANCELED] = CHECKPOINT_JOB_CANCELED,
        [JOB_STATUS_FAILED] = CHECKPOINT_JOB_FAILED,
        [JOB_STATUS_SUSPENDED] = CHECKPOINT_JOB_SUSPENDED,
    };
    bool stays = status == JOB_STATUS_FAILED && jobmaster_is_unrecovered(jm);
    checkpointer_end(jm->checkpoints.checkpointer, stays ? CHECKPOINT_JOB_SUSPENDED : ends[status],
                     jm->cause.code != 0 ? &jm->cause : NULL);
}

void checkpoints_on_status(struct jobmaster *jm, enum job_status from, enum job_status to)
{
    struct checkpointer *c = jm->checkpoints.checkpointer;
    struct error why = ERROR_INIT;
    if (c == NULL) {
        return;
    }
    if (job_status_is_globally_terminal(to) || to == JOB_STATUS_SUSPENDED) {
        end(jm, to);
    } else if (to == JOB_STATUS_RUNNING) {
        checkpointer_start(c);
    } else if (from == JOB_STATUS_RUNNING) {
        error_set(&why, ERR_UNAVAILABLE, "it is %s", job_status_name(to));
        checkpointer_suspend(c, &why);
    }
}

void checkpoints_on_task(struct jobmaster *jm, const struct execution *e)
{
    if (jm->checkpoints.checkpointer != NULL) {
        checkpointer_on_task_changed(jm->checkpoints.checkpointer, e->subtask->vertex->number,
                                     e->subtask->index);
    }
}

/* ---- restarts --------------------------------------------------------------------------------------- */

bool checkpoints_hold_restart(const struct jobmaster *jm)
{
    return jm->checkpoints.checkpointer != NULL &&
           checkpointer_is_completing(jm->checkpoints.checkpointer);
}

bool checkpoints_are_periodic(const struct jobmaster *jm)
{
    return jm->checkpoints.checkpointer != NULL &&
           jm->checkpoints.config.interval_ms != CHECKPOINT_INTERVAL_OFF;
}

void checkpoints_trigger_now(struct jobmaster *jm)
{
    checkpointer_trigger_now(jm->checkpoints.checkpointer);
}

bool checkpoints_are_stopping(const struct jobmaster *jm)
{
    return jm->checkpoints.checkpointer != NULL &&
           checkpointer_is_stopping(jm->checkpoints.checkpointer);
}

int checkpoints_rescale(struct jobmaster *jm, struct error *err)
{
    struct checkpointer *c = jm->checkpoints.checkpointer;
    return c != NULL ? checkpointer_rescale(c, jm->graph.spec, err) : 0;
}

bool checkpoints_forbid_restart(const struct jobmaster *jm, const struct error *failure,
                                struct error *ret_why)
{
    return jm->checkpoints.checkpointer != NULL &&
           checkpointer_is_stopped(jm->checkpoints.checkpointer, failure, ret_why);
}

struct checkpoint_restore checkpoints_latest(const struct jobmaster *jm)
{
    return jm->checkpoints.checkpointer != NULL ? checkpointer_latest(jm->checkpoints.checkpointer)
                                                : (struct checkpoint_restore){0, NULL};
}

void checkpoints_count_restore(struct jobmaster *jm)
{
    if (jm->checkpoints.checkpointer != NULL) {
        checkpointer_count_restore(jm->checkpoints.checkpointer);
    }
}

Flinc__TaskRestore *checkpoints_describe_restore(struct jobmaster *jm, const struct execution *e,
                                                 struct arena *arena)
{
    struct checkpoint_restore latest = checkpoints_latest(jm);
    if (latest.assignment == NULL) {
        return NULL;
    }
    const Flinc__TaskRestore *restore =
        state_assignment_get(latest.assignment, e->subtask->vertex->number, e->subtask->index);
    if (restore != NULL) {
        return (Flinc__TaskRestore *)restore;
    }
    Flinc__TaskRestore *empty = arena_zalloc(arena, sizeof(*empty));
    flinc__task_restore__init(empty);
    empty->checkpoint_id = latest.checkpoint_id;
    return empty;
}

uint32_t checkpoints_max_parallelism(const struct jobmaster *jm, uint32_t vertex)
{
    return jm->checkpoints.checkpointer != NULL
               ? checkpointer_max_parallelism(jm->checkpoints.checkpointer, vertex)
               : jm->graph.spec->vertices[vertex]->max_parallelism;
}

const struct checkpoint_stats *checkpoints_stats(struct jobmaster *jm)
{
    return jm->checkpoints.checkpointer != NULL ? checkpointer_stats(jm->checkpoints.checkpointer)
                                                : NULL;
}

/* ---- what workers say ------------------------------------------------------------------------------- */

void checkpoints_on_ack(struct jobmaster *jm, const struct execution *e, Flinc__CheckpointAck *ack)
{
    struct checkpointer *c = jm->checkpoints.checkpointer;
    if (c == NULL) {
        return;
    }
    if (e != NULL) {
        checkpointer_on_ack(c, e->subtask->vertex->number, e->subtask->index, ack);
    } else {
        checkpointer_on_foreign_ack(c, ack);
    }
}

void checkpoints_on_decline(struct jobmaster *jm, const struct execution *e,
                            const Flinc__CheckpointDecline *decline)
{
    struct error reason = ERROR_INIT;
    if (jm->checkpoints.checkpointer == NULL || e == NULL) {
        return;
    }
    error_info_read(decline->reason, "the task declined the checkpoint without saying why",
                    &reason);
    checkpointer_on_decline(jm->checkpoints.checkpointer, e->subtask->vertex->number,
                            e->subtask->index, decline->checkpoint_id, &reason);
}

void checkpoints_on_end_of_data(struct jobmaster *jm, const struct execution *e)
{
    if (jm->checkpoints.checkpointer != NULL && e != NULL) {
        checkpointer_on_end_of_data(jm->checkpoints.checkpointer, e->subtask->vertex->number,
                                    e->subtask->index);
    }
}

/* ---- requests; thread: any -------------------------------------------------------------------------- */

struct checkpoint_ask {
    bool savepoint;
    enum checkpoint_type type;
    struct savepoint_request request;
    char *directory; /* Owns */
    checkpoint_done_fn done;
    void *arg;
};

static void ask_free(struct checkpoint_ask *ask)
{
    mem_free(ask->directory);
    mem_free(ask);
}

/* The job master goes before it has looked at it. */
static void ask_drop(void *payload)
{
    struct checkpoint_ask *ask = payload;
    struct checkpoint_result result = {.rc = ERR_CLOSED};
    error_set(&result.error, ERR_CLOSED, "the job has ended");
    ask->done(ask->arg, &result);
    ask_free(ask);
}

static void run_ask(void *target, void *payload)
{
    struct jobmaster *jm = target;
    struct checkpoint_ask *ask = payload;
    struct checkpointer *c = jm->checkpoints.checkpointer;
    if (c == NULL) {
        struct checkpoint_result result = {.rc = ERR_UNSUPPORTED};
        error_set(&result.error, ERR_UNSUPPORTED,
                  "job %s is a batch job, of which no checkpoints are taken", jm->job_hex);
        ask->done(ask->arg, &result);
    } else if (ask->savepoint) {
        checkpointer_savepoint(c, &ask->request, ask->done, ask->arg);
    } else {
        checkpointer_trigger(c, ask->type, ask->done, ask->arg);
    }
    ask_free(ask);
    adaptive_on_stopping(jm);
}

static int post_ask(struct jobmaster *jm, struct checkpoint_ask *take, struct error *err)
{
    if (post(jm, JOBMASTER_OP_CHECKPOINT, run_ask, take, ask_drop) < 0) {
        ask_free(take);
        return error_set(err, ERR_CLOSED, "job %s has ended", jm->job_hex);
    }
    return 0;
}

int jobmaster_trigger_checkpoint(struct jobmaster *jm, enum checkpoint_type type,
                                 checkpoint_done_fn done, void *arg, struct error *err)
{
    struct checkpoint_ask *ask = MEM_NEW(struct checkpoint_ask);
    ask->type = type;
    ask->done = done;
    ask->arg = arg;
    return post_ask(jm, ask, err);
}

int jobmaster_trigger_savepoint(struct jobmaster *jm, const struct savepoint_request *request,
                                checkpoint_done_fn done, void *arg, struct error *err)
{
    struct checkpoint_ask *ask = MEM_NEW(struct checkpoint_ask);
    ask->savepoint = true;
    ask->request = *request;
    if (request->directory != NULL) {
        ask->directory = mem_strdup(request->directory);
        ask->request.directory = ask->directory;
    }
    ask->done = done;
    ask->arg = arg;
    return post_ask(jm, ask, err);
}
