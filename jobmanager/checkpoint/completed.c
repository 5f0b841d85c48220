/* Completed checkpoints; see completed.h. */
#include "jobmanager/checkpoint/completed.h"

#include "common/base/failpoint.h"
#include "common/rpc/message.h"
#include <stdatomic.h>

struct graph_ref {
    _Atomic uint32_t refs;
    Flinc__JobGraph *graph; /* Owns */
};

struct graph_ref *graph_ref_new(const Flinc__JobGraph *graph)
{
    struct graph_ref *g = MEM_NEW(struct graph_ref);
    g->graph = message_copy(&graph->base);
    atomic_init(&g->refs, 1);
    return g;
}

struct graph_ref *graph_ref_ref(struct graph_ref *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void graph_ref_unref(struct graph_ref *g)
{
    if (g != NULL && atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1) {
        flinc__job_graph__free_unpacked(g->graph, NULL);
        mem_free(g);
    }
}

const Flinc__JobGraph *graph_ref_get(const struct graph_ref *g)
{
    return g->graph;
}

Flinc__JobGraph *graph_ref_get_own(struct graph_ref *g)
{
    return g->graph;
}

struct completed_checkpoint *completed_free(struct completed_checkpoint *k)
{
    if (k != NULL) {
        state_assignment_free(k->assignment);
        graph_ref_unref(k->graph);
        if (k->metadata != NULL) {
            flinc__checkpoint_metadata__free_unpacked(k->metadata, NULL);
        }
        mem_free(k->directory);
        mem_free(k);
    }
    return NULL;
}

void completed_store_init(struct completed_store *s)
{
    vec_init(&s->kept, sizeof(struct completed_checkpoint *));
}

void completed_store_fini(struct completed_store *s)
{
    for (size_t i = 0; i < s->kept.len; i++) {
        completed_free(vec_ptr(&s->kept, i));
    }
    vec_fini(&s->kept);
}

void completed_store_add(struct completed_store *s, struct completed_checkpoint *take)
{
    ASSERT(s->kept.len == 0 || completed_store_latest(s)->id < take->id);
    vec_push_ptr(&s->kept, take);
}

struct completed_checkpoint *completed_store_latest(const struct completed_store *s)
{
    size_t n = s->kept.len;
    if (n > 1 && PLANTED("checkpoint.restores_older")) {
        return vec_ptr(&s->kept, 0);
    }
    return n > 0 ? vec_ptr(&s->kept, n - 1) : NULL;
}

struct completed_checkpoint *completed_store_take_above(struct completed_store *s, size_t n)
{
    if (s->kept.len <= n) {
        return NULL;
    }
    struct completed_checkpoint *oldest = vec_ptr(&s->kept, 0);
    vec_remove(&s->kept, 0);
    return oldest;
}

uint64_t completed_store_lowest_id(const struct completed_store *s)
{
    return s->kept.len > 0 ? ((struct completed_checkpoint *)vec_ptr(&s->kept, 0))->id : UINT64_MAX;
}
