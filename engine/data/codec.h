/* The three encodings of DESIGN.md 3: versioned, little-endian, with golden bytes in the tests and
 * documented byte by byte in docs/internals/encodings.md.
 *
 * Batch codec (wire, channel state, snapshots): columns as raw values, strings as offsets + bytes.
 * Row codec (values in RocksDB, user state, canonical savepoints): one row, compact; a value of one alone.  Key codec (sorted
 * state, sorts, ranges): bytes whose memcmp order is the order of the values.
 *
 * All three are canonical: a decoder takes exactly the bytes that the encoder writes, so that what was
 * decoded encodes to the same bytes again.  Decoders check every length and offset before they use it,
 * allocate no more than a small multiple of their input, and never trust it otherwise.
 *
 * Flink: TypeSerializer of RowData, BinaryRowData; the key codec has no counterpart.  Thread: any, one
 * at a time per encoder and builder. */
#ifndef FLINC_ENGINE_DATA_CODEC_H
#define FLINC_ENGINE_DATA_CODEC_H

#include "engine/data/builder.h"
#include <sys/uio.h>

/* The batch and row codecs write their version into each encoding.  Keys do not carry theirs (it would
 * be one constant byte in front of each): whoever stores keys stores KEY_CODEC_VERSION beside them. */
enum { BATCH_CODEC_VERSION = 1, ROW_CODEC_VERSION = 1, KEY_CODEC_VERSION = 1 };

/* ---- batches --------------------------------------------------------------------------------- */

/* What a batch may carry beside its columns. */
enum batch_part {
    BATCH_PART_KINDS = 1,
    BATCH_PART_TIMESTAMPS = 2,
    BATCH_PART_HASHES = 4,
};

/* An encoded batch is smaller than 2 GiB, as views address their bytes by int32. */
#define BATCH_CODEC_BYTES_MAX ((uint64_t)INT32_MAX)

/* Encoded form as scatter/gather pieces: long columns that can be sent as they lie are referred to in
 * place (fixed-width values without NULLs and selection, strings that lie in order), everything else is
 * in `scratch`.  Selections are materialised, strings compacted.  Buffers are kept from one encode to
 * the next, so that a steady stream of batches allocates nothing. */
struct batch_encoder {
    struct buffer_pool *pool; /* Borrows */
    uint32_t omit;            /* batch_part flags not to encode; 0 after init, may be changed */
    uint32_t n_iov, cap_iov;
    struct iovec *iov;      /* Owns the array; pieces of the last encode */
    struct buffer *scratch; /* Owns */
    uint64_t total_bytes;
    /* While encoding: */
    struct batch_piece *pieces; /* Owns */
    uint32_t n_pieces, cap_pieces;
    uint32_t next_node; /* number of the column that comes next, depth first */
    uint64_t start;     /* where the encoding begins in `scratch` */
    bool flat;          /* one run of bytes: nothing in place */
};
void batch_encoder_init(struct batch_encoder *e, struct buffer_pool *pool);
void batch_encoder_fini(struct batch_encoder *e);
/* Pieces stay valid until the next encode, as long as `b` lives.  ERR_TOO_LARGE from 2 GiB. */
int batch_encode(struct batch_encoder *e, const struct batch *b, struct error *err) MUST_CHECK;
/* The same, as one run of bytes appended to *inout at its `size`, a multiple of 16 (grown from the pool
 * as needed; NULL: made).  Encodings are multiples of 16 long, so that they can follow each other.  On
 * failure *inout may have moved, but has its old size. */
int batch_encode_to(struct batch_encoder *e, const struct batch *b, struct buffer **inout,
                    struct error *err) MUST_CHECK;

