/* What a worker says, and what is said to it. */
#include "common/base/log.h"
#include "common/rpc/message.h"
#include "taskmanager/host/host_internal.h"

static const char topic[] = "flinc.taskmanager.host";

/* ---- to the worker ------------------------------------------------------------------------------- */

void host_worker_send_now(struct host_worker *w, Flinc__TaskManagerToWorker *message)
{
    struct error err = ERROR_INIT;
    message->version = HOST_PROTOCOL;
    int rc = rpc_channel_send(w->channel, &message->base, &err);
    if (rc < 0 && rc != ERR_CLOSED) { /* closed: its end is told soon */
        error_context(&err, "sending to the worker process of job '%s' (pid %d)", w->name,
                      (int)w->pid);
        host_worker_fail(w, &err);
    }
}

static void host_worker_keep(struct host_worker *w, Flinc__TaskManagerToWorker *message)
{
    size_t size = protobuf_c_message_get_packed_size(&message->base);
    if (w->pending.len >= HOST_PENDING_MAX || w->pending_bytes + size > HOST_PENDING_BYTES) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_LIMIT,
                  "%zu messages of %llu bytes wait for the worker process of job '%s' to be ready",
                  w->pending.len, (unsigned long long)w->pending_bytes, w->name);
        host_worker_fail(w, &err);
        return;
    }
    w->pending_bytes += size;
    vec_push_ptr(&w->pending, message_copy(&message->base));
}

void host_worker_send(struct host_worker *w, Flinc__TaskManagerToWorker *message)
{
    message->version = HOST_PROTOCOL;
    if (w->state == HOST_READY || (w->state == HOST_STOPPING && w->channel != NULL)) {
        host_worker_send_now(w, message);
    } else if (w->state < HOST_READY) {
        host_worker_keep(w, message);
    }
}

void host_worker_flush(struct host_worker *w)
{
    for (size_t i = 0; i < w->pending.len; i++) {
        Flinc__TaskManagerToWorker *m = vec_ptr(&w->pending, i);
        if (w->state == HOST_READY) {
            host_worker_send_now(w, m);
        }
        rpc_message_free(&m->base);
    }
    vec_clear(&w->pending);
    w->pending_bytes = 0;
}

void host_worker_send_budget(struct host_worker *w)
{
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__WorkerBudget budget = FLINC__WORKER_BUDGET__INIT;
    budget.n_slots = w->budget.n_slots;
    budget.task_bytes = w->budget.task_bytes;
    budget.managed_bytes = w->budget.managed_bytes;
    budget.network_bytes = w->budget.network_bytes;
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_BUDGET;
    m.budget = &budget;
    host_worker_send_now(w, &m);
}

/* ---- from the worker ----------------------------------------------------------------------------- */

static void on_ready(struct host_worker *w, const Flinc__WorkerReady *ready)
{
    struct worker_host *h = w->host;
    if (w->state != HOST_STARTING) {
        return;
    }
    host_worker_transition(w, HOST_READY);
    LOG_INFO(topic, "the worker of job '%s' is ready after %llu us, pid %d", w->name,
             (unsigned long long)ready->start_us, (int)w->pid);
    host_worker_flush(w);
    if (w->state == HOST_READY) {
        host_worker_flush_waiting(w);
    }
    if (w->state == HOST_READY) {
        h->options.callbacks.on_ready(h->options.owner, &w->job_id, &w->incarnation);
    }
}

static void on_link_message(struct host_worker *w, const Flinc__LinkMessage *m)
{
    const struct worker_host_options *o = &w->host->options;
    if (w->link_open && m->link == w->link && !w->leaving) {
        o->callbacks.on_message(o->owner, &w->job_id, &w->incarnation, m->message.data,
                                m->message.len);
    }
}

/* The worker lost a message, or cannot send any more: the master would wait for ever. */
static void on_link_closed(struct host_worker *w, const Flinc__MasterLinkClosed *closed)
{
    struct error err = ERROR_INIT;
    if (!w->link_open || closed->link != w->link || w->state != HOST_READY) {
        return;
    }
    error_set(&err, ERR_UNAVAILABLE,
              "The worker process of job '%s' (pid %d) closed the link to its job master: %s",
              w->name, (int)w->pid, closed->reason);
    host_worker_fail(w, &err);
}

static void on_dying(struct host_worker *w, const Flinc__WorkerDying *dying)
{
    const Flinc__ErrorInfo *e = dying->error;
    if (e == NULL || w->dying.code != 0) {
        return;
    }
    error_set(&w->dying, e->code < 0 ? e->code : ERR_INTERNAL, "%s", e->message);
    LOG_WARN(topic, "the worker of job '%s' (pid %d) ends itself: %s", w->name, (int)w->pid,
             e->message);
}

void host_worker_on_message(void *target, ProtobufCMessage *take_message)
{
    struct host_worker *w = target;
    Flinc__WorkerToTaskManager *m = (Flinc__WorkerToTaskManager *)take_message;
    switch (m->body_case) {
    case FLINC__WORKER_TO_TASK_MANAGER__BODY_READY:
        on_ready(w, m->ready);
        break;
    case FLINC__WORKER_TO_TASK_MANAGER__BODY_MESSAGE:
        on_link_message(w, m->message);
        break;
    case FLINC__WORKER_TO_TASK_MANAGER__BODY_LINK_CLOSED:
        on_link_closed(w, m->link_closed);
        break;
    case FLINC__WORKER_TO_TASK_MANAGER__BODY_ANSWER:
        host_on_answer(w->host, m->answer, w);
        break;
    case FLINC__WORKER_TO_TASK_MANAGER__BODY_STATUS:
        w->n_tasks = m->status->n_tasks;
        break;
    case FLINC__WORKER_TO_TASK_MANAGER__BODY_DYING:
        on_dying(w, m->dying);
        break;
    default:
        LOG_WARN(topic, "the worker of job '%s' sent a message of unknown kind %d", w->name,
                 (int)m->body_case);
    }
    rpc_message_free(take_message);
}
