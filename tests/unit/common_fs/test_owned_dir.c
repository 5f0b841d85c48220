/* Folders of living processes: made, removed, and cleared after a process that was killed. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/fs/fs.h"
#include "common/fs/owned_dir.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char parent[64];

static int setup(void **state)
{
    log_set_level(LOG_LEVEL_ERROR);
    (void)snprintf(parent, sizeof(parent), "/tmp/owned-dir-XXXXXX");
    return mkdtemp(parent) == NULL;
}

static int teardown(void **state)
{
    struct error err = ERROR_INIT;
    return fs_delete(parent, FS_DELETE_RECURSIVE, &err);
}

static size_t n_entries(const char *dir)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_list_dir(dir, &list, &err), 0);
    size_t n = list.n;
    fs_list_fini(&list);
    return n;
}

static void put_file(const char *dir)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/inner", dir);
    assert_int_equal(mkdir(str_cstr(&path), 0700), 0);
    str_append_cstr(&path, "/file");
    FILE *f = fopen(str_cstr(&path), "w");
    assert_non_null(f);
    fputs("x", f);
    fclose(f);
}

static void test_make_and_remove(void **state)
{
    struct owned_dir a, b;
    struct error err = ERROR_INIT;
    STR_AUTO deep = STR_INIT;
    str_printf(&deep, "%s/not/there/yet", parent);
    assert_int_equal(owned_dir_make(&a, str_cstr(&deep), "blobStore", &err), 0);
    assert_int_equal(owned_dir_make(&b, str_cstr(&deep), "blobStore", &err), 0);
    assert_string_not_equal(a.path, b.path);
    put_file(a.path);
    assert_int_equal(n_entries(str_cstr(&deep)), 4); /* both live: neither cleared the other's */
    owned_dir_remove(&a);
    owned_dir_remove(&a);
    assert_int_equal(n_entries(str_cstr(&deep)), 2);
    owned_dir_remove(&b);
    assert_int_equal(n_entries(str_cstr(&deep)), 0);
}

/* A process that has a folder with something in it. */
static pid_t fork_owner(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct owned_dir d;
        if (owned_dir_make(&d, parent, "blobStore", NULL) == 0) {
            put_file(d.path);
            (void)!write(ready[1], "x", 1);
        }
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void test_leftovers_of_a_killed_process(void **state)
{
    pid_t pid = fork_owner();
    struct owned_dir mine;
    struct error err = ERROR_INIT;
    assert_int_equal(owned_dir_make(&mine, parent, "blobStore", &err), 0);
    assert_int_equal(n_entries(parent), 4); /* it lives */
    owned_dir_remove(&mine);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(owned_dir_make(&mine, parent, "other", &err), 0);
    assert_int_equal(n_entries(parent), 4); /* another prefix is none of its business */
    owned_dir_remove(&mine);
    assert_int_equal(owned_dir_make(&mine, parent, "blobStore", &err), 0);
    assert_int_equal(n_entries(parent), 2);
    owned_dir_remove(&mine);
    assert_int_equal(n_entries(parent), 0);
}

/* Something still writes into it: it goes when the next one looks, at the end of a process at the latest. */
static void test_leftovers_that_cannot_be_removed_yet(void **state)
{
    pid_t pid = fork_owner();
    struct owned_dir mine;
    struct error err = ERROR_INIT;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(failpoint_configure("fs.owned_dir.remove=error", &err), 0);
    assert_int_equal(owned_dir_make(&mine, parent, "blobStore", &err), 0);
    assert_int_equal(n_entries(parent), 4);
    failpoint_clear_all();
    owned_dir_remove(&mine);
    assert_int_equal(n_entries(parent), 0);
}

static void test_parent_is_a_file(void **state)
{
    STR_AUTO path = STR_INIT;
    struct owned_dir d;
    struct error err = ERROR_INIT;
    put_file(parent);
    str_printf(&path, "%s/inner/file", parent);
    assert_true(owned_dir_make(&d, str_cstr(&path), "blobStore", &err) < 0);
    assert_non_null(strstr(err.message, str_cstr(&path)));
    owned_dir_remove(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_make_and_remove, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_of_a_killed_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_that_cannot_be_removed_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parent_is_a_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
