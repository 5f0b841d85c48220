/* Slots: asked for, waited for, given back; late, too many, twice, lost. */
#include "tests/unit/jobmanager_jobmaster/world.h"

/* delay: of one restart; NULL: none. */
static void open_world(struct world *w, bool offers, const char *delay)
{
    world_init(w, graph_word_count());
    w->offers = offers;
    if (delay != NULL) {
        world_set(w, "restart-strategy.type", "fixed-delay");
        world_set(w, "restart-strategy.fixed-delay.delay", delay);
    }
    world_set(w, "slot.request.timeout", "30 s");
    world_add_worker(w, 6, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
}

static void slots_may_come_late_one_by_one(void **state)
{
    struct world w;
    open_world(&w, false, NULL);
    world_start(&w);
    assert_int_equal(w.declared, 3);
    assert_int_equal(world_n_tasks(&w, SCHEDULED), 5);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(world_n_tasks(&w, SCHEDULED), 5);
        world_advance(&w, 9999);
        world_offer(&w, i);
        world_settle(&w);
    }
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_advance(&w, 30000); /* the time-out is over and done with */
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

static void too_few_slots_in_time_fail_the_job(void **state)
{
    struct world w;
    open_world(&w, false, NULL);
    world_start(&w);
    world_offer(&w, 0);
    world_offer(&w, 1);
    world_advance(&w, 29999);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    world_advance(&w, 1);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_int_equal(w.cause.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(w.cause.message, "The job needs 3 slots and has 2 after waiting 30 s"));
    assert_non_null(strstr(w.cause.message, "NoResourceAvailableException: Could not acquire the "
                                            "minimum required resources."));
    assert_int_equal(w.n_released, 2);
    world_fini(&w);
}

/* The same with a restart strategy: the job waits again. */
static void too_few_slots_are_a_failure_like_others(void **state)
{
    struct world w;
    open_world(&w, false, "5 s");
    world_start(&w);
    world_advance(&w, 30000);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, CANCELED), 4);
    world_advance(&w, 5000);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    assert_int_equal(world_n_tasks(&w, SCHEDULED), 5);
    for (uint32_t i = 0; i < 3; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

static void what_is_not_needed_goes_back(void **state)
{
    struct world w;
    open_world(&w, false, NULL);
    world_start(&w);
    for (uint32_t i = 0; i < 5; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(w.n_released, 2);
    assert_int_equal(world_slots_with_job(&w), 3);
    jobmaster_offer_slots(w.jm, &w.slots[0].slot, 1); /* again: nothing to do */
    world_settle(&w);
    assert_int_equal(w.n_released, 2);
    world_all_say(&w, FINISHED);
    world_offer(&w, 5); /* after the end */
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

static void slots_of_unknown_workers_go_back(void **state)
{
    struct world w;
    open_world(&w, false, NULL);
    world_add_slots(&w, 77, 1);
    world_start(&w);
    world_offer(&w, 6);
    world_settle(&w);
    assert_int_equal(w.n_released, 1);
    world_fini(&w);
}

static void lost_slots_fail_their_tasks(void **state)
{
    struct world w;
    open_world(&w, false, NULL);
    world_start(&w);
    for (uint32_t i = 0; i < 3; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    struct error why = test_error(ERR_UNAVAILABLE, "its host was switched off");
    world_lose_slot(&w, 2, &why);
    jobmaster_slot_lost(w.jm, &w.slots[2].slot, &why); /* said twice */
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_non_null(strstr(w.cause.message, "its host was switched off"));
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_string_equal(f.task_name, "Count (3/3)");
    assert_true(world_task(&w, "Count", 2)->n_cancels > 0); /* its worker still lives */
    world_fini(&w);
}

static void lost_slots_are_replaced_before_the_restart(void **state)
{
    struct world w;
    open_world(&w, true, "1 s");
    world_start(&w);
    world_lose_slot(&w, 0, NULL);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(w.n_declares, 2); /* said again, and answered by another slot */
    assert_int_equal(world_slots_with_job(&w), 3);
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

static void slots_lost_while_waiting(void **state)
{
    struct world w;
    open_world(&w, false, NULL);
    world_start(&w);
    world_offer(&w, 0);
    world_offer(&w, 1);
    world_settle(&w);
    world_lose_slot(&w, 0, NULL);
    world_offer(&w, 2);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, SCHEDULED), 5); /* two are here, nothing failed */
    world_offer(&w, 3);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

static uint32_t places_of_a_slot_offered_twice(const char *planted)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, false, NULL);
    world_start(&w);
    assert_int_equal(failpoint_configure(planted, &err), 0);
    world_offer(&w, 0);
    world_offer(&w, 0);
    world_offer(&w, 1);
    world_settle(&w);
    uint32_t running = world_n_tasks(&w, RUNNING);
    world_fini(&w);
    return running;
}

/* FLINK-9293: one allocation that is offered twice fills two places, and the job runs with one slot less. */
static void flink_9293_two_offers_of_one_slot(void **state)
{
    assert_int_equal(places_of_a_slot_offered_twice("none=off"), 0);
}

static void flink_9293_guard(void **state)
{
    assert_int_equal(places_of_a_slot_offered_twice("planted.offer_twice=error"), 5);
}

/* Regions wait for their own slots only. */
static void a_region_starts_when_it_has_its_slots(void **state)
{
    static const struct vertex_spec vertices[] = {{"A", 1, "a", NULL}, {"B", 2, "b", NULL}};
    struct world w;
    world_init(&w, graph_new(vertices, 2, NULL, 0));
    w.offers = false;
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    world_offer(&w, 0);
    world_offer(&w, 1);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 2);
    assert_int_equal(world_n_tasks(&w, SCHEDULED), 1);
    world_offer(&w, 2);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 3);
    world_fini(&w);
}

