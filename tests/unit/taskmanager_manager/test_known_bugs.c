/* Bugs that Flink's task manager had with slots, by their numbers (docs/internals/known-bugs.md): each test
 * runs as the product is, and with the guard switched off, when it must notice the bug. */
#include "common/base/failpoint.h"
#include "tests/unit/taskmanager_manager/world.h"

static void switch_off(const char *guard)
{
    struct error err = ERROR_INIT;
    assert_int_equal(guard != NULL ? failpoint_configure(guard, &err) : 0, 0);
}

static void end_world(struct world *w)
{
    failpoint_clear_all();
    world_fini(w);
}

/* An offer that nobody answers; the job manager knows the allocation all the time. */
static void check_9932(const char *without, bool is_freed)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    switch_off(without);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(OFFER)), 1);
    world_advance(&w, 5100);
    assert_int_equal(world_count(&w, BODY(OFFER)), is_freed ? 3 : 1);
    for (int i = 0; i < 3; i++) {
        world_slots(&w, ACCEPTED(1));
        world_advance(&w, 10100);
    }
    assert_int_equal(world_stats(&w).slots_timed_out, is_freed);
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[0]->state,
                     is_freed ? SLOT_STATE(FREE) : SLOT_STATE(ACTIVE));
    end_world(&w);
}

/* FLINK-9932: an offer that times out leaks the slot: it counts as given, and is never offered again. */
static void flink_9932_an_unanswered_offer_leaks_no_slot(void **state)
{
    check_9932(NULL, true);
}

static void flink_9932_guard(void **state)
{
    check_9932("planted.taskmanager.offered_is_active=error", false);
}

/* The request was given up by the job manager, and comes nevertheless; then the stream is cut. */
static void check_9884(const char *without, bool is_freed)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    switch_off(without);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    world_forget(&w);
    world_cut_stream(&w);
    *VEC_PUSH(&w.unknown, struct flinc_id) = ALLOCATION(1);
    world_settle(&w);
    assert_state(&w, "REGISTERED");
    assert_int_equal(world_count(&w, BODY(SLOT_FREED)), is_freed);
    master_request_slot(&w, 0, 2, 2);
    world_settle(&w);
    assert_int_equal(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted, is_freed);
    end_world(&w);
}

/* FLINK-9884: the slot of a request that nobody wants any more is not to be had by others. */
static void flink_9884_a_stale_request_blocks_no_slot(void **state)
{
    check_9884(NULL, true);
}

static void flink_9884_guard(void **state)
{
    check_9884("planted.taskmanager.unknown_slots_stay=error", false);
}

/* The job manager dies and another one comes: what it is told of the slots. */
static void check_38375(const char *without, bool is_free)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    master_answer_offer(&w, 1, 1, ACCEPTED(1));
    world_settle(&w);
    switch_off(without);
    w.leader = LEADER(2);
    world_cut_stream(&w);
    world_settle(&w);
    world_advance(&w, 500);
    assert_state(&w, "REGISTERED");
    uint32_t n_free = 0;
    const Flinc__SlotReport *report = world_slots(&w, ACCEPTED_NONE);
    for (size_t i = 0; i < report->n_slots; i++) {
        n_free += report->slots[i]->state == SLOT_STATE(FREE);
    }
    assert_int_equal(n_free, is_free ? 2 : 1);
    assert_int_equal(w.host.n_gone, is_free);
    end_world(&w);
}

/* FLINK-38375: slots of jobs that died with the job manager are missing from those that its successor
 * counts. */
static void flink_38375_a_new_job_manager_counts_all_slots(void **state)
{
    check_38375(NULL, true);
}

static void flink_38375_guard(void **state)
{
    check_38375("planted.taskmanager.keeps_workers=error", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flink_9932_an_unanswered_offer_leaks_no_slot),
        cmocka_unit_test(flink_9932_guard),
        cmocka_unit_test(flink_9884_a_stale_request_blocks_no_slot),
        cmocka_unit_test(flink_9884_guard),
        cmocka_unit_test(flink_38375_a_new_job_manager_counts_all_slots),
        cmocka_unit_test(flink_38375_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
