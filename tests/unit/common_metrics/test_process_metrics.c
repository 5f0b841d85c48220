/* Metrics of the process, and the table of names that it and others register by. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/fs/remote/statistics.h"
#include "common/metrics/metric_names.h"
#include "common/metrics/process_metrics.h"
#include <stdlib.h>

struct found {
    const char *name;
    double value;
    uint32_t n;
};

static void look(void *arg, const struct metric_sample *s)
{
    struct found *f = arg;
    const struct metric_name *row = metric_name_find(s->scope, s->name);
    if (row == NULL) {
        fail_msg("%s is not in the table of names", s->name);
    }
    assert_int_equal(row->kind, s->kind);
    f->n++;
    if (strcmp(s->name, f->name) == 0) {
        f->value = s->value.type == METRIC_VALUE_DOUBLE ? s->value.f64 : (double)s->value.i64;
    }
}

static double value_of(struct metric_registry *r, const char *name)
{
    struct found f = {.name = name, .value = -1};
    metric_registry_visit(r, NULL, look, &f);
    assert_int_equal(f.n, 55);
    assert_true(f.value >= 0);
    return f.value;
}

static void test_values(void **state)
{
    struct metric_registry *r;
    struct clock_manual clock;
    clock_manual_init(&clock);
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &r, NULL), 0);
    struct metric_group *jm = metric_group_new(r, NULL, METRIC_SCOPE_JM, NULL, 0);
    struct process_metrics *p = process_metrics_new(jm, &clock.base, 12345678);
    assert_true(value_of(r, "Status.JVM.Memory.Heap.Max") == 12345678);
    assert_true(value_of(r, "Status.JVM.Memory.Metaspace.Max") == 1);
    assert_true(value_of(r, "Status.JVM.Threads.Count") >= 1);
    assert_true(value_of(r, "Status.JVM.CPU.Time") > 0);
    assert_true(value_of(r, "Status.JVM.ClassLoader.ClassesLoaded") > 0);
    assert_true(value_of(r, "Status.FileDescriptor.Open") >= 3);
    assert_true(value_of(r, "Status.FileDescriptor.Max") >=
                value_of(r, "Status.FileDescriptor.Open"));

    /* Values are kept for a second. */
    double before = value_of(r, "Status.JVM.CPU.Time");
    assert_true(value_of(r, "Status.JVM.CPU.Time") == before);
    clock_manual_advance_ms(&clock, 999);
    assert_true(value_of(r, "Status.JVM.CPU.Time") == before);
    clock_manual_advance_ms(&clock, 1);
    assert_true(value_of(r, "Status.JVM.CPU.Time") > before);
    assert_true(value_of(r, "Status.JVM.CPU.Load") <= 1);

    /* What other processes add. */
    struct process_sums sums = {0};
    double threads = value_of(r, "Status.JVM.Threads.Count");
    process_sums_add(&sums, "Status.JVM.Threads.Count", 5);
    process_sums_add(&sums, "Status.JVM.Threads.Count", 2);
    process_sums_add(&sums, "Status.JVM.CPU.Load", 7.5);
    process_sums_add(&sums, "Status.JVM.Memory.Heap.Max", 1000); /* a limit */
    process_sums_add(&sums, "Status", 1);
    process_sums_add(&sums, "", 1);
    process_metrics_set_others(p, &sums);
    assert_true(value_of(r, "Status.JVM.Threads.Count") == threads + 7);
    assert_true(value_of(r, "Status.JVM.CPU.Load") == 1);
    assert_true(value_of(r, "Status.JVM.Memory.Heap.Max") == 12345678);
    process_metrics_set_others(p, &(struct process_sums){0});
    assert_true(value_of(r, "Status.JVM.Threads.Count") == threads);
    process_metrics_free(p);
    assert_int_equal(metric_registry_len(r), 0);

    p = process_metrics_new(jm, NULL, 0);
    assert_true(value_of(r, "Status.JVM.Memory.Heap.Max") > 1e6);
    process_metrics_free(p);
    metric_group_free(jm);
    metric_registry_free(r);
}

static void test_s3(void **state)
{
    struct metric_registry *r;
    struct clock_manual clock;
    struct process_sums sums = {0};
    clock_manual_init(&clock);
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &r, NULL), 0);
    struct metric_group *jm = metric_group_new(r, NULL, METRIC_SCOPE_JM, NULL, 0);
    struct process_metrics *p = process_metrics_new(jm, &clock.base, 0);
    remote_count_start(&s3_counters, REMOTE_KIND_READ);
    remote_count_start(&s3_counters, REMOTE_KIND_WRITE);
    remote_count_retry(&s3_counters);
    remote_count_end(&s3_counters, &(struct remote_ended){.bytes_read = 4000000});
    clock_manual_advance_ms(&clock, 2000);
    assert_true(value_of(r, "filesystem.s3.bytesRead") == 4000000);
    assert_true(value_of(r, "filesystem.s3.bytesReadPerSecond") == 2000000);
    assert_true(value_of(r, "filesystem.s3.bytesWrittenPerSecond") == 0);
    assert_true(value_of(r, "filesystem.s3.readRequests") == 1);
    assert_true(value_of(r, "filesystem.s3.currentRequests") == 1);
    assert_true(value_of(r, "filesystem.s3.retries") == 1);
    remote_count_end(&s3_counters, &(struct remote_ended){.has_failed = true});
    process_sums_add(&sums, "filesystem.s3.bytesRead", 1000);
    process_sums_add(&sums, "filesystem.s3.bytesReadPerSecond", 10);
    process_metrics_set_others(p, &sums);
    clock_manual_advance_ms(&clock, 1000);
    assert_true(value_of(r, "filesystem.s3.bytesRead") == 4001000);
    assert_true(value_of(r, "filesystem.s3.bytesReadPerSecond") == 10);
    assert_true(value_of(r, "filesystem.s3.failures") == 1);
    assert_true(value_of(r, "filesystem.s3.currentRequests") == 0);
    assert_true(value_of(r, "filesystem.hdfs.bytesRead") == 0);
    process_metrics_free(p);
    metric_group_free(jm);
    metric_registry_free(r);
}

static void test_names(void **state)
{
    size_t n;
    const struct metric_name *rows = metric_names(&n);
    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i].scopes != 0);
        assert_true(cstr_ends_with(rows[i].description, "."));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(rows[i].name, rows[j].name) == 0) {
                assert_int_equal(rows[i].scopes & rows[j].scopes, 0);
            }
        }
    }
    assert_non_null(metric_name_find(METRIC_SCOPE_JM_JOB, "runningTime"));
    assert_null(metric_name_find(METRIC_SCOPE_JM_JOB, "Time"));
    assert_null(metric_name_find(METRIC_SCOPE_JM, "runningTime"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_s3),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
