/* Shapes of a vertex and of its subtasks and their attempts. */
#include "jobmanager/rest/shape/shape.h"

#define UNASSIGNED "(unassigned)" /* as Flink names the place of what is not deployed */

static const char *place_or_unassigned(const char *place)
{
    return place != NULL ? place : UNASSIGNED;
}

static void put_vertex_head(struct json_writer *w, const struct job_details *d,
                            const struct vertex_details *v)
{
    rest_put_id(w, "id", &v->id);
    json_writer_put_string(w, "name", v->name);
    json_writer_put_int(w, "now", d->taken_ms);
}

/* ---- item of a job's vertices --------------------------------------------------------------------- */

void rest_write_job_vertex(struct json_writer *w, const struct job_details *d,
                           const struct vertex_details *v)
{
    uint32_t counts[EXECUTION_STATES] = {0};
    struct rest_span span;
    struct rest_io io;
    rest_span_init(&span);
    rest_io_init(&io);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        const struct attempt_details *a = &v->subtasks[i].current;
        counts[a->state]++;
        rest_span_add(&span, a);
        rest_io_add(&io, a);
    }
    json_writer_object(w);
    rest_put_id(w, "id", &v->id);
    rest_put_id(w, "slotSharingGroupId", &v->slot_sharing_group_id);
    json_writer_put_string(w, "name", v->name);
    json_writer_put_int(w, "maxParallelism", v->max_parallelism);
    json_writer_put_int(w, "parallelism", v->parallelism);
    json_writer_put_string(w, "status", execution_state_name(vertex_details_state(v)));
    rest_write_span(w, &span, d->taken_ms);
    json_writer_key(w, "tasks");
    rest_write_state_counts(w, counts);
    json_writer_key(w, "metrics");
    rest_write_io(w, &io);
    json_writer_end(w);
}

/* ---- attempts ------------------------------------------------------------------------------------- */

static void put_status_durations(struct json_writer *w, const struct attempt_details *a,
                                 int64_t now_ms)
{
    static const Flinc__ExecutionState states[REST_STATUS_DURATIONS] = {
        FLINC__EXECUTION_STATE__EXECUTION_CREATED,   FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED,
        FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING, FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING,
        FLINC__EXECUTION_STATE__EXECUTION_RUNNING,
    };
    json_writer_key(w, "status-duration");
    json_writer_object(w);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        json_writer_put_int(w, execution_state_name(states[i]),
                            attempt_state_duration_ms(a, states[i], now_ms));
    }
    json_writer_end(w);
}

void rest_write_attempt(struct json_writer *w, const struct rest_attempt *r)
{
    const struct attempt_details *a = r->attempt;
    struct rest_span span;
    struct rest_io io;
    rest_span_init(&span);
    rest_span_add(&span, a);
    rest_io_init(&io);
    rest_io_add(&io, a);
    json_writer_object(w);
    json_writer_put_int(w, "subtask", r->subtask);
    json_writer_put_string(w, "status", execution_state_name(a->state));
    json_writer_put_int(w, "attempt", a->number);
    json_writer_put_string(w, "endpoint", place_or_unassigned(a->endpoint));
    json_writer_put_string(w, "host", place_or_unassigned(a->host));
    rest_write_span(w, &span, r->job->taken_ms);
    rest_put_time(w, "start_time", attempt_start_ms(a)); /* the dashboard reads this spelling */
    json_writer_key(w, "metrics");
    rest_write_io(w, &io);
    json_writer_put_string(w, "taskmanager-id", place_or_unassigned(a->tm_id));
    put_status_durations(w, a, r->job->taken_ms);
    json_writer_end(w);
}

void rest_write_attempt_accumulators(struct json_writer *w, const struct rest_attempt *a)
{
    json_writer_object(w);
    json_writer_put_int(w, "subtask", a->subtask);
    json_writer_put_int(w, "attempt", a->attempt->number);
    rest_put_id(w, "id", &a->attempt->attempt_id);
    json_writer_key(w, "user-accumulators");
    rest_write_accumulators(w, a->attempt->accumulators, a->attempt->n_accumulators);
    json_writer_end(w);
}

