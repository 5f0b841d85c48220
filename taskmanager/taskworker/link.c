/* The channel between the job master and the worker, inside the socket to the task manager: a transport
 * whose bytes are LinkMessages with the number of the link.  Links follow each other; what belongs to an
 * earlier one is dropped here and at the task manager.
 *
 * Thread: sends the worker's; deliveries the main one's.  A link is freed by the worker, with its channel,
 * and taken out of taskworker.link then. */
#include "taskmanager/taskworker/taskworker.h"

struct link {
    struct taskworker *owner; /* Borrows */
    uint64_t number;
    struct rpc_channel *channel; /* Borrows: it owns the link */
};

static void send_closed(struct taskworker *tw, uint64_t number, const char *reason)
{
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    Flinc__MasterLinkClosed closed = FLINC__MASTER_LINK_CLOSED__INIT;
    closed.link = number;
    closed.reason = (char *)(uintptr_t)reason;
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_LINK_CLOSED;
    m.link_closed = &closed;
    taskworker_send(tw, &m);
}

static int link_send(void *transport, const uint8_t *bytes, size_t size, struct error *err)
{
    struct link *l = transport;
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    Flinc__LinkMessage message = FLINC__LINK_MESSAGE__INIT;
    m.version = TASKWORKER_PROTOCOL;
    message.link = l->number;
    message.message = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)bytes};
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_MESSAGE;
    m.message = &message;
    return rpc_channel_send(l->owner->manager, &m.base, err);
}

static void link_close(void *transport)
{
    struct link *l = transport;
    send_closed(l->owner, l->number, "the worker closed it");
}

static void link_free(void *transport)
{
    struct link *l = transport;
    struct taskworker *tw = l->owner;
    pthread_mutex_lock(&tw->link_lock);
    if (tw->link == l) {
        tw->link = NULL;
    }
    pthread_mutex_unlock(&tw->link_lock);
    mem_free(l);
}

static const struct rpc_transport_ops link_ops = {
    .name = "link",
    .send = link_send,
    .close = link_close,
    .free = link_free,
};

int taskworker_open_link(struct taskworker *tw, const Flinc__MasterLink *link, struct error *err)
{
    struct rpc_end_options end;
    struct rpc_channel *channel = NULL;
    struct flinc_id token;
    if (link->master_token.len != sizeof(token)) {
        return error_set(err, ERR_CORRUPT, "a master's token of %zu bytes", link->master_token.len);
    }
    memcpy(&token, link->master_token.data, sizeof(token));
    struct link *l = MEM_NEW(struct link);
    l->owner = tw;
    l->number = link->link;
    worker_get_end(tw->worker, &end);
    int rc = rpc_channel_new(&end, &link_ops, l, &channel, err);
    if (rc < 0) {
        mem_free(l);
        return rc;
    }
    l->channel = channel;
    pthread_mutex_lock(&tw->link_lock);
    tw->link = l;
    pthread_mutex_unlock(&tw->link_lock);
    worker_replace_master(tw->worker, &token, channel);
    return 0;
}

void taskworker_deliver(struct taskworker *tw, const Flinc__LinkMessage *message)
{
    struct error err = ERROR_INIT;
    int rc = 0;
    pthread_mutex_lock(&tw->link_lock);
    struct link *l = tw->link;
    if (l != NULL && l->number == message->link) {
        rc = rpc_channel_deliver(l->channel, message->message.data, message->message.len, &err);
        if (rc == ERR_LIMIT) { /* a message is lost: the master must not go on as if it were not */
            rpc_channel_peer_closed(l->channel, &err);
        }
    }
    pthread_mutex_unlock(&tw->link_lock);
    if (rc < 0 && rc != ERR_CLOSED) {
        send_closed(tw, message->link, err.message);
    }
}

void taskworker_close_link(struct taskworker *tw, const Flinc__MasterLinkClosed *closed)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CLOSED, "%s", closed->reason);
    pthread_mutex_lock(&tw->link_lock);
    if (tw->link != NULL && tw->link->number == closed->link) {
        rpc_channel_peer_closed(tw->link->channel, &why);
    }
    pthread_mutex_unlock(&tw->link_lock);
}
