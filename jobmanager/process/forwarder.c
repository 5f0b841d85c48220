/* A standby's REST port; see forwarder.h. */
#include "jobmanager/process/forwarder.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/net/http/http.h"
#include "common/net/tls/relay.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char topic[] = "flinc.process.forwarder";

#define FORWARDED_HEADER "X-Flinc-Forwarded"

enum { RELAY_BYTES = 32 * 1024 };

struct forwarder {
    int listen_fd;           /* Borrows */
    int stop_fd;             /* an event; readable from the stop on */
    struct ha *ha;           /* Borrows */
    struct tls_relay *relay; /* Owns; NULL: without TLS */
    struct tls_context *server, *client;
    pthread_t thread;
    pthread_mutex_t lock; /* guards n; a leaf */
    pthread_cond_t changed;
    uint32_t n; /* connections */
};

struct passed_connection {
    struct forwarder *f;
    int client, leader;
    struct str head;
};

/* ---- sockets; all of them do not block, poll() waits, and every wait ends with the stop ------------------ */

/* The events; 0: the time is over; -1: the forwarder stops. */
static int wait_for(const struct forwarder *f, int fd, short events, int64_t timeout_ms)
{
    struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = f->stop_fd, .events = POLLIN}};
    int n = poll(p, ARRAY_LEN(p), (int)timeout_ms);
    return p[1].revents != 0 ? -1 : n > 0 ? p[0].revents : 0;
}

static bool send_all(const struct forwarder *f, int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (wait_for(f, fd, POLLOUT, FORWARDER_HEAD_TIMEOUT_MS) <= 0) {
            return false;
        }
    }
    return true;
}

/* "http://host:port" */
static bool parse_url(const char *url, char *ret_host, size_t host_size, char ret_port[8])
{
    const char *begin = strstr(url, "://");
    begin = begin != NULL ? begin + 3 : url;
    const char *colon = strrchr(begin, ':');
    if (colon == NULL || colon == begin || strlen(colon + 1) > 5 || strlen(colon + 1) < 1) {
        return false;
    }
    size_t len = (size_t)(colon - begin);
    if (begin[0] == '[' && begin[len - 1] == ']') {
        begin++;
        len -= 2;
    }
    if (len == 0 || len >= host_size) {
        return false;
    }
    memcpy(ret_host, begin, len);
    ret_host[len] = '\0';
    (void)snprintf(ret_port, 8, "%s", colon + 1);
    return true;
}

static int connect_one(const struct forwarder *f, const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int cause = 0;
    socklen_t size = sizeof(cause);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
        (errno == EINPROGRESS && wait_for(f, fd, POLLOUT, FORWARDER_CONNECT_TIMEOUT_MS) > 0 &&
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &size) == 0 && cause == 0)) {
        const int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* The plain side of a connection that speaks TLS; -1: it cannot be.  Takes the descriptor. */
static int secure(const struct forwarder *f, int fd, struct tls_context *context, const char *host)
{
    const struct tls_link_options o = {
        .context = context, .host = host, .on_plaintext = http_redirect_to_tls};
    struct error err = ERROR_INIT;
    int plain = -1;
    if (fd >= 0 && tls_relay_add(f->relay, fd, &o, &plain, &err) < 0) {
        LOG_WARN(topic, "A request is not passed on to the leader: %s", err.message);
        return -1;
    }
    return plain;
}

static int connect_leader(const struct forwarder *f)
{
    struct ha_leader leader;
    char host[HA_ADDRESS_MAX], port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int fd = -1;
    if (!ha_find_leader(f->ha, &leader) || !parse_url(leader.rest_url, host, sizeof(host), port) ||
        getaddrinfo(host, port, &hints, &list) != 0) {
        return -1;
    }
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = connect_one(f, a);
    }
    freeaddrinfo(list);
    return f->relay != NULL ? secure(f, fd, f->client, host) : fd;
}

/* ---- the first request ------------------------------------------------------------------------------------- */

