/* The cluster of the simulation: one job manager (dispatcher, resource manager, job masters) and some task
 * managers, which die and come back, freeze and thaw.  See sim.h. */
#include "tests/sim/sim.h"

#include "common/base/log.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
#include <stdio.h>

int64_t sim_now_ms(const struct sim *s)
{
    return clock_monotonic_ms(&s->clock.base);
}

uint32_t sim_below(struct sim *s, uint32_t n)
{
    return (uint32_t)rng_below(&s->rng, n);
}

bool sim_chance(struct sim *s, uint32_t percent)
{
    return sim_below(s, 100) < percent;
}

void sim_failed(const struct sim *s, const char *file, int line, const char *what)
{
    printf("FAILED: seed %llu, at %lld ms of its time: %s (%s:%d)\n", (unsigned long long)s->seed,
           (long long)sim_now_ms(s), what, file, line);
    printf("again: scripts/sim.sh --rounds 1 --seed %llu\n", (unsigned long long)s->seed);
    if (log_enabled(LOG_LEVEL_DEBUG, "flinc.sim") && s->has_ha) {
        sim_fibers_print(&s->fibers);
    }
    fflush(stdout);
    _Exit(1);
}

static void set(struct sim *s, struct conf *conf, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    SIM_CHECK(s, conf_set(conf, key, value, &err) == 0);
}

/* Times that a simulated minute is long enough for. */
void sim_fill_conf(struct sim *s, struct conf *conf)
{
    conf_init(conf, NULL);
    set(s, conf, "heartbeat.interval", "1 s");
    set(s, conf, "heartbeat.timeout", "5 s");
    set(s, conf, "slot.request.timeout", "20 s");
    set(s, conf, "taskmanager.slot.timeout", "4 s");
    set(s, conf, "cluster.registration.refused-registration-delay", "2 s");
    set(s, conf, "cluster.registration.error-delay", "1 s");
    set(s, conf, "restart-strategy.type", "fixed-delay");
    set(s, conf, "restart-strategy.fixed-delay.delay", "100 ms");
    set(s, conf, "restart-strategy.fixed-delay.attempts", "1000000");
    set(s, conf, "execution.checkpointing.dir", s->has_ha ? "sim:/checkpoints" : "/checkpoints");
    set(s, conf, "execution.checkpointing.timeout", "4 s");
    if (s->has_ha) {
        set(s, conf, "high-availability.type", "zookeeper");
        set(s, conf, "high-availability.storageDir", "sim:/ha");
        set(s, conf, "high-availability.cluster-id", "/sim");
        set(s, conf, "high-availability.zookeeper.quorum", "zk-1:2181,zk-2:2181,zk-3:2181");
        set(s, conf, "high-availability.zookeeper.client.session-timeout", "4 s");
        set(s, conf, "high-availability.zookeeper.client.connection-timeout", "2 s");
        set(s, conf, "high-availability.zookeeper.client.retry-wait", "200 ms");
        set(s, conf, "high-availability.zookeeper.client.tolerate-suspended-connections",
            s->seed % 3 == 0 ? "true" : "false");
    }
}

/* ---- the job manager ------------------------------------------------------------------------------------ */

/* A process that is down refuses, mostly; what is cut off says nothing. */
void sim_probe(void *arg, const char *address, const char *peer, int64_t within_ms,
               struct mailbox *mailbox, const struct mailbox_op *op)
{
    struct sim *s = arg;
    struct mailbox_op told = *op;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        const struct sim_node *node = &s->nodes[i];
        if (strcmp(node->data_address, address) == 0 && node->tm == NULL && sim_below(s, 4) > 0) {
            SIM_CHECK(s, mailbox_post_internal(mailbox, MAILBOX_LANE_CONTROL, &told) == 0);
            return;
        }
    }
    mailbox_op_drop(&told);
}

