/* The queue behind channel.h: two lanes of segments, the protocol of being queued, and wake-ups.
 *
 * Being queued.  lane.queued says that the channel is on its way to the consumer: in the ready queue,
 * or in the gate's own list.  The producer stores `pushed`, then looks at `queued`; the consumer, when
 * it finds nothing, clears `queued`, then looks at `pushed`.  Both are sequentially consistent, so at
 * least one sees the other, and who sets `queued` first takes care of the channel.  Waiting for space
 * is the same protocol with `producer_waiting` and `popped`.  (No fences: ThreadSanitizer does not
 * know them, and a locked store costs the same.)
 *
 * Threads: each field names its writer.  Fields of the two sides lie a cache line apart. */
#include "taskmanager/exchange/channel.h"

enum { CACHE_LINE = 64 };

/* Slots are filled in order; `next` is written before the first element of the next segment is
 * published. */
struct channel_segment {
    struct element slots[CHANNEL_SEGMENT_ELEMENTS];
    struct channel_segment *next;
};

struct lane {
    /* Producer. */
    struct channel_segment *tail; /* Owns with head: the chain from head to tail */
    uint64_t n_pushed;
    uint64_t seen_popped, seen_popped_bytes;
    _Atomic uint64_t pushed, pushed_bytes;
    struct channel_segment *first; /* published with the first element */
    char pad_producer[CACHE_LINE];
    /* Consumer. */
    struct channel_segment *head;
    uint64_t n_popped;
    uint64_t seen_pushed;
    _Atomic uint64_t popped, popped_bytes;
    char pad_consumer[CACHE_LINE];
    /* Both. */
    _Atomic bool queued;
    struct channel *next_ready;              /* belongs to who set `queued` */
    _Atomic(struct channel_segment *) spare; /* Owns: an empty segment on its way back */
    char pad_both[CACHE_LINE];
};

struct channel {
    struct lane lanes[CHANNEL_LANES];
    _Atomic uint32_t refs;
    _Atomic bool has_producer, has_consumer;
    _Atomic bool producer_closed, consumer_closed;
    _Atomic bool producer_waiting;
    uint32_t capacity_elements;       /* set when the producer attaches */
    uint64_t capacity_bytes;          /* likewise */
    struct mailbox *producer_mailbox; /* Owns a ref; likewise; NULL: drained is there */
    struct drain_queue *drained;      /* Owns a ref; likewise; may be NULL */
    uint32_t producer_tag;            /* likewise */
    bool drain_armed;                 /* producer: asked, and not taken from the queue since */
    struct channel *next_drained;     /* belongs to who cleared producer_waiting */
    _Atomic uint64_t drain_target_bytes;
    struct ready_queue *queue; /* Owns a ref; set when the consumer attaches */
    uint32_t index;            /* likewise */
    bool holds;                /* consumer: channel_hold() */
    uint64_t held_bytes;       /* consumer: polled since, and not counted as popped */
    _Atomic uint64_t window_bytes;
    _Atomic bool window_changed; /* and its producer, one with a drain queue, does not know it */
};

struct ready_queue {
    _Atomic uint32_t refs;
    struct mailbox *mailbox; /* Owns a ref */
    _Atomic(struct channel *) head[CHANNEL_LANES];
};

struct drain_queue {
    _Atomic uint32_t refs;
    struct mailbox *mailbox; /* Owns a ref */
    _Atomic(struct channel *) head;
};

static void lane_drain(struct lane *lane);

/* ---- life -------------------------------------------------------------------------------------- */

struct channel *channel_new(void)
{
    struct channel *c = MEM_NEW(struct channel);
    atomic_init(&c->refs, 1);
    atomic_init(&c->window_bytes, UINT64_MAX);
    for (size_t i = 0; i < CHANNEL_LANES; i++) {
        /* Nobody to be queued for yet; attaching polls once in any case. */
        atomic_init(&c->lanes[i].queued, true);
    }
    return c;
}

