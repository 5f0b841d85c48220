/* Messages of a worker to its job master.
 *
 * A master that does not keep up (ERR_LIMIT) makes them wait in the outbox, in order; when that is full,
 * or the connection is broken, the master counts as lost. */
#include "common/base/log.h"
#include "common/rpc/error_info.h"
#include "common/rpc/message.h"
#include "taskmanager/worker/worker_internal.h"
#include <stdio.h>

static const char topic[] = "flinc.taskmanager.worker";

/* ---- outbox ------------------------------------------------------------------------------------- */

static int worker_send_now(struct worker *w, const Flinc__WorkerToMaster *message)
{
    struct error err = ERROR_INIT;
    int rc = rpc_channel_send(w->master, &message->base, &err);
    if (rc < 0 && rc != ERR_LIMIT && rc != ERR_CLOSED) {
        LOG_ERROR(topic,
                  "a message to the job master could not be sent, its tasks are cancelled: %s",
                  err.message);
        rpc_channel_close(w->master);
        worker_cancel_all(w);
    }
    return rc;
}

static void worker_flush_outbox(void *arg)
{
    struct worker *w = arg;
    size_t sent = 0;
    w->outbox_timer = TIMER_NONE;
    while (sent < w->outbox.len && w->master != NULL) {
        Flinc__WorkerToMaster *message = vec_ptr(&w->outbox, sent);
        if (worker_send_now(w, message) == ERR_LIMIT) {
            break;
        }
        rpc_message_free(&message->base);
        sent++;
    }
    if (sent > 0) {
        size_t left = w->outbox.len - sent;
        memmove(w->outbox.data, (char *)w->outbox.data + sent * w->outbox.item_size,
                left * w->outbox.item_size);
        w->outbox.len = left;
    }
    if (w->outbox.len > 0) {
        w->outbox_timer =
            component_schedule(w->component, WORKER_OUTBOX_RETRY_MS, worker_flush_outbox, w);
    }
}

/* A copy of its own: the message borrows from its caller. */
static void worker_keep(struct worker *w, const Flinc__WorkerToMaster *message)
{
    if (w->outbox.len >= WORKER_OUTBOX_MAX) {
        LOG_ERROR(topic, "%d messages wait for the job master: it counts as lost",
                  WORKER_OUTBOX_MAX);
        rpc_channel_close(w->master);
        worker_cancel_all(w);
        return;
    }
    vec_push_ptr(&w->outbox, message_copy(&message->base));
    if (w->outbox_timer == TIMER_NONE) {
        w->outbox_timer =
            component_schedule(w->component, WORKER_OUTBOX_RETRY_MS, worker_flush_outbox, w);
    }
}

void worker_outbox_clear(struct worker *w)
{
    for (size_t i = 0; i < w->outbox.len; i++) {
        Flinc__WorkerToMaster *message = vec_ptr(&w->outbox, i);
        rpc_message_free(&message->base);
    }
    vec_clear(&w->outbox);
}

void worker_send(struct worker *w, Flinc__WorkerToMaster *message)
{
    component_assert_on_thread(w->component);
    if (w->master == NULL) {
        return; /* who hears of the tasks when there is a master again learns it by reports */
    }
    message->version = 1;
    message->fencing_token = (ProtobufCBinaryData){w->token_len, w->token};
    if (w->outbox.len > 0 || worker_send_now(w, message) == ERR_LIMIT) {
        worker_keep(w, message);
    }
}

/* ---- messages ----------------------------------------------------------------------------------- */

static ProtobufCBinaryData attempt_bytes(const struct task *t)
{
    return t->spec->attempt_id;
}

