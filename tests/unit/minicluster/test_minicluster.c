/* Jobs in the mini cluster: results, failures and restarts, cancellation, tasks that stay, slots. */
#include "tests/unit/minicluster/cluster_fixture.h"
#include <stdio.h>
#include <stdlib.h>

FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));

/* What the jobs' functions tell the test; they run in this process. */
static struct {
    pthread_mutex_t lock; /* guards values */
    struct vec values;    /* struct seen */
    struct event_count arrived;
    _Atomic int n_arrived;
    _Atomic bool may_leave;
    _Atomic uint32_t opened, closed;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct seen {
    uint32_t attempt;
    int64_t value;
};

static int set_up(void **state)
{
    vec_init(&told.values, sizeof(struct seen));
    told.n_arrived = 0;
    told.may_leave = false;
    told.opened = told.closed = 0;
    return 0;
}

static int tear_down(void **state)
{
    vec_fini(&told.values);
    return 0;
}

static void arrive(void)
{
    atomic_fetch_add(&told.n_arrived, 1);
    event_count_signal(&told.arrived);
}

static void wait_for_arrivals(int n)
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&told.arrived);
        if (atomic_load(&told.n_arrived) >= n) {
            event_count_cancel(&told.arrived);
            return;
        }
        (void)event_count_wait(&told.arrived, ticket, -1);
    }
}

/* The values of one attempt, each of from..to exactly once. */
static void assert_values(uint32_t attempt, int64_t from, int64_t to)
{
    size_t n = (size_t)(to - from + 1), found = 0;
    uint8_t *times = calloc(n, 1);

    for (size_t i = 0; i < told.values.len; i++) {
        const struct seen *s = VEC_AT(&told.values, struct seen, i);
        if (s->attempt == attempt) {
            assert_in_range(s->value, from, to);
            times[s->value - from]++;
            found++;
        }
    }
    assert_int_equal(found, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(times[i], 1);
    }
    free(times);
}

/* ---- functions ---------------------------------------------------------------------------------- */

static int collect(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    pthread_mutex_lock(&told.lock);
    *VEC_PUSH(&told.values, struct seen) = (struct seen){flinc_ctx_attempt(ctx), *in};
    pthread_mutex_unlock(&told.lock);
    *out = *in;
    return 0;
}

static int open_counted(flinc_ctx *ctx)
{
    (void)ctx;
    atomic_fetch_add(&told.opened, 1);
    return 0;
}

static void close_counted(flinc_ctx *ctx)
{
    (void)ctx;
    atomic_fetch_add(&told.closed, 1);
}

static int by_three(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    (void)ctx;
    out->key = *in % 3;
    out->value = *in;
    return 0;
}

static int collect_pair(flinc_ctx *ctx, const pair *in, pair *out)
{
    int64_t value = in->key * 1000000 + in->value;
    *out = *in;
    return collect(ctx, &value, &(int64_t){0});
}

static int fail_at_first(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    *out = *in;
    if (flinc_ctx_attempt(ctx) < 2 && *in == 7000) {
        return flinc_ctx_fail(ctx, "attempt %u is not lucky", flinc_ctx_attempt(ctx));
    }
    return 0;
}

static int tell(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    if (*in % 1000 == 1) {
        arrive();
    }
    *out = *in;
    return flinc_ctx_accumulate(ctx, "numbers", 1);
}

static int stay(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    (void)ctx;
    *out = *in;
    arrive();
    while (!atomic_load(&told.may_leave)) { /* whether it is cancelled is no concern of its */
        thread_relax();
    }
    return 0;
}

static flinc_stream *mapped(flinc_stream *s, const flinc_function *fn)
{
    return flinc_map(s, fn, FLINC_TYPE(flinc_int64));
}

/* ---- results ------------------------------------------------------------------------------------ */

static void test_results(void **state)
{
    flinc_env *env = capturing_env();
    struct run r = {0};

    flinc_env_set_parallelism(env, 3);
    flinc_discard(mapped(flinc_rebalance(flinc_from_sequence(env, 1, 10000)),
                         FLINC_FUNCTION(collect, .open = open_counted, .close = close_counted)));
    assert_int_equal(run_job(&r, env, NULL), JOB_STATUS_FINISHED);
    assert_values(0, 1, 10000);
    assert_int_equal(told.opened, 3);
    assert_int_equal(told.closed, 3);
    flinc_env_free(env);
}

