/* Questions of people that reach this process by its task manager: thread dump, metrics. */
#include "common/base/log.h"
#include "common/base/vec.h"
#include "common/process/stack_dump.h"
#include "common/rpc/error_info.h"
#include "taskmanager/taskworker/taskworker.h"
#include <stdio.h>
#include <stdlib.h>

enum { DUMP_SAMPLES_MAX = 200000 }; /* of one answer */

/* ---- thread dump --------------------------------------------------------------------------------- */

static void add_thread(void *arg, const struct stack_dump_thread *thread)
{
    struct vec *threads = arg;
    Flinc__ThreadInfo *info = MEM_NEW(Flinc__ThreadInfo);
    flinc__thread_info__init(info);
    info->name = mem_strdup(thread->name);
    info->text = mem_strdup(thread->text);
    vec_push_ptr(threads, info);
}

static void log_thread(void *arg, const struct stack_dump_thread *thread)
{
    (void)arg;
    LOG_WARN("flinc.taskworker", "%s", thread->text);
}

void taskworker_log_stacks(void *taskworker)
{
    struct error err = ERROR_INIT;
    (void)taskworker;
    if (stack_dump_all(log_thread, NULL, &err) < 0) {
        LOG_WARN("flinc.taskworker", "the stacks of the threads cannot be told: %s", err.message);
    }
}

static void answer_thread_dump(struct taskworker *tw, Flinc__WorkerToTaskManager *m)
{
    Flinc__ThreadDump d = FLINC__THREAD_DUMP__INIT;
    struct vec threads = VEC_INIT(Flinc__ThreadInfo *);
    struct error err = ERROR_INIT;
    Flinc__ErrorInfo info;
    if (stack_dump_all(add_thread, &threads, &err) < 0) {
        error_info_fill(&info, &err);
        m->answer->error = &info;
    }
    d.threads = threads.data;
    d.n_threads = threads.len;
    m->answer->body_case = FLINC__QUERY_ANSWER__BODY_THREAD_DUMP;
    m->answer->thread_dump = &d;
    taskworker_send(tw, m);
    for (size_t i = 0; i < threads.len; i++) {
        Flinc__ThreadInfo *t = vec_ptr(&threads, i);
        mem_free(t->name);
        mem_free(t->text);
        mem_free(t);
    }
    vec_fini(&threads);
}

/* ---- metrics ------------------------------------------------------------------------------------- */

struct metric_dump {
    struct arena arena;
    struct vec groups;                 /* Flinc__MetricGroupDump *, in the arena */
    struct vec samples;                /* Flinc__MetricSample *, of the last group */
    struct vec histograms;             /* Flinc__HistogramSample *, of the last group */
    struct vec variables;              /* Flinc__MetricVariable *, of the last group */
    const struct metric_group *source; /* of the last group; compared only */
    uint32_t n_samples;
};

static bool id_of_variable(const struct metric_group *g, const char *name, struct arena *arena,
                           ProtobufCBinaryData *ret)
{
    const char *hex = metric_group_variable(g, name);
    struct flinc_id id;
    if (hex == NULL || !id_parse(hex, &id)) {
        return false;
    }
    ret->data = arena_alloc(arena, sizeof(id));
    ret->len = sizeof(id);
    memcpy(ret->data, &id, sizeof(id));
    return true;
}

