/* The metric store: what task managers said, by job, vertex and subtask; see metric_store.h.  Reading
 * this process's registry is in metric_fetch.c. */
#include "jobmanager/rest/metric_store.h"
#include "common/base/log.h"
#include "common/text/number.h"
#include "jobmanager/rest/metric_fetch.h"
#include <stdio.h>

static void free_set(void *value)
{
    struct metric_set *set = value;
    map_fini(&set->values);
    mem_free(set);
}

static void free_subtask(void *value)
{
    struct subtask_metrics *m = value;
    map_fini(&m->set.values);
    mem_free(m);
}

static void free_vertex(void *value)
{
    struct vertex_metrics *v = value;
    map_fini(&v->subtasks);
    map_fini(&v->operators.values);
    mem_free(v);
}

void job_metrics_free(void *value)
{
    struct job_metrics *j = value;
    map_fini(&j->set.values);
    map_fini(&j->vertices);
    mem_free(j);
}

struct metric_store *metric_store_new(const struct metric_store_options *options)
{
    struct metric_store *s = MEM_NEW(struct metric_store);
    pthread_condattr_t attr;
    s->o = *options;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->fetched, &attr);
    pthread_condattr_destroy(&attr);
    map_init(&s->jobmanager.values, mem_free);
    map_init(&s->taskmanagers, free_set);
    map_init(&s->jobs, job_metrics_free);
    return s;
}

struct metric_store *metric_store_free(struct metric_store *s)
{
    if (s != NULL) {
        map_fini(&s->jobmanager.values);
        map_fini(&s->taskmanagers);
        map_fini(&s->jobs);
        pthread_cond_destroy(&s->fetched);
        pthread_mutex_destroy(&s->lock);
        mem_free(s);
    }
    return NULL;
}

/* ---- looking -------------------------------------------------------------------------------------- */

void metric_store_lock(struct metric_store *s)
{
    pthread_mutex_lock(&s->lock);
}

void metric_store_unlock(struct metric_store *s)
{
    pthread_mutex_unlock(&s->lock);
}

const struct metric_set *metric_store_taskmanager(const struct metric_store *s, const char *id)
{
    return map_find(&s->taskmanagers, id);
}

const struct job_metrics *metric_store_job(const struct metric_store *s, const struct flinc_id *id)
{
    return map_find_bytes(&s->jobs, id->bytes, sizeof(id->bytes));
}

const struct vertex_metrics *metric_store_vertex(const struct metric_store *s,
                                                 const struct flinc_id *job_id,
                                                 const struct flinc_id *vertex_id)
{
    const struct job_metrics *j = metric_store_job(s, job_id);
    return j != NULL ? map_find_bytes(&j->vertices, vertex_id->bytes, sizeof(vertex_id->bytes))
                     : NULL;
}

const struct metric_set *vertex_metrics_subtask(const struct vertex_metrics *v, uint32_t index)
{
    char key[16];
    snprintf(key, sizeof(key), "%u", index);
    const struct subtask_metrics *m = map_find(&v->subtasks, key);
    return m != NULL ? &m->set : NULL;
}

const char *metric_set_get(const struct metric_set *set, const char *id)
{
    return map_find(&set->values, id);
}

/* ---- taking in ------------------------------------------------------------------------------------ */

void metric_id_append_part(struct str *out, const char *name)
{
    for (size_t i = 0; name[i] != '\0' && i < METRIC_STORE_NAME_MAX; i++) {
        bool special = name[i] == ' ' || name[i] == '.' || name[i] == ':' || name[i] == ',';
        str_append_char(out, special ? '_' : name[i]);
    }
}

struct metric_set *metric_store_add_taskmanager(struct metric_store *s, const char *id)
{
    struct metric_set *set = map_find(&s->taskmanagers, id);
    if (set == NULL) {
        set = MEM_NEW(struct metric_set);
        map_init(&set->values, mem_free);
        map_put(&s->taskmanagers, id, set);
    }
    return set;
}

struct job_metrics *metric_store_add_job(struct metric_store *s, const uint8_t id[16])
{
    struct job_metrics *j = map_find_bytes(&s->jobs, id, 16);
    if (j == NULL) {
        j = MEM_NEW(struct job_metrics);
        map_init(&j->set.values, mem_free);
        map_init(&j->vertices, free_vertex);
        map_put_bytes(&s->jobs, id, 16, j);
    }
    return j;
}

