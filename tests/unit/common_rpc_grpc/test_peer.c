/* Peers in other processes that are killed or frozen.  The other process is this program again, by its
 * first argument: nothing is forked off gRPC. */
#include "grpc_fixture.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct peer {
    pid_t pid;
    int from; /* its standard output */
};

static void peer_start(struct peer *p, const char *role, uint32_t port)
{
    int fds[2];
    char port_text[16];
    assert_int_equal(pipe(fds), 0);
    snprintf(port_text, sizeof(port_text), "%u", port);
    char *argv[] = {"test_peer", (char *)role, port_text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    assert_int_equal(posix_spawn(&p->pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    p->from = fds[0];
}

static uint32_t peer_read_port(struct peer *p)
{
    uint32_t port = 0;
    assert_int_equal(read(p->from, &port, sizeof(port)), sizeof(port));
    return port;
}

static void peer_kill(struct peer *p)
{
    kill(p->pid, SIGKILL);
    kill(p->pid, SIGCONT);
    assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
    close(p->from);
}

static void peer_freeze(struct peer *p)
{
    int status;
    kill(p->pid, SIGSTOP);
    assert_int_equal(waitpid(p->pid, &status, WUNTRACED), p->pid);
    assert_true(WIFSTOPPED(status));
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void test_client_is_killed(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    for (uint32_t i = 0; i < 3; i++) {
        struct peer p;
        peer_start(&p, "client", f.port);
        WAIT_UNTIL(&f, f.n_accepted == i + 1 && f.accepted[i].received == 10);
        int64_t began_ms = now_ms();
        peer_kill(&p);
        WAIT_UNTIL(&f, f.accepted[i].n_closed == 1);
        assert_true(now_ms() - began_ms < 5000); /* no timer is that short, but a build is busy */
        assert_int_equal(f.accepted[i].why.code, ERR_UNAVAILABLE);
        assert_int_equal(send_from_master(&f.accepted[i], 1, 1, NULL), ERR_CLOSED);
    }
    fixture_fini(&f);
}

static void test_server_is_killed(void **state)
{
    struct fixture f;
    struct peer p;
    struct end e;
    fixture_init(&f, 0);
    peer_start(&p, "server", 0);
    uint32_t port = peer_read_port(&p);
    rpc_client_free(f.client);
    f.client = fixture_client(&f, port);
    open_stream(&f, f.client, &e);
    WAIT_UNTIL(&f, e.received == 1);                             /* the server greets */
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, NULL); /* which it never answers */
    int64_t began_ms = now_ms();
    peer_kill(&p);
    WAIT_UNTIL(&f, e.n_closed == 1 && f.answered);
    assert_true(now_ms() - began_ms < 5000); /* no timer is that short, but a build is busy */
    assert_int_equal(e.why.code, ERR_UNAVAILABLE);
    assert_int_equal(f.why.code, ERR_UNAVAILABLE);
    rpc_channel_free(e.channel);
    /* And again, to another one on that port. */
    peer_start(&p, "server", port);
    assert_int_equal(peer_read_port(&p), port);
    open_stream(&f, f.client, &e);
    WAIT_UNTIL(&f, e.received == 1);
    rpc_channel_free(e.channel);
    peer_kill(&p);
    fixture_fini(&f);
}

/* A frozen process accepts connections and answers nothing. */
static void test_server_is_frozen(void **state)
{
    struct fixture f;
    struct peer p;
    struct end e;
    fixture_init(&f, 0);
    peer_start(&p, "server", 0);
    uint32_t port = peer_read_port(&p);
    rpc_client_free(f.client);
    f.client = fixture_client(&f, port);
    open_stream(&f, f.client, &e);
    WAIT_UNTIL(&f, e.received == 1);
    peer_freeze(&p);
    struct end late = {.n_closed = 0};
    struct rpc_end_options end = client_end(&f, &late);
    assert_int_equal(
        rpc_client_open_stream(f.client, "/flinc.Cluster/Connect", 200, &end, &late.channel, NULL),
        0);
    WAIT_UNTIL(&f, late.n_closed == 1);
    assert_int_equal(late.why.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(late.why.message, "does not answer"));
    start_ping(&f, "/flinc.Cluster/Ping", 1, 200, NULL);
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, ERR_TIMEOUT);
    rpc_channel_free(late.channel);
    /* Thawed: the stream stands. */
    assert_int_equal(e.n_closed, 0);
    assert_int_equal(send_to_master(&e, 1, 1, NULL), 0);
    kill(p.pid, SIGCONT);
    WAIT_UNTIL(&f, e.received == 2);
    rpc_channel_free(e.channel);
    /* The end of a client does not wait for a frozen server. */
    peer_freeze(&p);
    open_stream(&f, f.client, &e);
    int64_t began_ms = now_ms();
    rpc_channel_free(e.channel);
    rpc_client_free(STEAL(f.client));
    assert_true(now_ms() - began_ms < 10000);
    peer_kill(&p);
    fixture_fini(&f);
}

/* ---- the other process -------------------------------------------------------------------------- */

static int client_main(uint32_t port)
{
    static struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    struct rpc_client *client = fixture_client(&f, port);
    open_stream(&f, client, &e);
    for (uint64_t i = 1; i <= 10; i++) {
        if (send_to_master(&e, i, 10, NULL) < 0) {
            return 1;
        }
    }
    for (;;) {
        pause();
    }
}

/* Greets each stream, answers each message, answers no call. */
static int server_main(uint32_t port)
{
    static struct fixture f;
    fixture_init(&f, 0);
    rpc_server_free(f.server);
    f.answer_later = true;
    if (fixture_start_server(&f, port, port, NULL) < 0 ||
        write(1, &f.port, sizeof(f.port)) != sizeof(f.port)) {
        return 1;
    }
    uint64_t sent[ENDS_MAX] = {0};
    for (;;) {
        uint32_t ticket = event_count_prepare(mailbox_event(f.mailbox));
        fixture_run(&f);
        for (uint32_t i = 0; i < f.n_accepted; i++) {
            while (f.accepted[i].n_closed == 0 && sent[i] < f.accepted[i].received + 1 &&
                   send_from_master(&f.accepted[i], sent[i] + 1, 10, NULL) == 0) {
                sent[i]++;
            }
        }
        event_count_wait(mailbox_event(f.mailbox), ticket, -1);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "client") == 0) {
        return client_main((uint32_t)atoi(argv[2]));
    }
    if (argc == 3 && strcmp(argv[1], "server") == 0) {
        return server_main((uint32_t)atoi(argv[2]));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_is_killed),
        cmocka_unit_test(test_server_is_killed),
        cmocka_unit_test(test_server_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
