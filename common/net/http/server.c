/* The server: loops (one thread each) that run libmicrohttpd by its epoll descriptor, and look after
 * the time-outs that it does not have.
 *
 * A loop sleeps without a time-out while it has no connections.  With some it looks once a second for
 * those that take too long with a request or an answer, and shuts their sockets down.
 * Thread: any for start, port and stop; the rest is the loop's. */
#include "common/net/http/state.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.http";

/* ---- connections -------------------------------------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_loop *loop = cls;
    struct http_server *s = loop->server;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_connection *c = MEM_NEW(struct http_connection);
        c->loop = loop;
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->since_ms = clock_monotonic_ms(&clock_system);
        c->first = true;
        c->over_limit = atomic_fetch_add(&s->n_connections, 1) >= s->options.max_connections;
        c->next = loop->connections;
        c->link = &loop->connections;
        if (c->next != NULL) {
            c->next->link = &c->next;
        }
        loop->connections = c;
        loop->n_connections++;
        http_fresh_add(loop, c);
        *socket_context = c;
        return;
    }
    struct http_connection *c = *socket_context;
    if (c == NULL) {
        return;
    }
    *c->link = c->next;
    if (c->next != NULL) {
        c->next->link = c->link;
    }
    http_fresh_remove(loop, c);
    loop->n_connections--;
    atomic_fetch_sub(&s->n_connections, 1);
    mem_free(c);
    *socket_context = NULL;
}

static int64_t deadline_of(const struct http_connection *c, const struct http_server_options *o)
{
    const int64_t for_bytes = (int64_t)(c->bytes / HTTP_RATE_MIN);
    switch (c->phase) {
    case HTTP_PHASE_HEADERS:
        return c->since_ms + o->header_timeout_ms + (c->first ? 0 : o->idle_timeout_ms);
    case HTTP_PHASE_BODY:
    case HTTP_PHASE_ANSWER:
        return c->since_ms + o->request_timeout_ms + for_bytes;
    case HTTP_PHASE_HANDLER:
        break;
    }
    return INT64_MAX;
}

/* The client has hung up in the middle of a body.  libmicrohttpd takes a short read for the end of what is there
 * and waits for the next event; when the hang-up came before that read, there is none. */
