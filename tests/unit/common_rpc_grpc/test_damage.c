/* A byte that is flipped on the way: the receiver notices it by the check sum, nothing of the message is believed, and the
 * error says that it is damaged and may be tried again.  Between client and server is a relay that flips one bit in the
 * first long run of zeros that it sees, which is in no frame header, or in the stream's number of the next frame of data. */
#include "grpc_fixture.h"

#include "common/base/thread.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RUN_OF_ZEROS = 256, PADDING = 4096 };

struct relay {
    int listener;
    uint32_t port, target;
    _Atomic bool flips; /* the next run of zeros in the direction that is asked for */
    bool to_server;
    bool strays; /* flips the number of the stream that a frame is for */
    pthread_t thread;
};

static int connect_to(uint32_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void flip(struct relay *r, char *data, ssize_t n)
{
    int zeros = 0;
    for (ssize_t i = 0; i < n; i++) {
        zeros = data[i] == 0 ? zeros + 1 : 0;
        if (zeros == RUN_OF_ZEROS) {
            data[i] = 4;
            atomic_store(&r->flips, false);
            return;
        }
    }
}

/* What is sent is whole frames: three bytes of length, type (0: data), flags, four bytes of the stream's number. */
static void stray(struct relay *r, char *data, ssize_t n)
{
    const uint8_t *u = (const uint8_t *)data;
    ssize_t size;
    for (ssize_t at = 0; at + 9 <= n; at += 9 + size) {
        size = u[at] << 16 | u[at + 1] << 8 | u[at + 2];
        if (u[at + 3] == 0 && size >= PADDING) {
            data[at + 7] ^= 0x40;
            atomic_store(&r->flips, false);
            return;
        }
    }
}

/* False: that end is closed. */
static bool pass(struct relay *r, int from, int to, bool to_server)
{
    char data[65536];
    ssize_t n = recv(from, data, sizeof(data), 0);
    if (n > 0 && atomic_load(&r->flips) && to_server == r->to_server) {
        (r->strays ? stray : flip)(r, data, n);
    }
    return n > 0 && send(to, data, (size_t)n, MSG_NOSIGNAL) == n;
}

/* One connection at a time, until the listener is shut down. */
static void *run_relay(void *arg)
{
    struct relay *r = arg;
    int client;
    while ((client = accept(r->listener, NULL, NULL)) >= 0) {
        int server = connect_to(r->target);
        struct pollfd fds[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        bool goes_on = true;
        while (goes_on && poll(fds, 2, -1) > 0) {
            goes_on = (fds[0].revents == 0 || pass(r, client, server, true)) &&
                      (fds[1].revents == 0 || pass(r, server, client, false));
        }
        close(client);
        close(server);
    }
    return NULL;
}

static void relay_start(struct relay *r, uint32_t target, bool to_server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    *r = (struct relay){.target = target, .to_server = to_server};
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(r->listener, 8), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &size), 0);
    r->port = ntohs(at.sin_port);
    assert_int_equal(thread_start(&r->thread, "relay", run_relay, r, NULL), 0);
}

static void relay_stop(struct relay *r)
{
    shutdown(r->listener, SHUT_RDWR);
    thread_join(r->thread);
    close(r->listener);
}

static void check_why(const struct error *why)
{
    assert_int_equal(why->code, ERR_CORRUPT);
    assert_int_equal(why->cls, ERROR_CLASS_TRANSIENT);
    assert_non_null(strstr(why->message, "check sum"));
}

static void stream_fixture(struct fixture *f, struct relay *r, bool to_server)
{
    fixture_init(f, 0);
    relay_start(r, f->port, to_server);
    rpc_client_free(f->client);
    f->client = fixture_client(f, r->port);
}

static void test_stream_to_server(void **state)
{
    struct fixture f;
    struct relay r;
    struct end e;
    stream_fixture(&f, &r, true);
    struct end *server = connect_stream(&f, &e);
    assert_int_equal(send_to_master(&e, 1, PADDING, NULL), 0);
    WAIT_UNTIL(&f, server->received == 1);
    atomic_store(&r.flips, true);
    assert_int_equal(send_to_master(&e, 2, PADDING, NULL), 0);
    WAIT_UNTIL(&f, server->n_closed == 1 && e.n_closed == 1);
    assert_int_equal(server->received, 1);
    check_why(&server->why);
    check_why(&e.why);
    rpc_channel_free(e.channel);
    /* Another stream, as whoever sent it opens it. */
    server = connect_stream(&f, &e);
    assert_int_equal(send_to_master(&e, 1, PADDING, NULL), 0);
    WAIT_UNTIL(&f, server->received == 1);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
    relay_stop(&r);
}

/* The second message is for no stream that there is: nobody hears of it, until the third comes. */
static void test_lost_message(void **state)
{
    struct fixture f;
    struct relay r;
    struct end e;
    stream_fixture(&f, &r, true);
    r.strays = true;
    struct end *server = connect_stream(&f, &e);
    assert_int_equal(send_to_master(&e, 1, PADDING, NULL), 0);
    WAIT_UNTIL(&f, server->received == 1);
    atomic_store(&r.flips, true);
    assert_int_equal(send_to_master(&e, 2, PADDING, NULL), 0);
    WAIT_UNTIL(&f, !atomic_load(&r.flips));
    (void)send_to_master(&e, 3, PADDING, NULL); /* the connection may have ended of it */
    WAIT_UNTIL(&f, server->n_closed == 1 && e.n_closed == 1);
    assert_int_equal(server->received, 1);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
    relay_stop(&r);
}

static void test_stream_to_client(void **state)
{
    struct fixture f;
    struct relay r;
    struct end e;
    stream_fixture(&f, &r, false);
    struct end *server = connect_stream(&f, &e);
    atomic_store(&r.flips, true);
    assert_int_equal(send_from_master(server, 1, PADDING, NULL), 0);
    WAIT_UNTIL(&f, server->n_closed == 1 && e.n_closed == 1);
    assert_int_equal(e.received, 0);
    check_why(&e.why);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
    relay_stop(&r);
}

static void test_calls(void **state)
{
    for (int to_server = 0; to_server <= 1; to_server++) {
        struct fixture f;
        struct relay r;
        stream_fixture(&f, &r, to_server != 0);
        assert_int_equal(ping(&f, "/flinc.Cluster/Ping", PADDING), 0);
        atomic_store(&r.flips, true);
        assert_int_equal(ping(&f, "/flinc.Cluster/Ping", PADDING), ERR_CORRUPT);
        check_why(&f.why);
        assert_int_equal(f.n_calls, to_server != 0 ? 1 : 2);
        assert_int_equal(ping(&f, "/flinc.Cluster/Ping", PADDING), 0);
        fixture_fini(&f);
        relay_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_to_server),
        cmocka_unit_test(test_lost_message),
        cmocka_unit_test(test_stream_to_client),
        cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
