/* Random jobs on a worker with its own thread: cancelled, failed by operators and failpoints, and repeated
 * deployments, at random instants.  Every round ends, and nothing is left behind.
 *
 * FLINC_TEST_ROUNDS=34 makes it ten thousand rounds. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "tests/unit/seeds.h"
#include "tests/unit/taskmanager_worker/test_job.h"

enum { ROUNDS = 300 };

static const Flinc__PartitionerKind KINDS[] = {
    PARTITION(HASH),      PARTITION(REBALANCE), PARTITION(RESCALE),
    PARTITION(BROADCAST), PARTITION(SHUFFLE),   PARTITION(GLOBAL),
};

static const char *const FAILPOINTS[] = {
    "task.deploy.before_setup", "task.deploy.connect_channel",   "task.deploy.before_open",
    "task.init.open_operator",  "task.run.before_state_running", "task.run.poll_input",
    "task.run.process",         "task.run.end_of_input",         "task.end.before_end_of_data",
    "exchange.partition.write", "task.end.before_finished",
};

/* Up to three levels of operators, some unbounded. */
static struct job random_job(struct rng *rng, struct test_counts *counts)
{
    struct job job = {.n_vertices = 3, .n_edges = 2};
    bool endless = rng_below(rng, 2) == 0;
    const struct test_config source = {
        .rows = endless ? -1 : (int64_t)rng_below(rng, 20000),
        .batch_rows = 1 + (int64_t)rng_below(rng, 2000),
        .idle_every = rng_below(rng, 3) == 0 ? 1 + (int64_t)rng_below(rng, 20) : 0,
        .counts = counts,
    };
    struct test_config failing = {.counts = counts};
    if (rng_below(rng, 3) == 0) {
        failing.fail_in = (enum test_callback)(1 + rng_below(rng, TEST_CALLBACKS - 1));
        failing.fail_after = (int64_t)rng_below(rng, 30);
    }
    job.vertices[0] =
        (struct job_vertex){"Source",
                            1 + (uint32_t)rng_below(rng, 3),
                            {{"test.source", "Source", source, 1},
                             {"test.flat_map", "Flat Map", {.batch_rows = 2, .counts = counts}, 1}},
                            1 + (uint32_t)rng_below(rng, 2)};
    job.vertices[1] = (struct job_vertex){
        "Middle",
        1 + (uint32_t)rng_below(rng, 3),
        {{"test.map", "Map", failing, 1}, {"test.hold", "Hold", {.counts = counts}, 1}},
        1 + (uint32_t)rng_below(rng, 2)};
    job.vertices[2] = (struct job_vertex){
        "Sink", 1 + (uint32_t)rng_below(rng, 3), {{"test.sink", "Sink", {.counts = counts}, 0}}, 1};
    for (uint32_t i = 0; i < 2; i++) {
        job.edges[i] = (struct job_edge){.source = i,
                                         .source_operator = job.vertices[i].n_operators - 1,
                                         .target = i + 1,
                                         .kind = KINDS[rng_below(rng, ARRAY_LEN(KINDS))]};
    }
    return job;
}

static void arm_failpoint(struct rng *rng)
{
    struct error err = ERROR_INIT;
    char spec[128];
    snprintf(spec, sizeof(spec), "%s=error,nth=%u",
             FAILPOINTS[rng_below(rng, ARRAY_LEN(FAILPOINTS))], 1 + (unsigned)rng_below(rng, 50));
    assert_int_equal(failpoint_configure(spec, &err), 0);
}

static bool all_ended(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (!c->tasks[i].refused && !job_task_is_terminal(&c->tasks[i])) {
            return false;
        }
    }
    return true;
}

/* A little later: after some work of this thread, so that other threads get different shares. */
static void dawdle(struct rng *rng)
{
    uint64_t n = rng_below(rng, 4) == 0 ? rng_below(rng, 300000) : rng_below(rng, 3000);
    for (uint64_t i = 0; i < n; i++) {
        rng_next(rng);
    }
}

static void run_round(uint64_t seed)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct rng rng;
    rng_init(&rng, seed);
    cluster_open(&c, &(struct worker_options){.mode = COMPONENT_THREAD});
    struct job job = random_job(&rng, &counts);
    if (rng_below(&rng, 2) == 0) {
        arm_failpoint(&rng);
    }
    cluster_deploy(&c, &job, rng_below(&rng, 2) == 0 ? JOB_SOURCES_FIRST : JOB_SINKS_FIRST);
    if (rng_below(&rng, 4) == 0) {
        cluster_deploy(&c, &job, JOB_SINKS_FIRST); /* repeated */
    }
    dawdle(&rng);
    switch (rng_below(&rng, 4)) {
    case 0: /* one by one */
        for (uint32_t i = 0; i < c.n_tasks; i++) {
            cluster_cancel(&c, &c.tasks[rng_below(&rng, c.n_tasks)]);
            dawdle(&rng);
        }
        cluster_cancel_all(&c);
        break;
    case 1: /* the worker is stopped under it */
        break;
    default:
        cluster_cancel_all(&c);
        break;
    }
    if (rng_below(&rng, 2) == 0) {
        cluster_step(&c);
        if (!all_ended(&c)) {
            cluster_cancel_all(&c);
        }
        cluster_run_until(&c, all_ended);
    }
    cluster_close(&c);
    failpoint_clear_all();
    assert_int_equal(counts.opened, counts.closed);
}

static void test_random_ends(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_OFF);
    const struct seeds seeds = seeds_from(1, ROUNDS);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_round(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
