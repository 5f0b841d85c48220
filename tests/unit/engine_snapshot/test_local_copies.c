/* Copies of snapshot files on this machine: made, kept as long as a checkpoint may be restored, found when they
 * are good, and left alone when they are not. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "common/base/log.h"
#include "engine/snapshot/local_copies.h"
#include "engine/snapshot/merging.h"

#include <sys/stat.h>
#include <unistd.h>

static char job_dir[300], local_dir[340];

static int setup_local(void **state)
{
    int rc = setup(state);
    snprintf(job_dir, sizeof(job_dir), "%s/jid_1", fixture_dir);
    snprintf(local_dir, sizeof(local_dir), "%s/vtx_aabb_sti_3", job_dir);
    return rc;
}

#define LOCAL_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_local, teardown)

static struct local_copies *copies_in(const char *job_directory, uint32_t subtask)
{
    char *paths[] = {(char *)(uintptr_t)job_directory};
    return local_copies_new(&(struct local_dirs){paths, 1}, "aabb", subtask, NULL);
}

static uint32_t n_copies(void)
{
    struct stat st;
    return stat(local_dir, &st) == 0 ? files_in(local_dir) : 0;
}

/* A blob of `text` in a file, by an output of checkpoint `id`. */
static Flinc__StateBlob *write_blob(struct local_copies *l, uint64_t id, const char *text)
{
    Flinc__StateBlob *blob = MEM_NEW(Flinc__StateBlob);
    Flinc__CheckpointLocation at = location_in_dir(0);
    struct error err = ERROR_INIT;
    struct snapshot_target *t = snapshot_target_new(&(struct snapshot_target_options){
        .location = &at, .checkpoint_id = id, .owner = "aabb-3-1", .local = l});
    struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    assert_ok(snapshot_output_append(o, text, strlen(text), &ok_err));
    snapshot_output_finish(o);
    assert_int_equal(snapshot_output_poll(o, blob, &err), 1);
    snapshot_output_free(o);
    snapshot_target_unref(t);
    return blob;
}

static void free_blob(Flinc__StateBlob *blob)
{
    state_blob_clear(blob);
    mem_free(blob);
}

/* The task acknowledges `id` with these files. */
static void note(struct local_copies *l, uint64_t id, Flinc__StateBlob *const *blobs, uint32_t n)
{
    Flinc__TaskSnapshot s = FLINC__TASK_SNAPSHOT__INIT;
    Flinc__OperatorSubtaskState op = FLINC__OPERATOR_SUBTASK_STATE__INIT, *ops[] = {&op};
    Flinc__KeyedHandle keyed = FLINC__KEYED_HANDLE__INIT, *keyed_list[] = {&keyed};
    Flinc__KeyedSegment segments[8], *list[8];
    for (uint32_t i = 0; i < n; i++) {
        flinc__keyed_segment__init(&segments[i]);
        segments[i].blob = blobs[i];
        list[i] = &segments[i];
    }
    keyed.n_segments = n;
    keyed.segments = list;
    op.n_keyed = 1;
    op.keyed = keyed_list;
    s.n_operators = 1;
    s.operators = ops;
    local_copies_note(l, id, &s);
}

static struct local_found find(struct local_copies *l, Flinc__StateBlob *const *blobs, uint32_t n)
{
    Flinc__TaskRestore r = FLINC__TASK_RESTORE__INIT;
    Flinc__OperatorSubtaskState op = FLINC__OPERATOR_SUBTASK_STATE__INIT, *ops[] = {&op};
    Flinc__OperatorStateHandle handles[8], *list[8];
    struct local_found found;
    for (uint32_t i = 0; i < n; i++) {
        flinc__operator_state_handle__init(&handles[i]);
        handles[i].blob = blobs[i];
        list[i] = &handles[i];
    }
    op.n_operator_state = n;
    op.operator_state = list;
    r.checkpoint_id = 9;
    r.n_operators = 1;
    r.operators = ops;
    local_copies_find(l, &r, &found);
    return found;
}

static const char *copy_path(const Flinc__StateBlob *blob)
{
    static char path[700];
    snprintf(path, sizeof(path), "%s/%s", local_dir, blob->location);
    return path;
}

static void check_read(const Flinc__StateBlob *blob, const char *text)
{
    struct blob_reader *r = NULL;
    assert_ok(blob_reader_open(blob, fixture_dir, &r, &ok_err));
    assert_int_equal(blob_reader_size(r), strlen(text));
    assert_memory_equal(blob_reader_data(r), text, strlen(text));
    blob_reader_close(r);
}

