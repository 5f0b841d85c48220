/* A unary call at the server: its request goes to a mailbox, its answer comes back from any thread.
 *
 *     READING ---request posted---> WAITING ---reply, fail---> ANSWERING ---> OVER
 *        |                             |                                       ^
 *        +--- no message ---> ANSWERING+------ client went away ---------------+
 *
 * Counted by: each batch in flight, the mailbox and then the user (one after the other).  A reply to a call
 * that is over is dropped; the client knows already that it gets none.
 *
 * Thread: any; `lock` is held over gRPC's start_batch. */
#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/server.h"
#include <stdio.h>

enum call_state { CALL_READING, CALL_WAITING, CALL_ANSWERING, CALL_OVER, CALL_STATES };

static const uint8_t call_moves[CALL_STATES] = {
    [CALL_READING] = 1 << CALL_WAITING | 1 << CALL_ANSWERING | 1 << CALL_OVER,
    [CALL_WAITING] = 1 << CALL_ANSWERING | 1 << CALL_OVER,
    [CALL_ANSWERING] = 1 << CALL_OVER,
    [CALL_OVER] = 0,
};

struct rpc_server_call {
    struct rpc_member member;
    _Atomic uint32_t refs;
    struct rpc_server *server; /* counted */
    const struct rpc_call_method *method;
    ProtobufCMessage *request; /* Owns, on its way to the mailbox */
    char peer[RPC_PEER_MAX];

    pthread_mutex_t lock;
    enum call_state state;
    grpc_call *call; /* Owns; NULL: over */
    uint32_t n_batches;
    grpc_byte_buffer *incoming, *outgoing; /* Owns */
    struct rpc_status status;
    struct rpc_tag tag_received, tag_closed, tag_answered;
    int cancelled;
};

static void call_transition(struct rpc_server_call *c, enum call_state to)
{
    ASSERT((call_moves[c->state] >> to & 1) != 0);
    c->state = to;
}

static void call_unref(struct rpc_server_call *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    rpc_message_free(c->request);
    rpc_status_fini(&c->status);
    pthread_mutex_destroy(&c->lock);
    rpc_server_unref(c->server);
    mem_free(c);
}

/* Under lock; the call is not over. */
static void call_batch(struct rpc_server_call *c, const grpc_op *ops, size_t n, struct rpc_tag *tag)
{
    c->n_batches++;
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    grpc_call_error rc = grpc_call_start_batch(c->call, ops, n, rpc_tag_take(tag), NULL);
    ASSERT(rc == GRPC_CALL_OK);
}

