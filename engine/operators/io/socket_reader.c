/* The reading thread of the socket source; see socket_reader.h.
 *
 * Every wait of the thread is a poll() that the event descriptor `signal_fd` ends: by a room in the ring
 * that it waited for, a name that was looked up, or the close.  Name look-ups can block for long and
 * cannot be interrupted, so they are jobs of the I/O executor that nobody needs to wait for. */
#include "engine/operators/io/socket_reader.h"

#include "common/base/thread.h"
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_reader {
    pthread_t thread;
    char *name; /* Owns; "host:port" */
    char *host; /* Owns */
    char port[8];
    int max_retries;
    int64_t retry_delay_ms;
    struct executor *io_executor; /* Borrows; may be NULL */
    struct op_waker *waker;       /* Borrows */
    struct metric_gauge *pending; /* Borrows */
    int signal_fd;
    _Atomic bool stop;

    pthread_mutex_t lock;
    uint64_t head, tail;             /* under lock: bytes taken and read, in all */
    bool wants_room;                 /* under lock: the thread waits for room */
    bool ended;                      /* under lock: the thread is done; err is final */
    struct error err;                /* the thread's until it ended */
    uint8_t ring[SOCKET_RING_BYTES]; /* [head, tail) is the task's, the rest the thread's */
};

static void signal_thread(int signal_fd)
{
    uint64_t one = 1;
    /* A descriptor that is full is readable already. */
    ssize_t n = write(signal_fd, &one, sizeof(one));
    (void)n;
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

enum wait_result {
    WAIT_READY,
    WAIT_SIGNALLED, /* look again: somebody wrote to signal_fd, or a system signal came */
    WAIT_TIMED_OUT,
    WAIT_STOPPED,
};

/* Waits for a descriptor (none: negative), a signal or the time. */
static enum wait_result wait_once(struct socket_reader *r, int fd, short events, int64_t timeout_ms)
{
    struct pollfd p[2] = {{.fd = r->signal_fd, .events = POLLIN}, {.fd = fd, .events = events}};
    int n = poll(p, fd >= 0 ? 2 : 1, (int)MIN(timeout_ms, (int64_t)INT_MAX));

    if (n > 0 && p[0].revents != 0) {
        uint64_t drained;
        ssize_t size = read(r->signal_fd, &drained, sizeof(drained));
        (void)size; /* nobody else reads it, and it is readable */
    }
    if (atomic_load(&r->stop)) {
        return WAIT_STOPPED;
    }
    if (n > 0 && fd >= 0 && p[1].revents != 0) {
        return WAIT_READY;
    }
    return n == 0 ? WAIT_TIMED_OUT : WAIT_SIGNALLED;
}

/* The same, but signals do not end it: the time is kept. */
static enum wait_result wait_for(struct socket_reader *r, int fd, short events, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ms(&clock_system) + timeout_ms;

    for (;;) {
        int64_t left = timeout_ms < 0 ? -1 : until - clock_monotonic_ms(&clock_system);
        enum wait_result w = wait_once(r, fd, events, timeout_ms < 0 ? -1 : MAX(left, (int64_t)0));
        if (w != WAIT_SIGNALLED) {
            return w;
        }
    }
}

/* ---- looking the name up ------------------------------------------------------------------------------ */

/* Shared by the thread and the I/O executor; the last of the two frees it. */
struct lookup {
    _Atomic uint32_t refs;
    _Atomic bool done;
    pthread_mutex_t lock;
    int signal_fd; /* under lock; -1: nobody waits any more */
    char *host;    /* Owns */
    char port[8];
    int rc;                     /* of getaddrinfo */
    struct addrinfo *addresses; /* Owns */
};

static void lookup_unref(void *arg)
{
    struct lookup *l = arg;

    if (atomic_fetch_sub(&l->refs, 1) == 1) {
        if (l->addresses != NULL) {
            freeaddrinfo(l->addresses);
        }
        pthread_mutex_destroy(&l->lock);
        mem_free(l->host);
        mem_free(l);
    }
}

static int lookup_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct lookup *l = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    (void)cancel;
    (void)err; /* what failed is in rc */
    l->rc = getaddrinfo(l->host, l->port, &hints, &l->addresses);
    atomic_store(&l->done, true);
    pthread_mutex_lock(&l->lock);
    if (l->signal_fd >= 0) {
        signal_thread(l->signal_fd);
    }
    pthread_mutex_unlock(&l->lock);
    return 0;
}