struct channel *channel_ref(struct channel *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

struct channel *channel_unref(struct channel *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    for (size_t i = 0; i < CHANNEL_LANES; i++) {
        struct lane *lane = &c->lanes[i];
        lane_drain(lane);
        struct channel_segment *s = lane->head != NULL ? lane->head : lane->first;
        while (s != NULL) {
            struct channel_segment *next = s->next;
            mem_free(s);
            s = next;
        }
        mem_free(atomic_load_explicit(&lane->spare, memory_order_relaxed));
    }
    mailbox_unref(c->producer_mailbox);
    drain_queue_unref(c->drained);
    ready_queue_unref(c->queue);
    mem_free(c);
    return NULL;
}

/* ---- the producer's side ------------------------------------------------------------------------ */

static void channel_set_producer(struct channel *c, const struct channel_options *options)
{
    ASSERT(!channel_has_producer(c));
    c->capacity_elements = options != NULL && options->capacity_elements > 0
                               ? options->capacity_elements
                               : CHANNEL_ELEMENTS_DEFAULT;
    c->capacity_bytes = options != NULL && options->capacity_bytes > 0 ? options->capacity_bytes
                                                                       : CHANNEL_BYTES_DEFAULT;
    atomic_store_explicit(&c->has_producer, true, memory_order_release);
}

void channel_attach_producer(struct channel *c, struct mailbox *mailbox,
                             const struct channel_options *options)
{
    c->producer_mailbox = mailbox_ref(mailbox);
    channel_set_producer(c, options);
}

void channel_attach_producer_queue(struct channel *c, struct drain_queue *queue, uint32_t tag,
                                   const struct channel_options *options)
{
    atomic_fetch_add_explicit(&queue->refs, 1, memory_order_relaxed);
    c->drained = queue;
    c->producer_tag = tag;
    channel_set_producer(c, options);
}

uint32_t channel_producer_tag(const struct channel *c)
{
    return c->producer_tag;
}

static void ready_queue_put(struct ready_queue *q, struct channel *c, enum channel_lane lane)
{
    struct channel *head = atomic_load_explicit(&q->head[lane], memory_order_relaxed);
    do {
        c->lanes[lane].next_ready = head;
    } while (!atomic_compare_exchange_weak(&q->head[lane], &head, c));
    mailbox_wake(q->mailbox);
}

/* A new last segment: the one that came back, else a fresh one. */
static COLD void lane_extend(struct lane *lane)
{
    struct channel_segment *s = atomic_exchange_explicit(&lane->spare, NULL, memory_order_acquire);
    if (s == NULL) {
        s = mem_alloc(sizeof(*s));
    }
    s->next = NULL;
    if (lane->tail == NULL) {
        lane->first = s;
    } else {
        lane->tail->next = s;
    }
    lane->tail = s;
}

static void lane_push(struct channel *c, enum channel_lane which, const struct element *e,
                      uint64_t bytes)
{
    struct lane *lane = &c->lanes[which];
    uint64_t n = lane->n_pushed;
    uint32_t slot = (uint32_t)(n % CHANNEL_SEGMENT_ELEMENTS);
    if (UNLIKELY(slot == 0)) {
        lane_extend(lane);
    }
    lane->tail->slots[slot] = *e;
    lane->n_pushed = n + 1;
    uint64_t total = atomic_load_explicit(&lane->pushed_bytes, memory_order_relaxed) + bytes;
    atomic_store_explicit(&lane->pushed_bytes, total, memory_order_relaxed);
    atomic_store(&lane->pushed, n + 1);
    if (!atomic_load(&lane->queued) && !atomic_exchange(&lane->queued, true)) {
        ready_queue_put(c->queue, c, which);
    }
}

void channel_push(struct channel *c, const struct element *take_element)
{
    if (UNLIKELY(atomic_load_explicit(&c->consumer_closed, memory_order_relaxed))) {
        struct element dropped = *take_element;
        element_drop(&dropped);
        return;
    }
    lane_push(c, CHANNEL_LANE_DATA, take_element, element_charge(take_element));
}

void channel_push_priority(struct channel *c, const struct element *take_element)
{
    struct element e = *take_element;
    e.position = c->lanes[CHANNEL_LANE_DATA].n_pushed;
    channel_push_priority_at(c, &e);
}

void channel_push_priority_at(struct channel *c, const struct element *take_element)
{
    struct element e = *take_element;
    ASSERT(element_is_control(&e));
    if (atomic_load_explicit(&c->consumer_closed, memory_order_relaxed)) {
        element_drop(&e);
        return;
    }
    e.flags &= (uint8_t)~ELEMENT_FLAG_CHARGED;
    e.flags |= e.kind == ELEMENT_BARRIER ? ELEMENT_FLAG_ANNOUNCEMENT : 0;
    lane_push(c, CHANNEL_LANE_PRIORITY, &e, 0);
}

static uint64_t channel_bytes_max(const struct channel *c)
{
    uint64_t window = atomic_load_explicit(&c->window_bytes, memory_order_relaxed);
    return MIN(window, c->capacity_bytes);
}

static bool channel_has_space(const struct channel *c)
{
    const struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    uint64_t bytes = atomic_load_explicit(&lane->pushed_bytes, memory_order_relaxed);
    return lane->n_pushed - lane->seen_popped < c->capacity_elements &&
           bytes - lane->seen_popped_bytes < channel_bytes_max(c);
}

uint64_t channel_pushed(const struct channel *c)
{
    return c->lanes[CHANNEL_LANE_DATA].n_pushed;
}

bool channel_is_writable(struct channel *c)
{
    if (LIKELY(channel_has_space(c))) {
        return true;
    }
    struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    lane->seen_popped = atomic_load(&lane->popped);
    lane->seen_popped_bytes = atomic_load_explicit(&lane->popped_bytes, memory_order_relaxed);
    return channel_has_space(c) || atomic_load(&c->consumer_closed);
}

bool channel_arm_writable(struct channel *c)
{
    if (channel_is_writable(c)) {
        return true;
    }
    atomic_store(&c->producer_waiting, true);
    if (channel_is_writable(c)) {
        atomic_store_explicit(&c->producer_waiting, false, memory_order_relaxed);
        return true;
    }
    return false;
}

void channel_close_producer(struct channel *c)
{
    atomic_store_explicit(&c->producer_closed, true, memory_order_release);
}

/* ---- the consumer's side ------------------------------------------------------------------------ */

void channel_attach_consumer(struct channel *c, struct ready_queue *queue, uint32_t index)
{
    ASSERT(!channel_has_consumer(c));
    c->queue = ready_queue_ref(queue);
    c->index = index;
    atomic_store_explicit(&c->has_consumer, true, memory_order_release);
}

uint32_t channel_index(const struct channel *c)
{
    return c->index;
}

/* Finds out whether there is something; when not, gives up being queued. */
static bool lane_refresh(struct lane *lane)
{
    lane->seen_pushed = atomic_load_explicit(&lane->pushed, memory_order_acquire);
    if (lane->seen_pushed != lane->n_popped) {
        return true;
    }
    atomic_store(&lane->queued, false);
    lane->seen_pushed = atomic_load(&lane->pushed);
    /* Pushed in between: whoever sets the flag takes care, the producer by the ready queue. */
    return lane->seen_pushed != lane->n_popped && !atomic_exchange(&lane->queued, true);
}

/* The first segment, or the next one; the one that is used up goes back. */
static COLD void lane_advance(struct lane *lane)
{
    struct channel_segment *done = lane->head;
    if (done == NULL) {
        lane->head = lane->first;
        return;
    }
    lane->head = done->next;
    mem_free(atomic_exchange_explicit(&lane->spare, done, memory_order_acq_rel));
}

static void lane_pop(struct lane *lane, struct element *ret_element)
{
    uint64_t n = lane->n_popped;
    uint32_t slot = (uint32_t)(n % CHANNEL_SEGMENT_ELEMENTS);
    if (UNLIKELY(slot == 0)) {
        lane_advance(lane);
    }
    *ret_element = lane->head->slots[slot];
    lane->n_popped = n + 1;
}

static void lane_count_popped(struct lane *lane, const struct element *e)
{
    uint64_t charge = element_charge(e);
    if (charge > 0) {
        uint64_t total = atomic_load_explicit(&lane->popped_bytes, memory_order_relaxed) + charge;
        atomic_store_explicit(&lane->popped_bytes, total, memory_order_relaxed);
    }
}

static void drain_queue_put(struct drain_queue *q, struct channel *c)
{
    struct channel *head = atomic_load_explicit(&q->head, memory_order_relaxed);
    do {
        c->next_drained = head;
    } while (!atomic_compare_exchange_weak(&q->head, &head, c));
    mailbox_wake(q->mailbox);
}

/* What a producer with a drain queue asked for.  `popped` is read first, because the bytes are published
 * with it. */
static bool channel_has_drained(const struct channel *c)
{
    return channel_popped_bytes(c) >= atomic_load(&c->drain_target_bytes) ||
           atomic_load(&c->consumer_closed) || atomic_load(&c->window_changed);
}

static COLD void channel_wake_producer(struct channel *c)
{
    if (c->drained != NULL) {
        if (channel_has_drained(c) && atomic_exchange(&c->producer_waiting, false)) {
            drain_queue_put(c->drained, c);
        }
        return;
    }
    struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    uint64_t waiting = atomic_load(&lane->pushed) - lane->n_popped;
    uint64_t bytes = atomic_load_explicit(&lane->pushed_bytes, memory_order_relaxed) -
                     atomic_load_explicit(&lane->popped_bytes, memory_order_relaxed);
    /* Half empty, so that a wake-up is worth several batches; an empty channel always is. */
    if ((waiting > c->capacity_elements / 2 || bytes > channel_bytes_max(c) / 2) &&
        !atomic_load(&c->consumer_closed)) {
        return;
    }
    if (atomic_exchange(&c->producer_waiting, false)) {
        mailbox_wake(c->producer_mailbox);
    }
}

bool channel_poll(struct channel *c, enum channel_lane which, struct element *ret_element)
{
    struct lane *lane = &c->lanes[which];
    if (lane->n_popped == lane->seen_pushed && !lane_refresh(lane)) {
        return false;
    }
    lane_pop(lane, ret_element);
    if (UNLIKELY(c->holds) && which == CHANNEL_LANE_DATA) {
        c->held_bytes += element_charge(ret_element);
        return true;
    }
    lane_count_popped(lane, ret_element);
    atomic_store(&lane->popped, lane->n_popped);
    if (UNLIKELY(atomic_load(&c->producer_waiting))) {
        channel_wake_producer(c);
    }
    return true;
}

/* A larger window may be what the producer waits for. */
void channel_set_window(struct channel *c, uint64_t bytes)
{
    atomic_store(&c->window_bytes, bytes);
    atomic_store(&c->window_changed, true);
    if (atomic_load(&c->producer_waiting)) {
        channel_wake_producer(c);
    }
}

void channel_hold(struct channel *c)
{
    c->holds = true;
}

static void channel_count_held(struct channel *c)
{
    struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    uint64_t total = atomic_load_explicit(&lane->popped_bytes, memory_order_relaxed);
    atomic_store_explicit(&lane->popped_bytes, total + c->held_bytes, memory_order_relaxed);
    atomic_store(&lane->popped, lane->n_popped);
    c->held_bytes = 0;
    c->holds = false;
}

void channel_release(struct channel *c)
{
    if (!c->holds) {
        return;
    }
    channel_count_held(c);
    if (atomic_load(&c->producer_waiting)) {
        channel_wake_producer(c);
    }
}

uint64_t channel_position(const struct channel *c)
{
    return c->lanes[CHANNEL_LANE_DATA].n_popped;
}

uint64_t channel_peek(struct channel *c, uint64_t from, channel_visit_fn visit, void *arg)
{
    struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    uint64_t pushed = atomic_load_explicit(&lane->pushed, memory_order_acquire);
    uint64_t n = lane->n_popped;
    const struct channel_segment *s = lane->head;
    from = MAX(from, n);
    if (n == pushed) {
        return from;
    }
    /* The segment of a lane that was polled to the end of one is the next. */
    if (n % CHANNEL_SEGMENT_ELEMENTS == 0) {
        s = s == NULL ? lane->first : s->next;
    }
    while (n < pushed) {
        const struct element *e = &s->slots[n % CHANNEL_SEGMENT_ELEMENTS];
        n++;
        if (n > from && !visit(arg, e)) {
            return n;
        }
        if (n % CHANNEL_SEGMENT_ELEMENTS == 0 && n < pushed) {
            s = s->next;
        }
    }
    return MAX(from, n);
}

bool channel_has(const struct channel *c, enum channel_lane which)
{
    const struct lane *lane = &c->lanes[which];
    return atomic_load_explicit(&lane->pushed, memory_order_acquire) != lane->n_popped;
}

/* The consumer, or the last holder. */
static void lane_drain(struct lane *lane)
{
    lane->seen_pushed = atomic_load_explicit(&lane->pushed, memory_order_acquire);
    while (lane->n_popped != lane->seen_pushed) {
        struct element e;
        lane_pop(lane, &e);
        lane_count_popped(lane, &e);
        element_drop(&e);
    }
    atomic_store(&lane->popped, lane->n_popped);
}

void channel_close_consumer(struct channel *c)
{
    atomic_store(&c->consumer_closed, true);
    channel_count_held(c);
    for (size_t i = 0; i < CHANNEL_LANES; i++) {
        lane_drain(&c->lanes[i]);
    }
    if (atomic_load(&c->producer_waiting)) {
        channel_wake_producer(c);
    }
}

/* ---- ready queue -------------------------------------------------------------------------------- */

struct ready_queue *ready_queue_new(struct mailbox *mailbox)
{
    struct ready_queue *q = MEM_NEW(struct ready_queue);
    atomic_init(&q->refs, 1);
    q->mailbox = mailbox_ref(mailbox);
    return q;
}

struct ready_queue *ready_queue_ref(struct ready_queue *q)
{
    atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
    return q;
}

struct ready_queue *ready_queue_unref(struct ready_queue *q)
{
    if (q != NULL && atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) == 1) {
        mailbox_unref(q->mailbox);
        mem_free(q);
    }
    return NULL;
}

