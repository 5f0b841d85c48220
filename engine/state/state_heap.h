/* Bytes of keyed state that do not fit a slot: long keys, strings of records.
 *
 * Blocks are cut into pieces of a few sizes; a freed piece goes to the free list of its size and is
 * used again.  Everything goes at once with the heap, which is how a window or a namespace is dropped.
 * Memory is taken from a budget block by block; over it an allocation fails, nothing is lost.
 *
 * Thread: one owner (the task).  Flink: the byte arrays behind CopyOnWriteStateTable's entries. */
#ifndef FLINC_ENGINE_STATE_STATE_HEAP_H
#define FLINC_ENGINE_STATE_STATE_HEAP_H

#include "common/base/mem.h"

enum {
    STATE_HEAP_CLASSES = 40,          /* 16, 32, 48, 64, then four sizes per power of two */
    STATE_HEAP_PIECE_MAX = 16 * 1024, /* larger ones are allocated on their own */
};

struct state_heap {
    struct mem_budget *budget;       /* Borrows; may be NULL */
    struct state_heap_block *blocks; /* Owns */
    struct state_heap_large *large;  /* Owns; doubly linked */
    char *next, *end;                /* room in the newest block */
    size_t block_bytes;              /* of the next block; doubles up to a limit */
    uint64_t held_bytes;             /* taken from the budget */
    uint64_t used_bytes;             /* handed out, rounded up to piece sizes */
    struct state_heap_piece *free_pieces[STATE_HEAP_CLASSES];
};

void state_heap_init(struct state_heap *h, struct mem_budget *budget);
/* Frees all that was handed out; the heap is empty and usable afterwards. */
void state_heap_clear(struct state_heap *h);
static inline void state_heap_fini(struct state_heap *h)
{
    state_heap_clear(h);
}
/* At least `size` bytes, 16-aligned; NULL when the budget has no room. */
char *state_heap_alloc(struct state_heap *h, size_t size) MUST_CHECK;
/* `size` as it was asked for. */
void state_heap_free(struct state_heap *h, char *p, size_t size);

/* ERR_LIMIT: `what` ("a string") needs `bytes` more than the budget of keyed state has; with the remedy. */
int state_over_budget(const struct mem_budget *budget, uint64_t bytes, const char *what,
                      struct error *err) COLD;

#endif
