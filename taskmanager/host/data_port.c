/* Listening, accepting and greeting; see data_port.h.
 *
 * A greeting reads no byte more than the hello, because what follows belongs to the worker.  When as many
 * greetings are open as may be, the oldest gives way: it had most time to say something. */
#include "taskmanager/host/data_port.h"
#include "common/base/log.h"
#include "common/base/vec.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char topic[] = "flinc.taskmanager.host.data";

struct greeting {
    struct data_port *port;
    int fd; /* Owns */
    struct loop_fd *watch;
    uint64_t timer;
    size_t n_read;
    struct data_hello hello;
    char peer[DATA_PORT_PEER_MAX];
};

struct data_port {
    struct data_port_options options;
    int fd;
    uint32_t number;
    struct loop_fd *watch;
    struct vec greetings; /* struct greeting *, the oldest first */
    _Atomic uint64_t n_refused;
    /* data_port_close() waits for the loop. */
    _Atomic bool closed;
    struct event_count changed;
};

/* ---- greetings ----------------------------------------------------------------------------------- */

/* Gives the socket to the caller. */
static int greeting_end(struct greeting *g)
{
    struct data_port *p = g->port;
    int fd = g->fd;
    loop_del(g->watch);
    (void)loop_cancel(p->options.loop, g->timer);
    for (size_t i = 0; i < p->greetings.len; i++) {
        if (vec_ptr(&p->greetings, i) == g) {
            vec_remove(&p->greetings, i);
            break;
        }
    }
    mem_free(g);
    return fd;
}

static void greeting_refuse(struct greeting *g, const char *why)
{
    atomic_fetch_add(&g->port->n_refused, 1);
    LOG_DEBUG(topic, "a data connection from %s is refused: %s", g->peer, why);
    close(greeting_end(g));
}

static void on_late(void *arg)
{
    struct greeting *g = arg;
    g->timer = TIMER_NONE;
    greeting_refuse(g, "its hello did not come in time");
}

static void greeting_finish(struct greeting *g)
{
    struct data_port *p = g->port;
    struct error err = ERROR_INIT;
    if (data_hello_check(&g->hello, &err) < 0) {
        greeting_refuse(g, err.message);
        return;
    }
    struct data_hello hello = g->hello;
    char peer[DATA_PORT_PEER_MAX];
    memcpy(peer, g->peer, sizeof(peer));
    p->options.on_connection(p->options.owner, &hello, greeting_end(g), peer);
}

static void on_greeting(void *arg, int fd, uint32_t events)
{
    struct greeting *g = arg;
    char *to = (char *)&g->hello + g->n_read;
    ssize_t n = recv(fd, to, sizeof(g->hello) - g->n_read, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        greeting_refuse(g,
                        n == 0 ? "it was closed before its hello was complete" : strerror(errno));
        return;
    }
    g->n_read += (size_t)n;
    /* A wrong first byte needs no further ones. */
    size_t n_magic = MIN(g->n_read, sizeof(g->hello.magic));
    if (memcmp(g->hello.magic, DATA_HELLO_MAGIC, n_magic) != 0) {
        greeting_refuse(g, "it does not begin with a hello");
    } else if (g->n_read == sizeof(g->hello)) {
        greeting_finish(g);
    }
}

/* ---- accepting ----------------------------------------------------------------------------------- */

static void peer_name(const struct sockaddr *address, socklen_t len, char ret[DATA_PORT_PEER_MAX])
{
    char host[48], port[16];
    if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        (void)snprintf(host, sizeof(host), "unknown");
        (void)snprintf(port, sizeof(port), "0");
    }
    (void)snprintf(ret, DATA_PORT_PEER_MAX, "%s:%s", host, port);
}

static void port_greet(struct data_port *p, int fd, const struct sockaddr *address, socklen_t len)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (p->greetings.len >= DATA_PORT_GREETING_MAX) {
        greeting_refuse(vec_ptr(&p->greetings, 0), "too many connections have not said hello");
    }
    struct greeting *g = MEM_NEW(struct greeting);
    struct error err = ERROR_INIT;
    g->port = p;
    g->fd = fd;
    peer_name(address, len, g->peer);
    if (loop_add(p->options.loop, fd, LOOP_READ, on_greeting, g, &g->watch, &err) < 0) {
        LOG_WARN(topic, "a data connection from %s is refused: %s", g->peer, err.message);
        atomic_fetch_add(&p->n_refused, 1);
        close(fd);
        mem_free(g);
        return;
    }
    g->timer = loop_schedule(p->options.loop, DATA_PORT_HELLO_MS, on_late, g);
    vec_push_ptr(&p->greetings, g);
}