bool ready_queue_has(const struct ready_queue *q, enum channel_lane lane)
{
    return atomic_load(&q->head[lane]) != NULL;
}

struct channel *ready_queue_take(struct ready_queue *q, enum channel_lane lane)
{
    return atomic_exchange(&q->head[lane], NULL);
}

struct channel *channel_next_ready(const struct channel *c, enum channel_lane lane)
{
    return c->lanes[lane].next_ready;
}

/* ---- drain queue -------------------------------------------------------------------------------- */

struct drain_queue *drain_queue_new(struct mailbox *mailbox)
{
    struct drain_queue *q = MEM_NEW(struct drain_queue);
    atomic_init(&q->refs, 1);
    q->mailbox = mailbox_ref(mailbox);
    return q;
}

struct drain_queue *drain_queue_unref(struct drain_queue *q)
{
    if (q != NULL && atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) == 1) {
        mailbox_unref(q->mailbox);
        mem_free(q);
    }
    return NULL;
}

struct channel *drain_queue_take(struct drain_queue *q)
{
    return atomic_load_explicit(&q->head, memory_order_relaxed) != NULL
               ? atomic_exchange(&q->head, NULL)
               : NULL;
}

struct channel *channel_next_drained(struct channel *c)
{
    c->drain_armed = false;
    return c->next_drained;
}

