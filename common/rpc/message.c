/* Copies of messages, by way of their bytes.  Thread: any. */
#include "common/rpc/message.h"

#include "common/base/mem.h"

void *message_copy(const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = mem_alloc(size + 1);
    protobuf_c_message_pack(m, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(m->descriptor, NULL, size, bytes);
    mem_free(bytes);
    ASSERT(copy != NULL);
    return copy;
}