/* Until the empty line; false: the client is gone, too slow, or sends too much. */
static bool read_head(struct passed_connection *c)
{
    char buf[4096];
    while (c->head.len == 0 || strstr(str_cstr(&c->head), "\r\n\r\n") == NULL) {
        ssize_t n = recv(c->client, buf, sizeof(buf), 0);
        if (n > 0) {
            str_append(&c->head, buf, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
                   wait_for(c->f, c->client, POLLIN, FORWARDER_HEAD_TIMEOUT_MS) <= 0) {
            return false;
        }
        if (c->head.len > FORWARDER_HEAD_MAX) {
            return strstr(str_cstr(&c->head), "\r\n\r\n") != NULL;
        }
    }
    return true;
}

static bool was_forwarded(const struct passed_connection *c)
{
    const char *found = strcasestr(str_cstr(&c->head), "\r\n" FORWARDED_HEADER ":");
    return found != NULL && found < strstr(str_cstr(&c->head), "\r\n\r\n");
}

static void answer(struct passed_connection *c, const char *status, const char *text)
{
    STR_AUTO body = STR_INIT;
    STR_AUTO all = STR_INIT;
    char buf[4096];
    str_printf(&body, "{\"errors\":[\"%s\"]}", text);
    str_printf(&all,
               "HTTP/1.1 %s\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: "
               "%zu\r\nConnection: close\r\n\r\n%s",
               status, body.len, str_cstr(&body));
    if (send_all(c->f, c->client, all.data, all.len) && shutdown(c->client, SHUT_WR) == 0) {
        /* A body that is still coming would turn the answer into a reset. */
        while (wait_for(c->f, c->client, POLLIN, 1000) > 0 &&
               recv(c->client, buf, sizeof(buf), 0) > 0) {
        }
    }
}

/* The mark goes behind the request line. */
static bool send_head(struct passed_connection *c)
{
    static const char mark[] = FORWARDED_HEADER ": 1\r\n";
    const char *end = strstr(str_cstr(&c->head), "\r\n");
    size_t line = (size_t)(end - c->head.data) + 2;
    return send_all(c->f, c->leader, c->head.data, line) &&
           send_all(c->f, c->leader, mark, sizeof(mark) - 1) &&
           send_all(c->f, c->leader, c->head.data + line, c->head.len - line);
}

/* ---- relaying ---------------------------------------------------------------------------------------------- */

/* 1: more may come; 0: that side has said all; -1: it is over. */
static int relay_some(const struct forwarder *f, int from, int to, char *buf)
{
    ssize_t n = recv(from, buf, RELAY_BYTES, 0);
    if (n > 0) {
        return send_all(f, to, buf, (size_t)n) ? 1 : -1;
    }
    if (n == 0) {
        (void)shutdown(to, SHUT_WR);
        return 0;
    }
    return errno == EAGAIN || errno == EINTR ? 1 : -1;
}

static void relay(struct passed_connection *c)
{
    char *buf = mem_alloc(RELAY_BYTES);
    const int fds[2] = {c->client, c->leader};
    bool open[2] = {true, true};
    while (open[0] || open[1]) {
        struct pollfd p[3] = {{.fd = open[0] ? fds[0] : -1, .events = POLLIN},
                              {.fd = open[1] ? fds[1] : -1, .events = POLLIN},
                              {.fd = c->f->stop_fd, .events = POLLIN}};
        (void)poll(p, ARRAY_LEN(p), -1);
        if (p[2].revents != 0) {
            break;
        }
        int rc = 1;
        for (int i = 0; i < 2 && rc >= 0; i++) {
            if (p[i].revents != 0) {
                rc = relay_some(c->f, fds[i], fds[1 - i], buf);
                open[i] = rc > 0;
            }
        }
        if (rc < 0 || !open[1]) { /* the leader has closed: so does the client's side */
            break;
        }
    }
    mem_free(buf);
}

static void serve(struct passed_connection *c)
{
    static const char nobody[] = "Service temporarily unavailable due to an ongoing leader "
                                 "election. Please refresh.";
    if (!read_head(c)) {
        if (c->head.len > FORWARDER_HEAD_MAX) {
            answer(c, "431 Request Header Fields Too Large", "The request's headers are too long.");
        }
        return;
    }
    c->leader = was_forwarded(c) ? -1 : connect_leader(c->f);
    if (c->leader < 0) {
        answer(c, "503 Service Unavailable", nobody);
        return;
    }
    if (send_head(c)) {
        relay(c);
    }
}

static void *connection_main(void *arg)
{
    struct passed_connection *c = arg;
    struct forwarder *f = c->f;
    serve(c);
    (void)close(c->client);
    if (c->leader >= 0) {
        (void)close(c->leader);
    }
    str_fini(&c->head);
    mem_free(c);
    pthread_mutex_lock(&f->lock);
    f->n--;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- accepting --------------------------------------------------------------------------------------------- */

static void start_connection(struct forwarder *f, int fd)
{
    struct passed_connection *c = MEM_NEW(struct passed_connection);
    struct error err = ERROR_INIT;
    pthread_t thread;
    *c = (struct passed_connection){.f = f, .client = fd, .leader = -1};
    pthread_mutex_lock(&f->lock);
    f->n++;
    pthread_mutex_unlock(&f->lock);
    if (thread_start(&thread, "forward", connection_main, c, &err) == 0) {
        (void)pthread_detach(thread);
        return;
    }
    LOG_WARN(topic, "A request is not passed on to the leader: %s", err.message);
    (void)close(fd);
    mem_free(c);
    pthread_mutex_lock(&f->lock);
    f->n--;
    pthread_mutex_unlock(&f->lock);
}

static bool has_room(struct forwarder *f)
{
    pthread_mutex_lock(&f->lock);
    bool room = f->n < FORWARDER_CONNECTIONS_MAX;
    pthread_mutex_unlock(&f->lock);
    return room;
}

static void *accept_main(void *arg)
{
    struct forwarder *f = arg;
    for (;;) {
        bool room = has_room(f);
        int events = wait_for(f, room ? f->listen_fd : -1, POLLIN, room ? -1 : 100);
        if (events < 0) {
            return NULL;
        }
        int fd = events > 0 ? accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
        if (fd >= 0 && f->relay != NULL) {
            fd = secure(f, fd, f->server, NULL);
        }
        if (fd >= 0) {
            start_connection(f, fd);
        }
    }
}

static int open_tls(struct forwarder *f, const struct conf *conf, struct error *err)
{
    if (!tls_is_enabled(conf, TLS_SCOPE_REST)) {
        return 0;
    }
    TRY(tls_context_new(conf, TLS_SCOPE_REST, TLS_SIDE_SERVER, &f->server, err));
    TRY(tls_context_new(conf, TLS_SCOPE_REST, TLS_SIDE_CLIENT, &f->client, err));
    return tls_relay_new(&(struct tls_relay_options){.name = "forward-tls"}, &f->relay, err);
}

static void forwarder_free(struct forwarder *f)
{
    tls_relay_free(f->relay);
    tls_context_unref(f->server);
    tls_context_unref(f->client);
    if (f->stop_fd >= 0) {
        (void)close(f->stop_fd);
    }
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

int forwarder_start(int listen_fd, struct ha *ha, const struct conf *conf, struct forwarder **ret,
                    struct error *err)
{
    struct forwarder *f = MEM_NEW(struct forwarder);
    *f = (struct forwarder){.listen_fd = listen_fd, .ha = ha};
    f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    int rc = f->stop_fd < 0 ? error_set_errno(err, errno, "starting the forwarder of a standby")
                            : open_tls(f, conf, err);
    if (rc == 0) {
        rc = thread_start(&f->thread, "forwarder", accept_main, f, err);
    }
    if (rc < 0) {
        forwarder_free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

struct forwarder *forwarder_stop(struct forwarder *f)
{
    if (f == NULL) {
        return NULL;
    }
    const uint64_t one = 1;
    ssize_t n = write(f->stop_fd, &one, sizeof(one));
    ASSERT(n == sizeof(one));
    thread_join(f->thread);
    pthread_mutex_lock(&f->lock);
    while (f->n > 0) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    forwarder_free(f);
    return NULL;
}
