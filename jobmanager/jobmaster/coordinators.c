/* Coordinator halves: their lives, and the events that reach them; see coordinators.h. */
#include "jobmanager/jobmaster/coordinators.h"

#include "connectors/registry/registry.h"
#include "engine/table/table.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"

/* ---- life ------------------------------------------------------------------------------------- */

static void holder_transition(struct coordinator_holder *h, enum coordinator_state to)
{
    static const uint8_t moves[] = {
        [COORDINATOR_NEW] = 1 << COORDINATOR_STARTED | 1 << COORDINATOR_CLOSED,
        [COORDINATOR_STARTED] = 1 << COORDINATOR_NEW | 1 << COORDINATOR_CLOSED,
        [COORDINATOR_CLOSED] = 0,
    };
    ASSERT(moves[h->state] & 1 << to);
    h->state = to;
}

static int find_desc(struct jobmaster *jm, const Flinc__Operator *spec,
                     const struct coordinator_desc **ret, struct error *err)
{
    const struct coordinator_desc *(*find)(const char *) = jm->options.find_coordinator;

    connectors_register();
    const struct coordinator_desc *desc =
        find != NULL ? find(spec->coordinator) : table_coordinator_find(spec->coordinator);
    if (desc == NULL && jm->options.launcher != NULL) {
        desc = &coordinator_proxy_desc;
    }
    if (desc == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "operator '%s' wants the coordinator '%s', which is not there", spec->name,
                         spec->coordinator);
    }
    ASSERT(desc->instance_size >= sizeof(struct coordinator));
    *ret = desc;
    return 0;
}

int coordinators_init(struct jobmaster *jm, struct error *err)
{
    struct coordinators *cs = &jm->coordinators;
    vec_init(&cs->results, sizeof(struct coordinator_result));
    cs->holders = MEM_NEW_ARRAY(struct coordinator_holder, (size_t)jm->graph.n_coordinators + 1);
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        struct execution_vertex *v = &jm->graph.vertices[i];
        uint32_t number = 0;
        for (size_t j = 0; j < v->spec->n_operators; j++) {
            const Flinc__Operator *spec = v->spec->operators[j];
            if (spec->coordinator[0] == '\0') {
                continue;
            }
            struct coordinator_holder *h = &cs->holders[cs->n_holders++];
            *h = (struct coordinator_holder){.jm = jm, .vertex = v, .number = number++};
            vec_init(&h->held_events, sizeof(struct held_event));
            h->context = (struct coordinator_context){
                .host = &coordinator_host_ops,
                .host_data = h,
                .spec = spec,
                .parallelism = v->n_subtasks,
                .clock = jm->clock,
                .metrics = job_metrics_operator(&jm->metrics, v->spec, spec)};
            TRY(find_desc(jm, spec, &h->desc, err));
        }
    }
    return 0;
}

/* Ends the life of an instance: nothing of it comes back. */
static void holder_drop(struct coordinator_holder *h)
{
    component_cancel(h->jm->component, h->timer);
    h->timer = TIMER_NONE;
    h->life++;
    coordinator_drop_held(h);
    mem_free(STEAL(h->group));
    if (h->coordinator != NULL) {
        if (h->desc->close != NULL) {
            h->desc->close(h->coordinator);
        }
        mem_free(h->coordinator);
        h->coordinator = NULL;
    }
}

void coordinators_close(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (h->state != COORDINATOR_CLOSED) {
            holder_drop(h);
            holder_transition(h, COORDINATOR_CLOSED);
        }
    }
}

void coordinators_fini(struct jobmaster *jm)
{
    coordinators_close(jm);
    coordinator_child_fini(jm);
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        vec_fini(&jm->coordinators.holders[i].held_events);
    }
    mem_free(jm->coordinators.holders);
    coordinator_results_fini(&jm->coordinators.results);
    jm->coordinators = (struct coordinators){0};
}

static int holder_start(struct coordinator_holder *h, struct error *err)
{
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_start"));
    h->coordinator = mem_zalloc(h->desc->instance_size);
    h->coordinator->desc = h->desc;
    h->coordinator->ctx = &h->context;
    holder_transition(h, COORDINATOR_STARTED);
    TRY(coordinator_restore_latest(h, err));
    if (h->desc->start != NULL) {
        TRY_CTX(err, h->desc->start(h->coordinator, &h->context, err),
                "starting the coordinator of %s", h->context.spec->name);
    }
    h->healthy = true;
    return 0;
}

