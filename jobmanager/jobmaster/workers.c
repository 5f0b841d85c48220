/* Links to workers and what is sent on them; see workers.h. */
#include "jobmanager/jobmaster/workers.h"

#include "jobmanager/jobmaster/jobmaster_internal.h"

void workers_init(struct workers *w, struct jobmaster *jm)
{
    *w = (struct workers){.jm = jm};
    pthread_mutex_init(&w->lock, NULL);
    vec_init(&w->links, sizeof(struct worker_link *));
    vec_init(&w->to_cancel, sizeof(struct worker_link *));
    map_init(&w->by_number, NULL);
}

static void link_free(struct worker_link *link)
{
    rpc_channel_free(link->channel);
    vec_fini(&link->cancel_batch);
    vec_fini(&link->deploy_batch);
    vec_fini(&link->checkpoint_batch);
    mem_free(link->name);
    place_unref(link->place);
    mem_free(link);
}

void workers_fini(struct workers *w)
{
    for (size_t i = 0; i < w->links.len; i++) {
        link_free(vec_ptr(&w->links, i));
    }
    vec_fini(&w->links);
    vec_fini(&w->to_cancel);
    map_fini(&w->by_number);
    pthread_mutex_destroy(&w->lock);
}

/* ---- connecting ------------------------------------------------------------------------------- */

static void link_on_message(void *target, ProtobufCMessage *message)
{
    struct worker_link *link = target;
    messages_on_worker_message(link->jm, link, (const Flinc__WorkerToMaster *)message);
    rpc_message_free(message);
}

static void link_on_closed(void *target, const struct error *why)
{
    struct worker_link *link = target;
    if (link->channel == NULL) {
        link->over = true; /* before its owner handed it in: workers_connect() is still to come */
        return;
    }
    messages_on_worker_closed(link->jm, link, why);
    workers_remove(&link->jm->workers, link);
}

void workers_get_end(struct workers *w, uint32_t number, struct rpc_end_options *ret_end)
{
    struct worker_link *link = MEM_NEW(struct worker_link);
    STR_AUTO name = STR_INIT;
    link->jm = w->jm;
    link->number = number;
    vec_init(&link->cancel_batch, sizeof(struct flinc_id));
    vec_init(&link->deploy_batch, sizeof(struct subtask *));
    vec_init(&link->checkpoint_batch, sizeof(struct subtask *));
    pthread_mutex_lock(&w->lock);
    str_printf(&name, "jobmaster %s -> worker %u, connection %llu", w->jm->job_hex, number,
               (unsigned long long)++w->n_connections);
    link->name = str_take(&name);
    vec_push_ptr(&w->links, link);
    pthread_mutex_unlock(&w->lock);
    *ret_end = (struct rpc_end_options){
        .name = link->name,
        .sends = &flinc__master_to_worker__descriptor,
        .receives = &flinc__worker_to_master__descriptor,
        .mailbox = component_mailbox(w->jm->component),
        .lane = MAILBOX_LANE_DATA,
        .message_kind = JOBMASTER_OP_WORKER_MESSAGE,
        .closed_kind = JOBMASTER_OP_WORKER_CLOSED,
        .on_message = link_on_message,
        .on_closed = link_on_closed,
        .target = link,
    };
}

