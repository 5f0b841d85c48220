/* execution.checkpointing.mode AT_LEAST_ONCE in a mini cluster: nothing is lost whatever fails, doubles are
 * allowed; and a channel whose barrier came goes on while those of others are awaited. */
#include "tests/unit/minicluster/cluster_fixture.h"
#include <unistd.h>

enum { KEYS = 97, NUMBERS = 100000, FAILURES = 3 };

FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));

static _Atomic uint32_t fail_attempts; /* attempts below this one are to fail */
static _Atomic bool hurry;
static _Atomic int64_t highest[KEYS]; /* running sums that came out */

static const char *const settings[] = {"execution.checkpointing.mode",
                                       "AT_LEAST_ONCE",
                                       "execution.checkpointing.interval",
                                       "20 ms",
                                       "restart-strategy.type",
                                       "fixed-delay",
                                       "restart-strategy.fixed-delay.delay",
                                       "1 ms",
                                       "restart-strategy.fixed-delay.attempts",
                                       "10",
                                       NULL};

/* ---- failures ------------------------------------------------------------------------------------- */

static int pace(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    if (flinc_ctx_attempt(ctx) < atomic_load(&fail_attempts)) {
        return flinc_ctx_fail(ctx, "told to fail");
    }
    if (!atomic_load(&hurry) && *in % 64 == 0) {
        (void)usleep(200); /* the job must not end before what is tested has happened */
    }
    *out = (pair){*in % KEYS, 1};
    return 0;
}

static int note(flinc_ctx *ctx, const pair *in, pair *out)
{
    int64_t seen = atomic_load(&highest[in->key]);
    while (seen < in->value && !atomic_compare_exchange_weak(&highest[in->key], &seen, in->value)) {
    }
    *out = *in;
    return 0;
}

static void test_nothing_is_lost(void **state)
{
    struct run r = {.options = {.seed = 7}};
    struct error err = ERROR_INIT;
    flinc_env *env = capturing_env();
    flinc_env_set_parallelism(env, 2);
    flinc_stream *pairs =
        flinc_map(flinc_from_sequence(env, 0, NUMBERS - 1), FLINC_FN(pace), FLINC_TYPE(pair));
    flinc_discard(flinc_map(flinc_sum(flinc_key_by(pairs, "key"), "value"), FLINC_FN(note),
                            FLINC_TYPE(pair)));
    assert_int_equal(run_start(&r, env, settings, &err), 0);
    for (uint32_t i = 1; i <= FAILURES; i++) {
        run_wait_for_checkpoints(&r, run_checkpoints(&r).completed + 2);
        atomic_store(&fail_attempts, i);
        while (run_checkpoints(&r).restored < i) {
            assert_false(minicluster_wait(r.cluster, 5));
        }
    }
    atomic_store(&hurry, true);
    assert_int_equal(run_wait(&r), JOB_STATUS_FINISHED);
    for (int64_t k = 0; k < KEYS; k++) {
        assert_true(atomic_load(&highest[k]) >= (NUMBERS - k + KEYS - 1) / KEYS);
    }
    run_end(&r);
    flinc_env_free(env);
}

/* ---- channels ------------------------------------------------------------------------------------- */

enum { HELD, FREE_ONE };

static _Atomic bool hold, is_held; /* the slow stream, in its function */
static struct event_count released;
static _Atomic int64_t barrier_at;   /* the last number of the fast stream before its barrier */
static _Atomic int64_t fast_arrived; /* the highest one that came through, all the same */

static int slow(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    *out = (pair){HELD, *in};
    for (;;) {
        uint32_t ticket = event_count_prepare(&released);
        if (!atomic_load(&hold)) {
            event_count_cancel(&released);
            return 0;
        }
        atomic_store(&is_held, true);
        event_count_wait(&released, ticket, -1);
    }
}

static int fast(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    *out = (pair){FREE_ONE, *in};
    flinc_ctx_set_user(ctx, (void *)(intptr_t)*in);
    return 0;
}

static int tell_barrier(flinc_ctx *ctx)
{
    int64_t none = -1;
    if (atomic_load(&is_held)) {
        (void)atomic_compare_exchange_strong(&barrier_at, &none,
                                             (int64_t)(intptr_t)flinc_ctx_user(ctx));
    }
    return 0;
}

static int arrive(flinc_ctx *ctx, const pair *in, pair *out)
{
    if (in->key == FREE_ONE) {
        atomic_store(&fast_arrived, in->value);
    }
    *out = *in;
    return 0;
}

static void test_channels_are_never_blocked(void **state)
{
    struct run r = {.options = {.seed = 7}};
    struct error err = ERROR_INIT;
    flinc_env *env = capturing_env();
    atomic_store(&hold, true);
    atomic_store(&barrier_at, -1);
    flinc_env_set_parallelism(env, 1);
    flinc_stream *held =
        flinc_map(flinc_from_sequence(env, 0, 1000), FLINC_FN(slow), FLINC_TYPE(pair));
    flinc_stream *free_one =
        flinc_map(flinc_from_sequence(env, 0, INT64_MAX - 1),
                  FLINC_FUNCTION(fast, .snapshot = tell_barrier), FLINC_TYPE(pair));
    flinc_discard(flinc_map(flinc_union(flinc_rebalance(held), flinc_rebalance(free_one)),
                            FLINC_FN(arrive), FLINC_TYPE(pair)));
    assert_int_equal(run_start(&r, env, settings, &err), 0);
    /* The slow stream's barrier is behind the record that it holds; what the fast one sends behind its own
     * barrier comes through. */
    while (atomic_load(&barrier_at) < 0 || atomic_load(&fast_arrived) <= atomic_load(&barrier_at)) {
        assert_false(minicluster_wait(r.cluster, 5));
    }
    assert_int_equal(run_checkpoints(&r).completed, 0);
    atomic_store(&hold, false);
    event_count_signal(&released);
    run_wait_for_checkpoints(&r, 1);
    minicluster_cancel(r.cluster);
    assert_int_equal(run_wait(&r), JOB_STATUS_CANCELED);
    run_end(&r);
    flinc_env_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_channels_are_never_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
