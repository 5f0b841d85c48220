/* The adaptive scheduler: parallelism by the slots that there are, rescales, failures, the end. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"

#define PREFIX "jobmanager.adaptive-scheduler."

/* Source 2, Count 4, one slot sharing group: 4 slots at most, 1 at least. */
static Flinc__JobGraph *elastic_graph(void)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, "test.coordinator"},
                                                  {"Count", 4, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
                                              FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    return graph_new(vertices, 2, edges, 1);
}

static void aw_init(struct checkpoint_world *cw)
{
    cw_init_graph(cw, elastic_graph());
    world_set(&cw->w, "jobmanager.scheduler", "ADAPTIVE");
    world_set(&cw->w, "execution.checkpointing.interval", "1 h");
    world_set(&cw->w, PREFIX "executing.cooldown-after-rescaling", "0 s");
}

static void aw_worker(struct checkpoint_world *cw, uint32_t n_slots)
{
    world_add_worker(&cw->w, n_slots, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
}

/* A worker that comes while the job runs. */
static void aw_late_worker(struct checkpoint_world *cw, uint32_t n_slots)
{
    aw_worker(cw, n_slots);
    world_settle(&cw->w);
    world_offer_all(&cw->w);
    world_settle(&cw->w);
}

static void aw_assert_parallelism(struct checkpoint_world *cw, uint32_t source, uint32_t count)
{
    const struct job_details *d = cw_details(cw);
    assert_int_equal(d->vertices[0].parallelism, source);
    assert_int_equal(d->vertices[1].parallelism, count);
    assert_int_equal(d->vertices[1].n_subtasks, count);
    job_details_unref(d);
    assert_int_equal(world_n_tasks(&cw->w, RUNNING), source + count);
}

static void test_all_slots_are_there_at_once(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 4);
    world_start(&cw.w);
    assert_int_equal(cw.w.declared, 4);
    assert_string_equal(str_cstr(&cw.w.statuses), "CREATED RUNNING ");
    aw_assert_parallelism(&cw, 2, 4);
    cw_fini(&cw);
}

static void test_it_runs_with_the_slots_that_there_are(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 3);
    world_start(&cw.w);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_CREATED);
    world_advance(&cw.w, 9999);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_CREATED);
    world_advance(&cw.w, 1); /* submission.resource-stabilization-timeout */
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    aw_assert_parallelism(&cw, 2, 3);
    assert_int_equal(cw.w.workers[0].last_deploy->vertex->parallelism, 3);
    cw_fini(&cw);
}

static void test_too_few_slots_fail_the_job(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_set(&cw.w, PREFIX "resource-wait-timeout", "1 min"); /* the older name */
    world_make(&cw.w);
    world_start(&cw.w);
    world_advance(&cw.w, 59999);
    assert_int_equal(cw.w.n_terminals, 0);
    world_advance(&cw.w, 1);
    world_assert_ended(&cw.w, JOB_STATUS_FAILED);
    assert_non_null(strstr(cw.w.cause.message, "NoResourceAvailableException"));
    assert_non_null(strstr(cw.w.cause.message, "at least 1 slots and has 0"));
    cw_fini(&cw);
}

/* A checkpoint is taken at once, and the new tasks go on from it. */
static void test_it_scales_up_with_new_slots(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_set(&cw.w, "restart-strategy.type", "none"); /* a rescale is no failure */
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    aw_assert_parallelism(&cw, 2, 2);
    aw_late_worker(&cw, 2);
    assert_int_equal(cw_last_trigger(&cw), 1);
    assert_int_equal(world_status(&cw.w), JOB_STATUS_RUNNING);
    cw_ack_all(&cw, 1);
    assert_string_equal(str_cstr(&cw.w.statuses), "CREATED RUNNING RESTARTING CREATED RUNNING ");
    aw_assert_parallelism(&cw, 2, 4);
    for (uint32_t i = 0; i < 4; i++) {
        struct fake_task *t = world_task(&cw.w, "Count", i);
        assert_int_equal(t->restored_id, 1);
        assert_int_equal(t->attempt_number, 1); /* of new ones, too */
    }
    const struct job_details *d = cw_details(&cw);
    assert_int_equal(d->n_failures, 0);
    assert_int_equal(d->restarts, 0);
    assert_int_equal(d->vertices[1].subtasks[0].n_prior, 1);
    job_details_unref(d);
    assert_true(cw_logged(&cw, "reset;restore 1 splits;")); /* the source has as many as before */
    cw_fini(&cw);
}

