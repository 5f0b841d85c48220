/* The owner's side: asks the spawner process, keeps who is to hear of which child's end, and a thread
 * that reads the spawner's answers.
 *
 * Thread: any (lock: spawner.lock, a leaf but for mailbox posts).  The reader starts with the first spawn
 * and ends at the end of the socket, where it reaps the spawner. */
#include "common/spawner/spawner.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/spawner/wire.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char topic[] = "flinc.spawner";

enum {
    SOCKET_BUFFER_BYTES = 1024 * 1024,
    /* What spawner_free waits for the spawner before it is killed. */
    FREE_GIVE_UP_MS = SPAWNER_KILL_AFTER_MS + 7000,
};

/* A child from its request to its end; a map and the waiting spawn hold a reference each. */
struct owned_child {
    uint32_t refs; /* under lock */
    uint32_t id;
    pid_t pid; /* 0: the answer is not there yet */
    bool answered, abandoned;
    enum spawn_stage failed_stage;
    int failed_errno;
    struct mailbox *mailbox; /* counted */
    int exit_kind;
    void (*on_exit)(void *target, void *arg, const struct child_exit *exit);
    void *target, *arg; /* Borrows the target; owns arg when there is a drop */
    void (*drop)(void *arg);
};

struct spawner {
    pid_t pid;
    int fd;
    pthread_mutex_t lock;
    struct map requests; /* id -> struct owned_child * (owns): not answered yet */
    struct map children; /* pid -> struct owned_child * (owns) */
    uint32_t last_id;
    bool reader_runs, lost;
    struct event_count answered;
    pthread_t reader;
};

/* ---- ends --------------------------------------------------------------------------------------- */

struct exit_notice {
    struct child_exit exit;
    void (*on_exit)(void *target, void *arg, const struct child_exit *exit);
    void *arg;
    void (*drop)(void *arg);
    char tail[];
};

static void exit_notice_run(void *target, void *payload)
{
    struct exit_notice *n = payload;
    n->on_exit(target, n->arg, &n->exit);
    mem_free(n);
}

static void owned_child_unref(void *value)
{
    struct owned_child *c = value;
    if (--c->refs == 0) {
        if (c->drop != NULL && c->arg != NULL) {
            c->drop(c->arg);
        }
        mailbox_unref(c->mailbox);
        mem_free(c);
    }
}

static void exit_notice_drop(void *payload)
{
    struct exit_notice *n = payload;
    if (n->drop != NULL && n->arg != NULL) {
        n->drop(n->arg);
    }
    mem_free(n);
}

static void owned_child_tell(struct owned_child *c, const struct child_exit *exit,
                             struct slice tail)
{
    if (c->on_exit == NULL || c->mailbox == NULL) {
        return;
    }
    struct exit_notice *n = mem_zalloc(sizeof(*n) + tail.len + 1);
    n->exit = *exit;
    n->exit.stderr_tail = n->tail;
    n->on_exit = c->on_exit;
    n->arg = STEAL(c->arg);
    n->drop = c->drop;
    if (tail.len > 0) {
        memcpy(n->tail, tail.data, tail.len);
    }
    const struct mailbox_op op = {.kind = c->exit_kind,
                                  .run = exit_notice_run,
                                  .target = c->target,
                                  .payload = n,
                                  .drop = exit_notice_drop};
    if (mailbox_post_internal(c->mailbox, MAILBOX_LANE_DATA, &op) < 0) {
        exit_notice_drop(n);
    }
}

/* ---- the reader --------------------------------------------------------------------------------- */

/* Under lock. */
static void spawner_send_signal(struct spawner *s, pid_t pid, int signo)
{
    const struct spawner_header h = {.packet = SPAWNER_SIGNAL, .pid = pid, .value = signo};
    (void)send(s->fd, &h, sizeof(h), MSG_NOSIGNAL);
}

