/* The relay: its thread, connecting, listening; relay.h.  Links are in link.c. */
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/net/tls/link.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static const char topic[] = "flinc.net.tls";

enum { CONNECTOR_THREADS = 2, ACCEPTS_PER_TURN = 64 };

/* ---- the thread ----------------------------------------------------------------------------------------- */

static void *relay_main(void *arg)
{
    struct tls_relay *r = arg;
    struct error err = ERROR_INIT;
    while (!atomic_load(&r->stop)) {
        if (loop_run_once(r->loop, -1, &err) < 0) {
            LOG_ERROR(topic, "connections with TLS end: %s", err.message);
            abort(); /* epoll_wait fails for nothing that could be mended */
        }
    }
    return NULL;
}

int tls_relay_new(const struct tls_relay_options *options, struct tls_relay **ret,
                  struct error *err)
{
    struct tls_relay *r = MEM_NEW(struct tls_relay);
    pthread_mutex_init(&r->lock, NULL);
    vec_init(&r->listeners, sizeof(struct tls_listener *));
    r->buffer = mem_alloc(TLS_RELAY_BUFFER_BYTES);
    r->cancel = cancel_token_new();
    int rc = loop_new(&(struct loop_options){.name = options->name}, &r->loop, err);
    if (rc == 0) {
        rc = thread_start(&r->thread, options->name, relay_main, r, err);
        if (rc < 0) {
            r->thread = 0;
        }
    }
    if (rc < 0) {
        tls_relay_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct tls_relay *tls_relay_free(struct tls_relay *r)
{
    if (r == NULL) {
        return NULL;
    }
    cancel_token_cancel(r->cancel);
    executor_free(r->connector); /* what it has begun is posted or dropped */
    if (r->thread != 0) {
        atomic_store(&r->stop, true);
        loop_wake(r->loop);
        thread_join(r->thread);
    }
    if (r->loop != NULL) {
        mailbox_close(loop_mailbox(r->loop)); /* drops links that had not begun */
    }
    while (r->links != NULL) {
        struct tls_link *l = r->links;
        tls_link_finish(l);
        tls_link_end(l, NULL);
    }
    for (size_t i = 0; i < r->listeners.len; i++) {
        struct tls_listener *s = vec_ptr(&r->listeners, i);
        loop_del(s->watch);
        tls_context_unref(s->options.context);
        mem_free(s);
    }
    vec_fini(&r->listeners);
    loop_free(r->loop);
    mem_free(r->buffer);
    cancel_token_unref(r->cancel);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
    return NULL;
}

void tls_relay_get_stats(const struct tls_relay *r, struct tls_relay_stats *ret)
{
    *ret = (struct tls_relay_stats){.links = atomic_load(&r->n_total),
                                    .handshakes = atomic_load(&r->n_open),
                                    .failed = atomic_load(&r->n_failed),
                                    .plaintext = atomic_load(&r->n_plaintext)};
}

bool tls_relay_peer_of(int plain_fd, char ret[TLS_RELAY_PEER_MAX])
{
    static const char prefix[] = "flinc-tls/";
    struct sockaddr_un a;
    socklen_t len = sizeof(a);
    if (getpeername(plain_fd, (struct sockaddr *)&a, &len) != 0 || a.sun_family != AF_UNIX ||
        len <= offsetof(struct sockaddr_un, sun_path) + sizeof(prefix) ||
        memcmp(a.sun_path + 1, prefix, sizeof(prefix) - 1) != 0) {
        return false;
    }
    struct slice name = slice_make(a.sun_path + sizeof(prefix),
                                   len - offsetof(struct sockaddr_un, sun_path) - sizeof(prefix));
    const char *slash = memchr(name.data, '/', name.len);
    if (slash == NULL) {
        return false;
    }
    snprintf(ret, TLS_RELAY_PEER_MAX, "%.*s", (int)(name.len - (size_t)(slash + 1 - name.data)),
             slash + 1);
    return true;
}

/* ---- adding ----------------------------------------------------------------------------------------------- */

/* A server's handshake that has lasted longest gives way. */
static void make_room(struct tls_relay *r)
{
    struct tls_link *oldest = NULL;
    if (r->n_handshakes < TLS_RELAY_HANDSHAKES_MAX) {
        return;
    }
    for (struct tls_link *l = r->links; l != NULL; l = l->next) {
        oldest = l->state == LINK_HANDSHAKE ? l : oldest;
    }
    if (oldest != NULL) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_LIMIT,
                  "too many others are in a TLS handshake, %s is through with none",
                  oldest->options.peer);
        tls_link_end(oldest, &err);
    }
}

