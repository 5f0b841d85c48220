/* The workers of a fake task manager; see fake_tm.h. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_FAKE_TM_WORKERS_H
#define FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_FAKE_TM_WORKERS_H

#include "tests/unit/jobmanager_resourcemanager/fake_tm_slots.h"

static inline void fake_worker_say(struct fake_tm *t, struct fake_tm_worker *w,
                                   Flinc__WorkerToMaster *message)
{
    uint8_t bytes[65536];
    message->version = 1;
    message->fencing_token = fake_data(&w->token);
    size_t size = flinc__worker_to_master__get_packed_size(message);
    assert_true(size <= sizeof(bytes));
    flinc__worker_to_master__pack(message, bytes);
    Flinc__FromWorker from = FLINC__FROM_WORKER__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    from.job_id = fake_data(&w->job_id);
    from.incarnation = fake_data(&w->incarnation);
    from.message = (ProtobufCBinaryData){size, bytes};
    m.body_case = TM_BODY(FROM_WORKER);
    m.from_worker = &from;
    fake_tm_say(t, &m);
}

static inline void fake_worker_say_state(struct fake_tm *t, struct fake_tm_worker *w,
                                         const struct flinc_id *attempt,
                                         Flinc__ExecutionState state)
{
    Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    update.attempt_id = fake_data(attempt);
    update.state = state;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
    m.state = &update;
    fake_worker_say(t, w, &m);
}

static inline void fake_worker_deploy(struct fake_tm *t, struct fake_tm_worker *w,
                                      const Flinc__DeployTasks *d)
{
    t->n_deploys++;
    t->n_early_deploys += !fake_tm_has_active(t, &w->job_id);
    for (size_t i = 0; i < d->n_subtasks; i++) {
        struct fake_tm_task task = {.running = true};
        bool known = false;
        fake_copy(&task.attempt, &d->subtasks[i]->attempt_id);
        for (size_t j = 0; j < w->tasks.len; j++) {
            known =
                known || id_eq(&VEC_AT(&w->tasks, struct fake_tm_task, j)->attempt, &task.attempt);
        }
        if (!known) {
            *VEC_PUSH(&w->tasks, struct fake_tm_task) = task;
            fake_worker_say_state(t, w, &task.attempt, FLINC__EXECUTION_STATE__EXECUTION_RUNNING);
        }
    }
}

static inline void fake_worker_end_tasks(struct fake_tm *t, struct fake_tm_worker *w,
                                         Flinc__ExecutionState state)
{
    while (w->tasks.len > 0) {
        struct flinc_id id = VEC_AT(&w->tasks, struct fake_tm_task, 0)->attempt;
        vec_remove(&w->tasks, 0);
        fake_worker_say_state(t, w, &id, state);
    }
}

static inline void fake_worker_cancel(struct fake_tm *t, struct fake_tm_worker *w,
                                      const Flinc__CancelTasks *c)
{
    for (size_t i = t->flags & FAKE_TM_IGNORES_CANCELS ? 0 : w->tasks.len; i > 0; i--) {
        struct flinc_id id = VEC_AT(&w->tasks, struct fake_tm_task, i - 1)->attempt;
        if (fake_has(c->attempt_ids, c->n_attempt_ids, &id)) {
            vec_remove(&w->tasks, i - 1);
            fake_worker_say_state(t, w, &id, FLINC__EXECUTION_STATE__EXECUTION_CANCELED);
        }
    }
}

static inline void fake_worker_report(struct fake_tm *t, struct fake_tm_worker *w,
                                      const Flinc__ReportRequest *r)
{
    Flinc__TaskReport report = FLINC__TASK_REPORT__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__TaskReportEntry rows[256];
    Flinc__TaskReportEntry *pointers[256];
    assert_true(w->tasks.len <= 256);
    for (size_t i = 0; i < w->tasks.len; i++) {
        flinc__task_report_entry__init(&rows[i]);
        rows[i].attempt_id = fake_data(&VEC_AT(&w->tasks, struct fake_tm_task, i)->attempt);
        rows[i].state = FLINC__EXECUTION_STATE__EXECUTION_RUNNING;
        pointers[i] = &rows[i];
    }
    report.request_id = r->request_id;
    report.tasks = pointers;
    report.n_tasks = w->tasks.len;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_REPORT;
    m.report = &report;
    fake_worker_say(t, w, &m);
}

static inline void fake_tm_on_to_worker(struct fake_tm *t, const Flinc__ToWorker *to)
{
    struct flinc_id job_id;
    fake_copy(&job_id, &to->job_id);
    struct fake_tm_worker *w = fake_tm_worker(t, &job_id);
    if (w == NULL || !fake_is(&w->incarnation, &to->incarnation)) {
        return;
    }
    Flinc__MasterToWorker *m =
        flinc__master_to_worker__unpack(NULL, to->message.len, to->message.data);
    assert_non_null(m);
    fake_copy(&w->token, &m->fencing_token);
    switch (m->body_case) {
    case FLINC__MASTER_TO_WORKER__BODY_DEPLOY:
        fake_worker_deploy(t, w, m->deploy);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_CANCEL:
        fake_worker_cancel(t, w, m->cancel);
        break;
    case FLINC__MASTER_TO_WORKER__BODY_REPORT_REQUEST:
        fake_worker_report(t, w, m->report_request);
        break;
    default:
        break;
    }
    flinc__master_to_worker__free_unpacked(m, NULL);
}

/* The job's worker dies: its slots are freed with it. */
static inline void fake_tm_kill_worker(struct fake_tm *t, const struct flinc_id *job_id,
                                       const char *why)
{
    struct fake_tm_worker *w = fake_tm_worker(t, job_id);
    assert_non_null(w);
    Flinc__WorkerClosed closed = FLINC__WORKER_CLOSED__INIT;
    Flinc__ErrorInfo error = FLINC__ERROR_INFO__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    closed.job_id = fake_data(&w->job_id);
    closed.incarnation = fake_data(&w->incarnation);
    error.code = ERR_UNAVAILABLE;
    error.error_class = ERROR_CLASS_TRANSIENT;
    error.message = (char *)why;
    error.frames = error.origin = (char *)"";
    closed.error = &error;
    m.body_case = TM_BODY(WORKER_CLOSED);
    m.worker_closed = &closed;
    fake_tm_say(t, &m);
    fake_tm_end_worker(w);
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE &&
            id_eq(&t->slots[i].job_id, job_id)) {
            fake_tm_free_slot(t, i, why);
        }
    }
}

#endif
