/* Connections: slow ones, many of them, too many; handlers that wait; the end of a server. */
#include "web.h"

#include "common/base/clock.h"
#include "common/base/thread.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 2000 };

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

/* Sends the text a byte each 10 ms until the server closes; false: all was sent. */
static bool trickle(int fd, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 10) == 1) {
            return web_is_closed(fd);
        }
        web_send(fd, text + i, 1);
    }
    return false;
}

static void test_slow_clients(void **state)
{
    struct web w;
    struct answer a;
    static char endless[4000];
    const struct http_server_options options = {
        .header_timeout_ms = 200, .request_timeout_ms = 300, .idle_timeout_ms = 1000};
    web_start(&w, &options);
    memset(endless, 'x', sizeof(endless));

    int fd = web_connect(w.port); /* a request line that does not end */
    assert_true(trickle(fd, endless, sizeof(endless)));
    close(fd);

    fd = web_connect(w.port); /* headers that do not end */
    web_send_text(fd, "GET /echo HTTP/1.1\r\nX: ");
    assert_true(trickle(fd, endless, sizeof(endless)));
    close(fd);

    fd = web_connect(w.port); /* a body that does not end */
    web_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n");
    assert_true(trickle(fd, endless, sizeof(endless)));
    close(fd);

    fd = web_connect(w.port); /* one that says nothing */
    assert_true(web_is_closed(fd));
    close(fd);

    fd = web_connect(w.port); /* a kept one that asks nothing more */
    web_send_text(fd, GET("/echo"));
    web_read(fd, &a);
    answer_fini(&a);
    assert_true(web_is_closed(fd));
    close(fd);
    web_stop(&w);
}

static void raise_limit(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_max > 2 * MANY + 100);
}

static void test_many_connections(void **state)
{
    struct web w;
    static int fds[MANY];
    raise_limit();
    web_start(&w, NULL);
    for (int i = 0; i < MANY; i++) {
        fds[i] = web_connect(w.port);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            web_send_text(fds[i], GET("/echo/many"));
        }
        for (int i = 0; i < MANY; i++) {
            struct answer a;
            web_read(fds[i], &a);
            assert_int_equal(a.status, 200);
            answer_fini(&a);
        }
    }
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
    }
    web_stop(&w);
}

static void test_too_many(void **state)
{
    struct web w;
    struct answer a;
    enum { LIMIT = 5 };
    int fds[LIMIT];
    web_start(&w, &(struct http_server_options){.max_connections = LIMIT});
    for (int i = 0; i < LIMIT; i++) {
        fds[i] = web_connect(w.port);
        web_send_text(fds[i], GET("/echo"));
        web_read(fds[i], &a);
        assert_int_equal(a.status, 200);
        answer_fini(&a);
    }
    int fd = web_connect(w.port);
    web_send_text(fd, GET("/echo"));
    web_read(fd, &a);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(str_cstr(&a.body), "Too many connections"));
    assert_true(web_is_closed(fd));
    answer_fini(&a);
    close(fd);
    for (int i = 0; i < LIMIT; i++) {
        close(fds[i]);
    }
    /* The places are free again once the server has seen the ends. */
    for (int i = 0, status = 503; status != 200; i++) {
        assert_true(i < 1000);
        web_ask(&w, GET("/echo"), &a);
        status = a.status;
        answer_fini(&a);
    }
    web_stop(&w);
}

static void test_large_headers(void **state)
{
    struct web w;
    struct answer a;
    STR_AUTO request = STR_INIT;
    web_start(&w, NULL);
    for (int where = 0; where < 2; where++) {
        str_clear(&request);
        str_append_cstr(&request,
                        where == 0 ? "GET /echo HTTP/1.1\r\nHost: a\r\nX: " : "GET /echo?q=");
        for (int i = 0; i < 64 * 1024; i++) {
            str_append_char(&request, 'x');
        }
        str_append_cstr(&request, where == 0 ? "\r\n\r\n" : " HTTP/1.1\r\nHost: a\r\n\r\n");
        web_ask(&w, str_cstr(&request), &a);
        assert_true(a.status == 431 || a.status == 414 || a.status == 413);
        answer_fini(&a);
    }
    /* 8 KB are no problem. */
    str_clear(&request);
    str_append_cstr(&request, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 8 * 1024; i++) {
        str_append_char(&request, 'x');
    }
    str_append_cstr(&request, "\r\n\r\n");
    web_ask(&w, str_cstr(&request), &a);
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    web_stop(&w);
}

/* Sends chunks until the server has closed or `max` bytes are sent. */
static void send_chunks(int fd, size_t max)
{
    static char chunk[10000 + 8];
    memcpy(chunk, "2710\r\n", 6);
    memset(chunk + 6, 'x', 10000);
    memcpy(chunk + 10006, "\r\n", 2);
    web_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t sent = 0; sent < max; sent += 10000) {
        if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < (ssize_t)sizeof(chunk)) {
            return;
        }
    }
    web_send_text(fd, "0\r\n\r\n");
}

static void test_chunked_too_large(void **state)
{
    struct web w;
    struct answer a;
    web_start(&w, &(struct http_server_options){.max_body_bytes = 1000000});
    int fd = web_connect(w.port);
    send_chunks(fd, 1500000);
    web_read(fd, &a);
    assert_int_equal(a.status, 413);
    answer_fini(&a);
    close(fd);
    fd = web_connect(w.port);
    send_chunks(fd, 100 * 1000000);
    web_read(fd, &a);
    assert_true(a.closed);
    answer_fini(&a);
    close(fd);
    web_stop(&w);
}

