/* The watchdog: a task that does not end after its cancellation, in whatever state, is warned about at
 * each interval and given up after the time-out; others of the worker are not touched.  Time is the
 * test's. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "taskmanager/worker/crash_report.h"
#include "tests/unit/taskmanager_worker/test_job.h"

struct watch {
    struct test_cluster cluster;
    struct clock_manual clock;
    struct test_counts source, sink;
    uint32_t n_stuck, n_warnings, n_standstills;
    struct stuck_task stuck;
    char operator_name[64], task_name[64];
};

static void on_stuck(void *owner, const struct stuck_task *task)
{
    struct watch *w = owner;
    w->n_stuck++;
    w->stuck = *task;
    snprintf(w->operator_name, sizeof(w->operator_name), "%s", task->operator_name);
    snprintf(w->task_name, sizeof(w->task_name), "%s", task->task_name);
}

static void count_warnings(void *arg, enum log_level level, const char *line)
{
    struct watch *w = arg;
    if (level == LOG_LEVEL_WARN && strstr(line, "it is woken again") != NULL) {
        w->n_warnings++;
    }
    w->n_standstills += strstr(line, "nothing has moved for") != NULL;
}

static struct watch *watch_open(void)
{
    struct watch *w = MEM_NEW(struct watch);
    clock_manual_init(&w->clock);
    cluster_open(&w->cluster, &(struct worker_options){.mode = COMPONENT_MANUAL,
                                                       .clock = &w->clock.base,
                                                       .on_stuck_task = on_stuck,
                                                       .owner = w});
    log_set_sink(count_warnings, w);
    return w;
}

static void watch_close(struct watch *w)
{
    log_set_sink(NULL, NULL);
    cluster_close(&w->cluster);
    mem_free(w);
}

static bool is_reached(const struct test_counts *c)
{
    return c->reached;
}

static void advance(struct watch *w, int64_t ms)
{
    clock_manual_advance_ms(&w->clock, ms);
    cluster_step(&w->cluster);
}

static void release(struct watch *w)
{
    atomic_store(&w->sink.release, true);
    event_count_signal(&w->sink.changed);
}

static struct job hanging_job(struct watch *w, enum test_callback hang_in)
{
    return job_pipeline(PARTITION(FORWARD), 1, 1,
                        &(struct test_config){.rows = -1, .batch_rows = 10, .counts = &w->source},
                        &(struct test_config){.counts = &w->sink, .hang_in = hang_in});
}

static bool source_ended(struct test_cluster *c)
{
    return job_task_is_terminal(cluster_task(c, 0, 0));
}

static void run_hanging(enum test_callback hang_in)
{
    struct watch *w = watch_open();
    struct test_cluster *c = &w->cluster;
    struct job job = hanging_job(w, hang_in);
    cluster_deploy(c, &job, JOB_SOURCES_FIRST);
    cluster_step(c);
    test_counts_wait(&w->sink, is_reached);
    cluster_cancel_all(c);
    cluster_run_until(c, source_ended);
    assert_int_equal(job_task_state(cluster_task(c, 0, 0)), STATE(CANCELED));
    advance(w, 29999);
    assert_int_equal(w->n_warnings, 0);
    advance(w, 1);
    assert_int_equal(w->n_warnings, 1);
    cluster_cancel_all(c); /* again: the watchdog counts from the first */
    advance(w, 30000);
    assert_int_equal(w->n_warnings, 2);
    for (int i = 0; i < 3; i++) {
        advance(w, 30000);
    }
    assert_int_equal(w->n_stuck, 0);
    advance(w, 30000);
    assert_int_equal(w->n_stuck, 1);
    assert_int_equal(w->stuck.cancelling_ms, 180000);
    assert_string_equal(w->task_name, "Sink (1/1)");
    assert_string_equal(w->operator_name, "Sink (1/1)");
    assert_string_equal(w->stuck.job_name, "test job");
    release(w);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(CANCELED));
    watch_close(w);
}

static void test_hanging_in_process(void **state)
{
    (void)state;
    run_hanging(TEST_PROCESS);
}

static void test_hanging_in_open(void **state)
{
    (void)state;
    run_hanging(TEST_OPEN);
}

