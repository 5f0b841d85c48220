/* What unaligned checkpoints have in flight, when it cannot be recorded or processed again, or only slowly: the
 * checkpoint is declined or the attempt fails, the next one succeeds, and no row is lost or counted twice.
 *
 * The counting tasks stall in their first batch: what the sources emit meanwhile fills the channels before them, and the
 * barriers overtake it. */
#include "tests/unit/taskmanager_worker/checkpoint_fixture.h"

enum { COUNTS = 3, BEFORE_COUNTS = TASKS - COUNTS, WITH_INPUTS = TASKS - SOURCES };

#define UNALIGNED FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_UNALIGNED

/* Rows behind those that the counts are stalled with: channels have room for so many, however small the batches are in which a slow
 * machine sends them. */
enum { ROWS_BEHIND = 1000 };

/* ---- checkpoints ---------------------------------------------------------------------------------- */

static bool rows_are_in_flight(struct test_cluster *c)
{
    return atomic_load(&counts.stalled) == COUNTS &&
           atomic_load(&counts.rows_out) >= atomic_load(&counts.stalled_rows) + ROWS_BEHIND;
}

/* The barriers lie before the counts then. */
static bool others_have_answered(struct test_cluster *c)
{
    return cluster_n_acks(c, wanted) + cluster_n_declines(c, wanted) >= BEFORE_COUNTS;
}

static bool all_have_answered(struct test_cluster *c)
{
    return cluster_n_acks(c, wanted) + cluster_n_declines(c, wanted) == TASKS;
}

static uint64_t bytes_in_flight(struct test_cluster *c, uint64_t id)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt) {
            n += cluster_ack(c, id, t->vertex, t->subtask)->stats->persisted_bytes;
        }
    }
    return n;
}

static void stall(void)
{
    atomic_store(&counts.stalled, 0);
    atomic_store(&counts.stalled_rows, 0);
    atomic_store(&counts.stall, true);
}

static void unstall(void)
{
    atomic_store(&counts.stall, false);
    event_count_signal(&counts.changed);
}

/* Of counts that may be stalled, and are not any more behind it; everybody has answered then. */
static void take_unaligned(struct test_cluster *c, const struct job *job, uint64_t id)
{
    const struct test_checkpoint checkpoint = {
        .id = id,
        .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
        .directory = folder,
        .alignment = UNALIGNED,
    };
    wanted = id;
    cluster_trigger(c, job, &checkpoint);
    cluster_run_until(c, others_have_answered);
    unstall();
    cluster_run_until(c, all_have_answered);
}

static void take_first(struct test_cluster *c, const struct job *job)
{
    hold();
    stall();
    deploy(c, job);
    run_until_counted(c, rows_are_in_flight);
    take_unaligned(c, job, 1);
}

static void take_good_first(struct test_cluster *c, const struct job *job)
{
    take_first(c, job);
    assert_int_equal(cluster_n_acks(c, 1), TASKS);
    assert_true(bytes_in_flight(c, 1) > 0);
}

/* ---- restoring ------------------------------------------------------------------------------------ */

static uint32_t n_failed(struct test_cluster *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        n += c->tasks[i].attempt == c->attempt && job_task_state(&c->tasks[i]) == STATE(FAILED);
    }
    return n;
}

static bool one_has_failed(struct test_cluster *c)
{
    return n_failed(c) > 0;
}

static bool all_have_failed(struct test_cluster *c)
{
    return n_failed(c) == TASKS;
}

static void assert_failed_at(struct test_cluster *c, const char *place)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt && job_task_state(t) == STATE(FAILED)) {
            assert_non_null(strstr(t->error.message, place));
            assert_int_equal(t->error.cls, ERROR_CLASS_TRANSIENT); /* it may be tried again */
        }
    }
}

static void restore_to_the_end(struct test_cluster *c, const struct job *job, uint64_t id)
{
    release();
    c->restore_directory = folder;
    restore(c, job, id);
    cluster_run_to_end(c);
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt && job_task_state(t) != STATE(FINISHED)) {
            fail_msg("vertex %u subtask %u is in state %d: %s", t->vertex, t->subtask,
                     job_task_state(t), t->error.message);
        }
    }
    assert_right();
    c->restore_directory = NULL;
}

