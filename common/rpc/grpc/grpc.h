/* Streams and calls between hosts, over gRPC's C core: a server, and clients of it.  Nothing of gRPC shows
 * outside this folder; a stream is an rpc_channel like any other, a call is a request message and an
 * answer, both protobuf-c.
 *
 * Method names are "/flinc.Cluster/Connect".  Every call has a deadline.  Nothing is retried here: who
 * calls knows what may be repeated.  All completion queues are served by the threads of one rpc_runtime
 * per process; user code runs on the mailboxes that callers name, never on those threads.
 *
 * gRPC forbids fork() once it is initialised: rpc_runtime_new() comes after the spawner has started.
 * Flink: PekkoRpcService.  Thread: any, unless said otherwise. */
#ifndef FLINC_COMMON_RPC_GRPC_GRPC_H
#define FLINC_COMMON_RPC_GRPC_GRPC_H

#include "common/loop/cancel.h"
#include "common/rpc/transport.h"

/* gRPC itself, its completion queue and threads; one per process. */
struct rpc_runtime;
struct rpc_runtime_options {
    uint32_t n_threads; /* completions; 0: 1 */
};
int rpc_runtime_new(const struct rpc_runtime_options *options, struct rpc_runtime **ret,
                    struct error *err) MUST_CHECK;
/* All servers and clients of it are gone before.  NULL is fine; returns NULL. */
struct rpc_runtime *rpc_runtime_free(struct rpc_runtime *r);

/* ---- server ----------------------------------------------------------------------------------- */

struct rpc_server;
/* A call that waits for its answer: exactly one of the two below ends it, from any thread. */
struct rpc_server_call;
void rpc_server_call_reply(struct rpc_server_call *call, const ProtobufCMessage *answer);
void rpc_server_call_fail(struct rpc_server_call *call, const struct error *why);
const char *rpc_server_call_peer(const struct rpc_server_call *call);

struct rpc_call_method {
    const char *name; /* "/flinc.Cluster/Ping" */
    const ProtobufCMessageDescriptor *request, *answer;
    struct mailbox *mailbox; /* a reference is taken */
    int kind;                /* mailbox_op.kind */
    /* On the mailbox's thread; owns the request. */
    void (*on_call)(void *target, struct rpc_server_call *call, ProtobufCMessage *request);
    void *target;
};
struct rpc_stream_method {
    const char *name; /* "/flinc.Cluster/Connect" */
    struct mailbox *mailbox;
    int kind;
    /* A peer opened a stream.  The owner fills the end (on its mailbox's thread) and gets the channel;
     * messages that came meanwhile wait.  False: the stream is refused. */
    bool (*on_open)(void *target, const char *peer, struct rpc_end_options *ret_end);
    void (*on_channel)(void *target, const char *peer, struct rpc_channel *take_channel);
    void *target;
};
struct tls_context;
struct rpc_server_options {
    struct rpc_runtime *runtime; /* Borrows */
    struct tls_context *tls;     /* a server's; a reference is taken; NULL: connections are plain */
    const char *bind_host;       /* "localhost", "0.0.0.0", ... */
    uint32_t first_port, last_port; /* the first free one is taken; 0, 0: any */
    const struct rpc_call_method *calls;
    uint32_t n_calls;
    const struct rpc_stream_method *streams;
    uint32_t n_streams;
    uint32_t max_connections;   /* streams at once; 0: 4096 */
    uint64_t max_message_bytes; /* 0: RPC_MESSAGE_BYTES_DEFAULT */
};
/* ERR_IO with "... port 6123: Address already in use ..." and the option's remedy left to the caller. */
int rpc_server_new(const struct rpc_server_options *options, struct rpc_server **ret,
                   struct error *err) MUST_CHECK;
uint32_t rpc_server_port(const struct rpc_server *s);
/* Ends streams and calls, waits for them. */
struct rpc_server *rpc_server_free(struct rpc_server *s);

/* What peers sent that was none of ours: unknown methods, messages that do not unpack, too large ones. */
struct rpc_server_stats {
    uint64_t calls, streams, refused, malformed;
};
void rpc_server_get_stats(const struct rpc_server *s, struct rpc_server_stats *ret);

/* ---- client ----------------------------------------------------------------------------------- */

/* A connection to one server, made on first use and again when it broke. */
struct rpc_client;
struct rpc_client_options {
    struct rpc_runtime *runtime; /* Borrows */
    struct tls_context *tls;     /* a client's; a reference is taken; NULL: plain */
    const char *host;
    uint32_t port;
    uint64_t max_message_bytes;
};
int rpc_client_new(const struct rpc_client_options *options, struct rpc_client **ret,
                   struct error *err) MUST_CHECK;
struct rpc_client *rpc_client_free(struct rpc_client *c); /* its streams are closed before */

/* Opens a stream.  Returns at once; messages may be sent at once; a server that is not there is an
 * on_closed with ERR_UNAVAILABLE (the connection is tried once, within connect_timeout_ms). */
int rpc_client_open_stream(struct rpc_client *c, const char *method, int64_t connect_timeout_ms,
                           const struct rpc_end_options *end, struct rpc_channel **ret_channel,
                           struct error *err) MUST_CHECK;

struct rpc_client_call {
    const char *method;
    const ProtobufCMessage *request; /* Borrows for the call of rpc_client_start_call() */
    const ProtobufCMessageDescriptor *answer;
    int64_t deadline_ms;         /* from now; > 0 */
    struct cancel_token *cancel; /* may be NULL */
    struct mailbox *mailbox;     /* a reference is taken */
    int kind;
    /* On the mailbox's thread, once: the answer (owned; NULL on failure) or why there is none:
     * ERR_TIMEOUT, ERR_UNAVAILABLE, ERR_CANCELLED, or the server's error. */
    void (*on_answer)(void *target, void *arg, ProtobufCMessage *answer, const struct error *why);
    void *target, *arg;
    void (*drop)(void *arg); /* when the mailbox was closed meanwhile; may be NULL */
};
int rpc_client_start_call(struct rpc_client *c, const struct rpc_client_call *call,
                          struct error *err) MUST_CHECK;
/* The same, waiting on the calling thread (not a component's): tools, tests, executors. */
int rpc_client_call_sync(struct rpc_client *c, const char *method, const ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *answer, int64_t deadline_ms,
                         ProtobufCMessage **ret_answer, struct error *err) MUST_CHECK;

#endif
