/* The end of a pending checkpoint: complete, or given up.
 *
 * Complete: the metadata is made of what tasks and coordinators gave, written on the I/O executor, and only
 * when it is durable (and something can be restored from it) the checkpoint counts: it is kept, older ones
 * are subsumed, tasks and coordinators are told.
 *
 * Thread: the checkpointer's.  Flink: CheckpointCoordinator.completePendingCheckpoint,
 * CheckpointFailureManager. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

struct pending_checkpoint *checkpointer_find_pending(const struct checkpointer *c, uint64_t id)
{
    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_checkpoint *p = vec_ptr(&c->pending, i);
        if (p->id == id) {
            return p;
        }
    }
    return NULL;
}

static void remove_pending(struct checkpointer *c, const struct pending_checkpoint *p)
{
    for (size_t i = 0; i < c->pending.len; i++) {
        if (vec_ptr(&c->pending, i) == p) {
            vec_remove(&c->pending, i);
            return;
        }
    }
}

uint64_t checkpointer_latest_id(const struct checkpointer *c)
{
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    return latest != NULL ? latest->id : 0;
}

bool checkpointer_is_completing(const struct checkpointer *c)
{
    for (size_t i = 0; i < c->pending.len; i++) {
        const struct pending_checkpoint *p = vec_ptr(&c->pending, i);
        if (p->state == PENDING_COMPLETING && !p->given_up &&
            !checkpoint_kind_is_savepoint(p->kind)) {
            return !PLANTED("checkpoint.restart_does_not_wait");
        }
    }
    return false;
}

/* ---- giving up -------------------------------------------------------------------------------------- */

/* One more failure in a row: too many fail the job. */
static void count_failure(struct checkpointer *c, const struct error *why)
{
    c->n_failures++;
    if (c->n_failures <= c->config.tolerable_failures || c->ended) {
        return;
    }
    char text[ERROR_MESSAGE_MAX];
    struct error err = ERROR_INIT;
    c->n_failures = 0;
    error_set(&err, ERR_UNAVAILABLE,
              "Exceeded checkpoint tolerable failure threshold "
              "(execution.checkpointing.tolerable-failed-checkpoints = %u). The latest checkpoint "
              "failed due to: %s",
              c->config.tolerable_failures, error_format(why, text, 600));
    c->o.host->fail_job(c->o.host_arg, &err);
}

static void answer_failed(struct pending_checkpoint *p, const struct error *why)
{
    struct trigger_request *r = STEAL(p->request);
    if (r != NULL) {
        trigger_request_answer(r, why, p->id, NULL);
        trigger_request_free(r);
    }
}

void pending_abort(struct checkpointer *c, struct pending_checkpoint *p, const struct error *why,
                   uint32_t flags)
{
    enum pending_state state = p->state;
    char text[ERROR_MESSAGE_MAX];
    if (p->given_up) {
        return;
    }
    LOG_INFO(CHECKPOINT_TOPIC, "Checkpoint %llu of job %s is given up (%s): %s",
             (unsigned long long)p->id, c->job_hex, pending_state_name(state),
             error_format(why, text, sizeof(text)));
    component_cancel(c->o.component, p->timer);
    p->timer = TIMER_NONE;
    p->given_up = true;
    stats_tracker_fail(&c->stats, p->id, why, clock_now_ms(c->o.clock));
    if (state == PENDING_LOCATING || state == PENDING_COORDINATORS) {
        c->triggering = false;
    }
    if (state == PENDING_COORDINATORS) {
        c->o.host->release_coordinators(c->o.host_arg, p->id);
    }
    if (state != PENDING_COMPLETING) { /* else the executor has it: its answer ends it */
        remove_pending(c, p);
        cleanup_expire(c, p, STEAL(p->directory));
    }
    c->o.host->notify(c->o.host_arg, FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED, p->id,
                      checkpointer_latest_id(c));
    answer_failed(p, why);
    if (flags & ABORT_COUNTS && !checkpoint_kind_is_savepoint(p->kind)) {
        count_failure(c, why);
    }
    c->o.host->on_changed(c->o.host_arg);
    if (state == PENDING_COMPLETING) {
        c->o.host->on_settled(c->o.host_arg);
    } else {
        pending_free(p);
    }
    decider_drive(c);
}

static bool is_savepoint(const struct pending_checkpoint *p)
{
    return checkpoint_kind_is_savepoint(p->kind);
}

/* When tasks fail: all have done their part; but a job that fails does not stop. */
static bool is_left_alone(const struct pending_checkpoint *p)
{
    return p->state == PENDING_COMPLETING &&
           p->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE;
}

void pending_abort_below(struct checkpointer *c, uint64_t id, const struct error *why)
{
    bool all = id == UINT64_MAX;
    bool found = true;
    while (found) { /* every abort may change the list */
        found = false;
        for (size_t i = 0; i < c->pending.len && !found; i++) {
            struct pending_checkpoint *p = vec_ptr(&c->pending, i);
            if (p->given_up || p->id >= id || (all ? is_left_alone(p) : is_savepoint(p))) {
                continue;
            }
            found = true;
            pending_abort(c, p, why, 0);
        }
    }
}

