/* Failures, restarts, cancellation, and the end of the job.
 *
 * A failed task takes its region with it: the other tasks of the region are cancelled, and when all
 * have ended and the restart strategy's delay (counted from the failure) is over, the region runs anew
 * with new attempts.  A global failure does the same to all regions and resets the coordinators.
 * Only transient errors restart; wrong input, damage and bugs fail the job, since trying again does
 * not help.  While the job ends, failures change nothing but the count of what still runs.
 * Thread: the job master's.  Flink: DefaultScheduler, ExecutionFailureHandler,
 * RestartPipelinedRegionFailoverStrategy. */
#include "jobmanager/jobmaster/jobmaster_internal.h"

/* ---- cancelling tasks ------------------------------------------------------------------------- */

/* Flushed by the caller: workers_flush_cancels(). */
static void execution_cancel(struct jobmaster *jm, struct execution *e)
{
    switch (e->state) {
    case FLINC__EXECUTION_STATE__EXECUTION_CREATED:
    case FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED:
        execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_CANCELED, NULL);
        break;
    case FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING:
    case FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING:
    case FLINC__EXECUTION_STATE__EXECUTION_RUNNING:
        execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_CANCELING, NULL);
        workers_cancel(&jm->workers, e->slot.worker, &e->id);
        break;
    default:
        break;
    }
}

static void region_stop_timers(struct region *r)
{
    component_cancel(r->jm->component, r->slot_timer);
    component_cancel(r->jm->component, r->restart_timer);
    r->slot_timer = r->restart_timer = TIMER_NONE;
    r->restart_due = false;
}

static void region_cancel(struct jobmaster *jm, struct region *r, enum region_state state)
{
    region_stop_timers(r);
    region_transition(r, state);
    for (uint32_t i = 0; i < r->n_subtasks; i++) {
        execution_cancel(jm, &r->subtasks[i]->execution);
    }
}

static void cancel_all(struct jobmaster *jm, enum region_state state)
{
    component_cancel(jm->component, jm->global.timer);
    jm->global = (struct global_restart){.timer = TIMER_NONE};
    if (state == REGION_ENDING) {
        slots_declare_none(jm);
    }
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        region_cancel(jm, &jm->graph.regions[i], state);
    }
    workers_flush_cancels(&jm->workers);
}

/* ---- the end of the job ----------------------------------------------------------------------- */

static bool is_ending(const struct jobmaster *jm)
{
    switch (jm->status) {
    case JOB_STATUS_CREATED:
    case JOB_STATUS_RUNNING:
    case JOB_STATUS_RESTARTING:
        return false;
    default:
        return true;
    }
}

static void fail_job(struct jobmaster *jm, const struct error *why)
{
    if (is_ending(jm)) {
        return;
    }
    error_copy(&jm->cause, why);
    job_transition(jm, JOB_STATUS_FAILING);
    cancel_all(jm, REGION_ENDING);
}

void failover_cancel_job(struct jobmaster *jm)
{
    if (jm->status == JOB_STATUS_FAILING) {
        job_transition(jm, JOB_STATUS_CANCELLING); /* its tasks are being cancelled already */
    } else if (!is_ending(jm)) {
        job_transition(jm, JOB_STATUS_CANCELLING);
        cancel_all(jm, REGION_ENDING);
    }
    failover_check(jm);
}

void failover_abandon(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct execution *e = &jm->graph.subtasks[i].execution;
        if (e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING) {
            execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_CANCELED, NULL);
        }
    }
    failover_check(jm);
}

void failover_suspend(struct jobmaster *jm, const struct error *why)
{
    if (job_status_is_globally_terminal(jm->status) || jm->status == JOB_STATUS_SUSPENDED) {
        return;
    }
    error_copy(&jm->cause, why);
    if (!is_ending(jm)) { /* else they are being cancelled already */
        cancel_all(jm, REGION_ENDING);
    }
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct execution *e = &jm->graph.subtasks[i].execution;
        if (e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING) {
            execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_CANCELED, NULL);
        }
    }
    jobmaster_end(jm, JOB_STATUS_SUSPENDED);
}

