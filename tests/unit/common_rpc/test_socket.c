/* Channels over a socket pair: both ends on loops that the test runs, and a peer that is another process. */
#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/rpc/frame.h"
#include "common/rpc/socket.h"
#include "proto/worker.pb-c.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000 };

struct end {
    struct rpc_channel *channel;
    uint64_t received, bytes, disordered, last;
    uint32_t n_fds, n_closed;
    struct stat fd_stat[8];
    uint64_t fd_of[8]; /* the number of the message that each came with */
    struct error why;
};

struct fixture {
    struct loop *loop;
    struct mailbox *small; /* the worker's deliveries, when not by the loop */
    struct end master, worker;
    int fds[2];
};

static void end_count(struct end *e, uint64_t number, size_t size)
{
    e->disordered += number != e->last + 1;
    e->last = number;
    e->received++;
    e->bytes += size;
}

static void worker_on_message(void *target, ProtobufCMessage *message)
{
    Flinc__TaskManagerToWorker *m = (Flinc__TaskManagerToWorker *)message;
    end_count(target, m->message->link, m->message->message.len);
    rpc_message_free(message);
}

static void worker_on_fd(void *target, ProtobufCMessage *message, int fd)
{
    struct end *e = target;
    Flinc__TaskManagerToWorker *m = (Flinc__TaskManagerToWorker *)message;
    assert_int_equal(fstat(fd, &e->fd_stat[e->n_fds % 8]), 0);
    e->fd_of[e->n_fds++ % 8] = m->message->link;
    close(fd);
    worker_on_message(target, message);
}

static void master_on_message(void *target, ProtobufCMessage *message)
{
    Flinc__WorkerToTaskManager *m = (Flinc__WorkerToTaskManager *)message;
    end_count(target, m->message->link, m->message->message.len);
    rpc_message_free(message);
}

static void on_end_closed(void *target, const struct error *why)
{
    struct end *e = target;
    e->n_closed++;
    error_copy(&e->why, why);
}

static void open_master(struct fixture *f, int fd)
{
    struct rpc_socket_options o = {.end = {.name = "to worker",
                                           .sends = &flinc__task_manager_to_worker__descriptor,
                                           .receives = &flinc__worker_to_task_manager__descriptor,
                                           .mailbox = loop_mailbox(f->loop),
                                           .on_message = master_on_message,
                                           .on_closed = on_end_closed,
                                           .target = &f->master},
                                   .loop = f->loop,
                                   .fd = fd};
    assert_int_equal(rpc_socket_open(&o, &f->master.channel, NULL), 0);
}

static void open_worker(struct fixture *f, int fd, struct mailbox *mailbox)
{
    struct rpc_socket_options o = {.end = {.name = "to task manager",
                                           .sends = &flinc__worker_to_task_manager__descriptor,
                                           .receives = &flinc__task_manager_to_worker__descriptor,
                                           .mailbox = mailbox,
                                           .on_message = worker_on_message,
                                           .on_closed = on_end_closed,
                                           .target = &f->worker},
                                   .loop = f->loop,
                                   .fd = fd,
                                   .on_message_fd = worker_on_fd};
    assert_int_equal(rpc_socket_open(&o, &f->worker.channel, NULL), 0);
}

static void fixture_init(struct fixture *f, uint32_t worker_mailbox_limit)
{
    memset(f, 0, sizeof(*f));
    struct loop_options options = {.name = "test", .mailbox_limit = 1000000};
    assert_int_equal(loop_new(&options, &f->loop, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fds), 0);
    open_master(f, f->fds[0]);
    if (worker_mailbox_limit > 0) {
        f->small =
            mailbox_new(&(struct mailbox_options){.name = "worker", .limit = worker_mailbox_limit});
    }
    open_worker(f, f->fds[1], f->small != NULL ? f->small : loop_mailbox(f->loop));
}

static void fixture_fini(struct fixture *f)
{
    rpc_channel_free(f->master.channel);
    rpc_channel_free(f->worker.channel);
    loop_free(f->loop);
    if (f->small != NULL) {
        mailbox_close(f->small);
        mailbox_unref(f->small);
    }
    failpoint_clear_all();
}

