/* The file of an archive: seen when it is whole, replaced, tried again, given up. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/archive/archive.h"
#include "tests/unit/jobmanager_rest/fixture.h"
#include <stdlib.h>

static char folder[64];
static struct conf conf;
static struct archivist *archivist;
static struct job_details *job;

static int set_up(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO dir = STR_INIT;
    log_set_level(LOG_LEVEL_OFF);
    (void)snprintf(folder, sizeof(folder), "/tmp/archivist-XXXXXX");
    assert_non_null(mkdtemp(folder));
    conf_init(&conf, NULL);
    str_printf(&dir, "file://%s/not/there/yet", folder);
    assert_int_equal(conf_set(&conf, "jobmanager.archive.fs.dir", str_cstr(&dir), &err), 0);
    assert_int_equal(archivist_new(&conf, &archivist, &err), 0);
    job = fixture_job(JOB_STATUS_FINISHED);
    return 0;
}

static int tear_down(void **state)
{
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    archivist = archivist_free(archivist);
    job_details_unref(job);
    conf_fini(&conf);
    return fs_delete(folder, FS_DELETE_RECURSIVE, &err);
}

/* The names in the archives' folder; one expected, or none. */
static void expect_file(const char *name)
{
    STR_AUTO dir = STR_INIT;
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    str_printf(&dir, "%s/not/there/yet", folder);
    int rc = fs_list_dir(str_cstr(&dir), &list, &err);
    assert_int_equal(list.n, name != NULL ? 1 : 0);
    if (name != NULL) {
        assert_int_equal(rc, 0);
        assert_string_equal(list.entries[0].name, name);
    }
    fs_list_fini(&list);
}

static void set(const char *failpoints)
{
    struct error err = ERROR_INIT;
    assert_int_equal(failpoint_configure(failpoints, &err), 0);
}

static void writes_and_replaces(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(archivist_archive(archivist, job, &err), 0);
    expect_file(JOB_ID);
    assert_int_equal(archivist_archive(archivist, job, &err), 0);
    expect_file(JOB_ID);
}

static void tries_again(void **state)
{
    struct error err = ERROR_INIT;
    set("archive.write.before_rename=error,nth=1");
    assert_int_equal(archivist_archive(archivist, job, &err), 0);
    expect_file(JOB_ID);
    assert_int_equal(failpoint_hits("archive.write.before_rename"), 2);
}

static void gives_up(void **state)
{
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    set("archive.write.before=error:no such luck");
    assert_int_equal(archivist_archive(archivist, job, &err), ERR_IO);
    assert_int_equal(failpoint_hits("archive.write.before"), ARCHIVIST_TRIES);
    error_format(&err, text, sizeof(text));
    assert_non_null(strstr(text, "no such luck"));
    assert_non_null(strstr(text, "jobmanager.archive.fs.dir"));
    assert_non_null(strstr(text, JOB_ID));
    expect_file(NULL);
}

static void is_in_a_hurry(void **state)
{
    struct error err = ERROR_INIT;
    set("archive.write.before=error");
    archivist_set_hurry(archivist, true);
    assert_int_equal(archivist_archive(archivist, job, &err), ERR_IO);
    assert_int_equal(failpoint_hits("archive.write.before"), 1);
}

static void checks_its_folder(void **state)
{
    struct error err = ERROR_INIT;
    struct archivist *none;
    struct conf other;
    conf_init(&other, NULL);
    assert_int_equal(archivist_new(&other, &none, &err), 0);
    assert_null(none);
    assert_int_equal(conf_set(&other, "jobmanager.archive.fs.dir", "gopher://x/y", &err), 0);
    assert_int_equal(archivist_new(&other, &none, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "jobmanager.archive.fs.dir"));
    assert_non_null(strstr(err.message, "gopher"));
    conf_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_and_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tries_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_in_a_hurry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_its_folder, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
