/* Failures: in each callback of an operator and at each failpoint.  The error names operator and subtask,
 * the other tasks can be cancelled, nothing is left, and the next attempt runs through. */
#include "common/base/failpoint.h"
#include "tests/unit/taskmanager_worker/test_job.h"

enum { ROWS = 3000 };

/* Source -> Map -> Flat Map -> Hold, chained; by hash to Co(input 0), a second source to its input 1;
 * chained to the sink. */
static struct job everything(struct test_counts *counts)
{
    struct job job = {.n_vertices = 3, .n_edges = 2};
    const struct test_config source = {.rows = ROWS, .batch_rows = 100, .counts = counts};
    const struct test_config plain = {.counts = counts};
    job.vertices[0] =
        (struct job_vertex){"Left",
                            2,
                            {{"test.source", "Source", source, 1},
                             {"test.map", "Map", plain, 1},
                             {"test.flat_map", "Flat Map", {.batch_rows = 2, .counts = counts}, 1},
                             {"test.hold", "Hold", plain, 1}},
                            4};
    job.vertices[1] = (struct job_vertex){"Right", 1, {{"test.source", "Right", source, 1}}, 1};
    job.vertices[2] = (struct job_vertex){
        "Join", 2, {{"test.co", "Co", plain, 1}, {"test.sink", "Sink", plain, 0}}, 2};
    job.edges[0] =
        (struct job_edge){.source = 0, .source_operator = 3, .target = 2, .kind = PARTITION(HASH)};
    job.edges[1] = (struct job_edge){
        .source = 1, .target = 2, .target_input = 1, .kind = PARTITION(REBALANCE)};
    return job;
}

static bool something_failed(struct test_cluster *c)
{
    bool running = false;
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].refused || job_task_state(&c->tasks[i]) == STATE(FAILED)) {
            return true;
        }
        running = running || !job_task_is_terminal(&c->tasks[i]);
    }
    return !running;
}

/* Runs what is deployed until something fails, cancels the rest; returns the first failed task. */
static struct job_task *run_deployed_to_failure(struct test_cluster *c)
{
    cluster_run_until(c, something_failed);
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].refused || job_task_state(&c->tasks[i]) == STATE(FAILED)) {
            return &c->tasks[i];
        }
    }
    return NULL;
}

static struct job_task *run_to_failure(struct test_cluster *c, const struct job *job)
{
    cluster_deploy(c, job, JOB_SOURCES_FIRST);
    return run_deployed_to_failure(c);
}

static void run_again(struct test_cluster *c, struct job *job, struct test_counts *counts)
{
    assert_int_equal(counts->opened, counts->closed);
    atomic_store(&counts->rows, 0);
    c->n_tasks = 0;
    c->attempt++;
    cluster_deploy(c, job, JOB_SINKS_FIRST);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    /* The sink is one of those who count: Left twice by the flat map, and Right. */
    assert_int_equal(counts->rows, 2 * 2 * ROWS + ROWS);
    assert_int_equal(counts->opened, counts->closed);
}

/* ---- callbacks ---------------------------------------------------------------------------------- */

static void run_callback(uint32_t vertex, uint32_t op, enum test_callback callback,
                         int64_t fail_after, const char *label)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = everything(&counts);
    struct test_config *config = &job.vertices[vertex].operators[op].config;
    config->fail_in = callback;
    config->fail_after = fail_after;
    struct job_task *failed = run_to_failure(&c, &job);
    assert_non_null(failed);
    assert_int_equal(failed->vertex, vertex);
    assert_int_equal(failed->error.code, ERR_USER_CODE);
    assert_int_equal(failed->error.cls, ERROR_CLASS_TRANSIENT);
    char text[128];
    snprintf(text, sizeof(text), "told to fail in callback %d", (int)callback);
    assert_string_equal(failed->error.message, text);
    snprintf(text, sizeof(text), "%s (%u/%u)", label, failed->subtask + 1,
             job.vertices[vertex].parallelism);
    if (strstr(failed->error.frames, text) == NULL) {
        fail_msg("'%s' is not in: %s", text, failed->error.frames);
    }
    config->fail_in = TEST_NOWHERE;
    run_again(&c, &job, &counts);
    cluster_close(&c);
}

