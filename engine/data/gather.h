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

/* A value of 16 bytes, whatever it is. */
struct wide {
    uint64_t low, high;
};

static inline uint32_t row_index_at(const struct row_index *ix, uint32_t i)
{
    return ix->rows16 != NULL ? ix->rows16[i] : ix->rows32 != NULL ? ix->rows32[i] : ix->from + i;
}
/* Without the first `skip` rows. */
static inline struct row_index row_index_from(const struct row_index *ix, uint32_t skip)
{
    return (struct row_index){
        ix->rows16 != NULL ? ix->rows16 + skip : NULL,
        ix->rows32 != NULL ? ix->rows32 + skip : NULL,
        ix->from + skip,
    };
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

/* Where strings are appended to: the rest of a block. */
struct string_heap {
    char *next;
    uint32_t left;
    int32_t buffer; /* number of the block */
    int32_t offset; /* of `next` in it */
};
/* Copies views and the bytes of long strings; stops before the first that does not fit the heap.
 * Returns the number of rows done.  Up to BUFFER_PADDING bytes behind strings are touched on either
 * side.  `bases`: addresses of the column's data buffers. */
uint32_t gather_strings(struct view *restrict dst, const struct view *restrict src,
                        const char *const *bases, const struct row_index *ix, uint32_t n,
                        struct string_heap *heap);
#endif
