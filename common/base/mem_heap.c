/* Settings of glibc's malloc.  Thread: any. */
#include "common/base/mem_heap.h"

#include "common/base/macros.h"

#include <malloc.h>

enum {
    MAPPED_BYTES =
        64 * 1024, /* from here on a piece is mapped; glibc would learn larger and larger ones */
    TOP_KEPT_BYTES = 256 * 1024, /* free at the end of a heap */
};

void mem_heap_keep_tight(uint32_t n_heaps)
{
    if (n_heaps > 0) {
        (void)mallopt(M_ARENA_MAX, (int)MIN(n_heaps, (uint32_t)INT16_MAX));
    }
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TOP_KEPT_BYTES);
}

void mem_heap_trim(void)
{
    (void)malloc_trim(0);
}
