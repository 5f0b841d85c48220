/* The store by every kind: the same list of tests. */
#include "tests/unit/common_ha/ha_fixture.h"

static const char *type;

struct world {
    struct ha_fixture f;
    struct contender c;
};

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));
    fixture_init(&w->f, type, "10 s");
    contender_open(&w->c, &w->f.conf, NULL);
    contender_lead(&w->c);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    contender_close(&w->c);
    fixture_fini(&w->f);
    mem_free(w);
    return 0;
}

static void check_value(struct world *w, const char *name, const char *value)
{
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    assert_int_equal(ha_get(w->c.ha, &w->c.token, name, &got, &err), 0);
    assert_string_equal(str_cstr(&got), value);
}

static void check_names(struct world *w, const char *name, const char *list)
{
    struct error err = ERROR_INIT;
    struct vec names = VEC_INIT(char *);
    STR_AUTO joined = STR_INIT;
    assert_int_equal(ha_list(w->c.ha, &w->c.token, name, &names, &err), 0);
    for (size_t i = 0; i < names.len; i++) {
        str_printf(&joined, "%s%s", i > 0 ? " " : "", (char *)vec_ptr(&names, i));
    }
    assert_string_equal(str_cstr(&joined), list);
    ha_names_fini(&names);
}

static void test_outcomes(void **state)
{
    struct world *w = *state;
    struct ha *ha = w->c.ha;
    const struct flinc_id *t = &w->c.token;
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    assert_int_equal(ha_get(ha, t, "jobgraphs/a", &got, &err), ERR_NOT_FOUND);
    assert_int_equal(ha_replace(ha, t, "jobgraphs/a", SLICE_LIT("0"), &err), ERR_NOT_FOUND);
    assert_int_equal(ha_remove(ha, t, "jobgraphs/a", &err), ERR_NOT_FOUND);
    assert_int_equal(ha_create(ha, t, "jobgraphs/a", SLICE_LIT("1"), &err), 0);
    assert_int_equal(ha_create(ha, t, "jobgraphs/a", SLICE_LIT("2"), &err), ERR_ALREADY_EXISTS);
    check_value(w, "jobgraphs/a", "1");
    assert_int_equal(ha_replace(ha, t, "jobgraphs/a", SLICE_LIT("3"), &err), 0);
    check_value(w, "jobgraphs/a", "3");
    assert_int_equal(ha_put(ha, t, "jobgraphs/b", SLICE_LIT(""), &err), 0);
    check_value(w, "jobgraphs/b", "");
    check_names(w, "jobgraphs", "a b");
    assert_int_equal(ha_remove(ha, t, "jobgraphs/a", &err), 0);
    check_names(w, "jobgraphs", "b");
    check_names(w, "nothing", "");
}

static void test_tree(void **state)
{
    struct world *w = *state;
    struct ha *ha = w->c.ha;
    const struct flinc_id *t = &w->c.token;
    struct error err = ERROR_INIT;
    assert_int_equal(ha_create(ha, t, "jobs/x/checkpoints/2", SLICE_LIT("b"), &err), 0);
    assert_int_equal(ha_create(ha, t, "jobs/x/checkpoints/1", SLICE_LIT("a"), &err), 0);
    assert_int_equal(ha_create(ha, t, "jobs/x/checkpoint_id_counter", SLICE_LIT("3"), &err), 0);
    assert_int_equal(ha_create(ha, t, "jobs/y/checkpoints/1", SLICE_LIT("c"), &err), 0);
    check_names(w, "jobs", "x y");
    check_names(w, "jobs/x", "checkpoint_id_counter checkpoints");
    check_names(w, "jobs/x/checkpoints", "1 2");
    assert_int_equal(ha_remove_all(ha, t, "jobs/x", &err), 0);
    check_names(w, "jobs", "y");
    assert_int_equal(ha_remove_all(ha, t, "jobs/x", &err), 0);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"",       "/a",   "a/",  "a//b", "..",
                                      "a/../b", "a/.b", "a b", "a\nb"};
    struct world *w = *state;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(ha_create(w->c.ha, &w->c.token, bad[i], SLICE_LIT("1"), &err),
                         ERR_INVALID_ARGUMENT);
    }
}

/* Files of storageDir/test that are none of the folder ha. */
static size_t n_value_files(const struct world *w)
{
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    STR_AUTO path = STR_INIT;
    size_t n = 0;
    str_printf(&path, "%s/test", w->f.dir);
    if (fs_list_dir(str_cstr(&path), &list, &err) == 0) {
        for (size_t i = 0; i < list.n; i++) {
            n += list.entries[i].status.kind == FS_KIND_FILE;
        }
    }
    fs_list_fini(&list);
    return n;
}

