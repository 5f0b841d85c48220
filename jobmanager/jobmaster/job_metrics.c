/* Metrics of a job; see job_metrics.h. */
#include "jobmanager/jobmaster/job_metrics.h"

#include "common/base/mem.h"
#include "jobmanager/checkpoint/checkpointer.h"
#include <stdio.h>

enum { DEPLOYING = JOB_METRICS_STATES - 1, JOB_METRIC_NAME_BYTES = 64 };

/* The states of a job that have times; the last row is that of tasks being deployed. */
static const struct {
    const char *name;
    enum job_status status;
} state_rows[] = {
    {"initializing", JOB_STATUS_INITIALIZING}, {"created", JOB_STATUS_CREATED},
    {"running", JOB_STATUS_RUNNING},           {"restarting", JOB_STATUS_RESTARTING},
    {"failing", JOB_STATUS_FAILING},           {"cancelling", JOB_STATUS_CANCELLING},
    {"deploying", JOB_STATUS_COUNT},
};
_Static_assert(ARRAY_LEN(state_rows) == JOB_METRICS_STATES, "one row per state");

static int64_t now_ms(const struct job_metrics *m)
{
    return clock_monotonic_ms(m->clock);
}

/* ---- gauges; thread: any ------------------------------------------------------------------------ */

static int64_t state_current_ms(const struct state_time *t)
{
    int64_t since = atomic_load(&t->since_ms);
    return since != 0 ? MAX(now_ms(t->metrics) - since, (int64_t)0) : 0;
}

static void gauge_state(void *arg, struct metric_value *ret)
{
    struct state_time *t = arg;
    metric_value_set_i64(ret, atomic_load(&t->since_ms) != 0);
}

static void gauge_current(void *arg, struct metric_value *ret)
{
    metric_value_set_i64(ret, state_current_ms(arg));
}

static void gauge_total(void *arg, struct metric_value *ret)
{
    struct state_time *t = arg;
    metric_value_set_i64(ret, atomic_load(&t->total_ms) + state_current_ms(t));
}

static bool has_ended(const struct job_metrics *m)
{
    return job_status_is_globally_terminal((enum job_status)atomic_load(&m->status));
}

static const struct state_time *time_of(const struct job_metrics *m, enum job_status status)
{
    for (int i = 0; i < DEPLOYING; i++) {
        if (state_rows[i].status == status) {
            return &m->states[i];
        }
    }
    return NULL;
}

static void gauge_uptime(void *arg, struct metric_value *ret)
{
    struct job_metrics *m = arg;
    metric_value_set_i64(ret, has_ended(m) ? -1 : state_current_ms(time_of(m, JOB_STATUS_RUNNING)));
}

static void gauge_downtime(void *arg, struct metric_value *ret)
{
    struct job_metrics *m = arg;
    metric_value_set_i64(ret,
                         has_ended(m) ? -1 : state_current_ms(time_of(m, JOB_STATUS_RESTARTING)));
}

static void gauge_rescales(void *arg, struct metric_value *ret)
{
    struct job_metrics *m = arg;
    metric_value_set_i64(ret, atomic_load(&m->rescales));
}

static void gauge_restarts(void *arg, struct metric_value *ret)
{
    struct job_metrics *m = arg;
    metric_value_set_i64(ret, atomic_load(&m->restarts));
}

/* ---- life ----------------------------------------------------------------------------------------- */

static void add_state_gauges(struct job_metrics *m, const struct conf *conf)
{
    static const struct {
        const char *option, *suffix;
        metric_gauge_fn fn;
    } kinds[] = {
        {"STATE", "State", gauge_state},
        {"CURRENT_TIME", "Time", gauge_current},
        {"TOTAL_TIME", "TimeTotal", gauge_total},
    };
    struct text_list enabled = TEXT_LIST_INIT;
    conf_list(conf, "metrics.job.status.enable", &enabled);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        bool wanted = false;
        for (size_t i = 0; i < enabled.n; i++) {
            wanted = wanted || strcasecmp(enabled.items[i], kinds[k].option) == 0;
        }
        for (int i = 0; wanted && i < JOB_METRICS_STATES; i++) {
            char name[JOB_METRIC_NAME_BYTES];
            snprintf(name, sizeof(name), "%s%s", state_rows[i].name, kinds[k].suffix);
            metric_group_gauge_fn(m->group, name, kinds[k].fn, &m->states[i]);
        }
    }
    text_list_fini(&enabled);
}

static void hex_of(const ProtobufCBinaryData *data, char ret_hex[ID_HEX_LEN + 1])
{
    struct flinc_id id = {0};
    memcpy(id.bytes, data->data, MIN(data->len, sizeof(id.bytes)));
    id_format(&id, ret_hex);
}

