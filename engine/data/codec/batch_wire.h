/* The bytes of the batch codec, version 1 (docs/internals/encodings.md): what encoder and decoder
 * share.  Inside the room only.
 *
 *   header | one node per column, depth first | pieces | zeros up to a multiple of 16
 *
 * A piece starts at a multiple of its alignment, counted from the header. */
#ifndef FLINC_ENGINE_DATA_CODEC_BATCH_WIRE_H
#define FLINC_ENGINE_DATA_CODEC_BATCH_WIRE_H

#include "engine/data/codec.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "encodings are written as memory lies");

enum {
    WIRE_ALIGN = 16,      /* of an encoded batch and of its size */
    WIRE_PIECE_ALIGN = 8, /* of all pieces but 16-byte integers */
    WIRE_NODE_NULLS = 1,  /* flag: a validity bitmap is there */
    WIRE_NANOS_MAX = 999999,
};

struct wire_header {
    uint8_t version;
    uint8_t parts; /* batch_part */
    uint16_t n_columns;
    uint32_t n_rows;
    uint32_t size; /* of the whole encoding */
    uint32_t zero;
};
_Static_assert(sizeof(struct wire_header) == 16, "part of the format");

struct wire_node {
    uint8_t layout; /* enum type_layout */
    uint8_t flags;
    uint16_t zero;
    uint32_t extent; /* views: string bytes; lists and maps: rows of the children; else 0 */
};
_Static_assert(sizeof(struct wire_node) == 8, "part of the format");
_Static_assert(LAYOUT_NULL == 0 && LAYOUT_BIT == 1 && LAYOUT_I128 == 6 && LAYOUT_F64 == 8 &&
                   LAYOUT_TS_NANO == 9 && LAYOUT_VIEW == 10 && LAYOUT_STRUCT == 13,
               "layouts are part of the format");

static inline uint64_t wire_bitmap_bytes(uint64_t n)
{
    return (n + 7) / 8;
}
static inline uint64_t wire_align(uint64_t pos, uint64_t align)
{
    return (pos + align - 1) & ~(align - 1);
}
static inline uint64_t wire_value_align(const struct data_type *t)
{
    return t->layout == LAYOUT_I128 ? WIRE_ALIGN : WIRE_PIECE_ALIGN;
}
/* Every column costs at least a bit per row, so that the size of an encoding bounds its rows: columns
 * that have nothing else always have the bitmap. */
static inline bool wire_has_bitmap_always(const struct data_type *t)
{
    return t->layout == LAYOUT_NULL || (t->layout == LAYOUT_STRUCT && t->n_children == 0);
}
/* The last byte of a bitmap of n bits: the bits in use. */
static inline uint8_t wire_tail_mask(uint64_t n)
{
    return (uint8_t)((n & 7) == 0 ? 0xff : (1u << (n & 7)) - 1);
}
static inline uint64_t wire_count_ones(const uint8_t *bits, uint64_t n)
{
    uint64_t ones = 0;
    uint64_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word;
        memcpy(&word, bits + i / 8, sizeof(word));
        ones += (uint64_t)__builtin_popcountll(word);
    }
    for (; i + 8 <= n; i += 8) {
        ones += (uint64_t)__builtin_popcount(bits[i / 8]);
    }
    if (i < n) {
        ones += (uint64_t)__builtin_popcount(bits[i / 8] & wire_tail_mask(n));
    }
    return ones;
}

#endif