void sim_start_jm(struct sim *s)
{
    struct error err = ERROR_INIT;
    struct resourcemanager_options r = {.conf = &s->conf,
                                        .mode = COMPONENT_MANUAL,
                                        .clock = &s->clock.base,
                                        .seed = rng_next(&s->rng) | 1,
                                        .prober = {s, sim_probe}};
    id_random(&r.leader, &s->rng);
    s->leader = r.leader;
    SIM_CHECK(s, resourcemanager_new(&r, &s->rm, &err) == 0);
    SIM_CHECK(s, resourcemanager_start(s->rm, &err) == 0);
    struct dispatcher_options d = {.conf = &s->conf,
                                   .mode = COMPONENT_MANUAL,
                                   .clock = &s->clock.base,
                                   .seed = rng_next(&s->rng) | 1,
                                   .resourcemanager = s->rm,
                                   .checkpoint_files = &s->storage,
                                   .io_executor = s->executor};
    SIM_CHECK(s, dispatcher_new(&d, &s->d, &err) == 0);
    SIM_CHECK(s, dispatcher_start(s->d, &err) == 0);
}

static void note_totals(struct sim *s)
{
    struct resourcemanager_stats stats;
    resourcemanager_get_stats(s->rm, &stats);
    s->totals->losses += stats.lost_by_heartbeat + stats.lost_by_stream + stats.lost_by_probe;
    s->totals->reconnects += stats.reconnects;
    s->totals->fenced += stats.messages_fenced;
}

/* Nobody hears of it but by the end of the connections: the jobs are gone. */
void sim_crash_jm(struct sim *s)
{
    if (s->rm == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        sim_link_cut(&s->nodes[i]);
        sim_link_leader_gone(&s->nodes[i]);
    }
    note_totals(s);
    sim_snapshots_observe(s);
    s->d = dispatcher_free(s->d);
    s->rm = resourcemanager_free(s->rm);
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        s->jobs[i].orphaned |= s->jobs[i].submitted;
        s->jobs[i].submitted = false;
    }
}

/* ---- jobs ------------------------------------------------------------------------------------------------- */

static void on_submitted(void *arg, int rc, const struct error *err)
{
    struct sim_job *job = arg;
    job->rc = rc;
}

static void configure_checkpoints(struct sim *s, struct sim_job *job, Flinc__JobGraph *g)
{
    static const char *const intervals[] = {"500 ms", "1 s", "2 s"};
    static const char *const numbers[] = {"1", "2", "3"};
    static const char *const retentions[] = {
        [SIM_DELETE] = "NO_EXTERNALIZED_CHECKPOINTS",
        [SIM_DELETE_ON_CANCEL] = "DELETE_ON_CANCELLATION",
        [SIM_RETAIN] = "RETAIN_ON_CANCELLATION",
    };
    job->retention = (enum sim_retention)sim_below(s, ARRAY_LEN(retentions));
    graph_add_config(g, "execution.checkpointing.interval", intervals[sim_below(s, 3)]);
    graph_add_config(g, "execution.checkpointing.num-retained", numbers[sim_below(s, 3)]);
    graph_add_config(g, "execution.checkpointing.max-concurrent-checkpoints",
                     numbers[sim_below(s, 3)]);
    graph_add_config(g, "execution.checkpointing.externalized-checkpoint-retention",
                     retentions[job->retention]);
    graph_add_config(g, "execution.checkpointing.incremental",
                     sim_chance(s, 80) ? "true" : "false");
    graph_add_config(g, "execution.checkpointing.tolerable-failed-checkpoints",
                     sim_chance(s, 30) ? "1" : "1000000");
    if (sim_chance(s, 10)) {
        graph_add_config(g, "execution.checkpointing.storage", "jobmanager");
    }
}

/* Some jobs go on from a savepoint, or from what a job left whose job manager has died. */
static void choose_start(struct sim *s, struct sim_job *job)
{
    job->claims = sim_chance(s, 30) && !s->has_ha;
    job->from = sim_chance(s, 80) ? sim_snapshots_choose(s, job->bounded, job->claims) : NULL;
    if (job->from != NULL) {
        job->parallelism = sim_chance(s, 85) ? job->from->parallelism : job->parallelism;
    }
}