static struct lookup *lookup_new(const struct socket_reader *r)
{
    struct lookup *l = MEM_NEW(struct lookup);

    atomic_store(&l->refs, 1);
    pthread_mutex_init(&l->lock, NULL);
    l->signal_fd = r->signal_fd;
    l->host = mem_strdup(r->host);
    memcpy(l->port, r->port, sizeof(l->port));
    return l;
}

static bool lookup_submit(struct lookup *l, struct executor *x)
{
    struct executor_job job = {
        .name = "name look-up", .run = lookup_run, .arg = l, .drop = lookup_unref};

    atomic_fetch_add(&l->refs, 1);
    if (x == NULL || executor_submit(x, &job, NULL) < 0) {
        atomic_fetch_sub(&l->refs, 1);
        return false;
    }
    return true;
}

/* Addresses of the server; *ret is NULL when the source is being closed. */
static int resolve(struct socket_reader *r, struct addrinfo **ret, struct error *err)
{
    struct addrinfo numeric = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    enum wait_result w = WAIT_READY;

    if (getaddrinfo(r->host, r->port, &numeric, ret) == 0) { /* never blocks */
        return 0;
    }
    struct lookup *l = lookup_new(r);
    if (!lookup_submit(l, r->io_executor)) {
        (void)lookup_run(l, NULL, NULL);
    }
    while (!atomic_load(&l->done) && w != WAIT_STOPPED) {
        w = wait_once(r, -1, 0, -1);
    }
    pthread_mutex_lock(&l->lock);
    l->signal_fd = -1;
    pthread_mutex_unlock(&l->lock);
    int rc = 0;
    *ret = NULL;
    if (atomic_load(&l->done)) {
        *ret = STEAL(l->addresses);
        rc = l->rc == 0 ? 0
                        : error_set(err, ERR_UNAVAILABLE, "host '%s' cannot be resolved: %s",
                                    r->host, gai_strerror(l->rc));
    }
    lookup_unref(l);
    return rc;
}

/* ---- connecting ------------------------------------------------------------------------------------- */

/* A connected descriptor, or the error. */
static int connect_address(struct socket_reader *r, const struct addrinfo *a, struct error *err)
{
    int on = 1, cause = 0;
    socklen_t size = sizeof(cause);
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return error_set_errno(err, errno, "making a socket for %s", r->name);
    }
    /* A server that is gone without a word is noticed some day. */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
        cause = errno;
    }
    if (cause == EINPROGRESS) {
        enum wait_result w = wait_for(r, fd, POLLOUT, SOCKET_CONNECT_TIMEOUT_MS);
        cause = w == WAIT_STOPPED ? ECANCELED : ETIMEDOUT;
        if (w == WAIT_READY) {
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &size);
        }
    }
    if (cause != 0) {
        close(fd);
        return error_set_errno(err, cause, "connecting to %s", r->name);
    }
    return fd;
}

static int connect_server(struct socket_reader *r, struct error *err)
{
    struct addrinfo *all = NULL;
    int fd = ERR_CANCELLED;

    TRY(resolve(r, &all, err));
    for (const struct addrinfo *a = all; a != NULL && fd < 0 && !atomic_load(&r->stop);
         a = a->ai_next) {
        fd = connect_address(r, a, err);
    }
    if (all != NULL) {
        freeaddrinfo(all);
    }
    return fd;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* The free run of the ring that comes next; waits for one.  Empty: the source is being closed. */
static size_t wait_room(struct socket_reader *r, uint8_t **ret_at)
{
    enum wait_result w = WAIT_READY;

    while (w != WAIT_STOPPED) {
        pthread_mutex_lock(&r->lock);
        size_t at = r->tail % SOCKET_RING_BYTES;
        size_t room = SOCKET_RING_BYTES - (size_t)(r->tail - r->head);
        r->wants_room = room == 0;
        pthread_mutex_unlock(&r->lock);
        if (room > 0) {
            *ret_at = r->ring + at;
            return MIN(room, SOCKET_RING_BYTES - at);
        }
        w = wait_once(r, -1, 0, -1);
    }
    return 0;
}

/* Reads until the connection ends; 0 also when the source is being closed. */
static int read_connection(struct socket_reader *r, int fd, struct error *err)
{
    for (;;) {
        uint8_t *to;
        size_t room = wait_room(r, &to);
        if (room == 0 || wait_for(r, fd, POLLIN, -1) == WAIT_STOPPED) {
            return 0;
        }
        ssize_t n = recv(fd, to, room, 0);
        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return error_set_errno(err, errno, "reading from %s", r->name);
        }
        if (n > 0) {
            pthread_mutex_lock(&r->lock);
            r->tail += (uint64_t)n;
            metric_gauge_set(r->pending, (int64_t)(r->tail - r->head));
            pthread_mutex_unlock(&r->lock);
            op_wake(r->waker);
        }
    }
}

