/* The exception history of a job, in the shape of Flink 2.x with the fields of 1.20 beside it. */
#include "jobmanager/rest/shape/shape.h"

void error_exception_name(const struct error *e, struct str *out)
{
    str_printf(out, "flinc.%s", error_code_name(e->code));
}

void error_stack_trace(const struct error *e, struct str *out)
{
    error_exception_name(e, out);
    str_printf(out, ": %s\n", e->message);
    struct slice rest = slice_cstr(e->frames), frame;
    while (slice_next(&rest, '\n', &frame)) {
        if (frame.len > 0) {
            str_printf(out, "\twhile %.*s\n", (int)frame.len, frame.data);
        }
    }
}

/* ---- history -------------------------------------------------------------------------------------- */

static void put_failure(struct json_writer *w, const struct job_failure *f, const char *tm_id,
                        const char *endpoint)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO trace = STR_INIT;
    error_exception_name(&f->error, &name);
    error_stack_trace(&f->error, &trace);
    json_writer_put_string(w, "exceptionName", str_cstr(&name));
    json_writer_put_string(w, "stacktrace", str_cstr(&trace));
    json_writer_put_int(w, "timestamp", f->timestamp_ms);
    json_writer_key(w, "failureLabels");
    json_writer_object(w);
    json_writer_end(w);
    if (f->task_name[0] != '\0') {
        json_writer_put_string(w, "taskName", f->task_name);
    }
    if (endpoint != NULL) {
        json_writer_put_string(w, "endpoint", endpoint);
        json_writer_put_string(w, "location", endpoint);
    }
    if (tm_id != NULL) {
        json_writer_put_string(w, "taskManagerId", tm_id);
    }
}

static void write_history_entry(struct json_writer *w, const struct failure_details *f)
{
    json_writer_object(w);
    put_failure(w, &f->root, f->tm_id, f->endpoint);
    json_writer_key(w, "concurrentExceptions");
    json_writer_array(w);
    for (uint32_t i = 0; i < f->n_concurrent; i++) {
        json_writer_object(w);
        put_failure(w, &f->concurrent[i],
                    f->concurrent_tm_ids != NULL ? f->concurrent_tm_ids[i] : NULL,
                    f->concurrent_endpoints != NULL ? f->concurrent_endpoints[i] : NULL);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
}

static void write_history(struct json_writer *w, const struct job_details *d,
                          const struct rest_exceptions_query *q)
{
    uint32_t n = q->only_labelled ? 0 : MIN(d->n_failures, q->max);
    json_writer_key(w, "exceptionHistory");
    json_writer_object(w);
    json_writer_key(w, "entries");
    json_writer_array(w);
    for (uint32_t i = 0; i < n; i++) {
        write_history_entry(w, &d->failures[d->n_failures - 1 - i]); /* newest first */
    }
    json_writer_end(w);
    bool more = !q->only_labelled && (n < d->n_failures || d->failures_truncated);
    json_writer_put_bool(w, "truncated", more);
    json_writer_end(w);
}

/* ---- what clients of 1.20 read -------------------------------------------------------------------- */

/* Of a job that has failed, why: it says what the restart strategy made of its last failure. */
static void put_root(struct json_writer *w, const struct job_details *d)
{
    const struct job_failure *last =
        d->n_failures > 0 ? &d->failures[d->n_failures - 1].root : NULL;
    const struct error *error = d->cause != NULL || last == NULL ? d->cause : &last->error;
    if (error == NULL) {
        return;
    }
    STR_AUTO trace = STR_INIT;
    error_stack_trace(error, &trace);
    json_writer_put_string(w, "root-exception", str_cstr(&trace));
    json_writer_put_int(w, "timestamp",
                        last != NULL ? last->timestamp_ms : d->status_since_ms[d->status]);
}

static void write_task_exception(struct json_writer *w, const struct vertex_details *v,
                                 uint32_t subtask)
{
    const struct attempt_details *a = &v->subtasks[subtask].current;
    STR_AUTO trace = STR_INIT;
    error_stack_trace(a->failure, &trace);
    json_writer_object(w);
    json_writer_put_string(w, "exception", str_cstr(&trace));
    json_writer_key(w, "task");
    json_writer_printf(w, "%s (%u/%u)", v->name, subtask + 1, v->parallelism);
    const char *place = a->endpoint != NULL ? a->endpoint : "(unassigned)";
    json_writer_put_string(w, "location", place);
    json_writer_put_string(w, "endpoint", place);
    json_writer_put_int(w, "timestamp", attempt_end_ms(a));
    json_writer_put_string(w, "taskManagerId", a->tm_id != NULL ? a->tm_id : "(unassigned)");
    json_writer_end(w);
}

/* The failures of the current attempts; true when there were more than asked for. */
static bool write_task_exceptions(struct json_writer *w, const struct job_details *d, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        const struct vertex_details *v = &d->vertices[i];
        for (uint32_t s = 0; s < v->n_subtasks; s++) {
            if (v->subtasks[s].current.failure != NULL) {
                if (n++ >= max) {
                    return true;
                }
                write_task_exception(w, v, s);
            }
        }
    }
    return false;
}

void rest_write_job_exceptions(struct json_writer *w, const struct job_details *d,
                               const struct rest_exceptions_query *q)
{
    json_writer_object(w);
    put_root(w, d);
    json_writer_key(w, "all-exceptions");
    json_writer_array(w);
    bool truncated = write_task_exceptions(w, d, q->max);
    json_writer_end(w);
    json_writer_put_bool(w, "truncated", truncated);
    write_history(w, d, q);
    json_writer_end(w);
}
