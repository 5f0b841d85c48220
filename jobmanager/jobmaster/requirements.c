/* Resource requirements from outside: checked against the job graph, which never changes, on the asker's thread; applied
 * on the job master's.
 *
 * Flink: AdaptiveScheduler.updateJobResourceRequirements, JobResourceRequirements.validate. */
#include "jobmanager/jobmaster/jobmaster_internal.h"

static void run_requirements(void *target, void *payload)
{
    struct jobmaster *jm = target;
    if (!job_status_is_globally_terminal(jm->status) && jm->status != JOB_STATUS_SUSPENDED) {
        adaptive_on_requirements(jm, payload);
    }
    mem_free(payload);
}

/* UINT32_MAX: there is no such vertex. */
static uint32_t find_vertex(const Flinc__JobGraph *graph, const struct flinc_id *id)
{
    for (uint32_t i = 0; i < graph->n_vertices; i++) {
        if (memcmp(graph->vertices[i]->id.data, id->bytes, sizeof(id->bytes)) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* Sorts them by vertex. */
static int sort(const Flinc__JobGraph *graph, const struct job_requirement *requirements, size_t n,
                struct parallelism_bounds *ret, struct error *err)
{
    STR_AUTO text = STR_INIT;
    char hex[ID_HEX_LEN + 1];
    struct flinc_id id;
    for (size_t i = 0; i < n; i++) {
        uint32_t vertex = find_vertex(graph, &requirements[i].vertex_id);
        if (vertex == UINT32_MAX) {
            id_format(&requirements[i].vertex_id, hex);
            str_printf(&text, "%sJob vertex [%s] was not found in the JobGraph",
                       text.len > 0 ? ", " : "", hex);
        } else {
            ret[vertex] = requirements[i].bounds;
        }
    }
    for (uint32_t i = 0; i < graph->n_vertices; i++) {
        bool named = false;
        for (size_t k = 0; k < n && !named; k++) {
            named = find_vertex(graph, &requirements[k].vertex_id) == i;
        }
        if (!named) {
            memcpy(id.bytes, graph->vertices[i]->id.data, sizeof(id.bytes));
            id_format(&id, hex);
            str_printf(&text,
                       "%sThe request is incomplete, missing job vertex [%s] resource requirements",
                       text.len > 0 ? ", " : "", hex);
        }
    }
    return text.len > 0 ? error_set(err, ERR_INVALID_ARGUMENT, "%s", str_cstr(&text)) : 0;
}

static int check(const Flinc__JobGraph *graph, const struct parallelism_bounds *bounds,
                 struct error *err)
{
    struct parallelism_problem problem;
    parallelism_init(&problem, graph);
    int rc = parallelism_check_bounds(&problem, bounds, err);
    parallelism_fini(&problem);
    return rc;
}

int requirements_read(const Flinc__JobGraph *graph, const struct job_requirement *requirements,
                      size_t n, struct parallelism_bounds *ret, struct error *err)
{
    TRY(sort(graph, requirements, n, ret, err));
    return check(graph, ret, err);
}

bool jobmaster_is_adaptive(const struct jobmaster *jm)
{
    return adaptive_is_on(jm);
}

int jobmaster_check_requirements(struct jobmaster *jm, const struct job_requirement *requirements,
                                 size_t n, struct parallelism_bounds **ret_bounds,
                                 struct error *err)
{
    const Flinc__JobGraph *graph = jm->options.graph;
    const struct adaptive_config *config = &jm->adaptive.config; /* never changes */
    if (!config->enabled) {
        return error_set(err, ERR_UNSUPPORTED,
                         "The DefaultScheduler does not support changing the parallelism without "
                         "a job restart. This feature is currently only expected to work with the "
                         "AdaptiveScheduler (jobmanager.scheduler: adaptive).");
    }
    if (config->reactive) {
        return error_set(err, ERR_UNSUPPORTED,
                         "Cannot change the parallelism of a job running in reactive mode.");
    }
    struct parallelism_bounds *bounds =
        MEM_NEW_ARRAY(struct parallelism_bounds, graph->n_vertices + 1);
    int rc = requirements_read(graph, requirements, n, bounds, err);
    if (rc < 0) {
        mem_free(bounds);
        return rc;
    }
    *ret_bounds = bounds;
    return 0;
}

int jobmaster_apply_requirements(struct jobmaster *jm, struct parallelism_bounds *take_bounds,
                                 struct error *err)
{
    struct mailbox_op op = {.kind = JOBMASTER_OP_REQUIREMENTS,
                            .run = run_requirements,
                            .target = jm,
                            .payload = take_bounds,
                            .drop = mem_free};
    if (mailbox_post_internal(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op) < 0) {
        mem_free(take_bounds);
        return error_set(err, ERR_CLOSED, "job %s has ended", jm->job_hex);
    }
    return 0;
}

int jobmaster_set_requirements(struct jobmaster *jm, const struct job_requirement *requirements,
                               size_t n, struct error *err)
{
    struct parallelism_bounds *bounds = NULL;
    TRY(jobmaster_check_requirements(jm, requirements, n, &bounds, err));
    return jobmaster_apply_requirements(jm, bounds, err);
}