static int serve_connection(struct socket_reader *r, struct error *err)
{
    int fd = connect_server(r, err);

    TRY(fd);
    int rc = read_connection(r, fd, err);
    close(fd);
    return rc;
}

static void *socket_thread(void *arg)
{
    struct socket_reader *r = arg;
    enum wait_result w = WAIT_READY;
    int rc = 0;

    for (int retries = 0; w != WAIT_STOPPED; retries++) {
        error_clear(&r->err);
        rc = serve_connection(r, &r->err);
        if (atomic_load(&r->stop) || (r->max_retries >= 0 && retries >= r->max_retries)) {
            break;
        }
        w = wait_for(r, -1, 0, r->retry_delay_ms);
    }
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    r->err.code = MIN(rc, 0);
    pthread_mutex_unlock(&r->lock);
    op_wake(r->waker);
    return NULL;
}

/* ---- the task's side -------------------------------------------------------------------------------- */

static void reader_free(struct socket_reader *r)
{
    if (r->signal_fd >= 0) {
        close(r->signal_fd);
    }
    pthread_mutex_destroy(&r->lock);
    mem_free(r->name);
    mem_free(r->host);
    mem_free(r);
}

int socket_reader_open(const struct socket_reader_options *o, struct socket_reader **ret_reader,
                       struct error *err)
{
    struct socket_reader *r = MEM_NEW(struct socket_reader);
    STR_AUTO name = STR_INIT;

    pthread_mutex_init(&r->lock, NULL);
    str_printf(&name, "%s:%u", o->host, o->port);
    r->name = str_take(&name);
    r->host = mem_strdup(o->host);
    (void)snprintf(r->port, sizeof(r->port), "%u", o->port);
    r->max_retries = o->max_retries;
    r->retry_delay_ms = MAX(o->retry_delay_ms, (int64_t)0);
    r->io_executor = o->io_executor;
    r->waker = o->waker;
    r->pending = o->pending;
    r->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = r->signal_fd < 0 ? error_set_errno(err, errno, "making an event descriptor")
                              : thread_start(&r->thread, "socket-source", socket_thread, r, err);
    if (rc < 0) {
        reader_free(r);
        return rc;
    }
    *ret_reader = r;
    return 0;
}

struct socket_reader *socket_reader_close(struct socket_reader *r)
{
    if (r != NULL) {
        atomic_store(&r->stop, true);
        signal_thread(r->signal_fd);
        thread_join(r->thread);
        reader_free(r);
    }
    return NULL;
}

struct slice socket_reader_peek(struct socket_reader *r, bool *ret_ended)
{
    pthread_mutex_lock(&r->lock);
    size_t at = r->head % SOCKET_RING_BYTES;
    size_t n = (size_t)(r->tail - r->head);
    *ret_ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    return slice_make((const char *)r->ring + at, MIN(n, SOCKET_RING_BYTES - at));
}

void socket_reader_take(struct socket_reader *r, size_t n)
{
    pthread_mutex_lock(&r->lock);
    bool wanted = r->wants_room && n > 0;
    ASSERT(n <= r->tail - r->head);
    r->head += n;
    metric_gauge_set(r->pending, (int64_t)(r->tail - r->head));
    r->wants_room = r->wants_room && !wanted;
    pthread_mutex_unlock(&r->lock);
    if (wanted) {
        signal_thread(r->signal_fd);
    }
}

int socket_reader_check(const struct socket_reader *r, struct error *err)
{
    if (r->err.code < 0 && err != NULL) {
        error_copy(err, &r->err);
    }
    return MIN(r->err.code, 0);
}

const char *socket_reader_name(const struct socket_reader *r)
{
    return r->name;
}
