/* The worker's memory budget: at its limit tasks wait, and go on when there is memory again; one that overruns
 * it or waits in vain fails with the keys to raise. */
#include "common/base/log.h"
#include "tests/unit/taskmanager_worker/test_job.h"

static bool is_reached(const struct test_counts *c)
{
    return c->reached;
}

/* A sink that holds up everything, and a source that would fill its channel. */
static struct job held_up(struct test_counts *counts, int64_t rows)
{
    const struct test_config source = {.rows = rows, .batch_rows = 1000};
    const struct test_config sink = {.counts = counts, .hang_in = TEST_PROCESS};
    return job_pipeline(PARTITION(FORWARD), 1, 1, &source, &sink);
}

static void release(struct test_counts *counts)
{
    atomic_store(&counts->release, true);
    event_count_signal(&counts->changed);
}

static bool budget_is_full(struct test_cluster *c)
{
    return mem_budget_is_full(&c->budget) &&
           job_task_state(cluster_task(c, 0, 0)) == STATE(RUNNING);
}

static void test_waits_at_the_limit(void **state)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct job job = held_up(&counts, 200000);
    (void)state;
    cluster_open(&c, &(struct worker_options){.mode = COMPONENT_THREAD});
    mem_budget_set_limit(&c.budget, 256 * 1024);
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    test_counts_wait(&counts, is_reached);
    while (!budget_is_full(&c)) {
        cluster_step(&c);
        thread_relax();
    }
    release(&counts);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.rows, 200000);
    /* One input more than the limit is what a task may overdraw. */
    assert_true(atomic_load(&c.budget.peak_bytes) <= 256 * 1024 + 64 * 1024);
    cluster_close(&c);
}

static void assert_names_the_keys(const struct job_task *t, const char *what)
{
    assert_int_equal(job_task_state(t), STATE(FAILED));
    assert_int_equal(t->error.code, ERR_OUT_OF_MEMORY);
    assert_non_null(strstr(t->error.message, what));
    assert_non_null(strstr(t->error.message, "taskmanager.memory.network.max"));
    assert_non_null(strstr(t->error.message, "taskmanager.memory.process.size"));
}

static bool source_failed(struct test_cluster *c)
{
    return job_task_is_terminal(cluster_task(c, 0, 0));
}

static void test_overrun_fails(void **state)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct job job = held_up(&counts, 200000);
    (void)state;
    cluster_open(&c, NULL);
    mem_budget_set_limit(&c.budget, 1000);
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_until(&c, source_failed);
    assert_names_the_keys(cluster_task(&c, 0, 0), "the memory budget is overrun");
    release(&counts);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    cluster_close(&c);
}

static void test_waits_in_vain(void **state)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct clock_manual clock;
    struct job job = held_up(&counts, 200000);
    (void)state;
    clock_manual_init(&clock);
    cluster_open(&c, &(struct worker_options){.mode = COMPONENT_MANUAL, .clock = &clock.base});
    mem_budget_set_limit(&c.budget, 256 * 1024);
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    test_counts_wait(&counts, is_reached);
    while (!budget_is_full(&c)) {
        cluster_step(&c);
        thread_relax();
    }
    while (!source_failed(&c)) {
        clock_manual_advance_ms(&clock, 1000);
        cluster_step(&c);
        thread_relax();
    }
    assert_names_the_keys(cluster_task(&c, 0, 0), "no memory became free");
    release(&counts);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_at_the_limit),
        cmocka_unit_test(test_overrun_fails),
        cmocka_unit_test(test_waits_in_vain),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
