/* key_decode: damaged bytes are refused and leave nothing in the builder, or are valid values that encode
 * to the same key.
 *
 * Input: two bytes choose the schema, the bits of the third the order of the columns; the rest is the
 * key. */
#include "tests/fuzz/codec_schema.h"

enum { COLUMNS_MAX = 32 };

static bool schema_is_ordered(const struct schema *s)
{
    bool ordered = true;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        ordered = ordered && key_type_is_ordered(s->fields[i].type);
    }
    return ordered;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer_pool *pool = codec_pool();
    if (size < CODEC_SCHEMA_BYTES + 1) {
        return 0;
    }
    struct schema *s = codec_schema(data[0] | (uint32_t)data[1] << 8, true);
    enum key_order orders[COLUMNS_MAX];
    for (uint32_t i = 0; i < COLUMNS_MAX; i++) {
        orders[i] = (data[2] >> (i & 7)) & 1 ? KEY_ORDER_DESC : KEY_ORDER_ASC;
    }
    data += CODEC_SCHEMA_BYTES + 1;
    size -= CODEC_SCHEMA_BYTES + 1;
    struct builder b;
    struct error err = ERROR_INIT;
    builder_init(&b, pool, s, 0);
    b.max_row_bytes = 1 << 20;
    int rc = key_decode(data, size, orders, &b, &err);
    ASSERT(builder_rows(&b) == (rc < 0 ? 0 : 1));
    if (rc == 0) {
        struct batch *batch = builder_finish(&b);
        codec_check_valid(batch);
        if (schema_is_ordered(s)) { /* else a NULL was all there was of the others */
            STR_AUTO again = STR_INIT;
            rc = key_encode(batch, 0, &(struct key_encoding){.orders = orders}, &again, NULL);
            ASSERT(rc == 0 && again.len == size && memcmp(again.data, data, size) == 0);
        }
        batch_unref(batch);
    }
    builder_fini(&b);
    schema_unref(s);
    return 0;
}
