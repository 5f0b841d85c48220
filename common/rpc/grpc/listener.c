/* The port of a server.
 *
 * We listen ourselves, because gRPC shares a port with whoever else asks for it (SO_REUSEPORT), says of a
 * failed bind only that it failed, and tells nobody about connections that are not HTTP/2.  A connection
 * is handed to gRPC once the 24 bytes with which every HTTP/2 client begins have come; others are closed
 * and counted as refused.  SO_RCVLOWAT keeps the loop asleep until all of them are there.
 *
 * Thread: the runtime's loop, but for rpc_listener_new() and _free(), which call it and wait. */
#include "common/rpc/grpc/listener.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/secure.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_BYTES = sizeof(preface) - 1, PORT_TRIES = 16 };

/* A connection that has not said its hello yet. */
struct hello {
    struct hello *next, **link; /* oldest first */
    struct rpc_listener *listener;
    int fd;
    int64_t until_ns;
    struct loop_fd *watch;
};

struct rpc_listener {
    struct rpc_listener_options options; /* host copied */
    uint32_t port;
    int fds[RPC_LISTENER_ADDRESSES];
    struct loop_fd *watches[RPC_LISTENER_ADDRESSES];
    uint32_t n;
    struct hello *hellos, **hellos_end; /* Owns */
    uint32_t n_hellos;
    uint64_t hello_timer, pause_timer; /* loop_schedule() */
    int64_t warned_ms;
    int rc; /* of adding to the loop */
    struct error *err;
};

/* ---- binding ----------------------------------------------------------------------------------- */

