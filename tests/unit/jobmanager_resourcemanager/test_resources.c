/* Slots with profiles of their own: cut out of what is free, given back, beside static ones, and what is too large. */
#include "tests/unit/jobmanager_resourcemanager/world.h"

static const struct taskmanager_details *details(const struct taskmanager_list *list, uint32_t i)
{
    assert_true(i < list->n);
    return &list->items[i];
}

static void assert_free(struct world *w, uint32_t tm, double cpu, uint64_t heap)
{
    const struct taskmanager_list *list = resourcemanager_list(w->rm);
    const Flinc__ResourceProfile *left = &details(list, tm)->free_profile;
    struct resource_profile real = fake_tm_left(&w->tms[tm]);
    assert_true(left->cpu_cores == cpu);
    assert_int_equal(left->task_heap_bytes, heap);
    assert_int_equal(real.task_heap_bytes, heap); /* both sides agree */
    assert_int_equal(left->network_bytes, real.network_bytes);
    taskmanager_list_unref(list);
}

static void dynamic_slots_are_cut_out_and_given_back(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 4); /* 4 cores, 400 bytes */
    struct world_job *j = world_start_sized_job(&w, 2, 0.75, 60);
    assert_int_equal(world_running(j), 4);
    assert_int_equal(fake_tm_slots_in(t, FLINC__SLOT_STATE__SLOT_ACTIVE), 4);
    assert_free(&w, 0, 4 - 2 - 1.5, 400 - 200 - 120);
    assert_int_equal(t->slots[4].profile.network_bytes, 60); /* its share by task heap memory */
    assert_int_equal(world_overview(&w).n_slots, 4);
    assert_int_equal(world_overview(&w).n_free, 0); /* dynamic ones count, too */
    const struct taskmanager_list *list = resourcemanager_list(w.rm);
    const struct slot_usage *u = details(list, 0)->usages;
    assert_int_equal(u->n_slots, 4);
    assert_int_equal(u->n_dynamic, 2);
    assert_int_equal(u->dynamic[1].task_heap_bytes, 60);
    taskmanager_list_unref(list);
    jobmaster_cancel(j->jm);
    world_settle(&w);
    assert_int_equal(j->terminal, JOB_STATUS_CANCELED);
    assert_free(&w, 0, 4, 400);
    assert_int_equal(world_overview(&w).n_free, 4);
    world_end_job(&w, j);
    struct world_job *again = world_start_sized_job(&w, 1, 3, 300); /* rows are used again */
    assert_int_equal(world_running(again), 2);
    assert_int_equal(t->slots[4].profile.task_heap_bytes, 300);
    assert_int_equal(t->slots[5].state, FLINC__SLOT_STATE__SLOT_FREE);
    world_fini(&w);
}

/* A static slot that is FREE is not there when dynamic ones have taken what it is worth. */
static void static_slots_need_what_they_are_worth(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    struct world_job *a = world_start_sized_job(&w, 1, 0.5, 50);
    assert_int_equal(world_running(a), 2); /* one static, one of half its worth */
    struct world_job *b = world_start_job(&w, 1);
    assert_int_equal(world_running(b), 0);
    assert_int_equal(fake_tm_slots_in(t, FLINC__SLOT_STATE__SLOT_FREE), 1);
    assert_int_equal(t->n_requests, 2); /* it is not asked in vain */
    world_add_tm(&w, 1);
    assert_int_equal(world_running(b), 2);
    world_fini(&w);
}

/* Who asks for too much holds nobody back who comes later. */
static void too_large_ones_fail_and_say_why(void **state)
{
    struct world w;
    world_init(&w);
    world_set(&w, "restart-strategy.fixed-delay.attempts", "0");
    world_add_tm(&w, 2);
    world_add_tm(&w, 2);
    world_add_tm(&w, 1);
    struct world_job *large = world_start_sized_job(&w, 1, 1, 250);
    struct world_job *small = world_start_sized_job(&w, 1, 0.5, 10);
    assert_int_equal(world_running(large), 0);
    assert_int_equal(world_running(small), 2);
    world_advance(&w, 30100);
    assert_int_equal(large->terminal, JOB_STATUS_FAILED);
    assert_non_null(strstr(
        large->cause.message,
        "NoResourceAvailableException: Could not acquire the minimum required resources. The "
        "job needs 1 slots of ResourceProfile{cpuCores=1, taskHeapMemory=250 bytes, "
        "taskOffHeapMemory=0 bytes, managedMemory=0 bytes, networkMemory=0 bytes} and has 0 "
        "after waiting 30 s (slot.request.timeout)"));
    const char *why = large->cause.frames;
    if (strstr(why, "no task manager is large enough for a slot of ResourceProfile{cpuCores=1, ") ==
            NULL ||
        strstr(why, "task managers have in total: 2 x ResourceProfile{cpuCores=2, "
                    "taskHeapMemory=200 bytes") == NULL ||
        strstr(why, ", 1 x ResourceProfile{cpuCores=1, ") == NULL) {
        fail_msg("%s", why);
    }
    world_fini(&w);
}