#define RUN_UNTIL(f, condition)                                                                 \
    do {                                                                                        \
        int64_t until_ns_ = clock_monotonic_ns(&clock_system) + PATIENCE_MS * INT64_C(1000000); \
        while (!(condition)) {                                                                  \
            assert_true(clock_monotonic_ns(&clock_system) < until_ns_);                         \
            assert_true(loop_run_once((f)->loop, 100, NULL) >= 0);                              \
        }                                                                                       \
    } while (0)

static int send_to_worker(struct fixture *f, uint64_t number, size_t size, int fd,
                          struct error *err)
{
    Flinc__LinkMessage link = FLINC__LINK_MESSAGE__INIT;
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    link.link = number;
    link.message.len = size;
    link.message.data = size > 0 ? mem_zalloc(size) : NULL;
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_MESSAGE;
    m.message = &link;
    int rc = fd >= 0 ? rpc_socket_send_fd(f->master.channel, &m.base, fd, err)
                     : rpc_channel_send(f->master.channel, &m.base, err);
    mem_free(link.message.data);
    return rc;
}

static int send_to_master(struct rpc_channel *c, uint64_t number, size_t size, struct error *err)
{
    Flinc__LinkMessage link = FLINC__LINK_MESSAGE__INIT;
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    link.link = number;
    link.message.len = size;
    link.message.data = size > 0 ? mem_zalloc(size) : NULL;
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_MESSAGE;
    m.message = &link;
    int rc = rpc_channel_send(c, &m.base, err);
    mem_free(link.message.data);
    return rc;
}

static int open_fds(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd; /* the lowest free one */
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void test_both_ways_in_order(void **state)
{
    enum { N = 100000 };
    struct fixture f;
    fixture_init(&f, 0);
    for (uint64_t i = 1; i <= N; i++) {
        assert_int_equal(send_to_worker(&f, i, 10, -1, NULL), 0);
        assert_int_equal(send_to_master(f.worker.channel, i, 20, NULL), 0);
        if (i % 1000 == 0) {
            assert_true(loop_run_once(f.loop, 0, NULL) >= 0);
        }
    }
    RUN_UNTIL(&f, f.worker.received == N && f.master.received == N);
    assert_int_equal(f.worker.disordered + f.master.disordered, 0);
    assert_int_equal(f.master.bytes, 20 * N);
    struct rpc_channel_stats stats;
    rpc_channel_get_stats(f.master.channel, &stats);
    assert_int_equal(stats.messages_sent, N);
    assert_int_equal(stats.messages_received, N);
    fixture_fini(&f);
}

static void test_large_messages(void **state)
{
    enum { LARGE = 20 * 1024 * 1024 };
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    for (uint64_t i = 1; i <= 2; i++) {
        assert_int_equal(send_to_worker(&f, i, LARGE, -1, NULL), 0);
        assert_int_equal(send_to_master(f.worker.channel, i, LARGE, NULL), 0);
    }
    RUN_UNTIL(&f, f.worker.received == 2 && f.master.received == 2);
    assert_int_equal(f.worker.bytes, 2 * LARGE);
    assert_int_equal(send_to_worker(&f, 3, RPC_MESSAGE_BYTES_DEFAULT, -1, &err), ERR_TOO_LARGE);
    fixture_fini(&f);
}

static void test_descriptors_come_with_their_messages(void **state)
{
    enum { N = 2000, EVERY = 7 };
    struct fixture f;
    fixture_init(&f, 0);
    struct stat pipes[8] = {0};
    int before = open_fds(), n_sent = 0;
    for (uint64_t i = 1; i <= N; i++) {
        int fd = -1;
        if (i % EVERY == 0) {
            int p[2];
            assert_int_equal(pipe2(p, O_CLOEXEC), 0);
            fd = p[0];
            assert_int_equal(fstat(fd, &pipes[n_sent++ % 8]), 0);
            close(p[1]);
        }
        /* Large ones between them fill the socket, so that some wait in the queue. */
        assert_int_equal(send_to_worker(&f, i, i % 10 == 0 ? 50000 : 5, fd, NULL), 0);
        if (i % 200 == 0) {
            RUN_UNTIL(&f, f.worker.received == i);
        }
    }
    RUN_UNTIL(&f, f.worker.received == N);
    assert_int_equal(f.worker.disordered, 0);
    assert_int_equal(f.worker.n_fds, N / EVERY);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(f.worker.fd_of[i] % EVERY, 0);
        assert_int_equal(f.worker.fd_stat[i].st_ino, pipes[i].st_ino);
    }
    assert_int_equal(open_fds(), before); /* none is left over */
    fixture_fini(&f);
}

