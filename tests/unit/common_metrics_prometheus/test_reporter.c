/* Reporters by configuration, scraped over HTTP: the whole text of a small registry. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/metrics/prometheus/prometheus.h"
#include "common/net/client/http_client.h"
#include <stdio.h>

#define CLASS "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"

struct bench {
    struct metric_registry *registry;
    struct metric_group *jm, *task;
    struct conf conf;
    struct prometheus_reporters *reporters;
};

static void gauge_text(void *arg, struct metric_value *ret)
{
    metric_value_set_text(ret, arg);
}

static void gauge_nan(void *arg, struct metric_value *ret)
{
    metric_value_set_f64(ret, 0.0 / 0.0);
}

static void bench_init(struct bench *b)
{
    const struct metric_variable jm[] = {{"host", "my-host"}};
    const struct metric_variable task[] = {{"host", "h"},
                                           {"tm_id", "h:1-ab"},
                                           {"job_name", "insert-into_x"},
                                           {"task_name", "Map \"1\""}};
    *b = (struct bench){0};
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &b->registry, NULL),
                     0);
    b->jm = metric_group_new(b->registry, NULL, METRIC_SCOPE_JM, jm, ARRAY_LEN(jm));
    metric_gauge_set(metric_group_gauge(b->jm, "numRunningJobs"), 3);
    metric_group_gauge_fn(b->jm, "yes", gauge_text, "true");
    metric_group_gauge_fn(b->jm, "text", gauge_text, "some");
    metric_group_gauge_fn(b->jm, "none", gauge_nan, NULL);
    b->task = metric_group_new(b->registry, NULL, METRIC_SCOPE_TASK, task, ARRAY_LEN(task));
    metric_counter_add(metric_group_counter(b->task, "numRecordsIn"), 1234567890123);
    struct metric_group *buffers = metric_group_add(b->task, "buffers");
    metric_gauge_set(metric_group_gauge(buffers, "inPoolUsage"), 1);
    struct metric_group *topic = metric_group_add_pair(b->task, "topic", "a.b");
    metric_gauge_set(metric_group_gauge(topic, "offset"), 17);
    struct metric_histogram *h = metric_group_histogram(b->task, "latency");
    metric_histogram_add(h, 4);
    conf_init(&b->conf, NULL);
}

static void set(struct bench *b, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    if (conf_set(&b->conf, key, value, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void start(struct bench *b)
{
    struct error err = ERROR_INIT;
    if (prometheus_reporter_start(&b->conf, b->registry, &b->reporters, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void bench_fini(struct bench *b)
{
    prometheus_reporter_stop(b->reporters);
    conf_fini(&b->conf);
    metric_group_free(b->task);
    metric_group_free(b->jm);
    metric_registry_free(b->registry);
}

static void scrape(struct bench *b, const char *path, struct str *ret_text)
{
    struct http_client *c = NULL;
    struct error err = ERROR_INIT;
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", prometheus_reporter_port(b->reporters, 0),
             path);
    struct http_exchange x = {.method = "GET", .url = url};
    assert_int_equal(http_client_new(NULL, &c, &err), 0);
    assert_int_equal(http_client_run(c, &x, &err), 0);
    assert_int_equal(x.status, 200);
    *ret_text = x.answer;
    http_client_free(c);
}

static void test_text(void **state)
{
    static const char expected[] =
        "# HELP flink_jobmanager_numRunningJobs numRunningJobs (scope: jobmanager)\n"
        "# TYPE flink_jobmanager_numRunningJobs gauge\n"
        "flink_jobmanager_numRunningJobs{host=\"my_host\",} 3.0\n"
        "# HELP flink_jobmanager_yes yes (scope: jobmanager)\n"
        "# TYPE flink_jobmanager_yes gauge\n"
        "flink_jobmanager_yes{host=\"my_host\",} 1.0\n"
        "# HELP flink_jobmanager_text text (scope: jobmanager)\n"
        "# TYPE flink_jobmanager_text gauge\n"
        "flink_jobmanager_text{host=\"my_host\",} 0.0\n"
        "# HELP flink_jobmanager_none none (scope: jobmanager)\n"
        "# TYPE flink_jobmanager_none gauge\n"
        "flink_jobmanager_none{host=\"my_host\",} NaN\n";
#define LABELS "host=\"h\",tm_id=\"h:1_ab\",job_name=\"insert_into_x\",task_name=\"Map__1_\","
    static const char *const task[] = {
        "# TYPE flink_taskmanager_job_task_numRecordsIn gauge\n"
        "flink_taskmanager_job_task_numRecordsIn{" LABELS "} 1234567890123.0\n",
        "# HELP flink_taskmanager_job_task_buffers_inPoolUsage inPoolUsage (scope: "
        "taskmanager_job_task_buffers)\n",
        "flink_taskmanager_job_task_buffers_inPoolUsage{" LABELS "} 1.0\n",
        "flink_taskmanager_job_task_topic_offset{topic=\"a_b\"," LABELS "} 17.0\n",
        "# TYPE flink_taskmanager_job_task_latency summary\n"
        "flink_taskmanager_job_task_latency_count{" LABELS "} 1.0\n"
        "flink_taskmanager_job_task_latency{" LABELS "quantile=\"0.5\",} 4.0\n"
        "flink_taskmanager_job_task_latency{" LABELS "quantile=\"0.75\",} 4.0\n",
        "quantile=\"0.999\",} 4.0\n",
    };
    struct bench b;
    bench_init(&b);
    set(&b, "metrics.reporter.prom.factory.class", CLASS);
    set(&b, "metrics.reporter.prom.port", "0");
    start(&b);
    assert_int_equal(prometheus_reporter_count(b.reporters), 1);
    static const char *const paths[] = {"/metrics", "/", "/any/path?x=1"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        STR_AUTO text = STR_INIT;
        scrape(&b, paths[i], &text);
        assert_true(slice_starts_with(str_slice(&text), expected));
        for (size_t k = 0; k < ARRAY_LEN(task); k++) {
            if (strstr(str_cstr(&text), task[k]) == NULL) {
                fail_msg("missing: %s\nin: %s", task[k], str_cstr(&text));
            }
        }
    }
    bench_fini(&b);
}

static void test_options(void **state)
{
    struct bench b;
    STR_AUTO text = STR_INIT;
    bench_init(&b);
    set(&b, "metrics.reporters", "prom");
    set(&b, "metrics.reporter.prom.factory.class", "prometheus");
    set(&b, "metrics.reporter.prom.port", "0");
    set(&b, "metrics.reporter.prom.filterLabelValueCharacters", "false");
    set(&b, "metrics.reporter.prom.scope.variables.excludes", "host;tm_id");
    set(&b, "metrics.reporter.prom.scope.variables.additional", "region:eu-west,team:a b");
    set(&b, "metrics.reporter.prom.filter.includes", "*.task;*.task.*:offset");
    set(&b, "metrics.reporter.prom.filter.excludes", "*:*:histogram");
    set(&b, "metrics.reporter.other.factory.class", CLASS); /* not in metrics.reporters */
    start(&b);
    assert_int_equal(prometheus_reporter_count(b.reporters), 1);
    scrape(&b, "/", &text);
    assert_string_equal(
        str_cstr(&text),
        "# HELP flink_taskmanager_job_task_numRecordsIn numRecordsIn (scope: "
        "taskmanager_job_task)\n"
        "# TYPE flink_taskmanager_job_task_numRecordsIn gauge\n"
        "flink_taskmanager_job_task_numRecordsIn{job_name=\"insert-into_x\","
        "task_name=\"Map \\\"1\\\"\",region=\"eu-west\",team=\"a b\",} 1234567890123.0\n"
        "# HELP flink_taskmanager_job_task_topic_offset offset (scope: "
        "taskmanager_job_task_topic)\n"
        "# TYPE flink_taskmanager_job_task_topic_offset gauge\n"
        "flink_taskmanager_job_task_topic_offset{topic=\"a.b\",job_name=\"insert-into_x\","
        "task_name=\"Map \\\"1\\\"\",region=\"eu-west\",team=\"a b\",} 17.0\n");
    bench_fini(&b);
}

