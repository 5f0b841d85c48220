/* Options of the adaptive scheduler: names old and new, defaults, reactive mode. */
#include "jobmanager/adaptive/adaptive_config.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define PREFIX "jobmanager.adaptive-scheduler."

static struct adaptive_config read_pairs(const char *const *pairs, bool is_batch)
{
    struct adaptive_config c;
    struct error err = ERROR_INIT;
    struct conf conf;
    conf_init(&conf, NULL);
    for (size_t i = 0; pairs != NULL && pairs[i] != NULL; i += 2) {
        assert_int_equal(conf_set(&conf, pairs[i], pairs[i + 1], &err), 0);
    }
    if (adaptive_config_read(&conf, is_batch, &c, &err) < 0) {
        fail_msg("%s", err.message);
    }
    conf_fini(&conf);
    return c;
}
#define READ(...) read_pairs((const char *const[]){__VA_ARGS__, NULL}, false)

static void test_defaults_are_flinks(void **state)
{
    struct adaptive_config c = read_pairs(NULL, false);
    assert_false(c.enabled);
    c = READ("jobmanager.scheduler", "aDaptive");
    assert_true(c.enabled && !c.reactive && c.prefer_minimal_taskmanagers);
    assert_int_equal(c.wait_timeout_ms, 300000);
    assert_int_equal(c.wait_stabilization_ms, 10000);
    assert_int_equal(c.executing_stabilization_ms, 60000);
    assert_int_equal(c.cooldown_ms, 30000);
    assert_int_equal(c.max_delay_ms, 0);
    assert_int_equal(c.max_checkpoint_failures, 2);
    assert_int_equal(c.min_parallelism_increase, 1);
    assert_int_equal(c.history_size, 0);
}

static void test_a_batch_job_has_the_default_scheduler(void **state)
{
    const char *const pairs[] = {"jobmanager.scheduler", "adaptive", NULL};
    assert_false(read_pairs(pairs, true).enabled);
}

static void test_older_names(void **state)
{
    struct adaptive_config c =
        READ(PREFIX "resource-wait-timeout", "7 s", PREFIX "resource-stabilization-timeout", "8 s",
             PREFIX "scaling-interval.min", "9 s");
    assert_int_equal(c.wait_timeout_ms, 7000);
    assert_int_equal(c.wait_stabilization_ms, 8000);
    assert_int_equal(c.cooldown_ms, 9000);
}

static void test_the_longest_delay_goes_by_checkpoints(void **state)
{
    assert_int_equal(READ("execution.checkpointing.interval", "10 s").max_delay_ms, 30000);
    assert_int_equal(READ("execution.checkpointing.interval", "10 s",
                          PREFIX "rescale-trigger.max-checkpoint-failures", "4")
                         .max_delay_ms,
                     50000);
    assert_int_equal(
        READ("execution.checkpointing.interval", "10 s", PREFIX "rescale-trigger.max-delay", "1 s")
            .max_delay_ms,
        1000);
}

static void test_reactive_mode_has_other_defaults(void **state)
{
    struct adaptive_config c = READ("scheduler-mode", "reactive");
    assert_true(c.enabled && c.reactive);
    assert_int_equal(c.wait_timeout_ms, ADAPTIVE_NEVER);
    assert_int_equal(c.wait_stabilization_ms, 0);
    c = READ("scheduler-mode", "reactive", PREFIX "submission.resource-wait-timeout", "5 s");
    assert_int_equal(c.wait_timeout_ms, 5000);
}

static void test_reactive_mode_is_for_applications(void **state)
{
    struct error err = ERROR_INIT;
    struct conf conf;
    conf_init(&conf, NULL);
    assert_int_equal(adaptive_check_cluster(&conf, false, &err), 0);
    assert_int_equal(conf_set(&conf, "scheduler-mode", "REACTIVE", &err), 0);
    assert_int_equal(adaptive_check_cluster(&conf, true, &err), 0);
    assert_int_equal(adaptive_check_cluster(&conf, false, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "only supported by standalone application clusters"));
    conf_fini(&conf);
}

static void test_counts_have_a_least(void **state)
{
    struct adaptive_config c;
    struct error err = ERROR_INIT;
    struct conf conf;
    conf_init(&conf, NULL);
    assert_int_equal(conf_set(&conf, PREFIX "rescale-trigger.max-checkpoint-failures", "0", &err),
                     0);
    assert_int_equal(adaptive_config_read(&conf, false, &c, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "must be at least 1"));
    conf_fini(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_flinks),
        cmocka_unit_test(test_a_batch_job_has_the_default_scheduler),
        cmocka_unit_test(test_older_names),
        cmocka_unit_test(test_the_longest_delay_goes_by_checkpoints),
        cmocka_unit_test(test_reactive_mode_has_other_defaults),
        cmocka_unit_test(test_reactive_mode_is_for_applications),
        cmocka_unit_test(test_counts_have_a_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
