/* The jobs that have slots here, and their workers.
 *
 *   STARTING ──on_ready──► READY ──last slot given up──► STOPPING ──on_gone──► gone, or STARTING again
 *      └──────────────────────────────────────────────────▲   any ──on_gone──► gone
 *
 * A slot that is requested while the job's former worker still ends waits for it: the next worker starts
 * when that one is gone. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/base/failpoint.h"

static const uint32_t IN_USE = 1 << SLOT_ALLOCATED | 1 << SLOT_ACTIVE;

static const uint8_t job_moves[] = {
    [TM_JOB_STARTING] = 1 << TM_JOB_READY | 1 << TM_JOB_STOPPING,
    [TM_JOB_READY] = 1 << TM_JOB_STOPPING,
    [TM_JOB_STOPPING] = 1 << TM_JOB_STARTING,
};
_Static_assert(ARRAY_LEN(job_moves) == TM_JOB_STATES, "one row per state");

static void tm_job_transition(struct tm_job *job, enum tm_job_state to)
{
    ASSERT((job_moves[job->state] & 1 << to) != 0);
    job->state = to;
}

struct tm_job *tm_jobs_find(const struct taskmanager *tm, const struct flinc_id *id)
{
    return map_find_bytes(&tm->jobs, id->bytes, sizeof(id->bytes));
}

struct tm_job *tm_jobs_add(struct taskmanager *tm, const struct flinc_id *id)
{
    struct tm_job *job = MEM_NEW(struct tm_job);
    job->tm = tm;
    job->id = *id;
    id_format(id, job->hex);
    map_put_bytes(&tm->jobs, id->bytes, sizeof(id->bytes), job);
    return job;
}

void tm_jobs_remove(struct tm_job *job)
{
    struct taskmanager *tm = job->tm;
    struct flinc_id id = job->id;
    tm_cancel_timer(tm, &job->offer_timer);
    map_remove_bytes(&tm->jobs, id.bytes, sizeof(id.bytes));
    if (job->request != NULL) {
        rpc_message_free(&job->request->base);
    }
    mem_free(job);
}

void tm_job_set_request(struct tm_job *job, Flinc__MasterToTaskManager *take_message)
{
    if (job->request != NULL) {
        rpc_message_free(&job->request->base);
    }
    job->request = take_message;
}

/* ---- workers ------------------------------------------------------------------------------------ */

/* What the job's slots here are worth together. */
static void make_budget(const struct tm_job *job, struct worker_budget *ret)
{
    const struct taskmanager *tm = job->tm;
    struct resource_profile sum;
    tm_slot_table_sum(&tm->slots, &job->id, IN_USE, &sum);
    memset(ret, 0, sizeof(*ret)); /* it is compared as bytes */
    ret->n_slots = tm_slot_table_count(&tm->slots, &job->id, IN_USE);
    ret->task_bytes = sum.task_heap_bytes + sum.task_off_heap_bytes;
    ret->managed_bytes = sum.managed_bytes;
    ret->network_bytes = sum.network_bytes;
    if (tm->slots.n_dynamic > 0) { /* tasks of small slots exchange records, too */
        ret->network_bytes = MAX(ret->network_bytes, (uint64_t)TASKMANAGER_WORKER_NETWORK_MIN);
    }
}

int tm_job_update_worker(struct tm_job *job, struct error *err)
{
    struct taskmanager *tm = job->tm;
    const Flinc__RequestSlot *r = job->request->request_slot;
    struct worker_budget budget;
    if (job->state == TM_JOB_STOPPING) {
        return 0;
    }
    make_budget(job, &budget);
    if (job->worker_known && memcmp(&budget, &job->budget, sizeof(budget)) == 0) {
        return 0;
    }
    struct worker_job spec = {
        .job_id = job->id,
        .master_token = job->master_token,
        .name = r->job_name,
        .blobs = r->blobs,
        .n_blobs = r->n_blobs,
        .config = r->config,
        .n_config = r->n_config,
        .budget = budget,
    };
    TRY(FAILPOINT(err, "taskmanager.worker.before_start"));
    TRY(tm->ops->start_job(tm->host, &spec, err));
    job->worker_known = true;
    job->budget = budget;
    return 0;
}

/* RELEASING slots of the job are free, and others too when the worker took them with it. */
static void tm_job_free_slots(struct tm_job *job, uint32_t states, const struct error *why)
{
    struct taskmanager *tm = job->tm;
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if ((states & 1u << s->state) != 0 && id_eq(&s->job_id, &job->id)) {
            tm_slots_set_free(tm, s, why);
        }
    }
}

static void tm_job_begin_stop(struct tm_job *job, const struct error *why)
{
    if (job->state != TM_JOB_STOPPING) {
        tm_job_transition(job, TM_JOB_STOPPING);
        error_copy(&job->why_stopping, why);
    }
    tm_cancel_timer(job->tm, &job->offer_timer);
    job->link_open = false;
}