static void spawner_on_runs(struct spawner *s, const struct spawner_header *h)
{
    pthread_mutex_lock(&s->lock);
    struct owned_child *c = map_find_bytes(&s->requests, &h->id, sizeof(h->id));
    if (c != NULL) {
        c->answered = true;
        c->pid = h->pid;
        c->failed_stage = (enum spawn_stage)h->flags;
        c->failed_errno = h->value;
        if (h->flags == SPAWN_STAGE_NONE) {
            map_take_bytes(&s->requests, &h->id, sizeof(h->id));
            map_put_bytes(&s->children, &c->pid, sizeof(c->pid), c);
            if (c->abandoned) {
                spawner_send_signal(s, c->pid, SIGKILL); /* nobody waits for it any more */
            }
        } else if (c->abandoned) {
            map_remove_bytes(&s->requests, &h->id, sizeof(h->id));
        }
    }
    pthread_mutex_unlock(&s->lock);
    event_count_signal(&s->answered);
}

static void spawner_on_exited(struct spawner *s, const struct spawner_header *h, struct slice tail)
{
    bool by_signal = (h->flags & SPAWNER_BY_SIGNAL) != 0;
    const struct child_exit exit = {
        .pid = h->pid,
        .exit_code = by_signal ? 0 : h->value,
        .signal = by_signal ? h->value : 0,
        .core_dumped = (h->flags & SPAWNER_CORE_DUMPED) != 0,
    };
    pid_t pid = h->pid;
    pthread_mutex_lock(&s->lock);
    struct owned_child *c = map_take_bytes(&s->children, &pid, sizeof(pid));
    if (c != NULL) {
        owned_child_tell(c, &exit, tail);
        owned_child_unref(c);
    }
    pthread_mutex_unlock(&s->lock);
    event_count_signal(&s->answered);
}

/* The spawner is gone, and its children with it. */
static void spawner_on_lost(struct spawner *s)
{
    int status = 0;
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) {
    }
    pthread_mutex_lock(&s->lock);
    s->lost = true;
    uint32_t n_lost = (uint32_t)s->children.len;
    MAP_FOREACH (&s->children, e) {
        struct owned_child *c = e->value;
        const struct child_exit exit = {.pid = c->pid, .signal = SIGKILL, .spawner_lost = true};
        owned_child_tell(c, &exit, slice_cstr(NULL));
    }
    map_clear(&s->children);
    pthread_mutex_unlock(&s->lock);
    event_count_signal(&s->answered);
    if (WIFSIGNALED(status)) {
        LOG_ERROR(
            topic,
            "the spawner process (pid %d) was ended by signal %d and its %u children with it: "
            "no process can be started any more; restart this process",
            (int)s->pid, WTERMSIG(status), n_lost);
    }
}

static void *spawner_read(void *arg)
{
    struct spawner *s = arg;
    size_t max = sizeof(struct spawner_header) + SPAWNER_STDERR_TAIL;
    char *packet = mem_alloc(max);
    for (;;) {
        struct spawner_header h;
        ssize_t n = recv(s->fd, packet, max, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < (ssize_t)sizeof(h)) {
            break;
        }
        memcpy(&h, packet, sizeof(h));
        if (h.packet == SPAWNER_RUNS) {
            spawner_on_runs(s, &h);
        } else if (h.packet == SPAWNER_EXITED) {
            spawner_on_exited(s, &h, slice_make(packet + sizeof(h), (size_t)n - sizeof(h)));
        }
    }
    mem_free(packet);
    spawner_on_lost(s);
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------- */

int spawner_fork(const char *name, struct spawner **ret, struct error *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        return error_set_errno(err, errno, "making the socket pair of the spawner");
    }
    for (int i = 0; i < 2; i++) {
        const int bytes = SOCKET_BUFFER_BYTES; /* as far as the system allows */
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    pid_t pid = fork();
    if (pid < 0) {
        int failed = errno;
        close(fds[0]);
        close(fds[1]);
        return error_set_errno(err, failed, "forking the spawner");
    }
    if (pid == 0) {
        close(fds[0]);
        spawner_process_main(fds[1], name);
    }
    close(fds[1]);
    /* A spawner that does not read (stopped by a debugger) makes a spawn fail, not hang. */
    const struct timeval limit = {.tv_sec = SPAWNER_ANSWER_MAX_MS / 1000};
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    struct spawner *s = MEM_NEW(struct spawner);
    s->pid = pid;
    s->fd = fds[0];
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->requests, owned_child_unref);
    map_init(&s->children, owned_child_unref);
    *ret = s;
    return 0;
}

