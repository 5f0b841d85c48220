/* A dispatcher under test, with real job masters on threads of their own, over a fake resource manager: it
 * gives each job the slots that it asks for, on one fake worker per job, whose tasks do what the flags of
 * the world say.  The fake workers are stepped on the test's thread by world_pump(). */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_DISPATCHER_DISPATCHER_WORLD_H
#define FLINC_TESTS_UNIT_JOBMANAGER_DISPATCHER_DISPATCHER_WORLD_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
#include <sched.h>
#include <stdlib.h>

enum { WORLD_JOBS_MAX = 512, WORLD_PATIENCE_S = 60 };

/* The fake resource manager's side of a job. */
struct fake_job {
    struct jobmaster *jm;
    struct fake_worker worker;
    uint32_t n_slots;
    uint32_t n_blobs;
    uint8_t blob[32]; /* of the first */
};

struct resourcemanager {
    struct slot_provider slots;
    pthread_mutex_t lock;
    struct fake_job *jobs[WORLD_JOBS_MAX]; /* holes: removed ones */
    unsigned flags;                        /* enum fake_flags, of workers made from now on */
    bool keeps_slots;                      /* no slots for new jobs */
    _Atomic uint32_t n_added, n_removed;
};

struct world {
    struct resourcemanager rm;
    struct conf conf;
    struct executor *executor;
    struct metric_registry *registry;
    struct metric_group *metrics;
    struct dispatcher *d;
    struct recovery *recovery; /* Borrows; NULL: nothing outlives the dispatcher */
    char folder[64];
    pthread_mutex_t lock;
    struct str ended; /* "FINISHED " as on_job_ended tells */
};

/* ---- the fake resource manager ------------------------------------------------------------------- */

static struct resourcemanager *the_rm;

static struct fake_job *fake_job_of(const struct jobmaster *jm)
{
    struct fake_job *found = NULL;
    pthread_mutex_lock(&the_rm->lock);
    for (int i = 0; i < WORLD_JOBS_MAX; i++) {
        if (the_rm->jobs[i] != NULL && the_rm->jobs[i]->jm == jm) {
            found = the_rm->jobs[i];
        }
    }
    pthread_mutex_unlock(&the_rm->lock);
    assert_non_null(found);
    return found;
}

static void fake_declare(void *arg, struct jobmaster *jm,
                         const struct slot_requirement *requirements, uint32_t n_kinds)
{
    uint32_t n = requirements[0].n_slots;
    struct fake_job *j = fake_job_of(jm);
    while (j->n_slots < n && !the_rm->keeps_slots) {
        struct slot slot = {.worker = 0};
        j->n_slots++;
        memcpy(slot.allocation_id.bytes, &jm, sizeof(jm));
        memcpy(slot.allocation_id.bytes + 8, &j->n_slots, sizeof(j->n_slots));
        jobmaster_offer_slots(jm, &slot, 1);
    }
}

static void fake_release(void *arg, struct jobmaster *jm, const struct slot *slot)
{
}

const struct slot_provider *resourcemanager_slots(struct resourcemanager *rm)
{
    return &rm->slots;
}

