/* Metrics of the workers, for what this process reports: those of tasks and operators go to reporters as
 * they are, those of the workers' processes are added to this process's.
 *
 * A scrape asks from its own thread: it posts an operation, by which the component asks the workers, and
 * waits for the answer.  What it waits at is counted, so that an answer that comes after it has given
 * up finds it. */
#include "common/base/thread.h"
#include "taskmanager/manager/taskmanager_internal.h"
#include <pthread.h>

enum { SCRAPE_WAIT_MS = TASKMANAGER_SCRAPE_TIMEOUT_MS + 1000 }; /* the component may be busy, too */

/* ---- processes ----------------------------------------------------------------------------------- */

static double sample_value(const Flinc__MetricSample *s)
{
    switch (s->value_case) {
    case FLINC__METRIC_SAMPLE__VALUE_INTEGER:
        return (double)s->integer;
    case FLINC__METRIC_SAMPLE__VALUE_REAL:
        return s->real;
    default:
        return 0;
    }
}

void tm_worker_metrics_take(struct taskmanager *tm, Flinc__MetricDump *dump)
{
    struct process_sums sums = {0};
    size_t n_kept = 0;
    for (size_t i = 0; dump != NULL && i < dump->n_groups; i++) {
        Flinc__MetricGroupDump *g = dump->groups[i];
        if (g->scope != FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER) {
            dump->groups[n_kept++] = g;
            continue;
        }
        for (size_t k = 0; k < g->n_samples; k++) {
            process_sums_add(&sums, g->samples[k]->name, sample_value(g->samples[k]));
        }
        rpc_message_free(&g->base);
    }
    if (dump != NULL) {
        dump->n_groups = n_kept;
    }
    if (tm->process_metrics != NULL) {
        process_metrics_set_others(tm->process_metrics, &sums);
    }
}

/* ---- one scrape ---------------------------------------------------------------------------------- */

struct scrape {
    struct taskmanager *tm; /* Borrows */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    uint32_t n_refs;            /* under the lock: who waits, who answers */
    bool done;                  /* under the lock */
    Flinc__QueryAnswer *answer; /* Owns; under the lock; NULL: none has come */
};