/* Until the spawner has ended by itself, or is killed. */
static void spawner_end_process(struct spawner *s)
{
    const struct spawner_header h = {.packet = SPAWNER_STOP};
    (void)send(s->fd, &h, sizeof(h), MSG_NOSIGNAL);
    if (!s->reader_runs) {
        (void)shutdown(s->fd, SHUT_RDWR); /* it has no children */
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        return;
    }
    int64_t deadline_ns = clock_monotonic_ns(&clock_system) + (int64_t)FREE_GIVE_UP_MS * 1000000;
    for (;;) {
        uint32_t ticket = event_count_prepare(&s->answered);
        pthread_mutex_lock(&s->lock);
        bool lost = s->lost;
        pthread_mutex_unlock(&s->lock);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        if (lost || left_ns <= 0) {
            event_count_cancel(&s->answered);
            if (!lost) {
                (void)kill(s->pid, SIGKILL);
            }
            break;
        }
        (void)event_count_wait(&s->answered, ticket, left_ns);
    }
    thread_join(s->reader);
}

struct spawner *spawner_free(struct spawner *s)
{
    if (s == NULL) {
        return NULL;
    }
    spawner_end_process(s);
    close(s->fd);
    map_fini(&s->requests);
    map_fini(&s->children);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
    return NULL;
}

/* ---- spawning ----------------------------------------------------------------------------------- */

static int spawner_gone(const struct spawner *s, const char *path, struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE,
                     "%s cannot be started: the spawner process (pid %d) is gone; restart this "
                     "process",
                     path, (int)s->pid);
}

static void request_close_fds(const struct spawn_request *r)
{
    for (uint32_t i = 0; i < MIN(r->n_fds, (uint32_t)SPAWNER_FDS_MAX); i++) {
        if (r->fds[i].fd >= 0) {
            close(r->fds[i].fd);
        }
    }
}

static int send_order(const struct spawner *s, const struct spawn_request *r,
                      const struct str *packet, struct error *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * SPAWNER_FDS_MAX)];
    } control = {.bytes = {0}};
    struct iovec iov = {packet->data, packet->len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (r->n_fds > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * r->n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * r->n_fds);
        for (uint32_t i = 0; i < r->n_fds; i++) {
            memcpy(CMSG_DATA(c) + i * sizeof(int), &r->fds[i].fd, sizeof(int));
        }
    }
    ssize_t n;
    do {
        n = sendmsg(s->fd, &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
        return spawner_gone(s, r->path, err);
    }
    if (n < 0) {
        return error_set_errno(err, errno, "asking the spawner for %s", r->path);
    }
    return 0;
}

/* Under lock. */
static int spawner_start_reader(struct spawner *s, struct error *err)
{
    if (!s->reader_runs) {
        TRY(thread_start(&s->reader, "spawner", spawner_read, s, err));
        s->reader_runs = true;
    }
    return 0;
}

