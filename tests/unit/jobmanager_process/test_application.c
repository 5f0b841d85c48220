/* Which bundle an application is. */
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/process/application.h"
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char usrlib[64];

/* Copies the example of the build folder. */
static void add_bundle(const char *name)
{
    char exe[PATH_MAX];
    STR_AUTO command = STR_INIT;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    for (int up = 0; up < 3; up++) { /* build/<kind>/tests/unit/<program> */
        *strrchr(exe, '/') = '\0';
    }
    str_printf(&command, "cp %s/examples/wordcount.so %s/%s", exe, usrlib, name);
    assert_int_equal(system(str_cstr(&command)), 0);
}

static int setup(void **state)
{
    log_set_level(LOG_LEVEL_ERROR);
    (void)snprintf(usrlib, sizeof(usrlib), "/tmp/usrlib-XXXXXX");
    return mkdtemp(usrlib) == NULL;
}

static int teardown(void **state)
{
    struct error err = ERROR_INIT;
    return fs_delete(usrlib, FS_DELETE_RECURSIVE, &err);
}

static void expect(const char *classname, const char *jars, int code, const char *text)
{
    struct process_args args = {.job_classname = classname, .jars = jars};
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    int rc = application_find_bundle(&args, usrlib, &path, &err);
    const char *told = rc == 0 ? str_cstr(&path) : err.message;
    if (rc != code || strstr(told, text) == NULL) {
        fail_msg("%s: expected '%s' (%d), got '%s' (%d)", classname, text, code, told, rc);
    }
}

static void test_finding(void **state)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO uri = STR_INIT;
    expect(NULL, NULL, ERR_NOT_FOUND, "There is no job bundle in");
    add_bundle("one.so");
    str_printf(&path, "%s/one.so", usrlib);
    str_printf(&uri, "local://%s", str_cstr(&path));
    expect(NULL, NULL, 0, "/one.so");
    expect("one", NULL, 0, "/one.so");
    expect("one.so", NULL, 0, "/one.so");
    expect("wordcount", NULL, 0, "/one.so"); /* by the name of its job */
    expect(str_cstr(&path), NULL, 0, "/one.so");
    expect(NULL, str_cstr(&uri), 0, "/one.so");
    expect("other", str_cstr(&path), 0, "/one.so");
    add_bundle("two.so");
    expect("two", NULL, 0, "/two.so");
    expect(NULL, NULL, ERR_INVALID_ARGUMENT, "one.so, two.so");
    expect("wordcount", NULL, ERR_INVALID_ARGUMENT, "more than one bundle with the job wordcount");
}

static void test_not_found(void **state)
{
    FILE *f;
    STR_AUTO path = STR_INIT;
    add_bundle("one.so");
    str_printf(&path, "%s/readme.txt", usrlib);
    f = fopen(str_cstr(&path), "w");
    fputs("no bundle", f);
    fclose(f);
    expect(NULL, NULL, 0, "/one.so"); /* other files do not count */
    expect("three", NULL, ERR_NOT_FOUND, "There is no bundle 'three'");
    expect("org.example.Job", NULL, ERR_NOT_FOUND, "Java classes cannot be run");
    expect("../../etc/passwd", NULL, ERR_NOT_FOUND, "There is no bundle");
    expect("/not/there.so", NULL, ERR_NOT_FOUND, "There is no bundle");
    expect(NULL, "/not/there.so", ERR_NOT_FOUND, "--jars /not/there.so");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_finding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_found, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
