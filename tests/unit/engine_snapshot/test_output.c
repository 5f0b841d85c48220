/* Outputs: inline or file, with and without an executor, failures, and that nothing is left behind. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "common/base/crc32c.h"
#include "common/base/thread.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void append(struct snapshot_output *o, size_t size)
{
    char *bytes = mem_alloc(size);
    uint64_t at = snapshot_output_position(o);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)((at + i) * 31);
    }
    assert_ok(snapshot_output_append(o, bytes, size, &ok_err));
    mem_free(bytes);
}

static void check_bytes(const Flinc__StateBlob *blob, size_t size)
{
    struct blob_reader *r = NULL;
    assert_int_equal(blob->size, size);
    assert_ok(blob_reader_open(blob, fixture_dir, &r, &ok_err));
    assert_int_equal(blob_reader_size(r), size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal((char)(i * 31), (char)blob_reader_data(r)[i]);
    }
    blob_reader_close(r);
}

static Flinc__StateBlob finish(struct snapshot_output *o)
{
    Flinc__StateBlob blob;
    struct error err = ERROR_INIT;
    snapshot_output_finish(o);
    assert_int_equal(snapshot_output_poll(o, &blob, &err), 1);
    return blob;
}

static void inline_up_to_the_threshold(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 1, 99, 100};
    for (uint32_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct snapshot_target *t = target_in_dir(100, NULL);
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_SHARED);
        append(o, SIZES[i]);
        Flinc__StateBlob blob = finish(o);
        assert_string_equal(blob.location, "");
        assert_false(blob.shared);
        check_bytes(&blob, SIZES[i]);
        state_blob_clear(&blob);
        snapshot_output_free(o);
        snapshot_target_unref(t);
    }
    assert_int_equal(files_in(fixture_dir), 0);
}

static void a_file_above_it(void **state)
{
    (void)state;
    static const size_t SIZES[] = {101, SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_BYTES + 1,
                                   3 * SNAPSHOT_CHUNK_BYTES - 7};
    for (uint32_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct snapshot_target *t = target_in_dir(100, NULL);
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        for (size_t left = SIZES[i]; left > 0;) {
            size_t n = MIN(left, (size_t)60000);
            append(o, n);
            left -= n;
        }
        Flinc__StateBlob blob = finish(o);
        assert_ptr_equal(strstr(blob.location, "aabb-3-1-7-"), blob.location);
        assert_null(strchr(blob.location, '/'));
        assert_int_equal(blob.inline_data.len, 0);
        check_bytes(&blob, SIZES[i]);
        snapshot_output_free(o); /* the file is the blob's now */
        check_bytes(&blob, SIZES[i]);
        state_blob_clear(&blob);
        snapshot_target_unref(t);
    }
    assert_int_equal(files_in(fixture_dir), ARRAY_LEN(SIZES));
}

static void a_threshold_above_a_chunk(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct snapshot_target *t = target_in_dir(3 * SNAPSHOT_CHUNK_BYTES, NULL);
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        append(o, 2 * SNAPSHOT_CHUNK_BYTES);
        append(o, SNAPSHOT_CHUNK_BYTES + (size_t)over);
        Flinc__StateBlob blob = finish(o);
        assert_int_equal(blob.location[0] != '\0', over);
        check_bytes(&blob, 3 * SNAPSHOT_CHUNK_BYTES + (size_t)over);
        state_blob_clear(&blob);
        snapshot_output_free(o);
        snapshot_target_unref(t);
    }
}

static void shared_files_have_full_names(void **state)
{
    (void)state;
    STR_AUTO folder = STR_INIT;
    assert_int_equal(fs_join(fixture_dir, "shared", &folder, NULL), 0);
    assert_ok(fs_mkdirs(str_cstr(&folder), &ok_err));
    Flinc__CheckpointLocation l = location_in_dir(0);
    l.shared_directory = folder.data;
    struct snapshot_target *t = snapshot_target_new(
        &(struct snapshot_target_options){.location = &l, .checkpoint_id = 1, .owner = "o"});
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_SHARED);
    append(o, 10);
    Flinc__StateBlob blob = finish(o);
    assert_true(blob.shared);
    assert_ptr_equal(strstr(blob.location, str_cstr(&folder)), blob.location);
    check_bytes(&blob, 10);
    state_blob_clear(&blob);
    snapshot_output_free(o);
    snapshot_target_unref(t);
}

