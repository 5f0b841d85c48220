/* The port: one server each, ranges, hosts; and what connects to it that is none of ours. */
#include "grpc_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- binding ----------------------------------------------------------------------------------- */

static int try_server(struct fixture *f, const char *host, uint32_t first, uint32_t last,
                      uint32_t *ret_port, struct error *err)
{
    struct rpc_server_options options = {
        .runtime = f->runtime, .bind_host = host, .first_port = first, .last_port = last};
    struct rpc_server *server;
    TRY(rpc_server_new(&options, &server, err));
    if (ret_port != NULL) {
        *ret_port = rpc_server_port(server);
    }
    rpc_server_free(server);
    return 0;
}

static void test_a_port_has_one_server(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    assert_int_equal(try_server(&f, "127.0.0.1", f.port, f.port, NULL, &err), ERR_IO);
    char want[100];
    snprintf(want, sizeof(want), "port %u: Address already in use", f.port);
    assert_non_null(strstr(err.message, want));
    assert_int_equal(try_server(&f, "0.0.0.0", f.port, f.port, NULL, &err), ERR_IO);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    fixture_fini(&f);
}

static void test_ranges(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    uint32_t port = 0;
    uint32_t last = MIN(f.port + 20, 65535u);
    assert_int_equal(try_server(&f, "127.0.0.1", f.port, last, &port, NULL), 0);
    assert_true(port > f.port && port <= last);
    assert_int_equal(try_server(&f, "127.0.0.1", 70000, 70000, NULL, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(try_server(&f, "127.0.0.1", 7000, 6000, NULL, &err), ERR_INVALID_ARGUMENT);
    fixture_fini(&f);
}

static void test_hosts(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    assert_int_equal(try_server(&f, "localhost", 0, 0, NULL, NULL), 0);
    assert_int_equal(try_server(&f, "0.0.0.0", 0, 0, NULL, NULL), 0);
    assert_int_equal(try_server(&f, "no such host", 0, 0, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.message, "no such host"));
    /* An address of somebody else. */
    assert_int_equal(try_server(&f, "192.0.2.1", 0, 0, NULL, &err), ERR_IO);
    struct rpc_client *client;
    struct rpc_client_options options = {.runtime = f.runtime, .host = "", .port = 1};
    assert_int_equal(rpc_client_new(&options, &client, &err), ERR_INVALID_ARGUMENT);
    options.host = "localhost"; /* a name, resolved */
    options.port = f.port;
    assert_int_equal(rpc_client_new(&options, &client, &err), 0);
    rpc_client_free(f.client);
    f.client = client;
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    rpc_client_free(f.client);
    options.host = "no.such.host.invalid";
    assert_int_equal(rpc_client_new(&options, &f.client, &err), 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), ERR_UNAVAILABLE);
    fixture_fini(&f);
}

/* ---- strangers --------------------------------------------------------------------------------- */

static int connect_raw(uint32_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static uint64_t n_refused(struct fixture *f)
{
    struct rpc_server_stats stats;
    rpc_server_get_stats(f->server, &stats);
    return stats.refused;
}

/* Sends and waits until the server hangs up. */
static void offend(struct fixture *f, const void *bytes, size_t size, bool half_close)
{
    int fd = connect_raw(f->port);
    (void)!send(fd, bytes, size, MSG_NOSIGNAL);
    if (half_close) {
        shutdown(fd, SHUT_WR);
    }
    char answer[4096];
    ssize_t n;
    while ((n = read(fd, answer, sizeof(answer))) > 0) {
    }
    assert_true(n == 0 || errno == ECONNRESET);
    close(fd);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void test_garbage(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    struct end *server = connect_stream(&f, &e);
    char noise[5000];
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (char)rng_next(&rng);
    }
    const char *http = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    offend(&f, http, strlen(http), false);
    offend(&f, noise, sizeof(noise), false);
    offend(&f, "short", 5, true);
    offend(&f, PREFACE, 10, true);
    offend(&f, "", 0, true);
    assert_int_equal(n_refused(&f), 5);
    /* What begins like HTTP/2 is gRPC's to judge. */
    char bad[24 + sizeof(noise)];
    memcpy(bad, PREFACE, 24);
    memcpy(bad + 24, noise, sizeof(noise));
    offend(&f, bad, sizeof(bad), true);
    offend(&f, PREFACE "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03", 24 + 11, true); /* cut off */
    offend(&f, PREFACE "\xff\xff\xff\x00\x00\x00\x00\x00\x01", 24 + 9, true);
    for (int i = 0; i < 200; i++) {
        for (size_t at = 24; at < 200; at++) {
            bad[at] = (char)rng_next(&rng);
        }
        bad[24] = bad[25] = 0; /* plausible lengths and types reach further */
        bad[27] &= 0x0f;
        offend(&f, bad, 24 + (size_t)rng_below(&rng, 176), true);
    }
    /* Nobody else noticed. */
    assert_int_equal(send_to_master(&e, 1, 10, NULL), 0);
    WAIT_UNTIL(&f, server->received == 1);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    struct rpc_server_stats stats;
    rpc_server_get_stats(f.server, &stats);
    assert_int_equal(stats.calls, 1);
    assert_int_equal(stats.streams, 1);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

/* Connections that say nothing are bounded, and do not keep others out. */
static void test_silent_connections(void **state)
{
    enum { SILENT = 300, BOUND = 256 };
    struct fixture f;
    fixture_init(&f, 0);
    int fds[SILENT];
    for (int i = 0; i < SILENT; i++) {
        fds[i] = connect_raw(f.port);
    }
    WAIT_UNTIL(&f, n_refused(&f) >= SILENT - BOUND);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    char byte;
    assert_int_equal(read(fds[0], &byte, 1), 0); /* the oldest went */
    WAIT_UNTIL(&f, n_refused(&f) >= SILENT);     /* then time runs out for all */
    for (int i = 0; i < SILENT; i++) {
        close(fds[i]);
    }
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_port_has_one_server),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_silent_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
