/* Threads with names and blocked signals, and the event count.
 *
 * Event count: prepare() announces the waiter by a read-modify-write of `waiters`; signal() does one
 * on the same word, after its caller has changed what waiters look at.  The two are ordered: either
 * signal() comes second and sees the waiter, so it moves the epoch and wakes; or prepare() comes
 * second and, through the release and acquire of the pair, sees the change.  (A fence would do the
 * same, but the thread sanitizer does not know fences.) */
#include "common/base/thread.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { KERNEL_NAME_BYTES = 16 }; /* its limit, NUL included */

/* Read by handlers of signals, so its place must not be made at the first look: initial-exec. */
static _Thread_local char own_name[THREAD_NAME_BYTES] __attribute__((tls_model("initial-exec")));

_Thread_local const void *thread_mark_played __attribute__((tls_model("initial-exec")));

struct thread_start_args {
    void *(*fn)(void *arg);
    void *arg;
    char name[THREAD_NAME_BYTES];
};

static _Atomic int n_threads;

static void *thread_main(void *p)
{
    struct thread_start_args args = *(struct thread_start_args *)p;
    mem_free(p);
    thread_set_name(args.name);
    return args.fn(args.arg);
}

int thread_dump_signal(void)
{
    return SIGRTMIN + 6;
}

/* All but those that the faulting thread itself must take, and the one for thread dumps. */
static void fill_blocked_signals(sigset_t *set)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < ARRAY_LEN(synchronous); i++) {
        sigdelset(set, synchronous[i]);
    }
    sigdelset(set, thread_dump_signal());
}

int thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg,
                 struct error *err)
{
    struct thread_start_args *args = MEM_NEW(struct thread_start_args);
    args->fn = fn;
    args->arg = arg;
    snprintf(args->name, sizeof(args->name), "%s", name);

    sigset_t blocked, old;
    fill_blocked_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &old); /* the new thread inherits it */
    atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed);
    int rc = pthread_create(ret_thread, NULL, thread_main, args);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        atomic_fetch_sub_explicit(&n_threads, 1, memory_order_relaxed);
        mem_free(args);
        if (rc == EAGAIN) {
            return error_set(err, ERR_LIMIT,
                             "starting thread %s: the system's limit of threads is reached", name);
        }
        return error_set_errno(err, rc, "starting thread %s", name);
    }
    return 0;
}

void thread_join(pthread_t thread)
{
    int rc = pthread_join(thread, NULL);
    ASSERT(rc == 0);
    atomic_fetch_sub_explicit(&n_threads, 1, memory_order_relaxed);
}

void thread_set_name(const char *name)
{
    char cut[KERNEL_NAME_BYTES];
    snprintf(own_name, sizeof(own_name), "%s", name);
    snprintf(cut, sizeof(cut), "%.*s", KERNEL_NAME_BYTES - 1, name);
    pthread_setname_np(pthread_self(), cut);
}

const char *thread_name(void)
{
    return own_name;
}

int thread_count(void)
{
    return atomic_load_explicit(&n_threads, memory_order_relaxed);
}

/* ---- event count --------------------------------------------------------------------------- */

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}

static void wake_all(struct event_count *e) COLD;
static void wake_all(struct event_count *e)
{
    atomic_fetch_add_explicit(&e->epoch, 1, memory_order_release);
    futex(&e->epoch, FUTEX_WAKE, INT_MAX, NULL);
}

void event_count_signal(struct event_count *e)
{
    if (atomic_fetch_add_explicit(&e->waiters, 0, memory_order_acq_rel) != 0) {
        wake_all(e);
    }
}

uint32_t event_count_prepare(struct event_count *e)
{
    atomic_fetch_add_explicit(&e->waiters, 1, memory_order_acq_rel);
    return atomic_load_explicit(&e->epoch, memory_order_acquire);
}

void event_count_cancel(struct event_count *e)
{
    atomic_fetch_sub_explicit(&e->waiters, 1, memory_order_acq_rel);
}

bool event_count_wait(struct event_count *e, uint32_t ticket, int64_t timeout_ns)
{
    struct timespec deadline;
    const struct timespec *until = NULL;
    if (timeout_ns >= 0) {
        int64_t now_ns = clock_monotonic_ns(&clock_system);
        int64_t at_ns;
        if (!__builtin_add_overflow(now_ns, timeout_ns, &at_ns)) {
            deadline.tv_sec = (time_t)(at_ns / 1000000000);
            deadline.tv_nsec = (long)(at_ns % 1000000000);
            until = &deadline; /* absolute, on the monotonic clock */
        }
    }
    bool signalled = true;
    while (atomic_load_explicit(&e->epoch, memory_order_acquire) == ticket) {
        long rc = futex(&e->epoch, FUTEX_WAIT_BITSET, ticket, until);
        if (rc != 0 && errno == ETIMEDOUT) {
            signalled = atomic_load_explicit(&e->epoch, memory_order_acquire) != ticket;
            break;
        }
        ASSERT(rc == 0 || errno == EAGAIN || errno == EINTR);
    }
    event_count_cancel(e);
    return signalled;
}
