/* Jobs while they run and when they end; see dispatcher.h.
 *
 * What a job master says comes on its thread: changes are written down under the dispatcher's lock, the
 * end is posted to the dispatcher.  Then a thread of the I/O executor frees the job master and writes the
 * job's file, and the dispatcher moves the job from its table into the store. */
#include "jobmanager/dispatcher/dispatcher_internal.h"

/* ---- what job masters say; thread: theirs ----------------------------------------------------------- */

static bool is_running(enum job_status status)
{
    return !job_status_is_globally_terminal(status) && status != JOB_STATUS_SUSPENDED;
}

/* The end of a job is shown once it cannot be forgotten. */
static bool is_shown(const struct dispatched_job *j, enum job_status status)
{
    return j->d->options.recovery == NULL || !job_status_is_globally_terminal(status) ||
           j->end_is_durable;
}

void dispatched_job_refresh(struct dispatched_job *j)
{
    struct dispatcher *d = j->d;
    struct job_progress p;
    int64_t now = clock_now_ms(d->clock);
    jobmaster_get_progress(j->jm, &p);
    pthread_mutex_lock(&d->lock);
    struct job_overview *o = &j->overview;
    if (!is_shown(j, p.status)) {
        pthread_mutex_unlock(&d->lock);
        return;
    }
    bool new_status = o->status != p.status;
    if (new_status && is_running(o->status) && !is_running(p.status) &&
        d->n_running_gauge != NULL) {
        atomic_fetch_sub(&d->n_running_gauge->value, 1);
    }
    o->status = p.status;
    o->start_ms = p.start_ms;
    o->end_ms = p.end_ms;
    o->last_modification_ms = now;
    o->tasks_total = p.tasks_total;
    memcpy(o->tasks_by_state, p.tasks_by_state, sizeof(o->tasks_by_state));
    dispatcher_touch(d);
    if (new_status) {
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
}

static void on_progress(void *owner)
{
    dispatched_job_refresh(owner);
}

static void run_ended(void *owner, void *payload);

static void on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct dispatched_job *j = owner;
    struct dispatcher *d = j->d;
    struct error err = ERROR_INIT;
    const struct job_details *details = NULL;
    (void)cause;
    j->ended_as = status;
    if (jobmaster_get_details(j->jm, 0, &details, &err) < 0) { /* on its own thread: at once */
        LOG_ERROR(DISPATCHER_TOPIC, "Job %s has ended, and nothing is known of it: %s", j->hex,
                  err.message);
    }
    pthread_mutex_lock(&d->lock);
    j->details = details;
    j->state = DISPATCHED_ENDED;
    dispatcher_touch(d);
    pthread_mutex_unlock(&d->lock);
    struct mailbox_op op = {
        .kind = DISPATCHER_OP_JOB_ENDED, .run = run_ended, .target = d, .payload = j};
    int rc = mailbox_post_internal(component_mailbox(d->component), MAILBOX_LANE_CONTROL, &op);
    ASSERT(rc == 0); /* the dispatcher ends after its last job */
}

/* ---- start ---------------------------------------------------------------------------------------- */

static int make_jobmaster(struct dispatched_job *j, struct error *err)
{
    struct dispatcher *d = j->d;
    struct jobmaster_options o = {
        .graph = j->submission.graph,
        .conf = d->options.conf,
        .mode = d->options.mode,
        .clock = d->options.clock,
        .io_executor = d->options.io_executor,
        .seed = d->options.seed != 0 ? rng_next(&d->rng) | 1 : 0,
        .slots = resourcemanager_slots(d->options.resourcemanager),
        .on_terminal = on_terminal,
        .on_progress = on_progress,
        .owner = j,
        .metrics = d->options.jobmanager_metrics,
        .launcher = d->options.launcher,
        .checkpoint_files = d->options.checkpoint_files,
        .checkpoint_pointers =
            d->options.recovery != NULL ? recovery_pointers(d->options.recovery) : NULL,
        .recovered = j->submission.recovered,
        .requirements = j->submission.requirements.data,
        .n_requirements = j->submission.requirements.len,
    };
    id_random(&o.fencing_token, &d->rng);
    TRY(jobmaster_new(&o, &j->jm, err));
    j->overview.is_adaptive = jobmaster_is_adaptive(j->jm);
    resourcemanager_add_job(d->options.resourcemanager,
                            &(struct resourcemanager_job){
                                .jm = j->jm,
                                .job_id = j->id,
                                .master_token = o.fencing_token,
                                .name = j->submission.graph->name,
                                .blobs = j->blob_list,
                                .n_blobs = j->submission.n_blobs,
                                .config = j->submission.graph->config,
                                .n_config = j->submission.graph->n_config,
                            });
    return 0;
}

