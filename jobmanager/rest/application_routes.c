/* Routes of applications (Flink 2.3): every job is an application of the same id. */
#include "jobmanager/rest/rest_internal.h"

static void put_application(struct json_writer *w, const struct job_overview *o, int64_t now_ms)
{
    int64_t end_ms = o->end_ms > 0 ? o->end_ms : now_ms;
    rest_put_id(w, "id", &o->id);
    json_writer_put_string(w, "name", o->name);
    json_writer_put_string(w, "status", job_status_name(o->status));
    rest_put_time(w, "start-time", o->start_ms);
    rest_put_time(w, "end-time", o->end_ms);
    json_writer_put_int(w, "duration", o->start_ms > 0 ? MAX(end_ms - o->start_ms, (int64_t)0) : 0);
}

static int applications(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    struct rest_server *s = owner;
    struct job_overviews jobs = {0};
    dispatcher_get_overviews(s->o.dispatcher, &jobs);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "applications");
    json_writer_array(w);
    for (uint32_t i = 0; i < jobs.n; i++) {
        json_writer_object(w);
        put_application(w, &jobs.items[i], rest_now_ms());
        json_writer_key(w, "jobs");
        json_writer_object(w);
        json_writer_put_int(w, job_status_name(jobs.items[i].status), 1);
        json_writer_end(w);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    job_overviews_fini(&jobs);
    return 0;
}

/* The application of the path; otherwise the answer is made. */
static bool get_application(struct rest_server *s, const struct http_request *rq,
                            struct http_response *rs, struct job_overview *ret)
{
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "applicationid", &id)) {
        return false;
    }
    if (!dispatcher_get_overview(s->o.dispatcher, &id, ret)) {
        id_format(&id, hex);
        rest_fail(rs, 404, "Application %s not found", hex);
        return false;
    }
    return true;
}

/* With the job's details too; the caller unrefs them. */
static bool get_details(struct rest_server *s, const struct http_request *rq,
                        struct http_response *rs, struct job_overview *ret,
                        const struct job_details **ret_details)
{
    struct error err = ERROR_INIT;
    if (!get_application(s, rq, rs, ret)) {
        return false;
    }
    if (dispatcher_get_details(s->o.dispatcher, &ret->id, s->ask_timeout_ms, ret_details, &err) <
        0) {
        rest_fail_error(rs, &err);
        return false;
    }
    return true;
}

static int application(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct job_overview o;
    const struct job_details *d;
    if (!get_details(owner, rq, rs, &o, &d)) {
        return 0;
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    put_application(w, &o, rest_now_ms());
    json_writer_key(w, "timestamps");
    json_writer_object(w);
    for (uint32_t i = 0; i < JOB_STATUS_COUNT; i++) {
        json_writer_put_int(w, job_status_name((enum job_status)i), d->status_since_ms[i]);
    }
    json_writer_end(w);
    json_writer_key(w, "jobs");
    json_writer_array(w);
    rest_write_job_overview(w, &o, rest_now_ms());
    json_writer_end(w);
    json_writer_end(w);
    job_details_unref(d);
    return 0;
}

static int application_exceptions(void *owner, const struct http_request *rq,
                                  struct http_response *rs, struct error *err)
{
    struct job_overview o;
    const struct job_details *d;
    if (!get_details(owner, rq, rs, &o, &d)) {
        return 0;
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "exceptionHistory");
    json_writer_object(w);
    json_writer_key(w, "entries");
    json_writer_array(w);
    if (d->cause != NULL) {
        STR_AUTO name = STR_INIT;
        STR_AUTO trace = STR_INIT;
        error_exception_name(d->cause, &name);
        error_stack_trace(d->cause, &trace);
        json_writer_object(w);
        json_writer_put_string(w, "exceptionName", str_cstr(&name));
        json_writer_put_string(w, "stacktrace", str_cstr(&trace));
        json_writer_put_int(w, "timestamp", d->status_since_ms[d->status]);
        rest_put_id(w, "jobId", &d->id);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    json_writer_end(w);
    job_details_unref(d);
    return 0;
}

static int application_config(void *owner, const struct http_request *rq, struct http_response *rs,
                              struct error *err)
{
    struct rest_server *s = owner;
    struct job_overview o;
    if (get_application(s, rq, rs, &o)) {
        conf_write_json(s->o.conf, http_response_json(rs));
    }
    return 0;
}

static int application_cancel(void *owner, const struct http_request *rq, struct http_response *rs,
                              struct error *err)
{
    struct rest_server *s = owner;
    struct job_overview o;
    return get_application(s, rq, rs, &o) ? rest_cancel_job(s, &o.id, rs) : 0;
}

static const struct rest_route routes[] = {
    REST_ROW(GET, "/applications/overview", 0, applications, "All applications.", "-",
             "MultipleApplicationsDetails"),
    REST_ROW(GET, "/applications/:applicationid", HTTP_BLOCKING, application,
             "An application with its job.", "-", "ApplicationDetailsInfo"),
    REST_ROW(GET, "/applications/:applicationid/exceptions", HTTP_BLOCKING, application_exceptions,
             "Why an application failed.", "-", "ApplicationExceptionsInfoWithHistory"),
    REST_ROW(GET, "/applications/:applicationid/jobmanager/config", 0, application_config,
             "Configuration of its job manager.", "-", "ConfigurationInfo"),
    REST_ROW(POST, "/applications/:applicationid/cancel", HTTP_BLOCKING, application_cancel,
             "Cancels an application.", "-", "-"),
};
const struct rest_family rest_applications_family = REST_FAMILY("Applications", routes);
