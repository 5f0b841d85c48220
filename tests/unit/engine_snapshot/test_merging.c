/* Merged files: whose sections are in which file, what is read back, which files go when, and what failures leave. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "common/base/thread.h"
#include "engine/snapshot/merging.h"
#include "engine/snapshot/metadata.h"

static char chk_dir[300], shared_dir[300], owned_dir[300];

static int setup_folders(void **state)
{
    int rc = setup(state);
    snprintf(chk_dir, sizeof(chk_dir), "%s/chk-1", fixture_dir);
    snprintf(shared_dir, sizeof(shared_dir), "%s/shared", fixture_dir);
    snprintf(owned_dir, sizeof(owned_dir), "%s/taskowned", fixture_dir);
    assert_ok(fs_mkdirs(chk_dir, &ok_err));
    assert_ok(fs_mkdirs(shared_dir, &ok_err));
    assert_ok(fs_mkdirs(owned_dir, &ok_err));
    return rc;
}

#define MERGING_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_folders, teardown)

static struct file_merging_options defaults(void)
{
    return (struct file_merging_options){
        .max_file_bytes = 1 << 20, .max_subtasks_per_file = 4, .max_space_amplification = 2.0};
}

static struct snapshot_target *target_of(struct file_merging *m, const char *owner, uint64_t id,
                                         uint64_t latest)
{
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    l.directory = chk_dir;
    l.shared_directory = shared_dir;
    l.inline_threshold = 10;
    return snapshot_target_new(&(struct snapshot_target_options){.location = &l,
                                                                 .checkpoint_id = id,
                                                                 .latest_completed = latest,
                                                                 .owner = owner,
                                                                 .merging = m});
}

static char byte_of(uint32_t seed, size_t at)
{
    return (char)(seed * 37 + at * 31 + (at >> 8));
}

static int try_write(struct snapshot_target *t, enum snapshot_scope scope, uint32_t seed,
                     size_t size, Flinc__StateBlob *ret, struct error *err)
{
    struct snapshot_output *o = snapshot_output_open(t, scope);
    char *bytes = mem_alloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = byte_of(seed, i);
    }
    int rc = snapshot_output_append(o, bytes, size, err);
    if (rc == 0) {
        snapshot_output_finish(o);
        rc = snapshot_output_poll(o, ret, err);
    }
    snapshot_output_free(o);
    mem_free(bytes);
    return rc;
}

/* A section of `size` bytes by a target of its own. */
static Flinc__StateBlob write_one(struct file_merging *m, const char *owner, uint64_t id,
                                  uint64_t latest, size_t size)
{
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    struct error err = ERROR_INIT;
    struct snapshot_target *t = target_of(m, owner, id, latest);
    assert_int_equal(try_write(t, SNAPSHOT_SCOPE_EXCLUSIVE, (uint32_t)size, size, &blob, &err), 1);
    snapshot_target_unref(t);
    return blob;
}

static int try_read(const Flinc__StateBlob *blob, struct error *err)
{
    struct blob_reader *r = NULL;
    TRY(blob_reader_open(blob, chk_dir, &r, err));
    assert_int_equal(blob_reader_size(r), blob->size);
    for (size_t i = 0; i < blob->size; i++) {
        assert_int_equal((char)blob_reader_data(r)[i], byte_of((uint32_t)blob->size, i));
    }
    blob_reader_close(r);
    return 0;
}

/* The task acknowledges checkpoint `id`: these are its lists, of this checkpoint, and its segments, of `base_id`. */
static void note(struct file_merging *m, uint64_t id, Flinc__StateBlob *list,
                 Flinc__StateBlob *segment, uint64_t base_id)
{
    Flinc__TaskSnapshot s = FLINC__TASK_SNAPSHOT__INIT;
    Flinc__OperatorSubtaskState op = FLINC__OPERATOR_SUBTASK_STATE__INIT, *ops[] = {&op};
    Flinc__OperatorStateHandle handle = FLINC__OPERATOR_STATE_HANDLE__INIT, *handles[] = {&handle};
    Flinc__KeyedHandle keyed = FLINC__KEYED_HANDLE__INIT, *keyed_list[] = {&keyed};
    Flinc__KeyedSegment seg = FLINC__KEYED_SEGMENT__INIT, *segments[] = {&seg};
    handle.blob = list;
    op.operator_state = handles;
    op.n_operator_state = list != NULL;
    seg.blob = segment;
    seg.checkpoint_id = base_id;
    keyed.segments = segments;
    keyed.n_segments = segment != NULL;
    op.keyed = keyed_list;
    op.n_keyed = 1;
    s.operators = ops;
    s.n_operators = 1;
    file_merging_note(m, id, &s);
}

