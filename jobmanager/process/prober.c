/* Probes by connect(); see prober.h.
 *
 * The sockets of a process that dies are closed one after the other: its stream may be over while its data
 * port still accepts, into a queue that nobody reads.  So a connection that was accepted is watched; when it
 * is closed, the port is dialed again, until it refuses or time is over. */
#include "jobmanager/process/prober.h"
#include "common/base/clock.h"
#include "common/loop/executor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NS_PER_MS = 1000000, HOST_BYTES_MAX = 256, IPV4_LOOPBACK = 127 };

struct prober {
    struct executor *threads; /* Owns */
};

/* ---- one address ------------------------------------------------------------------------------------ */

enum dial {
    DIAL_REFUSED,
    DIAL_CLOSED, /* accepted, then closed: somebody is ending, or has no use for us */
    DIAL_STANDS,
};

static int left_ms(int64_t deadline_ns)
{
    int64_t left = (deadline_ns - clock_monotonic_ns(&clock_system)) / NS_PER_MS;
    return left <= 0 ? 0 : (int)MIN(left, (int64_t)INT32_MAX);
}

static bool wait_for(int fd, short events, int64_t deadline_ns)
{
    struct pollfd p = {.fd = fd, .events = events};
    int rc;
    do {
        rc = poll(&p, 1, left_ms(deadline_ns));
    } while (rc < 0 && errno == EINTR);
    return rc > 0;
}

/* What has become of connect(): an errno; -1 when time was over. */
static int connected(int fd, const struct addrinfo *a, int64_t deadline_ns)
{
    int code = 0;
    socklen_t len = sizeof(code);
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    if (!wait_for(fd, POLLOUT, deadline_ns)) {
        return -1;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 ? code : errno;
}

static enum dial dial(const struct addrinfo *a, int64_t deadline_ns)
{
    enum dial answer = DIAL_STANDS;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return answer;
    }
    int code = connected(fd, a, deadline_ns);
    if (code == ECONNREFUSED) {
        answer = DIAL_REFUSED;
    } else if (code == ECONNRESET || (code == 0 && wait_for(fd, POLLIN, deadline_ns))) {
        answer = DIAL_CLOSED; /* a data port says nothing first */
    }
    close(fd);
    return answer;
}

static bool is_refused(const struct addrinfo *a, int64_t deadline_ns)
{
    enum dial answer;
    while ((answer = dial(a, deadline_ns)) == DIAL_CLOSED && left_ms(deadline_ns) > 0) {
        (void)poll(NULL, 0, PROBER_AGAIN_MS);
    }
    return answer == DIAL_REFUSED;
}

/* ---- who is meant ------------------------------------------------------------------------------------- */

/* The parts of "host:port" or "[host]:port". */
static bool split(const char *address, char host[HOST_BYTES_MAX], const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return false;
    }
    size_t n = (size_t)(colon - address);
    bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';
    (void)snprintf(host, HOST_BYTES_MAX, "%.*s", (int)(bracketed ? n - 2 : n),
                   bracketed ? address + 1 : address);
    *ret_port = colon + 1;
    return n > 0 && n < HOST_BYTES_MAX;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == IPV4_LOOPBACK;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) ||
           (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IPV4_LOOPBACK);
}

static int look_up(const char *host, const char *port, int flags, struct addrinfo **ret)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    return getaddrinfo(host, port, &hints, ret);
}

static bool peer_is_here(const char *peer)
{
    char host[HOST_BYTES_MAX];
    const char *port;
    struct addrinfo *a = NULL;
    if (!split(peer, host, &port) || look_up(host, "0", AI_NUMERICHOST, &a) != 0) {
        return false;
    }
    bool is = is_loopback(a->ai_addr);
    freeaddrinfo(a);
    return is;
}

/* A loopback address means this machine here and another one at a task manager elsewhere. */
static bool is_meant(const struct addrinfo *a, bool here)
{
    return (a->ai_family == AF_INET || a->ai_family == AF_INET6) &&
           (here || !is_loopback(a->ai_addr));
}

enum probe_answer probe_address(const char *address, const char *peer, int64_t within_ms)
{
    const int64_t deadline_ns = clock_monotonic_ns(&clock_system) + within_ms * NS_PER_MS;
    const bool here = peer_is_here(peer);
    char host[HOST_BYTES_MAX];
    const char *port;
    struct addrinfo *list = NULL;
    if (!split(address, host, &port) || look_up(host, port, 0, &list) != 0) {
        return PROBE_UNKNOWN;
    }
    bool refused = list != NULL;
    for (const struct addrinfo *a = list; a != NULL && refused; a = a->ai_next) {
        refused = is_meant(a, here) && is_refused(a, deadline_ns);
    }
    freeaddrinfo(list);
    return refused ? PROBE_REFUSED : PROBE_UNKNOWN;
}

/* ---- on its threads ----------------------------------------------------------------------------------- */

struct probing {
    char *address, *peer; /* Owns */
    int64_t deadline_ns;
    struct mailbox *mailbox; /* counted */
    struct mailbox_op op;    /* its payload: Owns until it is posted */
};

static void probing_free(void *arg)
{
    struct probing *g = arg;
    mailbox_op_drop(&g->op);
    mailbox_unref(g->mailbox);
    mem_free(g->address);
    mem_free(g->peer);
    mem_free(g);
}

static int probing_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct probing *g = arg;
    if (left_ms(g->deadline_ns) > 0 &&
        probe_address(g->address, g->peer, left_ms(g->deadline_ns)) == PROBE_REFUSED &&
        mailbox_post_internal(g->mailbox, MAILBOX_LANE_CONTROL, &g->op) == 0) {
        g->op = (struct mailbox_op){0};
    }
    return 0;
}

static void probe(void *arg, const char *address, const char *peer, int64_t within_ms,
                  struct mailbox *mailbox, const struct mailbox_op *op)
{
    struct prober *p = arg;
    struct probing *g = MEM_NEW(struct probing);
    g->address = mem_strdup(address);
    g->peer = mem_strdup(peer);
    g->deadline_ns = clock_monotonic_ns(&clock_system) + within_ms * NS_PER_MS;
    g->mailbox = mailbox_ref(mailbox);
    g->op = *op;
    const struct executor_job job = {
        .name = "probing a task manager", .run = probing_run, .arg = g, .drop = probing_free};
    struct error ignored = ERROR_INIT; /* then only time tells */
    if (executor_submit(p->threads, &job, &ignored) < 0) {
        probing_free(g);
    }
}

int prober_new(struct prober **ret, struct error *err)
{
    struct prober *p = MEM_NEW(struct prober);
    const struct executor_options options = {
        .name = "prober", .n_threads = PROBER_THREADS, .queue_limit = PROBER_QUEUE_MAX};
    int rc = executor_new(&options, &p->threads, err);
    if (rc < 0) {
        mem_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

struct prober *prober_free(struct prober *p)
{
    if (p != NULL) {
        executor_free(p->threads);
        mem_free(p);
    }
    return NULL;
}

struct resourcemanager_prober prober_ops(struct prober *p)
{
    return (struct resourcemanager_prober){.arg = p, .probe = probe};
}