/* ---- writing the metadata --------------------------------------------------------------------------- */

struct finalize_job {
    struct io_job base;
    struct completed_checkpoint *completed; /* Owns; what comes of it */
    bool restorable;                        /* restarts may use it: an assignment is made */
    bool has_pointer;                       /* it was written down for the next leader */
    uint64_t metadata_bytes;
};

static void fini_finalize(struct io_job *job)
{
    completed_free(((struct finalize_job *)job)->completed);
}

/* For the next leader: where the checkpoint is, or the checkpoint itself. */
static int add_pointer(struct finalize_job *f, struct error *err)
{
    const struct io_job *job = &f->base;
    const struct completed_checkpoint *k = f->completed;
    STR_AUTO value = STR_INIT;
    if (job->pointers == NULL || !f->restorable) {
        return 0;
    }
    TRY(FAILPOINT(err, "checkpoint.complete.before_pointer"));
    if (k->directory != NULL) {
        str_printf(&value, "D%s", k->directory);
    } else {
        STR_AUTO bytes = STR_INIT;
        TRY(metadata_encode(k->metadata, &bytes, err));
        str_append_char(&value, 'M');
        str_append_slice(&value, str_slice(&bytes));
    }
    TRY_CTX(err,
            job->pointers->add(job->pointers->arg, job->job_hex, k->id, str_slice(&value), err),
            "writing down checkpoint %llu for the next leader", (unsigned long long)k->id);
    f->has_pointer = true;
    return FAILPOINT(err, "checkpoint.complete.after_pointer");
}

/* On an I/O thread. */
static int run_finalize(struct io_job *job, struct error *err)
{
    struct finalize_job *f = (struct finalize_job *)job;
    struct completed_checkpoint *k = f->completed;
    if (f->restorable) { /* what nobody could restore is no checkpoint */
        TRY_CTX(err,
                state_assignment_new(k->metadata, k->directory, graph_ref_get(k->graph), 0,
                                     &k->assignment, err),
                "dealing out the state of checkpoint %llu", (unsigned long long)k->id);
    }
    TRY(FAILPOINT(err, "checkpoint.complete.before_write"));
    if (k->directory != NULL && !PLANTED("checkpoint.complete_without_metadata")) {
        TRY_CTX(
            err,
            job->files->write(job->files->arg, k->directory, k->metadata, &f->metadata_bytes, err),
            "completing checkpoint %llu", (unsigned long long)k->id);
    }
    TRY(FAILPOINT(err, "checkpoint.complete.after_write"));
    return add_pointer(f, err);
}

static void on_finalized(struct checkpointer *c, struct io_job *job, int rc,
                         const struct error *err);

/* The folder stays with the pending one, too: it goes when the checkpoint fails. */
static struct finalize_job *new_finalize(struct checkpointer *c, struct pending_checkpoint *p)
{
    struct finalize_job *f = io_job_new(sizeof(*f), "writing the metadata of a checkpoint");
    f->base.run = run_finalize;
    f->base.done = on_finalized;
    f->base.fini = fini_finalize;
    f->base.checkpoint_id = p->id;
    f->restorable = !checkpoint_kind_is_savepoint(p->kind);
    f->completed = MEM_NEW(struct completed_checkpoint);
    f->completed->id = p->id;
    f->completed->metadata = STEAL(p->metadata);
    f->completed->graph = graph_ref_ref(c->graph);
    f->completed->directory = p->directory != NULL ? mem_strdup(p->directory) : NULL;
    return f;
}

/* It failed while COMPLETING, and the executor is done with it. */
static void fail_completing(struct checkpointer *c, struct pending_checkpoint *p,
                            const struct finalize_job *f, const struct error *why)
{
    bool was_given_up = p->given_up;
    if (!was_given_up) {
        pending_abort(c, p, why, ABORT_COUNTS);
    }
    remove_pending(c, p);
    if (f->has_pointer) {
        cleanup_withdrawn(c, p->id, STEAL(p->directory));
    } else if (c->o.pointers != NULL && (why->code == ERR_TIMEOUT || why->code == ERR_FENCED)) {
        LOG_INFO(CHECKPOINT_TOPIC,
                 "Files of checkpoint %llu of job %s stay: the next leader may have found it.",
                 (unsigned long long)p->id, c->job_hex);
    } else {
        cleanup_expire(c, p, STEAL(p->directory));
    }
    pending_free(p);
    decider_drive(c);
}

void pending_complete(struct checkpointer *c, struct pending_checkpoint *p)
{
    struct error err = ERROR_INIT;
    int rc = pending_check_ends(p, checkpointer_graph(c), &err);
    if (rc < 0) {
        pending_abort(c, p, &err, 0);
        return;
    }
    rc = FAILPOINT(&err, "checkpoint.complete.before");
    if (rc == 0) {
        rc = pending_make_metadata(p, checkpointer_graph(c), &p->metadata, &err);
    }
    if (rc < 0) {
        pending_abort(c, p, &err, ABORT_COUNTS);
        return;
    }
    pending_transition(p, PENDING_COMPLETING);
    struct finalize_job *f = new_finalize(c, p);
    if (io_submit(c, &f->base, &err) < 0) {
        fail_completing(c, p, f, &err);
        io_job_free(&f->base);
    }
}

