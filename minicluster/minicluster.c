/* All roles in one process; see minicluster.h. */
#include "minicluster/minicluster.h"
#include "common/base/log.h"
#include "common/fs/drivers/drivers.h"
#include "common/rpc/transport.h"
#include "engine/graph/job_graph.h"
#include "jobmanager/jobmaster/job_details.h"
#include "taskmanager/worker/job_code.h"

static const char topic[] = "flinc.minicluster";

struct minicluster {
    struct minicluster_options options;
    const Flinc__JobGraph *graph; /* Borrows */
    struct conf conf;             /* Owns: the cluster's with the job's over it */
    struct job_code code;
    struct mem_budget budget;
    struct executor *io_executor;
    struct metric_registry *metrics;
    struct jobmaster *jobmaster;
    struct worker *worker;
    struct slot_provider slots;
    uint32_t slots_limit;  /* 0: as many as the job needs */
    uint32_t *slots_given; /* Owns; by kind */
    uint32_t n_given;      /* in all */
    struct rng rng;        /* of allocation ids; the job master's thread */

    pthread_mutex_t lock; /* guards the following */
    bool ended;
    enum job_status status;
    struct error cause;
    struct event_count changed; /* signalled at the end */
};

/* ---- slots: as many as asked for, at once ----------------------------------------------------- */

/* What a slot is to be worth is not divided here: tasks share one process. */
static void slots_declare(void *arg, struct jobmaster *jm,
                          const struct slot_requirement *requirements, uint32_t n_kinds)
{
    struct minicluster *m = arg;

    if (m->slots_given == NULL) {
        m->slots_given = MEM_NEW_ARRAY(uint32_t, n_kinds);
    }
    for (uint32_t kind = 0; kind < n_kinds; kind++) {
        while (m->slots_given[kind] < requirements[kind].n_slots &&
               (m->slots_limit == 0 || m->n_given < m->slots_limit)) {
            struct slot slot = {.worker = 0, .kind = kind};
            id_random(&slot.allocation_id, &m->rng);
            m->slots_given[kind]++;
            m->n_given++;
            jobmaster_offer_slots(jm, &slot, 1);
        }
    }
}

static void slots_release(void *arg, struct jobmaster *jm, const struct slot *slot)
{
    struct minicluster *m = arg;

    (void)jm;
    ASSERT(m->n_given > 0 && m->slots_given[slot->kind] > 0);
    m->slots_given[slot->kind]--;
    m->n_given--;
}

/* ---- the end ------------------------------------------------------------------------------------ */

static void on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct minicluster *m = owner;

    pthread_mutex_lock(&m->lock);
    m->ended = true;
    m->status = status;
    if (cause != NULL) {
        error_copy(&m->cause, cause);
    }
    pthread_mutex_unlock(&m->lock);
    event_count_signal(&m->changed);
}

static bool has_ended(struct minicluster *m)
{
    pthread_mutex_lock(&m->lock);
    bool ended = m->ended;
    pthread_mutex_unlock(&m->lock);
    return ended;
}

bool minicluster_wait(struct minicluster *m, int64_t timeout_ms)
{
    int64_t deadline =
        timeout_ms < 0 ? INT64_MAX : clock_monotonic_ns(&clock_system) + timeout_ms * 1000000;

    for (;;) {
        uint32_t ticket = event_count_prepare(&m->changed);
        if (has_ended(m)) {
            event_count_cancel(&m->changed);
            return true;
        }
        int64_t left = timeout_ms < 0 ? -1 : deadline - clock_monotonic_ns(&clock_system);
        if (timeout_ms >= 0 && left <= 0) {
            event_count_cancel(&m->changed);
            return false;
        }
        (void)event_count_wait(&m->changed, ticket, left);
    }
}

