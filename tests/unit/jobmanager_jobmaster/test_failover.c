/* Failures in every state, restarts of regions and of the job, delays, what is not restarted. */
#include "tests/unit/jobmanager_jobmaster/world.h"

enum { ALL_FLAGS = FAKE_ACKNOWLEDGES | FAKE_CANCELS };

static void set_fixed_delay(struct world *w, const char *attempts, const char *delay)
{
    world_set(w, "restart-strategy.type", "fixed-delay");
    world_set(w, "restart-strategy.fixed-delay.attempts", attempts);
    world_set(w, "restart-strategy.fixed-delay.delay", delay);
}

static void fail_task(struct world *w, const char *vertex, uint32_t subtask, int code)
{
    struct error err = test_error(code, "it broke");
    task_say_error(world_task(w, vertex, subtask), FAILED, &err);
    world_settle(w);
}

static uint32_t restarts(struct world *w)
{
    struct job_progress p;
    jobmaster_get_progress(w->jm, &p);
    return p.restarts;
}

static void a_region_restarts_after_the_delay(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "1", "700 ms");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    fail_task(&w, "Source", 1, ERR_USER_CODE);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, FAILED), 1);
    assert_int_equal(world_n_tasks(&w, CANCELED), 4);
    world_advance(&w, 699);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_advance(&w, 1);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_int_equal(world_task(&w, "Count", 2)->attempt_number, 1);
    assert_int_equal(restarts(&w), 1);
    assert_int_equal(world_slots_with_job(&w), 3); /* they stayed */
    fail_task(&w, "Source", 1, ERR_IO);            /* once more than allowed */
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_string_equal(str_cstr(&w.statuses),
                        "CREATED RUNNING RESTARTING RUNNING FAILING FAILED ");
    struct job_failure f[4];
    assert_int_equal(jobmaster_get_failures(w.jm, f, 4), 2);
    assert_int_equal(f[0].error.code, ERR_USER_CODE);
    assert_int_equal(f[1].error.code, ERR_IO);
    assert_int_equal(f[1].attempt_number, 1);
    assert_int_equal(f[0].timestamp_ms + 700, f[1].timestamp_ms);
    world_fini(&w);
}

/* The delay runs from the failure; who takes longer to be cancelled delays the restart further. */
static void a_restart_waits_for_all_tasks_to_end(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "1", "700 ms");
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    world_start(&w);
    fail_task(&w, "Count", 0, ERR_IO);
    world_advance(&w, 5000);
    assert_int_equal(world_n_tasks(&w, CANCELING), 4);
    task_say(world_task(&w, "Source", 0), CANCELED);
    task_say(world_task(&w, "Source", 1), FINISHED); /* ended by itself meanwhile */
    task_say(world_task(&w, "Count", 1), FAILED);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    task_say(world_task(&w, "Count", 2), CANCELED);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    struct job_failure f, concurrent[4];
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_int_equal(f.n_concurrent, 1);
    assert_int_equal(jobmaster_get_concurrent_failures(w.jm, f.number, concurrent, 4), 1);
    assert_string_equal(concurrent[0].task_name, "Count (2/3)");
    assert_int_equal(jobmaster_get_concurrent_failures(w.jm, f.number + 1, concurrent, 4), 0);
    world_fini(&w);
}

/* Tasks that had finished run again with their region. */
static void finished_tasks_restart_with_their_region(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "1", "0 ms");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    task_say(world_task(&w, "Source", 0), FINISHED);
    task_say(world_task(&w, "Source", 1), FINISHED);
    world_settle(&w);
    fail_task(&w, "Count", 0, ERR_IO);
    world_advance(&w, 0);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_int_equal(world_task(&w, "Source", 0)->attempt_number, 1);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

static Flinc__JobGraph *two_regions(void)
{
    static const struct vertex_spec vertices[] = {
        {"A", 1, NULL, NULL}, {"B", 1, NULL, NULL}, {"C", 1, NULL, NULL}, {"D", 1, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 0},
                                             {2, 3, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 0}};
    return graph_new(vertices, 4, edges, 2);
}

