/* The JSON shapes of REST answers: pure functions from what is known of jobs and task managers to JSON.
 * Every answer is the union of the fields that clients of Flink 1.20 and 2.x require: their mappers
 * ignore what they do not know, but fail when a number is missing.
 *
 * Times are wall-clock milliseconds; in structs 0 means "not reached", which answers show as -1 (or as 0
 * inside of "timestamps", as Flink does).
 * Flink: the message classes of org.apache.flink.runtime.rest.messages.  Thread: any. */
#ifndef FLINC_JOBMANAGER_REST_SHAPE_SHAPE_H
#define FLINC_JOBMANAGER_REST_SHAPE_SHAPE_H

#include "common/text/json_writer.h"
#include "jobmanager/dispatcher/dispatcher.h"
#include "jobmanager/jobmaster/job_details.h"
#include "jobmanager/resourcemanager/resourcemanager.h"

/* The version whose REST interface we speak, and who we are. */
#define REST_FLINK_VERSION "2.2.0"

/* ---- parts ---------------------------------------------------------------------------------------- */

void rest_put_id(struct json_writer *w, const char *key, const struct flinc_id *id);
/* Key and a time that is -1 when it was not reached. */
void rest_put_time(struct json_writer *w, const char *key, int64_t time_ms);
/* {"CREATED":n,...}: all execution states of Flink, from counts by our numbers. */
void rest_write_state_counts(struct json_writer *w, const uint32_t counts[EXECUTION_STATES]);
/* The same with lower-case keys and "total" first, as lists of jobs have it. */
void rest_write_task_counts(struct json_writer *w, uint32_t total, const uint32_t *counts);

/* The I/O counters of one or several attempts. */
struct rest_io {
    struct task_counters sum;
    bool complete; /* of all attempts: final values */
};
void rest_io_init(struct rest_io *io);
void rest_io_add(struct rest_io *io, const struct attempt_details *a);
void rest_write_io(struct json_writer *w, const struct rest_io *io);

/* What is aggregated over the attempts of a vertex or of a task manager. */
enum { REST_STATUS_DURATIONS = 5 }; /* CREATED ... RUNNING */
struct rest_aggregate {
    struct vec io[7];                            /* of int64_t, one per counter */
    struct vec durations[REST_STATUS_DURATIONS]; /* of int64_t */
};
void rest_aggregate_init(struct rest_aggregate *a);
void rest_aggregate_fini(struct rest_aggregate *a);
void rest_aggregate_add(struct rest_aggregate *a, const struct attempt_details *attempt,
                        int64_t now_ms);
void rest_write_aggregate(struct json_writer *w, const struct rest_aggregate *a);
/* {min, max, avg, sum, median, p25, p75, p95}; sorts the values. */
void rest_write_statistics(struct json_writer *w, int64_t *values, size_t n);

/* When an attempt was deployed and ended; 0: not yet. */
int64_t attempt_start_ms(const struct attempt_details *a);
int64_t attempt_end_ms(const struct attempt_details *a);
/* How long it was (or is) in a state that is not terminal; -1: never. */
int64_t attempt_state_duration_ms(const struct attempt_details *a, Flinc__ExecutionState state,
                                  int64_t now_ms);

/* Start, end and duration of several attempts together, as Flink counts them. */
struct rest_span {
    int64_t start_ms, end_ms; /* 0: none yet */
    bool all_ended;
};
void rest_span_init(struct rest_span *s);
void rest_span_add(struct rest_span *s, const struct attempt_details *a);
void rest_write_span(struct json_writer *w, const struct rest_span *s, int64_t now_ms);

/* ---- errors --------------------------------------------------------------------------------------- */

/* What stands in place of Flink's exception class ("flinc.USER_CODE"), and of its stack trace. */
void error_exception_name(const struct error *e, struct str *out);
void error_stack_trace(const struct error *e, struct str *out);
/* {"class", "stack-trace", "serialized-throwable"}: what Java clients read of it is a serialized
 * org.apache.flink.util.SerializedThrowable, in base64. */
void rest_write_throwable(struct json_writer *w, const struct error *e);
/* The bytes of that Java object. */
void serialized_throwable(const char *class_name, const char *stack_trace, const char *message,
                          struct str *out);

/* ---- the cluster ---------------------------------------------------------------------------------- */

