/* The slot table: one row per slot of every task manager, with the allocation that has it; rows of dynamic slots
 * come as they are needed and stay for the next ones.
 *
 * Requests are repeated until they are answered, and given up after RM_REQUEST_TRIES_MAX; frees are
 * repeated with the heartbeats.  An allocation id is used once, so that nothing that comes late meets
 * another use of the slot.
 * Thread: the resource manager's.  Flink: FineGrainedTaskManagerTracker, DefaultSlotStatusSyncer. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

/* ---- states ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t moves; /* bit `to` */
} state_rows[] = {
    [RM_SLOT_FREE] = {"FREE", 1 << RM_SLOT_REQUESTED | 1 << RM_SLOT_FREEING},
    [RM_SLOT_REQUESTED] = {"REQUESTED",
                           1 << RM_SLOT_ACTIVE | 1 << RM_SLOT_FREE | 1 << RM_SLOT_FREEING},
    [RM_SLOT_ACTIVE] = {"ACTIVE", 1 << RM_SLOT_FREEING | 1 << RM_SLOT_FREE},
    [RM_SLOT_FREEING] = {"FREEING", 1 << RM_SLOT_FREE},
};
_Static_assert(ARRAY_LEN(state_rows) == RM_SLOT_STATES, "one row per state");

const char *rm_slot_state_name(enum rm_slot_state state)
{
    return (unsigned)state < RM_SLOT_STATES ? state_rows[state].name : "UNKNOWN";
}

/* What a dynamic slot is worth is taken as long as it is not FREE. */
static void account_dynamic(struct rm_slot *s, enum rm_slot_state to)
{
    struct rm_tm *tm = s->tm;
    if (s->state == RM_SLOT_FREE) {
        tm->n_dynamic++;
        if (s->profile != NULL) {
            resource_profile_add(&tm->taken, s->profile);
        }
    } else if (to == RM_SLOT_FREE) {
        tm->n_dynamic--;
        if (s->profile != NULL && !PLANTED("resourcemanager.keeps_what_was_taken")) {
            resource_profile_subtract(&tm->taken, s->profile);
        }
        mem_free(s->profile);
        s->profile = NULL;
    }
}

static void rm_slot_transition(struct rm_slot *s, enum rm_slot_state to)
{
    ASSERT(state_rows[s->state].moves & 1 << to);
    if (s->index < s->tm->n_slots) {
        s->tm->n_free += to == RM_SLOT_FREE;
        s->tm->n_free -= s->state == RM_SLOT_FREE;
    } else {
        account_dynamic(s, to);
    }
    s->state = to;
    s->since_heartbeat = s->tm->heartbeat_number;
    rm_overview_changed(s->tm->rm);
}

void rm_slot_init(struct rm_slot *s, struct rm_tm *tm, uint32_t index)
{
    *s = (struct rm_slot){.tm = tm, .index = index};
}

struct rm_slot *rm_slot_find(struct resourcemanager *rm, const ProtobufCBinaryData *allocation)
{
    return map_find_bytes(&rm->allocations, allocation->data, allocation->len);
}

/* The slot is not its job's any more. */
static void leave_job(struct rm_slot *s)
{
    component_cancel(s->tm->rm->component, s->timer);
    s->timer = TIMER_NONE;
    s->accepted = false;
    if (s->job != NULL) {
        s->job->needs[s->kind].n_slots--;
        rm_job_unref(s->job);
        s->job = NULL;
    }
}

static void leave_relay(struct rm_slot *s)
{
    struct rm_relay *r = s->relay;
    s->relay = NULL;
    if (r != NULL) {
        rm_relay_slot_gone(r);
    }
}

static void forget_allocation(struct rm_slot *s)
{
    map_remove_bytes(&s->tm->rm->allocations, s->allocation.bytes, sizeof(s->allocation.bytes));
    s->allocation = (struct flinc_id){0};
}

