/* The valve: a heap of the aligned feeds by their watermarks (watermark_valve.h). */
#include "taskmanager/exchange/watermark_valve.h"

enum feed_state {
    FEED_ACTIVE,
    FEED_IDLE,
    FEED_ENDED,
};

#define VALVE_NO_PLACE UINT32_MAX

/* ---- heap --------------------------------------------------------------------------------------- */

static int64_t heap_key(const struct watermark_valve *v, uint32_t place)
{
    return v->feeds[v->heap[place]].watermark_ms;
}

static void heap_put(struct watermark_valve *v, uint32_t place, uint32_t feed)
{
    v->heap[place] = feed;
    v->feeds[feed].place = place;
}

static void heap_swap(struct watermark_valve *v, uint32_t a, uint32_t b)
{
    uint32_t feed = v->heap[a];
    heap_put(v, a, v->heap[b]);
    heap_put(v, b, feed);
}

static void heap_up(struct watermark_valve *v, uint32_t place)
{
    while (place > 0 && heap_key(v, place) < heap_key(v, (place - 1) / 2)) {
        heap_swap(v, place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
}

static void heap_down(struct watermark_valve *v, uint32_t place)
{
    for (;;) {
        uint32_t least = place;
        for (uint32_t child = 2 * place + 1; child <= 2 * place + 2 && child < v->n_heap; child++) {
            if (heap_key(v, child) < heap_key(v, least)) {
                least = child;
            }
        }
        if (least == place) {
            return;
        }
        heap_swap(v, place, least);
        place = least;
    }
}

static void valve_align(struct watermark_valve *v, uint32_t feed)
{
    if (v->feeds[feed].place == VALVE_NO_PLACE) {
        heap_put(v, v->n_heap++, feed);
        heap_up(v, v->n_heap - 1);
    }
}

static void valve_unalign(struct watermark_valve *v, uint32_t feed)
{
    uint32_t place = v->feeds[feed].place;
    if (place == VALVE_NO_PLACE) {
        return;
    }
    v->feeds[feed].place = VALVE_NO_PLACE;
    v->n_heap--;
    if (place < v->n_heap) {
        heap_put(v, place, v->heap[v->n_heap]);
        heap_up(v, place);
        heap_down(v, v->feeds[v->heap[place]].place);
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

void watermark_valve_init(struct watermark_valve *v, uint32_t n_feeds, uint32_t flags)
{
    *v = (struct watermark_valve){.watermark_ms = INT64_MIN,
                                  .flags = flags,
                                  .feeds = MEM_NEW_ARRAY(struct valve_feed, n_feeds + 1),
                                  .heap = MEM_NEW_ARRAY(uint32_t, n_feeds + 1),
                                  .n_feeds = n_feeds,
                                  .n_active = n_feeds};
    for (uint32_t i = 0; i < n_feeds; i++) {
        v->feeds[i] = (struct valve_feed){.watermark_ms = INT64_MIN, .place = VALVE_NO_PLACE};
        valve_align(v, i);
    }
}

void watermark_valve_copy(const struct watermark_valve *v, struct watermark_valve *ret_copy)
{
    *ret_copy = *v;
    ret_copy->feeds = mem_dup(v->feeds, v->n_feeds * sizeof(*v->feeds));
    ret_copy->heap = mem_dup(v->heap, v->n_feeds * sizeof(*v->heap));
}

void watermark_valve_fini(struct watermark_valve *v)
{
    mem_free(v->feeds);
    mem_free(v->heap);
    v->feeds = NULL;
    v->heap = NULL;
}

/* ---- changes ------------------------------------------------------------------------------------ */

static uint32_t valve_raise(struct watermark_valve *v, int64_t watermark_ms)
{
    if (watermark_ms <= v->watermark_ms) {
        return 0;
    }
    v->watermark_ms = watermark_ms;
    return VALVE_WATERMARK;
}

static uint32_t valve_raise_to_lowest(struct watermark_valve *v)
{
    return v->n_heap > 0 ? valve_raise(v, heap_key(v, 0)) : 0;
}

static uint32_t valve_become_idle(struct watermark_valve *v, int64_t last_ms)
{
    uint32_t changes = 0;
    if (last_ms == v->watermark_ms && !(v->flags & VALVE_HOLDS)) {
        int64_t greatest_ms = INT64_MIN;
        for (uint32_t i = 0; i < v->n_feeds; i++) {
            if (v->feeds[i].state == FEED_IDLE) {
                greatest_ms = MAX(greatest_ms, v->feeds[i].watermark_ms);
            }
        }
        changes = valve_raise(v, greatest_ms);
    }
    v->is_idle = true;
    return changes | VALVE_STATUS;
}

uint32_t watermark_valve_advance(struct watermark_valve *v, uint32_t feed, int64_t watermark_ms)
{
    struct valve_feed *f = &v->feeds[feed];
    ASSERT(feed < v->n_feeds);
    if (f->state != FEED_ACTIVE || watermark_ms <= f->watermark_ms) {
        return 0;
    }
    f->watermark_ms = watermark_ms;
    if (f->place != VALVE_NO_PLACE) {
        heap_down(v, f->place);
    } else if (watermark_ms >= v->watermark_ms) {
        valve_align(v, feed); /* it has caught up */
    }
    return valve_raise_to_lowest(v);
}

/* It counts no more.  `f` is idle or has ended already. */
static uint32_t valve_leave(struct watermark_valve *v, uint32_t feed)
{
    v->n_active--;
    valve_unalign(v, feed);
    if (v->n_active > 0) {
        return valve_raise_to_lowest(v);
    }
    return v->n_ended < v->n_feeds ? valve_become_idle(v, v->feeds[feed].watermark_ms) : 0;
}

uint32_t watermark_valve_set_idle(struct watermark_valve *v, uint32_t feed, bool idle)
{
    struct valve_feed *f = &v->feeds[feed];
    ASSERT(feed < v->n_feeds);
    if (f->state == FEED_ENDED || idle == (f->state == FEED_IDLE)) {
        return 0;
    }
    if (idle) {
        f->state = FEED_IDLE;
        return valve_leave(v, feed);
    }
    f->state = FEED_ACTIVE;
    v->n_active++;
    if (f->watermark_ms >= v->watermark_ms || (v->flags & VALVE_HOLDS)) {
        valve_align(v, feed);
    }
    uint32_t changes = v->is_idle ? VALVE_STATUS : 0;
    v->is_idle = false;
    return changes;
}

void watermark_valve_set_floor(struct watermark_valve *v, int64_t watermark_ms)
{
    v->watermark_ms = MAX(v->watermark_ms, watermark_ms);
}

uint32_t watermark_valve_end(struct watermark_valve *v, uint32_t feed)
{
    struct valve_feed *f = &v->feeds[feed];
    ASSERT(feed < v->n_feeds);
    if (f->state == FEED_ENDED) {
        return 0;
    }
    bool was_active = f->state == FEED_ACTIVE;
    f->state = FEED_ENDED;
    v->n_ended++;
    return was_active ? valve_leave(v, feed) : 0;
}
