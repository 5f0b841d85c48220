/* The line pattern, escaping, cutting, levels and topics, files, and many threads into one file. */
#include "common/base/log.h"

#include "common/base/map.h"
#include "common/base/thread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct str captured = STR_INIT;
static enum log_level captured_level;
static int n_lines;

static void capture(void *arg, enum log_level level, const char *line)
{
    assert_ptr_equal(arg, &captured);
    captured_level = level;
    n_lines++;
    str_clear(&captured);
    str_append_cstr(&captured, line);
}

static int setup(void **state)
{
    log_reset_levels();
    log_set_sink(capture, &captured);
    str_clear(&captured);
    n_lines = 0;
    return 0;
}

static int teardown(void **state)
{
    log_set_sink(NULL, NULL);
    log_set_clock(NULL);
    log_set_thread_context(NULL);
    log_reset_levels();
    str_fini(&captured);
    return 0;
}

static void test_pattern(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock); /* 2001-09-09 01:46:40 UTC */
    clock_manual_advance_ms(&clock, 7);
    log_set_clock(&clock.base);
    LOG_INFO("flinc.jobmaster", "job switched from %s to %s", "CREATED", "RUNNING");
    assert_int_equal(captured_level, LOG_LEVEL_INFO);
    assert_string_equal(str_cstr(&captured),
                        "2001-09-09 01:46:40,007 INFO  "
                        "flinc.jobmaster                                              "
                        "[] - job switched from CREATED to RUNNING");
    clock_manual_advance_ms(&clock, 60 * 1000 + 100);
    LOG_ERROR("t", "x");
    assert_memory_equal(str_cstr(&captured), "2001-09-09 01:47:40,107 ERROR t ", 32);

    log_set_thread_context("job=1 vertex=2");
    LOG_WARN("t", "late rows=%d", 3);
    assert_true(cstr_ends_with(str_cstr(&captured), " [] - late rows=3 job=1 vertex=2"));
    log_set_thread_context(NULL);
    LOG_WARN("t", "late");
    assert_true(cstr_ends_with(str_cstr(&captured), " [] - late"));
}

static void test_a_line_is_one_line(void **state)
{
    log_set_thread_context("context\n");
    LOG_INFO("t", "a\nb\r\tc\x1b[31m\x7f d\xC3\xA9");
    assert_true(
        cstr_ends_with(str_cstr(&captured), " - a\\nb\\r\\tc\\x1b[31m\\x7f d\xC3\xA9 context\\n"));
    log_set_thread_context(NULL);
}

static void test_long_messages_are_cut(void **state)
{
    char text[20000];
    for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\xC3\xA9", 3);
    }
    LOG_INFO("t", "%s", text);
    assert_true(cstr_ends_with(str_cstr(&captured), "\xC3\xA9 ..."));
    assert_in_range(captured.len, 8000, 8400);
    LOG_INFO("t", ".%s", text);
    assert_true(cstr_ends_with(str_cstr(&captured), "\xC3\xA9 ..."));

    /* Escapes make it longer than a line can be. */
    memset(text, 1, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_set_thread_context("k=v");
    LOG_INFO("t", "%s", text);
    assert_in_range(captured.len, 12000, 12 * 1024);
    log_set_thread_context(NULL);
    char topic[5000];
    memset(topic, 't', sizeof(topic) - 1);
    topic[sizeof(topic) - 1] = '\0';
    log_write(LOG_LEVEL_INFO, topic, "x");
    assert_true(captured.len < 200);
}

static void test_levels(void **state)
{
    assert_false(log_enabled(LOG_LEVEL_DEBUG, "flinc.exchange"));
    assert_true(log_enabled(LOG_LEVEL_INFO, "flinc.exchange"));
    log_set_topic_level("flinc.exchange", LOG_LEVEL_DEBUG);
    log_set_topic_level("flinc.exchange.gate", LOG_LEVEL_ERROR);
    assert_true(log_enabled(LOG_LEVEL_DEBUG, "flinc.exchange"));
    assert_true(log_enabled(LOG_LEVEL_DEBUG, "flinc.exchange.partition"));
    assert_false(log_enabled(LOG_LEVEL_DEBUG, "flinc.exchanges"));
    assert_false(log_enabled(LOG_LEVEL_DEBUG, "flinc"));
    assert_false(log_enabled(LOG_LEVEL_WARN, "flinc.exchange.gate"));
    assert_true(log_enabled(LOG_LEVEL_ERROR, "flinc.exchange.gate.x"));
    assert_true(log_enabled(LOG_LEVEL_INFO, "other"));
    log_set_topic_level("flinc.exchange", LOG_LEVEL_OFF);
    assert_false(log_enabled(LOG_LEVEL_ERROR, "flinc.exchange"));
    log_set_level(LOG_LEVEL_OFF);
    assert_false(log_enabled(LOG_LEVEL_ERROR, "other"));

    n_lines = 0;
    LOG_ERROR("other", "not seen");
    assert_int_equal(n_lines, 0);
    LOG_ERROR("flinc.exchange.gate", "seen");
    assert_int_equal(n_lines, 1);
}

static void test_too_many_topics_warn(void **state)
{
    char topic[32];
    for (int i = 0; i < 64; i++) {
        snprintf(topic, sizeof(topic), "topic%d", i);
        log_set_topic_level(topic, LOG_LEVEL_WARN);
    }
    assert_int_equal(n_lines, 0);
    log_set_topic_level("topic5", LOG_LEVEL_DEBUG); /* known ones can change */
    assert_int_equal(n_lines, 0);
    log_set_topic_level("one-more", LOG_LEVEL_DEBUG);
    assert_int_equal(n_lines, 1);
    assert_non_null(strstr(str_cstr(&captured), "one-more"));
}