static int bind_address(const struct addrinfo *a, uint32_t port, int *ret_fd)
{
    struct sockaddr_storage address;
    memcpy(&address, a->ai_addr, a->ai_addrlen);
    bool v6 = a->ai_family == AF_INET6;
    if (v6) {
        ((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
    }
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int one = 1;
    /* "::" serves IPv4, too, as people expect; another IPv6 address is only itself anyway. */
    int only_v6 = v6 && !IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&address)->sin6_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* restart after TIME_WAIT */
    if (v6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
    }
    if (bind(fd, (struct sockaddr *)&address, a->ai_addrlen) < 0 ||
        listen(fd, RPC_LISTENER_BACKLOG) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static uint32_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static void listener_close_sockets(struct rpc_listener *l)
{
    while (l->n > 0) {
        close(l->fds[--l->n]);
    }
}

/* A name may be listed twice with the same address. */
static bool is_repeated(const struct addrinfo *all, const struct addrinfo *a)
{
    for (const struct addrinfo *b = all; b != a; b = b->ai_next) {
        if (b->ai_addrlen == a->ai_addrlen && memcmp(b->ai_addr, a->ai_addr, a->ai_addrlen) == 0) {
            return true;
        }
    }
    return false;
}

/* Binds every address of the host to one port; all or none.  Negative errno.  A name's address of a kind
 * that this machine does not have (IPv6 is off) is left out, when another one works. */
static int listener_bind(struct rpc_listener *l, const struct addrinfo *addresses, uint32_t port)
{
    int rc = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
        if (l->n == RPC_LISTENER_ADDRESSES || is_repeated(addresses, a) ||
            (a->ai_family != AF_INET && a->ai_family != AF_INET6)) {
            continue;
        }
        int one = bind_address(a, port, &l->fds[l->n]);
        if (one == 0) {
            l->n++;
            port = port != 0 ? port : bound_port(l->fds[0]);
        } else if (one == -EADDRNOTAVAIL || one == -EAFNOSUPPORT) {
            rc = one;
        } else {
            listener_close_sockets(l);
            return one;
        }
    }
    if (l->n == 0) {
        return rc;
    }
    l->port = port;
    return 0;
}

static int listener_open(struct rpc_listener *l, struct error *err)
{
    const struct rpc_listener_options *o = &l->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *addresses;
    int rc = getaddrinfo(o->host, NULL, &hints, &addresses);
    if (rc != 0) {
        return error_set(err, ERR_IO, "the bind host '%s' cannot be resolved: %s", o->host,
                         gai_strerror(rc));
    }
    uint32_t port = o->first_port;
    for (int tries = 1;; tries++) {
        rc = listener_bind(l, addresses, port);
        if (rc != -EADDRINUSE && rc != -EACCES) {
            break;
        }
        if (o->first_port == 0 ? tries == PORT_TRIES : port == o->last_port) {
            break;
        }
        port += o->first_port != 0;
    }
    freeaddrinfo(addresses);
    if (rc == 0) {
        return 0;
    }
    char reason[128];
    const char *text = strerror_r(-rc, reason, sizeof(reason));
    if (o->last_port > o->first_port) {
        return error_set(err, ERR_IO, "cannot listen on %s, none of the ports %u-%u: %s", o->host,
                         o->first_port, o->last_port, text);
    }
    return error_set(err, ERR_IO, "cannot listen on %s, port %u: %s", o->host, o->first_port, text);
}

/* ---- hellos ------------------------------------------------------------------------------------ */

static void hello_end(struct hello *h)
{
    struct rpc_listener *l = h->listener;
    loop_del(h->watch);
    *h->link = h->next;
    if (h->next != NULL) {
        h->next->link = h->link;
    } else {
        l->hellos_end = h->link;
    }
    l->n_hellos--;
    mem_free(h);
}

static void hello_refuse(struct hello *h, const char *why)
{
    LOG_DEBUG("flinc.rpc.grpc", "A connection to port %u is refused: %s.", h->listener->port, why);
    atomic_fetch_add(&h->listener->options.counters->refused, 1);
    close(h->fd);
    hello_end(h);
}

/* Of those who try again and again, once in a while. */
static void listener_say_tls(struct rpc_listener *l)
{
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    if (l->warned_ms == 0 || now_ms - l->warned_ms >= RPC_WARNING_PAUSE_MS) {
        l->warned_ms = now_ms;
        LOG_WARN("flinc.rpc.grpc",
                 "A client speaks TLS to port %u, which has none: is security.ssl.internal.enabled "
                 "the same on both sides?",
                 l->port);
    }
}

static void hello_on_ready(void *arg, int fd, uint32_t events)
{
    struct hello *h = arg;
    struct rpc_listener *l = h->listener;
    char bytes[PREFACE_BYTES];
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n != PREFACE_BYTES) {
        hello_refuse(h, "it ended before it said anything");
    } else if (l->options.tls == NULL && rpc_secure_is_handshake(bytes, PREFACE_BYTES)) {
        listener_say_tls(l);
        hello_refuse(h, "it speaks TLS");
    } else if (memcmp(bytes, preface, PREFACE_BYTES) != 0) {
        hello_refuse(h, "what it says is not HTTP/2");
    } else {
        int one = 1;
        setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
        hello_end(h);
        l->options.on_connection(l->options.arg, fd);
    }
}

static void listener_on_hello_time(void *arg)
{
    struct rpc_listener *l = arg;
    int64_t now_ns = clock_monotonic_ns(&clock_system);
    l->hello_timer = TIMER_NONE;
    while (l->hellos != NULL && l->hellos->until_ns <= now_ns) {
        hello_refuse(l->hellos, "it said nothing for too long");
    }
    if (l->hellos != NULL) {
        int64_t left_ms = (l->hellos->until_ns - now_ns) / 1000000 + 1;
        l->hello_timer =
            loop_schedule(rpc_runtime_loop(l->options.runtime), left_ms, listener_on_hello_time, l);
    }
}

static int64_t hello_ms(const struct rpc_listener *l)
{
    return RPC_HELLO_MS + (l->options.tls != NULL ? tls_context_handshake_ms(l->options.tls) : 0);
}

static void listener_begin_hello(struct rpc_listener *l, int fd)
{
    struct loop *loop = rpc_runtime_loop(l->options.runtime);
    int one = 1, low_water = PREFACE_BYTES;
    unsigned timeout_ms = RPC_KEEPALIVE_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof(low_water));
    if (l->n_hellos == RPC_HELLOS_MAX) {
        hello_refuse(l->hellos, "too many others say nothing either");
    }
    struct hello *h = MEM_NEW(struct hello);
    *h = (struct hello){.listener = l, .fd = fd};
    h->until_ns = clock_monotonic_ns(&clock_system) + hello_ms(l) * INT64_C(1000000);
    if (loop_add(loop, fd, LOOP_READ, hello_on_ready, h, &h->watch, NULL) < 0) {
        close(fd);
        mem_free(h);
        return;
    }
    h->link = l->hellos_end;
    *l->hellos_end = h;
    l->hellos_end = &h->next;
    l->n_hellos++;
    if (l->hello_timer == TIMER_NONE) {
        l->hello_timer = loop_schedule(loop, hello_ms(l), listener_on_hello_time, l);
    }
}

