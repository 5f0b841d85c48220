/* crc32c() by the instruction of SSE4.2 (meson chooses this file on x86-64).
 *
 * The instruction takes 3 cycles and one can start in each, so three parts of a block go side by side.
 * To join them, the check of the first is moved over the length of the second, which is a product with a
 * constant over GF(2): a look-up per byte in a table made once per length. */
#include "common/base/crc32c.h"
#include <nmmintrin.h>
#include <pthread.h>
#include <string.h>

enum { LONG_BYTES = 4096, SHORT_BYTES = 256, CRC_BITS = 32 };
#define POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */

struct shift_table {
    uint32_t of[4][256];
};
static struct shift_table shift_long, shift_short;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* Matrices over GF(2): a column per bit. */
static uint32_t matrix_times(const uint32_t *matrix, uint32_t v)
{
    uint32_t sum = 0;
    for (; v != 0; v &= v - 1) {
        sum ^= matrix[__builtin_ctz(v)];
    }
    return sum;
}

static void matrix_square(uint32_t *ret_square, const uint32_t *matrix)
{
    for (int i = 0; i < CRC_BITS; i++) {
        ret_square[i] = matrix_times(matrix, matrix[i]);
    }
}

/* The matrix of `bytes` (a power of two) zero bytes, as a table. */
static void shift_table_make(struct shift_table *t, size_t bytes)
{
    uint32_t a[CRC_BITS], b[CRC_BITS];
    a[0] = POLYNOMIAL; /* one zero bit */
    for (int i = 1; i < CRC_BITS; i++) {
        a[i] = UINT32_C(1) << (i - 1);
    }
    for (size_t bits = 1; bits < bytes * 8; bits *= 2) {
        matrix_square(b, a);
        memcpy(a, b, sizeof(a));
    }
    for (uint32_t n = 0; n < 256; n++) {
        for (uint32_t byte = 0; byte < 4; byte++) {
            t->of[byte][n] = matrix_times(a, n << (8 * byte));
        }
    }
}

static void tables_make(void)
{
    shift_table_make(&shift_long, LONG_BYTES);
    shift_table_make(&shift_short, SHORT_BYTES);
}

static inline uint64_t shift(const struct shift_table *t, uint64_t crc)
{
    return t->of[0][crc & 255] ^ t->of[1][(crc >> 8) & 255] ^ t->of[2][(crc >> 16) & 255] ^
           t->of[3][(crc >> 24) & 255];
}

static inline uint64_t load_64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Three parts of `part` bytes each. */
static inline uint64_t crc_three(uint64_t crc, const uint8_t *p, size_t part,
                                 const struct shift_table *t)
{
    uint64_t crc_1 = 0, crc_2 = 0;
    for (const uint8_t *end = p + part; p < end; p += 8) {
        crc = _mm_crc32_u64(crc, load_64(p));
        crc_1 = _mm_crc32_u64(crc_1, load_64(p + part));
        crc_2 = _mm_crc32_u64(crc_2, load_64(p + 2 * part));
    }
    crc = shift(t, crc) ^ crc_1;
    return shift(t, crc) ^ crc_2;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t c = ~crc;
    if (size >= (size_t)3 * SHORT_BYTES) {
        pthread_once(&tables_once, tables_make);
        for (; size >= (size_t)3 * LONG_BYTES; size -= (size_t)3 * LONG_BYTES) {
            c = crc_three(c, p, LONG_BYTES, &shift_long);
            p += (size_t)3 * LONG_BYTES;
        }
        for (; size >= (size_t)3 * SHORT_BYTES; size -= (size_t)3 * SHORT_BYTES) {
            c = crc_three(c, p, SHORT_BYTES, &shift_short);
            p += (size_t)3 * SHORT_BYTES;
        }
    }
    for (; size >= 8; size -= 8, p += 8) {
        c = _mm_crc32_u64(c, load_64(p));
    }
    for (; size > 0; size--, p++) {
        c = _mm_crc32_u8((uint32_t)c, *p);
    }
    return ~(uint32_t)c;
}
