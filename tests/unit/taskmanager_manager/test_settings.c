/* Names, ports and folders of the process. */
#include "taskmanager/manager/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

static void conf_of(struct conf *conf, const char *settings)
{
    struct slice rest = slice_cstr(settings), line;
    struct error err = ERROR_INIT;
    conf_init(conf, NULL);
    while (slice_next(&rest, ' ', &line)) {
        STR_AUTO text = STR_INIT;
        str_append_slice(&text, line);
        if (line.len > 0 && conf_set_dynamic(conf, str_cstr(&text), &err) < 0) {
            fail_msg("%s", err.message);
        }
    }
}

static struct tm_settings settings_of(const char *settings)
{
    struct conf conf;
    struct tm_settings s;
    struct error err = ERROR_INIT;
    conf_of(&conf, settings);
    if (tm_settings_init(&s, &conf, &err) < 0) {
        fail_msg("%s: %s", settings, err.message);
    }
    conf_fini(&conf);
    return s;
}

static void assert_refused(const char *settings, const char *message)
{
    struct conf conf;
    struct tm_settings s;
    struct error err = ERROR_INIT;
    conf_of(&conf, settings);
    int rc = tm_settings_init(&s, &conf, &err);
    assert_true(rc < 0);
    if (strstr(err.message, message) == NULL) {
        fail_msg("%s: %s", settings, err.message);
    }
    conf_fini(&conf);
}

static void ports_and_ranges(void **state)
{
    static const struct {
        const char *text;
        uint32_t first, last;
    } good[] = {{"0", 0, 0},
                {"50100", 50100, 50100},
                {"50100-50200", 50100, 50200},
                {" 1 - 2 ", 1, 2},
                {"50100,50200-50300", 50100, 50100},
                {"65535", 65535, 65535}};
    static const char *const bad[] = {"", "x", "65536", "5-", "-5", "9-5", "1-2-3", "4294967297"};
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint32_t first = 7, last = 7;
        assert_int_equal(tm_parse_port_range("o", good[i].text, &first, &last, &err), 0);
        assert_int_equal(first, good[i].first);
        assert_int_equal(last, good[i].last);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint32_t first = 7, last = 7;
        assert_int_equal(tm_parse_port_range("some.option", bad[i], &first, &last, &err),
                         ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.message, "some.option"));
        assert_int_equal(first, 7);
    }
}

#define LOCAL \
    "jobmanager.rpc.address=localhost taskmanager.host=localhost taskmanager.bind-host=localhost "

static void names_come_from_host_and_port(void **state)
{
    struct tm_settings a = settings_of(LOCAL), b = settings_of(LOCAL);
    assert_string_equal(a.jobmanager_address, "localhost:6123");
    assert_true(a.rpc_port > 0 && a.rpc_port != b.rpc_port);
    char expected[64];
    snprintf(expected, sizeof(expected), "localhost:%u", a.rpc_port);
    assert_string_equal(a.rpc_address, expected);
    assert_memory_equal(a.resource_id, expected, strlen(expected));
    assert_int_equal(strlen(a.resource_id), strlen(expected) + 7);
    assert_string_not_equal(a.resource_id, b.resource_id);
    assert_string_equal(a.work_parent, "/tmp");
    assert_int_equal(a.data_first, 0);
    tm_settings_fini(&a);
    tm_settings_fini(&b);
}

static void options_say_otherwise(void **state)
{
    struct tm_settings s = settings_of(
        LOCAL "jobmanager.rpc.port=7000 taskmanager.resource-id=tm-1 io.tmp.dirs=/var/tmp:/tmp "
              "taskmanager.data.port=4000 taskmanager.data.bind-port=5000-5010");
    assert_string_equal(s.jobmanager_address, "localhost:7000");
    assert_string_equal(s.resource_id, "tm-1");
    assert_string_equal(s.work_parent, "/var/tmp");
    assert_int_equal(s.data_first, 5000);
    assert_int_equal(s.data_last, 5010);
    tm_settings_fini(&s);
    s = settings_of("jobmanager.rpc.address=localhost process.taskmanager.working-dir=/w");
    assert_string_equal(s.work_parent, "/w");
    assert_string_equal(s.bind_host, "0.0.0.0");
    assert_true(strcmp(s.host, "127.0.0.1") == 0 || strcmp(s.host, "::1") == 0);
    tm_settings_fini(&s);
}

