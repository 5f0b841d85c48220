/* LZ4 block format, without a frame of its own: the sizes are in the network's header. */
#include "taskmanager/network/compress.h"
#include <lz4.h>

bool compress_payload(struct buffer_pool *pool, const uint8_t *raw, struct out_frame *f)
{
    int bytes = (int)f->header.payload_bytes;
    int limit = bytes - bytes / COMPRESS_GAIN_MIN - FRAME_ALIGN;
    struct buffer *to = buffer_get(pool, (uint64_t)limit + FRAME_ALIGN);
    int n = LZ4_compress_default((const char *)raw, (char *)to->data, bytes, limit);
    if (n <= 0) {
        buffer_unref(to);
        return false;
    }
    uint64_t padded = frame_align((uint64_t)n);
    memset(to->data + n, 0, padded - (uint64_t)n);
    to->size = padded;
    f->buffer = to;
    f->header.flags |= FRAME_FLAG_LZ4;
    f->header.payload_bytes = (uint32_t)padded;
    f->header.padding = (uint16_t)(padded - (uint64_t)n);
    return true;
}

int decompress_payload(const struct frame_header *h, const uint8_t *payload, uint8_t *to,
                       uint64_t max, uint64_t *ret_bytes, struct error *err)
{
    int n =
        LZ4_decompress_safe((const char *)payload, (char *)to, (int)(h->payload_bytes - h->padding),
                            (int)MIN(max, (uint64_t)FRAME_PAYLOAD_MAX));
    if (n <= 0) {
        error_set(err, ERR_CORRUPT, "a DATA frame that is no LZ4 block");
        error_set_class(err, ERROR_CLASS_TRANSIENT);
        return ERR_CORRUPT;
    }
    *ret_bytes = (uint64_t)n;
    return 0;
}
