/* Routes of jobs: lists, details, status, result, configuration, plan, exceptions, accumulators, cancel. */
#include "common/text/number.h"
#include "jobmanager/rest/rest_internal.h"
#include <strings.h>

/* ---- lists ---------------------------------------------------------------------------------------- */

static int jobs_list(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    struct rest_server *s = owner;
    struct job_overviews jobs = {0};
    dispatcher_get_overviews(s->o.dispatcher, &jobs);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "jobs");
    json_writer_array(w);
    for (uint32_t i = 0; i < jobs.n; i++) {
        json_writer_object(w);
        rest_put_id(w, "id", &jobs.items[i].id);
        json_writer_put_string(w, "status", job_status_name(jobs.items[i].status));
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    job_overviews_fini(&jobs);
    return 0;
}

static int jobs_overview(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    struct rest_server *s = owner;
    overview_cache_append(&s->overviews, s->o.dispatcher, rest_now_ms(), http_response_body(rs));
    return 0;
}

/* ---- one job -------------------------------------------------------------------------------------- */

/* Answers with a shape of a job's details. */
static int answer_shape(void *owner, const struct http_request *rq, struct http_response *rs,
                        void (*write)(struct json_writer *w, const struct job_details *d))
{
    const struct job_details *d;
    if (rest_get_job(owner, rq, rs, &d)) {
        write(http_response_json(rs), d);
        job_details_unref(d);
    }
    return 0;
}

static int job_details(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    return answer_shape(owner, rq, rs, rest_write_job);
}

static int job_config(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    return answer_shape(owner, rq, rs, rest_write_job_config);
}

static int job_accumulators(void *owner, const struct http_request *rq, struct http_response *rs,
                            struct error *err)
{
    return answer_shape(owner, rq, rs, rest_write_job_accumulators);
}

static void write_plan(struct json_writer *w, const struct job_details *d)
{
    json_writer_object(w);
    json_writer_key(w, "plan");
    json_writer_raw(w, slice_cstr(d->plan_json));
    json_writer_end(w);
}

static int job_plan(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    return answer_shape(owner, rq, rs, write_plan);
}

static int job_status(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    struct job_overview job;
    if (rest_has_job(owner, rq, rs, &job)) {
        struct json_writer *w = http_response_json(rs);
        json_writer_object(w);
        json_writer_put_string(w, "status", job_status_name(job.status));
        json_writer_end(w);
    }
    return 0;
}

static int job_result(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    return answer_shape(owner, rq, rs, rest_write_job_result);
}

/* "key:value" pairs; false: malformed. */
static bool parse_label_filter(const char *text, bool *ret_any)
{
    REST_LIST_AUTO labels;
    rest_list_init(&labels, text, ',');
    for (size_t i = 0; i < labels.n; i++) {
        const char *colon = strchr(labels.items[i], ':');
        if (colon == NULL || colon == labels.items[i] || colon[1] == '\0') {
            return false;
        }
        *ret_any = true;
    }
    return true;
}

static int job_exceptions(void *owner, const struct http_request *rq, struct http_response *rs,
                          struct error *err)
{
    struct rest_exceptions_query q = {.max = REST_EXCEPTIONS_DEFAULT};
    const char *max = http_request_query(rq, "maxExceptions");
    const struct job_details *d;
    if (max != NULL && max[0] != '\0') {
        uint64_t value;
        if (number_parse_uint64(slice_cstr(max), &value) < 0 || value > INT32_MAX) {
            return rest_fail(rs, 400,
                             "Bad request, could not parse parameters: maxExceptions is a number");
        }
        q.max = (uint32_t)value;
    }
    if (!parse_label_filter(http_request_query(rq, "failureLabelFilter"), &q.only_labelled)) {
        return rest_fail(rs, 400,
                         "Bad request, could not parse parameters: failureLabelFilter is a list "
                         "of key:value");
    }
    if (rest_get_job(owner, rq, rs, &d)) {
        rest_write_job_exceptions(http_response_json(rs), d, &q);
        job_details_unref(d);
    }
    return 0;
}

/* ---- cancel --------------------------------------------------------------------------------------- */

int rest_cancel_job(struct rest_server *s, const struct flinc_id *id, struct http_response *rs)
{
    struct error err = ERROR_INIT;
    struct job_overview job;
    if (!s->features.cancel) {
        return rest_fail(rs, 403, "Cancelling jobs over REST is off (web.cancel.enable: false).");
    }
    switch (dispatcher_cancel(s->o.dispatcher, id, &err)) {
    case 0:
        return rest_done(rs, 202);
    case ERR_NOT_FOUND:
        return rest_fail(rs, 404, "Job could not be found.");
    case ERR_STATE:
        return rest_fail(
            rs, 409,
            "Job cancellation failed because the job has already reached another terminal state "
            "(%s).",
            dispatcher_get_overview(s->o.dispatcher, id, &job) ? job_status_name(job.status)
                                                               : err.message);
    default:
        return rest_fail_error(rs, &err);
    }
}

static int cancel_job(struct rest_server *s, const struct http_request *rq,
                      struct http_response *rs)
{
    struct flinc_id id;
    return rest_param_id(rq, rs, "jobid", &id) ? rest_cancel_job(s, &id, rs) : 0;
}

