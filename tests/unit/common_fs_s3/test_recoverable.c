/* Recoverable files of S3 against a server in memory: what a commit shows is what was persisted, from wherever it was gone on. */
#include "common/fs/s3/inside.h"
#include "tests/unit/common_fs/whole_files.h"

#include "fake_s3.h"
#include <stdio.h>

enum { LARGE = 2 * S3_PART_BYTES_MIN + 777777 };

static struct fake_s3 server;
static struct str bytes; /* what files are cut from */

static int start(void **state)
{
    fake_s3_start(&server);
    fake_s3_configure(&server, NULL, NULL);
    fill_bytes(&bytes, 2 * LARGE);
    return 0;
}

static int stop(void **state)
{
    s3_shut_down();
    fake_s3_stop(&server);
    str_fini(&bytes);
    return 0;
}

static void ok(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s\n%s", err->message, err->frames);
    }
}
#define OK(call)                       \
    do {                               \
        struct error err = ERROR_INIT; \
        ok((call), &err);              \
    } while (0)

static struct recoverable *open_file(const char *uri)
{
    struct recoverable *f = NULL;
    OK(recoverable_open(uri, &f, &err));
    return f;
}

static void put(struct recoverable *f, size_t from, size_t n)
{
    enum { PIECE = 1234567 };
    for (size_t at = 0; at < n; at += PIECE) {
        OK(recoverable_write(f, bytes.data + from + at, MIN(n - at, (size_t)PIECE), &err));
    }
}

static void persist(struct recoverable *f, struct str *ret)
{
    OK(recoverable_persist(f, ret, &err));
}

static struct recoverable *recover(const struct str *handle)
{
    struct recoverable *f = NULL;
    OK(recoverable_recover(str_slice(handle), &f, &err));
    return f;
}

static void end(struct recoverable *f, struct str *ret)
{
    OK(recoverable_close_for_commit(&f, ret, &err));
}

static void expect(const char *name, size_t n)
{
    const struct fake_object *o = fake_s3_find(&server, name);
    assert_non_null(o);
    assert_int_equal(o->bytes.len, n);
    assert_memory_equal(o->bytes.data, bytes.data, n);
}

/* No upload, and nothing in progress. */
static void expect_nothing_left(void)
{
    assert_null(map_next(&server.parts, NULL));
    MAP_FOREACH (&server.objects, e) {
        assert_null(strstr(e->key, "inprogress"));
    }
}

static void test_commit(void **state)
{
    static const size_t sizes[] = {0, 1, 5000, S3_PART_BYTES_MIN, S3_PART_BYTES_MIN + 1, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char uri[80], name[64];
        STR_AUTO handle = STR_INIT;
        snprintf(name, sizeof(name), "b/dir/part-%zu", i);
        snprintf(uri, sizeof(uri), "s3://%s", name);
        struct recoverable *f = open_file(uri);
        put(f, 0, sizes[i]);
        end(f, &handle);
        assert_null(fake_s3_find(&server, name));
        OK(recoverable_commit(str_slice(&handle), &err));
        expect(name, sizes[i]);
        OK(recoverable_commit_after_recovery(str_slice(&handle), &err));
        expect(name, sizes[i]);
        expect_nothing_left();
    }
}

/* From each of several points, with other bytes than those that were lost. */
static void test_recover(void **state)
{
    static const size_t points[] = {0, 100, S3_PART_BYTES_MIN - 1, S3_PART_BYTES_MIN, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        STR_AUTO handle = STR_INIT;
        STR_AUTO commit = STR_INIT;
        struct recoverable *f = open_file("s3://b/recovered");
        put(f, 0, points[i]);
        persist(f, &handle);
        put(f, 3, LARGE - 3); /* lost */
        STR_AUTO later = STR_INIT;
        persist(f, &later);
        (void)recoverable_close(f);
        f = recover(&handle);
        assert_int_equal(recoverable_position(f), points[i]);
        put(f, points[i], LARGE - points[i] + 17);
        end(f, &commit);
        OK(recoverable_commit(str_slice(&commit), &err));
        expect("b/recovered", LARGE + 17);
        /* An upload that was begun behind the point is of the later handle alone. */
        OK(recoverable_cleanup(str_slice(&later), &err));
        expect_nothing_left();
    }
}