static bool is_broken_off(const struct http_connection *c)
{
    char scratch;
    return c->phase == HTTP_PHASE_BODY && recv(c->fd, &scratch, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void end_slow_connections(struct http_loop *loop)
{
    for (struct http_connection *c = loop->connections; c != NULL; c = c->next) {
        if (deadline_of(c, &loop->server->options) <= loop->now_ms || is_broken_off(c)) {
            shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees its end */
        }
    }
}

/* ---- lingering ---------------------------------------------------------------------------------- */

void http_loop_linger(struct http_loop *loop, int fd)
{
    int copy = loop->n_lingers < HTTP_LINGERS_MAX ? dup(fd) : -1;
    if (copy >= 0) {
        loop->lingers[loop->n_lingers++] =
            (struct http_linger){.fd = copy, .until_ms = loop->now_ms + HTTP_LINGER_MS};
    }
}

static bool linger_is_over(const struct http_linger *l, int64_t now_ms)
{
    char scratch[16 * 1024];
    for (int rounds = 0; rounds < 16; rounds++) {
        ssize_t n = recv(l->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return true;
        }
        if (n < 0) {
            break;
        }
    }
    return now_ms >= l->until_ms;
}

static void drain_lingers(struct http_loop *loop)
{
    for (uint32_t i = 0; i < loop->n_lingers;) {
        if (linger_is_over(&loop->lingers[i], loop->now_ms)) {
            close(loop->lingers[i].fd);
            loop->lingers[i] = loop->lingers[--loop->n_lingers];
        } else {
            i++;
        }
    }
}

/* ---- the loop ----------------------------------------------------------------------------------- */

static int64_t tick_ms(const struct http_server_options *o)
{
    int64_t shortest = MIN(o->header_timeout_ms, o->request_timeout_ms);
    int64_t tick = MIN((int64_t)1000, shortest / 4);
    return MAX((int64_t)10, tick);
}

static int wait_ms(const struct http_loop *loop)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    int64_t ms = -1;
    if (loop->n_connections > 0 || loop->n_lingers > 0 ||
        atomic_load(&loop->server->stopping) == 2) {
        ms = tick_ms(&loop->server->options);
    }
    if (MHD_get_timeout(loop->mhd, &timeout) == MHD_YES &&
        (ms < 0 || timeout < (unsigned long long)ms)) {
        ms = (int64_t)timeout;
    }
    return (int)ms;
}

static void *loop_main(void *arg)
{
    struct http_loop *loop = arg;
    int64_t next_sweep_ms = 0, stop_ms = INT64_MAX;
    const int epoll_fd = MHD_get_daemon_info(loop->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd fds[2 + HTTP_LINGERS_MAX] = {{.fd = epoll_fd, .events = POLLIN},
                                               {.fd = loop->wake_fd, .events = POLLIN}};
    while (true) {
        for (uint32_t i = 0; i < loop->n_lingers; i++) {
            fds[2 + i] = (struct pollfd){.fd = loop->lingers[i].fd, .events = POLLIN};
        }
        poll(fds, 2 + loop->n_lingers, wait_ms(loop));
        loop->now_ms = clock_monotonic_ms(&clock_system);
        if ((fds[1].revents & POLLIN) != 0) {
            /* Before MHD_run: what is posted from here on wakes the next poll. */
            uint64_t n;
            ssize_t got = read(loop->wake_fd, &n, sizeof(n));
            ASSERT(got == sizeof(n));
        }
        http_secure_arrive(loop);
        http_look_for_tls(loop);
        MHD_run(loop->mhd);
        if (loop->n_lingers > 0) {
            drain_lingers(loop);
        }
        if (loop->now_ms >= next_sweep_ms) {
            end_slow_connections(loop);
            next_sweep_ms = loop->now_ms + tick_ms(&loop->server->options);
        }
        if (atomic_load(&loop->server->stopping) == 2) {
            stop_ms = MIN(stop_ms, loop->now_ms + HTTP_STOP_MS);
            if (loop->n_handled == 0 || loop->now_ms >= stop_ms) {
                break;
            }
        }
    }
    return NULL;
}

static void on_mhd_log(void *arg, const char *fmt, va_list ap)
{
    if (log_enabled(LOG_LEVEL_DEBUG, topic)) {
        STR_AUTO text = STR_INIT;
        str_vprintf(&text, fmt, ap);
        struct slice line = slice_trim(str_slice(&text));
        LOG_DEBUG(topic, "libmicrohttpd: %.*s", (int)line.len, line.data);
    }
}

/* Targets are decoded by target.c, after they are split. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    return strlen(text);
}

static void close_listening(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

/* take_fd -1: connections come by http_secure_arrive(). */
static int loop_start(struct http_server *s, struct http_loop *loop, int take_fd, struct error *err)
{
    const struct http_server_options *o = &s->options;
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (take_fd < 0 ? MHD_USE_NO_LISTEN_SOCKET : 0u);
    loop->server = s;
    pthread_mutex_init(&loop->arrivals_lock, NULL);
    vec_init(&loop->arrivals, sizeof(struct http_arrival));
    vec_init(&loop->fresh, sizeof(struct http_connection *));
    loop->now_ms = clock_monotonic_ms(&clock_system);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        int rc = error_set_errno(err, errno, "starting HTTP server %s", o->name);
        close_listening(take_fd);
        return rc;
    }
    loop->mhd = MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_access, loop, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
        take_fd < 0 ? MHD_OPTION_LISTENING_ADDRESS_REUSE : MHD_OPTION_LISTEN_SOCKET,
        take_fd < 0 ? 0 : take_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MEMORY_PER_CONNECTION, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(o->max_connections + HTTP_SPARE_CONNECTIONS), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((o->idle_timeout_ms + 999) / 1000), MHD_OPTION_URI_LOG_CALLBACK, http_on_target,
        loop, MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_NOTIFY_COMPLETED,
        http_on_completed, loop, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    if (loop->mhd == NULL) {
        close_listening(take_fd);
        return error_set(err, ERR_INTERNAL, "HTTP server %s: libmicrohttpd could not start",
                         o->name);
    }
    TRY(thread_start(&loop->thread, "http-server", loop_main, loop, err));
    loop->running = true;
    return 0;
}

void http_loop_wake(struct http_loop *loop)
{
    const uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    ASSERT(n == sizeof(one));
}

static void loop_end_connections(struct http_loop *loop)
{
    if (loop->mhd != NULL) {
        MHD_stop_daemon(loop->mhd);
        for (uint32_t i = 0; i < loop->n_lingers; i++) {
            close(loop->lingers[i].fd);
        }
    }
}

static void loop_fini(struct http_loop *loop)
{
    if (loop->server == NULL) {
        return;
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    for (size_t i = 0; i < loop->arrivals.len; i++) {
        close(VEC_AT(&loop->arrivals, struct http_arrival, i)->fd);
    }
    vec_fini(&loop->arrivals);
    vec_fini(&loop->fresh);
    pthread_mutex_destroy(&loop->arrivals_lock);
}

/* ---- start and stop ----------------------------------------------------------------------------- */

static void set_options(struct http_server *s, const struct http_server_options *options)
{
    struct http_server_options *o = &s->options;
    *o = *options;
    o->name = mem_strdup(options->name != NULL ? options->name : "http");
    o->bind_address = mem_strdup(options->bind_address);
    o->allow_origin = mem_strdup(options->allow_origin);
    o->upload_dir = mem_strdup(options->upload_dir);
    o->max_body_bytes = o->max_body_bytes != 0 ? o->max_body_bytes : HTTP_BODY_DEFAULT;
    o->tls = options->tls != NULL ? tls_context_ref(options->tls) : NULL;
    o->n_threads = o->n_threads != 0 ? MIN(o->n_threads, (uint32_t)HTTP_LOOPS_MAX) : 1;
    o->n_handlers = o->n_handlers != 0 ? o->n_handlers : HTTP_HANDLERS_DEFAULT;
    o->max_connections = o->max_connections != 0 ? o->max_connections : HTTP_CONNECTIONS_DEFAULT;
    o->idle_timeout_ms = o->idle_timeout_ms > 0 ? o->idle_timeout_ms : HTTP_IDLE_TIMEOUT_MS;
    o->header_timeout_ms = o->header_timeout_ms > 0 ? o->header_timeout_ms : HTTP_HEADER_TIMEOUT_MS;
    o->request_timeout_ms =
        o->request_timeout_ms > 0 ? o->request_timeout_ms : HTTP_REQUEST_TIMEOUT_MS;
}

static int check_upload_dir(const char *dir, struct error *err)
{
    struct stat st;
    if (dir == NULL) {
        return 0;
    }
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        return error_set_errno(err, errno, "making the folder for uploads %s (web.upload.dir)",
                               dir);
    }
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || access(dir, W_OK | X_OK) < 0) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "the folder for uploads %s (web.upload.dir) is no folder that this process "
            "may write to",
            dir);
    }
    return 0;
}

