/* Parts that several shapes have: ids, times, counts by state, I/O counters and their statistics. */
#include "jobmanager/rest/shape/shape.h"
#include <stdlib.h>

void rest_put_id(struct json_writer *w, const char *key, const struct flinc_id *id)
{
    char hex[ID_HEX_LEN + 1];
    id_format(id, hex);
    json_writer_put_string(w, key, hex);
}

void rest_put_time(struct json_writer *w, const char *key, int64_t time_ms)
{
    json_writer_put_int(w, key, time_ms > 0 ? time_ms : -1);
}

/* ---- counts by state ------------------------------------------------------------------------------ */

/* Flink's states in Flink's order; RECONCILING is one that executions here never have. */
static const struct {
    const char *upper, *lower;
    int state; /* Flinc__ExecutionState; -1: none */
} states[] = {
    {"CREATED", "created", FLINC__EXECUTION_STATE__EXECUTION_CREATED},
    {"SCHEDULED", "scheduled", FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED},
    {"DEPLOYING", "deploying", FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING},
    {"RUNNING", "running", FLINC__EXECUTION_STATE__EXECUTION_RUNNING},
    {"FINISHED", "finished", FLINC__EXECUTION_STATE__EXECUTION_FINISHED},
    {"CANCELING", "canceling", FLINC__EXECUTION_STATE__EXECUTION_CANCELING},
    {"CANCELED", "canceled", FLINC__EXECUTION_STATE__EXECUTION_CANCELED},
    {"FAILED", "failed", FLINC__EXECUTION_STATE__EXECUTION_FAILED},
    {"RECONCILING", "reconciling", -1},
    {"INITIALIZING", "initializing", FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING},
};

void rest_write_state_counts(struct json_writer *w, const uint32_t counts[EXECUTION_STATES])
{
    json_writer_object(w);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        json_writer_put_int(w, states[i].upper, states[i].state >= 0 ? counts[states[i].state] : 0);
    }
    json_writer_end(w);
}

void rest_write_task_counts(struct json_writer *w, uint32_t total, const uint32_t *counts)
{
    json_writer_object(w);
    json_writer_put_int(w, "total", total);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        json_writer_put_int(w, states[i].lower, states[i].state >= 0 ? counts[states[i].state] : 0);
    }
    json_writer_end(w);
}

/* ---- I/O counters --------------------------------------------------------------------------------- */

void rest_io_init(struct rest_io *io)
{
    *io = (struct rest_io){.complete = true};
}

void rest_io_add(struct rest_io *io, const struct attempt_details *a)
{
    io->sum.bytes_in += a->io.bytes_in;
    io->sum.bytes_out += a->io.bytes_out;
    io->sum.records_in += a->io.records_in;
    io->sum.records_out += a->io.records_out;
    io->sum.busy_ms += a->io.busy_ms;
    io->sum.idle_ms += a->io.idle_ms;
    io->sum.backpressured_ms += a->io.backpressured_ms;
    io->complete &= a->io_complete;
}

void rest_write_io(struct json_writer *w, const struct rest_io *io)
{
    json_writer_object(w);
    json_writer_put_int(w, "read-bytes", (int64_t)io->sum.bytes_in);
    json_writer_put_bool(w, "read-bytes-complete", io->complete);
    json_writer_put_int(w, "write-bytes", (int64_t)io->sum.bytes_out);
    json_writer_put_bool(w, "write-bytes-complete", io->complete);
    json_writer_put_int(w, "read-records", (int64_t)io->sum.records_in);
    json_writer_put_bool(w, "read-records-complete", io->complete);
    json_writer_put_int(w, "write-records", (int64_t)io->sum.records_out);
    json_writer_put_bool(w, "write-records-complete", io->complete);
    json_writer_put_int(w, "accumulated-backpressured-time", (int64_t)io->sum.backpressured_ms);
    json_writer_put_int(w, "accumulated-idle-time", (int64_t)io->sum.idle_ms);
    json_writer_put_double(w, "accumulated-busy-time", (double)io->sum.busy_ms);
    json_writer_end(w);
}

/* ---- times of attempts ---------------------------------------------------------------------------- */

int64_t attempt_start_ms(const struct attempt_details *a)
{
    return a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING];
}

int64_t attempt_end_ms(const struct attempt_details *a)
{
    return execution_state_is_terminal(a->state) ? a->since_ms[a->state] : 0;
}

int64_t attempt_state_duration_ms(const struct attempt_details *a, Flinc__ExecutionState state,
                                  int64_t now_ms)
{
    int64_t since_ms = a->since_ms[state], end_ms = now_ms;
    if (since_ms <= 0) {
        return -1;
    }
    for (uint32_t next = (uint32_t)state + 1; next < EXECUTION_STATES; next++) {
        if (a->since_ms[next] > 0) {
            end_ms = MIN(end_ms, a->since_ms[next]);
        }
    }
    return MAX(end_ms - since_ms, (int64_t)0);
}

void rest_span_init(struct rest_span *s)
{
    *s = (struct rest_span){.all_ended = true};
}

void rest_span_add(struct rest_span *s, const struct attempt_details *a)
{
    int64_t start_ms = attempt_start_ms(a);
    if (start_ms > 0 && (s->start_ms == 0 || start_ms < s->start_ms)) {
        s->start_ms = start_ms;
    }
    s->all_ended &= execution_state_is_terminal(a->state);
    s->end_ms = MAX(s->end_ms, a->since_ms[a->state]);
}

