/* Fail-over of regions: the failed one restarts from the newest checkpoint, all others go on as if nothing had
 * happened.  Flink: RestartPipelinedRegionFailoverStrategy, RegionFailoverITCase. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"

/* Two pipelines: Source (2) -> rebalance -> Count (3), and Input (2) -> forward -> Map (2), whose subtasks are
 * regions of their own.  Both sources have a coordinator. */
static Flinc__JobGraph *two_pipelines(void)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, "test.coordinator"},
                                                  {"Count", 3, NULL, NULL},
                                                  {"Input", 2, "b", "test.coordinator"},
                                                  {"Map", 2, "b", NULL}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0},
        {2, 3, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 0}};
    return graph_new(vertices, 4, edges, 2);
}

static void open_two(struct checkpoint_world *cw)
{
    cw_init_graph(cw, two_pipelines());
    cw_start(cw); /* two workers of two slots */
    world_add_worker(&cw->w, 4, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_offer_all(&cw->w); /* offers what the new one has */
    world_settle(&cw->w);
    assert_int_equal(world_n_tasks(&cw->w, RUNNING), 9);
}

static uint32_t attempt(struct checkpoint_world *cw, const char *vertex, uint32_t subtask)
{
    return world_task(&cw->w, vertex, subtask)->attempt_number;
}

static void assert_attempts(struct checkpoint_world *cw, uint32_t counts, uint32_t first_map,
                            uint32_t second_map)
{
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(attempt(cw, "Count", i), counts);
    }
    assert_int_equal(attempt(cw, "Source", 0), counts);
    assert_int_equal(attempt(cw, "Source", 1), counts);
    assert_int_equal(attempt(cw, "Input", 0), first_map);
    assert_int_equal(attempt(cw, "Map", 0), first_map);
    assert_int_equal(attempt(cw, "Input", 1), second_map);
    assert_int_equal(attempt(cw, "Map", 1), second_map);
}

/* One subtask of a forward pipeline fails: it and the one that feeds it restart, nobody else. */
static void test_a_region_alone_is_restored(void **state)
{
    struct checkpoint_world cw;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    assert_int_equal(cw_complete_one(&cw), 2);
    struct fake_task *other = world_task(&cw.w, "Count", 0);
    str_clear(&cw.w.coordination.log);
    cw_fail_task(&cw, "Map", 1);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_attempts(&cw, 0, 0, 1);
    assert_string_equal(world_task(&cw.w, "Map", 1)->restored, "M1@2");
    assert_string_equal(world_task(&cw.w, "Input", 1)->restored, "I1@2");
    assert_int_equal(other->n_cancels, 0);
    assert_string_equal(str_cstr(&cw.w.coordination.log), "subtask_reset 1 to 2;");
    const struct job_details *d = cw_details(&cw);
    assert_int_equal(d->checkpoints->counts.restored, 1);
    assert_int_equal(d->checkpoints->latest_restored.id, 2);
    job_details_unref(d);
    assert_int_equal(cw_complete_one(&cw), 3); /* with the others' old attempts and the new ones */
    cw_fail_task(&cw, "Source", 0);
    assert_attempts(&cw, 1, 0, 1);
    assert_int_equal(world_task(&cw.w, "Count", 2)->restored_id, 3);
    assert_true(cw_logged(&cw, "subtask_reset 0 to 3;subtask_reset 1 to 3;"));
    cw_fini(&cw);
}

/* A checkpoint that is under way is given up, and those that go on hear of it. */
static void test_a_pending_checkpoint_is_given_up(void **state)
{
    struct checkpoint_world cw;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    uint64_t id = cw_next_trigger(&cw);
    struct fake_task *input = world_task(&cw.w, "Input", 0);
    task_acknowledge(input, id, "half of it");
    cw_fail_task(&cw, "Count", 1);
    assert_attempts(&cw, 1, 0, 0);
    assert_int_equal(world_task(&cw.w, "Count", 1)->restored_id, 1);
    assert_true(cw_n_notices(&cw, ABORTED, id) > 0);
    assert_true(cw_logged(&cw, "aborted 2;"));
    assert_false(cw_exists(&cw, "chk-%llu", id));
    cw_ack_all(&cw, id); /* those that go on had not heard of it yet */
    assert_false(cw_exists(&cw, METADATA, id));
    assert_int_equal(cw_complete_one(&cw), 3);
    cw_fini(&cw);
}

/* Regions whose restarts overlap: each restores what is the newest when it restarts. */
static void test_two_regions_at_once(void **state)
{
    struct checkpoint_world cw;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    struct error why = test_error(ERR_IO, "the disk hiccuped");
    task_say_error(world_task(&cw.w, "Map", 0), FAILED, &why);
    task_say_error(world_task(&cw.w, "Map", 1), FAILED, &why);
    world_settle(&cw.w);
    assert_int_equal(world_n_tasks(&cw.w, RUNNING), 5);
    world_advance(&cw.w, 20);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_attempts(&cw, 0, 1, 1);
    assert_int_equal(cw_complete_one(&cw), 2);
    cw_fini(&cw);
}

