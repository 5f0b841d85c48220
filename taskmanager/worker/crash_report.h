/* Crash reports: what a person needs when user code takes the process down.
 *
 * A process that runs tasks installs the handlers once, from main; a library never does by itself.  On
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT the handler writes to stderr which signal it was, in which
 * job, task, operator and subtask, and the native stack, and then lets the signal take its course (core
 * dump, exit status).  It runs on a stack of its own, so that a stack overflow is reported too, and
 * calls async-signal-safe functions only.
 *
 * A thread that runs user code has a slot that says whose code it runs: one plain store before and
 * after a call.
 *
 * crash_report_dump_thread() asks another thread for its stack (a cancelled task that does not end);
 * the signal that does it also interrupts blocking system calls, as Thread.interrupt does in Flink. */
#ifndef FLINC_TASKMANAGER_WORKER_CRASH_REPORT_H
#define FLINC_TASKMANAGER_WORKER_CRASH_REPORT_H

#include "common/base/error.h"
#include <pthread.h>
#include <stdatomic.h>

/* Whose code a thread runs.  Texts and the struct live as long as a slot points to it. */
struct crash_site {
    const char *job_name;
    const char *job_id;        /* hex */
    const char *task_name;     /* "Source: Text -> Flat Map (2/4)" */
    const char *operator_name; /* "Flat Map (2/4)"; NULL: none of its operators */
    const char *attempt;       /* "0, 8f3c..." */
};

struct crash_slot {
    const struct crash_site *_Atomic site; /* Borrows; NULL: no user code */
};
static inline void crash_slot_set(struct crash_slot *slot, const struct crash_site *site)
{
    atomic_store_explicit(&slot->site, site, memory_order_relaxed);
}
static inline const struct crash_site *crash_slot_get(const struct crash_slot *slot)
{
    return atomic_load_explicit(&slot->site, memory_order_relaxed);
}

/* Thread: main, before tasks start.  Repeating it changes nothing. */
int crash_report_install(struct error *err) MUST_CHECK;
/* Puts back what was there (tests). */
void crash_report_uninstall(void);

/* From here on, when the process ends by exit() before crash_report_expect_exit(), whose code called it is
 * written to stderr, with the stack: user code should not. */
void crash_report_watch_exit(void);
void crash_report_expect_exit(void);

/* Gives the calling thread its signal stack and makes `slot` (Borrows) the one that reports look at;
 * undone by leave. */
void crash_report_enter_thread(struct crash_slot *slot);
void crash_report_leave_thread(void);

/* Lets a running thread that has entered write its stack to stderr under `title`, waiting up to a
 * second for it; does nothing when the handlers are not installed.  False: no answer. */
bool crash_report_dump_thread(pthread_t thread, const char *title);

#endif