/* ---- restarting ------------------------------------------------------------------------------- */

static bool restart_is_pending(const struct jobmaster *jm)
{
    if (jm->global.pending) {
        return true;
    }
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        if (jm->graph.regions[i].state == REGION_RESTARTING) {
            return true;
        }
    }
    return false;
}

static void region_renew(struct jobmaster *jm, struct region *r)
{
    region_stop_timers(r);
    region_transition(r, REGION_IDLE);
    for (uint32_t i = 0; i < r->n_subtasks; i++) {
        struct subtask *s = r->subtasks[i];
        Flinc__ExecutionState old = s->execution.state;
        attempts_remember(&jm->snapshot, s, jm->details.prior_max);
        execution_graph_new_attempt(&jm->graph, s, &jm->rng, jobmaster_now_ms(jm));
        snapshot_new_attempt(&jm->snapshot, s, old);
    }
}

static void count_restart(struct jobmaster *jm)
{
    snapshot_count_restart(&jm->snapshot);
    job_metrics_count_restart(&jm->metrics);
}

static void back_to_running(struct jobmaster *jm)
{
    count_restart(jm);
    if (jm->status == JOB_STATUS_RESTARTING && !restart_is_pending(jm)) {
        job_transition(jm, JOB_STATUS_RUNNING);
    }
}

static void restart_region(struct jobmaster *jm, struct region *r)
{
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.failover.before_restart") < 0) {
        failover_global(jm, &err);
        return;
    }
    region_renew(jm, r);
    checkpoints_count_restore(jm);
    for (uint32_t i = 0; i < r->n_subtasks; i++) {
        coordinators_subtask_reset(jm, r->subtasks[i]);
    }
    back_to_running(jm);
    region_schedule(jm, r);
}

void failover_renew(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        region_renew(jm, &jm->graph.regions[i]);
    }
}

static void restart_job(struct jobmaster *jm)
{
    struct error err = ERROR_INIT;
    bool rescale = jm->global.rescale;
    component_cancel(jm->component, jm->global.timer);
    jm->global = (struct global_restart){.timer = TIMER_NONE};
    int rc = FAILPOINT(&err, "jobmaster.failover.before_restart");
    if (rc == 0 && adaptive_is_on(jm)) {
        if (!rescale) {
            count_restart(jm);
        }
        adaptive_on_tasks_ended(jm);
        return;
    }
    if (rc == 0 && jm->checkpoints.restored) {
        rc = coordinators_reset(jm, &err);
    }
    if (rc < 0) {
        failover_global(jm, &err);
        return;
    }
    failover_renew(jm);
    back_to_running(jm);
    if (checkpoints_prepare(jm)) { /* else what the job starts from is read anew */
        checkpoints_count_restore(jm);
        jobmaster_begin(jm);
    }
}

/* Timer: the delay of a region's restart is over. */
static void on_region_due(void *arg)
{
    struct region *r = arg;
    r->restart_timer = TIMER_NONE;
    r->restart_due = true;
    failover_check(r->jm);
}

/* Timer: the delay of a global restart is over. */
static void on_global_due(void *arg)
{
    struct jobmaster *jm = arg;
    jm->global.timer = TIMER_NONE;
    jm->global.due = true;
    failover_check(jm);
}

static void check_restarts(struct jobmaster *jm)
{
    if (jm->global.pending) {
        if (jm->global.due && jm->graph.n_live == 0) {
            restart_job(jm);
        }
        return;
    }
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        struct region *r = &jm->graph.regions[i];
        if (r->state == REGION_RESTARTING && r->restart_due && r->n_live == 0) {
            restart_region(jm, r);
        }
    }
    regions_deploy_ready(jm);
}

