/* Asynchronous calls in a whole job: answers from I/O threads, in order and not, with retries; and what
 * the builder says about mistakes. */
#include "flinc/async.h"
#include "tests/unit/minicluster/cluster_fixture.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { NUMBERS = 20000 };

static _Atomic uint8_t seen[NUMBERS];
static _Atomic uint8_t calls[NUMBERS];
static _Atomic int failures;

static void square(flinc_async *handle, void *arg)
{
    int64_t n = *(int64_t *)arg, out = n * n;

    if (n % 1000 == 7 && atomic_fetch_add(&calls[n], 1) < 2) {
        atomic_fetch_add(&failures, 1);
        flinc_async_fail(handle, "busy");
        return;
    }
    flinc_async_emit(handle, &out);
    flinc_async_complete(handle);
}

static int ask(flinc_ctx *ctx, const int64_t *in, flinc_async *handle)
{
    (void)ctx;
    flinc_async_run(handle, square, in, sizeof(*in));
    return 0;
}

static int note(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    int64_t n = (int64_t)(sqrt((double)*in) + 0.5);

    *out = *in;
    if (n < 0 || n >= NUMBERS || n * n != *in) {
        return flinc_ctx_fail(ctx, "%lld is no square", (long long)*in);
    }
    atomic_fetch_add(&seen[n], 1);
    return 0;
}

static void run(flinc_async_order order)
{
    flinc_env *env = capturing_env();
    struct run r = {0};

    memset((void *)(uintptr_t)seen, 0, sizeof(seen));
    memset((void *)(uintptr_t)calls, 0, sizeof(calls));
    failures = 0;
    flinc_env_set_parallelism(env, 2);
    flinc_stream *squares =
        flinc_async_map(flinc_from_sequence(env, 0, NUMBERS - 1), FLINC_FN(ask),
                        FLINC_ASYNC(.order = order, .capacity = 20, .max_attempts = 5,
                                    .retry_delay_ms = 1, .timeout_ms = 600000),
                        FLINC_TYPE(flinc_int64));
    flinc_discard(flinc_map(squares, FLINC_FN(note), FLINC_TYPE(flinc_int64)));
    if (run_job(&r, env, NULL) != JOB_STATUS_FINISHED) {
        fail_msg("%s", r.cause.message);
    }
    for (int i = 0; i < NUMBERS; i++) {
        assert_int_equal(seen[i], 1);
    }
    assert_int_equal(failures, 2 * NUMBERS / 1000);
    flinc_env_free(env);
}

static void test_ordered(void **state)
{
    run(FLINC_ASYNC_ORDERED);
}

static void test_unordered(void **state)
{
    run(FLINC_ASYNC_UNORDERED);
}

static void check_mistake(flinc_async_options options, const char *text)
{
    flinc_env *env = capturing_env();

    flinc_discard(flinc_async_map(flinc_from_sequence(env, 0, 1), FLINC_FN(ask), options,
                                  FLINC_TYPE(flinc_int64)));
    assert_true(flinc_env_execute(env, "job") < 0);
    if (strstr(flinc_env_error(env), text) == NULL) {
        fail_msg("'%s' is not in: %s", text, flinc_env_error(env));
    }
    flinc_env_free(env);
}

static void test_mistakes(void **state)
{
    check_mistake((flinc_async_options){.capacity = 1}, "FLINC_ASYNC");
    check_mistake(FLINC_ASYNC(.on_timeout = FLINC_FN(ask)), "no timeout_ms");
    check_mistake(FLINC_ASYNC(.retry_if = FLINC_FN(ask)), "no second call");
    check_mistake(FLINC_ASYNC(.retry_delay_ms = -1), "a time is negative");
    check_mistake(FLINC_ASYNC(.capacity = 2000000), "capacity is above");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered),
        cmocka_unit_test(test_unordered),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
