/* Slots of the job: what it needs, what it was given, and regions that wait for theirs.
 *
 * A region is deployed when all its slots are there; until then its tasks are SCHEDULED, for at most
 * slot.request.timeout.  Slots stay with the job over restarts and go back at its end.
 * Thread: the job master's.  Flink: PipelinedRegionSchedulingStrategy, DeclarativeSlotPoolBridge. */
#include "common/text/units.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"

/* Has the job work for slots? */
static bool needs_slots(const struct jobmaster *jm)
{
    switch (jm->status) {
    case JOB_STATUS_CREATED:
    case JOB_STATUS_RUNNING:
    case JOB_STATUS_RESTARTING:
        return true;
    default:
        return false;
    }
}

void slots_declare(struct jobmaster *jm)
{
    const struct slot_provider *provider = jm->options.slots;
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.slots.before_declare") < 0) {
        LOG_WARN(JOBMASTER_TOPIC, "Declaring %u slots was left out: %s", jm->slots.n_places,
                 err.message);
        return;
    }
    provider->declare(provider->arg, jm, jm->slots.n_places);
}

void slots_declare_none(struct jobmaster *jm)
{
    const struct slot_provider *provider = jm->options.slots;
    provider->declare(provider->arg, jm, 0);
}

static void slot_release(struct jobmaster *jm, const struct slot *slot)
{
    const struct slot_provider *provider = jm->options.slots;
    provider->release(provider->arg, jm, slot);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static bool region_has_slots(const struct jobmaster *jm, const struct region *r)
{
    for (uint32_t i = 0; i < r->n_subtasks; i++) {
        const struct subtask *s = r->subtasks[i];
        if (!slot_pool_covers(&jm->slots, s->vertex->first_slot + s->index, 1)) {
            return false;
        }
    }
    return true;
}

static void region_stop_waiting(struct jobmaster *jm, struct region *r)
{
    component_cancel(jm->component, r->slot_timer);
    r->slot_timer = TIMER_NONE;
}

static bool take_ready(struct jobmaster *jm)
{
    bool found = false;
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        struct region *r = &jm->graph.regions[i];
        if (r->state == REGION_WAITING && region_has_slots(jm, r)) {
            region_stop_waiting(jm, r);
            region_transition(r, REGION_DEPLOYED);
            found = true;
        }
    }
    return found;
}

/* A deployment that fails may end in a restart, which comes here again. */
void regions_deploy_ready(struct jobmaster *jm)
{
    jm->deploy_again = true;
    if (jm->deploying) {
        return; /* the one above goes on */
    }
    jm->deploying = true;
    while (jm->deploy_again) {
        jm->deploy_again = false;
        if (take_ready(jm)) {
            tasks_deploy(jm);
        }
    }
    jm->deploying = false;
}

/* All regions that have waited as long fail at once: it is one failure. */
static void fail_waiting(struct jobmaster *jm, int64_t deadline_ms, const struct error *why)
{
    struct vec executions = VEC_INIT(struct execution *);
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        struct region *r = &jm->graph.regions[i];
        if (r->state == REGION_WAITING && r->slot_deadline_ms <= deadline_ms) {
            region_stop_waiting(jm, r);
            vec_push_ptr(&executions, &r->subtasks[0]->execution);
        }
    }
    failover_tasks_failed(jm, executions.data, executions.len, why, FAILURE_OF_WORKER);
    vec_fini(&executions);
}

/* Timer: slot.request.timeout. */
static void on_slot_timeout(void *arg)
{
    struct region *r = arg;
    struct jobmaster *jm = r->jm;
    ASSERT(r->state == REGION_WAITING);
    struct error err = ERROR_INIT;
    STR_AUTO waited = STR_INIT;
    duration_format(conf_duration(&jm->conf, "slot.request.timeout"), &waited);
    error_set(&err, ERR_UNAVAILABLE,
              "NoResourceAvailableException: Could not acquire the minimum required resources. The "
              "job needs %u slots and has %u after waiting %s (slot.request.timeout). Add task "
              "managers or slots "
              "(taskmanager.numberOfTaskSlots), or lower the parallelism",
              jm->slots.n_places, jm->slots.n_filled, str_cstr(&waited));
    if (jm->slots_refused.code != 0) {
        error_context(&err, "the last slot that was asked for was refused: %s",
                      jm->slots_refused.message);
    }
    fail_waiting(jm, r->slot_deadline_ms, &err);
}

