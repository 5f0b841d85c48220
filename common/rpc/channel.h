/* A message channel between two components (Flink: an RPC gateway and its connection): each end sends
 * messages of one protobuf type, its envelope, and receives those of the peer's.  What travels is
 * always bytes: a send packs, a delivery unpacks, in memory too, so that the in-process cluster tests
 * what a cluster does.
 *
 * A delivery is an operation in the receiver's mailbox, in the order of the sends.  Fencing tokens and
 * attempt ids are fields of the envelope, put there and checked by its user.  The transport is behind
 * `struct rpc_transport`; rpc_memory_pair() is the one inside a process.
 *
 * Thread: send and close any; callbacks on the thread that polls the end's mailbox. */
#ifndef FLINC_COMMON_RPC_CHANNEL_H
#define FLINC_COMMON_RPC_CHANNEL_H

#include "common/loop/mailbox.h"
#include <protobuf-c/protobuf-c.h>

enum { RPC_MESSAGE_BYTES_DEFAULT = 32 * 1024 * 1024 };

/* What one end is. */
struct rpc_end_options {
    const char *name;                           /* copied; "jobmaster -> worker 3", for errors */
    const ProtobufCMessageDescriptor *sends;    /* Borrows: the envelope this end sends */
    const ProtobufCMessageDescriptor *receives; /* Borrows: the envelope it gets */
    struct mailbox *mailbox;                    /* a reference is taken */
    enum mailbox_lane lane;                     /* of its deliveries */
    int message_kind, closed_kind;              /* mailbox_op.kind of its deliveries */
    uint64_t max_message_bytes;                 /* packed, sent and received; 0: the default */
    /* Gets the unpacked message and owns it: free it by rpc_message_free(). */
    void (*on_message)(void *target, ProtobufCMessage *message);
    /* The peer closed, or the connection broke (why says); comes once, after the last message, and
     * not when this end closed first.  May be NULL. */
    void (*on_closed)(void *target, const struct error *why);
    void *target; /* Borrows; no callback comes after rpc_channel_free() on the mailbox's thread */
};

/* One end of a channel. */
struct rpc_channel;

/* Packs and sends; the message stays the caller's.  ERR_INVALID_ARGUMENT (not the declared envelope),
 * ERR_TOO_LARGE, ERR_CLOSED (either side closed), ERR_LIMIT (the receiver does not keep up). */
int rpc_channel_send(struct rpc_channel *c, const ProtobufCMessage *message,
                     struct error *err) MUST_CHECK;
/* No more sends, and no more callbacks of this end from its mailbox's thread; the peer gets what was
 * sent before, then on_closed.  May be called again. */
void rpc_channel_close(struct rpc_channel *c);
/* Closes it when open and gives the handle up.  NULL is fine; returns NULL. */
struct rpc_channel *rpc_channel_free(struct rpc_channel *c);
bool rpc_channel_is_closed(const struct rpc_channel *c); /* this side or the peer */
const char *rpc_channel_name(const struct rpc_channel *c);

void rpc_message_free(ProtobufCMessage *message); /* NULL is fine */

/* ---- counters, for metrics -------------------------------------------------------------------- */

struct rpc_channel_stats {
    uint64_t messages_sent, bytes_sent, messages_received, bytes_received;
};
void rpc_channel_get_stats(const struct rpc_channel *c, struct rpc_channel_stats *ret_stats);

#endif