static void configure_start(const struct sim_job *job, Flinc__JobGraph *g)
{
    if (job->from != NULL) {
        graph_add_config(g, "execution.state-recovery.path", job->from->directory);
        graph_add_config(g, "execution.state-recovery.claim-mode",
                         job->claims ? "CLAIM" : "NO_CLAIM");
    }
}

/* It waits for slots for ever, as others ask again for ever. */
static void configure_scheduler(const struct sim_job *job, Flinc__JobGraph *g)
{
    static const char *const entries[][2] = {
        {"jobmanager.scheduler", "adaptive"},
        {"jobmanager.adaptive-scheduler.submission.resource-wait-timeout", "10 h"},
        {"jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout", "300 ms"},
        {"jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout", "300 ms"},
        {"jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling", "200 ms"},
        {"web.adaptive-scheduler.rescale-history.size", "3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(entries) && job->adaptive; i++) {
        graph_add_config(g, entries[i][0], entries[i][1]);
    }
}

/* Slots that are smaller than static ones, and larger, also than what a small task manager has. */
static void configure_slots(struct sim *s, struct sim_job *job, Flinc__JobGraph *g)
{
    static const double cpus[] = {0.25, 0.5, 1, 1.5, 2.5};
    if (job->sized) {
        graph_add_group(g, "large", cpus[sim_below(s, ARRAY_LEN(cpus))],
                        (uint64_t)(1 + sim_below(s, 200)) << 20);
        SIM_CHECK(
            s, resource_profile_read(g->slot_sharing_groups[0]->profile, &job->profile, NULL) == 0);
        s->totals->sized++;
    }
}

struct sim_job *sim_make_job(struct sim *s, struct job_submission *ret)
{
    if (s->n_jobs == SIM_JOBS_MAX) {
        return NULL;
    }
    struct sim_job *job = &s->jobs[s->n_jobs++];
    *job = (struct sim_job){.parallelism = 1 + sim_below(s, SIM_PARALLELISM_MAX),
                            .bounded = sim_chance(s, 30),
                            .submitted = true,
                            .rc = 1};
    memset(job->run.generation, -1, sizeof(job->run.generation));
    choose_start(s, job);
    job->n_tasks = SIM_VERTICES * job->parallelism;
    const char *name = job->bounded ? "Bounded" : "Endless";
    job->sized = sim_chance(s, 30);
    struct vertex_spec vertices[] = {{name, job->parallelism, NULL, NULL},
                                     {name, job->parallelism, job->sized ? "large" : NULL, NULL}};
    job->adaptive = sim_chance(s, 35);
    job->wanted = job->parallelism;
    job->by_regions = !job->adaptive && sim_chance(s, 60);
    job->edge = job->by_regions                  ? FLINC__PARTITIONER_KIND__PARTITION_FORWARD
                : (s->seed + s->n_jobs) % 2 == 0 ? FLINC__PARTITIONER_KIND__PARTITION_REBALANCE
                                                 : FLINC__PARTITIONER_KIND__PARTITION_HASH;
    const struct edge_spec edges[] = {{0, 1, job->edge, 0}};
    struct job_submission submission = {.graph = graph_new(vertices, SIM_VERTICES, edges, 1)};
    configure_slots(s, job, submission.graph);
    id_random(&job->id, &s->rng);
    memcpy(submission.graph->job_id.data, job->id.bytes, sizeof(job->id.bytes));
    configure_checkpoints(s, job, submission.graph);
    configure_start(job, submission.graph);
    configure_scheduler(job, submission.graph);
    s->totals->jobs++;
    *ret = submission;
    return job;
}

void sim_submit(struct sim *s)
{
    struct job_submission submission;
    struct sim_job *job = s->d != NULL ? sim_make_job(s, &submission) : NULL;
    if (job != NULL) {
        dispatcher_submit(s->d, &submission, on_submitted, job);
    }
}

void sim_cancel(struct sim *s, struct sim_job *job)
{
    struct error ignored = ERROR_INIT;
    if (s->d != NULL && job->submitted) {
        job->cancelled |= dispatcher_cancel(s->d, &job->id, &ignored) == 0;
    }
}

/* ---- task managers ------------------------------------------------------------------------------------------ */

static int tm_connect(void *arg, const struct rpc_end_options *end,
                      struct rpc_channel **ret_channel, struct error *err)
{
    return sim_link_open(arg, end, ret_channel, err);
}

static void on_tm_end(void *owner, const struct error *why)
{
    struct sim_node *node = owner;
    node->ended = true;
}

void sim_start_tm(struct sim_node *node)
{
    struct sim *s = node->s;
    struct error err = ERROR_INIT;
    struct taskmanager_options o = {
        .conf = &node->conf,
        .mode = COMPONENT_MANUAL,
        .clock = &s->clock.base,
        .seed = rng_next(&s->rng) | 1,
        .connector = {.connect = tm_connect, .arg = node, .address = "jobmanager:6123"},
        .io_executor = s->executor,
        .on_end = on_tm_end,
        .owner = node,
    };
    struct taskmanager_identity identity = {.resource_id = node->id,
                                            .host = "host",
                                            .rpc_address = "host:1",
                                            .data_address = node->data_address,
                                            .data_port = 2};
    node->ended = false;
    SIM_CHECK(s, tm_memory_derive(&node->conf, &o.memory, &err) == 0);
    SIM_CHECK(s, taskmanager_new(&o, &node->tm, &err) == 0);
    sim_host_init(&node->host, node);
    taskmanager_set_workers(node->tm, &sim_host_ops, &node->host, &identity);
    SIM_CHECK(s, taskmanager_start(node->tm, &err) == 0);
    if (s->has_ha) {
        sim_ha_start_tm(node);
    }
}

void sim_crash_tm(struct sim_node *node)
{
    if (node->tm == NULL) {
        return;
    }
    sim_link_cut(node);
    if (node->ha != NULL) {
        sim_ha_stop_tm(node);
    }
    taskmanager_stop(node->tm);
    sim_host_fini(&node->host);
    node->tm = taskmanager_free(node->tm);
}

static void node_init(struct sim *s, uint32_t i)
{
    struct sim_node *node = &s->nodes[i];
    *node = (struct sim_node){.s = s, .number = i, .n_slots = 1 + sim_below(s, SIM_SLOTS_MAX)};
    snprintf(node->id, sizeof(node->id), "tm-%u", i);
    snprintf(node->data_address, sizeof(node->data_address), "host-%u:2", i);
    snprintf(node->slots_text, sizeof(node->slots_text), "%u", node->n_slots);
    (void)snprintf(node->process.name, sizeof(node->process.name), "%s", node->id);
    sim_fill_conf(s, &node->conf);
    set(s, &node->conf, "taskmanager.numberOfTaskSlots", node->slots_text);
    sim_link_forget(node);
    sim_start_tm(node);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

void sim_init(struct sim *s, uint64_t seed, bool has_ha, struct sim_totals *totals)
{
    struct error err = ERROR_INIT;
    *s = (struct sim){.seed = seed, .totals = totals, .has_ha = has_ha};
    rng_init(&s->rng, seed);
    clock_manual_init(&s->clock);
    vec_init(&s->snapshots, sizeof(struct sim_snapshot *));
    vec_init(&s->asks, sizeof(struct sim_ask *));
    sim_storage_init(s);
    sim_fill_conf(s, &s->conf);
    set(s, &s->conf, "cluster.evenly-spread-out-slots", sim_chance(s, 50) ? "true" : "false");
    SIM_CHECK(s, executor_new(&(struct executor_options){.name = "io"}, &s->executor, &err) == 0);
    s->mailbox = mailbox_new(&(struct mailbox_options){.name = "links"});
    vec_init(&s->runs, sizeof(struct sim_run *));
    if (has_ha) {
        sim_ha_init(s);
    } else {
        sim_start_jm(s);
    }
    s->n_nodes = 2 + sim_below(s, SIM_NODES_MAX - 1);
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        node_init(s, i);
    }
}

void sim_fini(struct sim *s)
{
    if (!s->has_ha) {
        sim_crash_jm(s);
    }
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        sim_crash_tm(&s->nodes[i]);
        sim_link_forget(&s->nodes[i]);
        conf_fini(&s->nodes[i].conf);
    }
    if (s->has_ha) {
        sim_ha_fini(s);
    }
    for (size_t i = 0; i < s->runs.len; i++) {
        mem_free(vec_ptr(&s->runs, i));
    }
    vec_fini(&s->runs);
    executor_free(s->executor);
    mailbox_close(s->mailbox);
    mailbox_unref(s->mailbox);
    conf_fini(&s->conf);
    sim_snapshots_fini(s);
    sim_storage_fini(s);
}

