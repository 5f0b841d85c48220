/* What a server's files share.  The room's own header. */
#ifndef FLINC_COMMON_RPC_GRPC_SERVER_H
#define FLINC_COMMON_RPC_GRPC_SERVER_H

#include "common/rpc/grpc/listener.h"
#include "common/rpc/grpc/wire.h"

enum {
    RPC_SERVER_CONNECTIONS_DEFAULT = 4096, /* streams at once */
    RPC_SERVER_CALLS_MAX = 4096,           /* calls that wait for their answers */
    RPC_SERVER_ACCEPTS = 16, /* requests for the next call, so that a burst finds one */
    RPC_SERVER_STREAMS_PER_CONNECTION = 1024,
    RPC_SERVER_GRACE_MS = 1000, /* for what was sent before rpc_server_free() */
    RPC_PEER_MAX = 128,
};

struct rpc_accept;

/* Counted: by its owner, and by everything in a mailbox or in flight that may look at it. */
struct rpc_server {
    _Atomic uint32_t refs;
    struct rpc_runtime *runtime;
    grpc_server *server; /* Owns, until rpc_server_free() */
    struct rpc_listener *listener;
    struct tls_context *tls; /* counted; NULL: plain */
    uint32_t port;
    struct rpc_group *streams, *calls;
    struct rpc_counters counters;         /* what concerns neither group yet */
    struct rpc_call_method *call_methods; /* Owns; names copied, mailboxes counted */
    struct rpc_stream_method *stream_methods;
    uint32_t n_call_methods, n_stream_methods;
    uint64_t max_message_bytes;
    _Atomic bool stopped; /* callbacks come no more */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t n_accepts; /* in flight; under lock */
    bool shut_down;     /* under lock */
    struct rpc_accept *accepts[RPC_SERVER_ACCEPTS];
    struct rpc_tag tag_shutdown;
};

void rpc_server_ref(struct rpc_server *s);
void rpc_server_unref(struct rpc_server *s);

/* A unary call came: takes `call`. */
void rpc_server_call_begin(struct rpc_server *s, const struct rpc_call_method *method,
                           grpc_call *call, const char *peer);
/* Ends a call that is not taken on: takes `call`. */
void rpc_server_refuse(struct rpc_server *s, grpc_call *call, const struct error *why);

#endif
