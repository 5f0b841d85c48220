/* The port of a server: sockets that are bound for us alone, and a look at what connects before gRPC
 * gets it.  The room's own header. */
#ifndef FLINC_COMMON_RPC_GRPC_LISTENER_H
#define FLINC_COMMON_RPC_GRPC_LISTENER_H

#include "common/rpc/grpc/runtime.h"

enum {
    RPC_LISTENER_ADDRESSES = 8, /* that a host name may stand for */
    RPC_LISTENER_BACKLOG = 1024,
    RPC_HELLOS_MAX = 256, /* connections that have not said what they are; the oldest goes first */
    RPC_HELLO_MS = 5000,  /* and how long they may take */
    RPC_ACCEPT_PAUSE_MS = 100,   /* when no descriptor is free */
    RPC_WARNING_PAUSE_MS = 5000, /* between lines about clients with TLS at a port without */
};

struct rpc_listener;
struct rpc_listener_options {
    struct rpc_runtime *runtime; /* Borrows */
    const char *host;
    uint32_t first_port, last_port;
    struct rpc_counters *counters;            /* Borrows */
    struct tls_context *tls;                  /* Borrows; NULL: plain */
    void (*on_connection)(void *arg, int fd); /* on the loop; takes the descriptor */
    void *arg;
};
int rpc_listener_new(const struct rpc_listener_options *options, struct rpc_listener **ret,
                     struct error *err) MUST_CHECK;
uint32_t rpc_listener_port(const struct rpc_listener *l);
/* No connection comes afterwards.  Thread: any but the loop's. */
struct rpc_listener *rpc_listener_free(struct rpc_listener *l);

#endif
