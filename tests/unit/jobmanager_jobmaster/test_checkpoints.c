/* Checkpoints of a job, from the trigger to the restart that restores them. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"

#include <errno.h>
#include <sys/stat.h>

static void test_a_periodic_checkpoint_completes(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    uint64_t id = cw_next_trigger(&cw);
    assert_int_equal(id, 1);
    assert_int_equal(world_task(&cw.w, "Source", 0)->n_triggers, 1);
    assert_int_equal(world_task(&cw.w, "Count", 0)->n_triggers, 0); /* gets it by its input */
    assert_true(cw_logged(&cw, "snapshot 1;"));
    assert_false(cw_exists(&cw, METADATA, 1));
    cw_ack_all(&cw, id);
    assert_true(cw_exists(&cw, METADATA, 1));
    assert_int_equal(cw_n_notices(&cw, COMPLETE, 1), 2);
    assert_true(cw_logged(&cw, "complete 1;"));

    const struct job_details *d = cw_details(&cw);
    const struct checkpoint_stats *s = d->checkpoints;
    assert_int_equal(s->counts.total, 1);
    assert_int_equal(s->counts.completed, 1);
    assert_int_equal(s->latest_completed->id, 1);
    assert_int_equal(s->latest_completed->n_acknowledged, 5);
    assert_int_equal(s->latest_completed->state_bytes, 5 * 4);
    assert_true(s->latest_completed->metadata_bytes > 0);
    assert_string_equal(checkpoint_details_type(s->latest_completed), "CHECKPOINT");
    assert_int_equal(s->n_history, 1);
    assert_ptr_equal(checkpoint_stats_find(s, 1), s->history[0]);
    assert_int_equal(s->written_bytes.n, 1);
    job_details_unref(d);
    cw_fini(&cw);
}

static void test_a_restart_restores_the_newest(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    assert_false(world_task(&cw.w, "Count", 0)->has_restore);
    assert_int_equal(cw_complete_one(&cw), 1);
    assert_int_equal(cw_complete_one(&cw), 2);
    assert_false(cw_exists(&cw, "chk-%llu", 1)); /* num-retained is 1 */
    cw_fail_task(&cw, "Count", 1);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    for (uint32_t i = 0; i < 3; i++) {
        struct fake_task *t = world_task(&cw.w, "Count", i);
        char want[32];
        assert_int_equal(t->attempt_number, 1);
        assert_int_equal(t->restored_id, 2);
        snprintf(want, sizeof(want), "C%u@2", i);
        assert_string_equal(t->restored, want);
    }
    assert_true(cw_logged(&cw, "subtask_reset 0 to 2;subtask_reset 1 to 2;"));
    const struct job_details *d = cw_details(&cw);
    assert_int_equal(d->checkpoints->counts.restored, 1);
    assert_int_equal(d->checkpoints->latest_restored.id, 2);
    job_details_unref(d);
    assert_int_equal(cw_complete_one(&cw), 3); /* numbers are never used twice */
    cw_fini(&cw);
}

static void test_a_global_restart_restores_coordinators(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    task_send_event(world_task(&cw.w, "Source", 0), 1, "fail");
    world_settle(&cw.w);
    world_advance(&cw.w, 20);
    assert_true(cw_logged(&cw, "reset;restore 1 splits;"));
    assert_int_equal(world_task(&cw.w, "Source", 0)->restored_id, 1);
    cw_fini(&cw);
}

static void test_a_failure_before_the_first_starts_afresh(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    uint64_t id = cw_next_trigger(&cw);
    cw_fail_task(&cw, "Source", 0);
    assert_true(cw_logged(&cw, "aborted 1;"));
    assert_false(world_task(&cw.w, "Count", 0)->has_restore);
    assert_false(cw_exists(&cw, "chk-%llu", id));
    cw_fini(&cw);
}

