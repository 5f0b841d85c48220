/* Pages of large tables, by mmap and mremap.  Thread: any. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/state/slot_pages.h"

#include "common/base/mem.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE_BYTES = 4096,
    HUGE_BYTES = SLOT_PAGES_DROPPED,
};

static inline size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

void *slot_pages_new(size_t bytes)
{
    size_t size = round_up(bytes, PAGE_BYTES);
    char *p = mmap(NULL, size + HUGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        mem_out_of_memory(bytes);
    }
    size_t before = round_up((uintptr_t)p, HUGE_BYTES) - (uintptr_t)p;
    if (before > 0) {
        munmap(p, before);
    }
    p += before;
    munmap(p + size, HUGE_BYTES - before);
    if (size >= HUGE_BYTES) {
        (void)madvise(p, size, MADV_HUGEPAGE); /* advice only */
    }
    return p;
}

void slot_pages_free(void *pages, size_t bytes)
{
    if (pages != NULL) {
        munmap(pages, round_up(bytes, PAGE_BYTES));
    }
}

void *slot_pages_put_behind(void *take_old, size_t old_bytes, size_t at)
{
    char *p = slot_pages_new(at + old_bytes);
    size_t size = round_up(old_bytes, PAGE_BYTES);
    if (at % PAGE_BYTES == 0 &&
        mremap(take_old, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p + at) != MAP_FAILED) {
        return p;
    }
    memcpy(p + at, take_old, old_bytes);
    slot_pages_free(take_old, old_bytes);
    return p;
}

void slot_pages_cut(void *pages, size_t bytes, size_t keep)
{
    size_t from = round_up(keep, PAGE_BYTES), to = round_up(bytes, PAGE_BYTES);
    if (from < to) {
        munmap((char *)pages + from, to - from);
    }
}

void slot_pages_drop(void *pages, size_t from, size_t to)
{
    from = round_up(from, HUGE_BYTES);
    to = to / HUGE_BYTES * HUGE_BYTES;
    if (from < to) {
        (void)madvise((char *)pages + from, to - from, MADV_DONTNEED);
    }
}
