/* All bytes to a file descriptor, whatever parts the system takes. */
#include "common/base/fd.h"
#include "common/base/thread.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 1 << 20 };

struct reader {
    int fd;
    char *data;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    size_t got = 0;
    ssize_t n;
    while (got < BYTES && (n = read(r->fd, r->data + got, 7777)) > 0) {
        got += (size_t)n;
    }
    return (void *)(uintptr_t)got;
}

/* More than a pipe holds. */
static void test_parts(void **state)
{
    int ends[2];
    pthread_t thread;
    void *got;
    char *data = malloc(BYTES);
    assert_int_equal(pipe(ends), 0);
    struct reader r = {.fd = ends[0], .data = malloc(BYTES)};
    for (size_t i = 0; i < BYTES; i++) {
        data[i] = (char)(i * 7 >> 3);
    }
    assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
    assert_int_equal(fd_write_all(ends[1], data, BYTES), 0);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_int_equal((uintptr_t)got, BYTES);
    assert_memory_equal(r.data, data, BYTES);
    close(ends[0]);
    close(ends[1]);
    free(r.data);
    free(data);
}

static void test_place(void **state)
{
    char text[16] = "";
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fd_write_all(fileno(f), "abcdef", 6), 0);
    assert_int_equal(fd_write_all_at(fileno(f), "XY", 2, 3), 0);
    assert_int_equal(pread(fileno(f), text, sizeof(text), 0), 6);
    assert_string_equal(text, "abcXYf");
    fclose(f);
}

static void test_errors(void **state)
{
    int fd = dup(STDIN_FILENO);
    close(fd);
    errno = 0;
    assert_int_equal(fd_write_all(fd, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(fd_write_all_at(fd, "x", 1, 0), -1);
    assert_int_equal(fd_write_all(fd, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