struct vertex_metrics *job_metrics_add_vertex(struct job_metrics *j, const uint8_t id[16])
{
    struct vertex_metrics *v = map_find_bytes(&j->vertices, id, 16);
    if (v == NULL) {
        v = MEM_NEW(struct vertex_metrics);
        map_init(&v->subtasks, free_subtask);
        map_init(&v->operators.values, mem_free);
        map_put_bytes(&j->vertices, id, 16, v);
    }
    return v;
}

/* The set of a subtask's attempt; NULL when a newer attempt is known. */
static struct metric_set *add_subtask(struct metric_store *s, struct vertex_metrics *v,
                                      uint32_t index, uint32_t attempt)
{
    char key[16];
    snprintf(key, sizeof(key), "%u", index);
    struct subtask_metrics *m = map_find(&v->subtasks, key);
    if (m == NULL) {
        m = MEM_NEW(struct subtask_metrics);
        m->index = index;
        m->attempt = attempt;
        map_init(&m->set.values, mem_free);
        map_put(&v->subtasks, key, m);
    }
    if (attempt < m->attempt) {
        return NULL;
    }
    if (attempt > m->attempt) { /* a new life: values of the old one would lie */
        s->n_values -= (uint32_t)m->set.values.len;
        map_clear(&m->set.values);
        m->attempt = attempt;
    }
    return &m->set;
}

void metric_store_put(struct metric_store *s, struct metric_set *set, const char *id,
                      const char *text)
{
    if (s->n_values >= METRIC_STORE_MAX && !map_has(&set->values, id)) {
        if (!s->full) {
            s->full = true;
            LOG_WARN("flinc.rest",
                     "the metric store is full; metrics beyond %d values are not shown",
                     METRIC_STORE_MAX);
        }
        return;
    }
    if (map_put(&set->values, id, mem_strdup(text))) {
        s->n_values++;
    }
}

static bool is_id(const ProtobufCBinaryData *bytes)
{
    return bytes->len == sizeof(struct flinc_id);
}

/* Where the samples of a group go; NULL: nowhere. */
static struct metric_set *set_of_group(struct metric_store *s, const char *tm_id,
                                       const Flinc__MetricGroupDump *g)
{
    if (g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER) {
        return metric_store_add_taskmanager(s, tm_id);
    }
    if (!is_id(&g->job_id)) {
        return NULL;
    }
    if (g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_JOB) {
        return &metric_store_add_job(s, g->job_id.data)->set;
    }
    bool is_task = g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK ||
                   g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_OPERATOR;
    if (!is_task || !is_id(&g->vertex_id) || g->subtask >= METRIC_STORE_SUBTASKS) {
        return NULL;
    }
    struct job_metrics *j = metric_store_add_job(s, g->job_id.data);
    return add_subtask(s, job_metrics_add_vertex(j, g->vertex_id.data), g->subtask, g->attempt);
}

static void format_sample(const Flinc__MetricSample *m, char text[METRIC_TEXT_MAX])
{
    char number[NUMBER_TEXT_MAX];
    switch (m->value_case) {
    case FLINC__METRIC_SAMPLE__VALUE_INTEGER:
        snprintf(text, METRIC_TEXT_MAX, "%lld", (long long)m->integer);
        break;
    case FLINC__METRIC_SAMPLE__VALUE_REAL:
        number_format_double(m->real, number);
        snprintf(text, METRIC_TEXT_MAX, "%s", number);
        break;
    case FLINC__METRIC_SAMPLE__VALUE_TEXT:
        snprintf(text, METRIC_TEXT_MAX, "%s", m->text != NULL ? m->text : "");
        break;
    default:
        snprintf(text, METRIC_TEXT_MAX, "0");
        break;
    }
}

static void add_group(struct metric_store *s, const char *tm_id, const Flinc__MetricGroupDump *g,
                      struct str *id)
{
    struct metric_set *set = set_of_group(s, tm_id, g);
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < g->n_samples; i++) {
        char text[METRIC_TEXT_MAX];
        str_clear(id);
        if (g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_OPERATOR) {
            metric_id_append_part(id, g->operator_name);
            str_append_char(id, '.');
        }
        str_append_cstr(id, g->samples[i]->name);
        format_sample(g->samples[i], text);
        metric_store_put(s, set, str_cstr(id), text);
    }
}

void metric_store_add_dump(struct metric_store *s, const char *tm_id, const Flinc__MetricDump *d)
{
    STR_AUTO id = STR_INIT;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < d->n_groups; i++) {
        add_group(s, tm_id, d->groups[i], &id);
    }
    pthread_mutex_unlock(&s->lock);
}
