/* State requests to workers, and what follows from their answers; see reconcile.h. */
#include "jobmanager/jobmaster/reconcile.h"

#include "jobmanager/jobmaster/jobmaster_internal.h"

static void on_timer(void *arg);

static void schedule_next(struct jobmaster *jm)
{
    jm->reconcile_timer = component_schedule(
        jm->component, conf_duration_ms(&jm->conf, "heartbeat.interval"), on_timer, jm);
}

void reconcile_start(struct jobmaster *jm)
{
    schedule_next(jm);
}

void reconcile_stop(struct jobmaster *jm)
{
    component_cancel(jm->component, jm->reconcile_timer);
    jm->reconcile_timer = TIMER_NONE;
}

static uint64_t events_sent(const struct execution *e)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->subtask->vertex->n_coordinators; i++) {
        n += e->events[i].sent;
    }
    return n;
}

static uint64_t events_received(const struct execution *e)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->subtask->vertex->n_coordinators; i++) {
        n += e->events[i].received;
    }
    return n;
}

/* A channel keeps the order, so both sides know of all events that went before the request or the answer;
 * what is missing was lost with a connection, and with it perhaps a part of the input. */
static bool has_lost_events(const struct jobmaster *jm, const struct execution *e,
                            const Flinc__TaskReport *report, const Flinc__TaskReportEntry *entry)
{
    if (!entry->has_event_counts || e->subtask->vertex->n_coordinators == 0 ||
        e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING ||
        report->request_id != jm->reconcile_round) {
        return false;
    }
    return entry->events_received < e->events_asked || entry->events_sent > events_received(e);
}

static int ask_worker(struct jobmaster *jm, struct worker_link *link, uint64_t request_id,
                      struct error *err)
{
    Flinc__ReportRequest request = FLINC__REPORT_REQUEST__INIT;
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    request.request_id = request_id;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_REPORT_REQUEST;
    message.report_request = &request;
    return workers_send(&jm->workers, link, &message, err);
}

static void ask_workers(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->graph.n_subtasks && jm->graph.n_coordinators > 0; i++) {
        struct execution *e = &jm->graph.subtasks[i].execution;
        e->events_asked = execution_is_on_worker(e) ? events_sent(e) : 0;
    }
    jm->reconcile_round++;
    MAP_FOREACH (&jm->workers.by_number, entry) {
        struct worker_link *link = entry->value;
        struct error err = ERROR_INIT;
        int rc = FAILPOINT(&err, "jobmaster.reconcile.before_send");
        if (rc == 0) {
            rc = ask_worker(jm, link, jm->reconcile_round, &err);
        }
        link->refresh_owed = false; /* the request or its answer may have been lost */
        if (rc < 0) {
            LOG_WARN(JOBMASTER_TOPIC, "Worker %u is asked for its tasks next time: %s",
                     link->number, err.message);
        }
    }
}

/* Timer: heartbeat.interval. */
static void on_timer(void *arg)
{
    ask_workers(arg);
    schedule_next(arg);
}

void reconcile_now(struct jobmaster *jm)
{
    if (jm->reconcile_timer != TIMER_NONE) { /* started, and not stopped */
        ask_workers(jm);
    }
}

void reconcile_refresh(struct jobmaster *jm)
{
    int64_t now_ns = clock_monotonic_ns(jm->clock);
    if (jm->reconcile_timer == TIMER_NONE ||
        (jm->refresh_ns != 0 &&
         now_ns - jm->refresh_ns < (int64_t)RECONCILE_REFRESH_MS * 1000000)) {
        return;
    }
    jm->refresh_ns = now_ns;
    MAP_FOREACH (&jm->workers.by_number, entry) {
        struct worker_link *link = entry->value;
        struct error ignored = ERROR_INIT; /* whoever reads again asks again */
        if (!link->refresh_owed) {
            link->refresh_owed = ask_worker(jm, link, 0, &ignored) == 0;
        }
    }
}

void reconcile_on_report(struct jobmaster *jm, struct worker_link *link,
                         const Flinc__TaskReport *report)
{
    struct map reported; /* attempt id -> its entry */
    struct vec missing = VEC_INIT(struct execution *);
    struct vec broken = VEC_INIT(struct execution *); /* events of theirs were lost */
    map_init(&reported, NULL);
    for (size_t i = 0; i < report->n_tasks; i++) {
        const ProtobufCBinaryData *id = &report->tasks[i]->attempt_id;
        (void)map_put_bytes(&reported, id->data, id->len, report->tasks[i]);
    }
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct execution *e = &jm->graph.subtasks[i].execution;
        if (!execution_is_on_worker(e) || e->slot.worker != link->number ||
            e->deploy_round >= report->request_id) {
            continue; /* not its, or deployed after the request was sent */
        }
        const Flinc__TaskReportEntry *entry =
            map_find_bytes(&reported, e->id.bytes, sizeof(e->id.bytes));
        if (entry == NULL) {
            vec_push_ptr(&missing, e);
        } else if (e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING &&
                   entry->state != FLINC__EXECUTION_STATE__EXECUTION_CANCELING) {
            workers_cancel(&jm->workers, link->number, &e->id);
        } else if (has_lost_events(jm, e, report, entry)) {
            vec_push_ptr(&broken, e);
        }
    }
    struct error err = ERROR_INIT;
    error_set(&err, ERR_UNAVAILABLE, "worker %u does not know the task any more", link->number);
    failover_tasks_failed(jm, missing.data, missing.len, &err, FAILURE_OF_WORKER);
    error_set(&err, ERR_UNAVAILABLE,
              "events between worker %u and the coordinator of the task were lost", link->number);
    failover_tasks_failed(jm, broken.data, broken.len, &err, FAILURE_HERE);
    vec_fini(&broken);
    map_fini(&reported);
    vec_fini(&missing);
}
