/* Shapes of jobs: lists, details, results, exceptions. */
#include "tests/unit/jobmanager_rest/fixture.h"

static void details_of_a_running_job(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    struct shape_text s;
    shape_begin(&s);
    rest_write_job(&s.w, d);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "jid"), JOB_ID);
    assert_string_equal(text_at(s.root, "name"), "two \"vertices\"");
    assert_string_equal(text_at(s.root, "state"), "RUNNING");
    assert_false(bool_at(s.root, "isStoppable"));
    assert_int_equal(int_at(s.root, "start-time"), STARTED_MS);
    assert_int_equal(int_at(s.root, "end-time"), -1);
    assert_int_equal(int_at(s.root, "duration"), TAKEN_MS - STARTED_MS);
    assert_int_equal(int_at(s.root, "maxParallelism"), -1);
    assert_int_equal(int_at(s.root, "pending-operators"), 0);
    assert_int_equal(int_at(s.root, "timestamps.CREATED"), STARTED_MS + 1);
    assert_int_equal(int_at(s.root, "timestamps.FAILED"), 0);
    assert_int_equal(count_at(s.root, "timestamps"), JOB_STATUS_COUNT);
    assert_int_equal(count_at(s.root, "vertices"), 2);
    assert_string_equal(text_at(s.root, "vertices.0.name"), "Source: Text");
    assert_int_equal(int_at(s.root, "vertices.0.parallelism"), 2);
    assert_int_equal(int_at(s.root, "vertices.0.start-time"), STARTED_MS + 20);
    assert_int_equal(int_at(s.root, "vertices.0.end-time"), -1);
    assert_int_equal(int_at(s.root, "vertices.0.tasks.RUNNING"), 2);
    assert_int_equal(int_at(s.root, "vertices.0.tasks.RECONCILING"), 0);
    assert_int_equal(int_at(s.root, "vertices.1.metrics.read-records"), 21);
    assert_false(bool_at(s.root, "vertices.1.metrics.read-records-complete"));
    assert_int_equal(int_at(s.root, "status-counts.RUNNING"), 2);
    assert_int_equal(count_at(s.root, "status-counts"), 10);
    assert_int_equal(json_node_type(node_at(s.root, "plan.nodes")), JSON_TYPE_ARRAY);
    shape_fini(&s);
    job_details_unref(d);
}

static void details_of_an_ended_job(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_FINISHED);
    struct shape_text s;
    shape_begin(&s);
    rest_write_job(&s.w, d);
    shape_end(&s);
    assert_int_equal(int_at(s.root, "end-time"), STARTED_MS + 2000);
    assert_int_equal(int_at(s.root, "duration"), 2000);
    assert_int_equal(int_at(s.root, "vertices.0.end-time"), STARTED_MS + 1001);
    assert_int_equal(int_at(s.root, "vertices.0.duration"), 981);
    assert_true(bool_at(s.root, "vertices.0.metrics.write-bytes-complete"));
    shape_fini(&s);
    job_details_unref(d);
}

static void list_item(void **state)
{
    struct job_overview o = {.name = "n",
                             .status = JOB_STATUS_RUNNING,
                             .start_ms = 5,
                             .last_modification_ms = 6,
                             .tasks_total = 3};
    o.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING] = 2;
    o.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_FAILED] = 1;
    struct shape_text s;
    shape_begin(&s);
    rest_write_job_overview(&s.w, &o, 105);
    shape_end(&s);
    assert_string_equal(
        str_cstr(&s.text),
        "{\"jid\":\"00000000000000000000000000000000\",\"name\":\"n\",\"state\":\"RUNNING\","
        "\"jobType\":\"STREAMING\",\"schedulerType\":\"Default\",\"start-time\":5,\"end-time\":-1,"
        "\"duration\":100,\"last-modification\":6,\"tasks\":{\"total\":3,\"created\":0,"
        "\"scheduled\":0,\"deploying\":0,\"running\":2,\"finished\":0,\"canceling\":0,"
        "\"canceled\":0,\"failed\":1,\"reconciling\":0,\"initializing\":0},"
        "\"pending-operators\":0}");
    shape_fini(&s);
}

