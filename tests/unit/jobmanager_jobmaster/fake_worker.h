/* A worker that speaks the control messages and does what the test says: its tasks are rows whose
 * states the test sets by task_say().  Stepped by mailbox_run() on the test's thread. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_FAKE_WORKER_H
#define FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_FAKE_WORKER_H

#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "common/rpc/transport.h"
#include "proto/control.pb-c.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define CREATED FLINC__EXECUTION_STATE__EXECUTION_CREATED
#define SCHEDULED FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED
#define DEPLOYING FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING
#define INITIALIZING FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING
#define RUNNING FLINC__EXECUTION_STATE__EXECUTION_RUNNING
#define FINISHED FLINC__EXECUTION_STATE__EXECUTION_FINISHED
#define CANCELING FLINC__EXECUTION_STATE__EXECUTION_CANCELING
#define CANCELED FLINC__EXECUTION_STATE__EXECUTION_CANCELED
#define FAILED FLINC__EXECUTION_STATE__EXECUTION_FAILED

enum fake_flags {
    FAKE_ACKNOWLEDGES = 1 << 0, /* deployed tasks say INITIALIZING and RUNNING at once */
    FAKE_CANCELS = 1 << 1,      /* cancelled tasks say CANCELED at once */
    FAKE_FINISHES = 1 << 2,     /* acknowledged tasks say FINISHED at once */
};

/* A task as the fake worker has it. */
struct fake_task {
    struct fake_worker *worker;
    struct flinc_id id;
    char vertex[64];
    uint32_t subtask, attempt_number;
    Flinc__ExecutionState state;
    uint32_t n_cancels;                        /* CancelTasks that named it */
    uint64_t events_sent;                      /* to coordinators */
    uint64_t n_events_received, n_events_said; /* as its worker counts */
    struct str events;                         /* from coordinators: "1:text;" */
    struct flinc_id operator_id;
    bool has_restore;
    uint64_t restored_id; /* of the checkpoint that it restores from */
    char restored[64];    /* the state that it got back; "" none */
    uint64_t n_triggers;  /* TriggerCheckpoint that named it */
};

/* A notice about a checkpoint as a worker got it. */
struct fake_notice {
    Flinc__CheckpointNotice notice;
    uint64_t checkpoint_id, latest_completed;
    size_t n_tasks;
};

struct fake_worker {
    uint32_t number;
    unsigned flags; /* enum fake_flags */
    struct mailbox *mailbox;
    struct rpc_channel *channel;
    struct rpc_channel *master; /* Borrows: the job master's end, while this one is open */
    struct flinc_id token;      /* as the job master's messages bring it */
    struct vec tasks; /* of struct fake_task *; in the order of deployment, ended ones too */
    uint32_t n_deploys, n_cancels, n_report_requests;
    Flinc__DeployTasks *last_deploy; /* Owns, in last_message */
    ProtobufCMessage *last_message;
    uint32_t n_unknown_cancels; /* CancelTasks of attempts that were never deployed here */
    bool closed;
    struct vec notices;    /* of struct fake_notice */
    uint64_t last_trigger; /* checkpoint id */
    Flinc__CheckpointKind last_kind;
    Flinc__CheckpointStop last_stop;
    char last_directory[512];
    bool last_inline_only;
};

static inline struct error test_error(int code, const char *text)
{
    struct error err = ERROR_INIT;
    error_set(&err, code, "%s", text);
    return err;
}

static inline void worker_say(struct fake_worker *fw, Flinc__WorkerToMaster *m)
{
    m->version = 1;
    if (m->fencing_token.len == 0) {
        m->fencing_token = (ProtobufCBinaryData){sizeof(fw->token.bytes), fw->token.bytes};
    }
    struct error err = ERROR_INIT;
    if (fw->channel != NULL) {
        (void)!rpc_channel_send(fw->channel, &m->base, &err);
    }
}

static inline void fill_error(Flinc__ErrorInfo *info, const struct error *err)
{
    flinc__error_info__init(info);
    info->code = err->code;
    info->error_class = err->cls;
    info->message = (char *)err->message;
    info->frames = (char *)err->frames;
}

