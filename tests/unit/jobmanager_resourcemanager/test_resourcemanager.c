/* The resource manager between job masters and task managers: registration, slots, links, loss. */
#include "tests/unit/jobmanager_resourcemanager/world.h"

static void jobs_run_on_the_slots_of_task_managers(void **state)
{
    struct world w;
    world_init(&w);
    world_add_tm(&w, 2);
    world_add_tm(&w, 2);
    assert_int_equal(world_overview(&w).n_task_managers, 2);
    assert_int_equal(world_overview(&w).n_free, 4);
    struct world_job *j = world_start_job(&w, 3);
    assert_int_equal(world_running(j), 6);
    assert_int_equal(world_overview(&w).n_free, 1);
    assert_int_equal(fake_tm_tasks(&w.tms[0], &j->id), 4); /* filled before the next one */
    assert_int_equal(fake_tm_tasks(&w.tms[1], &j->id), 2);
    assert_int_equal(fake_tm_slots_in(&w.tms[0], FLINC__SLOT_STATE__SLOT_ACTIVE), 2);
    const struct job_details *d = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(jobmaster_get_details(j->jm, 0, &d, &err), 0);
    assert_string_equal(d->vertices[0].subtasks[0].current.tm_id, "tm-0");
    assert_string_equal(d->vertices[0].subtasks[0].current.endpoint, "host:2");
    job_details_unref(d);
    jobmaster_cancel(j->jm);
    world_settle(&w);
    assert_int_equal(j->terminal, JOB_STATUS_CANCELED);
    assert_int_equal(world_overview(&w).n_free, 4);
    assert_int_equal(fake_tm_slots_in(&w.tms[0], FLINC__SLOT_STATE__SLOT_FREE), 2);
    world_fini(&w);
}

static void slots_are_spread_when_asked(void **state)
{
    struct world w;
    world_init(&w);
    world_set(&w, "cluster.evenly-spread-out-slots", "true");
    world_add_tm(&w, 4);
    world_add_tm(&w, 4);
    struct world_job *j = world_start_job(&w, 4);
    assert_int_equal(fake_tm_tasks(&w.tms[0], &j->id), 4);
    assert_int_equal(fake_tm_tasks(&w.tms[1], &j->id), 4);
    world_fini(&w);
}

static void too_few_slots_fail_the_job_in_time(void **state)
{
    struct world w;
    world_init(&w);
    world_set(&w, "restart-strategy.fixed-delay.attempts", "0");
    world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 3);
    assert_int_equal(world_running(j), 0);
    world_advance(&w, 30100);
    assert_int_equal(j->terminal, JOB_STATUS_FAILED);
    assert_non_null(strstr(j->cause.message, "NoResourceAvailableException: Could not acquire the "
                                             "minimum required resources."));
    assert_int_equal(world_overview(&w).n_free, 2);
    world_fini(&w);
}

static void jobs_wait_for_slots_that_come(void **state)
{
    struct world w;
    world_init(&w);
    struct world_job *a = world_start_job(&w, 2);
    struct world_job *b = world_start_job(&w, 1);
    world_add_tm(&w, 1);
    assert_int_equal(world_running(a) + world_running(b), 0); /* the older job collects */
    world_add_tm(&w, 2);
    assert_int_equal(world_running(a), 4);
    assert_int_equal(world_running(b), 2);
    assert_int_equal(world_overview(&w).n_free, 0);
    world_fini(&w);
}

static void a_worker_that_dies_is_the_root_cause(void **state)
{
    struct world w;
    world_init(&w);
    world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    struct world_job *other = world_start_job(&w, 1);
    world_add_tm(&w, 1);
    fake_tm_kill_worker(&w.tms[0], &j->id, "the worker died of signal 11 (SIGSEGV)");
    world_settle(&w);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(j->jm, &f, 1), 1);
    assert_string_equal(f.error.message, "the worker died of signal 11 (SIGSEGV)");
    assert_int_equal(f.n_concurrent, 3);
    world_advance(&w, 100);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(world_progress(j).restarts, 1);
    assert_int_equal(world_progress(other).restarts, 0);
    assert_int_equal(world_running(other), 2);
    world_fini(&w);
}