void region_schedule(struct jobmaster *jm, struct region *r)
{
    ASSERT(r->state == REGION_IDLE);
    for (uint32_t i = 0; i < r->n_subtasks; i++) {
        execution_transition(jm, &r->subtasks[i]->execution,
                             FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED, NULL);
    }
    region_transition(r, REGION_WAITING);
    int64_t timeout_ms = conf_duration_ms(&jm->conf, "slot.request.timeout");
    r->slot_deadline_ms = clock_monotonic_ms(jm->clock) + timeout_ms;
    r->slot_timer = component_schedule(jm->component, timeout_ms, on_slot_timeout, r);
}

/* ---- what the provider says ------------------------------------------------------------------- */

/* What tells its task manager from others, also after its worker was replaced. */
static uint64_t home_of(const struct jobmaster *jm, uint32_t worker)
{
    const struct worker_link *link = workers_find(&jm->workers, worker);
    if (link == NULL || link->place == NULL || link->place->tm_id == NULL) {
        return 0;
    }
    const char *tm_id = link->place->tm_id;
    return hash_bytes(tm_id, strlen(tm_id), 0) | 1;
}

void slots_offer(struct jobmaster *jm, const struct slot *slots, uint32_t n)
{
    struct error err = ERROR_INIT;
    bool refused = FAILPOINT(&err, "jobmaster.slots.before_take") < 0;
    for (uint32_t i = 0; i < n; i++) {
        if (refused || !needs_slots(jm)) {
            slot_release(jm, &slots[i]);
        } else if (workers_find(&jm->workers, slots[i].worker) == NULL) {
            LOG_WARN(JOBMASTER_TOPIC, "A slot of worker %u is given back: it is not connected.",
                     slots[i].worker);
            slot_release(jm, &slots[i]);
        } else if (slot_pool_offer(&jm->slots, &slots[i], home_of(jm, slots[i].worker)) ==
                   SLOT_OFFER_UNNEEDED) {
            slot_release(jm, &slots[i]);
        }
    }
    regions_deploy_ready(jm);
    adaptive_on_slots_offered(jm);
}

/* The attempts that use this slot now, in a vector of struct execution *. */
static void find_users(struct jobmaster *jm, const struct flinc_id *allocation_id, struct vec *ret)
{
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct execution *e = &jm->graph.subtasks[i].execution;
        if (execution_is_on_worker(e) && id_eq(&e->slot.allocation_id, allocation_id)) {
            vec_push_ptr(ret, e);
        }
    }
}

void slots_lost(struct jobmaster *jm, const struct flinc_id *allocation_id, const struct error *why)
{
    if (!slot_pool_remove(&jm->slots, allocation_id)) {
        return; /* given back or lost already */
    }
    if (needs_slots(jm)) {
        slots_declare(jm);
    }
    struct error err = ERROR_INIT;
    error_set(&err, ERR_UNAVAILABLE, "The slot of the task was lost%s%s",
              why->code != 0 ? ": " : "", why->message);
    struct vec users = VEC_INIT(struct execution *);
    find_users(jm, allocation_id, &users);
    failover_tasks_failed(jm, users.data, users.len, &err, FAILURE_HERE);
    vec_fini(&users);
}

void slots_drop_worker(struct jobmaster *jm, uint32_t worker)
{
    uint32_t n_dropped = 0;
    for (uint32_t i = 0; i < jm->slots.n_places; i++) {
        struct slot_place place = jm->slots.places[i];
        if (place.filled && place.slot.worker == worker) {
            (void)slot_pool_remove(&jm->slots, &place.slot.allocation_id);
            slot_release(jm, &place.slot);
            n_dropped++;
        }
    }
    if (n_dropped > 0 && needs_slots(jm)) {
        slots_declare(jm);
    }
}

void slots_resize(struct jobmaster *jm, uint32_t n_slots, const uint32_t *order, uint32_t n_order)
{
    uint32_t n_before = jm->slots.n_places;
    slot_pool_arrange(&jm->slots, MAX(n_slots, jm->slots.n_filled), order, n_order);
    for (uint32_t i = jm->slots.n_places; i > n_slots; i--) {
        struct slot surplus = *slot_pool_get(&jm->slots, i - 1);
        (void)slot_pool_remove(&jm->slots, &surplus.allocation_id);
        slot_release(jm, &surplus);
    }
    if (n_slots != jm->slots.n_places) { /* what is left lies in the first places */
        slot_pool_arrange(&jm->slots, n_slots, NULL, 0);
    }
    if (n_slots != n_before) {
        slots_declare(jm);
    }
}

void slots_release_all(struct jobmaster *jm)
{
    slots_declare_none(jm);
    for (uint32_t i = 0; i < jm->slots.n_places; i++) {
        struct slot_place place = jm->slots.places[i];
        if (place.filled) {
            (void)slot_pool_remove(&jm->slots, &place.slot.allocation_id);
            slot_release(jm, &place.slot);
        }
    }
}