static void on_accept(void *arg, int fd, uint32_t events)
{
    struct data_port *p = arg;
    for (int i = 0; i < DATA_PORT_ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int accepted = accept4(fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted >= 0) {
            port_greet(p, accepted, (const struct sockaddr *)&address, len);
            continue;
        }
        if ((errno == EMFILE || errno == ENFILE) && p->greetings.len > 0) {
            /* Descriptors are short: who said nothing yet gives one back. */
            greeting_refuse(vec_ptr(&p->greetings, 0), "no descriptor is free");
            continue;
        }
        if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* ---- listening ----------------------------------------------------------------------------------- */

static int listen_on(const struct addrinfo *a, uint32_t port)
{
    struct sockaddr_storage address;
    const int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    memcpy(&address, a->ai_addr, a->ai_addrlen);
    if (a->ai_family == AF_INET) {
        ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, a->ai_addrlen) != 0 ||
        listen(fd, DATA_PORT_BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int port_listen(struct data_port *p, const struct addrinfo *list, struct error *err)
{
    const struct data_port_options *o = &p->options;
    int failed = EADDRNOTAVAIL;
    for (uint32_t port = o->port_first; port <= o->port_last; port++) {
        for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
            p->fd = a->ai_family == AF_INET || a->ai_family == AF_INET6 ? listen_on(a, port) : -1;
            if (p->fd >= 0) {
                return 0;
            }
            failed = errno;
        }
        if (failed != EADDRINUSE && failed != EACCES) {
            break;
        }
    }
    return error_set_errno(err, failed,
                           "listening for data connections on %s, port %u to %u "
                           "(taskmanager.data.port, taskmanager.bind-host)",
                           o->bind_host, o->port_first, o->port_last);
}

static int port_bind(struct data_port *p, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(p->options.bind_host, NULL, &hints, &list);
    if (rc != 0) {
        return error_set(err, ERR_INVALID_CONFIG, "address '%s' (taskmanager.bind-host): %s",
                         p->options.bind_host, gai_strerror(rc));
    }
    rc = port_listen(p, list, err);
    freeaddrinfo(list);
    TRY(rc);
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getsockname(p->fd, (struct sockaddr *)&address, &len) != 0) {
        rc = error_set_errno(err, errno, "reading the address of the data port");
        close(p->fd);
        return rc;
    }
    p->number = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                   : ((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

static void op_start(void *target, void *payload)
{
    struct data_port *p = target;
    struct error err = ERROR_INIT;
    if (loop_add(p->options.loop, p->fd, LOOP_READ, on_accept, p, &p->watch, &err) < 0) {
        LOG_ERROR(topic, "the data port %u cannot be watched: %s", p->number, err.message);
    }
}

int data_port_open(const struct data_port_options *options, struct data_port **ret,
                   struct error *err)
{
    struct data_port *p = MEM_NEW(struct data_port);
    p->options = *options;
    vec_init(&p->greetings, sizeof(struct greeting *));
    int rc = port_bind(p, err);
    if (rc == 0) {
        const struct mailbox_op op = {.run = op_start, .target = p};
        rc = mailbox_post_internal(loop_mailbox(options->loop), MAILBOX_LANE_CONTROL, &op);
        if (rc < 0) {
            rc = error_set(err, rc, "the loop of the data port has ended");
            close(p->fd);
        }
    }
    if (rc < 0) {
        vec_fini(&p->greetings);
        mem_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

/* ---- closing ------------------------------------------------------------------------------------- */

static void port_shut(struct data_port *p)
{
    p->watch = loop_del(p->watch);
    while (p->greetings.len > 0) {
        close(greeting_end(vec_ptr(&p->greetings, p->greetings.len - 1)));
    }
    close(p->fd);
}

static void op_close(void *target, void *payload)
{
    struct data_port *p = target;
    port_shut(p);
    atomic_store(&p->closed, true);
    event_count_signal(&p->changed);
}

struct data_port *data_port_close(struct data_port *p)
{
    if (p == NULL) {
        return NULL;
    }
    const struct mailbox_op op = {.run = op_close, .target = p};
    if (mailbox_post_internal(loop_mailbox(p->options.loop), MAILBOX_LANE_CONTROL, &op) < 0) {
        port_shut(p); /* the loop has ended: nobody else is here */
        atomic_store(&p->closed, true);
    }
    for (;;) {
        uint32_t ticket = event_count_prepare(&p->changed);
        if (atomic_load(&p->closed)) {
            event_count_cancel(&p->changed);
            break;
        }
        (void)event_count_wait(&p->changed, ticket, -1);
    }
    vec_fini(&p->greetings);
    mem_free(p);
    return NULL;
}

uint32_t data_port_number(const struct data_port *p)
{
    return p->number;
}

uint64_t data_port_refused(const struct data_port *p)
{
    return atomic_load(&p->n_refused);
}
