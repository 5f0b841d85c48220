/* Logging in Flink's line pattern, `%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n`:
 *
 *   2026-01-31 12:00:00,123 INFO  flinc.jobmaster <padded to 60> [] - message key=value
 *
 * A line is made on the stack and leaves by one write(2), with O_APPEND on files, so that lines of
 * several threads and processes do not mix.  Control characters are escaped: what a user or a peer
 * sends can neither break a line nor fake one.
 *
 * Thread: any.  No lock is held over a write or a sink: the log's file descriptor number never
 * changes once it exists (another file is put under it by dup2), and a change of sink waits until
 * the calls of the old one have returned. */
#include "common/base/log.h"
#include "common/base/log_roll.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_TOPICS_MAX = 64,      /* topics with a level of their own */
    LOG_TOPIC_BYTES = 96,     /* of such a topic's name, with its NUL */
    LOG_MESSAGE_BYTES = 8192, /* longer messages are cut, with "..." */
    LOG_LINE_BYTES = 12 * 1024,
};

struct log_topic {
    char prefix[LOG_TOPIC_BYTES];
    size_t len;
    enum log_level level;
};

static const char *const level_names[] = {
    [LOG_LEVEL_TRACE] = "TRACE", [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_INFO] = "INFO",
    [LOG_LEVEL_WARN] = "WARN",   [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_OFF] = "OFF",
};

static pthread_mutex_t topics_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_topic topics[LOG_TOPICS_MAX]; /* under topics_lock */
static _Atomic size_t n_topics;                 /* written under topics_lock */
static _Atomic int root_level = LOG_LEVEL_INFO;
static _Atomic int lowest_level = LOG_LEVEL_INFO; /* of the root and all topics */

static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER; /* opening and closing */
static _Atomic int log_fd = STDERR_FILENO;
static char rolling_path[PATH_MAX];    /* under file_lock; "": not a rolling file */
static struct log_rolling rolling;     /* under file_lock */
static _Atomic uint64_t rolling_bytes; /* in the present file; counted only while it rolls */
static _Atomic bool is_rolling;        /* by size */

typedef void (*log_sink_fn)(void *arg, enum log_level level, const char *line);
static _Atomic(log_sink_fn) sink_fn;
static void *sink_arg; /* read only between sink_users++ and sink_users-- with sink_fn set */
static _Atomic uint32_t sink_users;

static _Atomic(const struct clock *) log_clock = &clock_system;
static _Thread_local const char *thread_context;

/* ---- levels -------------------------------------------------------------------------------- */

const char *log_level_name(enum log_level level)
{
    return (size_t)level < ARRAY_LEN(level_names) ? level_names[level] : "UNKNOWN";
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Under topics_lock. */
static void update_lowest(void)
{
    int lowest = atomic_load_explicit(&root_level, memory_order_relaxed);
    for (size_t i = 0; i < n_topics; i++) {
        lowest = MIN(lowest, (int)topics[i].level);
    }
    atomic_store_explicit(&lowest_level, lowest, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    pthread_mutex_lock(&topics_lock);
    atomic_store_explicit(&root_level, (int)level, memory_order_relaxed);
    update_lowest();
    pthread_mutex_unlock(&topics_lock);
}

static struct log_topic *find_topic(const char *prefix)
{
    for (size_t i = 0; i < n_topics; i++) {
        if (strcmp(topics[i].prefix, prefix) == 0) {
            return &topics[i];
        }
    }
    return NULL;
}

void log_set_topic_level(const char *topic_prefix, enum log_level level)
{
    size_t len = strlen(topic_prefix);
    struct log_topic *topic = NULL;
    pthread_mutex_lock(&topics_lock);
    if (len > 0 && len < LOG_TOPIC_BYTES) {
        topic = find_topic(topic_prefix);
        if (topic == NULL && n_topics < LOG_TOPICS_MAX) {
            topic = &topics[n_topics++];
            memcpy(topic->prefix, topic_prefix, len + 1);
            topic->len = len;
        }
    }
    if (topic != NULL) {
        topic->level = level;
        update_lowest();
    }
    pthread_mutex_unlock(&topics_lock);
    if (topic == NULL) {
        LOG_WARN("flinc.log",
                 "level %s for topic '%s' is left out: a topic has 1 to %d bytes, and at most %d "
                 "can have a level of their own",
                 log_level_name(level), topic_prefix, LOG_TOPIC_BYTES - 1, LOG_TOPICS_MAX);
    }
}

void log_reset_levels(void)
{
    pthread_mutex_lock(&topics_lock);
    n_topics = 0;
    atomic_store_explicit(&root_level, LOG_LEVEL_INFO, memory_order_relaxed);
    update_lowest();
    pthread_mutex_unlock(&topics_lock);
}

/* The longest prefix that ends where a part of the topic ends. */
static int topic_level(const char *topic)
{
    int level = atomic_load_explicit(&root_level, memory_order_relaxed);
    size_t best = 0;
    pthread_mutex_lock(&topics_lock);
    for (size_t i = 0; i < n_topics; i++) {
        const struct log_topic *t = &topics[i];
        if (t->len > best && strncmp(topic, t->prefix, t->len) == 0 &&
            (topic[t->len] == '\0' || topic[t->len] == '.')) {
            best = t->len;
            level = (int)t->level;
        }
    }
    pthread_mutex_unlock(&topics_lock);
    return level;
}

bool log_enabled(enum log_level level, const char *topic)
{
    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed)) {
        return false;
    }
    if (atomic_load_explicit(&n_topics, memory_order_relaxed) == 0) {
        return true; /* the root level is the lowest */
    }
    return (int)level >= topic_level(topic);
}

