/* Slots as the job manager asks for them: allocated, accepted, given up; time-outs; what masters know.
 *
 * A request is repeated safely: the allocation names it.  An offer that was not answered is repeated, so
 * an answer may come twice, or late: it only moves slots that were part of that offer and are still
 * waiting.  A slot that was freed meanwhile is not freed again. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/base/failpoint.h"

static const uint32_t IN_USE = 1 << SLOT_ALLOCATED | 1 << SLOT_ACTIVE;

/* ---- free again --------------------------------------------------------------------------------- */

void tm_slots_set_free(struct taskmanager *tm, struct tm_slot *s, const struct error *why)
{
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    Flinc__SlotFreed freed = FLINC__SLOT_FREED__INIT;
    Flinc__ErrorInfo info;
    struct flinc_id allocation_id = s->allocation_id, job_id = s->job_id;
    tm_cancel_timer(tm, &s->timer);
    tm_slot_free(&tm->slots, s);
    tm_metrics_slots_changed(tm);
    error_info_fill(&info, why);
    freed.allocation_id = tm_id_bytes(&allocation_id);
    freed.slot = s->index;
    freed.job_id = tm_id_bytes(&job_id);
    freed.why = &info;
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_SLOT_FREED;
    m.slot_freed = &freed;
    tm_outbox_send(tm, &m);
}

void tm_slots_give_up(struct taskmanager *tm, struct tm_slot *s, const struct error *why)
{
    if ((IN_USE & 1u << s->state) == 0) {
        return;
    }
    struct tm_job *job = tm_jobs_find(tm, &s->job_id);
    ASSERT(job != NULL); /* a slot in use belongs to a job that is here */
    tm_cancel_timer(tm, &s->timer);
    (void)FAILPOINT(NULL, "taskmanager.slot.before_free");
    LOG_INFO(MANAGER_TOPIC, "Slot %u of job %s is given up: %s", s->index, job->hex, why->message);
    if (tm_slot_table_count(&tm->slots, &job->id, IN_USE) == 1) {
        tm_slot_release(&tm->slots, s);
        tm_job_stop(job, why);
        return;
    }
    tm_slots_set_free(tm, s, why);
    struct error err = ERROR_INIT;
    if (tm_job_update_worker(job, &err) < 0) {
        LOG_WARN(MANAGER_TOPIC, "The worker of job %s keeps its old memory budget: %s", job->hex,
                 err.message);
    }
}

void tm_slots_give_up_all(struct taskmanager *tm, const struct error *why)
{
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if ((IN_USE & 1u << s->state) != 0) {
            tm_cancel_timer(tm, &s->timer);
            tm_slot_release(&tm->slots, s);
        }
    }
    MAP_FOREACH (&tm->jobs, e) {
        tm_job_kill(e->value, why);
    }
    taskmanager_check_gone(tm);
}

/* ---- time-outs ---------------------------------------------------------------------------------- */

static void slot_arm_timeout(struct tm_slot *s);

/* Nobody has accepted the slot. */
static void on_slot_timeout(void *arg)
{
    struct tm_slot *s = arg;
    struct taskmanager *tm = s->owner;
    s->timer = 0;
    if ((s->timer_ticket != s->ticket || s->state != SLOT_ALLOCATED) &&
        !PLANTED("taskmanager.slot_timeout")) {
        return;
    }
    const struct tm_job *job = tm_jobs_find(tm, &s->job_id);
    int64_t age_ms = (tm_now_ns(tm) - s->allocated_ns) / 1000000;
    if (job->state != TM_JOB_READY && age_ms < TASKMANAGER_WORKER_START_MAX_MS) {
        slot_arm_timeout(s); /* there is nothing to accept yet */
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_TIMEOUT, "the slot was not accepted within %lld ms", (long long)age_ms);
    MANAGER_COUNT(tm, slots_timed_out);
    tm_slots_give_up(tm, s, &why);
}

static void slot_arm_timeout(struct tm_slot *s)
{
    struct taskmanager *tm = s->owner;
    tm_cancel_timer(tm, &s->timer);
    s->timer_ticket = s->ticket;
    s->timer = component_schedule(tm->component,
                                  conf_duration_ms(tm->options.conf, "taskmanager.slot.timeout"),
                                  on_slot_timeout, s);
}

void tm_slots_arm_timeouts(struct taskmanager *tm, const struct flinc_id *job_id)
{
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if (s->state == SLOT_ALLOCATED && id_eq(&s->job_id, job_id)) {
            slot_arm_timeout(s);
        }
    }
}

/* ---- requests ----------------------------------------------------------------------------------- */

static void slots_answer(struct taskmanager *tm, const Flinc__RequestSlot *r,
                         const struct flinc_id *occupied_by, const struct error *why)
{
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    Flinc__SlotRequestAnswer answer = FLINC__SLOT_REQUEST_ANSWER__INIT;
    Flinc__ErrorInfo info;
    answer.allocation_id = r->allocation_id;
    answer.slot = r->slot;
    answer.accepted = why == NULL;
    if (why != NULL) {
        error_info_fill(&info, why);
        answer.error = &info;
    }
    if (occupied_by != NULL) {
        answer.occupied_by = tm_id_bytes(occupied_by);
    }
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_SLOT_ANSWER;
    m.slot_answer = &answer;
    tm_outbox_send(tm, &m);
}

