/* What a transport does for a channel: moves byte strings in order to the peer's end, and says when
 * the connection is over.  In memory here; socket pairs and gRPC implement the same struct, and the
 * users of channels do not change.
 *
 * Thread: send and close any (the transport locks as it needs); the callbacks of rpc_receiver from any
 * thread, one at a time per end. */
#ifndef FLINC_COMMON_RPC_TRANSPORT_H
#define FLINC_COMMON_RPC_TRANSPORT_H

#include "common/rpc/channel.h"

struct rpc_transport_ops {
    const char *name; /* "memory" */
    /* Takes a copy of the bytes.  ERR_CLOSED, ERR_LIMIT or what broke. */
    int (*send)(void *transport, const uint8_t *bytes, size_t size, struct error *err);
    /* What was sent before still arrives; the peer hears on_closed.  May be called again. */
    void (*close)(void *transport);
    /* After close: no callback comes any more once it returned. */
    void (*free)(void *transport);
};

/* An end over a transport, for those who write one.  The transport is owned by the channel. */
int rpc_channel_new(const struct rpc_end_options *options, const struct rpc_transport_ops *ops,
                    void *transport, struct rpc_channel **ret_channel,
                    struct error *err) MUST_CHECK;
/* The transport's calls: bytes came in (borrowed for the call); the connection is over.
 * A message that does not unpack, or is too large, ends the connection with ERR_CORRUPT or
 * ERR_TOO_LARGE.  ERR_LIMIT: the mailbox is full, nothing was delivered. */
int rpc_channel_deliver(struct rpc_channel *c, const uint8_t *bytes, size_t size,
                        struct error *err) MUST_CHECK;
/* The same with a descriptor beside the message, which is taken on success; on_message_fd gets both
 * instead of on_message.  NULL: the descriptor is closed, the message delivered without. */
int rpc_channel_deliver_fd(struct rpc_channel *c, const uint8_t *bytes, size_t size, int take_fd,
                           void (*on_message_fd)(void *target, ProtobufCMessage *message, int fd),
                           struct error *err) MUST_CHECK;
void rpc_channel_peer_closed(struct rpc_channel *c, const struct error *why);
/* For transports with sends of their own: the checks of rpc_channel_send() and the packed bytes (mem_free
 * them), then its counting. */
int rpc_channel_pack(struct rpc_channel *c, const ProtobufCMessage *message, uint8_t **ret_bytes,
                     size_t *ret_size, struct error *err) MUST_CHECK;
void rpc_channel_count_sent(struct rpc_channel *c, size_t size);
/* The transport of a channel when it is of this kind, else NULL. */
void *rpc_channel_transport(const struct rpc_channel *c, const struct rpc_transport_ops *ops);

/* ---- in memory ---------------------------------------------------------------------------------- */

enum { RPC_MEMORY_HELD_LIMIT = 65536 }; /* messages held back per direction */

/* What an interceptor decides about one send. */
enum rpc_verdict {
    RPC_PASS,
    RPC_DROP,      /* the sender believes it was sent */
    RPC_DUPLICATE, /* delivered twice */
    RPC_HOLD, /* kept until rpc_memory_release(); what follows on this direction waits behind it */
};
const char *rpc_verdict_name(enum rpc_verdict verdict);

/* Sees each message between the packing and the delivery, on the sender's thread: the simulation's
 * place to drop, delay and duplicate.  It must decide by its own seeded generator. */
struct rpc_interceptor {
    enum rpc_verdict (*decide)(void *arg, const char *channel_name, const uint8_t *bytes,
                               size_t size);
    void *arg;
};

/* Two connected ends.  a->sends is b->receives and the other way round. */
int rpc_memory_pair(const struct rpc_end_options *a, const struct rpc_end_options *b,
                    const struct rpc_interceptor *interceptor /* may be NULL; copied */,
                    struct rpc_channel **ret_a, struct rpc_channel **ret_b,
                    struct error *err) MUST_CHECK;
/* Delivers up to `max` (0: all) messages of this end that were held; returns how many. */
size_t rpc_memory_release(struct rpc_channel *c, size_t max);

#endif
