/* Checkpoints and savepoints on request: handed to the job master of the job; see dispatcher.h.
 *
 * Thread: any.  Nothing but a post happens under the lock, so `done` is never called there. */
#include "jobmanager/dispatcher/dispatcher_internal.h"

int dispatcher_lock_running(struct dispatcher *d, const struct flinc_id *job_id,
                            struct dispatched_job **ret, struct error *err)
{
    struct job_overview overview;
    char hex[ID_HEX_LEN + 1];
    pthread_mutex_lock(&d->lock);
    struct dispatched_job *j = dispatcher_find(d, job_id);
    if (j != NULL && j->state == DISPATCHED_RUNNING) {
        *ret = j;
        return 0;
    }
    bool ended = j != NULL || job_store_find(d->store, job_id, &overview, NULL);
    if (j != NULL) {
        overview = j->overview;
    }
    pthread_mutex_unlock(&d->lock);
    id_format(job_id, hex);
    return ended ? error_set(err, ERR_CLOSED, "Job %s has already ended: it is %s.", hex,
                             job_status_name(overview.status))
                 : error_set(err, ERR_NOT_FOUND, "Job %s not found", hex);
}

int dispatcher_trigger_checkpoint(struct dispatcher *d, const struct flinc_id *job_id,
                                  enum checkpoint_type type, checkpoint_done_fn done, void *arg,
                                  struct error *err)
{
    struct dispatched_job *j = NULL;
    TRY(dispatcher_lock_running(d, job_id, &j, err));
    int rc = jobmaster_trigger_checkpoint(j->jm, type, done, arg, err);
    pthread_mutex_unlock(&d->lock);
    return rc;
}

int dispatcher_trigger_savepoint(struct dispatcher *d, const struct flinc_id *job_id,
                                 const struct savepoint_request *request, checkpoint_done_fn done,
                                 void *arg, struct error *err)
{
    struct dispatched_job *j = NULL;
    TRY(dispatcher_lock_running(d, job_id, &j, err));
    int rc = jobmaster_trigger_savepoint(j->jm, request, done, arg, err);
    pthread_mutex_unlock(&d->lock);
    return rc;
}
