/* Plain heap calls that never fail and are counted per thread, and the budgets that say no instead.
 *
 * Thread: any.  The count of a thread is its own (no shared cache line), so counting costs nothing
 * that a benchmark could see. */
#include "common/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local uint64_t thread_allocations __attribute__((tls_model("initial-exec")));

void mem_out_of_memory(uint64_t size)
{
    char text[128];
    int len =
        snprintf(text, sizeof(text), "flinc: out of memory: cannot get %" PRIu64 " bytes\n", size);
    ssize_t written = write(STDERR_FILENO, text, (size_t)len);
    (void)written;
    abort();
}

/* malloc(0) may be NULL; a caller of ours never sees that. */
static void *check(void *p, size_t size)
{
    if (UNLIKELY(p == NULL)) {
        mem_out_of_memory(size);
    }
    thread_allocations++;
    return p;
}

void *mem_alloc(size_t size)
{
    return check(malloc(size > 0 ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return check(calloc(1, size > 0 ? size : 1), size);
}

void *mem_zalloc_array(size_t n, size_t item_size)
{
    size_t size;
    if (__builtin_mul_overflow(n, item_size, &size)) {
        mem_out_of_memory(SIZE_MAX);
    }
    return mem_zalloc(size);
}

void *mem_alloc_aligned(size_t alignment, size_t size)
{
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);
    if (rounded < size) {
        mem_out_of_memory(size);
    }
    return check(aligned_alloc(alignment, rounded), size);
}

void *mem_realloc(void *p, size_t size)
{
    return check(realloc(p, size > 0 ? size : 1), size);
}

char *mem_strdup(const char *s)
{
    return s != NULL ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    if (s == NULL) {
        return NULL;
    }
    size_t len = strnlen(s, n);
    char *copy = mem_alloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);
    if (size > 0) {
        memcpy(copy, p, size);
    }
    return copy;
}

void mem_free(void *p)
{
    free(p);
}

uint64_t mem_thread_allocations(void)
{
    return thread_allocations;
}

/* ---- budget -------------------------------------------------------------------------------- */

void mem_budget_init(struct mem_budget *b, const char *name, uint64_t limit_bytes,
                     struct mem_budget *parent)
{
    b->name = name;
    atomic_init(&b->limit_bytes, limit_bytes);
    b->parent = parent;
    atomic_init(&b->used_bytes, 0);
    atomic_init(&b->peak_bytes, 0);
    atomic_init(&b->forced_bytes, 0);
}

void mem_budget_set_limit(struct mem_budget *b, uint64_t limit_bytes)
{
    atomic_store_explicit(&b->limit_bytes, limit_bytes, memory_order_relaxed);
}

bool mem_budget_is_full(const struct mem_budget *b)
{
    for (; b != NULL; b = b->parent) {
        uint64_t limit = atomic_load_explicit(&b->limit_bytes, memory_order_relaxed);
        if (limit != 0 && atomic_load_explicit(&b->used_bytes, memory_order_relaxed) >= limit) {
            return true;
        }
    }
    return false;
}

static void raise_peak(struct mem_budget *b, uint64_t used)
{
    uint64_t peak = atomic_load_explicit(&b->peak_bytes, memory_order_relaxed);
    while (used > peak &&
           !atomic_compare_exchange_weak_explicit(&b->peak_bytes, &peak, used, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

/* Compare and swap instead of add and undo: a request that is too big must not make a small one of
 * another thread fail. */
static bool take_one(struct mem_budget *b, uint64_t bytes)
{
    uint64_t limit = atomic_load_explicit(&b->limit_bytes, memory_order_relaxed);
    limit = limit != 0 ? limit : UINT64_MAX;
    uint64_t used = atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
    do {
        if (used > limit || bytes > limit - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&b->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    raise_peak(b, used + bytes);
    return true;
}

static void give_one(struct mem_budget *b, uint64_t bytes)
{
    uint64_t old = atomic_fetch_sub_explicit(&b->used_bytes, bytes, memory_order_relaxed);
    ASSERT(old >= bytes);
}

int mem_budget_take(struct mem_budget *b, uint64_t bytes)
{
    for (struct mem_budget *at = b; at != NULL; at = at->parent) {
        if (!take_one(at, bytes)) {
            for (struct mem_budget *undo = b; undo != at; undo = undo->parent) {
                give_one(undo, bytes);
            }
            return ERR_LIMIT;
        }
    }
    return 0;
}

void mem_budget_force(struct mem_budget *b, uint64_t bytes)
{
    for (; b != NULL; b = b->parent) {
        uint64_t old = atomic_fetch_add_explicit(&b->used_bytes, bytes, memory_order_relaxed);
        raise_peak(b, old + bytes);
        atomic_fetch_add_explicit(&b->forced_bytes, bytes, memory_order_relaxed);
    }
}

void mem_budget_give(struct mem_budget *b, uint64_t bytes)
{
    for (; b != NULL; b = b->parent) {
        give_one(b, bytes);
    }
}