struct slot_request {
    struct flinc_id allocation_id, job_id, master_token;
    struct tm_slot *slot;
    struct resource_profile profile; /* of a dynamic slot */
    bool has_profile;
};

static const struct resource_profile *slot_request_profile(const struct slot_request *q)
{
    return q->has_profile ? &q->profile : NULL;
}

static bool slot_request_read(struct taskmanager *tm, const Flinc__RequestSlot *r,
                              struct slot_request *ret)
{
    if (!tm_read_id(&r->allocation_id, &ret->allocation_id) ||
        !tm_read_id(&r->job_id, &ret->job_id) ||
        !tm_read_id(&r->master_token, &ret->master_token)) {
        tm_messages_malformed(tm, "an id of a slot request has not 16 bytes");
        return false;
    }
    ret->has_profile = r->profile != NULL;
    if (r->slot >= SLOT_TABLE_ROWS_MAX || ret->has_profile != (r->slot >= tm->slots.n)) {
        tm_messages_malformed(tm, "a slot is requested that is not here");
        return false;
    }
    if (ret->has_profile && resource_profile_read(r->profile, &ret->profile, NULL) < 0) {
        tm_messages_malformed(tm, "a slot is requested whose profile makes no sense");
        return false;
    }
    ret->slot = ret->has_profile ? tm_slot_table_make_row(&tm->slots, r->slot)
                                 : tm_slot_table_row(&tm->slots, r->slot);
    return true;
}

/* The same request again: said again, and offered again. */
static void slots_answer_known(struct taskmanager *tm, const Flinc__RequestSlot *r,
                               const struct slot_request *q, struct tm_slot *known)
{
    if (known != q->slot || !id_eq(&known->job_id, &q->job_id)) {
        struct error why = ERROR_INIT;
        error_set(&why, ERR_ALREADY_EXISTS, "the allocation is for another slot or job");
        slots_answer(tm, r, &known->allocation_id, &why);
    } else if (known->state == SLOT_RELEASING) {
        struct error why = ERROR_INIT;
        error_set(&why, ERR_STATE, "the allocation was given up");
        slots_answer(tm, r, &known->allocation_id, &why);
    } else {
        slots_answer(tm, r, NULL, NULL);
        if (known->state == SLOT_ALLOCATED) {
            tm_job_offer(tm_jobs_find(tm, &q->job_id));
        }
    }
}

static void say_no_room(const struct taskmanager *tm, const struct resource_profile *wanted,
                        struct error *err)
{
    STR_AUTO text = STR_INIT;
    struct resource_profile left;
    resource_profile_append_text(wanted != NULL ? wanted : &tm->slots.slot_profile, &text);
    str_printf(&text, "; free are ");
    tm_slot_table_get_free(&tm->slots, &left);
    resource_profile_append_text(&left, &text);
    error_set(err, ERR_LIMIT, "%s has too little for a slot of %s", tm->identity.resource_id,
              str_cstr(&text));
}

/* Whether the slot can be promised; answers when not. */
static bool slots_can_allocate(struct taskmanager *tm, const Flinc__RequestSlot *r,
                               const struct slot_request *q)
{
    struct error why = ERROR_INIT;
    const struct tm_job *job = tm_jobs_find(tm, &q->job_id);
    if (q->slot->state != SLOT_FREE) {
        error_set(&why, ERR_ALREADY_EXISTS, "slot %u of %s is %s", q->slot->index,
                  tm->identity.resource_id, tm_slot_state_name(q->slot->state));
        slots_answer(tm, r, &q->slot->allocation_id, &why);
        return false;
    }
    if (job != NULL && !id_eq(&job->master_token, &q->master_token) &&
        tm_slot_table_count(&tm->slots, &job->id, IN_USE) > 0) {
        error_set(&why, ERR_FENCED, "slots of job %s on %s belong to another master of the job",
                  job->hex, tm->identity.resource_id);
        slots_answer(tm, r, NULL, &why);
        return false;
    }
    if (!tm_slot_table_has_room(&tm->slots, slot_request_profile(q))) {
        say_no_room(tm, slot_request_profile(q), &why);
        slots_answer(tm, r, NULL, &why);
        return false;
    }
    if (FAILPOINT(&why, "taskmanager.slot.before_allocate") < 0) {
        slots_answer(tm, r, NULL, &why);
        return false;
    }
    return true;
}

static void log_allocation(const struct slot_request *q, const struct tm_job *job,
                           const char *job_name)
{
    STR_AUTO profile = STR_INIT;
    if (q->has_profile) {
        str_printf(&profile, " with ");
        resource_profile_append_text(&q->profile, &profile);
    }
    LOG_INFO(MANAGER_TOPIC, "Slot %u is allocated for job %s (%s)%s", q->slot->index, job->hex,
             job_name, str_cstr(&profile));
}

