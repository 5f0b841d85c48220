/* Recoverable local files: the life of a part file, failures at each step, and handles that point
 * elsewhere. */
#include "fs_fixture.h"

static struct recoverable *open_part(void)
{
    struct recoverable *f;
    assert_int_equal(recoverable_open(in_dir("part-0"), &f, NULL), 0);
    return f;
}

static void write_text(struct recoverable *f, const char *text)
{
    assert_int_equal(recoverable_write(f, text, strlen(text), NULL), 0);
}

/* How many files there are, hidden ones too. */
static size_t n_files(void)
{
    struct fs_list list;
    assert_int_equal(fs_list_dir(fixture_dir, &list, NULL), 0);
    size_t n = list.n;
    fs_list_fini(&list);
    return n;
}

static void handle_of(struct str *bytes, struct recoverable_handle *h)
{
    assert_int_equal(recoverable_handle_decode(str_slice(bytes), h, NULL), 0);
}

static void test_commit(void **state)
{
    STR_AUTO commit = STR_INIT;
    struct recoverable *f = open_part();
    write_text(f, "hello ");
    write_text(f, "world");
    assert_int_equal(recoverable_position(f), 11);
    assert_int_equal(fs_exists(in_dir("part-0"), NULL), 0);
    assert_int_equal(recoverable_close_for_commit(&f, &commit, NULL), 0);
    assert_null(f);
    struct recoverable_handle h;
    handle_of(&commit, &h);
    STR_AUTO uri = STR_INIT;
    str_printf(&uri, "file:%s", in_dir("part-0"));
    assert_string_equal(h.target_uri, str_cstr(&uri));
    str_clear(&uri);
    str_printf(&uri, "file:%s", in_dir(".part-0.inprogress."));
    assert_true(cstr_starts_with(h.inprogress, str_cstr(&uri)));
    assert_int_equal(fs_exists(h.inprogress, NULL), 1);
    recoverable_handle_fini(&h);

    assert_int_equal(recoverable_commit(str_slice(&commit), NULL), 0);
    check_file(in_dir("part-0"), "hello world");
    assert_int_equal(n_files(), 1);
    struct error err = ERROR_INIT;
    assert_int_equal(recoverable_commit(str_slice(&commit), &err), ERR_NOT_FOUND);
    for (int i = 0; i < 2; i++) { /* again and again: done */
        assert_int_equal(recoverable_commit_after_recovery(str_slice(&commit), NULL), 0);
    }
    check_file(in_dir("part-0"), "hello world");
}

static void test_resume_cuts_and_goes_on(void **state)
{
    STR_AUTO resume = STR_INIT;
    STR_AUTO commit = STR_INIT;
    struct recoverable *f = open_part();
    write_text(f, "kept;");
    assert_int_equal(recoverable_persist(f, &resume, NULL), 0);
    write_text(f, "lost by the failure");
    STR_AUTO later = STR_INIT;
    assert_int_equal(recoverable_persist(f, &later, NULL), 0); /* of a checkpoint that failed */
    assert_null(recoverable_close(f));

    assert_int_equal(recoverable_recover(str_slice(&resume), &f, NULL), 0);
    assert_int_equal(recoverable_position(f), 5);
    write_text(f, "new");
    assert_int_equal(recoverable_close_for_commit(&f, &commit, NULL), 0);
    assert_int_equal(recoverable_commit(str_slice(&commit), NULL), 0);
    check_file(in_dir("part-0"), "kept;new");
    assert_int_equal(n_files(), 1);
}

static void test_resume_handle_becomes_a_commit(void **state)
{
    STR_AUTO resume = STR_INIT;
    STR_AUTO commit = STR_INIT;
    struct recoverable *f = open_part();
    write_text(f, "kept;");
    assert_int_equal(recoverable_persist(f, &resume, NULL), 0);
    write_text(f, "not part of it");
    assert_int_equal(recoverable_persist(f, &commit, NULL), 0);
    recoverable_close(f);
    assert_int_equal(recoverable_resume_to_commit(str_slice(&resume), &commit, NULL), 0);
    struct error err = ERROR_INIT;
    assert_int_equal(recoverable_commit(str_slice(&commit), &err), ERR_CORRUPT);
    check_error(&err, ERR_CORRUPT, "has 19 bytes", "closed with 5");
    assert_int_equal(recoverable_commit_after_recovery(str_slice(&commit), NULL), 0);
    check_file(in_dir("part-0"), "kept;");
}

