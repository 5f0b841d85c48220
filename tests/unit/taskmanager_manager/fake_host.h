/* A worker host without processes: jobs have workers that do what the test says.  What it tells the task
 * manager comes as operations of the component's mailbox, as from the real one.  The simulation uses it. */
#ifndef FLINC_TESTS_UNIT_TASKMANAGER_MANAGER_FAKE_HOST_H
#define FLINC_TESTS_UNIT_TASKMANAGER_MANAGER_FAKE_HOST_H

#include "common/base/vec.h"
#include "taskmanager/manager/taskmanager.h"
#include <string.h>

enum fake_host_flags {
    FAKE_HOST_READY = 1 << 0, /* workers are ready at once */
    FAKE_HOST_STOPS = 1 << 1, /* stopped workers are gone at once */
    FAKE_HOST_KILLS = 1 << 2, /* killed ones too */
    FAKE_HOST_FAILS = 1 << 3, /* start_job fails */
    FAKE_HOST_MUTE = 1 << 4,  /* queries are not answered */
};

/* A job as the host knows it, from start_job to on_gone. */
struct fake_job {
    struct fake_host *host;
    struct flinc_id id, master_token, incarnation;
    uint32_t n_slots, n_starts, n_stops, n_kills, n_sent;
    uint64_t managed_bytes, task_bytes, network_bytes;
    struct flinc_id link; /* token of the master whose link is open */
    bool ready, link_open, telling_gone;
};

struct fake_host {
    struct taskmanager *tm;
    struct worker_host_callbacks callbacks;
    struct vec jobs; /* of struct fake_job *; owns */
    struct rng rng;
    unsigned flags; /* enum fake_host_flags */
    uint32_t n_started, n_gone, n_open_links, n_closed_links;
};

struct fake_tell {
    struct fake_host *host;
    struct flinc_id job_id, incarnation;
    struct error why;
    char text[64];
    enum { FAKE_TELL_READY, FAKE_TELL_MESSAGE, FAKE_TELL_GONE } what;
};

static inline struct fake_job *fake_host_find(const struct fake_host *h, const struct flinc_id *id)
{
    for (size_t i = 0; i < h->jobs.len; i++) {
        struct fake_job *job = vec_ptr(&h->jobs, i);
        if (id_eq(&job->id, id)) {
            return job;
        }
    }
    return NULL;
}

static inline void fake_host_forget(struct fake_host *h, struct fake_job *job)
{
    for (size_t i = 0; i < h->jobs.len; i++) {
        if (vec_ptr(&h->jobs, i) == job) {
            vec_remove(&h->jobs, i);
            mem_free(job);
            return;
        }
    }
}

static inline void fake_tell_run(void *owner, void *payload)
{
    struct fake_tell *t = payload;
    struct fake_host *h = t->host;
    struct fake_job *job = fake_host_find(h, &t->job_id);
    if (job != NULL && id_eq(&job->incarnation, &t->incarnation)) {
        switch (t->what) {
        case FAKE_TELL_READY:
            job->ready = true;
            h->callbacks.on_ready(owner, &t->job_id, &t->incarnation);
            break;
        case FAKE_TELL_MESSAGE:
            h->callbacks.on_message(owner, &t->job_id, &t->incarnation, (const uint8_t *)t->text,
                                    strlen(t->text));
            break;
        case FAKE_TELL_GONE:
            h->n_gone++;
            fake_host_forget(h, job);
            h->callbacks.on_gone(owner, &t->job_id, &t->incarnation, &t->why);
            break;
        }
    }
    mem_free(t);
}

static inline void fake_tell(struct fake_job *job, int what, const char *text,
                             const struct error *why)
{
    struct fake_tell *t = MEM_NEW(struct fake_tell);
    t->host = job->host;
    t->job_id = job->id;
    t->incarnation = job->incarnation;
    t->what = what;
    if (text != NULL) {
        strncpy(t->text, text, sizeof(t->text) - 1);
    }
    if (why != NULL) {
        error_copy(&t->why, why);
    }
    if (component_post(taskmanager_component(job->host->tm), MAILBOX_LANE_DATA, 100, fake_tell_run,
                       t, mem_free) < 0) {
        mem_free(t);
    }
}

/* ---- what tests let workers do ------------------------------------------------------------------ */

static inline void fake_job_become_ready(struct fake_job *job)
{
    fake_tell(job, FAKE_TELL_READY, NULL, NULL);
}

static inline void fake_job_say(struct fake_job *job, const char *text)
{
    fake_tell(job, FAKE_TELL_MESSAGE, text, NULL);
}

