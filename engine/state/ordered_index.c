/* Sorted chunks of sort keys.  Thread: one owner (the task). */
#include "engine/state/ordered_index.h"

static uint64_t prefix_of(const char *bytes, size_t len)
{
    uint64_t p = 0;
    memcpy(&p, bytes, MIN(len, sizeof(p)));
    return __builtin_bswap64(p);
}

int ordered_item_compare(const struct ordered_item *item, struct slice bytes)
{
    size_t n = MIN((size_t)item->len, bytes.len);
    int c = n > 0 ? memcmp(item->bytes, bytes.data, n) : 0;
    return c != 0 ? c : item->len < bytes.len ? -1 : 0;
}

static bool is_below(const struct ordered_item *item, uint64_t prefix, struct slice bytes,
                     uint64_t seq)
{
    if (bytes.len >= sizeof(prefix) && item->prefix != prefix) {
        return item->prefix < prefix;
    }
    int c = ordered_item_compare(item, bytes);
    if (c != 0) {
        return c < 0;
    }
    return item->len == bytes.len ? item->seq < seq : seq == ORDERED_SEQ_END;
}

static size_t chunk_bytes(uint32_t cap)
{
    return sizeof(struct ordered_chunk) + cap * sizeof(struct ordered_item);
}

static struct ordered_chunk *chunk_new(struct state_heap *heap, uint32_t cap)
{
    struct ordered_chunk *c =
        (struct ordered_chunk *)(void *)state_heap_alloc(heap, chunk_bytes(cap));
    if (c != NULL) {
        c->n = 0;
        c->cap = cap;
    }
    return c;
}

static void chunk_free(struct state_heap *heap, struct ordered_chunk *c)
{
    state_heap_free(heap, (char *)c, chunk_bytes(c->cap));
}

/* ---- finding ----------------------------------------------------------------------------------- */

