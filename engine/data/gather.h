/* Gather kernels: the loops that copy chosen rows of a column, over plain arrays and counts.  Inside
 * the room only.
 *
 * Source rows come in three forms: 16-bit numbers (rows of a batch), 32-bit numbers (rows of a nested
 * column), or a range.  Thread: any. */
#ifndef FLINC_ENGINE_DATA_GATHER_H
#define FLINC_ENGINE_DATA_GATHER_H

#include "engine/data/batch.h"

struct row_index {
    const uint16_t *rows16; /* Borrows; or NULL */
    const uint32_t *rows32; /* Borrows; or NULL */
    uint32_t from;          /* of the range when both are NULL */
};

static inline uint32_t row_index_at(const struct row_index *ix, uint32_t i)
{
    return ix->rows16 != NULL ? ix->rows16[i] : ix->rows32 != NULL ? ix->rows32[i] : ix->from + i;
}
static inline bool row_index_is_range(const struct row_index *ix)
{
    return ix->rows16 == NULL && ix->rows32 == NULL;
}

/* n values of `width` (1, 2, 4, 8, 16) bytes. */
void gather_fixed(void *restrict dst, const void *restrict src, uint32_t width,
                  const struct row_index *ix, uint32_t n);
/* n bits to positions [at, at + n) of `dst`; returns how many of them are set. */
uint32_t gather_bits(uint8_t *restrict dst, uint32_t at, const uint8_t *restrict src,
                     const struct row_index *ix, uint32_t n);
/* Child rows of n list cells: writes n + 1 offsets that start at *offsets (which is set), and the
 * child rows in order to `ret_rows` unless it is NULL.  Returns the number of child rows. */
uint32_t gather_lists(int32_t *restrict offsets, const int32_t *restrict src_offsets,
                      const struct row_index *ix, uint32_t n, uint32_t *restrict ret_rows);

/* Copies a string of 13 bytes or more; up to BUFFER_PADDING bytes behind either side are touched. */
static inline void copy_string(char *restrict dst, const char *restrict src, uint32_t len)
{
    if (LIKELY(len <= 128)) {
        /* Two copies of a fixed size, of which the second ends with the string: no loop whose number
         * of rounds would have to be predicted. */
        uint32_t tail = len > 64 ? len - 64 : 0;
        memcpy(dst, src, 64);
        memcpy(dst + tail, src + tail, 64);
    } else {
        memcpy(dst, src, len);
    }
}

#endif