static void a_lost_task_manager_is_replaced(void **state)
{
    struct world w;
    world_init(&w);
    world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    world_add_tm(&w, 2);
    fake_tm_die(&w.tms[0]);
    world_settle(&w);
    assert_int_equal(world_running(j), 4); /* it may come back */
    world_advance(&w, 300);
    assert_int_equal(world_stats(&w).lost_by_stream, 1);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(j->jm, &f, 1), 1);
    assert_string_equal(f.error.message, "TaskManager with id tm-0 is no longer reachable.");
    world_advance(&w, 100);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(fake_tm_tasks(&w.tms[1], &j->id), 4);
    assert_int_equal(world_overview(&w).n_task_managers, 1);
    world_fini(&w);
}

/* ---- probes -------------------------------------------------------------------------------------- */

/* Keeps the last question until the test answers it. */
struct fake_prober {
    uint32_t n_asked;
    int64_t within_ms;
    char address[32];
    struct mailbox *mailbox;
    struct mailbox_op op;
};

static void fake_probe(void *arg, const char *address, const char *peer, int64_t within_ms,
                       struct mailbox *mailbox, const struct mailbox_op *op)
{
    struct fake_prober *p = arg;
    mailbox_op_drop(&p->op);
    p->n_asked++;
    p->within_ms = within_ms;
    snprintf(p->address, sizeof(p->address), "%s", address);
    p->mailbox = mailbox;
    p->op = *op;
}

static void fake_prober_refused(struct fake_prober *p)
{
    assert_int_equal(mailbox_post_internal(p->mailbox, MAILBOX_LANE_CONTROL, &p->op), 0);
    p->op = (struct mailbox_op){0};
}

static void one_whose_port_refuses_is_not_waited_for(void **state)
{
    struct world w;
    struct fake_prober prober = {0};
    world_init(&w);
    w.prober = (struct resourcemanager_prober){&prober, fake_probe};
    world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    world_add_tm(&w, 2);
    fake_tm_die(&w.tms[0]);
    world_settle(&w);
    assert_int_equal(prober.n_asked, 1);
    assert_string_equal(prober.address, "host:2");
    assert_int_equal(prober.within_ms, 300);
    fake_prober_refused(&prober);
    world_settle(&w);
    assert_int_equal(world_stats(&w).lost_by_probe, 1);
    assert_int_equal(world_overview(&w).n_task_managers, 1);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(j->jm, &f, 1), 1);
    assert_string_equal(f.error.message, "TaskManager with id tm-0 is no longer reachable.");
    world_advance(&w, 100);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(fake_tm_tasks(&w.tms[1], &j->id), 4);
    world_advance(&w, 300);
    assert_int_equal(world_stats(&w).lost_by_stream, 0);
    assert_int_equal(world_progress(j).restarts, 1);
    world_fini(&w);
}

/* Whoever answers late says nothing of one that is back, or of another process of that name. */
static void a_late_refusal_changes_nothing(void **state)
{
    struct world w;
    struct fake_prober prober = {0};
    world_init(&w);
    w.prober = (struct resourcemanager_prober){&prober, fake_probe};
    struct fake_tm *t = world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    rpc_channel_close(t->channel);
    world_settle(&w);
    fake_tm_connect(t, NULL);
    world_settle(&w);
    fake_prober_refused(&prober);
    world_settle(&w);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(world_progress(j).restarts, 0);
    rpc_channel_close(t->channel);
    world_settle(&w);
    assert_int_equal(prober.n_asked, 2);
    world_advance(&w, 300); /* no answer: time tells */
    assert_int_equal(world_stats(&w).lost_by_stream, 1);
    fake_prober_refused(&prober);
    world_settle(&w);
    assert_int_equal(world_stats(&w).lost_by_probe, 0);
    world_fini(&w);
}

static void one_that_comes_back_in_time_goes_on(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    rpc_channel_close(t->channel);
    world_settle(&w);
    world_advance(&w, 200);
    fake_tm_connect(t, NULL);
    world_settle(&w);
    assert_true(t->registered);
    world_advance(&w, 10000);
    assert_int_equal(world_progress(j).restarts, 0);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(world_stats(&w).reconnects, 1);
    jobmaster_cancel(j->jm); /* the links still work */
    world_settle(&w);
    assert_int_equal(j->terminal, JOB_STATUS_CANCELED);
    assert_int_equal(world_overview(&w).n_free, 2);
    world_fini(&w);
}

