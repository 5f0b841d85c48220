/* Starts one child: everything is prepared in the spawner, then vfork, a few system calls, exec.  The
 * child shares the spawner's memory until then, so it reports a failure by writing down stage and errno.
 *
 * Thread: the spawner's only one. */
#include "common/spawner/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

/* Everything that the child needs, ready made: it must not allocate. */
struct launch {
    const struct spawn_order *order;
    char **environment; /* Owns the array */
    int fds[SPAWNER_FDS_MAX];
    int null_fd, stdout_fd, stderr_fd; /* stdout_fd -1: as it is */
    pid_t parent;
    char oom_text[16];
    /* The child's answer. */
    volatile int failed_errno;
    volatile enum spawn_stage failed_stage;
};

/* ---- in the child --------------------------------------------------------------------------------- */

static void child_reset_signals(void)
{
    for (int signo = 1; signo < NSIG; signo++) {
        if (signo != SIGKILL && signo != SIGSTOP) {
            (void)signal(signo, SIG_DFL);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A score that cannot be set (no right to lower it) does not keep a child from running. */
static void child_set_oom_score(const struct launch *l)
{
    if (l->oom_text[0] != '\0') {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)!write(fd, l->oom_text, strlen(l->oom_text));
            close(fd);
        }
    }
}

static bool child_pass_fds(const struct launch *l)
{
    if (dup2(l->null_fd, 0) < 0 || dup2(l->stderr_fd, 2) < 0 ||
        (l->stdout_fd >= 0 && dup2(l->stdout_fd, 1) < 0)) {
        return false;
    }
    for (uint32_t i = 0; i < l->order->header.n_fds; i++) {
        if (dup2(l->fds[i], l->order->header.targets[i]) < 0) {
            return false;
        }
    }
    return true;
}

/* A process group of its own: what user code starts is ended with it. */
static bool child_tie_to_parent(const struct launch *l)
{
    return setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == l->parent;
}

static enum spawn_stage child_prepare(const struct launch *l)
{
    const struct spawn_order *o = l->order;
    if (!child_tie_to_parent(l)) {
        return SPAWN_STAGE_PARENT;
    }
    child_set_oom_score(l);
    if (!child_pass_fds(l)) {
        return SPAWN_STAGE_FDS;
    }
    if (o->working_dir != NULL && chdir(o->working_dir) != 0) {
        return SPAWN_STAGE_DIRECTORY;
    }
    if (o->header.max_address_bytes > 0) {
        const struct rlimit limit = {o->header.max_address_bytes, o->header.max_address_bytes};
        if (setrlimit(RLIMIT_AS, &limit) != 0) {
            return SPAWN_STAGE_RLIMIT;
        }
    }
    child_reset_signals();
    return SPAWN_STAGE_NONE;
}

/* In a function of its own, so that nothing of the caller's frame is written twice. */
__attribute__((noinline)) static pid_t launch_vfork(struct launch *l)
{
    pid_t pid = vfork();
    if (pid == 0) {
        enum spawn_stage stage = child_prepare(l);
        if (stage == SPAWN_STAGE_NONE) {
            execve(l->order->path, (char *const *)(uintptr_t)l->order->argv, l->environment);
            stage = SPAWN_STAGE_EXEC;
        }
        l->failed_errno = errno;
        l->failed_stage = stage;
        _exit(127);
    }
    return pid;
}

/* ---- in the spawner ------------------------------------------------------------------------------ */

static bool same_variable(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && strcspn(b, "=") == len;
}

/* The spawner's environment with the order's over it. */
static char **merge_environment(const char *const *added)
{
    size_t n_own = 0, n_added = 0, n = 0;
    while (environ[n_own] != NULL) {
        n_own++;
    }
    while (added[n_added] != NULL) {
        n_added++;
    }
    char **merged = MEM_NEW_ARRAY(char *, n_own + n_added + 1);
    for (size_t i = 0; i < n_own; i++) {
        bool replaced = false;
        for (size_t j = 0; j < n_added && !replaced; j++) {
            replaced = same_variable(environ[i], added[j]);
        }
        if (!replaced) {
            merged[n++] = environ[i];
        }
    }
    for (size_t j = 0; j < n_added; j++) {
        merged[n++] = (char *)(uintptr_t)added[j];
    }
    return merged;
}

static void close_all(const int *fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

/* Moves descriptors above all target numbers, so that no dup2() overwrites a source. */
static bool lift_fds(const int *fds, uint32_t n, int *ret_fds)
{
    for (uint32_t i = 0; i < n; i++) {
        ret_fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, SPAWNER_TARGET_FD_MAX);
        if (ret_fds[i] < 0) {
            close_all(ret_fds, i);
            return false;
        }
    }
    return true;
}

static enum spawn_stage launch_run(struct launch *l, pid_t *ret_pid)
{
    pid_t pid = launch_vfork(l);
    if (pid < 0) {
        return SPAWN_STAGE_FORK;
    }
    if (l->failed_stage != SPAWN_STAGE_NONE) {
        errno = l->failed_errno;
        return l->failed_stage; /* reaped as a child that nobody knows */
    }
    *ret_pid = pid;
    return SPAWN_STAGE_NONE;
}

/* Descriptors 0 to 2 of the spawner are open, so the child gets its own by plain dup2() first. */
static enum spawn_stage launch_child(const struct spawn_order *o, const int *fds,
                                     struct spawn_child *child, int stderr_fd)
{
    struct launch l = {
        .order = o, .stdout_fd = child->log_fd, .stderr_fd = stderr_fd, .parent = getpid()};
    enum spawn_stage stage = SPAWN_STAGE_FDS;
    if ((o->header.flags & SPAWNER_STDOUT_OWNER) != 0) {
        l.stdout_fd = -1;
    }
    l.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (l.null_fd < 0) {
        return stage;
    }
    if (lift_fds(fds, o->header.n_fds, l.fds)) {
        l.environment = merge_environment(o->environment);
        if (o->header.oom_score_adj != 0) {
            (void)snprintf(l.oom_text, sizeof(l.oom_text), "%d", o->header.oom_score_adj);
        }
        stage = launch_run(&l, &child->pid);
        int saved = errno;
        mem_free(l.environment);
        close_all(l.fds, o->header.n_fds);
        errno = saved;
    }
    int saved = errno;
    close(l.null_fd);
    errno = saved;
    return stage;
}

enum spawn_stage spawn_exec(const struct spawn_order *order, const int *fds,
                            struct spawn_child *ret_child)
{
    struct spawn_child child = {.log_fd = -1};
    int pipe_fds[2];
    if (order->log_path != NULL) {
        child.log_fd =
            open(order->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
        if (child.log_fd < 0) {
            return SPAWN_STAGE_LOG;
        }
    }
    enum spawn_stage stage = SPAWN_STAGE_PIPE;
    if (pipe2(pipe_fds, O_CLOEXEC) == 0) {
        (void)fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
        child.stderr_fd = pipe_fds[0];
        stage = launch_child(order, fds, &child, pipe_fds[1]);
        int saved = errno;
        close(pipe_fds[1]);
        errno = saved;
    }
    if (stage == SPAWN_STAGE_NONE) {
        *ret_child = child;
        return stage;
    }
    int saved = errno;
    if (stage != SPAWN_STAGE_PIPE) {
        close(child.stderr_fd);
    }
    close_all(&child.log_fd, 1);
    errno = saved;
    return stage;
}
