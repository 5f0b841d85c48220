/* Dealing state to the subtasks of another parallelism.
 *
 * Keyed state: handles whose key groups a subtask has, as they are; the backend takes its groups out.
 * Lists: items of all old subtasks in a row, cut into even pieces; who gets one item more moves on from
 * state to state.  With the same parallelism everybody keeps his own.  Union lists: all items to all;
 * where they are many, or large, all get is a reference to the snapshot's own _metadata, since handles of n subtasks
 * for n subtasks are what a job manager cannot hold.
 * Broadcast state: a subtask's own copy when there is one, else that of the first subtask that has it.
 *
 * Nothing is copied: parts point into the snapshot's arrays.
 * Thread: any, one at a time.  Flink: StateAssignmentOperation, RoundRobinOperatorStateRepartitioner. */
#include "engine/snapshot/assign_deal.h"
#include "common/base/failpoint.h"

#include "engine/data/hash.h"
#include "engine/snapshot/operator_part.h"
#include <stdlib.h>

struct deal_state {
    const char *name; /* Borrows */
    Flinc__OperatorStateMode mode;
    uint64_t total;        /* items */
    uint32_t first;        /* new subtask that is the first to get one more */
    uint32_t first_source; /* that has it */
    uint8_t *copies;       /* of the arena; broadcast: by old subtask, whether it has one */
};

struct deal_part {
    const Flinc__OperatorStatePart *part;
    uint32_t state;
    uint64_t base; /* items of the state before it */
};

struct deal_source {
    const Flinc__OperatorStateHandle *handle;
    uint32_t subtask; /* old */
    bool is_for_many; /* not only for its own subtask while the parallelism stays */
    uint32_t n_parts;
    struct deal_part *parts; /* Owns */
};

/* ---- getting ready ---------------------------------------------------------------------------- */

static int find_state(struct deal *d, const Flinc__OperatorStatePart *p, uint32_t *ret,
                      struct error *err)
{
    for (uint32_t i = 0; i < d->states.len; i++) {
        struct deal_state *s = VEC_AT(&d->states, struct deal_state, i);
        if (strcmp(s->name, p->name) == 0) {
            if (s->mode != p->mode) {
                return error_set(err, ERR_CORRUPT,
                                 "operator '%s': subtasks have its state '%s' in different modes",
                                 d->from->name, p->name);
            }
            *ret = i;
            return 0;
        }
    }
    *ret = (uint32_t)d->states.len;
    *VEC_PUSH(&d->states, struct deal_state) =
        (struct deal_state){.name = p->name, .mode = p->mode, .first_source = UINT32_MAX};
    if (p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST) {
        VEC_AT(&d->states, struct deal_state, *ret)->copies =
            arena_zalloc(d->arena, d->from->parallelism);
    }
    return 0;
}

static int add_source(struct deal *d, uint32_t subtask, const Flinc__OperatorStateHandle *h,
                      struct error *err)
{
    struct deal_source *s = VEC_PUSH(&d->sources, struct deal_source);
    *s = (struct deal_source){.handle = h, .subtask = subtask};
    s->parts = MEM_NEW_ARRAY(struct deal_part, h->n_parts + 1);
    for (size_t i = 0; i < h->n_parts; i++) {
        struct deal_part *p = &s->parts[i];
        p->part = h->parts[i];
        TRY(find_state(d, p->part, &p->state, err));
        struct deal_state *state = VEC_AT(&d->states, struct deal_state, p->state);
        p->base = state->total;
        state->total += operator_part_items(p->part);
        if (state->first_source == UINT32_MAX) {
            state->first_source = (uint32_t)d->sources.len - 1;
            s->is_for_many = s->is_for_many || state->copies != NULL;
        }
        if (state->copies != NULL) {
            state->copies[subtask] = 1;
        }
        s->is_for_many =
            s->is_for_many || state->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION;
        s->n_parts++;
    }
    return 0;
}

static int compare_subtasks(const void *a, const void *b)
{
    const Flinc__SubtaskSnapshot *x = *(const Flinc__SubtaskSnapshot *const *)a;
    const Flinc__SubtaskSnapshot *y = *(const Flinc__SubtaskSnapshot *const *)b;
    return (x->subtask > y->subtask) - (x->subtask < y->subtask);
}