static void test_configured_times(void **state)
{
    (void)state;
    struct watch *w = watch_open();
    struct test_cluster *c = &w->cluster;
    struct job job = hanging_job(w, TEST_PROCESS);
    flinc__key_value__init(&job.config[0]);
    flinc__key_value__init(&job.config[1]);
    job.config[0].key = "task.cancellation.interval";
    job.config[0].value = "100 ms";
    job.config[1].key = "task.cancellation.timeout";
    job.config[1].value = "0 ms"; /* never */
    job.n_config = 2;
    cluster_deploy(c, &job, JOB_SOURCES_FIRST);
    cluster_step(c);
    test_counts_wait(&w->sink, is_reached);
    cluster_cancel_all(c);
    cluster_run_until(c, source_ended);
    for (int i = 0; i < 50; i++) {
        advance(w, 100);
    }
    assert_int_equal(w->n_warnings, 50);
    assert_int_equal(w->n_stuck, 0);
    release(w);
    cluster_run_to_end(c);
    watch_close(w);
}

static void test_quick_cancellations_are_not_watched(void **state)
{
    (void)state;
    struct watch *w = watch_open();
    struct test_cluster *c = &w->cluster;
    struct job job = hanging_job(w, TEST_NOWHERE);
    cluster_deploy(c, &job, JOB_SOURCES_FIRST);
    cluster_step(c);
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(CANCELED));
    advance(w, 1000000);
    assert_int_equal(w->n_warnings, 0);
    assert_int_equal(w->n_stuck, 0);
    watch_close(w);
}

/* What becomes of a cancellation that its task does not follow: told to the owner, who ends the process. */
static void check_4715(const char *without, uint32_t n_stuck)
{
    struct watch *w = watch_open();
    struct test_cluster *c = &w->cluster;
    struct job job = hanging_job(w, TEST_PROCESS);
    cluster_deploy(c, &job, JOB_SOURCES_FIRST);
    cluster_step(c);
    test_counts_wait(&w->sink, is_reached);
    assert_int_equal(without != NULL ? failpoint_configure(without, NULL) : 0, 0);
    cluster_cancel_all(c);
    cluster_run_until(c, source_ended);
    for (int i = 0; i < 60; i++) {
        advance(w, 30000); /* task.cancellation.timeout: 3 min */
    }
    assert_int_equal(w->n_stuck, n_stuck);
    assert_false(job_task_is_terminal(cluster_task(c, 1, 0)));
    failpoint_clear_all();
    release(w);
    cluster_run_to_end(c);
    watch_close(w);
}

/* FLINK-4715, FLINK-8856, FLINK-37024: a cancellation that does not end. */
static void flink_4715_8856_37024_a_cancellation_ends(void **state)
{
    (void)state;
    check_4715(NULL, 1);
}

static void flink_4715_8856_37024_guard(void **state)
{
    (void)state;
    check_4715("planted.cancellations_are_not_watched=error", 0);
}

/* A task that hangs is told of once for as long as it does; when it moves again, the next time counts. */
static void test_standstill(void **state)
{
    (void)state;
    static char key[] = "task.standstill.timeout", timeout[] = "1 s";
    struct watch *w = watch_open();
    struct job job = hanging_job(w, TEST_PROCESS);
    job.vertices[0].operators[0].config.rows = 10;
    job.config[job.n_config].key = key;
    job.config[job.n_config++].value = timeout;
    cluster_deploy(&w->cluster, &job, JOB_SOURCES_FIRST);
    cluster_step(&w->cluster);
    test_counts_wait(&w->sink, is_reached);
    for (int i = 0; i < 4; i++) {
        advance(w, 250);
    }
    assert_int_equal(w->n_standstills, 0);
    for (int i = 0; i < 20; i++) {
        advance(w, 250);
    }
    assert_int_equal(w->n_standstills, 1);
    release(w);
    cluster_run_to_end(&w->cluster);
    watch_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hanging_in_process),
        cmocka_unit_test(test_hanging_in_open),
        cmocka_unit_test(test_configured_times),
        cmocka_unit_test(test_quick_cancellations_are_not_watched),
        cmocka_unit_test(flink_4715_8856_37024_a_cancellation_ends),
        cmocka_unit_test(flink_4715_8856_37024_guard),
        cmocka_unit_test(test_standstill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