/* What concerns the job restarts all of it, with its coordinators. */
static void test_a_coordinator_that_fails_restarts_the_job(void **state)
{
    struct checkpoint_world cw;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    str_clear(&cw.w.coordination.log);
    task_send_event(world_task(&cw.w, "Input", 0), 1, "fail");
    world_settle(&cw.w);
    world_advance(&cw.w, 20);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_attempts(&cw, 1, 1, 1);
    assert_true(cw_logged(&cw, "reset;restore 1 splits;reset;restore 1 splits;"));
    assert_false(cw_logged(&cw, "subtask_reset"));
    cw_fini(&cw);
}

/* It comes while a region waits for its restart: the whole job restarts once, the region with it. */
static void test_a_global_failure_overtakes_a_region(void **state)
{
    struct checkpoint_world cw;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    struct error why = test_error(ERR_IO, "the disk hiccuped");
    task_say_error(world_task(&cw.w, "Map", 0), FAILED, &why);
    task_send_event(world_task(&cw.w, "Input", 1), 1, "fail");
    world_settle(&cw.w);
    world_advance(&cw.w, 20);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_attempts(&cw, 1, 1, 1);
    cw_fini(&cw);
}

static void test_full_restarts_everything(void **state)
{
    struct checkpoint_world cw;
    cw_init_graph(&cw, two_pipelines());
    world_set(&cw.w, "jobmanager.execution.failover-strategy", "full");
    cw_start(&cw);
    world_add_worker(&cw.w, 4, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_offer_all(&cw.w);
    world_settle(&cw.w);
    assert_int_equal(cw_complete_one(&cw), 1);
    cw_fail_task(&cw, "Map", 1);
    assert_attempts(&cw, 1, 1, 1);
    assert_true(cw_logged(&cw, "subtask_reset 0 to 1;subtask_reset 1 to 1;"));
    assert_int_equal(world_task(&cw.w, "Count", 2)->restored_id, 1);
    cw_fini(&cw);
}

/* A region that has finished stays so, whatever becomes of the others. */
static void test_a_finished_region_does_not_run_again(void **state)
{
    struct checkpoint_world cw;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    task_say(world_task(&cw.w, "Input", 0), FINISHED);
    task_say(world_task(&cw.w, "Map", 0), FINISHED);
    world_settle(&cw.w);
    cw_fail_task(&cw, "Map", 1);
    assert_attempts(&cw, 0, 0, 1);
    assert_int_equal(cw_complete_one(&cw), 2); /* of those that run */
    world_all_say(&cw.w, FINISHED);
    world_assert_ended(&cw.w, JOB_STATUS_FINISHED);
    cw_fini(&cw);
}

/* One message per vertex and worker, for all regions whose slots have come at once. */
static void test_regions_are_deployed_together(void **state)
{
    static const struct vertex_spec vertices[] = {{"Map", 64, NULL, NULL}};
    struct world w;
    struct slot slots[64];
    world_init(&w, graph_new(vertices, 1, NULL, 0));
    w.offers = false;
    world_add_worker(&w, 64, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    for (uint32_t i = 0; i < 64; i++) {
        w.slots[i].with_job = true;
        slots[i] = w.slots[i].slot;
    }
    jobmaster_offer_slots(w.jm, slots, 64);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 64);
    assert_int_equal(w.workers[0].n_deploys, 1);
    world_fini(&w);
}

/* A deployment that fails half-way restarts what it was about, once. */
static void test_a_deployment_that_fails(void **state)
{
    struct checkpoint_world cw;
    struct error err = ERROR_INIT;
    open_two(&cw);
    assert_int_equal(cw_complete_one(&cw), 1);
    assert_int_equal(failpoint_configure("jobmaster.deploy.before_send=error,nth=2", &err), 0);
    cw_fail_task(&cw, "Map", 1);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RESTARTING);
    world_advance(&cw.w, 20);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    assert_attempts(&cw, 0, 0, 2);
    assert_int_equal(cw_complete_one(&cw), 2);
    cw_fini(&cw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_region_alone_is_restored),
        cmocka_unit_test(test_a_pending_checkpoint_is_given_up),
        cmocka_unit_test(test_two_regions_at_once),
        cmocka_unit_test(test_a_coordinator_that_fails_restarts_the_job),
        cmocka_unit_test(test_a_global_failure_overtakes_a_region),
        cmocka_unit_test(test_full_restarts_everything),
        cmocka_unit_test(test_a_finished_region_does_not_run_again),
        cmocka_unit_test(test_regions_are_deployed_together),
        cmocka_unit_test(test_a_deployment_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
