/* A bidirectional gRPC stream as a transport of channels.
 *
 * Sending: one SEND_MESSAGE is in flight; what comes meanwhile waits in a bounded queue.
 *
 *     OPEN ----close----> CLOSING ---queue is empty---> ENDING        (half close / status is sent)
 *      |                     |                             |
 *      +---------------------+--- connection over ---------+--> BROKEN
 *
 * Receiving: one RECV_MESSAGE is in flight, and the next is asked for only when the one before is in the
 * receiver's mailbox.  When that is full the message is held and tried again by a timer; HTTP/2's flow
 * control then stops the sender.  The channel hears of the end after the last message.
 *
 * A client's status (a server's close) is asked for at once and completes last, so a call has batches in
 * flight until it is over; with the last of them the gRPC call is given up.  Cancelling is how everything
 * that takes too long is ended: connecting, flushing after a close, a server's or client's end.
 *
 * Thread: any.  `lock` is held over gRPC's start_batch, which wants calls in turn and never waits;
 * `receive_lock`, taken first, over a delivery into the mailbox, so that none runs once the channel was
 * freed. */
#include "common/rpc/grpc/stream.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/wire.h"
#include <grpc/support/alloc.h>
#include <stdio.h>

enum stream_state { STREAM_OPEN, STREAM_CLOSING, STREAM_ENDING, STREAM_BROKEN, STREAM_STATES };

/* By from, the states that may follow. */
static const uint8_t stream_moves[STREAM_STATES] = {
    [STREAM_OPEN] = 1 << STREAM_CLOSING | 1 << STREAM_BROKEN,
    [STREAM_CLOSING] = 1 << STREAM_ENDING | 1 << STREAM_BROKEN,
    [STREAM_ENDING] = 1 << STREAM_BROKEN,
    [STREAM_BROKEN] = 0,
};

struct stream_message {
    struct stream_message *next;
    grpc_byte_buffer *buffer; /* Owns */
    size_t size;
};

struct rpc_stream {
    struct rpc_member member;
    _Atomic uint32_t refs; /* the channel's or opener's, one per batch in flight or timer */
    struct rpc_runtime *runtime;
    struct rpc_group *group; /* counted */
    enum rpc_stream_side side;
    char *peer;                    /* Owns */
    struct rpc_secure_end *secure; /* counted; may be NULL */

    pthread_mutex_t receive_lock;
    struct rpc_channel *channel; /* Borrows; NULL: none yet, or freed */
    bool received_all, got_status, told;
    _Atomic bool abandoned; /* its server or client ends: what cannot be delivered is dropped */
    grpc_byte_buffer *held; /* Owns: what the mailbox had no room for */
    int64_t retry_ms;
    uint32_t n_received;
    struct error why; /* of the end, for the channel */

    pthread_mutex_t lock;
    enum stream_state state;
    grpc_call *call; /* Owns; NULL: over */
    uint32_t n_batches;
    bool sending, timed_out;
    struct stream_message *queue, **queue_end; /* Owns */
    uint64_t queue_bytes;
    uint32_t queue_len, n_sent;
    struct rpc_status end_status; /* server: sent at the end */
    struct rpc_timer connect_timer, linger_timer, retry_timer;

    /* Of batches in flight. */
    struct rpc_tag tag_status, tag_start, tag_sent, tag_end, tag_received;
    grpc_byte_buffer *outgoing, *incoming; /* Owns */
    grpc_metadata_array headers, trailers;
    grpc_status_code status;
    grpc_slice status_text;
    int cancelled;
};

static void stream_transition(struct rpc_stream *s, enum stream_state to)
{
    ASSERT((stream_moves[s->state] >> to & 1) != 0);
    s->state = to;
}

