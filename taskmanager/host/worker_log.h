/* The log files of a task manager's workers: "flink-<user>-taskworker-<number>-<host>-<job id>.log" beside its
 * own "flink-<user>-taskexecutor-<number>-<host>.log", and what was rolled away (.1, .2).  The number keeps
 * task managers apart that share a folder; a task manager without a log file of its own has its pid there.
 *
 * Thread: any.  Flink has one log per task manager: its tasks are threads. */
#ifndef FLINC_TASKMANAGER_HOST_WORKER_LOG_H
#define FLINC_TASKMANAGER_HOST_WORKER_LOG_H

#include "common/base/clock.h"
#include "common/base/str.h"

/* The name without "-<job id>.log".  own_log: the task manager's log file; NULL: none. */
void worker_log_stem(const char *own_log, const char *host, struct str *ret_stem);
void worker_log_path(const char *dir, const char *stem, const struct flinc_id *job_id,
                     struct str *ret_path);
/* Removes the files of jobs that are not in use, but for the `n_kept` whose files were written last.
 * Returns how many files were removed. */
uint32_t worker_log_prune(const char *dir, const char *stem, uint32_t n_kept,
                          bool (*in_use)(void *arg, const char *job_hex), void *arg);

#endif
