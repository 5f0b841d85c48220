/* The order of one key's rows in a sorted map: pairs of sort number and sequence number in sorted chunks.
 * Inside the room only.
 *
 * Chunks grow from a few pairs to SORTED_CHUNK_MAX, then split; rows that come in order fill them to the
 * brim.  All memory is in the heap of the table that holds the key, so that it goes with its namespace.
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_SORTED_INDEX_H
#define FLINC_ENGINE_STATE_SORTED_INDEX_H

#include "engine/state/state_heap.h"

enum { SORTED_CHUNK_MIN = 4, SORTED_CHUNK_MAX = 128 };

struct sorted_item {
    int64_t sort;
    uint64_t seq;
};

struct sorted_chunk {
    uint32_t n, cap;
    struct sorted_item items[];
};

/* Zeroed: empty. */
struct sorted_index {
    struct sorted_chunk **chunks; /* Owns, in the heap; none is empty */
    uint32_t n_chunks, cap_chunks;
    uint64_t n; /* items */
    uint64_t next_seq;
};

struct sorted_at {
    uint32_t chunk, item;
};

/* ERR_LIMIT when the heap's budget has no room; nothing is lost then. */
int sorted_index_insert(struct sorted_index *ix, struct state_heap *heap, struct sorted_item item,
                        struct error *err) MUST_CHECK;
/* The first item that is not below this one. */
struct sorted_at sorted_index_lower(const struct sorted_index *ix, struct sorted_item item);
/* The item at a place, NULL at the end; sorted_index_step() goes on to the next. */
static inline const struct sorted_item *sorted_index_item(const struct sorted_index *ix,
                                                          struct sorted_at at)
{
    return at.chunk < ix->n_chunks ? &ix->chunks[at.chunk]->items[at.item] : NULL;
}
static inline struct sorted_at sorted_index_step(const struct sorted_index *ix, struct sorted_at at)
{
    return at.item + 1 < ix->chunks[at.chunk]->n ? (struct sorted_at){at.chunk, at.item + 1}
                                                 : (struct sorted_at){at.chunk + 1, 0};
}
/* Takes out up to `max` items with low <= sort <= high, the first of them; returns how many. */
uint32_t sorted_index_take(struct sorted_index *ix, struct state_heap *heap, int64_t low,
                           int64_t high, uint32_t max, struct sorted_item *ret_items);
/* Gives the memory back. */
void sorted_index_clear(struct sorted_index *ix, struct state_heap *heap);

#endif