struct worker_link *workers_find_by_channel(struct workers *w, const struct rpc_channel *channel)
{
    struct worker_link *found = NULL;
    pthread_mutex_lock(&w->lock);
    for (size_t i = w->links.len; i > 0 && found == NULL; i--) {
        struct worker_link *link = vec_ptr(&w->links, i - 1);
        if (strcmp(link->name, rpc_channel_name(channel)) == 0) {
            found = link;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

void workers_connect(struct workers *w, struct worker_link *link, struct rpc_channel *take_channel)
{
    ASSERT(workers_find(w, link->number) == NULL);
    pthread_mutex_lock(&w->lock);
    link->channel = take_channel;
    pthread_mutex_unlock(&w->lock);
    link->connected = true;
    (void)map_put_bytes(&w->by_number, &link->number, sizeof(link->number), link);
}

void workers_disconnect(struct workers *w, struct worker_link *link)
{
    if (link->connected) {
        link->connected = false;
        map_remove_bytes(&w->by_number, &link->number, sizeof(link->number));
        vec_clear(&link->cancel_batch);
    }
}

void workers_remove(struct workers *w, struct worker_link *link)
{
    workers_disconnect(w, link);
    workers_flush_cancels(w); /* nobody names the link any more */
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->links.len; i++) {
        if (vec_ptr(&w->links, i) == link) {
            vec_remove_swap(&w->links, i);
            break;
        }
    }
    pthread_mutex_unlock(&w->lock);
    link_free(link);
}

struct worker_link *workers_find(const struct workers *w, uint32_t number)
{
    return map_find_bytes(&w->by_number, &number, sizeof(number));
}

/* ---- messages --------------------------------------------------------------------------------- */

int workers_send(struct workers *w, struct worker_link *link, Flinc__MasterToWorker *message,
                 struct error *err)
{
    if (!link->connected) {
        return error_set(err, ERR_UNAVAILABLE, "worker %u is not connected", link->number);
    }
    struct flinc_id *token = &w->jm->options.fencing_token;
    message->version = CONTROL_VERSION;
    message->fencing_token = (ProtobufCBinaryData){sizeof(token->bytes), token->bytes};
    return rpc_channel_send(link->channel, &message->base, err);
}

bool workers_token_fits(const struct workers *w, const Flinc__WorkerToMaster *message)
{
    const struct flinc_id *token = &w->jm->options.fencing_token;
    return message->fencing_token.len == sizeof(token->bytes) &&
           memcmp(message->fencing_token.data, token->bytes, sizeof(token->bytes)) == 0;
}

void workers_cancel(struct workers *w, uint32_t number, const struct flinc_id *attempt_id)
{
    struct worker_link *link = workers_find(w, number);
    if (link == NULL) {
        return; /* it is gone with its tasks */
    }
    if (link->cancel_batch.len == 0) {
        vec_push_ptr(&w->to_cancel, link);
    }
    *VEC_PUSH(&link->cancel_batch, struct flinc_id) = *attempt_id;
}

static int send_cancels(struct workers *w, struct worker_link *link, struct error *err)
{
    size_t n = link->cancel_batch.len;
    ProtobufCBinaryData *ids = MEM_NEW_ARRAY(ProtobufCBinaryData, n);
    for (size_t i = 0; i < n; i++) {
        struct flinc_id *id = VEC_AT(&link->cancel_batch, struct flinc_id, i);
        ids[i] = (ProtobufCBinaryData){sizeof(id->bytes), id->bytes};
    }
    Flinc__CancelTasks cancel = FLINC__CANCEL_TASKS__INIT;
    cancel.attempt_ids = ids;
    cancel.n_attempt_ids = n;
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_CANCEL;
    message.cancel = &cancel;
    int rc = FAILPOINT(err, "jobmaster.cancel.before_send");
    if (rc == 0) {
        rc = workers_send(w, link, &message, err);
    }
    mem_free(ids);
    return rc;
}

void workers_flush_cancels(struct workers *w)
{
    for (size_t i = 0; i < w->to_cancel.len; i++) {
        struct worker_link *link = vec_ptr(&w->to_cancel, i);
        struct error err = ERROR_INIT;
        if (link->cancel_batch.len > 0 && send_cancels(w, link, &err) < 0) {
            LOG_WARN(JOBMASTER_TOPIC,
                     "Cancelling %zu tasks on worker %u failed and will be tried again with the "
                     "next state request: %s",
                     link->cancel_batch.len, link->number, err.message);
        }
        vec_clear(&link->cancel_batch);
    }
    vec_clear(&w->to_cancel);
}
