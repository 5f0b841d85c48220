/* The job master's life: made from a job graph, started, fed by operations of its mailbox, ended.
 *
 * What other threads ask (workers, slots, cancellation) becomes an operation of the component, so all
 * state changes on its thread.  See jobmaster.h. */
#include "jobmanager/jobmaster/jobmaster.h"

#include "engine/graph/job_graph.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "jobmanager/jobmaster/reconcile.h"
#include <stdio.h>

int64_t jobmaster_now_ms(const struct jobmaster *jm)
{
    return clock_now_ms(jm->clock);
}

/* ---- making one ------------------------------------------------------------------------------- */

static int read_conf(struct jobmaster *jm, struct error *err)
{
    const struct conf *cluster = jm->options.conf;
    const Flinc__JobGraph *graph = jm->options.graph;
    conf_init(&jm->conf, cluster != NULL ? cluster->schema : NULL);
    if (cluster != NULL) {
        conf_merge(&jm->conf, cluster);
    }
    for (size_t i = 0; i < graph->n_config; i++) {
        TRY_CTX(err, conf_set(&jm->conf, graph->config[i]->key, graph->config[i]->value, err),
                "reading the configuration of job %s", graph->name);
    }
    return restart_strategy_init(&jm->strategy, &jm->conf, err);
}

/* What this job master does not run yet is refused by name. */
static int check_supported(const Flinc__JobGraph *graph, struct error *err)
{
    for (size_t i = 0; i < graph->n_edges; i++) {
        if (graph->edges[i]->mode != FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED) {
            return error_set(err, ERR_UNSUPPORTED,
                             "job %s has a blocking exchange in front of %s; exchanges are "
                             "pipelined",
                             graph->name, graph->vertices[graph->edges[i]->target_vertex]->name);
        }
    }
    return 0;
}

static void on_start(void *owner);
static void on_stop(void *owner);

/* One message per task and its states may wait beside what everybody else posts. */
static uint32_t mailbox_limit(const struct jobmaster *jm)
{
    return MAILBOX_LIMIT_DEFAULT + 16 * jm->graph.n_subtasks;
}

/* The adaptive scheduler restarts the whole job: its parallelism may be another one then. */
static enum failover_strategy failover_strategy(const struct jobmaster *jm)
{
    return adaptive_is_on(jm) ? FAILOVER_FULL
                              : (enum failover_strategy)conf_enum(
                                    &jm->conf, "jobmanager.execution.failover-strategy");
}

static int jobmaster_init(struct jobmaster *jm, const struct jobmaster_options *options,
                          struct error *err)
{
    ASSERT(options->graph != NULL && options->slots != NULL && options->on_terminal != NULL);
    jm->options = *options;
    jm->clock = options->clock != NULL ? options->clock : &clock_system;
    TRY(job_graph_validate(options->graph, err));
    TRY(check_supported(options->graph, err));
    memcpy(jm->job_id.bytes, options->graph->job_id.data, sizeof(jm->job_id.bytes));
    id_format(&jm->job_id, jm->job_hex);
    snprintf(jm->log_context, sizeof(jm->log_context), "job=%s", jm->job_hex);
    TRY(read_conf(jm, err));
    if (options->seed != 0) {
        rng_init(&jm->rng, options->seed);
    } else {
        rng_init_system(&jm->rng);
    }
    jm->status_since_ms[jm->status] = jobmaster_now_ms(jm);
    TRY(adaptive_init(jm, err));
    execution_graph_init(&jm->graph, adaptive_graph(jm), failover_strategy(jm), jm, &jm->rng,
                         jobmaster_now_ms(jm));
    slots_init(jm);
    snapshot_init(&jm->snapshot, conf_int(&jm->conf, "web.exception-history-size"));
    snapshot_count_tasks(&jm->snapshot, &jm->graph);
    snapshot_set_status(&jm->snapshot, jm->status, jobmaster_now_ms(jm));
    jm->snapshot.on_progress = options->on_progress; /* from the start on */
    jm->snapshot.arg = options->owner;
    jm->component = component_new(&(struct component_options){
        .name = "jobmaster",
        .mode = options->mode,
        .clock = options->clock,
        .mailbox_limit = mailbox_limit(jm),
        .on_start = on_start,
        .on_stop = on_stop,
        .owner = jm,
    });
    adaptive_attach(jm);
    details_init(jm);
    job_metrics_init(&jm->metrics, options->metrics, &jm->conf, jm->clock, options->graph);
    workers_init(&jm->workers, jm);
    TRY(checkpoints_init(jm, err));
    return coordinators_init(jm, err);
}

/* Of a job master that may be half made. */
static void jobmaster_fini(struct jobmaster *jm)
{
    if (jm->component != NULL) {
        component_stop(jm->component);
        workers_fini(&jm->workers);
        coordinators_fini(jm);
        job_metrics_fini(&jm->metrics); /* its gauges read the checkpointer's */
        checkpoints_fini(jm);
        component_free(jm->component);
        details_fini(jm);
        snapshot_fini(&jm->snapshot);
        slot_pool_fini(&jm->slots);
        execution_graph_fini(&jm->graph);
    }
    adaptive_fini(jm);
    restart_strategy_fini(&jm->strategy);
    conf_fini(&jm->conf);
    mem_free(jm);
}

