/* The server: its port, the requests for calls, and what becomes of a call that came.
 *
 * Each of RPC_SERVER_ACCEPTS requests is handed to gRPC again as soon as it brought a call.  Streams are
 * offered to their owner in its mailbox; calls are in server_call.c.  rpc_server_free() takes the port
 * away first, lets streams flush, cancels the rest and waits for the last completion: gRPC knows of nothing
 * of this server afterwards.
 *
 * Thread: any; completions run on the runtime's threads, callbacks in the mailboxes. */
#include "common/rpc/grpc/server.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/secure.h"
#include "common/rpc/grpc/stream.h"
#include <arpa/inet.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct rpc_accept {
    struct rpc_server *server; /* Borrows: the server waits for it */
    struct rpc_tag tag;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

void rpc_server_ref(struct rpc_server *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void rpc_server_unref(struct rpc_server *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < s->n_call_methods; i++) {
        mem_free((char *)s->call_methods[i].name);
        mailbox_unref(s->call_methods[i].mailbox);
    }
    for (uint32_t i = 0; i < s->n_stream_methods; i++) {
        mem_free((char *)s->stream_methods[i].name);
        mailbox_unref(s->stream_methods[i].mailbox);
    }
    mem_free(s->call_methods);
    mem_free(s->stream_methods);
    rpc_group_unref(s->streams);
    rpc_group_unref(s->calls);
    tls_context_unref(s->tls);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    mem_free(s);
}

/* ---- refusing ---------------------------------------------------------------------------------- */

struct refusal {
    struct rpc_server *server; /* counted */
    struct rpc_member member;
    grpc_call *call; /* Owns */
    struct rpc_status status;
    struct rpc_tag tag;
    int cancelled;
};

static void refusal_on_done(void *arg, bool ok)
{
    struct refusal *r = arg;
    grpc_call_unref(r->call);
    rpc_status_fini(&r->status);
    rpc_group_remove(r->server->calls, &r->member);
    rpc_server_unref(r->server);
    mem_free(r);
}

static void refusal_cancel(struct rpc_member *m)
{
    /* grpc_server_cancel_all_calls() has done it. */
}

void rpc_server_refuse(struct rpc_server *s, grpc_call *call, const struct error *why)
{
    atomic_fetch_add(&s->counters.refused, 1);
    struct refusal *r = MEM_NEW(struct refusal);
    r->server = s;
    r->call = call;
    r->member.cancel = refusal_cancel;
    r->tag = (struct rpc_tag){refusal_on_done, r};
    if (rpc_group_add(s->calls, &r->member, NULL) < 0) { /* no place to tell it from */
        grpc_call_cancel(call, NULL);
        grpc_call_unref(call);
        mem_free(r);
        return;
    }
    rpc_server_ref(s);
    rpc_status_init(&r->status, why);
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    rpc_status_op(&r->status, &ops[1]);
    ops[2].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[2].data.recv_close_on_server.cancelled = &r->cancelled;
    grpc_call_error rc =
        grpc_call_start_batch(call, ops, ARRAY_LEN(ops), rpc_tag_take(&r->tag), NULL);
    ASSERT(rc == GRPC_CALL_OK);
}

/* ---- streams ----------------------------------------------------------------------------------- */

/* A stream on its way to its owner's mailbox. */
struct stream_offer {
    struct rpc_server *server; /* counted */
    const struct rpc_stream_method *method;
    struct rpc_stream *stream; /* Owns */
    char peer[RPC_PEER_MAX];
};

static void offer_refuse(struct stream_offer *o, int code, const char *why)
{
    struct error err = ERROR_INIT;
    error_set(&err, code, "%s: %s", o->method->name, why);
    atomic_fetch_add(&o->server->counters.refused, 1);
    rpc_stream_refuse(STEAL(o->stream), &err);
}

static void offer_drop(void *payload)
{
    struct stream_offer *o = payload;
    if (o->stream != NULL) {
        offer_refuse(o, ERR_UNAVAILABLE, "its component has ended");
    }
    rpc_server_unref(o->server);
    mem_free(o);
}

/* In the owner's mailbox. */
static void offer_run(void *target, void *payload)
{
    struct stream_offer *o = payload;
    const struct rpc_stream_method *m = o->method;
    struct rpc_end_options end = {.name = NULL};
    struct error err = ERROR_INIT;
    struct rpc_channel *channel;
    if (atomic_load(&o->server->stopped) || rpc_stream_is_broken(o->stream)) {
        offer_refuse(o, ERR_CLOSED, "it is over already");
    } else if (!m->on_open(m->target, o->peer, &end)) {
        offer_refuse(o, ERR_UNAVAILABLE, "the stream is refused");
    } else if (rpc_stream_attach(o->stream, &end, &channel, &err) < 0) {
        LOG_ERROR("flinc.rpc.grpc", "A stream of %s is refused: %s.", o->peer, err.message);
        offer_refuse(o, err.code, err.message);
    } else {
        atomic_fetch_add(&o->server->counters.streams, 1);
        struct rpc_stream *stream = STEAL(o->stream); /* the channel's now */
        rpc_stream_hold(stream);
        m->on_channel(m->target, o->peer, channel);
        rpc_stream_start_receiving(stream);
        rpc_stream_release(stream);
    }
    offer_drop(o);
}