/* The whole job runs anew when its tasks have ended and the delay is over. */
static void restart_all(struct jobmaster *jm, int64_t delay_ms)
{
    cancel_all(jm, REGION_RESTARTING);
    jm->global.pending = true;
    jm->global.timer = component_schedule(jm->component, delay_ms, on_global_due, jm);
    if (jm->status == JOB_STATUS_RUNNING ||
        (jm->status == JOB_STATUS_CREATED && adaptive_is_on(jm))) {
        job_transition(jm, JOB_STATUS_RESTARTING);
    }
}

void failover_rescale(struct jobmaster *jm)
{
    ASSERT(jm->status == JOB_STATUS_RUNNING && !jm->global.pending);
    LOG_INFO(JOBMASTER_TOPIC, "%u tasks will be restarted to rescale the job.",
             jm->graph.n_subtasks);
    cancel_all(jm, REGION_RESTARTING);
    jm->global.pending = jm->global.due = jm->global.rescale = true;
    job_transition(jm, JOB_STATUS_RESTARTING);
    failover_check(jm);
}

void failover_check(struct jobmaster *jm)
{
    if ((jm->status == JOB_STATUS_RUNNING || jm->status == JOB_STATUS_RESTARTING) &&
        !checkpoints_hold_restart(jm)) {
        check_restarts(jm);
    }
    if (jm->status == JOB_STATUS_RUNNING && jm->graph.n_finished == jm->graph.n_subtasks) {
        jobmaster_end(jm, JOB_STATUS_FINISHED);
    } else if (jm->status == JOB_STATUS_FAILING && jm->graph.n_live == 0) {
        jobmaster_end(jm, JOB_STATUS_FAILED);
    } else if (jm->status == JOB_STATUS_CANCELLING && jm->graph.n_live == 0) {
        jobmaster_end(jm, JOB_STATUS_CANCELED);
    }
}

/* ---- failures --------------------------------------------------------------------------------- */

/* Asks the restart strategy.  False: no restart, the job has been failed. */
static bool may_restart(struct jobmaster *jm, const struct error *why)
{
    struct error stopped = ERROR_INIT;
    if (checkpoints_forbid_restart(jm, why, &stopped)) {
        fail_job(jm, &stopped);
        return false;
    }
    if (why->cls != ERROR_CLASS_TRANSIENT) {
        LOG_INFO(JOBMASTER_TOPIC,
                 "Recovery of job %s is not tried: the failure is of class %s, which a restart "
                 "does not heal.",
                 jm->options.graph->name, error_class_name(why->cls));
        fail_job(jm, why);
        return false;
    }
    restart_strategy_on_failure(&jm->strategy, clock_monotonic_ms(jm->clock), &jm->rng);
    if (!restart_strategy_may_restart(&jm->strategy)) {
        const char *strategy = restart_strategy_name(jm->strategy.kind);
        struct error last;
        LOG_INFO(JOBMASTER_TOPIC, "Recovery of job %s is suppressed by its restart strategy: %s.",
                 jm->options.graph->name, strategy);
        error_copy(&last, why);
        if (jm->strategy.kind != RESTART_STRATEGY_NONE) {
            error_context(&last, "given up by restart strategy %s", strategy);
        }
        fail_job(jm, &last);
        return false;
    }
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.failover.before_cancel") < 0) {
        fail_job(jm, &err);
        return false;
    }
    return true;
}

/* One piece of news, which may fail tasks of several regions (a worker is lost): the restart strategy
 * is asked once, and the history has one entry. */
struct failure_news {
    struct attempt_failure *failure; /* Borrows */
    enum failure_source source;
    bool told; /* the strategy has been asked */
};