/* All have acknowledged, the metadata is being written, a task fails: the restart waits for it. */
static void test_a_restart_waits_for_what_is_being_completed(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    uint64_t id = cw_next_trigger(&cw);
    struct error why = test_error(ERR_IO, "the disk hiccuped");
    for (uint32_t i = 0; i < 2; i++) {
        task_acknowledge(world_task(&cw.w, "Source", i), id, "s");
    }
    for (uint32_t i = 0; i < 3; i++) {
        task_acknowledge(world_task(&cw.w, "Count", i), id, "c");
    }
    task_say_error(world_task(&cw.w, "Count", 0), FAILED, &why);
    component_run_until_idle(jobmaster_component(cw.w.jm), 0); /* without the I/O executor */
    for (uint32_t i = 0; i < 2; i++) {
        mailbox_run(cw.w.workers[i].mailbox, 1000);
    }
    clock_manual_advance_ms(&cw.w.clock, 20);
    component_run_until_idle(jobmaster_component(cw.w.jm), 0);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_task(&cw.w, "Count", 0)->attempt_number, 0);
    world_settle(&cw.w);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, id);
    cw_fini(&cw);
}

static void test_acks_that_come_twice_late_or_from_elsewhere(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    uint64_t id = cw_next_trigger(&cw);
    struct fake_task *first = world_task(&cw.w, "Count", 0);
    for (int i = 0; i < 10; i++) {
        task_acknowledge(first, id, "once");
    }
    task_acknowledge(first, 77, "never triggered");
    world_settle(&cw.w);
    assert_false(cw_exists(&cw, METADATA, id));
    cw_fail_task(&cw, "Count", 2);
    id = cw_next_trigger(&cw);
    first->state = RUNNING; /* the attempt that was replaced says something */
    task_acknowledge(first, id, "too late");
    first->state = CANCELED;
    for (uint32_t i = 0; i < 2; i++) {
        task_acknowledge(world_task(&cw.w, "Source", i), id, "s");
        task_acknowledge(world_task(&cw.w, "Count", i + 1), id, "c");
    }
    world_settle(&cw.w);
    assert_false(cw_exists(&cw, METADATA, id));
    task_acknowledge(world_task(&cw.w, "Count", 0), id, "c");
    world_settle(&cw.w);
    assert_true(cw_exists(&cw, METADATA, id));
    task_acknowledge(world_task(&cw.w, "Count", 0), id, "c"); /* after completion */
    world_settle(&cw.w);
    assert_true(cw_exists(&cw, METADATA, id));
    cw_fini(&cw);
}

static void test_failures_are_tolerated_as_configured(void **state)
{
    struct checkpoint_world cw;
    struct error why = test_error(ERR_NO_SPACE, "the disk is full");
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "2");
    cw_start(&cw);
    for (int round = 0; round < 2; round++) { /* a completed one starts the count anew */
        for (int i = 0; i < 2; i++) {
            task_decline(world_task(&cw.w, "Count", 1), cw_next_trigger(&cw), &why);
            world_settle(&cw.w);
        }
        cw_complete_one(&cw);
        assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    }
    uint64_t good = cw_last_trigger(&cw);
    for (int i = 0; i < 3; i++) {
        task_decline(world_task(&cw.w, "Count", 1), cw_next_trigger(&cw), &why);
        world_settle(&cw.w);
    }
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(cw.w.jm, &f, 1), 1);
    assert_non_null(strstr(f.error.message, "Exceeded checkpoint tolerable failure threshold"));
    assert_non_null(strstr(f.error.message, "the disk is full"));
    world_advance(&cw.w, 20);
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, good);
    cw_fini(&cw);
}

static void test_one_that_takes_too_long_expires(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.timeout", "300 ms");
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "5");
    cw_start(&cw);
    uint64_t id = cw_next_trigger(&cw);
    world_advance(&cw.w, 400);
    assert_true(cw_n_notices(&cw, ABORTED, id) > 0);
    assert_false(cw_exists(&cw, "chk-%llu", id));
    cw_ack_all(&cw, id); /* too late */
    assert_false(cw_exists(&cw, METADATA, id));
    const struct job_details *d = cw_details(&cw);
    assert_int_equal(d->checkpoints->counts.failed, 1);
    assert_non_null(strstr(d->checkpoints->latest_failed->failure, "expired before completing"));
    job_details_unref(d);
    cw_fini(&cw);
}

