/* The gather kernels (gather.h), stamped out by width of the value and of the row number. */
#include "engine/data/gather.h"

struct wide {
    uint64_t low, high;
};

#define GATHER_KERNEL(name, ctype, itype)                                                        \
    static void name(ctype *restrict dst, const ctype *restrict src, const itype *restrict rows, \
                     uint32_t n)                                                                 \
    {                                                                                            \
        for (uint32_t i = 0; i < n; i++) {                                                       \
            dst[i] = src[rows[i]];                                                               \
        }                                                                                        \
    }
#define GATHER_KERNELS(suffix, ctype)                 \
    GATHER_KERNEL(gather16_##suffix, ctype, uint16_t) \
    GATHER_KERNEL(gather32_##suffix, ctype, uint32_t)

GATHER_KERNELS(1, uint8_t)
GATHER_KERNELS(2, uint16_t)
GATHER_KERNELS(4, uint32_t)
GATHER_KERNELS(8, uint64_t)
GATHER_KERNELS(wide, struct wide)

void gather_fixed(void *restrict dst, const void *restrict src, uint32_t width,
                  const struct row_index *ix, uint32_t n)
{
    if (row_index_is_range(ix)) {
        memcpy(dst, (const char *)src + (size_t)ix->from * width, (size_t)n * width);
        return;
    }
#define GATHER_CASE(w, suffix)                          \
    case w:                                             \
        if (ix->rows16 != NULL) {                       \
            gather16_##suffix(dst, src, ix->rows16, n); \
        } else {                                        \
            gather32_##suffix(dst, src, ix->rows32, n); \
        }                                               \
        break
    switch (width) {
        GATHER_CASE(1, 1);
        GATHER_CASE(2, 2);
        GATHER_CASE(4, 4);
        GATHER_CASE(8, 8);
        GATHER_CASE(16, wide);
    default:
        ASSERT(width == 0);
    }
#undef GATHER_CASE
}

static inline uint32_t bit_at(const uint8_t *bits, uint32_t i)
{
    return (bits[i >> 3] >> (i & 7)) & 1u;
}

static inline uint32_t set_bit(uint8_t *bits, uint32_t i, uint32_t bit)
{
    bits[i >> 3] = (uint8_t)((bits[i >> 3] & ~(1u << (i & 7))) | (bit << (i & 7)));
    return bit;
}

uint32_t gather_bits(uint8_t *restrict dst, uint32_t at, const uint8_t *restrict src,
                     const struct row_index *ix, uint32_t n)
{
    uint32_t ones = 0;
    uint32_t i = 0;
    for (; i < n && ((at + i) & 7) != 0; i++) {
        ones += set_bit(dst, at + i, bit_at(src, row_index_at(ix, i)));
    }
    for (; i + 8 <= n; i += 8) {
        uint32_t byte = 0;
        for (uint32_t k = 0; k < 8; k++) {
            byte |= bit_at(src, row_index_at(ix, i + k)) << k;
        }
        dst[(at + i) >> 3] = (uint8_t)byte;
        ones += (uint32_t)__builtin_popcount(byte);
    }
    for (; i < n; i++) {
        ones += set_bit(dst, at + i, bit_at(src, row_index_at(ix, i)));
    }
    return ones;
}

uint32_t gather_lists(int32_t *restrict offsets, const int32_t *restrict src_offsets,
                      const struct row_index *ix, uint32_t n, uint32_t *restrict ret_rows)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = row_index_at(ix, i);
        uint32_t from = (uint32_t)src_offsets[row];
        uint32_t count = (uint32_t)src_offsets[row + 1] - from;
        if (ret_rows != NULL) {
            for (uint32_t k = 0; k < count; k++) {
                ret_rows[total + k] = from + k;
            }
        }
        total += count;
        ASSERT((uint64_t)offsets[0] + total <= INT32_MAX);
        offsets[i + 1] = offsets[0] + (int32_t)total;
    }
    return total;
}
