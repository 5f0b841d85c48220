/* Routes of metrics: of the job manager, jobs, vertices, subtasks and task managers; back pressure and
 * watermarks, which are metrics in other shapes. */
#include "common/text/number.h"
#include "jobmanager/rest/metric_answer.h"
#include "jobmanager/rest/rest_internal.h"
#include <stdio.h>

/* ---- plain lists ---------------------------------------------------------------------------------- */

static void add_source(struct vec *sources, const struct metric_set *set, const char *prefix)
{
    if (set != NULL) {
        struct metric_source *m = VEC_PUSH(sources, struct metric_source);
        m->set = set;
        snprintf(m->prefix, sizeof(m->prefix), "%s", prefix);
    }
}

static void answer_list(const struct http_request *rq, struct http_response *rs,
                        const struct vec *sources)
{
    REST_LIST_AUTO get;
    rest_list_init(&get, http_request_query(rq, "get"), ',');
    metric_answer_list(http_response_json(rs), sources->data, sources->len,
                       &(struct metric_names){get.items, get.n});
}

static int answer_one_set(struct rest_server *s, const struct http_request *rq,
                          struct http_response *rs, const struct metric_set *set)
{
    struct vec sources = VEC_INIT(struct metric_source);
    add_source(&sources, set, "");
    answer_list(rq, rs, &sources);
    metric_store_unlock(s->metrics);
    vec_fini(&sources);
    return 0;
}

static int jobmanager_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                              struct error *err)
{
    struct rest_server *s = owner;
    metric_store_refresh(s->metrics);
    metric_store_lock(s->metrics);
    return answer_one_set(s, rq, rs, &s->metrics->jobmanager);
}

static int taskmanager_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                               struct error *err)
{
    struct rest_server *s = owner;
    const char *id = http_request_param(rq, "taskmanagerid");
    if (!rest_has_taskmanager(s, rq, rs)) {
        return 0;
    }
    metric_store_refresh(s->metrics);
    metric_store_lock(s->metrics);
    return answer_one_set(s, rq, rs, metric_store_taskmanager(s->metrics, id));
}

static int job_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct rest_server *s = owner;
    struct job_overview job;
    if (!rest_has_job(s, rq, rs, &job)) {
        return 0;
    }
    metric_store_refresh(s->metrics);
    metric_store_lock(s->metrics);
    const struct job_metrics *j = metric_store_job(s->metrics, &job.id);
    return answer_one_set(s, rq, rs, j != NULL ? &j->set : NULL);
}

/* The vertex that a path names, with fresh metrics and the lock held when true. */
struct asked_vertex {
    const struct job_details *job; /* Owns a reference */
    const struct vertex_details *vertex;
    const struct vertex_metrics *metrics; /* NULL: none yet */
};
static bool ask_vertex(struct rest_server *s, const struct http_request *rq,
                       struct http_response *rs, struct asked_vertex *ret)
{
    if (!rest_get_vertex(s, rq, rs, &ret->job, &ret->vertex)) {
        return false;
    }
    metric_store_refresh(s->metrics);
    metric_store_lock(s->metrics);
    ret->metrics = metric_store_vertex(s->metrics, &ret->job->id, &ret->vertex->id);
    return true;
}

static void asked_vertex_fini(struct rest_server *s, struct asked_vertex *v)
{
    metric_store_unlock(s->metrics);
    job_details_unref(v->job);
}

static int vertex_metrics_list(void *owner, const struct http_request *rq, struct http_response *rs,
                               struct error *err)
{
    struct rest_server *s = owner;
    struct asked_vertex v;
    struct vec sources = VEC_INIT(struct metric_source);
    if (!ask_vertex(s, rq, rs, &v)) {
        return 0;
    }
    for (uint32_t i = 0; v.metrics != NULL && i < v.vertex->n_subtasks; i++) {
        char prefix[16];
        snprintf(prefix, sizeof(prefix), "%u.", i);
        add_source(&sources, vertex_metrics_subtask(v.metrics, i), prefix);
    }
    answer_list(rq, rs, &sources);
    asked_vertex_fini(s, &v);
    vec_fini(&sources);
    return 0;
}

