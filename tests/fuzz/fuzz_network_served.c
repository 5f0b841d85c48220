/* The producer's view of a data connection: what a consumer asks for.  Two subpartitions have data; whatever
 * comes, the connection ends, and nothing is left behind. */
#include "tests/fuzz/network_frames.h"

enum { N_CHANNELS = 2, N_BATCHES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_network f;
    struct channel *channels[N_CHANNELS];
    int pair[2];
    STR_AUTO bytes = STR_INIT;
    fuzz_network_start(&f);
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "fuzz"});
    for (uint32_t i = 0; i < N_CHANNELS; i++) {
        struct subpartition_id id = {.subpartition = i};
        int rc =
            partition_registry_connect(f.registry, &id, CHANNEL_SIDE_PRODUCER, &channels[i], NULL);
        ASSERT(rc == 0);
        channel_attach_producer(channels[i], mailbox, NULL);
        for (uint32_t k = 0; k < N_BATCHES; k++) {
            struct element e = element_of_batch(batch_ref(f.batch));
            channel_push(channels[i], &e);
        }
        struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
        channel_push(channels[i], &end);
    }
    /* A request that is granted, so that there is something to go on from. */
    struct frame_header h = {.kind = FRAME_OPEN, .payload_bytes = sizeof(struct open_request)};
    struct open_request r = {.credit_bytes = 4096, .batch_charge_min = 64};
    if (size > 0 && (data[0] & 4)) {
        frame_seal(&h, crc32c(0, &r, sizeof(r)));
        str_append(&bytes, (const char *)&h, sizeof(h));
        str_append(&bytes, (const char *)&r, sizeof(r));
    }
    fuzz_bytes(&f, data, size, &bytes);
    int rc = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    ASSERT(rc == 0);
    network_accept(f.network, pair[0], "fuzz");
    fuzz_step(&f);
    fuzz_send(&f, pair[1], &bytes, size > 0 && (data[0] & 8) ? 7 : 100000);
    close(pair[1]);
    for (uint32_t i = 0; i < N_CHANNELS; i++) {
        channel_close_producer(channels[i]);
        channel_unref(channels[i]);
    }
    mailbox_unref(mailbox);
    fuzz_network_stop(&f);
    return 0;
}
