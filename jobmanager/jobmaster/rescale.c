/* The job at other parallelisms, between two runs of its tasks: a new execution graph, the state dealt out anew,
 * coordinators for so many subtasks, slots in the places where they are used.
 *
 * Thread: the job master's.  Flink: AdaptiveScheduler.createExecutionGraphWithAvailableResourcesAsync. */
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include <stdlib.h>

/* ---- slots ---------------------------------------------------------------------------------------- */

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
    slots_resize(jm, adaptive_slots(jm), order, n);
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
