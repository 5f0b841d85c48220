/* A disk that fails, preloaded into the processes of a cluster: calls on files below some folder fail, are cut short, damaged
 * or slow as the rules say that a test writes to the file $FLINC_DISK_RULES, and takes away again, while they run.
 *
 *   OPERATIONS PREFIX ACTION [suffix=TEXT] [one_in=N]
 *   write,sync /tmp/x/tmp ENOSPC          what would take room of the disk
 *   read /tmp/x/checkpoints flip suffix=.sst
 *   sync /tmp/x/tmp 50ms                  each of them takes so long
 *
 * Operations: read, write, sync, make (files, folders, links, new names).  Actions: an error's name (ENOSPC, EIO, EROFS), short
 * (half of what was to be written or read), flip (a bit of what was read), a number of ms.  The file is replaced as a
 * whole (rename) and looked at every few ms.  The calls are the kernel's own, so that nothing here depends on libc's.
 *
 * Thread: any; a lock guards the rules. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RULES_MAX = 16, RULES_BYTES = 4096, LOOK_EVERY_MS = 3, NS_PER_MS = 1000000 };
enum { OP_READ = 1, OP_WRITE = 2, OP_SYNC = 4, OP_MAKE = 8 };

struct rule {
    unsigned ops;
    char prefix[PATH_MAX], suffix[64];
    int error; /* 0: none */
    bool is_short, flips;
    int64_t delay_ms;
    uint64_t one_in, n_met;
};

/* What becomes of a call. */
struct fate {
    int error;
    bool is_short, flips;
};

static struct rule rules[RULES_MAX];
static int n_rules;
static int64_t looked_ms;
static struct stat seen; /* the file that the rules are of */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- rules ------------------------------------------------------------------------------------------- */

static void read_ops(struct rule *r, char *text)
{
    static const struct {
        const char *name;
        unsigned op;
    } ops[] = {{"read", OP_READ}, {"write", OP_WRITE}, {"sync", OP_SYNC}, {"make", OP_MAKE}};
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
            r->ops |= strcmp(word, ops[i].name) == 0 ? ops[i].op : 0;
        }
    }
}

static void read_action(struct rule *r, const char *text)
{
    r->error = strcmp(text, "ENOSPC") == 0  ? ENOSPC
               : strcmp(text, "EIO") == 0   ? EIO
               : strcmp(text, "EROFS") == 0 ? EROFS
                                            : 0;
    r->is_short = strcmp(text, "short") == 0;
    r->flips = strcmp(text, "flip") == 0;
    r->delay_ms = strtol(text, NULL, 10);
}

static void read_rule(char *line)
{
    struct rule *r = &rules[n_rules];
    char *rest = NULL, *ops = strtok_r(line, " ", &rest), *prefix = strtok_r(NULL, " ", &rest),
         *action = strtok_r(NULL, " ", &rest);
    if (action == NULL || n_rules == RULES_MAX) {
        return;
    }
    *r = (struct rule){.one_in = 1};
    read_ops(r, ops);
    snprintf(r->prefix, sizeof(r->prefix), "%s", prefix);
    read_action(r, action);
    for (char *word; (word = strtok_r(NULL, " ", &rest)) != NULL;) {
        if (strncmp(word, "suffix=", 7) == 0) {
            snprintf(r->suffix, sizeof(r->suffix), "%s", word + 7);
        } else if (strncmp(word, "one_in=", 7) == 0) {
            r->one_in = strtoul(word + 7, NULL, 10);
        }
    }
    n_rules++;
}

static void read_rules(const char *path)
{
    char text[RULES_BYTES], *rest = NULL;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    long n = fd >= 0 ? syscall(SYS_pread64, fd, text, sizeof(text) - 1, 0L) : 0;
    if (fd >= 0) {
        close(fd);
    }
    n_rules = 0;
    text[n > 0 ? n : 0] = '\0';
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        read_rule(line);
    }
}

/* Under lock. */
static void look_at_rules(void)
{
    const char *path = getenv("FLINC_DISK_RULES");
    struct timespec t;
    struct stat st = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t now_ms = t.tv_sec * 1000 + t.tv_nsec / NS_PER_MS;
    if (path == NULL || now_ms - looked_ms < LOOK_EVERY_MS) {
        return;
    }
    looked_ms = now_ms;
    if (stat(path, &st) < 0) {
        n_rules = 0;
    } else if (st.st_ino != seen.st_ino || st.st_mtim.tv_nsec != seen.st_mtim.tv_nsec) {
        read_rules(path);
    }
    seen = st;
}

static bool fits(struct rule *r, unsigned op, const char *path)
{
    size_t n = strlen(path), prefix = strlen(r->prefix), suffix = strlen(r->suffix);
    return (r->ops & op) != 0 && strncmp(path, r->prefix, prefix) == 0 && n >= suffix &&
           strcmp(path + n - suffix, r->suffix) == 0 && ++r->n_met % r->one_in == 0;
}

static struct fate fate_of(unsigned op, const char *path)
{
    struct fate f = {0};
    int64_t delay_ms = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_rules && path[0] == '/'; i++) {
        struct rule *r = &rules[i];
        if (fits(r, op, path)) {
            f.error = f.error != 0 ? f.error : r->error;
            f.is_short |= r->is_short;
            f.flips |= r->flips;
            delay_ms += r->delay_ms;
        }
    }
    pthread_mutex_unlock(&lock);
    if (delay_ms > 0) {
        const struct timespec t = {delay_ms / 1000, delay_ms % 1000 * NS_PER_MS};
        nanosleep(&t, NULL);
    }
    return f;
}

