/* What a task manager asks of worker_host, in production. */
#include "taskmanager/manager/taskmanager.h"

static int host_start_job(void *host, const struct worker_job *job, struct error *err)
{
    return worker_host_start_job(host, job, err);
}

static void host_open_link(void *host, const struct flinc_id *job_id,
                           const struct flinc_id *master_token)
{
    worker_host_open_link(host, job_id, master_token);
}

static void host_send(void *host, const struct flinc_id *job_id, const struct flinc_id *incarnation,
                      const uint8_t *bytes, size_t size)
{
    worker_host_send(host, job_id, incarnation, bytes, size);
}

static void host_close_link(void *host, const struct flinc_id *job_id, const char *reason)
{
    worker_host_close_link(host, job_id, reason);
}

static void host_stop_job(void *host, const struct flinc_id *job_id, const char *reason)
{
    worker_host_stop_job(host, job_id, reason);
}

static void host_kill_job(void *host, const struct flinc_id *job_id, const char *reason)
{
    worker_host_kill_job(host, job_id, reason);
}

static void host_each(const void *host, void (*fn)(void *arg, const Flinc__JobOnTaskManager *job),
                      void *arg)
{
    worker_host_each(host, fn, arg);
}

static void host_query(void *host, const Flinc__Query *query, int64_t timeout_ms,
                       void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer), void *arg)
{
    worker_host_query(host, query, timeout_ms, on_done, arg);
}

static void host_get_counters(const void *host, struct worker_host_counters *ret)
{
    worker_host_get_counters(host, ret);
}

const struct taskmanager_worker_ops taskmanager_worker_host_ops = {
    .start_job = host_start_job,
    .open_link = host_open_link,
    .send = host_send,
    .close_link = host_close_link,
    .stop_job = host_stop_job,
    .kill_job = host_kill_job,
    .each = host_each,
    .query = host_query,
    .get_counters = host_get_counters,
};