/* ---- where sections go -------------------------------------------------------------------------- */

static void sections_of_several_tasks_share_a_file(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    struct file_merging *m = file_merging_new(&o);
    static const char *const OWNERS[] = {"a-0-0", "a-1-0", "a-2-0", "a-3-0", "a-4-0"};
    Flinc__StateBlob blobs[10], keyed[5];
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < 10; i++) {
        blobs[i] = write_one(m, OWNERS[i % 5], 7, 0, 100 + i);
        assert_int_equal(blobs[i].merged_since, 7);
        assert_true(blobs[i].shared);
    }
    for (uint32_t i = 0; i < 5; i++) {
        struct snapshot_target *t = target_of(m, OWNERS[i], 7, 0);
        assert_int_equal(try_write(t, SNAPSHOT_SCOPE_SHARED, 200 + i, 200 + i, &keyed[i], &err), 1);
        snapshot_target_unref(t);
    }
    assert_int_equal(files_in(owned_dir), 2); /* of four subtasks, and of the fifth */
    assert_int_equal(files_in(shared_dir), 2);
    assert_int_equal(files_in(chk_dir), 0);
    assert_int_equal(blobs[1].offset, 100);
    assert_string_equal(blobs[1].location, blobs[0].location);
    assert_string_not_equal(blobs[4].location, blobs[0].location);
    assert_non_null(strstr(blobs[0].location, "/taskowned/a-0-0-7-"));
    const struct file_merging_stats *s = file_merging_stats(m);
    assert_int_equal(atomic_load(&s->n_files), 4);
    assert_int_equal(atomic_load(&s->n_sections), 15);
    assert_int_equal(atomic_load(&s->section_bytes), 1045 + 1010);
    for (uint32_t i = 0; i < 10; i++) {
        assert_ok(try_read(&blobs[i], &ok_err));
        state_blob_clear(&blobs[i]);
    }
    for (uint32_t i = 0; i < 5; i++) {
        assert_ok(try_read(&keyed[i], &ok_err));
        state_blob_clear(&keyed[i]);
    }
    file_merging_unref(m);
}

static void what_is_not_small_has_a_file_of_its_own(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    o.max_file_bytes = 3000;
    struct file_merging *m = file_merging_new(&o);
    Flinc__StateBlob a = write_one(m, "a-0-0", 7, 0, 3001), b = write_one(m, "a-0-0", 7, 0, 2000);
    Flinc__StateBlob c = write_one(m, "a-0-0", 7, 0, 1001), d = write_one(m, "a-0-0", 7, 0, 1000);
    Flinc__StateBlob e = write_one(m, "a-0-0", 7, 0, 9);
    assert_int_equal(a.merged_since, 0);
    assert_null(strchr(a.location, '/'));
    assert_string_not_equal(b.location, c.location); /* full */
    assert_string_equal(c.location, d.location);
    assert_string_equal(e.location, "");
    assert_int_equal(files_in(owned_dir), 2);
    o.max_file_bytes = UINT64_C(1) << 30;
    struct file_merging *big = file_merging_new(&o);
    Flinc__StateBlob f = write_one(big, "a-0-0", 7, 0, MERGED_SECTION_MAX + 1);
    assert_int_equal(f.merged_since, 0);
    Flinc__StateBlob *all[] = {&a, &b, &c, &d, &e, &f};
    for (uint32_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_ok(try_read(all[i], &ok_err));
        state_blob_clear(all[i]);
    }
    file_merging_unref(m);
    file_merging_unref(big);
}

/* ---- checkpoints -------------------------------------------------------------------------------- */

static void each_checkpoint_has_its_files(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    struct file_merging *m = file_merging_new(&o);
    Flinc__StateBlob a = write_one(m, "a-0-0", 1, 0, 100);
    note(m, 1, &a, NULL, 0);
    Flinc__StateBlob b = write_one(m, "a-0-0", 2, 1, 100);
    assert_string_not_equal(a.location, b.location);
    state_blob_clear(&a);
    state_blob_clear(&b);
    file_merging_unref(m);
    assert_int_equal(files_in(owned_dir), 2); /* the job manager's */
}

