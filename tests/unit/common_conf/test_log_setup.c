/* log4j.properties: the keys that mean something here, and all that does not. */
#include "common/conf/log_setup.h"

#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_levels(void **state)
{
    struct log_properties p;
    log_properties_init(&p);
    log_properties_parse(
        &p, slice_cstr("# a comment\n"
                       "monitorInterval=30\n"
                       "rootLogger.level = WARN\n"
                       "rootLogger.appenderRef.file.ref = MainAppender\n"
                       "logger.flink.name = org.apache.flink.runtime.jobmaster\n"
                       "logger.flink.level = DEBUG\n"
                       "logger.kafka.name= org.apache.kafka\nlogger.kafka.level = INFO\n"
                       "logger.ours.level = trace\r\nlogger.ours.name = flinc.rest\r\n"
                       "logger.half.name = flinc.half\n"
                       "appender.main.policies.size.size=10MB\n"
                       "appender.main.strategy.max = ${env:FLINC_NOT_SET:-7}\n"));
    assert_true(p.has_root);
    assert_int_equal(p.root, LOG_LEVEL_WARN);
    assert_int_equal(p.levels.len, 2);
    assert_int_equal(*(enum log_level *)map_find(&p.levels, "flinc.runtime.jobmaster"),
                     LOG_LEVEL_DEBUG);
    assert_int_equal(*(enum log_level *)map_find(&p.levels, "flinc.rest"), LOG_LEVEL_TRACE);
    assert_int_equal(p.roll_bytes, 10 * 1024 * 1024);
    assert_int_equal(p.roll_files, 7);
    log_properties_fini(&p);
}

static void test_nonsense(void **state)
{
    static const char *const texts[] = {
        "",
        "=",
        "rootLogger.level",
        "rootLogger.level = LOUD",
        "rootLogger.level = ${env:",
        "rootLogger.level = ${}",
        "logger. = x\nlogger..name = flinc\nlogger..level=",
        "appender.x.policies.size.size = -1MB\nappender.x.strategy.max = 99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct log_properties p;
        log_properties_init(&p);
        log_properties_parse(&p, slice_cstr(texts[i]));
        assert_int_equal(p.root, LOG_LEVEL_INFO);
        assert_int_equal(p.roll_bytes, 0);
        assert_int_equal(p.roll_files, -1);
        log_properties_fini(&p);
    }
}

static void test_variables(void **state)
{
    struct log_properties p;
    assert_int_equal(setenv("FLINC_TEST_LEVEL", "ERROR", 1), 0);
    log_properties_init(&p);
    log_properties_parse(&p, slice_cstr("rootLogger.level = ${env:FLINC_TEST_LEVEL:-INFO}"));
    assert_int_equal(p.root, LOG_LEVEL_ERROR);
    log_properties_fini(&p);
}

/* The environment beats the configuration, which beats the file. */
static void test_rolling(void **state)
{
    char path[] = "/tmp/flinc-log-XXXXXX";
    static const char text[] = "appender.main.policies.size.size = 2KB\n"
                               "appender.main.strategy.max = 3\nrootLogger.level = ERROR\n";
    struct conf conf;
    struct log_rolling rolling;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    conf_init(&conf, NULL);
    assert_int_equal(unsetenv("MAX_LOG_FILE_NUMBER"), 0);
    assert_int_equal(unsetenv("ROOT_LOG_LEVEL"), 0);
    assert_int_equal(setenv("FLINC_LOG_CONFIG", path, 1), 0);
    log_setup_rolling(&conf, &rolling);
    assert_int_equal(rolling.max_bytes, 2048);
    assert_int_equal(rolling.max_files, 3);
    assert_int_equal(conf_set(&conf, "env.log.max", "4", NULL), 0);
    log_setup_rolling(&conf, &rolling);
    assert_int_equal(rolling.max_files, 4);
    assert_int_equal(setenv("MAX_LOG_FILE_NUMBER", "5", 1), 0);
    log_setup_rolling(&conf, &rolling);
    assert_int_equal(rolling.max_files, 5);
    log_setup_levels(&conf);
    assert_false(log_enabled(LOG_LEVEL_WARN, "flinc.test"));
    assert_int_equal(setenv("FLINC_LOG_CONFIG", "/nonexistent", 1), 0);
    log_setup_levels(&conf);
    assert_true(log_enabled(LOG_LEVEL_INFO, "flinc.test"));
    log_setup_rolling(&conf, &rolling);
    assert_int_equal(rolling.max_bytes, 100 * 1024 * 1024);
    conf_fini(&conf);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_rolling),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