void job_metrics_init(struct job_metrics *m, struct metric_group *jobmanager,
                      const struct conf *conf, const struct clock *clock,
                      const Flinc__JobGraph *graph)
{
    *m = (struct job_metrics){.clock = clock};
    for (int i = 0; i < JOB_METRICS_STATES; i++) {
        m->states[i].metrics = m;
    }
    atomic_store(&m->states[0].since_ms, now_ms(m));
    if (jobmanager == NULL) {
        return;
    }
    char id[ID_HEX_LEN + 1];
    hex_of(&graph->job_id, id);
    struct metric_variable variables[] = {{"job_id", id}, {"job_name", graph->name}};
    m->group = metric_group_new(metric_group_registry(jobmanager), jobmanager, METRIC_SCOPE_JM_JOB,
                                variables, ARRAY_LEN(variables));
    metric_group_gauge_fn(m->group, "uptime", gauge_uptime, m);
    metric_group_gauge_fn(m->group, "downtime", gauge_downtime, m);
    metric_group_gauge_fn(m->group, "numRestarts", gauge_restarts, m);
    metric_group_gauge_fn(m->group, "fullRestarts", gauge_restarts, m);
    metric_group_gauge_fn(m->group, "numRescales", gauge_rescales, m);
    add_state_gauges(m, conf);
}

static void gauge_atomic(void *arg, struct metric_value *ret)
{
    metric_value_set_i64(ret, atomic_load((_Atomic int64_t *)arg));
}

/* "n/a", as Flink, until one has completed. */
static void gauge_checkpoint_path(void *arg, struct metric_value *ret)
{
    char path[METRIC_TEXT_MAX];
    checkpoint_gauges_get_path(arg, path, sizeof(path));
    metric_value_set_text(ret, path[0] != '\0' ? path : "n/a");
}

void job_metrics_add_checkpoints(struct job_metrics *m, const struct checkpoint_gauges *gauges)
{
    struct checkpoint_gauges *g = (struct checkpoint_gauges *)gauges; /* they are only read */
    const struct {
        const char *name;
        _Atomic int64_t *value;
    } rows[] = {
        {"totalNumberOfCheckpoints", &g->n_total},
        {"numberOfInProgressCheckpoints", &g->n_in_progress},
        {"numberOfCompletedCheckpoints", &g->n_completed},
        {"numberOfFailedCheckpoints", &g->n_failed},
        {"lastCheckpointDuration", &g->last_duration_ms},
        {"lastCheckpointSize", &g->last_size_bytes},
        {"lastCheckpointFullSize", &g->last_full_size_bytes},
        {"lastCheckpointMetadataSize", &g->last_metadata_bytes},
        {"lastCompletedCheckpointId", &g->last_id},
        {"lastCheckpointCompletedTimestamp", &g->last_completed_ms},
        {"lastCheckpointRestoreTimestamp", &g->last_restore_ms},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) && m->group != NULL; i++) {
        metric_group_gauge_fn(m->group, rows[i].name, gauge_atomic, rows[i].value);
    }
    if (m->group != NULL) {
        metric_group_gauge_fn(m->group, "lastCheckpointExternalPath", gauge_checkpoint_path, g);
    }
}

void job_metrics_fini(struct job_metrics *m)
{
    m->group = metric_group_free(m->group);
}

struct metric_group *job_metrics_operator(struct job_metrics *m, const Flinc__JobVertex *vertex,
                                          const Flinc__Operator *op)
{
    if (m->group == NULL) {
        return NULL;
    }
    char task_id[ID_HEX_LEN + 1];
    char operator_id[ID_HEX_LEN + 1];
    hex_of(&vertex->id, task_id);
    hex_of(&op->id, operator_id);
    struct metric_variable variables[] = {{"task_id", task_id},
                                          {"task_name", vertex->name},
                                          {"operator_id", operator_id},
                                          {"operator_name", op->name}};
    return metric_group_new(metric_group_registry(m->group), m->group, METRIC_SCOPE_JM_OPERATOR,
                            variables, ARRAY_LEN(variables));
}

/* ---- writing; thread: the job master's ---------------------------------------------------------- */

static void state_enter(struct state_time *t)
{
    atomic_store(&t->since_ms, MAX(now_ms(t->metrics), (int64_t)1));
}

static void state_leave(struct state_time *t)
{
    atomic_store(&t->total_ms, atomic_load(&t->total_ms) + state_current_ms(t));
    atomic_store(&t->since_ms, 0);
}

void job_metrics_set_status(struct job_metrics *m, enum job_status to)
{
    struct state_time *old = (struct state_time *)time_of(m, atomic_load(&m->status));
    struct state_time *new = (struct state_time *)time_of(m, to);
    if (old != NULL) {
        state_leave(old);
    }
    if (new != NULL) {
        state_enter(new);
    }
    atomic_store(&m->status, (int)to);
}

static bool is_deploying(Flinc__ExecutionState state)
{
    return state == FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING ||
           state == FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING;
}

void job_metrics_move_task(struct job_metrics *m, Flinc__ExecutionState from,
                           Flinc__ExecutionState to)
{
    uint32_t before = m->n_deploying;
    m->n_deploying += is_deploying(to);
    m->n_deploying -= is_deploying(from);
    if (before == 0 && m->n_deploying > 0) {
        state_enter(&m->states[DEPLOYING]);
    } else if (before > 0 && m->n_deploying == 0) {
        state_leave(&m->states[DEPLOYING]);
    }
}

void job_metrics_count_restart(struct job_metrics *m)
{
    atomic_fetch_add(&m->restarts, 1);
}

void job_metrics_count_rescale(struct job_metrics *m)
{
    atomic_fetch_add(&m->rescales, 1);
}
