/* What travels between the owner and the spawner: one packet of a SOCK_SEQPACKET pair per message.  Both
 * are the same program, so the header is a plain struct; strings follow it, each with its NUL.
 * Descriptors of a request come beside it (SCM_RIGHTS). */
#ifndef FLINC_COMMON_SPAWNER_WIRE_H
#define FLINC_COMMON_SPAWNER_WIRE_H

#include "common/base/str.h"
#include "common/base/vec.h"
#include "common/spawner/spawner.h"

enum {
    SPAWNER_REQUEST_MAX = 128 * 1024, /* bytes of a request: arguments and environment */
    SPAWNER_STRINGS_MAX = 4096,       /* of a request */
    SPAWNER_TARGET_FD_MAX = 64,       /* descriptors of a child lie below */
};

enum spawner_packet {
    SPAWNER_SPAWN,  /* owner -> spawner */
    SPAWNER_SIGNAL, /* owner -> spawner */
    SPAWNER_STOP,   /* owner -> spawner: end the children, then yourself */
    SPAWNER_RUNS,   /* spawner -> owner: exec succeeded, or why it did not */
    SPAWNER_EXITED, /* spawner -> owner; the tail of stderr follows */
};

/* Where a start went wrong. */
enum spawn_stage {
    SPAWN_STAGE_NONE,
    SPAWN_STAGE_REQUEST,
    SPAWN_STAGE_LIMIT,
    SPAWN_STAGE_LOG,
    SPAWN_STAGE_PIPE,
    SPAWN_STAGE_FORK,
    SPAWN_STAGE_PARENT,
    SPAWN_STAGE_FDS,
    SPAWN_STAGE_DIRECTORY,
    SPAWN_STAGE_RLIMIT,
    SPAWN_STAGE_EXEC,
};

struct spawner_header {
    uint32_t packet; /* enum spawner_packet */
    uint32_t id;     /* SPAWN and its RUNS */
    int32_t pid;     /* SIGNAL, RUNS, EXITED */
    int32_t value;   /* SIGNAL: its number; RUNS: errno; EXITED: exit code or signal */
    uint32_t flags;  /* enum spawner_flags, or enum spawn_stage of RUNS */
    /* SPAWN. */
    int32_t oom_score_adj;
    uint64_t max_address_bytes, log_max_bytes;
    int32_t targets[SPAWNER_FDS_MAX];
    uint32_t n_fds, n_argv, n_environment;
    uint32_t log_max_files;
};
enum spawner_flags {
    SPAWNER_HAS_DIRECTORY = 1,
    SPAWNER_HAS_LOG = 2,
    SPAWNER_BY_SIGNAL = 4,
    SPAWNER_CORE_DUMPED = 8,
    SPAWNER_STDOUT_OWNER = 16,
};

/* A request as the spawner sees it; strings lie in the packet. */
struct spawn_order {
    struct spawner_header header;
    const char *path, *working_dir, *log_path; /* the last two may be NULL */
    const char **argv, **environment;          /* Own; NULL-terminated */
};

/* ERR_TOO_LARGE, ERR_INVALID_ARGUMENT. */
int spawn_order_encode(const struct spawn_request *request, uint32_t id, struct str *ret_packet,
                       struct error *err) MUST_CHECK;
/* ERR_CORRUPT, and nothing is owned. */
int spawn_order_decode(const void *packet, size_t size, struct spawn_order *ret_order,
                       struct error *err) MUST_CHECK;
void spawn_order_fini(struct spawn_order *o);
const char *spawn_stage_text(enum spawn_stage stage); /* "opening its log" */

/* ---- process.c: the spawner itself; never returns ------------------------------------------------ */

void spawner_process_main(int socket_fd, const char *name) NORETURN;

/* ---- child_log.c: where the stderr of a child goes ----------------------------------------------- */

struct child_log {
    int fd;     /* Owns; -1: the spawner's stderr */
    char *path; /* Owns; NULL: it is not rolled */
    uint64_t bytes, max_bytes;
    uint32_t max_files;
};
/* Takes the descriptor, which may be -1. */
void child_log_open(struct child_log *l, int take_fd, const struct spawn_order *order);
void child_log_write(struct child_log *l, const char *data, size_t size); /* size > 0 */
void child_log_close(struct child_log *l);

/* ---- exec.c: a child by vfork and exec ----------------------------------------------------------- */

struct spawn_child {
    pid_t pid;
    int stderr_fd; /* the reading end of its pipe, non-blocking */
    int log_fd;    /* -1: the spawner's stderr */
};
/* `fds` in the order of the header's targets; they stay the caller's.  Returns the stage that failed
 * (errno says why), or SPAWN_STAGE_NONE. */
enum spawn_stage spawn_exec(const struct spawn_order *order, const int *fds,
                            struct spawn_child *ret_child);

#endif
