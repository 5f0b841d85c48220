/* Timers in order of time (timer_queue.h).  Thread: one owner. */
#include "engine/state/timers/timer_queue.h"

#include "common/base/vec.h"
#include "engine/state/state_heap.h"

#include <stdio.h>

enum {
    LEVEL_BITS = 6,
    CHUNK_MARKS_MIN = 8,
    CHUNK_MARKS_MAX = 512,
    CHUNK_GROWTH = 4,
    RESERVE_KEPT_BYTES = 1024 * 1024, /* of the budget, beyond what is held: not given back yet, */
    RESERVE_KEPT_SHARE = 64,          /* but of a small one not more than one in so many */
};

/* Marks of a bucket, in the order in which they came. */
struct timer_chunk {
    struct timer_chunk *next;
    uint32_t n, cap;
    struct timer_mark marks[];
};

/* ---- memory -------------------------------------------------------------------------------------- */

static void *hold(struct timer_queue *q, size_t bytes)
{
    q->held_bytes += bytes;
    return mem_alloc(bytes);
}

static void *let_go(struct timer_queue *q, void *p, size_t bytes)
{
    q->held_bytes -= p != NULL ? bytes : 0;
    mem_free(p);
    return NULL;
}

static size_t chunk_bytes(uint32_t cap)
{
    return sizeof(struct timer_chunk) + cap * sizeof(struct timer_mark);
}

static uint64_t kept_reserve(const struct timer_queue *q)
{
    uint64_t limit = atomic_load_explicit(&q->budget->limit_bytes, memory_order_relaxed);
    return limit > 0 ? MIN((uint64_t)RESERVE_KEPT_BYTES, limit / RESERVE_KEPT_SHARE)
                     : RESERVE_KEPT_BYTES;
}

/* What was held without being reserved, and what is reserved without need. */
static void settle_budget(struct timer_queue *q)
{
    if (q->budget == NULL) {
        return;
    }
    if (q->held_bytes > q->taken_bytes) {
        mem_budget_force(q->budget, q->held_bytes - q->taken_bytes);
        q->taken_bytes = q->held_bytes;
    } else if (q->taken_bytes - q->held_bytes > kept_reserve(q)) {
        mem_budget_give(q->budget, q->taken_bytes - q->held_bytes);
        q->taken_bytes = q->held_bytes;
    }
}

