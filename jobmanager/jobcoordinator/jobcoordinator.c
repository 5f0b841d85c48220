/* The child's side of coordinators; see jobcoordinator.h. */
#include "jobmanager/jobcoordinator/jobcoordinator.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/plugin/plugin.h"
#include "common/rpc/error_info.h"
#include "proto/builder.pb-c.h"

static const char topic[] = "flinc.jobcoordinator";

/* mailbox_op.kind; sender -> the jobcoordinator. */
enum jobcoordinator_op {
    JOBCOORDINATOR_OP_MESSAGE,    /* the parent */
    JOBCOORDINATOR_OP_CLOSED,     /* the parent's channel */
    JOBCOORDINATOR_OP_ASYNC_DONE, /* I/O executor */
};

/* One coordinator, from its first start to the end of the child. */
struct hosted {
    struct jobcoordinator *j;
    uint32_t number;
    Flinc__Operator *spec; /* Owns; NULL: never started */
    const struct coordinator_desc *desc;
    struct coordinator_context context;
    struct coordinator *coordinator; /* Owns; NULL: not started, or closed */
    bool healthy;                    /* its start or last reset succeeded */
    uint64_t life;       /* counts starts and resets: work of an earlier one is dropped */
    uint64_t base_epoch; /* of the last start or reset */
    uint64_t *epochs;    /* Owns; by subtask */
    uint64_t timer;
    void (*on_timer)(struct coordinator *c);
    char *group; /* Owns: of group_least(); NULL: in none */
    int64_t group_value;
};

struct jobcoordinator {
    struct jobcoordinator_options options;
    struct rpc_channel *channel; /* Owns */
    struct plugin_registry plugins;
    struct vec hosted; /* of struct hosted *, owned; by number, with holes */
};

/* ---- to the parent ------------------------------------------------------------------------------------ */

static void send(struct jobcoordinator *j, Flinc__FromCoordinators *m)
{
    struct error err = ERROR_INIT;
    m->version = JOBCOORDINATOR_VERSION;
    if (j->channel != NULL && rpc_channel_send(j->channel, &m->base, &err) < 0) {
        /* A lost event would be a lost split: the parent starts over with another child. */
        LOG_ERROR(topic, "The job master is not reached any more: %s", err.message);
        rpc_channel_close(j->channel);
        j->options.on_over(j->options.owner);
    }
}

static void send_failed(struct hosted *h, const struct error *why)
{
    Flinc__CoordinatorFailed failed = FLINC__COORDINATOR_FAILED__INIT;
    Flinc__ErrorInfo info;
    Flinc__FromCoordinators m = FLINC__FROM_COORDINATORS__INIT;
    error_info_fill(&info, why);
    failed.coordinator = h->number;
    failed.error = &info;
    failed.epoch = h->base_epoch;
    m.body_case = FLINC__FROM_COORDINATORS__BODY_FAILED;
    m.failed = &failed;
    send(h->j, &m);
}

/* ---- what coordinators ask for -------------------------------------------------------------------------- */

static void host_send_event(struct coordinator_context *ctx, uint32_t subtask, const uint8_t *data,
                            size_t size)
{
    struct hosted *h = ctx->host_data;
    Flinc__CoordinatorEvent event = FLINC__COORDINATOR_EVENT__INIT;
    Flinc__FromCoordinators m = FLINC__FROM_COORDINATORS__INIT;
    if (subtask >= ctx->parallelism) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_INTERNAL, "it sent an event to subtask %u, of which there are %u",
                  subtask, ctx->parallelism);
        send_failed(h, &err);
        return;
    }
    event.coordinator = h->number;
    event.subtask = subtask;
    event.payload = (ProtobufCBinaryData){size, (uint8_t *)data};
    event.epoch = h->epochs[subtask];
    m.body_case = FLINC__FROM_COORDINATORS__BODY_EVENT;
    m.event = &event;
    send(h->j, &m);
}

