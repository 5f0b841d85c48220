/* flinc.source.socket against a real server on the loopback: lines however they arrive, retries, limits,
 * and closing whatever the thread waits for. */
#include "common/base/thread.h"
#include "engine/operators/io/socket_reader.h"
#include "fixture.h"
#include "proto/operators.pb-c.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 60000 }; /* for what must come; no test waits that long */

/* A listening socket on a free port. */
static int listen_on(uint32_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static int accept_one(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        data += n;
        len -= (size_t)n;
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

struct socket_options {
    const char *host; /* NULL: 127.0.0.1 */
    uint32_t port;
    const char *delimiter;
    int32_t max_retries;
    uint64_t retry_delay_ms;
    struct executor *io_executor;
};

static struct harness *source_new(const struct socket_options *o)
{
    struct harness *h;
    Flinc__SocketSourceConfig c = FLINC__SOCKET_SOURCE_CONFIG__INIT;
    c.host = (char *)(uintptr_t)(o->host != NULL ? o->host : "127.0.0.1");
    c.port = o->port;
    c.delimiter = (char *)(uintptr_t)(o->delimiter != NULL ? o->delimiter : "\n");
    c.max_retries = o->max_retries;
    c.retry_delay_ms = o->retry_delay_ms;
    must(harness_new(&(struct harness_options){.kind = "flinc.source.socket",
                                               .config = &c.base,
                                               .output_schemas = {"ROW<line STRING>"},
                                               .io_executor = o->io_executor},
                     &h, &err));
    return h;
}

static struct harness *source(const struct socket_options *o)
{
    struct harness *h = source_new(o);
    must(harness_open(h, &err));
    return h;
}

/* Polls until there are so many rows, or the source ended or failed; what it said last. */
static int poll_until(struct harness *h, uint64_t rows, struct error *err)
{
    int rc = OP_DONE;
    while (rc >= 0 && rc != OP_END && harness_row_count(h, 0) < rows) {
        rc = harness_poll(h, err);
        if (rc == OP_IDLE) {
            assert_true(harness_wait_wake(h, WAIT_MS));
        }
    }
    return rc;
}

/* ---- lines ------------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
    uint32_t port;
    int listener = listen_on(&port);
    struct harness *h = source(&(struct socket_options){.port = port});
    int fd = accept_one(listener);
    send_text(fd, "to be\r\nor not\n\nto ");
    assert_true(poll_until(h, 3, NULL) >= 0); /* lines leave at once, not when a batch is full */
    assert_string_equal(harness_rows(h, 0), "+I[to be]\n+I[or not]\n+I[]");
    send_text(fd, "be \xff\nthe end");
    assert_true(poll_until(h, 4, NULL) >= 0);
    close(fd);
    assert_int_equal(poll_until(h, UINT64_MAX, NULL), OP_END);
    assert_string_equal(harness_rows(h, 0),
                        "+I[to be]\n+I[or not]\n+I[]\n+I[to be \xff]\n+I[the end]");
    harness_free(h);
    close(listener);
}

static void test_delimiter(void **state)
{
    uint32_t port;
    int listener = listen_on(&port);
    struct harness *h = source(&(struct socket_options){.port = port, .delimiter = ";"});
    int fd = accept_one(listener);
    send_text(fd, "a\nb\r;c;");
    close(fd);
    assert_int_equal(poll_until(h, UINT64_MAX, NULL), OP_END);
    assert_string_equal(harness_rows(h, 0), "+I[a\nb\r]\n+I[c]");
    harness_free(h);
    close(listener);
}

static void *send_numbers(void *arg)
{
    STR_AUTO text = STR_INIT;
    int fd = *(int *)arg;
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 200000; i++) {
        str_printf(&text, "%d\n", i);
    }
    for (size_t at = 0; at < text.len;) {
        size_t n = 1 + rng_below(&rng, 100000);
        n = MIN(n, text.len - at);
        send_all(fd, text.data + at, n);
        at += n;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

/* More than the ring holds, in pieces of any size: all lines, in order. */
static void test_much(void **state)
{
    uint32_t port;
    pthread_t sender;
    int listener = listen_on(&port), next = 0;
    struct harness *h = source(&(struct socket_options){.port = port});
    int fd = accept_one(listener);
    must(thread_start(&sender, "sender", send_numbers, &fd, &err));
    assert_int_equal(poll_until(h, UINT64_MAX, NULL), OP_END);
    thread_join(sender);
    struct slice rest = slice_cstr(harness_rows(h, 0)), row;
    while (rest.len > 0 && slice_next(&rest, '\n', &row)) {
        assert_int_equal(atoi(row.data + 3), next++);
    }
    assert_int_equal(next, 200000);
    assert_true(harness_max_emitted(h) == 1);
    close(fd);
    harness_free(h);
    close(listener);
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void *send_long_line(void *arg)
{
    static char block[1024 * 1024];
    int fd = *(int *)arg;
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 64; i++) {
        send_all(fd, block, sizeof(block));
    }
    send_text(fd, "\r\nxx");
    for (int i = 0; i < 64; i++) {
        if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0) {
            break; /* the source has had enough */
        }
    }
    return NULL;
}

/* 64 MB are a legal line, more are not. */
static void test_long_line(void **state)
{
    uint32_t port;
    pthread_t sender;
    int listener = listen_on(&port);
    struct harness *h = source(&(struct socket_options){.port = port});
    int fd = accept_one(listener);
    must(thread_start(&sender, "sender", send_long_line, &fd, &err));
    must(poll_until(h, 1, &err));
    assert_int_equal(harness_row_count(h, 0), 1);
    must_fail(poll_until(h, 2, &err), ERR_TOO_LARGE, "is longer than 67108864 bytes");
    harness_free(h);
    thread_join(sender);
    close(fd);
    close(listener);
}

/* ---- connections ------------------------------------------------------------------------------- */

static void test_reconnects(void **state)
{
    uint32_t port;
    int listener = listen_on(&port);
    struct harness *h =
        source(&(struct socket_options){.port = port, .max_retries = 2, .retry_delay_ms = 1});
    for (int i = 0; i < 3; i++) {
        int fd = accept_one(listener);
        send_text(fd, i < 2 ? "line\nha" : "lf\n");
        close(fd);
    }
    assert_int_equal(poll_until(h, UINT64_MAX, NULL), OP_END);
    assert_string_equal(harness_rows(h, 0), "+I[line]\n+I[haline]\n+I[half]");
    harness_free(h);
    close(listener);
}

static void test_refused(void **state)
{
    uint32_t port;
    close(listen_on(&port)); /* nobody listens there now */
    for (int32_t retries = 0; retries < 3; retries++) {
        char name[64];
        struct harness *h = source(
            &(struct socket_options){.port = port, .max_retries = retries, .retry_delay_ms = 1});
        snprintf(name, sizeof(name), "connecting to 127.0.0.1:%u: Connection refused", port);
        must_fail(poll_until(h, 1, &err), error_code_from_errno(ECONNREFUSED), name);
        harness_free(h);
    }
}

/* A connection that breaks is no end of the stream: what is missing is not known. */
static void test_reset(void **state)
{
    uint32_t port;
    struct linger abort_it = {.l_onoff = 1, .l_linger = 0};
    int listener = listen_on(&port);
    struct harness *h = source(&(struct socket_options){.port = port});
    int fd = accept_one(listener);
    send_text(fd, "a\n");
    must(poll_until(h, 1, &err));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it)), 0);
    close(fd);
    must_fail(poll_until(h, 2, &err), error_code_from_errno(ECONNRESET), "reading from 127.0.0.1");
    harness_free(h);
    close(listener);
}

