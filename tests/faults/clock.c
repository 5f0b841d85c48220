/* A wall clock that is off, preloaded into the processes of a cluster: what clock_gettime(CLOCK_REALTIME), gettimeofday() and
 * time() say is moved as the line in the file $FLINC_CLOCK_RULES says, which a test writes and takes away while they run.
 *
 *   offset MS        so far off, back or forth
 *   steps MS         so much further back each 100 ms, for a second; then it begins anew
 *   rate PERCENT     200: twice as fast as it should be, from the first look on
 *
 * The monotonic clock is not touched: nothing may depend on the wall clock but what is told to people, and timers of
 * processing time.
 *
 * Thread: any; the rule is a few atomics, which whoever comes first after LOOK_EVERY_NS reads anew. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define LOOK_EVERY_NS (10 * NS_PER_MS)
#define STEP_EVERY_NS (100 * NS_PER_MS)

enum { STEPS = 10 };
enum kind { NONE, OFFSET, RUNNING_STEPS, RATE };

static _Atomic int kind;
static _Atomic int64_t value, since_ns, looked_ns;

static int64_t kernel_ns(clockid_t id)
{
    struct timespec t;
    syscall(SYS_clock_gettime, id, &t); /* not libc's: that is this file */
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void read_rule(int64_t now_ns)
{
    char text[64] = "", name[16] = "";
    long long n = 0;
    const char *path = getenv("FLINC_CLOCK_RULES");
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        long got = syscall(SYS_pread64, fd, text, sizeof(text) - 1, 0L);
        text[got > 0 ? got : 0] = '\0';
        syscall(SYS_close, fd);
    }
    int fields = sscanf(text, "%15s %lld", name, &n);
    enum kind k = fields != 2                   ? NONE
                  : strcmp(name, "offset") == 0 ? OFFSET
                  : strcmp(name, "steps") == 0  ? RUNNING_STEPS
                  : strcmp(name, "rate") == 0   ? RATE
                                                : NONE;
    if ((int)k != atomic_load(&kind) || n != atomic_load(&value)) {
        atomic_store(&since_ns, now_ns);
        atomic_store(&value, n);
        atomic_store(&kind, (int)k);
    }
}

static int64_t shift_ns(void)
{
    int64_t now_ns = kernel_ns(CLOCK_MONOTONIC), looked = atomic_load(&looked_ns);
    if (now_ns - looked >= LOOK_EVERY_NS &&
        atomic_compare_exchange_strong(&looked_ns, &looked, now_ns)) {
        read_rule(now_ns);
    }
    int64_t n = atomic_load(&value), passed_ns = now_ns - atomic_load(&since_ns);
    switch (atomic_load(&kind)) {
    case OFFSET:
        return n * NS_PER_MS;
    case RUNNING_STEPS:
        return -n * NS_PER_MS * (passed_ns / STEP_EVERY_NS % STEPS + 1);
    case RATE:
        return passed_ns / 100 * (n - 100);
    default:
        return 0;
    }
}

static int64_t wall_ns(void)
{
    return kernel_ns(CLOCK_REALTIME) + shift_ns();
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) {
        return (int)syscall(SYS_clock_gettime, id, t);
    }
    int64_t ns = wall_ns();
    *t = (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
    return 0;
}

int gettimeofday(struct timeval *t, void *zone)
{
    int64_t ns = wall_ns();
    (void)zone;
    *t = (struct timeval){ns / NS_PER_S, ns % NS_PER_S / 1000};
    return 0;
}

time_t time(time_t *ret)
{
    time_t s = wall_ns() / NS_PER_S;
    if (ret != NULL) {
        *ret = s;
    }
    return s;
}
