/* What a client's files share.  The room's own header. */
#ifndef FLINC_COMMON_RPC_GRPC_CLIENT_H
#define FLINC_COMMON_RPC_GRPC_CLIENT_H

#include "common/base/str.h"
#include "common/rpc/grpc/secure.h"
#include <string.h>

enum {
    RPC_CLIENT_MEMBERS_MAX = 65536, /* streams and calls at once */
    RPC_CLIENT_GRACE_MS = 1000,     /* for what was sent before rpc_client_free() */
};

struct rpc_client {
    struct rpc_runtime *runtime; /* Borrows */
    struct rpc_group *group;
    char *target, *peer;     /* Owns: as gRPC wants it, as people do */
    struct tls_context *tls; /* a reference; NULL: plain */
    char *host;              /* Owns; with TLS */
    uint32_t port;
    uint64_t max_message_bytes;
    pthread_mutex_t lock;
    grpc_channel *channel;      /* Owns; NULL until first used */
    struct rpc_secure_end *end; /* of it; counted; NULL: plain */
};

/* A call over the connection, or over a new one when that has failed. */
grpc_call *rpc_client_create_call(struct rpc_client *c, const char *method, gpr_timespec deadline,
                                  struct rpc_secure_end **ret_end /* counted; may be NULL */);

#endif
