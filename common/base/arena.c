/* The arena: blocks that double up to ARENA_BLOCK_MAX, a bump pointer, and clean-ups that run before
 * the memory goes.  What does not fit into a block gets a block of its own behind the current one,
 * so that the current block's rest is not lost.
 *
 * Thread: one owner.  Lifetime: everything from an arena dies at its reset or fini. */
#include "common/base/mem.h"
#include "common/base/sanitizer.h"

#include <stdio.h>
#include <string.h>

struct arena_block {
    struct arena_block *prev; /* Owns */
    size_t size;              /* payload bytes */
    char data[] __attribute__((aligned(16)));
};

struct arena_cleanup {
    struct arena_cleanup *prev;
    void (*fn)(void *arg);
    void *arg;
};

enum {
    ARENA_ALIGN = 16,
    ARENA_BLOCK_DEFAULT = 4096,
    ARENA_BLOCK_MAX = 256 * 1024,
};

_Static_assert(sizeof(struct arena_block) % ARENA_ALIGN == 0, "payload must be aligned");

void arena_init(struct arena *a, size_t block_bytes)
{
    *a = (struct arena){.block_bytes = block_bytes != 0 ? block_bytes : ARENA_BLOCK_DEFAULT};
}

static void run_cleanups(struct arena *a)
{
    while (a->cleanups != NULL) {
        struct arena_cleanup *c = a->cleanups;
        a->cleanups = c->prev;
        c->fn(c->arg);
    }
}

static struct arena_block *free_block(struct arena_block *block)
{
    struct arena_block *prev = block->prev;
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
    mem_free(block);
    return prev;
}

void arena_fini(struct arena *a)
{
    run_cleanups(a);
    while (a->head != NULL) {
        a->head = free_block(a->head);
    }
    *a = (struct arena){.block_bytes = a->block_bytes};
}

void arena_reset(struct arena *a)
{
    run_cleanups(a);
    a->used_bytes = 0;
    if (a->head == NULL) {
        return;
    }
    struct arena_block *keep = a->head;
    while (keep->prev != NULL) {
        keep->prev = free_block(keep->prev);
    }
    ASAN_POISON_MEMORY_REGION(keep->data, keep->size);
    a->next = keep->data;
    a->end = keep->data + keep->size;
}

static struct arena_block *block_new(size_t size)
{
    ASSERT(size <= SIZE_MAX / 2);
    struct arena_block *block = mem_alloc(sizeof(*block) + size);
    block->size = size;
    block->prev = NULL;
    ASAN_POISON_MEMORY_REGION(block->data, size);
    return block;
}

static void *alloc_slow(struct arena *a, size_t rounded) COLD;
static void *alloc_slow(struct arena *a, size_t rounded)
{
    size_t block_size = a->block_bytes;
    if (a->head != NULL && a->head->size >= block_size) {
        size_t top = MAX(a->block_bytes, (size_t)ARENA_BLOCK_MAX);
        block_size = MIN(a->head->size * 2, top);
    }
    if (rounded > block_size / 2 && a->head != NULL) {
        struct arena_block *own = block_new(rounded);
        own->prev = a->head->prev;
        a->head->prev = own;
        return own->data;
    }
    struct arena_block *block = block_new(MAX(block_size, rounded));
    block->prev = a->head;
    a->head = block;
    a->next = block->data + rounded;
    a->end = block->data + block->size;
    return block->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    ASSERT(rounded >= size);
    rounded = MAX(rounded, (size_t)ARENA_ALIGN);
    void *p;
    if (LIKELY((size_t)(a->end - a->next) >= rounded)) {
        p = a->next;
        a->next += rounded;
    } else {
        p = alloc_slow(a, rounded);
    }
    a->used_bytes += rounded;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    if (s == NULL) {
        return NULL;
    }
    size_t len = strnlen(s, n);
    char *copy = arena_alloc(a, len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

void arena_on_fini(struct arena *a, void (*fn)(void *arg), void *arg)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof(*c));
    *c = (struct arena_cleanup){a->cleanups, fn, arg};
    a->cleanups = c;
}
