/* The heap of keyed state: size classes with free lists over growing blocks.
 *
 * Sizes: multiples of 16 up to 64, then four steps per power of two, so that a piece is at most a
 * fifth larger than what was asked for.  A piece carries no header: its owner knows the length.
 * Thread: one owner. */
#include "engine/state/state_heap.h"

enum {
    PIECE_ALIGN = 16,
    BLOCK_MIN_BYTES = 4 * 1024,
    BLOCK_MAX_BYTES = 1024 * 1024,
};

struct state_heap_block {
    struct state_heap_block *older;
    size_t size; /* of the whole block */
    _Alignas(PIECE_ALIGN) char data[];
};

struct state_heap_large {
    struct state_heap_large *prev, *next;
    size_t size; /* with this header */
    _Alignas(PIECE_ALIGN) char data[];
};

struct state_heap_piece {
    struct state_heap_piece *next;
};

void state_heap_init(struct state_heap *h, struct mem_budget *budget)
{
    *h = (struct state_heap){.budget = budget, .block_bytes = BLOCK_MIN_BYTES};
}

void state_heap_clear(struct state_heap *h)
{
    for (struct state_heap_block *b = h->blocks, *older; b != NULL; b = older) {
        older = b->older;
        mem_free(b);
    }
    for (struct state_heap_large *l = h->large, *next; l != NULL; l = next) {
        next = l->next;
        mem_free(l);
    }
    if (h->budget != NULL) {
        mem_budget_give(h->budget, h->held_bytes);
    }
    state_heap_init(h, h->budget);
}

/* Class of a size, and the size of the class's pieces. */
static uint32_t class_of(size_t size, size_t *ret_piece)
{
    if (size <= 4 * PIECE_ALIGN) {
        uint32_t n = size > 0 ? (uint32_t)((size + PIECE_ALIGN - 1) / PIECE_ALIGN) : 1;
        *ret_piece = (size_t)n * PIECE_ALIGN;
        return n - 1;
    }
    /* 65..80 is class 4: the steps within (2^p, 2^(p+1)] are quarters of 2^p. */
    uint32_t p = 63 - (uint32_t)__builtin_clzll(size - 1);
    size_t step = (size_t)1 << (p - 2);
    uint32_t quarter = (uint32_t)((size - 1 - ((size_t)1 << p)) / step);
    *ret_piece = ((size_t)1 << p) + (quarter + 1) * step;
    return 4 + (p - 6) * 4 + quarter;
}

static bool take(struct state_heap *h, size_t bytes)
{
    if (h->budget != NULL && mem_budget_take(h->budget, bytes) < 0) {
        return false;
    }
    h->held_bytes += bytes;
    return true;
}

static char *alloc_large(struct state_heap *h, size_t size)
{
    size_t bytes = sizeof(struct state_heap_large) + size;
    if (!take(h, bytes)) {
        return NULL;
    }
    struct state_heap_large *l = mem_alloc_aligned(PIECE_ALIGN, bytes);
    *l = (struct state_heap_large){.next = h->large, .size = bytes};
    if (h->large != NULL) {
        h->large->prev = l;
    }
    h->large = l;
    h->used_bytes += size;
    return l->data;
}

static void free_large(struct state_heap *h, char *p, size_t size)
{
    struct state_heap_large *l = CONTAINER_OF(p, struct state_heap_large, data);
    if (l->prev != NULL) {
        l->prev->next = l->next;
    } else {
        h->large = l->next;
    }
    if (l->next != NULL) {
        l->next->prev = l->prev;
    }
    h->used_bytes -= size;
    h->held_bytes -= l->size;
    if (h->budget != NULL) {
        mem_budget_give(h->budget, l->size);
    }
    mem_free(l);
}

/* What is left of the newest block becomes pieces, largest first. */
static void retire_rest(struct state_heap *h)
{
    while ((size_t)(h->end - h->next) >= PIECE_ALIGN) {
        size_t left = (size_t)(h->end - h->next), piece;
        uint32_t cls = class_of(left, &piece);
        if (piece > left) {
            cls = cls - 1;
            /* The class below: its size is that of the largest piece that still fits. */
            size_t lower = left;
            while (class_of(lower, &piece) != cls) {
                lower -= PIECE_ALIGN;
            }
        }
        struct state_heap_piece *p = (struct state_heap_piece *)(void *)h->next;
        p->next = h->free_pieces[cls];
        h->free_pieces[cls] = p;
        h->next += piece;
    }
}

static bool add_block(struct state_heap *h, size_t piece)
{
    size_t bytes = MAX(h->block_bytes, piece + sizeof(struct state_heap_block));
    if (!take(h, bytes)) {
        /* A small block may still fit. */
        bytes = MAX((size_t)BLOCK_MIN_BYTES, piece + sizeof(struct state_heap_block));
        if (!take(h, bytes)) {
            return false;
        }
    }
    retire_rest(h);
    struct state_heap_block *b = mem_alloc_aligned(PIECE_ALIGN, bytes);
    b->older = h->blocks;
    b->size = bytes;
    h->blocks = b;
    h->next = b->data;
    h->end = (char *)b + bytes;
    h->block_bytes = MIN(h->block_bytes * 2, (size_t)BLOCK_MAX_BYTES);
    return true;
}

char *state_heap_alloc(struct state_heap *h, size_t size)
{
    if (UNLIKELY(size > STATE_HEAP_PIECE_MAX)) {
        return alloc_large(h, size);
    }
    size_t piece;
    uint32_t cls = class_of(size, &piece);
    struct state_heap_piece *p = h->free_pieces[cls];
    if (p != NULL) {
        h->free_pieces[cls] = p->next;
        h->used_bytes += piece;
        return (char *)p;
    }
    if ((size_t)(h->end - h->next) < piece && !add_block(h, piece)) {
        return NULL;
    }
    char *r = h->next;
    h->next += piece;
    h->used_bytes += piece;
    return r;
}

void state_heap_free(struct state_heap *h, char *p, size_t size)
{
    if (UNLIKELY(size > STATE_HEAP_PIECE_MAX)) {
        free_large(h, p, size);
        return;
    }
    size_t piece;
    uint32_t cls = class_of(size, &piece);
    struct state_heap_piece *f = (struct state_heap_piece *)(void *)p;
    f->next = h->free_pieces[cls];
    h->free_pieces[cls] = f;
    h->used_bytes -= piece;
}

int state_over_budget(const struct mem_budget *budget, uint64_t bytes, const char *what,
                      struct error *err)
{
    return error_set(
        err, ERR_LIMIT,
        "%s needs %llu bytes more than keyed state may have: %llu of the %llu bytes of "
        "'%s' are in use; raise taskmanager.memory.managed.size, run with more "
        "parallelism, or keep less per key",
        what, (unsigned long long)bytes, (unsigned long long)atomic_load(&budget->used_bytes),
        (unsigned long long)budget->limit_bytes, budget->name);
}
