/* Jobs on a worker: edges, chains, co-operators, side outputs, time-outs, back pressure, metrics, and no
 * allocation on the data path. */
#include "tests/unit/taskmanager_worker/test_job.h"
#include <stdlib.h>

static int64_t sum_below(int64_t n)
{
    return n * (n - 1) / 2;
}

static void run_pipeline(Flinc__PartitionerKind kind, uint32_t sources, uint32_t sinks,
                         enum job_order order)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(kind, sources, sinks, &(struct test_config){.rows = 10000, .batch_rows = 300},
                     &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, order);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    int64_t copies = kind == PARTITION(BROADCAST) ? sinks : 1;
    assert_int_equal(counts.rows, 10000 * sources * copies);
    assert_int_equal(counts.sum, sum_below(10000) * sources * copies);
    assert_int_equal(counts.ended, sinks);
    assert_int_equal(counts.closed, sinks);
    uint64_t records_out = 0, records_in = 0, bytes_out = 0, bytes_in = 0;
    for (uint32_t i = 0; i < c.n_tasks; i++) {
        records_out += c.tasks[i].records_out;
        records_in += c.tasks[i].records_in;
        bytes_out += c.tasks[i].bytes_out;
        bytes_in += c.tasks[i].bytes_in;
        assert_int_equal(c.tasks[i].n_states, 3);
        assert_int_equal(c.tasks[i].states[0], STATE(INITIALIZING));
        assert_int_equal(c.tasks[i].states[1], STATE(RUNNING));
    }
    assert_int_equal(records_out, 10000 * sources);
    assert_int_equal(records_in, 10000 * sources * (uint64_t)copies);
    assert_int_equal(bytes_in, bytes_out);
    assert_int_equal(bytes_in, records_in * sizeof(int64_t));
    cluster_close(&c);
}

static void test_every_partitioner(void **state)
{
    (void)state;
    run_pipeline(PARTITION(FORWARD), 2, 2, JOB_SOURCES_FIRST);
    run_pipeline(PARTITION(HASH), 1, 1, JOB_SOURCES_FIRST);
    run_pipeline(PARTITION(HASH), 2, 3, JOB_SINKS_FIRST);
    run_pipeline(PARTITION(REBALANCE), 2, 3, JOB_SOURCES_FIRST);
    run_pipeline(PARTITION(RESCALE), 2, 4, JOB_SINKS_FIRST);
    run_pipeline(PARTITION(RESCALE), 4, 2, JOB_SOURCES_FIRST);
    run_pipeline(PARTITION(BROADCAST), 2, 2, JOB_SOURCES_FIRST);
    run_pipeline(PARTITION(SHUFFLE), 2, 2, JOB_SOURCES_FIRST);
    run_pipeline(PARTITION(GLOBAL), 2, 2, JOB_SINKS_FIRST);
}

static void test_a_job_without_rows(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(HASH), 2, 2, &(struct test_config){.rows = 0},
                                  &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.rows, 0);
    assert_int_equal(counts.ended, 2);
    cluster_close(&c);
}

/* Source -> Map -> Flat Map (3 copies) -> Hold, chained, then a sink. */
static void test_a_chain(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts map = {0}, flat = {0}, hold = {0}, sink = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(REBALANCE), 1, 2,
                                  &(struct test_config){.rows = 5000, .batch_rows = 1000},
                                  &(struct test_config){.counts = &sink, .accumulate = true});
    struct job_vertex *v = &job.vertices[0];
    v->operators[1] = (struct job_operator){"test.map", "Map", {.counts = &map}, 1};
    v->operators[2] =
        (struct job_operator){"test.flat_map", "Flat Map", {.batch_rows = 3, .counts = &flat}, 1};
    v->operators[3] = (struct job_operator){"test.hold", "Hold", {.counts = &hold}, 1};
    v->n_operators = 4;
    job.edges[0].source_operator = 3;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(sink.rows, 15000);
    assert_int_equal(sink.sum, 3 * sum_below(5000));
    assert_int_equal(map.ended, 1);
    assert_int_equal(flat.resumed, 15);
    assert_true(hold.flushed >= 1);
    assert_int_equal(cluster_task(&c, 0, 0)->records_out, 15000);
    assert_int_equal(cluster_task(&c, 1, 0)->accumulated + cluster_task(&c, 1, 1)->accumulated,
                     15000);
    cluster_close(&c);
}

