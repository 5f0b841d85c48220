/* Shapes of vertices, subtasks, attempts and task managers; statistics. */
#include "common/base/build_info.h"
#include "tests/unit/jobmanager_rest/fixture.h"

static void vertex(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    struct shape_text s;
    shape_begin(&s);
    rest_write_vertex(&s.w, d, &d->vertices[1]);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "id"), SINK_ID);
    assert_int_equal(int_at(s.root, "maxParallelism"), 128);
    assert_int_equal(count_at(s.root, "subtasks"), 2);
    assert_int_equal(int_at(s.root, "subtasks.0.attempt"), 1);
    assert_string_equal(text_at(s.root, "subtasks.1.endpoint"), "tm-2:40002");
    assert_string_equal(text_at(s.root, "subtasks.1.host"), "tm-2");
    assert_string_equal(text_at(s.root, "subtasks.1.taskmanager-id"), TM_2);
    assert_int_equal(int_at(s.root, "subtasks.0.start-time"), STARTED_MS + 20);
    assert_int_equal(int_at(s.root, "subtasks.0.start_time"), STARTED_MS + 20);
    assert_int_equal(int_at(s.root, "subtasks.0.status-duration.CREATED"), 10);
    assert_int_equal(int_at(s.root, "subtasks.0.status-duration.RUNNING"), 4950);
    assert_int_equal(int_at(s.root, "aggregated.metrics.read-records.min"), 10);
    assert_int_equal(int_at(s.root, "aggregated.metrics.read-records.max"), 11);
    assert_int_equal(int_at(s.root, "aggregated.metrics.read-records.sum"), 21);
    assert_int_equal(int_at(s.root, "aggregated.metrics.accumulated-busy-time.avg"), 300);
    assert_int_equal(int_at(s.root, "aggregated.status-duration.RUNNING.p95"), 4950);
    assert_int_equal(count_at(s.root, "aggregated.metrics"), 7);
    assert_int_equal(count_at(s.root, "aggregated.status-duration"), 5);
    shape_fini(&s);
    job_details_unref(d);
}

static void attempts(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    const struct vertex_details *v = &d->vertices[1];
    struct rest_attempt prior = {d, v, 0, &v->subtasks[0].prior[0]};
    struct shape_text s;
    shape_begin(&s);
    rest_write_attempt(&s.w, &prior);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "status"), "FAILED");
    assert_int_equal(int_at(s.root, "end-time"), STARTED_MS + 1000);
    assert_int_equal(int_at(s.root, "duration"), 980);
    assert_int_equal(int_at(s.root, "status-duration.RUNNING"), 950);
    shape_fini(&s);
    shape_begin(&s);
    rest_write_attempt_accumulators(&s.w, &prior);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "user-accumulators.0.value"), "7");
    shape_fini(&s);
    job_details_unref(d);
}

static void not_deployed(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    struct attempt_details *a = &d->vertices[0].subtasks[1].current;
    struct shape_text s;
    memset(a, 0, sizeof(*a));
    shape_begin(&s);
    rest_write_attempt(&s.w, &(struct rest_attempt){d, &d->vertices[0], 1, a});
    shape_end(&s);
    assert_string_equal(text_at(s.root, "endpoint"), "(unassigned)");
    assert_int_equal(int_at(s.root, "start-time"), -1);
    assert_int_equal(int_at(s.root, "duration"), -1);
    assert_int_equal(int_at(s.root, "status-duration.RUNNING"), -1);
    shape_fini(&s);
    shape_begin(&s);
    rest_write_vertex_taskmanagers(&s.w, d, &d->vertices[0]);
    shape_end(&s);
    assert_int_equal(count_at(s.root, "taskmanagers"), 2);
    assert_string_equal(text_at(s.root, "taskmanagers.1.taskmanager-id"), "(unassigned)");
    assert_string_equal(text_at(s.root, "taskmanagers.1.status"), "CREATED");
    assert_string_equal(text_at(s.root, "taskmanagers.0.status"), "RUNNING");
    assert_int_equal(int_at(s.root, "taskmanagers.0.status-counts.RUNNING"), 1);
    assert_true(has(s.root, "taskmanagers.0.aggregated.metrics"));
    shape_fini(&s);
    job_details_unref(d);
}

static void times_and_accumulators(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    struct shape_text s;
    shape_begin(&s);
    rest_write_subtask_times(&s.w, d, &d->vertices[0]);
    shape_end(&s);
    assert_int_equal(int_at(s.root, "subtasks.0.duration"), 4990);
    assert_int_equal(int_at(s.root, "subtasks.0.timestamps.RUNNING"), STARTED_MS + 50);
    assert_int_equal(count_at(s.root, "subtasks.0.timestamps"), 10);
    shape_fini(&s);
    shape_begin(&s);
    rest_write_vertex_accumulators(&s.w, &d->vertices[0]);
    shape_end(&s);
    assert_int_equal(count_at(s.root, "user-accumulators"), 2);
    shape_fini(&s);
    shape_begin(&s);
    rest_write_subtask_accumulators(&s.w, &d->vertices[0]);
    shape_end(&s);
    assert_int_equal(int_at(s.root, "parallelism"), 2);
    assert_string_equal(text_at(s.root, "subtasks.1.user-accumulators.0.value"), "8");
    shape_fini(&s);
    job_details_unref(d);
}