int timer_queue_reserve(struct timer_queue *q, uint32_t n, int64_t least_ms, struct error *err)
{
    /* Each of them may begin a chunk. */
    uint64_t bytes = q->held_bytes + n * (uint64_t)chunk_bytes(CHUNK_MARKS_MIN);
    settle_budget(q);
    if (q->budget != NULL && bytes > q->taken_bytes) {
        uint64_t more = bytes - q->taken_bytes;
        if (mem_budget_take(q->budget, more) < 0) {
            char what[64];
            snprintf(what, sizeof(what), "the order of %llu timers", (unsigned long long)q->n);
            return state_over_budget(q->budget, more, what, err);
        }
        q->taken_bytes = bytes;
    }
    if (q->n == 0) {
        q->base_ms = least_ms > INT64_MIN ? least_ms - 1 : least_ms;
    }
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------- */

void timer_queue_init(struct timer_queue *q, struct mem_budget *budget)
{
    *q = (struct timer_queue){.budget = budget, .base_ms = INT64_MIN};
}

static void bucket_clear(struct timer_queue *q, struct timer_bucket *b)
{
    struct timer_chunk *next;
    for (struct timer_chunk *c = b->first; c != NULL; c = next) {
        next = c->next;
        let_go(q, c, chunk_bytes(c->cap));
    }
    *b = (struct timer_bucket){.first = NULL};
}

void timer_queue_clear(struct timer_queue *q)
{
    for (uint32_t l = 0; l < TIMER_LEVELS; l++) {
        for (uint32_t i = 0; i < TIMER_BUCKETS && q->levels[l] != NULL; i++) {
            bucket_clear(q, &q->levels[l]->buckets[i]);
        }
        q->levels[l] = let_go(q, q->levels[l], sizeof(struct timer_level));
    }
    q->front = let_go(q, q->front, TIMER_FRONT_MAX * sizeof(struct timer_mark));
    q->near = let_go(q, q->near, TIMER_NEAR_MAX * sizeof(struct timer_mark));
    q->sort = let_go(q, q->sort, sizeof(struct timer_sort));
    ASSERT(q->held_bytes == 0);
    if (q->budget != NULL) {
        mem_budget_give(q->budget, q->taken_bytes);
    }
    timer_queue_init(q, q->budget);
}

void timer_queue_fini(struct timer_queue *q)
{
    timer_queue_clear(q);
}

/* ---- the wheel ----------------------------------------------------------------------------------- */

/* Times in the order of unsigned numbers. */
static inline uint64_t ordered(int64_t time_ms)
{
    return (uint64_t)time_ms ^ UINT64_C(1) << 63;
}

static inline uint32_t level_of(uint64_t a, uint64_t b)
{
    return (63 - (uint32_t)__builtin_clzll((a ^ b) | 1)) / LEVEL_BITS;
}

static inline uint32_t digit_of(uint64_t time, uint32_t level)
{
    return (uint32_t)(time >> (level * LEVEL_BITS)) % TIMER_BUCKETS;
}

static __attribute__((noinline)) struct timer_chunk *bucket_grow(struct timer_queue *q,
                                                                 struct timer_bucket *b)
{
    uint32_t cap = CHUNK_MARKS_MIN;
    if (b->last != NULL) {
        cap = MIN(b->last->cap * CHUNK_GROWTH, (uint32_t)CHUNK_MARKS_MAX);
    }
    struct timer_chunk *c = hold(q, chunk_bytes(cap));
    *c = (struct timer_chunk){.cap = cap};
    if (b->last == NULL) {
        b->first = c;
    } else {
        b->last->next = c;
    }
    b->last = c;
    return c;
}

static struct timer_level *level_at(struct timer_queue *q, uint32_t level)
{
    if (UNLIKELY(q->levels[level] == NULL)) {
        q->levels[level] = hold(q, sizeof(struct timer_level));
        memset(q->levels[level], 0, sizeof(struct timer_level));
    }
    return q->levels[level];
}

static inline void wheel_put(struct timer_queue *q, struct timer_mark m)
{
    uint64_t time = ordered(m.time_ms);
    uint32_t level = level_of(time, ordered(q->base_ms)), digit = digit_of(time, level);
    struct timer_level *l = level_at(q, level);
    struct timer_bucket *b = &l->buckets[digit];
    struct timer_chunk *c = b->last;
    if (UNLIKELY(c == NULL || c->n == c->cap)) {
        c = bucket_grow(q, b);
    }
    c->marks[c->n++] = m;
    b->least_ms = b->n == 0 ? m.time_ms : MIN(b->least_ms, m.time_ms);
    b->n++;
    l->used |= UINT64_C(1) << digit;
    q->used_levels |= UINT32_C(1) << level;
}

/* A bucket leaves its place. */
static struct timer_bucket wheel_detach(struct timer_queue *q, uint32_t level, uint32_t digit)
{
    struct timer_level *l = q->levels[level];
    struct timer_bucket b = l->buckets[digit];
    l->buckets[digit] = (struct timer_bucket){.first = NULL};
    l->used &= ~(UINT64_C(1) << digit);
    if (l->used == 0) {
        q->used_levels &= ~(UINT32_C(1) << level);
    }
    return b;
}

/* The first bucket of the lowest level: no mark of the wheel is before its least. */
static inline bool wheel_first(const struct timer_queue *q, uint32_t *ret_level,
                               uint32_t *ret_digit)
{
    if (q->used_levels == 0) {
        return false;
    }
    *ret_level = (uint32_t)__builtin_ctz(q->used_levels);
    *ret_digit = (uint32_t)__builtin_ctzll(q->levels[*ret_level]->used);
    return true;
}

static int64_t wheel_head(const struct timer_queue *q)
{
    uint32_t level, digit;
    return wheel_first(q, &level, &digit) ? q->levels[level]->buckets[digit].least_ms : INT64_MAX;
}

/* Spreads the marks of a bucket over the levels below. */
static void wheel_spread(struct timer_queue *q, uint32_t level, uint32_t digit)
{
    struct timer_bucket b = wheel_detach(q, level, digit);
    struct timer_chunk *next;
    q->base_ms = b.least_ms;
    for (struct timer_chunk *c = b.first; c != NULL; c = next) {
        for (uint32_t i = 0; i < c->n; i++) {
            wheel_put(q, c->marks[i]);
        }
        next = c->next;
        let_go(q, c, chunk_bytes(c->cap));
    }
}

/* ---- near ---------------------------------------------------------------------------------------- */

static void near_push(struct timer_queue *q, struct timer_mark m)
{
    if (UNLIKELY(q->near == NULL)) {
        q->near = hold(q, TIMER_NEAR_MAX * sizeof(struct timer_mark));
    }
    uint32_t at = q->near_n++;
    for (; at > 0 && q->near[(at - 1) / 2].time_ms > m.time_ms; at = (at - 1) / 2) {
        q->near[at] = q->near[(at - 1) / 2];
    }
    q->near[at] = m;
}

static struct timer_mark near_pop(struct timer_queue *q)
{
    struct timer_mark first = q->near[0], last = q->near[--q->near_n];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < q->near_n; at = child) {
        child += child + 1 < q->near_n && q->near[child + 1].time_ms < q->near[child].time_ms;
        if (q->near[child].time_ms >= last.time_ms) {
            break;
        }
        q->near[at] = q->near[child];
    }
    q->near[at] = last;
    return first;
}

