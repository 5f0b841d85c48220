/* Hostile bytes at both ends of a control channel: refused with an error, or a message that packs
 * into the size it says.  (Not more: the library keeps unknown fields with tag 0 and then refuses them.) */
#include "common/rpc/transport.h"
#include "proto/control.pb-c.h"
#include <stdlib.h>

static void on_message(void *target, ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    ASSERT(bytes != NULL && protobuf_c_message_pack(message, bytes) == size);
    free(bytes);
    rpc_message_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "fuzz"});
    struct rpc_end_options master = {.name = "master",
                                     .sends = &flinc__master_to_worker__descriptor,
                                     .receives = &flinc__worker_to_master__descriptor,
                                     .mailbox = m,
                                     .on_message = on_message};
    struct rpc_end_options worker = {.name = "worker",
                                     .sends = &flinc__worker_to_master__descriptor,
                                     .receives = &flinc__master_to_worker__descriptor,
                                     .mailbox = m,
                                     .on_message = on_message};
    struct rpc_channel *a, *b;
    if (rpc_memory_pair(&master, &worker, NULL, &a, &b, NULL) == 0) {
        (void)!rpc_channel_deliver(a, data, size, NULL);
        (void)!rpc_channel_deliver(b, data, size, NULL);
        mailbox_run(m, SIZE_MAX);
        rpc_channel_free(a);
        rpc_channel_free(b);
    }
    mailbox_close(m);
    mailbox_unref(m);
    return 0;
}