int coordinators_start(struct jobmaster *jm, struct error *err)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (h->state == COORDINATOR_NEW) {
            TRY(holder_start(h, err));
        }
    }
    return 0;
}

static int holder_reset(struct coordinator_holder *h, struct error *err)
{
    if (h->state == COORDINATOR_STARTED && h->healthy && h->desc->reset != NULL) {
        component_cancel(h->jm->component, h->timer);
        h->timer = TIMER_NONE;
        h->life++;
        h->healthy = false; /* until it says so */
        coordinator_drop_held(h);
        bool is_proxy = h->desc == &coordinator_proxy_desc; /* tells its child with the reset */
        if (is_proxy) {
            TRY(coordinator_restore_latest(h, err));
        }
        TRY_CTX(err, h->desc->reset(h->coordinator, err), "resetting the coordinator of %s",
                h->context.spec->name);
        if (!is_proxy) {
            TRY(coordinator_restore_latest(h, err));
        }
        h->healthy = true;
        return 0;
    }
    if (h->state == COORDINATOR_STARTED) {
        holder_drop(h);
        holder_transition(h, COORDINATOR_NEW);
    }
    return holder_start(h, err);
}

int coordinators_reset(struct jobmaster *jm, struct error *err)
{
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_reset"));
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        TRY(holder_reset(&jm->coordinators.holders[i], err));
    }
    return 0;
}

void coordinators_rescale(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        struct execution_vertex *v = &jm->graph.vertices[i]; /* in new memory */
        for (uint32_t k = 0; k < v->n_coordinators; k++) {
            struct coordinator_holder *h = &jm->coordinators.holders[v->first_coordinator + k];
            h->vertex = v;
            if (h->context.parallelism != v->n_subtasks && h->state == COORDINATOR_STARTED) {
                holder_drop(h);
                holder_transition(h, COORDINATOR_NEW);
            }
            h->context.parallelism = v->n_subtasks;
        }
    }
}

void coordinators_subtask_reset(struct jobmaster *jm, const struct subtask *subtask)
{
    const struct execution_vertex *v = subtask->vertex;
    for (uint32_t i = 0; i < v->n_coordinators; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[v->first_coordinator + i];
        if (h->state == COORDINATOR_STARTED && h->desc->subtask_reset != NULL) {
            h->desc->subtask_reset(h->coordinator, subtask->index,
                                   checkpoints_latest(jm).checkpoint_id);
        }
    }
}

/* ---- events from tasks ------------------------------------------------------------------------ */

static struct coordinator_holder *find_holder(struct jobmaster *jm,
                                              const struct execution_vertex *v,
                                              const ProtobufCBinaryData *operator_id)
{
    for (uint32_t i = 0; i < v->n_coordinators; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[v->first_coordinator + i];
        const ProtobufCBinaryData *id = &h->context.spec->id;
        if (id->len == operator_id->len && memcmp(id->data, operator_id->data, id->len) == 0) {
            return h;
        }
    }
    return NULL;
}

int coordinators_on_event(struct jobmaster *jm, struct execution *e,
                          const Flinc__OperatorEvent *event, struct error *err)
{
    struct coordinator_holder *h = find_holder(jm, e->subtask->vertex, &event->operator_id);
    if (h == NULL) {
        return error_set(err, ERR_INTERNAL, "an event came for an operator without a coordinator");
    }
    struct event_channel *channel = &e->events[h->number];
    if (event->sequence <= channel->received ||
        e->state == FLINC__EXECUTION_STATE__EXECUTION_CANCELING || h->coordinator == NULL) {
        snapshot_count(&jm->snapshot, &jm->snapshot.stats.events_stale);
        return 0;
    }
    if (event->sequence != channel->received + 1) {
        return error_set(err, ERR_UNAVAILABLE,
                         "an event to the coordinator of %s was lost: number %llu came after %llu",
                         h->context.spec->name, (unsigned long long)event->sequence,
                         (unsigned long long)channel->received);
    }
    channel->received++;
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_event"));
    struct error why = ERROR_INIT;
    if (h->desc->on_event != NULL &&
        h->desc->on_event(h->coordinator, e->subtask->index, event->payload.data,
                          event->payload.len, &why) < 0) {
        error_context(&why, "handling an event in the coordinator of %s", h->context.spec->name);
        coordinator_post_failure(jm, &why);
    }
    return 0;
}
