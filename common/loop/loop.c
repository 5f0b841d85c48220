/* The event loop: epoll for descriptors, an eventfd for wakes, a mailbox for operations, timers.
 *
 * A waker writes to the eventfd only when the loop sleeps or is about to; otherwise it leaves a mark
 * that the loop sees before it sleeps.  A watch that a callback deletes is kept until the end of the
 * round, because its events may be among those already fetched.  Thread: the owner; wake, stop and
 * posts any. */
#include "common/loop/loop.h"

#include "common/base/mem.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { LOOP_EVENTS_PER_ROUND = 64 };

struct loop_fd {
    struct loop *loop;
    struct loop_fd *next, **link; /* in loop.watches, or loop.deleted */
    int fd;
    uint32_t events;
    bool deleted;
    void (*fn)(void *arg, int fd, uint32_t events);
    void *arg;
};

struct loop_signal {
    struct loop_signal *next;
    struct loop_fd *watch;
    int fd, signo;
    void (*fn)(void *arg, int signo);
    void *arg;
};

struct loop {
    int epoll_fd, wake_fd;
    char *name; /* Owns */
    const struct clock *clock;
    struct mailbox *mailbox; /* counted; posts wake the loop */
    struct timers timers;
    struct loop_fd *watches, *deleted; /* Owns */
    struct loop_signal *signals;       /* Owns */
    bool dispatching;
    _Atomic bool sleeping; /* in epoll_wait, or about to be */
    _Atomic bool woken;    /* somebody called loop_wake since the last wait */
    _Atomic bool stop;
};

static void loop_on_post(void *arg)
{
    loop_wake(arg);
}

int loop_new(const struct loop_options *options, struct loop **ret_loop, struct error *err)
{
    struct loop *l = MEM_NEW(struct loop);
    l->name = mem_strdup(options->name != NULL ? options->name : "loop");
    l->clock = options->clock != NULL ? options->clock : &clock_system;
    timers_init(&l->timers, l->clock);
    l->mailbox = mailbox_new(&(struct mailbox_options){.name = l->name,
                                                       .limit = options->mailbox_limit,
                                                       .on_post = loop_on_post,
                                                       .on_post_arg = l});
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN};
    if (l->epoll_fd < 0 || l->wake_fd < 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &wake) < 0) {
        int rc = error_set_errno(err, errno, "making event loop %s", l->name);
        loop_free(l);
        return rc;
    }
    *ret_loop = l;
    return 0;
}

static void loop_free_deleted(struct loop *l)
{
    while (l->deleted != NULL) {
        struct loop_fd *w = l->deleted;
        l->deleted = w->next;
        mem_free(w);
    }
}

struct loop *loop_free(struct loop *l)
{
    if (l == NULL) {
        return NULL;
    }
    ASSERT(!l->dispatching);
    mailbox_close(l->mailbox);
    timers_fini(&l->timers);
    while (l->signals != NULL) {
        struct loop_signal *s = l->signals;
        l->signals = s->next;
        loop_del(s->watch);
        close(s->fd);
        mem_free(s);
    }
    while (l->watches != NULL) {
        loop_del(l->watches);
    }
    loop_free_deleted(l);
    if (l->epoll_fd >= 0) {
        close(l->epoll_fd);
    }
    if (l->wake_fd >= 0) {
        close(l->wake_fd);
    }
    mailbox_unref(l->mailbox);
    mem_free(l->name);
    mem_free(l);
    return NULL;
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static uint32_t events_to_epoll(uint32_t events)
{
    return (events & LOOP_READ ? EPOLLIN | EPOLLRDHUP : 0) | (events & LOOP_WRITE ? EPOLLOUT : 0);
}

static uint32_t events_from_epoll(uint32_t events)
{
    return (events & EPOLLIN ? LOOP_READ : 0) | (events & EPOLLOUT ? LOOP_WRITE : 0) |
           (events & (EPOLLHUP | EPOLLRDHUP) ? LOOP_HANGUP : 0) |
           (events & EPOLLERR ? LOOP_ERROR : 0);
}

int loop_add(struct loop *l, int fd, uint32_t events,
             void (*fn)(void *arg, int fd, uint32_t events), void *arg, struct loop_fd **ret_watch,
             struct error *err)
{
    struct loop_fd *w = MEM_NEW(struct loop_fd);
    *w = (struct loop_fd){.loop = l, .fd = fd, .events = events, .fn = fn, .arg = arg};
    struct epoll_event e = {.events = events_to_epoll(events), .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
        int rc =
            error_set_errno(err, errno, "watching descriptor %d in event loop %s", fd, l->name);
        mem_free(w);
        return rc;
    }
    w->next = l->watches;
    w->link = &l->watches;
    if (w->next != NULL) {
        w->next->link = &w->next;
    }
    l->watches = w;
    *ret_watch = w;
    return 0;
}

int loop_mod(struct loop_fd *w, uint32_t events, struct error *err)
{
    ASSERT(!w->deleted);
    if (w->events == events) {
        return 0;
    }
    struct epoll_event e = {.events = events_to_epoll(events), .data.ptr = w};
    if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &e) < 0) {
        return error_set_errno(err, errno, "watching descriptor %d in event loop %s", w->fd,
                               w->loop->name);
    }
    w->events = events;
    return 0;
}

struct loop_fd *loop_del(struct loop_fd *w)
{
    if (w == NULL) {
        return NULL;
    }
    struct loop *l = w->loop;
    ASSERT(!w->deleted);
    w->deleted = true;
    /* Fails only for a descriptor that was closed, and a closed one is no longer watched. */
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    *w->link = w->next;
    if (w->next != NULL) {
        w->next->link = w->link;
    }
    w->next = l->deleted;
    l->deleted = w;
    if (!l->dispatching) {
        loop_free_deleted(l);
    }
    return NULL;
}

