/* Local copies of archives: what is put in is found, and nothing else. */
#include "jobmanager/history/page_file.h"
#include "tests/unit/jobmanager_history/archives.h"
#include <fcntl.h>

static char path[] = "/tmp/page-file-XXXXXX";

static int set_up(void **state)
{
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    return unlink(path);
}

static void expect(int fd, const char *page, const char *answer)
{
    char buf[64] = "";
    uint64_t offset = 0, size = 0;
    struct error err = ERROR_INIT;
    int rc = page_file_find(fd, page, &offset, &size, &err);
    if (answer == NULL) {
        assert_int_equal(rc, ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(size, strlen(answer));
    assert_int_equal(pread(fd, buf, size, (off_t)offset), size);
    assert_string_equal(buf, answer);
}

static void finds(void **state)
{
    struct page_writer *w = NULL;
    struct error err = ERROR_INIT;
    char name[32], answer[32];
    assert_int_equal(page_writer_open(path, &w, &err), 0);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "/p/%d", i * 7919 % 1000);
        (void)snprintf(answer, sizeof(answer), "[%d]", i * 7919 % 1000);
        assert_int_equal(page_writer_add(w, slice_cstr(name), slice_cstr(answer), &err), 0);
    }
    assert_int_equal(page_writer_add(w, slice_cstr(""), slice_cstr("{}"), &err), 0);
    assert_int_equal(page_writer_add(w, slice_cstr("/p/5"), slice_cstr("later"), &err), 0);
    assert_int_equal(page_writer_close(&w, &err), 0);
    assert_null(w);
    int fd = open(path, O_RDONLY);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "/p/%d", i);
        (void)snprintf(answer, sizeof(answer), "[%d]", i);
        expect(fd, name, i == 5 ? "later" : answer);
    }
    expect(fd, "", "{}");
    expect(fd, "/", NULL);
    expect(fd, "/p/", NULL);
    expect(fd, "/p/1000", NULL);
    expect(fd, "zzz", NULL);
    close(fd);
}

static void is_empty_or_cut(void **state)
{
    struct page_writer *w = NULL;
    struct error err = ERROR_INIT;
    uint64_t offset, size;
    assert_int_equal(page_writer_open(path, &w, &err), 0);
    assert_int_equal(page_writer_close(&w, &err), 0);
    int fd = open(path, O_RDWR);
    expect(fd, "", NULL);
    assert_int_equal(ftruncate(fd, 5), 0);
    assert_int_equal(page_file_find(fd, "", &offset, &size, &err), ERR_CORRUPT);
    close(fd);
    assert_int_equal(page_writer_open("/nowhere/x", &w, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "historyserver.web.tmpdir"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(is_empty_or_cut),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