static void test_every_callback(void **state)
{
    (void)state;
    for (int64_t after = 0; after <= 3; after += 3) {
        run_callback(0, 0, TEST_POLL, after, "Source");
        run_callback(0, 1, TEST_PROCESS, after, "Map");
        run_callback(0, 2, TEST_RESUME, after, "Flat Map");
        run_callback(0, 3, TEST_PROCESS, after, "Hold");
        run_callback(2, 0, TEST_PROCESS, after, "Co");
        run_callback(2, 1, TEST_PROCESS, after, "Sink");
    }
    run_callback(0, 3, TEST_FLUSH, 0, "Hold");
    run_callback(0, 0, TEST_OPEN, 0, "Source");
    run_callback(0, 3, TEST_OPEN, 0, "Hold");
    run_callback(2, 0, TEST_OPEN, 0, "Co");
    run_callback(0, 1, TEST_END_OF_INPUT, 0, "Map");
    run_callback(2, 0, TEST_END_OF_INPUT, 0, "Co");
    run_callback(2, 0, TEST_END_OF_INPUT, 1, "Co");
    run_callback(2, 1, TEST_END_OF_INPUT, 0, "Sink");
}

/* ---- failpoints --------------------------------------------------------------------------------- */

static void run_failpoint(const char *name, int nth)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct error err = ERROR_INIT;
    char spec[128];
    cluster_open(&c, NULL);
    struct job job = everything(&counts);
    snprintf(spec, sizeof(spec), "%s=error:broken at %s,nth=%d", name, name, nth);
    assert_int_equal(failpoint_configure(spec, &err), 0);
    struct job_task *failed = run_to_failure(&c, &job);
    failpoint_clear_all();
    if (failed == NULL) {
        fail_msg("%s did not fail", spec);
    }
    if (strstr(failed->error.message, "broken at") == NULL) {
        fail_msg("%s: %s", spec, failed->error.message);
    }
    run_again(&c, &job, &counts);
    cluster_close(&c);
}

static void test_every_failpoint(void **state)
{
    (void)state;
    static const char *const NAMES[] = {
        "task.deploy.accept",
        "task.deploy.start_thread",
        "task.deploy.before_setup",
        "task.deploy.connect_channel",
        "task.deploy.before_open",
        "task.init.open_operator",
        "task.run.before_state_running",
        "task.run.poll_input",
        "task.run.process",
        "task.run.end_of_input",
        "task.run.end_of_source",
        "task.end.before_end_of_data",
        "task.end.before_finished",
        "exchange.partition.write",
    };
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        for (int nth = 1; nth <= 3; nth++) {
            run_failpoint(NAMES[i], nth);
        }
    }
}

/* ---- graphs that are none ------------------------------------------------------------------------ */

static void run_bad_job(struct job *job, uint32_t vertex, const char *message)
{
    struct test_cluster c;
    cluster_open(&c, NULL);
    cluster_deploy_vertex(&c, job, vertex);
    const struct job_task *failed = run_deployed_to_failure(&c);
    assert_non_null(failed);
    if (strstr(failed->error.message, message) == NULL) {
        fail_msg("'%s' is not: %s", failed->error.message, message);
    }
    cluster_close(&c);
}

static void test_bad_graphs(void **state)
{
    (void)state;
    const struct job good = everything(NULL);
    struct job job = good;
    job.vertices[1].operators[0].kind = "test.nothing";
    run_bad_job(&job, 1, "this build has no operator of kind 'test.nothing'");
    job = good;
    job.edges[0].source_output = 4;
    run_bad_job(&job, 0, "an edge starts at output 4 of operator 3, which there is not");
    job = good;
    job.edges[0].target_operator = 2;
    run_bad_job(&job, 2, "an edge leads to input 0 of operator 2, which there is not");
    job = good;
    job.n_edges = 1;
    run_bad_job(&job, 2, "nothing is connected to input 1");
    job = good;
    job.vertices[2].parallelism = 3;
    job.edges[0].kind = PARTITION(FORWARD);
    run_bad_job(&job, 0, "FORWARD edge needs equal parallelisms");
    job = good;
    job.vertices[1].operators[0] = job.vertices[2].operators[1];
    run_bad_job(&job, 1, "an edge starts at output 0 of operator 0, which there is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_callback),
        cmocka_unit_test(test_every_failpoint),
        cmocka_unit_test(test_bad_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