/* Some, but not all that it can use: it waits for more. */
static void test_it_waits_for_rest_before_it_scales_up(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    aw_late_worker(&cw, 1);
    world_advance(&cw.w, 59999);
    assert_int_equal(cw_last_trigger(&cw), 0);
    world_advance(&cw.w, 1); /* executing.resource-stabilization-timeout */
    assert_int_equal(cw_last_trigger(&cw), 1);
    cw_ack_all(&cw, 1);
    aw_assert_parallelism(&cw, 2, 3);
    cw_fini(&cw);
}

static void test_the_cooldown_comes_first(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_set(&cw.w, PREFIX "executing.cooldown-after-rescaling", "30 s");
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    aw_late_worker(&cw, 2);
    world_advance(&cw.w, 29999);
    assert_int_equal(cw_last_trigger(&cw), 0);
    world_advance(&cw.w, 1);
    assert_int_equal(cw_last_trigger(&cw), 1);
    cw_fini(&cw);
}

/* Failed checkpoints put it off, but not for ever. */
static void test_failed_checkpoints_do_not_hold_it_up(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_set(&cw.w, PREFIX "rescale-trigger.max-checkpoint-failures", "1");
    world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "10");
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    aw_late_worker(&cw, 2);
    struct error why = test_error(ERR_IO, "no");
    task_decline(world_task(&cw.w, "Count", 0), 1, &why);
    world_settle(&cw.w);
    aw_assert_parallelism(&cw, 2, 4);
    assert_false(world_task(&cw.w, "Count", 3)->has_restore);
    cw_fini(&cw);
}

/* rescale-trigger.max-delay: none completes, none fails. */
static void test_it_does_not_wait_for_ever(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_set(&cw.w, PREFIX "rescale-trigger.max-delay", "5 s");
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    aw_late_worker(&cw, 2);
    world_advance(&cw.w, 4999);
    aw_assert_parallelism(&cw, 2, 2);
    world_advance(&cw.w, 1);
    aw_assert_parallelism(&cw, 2, 4);
    cw_fini(&cw);
}

static void test_a_lost_worker_scales_it_down(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 2);
    aw_worker(&cw, 2);
    world_start(&cw.w);
    aw_assert_parallelism(&cw, 2, 4);
    world_advance(&cw.w, 3600 * 1000);
    uint64_t id = cw_last_trigger(&cw);
    cw_ack_all(&cw, id);
    worker_die(&cw.w.workers[1]);
    world_settle(&cw.w);
    world_advance(&cw.w, 20); /* the restart delay */
    assert_int_equal(world_status(&cw.w), JOB_STATUS_CREATED);
    world_advance(&cw.w, 10000);
    aw_assert_parallelism(&cw, 2, 2);
    assert_int_equal(world_task(&cw.w, "Count", 1)->restored_id, id);
    const struct job_details *d = cw_details(&cw);
    assert_int_equal(d->n_failures, 1);
    assert_int_equal(d->restarts, 1);
    job_details_unref(d);
    cw_fini(&cw);
}

static void aw_require(struct checkpoint_world *cw, struct parallelism_bounds source,
                       struct parallelism_bounds count)
{
    struct job_requirement r[2] = {{.bounds = source}, {.bounds = count}};
    struct error err = ERROR_INIT;
    memcpy(r[0].vertex_id.bytes, cw->w.graph->vertices[0]->id.data, 16);
    memcpy(r[1].vertex_id.bytes, cw->w.graph->vertices[1]->id.data, 16);
    if (jobmaster_set_requirements(cw->w.jm, r, 2, &err) < 0) {
        fail_msg("%s", err.message);
    }
    world_settle(&cw->w);
}

static void test_other_requirements_rescale_it(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 8);
    world_start(&cw.w);
    aw_assert_parallelism(&cw, 2, 4);
    aw_require(&cw, (struct parallelism_bounds){1, 1}, (struct parallelism_bounds){1, 2});
    assert_int_equal(cw_last_trigger(&cw), 1);
    cw_ack_all(&cw, 1);
    aw_assert_parallelism(&cw, 1, 2);
    assert_int_equal(world_slots_with_job(&cw.w), 2); /* the others went back */
    assert_int_equal(cw.w.declared, 2);
    assert_true(cw_logged(
        &cw, "close;restore 1 splits;start;")); /* anew: it has another number of readers */
    aw_require(&cw, (struct parallelism_bounds){1, 1}, (struct parallelism_bounds){1, 2});
    assert_int_equal(cw_last_trigger(&cw), 1); /* the same again: nothing */
    aw_require(&cw, (struct parallelism_bounds){1, 3}, (struct parallelism_bounds){1, 7});
    assert_int_equal(cw.w.declared, 7);
    cw_ack_all(&cw, cw_last_trigger(&cw));
    aw_assert_parallelism(&cw, 3, 7);
    assert_int_equal(world_task(&cw.w, "Count", 6)->restored_id, 2);
    cw_fini(&cw);
}