static void build_sums(flinc_env *env)
{
    flinc_stream *pairs =
        flinc_map(flinc_from_sequence(env, 1, 300), FLINC_FN(by_three), FLINC_TYPE(pair));

    flinc_env_set_parallelism(env, 2);
    flinc_discard(flinc_map(flinc_sum(flinc_key_by(pairs, "key"), "value"), FLINC_FN(collect_pair),
                            FLINC_TYPE(pair)));
}

/* Of 1..300 the sums of those with remainder 0, 1, 2. */
static const int64_t sums[] = {15150, 14950, 15050};

static void test_sums_in_batch_mode(void **state)
{
    const char *const settings[] = {"execution.runtime-mode", "BATCH", NULL};
    flinc_env *env = capturing_env();
    struct run r = {0};

    build_sums(env);
    assert_int_equal(run_job(&r, env, settings), JOB_STATUS_FINISHED);
    assert_int_equal(told.values.len, 3); /* final values only */
    for (size_t i = 0; i < told.values.len; i++) {
        int64_t value = VEC_AT(&told.values, struct seen, i)->value;
        assert_in_range(value / 1000000, 0, 2);
        assert_int_equal(value % 1000000, sums[value / 1000000]);
    }
    flinc_env_free(env);
}

static void test_sums_in_streaming_mode(void **state)
{
    flinc_env *env = capturing_env();
    struct run r = {0};
    int64_t last[3] = {0};

    build_sums(env);
    assert_int_equal(run_job(&r, env, NULL), JOB_STATUS_FINISHED);
    assert_int_equal(told.values.len, 300); /* one per record, growing */
    for (size_t i = 0; i < told.values.len; i++) {
        int64_t value = VEC_AT(&told.values, struct seen, i)->value;
        assert_true(value % 1000000 > last[value / 1000000]);
        last[value / 1000000] = value % 1000000;
    }
    assert_memory_equal(last, sums, sizeof(sums));
    flinc_env_free(env);
}

/* The way of a program: flinc_env_execute runs it, several jobs one after the other. */
static void test_environments_of_programs(void **state)
{
    struct holdings before = holdings_now();
    flinc_env *env = flinc_env_new_local(NULL);

    assert_ptr_equal(job_executor_find("local"), &minicluster_executor);
    for (int64_t n = 1000; n <= 3000; n += 1000) {
        flinc_discard(mapped(flinc_from_sequence(env, 1, n), FLINC_FN(tell)));
        assert_int_equal(flinc_env_execute(env, "one of several"), 0);
        assert_int_equal(flinc_env_accumulator(env, "numbers"), n);
        assert_int_equal(flinc_env_accumulator(env, "letters"), 0);
        assert_true(flinc_env_runtime_ms(env) >= 0);
    }
    flinc_env_free(env);
    assert_int_equal(holdings_now().threads, before.threads);
    assert_int_equal(holdings_now().descriptors, before.descriptors);
}

/* ---- failures ----------------------------------------------------------------------------------- */

static flinc_env *failing_env(void)
{
    flinc_env *env = capturing_env();

    flinc_env_set_parallelism(env, 2);
    flinc_stream *s = flinc_rebalance(flinc_from_sequence(env, 1, 10000));
    flinc_discard(mapped(mapped(s, FLINC_FN(fail_at_first)), FLINC_FN(collect)));
    return env;
}

static void test_failure_without_a_strategy(void **state)
{
    flinc_env *env = failing_env();
    struct run r = {0};

    assert_int_equal(run_job(&r, env, NULL), JOB_STATUS_FAILED);
    assert_int_equal(r.cause.code, ERR_USER_CODE);
    assert_non_null(strstr(r.cause.message, "fail_at_first"));
    assert_non_null(strstr(r.cause.message, "attempt 0 is not lucky"));
    flinc_env_free(env);
}

