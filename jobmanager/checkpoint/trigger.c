/* The beginning of a checkpoint: a plan, a number, a place for its files, the states of the coordinators, and
 * in the same turn of the mailbox the trigger messages, so that what coordinators send later comes behind
 * the barrier.  See checkpointer_internal.h. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

static int make_plan(struct checkpointer *c, struct checkpoint_plan *plan, struct error *err)
{
    return checkpoint_plan_init(
        plan,
        &(struct checkpoint_plan_options){.graph = checkpointer_graph(c),
                                          .host = c->o.host,
                                          .host_arg = c->o.host_arg,
                                          .after_tasks_finish = c->config.after_tasks_finish},
        err);
}

/* Timer: the checkpoint takes too long. */
static void on_timeout(void *arg)
{
    struct pending_checkpoint *p = arg;
    struct error err = ERROR_INIT;
    p->timer = TIMER_NONE;
    error_set(&err, ERR_TIMEOUT,
              "checkpoint %llu expired before completing: %lld ms "
              "(execution.checkpointing.timeout) are over, %u of %u tasks have not acknowledged",
              (unsigned long long)p->id, (long long)p->c->config.timeout_ms, p->n_waited_for,
              p->n_tasks);
    pending_abort(p->c, p, &err, ABORT_COUNTS);
}

/* ---- where its files go ----------------------------------------------------------------------------- */

struct locate_job {
    struct io_job base;
    char *root; /* Owns; NULL: no files are written */
    uint8_t job_id[16];
    uint8_t random[6];
    bool savepoint, create_subdir;
    struct str exclusive, shared;
};

static void fini_locate(struct io_job *job)
{
    struct locate_job *l = (struct locate_job *)job;
    mem_free(l->root);
    str_fini(&l->exclusive);
    str_fini(&l->shared);
}

/* On an I/O thread. */
static int run_locate(struct io_job *job, struct error *err)
{
    struct locate_job *l = (struct locate_job *)job;
    struct checkpoint_folder_request request = {.root = l->root,
                                                .job_id = l->job_id,
                                                .checkpoint_id = job->checkpoint_id,
                                                .random = l->savepoint ? l->random : NULL,
                                                .create_subdir = l->create_subdir};
    TRY_CTX(err, FAILPOINT(err, "checkpoint.locate.before"), "making the folder of checkpoint %llu",
            (unsigned long long)job->checkpoint_id);
    if (job->pointers != NULL) {
        TRY_CTX(
            err,
            job->pointers->reserve(job->pointers->arg, job->job_hex, job->checkpoint_id + 1, err),
            "giving out the number of checkpoint %llu", (unsigned long long)job->checkpoint_id);
    }
    if (l->root == NULL) {
        return 0;
    }
    return job->files->make_folder(job->files->arg, &request, &l->exclusive, &l->shared, err);
}

static void ask_coordinators(struct checkpointer *c, struct pending_checkpoint *p)
{
    struct error err = ERROR_INIT;
    uint64_t id = p->id;
    pending_transition(p, PENDING_COORDINATORS);
    int rc = FAILPOINT(&err, "checkpoint.trigger.before_coordinators");
    if (rc == 0) {
        rc = c->o.host->prepare_coordinators(c->o.host_arg, id, &err);
    }
    if (rc < 0) {
        checkpointer_on_coordinators_ready(c, id, rc, &err);
    }
}

static void on_located(struct checkpointer *c, struct io_job *job, int rc, const struct error *err)
{
    struct locate_job *l = (struct locate_job *)job;
    struct pending_checkpoint *p = checkpointer_find_pending(c, job->checkpoint_id);
    if (p == NULL) { /* it was given up meanwhile */
        if (rc == 0 && l->root != NULL) {
            cleanup_folder(c, str_take(&l->exclusive));
        }
        return;
    }
    if (rc < 0) {
        pending_abort(c, p, err, ABORT_COUNTS);
        return;
    }
    if (l->root != NULL) {
        p->directory = str_take(&l->exclusive);
        p->shared_directory = str_take(&l->shared);
    }
    ask_coordinators(c, p);
}

/* NULL: nothing is written to files. */
static const char *root_of(const struct checkpointer *c, const struct trigger_request *r)
{
    return checkpoint_kind_is_savepoint(r->kind) ? r->directory : c->config.directory;
}

static void locate(struct checkpointer *c, struct pending_checkpoint *p)
{
    const char *root = root_of(c, p->request);
    if (root == NULL && c->o.pointers == NULL) {
        ask_coordinators(c, p);
        return;
    }
    struct locate_job *l = io_job_new(sizeof(*l), "making the folder of a checkpoint");
    l->base.run = run_locate;
    l->base.done = on_located;
    l->base.fini = fini_locate;
    l->base.checkpoint_id = p->id;
    l->root = root != NULL ? mem_strdup(root) : NULL;
    l->savepoint = checkpoint_kind_is_savepoint(p->kind);
    l->create_subdir = c->config.create_subdir;
    const Flinc__JobGraph *graph = checkpointer_graph(c);
    memcpy(l->job_id, graph->job_id.data, MIN(graph->job_id.len, sizeof(l->job_id)));
    uint64_t random = rng_next(&c->rng);
    memcpy(l->random, &random, sizeof(l->random));
    struct error err = ERROR_INIT;
    if (io_submit(c, &l->base, &err) < 0) {
        io_job_free(&l->base);
        pending_abort(c, p, &err, ABORT_COUNTS);
    }
}