static inline void fake_job_end(struct fake_job *job, int code, const char *text)
{
    struct error why = ERROR_INIT;
    if (job->telling_gone) {
        return;
    }
    job->telling_gone = true;
    error_set(&why, code, "%s", text);
    fake_tell(job, FAKE_TELL_GONE, NULL, &why);
}

/* ---- ops ---------------------------------------------------------------------------------------- */

static inline int fake_host_start_job(void *arg, const struct worker_job *spec, struct error *err)
{
    struct fake_host *h = arg;
    struct fake_job *job = fake_host_find(h, &spec->job_id);
    if (h->flags & FAKE_HOST_FAILS) {
        return error_set(err, ERR_LIMIT, "no more processes");
    }
    if (job == NULL) {
        job = MEM_NEW(struct fake_job);
        job->host = h;
        job->id = spec->job_id;
        job->master_token = spec->master_token;
        id_random(&job->incarnation, &h->rng);
        vec_push_ptr(&h->jobs, job);
        h->n_started++;
        if (h->flags & FAKE_HOST_READY) {
            fake_job_become_ready(job);
        }
    }
    job->n_starts++;
    job->n_slots = spec->budget.n_slots;
    job->managed_bytes = spec->budget.managed_bytes;
    job->task_bytes = spec->budget.task_bytes;
    job->network_bytes = spec->budget.network_bytes;
    return 0;
}

static inline void fake_host_open_link(void *arg, const struct flinc_id *id,
                                       const struct flinc_id *master_token)
{
    struct fake_host *h = arg;
    struct fake_job *job = fake_host_find(h, id);
    if (job != NULL) {
        job->link = *master_token;
        job->link_open = true;
        h->n_open_links++;
    }
}

static inline void fake_host_send(void *arg, const struct flinc_id *id,
                                  const struct flinc_id *incarnation, const uint8_t *bytes,
                                  size_t size)
{
    struct fake_job *job = fake_host_find(arg, id);
    if (job != NULL && id_eq(&job->incarnation, incarnation)) {
        job->n_sent++;
    }
}

static inline void fake_host_close_link(void *arg, const struct flinc_id *id, const char *reason)
{
    struct fake_host *h = arg;
    struct fake_job *job = fake_host_find(h, id);
    if (job != NULL) {
        job->link_open = false;
        h->n_closed_links++;
    }
}

static inline void fake_host_stop_job(void *arg, const struct flinc_id *id, const char *reason)
{
    struct fake_host *h = arg;
    struct fake_job *job = fake_host_find(h, id);
    if (job != NULL) {
        job->n_stops++;
        if (h->flags & FAKE_HOST_STOPS) {
            fake_job_end(job, ERR_CANCELLED, reason);
        }
    }
}

static inline void fake_host_kill_job(void *arg, const struct flinc_id *id, const char *reason)
{
    struct fake_host *h = arg;
    struct fake_job *job = fake_host_find(h, id);
    if (job != NULL) {
        job->n_kills++;
        if (h->flags & FAKE_HOST_KILLS) {
            fake_job_end(job, ERR_CANCELLED, reason);
        }
    }
}

static inline void fake_host_each(const void *arg,
                                  void (*fn)(void *arg, const Flinc__JobOnTaskManager *job),
                                  void *fn_arg)
{
    const struct fake_host *h = arg;
    for (size_t i = 0; i < h->jobs.len; i++) {
        struct fake_job *job = vec_ptr(&h->jobs, i);
        Flinc__JobOnTaskManager row = FLINC__JOB_ON_TASK_MANAGER__INIT;
        row.job_id = (ProtobufCBinaryData){sizeof(job->id.bytes), job->id.bytes};
        row.n_tasks = job->n_slots;
        row.rss_bytes = 1000 * job->n_slots;
        fn(fn_arg, &row);
    }
}