static void know_allocation(struct rm_slot *s, const struct flinc_id *allocation)
{
    s->allocation = *allocation;
    (void)map_put_bytes(&s->tm->rm->allocations, allocation->bytes, sizeof(allocation->bytes), s);
}

void rm_slot_freed(struct rm_slot *s)
{
    forget_allocation(s);
    leave_job(s);
    rm_slot_transition(s, RM_SLOT_FREE);
    leave_relay(s);
}

void rm_slot_expect_free(struct rm_slot *s)
{
    leave_job(s);
    rm_slot_transition(s, RM_SLOT_FREEING);
    leave_relay(s);
}

void rm_slot_give_up(struct rm_slot *s, const char *reason)
{
    leave_job(s);
    rm_slot_transition(s, RM_SLOT_FREEING);
    rm_slot_send_free(s, reason);
    leave_relay(s);
}

void rm_slot_foreign(struct rm_slot *s, const struct flinc_id *allocation,
                     const struct resource_profile *profile)
{
    if (PLANTED("resourcemanager.foreign_slots_stay")) {
        return;
    }
    if (profile != NULL && s->index >= s->tm->n_slots) {
        rm_slot_set_profile(s, profile);
    }
    know_allocation(s, allocation);
    rm_slot_transition(s, RM_SLOT_FREEING);
    rm_slot_send_free(s, "the job manager does not know the allocation");
}

void rm_slot_activate(struct rm_slot *s, struct rm_relay *relay)
{
    component_cancel(s->tm->rm->component, s->timer);
    s->timer = TIMER_NONE;
    s->relay = relay;
    relay->n_slots++;
    s->tm->n_troubles = 0;
    rm_slot_transition(s, RM_SLOT_ACTIVE);
}

/* ---- messages --------------------------------------------------------------------------------------- */

/* What is not sent is said again later. */
static void send_or_later(struct rm_tm *tm, Flinc__MasterToTaskManager *m, const char *what)
{
    struct error err = ERROR_INIT;
    if (rm_tm_send(tm, m, &err) < 0) {
        LOG_WARN(RM_TOPIC, "%s task manager %s is tried again later: %s", what, tm->id,
                 err.message);
    }
}

void rm_slot_send_free(struct rm_slot *s, const char *reason)
{
    Flinc__FreeSlot free_slot = FLINC__FREE_SLOT__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    free_slot.allocation_id = rm_id_data(&s->allocation);
    free_slot.reason = (char *)reason;
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_FREE_SLOT;
    m.free_slot = &free_slot;
    send_or_later(s->tm, &m, "Freeing a slot of");
}

static void send_request(struct rm_slot *s)
{
    const struct resourcemanager_job *spec = &s->job->spec;
    struct resource_profile_message profile;
    Flinc__RequestSlot request = FLINC__REQUEST_SLOT__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    if (s->job->removed) {
        return;
    }
    request.allocation_id = rm_id_data(&s->allocation);
    request.slot = s->index;
    request.job_id = rm_id_data(&spec->job_id);
    request.job_name = (char *)spec->name;
    request.master_token = rm_id_data(&spec->master_token);
    request.n_blobs = spec->n_blobs;
    request.blobs = (Flinc__BlobRef **)spec->blobs;
    request.n_config = spec->n_config;
    request.config = (Flinc__KeyValue **)spec->config;
    if (s->profile != NULL) {
        resource_profile_fill(s->profile, &profile);
        request.profile = &profile.profile;
    }
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_REQUEST_SLOT;
    m.request_slot = &request;
    send_or_later(s->tm, &m, "Asking for a slot of");
}

static void note_refusal(struct rm_slot *s, const struct error *why)
{
    LOG_WARN(RM_TOPIC,
             "Task manager %s does not give slot %u for job %s; another one is looked for: %s",
             s->tm->id, s->index, s->job->hex, why->message);
    if (!s->job->removed) {
        jobmaster_slots_refused(s->job->spec.jm, why);
    }
}