static inline void task_say_error(struct fake_task *t, Flinc__ExecutionState state,
                                  const struct error *err)
{
    Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__ErrorInfo info;
    t->state = state;
    update.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    update.state = state;
    if (err != NULL) {
        fill_error(&info, err);
        update.error = &info;
    }
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
    m.state = &update;
    worker_say(t->worker, &m);
}

static inline void task_say(struct fake_task *t, Flinc__ExecutionState state)
{
    task_say_error(t, state, NULL);
}

static inline void task_send_event(struct fake_task *t, uint64_t sequence, const char *text)
{
    Flinc__OperatorEvent event = FLINC__OPERATOR_EVENT__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    event.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    event.operator_id = (ProtobufCBinaryData){sizeof(t->operator_id.bytes), t->operator_id.bytes};
    event.payload = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
    event.sequence = sequence;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_OPERATOR_EVENT;
    m.operator_event = &event;
    t->n_events_said++;
    worker_say(t->worker, &m);
}

static inline bool fake_task_is_live(const struct fake_task *t)
{
    return t->state != FINISHED && t->state != CANCELED && t->state != FAILED;
}

static inline struct fake_task *worker_find_task(struct fake_worker *fw,
                                                 const ProtobufCBinaryData *id)
{
    for (size_t i = 0; i < fw->tasks.len; i++) {
        struct fake_task *t = vec_ptr(&fw->tasks, i);
        if (id->len == 16 && memcmp(id->data, t->id.bytes, 16) == 0) {
            return t;
        }
    }
    return NULL;
}

static inline void fake_restore(struct fake_task *t, const Flinc__TaskRestore *r)
{
    t->has_restore = r != NULL;
    if (r == NULL) {
        return;
    }
    t->restored_id = r->checkpoint_id;
    for (size_t i = 0; i < r->n_operators; i++) {
        for (size_t j = 0; j < r->operators[i]->n_operator_state; j++) {
            const ProtobufCBinaryData *d = &r->operators[i]->operator_state[j]->blob->inline_data;
            snprintf(t->restored, sizeof(t->restored), "%.*s", (int)d->len, (const char *)d->data);
        }
    }
}

static inline void fake_deploy(struct fake_worker *fw, const Flinc__DeployTasks *d)
{
    fw->n_deploys++;
    for (size_t i = 0; i < d->n_subtasks; i++) {
        if (worker_find_task(fw, &d->subtasks[i]->attempt_id) != NULL) {
            continue; /* repeated */
        }
        struct fake_task *t = MEM_NEW(struct fake_task);
        t->worker = fw;
        memcpy(t->id.bytes, d->subtasks[i]->attempt_id.data, 16);
        memcpy(t->operator_id.bytes, d->vertex->operators[0]->id.data, 16);
        snprintf(t->vertex, sizeof(t->vertex), "%s", d->vertex->name);
        t->subtask = d->subtasks[i]->subtask;
        t->attempt_number = d->subtasks[i]->attempt_number;
        t->state = DEPLOYING;
        fake_restore(t, d->subtasks[i]->restore);
        vec_push_ptr(&fw->tasks, t);
        if (fw->flags & FAKE_ACKNOWLEDGES) {
            task_say(t, INITIALIZING);
            task_say(t, RUNNING);
        }
        if (fw->flags & FAKE_FINISHES) {
            task_say(t, FINISHED);
        }
    }
}

static inline void fake_cancel(struct fake_worker *fw, const Flinc__CancelTasks *c)
{
    fw->n_cancels++;
    for (size_t i = 0; i < c->n_attempt_ids; i++) {
        struct fake_task *t = worker_find_task(fw, &c->attempt_ids[i]);
        if (t == NULL) {
            fw->n_unknown_cancels++;
            continue;
        }
        t->n_cancels++;
        if (fake_task_is_live(t) && (fw->flags & FAKE_CANCELS)) {
            task_say(t, CANCELED);
        } else if (fake_task_is_live(t)) {
            t->state = CANCELING;
        }
    }
}