/* ---- stepping -------------------------------------------------------------------------------------------------- */

static size_t step_jm(struct sim *s)
{
    size_t ran = 0;
    if (s->has_ha) {
        sim_zk_step(&s->zk);
        return sim_fibers_run(&s->fibers);
    }
    if (s->rm == NULL) {
        return 0;
    }
    if (sim_now_ms(s) >= s->rm_frozen_until_ms) {
        ran += component_run_until_idle(resourcemanager_component(s->rm), 100);
    }
    if (sim_now_ms(s) >= s->d_frozen_until_ms) {
        ran += component_run_until_idle(dispatcher_component(s->d), 100);
    }
    for (size_t i = 0; i < s->d->live.len; i++) {
        struct dispatched_job *j = vec_ptr(&s->d->live, i);
        if (j->jm != NULL) {
            ran += component_run_until_idle(jobmaster_component(j->jm), 100);
        }
    }
    return ran;
}

static size_t step_node(struct sim_node *node)
{
    struct sim *s = node->s;
    size_t ran = sim_link_step(node);
    if (node->tm != NULL && sim_now_ms(s) >= node->frozen_until_ms) {
        ran += component_run_until_idle(taskmanager_component(node->tm), 100);
        ran += sim_host_step(&node->host);
    }
    return ran;
}