/* Waits for the answer; under lock at its begin and end.  The request is gone from the map when it failed. */
static int spawner_wait_answer(struct spawner *s, struct owned_child *c, const char *path,
                               pid_t *ret_pid, struct error *err)
{
    uint32_t id = c->id;
    int64_t deadline_ns =
        clock_monotonic_ns(&clock_system) + (int64_t)SPAWNER_ANSWER_MAX_MS * 1000000;
    while (!c->answered && !s->lost) {
        uint32_t ticket = event_count_prepare(&s->answered);
        pthread_mutex_unlock(&s->lock);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        (void)event_count_wait(&s->answered, ticket, MAX(left_ns, (int64_t)0));
        pthread_mutex_lock(&s->lock);
        if (left_ns <= 0 && !c->answered) {
            c->abandoned = true;
            return error_set(err, ERR_TIMEOUT,
                             "the spawner process (pid %d) did not start %s "
                             "within %d ms",
                             (int)s->pid, path, SPAWNER_ANSWER_MAX_MS);
        }
    }
    int rc = 0;
    if (!c->answered) {
        rc = spawner_gone(s, path, err);
    } else if (c->failed_stage != SPAWN_STAGE_NONE) {
        rc = error_set_errno(err, c->failed_errno, "starting %s (%s)", path,
                             spawn_stage_text(c->failed_stage));
    } else {
        *ret_pid = c->pid;
        return 0;
    }
    map_remove_bytes(&s->requests, &id, sizeof(id));
    return rc;
}

/* Under lock. */
static int spawner_ask(struct spawner *s, const struct spawn_request *r, bool *ret_asked,
                       pid_t *ret_pid, struct error *err)
{
    struct str packet = STR_INIT;
    if (s->lost) {
        return spawner_gone(s, r->path, err);
    }
    uint32_t id = ++s->last_id;
    TRY(spawn_order_encode(r, id, &packet, err));
    int rc = spawner_start_reader(s, err);
    if (rc == 0) {
        rc = send_order(s, r, &packet, err);
    }
    str_fini(&packet);
    TRY(rc);
    struct owned_child *c = MEM_NEW(struct owned_child);
    *c = (struct owned_child){
        .refs = 2,
        .id = id,
        .mailbox = r->mailbox != NULL ? mailbox_ref(r->mailbox) : NULL,
        .exit_kind = r->exit_kind,
        .on_exit = r->on_exit,
        .target = r->target,
        .arg = r->arg,
        .drop = r->drop,
    };
    *ret_asked = true;
    map_put_bytes(&s->requests, &id, sizeof(id), c);
    rc = spawner_wait_answer(s, c, r->path, ret_pid, err);
    owned_child_unref(c);
    return rc;
}

int spawner_spawn(struct spawner *s, const struct spawn_request *request, pid_t *ret_pid,
                  struct error *err)
{
    pthread_mutex_lock(&s->lock);
    bool asked = false; /* from then on the child owns arg */
    int rc = spawner_ask(s, request, &asked, ret_pid, err);
    pthread_mutex_unlock(&s->lock);
    request_close_fds(request);
    if (!asked && request->drop != NULL && request->arg != NULL) {
        request->drop(request->arg);
    }
    return rc;
}

void spawner_signal(struct spawner *s, pid_t pid, int signo)
{
    pthread_mutex_lock(&s->lock);
    if (map_find_bytes(&s->children, &pid, sizeof(pid)) != NULL) {
        spawner_send_signal(s, pid, signo);
    }
    pthread_mutex_unlock(&s->lock);
}

bool spawner_wait(struct spawner *s, pid_t pid, int64_t timeout_ms)
{
    int64_t deadline_ns = clock_monotonic_ns(&clock_system) + timeout_ms * 1000000;
    for (;;) {
        uint32_t ticket = event_count_prepare(&s->answered);
        pthread_mutex_lock(&s->lock);
        bool gone = s->lost || map_find_bytes(&s->children, &pid, sizeof(pid)) == NULL;
        pthread_mutex_unlock(&s->lock);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        if (gone || left_ns <= 0) {
            event_count_cancel(&s->answered);
            return gone;
        }
        (void)event_count_wait(&s->answered, ticket, left_ns);
    }
}
