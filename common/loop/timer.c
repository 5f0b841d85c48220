/* Timers: a binary heap of slot numbers ordered by deadline, then by the order of adding.
 *
 * A run first takes everything that is due out of the heap and then calls back in that order, so that
 * callbacks may add and cancel freely: what they add waits for the next run, and what they cancel is
 * skipped although it was due.  Handles are slot number and generation, so that a handle of the past
 * names nothing.  Thread: one owner. */
#include "common/loop/timer.h"

#include "common/base/mem.h"

enum { TIMER_CAP_FIRST = 16 };

enum timer_slot_state {
    TIMER_SLOT_FREE,
    TIMER_SLOT_WAITING, /* in the heap */
    TIMER_SLOT_DUE,     /* taken by the present run, its callback not called yet */
};

struct timer_slot {
    int64_t deadline_ns;
    uint64_t sequence;
    void (*fn)(void *arg);
    void *arg;
    void (*drop)(void *arg);
    uint32_t generation;
    uint32_t link; /* waiting: place in the heap; due and free: the next slot, plus 1 */
    enum timer_slot_state state;
};

void timers_init(struct timers *t, const struct clock *clock)
{
    *t = (struct timers){.clock = clock};
}

void timers_fini(struct timers *t)
{
    timers_clear(t);
    mem_free(t->slots);
    mem_free(t->heap);
    *t = (struct timers){.clock = t->clock};
}

/* ---- heap ------------------------------------------------------------------------------------- */

static bool slot_before(const struct timers *t, uint32_t a, uint32_t b)
{
    const struct timer_slot *x = &t->slots[a], *y = &t->slots[b];
    return x->deadline_ns != y->deadline_ns ? x->deadline_ns < y->deadline_ns
                                            : x->sequence < y->sequence;
}

static void heap_place(struct timers *t, uint32_t place, uint32_t slot)
{
    t->heap[place] = slot;
    t->slots[slot].link = place;
}

static void heap_up(struct timers *t, uint32_t place)
{
    uint32_t slot = t->heap[place];
    while (place > 0) {
        uint32_t parent = (place - 1) / 2;
        if (!slot_before(t, slot, t->heap[parent])) {
            break;
        }
        heap_place(t, place, t->heap[parent]);
        place = parent;
    }
    heap_place(t, place, slot);
}

static void heap_down(struct timers *t, uint32_t place)
{
    uint32_t slot = t->heap[place];
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= t->n) {
            break;
        }
        if (child + 1 < t->n && slot_before(t, t->heap[child + 1], t->heap[child])) {
            child++;
        }
        if (!slot_before(t, t->heap[child], slot)) {
            break;
        }
        heap_place(t, place, t->heap[child]);
        place = child;
    }
    heap_place(t, place, slot);
}

static void heap_remove(struct timers *t, uint32_t place)
{
    t->n--;
    if (place == t->n) {
        return;
    }
    heap_place(t, place, t->heap[t->n]);
    heap_up(t, place);
    heap_down(t, t->slots[t->heap[place]].link);
}

/* ---- slots ------------------------------------------------------------------------------------ */

static uint32_t slot_take(struct timers *t)
{
    if (t->free_slot != 0) {
        uint32_t slot = t->free_slot - 1;
        t->free_slot = t->slots[slot].link;
        return slot;
    }
    if (t->n_slots == t->cap) {
        t->cap = t->cap == 0 ? TIMER_CAP_FIRST : t->cap * 2;
        t->slots = mem_realloc(t->slots, t->cap * sizeof(t->slots[0]));
        t->heap = mem_realloc(t->heap, t->cap * sizeof(t->heap[0]));
    }
    uint32_t slot = t->n_slots++;
    t->slots[slot] = (struct timer_slot){.generation = 1};
    return slot;
}

static void slot_free(struct timers *t, uint32_t slot)
{
    struct timer_slot *s = &t->slots[slot];
    s->state = TIMER_SLOT_FREE;
    s->generation++;
    s->link = t->free_slot;
    t->free_slot = slot + 1;
}

static uint64_t slot_handle(const struct timers *t, uint32_t slot)
{
    return (uint64_t)t->slots[slot].generation << 32 | (slot + 1);
}

/* ---- adding and cancelling -------------------------------------------------------------------- */

