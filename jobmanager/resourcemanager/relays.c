/* Links between job masters and workers: the resource manager passes packed messages on, unread, between a
 * channel of the job master and the stream of the task manager where the worker is.
 *
 * Downwards a message goes from the job master's thread straight to the stream; upwards it comes by the
 * resource manager's mailbox.  Both keep their order.
 * Thread: the resource manager's, but the transport's functions: any. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

void rm_relay_unref(void *relay)
{
    struct rm_relay *r = relay;
    if (r != NULL && atomic_fetch_sub(&r->refs, 1) == 1) {
        rm_sender_unref(r->sender);
        rm_job_unref(r->job);
        pthread_mutex_destroy(&r->lock);
        mem_free(r);
    }
}

/* ---- the transport of the job master's channel -------------------------------------------------------- */

static int relay_send(void *transport, const uint8_t *bytes, size_t size, struct error *err)
{
    struct rm_relay *r = transport;
    if (atomic_load(&r->over)) {
        return error_set(err, ERR_CLOSED, "the link to the worker is over");
    }
    Flinc__ToWorker to_worker = FLINC__TO_WORKER__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    to_worker.job_id = rm_id_data(&r->job_id);
    to_worker.incarnation = rm_id_data(&r->incarnation);
    to_worker.message = (ProtobufCBinaryData){size, (uint8_t *)bytes};
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_TO_WORKER;
    m.to_worker = &to_worker;
    TRY(FAILPOINT(err, "resourcemanager.relay.before_send"));
    return rm_sender_send(r->sender, &m, err);
}

static void unlist(struct rm_relay *r);

/* In the mailbox: the job master has closed its end. */
static void run_relay_closed(void *target, void *payload)
{
    struct rm_relay *r = payload;
    if (r->tm != NULL) {
        struct rm_tm *tm = r->tm;
        rm_relay_close_worker(r, "the job master has closed the link");
        for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
            struct rm_slot *s = rm_tm_row(tm, i);
            if (s->relay == r) {
                s->relay = NULL;
                rm_slot_give_up(s, "the job master has closed the link");
            }
        }
        unlist(r);
    }
    rm_relay_unref(r);
}

static void relay_close(void *transport)
{
    struct rm_relay *r = transport;
    if (atomic_exchange(&r->over, true)) {
        return; /* this side ended it */
    }
    atomic_fetch_add(&r->refs, 1);
    struct mailbox_op op = {.kind = RM_OP_RELAY_CLOSED,
                            .run = run_relay_closed,
                            .target = r->rm,
                            .payload = r,
                            .drop = rm_relay_unref};
    if (mailbox_post_internal(component_mailbox(r->rm->component), MAILBOX_LANE_CONTROL, &op) < 0) {
        rm_relay_unref(r);
    }
}

static void relay_free(void *transport)
{
    struct rm_relay *r = transport;
    pthread_mutex_lock(&r->lock);
    r->channel = NULL;
    pthread_mutex_unlock(&r->lock);
    rm_relay_unref(r);
}

static const struct rpc_transport_ops relay_ops = {
    .name = "relay",
    .send = relay_send,
    .close = relay_close,
    .free = relay_free,
};

/* ---- opening ------------------------------------------------------------------------------------------- */

static struct rm_relay *find(const struct rm_tm *tm, const struct flinc_id *job_id,
                             const struct flinc_id *incarnation)
{
    for (size_t i = 0; i < tm->relays.len; i++) {
        struct rm_relay *r = vec_ptr(&tm->relays, i);
        if (id_eq(&r->job_id, job_id) && id_eq(&r->incarnation, incarnation)) {
            return r;
        }
    }
    return NULL;
}

/* Links to earlier workers of the job there. */
static void end_earlier(struct rm_tm *tm, const struct rm_job *job)
{
    for (size_t i = tm->relays.len; i > 0; i--) {
        struct rm_relay *r = vec_ptr(&tm->relays, i - 1);
        if (id_eq(&r->job_id, &job->spec.job_id)) {
            struct error why = ERROR_INIT;
            error_set(
                &why, ERR_UNAVAILABLE,
                "The worker of the job on TaskManager with id %s was replaced by another one.",
                tm->id);
            rm_relay_end(r, &why);
        }
    }
}

static int open_channel(struct rm_relay *r, struct error *err)
{
    struct jobmaster *jm = r->job->spec.jm;
    struct rpc_end_options end;
    struct rpc_channel *channel = NULL;
    STR_AUTO endpoint = STR_INIT;
    STR_AUTO location = STR_INIT;
    char hex[ID_HEX_LEN + 1];
    id_format(&r->incarnation, hex);
    str_printf(&endpoint, "%s:%u", r->tm->info->host, r->tm->info->data_port);
    str_printf(&location, "%s/%s", r->tm->info->data_address, hex);
    jobmaster_get_end(jm, r->number, &end);
    TRY(rpc_channel_new(&end, &relay_ops, r, &channel, err));
    atomic_fetch_add(&r->refs, 1); /* the channel's */
    r->channel = channel;
    struct worker_place place = {r->tm->id, r->tm->info->host, str_cstr(&endpoint),
                                 str_cstr(&location)};
    jobmaster_add_worker(jm, r->number, &place, channel);
    return 0;
}

