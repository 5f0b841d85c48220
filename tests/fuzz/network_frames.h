/* What the fuzz targets of the network share: a network stepped by the target, and the input as bytes of a
 * connection: as they are, or as frames with right checks, since a random change would get no further.
 *
 * A frame of the input: kind, flags, channel, payload in units of 16, padding, info, value in units of 16
 * (u16), then the payload; flag 0x80 puts an encoded batch there, 0x40 leaves the check wrong. */
#ifndef FLINC_TESTS_FUZZ_NETWORK_FRAMES_H
#define FLINC_TESTS_FUZZ_NETWORK_FRAMES_H

#include "common/base/crc32c.h"
#include "common/base/log.h"
#include "taskmanager/network/network_internal.h"
#include <sys/socket.h>
#include <unistd.h>

enum { FUZZ_BATCH = 0x80, FUZZ_DAMAGED = 0x40, FUZZ_RECORD_BYTES = 8, FUZZ_STEPS_MAX = 100000 };

struct fuzz_network {
    struct conf conf;
    struct partition_registry *registry;
    struct network *network;
    struct schema *schema;
    struct buffer_pool *pool;
    struct batch *batch;
};

static inline void fuzz_network_start(struct fuzz_network *f)
{
    struct builder b;
    log_set_level(LOG_LEVEL_OFF);
    *f = (struct fuzz_network){.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "f"})};
    conf_init(&f->conf, NULL);
    f->registry = partition_registry_new(&clock_system);
    const struct network_options options = {
        .conf = &f->conf, .registry = f->registry, .incarnation = {{1}}, .name = "fuzz"};
    int rc = network_new_stepped(&options, &f->network, NULL);
    ASSERT(rc == 0);
    rc = schema_parse(slice_cstr("ROW<n BIGINT, text STRING>"), &f->schema, NULL);
    ASSERT(rc == 0);
    builder_init(&b, f->pool, f->schema, 100);
    for (int i = 0; i < 100; i++) {
        builder_put_i64(&b, 0, i);
        rc = builder_put_bytes(&b, 1, "some text of 24 letters.", 24, NULL);
        ASSERT(rc == 0);
        builder_end_row(&b);
    }
    f->batch = builder_finish(&b);
    builder_fini(&b);
}

static inline void fuzz_network_stop(struct fuzz_network *f)
{
    network_free(f->network);
    partition_registry_free(f->registry);
    conf_fini(&f->conf);
    batch_unref(f->batch);
    schema_unref(f->schema);
    ASSERT(buffer_pool_out_count(f->pool) == 0);
    buffer_pool_close(f->pool);
}

static inline void fuzz_step(struct fuzz_network *f)
{
    for (int i = 0, busy = 1; busy; i++) {
        ASSERT(i < FUZZ_STEPS_MAX);
        busy = network_step(f->network, 0, NULL);
        ASSERT(busy >= 0);
    }
}

static inline void fuzz_append_frame(struct fuzz_network *f, const uint8_t *record,
                                     const uint8_t **data, size_t *size, struct str *out)
{
    struct frame_header h = {
        .kind = record[0],
        .flags = record[1] & 0x3f,
        .channel = record[2],
        .padding = record[4],
        .info = record[5],
        .value = (uint64_t)(record[6] | (uint32_t)record[7] << 8) * FRAME_ALIGN,
    };
    STR_AUTO payload = STR_INIT;
    size_t want = (size_t)record[3] * FRAME_ALIGN;
    if (record[1] & FUZZ_BATCH) {
        struct batch_encoder e;
        batch_encoder_init(&e, f->pool);
        int rc = batch_encode(&e, f->batch, NULL);
        ASSERT(rc == 0);
        for (uint32_t i = 0; i < e.n_iov; i++) {
            str_append(&payload, e.iov[i].iov_base, e.iov[i].iov_len);
        }
        batch_encoder_fini(&e);
        h.value = payload.len;
        if (want > 0 && want < payload.len) {
            payload.len = want; /* a fragment */
        }
    } else {
        size_t have = MIN(want, *size);
        str_append(&payload, (const char *)*data, have);
        *data += have;
        *size -= have;
        while (payload.len < want) {
            str_append_char(&payload, 0);
        }
    }
    h.payload_bytes = (uint32_t)payload.len;
    frame_seal(&h, crc32c(record[1] & FUZZ_DAMAGED ? 1 : 0, payload.data, payload.len));
    str_append(out, (const char *)&h, sizeof(h));
    str_append(out, str_cstr(&payload), payload.len);
}

/* The first byte says how the rest is meant. */
static inline void fuzz_bytes(struct fuzz_network *f, const uint8_t *data, size_t size,
                              struct str *out)
{
    if (size == 0 || (data[0] & 3) == 3) {
        str_append(out, (const char *)data, size);
        return;
    }
    data++;
    size--;
    while (size >= FUZZ_RECORD_BYTES) {
        const uint8_t *record = data;
        data += FUZZ_RECORD_BYTES;
        size -= FUZZ_RECORD_BYTES;
        fuzz_append_frame(f, record, &data, &size, out);
    }
}

/* Sends in pieces, with rounds of the network between them, then ends the sending half. */
static inline void fuzz_send(struct fuzz_network *f, int fd, const struct str *bytes, size_t piece)
{
    for (size_t at = 0; at < bytes->len;) {
        ssize_t n =
            send(fd, bytes->data + at, MIN(piece, bytes->len - at), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) {
            break; /* it was broken, or nobody reads any more */
        }
        at += (size_t)n;
        fuzz_step(f);
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; f->network->n_connections > 0; i++) {
        char answer[4096];
        ASSERT(i < FUZZ_STEPS_MAX);
        while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0) {
        }
        int rc = network_step(f->network, 1, NULL);
        ASSERT(rc >= 0);
    }
}

#endif
