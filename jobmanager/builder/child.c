/* One jobbuilder child from its start to its end; see child.h.
 *
 * The loop ends when the child has ended, and only then: nothing of it is left when the call returns.
 * A child that has answered is given a moment to end by itself. */
#include "jobmanager/builder/child.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/rpc/error_info.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char topic[] = "flinc.builder";

enum {
    CHILD_SOCKET_FD = 3,
    CHILD_OUTPUT_FD = 4, /* its standard output; standard error is the spawner's to keep */
    END_WAIT_MS = 2000,  /* between the answer and the end */
    TAIL_SHOWN_BYTES = 700,
};

/* Why the child is being killed. */
enum kill_reason {
    KILL_NOT,
    KILL_TIMEOUT,
    KILL_CANCELLED,
    KILL_ANSWERED, /* it has what to end for, and does not */
    KILL_TOO_LARGE,
};

struct child {
    const struct builder_child_options *o;
    pid_t pid;
    struct mailbox *mailbox; /* of the end */
    int socket, out, event;
    struct str request; /* what is still to be sent */
    size_t sent;
    struct str answer; /* what has come */
    struct str output;
    struct str error_output; /* as the spawner kept it */
    enum kill_reason killed;
    bool ended;
    int exit_code, signal;
};

/* ---- the child's end ------------------------------------------------------------------------------ */

static void on_post(void *arg)
{
    struct child *c = arg;
    uint64_t one = 1;
    (void)!write(c->event, &one, sizeof(one));
}

static void on_child_exit(void *target, void *arg, const struct child_exit *exit)
{
    struct child *c = target;
    (void)arg;
    c->ended = true;
    c->exit_code = exit->exit_code;
    c->signal = exit->signal;
    str_append_cstr(&c->error_output, exit->stderr_tail != NULL ? exit->stderr_tail : "");
}

static void kill_child(struct child *c, enum kill_reason why)
{
    if (c->killed == KILL_NOT) {
        c->killed = why;
        spawner_signal(c->o->spawner, c->pid, SIGKILL);
    }
}

/* ---- start ---------------------------------------------------------------------------------------- */

static int make_pair(int fds[2], const char *what, struct error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        fds[0] = fds[1] = -1;
        return error_set_errno(err, errno, "making %s of a jobbuilder", what);
    }
    return 0;
}

static int make_pipe(int fds[2], const char *what, struct error *err)
{
    if (pipe2(fds, O_CLOEXEC) < 0) {
        fds[0] = fds[1] = -1;
        return error_set_errno(err, errno, "making %s of a jobbuilder", what);
    }
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

static int make_fds(struct child *c, int theirs[2], struct error *err)
{
    int fds[2];
    TRY(make_pair(fds, "the socket", err));
    c->socket = fds[0];
    theirs[0] = fds[1];
    TRY(make_pipe(fds, "the output", err));
    c->out = fds[0];
    theirs[1] = fds[1];
    c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->event < 0) {
        return error_set_errno(err, errno, "making an event of a jobbuilder");
    }
    (void)fcntl(c->socket, F_SETFL, O_NONBLOCK);
    (void)fcntl(c->out, F_SETFL, O_NONBLOCK);
    return 0;
}

static int start(struct child *c, struct error *err)
{
    int theirs[2] = {-1, -1};
    int rc = make_fds(c, theirs, err);
    if (rc < 0) {
        for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
            close_fd(&theirs[i]);
        }
        return rc;
    }
    c->mailbox = mailbox_new(
        &(struct mailbox_options){.name = "jobbuilder", .on_post = on_post, .on_post_arg = c});
    const char *argv[] = {"flinc-jobbuilder", c->o->bundle_name, NULL};
    struct spawn_request request = {
        .path = c->o->path,
        .argv = argv,
        .fds = {{theirs[0], CHILD_SOCKET_FD}, {theirs[1], CHILD_OUTPUT_FD}},
        .n_fds = 2,
        .max_address_bytes = c->o->max_address_bytes,
        .mailbox = c->mailbox,
        .on_exit = on_child_exit,
        .target = c,
    };
    return spawner_spawn(c->o->spawner, &request, &c->pid, err);
}

/* ---- what comes and goes ---------------------------------------------------------------------------- */

static void send_request(struct child *c)
{
    ssize_t n = send(c->socket, c->request.data + c->sent, c->request.len - c->sent, MSG_NOSIGNAL);
    if (n > 0) {
        c->sent += (size_t)n;
    } else if (errno != EAGAIN && errno != EINTR) {
        c->sent = c->request.len; /* it is ending: its exit says more */
    }
}

