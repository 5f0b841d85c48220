/* The mailbox: one lock-free stack of nodes per lane that producers push to and the owner takes as a
 * whole and turns round, so that each operation costs the owner no shared write but its free node.
 *
 * Thread: producers any; the owner polls and closes.  Nodes live in chunks that the mailbox owns and
 * are recycled through a tagged free list (the tag makes a pop safe against reuse in between); when a
 * burst is larger than the pool, extra nodes come from the heap.  Flink: TaskMailboxImpl. */
#include "common/loop/mailbox.h"

#include "common/base/mem.h"

enum {
    NODE_CHUNK = 64,
    NODE_CHUNKS = 16, /* 1024 pooled nodes; a longer queue uses the heap */
    NODE_POOL = NODE_CHUNK * NODE_CHUNKS,
};

struct mailbox_node {
    struct mailbox_node *next;  /* in its lane */
    _Atomic uint32_t next_free; /* number of the next free node, 0: none */
    uint32_t number;            /* in the pool, from 1; 0: on the heap */
    struct mailbox_op op;
};

struct mailbox_lane_queue {
    struct mailbox_node *_Atomic pushed; /* newest first, or &lane_closed */
    struct mailbox_node *ready;          /* oldest first; the owner's */
};

struct mailbox {
    _Atomic uint32_t refs;
    uint32_t limit;
    char *name; /* Owns */
    struct event_count *event;
    struct event_count own_event;
    void (*on_post)(void *arg);
    void *on_post_arg;
    _Atomic bool closed;
    _Atomic uint32_t len;
    _Atomic uint64_t n_refused;
    _Atomic uint64_t free_head; /* tag << 32 | number of the first free node */
    _Atomic uint32_t n_fresh;   /* pool nodes that were ever used */
    struct mailbox_node *_Atomic chunks[NODE_CHUNKS]; /* Owns */
    struct mailbox_lane_queue lanes[MAILBOX_LANES];
};

/* What the lanes of a closed mailbox hold, so that a push and the close cannot miss each other. */
static struct mailbox_node lane_closed;

static const char *const lane_names[] = {
    [MAILBOX_LANE_CONTROL] = "control",
    [MAILBOX_LANE_DATA] = "data",
};
_Static_assert(ARRAY_LEN(lane_names) == MAILBOX_LANES, "one name per lane");

const char *mailbox_lane_name(enum mailbox_lane lane)
{
    return (unsigned)lane < MAILBOX_LANES ? lane_names[lane] : "unknown";
}

struct mailbox *mailbox_new(const struct mailbox_options *options)
{
    struct mailbox *m = MEM_NEW(struct mailbox);
    atomic_init(&m->refs, 1);
    m->name = mem_strdup(options->name != NULL ? options->name : "mailbox");
    m->limit = options->limit != 0 ? options->limit : MAILBOX_LIMIT_DEFAULT;
    m->event = options->event != NULL ? options->event : &m->own_event;
    m->on_post = options->on_post;
    m->on_post_arg = options->on_post_arg;
    return m;
}

