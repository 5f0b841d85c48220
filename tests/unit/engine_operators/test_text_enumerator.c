/* The split enumerator of the text source: which files are found, how they are cut, who gets what, and
 * what goes back. */
#include "engine/operators/io/text_splits.h"

#include "text_enumerator_fixture.h"
#include <sys/wait.h>

/* ---- files ------------------------------------------------------------------------------------- */

/* Names of what is found below paths, or the error. */
static int find(char **paths, size_t n, uint32_t flags, struct map *seen, struct str *names,
                struct error *err)
{
    struct vec files = VEC_INIT(struct text_file);
    int rc = text_files_find(paths, n, flags, seen, &files, err);
    text_files_remember(&files, seen);
    for (size_t i = 0; i < files.len; i++) {
        const struct text_file *file = VEC_AT(&files, struct text_file, i);
        str_printf(names, "%s%s", names->len > 0 ? " " : "", file->path + strlen(files_dir) + 1);
    }
    text_files_fini(&files);
    return rc;
}

static void check_found(uint32_t flags, const char *expected, const char *path, const char *path2)
{
    char *paths[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)path2};
    struct map seen;
    STR_AUTO names = STR_INIT;
    map_init(&seen, NULL);
    must(find(paths, path2 != NULL ? 2 : 1, flags, &seen, &names, &err));
    assert_string_equal(str_cstr(&names), expected);
    must(find(paths, path2 != NULL ? 2 : 1, flags, &seen, &names, &err));
    assert_string_equal(str_cstr(&names), expected); /* nothing is new */
    map_fini(&seen);
}

static void make_tree(void)
{
    put_text("in/b.txt", "bb");
    put_text("in/a.txt", "a");
    put_text("in/.hidden", "h");
    put_text("in/_SUCCESS", "");
    put_text("in/sub/c.log", "ccc");
    put_text("in/sub/deep/d.txt", "dddd");
    put_text("in/_tmp/e.txt", "e");
    assert_int_equal(mkfifo(in_dir("in/pipe"), 0600), 0);
}

static void test_find(void **state)
{
    uint32_t all = TEXT_FIND_RECURSIVE;
    make_tree();
    check_found(all, "in/a.txt in/b.txt in/sub/c.log in/sub/deep/d.txt", in_dir("in"), NULL);
    check_found(0, "in/a.txt in/b.txt", in_dir("in"), NULL);
    check_found(all, "in/b.txt", in_dir("in/b.txt"), NULL);
    check_found(all, "in/a.txt in/b.txt", in_dir("in/*.txt"), NULL);
    check_found(all, "in/sub/c.log in/sub/deep/d.txt in/a.txt", in_dir("in/s*"),
                in_dir("in/a.txt"));
    /* A hidden name that is given as such is meant. */
    check_found(all, "in/.hidden in/_tmp/e.txt", in_dir("in/.hidden"), in_dir("in/_tmp"));
    /* Once, whichever way it is named. */
    check_found(all, "in/b.txt in/a.txt", in_dir("in/sub/../b.txt"), in_dir("in/*.txt"));
    put_text("odd[1].txt", "x");
    check_found(all, "odd[1].txt", in_dir("odd[1].txt"), NULL);
    check_found(TEXT_FIND_OPTIONAL, "", in_dir("none"), in_dir("none/*"));
}

static void test_find_errors(void **state)
{
    struct map seen;
    STR_AUTO names = STR_INIT;
    make_tree();
    char *paths[] = {(char *)(uintptr_t)in_dir("in"), (char *)(uintptr_t)in_dir("none")};
    map_init(&seen, NULL);
    must_fail(find(paths, 2, TEXT_FIND_RECURSIVE, &seen, &names, &err), ERR_NOT_FOUND,
              "none does not exist; check the path");
    assert_int_equal(seen.len, 0);
    assert_string_equal(str_cstr(&names), "");
    paths[0] = (char *)(uintptr_t)in_dir("in/*.csv");
    must_fail(find(paths, 1, 0, &seen, &names, &err), ERR_NOT_FOUND,
              "no file matches the input pattern");
    paths[0] = (char *)(uintptr_t)in_dir("in/pipe");
    must_fail(find(paths, 1, 0, &seen, &names, &err), ERR_INVALID_ARGUMENT,
              "neither a file nor a folder (other)");
    paths[0] = (char *)(uintptr_t) "";
    assert_true(find(paths, 1, 0, &seen, &names, NULL) < 0);
    assert_int_equal(symlink(in_dir("in"), in_dir("in/up")), 0);
    paths[0] = (char *)(uintptr_t)in_dir("in");
    must_fail(find(paths, 1, TEXT_FIND_RECURSIVE, &seen, &names, &err), ERR_TOO_LARGE,
              "does a link lead back up?");
    map_fini(&seen);
}