static void region_failed(struct jobmaster *jm, struct region *r, const struct execution *e,
                          struct failure_news *news)
{
    const struct error *why = &news->failure->error;
    details_outdate(jm);
    if (is_ending(jm) || r->state == REGION_RESTARTING) {
        snapshot_add_concurrent_failure(&jm->snapshot, e, why, jobmaster_now_ms(jm));
        return;
    }
    if (news->told) {
        snapshot_add_concurrent_failure(&jm->snapshot, e, why, jobmaster_now_ms(jm));
    } else {
        news->told = true;
        snapshot_add_failure(&jm->snapshot, e, why, jobmaster_now_ms(jm));
        if (!may_restart(jm, why)) {
            return;
        }
    }
    char name[JOBMASTER_TASK_NAME_BYTES];
    int64_t delay_ms = restart_strategy_delay_ms(&jm->strategy);
    LOG_INFO(JOBMASTER_TOPIC,
             "%u tasks will be restarted to recover the failed task %s, in %lld ms.", r->n_subtasks,
             execution_task_name(e, name, sizeof(name)), (long long)delay_ms);
    if (adaptive_is_on(jm)) { /* it may come back with another parallelism */
        adaptive_on_restarting(jm, why);
        restart_all(jm, delay_ms);
        return;
    }
    region_cancel(jm, r, REGION_RESTARTING);
    r->restart_timer = component_schedule(jm->component, delay_ms, on_region_due, r);
    if (jm->status == JOB_STATUS_RUNNING) {
        job_transition(jm, JOB_STATUS_RESTARTING);
    }
}

/* Takes the attempt out of the race.  True: it counts as a failure of its region. */
static bool execution_fail(struct jobmaster *jm, struct execution *e,
                           const struct failure_news *news)
{
    const struct error *why = &news->failure->error;
    if (execution_state_is_terminal(e->state)) {
        return false;
    }
    if (news->source == FAILURE_HERE && execution_is_on_worker(e)) {
        workers_cancel(&jm->workers, e->slot.worker, &e->id);
    }
    if (e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING) {
        execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_CANCELED, why);
        snapshot_add_concurrent_failure(&jm->snapshot, e, why, jobmaster_now_ms(jm));
        return false;
    }
    e->failure = attempt_failure_ref(news->failure);
    execution_transition(jm, e, FLINC__EXECUTION_STATE__EXECUTION_FAILED, why);
    return true;
}

void failover_tasks_failed(struct jobmaster *jm, struct execution *const *executions, size_t n,
                           const struct error *why, enum failure_source source)
{
    struct vec failed = VEC_INIT(struct execution *);
    struct failure_news news = {attempt_failure_new(why), source, false};
    for (size_t i = 0; i < n; i++) {
        if (execution_fail(jm, executions[i], &news)) {
            vec_push_ptr(&failed, executions[i]);
        }
    }
    for (size_t i = 0; i < failed.len; i++) {
        struct execution *e = vec_ptr(&failed, i);
        region_failed(jm, execution_region(&jm->graph, e), e, &news);
    }
    vec_fini(&failed);
    attempt_failure_unref(news.failure);
    workers_flush_cancels(&jm->workers);
    failover_check(jm);
}

void failover_task_failed(struct jobmaster *jm, struct execution *e, const struct error *why,
                          enum failure_source source)
{
    failover_tasks_failed(jm, &e, 1, why, source);
}

void failover_global(struct jobmaster *jm, const struct error *why)
{
    details_outdate(jm);
    if (is_ending(jm)) {
        snapshot_add_concurrent_failure(&jm->snapshot, NULL, why, jobmaster_now_ms(jm));
        return;
    }
    snapshot_add_failure(&jm->snapshot, NULL, why, jobmaster_now_ms(jm));
    char text[ERROR_MESSAGE_MAX];
    LOG_INFO(JOBMASTER_TOPIC, "Trying to recover from a global failure: %s",
             error_format(why, text, sizeof(text)));
    if (may_restart(jm, why)) {
        int64_t delay_ms = restart_strategy_delay_ms(&jm->strategy);
        LOG_INFO(JOBMASTER_TOPIC,
                 "%u tasks will be restarted to recover from a global failure, in %lld ms.",
                 jm->graph.n_subtasks, (long long)delay_ms);
        adaptive_on_restarting(jm, why);
        restart_all(jm, delay_ms);
    }
    failover_check(jm);
}