static int add_subtasks(struct deal *d, Flinc__SubtaskSnapshot *const *subtasks, size_t n,
                        struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const Flinc__OperatorSubtaskState *state = subtasks[i]->state;
        if (i > 0 && subtasks[i]->subtask == subtasks[i - 1]->subtask) {
            return error_set(err, ERR_CORRUPT, "operator '%s': its subtask %u is there twice",
                             d->from->name, subtasks[i]->subtask);
        }
        for (size_t k = 0; state != NULL && k < state->n_keyed; k++) {
            vec_push_ptr(&d->keyed, state->keyed[k]);
        }
        for (size_t k = 0; state != NULL && k < state->n_operator_state; k++) {
            TRY(add_source(d, subtasks[i]->subtask, state->operator_state[k], err));
        }
    }
    return 0;
}

int deal_init(struct deal *d, struct arena *arena, const Flinc__OperatorSnapshot *from,
              uint32_t parallelism, uint32_t max_parallelism, struct error *err)
{
    *d = (struct deal){.arena = arena,
                       .from = from,
                       .parallelism = parallelism,
                       .max_parallelism = max_parallelism};
    vec_init(&d->keyed, sizeof(void *));
    vec_init(&d->sources, sizeof(struct deal_source));
    vec_init(&d->states, sizeof(struct deal_state));
    vec_init(&d->channels, sizeof(struct deal_channel));
    vec_init(&d->dealt, sizeof(void *));
    Flinc__SubtaskSnapshot **sorted =
        arena_alloc(arena, (from->n_subtasks + 1) * sizeof(Flinc__SubtaskSnapshot *));
    if (from->n_subtasks > 0) {
        memcpy(sorted, from->subtasks, from->n_subtasks * sizeof(Flinc__SubtaskSnapshot *));
        qsort(sorted, from->n_subtasks, sizeof(Flinc__SubtaskSnapshot *), compare_subtasks);
    }
    int rc = add_subtasks(d, sorted, from->n_subtasks, err);
    d->keyed_in_order = true;
    for (size_t i = 1; i < d->keyed.len; i++) {
        const Flinc__KeyedHandle *a = vec_ptr(&d->keyed, i - 1), *b = vec_ptr(&d->keyed, i);
        d->keyed_in_order = d->keyed_in_order && b->first_group > a->last_group;
    }
    uint32_t next = 0;
    for (size_t i = 0; i < d->states.len; i++) {
        struct deal_state *s = VEC_AT(&d->states, struct deal_state, i);
        s->first = next;
        next = (uint32_t)((next + s->total % parallelism) % parallelism);
    }
    if (rc < 0) {
        deal_fini(d);
    }
    return rc;
}

static bool has_unions(const struct deal_source *s, const struct deal *d)
{
    for (uint32_t i = 0; i < s->n_parts; i++) {
        if (VEC_AT(&d->states, struct deal_state, s->parts[i].state)->mode ==
            FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION) {
            return true;
        }
    }
    return false;
}

void deal_refer_to_unions(struct deal *d, uint64_t more_than_bytes)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < d->sources.len; i++) {
        const struct deal_source *s = VEC_AT(&d->sources, struct deal_source, i);
        if (has_unions(s, d)) {
            bytes += flinc__operator_state_handle__get_packed_size(s->handle);
        }
    }
    d->unions_in_metadata = bytes > more_than_bytes;
}

void deal_fini(struct deal *d)
{
    for (size_t i = 0; i < d->sources.len; i++) {
        mem_free(VEC_AT(&d->sources, struct deal_source, i)->parts);
    }
    vec_fini(&d->keyed);
    vec_fini(&d->sources);
    vec_fini(&d->states);
    vec_fini(&d->channels);
    vec_fini(&d->dealt);
}

/* ---- keyed state ------------------------------------------------------------------------------ */

static bool groups_meet(uint32_t first, uint32_t last, uint32_t from, uint32_t to)
{
    return first <= to && last >= from;
}