static void test_side_outputs_and_unconnected_ones(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts main = {0}, side = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(HASH), 1, 2, &(struct test_config){.rows = 3000, .batch_rows = 100},
                     &(struct test_config){.counts = &main});
    job.vertices[0].operators[1] =
        (struct job_operator){"test.split", "Split", {.side_modulo = 3}, 2};
    job.vertices[0].n_operators = 2;
    job.edges[0].source_operator = 1;
    job.vertices[2] =
        (struct job_vertex){"Side", 1, {{"test.sink", "Side", {.counts = &side}, 0}}, 1};
    job.n_vertices = 3;
    job.edges[1] = (struct job_edge){.source = 0,
                                     .source_operator = 1,
                                     .source_output = 1,
                                     .target = 2,
                                     .kind = PARTITION(REBALANCE)};
    job.n_edges = 2;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(main.rows, 2000);
    assert_int_equal(side.rows, 1000);
    assert_int_equal(main.sum + side.sum, sum_below(3000));
    job.n_edges = 1; /* now the side output leads nowhere */
    job.n_vertices = 2;
    c.attempt++;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(main.rows, 4000);
    assert_int_equal(side.rows, 1000);
    cluster_close(&c);
}

/* Two sources into input 0 (a union), one into input 1 of a co-operator. */
static void test_union_and_two_inputs(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts co = {0}, sink = {0};
    cluster_open(&c, NULL);
    struct job job = {.n_vertices = 4, .n_edges = 3};
    for (uint32_t i = 0; i < 3; i++) {
        job.vertices[i] = (struct job_vertex){
            "Source",
            2,
            {{"test.source", "Source", {.rows = 1000 * (i + 1), .batch_rows = 77}, 1}},
            1};
        job.edges[i] = (struct job_edge){
            .source = i, .target = 3, .target_input = i / 2, .kind = PARTITION(REBALANCE)};
    }
    job.vertices[3] = (struct job_vertex){
        "Co",
        2,
        {{"test.co", "Co", {.counts = &co}, 1}, {"test.sink", "Sink", {.counts = &sink}, 0}},
        2};
    cluster_deploy(&c, &job, JOB_SINKS_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(co.rows_by_input[0], 2 * (1000 + 2000));
    assert_int_equal(co.rows_by_input[1], 2 * 3000);
    assert_int_equal(co.ended, 2 * 2);
    assert_int_equal(sink.rows, 2 * 6000);
    assert_int_equal(sink.ended, 2);
    cluster_close(&c);
}

static void test_a_source_that_waits_for_time(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(
        PARTITION(HASH), 1, 2, &(struct test_config){.rows = 50, .batch_rows = 5, .idle_every = 1},
        &(struct test_config){.counts = &counts});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.rows, 50);
    assert_true(cluster_task(&c, 0, 0)->idle_ms >= 1);
    cluster_close(&c);
}

/* ---- buffer time-out ---------------------------------------------------------------------------- */

static bool sink_has_rows(const struct test_counts *c)
{
    return c->rows > 0;
}

static void run_buffer_timeout(Flinc__RuntimeMode mode, const char *enabled, const char *interval,
                               int64_t expected_batches)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(HASH), 1, 2, &(struct test_config){.rows = 4000, .batch_rows = 100},
                     &(struct test_config){.counts = &counts});
    flinc__key_value__init(&job.config[0]);
    flinc__key_value__init(&job.config[1]);
    job.config[0].key = "execution.buffer-timeout.enabled";
    job.config[0].value = (char *)enabled;
    job.config[1].key = "execution.buffer-timeout.interval";
    job.config[1].value = (char *)interval;
    job.n_config = 2;
    job.mode = mode;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.rows, 4000);
    if (expected_batches > 0) {
        assert_true(counts.batches <= expected_batches);
    }
    cluster_close(&c);
}