static int job_patch(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    const char *mode = http_request_query(rq, "mode");
    if (mode == NULL || mode[0] == '\0' || strcasecmp(mode, "cancel") == 0) {
        return cancel_job(owner, rq, rs);
    }
    if (strcasecmp(mode, "stop") == 0) {
        return rest_fail(rs, 308,
                         "The termination mode \"stop\" has been removed. For stopping a job, use "
                         "\"POST /jobs/:jobid/stop\".");
    }
    return rest_fail(rs, 400, "Bad request, could not parse parameters: mode is cancel or stop");
}

static int job_yarn_cancel(void *owner, const struct http_request *rq, struct http_response *rs,
                           struct error *err)
{
    return cancel_job(owner, rq, rs);
}

static int job_yarn_stop(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    return rest_fail(rs, 308,
                     "The termination mode \"stop\" has been removed. For stopping a job, use "
                     "\"POST /jobs/:jobid/stop\".");
}

/* The client lives; a job whose client is gone is not ended for it yet. */
static int client_heartbeat(void *owner, const struct http_request *rq, struct http_response *rs,
                            struct error *err)
{
    const struct json_node *body;
    struct error bad = ERROR_INIT;
    struct job_overview job;
    int64_t expired_ms = 0;
    if (!rest_body_object(rq, rs, "JobClientHeartbeatRequestBody", &body)) {
        return 0;
    }
    if (json_member_int(body, "expiredTimestamp", JSON_OPTIONAL, &expired_ms, &bad) < 0) {
        return rest_fail(rs, 400, "%s", bad.message);
    }
    if (!rest_has_job(owner, rq, rs, &job)) {
        return 0;
    }
    struct rest_server *s = owner;
    TRY(dispatcher_client_heartbeat(s->o.dispatcher, &job.id, expired_ms, err));
    return rest_done(rs, 202);
}

/* ---- the job's processes -------------------------------------------------------------------------- */

static int job_jobmanager_config(void *owner, const struct http_request *rq,
                                 struct http_response *rs, struct error *err)
{
    struct rest_server *s = owner;
    struct job_overview job;
    if (rest_has_job(s, rq, rs, &job)) {
        conf_write_json(s->o.conf, http_response_json(rs));
    }
    return 0;
}

static int job_jobmanager_environment(void *owner, const struct http_request *rq,
                                      struct http_response *rs, struct error *err)
{
    struct rest_server *s = owner;
    struct job_overview job;
    if (rest_has_job(s, rq, rs, &job)) {
        rest_write_own_environment(http_response_json(rs), s->o.conf);
    }
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static const struct rest_route routes[] = {
    REST_ROW(GET, "/jobs", 0, jobs_list, "Ids and states of all jobs.", "-",
             "JobIdsWithStatusOverview"),
    REST_ROW(GET, "/jobs/overview", 0, jobs_overview,
             "All jobs with times and numbers of tasks by state.", "-", "MultipleJobsDetails"),
    REST_ROW(GET, "/jobs/:jobid", HTTP_BLOCKING, job_details,
             "A job: state, times, vertices with their counters, plan.", "-", "JobDetailsInfo"),
    REST_ROW(PATCH, "/jobs/:jobid", HTTP_BLOCKING, job_patch, "Cancels a job (mode=cancel).", "-",
             "-"),
    REST_ROW(GET, "/jobs/:jobid/yarn-cancel", HTTP_BLOCKING, job_yarn_cancel,
             "Cancels a job; for clients that can only GET.", "-", "-"),
    REST_ROW(GET, "/jobs/:jobid/yarn-stop", 0, job_yarn_stop,
             "Gone: says where stopping has moved to.", "-", "-"),
    REST_ROW(GET, "/jobs/:jobid/status", 0, job_status, "The state of a job.", "-",
             "JobStatusInfo"),
    REST_ROW(GET, "/jobs/:jobid/execution-result", HTTP_BLOCKING, job_result,
             "The result of a job once it has ended; IN_PROGRESS before.", "-",
             "JobExecutionResultResponseBody"),
    REST_ROW(GET, "/jobs/:jobid/config", HTTP_BLOCKING, job_config,
             "Restart strategy, parallelism and the job's own configuration.", "-",
             "JobConfigInfo"),
    REST_ROW(GET, "/jobs/:jobid/plan", HTTP_BLOCKING, job_plan, "The plan of a job.", "-",
             "JobPlanInfo"),
    REST_ROW(GET, "/jobs/:jobid/exceptions", HTTP_BLOCKING, job_exceptions,
             "Failures of a job, newest first, with those that came with them.", "-",
             "JobExceptionsInfoWithHistory"),
    REST_ROW(GET, "/jobs/:jobid/accumulators", HTTP_BLOCKING, job_accumulators,
             "User accumulators of a job.", "-", "JobAccumulatorsInfo"),
    REST_ROW(PATCH, "/jobs/:jobid/clientHeartbeat", 0, client_heartbeat,
             "Says that the job's client is alive.", "JobClientHeartbeatRequestBody", "-"),
    REST_ROW(GET, "/jobs/:jobid/jobmanager/config", 0, job_jobmanager_config,
             "Configuration of the job's job manager.", "-", "ConfigurationInfo"),
    REST_ROW(GET, "/jobs/:jobid/jobmanager/environment", 0, job_jobmanager_environment,
             "Environment of the job's job manager.", "-", "EnvironmentInfo"),
};
const struct rest_family rest_jobs_family = REST_FAMILY("Jobs", routes);
