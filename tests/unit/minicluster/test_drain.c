/* A job is stopped with a savepoint while windows are open and timers are set that no watermark of its own comes
 * near: drained, all of them fire, at the highest watermark; suspended, none does, and the job that goes on from
 * the savepoint still has them. */
#include "common/fs/fs.h"
#include "flinc/state.h"
#include "flinc/time.h"
#include "flinc/window.h"
#include "tests/unit/minicluster/cluster_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEYS = 50, FAR_MS = 1 << 30 };

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(at));
FLINC_STRUCT(count, FLINC_INT64(key), FLINC_INT64(n));

static char folder[128];
static _Atomic int64_t counted[KEYS];  /* the count of a key when its timer was set last */
static _Atomic int64_t by_timer[KEYS]; /* what its timer saw */
static _Atomic int64_t by_window[KEYS];
static _Atomic uint32_t n_timers, n_windows, n_not_at_the_end;

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    out->key = index % KEYS;
    out->at = index % 1000;
    return 0;
}

static int open_counts(flinc_ctx *ctx)
{
    flinc_ctx_set_user(
        ctx, flinc_ctx_value_state(ctx, FLINC_STATE(.name = "n", .type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int on_event(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_value_state *n = flinc_ctx_user(ctx);
    int64_t now = flinc_value_get_int64(n, 0) + 1;
    atomic_store(&counted[in->key], now);
    if (flinc_value_set_int64(n, now) < 0) {
        return -1;
    }
    return flinc_ctx_timer_event(ctx, FAR_MS);
}

static int on_timer(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    if (flinc_ctx_watermark(ctx) != INT64_MAX) {
        atomic_fetch_add(&n_not_at_the_end, 1);
    }
    atomic_fetch_add(&n_timers, 1);
    atomic_store(&by_timer[flinc_ctx_key_int64(ctx, 0)],
                 flinc_value_get_int64(flinc_ctx_user(ctx), 0));
    return 0;
}

static int note_window(flinc_ctx *ctx, const count *in, count *out)
{
    atomic_fetch_add(&n_windows, 1);
    atomic_store(&by_window[in->key], in->n);
    *out = *in;
    return 0;
}

static flinc_env *build(int parallelism)
{
    flinc_env *env = capturing_env();
    flinc_env_set_parallelism(env, parallelism);
    flinc_stream *events = flinc_assign_timestamps(
        flinc_uid(flinc_from_datagen(env, FLINC_DATAGEN(.generate = FLINC_FN(make),
                                                        .type = FLINC_TYPE(event), .count = -1,
                                                        .rows_per_second = 50000)),
                  "events"),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = 1000,
                         .timestamp = "at"));
    flinc_stream *keyed = flinc_key_by(events, "key");
    flinc_discard(flinc_uid(
        flinc_process(keyed, FLINC_FUNCTION(on_event, .open = open_counts, .on_timer = on_timer),
                      FLINC_TYPE(count)),
        "timers"));
    flinc_stream *windows = flinc_uid(
        flinc_window_columns(flinc_window(keyed, FLINC_WINDOW(.assigner = FLINC_TUMBLING(FAR_MS))),
                             "count() as n", FLINC_TYPE(count)),
        "windows");
    flinc_discard(flinc_map(windows, FLINC_FN(note_window), FLINC_TYPE(count)));
    return env;
}

static void assert_nothing_fired(void)
{
    assert_int_equal(atomic_load(&n_timers), 0);
    assert_int_equal(atomic_load(&n_windows), 0);
}

static void assert_all_fired(void)
{
    assert_int_equal(atomic_load(&n_timers), KEYS);
    assert_int_equal(atomic_load(&n_windows), KEYS);
    assert_int_equal(atomic_load(&n_not_at_the_end), 0);
    for (int k = 0; k < KEYS; k++) {
        int64_t n = atomic_load(&counted[k]);
        assert_true(n > 0);
        assert_int_equal(atomic_load(&by_timer[k]), n);
        assert_int_equal(atomic_load(&by_window[k]), n);
    }
}

static void forget(void)
{
    atomic_store(&n_timers, 0);
    atomic_store(&n_windows, 0);
    for (int k = 0; k < KEYS; k++) {
        atomic_store(&counted[k], 0);
        atomic_store(&by_timer[k], 0);
        atomic_store(&by_window[k], 0);
    }
}

/* Runs until every key was counted and a checkpoint is complete, and stops. */
static void run_and_stop(int parallelism, const char *from, struct run_savepoint *savepoint)
{
    const char *settings[] = {"execution.checkpointing.interval", "20 ms",
                              "execution.state-recovery.path", from, NULL};
    struct run r = {.options = {.seed = 11}};
    struct error err = ERROR_INIT;
    if (from == NULL) {
        settings[2] = NULL;
    }
    flinc_env *env = build(parallelism);
    assert_int_equal(run_start(&r, env, settings, &err), 0);
    for (int k = 0; k < KEYS; k++) {
        while (atomic_load(&counted[k]) == 0) {
            assert_false(minicluster_wait(r.cluster, 5));
        }
    }
    run_wait_for_checkpoints(&r, run_checkpoints(&r).completed + 1);
    assert_nothing_fired();
    run_stop(&r, savepoint);
    run_end(&r);
    flinc_env_free(env);
}

static void test_draining_fires_all(void **state)
{
    struct run_savepoint drained = {.folder = folder,
                                    .format =
                                        FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                                    .stop = FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN};
    forget();
    run_and_stop(2, NULL, &drained);
    assert_all_fired();
}

static void test_suspending_keeps_all(void **state)
{
    struct run_savepoint suspended = {.folder = folder,
                                      .format =
                                          FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
                                      .stop = FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND};
    struct run_savepoint drained = suspended;
    int64_t before[KEYS];
    drained.stop = FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN;
    forget();
    run_and_stop(2, NULL, &suspended);
    assert_nothing_fired();
    for (int k = 0; k < KEYS; k++) {
        before[k] = atomic_exchange(&counted[k], 0);
    }
    run_and_stop(3, suspended.path, &drained);
    assert_all_fired();
    for (int k = 0; k < KEYS; k++) {
        assert_true(atomic_load(&counted[k]) > before[k]);
    }
}

static int make_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/flinc-drain-XXXXXX", tmp != NULL ? tmp : "/tmp");
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
        cmocka_unit_test(test_draining_fires_all),
        cmocka_unit_test(test_suspending_keeps_all),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