void resourcemanager_add_job(struct resourcemanager *rm, const struct resourcemanager_job *job)
{
    struct fake_job *j = MEM_NEW(struct fake_job);
    struct rpc_end_options theirs;
    struct error err = ERROR_INIT;
    j->jm = job->jm;
    j->n_blobs = (uint32_t)job->n_blobs;
    if (job->n_blobs > 0) {
        memcpy(j->blob, job->blobs[0]->content_hash.data, sizeof(j->blob));
    }
    j->worker.flags = rm->flags;
    j->worker.mailbox = mailbox_new(&(struct mailbox_options){.name = "worker"});
    vec_init(&j->worker.tasks, sizeof(struct fake_task *));
    struct rpc_end_options mine = {.name = "worker -> jobmaster",
                                   .sends = &flinc__worker_to_master__descriptor,
                                   .receives = &flinc__master_to_worker__descriptor,
                                   .mailbox = j->worker.mailbox,
                                   .on_message = fake_on_message,
                                   .on_closed = fake_on_closed,
                                   .target = &j->worker};
    jobmaster_get_end(job->jm, 0, &theirs);
    struct rpc_channel *master = NULL;
    assert_int_equal(rpc_memory_pair(&theirs, &mine, NULL, &master, &j->worker.channel, &err), 0);
    jobmaster_add_worker(job->jm, 0, NULL, master);
    pthread_mutex_lock(&rm->lock);
    for (int i = 0; i < WORLD_JOBS_MAX; i++) {
        if (rm->jobs[i] == NULL) {
            rm->jobs[i] = j;
            rm->n_added++;
            break;
        }
    }
    pthread_mutex_unlock(&rm->lock);
}

/* The job is forgotten by world_pump() on the test's thread, which alone touches fake workers. */
void resourcemanager_remove_job(struct resourcemanager *rm, struct jobmaster *jm)
{
    struct fake_job *j = fake_job_of(jm);
    pthread_mutex_lock(&rm->lock);
    j->jm = NULL;
    rm->n_removed++;
    pthread_mutex_unlock(&rm->lock);
}

/* Steps the fake workers. */
static void world_pump(struct world *w)
{
    for (int i = 0; i < WORLD_JOBS_MAX; i++) {
        pthread_mutex_lock(&w->rm.lock);
        struct fake_job *j = w->rm.jobs[i];
        bool gone = j != NULL && j->jm == NULL;
        if (gone) {
            w->rm.jobs[i] = NULL;
        }
        pthread_mutex_unlock(&w->rm.lock);
        if (j != NULL) {
            (void)mailbox_run(j->worker.mailbox, 1000000);
        }
        if (gone) {
            worker_clear(&j->worker);
            mem_free(j);
        }
    }
}

/* ---- the world ------------------------------------------------------------------------------------ */

static void world_on_job_ended(void *owner, const struct flinc_id *id, enum job_status status)
{
    struct world *w = owner;
    pthread_mutex_lock(&w->lock);
    str_printf(&w->ended, "%s ", job_status_name(status));
    pthread_mutex_unlock(&w->lock);
}

/* What on_job_ended has told so far. */
static inline bool world_ended_is(struct world *w, const char *text)
{
    pthread_mutex_lock(&w->lock);
    bool is = strcmp(str_cstr(&w->ended), text) == 0;
    pthread_mutex_unlock(&w->lock);
    return is;
}

static inline void world_set(struct world *w, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    assert_int_equal(conf_set(&w->conf, key, value, &err), 0);
}

static void world_init(struct world *w)
{
    struct error err = ERROR_INIT;
    log_set_level(LOG_LEVEL_OFF);
    *w = (struct world){.rm = {.slots = {NULL, fake_declare, fake_release},
                               .flags = FAKE_ACKNOWLEDGES | FAKE_CANCELS}};
    the_rm = &w->rm;
    pthread_mutex_init(&w->rm.lock, NULL);
    pthread_mutex_init(&w->lock, NULL);
    conf_init(&w->conf, NULL);
    struct executor_options io = {.name = "io", .n_threads = 2};
    assert_int_equal(executor_new(&io, &w->executor, &err), 0);
    struct metric_registry_options metrics = {.delimiter = '.'};
    assert_int_equal(metric_registry_new(&metrics, &w->registry, &err), 0);
    w->metrics = metric_group_new(w->registry, NULL, METRIC_SCOPE_JM, NULL, 0);
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/dispatcher-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
}