/* ---- where lines go ------------------------------------------------------------------------ */

/* Puts `fd` (taken) under the log's number. */
static int install_fd(int fd)
{
    int current = atomic_load_explicit(&log_fd, memory_order_relaxed);
    if (current == STDERR_FILENO) {
        atomic_store_explicit(&log_fd, fd, memory_order_release);
        return 0;
    }
    int rc = dup3(fd, current, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

void log_shift_files(const char *path, uint32_t max_files)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];

    for (uint32_t n = MIN(max_files, (uint32_t)LOG_ROLLED_FILES_MAX); n > 0; n--) {
        (void)snprintf(to, sizeof(to), "%s.%u", path, n);
        if (n > 1) {
            (void)snprintf(from, sizeof(from), "%s.%u", path, n - 1);
        } else {
            (void)snprintf(from, sizeof(from), "%s", path);
        }
        (void)rename(from, to);
    }
    if (max_files == 0) {
        (void)unlink(path);
    }
}

/* Under file_lock. */
static int open_rolling_file(void)
{
    int fd = open(rolling_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0) {
        return -errno;
    }
    atomic_store(&rolling_bytes, 0);
    return install_fd(fd);
}

int log_open_rolling(const char *path, const struct log_rolling *options, struct error *err)
{
    if (strlen(path) >= sizeof(rolling_path)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "the name of log file %s is too long", path);
    }
    pthread_mutex_lock(&file_lock);
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > 0) {
        log_shift_files(path, options->max_files);
    }
    (void)snprintf(rolling_path, sizeof(rolling_path), "%s", path);
    rolling = *options;
    int rc = open_rolling_file();
    atomic_store(&is_rolling, rc == 0 && options->max_bytes > 0);
    pthread_mutex_unlock(&file_lock);
    return rc < 0 ? error_set_errno(err, -rc, "opening log file %s", path) : 0;
}

/* The thread whose line filled the file rolls it; others go on writing meanwhile. */
static void roll_when_full(size_t written)
{
    uint64_t bytes = atomic_fetch_add_explicit(&rolling_bytes, written, memory_order_relaxed);

    if (bytes + written < rolling.max_bytes || pthread_mutex_trylock(&file_lock) != 0) {
        return;
    }
    if (atomic_load(&rolling_bytes) >= rolling.max_bytes) {
        log_shift_files(rolling_path, rolling.max_files);
        if (open_rolling_file() < 0) {
            atomic_store(&rolling_bytes,
                         0); /* the renamed file takes the lines; tried again later */
        }
    }
    pthread_mutex_unlock(&file_lock);
}

int log_open_file(const char *path, struct error *err)
{
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
                          : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening log file %s", path != NULL ? path : "stderr");
    }
    pthread_mutex_lock(&file_lock);
    atomic_store(&is_rolling, false);
    int rc = install_fd(fd);
    pthread_mutex_unlock(&file_lock);
    if (rc < 0) {
        return error_set_errno(err, -rc, "switching to log file %s",
                               path != NULL ? path : "stderr");
    }
    return 0;
}

void log_close(void)
{
    pthread_mutex_lock(&file_lock);
    atomic_store(&is_rolling, false);
    int fd = atomic_exchange_explicit(&log_fd, STDERR_FILENO, memory_order_acq_rel);
    if (fd != STDERR_FILENO) {
        close(fd);
    }
    pthread_mutex_unlock(&file_lock);
}

