/* Stand-ins for coordinators in a child process; see coordinator_proxy.h. */
#include "jobmanager/jobmaster/coordinator_proxy.h"
#include "common/rpc/error_info.h"

#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "proto/builder.pb-c.h"
#include <stdlib.h>

enum { COORDINATOR_CHILD_VERSION = 1 };

struct proxy {
    struct coordinator base;
    uint64_t child_life; /* of the child that runs the code */
    uint64_t base_epoch; /* of the last start or reset */
    uint64_t *epochs;    /* Owns; by subtask */
    bool has_restore;    /* for the next start or reset: */
    uint64_t restore_id;
    uint8_t *restore_state; /* Owns */
    size_t restore_size;
};

static struct coordinator_holder *holder_of(const struct proxy *p)
{
    return p->base.ctx->host_data;
}

static uint32_t number_of(const struct coordinator_holder *h)
{
    return (uint32_t)(h - h->jm->coordinators.holders);
}

static int child_send(struct jobmaster *jm, Flinc__ToCoordinators *m, struct error *err)
{
    m->version = COORDINATOR_CHILD_VERSION;
    if (jm->child.channel == NULL) {
        return error_set(err, ERR_UNAVAILABLE, "the jobcoordinator process is gone");
    }
    return rpc_channel_send(jm->child.channel, &m->base, err);
}

/* ---- what the child says ------------------------------------------------------------------------------ */

/* The stand-in of this number in the present child, or NULL. */
static struct proxy *find_proxy(struct jobmaster *jm, uint32_t number)
{
    if (number >= jm->coordinators.n_holders) {
        return NULL;
    }
    struct coordinator_holder *h = &jm->coordinators.holders[number];
    struct proxy *p = (struct proxy *)h->coordinator;
    return h->desc == &coordinator_proxy_desc && p != NULL && p->child_life == jm->child.life
               ? p
               : NULL;
}

static void on_child_event(struct jobmaster *jm, const Flinc__CoordinatorEvent *m)
{
    struct proxy *p = find_proxy(jm, m->coordinator);
    if (p == NULL || m->subtask >= p->base.ctx->parallelism || m->epoch != p->epochs[m->subtask]) {
        jm->child.events_stale++;
        return;
    }
    p->base.ctx->host->send_event(p->base.ctx, m->subtask, m->payload.data, m->payload.len);
}

static void on_child_failed(struct jobmaster *jm, const Flinc__CoordinatorFailed *m)
{
    struct proxy *p = find_proxy(jm, m->coordinator);
    if (p == NULL || m->epoch != p->base_epoch) {
        return; /* of a life before the last reset */
    }
    struct error why = ERROR_INIT;
    error_info_read(m->error, "the task failed without saying why", &why);
    p->base.ctx->host->fail(p->base.ctx, &why);
}

static void on_child_snapshot(struct jobmaster *jm, const Flinc__CoordinatorSnapshot *m)
{
    struct proxy *p = find_proxy(jm, m->coordinator);
    if (p == NULL || m->epoch != p->base_epoch) {
        return; /* of a life before the last reset */
    }
    struct error why = ERROR_INIT;
    bool failed = m->error != NULL && m->error->code != 0;
    if (failed) {
        error_info_read(m->error, "the coordinator gave no state, and no reason", &why);
    }
    coordinator_on_child_snapshot(holder_of(p), m->checkpoint_id, m->state.data, m->state.len,
                                  failed ? &why : NULL);
}

static void on_child_message(void *target, ProtobufCMessage *message)
{
    struct jobmaster *jm = target;
    const Flinc__FromCoordinators *m = (const Flinc__FromCoordinators *)message;
    if (m->body_case == FLINC__FROM_COORDINATORS__BODY_EVENT) {
        on_child_event(jm, m->event);
    } else if (m->body_case == FLINC__FROM_COORDINATORS__BODY_FAILED) {
        on_child_failed(jm, m->failed);
    } else if (m->body_case == FLINC__FROM_COORDINATORS__BODY_SNAPSHOT) {
        on_child_snapshot(jm, m->snapshot);
    }
    rpc_message_free(message);
}

static void on_child_closed(void *target, const struct error *why)
{
    struct jobmaster *jm = target;
    struct error err = ERROR_INIT;
    jm->child.channel = rpc_channel_free(jm->child.channel);
    error_set(&err, ERR_UNAVAILABLE, "The jobcoordinator process of the job has ended: %s",
              why->message);
    coordinator_post_failure(jm, &err);
}

/* ---- the child's life ------------------------------------------------------------------------------------- */