static void world_start(struct world *w)
{
    struct error err = ERROR_INIT;
    struct dispatcher_options o = {
        .conf = &w->conf,
        .mode = COMPONENT_THREAD,
        .resourcemanager = &w->rm,
        .io_executor = w->executor,
        .recovery = w->recovery,
        .metrics = w->registry,
        .jobmanager_metrics = w->metrics,
        .store_dir = w->folder,
        .on_job_ended = world_on_job_ended,
        .owner = w,
    };
    assert_int_equal(dispatcher_new(&o, &w->d, &err), 0);
    assert_int_equal(dispatcher_start(w->d, &err), 0);
}

static void *free_dispatcher(void *arg)
{
    return dispatcher_free(arg);
}

static size_t world_n_files(const struct world *w)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_list_dir(w->folder, &list, &err), 0);
    size_t n = list.n;
    fs_list_fini(&list);
    return n;
}

/* Its jobs are suspended. */
static void world_stop(struct world *w)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_dispatcher, w->d), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        world_pump(w);
        sched_yield();
    }
    world_pump(w);
    w->d = NULL;
}

static void world_fini(struct world *w)
{
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    world_stop(w);
    assert_int_equal(w->rm.n_added, w->rm.n_removed);
    assert_int_equal(world_n_files(w), 0);
    executor_free(w->executor);
    metric_group_free(w->metrics);
    metric_registry_free(w->registry);
    conf_fini(&w->conf);
    str_fini(&w->ended);
    assert_int_equal(fs_delete(w->folder, FS_DELETE_RECURSIVE, &err), 0);
    assert_int_equal(thread_count(), 0);
}

/* Pumps until the condition holds. */
#define WORLD_UNTIL(w, condition)                                                   \
    do {                                                                            \
        int64_t end_ = clock_monotonic_ms(&clock_system) + WORLD_PATIENCE_S * 1000; \
        while (!(condition)) {                                                      \
            world_pump(w);                                                          \
            sched_yield();                                                          \
            if (clock_monotonic_ms(&clock_system) > end_) {                         \
                fail_msg("waited in vain for " #condition);                         \
            }                                                                       \
        }                                                                           \
    } while (0)

static inline struct flinc_id job_id(uint8_t number)
{
    struct flinc_id id = {.bytes = {number, 'j'}};
    return id;
}

/* Source -> sink, two tasks. */
static inline Flinc__JobGraph *job_graph(uint8_t number, const char *name)
{
    static const struct vertex_spec vertices[] = {{"Source", 1, NULL, NULL},
                                                  {"Sink", 1, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
                                              FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    Flinc__JobGraph *g = graph_new(vertices, 2, edges, 1);
    struct flinc_id id = job_id(number);
    memcpy(g->job_id.data, id.bytes, sizeof(id.bytes));
    free(g->name);
    g->name = strdup(name);
    return g;
}

static inline int world_submit(struct world *w, Flinc__JobGraph *take_graph, struct error *err)
{
    struct job_submission s = {.graph = take_graph};
    return dispatcher_submit_sync(w->d, &s, WORLD_PATIENCE_S * 1000, err);
}

static inline enum job_status world_status(struct world *w, uint8_t number)
{
    struct flinc_id id = job_id(number);
    struct job_overview o = {.status = JOB_STATUS_COUNT};
    return dispatcher_get_overview(w->d, &id, &o) ? o.status : JOB_STATUS_COUNT;
}

static inline uint32_t world_n_running_tasks(struct world *w, uint8_t number)
{
    struct flinc_id id = job_id(number);
    struct job_overview o = {.tasks_total = 0};
    (void)dispatcher_get_overview(w->d, &id, &o);
    return o.tasks_by_state[RUNNING];
}

/* A task of the job, on its worker. */
static inline struct fake_task *world_task(struct world *w, uint32_t job, uint32_t task)
{
    struct fake_job *j = w->rm.jobs[job];
    return j != NULL && task < j->worker.tasks.len ? vec_ptr(&j->worker.tasks, task) : NULL;
}

static inline bool world_in_store(struct world *w, uint8_t number)
{
    struct flinc_id id = job_id(number);
    struct job_overview o;
    return job_store_find(w->d->store, &id, &o, NULL);
}

#endif