void log_set_sink(void (*fn)(void *arg, enum log_level level, const char *line), void *arg)
{
    atomic_store(&sink_fn, NULL);
    while (atomic_load(&sink_users) != 0) {
        sched_yield();
    }
    sink_arg = arg;
    atomic_store(&sink_fn, fn);
}

void log_set_clock(const struct clock *clock)
{
    atomic_store(&log_clock, clock != NULL ? clock : &clock_system);
}

void log_set_thread_context(const char *context)
{
    thread_context = context;
}

static bool give_to_sink(enum log_level level, const char *line)
{
    if (LIKELY(atomic_load_explicit(&sink_fn, memory_order_relaxed) == NULL)) {
        return false;
    }
    atomic_fetch_add(&sink_users, 1);
    log_sink_fn fn = atomic_load(&sink_fn);
    if (fn != NULL) {
        fn(sink_arg, level, line);
    }
    atomic_fetch_sub(&sink_users, 1);
    return fn != NULL;
}

static void write_line(const char *line, size_t len)
{
    int fd = atomic_load_explicit(&log_fd, memory_order_acquire);
    size_t size = len;
    while (len > 0) {
        ssize_t n = write(fd, line, len);
        if (n < 0 && errno != EINTR) {
            return; /* a full disk must not stop the work, and there is nowhere to say so */
        }
        if (n > 0) {
            line += n;
            len -= (size_t)n;
        }
    }
    if (UNLIKELY(atomic_load_explicit(&is_rolling, memory_order_relaxed))) {
        roll_when_full(size);
    }
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Writes text to out[0..cap), with control characters escaped; returns the bytes written. */
static size_t escape(char *out, size_t cap, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && n + 4 <= cap; c++) {
        if (*c >= 0x20 && *c != 0x7f) {
            out[n++] = (char)*c;
            continue;
        }
        out[n++] = '\\';
        if (*c == '\n' || *c == '\r' || *c == '\t') {
            out[n++] = *c == '\n' ? 'n' : *c == '\r' ? 'r' : 't';
        } else {
            out[n++] = 'x';
            out[n++] = hex[*c >> 4];
            out[n++] = hex[*c & 15];
        }
    }
    return n;
}

/* Local time, as Flink's loggers; the broken-down second is kept, since it costs a lock in libc. */
static size_t format_time(char *out, size_t cap, int64_t now_ms)
{
    static _Thread_local int64_t cached_second = INT64_MIN;
    static _Thread_local char cached_text[24];
    int64_t second = now_ms / 1000;
    if (second != cached_second) {
        time_t t = (time_t)second;
        struct tm parts;
        localtime_r(&t, &parts);
        strftime(cached_text, sizeof(cached_text), "%Y-%m-%d %H:%M:%S", &parts);
        cached_second = second;
    }
    return (size_t)snprintf(out, cap, "%s,%03d", cached_text, (int)(now_ms % 1000));
}

/* Cuts between two UTF-8 characters and says so. */
static void mark_cut(char *message, size_t cap)
{
    size_t n = cap - sizeof(" ...");
    while (n > 0 && ((unsigned char)message[n] & 0xC0) == 0x80) {
        n--;
    }
    memcpy(message + n, " ...", sizeof(" ..."));
}

void log_write(enum log_level level, const char *topic, const char *fmt, ...)
{
    int saved_errno = errno; /* a log line between a call and its check must not disturb */
    char message[LOG_MESSAGE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    if (len < 0) {
        message[0] = '\0';
    } else if ((size_t)len >= sizeof(message)) {
        mark_cut(message, sizeof(message));
    }

    char line[LOG_LINE_BYTES];
    size_t n = format_time(line, sizeof(line), clock_now_ms(atomic_load(&log_clock)));
    n += (size_t)snprintf(line + n, sizeof(line) - n, " %-5s %-60.90s [] - ", log_level_name(level),
                          topic);
    size_t end = sizeof(line) - 2; /* line break and NUL */
    n += escape(line + n, end - n, message);
    if (thread_context != NULL && thread_context[0] != '\0' && n < end) {
        line[n++] = ' ';
        n += escape(line + n, end - n, thread_context);
    }
    line[n] = '\0';
    if (!give_to_sink(level, line)) {
        line[n++] = '\n';
        write_line(line, n);
    }
    errno = saved_errno;
}
