/* Handles of recoverable files: golden bytes, round trips, and every way to be damaged. */
#include "fs_fixture.h"

static const uint8_t golden[] = {
    'F',  'R',  'W',  'H',  1,    2,    0,    0,                        /* version 1, commit */
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,                     /* length */
    7,    0,    0,    0,    'f',  'i',  'l',  'e',  ':', '/', 'a',      /* target */
    13,   0,    0,    0,    'f',  'i',  'l',  'e',  ':', '/', '.', 'a', /* in progress */
    '.',  'i',  'n',  'p',  'r',                                        /* */
    0x9e, 0xc7, 0xe3, 0x38,                                             /* crc32 */
};

static void test_golden(void **state)
{
    struct recoverable_handle h = {.kind = RECOVERABLE_COMMIT,
                                   .length_bytes = UINT64_C(0x0102030405060708),
                                   .target_uri = (char *)"file:/a",
                                   .inprogress = (char *)"file:/.a.inpr"};
    STR_AUTO bytes = STR_INIT;
    recoverable_handle_encode(&h, &bytes);
    assert_int_equal(bytes.len, sizeof(golden));
    assert_memory_equal(bytes.data, golden, sizeof(golden));
    struct recoverable_handle got;
    assert_int_equal(recoverable_handle_decode(str_slice(&bytes), &got, NULL), 0);
    assert_int_equal(got.kind, RECOVERABLE_COMMIT);
    assert_int_equal(got.length_bytes, h.length_bytes);
    assert_string_equal(got.target_uri, h.target_uri);
    assert_string_equal(got.inprogress, h.inprogress);
    recoverable_handle_fini(&got);
    recoverable_handle_fini(&got);
}

static int decode(const void *data, size_t size, struct error *err)
{
    struct recoverable_handle got;
    char *exact = mem_dup(data, size); /* so that a read behind the end is seen */
    int rc = recoverable_handle_decode(slice_make(exact, size), &got, err);
    if (rc == 0) {
        recoverable_handle_fini(&got);
    }
    mem_free(exact);
    return rc;
}

static void test_every_damage_is_seen(void **state)
{
    struct error err = ERROR_INIT;
    uint8_t bytes[sizeof(golden) + 1];
    for (size_t n = 0; n < sizeof(golden); n++) {
        assert_int_equal(decode(golden, n, &err), ERR_CORRUPT);
    }
    memcpy(bytes, golden, sizeof(golden));
    bytes[sizeof(golden)] = 0;
    assert_int_equal(decode(bytes, sizeof(bytes), &err), ERR_CORRUPT);
    for (size_t i = 0; i < sizeof(golden); i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bytes, golden, sizeof(golden));
            bytes[i] ^= (uint8_t)(1 << bit);
            int rc = decode(bytes, sizeof(golden), &err);
            assert_int_equal(rc, i == 4 ? ERR_UNSUPPORTED : ERR_CORRUPT);
        }
    }
    bytes[4] = 9;
    memcpy(bytes, golden, 4);
    assert_int_equal(decode(bytes, sizeof(golden), &err), ERR_UNSUPPORTED);
    check_error(&err, ERR_UNSUPPORTED, "version 9", "newer");
}

static void encode(enum recoverable_kind kind, const char *target, const char *inprogress,
                   struct str *bytes)
{
    struct recoverable_handle h = {
        .kind = kind, .target_uri = (char *)target, .inprogress = (char *)inprogress};
    recoverable_handle_encode(&h, bytes);
}

/* Well-formed handles that must not be obeyed. */
static void test_kinds_and_schemes(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT;
    STR_AUTO other = STR_INIT;
    struct recoverable *f = NULL;
    encode(RECOVERABLE_COMMIT, "file:/a", "file:/b", &bytes);
    assert_int_equal(recoverable_recover(str_slice(&bytes), &f, &err), ERR_INVALID_ARGUMENT);
    check_error(&err, ERR_INVALID_ARGUMENT, "a commit handle", "a resume handle belongs");
    assert_int_equal(recoverable_resume_to_commit(str_slice(&bytes), &other, &err),
                     ERR_INVALID_ARGUMENT);
    encode(RECOVERABLE_RESUME, "file:/a", "file:/b", &bytes);
    assert_int_equal(recoverable_commit(str_slice(&bytes), &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(recoverable_commit_after_recovery(str_slice(&bytes), &err),
                     ERR_INVALID_ARGUMENT);
    encode(RECOVERABLE_RESUME, "nofs:/a", "nofs:/b", &bytes);
    assert_int_equal(recoverable_recover(str_slice(&bytes), &f, &err), ERR_UNSUPPORTED);
    encode((enum recoverable_kind)7, "file:/a", "file:/b", &bytes);
    assert_int_equal(recoverable_cleanup(str_slice(&bytes), &err), ERR_CORRUPT);
    encode(RECOVERABLE_RESUME, "", "file:/b", &bytes);
    assert_int_equal(recoverable_cleanup(str_slice(&bytes), &err), ERR_CORRUPT);
    assert_null(f);
    assert_null(recoverable_close(NULL));
    assert_null(recoverable_abort(NULL));
    assert_string_equal(recoverable_kind_name((enum recoverable_kind)7), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_golden),
        FS_TEST(test_every_damage_is_seen),
        FS_TEST(test_kinds_and_schemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
