/* The data port: hellos in pieces, garbage, silence, many at once. */
#include "common/base/log.h"
#include "common/base/mem.h"
#include "taskmanager/host/data_port.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct loop *loop;
    pthread_t thread;
    struct data_port *port;
    _Atomic uint32_t n_arrived;
    struct data_hello last;
    int fd; /* of the last */
    struct event_count changed;
};

static void on_connection(void *owner, const struct data_hello *hello, int take_fd,
                          const char *peer)
{
    struct fixture *f = owner;
    f->last = *hello;
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = take_fd;
    assert_memory_equal(peer, "127.0.0.1:", 10);
    atomic_fetch_add(&f->n_arrived, 1);
    event_count_signal(&f->changed);
}

static void *loop_main(void *arg)
{
    (void)!loop_run(arg, NULL);
    return NULL;
}

static int open_port(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    struct error err = ERROR_INIT;
    f->fd = -1;
    assert_int_equal(loop_new(&(struct loop_options){.name = "io"}, &f->loop, NULL), 0);
    assert_int_equal(thread_start(&f->thread, "io", loop_main, f->loop, NULL), 0);
    const struct data_port_options options = {
        .loop = f->loop, .bind_host = "127.0.0.1", .on_connection = on_connection, .owner = f};
    assert_int_equal(data_port_open(&options, &f->port, &err), 0);
    assert_true(data_port_number(f->port) > 0);
    *state = f;
    return 0;
}

static int close_port(void **state)
{
    struct fixture *f = *state;
    f->port = data_port_close(f->port);
    loop_stop(f->loop);
    thread_join(f->thread);
    loop_free(f->loop);
    if (f->fd >= 0) {
        close(f->fd);
    }
    mem_free(f);
    return 0;
}

static int call(const struct fixture *f)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)data_port_number(f->port)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static struct data_hello hello_of(uint8_t number)
{
    struct data_hello h = {.version = DATA_HELLO_VERSION};
    memcpy(h.magic, DATA_HELLO_MAGIC, sizeof(h.magic));
    h.job_id[0] = number;
    h.incarnation[15] = number;
    return h;
}

static void send_bytes(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void wait_arrived(struct fixture *f, uint32_t n)
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&f->changed);
        if (atomic_load(&f->n_arrived) >= n) {
            event_count_cancel(&f->changed);
            return;
        }
        assert_true(event_count_wait(&f->changed, ticket, INT64_C(30000000000)));
    }
}

/* The other side has closed. */
static void assert_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    assert_true(n <= 0);
    close(fd);
}

static void test_hello_in_pieces(void **state)
{
    struct fixture *f = *state;
    const struct data_hello h = hello_of(5);
    const char *bytes = (const char *)&h;
    int fd = call(f);
    for (size_t i = 0; i < sizeof(h); i++) {
        send_bytes(fd, bytes + i, 1);
    }
    send_bytes(fd, "rest", 4);
    wait_arrived(f, 1);
    assert_memory_equal(&f->last, &h, sizeof(h));
    /* Not one byte of what follows was read. */
    char rest[8];
    ssize_t n = 0;
    while (n < 4) {
        ssize_t got = recv(f->fd, rest + n, sizeof(rest) - (size_t)n, 0);
        if (got > 0) {
            n += got;
        }
    }
    assert_memory_equal(rest, "rest", 4);
    assert_int_equal(data_port_refused(f->port), 0);
    close(fd);
}

static void test_garbage_is_closed(void **state)
{
    struct fixture *f = *state;
    struct data_hello h = hello_of(1);
    int http = call(f);
    send_bytes(http, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_closed(http);
    int other_version = call(f);
    h.version = DATA_HELLO_VERSION + 1;
    send_bytes(other_version, &h, sizeof(h));
    assert_closed(other_version);
    int cut = call(f);
    send_bytes(cut, DATA_HELLO_MAGIC, 8);
    shutdown(cut, SHUT_WR);
    assert_closed(cut);
    int good = call(f);
    h = hello_of(2);
    send_bytes(good, &h, sizeof(h));
    wait_arrived(f, 1);
    assert_int_equal(data_port_refused(f->port), 3);
    close(good);
}

/* Silent ones do not keep others out: the oldest give way. */
static void test_many_silent(void **state)
{
    enum { EXTRA = 20 };
    struct fixture *f = *state;
    int *silent = MEM_NEW_ARRAY(int, DATA_PORT_GREETING_MAX + EXTRA);
    for (int i = 0; i < DATA_PORT_GREETING_MAX + EXTRA; i++) {
        silent[i] = call(f);
    }
    int good = call(f);
    const struct data_hello h = hello_of(9);
    send_bytes(good, &h, sizeof(h));
    wait_arrived(f, 1);
    for (int i = 0; i < EXTRA; i++) {
        assert_closed(silent[i]);
        silent[i] = -1;
    }
    assert_true(data_port_refused(f->port) >= EXTRA);
    for (int i = EXTRA; i < DATA_PORT_GREETING_MAX + EXTRA; i++) {
        close(silent[i]);
    }
    close(good);
    mem_free(silent);
}

static void test_port_in_use(void **state)
{
    struct fixture *f = *state;
    struct data_port *second = NULL;
    struct error err = ERROR_INIT;
    uint32_t port = data_port_number(f->port);
    struct data_port_options options = {.loop = f->loop,
                                        .bind_host = "127.0.0.1",
                                        .port_first = port,
                                        .port_last = port,
                                        .on_connection = on_connection,
                                        .owner = f};
    assert_true(data_port_open(&options, &second, &err) < 0);
    assert_non_null(strstr(err.message, "taskmanager.data.port"));
    options.bind_host = "no such host.invalid";
    assert_true(data_port_open(&options, &second, &err) < 0);
    assert_non_null(strstr(err.message, "taskmanager.bind-host"));
    assert_null(second);
}

#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PORT_TEST(test_hello_in_pieces),
        PORT_TEST(test_garbage_is_closed),
        PORT_TEST(test_many_silent),
        PORT_TEST(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