/* Moves the base back to where the first mark is, and everything into the wheel.  What is at levels below
 * that in which the old base and the new one differ agrees there and above with the old base: all of it
 * goes to one bucket, chunk lists as they are. */
static void go_back(struct timer_queue *q)
{
    int64_t head_ms = q->near[0].time_ms;
    if (q->front_n > q->front_at) {
        head_ms = MIN(head_ms, q->front[q->front_at].time_ms);
    }
    uint64_t old = ordered(q->base_ms);
    uint32_t level = level_of(old, ordered(head_ms));
    struct timer_bucket all = {.first = NULL};
    for (uint32_t l = 0; l < level; l++) {
        while ((q->used_levels >> l & 1) != 0) {
            uint32_t digit = (uint32_t)__builtin_ctzll(q->levels[l]->used);
            struct timer_bucket b = wheel_detach(q, l, digit);
            all.least_ms = all.n == 0 ? b.least_ms : MIN(all.least_ms, b.least_ms);
            all.n += b.n;
            if (all.last != NULL) {
                all.last->next = b.first;
            } else {
                all.first = b.first;
            }
            all.last = b.last;
        }
    }
    if (all.n > 0) {
        struct timer_level *l = level_at(q, level);
        struct timer_bucket *to = &l->buckets[digit_of(old, level)];
        ASSERT(to->n == 0 || level == 0);
        *to = all;
        l->used |= UINT64_C(1) << digit_of(old, level);
        q->used_levels |= UINT32_C(1) << level;
    }
    q->base_ms = head_ms;
    for (; q->front_at < q->front_n; q->front_at++) {
        wheel_put(q, q->front[q->front_at]);
    }
    for (uint32_t i = 0; i < q->near_n; i++) {
        wheel_put(q, q->near[i]);
    }
    q->near_n = 0;
}

/* ---- in ------------------------------------------------------------------------------------------ */

void timer_queue_add(struct timer_queue *q, int64_t time_ms, uint64_t hash)
{
    const struct timer_mark m = {time_ms, hash};
    q->n++;
    if (LIKELY(time_ms > q->base_ms)) {
        wheel_put(q, m);
        return;
    }
    if (q->near_n == TIMER_NEAR_MAX) {
        go_back(q);
        timer_queue_add(q, time_ms, hash);
        q->n--;
        return;
    }
    near_push(q, m);
}

/* ---- out ----------------------------------------------------------------------------------------- */

/* The first marks of the bucket, at most TIMER_FRONT_MAX, to the front. */
static void front_load(struct timer_queue *q, struct timer_bucket *b)
{
    if (q->front == NULL) {
        q->front = hold(q, TIMER_FRONT_MAX * sizeof(struct timer_mark));
    }
    q->front_at = q->front_n = 0;
    while (b->first != NULL && q->front_n + b->first->n <= TIMER_FRONT_MAX) {
        struct timer_chunk *c = b->first;
        memcpy(q->front + q->front_n, c->marks, c->n * sizeof(struct timer_mark));
        q->front_n += c->n;
        b->first = c->next;
        b->n -= c->n;
        let_go(q, c, chunk_bytes(c->cap));
    }
    b->last = b->first != NULL ? b->last : NULL;
}

static void front_sort(struct timer_queue *q)
{
    struct timer_mark sorted[TIMER_FRONT_MAX];
    int64_t times_ms[TIMER_FRONT_MAX];
    if (q->sort == NULL) {
        q->sort = hold(q, sizeof(struct timer_sort));
    }
    for (uint32_t i = 0; i < q->front_n; i++) {
        times_ms[i] = q->front[i].time_ms;
    }
    const uint16_t *order = timer_sort_rows(q->sort, times_ms, q->front_n);
    for (uint32_t i = 0; i < q->front_n; i++) {
        sorted[i] = q->front[order[i]];
    }
    memcpy(q->front, sorted, q->front_n * sizeof(struct timer_mark));
}

/* The next marks of the wheel become the front; false: none is due. */
static bool front_refill(struct timer_queue *q, int64_t limit_ms)
{
    uint32_t level, digit;
    while (wheel_first(q, &level, &digit)) {
        struct timer_bucket *b = &q->levels[level]->buckets[digit];
        if (b->least_ms > limit_ms) {
            return false;
        }
        if (level > 0 && b->n > TIMER_FRONT_MAX) {
            wheel_spread(q, level, digit);
            continue;
        }
        front_load(q, b);
        if (b->n == 0) {
            (void)wheel_detach(q, level, digit);
        }
        if (level > 0) {
            front_sort(q);
        }
        q->base_ms = q->front[q->front_n - 1].time_ms;
        return true;
    }
    return false;
}