/* All blobs of a task together: what is above becomes files. */
static void handles_of_a_task_hold_only_so_much(void **state)
{
    (void)state;
    Flinc__CheckpointLocation l = location_in_dir(100);
    l.inline_task_max = 250;
    struct snapshot_target *t = snapshot_target_new(
        &(struct snapshot_target_options){.location = &l, .checkpoint_id = 1, .owner = "o"});
    static const bool IS_FILE[] = {false, false, true, false, true};
    static const size_t SIZES[] = {100, 90, 70, 60, 1};
    for (uint32_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        append(o, SIZES[i]);
        Flinc__StateBlob blob = finish(o);
        assert_int_equal(blob.location[0] != '\0', IS_FILE[i]);
        check_bytes(&blob, SIZES[i]);
        state_blob_clear(&blob);
        snapshot_output_free(o);
    }
    snapshot_target_unref(t);
    /* What earlier checkpoints have in handles that go into this one counts. */
    Flinc__StateBlob earlier = FLINC__STATE_BLOB__INIT;
    earlier.inline_data.len = 200;
    t = snapshot_target_new(
        &(struct snapshot_target_options){.location = &l, .checkpoint_id = 2, .owner = "o"});
    snapshot_target_count_inline(t, &earlier);
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    append(o, 51);
    Flinc__StateBlob blob = finish(o);
    assert_true(blob.location[0] != '\0');
    state_blob_clear(&blob);
    snapshot_output_free(o);
    snapshot_target_unref(t);
}

static void the_jobmanager_takes_only_so_much(void **state)
{
    (void)state;
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    l.inline_only = true;
    l.inline_max = 2 * SNAPSHOT_CHUNK_BYTES;
    struct snapshot_target *t = snapshot_target_new(
        &(struct snapshot_target_options){.location = &l, .checkpoint_id = 1, .owner = "o"});
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_SHARED);
    append(o, 2 * SNAPSHOT_CHUNK_BYTES);
    Flinc__StateBlob blob = finish(o);
    check_bytes(&blob, 2 * SNAPSHOT_CHUNK_BYTES);
    state_blob_clear(&blob);
    snapshot_output_free(o);

    o = snapshot_output_open(t, SNAPSHOT_SCOPE_SHARED);
    append(o, 2 * SNAPSHOT_CHUNK_BYTES);
    struct error err = ERROR_INIT;
    int rc = snapshot_output_append(o, "x", 1, &err);
    check_error(rc, ERR_TOO_LARGE, &err, "execution.checkpointing.dir");
    assert_true(snapshot_output_is_writable(o));
    snapshot_output_finish(o);
    rc = snapshot_output_poll(o, &blob, &err);
    check_error(rc, ERR_TOO_LARGE, &err, "2097152");
    snapshot_output_free(o);
    snapshot_target_unref(t);
}

static void abandoned_outputs_leave_no_file(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct snapshot_target *t = target_in_dir(0, NULL);
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        append(o, SNAPSHOT_CHUNK_BYTES * 2 + 1);
        assert_int_equal(files_in(fixture_dir), 1);
        if (how > 0) {
            append(o, 1);
            snapshot_output_finish(o);
        }
        snapshot_output_free(o);
        snapshot_target_unref(t);
        assert_int_equal(files_in(fixture_dir), 0);
    }
}