static void link_enter(struct tls_relay *r, struct tls_link *l)
{
    make_room(r);
    l->next = r->links;
    l->link = &r->links;
    if (l->next != NULL) {
        l->next->link = &l->next;
    }
    r->links = l;
}

static void op_begin(void *target, void *payload)
{
    struct tls_link *l = payload;
    link_enter(l->relay, l);
    tls_link_begin(l);
}

/* The relay ends before it began. */
static void op_drop(void *payload)
{
    struct tls_link *l = payload;
    if (l->options.on_end != NULL) {
        l->options.on_end(l->options.arg, NULL);
    }
    tls_link_free(l);
}

static void post_begin(struct tls_link *l)
{
    struct mailbox_op op = {.run = op_begin, .payload = l, .drop = op_drop};
    if (mailbox_post_internal(loop_mailbox(l->relay->loop), MAILBOX_LANE_CONTROL, &op) < 0) {
        op_drop(l);
    }
}

int tls_relay_add(struct tls_relay *r, int take_fd, const struct tls_link_options *options,
                  int *ret_plain_fd, struct error *err)
{
    struct tls_link *l = NULL;
    TRY(tls_link_new(r, take_fd, options, &l, err));
    *ret_plain_fd = l->far_fd;
    l->far_fd = -1;
    post_begin(l);
    return 0;
}

/* ---- connecting --------------------------------------------------------------------------------------------- */

/* 0, or an errno; -1: cancelled. */
static int await_connect(int fd, int64_t until_ms, struct cancel_token *cancel)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLOUT},
                          {.fd = cancel_token_fd(cancel, NULL), .events = POLLIN}};
    int code = 0;
    socklen_t len = sizeof(code);
    for (;;) {
        int64_t left_ms = until_ms - clock_monotonic_ms(&clock_system);
        if (left_ms <= 0) {
            return ETIMEDOUT;
        }
        int n = poll(p, ARRAY_LEN(p), (int)left_ms);
        if (p[1].revents != 0) {
            return -1;
        }
        if (n > 0) {
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 ? code : errno;
        }
    }
}

static int connect_to(const struct addrinfo *a, int64_t until_ms, struct cancel_token *cancel,
                      int *ret_errno)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *ret_errno = errno;
        return -1;
    }
    *ret_errno = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0
                 : errno == EINPROGRESS                      ? await_connect(fd, until_ms, cancel)
                                                             : errno;
    if (*ret_errno != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int dial(const struct tls_link *l, struct cancel_token *cancel, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[16];
    int fd = -1, cause = EADDRNOTAVAIL;
    int64_t until_ms = clock_monotonic_ms(&clock_system) + TLS_RELAY_CONNECT_MS;
    snprintf(port, sizeof(port), "%u", l->port);
    int rc = getaddrinfo(l->options.host, port, &hints, &list);
    if (rc != 0) {
        return error_set(err, ERR_UNAVAILABLE, "%s: %s", l->options.peer, gai_strerror(rc));
    }
    for (const struct addrinfo *a = list; a != NULL && fd < 0 && cause >= 0; a = a->ai_next) {
        fd = connect_to(a, until_ms, cancel, &cause);
    }
    freeaddrinfo(list);
    if (fd < 0 && cause < 0) {
        return error_set(err, ERR_CANCELLED, "connecting to %s: cancelled", l->options.peer);
    }
    if (fd < 0) {
        error_set_errno(err, cause, "connecting to %s", l->options.peer);
        return ERR_UNAVAILABLE;
    }
    return fd;
}

struct dialing {
    struct tls_link *link; /* Owns until it is posted */
};

static void op_not_connected(void *target, void *payload)
{
    struct tls_link *l = payload;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_UNAVAILABLE, "%s", str_cstr(&l->held));
    str_clear(&l->held);
    link_enter(l->relay, l);
    tls_link_end(l, &err);
}

