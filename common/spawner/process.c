/* The spawner process: one thread that waits for requests, for the stderr of its children and for their
 * ends, and tells the owner.  It exists before everything else in the program, so that it has no threads
 * and little memory, and forks fast.
 *
 *   SERVING ──► ENDING (asked to stop: SIGTERM, later SIGKILL) ──► exit when no child is left
 *      └──────► ENDING (the owner is gone: SIGKILL at once)
 *
 * It never waits for its owner: what the socket does not take is queued, and the queue is bounded by two
 * answers per child. */
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/spawner/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STDERR_CHUNK = PIPE_BUF,  /* what a pipe takes whole when poll says that it takes something */
    STDERR_READS_MAX = 32,    /* per turn and child */
    ENDING_GIVE_UP_MS = 5000, /* after SIGKILL, for children that the kernel does not let go */
    EVENTS_MAX = 64,
};

struct child {
    pid_t pid;
    int stderr_fd; /* Owns; -1: its end was seen */
    struct child_log log;
    struct str tail;
};

enum process_state {
    PROCESS_SERVING,
    PROCESS_ENDING,
};

struct process {
    int socket_fd, epoll_fd, signal_fd;
    enum process_state state;
    int64_t next_kill_ns; /* ENDING: when the next step is due */
    bool killed;          /* SIGKILL was sent to all */
    struct map children;  /* pid -> struct child * */
    struct vec outbox;    /* struct str: packets for the owner, the oldest first */
    bool outbox_watched;
    uint8_t packet[SPAWNER_REQUEST_MAX];
};

static int64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_system);
}

/* ---- to the owner ------------------------------------------------------------------------------- */

static void process_watch_socket(struct process *p)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint32_t)p->socket_fd};
    p->outbox_watched = p->outbox.len > 0;
    e.events |= p->outbox_watched ? EPOLLOUT : 0u;
    (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, p->socket_fd, &e);
}

static void process_flush(struct process *p)
{
    while (p->outbox.len > 0) {
        struct str *packet = VEC_AT(&p->outbox, struct str, 0);
        ssize_t n = send(p->socket_fd, packet->data, packet->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) {
            break;
        }
        str_fini(packet); /* sent; or the owner is gone, which the next read tells */
        vec_remove(&p->outbox, 0);
    }
    if (p->outbox_watched != (p->outbox.len > 0)) {
        process_watch_socket(p);
    }
}

static void process_answer(struct process *p, const struct spawner_header *h,
                           const struct str *tail)
{
    struct str *packet = VEC_PUSH(&p->outbox, struct str);
    str_append(packet, (const char *)h, sizeof(*h));
    if (tail != NULL && tail->len > 0) {
        size_t n = MIN(tail->len, (size_t)SPAWNER_STDERR_TAIL);
        str_append(packet, tail->data + tail->len - n, n);
    }
    process_flush(p);
}

/* ---- stderr of children ------------------------------------------------------------------------- */

static void child_keep(struct child *c, const char *data, size_t size)
{
    if (c->tail.len + size > 2 * SPAWNER_STDERR_TAIL) {
        size_t keep = SPAWNER_STDERR_TAIL;
        memmove(c->tail.data, c->tail.data + c->tail.len - keep, keep);
        c->tail.len = keep;
    }
    str_append(&c->tail, data, size);
}

static void child_close_stderr(struct child *c)
{
    if (c->stderr_fd >= 0) {
        close(c->stderr_fd); /* out of epoll with it */
        c->stderr_fd = -1;
    }
}

