/* Sixteen bytes of text at a time: which of them mean something, a bit for each.  SSE2, which every x86-64 has; the
 * portable form beside it gives the same bits.  Thread: any. */
#ifndef FLINC_FORMATS_CELLS_CELL_BLOCK_H
#define FLINC_FORMATS_CELLS_CELL_BLOCK_H

#include "common/base/macros.h"
#include <emmintrin.h>
#include <string.h>

enum { CELL_BLOCK = 16 };

typedef __m128i cell_block;

static ALWAYS_INLINE cell_block cell_block_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
/* The bytes that equal c. */
static ALWAYS_INLINE uint32_t cell_block_equal(cell_block b, char c)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b, _mm_set1_epi8(c)));
}
/* The bytes of 0x80 and above. */
static ALWAYS_INLINE uint32_t cell_block_high(cell_block b)
{
    return (uint32_t)_mm_movemask_epi8(b);
}
/* The bytes that end or interrupt a JSON string: quotes, backslashes, and those below 0x20. */
static ALWAYS_INLINE uint32_t cell_block_json(cell_block b)
{
    __m128i stop =
        _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('"')), _mm_cmpeq_epi8(b, _mm_set1_epi8('\\')));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(b, _mm_set1_epi8(0x1f)), b);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(stop, control));
}

#endif
