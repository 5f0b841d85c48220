/* Elements given in the job's main: C structs become batches, encoded into the graph. */
#include "engine/data/builder.h"
#include "engine/data/codec.h"
#include "sdk/internal.h"
#include <sys/uio.h>

enum { ELEMENTS_BYTES_MAX = 64 * 1024 * 1024 };

/* The fields of a record that are not plain copies of their bytes. */
static int put_field(struct builder *b, uint32_t column, const flinc_field *f, const char *record,
                     struct error *err)
{
    const char *at = record + f->offset;
    flinc_string s;

    if (f->null_offset != FLINC_NEVER_NULL && *(const bool *)(record + f->null_offset)) {
        builder_put_null(b, column);
        return 0;
    }
    switch (f->kind) {
    case FLINC_KIND_STRING:
    case FLINC_KIND_BYTES:
        memcpy(&s, at, sizeof(s));
        return builder_put_bytes(b, column, s.data, s.len, err);
    case FLINC_KIND_BOOL:
        builder_put_bool(b, column, *(const bool *)at);
        return 0;
    case FLINC_KIND_FLOAT: {
        float v;
        memcpy(&v, at, sizeof(v));
        builder_put_f64(b, column, v);
        return 0;
    }
    case FLINC_KIND_DOUBLE: {
        double v;
        memcpy(&v, at, sizeof(v));
        builder_put_f64(b, column, v);
        return 0;
    }
    case FLINC_KIND_INT8:
        builder_put_i64(b, column, *(const int8_t *)at);
        return 0;
    case FLINC_KIND_INT16: {
        int16_t v;
        memcpy(&v, at, sizeof(v));
        builder_put_i64(b, column, v);
        return 0;
    }
    case FLINC_KIND_INT32:
    case FLINC_KIND_DATE:
    case FLINC_KIND_TIME: {
        int32_t v;
        memcpy(&v, at, sizeof(v));
        builder_put_i64(b, column, v);
        return 0;
    }
    default: {
        int64_t v;
        memcpy(&v, at, sizeof(v));
        builder_put_i64(b, column, v);
        return 0;
    }
    }
}

/* Encodes what the builder holds and adds it to the configuration. */
static int add_batch(struct arena *arena, struct builder *b, struct batch_encoder *encoder,
                     struct vec *encoded, struct error *err)
{
    struct batch *batch = builder_finish(b);

    if (batch == NULL) {
        return 0;
    }
    int rc = batch_encode(encoder, batch, err);
    if (rc == 0) {
        ProtobufCBinaryData *bytes = VEC_PUSH(encoded, ProtobufCBinaryData);
        bytes->data = arena_alloc(arena, encoder->total_bytes + 1);
        for (uint32_t i = 0; i < encoder->n_iov; i++) {
            memcpy(bytes->data + bytes->len, encoder->iov[i].iov_base, encoder->iov[i].iov_len);
            bytes->len += encoder->iov[i].iov_len;
        }
    }
    batch_unref(batch);
    return rc;
}

int elements_encode(struct arena *arena, const struct schema *schema, const flinc_struct *record,
                    const void *elements, size_t n, Flinc__ElementsSourceConfig *ret,
                    struct error *err)
{
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "elements"});
    struct vec encoded = VEC_INIT(ProtobufCBinaryData);
    struct batch_encoder encoder;
    struct builder builder;
    uint64_t bytes = 0;
    int rc = 0;

    batch_encoder_init(&encoder, pool);
    builder_init(&builder, pool, schema, BATCH_ROWS_TARGET);
    for (size_t i = 0; i < n && rc == 0; i++) {
        builder_begin(&builder);
        for (uint32_t c = 0; c < record->n_fields && rc == 0; c++) {
            rc = put_field(&builder, c, &record->fields[c],
                           (const char *)elements + i * record->size, err);
        }
        if (rc == 0) {
            builder_end_row(&builder);
        }
        if (rc == 0 && (builder_is_full(&builder) || i + 1 == n)) {
            rc = add_batch(arena, &builder, &encoder, &encoded, err);
            bytes += encoder.total_bytes;
        }
        if (rc == 0 && bytes > ELEMENTS_BYTES_MAX) {
            rc = error_set(err, ERR_TOO_LARGE,
                           "the elements have more than %d bytes; read them from a file instead",
                           ELEMENTS_BYTES_MAX);
        }
    }
    if (rc == 0) {
        ret->n_batches = encoded.len;
        ret->batches = arena_zalloc(arena, sizeof(*ret->batches) * (encoded.len + 1));
        if (encoded.len > 0) {
            memcpy(ret->batches, encoded.data, sizeof(*ret->batches) * encoded.len);
        }
    }
    builder_fini(&builder);
    batch_encoder_fini(&encoder);
    vec_fini(&encoded);
    buffer_pool_close(pool);
    return rc;
}