static void failures_leave_no_file(void **state)
{
    (void)state;
    static const char *const PLACES[] = {"snapshot.output.create=error:planned",
                                         "snapshot.output.write=error:planned,nth=2",
                                         "snapshot.output.before_sync=error:planned",
                                         "fs.local.sync=error:planned",
                                         "fs.local.sync_parent=error:planned",
                                         "snapshot.output.after_close=error:planned",
                                         "fs.local.close=error:planned"};
    for (uint32_t i = 0; i < ARRAY_LEN(PLACES); i++) {
        Flinc__StateBlob blob;
        struct error err = ERROR_INIT;
        struct snapshot_target *t = target_in_dir(0, NULL);
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        char *bytes = mem_zalloc(SNAPSHOT_CHUNK_BYTES);
        assert_ok(failpoint_configure(PLACES[i], &ok_err));
        int rc = 0;
        for (int chunk = 0; chunk < 3 && rc == 0; chunk++) {
            rc = snapshot_output_append(o, bytes, SNAPSHOT_CHUNK_BYTES, &err);
        }
        snapshot_output_finish(o);
        rc = snapshot_output_poll(o, &blob, &err);
        check_error(rc, ERR_IO, &err, "planned");
        assert_int_equal(files_in(fixture_dir), 0);
        failpoint_clear_all();
        snapshot_output_free(o);
        snapshot_target_unref(t);
        mem_free(bytes);
    }
    assert_int_equal(files_in(fixture_dir), 0);
}

static void a_folder_that_is_gone_is_not_made_again(void **state)
{
    (void)state;
    STR_AUTO folder = STR_INIT;
    assert_int_equal(fs_join(fixture_dir, "chk-7", &folder, NULL), 0);
    Flinc__CheckpointLocation l = location_in_dir(0);
    l.directory = folder.data;
    struct snapshot_target *t = snapshot_target_new(
        &(struct snapshot_target_options){.location = &l, .checkpoint_id = 7, .owner = "o"});
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    Flinc__StateBlob blob;
    struct error err = ERROR_INIT;
    append(o, 10);
    snapshot_output_finish(o);
    int rc = snapshot_output_poll(o, &blob, &err);
    check_error(rc, ERR_NOT_FOUND, &err, "chk-7");
    snapshot_output_free(o);
    snapshot_target_unref(t);
    assert_int_equal(files_in(fixture_dir), 0);
}

static void a_full_disk_names_the_path(void **state)
{
    (void)state;
    STR_AUTO folder = STR_INIT;
    assert_int_equal(fs_join(fixture_dir, "small", &folder, NULL), 0);
    assert_ok(fs_mkdirs(str_cstr(&folder), &ok_err));
    if (mount("tmpfs", str_cstr(&folder), "tmpfs", 0, "size=1m") < 0) {
        print_message("skipped: needs root for a small tmpfs\n");
        return;
    }
    Flinc__CheckpointLocation l = location_in_dir(0);
    l.directory = folder.data;
    struct snapshot_target *t = snapshot_target_new(
        &(struct snapshot_target_options){.location = &l, .checkpoint_id = 7, .owner = "o"});
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    char *bytes = mem_zalloc(SNAPSHOT_CHUNK_BYTES);
    struct error err = ERROR_INIT;
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++) {
        rc = snapshot_output_append(o, bytes, SNAPSHOT_CHUNK_BYTES, &err);
    }
    check_error(rc, ERR_NO_SPACE, &err, str_cstr(&folder));
    assert_int_equal(files_in(str_cstr(&folder)), 0);
    snapshot_output_free(o);
    snapshot_target_unref(t);
    mem_free(bytes);
    assert_int_equal(umount(str_cstr(&folder)), 0);
}

/* ---- with an executor -------------------------------------------------------------------------- */

struct waker {
    _Atomic uint32_t wakes, done;
};

static void on_wake(void *arg)
{
    ((struct waker *)arg)->wakes++;
}

static void on_wake_done(void *arg)
{
    ((struct waker *)arg)->done++;
}

static struct executor *new_executor(uint32_t n_threads, uint32_t queue_limit)
{
    struct executor *x = NULL;
    assert_ok(executor_new(&(struct executor_options){.name = "snapshots",
                                                      .n_threads = n_threads,
                                                      .queue_limit = queue_limit},
                           &x, &ok_err));
    return x;
}

