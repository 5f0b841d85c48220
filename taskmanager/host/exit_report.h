/* What a person reads about a worker process that ended: the signal or status, whose code it was, the native
 * stack, the last log lines.  Pure: from facts to an error.  Flink: "TaskManager with id ... no longer
 * reachable" and the exit report of the process, in one text. */
#ifndef FLINC_TASKMANAGER_HOST_EXIT_REPORT_H
#define FLINC_TASKMANAGER_HOST_EXIT_REPORT_H

#include "common/base/error.h"
#include "common/base/str.h"
#include <sys/types.h>

/* Code of the job: its file is named by the hash of its content, people know it by another name. */
struct exit_library {
    const char *hash; /* Borrows; 64 hex digits, which .so follows in the file's name */
    char *name;       /* Owns; "words.so" */
};
struct exit_facts {
    const char *job_name;
    pid_t pid; /* 0: it was never started */
    int exit_code, signal;
    bool core_dumped, spawner_lost;
    struct slice stderr_tail;
    const struct exit_library *libraries; /* Borrows */
    size_t n_libraries;
    const struct error *dying; /* what it said itself before it ended; NULL: nothing */
    const struct error *ended; /* why this side ended it; NULL: it did not */
};
void exit_report_make(const struct exit_facts *facts, struct error *ret);

#endif
