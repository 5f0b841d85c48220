/* What coordinators may ask of the job master: events to tasks, work on I/O threads, a timer, failing the
 * job.  They ask from inside their callbacks, so nothing here changes the job before they have
 * returned: failures are posted to the own mailbox.  See coordinators.h.
 * Flink: OperatorCoordinator.Context, SubtaskGatewayImpl. */
#include "jobmanager/jobmaster/coordinators.h"

#include "jobmanager/jobmaster/jobmaster_internal.h"

/* Calls of the owner's own mailbox: never refused but by its end. */
static void post_self(struct jobmaster *jm, enum jobmaster_op kind, void (*run)(void *, void *),
                      void *take_payload, void (*drop)(void *))
{
    struct mailbox_op op = {
        .kind = (int)kind, .run = run, .target = jm, .payload = take_payload, .drop = drop};
    if (mailbox_post_internal(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op) < 0 &&
        drop != NULL) {
        drop(take_payload);
    }
}

/* ---- failures, after the coordinator has returned --------------------------------------------- */

static void run_global_failure(void *target, void *payload)
{
    failover_global(target, payload);
    mem_free(payload);
}

void coordinator_post_failure(struct jobmaster *jm, const struct error *why)
{
    post_self(jm, JOBMASTER_OP_GLOBAL_FAILURE, run_global_failure, mem_dup(why, sizeof(*why)),
              mem_free);
}

struct task_failure {
    struct flinc_id attempt_id;
    struct error why;
};

static void run_task_failure(void *target, void *payload)
{
    struct jobmaster *jm = target;
    struct task_failure *f = payload;
    struct execution *e = execution_graph_find(&jm->graph, f->attempt_id.bytes);
    if (e != NULL) {
        failover_task_failed(jm, e, &f->why, FAILURE_HERE);
    }
    mem_free(f);
}

static void post_task_failure(struct jobmaster *jm, const struct execution *e,
                              const struct error *why)
{
    struct task_failure *f = MEM_NEW(struct task_failure);
    f->attempt_id = e->id;
    error_copy(&f->why, why);
    post_self(jm, JOBMASTER_OP_TASK_FAILURE, run_task_failure, f, mem_free);
}

/* ---- events to tasks -------------------------------------------------------------------------- */

static int event_send(struct coordinator_holder *h, struct execution *e, const uint8_t *data,
                      size_t size, struct error *err)
{
    struct jobmaster *jm = h->jm;
    struct worker_link *link = workers_find(&jm->workers, e->slot.worker);
    if (link == NULL) {
        return error_set(err, ERR_UNAVAILABLE, "worker %u is not connected", e->slot.worker);
    }
    Flinc__OperatorEvent event = FLINC__OPERATOR_EVENT__INIT;
    event.attempt_id = (ProtobufCBinaryData){sizeof(e->id.bytes), e->id.bytes};
    event.operator_id = h->context.spec->id;
    event.payload = (ProtobufCBinaryData){size, (uint8_t *)data};
    event.sequence = ++e->events[h->number].sent;
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_OPERATOR_EVENT;
    message.operator_event = &event;
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_send"));
    return workers_send(&jm->workers, link, &message, err);
}

static void event_send_or_fail(struct coordinator_holder *h, struct execution *e,
                               const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT;
    if (event_send(h, e, data, size, &err) < 0) {
        error_context(&err, "sending an event of the coordinator of %s", h->context.spec->name);
        post_task_failure(h->jm, e, &err);
    }
}

static void event_wait(struct coordinator_holder *h, struct execution *e, const uint8_t *data,
                       size_t size)
{
    if (e->waiting_events.len >= COORDINATOR_WAITING_EVENTS_MAX) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_LIMIT, "%d events of coordinators wait for the task to be deployed",
                  COORDINATOR_WAITING_EVENTS_MAX);
        post_task_failure(h->jm, e, &err);
        return;
    }
    *VEC_PUSH(&e->waiting_events, struct waiting_event) =
        (struct waiting_event){.coordinator = h->number, .data = mem_dup(data, size), .size = size};
}

static void event_hold(struct coordinator_holder *h, uint32_t subtask, const uint8_t *data,
                       size_t size)
{
    if (h->held_events.len >= COORDINATOR_WAITING_EVENTS_MAX) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_LIMIT, "%d events of the coordinator of %s wait for a checkpoint",
                  COORDINATOR_WAITING_EVENTS_MAX, h->context.spec->name);
        coordinator_post_failure(h->jm, &err);
        return;
    }
    *VEC_PUSH(&h->held_events, struct held_event) =
        (struct held_event){subtask, mem_dup(data, size), size};
}

static void host_send_event(struct coordinator_context *ctx, uint32_t subtask, const uint8_t *data,
                            size_t size)
{
    struct coordinator_holder *h = ctx->host_data;
    if (subtask >= h->vertex->n_subtasks) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_INTERNAL,
                  "the coordinator of %s sent an event to subtask %u, of which there are %u",
                  h->context.spec->name, subtask, h->vertex->n_subtasks);
        coordinator_post_failure(h->jm, &err);
        return;
    }
    if (h->holding != 0) {
        event_hold(h, subtask, data, size);
        return;
    }
    struct execution *e = &h->vertex->subtasks[subtask].execution;
    switch (e->state) {
    case FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING:
        event_wait(h, e, data, size);
        break;
    case FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING:
    case FLINC__EXECUTION_STATE__EXECUTION_RUNNING:
        event_send_or_fail(h, e, data, size);
        break;
    default: /* subtask_reset() will say that it runs anew */
        snapshot_count(&h->jm->snapshot, &h->jm->snapshot.stats.events_dropped);
        break;
    }
}