static void copies_are_kept_as_long_as_needed(void **state)
{
    (void)state;
    struct local_copies *l = copies_in(job_dir, 3);
    Flinc__StateBlob *base = write_blob(l, 1, "base"), *d2 = write_blob(l, 2, "second");
    Flinc__StateBlob *d3 = write_blob(l, 3, "third"), *d4 = write_blob(l, 4, "fourth");
    assert_int_equal(n_copies(), 4);
    note(l, 1, (Flinc__StateBlob *[]){base}, 1);
    note(l, 2, (Flinc__StateBlob *[]){base, d2}, 2);
    note(l, 3, (Flinc__StateBlob *[]){base, d3}, 2);
    local_copies_on_complete(l, 1);
    assert_int_equal(n_copies(), 4); /* all may be needed */
    local_copies_on_abort(l, 2);
    assert_int_equal(access(copy_path(d2), F_OK), -1);
    assert_int_equal(n_copies(), 3);
    local_copies_on_complete(l, 3);
    assert_int_equal(n_copies(), 3); /* base, third; the fourth is being written */
    note(l, 4, (Flinc__StateBlob *[]){d4}, 1);
    local_copies_on_complete(l, 77); /* a savepoint */
    local_copies_on_complete(l, 4);
    assert_int_equal(n_copies(), 1);
    assert_int_equal(access(copy_path(d4), F_OK), 0);
    local_copies_on_abort(l, 5); /* nothing was taken */
    assert_int_equal(n_copies(), 1);
    local_copies_unref(l);
    assert_int_equal(n_copies(), 1); /* they outlive the task */
    free_blob(base);
    free_blob(d2);
    free_blob(d3);
    free_blob(d4);
}

static void good_copies_are_read(void **state)
{
    (void)state;
    struct local_copies *l = copies_in(job_dir, 3);
    Flinc__StateBlob *a = write_blob(l, 1, "one"), *b = write_blob(l, 1, "two");
    Flinc__StateBlob *old = write_blob(l, 1, "of an older one");
    local_copies_unref(l);

    STR_AUTO remote = STR_INIT;
    assert_ok(state_blob_uri(a, fixture_dir, &remote, &ok_err));
    assert_ok(fs_delete(str_cstr(&remote), FS_DELETE_ONE, &ok_err)); /* it is not looked at */
    l = copies_in(job_dir, 5); /* another subtask finds it, too */
    struct local_found found = find(l, (Flinc__StateBlob *[]){a, b}, 2);
    assert_int_equal(found.n_local, 2);
    local_copies_unref(l);
    l = copies_in(job_dir, 3);
    mem_free(a->local_path);
    mem_free(b->local_path);
    a->local_path = b->local_path = (char *)(uintptr_t)protobuf_c_empty_string;
    found = find(l, (Flinc__StateBlob *[]){a, b}, 2);
    assert_int_equal(found.n_local, 2);
    assert_int_equal(found.n_remote, 0);
    assert_int_equal(found.local_bytes, 6);
    check_read(a, "one");
    check_read(b, "two");
    assert_int_equal(n_copies(), 3); /* others may be restoring from it */
    state_blob_advise(a, fixture_dir);
    a->local_path[0] = '\0'; /* its file in the snapshot is gone: nobody hears of it yet */
    state_blob_advise(a, fixture_dir);
    note(l, 12, (Flinc__StateBlob *[]){b}, 1);
    local_copies_on_complete(l, 12);
    assert_int_equal(access(copy_path(old), F_OK), -1);
    assert_int_equal(access(copy_path(a), F_OK), -1);
    assert_int_equal(n_copies(), 1);
    Flinc__OperatorStateHandle handle = FLINC__OPERATOR_STATE_HANDLE__INIT, *handles[] = {&handle};
    Flinc__OperatorSubtaskState op = FLINC__OPERATOR_SUBTASK_STATE__INIT;
    handle.blob = b;
    op.n_operator_state = 1;
    op.operator_state = handles;
    local_copies_forget_paths(&op);
    assert_string_equal(b->local_path, "");
    local_copies_unref(l);
    free_blob(a);
    free_blob(b);
    free_blob(old);
}