static uint32_t chunk_lower(const struct ordered_chunk *c, uint64_t prefix, struct slice bytes,
                            uint64_t seq)
{
    uint32_t low = 0, high = c->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_below(&c->items[middle], prefix, bytes, seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The last chunk whose first item is below; the first one when there is none. */
static uint32_t chunk_of(const struct ordered_index *ix, uint64_t prefix, struct slice bytes,
                         uint64_t seq)
{
    uint32_t low = 0, high = ix->n_chunks;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_below(&ix->chunks[middle]->items[0], prefix, bytes, seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : 0;
}

struct ordered_at ordered_index_lower(const struct ordered_index *ix, struct slice bytes,
                                      uint64_t seq)
{
    uint64_t prefix = prefix_of(bytes.data, bytes.len);
    if (ix->n_chunks == 0) {
        return (struct ordered_at){0, 0};
    }
    struct ordered_at at = {chunk_of(ix, prefix, bytes, seq), 0};
    at.item = chunk_lower(ix->chunks[at.chunk], prefix, bytes, seq);
    return at.item < ix->chunks[at.chunk]->n ? at : (struct ordered_at){at.chunk + 1, 0};
}

struct ordered_at ordered_index_nth(const struct ordered_index *ix, uint64_t n)
{
    struct ordered_at at = {0, 0};
    while (at.chunk < ix->n_chunks && n >= ix->chunks[at.chunk]->n) {
        n -= ix->chunks[at.chunk++]->n;
    }
    at.item = at.chunk < ix->n_chunks ? (uint32_t)n : 0;
    return at;
}

uint64_t ordered_index_before(const struct ordered_index *ix, struct ordered_at at)
{
    uint64_t n = at.item;
    for (uint32_t i = 0; i < at.chunk; i++) {
        n += ix->chunks[i]->n;
    }
    return n;
}

/* ---- inserting --------------------------------------------------------------------------------- */

/* Room for one more chunk in the directory. */
static bool reserve_chunk(struct ordered_index *ix, struct state_heap *heap)
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
    ix->chunks = (struct ordered_chunk **)(void *)p;
    ix->cap_chunks = cap;
    return true;
}

/* Puts an empty chunk at position `at` of the directory. */
static struct ordered_chunk *add_chunk(struct ordered_index *ix, struct state_heap *heap,
                                       uint32_t at, uint32_t cap)
{
    struct ordered_chunk *c = reserve_chunk(ix, heap) ? chunk_new(heap, cap) : NULL;
    if (c != NULL) {
        memmove(&ix->chunks[at + 1], &ix->chunks[at], (ix->n_chunks - at) * sizeof(*ix->chunks));
        ix->chunks[at] = c;
        ix->n_chunks++;
    }
    return c;
}

/* Makes room in a full chunk, by a larger one or by a second one; says where the item goes then. */
static bool make_room(struct ordered_index *ix, struct state_heap *heap, struct ordered_at *inout)
{
    struct ordered_chunk *c = ix->chunks[inout->chunk];
    if (c->n < c->cap) {
        return true;
    }
    if (c->cap < ORDERED_CHUNK_MAX) {
        struct ordered_chunk *larger = chunk_new(heap, c->cap * 4);
        if (larger != NULL) {
            larger->n = c->n;
            memcpy(larger->items, c->items, c->n * sizeof(*c->items));
            ix->chunks[inout->chunk] = larger;
            chunk_free(heap, c);
        }
        return larger != NULL;
    }
    /* Behind the last item of all: rows come in order, and the full chunk stays full. */
    bool at_end = inout->chunk + 1 == ix->n_chunks && inout->item == c->n;
    uint32_t keep = at_end ? c->n : c->n / 2;
    struct ordered_chunk *right = add_chunk(ix, heap, inout->chunk + 1, ORDERED_CHUNK_MAX);
    if (right == NULL) {
        return false;
    }
    right->n = c->n - keep;
    memcpy(right->items, c->items + keep, right->n * sizeof(*c->items));
    c->n = keep;
    if (inout->item > keep || at_end) {
        *inout = (struct ordered_at){inout->chunk + 1, inout->item - keep};
    }
    return true;
}

int ordered_index_insert(struct ordered_index *ix, struct state_heap *heap, struct slice bytes,
                         uint64_t seq, struct error *err)
{
    struct ordered_item item = {
        .prefix = prefix_of(bytes.data, bytes.len), .len = bytes.len, .seq = seq};
    struct ordered_at at = {0, 0};
    bool room = ix->n_chunks > 0 || add_chunk(ix, heap, 0, ORDERED_CHUNK_MIN) != NULL;
    if (room) {
        at.chunk = chunk_of(ix, item.prefix, bytes, seq);
        at.item = chunk_lower(ix->chunks[at.chunk], item.prefix, bytes, seq);
        item.bytes = state_heap_alloc(heap, MAX(bytes.len, (size_t)1));
        room = item.bytes != NULL && make_room(ix, heap, &at);
    }
    if (!room) {
        if (item.bytes != NULL) {
            state_heap_free(heap, item.bytes, MAX(bytes.len, (size_t)1));
        }
        if (ix->n == 0) {
            ordered_index_clear(ix, heap);
        }
        return state_over_budget(heap->budget, bytes.len + sizeof(item),
                                 "the order of a key's rows", err);
    }
    memcpy(item.bytes, bytes.data, bytes.len);
    struct ordered_chunk *c = ix->chunks[at.chunk];
    memmove(&c->items[at.item + 1], &c->items[at.item], (c->n - at.item) * sizeof(item));
    c->items[at.item] = item;
    c->n++;
    ix->n++;
    return 0;
}

/* ---- removing ---------------------------------------------------------------------------------- */

static void free_item(struct state_heap *heap, struct ordered_item *item)
{
    state_heap_free(heap, item->bytes, MAX((size_t)item->len, (size_t)1));
}

void ordered_index_remove(struct ordered_index *ix, struct state_heap *heap, struct ordered_at at)
{
    struct ordered_chunk *c = ix->chunks[at.chunk];
    free_item(heap, &c->items[at.item]);
    c->n--;
    memmove(&c->items[at.item], &c->items[at.item + 1], (c->n - at.item) * sizeof(*c->items));
    ix->n--;
    if (c->n == 0) {
        chunk_free(heap, c);
        ix->n_chunks--;
        memmove(&ix->chunks[at.chunk], &ix->chunks[at.chunk + 1],
                (ix->n_chunks - at.chunk) * sizeof(*ix->chunks));
    }
}

void ordered_index_clear(struct ordered_index *ix, struct state_heap *heap)
{
    for (uint32_t i = 0; i < ix->n_chunks; i++) {
        for (uint32_t k = 0; k < ix->chunks[i]->n; k++) {
            free_item(heap, &ix->chunks[i]->items[k]);
        }
        chunk_free(heap, ix->chunks[i]);
    }
    if (ix->cap_chunks > 0) {
        state_heap_free(heap, (char *)ix->chunks, ix->cap_chunks * sizeof(*ix->chunks));
    }
    memset(ix, 0, sizeof(*ix));
}
