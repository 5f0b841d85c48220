/* Comparing notes: what a worker has lost is failed, what it should not have is cancelled, and what is
 * under way is left alone. */
#include "tests/unit/jobmanager_jobmaster/world.h"

enum { INTERVAL_MS = 10000 }; /* heartbeat.interval */

static void open_world(struct world *w, unsigned flags)
{
    world_init(w, graph_word_count());
    world_set(w, "restart-strategy.type", "fixed-delay");
    world_set(w, "restart-strategy.fixed-delay.delay", "1 s");
    world_add_worker(w, 3, flags);
    world_start(w);
}

static void sound_tasks_are_left_alone(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES);
    for (int i = 1; i <= 5; i++) {
        world_advance(&w, INTERVAL_MS);
        assert_int_equal(w.workers[0].n_report_requests, i);
        assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    }
    world_all_say(&w, FINISHED);
    world_advance(&w, INTERVAL_MS); /* after the end nobody is asked */
    assert_int_equal(w.workers[0].n_report_requests, 5);
    world_fini(&w);
}

static void a_task_that_the_worker_lost_is_failed(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_task(&w, "Count", 1)->state = FINISHED; /* and the message got lost */
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_string_equal(f.task_name, "Count (2/3)");
    assert_non_null(strstr(f.error.message, "does not know the task any more"));
    world_fini(&w);
}

static void check_17075(const char *without, enum job_status expected)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_task(&w, "Count", 1)->state = FINISHED; /* and the message got lost */
    assert_int_equal(without != NULL ? failpoint_configure(without, &err) : 0, 0);
    for (int i = 0; i < 10 && world_status(&w) == JOB_STATUS_RUNNING; i++) {
        world_advance(&w, INTERVAL_MS);
    }
    assert_int_equal(world_status(&w), expected);
    world_fini(&w);
}

/* FLINK-17075, FLINK-18533: a job waits for ever for a task of which the last message was lost. */
static void flink_17075_18533_lost_tasks_are_found(void **state)
{
    check_17075(NULL, JOB_STATUS_RESTARTING);
}

static void flink_17075_18533_guard(void **state)
{
    check_17075("jobmaster.reconcile.before_send=error", JOB_STATUS_RUNNING);
    check_17075("jobmaster.report.before_apply=error", JOB_STATUS_RUNNING);
}

static void a_lost_end_of_a_cancelled_task_is_its_end(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    for (uint32_t i = 0; i < 2; i++) {
        world_task(&w, "Source", i)->state = CANCELED; /* unsaid */
        world_task(&w, "Count", i)->state = CANCELED;
    }
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(world_n_tasks(&w, CANCELED), 4);
    assert_int_equal(world_n_tasks(&w, CANCELING), 1); /* this one still works on it */
    task_say(world_task(&w, "Count", 2), CANCELED);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_fini(&w);
}

/* The answer to an earlier request says nothing about what was deployed since. */
static void late_answers_do_not_harm_new_tasks(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    w.offers = false;
    world_add_worker(&w, 3, 0);
    world_start(&w);
    clock_manual_advance_ms(&w.clock, INTERVAL_MS);
    component_run_until_idle(jobmaster_component(w.jm), 0); /* asks */
    for (uint32_t i = 0; i < 3; i++) {
        world_offer(&w, i);
    }
    struct fake_worker *fw = &w.workers[0];
    fake_report(fw, 1); /* answers before it gets the deployment */
    component_run_until_idle(jobmaster_component(w.jm), 0);
    assert_int_equal(world_n_tasks(&w, DEPLOYING), 5);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, DEPLOYING), 5);
    world_all_say(&w, RUNNING);
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

static void zombies_in_reports_are_cancelled(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    struct fake_task *old = world_task(&w, "Count", 1);
    task_say(old, FAILED);
    world_settle(&w);
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    old->state = RUNNING; /* it had not ended after all */
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(old->n_cancels, 1);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

static void what_goes_wrong_is_said_again(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_task(&w, "Count", 1)->state = FINISHED; /* unsaid */
    assert_int_equal(failpoint_configure("jobmaster.reconcile.before_send=error,nth=1", &err), 0);
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(w.workers[0].n_report_requests, 0);
    assert_int_equal(failpoint_configure("jobmaster.report.before_apply=error,nth=1", &err), 0);
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(w.workers[0].n_report_requests, 1);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_advance(&w, INTERVAL_MS);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_fini(&w);
}

/* An event that was lost with a connection, when no other follows that would show the gap. */
static void lost_events_fail_the_task(void **state)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, "test.coordinator"}};
    for (int up = 0; up < 2; up++) {
        struct world w;
        world_init(&w, graph_new(vertices, 1, NULL, 0));
        world_set(&w, "restart-strategy.type", "fixed-delay");
        world_set(&w, "restart-strategy.fixed-delay.delay", "1 s");
        world_add_worker(&w, 2, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
        world_start(&w);
        struct fake_task *t = world_task(&w, "Source", 1);
        task_send_event(t, ++t->events_sent, "send 1 split");
        world_settle(&w);
        world_advance(&w, INTERVAL_MS);
        assert_int_equal(world_n_tasks(&w, RUNNING), 2); /* nothing is missing */
        if (up == 1) {
            t->n_events_said++; /* and it never came */
        } else {
            t->n_events_received--;
        }
        jobmaster_reconcile(w.jm);
        world_settle(&w);
        struct job_failure f;
        assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
        assert_string_equal(f.task_name, "Source (2/2)");
        assert_non_null(strstr(f.error.message, "were lost"));
        assert_int_equal(t->n_cancels, 1);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_events_fail_the_task),
        cmocka_unit_test(sound_tasks_are_left_alone),
        cmocka_unit_test(a_task_that_the_worker_lost_is_failed),
        cmocka_unit_test(flink_17075_18533_lost_tasks_are_found),
        cmocka_unit_test(flink_17075_18533_guard),
        cmocka_unit_test(a_lost_end_of_a_cancelled_task_is_its_end),
        cmocka_unit_test(late_answers_do_not_harm_new_tasks),
        cmocka_unit_test(zombies_in_reports_are_cancelled),
        cmocka_unit_test(what_goes_wrong_is_said_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