static inline void fake_report(struct fake_worker *fw, uint64_t request_id)
{
    Flinc__TaskReport report = FLINC__TASK_REPORT__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__TaskReportEntry *entries = MEM_NEW_ARRAY(Flinc__TaskReportEntry, fw->tasks.len + 1);
    report.tasks = MEM_NEW_ARRAY(Flinc__TaskReportEntry *, fw->tasks.len + 1);
    report.request_id = request_id;
    for (size_t i = 0; i < fw->tasks.len; i++) {
        struct fake_task *t = vec_ptr(&fw->tasks, i);
        if (fake_task_is_live(t)) {
            Flinc__TaskReportEntry *e = &entries[report.n_tasks];
            flinc__task_report_entry__init(e);
            e->attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
            e->state = t->state;
            e->has_event_counts = true;
            e->events_received = t->n_events_received;
            e->events_sent = t->n_events_said;
            report.tasks[report.n_tasks++] = e;
        }
    }
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_REPORT;
    m.report = &report;
    worker_say(fw, &m);
    mem_free(report.tasks);
    mem_free(entries);
}

static inline void fake_event(struct fake_worker *fw, const Flinc__OperatorEvent *e)
{
    struct fake_task *t = worker_find_task(fw, &e->attempt_id);
    assert_non_null(t); /* only to what was deployed before */
    t->n_events_received++;
    str_printf(&t->events, "%llu:%.*s;", (unsigned long long)e->sequence, (int)e->payload.len,
               (const char *)e->payload.data);
}

static inline void fake_trigger(struct fake_worker *fw, const Flinc__TriggerCheckpoint *m)
{
    const Flinc__CheckpointBarrier *b = m->barrier;
    fw->last_trigger = b->checkpoint_id;
    fw->last_kind = b->kind;
    fw->last_stop = b->stop;
    fw->last_inline_only = b->location->inline_only;
    snprintf(fw->last_directory, sizeof(fw->last_directory), "%s", b->location->directory);
    for (size_t i = 0; i < m->n_attempt_ids; i++) {
        struct fake_task *t = worker_find_task(fw, &m->attempt_ids[i]);
        assert_non_null(t);
        t->n_triggers++;
    }
}

/* Acknowledges with `blob`, one text, as the state of its operator (NULL: none). */
static inline void task_acknowledge_blob(struct fake_task *t, uint64_t checkpoint_id,
                                         Flinc__StateBlob *blob)
{
    Flinc__OperatorStatePart part = FLINC__OPERATOR_STATE_PART__INIT, *parts[] = {&part};
    Flinc__OperatorStateHandle handle = FLINC__OPERATOR_STATE_HANDLE__INIT, *handles[] = {&handle};
    Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT, *states[] = {&state};
    Flinc__TaskSnapshot snapshot = FLINC__TASK_SNAPSHOT__INIT;
    Flinc__CheckpointTaskStats stats = FLINC__CHECKPOINT_TASK_STATS__INIT;
    Flinc__CheckpointAck ack = FLINC__CHECKPOINT_ACK__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    uint64_t offset = 0, size = blob != NULL ? blob->size : 0;
    part.name = (char *)"text";
    part.schema = (char *)"STRING";
    part.n_offsets = part.n_sizes = 1;
    part.offsets = &offset;
    part.sizes = &size;
    handle.blob = blob;
    handle.n_parts = 1;
    handle.parts = parts;
    state.operator_id = (ProtobufCBinaryData){sizeof(t->operator_id.bytes), t->operator_id.bytes};
    state.n_operator_state = 1;
    state.operator_state = handles;
    snapshot.n_operators = blob != NULL ? 1 : 0;
    snapshot.operators = states;
    stats.state_bytes = size;
    stats.written_bytes = size;
    stats.sync_ms = 1;
    ack.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    ack.checkpoint_id = checkpoint_id;
    ack.snapshot = &snapshot;
    ack.stats = &stats;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_ACK;
    m.checkpoint_ack = &ack;
    worker_say(t->worker, &m);
}

