/* Crash reports: what a person needs when user code takes the process down.
 *
 * A process that runs tasks installs the handlers once, from main; a library never does by itself.  On
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT the handler writes to stderr which signal it was, in which job,
 * task, operator and subtask, and the native stack, and then lets the signal take its course (core
 * dump, exit status).  It runs on a stack of its own, so that a stack overflow is reported too, and calls
 * async-signal-safe functions only.
 *
 * A task's thread says whose code runs by two plain stores per operator call.
 *
 * crash_report_dump_thread() asks another thread for its stack (a cancelled task that does not end);
 * the signal that does it also interrupts blocking system calls, as Thread.interrupt does in Flink. */
#ifndef FLINC_TASKMANAGER_WORKER_CRASH_REPORT_H
#define FLINC_TASKMANAGER_WORKER_CRASH_REPORT_H

#include "common/base/error.h"
#include <pthread.h>

/* Whose code a thread runs.  Texts live as long as the thread points to them. */
struct crash_site {
    const char *job_name;
    const char *job_id;    /* hex */
    const char *task_name; /* "Source: Text -> Flat Map" */
    const char *operator_name;
    const char *subtask; /* "2/4" */
    const char *attempt; /* attempt number and id */
};

/* Thread: main, before tasks start.  Repeating it changes nothing. */
int crash_report_install(struct error *err) MUST_CHECK;
/* Puts back what was there (tests). */
void crash_report_uninstall(void);
bool crash_report_is_installed(void);

/* Gives the calling thread its signal stack and lets the signals of crashes through; undone at leave. */
int crash_report_enter_thread(struct error *err) MUST_CHECK;
void crash_report_leave_thread(void);
/* NULL: no user code runs.  Borrows. */
void crash_report_set_site(const struct crash_site *site);
const struct crash_site *crash_report_get_site(void);

/* Lets a running thread write its stack to stderr under `title`, waiting for at most a second; does
 * nothing when the handlers are not installed.  False: no answer. */
bool crash_report_dump_thread(pthread_t thread, const char *title);

#endif
