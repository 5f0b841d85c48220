/* What others may see and ask of jobs; see dispatcher.h.  Thread: any.
 *
 * Lists are copies of what job masters have pushed (running.c): no mailbox is asked, and the lock is
 * held for the copy alone.  Details are asked of the job master, which is not freed as long as somebody
 * asks; those of a job that has ended are there or in the store. */
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <time.h>

struct dispatched_job *dispatcher_find(const struct dispatcher *d, const struct flinc_id *id)
{
    return map_find_bytes(&d->jobs, id->bytes, sizeof(id->bytes));
}

void dispatcher_touch(struct dispatcher *d)
{
    atomic_fetch_add_explicit(&d->version, 1, memory_order_release);
}

static int not_found(const struct flinc_id *id, struct error *err)
{
    char hex[ID_HEX_LEN + 1];
    id_format(id, hex);
    return error_set(err, ERR_NOT_FOUND, "Job %s not found", hex);
}

/* ---- lists ---------------------------------------------------------------------------------------- */

void job_overviews_reserve(struct job_overviews *overviews, uint32_t n)
{
    if (n > overviews->cap) {
        overviews->cap = MAX(n, 2 * overviews->cap);
        overviews->items =
            mem_realloc(overviews->items, overviews->cap * sizeof(*overviews->items));
    }
}

void job_overviews_fini(struct job_overviews *overviews)
{
    mem_free(overviews->items);
    *overviews = (struct job_overviews){.items = NULL};
}

/* Under the lock: jobs whose end is reached, or is not. */
static void append_live(const struct dispatcher *d, struct job_overviews *overviews, bool ended)
{
    size_t n = d->live.len;
    for (size_t i = 0; i < n; i++) {
        const struct dispatched_job *j = vec_ptr(&d->live, ended ? n - 1 - i : i);
        if (job_status_is_globally_terminal(j->overview.status) == ended) {
            overviews->items[overviews->n++] = j->overview;
        }
    }
}

void dispatcher_get_overviews(struct dispatcher *d, struct job_overviews *overviews)
{
    overviews->n = 0;
    pthread_mutex_lock(&d->lock);
    job_overviews_reserve(overviews, (uint32_t)d->live.len);
    append_live(d, overviews, false);
    append_live(d, overviews, true);
    job_store_list(d->store, overviews);
    pthread_mutex_unlock(&d->lock);
}

bool dispatcher_get_overview(struct dispatcher *d, const struct flinc_id *job_id,
                             struct job_overview *ret)
{
    pthread_mutex_lock(&d->lock);
    const struct dispatched_job *j = dispatcher_find(d, job_id);
    bool found = j != NULL || job_store_find(d->store, job_id, ret, NULL);
    if (j != NULL) {
        *ret = j->overview;
    }
    pthread_mutex_unlock(&d->lock);
    return found;
}

uint64_t dispatcher_version(const struct dispatcher *d)
{
    return atomic_load_explicit(&d->version, memory_order_acquire);
}

void dispatcher_get_counts(struct dispatcher *d, struct job_counts *ret)
{
    pthread_mutex_lock(&d->lock);
    job_store_get_counts(d->store, ret);
    for (size_t i = 0; i < d->live.len; i++) {
        const struct dispatched_job *j = vec_ptr(&d->live, i);
        enum job_status status = j->overview.status;
        ret->finished += status == JOB_STATUS_FINISHED;
        ret->cancelled += status == JOB_STATUS_CANCELED;
        ret->failed += status == JOB_STATUS_FAILED;
        ret->running += !job_status_is_globally_terminal(status);
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---- details -------------------------------------------------------------------------------------- */

/* Under the lock, which is released meanwhile. */
static int ask_master(struct dispatcher *d, struct dispatched_job *j, int64_t timeout_ms,
                      const struct job_details **ret, struct error *err)
{
    j->n_asking++;
    pthread_mutex_unlock(&d->lock);
    int rc = jobmaster_get_details(j->jm, timeout_ms, ret, err);
    pthread_mutex_lock(&d->lock);
    if (rc < 0 && j->details != NULL) { /* it has ended meanwhile */
        *ret = job_details_ref(j->details);
        rc = 0;
    }
    if (--j->n_asking == 0) {
        pthread_cond_broadcast(&d->changed);
    }
    return rc;
}

int dispatcher_get_details(struct dispatcher *d, const struct flinc_id *job_id, int64_t timeout_ms,
                           const struct job_details **ret, struct error *err)
{
    pthread_mutex_lock(&d->lock);
    struct dispatched_job *j = dispatcher_find(d, job_id);
    int rc = 1;
    if (j != NULL && j->details != NULL) {
        *ret = job_details_ref(j->details);
        rc = 0;
    } else if (j != NULL && j->state == DISPATCHED_RUNNING) {
        rc = ask_master(d, j, timeout_ms, ret, err);
    } else if (j != NULL) {
        rc =
            error_set(err, ERR_UNAVAILABLE, "Nothing is known of job %s, which has ended.", j->hex);
    }
    pthread_mutex_unlock(&d->lock);
    return rc == 1 ? job_store_get(d->store, job_id, ret, err) : rc;
}

/* ---- cancel, wait ----------------------------------------------------------------------------------- */

int dispatcher_cancel(struct dispatcher *d, const struct flinc_id *job_id, struct error *err)
{
    struct job_overview overview;
    pthread_mutex_lock(&d->lock);
    struct dispatched_job *j = dispatcher_find(d, job_id);
    bool found = j != NULL || job_store_find(d->store, job_id, &overview, NULL);
    if (j != NULL) {
        overview = j->overview;
        if (j->state == DISPATCHED_RUNNING) {
            jobmaster_cancel(j->jm); /* a post */
        }
    }
    pthread_mutex_unlock(&d->lock);
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "Job could not be found.");
    }
    if (job_status_is_globally_terminal(overview.status) &&
        overview.status != JOB_STATUS_CANCELED) {
        return error_set(err, ERR_STATE,
                         "Job cancellation failed because the job has already reached another "
                         "terminal state (%s).",
                         job_status_name(overview.status));
    }
    return 0;
}

static void deadline_in(int64_t timeout_ms, struct timespec *ret)
{
    (void)clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += timeout_ms / 1000;
    ret->tv_nsec += timeout_ms % 1000 * 1000000;
    if (ret->tv_nsec >= 1000000000) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000;
    }
}

int dispatcher_wait_ended(struct dispatcher *d, const struct flinc_id *job_id, int64_t timeout_ms,
                          enum job_status *ret_status, struct error *err)
{
    struct job_overview overview;
    struct timespec deadline;
    int rc = 0;
    deadline_in(timeout_ms, &deadline);
    pthread_mutex_lock(&d->lock);
    for (;;) {
        const struct dispatched_job *j = dispatcher_find(d, job_id);
        if (j == NULL && !job_store_find(d->store, job_id, &overview, NULL)) {
            rc = not_found(job_id, err);
            break;
        }
        enum job_status status = j != NULL ? j->overview.status : overview.status;
        if (job_status_is_globally_terminal(status)) {
            *ret_status = status;
            break;
        }
        if (pthread_cond_timedwait(&d->changed, &d->lock, &deadline) != 0) {
            rc = error_set(err, ERR_TIMEOUT, "Job %s is %s still after %lld ms.", j->hex,
                           job_status_name(status), (long long)timeout_ms);
            break;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}