/* Those that still wait after slot.request.timeout are one failure; those that run go on. */
static void all_regions_without_slots_are_one_failure(void **state)
{
    static const struct vertex_spec vertices[] = {{"A", 8, NULL, NULL}};
    struct world w;
    world_init(&w, graph_new(vertices, 1, NULL, 0));
    w.offers = false;
    world_set(&w, "restart-strategy.type", "fixed-delay");
    world_set(&w, "restart-strategy.fixed-delay.attempts", "1");
    world_set(&w, "restart-strategy.fixed-delay.delay", "1 s");
    world_set(&w, "slot.request.timeout", "30 s");
    world_add_worker(&w, 8, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    world_offer(&w, 0);
    world_offer(&w, 1);
    world_settle(&w);
    world_advance(&w, 30000);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, RUNNING), 2);
    struct job_failure f[2];
    assert_int_equal(jobmaster_get_failures(w.jm, f, 2), 1);
    assert_int_equal(f[0].n_concurrent, 5);
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, SCHEDULED), 6);
    for (uint32_t i = 2; i < 8; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 8);
    assert_int_equal(world_task(&w, "A", 0)->attempt_number, 0);
    assert_int_equal(world_task(&w, "A", 7)->attempt_number, 1);
    world_fini(&w);
}

static void a_declaration_may_get_lost(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, true, NULL);
    assert_int_equal(failpoint_configure("jobmaster.slots.before_declare=error", &err), 0);
    world_start(&w);
    assert_int_equal(w.n_declares, 0);
    world_advance(&w, 30000);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    world_fini(&w);
}

static void an_offer_may_be_refused(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, false, NULL);
    world_start(&w);
    assert_int_equal(failpoint_configure("jobmaster.slots.before_take=error,nth=2", &err), 0);
    for (uint32_t i = 0; i < 3; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(world_slots_with_job(&w), 2);
    world_offer(&w, 1);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_may_come_late_one_by_one),
        cmocka_unit_test(too_few_slots_in_time_fail_the_job),
        cmocka_unit_test(too_few_slots_are_a_failure_like_others),
        cmocka_unit_test(what_is_not_needed_goes_back),
        cmocka_unit_test(slots_of_unknown_workers_go_back),
        cmocka_unit_test(lost_slots_fail_their_tasks),
        cmocka_unit_test(lost_slots_are_replaced_before_the_restart),
        cmocka_unit_test(slots_lost_while_waiting),
        cmocka_unit_test(flink_9293_two_offers_of_one_slot),
        cmocka_unit_test(flink_9293_guard),
        cmocka_unit_test(a_region_starts_when_it_has_its_slots),
        cmocka_unit_test(all_regions_without_slots_are_one_failure),
        cmocka_unit_test(a_declaration_may_get_lost),
        cmocka_unit_test(an_offer_may_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
