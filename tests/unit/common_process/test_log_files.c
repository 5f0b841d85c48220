/* Log files: listing, parts, names that lead elsewhere. */
#include "common/process/log_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    strcpy(dir, "/tmp/flinc-test-files-XXXXXX");
    FILE *f = mkdtemp(dir) != NULL ? fopen(in_dir("b.log"), "w") : NULL;
    if (f == NULL) {
        return -1;
    }
    fputs("hello log", f);
    fclose(f);
    f = fopen(in_dir("a b.out"), "w");
    fclose(f);
    return symlink("/etc/passwd", in_dir("passwd")) | mkdir(in_dir("sub"), 0700);
}

static int remove_dir(void **state)
{
    unlink(in_dir("b.log"));
    unlink(in_dir("a b.out"));
    unlink(in_dir("passwd"));
    rmdir(in_dir("sub"));
    return rmdir(dir);
}

static void a_listing_has_files_only(void **state)
{
    struct vec files = VEC_INIT(struct log_file);
    struct error err = ERROR_INIT;
    assert_int_equal(log_files_list(dir, &files, &err), 0);
    assert_int_equal(files.len, 2);
    assert_string_equal(VEC_AT(&files, struct log_file, 0)->name, "a b.out");
    assert_int_equal(VEC_AT(&files, struct log_file, 1)->size, 9);
    log_files_fini(&files);
    vec_init(&files, sizeof(struct log_file));
    assert_int_equal(log_files_list("/nowhere/at/all", &files, &err), ERR_NOT_FOUND);
    log_files_fini(&files);
}

static void parts_of_a_file(void **state)
{
    STR_AUTO data = STR_INIT;
    uint64_t total = 0;
    struct error err = ERROR_INIT;
    assert_int_equal(log_files_read(dir, "b.log", 6, 100, &data, &total, &err), 0);
    assert_string_equal(str_cstr(&data), "log");
    assert_int_equal(total, 9);
    assert_int_equal(log_files_read(dir, "b.log", 0, 2, &data, &total, &err), 0);
    assert_string_equal(str_cstr(&data), "loghe");
    assert_int_equal(log_files_read(dir, "b.log", 9, 2, &data, &total, &err), 0);
    assert_int_equal(data.len, 5);
    assert_int_equal(log_file_read(in_dir("b.log"), 8, 100, &data, &total, &err), 0);
    assert_string_equal(str_cstr(&data), "logheg");
}

static void names_that_are_no_log_files(void **state)
{
    static const char *const names[] = {
        "",         ".",       "..",           "passwd", "sub",         "B.LOG",
        "b.log/",   "./b.log", "sub/../b.log", "b.lo",   "/etc/passwd", "../../etc/passwd",
        "b.log%00", "..%2f"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        STR_AUTO data = STR_INIT;
        uint64_t total = 77;
        struct error err = ERROR_INIT;
        assert_int_equal(log_files_read(dir, names[i], 0, 100, &data, &total, &err), ERR_NOT_FOUND);
        assert_int_equal(data.len, 0);
        assert_int_equal(total, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_has_files_only),
        cmocka_unit_test(parts_of_a_file),
        cmocka_unit_test(names_that_are_no_log_files),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
