/* The blob store: one file per content, counted; limit, full disk, many threads, leftovers. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/fs/fs.h"
#include "jobmanager/blob/blob_store.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char parent[64];
static char store_dir[80];

static int setup(void **state)
{
    log_set_level(LOG_LEVEL_ERROR);
    (void)snprintf(parent, sizeof(parent), "/tmp/blob-store-XXXXXX");
    (void)snprintf(store_dir, sizeof(store_dir), "%s/store", mkdtemp(parent) != NULL ? parent : "");
    return 0;
}

static int teardown(void **state)
{
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    return fs_delete(parent, FS_DELETE_RECURSIVE, &err);
}

static struct blob_store *open_store(uint64_t max_bytes)
{
    struct blob_store *s = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(
        blob_store_open(&(struct blob_store_options){.dir = store_dir, .max_bytes = max_bytes}, &s,
                        &err),
        0);
    return s;
}

static const char *make_file(struct str *path, const char *name, size_t size, char fill)
{
    str_clear(path);
    str_printf(path, "%s/%s", parent, name);
    FILE *f = fopen(str_cstr(path), "w");
    assert_non_null(f);
    for (size_t i = 0; i < size; i++) {
        fputc(fill, f);
    }
    fclose(f);
    return str_cstr(path);
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

/* Files in the store's own folder. */
static size_t n_files(void)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    size_t n = 0;
    assert_int_equal(fs_list_dir(store_dir, &list, &err), 0);
    for (size_t i = 0; i < list.n; i++) {
        if (list.entries[i].status.kind == FS_KIND_DIRECTORY) {
            n += n_entries(list.entries[i].path);
        }
    }
    fs_list_fini(&list);
    return n;
}

