/* A unary call at the client: one batch, one completion, and the answer in the caller's mailbox.
 *
 * Counted by: its batch, and the watch of its cancel token, which lives on the runtime's loop.
 * Thread: any. */
#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/client.h"
#include "common/rpc/grpc/wire.h"
#include <stdio.h>

struct client_call {
    struct rpc_member member;
    bool is_member;
    _Atomic uint32_t refs;
    struct rpc_client *client;      /* Borrows: it waits for its calls */
    struct rpc_runtime *runtime;    /* Borrows */
    struct rpc_client_call options; /* mailbox counted; method and request unset */
    char *method;                   /* Owns */
    pthread_mutex_t lock;           /* of `call`, between its end and those who cancel */
    grpc_call *call;                /* Owns; NULL: over */
    struct rpc_secure_end *secure;  /* counted; may be NULL */
    struct rpc_tag tag;
    grpc_byte_buffer *request, *answer; /* Owns */
    grpc_metadata_array headers, trailers;
    grpc_status_code status;
    grpc_slice status_text;
    /* On the loop. */
    struct loop_fd *cancel_watch;
    bool done;
};

/* What the mailbox gets. */
struct client_answer {
    struct rpc_client_call options;
    ProtobufCMessage *message; /* Owns; NULL: why */
    struct error why;
};