int64_t timer_queue_head(const struct timer_queue *q)
{
    int64_t head_ms = q->near_n > 0 ? q->near[0].time_ms : INT64_MAX;
    if (q->front_at < q->front_n) {
        head_ms = MIN(head_ms, q->front[q->front_at].time_ms);
    }
    /* What is in front of the wheel is before all of it. */
    return head_ms < INT64_MAX ? head_ms : wheel_head(q);
}

uint32_t timer_queue_take(struct timer_queue *q, int64_t limit_ms, uint32_t max,
                          struct timer_mark *ret_marks)
{
    uint32_t n = 0;
    while (n < max) {
        if (q->front_at == q->front_n && q->near_n == 0 && !front_refill(q, limit_ms)) {
            break;
        }
        const struct timer_mark *front = q->front_at < q->front_n ? &q->front[q->front_at] : NULL;
        if (q->near_n > 0 && (front == NULL || q->near[0].time_ms < front->time_ms)) {
            if (q->near[0].time_ms > limit_ms) {
                break;
            }
            ret_marks[n++] = near_pop(q);
        } else if (front->time_ms <= limit_ms) {
            ret_marks[n++] = *front;
            q->front_at++;
        } else {
            break;
        }
    }
    q->n -= n;
    settle_budget(q);
    return n;
}

/* ---- the last ones ------------------------------------------------------------------------------- */

/* Appends up to `n` of the next marks of times up to `limit_ms`; false: there are no more of them. */
static bool append_next(struct timer_queue *q, int64_t limit_ms, uint64_t n, struct vec *marks)
{
    uint32_t max = (uint32_t)MIN(n, (uint64_t)TIMER_FRONT_MAX);
    vec_reserve(marks, MAX(marks->len + max, marks->cap));
    struct timer_mark *at = (struct timer_mark *)marks->data + marks->len;
    uint32_t taken = timer_queue_take(q, limit_ms, max, at);
    marks->len += taken;
    return taken > 0;
}

/* Of the marks from `from` on, all of one time, those of the first key groups stay, about `keep`; all of a key group or none.
 * Returns the group behind them. */
static uint32_t keep_groups(struct vec *marks, size_t from, uint64_t keep, uint32_t n_groups)
{
    struct timer_mark *m = marks->data;
    uint32_t *counts = MEM_NEW_ARRAY(uint32_t, n_groups), end = 0;
    memset(counts, 0, n_groups * sizeof(*counts));
    for (size_t i = from; i < marks->len; i++) {
        counts[(uint32_t)m[i].hash % n_groups]++;
    }
    for (uint64_t sum = 0; end < n_groups && (sum += counts[end]) <= keep;) {
        end++;
    }
    size_t n = from;
    for (size_t i = from; i < marks->len; i++) {
        m[n] = m[i];
        n += (uint32_t)m[i].hash % n_groups < end;
    }
    marks->len = n;
    mem_free(counts);
    return end;
}

void timer_queue_cut(struct timer_queue *q, uint64_t keep, uint32_t max_parallelism,
                     int64_t *ret_time_ms, uint32_t *ret_end_group)
{
    struct vec marks = VEC_INIT(struct timer_mark);
    ASSERT(keep < q->n);
    while (marks.len < keep && append_next(q, INT64_MAX, keep - marks.len, &marks)) {
    }
    const int64_t time_ms = timer_queue_head(q);
    size_t before = marks.len;
    while (before > 0 && VEC_AT(&marks, struct timer_mark, before - 1)->time_ms == time_ms) {
        before--;
    }
    uint32_t end_group = 0;
    if (before * 2 < keep) {
        /* Most of them are of this one time. */
        while (append_next(q, time_ms, TIMER_FRONT_MAX, &marks)) {
        }
        end_group = keep_groups(&marks, before, keep - before, max_parallelism);
    } else {
        marks.len = before;
    }
    timer_queue_clear(q);
    if (marks.len > 0) {
        /* Without it they are taken over the limit. */
        int rc = timer_queue_reserve(q, (uint32_t)marks.len,
                                     VEC_AT(&marks, struct timer_mark, 0)->time_ms, NULL);
        q->base_ms = rc < 0 ? INT64_MIN : q->base_ms;
    }
    for (size_t i = 0; i < marks.len; i++) {
        const struct timer_mark *m = VEC_AT(&marks, struct timer_mark, i);
        timer_queue_add(q, m->time_ms, m->hash);
    }
    vec_fini(&marks);
    *ret_time_ms = time_ms;
    *ret_end_group = end_group;
}