static void result(void **state)
{
    struct job_details *running = fixture_job(JOB_STATUS_RUNNING);
    struct job_details *failed = fixture_job(JOB_STATUS_FAILED);
    struct shape_text s;
    shape_begin(&s);
    rest_write_job_result(&s.w, running);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "status.id"), "IN_PROGRESS");
    shape_fini(&s);
    shape_begin(&s);
    rest_write_job_result(&s.w, failed);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "status.id"), "COMPLETED");
    assert_string_equal(text_at(s.root, "job-execution-result.application-status"), "FAILED");
    assert_int_equal(int_at(s.root, "job-execution-result.net-runtime"), 2000);
    assert_string_equal(text_at(s.root, "job-execution-result.failure-cause.class"),
                        "flinc.USER_CODE");
    assert_non_null(
        strstr(text_at(s.root, "job-execution-result.failure-cause.stack-trace"), "it broke"));
    assert_true(
        cstr_starts_with(text_at(s.root, "job-execution-result.failure-cause.serialized-throwable"),
                         "rO0ABXNyAClvcmcuYXBhY2hlLmZsaW5rLnV0aWwuU2VyaWFsaXplZFRocm93YWJsZ"));
    shape_fini(&s);
    job_details_unref(running);
    job_details_unref(failed);
}

static void exceptions(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    struct shape_text s;
    struct rest_exceptions_query q = {.max = 20};
    shape_begin(&s);
    rest_write_job_exceptions(&s.w, d, &q);
    shape_end(&s);
    assert_int_equal(count_at(s.root, "exceptionHistory.entries"), 1);
    assert_string_equal(text_at(s.root, "exceptionHistory.entries.0.exceptionName"),
                        "flinc.USER_CODE");
    assert_string_equal(text_at(s.root, "exceptionHistory.entries.0.stacktrace"),
                        "flinc.USER_CODE: it broke\n\twhile running Sink: Print (1/2)\n");
    assert_string_equal(text_at(s.root, "exceptionHistory.entries.0.taskName"),
                        "Sink: Print (1/2)");
    assert_string_equal(text_at(s.root, "exceptionHistory.entries.0.taskManagerId"), TM_1);
    assert_string_equal(
        text_at(s.root, "exceptionHistory.entries.0.concurrentExceptions.0.stacktrace"),
        "flinc.USER_CODE: so did I\n\twhile running Sink: Print (1/2)\n");
    assert_false(bool_at(s.root, "exceptionHistory.truncated"));
    assert_false(bool_at(s.root, "truncated"));
    assert_int_equal(int_at(s.root, "timestamp"), STARTED_MS + 30);
    assert_non_null(strstr(text_at(s.root, "root-exception"), "it broke"));
    shape_fini(&s);

    q = (struct rest_exceptions_query){.max = 0};
    shape_begin(&s);
    rest_write_job_exceptions(&s.w, d, &q);
    shape_end(&s);
    assert_int_equal(count_at(s.root, "exceptionHistory.entries"), 0);
    assert_true(bool_at(s.root, "exceptionHistory.truncated"));
    shape_fini(&s);

    q = (struct rest_exceptions_query){.max = 5, .only_labelled = true};
    shape_begin(&s);
    rest_write_job_exceptions(&s.w, d, &q);
    shape_end(&s);
    assert_int_equal(count_at(s.root, "exceptionHistory.entries"), 0);
    assert_false(bool_at(s.root, "exceptionHistory.truncated"));
    shape_fini(&s);
    job_details_unref(d);
}

static void configuration_and_accumulators(void **state)
{
    struct job_details *d = fixture_job(JOB_STATUS_RUNNING);
    struct shape_text s;
    shape_begin(&s);
    rest_write_job_config(&s.w, d);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "execution-config.restart-strategy"), "fixed delay");
    assert_int_equal(int_at(s.root, "execution-config.job-parallelism"), 2);
    assert_string_equal(text_at(node_at(s.root, "execution-config"), "execution-mode"),
                        "PIPELINED");
    assert_string_equal(
        json_node_as_string(
            json_node_find(node_at(s.root, "execution-config.user-config"), "pipeline.name"))
            .data,
        "two");
    shape_fini(&s);
    shape_begin(&s);
    rest_write_job_accumulators(&s.w, d);
    shape_end(&s);
    assert_string_equal(text_at(s.root, "user-task-accumulators.0.name"), "words");
    assert_string_equal(text_at(s.root, "user-task-accumulators.0.value"), "7");
    assert_int_equal(count_at(s.root, "job-accumulators"), 0);
    shape_fini(&s);
    job_details_unref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(details_of_a_running_job),
        cmocka_unit_test(details_of_an_ended_job),
        cmocka_unit_test(list_item),
        cmocka_unit_test(result),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(configuration_and_accumulators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
