/* The transport inside a process: a send delivers to the peer's mailbox at once, on the sender's
 * thread, unless an interceptor says otherwise.
 *
 * Thread: any; both directions of a pair are under its lock, a leaf but for mailbox posts.  The
 * interceptor is asked before the lock is taken.  A pair lives until both ends are freed. */
#include "common/rpc/transport.h"

#include "common/base/mem.h"
#include <pthread.h>
#include <string.h>

struct memory_held {
    struct memory_held *next;
    size_t size;
    uint8_t bytes[];
};

struct memory_end {
    struct memory_pair *pair;
    struct rpc_channel *channel; /* Borrows; what the peer's sends are delivered to; NULL: freed */
    char *name;                  /* Owns */
    bool closed;
    /* What this end sent and an interceptor held back. */
    struct memory_held *held, **held_end; /* Owns */
    uint32_t n_held;
    bool close_held; /* the peer hears of the close behind them */
};

struct memory_pair {
    pthread_mutex_t lock;
    struct memory_end ends[2];
    struct rpc_interceptor interceptor;
    uint32_t n_freed;
};

static const char *const verdict_names[] = {
    [RPC_PASS] = "pass",
    [RPC_DROP] = "drop",
    [RPC_DUPLICATE] = "duplicate",
    [RPC_HOLD] = "hold",
};

const char *rpc_verdict_name(enum rpc_verdict verdict)
{
    return (unsigned)verdict < ARRAY_LEN(verdict_names) ? verdict_names[verdict] : "unknown";
}

static struct memory_end *end_peer(struct memory_end *e)
{
    return e == &e->pair->ends[0] ? &e->pair->ends[1] : &e->pair->ends[0];
}

static int end_closed_error(const struct memory_end *e, struct error *err)
{
    return error_set(err, ERR_CLOSED, "%s closed the channel", e->name);
}

/* Under lock: the peer of `e` hears that `e` closed. */
static void end_tell_closed(struct memory_end *e)
{
    struct memory_end *peer = end_peer(e);
    e->close_held = false;
    if (peer->channel != NULL && !peer->closed) {
        struct error why = ERROR_INIT;
        end_closed_error(e, &why);
        rpc_channel_peer_closed(peer->channel, &why);
    }
}

