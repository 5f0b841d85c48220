/* Optional LZ4 of DATA payloads, frame by frame.  Thread: the network's.  Inside the room only. */
#ifndef FLINC_TASKMANAGER_NETWORK_COMPRESS_H
#define FLINC_TASKMANAGER_NETWORK_COMPRESS_H

#include "taskmanager/network/connection.h"

enum {
    COMPRESS_MIN_BYTES = 512,
    COMPRESS_GAIN_MIN = 8,     /* a compressed payload saves at least 1/8 */
    COMPRESS_SKIP_FRAMES = 15, /* frames of a channel not tried after one that did not gain */
};

/* Replaces the payload of header.payload_bytes at `raw` by a compressed one in a buffer of the frame.
 * False: it would not be smaller by enough, and nothing was changed. */
bool compress_payload(struct buffer_pool *pool, const uint8_t *raw, struct out_frame *f);
/* The payload of a compressed frame into `to`, at most `max` bytes.  ERR_CORRUPT. */
int decompress_payload(const struct frame_header *h, const uint8_t *payload, uint8_t *to,
                       uint64_t max, uint64_t *ret_bytes, struct error *err) MUST_CHECK;

#endif