/* Whether what has the groups `first` to `last` is for who has the others. */
static bool groups_are_for(uint32_t first, uint32_t last, uint32_t from, uint32_t to)
{
    return groups_meet(first, last, from, to) &&
           ((first >= from && last <= to) || !PLANTED("snapshot.narrows_too_far"));
}

static bool has_all(const Flinc__KeyedHandle *h, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < h->n_segments; i++) {
        if (!groups_are_for(h->segments[i]->first_group, h->segments[i]->last_group, first, last)) {
            return false;
        }
    }
    for (size_t i = 0; i < h->n_files; i++) {
        if (!groups_are_for(h->files[i]->first_group, h->files[i]->last_group, first, last)) {
            return false;
        }
    }
    return true;
}

/* The handle without the segments and files that have none of the groups. */
static Flinc__KeyedHandle *narrow_handle(struct deal *d, Flinc__KeyedHandle *h, uint32_t first,
                                         uint32_t last)
{
    if (has_all(h, first, last)) {
        return h;
    }
    Flinc__KeyedHandle *narrow = arena_alloc(d->arena, sizeof(*narrow));
    *narrow = *h;
    narrow->segments = arena_alloc(d->arena, (h->n_segments + 1) * sizeof(Flinc__KeyedSegment *));
    narrow->files = arena_alloc(d->arena, (h->n_files + 1) * sizeof(Flinc__SharedFiles *));
    narrow->n_segments = narrow->n_files = 0;
    for (size_t i = 0; i < h->n_segments; i++) {
        if (groups_are_for(h->segments[i]->first_group, h->segments[i]->last_group, first, last)) {
            narrow->segments[narrow->n_segments++] = h->segments[i];
        }
    }
    for (size_t i = 0; i < h->n_files; i++) {
        if (groups_are_for(h->files[i]->first_group, h->files[i]->last_group, first, last)) {
            narrow->files[narrow->n_files++] = h->files[i];
        }
    }
    return narrow;
}

