/* Plug-ins from a folder: which are taken, what is said of the others, and that what they do is checked.  They are loaded once per process,
 * so all of it is one world. */
#include "common/base/log.h"
#include "common/fs/plugins/plugins.h"
#include "common/fs/recoverable.h"
#include "tests/unit/common_fs/fs_fixture.h"
#include <errno.h>
#include <pthread.h>

static char world[64];
static struct conf conf;
static struct str said; /* of the log */
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(void *arg, enum log_level level, const char *line)
{
    pthread_mutex_lock(&said_lock);
    str_append_cstr(&said, line);
    str_append_char(&said, '\n');
    pthread_mutex_unlock(&said_lock);
}

/* plugins/<variety>/<variety>.so */
static void put_in(const char *folder, const char *variety)
{
    char exe[1024], from[2048], to[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    (void)snprintf(from, sizeof(from), "%s/common_fs_plugins/fs_%s.so", exe, variety);
    assert_int_equal(access(from, R_OK), 0);
    (void)snprintf(to, sizeof(to), "%s/plugins/%s", world, folder);
    assert_true(mkdir(to, 0700) == 0 || errno == EEXIST);
    (void)snprintf(to, sizeof(to), "%s/plugins/%s/%s.so", world, folder, variety);
    assert_int_equal(symlink(from, to), 0);
}

static const char *const bad[] = {"newer", "older",     "small",    "no_read",    "half",
                                  "taken", "no_scheme", "no_entry", "unresolved", "cannot_start"};

static int make_world(void **state)
{
    struct error err = ERROR_INIT;
    char path[128];
    log_set_sink(note, NULL);
    (void)snprintf(world, sizeof(world), "/tmp/fs-plugins-XXXXXX");
    assert_non_null(mkdtemp(world));
    (void)snprintf(path, sizeof(path), "%s/plugins", world);
    assert_int_equal(mkdir(path, 0700), 0);
    put_in("a-folder", "folder");
    put_in("b-second", "second");
    put_in("liar", "liar");
    put_in("other", "other_kind");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_in(bad[i], bad[i]);
    }
    (void)snprintf(path, sizeof(path), "%s/plugins/text", world);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/plugins/text/text.so", world);
    put_text(path, "#!/bin/sh\n");
    (void)snprintf(path, sizeof(path), "%s/plugins/README.txt", world);
    put_text(path, "hello\n");
    conf_init(&conf, NULL);
    (void)snprintf(path, sizeof(path), "%s/root", world);
    assert_int_equal(conf_set(&conf, "fs.plugin.folder.root", path, &err), 0);
    assert_int_equal(conf_set(&conf, "fs.plugin.folder.fail", "rename:1", &err), 0);
    (void)snprintf(path, sizeof(path), "%s/plugins", world);
    fs_plugins_load(&conf, path);
    fs_plugins_load(&conf, path); /* once */
    return 0;
}

static int end_world(void **state)
{
    struct error err = ERROR_INIT;
    fs_plugins_stop();
    log_set_sink(NULL, NULL);
    str_fini(&said);
    conf_fini(&conf);
    return fs_delete(world, FS_DELETE_RECURSIVE, &err);
}

static void expect_said(const char *text)
{
    if (strstr(str_cstr(&said), text) == NULL) {
        fail_msg("nobody says '%s' in\n%s", text, str_cstr(&said));
    }
}

static void says_what_is_wrong(void **state)
{
    expect_said("newer/newer.so was built for version 99");
    expect_said("upgrade this installation");
    expect_said("older/older.so was built for version 0");
    expect_said("small/small.so: its table has 16 bytes");
    expect_said("no_read/no_read.so: a function that a file system must have is missing");
    expect_said("half/half.so: of the functions of recoverable files some are missing");
    expect_said("taken/taken.so: the scheme 'file' belongs to Flinc itself");
    expect_said("second.so: the scheme 'folder' belongs to ");
    expect_said("a-folder/folder.so; take one of them out");
    expect_said("no_scheme.so: 'No' is no scheme");
    expect_said("no_entry.so is no plug-in: it exports neither flinc_file_system_entry");
    expect_said("unresolved.so uses the symbol flinc_test_function_that_nobody_has");
    expect_said("cannot_start.so: the service of common_fs_plugins_load is away (plug-in sample)");
    expect_said("text.so");
    expect_said("Plug-in folder: file systems for folder, from ");
    assert_null(strstr(str_cstr(&said), "other_kind"));
    assert_null(strstr(str_cstr(&said), "README"));
}