static void other_regions_run_on(void **state)
{
    struct world w;
    world_init(&w, two_regions());
    set_fixed_delay(&w, "10", "1 s");
    world_add_worker(&w, 1, ALL_FLAGS);
    world_start(&w);
    fail_task(&w, "B", 0, ERR_IO);
    assert_int_equal(world_n_tasks(&w, RUNNING), 2);
    task_say(world_task(&w, "C", 0), FINISHED);
    task_say(world_task(&w, "D", 0), FINISHED);
    world_advance(&w, 500);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_advance(&w, 500);
    assert_int_equal(world_task(&w, "C", 0)->attempt_number, 0);
    assert_int_equal(world_task(&w, "A", 0)->attempt_number, 1);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

/* Each region has its own delay, and the job is RUNNING again after the last. */
static void regions_restart_independently(void **state)
{
    struct world w;
    world_init(&w, two_regions());
    set_fixed_delay(&w, "10", "1 s");
    world_add_worker(&w, 1, ALL_FLAGS);
    world_start(&w);
    fail_task(&w, "A", 0, ERR_IO);
    world_advance(&w, 400);
    fail_task(&w, "D", 0, ERR_IO);
    world_advance(&w, 600);
    assert_int_equal(world_task(&w, "A", 0)->attempt_number, 1);
    assert_int_equal(world_task(&w, "D", 0)->attempt_number, 0);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_advance(&w, 400);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    assert_int_equal(world_n_tasks(&w, RUNNING), 4);
    assert_int_equal(restarts(&w), 2);
    assert_string_equal(str_cstr(&w.statuses), "CREATED RUNNING RESTARTING RUNNING ");
    world_fini(&w);
}

/* What trying again does not heal. */
static void only_transient_errors_restart(void **state)
{
    static const int codes[] = {ERR_NOT_FOUND, ERR_INVALID_ARGUMENT, ERR_PERMISSION, ERR_PARSE,
                                ERR_CORRUPT,   ERR_INTERNAL,         ERR_STATE};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct world w;
        world_init(&w, graph_word_count());
        set_fixed_delay(&w, "10", "1 s");
        world_add_worker(&w, 3, ALL_FLAGS);
        world_start(&w);
        fail_task(&w, "Source", 0, codes[i]);
        world_assert_ended(&w, JOB_STATUS_FAILED);
        assert_int_equal(w.cause.code, codes[i]);
        world_fini(&w);
    }
}

/* The class on the wire decides, not the code. */
static void the_class_may_be_overridden(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "10", "1 s");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    struct error err = test_error(ERR_NOT_FOUND, "not yet there");
    error_set_class(&err, ERROR_CLASS_TRANSIENT);
    task_say_error(world_task(&w, "Source", 0), FAILED, &err);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_advance(&w, 1000);
    err = test_error(ERR_IO, "never again");
    error_set_class(&err, ERROR_CLASS_USER);
    task_say_error(world_task(&w, "Source", 0), FAILED, &err);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    world_fini(&w);
}

static void failures_come_in_every_state(void **state)
{
    for (Flinc__ExecutionState s = DEPLOYING; s <= RUNNING; s++) {
        struct world w;
        world_init(&w, graph_word_count());
        set_fixed_delay(&w, "1", "1 s");
        world_add_worker(&w, 3, FAKE_CANCELS);
        world_start(&w);
        for (Flinc__ExecutionState t = INITIALIZING; t <= s; t++) {
            world_all_say(&w, t);
        }
        assert_int_equal(world_n_tasks(&w, s), 5);
        fail_task(&w, "Count", 2, ERR_USER_CODE);
        assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
        world_advance(&w, 1000);
        assert_int_equal(world_n_tasks(&w, DEPLOYING), 5);
        world_fini(&w);
    }
}

static void cancel_while_restarting(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "1", "1 s");
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    world_start(&w);
    fail_task(&w, "Count", 2, ERR_USER_CODE);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_CANCELLING);
    world_advance(&w, 2000); /* no restart comes any more */
    assert_int_equal(world_task(&w, "Count", 2)->attempt_number, 0);
    world_all_say(&w, CANCELED);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_fini(&w);
}

