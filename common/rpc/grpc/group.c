/* The streams and calls of one server or client, so that it can end them all and wait for it.
 *
 * Thread: any.  A member is linked from its first batch until its last completion. */
#include "common/base/mem.h"
#include "common/rpc/grpc/runtime.h"
#include <errno.h>
#include <time.h>

struct rpc_group {
    _Atomic uint32_t refs;
    pthread_mutex_t lock;
    pthread_cond_t emptied;
    struct rpc_member *members; /* Borrows; each member holds a reference to the group */
    uint32_t n, limit;
    bool ending;
    struct rpc_counters counters;
};

struct rpc_group *rpc_group_new(uint32_t limit)
{
    struct rpc_group *g = MEM_NEW(struct rpc_group);
    atomic_init(&g->refs, 1);
    g->limit = limit;
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g->emptied, &attr);
    pthread_condattr_destroy(&attr);
    return g;
}

struct rpc_group *rpc_group_ref(struct rpc_group *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

struct rpc_group *rpc_group_unref(struct rpc_group *g)
{
    if (g != NULL && atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&g->lock);
        pthread_cond_destroy(&g->emptied);
        mem_free(g);
    }
    return NULL;
}

struct rpc_counters *rpc_group_counters(struct rpc_group *g)
{
    return &g->counters;
}

int rpc_group_add(struct rpc_group *g, struct rpc_member *m, struct error *err)
{
    pthread_mutex_lock(&g->lock);
    bool ending = g->ending, full = g->n >= g->limit;
    if (!ending && !full) {
        m->next = g->members;
        m->link = &g->members;
        if (m->next != NULL) {
            m->next->link = &m->next;
        }
        g->members = m;
        g->n++;
        atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&g->lock);
    if (ending) {
        return error_set(err, ERR_CLOSED, "this end of the connection is shutting down");
    }
    if (full) {
        return error_set(err, ERR_LIMIT, "there are %u streams or calls already", g->limit);
    }
    return 0;
}

void rpc_group_remove(struct rpc_group *g, struct rpc_member *m)
{
    pthread_mutex_lock(&g->lock);
    *m->link = m->next;
    if (m->next != NULL) {
        m->next->link = m->link;
    }
    m->link = NULL;
    if (--g->n == 0) {
        pthread_cond_broadcast(&g->emptied);
    }
    pthread_mutex_unlock(&g->lock);
    rpc_group_unref(g);
}

void rpc_group_end(struct rpc_group *g, int64_t grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += grace_ms / 1000;
    until.tv_nsec += grace_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&g->lock);
    g->ending = true;
    for (struct rpc_member *m = g->members; m != NULL; m = m->next) {
        (m->close != NULL ? m->close : m->cancel)(m);
    }
    while (g->n > 0 && grace_ms > 0) {
        if (pthread_cond_timedwait(&g->emptied, &g->lock, &until) == ETIMEDOUT) {
            break;
        }
    }
    for (struct rpc_member *m = g->members; m != NULL; m = m->next) {
        m->cancel(m);
    }
    while (g->n > 0) {
        pthread_cond_wait(&g->emptied, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}