/* Of a task: a gauge, a histogram, a statistic of it, and a name that is no longer than its prefix. */
static inline void fake_host_fill_group(Flinc__MetricGroupDump *g)
{
    static const struct {
        const char *name;
        enum metric_kind kind;
    } rows[] = {
        {"buffers.inputQueueLength", METRIC_GAUGE},
        {"buffers.waits_p99", METRIC_HISTOGRAM},
        {"wrong", METRIC_GAUGE},
    };
    g->scope = FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK;
    g->logical_scope = mem_strdup("taskmanager.job.task.buffers");
    g->name_prefix = 8;
    g->samples = MEM_NEW_ARRAY(Flinc__MetricSample *, ARRAY_LEN(rows));
    for (; g->n_samples < ARRAY_LEN(rows); g->n_samples++) {
        Flinc__MetricSample *s = g->samples[g->n_samples] = MEM_NEW(Flinc__MetricSample);
        flinc__metric_sample__init(s);
        s->name = mem_strdup(rows[g->n_samples].name);
        s->kind = rows[g->n_samples].kind;
        s->value_case = FLINC__METRIC_SAMPLE__VALUE_INTEGER;
        s->integer = 42;
    }
    g->n_variables = g->n_histograms = 1;
    g->variables = MEM_NEW_ARRAY(Flinc__MetricVariable *, 1);
    g->variables[0] = MEM_NEW(Flinc__MetricVariable);
    flinc__metric_variable__init(g->variables[0]);
    g->variables[0]->name = mem_strdup("task_name");
    g->variables[0]->value = mem_strdup("Map");
    Flinc__HistogramSample *h = MEM_NEW(Flinc__HistogramSample);
    flinc__histogram_sample__init(h);
    h->name = mem_strdup("buffers.waits");
    h->count = 7;
    h->n_quantiles = 6;
    h->quantiles = MEM_NEW_ARRAY(double, 6);
    h->quantiles[4] = 99;
    g->histograms = MEM_NEW_ARRAY(Flinc__HistogramSample *, 1);
    g->histograms[0] = h;
}

/* Every worker has one thread and one group of metrics. */
static inline void fake_host_query(void *arg, const Flinc__Query *query, int64_t timeout_ms,
                                   void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer),
                                   void *done_arg)
{
    struct fake_host *h = arg;
    if (h->flags & FAKE_HOST_MUTE) {
        return;
    }
    Flinc__QueryAnswer *answer = MEM_NEW(Flinc__QueryAnswer);
    flinc__query_answer__init(answer);
    if (query->body_case == FLINC__QUERY__BODY_THREAD_DUMP) {
        Flinc__ThreadDump *dump = answer->thread_dump = MEM_NEW(Flinc__ThreadDump);
        flinc__thread_dump__init(dump);
        answer->body_case = FLINC__QUERY_ANSWER__BODY_THREAD_DUMP;
        dump->threads = MEM_NEW_ARRAY(Flinc__ThreadInfo *, h->jobs.len + 1);
        for (; dump->n_threads < h->jobs.len; dump->n_threads++) {
            Flinc__ThreadInfo *t = dump->threads[dump->n_threads] = MEM_NEW(Flinc__ThreadInfo);
            flinc__thread_info__init(t);
            t->name = mem_strdup("worker");
            t->text = mem_strdup("\"worker\"");
        }
    } else if (query->body_case == FLINC__QUERY__BODY_METRICS) {
        Flinc__MetricDump *dump = answer->metrics = MEM_NEW(Flinc__MetricDump);
        flinc__metric_dump__init(dump);
        answer->body_case = FLINC__QUERY_ANSWER__BODY_METRICS;
        dump->groups = MEM_NEW_ARRAY(Flinc__MetricGroupDump *, h->jobs.len + 1);
        for (; dump->n_groups < h->jobs.len; dump->n_groups++) {
            dump->groups[dump->n_groups] = MEM_NEW(Flinc__MetricGroupDump);
            flinc__metric_group_dump__init(dump->groups[dump->n_groups]);
            fake_host_fill_group(dump->groups[dump->n_groups]);
        }
    }
    on_done(done_arg, answer);
}

static inline void fake_host_get_counters(const void *arg, struct worker_host_counters *ret)
{
    *ret = (struct worker_host_counters){.n_started = 7, .n_data_refused = 3, .n_blobs_failed = 2};
}

static const struct taskmanager_worker_ops fake_host_ops = {
    .start_job = fake_host_start_job,
    .open_link = fake_host_open_link,
    .send = fake_host_send,
    .close_link = fake_host_close_link,
    .stop_job = fake_host_stop_job,
    .kill_job = fake_host_kill_job,
    .each = fake_host_each,
    .query = fake_host_query,
    .get_counters = fake_host_get_counters,
};

static inline void fake_host_init(struct fake_host *h, struct taskmanager *tm, uint64_t seed)
{
    *h = (struct fake_host){.tm = tm, .flags = FAKE_HOST_READY | FAKE_HOST_STOPS | FAKE_HOST_KILLS};
    h->callbacks = taskmanager_worker_callbacks();
    vec_init(&h->jobs, sizeof(struct fake_job *));
    rng_init(&h->rng, seed);
}

static inline void fake_host_fini(struct fake_host *h)
{
    for (size_t i = 0; i < h->jobs.len; i++) {
        mem_free(vec_ptr(&h->jobs, i));
    }
    vec_fini(&h->jobs);
}

#endif
