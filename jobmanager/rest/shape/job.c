/* Shapes of a job: list item, details, configuration, accumulators, result. */
#include "jobmanager/rest/shape/shape.h"

int64_t job_start_ms(const struct job_details *d)
{
    int64_t start_ms = d->status_since_ms[JOB_STATUS_INITIALIZING];
    return start_ms > 0 ? start_ms : d->status_since_ms[JOB_STATUS_CREATED];
}

int64_t job_end_ms(const struct job_details *d)
{
    return job_status_is_globally_terminal(d->status) ? d->status_since_ms[d->status] : 0;
}

static const char *job_type(Flinc__RuntimeMode mode)
{
    return mode == FLINC__RUNTIME_MODE__RUNTIME_BATCH ? "BATCH" : "STREAMING";
}

static void put_job_times(struct json_writer *w, int64_t start_ms, int64_t end_ms, int64_t now_ms)
{
    rest_put_time(w, "start-time", start_ms);
    rest_put_time(w, "end-time", end_ms);
    int64_t duration_ms = start_ms > 0 ? (end_ms > 0 ? end_ms : now_ms) - start_ms : 0;
    json_writer_put_int(w, "duration", MAX(duration_ms, (int64_t)0));
}

static const char *scheduler_type(bool is_adaptive)
{
    return is_adaptive ? "Adaptive" : "Default";
}

/* ---- list ----------------------------------------------------------------------------------------- */

void rest_write_job_overview(struct json_writer *w, const struct job_overview *o, int64_t now_ms)
{
    json_writer_object(w);
    rest_put_id(w, "jid", &o->id);
    json_writer_put_string(w, "name", o->name);
    json_writer_put_string(w, "state", job_status_name(o->status));
    json_writer_put_string(w, "jobType", job_type(o->runtime_mode));
    json_writer_put_string(w, "schedulerType", scheduler_type(o->is_adaptive));
    put_job_times(w, o->start_ms, o->end_ms, now_ms);
    json_writer_put_int(w, "last-modification", o->last_modification_ms);
    json_writer_key(w, "tasks");
    rest_write_task_counts(w, o->tasks_total, o->tasks_by_state);
    json_writer_put_int(w, "pending-operators", 0);
    json_writer_end(w);
}

/* ---- details -------------------------------------------------------------------------------------- */

static void write_timestamps(struct json_writer *w, const struct job_details *d)
{
    json_writer_object(w);
    for (uint32_t s = 0; s < JOB_STATUS_COUNT; s++) {
        json_writer_put_int(w, job_status_name((enum job_status)s), d->status_since_ms[s]);
    }
    json_writer_end(w);
}

static void write_vertices(struct json_writer *w, const struct job_details *d)
{
    uint32_t counts[EXECUTION_STATES] = {0};
    json_writer_key(w, "vertices");
    json_writer_array(w);
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        rest_write_job_vertex(w, d, &d->vertices[i]);
        counts[vertex_details_state(&d->vertices[i])]++;
    }
    json_writer_end(w);
    json_writer_key(w, "status-counts");
    rest_write_state_counts(w, counts);
}

void rest_write_job(struct json_writer *w, const struct job_details *d)
{
    json_writer_object(w);
    rest_put_id(w, "jid", &d->id);
    rest_put_id(w, "application-id", &d->id); /* a job alone is an application of the same id */
    json_writer_put_string(w, "name", d->name);
    json_writer_put_bool(w, "isStoppable", false);
    json_writer_put_string(w, "state", job_status_name(d->status));
    json_writer_put_string(w, "job-type", job_type(d->runtime_mode));
    json_writer_put_string(w, "schedulerType", scheduler_type(d->elastic != NULL));
    put_job_times(w, job_start_ms(d), job_end_ms(d), d->taken_ms);
    json_writer_put_int(w, "maxParallelism",
                        d->max_parallelism > 0 ? (int64_t)d->max_parallelism : -1);
    json_writer_put_int(w, "now", d->taken_ms);
    json_writer_key(w, "timestamps");
    write_timestamps(w, d);
    write_vertices(w, d);
    json_writer_key(w, "plan");
    json_writer_raw(w, slice_cstr(d->plan_json));
    json_writer_put_int(w, "pending-operators", 0);
    json_writer_end(w);
}

