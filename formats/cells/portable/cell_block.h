/* Sixteen bytes of text at a time: which of them mean something, a bit for each.  By words, for machines without a form of their
 * own.  Thread: any. */
#ifndef FLINC_FORMATS_CELLS_CELL_BLOCK_H
#define FLINC_FORMATS_CELLS_CELL_BLOCK_H

#include "common/base/macros.h"
#include <string.h>

enum { CELL_BLOCK = 16 };

typedef struct {
    uint64_t low, high;
} cell_block;

static ALWAYS_INLINE cell_block cell_block_load(const char *p)
{
    cell_block b;
    memcpy(&b.low, p, 8);
    memcpy(&b.high, p + 8, 8);
    return b;
}
/* The high bits of the bytes, put together. */
static ALWAYS_INLINE uint32_t cell_block_bits(uint64_t low, uint64_t high)
{
    const uint64_t gather = 0x0002040810204081ull, highs = 0x8080808080808080ull;
    return (uint32_t)(((low & highs) * gather) >> 56) | (uint32_t)(((high & highs) * gather) >> 56)
                                                            << 8;
}
/* The high bit of each byte that is 0, exactly. */
static ALWAYS_INLINE uint64_t cell_block_zeros(uint64_t w)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7full;
    return ~(((w & low) + low) | w | low);
}
static ALWAYS_INLINE uint32_t cell_block_equal(cell_block b, char c)
{
    uint64_t pattern = 0x0101010101010101ull * (uint8_t)c;
    return cell_block_bits(cell_block_zeros(b.low ^ pattern), cell_block_zeros(b.high ^ pattern));
}
static ALWAYS_INLINE uint32_t cell_block_high(cell_block b)
{
    return cell_block_bits(b.low, b.high);
}
static ALWAYS_INLINE uint32_t cell_block_json(cell_block b)
{
    const uint64_t top = 0xe0e0e0e0e0e0e0e0ull; /* of a byte below 0x20 these bits are 0 */
    uint32_t control =
        cell_block_bits(cell_block_zeros(b.low & top), cell_block_zeros(b.high & top));
    return control | cell_block_equal(b, '"') | cell_block_equal(b, '\\');
}

#endif
