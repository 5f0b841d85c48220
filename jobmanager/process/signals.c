/* Signals by a signalfd that the main thread polls; see signals.h. */
#include "jobmanager/process/signals.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include "jobmanager/process/process.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char topic[] = "flinc.process";

static int signal_fd = -1;
static int asked_fd = -1;
static _Atomic int asked_code;
static _Atomic bool asked;

int signals_init(struct error *err)
{
    struct sigaction old;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
        (void)sigaddset(&set, SIGHUP);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of the write */
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    asked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signal_fd < 0 || asked_fd < 0) {
        return error_set_errno(err, errno, "preparing for signals");
    }
    return 0;
}

void signals_ask_end(int exit_code)
{
    bool none = false;
    uint64_t one = 1;
    if (atomic_compare_exchange_strong(&asked, &none, true)) {
        atomic_store(&asked_code, exit_code);
        (void)!write(asked_fd, &one, sizeof(one));
    }
}

/* The number of a signal that has come; 0: none. */
static int read_signal(void)
{
    struct signalfd_siginfo info;
    return read(signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

int signals_wait(int *ret_exit_code)
{
    uint64_t count;
    for (;;) {
        struct pollfd p[] = {{.fd = signal_fd, .events = POLLIN},
                             {.fd = asked_fd, .events = POLLIN}};
        (void)poll(p, ARRAY_LEN(p), -1);
        int number = read_signal();
        if (number != 0) {
            return number;
        }
        if (read(asked_fd, &count, sizeof(count)) == sizeof(count)) {
            *ret_exit_code = atomic_load(&asked_code);
            return 0;
        }
    }
}

/* ---- while it ends -------------------------------------------------------------------------------- */

static int64_t end_limit_ms;

static void *watch_end(void *arg)
{
    (void)arg;
    int64_t deadline = clock_monotonic_ms(&clock_system) + end_limit_ms;
    for (;;) {
        int64_t left = deadline - clock_monotonic_ms(&clock_system);
        if (left <= 0) {
            LOG_ERROR(topic,
                      "The process did not stop within %lld ms "
                      "(cluster.services.shutdown-timeout) and is ended now.",
                      (long long)end_limit_ms);
            _exit(PROCESS_EXIT_STUCK);
        }
        struct pollfd p = {.fd = signal_fd, .events = POLLIN};
        (void)poll(&p, 1, (int)MIN(left, (int64_t)INT32_MAX));
        int number = read_signal();
        if (number != 0) {
            LOG_WARN(topic, "RECEIVED SIGNAL %d: %s, again; the process ends at once.", number,
                     strsignal(number));
            _exit(128 + number);
        }
    }
    return NULL;
}

void signals_begin_end(int64_t limit_ms)
{
    pthread_t thread;
    struct error err = ERROR_INIT;
    end_limit_ms = limit_ms;
    if (thread_start(&thread, "flinc-end", watch_end, NULL, &err) < 0) {
        LOG_WARN(topic, "Nobody watches the end of the process: %s", err.message);
    } else {
        (void)pthread_detach(thread); /* the process ends before it */
    }
}
