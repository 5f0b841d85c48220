/* A component: one thread, its mailbox and its timers.  All state of the object behind it changes on
 * that thread, in the order of the mailbox, so it needs no locks (Flink: RpcEndpoint with its main
 * thread executor).  Dispatcher, ResourceManager, JobMaster and TaskManager are components.
 *
 * Without a thread (COMPONENT_MANUAL) the creator steps it: component_run_once() runs what is due on a
 * manual clock.  The simulation steps production components in one thread that way.
 *
 *   NEW ──start──► RUNNING ──stop asked──► DRAINING ──drained──► STOPPED
 *    └────────────────────────stop (never started)─────────────────▲      */
#ifndef FLINC_COMMON_LOOP_COMPONENT_H
#define FLINC_COMMON_LOOP_COMPONENT_H

#include "common/loop/mailbox.h"
#include "common/loop/timer.h"

enum component_mode {
    COMPONENT_THREAD,
    COMPONENT_MANUAL,
};

enum component_state {
    COMPONENT_NEW,
    COMPONENT_RUNNING,
    COMPONENT_DRAINING,
    COMPONENT_STOPPED,
};
const char *component_state_name(enum component_state state);

/* mailbox_op.kind of a component's own operations; negative, so that owners count theirs from 0. */
enum component_op {
    COMPONENT_OP_STOP = -1, /* component_request_stop() -> the component */
};

struct component_options {
    const char *name; /* copied; the thread's name and the mailbox's */
    enum component_mode mode;
    const struct clock
        *clock;             /* Borrows; NULL: clock_system.  A thread does not sleep by another one:
                                  whoever moves that clock posts something */
    uint32_t mailbox_limit; /* see mailbox_options.limit */
    /* On the component's thread: first thing, and last thing before the mailbox closes (there it may
     * still post to others, and to itself: those ops run too).  May be NULL. */
    void (*on_start)(void *owner);
    void (*on_stop)(void *owner);
    void *owner; /* Borrows: target of the callbacks and of component_post() */
};

struct component;

/* Thread: the creator's. */
struct component *component_new(const struct component_options *options);
/* Starts the thread (COMPONENT_THREAD) or marks it running, and runs on_start there.  A post before
 * the start waits in the mailbox. */
int component_start(struct component *c, struct error *err) MUST_CHECK;
/* Thread: any.  Asks it to stop after the operations that were posted before; does not wait.  A
 * component stops itself so. */
void component_request_stop(struct component *c);
/* Thread: any one but the component's (the creator's, when it was never started).  Asks for the stop and waits until the thread has ended: operations
 * posted before have run, on_stop ran, timers are dropped, later posts get ERR_CLOSED. */
void component_stop(struct component *c);
/* Stops it when it runs, then frees it.  NULL is fine; returns NULL. */
struct component *component_free(struct component *c);

/* Thread: any.  Posts run(owner, payload) as mailbox_post() does; see there for failures.  The
 * component's own posts never meet the limit. */
int component_post(struct component *c, enum mailbox_lane lane, int kind,
                   void (*run)(void *owner, void *payload), void *payload,
                   void (*drop)(void *payload)) MUST_CHECK;
/* Thread: any.  The mailbox, for channels and completions that post to it; take a reference when it
 * may be used longer than the component lives. */
struct mailbox *component_mailbox(struct component *c);
const struct clock *component_clock(const struct component *c);
enum component_state component_get_state(const struct component *c);
const char *component_name(const struct component *c);

/* Thread: the component's.  Calls fn(arg) there after the delay; see timer.h for the handle. */
uint64_t component_schedule(struct component *c, int64_t delay_ms, void (*fn)(void *arg),
                            void *arg);
bool component_cancel(struct component *c, uint64_t handle);

/* The thread of a component is: its own while it runs; the creator's before the start, in manual mode
 * and (the joiner's) after the stop. */
bool component_on_thread(const struct component *c);
/* Aborts, naming the component, when called on another thread. */
void component_assert_on_thread(const struct component *c);

/* ---- manual mode; thread: the creator's ------------------------------------------------------- */

/* Runs the timers that are due, then one operation.  Returns how many of both ran: 0 means that
 * nothing happens before a post or component_next_deadline_ns().  Also finishes an asked stop. */
size_t component_run_once(struct component *c);
/* Runs until nothing is left to do now; `max` bounds it (0: none).  Returns how many ran. */
size_t component_run_until_idle(struct component *c, size_t max);
int64_t component_next_deadline_ns(const struct component *c); /* TIMER_NEVER_NS: none */

#endif
