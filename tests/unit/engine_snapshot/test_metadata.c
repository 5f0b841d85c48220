/* The file _metadata: it comes back, is there whole or not at all, and what is not one is told apart. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "engine/snapshot/metadata_format.h"

static const char *in_dir(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof(paths[0]), "%s/%s", fixture_dir, name);
    return p;
}

static void put_file(const char *path, const void *data, size_t size)
{
    struct fs_output *out;
    assert_int_equal(fs_create(path, FS_OVERWRITE, &out, NULL), 0);
    assert_int_equal(fs_output_write(out, data, size, NULL), 0);
    assert_int_equal(fs_output_close(&out, NULL), 0);
}

static Flinc__CheckpointMetadata *some_metadata(void)
{
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 2, 128);
    for (uint32_t i = 0; i < 2; i++) {
        Flinc__SubtaskSnapshot *s = add_subtask(o, i);
        add_keyed(o, s, i == 0 ? "a-file" : "");
        add_list(s, "offsets", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 3);
    }
    return m;
}

static void it_comes_back(void **state)
{
    (void)state;
    STR_AUTO directory = STR_INIT;
    Flinc__CheckpointMetadata *m = some_metadata(), *got = NULL;
    assert_ok(metadata_write(fixture_dir, m, &ok_err));
    assert_int_equal(files_in(fixture_dir), 1);
    assert_ok(metadata_read(fixture_dir, &got, &directory, &ok_err));
    assert_string_equal(got->job_name, "Word Count");
    assert_int_equal(got->checkpoint_id, 42);
    assert_int_equal(got->timestamp_ms, 1700000000123);
    assert_int_equal(got->operators[0]->n_subtasks, 2);
    assert_string_equal(
        got->operators[0]->subtasks[0]->state->keyed[0]->segments[0]->blob->location, "a-file");
    assert_non_null(strstr(str_cstr(&directory), fixture_dir));
    flinc__checkpoint_metadata__free_unpacked(got, NULL);

    STR_AUTO by_file = STR_INIT;
    assert_ok(metadata_read(in_dir("_metadata"), &got, &by_file, &ok_err));
    assert_string_equal(str_cstr(&by_file), str_cstr(&directory));
    flinc__checkpoint_metadata__free_unpacked(got, NULL);

    struct error err = ERROR_INIT;
    check_error(metadata_write(fixture_dir, m, &err), ERR_ALREADY_EXISTS, &err, "_metadata");
    assert_int_equal(files_in(fixture_dir), 1);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void large_ones_have_many_blocks(void **state)
{
    (void)state;
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = make_metadata(), *got = NULL;
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 100, 128);
    for (uint32_t i = 0; i < 100; i++) {
        add_list(add_subtask(o, i), "items", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, 300);
    }
    assert_ok(metadata_encode(m, &bytes, &ok_err));
    assert_true(bytes.len > 3 * METADATA_BLOCK_BYTES);
    assert_ok(metadata_decode((uint8_t *)bytes.data, bytes.len, "m", &got, &ok_err));
    assert_int_equal(got->operators[0]->n_subtasks, 100);
    flinc__checkpoint_metadata__free_unpacked(got, NULL);
    struct error err = ERROR_INIT;
    size_t second = sizeof(struct metadata_head) + METADATA_BLOCK_BYTES + 4;
    bytes.data[second + 10] ^= 1;
    check_error(metadata_decode((uint8_t *)bytes.data, bytes.len, "m", &got, &err), ERR_CORRUPT,
                &err, "m is damaged: block 1 at byte 65572");
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void every_bit_and_length_counts(void **state)
{
    (void)state;
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = some_metadata(), *got = NULL;
    assert_ok(metadata_encode(m, &bytes, &ok_err));
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        struct error err = ERROR_INIT;
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
        int rc = metadata_decode((uint8_t *)bytes.data, bytes.len, "chk-1/_metadata", &got, &err);
        check_error(rc, ERR_CORRUPT, &err, "chk-1/_metadata");
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t n = 0; n < bytes.len; n++) {
        struct error err = ERROR_INIT;
        uint8_t *copy = n > 0 ? mem_dup(bytes.data, n) : mem_alloc(1);
        check_error(metadata_decode(copy, n, "x", &got, &err), ERR_CORRUPT, &err, "x");
        mem_free(copy);
    }
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void what_is_not_one(void **state)
{
    (void)state;
    STR_AUTO directory = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = some_metadata(), *got = NULL;
    struct error err = ERROR_INIT;
    check_error(metadata_read(in_dir("nothing"), &got, &directory, &err), ERR_NOT_FOUND, &err,
                "nothing");
    check_error(metadata_read(fixture_dir, &got, &directory, &err), ERR_NOT_FOUND, &err,
                "never completed");
    put_file(in_dir("_metadata"), "\x49\x60\x67\x2d\0\0\0\5abc", 11);
    check_error(metadata_read(fixture_dir, &got, &directory, &err), ERR_UNSUPPORTED, &err,
                "Apache Flink");
    put_file(in_dir("_metadata"), "hello", 5);
    check_error(metadata_read(fixture_dir, &got, &directory, &err), ERR_CORRUPT, &err,
                "no checkpoint or savepoint of Flinc");
    put_file(in_dir("_metadata"), "", 0);
    check_error(metadata_read(fixture_dir, &got, &directory, &err), ERR_CORRUPT, &err, "is empty");

    assert_ok(metadata_encode(m, &bytes, &ok_err));
    struct metadata_head head;
    memcpy(&head, bytes.data, sizeof(head));
    head.version = CHECKPOINT_METADATA_VERSION + 1;
    head.crc = crc32c(0, &head, offsetof(struct metadata_head, crc));
    memcpy(bytes.data, &head, sizeof(head));
    put_file(in_dir("_metadata"), bytes.data, bytes.len);
    check_error(metadata_read(fixture_dir, &got, &directory, &err), ERR_UNSUPPORTED, &err,
                "has version 4");
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void a_folder_of_checkpoints_names_its_newest(void **state)
{
    (void)state;
    STR_AUTO directory = STR_INIT;
    Flinc__CheckpointMetadata *m = some_metadata(), *got = NULL;
    struct error err = ERROR_INIT;
    static const char *const NAMES[] = {"chk-9", "chk-10", "chk-11", "chk-x"};
    for (uint32_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        assert_ok(fs_mkdirs(in_dir(NAMES[i]), &ok_err));
        if (i < 2) {
            assert_ok(metadata_write(in_dir(NAMES[i]), m, &ok_err));
        }
    }
    check_error(metadata_read(fixture_dir, &got, &directory, &err), ERR_NOT_FOUND, &err,
                "newest complete one is");
    assert_non_null(strstr(err.message, "/chk-10"));
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void failures_leave_nothing(void **state)
{
    (void)state;
    static const char *const PLACES[] = {
        "snapshot.metadata.write=error:planned", "fs.local.write=error:planned",
        "fs.local.sync=error:planned", "snapshot.metadata.before_rename=error:planned",
        "fs.local.rename=error:planned"};
    Flinc__CheckpointMetadata *m = some_metadata();
    for (uint32_t i = 0; i < ARRAY_LEN(PLACES); i++) {
        struct error err = ERROR_INIT;
        assert_ok(failpoint_configure(PLACES[i], &ok_err));
        check_error(metadata_write(fixture_dir, m, &err), ERR_IO, &err, "planned");
        failpoint_clear_all();
        assert_int_equal(files_in(fixture_dir), 0);
    }
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(it_comes_back),
        SNAPSHOT_TEST(large_ones_have_many_blocks),
        SNAPSHOT_TEST(every_bit_and_length_counts),
        SNAPSHOT_TEST(what_is_not_one),
        SNAPSHOT_TEST(a_folder_of_checkpoints_names_its_newest),
        SNAPSHOT_TEST(failures_leave_nothing),
    };
    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
