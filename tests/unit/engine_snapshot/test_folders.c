/* Folders: their names; the files of a snapshot; deleting what belongs to it and nothing else. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

static const uint8_t JOB[16] = {0xab, 0xcd, 0xef, 1};

static void names(void **state)
{
    (void)state;
    STR_AUTO exclusive = STR_INIT;
    STR_AUTO shared = STR_INIT;
    STR_AUTO want = STR_INIT;
    assert_ok(checkpoint_folder_make(fixture_dir, JOB, 17, true, &exclusive, &shared, &ok_err));
    str_printf(&want, "file:%s/abcdef01000000000000000000000000/chk-17", fixture_dir);
    assert_string_equal(str_cstr(&exclusive), str_cstr(&want));
    assert_int_equal(fs_exists(str_cstr(&exclusive), NULL), 1);
    assert_int_equal(fs_exists(str_cstr(&shared), NULL), 1);
    str_clear(&want);
    str_printf(&want, "%s/abcdef01000000000000000000000000", fixture_dir);
    assert_int_equal(files_in(str_cstr(&want)), 3); /* and taskowned */
    assert_ok(checkpoint_folder_make(fixture_dir, JOB, 18, false, &exclusive, &shared, &ok_err));
    str_clear(&want);
    str_printf(&want, "file:%s/chk-18", fixture_dir);
    assert_string_equal(str_cstr(&exclusive), str_cstr(&want));
}

static void savepoint_names(void **state)
{
    (void)state;
    STR_AUTO folder = STR_INIT;
    STR_AUTO want = STR_INIT;
    static const uint8_t RANDOM[6] = {1, 2, 3, 4, 5, 0xff};
    struct error err = ERROR_INIT;
    assert_ok(savepoint_folder_make(fixture_dir, JOB, RANDOM, &folder, &ok_err));
    str_printf(&want, "file:%s/savepoint-abcdef-0102030405ff", fixture_dir);
    assert_string_equal(str_cstr(&folder), str_cstr(&want));
    check_error(savepoint_folder_make(fixture_dir, JOB, RANDOM, &folder, &err), ERR_ALREADY_EXISTS,
                &err, "savepoint-abcdef-0102030405ff");
    assert_ok(failpoint_configure("fs.local.mkdirs=error:planned", &ok_err));
    assert_true(checkpoint_folder_make(fixture_dir, JOB, 1, true, &folder, &want, &err) < 0);
}

static void put(const char *folder, const char *name)
{
    STR_AUTO path = STR_INIT;
    struct fs_output *out;
    assert_int_equal(fs_join(folder, name, &path, NULL), 0);
    assert_int_equal(fs_create(str_cstr(&path), FS_CREATE_NEW, &out, NULL), 0);
    assert_int_equal(fs_output_close(&out, NULL), 0);
}

/* A snapshot with two files of its own and two shared ones. */
static Flinc__CheckpointMetadata *make_snapshot(const char *folder, const char *shared)
{
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 4, 128);
    static const char *const NAMES[] = {"own-1", "own-2", "shared-1", "shared-2"};
    for (uint32_t i = 0; i < 4; i++) {
        STR_AUTO path = STR_INIT;
        assert_int_equal(fs_join(shared, NAMES[i], &path, NULL), 0);
        add_keyed(o, add_subtask(o, i), i < 2 ? NAMES[i] : str_cstr(&path));
        put(i < 2 ? folder : shared, NAMES[i]);
    }
    assert_ok(metadata_write(folder, m, &ok_err));
    return m;
}

static void count_file(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    assert_non_null(strstr(uri, fixture_dir));
    assert_int_equal(fs_exists(uri, NULL), 1);
    ((uint32_t *)arg)[blob->shared]++;
}

static bool only_the_first(void *arg, const char *uri)
{
    (void)arg;
    return strstr(uri, "shared-1") != NULL;
}