void rest_write_job_config(struct json_writer *w, const struct job_details *d)
{
    json_writer_object(w);
    rest_put_id(w, "jid", &d->id);
    json_writer_put_string(w, "name", d->name);
    json_writer_key(w, "execution-config");
    json_writer_object(w);
    json_writer_put_string(w, "execution-mode", "PIPELINED");
    json_writer_put_string(w, "restart-strategy",
                           d->restart_strategy != NULL ? d->restart_strategy : "");
    json_writer_put_int(w, "job-parallelism", d->parallelism);
    json_writer_put_bool(w, "object-reuse-mode", false);
    json_writer_key(w, "user-config");
    json_writer_object(w);
    for (uint32_t i = 0; i < d->n_config; i++) {
        json_writer_put_string(w, d->config[i].key, d->config[i].value);
    }
    json_writer_end(w);
    json_writer_end(w);
    json_writer_end(w);
}

/* ---- accumulators --------------------------------------------------------------------------------- */

static void write_accumulator_value(struct json_writer *w, const struct task_accumulator *a)
{
    bool is_double = cstr_starts_with(a->type, "Double") || cstr_starts_with(a->type, "Average");
    json_writer_key(w, "value");
    if (is_double) {
        json_writer_printf(w, "%.17g", a->double_value);
    } else {
        json_writer_printf(w, "%lld", (long long)a->long_value);
    }
}

void rest_write_accumulators(struct json_writer *w, const struct task_accumulator *accumulators,
                             uint32_t n)
{
    json_writer_array(w);
    for (uint32_t i = 0; i < n; i++) {
        json_writer_object(w);
        json_writer_put_string(w, "name", accumulators[i].name);
        json_writer_put_string(w, "type", accumulators[i].type);
        write_accumulator_value(w, &accumulators[i]);
        json_writer_end(w);
    }
    json_writer_end(w);
}

void rest_write_job_accumulators(struct json_writer *w, const struct job_details *d)
{
    json_writer_object(w);
    json_writer_key(w, "job-accumulators");
    json_writer_array(w);
    json_writer_end(w);
    json_writer_key(w, "user-task-accumulators");
    rest_write_accumulators(w, d->accumulators, d->n_accumulators);
    json_writer_key(w, "serialized-user-task-accumulators"); /* Java objects: none */
    json_writer_object(w);
    json_writer_end(w);
    json_writer_end(w);
}

/* ---- result --------------------------------------------------------------------------------------- */

static const char *application_status(enum job_status status)
{
    switch (status) {
    case JOB_STATUS_FINISHED:
        return "SUCCEEDED";
    case JOB_STATUS_CANCELED:
        return "CANCELED";
    case JOB_STATUS_FAILED:
        return "FAILED";
    default:
        return "UNKNOWN";
    }
}

static void write_result(struct json_writer *w, const struct job_details *d)
{
    int64_t start_ms = job_start_ms(d), end_ms = job_end_ms(d);
    json_writer_object(w);
    rest_put_id(w, "id", &d->id);
    rest_put_id(w, "application-id", &d->id);
    json_writer_put_string(w, "name", d->name);
    json_writer_put_string(w, "application-status", application_status(d->status));
    json_writer_key(w, "accumulator-results"); /* Java objects: none */
    json_writer_object(w);
    json_writer_end(w);
    json_writer_put_int(w, "net-runtime", MAX(end_ms - start_ms, (int64_t)0));
    json_writer_put_int(w, "start-time", start_ms);
    json_writer_put_int(w, "end-time", end_ms);
    if (d->status == JOB_STATUS_FAILED && d->cause != NULL) {
        json_writer_key(w, "failure-cause");
        rest_write_throwable(w, d->cause);
    }
    json_writer_end(w);
}

void rest_write_job_result(struct json_writer *w, const struct job_details *d)
{
    bool ended = job_status_is_globally_terminal(d->status);
    json_writer_object(w);
    json_writer_key(w, "status");
    json_writer_object(w);
    json_writer_put_string(w, "id", ended ? "COMPLETED" : "IN_PROGRESS");
    json_writer_end(w);
    json_writer_key(w, "job-execution-result");
    if (ended) {
        write_result(w, d);
    } else {
        json_writer_null(w);
    }
    json_writer_end(w);
}
