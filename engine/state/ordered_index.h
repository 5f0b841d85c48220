/* The order of one key's rows in an ordered map: pairs of sort key and sequence number in sorted chunks.
 * Inside the room only.
 *
 * A sort key is bytes whose memcmp order counts, of which no one is a prefix of another.  All memory is in the
 * heap of the table that holds the key, so that it goes with its namespace.
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_ORDERED_INDEX_H
#define FLINC_ENGINE_STATE_ORDERED_INDEX_H

#include "common/base/str.h"
#include "engine/state/state_heap.h"

enum { ORDERED_CHUNK_MIN = 4, ORDERED_CHUNK_MAX = 64 };
#define ORDERED_SEQ_END UINT64_MAX /* behind all rows of a sort key */

struct ordered_item {
    uint64_t prefix; /* the first bytes as a number, so that most comparisons end here */
    char *bytes;     /* Owns, in the heap */
    uint64_t len;
    uint64_t seq;
};

struct ordered_chunk {
    uint32_t n, cap;
    uint64_t pad;
    struct ordered_item items[];
};

/* Zeroed: empty. */
struct ordered_index {
    struct ordered_chunk **chunks; /* Owns, in the heap; none is empty */
    uint32_t n_chunks, cap_chunks;
    uint64_t n; /* items */
    uint64_t next_seq;
};

struct ordered_at {
    uint32_t chunk, item;
};

/* Copies the bytes.  ERR_LIMIT when the heap's budget has no room; nothing is lost then. */
int ordered_index_insert(struct ordered_index *ix, struct state_heap *heap, struct slice bytes,
                         uint64_t seq, struct error *err) MUST_CHECK;
/* The first item that is not below these bytes and number.  The bytes may be the first ones of sort keys: they
 * stand for all of them, 0 for the place before them, ORDERED_SEQ_END for that behind them. */
struct ordered_at ordered_index_lower(const struct ordered_index *ix, struct slice bytes,
                                      uint64_t seq);
/* The item at a place, NULL behind the last. */
static inline struct ordered_item *ordered_index_item(const struct ordered_index *ix,
                                                      struct ordered_at at)
{
    return at.chunk < ix->n_chunks ? &ix->chunks[at.chunk]->items[at.item] : NULL;
}
static inline struct ordered_at ordered_index_next(const struct ordered_index *ix,
                                                   struct ordered_at at)
{
    return at.item + 1 < ix->chunks[at.chunk]->n ? (struct ordered_at){at.chunk, at.item + 1}
                                                 : (struct ordered_at){at.chunk + 1, 0};
}
/* The place before; false: it is the first. */
static inline bool ordered_index_previous(const struct ordered_index *ix, struct ordered_at *inout)
{
    if (inout->item > 0) {
        inout->item--;
        return true;
    }
    if (inout->chunk == 0) {
        return false;
    }
    inout->chunk--;
    inout->item = ix->chunks[inout->chunk]->n - 1;
    return true;
}
/* The place that so many items are before, and their number before a place. */
struct ordered_at ordered_index_nth(const struct ordered_index *ix, uint64_t n);
uint64_t ordered_index_before(const struct ordered_index *ix, struct ordered_at at);
/* Whether the item's first bytes are those (0), below (< 0) or above (> 0). */
int ordered_item_compare(const struct ordered_item *item, struct slice bytes);
void ordered_index_remove(struct ordered_index *ix, struct state_heap *heap, struct ordered_at at);
/* Gives the memory back. */
void ordered_index_clear(struct ordered_index *ix, struct state_heap *heap);

#endif
