/* Keeping jobs for the next leader, and running those of former ones; see dispatcher.h.
 *
 * A submission is kept before the dispatcher sees it, on the thread of who submits; what the dispatcher refuses is removed
 * again.  Of two submissions of one id at the same time one keeps its graph, and only that one can become the job.
 * Flink: SessionDispatcherLeaderProcess, Dispatcher.persistAndRunJob, DispatcherResourceCleaner. */
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <unistd.h>

/* ---- submissions; thread: who submits ------------------------------------------------------------------ */

static void forget(struct recovery *r, const char *hex)
{
    struct error err = ERROR_INIT;
    if (recovery_remove_job(r, hex, &err) < 0) {
        LOG_WARN(
            DISPATCHER_TOPIC,
            "Job %s was refused, and what is kept of it cannot be removed: %s. The next leader "
            "would run it.",
            hex, err.message);
    }
}

int dispatcher_submit_sync(struct dispatcher *d, struct job_submission *take, int64_t timeout_ms,
                           struct error *err)
{
    struct recovery *r = d->options.recovery;
    char hex[ID_HEX_LEN + 1];
    struct flinc_id id;
    if (r == NULL) {
        return dispatcher_submit_and_wait(d, take, timeout_ms, err);
    }
    memcpy(id.bytes, take->graph->job_id.data, sizeof(id.bytes)); /* 16 bytes: it was validated */
    id_format(&id, hex);
    int rc = take->n_blobs == take->graph->n_libraries
                 ? recovery_put_job(r, take->graph, take->blobs, take->n_blobs, err)
                 : 0; /* the dispatcher says what is wrong with it */
    bool kept = rc == 0;
    struct error known = ERROR_INIT;
    if (rc == ERR_ALREADY_EXISTS && err != NULL) {
        error_copy(&known, err);
    }
    if (rc < 0 && rc != ERR_ALREADY_EXISTS) {
        job_submission_fini(take, d->options.blobs);
        return rc;
    }
    take->is_kept = kept;
    rc = dispatcher_submit_and_wait(d, take, timeout_ms, err);
    if (kept && rc < 0 && rc != ERR_TIMEOUT && rc != ERR_UNAVAILABLE) {
        forget(r, hex);
    }
    struct job_overview overview;
    if (rc == ERR_ALREADY_EXISTS && known.code != 0 &&
        !dispatcher_get_overview(d, &id, &overview)) {
        error_copy(err, &known); /* only high availability knows it */
    }
    return rc;
}

/* ---- the end of a job; thread: of the I/O executor ------------------------------------------------------- */

bool dispatched_job_write_end(struct dispatched_job *j, enum job_status status)
{
    struct dispatcher *d = j->d;
    struct error err = ERROR_INIT;
    enum recovery_files files =
        jobmaster_checkpoints_go(j->jm) && !PLANTED("dispatcher.end_does_not_say_what_goes")
            ? RECOVERY_FILES_GO
            : RECOVERY_FILES_STAY;
    int rc = ERR_STATE;
    if (!job_status_is_globally_terminal(status)) {
        return PLANTED("dispatcher.removes_what_is_suspended");
    }
    if (status == JOB_STATUS_FAILED && jobmaster_is_unrecovered(j->jm)) {
        LOG_ERROR(DISPATCHER_TOPIC,
                  "Job '%s' (%s) could not be recovered. It is shown as FAILED, and stays in high "
                  "availability for the next leader.",
                  j->overview.name, j->hex);
    } else {
        dispatched_job_keep_details(j);
        for (int i = 0; i < DISPATCHER_END_TRIES && rc < 0 && rc != ERR_FENCED; i++) {
            if (i > 0) {
                (void)usleep(DISPATCHER_END_PAUSE_MS * 1000);
            }
            error_clear(&err);
            rc =
                recovery_end_job(d->options.recovery, j->hex, job_status_name(status), files, &err);
        }
        if (rc < 0) {
            LOG_ERROR(DISPATCHER_TOPIC,
                      "Job '%s' (%s) is %s, which cannot be written down: the next leader runs it "
                      "again from its last checkpoint. %s",
                      j->overview.name, j->hex, job_status_name(status), err.message);
        }
    }
    if (rc != ERR_FENCED) {
        pthread_mutex_lock(&d->lock);
        j->end_is_durable = true; /* or as good as it gets */
        pthread_mutex_unlock(&d->lock);
        dispatched_job_refresh(j);
    }
    return rc == 0;
}

void dispatcher_remove_kept(struct dispatcher *d, const char *job_hex)
{
    struct error err = ERROR_INIT;
    if (recovery_remove_job(d->options.recovery, job_hex, &err) < 0) {
        LOG_WARN(DISPATCHER_TOPIC,
                 "What is kept of job %s, which has ended, cannot be removed; the next leader does "
                 "it: %s",
                 job_hex, err.message);
    }
}

/* ---- a new leader; thread: the leadership's ---------------------------------------------------------------- */

static int recover_one(struct dispatcher *d, const char *hex, struct error *err)
{
    struct recovered_job job;
    TRY(recovery_get_job(d->options.recovery, hex, &job, err));
    struct job_submission s = {
        .graph = STEAL(job.graph),
        .blobs = STEAL(job.blobs),
        .n_blobs = job.n_blobs,
        .is_kept = true,
        .recovered = MEM_NEW(struct checkpoint_recovery),
        .requirements = job.requirements,
    };
    *s.recovered = job.checkpoints;
    size_t n = job.checkpoints.pointers.len;
    uint64_t newest =
        n > 0 ? VEC_AT(&job.checkpoints.pointers, struct checkpoint_pointer, n - 1)->id : 0;
    LOG_INFO(DISPATCHER_TOPIC, "Recovering job '%s' (%s) from checkpoint %llu.", s.graph->name, hex,
             (unsigned long long)newest);
    return dispatcher_submit_and_wait(d, &s, DISPATCHER_RECOVER_TIMEOUT_MS, err);
}

/* For people to see; nothing of it is removed. */
static void show_failed(struct dispatcher *d, const char *hex, const struct error *why)
{
    char text[ERROR_MESSAGE_MAX];
    struct flinc_id id;
    LOG_ERROR(DISPATCHER_TOPIC, "Job %s cannot be recovered: %s", hex,
              error_format(why, text, sizeof(text)));
    if (id_parse(hex, &id)) {
        dispatcher_add_failed(d, &id, "(cannot be recovered)", DISPATCHER_FAILED_FOR_NOW, why);
    }
}

int dispatcher_recover(struct dispatcher *d, struct error *err)
{
    struct vec hexes = VEC_INIT(char *);
    int rc = 0;
    if (d->options.recovery == NULL) {
        return 0;
    }
    struct recovery_left left = {.take = dispatcher_take_left, .arg = d};
    rc = recovery_list_jobs(d->options.recovery, &left, &hexes, err);
    for (size_t i = 0; rc == 0 && i < hexes.len; i++) {
        struct error why = ERROR_INIT;
        int one = recover_one(d, vec_ptr(&hexes, i), &why);
        if (one == ERR_FENCED) {
            rc = one;
            error_copy(err, &why);
        } else if (one < 0) {
            show_failed(d, vec_ptr(&hexes, i), &why);
        }
    }
    ha_names_fini(&hexes);
    return rc;
}