static void names_them_for_unknown_schemes(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_status status;
    assert_int_equal(fs_stat("gopher://x/y", &status, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "no file system for scheme 'gopher'"));
    assert_non_null(strstr(err.message, "/plugins/NAME/FILE.so"));
    assert_non_null(strstr(err.message, "folder for folder (")); /* what is there */
    assert_non_null(strstr(err.message, "left out: "));
}

/* ---- the example, by all of fs.h ------------------------------------------------------------------ */

static void reads_and_writes(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_output *out = NULL;
    struct fs_input *in = NULL;
    struct fs_status status;
    char buf[16] = "";
    size_t n = 0;
    assert_int_equal(fs_create("folder://a/x/y", FS_CREATE_NEW, &out, &err), 0);
    assert_int_equal(fs_output_write(out, "hello", 5, &err), 0);
    assert_int_equal(fs_output_sync(out, &err), 0);
    assert_int_equal(fs_output_write(out, " you", 4, &err), 0);
    assert_int_equal(fs_output_close(&out, &err), 0);
    assert_int_equal(fs_create("folder://a/x/y", FS_CREATE_NEW, &out, &err), ERR_ALREADY_EXISTS);
    assert_int_equal(fs_open("folder://a/x/y", FS_ACCESS_RANDOM, &in, &err), 0);
    assert_int_equal(fs_input_size(in), 9);
    assert_int_equal(fs_input_read_at(in, 6, buf, sizeof(buf), &n, &err), 0);
    assert_int_equal(n, 3);
    assert_string_equal(buf, "you");
    in = fs_input_close(in);
    assert_int_equal(fs_stat("folder://a/x", &status, &err), 0);
    assert_int_equal(status.kind, FS_KIND_DIRECTORY);
    assert_int_equal(fs_exists("folder://a/none", &err), 0);
    assert_int_equal(fs_open("folder://a/none", FS_ACCESS_RANDOM, &in, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "folder://a/none"));
    assert_non_null(strstr(err.message, "(plug-in folder)"));
    assert_int_equal(fs_stat("folder:///x", &status, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(fs_hides_unfinished("folder://a/x", &err), 0);
    assert_int_equal(fs_has_folders("folder://a/x", &err), 1);
}

static void lists_renames_and_deletes(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    put_text("folder://b/one/1", "1");
    put_text("folder://b/one/2", "2");
    assert_int_equal(fs_mkdirs("folder://b/two/three", &err), 0);
    assert_int_equal(fs_mkdirs("folder://b/two/three", &err), 0);
    assert_int_equal(fs_rename("folder://b/one/1", "folder://b/two/3", &err),
                     ERR_UNAVAILABLE); /* folder.fail */
    assert_non_null(strstr(err.message, "rename fails, as fs.plugin.folder.fail asks for"));
    assert_int_equal(fs_rename("folder://b/one/1", "folder://b/two/3", &err), 0);
    assert_int_equal(fs_list_dir("folder://b/two", &list, &err), 0);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.entries[0].path, "folder://b/two/3");
    assert_int_equal(list.entries[0].status.size_bytes, 1);
    assert_int_equal(list.entries[1].status.kind, FS_KIND_DIRECTORY);
    fs_list_fini(&list);
    assert_int_equal(fs_glob("folder://b/*/[0-9]", &list, &err), 0);
    assert_int_equal(list.n, 2);
    fs_list_fini(&list);
    assert_true(fs_delete("folder://b/two", FS_DELETE_ONE, &err) < 0);
    assert_int_equal(fs_delete("folder://b/two", FS_DELETE_RECURSIVE, &err), 0);
    assert_int_equal(fs_delete("folder://b/two", FS_DELETE_RECURSIVE, &err), ERR_NOT_FOUND);
    assert_int_equal(fs_list_dir("folder://b/two", &list, &err), ERR_NOT_FOUND);
}

static void expect_text(const char *uri, const char *text)
{
    struct error err = ERROR_INIT;
    struct fs_input *in = NULL;
    char buf[64] = "";
    size_t n = 0;
    assert_int_equal(fs_open(uri, FS_ACCESS_SEQUENTIAL, &in, &err), 0);
    assert_int_equal(fs_input_read_at(in, 0, buf, sizeof(buf) - 1, &n, &err), 0);
    fs_input_close(in);
    assert_string_equal(buf, text);
}

static void recovers(void **state)
{
    struct error err = ERROR_INIT;
    struct recoverable *f = NULL;
    STR_AUTO resume = STR_INIT;
    STR_AUTO commit = STR_INIT;
    assert_int_equal(recoverable_open("folder://c/out/part-0", &f, &err), 0);
    assert_int_equal(recoverable_write(f, "one ", 4, &err), 0);
    assert_int_equal(recoverable_persist(f, &resume, &err), 0);
    assert_int_equal(recoverable_write(f, "lost", 4, &err), 0);
    f = recoverable_close(f);
    assert_int_equal(fs_exists("folder://c/out/part-0", &err), 0);
    assert_int_equal(recoverable_recover(str_slice(&resume), &f, &err), 0);
    assert_int_equal(recoverable_position(f), 4);
    assert_int_equal(recoverable_write(f, "two", 3, &err), 0);
    assert_int_equal(recoverable_close_for_commit(&f, &commit, &err), 0);
    assert_int_equal(recoverable_commit(str_slice(&commit), &err), 0);
    expect_text("folder://c/out/part-0", "one two");
    assert_int_equal(recoverable_commit_after_recovery(str_slice(&commit), &err), 0); /* again */
    assert_true(recoverable_commit(str_slice(&commit), &err) < 0); /* not the first time */
    /* What nobody needs goes. */
    assert_int_equal(recoverable_open("folder://c/out/part-1", &f, &err), 0);
    assert_int_equal(recoverable_persist(f, &resume, &err), 0);
    f = recoverable_close(f);
    assert_int_equal(recoverable_cleanup(str_slice(&resume), &err), 0);
    assert_int_equal(recoverable_cleanup(str_slice(&resume), &err), 0);
    assert_true(recoverable_recover(str_slice(&resume), &f, &err) < 0);
    /* Persisted bytes are committed, whoever wrote them. */
    assert_int_equal(recoverable_open("folder://c/out/part-2", &f, &err), 0);
    assert_int_equal(recoverable_write(f, "kept", 4, &err), 0);
    assert_int_equal(recoverable_persist(f, &resume, &err), 0);
    assert_int_equal(recoverable_write(f, "not", 3, &err), 0);
    f = recoverable_close(f);
    assert_int_equal(recoverable_commit_persisted(str_slice(&resume), &err), 0);
    expect_text("folder://c/out/part-2", "kept");
}

/* ---- one that lies ---------------------------------------------------------------------------------- */

static void is_checked(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_input *in = NULL;
    struct fs_list list = FS_LIST_INIT;
    struct recoverable *f = NULL;
    char buf[4];
    size_t n;
    assert_int_equal(fs_open("liar:///x", FS_ACCESS_RANDOM, &in, &err), 0);
    assert_int_equal(fs_input_read_at(in, 0, buf, sizeof(buf), &n, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "does not keep to its contract: it read more"));
    in = fs_input_close(in);
    assert_int_equal(fs_list_dir("liar:///x", &list, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "no name of a file"));
    assert_int_equal(recoverable_open("liar:///x", &f, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "token"));
    assert_int_equal(fs_open("liar:///missing", FS_ACCESS_RANDOM, &in, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "says no more"));
    assert_int_equal(fs_open("liar:///strange", FS_ACCESS_RANDOM, &in, &err), ERR_IO);
    assert_non_null(strstr(err.message, "opening liar:/strange: xxx"));
}

/* No piece but the last is smaller than the buffer. */
static void is_given_large_pieces(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_output *out = NULL;
    struct fs_status status;
    char *data = mem_zalloc(300 * 1024);
    assert_int_equal(fs_create("liar:///x", FS_OVERWRITE, &out, &err), 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fs_output_write(out, data, 100, &err), 0);
    }
    assert_int_equal(fs_output_write(out, data, 300 * 1024, &err), 0);
    for (int i = 0; i < 70; i++) {
        assert_int_equal(fs_output_write(out, data, 1000, &err), 0);
    }
    assert_int_equal(fs_stat("liar:///x", &status, &err), 0);
    assert_true(status.size_bytes >= FS_OUTPUT_BUFFER_BYTES);
    assert_in_range(status.modified_ms, 3, 6);
    assert_int_equal(fs_output_position(out), 100000 + 300 * 1024 + 70000);
    assert_int_equal(fs_output_close(&out, &err), 0);
    mem_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(names_them_for_unknown_schemes),
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(lists_renames_and_deletes),
        cmocka_unit_test(recovers),
        cmocka_unit_test(is_checked),
        cmocka_unit_test(is_given_large_pieces),
    };
    (void)setup;
    (void)teardown;
    return cmocka_run_group_tests(tests, make_world, end_world);
}