static uint32_t answer_size(const struct child *c)
{
    const uint8_t *b = (const uint8_t *)c->answer.data;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool has_answer(const struct child *c)
{
    return c->answer.len >= 4 && c->answer.len - 4 >= answer_size(c);
}

/* Appends what is there; false at the end of the file. */
static bool read_some(int fd, struct str *to)
{
    char buf[16 * 1024];
    ssize_t n = read(fd, buf, sizeof(buf));
    if (n > 0) {
        str_append(to, buf, (size_t)n);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void keep_tail(struct str *s)
{
    if (s->len > 2 * BUILDER_OUTPUT_BYTES) {
        memmove(s->data, s->data + s->len - BUILDER_OUTPUT_BYTES, BUILDER_OUTPUT_BYTES);
        s->len = BUILDER_OUTPUT_BYTES;
        s->data[s->len] = '\0';
    }
}

static void read_answer(struct child *c)
{
    if (!read_some(c->socket, &c->answer)) {
        close_fd(&c->socket);
    }
    if (c->answer.len >= 4 && answer_size(c) > BUILDER_ANSWER_BYTES_MAX) {
        kill_child(c, KILL_TOO_LARGE);
    }
}

static void read_output(int *fd, struct str *to)
{
    if (!read_some(*fd, to)) {
        close_fd(fd);
    }
    keep_tail(to);
}

/* ---- the loop --------------------------------------------------------------------------------------- */

enum { WATCH_SOCKET, WATCH_OUT, WATCH_EVENT, WATCH_CANCEL, WATCH_N };

static void fill_poll(const struct child *c, int cancel_fd, struct pollfd p[WATCH_N])
{
    p[WATCH_SOCKET] = (struct pollfd){.fd = c->socket, .events = POLLIN};
    if (c->sent < c->request.len) {
        p[WATCH_SOCKET].events |= POLLOUT;
    }
    p[WATCH_OUT] = (struct pollfd){.fd = c->out, .events = POLLIN};
    p[WATCH_EVENT] = (struct pollfd){.fd = c->event, .events = POLLIN};
    p[WATCH_CANCEL] =
        (struct pollfd){.fd = c->killed == KILL_NOT ? cancel_fd : -1, .events = POLLIN};
}

static void handle(struct child *c, const struct pollfd p[WATCH_N])
{
    uint64_t count;
    if (p[WATCH_SOCKET].revents & POLLOUT) {
        send_request(c);
    }
    if (p[WATCH_SOCKET].revents & (POLLIN | POLLHUP | POLLERR)) {
        read_answer(c);
    }
    if (p[WATCH_OUT].revents != 0) {
        read_output(&c->out, &c->output);
    }
    if (p[WATCH_EVENT].revents != 0) {
        (void)!read(c->event, &count, sizeof(count));
        (void)mailbox_run(c->mailbox, 16);
    }
    if (p[WATCH_CANCEL].revents != 0) {
        kill_child(c, KILL_CANCELLED);
    }
}

static void watch(struct child *c, int cancel_fd)
{
    struct pollfd p[WATCH_N];
    int64_t deadline = clock_monotonic_ms(&clock_system) + c->o->timeout_ms;
    bool answered = false;
    while (!c->ended) {
        int64_t now = clock_monotonic_ms(&clock_system);
        if (!answered && has_answer(c)) {
            answered = true;
            deadline = now + END_WAIT_MS;
        }
        if (now >= deadline) {
            kill_child(c, answered ? KILL_ANSWERED : KILL_TIMEOUT);
        }
        int64_t wait = c->killed != KILL_NOT ? -1 : MIN(deadline - now, (int64_t)INT32_MAX);
        fill_poll(c, cancel_fd, p);
        if (poll(p, WATCH_N, (int)wait) > 0) {
            handle(c, p);
        }
    }
    /* What it wrote last; others may hold the ends open still, so only what is there. */
    int *const fds[] = {&c->socket, &c->out};
    struct str *const to[] = {&c->answer, &c->output};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        size_t before;
        do {
            before = to[i]->len;
            if (*fds[i] >= 0 && !read_some(*fds[i], to[i])) {
                close_fd(fds[i]);
            }
        } while (to[i]->len != before && to[i]->len < BUILDER_ANSWER_BYTES_MAX);
    }
}

/* ---- what came of it -------------------------------------------------------------------------------- */

static const char *tail(const struct str *s, size_t max)
{
    return str_cstr(s) + (s->len > max ? s->len - max : 0);
}

/* What it said last; of a crash the beginning of the report, which says where. */
static const char *last_words(const struct child *c)
{
    const char *report = strstr(str_cstr(&c->error_output), "Flinc crashed: ");
    return report != NULL ? report : tail(&c->error_output, TAIL_SHOWN_BYTES);
}

static int failed(const struct child *c, struct error *err)
{
    const char *name = c->o->bundle_name;
    const char *errors = last_words(c);
    const char *behind = errors[0] != '\0' ? ":\n" : ".";
    switch (c->killed) {
    case KILL_TIMEOUT:
        return error_set(err, ERR_TIMEOUT,
                         "The main of %s did not end within %lld ms (web.job-builder.timeout) and "
                         "was stopped%s%s",
                         name, (long long)c->o->timeout_ms, behind, errors);
    case KILL_CANCELLED:
        return error_set(err, ERR_CANCELLED, "The main of %s was stopped, as nobody waits for it.",
                         name);
    case KILL_TOO_LARGE:
        return error_set(err, ERR_TOO_LARGE, "The job graph of %s is larger than %d bytes.", name,
                         BUILDER_ANSWER_BYTES_MAX);
    default:
        break;
    }
    if (c->signal != 0) {
        return error_set(err, ERR_USER_CODE, "The main of %s was ended by signal %d (%s)%s%s", name,
                         c->signal, strsignal(c->signal), behind, errors);
    }
    return error_set(err, ERR_USER_CODE,
                     "The main of %s ended its process with exit code %d instead of returning%s%s",
                     name, c->exit_code, behind, errors);
}

/* An error that main, or the loading of the bundle, has led to. */
static int told_error(const Flinc__ErrorInfo *info, struct error *err)
{
    struct error told = ERROR_INIT;
    if (info->code >= 0) {
        return error_set(err, ERR_INTERNAL, "%s", info->message);
    }
    error_info_read(info, "", &told);
    if (err != NULL) {
        error_copy(err, &told);
    }
    return told.code;
}

static int take_answer(struct child *c, Flinc__BuildAnswer **ret_answer, struct error *err)
{
    if (!has_answer(c)) {
        return failed(c, err);
    }
    Flinc__BuildAnswer *answer =
        flinc__build_answer__unpack(NULL, answer_size(c), (const uint8_t *)c->answer.data + 4);
    if (answer == NULL) {
        return error_set(err, ERR_CORRUPT, "The jobbuilder's answer for %s cannot be read.",
                         c->o->bundle_name);
    }
    if (answer->error != NULL && answer->error->code != 0) {
        int rc = told_error(answer->error, err);
        flinc__build_answer__free_unpacked(answer, NULL);
        return rc;
    }
    if (answer->output != protobuf_c_empty_string) {
        free(answer->output);
    }
    answer->output = strdup(tail(&c->output, BUILDER_OUTPUT_BYTES));
    *ret_answer = answer;
    return 0;
}

static void pack_request(const Flinc__BuildRequest *request, struct str *ret)
{
    size_t size = flinc__build_request__get_packed_size(request);
    str_reserve(ret, size + 4);
    for (int i = 0; i < 4; i++) {
        str_append_char(ret, (char)(uint8_t)(size >> (8 * i)));
    }
    (void)flinc__build_request__pack(request, (uint8_t *)ret->data + 4);
    ret->len += size;
}

int builder_child_run(const struct builder_child_options *options,
                      const Flinc__BuildRequest *request, Flinc__BuildAnswer **ret_answer,
                      struct error *err)
{
    struct child c = {.o = options, .socket = -1, .out = -1, .event = -1};
    int cancel_fd = -1;
    if (options->cancel != NULL) {
        cancel_fd = cancel_token_fd(options->cancel, err);
        TRY(cancel_fd);
    }
    pack_request(request, &c.request);
    int rc = start(&c, err);
    if (rc == 0) {
        watch(&c, cancel_fd);
        rc = take_answer(&c, ret_answer, err);
        LOG_DEBUG(topic, "The jobbuilder %d of %s ended: exit code %d, signal %d.", (int)c.pid,
                  options->bundle_name, c.exit_code, c.signal);
    }
    close_fd(&c.socket);
    close_fd(&c.out);
    mailbox_unref(c.mailbox);
    close_fd(&c.event);
    str_fini(&c.request);
    str_fini(&c.answer);
    str_fini(&c.output);
    str_fini(&c.error_output);
    return rc;
}