static void visit_workers(void *arg,
                          void (*fn)(void *fn_arg, const struct prometheus_sample *sample),
                          void *fn_arg)
{
    const struct metric_variable variables[] = {{"tm_id", "t:1"}, {"job_name", "j"}};
    struct prometheus_sample s = {.scope = "taskmanager.job.task.buffers",
                                  .metric = "inPoolUsage",
                                  .kind = METRIC_GAUGE,
                                  .variables = variables,
                                  .n_variables = ARRAY_LEN(variables)};
    metric_value_set_f64(&s.value, 0.5);
    fn(fn_arg, &s);
    s.scope = "taskmanager.job.task";
    s.metric = "delay";
    s.kind = METRIC_HISTOGRAM;
    metric_value_set_i64(&s.value, 9);
    fn(fn_arg, &s);
}

static void test_metrics_of_others(void **state)
{
    struct bench b;
    STR_AUTO text = STR_INIT;
    const struct prometheus_source source = {.visit = visit_workers};
    bench_init(&b);
    set(&b, "metrics.reporter.prom.factory.class", CLASS);
    set(&b, "metrics.reporter.prom.port", "0");
    start(&b);
    prometheus_reporter_set_source(b.reporters, &source);
    scrape(&b, "/", &text);
    /* Of one name with ours: before them, under one head. */
    assert_non_null(
        strstr(str_cstr(&text),
               " gauge\nflink_taskmanager_job_task_buffers_inPoolUsage{tm_id=\"t:1\","
               "job_name=\"j\",} 0.5\nflink_taskmanager_job_task_buffers_inPoolUsage{host=\"h\""));
    assert_non_null(
        strstr(str_cstr(&text),
               "# TYPE flink_taskmanager_job_task_delay summary\n"
               "flink_taskmanager_job_task_delay_count{tm_id=\"t:1\",job_name=\"j\",} 9.0\n"));
    assert_null(strstr(str_cstr(&text), "task_delay{"));
    bench_fini(&b);
}

