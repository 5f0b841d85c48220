/* Savepoints, stopping and cancelling with one, and what a job starts from. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"

#define CANONICAL FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL
#define STOP_NONE FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE
#define SUSPEND FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND

static void ask(struct checkpoint_world *cw, Flinc__CheckpointStop stop, uint32_t flags,
                struct answer *answer)
{
    char dir[300];
    struct error err = ERROR_INIT;
    snprintf(dir, sizeof(dir), "%s/savepoints", cw->dir);
    struct savepoint_request rq = {
        .directory = dir, .format = CANONICAL, .stop = stop, .flags = flags};
    assert_int_equal(jobmaster_trigger_savepoint(cw->w.jm, &rq, on_answer, answer, &err), 0);
    world_settle(&cw->w);
}

static bool has_metadata(const char *path)
{
    char file[600];
    struct error err = ERROR_INIT;
    snprintf(file, sizeof(file), "%s/_metadata", path);
    return fs_exists(file, &err) == 1; /* a URI */
}

static void test_a_savepoint_is_no_checkpoint(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    cw_init(&cw);
    cw_start(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    ask(&cw, STOP_NONE, 0, &a);
    assert_int_equal(cw_last_trigger(&cw), 2);
    assert_int_equal(cw.w.workers[0].last_kind, CANONICAL);
    assert_non_null(strstr(cw.w.workers[0].last_directory, "savepoints/savepoint-6a0100-"));
    cw_ack_all(&cw, 2);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.rc, 0);
    assert_true(has_metadata(a.path));
    assert_int_equal(cw_n_notices(&cw, COMPLETE, 2), 0); /* nothing is committed */
    assert_true(cw_exists(&cw, METADATA, 1));            /* nothing is subsumed */
    cw_fail_task(&cw, "Count", 0);
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, 1); /* not used for recovery */
    const struct job_details *d = cw_details(&cw);
    assert_int_equal(d->checkpoints->latest_savepoint->id, 2);
    assert_int_equal(d->checkpoints->latest_completed->id, 1);
    assert_string_equal(checkpoint_details_type(d->checkpoints->latest_savepoint), "SAVEPOINT");
    job_details_unref(d);
    jobmaster_cancel(cw.w.jm);
    world_settle(&cw.w);
    assert_true(has_metadata(a.path)); /* whatever becomes of the job */
    cw_fini(&cw);
}

static void test_a_savepoint_needs_a_folder_and_a_running_job(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    struct error err = ERROR_INIT;
    cw_init(&cw);
    cw_start(&cw);
    struct savepoint_request rq = {.format = CANONICAL};
    assert_int_equal(jobmaster_trigger_savepoint(cw.w.jm, &rq, on_answer, &a, &err), 0);
    world_settle(&cw.w);
    assert_int_equal(a.rc, ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(a.message, "execution.checkpointing.savepoint-dir"));
    jobmaster_cancel(cw.w.jm);
    world_settle(&cw.w);
    ask(&cw, STOP_NONE, 0, &a);
    assert_int_equal(a.n, 2);
    assert_true(a.rc < 0);
    cw_fini(&cw);
}

static void test_stop_with_savepoint_ends_the_job(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0}, second = {0};
    cw_init(&cw);
    cw_start(&cw);
    cw_complete_one(&cw);
    ask(&cw, SUSPEND, 0, &a);
    uint64_t id = cw_last_trigger(&cw);
    assert_int_equal(cw.w.workers[0].last_stop, SUSPEND);
    ask(&cw, SUSPEND, 0, &second);
    assert_int_equal(second.rc, ERR_ALREADY_EXISTS);
    cw_ack_all(&cw, id);
    assert_int_equal(cw_n_notices(&cw, COMPLETE, id), 2); /* its effects are committed */
    assert_int_equal(a.n, 0);                             /* not before the job has ended */
    world_advance(&cw.w, 5000);
    assert_int_equal(cw_last_trigger(&cw), id); /* no periodic ones any more */
    world_all_say(&cw.w, FINISHED);
    world_assert_ended(&cw.w, JOB_STATUS_FINISHED);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.rc, 0);
    assert_true(has_metadata(a.path));
    cw_fini(&cw);
}