/* Root may read everything: the check is made by a child that is nobody. */
static void test_forbidden_folder(void **state)
{
    char *paths[] = {(char *)(uintptr_t)in_dir("in")};
    put_text("in/sub/a.txt", "a");
    assert_int_equal(chmod(files_dir, 0755), 0);
    assert_int_equal(chmod(in_dir("in/sub"), 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct map seen;
        struct vec files = VEC_INIT(struct text_file);
        struct error err = ERROR_INIT;
        map_init(&seen, NULL);
        bool dropped = getuid() != 0 || setuid(65534) == 0;
        int rc = text_files_find(paths, 1, TEXT_FIND_RECURSIVE, &seen, &files, &err);
        bool good = dropped && rc == ERR_PERMISSION && strstr(err.message, "in/sub") != NULL;
        if (!good) {
            fprintf(stderr, "rc %d: %s\n", rc, err.message);
        }
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(in_dir("in/sub"), 0755), 0);
    assert_int_equal(status, 0);
}

/* ---- splits ------------------------------------------------------------------------------------ */

static void check_cover(uint64_t size, uint64_t split_bytes, uint32_t parallelism,
                        size_t n_expected)
{
    struct vec files = VEC_INIT(struct text_file);
    struct vec splits = VEC_INIT(void *);
    uint64_t id = 7, at = 0;
    *VEC_PUSH(&files, struct text_file) = (struct text_file){mem_strdup("/x"), size};
    text_files_split(&files, split_bytes, parallelism, &id, &splits);
    for (size_t i = 0; i < splits.len; i++) {
        Flinc__FileSplit *s = vec_ptr(&splits, i);
        char expected_id[16];
        snprintf(expected_id, sizeof(expected_id), "%010zu", i + 7);
        assert_string_equal(s->id, expected_id);
        assert_int_equal(s->offset, at);
        assert_true(s->length > 0);
        at += s->length;
        flinc__file_split__free_unpacked(s, NULL);
    }
    assert_int_equal(at, size);
    assert_int_equal(splits.len, n_expected);
    assert_int_equal(id, 7 + splits.len);
    text_files_fini(&files);
    vec_fini(&splits);
}

static void test_split_sizes(void **state)
{
    const uint64_t mb = 1024 * 1024;
    check_cover(0, 10, 1, 0);
    check_cover(10, 10, 1, 1);
    check_cover(11, 10, 1, 2);
    check_cover(100 * 1024, 0, 4, 1);       /* never below TEXT_SPLIT_BYTES_MIN */
    check_cover(64 * mb, 0, 2, 16);         /* eight for each subtask */
    check_cover(10 * 1024 * mb, 0, 1, 160); /* never above TEXT_SPLIT_BYTES_MAX */
}

/* ---- handing out ------------------------------------------------------------------------------- */

static void test_bounded(void **state)
{
    struct fake_coordinator f;
    put_text("in/a", "0123456789");
    put_text("in/b.gz", "whatever");
    put_text("in/empty", "");
    start(&f, 2, in_dir("in"), 4, 0);
    request(&f, 1);
    assert_string_equal(sent(&f), ""); /* the files are not known yet */
    fake_run_work(&f);
    /* Small splits come several at a time, but no more than a fair share. */
    assert_string_equal(sent(&f), "1: a+0+4 a+4+4 a+8+2");
    request(&f, 0);
    assert_string_equal(sent(&f), "0: b.gz+0+8!");
    request(&f, 0);
    request(&f, 1);
    assert_string_equal(sent(&f), "0: end\n1: end");
    assert_null(f.work.arg);
    assert_null(f.timer);
    fake_close(&f);
}

static void test_large_splits_one_by_one(void **state)
{
    struct fake_coordinator f;
    put_text("in/a", "");
    assert_int_equal(truncate(in_dir("in/a"), 100 * 1024 * 1024), 0);
    start(&f, 1, in_dir("in"), 40 * 1024 * 1024, 0);
    fake_run_work(&f);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+41943040");
    fake_close(&f);
}

static void test_subtask_reset(void **state)
{
    struct fake_coordinator f;
    put_text("a", "0123456789");
    start(&f, 2, in_dir("a"), 5, 0);
    fake_run_work(&f);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+5 a+5+5");
    request(&f, 1);
    assert_string_equal(sent(&f), "1: end");
    f.c->desc->subtask_reset(f.c, 0, 0);
    assert_string_equal(sent(&f), "");
    request(&f, 1);
    assert_string_equal(sent(&f), "1: a+0+5 a+5+5");
    request(&f, 0);
    assert_string_equal(sent(&f), "0: end");
    fake_close(&f);
}

static void test_watched_folder(void **state)
{
    struct fake_coordinator f;
    put_text("in/a", "1");
    start(&f, 2, in_dir("in"), 0, 1000);
    fake_run_work(&f);
    assert_int_equal(f.timer_delay_ms, 1000);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+1");
    request(&f, 0);
    request(&f, 1);
    assert_string_equal(sent(&f), ""); /* they wait */
    fake_fire_timer(&f);
    fake_run_work(&f);
    assert_string_equal(sent(&f), "");
    put_text("in/b", "22");
    put_text("in/sub/c", "333");
    fake_fire_timer(&f);
    fake_run_work(&f);
    assert_string_equal(sent(&f), "0: b+0+2 c+0+3");
    /* What a subtask had goes to who waits; what comes new does, too. */
    f.c->desc->subtask_reset(f.c, 0, 0);
    assert_string_equal(sent(&f), "1: a+0+1 b+0+2");
    /* The folder may go for a while. */
    assert_int_equal(rename(in_dir("in"), in_dir("away")), 0);
    fake_fire_timer(&f);
    fake_run_work(&f);
    assert_int_equal(f.failure.code, 0);
    assert_non_null(f.timer);
    fake_close(&f);
}

static void test_missing_input(void **state)
{
    struct fake_coordinator f;
    start(&f, 1, in_dir("none"), 0, 1000);
    request(&f, 0);
    fake_run_work(&f);
    assert_int_equal(f.failure.code, ERR_NOT_FOUND);
    assert_non_null(strstr(f.failure.message, "none does not exist"));
    assert_string_equal(sent(&f), "");
    assert_null(f.timer);
    fake_close(&f);
}

/* A later search may fail, too; the job starts again with a new enumerator, if it may. */
static void test_failed_rescan(void **state)
{
    struct fake_coordinator f;
    put_text("in/a", "1");
    start(&f, 1, in_dir("in"), 0, 1000);
    fake_run_work(&f);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+1");
    put_text("in/b", "2");
    assert_int_equal(symlink(in_dir("in"), in_dir("in/up")), 0);
    fake_fire_timer(&f);
    fake_run_work(&f);
    assert_int_equal(f.failure.code, ERR_TOO_LARGE);
    assert_null(f.timer);
    fake_close(&f);
}

static void test_close_while_scanning(void **state)
{
    struct fake_coordinator f;
    put_text("in/a", "1");
    start(&f, 1, in_dir("in"), 0, 0);
    request(&f, 0);
    fake_close(&f);
    start(&f, 1, in_dir("in"), 0, 0);
    fake_run_work(&f);
    fake_close(&f);
}

static void test_damaged_events(void **state)
{
    struct fake_coordinator f;
    put_text("in/a", "1");
    start(&f, 1, in_dir("in"), 0, 0);
    must_fail(f.c->desc->on_event(f.c, 0, (const uint8_t *)"\xff\xff\xff", 3, &err), ERR_PARSE,
              "damaged");
    must_fail(f.c->desc->on_event(f.c, 5, NULL, 0, &err), ERR_PARSE, "reader 5");
    fake_close(&f);
}

/* Many splits are handed out in order, each once, at constant cost. */
static void test_many_splits(void **state)
{
    struct fake_coordinator f;
    const uint64_t n = 200000;
    uint64_t at = 0;
    put_text("in/a", "");
    assert_int_equal(truncate(in_dir("in/a"), (off_t)n * 10), 0);
    start(&f, 1, in_dir("in"), 10, 0);
    fake_run_work(&f);
    while (at < n * 10) {
        request(&f, 0);
        const struct fake_event *fe = VEC_AT(&f.events, struct fake_event, 0);
        Flinc__EnumeratorEvent *e =
            flinc__enumerator_event__unpack(NULL, fe->bytes.len, (const uint8_t *)fe->bytes.data);
        for (size_t i = 0; i < e->assign->n_splits; i++) {
            assert_int_equal(e->assign->splits[i]->offset, at);
            at += e->assign->splits[i]->length;
        }
        flinc__enumerator_event__free_unpacked(e, NULL);
        fake_clear_events(&f);
    }
    request(&f, 0);
    assert_string_equal(sent(&f), "0: end");
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_find),
        FILES_TEST(test_find_errors),
        FILES_TEST(test_forbidden_folder),
        FILES_TEST(test_split_sizes),
        FILES_TEST(test_bounded),
        FILES_TEST(test_large_splits_one_by_one),
        FILES_TEST(test_subtask_reset),
        FILES_TEST(test_watched_folder),
        FILES_TEST(test_missing_input),
        FILES_TEST(test_failed_rescan),
        FILES_TEST(test_close_while_scanning),
        FILES_TEST(test_damaged_events),
        FILES_TEST(test_many_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
