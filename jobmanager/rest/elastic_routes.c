/* Routes of jobs under the adaptive scheduler: their resource requirements, and their rescales.
 * Flink: JobResourceRequirementsHandler, JobResourceRequirementsUpdateHandler, JobRescalesHistoryHandler,
 * JobRescaleDetailsHandler, JobRescaleConfigHandler. */
#include "jobmanager/rest/rest_internal.h"

/* The job, when it is under the adaptive scheduler; otherwise the answer is made with this status and text. */
static bool get_elastic(struct rest_server *s, const struct http_request *rq,
                        struct http_response *rs, const struct job_details **ret, int status,
                        const char *otherwise)
{
    if (!rest_get_job(s, rq, rs, ret)) {
        return false;
    }
    if ((*ret)->elastic == NULL) {
        job_details_unref(*ret);
        rest_fail(rs, status, "%s", otherwise);
        return false;
    }
    return true;
}

/* ---- resource requirements ------------------------------------------------------------------------- */

static int get_requirements(void *owner, const struct http_request *rq, struct http_response *rs,
                            struct error *err)
{
    const struct job_details *job;
    if (get_elastic(owner, rq, rs, &job, 409,
                    "The DefaultScheduler does not support changing the parallelism without a job "
                    "restart. This feature is currently only expected to work with the "
                    "AdaptiveScheduler.")) {
        rest_write_requirements(http_response_json(rs), job);
        job_details_unref(job);
    }
    return 0;
}

static int read_bound(const struct json_node *parallelism, const char *key, uint32_t *ret,
                      struct error *err)
{
    int64_t value = 0;
    TRY(json_member_int(parallelism, key, JSON_REQUIRED, &value, err));
    if (value < 0 || value > INT32_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is out of range: %lld", key,
                         (long long)value);
    }
    *ret = (uint32_t)value;
    return 0;
}

static int read_requirement(const struct json_member *m, struct job_requirement *ret,
                            struct error *err)
{
    if (strlen(m->key) != ID_HEX_LEN || !id_parse(m->key, &ret->vertex_id)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "\"%.64s\" is no id of a job vertex: 32 hexadecimal digits are expected",
                         m->key);
    }
    const struct json_node *parallelism = json_node_type(m->value) == JSON_TYPE_OBJECT
                                              ? json_node_find(m->value, "parallelism")
                                              : NULL;
    if (parallelism == NULL || json_node_type(parallelism) != JSON_TYPE_OBJECT) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "job vertex %s has no {\"parallelism\": {\"lowerBound\", "
                         "\"upperBound\"}}",
                         m->key);
    }
    TRY_CTX(err, read_bound(parallelism, "lowerBound", &ret->bounds.lower, err),
            "reading the parallelism of job vertex %s", m->key);
    TRY_CTX(err, read_bound(parallelism, "upperBound", &ret->bounds.upper, err),
            "reading the parallelism of job vertex %s", m->key);
    return 0;
}

static int read_requirements(const struct json_node *body, struct vec *ret, struct error *err)
{
    for (struct json_member m = {0}; json_node_next(body, &m);) {
        TRY(read_requirement(&m, VEC_PUSH(ret, struct job_requirement), err));
    }
    return 0;
}

static int put_requirements(void *owner, const struct http_request *rq, struct http_response *rs,
                            struct error *err)
{
    struct rest_server *s = owner;
    struct vec requirements = VEC_INIT(struct job_requirement);
    struct job_overview job;
    const struct json_node *body;
    struct error why = ERROR_INIT;
    if (!rest_body_object(rq, rs, "JobResourceRequirementsBody", &body) ||
        !rest_has_job(s, rq, rs, &job)) {
        return 0;
    }
    int rc = read_requirements(body, &requirements, &why);
    if (rc == 0) {
        rc = dispatcher_set_requirements(s->o.dispatcher, &job.id, requirements.data,
                                         requirements.len, &why);
    }
    vec_fini(&requirements);
    switch (rc) {
    case 0:
        return rest_done(rs, 200);
    case ERR_INVALID_ARGUMENT:
    case ERR_PARSE:
        return rest_fail(rs, 400, "%s", why.message);
    case ERR_UNSUPPORTED:
        return rest_fail(rs, 409, "%s", why.message);
    case ERR_CLOSED:
        return rest_fail(rs, 404, "%s", why.message);
    default:
        return rest_fail_error(rs, &why);
    }
}

/* ---- rescales ----------------------------------------------------------------------------------------- */

static const char no_history[] =
    "The job has no rescale history: only the adaptive scheduler rescales.";

static int history(void *owner, const struct http_request *rq, struct http_response *rs,
                   struct error *err)
{
    const struct job_details *job;
    if (!get_elastic(owner, rq, rs, &job, 404, no_history)) {
        return 0;
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_array(w);
    for (size_t i = job->elastic->n_rescales; i > 0; i--) { /* newest first */
        rest_write_rescale(w, job, job->elastic->rescales[i - 1]);
    }
    json_writer_end(w);
    job_details_unref(job);
    return 0;
}

static const Flinc__Rescale *find_rescale(const Flinc__ElasticJob *e, const struct flinc_id *id)
{
    for (size_t i = 0; i < e->n_rescales; i++) {
        const ProtobufCBinaryData *uuid = &e->rescales[i]->uuid;
        if (uuid->len == sizeof(id->bytes) && memcmp(uuid->data, id->bytes, uuid->len) == 0) {
            return e->rescales[i];
        }
    }
    return NULL;
}

static int details(void *owner, const struct http_request *rq, struct http_response *rs,
                   struct error *err)
{
    const struct job_details *job;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "rescaleuuid", &id) ||
        !get_elastic(owner, rq, rs, &job, 404, no_history)) {
        return 0;
    }
    const Flinc__Rescale *r = find_rescale(job->elastic, &id);
    if (r != NULL) {
        rest_write_rescale(http_response_json(rs), job, r);
    } else {
        id_format(&id, hex);
        rest_fail(rs, 404, "Could not find rescale details for rescale %s.", hex);
    }
    job_details_unref(job);
    return 0;
}

static int config(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *err)
{
    const struct job_details *job;
    if (get_elastic(owner, rq, rs, &job, 404, no_history)) {
        rest_write_rescale_config(http_response_json(rs), job);
        job_details_unref(job);
    }
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static const struct rest_route routes[] = {
    REST_ROW(GET, "/jobs/:jobid/resource-requirements", 0, get_requirements,
             "Bounds of the parallelism of each vertex; with the adaptive scheduler only.", "-",
             "JobResourceRequirementsBody"),
    REST_ROW(PUT, "/jobs/:jobid/resource-requirements", 0, put_requirements,
             "Sets them: the job is rescaled; with the adaptive scheduler only.",
             "JobResourceRequirementsBody", "-"),
    REST_ROW(GET, "/jobs/:jobid/rescales/history", 0, history,
             "Rescales of a job, newest first; with the adaptive scheduler only "
             "(web.adaptive-scheduler.rescale-history.size).",
             "-", "JobRescalesHistory"),
    REST_ROW(GET, "/jobs/:jobid/rescales/details/:rescaleuuid", 0, details,
             "A rescale of a job; with the adaptive scheduler only.", "-", "JobRescaleDetails"),
    REST_ROW(GET, "/jobs/:jobid/rescales/config", 0, config,
             "How a job rescales; with the adaptive scheduler only.", "-", "JobRescaleConfigInfo"),
};
const struct rest_family rest_elastic_family = REST_FAMILY("Elastic jobs", routes);
