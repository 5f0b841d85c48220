/* Blobs: where they lie, and that damage to one is noticed. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "common/base/crc32c.h"

static void locations(void **state)
{
    (void)state;
    STR_AUTO uri = STR_INIT;
    Flinc__StateBlob b = FLINC__STATE_BLOB__INIT;
    assert_ok(state_blob_uri(&b, NULL, &uri, &ok_err));
    assert_string_equal(str_cstr(&uri), "");
    b.location = (char *)"name";
    assert_ok(state_blob_uri(&b, "/chk-1", &uri, &ok_err));
    assert_string_equal(str_cstr(&uri), "/chk-1/name");
    b.location = (char *)"file:/shared/name";
    assert_ok(state_blob_uri(&b, "/chk-1", &uri, &ok_err));
    assert_string_equal(str_cstr(&uri), "file:/shared/name");

    struct error err = ERROR_INIT;
    b.location = (char *)"..";
    check_error(state_blob_uri(&b, "/chk-1", &uri, &err), ERR_INVALID_ARGUMENT, &err, "'..'");
    b.location = (char *)"name";
    check_error(state_blob_uri(&b, NULL, &uri, &err), ERR_INVALID_ARGUMENT, &err, "_metadata");
}

static Flinc__StateBlob file_blob(const char *name, const char *bytes, size_t size)
{
    STR_AUTO path = STR_INIT;
    struct fs_output *out;
    assert_int_equal(fs_join(fixture_dir, name, &path, NULL), 0);
    assert_int_equal(fs_create(str_cstr(&path), FS_OVERWRITE, &out, NULL), 0);
    assert_int_equal(fs_output_write(out, bytes, size, NULL), 0);
    assert_int_equal(fs_output_close(&out, NULL), 0);
    Flinc__StateBlob b = FLINC__STATE_BLOB__INIT;
    b.location = (char *)(uintptr_t)name;
    b.size = size;
    b.crc32c = crc32c(0, bytes, size);
    return b;
}

static void read_whole(void **state)
{
    (void)state;
    struct blob_reader *r = NULL;
    Flinc__StateBlob b = file_blob("state", "0123456789", 10);
    assert_ok(blob_reader_open(&b, fixture_dir, &r, &ok_err));
    assert_int_equal(blob_reader_size(r), 10);
    assert_memory_equal(blob_reader_data(r), "0123456789", 10);
    assert_int_equal((uintptr_t)blob_reader_data(r) % 16, 0);
    assert_non_null(strstr(blob_reader_name(r), "/state"));
    assert_null(blob_reader_close(r));
    b = file_blob("empty", "", 0);
    assert_ok(blob_reader_open(&b, fixture_dir, &r, &ok_err));
    assert_int_equal(blob_reader_size(r), 0);
    blob_reader_close(r);
    assert_null(blob_reader_close(NULL));
}

static void damage_is_an_error_with_the_name(void **state)
{
    (void)state;
    struct blob_reader *r = NULL;
    struct error err = ERROR_INIT;
    Flinc__StateBlob b = file_blob("state", "0123456789", 10);
    uint32_t crc = b.crc32c;
    for (uint32_t bit = 0; bit < 80; bit++) {
        char bytes[] = "0123456789";
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        b = file_blob("state", bytes, 10);
        b.crc32c = crc;
        check_error(blob_reader_open(&b, fixture_dir, &r, &err), ERR_CORRUPT, &err, "/state");
    }
    for (uint32_t size = 0; size < 12; size++) {
        if (size != 10) {
            b = file_blob("state", "0123456789ab", size);
            b.size = 10;
            check_error(blob_reader_open(&b, fixture_dir, &r, &err), ERR_CORRUPT, &err, "/state");
        }
    }
    b.location = (char *)"missing";
    check_error(blob_reader_open(&b, fixture_dir, &r, &err), ERR_NOT_FOUND, &err, "/missing");
}

static void inline_damage(void **state)
{
    (void)state;
    struct blob_reader *r = NULL;
    struct error err = ERROR_INIT;
    uint8_t bytes[] = "0123456789";
    Flinc__StateBlob b = FLINC__STATE_BLOB__INIT;
    b.inline_data = (ProtobufCBinaryData){10, bytes};
    b.size = 10;
    b.crc32c = crc32c(0, bytes, 10);
    assert_ok(blob_reader_open(&b, NULL, &r, &ok_err));
    r = blob_reader_close(r);
    b.size = 11;
    check_error(blob_reader_open(&b, NULL, &r, &err), ERR_CORRUPT, &err, "metadata");
    b.size = 10;
    bytes[3] ^= 1;
    check_error(blob_reader_open(&b, NULL, &r, &err), ERR_CORRUPT, &err, "metadata");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(locations),
        SNAPSHOT_TEST(read_whole),
        SNAPSHOT_TEST(damage_is_an_error_with_the_name),
        SNAPSHOT_TEST(inline_damage),
    };
    return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
