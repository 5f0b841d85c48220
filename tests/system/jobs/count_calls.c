/* Preloaded into a program, it counts what must not happen per record: allocations, locks, and calls of
 * the system.  At the end it writes "name calls" lines to the file that $COUNT_CALLS_TO names.
 *
 * Calls that libc makes inside of itself are not seen; the engine's are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ALLOCATIONS, FREES, LOCKS, SYSTEM_CALLS, KINDS };

static const char *const names[KINDS] = {"allocations", "frees", "locks", "system_calls"};
static _Atomic long counts[KINDS];

static void count(int kind)
{
    atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("COUNT_CALLS_TO");
    FILE *f = path != NULL ? fopen(path, "w") : NULL;

    for (int i = 0; f != NULL && i < KINDS; i++) {
        fprintf(f, "%s %ld\n", names[i], atomic_load(&counts[i]));
    }
    if (f != NULL) {
        fclose(f);
    }
}

/* ---- memory: the names behind which libc keeps its own ------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

void *malloc(size_t size)
{
    count(ALLOCATIONS);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(ALLOCATIONS);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    count(ALLOCATIONS);
    return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(ALLOCATIONS);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    count(ALLOCATIONS);
    *ret = __libc_memalign(alignment, size);
    return *ret == NULL;
}

void free(void *p)
{
    count(FREES);
    __libc_free(p);
}

/* ---- locks and the system ------------------------------------------------------------------------ */

/* Calls the next definition of the function. */
#define NEXT(function)                                    \
    ({                                                    \
        static __typeof__(function) *next_;               \
        if (next_ == NULL) {                              \
            void *address_ = dlsym(RTLD_NEXT, #function); \
            memcpy(&next_, &address_, sizeof(next_));     \
        }                                                 \
        next_;                                            \
    })

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    count(LOCKS);
    return NEXT(pthread_mutex_lock)(mutex);
}

int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    count(LOCKS);
    return NEXT(pthread_mutex_clocklock)(mutex, clock, until);
}

ssize_t read(int fd, void *to, size_t n)
{
    count(SYSTEM_CALLS);
    return NEXT(read)(fd, to, n);
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    count(SYSTEM_CALLS);
    return NEXT(pread)(fd, to, n, at);
}

ssize_t preadv2(int fd, const struct iovec *to, int n, off_t at, int flags)
{
    count(SYSTEM_CALLS);
    return NEXT(preadv2)(fd, to, n, at, flags);
}

ssize_t write(int fd, const void *from, size_t n)
{
    count(SYSTEM_CALLS);
    return NEXT(write)(fd, from, n);
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    count(SYSTEM_CALLS);
    return NEXT(poll)(fds, n, timeout_ms);
}

/* Futexes: the engine's own way to sleep and wake.  Six arguments are what the system takes at most. */
long syscall(long number, ...)
{
    va_list ap;
    long a[6];

    count(SYSTEM_CALLS);
    va_start(ap, number);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(ap, long);
    }
    va_end(ap);
    return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
