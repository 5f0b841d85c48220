/* Checkpoints that fail in a task: it declines and lives on, or fails, and leaves no file behind. */
#include "tests/unit/taskmanager_worker/checkpoint_fixture.h"

static void test_snapshot_fails(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    job.vertices[2].operators[0].stateful.fail = STATEFUL_FAIL_SNAPSHOT;
    deploy(c, &job);
    trigger(c, &job, 1);
    cluster_run_until(c, is_answered);
    release();
    assert_int_equal(cluster_n_acks(c, 1), 4);
    assert_int_equal(cluster_n_declines(c, 1), 3);
    const Flinc__CheckpointDecline *d = vec_ptr(&c->declines, 0);
    assert_non_null(strstr(d->reason->message, "told to fail"));
    cluster_run_to_end(c); /* it lives on */
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void fail_at(struct test_cluster *c, const char *spec, uint32_t declines)
{
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    assert_int_equal(failpoint_configure(spec, NULL), 0);
    trigger(c, &job, 1);
    cluster_run_until(c, is_answered);
    assert_int_equal(cluster_n_declines(c, 1), declines);
    failpoint_clear_all();
    trigger(c, &job, 2);
    cluster_run_until(c, is_complete);
    release();
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void test_fails_before_the_snapshot(void **state)
{
    fail_at(*state, "task.checkpoint.before_snapshot=error,nth=3", 1);
}

static void test_fails_in_a_snapshot(void **state)
{
    fail_at(*state, "task.checkpoint.snapshot=error,nth=7", 1);
}

static void test_fails_while_writing(void **state)
{
    fail_at(*state, "task.checkpoint.write=error", TASKS);
}

static void test_fails_before_the_ack(void **state)
{
    fail_at(*state, "task.checkpoint.ack=error,nth=1", 1);
}

static void test_failing_prepare_fails_the_task(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    job.vertices[1].operators[0].stateful.fail = STATEFUL_FAIL_PREPARE;
    deploy(c, &job);
    trigger(c, &job, 1);
    while (job_task_state(cluster_task(c, 1, 0)) != STATE(FAILED)) {
        cluster_step(c);
    }
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    assert_non_null(strstr(cluster_task(c, 1, 0)->error.message, "told to fail"));
}

/* A task that is gone declines. */
static void test_trigger_after_the_end(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    deploy(c, &job);
    cluster_run_to_end(c);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        c->tasks[i].n_states--; /* the master has not heard yet */
    }
    trigger(c, &job, 1);
    cluster_run_until(c, is_declined);
    assert_int_equal(cluster_n_acks(c, 1), 0);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        c->tasks[i].n_states++;
    }
}

/* What was written of a checkpoint that is declined then goes. */
static void test_declined_leaves_no_file(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    assert_int_equal(failpoint_configure("task.checkpoint.ack=error", NULL), 0);
    wanted = 1;
    trigger_in_folder(c, &job, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                      FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    cluster_run_until(c, is_answered);
    assert_int_equal(cluster_n_declines(c, 1), TASKS);
    wait_until_empty();
    failpoint_clear_all();
    release();
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_snapshot_fails),        CASE(test_fails_before_the_snapshot),
        CASE(test_fails_in_a_snapshot),   CASE(test_fails_while_writing),
        CASE(test_fails_before_the_ack),  CASE(test_failing_prepare_fails_the_task),
        CASE(test_trigger_after_the_end), CASE_IN_FOLDER(test_declined_leaves_no_file),
    };
    return cmocka_run_group_tests_name("declines", tests, NULL, NULL);
}