static void deleting(void **state)
{
    (void)state;
    STR_AUTO exclusive = STR_INIT;
    STR_AUTO shared = STR_INIT;
    uint32_t files[2] = {0, 0};
    assert_ok(checkpoint_folder_make(fixture_dir, JOB, 17, true, &exclusive, &shared, &ok_err));
    Flinc__CheckpointMetadata *m = make_snapshot(str_cstr(&exclusive), str_cstr(&shared));
    snapshot_each_file(m, str_cstr(&exclusive), count_file, files);
    assert_int_equal(files[0], 2);
    assert_int_equal(files[1], 2);
    put(str_cstr(&exclusive), "left-by-a-killed-task");
    assert_ok(snapshot_delete(m, str_cstr(&exclusive), only_the_first, NULL, &ok_err));
    assert_int_equal(fs_exists(str_cstr(&exclusive), NULL), 0);
    assert_int_equal(files_in(str_cstr(&shared)), 1);
    assert_ok(snapshot_delete(m, str_cstr(&exclusive), NULL, NULL, &ok_err)); /* again is fine */
    assert_int_equal(files_in(str_cstr(&shared)), 1);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void a_moved_snapshot_leaves_what_is_not_its_own(void **state)
{
    (void)state;
    STR_AUTO folder = STR_INIT;
    STR_AUTO shared = STR_INIT;
    assert_int_equal(fs_join(fixture_dir, "my-backup", &folder, NULL), 0);
    assert_int_equal(fs_join(fixture_dir, "shared", &shared, NULL), 0);
    assert_ok(fs_mkdirs(str_cstr(&folder), &ok_err));
    assert_ok(fs_mkdirs(str_cstr(&shared), &ok_err));
    Flinc__CheckpointMetadata *m = make_snapshot(str_cstr(&folder), str_cstr(&shared));
    /* Metadata that points out of its folder deletes nothing there. */
    Flinc__StateBlob *blob = m->operators[0]->subtasks[2]->state->keyed[0]->segments[0]->blob;
    blob->shared = false;
    put(str_cstr(&folder), "letters.txt");
    assert_ok(snapshot_delete(m, str_cstr(&folder), NULL, NULL, &ok_err));
    assert_int_equal(files_in(str_cstr(&folder)), 1);
    assert_int_equal(files_in(str_cstr(&shared)), 2);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void interrupted_deletion_leaves_no_snapshot(void **state)
{
    (void)state;
    STR_AUTO exclusive = STR_INIT;
    STR_AUTO shared = STR_INIT;
    STR_AUTO directory = STR_INIT;
    Flinc__CheckpointMetadata *got = NULL;
    struct error err = ERROR_INIT;
    assert_ok(checkpoint_folder_make(fixture_dir, JOB, 17, true, &exclusive, &shared, &ok_err));
    Flinc__CheckpointMetadata *m = make_snapshot(str_cstr(&exclusive), str_cstr(&shared));
    assert_ok(failpoint_configure("snapshot.folder.delete_between=error:planned", &ok_err));
    check_error(snapshot_delete(m, str_cstr(&exclusive), NULL, NULL, &err), ERR_IO, &err,
                "planned");
    check_error(metadata_read(str_cstr(&exclusive), &got, &directory, &err), ERR_NOT_FOUND, &err,
                "never completed");
    failpoint_clear_all();
    assert_ok(snapshot_delete(m, str_cstr(&exclusive), NULL, NULL, &ok_err));
    assert_int_equal(fs_exists(str_cstr(&exclusive), NULL), 0);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(names),
        SNAPSHOT_TEST(savepoint_names),
        SNAPSHOT_TEST(deleting),
        SNAPSHOT_TEST(a_moved_snapshot_leaves_what_is_not_its_own),
        SNAPSHOT_TEST(interrupted_deletion_leaves_no_snapshot),
    };
    return cmocka_run_group_tests_name("folders", tests, NULL, NULL);
}