/* ---- details -------------------------------------------------------------------------------------- */

void rest_write_vertex(struct json_writer *w, const struct job_details *d,
                       const struct vertex_details *v)
{
    struct rest_aggregate aggregate;
    rest_aggregate_init(&aggregate);
    json_writer_object(w);
    put_vertex_head(w, d, v);
    json_writer_put_int(w, "parallelism", v->parallelism);
    json_writer_put_int(w, "maxParallelism", v->max_parallelism);
    json_writer_key(w, "subtasks");
    json_writer_array(w);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        const struct attempt_details *a = &v->subtasks[i].current;
        rest_write_attempt(w, &(struct rest_attempt){d, v, i, a});
        rest_aggregate_add(&aggregate, a, d->taken_ms);
    }
    json_writer_end(w);
    json_writer_key(w, "aggregated");
    rest_write_aggregate(w, &aggregate);
    json_writer_end(w);
    rest_aggregate_fini(&aggregate);
}

static void write_timestamps(struct json_writer *w, const struct attempt_details *a)
{
    json_writer_object(w);
    for (uint32_t s = 0; s < EXECUTION_STATES; s++) {
        json_writer_put_int(w, execution_state_name((Flinc__ExecutionState)s), a->since_ms[s]);
    }
    json_writer_put_int(w, "RECONCILING", 0);
    json_writer_end(w);
}

void rest_write_subtask_times(struct json_writer *w, const struct job_details *d,
                              const struct vertex_details *v)
{
    json_writer_object(w);
    put_vertex_head(w, d, v);
    json_writer_key(w, "subtasks");
    json_writer_array(w);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        const struct attempt_details *a = &v->subtasks[i].current;
        int64_t scheduled_ms = a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED];
        int64_t end_ms = attempt_end_ms(a) > 0 ? attempt_end_ms(a) : d->taken_ms;
        json_writer_object(w);
        json_writer_put_int(w, "subtask", i);
        json_writer_put_string(w, "endpoint", place_or_unassigned(a->endpoint));
        json_writer_put_string(w, "host", place_or_unassigned(a->host));
        json_writer_put_int(w, "duration",
                            scheduled_ms > 0 ? MAX(end_ms - scheduled_ms, (int64_t)0) : -1);
        json_writer_key(w, "timestamps");
        write_timestamps(w, a);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
}

/* ---- accumulators --------------------------------------------------------------------------------- */

void rest_write_vertex_accumulators(struct json_writer *w, const struct vertex_details *v)
{
    struct vec all = VEC_INIT(struct task_accumulator);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        const struct attempt_details *a = &v->subtasks[i].current;
        for (uint32_t k = 0; k < a->n_accumulators; k++) {
            *VEC_PUSH(&all, struct task_accumulator) = a->accumulators[k];
        }
    }
    json_writer_object(w);
    rest_put_id(w, "id", &v->id);
    json_writer_key(w, "user-accumulators");
    rest_write_accumulators(w, all.data, (uint32_t)all.len);
    json_writer_end(w);
    vec_fini(&all);
}

void rest_write_subtask_accumulators(struct json_writer *w, const struct vertex_details *v)
{
    json_writer_object(w);
    rest_put_id(w, "id", &v->id);
    json_writer_put_int(w, "parallelism", v->parallelism);
    json_writer_key(w, "subtasks");
    json_writer_array(w);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        const struct attempt_details *a = &v->subtasks[i].current;
        json_writer_object(w);
        json_writer_put_int(w, "subtask", i);
        json_writer_put_int(w, "attempt", a->number);
        json_writer_put_string(w, "endpoint", place_or_unassigned(a->endpoint));
        json_writer_put_string(w, "host", place_or_unassigned(a->host));
        json_writer_key(w, "user-accumulators");
        rest_write_accumulators(w, a->accumulators, a->n_accumulators);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
}