static void test_descriptors_nobody_wants(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    int before = open_fds();
    f.master.channel = rpc_channel_free(f.master.channel);
    RUN_UNTIL(&f, f.worker.n_closed == 1);
    rpc_channel_free(f.worker.channel);
    RUN_UNTIL(&f, loop_run_once(f.loop, 0, NULL) == 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.fds), 0);
    open_master(&f, f.fds[0]);
    struct rpc_socket_options o = {.end = {.name = "to task manager",
                                           .sends = &flinc__worker_to_task_manager__descriptor,
                                           .receives = &flinc__task_manager_to_worker__descriptor,
                                           .mailbox = loop_mailbox(f.loop),
                                           .on_message = worker_on_message,
                                           .target = &f.worker},
                                   .loop = f.loop,
                                   .fd = f.fds[1]};
    assert_int_equal(rpc_socket_open(&o, &f.worker.channel, NULL), 0);
    assert_int_equal(send_to_worker(&f, 1, 5, dup(0), NULL), 0);
    RUN_UNTIL(&f, f.worker.received == 1);
    assert_int_equal(f.worker.n_fds, 0);
    assert_int_equal(open_fds(), before);
    /* One whose message cannot be sent is closed, too. */
    rpc_channel_close(f.master.channel);
    assert_int_equal(send_to_worker(&f, 2, 5, dup(0), NULL), ERR_CLOSED);
    assert_true(open_fds() <= before);
    fixture_fini(&f);
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void test_receiver_does_not_keep_up(void **state)
{
    enum { N = 500 };
    struct fixture f;
    fixture_init(&f, 4);
    for (uint64_t i = 1; i <= N; i++) {
        assert_int_equal(send_to_worker(&f, i, 100, i == 100 ? dup(0) : -1, NULL), 0);
    }
    RUN_UNTIL(&f, mailbox_n_refused(f.small) > 3);
    assert_int_equal(mailbox_len(f.small), 4);
    rpc_channel_close(f.master.channel); /* the end comes behind what is held */
    while (f.worker.n_closed == 0) {
        mailbox_run(f.small, SIZE_MAX);
        assert_true(loop_run_once(f.loop, 100, NULL) >= 0);
    }
    assert_int_equal(f.worker.received, N);
    assert_int_equal(f.worker.disordered, 0);
    assert_int_equal(f.worker.fd_of[0], 100);
    fixture_fini(&f);
}

static void test_sender_is_told_of_the_limit(void **state)
{
    enum { LARGE = 8 * 1024 * 1024 };
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    uint64_t n = 0;
    while (n < 100 && send_to_worker(&f, n + 1, LARGE, -1, &err) == 0) {
        n++;
    }
    assert_int_equal(err.code, ERR_LIMIT);
    RUN_UNTIL(&f, f.worker.received == n);
    assert_int_equal(send_to_worker(&f, n + 1, LARGE, -1, NULL), 0);
    RUN_UNTIL(&f, f.worker.received == n + 1);
    assert_int_equal(f.worker.disordered, 0);
    fixture_fini(&f);
}

/* ---- ends -------------------------------------------------------------------------------------- */