struct seen {
    char lines[4096];
};

static void see(void *arg, enum log_level level, const char *line)
{
    struct seen *s = arg;
    size_t len = strlen(s->lines);
    snprintf(s->lines + len, sizeof(s->lines) - len, "%s\n", line);
}

static void test_ports(void **state)
{
    struct bench a, b;
    struct seen seen = {""};
    char port[32];
    log_set_sink(see, &seen);
    bench_init(&a);
    set(&a, "metrics.reporter.prom.factory.class", CLASS);
    set(&a, "metrics.reporter.prom.port", "0");
    start(&a);
    uint32_t taken = prometheus_reporter_port(a.reporters, 0);
    snprintf(port, sizeof(port), "answers on port %u", taken);
    assert_non_null(strstr(seen.lines, port));

    /* The first free one of a list; then none. */
    snprintf(port, sizeof(port), "%u, 0", taken);
    bench_init(&b);
    set(&b, "metrics.reporter.prom.factory.class", CLASS);
    set(&b, "metrics.reporter.prom.port", port);
    start(&b);
    assert_int_equal(prometheus_reporter_count(b.reporters), 1);
    assert_int_not_equal(prometheus_reporter_port(b.reporters, 0), taken);
    b.reporters = prometheus_reporter_stop(b.reporters);
    snprintf(port, sizeof(port), "%u-%u", taken, taken);
    set(&b, "metrics.reporter.prom.port", port);
    start(&b);
    assert_int_equal(prometheus_reporter_count(b.reporters), 0);
    assert_non_null(strstr(seen.lines, "in use by another process"));
    bench_fini(&b);
    bench_fini(&a);
    log_set_sink(NULL, NULL);
}

static void test_refused(void **state)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        {"metrics.reporter.prom.port", "nine"},
        {"metrics.reporter.prom.port", "9260-9250"},
        {"metrics.reporter.prom.port", "70000"},
        {"metrics.reporter.prom.filter.includes", "a:b:c:d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        struct error err = ERROR_INIT;
        bench_init(&b);
        set(&b, "metrics.reporter.prom.factory.class", CLASS);
        set(&b, rows[i].key, rows[i].value);
        assert_int_equal(prometheus_reporter_start(&b.conf, b.registry, &b.reporters, &err),
                         ERR_INVALID_CONFIG);
        assert_null(b.reporters);
        bench_fini(&b);
    }
    struct seen seen = {""};
    struct bench b;
    bench_init(&b);
    log_set_sink(see, &seen);
    set(&b, "metrics.reporters", "jmx,prom");
    set(&b, "metrics.reporter.jmx.factory.class",
        "org.apache.flink.metrics.jmx.JMXReporterFactory");
    start(&b);
    log_set_sink(NULL, NULL);
    assert_int_equal(prometheus_reporter_count(b.reporters), 0);
    assert_non_null(strstr(seen.lines, "JMXReporterFactory is not available here"));
    assert_non_null(strstr(seen.lines, "metrics.reporter.prom.factory.class: (not set)"));
    bench_fini(&b);
}

static int no_threads_left(void **state)
{
    return thread_count();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_metrics_of_others),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, no_threads_left);
}
