/* The bytes of the row codec, version 1 (docs/internals/encodings.md): what encoder and decoder share.
 * For this room, and for records in state (engine/state/record_row.c).
 *
 * Integers are as long as they need to be.  The number of bytes, 1 to 9, is the number of zeros at the
 * low end of the first byte, plus 1; the value follows, little-endian, 7 bits per byte (64 in nine):
 *
 *   xxxxxxx1 | xxxxxx10 xxxxxxxx | ... | 10000000 7 bytes | 00000000 8 bytes
 *
 * Signed ones are folded first (0, -1, 1, -2, ... as 0, 1, 2, 3). */
#ifndef FLINC_ENGINE_DATA_CODEC_ROW_WIRE_H
#define FLINC_ENGINE_DATA_CODEC_ROW_WIRE_H

#include "engine/data/codec.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "encodings are written as memory lies");

enum {
    ROW_VERSION_SHIFT = 4, /* in the first byte, over the flags */
    ROW_KIND_MASK = 3,     /* flags: the row kind */
    ROW_HAS_TIMESTAMP = 4, /* flags: a timestamp follows */
    ROW_VARINT_MAX = 9,    /* bytes */
    ROW_NANOS_MAX = 999999,
    ROW_MAP_KEY_NULL = 1, /* first byte of an entry in maps with NULLs */
    ROW_MAP_VALUE_NULL = 2,
};
#define ROW_NAN_32 UINT32_C(0x7fc00000)
#define ROW_NAN_64 UINT64_C(0x7ff8000000000000)

/* NULLs of a row: a bit set for each; never empty, so that a row always costs a byte. */
static inline uint64_t row_bitmap_bytes(uint32_t n)
{
    return n == 0 ? 1 : ((uint64_t)n + 7) / 8;
}
static inline uint64_t row_fold(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t row_unfold(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
static inline unsigned __int128 row_fold_128(__int128 v)
{
    return ((unsigned __int128)v << 1) ^ (unsigned __int128)(v >> 127);
}
static inline __int128 row_unfold_128(unsigned __int128 v)
{
    return (__int128)(v >> 1) ^ -(__int128)(v & 1);
}
static inline uint32_t row_varint_bytes(uint64_t v)
{
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(v | 1);
    uint32_t bytes = (bits + 6) / 7;
    return bytes > 8 ? ROW_VARINT_MAX : bytes;
}
/* Writes up to ROW_VARINT_MAX bytes, of which those returned count. */
static inline uint32_t row_varint_put(uint8_t *to, uint64_t v)
{
    uint32_t n = row_varint_bytes(v);
    if (n == ROW_VARINT_MAX) {
        to[0] = 0;
        memcpy(to + 1, &v, sizeof(v));
    } else {
        uint64_t word = (v << n) | (UINT64_C(1) << (n - 1));
        memcpy(to, &word, sizeof(word));
    }
    return n;
}

#endif
