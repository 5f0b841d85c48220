/* What unaligned checkpoints have in flight, when it cannot be recorded or processed again, or only slowly: the
 * checkpoint is declined or the attempt fails, the next one succeeds, and no row is lost or counted twice.
 *
 * The counting tasks stall in their first batch: what the sources emit meanwhile fills the channels before them, and the
 * barriers overtake it. */
#include "tests/unit/taskmanager_worker/checkpoint_fixture.h"

enum { COUNTS = 3, BEFORE_COUNTS = TASKS - COUNTS, WITH_INPUTS = TASKS - SOURCES };

#define UNALIGNED FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_UNALIGNED

static bool channels_are_full(struct test_cluster *c)
{
    return atomic_load(&counts.stalled) == COUNTS &&
           atomic_load(&counts.rows_out) >= SOURCES * ROWS / 4;
}

/* The barriers lie before the counts then. */
static bool others_have_answered(struct test_cluster *c)
{
    return cluster_n_acks(c, wanted) + cluster_n_declines(c, wanted) == BEFORE_COUNTS;
}

static uint64_t bytes_in_flight(struct test_cluster *c, uint64_t id)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < COUNTS; i++) {
        n += cluster_ack(c, id, 2, i)->stats->persisted_bytes;
    }
    return n;
}

static void unstall(void)
{
    atomic_store(&counts.stall, false);
    event_count_signal(&counts.changed);
}

/* Everything is answered behind it; sources wait in the middle of their rows. */
static void take_checkpoint_in_flight(struct test_cluster *c, const struct job *job, uint64_t id)
{
    hold();
    atomic_store(&counts.stalled, 0);
    atomic_store(&counts.stall, true);
    deploy(c, job);
    run_until_counted(c, channels_are_full);
    wanted = id;
    cluster_trigger(
        c, job,
        &(struct test_checkpoint){.id = id,
                                  .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                                  .directory = folder,
                                  .alignment = UNALIGNED});
    cluster_run_until(c, others_have_answered);
    unstall();
    cluster_run_until(c, is_answered);
}

static bool one_has_failed(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].attempt == c->attempt && job_task_state(&c->tasks[i]) == STATE(FAILED)) {
            return true;
        }
    }
    return false;
}

static bool all_have_failed_that_restore(struct test_cluster *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        n += c->tasks[i].attempt == c->attempt && job_task_state(&c->tasks[i]) == STATE(FAILED);
    }
    return n == TASKS;
}

static void assert_failed_at(struct test_cluster *c, const char *place)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt && job_task_state(t) == STATE(FAILED)) {
            assert_non_null(strstr(t->error.message, place));
            assert_int_equal(t->error.cls,
                             ERROR_CLASS_TRANSIENT); /* the restart strategy may try again */
        }
    }
}

static void assert_attempt_finished(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt && job_task_state(t) != STATE(FINISHED)) {
            fail_msg("vertex %u subtask %u is in state %d: %s", t->vertex, t->subtask,
                     job_task_state(t), t->error.message);
        }
    }
}

/* Attempts fail where it is told, one after the other; then one does not. */
static void restore_fails(struct test_cluster *c, const char *place, const char *const *actions,
                          bool (*failed)(struct test_cluster *c))
{
    struct job job = make_job(&HELD);
    take_checkpoint_in_flight(c, &job, 1);
    assert_int_equal(cluster_n_acks(c, 1), TASKS);
    assert_true(bytes_in_flight(c, 1) > 0);
    c->restore_directory = folder;
    for (; *actions != NULL; actions++) {
        char spec[128];
        snprintf(spec, sizeof(spec), "%s=%s", place, *actions);
        assert_int_equal(failpoint_configure(spec, NULL), 0);
        restore(c, &job, 1);
        cluster_run_until(c, failed);
        assert_failed_at(c, place);
        failpoint_clear_all();
    }
    release();
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_attempt_finished(c);
    assert_right();
    c->restore_directory = NULL;
}

static void test_channel_state_cannot_be_opened(void **state)
{
    restore_fails(*state, "task.restore.channel_state",
                  (const char *const[]){"error,nth=1", "error,nth=7", NULL}, one_has_failed);
}

