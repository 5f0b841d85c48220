/* Bounds of the parallelism on request; see dispatcher.h.
 *
 * With recovery they are written down before the job master hears of them, and nobody is answered before both: bounds that were
 * acknowledged hold under every later leader.  Of a job one request at a time is at work, so that bounds are applied in the order
 * in which they were written down; others wait for it, bounded by what a write may take.
 *
 * Thread: any that may block.  Flink: Dispatcher.updateJobResourceRequirements. */
#include "jobmanager/dispatcher/dispatcher_internal.h"

/* Under the lock, which is released meanwhile; the job's job master stays until end_turn(). */
static void begin_turn(struct dispatched_job *j)
{
    j->n_asking++;
    while (j->sets_requirements && !PLANTED("dispatcher.requirements_in_any_order")) {
        pthread_cond_wait(&j->d->changed, &j->d->lock);
    }
    j->sets_requirements = true;
}

static void end_turn(struct dispatched_job *j)
{
    struct dispatcher *d = j->d;
    pthread_mutex_lock(&d->lock);
    j->sets_requirements = false;
    j->n_asking--;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static int keep(struct dispatched_job *j, const struct job_requirement *requirements, size_t n,
                struct error *err)
{
    struct recovery *r = j->d->options.recovery;
    int rc = r != NULL ? recovery_keep_requirements(r, j->hex, requirements, n, err) : 0;
    return rc == ERR_CANCELLED ? error_set(err, ERR_CLOSED, "Job %s has ended.", j->hex) : rc;
}

static int check_keep_apply(struct dispatched_job *j, const struct job_requirement *requirements,
                            size_t n, struct error *err)
{
    struct parallelism_bounds *bounds = NULL;
    TRY(jobmaster_check_requirements(j->jm, requirements, n, &bounds, err));
    if (PLANTED("dispatcher.applies_before_it_writes")) {
        TRY(jobmaster_set_requirements(j->jm, requirements, n, err));
    }
    int rc = keep(j, requirements, n, err);
    if (rc < 0) {
        mem_free(bounds);
        return rc;
    }
    (void)!FAILPOINT(NULL, "dispatcher.requirements.before_apply"); /* an error would be a lie */
    return jobmaster_apply_requirements(j->jm, bounds, err);
}

int dispatcher_set_requirements(struct dispatcher *d, const struct flinc_id *job_id,
                                const struct job_requirement *requirements, size_t n,
                                struct error *err)
{
    struct dispatched_job *j = NULL;
    TRY(dispatcher_lock_running(d, job_id, &j, err));
    begin_turn(j);
    pthread_mutex_unlock(&d->lock);
    int rc = check_keep_apply(j, requirements, n, err);
    end_turn(j);
    return rc;
}
