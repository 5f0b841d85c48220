/* The executor of the target "local": a mini cluster for the time of one job.  Flink: LocalExecutor. */
#include "minicluster/minicluster.h"

static void add_accumulator(void *arg, const Flinc__Accumulator *sum)
{
    job_result_add(arg, sum->name, sum->long_value);
}

/* Tells the listener where the job is; false: cancel it. */
static bool tell(struct minicluster *m, const struct job_listener *listener)
{
    struct job_progress p;

    jobmaster_get_progress(minicluster_jobmaster(m), &p);
    return listener->on_progress(
        listener->arg, job_status_name(p.status), p.source_records, p.source_bytes,
        p.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING], p.tasks_total);
}

static void wait_for_end(struct minicluster *m, const struct job_listener *listener)
{
    bool cancelled = false;

    if (listener == NULL || listener->on_progress == NULL) {
        (void)minicluster_wait(m, -1);
        return;
    }
    while (!minicluster_wait(m, MINICLUSTER_PROGRESS_MS)) {
        if (!tell(m, listener) && !cancelled) {
            minicluster_cancel(m);
            cancelled = true;
        }
    }
    (void)tell(m, listener);
}

static int job_outcome(struct minicluster *m, const Flinc__JobGraph *graph, struct error *err)
{
    struct error cause = ERROR_INIT;
    enum job_status status = minicluster_result(m, &cause);

    if (status == JOB_STATUS_FINISHED) {
        return 0;
    }
    if (status == JOB_STATUS_CANCELED) {
        return error_set(err, ERR_CANCELLED, "job '%s' was cancelled", graph->name);
    }
    if (err != NULL) {
        error_copy(err, &cause);
        error_context(err, "running job '%s'", graph->name);
    }
    return cause.code < 0 ? cause.code
                          : error_set(err, ERR_INTERNAL, "job '%s' failed", graph->name);
}

static int local_execute(const Flinc__JobGraph *graph, const struct conf *conf,
                         const struct job_listener *listener, struct job_result *ret,
                         struct error *err)
{
    struct minicluster_options o = {.conf = conf};
    struct minicluster *m = NULL;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];

    memcpy(id.bytes, graph->job_id.data, sizeof(id.bytes));
    id_format(&id, hex);
    if (listener != NULL && listener->on_submitted != NULL) {
        listener->on_submitted(listener->arg, hex, graph->name); /* before the job can print */
    }
    TRY(minicluster_start(&o, graph, &m, err));
    wait_for_end(m, listener);
    struct job_progress p;
    jobmaster_get_progress(minicluster_jobmaster(m), &p);
    ret->runtime_ms = p.end_ms - p.start_ms;
    jobmaster_each_accumulator(minicluster_jobmaster(m), add_accumulator, ret);
    int rc = job_outcome(m, graph, err);
    (void)minicluster_free(m);
    return rc;
}

const struct job_executor minicluster_executor = {"local", local_execute};

/* The SDK must not know this room; so the room makes itself known when the library is loaded. */
__attribute__((constructor)) static void register_local_executor(void)
{
    job_executor_register(&minicluster_executor);
}