static void test_names(void **state)
{
    uint32_t port;
    struct executor *x;
    struct addrinfo *known = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &known) != 0) {
        print_message("skipped: this machine does not know the name localhost (/etc/hosts)\n");
        skip();
    }
    freeaddrinfo(known);
    int listener = listen_on(&port);
    must(executor_new(&(struct executor_options){.name = "io", .n_threads = 1}, &x, &err));
    for (int with_executor = 0; with_executor <= 1; with_executor++) {
        struct harness *h = source(&(struct socket_options){
            .host = "localhost", .port = port, .io_executor = with_executor ? x : NULL});
        int fd = accept_one(listener);
        send_text(fd, "a");
        close(fd);
        assert_int_equal(poll_until(h, UINT64_MAX, NULL), OP_END);
        assert_string_equal(harness_rows(h, 0), "+I[a]");
        harness_free(h);
    }
    struct harness *h =
        source(&(struct socket_options){.host = "no such host", .port = port, .io_executor = x});
    must_fail(poll_until(h, 1, &err), ERR_UNAVAILABLE, "host 'no such host' cannot be resolved");
    harness_free(h);
    executor_free(x);
    close(listener);
}

static void test_bad_configuration(void **state)
{
    struct harness *h = source_new(&(struct socket_options){.port = 70000});
    must_fail(harness_open(h, &err), ERR_PARSE, "damaged");
    harness_free(h);
    h = source_new(&(struct socket_options){.port = 1, .delimiter = "\r\n"});
    must_fail(harness_open(h, &err), ERR_UNSUPPORTED, "must be one byte");
    harness_free(h);
}

