/* Sorted chunks of numbers.  Thread: one owner (the task). */
#include "engine/state/sorted_index.h"

#include <string.h>

static bool is_below(struct sorted_item a, struct sorted_item b)
{
    return a.sort != b.sort ? a.sort < b.sort : a.seq < b.seq;
}

static size_t chunk_bytes(uint32_t cap)
{
    return sizeof(struct sorted_chunk) + cap * sizeof(struct sorted_item);
}

static struct sorted_chunk *chunk_new(struct state_heap *heap, uint32_t cap)
{
    struct sorted_chunk *c =
        (struct sorted_chunk *)(void *)state_heap_alloc(heap, chunk_bytes(cap));
    if (c != NULL) {
        c->n = 0;
        c->cap = cap;
    }
    return c;
}

static void chunk_free(struct state_heap *heap, struct sorted_chunk *c)
{
    state_heap_free(heap, (char *)c, chunk_bytes(c->cap));
}

/* Position of the first item of a chunk that is not below `item`. */
static uint32_t chunk_lower(const struct sorted_chunk *c, struct sorted_item item)
{
    uint32_t low = 0, high = c->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_below(c->items[middle], item)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The last chunk whose first item is not above `item`; the first one when there is none. */
static uint32_t chunk_of(const struct sorted_index *ix, struct sorted_item item)
{
    uint32_t low = 0, high = ix->n_chunks;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_below(item, ix->chunks[middle]->items[0])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low > 0 ? low - 1 : 0;
}

/* ---- inserting --------------------------------------------------------------------------------- */

static int no_room(const struct state_heap *heap, struct error *err)
{
    return error_set(
        err, ERR_LIMIT,
        "the order of a key's rows does not fit the memory budget '%s' of keyed state, "
        "which has %llu of %llu bytes in use",
        heap->budget->name, (unsigned long long)atomic_load(&heap->budget->used_bytes),
        (unsigned long long)heap->budget->limit_bytes);
}

/* Room for one more chunk in the directory. */
static bool reserve_chunk(struct sorted_index *ix, struct state_heap *heap)
{
    if (ix->n_chunks < ix->cap_chunks) {
        return true;
    }
    uint32_t cap = ix->cap_chunks > 0 ? ix->cap_chunks * 2 : 2;
    char *p = state_heap_alloc(heap, cap * sizeof(*ix->chunks));
    if (p == NULL) {
        return false;
    }
    if (ix->cap_chunks > 0) {
        memcpy(p, ix->chunks, ix->n_chunks * sizeof(*ix->chunks));
        state_heap_free(heap, (char *)ix->chunks, ix->cap_chunks * sizeof(*ix->chunks));
    }
    ix->chunks = (struct sorted_chunk **)(void *)p;
    ix->cap_chunks = cap;
    return true;
}

/* Puts an empty chunk at position `at` of the directory. */
static struct sorted_chunk *add_chunk(struct sorted_index *ix, struct state_heap *heap, uint32_t at,
                                      uint32_t cap)
{
    struct sorted_chunk *c = reserve_chunk(ix, heap) ? chunk_new(heap, cap) : NULL;
    if (c != NULL) {
        memmove(&ix->chunks[at + 1], &ix->chunks[at], (ix->n_chunks - at) * sizeof(*ix->chunks));
        ix->chunks[at] = c;
        ix->n_chunks++;
    }
    return c;
}

/* Makes room in chunk number `at` for an item at position `item`; says where it is then. */
static bool make_room(struct sorted_index *ix, struct state_heap *heap, struct sorted_at *inout_at)
{
    struct sorted_chunk *c = ix->chunks[inout_at->chunk];
    if (c->n < c->cap) {
        return true;
    }
    if (c->cap < SORTED_CHUNK_MAX) {
        uint32_t four_times = c->cap * 4;
        struct sorted_chunk *larger = chunk_new(heap, MIN(four_times, (uint32_t)SORTED_CHUNK_MAX));
        if (larger != NULL) {
            larger->n = c->n;
            memcpy(larger->items, c->items, c->n * sizeof(*c->items));
            ix->chunks[inout_at->chunk] = larger;
            chunk_free(heap, c);
        }
        return larger != NULL;
    }
    /* Behind the last item of all: rows come in order, and the full chunk stays full. */
    bool at_end = inout_at->chunk + 1 == ix->n_chunks && inout_at->item == c->n;
    uint32_t keep = at_end ? c->n : c->n / 2;
    struct sorted_chunk *right = add_chunk(ix, heap, inout_at->chunk + 1, SORTED_CHUNK_MAX);
    if (right == NULL) {
        return false;
    }
    right->n = c->n - keep;
    memcpy(right->items, c->items + keep, right->n * sizeof(*c->items));
    c->n = keep;
    if (inout_at->item > keep || at_end) {
        *inout_at = (struct sorted_at){inout_at->chunk + 1, inout_at->item - keep};
    }
    return true;
}

int sorted_index_insert(struct sorted_index *ix, struct state_heap *heap, struct sorted_item item,
                        struct error *err)
{
    if (ix->n_chunks == 0 && add_chunk(ix, heap, 0, SORTED_CHUNK_MIN) == NULL) {
        return no_room(heap, err);
    }
    struct sorted_at at = {chunk_of(ix, item), 0};
    at.item = chunk_lower(ix->chunks[at.chunk], item);
    if (!make_room(ix, heap, &at)) {
        return no_room(heap, err);
    }
    struct sorted_chunk *c = ix->chunks[at.chunk];
    memmove(&c->items[at.item + 1], &c->items[at.item], (c->n - at.item) * sizeof(item));
    c->items[at.item] = item;
    c->n++;
    ix->n++;
    return 0;
}

/* ---- finding and taking ------------------------------------------------------------------------ */

struct sorted_at sorted_index_lower(const struct sorted_index *ix, struct sorted_item item)
{
    if (ix->n_chunks == 0) {
        return (struct sorted_at){0, 0};
    }
    struct sorted_at at = {chunk_of(ix, item), 0};
    at.item = chunk_lower(ix->chunks[at.chunk], item);
    return at.item < ix->chunks[at.chunk]->n ? at : (struct sorted_at){at.chunk + 1, 0};
}

static void drop_chunk(struct sorted_index *ix, struct state_heap *heap, uint32_t at)
{
    chunk_free(heap, ix->chunks[at]);
    ix->n_chunks--;
    memmove(&ix->chunks[at], &ix->chunks[at + 1], (ix->n_chunks - at) * sizeof(*ix->chunks));
}

uint32_t sorted_index_take(struct sorted_index *ix, struct state_heap *heap, int64_t low,
                           int64_t high, uint32_t max, struct sorted_item *ret_items)
{
    uint32_t n = 0;
    while (n < max) {
        struct sorted_at at = sorted_index_lower(ix, (struct sorted_item){low, 0});
        if (at.chunk == ix->n_chunks || ix->chunks[at.chunk]->items[at.item].sort > high) {
            break;
        }
        struct sorted_chunk *c = ix->chunks[at.chunk];
        uint32_t end = at.item;
        while (end < c->n && c->items[end].sort <= high && n < max) {
            ret_items[n++] = c->items[end++];
        }
        memmove(&c->items[at.item], &c->items[end], (c->n - end) * sizeof(*c->items));
        c->n -= end - at.item;
        ix->n -= end - at.item;
        if (c->n == 0) {
            drop_chunk(ix, heap, at.chunk);
        }
    }
    return n;
}

void sorted_index_clear(struct sorted_index *ix, struct state_heap *heap)
{
    for (uint32_t i = 0; i < ix->n_chunks; i++) {
        chunk_free(heap, ix->chunks[i]);
    }
    if (ix->cap_chunks > 0) {
        state_heap_free(heap, (char *)ix->chunks, ix->cap_chunks * sizeof(*ix->chunks));
    }
    memset(ix, 0, sizeof(*ix));
}