/* Nothing is left to wait for when the worker host never had it. */
static bool tm_job_end_without_worker(struct tm_job *job, const struct error *why)
{
    if (job->worker_known) {
        return false;
    }
    tm_job_free_slots(job, IN_USE | 1 << SLOT_RELEASING, why);
    tm_local_state_on_left(job->tm, &job->id);
    tm_jobs_remove(job);
    return true;
}

void tm_job_stop(struct tm_job *job, const struct error *why)
{
    tm_job_begin_stop(job, why);
    if (!tm_job_end_without_worker(job, why)) {
        job->tm->ops->stop_job(job->tm->host, &job->id, why->message);
    }
}

void tm_job_kill(struct tm_job *job, const struct error *why)
{
    struct taskmanager *tm = job->tm;
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if ((IN_USE & 1u << s->state) != 0 && id_eq(&s->job_id, &job->id)) {
            tm_cancel_timer(tm, &s->timer);
            tm_slot_release(&tm->slots, s);
        }
    }
    tm_job_begin_stop(job, why);
    if (!tm_job_end_without_worker(job, why)) {
        tm->ops->kill_job(tm->host, &job->id, why->message);
    }
}

/* ---- what worker_host tells --------------------------------------------------------------------- */

static void on_ready(void *owner, const struct flinc_id *job_id, const struct flinc_id *incarnation)
{
    struct taskmanager *tm = owner;
    struct tm_job *job = tm_jobs_find(tm, job_id);
    if (job == NULL) {
        return;
    }
    job->incarnation = *incarnation;
    if (job->state == TM_JOB_STARTING) {
        tm_job_transition(job, TM_JOB_READY);
        tm_slots_arm_timeouts(tm, job_id);
        tm_job_offer(job);
    }
}

static void on_message(void *owner, const struct flinc_id *job_id,
                       const struct flinc_id *incarnation, const uint8_t *bytes, size_t size)
{
    struct taskmanager *tm = owner;
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    Flinc__FromWorker from = FLINC__FROM_WORKER__INIT;
    from.job_id = tm_id_bytes(job_id);
    from.incarnation = tm_id_bytes(incarnation);
    from.message = (ProtobufCBinaryData){size, (uint8_t *)bytes};
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_FROM_WORKER;
    m.from_worker = &from;
    tm_outbox_send_held(tm, job_id, &m);
}

static void tm_job_tell_closed(struct tm_job *job, const struct flinc_id *incarnation,
                               const struct error *why)
{
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    Flinc__WorkerClosed closed = FLINC__WORKER_CLOSED__INIT;
    Flinc__ErrorInfo info;
    error_info_fill(&info, why);
    closed.job_id = tm_id_bytes(&job->id);
    closed.incarnation = tm_id_bytes(incarnation);
    closed.error = &info;
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_WORKER_CLOSED;
    m.worker_closed = &closed;
    tm_outbox_send_held(job->tm, &job->id, &m);
}

/* Slots were promised while the former worker ended: now there is room for their worker. */
static void tm_job_start_again(struct tm_job *job)
{
    struct error err = ERROR_INIT;
    tm_job_transition(job, TM_JOB_STARTING);
    if (tm_job_update_worker(job, &err) < 0) {
        tm_job_begin_stop(job, &err);
        tm_job_end_without_worker(job, &err);
    }
}

static void on_gone(void *owner, const struct flinc_id *job_id, const struct flinc_id *incarnation,
                    const struct error *why)
{
    struct taskmanager *tm = owner;
    struct tm_job *job = tm_jobs_find(tm, job_id);
    if (job == NULL || !job->worker_known) {
        return;
    }
    struct error end = ERROR_INIT;
    bool was_stopping = job->state == TM_JOB_STOPPING;
    error_copy(&end, why);
    if (was_stopping && end.code == 0) {
        error_copy(&end, &job->why_stopping);
    }
    if (end.code == 0) {
        error_set(&end, ERR_UNAVAILABLE, "the worker has ended");
    }
    MANAGER_COUNT(tm, workers_gone);
    PLANTED_LEAK("taskmanager.leaks");
    if (!was_stopping) {
        LOG_WARN(MANAGER_TOPIC, "The worker of job %s is gone: %s. Its slots are freed.", job->hex,
                 end.message);
        tm_job_begin_stop(job, &end);
    }
    job->worker_known = false;
    memset(&job->budget, 0, sizeof(job->budget));
    tm_job_tell_closed(job, incarnation, &end);
    if (was_stopping) {
        tm_job_free_slots(job, 1 << SLOT_RELEASING, &job->why_stopping);
    } else {
        tm_job_free_slots(job, IN_USE | 1 << SLOT_RELEASING, &end);
    }
    if (tm_slot_table_count(&tm->slots, &job->id, IN_USE) > 0) {
        tm_job_start_again(job);
    } else {
        tm_local_state_on_left(tm, job_id);
        tm_jobs_remove(job);
    }
    taskmanager_check_gone(tm);
}