static void stream_ref(struct rpc_stream *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void stream_unref(struct rpc_stream *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ASSERT(s->call == NULL && s->queue == NULL);
    grpc_metadata_array_destroy(&s->headers);
    grpc_metadata_array_destroy(&s->trailers);
    grpc_slice_unref(s->status_text);
    rpc_status_fini(&s->end_status);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->receive_lock);
    rpc_group_unref(s->group);
    rpc_secure_end_unref(s->secure);
    mem_free(s->peer);
    mem_free(s);
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* Under lock.  False: the call is over. */
static bool stream_batch(struct rpc_stream *s, const grpc_op *ops, size_t n, struct rpc_tag *tag)
{
    if (s->call == NULL) {
        return false;
    }
    grpc_call *call = s->call;
    if (grpc_call_start_batch(call, ops, n, rpc_tag_take(tag), NULL) != GRPC_CALL_OK) {
        rpc_tag_give(tag);
        return false;
    }
    s->n_batches++;
    stream_ref(s);
    return true;
}

static void stream_clear_timer(struct rpc_stream *s, struct rpc_timer *t)
{
    if (rpc_timer_clear(s->runtime, t)) {
        stream_unref(s);
    }
}

static void stream_set_timer(struct rpc_stream *s, struct rpc_timer *t, int64_t delay_ms,
                             void (*fn)(void *arg))
{
    stream_ref(s);
    rpc_timer_set(s->runtime, t, delay_ms, fn, s);
}

/* A batch is done; the last one gives the call up. */
static void stream_batch_done(struct rpc_stream *s)
{
    grpc_call *call = NULL;
    pthread_mutex_lock(&s->lock);
    ASSERT(s->n_batches > 0);
    if (--s->n_batches == 0) {
        call = STEAL(s->call);
        if (s->state != STREAM_BROKEN) {
            stream_transition(s, STREAM_BROKEN);
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (call != NULL) {
        stream_clear_timer(s, &s->connect_timer);
        stream_clear_timer(s, &s->linger_timer);
        grpc_call_unref(call);
        rpc_group_remove(s->group, &s->member);
    }
    stream_unref(s);
}

/* ---- sending ----------------------------------------------------------------------------------- */

/* Under lock. */
static void stream_drop_queue(struct rpc_stream *s)
{
    while (s->queue != NULL) {
        struct stream_message *m = s->queue;
        s->queue = m->next;
        grpc_byte_buffer_destroy(m->buffer);
        mem_free(m);
    }
    s->queue_end = &s->queue;
    s->queue_bytes = s->queue_len = 0;
}

/* Under lock: nothing can be sent any more. */
static void stream_break(struct rpc_stream *s)
{
    stream_drop_queue(s);
    if (s->state != STREAM_BROKEN) {
        stream_transition(s, STREAM_BROKEN);
    }
}

/* Under lock: the half close of a client, the status of a server. */
static void stream_send_end(struct rpc_stream *s)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    if (s->side == RPC_STREAM_SERVER) {
        rpc_status_op(&s->end_status, &op);
    }
    stream_transition(s, STREAM_ENDING);
    if (!stream_batch(s, &op, 1, &s->tag_end)) {
        stream_break(s);
    }
}

/* Under lock: sends what is next. */
static void stream_pump(struct rpc_stream *s)
{
    if (s->sending) {
        return;
    }
    struct stream_message *m = s->queue;
    if (m == NULL) {
        if (s->state == STREAM_CLOSING) {
            stream_send_end(s);
        }
        return;
    }
    s->queue = m->next;
    if (s->queue == NULL) {
        s->queue_end = &s->queue;
    }
    s->queue_bytes -= m->size;
    s->queue_len--;
    s->outgoing = m->buffer;
    mem_free(m);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = s->outgoing};
    s->sending = stream_batch(s, &op, 1, &s->tag_sent);
    if (!s->sending) {
        grpc_byte_buffer_destroy(STEAL(s->outgoing));
        stream_break(s);
    }
}

static void stream_on_sent(void *arg, bool ok)
{
    struct rpc_stream *s = arg;
    pthread_mutex_lock(&s->lock);
    grpc_byte_buffer_destroy(STEAL(s->outgoing));
    s->sending = false;
    if (ok && s->state != STREAM_BROKEN) {
        stream_pump(s);
    } else {
        stream_break(s);
    }
    pthread_mutex_unlock(&s->lock);
    stream_batch_done(s);
}

static void stream_on_end(void *arg, bool ok)
{
    stream_batch_done(arg);
}

/* Under lock. */
static int stream_enqueue(struct rpc_stream *s, const uint8_t *bytes, size_t size,
                          struct error *err)
{
    if (s->state != STREAM_OPEN) {
        return error_set(err, ERR_CLOSED, "the stream with %s is over", s->peer);
    }
    if (s->queue_len >= RPC_STREAM_QUEUE_MESSAGES ||
        (s->queue_len > 0 && s->queue_bytes + size > RPC_STREAM_QUEUE_BYTES)) {
        return error_set(err, ERR_LIMIT,
                         "%s does not keep up: %u messages of %llu bytes wait to be sent", s->peer,
                         s->queue_len, (unsigned long long)s->queue_bytes);
    }
    struct stream_message *m = MEM_NEW(struct stream_message);
    m->buffer = rpc_wire_copy(bytes, size, s->n_sent++);
    m->size = size;
    *s->queue_end = m;
    s->queue_end = &m->next;
    s->queue_bytes += size;
    s->queue_len++;
    stream_pump(s);
    return 0;
}

static int stream_send(void *transport, const uint8_t *bytes, size_t size, struct error *err)
{
    struct rpc_stream *s = transport;
    TRY(FAILPOINT(err, "rpc.grpc.send"));
    pthread_mutex_lock(&s->lock);
    int rc = stream_enqueue(s, bytes, size, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* ---- ends -------------------------------------------------------------------------------------- */

/* Under lock. */
static void stream_cancel(struct rpc_stream *s, grpc_status_code code, const char *why)
{
    if (s->call != NULL) {
        grpc_call_cancel_with_status(s->call, code, why, NULL);
    }
}

static void stream_on_linger(void *arg)
{
    struct rpc_stream *s = arg;
    pthread_mutex_lock(&s->lock);
    stream_cancel(s, GRPC_STATUS_CANCELLED, "closed, and the peer took nothing for too long");
    pthread_mutex_unlock(&s->lock);
    stream_unref(s);
}

/* Ends this direction behind what is queued; `why`: what a server's status says, NULL: nothing wrong. */
static void stream_close_with(struct rpc_stream *s, const struct error *why)
{
    pthread_mutex_lock(&s->lock);
    if (s->state == STREAM_OPEN) {
        stream_transition(s, STREAM_CLOSING);
        if (why != NULL) {
            rpc_status_fini(&s->end_status);
            rpc_status_init(&s->end_status, why);
        }
        stream_set_timer(s, &s->linger_timer, RPC_LINGER_MS, stream_on_linger);
        stream_pump(s);
    }
    pthread_mutex_unlock(&s->lock);
}

static void stream_close(void *transport)
{
    stream_close_with(transport, NULL);
}

static void stream_free(void *transport)
{
    struct rpc_stream *s = transport;
    pthread_mutex_lock(&s->receive_lock);
    s->channel = NULL;
    pthread_mutex_unlock(&s->receive_lock);
    stream_unref(s);
}

static const struct rpc_transport_ops stream_ops = {
    .name = "grpc",
    .send = stream_send,
    .close = stream_close,
    .free = stream_free,
};

/* Under receive_lock: once nothing more comes and it is known why, the channel hears of it. */
static void stream_tell_end(struct rpc_stream *s)
{
    bool known = s->side == RPC_STREAM_SERVER || s->got_status;
    if (s->received_all && known && !s->told && s->channel != NULL) {
        s->told = true;
        rpc_channel_peer_closed(s->channel, &s->why);
    }
}

/* The status of the whole call, on a client. */
static void stream_on_status(void *arg, bool ok)
{
    struct rpc_stream *s = arg;
    pthread_mutex_lock(&s->lock);
    bool timed_out = s->timed_out;
    stream_break(s);
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->receive_lock);
    s->got_status = true;
    char what[300];
    snprintf(what, sizeof(what), "the stream with %s", s->peer);
    rpc_status_to_error(s->status, &s->status_text, &s->trailers, what, &s->why);
    rpc_secure_end_explain(s->secure, &s->why);
    if (timed_out) {
        error_set(&s->why, ERR_UNAVAILABLE, "%s does not answer", s->peer);
    }
    stream_tell_end(s);
    pthread_mutex_unlock(&s->receive_lock);
    stream_batch_done(s);
}

/* The end of the call, on a server: the client went away, or our status is sent. */
static void stream_on_close(void *arg, bool ok)
{
    struct rpc_stream *s = arg;
    pthread_mutex_lock(&s->lock);
    stream_break(s);
    pthread_mutex_unlock(&s->lock);
    stream_batch_done(s);
}

/* ---- receiving --------------------------------------------------------------------------------- */

static void stream_receive_next(struct rpc_stream *s);
static void stream_take(struct rpc_stream *s, grpc_byte_buffer *take_buffer);

/* The receiver's mailbox may have room again; this timer's batch is the one that brought the message. */
static void stream_on_retry(void *arg)
{
    struct rpc_stream *s = arg;
    stream_take(s, STEAL(s->held));
    stream_unref(s);
}

/* Under receive_lock.  0, ERR_LIMIT (it must be tried again), or why the stream cannot go on. */
static int stream_deliver(struct rpc_stream *s, grpc_byte_buffer *buffer, struct error *err)
{
    if (s->channel == NULL || s->told || atomic_load(&s->abandoned)) {
        return 0; /* read and dropped, until the peer has heard of our end */
    }
    if (FAILPOINT(err, "rpc.grpc.receive") < 0) {
        rpc_channel_peer_closed(s->channel, err);
        return err->code;
    }
    struct rpc_wire_view v;
    int rc = rpc_wire_view_init(&v, buffer, s->n_received, err);
    if (rc < 0) {
        error_context(err, "reading what %s sent", s->peer);
        rpc_channel_peer_closed(s->channel, err);
        return rc;
    }
    rc = rpc_channel_deliver(s->channel, v.bytes, v.size, err);
    rpc_wire_view_fini(&v);
    return rc;
}

/* A message came, or is tried again. */
static void stream_take(struct rpc_stream *s, grpc_byte_buffer *take_buffer)
{
    struct error why = ERROR_INIT;
    pthread_mutex_lock(&s->receive_lock);
    int rc = stream_deliver(s, take_buffer, &why);
    if (rc == ERR_LIMIT) {
        s->held = take_buffer;
        s->retry_ms = s->retry_ms == 0 ? RPC_STREAM_RETRY_MS
                                       : MIN(s->retry_ms * 2, (int64_t)RPC_STREAM_RETRY_MAX_MS);
        stream_set_timer(s, &s->retry_timer, s->retry_ms, stream_on_retry);
        pthread_mutex_unlock(&s->receive_lock);
        return;
    }
    s->retry_ms = 0;
    s->n_received++;
    s->told |= rc < 0; /* the channel has heard of it */
    pthread_mutex_unlock(&s->receive_lock);
    grpc_byte_buffer_destroy(take_buffer);
    if (rc == ERR_CORRUPT || rc == ERR_TOO_LARGE) {
        atomic_fetch_add(&rpc_group_counters(s->group)->malformed, 1);
    }
    if (rc < 0 && s->side == RPC_STREAM_SERVER) {
        stream_close_with(s, &why);
    } else if (rc < 0) {
        pthread_mutex_lock(&s->lock);
        stream_break(s);
        stream_cancel(s, GRPC_STATUS_CANCELLED, why.message);
        pthread_mutex_unlock(&s->lock);
    }
    stream_receive_next(s);
    stream_batch_done(s);
}

/* Nothing more comes from the peer. */
static void stream_received_all(struct rpc_stream *s, bool failed)
{
    pthread_mutex_lock(&s->receive_lock);
    s->received_all = true;
    if (s->side == RPC_STREAM_SERVER) {
        if (failed) {
            error_set(&s->why, ERR_UNAVAILABLE, "the connection with %s broke", s->peer);
        } else {
            error_set(&s->why, ERR_CLOSED, "%s closed the stream", s->peer);
        }
    }
    stream_tell_end(s);
    pthread_mutex_unlock(&s->receive_lock);
    if (s->side == RPC_STREAM_SERVER) {
        pthread_mutex_lock(&s->lock);
        stream_drop_queue(s); /* the client reads no more than what is on the way */
        pthread_mutex_unlock(&s->lock);
        stream_close_with(s, NULL);
    }
}

static void stream_on_received(void *arg, bool ok)
{
    struct rpc_stream *s = arg;
    grpc_byte_buffer *buffer = STEAL(s->incoming);
    if (buffer != NULL && ok) {
        stream_take(s, buffer);
        return;
    }
    grpc_byte_buffer_destroy(buffer);
    /* This batch keeps the call until below. */
    stream_received_all(s, !ok || grpc_call_failed_before_recv_message(s->call));
    stream_batch_done(s);
}

static void stream_receive_next(struct rpc_stream *s)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->incoming};
    pthread_mutex_lock(&s->lock);
    bool started = stream_batch(s, &op, 1, &s->tag_received);
    pthread_mutex_unlock(&s->lock);
    if (!started) {
        stream_received_all(s, true);
    }
}