/* Timer: the request was not answered, or no offer followed. */
static void on_request_timeout(void *arg)
{
    struct rm_slot *s = arg;
    struct resourcemanager *rm = s->tm->rm;
    s->timer = TIMER_NONE;
    s->tm->avoid_until_ms = rm_now_ms(rm) + RM_AVOID_MS;
    if (!s->accepted && s->tries < RM_REQUEST_TRIES_MAX &&
        (!rm_is_free_elsewhere(s) || PLANTED("resourcemanager.waits_for_the_silent"))) {
        s->tries++;
        s->timer = component_schedule(rm->component, RM_REQUEST_RESEND_MS, on_request_timeout, s);
        send_request(s);
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_TIMEOUT, "TaskManager with id %s did not %s in time", s->tm->id,
              s->accepted ? "start a worker for the job" : "answer the request for a slot");
    note_refusal(s, &why);
    rm_tm_in_trouble(s->tm);
    rm_slot_give_up(s, "the request for the slot has timed out");
    rm_match(rm);
}

void rm_slot_request(struct rm_slot *s, struct rm_job *job, uint32_t kind)
{
    struct resourcemanager *rm = s->tm->rm;
    struct rm_need *need = &job->needs[kind];
    struct flinc_id allocation;
    id_random(&allocation, &rm->rng);
    if (PLANTED("resourcemanager.allocation_comes_again")) {
        allocation = s->tm->instance;
        allocation.bytes[0] ^= (uint8_t)s->index;
    }
    know_allocation(s, &allocation);
    s->job = rm_job_ref(job);
    s->kind = kind;
    need->n_slots++;
    if (need->profile != NULL) {
        rm_slot_set_profile(s, need->profile);
    }
    s->tries = 1;
    rm_slot_transition(s, RM_SLOT_REQUESTED);
    s->timer = component_schedule(rm->component, RM_REQUEST_RESEND_MS, on_request_timeout, s);
    send_request(s);
}

/* The row that the message is about, when it is in this state on this task manager. */
static struct rm_slot *find_row(struct rm_tm *tm, const ProtobufCBinaryData *allocation,
                                uint32_t index)
{
    struct rm_slot *s = rm_slot_find(tm->rm, allocation);
    return s != NULL && s->tm == tm && s->index == index ? s : NULL;
}

/* It is taken under an allocation that the table does not have there. */
static void learn_occupant(struct rm_slot *s, const ProtobufCBinaryData *occupied_by)
{
    if (occupied_by->len == sizeof(s->allocation.bytes) &&
        rm_slot_find(s->tm->rm, occupied_by) == NULL) {
        struct flinc_id other;
        rm_id_copy(&other, occupied_by);
        rm_slot_foreign(s, &other, NULL); /* nobody says what it is worth */
    }
}

void rm_slot_on_answer(struct rm_tm *tm, const Flinc__SlotRequestAnswer *answer)
{
    struct rm_slot *s = find_row(tm, &answer->allocation_id, answer->slot);
    if (s == NULL || s->state != RM_SLOT_REQUESTED || s->accepted) {
        return;
    }
    struct resourcemanager *rm = tm->rm;
    component_cancel(rm->component, s->timer);
    if (answer->accepted) {
        s->accepted = true;
        s->timer = component_schedule(rm->component, RM_OFFER_WITHIN_MS, on_request_timeout, s);
        return;
    }
    s->timer = TIMER_NONE;
    struct error why = ERROR_INIT;
    error_info_read(answer->error, RM_NO_REASON, &why);
    note_refusal(s, &why);
    rm_tm_in_trouble(tm);
    rm_slot_freed(s);
    learn_occupant(s, &answer->occupied_by);
    rm_match(rm);
}

/* The job hears that a slot of it is gone. */
static void tell_lost(struct rm_slot *s, const struct error *why)
{
    if (!s->job->removed) {
        struct slot slot = {s->allocation, s->relay->number, s->kind};
        jobmaster_slot_lost(s->job->spec.jm, &slot, why);
    }
}