static int operator_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                            struct error *err)
{
    struct rest_server *s = owner;
    struct asked_vertex v;
    struct vec sources = VEC_INIT(struct metric_source);
    if (!ask_vertex(s, rq, rs, &v)) {
        return 0;
    }
    add_source(&sources, v.metrics != NULL ? &v.metrics->operators : NULL, "");
    answer_list(rq, rs, &sources);
    asked_vertex_fini(s, &v);
    vec_fini(&sources);
    return 0;
}

static int subtask_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                           struct error *err)
{
    struct rest_server *s = owner;
    struct asked_vertex v;
    struct vec sources = VEC_INIT(struct metric_source);
    uint32_t index;
    if (!rest_param_number(rq, rs, "subtaskindex", &index) || !ask_vertex(s, rq, rs, &v)) {
        return 0;
    }
    if (index >= v.vertex->n_subtasks) {
        rest_fail(rs, 404, "Invalid subtask index %u: %s has %u subtasks", index, v.vertex->name,
                  v.vertex->n_subtasks);
    } else {
        add_source(&sources, v.metrics != NULL ? vertex_metrics_subtask(v.metrics, index) : NULL,
                   "");
        answer_list(rq, rs, &sources);
    }
    asked_vertex_fini(s, &v);
    vec_fini(&sources);
    return 0;
}

/* ---- aggregates ----------------------------------------------------------------------------------- */

static bool parse_aggregations(const struct http_request *rq, struct http_response *rs,
                               uint32_t *ret)
{
    REST_LIST_AUTO names;
    uint32_t aggregations = 0;
    rest_list_init(&names, http_request_query(rq, "agg"), ',');
    for (size_t i = 0; i < names.n; i++) {
        uint32_t one = metric_aggregation_parse(names.items[i]);
        if (one == 0) {
            rest_fail(rs, 400,
                      "Bad request, could not parse parameters: agg is a list of min, max, avg, "
                      "sum and skew");
            return false;
        }
        aggregations |= one;
    }
    *ret = aggregations != 0 ? aggregations : METRIC_AGG_ALL;
    return true;
}

static void answer_aggregate(const struct http_request *rq, struct http_response *rs,
                             const struct vec *sources, uint32_t aggregations)
{
    REST_LIST_AUTO get;
    rest_list_init(&get, http_request_query(rq, "get"), ',');
    metric_answer_aggregate(http_response_json(rs), sources->data, sources->len,
                            &(struct metric_names){get.items, get.n}, aggregations);
}

static int jobs_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    struct rest_server *s = owner;
    struct vec sources = VEC_INIT(struct metric_source);
    uint32_t aggregations;
    REST_LIST_AUTO jobs;
    rest_list_init(&jobs, http_request_query(rq, "jobs"), ',');
    if (!parse_aggregations(rq, rs, &aggregations)) {
        return 0;
    }
    for (size_t i = 0; i < jobs.n; i++) {
        struct flinc_id id;
        if (strlen(jobs.items[i]) != ID_HEX_LEN || !id_parse(jobs.items[i], &id)) {
            return rest_fail(rs, 400,
                             "Bad request, could not parse parameters: jobs is a list of job ids "
                             "of 32 hexadecimal digits");
        }
    }
    metric_store_refresh(s->metrics);
    metric_store_lock(s->metrics);
    MAP_FOREACH (&s->metrics->jobs, e) {
        struct flinc_id id;
        char hex[ID_HEX_LEN + 1];
        memcpy(id.bytes, e->key, sizeof(id.bytes));
        id_format(&id, hex);
        if (jobs.n == 0 || rest_list_has(&jobs, hex)) {
            add_source(&sources, &((const struct job_metrics *)e->value)->set, "");
        }
    }
    answer_aggregate(rq, rs, &sources, aggregations);
    metric_store_unlock(s->metrics);
    vec_fini(&sources);
    return 0;
}

