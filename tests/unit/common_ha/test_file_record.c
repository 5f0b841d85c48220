/* Records as bytes: what is written is read, and nothing else is. */
#include "tests/unit/common_ha/ha_fixture.h"

#include "common/ha/file_record.h"

static void make_state(struct file_state *s)
{
    file_state_init(s);
    memset(s->owner.bytes, 7, sizeof(s->owner.bytes));
    s->epoch = 41;
    str_append_cstr(&s->owner_name, "host-1");
    entries_apply(&s->entries, HA_WRITE_CREATE, "a/b", SLICE_LIT("value"));
    entries_apply(&s->entries, HA_WRITE_CREATE, "c", SLICE_LIT(""));
}

static void test_round_trip(void **state)
{
    struct file_state s, t;
    struct error err = ERROR_INIT;
    STR_AUTO record = STR_INIT;
    STR_AUTO value = STR_INIT;
    make_state(&s);
    file_state_init(&t);
    file_record_state(&s, &record);
    assert_int_equal(file_record_apply(&t, str_slice(&record), true, &err), 0);
    assert_true(id_eq(&s.owner, &t.owner));
    assert_int_equal(t.epoch, 41);
    assert_string_equal(str_cstr(&t.owner_name), "host-1");
    assert_int_equal(t.entries.len, 2);
    file_record_write(HA_WRITE_CREATE, "d", SLICE_LIT("x"), &record);
    assert_int_equal(file_record_apply(&t, str_slice(&record), false, &err), 0);
    assert_int_equal(entries_get(&t.entries, "d", &value, &err), 0);
    assert_string_equal(str_cstr(&value), "x");
    file_record_write(HA_WRITE_REMOVE, "a/b", SLICE_LIT(""), &record);
    assert_int_equal(file_record_apply(&t, str_slice(&record), false, &err), 0);
    assert_int_equal(entries_get(&t.entries, "a/b", &value, &err), ERR_NOT_FOUND);
    struct flinc_id nobody = {{0}};
    file_record_close(&nobody, 42, "", &record);
    assert_int_equal(file_record_apply(&t, str_slice(&record), false, &err), 0);
    assert_true(t.closed && file_state_is_vacant(&t));
    /* Nothing follows a CLOSE. */
    file_record_write(HA_WRITE_CREATE, "e", SLICE_LIT("x"), &record);
    assert_int_equal(file_record_apply(&t, str_slice(&record), false, &err), ERR_CORRUPT);
    file_state_fini(&s);
    file_state_fini(&t);
}

static void test_damage(void **state)
{
    struct file_state s, t;
    struct error err = ERROR_INIT;
    STR_AUTO record = STR_INIT;
    make_state(&s);
    file_record_state(&s, &record);
    for (size_t i = 0; i < record.len; i++) {
        file_state_init(&t);
        record.data[i] ^= 0x20;
        assert_true(file_record_apply(&t, str_slice(&record), true, &err) < 0);
        record.data[i] ^= 0x20;
        assert_int_equal(t.entries.len, 0);
        assert_true(file_record_apply(&t, slice_make(record.data, i), true, &err) < 0);
        file_state_fini(&t);
    }
    /* A first record elsewhere, and another one first. */
    assert_int_equal(file_record_apply(&s, str_slice(&record), false, &err), ERR_CORRUPT);
    file_record_write(HA_WRITE_CREATE, "d", SLICE_LIT("x"), &record);
    assert_int_equal(file_record_apply(&s, str_slice(&record), true, &err), ERR_CORRUPT);
    file_state_fini(&s);
}

static void test_newer_version(void **state)
{
    struct file_state s;
    struct error err = ERROR_INIT;
    STR_AUTO record = STR_INIT;
    make_state(&s);
    file_record_state(&s, &record);
    record.data[4] = FILE_RECORD_VERSION + 1;
    assert_int_equal(file_record_apply(&s, str_slice(&record), true, &err), ERR_UNSUPPORTED);
    file_state_fini(&s);
}

/* The format is on disks: these bytes must be read for ever. */
static void test_golden(void **state)
{
    static const uint8_t golden[] = {'F', 'L', 'H', 'A', 1, 0, 2, 0};
    STR_AUTO record = STR_INIT;
    file_record_write(HA_WRITE_CREATE, "a", SLICE_LIT("bcde"), &record);
    assert_int_equal(record.len, FILE_RECORD_HEADER_BYTES + 2 + 1 + 4 + 4);
    assert_memory_equal(record.data, golden, sizeof(golden));
    assert_memory_equal(record.data + 16, "\x01\x00\x61\x04\x00\x00\x00\x62\x63\x64\x65", 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_newer_version),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
