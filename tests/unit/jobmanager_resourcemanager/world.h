/* A resource manager with real job masters on one side and fake task managers on the other, on a manual
 * clock, stepped in the test's thread. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_WORLD_H
#define FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_WORLD_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "jobmanager/jobmaster/job_details.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
#include "tests/unit/jobmanager_resourcemanager/fake_tm.h"

enum { WORLD_TMS_MAX = 4, WORLD_JOBS_MAX = 8 };

struct world_job {
    struct jobmaster *jm;
    Flinc__JobGraph *graph;
    struct flinc_id id, token;
    uint32_t n_terminals;
    enum job_status terminal;
    struct error cause;
};

struct world {
    struct clock_manual clock;
    struct conf conf;
    struct resourcemanager *rm;
    struct fake_tm tms[WORLD_TMS_MAX];
    uint32_t n_tms;
    struct world_job jobs[WORLD_JOBS_MAX];
    uint32_t n_jobs;
    struct rpc_interceptor interceptor;
    struct resourcemanager_prober prober;
    uint64_t seed;
};

static inline void world_set(struct world *w, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    if (conf_set(&w->conf, key, value, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static inline void world_init(struct world *w)
{
    *w = (struct world){.seed = 7};
    log_set_level(LOG_LEVEL_ERROR);
    clock_manual_init(&w->clock);
    conf_init(&w->conf, NULL);
    world_set(w, "heartbeat.interval", "1 s");
    world_set(w, "heartbeat.timeout", "5 s");
    world_set(w, "slot.request.timeout", "30 s");
    world_set(w, "restart-strategy.type", "fixed-delay");
    world_set(w, "restart-strategy.fixed-delay.delay", "100 ms");
    world_set(w, "restart-strategy.fixed-delay.attempts", "1000000");
}

static inline void world_make(struct world *w)
{
    struct error err = ERROR_INIT;
    struct resourcemanager_options o = {.conf = &w->conf,
                                        .mode = COMPONENT_MANUAL,
                                        .clock = &w->clock.base,
                                        .seed = w->seed,
                                        .prober = w->prober};
    memset(o.leader.bytes, 0x11, sizeof(o.leader.bytes));
    assert_int_equal(resourcemanager_new(&o, &w->rm, &err), 0);
    assert_int_equal(resourcemanager_start(w->rm, &err), 0);
}

static inline void world_settle(struct world *w)
{
    size_t ran;
    do {
        ran = component_run_until_idle(resourcemanager_component(w->rm), 0);
        for (uint32_t i = 0; i < w->n_jobs; i++) {
            if (w->jobs[i].jm != NULL) {
                ran += component_run_until_idle(jobmaster_component(w->jobs[i].jm), 0);
            }
        }
        for (uint32_t i = 0; i < w->n_tms; i++) {
            ran += mailbox_run(w->tms[i].mailbox, 1000000);
        }
    } while (ran > 0);
}

static inline void world_advance(struct world *w, int64_t ms)
{
    while (ms > 0) { /* in steps, so that timers fire about when they are due */
        int64_t step = MIN(ms, (int64_t)50);
        clock_manual_advance_ms(&w->clock, step);
        world_settle(w);
        ms -= step;
    }
}

static inline struct fake_tm *world_add_tm(struct world *w, uint32_t n_slots)
{
    char id[32];
    if (w->rm == NULL) {
        world_make(w);
    }
    snprintf(id, sizeof(id), "tm-%u", w->n_tms);
    struct fake_tm *t = &w->tms[w->n_tms++];
    fake_tm_init(t, w->rm, id, n_slots, w->seed + w->n_tms);
    fake_tm_connect(t, w->interceptor.decide != NULL ? &w->interceptor : NULL);
    world_settle(w);
    return t;
}

static inline void world_on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct world_job *j = owner;
    j->n_terminals++;
    j->terminal = status;
    if (cause != NULL) {
        error_copy(&j->cause, cause);
    }
}

/* The sink runs in slots of its own, of this profile; 0 cores: in those of the source. */
static inline struct world_job *world_start_sized_job(struct world *w, uint32_t parallelism,
                                                      double cpu, uint64_t task_heap_bytes)
{
    struct vertex_spec vertices[] = {{"Source", parallelism, NULL, NULL},
                                     {"Sink", parallelism, cpu > 0 ? "large" : NULL, NULL}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0}};
    if (w->rm == NULL) {
        world_make(w);
    }
    struct world_job *j = &w->jobs[w->n_jobs++];
    struct error err = ERROR_INIT;
    *j = (struct world_job){0};
    j->graph = graph_new(vertices, 2, edges, 1);
    if (cpu > 0) {
        graph_add_group(j->graph, "large", cpu, task_heap_bytes);
    }
    j->graph->job_id.data[15] = (uint8_t)w->n_jobs;
    fake_copy(&j->id, &j->graph->job_id);
    memset(j->token.bytes, 0x40 + (int)w->n_jobs, sizeof(j->token.bytes));
    struct jobmaster_options o = {
        .graph = j->graph,
        .conf = &w->conf,
        .mode = COMPONENT_MANUAL,
        .clock = &w->clock.base,
        .seed = w->seed + 100 + w->n_jobs,
        .fencing_token = j->token,
        .slots = resourcemanager_slots(w->rm),
        .on_terminal = world_on_terminal,
        .owner = j,
    };
    if (jobmaster_new(&o, &j->jm, &err) < 0) {
        fail_msg("%s", err.message);
    }
    struct resourcemanager_job spec = {
        .jm = j->jm, .job_id = j->id, .master_token = j->token, .name = j->graph->name};
    resourcemanager_add_job(w->rm, &spec);
    assert_int_equal(jobmaster_start(j->jm, &err), 0);
    world_settle(w);
    return j;
}

static inline struct world_job *world_start_job(struct world *w, uint32_t parallelism)
{
    return world_start_sized_job(w, parallelism, 0, 0);
}

static inline void world_end_job(struct world *w, struct world_job *j)
{
    if (j->jm != NULL) {
        resourcemanager_remove_job(w->rm, j->jm);
        j->jm = jobmaster_free(j->jm);
        flinc__job_graph__free_unpacked(j->graph, NULL);
    }
}

static inline struct job_progress world_progress(struct world_job *j)
{
    struct job_progress p;
    jobmaster_get_progress(j->jm, &p);
    return p;
}

static inline uint32_t world_running(struct world_job *j)
{
    return world_progress(j).tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING];
}

static inline struct resource_overview world_overview(struct world *w)
{
    struct resource_overview o;
    resourcemanager_get_overview(w->rm, &o);
    return o;
}

static inline struct resourcemanager_stats world_stats(struct world *w)
{
    struct resourcemanager_stats s;
    resourcemanager_get_stats(w->rm, &s);
    return s;
}

static inline void world_fini(struct world *w)
{
    failpoint_clear_all();
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        world_end_job(w, &w->jobs[i]);
    }
    resourcemanager_free(w->rm);
    for (uint32_t i = 0; i < w->n_tms; i++) {
        fake_tm_fini(&w->tms[i]);
    }
    conf_fini(&w->conf);
}

#endif