struct mailbox *mailbox_ref(struct mailbox *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

struct mailbox *mailbox_unref(struct mailbox *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    mailbox_close(m);
    for (size_t i = 0; i < NODE_CHUNKS; i++) {
        mem_free(atomic_load_explicit(&m->chunks[i], memory_order_relaxed));
    }
    mem_free(m->name);
    mem_free(m);
    return NULL;
}

/* ---- nodes ------------------------------------------------------------------------------------ */

static struct mailbox_node *pool_node(struct mailbox *m, uint32_t number)
{
    uint32_t i = number - 1;
    return atomic_load_explicit(&m->chunks[i / NODE_CHUNK], memory_order_acquire) + i % NODE_CHUNK;
}

/* A pool node that was never used; NULL when all were. */
static struct mailbox_node *node_fresh(struct mailbox *m)
{
    if (atomic_load_explicit(&m->n_fresh, memory_order_relaxed) >= NODE_POOL) {
        return NULL;
    }
    uint32_t i = atomic_fetch_add_explicit(&m->n_fresh, 1, memory_order_relaxed);
    if (i >= NODE_POOL) {
        return NULL;
    }
    struct mailbox_node *_Atomic *chunk = &m->chunks[i / NODE_CHUNK];
    struct mailbox_node *nodes = atomic_load_explicit(chunk, memory_order_acquire);
    if (nodes == NULL) {
        struct mailbox_node *made = MEM_NEW_ARRAY(struct mailbox_node, NODE_CHUNK);
        if (atomic_compare_exchange_strong_explicit(chunk, &nodes, made, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            nodes = made;
        } else {
            mem_free(made);
        }
    }
    struct mailbox_node *n = nodes + i % NODE_CHUNK;
    n->number = i + 1;
    return n;
}

static struct mailbox_node *node_take(struct mailbox *m)
{
    uint64_t head = atomic_load_explicit(&m->free_head, memory_order_acquire);
    while ((uint32_t)head != 0) {
        struct mailbox_node *n = pool_node(m, (uint32_t)head);
        uint64_t next = atomic_load_explicit(&n->next_free, memory_order_relaxed);
        next |= ((head >> 32) + 1) << 32;
        if (atomic_compare_exchange_weak_explicit(&m->free_head, &head, next, memory_order_acquire,
                                                  memory_order_acquire)) {
            return n;
        }
    }
    struct mailbox_node *n = node_fresh(m);
    return n != NULL ? n : MEM_NEW(struct mailbox_node);
}

static void node_give(struct mailbox *m, struct mailbox_node *n)
{
    if (n->number == 0) {
        mem_free(n);
        return;
    }
    uint64_t head = atomic_load_explicit(&m->free_head, memory_order_relaxed);
    uint64_t mine;
    do {
        atomic_store_explicit(&n->next_free, (uint32_t)head, memory_order_relaxed);
        mine = (head >> 32) << 32 | n->number;
    } while (!atomic_compare_exchange_weak_explicit(&m->free_head, &head, mine,
                                                    memory_order_release, memory_order_relaxed));
}

/* ---- producers -------------------------------------------------------------------------------- */

void mailbox_wake(struct mailbox *m)
{
    if (m->on_post != NULL) {
        m->on_post(m->on_post_arg);
    } else {
        event_count_signal(m->event);
    }
}

static int lane_push(struct mailbox *m, enum mailbox_lane lane, const struct mailbox_op *op)
{
    struct mailbox_node *n = node_take(m);
    n->op = *op;
    struct mailbox_node *_Atomic *pushed = &m->lanes[lane].pushed;
    struct mailbox_node *head = atomic_load_explicit(pushed, memory_order_relaxed);
    do {
        if (UNLIKELY(head == &lane_closed)) {
            node_give(m, n);
            atomic_fetch_sub_explicit(&m->len, 1, memory_order_relaxed);
            return ERR_CLOSED;
        }
        n->next = head;
    } while (!atomic_compare_exchange_weak_explicit(pushed, &head, n, memory_order_release,
                                                    memory_order_relaxed));
    mailbox_wake(m);
    return 0;
}

int mailbox_post(struct mailbox *m, enum mailbox_lane lane, const struct mailbox_op *op)
{
    ASSERT((unsigned)lane < MAILBOX_LANES && op->run != NULL);
    if (UNLIKELY(atomic_fetch_add_explicit(&m->len, 1, memory_order_relaxed) >= m->limit)) {
        atomic_fetch_sub_explicit(&m->len, 1, memory_order_relaxed);
        if (mailbox_is_closed(m)) {
            return ERR_CLOSED;
        }
        atomic_fetch_add_explicit(&m->n_refused, 1, memory_order_relaxed);
        return ERR_LIMIT;
    }
    return lane_push(m, lane, op);
}

int mailbox_post_internal(struct mailbox *m, enum mailbox_lane lane, const struct mailbox_op *op)
{
    ASSERT((unsigned)lane < MAILBOX_LANES && op->run != NULL);
    atomic_fetch_add_explicit(&m->len, 1, memory_order_relaxed);
    return lane_push(m, lane, op);
}

/* ---- the owner -------------------------------------------------------------------------------- */

/* Appends the reversed stack `head` behind the ready nodes (of which there are none while polling). */
static void lane_make_ready(struct mailbox_lane_queue *lane, struct mailbox_node *head)
{
    struct mailbox_node *oldest = NULL;
    while (head != NULL) {
        struct mailbox_node *next = head->next;
        head->next = oldest;
        oldest = head;
        head = next;
    }
    struct mailbox_node **end = &lane->ready;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = oldest;
}

static bool lane_poll(struct mailbox *m, struct mailbox_lane_queue *lane, struct mailbox_op *ret_op)
{
    if (lane->ready == NULL) {
        struct mailbox_node *head = atomic_load_explicit(&lane->pushed, memory_order_relaxed);
        if (head == NULL || head == &lane_closed) {
            return false;
        }
        /* Only the owner takes or closes, so what is swapped out is a list. */
        lane_make_ready(lane, atomic_exchange_explicit(&lane->pushed, NULL, memory_order_acquire));
    }
    struct mailbox_node *n = lane->ready;
    lane->ready = n->next;
    *ret_op = n->op;
    node_give(m, n);
    atomic_fetch_sub_explicit(&m->len, 1, memory_order_relaxed);
    return true;
}

bool mailbox_poll(struct mailbox *m, struct mailbox_op *ret_op)
{
    for (int lane = 0; lane < MAILBOX_LANES; lane++) {
        if (lane_poll(m, &m->lanes[lane], ret_op)) {
            return true;
        }
    }
    return false;
}

bool mailbox_poll_control(struct mailbox *m, struct mailbox_op *ret_op)
{
    return lane_poll(m, &m->lanes[MAILBOX_LANE_CONTROL], ret_op);
}

size_t mailbox_run(struct mailbox *m, size_t max)
{
    size_t ran = 0;
    struct mailbox_op op;
    while (ran < max && mailbox_poll(m, &op)) {
        mailbox_op_run(&op);
        ran++;
    }
    return ran;
}

void mailbox_close(struct mailbox *m)
{
    atomic_store_explicit(&m->closed, true, memory_order_release);
    for (int i = 0; i < MAILBOX_LANES; i++) {
        struct mailbox_lane_queue *lane = &m->lanes[i];
        struct mailbox_node *head =
            atomic_exchange_explicit(&lane->pushed, &lane_closed, memory_order_acquire);
        if (head != &lane_closed) {
            lane_make_ready(lane, head);
        }
        struct mailbox_op op;
        while (lane_poll(m, lane, &op)) {
            mailbox_op_drop(&op);
        }
    }
}

static bool lane_has_ops(const struct mailbox_lane_queue *lane)
{
    if (lane->ready != NULL) {
        return true;
    }
    struct mailbox_node *head = atomic_load_explicit(&lane->pushed, memory_order_acquire);
    return head != NULL && head != &lane_closed;
}

bool mailbox_has_ops(const struct mailbox *m)
{
    return lane_has_ops(&m->lanes[MAILBOX_LANE_CONTROL]) ||
           lane_has_ops(&m->lanes[MAILBOX_LANE_DATA]);
}

bool mailbox_has_control(const struct mailbox *m)
{
    return lane_has_ops(&m->lanes[MAILBOX_LANE_CONTROL]);
}

/* ---- any thread ------------------------------------------------------------------------------- */

struct event_count *mailbox_event(struct mailbox *m)
{
    return m->event;
}

bool mailbox_is_closed(const struct mailbox *m)
{
    return atomic_load_explicit(&m->closed, memory_order_acquire);
}

const char *mailbox_name(const struct mailbox *m)
{
    return m->name;
}

uint32_t mailbox_len(const struct mailbox *m)
{
    return atomic_load_explicit(&m->len, memory_order_relaxed);
}

uint64_t mailbox_n_refused(const struct mailbox *m)
{
    return atomic_load_explicit(&m->n_refused, memory_order_relaxed);
}
