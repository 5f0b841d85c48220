/* The chain: the segments of the last confirmed checkpoint, on which increments build, and those that
 * wait for a confirmation.
 *
 * A new base is due when the increments weigh as much as the base: then what is written in all is at most
 * twice what changed, and what is read when restoring at most twice the state.
 * Thread: one owner (the task).  Flink: the uploaded SST files of RocksIncrementalSnapshotStrategy. */
#include "engine/state/keyed_snapshot.h"

#include "common/rpc/message.h"

#include <stdlib.h>

static Flinc__KeyedSegment *segment_copy(const Flinc__KeyedSegment *s)
{
    return message_copy(&s->base);
}

static void clear_segments(struct vec *segments)
{
    for (size_t i = 0; i < segments->len; i++) {
        flinc__keyed_segment__free_unpacked(vec_ptr(segments, i), NULL);
    }
    vec_clear(segments);
}

static void copy_segments(const struct vec *from, struct vec *to)
{
    for (size_t i = 0; i < from->len; i++) {
        vec_push_ptr(to, segment_copy(vec_ptr(from, i)));
    }
}

static void weigh(struct keyed_chain *c)
{
    c->base_bytes = c->delta_bytes = 0;
    for (size_t i = 0; i < c->segments.len; i++) {
        const Flinc__KeyedSegment *s = vec_ptr(&c->segments, i);
        if (s->is_base) {
            c->base_bytes += s->blob->size;
        } else {
            c->delta_bytes += s->blob->size;
        }
    }
}

void keyed_chain_init(struct keyed_chain *c)
{
    *c = (struct keyed_chain){0};
    vec_init(&c->segments, sizeof(Flinc__KeyedSegment *));
    vec_init(&c->pending, sizeof(struct keyed_pending));
}

static void remove_pending(struct keyed_chain *c, size_t i)
{
    struct keyed_pending *p = VEC_AT(&c->pending, struct keyed_pending, i);
    clear_segments(&p->segments);
    vec_fini(&p->segments);
    vec_remove(&c->pending, i);
}

void keyed_chain_forget(struct keyed_chain *c)
{
    clear_segments(&c->segments);
    while (c->pending.len > 0) {
        remove_pending(c, 0);
    }
    weigh(c);
}

void keyed_chain_fini(struct keyed_chain *c)
{
    keyed_chain_forget(c);
    vec_fini(&c->segments);
    vec_fini(&c->pending);
}

bool keyed_chain_is_due(const struct keyed_chain *c)
{
    return c->segments.len == 0 || c->segments.len >= CHAIN_SEGMENTS_MAX ||
           c->delta_bytes >= c->base_bytes;
}

bool keyed_chain_is_waste(const struct keyed_chain *c, const struct snapshot_target *target)
{
    for (size_t i = 0; i < c->segments.len; i++) {
        const Flinc__KeyedSegment *s = vec_ptr(&c->segments, i);
        if (snapshot_target_waste(target, s->blob) > c->base_bytes + c->delta_bytes) {
            return true;
        }
    }
    return false;
}

void keyed_handle_add(Flinc__KeyedHandle *h, Flinc__KeyedSegment *take_segment)
{
    /* By malloc, as protobuf-c frees it. */
    Flinc__KeyedSegment **more =
        realloc((void *)h->segments, (h->n_segments + 1) * sizeof(*h->segments));
    ASSERT(more != NULL);
    h->segments = more;
    h->segments[h->n_segments++] = take_segment;
}

void keyed_chain_add(struct keyed_chain *c, uint64_t checkpoint_id, uint32_t frozen_at,
                     Flinc__KeyedSegment *take_segment, Flinc__KeyedHandle *handle)
{
    if (c->pending.len == CHAIN_PENDING_MAX) {
        remove_pending(c, 0);
    }
    struct keyed_pending *p = VEC_PUSH(&c->pending, struct keyed_pending);
    p->checkpoint_id = checkpoint_id;
    p->frozen_at = frozen_at;
    vec_init(&p->segments, sizeof(Flinc__KeyedSegment *));
    if (take_segment == NULL || !take_segment->is_base) {
        copy_segments(&c->segments, &p->segments);
    }
    if (take_segment != NULL) {
        vec_push_ptr(&p->segments, take_segment);
    }
    for (size_t i = 0; i < p->segments.len; i++) {
        keyed_handle_add(handle, segment_copy(vec_ptr(&p->segments, i)));
    }
}

bool keyed_chain_confirm(struct keyed_chain *c, uint64_t checkpoint_id, uint32_t *ret_frozen_at)
{
    size_t at = 0;
    while (at < c->pending.len &&
           VEC_AT(&c->pending, struct keyed_pending, at)->checkpoint_id != checkpoint_id) {
        at++;
    }
    if (at == c->pending.len) {
        return false;
    }
    struct keyed_pending *p = VEC_AT(&c->pending, struct keyed_pending, at);
    clear_segments(&c->segments);
    copy_segments(&p->segments, &c->segments);
    weigh(c);
    *ret_frozen_at = p->frozen_at;
    /* A checkpoint completes those before it, too. */
    for (size_t i = 0; i <= at; i++) {
        remove_pending(c, 0);
    }
    return true;
}

void keyed_chain_restore(struct keyed_chain *c, const Flinc__KeyedHandle *handle)
{
    keyed_chain_forget(c);
    for (size_t i = 0; i < handle->n_segments; i++) {
        vec_push_ptr(&c->segments, segment_copy(handle->segments[i]));
    }
    weigh(c);
}
