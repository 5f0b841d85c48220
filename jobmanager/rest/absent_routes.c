/* Routes of features that are not there, or off: they answer as Flink does then. */
#include "jobmanager/rest/rest_internal.h"

static int rescaling(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    return rest_fail(rs, 503, "Rescaling is temporarily disabled. See FLINK-12312.");
}

/* For jobs that exist, with this status and text. */
static int absent_of_job(void *owner, const struct http_request *rq, struct http_response *rs,
                         int status, const char *text)
{
    struct job_overview job;
    return rest_has_job(owner, rq, rs, &job) ? rest_fail(rs, status, "%s", text) : 0;
}

static int log_url(void *owner, const struct http_request *rq, struct http_response *rs,
                   struct error *err)
{
    return absent_of_job(owner, rq, rs, 404,
                         "There is no log url pattern: logs of a running cluster are at "
                         "/jobmanager/log and /taskmanagers/:taskmanagerid/log.");
}

static int profiler(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    return rest_fail(rs, 404,
                     "The profiler is off (rest.profiling.enabled: false), and this version of "
                     "Flinc has none: `perf record -g -p PID` works on every process of a "
                     "cluster.");
}

static int datasets(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "dataSets");
    json_writer_array(w);
    json_writer_end(w);
    json_writer_end(w);
    return 0;
}

static int dataset_delete(void *owner, const struct http_request *rq, struct http_response *rs,
                          struct error *err)
{
    struct flinc_id id;
    return rest_param_id(rq, rs, "datasetid", &id)
               ? rest_fail(rs, 404, "There is no such data set: the cluster keeps none.")
               : 0;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static const struct rest_route routes[] = {
    REST_ROW(PATCH, "/jobs/:jobid/rescaling", 0, rescaling, "Disabled, as in Flink: 503.", "-",
             "TriggerResponse"),
    REST_ROW(GET, "/jobs/:jobid/rescaling/:triggerid", 0, rescaling, "Disabled, as in Flink: 503.",
             "-", "AsynchronousOperationResult"),
    REST_ROW(GET, "/jobs/:jobid/jobmanager/log-url", 0, log_url, "Of history servers: none.", "-",
             "LogUrlResponse"),
    REST_ROW(GET, "/jobs/:jobid/taskmanagers/:taskmanagerid/log-url", 0, log_url,
             "Of history servers: none.", "-", "LogUrlResponse"),
    REST_ROW(GET, "/jobmanager/profiler", 0, profiler, "Profiles of the job manager; off.", "-",
             "ProfilingInfoList"),
    REST_ROW(POST, "/jobmanager/profiler", 0, profiler, "Profiles the job manager; off.",
             "ProfilingRequestBody", "ProfilingInfo"),
    REST_ROW(GET, "/jobmanager/profiler/:filename", 0, profiler, "A profile; off.", "-", "text"),
    REST_ROW(GET, "/taskmanagers/:taskmanagerid/profiler", 0, profiler,
             "Profiles of a task manager; off.", "-", "ProfilingInfoList"),
    REST_ROW(POST, "/taskmanagers/:taskmanagerid/profiler", 0, profiler,
             "Profiles a task manager; off.", "ProfilingRequestBody", "ProfilingInfo"),
    REST_ROW(GET, "/taskmanagers/:taskmanagerid/profiler/:filename", 0, profiler, "A profile; off.",
             "-", "text"),
    REST_ROW(GET, "/datasets", 0, datasets, "Cached intermediate results: none.", "-",
             "ClusterDataSetListResponseBody"),
    REST_ROW(DELETE, "/datasets/:datasetid", 0, dataset_delete, "Drops one: there is none.", "-",
             "TriggerResponse"),
    REST_ROW(GET, "/datasets/delete/:triggerid", 0, rest_unknown_trigger, "How dropping one ended.",
             "-", "AsynchronousOperationResult"),
};
const struct rest_family rest_absent_family = REST_FAMILY("What is off or not there", routes);
