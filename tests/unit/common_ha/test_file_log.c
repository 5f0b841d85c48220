/* Segments: two views of one folder, as two processes have them, in every order that matters. */
#include "tests/unit/common_ha/ha_fixture.h"

#include "common/ha/file_log.h"
#include <sys/stat.h>

struct world {
    struct ha_fixture f;
    struct file_log a, b;
    struct flinc_id one, two;
};

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));
    struct error err = ERROR_INIT;
    fixture_init(&w->f, "file", "10 s");
    assert_int_equal(file_log_open(&w->a, w->f.dir, &err), 0);
    assert_int_equal(file_log_open(&w->b, w->f.dir, &err), 0);
    memset(w->one.bytes, 1, 16);
    memset(w->two.bytes, 2, 16);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    file_log_close(&w->a);
    file_log_close(&w->b);
    fixture_fini(&w->f);
    mem_free(w);
    return 0;
}

static int append(struct file_log *log, const char *name, const char *value)
{
    struct error err = ERROR_INIT;
    STR_AUTO record = STR_INIT;
    file_record_write(HA_WRITE_REPLACE, name, slice_cstr(value), &record);
    return file_log_append(log, str_slice(&record), &err);
}

static void expect(const struct file_log *log, const char *name, const char *value)
{
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    assert_int_equal(entries_get(&log->state.entries, name, &got, &err), 0);
    assert_string_equal(str_cstr(&got), value);
}

static void test_takeover(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_true(file_state_is_vacant(&w->b.state));
    assert_int_equal(file_log_take(&w->a, &w->one, 1, "one", &err), 0);
    assert_int_equal(append(&w->a, "x", "1"), 0);
    /* B has not looked since: the name that it wants is taken. */
    assert_int_equal(file_log_take(&w->b, &w->two, 1, "two", &err), ERR_FENCED);
    assert_true(file_log_is_overtaken(&w->b));
    assert_int_equal(file_log_follow(&w->b, &err), 0);
    assert_true(id_eq(&w->b.state.owner, &w->one));
    expect(&w->b, "x", "1");
    assert_false(file_log_is_overtaken(&w->a));
    assert_int_equal(file_log_take(&w->b, &w->two, 2, "two", &err), 0);
    assert_true(file_log_is_overtaken(&w->a));
    assert_int_equal(append(&w->a, "x", "2"), ERR_FENCED);
    expect(&w->b, "x", "1");
    assert_int_equal(append(&w->b, "x", "3"), 0);
    assert_int_equal(file_log_follow(&w->a, &err), 0);
    expect(&w->a, "x", "3");
}

/* However much later the old leader wakes up. */
static void test_late_writer(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(file_log_take(&w->a, &w->one, 1, "one", &err), 0);
    assert_int_equal(append(&w->a, "x", "1"), 0);
    assert_int_equal(file_log_follow(&w->b, &err), 0);
    assert_int_equal(file_log_take(&w->b, &w->two, 2, "two", &err), 0);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(append(&w->b, "y", "1"), 0);
        assert_int_equal(file_log_take(&w->b, &w->two, 2, "two", &err), 0);
        file_log_sweep(&w->b);
        assert_int_equal(append(&w->a, "x", "2"), ERR_FENCED);
        assert_int_equal(file_log_take(&w->a, &w->one, 9, "one", &err), ERR_FENCED);
        expect(&w->b, "x", "1");
    }
    assert_int_equal(file_log_follow(&w->a, &err), 0);
    expect(&w->a, "x", "1");
    expect(&w->a, "y", "1");
}

/* The leader has died between closing the segment and making the next one: who follows makes it. */
static void test_closed_without_successor(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(file_log_take(&w->a, &w->one, 1, "one", &err), 0);
    assert_int_equal(append(&w->a, "x", "1"), 0);
    assert_int_equal(failpoint_configure("ha.file.after_close=error", &err), 0);
    assert_true(file_log_take(&w->a, &w->one, 2, "one", &err) < 0);
    failpoint_clear_all();
    assert_int_equal(file_log_follow(&w->b, &err), 0);
    assert_int_equal(w->b.state.epoch, 2);
    assert_false(w->b.state.closed);
    expect(&w->b, "x", "1");
    assert_int_equal(file_log_take(&w->b, &w->two, 3, "two", &err), 0);
}

static void test_damaged_record(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    assert_int_equal(file_log_take(&w->a, &w->one, 1, "one", &err), 0);
    assert_int_equal(append(&w->a, "x", "1"), 0);
    str_printf(&path, "%s/s-0000000002/0000000001", w->f.dir);
    assert_int_equal(truncate(str_cstr(&path), 20), 0);
    assert_int_equal(file_log_follow(&w->b, &err), ERR_CORRUPT);
    char text[ERROR_MESSAGE_MAX];
    assert_non_null(strstr(error_format(&err, text, sizeof(text)), str_cstr(&path)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_takeover, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_without_successor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_record, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
