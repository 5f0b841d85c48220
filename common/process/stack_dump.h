/* The native stacks of all threads of this process: what a thread dump shows (Flink: ThreadDumpInfo).
 *
 * A real-time signal asks one thread after the other; its handler notes the addresses, the asker makes
 * text of them.  A thread that does not answer in time (it blocks all signals, or waits in the kernel
 * where none reaches it) is listed without a stack.  Threads of thread_start() leave the signal open.
 * Thread: any; one dump at a time. */
#ifndef FLINC_COMMON_PROCESS_STACK_DUMP_H
#define FLINC_COMMON_PROCESS_STACK_DUMP_H

#include "common/base/str.h"

enum {
    STACK_DUMP_FRAMES_MAX = 64,
    STACK_DUMP_THREADS_MAX = 4096,
    STACK_DUMP_THREAD_WAIT_MS = 200, /* for one thread */
    STACK_DUMP_WAIT_MS = 3000,       /* for all that do not answer */
};

struct stack_dump_thread {
    int tid;
    const char *name; /* Borrows for the call */
    const char *text; /* "\"name\" Id=7 SLEEPING\n\tat frame\n...\n", as REST shows it */
};

/* Installs the handler.  Thread: main, once. */
int stack_dump_install(struct error *err) MUST_CHECK;
/* Calls fn for each thread, the calling one too, in the order of their ids. */
int stack_dump_all(void (*fn)(void *arg, const struct stack_dump_thread *thread), void *arg,
                   struct error *err) MUST_CHECK;

#endif