static void fill(struct str *s, size_t n, char first)
{
    for (size_t i = 0; i < n; i++) {
        str_append_char(s, (char)(first + i % 7));
    }
}

static void test_large_values(void **state)
{
    struct world *w = *state;
    struct ha *ha = w->c.ha;
    const struct flinc_id *t = &w->c.token;
    struct error err = ERROR_INIT;
    STR_AUTO a = STR_INIT;
    STR_AUTO b = STR_INIT;
    fill(&a, HA_INLINE_MAX + 1, 'a');
    fill(&b, 3000000, 'h');
    assert_int_equal(ha_create(ha, t, "jobgraphs/a", str_slice(&a), &err), 0);
    check_value(w, "jobgraphs/a", str_cstr(&a));
    assert_int_equal(n_value_files(w), 1);
    assert_int_equal(ha_create(ha, t, "jobgraphs/a", str_slice(&b), &err), ERR_ALREADY_EXISTS);
    assert_int_equal(n_value_files(w), 1);
    assert_int_equal(ha_replace(ha, t, "jobgraphs/a", str_slice(&b), &err), 0);
    check_value(w, "jobgraphs/a", str_cstr(&b));
    assert_int_equal(n_value_files(w), 1);
    assert_int_equal(ha_remove(ha, t, "jobgraphs/a", &err), 0);
    assert_int_equal(n_value_files(w), 0);
}

static void test_value_that_cannot_be_written(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    STR_AUTO a = STR_INIT;
    fill(&a, 10000, 'a');
    assert_int_equal(failpoint_configure("ha.value.before_write=error", &err), 0);
    assert_true(ha_create(w->c.ha, &w->c.token, "jobgraphs/a", str_slice(&a), &err) < 0);
    failpoint_clear_all();
    assert_int_equal(n_value_files(w), 0);
    check_names(w, "jobgraphs", "");
    assert_int_equal(ha_create(w->c.ha, &w->c.token, "jobgraphs/a", str_slice(&a), &err), 0);
}

static void test_damaged_value(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    STR_AUTO a = STR_INIT;
    STR_AUTO path = STR_INIT;
    STR_AUTO got = STR_INIT;
    fill(&a, 10000, 'a');
    assert_int_equal(ha_create(w->c.ha, &w->c.token, "jobgraphs/a", str_slice(&a), &err), 0);
    str_printf(&path, "%s/test/*", w->f.dir);
    assert_int_equal(fs_glob(str_cstr(&path), &list, &err), 0);
    for (size_t i = 0; i < list.n; i++) {
        if (list.entries[i].status.kind == FS_KIND_FILE) {
            FILE *file = fopen(strchr(list.entries[i].path, '/'), "r+");
            assert_non_null(file);
            assert_int_equal(fseek(file, 5000, SEEK_SET), 0);
            assert_int_equal(fputc('!', file), '!');
            assert_int_equal(fclose(file), 0);
        }
    }
    fs_list_fini(&list);
    assert_int_equal(ha_get(w->c.ha, &w->c.token, "jobgraphs/a", &got, &err), ERR_CORRUPT);
}

static void test_other_token(void **state)
{
    struct world *w = *state;
    struct flinc_id other = w->c.token;
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    other.bytes[3] ^= 1;
    assert_int_equal(ha_create(w->c.ha, &other, "a", SLICE_LIT("1"), &err), ERR_FENCED);
    assert_int_equal(ha_get(w->c.ha, &other, "a", &got, &err), ERR_FENCED);
    ha_resign(w->c.ha);
    assert_int_equal(ha_create(w->c.ha, &w->c.token, "a", SLICE_LIT("1"), &err), ERR_FENCED);
    assert_false(ha_leads(w->c.ha, &w->c.token));
}

/* More records than a segment has. */
static void test_many_writes(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    char text[32];
    for (int i = 0; i < 1200; i++) {
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(ha_put(w->c.ha, &w->c.token, "counter", slice_cstr(text), &err), 0);
    }
    check_value(w, "counter", "1199");
}

int main(void)
{
    static const char *const types[] = {"NONE", "file"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outcomes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_value_that_cannot_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_value, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_writes, setup, teardown),
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        type = types[i];
        print_message("high-availability.type: %s\n", type);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