static void another_process_under_the_same_name_replaces_it(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    fake_tm_die(t);
    fake_tm_connect(t, NULL);
    world_settle(&w);
    world_advance(&w, 100);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(world_progress(j).restarts, 1);
    assert_int_equal(world_overview(&w).n_slots, 2);
    world_fini(&w);
}

static void a_silent_task_manager_is_lost(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    world_advance(&w, 4000);
    t->flags = FAKE_TM_NO_HEARTBEATS;
    world_add_tm(&w, 2);
    world_advance(&w, 5200);
    assert_int_equal(world_stats(&w).lost_by_heartbeat, 1);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(j->jm, &f, 1), 1);
    assert_string_equal(f.error.message, "The heartbeat of TaskManager with id tm-0 timed out.");
    assert_int_equal(fake_tm_tasks(&w.tms[1], &j->id), 4);
    assert_true(t->closed);
    /* Thawed: the same process registers anew, and frees what it had. */
    t->flags = 0;
    fake_tm_connect(t, NULL);
    world_settle(&w);
    assert_int_equal(fake_tm_slots_in(t, FLINC__SLOT_STATE__SLOT_FREE), 2);
    world_advance(&w, 3000);
    assert_int_equal(world_overview(&w).n_free, 2);
    assert_int_equal(world_running(j), 4);
    world_fini(&w);
}

static void a_frozen_job_manager_blames_nobody(void **state)
{
    struct world w;
    world_init(&w);
    world_add_tm(&w, 2);
    struct world_job *j = world_start_job(&w, 2);
    world_advance(&w, 2000);
    clock_manual_advance_ms(&w.clock, 60000); /* it slept: its timers are all due at once */
    world_settle(&w);
    world_advance(&w, 10000);
    assert_int_equal(world_stats(&w).lost_by_heartbeat, 0);
    assert_int_equal(world_progress(j).restarts, 0);
    world_fini(&w);
}

static void a_goodbye_is_a_loss_at_once(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 1);
    struct world_job *j = world_start_job(&w, 1);
    Flinc__Goodbye goodbye = FLINC__GOODBYE__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    goodbye.reason = (char *)"it was stopped";
    m.body_case = TM_BODY(GOODBYE);
    m.goodbye = &goodbye;
    fake_tm_say(t, &m);
    world_settle(&w);
    assert_int_equal(world_overview(&w).n_task_managers, 0);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(j->jm, &f, 1), 1);
    assert_string_equal(f.error.message, "TaskManager with id tm-0 was shut down: it was stopped.");
    world_fini(&w);
}

static void who_does_not_answer_is_passed_over(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 1);
    world_add_tm(&w, 1);
    t->flags = FAKE_TM_IGNORES_REQUESTS;
    struct world_job *j = world_start_job(&w, 1);
    assert_int_equal(world_running(j), 0);
    world_advance(&w, 1100);
    assert_int_equal(world_running(j), 2);
    assert_int_equal(fake_tm_tasks(&w.tms[1], &j->id), 2);
    world_fini(&w);
}

static void who_refuses_is_asked_again_after_a_pause(void **state)
{
    struct world w;
    world_init(&w);
    world_set(&w, "restart-strategy.fixed-delay.attempts", "0");
    struct fake_tm *t = world_add_tm(&w, 1);
    t->flags = FAKE_TM_REFUSES;
    struct world_job *j = world_start_job(&w, 1);
    world_advance(&w, 10000);
    assert_in_range(t->n_requests, 3, 12);
    world_advance(&w, 20100);
    assert_int_equal(j->terminal, JOB_STATUS_FAILED);
    assert_non_null(strstr(j->cause.frames, "refused: no"));
    world_fini(&w);
}

/* A job master that gives back what it asks for does not go round with the slots for ever. */
static void who_gives_slots_back_gets_them_after_a_pause(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    assert_int_equal(failpoint_configure("jobmaster.slots.before_take=error", &err), 0);
    struct world_job *j = world_start_job(&w, 2);
    world_advance(&w, 1000);
    assert_in_range(t->n_requests, 2, 30);
    failpoint_clear_all();
    world_advance(&w, 10000);
    assert_int_equal(world_running(j), 4);
    world_fini(&w);
}