static void test_buffer_timeouts(void **state)
{
    (void)state;
    const Flinc__RuntimeMode streaming = FLINC__RUNTIME_MODE__RUNTIME_STREAMING;
    run_buffer_timeout(streaming, "false", "5 ms", 2 * 2); /* full batches, and the rest */
    run_buffer_timeout(streaming, "true", "0 ms", 0);
    run_buffer_timeout(streaming, "true", "1 ms", 0);
    run_buffer_timeout(FLINC__RUNTIME_MODE__RUNTIME_BATCH, "true", "0 ms", 2 * 2);
}

/* A pause of the input sends what is half built, although the time-out is long. */
static void test_a_pause_flushes(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts source = {0}, counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(HASH), 1, 2,
                                  &(struct test_config){.rows = -1,
                                                        .batch_rows = 5,
                                                        .wait_for_event = true,
                                                        .idle_every = 1,
                                                        .counts = &source},
                                  &(struct test_config){.counts = &counts});
    flinc__key_value__init(&job.config[0]);
    job.config[0].key = "execution.buffer-timeout.interval";
    job.config[0].value = "1 h";
    job.n_config = 1;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    cluster_send_event(&c, cluster_task(&c, 0, 0), 0, "go", 1);
    cluster_step(&c);
    test_counts_wait(&counts, sink_has_rows);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(CANCELED));
    cluster_close(&c);
}

static void test_bad_configuration_is_refused(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(HASH), 1, 1, &(struct test_config){.rows = 10, .batch_rows = 5},
                     &(struct test_config){.counts = &counts});
    flinc__key_value__init(&job.config[0]);
    job.config[0].key = "task.cancellation.timeout";
    job.config[0].value = "soon";
    job.n_config = 1;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    assert_true(cluster_task(&c, 0, 0)->refused);
    assert_int_equal(cluster_task(&c, 0, 0)->error.code, ERR_INVALID_CONFIG);
    assert_non_null(strstr(cluster_task(&c, 0, 0)->error.message, "task.cancellation.timeout"));
    job.n_config = 0;
    c.attempt++;
    c.n_tasks = 0;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    cluster_close(&c);
}

/* ---- cancel, back pressure ----------------------------------------------------------------------- */

static bool sink_hangs(const struct test_counts *c)
{
    return c->reached;
}

static void test_cancel_wakes_every_wait(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts idle = {0};
    cluster_open(&c, NULL);
    /* The source waits for an event that does not come, the sink for input. */
    struct job job =
        job_pipeline(PARTITION(HASH), 2, 2,
                     &(struct test_config){.rows = 1, .wait_for_event = true, .counts = &idle},
                     &(struct test_config){0});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    test_counts_wait(&idle, sink_hangs);
    cluster_cancel_all(&c);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(CANCELED));
    assert_int_equal(idle.closed, idle.opened);
    cluster_close(&c);
}

static bool is_backpressured(struct test_cluster *c)
{
    bool found = false;
    struct str text = STR_INIT;
    metric_registry_dump(c->metrics, &text);
    found = strstr(str_cstr(&text), "Source.0.isBackPressured\tgauge\ttrue") != NULL;
    str_fini(&text);
    return found;
}

/* The sink hangs: the source stops after what the channel holds, and can be cancelled there. */
static void test_back_pressure_is_bounded(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(
        PARTITION(FORWARD), 1, 1, &(struct test_config){.rows = -1, .batch_rows = 1000},
        &(struct test_config){.counts = &counts, .hang_in = TEST_PROCESS});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    test_counts_wait(&counts, sink_hangs);
    while (!is_backpressured(&c)) {
        sched_yield();
    }
    struct str text = STR_INIT;
    metric_registry_dump(c.metrics, &text);
    static const char GAUGE[] = "Source.0.buffers.outputQueueLength\tgauge\t";
    const char *gauge = strstr(str_cstr(&text), GAUGE);
    assert_non_null(gauge);
    /* Full, or less what the sink took: a producer is woken when half is free. */
    assert_in_range(atoi(gauge + strlen(GAUGE)), CHANNEL_ELEMENTS_DEFAULT / 2 + 1,
                    CHANNEL_ELEMENTS_DEFAULT);
    str_fini(&text);
    cluster_cancel(&c, cluster_task(&c, 0, 0));
    atomic_store(&counts.release, true);
    event_count_signal(&counts.changed);
    cluster_cancel(&c, cluster_task(&c, 1, 0));
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(CANCELED));
    cluster_close(&c);
}

