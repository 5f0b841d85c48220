/* Fetching metric values: one asker asks all task managers and reads this process's registry, the others
 * wait for it. */
#include "jobmanager/rest/metric_fetch.h"
#include "common/base/vec.h"
#include "common/text/number.h"
#include "jobmanager/dispatcher/dispatcher.h"
#include "jobmanager/resourcemanager/resourcemanager.h"
#include <stdio.h>
#include <time.h>

/* ---- this process --------------------------------------------------------------------------------- */

/* A sample copied out of the registry, whose lock must not be held for long. */
struct own_sample {
    enum metric_scope scope;
    struct flinc_id job_id, vertex_id;
    char *id, *text; /* Owns */
};

static void push_own(struct vec *samples, const struct metric_sample *m, const char *suffix,
                     const char *text)
{
    struct own_sample own = {.scope = m->scope};
    const char *job_id = metric_group_variable(m->group, "job_id");
    const char *vertex_id = metric_group_variable(m->group, "task_id");
    bool of_job = m->scope == METRIC_SCOPE_JM_JOB || m->scope == METRIC_SCOPE_JM_OPERATOR;
    if (of_job && (job_id == NULL || !id_parse(job_id, &own.job_id))) {
        return;
    }
    STR_AUTO id = STR_INIT;
    if (m->scope == METRIC_SCOPE_JM_OPERATOR) {
        const char *operator_name = metric_group_variable(m->group, "operator_name");
        if (vertex_id == NULL || !id_parse(vertex_id, &own.vertex_id) || operator_name == NULL) {
            return;
        }
        metric_id_append_part(&id, operator_name);
        str_append_char(&id, '.');
    }
    str_printf(&id, "%s%s", m->name, suffix);
    own.id = str_take(&id);
    own.text = mem_strdup(text);
    *VEC_PUSH(samples, struct own_sample) = own;
}

static void push_own_double(struct vec *samples, const struct metric_sample *m, const char *suffix,
                            double value)
{
    char text[NUMBER_TEXT_MAX];
    number_format_double(value, text);
    push_own(samples, m, suffix, text);
}

/* A histogram is its statistics, named as Flink names them. */
static void push_histogram(struct vec *samples, const struct metric_sample *m)
{
    const struct metric_histogram_stats *h = &m->histogram;
    push_own_double(samples, m, "_min", (double)h->min);
    push_own_double(samples, m, "_max", (double)h->max);
    push_own_double(samples, m, "_mean", h->mean);
    push_own_double(samples, m, "_median", h->p50);
    push_own_double(samples, m, "_stddev", h->stddev);
    push_own_double(samples, m, "_p75", h->p75);
    push_own_double(samples, m, "_p95", h->p95);
    push_own_double(samples, m, "_p98", h->p98);
    push_own_double(samples, m, "_p99", h->p99);
    push_own_double(samples, m, "_p999", h->p999);
}

static void on_own_sample(void *arg, const struct metric_sample *m)
{
    struct vec *samples = arg;
    char text[METRIC_TEXT_MAX];
    if (m->scope != METRIC_SCOPE_JM && m->scope != METRIC_SCOPE_JM_JOB &&
        m->scope != METRIC_SCOPE_JM_OPERATOR) {
        return;
    }
    if (m->kind == METRIC_HISTOGRAM) {
        push_histogram(samples, m);
        return;
    }
    switch (m->value.type) {
    case METRIC_VALUE_INT64:
        snprintf(text, sizeof(text), "%lld", (long long)m->value.i64);
        push_own(samples, m, "", text);
        break;
    case METRIC_VALUE_DOUBLE:
        push_own_double(samples, m, "", m->value.f64);
        break;
    case METRIC_VALUE_TEXT:
        push_own(samples, m, "", m->value.text);
        break;
    }
}

static void put_own(struct metric_store *s, const struct own_sample *own)
{
    if (own->scope == METRIC_SCOPE_JM) {
        metric_store_put(s, &s->jobmanager, own->id, own->text);
        return;
    }
    struct job_metrics *j = metric_store_add_job(s, own->job_id.bytes);
    if (own->scope == METRIC_SCOPE_JM_JOB) {
        metric_store_put(s, &j->set, own->id, own->text);
    } else {
        struct vertex_metrics *v = job_metrics_add_vertex(j, own->vertex_id.bytes);
        metric_store_put(s, &v->operators, own->id, own->text);
    }
}

static void fetch_own(struct metric_store *s)
{
    struct vec samples = VEC_INIT(struct own_sample);
    metric_registry_visit(s->o.registry, NULL, on_own_sample, &samples);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < samples.len; i++) {
        put_own(s, VEC_AT(&samples, struct own_sample, i));
    }
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < samples.len; i++) {
        mem_free(VEC_AT(&samples, struct own_sample, i)->id);
        mem_free(VEC_AT(&samples, struct own_sample, i)->text);
    }
    vec_fini(&samples);
}

