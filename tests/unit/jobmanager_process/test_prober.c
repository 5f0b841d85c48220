/* Ports that refuse, stand, and close, over loopback. */
#include "common/base/clock.h"
#include "common/base/thread.h"
#include "jobmanager/process/prober.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG_MS = 60 * 1000, SHORT_MS = 20 };

struct port {
    int fd;
    char address[32];
};

static struct port port_open(void)
{
    struct port p = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    assert_true(p.fd >= 0);
    assert_int_equal(bind(p.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(p.fd, (struct sockaddr *)&a, &len), 0);
    snprintf(p.address, sizeof(p.address), "127.0.0.1:%u", ntohs(a.sin_port));
    return p;
}

static void a_port_without_a_listener_refuses(void **state)
{
    struct port p = port_open(); /* bound, so that nobody else takes it */
    assert_int_equal(probe_address(p.address, "127.0.0.1:1", LONG_MS), PROBE_REFUSED);
    close(p.fd);
}

static void who_listens_lives(void **state)
{
    struct port p = port_open();
    assert_int_equal(listen(p.fd, 4), 0);
    assert_int_equal(probe_address(p.address, "127.0.0.1:1", SHORT_MS), PROBE_UNKNOWN);
    close(p.fd);
}

/* A process that dies: it has accepted before its port goes. */
static void *die(void *arg)
{
    const struct port *p = arg;
    struct pollfd dialed = {.fd = p->fd, .events = POLLIN};
    (void)poll(&dialed, 1, LONG_MS);
    close(p->fd);
    return NULL;
}

static void one_that_closes_while_it_is_asked_is_asked_again(void **state)
{
    struct port p = port_open();
    pthread_t t;
    struct error err = ERROR_INIT;
    assert_int_equal(listen(p.fd, 4), 0);
    assert_int_equal(thread_start(&t, "dying", die, &p, &err), 0);
    assert_int_equal(probe_address(p.address, "127.0.0.1:1", LONG_MS), PROBE_REFUSED);
    thread_join(t);
}

/* The loopback address of a task manager on another machine is not this machine. */
static void loopback_of_others_says_nothing(void **state)
{
    struct port p = port_open();
    assert_int_equal(probe_address(p.address, "192.0.2.7:4711", LONG_MS), PROBE_UNKNOWN);
    assert_int_equal(probe_address(p.address, "[2001:db8::1]:4711", LONG_MS), PROBE_UNKNOWN);
    assert_int_equal(probe_address(p.address, "", LONG_MS), PROBE_UNKNOWN);
    assert_int_equal(probe_address(p.address, "[::1]:4711", LONG_MS), PROBE_REFUSED);
    close(p.fd);
}

static void what_is_no_address_says_nothing(void **state)
{
    assert_int_equal(probe_address("", "127.0.0.1:1", LONG_MS), PROBE_UNKNOWN);
    assert_int_equal(probe_address(":1", "127.0.0.1:1", LONG_MS), PROBE_UNKNOWN);
    assert_int_equal(probe_address("127.0.0.1", "127.0.0.1:1", LONG_MS), PROBE_UNKNOWN);
    assert_int_equal(probe_address("127.0.0.1:x", "127.0.0.1:1", LONG_MS), PROBE_UNKNOWN);
}

/* ---- told by the mailbox ----------------------------------------------------------------------------- */

struct told {
    uint32_t n_run;
    _Atomic uint32_t n_dropped;
};

static void run_told(void *target, void *payload)
{
    struct told *t = target;
    t->n_run++;
}

static void drop_told(void *payload)
{
    struct told *t = payload;
    atomic_fetch_add(&t->n_dropped, 1);
}

static void refusal_is_told_and_all_else_dropped(void **state)
{
    struct port refuses = port_open(), stands = port_open();
    struct prober *p = NULL;
    struct error err = ERROR_INIT;
    struct told told = {0};
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "told"});
    const struct mailbox_op op = {
        .run = run_told, .target = &told, .payload = &told, .drop = drop_told};
    assert_int_equal(listen(stands.fd, 4), 0);
    assert_int_equal(prober_new(&p, &err), 0);
    const struct resourcemanager_prober ops = prober_ops(p);
    ops.probe(ops.arg, stands.address, "127.0.0.1:1", SHORT_MS, m, &op);
    ops.probe(ops.arg, refuses.address, "127.0.0.1:1", LONG_MS, m, &op);
    while (!mailbox_has_ops(m)) {
        uint32_t ticket = event_count_prepare(mailbox_event(m));
        if (mailbox_has_ops(m)) {
            event_count_cancel(mailbox_event(m));
        } else {
            (void)event_count_wait(mailbox_event(m), ticket, -1);
        }
    }
    prober_free(p);
    assert_int_equal(mailbox_run(m, 8), 1);
    assert_int_equal(told.n_run, 1);
    assert_int_equal(atomic_load(&told.n_dropped), 1);
    mailbox_unref(m);
    close(refuses.fd);
    close(stands.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_without_a_listener_refuses),
        cmocka_unit_test(who_listens_lives),
        cmocka_unit_test(one_that_closes_while_it_is_asked_is_asked_again),
        cmocka_unit_test(loopback_of_others_says_nothing),
        cmocka_unit_test(what_is_no_address_says_nothing),
        cmocka_unit_test(refusal_is_told_and_all_else_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
