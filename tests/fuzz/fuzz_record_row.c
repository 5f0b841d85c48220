/* record_row_decode: damaged bytes are refused when row_decode() refuses them, and leave nothing in state, or are
 * a record that encodes to the same bytes.
 *
 * Input: two bytes choose the schema, whose columns of type NULL are left out; the rest is the row. */
#include "tests/fuzz/codec_schema.h"
#include "tests/unit/engine_state/record_row_check.h"

static struct schema *without_nulls(const struct schema *s)
{
    const char *names[32];
    struct data_type *types[32];
    uint32_t n = 0;
    ASSERT(s->n_fields <= ARRAY_LEN(names));
    for (uint32_t i = 0; i < s->n_fields; i++) {
        if (s->fields[i].type->layout != LAYOUT_NULL) {
            names[n] = s->fields[i].name;
            types[n++] = type_ref(s->fields[i].type);
        }
    }
    return schema_new(names, types, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CODEC_SCHEMA_BYTES) {
        return 0;
    }
    struct record_layout l;
    struct record_row r;
    struct schema *all = codec_schema(data[0] | (uint32_t)data[1] << 8, false);
    struct schema *s = without_nulls(all);
    int rc = record_layout_init(&l, s, NULL);
    ASSERT(rc == 0);
    record_row_init(&r, &l);
    (void)record_row_check(codec_pool(), &r, data + CODEC_SCHEMA_BYTES, size - CODEC_SCHEMA_BYTES);
    record_row_fini(&r);
    record_layout_fini(&l);
    schema_unref(s);
    schema_unref(all);
    return 0;
}