static void test_consumer_without_producer_gives_up(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(HASH), 3, 1, &(struct test_config){.rows = 1},
                                  &(struct test_config){.counts = &counts});
    flinc__key_value__init(&job.config[0]);
    job.config[0].key = "taskmanager.network.partition-request-timeout";
    job.config[0].value = "5 ms";
    job.n_config = 1;
    cluster_deploy_vertex(&c, &job, 1);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FAILED));
    const struct error *err = &cluster_task(&c, 1, 0)->error;
    assert_int_equal(err->code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err->message, "3 of 3 producers of input 0 did not come within 5 ms"));
    cluster_close(&c);
}

/* ---- metrics, allocations ------------------------------------------------------------------------ */

static void assert_metric(const char *dump, const char *name)
{
    if (strstr(dump, name) == NULL) {
        fail_msg("no metric %s in:\n%s", name, dump);
    }
}

static void test_metrics_by_flinks_names(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(FORWARD), 1, 1, &(struct test_config){.rows = 10, .batch_rows = 10},
                     &(struct test_config){.counts = &counts, .hang_in = TEST_PROCESS});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    test_counts_wait(&counts, sink_hangs);
    struct str text = STR_INIT;
    metric_registry_dump(c.metrics, &text);
    const char *dump = str_cstr(&text);
    assert_metric(dump, "localhost.taskmanager.worker.test_job.Sink.0.numRecordsIn\tcounter\t10\n");
    assert_metric(dump, "Sink.0.numBytesIn\tcounter\t80\n");
    assert_metric(dump, "Sink.0.numBuffersInLocal\tcounter\t1\n");
    assert_metric(dump, "Sink.0.numRecordsInPerSecond\tmeter\t");
    assert_metric(dump, "Sink.0.busyTimeMsPerSecond\tgauge\t");
    assert_metric(dump, "Sink.0.idleTimeMsPerSecond\tgauge\t");
    assert_metric(dump, "Sink.0.backPressuredTimeMsPerSecond\tgauge\t");
    assert_metric(dump, "Sink.0.buffers.inputQueueLength\tgauge\t");
    assert_metric(dump, "Sink.0.isBackPressured\tgauge\tfalse\n");
    str_fini(&text);
    atomic_store(&counts.release, true);
    event_count_signal(&counts.changed);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    cluster_close(&c);
}

/* Neither source, chain, exchange nor sink allocate once they are warm. */
static void test_no_allocation_on_the_data_path(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    cluster_open(&c, NULL);
    struct job job = job_pipeline(PARTITION(REBALANCE), 1, 1,
                                  &(struct test_config){.rows = 1000 * 12000, .batch_rows = 1000},
                                  &(struct test_config){.counts = &counts, .warm_batches = 2000});
    job.vertices[1].operators[1] = job.vertices[1].operators[0];
    job.vertices[1].operators[0] = (struct job_operator){"test.map", "Map", {0}, 1};
    job.vertices[1].n_operators = 2;
    static char whole_key[] = "task.batch.processing-time", whole[] = "0 ms"; /* no parts */
    job.config[job.n_config].key = whole_key;
    job.config[job.n_config++].value = whole;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(counts.batches, 12000);
    assert_int_equal(counts.allocations, 0);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_partitioner),
        cmocka_unit_test(test_a_job_without_rows),
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_side_outputs_and_unconnected_ones),
        cmocka_unit_test(test_union_and_two_inputs),
        cmocka_unit_test(test_a_source_that_waits_for_time),
        cmocka_unit_test(test_buffer_timeouts),
        cmocka_unit_test(test_a_pause_flushes),
        cmocka_unit_test(test_bad_configuration_is_refused),
        cmocka_unit_test(test_cancel_wakes_every_wait),
        cmocka_unit_test(test_back_pressure_is_bounded),
        cmocka_unit_test(test_consumer_without_producer_gives_up),
        cmocka_unit_test(test_metrics_by_flinks_names),
        cmocka_unit_test(test_no_allocation_on_the_data_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
