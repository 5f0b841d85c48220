/* Threads with names, and the event count that everything sleeps on.
 *
 * An event count is a futex word: a waiter takes a ticket, checks its conditions, then sleeps only if
 * nobody signalled since.  Signalling when nobody waits is one uncontended atomic operation.
 *
 *   waiter:   uint32_t ticket = event_count_prepare(e);
 *             if (ready()) { event_count_cancel(e); } else { event_count_wait(e, ticket, -1); }
 *   other:    make_ready();  event_count_signal(e);
 */
#ifndef FLINC_COMMON_BASE_THREAD_H
#define FLINC_COMMON_BASE_THREAD_H

#include "common/base/error.h"
#include <pthread.h>
#include <stdatomic.h>

enum { THREAD_NAME_BYTES = 128 }; /* kept of a name, NUL included */

/* Starts a thread; `name` shows in ps (15 bytes of it) and in thread dumps.  Signals are blocked in it, so that the main
 * thread gets them. */
int thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg,
                 struct error *err) MUST_CHECK;
void thread_join(pthread_t thread);
void thread_set_name(const char *name);
/* Of the calling thread; "": it has none of this room's.  Lives with the thread; handlers of signals may
 * look at it. */
const char *thread_name(void);
/* The real-time signal that asks a thread for its stack (common/process/stack_dump.h): the only
 * asynchronous one that thread_start() leaves open. */
int thread_dump_signal(void);
int thread_count(void); /* started by thread_start and not yet joined; leak tests use it */

/* Which thread this is: an address that no other one that lives has.  A simulation that has one thread play many sets
 * thread_mark_played as it goes from one to the next; else it is NULL. */
extern _Thread_local const void *thread_mark_played __attribute__((tls_model("initial-exec")));
static inline const void *thread_mark(void)
{
    return thread_mark_played != NULL ? thread_mark_played : (const void *)&thread_mark_played;
}

/* One turn of a short spin: tells the core that we wait. */
static inline void thread_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

struct event_count {
    _Atomic uint32_t epoch;
    _Atomic uint32_t waiters;
};

/* Wakes every waiter that took its ticket before now.  Cheap when nobody sleeps. */
void event_count_signal(struct event_count *e);
/* Takes a ticket.  Afterwards check the conditions; then wait (or drop the ticket by cancel). */
uint32_t event_count_prepare(struct event_count *e);
void event_count_cancel(struct event_count *e);
/* Sleeps until a signal after the ticket, or the time-out (ns; negative: none).  False: timed out.
 * The ticket is used up either way. */
bool event_count_wait(struct event_count *e, uint32_t ticket, int64_t timeout_ns);

#endif
