/* One worker: from its blobs to its end.  host_internal.h has the diagram of its states. */
#include "common/base/log.h"
#include "taskmanager/host/host_internal.h"
#include <signal.h>

static const char topic[] = "flinc.taskmanager.host";

static const char *const state_names[] = {
    [HOST_FETCHING] = "FETCHING", [HOST_STARTING] = "STARTING", [HOST_READY] = "READY",
    [HOST_STOPPING] = "STOPPING", [HOST_FAILED] = "FAILED",     [HOST_ENDED] = "ENDED",
};

const char *host_state_name(enum host_state state)
{
    return (unsigned)state < ARRAY_LEN(state_names) ? state_names[state] : "unknown";
}

/* Bits of the states that may follow. */
static const uint8_t moves[] = {
    [HOST_FETCHING] = 1 << HOST_STARTING | 1 << HOST_FAILED | 1 << HOST_ENDED,
    [HOST_STARTING] = 1 << HOST_READY | 1 << HOST_STOPPING | 1 << HOST_FAILED | 1 << HOST_ENDED,
    [HOST_READY] = 1 << HOST_STOPPING | 1 << HOST_FAILED | 1 << HOST_ENDED,
    [HOST_STOPPING] = 1 << HOST_FAILED | 1 << HOST_ENDED,
    [HOST_FAILED] = 1 << HOST_ENDED,
    [HOST_ENDED] = 0,
};

static void cancel_timer(struct host_worker *w)
{
    (void)component_cancel(w->host->options.component, w->timer);
    w->timer = TIMER_NONE;
}

void host_worker_transition(struct host_worker *w, enum host_state to)
{
    ASSERT((moves[w->state] & 1 << to) != 0);
    LOG_DEBUG(topic, "worker of job '%s' (pid %d): %s -> %s", w->name, (int)w->pid,
              host_state_name(w->state), host_state_name(to));
    w->state = to;
    cancel_timer(w);
}

/* ---- making -------------------------------------------------------------------------------------- */

static int take_blobs(struct host_worker *w, const struct worker_job *job, struct error *err)
{
    for (size_t i = 0; i < job->n_blobs; i++) {
        const Flinc__BlobRef *ref = job->blobs[i];
        struct blob *b = NULL;
        if (ref->content_hash.len != BLOB_HASH_BYTES) {
            return error_set(err, ERR_INVALID_ARGUMENT, "blob '%s' has a hash of %zu bytes",
                             ref->name, ref->content_hash.len);
        }
        TRY_CTX(err, blob_cache_get(w->host->blobs, ref->content_hash.data, ref->size, &b, err),
                "getting blob '%s' of job '%s'", ref->name, job->name);
        vec_push_ptr(&w->blobs, b);
        *VEC_PUSH(&w->libraries, struct exit_library) =
            (struct exit_library){blob_hash_text(b), mem_strdup(ref->name)};
    }
    return 0;
}

struct host_worker *host_worker_new(struct worker_host *h, const struct worker_job *job,
                                    struct error *err)
{
    struct host_worker *w = MEM_NEW(struct host_worker);
    w->host = h;
    w->number = ++h->last_number;
    w->job_id = job->job_id;
    w->master_token = job->master_token;
    id_random(&w->incarnation, &h->rng);
    w->name = mem_strdup(job->name);
    w->budget = job->budget;
    conf_init(&w->conf, NULL);
    vec_init(&w->blobs, sizeof(struct blob *));
    vec_init(&w->libraries, sizeof(struct exit_library));
    vec_init(&w->pending, sizeof(Flinc__TaskManagerToWorker *));
    vec_init(&w->waiting, sizeof(struct waiting_connection));
    int rc = host_worker_read_config(w, job, err);
    if (rc == 0) {
        rc = take_blobs(w, job, err);
    }
    if (rc < 0) {
        host_worker_free(w);
        return NULL;
    }
    return w;
}

void host_worker_free(struct host_worker *w)
{
    struct worker_host *h = w->host;
    cancel_timer(w);
    host_worker_drop_waiting(w);
    rpc_channel_free(w->channel);
    for (size_t i = 0; i < w->pending.len; i++) {
        rpc_message_free(vec_ptr(&w->pending, i));
    }
    vec_fini(&w->pending);
    for (size_t i = 0; i < w->blobs.len; i++) {
        blob_unref(vec_ptr(&w->blobs, i));
    }
    vec_fini(&w->blobs);
    for (size_t i = 0; i < w->libraries.len; i++) {
        mem_free(VEC_AT(&w->libraries, struct exit_library, i)->name);
    }
    vec_fini(&w->libraries);
    for (size_t i = 0; i < h->workers.len; i++) {
        if (vec_ptr(&h->workers, i) == w) {
            vec_remove(&h->workers, i);
            break;
        }
    }
    if (map_find_bytes(&h->jobs, w->job_id.bytes, sizeof(w->job_id.bytes)) == w) {
        map_remove_bytes(&h->jobs, w->job_id.bytes, sizeof(w->job_id.bytes));
    }
    conf_fini(&w->conf);
    str_fini(&w->tail);
    mem_free(w->name);
    mem_free(w);
}