/* Its tasks are deaf, so that it lasts: slots that it loses meanwhile are not replaced. */
static void a_job_that_is_being_cancelled_wants_no_slots(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *deaf = world_add_tm(&w, 1);
    struct fake_tm *t = world_add_tm(&w, 1);
    struct world_job *j = world_start_job(&w, 2);
    assert_int_equal(world_running(j), 4);
    deaf->flags = FAKE_TM_IGNORES_CANCELS;
    jobmaster_cancel(j->jm);
    world_settle(&w);
    assert_int_equal(world_progress(j).status, JOB_STATUS_CANCELLING);
    assert_int_equal(t->n_requests, 1);
    fake_tm_free_slot(t, 0, "its worker had enough");
    world_settle(&w);
    world_advance(&w, 10000);
    assert_int_equal(t->n_requests, 1);
    deaf->flags = 0;
    world_advance(&w, 20000); /* the cancel message is said again */
    assert_int_equal(j->terminal, JOB_STATUS_CANCELED);
    world_fini(&w);
}

static void lost_requests_and_offers_are_repeated(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    t->flags = FAKE_TM_IGNORES_REQUESTS;
    struct world_job *j = world_start_job(&w, 1);
    t->flags = FAKE_TM_NO_OFFERS;
    world_advance(&w, 1100); /* asked again: it has the slot, and the offer is lost */
    assert_int_equal(t->n_requests, 2);
    assert_int_equal(fake_tm_slots_in(t, FLINC__SLOT_STATE__SLOT_ALLOCATED), 1);
    t->flags = 0;
    world_advance(&w, 1100);
    assert_int_equal(world_running(j), 2);
    world_fini(&w);
}

static void another_version_is_refused_for_good(void **state)
{
    struct world w;
    world_init(&w);
    world_make(&w);
    struct fake_tm *t = &w.tms[w.n_tms++];
    fake_tm_init(t, w.rm, "old", 1, 3);
    t->version = "0.0.1";
    fake_tm_connect(t, NULL);
    world_settle(&w);
    assert_true(t->refused);
    assert_true(t->refused_for_good);
    assert_non_null(strstr(t->refusal, "0.0.1"));
    assert_non_null(strstr(t->refusal, FLINC_VERSION));
    assert_true(t->closed);
    assert_int_equal(world_stats(&w).registrations_refused, 1);
    world_fini(&w);
}

static void malformed_registrations_are_refused(void **state)
{
    static const char *const ids[] = {"", "a/b", "with blank"};
    struct world w;
    world_init(&w);
    world_make(&w);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct fake_tm *t = &w.tms[w.n_tms++];
        fake_tm_init(t, w.rm, ids[i], 1, 3);
        fake_tm_connect(t, NULL);
        world_settle(&w);
        assert_true(t->refused_for_good);
    }
    assert_int_equal(world_overview(&w).n_task_managers, 0);
    world_fini(&w);
}

static void a_full_cluster_refuses_for_now(void **state)
{
    struct world w;
    world_init(&w);
    world_set(&w, "slotmanager.number-of-slots.max", "3");
    world_add_tm(&w, 2);
    struct fake_tm *t = world_add_tm(&w, 2);
    assert_true(t->refused);
    assert_false(t->refused_for_good);
    world_fini(&w);
}

static void forged_messages_change_nothing(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 1);
    struct world_job *j = world_start_job(&w, 1);
    struct flinc_id leader = t->leader;
    memset(t->leader.bytes, 0x77, sizeof(t->leader.bytes));
    fake_tm_free_slot(t, 0, "forged"); /* not heard */
    world_settle(&w);
    assert_int_equal(world_running(j), 2);
    assert_true(world_stats(&w).messages_fenced > 0);
    t->leader = leader;
    world_advance(&w, 1100); /* the heartbeat shows that it is free */
    world_advance(&w, 200);
    assert_int_equal(world_progress(j).restarts, 1);
    assert_int_equal(world_running(j), 2);
    world_fini(&w);
}

