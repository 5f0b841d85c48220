/* batch_decode: damaged bytes are refused, or are a valid batch that encodes to the same bytes.
 *
 * Input: two bytes choose the schema, the third how the rest is decoded: bit 0 with its size put into
 * the header, as most changes would fail there; bit 1 by reference to a frame. */
#include "engine/data/codec/batch_wire.h"
#include "tests/fuzz/codec_schema.h"

enum { FIX_SIZE = 1, IN_FRAME = 2 };

static void check_same(struct buffer_pool *pool, const struct batch *b, const uint8_t *data,
                       size_t size)
{
    struct batch_encoder e;
    struct buffer *again = NULL;
    batch_encoder_init(&e, pool);
    int rc = batch_encode_to(&e, b, &again, NULL);
    ASSERT(rc == 0);
    ASSERT(again->size == size && memcmp(again->data, data, size) == 0);
    rc = batch_encode(&e, b, NULL);
    ASSERT(rc == 0);
    size_t at = 0;
    for (uint32_t i = 0; i < e.n_iov; i++) {
        ASSERT(at + e.iov[i].iov_len <= size);
        ASSERT(memcmp(e.iov[i].iov_base, data + at, e.iov[i].iov_len) == 0);
        at += e.iov[i].iov_len;
    }
    ASSERT(at == size);
    buffer_unref(again);
    batch_encoder_fini(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer_pool *pool = codec_pool();
    if (size < CODEC_SCHEMA_BYTES + 1) {
        return 0;
    }
    struct schema *s = codec_schema(data[0] | (uint32_t)data[1] << 8, false);
    uint8_t how = data[2];
    data += CODEC_SCHEMA_BYTES + 1;
    size -= CODEC_SCHEMA_BYTES + 1;
    size -= how & FIX_SIZE ? size % WIRE_ALIGN : 0;
    struct buffer *frame = buffer_get(pool, size);
    memcpy(frame->data, data, size);
    frame->size = size;
    if ((how & FIX_SIZE) && size >= sizeof(struct wire_header)) {
        ((struct wire_header *)(void *)frame->data)->size = (uint32_t)size;
    }
    struct batch_source source = {frame->data, size, how & IN_FRAME ? frame : NULL, 1 << 20};
    struct batch *b = NULL;
    struct error err = ERROR_INIT;
    if (batch_decode(pool, s, &source, &b, &err) == 0) {
        codec_check_valid(b);
        check_same(pool, b, frame->data, size);
        batch_unref(b);
    }
    buffer_unref(frame);
    schema_unref(s);
    return 0;
}
