/* Between our things and gRPC's: messages and byte buffers, errors and call statuses.
 *
 * An error travels as the nearest status code, its message as the status text, and whole (class, frames,
 * origin) as a packed flinc.ErrorInfo in the trailer "flinc-error-bin", so that ERR_* codes survive.
 * What comes from a peer is checked: codes and classes that we do not have are not taken over.
 *
 * Behind each message, and each error, stand the four bytes of its CRC32C, lowest first: TCP's check sum lets one damaged
 * segment in 65,536 pass, HTTP/2 and protobuf have none, and a number that is wrong is a message like any other.  The check
 * sum of a stream's message begins with its number in the stream: one that is lost between others, as its frame was damaged, is
 * noticed by the next one. */
#ifndef FLINC_COMMON_RPC_GRPC_WIRE_H
#define FLINC_COMMON_RPC_GRPC_WIRE_H

#include "common/base/error.h"
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <protobuf-c/protobuf-c.h>

/* ---- messages ---------------------------------------------------------------------------------- */

enum { RPC_WIRE_CHECK_BYTES = 4 };

/* number: of the message in its stream, from 0 on; 0 for what stands alone. */
grpc_byte_buffer *rpc_wire_copy(const uint8_t *bytes, size_t size, uint32_t number);
grpc_byte_buffer *rpc_wire_pack(const ProtobufCMessage *message);

/* The message in a buffer in one piece; copied only when it lies in several. */
struct rpc_wire_view {
    const uint8_t *bytes;
    size_t size;
    grpc_slice slice;
};
/* ERR_CORRUPT, which may be tried again: what came is not what was sent. */
int rpc_wire_view_init(struct rpc_wire_view *v, grpc_byte_buffer *buffer, uint32_t number,
                       struct error *err);
void rpc_wire_view_fini(struct rpc_wire_view *v);
/* NULL: ERR_CORRUPT as above, or ERR_INVALID_ARGUMENT, it is no such message. */
ProtobufCMessage *rpc_wire_unpack(grpc_byte_buffer *buffer,
                                  const ProtobufCMessageDescriptor *descriptor, struct error *err);

/* ---- statuses ---------------------------------------------------------------------------------- */

/* What SEND_STATUS_FROM_SERVER takes; must live until that batch is done. */
struct rpc_status {
    grpc_status_code code;
    grpc_slice text;
    grpc_metadata trailer;
    size_t n_trailers;
};
void rpc_status_init(struct rpc_status *s, const struct error *why); /* NULL: no error */
void rpc_status_fini(struct rpc_status *s);
/* Fills the op of it. */
void rpc_status_op(struct rpc_status *s, grpc_op *op);
/* What a client received; for code OK an ERR_CLOSED.  `what` begins the message of an error that has
 * none of ours: "calling /flinc.Cluster/Ping at host:port". */
void rpc_status_to_error(grpc_status_code code, const grpc_slice *text,
                         const grpc_metadata_array *trailers, const char *what, struct error *ret);

#endif
