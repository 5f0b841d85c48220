/* Channels to workers: coming, going, coming back under the same number. */
#include "tests/unit/jobmanager_jobmaster/world.h"

static void open_world(struct world *w, uint32_t n_slots, unsigned flags)
{
    world_init(w, graph_word_count());
    world_set(w, "restart-strategy.type", "fixed-delay");
    world_set(w, "restart-strategy.fixed-delay.attempts", "10");
    world_add_worker(w, n_slots, flags);
}

static void every_message_carries_the_token(void **state)
{
    struct world w;
    open_world(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    struct flinc_id expected;
    memset(expected.bytes, 0x5a, sizeof(expected.bytes));
    assert_true(id_eq(&w.workers[0].token, &expected));
    memset(&w.workers[0].token, 0, sizeof(expected)); /* the fake worker takes it from each */
    jobmaster_cancel(w.jm);
    component_run_until_idle(jobmaster_component(w.jm), 0);
    mailbox_run(w.workers[0].mailbox, 1);
    assert_true(id_eq(&w.workers[0].token, &expected));
    world_fini(&w);
}

static void workers_may_come_after_the_start(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_make(&w);
    world_start(&w);
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    for (uint32_t i = 0; i < 3; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

/* The process of a worker is started again: same number, new channel, nothing left of the old. */
static void a_worker_comes_back(void **state)
{
    struct world w;
    open_world(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    worker_die(&w.workers[0]);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_connect(&w, &w.workers[0]);
    w.workers[0].closed = false;
    world_offer_all(&w);
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

/* The new one is there before the end of the old one was heard. */
static void a_worker_is_replaced(void **state)
{
    struct world w;
    open_world(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    struct rpc_channel *old = w.workers[0].channel;
    w.workers[0].flags = FAKE_ACKNOWLEDGES;
    world_connect(&w, &w.workers[0]);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, FAILED), 5);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_non_null(strstr(f.error.message, "another worker came under its number"));
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    rpc_channel_free(old); /* says nothing to anybody */
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

static void a_channel_that_is_over_at_once(void **state)
{
    struct world w;
    open_world(&w, 3, 0);
    struct error err = ERROR_INIT;
    struct rpc_end_options theirs;
    struct rpc_end_options mine = {.name = "short-lived",
                                   .sends = &flinc__worker_to_master__descriptor,
                                   .receives = &flinc__master_to_worker__descriptor,
                                   .mailbox = w.workers[0].mailbox,
                                   .on_message = fake_on_message,
                                   .target = &w.workers[0]};
    struct rpc_channel *master, *worker;
    jobmaster_get_end(w.jm, 5, &theirs);
    assert_int_equal(rpc_memory_pair(&theirs, &mine, NULL, &master, &worker, &err), 0);
    world_start(&w);
    rpc_channel_free(worker);
    world_settle(&w); /* its end is heard before it is added */
    jobmaster_add_worker(w.jm, 5, NULL, master);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, DEPLOYING), 5);
    world_fini(&w);
}

/* An end that was asked for and never connected, and channels handed in after the end. */
static void unused_ends_are_given_back(void **state)
{
    struct world w;
    open_world(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    struct rpc_end_options unused;
    jobmaster_get_end(w.jm, 8, &unused);
    world_start(&w);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_add_worker(&w, 0, 0);
    world_settle(&w);
    worker_die(&w.workers[0]);
    world_settle(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_carries_the_token),
        cmocka_unit_test(workers_may_come_after_the_start),
        cmocka_unit_test(a_worker_comes_back),
        cmocka_unit_test(a_worker_is_replaced),
        cmocka_unit_test(a_channel_that_is_over_at_once),
        cmocka_unit_test(unused_ends_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