static struct scrape *scrape_new(struct taskmanager *tm)
{
    struct scrape *s = MEM_NEW(struct scrape);
    pthread_condattr_t attr;
    s->tm = tm;
    s->n_refs = 2;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->answered, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

static void scrape_unref(struct scrape *s)
{
    pthread_mutex_lock(&s->lock);
    bool last = --s->n_refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (last) {
        if (s->answer != NULL) {
            rpc_message_free(&s->answer->base);
        }
        pthread_cond_destroy(&s->answered);
        pthread_mutex_destroy(&s->lock);
        mem_free(s);
    }
}

/* The end of the answering side. */
static void on_answer(void *arg, Flinc__QueryAnswer *take_answer)
{
    struct scrape *s = arg;
    bool has_metrics =
        take_answer != NULL && take_answer->body_case == FLINC__QUERY_ANSWER__BODY_METRICS;
    tm_worker_metrics_take(s->tm, has_metrics ? take_answer->metrics : NULL);
    pthread_mutex_lock(&s->lock);
    s->answer = take_answer;
    s->done = true;
    pthread_cond_signal(&s->answered);
    pthread_mutex_unlock(&s->lock);
    scrape_unref(s);
}

/* The operation was dropped: the component has stopped. */
static void drop_scrape(void *payload)
{
    struct scrape *s = payload;
    pthread_mutex_lock(&s->lock);
    s->done = true;
    pthread_cond_signal(&s->answered);
    pthread_mutex_unlock(&s->lock);
    scrape_unref(s);
}

static void run_scrape(void *owner, void *payload)
{
    struct taskmanager *tm = owner;
    Flinc__Query query = FLINC__QUERY__INIT;
    Flinc__MetricsRequest request = FLINC__METRICS_REQUEST__INIT;
    query.body_case = FLINC__QUERY__BODY_METRICS;
    query.metrics = &request;
    tm->ops->query(tm->host, &query, TASKMANAGER_SCRAPE_TIMEOUT_MS, on_answer, payload);
}

static void scrape_wait(struct scrape *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SCRAPE_WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (!s->done && pthread_cond_timedwait(&s->answered, &s->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- the source ---------------------------------------------------------------------------------- */

struct visit {
    void (*fn)(void *fn_arg, const struct prometheus_sample *sample);
    void *fn_arg;
    struct vec variables; /* struct metric_variable: of the present group */
};

static void visit_sample(struct visit *v, const Flinc__MetricGroupDump *g,
                         const Flinc__MetricSample *s)
{
    struct prometheus_sample out = {
        .scope = g->logical_scope,
        .metric = s->name + g->name_prefix,
        .kind = (enum metric_kind)s->kind,
        .variables = v->variables.data,
        .n_variables = v->variables.len,
    };
    switch (s->value_case) {
    case FLINC__METRIC_SAMPLE__VALUE_INTEGER:
        metric_value_set_i64(&out.value, s->integer);
        break;
    case FLINC__METRIC_SAMPLE__VALUE_REAL:
        metric_value_set_f64(&out.value, s->real);
        break;
    default:
        metric_value_set_text(&out.value, s->text != NULL ? s->text : "");
        break;
    }
    v->fn(v->fn_arg, &out);
}

static void visit_histogram(struct visit *v, const Flinc__MetricGroupDump *g,
                            const Flinc__HistogramSample *h)
{
    struct metric_histogram_stats stats = {
        .count = h->count, .min = h->min, .max = h->max, .mean = h->mean, .stddev = h->stddev};
    double *const quantiles[] = {&stats.p50, &stats.p75, &stats.p95,
                                 &stats.p98, &stats.p99, &stats.p999};
    bool known = h->n_quantiles == ARRAY_LEN(quantiles);
    for (size_t i = 0; known && i < ARRAY_LEN(quantiles); i++) {
        *quantiles[i] = h->quantiles[i];
    }
    struct prometheus_sample out = {
        .scope = g->logical_scope,
        .metric = h->name + g->name_prefix,
        .kind = METRIC_HISTOGRAM,
        .histogram = known ? &stats : NULL,
        .variables = v->variables.data,
        .n_variables = v->variables.len,
    };
    metric_value_set_i64(&out.value, h->count);
    v->fn(v->fn_arg, &out);
}

/* A worker runs user code: what it says is checked. */
static void visit_group(struct visit *v, const Flinc__MetricGroupDump *g)
{
    vec_clear(&v->variables);
    for (size_t i = 0; i < g->n_variables; i++) {
        *VEC_PUSH(&v->variables, struct metric_variable) =
            (struct metric_variable){g->variables[i]->name, g->variables[i]->value};
    }
    for (size_t i = 0; i < g->n_samples && g->logical_scope[0] != '\0'; i++) {
        const Flinc__MetricSample *s = g->samples[i];
        bool is_whole = s->kind < METRIC_HISTOGRAM; /* else one statistic of a histogram */
        if (is_whole && g->name_prefix < strlen(s->name)) {
            visit_sample(v, g, s);
        }
    }
    for (size_t i = 0; i < g->n_histograms && g->logical_scope[0] != '\0'; i++) {
        if (g->name_prefix < strlen(g->histograms[i]->name)) {
            visit_histogram(v, g, g->histograms[i]);
        }
    }
}

static void visit_workers(void *arg,
                          void (*fn)(void *fn_arg, const struct prometheus_sample *sample),
                          void *fn_arg)
{
    struct taskmanager *tm = arg;
    struct scrape *s = scrape_new(tm);
    struct visit v = {.fn = fn, .fn_arg = fn_arg};
    vec_init(&v.variables, sizeof(struct metric_variable));
    if (component_post(tm->component, MAILBOX_LANE_CONTROL, MANAGER_OP_SCRAPE, run_scrape, s,
                       drop_scrape) < 0) {
        drop_scrape(s);
    }
    scrape_wait(s);
    pthread_mutex_lock(&s->lock);
    Flinc__QueryAnswer *answer = STEAL(s->answer);
    pthread_mutex_unlock(&s->lock);
    if (answer != NULL && answer->body_case == FLINC__QUERY_ANSWER__BODY_METRICS) {
        for (size_t i = 0; i < answer->metrics->n_groups; i++) {
            visit_group(&v, answer->metrics->groups[i]);
        }
    }
    if (answer != NULL) {
        rpc_message_free(&answer->base);
    }
    vec_fini(&v.variables);
    scrape_unref(s);
}

struct prometheus_source taskmanager_metrics_source(struct taskmanager *tm)
{
    return (struct prometheus_source){.arg = tm, .visit = visit_workers};
}
