/* Logging: topics per module, levels, Flink's line pattern, to stderr or a file.  A line is made on
 * the stack and written by one write(2).  Never on the data path per record.
 *
 *   LOG_INFO("flinc.jobmaster", "job switched from %s to %s", a, b);
 *   2026-01-31 12:00:00,123 INFO  flinc.jobmaster        [] - job switched ... job=... attempt=...
 *
 * Thread: any. */
#ifndef FLINC_COMMON_BASE_LOG_H
#define FLINC_COMMON_BASE_LOG_H

#include "common/base/clock.h"
#include "common/base/error.h"

enum log_level {
    LOG_LEVEL_TRACE,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_OFF,
};
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret_level);

/* Root level (INFO), and level by topic prefix ("flinc.exchange" covers "flinc.exchange.gate", not
 * "flinc.exchanges"); the longest prefix wins.  Above 64 prefixes a warning says that one was left out. */
void log_set_level(enum log_level level);
void log_set_topic_level(const char *topic_prefix, enum log_level level);
void log_reset_levels(void); /* root INFO, no prefixes */
/* Lines go to this file (appended) instead of stderr; NULL: stderr.  May be called again while others
 * log, for instance after the file was rotated away. */
int log_open_file(const char *path, struct error *err) MUST_CHECK;
/* The same for a daemon: a file that is there is rolled away first, and again whenever this one has
 * reached max_bytes: path becomes path.1, path.1 becomes path.2, up to max_files of them (0: the old lines
 * are dropped).  Flink: RollingFile with a start-up and a size policy. */
struct log_rolling {
    uint64_t max_bytes; /* 0: never by size */
    uint32_t max_files;
};
enum { LOG_ROLLED_FILES_MAX = 1000 };
int log_open_rolling(const char *path, const struct log_rolling *rolling,
                     struct error *err) MUST_CHECK;
/* Tests: every line (without its line break) goes to fn instead; NULL: back.  When it returns, no call
 * of the old fn is running.  fn must neither log nor set sinks. */
void log_set_sink(void (*fn)(void *arg, enum log_level level, const char *line), void *arg);
/* Context of the calling thread, put behind each of its lines (key=value ...); NULL clears.  Kept by
 * reference. */
void log_set_thread_context(const char *context);
/* Whose time lines carry; NULL: the system's. */
void log_set_clock(const struct clock *clock);
/* Closes the file: lines go to stderr again.  For the end of main, when no other thread logs. */
void log_close(void);

bool log_enabled(enum log_level level, const char *topic);
void log_write(enum log_level level, const char *topic, const char *fmt, ...) PRINTF(3, 4) COLD;
#define LOG_AT(level, topic, ...)                     \
    do {                                              \
        if (log_enabled((level), (topic))) {          \
            log_write((level), (topic), __VA_ARGS__); \
        }                                             \
    } while (0)
#define LOG_DEBUG(topic, ...) LOG_AT(LOG_LEVEL_DEBUG, topic, __VA_ARGS__)
#define LOG_INFO(topic, ...) LOG_AT(LOG_LEVEL_INFO, topic, __VA_ARGS__)
#define LOG_WARN(topic, ...) LOG_AT(LOG_LEVEL_WARN, topic, __VA_ARGS__)
#define LOG_ERROR(topic, ...) LOG_AT(LOG_LEVEL_ERROR, topic, __VA_ARGS__)

#endif