/* The first handle, by number, that ends at `group` or behind it. */
static size_t first_handle(const struct deal *d, uint32_t group)
{
    size_t low = 0, high = d->keyed.len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const Flinc__KeyedHandle *h = vec_ptr(&d->keyed, mid);
        if (h->last_group < group) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void deal_keyed(struct deal *d, uint32_t subtask, Flinc__OperatorSubtaskState *to)
{
    uint32_t first, last;
    if (d->keyed.len == 0) {
        return;
    }
    key_group_range(subtask, d->max_parallelism, d->parallelism, &first, &last);
    /* Those of a job's subtasks lie in the order of their groups. */
    size_t from = d->keyed_in_order ? first_handle(d, first) : 0;
    size_t to_handle = from, n = 0;
    for (; to_handle < d->keyed.len; to_handle++) {
        const Flinc__KeyedHandle *h = vec_ptr(&d->keyed, to_handle);
        if (d->keyed_in_order && h->first_group > last) {
            break;
        }
        if (n > 0 && PLANTED("snapshot.deals_one_handle")) {
            break;
        }
        n += groups_meet(h->first_group, h->last_group, first, last);
    }
    to->keyed = arena_alloc(d->arena, (n + 1) * sizeof(Flinc__KeyedHandle *));
    for (size_t i = from; i < to_handle; i++) {
        Flinc__KeyedHandle *h = vec_ptr(&d->keyed, i);
        if (groups_meet(h->first_group, h->last_group, first, last)) {
            to->keyed[to->n_keyed++] = narrow_handle(d, h, first, last);
        }
    }
}

/* ---- operator state --------------------------------------------------------------------------- */

/* The items of a list that a new subtask gets, by their numbers over all old subtasks. */
static void piece_of(const struct deal *d, const struct deal_state *s, uint32_t subtask,
                     uint64_t *ret_from, uint64_t *ret_to)
{
    uint64_t base = s->total / d->parallelism, more = s->total % d->parallelism;
    /* Subtasks first, first + 1, ... (around the end) get one more. */
    uint64_t end = s->first + more, all = d->parallelism;
    uint64_t wrapped = end > all ? end - all : 0;
    uint64_t before = MIN((uint64_t)subtask, wrapped);
    uint64_t stop = MIN(end, all);
    if (subtask > s->first) {
        before += MIN((uint64_t)subtask, stop) - s->first;
    }
    bool one_more = subtask < wrapped || (subtask >= s->first && subtask < end);
    *ret_from = subtask * base + before;
    *ret_to = *ret_from + base + one_more;
    if (*ret_to < s->total && PLANTED("snapshot.deals_twice")) {
        ++*ret_to;
    }
}

/* Items [*ret_from, *ret_to) of a part are for the subtask. */
static void items_for(const struct deal *d, const struct deal_source *source,
                      const struct deal_part *p, uint32_t subtask, uint64_t *ret_from,
                      uint64_t *ret_to)
{
    const struct deal_state *s = VEC_AT(&d->states, struct deal_state, p->state);
    bool same = d->parallelism == d->from->parallelism;
    uint64_t n = operator_part_items(p->part), from = 0, to = 0;
    switch (s->mode) {
    case FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION:
        to = PLANTED("snapshot.union_of_one") && source->subtask != subtask ? 0 : n;
        to = d->unions_in_metadata ? 0 : to;
        break;
    case FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST: {
        bool own = same && s->copies[subtask] != 0;
        const struct deal_source *first = VEC_AT(&d->sources, struct deal_source, s->first_source);
        to = (own ? source->subtask == subtask : source == first) ? n : 0;
        if (subtask >= d->from->parallelism && PLANTED("snapshot.broadcast_to_known")) {
            to = 0;
        }
        break;
    }
    default:
        if (same) {
            to = source->subtask == subtask ? n : 0;
            break;
        }
        piece_of(d, s, subtask, &from, &to);
        from = from > p->base ? MIN(from - p->base, n) : 0;
        to = to > p->base ? MIN(to - p->base, n) : 0;
        break;
    }
    *ret_from = from;
    *ret_to = to;
}

static Flinc__OperatorStateHandle *deal_source_to(struct deal *d, const struct deal_source *source,
                                                  uint32_t subtask)
{
    Flinc__OperatorStateHandle *h = NULL;
    for (uint32_t i = 0; i < source->n_parts; i++) {
        const struct deal_part *p = &source->parts[i];
        uint64_t from, to;
        items_for(d, source, p, subtask, &from, &to);
        if (from >= to) {
            continue;
        }
        if (h == NULL) {
            h = arena_alloc(d->arena, sizeof(*h));
            flinc__operator_state_handle__init(h);
            h->blob = source->handle->blob;
            h->parts = arena_alloc(d->arena, source->n_parts * sizeof(Flinc__OperatorStatePart *));
        }
        Flinc__OperatorStatePart *piece = arena_alloc(d->arena, sizeof(*piece));
        *piece = *p->part;
        operator_part_narrow(piece, from, to - from);
        h->parts[h->n_parts++] = piece;
    }
    return h;
}

Flinc__OperatorSubtaskState *deal_to(struct deal *d, uint32_t subtask)
{
    Flinc__OperatorSubtaskState *to = arena_alloc(d->arena, sizeof(*to));
    flinc__operator_subtask_state__init(to);
    to->operator_id = d->from->operator_id;
    deal_keyed(d, subtask, to);
    bool same = d->parallelism == d->from->parallelism;
    for (size_t i = 0; i < d->sources.len; i++) {
        const struct deal_source *source = VEC_AT(&d->sources, struct deal_source, i);
        if (same && source->subtask != subtask && !source->is_for_many) {
            continue;
        }
        Flinc__OperatorStateHandle *h = deal_source_to(d, source, subtask);
        if (h != NULL) {
            vec_push_ptr(&d->dealt, h);
        }
    }
    if (d->dealt.len > 0) {
        size_t size = d->dealt.len * sizeof(void *);
        to->operator_state = arena_alloc(d->arena, size);
        memcpy(to->operator_state, d->dealt.data, size);
        to->n_operator_state = d->dealt.len;
        vec_clear(&d->dealt);
    }
    deal_channels_to(d, subtask, to);
    to->union_in_metadata = d->unions_in_metadata;
    size_t n = to->n_keyed + to->n_operator_state + to->n_channels;
    return n > 0 || to->union_in_metadata ? to : NULL;
}
