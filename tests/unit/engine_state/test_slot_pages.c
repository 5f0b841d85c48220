/* Pages of large tables: zeroed, put behind others with what they have, given back. */
#include "engine/state/slot_pages.h"
#include "tests/unit/engine_state/fixture.h"

static void check_behind(size_t old_bytes, size_t at)
{
    unsigned char *old = slot_pages_new(old_bytes);
    for (size_t i = 0; i < old_bytes; i++) {
        assert_int_equal(old[i], 0);
        old[i] = (unsigned char)(i % 251);
    }
    unsigned char *p = slot_pages_put_behind(old, old_bytes, at);
    for (size_t i = 0; i < at; i++) {
        assert_int_equal(p[i], 0);
        p[i] = 255;
    }
    for (size_t i = 0; i < old_bytes; i++) {
        assert_int_equal(p[at + i], i % 251);
    }
    slot_pages_cut(p, at + old_bytes, at);
    assert_int_equal(p[at - 1], 255);
    slot_pages_free(p, at);
}

static void pages_go_behind_others(void **state)
{
    (void)state;
    check_behind(3000, 6000); /* copied: they begin within a page */
    check_behind(3000, 8192);
    check_behind(5 * 1024 * 1024 + 24, 10 * 1024 * 1024);
    check_behind(5 * 1024 * 1024 + 24, 10 * 1024 * 1024 + 4096);
}

static void only_whole_runs_are_given_back(void **state)
{
    const size_t run = SLOT_PAGES_DROPPED, size = 4 * run;
    unsigned char *p = slot_pages_new(size);
    (void)state;
    memset(p, 7, size);
    slot_pages_drop(p, run - 1, 3 * run - 1);
    assert_int_equal(p[run - 1], 7);
    assert_int_equal(p[run], 0);
    assert_int_equal(p[2 * run - 1], 0);
    assert_int_equal(p[2 * run], 7);
    slot_pages_drop(p, run + 5, 2 * run - 5);
    slot_pages_free(p, size);
    slot_pages_free(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_go_behind_others),
        cmocka_unit_test(only_whole_runs_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