/* ---- starting ------------------------------------------------------------------------------------ */

static void on_not_ready(void *arg)
{
    struct host_worker *w = arg;
    struct error err = ERROR_INIT;
    w->timer = TIMER_NONE;
    error_set(
        &err, ERR_TIMEOUT,
        "The worker process of job '%s' (pid %d) was not ready within %d ms; see its log in %s",
        w->name, (int)w->pid, HOST_READY_MS,
        w->host->log_dir != NULL ? w->host->log_dir : "the task manager's output");
    host_worker_fail(w, &err);
}

static void start_later(void *arg)
{
    struct host_worker *w = arg;
    struct error err = ERROR_INIT;
    w->timer = TIMER_NONE;
    host_worker_transition(w, HOST_STARTING);
    if (host_worker_start(w, &err) < 0) {
        error_context(&err, "starting the worker process of job '%s'", w->name);
        host_worker_fail(w, &err);
        return;
    }
    atomic_fetch_add(&w->host->counters.n_started, 1);
    w->timer = component_schedule(w->host->options.component, HOST_READY_MS, on_not_ready, w);
}

void host_worker_check_blobs(struct host_worker *w)
{
    for (size_t i = 0; i < w->blobs.len; i++) {
        const struct blob *b = vec_ptr(&w->blobs, i);
        if (blob_get_state(b) == BLOB_FAILED) {
            host_worker_fail(w, blob_error(b));
            return;
        }
        if (blob_get_state(b) == BLOB_FETCHING) {
            return;
        }
    }
    if (w->timer == TIMER_NONE) {
        /* Not here: its failure must not be told before start_job() has returned. */
        w->timer = component_schedule(w->host->options.component, 0, start_later, w);
    }
}

/* ---- ending -------------------------------------------------------------------------------------- */

static void end_later(void *arg)
{
    struct host_worker *w = arg;
    w->timer = TIMER_NONE;
    host_worker_end(w);
}

/* SIGKILL, and its end is told when it was seen; without a process it is told soon. */
static void host_worker_kill(struct host_worker *w)
{
    if (w->pid != 0 && !w->exited) {
        spawner_signal(w->host->options.spawner, w->pid, SIGKILL);
    } else {
        cancel_timer(w);
        w->timer = component_schedule(w->host->options.component, 0, end_later, w);
    }
}

void host_worker_fail(struct host_worker *w, const struct error *why)
{
    if (w->state >= HOST_FAILED) {
        return;
    }
    if (w->ended.code == 0) {
        error_copy(&w->ended, why);
    }
    host_worker_transition(w, HOST_FAILED);
    host_worker_kill(w);
}

static void on_not_terminated(void *arg)
{
    struct host_worker *w = arg;
    w->timer = TIMER_NONE;
    LOG_WARN(topic, "the worker of job '%s' (pid %d) does not react to SIGTERM and is killed",
             w->name, (int)w->pid);
    host_worker_kill(w);
}

static void on_not_stopped(void *arg)
{
    struct host_worker *w = arg;
    w->timer = TIMER_NONE;
    LOG_WARN(topic, "the worker of job '%s' (pid %d) did not stop in time and is ended", w->name,
             (int)w->pid);
    spawner_signal(w->host->options.spawner, w->pid, SIGTERM);
    w->timer = component_schedule(w->host->options.component, HOST_TERM_MS, on_not_terminated, w);
}

static int64_t stop_limit_ms(const struct host_worker *w)
{
    int64_t ms = conf_duration_ms(&w->conf, "task.cancellation.timeout");
    return ms > 0 && ms < HOST_STOP_MAX_MS ? ms + HOST_STOP_SLACK_MS : HOST_STOP_MAX_MS;
}

void host_worker_stop(struct host_worker *w, const char *reason, bool at_once)
{
    if (w->state >= HOST_FAILED) {
        return;
    }
    if (w->ended.code == 0) {
        error_set(&w->ended, ERR_CLOSED, "The worker process of job '%s' was stopped: %s", w->name,
                  reason);
    }
    if (at_once || w->state == HOST_FETCHING || w->channel == NULL) {
        host_worker_transition(w, HOST_FAILED);
        host_worker_kill(w);
        return;
    }
    if (w->state == HOST_STOPPING) {
        return;
    }
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__WorkerStop stop = FLINC__WORKER_STOP__INIT;
    stop.reason = (char *)(uintptr_t)reason;
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_STOP;
    m.stop = &stop;
    host_worker_transition(w, HOST_STOPPING);
    w->timer = component_schedule(w->host->options.component, stop_limit_ms(w), on_not_stopped, w);
    host_worker_send_now(w, &m);
}
