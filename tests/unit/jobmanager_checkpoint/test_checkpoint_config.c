/* Reading execution.checkpointing.*: defaults are Flink's, near misses are explained. */
#include "jobmanager/checkpoint/checkpoint_config.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

/* Keys and values, NULL-terminated. */
static int read_config(const char *const *settings, struct checkpoint_config *ret,
                       struct error *err)
{
    struct conf conf;
    int rc = 0;
    conf_init(&conf, NULL);
    for (size_t i = 0; settings[i] != NULL && rc == 0; i += 2) {
        rc = conf_set(&conf, settings[i], settings[i + 1], err);
    }
    if (rc == 0) {
        rc = checkpoint_config_read(&conf, ret, err);
    }
    conf_fini(&conf);
    return rc;
}

static void test_defaults(void **state)
{
    struct checkpoint_config c, copy;
    assert_int_equal(read_config((const char *const[]){NULL}, &c, NULL), 0);
    assert_true(c.interval_ms == CHECKPOINT_INTERVAL_OFF);
    assert_int_equal(c.timeout_ms, 10 * 60 * 1000);
    assert_int_equal(c.min_pause_ms, 0);
    assert_int_equal(c.max_concurrent, 1);
    assert_int_equal(c.num_retained, 1);
    assert_int_equal(c.tolerable_failures, 0);
    assert_int_equal(c.inline_threshold_bytes, 20 * 1024);
    assert_int_equal(c.storage, CHECKPOINT_STORAGE_JOBMANAGER);
    assert_int_equal(c.retention, CHECKPOINT_RETENTION_DELETE);
    assert_int_equal(c.claim, CHECKPOINT_CLAIM_NO_CLAIM);
    assert_int_equal(c.history, 10);
    assert_true(c.after_tasks_finish && c.create_subdir && !c.incremental);
    assert_string_equal(checkpoint_mode_name(c.mode), "exactly_once");
    checkpoint_config_copy(&copy, &c);
    checkpoint_config_fini(&c);
    assert_string_equal(copy.state_backend, "hashmap");
    checkpoint_config_fini(&copy);
}

static void test_what_follows_from_what(void **state)
{
    struct checkpoint_config c;
    const char *const settings[] = {"execution.checkpointing.dir",
                                    "/tmp/c",
                                    "execution.checkpointing.min-pause",
                                    "5 s",
                                    "execution.checkpointing.max-concurrent-checkpoints",
                                    "4",
                                    "execution.checkpointing.interval",
                                    "0",
                                    NULL};
    assert_int_equal(read_config(settings, &c, NULL), 0);
    assert_int_equal(c.storage, CHECKPOINT_STORAGE_FILESYSTEM); /* for there is a folder */
    assert_int_equal(c.max_concurrent, 1);                      /* for there is a pause */
    assert_true(c.interval_ms == CHECKPOINT_INTERVAL_OFF);
    checkpoint_config_fini(&c);
}

static void test_mistakes_are_explained(void **state)
{
    static const char *const bad[][3] = {
        {"execution.checkpointing.interval", "9 ms", "at least 10 ms"},
        {"execution.checkpointing.storage", "filesystem", "execution.checkpointing.dir is not set"},
        {"execution.checkpointing.storage", "hdfs", "'jobmanager' or 'filesystem'"},
        {"execution.checkpointing.num-retained", "0", "num-retained"},
        {"execution.checkpointing.max-concurrent-checkpoints", "0", "max-concurrent"},
        {"execution.checkpointing.mode", "EXACTLY_TWICE", "EXACTLY_ONCE"},
        {"execution.checkpointing.tolerable-failed-checkpoints", "-1", "tolerable"},
        {"execution.state-recovery.claim-mode", "LEGACY", "NO_CLAIM"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct checkpoint_config c;
        struct error err = ERROR_INIT;
        const char *const settings[] = {bad[i][0], bad[i][1], NULL};
        assert_int_equal(read_config(settings, &c, &err), ERR_INVALID_CONFIG);
        if (strstr(err.message, bad[i][2]) == NULL) {
            fail_msg("%s", err.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_what_follows_from_what),
        cmocka_unit_test(test_mistakes_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