void rest_write_span(struct json_writer *w, const struct rest_span *s, int64_t now_ms)
{
    int64_t end_ms = s->all_ended && s->start_ms > 0 ? s->end_ms : 0;
    rest_put_time(w, "start-time", s->start_ms);
    rest_put_time(w, "end-time", end_ms);
    int64_t duration_ms = (end_ms > 0 ? end_ms : now_ms) - s->start_ms;
    json_writer_put_int(w, "duration", s->start_ms > 0 ? MAX(duration_ms, (int64_t)0) : -1);
}

/* ---- statistics ----------------------------------------------------------------------------------- */

enum { AGGREGATED_COUNTERS = 7 };
static const char *const aggregated_names[AGGREGATED_COUNTERS] = {
    "read-bytes",
    "write-bytes",
    "read-records",
    "write-records",
    "accumulated-backpressured-time",
    "accumulated-idle-time",
    "accumulated-busy-time",
};
static const struct {
    const char *name;
    Flinc__ExecutionState state;
} durations[REST_STATUS_DURATIONS] = {
    {"CREATED", FLINC__EXECUTION_STATE__EXECUTION_CREATED},
    {"SCHEDULED", FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED},
    {"DEPLOYING", FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING},
    {"INITIALIZING", FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING},
    {"RUNNING", FLINC__EXECUTION_STATE__EXECUTION_RUNNING},
};

void rest_aggregate_init(struct rest_aggregate *a)
{
    for (size_t i = 0; i < AGGREGATED_COUNTERS; i++) {
        vec_init(&a->io[i], sizeof(int64_t));
    }
    for (size_t i = 0; i < REST_STATUS_DURATIONS; i++) {
        vec_init(&a->durations[i], sizeof(int64_t));
    }
}

void rest_aggregate_fini(struct rest_aggregate *a)
{
    for (size_t i = 0; i < AGGREGATED_COUNTERS; i++) {
        vec_fini(&a->io[i]);
    }
    for (size_t i = 0; i < REST_STATUS_DURATIONS; i++) {
        vec_fini(&a->durations[i]);
    }
}

void rest_aggregate_add(struct rest_aggregate *a, const struct attempt_details *attempt,
                        int64_t now_ms)
{
    const struct task_counters *c = &attempt->io;
    const uint64_t values[AGGREGATED_COUNTERS] = {
        c->bytes_in,         c->bytes_out, c->records_in, c->records_out,
        c->backpressured_ms, c->idle_ms,   c->busy_ms,
    };
    for (size_t i = 0; i < AGGREGATED_COUNTERS; i++) {
        *VEC_PUSH(&a->io[i], int64_t) = (int64_t)values[i];
    }
    for (size_t i = 0; i < REST_STATUS_DURATIONS; i++) {
        int64_t duration_ms = attempt_state_duration_ms(attempt, durations[i].state, now_ms);
        if (duration_ms >= 0) {
            *VEC_PUSH(&a->durations[i], int64_t) = duration_ms;
        }
    }
}

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Linear between the two nearest ranks of n + 1, as Flink's statistics have it. */
static int64_t percentile(const int64_t *sorted, size_t n, double p)
{
    double rank = p * (double)(n + 1);
    if (rank < 1) {
        return sorted[0];
    }
    if (rank >= (double)n) {
        return sorted[n - 1];
    }
    size_t low = (size_t)rank;
    double fraction = rank - (double)low;
    return (int64_t)((double)sorted[low - 1] +
                     fraction * ((double)sorted[low] - (double)sorted[low - 1]));
}

void rest_write_statistics(struct json_writer *w, int64_t *values, size_t n)
{
    int64_t sum = 0;
    if (n > 0) {
        qsort(values, n, sizeof(values[0]), compare_int64);
    }
    for (size_t i = 0; i < n; i++) {
        sum = (int64_t)((uint64_t)sum + (uint64_t)values[i]);
    }
    json_writer_object(w);
    json_writer_put_int(w, "min", n > 0 ? values[0] : 0);
    json_writer_put_int(w, "max", n > 0 ? values[n - 1] : 0);
    json_writer_put_int(w, "avg", n > 0 ? sum / (int64_t)n : 0);
    json_writer_put_int(w, "sum", sum);
    json_writer_put_int(w, "median", n > 0 ? percentile(values, n, 0.5) : 0);
    json_writer_put_int(w, "p25", n > 0 ? percentile(values, n, 0.25) : 0);
    json_writer_put_int(w, "p75", n > 0 ? percentile(values, n, 0.75) : 0);
    json_writer_put_int(w, "p95", n > 0 ? percentile(values, n, 0.95) : 0);
    json_writer_end(w);
}

void rest_write_aggregate(struct json_writer *w, const struct rest_aggregate *a)
{
    json_writer_object(w);
    json_writer_key(w, "metrics");
    json_writer_object(w);
    for (size_t i = 0; i < AGGREGATED_COUNTERS; i++) {
        json_writer_key(w, aggregated_names[i]);
        rest_write_statistics(w, a->io[i].data, a->io[i].len);
    }
    json_writer_end(w);
    json_writer_key(w, "status-duration");
    json_writer_object(w);
    for (size_t i = 0; i < REST_STATUS_DURATIONS; i++) {
        json_writer_key(w, durations[i].name);
        rest_write_statistics(w, a->durations[i].data, a->durations[i].len);
    }
    json_writer_end(w);
    json_writer_end(w);
}
