/* A stream as a transport of channels; both sides use it.  The room's own header. */
#ifndef FLINC_COMMON_RPC_GRPC_STREAM_H
#define FLINC_COMMON_RPC_GRPC_STREAM_H

#include "common/rpc/grpc/secure.h"

enum {
    RPC_STREAM_QUEUE_BYTES = 64 * 1024 * 1024, /* waiting to be sent; then sends say ERR_LIMIT */
    RPC_STREAM_QUEUE_MESSAGES = 65536,
    RPC_STREAM_RETRY_MS = 1,      /* first look at a receiver's full mailbox, doubled */
    RPC_STREAM_RETRY_MAX_MS = 32, /* up to this */
};

enum rpc_stream_side { RPC_STREAM_CLIENT, RPC_STREAM_SERVER };

struct rpc_stream;
struct rpc_stream_options {
    struct rpc_runtime *runtime; /* Borrows */
    struct rpc_group *group;     /* of its client or server: it becomes a member */
    enum rpc_stream_side side;
    const char *peer;              /* copied */
    grpc_call *call;               /* taken when the call succeeds */
    struct rpc_secure_end *secure; /* client: a reference is taken; may be NULL */
    int64_t connect_timeout_ms;    /* client: until the server's first sign; <= 0: none */
};
int rpc_stream_new(const struct rpc_stream_options *options, struct rpc_stream **ret,
                   struct error *err) MUST_CHECK;
/* Makes the channel of it, which then owns it, and starts to receive once `receive_from` was called.  On
 * failure the stream stays the caller's, who refuses it. */
int rpc_stream_attach(struct rpc_stream *s, const struct rpc_end_options *end,
                      struct rpc_channel **ret_channel, struct error *err) MUST_CHECK;
void rpc_stream_start_receiving(struct rpc_stream *s);
/* Ends a stream that has no channel: the peer hears why. */
void rpc_stream_refuse(struct rpc_stream *s, const struct error *why);
bool rpc_stream_is_broken(struct rpc_stream *s);
/* Keeps it over a call that may free its channel. */
void rpc_stream_hold(struct rpc_stream *s);
void rpc_stream_release(struct rpc_stream *s);

#endif