enum job_status minicluster_result(struct minicluster *m, struct error *ret_cause)
{
    pthread_mutex_lock(&m->lock);
    enum job_status status = m->status;
    if (ret_cause != NULL) {
        error_copy(ret_cause, &m->cause);
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- start and stop ------------------------------------------------------------------------------ */

static void init_conf(struct minicluster *m, const struct conf *conf)
{
    conf_init(&m->conf, NULL);
    if (conf != NULL) {
        conf_merge(&m->conf, conf);
    }
    /* In a configuration file it is meant for the task managers of a cluster. */
    const struct conf_entry *slots = map_find(&m->conf.entries, "taskmanager.numberOfTaskSlots");
    if (slots != NULL && slots->place.origin != CONF_ORIGIN_FILE) {
        m->slots_limit = (uint32_t)conf_int(conf, "taskmanager.numberOfTaskSlots");
    }
}

static int start_jobmaster(struct minicluster *m, struct error *err)
{
    struct jobmaster_options o = {
        .graph = m->graph,
        .conf = &m->conf,
        .mode = COMPONENT_THREAD,
        .clock = m->options.clock,
        .io_executor = m->io_executor,
        .seed = m->options.seed,
        .slots = &m->slots,
        .find_coordinator = m->options.find_coordinator,
        .on_terminal = on_terminal,
        .owner = m,
    };

    id_random(&o.fencing_token, &m->rng);
    return jobmaster_new(&o, &m->jobmaster, err);
}

static void make_worker(struct minicluster *m)
{
    struct worker_options o = {
        .name = "worker",
        .tm_id = "local",
        .conf = &m->conf,
        .mode = COMPONENT_THREAD,
        .clock = m->options.clock,
        .code = m->options.code != NULL ? m->options.code : &m->code.resolver,
        .metrics = m->metrics,
        .io_executor = m->io_executor,
        .budget = &m->budget,
        .find_operator = m->options.find_operator,
        .report_interval_ms = MINICLUSTER_REPORT_MS,
        .on_stuck_task = m->options.on_stuck_task,
        .owner = m->options.owner,
    };

    memcpy(o.job_id.bytes, m->graph->job_id.data, sizeof(o.job_id.bytes));
    m->worker = worker_new(&o);
}

/* The channel between the two, then both start. */
static int connect_roles(struct minicluster *m, struct error *err)
{
    struct rpc_end_options to_worker;
    struct rpc_end_options to_master;
    struct rpc_channel *master_end = NULL;
    struct rpc_channel *worker_end = NULL;

    jobmaster_get_end(m->jobmaster, 0, &to_worker);
    worker_get_end(m->worker, &to_master);
    TRY(rpc_memory_pair(&to_worker, &to_master, NULL, &master_end, &worker_end, err));
    int rc = worker_start(m->worker, worker_end, err);
    if (rc < 0) {
        rpc_channel_free(master_end);
        return rc;
    }
    jobmaster_add_worker(m->jobmaster, 0, NULL, master_end);
    return jobmaster_start(m->jobmaster, err);
}

int minicluster_start(const struct minicluster_options *options, const Flinc__JobGraph *graph,
                      struct minicluster **ret, struct error *err)
{
    struct minicluster *m = MEM_NEW(struct minicluster);

    m->options = *options;
    m->graph = graph;
    pthread_mutex_init(&m->lock, NULL);
    if (options->seed != 0) {
        rng_init(&m->rng, options->seed);
    } else {
        rng_init_system(&m->rng);
    }
    m->slots = (struct slot_provider){m, slots_declare, slots_release};
    init_conf(m, options->conf);
    job_code_init(&m->code, NULL);
    mem_budget_init(&m->budget, "worker", 0, NULL);
    struct metric_registry_options metrics = {
        .clock = options->clock, .delimiter = conf_string(&m->conf, "metrics.scope.delimiter")[0]};
    for (int i = 0; i < METRIC_SCOPES; i++) {
        metrics.formats[i] = conf_string(&m->conf, metric_scope_option((enum metric_scope)i));
    }
    struct executor_options io = {.name = "flinc-io", .n_threads = MINICLUSTER_IO_THREADS};
    int rc = file_systems_register(&m->conf, err);
    if (rc == 0) {
        rc = metric_registry_new(&metrics, &m->metrics, err);
    }
    if (rc == 0) {
        rc = executor_new(&io, &m->io_executor, err);
    }
    if (rc == 0) {
        rc = start_jobmaster(m, err);
    }
    if (rc == 0) {
        make_worker(m);
        rc = connect_roles(m, err);
    }
    if (rc < 0) {
        (void)minicluster_free(m);
        return rc;
    }
    LOG_DEBUG(topic, "started a mini cluster for job %s", graph->name);
    *ret = m;
    return 0;
}

void minicluster_cancel(struct minicluster *m)
{
    jobmaster_cancel(m->jobmaster);
}

struct jobmaster *minicluster_jobmaster(struct minicluster *m)
{
    return m->jobmaster;
}

struct worker *minicluster_worker(struct minicluster *m)
{
    return m->worker;
}

int minicluster_ask(struct minicluster *m, const char *operator_uid, struct slice request,
                    int64_t timeout_ms, struct str *ret_answer, struct error *err)
{
    struct error why = ERROR_INIT;
    const struct job_details *details = NULL;
    int rc = jobmaster_ask_coordinator(m->jobmaster, operator_uid, request, timeout_ms, ret_answer,
                                       &why);
    if (rc != ERR_CLOSED) {
        if (rc < 0 && err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    TRY(jobmaster_get_details(m->jobmaster, timeout_ms, &details, err));
    rc = job_details_answer(details, operator_uid, ret_answer, err);
    job_details_unref(details);
    return rc;
}

struct minicluster *minicluster_free(struct minicluster *m)
{
    if (m == NULL) {
        return NULL;
    }
    if (has_ended(m)) { /* nothing runs any more: the worker says goodbye first */
        m->worker = worker_free(m->worker);
    }
    jobmaster_free(m->jobmaster);
    worker_free(m->worker);
    executor_free(m->io_executor);
    ASSERT(atomic_load(&m->budget.used_bytes) == 0); /* every buffer is back */
    metric_registry_free(m->metrics);
    job_code_fini(&m->code);
    conf_fini(&m->conf);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->slots_given);
    mem_free(m);
    return NULL;
}