static void test_same_content_is_one_blob(void **state)
{
    /* SHA-256 of "abc" */
    static const uint8_t expected[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                         0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                         0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                         0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct blob_store *s = open_store(0);
    STR_AUTO path = STR_INIT;
    STR_AUTO data = STR_INIT;
    struct error err = ERROR_INIT;
    struct blob_key a, b;
    uint64_t size = 0, total = 0;
    (void)make_file(&path, "f", 0, 0);
    FILE *f = fopen(str_cstr(&path), "w");
    fputs("abc", f);
    fclose(f);
    assert_int_equal(blob_store_put_file(s, str_cstr(&path), &a, &size, &err), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(a.hash, expected, 32);
    assert_int_equal(blob_store_put_file(s, str_cstr(&path), &b, &size, &err), 0);
    assert_memory_equal(a.hash, b.hash, 32);
    assert_int_equal(access(str_cstr(&path), F_OK), 0); /* the source stays */
    assert_int_equal(blob_store_n(s), 1);
    assert_int_equal(blob_store_bytes(s), 3);
    assert_int_equal(n_files(), 1);
    assert_int_equal(blob_store_read(s, &a, 1, 100, &data, &total, &err), 0);
    assert_int_equal(total, 3);
    assert_int_equal(data.len, 2);
    assert_memory_equal(data.data, "bc", 2);
    assert_int_equal(blob_store_read(s, &a, 99, 100, &data, &total, &err), 0);
    assert_int_equal(data.len, 0);
    blob_store_unref(s, &a);
    str_clear(&data);
    assert_int_equal(blob_store_path(s, &b, &data, &err), 0);
    assert_int_equal(access(str_cstr(&data), R_OK), 0);
    blob_store_ref(s, &b);
    blob_store_unref(s, &b);
    blob_store_unref(s, &b);
    assert_int_equal(blob_store_n(s), 0);
    assert_int_equal(blob_store_bytes(s), 0);
    assert_int_equal(n_files(), 0);
    assert_int_equal(blob_store_read(s, &b, 0, 1, &data, &total, &err), ERR_NOT_FOUND);
    assert_int_equal(blob_store_path(s, &b, &data, &err), ERR_NOT_FOUND);
    blob_store_close(s);
    assert_int_equal(n_entries(store_dir), 0);
}

static void test_limit(void **state)
{
    struct blob_store *s = open_store(1000);
    STR_AUTO path = STR_INIT;
    struct error err = ERROR_INIT;
    struct blob_key a, b;
    uint64_t size = 0;
    assert_int_equal(blob_store_put_file(s, make_file(&path, "a", 600, 'a'), &a, &size, &err), 0);
    assert_int_equal(blob_store_put_file(s, make_file(&path, "b", 600, 'b'), &b, &size, &err),
                     ERR_LIMIT);
    assert_non_null(strstr(err.message, "blob.storage.max-size"));
    assert_int_equal(blob_store_bytes(s), 600);
    assert_int_equal(n_files(), 1);
    blob_store_unref(s, &a);
    assert_int_equal(blob_store_put_file(s, str_cstr(&path), &b, &size, &err), 0);
    blob_store_close(s);
}

static void test_bad_sources(void **state)
{
    struct blob_store *s = open_store(0);
    struct error err = ERROR_INIT;
    struct blob_key key;
    uint64_t size = 0;
    STR_AUTO missing = STR_INIT;
    str_printf(&missing, "%s/missing", parent);
    assert_int_equal(blob_store_put_file(s, str_cstr(&missing), &key, &size, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "missing"));
    assert_int_equal(blob_store_put_file(s, parent, &key, &size, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(blob_store_put_file(s, "/dev/zero", &key, &size, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(blob_store_bytes(s), 0);
    assert_int_equal(n_files(), 0);
    assert_false(blob_key_from_bytes("short", 5, &key));
    blob_store_close(s);
}

static void test_write_fails(void **state)
{
    struct blob_store *s = open_store(0);
    STR_AUTO path = STR_INIT;
    struct error err = ERROR_INIT;
    struct blob_key key;
    uint64_t size = 0;
    (void)make_file(&path, "a", 600, 'a');
    assert_int_equal(failpoint_configure("blob.write=error", &err), 0);
    assert_true(blob_store_put_file(s, str_cstr(&path), &key, &size, &err) < 0);
    failpoint_clear_all();
    assert_int_equal(blob_store_bytes(s), 0);
    assert_int_equal(n_files(), 0);
    assert_int_equal(blob_store_put_file(s, str_cstr(&path), &key, &size, &err), 0);
    blob_store_close(s);
}

static void test_full_disk(void **state)
{
    STR_AUTO command = STR_INIT;
    STR_AUTO path = STR_INIT;
    str_printf(&command, "mkdir %s && mount -t tmpfs -o size=64k tmpfs %s 2>/dev/null", store_dir,
               store_dir);
    if (system(str_cstr(&command)) != 0) {
        skip(); /* only root may mount */
    }
    struct blob_store *s = open_store(0);
    struct error err = ERROR_INIT;
    struct blob_key key;
    uint64_t size = 0;
    int rc = blob_store_put_file(s, make_file(&path, "a", 200000, 'a'), &key, &size, &err);
    uint64_t bytes = blob_store_bytes(s);
    blob_store_close(s);
    str_clear(&command);
    str_printf(&command, "umount %s", store_dir);
    assert_int_equal(system(str_cstr(&command)), 0);
    assert_int_equal(rc, ERR_NO_SPACE);
    assert_non_null(strstr(err.message, store_dir));
    assert_int_equal(bytes, 0);
}

/* ---- many threads ------------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 200 };

static struct blob_store *shared;

static void *put_and_drop(void *arg)
{
    char name[32];
    STR_AUTO path = STR_INIT;
    STR_AUTO data = STR_INIT;
    for (int i = 0; i < ROUNDS; i++) {
        struct error err = ERROR_INIT;
        struct blob_key key;
        uint64_t size = 0, total = 0;
        (void)snprintf(name, sizeof(name), "shared-%d", i % 3);
        str_clear(&path);
        str_printf(&path, "%s/%s", parent, name);
        if (blob_store_put_file(shared, str_cstr(&path), &key, &size, &err) < 0 ||
            blob_store_read(shared, &key, 0, 5000, &data, &total, &err) < 0 || data.len != 5000 ||
            data.data[4999] != "xyz"[i % 3]) {
            return "failed";
        }
        blob_store_unref(shared, &key);
    }
    return NULL;
}

static void test_threads(void **state)
{
    STR_AUTO path = STR_INIT;
    pthread_t threads[THREADS];
    struct error err = ERROR_INIT;
    (void)make_file(&path, "shared-0", 5000, 'x');
    (void)make_file(&path, "shared-1", 5000, 'y');
    (void)make_file(&path, "shared-2", 5000, 'z');
    shared = open_store(0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_drop, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(blob_store_n(shared), 0);
    assert_int_equal(blob_store_bytes(shared), 0);
    assert_int_equal(n_files(), 0);
    shared = blob_store_close(shared);
    (void)err;
}

static void test_leftovers_of_a_killed_process(void **state)
{
    STR_AUTO path = STR_INIT;
    int ready[2];
    char byte;
    (void)make_file(&path, "a", 100, 'a');
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct blob_store *s = NULL;
        struct blob_key key;
        uint64_t size;
        if (blob_store_open(&(struct blob_store_options){.dir = store_dir}, &s, NULL) == 0 &&
            blob_store_put_file(s, str_cstr(&path), &key, &size, NULL) == 0) {
            (void)!write(ready[1], "x", 1);
        }
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(n_files(), 1);
    struct blob_store *s = open_store(0);
    assert_int_equal(n_files(), 0);
    blob_store_close(s);
    assert_int_equal(n_entries(store_dir), 0);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_content_is_one_blob, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_of_a_killed_process, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
