/* Routes of vertices, subtasks and attempts. */
#include "jobmanager/rest/rest_internal.h"

/* Answers with a shape of a vertex. */
static int answer_vertex(void *owner, const struct http_request *rq, struct http_response *rs,
                         void (*write)(struct json_writer *w, const struct job_details *d,
                                       const struct vertex_details *v))
{
    const struct job_details *d;
    const struct vertex_details *v;
    if (rest_get_vertex(owner, rq, rs, &d, &v)) {
        write(http_response_json(rs), d, v);
        job_details_unref(d);
    }
    return 0;
}

static int vertex_details(void *owner, const struct http_request *rq, struct http_response *rs,
                          struct error *err)
{
    return answer_vertex(owner, rq, rs, rest_write_vertex);
}

static int vertex_times(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    return answer_vertex(owner, rq, rs, rest_write_subtask_times);
}

static int vertex_taskmanagers(void *owner, const struct http_request *rq, struct http_response *rs,
                               struct error *err)
{
    return answer_vertex(owner, rq, rs, rest_write_vertex_taskmanagers);
}

static void write_accumulators(struct json_writer *w, const struct job_details *d,
                               const struct vertex_details *v)
{
    rest_write_vertex_accumulators(w, v);
}

static int vertex_accumulators(void *owner, const struct http_request *rq, struct http_response *rs,
                               struct error *err)
{
    return answer_vertex(owner, rq, rs, write_accumulators);
}

static void write_subtask_accumulators(struct json_writer *w, const struct job_details *d,
                                       const struct vertex_details *v)
{
    rest_write_subtask_accumulators(w, v);
}

static int subtask_accumulators(void *owner, const struct http_request *rq,
                                struct http_response *rs, struct error *err)
{
    return answer_vertex(owner, rq, rs, write_subtask_accumulators);
}

/* ---- attempts ------------------------------------------------------------------------------------- */

/* The subtask that the path names; otherwise the answer is made. */
static bool get_subtask(struct rest_server *s, const struct http_request *rq,
                        struct http_response *rs, struct rest_attempt *ret)
{
    uint32_t index;
    if (!rest_param_number(rq, rs, "subtaskindex", &index) ||
        !rest_get_vertex(s, rq, rs, &ret->job, &ret->vertex)) {
        return false;
    }
    if (index >= ret->vertex->n_subtasks) {
        rest_fail(rs, 404, "Invalid subtask index for vertex %s: it has %u subtasks",
                  ret->vertex->name, ret->vertex->n_subtasks);
        job_details_unref(ret->job);
        return false;
    }
    ret->subtask = index;
    ret->attempt = &ret->vertex->subtasks[index].current;
    return true;
}

/* The same with :attempt. */
static bool get_attempt(struct rest_server *s, const struct http_request *rq,
                        struct http_response *rs, struct rest_attempt *ret)
{
    uint32_t number;
    if (!rest_param_number(rq, rs, "attempt", &number) || !get_subtask(s, rq, rs, ret)) {
        return false;
    }
    const struct subtask_details *t = &ret->vertex->subtasks[ret->subtask];
    if (t->current.number == number) {
        return true;
    }
    for (uint32_t i = 0; i < t->n_prior; i++) {
        if (t->prior[i].number == number) {
            ret->attempt = &t->prior[i];
            return true;
        }
    }
    rest_fail(rs, 404, "Attempt %u of subtask %u of vertex %s not found%s", number, ret->subtask,
              ret->vertex->name,
              number < t->current.number ? ": it is too long ago to be kept" : "");
    job_details_unref(ret->job);
    return false;
}

static int subtask_details(void *owner, const struct http_request *rq, struct http_response *rs,
                           struct error *err)
{
    struct rest_attempt a;
    if (get_subtask(owner, rq, rs, &a)) {
        rest_write_attempt(http_response_json(rs), &a);
        job_details_unref(a.job);
    }
    return 0;
}

static int attempt_details(void *owner, const struct http_request *rq, struct http_response *rs,
                           struct error *err)
{
    struct rest_attempt a;
    if (get_attempt(owner, rq, rs, &a)) {
        rest_write_attempt(http_response_json(rs), &a);
        job_details_unref(a.job);
    }
    return 0;
}

static int attempt_accumulators(void *owner, const struct http_request *rq,
                                struct http_response *rs, struct error *err)
{
    struct rest_attempt a;
    if (get_attempt(owner, rq, rs, &a)) {
        rest_write_attempt_accumulators(http_response_json(rs), &a);
        job_details_unref(a.job);
    }
    return 0;
}

/* ---- flame graph ---------------------------------------------------------------------------------- */

static int flamegraph(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    enum { FLAMEGRAPH_TERMINATED = -1, FLAMEGRAPH_DISABLED = -2 };
    const struct job_details *d;
    const struct vertex_details *v;
    if (!rest_get_vertex(owner, rq, rs, &d, &v)) {
        return 0;
    }
    bool ended = job_status_is_globally_terminal(d->status);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_put_int(w, "endTimestamp", ended ? FLAMEGRAPH_TERMINATED : FLAMEGRAPH_DISABLED);
    json_writer_key(w, "data");
    json_writer_null(w);
    json_writer_end(w);
    job_details_unref(d);
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

#define VERTEX "/jobs/:jobid/vertices/:vertexid"

static const struct rest_route routes[] = {
    REST_ROW(GET, VERTEX, HTTP_BLOCKING, vertex_details,
             "A vertex: its subtasks with times, places and counters, and their statistics.", "-",
             "JobVertexDetailsInfo"),
    REST_ROW(GET, VERTEX "/subtasktimes", HTTP_BLOCKING, vertex_times,
             "When each subtask came into each state.", "-", "SubtasksTimesInfo"),
    REST_ROW(GET, VERTEX "/taskmanagers", HTTP_BLOCKING, vertex_taskmanagers,
             "A vertex by task manager.", "-", "JobVertexTaskManagersInfo"),
    REST_ROW(GET, VERTEX "/accumulators", HTTP_BLOCKING, vertex_accumulators,
             "User accumulators of a vertex.", "-", "JobVertexAccumulatorsInfo"),
    REST_ROW(GET, VERTEX "/subtasks/accumulators", HTTP_BLOCKING, subtask_accumulators,
             "User accumulators of each subtask.", "-", "SubtasksAllAccumulatorsInfo"),
    REST_ROW(GET, VERTEX "/subtasks/:subtaskindex", HTTP_BLOCKING, subtask_details,
             "The current attempt of a subtask.", "-", "SubtaskExecutionAttemptDetailsInfo"),
    REST_ROW(GET, VERTEX "/subtasks/:subtaskindex/attempts/:attempt", HTTP_BLOCKING,
             attempt_details, "An attempt of a subtask, the current one or an earlier.", "-",
             "SubtaskExecutionAttemptDetailsInfo"),
    REST_ROW(GET, VERTEX "/subtasks/:subtaskindex/attempts/:attempt/accumulators", HTTP_BLOCKING,
             attempt_accumulators, "User accumulators of an attempt.", "-",
             "SubtaskExecutionAttemptAccumulatorsInfo"),
    REST_ROW(GET, VERTEX "/flamegraph", HTTP_BLOCKING, flamegraph,
             "Stack samples of a vertex; off, and says so.", "-", "VertexFlameGraph"),
};
const struct rest_family rest_vertices_family = REST_FAMILY("Vertices and subtasks", routes);
