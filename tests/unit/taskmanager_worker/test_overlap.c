/* Checkpoints that are triggered while another one is written: all of them complete, in their order; or one is given
 * up, or all is. */
#include "tests/unit/taskmanager_worker/checkpoint_fixture.h"

/* The first file of a checkpoint is not on disk before half a second is over. */
static const char SLOW_DISK[] = "snapshot.output.before_sync=delay:500,nth=1";

static bool first_is_complete(struct test_cluster *c)
{
    return cluster_n_acks(c, 1) == TASKS;
}

/* Checkpoint 1 is being written when others are triggered: all complete, in their order. */
static void overlap(struct test_cluster *c, const struct job *job, Flinc__CheckpointKind kind,
                    uint64_t last)
{
    hold();
    deploy(c, job);
    assert_int_equal(failpoint_configure(SLOW_DISK, NULL), 0);
    for (uint64_t id = 1; id <= last; id++) {
        trigger_in_folder(c, job, id,
                          id == 1 ? FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL : kind,
                          FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    }
    wanted = last;
    cluster_run_until(c, is_complete);
    assert_int_equal(c->declines.len, 0);
    for (uint64_t id = 1; id <= last; id++) { /* none overtook another */
        assert_int_equal(cluster_n_acks(c, id), TASKS);
    }
    release();
    for (uint64_t id = 1; id <= last; id++) {
        cluster_notify(c, NOTICE(COMPLETE), id);
    }
    c->restore_directory = folder;
    restore(c, job, last);
    cluster_run_to_end(c);
    assert_int_equal(c->declines.len, 0);
    assert_right();
    c->restore_directory = NULL;
}

static void test_increments_overlap(void **state)
{
    struct job job = make_job(&HELD);
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, 2);
}

static void test_many_overlap(void **state)
{
    struct job job = make_job(&HELD);
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, 6);
}

static void test_savepoint_during_a_checkpoint(void **state)
{
    struct job job = make_job(&HELD);
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL, 2);
}

static void test_overlap_at_least_once(void **state)
{
    static char key[] = "execution.checkpointing.mode", mode[] = "AT_LEAST_ONCE";
    struct job job = make_job(&HELD);
    job.config[0].key = key;
    job.config[0].value = mode;
    job.n_config = 1;
    overlap(*state, &job, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, 2);
}

static void start_slow_pair(struct test_cluster *c, const struct job *job,
                            Flinc__CheckpointStop stop)
{
    hold();
    deploy(c, job);
    assert_int_equal(failpoint_configure(SLOW_DISK, NULL), 0);
    trigger_in_folder(c, job, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                      FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    trigger_in_folder(c, job, 2,
                      stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE
                          ? FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL
                          : FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                      stop);
}

/* The one that waits is given up: the first completes, and the data goes on. */
static void test_queued_is_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    cluster_notify(c, NOTICE(ABORTED), 2);
    cluster_run_until(c, first_is_complete);
    release();
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    assert_int_equal(c->declines.len, 0);
    assert_right();
}

/* The one that is written is given up: the next one is taken. */
static void test_written_is_aborted(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    cluster_notify(c, NOTICE(ABORTED), 1);
    wanted = 2;
    cluster_run_until(c, is_complete);
    assert_int_equal(c->declines.len, 0);
    release();
    cluster_run_to_end(c);
    assert_right();
}

static void test_stop_during_a_checkpoint(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND);
    wanted = 2;
    cluster_run_until(c, is_complete);
    release();
    cluster_notify(c, NOTICE(COMPLETE), 2);
    cluster_run_to_end(c);
    cluster_assert_all(c, STATE(FINISHED));
    c->restore_directory = folder;
    restore(c, &job, 2);
    cluster_run_to_end(c);
    assert_right();
    c->restore_directory = NULL;
}

static void test_cancelled_while_queued(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    start_slow_pair(c, &job, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    for (int i = 0; i < 3; i++) {
        cluster_step(c);
    }
    cluster_cancel_all(c);
    cluster_run_to_end(c);
    release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_IN_FOLDER(test_increments_overlap),
        CASE_IN_FOLDER(test_many_overlap),
        CASE_IN_FOLDER(test_savepoint_during_a_checkpoint),
        CASE_IN_FOLDER(test_overlap_at_least_once),
        CASE_IN_FOLDER(test_queued_is_aborted),
        CASE_IN_FOLDER(test_written_is_aborted),
        CASE_IN_FOLDER(test_stop_during_a_checkpoint),
        CASE_IN_FOLDER(test_cancelled_while_queued),
    };
    return cmocka_run_group_tests_name("overlap", tests, NULL, NULL);
}