static int send_config(struct jobmaster *jm, struct error *err)
{
    const char *plugins = getenv("FLINK_PLUGINS_DIR");
    Flinc__CoordinatorConfig config = FLINC__COORDINATOR_CONFIG__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    config.job_id = (ProtobufCBinaryData){sizeof(jm->job_id.bytes), jm->job_id.bytes};
    config.n_config = jm->graph.spec->n_config;
    config.config = jm->graph.spec->config;
    config.plugins_dir = (char *)(plugins != NULL ? plugins : "");
    m.body_case = FLINC__TO_COORDINATORS__BODY_CONFIG;
    m.config = &config;
    return child_send(jm, &m, err);
}

static int child_start(struct jobmaster *jm, struct error *err)
{
    const struct coordinator_launcher *launcher = jm->options.launcher;
    struct rpc_end_options end = {
        .name = "job master -> jobcoordinator",
        .sends = &flinc__to_coordinators__descriptor,
        .receives = &flinc__from_coordinators__descriptor,
        .mailbox = component_mailbox(jm->component),
        .lane = MAILBOX_LANE_DATA,
        .message_kind = JOBMASTER_OP_CHILD_MESSAGE,
        .closed_kind = JOBMASTER_OP_CHILD_CLOSED,
        .on_message = on_child_message,
        .on_closed = on_child_closed,
        .target = jm,
    };
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_child"));
    TRY_CTX(err, launcher->start(launcher->arg, &jm->job_id, &end, &jm->child.channel, err),
            "starting the jobcoordinator process");
    jm->child.life++;
    return send_config(jm, err);
}

void coordinator_child_fini(struct jobmaster *jm)
{
    jm->child.channel = rpc_channel_free(jm->child.channel);
}

/* ---- the stand-in -------------------------------------------------------------------------------------------- */

static void set_epochs(struct proxy *p)
{
    uint64_t epoch = ++holder_of(p)->jm->child.epoch;
    p->base_epoch = epoch;
    for (uint32_t i = 0; i < p->base.ctx->parallelism; i++) {
        p->epochs[i] = epoch;
    }
}

/* What the next start or reset restores.  False: nothing. */
static bool describe_restore(const struct proxy *p, Flinc__CoordinatorRestore *ret)
{
    flinc__coordinator_restore__init(ret);
    ret->checkpoint_id = p->restore_id;
    ret->state = (ProtobufCBinaryData){p->restore_size, p->restore_state};
    return p->has_restore;
}

static void drop_restore(struct proxy *p)
{
    mem_free(p->restore_state);
    p->restore_state = NULL;
    p->restore_size = 0;
    p->has_restore = false;
}

static int send_start(struct proxy *p, struct error *err)
{
    struct coordinator_holder *h = holder_of(p);
    struct jobmaster *jm = h->jm;
    Flinc__CoordinatorStart start = FLINC__COORDINATOR_START__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    if (jm->child.channel == NULL) {
        TRY(child_start(jm, err));
    }
    set_epochs(p);
    p->child_life = jm->child.life;
    start.coordinator = number_of(h);
    start.parallelism = p->base.ctx->parallelism;
    start.n_libraries = jm->graph.spec->n_libraries;
    start.libraries = jm->graph.spec->libraries;
    start.epoch = p->base_epoch;
    Flinc__CoordinatorRestore restore;
    start.restore = describe_restore(p, &restore) ? &restore : NULL;
    start.spec.len = flinc__operator__get_packed_size(p->base.ctx->spec);
    start.spec.data = mem_alloc(start.spec.len + 1);
    flinc__operator__pack(p->base.ctx->spec, start.spec.data);
    m.body_case = FLINC__TO_COORDINATORS__BODY_START;
    m.start = &start;
    int rc = child_send(jm, &m, err);
    mem_free(start.spec.data);
    drop_restore(p);
    return rc;
}

static int proxy_start(struct coordinator *c, struct coordinator_context *ctx, struct error *err)
{
    struct proxy *p = (struct proxy *)c;
    p->epochs = MEM_NEW_ARRAY(uint64_t, (size_t)ctx->parallelism + 1);
    return send_start(p, err);
}

/* Before start(), and here before reset(), too: the child is told with it. */
static int proxy_restore(struct coordinator *c, uint64_t checkpoint_id, const uint8_t *state,
                         size_t size, struct error *err)
{
    struct proxy *p = (struct proxy *)c;
    drop_restore(p);
    p->has_restore = true;
    p->restore_id = checkpoint_id;
    p->restore_state = size > 0 ? mem_dup(state, size) : NULL;
    p->restore_size = size;
    return 0;
}