int jobmaster_new(const struct jobmaster_options *options, struct jobmaster **ret,
                  struct error *err)
{
    struct jobmaster *jm = MEM_NEW(struct jobmaster);
    int rc = jobmaster_init(jm, options, err);
    if (rc < 0) {
        jobmaster_fini(jm);
        return rc;
    }
    *ret = jm;
    return 0;
}

/* ---- start and end ---------------------------------------------------------------------------- */

static void on_start(void *owner)
{
    struct jobmaster *jm = owner;
    if (jm->options.mode == COMPONENT_THREAD) {
        log_set_thread_context(jm->log_context);
    }
    job_transition(jm, JOB_STATUS_CREATED);
    LOG_INFO(JOBMASTER_TOPIC, "Starting execution of job '%s' (%s): %u tasks in %u slots.",
             jm->options.graph->name, jm->job_hex, jm->graph.n_subtasks, jm->graph.n_slots);
    if (adaptive_is_on(jm)) {
        adaptive_start(jm);
        return;
    }
    job_transition(jm, JOB_STATUS_RUNNING);
    slots_declare(jm);
    reconcile_start(jm);
    if (checkpoints_prepare(jm)) {
        jobmaster_begin(jm);
    }
}

void jobmaster_begin(struct jobmaster *jm)
{
    struct error err = ERROR_INIT;
    if (coordinators_start(jm, &err) < 0) {
        failover_global(jm, &err);
        return;
    }
    for (uint32_t i = 0; i < jm->graph.n_regions; i++) {
        if (jm->graph.regions[i].state == REGION_IDLE) {
            region_schedule(jm, &jm->graph.regions[i]);
        }
    }
    regions_deploy_ready(jm);
}

static void on_stop(void *owner)
{
    struct jobmaster *jm = owner;
    coordinators_close(jm);
    if (jm->options.mode == COMPONENT_THREAD) {
        log_set_thread_context(NULL);
    }
}

void jobmaster_end(struct jobmaster *jm, enum job_status status)
{
    struct error ignored = ERROR_INIT;
    (void)FAILPOINT(&ignored, "jobmaster.end.before_release");
    PLANTED_LEAK("jobmaster.leaks");
    reconcile_stop(jm);
    if (status == JOB_STATUS_FINISHED) {
        coordinators_take_results(jm);
    }
    coordinators_close(jm);
    slots_release_all(jm);
    job_transition(jm, status);
    jm->options.on_terminal(jm->options.owner, status,
                            jm->cause.code != 0 &&
                                    (status == JOB_STATUS_FAILED || status == JOB_STATUS_SUSPENDED)
                                ? &jm->cause
                                : NULL);
    pthread_mutex_lock(&jm->snapshot.lock);
    jm->snapshot.ended = true;
    pthread_cond_broadcast(&jm->snapshot.ended_changed);
    pthread_mutex_unlock(&jm->snapshot.lock);
}

int jobmaster_start(struct jobmaster *jm, struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "jobmaster.start"), "starting job %s", jm->options.graph->name);
    return component_start(jm->component, err);
}

static void wait_for_end(struct jobmaster *jm)
{
    if (jm->options.mode == COMPONENT_MANUAL) {
        component_run_until_idle(jm->component, 0);
        failover_abandon(jm);
        return;
    }
    pthread_mutex_lock(&jm->snapshot.lock);
    while (!jm->snapshot.ended) {
        pthread_cond_wait(&jm->snapshot.ended_changed, &jm->snapshot.lock);
    }
    pthread_mutex_unlock(&jm->snapshot.lock);
}

struct jobmaster *jobmaster_free(struct jobmaster *jm)
{
    if (jm == NULL) {
        return NULL;
    }
    if (component_get_state(jm->component) == COMPONENT_RUNNING) {
        jobmaster_cancel(jm);
        wait_for_end(jm);
    }
    jobmaster_fini(jm);
    return NULL;
}

struct component *jobmaster_component(struct jobmaster *jm)
{
    return jm->component;
}

/* ---- operations from other threads ------------------------------------------------------------ */

/* These posts are few and must not get lost, so they are not subject to the mailbox's limit. */
static void post(struct jobmaster *jm, enum jobmaster_op kind, void (*run)(void *, void *),
                 void *take_payload, void (*drop)(void *))
{
    struct mailbox_op op = {
        .kind = (int)kind, .run = run, .target = jm, .payload = take_payload, .drop = drop};
    if (mailbox_post_internal(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op) < 0 &&
        drop != NULL) {
        drop(take_payload); /* it has ended */
    }
}

static void run_cancel(void *target, void *payload)
{
    failover_cancel_job(target);
}

void jobmaster_cancel(struct jobmaster *jm)
{
    post(jm, JOBMASTER_OP_CANCEL, run_cancel, NULL, NULL);
}

static void run_suspend(void *target, void *payload)
{
    failover_suspend(target, payload);
    mem_free(payload);
}