void sim_settle(struct sim *s)
{
    size_t ran;
    size_t rounds = 0;
    do {
        if (++rounds > SIM_ROUNDS_MAX) {
            sim_failed(s, __FILE__, __LINE__, "they keep each other busy without end");
        }
        ran = mailbox_run(s->mailbox, 1000);
        ran += step_jm(s);
        for (uint32_t i = 0; i < s->n_nodes; i++) {
            ran += step_node(&s->nodes[i]);
        }
        sim_snapshots_observe(s);
        while (sim_now_ms(s) >= s->io_frozen_until_ms && executor_run_once(s->executor)) {
            ran++;
        }
    } while (ran > 0);
    sim_trace(s, s->rng.s[0]);
}

/* With high availability calls take their time, so that every one of them may be overtaken. */
void sim_step(struct sim *s, int64_t ms)
{
    int64_t until = sim_now_ms(s) + ms;
    while (s->has_ha && sim_now_ms(s) < until) {
        int64_t next = MIN(sim_fibers_next_ms(&s->fibers), sim_zk_next_ms(&s->zk));
        int64_t at = MAX(next, sim_now_ms(s) + 1);
        at = MIN(until, at);
        clock_manual_advance_ms(&s->clock, at - sim_now_ms(s));
        sim_settle(s);
    }
    if (!s->has_ha || ms == 0) {
        clock_manual_advance_ms(&s->clock, ms);
        sim_settle(s);
    }
    s->totals->steps++;
}