/* Acknowledges with `text` as the state of its operator (NULL: none). */
static inline void task_acknowledge(struct fake_task *t, uint64_t checkpoint_id, const char *text)
{
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    if (text == NULL) {
        task_acknowledge_blob(t, checkpoint_id, NULL);
        return;
    }
    blob.size = strlen(text);
    blob.inline_data = (ProtobufCBinaryData){(size_t)blob.size, (uint8_t *)text};
    blob.crc32c = crc32c(0, text, (size_t)blob.size);
    task_acknowledge_blob(t, checkpoint_id, &blob);
}

static inline void task_decline(struct fake_task *t, uint64_t checkpoint_id,
                                const struct error *why)
{
    Flinc__CheckpointDecline decline = FLINC__CHECKPOINT_DECLINE__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__ErrorInfo info;
    fill_error(&info, why);
    decline.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    decline.checkpoint_id = checkpoint_id;
    decline.reason = &info;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_DECLINE;
    m.checkpoint_decline = &decline;
    worker_say(t->worker, &m);
}

static inline void task_end_of_data(struct fake_task *t)
{
    Flinc__EndOfDataReached end = FLINC__END_OF_DATA_REACHED__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    end.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_END_OF_DATA;
    m.end_of_data = &end;
    worker_say(t->worker, &m);
}

static inline void fake_notify(struct fake_worker *fw, const Flinc__NotifyCheckpoint *m)
{
    if (fw->notices.item_size == 0) {
        vec_init(&fw->notices, sizeof(struct fake_notice));
    }
    *VEC_PUSH(&fw->notices, struct fake_notice) =
        (struct fake_notice){m->notice, m->checkpoint_id, m->latest_completed, m->n_attempt_ids};
}

static inline void fake_on_message(void *target, ProtobufCMessage *message)
{
    struct fake_worker *fw = target;
    Flinc__MasterToWorker *m = (Flinc__MasterToWorker *)message;
    assert_int_equal(m->version, 1);
    assert_int_equal(m->fencing_token.len, 16);
    memcpy(fw->token.bytes, m->fencing_token.data, 16);
    switch (m->body_case) {
    case FLINC__MASTER_TO_WORKER__BODY_DEPLOY:
        fake_deploy(fw, m->deploy);
        rpc_message_free(fw->last_message);
        fw->last_message = message;
        fw->last_deploy = m->deploy;
        return;
    case FLINC__MASTER_TO_WORKER__BODY_CANCEL:
        fake_cancel(fw, m->cancel);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_OPERATOR_EVENT:
        fake_event(fw, m->operator_event);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_REPORT_REQUEST:
        fw->n_report_requests++;
        fake_report(fw, m->report_request->request_id);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT:
        fake_trigger(fw, m->trigger_checkpoint);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_NOTIFY_CHECKPOINT:
        fake_notify(fw, m->notify_checkpoint);
        break;
    default:
        fail_msg("an unexpected message");
    }
    rpc_message_free(message);
}

static inline void fake_on_closed(void *target, const struct error *why)
{
    ((struct fake_worker *)target)->closed = true;
}

/* The process of the worker dies: its tasks are gone. */
static inline void worker_die(struct fake_worker *fw)
{
    for (size_t i = 0; i < fw->tasks.len; i++) {
        ((struct fake_task *)vec_ptr(&fw->tasks, i))->state = FAILED;
    }
    fw->closed = true;
    fw->master = NULL;
    fw->channel = rpc_channel_free(fw->channel);
}

static inline void worker_clear(struct fake_worker *fw)
{
    for (size_t i = 0; i < fw->tasks.len; i++) {
        struct fake_task *t = vec_ptr(&fw->tasks, i);
        str_fini(&t->events);
        mem_free(t);
    }
    vec_fini(&fw->tasks);
    vec_fini(&fw->notices);
    rpc_channel_free(fw->channel);
    mailbox_unref(fw->mailbox);
    rpc_message_free(fw->last_message);
}

#endif