/* A file goes on only when the completed checkpoint that keeps it is the newest. */
static void a_file_goes_on_where_it_is_kept(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    o.across_checkpoints = true;
    struct file_merging *m = file_merging_new(&o);
    Flinc__StateBlob blobs[6];
    blobs[0] = write_one(m, "a-0-0", 1, 0, 100);
    note(m, 1, &blobs[0], NULL, 0);
    blobs[1] = write_one(m, "a-0-0", 2, 1, 100);
    assert_string_equal(blobs[1].location, blobs[0].location);
    assert_int_equal(blobs[1].merged_since, 1);
    note(m, 2, &blobs[1], NULL, 0);
    blobs[2] = write_one(m, "a-0-0", 3, 1, 100); /* 2 is not complete; 1 is, and has the file */
    assert_string_equal(blobs[2].location, blobs[0].location);
    /* 3 was given up, unacknowledged; 4 is complete and has nothing there: the file may be gone. */
    blobs[3] = write_one(m, "a-0-0", 5, 4, 100);
    assert_string_not_equal(blobs[3].location, blobs[0].location);
    blobs[4] = write_one(m, "a-0-0", 6, 4, 100); /* 5 is not complete */
    assert_string_not_equal(blobs[4].location, blobs[3].location);
    note(m, 6, &blobs[4], NULL, 0);
    file_merging_leave(m, "a-0-0");
    blobs[5] = write_one(m, "a-0-1", 7, 6, 100); /* another attempt */
    assert_string_not_equal(blobs[5].location, blobs[4].location);
    for (uint32_t i = 0; i < 6; i++) {
        assert_ok(try_read(&blobs[i], &ok_err));
        state_blob_clear(&blobs[i]);
    }
    file_merging_unref(m);
}

/* ---- garbage ------------------------------------------------------------------------------------ */

static void discarding(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    struct file_merging *m = file_merging_new(&o);
    struct snapshot_target *t = target_of(m, "a-0-0", 1, 0);
    Flinc__StateBlob a = write_one(m, "a-0-0", 1, 0, 100), b = write_one(m, "a-1-0", 1, 0, 101);
    snapshot_target_discard(t, &a);
    file_merging_leave(m, "a-0-0");
    assert_ok(try_read(&b, &ok_err)); /* another's section */
    assert_int_equal(atomic_load(&file_merging_stats(m)->n_sections), 1);
    snapshot_target_discard(t, &b);
    assert_int_equal(files_in(owned_dir), 0); /* nobody has heard of it */
    assert_int_equal(atomic_load(&file_merging_stats(m)->n_files), 0);
    assert_int_equal(atomic_load(&file_merging_stats(m)->file_bytes), 0);
    state_blob_clear(&a);
    state_blob_clear(&b);

    a = write_one(m, "a-0-1", 1, 0, 100);
    b = write_one(m, "a-0-1", 1, 0, 101);
    note(m, 1, &a, NULL, 0);
    snapshot_target_discard(t, &b);
    snapshot_target_discard(t, &b); /* again changes nothing */
    file_merging_leave(m, "a-0-1");
    assert_int_equal(files_in(owned_dir), 1);
    assert_ok(try_read(&a, &ok_err));
    state_blob_clear(&a);
    state_blob_clear(&b);
    snapshot_target_unref(t);
    file_merging_unref(m);
}

/* A section that is given up must not take the file with it: what the checkers look for. */
static void the_planted_bug_shows(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    struct file_merging *m = file_merging_new(&o);
    struct snapshot_target *t = target_of(m, "a-0-0", 1, 0);
    struct error err = ERROR_INIT;
    Flinc__StateBlob a = write_one(m, "a-0-0", 1, 0, 100), b = write_one(m, "a-0-0", 1, 0, 101);
    note(m, 1, &a, NULL, 0);
    assert_ok(failpoint_configure("planted.merging.discard_deletes_file=error", &ok_err));
    snapshot_target_discard(t, &b);
    failpoint_clear_all();
    check_error(try_read(&a, &err), ERR_NOT_FOUND, &err, a.location);
    state_blob_clear(&a);
    state_blob_clear(&b);
    snapshot_target_unref(t);
    file_merging_unref(m);
}

