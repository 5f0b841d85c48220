/* Logging of a daemon and of its workers, as Flink's scripts and log4j.properties set it up.
 *
 * Environment: FLINC_LOG_FILE (the scripts' -Dlog.file; none: standard error), FLINC_LOG_CONFIG (the
 * properties file), ROOT_LOG_LEVEL, MAX_LOG_FILE_NUMBER.  Keys of log4j.properties that are read, all others
 * are passed over in silence:
 *
 *   rootLogger.level = INFO
 *   logger.NAME.name = org.apache.flink.runtime      logger.NAME.level = DEBUG
 *   appender.main.policies.size.size = 100MB         appender.main.strategy.max = 10
 *
 * Logger names of Flink mean our topics: org.apache.flink is flinc; names that start with flinc are topics.
 * Thread: main, before other threads start. */
#ifndef FLINC_COMMON_CONF_LOG_SETUP_H
#define FLINC_COMMON_CONF_LOG_SETUP_H

#include "common/base/log.h"
#include "common/conf/conf.h"

/* Opens the file and sets the levels.  A properties file that cannot be read is no error; a log file that
 * cannot be opened is. */
int log_setup_daemon(const struct conf *conf, struct error *err) MUST_CHECK;

/* The levels alone: for a process whose lines go where another one puts them (a worker's stderr). */
void log_setup_levels(const struct conf *conf);
/* When and how files are rolled. */
void log_setup_rolling(const struct conf *conf, struct log_rolling *ret);

/* What a properties file says. */
struct log_properties {
    bool has_root;
    enum log_level root;
    uint64_t roll_bytes; /* 0: not set */
    int32_t roll_files;  /* -1: not set */
    struct map levels;   /* Owns: topic -> enum log_level * */
};
void log_properties_init(struct log_properties *p);
void log_properties_fini(struct log_properties *p);
/* Never fails: lines that mean nothing here are passed over. */
void log_properties_parse(struct log_properties *p, struct slice text);

#endif
