/* The consumer's view of a data connection: what a producer sends.  Whatever comes, each input is broken at
 * most once and let go exactly once, batches that arrive are valid, and nothing is left behind. */
#include "tests/fuzz/network_frames.h"
#include <arpa/inet.h>

enum { N_INPUTS = 2 };

struct fuzz_input {
    int n_broken, n_released;
    struct channel *channel;
};

static void on_broken(void *arg, const struct error *why)
{
    ASSERT(why->code != 0 && why->message[0] != '\0');
    ((struct fuzz_input *)arg)->n_broken++;
}

static void on_released(void *arg)
{
    ((struct fuzz_input *)arg)->n_released++;
}

/* One for the whole run: making it is what costs most. */
static int listener(uint32_t *ret_port)
{
    static int fd = -1;
    static uint32_t port;
    if (fd < 0) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        int rc = bind(fd, (struct sockaddr *)&a, len) | listen(fd, 8) |
                 getsockname(fd, (struct sockaddr *)&a, &len);
        ASSERT(rc == 0);
        port = ntohs(a.sin_port);
    }
    *ret_port = port;
    return fd;
}

static void drain(struct fuzz_input *in)
{
    struct element e;
    for (int lane = 0; lane < CHANNEL_LANES; lane++) {
        while (channel_poll(in->channel, (enum channel_lane)lane, &e)) {
            if (e.kind == ELEMENT_BATCH) {
                int rc = batch_validate(e.batch, NULL);
                ASSERT(rc == 0);
            }
            element_drop(&e);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_network f;
    struct fuzz_input inputs[N_INPUTS] = {{0}};
    STR_AUTO bytes = STR_INIT;
    fuzz_network_start(&f);
    struct remote_input input = {.location = {.host = "127.0.0.1"}};
    int listen_fd = listener(&input.location.port);
    input.schema = f.schema;
    input.on_broken = on_broken;
    input.on_released = on_released;
    input.channel.capacity_bytes = size > 0 && (data[0] & 16) ? 4096 : 0;
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "fuzz"});
    struct ready_queue *q = ready_queue_new(mailbox);
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        input.id.subpartition = i;
        input.arg = &inputs[i];
        int rc = network_open_input(f.network, &input, &inputs[i].channel, NULL);
        ASSERT(rc == 0);
        channel_attach_consumer(inputs[i].channel, q, i);
    }
    /* The incarnation of the location is zero. */
    struct frame_header h = {.kind = FRAME_WELCOME, .info = FRAME_VERSION, .payload_bytes = 16};
    static const uint8_t ZERO[16];
    if (size == 0 || !(data[0] & 4)) {
        frame_seal(&h, crc32c(0, ZERO, sizeof(ZERO)));
        str_append(&bytes, (const char *)&h, sizeof(h));
        str_append(&bytes, (const char *)ZERO, sizeof(ZERO));
    }
    fuzz_bytes(&f, data, size, &bytes);
    int rc = network_step(f.network, 0, NULL);
    ASSERT(rc >= 0);
    rc = network_step(f.network, 0, NULL);
    ASSERT(rc >= 0);
    int fd = accept(listen_fd, NULL, NULL);
    ASSERT(fd >= 0);
    fuzz_send(&f, fd, &bytes, size > 0 && (data[0] & 8) ? 7 : 100000);
    close(fd);
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        drain(&inputs[i]);
        channel_close_consumer(inputs[i].channel);
        ASSERT(inputs[i].n_broken <= 1);
    }
    fuzz_step(&f);
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        ASSERT(inputs[i].n_released == 1);
        channel_unref(inputs[i].channel);
    }
    ready_queue_unref(q);
    mailbox_unref(mailbox);
    fuzz_network_stop(&f);
    return 0;
}
