/* The relay: what passes both ways, ends, peers without TLS, silent ones, names of peers, connecting. */
#include "tests/unit/common_net_tls/certificates.h"

#include "common/base/thread.h"
#include "common/net/tls/relay.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

enum { PATIENCE_MS = 60 * 1000, LARGE = 8 * 1000 * 1000 };

static struct conf conf;
static struct tls_context *server, *client;
static struct tls_relay *relay;

static int set_up(void **state)
{
    struct error err = ERROR_INIT;
    init_internal(&conf, "node.pem", "ca.pem");
    set(&conf, "security.ssl.internal.handshake-timeout", "60000");
    /* Concerns who has closed, never who has said all and still listens. */
    set(&conf, "security.ssl.internal.close-notify-flush-timeout", "20");
    assert_int_equal(tls_context_new(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &server, &err), 0);
    assert_int_equal(tls_context_new(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_CLIENT, &client, &err), 0);
    assert_int_equal(tls_relay_new(&(struct tls_relay_options){.name = "relay"}, &relay, &err), 0);
    return 0;
}

static int tear_down(void **state)
{
    relay = tls_relay_free(relay);
    server = tls_context_unref(server);
    client = tls_context_unref(client);
    conf_fini(&conf);
    return 0;
}

/* What a link came to. */
struct ending {
    _Atomic bool is_over;
    struct event_count changed;
    struct error why;
};

static void on_end(void *arg, const struct error *why)
{
    struct ending *e = arg;
    if (why != NULL) {
        error_copy(&e->why, why);
    }
    atomic_store(&e->is_over, true);
    event_count_signal(&e->changed);
}

static void await_end(struct ending *e)
{
    while (!atomic_load(&e->is_over)) {
        uint32_t ticket = event_count_prepare(&e->changed);
        if (atomic_load(&e->is_over)) {
            event_count_cancel(&e->changed);
            break;
        }
        (void)event_count_wait(&e->changed, ticket, -1);
    }
}

static void wait_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* Until the end or `size` bytes. */
static size_t receive(int fd, char *buf, size_t size)
{
    size_t got = 0;
    while (got < size) {
        wait_ready(fd, POLLIN);
        ssize_t n = recv(fd, buf + got, size - got, MSG_DONTWAIT);
        if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
            break;
        }
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        wait_ready(fd, POLLOUT);
        ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EAGAIN);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
}

static void tcp_pair(int ret[2])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ret[0], (struct sockaddr *)&a, len), 0);
    ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ret[1] >= 0);
    close(listener);
}

static int add(int fd, struct tls_context *context, struct ending *e, struct tls_link_options o)
{
    struct error err = ERROR_INIT;
    int plain;
    o.context = context;
    o.on_end = e != NULL ? on_end : NULL;
    o.arg = e;
    assert_int_equal(tls_relay_add(relay, fd, &o, &plain, &err), 0);
    return plain;
}

/* Two plain sockets with TLS between them; [0] is the client's. */
static void linked(int ret[2], struct ending e[2])
{
    int tcp[2];
    tcp_pair(tcp);
    ret[0] = add(tcp[0], client, &e[0], (struct tls_link_options){.peer = "the.server:1"});
    ret[1] = add(tcp[1], server, &e[1], (struct tls_link_options){.peer = NULL});
}

struct sending {
    int fd;
    const char *data;
};

static void *send_large(void *arg)
{
    const struct sending *s = arg;
    send_all(s->fd, s->data, LARGE);
    assert_int_equal(shutdown(s->fd, SHUT_WR), 0);
    return NULL;
}