struct worker_host_callbacks taskmanager_worker_callbacks(void)
{
    return (struct worker_host_callbacks){
        .on_ready = on_ready, .on_message = on_message, .on_gone = on_gone};
}

/* ---- offers ------------------------------------------------------------------------------------- */

static void on_offer_due(void *arg)
{
    struct tm_job *job = arg;
    job->offer_timer = 0;
    tm_job_offer(job);
}

static uint32_t tm_job_fill_offer(struct tm_job *job, uint64_t offer_id, Flinc__SlotOffer *rows,
                                  Flinc__SlotOffer **links)
{
    struct taskmanager *tm = job->tm;
    uint32_t n = 0;
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if (s->state != SLOT_ALLOCATED || !id_eq(&s->job_id, &job->id)) {
            continue;
        }
        s->first_offer = s->first_offer != 0 ? s->first_offer : offer_id;
        flinc__slot_offer__init(&rows[n]);
        rows[n].allocation_id = tm_id_bytes(&s->allocation_id);
        rows[n].slot = s->index;
        links[n] = &rows[n];
        n++;
        if (PLANTED("taskmanager.offered_is_active")) {
            tm_slot_activate(&tm->slots, s);
        }
    }
    return n;
}

void tm_job_offer(struct tm_job *job)
{
    struct taskmanager *tm = job->tm;
    uint32_t n = tm_slot_table_count(&tm->slots, &job->id, 1 << SLOT_ALLOCATED);
    if (job->state != TM_JOB_READY || n == 0 || tm_state(tm) != TASKMANAGER_REGISTERED) {
        return; /* registering offers everything again */
    }
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    Flinc__OfferSlots offer = FLINC__OFFER_SLOTS__INIT;
    Flinc__SlotOffer *rows = MEM_NEW_ARRAY(Flinc__SlotOffer, n);
    offer.slots = MEM_NEW_ARRAY(Flinc__SlotOffer *, n);
    offer.job_id = tm_id_bytes(&job->id);
    offer.master_token = tm_id_bytes(&job->master_token);
    offer.offer_id = ++tm->offers;
    offer.worker_incarnation = tm_id_bytes(&job->incarnation);
    offer.n_slots = tm_job_fill_offer(job, offer.offer_id, rows, offer.slots);
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_OFFER;
    m.offer = &offer;
    tm_cancel_timer(tm, &job->offer_timer);
    job->offer_timer = component_schedule(
        tm->component, MAX(conf_duration_ms(tm->options.conf, "taskmanager.slot.timeout") / 4, 1),
        on_offer_due, job);
    if (FAILPOINT(NULL, "taskmanager.offer.before_send") ==
        0) { /* else it is lost: the timer offers again */
        tm_outbox_send(tm, &m);
    }
    mem_free(offer.slots);
    mem_free(rows);
}

void tm_jobs_offer_all(struct taskmanager *tm)
{
    MAP_FOREACH (&tm->jobs, e) {
        tm_job_offer(e->value);
    }
}

/* ---- links between masters and workers ---------------------------------------------------------- */

void tm_job_open_link(struct tm_job *job)
{
    if (!job->link_open) {
        job->link_open = true;
        job->tm->ops->open_link(job->tm->host, &job->id, &job->master_token);
    }
}

void tm_jobs_on_to_worker(struct taskmanager *tm, const Flinc__ToWorker *m)
{
    struct flinc_id job_id, incarnation;
    if (!tm_read_id(&m->job_id, &job_id) || !tm_read_id(&m->incarnation, &incarnation)) {
        tm_messages_malformed(tm, "an id of a message for a worker has not 16 bytes");
        return;
    }
    struct tm_job *job = tm_jobs_find(tm, &job_id);
    if (job == NULL || !job->link_open || !id_eq(&job->incarnation, &incarnation)) {
        MANAGER_COUNT(tm, messages_dropped); /* its worker is gone: WorkerClosed says so */
        return;
    }
    tm->ops->send(tm->host, &job_id, &incarnation, m->message.data, m->message.len);
}

void tm_jobs_on_close_link(struct taskmanager *tm, const Flinc__CloseWorkerLink *m)
{
    struct flinc_id job_id, incarnation;
    if (!tm_read_id(&m->job_id, &job_id) || !tm_read_id(&m->incarnation, &incarnation)) {
        tm_messages_malformed(tm, "an id of a worker's link has not 16 bytes");
        return;
    }
    struct tm_job *job = tm_jobs_find(tm, &job_id);
    if (job == NULL || !job->link_open || !id_eq(&job->incarnation, &incarnation)) {
        return;
    }
    job->link_open = false;
    tm->ops->close_link(tm->host, &job_id, m->reason);
}
