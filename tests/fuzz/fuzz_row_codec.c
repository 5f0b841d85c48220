/* row_decode: damaged bytes are refused and leave nothing in the builder, or are a valid row that encodes
 * to the same bytes.
 *
 * Input: two bytes choose the schema, the rest is the row. */
#include "tests/fuzz/codec_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer_pool *pool = codec_pool();
    if (size < CODEC_SCHEMA_BYTES) {
        return 0;
    }
    struct schema *s = codec_schema(data[0] | (uint32_t)data[1] << 8, false);
    data += CODEC_SCHEMA_BYTES;
    size -= CODEC_SCHEMA_BYTES;
    struct builder b;
    struct error err = ERROR_INIT;
    builder_init(&b, pool, s, 0);
    b.max_row_bytes = 1 << 20;
    int rc = row_decode(data, size, &b, &err);
    ASSERT(builder_rows(&b) == (rc < 0 ? 0 : 1));
    if (rc == 0) {
        const struct row_encoding whole = {.flags = ROW_ENCODE_KIND | ROW_ENCODE_TIMESTAMP};
        struct batch *batch = builder_finish(&b);
        STR_AUTO again = STR_INIT;
        codec_check_valid(batch);
        rc = row_encode(batch, 0, &whole, &again, NULL);
        ASSERT(rc == 0 && again.len == size && memcmp(again.data, data, size) == 0);
        batch_unref(batch);
    }
    builder_fini(&b);
    schema_unref(s);
    return 0;
}