static int taskmanagers_metrics(void *owner, const struct http_request *rq,
                                struct http_response *rs, struct error *err)
{
    struct rest_server *s = owner;
    struct vec sources = VEC_INIT(struct metric_source);
    uint32_t aggregations;
    REST_LIST_AUTO ids;
    rest_list_init(&ids, http_request_query(rq, "taskmanagers"), ',');
    if (!parse_aggregations(rq, rs, &aggregations)) {
        return 0;
    }
    metric_store_refresh(s->metrics);
    metric_store_lock(s->metrics);
    MAP_FOREACH (&s->metrics->taskmanagers, e) {
        if (ids.n == 0 || rest_list_has(&ids, e->key)) {
            add_source(&sources, e->value, "");
        }
    }
    answer_aggregate(rq, rs, &sources, aggregations);
    metric_store_unlock(s->metrics);
    vec_fini(&sources);
    return 0;
}

static int subtasks_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                            struct error *err)
{
    struct rest_server *s = owner;
    struct asked_vertex v;
    struct vec sources = VEC_INIT(struct metric_source);
    uint32_t aggregations;
    if (!parse_aggregations(rq, rs, &aggregations) || !ask_vertex(s, rq, rs, &v)) {
        return 0;
    }
    const char *asked = http_request_query(rq, "subtasks");
    bool *wanted = MEM_NEW_ARRAY(bool, MAX(v.vertex->n_subtasks, 1u));
    if (asked != NULL && asked[0] != '\0' &&
        !metric_parse_subtasks(asked, wanted, v.vertex->n_subtasks)) {
        rest_fail(rs, 400,
                  "Bad request, could not parse parameters: subtasks is a list of numbers and "
                  "ranges as in 0-3,5");
    } else {
        for (uint32_t i = 0; v.metrics != NULL && i < v.vertex->n_subtasks; i++) {
            if (asked == NULL || asked[0] == '\0' || wanted[i]) {
                add_source(&sources, vertex_metrics_subtask(v.metrics, i), "");
            }
        }
        answer_aggregate(rq, rs, &sources, aggregations);
    }
    asked_vertex_fini(s, &v);
    mem_free(wanted);
    vec_fini(&sources);
    return 0;
}

/* ---- back pressure and watermarks ----------------------------------------------------------------- */

/* A share of a second; NaN: not known. */
static double ratio_of(const struct metric_set *set, const char *id)
{
    double value;
    const char *text = set != NULL ? metric_set_get(set, id) : NULL;
    if (text == NULL || number_parse_double(slice_cstr(text), &value) < 0) {
        return __builtin_nan("");
    }
    return value / 1000;
}

static const char *back_pressure_level(double ratio)
{
    return ratio > 0.5 ? "high" : ratio > 0.1 ? "low" : "ok"; /* NaN is ok */
}

static void put_level(struct json_writer *w, const char *level)
{
    json_writer_put_string(w, "backpressureLevel", level);
    json_writer_put_string(w, "backpressure-level", level);
}

static int back_pressure(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    struct rest_server *s = owner;
    struct asked_vertex v;
    if (!ask_vertex(s, rq, rs, &v)) {
        return 0;
    }
    double max = 0;
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_put_string(w, "status", v.metrics != NULL ? "ok" : "deprecated");
    json_writer_key(w, "subtasks");
    json_writer_array(w);
    for (uint32_t i = 0; v.metrics != NULL && i < v.vertex->n_subtasks; i++) {
        const struct metric_set *set = vertex_metrics_subtask(v.metrics, i);
        double ratio = ratio_of(set, "backPressuredTimeMsPerSecond");
        max = ratio > max ? ratio : max;
        json_writer_object(w);
        json_writer_put_int(w, "subtask", i);
        json_writer_put_int(w, "attempt-number", v.vertex->subtasks[i].current.number);
        put_level(w, back_pressure_level(ratio));
        json_writer_put_double(w, "ratio", ratio);
        json_writer_put_double(w, "idleRatio", ratio_of(set, "idleTimeMsPerSecond"));
        json_writer_put_double(w, "busyRatio", ratio_of(set, "busyTimeMsPerSecond"));
        json_writer_end(w);
    }
    json_writer_end(w);
    put_level(w, back_pressure_level(max));
    json_writer_put_int(w, "end-timestamp", rest_now_ms());
    json_writer_end(w);
    asked_vertex_fini(s, &v);
    return 0;
}