static void server_on_stream(struct rpc_server *s, const struct rpc_stream_method *method,
                             grpc_call *call, const char *peer)
{
    struct error err = ERROR_INIT;
    struct rpc_stream_options options = {.runtime = s->runtime,
                                         .group = s->streams,
                                         .side = RPC_STREAM_SERVER,
                                         .peer = peer,
                                         .call = call};
    struct rpc_stream *stream;
    if (rpc_stream_new(&options, &stream, &err) < 0) {
        rpc_server_refuse(s, call, &err);
        return;
    }
    struct stream_offer *o = MEM_NEW(struct stream_offer);
    *o = (struct stream_offer){.server = s, .method = method, .stream = stream};
    snprintf(o->peer, sizeof(o->peer), "%s", peer);
    rpc_server_ref(s);
    struct mailbox_op op = {
        .kind = method->kind, .run = offer_run, .payload = o, .drop = offer_drop};
    /* Their number is bounded by max_connections. */
    if (mailbox_post_internal(method->mailbox, MAILBOX_LANE_CONTROL, &op) < 0) {
        offer_drop(o);
    }
}

/* ---- what came --------------------------------------------------------------------------------- */

/* "host:port" of a call's client.  gRPC calls its connections by the descriptors that we gave it; one
 * that is closed meanwhile has no name any more. */
static void call_peer(grpc_call *call, char ret[RPC_PEER_MAX])
{
    char *name = grpc_call_get_peer(call);
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char host[INET6_ADDRSTRLEN], relayed[TLS_RELAY_PEER_MAX];
    snprintf(ret, RPC_PEER_MAX, "%s", name);
    if (strncmp(name, "fd:", 3) == 0 &&
        getpeername(atoi(name + 3), (struct sockaddr *)&address, &size) == 0) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
        if (address.ss_family == AF_INET &&
            inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL) {
            snprintf(ret, RPC_PEER_MAX, "%s:%u", host, ntohs(v4->sin_port));
        } else if (address.ss_family == AF_INET6 &&
                   inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL) {
            snprintf(ret, RPC_PEER_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
        } else if (tls_relay_peer_of(atoi(name + 3), relayed)) {
            snprintf(ret, RPC_PEER_MAX, "%.*s", RPC_PEER_MAX - 1, relayed);
        }
    }
    gpr_free(name);
}

static void server_dispatch(struct rpc_server *s, grpc_call *call, grpc_slice method)
{
    char peer[RPC_PEER_MAX];
    call_peer(call, peer);
    for (uint32_t i = 0; i < s->n_call_methods; i++) {
        if (grpc_slice_str_cmp(method, s->call_methods[i].name) == 0) {
            rpc_server_call_begin(s, &s->call_methods[i], call, peer);
            return;
        }
    }
    for (uint32_t i = 0; i < s->n_stream_methods; i++) {
        if (grpc_slice_str_cmp(method, s->stream_methods[i].name) == 0) {
            server_on_stream(s, &s->stream_methods[i], call, peer);
            return;
        }
    }
    struct error err = ERROR_INIT;
    error_set(&err, ERR_UNSUPPORTED, "there is no method %.*s here",
              (int)MIN(GRPC_SLICE_LENGTH(method), (size_t)200),
              (const char *)GRPC_SLICE_START_PTR(method));
    rpc_server_refuse(s, call, &err);
}

static void accept_request(struct rpc_accept *a)
{
    struct rpc_server *s = a->server;
    grpc_completion_queue *queue = rpc_runtime_queue(s->runtime);
    a->call = NULL;
    grpc_call_details_init(&a->details);
    grpc_metadata_array_init(&a->metadata);
    grpc_call_error rc = grpc_server_request_call(s->server, &a->call, &a->details, &a->metadata,
                                                  queue, queue, rpc_tag_take(&a->tag));
    ASSERT(rc == GRPC_CALL_OK);
}