static int dialing_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct dialing *d = arg;
    struct tls_link *l = STEAL(d->link);
    struct error why = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX];
    int fd = dial(l, cancel, &why);
    if (fd >= 0) {
        l->fd = fd;
        post_begin(l);
        return 0;
    }
    str_append_cstr(&l->held, error_format(&why, text, sizeof(text)));
    struct mailbox_op op = {.run = op_not_connected, .payload = l, .drop = op_drop};
    if (mailbox_post_internal(loop_mailbox(l->relay->loop), MAILBOX_LANE_CONTROL, &op) < 0) {
        op_drop(l);
    }
    return 0;
}

static void dialing_drop(void *arg)
{
    struct dialing *d = arg;
    if (d->link != NULL) {
        op_drop(d->link);
    }
    mem_free(d);
}

static int find_connector(struct tls_relay *r, struct error *err)
{
    const struct executor_options o = {.name = "tls-connect", .n_threads = CONNECTOR_THREADS};
    pthread_mutex_lock(&r->lock);
    int rc = r->connector != NULL ? 0 : executor_new(&o, &r->connector, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

int tls_relay_connect(struct tls_relay *r, const char *host, uint32_t port,
                      const struct tls_link_options *options, int *ret_plain_fd, struct error *err)
{
    struct tls_link *l = NULL;
    struct tls_link_options o = *options;
    o.host = host;
    ASSERT(o.peer != NULL);
    TRY(find_connector(r, err));
    TRY(tls_link_new(r, -1, &o, &l, err));
    l->port = port;
    struct dialing *d = MEM_NEW(struct dialing);
    d->link = l;
    const struct executor_job job = {.name = "connecting with TLS",
                                     .run = dialing_run,
                                     .arg = d,
                                     .drop = dialing_drop,
                                     .cancel = r->cancel};
    int far_fd = l->far_fd;
    l->far_fd = -1;
    int rc = executor_submit(r->connector, &job, err);
    if (rc < 0) {
        close(far_fd);
        l->options.on_end = NULL; /* told by the return */
        dialing_drop(d);
        return rc;
    }
    *ret_plain_fd = far_fd;
    return 0;
}

/* ---- listening ------------------------------------------------------------------------------------------------ */

static void on_accept(void *arg, int fd, uint32_t events);

static void on_pause_over(void *arg)
{
    struct tls_listener *s = arg;
    struct error err = ERROR_INIT;
    s->pause = TIMER_NONE;
    if (loop_add(s->relay->loop, s->options.listen_fd, LOOP_READ, on_accept, s, &s->watch, &err) <
        0) {
        LOG_ERROR(topic, "A port takes no more connections: %s", err.message);
    }
}

static void listener_pause(struct tls_listener *s)
{
    s->watch = loop_del(s->watch);
    s->pause = loop_schedule(s->relay->loop, TLS_RELAY_BACKLOG_PAUSE_MS, on_pause_over, s);
}

static void take_connection(struct tls_listener *s, int fd, const struct sockaddr_storage *address,
                            socklen_t len)
{
    struct error err = ERROR_INIT;
    struct tls_link *l = NULL;
    const struct tls_link_options o = {.context = s->options.context,
                                       .on_plaintext = s->options.on_plaintext};
    if (tls_link_new(s->relay, fd, &o, &l, &err) < 0) {
        LOG_WARN(topic, "A connection is refused: %s", err.message);
        return;
    }
    l->listener = s;
    l->address = *address;
    l->address_len = len;
    link_enter(s->relay, l);
    tls_link_begin(l);
}

static void on_accept(void *arg, int fd, uint32_t events)
{
    struct tls_listener *s = arg;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int accepted = accept4(fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted >= 0) {
            take_connection(s, accepted, &address, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener_pause(s);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void op_listen(void *target, void *payload)
{
    struct tls_listener *s = payload;
    on_pause_over(s);
}

int tls_relay_listen(struct tls_relay *r, const struct tls_listener_options *options,
                     struct error *err)
{
    int flags = fcntl(options->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(options->listen_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return error_set_errno(err, errno, "listening with TLS");
    }
    struct tls_listener *s = MEM_NEW(struct tls_listener);
    *s = (struct tls_listener){.relay = r, .options = *options};
    s->options.context = tls_context_ref(options->context);
    pthread_mutex_lock(&r->lock);
    vec_push_ptr(&r->listeners, s);
    pthread_mutex_unlock(&r->lock);
    const struct mailbox_op op = {.run = op_listen, .payload = s};
    return mailbox_post_internal(loop_mailbox(r->loop), MAILBOX_LANE_CONTROL, &op);
}
