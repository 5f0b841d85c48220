/* Messages of the job master and to it: repeated, stale and bad ones, reports, shutdown, events. */
#include "tests/unit/taskmanager_worker/test_job.h"

static void test_repeated_deployments_change_nothing(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(HASH), 2, 2, &(struct test_config){.rows = 100, .batch_rows = 10},
                     &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_deploy(&c, &job, JOB_SINKS_FIRST);
    cluster_step(&c);
    assert_int_equal(worker_n_tasks(c.worker), 0);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.rows, 200);
    cluster_cancel_all(&c); /* nothing to cancel any more */
    cluster_step(&c);
    cluster_close(&c);
}

static void test_other_tokens_are_dropped(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(HASH), 1, 1, &(struct test_config){.rows = -1, .batch_rows = 10},
                     &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__Shutdown shutdown = FLINC__SHUTDOWN__INIT;
    uint8_t stale[] = "a deposed master";
    message.fencing_token = (ProtobufCBinaryData){sizeof(stale), stale};
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_SHUTDOWN;
    message.shutdown = &shutdown;
    cluster_send(&c, &message);
    cluster_step(&c);
    assert_false(c.shutdown_done);
    assert_int_equal(worker_n_tasks(c.worker), 2);
    message.fencing_token = (ProtobufCBinaryData){0};
    cluster_send(&c, &message);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(CANCELED));
    assert_true(c.shutdown_done);
    c.attempt++;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    assert_true(cluster_task(&c, 0, 0)->refused);
    assert_string_equal(cluster_task(&c, 0, 0)->error.message, "worker worker is shutting down");
    cluster_close(&c);
}

static void test_a_lost_master_cancels(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(HASH), 1, 1, &(struct test_config){.rows = -1, .batch_rows = 10},
                     &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    rpc_channel_close(c.channel);
    while (worker_n_tasks(c.worker) > 0) {
        cluster_step(&c);
        sched_yield();
    }
    cluster_close(&c);
}

/* A master that does not keep up: what it does not take waits in order. */
static void test_a_slow_master(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    struct clock_manual clock;
    clock_manual_init(&clock);
    cluster_open_limited(
        &c, &(struct worker_options){.mode = COMPONENT_MANUAL, .clock = &clock.base}, 2);
    struct job job =
        job_pipeline(PARTITION(HASH), 3, 3, &(struct test_config){.rows = 100, .batch_rows = 10},
                     &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    component_run_until_idle(worker_component(c.worker), 0);
    while (worker_n_tasks(c.worker) > 0) {
        component_run_until_idle(worker_component(c.worker), 0);
        sched_yield();
    }
    cluster_step(&c);
    for (int i = 0; i < 3 * 6; i++) {
        clock_manual_advance_ms(&clock, 10);
        cluster_step(&c);
    }
    cluster_assert_all(&c, STATE(FINISHED));
    for (uint32_t i = 0; i < c.n_tasks; i++) {
        assert_int_equal(c.tasks[i].n_states, 3);
        assert_int_equal(c.tasks[i].states[0], STATE(INITIALIZING));
        assert_int_equal(c.tasks[i].states[1], STATE(RUNNING));
    }
    cluster_close(&c);
}

static bool has_report(struct test_cluster *c)
{
    return c->n_reports > 0;
}

static void test_reports(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    struct clock_manual clock;
    clock_manual_init(&clock);
    cluster_open(&c, &(struct worker_options){.mode = COMPONENT_MANUAL,
                                              .clock = &clock.base,
                                              .report_interval_ms = 1000});
    struct job job =
        job_pipeline(PARTITION(HASH), 1, 2, &(struct test_config){.rows = -1, .batch_rows = 10},
                     &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__ReportRequest request = FLINC__REPORT_REQUEST__INIT;
    request.request_id = 77;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_REPORT_REQUEST;
    message.report_request = &request;
    cluster_send(&c, &message);
    cluster_run_until(&c, has_report);
    assert_int_equal(c.n_reports, 1);
    assert_int_equal(c.last_report_id, 77);
    assert_int_equal(c.n_reported_tasks, 3);
    c.n_reports = 0;
    clock_manual_advance_ms(&clock, 1000);
    cluster_run_until(&c, has_report);
    assert_int_equal(c.last_report_id, 0);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    cluster_close(&c);
}

/* ---- events ------------------------------------------------------------------------------------- */

static void test_events_both_ways(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts source = {0}, counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(HASH), 2, 1,
                                  &(struct test_config){.rows = 20,
                                                        .batch_rows = 10,
                                                        .wait_for_event = true,
                                                        .send_event = true,
                                                        .counts = &source},
                                  &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    for (uint32_t i = 0; i < 2; i++) {
        cluster_send_event(&c, cluster_task(&c, 0, i), 0, "split", 1);
        cluster_send_event(&c, cluster_task(&c, 0, i), 0, "split", 1); /* repeated */
        cluster_send_event(&c, cluster_task(&c, 0, i), 0, "more", 2);
    }
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.rows, 40);
    assert_in_range(source.events, 2, 4); /* the second may find a source that has ended */
    const char *events = str_cstr(&c.events);
    for (uint32_t i = 0; i < 2; i++) {
        char first[32], second[32];
        snprintf(first, sizeof(first), "%u:1:hello;", i);
        snprintf(second, sizeof(second), "%u:2:again;", i);
        assert_non_null(strstr(events, first));
        assert_true(strstr(events, second) > strstr(events, first));
    }
    cluster_close(&c);
}

static void run_bad_event(uint32_t op, uint64_t sequence, const char *message)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(FORWARD), 1, 1,
                                  &(struct test_config){.rows = 20, .wait_for_event = true},
                                  &(struct test_config){.counts = &counts});
    job.vertices[0].operators[1] = (struct job_operator){"test.map", "Map", {0}, 1};
    job.vertices[0].n_operators = 2;
    job.edges[0].source_operator = 1;
    cluster_deploy_vertex(&c, &job, 0);
    cluster_step(&c);
    cluster_send_event(&c, cluster_task(&c, 0, 0), op, "what", sequence);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FAILED));
    assert_non_null(strstr(cluster_task(&c, 0, 0)->error.message, message));
    cluster_close(&c);
}

static void test_bad_events_fail_the_task(void **state)
{
    (void)state;
    run_bad_event(0, 3, "events of the coordinator got lost: number 3 after 0");
    run_bad_event(1, 1, "the operator does not take events");
    run_bad_event(7, 1, "an event for an operator that the task does not have");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated_deployments_change_nothing),
        cmocka_unit_test(test_other_tokens_are_dropped),
        cmocka_unit_test(test_a_lost_master_cancels),
        cmocka_unit_test(test_a_slow_master),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_events_both_ways),
        cmocka_unit_test(test_bad_events_fail_the_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