struct async_call {
    struct hosted *h; /* Borrows; read on the loop's thread only */
    uint64_t life;
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

static void async_done(void *target, void *arg, int rc, const struct error *why)
{
    struct async_call *call = arg;
    struct hosted *h = call->h;
    if (h->life != call->life || h->coordinator == NULL || rc < 0) {
        async_drop(call);
        return;
    }
    call->done(h->coordinator, call->arg);
    mem_free(call);
}

static void host_run_async(struct coordinator_context *ctx, void (*work)(void *arg),
                           void (*done)(struct coordinator *c, void *arg), void (*drop)(void *arg),
                           void *arg)
{
    struct hosted *h = ctx->host_data;
    struct async_call *call = MEM_NEW(struct async_call);
    *call = (struct async_call){h, h->life, work, done, drop, arg};
    struct executor_job job = {
        .name = "work of a coordinator",
        .run = async_run,
        .done = async_done,
        .target = h->j,
        .arg = call,
        .drop = async_drop,
        .reply_to = loop_mailbox(h->j->options.loop),
        .reply_lane = MAILBOX_LANE_CONTROL,
        .reply_kind = JOBCOORDINATOR_OP_ASYNC_DONE,
    };
    struct error err = ERROR_INIT;
    if (executor_submit(h->j->options.io_executor, &job, &err) < 0) {
        async_drop(call);
        send_failed(h, &err);
    }
}

static void on_timer(void *arg)
{
    struct hosted *h = arg;
    h->timer = TIMER_NONE;
    h->on_timer(h->coordinator);
}

static void stop_timer(struct hosted *h)
{
    if (h->timer != TIMER_NONE) {
        loop_cancel(h->j->options.loop, h->timer);
        h->timer = TIMER_NONE;
    }
}

static void host_schedule(struct coordinator_context *ctx, int64_t delay_ms,
                          void (*fn)(struct coordinator *c))
{
    struct hosted *h = ctx->host_data;
    stop_timer(h);
    h->on_timer = fn;
    h->timer = loop_schedule(h->j->options.loop, delay_ms, on_timer, h);
}

static void host_fail(struct coordinator_context *ctx, const struct error *err)
{
    send_failed(ctx->host_data, err);
}

static int64_t host_group_least(struct coordinator_context *ctx, const char *group, int64_t value)
{
    struct hosted *own = ctx->host_data;
    int64_t least = value;
    if (own->group == NULL || strcmp(own->group, group) != 0) {
        mem_free(own->group);
        own->group = mem_strdup(group);
    }
    own->group_value = value;
    for (size_t i = 0; i < own->j->hosted.len; i++) {
        const struct hosted *h = vec_ptr(&own->j->hosted, i);
        if (h != NULL && h->group != NULL && strcmp(h->group, group) == 0) {
            least = MIN(least, h->group_value);
        }
    }
    return least;
}

static const struct coordinator_host host_ops = {
    .send_event = host_send_event,
    .run_async = host_run_async,
    .schedule = host_schedule,
    .fail = host_fail,
    .group_least = host_group_least,
};

/* ---- lives ------------------------------------------------------------------------------------------------ */

static void hosted_close(struct hosted *h)
{
    stop_timer(h);
    h->life++;
    h->healthy = false;
    mem_free(STEAL(h->group));
    if (h->coordinator != NULL) {
        if (h->desc->close != NULL) {
            h->desc->close(h->coordinator);
        }
        mem_free(h->coordinator);
        h->coordinator = NULL;
    }
}

static void set_epochs(struct hosted *h, uint64_t epoch)
{
    h->base_epoch = epoch;
    for (uint32_t i = 0; i < h->context.parallelism; i++) {
        h->epochs[i] = epoch;
    }
}

static int restore(struct hosted *h, const Flinc__CoordinatorRestore *r, struct error *err)
{
    if (r == NULL || h->desc->restore == NULL) {
        return 0;
    }
    return h->desc->restore(h->coordinator, r->checkpoint_id, r->state.data, r->state.len, err);
}

static int hosted_open(struct hosted *h, const Flinc__CoordinatorRestore *from, struct error *err)
{
    h->coordinator = mem_zalloc(h->desc->instance_size);
    h->coordinator->desc = h->desc;
    h->coordinator->ctx = &h->context;
    TRY(restore(h, from, err));
    if (h->desc->start != NULL) {
        TRY(h->desc->start(h->coordinator, &h->context, err));
    }
    h->healthy = true;
    return 0;
}

static void hosted_free(struct hosted *h)
{
    if (h != NULL) {
        hosted_close(h);
        if (h->spec != NULL) {
            flinc__operator__free_unpacked(h->spec, NULL);
        }
        mem_free(h->epochs);
        mem_free(h);
    }
}

static struct hosted *find(struct jobcoordinator *j, uint32_t number)
{
    return number < j->hosted.len ? vec_ptr(&j->hosted, number) : NULL;
}

static struct hosted *find_or_add(struct jobcoordinator *j, uint32_t number)
{
    while (j->hosted.len <= number) {
        vec_push_ptr(&j->hosted, NULL);
    }
    struct hosted **place = VEC_AT(&j->hosted, struct hosted *, number);
    if (*place == NULL) {
        *place = MEM_NEW(struct hosted);
        (*place)->j = j;
        (*place)->number = number;
        (*place)->timer = TIMER_NONE;
    }
    return *place;
}

/* ---- finding the code ---------------------------------------------------------------------------------------- */

static void on_plugin_error(void *arg, const char *path, const struct error *err)
{
    LOG_WARN(topic, "The plug-in %s is left out: %s", path, err->message);
}

static int find_desc(struct jobcoordinator *j, const Flinc__CoordinatorStart *m, const char *kind,
                     const struct coordinator_desc **ret, struct error *err)
{
    const struct plugin_descriptor *d = plugin_find(&j->plugins, PLUGIN_KIND_COORDINATOR, kind);
    for (size_t i = 0; i < m->n_libraries && d == NULL; i++) {
        struct error why = ERROR_INIT;
        if (m->libraries[i]->path[0] != '\0' &&
            plugin_load_file(&j->plugins, m->libraries[i]->path, &why) < 0) {
            LOG_DEBUG(topic, "%s has no plug-ins: %s", m->libraries[i]->path, why.message);
        }
        d = plugin_find(&j->plugins, PLUGIN_KIND_COORDINATOR, kind);
    }
    if (d == NULL) {
        error_set(err, ERR_UNSUPPORTED,
                  "the coordinator '%s' is in no plug-in and in no library of the job", kind);
        return err->code;
    }
    const struct coordinator_desc *desc = d->vtable;
    if (desc->struct_size != sizeof(*desc) || desc->instance_size < sizeof(struct coordinator)) {
        return error_set(err, ERR_UNSUPPORTED,
                         "the plug-in of coordinator '%s' was built for another version", kind);
    }
    *ret = desc;
    return 0;
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static int start(struct jobcoordinator *j, struct hosted *h, const Flinc__CoordinatorStart *m,
                 struct error *err)
{
    hosted_close(h);
    if (h->spec != NULL) {
        flinc__operator__free_unpacked(h->spec, NULL);
    }
    h->spec = flinc__operator__unpack(NULL, m->spec.len, m->spec.data);
    if (h->spec == NULL) {
        return error_set(err, ERR_CORRUPT, "a coordinator's operator is damaged");
    }
    TRY(find_desc(j, m, h->spec->coordinator, &h->desc, err));
    mem_free(h->epochs);
    h->epochs = MEM_NEW_ARRAY(uint64_t, (size_t)m->parallelism + 1);
    h->context = (struct coordinator_context){.host = &host_ops,
                                              .host_data = h,
                                              .spec = h->spec,
                                              .parallelism = m->parallelism,
                                              .clock = &clock_system};
    set_epochs(h, m->epoch);
    return hosted_open(h, m->restore, err);
}

static int reset(struct hosted *h, const Flinc__CoordinatorReset *m, struct error *err)
{
    set_epochs(h, m->epoch);
    if (h->healthy && h->desc->reset != NULL) {
        stop_timer(h);
        h->life++;
        h->healthy = false;
        TRY(h->desc->reset(h->coordinator, err));
        TRY(restore(h, m->restore, err));
        h->healthy = true;
        return 0;
    }
    hosted_close(h);
    return hosted_open(h, m->restore, err);
}

static void on_config(struct jobcoordinator *j, const Flinc__CoordinatorConfig *m)
{
    struct error err = ERROR_INIT;
    if (m->plugins_dir[0] != '\0' &&
        plugin_load_dir(&j->plugins, m->plugins_dir, on_plugin_error, NULL, &err) < 0) {
        LOG_WARN(topic, "No plug-ins are loaded: %s", err.message);
    }
}

static void on_start(struct jobcoordinator *j, const Flinc__CoordinatorStart *m)
{
    struct error err = ERROR_INIT;
    if (m->coordinator >= JOBCOORDINATOR_MAX) {
        LOG_ERROR(topic, "There is no coordinator %u.", m->coordinator);
        return;
    }
    struct hosted *h = find_or_add(j, m->coordinator);
    h->base_epoch = m->epoch;
    if (start(j, h, m, &err) < 0) {
        hosted_close(h);
        send_failed(h, &err);
        return;
    }
    Flinc__CoordinatorStarted started = FLINC__COORDINATOR_STARTED__INIT;
    Flinc__FromCoordinators answer = FLINC__FROM_COORDINATORS__INIT;
    started.coordinator = h->number;
    answer.body_case = FLINC__FROM_COORDINATORS__BODY_STARTED;
    answer.started = &started;
    send(j, &answer);
}

static void on_event(struct hosted *h, const Flinc__CoordinatorEvent *m)
{
    struct error err = ERROR_INIT;
    if (m->subtask < h->context.parallelism && h->desc->on_event != NULL &&
        h->desc->on_event(h->coordinator, m->subtask, m->payload.data, m->payload.len, &err) < 0) {
        send_failed(h, &err);
    }
}

static void on_subtask_reset(struct hosted *h, const Flinc__CoordinatorSubtaskReset *m)
{
    if (m->subtask < h->context.parallelism) {
        h->epochs[m->subtask] = m->epoch;
        if (h->desc->subtask_reset != NULL) {
            h->desc->subtask_reset(h->coordinator, m->subtask, m->checkpoint_id);
        }
    }
}

static void on_reset(struct hosted *h, const Flinc__CoordinatorReset *m)
{
    struct error err = ERROR_INIT;
    if (reset(h, m, &err) < 0) {
        send_failed(h, &err);
    }
}

static void on_take_snapshot(struct hosted *h, const Flinc__CoordinatorTakeSnapshot *m)
{
    STR_AUTO state = STR_INIT;
    struct error err = ERROR_INIT;
    Flinc__ErrorInfo info;
    Flinc__CoordinatorSnapshot snapshot = FLINC__COORDINATOR_SNAPSHOT__INIT;
    Flinc__FromCoordinators answer = FLINC__FROM_COORDINATORS__INIT;
    if (h->desc->snapshot != NULL &&
        h->desc->snapshot(h->coordinator, m->checkpoint_id, &state, &err) < 0) {
        error_info_fill(&info, &err);
        snapshot.error = &info;
    }
    snapshot.coordinator = h->number;
    snapshot.checkpoint_id = m->checkpoint_id;
    snapshot.state = (ProtobufCBinaryData){state.len, (uint8_t *)state.data};
    snapshot.epoch = h->base_epoch;
    answer.body_case = FLINC__FROM_COORDINATORS__BODY_SNAPSHOT;
    answer.snapshot = &snapshot;
    send(h->j, &answer);
}

static void on_notify(struct hosted *h, const Flinc__CoordinatorNotify *m)
{
    static const enum op_notice notices[] = {
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE] = OP_NOTICE_COMPLETE,
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED] = OP_NOTICE_ABORTED,
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_SUBSUMED] = OP_NOTICE_SUBSUMED,
    };
    if (h->desc->notify != NULL && (unsigned)m->notice < ARRAY_LEN(notices)) {
        h->desc->notify(h->coordinator, notices[m->notice], m->checkpoint_id);
    }
}

