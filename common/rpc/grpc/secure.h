/* TLS below gRPC: a relay of the runtime's holds the encrypted connections, gRPC gets plain sockets of this process.
 * The room's own header. */
#ifndef FLINC_COMMON_RPC_GRPC_SECURE_H
#define FLINC_COMMON_RPC_GRPC_SECURE_H

#include "common/net/tls/relay.h"
#include "common/rpc/grpc/runtime.h"

/* A client's connection, and what became of it.  Counted: by the link, the client, streams and calls over it. */
struct rpc_secure_end;
struct rpc_secure_end *rpc_secure_end_ref(struct rpc_secure_end *e); /* NULL is fine */
struct rpc_secure_end *
rpc_secure_end_unref(struct rpc_secure_end *e); /* NULL is fine; returns NULL */
bool rpc_secure_end_is_over(const struct rpc_secure_end *e);
/* gRPC says that the connection broke: puts why in the place of that.  NULL: a connection without TLS. */
void rpc_secure_end_explain(struct rpc_secure_end *e, struct error *why);

/* Begins to connect; *ret_fd is the plain socket. */
int rpc_secure_connect(struct rpc_runtime *r, struct tls_context *context, const char *host,
                       uint32_t port, const char *peer, struct rpc_secure_end **ret_end,
                       int *ret_fd, struct error *err) MUST_CHECK;
/* A server's connection; takes the descriptor.  The plain socket shows nothing before HTTP/2's first bytes are there. */
int rpc_secure_accept(struct rpc_runtime *r, struct tls_context *context, int take_fd,
                      uint32_t first_bytes, int *ret_fd, struct error *err) MUST_CHECK;
/* Does a client that is to speak HTTP/2 begin with a TLS handshake? */
bool rpc_secure_is_handshake(const char *bytes, size_t n);

#endif
