/* Checkpoints of tasks: acknowledgements, cancellation, notices; each against what a run without failures
 * gives. */
#include "tests/unit/taskmanager_worker/checkpoint_fixture.h"

/* ---- a checkpoint --------------------------------------------------------------------------------- */

static void test_acknowledged_and_restored(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    trigger(c, &job, 1);
    cluster_run_until(c, is_complete);
    assert_int_equal(cluster_n_acks(c, 1), TASKS);
    assert_int_equal(cluster_n_declines(c, 1), 0);
    const Flinc__CheckpointAck *source = cluster_ack(c, 1, 0, 0);
    assert_int_equal(source->snapshot->n_operators, 1);
    assert_int_equal(source->snapshot->operators[0]->n_operator_state, 1);
    assert_int_equal(source->snapshot->operators[0]->n_keyed, 0);
    assert_true(source->stats->state_bytes > 0);
    assert_int_equal(cluster_ack(c, 1, 1, 0)->snapshot->n_operators, 0);
    const Flinc__CheckpointAck *count = cluster_ack(c, 1, 2, 1);
    assert_int_equal(count->snapshot->operators[0]->n_keyed, 1);
    assert_false(count->snapshot->finished);
    assert_true(count->stats->ack_ms > 0);
    assert_int_equal(atomic_load(&counts.prepared), TASKS);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    release();
    run_until_counted(c, counts_ended); /* it goes further than the checkpoint */
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_right();
}

/* The same, to the end and the right result; without checkpoints after the end. */
static void run_restored(struct test_cluster *c, const char *directory)
{
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    wanted = 1;
    cluster_trigger(c, &job, &(struct test_checkpoint){.id = 1, .directory = directory});
    cluster_run_until(c, is_complete);
    release();
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_right();
}

static void test_result_after_restore(void **state)
{
    run_restored(*state, NULL);
}

/* It is answered, or comes too late. */
static bool is_over(struct test_cluster *c)
{
    uint32_t n_terminal = 0;
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        n_terminal += job_task_is_terminal(&c->tasks[i]);
    }
    return is_answered(c) || n_terminal == c->n_tasks;
}

static void test_checkpoint_under_way_all_the_time(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    deploy(c, &job);
    for (uint64_t id = 1; id < 10; id++) {
        trigger(c, &job, id);
        cluster_run_until(c, is_over);
        cluster_notify(c, NOTICE(COMPLETE), id);
    }
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_right();
}

static void test_cancelled_at_any_point(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&PLAIN);
    for (uint64_t id = 1; id < 9; id++) {
        deploy(c, &job);
        trigger(c, &job, id);
        for (uint64_t i = 0; i < id; i++) {
            cluster_step(c);
        }
        cluster_cancel_all(c);
        cluster_run_to_end(c);
        c->attempt++;
    }
}

/* ---- notices -------------------------------------------------------------------------------------- */

static bool all_told(struct test_cluster *c)
{
    return atomic_load(&counts.completes) == TASKS;
}

static void test_complete_stands_for_all_before(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    for (uint64_t id = 1; id < 4; id++) {
        trigger(c, &job, id);
        cluster_run_until(c, is_complete);
    }
    cluster_notify(c, NOTICE(COMPLETE), 3);
    run_until_counted(c, all_told);
    assert_int_equal(atomic_load(&counts.last_complete), 3);
    /* Overtaken and repeated ones tell nothing. */
    cluster_notify(c, NOTICE(COMPLETE), 2);
    cluster_notify(c, NOTICE(COMPLETE), 3);
    release();
    cluster_run_to_end(c);
    assert_int_equal(atomic_load(&counts.completes), TASKS);
    assert_right();
}

/* What is newer than the notice comes first: the next increment builds on the one that is kept. */
static void test_barrier_tells_what_is_complete(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    for (uint64_t id = 8; id < 11; id++) {
        wanted = id;
        /* Of 7 this attempt knows nothing: an earlier one took it. */
        cluster_trigger(c, &job, &(struct test_checkpoint){.id = id, .latest_completed = id - 1});
        cluster_run_until(c, is_complete);
        assert_int_equal(atomic_load(&counts.completes), (id - 8) * TASKS);
    }
    assert_int_equal(atomic_load(&counts.last_complete), 9);
    cluster_notify(c, NOTICE(COMPLETE), 9); /* late */
    release();
    cluster_run_to_end(c);
    assert_int_equal(atomic_load(&counts.completes), 2 * TASKS);
    assert_right();
}

static bool all_aborted(struct test_cluster *c)
{
    return atomic_load(&counts.aborts) >= TASKS;
}

static void test_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    deploy(c, &job);
    cluster_notify(c, NOTICE(ABORTED), 1); /* before its barriers */
    run_until_counted(c, all_aborted);
    trigger(c, &job, 1);
    trigger(c, &job, 2);
    cluster_run_until(c, is_complete);
    assert_int_equal(cluster_n_acks(c, 1), 0);
    cluster_notify(c, NOTICE(ABORTED), 2); /* after them */
    release();
    cluster_run_to_end(c);
    assert_right();
}

static void test_failing_notify_fails_the_task(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    hold();
    job.vertices[2].operators[0].stateful.fail = STATEFUL_FAIL_NOTIFY;
    deploy(c, &job);
    cluster_notify(c, NOTICE(COMPLETE), 1);
    while (job_task_state(cluster_task(c, 2, 0)) != STATE(FAILED)) {
        cluster_step(c);
    }
    cluster_cancel_all(c);
    cluster_run_to_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_acknowledged_and_restored),
        CASE(test_result_after_restore),
        CASE(test_checkpoint_under_way_all_the_time),
        CASE(test_cancelled_at_any_point),
        CASE(test_complete_stands_for_all_before),
        CASE(test_barrier_tells_what_is_complete),
        CASE(test_aborted),
        CASE(test_failing_notify_fails_the_task),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