/* The running coordinator that the message is for, or NULL. */
static struct hosted *addressee(struct jobcoordinator *j, const Flinc__ToCoordinators *m)
{
    struct hosted *h = NULL;
    switch (m->body_case) {
    case FLINC__TO_COORDINATORS__BODY_EVENT:
        h = find(j, m->event->coordinator);
        break;
    case FLINC__TO_COORDINATORS__BODY_SUBTASK_RESET:
        h = find(j, m->subtask_reset->coordinator);
        break;
    case FLINC__TO_COORDINATORS__BODY_RESET:
        h = find(j, m->reset->coordinator);
        return h != NULL && h->desc != NULL ? h : NULL; /* one that did not start, too */
    case FLINC__TO_COORDINATORS__BODY_CLOSE:
        h = find(j, m->close->coordinator);
        break;
    case FLINC__TO_COORDINATORS__BODY_TAKE_SNAPSHOT:
        h = find(j, m->take_snapshot->coordinator);
        break;
    case FLINC__TO_COORDINATORS__BODY_NOTIFY:
        h = find(j, m->notify->coordinator);
        break;
    default:
        break;
    }
    return h != NULL && h->coordinator != NULL ? h : NULL;
}

static void on_message(void *target, ProtobufCMessage *message)
{
    struct jobcoordinator *j = target;
    const Flinc__ToCoordinators *m = (const Flinc__ToCoordinators *)message;
    struct hosted *h = addressee(j, m);
    if (m->body_case == FLINC__TO_COORDINATORS__BODY_CONFIG) {
        on_config(j, m->config);
    } else if (m->body_case == FLINC__TO_COORDINATORS__BODY_START) {
        on_start(j, m->start);
    } else if (h == NULL) {
        LOG_DEBUG(topic, "A message for a coordinator that does not run is dropped.");
    } else if (m->body_case == FLINC__TO_COORDINATORS__BODY_EVENT) {
        on_event(h, m->event);
    } else if (m->body_case == FLINC__TO_COORDINATORS__BODY_SUBTASK_RESET) {
        on_subtask_reset(h, m->subtask_reset);
    } else if (m->body_case == FLINC__TO_COORDINATORS__BODY_RESET) {
        on_reset(h, m->reset);
    } else if (m->body_case == FLINC__TO_COORDINATORS__BODY_TAKE_SNAPSHOT) {
        on_take_snapshot(h, m->take_snapshot);
    } else if (m->body_case == FLINC__TO_COORDINATORS__BODY_NOTIFY) {
        on_notify(h, m->notify);
    } else {
        hosted_close(h);
    }
    rpc_message_free(message);
}

