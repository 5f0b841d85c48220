/* The gather kernels (gather.h), stamped out by width of the value and of the row number. */
#include "engine/data/gather.h"

#define GATHER_KERNEL(name, ctype, itype)                                                        \
    static void name(ctype *restrict dst, const ctype *restrict src, const itype *restrict rows, \
                     uint32_t n)                                                                 \
    {                                                                                            \
        uint32_t i = 0;                                                                          \
        for (; i < n; i++) {                                                                     \
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

/* ---- strings ----------------------------------------------------------------------------------- */

/* 64 bytes at any address: one, two or four registers, as the target has them. */
typedef uint8_t bytes64 __attribute__((vector_size(64), aligned(1), may_alias));

/* A string of 13 bytes or more.  Two copies of a fixed size, of which the second ends with the string:
 * no loop whose number of rounds would have to be predicted. */
static ALWAYS_INLINE void copy_string(char *restrict dst, const char *restrict src, uint32_t len)
{
    if (LIKELY(len <= 128)) {
        uint32_t tail = len > 64 ? len - 64 : 0;
        bytes64 first = *(const bytes64 *)(const void *)src;
        bytes64 last = *(const bytes64 *)(const void *)(src + tail);
        *(bytes64 *)(void *)dst = first;
        *(bytes64 *)(void *)(dst + tail) = last;
    } else {
        memcpy(dst, src, len);
    }
}

enum index_form { INDEX_ROWS16, INDEX_ROWS32, INDEX_RANGE };

static ALWAYS_INLINE uint32_t gather_strings_body(struct view *restrict dst,
                                                  const struct view *restrict src,
                                                  const char *const *bases,
                                                  const struct row_index *ix, enum index_form form,
                                                  uint32_t n, struct string_heap *heap)
{
    const uint64_t(*restrict from)[2] = (const uint64_t(*)[2])(const void *)src;
    uint64_t(*restrict to)[2] = (uint64_t(*)[2])(void *)dst;
    char *next = heap->next;
    uint32_t left = heap->left;
    uint64_t place = (uint32_t)heap->buffer | (uint64_t)(uint32_t)heap->offset << 32;
    uint32_t i = 0;
    for (; i < n; i++) {
        uint32_t row = form == INDEX_ROWS16   ? ix->rows16[i]
                       : form == INDEX_ROWS32 ? ix->rows32[i]
                                              : ix->from + i;
        /* A view as two words, {length, prefix} and {buffer, offset}: as a struct it would go through
         * memory, where its parts do not forward. */
        uint64_t head = from[row][0];
        uint64_t tail = from[row][1];
        uint32_t len = (uint32_t)head;
        if (len > VIEW_INLINE_MAX) {
            if (UNLIKELY(len > left)) {
                break;
            }
            copy_string(next, bases[(uint32_t)tail] + (tail >> 32), len);
            tail = place;
            next += len;
            left -= len;
            place += (uint64_t)len << 32;
        }
        to[i][0] = head;
        to[i][1] = tail;
    }
    heap->next = next;
    heap->left = left;
    heap->offset = (int32_t)(place >> 32);
    return i;
}

typedef uint32_t gather_strings_fn(struct view *restrict dst, const struct view *restrict src,
                                   const char *const *bases, const struct row_index *ix, uint32_t n,
                                   struct string_heap *heap);

#define GATHER_STRINGS(name, attributes)                                                        \
    attributes static uint32_t name(struct view *restrict dst, const struct view *restrict src, \
                                    const char *const *bases, const struct row_index *ix,       \
                                    uint32_t n, struct string_heap *heap)                       \
    {                                                                                           \
        if (ix->rows16 != NULL) {                                                               \
            return gather_strings_body(dst, src, bases, ix, INDEX_ROWS16, n, heap);             \
        }                                                                                       \
        if (ix->rows32 != NULL) {                                                               \
            return gather_strings_body(dst, src, bases, ix, INDEX_ROWS32, n, heap);             \
        }                                                                                       \
        return gather_strings_body(dst, src, bases, ix, INDEX_RANGE, n, heap);                  \
    }

GATHER_STRINGS(gather_strings_any, )
#if defined(__x86_64__)
GATHER_STRINGS(gather_strings_avx2, __attribute__((target("avx2"))))
GATHER_STRINGS(gather_strings_avx512, __attribute__((target("avx512f"))))
#endif

/* Chosen at the first call (bench/data: AVX-512 gains 10 to 20 % of a hash partition).  A pointer of
 * our own, not an ifunc: those are resolved before sanitizers are up. */
static gather_strings_fn gather_strings_choose;
static _Atomic(gather_strings_fn *) gather_strings_best = gather_strings_choose;

static uint32_t gather_strings_choose(struct view *restrict dst, const struct view *restrict src,
                                      const char *const *bases, const struct row_index *ix,
                                      uint32_t n, struct string_heap *heap)
{
    gather_strings_fn *best = gather_strings_any;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        best = gather_strings_avx512;
    } else if (__builtin_cpu_supports("avx2")) {
        best = gather_strings_avx2;
    }
#endif
    atomic_store_explicit(&gather_strings_best, best, memory_order_relaxed);
    return best(dst, src, bases, ix, n, heap);
}

uint32_t gather_strings(struct view *restrict dst, const struct view *restrict src,
                        const char *const *bases, const struct row_index *ix, uint32_t n,
                        struct string_heap *heap)
{
    gather_strings_fn *best = atomic_load_explicit(&gather_strings_best, memory_order_relaxed);
    return best(dst, src, bases, ix, n, heap);
}