static void test_level_names(void **state)
{
    for (int i = LOG_LEVEL_TRACE; i <= LOG_LEVEL_OFF; i++) {
        enum log_level level;
        assert_true(log_level_parse(log_level_name((enum log_level)i), &level));
        assert_int_equal(level, i);
    }
    enum log_level level = LOG_LEVEL_WARN;
    assert_true(log_level_parse("info", &level));
    assert_int_equal(level, LOG_LEVEL_INFO);
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_LEVEL_INFO);
}

/* ---- files --------------------------------------------------------------------------------- */

enum { N_WRITERS = 4, N_LINES = 500 };

static void *write_lines(void *arg)
{
    char context[16];
    snprintf(context, sizeof(context), "writer=%d", *(int *)arg);
    log_set_thread_context(context);
    for (int i = 0; i < N_LINES; i++) {
        LOG_INFO("flinc.test", "line %d", i);
    }
    log_set_thread_context(NULL);
    return NULL;
}

static int count_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[512], message[64];
    int n = 0, next[N_WRITERS] = {0};
    while (fgets(line, sizeof(line), f) != NULL) {
        int number, writer;
        const char *at = strstr(line, "[] - ");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "[] - line %d writer=%d", &number, &writer), 2);
        snprintf(message, sizeof(message), "[] - line %d writer=%d\n", number, writer);
        assert_string_equal(at, message); /* whole lines, nothing mixed in */
        assert_true(number >= next[writer]);
        next[writer] = number + 1;
        n++;
    }
    fclose(f);
    return n;
}

static void test_files_and_rotation(void **state)
{
    log_set_sink(NULL, NULL);
    char dir[] = "/tmp/flinc-test-log-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char first[64], second[64];
    snprintf(first, sizeof(first), "%s/first.log", dir);
    snprintf(second, sizeof(second), "%s/second.log", dir);
    struct error err = ERROR_INIT;
    assert_int_equal(log_open_file("/nonexistent/x.log", &err), ERR_NOT_FOUND);
    assert_int_equal(log_open_file(first, &err), 0);

    pthread_t threads[N_WRITERS];
    int numbers[N_WRITERS];
    for (int i = 0; i < N_WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(thread_start(&threads[i], "writer", write_lines, &numbers[i], NULL), 0);
    }
    assert_int_equal(log_open_file(second, &err), 0); /* while they write */
    assert_int_equal(log_open_file(first, &err), 0);
    for (int i = 0; i < N_WRITERS; i++) {
        thread_join(threads[i]);
    }
    assert_int_equal(log_open_file(NULL, &err), 0);
    log_close();
    log_close();
    assert_int_equal(count_lines(first) + count_lines(second), N_WRITERS * N_LINES);
    unlink(first);
    unlink(second);
    rmdir(dir);
}

/* The sink comes and goes while others log: no call of it may run after it was taken away. */
static _Atomic bool sink_is_set;
static void check_sink(void *arg, enum log_level level, const char *line)
{
    assert_true(sink_is_set);
}

static void test_sink_changes(void **state)
{
    log_set_sink(NULL, NULL);
    struct error err = ERROR_INIT;
    assert_int_equal(log_open_file("/dev/null", &err), 0);
    pthread_t threads[N_WRITERS];
    int numbers[N_WRITERS];
    for (int i = 0; i < N_WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(thread_start(&threads[i], "writer", write_lines, &numbers[i], NULL), 0);
    }
    for (int i = 0; i < 200; i++) {
        sink_is_set = true;
        log_set_sink(check_sink, NULL);
        log_set_sink(NULL, NULL);
        sink_is_set = false;
    }
    for (int i = 0; i < N_WRITERS; i++) {
        thread_join(threads[i]);
    }
    log_close();
}

static bool file_exists(const char *dir, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void test_rolling(void **state)
{
    char dir[] = "/tmp/flinc-log-XXXXXX";
    char path[64], rolled[80];
    struct log_rolling rolling = {.max_bytes = 4096, .max_files = 2};
    struct error err = ERROR_INIT;

    log_set_sink(NULL, NULL);
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/a.log", dir);
    assert_int_equal(log_open_rolling(path, &rolling, &err), 0);
    LOG_INFO("flinc.test", "the first life");
    assert_false(file_exists(dir, "a.log.1"));
    /* A second start rolls what the first one left. */
    assert_int_equal(log_open_rolling(path, &rolling, &err), 0);
    assert_true(file_exists(dir, "a.log.1"));
    for (int i = 0; i < 200; i++) {
        LOG_INFO("flinc.test", "line %d", i);
    }
    assert_true(file_exists(dir, "a.log.2"));
    assert_false(file_exists(dir, "a.log.3"));
    log_close();
    for (int i = 0; i < 3; i++) {
        (void)snprintf(rolled, sizeof(rolled), i == 0 ? "%s" : "%s.%d", path, i);
        assert_int_equal(unlink(rolled), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(log_open_rolling("/nowhere/at/all.log", &rolling, &err), ERR_NOT_FOUND);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pattern, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_is_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_messages_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_topics_warn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_level_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_and_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sink_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rolling, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