/* Of a merged file each task has a copy of its own sections. */
static void sections_have_copies(void **state)
{
    (void)state;
    char shared[300], owned[300];
    struct local_copies *l = copies_in(job_dir, 3);
    struct file_merging *m = file_merging_new(
        &(struct file_merging_options){.max_file_bytes = 1000, .max_subtasks_per_file = 4});
    Flinc__StateBlob *blobs[2];
    struct error err = ERROR_INIT;
    Flinc__CheckpointLocation at = location_in_dir(0);
    snprintf(shared, sizeof(shared), "%s/shared", fixture_dir);
    snprintf(owned, sizeof(owned), "%s/taskowned", fixture_dir);
    assert_ok(fs_mkdirs(owned, &ok_err));
    at.shared_directory = shared;
    for (uint32_t i = 0; i < 2; i++) {
        const char *text = i == 0 ? "one" : "second";
        struct snapshot_target *t = snapshot_target_new(&(struct snapshot_target_options){
            .location = &at, .checkpoint_id = 9, .owner = "aabb-3-1", .local = l, .merging = m});
        struct snapshot_output *o = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
        blobs[i] = MEM_NEW(Flinc__StateBlob);
        assert_ok(snapshot_output_append(o, text, strlen(text), &ok_err));
        snapshot_output_finish(o);
        assert_int_equal(snapshot_output_poll(o, blobs[i], &err), 1);
        snapshot_output_free(o);
        snapshot_target_unref(t);
    }
    assert_string_equal(blobs[0]->location, blobs[1]->location);
    assert_int_equal(n_copies(), 2);
    assert_ok(fs_delete(blobs[0]->location, FS_DELETE_ONE, &ok_err)); /* it is not looked at */
    struct local_found found = find(l, blobs, 2);
    assert_int_equal(found.n_local, 2);
    check_read(blobs[0], "one");
    check_read(blobs[1], "second");
    note(l, 13, NULL, 0);
    local_copies_on_complete(l, 13);
    assert_int_equal(n_copies(), 0);
    free_blob(blobs[0]);
    free_blob(blobs[1]);
    file_merging_unref(m);
    local_copies_unref(l);
}

static void damaged_and_missing_copies_are_not(void **state)
{
    (void)state;
    struct local_copies *l = copies_in(job_dir, 3);
    Flinc__StateBlob *bad = write_blob(l, 1, "flipped"), *cut = write_blob(l, 1, "cut short");
    Flinc__StateBlob *gone = write_blob(l, 1, "gone"), *good = write_blob(l, 1, "good");
    static const char *const TEXTS[] = {"flippad", "cut"};
    Flinc__StateBlob *const damaged[] = {bad, cut};
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(unlink(copy_path(damaged[i])), 0); /* a link: the other name stays whole */
        FILE *f = fopen(copy_path(damaged[i]), "w");
        assert_non_null(f);
        (void)fputs(TEXTS[i], f);
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(unlink(copy_path(gone)), 0);
    log_set_level(LOG_LEVEL_ERROR);
    struct local_found found = find(l, (Flinc__StateBlob *[]){bad, cut, gone, good}, 4);
    assert_int_equal(found.n_local, 1);
    assert_int_equal(found.n_remote, 3);
    assert_int_equal(found.n_damaged, 2);
    check_read(bad, "flipped");
    check_read(cut, "cut short");
    check_read(gone, "gone");
    check_read(good, "good");
    assert_int_equal(n_copies(), 1); /* damaged ones are deleted, so that they are made anew */
    local_copies_unref(l);
    free_blob(bad);
    free_blob(cut);
    free_blob(gone);
    free_blob(good);
}

static void a_copy_that_cannot_be_made_costs_nothing(void **state)
{
    (void)state;
    struct local_copies *l = copies_in("/proc/nowhere", 3);
    log_set_level(LOG_LEVEL_ERROR);
    Flinc__StateBlob *a = write_blob(l, 1, "one");
    note(l, 1, (Flinc__StateBlob *[]){a}, 1);
    local_copies_on_complete(l, 1);
    assert_int_equal(find(l, (Flinc__StateBlob *[]){a}, 1).n_remote, 1);
    check_read(a, "one");
    local_copies_unref(l);
    free_blob(a);
}

static uint32_t files_of_task_in(const char *job_directory)
{
    STR_AUTO path = STR_INIT;
    struct stat st;
    str_printf(&path, "%s/vtx_aabb_sti_3", job_directory);
    return stat(str_cstr(&path), &st) == 0 ? files_in(str_cstr(&path)) : 0;
}