/* ---- beginning --------------------------------------------------------------------------------- */

/* The server's headers came, or ours are sent. */
static void stream_on_start(void *arg, bool ok)
{
    struct rpc_stream *s = arg;
    if (s->side == RPC_STREAM_CLIENT) {
        stream_clear_timer(s, &s->connect_timer);
    }
    stream_batch_done(s);
}

static void stream_on_connect_timeout(void *arg)
{
    struct rpc_stream *s = arg;
    pthread_mutex_lock(&s->lock);
    s->timed_out = true;
    stream_cancel(s, GRPC_STATUS_UNAVAILABLE, "no answer in time");
    pthread_mutex_unlock(&s->lock);
    stream_unref(s);
}

static void stream_member_cancel(struct rpc_member *m)
{
    struct rpc_stream *s = CONTAINER_OF(m, struct rpc_stream, member);
    atomic_store(&s->abandoned, true);
    pthread_mutex_lock(&s->lock);
    stream_cancel(s, GRPC_STATUS_CANCELLED, "this end is shutting down");
    pthread_mutex_unlock(&s->lock);
}

static void stream_member_close(struct rpc_member *m)
{
    stream_close_with(CONTAINER_OF(m, struct rpc_stream, member), NULL);
}

/* Under lock: the batches that every stream begins with. */
static void stream_begin(struct rpc_stream *s, int64_t connect_timeout_ms)
{
    grpc_op last = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}, start[2] = {{.op = 0}};
    start[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    start[1].op = GRPC_OP_RECV_INITIAL_METADATA;
    start[1].data.recv_initial_metadata.recv_initial_metadata = &s->headers;
    if (s->side == RPC_STREAM_CLIENT) {
        last.data.recv_status_on_client.trailing_metadata = &s->trailers;
        last.data.recv_status_on_client.status = &s->status;
        last.data.recv_status_on_client.status_details = &s->status_text;
    } else {
        last.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        last.data.recv_close_on_server.cancelled = &s->cancelled;
    }
    bool ok = stream_batch(s, &last, 1, &s->tag_status);
    ASSERT(ok); /* of a new call */
    if (s->side == RPC_STREAM_CLIENT && connect_timeout_ms > 0) {
        stream_set_timer(s, &s->connect_timer, connect_timeout_ms, stream_on_connect_timeout);
    }
    ok = stream_batch(s, start, s->side == RPC_STREAM_CLIENT ? 2 : 1, &s->tag_start);
    ASSERT(ok);
}