/* Tasks wait for it: else the job would neither run nor end. */
static void test_a_lost_notice_of_the_savepoint_is_told_again(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    struct error err = ERROR_INIT;
    cw_init(&cw);
    cw_start(&cw);
    ask(&cw, SUSPEND, 0, &a);
    uint64_t id = cw_last_trigger(&cw);
    assert_int_equal(failpoint_configure("jobmaster.checkpoint.before_notify=error,nth=1", &err),
                     0);
    cw_ack_all(&cw, id);
    assert_int_equal(cw_n_notices(&cw, COMPLETE, id), 0);
    world_advance(&cw.w, 3000);
    failpoint_clear_all();
    assert_true(cw_n_notices(&cw, COMPLETE, id) >= 2);
    assert_int_equal(a.n, 0);
    world_all_say(&cw.w, FINISHED);
    world_assert_ended(&cw.w, JOB_STATUS_FINISHED);
    assert_int_equal(a.rc, 0);
    cw_fini(&cw);
}

/* FLINK-15152: after a stop-with-savepoint that failed, periodic checkpoints go on. */
static void check_failed_stop(const char *planted)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    struct error err = ERROR_INIT;
    struct error why = test_error(ERR_NO_SPACE, "the disk is full");
    cw_init(&cw);
    cw_start(&cw);
    if (planted != NULL) {
        assert_int_equal(failpoint_configure(planted, &err), 0);
    }
    ask(&cw, SUSPEND, 0, &a);
    uint64_t id = cw_last_trigger(&cw);
    task_decline(world_task(&cw.w, "Count", 0), id, &why);
    world_settle(&cw.w);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.rc, ERR_NO_SPACE);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    for (int i = 0; i < 60; i++) {
        world_advance(&cw.w, 50);
    }
    assert_int_equal(cw_last_trigger(&cw) > id, planted == NULL);
    cw_fini(&cw);
}

static void test_flink_15152_a_failed_stop_leaves_the_job_as_it_was(void **state)
{
    check_failed_stop(NULL);
}

static void test_flink_15152_guard(void **state)
{
    check_failed_stop("planted.checkpoint.stays_stopped=error");
}

/* FLINK-26783: a failure after the savepoint was complete restarts nothing; the answer names it. */
static void test_flink_26783_a_failure_after_a_good_savepoint(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    cw_init(&cw);
    cw_start(&cw);
    cw_complete_one(&cw);
    ask(&cw, SUSPEND, 0, &a);
    cw_ack_all(&cw, cw_last_trigger(&cw));
    task_say(world_task(&cw.w, "Source", 0), FINISHED);
    cw_fail_task(&cw, "Count", 0);
    world_assert_ended(&cw.w, JOB_STATUS_FAILED);
    assert_int_equal(a.n, 1);
    assert_true(a.rc < 0);
    assert_non_null(strstr(a.message, "A savepoint has been created at"));
    assert_non_null(strstr(a.message, a.path));
    assert_true(has_metadata(a.path));
    cw_fini(&cw);
}

/* The test above notices the bug: the job goes on from the checkpoint before. */
static void test_flink_26783_guard(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    struct error err = ERROR_INIT;
    cw_init(&cw);
    cw_start(&cw);
    cw_complete_one(&cw);
    ask(&cw, SUSPEND, 0, &a);
    cw_ack_all(&cw, cw_last_trigger(&cw));
    task_say(world_task(&cw.w, "Source", 0), FINISHED);
    assert_int_equal(failpoint_configure("planted.checkpoint.restarts_after_stop=error", &err), 0);
    cw_fail_task(&cw, "Count", 0);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, 1);
    cw_fini(&cw);
}

static void test_a_failure_before_the_savepoint_restarts_the_job(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    cw_init(&cw);
    cw_start(&cw);
    uint64_t good = cw_complete_one(&cw);
    ask(&cw, SUSPEND, 0, &a);
    cw_fail_task(&cw, "Count", 0);
    assert_int_equal(a.n, 1);
    assert_true(a.rc < 0);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, good);
    assert_true(cw_complete_one(&cw) > good);
    cw_fini(&cw);
}

static void test_cancel_with_savepoint(void **state)
{
    struct checkpoint_world cw;
    struct answer a = {0};
    cw_init(&cw);
    cw_start(&cw);
    ask(&cw, STOP_NONE, SAVEPOINT_CANCEL_JOB, &a);
    cw_ack_all(&cw, cw_last_trigger(&cw));
    assert_int_equal(a.rc, 0);
    assert_true(has_metadata(a.path));
    world_assert_ended(&cw.w, JOB_STATUS_CANCELED);
    cw_fini(&cw);
}

/* ---- what a job starts from ------------------------------------------------------------------------- */

/* Takes a savepoint in one world; the next one starts from it. */
static void make_savepoint(struct checkpoint_world *cw, struct answer *a)
{
    cw_init(cw);
    cw_start(cw);
    cw_complete_one(cw);
    ask(cw, STOP_NONE, 0, a);
    cw_ack_all(cw, a->n == 0 ? cw_last_trigger(cw) : 0);
    assert_int_equal(a->rc, 0);
    world_fini(&cw->w);
}