static struct snapshot_target *waking_target(struct executor *x, struct waker *w)
{
    Flinc__CheckpointLocation l = location_in_dir(0);
    return snapshot_target_new(&(struct snapshot_target_options){.location = &l,
                                                                 .checkpoint_id = 7,
                                                                 .owner = "o",
                                                                 .executor = x,
                                                                 .wake = on_wake,
                                                                 .wake_arg = w,
                                                                 .wake_done = on_wake_done});
}

static void the_task_never_waits(void **state)
{
    (void)state;
    struct waker w = {0};
    struct executor *x = new_executor(0, 0);
    struct snapshot_target *t = waking_target(x, &w);
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    Flinc__StateBlob blob;
    struct error err = ERROR_INIT;

    for (int i = 0; i < SNAPSHOT_CHUNKS_MAX; i++) {
        assert_true(snapshot_output_is_writable(o));
        append(o, SNAPSHOT_CHUNK_BYTES);
    }
    assert_false(snapshot_output_is_writable(o));
    assert_int_equal(files_in(fixture_dir), 0);
    assert_int_equal(executor_queue_len(x), 1);
    assert_true(executor_run_once(x));
    assert_int_equal(w.wakes, 1);
    assert_true(snapshot_output_is_writable(o));
    assert_int_equal(snapshot_output_poll(o, &blob, &err), 0);
    append(o, 5);
    snapshot_output_finish(o);
    assert_int_equal(snapshot_output_poll(o, &blob, &err), 0);
    assert_true(executor_run_once(x));
    assert_int_equal(w.wakes, 2);
    assert_int_equal(snapshot_output_poll(o, &blob, &err), 1);
    check_bytes(&blob, SNAPSHOT_CHUNKS_MAX * SNAPSHOT_CHUNK_BYTES + 5);
    state_blob_clear(&blob);
    snapshot_output_free(o);
    assert_int_equal(w.done, 0);
    snapshot_target_unref(t);
    assert_int_equal(w.done, 1);
    assert_false(executor_run_once(x));
    executor_free(x);
}

static void abandoned_while_a_job_waits(void **state)
{
    (void)state;
    struct waker w = {0};
    struct executor *x = new_executor(0, 0);
    struct snapshot_target *t = waking_target(x, &w);
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    append(o, SNAPSHOT_CHUNK_BYTES);
    assert_true(executor_run_once(x));
    assert_int_equal(files_in(fixture_dir), 1);
    append(o, SNAPSHOT_CHUNK_BYTES);
    snapshot_target_unref(t);
    snapshot_output_free(o);
    assert_int_equal(w.done, 0); /* the job holds on to it */
    assert_true(executor_run_once(x));
    assert_int_equal(w.done, 1);
    assert_int_equal(w.wakes, 0);
    assert_int_equal(files_in(fixture_dir), 0);
    executor_free(x);
}

static void a_closing_executor_fails_the_output(void **state)
{
    (void)state;
    struct waker w = {0};
    struct executor *x = new_executor(0, 0);
    struct snapshot_target *t = waking_target(x, &w);
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    Flinc__StateBlob blob;
    struct error err = ERROR_INIT;
    append(o, SNAPSHOT_CHUNK_BYTES);
    assert_true(executor_run_once(x));
    append(o, SNAPSHOT_CHUNK_BYTES);
    executor_free(x);
    assert_int_equal(w.wakes, 1);
    assert_int_equal(files_in(fixture_dir), 0);
    int rc = snapshot_output_poll(o, &blob, &err);
    check_error(rc, ERR_CANCELLED, &err, "closing");
    snapshot_output_free(o);
    snapshot_target_unref(t);
}