void tm_slots_on_request(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message)
{
    const Flinc__RequestSlot *r = take_message->request_slot;
    struct slot_request q;
    struct tm_slot *known = NULL;
    bool readable = slot_request_read(tm, r, &q);
    if (readable && (known = tm_slot_table_find(&tm->slots, &q.allocation_id)) != NULL) {
        slots_answer_known(tm, r, &q, known);
    }
    if (!readable || known != NULL || !slots_can_allocate(tm, r, &q)) {
        rpc_message_free(&take_message->base);
        return;
    }
    struct error err = ERROR_INIT;
    struct tm_job *job = tm_jobs_find(tm, &q.job_id);
    job = job != NULL ? job : tm_jobs_add(tm, &q.job_id);
    tm_slot_allocate(&tm->slots, q.slot, &q.allocation_id, &q.job_id, slot_request_profile(&q),
                     tm_now_ns(tm));
    tm_metrics_slots_changed(tm);
    log_allocation(&q, job, r->job_name);
    job->master_token = q.master_token;
    tm_job_set_request(job, take_message);
    slot_arm_timeout(q.slot);
    if (tm_job_update_worker(job, &err) < 0) {
        slots_answer(tm, r, NULL, &err);
        tm_slots_give_up(tm, q.slot, &err);
        return;
    }
    if (FAILPOINT(NULL, "taskmanager.slot.after_allocate") == 0) { /* else the answer is lost */
        slots_answer(tm, r, NULL, NULL);
    }
    tm_job_offer(job);
}

void tm_slots_on_free(struct taskmanager *tm, const Flinc__FreeSlot *m)
{
    struct flinc_id id;
    struct error why = ERROR_INIT;
    if (!tm_read_id(&m->allocation_id, &id)) {
        tm_messages_malformed(tm, "an allocation id has not 16 bytes");
        return;
    }
    struct tm_slot *s = tm_slot_table_find(&tm->slots, &id);
    if (s == NULL) {
        return; /* freed before */
    }
    error_set(&why, ERR_CANCELLED, "freed by the job manager: %s", m->reason);
    tm_slots_give_up(tm, s, &why);
}

/* ---- offers ------------------------------------------------------------------------------------- */

static bool contains_id(const ProtobufCBinaryData *ids, size_t n, const struct flinc_id *id)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i].len == sizeof(id->bytes) && memcmp(ids[i].data, id->bytes, ids[i].len) == 0) {
            return true;
        }
    }
    return false;
}

void tm_slots_on_offer_answer(struct taskmanager *tm, const Flinc__OfferAnswer *m)
{
    struct flinc_id job_id;
    struct tm_job *job = NULL;
    if (!tm_read_id(&m->job_id, &job_id) || m->offer_id == 0 || m->offer_id > tm->offers) {
        tm_messages_malformed(tm, "it answers an offer that was not made");
        return;
    }
    if (FAILPOINT(NULL, "taskmanager.offer.before_answer") < 0) {
        MANAGER_COUNT(tm, messages_dropped);
        return;
    }
    if ((job = tm_jobs_find(tm, &job_id)) == NULL || job->state != TM_JOB_READY) {
        MANAGER_COUNT(tm, messages_unexpected); /* its worker is gone, or going */
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CANCELLED, "the job's master has no use for the slot");
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if (s->state != SLOT_ALLOCATED || !id_eq(&s->job_id, &job_id) || s->first_offer == 0 ||
            s->first_offer > m->offer_id) {
            continue;
        }
        if (contains_id(m->accepted, m->n_accepted, &s->allocation_id)) {
            if (!PLANTED("taskmanager.slot_timeout")) {
                tm_cancel_timer(tm, &s->timer);
            }
            tm_slot_activate(&tm->slots, s);
            (void)FAILPOINT(NULL, "taskmanager.slot.after_activate");
            tm_job_open_link(job);
        }
    }
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots) && job->state == TM_JOB_READY; i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if (s->state == SLOT_ALLOCATED && id_eq(&s->job_id, &job_id) && s->first_offer != 0 &&
            s->first_offer <= m->offer_id) {
            tm_slots_give_up(tm, s, &why);
        }
    }
}

/* ---- what masters know -------------------------------------------------------------------------- */

/* A slot is only judged by a request that followed the job manager's hearing that it is ACTIVE: one that
 * was made before the slot was accepted cannot name it. */
void tm_slots_reconcile(struct taskmanager *tm, const Flinc__HeartbeatFromMaster *m)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_FENCED, "no master knows the allocation");
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if (s->state == SLOT_ACTIVE && s->reported_as_active != 0 &&
            s->reported_as_active < m->number &&
            !contains_id(m->allocations, m->n_allocations, &s->allocation_id)) {
            MANAGER_COUNT(tm, slots_reconciled);
            tm_slots_give_up(tm, s, &why);
        }
    }
}
