/* What every message can do.  Thread: any. */
#ifndef FLINC_COMMON_RPC_MESSAGE_H
#define FLINC_COMMON_RPC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

/* A copy that shares nothing with `m`; freed by its free_unpacked() with NULL. */
void *message_copy(const ProtobufCMessage *m);

#endif