static uint32_t number_of_variable(const struct metric_group *g, const char *name)
{
    const char *text = metric_group_variable(g, name);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static Flinc__MetricScopeKind scope_kind(enum metric_scope scope)
{
    switch (scope) {
    case METRIC_SCOPE_TM_JOB:
        return FLINC__METRIC_SCOPE_KIND__METRIC_OF_JOB;
    case METRIC_SCOPE_TASK:
        return FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK;
    case METRIC_SCOPE_OPERATOR:
        return FLINC__METRIC_SCOPE_KIND__METRIC_OF_OPERATOR;
    default:
        return FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER;
    }
}

/* The pointers of `v`, which is empty then, as an array in the arena. */
static void *dump_take(struct metric_dump *d, struct vec *v, size_t *ret_n)
{
    void **items = arena_alloc(&d->arena, (v->len + 1) * sizeof(*items));
    if (v->len > 0) {
        memcpy(items, v->data, v->len * sizeof(*items));
    }
    *ret_n = v->len;
    vec_clear(v);
    return items;
}

static void dump_end_group(struct metric_dump *d)
{
    if (d->groups.len > 0) {
        Flinc__MetricGroupDump *g = vec_ptr(&d->groups, d->groups.len - 1);
        g->samples = dump_take(d, &d->samples, &g->n_samples);
        g->histograms = dump_take(d, &d->histograms, &g->n_histograms);
    }
}

static void dump_add_variable(void *arg, const struct metric_variable *variable)
{
    struct metric_dump *d = arg;
    Flinc__MetricVariable *v = arena_alloc(&d->arena, sizeof(*v));
    flinc__metric_variable__init(v);
    v->name = arena_strdup(&d->arena, variable->name);
    v->value = arena_strdup(&d->arena, variable->value);
    vec_push_ptr(&d->variables, v);
}

/* What a reporter has to know of a group. */
static void dump_describe_group(struct metric_dump *d, const struct metric_sample *s,
                                Flinc__MetricGroupDump *g)
{
    STR_AUTO scope = STR_INIT;
    metric_group_logical_scope(s->group, '.', &scope);
    g->logical_scope = arena_strdup(&d->arena, str_cstr(&scope));
    g->name_prefix = (uint32_t)(strlen(s->name) - strlen(s->metric));
    metric_group_each_variable(s->group, dump_add_variable, d);
    g->variables = dump_take(d, &d->variables, &g->n_variables);
}

static void dump_begin_group(struct metric_dump *d, const struct metric_sample *s)
{
    dump_end_group(d);
    Flinc__MetricGroupDump *g = arena_alloc(&d->arena, sizeof(*g));
    flinc__metric_group_dump__init(g);
    g->scope = scope_kind(s->scope);
    (void)id_of_variable(s->group, "job_id", &d->arena, &g->job_id);
    (void)id_of_variable(s->group, "task_id", &d->arena, &g->vertex_id);
    g->subtask = number_of_variable(s->group, "subtask_index");
    g->attempt = number_of_variable(s->group, "task_attempt_num");
    const char *operator_name = metric_group_variable(s->group, "operator_name");
    if (operator_name != NULL) {
        g->operator_name = arena_strdup(&d->arena, operator_name);
    }
    dump_describe_group(d, s, g);
    vec_push_ptr(&d->groups, g);
    d->source = s->group;
}

static Flinc__MetricSample *dump_add(struct metric_dump *d, const char *name, const char *suffix,
                                     enum metric_kind kind)
{
    Flinc__MetricSample *out = arena_alloc(&d->arena, sizeof(*out));
    flinc__metric_sample__init(out);
    out->name = arena_printf(&d->arena, "%s%s", name, suffix);
    out->kind = kind;
    vec_push_ptr(&d->samples, out);
    d->n_samples++;
    return out;
}

static void dump_add_real(struct metric_dump *d, const char *name, const char *suffix, double value)
{
    Flinc__MetricSample *out = dump_add(d, name, suffix, METRIC_HISTOGRAM);
    out->value_case = FLINC__METRIC_SAMPLE__VALUE_REAL;
    out->real = value;
}

/* By the names that Flink's REST gives the statistics of a histogram. */
static void dump_histogram(struct metric_dump *d, const struct metric_sample *s)
{
    const struct metric_histogram_stats *h = &s->histogram;
    const struct {
        const char *suffix;
        double value;
    } statistics[] = {
        {"_min", (double)h->min}, {"_max", (double)h->max}, {"_mean", h->mean}, {"_median", h->p50},
        {"_stddev", h->stddev},   {"_p75", h->p75},         {"_p95", h->p95},   {"_p98", h->p98},
        {"_p99", h->p99},         {"_p999", h->p999},
    };
    for (size_t i = 0; i < ARRAY_LEN(statistics); i++) {
        dump_add_real(d, s->name, statistics[i].suffix, statistics[i].value);
    }
    const double quantiles[] = {h->p50, h->p75, h->p95, h->p98, h->p99, h->p999};
    Flinc__HistogramSample *out = arena_alloc(&d->arena, sizeof(*out));
    flinc__histogram_sample__init(out);
    out->name = arena_strdup(&d->arena, s->name);
    out->count = h->count;
    out->min = h->min;
    out->max = h->max;
    out->mean = h->mean;
    out->stddev = h->stddev;
    out->n_quantiles = ARRAY_LEN(quantiles);
    out->quantiles = arena_alloc(&d->arena, sizeof(quantiles));
    memcpy(out->quantiles, quantiles, sizeof(quantiles));
    vec_push_ptr(&d->histograms, out);
}

static void dump_sample(void *arg, const struct metric_sample *s)
{
    struct metric_dump *d = arg;
    if (d->n_samples >= DUMP_SAMPLES_MAX) {
        return;
    }
    if (s->group != d->source) {
        dump_begin_group(d, s);
    }
    if (s->kind == METRIC_HISTOGRAM) {
        dump_histogram(d, s);
        return;
    }
    Flinc__MetricSample *out = dump_add(d, s->name, "", s->kind);
    switch (s->value.type) {
    case METRIC_VALUE_INT64:
        out->value_case = FLINC__METRIC_SAMPLE__VALUE_INTEGER;
        out->integer = s->value.i64;
        break;
    case METRIC_VALUE_DOUBLE:
        out->value_case = FLINC__METRIC_SAMPLE__VALUE_REAL;
        out->real = s->value.f64;
        break;
    case METRIC_VALUE_TEXT:
        out->value_case = FLINC__METRIC_SAMPLE__VALUE_TEXT;
        out->text = arena_strdup(&d->arena, s->value.text);
        break;
    }
}

static void answer_metrics(struct taskworker *tw, Flinc__WorkerToTaskManager *m)
{
    Flinc__MetricDump answer = FLINC__METRIC_DUMP__INIT;
    struct metric_dump d = {.source = NULL};
    arena_init(&d.arena, 0);
    vec_init(&d.groups, sizeof(Flinc__MetricGroupDump *));
    vec_init(&d.samples, sizeof(Flinc__MetricSample *));
    vec_init(&d.histograms, sizeof(Flinc__HistogramSample *));
    vec_init(&d.variables, sizeof(Flinc__MetricVariable *));
    metric_registry_visit(tw->metrics, NULL, dump_sample, &d);
    dump_end_group(&d);
    answer.timestamp_ms = clock_now_ms(&clock_system);
    answer.groups = d.groups.data;
    answer.n_groups = d.groups.len;
    m->answer->body_case = FLINC__QUERY_ANSWER__BODY_METRICS;
    m->answer->metrics = &answer;
    taskworker_send(tw, m);
    vec_fini(&d.groups);
    vec_fini(&d.samples);
    vec_fini(&d.histograms);
    vec_fini(&d.variables);
    arena_fini(&d.arena);
}

/* ---- both ---------------------------------------------------------------------------------------- */

void taskworker_answer(struct taskworker *tw, const Flinc__Query *query)
{
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    Flinc__QueryAnswer answer = FLINC__QUERY_ANSWER__INIT;
    Flinc__ErrorInfo error = FLINC__ERROR_INFO__INIT;
    answer.query_id = query->query_id;
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_ANSWER;
    m.answer = &answer;
    switch (query->body_case) {
    case FLINC__QUERY__BODY_THREAD_DUMP:
        answer_thread_dump(tw, &m);
        return;
    case FLINC__QUERY__BODY_METRICS:
        answer_metrics(tw, &m);
        return;
    default:
        error.code = ERR_UNSUPPORTED;
        error.error_class = ERROR_CLASS_USER;
        error.message = (char *)(uintptr_t) "a worker does not answer this";
        answer.error = &error;
        taskworker_send(tw, &m);
    }
}