static bool has_rules(void)
{
    pthread_mutex_lock(&lock);
    look_at_rules();
    bool has = n_rules > 0;
    pthread_mutex_unlock(&lock);
    return has;
}

static struct fate fate_of_path(unsigned op, const char *path)
{
    return has_rules() ? fate_of(op, path) : (struct fate){0};
}

static struct fate fate_of_fd(unsigned op, int fd)
{
    char link[64], path[PATH_MAX];
    if (!has_rules()) {
        return (struct fate){0};
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    long n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return fate_of(op, path);
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static ssize_t end_read(const struct fate *f, char *data, ssize_t n)
{
    if (n > 0 && f->flips) {
        data[n / 2] ^= 4;
    }
    return n;
}

static size_t part_of(const struct fate *f, size_t n)
{
    return f->is_short && n > 1 ? n / 2 : n;
}

ssize_t read(int fd, void *data, size_t n)
{
    struct fate f = fate_of_fd(OP_READ, fd);
    return f.error ? fail(f.error)
                   : end_read(&f, data, syscall(SYS_read, fd, data, part_of(&f, n)));
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
    struct fate f = fate_of_fd(OP_READ, fd);
    return f.error ? fail(f.error)
                   : end_read(&f, data, syscall(SYS_pread64, fd, data, part_of(&f, n), at));
}

ssize_t pread64(int fd, void *data, size_t n, off_t at) __attribute__((alias("pread")));

ssize_t preadv2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
    struct fate f = fate_of_fd(OP_READ, fd);
    if (f.error != 0) {
        return fail(f.error);
    }
    ssize_t got = syscall(SYS_preadv2, fd, v, n, at, 0L, flags);
    return n == 1 ? end_read(&f, v->iov_base, got) : got;
}

ssize_t preadv64v2(int fd, const struct iovec *v, int n, off_t at, int flags)
    __attribute__((alias("preadv2")));

/* ---- writing ----------------------------------------------------------------------------------------- */

ssize_t write(int fd, const void *data, size_t n)
{
    struct fate f = fate_of_fd(OP_WRITE, fd);
    return f.error ? fail(f.error) : syscall(SYS_write, fd, data, part_of(&f, n));
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    struct fate f = fate_of_fd(OP_WRITE, fd);
    return f.error ? fail(f.error) : syscall(SYS_pwrite64, fd, data, part_of(&f, n), at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) __attribute__((alias("pwrite")));

ssize_t writev(int fd, const struct iovec *v, int n)
{
    struct fate f = fate_of_fd(OP_WRITE, fd);
    return f.error ? fail(f.error) : syscall(SYS_writev, fd, v, n);
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags)
{
    struct fate r = fate_of_fd(OP_READ, from), w = fate_of_fd(OP_WRITE, to);
    int error = r.error ? r.error : w.error;
    return error ? fail(error)
                 : syscall(SYS_copy_file_range, from, from_at, to, to_at, part_of(&w, n), flags);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    struct fate f = fate_of_fd(OP_WRITE, fd);
    return f.error ? fail(f.error) : (int)syscall(SYS_fallocate, fd, mode, at, n);
}

int fallocate64(int fd, int mode, off_t at, off_t n) __attribute__((alias("fallocate")));

int fsync(int fd)
{
    struct fate f = fate_of_fd(OP_SYNC, fd);
    return f.error ? fail(f.error) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    struct fate f = fate_of_fd(OP_SYNC, fd);
    return f.error ? fail(f.error) : (int)syscall(SYS_fdatasync, fd);
}

int sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    struct fate f = fate_of_fd(OP_SYNC, fd);
    return f.error ? fail(f.error) : (int)syscall(SYS_sync_file_range, fd, at, n, flags);
}

/* ---- making ------------------------------------------------------------------------------------------ */

static unsigned mode_of(int flags, va_list args)
{
    return __OPEN_NEEDS_MODE(flags) ? va_arg(args, unsigned) : 0;
}

static int open_at(int at, const char *path, int flags, unsigned mode)
{
    struct fate f = (flags & O_CREAT) != 0 && access(path, F_OK) != 0 ? fate_of_path(OP_MAKE, path)
                                                                      : (struct fate){0};
    return f.error ? fail(f.error) : (int)syscall(SYS_openat, at, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = mode_of(flags, args);
    va_end(args);
    return open_at(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    unsigned mode = mode_of(flags, args);
    va_end(args);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int mkdir(const char *path, mode_t mode)
{
    struct fate f = access(path, F_OK) != 0 ? fate_of_path(OP_MAKE, path) : (struct fate){0};
    return f.error ? fail(f.error) : (int)syscall(SYS_mkdir, path, mode);
}

int link(const char *from, const char *to)
{
    struct fate f = fate_of_path(OP_MAKE, to);
    return f.error ? fail(f.error) : (int)syscall(SYS_link, from, to);
}

int rename(const char *from, const char *to)
{
    struct fate f = fate_of_path(OP_MAKE, to);
    return f.error ? fail(f.error) : (int)syscall(SYS_rename, from, to);
}