static void test_what_was_sent_before_a_close_arrives(void **state)
{
    enum { N = 300, BYTES = 10000 };
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    for (uint64_t i = 1; i <= N; i++) {
        assert_int_equal(send_to_worker(&f, i, BYTES, -1, NULL), 0);
    }
    f.master.channel = rpc_channel_free(f.master.channel);
    RUN_UNTIL(&f, f.worker.n_closed == 1);
    assert_int_equal(f.worker.received, N);
    assert_int_equal(f.worker.why.code, ERR_CLOSED);
    assert_int_equal(send_to_master(f.worker.channel, 1, 1, &err), ERR_CLOSED);
    assert_int_equal(f.master.n_closed, 0);
    fixture_fini(&f);
}

static void test_close_with_unread_messages(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(send_to_worker(&f, i, 10, -1, NULL), 0);
        assert_int_equal(send_to_master(f.worker.channel, i, 10, NULL), 0);
    }
    f.master.channel = rpc_channel_free(f.master.channel);
    RUN_UNTIL(&f, f.worker.n_closed == 1);
    assert_int_equal(f.worker.received, 10);
    fixture_fini(&f);
}

static void test_free_before_the_loop_ran(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(send_to_worker(&f, i, 10000, i % 100 == 0 ? dup(0) : -1, NULL), 0);
    }
    fixture_fini(&f);
}

/* The peer takes nothing and does not go away: the loop may be freed while the end still lingers. */
static void test_loop_ends_while_closing(void **state)
{
    struct fixture f;
    fixture_init(&f, 1);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(send_to_worker(&f, i, 10000, -1, NULL), 0);
    }
    f.master.channel = rpc_channel_free(f.master.channel);
    RUN_UNTIL(&f, mailbox_n_refused(f.small) > 2);
    assert_int_equal(f.worker.n_closed, 0);
    fixture_fini(&f);
}

static void test_damaged_frames(void **state)
{
    const struct {
        const char *bytes;
        size_t size;
        int code;
    } rows[] = {
        {"\xff\xff\xff\x7f", 4, ERR_TOO_LARGE},
        {"\x03\x00\x00\x00\xff\xff\xff", 7, ERR_CORRUPT},
        {"\x00\x00\x00\x80", 4, ERR_CORRUPT},
        {"\x08\x00\x00\x00"
         "abc",
         7, ERR_CLOSED}, /* and the end */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        memset(&f, 0, sizeof(f));
        assert_int_equal(loop_new(&(struct loop_options){.name = "test"}, &f.loop, NULL), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.fds), 0);
        open_worker(&f, f.fds[1], loop_mailbox(f.loop));
        assert_int_equal(write(f.fds[0], rows[i].bytes, rows[i].size), (ssize_t)rows[i].size);
        if (rows[i].code == ERR_CLOSED) {
            close(f.fds[0]);
        }
        RUN_UNTIL(&f, f.worker.n_closed == 1);
        assert_int_equal(f.worker.why.code, rows[i].code);
        assert_int_equal(f.worker.received, 0);
        if (rows[i].code != ERR_CLOSED) {
            char byte;
            assert_true(read(f.fds[0], &byte, 1) <= 0); /* it hung up on us */
            close(f.fds[0]);
        }
        fixture_fini(&f);
    }
}

/* ---- another process --------------------------------------------------------------------------- */

/* The child sends `n` messages without a loop that runs, and then waits to be killed, or ends. */
static pid_t start_child(struct fixture *f, uint64_t n, bool waits)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(f->fds[0]);
        if (loop_new(&(struct loop_options){.name = "child"}, &f->loop, NULL) < 0) {
            _exit(2);
        }
        open_worker(f, f->fds[1], loop_mailbox(f->loop));
        for (uint64_t i = 1; i <= n; i++) {
            if (send_to_master(f->worker.channel, i, 100, NULL) < 0) {
                _exit(3);
            }
        }
        while (waits) {
            pause();
        }
        _exit(0);
    }
    close(f->fds[1]);
    assert_int_equal(loop_new(&(struct loop_options){.name = "test"}, &f->loop, NULL), 0);
    open_master(f, f->fds[0]);
    return pid;
}

