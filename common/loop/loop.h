/* An event loop over epoll: readiness of descriptors, timers, posted operations and signals, all
 * dispatched on one owner thread.  Sources and servers that wait for sockets stand on it.
 *
 * Thread: the owner (who calls loop_run), but loop_wake(), loop_stop() and posts to loop_mailbox(),
 * which any thread may call.  Every wait ends at once on those. */
#ifndef FLINC_COMMON_LOOP_LOOP_H
#define FLINC_COMMON_LOOP_LOOP_H

#include "common/loop/mailbox.h"
#include "common/loop/timer.h"

/* What a descriptor is watched for, and what is reported: LOOP_ERROR and LOOP_HANGUP always are. */
enum loop_events {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_HANGUP = 4, /* the peer closed its sending half or all of it */
    LOOP_ERROR = 8,
};

struct loop_options {
    const char *name;          /* Borrows */
    const struct clock *clock; /* Borrows; NULL: clock_system.  The loop does not wait by
                                  another one: whoever moves that clock wakes the loop. */
    uint32_t mailbox_limit;
};

struct loop;
/* One watched descriptor; freed by loop_del() or with the loop.  The descriptor itself stays the
 * caller's, who deletes it from the loop before closing it. */
struct loop_fd;
struct loop_signal;

int loop_new(const struct loop_options *options, struct loop **ret_loop,
             struct error *err) MUST_CHECK;
/* Closes the mailbox, drops timers and watches.  No other thread may be posting or waking any more.
 * NULL is fine; returns NULL. */
struct loop *loop_free(struct loop *l);

/* Level-triggered: fn is called in each round while one of `events` holds. */
int loop_add(struct loop *l, int fd, uint32_t events,
             void (*fn)(void *arg, int fd, uint32_t events), void *arg, struct loop_fd **ret_watch,
             struct error *err) MUST_CHECK;
int loop_mod(struct loop_fd *watch, uint32_t events, struct error *err) MUST_CHECK;
/* May be called from any callback, its own too: no callback of it follows.  NULL is fine; returns
 * NULL. */
struct loop_fd *loop_del(struct loop_fd *watch);

/* Calls fn(arg, signo) on the loop for a signal, which must be blocked in all threads: blocks it in
 * the calling thread, so add signals before starting threads.  At most one watch per signal. */
int loop_add_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg,
                    struct error *err) MUST_CHECK;

uint64_t loop_schedule(struct loop *l, int64_t delay_ms, void (*fn)(void *arg), void *arg);
/* The same with a destructor of `arg`, called instead of fn when it is cancelled or the loop freed. */
uint64_t loop_schedule_owned(struct loop *l, int64_t delay_ms, void (*fn)(void *arg), void *arg,
                             void (*drop)(void *arg));
bool loop_cancel(struct loop *l, uint64_t handle);

/* Runs rounds until loop_stop().  A later loop_run() continues. */
int loop_run(struct loop *l, struct error *err) MUST_CHECK;
/* One round: waits up to timeout_ms (negative: no limit, 0: not at all) for something to do, then runs
 * timers, operations and ready descriptors.  Returns how many callbacks ran, or an error. */
int loop_run_once(struct loop *l, int64_t timeout_ms, struct error *err) MUST_CHECK;

/* Thread: any. */
void loop_stop(struct loop *l);
void loop_wake(struct loop *l); /* ends the present or the next wait */
struct mailbox *loop_mailbox(struct loop *l);

#endif