struct rest_features {
    int64_t refresh_interval_ms;
    bool submit, cancel, rescale, history;
};
void rest_write_config(struct json_writer *w, const struct rest_features *f, int64_t now_ms);
void rest_write_overview(struct json_writer *w, const struct resource_overview *r,
                         const struct job_counts *jobs);

/* ---- jobs ----------------------------------------------------------------------------------------- */

/* When a job started and ended; end 0: it runs. */
int64_t job_start_ms(const struct job_details *d);
int64_t job_end_ms(const struct job_details *d);
void rest_write_job_overview(struct json_writer *w, const struct job_overview *o, int64_t now_ms);
void rest_write_job(struct json_writer *w, const struct job_details *d);
void rest_write_job_config(struct json_writer *w, const struct job_details *d);
void rest_write_job_accumulators(struct json_writer *w, const struct job_details *d);
/* {"status", "job-execution-result"} */
void rest_write_job_result(struct json_writer *w, const struct job_details *d);

struct rest_exceptions_query {
    uint32_t max;       /* entries of the history, and of all-exceptions */
    bool only_labelled; /* asked for labels, which no failure has */
};
void rest_write_job_exceptions(struct json_writer *w, const struct job_details *d,
                               const struct rest_exceptions_query *q);

/* ---- jobs under the adaptive scheduler: job_details.elastic is set ------------------------------------ */

void rest_write_requirements(struct json_writer *w, const struct job_details *d);
void rest_write_rescale_config(struct json_writer *w, const struct job_details *d);
void rest_write_rescale(struct json_writer *w, const struct job_details *d,
                        const Flinc__Rescale *r);

/* ---- vertices and subtasks ------------------------------------------------------------------------ */

void rest_write_job_vertex(struct json_writer *w, const struct job_details *d,
                           const struct vertex_details *v); /* item of a job's "vertices" */
void rest_write_vertex(struct json_writer *w, const struct job_details *d,
                       const struct vertex_details *v);
void rest_write_subtask_times(struct json_writer *w, const struct job_details *d,
                              const struct vertex_details *v);
void rest_write_vertex_taskmanagers(struct json_writer *w, const struct job_details *d,
                                    const struct vertex_details *v);
void rest_write_vertex_accumulators(struct json_writer *w, const struct vertex_details *v);
void rest_write_subtask_accumulators(struct json_writer *w, const struct vertex_details *v);
/* One attempt of a subtask. */
struct rest_attempt {
    const struct job_details *job;
    const struct vertex_details *vertex;
    uint32_t subtask;
    const struct attempt_details *attempt;
};
void rest_write_attempt(struct json_writer *w, const struct rest_attempt *a);
void rest_write_attempt_accumulators(struct json_writer *w, const struct rest_attempt *a);
/* [{name, type, value}] */
void rest_write_accumulators(struct json_writer *w, const struct task_accumulator *accumulators,
                             uint32_t n);

/* ---- task managers -------------------------------------------------------------------------------- */

/* The fields of a task manager in the list and in its details, without the object around them. */
/* A resource profile; memory in MiB, as Flink shows it. */
void rest_write_resource(struct json_writer *w, const Flinc__ResourceProfile *p);
void rest_put_taskmanager(struct json_writer *w, const struct taskmanager_details *t);
/* allocatedSlots of the details. */
void rest_write_slots(struct json_writer *w, const struct taskmanager_details *t);
/* The metrics of the details, from metric values by name (NULL: not there). */
void rest_write_taskmanager_metrics(struct json_writer *w,
                                    const char *(*value)(const void *arg, const char *name),
                                    const void *arg);

/* ---- checkpoints ----------------------------------------------------------------------------------- */

void rest_write_checkpoint_statistics(struct json_writer *w, const struct checkpoint_stats *s);
void rest_write_checkpoint_config(struct json_writer *w, const struct checkpoint_config *c);
void rest_write_checkpoint(struct json_writer *w, const struct checkpoint_details *d);
void rest_write_vertex_checkpoint(struct json_writer *w, const struct checkpoint_details *d,
                                  const struct vertex_checkpoint_stats *v);
/* {"status", "operation"} of what was triggered. */
void rest_write_operation(struct json_writer *w, enum checkpoint_operation_kind kind,
                          const struct checkpoint_operation *op);

#endif
