/* Ended jobs become history: their archives are written for history servers, then what is kept of them is removed.
 *
 * It happens beside everything else, on threads of its own: a file system that does not answer holds up no job, nor
 * the end of one as people see it.  With high availability the details of a job are kept before its end is written
 * down, and removed with the rest after its archive is there: whichever leader comes in between writes it.  An archive that
 * cannot be written after all tries is given up, with an error in the log.
 *
 * Flink: Dispatcher.archiveExecutionGraphToHistoryServer, HistoryServerArchivist. */
#include "jobmanager/dispatcher/dispatcher_internal.h"

struct history_task {
    struct dispatcher *d;              /* Borrows */
    const struct job_details *details; /* counted */
    char hex[ID_HEX_LEN + 1];
    bool removes;           /* what high availability keeps of it */
    bool tells;             /* on_job_ended */
    enum job_status status; /* for it */
};

static void task_free(struct history_task *t)
{
    job_details_unref(t->details);
    mem_free(t);
}

/* Thread: one of history's. */
static int write_history(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct history_task *t = arg;
    const struct dispatcher_history *history = &t->d->options.history;
    struct error why = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX];
    int rc = FAILPOINT(&why, "dispatcher.history.before");
    if (rc == 0) {
        rc = history->archive(history->arg, t->details, &why);
    }
    if (rc < 0) {
        LOG_ERROR(DISPATCHER_TOPIC,
                  "Job %s is not archived, and no history server will show it: %s", t->hex,
                  error_format(&why, text, sizeof(text)));
    }
    (void)!FAILPOINT(NULL, "dispatcher.history.after");
    if (t->removes) {
        dispatcher_remove_kept(t->d, t->hex);
    }
    return 0;
}

/* Thread: the dispatcher's. */
static void on_written(void *target, void *arg, int rc, const struct error *err)
{
    struct history_task *t = arg;
    struct dispatcher *d = target;
    (void)rc; /* the executor closes: the next leader does it, when there is one */
    (void)err;
    if (t->tells && d->options.on_job_ended != NULL) {
        d->options.on_job_ended(d->options.owner, &t->details->id, t->status);
    }
    pthread_mutex_lock(&d->lock);
    d->n_history--;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    task_free(t);
}

/* Takes the task. */
static void submit(struct history_task *t)
{
    struct dispatcher *d = t->d;
    struct error err = ERROR_INIT;
    struct executor_job job = {
        .name = "archiving a job for history servers",
        .run = write_history,
        .done = on_written,
        .target = d,
        .arg = t,
        .reply_to = component_mailbox(d->component),
        .reply_lane = MAILBOX_LANE_CONTROL,
        .reply_kind = DISPATCHER_OP_HISTORY,
    };
    pthread_mutex_lock(&d->lock);
    d->n_history++;
    pthread_mutex_unlock(&d->lock);
    if (executor_submit(d->options.history.executor, &job, &err) < 0) {
        LOG_ERROR(DISPATCHER_TOPIC,
                  "Job %s is not archived, and no history server will show it: %s. The folder "
                  "jobmanager.archive.fs.dir takes files too slowly.",
                  t->hex, err.message);
        on_written(d, t, err.code, &err);
    }
}

bool dispatcher_has_history(const struct dispatcher *d)
{
    return d->options.history.archive != NULL;
}

void dispatcher_archive(struct dispatcher *d, const struct job_details *details, unsigned flags)
{
    struct history_task *t = MEM_NEW(struct history_task);
    *t = (struct history_task){
        .d = d,
        .details = job_details_ref(details),
        .removes = (flags & HISTORY_THEN_REMOVE) != 0,
        .tells = (flags & HISTORY_THEN_TELL) != 0,
        .status = details->status,
    };
    id_format(&details->id, t->hex);
    submit(t);
}

/* ---- with high availability ----------------------------------------------------------------------- */

void dispatched_job_keep_details(struct dispatched_job *j)
{
    struct dispatcher *d = j->d;
    STR_AUTO bytes = STR_INIT;
    struct error err = ERROR_INIT;
    if (!dispatcher_has_history(d) || j->details == NULL) {
        return;
    }
    job_details_pack(j->details, &bytes);
    if (recovery_keep_details(d->options.recovery, j->hex, str_slice(&bytes), &err) < 0) {
        LOG_WARN(DISPATCHER_TOPIC,
                 "Job %s: what is known of it cannot be kept for the next leader, which will not "
                 "archive it when this one does not: %s",
                 j->hex, err.message);
    }
}

bool dispatcher_take_left(void *arg, const char *job_hex, struct slice details)
{
    struct dispatcher *d = arg;
    struct error err = ERROR_INIT;
    const struct job_details *unpacked;
    if (!dispatcher_has_history(d)) {
        return false;
    }
    if (job_details_unpack((const uint8_t *)details.data, details.len, &unpacked, &err) < 0) {
        LOG_ERROR(
            DISPATCHER_TOPIC,
            "Job %s, which ended under a former leader, is not archived, and no history server "
            "will show it: %s",
            job_hex, err.message);
        return false;
    }
    LOG_INFO(
        DISPATCHER_TOPIC,
        "Job %s has ended under a former leader and may not be archived yet: it is archived now.",
        job_hex);
    dispatcher_archive(d, unpacked, HISTORY_THEN_REMOVE);
    job_details_unref(unpacked);
    return true;
}
