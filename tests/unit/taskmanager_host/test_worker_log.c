/* Names of workers' log files, and which of them are removed. */
#include "taskmanager/host/worker_log.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char stem[] = "flink-ann-taskworker-0-host.a";

static void test_names(void **state)
{
    struct flinc_id job = {.bytes = {0xab, 1}};
    STR_AUTO text = STR_INIT;
    worker_log_stem("/var/log/flink-ann-taskexecutor-0-host.a.log", "other", &text);
    assert_string_equal(str_cstr(&text), stem);
    str_clear(&text);
    worker_log_path("/var/log", stem, &job, &text);
    assert_string_equal(str_cstr(&text), "/var/log/flink-ann-taskworker-0-host.a-"
                                         "ab010000000000000000000000000000.log");
}

/* Two of them in one folder have two names. */
static void test_names_without_a_log_of_its_own(void **state)
{
    static const char *const own[] = {NULL, "", "/var/log/mine.log",
                                      "/var/log/flink-a-taskexecutor-0-h.txt"};
    char expected[128];
    assert_int_equal(setenv("FLINK_IDENT_STRING", "bob", 1), 0);
    (void)snprintf(expected, sizeof(expected), "flink-bob-taskworker-%d-h", (int)getpid());
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        STR_AUTO text = STR_INIT;
        worker_log_stem(own[i], "h", &text);
        assert_string_equal(str_cstr(&text), expected);
    }
    assert_int_equal(setenv("FLINK_IDENT_STRING", "../up", 1), 0);
    assert_int_equal(setenv("USER", "eve", 1), 0);
    STR_AUTO text = STR_INIT;
    worker_log_stem(NULL, "h", &text);
    assert_int_equal(strncmp(str_cstr(&text), "flink-eve-taskworker-", 21), 0);
}

/* ---- removal --------------------------------------------------------------------------------------- */

static char dir[64];

static void make(const char *name, int64_t age_s)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    const struct timespec times[2] = {{.tv_sec = 1000000 - age_s}, {.tv_sec = 1000000 - age_s}};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* Of job number `job`, which is also its age. */
static void make_log(const char *of, int job, const char *suffix)
{
    char name[256];
    (void)snprintf(name, sizeof(name), "%s-%032x.log%s", of, (unsigned)job, suffix);
    make(name, job);
}

static bool exists(const char *of, int job, const char *suffix)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s-%032x.log%s", dir, of, (unsigned)job, suffix);
    return access(path, F_OK) == 0;
}

static bool is_last(void *arg, const char *job_hex)
{
    char hex[ID_HEX_LEN + 1];
    (void)snprintf(hex, sizeof(hex), "%032x", *(unsigned *)arg);
    return strcmp(hex, job_hex) == 0;
}

static uint32_t count_files(void)
{
    uint32_t n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static void test_the_newest_stay(void **state)
{
    unsigned in_use = 9;
    for (int job = 0; job < 10; job++) {
        make_log(stem, job, "");
    }
    make_log(stem, 7, ".1");
    make_log(stem, 8, ".1");
    make_log(stem, 8, ".12");
    make_log(stem, 9, ".1");
    /* Not ours: another task manager's, the daemon's, and what only looks like one. */
    make_log("flink-ann-taskworker-1-host.a", 8, "");
    make_log(stem, 8, ".gz");
    make_log(stem, 8, ".");
    make("flink-ann-taskexecutor-0-host.a.log", 100);
    make("flink-ann-taskworker-0-host.a-0.log", 100);
    uint32_t n = count_files();
    assert_int_equal(worker_log_prune(dir, stem, 9, is_last, &in_use), 0);
    assert_int_equal(worker_log_prune(dir, stem, 7, is_last, &in_use), 5);
    assert_int_equal(count_files(), n - 5);
    assert_true(exists(stem, 6, ""));
    assert_false(exists(stem, 7, ""));
    assert_false(exists(stem, 7, ".1"));
    assert_false(exists(stem, 8, ".12"));
    assert_true(exists(stem, 9, "")); /* it runs */
    assert_true(exists(stem, 9, ".1"));
    assert_true(exists("flink-ann-taskworker-1-host.a", 8, ""));
    assert_true(exists(stem, 8, ".gz"));
    assert_int_equal(worker_log_prune("/nonexistent", stem, 0, is_last, &in_use), 0);
}

static int make_dir(void **state)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/flinc-worker-log-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    DIR *d = opendir(dir);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_without_a_log_of_its_own),
        cmocka_unit_test_setup_teardown(test_the_newest_stay, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