/* ---- by task manager ------------------------------------------------------------------------------ */

struct on_taskmanager {
    const char *tm_id; /* Borrows */
    const struct attempt_details *first;
    uint32_t counts[EXECUTION_STATES], n;
    struct rest_span span;
    struct rest_io io;
    struct rest_aggregate aggregate;
};

static void on_taskmanager_free(void *value)
{
    struct on_taskmanager *t = value;
    rest_aggregate_fini(&t->aggregate);
    mem_free(t);
}

static void add_to_taskmanager(struct map *by_tm, const struct attempt_details *a, int64_t now_ms)
{
    const char *id = place_or_unassigned(a->tm_id);
    struct on_taskmanager *t = map_find(by_tm, id);
    if (t == NULL) {
        t = MEM_NEW(struct on_taskmanager);
        t->tm_id = id;
        t->first = a;
        rest_span_init(&t->span);
        rest_io_init(&t->io);
        rest_aggregate_init(&t->aggregate);
        map_put(by_tm, id, t);
    }
    t->n++;
    t->counts[a->state]++;
    rest_span_add(&t->span, a);
    rest_io_add(&t->io, a);
    rest_aggregate_add(&t->aggregate, a, now_ms);
}

/* The state of these subtasks together: the rule of vertices, over those that are there. */
static Flinc__ExecutionState state_together(const struct on_taskmanager *t)
{
    static const Flinc__ExecutionState any[] = {
        FLINC__EXECUTION_STATE__EXECUTION_FAILED,   FLINC__EXECUTION_STATE__EXECUTION_CANCELING,
        FLINC__EXECUTION_STATE__EXECUTION_CANCELED, FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING,
        FLINC__EXECUTION_STATE__EXECUTION_RUNNING,
    };
    for (size_t i = 0; i < ARRAY_LEN(any); i++) {
        if (t->counts[any[i]] > 0) {
            return any[i];
        }
    }
    uint32_t n_finished = t->counts[FLINC__EXECUTION_STATE__EXECUTION_FINISHED];
    if (n_finished > 0) {
        return n_finished == t->n ? FLINC__EXECUTION_STATE__EXECUTION_FINISHED
                                  : FLINC__EXECUTION_STATE__EXECUTION_RUNNING;
    }
    if (t->counts[FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING] > 0) {
        return FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING;
    }
    return t->counts[FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED] > 0
               ? FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED
               : FLINC__EXECUTION_STATE__EXECUTION_CREATED;
}

void rest_write_vertex_taskmanagers(struct json_writer *w, const struct job_details *d,
                                    const struct vertex_details *v)
{
    struct map by_tm;
    map_init(&by_tm, on_taskmanager_free);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        add_to_taskmanager(&by_tm, &v->subtasks[i].current, d->taken_ms);
    }
    json_writer_object(w);
    put_vertex_head(w, d, v);
    json_writer_key(w, "taskmanagers");
    json_writer_array(w);
    MAP_FOREACH (&by_tm, e) {
        const struct on_taskmanager *t = e->value;
        json_writer_object(w);
        json_writer_put_string(w, "endpoint", place_or_unassigned(t->first->endpoint));
        json_writer_put_string(w, "host", place_or_unassigned(t->first->host));
        json_writer_put_string(w, "status", execution_state_name(state_together(t)));
        rest_write_span(w, &t->span, d->taken_ms);
        json_writer_key(w, "metrics");
        rest_write_io(w, &t->io);
        json_writer_key(w, "status-counts");
        rest_write_state_counts(w, t->counts);
        json_writer_put_string(w, "taskmanager-id", t->tm_id);
        json_writer_key(w, "aggregated");
        rest_write_aggregate(w, &t->aggregate);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    map_fini(&by_tm);
}