/* Into the table, or out of it.  Thread: the dispatcher's. */
static void enter_table(struct dispatched_job *j)
{
    struct dispatcher *d = j->d;
    pthread_mutex_lock(&d->lock);
    (void)map_put_bytes(&d->jobs, j->id.bytes, sizeof(j->id.bytes), j);
    vec_push_ptr(&d->live, j);
    if (d->n_running_gauge != NULL) {
        atomic_fetch_add(&d->n_running_gauge->value, 1);
    }
    dispatcher_touch(d);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* Under the lock. */
static void leave_table(struct dispatched_job *j)
{
    struct dispatcher *d = j->d;
    (void)map_take_bytes(&d->jobs, j->id.bytes, sizeof(j->id.bytes));
    for (size_t i = 0; i < d->live.len; i++) {
        if (vec_ptr(&d->live, i) == j) {
            vec_remove(&d->live, i);
            break;
        }
    }
    if (is_running(j->overview.status) && d->n_running_gauge != NULL) {
        atomic_fetch_sub(&d->n_running_gauge->value, 1);
    }
    dispatcher_touch(d);
    pthread_cond_broadcast(&d->changed);
}

int dispatched_job_start(struct dispatched_job *j, struct error *err)
{
    struct dispatcher *d = j->d;
    TRY(make_jobmaster(j, err));
    enter_table(j);
    int rc = jobmaster_start(j->jm, err);
    if (rc < 0) {
        pthread_mutex_lock(&d->lock);
        leave_table(j);
        while (j->n_asking > 0) {
            pthread_cond_wait(&d->changed, &d->lock);
        }
        pthread_mutex_unlock(&d->lock);
    }
    return rc;
}

/* ---- end ------------------------------------------------------------------------------------------ */

/* The job master and what it uses; what was stored stays. */
static void release_job(struct dispatched_job *j)
{
    struct dispatcher *d = j->d;
    if (j->jm != NULL) {
        resourcemanager_remove_job(d->options.resourcemanager, j->jm);
        j->jm = jobmaster_free(j->jm);
    }
    job_submission_fini(&j->submission, d->options.blobs);
}

void dispatched_job_free(struct dispatched_job *j)
{
    release_job(j);
    job_details_unref(j->details);
    mem_free(j->blob_refs);
    mem_free(j->blob_list);
    mem_free(j);
}

/* Thread: of the I/O executor. */
static int archive(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct dispatched_job *j = arg;
    struct dispatcher *d = j->d;
    (void)!FAILPOINT(err, "dispatcher.archive.before_free");
    j->removes = d->options.recovery != NULL && dispatched_job_write_end(j, j->ended_as);
    pthread_mutex_lock(&d->lock);
    j->state = DISPATCHED_ARCHIVING;
    while (j->n_asking > 0) { /* the job master lives and answers them */
        pthread_cond_wait(&d->changed, &d->lock);
    }
    struct job_overview overview = j->overview;
    const struct job_details *details = j->details;
    pthread_mutex_unlock(&d->lock);
    release_job(j);
    if (details != NULL && job_status_is_globally_terminal(overview.status)) {
        j->entry = job_store_prepare(d->store, &overview, &j->fingerprint, details);
    }
    if (j->removes && !dispatcher_has_history(d)) {
        dispatcher_remove_kept(d, j->hex);
    }
    return 0;
}

/* For history: what has ended for good, and as far as high availability knows it has. */
static bool becomes_history(const struct dispatched_job *j)
{
    const struct dispatcher *d = j->d;
    return dispatcher_has_history(d) && j->details != NULL &&
           job_status_is_globally_terminal(j->overview.status) &&
           (d->options.recovery == NULL || j->removes);
}

/* Thread: the dispatcher's. */
static void on_archived(void *target, void *arg, int rc, const struct error *err)
{
    struct dispatched_job *j = arg;
    struct dispatcher *d = target;
    if (rc < 0) { /* the executor is closing and did not run it */
        (void)archive(j, NULL, NULL);
    }
    pthread_mutex_lock(&d->lock);
    if (j->entry != NULL) { /* readers see it in the table or in the store, never in both or none */
        job_store_add(d->store, j->entry);
    }
    leave_table(j);
    struct flinc_id id = j->id;
    enum job_status status = j->overview.status;
    pthread_mutex_unlock(&d->lock);
    job_store_sweep(d->store);
    LOG_INFO(DISPATCHER_TOPIC, "Job '%s' (%s) reached terminal state %s.", j->overview.name, j->hex,
             job_status_name(status));
    bool archives = becomes_history(j);
    if (archives) {
        dispatcher_archive(d, j->details,
                           HISTORY_THEN_TELL | (j->removes ? HISTORY_THEN_REMOVE : 0));
    }
    dispatched_job_free(j);
    if (!archives && d->options.on_job_ended != NULL) {
        d->options.on_job_ended(d->options.owner, &id, status);
    }
}

static void submit_archiving(void *arg)
{
    struct dispatched_job *j = arg;
    struct dispatcher *d = j->d;
    struct error err = ERROR_INIT;
    struct executor_job job = {
        .name = "archiving a job",
        .run = archive,
        .done = on_archived,
        .target = d,
        .arg = j,
        .reply_to = component_mailbox(d->component),
        .reply_lane = MAILBOX_LANE_CONTROL,
        .reply_kind = DISPATCHER_OP_ARCHIVED,
    };
    if (executor_submit(d->options.io_executor, &job, &err) == ERR_LIMIT) {
        (void)component_schedule(d->component, DISPATCHER_RETRY_MS, submit_archiving, j);
    } else if (err.code != 0) {
        on_archived(d, j, err.code, &err);
    }
}

static void run_ended(void *owner, void *payload)
{
    submit_archiving(payload);
}