void jobmaster_suspend(struct jobmaster *jm, const struct error *why)
{
    post(jm, JOBMASTER_OP_SUSPEND, run_suspend, mem_dup(why, sizeof(*why)), mem_free);
}

static void run_reconcile(void *target, void *payload)
{
    reconcile_now(target);
}

void jobmaster_reconcile(struct jobmaster *jm)
{
    post(jm, JOBMASTER_OP_RECONCILE, run_reconcile, NULL, NULL);
}

void jobmaster_get_end(struct jobmaster *jm, uint32_t worker, struct rpc_end_options *ret_end)
{
    workers_get_end(&jm->workers, worker, ret_end);
}

struct worker_added {
    uint32_t number;
    struct rpc_channel *channel; /* Owns */
    struct place *place;         /* counted */
};

static void drop_worker_added(void *payload)
{
    struct worker_added *added = payload;
    rpc_channel_free(added->channel);
    place_unref(added->place);
    mem_free(added);
}

static void run_add_worker(void *target, void *payload)
{
    struct jobmaster *jm = target;
    struct worker_added *added = payload;
    struct worker_link *link = workers_find_by_channel(&jm->workers, added->channel);
    ASSERT(link != NULL &&
           link->number == added->number); /* its end came from jobmaster_get_end() */
    struct worker_link *old = workers_find(&jm->workers, added->number);
    struct error why = ERROR_INIT;
    if (old != NULL) {
        error_set(&why, ERR_UNAVAILABLE, "another worker came under its number");
        messages_on_worker_closed(jm, old, &why);
        workers_remove(&jm->workers, old);
    }
    link->place = STEAL(added->place);
    workers_connect(&jm->workers, link, STEAL(added->channel));
    if (link->over) {
        error_set(&why, ERR_UNAVAILABLE, "it was closed at once");
        messages_on_worker_closed(jm, link, &why);
        workers_remove(&jm->workers, link);
    }
    drop_worker_added(added);
}

void jobmaster_add_worker(struct jobmaster *jm, uint32_t worker, const struct worker_place *place,
                          struct rpc_channel *take_channel)
{
    struct worker_added *added = MEM_NEW(struct worker_added);
    *added = (struct worker_added){worker, take_channel, place_new(place)};
    post(jm, JOBMASTER_OP_ADD_WORKER, run_add_worker, added, drop_worker_added);
}

struct slots_offered {
    uint32_t n;
    struct slot slots[];
};

static void run_offer_slots(void *target, void *payload)
{
    struct slots_offered *offered = payload;
    slots_offer(target, offered->slots, offered->n);
    mem_free(offered);
}

void jobmaster_offer_slots(struct jobmaster *jm, const struct slot *slots, uint32_t n)
{
    struct slots_offered *offered = mem_alloc(sizeof(*offered) + n * sizeof(*slots));
    offered->n = n;
    memcpy(offered->slots, slots, n * sizeof(*slots));
    post(jm, JOBMASTER_OP_OFFER_SLOTS, run_offer_slots, offered, mem_free);
}

struct slot_loss {
    struct slot slot;
    struct error why;
};

static void run_slot_lost(void *target, void *payload)
{
    struct slot_loss *loss = payload;
    slots_lost(target, &loss->slot.allocation_id, &loss->why);
    mem_free(loss);
}

void jobmaster_slot_lost(struct jobmaster *jm, const struct slot *slot, const struct error *why)
{
    struct slot_loss *loss = MEM_NEW(struct slot_loss);
    loss->slot = *slot;
    if (why != NULL) {
        error_copy(&loss->why, why);
    }
    post(jm, JOBMASTER_OP_SLOT_LOST, run_slot_lost, loss, mem_free);
}

static void run_slots_refused(void *target, void *payload)
{
    struct jobmaster *jm = target;
    error_copy(&jm->slots_refused, payload);
    mem_free(payload);
}

void jobmaster_slots_refused(struct jobmaster *jm, const struct error *why)
{
    post(jm, JOBMASTER_OP_SLOTS_REFUSED, run_slots_refused, mem_dup(why, sizeof(*why)), mem_free);
}

/* ---- what others may see ---------------------------------------------------------------------- */

void jobmaster_get_progress(struct jobmaster *jm, struct job_progress *ret)
{
    snapshot_get_progress(&jm->snapshot, ret);
}

void jobmaster_get_stats(struct jobmaster *jm, struct jobmaster_stats *ret)
{
    snapshot_get_stats(&jm->snapshot, ret);
}

uint32_t jobmaster_get_failures(struct jobmaster *jm, struct job_failure *ret, uint32_t max)
{
    return snapshot_get_failures(&jm->snapshot, ret, max);
}

uint32_t jobmaster_get_concurrent_failures(struct jobmaster *jm, uint64_t number,
                                           struct job_failure *ret, uint32_t max)
{
    return snapshot_get_concurrent(&jm->snapshot, number, ret, max);
}

void jobmaster_each_accumulator(struct jobmaster *jm,
                                void (*fn)(void *arg, const Flinc__Accumulator *sum), void *arg)
{
    snapshot_each_accumulator(&jm->snapshot, &jm->graph, fn, arg);
}