static void mostly_garbage(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    o.across_checkpoints = true;
    struct file_merging *m = file_merging_new(&o);
    Flinc__StateBlob base = write_one(m, "a-0-0", 1, 0, 1000), lists[4];
    lists[0] = write_one(m, "a-0-0", 1, 0, 900);
    note(m, 1, &lists[0], &base, 1);
    for (uint32_t i = 1; i < 3; i++) {
        lists[i] = write_one(m, "a-0-0", 1 + i, i, 900);
        note(m, 1 + i, &lists[i], &base, 1);
        assert_string_equal(lists[i].location, base.location);
        assert_int_equal(file_merging_waste(m, &base), 0);
    }
    /* Of 3,700 bytes the third checkpoint refers to 1,900; the fourth would to 1,900 as well, of 4,600. */
    lists[3] = write_one(m, "a-0-0", 4, 3, 900);
    assert_string_equal(lists[3].location, base.location);
    note(m, 4, &lists[3], &base, 1);
    Flinc__StateBlob next = write_one(m, "a-0-0", 5, 4, 900);
    assert_string_not_equal(next.location, base.location);
    assert_int_equal(file_merging_waste(m, &base), 4600 - 1900);
    assert_int_equal(file_merging_waste(m, &next), 0);
    struct snapshot_target *t = target_of(m, "a-0-0", 5, 4);
    assert_int_equal(snapshot_target_waste(t, &base), 4600 - 1900);
    snapshot_target_unref(t);
    for (uint32_t i = 0; i < 4; i++) {
        state_blob_clear(&lists[i]);
    }
    state_blob_clear(&base);
    state_blob_clear(&next);
    file_merging_unref(m);
}

/* ---- failures ----------------------------------------------------------------------------------- */

static void a_failed_section_ends_the_file(void **state)
{
    (void)state;
    static const char *const PLACES[] = {
        "snapshot.merging.take",       "snapshot.output.create",      "snapshot.output.write",
        "snapshot.output.before_sync", "snapshot.merging.after_sync", "fs.local.sync"};
    for (uint32_t i = 0; i < ARRAY_LEN(PLACES); i++) {
        struct file_merging_options o = defaults();
        struct file_merging *m = file_merging_new(&o);
        struct error err = ERROR_INIT;
        Flinc__StateBlob before = write_one(m, "a-0-0", 7, 0, 500), failed;
        struct snapshot_target *t = target_of(m, "b-0-0", 7, 0);
        char spec[64];
        snprintf(spec, sizeof(spec), "%s=error", PLACES[i]);
        assert_int_equal(failpoint_configure(spec, &err), 0);
        int rc = try_write(t, SNAPSHOT_SCOPE_EXCLUSIVE, 600, 600, &failed, &err);
        failpoint_clear_all();
        if (strcmp(PLACES[i], "snapshot.output.create") == 0) {
            assert_int_equal(rc, 1); /* there was a file already */
            state_blob_clear(&failed);
        } else {
            assert_true(rc < 0);
        }
        Flinc__StateBlob after = write_one(m, "b-0-0", 7, 0, 700);
        assert_ok(try_read(&before, &ok_err));
        assert_ok(try_read(&after, &ok_err));
        snapshot_target_unref(t);
        state_blob_clear(&before);
        state_blob_clear(&after);
        file_merging_unref(m);
    }
}

static void a_file_that_cannot_be_made(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    struct file_merging *m = file_merging_new(&o);
    struct error err = ERROR_INIT;
    Flinc__StateBlob blob;
    struct snapshot_target *t = target_of(m, "b-0-0", 7, 0);
    assert_ok(fs_delete(owned_dir, FS_DELETE_RECURSIVE, &ok_err));
    int rc = try_write(t, SNAPSHOT_SCOPE_EXCLUSIVE, 600, 600, &blob, &err);
    check_error(rc, ERR_NOT_FOUND, &err, "taskowned");
    error_clear(&err);
    assert_ok(fs_mkdirs(owned_dir, &ok_err));
    assert_ok(fs_delete(chk_dir, FS_DELETE_RECURSIVE, &ok_err));
    rc = try_write(t, SNAPSHOT_SCOPE_EXCLUSIVE, 600, 600, &blob, &err);
    check_error(rc, ERR_NOT_FOUND, &err, "given up");
    assert_int_equal(files_in(owned_dir), 0);
    assert_int_equal(atomic_load(&file_merging_stats(m)->n_files), 0);
    snapshot_target_unref(t);
    file_merging_unref(m);
}

static void put_file(const char *path, const void *data, size_t size)
{
    struct fs_output *out = NULL;
    assert_ok(fs_create(path, FS_OVERWRITE, &out, &ok_err));
    assert_ok(fs_output_write(out, data, size, &ok_err));
    assert_ok(fs_output_close(&out, &ok_err));
}

