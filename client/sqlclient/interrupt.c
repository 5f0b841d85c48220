/* Ctrl-C ends the query and not the shell: handlers set flags that whoever waits looks at, and make a descriptor readable, so
 * that a wait that has just begun ends, too: a signal between a look at the flag and the wait would be lost otherwise.
 * Thread: any for handlers; the shell's for the rest. */
#include "client/sqlclient/inside.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static _Atomic bool interrupted, terminated;
static int wake_fd = -1;

static void wake(void)
{
    const uint64_t one = 1;
    int kept = errno;
    (void)!write(wake_fd, &one, sizeof(one)); /* a full counter is readable as well */
    errno = kept;
}

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = true;
    wake();
}

static void on_terminate(int signal_number)
{
    (void)signal_number;
    terminated = true;
    wake();
}

void interrupt_install(void)
{
    /* Restarted: output is written to its end.  Waits are polls, which no flag restarts. */
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    wake_fd = wake_fd >= 0 ? wake_fd : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(wake_fd >= 0);
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    sa.sa_handler = on_terminate;
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGHUP, &sa, NULL);
    sa.sa_handler = SIG_IGN; /* a reader that goes away is an error of the write */
    (void)sigaction(SIGPIPE, &sa, NULL);
}

bool interrupt_came(void)
{
    return interrupted || terminated;
}

bool interrupt_is_final(void)
{
    return terminated;
}

static void drain(void)
{
    uint64_t count;
    (void)!read(wake_fd, &count, sizeof(count));
}

void interrupt_clear(void)
{
    drain();
    interrupted = false;
}

int interrupt_poll(int fd, int64_t timeout_ms)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    for (;;) {
        if (interrupt_came()) {
            return -1;
        }
        int n = poll(fds, ARRAY_LEN(fds), (int)MIN(timeout_ms, (int64_t)INT_MAX));
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        if (n > 0 && fds[1].revents != 0 && !interrupt_came()) {
            drain(); /* of one that was forgotten: the flag may be set by now */
        } else if (n > 0 && fds[0].revents != 0 && !interrupt_came()) {
            return 1;
        } else if (n == 0) {
            return 0;
        }
    }
}
