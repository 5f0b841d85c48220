/* The job at other parallelisms, between two runs of its tasks: a new execution graph, the state dealt out anew,
 * coordinators for so many subtasks, slots in the places where they are used.
 *
 * Thread: the job master's.  Flink: AdaptiveScheduler.createExecutionGraphWithAvailableResourcesAsync. */
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include <stdlib.h>

/* ---- slots ---------------------------------------------------------------------------------------- */

/* Places for so many slots of each kind: those of the execution graph come first, in its order. */
static void layout_init(const struct jobmaster *jm, const uint32_t *n_slots,
                        struct slot_layout *ret)
{
    const struct execution_graph *g = &jm->graph;
    uint32_t n_kinds = g->kinds.n;
    uint32_t *left = mem_dup(n_slots, n_kinds * sizeof(left[0]));
    *ret = (struct slot_layout){.n_kinds = n_kinds};
    for (uint32_t kind = 0; kind < n_kinds; kind++) {
        ret->n_places += n_slots[kind];
    }
    ret->kinds = MEM_NEW_ARRAY(uint32_t, (size_t)ret->n_places + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_slots; i++) {
        if (left[g->slot_kinds[i]] > 0) {
            left[g->slot_kinds[i]]--;
            ret->kinds[n++] = g->slot_kinds[i];
        }
    }
    for (uint32_t kind = 0; kind < n_kinds; kind++) {
        for (; left[kind] > 0; left[kind]--) {
            ret->kinds[n++] = kind;
        }
    }
    mem_free(left);
}

void adaptive_layout_init(const struct jobmaster *jm, struct slot_layout *ret)
{
    uint32_t *n_slots = adaptive_slots(jm);
    layout_init(jm, n_slots, ret);
    mem_free(n_slots);
}

void rescale_ask_for_more(struct jobmaster *jm)
{
    struct slot_layout layout;
    uint32_t *n_slots = adaptive_slots(jm);
    bool more = false;
    for (uint32_t kind = 0; kind < jm->slots.n_kinds; kind++) {
        more = more || n_slots[kind] > jm->slots.n_places_of[kind];
        n_slots[kind] = MAX(n_slots[kind], jm->slots.n_places_of[kind]);
    }
    if (more) {
        layout_init(jm, n_slots, &layout);
        slots_rearrange(jm, &layout, NULL, 0);
        mem_free(layout.kinds);
    }
    mem_free(n_slots);
}

/* A slot that the job has, and what speaks for it. */
struct candidate {
    uint32_t place;
    uint32_t n_beside; /* slots that the job has on the same worker */
    bool prefer_full;  /* ... count */
};

/* Workers with the most slots first, so that the fewest are used; else the slots as they were. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->prefer_full && x->n_beside != y->n_beside) {
        return x->n_beside > y->n_beside ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

static uint32_t count_beside(const struct slot_pool *pool, uint32_t place)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < pool->n_places; i++) {
        n += pool->places[i].filled &&
             pool->places[i].slot.worker == pool->places[place].slot.worker;
    }
    return n;
}

/* Gives back what is not needed any more, too. */
static void arrange_slots(struct jobmaster *jm)
{
    const struct slot_pool *pool = &jm->slots;
    struct candidate *candidates = MEM_NEW_ARRAY(struct candidate, (size_t)pool->n_filled + 1);
    uint32_t *order = MEM_NEW_ARRAY(uint32_t, (size_t)pool->n_filled + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < pool->n_places; i++) {
        if (pool->places[i].filled) {
            candidates[n++] = (struct candidate){i, count_beside(pool, i),
                                                 jm->adaptive.config.prefer_minimal_taskmanagers};
        }
    }
    qsort(candidates, n, sizeof(candidates[0]), compare_candidates);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = candidates[i].place;
    }
    struct slot_layout layout;
    adaptive_layout_init(jm, &layout);
    slots_rearrange(jm, &layout, order, n);
    mem_free(layout.kinds);
    mem_free(candidates);
    mem_free(order);
}

/* ---- the graph ------------------------------------------------------------------------------------ */

static bool is_another(const struct jobmaster *jm, const uint32_t *parallelism)
{
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        if (jm->graph.vertices[i].n_subtasks != parallelism[i]) {
            return true;
        }
    }
    return false;
}

static void log_parallelism(struct jobmaster *jm, const uint32_t *before)
{
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        const struct execution_vertex *v = &jm->graph.vertices[i];
        if (before[i] != v->n_subtasks) {
            LOG_INFO(JOBMASTER_TOPIC, "Job %s: %s runs with parallelism %u, before with %u.",
                     jm->job_hex, v->spec->name, v->n_subtasks, before[i]);
        }
    }
}

static void rebuild(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->graph.n_subtasks; i++) {
        struct subtask *s = &jm->graph.subtasks[i];
        if (s->execution.state != FLINC__EXECUTION_STATE__EXECUTION_CREATED) {
            attempts_remember(&jm->snapshot, s, jm->details.prior_max);
        }
    }
    snapshot_lock_graph(&jm->snapshot);
    execution_graph_rescale(&jm->graph, jm, &jm->rng, jobmaster_now_ms(jm));
    snapshot_unlock_graph(&jm->snapshot, &jm->graph);
    details_rebuild(jm);
}

static void set_parallelism(struct jobmaster *jm, const uint32_t *parallelism)
{
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        jm->adaptive.vertices[i].parallelism = parallelism[i];
    }
}

/* The state is dealt out first: when it cannot, nothing has changed. */
static int change_graph(struct jobmaster *jm, const uint32_t *parallelism, struct error *err)
{
    uint32_t *before = MEM_NEW_ARRAY(uint32_t, (size_t)jm->graph.n_vertices + 1);
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        before[i] = jm->graph.vertices[i].n_subtasks;
    }
    set_parallelism(jm, parallelism);
    int rc = checkpoints_rescale(jm, err);
    if (rc < 0) {
        set_parallelism(jm, before);
    } else {
        rebuild(jm);
        coordinators_rescale(jm);
        log_parallelism(jm, before);
    }
    mem_free(before);
    return rc;
}

int rescale_apply(struct jobmaster *jm, const uint32_t *parallelism, struct error *err)
{
    bool another = is_another(jm, parallelism);
    TRY(FAILPOINT(err, "jobmaster.adaptive.before_apply"));
    if (another) {
        TRY(change_graph(jm, parallelism, err));
    }
    arrange_slots(jm);
    if (jm->adaptive.has_run) {
        TRY(coordinators_reset(jm, err));
    }
    if (jm->graph.n_live == 0) { /* else they are new with the graph */
        failover_renew(jm);
    }
    return 0;
}