static void delete_folder(const struct checkpoint_world *cw)
{
    struct error err = ERROR_INIT;
    assert_int_equal(fs_delete(cw->dir, FS_DELETE_RECURSIVE, &err), 0);
}

static void run_claim(const char *mode, bool kept)
{
    struct checkpoint_world first, cw;
    struct answer a = {0};
    make_savepoint(&first, &a);
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.incremental", "true");
    world_set(&cw.w, "execution.state-recovery.path", a.path);
    world_set(&cw.w, "execution.state-recovery.claim-mode", mode);
    cw_start(&cw);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    for (uint32_t i = 0; i < 3; i++) {
        char want[32];
        snprintf(want, sizeof(want), "C%u@2", i);
        assert_string_equal(world_task(&cw.w, "Count", i)->restored, want);
    }
    assert_true(cw_logged(&cw, "restore 2 splits;"));
    cw_fail_task(&cw, "Count", 0); /* before the first checkpoint: again from the savepoint */
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, 2);
    uint64_t id = cw_next_trigger(&cw);
    assert_int_equal(id, 3);
    assert_int_equal(cw.w.workers[0].last_kind,
                     kept ? FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL
                          : FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL);
    cw_ack_all(&cw, id);
    assert_true(cw_exists(&cw, METADATA, 3));
    assert_int_equal(has_metadata(a.path), kept);
    id = cw_next_trigger(&cw);
    assert_int_equal(cw.w.workers[0].last_kind, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL);
    cw_fini(&cw);
    delete_folder(&first);
}

static void test_a_job_starts_from_a_savepoint(void **state)
{
    run_claim("NO_CLAIM", true);
    run_claim("CLAIM", false);
}

static void test_a_savepoint_that_is_not_there_fails_the_job(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    world_set(&cw.w, "execution.state-recovery.path", "/nowhere/savepoint-1");
    cw_start(&cw);
    world_assert_ended(&cw.w, JOB_STATUS_FAILED);
    char text[ERROR_MESSAGE_MAX * 2];
    assert_non_null(strstr(error_format(&cw.w.cause, text, sizeof(text)), "/nowhere/savepoint-1"));
    assert_int_equal(cw.w.workers[0].n_deploys, 0);
    cw_fini(&cw);
}

static void check_reading_again(const char *failpoints)
{
    struct checkpoint_world first, cw;
    struct answer a = {0};
    struct error err = ERROR_INIT;
    make_savepoint(&first, &a);
    cw_init(&cw);
    world_set(&cw.w, "execution.state-recovery.path", a.path);
    assert_int_equal(failpoint_configure("checkpoint.restore.before_read=error,nth=1", &err), 0);
    if (failpoints != NULL) {
        assert_int_equal(failpoint_configure(failpoints, &err), 0);
    }
    cw_start(&cw);
    assert_int_equal(cw.w.workers[0].n_deploys > 0, failpoints != NULL);
    world_advance(&cw.w, 20);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    if (failpoints == NULL) {
        assert_string_equal(world_task(&cw.w, "Count", 1)->restored, "C1@2");
    } else {
        assert_false(world_task(&cw.w, "Count", 1)->has_restore);
    }
    cw_fini(&cw);
    delete_folder(&first);
}

/* FLINK-22502: a transient failure of reading is tried again, and nothing is started without the state. */
static void test_flink_22502_reading_is_tried_again(void **state)
{
    check_reading_again(NULL);
}

static void test_flink_22502_guard(void **state)
{
    check_reading_again("planted.checkpoint.starts_without_state=error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_savepoint_is_no_checkpoint),
        cmocka_unit_test(test_a_savepoint_needs_a_folder_and_a_running_job),
        cmocka_unit_test(test_stop_with_savepoint_ends_the_job),
        cmocka_unit_test(test_a_lost_notice_of_the_savepoint_is_told_again),
        cmocka_unit_test(test_flink_15152_a_failed_stop_leaves_the_job_as_it_was),
        cmocka_unit_test(test_flink_15152_guard),
        cmocka_unit_test(test_flink_26783_a_failure_after_a_good_savepoint),
        cmocka_unit_test(test_flink_26783_guard),
        cmocka_unit_test(test_a_failure_before_the_savepoint_restarts_the_job),
        cmocka_unit_test(test_cancel_with_savepoint),
        cmocka_unit_test(test_a_job_starts_from_a_savepoint),
        cmocka_unit_test(test_a_savepoint_that_is_not_there_fails_the_job),
        cmocka_unit_test(test_flink_22502_reading_is_tried_again),
        cmocka_unit_test(test_flink_22502_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