uint64_t timers_add_owned(struct timers *t, int64_t deadline_ns, void (*fn)(void *arg), void *arg,
                          void (*drop)(void *arg))
{
    uint32_t slot = slot_take(t);
    struct timer_slot *s = &t->slots[slot];
    s->deadline_ns = deadline_ns;
    s->sequence = t->sequence++;
    s->fn = fn;
    s->arg = arg;
    s->drop = drop;
    s->state = TIMER_SLOT_WAITING;
    heap_place(t, t->n, slot);
    t->n++;
    heap_up(t, t->n - 1);
    return slot_handle(t, slot);
}

uint64_t timers_add(struct timers *t, int64_t deadline_ns, void (*fn)(void *arg), void *arg)
{
    return timers_add_owned(t, deadline_ns, fn, arg, NULL);
}

uint64_t timers_add_after_ms(struct timers *t, int64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    int64_t deadline, delay_ns;
    if (__builtin_mul_overflow(delay_ms > 0 ? delay_ms : 0, INT64_C(1000000), &delay_ns) ||
        __builtin_add_overflow(clock_monotonic_ns(t->clock), delay_ns, &deadline)) {
        deadline = TIMER_NEVER_NS - 1; /* "for ever" as a user writes it */
    }
    return timers_add(t, deadline, fn, arg);
}

bool timers_cancel(struct timers *t, uint64_t handle)
{
    uint32_t number = (uint32_t)handle;
    if (number == 0 || number > t->n_slots) {
        return false;
    }
    uint32_t slot = number - 1;
    struct timer_slot *s = &t->slots[slot];
    if (s->generation != (uint32_t)(handle >> 32) || s->state == TIMER_SLOT_FREE || s->fn == NULL) {
        return false;
    }
    void (*drop)(void *arg) = s->drop;
    void *arg = s->arg;
    if (s->state == TIMER_SLOT_WAITING) {
        heap_remove(t, s->link);
        slot_free(t, slot);
    } else {
        s->fn = NULL; /* the run that took it frees it when its turn comes */
    }
    if (drop != NULL) {
        drop(arg);
    }
    return true;
}

void timers_clear(struct timers *t)
{
    for (uint32_t slot = 0; slot < t->n_slots; slot++) {
        if (t->slots[slot].state != TIMER_SLOT_FREE) {
            timers_cancel(t, slot_handle(t, slot));
        }
    }
}

/* ---- running ---------------------------------------------------------------------------------- */

int64_t timers_next_deadline_ns(const struct timers *t)
{
    if (t->due_first != 0) {
        return t->slots[t->due_first - 1].deadline_ns;
    }
    return t->n > 0 ? t->slots[t->heap[0]].deadline_ns : TIMER_NEVER_NS;
}

int64_t timers_wait_ns(const struct timers *t)
{
    int64_t deadline_ns = timers_next_deadline_ns(t);
    if (deadline_ns == TIMER_NEVER_NS) {
        return -1;
    }
    int64_t now_ns = clock_monotonic_ns(t->clock);
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

/* Moves what is due from the heap to the due list, in order. */
static void timers_take_due(struct timers *t)
{
    int64_t now_ns = clock_monotonic_ns(t->clock);
    uint32_t last = 0;
    while (t->n > 0 && t->slots[t->heap[0]].deadline_ns <= now_ns) {
        uint32_t slot = t->heap[0];
        heap_remove(t, 0);
        t->slots[slot].state = TIMER_SLOT_DUE;
        t->slots[slot].link = 0;
        if (last == 0) {
            t->due_first = slot + 1;
        } else {
            t->slots[last - 1].link = slot + 1;
        }
        last = slot + 1;
        t->n_due++;
    }
}

size_t timers_run_due(struct timers *t)
{
    if (t->due_first != 0) {
        return 0; /* called by a callback: the run around it goes on with them */
    }
    timers_take_due(t);
    size_t ran = 0;
    while (t->due_first != 0) {
        uint32_t slot = t->due_first - 1;
        struct timer_slot s = t->slots[slot];
        t->due_first = s.link;
        t->n_due--;
        slot_free(t,
                  slot); /* first: the callback may add timers, and cancelling this one is late */
        if (s.fn != NULL) {
            s.fn(s.arg);
            ran++;
        }
    }
    return ran;
}