void coordinators_on_acknowledged(struct jobmaster *jm, struct execution *e)
{
    for (size_t i = 0; i < e->waiting_events.len; i++) {
        const struct waiting_event *w = VEC_AT(&e->waiting_events, struct waiting_event, i);
        uint32_t holder = e->subtask->vertex->first_coordinator + w->coordinator;
        event_send_or_fail(&jm->coordinators.holders[holder], e, w->data, w->size);
    }
    execution_drop_waiting_events(e);
}

/* ---- work and time ---------------------------------------------------------------------------- */

/* Work of a coordinator on an I/O thread. */
struct async_call {
    struct coordinator_holder *holder; /* Borrows; read on the job master's thread only */
    uint64_t life;                     /* in which it was asked for */
    void (*work)(void *arg);
    void (*done)(struct coordinator *c, void *arg);
    void (*drop)(void *arg);
    void *arg; /* Owns */
};

static void async_drop(void *arg)
{
    struct async_call *call = arg;
    if (call->drop != NULL) {
        call->drop(call->arg);
    }
    mem_free(call);
}

static int async_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct async_call *call = arg;
    call->work(call->arg);
    return 0;
}

/* In the mailbox. */
static void async_done(void *target, void *arg, int rc, const struct error *why)
{
    struct async_call *call = arg;
    struct coordinator_holder *h = call->holder;
    if (h->life != call->life || h->coordinator == NULL) {
        async_drop(call);
        return;
    }
    if (rc < 0) {
        struct error err = *why;
        error_context(&err, "running work of the coordinator of %s", h->context.spec->name);
        async_drop(call);
        failover_global(h->jm, &err);
        return;
    }
    call->done(h->coordinator, call->arg);
    mem_free(call);
}

static void run_async_done(void *target, void *payload)
{
    async_done(target, payload, 0, NULL);
}

static void host_run_async(struct coordinator_context *ctx, void (*work)(void *arg),
                           void (*done)(struct coordinator *c, void *arg), void (*drop)(void *arg),
                           void *arg)
{
    struct coordinator_holder *h = ctx->host_data;
    struct jobmaster *jm = h->jm;
    struct async_call *call = MEM_NEW(struct async_call);
    *call = (struct async_call){h, h->life, work, done, drop, arg};
    if (jm->options.io_executor == NULL) {
        work(arg);
        post_self(jm, JOBMASTER_OP_ASYNC_DONE, run_async_done, call, async_drop);
        return;
    }
    struct executor_job job = {
        .name = "work of a coordinator",
        .run = async_run,
        .done = async_done,
        .target = jm,
        .arg = call,
        .drop = async_drop,
        .reply_to = component_mailbox(jm->component),
        .reply_lane = MAILBOX_LANE_CONTROL,
        .reply_kind = JOBMASTER_OP_ASYNC_DONE,
    };
    struct error err = ERROR_INIT;
    if (executor_submit(jm->options.io_executor, &job, &err) < 0) {
        async_drop(call);
        error_context(&err, "running work of the coordinator of %s", h->context.spec->name);
        coordinator_post_failure(jm, &err);
    }
}

/* Timer: of schedule(). */
static void on_holder_timer(void *arg)
{
    struct coordinator_holder *h = arg;
    h->timer = TIMER_NONE;
    ASSERT(h->coordinator != NULL);
    h->on_timer(h->coordinator);
}

static void host_schedule(struct coordinator_context *ctx, int64_t delay_ms,
                          void (*fn)(struct coordinator *c))
{
    struct coordinator_holder *h = ctx->host_data;
    component_cancel(h->jm->component, h->timer);
    h->on_timer = fn;
    h->timer = component_schedule(h->jm->component, delay_ms, on_holder_timer, h);
}

static void host_fail(struct coordinator_context *ctx, const struct error *err)
{
    struct coordinator_holder *h = ctx->host_data;
    struct error why = *err;
    error_context(&why, "coordinating %s", h->context.spec->name);
    coordinator_post_failure(h->jm, &why);
}

static int64_t host_group_least(struct coordinator_context *ctx, const char *group, int64_t value)
{
    struct coordinator_holder *own = ctx->host_data;
    const struct coordinators *all = &own->jm->coordinators;
    int64_t least = value;
    if (own->group == NULL || strcmp(own->group, group) != 0) {
        mem_free(own->group);
        own->group = mem_strdup(group);
    }
    own->group_value = value;
    for (uint32_t i = 0; i < all->n_holders; i++) {
        const struct coordinator_holder *h = &all->holders[i];
        if (h->group != NULL && strcmp(h->group, group) == 0) {
            least = MIN(least, h->group_value);
        }
    }
    return least;
}

const struct coordinator_host coordinator_host_ops = {
    .send_event = host_send_event,
    .run_async = host_run_async,
    .schedule = host_schedule,
    .fail = host_fail,
    .group_least = host_group_least,
};
