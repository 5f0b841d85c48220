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

void slots_init(struct jobmaster *jm)
{
    if (adaptive_is_on(jm)) {
        struct slot_layout layout;
        adaptive_layout_init(jm, &layout);
        slot_pool_init(&jm->slots, &layout);
        mem_free(layout.kinds);
        return;
    }
    slot_pool_init(&jm->slots, &(struct slot_layout){jm->graph.slot_kinds, jm->graph.n_slots,
                                                     jm->graph.kinds.n});
}

/* `n_slots` by kind; NULL: none of any. */
static void declare(struct jobmaster *jm, const uint32_t *n_slots)
{
    const struct slot_provider *provider = jm->options.slots;
    uint32_t n = jm->graph.kinds.n;
    struct slot_requirement *requirements = MEM_NEW_ARRAY(struct slot_requirement, n);
    for (uint32_t kind = 0; kind < n; kind++) {
        requirements[kind] = (struct slot_requirement){slot_kinds_profile(&jm->graph.kinds, kind),
                                                       n_slots != NULL ? n_slots[kind] : 0};
    }
    provider->declare(provider->arg, jm, requirements, n);
    mem_free(requirements);
}

void slots_declare(struct jobmaster *jm)
{
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.slots.before_declare") < 0) {
        LOG_WARN(JOBMASTER_TOPIC, "Declaring %u slots was left out: %s", jm->slots.n_places,
                 err.message);
        return;
    }
    declare(jm, jm->slots.n_places_of);
}

void slots_declare_none(struct jobmaster *jm)
{
    declare(jm, NULL);
}

void slots_append_missing(const struct jobmaster *jm, const uint32_t *needed, struct str *out)
{
    const struct slot_pool *pool = &jm->slots;
    const char *comma = "";
    if (pool->n_kinds == 1) {
        str_printf(out, "%u slots and has %u", needed[0], pool->n_filled);
        return;
    }
    for (uint32_t kind = 0; kind < pool->n_kinds; kind++) {
        if (needed[kind] <= pool->n_filled_of[kind]) {
            continue;
        }
        str_printf(out, "%s%u slots of ", comma, needed[kind]);
        if (kind == 0) {
            str_printf(out, "the default profile");
        } else {
            resource_profile_append_text(slot_kinds_profile(&jm->graph.kinds, kind), out);
        }
        str_printf(out, " and has %u", pool->n_filled_of[kind]);
        comma = ", ";
    }
}

const char *slots_remedy(const struct jobmaster *jm)
{
    return jm->slots.n_kinds == 1
               ? "Add task managers or slots (taskmanager.numberOfTaskSlots), or lower the "
                 "parallelism"
               : "Add task managers or give them more (taskmanager.memory.*, "
                 "taskmanager.cpu.cores, external-resources), or lower the parallelism or the "
                 "resources of the slot sharing groups";
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
    STR_AUTO missing = STR_INIT;
    slots_append_missing(jm, jm->slots.n_places_of, &missing);
    duration_format(conf_duration(&jm->conf, "slot.request.timeout"), &waited);
    error_set(&err, ERR_UNAVAILABLE,
              "NoResourceAvailableException: Could not acquire the minimum required resources. The "
              "job needs %s after waiting %s (slot.request.timeout). %s",
              str_cstr(&missing), str_cstr(&waited), slots_remedy(jm));
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

void slots_rearrange(struct jobmaster *jm, const struct slot_layout *layout, const uint32_t *order,
                     uint32_t n_order)
{
    struct slot *surplus = MEM_NEW_ARRAY(struct slot, (size_t)jm->slots.n_filled + 1);
    uint32_t *before = mem_dup(jm->slots.n_places_of, jm->slots.n_kinds * sizeof(before[0]));
    uint32_t n = slot_pool_arrange(&jm->slots, layout, order, n_order, surplus);
    for (uint32_t i = n; i > 0; i--) {
        slot_release(jm, &surplus[i - 1]);
    }
    if (memcmp(before, jm->slots.n_places_of, jm->slots.n_kinds * sizeof(before[0])) != 0) {
        slots_declare(jm);
    }
    mem_free(before);
    mem_free(surplus);
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