static void a_full_executor_makes_the_task_write(void **state)
{
    (void)state;
    struct waker w = {0};
    struct executor *x = new_executor(0, 1);
    struct snapshot_target *t = waking_target(x, &w);
    struct snapshot_output *first = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    struct snapshot_output *second = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    append(first, SNAPSHOT_CHUNK_BYTES);
    append(second, SNAPSHOT_CHUNK_BYTES + 3);
    assert_int_equal(files_in(fixture_dir), 1);
    Flinc__StateBlob blob = finish(second);
    check_bytes(&blob, SNAPSHOT_CHUNK_BYTES + 3);
    state_blob_clear(&blob);
    snapshot_output_free(first);
    snapshot_output_free(second);
    snapshot_target_unref(t);
    assert_true(executor_run_once(x));
    assert_int_equal(w.done, 1);
    assert_int_equal(files_in(fixture_dir), 1);
    executor_free(x);
}

struct event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t wakes;
};

static void event_wake(void *arg)
{
    struct event *e = arg;
    pthread_mutex_lock(&e->lock);
    e->wakes++;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

static void event_wait(struct event *e, uint64_t seen)
{
    pthread_mutex_lock(&e->lock);
    while (e->wakes == seen) {
        pthread_cond_wait(&e->changed, &e->lock);
    }
    pthread_mutex_unlock(&e->lock);
}

static uint64_t event_count(struct event *e)
{
    pthread_mutex_lock(&e->lock);
    uint64_t wakes = e->wakes;
    pthread_mutex_unlock(&e->lock);
    return wakes;
}

/* Many outputs over real threads, some given up on the way; nothing may be lost or left. */
static void many_outputs_on_threads(void **state)
{
    (void)state;
    enum { OUTPUTS = 24 };
    struct event e = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct executor *x = new_executor(3, 8);
    Flinc__CheckpointLocation l = location_in_dir(0);
    struct snapshot_target *t =
        snapshot_target_new(&(struct snapshot_target_options){.location = &l,
                                                              .checkpoint_id = 7,
                                                              .owner = "o",
                                                              .executor = x,
                                                              .wake = event_wake,
                                                              .wake_arg = &e});
    struct rng rng;
    rng_init(&rng, 42);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        size_t size = 1 + rng_below(&rng, 6 * SNAPSHOT_CHUNK_BYTES);
        bool give_up = rng_below(&rng, 3) == 0;
        for (size_t left = size; left > 0;) {
            uint64_t seen = event_count(&e);
            if (!snapshot_output_is_writable(o)) {
                event_wait(&e, seen);
                continue;
            }
            size_t n = MIN(left, 1 + rng_below(&rng, SNAPSHOT_CHUNK_BYTES));
            append(o, n);
            left -= n;
        }
        if (!give_up) {
            Flinc__StateBlob blob;
            struct error err = ERROR_INIT;
            int rc = 0;
            snapshot_output_finish(o);
            for (;;) {
                uint64_t seen = event_count(&e);
                rc = snapshot_output_poll(o, &blob, &err);
                if (rc != 0) {
                    break;
                }
                event_wait(&e, seen);
            }
            assert_int_equal(rc, 1);
            check_bytes(&blob, size);
            state_blob_clear(&blob);
            kept++;
        }
        snapshot_output_free(o);
    }
    snapshot_target_unref(t);
    executor_free(x);
    assert_int_equal(files_in(fixture_dir), kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(inline_up_to_the_threshold),
        SNAPSHOT_TEST(a_file_above_it),
        SNAPSHOT_TEST(a_threshold_above_a_chunk),
        SNAPSHOT_TEST(shared_files_have_full_names),
        SNAPSHOT_TEST(handles_of_a_task_hold_only_so_much),
        SNAPSHOT_TEST(the_jobmanager_takes_only_so_much),
        SNAPSHOT_TEST(abandoned_outputs_leave_no_file),
        SNAPSHOT_TEST(failures_leave_no_file),
        SNAPSHOT_TEST(a_folder_that_is_gone_is_not_made_again),
        SNAPSHOT_TEST(a_full_disk_names_the_path),
        SNAPSHOT_TEST(the_task_never_waits),
        SNAPSHOT_TEST(abandoned_while_a_job_waits),
        SNAPSHOT_TEST(a_closing_executor_fails_the_output),
        SNAPSHOT_TEST(a_full_executor_makes_the_task_write),
        SNAPSHOT_TEST(many_outputs_on_threads),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
