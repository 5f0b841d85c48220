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
/* Ends the children (SIGTERM, after SPAWNER_KILL_AFTER_MS SIGKILL), then the spawner; waits.  Their
 * on_exit is posted before it returns.  NULL is fine; returns NULL. */
struct spawner *spawner_free(struct spawner *s);
/* The owner's loop-less reader thread starts with the first spawn; before that there are no threads. */

enum {
    SPAWNER_FDS_MAX = 4,
    SPAWNER_CHILDREN_MAX = 4096,
    SPAWNER_STDERR_TAIL = 64 * 1024,
    SPAWNER_KILL_AFTER_MS = 3000,  /* spawner_free: from SIGTERM to SIGKILL */
    SPAWNER_ANSWER_MAX_MS = 10000, /* what a spawn waits for at most */
};

enum spawn_stdout {
    SPAWN_STDOUT_LOG,   /* where stderr goes */
    SPAWN_STDOUT_OWNER, /* where the owner's goes */
};

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
    /* At so many bytes the file is rolled: log_path.1 to .log_max_files stay.  0: never.  For children whose
     * stdout goes to the owner: stdout would go on in the file that was rolled away. */
    uint64_t log_max_bytes;
    uint32_t log_max_files;
    int oom_score_adj;          /* 0: as it is */
    uint64_t max_address_bytes; /* 0: no limit */
    struct mailbox *mailbox;    /* a reference is taken */
    int exit_kind;
    /* Once, when the child has ended and was reaped (or the spawner was lost, which ends its children
     * by SIGKILL).  May run before the spawn returned, when the mailbox is another thread's. */
    void (*on_exit)(void *target, void *arg, const struct child_exit *exit);
    void *target, *arg; /* Borrows target */
    void (*drop)(
        void *arg); /* frees arg when on_exit is not called, a failed spawn too; may be NULL */
    enum spawn_stdout stdout_to;
};
struct child_exit {
    pid_t pid;
    int exit_code; /* when it exited */
    int signal;    /* which killed it; 0: it exited */
    bool core_dumped;
    bool spawner_lost;       /* nobody saw it end: the spawner was killed, and it with it */
    const char *stderr_tail; /* Borrows for the call: its last lines */
};
/* Waits until the child runs (exec succeeded) or cannot: ERR_NOT_FOUND, ERR_PERMISSION, ... as exec said;
 * ERR_UNAVAILABLE when the spawner is gone.  The descriptors are closed here in any case.  The child has
 * a process group of its own, which is killed with it, and /dev/null as stdin. */
int spawner_spawn(struct spawner *s, const struct spawn_request *request, pid_t *ret_pid,
                  struct error *err) MUST_CHECK;
/* Only a child of this spawner that was not reaped yet is signalled, so that a pid that was given to
 * another process is never hit. */
/* Waits until the child was reaped, at most so long; false: it was not. */
bool spawner_wait(struct spawner *s, pid_t pid, int64_t timeout_ms);
void spawner_signal(struct spawner *s, pid_t pid, int signo);

#endif
