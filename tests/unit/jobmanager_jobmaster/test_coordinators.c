/* Coordinators: their lives over restarts, events in both directions, work, timers, failures. */
#include "tests/unit/jobmanager_jobmaster/world.h"

/* Source (2, coordinated) -> Count (1); and a region of its own: Other (1, coordinated). */
static Flinc__JobGraph *coordinated_graph(void)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, "test.coordinator"},
                                                  {"Count", 1, NULL, NULL}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0}};
    return graph_new(vertices, 2, edges, 1);
}

static void open_world(struct world *w, unsigned flags)
{
    world_init(w, coordinated_graph());
    world_set(w, "restart-strategy.type", "fixed-delay");
    world_set(w, "restart-strategy.fixed-delay.attempts", "10");
    world_set(w, "restart-strategy.fixed-delay.delay", "1 s");
    world_add_worker(w, 2, flags);
    world_start(w);
}

static void say(struct world *w, uint32_t subtask, const char *text)
{
    struct fake_task *t = world_task(w, "Source", subtask);
    task_send_event(t, ++t->events_sent, text);
    world_settle(w);
}

static void assert_log(struct world *w, const char *expected)
{
    assert_string_equal(str_cstr(&w->coordination.log), expected);
    str_clear(&w->coordination.log);
}

static void events_go_both_ways(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    assert_log(&w, "start;");
    say(&w, 1, "hello");
    say(&w, 0, "send 1 split-a");
    say(&w, 0, "send 1 split-b");
    say(&w, 0, "send 0 split-c");
    assert_log(&w, "event 1 hello;event 0 send 1 split-a;event 0 send 1 split-b;"
                   "event 0 send 0 split-c;");
    assert_string_equal(str_cstr(&world_task(&w, "Source", 1)->events), "1:split-a;2:split-b;");
    assert_string_equal(str_cstr(&world_task(&w, "Source", 0)->events), "1:split-c;");
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    assert_log(&w, "close;");
    world_fini(&w);
}

static void events_wait_for_the_deployment(void **state)
{
    struct world w;
    open_world(&w, 0);
    struct fake_task *t0 = world_task(&w, "Source", 0);
    struct fake_task *t1 = world_task(&w, "Source", 1);
    task_say(t0, INITIALIZING);
    task_say(t0, RUNNING);
    world_settle(&w);
    say(&w, 0, "send 1 a");
    say(&w, 0, "send 1 b");
    assert_string_equal(str_cstr(&t1->events), "");
    task_say(t1, INITIALIZING);
    world_settle(&w);
    assert_string_equal(str_cstr(&t1->events), "1:a;2:b;");
    say(&w, 0, "send 1 c");
    assert_string_equal(str_cstr(&t1->events), "1:a;2:b;3:c;");
    world_fini(&w);
}

/* What waits is bounded: the task fails rather than the memory. */
static void waiting_events_are_bounded(void **state)
{
    struct world w;
    open_world(&w, 0);
    struct fake_task *t0 = world_task(&w, "Source", 0);
    task_say(t0, RUNNING);
    for (int i = 0; i < 4097; i++) {
        task_send_event(t0, ++t0->events_sent, "send 1 x");
    }
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_int_equal(f.error.code, ERR_LIMIT);
    assert_string_equal(f.task_name, "Source (2/2)");
    world_fini(&w);
}

static void events_to_nobody_are_dropped(void **state)
{
    struct world w;
    struct jobmaster_stats s;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    task_say(world_task(&w, "Source", 1), FINISHED);
    world_settle(&w);
    say(&w, 0, "send 1 late");
    jobmaster_get_stats(w.jm, &s);
    assert_int_equal(s.events_dropped, 1);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    world_fini(&w);
}

static void repeated_events_are_dropped(void **state)
{
    struct world w;
    struct jobmaster_stats s;
    open_world(&w, FAKE_ACKNOWLEDGES);
    struct fake_task *t = world_task(&w, "Source", 0);
    task_send_event(t, 1, "once");
    task_send_event(t, 1, "once");
    task_send_event(t, 0, "never");
    task_send_event(t, 2, "twice");
    world_settle(&w);
    assert_log(&w, "start;event 0 once;event 0 twice;");
    jobmaster_get_stats(w.jm, &s);
    assert_int_equal(s.events_stale, 2);
    world_fini(&w);
}

static void a_lost_event_fails_the_task(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    struct fake_task *t = world_task(&w, "Source", 0);
    task_send_event(t, 1, "first");
    task_send_event(t, 3, "third");
    world_settle(&w);
    assert_log(&w, "start;event 0 first;");
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_non_null(strstr(f.error.message, "number 3 came after 1"));
    assert_true(t->n_cancels > 0); /* it still runs there */
    world_fini(&w);
}

