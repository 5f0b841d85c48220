/* The three encodings of DESIGN.md 3, all versioned, little-endian, with golden bytes in the tests.
 *
 * Batch codec (wire, channel state, snapshots): columns as raw values, strings as offsets + bytes.
 * Row codec (values in RocksDB, user state, canonical savepoints).  Key codec (order-preserving bytes:
 * memcmp order = value order, NULLs first).  Decoders validate every length and offset before use and
 * allocate nothing beyond the declared limits. */
#ifndef FLINC_ENGINE_DATA_CODEC_H
#define FLINC_ENGINE_DATA_CODEC_H

#include "engine/data/builder.h"

enum { BATCH_CODEC_VERSION = 1, ROW_CODEC_VERSION = 1, KEY_CODEC_VERSION = 1 };

/* Encoded form as scatter/gather pieces: fixed-width columns without NULLs and selection are referred
 * to in place, everything else lies in `scratch`. */
struct batch_encoder {
    struct buffer_pool *pool; /* Borrows */
    struct buffer *scratch;   /* Owns */
    struct iovec *iov;        /* Owns the array; pieces of the last encode */
    uint32_t n_iov, cap_iov;
    uint64_t total_bytes;
};
void batch_encoder_init(struct batch_encoder *e, struct buffer_pool *pool);
void batch_encoder_fini(struct batch_encoder *e);
/* Pieces stay valid until the next encode, as long as `b` lives. */
int batch_encode(struct batch_encoder *e, const struct batch *b, struct error *err) MUST_CHECK;
/* The same, as one run of bytes appended to a buffer (grown from the pool as needed). */
int batch_encode_to(struct batch_encoder *e, const struct batch *b, struct buffer **inout,
                    struct error *err) MUST_CHECK;
/* Decodes one batch from `data`, whose bytes stay in `frame` and are shared by reference where the
 * layout allows (alignment 8).  `frame` may be NULL: everything is copied. */
int batch_decode(struct buffer_pool *pool, const struct schema *schema, struct buffer *frame,
                 const uint8_t *data, uint64_t size, uint64_t max_row_bytes, struct batch **ret,
                 struct error *err) MUST_CHECK;

/* One row of a batch (columns[] chosen, all when NULL) appended to `out`. */
int row_encode(const struct batch *b, uint32_t row, const uint32_t *columns, uint32_t n_columns,
               struct str *out, struct error *err) MUST_CHECK;
/* Appends the row to a builder whose schema matches the encoded columns. */
int row_decode(const struct schema *schema, const uint8_t *data, uint64_t size, struct builder *out,
               struct error *err) MUST_CHECK;

enum key_order { KEY_ORDER_ASC = 0, KEY_ORDER_DESC = 1 };
/* Order-preserving key of the chosen columns of one row, appended to `out`. */
int key_encode(const struct batch *b, uint32_t row, const uint32_t *columns, uint32_t n_columns,
               const enum key_order *orders, struct str *out, struct error *err) MUST_CHECK;
int key_decode(const struct schema *schema, const enum key_order *orders, const uint8_t *data,
               uint64_t size, struct builder *out, struct error *err) MUST_CHECK;

#endif
