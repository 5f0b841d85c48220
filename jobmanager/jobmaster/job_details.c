/* Details of a job as a value: made in one arena, counted, looked through; see job_details.h. */
#include "jobmanager/jobmaster/job_details.h"

#include "common/base/mem.h"
#include <stddef.h>

/* The details with the memory that they lie in. */
struct details_box {
    struct job_details details;
    struct arena arena;
};

struct job_details *job_details_new(struct arena **ret_arena)
{
    struct details_box *box = MEM_NEW(struct details_box);
    arena_init(&box->arena, 16 * 1024);
    atomic_init(&box->details.refs, 1);
    *ret_arena = &box->arena;
    return &box->details;
}

static struct details_box *details_box(const struct job_details *d)
{
    return CONTAINER_OF(d, struct details_box, details);
}

const struct job_details *job_details_ref(const struct job_details *d)
{
    atomic_fetch_add_explicit(&((struct job_details *)d)->refs, 1, memory_order_relaxed);
    return d;
}

void job_details_unref(const struct job_details *d)
{
    if (d != NULL &&
        atomic_fetch_sub_explicit(&((struct job_details *)d)->refs, 1, memory_order_acq_rel) == 1) {
        struct details_box *box = details_box(d);
        arena_fini(&box->arena);
        mem_free(box);
    }
}

uint64_t job_details_bytes(const struct job_details *d)
{
    return sizeof(struct details_box) + details_box(d)->arena.used_bytes;
}

const struct vertex_details *job_details_find_vertex(const struct job_details *d,
                                                     const struct flinc_id *id)
{
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        if (id_eq(&d->vertices[i].id, id)) {
            return &d->vertices[i];
        }
    }
    return NULL;
}

/* Flink: ExecutionJobVertex.getAggregateJobVertexState. */
Flinc__ExecutionState vertex_details_state(const struct vertex_details *v)
{
    static const Flinc__ExecutionState strongest_first[] = {
        FLINC__EXECUTION_STATE__EXECUTION_FAILED,   FLINC__EXECUTION_STATE__EXECUTION_CANCELING,
        FLINC__EXECUTION_STATE__EXECUTION_CANCELED, FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING,
        FLINC__EXECUTION_STATE__EXECUTION_RUNNING,
    };
    uint32_t counts[EXECUTION_STATES] = {0};
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        counts[v->subtasks[i].current.state]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(strongest_first); i++) {
        if (counts[strongest_first[i]] > 0) {
            return strongest_first[i];
        }
    }
    uint32_t finished = counts[FLINC__EXECUTION_STATE__EXECUTION_FINISHED];
    if (finished > 0) {
        return finished == v->n_subtasks ? FLINC__EXECUTION_STATE__EXECUTION_FINISHED
                                         : FLINC__EXECUTION_STATE__EXECUTION_RUNNING;
    }
    return FLINC__EXECUTION_STATE__EXECUTION_CREATED;
}