static void events_of_old_attempts_are_dropped(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    struct fake_task *old = world_task(&w, "Source", 0);
    task_say(old, FAILED);
    world_settle(&w);
    world_advance(&w, 1000);
    assert_log(&w, "start;subtask_reset 0;subtask_reset 1;");
    task_send_event(old, 1, "ghost");
    world_settle(&w);
    assert_log(&w, "");
    assert_int_equal(old->n_cancels, 1); /* it sends, so it runs */
    say(&w, 0, "alive");                 /* numbers begin anew with the attempt */
    assert_log(&w, "event 0 alive;");
    world_fini(&w);
}

static void events_to_a_restarting_task(void **state)
{
    struct world w;
    struct jobmaster_stats s;
    open_world(&w, FAKE_ACKNOWLEDGES);
    struct fake_task *t0 = world_task(&w, "Source", 0);
    struct fake_task *t1 = world_task(&w, "Source", 1);
    task_send_event(t0, 1, "send 1 a");
    task_say(t1, FAILED);
    task_send_event(t0, 2, "send 1 b"); /* from a task that is being cancelled */
    world_settle(&w);
    assert_string_equal(str_cstr(&t1->events), "1:a;");
    jobmaster_get_stats(w.jm, &s);
    assert_int_equal(s.events_stale, 1);
    world_all_say(&w, CANCELED);
    world_advance(&w, 1000);
    assert_log(&w, "start;event 0 send 1 a;subtask_reset 0;subtask_reset 1;");
    say(&w, 0, "send 1 again");
    assert_string_equal(str_cstr(&world_task(&w, "Source", 1)->events), "1:again;");
    world_fini(&w);
}

/* ---- work and time ---------------------------------------------------------------------------- */

static void work_is_done_elsewhere(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    say(&w, 0, "async");
    assert_log(&w, "start;event 0 async;async worked;");
    world_fini(&w);
}

static void work_without_an_executor_is_done_at_once(void **state)
{
    struct world w;
    world_init(&w, coordinated_graph());
    struct jobmaster_options o = world_options(&w);
    struct error err = ERROR_INIT;
    o.io_executor = NULL;
    assert_int_equal(jobmaster_new(&o, &w.jm, &err), 0);
    world_add_worker(&w, 2, FAKE_ACKNOWLEDGES);
    world_start(&w);
    say(&w, 0, "async");
    assert_log(&w, "start;event 0 async;async worked;");
    world_fini(&w);
}

/* Steps the job master alone, so that the work is still under way. */
static void begin_work(struct world *w)
{
    struct fake_task *t = world_task(w, "Source", 0);
    task_send_event(t, ++t->events_sent, "async");
    component_run_until_idle(jobmaster_component(w->jm), 0);
}

static void work_after_the_end_is_dropped(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    begin_work(&w);
    for (uint32_t i = 0; i < 2; i++) {
        task_say(world_task(&w, "Source", i), FINISHED);
    }
    task_say(world_task(&w, "Count", 0), FINISHED);
    component_run_until_idle(jobmaster_component(w.jm), 0);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_settle(&w);
    assert_log(&w, "start;event 0 async;close;dropped;");
    world_fini(&w);
}

static void work_of_an_earlier_life_is_dropped(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    begin_work(&w);
    struct fake_task *t = world_task(&w, "Source", 1);
    task_send_event(t, ++t->events_sent, "fail");
    component_run_until_idle(jobmaster_component(w.jm), 0);
    mailbox_run(w.workers[0].mailbox, 100);
    clock_manual_advance_ms(&w.clock, 1000);
    component_run_until_idle(jobmaster_component(w.jm), 0);
    assert_log(&w, "start;event 0 async;event 1 fail;reset;");
    world_settle(&w);
    assert_log(&w, "dropped;");
    world_fini(&w);
}

static void work_outlives_the_job_master(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    begin_work(&w);
    w.jm = jobmaster_free(w.jm);
    assert_true(executor_run_once(w.executor));
    assert_log(&w, "start;event 0 async;close;dropped;");
    world_fini(&w);
}

static void timers_fire_once_and_not_after_the_end(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    say(&w, 0, "schedule");
    world_advance(&w, 60);
    say(&w, 0, "schedule"); /* replaces the first */
    world_advance(&w, 60);
    assert_log(&w, "start;event 0 schedule;event 0 schedule;");
    world_advance(&w, 40);
    assert_log(&w, "timer;");
    say(&w, 0, "schedule");
    jobmaster_cancel(w.jm);
    world_settle(&w);
    world_advance(&w, 1000);
    assert_log(&w, "event 0 schedule;close;");
    world_fini(&w);
}

