/* Reading execution.checkpointing.*: defaults are Flink's, near misses are explained. */
#include "common/base/log.h"
#include "jobmanager/checkpoint/checkpoint_config.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

enum { WARNING_BYTES = 512 };

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

static void keep_line(void *arg, enum log_level level, const char *line)
{
    if (level == LOG_LEVEL_WARN && strstr(line, "unaligned.forced") != NULL) {
        snprintf(arg, WARNING_BYTES, "%s", line);
    }
}

/* Flink refuses jobs of custom partitioners without it; here it changes nothing, and a warning says why. */
static void test_forced_is_accepted(void **state)
{
    static const struct {
        const char *unaligned, *forced, *mode, *warning;
    } cases[] = {
        {"true", "false", "EXACTLY_ONCE", NULL},
        {"true", "true", "EXACTLY_ONCE",
         "edges of custom partitioners stay aligned beside unaligned"},
        {"false", "true", "EXACTLY_ONCE", "checkpoints are aligned, since"},
        {"true", "true", "AT_LEAST_ONCE", "checkpoints are aligned, since"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct checkpoint_config c;
        char warning[WARNING_BYTES] = "";
        const char *const settings[] = {"execution.checkpointing.unaligned.enabled",
                                        cases[i].unaligned,
                                        "execution.checkpointing.unaligned.forced",
                                        cases[i].forced,
                                        "execution.checkpointing.mode",
                                        cases[i].mode,
                                        NULL};
        log_set_sink(keep_line, warning);
        assert_int_equal(read_config(settings, &c, NULL), 0);
        log_set_sink(NULL, NULL);
        if (cases[i].warning == NULL) {
            assert_string_equal(warning, "");
        } else {
            assert_non_null(strstr(warning, "unaligned.forced changes nothing"));
            assert_non_null(strstr(warning, cases[i].warning));
        }
        bool is_exact = strcmp(cases[i].mode, "EXACTLY_ONCE") == 0;
        assert_int_equal(c.unaligned, is_exact && strcmp(cases[i].unaligned, "true") == 0);
        checkpoint_config_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_what_follows_from_what),
        cmocka_unit_test(test_mistakes_are_explained),
        cmocka_unit_test(test_forced_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
