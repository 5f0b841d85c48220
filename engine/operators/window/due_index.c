/* The radix heap of due keys. */
#include "engine/operators/window/due_index.h"

#include "common/base/mem.h"

#include <string.h>

enum { BUCKET_ITEMS_MIN = 64 };

void due_index_init(struct due_index *d)
{
    memset(d, 0, sizeof(*d));
    due_index_clear(d);
}

void due_index_clear(struct due_index *d)
{
    d->last_ms = INT64_MIN;
    for (int i = 0; i < DUE_BUCKETS; i++) {
        d->buckets[i].n = 0;
        d->buckets[i].least_ms = INT64_MAX;
    }
}

void due_index_fini(struct due_index *d)
{
    for (int i = 0; i < DUE_BUCKETS; i++) {
        mem_free(d->buckets[i].items);
    }
    memset(d, 0, sizeof(*d));
}

static void bucket_add(struct due_bucket *b, struct due_item item)
{
    if (b->n == b->cap) {
        b->cap = MAX(b->cap * 2, (size_t)BUCKET_ITEMS_MIN);
        b->items = mem_realloc(b->items, b->cap * sizeof(*b->items));
    }
    b->items[b->n++] = item;
    b->least_ms = MIN(b->least_ms, item.time_ms);
}

static struct due_bucket *bucket_of(struct due_index *d, int64_t time_ms)
{
    uint64_t differ = (uint64_t)time_ms ^ (uint64_t)d->last_ms;
    return &d->buckets[differ == 0 ? 0 : 64 - __builtin_clzll(differ)];
}

void due_index_push(struct due_index *d, int64_t time_ms, uint32_t slot)
{
    struct due_item item = {MAX(time_ms, d->last_ms), slot};
    /* The item keeps its own time: its user knows it by that. */
    struct due_bucket *b = bucket_of(d, item.time_ms);
    item.time_ms = time_ms;
    bucket_add(b, item);
}

/* The first bucket that is not empty has the least times; NULL: all are empty. */
static struct due_bucket *first_bucket(struct due_index *d)
{
    for (int i = 0; i < DUE_BUCKETS; i++) {
        if (d->buckets[i].n > 0) {
            return &d->buckets[i];
        }
    }
    return NULL;
}

int64_t due_index_least(const struct due_index *d)
{
    for (int i = 0; i < DUE_BUCKETS; i++) {
        if (d->buckets[i].n > 0) {
            return d->buckets[i].least_ms;
        }
    }
    return INT64_MAX;
}

bool due_index_take(struct due_index *d, int64_t until_ms, struct due_item *ret)
{
    struct due_bucket *b = first_bucket(d);
    if (b == NULL || b->least_ms > until_ms) {
        return false;
    }
    if (b != &d->buckets[0]) {
        /* Its least time becomes the last one: every item goes to a lower bucket. */
        d->last_ms = b->least_ms;
        b->least_ms = INT64_MAX;
        size_t n = b->n;
        b->n = 0;
        for (size_t i = 0; i < n; i++) {
            struct due_item item = b->items[i];
            bucket_add(bucket_of(d, item.time_ms), item);
        }
        b = &d->buckets[0];
    }
    *ret = b->items[--b->n];
    if (b->n == 0) {
        b->least_ms = INT64_MAX;
    }
    return true;
}