static void test_restarts_from_the_sources(void **state)
{
    const char *const settings[] = {"restart-strategy.type",
                                    "fixed-delay",
                                    "restart-strategy.fixed-delay.delay",
                                    "1 ms",
                                    "restart-strategy.fixed-delay.attempts",
                                    "2",
                                    NULL};
    flinc_env *env = failing_env();
    struct run r = {0};
    struct error err = ERROR_INIT;
    struct job_progress p;
    struct job_failure failures[4];

    assert_int_equal(run_start(&r, env, settings, &err), 0);
    assert_int_equal(run_wait(&r), JOB_STATUS_FINISHED);
    assert_values(2, 1, 10000);
    jobmaster_get_progress(minicluster_jobmaster(r.cluster), &p);
    assert_int_equal(p.restarts, 2);
    assert_int_equal(jobmaster_get_failures(minicluster_jobmaster(r.cluster), failures, 4), 2);
    assert_non_null(strstr(failures[0].error.message, "attempt 0 is not lucky"));
    assert_non_null(strstr(failures[1].error.message, "attempt 1 is not lucky"));
    assert_int_equal(failures[1].attempt_number, 1);
    assert_non_null(strstr(failures[0].task_name, "/2)"));
    run_end(&r);
    flinc_env_free(env);
}

static void test_too_few_slots(void **state)
{
    const char *const settings[] = {"taskmanager.numberOfTaskSlots", "1", "slot.request.timeout",
                                    "10 ms", NULL};
    flinc_env *env = capturing_env();
    struct run r = {0};

    flinc_env_set_parallelism(env, 2);
    flinc_discard(flinc_from_sequence(env, 1, 10));
    assert_int_equal(run_job(&r, env, settings), JOB_STATUS_FAILED);
    assert_non_null(strstr(r.cause.message, "slot"));
    flinc_env_free(env);
}

/* ---- cancellation ------------------------------------------------------------------------------- */

static flinc_env *endless_env(const flinc_function *fn)
{
    flinc_env *env = capturing_env();

    flinc_env_set_parallelism(env, 2);
    flinc_discard(mapped(flinc_rebalance(flinc_from_sequence(env, 1, INT64_MAX - 1)), fn));
    return env;
}

static void test_cancel(void **state)
{
    flinc_env *env = endless_env(FLINC_FN(tell));
    struct run r = {0};
    struct error err = ERROR_INIT;

    assert_int_equal(run_start(&r, env, NULL, &err), 0);
    wait_for_arrivals(10);
    minicluster_cancel(r.cluster);
    assert_int_equal(run_wait(&r), JOB_STATUS_CANCELED);
    assert_true(run_accumulator(&r, "numbers") > 0);
    run_end(&r);
    flinc_env_free(env);
}

static void test_free_cancels(void **state)
{
    flinc_env *env = endless_env(FLINC_FN(tell));
    struct run r = {0};
    struct error err = ERROR_INIT;

    assert_int_equal(run_start(&r, env, NULL, &err), 0);
    wait_for_arrivals(1);
    run_end(&r);
    flinc_env_free(env);
}

struct stuck {
    char task_name[256];
    char operator_name[256];
    int64_t cancelling_ms;
};

/* Thread: the worker's. */
static void on_stuck_task(void *owner, const struct stuck_task *task)
{
    struct stuck *s = owner;

    snprintf(s->task_name, sizeof(s->task_name), "%s", task->task_name);
    snprintf(s->operator_name, sizeof(s->operator_name), "%s", task->operator_name);
    s->cancelling_ms = task->cancelling_ms;
    atomic_store(&told.may_leave, true);
}

static void test_task_that_stays(void **state)
{
    const char *const settings[] = {"task.cancellation.interval", "5 ms",
                                    "task.cancellation.timeout", "20 ms", NULL};
    flinc_env *env = capturing_env();
    struct stuck stuck = {.cancelling_ms = 0};
    struct run r = {.options = {.on_stuck_task = on_stuck_task, .owner = &stuck}};
    struct error err = ERROR_INIT;

    flinc_discard(
        flinc_name(mapped(flinc_from_sequence(env, 1, INT64_MAX - 1), FLINC_FN(stay)), "Stay"));
    assert_int_equal(run_start(&r, env, settings, &err), 0);
    wait_for_arrivals(1);
    minicluster_cancel(r.cluster);
    assert_int_equal(run_wait(&r), JOB_STATUS_CANCELED);
    assert_non_null(strstr(stuck.task_name, "(1/1)"));
    assert_non_null(strstr(stuck.operator_name, "Stay"));
    assert_true(stuck.cancelling_ms >= 20);
    run_end(&r);
    flinc_env_free(env);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(test_results),
        RUN(test_sums_in_batch_mode),
        RUN(test_sums_in_streaming_mode),
        RUN(test_environments_of_programs),
        RUN(test_failure_without_a_strategy),
        RUN(test_restarts_from_the_sources),
        RUN(test_too_few_slots),
        RUN(test_cancel),
        RUN(test_free_cancels),
        RUN(test_task_that_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