bool channel_arm_drained(struct channel *c, uint64_t popped_bytes)
{
    atomic_store(&c->drain_target_bytes, popped_bytes);
    if (!c->drain_armed) {
        c->drain_armed = true;
        atomic_store(&c->producer_waiting, true);
    }
    if (channel_has_drained(c) && atomic_exchange(&c->producer_waiting, false)) {
        c->drain_armed = false;
        return true;
    }
    return false;
}

bool channel_take_window_change(struct channel *c)
{
    return atomic_load(&c->window_changed) && atomic_exchange(&c->window_changed, false);
}

bool channel_disarm_drained(struct channel *c)
{
    if (c->drain_armed && atomic_exchange(&c->producer_waiting, false)) {
        c->drain_armed = false;
    }
    return !c->drain_armed;
}

uint64_t channel_popped_bytes(const struct channel *c)
{
    const struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    (void)atomic_load(&lane->popped); /* with which the bytes are published */
    return atomic_load_explicit(&lane->popped_bytes, memory_order_relaxed);
}

/* ---- facts -------------------------------------------------------------------------------------- */

uint32_t channel_len(const struct channel *c)
{
    uint64_t len = 0;
    for (size_t i = 0; i < CHANNEL_LANES; i++) {
        /* What was popped first: then the difference is never negative. */
        uint64_t popped = atomic_load_explicit(&c->lanes[i].popped, memory_order_acquire);
        len += atomic_load_explicit(&c->lanes[i].pushed, memory_order_acquire) - popped;
    }
    return (uint32_t)len;
}

uint64_t channel_bytes(const struct channel *c)
{
    const struct lane *lane = &c->lanes[CHANNEL_LANE_DATA];
    uint64_t popped = atomic_load_explicit(&lane->popped_bytes, memory_order_relaxed);
    uint64_t pushed = atomic_load_explicit(&lane->pushed_bytes, memory_order_relaxed);
    return pushed > popped ? pushed - popped : 0; /* a third thread may see them out of order */
}

uint64_t channel_window(const struct channel *c)
{
    return atomic_load_explicit(&c->window_bytes, memory_order_relaxed);
}

bool channel_is_unique(const struct channel *c)
{
    return atomic_load_explicit(&c->refs, memory_order_acquire) == 1;
}

bool channel_has_producer(const struct channel *c)
{
    return atomic_load_explicit(&c->has_producer, memory_order_acquire);
}

bool channel_has_consumer(const struct channel *c)
{
    return atomic_load_explicit(&c->has_consumer, memory_order_acquire);
}

bool channel_is_producer_closed(const struct channel *c)
{
    return atomic_load_explicit(&c->producer_closed, memory_order_acquire);
}

bool channel_is_consumer_closed(const struct channel *c)
{
    return atomic_load_explicit(&c->consumer_closed, memory_order_acquire);
}