int coordinator_proxy_ask_snapshot(struct coordinator_holder *h, uint64_t checkpoint_id,
                                   struct error *err)
{
    Flinc__CoordinatorTakeSnapshot take = FLINC__COORDINATOR_TAKE_SNAPSHOT__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    take.coordinator = number_of(h);
    take.checkpoint_id = checkpoint_id;
    m.body_case = FLINC__TO_COORDINATORS__BODY_TAKE_SNAPSHOT;
    m.take_snapshot = &take;
    return child_send(h->jm, &m, err);
}

static void proxy_notify(struct coordinator *c, enum op_notice notice, uint64_t checkpoint_id)
{
    static const Flinc__CheckpointNotice notices[] = {
        [OP_NOTICE_COMPLETE] = FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE,
        [OP_NOTICE_ABORTED] = FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED,
        [OP_NOTICE_SUBSUMED] = FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_SUBSUMED,
    };
    struct error ignored = ERROR_INIT;
    Flinc__CoordinatorNotify notify = FLINC__COORDINATOR_NOTIFY__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    notify.coordinator = number_of(holder_of((struct proxy *)c));
    notify.notice = notices[notice];
    notify.checkpoint_id = checkpoint_id;
    m.body_case = FLINC__TO_COORDINATORS__BODY_NOTIFY;
    m.notify = &notify;
    (void)!child_send(holder_of((struct proxy *)c)->jm, &m, &ignored);
}

static int proxy_on_event(struct coordinator *c, uint32_t subtask, const uint8_t *data, size_t size,
                          struct error *err)
{
    struct proxy *p = (struct proxy *)c;
    Flinc__CoordinatorEvent event = FLINC__COORDINATOR_EVENT__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    event.coordinator = number_of(holder_of(p));
    event.subtask = subtask;
    event.payload = (ProtobufCBinaryData){size, (uint8_t *)data};
    m.body_case = FLINC__TO_COORDINATORS__BODY_EVENT;
    m.event = &event;
    return child_send(holder_of(p)->jm, &m, err);
}

/* What cannot be sent is lost with the child, whose end is on its way and resets everything. */
static void proxy_subtask_reset(struct coordinator *c, uint32_t subtask, uint64_t checkpoint_id)
{
    struct proxy *p = (struct proxy *)c;
    struct jobmaster *jm = holder_of(p)->jm;
    struct error err = ERROR_INIT;
    Flinc__CoordinatorSubtaskReset reset = FLINC__COORDINATOR_SUBTASK_RESET__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    p->epochs[subtask] = ++jm->child.epoch;
    reset.coordinator = number_of(holder_of(p));
    reset.subtask = subtask;
    reset.epoch = p->epochs[subtask];
    reset.checkpoint_id = checkpoint_id;
    m.body_case = FLINC__TO_COORDINATORS__BODY_SUBTASK_RESET;
    m.subtask_reset = &reset;
    if (child_send(jm, &m, &err) < 0) {
        coordinator_post_failure(jm, &err);
    }
}

static int proxy_reset(struct coordinator *c, struct error *err)
{
    struct proxy *p = (struct proxy *)c;
    struct jobmaster *jm = holder_of(p)->jm;
    Flinc__CoordinatorReset reset = FLINC__COORDINATOR_RESET__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    if (jm->child.channel == NULL || p->child_life != jm->child.life) {
        return send_start(p, err); /* in another child */
    }
    set_epochs(p);
    reset.coordinator = number_of(holder_of(p));
    reset.epoch = p->base_epoch;
    Flinc__CoordinatorRestore restore;
    reset.restore = describe_restore(p, &restore) ? &restore : NULL;
    m.body_case = FLINC__TO_COORDINATORS__BODY_RESET;
    m.reset = &reset;
    int rc = child_send(jm, &m, err);
    drop_restore(p);
    return rc;
}

static void proxy_close(struct coordinator *c)
{
    struct proxy *p = (struct proxy *)c;
    struct error ignored = ERROR_INIT;
    Flinc__CoordinatorClose close_it = FLINC__COORDINATOR_CLOSE__INIT;
    Flinc__ToCoordinators m = FLINC__TO_COORDINATORS__INIT;
    close_it.coordinator = number_of(holder_of(p));
    m.body_case = FLINC__TO_COORDINATORS__BODY_CLOSE;
    m.close = &close_it;
    (void)!child_send(holder_of(p)->jm, &m, &ignored);
    drop_restore(p);
    mem_free(p->epochs);
}

const struct coordinator_desc coordinator_proxy_desc = {
    .struct_size = sizeof(struct coordinator_desc),
    .kind = "flinc.proxy",
    .instance_size = sizeof(struct proxy),
    .start = proxy_start,
    .on_event = proxy_on_event,
    .subtask_reset = proxy_subtask_reset,
    .reset = proxy_reset,
    .close = proxy_close,
    .restore = proxy_restore,
    .notify = proxy_notify,
};