/* Takes the descriptor. */
static int start_loops(struct http_server *s, int fd, struct error *err)
{
    const struct http_server_options *o = &s->options;
    for (uint32_t i = 0; i < o->n_threads; i++) {
        int own = i + 1 < o->n_threads ? dup(fd) : fd;
        if (own < 0) {
            int rc = error_set_errno(err, errno, "starting HTTP server %s", o->name);
            close(fd);
            return rc;
        }
        s->n_loops++;
        int rc = loop_start(s, &s->loops[i], own, err);
        if (rc < 0) {
            if (own != fd) {
                close(fd);
            }
            return rc;
        }
    }
    return 0;
}

/* Takes the descriptor. */
static int start_secure_loops(struct http_server *s, int fd, struct error *err)
{
    for (uint32_t i = 0; i < s->options.n_threads; i++) {
        s->n_loops++;
        int rc = loop_start(s, &s->loops[i], -1, err);
        if (rc < 0) {
            close(fd);
            return rc;
        }
    }
    return http_secure_start(s, fd, err);
}

static int server_open(struct http_server *s, struct error *err)
{
    const struct http_server_options *o = &s->options;
    int fd;
    TRY(http_router_new(o->routes, o->n_routes, &s->router, err));
    TRY(check_upload_dir(o->upload_dir, err));
    http_raise_file_limit(o->max_connections + HTTP_SPARE_CONNECTIONS);
    if (o->listen_fd > 0) {
        fd = fcntl(o->listen_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            return error_set_errno(err, errno, "starting HTTP server %s", o->name);
        }
        s->port = http_port_of(fd);
    } else {
        TRY(http_listen(o->name, o->bind_address, o->first_port, o->last_port, &fd, &s->port, err));
    }
    return o->tls != NULL ? start_secure_loops(s, fd, err) : start_loops(s, fd, err);
}

int http_server_start(const struct http_server_options *options, struct http_server **ret,
                      struct error *err)
{
    struct http_server *s = MEM_NEW(struct http_server);
    s->tls_fd = -1;
    set_options(s, options);
    http_handlers_init(&s->handlers, s->options.n_handlers);
    pthread_mutex_init(&s->random_lock, NULL);
    rng_init_system(&s->random);
    int rc = server_open(s, err);
    if (rc < 0) {
        http_server_stop(s);
        return rc;
    }
    *ret = s;
    return 0;
}

uint32_t http_server_port(const struct http_server *s)
{
    return s->port;
}

struct http_server *http_server_stop(struct http_server *s)
{
    if (s == NULL) {
        return NULL;
    }
    atomic_store(&s->stopping, 1);
    http_handlers_stop(&s->handlers);
    atomic_store(&s->stopping, 2);
    for (uint32_t i = 0; i < s->n_loops; i++) {
        if (s->loops[i].running) {
            http_loop_wake(&s->loops[i]);
            thread_join(s->loops[i].thread);
        }
    }
    for (uint32_t i = 0; i < s->n_loops; i++) {
        loop_end_connections(&s->loops[i]);
    }
    http_secure_stop(s); /* what the loops have sent is passed on */
    for (uint32_t i = 0; i < s->n_loops; i++) {
        loop_fini(&s->loops[i]);
    }
    tls_context_unref(s->options.tls);
    http_handlers_fini(&s->handlers);
    http_router_free(s->router);
    pthread_mutex_destroy(&s->random_lock);
    mem_free((char *)(uintptr_t)s->options.name);
    mem_free((char *)(uintptr_t)s->options.bind_address);
    mem_free((char *)(uintptr_t)s->options.allow_origin);
    mem_free((char *)(uintptr_t)s->options.upload_dir);
    mem_free(s);
    return NULL;
}