void worker_send_state(struct worker *w, struct task *task, task_state state)
{
    Flinc__WorkerToMaster message = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
    Flinc__TaskIoMetrics metrics;
    Flinc__ErrorInfo info;
    char origin[ERROR_INFO_ORIGIN_MAX];
    if (task->master_epoch != w->master_epoch) {
        return; /* its master is gone */
    }
    task_get_io_metrics(task, &metrics);
    update.attempt_id = attempt_bytes(task);
    update.state = state;
    update.metrics = &metrics;
    update.accumulators = accumulators_snapshot(&task->accumulators, &update.n_accumulators);
    if (state == FLINC__EXECUTION_STATE__EXECUTION_FAILED) {
        error_info_fill(&info, &task->error);
        error_info_set_origin(&info, &task->error, origin);
        update.error = &info;
    }
    message.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
    message.state = &update;
    worker_send(w, &message);
    mem_free(update.accumulators);
}

void worker_send_refused(struct worker *w, const ProtobufCBinaryData *attempts, size_t n_attempts,
                         const struct error *why)
{
    Flinc__WorkerToMaster message = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__DeployRefused refused = FLINC__DEPLOY_REFUSED__INIT;
    Flinc__ErrorInfo info;
    char origin[ERROR_INFO_ORIGIN_MAX];
    error_info_fill(&info, why);
    error_info_set_origin(&info, why, origin);
    refused.n_attempt_ids = n_attempts;
    refused.attempt_ids = (ProtobufCBinaryData *)attempts;
    refused.error = &info;
    message.body_case = FLINC__WORKER_TO_MASTER__BODY_REFUSED;
    message.refused = &refused;
    worker_send(w, &message);
}

void worker_send_decline(struct worker *w, const ProtobufCBinaryData *attempt,
                         uint64_t checkpoint_id, const struct error *why)
{
    Flinc__WorkerToMaster message = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__CheckpointDecline decline = FLINC__CHECKPOINT_DECLINE__INIT;
    Flinc__ErrorInfo info;
    error_info_fill(&info, why);
    decline.attempt_id = *attempt;
    decline.checkpoint_id = checkpoint_id;
    decline.reason = &info;
    message.body_case = FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_DECLINE;
    message.checkpoint_decline = &decline;
    worker_send(w, &message);
}

/* One task's part of a report. */
struct report_row {
    Flinc__TaskReportEntry entry;
    Flinc__TaskIoMetrics metrics;
};

void worker_send_report(struct worker *w, uint64_t request_id)
{
    Flinc__WorkerToMaster message = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__TaskReport report = FLINC__TASK_REPORT__INIT;
    size_t n = w->tasks.len;
    struct report_row *rows = MEM_NEW_ARRAY(struct report_row, n + 1);
    report.tasks = MEM_NEW_ARRAY(Flinc__TaskReportEntry *, n + 1);
    report.request_id = request_id;
    w->last_report_ns = clock_monotonic_ns(w->options.clock);
    MAP_FOREACH (&w->tasks, e) {
        const struct task *t = e->value;
        if (t->master_epoch != w->master_epoch) {
            continue;
        }
        struct report_row *row = &rows[report.n_tasks];
        flinc__task_report_entry__init(&row->entry);
        task_get_io_metrics(t, &row->metrics);
        row->entry.attempt_id = attempt_bytes(t);
        row->entry.state = task_get_state(t);
        row->entry.metrics = &row->metrics;
        row->entry.has_event_counts = true;
        row->entry.events_received = t->n_events_received;
        row->entry.events_sent = t->n_events_sent;
        row->entry.watermark_ms = atomic_load(&t->watermark_ms);
        row->entry.has_watermark = row->entry.watermark_ms != INT64_MIN;
        row->entry.accumulators =
            accumulators_snapshot(&t->accumulators, &row->entry.n_accumulators);
        report.tasks[report.n_tasks++] = &row->entry;
    }
    message.body_case = FLINC__WORKER_TO_MASTER__BODY_REPORT;
    message.report = &report;
    worker_send(w, &message);
    for (size_t i = 0; i < report.n_tasks; i++) {
        mem_free(rows[i].entry.accumulators);
    }
    mem_free(report.tasks);
    mem_free(rows);
}