static void call_unref(struct client_call *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    grpc_call *call = STEAL(c->call);
    pthread_mutex_unlock(&c->lock);
    grpc_call_unref(call);
    grpc_byte_buffer_destroy(c->request);
    grpc_byte_buffer_destroy(c->answer);
    grpc_metadata_array_destroy(&c->headers);
    grpc_metadata_array_destroy(&c->trailers);
    grpc_slice_unref(c->status_text);
    mailbox_unref(c->options.mailbox);
    cancel_token_unref(c->options.cancel);
    rpc_secure_end_unref(c->secure);
    mem_free(c->method);
    if (c->is_member) { /* last: the client may go away */
        rpc_group_remove(c->client->group, &c->member);
    }
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* ---- cancelling -------------------------------------------------------------------------------- */

static void call_on_cancelled(void *arg, int fd, uint32_t events)
{
    struct client_call *c = arg;
    grpc_call_cancel(c->call, NULL);
    c->cancel_watch = loop_del(c->cancel_watch);
}

/* On the loop. */
static void call_watch_token(void *arg)
{
    struct client_call *c = arg;
    int fd = cancel_token_fd(c->options.cancel, NULL);
    if (!c->done && (fd < 0 || loop_add(rpc_runtime_loop(c->runtime), fd, LOOP_READ,
                                        call_on_cancelled, c, &c->cancel_watch, NULL) < 0)) {
        grpc_call_cancel(c->call, NULL); /* cannot be promised, so not begun */
    }
}

/* On the loop, behind call_watch_token(). */
static void call_unwatch_token(void *arg)
{
    struct client_call *c = arg;
    c->done = true;
    c->cancel_watch = loop_del(c->cancel_watch);
    call_unref(c);
}

/* ---- the answer -------------------------------------------------------------------------------- */

static void answer_drop(void *payload)
{
    struct client_answer *a = payload;
    rpc_message_free(a->message);
    if (a->options.drop != NULL) {
        a->options.drop(a->options.arg);
    }
    mem_free(a);
}

static void answer_run(void *target, void *payload)
{
    struct client_answer *a = payload;
    a->options.on_answer(a->options.target, a->options.arg, a->message,
                         a->message != NULL ? NULL : &a->why);
    mem_free(a);
}

static void call_post_answer(struct client_call *c, ProtobufCMessage *message,
                             const struct error *why)
{
    struct client_answer *a = MEM_NEW(struct client_answer);
    a->options = c->options;
    a->message = message;
    if (message == NULL) {
        error_copy(&a->why, why);
    }
    struct mailbox_op op = {
        .kind = c->options.kind, .run = answer_run, .payload = a, .drop = answer_drop};
    /* One for each call that the owner of the mailbox has begun. */
    if (mailbox_post_internal(c->options.mailbox, MAILBOX_LANE_CONTROL, &op) < 0) {
        answer_drop(a);
    }
}

static void call_on_done(void *arg, bool ok)
{
    struct client_call *c = arg;
    struct error why = ERROR_INIT;
    ProtobufCMessage *message = NULL;
    char what[400];
    snprintf(what, sizeof(what), "calling %s at %s", c->method, c->client->peer);
    if (c->status == GRPC_STATUS_OK) {
        message = rpc_wire_unpack(c->answer, c->options.answer, &why);
        if (message == NULL && why.code != ERR_CORRUPT) {
            error_set(&why, ERR_CORRUPT, "the answer is no %s", c->options.answer->name);
        }
        if (message == NULL) {
            error_context(&why, "%s", what);
        }
    } else {
        rpc_status_to_error(c->status, &c->status_text, &c->trailers, what, &why);
        rpc_secure_end_explain(c->secure, &why);
    }
    if (c->status == GRPC_STATUS_CANCELLED && cancel_token_is_cancelled(c->options.cancel)) {
        error_set(&why, ERR_CANCELLED, "%s: cancelled", what);
    }
    call_post_answer(c, message, &why);
    if (c->options.cancel != NULL) {
        rpc_runtime_post(c->runtime, call_unwatch_token, c); /* unrefs */
    } else {
        call_unref(c);
    }
}

/* ---- beginning --------------------------------------------------------------------------------- */

static void call_member_cancel(struct rpc_member *m)
{
    struct client_call *c = CONTAINER_OF(m, struct client_call, member);
    pthread_mutex_lock(&c->lock);
    if (c->call != NULL) {
        grpc_call_cancel(c->call, NULL);
    }
    pthread_mutex_unlock(&c->lock);
}

static void call_start(struct client_call *c)
{
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = c->request;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &c->headers;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &c->answer;
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[5].data.recv_status_on_client.trailing_metadata = &c->trailers;
    ops[5].data.recv_status_on_client.status = &c->status;
    ops[5].data.recv_status_on_client.status_details = &c->status_text;
    grpc_call *call = c->call;
    grpc_call_error rc =
        grpc_call_start_batch(call, ops, ARRAY_LEN(ops), rpc_tag_take(&c->tag), NULL);
    ASSERT(rc == GRPC_CALL_OK);
}

int rpc_client_start_call(struct rpc_client *client, const struct rpc_client_call *options,
                          struct error *err)
{
    ASSERT(options->deadline_ms > 0);
    TRY_CTX(err, FAILPOINT(err, "rpc.grpc.call"), "calling %s at %s", options->method,
            client->peer);
    size_t size = protobuf_c_message_get_packed_size(options->request);
    if (size > client->max_message_bytes) {
        return error_set(err, ERR_TOO_LARGE,
                         "calling %s at %s: a request of %zu bytes is over the limit of %llu",
                         options->method, client->peer, size,
                         (unsigned long long)client->max_message_bytes);
    }
    struct client_call *c = MEM_NEW(struct client_call);
    atomic_init(&c->refs, 1);
    pthread_mutex_init(&c->lock, NULL);
    c->client = client;
    c->runtime = client->runtime;
    c->options = *options;
    c->options.request = NULL;
    c->options.method = NULL;
    mailbox_ref(options->mailbox);
    if (options->cancel != NULL) {
        cancel_token_ref(options->cancel);
    }
    c->method = mem_strdup(options->method);
    c->tag = (struct rpc_tag){call_on_done, c};
    c->member.cancel = call_member_cancel;
    grpc_metadata_array_init(&c->headers);
    grpc_metadata_array_init(&c->trailers);
    c->status_text = grpc_empty_slice();
    c->request = rpc_wire_pack(options->request);
    c->call = rpc_client_create_call(client, options->method, rpc_deadline(options->deadline_ms),
                                     &c->secure);
    int rc = rpc_group_add(client->group, &c->member, err);
    if (rc < 0) {
        call_unref(c);
        return rc;
    }
    c->is_member = true;
    if (options->cancel != NULL) {
        rpc_runtime_post(c->runtime, call_watch_token, c);
    }
    call_start(c);
    return 0;
}

/* ---- waiting for it ---------------------------------------------------------------------------- */

struct sync_answer {
    ProtobufCMessage *message;
    struct error why;
    bool done;
};

static void sync_on_answer(void *target, void *arg, ProtobufCMessage *answer,
                           const struct error *why)
{
    struct sync_answer *s = target;
    s->message = answer;
    s->done = true;
    if (why != NULL) {
        error_copy(&s->why, why);
    }
}

int rpc_client_call_sync(struct rpc_client *c, const char *method, const ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *answer, int64_t deadline_ms,
                         ProtobufCMessage **ret_answer, struct error *err)
{
    struct sync_answer s = {.message = NULL};
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "call"});
    struct rpc_client_call call = {.method = method,
                                   .request = request,
                                   .answer = answer,
                                   .deadline_ms = deadline_ms,
                                   .mailbox = m,
                                   .on_answer = sync_on_answer,
                                   .target = &s};
    int rc = rpc_client_start_call(c, &call, err);
    while (rc == 0 && !s.done) {
        uint32_t ticket = event_count_prepare(mailbox_event(m));
        if (mailbox_has_ops(m)) {
            event_count_cancel(mailbox_event(m));
            mailbox_run(m, 1);
        } else {
            event_count_wait(mailbox_event(m), ticket, -1);
        }
    }
    mailbox_close(m);
    mailbox_unref(m);
    TRY(rc);
    if (s.message == NULL) {
        if (err != NULL) {
            error_copy(err, &s.why);
        }
        return s.why.code;
    }
    *ret_answer = s.message;
    return 0;
}