/* With TLS: its plain side. */
static void listener_begin(struct rpc_listener *l, int fd)
{
    struct error err = ERROR_INIT;
    int plain = fd;
    if (l->options.tls != NULL && rpc_secure_accept(l->options.runtime, l->options.tls, fd,
                                                    PREFACE_BYTES, &plain, &err) < 0) {
        LOG_WARN("flinc.rpc.grpc", "A connection to port %u is refused: %s", l->port, err.message);
        return;
    }
    listener_begin_hello(l, plain);
}

/* ---- accepting --------------------------------------------------------------------------------- */

static int listener_watch(struct rpc_listener *l, struct error *err);

static void listener_unwatch(struct rpc_listener *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        l->watches[i] = loop_del(l->watches[i]);
    }
}

static void listener_on_pause_over(void *arg)
{
    struct rpc_listener *l = arg;
    struct error err = ERROR_INIT;
    l->pause_timer = TIMER_NONE;
    if (listener_watch(l, &err) < 0) {
        LOG_ERROR("flinc.rpc.grpc", "Port %u takes no more connections: %s.", l->port, err.message);
    }
}

static void listener_on_ready(void *arg, int fd, uint32_t events)
{
    struct rpc_listener *l = arg;
    for (;;) {
        int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection >= 0) {
            if (FAILPOINT(NULL, "rpc.grpc.accept") < 0) {
                close(connection);
            } else {
                listener_begin(l, connection);
            }
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            LOG_WARN("flinc.rpc.grpc", "Port %u accepts nothing for %d ms: %m.", l->port,
                     RPC_ACCEPT_PAUSE_MS);
            listener_unwatch(l);
            l->pause_timer = loop_schedule(rpc_runtime_loop(l->options.runtime),
                                           RPC_ACCEPT_PAUSE_MS, listener_on_pause_over, l);
            return;
        }
        if (errno == EAGAIN) {
            return;
        }
        /* Others concern the one connection that would have been it. */
    }
}

static int listener_watch(struct rpc_listener *l, struct error *err)
{
    for (uint32_t i = 0; i < l->n; i++) {
        TRY(loop_add(rpc_runtime_loop(l->options.runtime), l->fds[i], LOOP_READ, listener_on_ready,
                     l, &l->watches[i], err));
    }
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void listener_start_on_loop(void *arg)
{
    struct rpc_listener *l = arg;
    l->rc = listener_watch(l, l->err);
}

static void listener_stop_on_loop(void *arg)
{
    struct rpc_listener *l = arg;
    struct loop *loop = rpc_runtime_loop(l->options.runtime);
    loop_cancel(loop, l->hello_timer);
    loop_cancel(loop, l->pause_timer);
    listener_unwatch(l);
    while (l->hellos != NULL) {
        close(l->hellos->fd);
        hello_end(l->hellos);
    }
}

int rpc_listener_new(const struct rpc_listener_options *options, struct rpc_listener **ret,
                     struct error *err)
{
    uint32_t last = MAX(options->first_port, options->last_port);
    if (last > 65535 || options->last_port < options->first_port) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%u-%u is no range of ports",
                         options->first_port, options->last_port);
    }
    struct rpc_listener *l = MEM_NEW(struct rpc_listener);
    l->options = *options;
    l->options.host = mem_strdup(options->host);
    l->hellos_end = &l->hellos;
    l->err = err;
    int rc = listener_open(l, err);
    if (rc == 0) {
        rpc_runtime_call(options->runtime, listener_start_on_loop, l);
        rc = l->rc;
    }
    if (rc < 0) {
        rpc_listener_free(l);
        return rc;
    }
    *ret = l;
    return 0;
}

uint32_t rpc_listener_port(const struct rpc_listener *l)
{
    return l->port;
}

struct rpc_listener *rpc_listener_free(struct rpc_listener *l)
{
    if (l == NULL) {
        return NULL;
    }
    rpc_runtime_call(l->options.runtime, listener_stop_on_loop, l);
    listener_close_sockets(l);
    mem_free((char *)l->options.host);
    mem_free(l);
    return NULL;
}