static void test_disk_full_is_a_failed_checkpoint(void **state)
{
    struct checkpoint_world cw;
    struct error err = ERROR_INIT;
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "5");
    cw_start(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    assert_int_equal(failpoint_configure("checkpoint.complete.before_write=error:NO_SPACE", &err),
                     0);
    uint64_t id = cw_complete_one(&cw);
    failpoint_clear_all();
    assert_false(cw_exists(&cw, "chk-%llu", id));
    assert_true(cw_exists(&cw, METADATA, 1)); /* the one before stays the newest */
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    cw_fail_task(&cw, "Count", 0);
    assert_int_equal(world_task(&cw.w, "Count", 0)->restored_id, 1);
    cw_fini(&cw);
}

static void run_end(const char *retention, enum job_status how, bool kept)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.externalized-checkpoint-retention", retention);
    cw_start(&cw);
    uint64_t id = cw_complete_one(&cw);
    if (how == JOB_STATUS_FINISHED) {
        world_all_say(&cw.w, FINISHED);
    } else if (how == JOB_STATUS_CANCELED) {
        jobmaster_cancel(cw.w.jm);
    } else {
        struct error why = test_error(ERR_INVALID_ARGUMENT, "the input is wrong");
        task_say_error(world_task(&cw.w, "Count", 0), FAILED, &why);
    }
    world_settle(&cw.w);
    world_assert_ended(&cw.w, how);
    assert_int_equal(cw_exists(&cw, METADATA, id), kept);
    cw_fini(&cw);
}

static void test_retention_at_the_end_of_the_job(void **state)
{
    run_end("NO_EXTERNALIZED_CHECKPOINTS", JOB_STATUS_CANCELED, false);
    run_end("NO_EXTERNALIZED_CHECKPOINTS", JOB_STATUS_FAILED, false);
    run_end("DELETE_ON_CANCELLATION", JOB_STATUS_CANCELED, false);
    run_end("DELETE_ON_CANCELLATION", JOB_STATUS_FAILED, true);
    run_end("RETAIN_ON_CANCELLATION", JOB_STATUS_CANCELED, true);
    run_end("RETAIN_ON_CANCELLATION", JOB_STATUS_FAILED, true);
    run_end("RETAIN_ON_CANCELLATION", JOB_STATUS_FINISHED, false);
}

/* A task that hears late of the end of a checkpoint writes into its folder while, or after, that is deleted. */
static void write_late(const struct checkpoint_world *cw, uint64_t id)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s/chk-%llu", cw->dir, JOB_DIR, (unsigned long long)id);
    assert_true(mkdir(path, 0777) == 0 || errno == EEXIST);
    snprintf(path, sizeof(path), "%s/%s/chk-%llu/late", cw->dir, JOB_DIR, (unsigned long long)id);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

static void test_what_is_written_late_goes_with_the_job(void **state)
{
    enum { GIVEN_UP = 20 }; /* more than are remembered */
    struct checkpoint_world cw;
    uint64_t ids[GIVEN_UP];
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.timeout", "300 ms");
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "100");
    world_set(&cw.w, "execution.checkpointing.externalized-checkpoint-retention",
              "RETAIN_ON_CANCELLATION");
    cw_start(&cw);
    uint64_t kept = cw_complete_one(&cw);
    for (int i = 0; i < GIVEN_UP; i++) {
        ids[i] = cw_next_trigger(&cw);
        world_advance(&cw.w, 400);
        assert_false(cw_exists(&cw, "chk-%llu", ids[i]));
        write_late(&cw, ids[i]);
    }
    jobmaster_cancel(cw.w.jm);
    world_settle(&cw.w);
    world_assert_ended(&cw.w, JOB_STATUS_CANCELED);
    for (int i = 0; i < GIVEN_UP; i++) {
        assert_false(cw_exists(&cw, "chk-%llu", ids[i]));
    }
    assert_true(cw_exists(&cw, METADATA, kept));
    cw_fini(&cw);
}

