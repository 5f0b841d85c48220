/* Channel state from any bytes, inline and with the blob's check sum made to fit: refused, or every block of it can be
 * read.  Check sums of parts that do not fit are made to, for one run in two, so that what lies behind them is
 * reached. */
#include "common/base/crc32c.h"
#include "engine/snapshot/channel_state.h"
#include "engine/snapshot/segment_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD_BYTES = 32,
    FOOT_BYTES = 32,
    BLOCK_BYTES = 48,
    SIZE_AT = 4,
    CRC_AT = 8,
    HEAD_CRC_AT = 12,
    FOOT_CRC_AT = 16
};

static void seal_part(uint8_t *part, size_t size, size_t crc_at)
{
    uint32_t crc = segment_crc(part, size, crc_at);
    memcpy(part + crc_at, &crc, sizeof(crc));
}

static void seal_parts(uint8_t *bytes, size_t size)
{
    if (size < HEAD_BYTES + FOOT_BYTES) {
        return;
    }
    seal_part(bytes, HEAD_BYTES, HEAD_CRC_AT);
    seal_part(bytes + size - FOOT_BYTES, FOOT_BYTES, FOOT_CRC_AT);
    for (size_t at = HEAD_BYTES; at + BLOCK_BYTES + FOOT_BYTES <= size;) {
        uint32_t n;
        memcpy(&n, bytes + at + SIZE_AT, sizeof(n));
        if (n < BLOCK_BYTES || n > size - FOOT_BYTES - at) {
            return;
        }
        seal_part(bytes + at, n, CRC_AT);
        at += n;
    }
}

static void read_all(const Flinc__ChannelStateHandle *handle, struct buffer_pool *pool,
                     const struct schema *schema)
{
    struct channel_state_reader *r = NULL;
    struct channel_state_block block;
    if (channel_state_reader_open(handle, "", &r, NULL) < 0) {
        return;
    }
    while (channel_state_reader_next(r, pool, schema, &block, NULL) > 0) {
        ASSERT(block.kind == CHANNEL_STATE_WATERMARK || batch_bytes(block.batch) > 0 ||
               block.batch->n_sel == 0);
        batch_unref(block.batch);
    }
    channel_state_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "fuzz"});
    struct schema *schema = NULL;
    Flinc__ChannelStateHandle handle = FLINC__CHANNEL_STATE_HANDLE__INIT;
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    uint8_t *bytes = mem_dup(data + 1, size - 1);

    buffer_pool_adopt(pool);
    ASSERT(schema_parse(slice_cstr("ROW<`n` BIGINT NOT NULL, `word` STRING>"), &schema, NULL) == 0);
    if (data[0] & 1) {
        seal_parts(bytes, size - 1);
    }
    blob.inline_data = (ProtobufCBinaryData){size - 1, bytes};
    blob.size = size - 1;
    blob.crc32c = crc32c(0, bytes, size - 1);
    handle.blob = &blob;
    read_all(&handle, pool, schema);
    mem_free(bytes);
    schema_unref(schema);
    ASSERT(buffer_pool_out_count(pool) == 0);
    buffer_pool_close(pool);
    return 0;
}