static void test_abort_and_cleanup(void **state)
{
    STR_AUTO resume = STR_INIT;
    struct recoverable *f = open_part();
    write_text(f, "x");
    assert_int_equal(n_files(), 1);
    assert_null(recoverable_abort(f));
    assert_int_equal(n_files(), 0);

    f = open_part();
    assert_int_equal(recoverable_persist(f, &resume, NULL), 0);
    recoverable_close(f);
    assert_int_equal(n_files(), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(recoverable_cleanup(str_slice(&resume), NULL), 0);
        assert_int_equal(n_files(), 0);
    }
    struct error err = ERROR_INIT;
    assert_int_equal(recoverable_recover(str_slice(&resume), &f, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.frames, "resuming the writing of"));
}

static void test_changed_behind_our_back(void **state)
{
    STR_AUTO commit = STR_INIT;
    STR_AUTO resume = STR_INIT;
    struct recoverable_handle h;
    struct error err = ERROR_INIT;
    struct recoverable *f = open_part();
    write_text(f, "0123456789");
    assert_int_equal(recoverable_persist(f, &resume, NULL), 0);
    assert_int_equal(recoverable_close_for_commit(&f, &commit, NULL), 0);
    handle_of(&commit, &h);
    assert_int_equal(truncate(h.inprogress + strlen("file:"), 4), 0);
    assert_int_equal(recoverable_commit(str_slice(&commit), &err), ERR_CORRUPT);
    assert_int_equal(recoverable_commit_after_recovery(str_slice(&commit), &err), ERR_CORRUPT);
    check_error(&err, ERR_CORRUPT, "has 4 bytes", "10 were persisted");
    assert_int_equal(recoverable_recover(str_slice(&resume), &f, &err), ERR_CORRUPT);
    assert_int_equal(fs_delete(h.inprogress, FS_DELETE_ONE, NULL), 0);
    assert_int_equal(recoverable_commit_after_recovery(str_slice(&commit), &err), ERR_NOT_FOUND);
    /* A link in its place is not followed. */
    put_text(in_dir("precious"), "0123456789ab");
    assert_int_equal(symlink(in_dir("precious"), h.inprogress + strlen("file:")), 0);
    assert_true(recoverable_commit_after_recovery(str_slice(&commit), &err) < 0);
    assert_true(recoverable_recover(str_slice(&resume), &f, &err) < 0);
    check_file(in_dir("precious"), "0123456789ab");
    recoverable_handle_fini(&h);
}

/* Handles that would cut, rename or delete a file that is none of ours. */
static void test_handles_that_point_elsewhere(void **state)
{
    const char *victims[] = {"precious", ".part-0.inprogress.0123", "../etc/passwd",
                             ".part-1.inprogress.0123456789abcdef0123456789abcdef",
                             "sub/.part-0.inprogress.0123456789abcdef0123456789abcdef"};
    put_text(in_dir("precious"), "keep");
    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        struct error err = ERROR_INIT;
        struct recoverable *f = NULL;
        STR_AUTO target = STR_INIT;
        STR_AUTO inprogress = STR_INIT;
        STR_AUTO bytes = STR_INIT;
        str_printf(&target, "file:%s", in_dir("part-0"));
        str_printf(&inprogress, "file:%s", in_dir(victims[i]));
        struct recoverable_handle h = {
            .kind = RECOVERABLE_RESUME, .target_uri = target.data, .inprogress = inprogress.data};
        recoverable_handle_encode(&h, &bytes);
        assert_int_equal(recoverable_recover(str_slice(&bytes), &f, &err), ERR_CORRUPT);
        assert_int_equal(recoverable_cleanup(str_slice(&bytes), &err), ERR_CORRUPT);
        h.kind = RECOVERABLE_COMMIT;
        recoverable_handle_encode(&h, &bytes);
        assert_int_equal(recoverable_commit_after_recovery(str_slice(&bytes), &err), ERR_CORRUPT);
        check_error(&err, ERR_CORRUPT, "is no file in progress of", "part-0");
    }
    check_file(in_dir("precious"), "keep");
}