/* Where an encoded batch comes from. */
struct batch_source {
    const uint8_t *data; /* Borrows */
    uint64_t size;       /* of exactly one encoded batch */
    /* Borrows: the buffer that `data` points into, which the batch then refers to.  NULL: the bytes are
     * copied first, as they are when `data` is not a multiple of 16 or when the frame is foreign memory
     * without BUFFER_PADDING behind the batch. */
    struct buffer *frame;
    uint64_t max_row_bytes; /* 0: BATCH_ROW_BYTES_MAX_DEFAULT */
};
/* ERR_CORRUPT for bytes that are no batch of this schema, ERR_UNSUPPORTED for another version,
 * ERR_TOO_LARGE for a row over the limit. */
int batch_decode(struct buffer_pool *pool, const struct schema *schema,
                 const struct batch_source *source, struct batch **ret,
                 struct error *err) MUST_CHECK;

/* ---- rows ------------------------------------------------------------------------------------ */

enum row_encode_flag {
    ROW_ENCODE_KIND = 1,      /* with the row kind (else every row is +I) */
    ROW_ENCODE_TIMESTAMP = 2, /* with the record timestamp, when it has one */
    /* What are equal keys become equal bytes, as for key hashes: -0.0 is written as 0.0 and CHAR
     * without its padding.  Without it values come back as they were. */
    ROW_ENCODE_AS_KEY = 4,
};
/* Which part of a row is encoded.  Zeroed: the values of all columns. */
struct row_encoding {
    const uint32_t *columns; /* Borrows: column numbers in the order wanted; NULL: all */
    uint32_t n_columns;
    uint32_t flags; /* row_encode_flag */
};
/* Appends one row (physical number) to `out`.  Equal rows give equal bytes: every NaN is one, entries
 * of maps and multisets are sorted.  ERR_TOO_LARGE from 2 GiB; `out` is as before on failure. */
int row_encode(const struct batch *b, uint32_t row, const struct row_encoding *how, struct str *out,
               struct error *err) MUST_CHECK;
/* Appends the row to a builder, whose schema says the types of the encoded columns.  Nothing is
 * appended on failure. */
int row_decode(const uint8_t *data, uint64_t size, struct builder *out,
               struct error *err) MUST_CHECK;

/* One value of any type, as the row codec writes it inside of a row: what records in memory hold of nested
 * columns.  It has no version of its own and is at least a byte.  The cell must not be NULL. */
void value_encode(const struct column *c, uint32_t row, struct str *out);
/* Sets a cell of the row under construction, for which there must be room.  No bytes at all are the value that
 * zeroed memory stands for: zeros, empty strings, arrays and maps, NULLs where they may be.  The cell is NULL
 * on failure. */
int value_decode(const void *data, uint64_t size, struct builder *out, uint32_t column,
                 struct error *err) MUST_CHECK;

/* ---- keys ------------------------------------------------------------------------------------ */

enum key_order { KEY_ORDER_ASC = 0, KEY_ORDER_DESC = 1 };

/* Which columns make a key.  Zeroed: all columns, ascending. */
struct key_encoding {
    const uint32_t *columns; /* Borrows: column numbers, most significant first; NULL: all */
    uint32_t n_columns;
    const enum key_order *orders; /* Borrows: one per key column; NULL: all ascending */
};
/* Whether the type has an order: all but MAP and MULTISET, and what contains them. */
bool key_type_is_ordered(const struct data_type *type);
/* Appends the key of one row to `out`.  memcmp order of keys = order of the values: NULL below all
 * values; -0.0 = 0.0, NaN equal to itself and above all; strings bytewise, CHAR without padding; arrays
 * and rows element by element.  DESC inverts a column's bytes, NULLs with them.  No key is a prefix of
 * another, and the key of the first columns is a prefix of the key of all.  ERR_UNSUPPORTED for types
 * without an order. */
int key_encode(const struct batch *b, uint32_t row, const struct key_encoding *how, struct str *out,
               struct error *err) MUST_CHECK;
/* Appends the key's values to a builder, whose schema says the types of the key columns.  `orders` as
 * for encoding.  Nothing is appended on failure. */
int key_decode(const uint8_t *data, uint64_t size, const enum key_order *orders,
               struct builder *out, struct error *err) MUST_CHECK;

#endif
