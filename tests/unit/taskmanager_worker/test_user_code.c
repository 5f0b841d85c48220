/* User code in a worker: libraries are loaded, functions resolved, custom partitioners opened and called;
 * what goes wrong names the function. */
#include "flinc/function.h"
#include "tests/unit/taskmanager_worker/test_job.h"

struct test_resolver {
    struct code_resolver base;
    uint32_t n_loads;
    _Atomic uint32_t n_resolved;
    int load_rc, resolve_rc;
    void *function;
};

static int resolver_load(struct code_resolver *base, Flinc__Library *const *libraries,
                         size_t n_libraries, struct error *err)
{
    struct test_resolver *r = (struct test_resolver *)base;
    r->n_loads++;
    return r->load_rc < 0 ? error_set(err, r->load_rc, "the bundle has another ABI version") : 0;
}

static int resolver_resolve(struct code_resolver *base, const Flinc__FunctionRef *ref,
                            void **ret_fn, struct error *err)
{
    struct test_resolver *r = (struct test_resolver *)base;
    atomic_fetch_add(&r->n_resolved, 1);
    *ret_fn = r->function;
    return r->resolve_rc < 0 ? error_set(err, r->resolve_rc, "no such function") : 0;
}

static int by_remainder(flinc_ctx *ctx, const int64_t *in, int n)
{
    return (int)(*in % n);
}

static int one_too_many(flinc_ctx *ctx, const int64_t *in, int n)
{
    return *in < 100 ? 0 : n;
}

static int fails(flinc_ctx *ctx, const int64_t *in, int n)
{
    return *in < 100 ? 0 : flinc_ctx_fail(ctx, "cannot place %d", (int)*in);
}

static void run_custom(struct test_cluster *c, struct test_resolver *r, struct test_counts *counts)
{
    cluster_open(
        c, &(struct worker_options){.mode = COMPONENT_MANUAL, .code = r != NULL ? &r->base : NULL});
    struct job job =
        job_pipeline(PARTITION(CUSTOM), 1, 3, &(struct test_config){.rows = 900, .batch_rows = 200},
                     &(struct test_config){.counts = counts});
    cluster_deploy(c, &job, JOB_SOURCES_FIRST);
}

static struct test_resolver resolver_of(void *function)
{
    return (struct test_resolver){.base = {.load = resolver_load, .resolve = resolver_resolve},
                                  .function = function};
}

static void test_custom_partitioner(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    struct test_resolver r = resolver_of((void *)(uintptr_t)by_remainder);
    run_custom(&c, &r, &counts);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(r.n_loads, 2); /* once per deployment */
    assert_int_equal(r.n_resolved, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counts.rows_by_subtask[i], 300);
    }
    cluster_close(&c);
}

static bool source_ended(struct test_cluster *c)
{
    return job_task_is_terminal(cluster_task(c, 0, 0));
}

static void run_failing(void *function, const char *message)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct test_resolver r = resolver_of(function);
    run_custom(&c, function != NULL ? &r : NULL, &counts);
    cluster_run_until(&c, source_ended);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    const struct job_task *task = cluster_task(&c, 0, 0);
    assert_int_equal(job_task_state(task), STATE(FAILED));
    if (strstr(task->error.message, message) == NULL) {
        fail_msg("'%s' is not: %s", task->error.message, message);
    }
    cluster_close(&c);
}

static void test_bad_partitioners(void **state)
{
    (void)state;
    run_failing((void *)(uintptr_t)one_too_many,
                "partition function 'by_number' (job.c:7) returned channel 3; channels are 0 to 2");
    run_failing((void *)(uintptr_t)fails, "cannot place 100");
    run_failing(NULL, "function 'by_number': this worker does not run user functions");
}

static void test_unknown_function(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    struct test_resolver r = resolver_of(NULL);
    r.resolve_rc = ERR_NOT_FOUND;
    run_custom(&c, &r, &counts);
    cluster_run_until(&c, source_ended);
    const struct error *err = &cluster_task(&c, 0, 0)->error;
    assert_int_equal(err->code, ERR_NOT_FOUND);
    assert_string_equal(err->message, "no such function");
    assert_non_null(strstr(err->frames, "resolving function 'by_number'"));
    cluster_close(&c);
}

static void test_libraries_that_do_not_load(void **state)
{
    (void)state;
    struct test_cluster c;
    struct test_counts counts = {0};
    struct test_resolver r = resolver_of(NULL);
    r.load_rc = ERR_UNSUPPORTED;
    run_custom(&c, &r, &counts);
    cluster_run_to_end(&c);
    for (uint32_t i = 0; i < c.n_tasks; i++) {
        assert_true(c.tasks[i].refused);
        assert_int_equal(c.tasks[i].error.code, ERR_UNSUPPORTED);
        assert_string_equal(c.tasks[i].error.message, "the bundle has another ABI version");
    }
    assert_int_equal(worker_n_tasks(c.worker), 0);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_custom_partitioner),
        cmocka_unit_test(test_bad_partitioners),
        cmocka_unit_test(test_unknown_function),
        cmocka_unit_test(test_libraries_that_do_not_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