/* ---- complete --------------------------------------------------------------------------------------- */

/* Files of checkpoints below it are needed by nobody.  With several checkpoints at a time the retained one need
 * not refer to the files of the one before it, on which one that is pending is built: so those stay that were
 * retained when the pending ones began. */
static uint64_t lowest_needed(const struct checkpointer *c)
{
    uint64_t lowest = completed_store_lowest_id(&c->store);
    for (size_t i = 0; i < c->pending.len; i++) {
        const struct pending_checkpoint *p = vec_ptr(&c->pending, i);
        lowest = p->given_up ? lowest : MIN(lowest, p->lowest_base_id);
    }
    return lowest;
}

static void subsume(struct checkpointer *c)
{
    struct completed_checkpoint *old;
    struct vec olds = VEC_INIT(struct completed_checkpoint *);
    uint64_t newest = checkpointer_latest_id(c);
    while ((old = completed_store_take_above(&c->store, c->config.num_retained)) != NULL) {
        vec_push_ptr(&olds, old);
        c->o.host->notify(c->o.host_arg, FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_SUBSUMED,
                          old->id, newest);
    }
    cleanup_subsumed(c, &olds, lowest_needed(c));
    vec_fini(&olds);
    cleanup_retry(c);
}

static void drop_older(struct checkpointer *c, uint64_t id)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CANCELLED, "checkpoint %llu, which is newer, has completed",
              (unsigned long long)id);
    pending_abort_below(c, id, &why);
}

static void log_completed(const struct checkpointer *c, const struct pending_checkpoint *p)
{
    LOG_INFO(CHECKPOINT_TOPIC, "Completed checkpoint %llu for job %s (%lld ms)%s%s.",
             (unsigned long long)p->id, c->job_hex,
             (long long)(clock_now_ms(c->o.clock) - p->trigger_ms),
             p->directory != NULL ? " at " : "", p->directory != NULL ? p->directory : "");
}

/* Answers who asked for it; what they asked for besides comes afterwards. */
static void answer_completed(struct checkpointer *c, struct pending_checkpoint *p)
{
    struct trigger_request *r = STEAL(p->request);
    bool cancel = r->flags & SAVEPOINT_CANCEL_JOB;
    trigger_request_answer(r, NULL, p->id,
                           p->directory != NULL ? p->directory : CHECKPOINT_NO_PATH);
    trigger_request_free(r);
    if (cancel) {
        c->o.host->cancel_job(c->o.host_arg);
    }
}

static void complete(struct checkpointer *c, struct pending_checkpoint *p, struct finalize_job *f)
{
    bool savepoint = checkpoint_kind_is_savepoint(p->kind);
    struct error ignored = ERROR_INIT;
    component_cancel(c->o.component, p->timer);
    remove_pending(c, p);
    c->last_completed_ms = clock_monotonic_ms(c->o.clock);
    stats_tracker_complete(
        &c->stats, p->id,
        &(struct stats_completed){p->directory != NULL ? p->directory : CHECKPOINT_NO_PATH,
                                  f->metadata_bytes, clock_now_ms(c->o.clock)});
    log_completed(c, p);
    if (!savepoint) {
        c->n_failures = 0;
        completed_store_add(&c->store, STEAL(f->completed));
        (void)FAILPOINT(&ignored, "checkpoint.complete.before_subsume");
        subsume(c);
    }
    if (!savepoint || p->stop != FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE) {
        drop_older(c, p->id);
        (void)FAILPOINT(&ignored, "checkpoint.complete.before_notify");
        c->o.host->notify(c->o.host_arg, FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE,
                          p->id, checkpointer_latest_id(c));
        (void)FAILPOINT(&ignored, "checkpoint.complete.after_notify");
    }
    answer_completed(c, p);
    pending_free(p);
    c->o.host->on_changed(c->o.host_arg);
    c->o.host->on_settled(c->o.host_arg);
    decider_drive(c);
}

static void on_finalized(struct checkpointer *c, struct io_job *job, int rc,
                         const struct error *why)
{
    struct finalize_job *f = (struct finalize_job *)job;
    struct pending_checkpoint *p = checkpointer_find_pending(c, job->checkpoint_id);
    if (p == NULL) {
        return; /* the job has ended: its files stay, nobody knows who looks at them */
    }
    struct error err = ERROR_INIT;
    bool is_late = !checkpoint_kind_is_savepoint(p->kind) && p->id < checkpointer_latest_id(c);
    if (rc == 0 && !p->given_up && !is_late) {
        complete(c, p, f);
        return;
    }
    if (rc < 0) {
        error_copy(&err, why);
    } else {
        error_set(&err, ERR_CANCELLED, "a newer checkpoint has completed");
    }
    fail_completing(c, p, f, &err);
}
