/* Ends of tasks with checkpoints: the final one, stops with a savepoint that suspend or drain, and the bugs that
 * Flink had there, by their numbers (docs/internals/known-bugs.md). */
#include "tests/unit/taskmanager_worker/checkpoint_fixture.h"

static void test_final_checkpoint(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    job.n_config = 1;
    deploy(c, &job);
    cluster_run_until(c, all_reached_end);
    assert_right();
    assert_true(all_running(c));
    trigger(c, &job, 5);
    cluster_run_until(c, is_complete);
    assert_true(cluster_ack(c, 5, 2, 0)->snapshot->finished);
    assert_true(cluster_ack(c, 5, 0, 1)->snapshot->finished);
    cluster_notify(c, NOTICE(COMPLETE), 4); /* an older one is not enough */
    cluster_step(c);
    assert_true(all_running(c));
    cluster_notify(c, NOTICE(COMPLETE), 5);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    /* Restored from it, everything ends at once. */
    restore(c, &job, 5);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.rows_out), SOURCES * ROWS);
}

static void test_stop_suspend(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release(); /* the sources are paused */
    cluster_notify(c, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.ended), 0);
    assert_int_equal(atomic_load(&counts.max_watermarks), 0);
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_right();
}

/* The end of what feeds a task comes before the notice of its savepoint: it is told before it ends. */
static void test_stop_suspend_without_notice(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release();
    cluster_notify_first(c, 1, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.completes), TASKS);
}

static void test_stop_suspend_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release();
    cluster_notify(c, NOTICE(ABORTED), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void test_stop_drain(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    run_until_counted(c, all_hold);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN);
    cluster_run_until(c, is_complete);
    assert_int_equal(atomic_load(&counts.max_watermarks), 3);
    assert_int_equal(atomic_load(&counts.ended), 3);
    assert_true(cluster_ack(c, 1, 0, 0)->snapshot->finished);
    assert_true(all_running(c));
    cluster_notify(c, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.wrong), 0);
    release();
}

/* ---- known bugs: as the product is, and with the guard switched off ------------------------------- */

static void switch_off(const char *guard)
{
    struct error err = ERROR_INIT;
    assert_int_equal(guard != NULL ? failpoint_configure(guard, &err) : 0, 0);
}

/* A checkpoint that was taken before the end of the data completes after it.  Which one the tasks wait for. */
static void check_21133(struct test_cluster *c, const char *without, uint32_t n_waiting)
{
    struct job job = make_job(&HELD);
    job.n_config = 1;
    hold();
    deploy(c, &job);
    switch_off(without);
    trigger(c, &job, 1);
    cluster_run_until(c, is_complete);
    release();
    cluster_run_until(c, all_reached_end);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    if (n_waiting == 0) {
        cluster_run_to_end(c);
    }
    trigger(c, &job, 2);
    cluster_run_until(c, is_complete); /* of those who are there */
    assert_int_equal(cluster_n_acks(c, 2), n_waiting);
    assert_int_equal(cluster_n_declines(c, 2), 0);
    cluster_notify(c, NOTICE(COMPLETE), 2);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

/* FLINK-21133, FLINK-26403, FLINK-28386: a checkpoint ends a task that should go on to its final one. */
static void flink_21133_26403_28386_the_final_checkpoint_follows_the_end(void **state)
{
    check_21133(*state, NULL, TASKS);
}

static void flink_21133_26403_28386_guard(void **state)
{
    check_21133(*state, "planted.any_checkpoint_is_final=error", 0);
}

/* How often operators heard of the end of their input when the job was suspended. */
static void check_21132(struct test_cluster *c, const char *without, int64_t n_ends)
{
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    switch_off(without);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    release();
    /* The others see the sources end before their own notice. */
    cluster_notify_first(c, 1, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.ended), n_ends);
    assert_int_equal(atomic_load(&counts.max_watermarks), n_ends);
}

/* FLINK-21132: a stop with a savepoint that does not drain tells the operators that their input has ended. */
static void flink_21132_a_suspended_job_ends_no_input(void **state)
{
    check_21132(*state, NULL, 0);
}

static void flink_21132_guard(void **state)
{
    check_21132(*state, "planted.suspended_input_ends=error", 3);
}

/* How often operators heard of the end of their input when the job was drained. */
static void check_21453(struct test_cluster *c, const char *without, int64_t n_ends)
{
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    run_until_counted(c, all_hold);
    switch_off(without);
    stop_with(c, &job, 1, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN);
    cluster_run_until(c, is_complete);
    assert_int_equal(cluster_ack(c, 1, 0, 0)->snapshot->finished, n_ends > 0);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(atomic_load(&counts.ended), n_ends);
    assert_int_equal(atomic_load(&counts.max_watermarks), n_ends);
    release();
}

/* FLINK-21453: a stop with a savepoint that drains does not tell the operators that their input has ended. */
static void flink_21453_a_drained_job_ends_its_input(void **state)
{
    check_21453(*state, NULL, 3);
}

static void flink_21453_guard(void **state)
{
    check_21453(*state, "planted.drain_ends_no_source=error", 0);
}

static bool sources_finished(struct test_cluster *c)
{
    return job_task_state(cluster_task(c, 0, 0)) == STATE(FINISHED) &&
           job_task_state(cluster_task(c, 0, 1)) == STATE(FINISHED);
}

static bool six_is_complete(struct test_cluster *c)
{
    return atomic_load(&counts.last_complete) == 6;
}

/* Tasks have processed everything, and wait for their final checkpoint, when a savepoint shall stop the job; it is
 * given up, and the final checkpoint completes.  Whether operators take the savepoint for complete. */
static void check_24161(struct test_cluster *c, const char *without, bool takes_six)
{
    struct job job = make_job(&PLAIN);
    job.n_config = 1;
    deploy(c, &job);
    cluster_run_until(c, all_reached_end);
    trigger(c, &job, 5);
    cluster_run_until(c, is_complete);
    cluster_notify_first(c, 1, NOTICE(COMPLETE), 5);
    cluster_run_until(c, sources_finished);
    switch_off(without);
    stop_with(c, &job, 6, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    cluster_run_until(c, is_complete);
    assert_int_equal(cluster_n_acks(c, 6), TASKS - SOURCES);
    if (takes_six) {
        /* Those whose inputs have ended by then; not all need to. */
        run_until_counted(c, six_is_complete);
    }
    cluster_notify(c, NOTICE(ABORTED), 6);
    cluster_notify(c, NOTICE(COMPLETE), 5);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_true(takes_six || atomic_load(&counts.last_complete) == 5);
}

/* FLINK-24161: a stop with a savepoint, and the final checkpoint of tasks that are ending already, are taken for each
 * other. */
static void flink_24161_a_stop_beside_the_final_checkpoint(void **state)
{
    check_24161(*state, NULL, false);
}

static void flink_24161_guard(void **state)
{
    check_24161(*state, "planted.ended_input_is_a_notice=error", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_final_checkpoint),
        CASE(test_stop_suspend),
        CASE(test_stop_suspend_without_notice),
        CASE(test_stop_suspend_aborted),
        CASE(test_stop_drain),
        CASE(flink_21133_26403_28386_the_final_checkpoint_follows_the_end),
        CASE(flink_21133_26403_28386_guard),
        CASE(flink_21132_a_suspended_job_ends_no_input),
        CASE(flink_21132_guard),
        CASE(flink_21453_a_drained_job_ends_its_input),
        CASE(flink_21453_guard),
        CASE(flink_24161_a_stop_beside_the_final_checkpoint),
        CASE(flink_24161_guard),
    };
    return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