static void cancel_during_the_delay(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "1", "1 s");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    fail_task(&w, "Count", 2, ERR_USER_CODE);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    assert_string_equal(str_cstr(&w.statuses), "CREATED RUNNING RESTARTING CANCELLING CANCELED ");
    world_advance(&w, 5000);
    world_fini(&w);
}

static void strategies_keep_their_delays(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_set(&w, "restart-strategy.type", "exponential-delay");
    world_set(&w, "restart-strategy.exponential-delay.jitter-factor", "0");
    world_set(&w, "restart-strategy.exponential-delay.backoff-multiplier", "2");
    world_set(&w, "restart-strategy.exponential-delay.attempts-before-reset-backoff", "4");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    for (int64_t delay = 1000; delay <= 8000; delay *= 2) {
        fail_task(&w, "Source", 0, ERR_IO);
        world_advance(&w, delay - 1);
        assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
        world_advance(&w, 1);
        assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
        world_advance(&w, 1);
    }
    fail_task(&w, "Source", 0, ERR_IO);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    world_fini(&w);
}

static void the_history_is_bounded(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "1000", "0 ms");
    world_set(&w, "web.exception-history-size", "4");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    for (int i = 0; i < 10; i++) {
        fail_task(&w, "Source", 0, ERR_IO);
        world_advance(&w, 0);
    }
    struct job_failure f[16];
    assert_int_equal(jobmaster_get_failures(w.jm, f, 16), 4);
    assert_int_equal(f[0].number, 7);
    assert_int_equal(f[3].number, 10);
    assert_int_equal(f[3].attempt_number, 9);
    assert_int_equal(jobmaster_get_failures(w.jm, f, 2), 2);
    assert_int_equal(f[0].number, 9);
    world_fini(&w);
}

/* Work that goes wrong while a failure is handled. */
static void failpoints_of_failover(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, graph_word_count());
    set_fixed_delay(&w, "5", "1 s");
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    assert_int_equal(failpoint_configure("jobmaster.failover.before_restart=error,nth=1", &err), 0);
    fail_task(&w, "Source", 0, ERR_IO);
    world_advance(&w, 1000); /* the restart fails: a global failure, and another delay */
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_advance(&w, 1000);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    struct job_failure f[2];
    assert_int_equal(jobmaster_get_failures(w.jm, f, 2), 2);
    assert_string_equal(f[1].task_name, ""); /* of no task */
    assert_int_equal(failpoint_configure("jobmaster.failover.before_cancel=error:gone", &err), 0);
    fail_task(&w, "Source", 0, ERR_IO);
    world_assert_ended(&w, JOB_STATUS_FAILED); /* not orderly restarted: failed */
    assert_non_null(strstr(w.cause.message, "gone"));
    world_fini(&w);
}

/* A cancel message that is not sent is sent with the next comparison of notes. */
static void lost_cancels_are_repeated(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    assert_int_equal(failpoint_configure("jobmaster.cancel.before_send=error,nth=1", &err), 0);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, CANCELING), 5);
    world_advance(&w, 10000); /* heartbeat.interval */
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_region_restarts_after_the_delay),
        cmocka_unit_test(a_restart_waits_for_all_tasks_to_end),
        cmocka_unit_test(finished_tasks_restart_with_their_region),
        cmocka_unit_test(other_regions_run_on),
        cmocka_unit_test(regions_restart_independently),
        cmocka_unit_test(only_transient_errors_restart),
        cmocka_unit_test(the_class_may_be_overridden),
        cmocka_unit_test(failures_come_in_every_state),
        cmocka_unit_test(cancel_while_restarting),
        cmocka_unit_test(cancel_during_the_delay),
        cmocka_unit_test(strategies_keep_their_delays),
        cmocka_unit_test(the_history_is_bounded),
        cmocka_unit_test(failpoints_of_failover),
        cmocka_unit_test(lost_cancels_are_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