int trigger_begin(struct checkpointer *c, struct trigger_request *take, struct error *err)
{
    struct checkpoint_plan plan;
    TRY(FAILPOINT(err, "checkpoint.trigger.before_plan"));
    TRY(make_plan(c, &plan, err)); /* a look before a number is used up */
    checkpoint_plan_fini(&plan);
    struct pending_checkpoint *p = pending_new(c, c->next_id++);
    p->request = take;
    p->kind = take->kind;
    p->stop = take->stop;
    p->trigger_ms = clock_now_ms(c->o.clock);
    p->lowest_base_id = c->store.kept.len > 0 ? completed_store_lowest_id(&c->store) : 0;
    vec_push_ptr(&c->pending, p);
    c->triggering = true;
    p->timer = component_schedule(c->o.component, c->config.timeout_ms, on_timeout, p);
    stats_tracker_begin(&c->stats, &(struct stats_begin){p->id, p->kind, p->stop, p->trigger_ms});
    c->o.host->on_changed(c->o.host_arg);
    LOG_INFO(CHECKPOINT_TOPIC, "Triggering checkpoint %llu (%s) of job %s.",
             (unsigned long long)p->id,
             checkpoint_kind_is_savepoint(p->kind) ? "savepoint" : "checkpoint", c->job_hex);
    locate(c, p);
    return 0;
}

/* ---- coordinators, then tasks ------------------------------------------------------------------------ */

static void describe_location(const struct checkpointer *c, const struct pending_checkpoint *p,
                              Flinc__CheckpointLocation *l)
{
    flinc__checkpoint_location__init(l);
    bool files =
        checkpoint_kind_is_savepoint(p->kind) || c->config.storage == CHECKPOINT_STORAGE_FILESYSTEM;
    l->inline_only = !files;
    l->inline_threshold = files ? c->config.inline_threshold_bytes : CHECKPOINT_INLINE_MAX;
    l->inline_max = CHECKPOINT_INLINE_MAX;
    l->inline_task_max = CHECKPOINT_INLINE_TOTAL_MAX / MAX(c->n_tasks, 1U);
    if (files) {
        l->directory = p->directory;
        l->shared_directory = p->shared_directory;
    }
}

/* Savepoints are always aligned. */
static void describe_alignment(const struct checkpointer *c, const struct pending_checkpoint *p,
                               Flinc__CheckpointBarrier *barrier)
{
    if (!c->config.unaligned || checkpoint_kind_is_savepoint(p->kind)) {
        return;
    }
    barrier->alignment = FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_UNALIGNED;
    if (c->config.aligned_timeout_ms > 0) {
        barrier->alignment = FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_ALIGNED_UNTIL_TIMEOUT;
        barrier->aligned_timeout_ms = (uint64_t)c->config.aligned_timeout_ms;
    }
}

static int send_triggers(struct checkpointer *c, const struct pending_checkpoint *p,
                         const struct checkpoint_plan *plan, struct error *err)
{
    Flinc__CheckpointLocation location;
    Flinc__CheckpointBarrier barrier = FLINC__CHECKPOINT_BARRIER__INIT;
    describe_location(c, p, &location);
    barrier.checkpoint_id = p->id;
    barrier.timestamp_ms = p->trigger_ms;
    barrier.kind = p->kind;
    barrier.stop = p->stop;
    barrier.location = &location;
    barrier.latest_completed = checkpointer_latest_id(c);
    describe_alignment(c, p, &barrier);
    TRY(FAILPOINT(err, "checkpoint.trigger.before_send"));
    return c->o.host->send_trigger(c->o.host_arg, plan->triggers, plan->n_triggers, &barrier, err);
}

static void count_finished(struct checkpointer *c, const struct pending_checkpoint *p,
                           const struct checkpoint_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_tasks; i++) {
        if (plan->tasks[i].finished) {
            stats_tracker_ack(&c->stats, p->id, plan->tasks[i].task.vertex,
                              plan->tasks[i].task.subtask, NULL, 0);
        }
    }
}

/* States of coordinators and trigger messages, in one turn. */
static int begin_gathering(struct checkpointer *c, struct pending_checkpoint *p, struct error *err)
{
    struct checkpoint_plan plan;
    TRY(make_plan(c, &plan, err));
    int rc = c->o.host->snapshot_coordinators(c->o.host_arg, p->id, &p->coordinators, err);
    if (rc == 0) {
        pending_transition(p, PENDING_GATHERING);
        pending_set_tasks(p, &plan);
        count_finished(c, p, &plan);
        rc = send_triggers(c, p, &plan, err);
    }
    checkpoint_plan_fini(&plan);
    return rc;
}

void checkpointer_on_coordinators_ready(struct checkpointer *c, uint64_t checkpoint_id, int rc,
                                        const struct error *why)
{
    struct pending_checkpoint *p = checkpointer_find_pending(c, checkpoint_id);
    struct error err = ERROR_INIT;
    if (p == NULL || p->state != PENDING_COORDINATORS) {
        return; /* it was given up meanwhile */
    }
    if (rc < 0) {
        error_copy(&err, why);
    } else {
        rc = begin_gathering(c, p, &err);
        c->o.host->release_coordinators(c->o.host_arg, checkpoint_id);
    }
    c->triggering = false; /* whether it is gathering now or given up */
    if (rc < 0) {
        pending_abort(c, p, &err, ABORT_COUNTS);
        return;
    }
    decider_drive(c);
}
