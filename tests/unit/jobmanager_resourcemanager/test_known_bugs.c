/* Bugs that Flink had with slots on the job manager's side, by their numbers (docs/internals/known-bugs.md):
 * each test runs as the product is, and with the guard switched off, when it must notice the bug. */
#include "tests/unit/jobmanager_resourcemanager/world.h"

static void switch_off(const char *guard)
{
    struct error err = ERROR_INIT;
    assert_int_equal(guard != NULL ? failpoint_configure(guard, &err) : 0, 0);
}

/* The only slot is taken for a request of which the job manager knows nothing. */
static void check_9884(const char *without, bool is_freed)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 1);
    t->flags = FAKE_TM_NO_OFFERS;
    t->slots[0].state = FLINC__SLOT_STATE__SLOT_ALLOCATED;
    id_random(&t->slots[0].allocation, &t->rng);
    switch_off(without);
    struct world_job *j = world_start_job(&w, 1);
    assert_int_equal(t->n_frees, is_freed);
    t->flags = is_freed ? 0 : FAKE_TM_NO_OFFERS;
    world_advance(&w, 10000);
    assert_int_equal(t->n_frees, is_freed);
    assert_int_equal(world_running(j), is_freed ? 2 : 0);
    world_fini(&w);
}

/* FLINK-9884: a stale request has the slot for ever. */
static void flink_9884_a_stale_request_blocks_no_slot(void **state)
{
    check_9884(NULL, true);
}

static void flink_9884_guard(void **state)
{
    check_9884("planted.resourcemanager.foreign_slots_stay=error", false);
}

static void say_freed(struct fake_tm *t, const struct flinc_id *allocation,
                      const struct flinc_id *job_id)
{
    Flinc__SlotFreed freed = FLINC__SLOT_FREED__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    freed.allocation_id = fake_data(allocation);
    freed.job_id = fake_data(job_id);
    m.body_case = TM_BODY(SLOT_FREED);
    m.slot_freed = &freed;
    fake_tm_say(t, &m);
}

/* The slot of a job is freed and another job has it, when its end is heard of once more. */
static void check_11059(const char *without, uint32_t losses)
{
    struct world w;
    world_init(&w);
    switch_off(without);
    struct fake_tm *t = world_add_tm(&w, 1);
    struct world_job *first = world_start_job(&w, 1);
    assert_int_equal(world_running(first), 2);
    struct flinc_id allocation = t->slots[0].allocation;
    jobmaster_cancel(first->jm);
    world_settle(&w);
    assert_int_equal(first->terminal, JOB_STATUS_CANCELED);
    struct world_job *second = world_start_job(&w, 1);
    assert_int_equal(world_running(second), 2);
    say_freed(t, &allocation, &first->id);
    world_settle(&w);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(second->jm, &f, 1), losses);
    assert_int_equal(world_running(second), losses == 0 ? 2 : 0);
    world_fini(&w);
}

/* FLINK-11059: whether a slot was freed is not certain, and what comes late is about its next use. */
static void flink_11059_what_comes_late_frees_no_other_use(void **state)
{
    check_11059(NULL, 0);
}

static void flink_11059_guard(void **state)
{
    check_11059("planted.resourcemanager.allocation_comes_again=error", 1);
}

/* Tasks that were deployed when the task manager did not know yet that their slot was accepted. */
static uint64_t early_deploys(const char *without)
{
    struct world w;
    world_init(&w);
    switch_off(without);
    struct fake_tm *t = world_add_tm(&w, 2);
    world_start_job(&w, 2);
    assert_true(t->n_deploys > 0);
    uint64_t n = t->n_early_deploys;
    world_fini(&w);
    return n;
}

/* FLINK-5836: a task comes before its slot is active. */
static void flink_5836_tasks_follow_the_answer_to_the_offer(void **state)
{
    assert_int_equal(early_deploys(NULL), 0);
}

static void flink_5836_guard(void **state)
{
    assert_true(early_deploys("planted.resourcemanager.deploys_before_it_answers=error") > 0);
}

/* A task manager is dead, and not timed out yet: it does not answer; another one is free. */
static void check_24706(const char *without, bool is_passed_over)
{
    struct world w;
    world_init(&w);
    struct fake_tm *dead = world_add_tm(&w, 1), *other = world_add_tm(&w, 1);
    dead->flags = FAKE_TM_IGNORES_REQUESTS | FAKE_TM_NO_HEARTBEATS;
    switch_off(without);
    struct world_job *j = world_start_job(&w, 1);
    assert_int_equal(dead->n_requests, 1);
    world_advance(&w, 1100);
    assert_int_equal(dead->n_requests, is_passed_over ? 1 : 2);
    assert_int_equal(other->n_requests, is_passed_over);
    assert_int_equal(world_running(j), is_passed_over ? 2 : 0);
    world_fini(&w);
}

/* Of the review of FLINK-24706: deployed again to a task manager that is dead and not timed out. */
static void flink_24706_the_dead_are_passed_over(void **state)
{
    check_24706(NULL, true);
}

static void flink_24706_guard(void **state)
{
    check_24706("planted.resourcemanager.waits_for_the_silent=error", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flink_9884_a_stale_request_blocks_no_slot),
        cmocka_unit_test(flink_9884_guard),
        cmocka_unit_test(flink_11059_what_comes_late_frees_no_other_use),
        cmocka_unit_test(flink_11059_guard),
        cmocka_unit_test(flink_5836_tasks_follow_the_answer_to_the_offer),
        cmocka_unit_test(flink_5836_guard),
        cmocka_unit_test(flink_24706_the_dead_are_passed_over),
        cmocka_unit_test(flink_24706_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