static void test_peer_is_killed(void **state)
{
    struct fixture f;
    pid_t pid = start_child(&f, 50, true);
    RUN_UNTIL(&f, f.master.received == 50);
    assert_int_equal(kill(pid, SIGKILL), 0);
    RUN_UNTIL(&f, f.master.n_closed == 1);
    assert_int_equal(f.master.why.code, ERR_CLOSED);
    assert_int_equal(send_to_worker(&f, 1, 1, -1, NULL), ERR_CLOSED);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fixture_fini(&f);
}

static void test_last_words_of_a_process(void **state)
{
    struct fixture f;
    pid_t pid = start_child(&f, 50, false);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    RUN_UNTIL(&f, f.master.n_closed == 1);
    assert_int_equal(f.master.received, 50);
    fixture_fini(&f);
}

/* ---- threads ----------------------------------------------------------------------------------- */

static void *loop_main(void *arg)
{
    struct loop *l = arg;
    return loop_run(l, NULL) < 0 ? l : NULL;
}

/* Sends and the close come from a thread that is not the loop's. */
static void test_sends_from_another_thread(void **state)
{
    enum { N = 20000 };
    for (int round = 0; round < 10; round++) {
        struct fixture f;
        fixture_init(&f, 1000000);
        pthread_t thread;
        assert_int_equal(thread_start(&thread, "loop", loop_main, f.loop, NULL), 0);
        for (uint64_t i = 1; i <= N; i++) {
            assert_int_equal(send_to_worker(&f, i, 100, -1, NULL), 0);
        }
        f.master.channel = rpc_channel_free(f.master.channel);
        while (f.worker.n_closed == 0) {
            uint32_t ticket = event_count_prepare(mailbox_event(f.small));
            if (mailbox_has_ops(f.small)) {
                event_count_cancel(mailbox_event(f.small));
                mailbox_run(f.small, SIZE_MAX);
            } else {
                event_count_wait(mailbox_event(f.small), ticket, -1);
            }
        }
        assert_int_equal(f.worker.received, N);
        assert_int_equal(f.worker.disordered, 0);
        f.worker.channel = rpc_channel_free(f.worker.channel);
        loop_stop(f.loop);
        thread_join(thread);
        fixture_fini(&f);
    }
}

static void test_failpoints(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    assert_int_equal(failpoint_configure("rpc.socket.send=error:no,nth=1", NULL), 0);
    assert_int_equal(send_to_worker(&f, 1, 1, -1, &err), ERR_IO);
    failpoint_clear_all();
    assert_int_equal(failpoint_configure("rpc.socket.receive=error:cut,nth=2", NULL), 0);
    assert_int_equal(send_to_worker(&f, 1, 1, -1, &err), 0);
    assert_int_equal(send_to_worker(&f, 2, 1, -1, &err), 0);
    RUN_UNTIL(&f, f.worker.n_closed == 1 && f.master.n_closed == 1);
    assert_int_equal(f.worker.received, 1);
    assert_int_equal(f.worker.why.code, ERR_IO);
    failpoint_clear_all();
    assert_int_equal(failpoint_configure("rpc.socket.open=error:no", NULL), 0);
    struct rpc_socket_options o = {.fd = 0};
    struct rpc_channel *channel;
    assert_int_equal(rpc_socket_open(&o, &channel, &err), ERR_IO);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_in_order),
        cmocka_unit_test(test_large_messages),
        cmocka_unit_test(test_descriptors_come_with_their_messages),
        cmocka_unit_test(test_descriptors_nobody_wants),
        cmocka_unit_test(test_receiver_does_not_keep_up),
        cmocka_unit_test(test_sender_is_told_of_the_limit),
        cmocka_unit_test(test_what_was_sent_before_a_close_arrives),
        cmocka_unit_test(test_close_with_unread_messages),
        cmocka_unit_test(test_free_before_the_loop_ran),
        cmocka_unit_test(test_loop_ends_while_closing),
        cmocka_unit_test(test_damaged_frames),
        cmocka_unit_test(test_peer_is_killed),
        cmocka_unit_test(test_last_words_of_a_process),
        cmocka_unit_test(test_sends_from_another_thread),
        cmocka_unit_test(test_failpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