static void child_read_stderr(struct child *c)
{
    char chunk[STDERR_CHUNK];
    for (int i = 0; i < STDERR_READS_MAX && c->stderr_fd >= 0; i++) {
        ssize_t n = read(c->stderr_fd, chunk, sizeof(chunk));
        if (n > 0) {
            child_log_write(&c->log, chunk, (size_t)n);
            child_keep(c, chunk, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else {
            child_close_stderr(c);
        }
    }
}

static void child_free(void *value)
{
    struct child *c = value;
    child_close_stderr(c);
    child_log_close(&c->log);
    str_fini(&c->tail);
    mem_free(c);
}

/* ---- ends of children --------------------------------------------------------------------------- */

static struct child *process_find(struct process *p, pid_t pid)
{
    return map_find_bytes(&p->children, &pid, sizeof(pid));
}

static void process_child_ended(struct process *p, struct child *c, const siginfo_t *info)
{
    bool by_signal = info->si_code != CLD_EXITED;
    const struct spawner_header h = {
        .packet = SPAWNER_EXITED,
        .pid = c->pid,
        .value = info->si_status,
        .flags = (by_signal ? SPAWNER_BY_SIGNAL : 0u) |
                 (info->si_code == CLD_DUMPED ? SPAWNER_CORE_DUMPED : 0u),
    };
    /* What it started and left behind ends with it; the group exists until the leader is reaped. */
    (void)kill(-c->pid, SIGKILL);
    child_read_stderr(c);
    (void)waitpid(c->pid, NULL, 0);
    process_answer(p, &h, &c->tail);
    pid_t pid = c->pid;
    map_remove_bytes(&p->children, &pid, sizeof(pid));
}

/* Also what children left behind: it became ours (PR_SET_CHILD_SUBREAPER). */
static void process_reap(struct process *p)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return;
        }
        struct child *c = process_find(p, info.si_pid);
        if (c != NULL) {
            process_child_ended(p, c, &info);
        } else {
            (void)waitpid(info.si_pid, NULL, 0);
        }
    }
}

/* ---- requests ----------------------------------------------------------------------------------- */

static enum spawn_stage process_start_child(struct process *p, const struct spawn_order *o,
                                            const int *fds, pid_t *ret_pid)
{
    struct spawn_child started;
    if (p->children.len >= SPAWNER_CHILDREN_MAX || p->state != PROCESS_SERVING) {
        errno = EAGAIN;
        return SPAWN_STAGE_LIMIT;
    }
    enum spawn_stage stage = spawn_exec(o, fds, &started);
    if (stage != SPAWN_STAGE_NONE) {
        return stage;
    }
    struct child *c = MEM_NEW(struct child);
    *c = (struct child){.pid = started.pid, .stderr_fd = started.stderr_fd};
    child_log_open(&c->log, started.log_fd, o);
    map_put_bytes(&p->children, &c->pid, sizeof(c->pid), c);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)c->pid << 32};
    (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, c->stderr_fd, &e);
    *ret_pid = c->pid;
    return SPAWN_STAGE_NONE;
}

static void process_on_spawn(struct process *p, size_t size, const int *fds, uint32_t n_fds)
{
    struct spawn_order o;
    struct spawner_header h = {.packet = SPAWNER_RUNS};
    memcpy(&h.id, p->packet + offsetof(struct spawner_header, id), sizeof(h.id));
    if (spawn_order_decode(p->packet, size, &o, NULL) < 0) {
        h.flags = SPAWN_STAGE_REQUEST;
        h.value = EINVAL;
    } else {
        pid_t pid = 0;
        errno = EBADF;
        h.flags = o.header.n_fds == n_fds ? process_start_child(p, &o, fds, &pid) : SPAWN_STAGE_FDS;
        h.value = h.flags != SPAWN_STAGE_NONE ? errno : 0;
        h.pid = pid;
        spawn_order_fini(&o);
    }
    process_answer(p, &h, NULL);
}

static void process_signal_all(struct process *p, int signo)
{
    MAP_FOREACH (&p->children, e) {
        const struct child *c = e->value;
        (void)kill(signo == SIGKILL ? -c->pid : c->pid, signo);
    }
}

static void process_kill_all(struct process *p)
{
    p->state = PROCESS_ENDING;
    if (!p->killed) {
        p->killed = true;
        p->next_kill_ns = now_ns() + (int64_t)ENDING_GIVE_UP_MS * 1000000;
        process_signal_all(p, SIGKILL);
    }
}

static void process_stop(struct process *p)
{
    if (p->state == PROCESS_SERVING) {
        p->state = PROCESS_ENDING;
        p->next_kill_ns = now_ns() + (int64_t)SPAWNER_KILL_AFTER_MS * 1000000;
        process_signal_all(p, SIGTERM);
    }
}

