/* The life of a job: normal run, cancellation from every state, failure without a restart, the end. */
#include "tests/unit/jobmanager_jobmaster/world.h"

static void runs_to_the_end(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    struct fake_worker *fw = world_add_worker(&w, 4, 0);
    world_start(&w);
    assert_int_equal(w.declared, 3);
    assert_int_equal(world_slots_with_job(&w), 3);
    assert_int_equal(fw->n_deploys, 2); /* one message per vertex */
    assert_int_equal(world_n_tasks(&w, DEPLOYING), 5);
    world_all_say(&w, INITIALIZING);
    assert_int_equal(world_n_tasks(&w, INITIALIZING), 5);
    world_all_say(&w, RUNNING);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    task_say(world_task(&w, "Source", 0), FINISHED);
    world_settle(&w);
    assert_int_equal(w.n_terminals, 0);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    assert_string_equal(str_cstr(&w.statuses), "CREATED RUNNING FINISHED ");
    struct job_progress p;
    jobmaster_get_progress(w.jm, &p);
    assert_int_equal(p.status, JOB_STATUS_FINISHED);
    assert_int_equal(p.tasks_total, 5);
    assert_int_equal(p.tasks_by_state[FINISHED], 5);
    assert_int_equal(p.restarts, 0);
    assert_true(p.start_ms > 0 && p.end_ms >= p.start_ms);
    world_fini(&w);
}

static void cancel_with(unsigned flags, Flinc__ExecutionState reached, bool has_slots)
{
    struct world w;
    world_init(&w, graph_word_count());
    struct fake_worker *fw = world_add_worker(&w, has_slots ? 3 : 1, flags);
    world_start(&w);
    for (Flinc__ExecutionState s = INITIALIZING; has_slots && s <= reached; s++) {
        world_all_say(&w, s);
    }
    jobmaster_cancel(w.jm);
    jobmaster_cancel(w.jm); /* twice changes nothing */
    world_settle(&w);
    if (!has_slots || flags & FAKE_CANCELS) {
        world_assert_ended(&w, JOB_STATUS_CANCELED);
        assert_int_equal(fw->n_cancels, has_slots ? 1 : 0); /* one message for all */
    } else {
        assert_int_equal(world_status(&w), JOB_STATUS_CANCELLING);
        assert_int_equal(world_n_tasks(&w, CANCELING), 5);
        world_all_say(&w, CANCELED);
        world_assert_ended(&w, JOB_STATUS_CANCELED);
    }
    assert_string_equal(str_cstr(&w.statuses), "CREATED RUNNING CANCELLING CANCELED ");
    jobmaster_cancel(w.jm);
    world_settle(&w);
    world_fini(&w);
}

static void cancel_works_in_every_state(void **state)
{
    cancel_with(0, SCHEDULED, false);
    cancel_with(FAKE_CANCELS, DEPLOYING, true);
    cancel_with(FAKE_CANCELS, INITIALIZING, true);
    cancel_with(FAKE_CANCELS, RUNNING, true);
    cancel_with(0, DEPLOYING, true);
    cancel_with(0, RUNNING, true);
}

/* However a cancelled task ends, it is cancelled. */
static void cancelled_tasks_may_end_otherwise(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    world_start(&w);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    struct error err = test_error(ERR_IO, "broken by the cancellation");
    task_say(world_task(&w, "Source", 0), FINISHED);
    task_say_error(world_task(&w, "Source", 1), FAILED, &err);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, CANCELED), 2);
    world_all_say(&w, CANCELED);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_fini(&w);
}

static void failure_without_restart_fails_the_job(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    struct error err = test_error(ERR_USER_CODE, "split returned -9");
    error_context(&err, "running Source (1/2)");
    task_say_error(world_task(&w, "Source", 0), FAILED, &err);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_string_equal(str_cstr(&w.statuses), "CREATED RUNNING FAILING FAILED ");
    assert_int_equal(w.cause.code, ERR_USER_CODE);
    assert_string_equal(w.cause.message, "split returned -9");
    assert_string_equal(w.cause.frames, "running Source (1/2)\n");
    struct job_failure f[4];
    assert_int_equal(jobmaster_get_failures(w.jm, f, 4), 1);
    assert_string_equal(f[0].task_name, "Source (1/2)");
    assert_string_equal(f[0].error.message, "split returned -9");
    assert_int_equal(f[0].n_concurrent, 0);
    world_fini(&w);
}

static void cancel_of_a_failing_job_wins(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    world_start(&w);
    task_say(world_task(&w, "Source", 0), FAILED);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_FAILING);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    world_all_say(&w, CANCELED);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    assert_string_equal(str_cstr(&w.statuses), "CREATED RUNNING FAILING CANCELLING CANCELED ");
    world_fini(&w);
}

static void free_ends_what_runs(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    world_start(&w);
    w.jm = jobmaster_free(w.jm); /* its workers never answer: nobody steps them */
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_fini(&w);
}

static void free_before_the_start(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, 0);
    w.jm = jobmaster_free(w.jm);
    assert_int_equal(w.n_terminals, 0);
    world_fini(&w);
}

/* What is wrong from the start is an error of jobmaster_new(). */
static void bad_jobs_are_refused(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, graph_word_count());
    struct jobmaster_options o = world_options(&w);
    w.graph->version = 77;
    assert_int_equal(jobmaster_new(&o, &w.jm, &err), ERR_UNSUPPORTED);
    w.graph->version = JOB_GRAPH_VERSION;
    graph_add_config(w.graph, "restart-strategy.fixed-delay.attempts", "many");
    error_clear(&err);
    assert_int_equal(jobmaster_new(&o, &w.jm, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.frames, "wordcount"));
    w.graph->config[0]->value[0] = '\0';
    strcpy(w.graph->config[0]->value, "3");
    w.graph->vertices[0]->operators[0]->coordinator[0] = '\0';
    free(w.graph->vertices[0]->operators[0]->coordinator);
    w.graph->vertices[0]->operators[0]->coordinator = strdup("test.missing");
    error_clear(&err);
    assert_int_equal(jobmaster_new(&o, &w.jm, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "test.missing"));
    world_fini(&w);
}

static void start_may_fail(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, graph_word_count());
    world_make(&w);
    assert_int_equal(failpoint_configure("jobmaster.start=error", &err), 0);
    assert_int_equal(jobmaster_start(w.jm, &err), ERR_IO);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_to_the_end),
        cmocka_unit_test(cancel_works_in_every_state),
        cmocka_unit_test(cancelled_tasks_may_end_otherwise),
        cmocka_unit_test(failure_without_restart_fails_the_job),
        cmocka_unit_test(cancel_of_a_failing_job_wins),
        cmocka_unit_test(free_ends_what_runs),
        cmocka_unit_test(free_before_the_start),
        cmocka_unit_test(bad_jobs_are_refused),
        cmocka_unit_test(start_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