static void a_task_manager_that_is_large_enough_comes(void **state)
{
    struct world w;
    world_init(&w);
    world_add_tm(&w, 1);
    struct world_job *j = world_start_sized_job(&w, 2, 2, 200);
    assert_int_equal(world_running(j), 0);
    struct fake_tm *t = world_add_tm(&w, 4);
    assert_int_equal(world_running(j),
                     0); /* two large ones, and a static one for the other source */
    world_add_tm(&w, 4);
    assert_int_equal(world_running(j), 4);
    fake_tm_die(t); /* its slots are had elsewhere, when there is room again */
    world_advance(&w, 1000);
    assert_int_equal(world_running(j), 0);
    world_add_tm(&w, 4);
    world_advance(&w, 1000);
    assert_int_equal(world_running(j), 4);
    world_fini(&w);
}

/* After a new leadership a task manager has dynamic slots that nobody here knows: they are freed, and count until then. */
static void foreign_dynamic_slots_are_freed(void **state)
{
    struct world w;
    world_init(&w);
    world_make(&w);
    struct fake_tm *t = &w.tms[w.n_tms++];
    fake_tm_init(t, w.rm, "tm-0", 2, 5);
    t->slots[4].state = FLINC__SLOT_STATE__SLOT_ACTIVE;
    id_random(&t->slots[4].allocation, &t->rng);
    t->slots[4].profile = (struct resource_profile){RESOURCE_UNITS, 150, 0, 0, 1, 0, {{{0}, 0}}};
    fake_tm_connect(t, NULL);
    world_settle(&w);
    assert_int_equal(fake_tm_slots_in(t, FLINC__SLOT_STATE__SLOT_ACTIVE), 0);
    assert_free(&w, 0, 2, 200);
    world_fini(&w);
}

static void lost_requests_are_found_out(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    t->flags = FAKE_TM_IGNORES_REQUESTS;
    struct world_job *j = world_start_sized_job(&w, 1, 0.5, 50);
    jobmaster_cancel(j->jm);
    world_advance(&w, 3000); /* what was never heard of is not reported, and free again */
    assert_int_equal(j->terminal, JOB_STATUS_CANCELED);
    assert_free(&w, 0, 2, 200);
    world_fini(&w);
}

static void malformed_profiles_are_refused(void **state)
{
    struct world w;
    world_init(&w);
    struct fake_tm *t = world_add_tm(&w, 2);
    fake_tm_die(t);
    t->slots[3].state = FLINC__SLOT_STATE__SLOT_ACTIVE;
    t->slots[3].profile.managed_bytes = UINT64_MAX;
    fake_tm_connect(t, NULL); /* a report that makes no sense is no registration */
    world_settle(&w);
    assert_false(t->registered);
    t->slots[3] = (struct fake_tm_slot){0};
    t->total.cpu_units = UINT64_MAX;
    fake_tm_connect(t, NULL);
    world_settle(&w);
    assert_true(t->refused_for_good);
    assert_string_equal(t->refusal, "the profile of a slot or of all makes no sense");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dynamic_slots_are_cut_out_and_given_back),
        cmocka_unit_test(static_slots_need_what_they_are_worth),
        cmocka_unit_test(too_large_ones_fail_and_say_why),
        cmocka_unit_test(a_task_manager_that_is_large_enough_comes),
        cmocka_unit_test(foreign_dynamic_slots_are_freed),
        cmocka_unit_test(lost_requests_are_found_out),
        cmocka_unit_test(malformed_profiles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