/* A failure at each step, then what a restart does: the file has all of it, once. */
static void test_failpoints(void **state)
{
    const char *points[] = {
        "fs.local.recoverable.before_rename",
        "fs.local.recoverable.after_rename",
        "fs.local.sync_parent",
    };
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        STR_AUTO commit = STR_INIT;
        STR_AUTO spec = STR_INIT;
        struct recoverable *f = open_part();
        write_text(f, "once");
        assert_int_equal(recoverable_close_for_commit(&f, &commit, NULL), 0);
        str_printf(&spec, "%s=error", points[i]);
        assert_int_equal(failpoint_configure(str_cstr(&spec), NULL), 0);
        assert_true(recoverable_commit(str_slice(&commit), NULL) < 0);
        failpoint_clear_all();
        assert_int_equal(recoverable_commit_after_recovery(str_slice(&commit), NULL), 0);
        check_file(in_dir("part-0"), "once");
        assert_int_equal(n_files(), 1);
        assert_int_equal(fs_delete(in_dir("part-0"), FS_DELETE_ONE, NULL), 0);
    }
    struct recoverable *f = NULL;
    assert_int_equal(failpoint_configure("fs.local.recoverable.open=error", NULL), 0);
    assert_true(recoverable_open(in_dir("part-0"), &f, NULL) < 0);
    failpoint_clear_all();
    f = open_part();
    STR_AUTO handle = STR_INIT;
    write_text(f, "x");
    assert_int_equal(failpoint_configure("fs.local.recoverable.persist=error", NULL), 0);
    assert_true(recoverable_persist(f, &handle, NULL) < 0);
    assert_int_equal(handle.len, 0);
    assert_true(recoverable_close_for_commit(&f, &handle, NULL) < 0);
    assert_null(f);
    failpoint_clear_all();
    assert_int_equal(n_files(), 1);
}

/* Exactly what was persisted appears, and whoever has the file open still reaches another one. */
static void test_commit_of_what_was_persisted(void **state)
{
    STR_AUTO resume = STR_INIT;
    STR_AUTO commit = STR_INIT;
    struct recoverable *f = open_part();
    write_text(f, "kept;");
    assert_int_equal(recoverable_persist(f, &resume, NULL), 0);
    write_text(f, "lost");
    assert_int_equal(recoverable_commit_persisted(str_slice(&resume), NULL), 0);
    check_file(in_dir("part-0"), "kept;");
    write_text(f, "more");
    assert_int_equal(recoverable_close_for_commit(&f, &commit, NULL), 0); /* it thinks so */
    check_file(in_dir("part-0"), "kept;");
    assert_int_equal(recoverable_commit(str_slice(&commit), NULL), ERR_NOT_FOUND);
    assert_int_equal(recoverable_commit_persisted(str_slice(&resume), NULL), 0); /* again: done */
    check_file(in_dir("part-0"), "kept;");
    assert_int_equal(n_files(), 1);
    assert_int_equal(recoverable_commit_persisted(str_slice(&commit), NULL), ERR_INVALID_ARGUMENT);

    f = open_part();
    write_text(f, "other;");
    assert_int_equal(recoverable_persist(f, &resume, NULL), 0);
    assert_null(recoverable_close(f));
    assert_int_equal(failpoint_configure("fs.local.recoverable.before_rename=error", NULL), 0);
    assert_int_equal(recoverable_commit_persisted(str_slice(&resume), NULL), ERR_IO);
    failpoint_clear_all();
    assert_int_equal(recoverable_commit_persisted(str_slice(&resume), NULL), 0);
    check_file(in_dir("part-0"), "other;");
    assert_int_equal(n_files(), 1);
}

static void test_bad_targets(void **state)
{
    struct recoverable *f = NULL;
    struct error err = ERROR_INIT;
    char name[300];
    memset(name, 'n', sizeof(name));
    name[230] = '\0'; /* legal by itself, not with what is put around it */
    assert_int_equal(recoverable_open(in_dir(name), &f, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "shorten"));
    assert_int_equal(recoverable_open("/", &f, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(recoverable_open(in_dir("new/folder/part-0"), &f, &err), 0);
    recoverable_abort(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_commit),
        FS_TEST(test_resume_cuts_and_goes_on),
        FS_TEST(test_resume_handle_becomes_a_commit),
        FS_TEST(test_abort_and_cleanup),
        FS_TEST(test_changed_behind_our_back),
        FS_TEST(test_handles_that_point_elsewhere),
        FS_TEST(test_failpoints),
        FS_TEST(test_commit_of_what_was_persisted),
        FS_TEST(test_bad_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