/* Checkpoints take turns; each copy is found where its checkpoint's are, and goes from there. */
static void several_folders_take_turns(void **state)
{
    (void)state;
    enum { FOLDERS = 3, CHECKPOINTS = 7 };
    char folders[FOLDERS][340];
    char *paths[FOLDERS];
    Flinc__StateBlob *blobs[CHECKPOINTS];
    for (uint32_t i = 0; i < FOLDERS; i++) {
        snprintf(folders[i], sizeof(folders[i]), "%s/disk%u/jid_1", fixture_dir, i);
        paths[i] = folders[i];
    }
    const struct local_dirs dirs = {paths, FOLDERS};
    struct local_copies *l = local_copies_new(&dirs, "aabb", 3, NULL);
    for (uint32_t i = 0; i < CHECKPOINTS; i++) {
        char text[40];
        snprintf(text, sizeof(text), "of checkpoint %u", i);
        blobs[i] = write_blob(l, i, text);
    }
    for (uint32_t i = 0; i < FOLDERS; i++) {
        assert_int_equal(files_of_task_in(folders[i]), i == 0 ? 3 : 2); /* 0, 3, 6; 1, 4; 2, 5 */
    }
    note(l, 4, (Flinc__StateBlob *[]){blobs[2], blobs[4]}, 2);
    local_copies_on_complete(l, 4); /* 0, 1 and 3 are not needed */
    local_copies_on_abort(l, 5);
    assert_int_equal(files_of_task_in(folders[0]), 1);
    assert_int_equal(files_of_task_in(folders[1]), 1);
    assert_int_equal(files_of_task_in(folders[2]), 1);
    local_copies_unref(l);

    l = local_copies_new(&dirs, "aabb", 5, NULL); /* what another subtask left */
    struct local_found found = find(l, (Flinc__StateBlob *[]){blobs[2], blobs[4], blobs[6]}, 3);
    assert_int_equal(found.n_local, 3);
    check_read(blobs[4], "of checkpoint 4");
    local_copies_unref(l);
    for (uint32_t i = 0; i < CHECKPOINTS; i++) {
        free_blob(blobs[i]);
    }
}

/* A disk that fails costs the copies of its turns. */
static void one_of_several_folders_fails(void **state)
{
    (void)state;
    char *paths[] = {job_dir, (char *)(uintptr_t) "/proc/nowhere"};
    struct local_copies *l = local_copies_new(&(struct local_dirs){paths, 2}, "aabb", 3, NULL);
    log_set_level(LOG_LEVEL_ERROR);
    Flinc__StateBlob *good = write_blob(l, 2, "two"), *none = write_blob(l, 3, "three");
    assert_int_equal(n_copies(), 1);
    struct local_found found = find(l, (Flinc__StateBlob *[]){good, none}, 2);
    assert_int_equal(found.n_local, 1);
    assert_int_equal(found.n_remote, 1);
    check_read(none, "three");
    local_copies_unref(l);
    free_blob(good);
    free_blob(none);
}

/* Another file system: copied, where it cannot be linked. */
static void across_file_systems(void **state)
{
    (void)state;
    char dir[64] = "/dev/shm/flinc-local-XXXXXX";
    if (access("/dev/shm", W_OK) != 0 || mkdtemp(dir) == NULL) {
        skip();
    }
    struct local_copies *l = copies_in(dir, 3);
    Flinc__StateBlob *a = write_blob(l, 1, "far away");
    assert_int_equal(files_in(dir), 1); /* the task's folder */
    assert_int_equal(find(l, (Flinc__StateBlob *[]){a}, 1).n_local, 1);
    check_read(a, "far away");
    local_copies_unref(l);
    free_blob(a);
    assert_int_equal(fs_delete(dir, FS_DELETE_RECURSIVE, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {LOCAL_TEST(copies_are_kept_as_long_as_needed),
                                       LOCAL_TEST(good_copies_are_read),
                                       LOCAL_TEST(sections_have_copies),
                                       LOCAL_TEST(damaged_and_missing_copies_are_not),
                                       LOCAL_TEST(a_copy_that_cannot_be_made_costs_nothing),
                                       LOCAL_TEST(several_folders_take_turns),
                                       LOCAL_TEST(one_of_several_folders_fails),
                                       LOCAL_TEST(across_file_systems)};
    return cmocka_run_group_tests_name("local_copies", tests, NULL, NULL);
}