struct rm_relay *rm_relay_open(struct rm_tm *tm, struct rm_job *job,
                               const struct flinc_id *incarnation)
{
    struct rm_relay *r = find(tm, &job->spec.job_id, incarnation);
    if (r != NULL && r->job == job && !atomic_load(&r->over)) {
        return r;
    }
    end_earlier(tm, job);
    r = MEM_NEW(struct rm_relay);
    atomic_init(&r->refs, 1);
    r->rm = tm->rm;
    r->sender = rm_sender_ref(tm->sender);
    r->job_id = job->spec.job_id;
    r->incarnation = *incarnation;
    pthread_mutex_init(&r->lock, NULL);
    r->tm = tm;
    r->job = rm_job_ref(job);
    r->number = job->next_worker++;
    struct error err = ERROR_INIT;
    if (open_channel(r, &err) < 0) {
        LOG_WARN(RM_TOPIC, "A link of job %s to its worker on %s was not made: %s", job->hex,
                 tm->id, err.message);
        rm_relay_unref(r);
        return NULL;
    }
    vec_push_ptr(&tm->relays, r);
    return r;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static struct rm_relay *find_named(struct rm_tm *tm, const ProtobufCBinaryData *job_id,
                                   const ProtobufCBinaryData *incarnation)
{
    struct flinc_id job, worker;
    if (job_id->len != sizeof(job.bytes) || incarnation->len != sizeof(worker.bytes)) {
        rm_count(tm->rm, &tm->rm->stats.messages_malformed);
        return NULL;
    }
    rm_id_copy(&job, job_id);
    rm_id_copy(&worker, incarnation);
    struct rm_relay *r = find(tm, &job, &worker);
    if (r == NULL) {
        rm_count(tm->rm, &tm->rm->stats.messages_fenced);
    }
    return r;
}

void rm_relay_on_message(struct rm_tm *tm, const Flinc__FromWorker *m)
{
    struct rm_relay *r = find_named(tm, &m->job_id, &m->incarnation);
    if (r == NULL) {
        return;
    }
    struct error err = ERROR_INIT;
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    if (r->channel != NULL) {
        rc = rpc_channel_deliver(r->channel, m->message.data, m->message.len, &err);
    }
    pthread_mutex_unlock(&r->lock);
    if (rc == ERR_LIMIT && !r->job->removed) {
        LOG_WARN(RM_TOPIC, "A message of a worker of job %s is lost and will be asked for: %s",
                 r->job->hex, err.message);
        jobmaster_reconcile(r->job->spec.jm);
    }
}

void rm_relay_on_closed(struct rm_tm *tm, const Flinc__WorkerClosed *m)
{
    struct rm_relay *r = find_named(tm, &m->job_id, &m->incarnation);
    if (r != NULL) {
        struct error why = ERROR_INIT;
        error_info_read(m->error, RM_NO_REASON, &why);
        rm_relay_end(r, &why);
    }
}

/* ---- ending -------------------------------------------------------------------------------------------- */

static void unlist(struct rm_relay *r)
{
    struct rm_tm *tm = r->tm;
    for (size_t i = 0; i < tm->relays.len; i++) {
        if (vec_ptr(&tm->relays, i) == r) {
            vec_remove(&tm->relays, i);
            break;
        }
    }
    r->tm = NULL;
    rm_relay_unref(r);
}

void rm_relay_end(struct rm_relay *r, const struct error *why)
{
    struct rm_tm *tm = r->tm;
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->over, true);
    if (r->channel != NULL) {
        rpc_channel_peer_closed(r->channel, why);
    }
    pthread_mutex_unlock(&r->lock);
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        struct rm_slot *s = rm_tm_row(tm, i);
        if (s->relay == r) {
            s->relay = NULL;
            rm_slot_expect_free(s);
        }
    }
    unlist(r);
}

void rm_relay_slot_gone(struct rm_relay *r)
{
    ASSERT(r->n_slots > 0);
    if (--r->n_slots == 0) {
        struct error why = ERROR_INIT;
        error_set(&why, ERR_UNAVAILABLE,
                  "The last slot of the job on TaskManager with id %s is gone.", r->tm->id);
        rm_relay_end(r, &why);
    }
}

void rm_relay_close_worker(struct rm_relay *r, const char *reason)
{
    Flinc__CloseWorkerLink close_link = FLINC__CLOSE_WORKER_LINK__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    struct error err = ERROR_INIT;
    close_link.job_id = rm_id_data(&r->job_id);
    close_link.incarnation = rm_id_data(&r->incarnation);
    close_link.reason = (char *)reason;
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_CLOSE_WORKER_LINK;
    m.close_worker_link = &close_link;
    if (rm_tm_send(r->tm, &m, &err) < 0) {
        LOG_DEBUG(RM_TOPIC, "A worker was not told that its job master is gone: %s", err.message);
    }
}