/* All acknowledge `id`, the first subtask of Count with a section of the file, if there is one. */
static void ack_with_section(struct checkpoint_world *cw, uint64_t id, char *uri, uint64_t since)
{
    Flinc__StateBlob section = FLINC__STATE_BLOB__INIT;
    section.location = uri;
    section.size = 10;
    section.offset = 10 * id;
    section.merged_since = since;
    section.shared = true;
    task_acknowledge_blob(world_task(&cw->w, "Count", 0), id, uri != NULL ? &section : NULL);
    for (uint32_t i = 0; i < 2; i++) {
        task_acknowledge(world_task(&cw->w, "Source", i), id, "s");
        task_acknowledge(world_task(&cw->w, "Count", i + 1), id, "c");
    }
    world_settle(&cw->w);
}

/* A merged file is deleted with the last checkpoint that has a section in it, and no section comes after that. */
static void test_a_merged_file_goes_with_its_last_section(void **state)
{
    struct checkpoint_world cw;
    char path[600], uri[620];
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "10");
    cw_start(&cw);
    uint64_t first = cw_next_trigger(&cw);
    snprintf(path, sizeof(path), "%s/%s/taskowned/merged", cw.dir, JOB_DIR);
    snprintf(uri, sizeof(uri), "file:%s", path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    ack_with_section(&cw, first, uri, first);
    assert_true(cw_exists(&cw, METADATA, first));
    uint64_t second = cw_next_trigger(&cw);
    ack_with_section(&cw, second, uri, first);
    assert_true(cw_exists(&cw, METADATA, second));
    assert_false(cw_exists(&cw, METADATA, first));
    assert_int_equal(access(path, F_OK), 0);
    uint64_t third = cw_next_trigger(&cw);
    ack_with_section(&cw, third, NULL, 0);
    assert_true(cw_exists(&cw, METADATA, third));
    assert_int_equal(access(path, F_OK), -1);
    uint64_t fourth = cw_next_trigger(&cw);
    ack_with_section(&cw, fourth, uri, first); /* who does so has not heard of the third */
    assert_false(cw_exists(&cw, METADATA, fourth));
    assert_true(cw_exists(&cw, METADATA, third));
    assert_true(cw_n_notices(&cw, ABORTED, fourth) > 0);
    cw_fini(&cw);
}

/* What is stored of an ended job has its checkpoints; damage anywhere is found. */
static void test_packed_details_have_the_checkpoints(void **state)
{
    struct checkpoint_world cw;
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT, again = STR_INIT;
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "5");
    cw_start(&cw);
    cw_complete_one(&cw);
    struct error why = test_error(ERR_NO_SPACE, "the disk is full");
    task_decline(world_task(&cw.w, "Count", 1), cw_next_trigger(&cw), &why);
    world_settle(&cw.w);
    cw_fail_task(&cw, "Count", 0);
    const struct job_details *d = cw_details(&cw), *read = NULL;
    job_details_pack(d, &bytes);
    assert_int_equal(job_details_unpack((const uint8_t *)bytes.data, bytes.len, &read, &err), 0);
    const struct checkpoint_stats *s = read->checkpoints;
    assert_int_equal(s->counts.completed, 1);
    assert_int_equal(s->counts.failed, 1);
    assert_int_equal(s->latest_completed->vertices[1].subtasks[2].state_bytes, 4);
    assert_non_null(strstr(s->latest_failed->failure, "the disk is full"));
    assert_int_equal(s->latest_restored.id, 1);
    assert_int_equal(s->n_history, 2);
    assert_string_equal(s->config.state_backend, "hashmap");
    assert_int_equal(s->config.interval_ms, 1000);
    job_details_pack(read, &again);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    job_details_unref(read);
    job_details_unref(d);
    for (size_t i = 0; i < bytes.len;
         i += 7) { /* the checksum made right: the decoder alone decides */
        uint8_t *copy = mem_dup(bytes.data, bytes.len);
        copy[i] ^= 0x15;
        uint32_t crc = crc32c(0, copy, bytes.len - 4);
        for (int k = 0; k < 4; k++) {
            copy[bytes.len - 4 + (size_t)k] = (uint8_t)(crc >> (8 * k));
        }
        read = NULL;
        if (job_details_unpack(copy, bytes.len, &read, &err) == 0) {
            job_details_unref(read);
        }
        mem_free(copy);
    }
    cw_fini(&cw);
}

