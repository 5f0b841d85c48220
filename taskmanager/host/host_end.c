/* The end of a worker: its process was reaped and its last words have been read, in either order. */
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "taskmanager/host/host_internal.h"
#include <signal.h>

static const char topic[] = "flinc.taskmanager.host";

static void on_drained(void *arg)
{
    struct host_worker *w = arg;
    w->timer = TIMER_NONE;
    host_worker_end(w);
}

void host_worker_maybe_ended(struct host_worker *w)
{
    if (!w->exited) {
        return;
    }
    if (w->channel == NULL || w->channel_closed) {
        host_worker_end(w);
        return;
    }
    /* A process that it started may hold its socket. */
    (void)component_cancel(w->host->options.component, w->timer);
    w->timer = component_schedule(w->host->options.component, HOST_DRAIN_MS, on_drained, w);
}

void host_worker_on_exit(void *target, void *arg, const struct child_exit *exit)
{
    struct host_worker *w = target;
    w->exited = true;
    w->exit = *exit;
    str_append_cstr(&w->tail, exit->stderr_tail);
    w->exit.stderr_tail = NULL;
    host_worker_maybe_ended(w);
}

static void on_closed_but_alive(void *arg)
{
    struct host_worker *w = arg;
    w->timer = TIMER_NONE;
    if (w->state >= HOST_STOPPING) { /* the reason is known */
        spawner_signal(w->host->options.spawner, w->pid, SIGKILL);
    } else {
        host_worker_fail(w, &w->closed_why);
    }
}

void host_worker_on_closed(void *target, const struct error *why)
{
    struct host_worker *w = target;
    w->channel_closed = true;
    error_set(&w->closed_why, ERR_UNAVAILABLE,
              "The worker process of job '%s' (pid %d) lost its connection to the task manager: %s",
              w->name, (int)w->pid, why->message);
    if (w->exited) {
        host_worker_end(w);
        return;
    }
    /* Its end is seen in a moment; a process that lives on without us does not live long. */
    (void)component_cancel(w->host->options.component, w->timer);
    w->timer = component_schedule(w->host->options.component, HOST_CLOSED_GRACE_MS,
                                  on_closed_but_alive, w);
}

static bool job_has_worker(void *arg, const char *job_hex)
{
    const struct worker_host *h = arg;
    for (size_t i = 0; i < h->workers.len; i++) {
        const struct host_worker *w = vec_ptr(&h->workers, i);
        char hex[ID_HEX_LEN + 1];
        id_format(&w->job_id, hex);
        if (strcmp(hex, job_hex) == 0) {
            return true;
        }
    }
    return false;
}

void host_worker_state_dir(const struct host_worker *w, struct str *ret_path)
{
    char id[ID_HEX_LEN + 1];
    id_format(&w->incarnation, id);
    str_printf(ret_path, "%s/state-%s", w->host->work_dir, id);
}

/* One that was killed could not do it itself. */
static void delete_state(const struct host_worker *w)
{
    STR_AUTO path = STR_INIT;
    struct error err = ERROR_INIT;
    host_worker_state_dir(w, &path);
    int rc = fs_delete(str_cstr(&path), FS_DELETE_RECURSIVE, &err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN(topic, "state of a worker is left behind: %s", err.message);
    }
}

void host_worker_end(struct host_worker *w)
{
    struct worker_host *h = w->host;
    const struct worker_host_options *o = &h->options;
    struct flinc_id job_id = w->job_id, incarnation = w->incarnation;
    struct error why = ERROR_INIT;
    const struct exit_facts facts = {
        .job_name = w->name,
        .pid = w->pid,
        .exit_code = w->exit.exit_code,
        .signal = w->exit.signal,
        .core_dumped = w->exit.core_dumped,
        .spawner_lost = w->exit.spawner_lost,
        .stderr_tail = str_slice(&w->tail),
        .libraries = w->libraries.data,
        .n_libraries = w->libraries.len,
        .dying = w->dying.code != 0 ? &w->dying : NULL,
        .ended = w->ended.code != 0 ? &w->ended : NULL,
    };
    exit_report_make(&facts, &why);
    delete_state(w);
    if (why.code == ERR_CLOSED) {
        LOG_INFO(topic, "%s (pid %d)", why.message, (int)w->pid);
    } else {
        atomic_fetch_add(&h->counters.n_crashed, 1);
        LOG_WARN(topic, "%s", why.message);
    }
    host_worker_transition(w, HOST_ENDED);
    host_queries_forget(h, w);
    host_worker_free(w);
    if (h->log_dir != NULL) {
        (void)worker_log_prune(h->log_dir, h->log_stem, HOST_LOGS_KEPT_MAX, job_has_worker, h);
    }
    o->callbacks.on_gone(o->owner, &job_id, &incarnation, &why);
}