/* A checkpoint before the commit is gone back to: the file is written once more, and takes the place of the first. */
static void test_recover_behind_commit(void **state)
{
    static const size_t points[] = {0, 1000, S3_PART_BYTES_MIN + 1000};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        STR_AUTO handle = STR_INIT;
        STR_AUTO commit = STR_INIT;
        struct recoverable *f = open_file("s3://b/again");
        put(f, 0, points[i]);
        persist(f, &handle);
        put(f, points[i], LARGE - points[i]);
        end(f, &commit);
        OK(recoverable_commit(str_slice(&commit), &err));
        f = recover(&handle);
        put(f, points[i], 2 * LARGE - 5 - points[i]);
        expect("b/again", LARGE); /* as long as nothing else is committed */
        end(f, &commit);
        OK(recoverable_commit(str_slice(&commit), &err));
        expect("b/again", 2 * LARGE - 5);
        expect_nothing_left();
    }
}

static void test_resume_to_commit(void **state)
{
    STR_AUTO handle = STR_INIT;
    STR_AUTO commit = STR_INIT;
    struct recoverable *f = open_file("s3://b/resumed");
    put(f, 0, S3_PART_BYTES_MIN + 99);
    persist(f, &handle);
    put(f, 7, LARGE);
    (void)recoverable_close(f);
    OK(recoverable_resume_to_commit(str_slice(&handle), &commit, &err));
    OK(recoverable_commit_after_recovery(str_slice(&commit), &err));
    expect("b/resumed", S3_PART_BYTES_MIN + 99);
    expect_nothing_left();
}

static void test_lost_answers(void **state)
{
    static const size_t sizes[] = {5, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        STR_AUTO commit = STR_INIT;
        struct recoverable *f = open_file("s3://b/lost");
        put(f, 0, sizes[i]);
        end(f, &commit);
        fake_s3_fail(&server, FAKE_LOST, sizes[i] > 5 ? "POST" : "PUT", 1);
        OK(recoverable_commit(str_slice(&commit), &err));
        expect("b/lost", sizes[i]);
        expect_nothing_left();
    }
}

static void test_given_up(void **state)
{
    STR_AUTO handle = STR_INIT;
    uint32_t before = server.n_aborted;
    struct recoverable *f = open_file("s3://b/aborted");
    put(f, 0, LARGE);
    (void)recoverable_abort(f);
    assert_int_equal(server.n_aborted - before, 1);
    expect_nothing_left();
    f = open_file("s3://b/cleaned");
    put(f, 0, LARGE);
    persist(f, &handle);
    (void)recoverable_close(f);
    OK(recoverable_cleanup(str_slice(&handle), &err));
    OK(recoverable_cleanup(str_slice(&handle), &err));
    assert_int_equal(server.n_aborted - before, 2);
    expect_nothing_left();
    assert_null(fake_s3_find(&server, "b/cleaned"));
    struct error err = ERROR_INIT;
    assert_int_equal(recoverable_recover(str_slice(&handle), &f, &err), ERR_NOT_FOUND);
}

/* A part that did not come through is sent again, under the same number. */
static void test_part_again(void **state)
{
    STR_AUTO commit = STR_INIT;
    struct recoverable *f = open_file("s3://b/part-again");
    put(f, 0, S3_PART_BYTES_MIN);
    fake_s3_fail(&server, FAKE_DENIED, "PUT", 1);
    assert_int_equal(recoverable_write(f, bytes.data + S3_PART_BYTES_MIN, 1, NULL), ERR_PERMISSION);
    put(f, S3_PART_BYTES_MIN, LARGE - S3_PART_BYTES_MIN);
    end(f, &commit);
    OK(recoverable_commit(str_slice(&commit), &err));
    expect("b/part-again", LARGE);
    expect_nothing_left();
}

static void test_bad_handles(void **state)
{
    static const char *const bad[] = {
        "",
        "1 x - 0 0 0",
        "2 0123456789abcdef0123456789abcdef - 0 0 0",
        "1 0123456789abcdef0123456789abcdef - 1 0 0",
        "1 0123456789abcdef0123456789abcdef - 0 0 5",
        "1 0123456789abcdef0123456789abcdef u 99999 0 0",
        "1 0123456789abcdef0123456789abcdef - 0 0 0 more",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        STR_AUTO handle = STR_INIT;
        struct recoverable *f = NULL;
        const struct recoverable_handle h = {.kind = RECOVERABLE_RESUME,
                                             .target_uri = (char *)(uintptr_t) "s3://b/bad",
                                             .inprogress = (char *)(uintptr_t)bad[i]};
        recoverable_handle_encode(&h, &handle);
        assert_int_equal(recoverable_recover(str_slice(&handle), &f, NULL), ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_recover_behind_commit),
        cmocka_unit_test(test_resume_to_commit),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_part_again),
        cmocka_unit_test(test_bad_handles),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
