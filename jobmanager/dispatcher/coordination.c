/* What clients ask the coordinators of jobs; see dispatcher.h.  Of a job that has ended the answer comes from its details.
 *
 * Thread: any that may block.  Flink: Dispatcher.deliverCoordinationRequestToCoordinator. */
#include "jobmanager/dispatcher/dispatcher_internal.h"

/* The job master is not freed meanwhile. */
static int ask_running(struct dispatcher *d, struct dispatched_job *j,
                       const struct coordination_ask *ask, struct str *ret_answer,
                       struct error *err)
{
    j->n_asking++;
    pthread_mutex_unlock(&d->lock);
    int rc = jobmaster_ask_coordinator(j->jm, ask->operator_uid, ask->request, ask->timeout_ms,
                                       ret_answer, err);
    pthread_mutex_lock(&d->lock);
    if (--j->n_asking == 0) {
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

int dispatcher_ask_coordinator(struct dispatcher *d, const struct flinc_id *job_id,
                               const struct coordination_ask *ask, struct str *ret_answer,
                               struct error *err)
{
    struct dispatched_job *j = NULL;
    const struct job_details *details = NULL;
    struct error why = ERROR_INIT;
    int rc = dispatcher_lock_running(d, job_id, &j, &why);
    if (rc == 0) {
        rc = ask_running(d, j, ask, ret_answer, &why);
    }
    if (rc != ERR_CLOSED) {
        if (rc < 0 && err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    TRY(dispatcher_get_details(d, job_id, ask->timeout_ms, &details, err));
    rc = job_details_answer(details, ask->operator_uid, ret_answer, err);
    job_details_unref(details);
    return rc;
}