int rpc_stream_new(const struct rpc_stream_options *o, struct rpc_stream **ret, struct error *err)
{
    struct rpc_stream *s = MEM_NEW(struct rpc_stream);
    atomic_init(&s->refs, 1);
    s->runtime = o->runtime;
    s->group = rpc_group_ref(o->group);
    s->side = o->side;
    s->secure = rpc_secure_end_ref(o->secure);
    s->peer = mem_strdup(o->peer);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->receive_lock, NULL);
    s->queue_end = &s->queue;
    rpc_status_init(&s->end_status, NULL);
    grpc_metadata_array_init(&s->headers);
    grpc_metadata_array_init(&s->trailers);
    s->status_text = grpc_empty_slice();
    bool client = s->side == RPC_STREAM_CLIENT;
    s->tag_status = (struct rpc_tag){client ? stream_on_status : stream_on_close, s};
    s->tag_start = (struct rpc_tag){stream_on_start, s};
    s->tag_sent = (struct rpc_tag){stream_on_sent, s};
    s->tag_end = (struct rpc_tag){stream_on_end, s};
    s->tag_received = (struct rpc_tag){stream_on_received, s};
    s->member.close = stream_member_close;
    s->member.cancel = stream_member_cancel;
    s->call = o->call;
    int rc = rpc_group_add(o->group, &s->member, err);
    if (rc < 0) {
        s->call = NULL; /* the caller's */
        stream_unref(s);
        return rc;
    }
    pthread_mutex_lock(&s->lock);
    stream_begin(s, o->connect_timeout_ms);
    pthread_mutex_unlock(&s->lock);
    *ret = s;
    return 0;
}

int rpc_stream_attach(struct rpc_stream *s, const struct rpc_end_options *end,
                      struct rpc_channel **ret_channel, struct error *err)
{
    struct rpc_channel *channel;
    TRY(rpc_channel_new(end, &stream_ops, s, &channel, err));
    pthread_mutex_lock(&s->receive_lock);
    s->channel = channel;
    pthread_mutex_unlock(&s->receive_lock);
    *ret_channel = channel;
    return 0;
}

void rpc_stream_start_receiving(struct rpc_stream *s)
{
    stream_receive_next(s);
}

void rpc_stream_refuse(struct rpc_stream *s, const struct error *why)
{
    stream_close_with(s, why);
    stream_unref(s);
}

bool rpc_stream_is_broken(struct rpc_stream *s)
{
    pthread_mutex_lock(&s->lock);
    bool broken = s->state == STREAM_BROKEN;
    pthread_mutex_unlock(&s->lock);
    return broken;
}

void rpc_stream_hold(struct rpc_stream *s)
{
    stream_ref(s);
}

void rpc_stream_release(struct rpc_stream *s)
{
    stream_unref(s);
}
