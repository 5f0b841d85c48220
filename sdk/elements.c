/* Elements given in the job's main: C structs become batches, encoded into the graph. */
#include "engine/data/codec.h"
#include "engine/operators/row_reader.h"
#include "sdk/internal.h"
#include <sys/uio.h>

enum { ELEMENTS_BYTES_MAX = 64 * 1024 * 1024 };

/* Encodes what the writer holds and adds it to the configuration. */
static int add_batch(struct arena *arena, struct row_writer *w, struct batch_encoder *encoder,
                     struct vec *encoded, struct error *err)
{
    struct batch *batch = row_writer_finish(w);

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

int elements_encode(struct arena *arena, const struct schema *schema,
                    const Flinc__StructDesc *record, const void *elements, size_t n,
                    Flinc__ElementsSourceConfig *ret, struct error *err)
{
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "elements"});
    struct vec encoded = VEC_INIT(ProtobufCBinaryData);
    struct batch_encoder encoder;
    struct row_writer writer;
    uint64_t bytes = 0;

    batch_encoder_init(&encoder, pool);
    int rc = row_writer_init(&writer, record, schema, "the elements", pool, BATCH_ROWS_TARGET, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        memcpy(row_writer_record(&writer), (const char *)elements + i * record->size, record->size);
        row_writer_add(&writer);
        rc = row_writer_check(&writer, err);
        if (rc == 0 && (builder_is_full(&writer.builder) || i + 1 == n)) {
            rc = add_batch(arena, &writer, &encoder, &encoded, err);
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
    row_writer_fini(&writer);
    batch_encoder_fini(&encoder);
    vec_fini(&encoded);
    buffer_pool_close(pool);
    return rc;
}
