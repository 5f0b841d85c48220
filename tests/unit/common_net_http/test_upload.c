/* Uploads: files that arrive, are taken, break off, do not fit; large ones beside other requests. */
#include "web.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/thread.h"
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGE = 60 * 1000 * 1000, PARALLEL = 3 };

#define PART "--XX\r\nContent-Disposition: form-data; name=f; filename=a.so\r\n\r\n"
#define LAST "\r\n--XX--\r\n"

/* The headers of an upload of `size` bytes and the beginning of its part. */
static void send_head(int fd, const char *path, uint64_t size)
{
    char text[512];
    snprintf(text, sizeof(text),
             "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
             "Content-Length: %llu\r\n\r\n" PART,
             path, (unsigned long long)(size + strlen(PART) + strlen(LAST)));
    web_send_text(fd, text);
}

static void send_bytes(int fd, uint64_t size)
{
    static const char zeros[65536];
    while (size > 0) {
        size_t n = MIN(size, (uint64_t)sizeof(zeros));
        web_send(fd, zeros, n);
        size -= n;
    }
}

static void test_taken(void **state)
{
    struct web w;
    struct answer a;
    struct stat st;
    char path[160];
    web_start(&w, NULL);
    int fd = web_connect(w.port);
    send_head(fd, "/take", 5);
    web_send_text(fd, "12345" LAST);
    web_read(fd, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(str_cstr(&a.body), "{}");
    answer_fini(&a);
    snprintf(path, sizeof(path), "%s/taken", w.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 5);
    close(fd);
    web_stop(&w);
}

static void wait_for_uploads(const struct web *w, uint32_t n)
{
    for (int i = 0; web_count_uploads(w) != n; i++) {
        assert_true(i < 10000);
        usleep(1000);
    }
}

static void test_broken_off(void **state)
{
    struct web w;
    web_start(&w, NULL);
    int fd = web_connect(w.port);
    send_head(fd, "/upload", 1000000);
    send_bytes(fd, 200000);
    wait_for_uploads(&w, 1);
    close(fd);
    wait_for_uploads(&w, 0);
    web_stop(&w);
}

static void test_disk_full(void **state)
{
    struct web w;
    struct answer a;
    web_start(&w, NULL);
    assert_int_equal(failpoint_configure("http.upload.write=error,nth=3", NULL), 0);
    int fd = web_connect(w.port);
    send_head(fd, "/upload", 1000000);
    send_bytes(fd, 1000000);
    web_send_text(fd, LAST);
    web_read(fd, &a);
    assert_int_equal(a.status, 507);
    assert_non_null(strstr(str_cstr(&a.body), w.uploads));
    answer_fini(&a);
    failpoint_clear_all();
    /* The connection is good for more. */
    send_head(fd, "/upload", 1);
    web_send_text(fd, "1" LAST);
    web_read(fd, &a);
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    close(fd);
    web_stop(&w);
}

static void test_folder_was_removed(void **state)
{
    struct web w;
    struct answer a;
    web_start(&w, NULL);
    assert_int_equal(rmdir(w.uploads), 0);
    int fd = web_connect(w.port);
    send_head(fd, "/upload", 1);
    web_send_text(fd, "1" LAST);
    web_read(fd, &a);
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    close(fd);
    web_stop(&w);
}

static void *upload_large(void *arg)
{
    const struct web *w = arg;
    struct answer a;
    int fd = web_connect(w->port);
    send_head(fd, "/upload", LARGE);
    send_bytes(fd, LARGE);
    web_send_text(fd, LAST);
    web_read(fd, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(str_cstr(&a.body), "\"size\":60000000"));
    answer_fini(&a);
    close(fd);
    return NULL;
}

static void test_large_beside_others(void **state)
{
    struct web w;
    pthread_t threads[PARALLEL];
    int64_t slowest_ms = 0;
    web_start(&w, NULL);
    for (int i = 0; i < PARALLEL; i++) {
        assert_int_equal(thread_start(&threads[i], "upload", upload_large, &w, NULL), 0);
    }
    wait_for_uploads(&w, PARALLEL);
    while (web_count_uploads(&w) > 0) {
        struct answer a;
        int64_t start_ms = clock_monotonic_ms(&clock_system);
        web_ask(&w, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", &a);
        assert_int_equal(a.status, 200);
        answer_fini(&a);
        slowest_ms = MAX(slowest_ms, clock_monotonic_ms(&clock_system) - start_ms);
    }
    for (int i = 0; i < PARALLEL; i++) {
        thread_join(threads[i]);
    }
    print_message("slowest request beside %d uploads: %lld ms\n", PARALLEL, (long long)slowest_ms);
    assert_true(slowest_ms < 5000);
    web_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_broken_off),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_folder_was_removed),
        cmocka_unit_test(test_large_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
