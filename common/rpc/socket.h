/* A channel over a connected stream socket (a socketpair between a process and its child): frames of a
 * 4-byte length and a packed message, descriptors beside them (SCM_RIGHTS).
 *
 * Reading and writing are done on the loop; a peer that closes or dies is on_closed.  A frame longer
 * than the limit, or bytes that do not unpack, end the channel.  What cannot be written at once waits,
 * bounded (RPC_SOCKET_QUEUE_BYTES), then sends say ERR_LIMIT. */
#ifndef FLINC_COMMON_RPC_SOCKET_H
#define FLINC_COMMON_RPC_SOCKET_H

#include "common/loop/loop.h"
#include "common/rpc/channel.h"

enum { RPC_SOCKET_QUEUE_BYTES = 64 * 1024 * 1024, RPC_SOCKET_FDS_MAX = 4096 };

struct rpc_socket_options {
    struct rpc_end_options end;
    struct loop *loop; /* Borrows; must outlive the channel */
    int fd;            /* taken, when the call succeeds */
    /* Instead of end.on_message when a descriptor came with the message: takes both.  NULL: such
     * descriptors are closed and the message is delivered without. */
    void (*on_message_fd)(void *target, ProtobufCMessage *message, int fd);
};
/* Thread: the loop's, or before it runs. */
int rpc_socket_open(const struct rpc_socket_options *options, struct rpc_channel **ret_channel,
                    struct error *err) MUST_CHECK;
/* Sends a message with a descriptor; `take_fd` is closed here after it was sent, or when it fails. */
int rpc_socket_send_fd(struct rpc_channel *c, const ProtobufCMessage *message, int take_fd,
                       struct error *err) MUST_CHECK;

#endif