static void test_bad_requirements_are_refused(void **state)
{
    struct checkpoint_world cw;
    struct error err = ERROR_INIT;
    struct job_requirement r[2] = {{.bounds = {1, 2}}, {.bounds = {3, 2}}};
    aw_init(&cw);
    aw_worker(&cw, 4);
    world_start(&cw.w);
    memcpy(r[0].vertex_id.bytes, cw.w.graph->vertices[0]->id.data, 16);
    memcpy(r[1].vertex_id.bytes, cw.w.graph->vertices[1]->id.data, 16);
    assert_int_equal(jobmaster_set_requirements(cw.w.jm, r, 2, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "The requested lower bound [3] for job vertex [Count] is "
                                        "higher than the upper bound [2]"));
    assert_int_equal(jobmaster_set_requirements(cw.w.jm, r, 1, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "The request is incomplete, missing job vertex ["));
    r[1] = (struct job_requirement){.bounds = {1, 1}};
    assert_int_equal(jobmaster_set_requirements(cw.w.jm, r, 2, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "was not found in the JobGraph"));
    cw_fini(&cw);
}

static void test_the_default_scheduler_refuses_requirements(void **state)
{
    struct checkpoint_world cw;
    struct error err = ERROR_INIT;
    struct job_requirement r = {.bounds = {1, 2}};
    cw_init(&cw);
    cw_start(&cw);
    assert_int_equal(jobmaster_set_requirements(cw.w.jm, &r, 1, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "DefaultScheduler"));
    cw_fini(&cw);
}

static void fail_once(const char *point)
{
    char spec[128];
    struct error err = ERROR_INIT;
    snprintf(spec, sizeof(spec), "%s=error,nth=1", point);
    assert_int_equal(failpoint_configure(spec, &err), 0);
}

/* What failed before it ran is tried again as the restart strategy says. */
static void test_failures_on_the_way(void **state)
{
    static const char *const points[] = {
        "jobmaster.adaptive.before_create",  "jobmaster.adaptive.before_apply",
        "jobmaster.failover.before_restart", "jobmaster.coordinator.before_reset",
        "jobmaster.adaptive.before_rescale", "checkpoint.rescale.before_deal"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct checkpoint_world cw;
        aw_init(&cw);
        aw_worker(&cw, 2);
        world_start(&cw.w);
        world_advance(&cw.w, 10000);
        aw_late_worker(&cw, 2);
        fail_once(points[i]);
        cw_ack_all(&cw, 1);
        world_advance(&cw.w, 20);
        aw_assert_parallelism(&cw, 2, 4);
        assert_int_equal(world_task(&cw.w, "Count", 3)->restored_id, 1);
        cw_fini(&cw);
    }
}

static void test_the_first_start_is_tried_again(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 4);
    fail_once("jobmaster.adaptive.before_create");
    world_start(&cw.w);
    world_advance(&cw.w, 20);
    aw_assert_parallelism(&cw, 2, 4);
    cw_fini(&cw);
}

static void test_cancelled_while_it_waits(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_make(&cw.w);
    world_start(&cw.w);
    jobmaster_cancel(cw.w.jm);
    world_settle(&cw.w);
    world_assert_ended(&cw.w, JOB_STATUS_CANCELED);
    cw_fini(&cw);
}

static void test_no_rescale_while_it_stops(void **state)
{
    struct checkpoint_world cw;
    struct answer answer = {0};
    struct error err = ERROR_INIT;
    aw_init(&cw);
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    struct savepoint_request request = {
        .directory = cw.dir,
        .format = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
        .stop = FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND,
    };
    assert_int_equal(jobmaster_trigger_savepoint(cw.w.jm, &request, on_answer, &answer, &err), 0);
    world_settle(&cw.w);
    aw_late_worker(&cw, 2);
    uint64_t savepoint = cw_last_trigger(&cw);
    assert_int_equal(savepoint, 1);
    struct error why = test_error(ERR_IO, "no");
    task_decline(world_task(&cw.w, "Count", 0), savepoint, &why);
    world_settle(&cw.w);
    assert_int_equal(answer.n, 1);
    assert_true(answer.rc < 0);
    assert_int_equal(cw_last_trigger(&cw), 2); /* now it may rescale */
    cw_ack_all(&cw, 2);
    aw_assert_parallelism(&cw, 2, 4);
    cw_fini(&cw);
}

