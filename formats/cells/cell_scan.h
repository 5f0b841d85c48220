/* Scanning of text: digits eight at a time, and which bytes of a block mean something.
 *
 * Functions with `CELL_SCAN_PADDING` in their comment read up to that many bytes behind what they are given: callers
 * look that they may.  Thread: any. */
#ifndef FLINC_FORMATS_CELLS_CELL_SCAN_H
#define FLINC_FORMATS_CELLS_CELL_SCAN_H

#include "common/base/str.h"

enum { CELL_SCAN_PADDING = 64 };

#define CELL_SCAN_ONES 0x0101010101010101ull
#define CELL_SCAN_HIGHS 0x8080808080808080ull

static ALWAYS_INLINE uint64_t cell_load(const char *p)
{
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

/* The high bit of each byte that is 0 (and perhaps of some behind the first such one). */
static ALWAYS_INLINE uint64_t cell_zero_bytes(uint64_t w)
{
    return (w - CELL_SCAN_ONES) & ~w & CELL_SCAN_HIGHS;
}
/* The high bit of each byte that equals c: the lowest one is exact. */
static ALWAYS_INLINE uint64_t cell_equal_bytes(uint64_t w, char c)
{
    return cell_zero_bytes(w ^ (CELL_SCAN_ONES * (uint8_t)c));
}

/* The value of the eight bytes as digits, the first in the lowest byte; all are digits. */
static ALWAYS_INLINE uint32_t cell_eight_digits(uint64_t w)
{
    w -= CELL_SCAN_ONES * '0';
    w = w * 10 + (w >> 8);
    w = ((w & 0x000000ff000000ffull) * 0x000f424000000064ull +
         ((w >> 16) & 0x000000ff000000ffull) * 0x0000271000000001ull) >>
        32;
    return (uint32_t)w;
}
/* How many of the eight bytes are digits before the first that is none. */
static ALWAYS_INLINE uint32_t cell_count_digits(uint64_t w)
{
    uint64_t t = w ^ (CELL_SCAN_ONES * '0');
    uint64_t no_digit = ((t + CELL_SCAN_ONES * 0x76) | t) & CELL_SCAN_HIGHS;
    return no_digit == 0 ? 8 : (uint32_t)__builtin_ctzll(no_digit) / 8;
}

/* The digits from p on, at most 19 of them: *ret_n is how many, their value is returned.  With 20 or more *ret_n is 20 or
 * more, and the value means nothing.  CELL_SCAN_PADDING. */
static ALWAYS_INLINE uint64_t cell_scan_digits(const char *p, uint32_t *ret_n)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    uint64_t value = 0;
    uint32_t n = 0;

    for (;;) {
        uint64_t w = cell_load(p + n);
        uint32_t k = cell_count_digits(w);
        if (k < 8) {
            if (k > 0) {
                /* Zeros before the digits that there are. */
                w = (w << (8 * (8 - k))) | ((CELL_SCAN_ONES * '0') >> (8 * k));
                value = value * powers[k] + cell_eight_digits(w);
            }
            *ret_n = n + k;
            return value;
        }
        value = value * 100000000u + cell_eight_digits(w);
        n += 8;
        if (n >= 24) {
            *ret_n = n;
            return value;
        }
    }
}

#endif