/* A worker that is killed leaves half a section at the end; damage is told by file and place. */
static void tails_and_damage(void **state)
{
    (void)state;
    struct file_merging_options o = defaults();
    struct file_merging *m = file_merging_new(&o);
    Flinc__StateBlob a = write_one(m, "a-0-0", 7, 0, 100), b = write_one(m, "a-0-0", 7, 0, 50);
    struct error err = ERROR_INIT;
    char bytes[170] = {0};
    file_merging_unref(m);
    for (size_t i = 0; i < 150; i++) {
        bytes[i] = i < 100 ? byte_of(100, i) : byte_of(50, i - 100);
    }
    put_file(a.location, bytes, sizeof(bytes));
    assert_ok(try_read(&a, &ok_err));
    assert_ok(try_read(&b, &ok_err));
    for (size_t cut = 0; cut < 150; cut += 7) {
        put_file(a.location, bytes, cut);
        error_clear(&err);
        if (cut < 100) {
            check_error(try_read(&a, &err), ERR_CORRUPT, &err, a.location);
        }
        error_clear(&err);
        check_error(try_read(&b, &err), ERR_CORRUPT, &err, "from byte 100 on");
    }
    bytes[120] ^= 1;
    put_file(a.location, bytes, sizeof(bytes));
    assert_ok(try_read(&a, &ok_err));
    error_clear(&err);
    check_error(try_read(&b, &err), ERR_CORRUPT, &err, "(50 bytes from 100 on)");
    for (uint64_t at = 0; at < 64;
         at++) { /* places behind the end, and so far behind that sums overflow */
        b.offset = UINT64_MAX >> at;
        error_clear(&err);
        int rc = try_read(&b, &err);
        assert_int_equal(rc, ERR_CORRUPT);
    }
    state_blob_clear(&a);
    state_blob_clear(&b);
}

/* ---- several at a time -------------------------------------------------------------------------- */

struct writing {
    struct file_merging *m;
    char owner[16];
    pthread_t thread;
    Flinc__StateBlob blobs[20];
};

static void *write_many(void *arg)
{
    struct writing *w = arg;
    for (uint32_t i = 0; i < ARRAY_LEN(w->blobs); i++) {
        w->blobs[i] = write_one(w->m, w->owner, 7, 0, 1000 + i);
    }
    return NULL;
}

static void tasks_at_the_same_time(void **state)
{
    (void)state;
    enum { TASKS = 8 };
    for (int blocking = 0; blocking < 2; blocking++) {
        struct file_merging_options o = defaults();
        o.pool_blocking = blocking != 0;
        struct file_merging *m = file_merging_new(&o);
        static struct writing tasks[TASKS];
        uint32_t before = files_in(owned_dir);
        for (uint32_t i = 0; i < TASKS; i++) {
            tasks[i].m = m;
            snprintf(tasks[i].owner, sizeof(tasks[i].owner), "a-%u-0", i);
            assert_int_equal(pthread_create(&tasks[i].thread, NULL, write_many, &tasks[i]), 0);
        }
        for (uint32_t i = 0; i < TASKS; i++) {
            pthread_join(tasks[i].thread, NULL);
        }
        uint32_t n = files_in(owned_dir) - before;
        if (blocking) {
            assert_int_equal(n, TASKS / 4);
        } else {
            assert_in_range(n, 2, TASKS);
        }
        for (uint32_t i = 0; i < TASKS; i++) {
            for (uint32_t k = 0; k < ARRAY_LEN(tasks[i].blobs); k++) {
                assert_ok(try_read(&tasks[i].blobs[k], &ok_err));
                state_blob_clear(&tasks[i].blobs[k]);
            }
        }
        file_merging_unref(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING_TEST(sections_of_several_tasks_share_a_file),
        MERGING_TEST(what_is_not_small_has_a_file_of_its_own),
        MERGING_TEST(each_checkpoint_has_its_files),
        MERGING_TEST(a_file_goes_on_where_it_is_kept),
        MERGING_TEST(discarding),
        MERGING_TEST(the_planted_bug_shows),
        MERGING_TEST(mostly_garbage),
        MERGING_TEST(a_failed_section_ends_the_file),
        MERGING_TEST(a_file_that_cannot_be_made),
        MERGING_TEST(tails_and_damage),
        MERGING_TEST(tasks_at_the_same_time),
    };
    return cmocka_run_group_tests_name("merging", tests, NULL, NULL);
}