static void test_both_ways(void **state)
{
    int fds[2];
    struct ending e[2] = {{.is_over = false}, {.is_over = false}};
    pthread_t threads[2];
    char *data = malloc(LARGE), *got = malloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++) {
        data[i] = (char)(i * 7 + i / 1000);
    }
    linked(fds, e);
    struct sending s[2] = {{fds[0], data}, {fds[1], data}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(thread_start(&threads[i], "send", send_large, &s[i], NULL), 0);
    }
    /* The one that is read last is held up alone. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(receive(fds[i], got, LARGE + 1), LARGE);
        assert_memory_equal(got, data, LARGE);
    }
    for (int i = 0; i < 2; i++) {
        thread_join(threads[i]);
        close(fds[i]);
    }
    for (int i = 0; i < 2; i++) {
        await_end(&e[i]);
        assert_int_equal(e[i].why.code, 0);
    }
    free(data);
    free(got);
}

static void test_peer_names(void **state)
{
    int fds[2];
    char name[TLS_RELAY_PEER_MAX];
    struct ending e[2] = {{.is_over = false}, {.is_over = false}};
    linked(fds, e);
    assert_true(tls_relay_peer_of(fds[0], name));
    assert_string_equal(name, "the.server:1");
    assert_true(tls_relay_peer_of(fds[1], name));
    assert_memory_equal(name, "127.0.0.1:", 10);
    int other[2];
    tcp_pair(other);
    assert_false(tls_relay_peer_of(other[0], name));
    assert_false(tls_relay_peer_of(-1, name));
    for (int i = 0; i < 2; i++) {
        close(other[i]);
        close(fds[i]);
    }
    await_end(&e[0]);
    await_end(&e[1]);
}

static bool answer_when_whole(struct slice said, struct str *ret_answer)
{
    if (said.data[said.len - 1] != '\n') {
        return false;
    }
    str_printf(ret_answer, "you said %zu bytes", said.len);
    return true;
}

static void test_plaintext(void **state)
{
    int tcp[2];
    char buf[100] = "";
    struct ending e = {.is_over = false};
    tcp_pair(tcp);
    int plain =
        add(tcp[1], server, &e, (struct tls_link_options){.on_plaintext = answer_when_whole});
    send_all(tcp[0], "hel", 3);
    send_all(tcp[0], "lo\n", 3);
    assert_int_equal(receive(tcp[0], buf, sizeof(buf)), 16);
    assert_string_equal(buf, "you said 6 bytes");
    await_end(&e);
    expect_text(e.why.message, "does not speak TLS");
    expect_text(e.why.message, "security.ssl.internal.enabled");
    close(tcp[0]);
    close(plain);
}

/* Broken off in the handshake and in the middle: the plain socket ends, the owner hears why. */
static void test_broken_off(void **state)
{
    int tcp[2];
    char byte;
    struct ending e = {.is_over = false};
    tcp_pair(tcp);
    int plain = add(tcp[1], client, &e, (struct tls_link_options){.peer = "server:1"});
    close(tcp[0]);
    await_end(&e);
    expect_text(e.why.message, "server:1");
    assert_int_equal(receive(plain, &byte, 1), 0);
    close(plain);
}

/* Silent ones hold up nobody, however many; more than fit, and the oldest are let go. */
static void test_silent(void **state)
{
    enum { SILENT = 50 };
    int silent[SILENT][2], plain[SILENT], fds[2];
    char buf[5];
    struct ending e[2] = {{.is_over = false}, {.is_over = false}};
    for (int i = 0; i < SILENT; i++) {
        tcp_pair(silent[i]);
        plain[i] = add(silent[i][1], server, NULL, (struct tls_link_options){.peer = NULL});
    }
    linked(fds, e);
    send_all(fds[0], "hello", 5);
    assert_int_equal(receive(fds[1], buf, 5), 5);
    for (int i = 0; i < SILENT; i++) {
        close(silent[i][0]);
        close(plain[i]);
    }
    close(fds[0]);
    close(fds[1]);
    await_end(&e[0]);
    await_end(&e[1]);
}

