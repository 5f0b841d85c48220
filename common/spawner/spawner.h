/* The spawner: a small process that is forked from main before anything else (threads, gRPC), and from
 * then on makes the children of this process: workers, jobbuilders, jobcoordinators.
 *
 * A child ends with the spawner (PR_SET_PDEATHSIG), the spawner with its owner (end of file on its
 * socket): kill -9 of the owner leaves nothing behind.
 * Thread: any, callbacks on the mailbox that was named.  Flink has none: its task managers are JVMs. */
#ifndef FLINC_COMMON_SPAWNER_SPAWNER_H
#define FLINC_COMMON_SPAWNER_SPAWNER_H

#include "common/loop/mailbox.h"
#include <sys/types.h>

struct child_exit;
struct spawner;
/* Forks: first thing in main. */
int spawner_fork(const char *name, struct spawner **ret, struct error *err) MUST_CHECK;
/* Ends the children (SIGTERM, after kill_after_ms SIGKILL), then the spawner; waits.  NULL is fine. */
struct spawner *spawner_free(struct spawner *s);
/* The owner's loop-less reader thread starts with the first spawn; before that there are no threads. */

enum { SPAWNER_FDS_MAX = 4, SPAWNER_CHILDREN_MAX = 4096, SPAWNER_STDERR_TAIL = 64 * 1024 };

struct spawn_request {
    const char *path;
    const char *const *argv; /* NULL-terminated, argv[0] too */
    const char *const
        *environment;        /* "K=V" added to or replacing the owner's; NULL-terminated or NULL */
    const char *working_dir; /* NULL: the owner's */
    struct spawn_fd {
        int fd;     /* taken (closed here once sent) */
        int target; /* its number in the child */
    } fds[SPAWNER_FDS_MAX];
    uint32_t n_fds;
    const char *log_path; /* stdout and stderr are appended there; NULL: the owner's.  The last
                                   SPAWNER_STDERR_TAIL bytes of stderr come with the exit. */
    int oom_score_adj;    /* 0: as it is */
    uint64_t max_address_bytes; /* 0: no limit */
    struct mailbox *mailbox;    /* a reference is taken */
    int exit_kind;
    /* Once, when the child has ended and was reaped. */
    void (*on_exit)(void *target, void *arg, const struct child_exit *exit);
    void *target, *arg;
};
struct child_exit {
    pid_t pid;
    int exit_code; /* when it exited */
    int signal;    /* which killed it; 0: it exited */
    bool core_dumped;
    const char *stderr_tail; /* Borrows for the call: its last lines */
};
/* Waits until the child runs (exec succeeded) or cannot. */
int spawner_spawn(struct spawner *s, const struct spawn_request *request, pid_t *ret_pid,
                  struct error *err) MUST_CHECK;
/* Only a child of this spawner that was not reaped yet is signalled, so that a pid that was given to
 * another process is never hit. */
void spawner_signal(struct spawner *s, pid_t pid, int signo);

#endif