static int watermarks(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    struct rest_server *s = owner;
    struct asked_vertex v;
    if (!ask_vertex(s, rq, rs, &v)) {
        return 0;
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_array(w);
    for (uint32_t i = 0; v.metrics != NULL && i < v.vertex->n_subtasks; i++) {
        const struct metric_set *set = vertex_metrics_subtask(v.metrics, i);
        const char *value = set != NULL ? metric_set_get(set, "currentInputWatermark") : NULL;
        if (value != NULL) {
            json_writer_object(w);
            json_writer_key(w, "id");
            json_writer_printf(w, "%u.currentInputWatermark", i);
            json_writer_put_string(w, "value", value);
            json_writer_end(w);
        }
    }
    json_writer_end(w);
    asked_vertex_fini(s, &v);
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

#define VERTEX "/jobs/:jobid/vertices/:vertexid"

static const struct rest_route routes[] = {
    REST_ROW(GET, "/jobmanager/metrics", HTTP_BLOCKING, jobmanager_metrics,
             "Metrics of the job manager: ids, or values of those in get=.", "-",
             "MetricCollectionResponseBody"),
    REST_ROW(GET, "/taskmanagers/metrics", HTTP_BLOCKING, taskmanagers_metrics,
             "Metrics aggregated over task managers: get=, agg=, taskmanagers=.", "-",
             "AggregatedMetricsResponseBody"),
    REST_ROW(GET, "/taskmanagers/:taskmanagerid/metrics", HTTP_BLOCKING, taskmanager_metrics,
             "Metrics of a task manager.", "-", "MetricCollectionResponseBody"),
    REST_ROW(GET, "/jobs/metrics", HTTP_BLOCKING, jobs_metrics,
             "Metrics aggregated over jobs: get=, agg=, jobs=.", "-",
             "AggregatedMetricsResponseBody"),
    REST_ROW(GET, "/jobs/:jobid/metrics", HTTP_BLOCKING, job_metrics, "Metrics of a job.", "-",
             "MetricCollectionResponseBody"),
    REST_ROW(GET, VERTEX "/metrics", HTTP_BLOCKING, vertex_metrics_list,
             "Metrics of all subtasks of a vertex, as <subtask>.<metric>.", "-",
             "MetricCollectionResponseBody"),
    REST_ROW(GET, VERTEX "/jm-operator-metrics", HTTP_BLOCKING, operator_metrics,
             "Metrics of the coordinators of a vertex.", "-", "MetricCollectionResponseBody"),
    REST_ROW(GET, VERTEX "/subtasks/metrics", HTTP_BLOCKING, subtasks_metrics,
             "Metrics aggregated over subtasks: get=, agg=, subtasks=0-3,5.", "-",
             "AggregatedMetricsResponseBody"),
    REST_ROW(GET, VERTEX "/subtasks/:subtaskindex/metrics", HTTP_BLOCKING, subtask_metrics,
             "Metrics of a subtask.", "-", "MetricCollectionResponseBody"),
    REST_ROW(GET, VERTEX "/backpressure", HTTP_BLOCKING, back_pressure,
             "How much each subtask waits for its consumers, works and idles.", "-",
             "JobVertexBackPressureInfo"),
    REST_ROW(GET, VERTEX "/watermarks", HTTP_BLOCKING, watermarks,
             "The input watermark of each subtask.", "-", "MetricCollectionResponseBody"),
};
const struct rest_family rest_metrics_family = REST_FAMILY("Metrics", routes);
