/* row_decode: damaged bytes are refused and leave nothing in the builder, or are a valid row that encodes
 * to the same bytes.  value_decode, by which records in state hold arrays, maps and rows: the same for a
 * value of each column.
 *
 * Input: two bytes choose the schema, the rest is the row, or the value. */
#include "tests/fuzz/codec_schema.h"

/* The bytes as the value of one column, between two rows without any. */
static void check_value(struct buffer_pool *pool, const struct schema *s, uint32_t column,
                        const uint8_t *data, size_t size)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    b.max_row_bytes = 1 << 20;
    int rc = 0;
    for (uint32_t row = 0; row < 3; row++) {
        for (uint32_t i = 0; i < s->n_fields; i++) {
            bool here = row == 1 && i == column;
            int put = value_decode(data, here ? size : 0, &b, i, NULL);
            ASSERT(here || put == 0);
            rc = here ? put : rc;
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    const struct column *c = &batch->columns[column];
    if (rc == 0) {
        codec_check_valid(batch);
    }
    ASSERT(rc == 0 || column_is_null(c, 1));
    if (rc == 0 && size > 0) {
        STR_AUTO again = STR_INIT;
        value_encode(c, 1, &again);
        ASSERT(again.len == size && memcmp(again.data, data, size) == 0);
    }
    batch_unref(batch);
    builder_fini(&b);
}

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
    for (uint32_t i = 0; i < s->n_fields; i++) {
        check_value(pool, s, i, data, size);
    }
    schema_unref(s);
    return 0;
}