/* Acknowledgements of the attempts before a rescale count for nothing. */
static void test_old_attempts_are_strangers(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 2);
    world_start(&cw.w);
    world_advance(&cw.w, 10000);
    struct fake_task *old = world_task(&cw.w, "Count", 0);
    aw_late_worker(&cw, 2);
    cw_ack_all(&cw, 1);
    aw_assert_parallelism(&cw, 2, 4);
    world_advance(&cw.w, 3600 * 1000);
    uint64_t id = cw_last_trigger(&cw);
    assert_int_equal(id, 2);
    task_acknowledge(old, id, "old");
    world_settle(&cw.w);
    cw_ack_all(&cw, id);
    assert_true(cw_exists(&cw, METADATA, id));
    struct jobmaster_stats stats;
    jobmaster_get_stats(cw.w.jm, &stats);
    assert_true(stats.updates_stale > 0);
    cw_fini(&cw);
}

/* What REST shows, and the store of ended jobs keeps. */
static void test_the_history_is_kept(void **state)
{
    struct checkpoint_world cw;
    struct error err = ERROR_INIT;
    const struct job_details *back = NULL;
    STR_AUTO bytes = STR_INIT;
    aw_init(&cw);
    world_set(&cw.w, "web.adaptive-scheduler.rescale-history.size", "5");
    aw_worker(&cw, 4);
    world_start(&cw.w);
    aw_require(&cw, (struct parallelism_bounds){1, 1}, (struct parallelism_bounds){1, 2});
    cw_ack_all(&cw, 1);
    const struct job_details *d = cw_details(&cw);
    job_details_pack(d, &bytes);
    assert_int_equal(job_details_unpack((uint8_t *)bytes.data, bytes.len, &back, &err), 0);
    const Flinc__ElasticJob *e = back->elastic;
    assert_int_equal(e->bounds[1]->upper, 2);
    assert_int_equal(e->n_rescales, 2);
    assert_int_equal(e->rescales[1]->cause, FLINC__RESCALE_CAUSE__RESCALE_UPDATE_REQUIREMENT);
    assert_int_equal(e->rescales[1]->end, FLINC__RESCALE_END__RESCALE_COMPLETED);
    assert_int_equal(e->rescales[1]->vertices[1]->before, 4);
    assert_int_equal(e->rescales[1]->vertices[1]->after, 2);
    job_details_unref(back);
    job_details_unref(d);
    cw_fini(&cw);
}

/* Few task managers rather than many. */
static void test_slots_are_taken_on_few_workers(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    aw_worker(&cw, 1);
    aw_worker(&cw, 3);
    world_start(&cw.w);
    aw_assert_parallelism(&cw, 2, 4);
    aw_require(&cw, (struct parallelism_bounds){1, 2}, (struct parallelism_bounds){1, 3});
    cw_ack_all(&cw, 1);
    aw_assert_parallelism(&cw, 2, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(world_task(&cw.w, "Count", i)->worker->number, 1);
    }
    cw_fini(&cw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_slots_are_there_at_once),
        cmocka_unit_test(test_it_runs_with_the_slots_that_there_are),
        cmocka_unit_test(test_too_few_slots_fail_the_job),
        cmocka_unit_test(test_it_scales_up_with_new_slots),
        cmocka_unit_test(test_it_waits_for_rest_before_it_scales_up),
        cmocka_unit_test(test_the_cooldown_comes_first),
        cmocka_unit_test(test_failed_checkpoints_do_not_hold_it_up),
        cmocka_unit_test(test_it_does_not_wait_for_ever),
        cmocka_unit_test(test_a_lost_worker_scales_it_down),
        cmocka_unit_test(test_other_requirements_rescale_it),
        cmocka_unit_test(test_bad_requirements_are_refused),
        cmocka_unit_test(test_the_default_scheduler_refuses_requirements),
        cmocka_unit_test(test_failures_on_the_way),
        cmocka_unit_test(test_the_first_start_is_tried_again),
        cmocka_unit_test(test_cancelled_while_it_waits),
        cmocka_unit_test(test_no_rescale_while_it_stops),
        cmocka_unit_test(test_old_attempts_are_strangers),
        cmocka_unit_test(test_the_history_is_kept),
        cmocka_unit_test(test_slots_are_taken_on_few_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