static void test_handshake_time(void **state)
{
    struct conf quick;
    struct tls_context *impatient = NULL;
    int tcp[2];
    struct ending e = {.is_over = false};
    init_internal(&quick, "node.pem", "ca.pem");
    set(&quick, "security.ssl.internal.handshake-timeout", "10");
    assert_int_equal(tls_context_new(&quick, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &impatient, NULL),
                     0);
    tcp_pair(tcp);
    int plain = add(tcp[1], impatient, &e, (struct tls_link_options){.peer = NULL});
    await_end(&e);
    assert_int_equal(e.why.code, ERR_TIMEOUT);
    expect_text(e.why.message, "security.ssl.internal.handshake-timeout");
    close(tcp[0]);
    close(plain);
    tls_context_unref(impatient);
    conf_fini(&quick);
}

/* ---- listening and connecting -------------------------------------------------------------------------------- */

struct arrivals {
    _Atomic int fd;
    struct event_count changed;
};

static void on_connection(void *arg, int take_plain_fd, const struct sockaddr *peer, socklen_t len)
{
    struct arrivals *a = arg;
    assert_int_equal(peer->sa_family, AF_INET);
    atomic_store(&a->fd, take_plain_fd);
    event_count_signal(&a->changed);
}

static void test_listen(void **state)
{
    struct error err = ERROR_INIT;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct arrivals a = {.fd = -1};
    struct ending e = {.is_over = false};
    struct tls_relay *own;
    char buf[4];
    int plain, listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listen_fd, 10), 0);
    assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(tls_relay_new(&(struct tls_relay_options){.name = "own"}, &own, &err), 0);
    const struct tls_listener_options o = {
        .listen_fd = listen_fd, .context = server, .on_connection = on_connection, .arg = &a};
    assert_int_equal(tls_relay_listen(own, &o, &err), 0);
    const struct tls_link_options link = {
        .context = client, .peer = "localhost:1", .on_end = on_end, .arg = &e};
    assert_int_equal(
        tls_relay_connect(relay, "127.0.0.1", ntohs(address.sin_port), &link, &plain, &err), 0);
    send_all(plain, "ping", 4);
    for (;;) {
        uint32_t ticket = event_count_prepare(&a.changed);
        if (atomic_load(&a.fd) >= 0) {
            event_count_cancel(&a.changed);
            break;
        }
        (void)event_count_wait(&a.changed, ticket, -1);
    }
    int arrived = atomic_load(&a.fd);
    assert_int_equal(receive(arrived, buf, 4), 4);
    assert_memory_equal(buf, "ping", 4);
    /* What was written last reaches the peer although the relay ends. */
    send_all(arrived, "pong", 4);
    close(arrived);
    tls_relay_free(own);
    assert_int_equal(receive(plain, buf, 4), 4);
    assert_memory_equal(buf, "pong", 4);
    close(plain);
    await_end(&e);
    close(listen_fd);
}

static void test_nobody_there(void **state)
{
    struct error err = ERROR_INIT;
    struct ending e[2] = {{.is_over = false}, {.is_over = false}};
    int plain[2], tcp[2];
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    tcp_pair(tcp);
    assert_int_equal(getsockname(tcp[1], (struct sockaddr *)&address, &len), 0);
    close(tcp[0]);
    close(tcp[1]);
    struct tls_link_options o = {
        .context = client, .peer = "nobody:1", .on_end = on_end, .arg = &e[0]};
    assert_int_equal(
        tls_relay_connect(relay, "127.0.0.1", ntohs(address.sin_port), &o, &plain[0], &err), 0);
    o.arg = &e[1];
    assert_int_equal(tls_relay_connect(relay, "no.such.host.invalid", 1, &o, &plain[1], &err), 0);
    for (int i = 0; i < 2; i++) {
        await_end(&e[i]);
        assert_int_equal(e[i].why.code, ERR_UNAVAILABLE);
        expect_text(e[i].why.message, "nobody:1");
        close(plain[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_peer_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plaintext, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_handshake_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