static void accept_on_call(void *arg, bool ok)
{
    struct rpc_accept *a = arg;
    struct rpc_server *s = a->server;
    if (ok) {
        server_dispatch(s, STEAL(a->call), a->details.method);
    }
    grpc_call_details_destroy(&a->details);
    grpc_metadata_array_destroy(&a->metadata);
    pthread_mutex_lock(&s->lock);
    if (ok && !atomic_load(&s->stopped)) {
        accept_request(a);
    } else {
        s->n_accepts--;
        pthread_cond_signal(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
}

static void server_on_shut_down(void *arg, bool ok)
{
    struct rpc_server *s = arg;
    pthread_mutex_lock(&s->lock);
    s->shut_down = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void server_on_connection(void *arg, int fd)
{
    struct rpc_server *s = arg;
    grpc_server_credentials *insecure = grpc_insecure_server_credentials_create();
    grpc_server_add_channel_from_fd(s->server, fd, insecure);
    grpc_server_credentials_release(insecure);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void server_copy_methods(struct rpc_server *s, const struct rpc_server_options *o)
{
    s->n_call_methods = o->n_calls;
    s->n_stream_methods = o->n_streams;
    s->call_methods = MEM_NEW_ARRAY(struct rpc_call_method, o->n_calls + 1);
    s->stream_methods = MEM_NEW_ARRAY(struct rpc_stream_method, o->n_streams + 1);
    for (uint32_t i = 0; i < o->n_calls; i++) {
        s->call_methods[i] = o->calls[i];
        s->call_methods[i].name = mem_strdup(o->calls[i].name);
        mailbox_ref(o->calls[i].mailbox);
    }
    for (uint32_t i = 0; i < o->n_streams; i++) {
        s->stream_methods[i] = o->streams[i];
        s->stream_methods[i].name = mem_strdup(o->streams[i].name);
        mailbox_ref(o->streams[i].mailbox);
    }
}

static void server_start(struct rpc_server *s)
{
    struct rpc_args args;
    rpc_args_init(&args, s->max_message_bytes);
    rpc_args_add(&args, GRPC_ARG_MAX_CONCURRENT_STREAMS, RPC_SERVER_STREAMS_PER_CONNECTION);
    /* Peers keep to RPC_KEEPALIVE_MS; who pings much more often is no peer of ours. */
    rpc_args_add(&args, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                 RPC_KEEPALIVE_MS / 2);
    rpc_args_add(&args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    s->server = grpc_server_create(&args.base, NULL);
    grpc_server_register_completion_queue(s->server, rpc_runtime_queue(s->runtime), NULL);
    grpc_server_start(s->server);
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < RPC_SERVER_ACCEPTS; i++) {
        struct rpc_accept *a = s->accepts[i] = MEM_NEW(struct rpc_accept);
        a->server = s;
        a->tag = (struct rpc_tag){accept_on_call, a};
        s->n_accepts++;
        accept_request(a);
    }
    pthread_mutex_unlock(&s->lock);
}

int rpc_server_new(const struct rpc_server_options *o, struct rpc_server **ret, struct error *err)
{
    struct rpc_server *s = MEM_NEW(struct rpc_server);
    atomic_init(&s->refs, 1);
    s->runtime = o->runtime;
    s->tls = o->tls != NULL ? tls_context_ref(o->tls) : NULL;
    s->streams = rpc_group_new(o->max_connections != 0 ? o->max_connections
                                                       : RPC_SERVER_CONNECTIONS_DEFAULT);
    s->calls = rpc_group_new(RPC_SERVER_CALLS_MAX);
    s->max_message_bytes =
        o->max_message_bytes != 0 ? o->max_message_bytes : RPC_MESSAGE_BYTES_DEFAULT;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->tag_shutdown = (struct rpc_tag){server_on_shut_down, s};
    server_copy_methods(s, o);
    server_start(s);
    struct rpc_listener_options listener = {.runtime = o->runtime,
                                            .host = o->bind_host,
                                            .first_port = o->first_port,
                                            .last_port = o->last_port,
                                            .counters = &s->counters,
                                            .tls = s->tls,
                                            .on_connection = server_on_connection,
                                            .arg = s};
    int rc = rpc_listener_new(&listener, &s->listener, err);
    if (rc < 0) {
        rpc_server_free(s);
        return rc;
    }
    s->port = rpc_listener_port(s->listener);
    *ret = s;
    return 0;
}

uint32_t rpc_server_port(const struct rpc_server *s)
{
    return s->port;
}

struct rpc_server *rpc_server_free(struct rpc_server *s)
{
    if (s == NULL) {
        return NULL;
    }
    atomic_store(&s->stopped, true);
    s->listener = rpc_listener_free(s->listener);
    /* From here on no accept is handed in again: the requests that wait come back as failed. */
    pthread_mutex_lock(&s->lock);
    grpc_server_shutdown_and_notify(s->server, rpc_runtime_queue(s->runtime),
                                    rpc_tag_take(&s->tag_shutdown));
    while (s->n_accepts > 0) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    rpc_group_end(s->streams, RPC_SERVER_GRACE_MS);
    grpc_server_cancel_all_calls(s->server);
    rpc_group_end(s->calls, 0);
    pthread_mutex_lock(&s->lock);
    while (!s->shut_down) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    grpc_server_destroy(s->server);
    s->server = NULL;
    for (uint32_t i = 0; i < RPC_SERVER_ACCEPTS; i++) {
        mem_free(s->accepts[i]);
    }
    rpc_server_unref(s);
    return NULL;
}

void rpc_server_get_stats(const struct rpc_server *s, struct rpc_server_stats *ret)
{
    const struct rpc_counters *all[] = {&s->counters, rpc_group_counters(s->streams),
                                        rpc_group_counters(s->calls)};
    *ret = (struct rpc_server_stats){.calls = 0};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ret->calls += atomic_load(&all[i]->calls);
        ret->streams += atomic_load(&all[i]->streams);
        ret->refused += atomic_load(&all[i]->refused);
        ret->malformed += atomic_load(&all[i]->malformed);
    }
}