static void test_no_channel_state_can_be_opened(void **state)
{
    restore_fails(*state, "task.restore.channel_state", (const char *const[]){"error", NULL},
                  all_have_failed_that_restore);
}

/* Before anything was processed again, when some was, and when nearly all was. */
static void test_replay_fails(void **state)
{
    restore_fails(*state, "task.restore.replay",
                  (const char *const[]){"error,nth=1", "error,nth=4", "error,nth=9", NULL},
                  one_has_failed);
}

/* Replay takes its time, and is overtaken by barriers: what is left of it is in flight in the next checkpoint, too. */
static void test_slow_replay_is_recorded_again(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    take_checkpoint_in_flight(c, &job, 1);
    assert_int_equal(cluster_n_acks(c, 1), TASKS);
    c->restore_directory = folder;
    assert_int_equal(failpoint_configure("task.restore.channel_state=delay:20;"
                                         "task.restore.replay=delay:20",
                                         NULL),
                     0);
    restore(c, &job, 1);
    cluster_run_until(c, all_running);
    wanted = 2;
    cluster_trigger(
        c, &job,
        &(struct test_checkpoint){.id = 2,
                                  .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                                  .directory = folder,
                                  .alignment = UNALIGNED});
    cluster_run_until(c, is_complete);
    assert_true(bytes_in_flight(c, 2) > 0);
    release();
    for (uint64_t id = 1; id <= 2; id++) { /* slowly, and then as fast as it is */
        restore(c, &job, 3 - id);
        cluster_run_to_end(c);
        assert_attempt_finished(c);
        assert_right();
        failpoint_clear_all();
    }
    c->restore_directory = NULL;
}

/* A recording that fails is declined; the job lives on, and another attempt from its next checkpoint, too. */
static void recording_fails(struct test_cluster *c, const char *spec, uint32_t declines)
{
    struct job job = make_job(&HELD);
    assert_int_equal(failpoint_configure(spec, NULL), 0);
    take_checkpoint_in_flight(c, &job, 1);
    failpoint_clear_all();
    assert_int_equal(cluster_n_declines(c, 1), declines);
    const Flinc__CheckpointDecline *d = vec_ptr(&c->declines, 0);
    assert_non_null(strstr(d->reason->message, "task.checkpoint.record"));
    cluster_notify(c, NOTICE(ABORTED), 1);
    trigger_in_folder(c, &job, 2, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                      FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    wanted = 2;
    cluster_run_until(c, is_complete);
    release();
    c->restore_directory = folder;
    restore(c, &job, 2);
    cluster_run_to_end(c);
    assert_attempt_finished(c);
    assert_right();
    c->restore_directory = NULL;
}

static void test_recording_fails(void **state)
{
    recording_fails(*state, "task.checkpoint.record=error,nth=1", 1);
}

static void test_recording_fails_in_the_middle(void **state)
{
    recording_fails(*state, "task.checkpoint.record=error,nth=5", 1);
}

static void test_no_recording_succeeds(void **state)
{
    recording_fails(*state, "task.checkpoint.record=error", WITH_INPUTS);
}

static void test_slow_recording(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    assert_int_equal(failpoint_configure("task.checkpoint.record=delay:20", NULL), 0);
    take_checkpoint_in_flight(c, &job, 1);
    assert_int_equal(cluster_n_acks(c, 1), TASKS);
    assert_true(bytes_in_flight(c, 1) > 0);
    failpoint_clear_all();
    release();
    c->restore_directory = folder;
    restore(c, &job, 1);
    cluster_run_to_end(c);
    assert_attempt_finished(c);
    assert_right();
    c->restore_directory = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_IN_FOLDER(test_channel_state_cannot_be_opened),
        CASE_IN_FOLDER(test_no_channel_state_can_be_opened),
        CASE_IN_FOLDER(test_replay_fails),
        CASE_IN_FOLDER(test_slow_replay_is_recorded_again),
        CASE_IN_FOLDER(test_recording_fails),
        CASE_IN_FOLDER(test_recording_fails_in_the_middle),
        CASE_IN_FOLDER(test_no_recording_succeeds),
        CASE_IN_FOLDER(test_slow_recording),
    };
    return cmocka_run_group_tests_name("in_flight_faults", tests, NULL, NULL);
}