/* The client sends all of a body that is refused by its length: the answer still arrives. */
static void test_refused_while_sending(void **state)
{
    struct web w;
    struct answer a;
    static char body[8 * 1000 * 1000];
    web_start(&w, &(struct http_server_options){.max_body_bytes = 1000000});
    for (int i = 0; i < 5; i++) {
        int fd = web_connect(w.port);
        web_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
        web_send(fd, body, sizeof(body));
        web_read(fd, &a);
        assert_int_equal(a.status, 413);
        answer_fini(&a);
        close(fd);
    }
    web_stop(&w);
}

static void wait_inside(struct web *w, int n)
{
    for (int i = 0; atomic_load(&w->n_inside) < n; i++) {
        assert_true(i < 20000);
        usleep(500);
    }
}

static void test_waiting_handlers(void **state)
{
    struct web w;
    struct answer a;
    int fds[8];
    web_start(&w, &(struct http_server_options){.n_handlers = 2});
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = web_connect(w.port);
        web_send_text(fds[i], GET("/wait"));
    }
    wait_inside(&w, 2);
    web_ask(&w, GET("/echo"), &a); /* quick routes are not held up */
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    assert_int_equal(atomic_load(&w.n_inside), 2);
    close(fds[0]); /* clients may go while their handler runs, or waits to run */
    close(fds[7]);
    atomic_store(&w.release, true);
    for (size_t i = 1; i < 7; i++) {
        web_read(fds[i], &a);
        assert_string_equal(str_cstr(&a.body), "{\"waited\":true}");
        answer_fini(&a);
        close(fds[i]);
    }
    web_stop(&w);
}

/* Quick answers of handler threads, many at one time: each wakes its loop. */
static void test_handlers_wake_their_loop(void **state)
{
    enum { CONNECTIONS = 16, ROUNDS = 100 };
    struct web w;
    int fds[CONNECTIONS];
    web_start(&w, NULL);
    int64_t began_ms = clock_monotonic_ms(&clock_system);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = web_connect(w.port);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            web_send_text(fds[i], GET("/fail/missing"));
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            struct answer a;
            web_read(fds[i], &a);
            assert_int_equal(a.status, 404);
            answer_fini(&a);
        }
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    assert_true(clock_monotonic_ms(&clock_system) - began_ms < 20000);
    web_stop(&w);
}

static void *release_later(void *arg)
{
    struct web *w = arg;
    struct answer a;
    /* The server refuses what comes while it stops. */
    for (int i = 0, status = 200; status != 503; i++) {
        assert_true(i < 10000);
        web_ask(w, GET("/echo"), &a);
        status = a.status;
        answer_fini(&a);
    }
    atomic_store(&w->release, true);
    return NULL;
}

static void test_stop_waits_for_handlers(void **state)
{
    struct web w;
    struct answer a;
    pthread_t thread;
    web_start(&w, &(struct http_server_options){.n_handlers = 1});
    int running = web_connect(w.port), waiting = web_connect(w.port);
    web_send_text(running, GET("/wait"));
    wait_inside(&w, 1);
    web_send_text(waiting, GET("/wait"));
    web_ask(&w, GET("/echo"), &a);
    answer_fini(&a);
    assert_int_equal(thread_start(&thread, "release", release_later, &w, NULL), 0);
    web_stop(&w);
    thread_join(thread);
    web_read(running, &a);
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    web_read(waiting, &a);
    assert_int_equal(a.status, 503);
    answer_fini(&a);
    close(running);
    close(waiting);
    assert_int_equal(thread_count(), 0);
}

static void test_gate(void **state)
{
    struct web w;
    struct answer a;
    static const char *const requests[] = {
        GET("/echo"), GET("/"), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        ("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=X\r\n"
         "Content-Length: 9999\r\n\r\n")};
    web_start(&w, NULL);
    atomic_store(&w.leaderless, true);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        web_ask(&w, requests[i], &a);
        assert_int_equal(a.status, 503);
        answer_fini(&a);
    }
    atomic_store(&w.leaderless, false);
    web_ask(&w, GET("/echo"), &a);
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    web_stop(&w);
}

static void test_ports(void **state)
{
    struct web w;
    struct error err = ERROR_INIT;
    struct http_server *s = NULL;
    web_start(&w, NULL);
    struct http_server_options o = {
        .name = "REST", .bind_address = "127.0.0.1", .first_port = w.port, .last_port = w.port};
    assert_int_equal(http_server_start(&o, &s, &err), ERR_ALREADY_EXISTS);
    assert_non_null(strstr(err.message, "in use by another process"));
    o.last_port = w.port + 20;
    assert_int_equal(http_server_start(&o, &s, &err), 0);
    assert_true(http_server_port(s) > w.port && http_server_port(s) <= w.port + 20);
    http_server_stop(s);
    o.bind_address = "localhost"; /* IPv4, whatever stands first in /etc/hosts */
    o.first_port = o.last_port = 0;
    assert_int_equal(http_server_start(&o, &s, &err), 0);
    close(web_connect(http_server_port(s)));
    http_server_stop(s);
    o.bind_address = "no-such-host.invalid";
    assert_true(http_server_start(&o, &s, &err) < 0);
    assert_non_null(strstr(err.message, "no-such-host.invalid"));
    o.bind_address = "127.0.0.1";
    o.upload_dir = "/proc/none";
    assert_true(http_server_start(&o, &s, &err) < 0);
    assert_non_null(strstr(err.message, "/proc/none"));
    web_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_many_connections),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_large_headers),
        cmocka_unit_test(test_chunked_too_large),
        cmocka_unit_test(test_refused_while_sending),
        cmocka_unit_test(test_waiting_handlers),
        cmocka_unit_test(test_handlers_wake_their_loop),
        cmocka_unit_test(test_stop_waits_for_handlers),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