static void call_batch_done(struct rpc_server_call *c)
{
    grpc_call *call = NULL;
    pthread_mutex_lock(&c->lock);
    if (--c->n_batches == 0) {
        call = STEAL(c->call);
        if (c->state != CALL_OVER) {
            call_transition(c, CALL_OVER);
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (call != NULL) {
        grpc_call_unref(call);
        rpc_group_remove(c->server->calls, &c->member);
    }
    call_unref(c);
}

/* ---- answering --------------------------------------------------------------------------------- */

/* The first answer ends the call. */
static void call_answer(struct rpc_server_call *c, const ProtobufCMessage *answer,
                        const struct error *why)
{
    pthread_mutex_lock(&c->lock);
    if (c->state == CALL_READING || c->state == CALL_WAITING) {
        call_transition(c, CALL_ANSWERING);
        grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
        size_t n = 1;
        if (answer != NULL) {
            c->outgoing = rpc_wire_pack(answer);
            ops[n].op = GRPC_OP_SEND_MESSAGE;
            ops[n++].data.send_message.send_message = c->outgoing;
        }
        rpc_status_fini(&c->status);
        rpc_status_init(&c->status, why);
        rpc_status_op(&c->status, &ops[n++]);
        call_batch(c, ops, n, &c->tag_answered);
    }
    pthread_mutex_unlock(&c->lock);
}

static void call_on_answered(void *arg, bool ok)
{
    struct rpc_server_call *c = arg;
    grpc_byte_buffer_destroy(STEAL(c->outgoing));
    call_batch_done(c);
}

void rpc_server_call_reply(struct rpc_server_call *c, const ProtobufCMessage *answer)
{
    ASSERT(answer->descriptor == c->method->answer);
    call_answer(c, answer, NULL);
    call_unref(c);
}

void rpc_server_call_fail(struct rpc_server_call *c, const struct error *why)
{
    ASSERT(why->code < 0);
    call_answer(c, NULL, why);
    call_unref(c);
}

const char *rpc_server_call_peer(const struct rpc_server_call *c)
{
    return c->peer;
}

/* ---- receiving --------------------------------------------------------------------------------- */

/* In the mailbox of the method; takes the reference of the op to the user. */
static void call_run(void *target, void *payload)
{
    struct rpc_server_call *c = payload;
    if (atomic_load(&c->server->stopped)) {
        call_unref(c);
        return;
    }
    c->method->on_call(c->method->target, c, STEAL(c->request));
}

static void call_drop(void *payload)
{
    struct rpc_server_call *c = payload;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_UNAVAILABLE, "%s: its component has ended", c->method->name);
    rpc_server_call_fail(c, &err);
}

static void call_post(struct rpc_server_call *c)
{
    const struct rpc_call_method *m = c->method;
    struct mailbox_op op = {.kind = m->kind, .run = call_run, .payload = c, .drop = call_drop};
    pthread_mutex_lock(&c->lock);
    bool over = c->state != CALL_READING;
    if (!over) {
        call_transition(c, CALL_WAITING);
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&c->lock);
    if (over) {
        return;
    }
    atomic_fetch_add(&c->server->counters.calls, 1);
    int rc = mailbox_post(m->mailbox, MAILBOX_LANE_CONTROL, &op);
    if (rc < 0) {
        struct error err = ERROR_INIT;
        error_set(&err, rc == ERR_LIMIT ? ERR_LIMIT : ERR_UNAVAILABLE, "%s: mailbox %s %s", m->name,
                  mailbox_name(m->mailbox), rc == ERR_LIMIT ? "is full" : "is closed");
        rpc_server_call_fail(c, &err);
    }
}

static void call_on_received(void *arg, bool ok)
{
    struct rpc_server_call *c = arg;
    struct error err = ERROR_INIT;
    grpc_byte_buffer *buffer = STEAL(c->incoming);
    if (buffer == NULL || !ok) {
        /* Either the client is gone, which nobody will notice an answer to, or it sent too much, which
         * gRPC has answered, or nothing at all. */
        error_set(&err, ERR_INVALID_ARGUMENT, "%s: no request message came", c->method->name);
        atomic_fetch_add(&c->server->counters.malformed, 1);
        call_answer(c, NULL, &err);
    } else if (FAILPOINT(&err, "rpc.grpc.receive") < 0) {
        call_answer(c, NULL, &err);
    } else {
        c->request = rpc_wire_unpack(buffer, c->method->request, &err);
        if (c->request != NULL) {
            call_post(c);
        } else {
            atomic_fetch_add(&c->server->counters.malformed, 1);
            error_context(&err, "reading the request of %s", c->method->name);
            call_answer(c, NULL, &err);
        }
    }
    grpc_byte_buffer_destroy(buffer);
    call_batch_done(c);
}

/* The client went away, or has all of our answer. */
static void call_on_closed(void *arg, bool ok)
{
    struct rpc_server_call *c = arg;
    pthread_mutex_lock(&c->lock);
    if (c->state != CALL_OVER) {
        call_transition(c, CALL_OVER);
    }
    pthread_mutex_unlock(&c->lock);
    call_batch_done(c);
}

static void call_member_cancel(struct rpc_member *m)
{
    struct rpc_server_call *c = CONTAINER_OF(m, struct rpc_server_call, member);
    pthread_mutex_lock(&c->lock);
    if (c->call != NULL) {
        grpc_call_cancel(c->call, NULL);
    }
    pthread_mutex_unlock(&c->lock);
}

void rpc_server_call_begin(struct rpc_server *s, const struct rpc_call_method *method,
                           grpc_call *call, const char *peer)
{
    struct error err = ERROR_INIT;
    struct rpc_server_call *c = MEM_NEW(struct rpc_server_call);
    atomic_init(&c->refs, 1);
    pthread_mutex_init(&c->lock, NULL);
    rpc_server_ref(s);
    c->server = s;
    c->method = method;
    c->member.cancel = call_member_cancel;
    snprintf(c->peer, sizeof(c->peer), "%s", peer);
    rpc_status_init(&c->status, NULL);
    c->tag_received = (struct rpc_tag){call_on_received, c};
    c->tag_closed = (struct rpc_tag){call_on_closed, c};
    c->tag_answered = (struct rpc_tag){call_on_answered, c};
    c->call = call;
    if (rpc_group_add(s->calls, &c->member, &err) < 0) {
        c->call = NULL;
        rpc_server_refuse(s, call, &err);
        call_unref(c);
        return;
    }
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER}, read = {.op = GRPC_OP_RECV_MESSAGE};
    close.data.recv_close_on_server.cancelled = &c->cancelled;
    read.data.recv_message.recv_message = &c->incoming;
    pthread_mutex_lock(&c->lock);
    call_batch(c, &close, 1, &c->tag_closed);
    call_batch(c, &read, 1, &c->tag_received);
    pthread_mutex_unlock(&c->lock);
    call_unref(c);
}