/* Under lock. */
static int end_deliver(struct memory_end *from, const uint8_t *bytes, size_t size,
                       struct error *err)
{
    struct memory_end *to = end_peer(from);
    if (to->closed) {
        return end_closed_error(to, err);
    }
    struct error why = ERROR_INIT;
    int rc = rpc_channel_deliver(to->channel, bytes, size, &why);
    if (rc < 0 && rc != ERR_LIMIT && from->channel != NULL) {
        /* The receiver is gone or refuses what this end speaks: it is over for both. */
        to->closed = true;
        rpc_channel_peer_closed(from->channel, &why);
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

/* Under lock. */
static int end_hold(struct memory_end *e, const uint8_t *bytes, size_t size, struct error *err)
{
    if (e->n_held >= RPC_MEMORY_HELD_LIMIT) {
        return error_set(err, ERR_LIMIT, "%s: %d messages are held back already", e->name,
                         RPC_MEMORY_HELD_LIMIT);
    }
    struct memory_held *h = mem_alloc(sizeof(*h) + size);
    h->next = NULL;
    h->size = size;
    memcpy(h->bytes, bytes, size);
    *e->held_end = h;
    e->held_end = &h->next;
    e->n_held++;
    return 0;
}

/* Under lock: forgets the first held message. */
static void end_pop_held(struct memory_end *e)
{
    struct memory_held *h = e->held;
    e->held = h->next;
    e->n_held--;
    if (e->held == NULL) {
        e->held_end = &e->held;
    }
    mem_free(h);
}

/* ---- the transport's functions ---------------------------------------------------------------- */

static int memory_send(void *transport, const uint8_t *bytes, size_t size, struct error *err)
{
    struct memory_end *e = transport;
    struct memory_pair *p = e->pair;
    enum rpc_verdict verdict = RPC_PASS;
    if (p->interceptor.decide != NULL) {
        verdict = p->interceptor.decide(p->interceptor.arg, e->name, bytes, size);
    }
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    int copies = verdict == RPC_DROP ? 0 : verdict == RPC_DUPLICATE ? 2 : 1;
    if (e->closed || end_peer(e)->closed) {
        rc = end_closed_error(e->closed ? e : end_peer(e), err);
    }
    for (int i = 0; i < copies && rc == 0; i++) {
        rc = verdict == RPC_HOLD || e->held != NULL ? end_hold(e, bytes, size, err)
                                                    : end_deliver(e, bytes, size, err);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Under lock. */
static void end_close(struct memory_end *e)
{
    if (e->closed) {
        return;
    }
    e->closed = true;
    if (e->held != NULL) {
        e->close_held = true;
    } else {
        end_tell_closed(e);
    }
}

static void memory_close(void *transport)
{
    struct memory_end *e = transport;
    pthread_mutex_lock(&e->pair->lock);
    end_close(e);
    pthread_mutex_unlock(&e->pair->lock);
}

static void pair_free(struct memory_pair *p)
{
    pthread_mutex_destroy(&p->lock);
    mem_free(p->ends[0].name);
    mem_free(p->ends[1].name);
    mem_free(p);
}

static void memory_free(void *transport)
{
    struct memory_end *e = transport;
    struct memory_pair *p = e->pair;
    pthread_mutex_lock(&p->lock);
    end_close(e);
    e->channel = NULL;
    while (e->held != NULL) {
        end_pop_held(e); /* lost on the way */
    }
    if (e->close_held) {
        end_tell_closed(e);
    }
    bool last = ++p->n_freed == ARRAY_LEN(p->ends);
    pthread_mutex_unlock(&p->lock);
    if (last) {
        pair_free(p);
    }
}

static const struct rpc_transport_ops memory_ops = {
    .name = "memory",
    .send = memory_send,
    .close = memory_close,
    .free = memory_free,
};

int rpc_memory_pair(const struct rpc_end_options *a, const struct rpc_end_options *b,
                    const struct rpc_interceptor *interceptor, struct rpc_channel **ret_a,
                    struct rpc_channel **ret_b, struct error *err)
{
    if (a->sends != b->receives || b->sends != a->receives) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the ends of a channel do not speak the same messages");
    }
    const struct rpc_end_options *options[2] = {a, b};
    struct rpc_channel *channels[2] = {NULL, NULL};
    struct memory_pair *p = MEM_NEW(struct memory_pair);
    pthread_mutex_init(&p->lock, NULL);
    if (interceptor != NULL) {
        p->interceptor = *interceptor;
    }
    for (int i = 0; i < 2; i++) {
        struct memory_end *e = &p->ends[i];
        e->pair = p;
        e->held_end = &e->held;
        e->name = mem_strdup(options[i]->name != NULL ? options[i]->name : "channel");
    }
    for (int i = 0; i < 2; i++) {
        int rc = rpc_channel_new(options[i], &memory_ops, &p->ends[i], &channels[i], err);
        if (rc < 0) { /* a missing type, and then already at the first end */
            pair_free(p);
            return rc;
        }
        p->ends[i].channel = channels[i];
    }
    *ret_a = channels[0];
    *ret_b = channels[1];
    return 0;
}

size_t rpc_memory_release(struct rpc_channel *c, size_t max)
{
    struct memory_end *e = rpc_channel_transport(c, &memory_ops);
    ASSERT(e != NULL);
    size_t n = 0;
    pthread_mutex_lock(&e->pair->lock);
    while (e->held != NULL && (max == 0 || n < max)) {
        if (end_deliver(e, e->held->bytes, e->held->size, NULL) == ERR_LIMIT) {
            break; /* stays first in the line */
        }
        end_pop_held(e);
        n++;
    }
    if (e->held == NULL && e->close_held) {
        end_tell_closed(e);
    }
    pthread_mutex_unlock(&e->pair->lock);
    return n;
}