/* ---- failures --------------------------------------------------------------------------------- */

static void a_coordinator_may_fail_the_job(void **state)
{
    static const char *const how[] = {"fail", "error", "send 7 nowhere"};
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        struct world w;
        open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
        say(&w, 0, how[i]);
        struct job_failure f;
        assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
        assert_string_equal(f.task_name, "");
        if (i == 2) { /* its own mistake: no restart */
            world_assert_ended(&w, JOB_STATUS_FAILED);
            assert_non_null(strstr(w.cause.message, "subtask 7"));
        } else {
            assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
            str_clear(&w.coordination.log);
            world_advance(&w, 1000);
            assert_log(&w, "reset;"); /* and no subtask_reset */
            assert_int_equal(world_n_tasks(&w, RUNNING), 3);
        }
        world_fini(&w);
    }
}

static void a_start_that_fails_for_good(void **state)
{
    struct world w;
    world_init(&w, coordinated_graph());
    world_set(&w, "restart-strategy.type", "fixed-delay");
    world_add_worker(&w, 2, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    w.coordination.start_fails = true;
    world_start(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_string_equal(w.cause.message, "no such folder: /missing");
    assert_string_equal(w.cause.frames, "starting the coordinator of Source\n");
    assert_log(&w, "start;close;");
    assert_int_equal(w.workers[0].n_deploys, 0);
    world_fini(&w);
}

/* Made anew after a failed start, not reset. */
static void a_start_is_tried_again(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, coordinated_graph());
    world_set(&w, "restart-strategy.type", "fixed-delay");
    world_set(&w, "restart-strategy.fixed-delay.attempts", "3");
    world_set(&w, "restart-strategy.fixed-delay.delay", "1 s");
    world_add_worker(&w, 2, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    assert_int_equal(failpoint_configure("jobmaster.coordinator.before_start=error,nth=1", &err),
                     0);
    world_start(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(failpoint_configure("jobmaster.coordinator.before_reset=error,nth=1", &err),
                     0);
    world_advance(&w, 1000);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING); /* the reset failed, too */
    assert_log(&w, "");
    world_advance(&w, 1000);
    assert_log(&w, "start;");
    assert_int_equal(world_n_tasks(&w, RUNNING), 3);
    world_fini(&w);
}

static void failpoints_of_events(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    assert_int_equal(failpoint_configure("jobmaster.coordinator.before_event=error,nth=1", &err),
                     0);
    say(&w, 0, "hello");
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_advance(&w, 1000);
    assert_int_equal(failpoint_configure("jobmaster.coordinator.before_send=error,nth=1", &err), 0);
    say(&w, 0, "send 1 x");
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    struct job_failure f[2];
    assert_int_equal(jobmaster_get_failures(w.jm, f, 2), 2);
    assert_string_equal(f[0].task_name, "Source (1/2)"); /* whose event it was */
    assert_string_equal(f[1].task_name, "Source (2/2)"); /* whom it was for */
    assert_non_null(strstr(f[1].error.frames, "sending an event of the coordinator of Source"));
    world_fini(&w);
}

static void events_without_a_coordinator_fail_the_task(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    task_send_event(world_task(&w, "Count", 0), 1, "hello?");
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_int_equal(w.cause.code, ERR_INTERNAL);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_go_both_ways),
        cmocka_unit_test(events_wait_for_the_deployment),
        cmocka_unit_test(waiting_events_are_bounded),
        cmocka_unit_test(events_to_nobody_are_dropped),
        cmocka_unit_test(repeated_events_are_dropped),
        cmocka_unit_test(a_lost_event_fails_the_task),
        cmocka_unit_test(events_of_old_attempts_are_dropped),
        cmocka_unit_test(events_to_a_restarting_task),
        cmocka_unit_test(work_is_done_elsewhere),
        cmocka_unit_test(work_without_an_executor_is_done_at_once),
        cmocka_unit_test(work_after_the_end_is_dropped),
        cmocka_unit_test(work_of_an_earlier_life_is_dropped),
        cmocka_unit_test(work_outlives_the_job_master),
        cmocka_unit_test(timers_fire_once_and_not_after_the_end),
        cmocka_unit_test(a_coordinator_may_fail_the_job),
        cmocka_unit_test(a_start_that_fails_for_good),
        cmocka_unit_test(a_start_is_tried_again),
        cmocka_unit_test(failpoints_of_events),
        cmocka_unit_test(events_without_a_coordinator_fail_the_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