static void arm(const char *place, const char *action)
{
    char spec[128];
    snprintf(spec, sizeof(spec), "%s=%s", place, action);
    assert_int_equal(failpoint_configure(spec, NULL), 0);
}

/* How often the place is passed while the first checkpoint is restored. */
static uint64_t count_hits(struct test_cluster *c, const struct job *job, const char *place)
{
    cancel_to_the_end(c);
    arm(place, "delay:0");
    restore_to_the_end(c, job, 1);
    uint64_t n = failpoint_hits(place);
    failpoint_clear_all();
    return n;
}

static void restore_fails(struct test_cluster *c, const struct job *job, const char *place,
                          const char *action, bool (*failed)(struct test_cluster *c))
{
    cancel_to_the_end(c); /* tasks of the attempt before would come to the place, too */
    arm(place, action);
    c->restore_directory = folder;
    restore(c, job, 1);
    cluster_run_until(c, failed);
    assert_failed_at(c, place);
    failpoint_clear_all();
}

/* Attempts fail at the first time that they come to a place, in the middle, and at the last; then one does not. */
static void restores_fail(struct test_cluster *c, const char *place, uint64_t least)
{
    struct job job = make_job(&HELD);
    take_good_first(c, &job);
    uint64_t n = count_hits(c, &job, place);
    assert_true(n >= least);
    const uint64_t at[] = {1, (n + 1) / 2, n};
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        char action[40];
        snprintf(action, sizeof(action), "error,nth=%llu", (unsigned long long)at[i]);
        restore_fails(c, &job, place, action, one_has_failed);
    }
    restore_to_the_end(c, &job, 1);
}

static void test_channel_state_cannot_be_opened(void **state)
{
    restores_fail(*state, "task.restore.channel_state", TASKS);
}

static void test_no_channel_state_can_be_opened(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    take_good_first(c, &job);
    restore_fails(c, &job, "task.restore.channel_state", "error", all_have_failed);
    restore_to_the_end(c, &job, 1);
}

/* Before anything was processed again, when some was, and when all was. */
static void test_replay_fails(void **state)
{
    restores_fail(*state, "task.restore.replay", COUNTS);
}

/* Replay takes its time, and is overtaken by barriers: what is left of it is in flight in the next checkpoint, too. */
static void test_slow_replay_is_recorded_again(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    take_good_first(c, &job);
    arm("task.restore.channel_state", "delay:20");
    arm("task.restore.replay", "delay:20");
    c->restore_directory = folder;
    restore(c, &job, 1);
    cluster_run_until(c, all_running);
    take_unaligned(c, &job, 2);
    assert_int_equal(cluster_n_acks(c, 2), TASKS);
    restore_to_the_end(c, &job, 2); /* slowly, and then as fast as it is */
    failpoint_clear_all();
    restore_to_the_end(c, &job, 1);
}

/* ---- recording ------------------------------------------------------------------------------------ */

/* A recording that fails is declined; the job lives on, and another attempt from its next checkpoint, too. */
static void recording_fails(struct test_cluster *c, const char *action, uint32_t declines)
{
    struct job job = make_job(&HELD);
    arm("task.checkpoint.record", action);
    take_first(c, &job);
    failpoint_clear_all();
    assert_int_equal(cluster_n_declines(c, 1), declines);
    const Flinc__CheckpointDecline *d = vec_ptr(&c->declines, 0);
    assert_non_null(strstr(d->reason->message, "task.checkpoint.record"));
    cluster_notify(c, NOTICE(ABORTED), 1);
    trigger_in_folder(c, &job, 2, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                      FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE);
    wanted = 2;
    cluster_run_until(c, is_complete);
    restore_to_the_end(c, &job, 2);
}

static void test_recording_fails(void **state)
{
    recording_fails(*state, "error,nth=1", 1);
}

/* Each task that has inputs comes there at least once. */
static void test_recording_fails_in_the_middle(void **state)
{
    recording_fails(*state, "error,nth=5", 1);
}

static void test_no_recording_succeeds(void **state)
{
    recording_fails(*state, "error", WITH_INPUTS);
}

static void test_slow_recording(void **state)
{
    struct test_cluster *c = *state;
    struct job job = make_job(&HELD);
    arm("task.checkpoint.record", "delay:20");
    take_good_first(c, &job);
    failpoint_clear_all();
    restore_to_the_end(c, &job, 1);
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