static void a_stream_that_does_not_register_is_closed(void **state)
{
    struct world w;
    world_init(&w);
    world_make(&w);
    struct fake_tm *t = &w.tms[w.n_tms++];
    fake_tm_init(t, w.rm, "silent", 1, 3);
    struct rpc_end_options theirs;
    struct rpc_channel *master = NULL;
    struct error err = ERROR_INIT;
    struct rpc_end_options mine = {.name = t->id,
                                   .sends = &flinc__task_manager_to_master__descriptor,
                                   .receives = &flinc__master_to_task_manager__descriptor,
                                   .mailbox = t->mailbox,
                                   .on_message = fake_tm_on_message,
                                   .on_closed = fake_tm_on_closed,
                                   .target = t};
    resourcemanager_get_end(w.rm, NULL, &theirs);
    assert_int_equal(rpc_memory_pair(&theirs, &mine, NULL, &master, &t->channel, &err), 0);
    resourcemanager_add_stream(w.rm, master);
    world_advance(&w, 9900);
    assert_false(t->closed);
    world_advance(&w, 200);
    assert_true(t->closed);
    world_fini(&w);
}

static void the_list_shows_task_managers(void **state)
{
    struct world w;
    world_init(&w);
    world_add_tm(&w, 3);
    struct world_job *j = world_start_job(&w, 2);
    world_advance(&w, 1100);
    const struct taskmanager_list *list = resourcemanager_list(w.rm);
    assert_int_equal(list->n, 1);
    assert_string_equal(list->items[0].id, "tm-0");
    assert_int_equal(list->items[0].n_slots, 3);
    assert_int_equal(list->items[0].n_free, 1);
    assert_int_equal(list->items[0].assigned_tasks, 7);
    assert_int_equal(list->items[0].n_usages, 1);
    assert_true(id_eq(&list->items[0].usages[0].job_id, &j->id));
    assert_int_equal(list->items[0].usages[0].n_slots, 2);
    assert_true(list->items[0].last_heartbeat_ms > 0);
    world_fini(&w);
    assert_string_equal(list->items[0].host, "host");
    taskmanager_list_unref(list);
}

static void the_end_says_goodbye(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 1);
    w.rm = resourcemanager_free(w.rm);
    (void)mailbox_run(t->mailbox, 100);
    assert_int_equal(t->n_disconnects, 1);
    assert_true(t->closed);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_on_the_slots_of_task_managers),
        cmocka_unit_test(slots_are_spread_when_asked),
        cmocka_unit_test(too_few_slots_fail_the_job_in_time),
        cmocka_unit_test(jobs_wait_for_slots_that_come),
        cmocka_unit_test(a_worker_that_dies_is_the_root_cause),
        cmocka_unit_test(a_lost_task_manager_is_replaced),
        cmocka_unit_test(one_whose_port_refuses_is_not_waited_for),
        cmocka_unit_test(a_late_refusal_changes_nothing),
        cmocka_unit_test(one_that_comes_back_in_time_goes_on),
        cmocka_unit_test(another_process_under_the_same_name_replaces_it),
        cmocka_unit_test(a_silent_task_manager_is_lost),
        cmocka_unit_test(a_frozen_job_manager_blames_nobody),
        cmocka_unit_test(a_goodbye_is_a_loss_at_once),
        cmocka_unit_test(who_does_not_answer_is_passed_over),
        cmocka_unit_test(who_refuses_is_asked_again_after_a_pause),
        cmocka_unit_test(who_gives_slots_back_gets_them_after_a_pause),
        cmocka_unit_test(a_job_that_is_being_cancelled_wants_no_slots),
        cmocka_unit_test(lost_requests_and_offers_are_repeated),
        cmocka_unit_test(another_version_is_refused_for_good),
        cmocka_unit_test(malformed_registrations_are_refused),
        cmocka_unit_test(a_full_cluster_refuses_for_now),
        cmocka_unit_test(forged_messages_change_nothing),
        cmocka_unit_test(a_stream_that_does_not_register_is_closed),
        cmocka_unit_test(the_list_shows_task_managers),
        cmocka_unit_test(the_end_says_goodbye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