/* ---- closing ----------------------------------------------------------------------------------- */

/* In the middle of a look-up that does not come back: its job ends after the source. */
static void test_close_while_looking_up(void **state)
{
    struct executor *x;
    must(executor_new(&(struct executor_options){.name = "io"}, &x, &err));
    struct harness *h =
        source(&(struct socket_options){.host = "localhost", .port = 1, .io_executor = x});
    while (executor_queue_len(x) == 0) {
        sched_yield();
    }
    harness_free(h);
    assert_int_equal(thread_count(), 0);
    assert_true(executor_run_once(x));
    executor_free(x);
}

/* A server whose queue is full answers no connection request. */
static void test_close_while_connecting(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int clients[8];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(clients[i], (struct sockaddr *)&at, sizeof(at));
    }
    struct harness *h = source(&(struct socket_options){.port = ntohs(at.sin_port)});
    harness_free(h);
    assert_int_equal(thread_count(), 0);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        close(clients[i]);
    }
    close(listener);
}

static void test_close_while_waiting(void **state)
{
    uint32_t port;
    int listener = listen_on(&port);
    struct harness *h = source(&(struct socket_options){.port = port});
    int fd = accept_one(listener);
    harness_free(h); /* for data */
    close(fd);
    close(listener);
    h = source(
        &(struct socket_options){.port = port, .max_retries = -1, .retry_delay_ms = 3600 * 1000});
    harness_free(h); /* for the next try */
    assert_int_equal(thread_count(), 0);
}

/* The ring is full and nobody takes from it. */
static void test_close_while_full(void **state)
{
    static char block[64 * 1024];
    uint32_t port;
    int listener = listen_on(&port);
    struct harness *h = source(&(struct socket_options){.port = port});
    int fd = accept_one(listener);
    uint64_t sent = 0;
    /* Until the kernel's buffers are full, too, and stay so. */
    for (int stuck = 0; stuck < 3;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 50) == 0) {
            stuck++;
            continue;
        }
        ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (uint64_t)n : 0;
    }
    assert_true(sent >= SOCKET_RING_BYTES);
    harness_free(h);
    assert_int_equal(thread_count(), 0);
    close(fd);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_delimiter),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_reconnects),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_configuration),
        cmocka_unit_test(test_close_while_looking_up),
        cmocka_unit_test(test_close_while_connecting),
        cmocka_unit_test(test_close_while_waiting),
        cmocka_unit_test(test_close_while_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