static void on_closed(void *target, const struct error *why)
{
    struct jobcoordinator *j = target;
    j->options.on_over(j->options.owner);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

struct jobcoordinator *jobcoordinator_new(const struct jobcoordinator_options *options)
{
    struct jobcoordinator *j = MEM_NEW(struct jobcoordinator);
    j->options = *options;
    plugin_registry_init(&j->plugins);
    plugin_registry_expect(&j->plugins, PLUGIN_KIND_COORDINATOR, COORDINATOR_PLUGIN_VERSION);
    vec_init(&j->hosted, sizeof(struct hosted *));
    return j;
}

void jobcoordinator_get_end(struct jobcoordinator *j, struct rpc_end_options *ret_end)
{
    *ret_end = (struct rpc_end_options){
        .name = "jobcoordinator -> job master",
        .sends = &flinc__from_coordinators__descriptor,
        .receives = &flinc__to_coordinators__descriptor,
        .mailbox = loop_mailbox(j->options.loop),
        .lane = MAILBOX_LANE_DATA,
        .message_kind = JOBCOORDINATOR_OP_MESSAGE,
        .closed_kind = JOBCOORDINATOR_OP_CLOSED,
        .on_message = on_message,
        .on_closed = on_closed,
        .target = j,
    };
}

void jobcoordinator_set_channel(struct jobcoordinator *j, struct rpc_channel *take_channel)
{
    j->channel = take_channel;
}

struct jobcoordinator *jobcoordinator_free(struct jobcoordinator *j)
{
    if (j == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < j->hosted.len; i++) {
        hosted_free(vec_ptr(&j->hosted, i));
    }
    vec_fini(&j->hosted);
    rpc_channel_free(j->channel);
    plugin_registry_fini(&j->plugins);
    mem_free(j);
    return NULL;
}
