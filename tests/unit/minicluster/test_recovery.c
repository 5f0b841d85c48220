/* Checkpoints and restarts from them in a mini cluster: whatever fails, running sums by key come out as if
 * nothing had; a job stopped with a savepoint goes on from it at another parallelism. */
#include "common/fs/fs.h"
#include "tests/unit/minicluster/cluster_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEYS = 97, NUMBERS = 200000, FAILURES = 3 };

FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));

static char folder[128];
static _Atomic uint32_t fail_attempts; /* attempts below this one are to fail */
static _Atomic bool hurry;             /* nothing has to be waited for any more */
static _Atomic int64_t highest[KEYS];  /* running sums that came out */

static int pace(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    if (flinc_ctx_attempt(ctx) < atomic_load(&fail_attempts)) {
        return flinc_ctx_fail(ctx, "told to fail");
    }
    if (!atomic_load(&hurry) && *in % 64 == 0) {
        (void)usleep(200); /* the job must not end before what is tested has happened */
    }
    out->key = *in % KEYS;
    out->value = 1;
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

static flinc_env *build(int parallelism)
{
    flinc_env *env = capturing_env();
    flinc_env_set_parallelism(env, parallelism);
    flinc_stream *pairs =
        flinc_map(flinc_from_sequence(env, 0, NUMBERS - 1), FLINC_FN(pace), FLINC_TYPE(pair));
    flinc_discard(flinc_map(flinc_sum(flinc_key_by(pairs, "key"), "value"), FLINC_FN(note),
                            FLINC_TYPE(pair)));
    return env;
}

static void assert_sums(void)
{
    for (int64_t k = 0; k < KEYS; k++) {
        assert_int_equal(atomic_load(&highest[k]), (NUMBERS - k + KEYS - 1) / KEYS);
    }
}

static void forget(void)
{
    atomic_store(&fail_attempts, 0);
    atomic_store(&hurry, false);
    for (int k = 0; k < KEYS; k++) {
        atomic_store(&highest[k], 0);
    }
}

static void run_recovery(const char *incremental, const char *dir)
{
    const char *settings[] = {"execution.checkpointing.interval",
                              "20 ms",
                              "execution.checkpointing.incremental",
                              incremental,
                              "restart-strategy.type",
                              "fixed-delay",
                              "restart-strategy.fixed-delay.delay",
                              "1 ms",
                              "restart-strategy.fixed-delay.attempts",
                              "10",
                              "execution.checkpointing.dir",
                              dir,
                              NULL};
    struct run r = {.options = {.seed = 7}};
    struct error err = ERROR_INIT;
    forget();
    flinc_env *env = build(2);
    assert_int_equal(run_start(&r, env, settings, &err), 0);
    for (uint32_t i = 1; i <= FAILURES; i++) {
        run_wait_for_checkpoints(&r, run_checkpoints(&r).completed + 2);
        atomic_store(&fail_attempts, i);
        while (run_checkpoints(&r).restored < i) {
            assert_false(minicluster_wait(r.cluster, 5));
        }
    }
    run_wait_for_checkpoints(&r, run_checkpoints(&r).completed + 1);
    atomic_store(&hurry, true);
    assert_int_equal(run_wait(&r), JOB_STATUS_FINISHED);
    assert_sums();
    run_end(&r);
    flinc_env_free(env);
}

static void test_sums_survive_failures_in_memory(void **state)
{
    run_recovery("false", "");
}

static void test_sums_survive_failures_in_files(void **state)
{
    run_recovery("false", folder);
}

static void test_sums_survive_failures_incrementally(void **state)
{
    run_recovery("true", folder);
}

/* ---- savepoints ------------------------------------------------------------------------------------- */

static void stop_and_go_on(Flinc__CheckpointKind format, int parallelism)
{
    const char *first[] = {"execution.checkpointing.interval", "20 ms", NULL};
    struct run r = {.options = {.seed = 7}};
    struct error err = ERROR_INIT;
    forget();
    flinc_env *env = build(2);
    assert_int_equal(run_start(&r, env, first, &err), 0);
    run_wait_for_checkpoints(&r, 1);
    struct run_savepoint savepoint = {.folder = folder,
                                      .format = format,
                                      .stop = FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND};
    run_stop(&r, &savepoint);
    run_end(&r);
    flinc_env_free(env);

    const char *second[] = {"execution.checkpointing.interval", "20 ms",
                            "execution.state-recovery.path", savepoint.path, NULL};
    r = (struct run){.options = {.seed = 8}};
    atomic_store(&hurry, true);
    env = build(parallelism);
    assert_int_equal(run_start(&r, env, second, &err), 0);
    enum job_status how = run_wait(&r);
    if (how != JOB_STATUS_FINISHED) {
        fail_msg("%s", r.cause.message);
    }
    assert_sums();
    run_end(&r);
    flinc_env_free(env);
}

static void test_a_stopped_job_goes_on_from_its_savepoint(void **state)
{
    stop_and_go_on(FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL, 2);
    stop_and_go_on(FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE, 2);
}

static void test_at_another_parallelism(void **state)
{
    stop_and_go_on(FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL, 1);
    stop_and_go_on(FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL, 3);
}

static int make_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/flinc-recovery-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int delete_folder(void **state)
{
    struct error err = ERROR_INIT;
    return fs_delete(folder, FS_DELETE_RECURSIVE, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_survive_failures_in_memory),
        cmocka_unit_test(test_sums_survive_failures_in_files),
        cmocka_unit_test(test_sums_survive_failures_incrementally),
        cmocka_unit_test(test_a_stopped_job_goes_on_from_its_savepoint),
        cmocka_unit_test(test_at_another_parallelism),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