/* ---- signals ---------------------------------------------------------------------------------- */

static void loop_on_signal(void *arg, int fd, uint32_t events)
{
    struct loop_signal *s = arg;
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        s->fn(s->arg, s->signo);
    }
}

int loop_add_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg,
                    struct error *err)
{
    for (struct loop_signal *s = l->signals; s != NULL; s = s->next) {
        if (s->signo == signo) {
            return error_set(err, ERR_ALREADY_EXISTS, "event loop %s watches signal %d already",
                             l->name, signo);
        }
    }
    sigset_t set;
    sigemptyset(&set);
    if (sigaddset(&set, signo) < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "there is no signal %d", signo);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return error_set_errno(err, errno, "watching signal %d in event loop %s", signo, l->name);
    }
    struct loop_signal *s = MEM_NEW(struct loop_signal);
    *s = (struct loop_signal){.fd = fd, .signo = signo, .fn = fn, .arg = arg};
    int rc = loop_add(l, fd, LOOP_READ, loop_on_signal, s, &s->watch, err);
    if (rc < 0) {
        close(fd);
        mem_free(s);
        return rc;
    }
    s->next = l->signals;
    l->signals = s;
    return 0;
}

/* ---- rounds ----------------------------------------------------------------------------------- */

/* How long epoll may wait, in its milliseconds: rounded up, so that a timer is due when it returns. */
static int loop_wait_ms(const struct loop *l, int64_t timeout_ms)
{
    int64_t wait_ns = timers_wait_ns(&l->timers);
    int64_t wait_ms = wait_ns < 0 ? -1 : wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    if (l->clock != &clock_system && wait_ms > 0) {
        wait_ms = -1; /* that clock moves by hand, and whoever moves it wakes the loop */
    }
    if (timeout_ms >= 0 && (wait_ms < 0 || timeout_ms < wait_ms)) {
        wait_ms = timeout_ms;
    }
    return (int)MIN(wait_ms, (int64_t)INT_MAX);
}

/* Waits and fetches events; returns how many, or an error. */
static int loop_wait(struct loop *l, int64_t timeout_ms, struct epoll_event *events,
                     struct error *err)
{
    int wait_ms = loop_wait_ms(l, timeout_ms);
    if (wait_ms != 0) {
        /* Sequentially consistent with loop_wake(): one of the two sees the other. */
        atomic_store(&l->sleeping, true);
        if (atomic_exchange(&l->woken, false) || mailbox_has_ops(l->mailbox)) {
            wait_ms = 0;
        }
    }
    int n = epoll_wait(l->epoll_fd, events, LOOP_EVENTS_PER_ROUND, wait_ms);
    int errno_value = errno;
    atomic_store(&l->sleeping, false);
    atomic_exchange(&l->woken, false); /* what it was for is looked at from here on */
    if (n < 0 && errno_value != EINTR) {
        return error_set_errno(err, errno_value, "waiting in event loop %s", l->name);
    }
    return MAX(n, 0);
}

static int loop_dispatch(struct loop *l, const struct epoll_event *events, int n)
{
    int ran = 0;
    for (int i = 0; i < n; i++) {
        struct loop_fd *w = events[i].data.ptr;
        if (w == NULL) {
            uint64_t count;
            (void)!read(l->wake_fd, &count, sizeof(count));
        } else if (!w->deleted) {
            w->fn(w->arg, w->fd, events_from_epoll(events[i].events));
            ran++;
        }
    }
    return ran;
}

int loop_run_once(struct loop *l, int64_t timeout_ms, struct error *err)
{
    ASSERT(!l->dispatching);
    struct epoll_event events[LOOP_EVENTS_PER_ROUND];
    int n = loop_wait(l, timeout_ms, events, err);
    TRY(n);
    l->dispatching = true;
    size_t ran = timers_run_due(&l->timers);
    /* Only what waits now: operations that post operations must not starve the descriptors. */
    ran += mailbox_run(l->mailbox, mailbox_len(l->mailbox));
    ran += (size_t)loop_dispatch(l, events, n);
    l->dispatching = false;
    loop_free_deleted(l);
    return (int)MIN(ran, (size_t)INT_MAX);
}

int loop_run(struct loop *l, struct error *err)
{
    while (!atomic_exchange(&l->stop, false)) {
        TRY(loop_run_once(l, -1, err));
    }
    return 0;
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    loop_wake(l);
}

void loop_wake(struct loop *l)
{
    if (atomic_exchange(&l->woken, true)) {
        return; /* the waker before has done, or will do, the rest */
    }
    if (atomic_exchange(&l->sleeping, false)) {
        /* An eventfd refuses only when its counter is full, and then it is readable anyway. */
        (void)!write(l->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    }
}

uint64_t loop_schedule(struct loop *l, int64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    return timers_add_after_ms(&l->timers, delay_ms, fn, arg);
}

uint64_t loop_schedule_owned(struct loop *l, int64_t delay_ms, void (*fn)(void *arg), void *arg,
                             void (*drop)(void *arg))
{
    return timers_add_owned(&l->timers, clock_monotonic_ns(l->clock) + delay_ms * 1000000, fn, arg,
                            drop);
}

bool loop_cancel(struct loop *l, uint64_t handle)
{
    return timers_cancel(&l->timers, handle);
}

struct mailbox *loop_mailbox(struct loop *l)
{
    return l->mailbox;
}