void rm_slot_on_freed(struct rm_tm *tm, const Flinc__SlotFreed *freed)
{
    struct rm_slot *s = find_row(tm, &freed->allocation_id, freed->slot);
    if (s == NULL) {
        return; /* said before */
    }
    struct error why = ERROR_INIT;
    error_info_read(freed->why, RM_NO_REASON, &why);
    if (s->state == RM_SLOT_REQUESTED) {
        note_refusal(s, &why);
        rm_tm_in_trouble(tm);
    } else if (s->state == RM_SLOT_ACTIVE) {
        tell_lost(s, &why);
    }
    rm_slot_freed(s);
    rm_match(tm->rm);
}

/* ---- offers ------------------------------------------------------------------------------------------- */

static void answer_offer(struct rm_tm *tm, const Flinc__OfferSlots *offer,
                         ProtobufCBinaryData *accepted, size_t n_accepted)
{
    Flinc__OfferAnswer answer = FLINC__OFFER_ANSWER__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    answer.job_id = offer->job_id;
    answer.offer_id = offer->offer_id;
    answer.accepted = accepted;
    answer.n_accepted = n_accepted;
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_OFFER_ANSWER;
    m.offer_answer = &answer;
    send_or_later(tm, &m, "Answering an offer of");
    if (n_accepted < offer->n_slots) {
        rm_count(tm->rm, &tm->rm->stats.offers_refused);
    }
}

/* The row of an offered slot that its job still wants. */
static struct rm_slot *offered_row(struct rm_tm *tm, const struct rm_job *job,
                                   const Flinc__SlotOffer *o)
{
    struct rm_slot *s = find_row(tm, &o->allocation_id, o->slot);
    return s != NULL && s->job == job ? s : NULL;
}

void rm_slot_on_offer(struct rm_tm *tm, const Flinc__OfferSlots *offer)
{
    struct rm_job *job = rm_job_find(tm->rm, &offer->job_id, &offer->master_token);
    struct rm_relay *relay = NULL;
    struct flinc_id incarnation;
    if (job != NULL && offer->worker_incarnation.len == sizeof(incarnation.bytes)) {
        rm_id_copy(&incarnation, &offer->worker_incarnation);
        for (size_t i = 0; i < offer->n_slots && relay == NULL; i++) {
            if (offered_row(tm, job, offer->slots[i]) != NULL) {
                relay = rm_relay_open(tm, job, &incarnation);
            }
        }
    }
    ProtobufCBinaryData *accepted = MEM_NEW_ARRAY(ProtobufCBinaryData, offer->n_slots + 1);
    struct slot *fresh = MEM_NEW_ARRAY(struct slot, offer->n_slots + 1);
    size_t n_accepted = 0;
    uint32_t n_fresh = 0;
    for (size_t i = 0; i < offer->n_slots && relay != NULL; i++) {
        struct rm_slot *s = offered_row(tm, job, offer->slots[i]);
        if (s == NULL) {
            continue; /* an earlier link's, which has just ended, or nobody's */
        }
        accepted[n_accepted++] = offer->slots[i]->allocation_id;
        if (s->state == RM_SLOT_REQUESTED) {
            rm_slot_activate(s, relay);
            fresh[n_fresh++] = (struct slot){s->allocation, relay->number, s->kind};
        } else if (PLANTED("offer_twice")) {
            fresh[n_fresh++] = (struct slot){s->allocation, relay->number, s->kind};
        }
    }
    if (!PLANTED("resourcemanager.deploys_before_it_answers")) {
        answer_offer(tm, offer, accepted, n_accepted);
    }
    if (n_fresh > 0) {
        jobmaster_offer_slots(job->spec.jm, fresh, n_fresh);
    }
    mem_free(accepted);
    mem_free(fresh);
    rm_match(tm->rm);
}