static void statistics(void **state)
{
    int64_t values[] = {9, 1, 5, 3, 7};
    struct shape_text s;
    shape_begin(&s);
    rest_write_statistics(&s.w, values, 5);
    shape_end(&s);
    assert_string_equal(str_cstr(&s.text), "{\"min\":1,\"max\":9,\"avg\":5,\"sum\":25,"
                                           "\"median\":5,\"p25\":2,\"p75\":8,\"p95\":9}");
    shape_fini(&s);
    shape_begin(&s);
    rest_write_statistics(&s.w, NULL, 0);
    shape_end(&s);
    assert_int_equal(int_at(s.root, "max"), 0);
    shape_fini(&s);
}

static const char *no_metric(const void *arg, const char *name)
{
    return strcmp(name, "Status.JVM.Memory.Heap.Used") == 0 ? "12345" : NULL;
}

static void task_manager(void **state)
{
    Flinc__ExternalResource gpu = FLINC__EXTERNAL_RESOURCE__INIT;
    Flinc__ExternalResource *extended[] = {&gpu};
    Flinc__ResourceProfile dynamic = FLINC__RESOURCE_PROFILE__INIT;
    struct slot_usage usage = {.n_slots = 2, .n_tasks = 5, .n_dynamic = 1, .dynamic = &dynamic};
    gpu.name = (char *)"gpu";
    gpu.amount = 0.5;
    dynamic.managed_bytes = 3 << 20;
    dynamic.extended = extended;
    dynamic.n_extended = 1;
    struct taskmanager_details t = {
        .id = (char *)TM_1,
        .rpc_address = (char *)"tm-1:6122",
        .data_port = 40001,
        .n_slots = 4,
        .n_free = 2,
        .usages = &usage,
        .n_usages = 1,
    };
    flinc__resource_profile__init(&t.slot_profile);
    flinc__resource_profile__init(&t.total_profile);
    flinc__resource_profile__init(&t.free_profile);
    flinc__memory_configuration__init(&t.memory);
    flinc__hardware_description__init(&t.hardware);
    t.slot_profile.cpu_cores = 1.5;
    t.slot_profile.managed_bytes = 10 << 20;
    t.free_profile.cpu_cores = 3;
    t.free_profile.managed_bytes = 20 << 20;
    t.memory.task_heap = 77;
    struct shape_text s;
    shape_begin(&s);
    json_writer_object(&s.w);
    rest_put_taskmanager(&s.w, &t);
    json_writer_key(&s.w, "allocatedSlots");
    rest_write_slots(&s.w, &t);
    json_writer_key(&s.w, "metrics");
    rest_write_taskmanager_metrics(&s.w, no_metric, NULL);
    json_writer_end(&s.w);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "path"), "tm-1:6122");
    assert_int_equal(int_at(s.root, "freeResource.managedMemory"), 20);
    assert_true(double_at(s.root, "freeResource.cpuCores") == 3.0);
    assert_int_equal(int_at(s.root, "memoryConfiguration.taskHeap"), 77);
    assert_int_equal(count_at(s.root, "allocatedSlots"), 2);
    assert_int_equal(int_at(s.root, "allocatedSlots.0.assignedTasks"), 3);
    assert_int_equal(int_at(s.root, "allocatedSlots.0.resource.managedMemory"), 3);
    assert_true(double_at(s.root, "allocatedSlots.0.resource.extendedResources.gpu") == 0.5);
    assert_int_equal(int_at(s.root, "allocatedSlots.1.resource.managedMemory"), 10);
    assert_int_equal(count_at(s.root, "allocatedSlots.1.resource.extendedResources"), 0);
    assert_int_equal(int_at(s.root, "allocatedSlots.1.assignedTasks"), 2);
    assert_int_equal(int_at(s.root, "metrics.heapUsed"), 12345);
    assert_int_equal(int_at(s.root, "metrics.memorySegmentsTotal"), 0);
    assert_int_equal(count_at(s.root, "metrics.garbageCollectors"), 0);
    shape_fini(&s);
}

static void overview(void **state)
{
    struct resource_overview r = {.n_task_managers = 2, .n_slots = 4, .n_free = 1};
    struct job_counts jobs = {.running = 1, .finished = 2, .cancelled = 3, .failed = 4};
    struct shape_text s;
    shape_begin(&s);
    rest_write_overview(&s.w, &r, &jobs);
    shape_end(&s);
    STR_AUTO expected = STR_INIT;
    str_printf(&expected,
               "{\"taskmanagers\":2,\"slots-total\":4,\"slots-available\":1,"
               "\"jobs-running\":1,\"jobs-finished\":2,\"jobs-cancelled\":3,"
               "\"jobs-failed\":4,\"flink-version\":\"2.2.0\",\"flink-commit\":\"%s\"}",
               build_commit());
    assert_string_equal(str_cstr(&s.text), str_cstr(&expected));
    shape_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vertex),       cmocka_unit_test(attempts),
        cmocka_unit_test(not_deployed), cmocka_unit_test(times_and_accumulators),
        cmocka_unit_test(statistics),   cmocka_unit_test(task_manager),
        cmocka_unit_test(overview),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