/* ---- task managers -------------------------------------------------------------------------------- */

static void drop_lost_taskmanagers(struct metric_store *s, const struct taskmanager_list *list)
{
    pthread_mutex_lock(&s->lock);
    MAP_FOREACH (&s->taskmanagers, e) {
        bool there = false;
        for (uint32_t i = 0; i < list->n && !there; i++) {
            there = strcmp(list->items[i].id, e->key) == 0;
        }
        if (!there) {
            const struct metric_set *set = e->value;
            s->n_values -= (uint32_t)set->values.len;
            map_remove(&s->taskmanagers, e->key);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

static void fetch_taskmanagers(struct metric_store *s)
{
    Flinc__MetricsRequest request = FLINC__METRICS_REQUEST__INIT;
    Flinc__Query query = FLINC__QUERY__INIT;
    query.body_case = FLINC__QUERY__BODY_METRICS;
    query.metrics = &request;
    const struct taskmanager_list *list = resourcemanager_list(s->o.resourcemanager);
    Flinc__QueryAnswer **answers = MEM_NEW_ARRAY(Flinc__QueryAnswer *, MAX(list->n, 1u));
    if (list->n > 0) {
        resourcemanager_query_all(s->o.resourcemanager, &query, s->o.timeout_ms, list, answers);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        if (answers[i] != NULL) {
            if (answers[i]->body_case == FLINC__QUERY_ANSWER__BODY_METRICS) {
                metric_store_add_dump(s, list->items[i].id, answers[i]->metrics);
            }
            flinc__query_answer__free_unpacked(answers[i], NULL);
        }
    }
    mem_free(answers);
    drop_lost_taskmanagers(s, list);
    taskmanager_list_unref(list);
}

/* ---- jobs ----------------------------------------------------------------------------------------- */

static uint32_t job_metrics_len(const struct job_metrics *j)
{
    size_t n = j->set.values.len;
    MAP_FOREACH (&j->vertices, e) {
        const struct vertex_metrics *v = e->value;
        n += v->operators.values.len;
        MAP_FOREACH (&v->subtasks, t) {
            n += ((const struct subtask_metrics *)t->value)->set.values.len;
        }
    }
    return (uint32_t)n;
}

static void drop_job(struct metric_store *s, const struct flinc_id *id)
{
    pthread_mutex_lock(&s->lock);
    const struct job_metrics *j = metric_store_job(s, id);
    if (j != NULL) {
        s->n_values -= job_metrics_len(j);
        map_remove_bytes(&s->jobs, id->bytes, sizeof(id->bytes));
    }
    pthread_mutex_unlock(&s->lock);
}

/* The dispatcher is asked without the lock, which is a leaf. */
static void drop_gone_jobs(struct metric_store *s)
{
    struct vec ids = VEC_INIT(struct flinc_id);
    struct job_overview overview;
    pthread_mutex_lock(&s->lock);
    bool crowded = s->n_values > METRIC_STORE_WITH_ENDED;
    MAP_FOREACH (&s->jobs, e) {
        memcpy(vec_push(&ids), e->key, sizeof(struct flinc_id));
    }
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < ids.len; i++) {
        const struct flinc_id *id = VEC_AT(&ids, struct flinc_id, i);
        bool there = dispatcher_get_overview(s->o.dispatcher, id, &overview);
        if (!there || (crowded && job_status_is_globally_terminal(overview.status))) {
            drop_job(s, id);
        }
    }
    vec_fini(&ids);
}

/* ---- one at a time -------------------------------------------------------------------------------- */

static void fetch(struct metric_store *s)
{
    if (s->o.registry != NULL) {
        fetch_own(s);
    }
    if (s->o.resourcemanager != NULL) {
        fetch_taskmanagers(s);
    }
    if (s->o.dispatcher != NULL) {
        drop_gone_jobs(s);
    }
}

static void wait_for_fetch(struct metric_store *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t timeout_ms = s->o.timeout_ms + 1000;
    until.tv_sec += timeout_ms / 1000;
    while (s->fetching && pthread_cond_timedwait(&s->fetched, &s->lock, &until) == 0) {
    }
}

void metric_store_refresh(struct metric_store *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    if (s->fetched_ms != 0 && now_ms - s->fetched_ms < s->o.interval_ms) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    if (s->fetching) {
        wait_for_fetch(s);
        pthread_mutex_unlock(&s->lock);
        return;
    }
    s->fetching = true;
    pthread_mutex_unlock(&s->lock);
    fetch(s);
    pthread_mutex_lock(&s->lock);
    s->fetching = false;
    s->fetched_ms = clock_monotonic_ms(&clock_system);
    pthread_cond_broadcast(&s->fetched);
    pthread_mutex_unlock(&s->lock);
}