static void process_on_packet(struct process *p, size_t size, const int *fds, uint32_t n_fds)
{
    struct spawner_header h;
    if (size < sizeof(h)) {
        return;
    }
    memcpy(&h, p->packet, sizeof(h));
    switch (h.packet) {
    case SPAWNER_SPAWN:
        process_on_spawn(p, size, fds, n_fds);
        break;
    case SPAWNER_SIGNAL:
        if (process_find(p, h.pid) != NULL) {
            (void)kill(h.pid, h.value);
        }
        break;
    case SPAWNER_STOP:
        process_stop(p);
        break;
    default:
        break;
    }
}

/* One packet with its descriptors.  False: there is none now. */
static bool process_receive(struct process *p)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * SPAWNER_FDS_MAX)];
    } control;
    struct iovec iov = {p->packet, sizeof(p->packet)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(p->socket_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR;
    }
    if (n <= 0) {
        process_kill_all(p); /* the owner is gone */
        (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, p->socket_fd, NULL);
        return false;
    }
    int fds[SPAWNER_FDS_MAX];
    uint32_t n_fds = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            n_fds = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
        }
    }
    process_on_packet(p, (size_t)n, fds, n_fds);
    for (uint32_t i = 0; i < n_fds; i++) {
        close(fds[i]);
    }
    return true;
}

/* ---- the loop ----------------------------------------------------------------------------------- */

static int process_wait_ms(const struct process *p)
{
    if (p->state == PROCESS_SERVING) {
        return -1;
    }
    int64_t left_ns = p->next_kill_ns - now_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / 1000000) + 1;
}

/* ENDING: the next step, when it is due.  False: it is over. */
static bool process_end_step(struct process *p)
{
    if (p->children.len == 0) {
        return false;
    }
    if (now_ns() >= p->next_kill_ns) {
        if (p->killed) {
            return false;
        }
        process_kill_all(p);
    }
    return true;
}

static void process_dispatch(struct process *p, const struct epoll_event *e)
{
    if (e->data.u64 >> 32 != 0) {
        struct child *c = process_find(p, (pid_t)(e->data.u64 >> 32));
        if (c != NULL) {
            child_read_stderr(c);
        }
    } else if (e->data.u64 == (uint32_t)p->signal_fd) {
        struct signalfd_siginfo info;
        (void)!read(p->signal_fd, &info, sizeof(info));
        process_reap(p);
    } else {
        process_flush(p);
        while (process_receive(p)) {
        }
    }
}

static void process_open(struct process *p, int socket_fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint32_t)socket_fd};
    sigset_t set;
    p->socket_fd = socket_fd;
    map_init(&p->children, child_free);
    vec_init(&p->outbox, sizeof(struct str));
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->epoll_fd < 0 || p->signal_fd < 0 ||
        epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, socket_fd, &e) != 0) {
        _exit(1); /* the owner's spawns say that the spawner is gone */
    }
    e.data.u64 = (uint32_t)p->signal_fd;
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->signal_fd, &e) != 0) {
        _exit(1);
    }
}

/* Away from the owner's terminal, process group, signals and descriptors. */
static void process_detach(int socket_fd, const char *name)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
    (void)setsid();
    (void)prctl(PR_SET_NAME, name);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int fd = 0; fd <= 2; fd++) {
        /* Missing ones are filled, so that nothing else gets these numbers. */
        if (fcntl(fd, F_GETFD) < 0) {
            (void)!open("/dev/null", O_RDWR);
        }
    }
    if (socket_fd > 3) {
        (void)close_range(3, (unsigned)socket_fd - 1, 0);
    }
    (void)close_range((unsigned)socket_fd + 1, ~0u, 0);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd >= 0) {
        (void)dup2(null_fd, 0);
        close(null_fd);
    }
}

void spawner_process_main(int socket_fd, const char *name)
{
    static struct process p;
    process_detach(socket_fd, name);
    process_open(&p, socket_fd);
    while (p.state == PROCESS_SERVING || process_end_step(&p)) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(p.epoll_fd, events, EVENTS_MAX, process_wait_ms(&p));
        for (int i = 0; i < n; i++) {
            process_dispatch(&p, &events[i]);
        }
    }
    process_flush(&p);
    _exit(0);
}