static void test_tasks_that_have_finished_take_no_part(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    cw_start(&cw);
    task_say(world_task(&cw.w, "Source", 0), FINISHED);
    task_say(world_task(&cw.w, "Source", 1), FINISHED);
    world_settle(&cw.w);
    uint64_t id = cw_next_trigger(&cw);
    for (uint32_t i = 0; i < 3; i++) { /* nobody is before them any more */
        assert_int_equal(world_task(&cw.w, "Count", i)->n_triggers, 1);
    }
    cw_ack_all(&cw, id);
    assert_true(cw_exists(&cw, METADATA, id));
    cw_fini(&cw);
}

static void test_the_end_of_all_data_triggers_one(void **state)
{
    struct checkpoint_world cw;
    cw_init(&cw);
    world_set(&cw.w, "execution.checkpointing.interval", "1 h");
    cw_start(&cw);
    for (uint32_t i = 0; i < 3; i++) {
        task_end_of_data(world_task(&cw.w, "Count", i));
    }
    task_end_of_data(world_task(&cw.w, "Source", 0));
    world_settle(&cw.w);
    assert_int_equal(cw_last_trigger(&cw), 0);
    task_end_of_data(world_task(&cw.w, "Source", 1));
    world_settle(&cw.w);
    assert_int_equal(cw_last_trigger(&cw), 1);
    cw_fini(&cw);
}

static void test_what_the_job_cannot_do_is_refused_at_the_submission(void **state)
{
    static const char *const bad[][2] = {
        {"execution.checkpointing.interval", "9 ms"},
        {"execution.checkpointing.storage", "filesytem"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct world w;
        struct error err = ERROR_INIT;
        world_init(&w, graph_word_count());
        world_set(&w, bad[i][0], bad[i][1]);
        struct jobmaster_options o = world_options(&w);
        assert_int_equal(jobmaster_new(&o, &w.jm, &err), ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.message, bad[i][0]));
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_periodic_checkpoint_completes),
        cmocka_unit_test(test_a_restart_restores_the_newest),
        cmocka_unit_test(test_a_global_restart_restores_coordinators),
        cmocka_unit_test(test_a_failure_before_the_first_starts_afresh),
        cmocka_unit_test(test_a_restart_waits_for_what_is_being_completed),
        cmocka_unit_test(test_acks_that_come_twice_late_or_from_elsewhere),
        cmocka_unit_test(test_failures_are_tolerated_as_configured),
        cmocka_unit_test(test_one_that_takes_too_long_expires),
        cmocka_unit_test(test_disk_full_is_a_failed_checkpoint),
        cmocka_unit_test(test_retention_at_the_end_of_the_job),
        cmocka_unit_test(test_what_is_written_late_goes_with_the_job),
        cmocka_unit_test(test_a_merged_file_goes_with_its_last_section),
        cmocka_unit_test(test_packed_details_have_the_checkpoints),
        cmocka_unit_test(test_tasks_that_have_finished_take_no_part),
        cmocka_unit_test(test_the_end_of_all_data_triggers_one),
        cmocka_unit_test(test_what_the_job_cannot_do_is_refused_at_the_submission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
