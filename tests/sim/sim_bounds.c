/* Bounds of the parallelism that clients ask for, and what must hold of them with high availability:
 *
 *   - they are acknowledged after they were written down;
 *   - a job master has none that were not, whoever leads;
 *   - after healing the job master of the leader has those that were written down last.
 *
 * See sim.h. */
#include "tests/sim/sim.h"

#include "jobmanager/dispatcher/dispatcher_internal.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "jobmanager/recovery/requirements.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"

static void require_of(const struct sim_job *job, uint32_t upper,
                       struct job_requirement ret[SIM_VERTICES])
{
    for (uint32_t i = 0; i < SIM_VERTICES; i++) {
        ProtobufCBinaryData id = graph_id('v', i);
        memcpy(ret[i].vertex_id.bytes, id.data, sizeof(ret[i].vertex_id.bytes));
        ret[i].bounds = (struct parallelism_bounds){1, upper};
        free(id.data);
    }
}

void sim_rescale_at(struct sim *s, struct dispatcher *d, struct sim_job *job)
{
    struct error ignored = ERROR_INIT;
    struct job_requirement r[SIM_VERTICES];
    uint32_t wanted = 1 + sim_below(s, SIM_PARALLELISM_MAX);
    if (d == NULL || !job->submitted || !job->adaptive) {
        return;
    }
    require_of(job, wanted, r);
    uint32_t before = job->ledger.n_bounds[wanted];
    bool was_there =
        before > 0 && job->wanted == wanted; /* a lost answer looks like an earlier one */
    int rc = dispatcher_set_requirements(d, &job->id, r, SIM_VERTICES, &ignored);
    if (rc < 0 || (s->has_ha && sim_is_ghost())) {
        return; /* or nobody hears of it */
    }
    if (s->has_ha && job->ledger.n_bounds[wanted] == before && !was_there) {
        sim_failed(s, __FILE__, __LINE__, "bounds are acknowledged that are not written down");
    }
    job->wanted = s->has_ha ? job->wanted : wanted;
    s->totals->rescales++;
}

void sim_rescale(struct sim *s, struct sim_job *job)
{
    sim_rescale_at(s, s->d, job);
}

void sim_bounds_written(struct sim *s, struct sim_job *job, const char *value, size_t len)
{
    struct vec read = VEC_INIT(struct job_requirement);
    SIM_CHECK(s, requirements_unpack((struct slice){value, len}, &read, NULL) == 0);
    SIM_CHECK(s, read.len == SIM_VERTICES);
    uint32_t upper = VEC_AT(&read, struct job_requirement, 0)->bounds.upper;
    vec_fini(&read);
    SIM_CHECK(s, upper <= SIM_PARALLELISM_MAX);
    if (job->ledger.ended) {
        sim_failed(s, __FILE__, __LINE__, "bounds of a job that has ended are written down");
    }
    job->ledger.n_bounds[upper]++;
    job->wanted = upper;
}

/* As its job master there has it; 0: it has none there. */
static uint32_t upper_at(const struct dispatcher *d, const struct sim_job *job)
{
    const struct dispatched_job *j = map_find_bytes(&d->jobs, job->id.bytes, sizeof(job->id.bytes));
    bool is_there = j != NULL && j->jm != NULL && j->jm->adaptive.bounds != NULL;
    return is_there ? j->jm->adaptive.bounds[0].upper : 0;
}

void sim_bounds_check_always(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jms; i++) {
        const struct sim_jm *jm = &s->jms[i];
        bool leads = jm->up && jm->serves && !jm->retires && jm->services.dispatcher != NULL;
        for (uint32_t k = 0; leads && k < s->n_jobs; k++) {
            const struct sim_job *job = &s->jobs[k];
            uint32_t upper = upper_at(jm->services.dispatcher, job);
            if (upper != 0 && upper != job->parallelism && job->ledger.n_bounds[upper] == 0) {
                sim_failed(s, __FILE__, __LINE__, "a job has bounds that are not written down");
            }
        }
    }
}

const char *sim_bounds_lost(struct sim *s, const struct sim_job *job)
{
    uint32_t upper = upper_at(s->d, job);
    return upper != 0 && upper != job->wanted
               ? "a job has other bounds than those that were written down last"
               : NULL;
}