/* Between commas, colons or bars; what is empty is none. */
static void folders_of_local_state(void **state)
{
    struct tm_settings s = settings_of(LOCAL);
    assert_int_equal(s.local_parents.n, 0);
    tm_settings_fini(&s);
    s = settings_of(LOCAL "execution.checkpointing.local-backup.dirs=/a");
    assert_int_equal(s.local_parents.n, 1);
    assert_string_equal(s.local_parents.paths[0], "/a");
    tm_settings_fini(&s);
    s = settings_of(LOCAL "taskmanager.state.local.root-dirs=/a,/b/c::/d|,");
    assert_int_equal(s.local_parents.n, 3);
    assert_string_equal(s.local_parents.paths[1], "/b/c");
    assert_string_equal(s.local_parents.paths[2], "/d");
    tm_settings_fini(&s);
}

static void mistakes_are_named(void **state)
{
    assert_refused(LOCAL "execution.checkpointing.local-backup.dirs="
                         "/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16,/17",
                   "more than 16 folders");
    assert_refused("", "jobmanager.rpc.address is not set");
    assert_refused(LOCAL "jobmanager.rpc.port=70000", "jobmanager.rpc.port");
    assert_refused(LOCAL "taskmanager.rpc.port=none", "taskmanager.rpc.port cannot be \"none\"");
    assert_refused(LOCAL "taskmanager.data.port=70000", "taskmanager.data.port");
    assert_refused(LOCAL "taskmanager.resource-id=a/b", "taskmanager.resource-id");
    assert_refused("jobmanager.rpc.address=localhost taskmanager.bind-host=no.such.host.invalid",
                   "taskmanager.bind-host");
}

static void a_port_in_use_is_named(void **state)
{
    struct tm_settings a = settings_of(LOCAL);
    char text[512];
    snprintf(text, sizeof(text), LOCAL "taskmanager.rpc.port=%u", a.rpc_port);
    assert_refused(text, "(taskmanager.rpc.port; 0 takes a free one): Address already in use");
    tm_settings_fini(&a);
}

static void logs_are_where_the_scripts_say(void **state)
{
    setenv("FLINC_LOG_FILE", "/tmp/flink-me-taskexecutor-0-host.log", 1);
    setenv("FLINC_OUT_FILE", "/tmp/flink-me-taskexecutor-0-host.out", 1);
    struct tm_settings s = settings_of(LOCAL);
    assert_string_equal(s.log_dir, "/tmp");
    assert_string_equal(s.log_file, "/tmp/flink-me-taskexecutor-0-host.log");
    assert_string_equal(s.out_file, "/tmp/flink-me-taskexecutor-0-host.out");
    tm_settings_fini(&s);
    unsetenv("FLINC_LOG_FILE");
    unsetenv("FLINC_OUT_FILE");
    s = settings_of(LOCAL "env.log.dir=/nowhere/at/all");
    assert_null(s.log_dir);
    assert_null(s.log_file);
    tm_settings_fini(&s);
    s = settings_of(LOCAL "env.log.dir=/tmp");
    assert_string_equal(s.log_dir, "/tmp");
    tm_settings_fini(&s);
}

int main(void)
{
    unsetenv("FLINK_LOG_DIR");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_and_ranges),
        cmocka_unit_test(names_come_from_host_and_port),
        cmocka_unit_test(options_say_otherwise),
        cmocka_unit_test(folders_of_local_state),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(logs_are_where_the_scripts_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
