/* The transport over a connected stream socket.
 *
 *     OPEN ----close----> CLOSING ---queue is written---> OVER       (the descriptor is closed)
 *      |                     |
 *      +-------- write fails, RPC_SOCKET_LINGER_MS ------> OVER
 *
 * A send writes at once when nothing waits before it, so that a process's last words leave although its
 * loop runs no more; what the socket has no room for is queued, and written by the loop.  Reading is the
 * loop's alone.  When the receiver's mailbox is full nothing is read until the frame is delivered, which a
 * timer tries.  The watch is taken away whenever there is nothing to wait for: a hang-up would be reported
 * without end.
 *
 * Thread: send, close and free any; what is marked so the loop's.  `lock` is held over non-blocking writes,
 * which keeps frames whole; `receive_lock`, taken first, over deliveries, so that none runs once the channel
 * was freed. */
#include "common/rpc/socket.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/rpc/frame.h"
#include "common/rpc/transport.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    RPC_SOCKET_LINGER_MS = 5000, /* for what was sent before a close */
    RPC_SOCKET_RETRY_MAX_MS = 32,
    IOVECS_MAX = 64,
    SCM_FDS_MAX = 253,    /* the kernel's limit for one message */
    READS_PER_ROUND = 16, /* then others of the loop have their turn */
};

enum socket_state { SOCKET_OPEN, SOCKET_CLOSING, SOCKET_OVER, SOCKET_STATES };

static const uint8_t socket_moves[SOCKET_STATES] = {
    [SOCKET_OPEN] = 1 << SOCKET_CLOSING | 1 << SOCKET_OVER,
    [SOCKET_CLOSING] = 1 << SOCKET_OVER,
    [SOCKET_OVER] = 0,
};

/* A frame, or its rest, that waits to be written. */
struct socket_frame {
    struct socket_frame *next;
    size_t size, written;
    int fd; /* Owns; negative: none, or passed already */
    uint8_t bytes[];
};

struct socket_end {
    _Atomic uint32_t refs; /* the channel's, the loop's, and one per posted operation */
    struct loop *loop;     /* Borrows */
    int fd;                /* Owns; closed on the loop, at the end */
    void (*on_message_fd)(void *target, ProtobufCMessage *message, int fd);

    pthread_mutex_t receive_lock;
    struct rpc_channel *channel; /* Borrows; NULL: freed */

    pthread_mutex_t lock;
    enum socket_state state;
    struct socket_frame *queue, **queue_end; /* Owns */
    uint64_t queue_bytes;
    uint32_t queue_fds;
    bool posted; /* the loop will look */

    /* On the loop. */
    struct loop_fd *watch;
    uint32_t watched;
    struct frame_reader reader;
    bool ended; /* nothing is read any more */
    bool held;  /* the mailbox was full */
    int64_t retry_ms;
    uint64_t retry_timer, linger_timer;
    bool finished; /* the loop's reference is gone */
};

static void socket_transition(struct socket_end *s, enum socket_state to)
{
    ASSERT((socket_moves[s->state] >> to & 1) != 0);
    s->state = to;
}

static void socket_ref(struct socket_end *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void socket_unref(struct socket_end *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ASSERT(s->queue == NULL && s->watch == NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->receive_lock);
    mem_free(s);
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* Under lock: the first frame is written, or given up. */
static void socket_pop_frame(struct socket_end *s)
{
    struct socket_frame *f = s->queue;
    s->queue = f->next;
    if (s->queue == NULL) {
        s->queue_end = &s->queue;
    }
    s->queue_bytes -= f->size;
    s->queue_fds -= f->fd >= 0;
    if (f->fd >= 0) {
        close(f->fd);
    }
    mem_free(f);
}

/* Under lock: nothing can be written any more. */
static void socket_give_up(struct socket_end *s)
{
    while (s->queue != NULL) {
        socket_pop_frame(s);
    }
    if (s->state != SOCKET_OVER) {
        socket_transition(s, SOCKET_OVER);
    }
}

/* Writes pieces, with a descriptor beside their first byte when fd >= 0.  Bytes written, or -errno. */
static ssize_t write_pieces(int socket_fd, struct iovec *pieces, size_t n, int fd)
{
    union {
        struct cmsghdr header;
        uint8_t space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = pieces, .msg_iovlen = n};
    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    ssize_t done;
    do {
        done = sendmsg(socket_fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

/* Under lock: writes what the socket takes of the queue.  A frame with a descriptor begins a write. */
static void socket_write_queue(struct socket_end *s)
{
    while (s->queue != NULL) {
        struct iovec pieces[IOVECS_MAX];
        size_t n = 0, wanted = 0;
        for (struct socket_frame *f = s->queue;
             f != NULL && n < IOVECS_MAX && (n == 0 || f->fd < 0); f = f->next) {
            pieces[n++] = (struct iovec){f->bytes + f->written, f->size - f->written};
            wanted += f->size - f->written;
        }
        ssize_t done = write_pieces(s->fd, pieces, n, s->queue->fd);
        if (done == -EAGAIN) {
            return;
        }
        if (done < 0) {
            socket_give_up(s); /* the reader finds the same, and says so */
            return;
        }
        if (s->queue->fd >= 0) {
            close(s->queue->fd);
            s->queue->fd = -1;
            s->queue_fds--;
        }
        bool all = (size_t)done == wanted;
        for (size_t left = (size_t)done; left > 0;) {
            struct socket_frame *f = s->queue;
            size_t part = MIN(left, f->size - f->written);
            f->written += part;
            left -= part;
            if (f->written == f->size) {
                socket_pop_frame(s);
            }
        }
        if (!all) {
            return;
        }
    }
}

static void socket_on_posted(void *target, void *payload);
static void socket_drop_posted(void *payload);

/* Under lock: has the loop look at this end.  False: the loop is being freed. */
static bool socket_post(struct socket_end *s)
{
    if (s->posted) {
        return true;
    }
    struct mailbox_op op = {.run = socket_on_posted, .payload = s, .drop = socket_drop_posted};
    socket_ref(s);
    s->posted = true;
    /* At most one per end. */
    if (mailbox_post_internal(loop_mailbox(s->loop), MAILBOX_LANE_CONTROL, &op) < 0) {
        s->posted = false;
        socket_unref(s); /* not the last */
        return false;
    }
    return true;
}

/* Under lock.  Takes the descriptor on success. */
static int socket_enqueue(struct socket_end *s, const uint8_t *bytes, size_t size, int take_fd,
                          struct error *err)
{
    if (s->state != SOCKET_OPEN) {
        return error_set(err, ERR_CLOSED, "the connection is over");
    }
    if (s->queue != NULL && (s->queue_bytes + size > RPC_SOCKET_QUEUE_BYTES ||
                             (take_fd >= 0 && s->queue_fds == RPC_SOCKET_FDS_MAX))) {
        return error_set(err, ERR_LIMIT, "the peer does not keep up: %llu bytes wait to be sent",
                         (unsigned long long)s->queue_bytes);
    }
    uint8_t header[FRAME_HEADER_BYTES];
    frame_write_header(header, size, take_fd >= 0);
    size_t total = sizeof(header) + size, written = 0;
    if (s->queue == NULL) {
        struct iovec pieces[2] = {{header, sizeof(header)}, {(void *)bytes, size}};
        ssize_t done = write_pieces(s->fd, pieces, 2, take_fd);
        if (done == -ETOOMANYREFS || done == -ENOBUFS || done == -ENOMEM) {
            return error_set(err, ERR_LIMIT, "the system cannot take %zu bytes more", total);
        }
        if (done < 0 && done != -EAGAIN) {
            socket_give_up(s);
            return error_set(err, ERR_CLOSED, "the peer is gone");
        }
        written = done > 0 ? (size_t)done : 0;
    }
    if (written > 0 && take_fd >= 0) {
        close(take_fd);
        take_fd = -1;
    }
    if (written == total) {
        return 0;
    }
    struct socket_frame *f = mem_alloc(sizeof(*f) + total);
    *f = (struct socket_frame){.size = total, .written = written, .fd = take_fd};
    memcpy(f->bytes, header, sizeof(header));
    memcpy(f->bytes + sizeof(header), bytes, size);
    *s->queue_end = f;
    s->queue_end = &f->next;
    s->queue_bytes += total;
    s->queue_fds += take_fd >= 0;
    (void)socket_post(s); /* without a loop nobody writes any more, as after any end */
    return 0;
}

static int socket_send_bytes(struct socket_end *s, const uint8_t *bytes, size_t size, int take_fd,
                             struct error *err)
{
    TRY(FAILPOINT(err, "rpc.socket.send"));
    pthread_mutex_lock(&s->lock);
    int rc = socket_enqueue(s, bytes, size, take_fd, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int socket_send(void *transport, const uint8_t *bytes, size_t size, struct error *err)
{
    return socket_send_bytes(transport, bytes, size, -1, err);
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* On the loop: the descriptor goes, and with it the loop's reference. */
static void socket_finish(struct socket_end *s)
{
    if (s->finished) {
        return;
    }
    s->finished = true;
    pthread_mutex_lock(&s->lock);
    socket_give_up(s);
    pthread_mutex_unlock(&s->lock);
    s->watch = loop_del(s->watch);
    loop_cancel(s->loop, s->retry_timer);
    uint64_t linger = s->linger_timer;
    s->linger_timer = TIMER_NONE;
    loop_cancel(s->loop, linger);
    frame_reader_fini(&s->reader);
    close(s->fd);
    s->fd = -1;
    socket_unref(s);
}

static void socket_on_linger(void *arg)
{
    struct socket_end *s = arg;
    s->linger_timer = TIMER_NONE;
    socket_finish(s);
}

/* Cancelled by socket_finish(), or its loop is freed. */
static void socket_drop_linger(void *arg)
{
    struct socket_end *s = arg;
    if (s->linger_timer != TIMER_NONE) {
        socket_on_linger(s);
    }
}

/* On the loop: nothing more comes. */
static void socket_end_reading(struct socket_end *s, const struct error *why)
{
    s->ended = true;
    pthread_mutex_lock(&s->lock);
    if (s->state == SOCKET_OPEN) {
        socket_give_up(s); /* sends say so from here on */
    }
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->receive_lock);
    if (s->channel != NULL) {
        rpc_channel_peer_closed(s->channel, why);
    }
    pthread_mutex_unlock(&s->receive_lock);
}

static void socket_end_reading_by(struct socket_end *s, int code, const char *what)
{
    struct error why = ERROR_INIT;
    error_set(&why, code, "%s", what);
    socket_end_reading(s, &why);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void socket_update(struct socket_end *s);

/* Delivers what has come whole.  False: the mailbox is full, or reading has ended. */
static bool socket_deliver(struct socket_end *s)
{
    for (;;) {
        struct error why = ERROR_INIT;
        struct frame f;
        int rc = frame_reader_peek(&s->reader, &f, &why);
        if (rc == 0) {
            return true;
        }
        if (rc > 0 && (rc = FAILPOINT(&why, "rpc.socket.receive")) == 0) {
            pthread_mutex_lock(&s->receive_lock);
            rc = s->channel == NULL ? ERR_CLOSED
                                    : rpc_channel_deliver_fd(s->channel, f.bytes, f.size, f.fd,
                                                             s->on_message_fd, &why);
            pthread_mutex_unlock(&s->receive_lock);
        }
        if (rc == ERR_LIMIT) {
            s->held = true;
            return false;
        }
        if (rc < 0) {
            socket_end_reading(s, &why);
            return false;
        }
        frame_reader_pop(&s->reader, &f);
    }
}

/* Takes the descriptors out of what came beside the bytes. */
static int socket_take_fds(struct socket_end *s, struct msghdr *m, struct error *err)
{
    int rc = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (rc < 0) {
                close(fd);
            } else {
                rc = frame_reader_add_fd(&s->reader, fd, err);
            }
        }
    }
    if (rc == 0 && (m->msg_flags & MSG_CTRUNC) != 0) {
        rc = error_set(err, ERR_LIMIT, "a descriptor could not be received");
    }
    return rc;
}

/* One read.  False: nothing more for now. */
static bool socket_read(struct socket_end *s)
{
    union {
        struct cmsghdr header;
        uint8_t space[CMSG_SPACE(SCM_FDS_MAX * sizeof(int))];
    } control;
    struct iovec room;
    room.iov_base = frame_reader_room(&s->reader, &room.iov_len);
    struct msghdr m = {.msg_iov = &room,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) {
        return true;
    }
    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    if (n <= 0) {
        socket_end_reading_by(s, ERR_CLOSED,
                              frame_reader_is_empty(&s->reader)
                                  ? "the peer closed the connection or ended"
                                  : "the peer ended in the middle of a message");
        return false;
    }
    struct error why = ERROR_INIT;
    frame_reader_fill(&s->reader, (size_t)n);
    if (socket_take_fds(s, &m, &why) < 0) {
        socket_end_reading(s, &why);
        return false;
    }
    return socket_deliver(s);
}

static void socket_on_retry(void *arg)
{
    struct socket_end *s = arg;
    s->retry_timer = TIMER_NONE;
    s->held = false;
    if (socket_deliver(s)) {
        s->retry_ms = 0;
    }
    socket_update(s);
}

static void socket_on_ready(void *arg, int fd, uint32_t events)
{
    struct socket_end *s = arg;
    if ((events & LOOP_WRITE) != 0) {
        pthread_mutex_lock(&s->lock);
        socket_write_queue(s);
        pthread_mutex_unlock(&s->lock);
    }
    if ((events & (LOOP_READ | LOOP_HANGUP | LOOP_ERROR)) != 0 && !s->ended && !s->held) {
        for (int i = 0; i < READS_PER_ROUND && socket_read(s); i++) {
        }
    }
    socket_update(s);
}

/* ---- what the loop waits for ------------------------------------------------------------------- */

/* On the loop: after anything has changed. */
static void socket_update(struct socket_end *s)
{
    if (s->finished) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    bool writing = s->queue != NULL;
    bool closing = s->state == SOCKET_CLOSING;
    bool over = s->state == SOCKET_OVER;
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->receive_lock);
    bool freed = s->channel == NULL;
    pthread_mutex_unlock(&s->receive_lock);
    if ((closing && !writing) || (over && (s->ended || freed))) {
        socket_finish(s);
        return;
    }
    if (closing && s->linger_timer == TIMER_NONE) {
        s->linger_timer = loop_schedule_owned(s->loop, RPC_SOCKET_LINGER_MS, socket_on_linger, s,
                                              socket_drop_linger);
    }
    if (s->held && s->retry_timer == TIMER_NONE && !closing) {
        s->retry_ms = s->retry_ms == 0 ? 1 : MIN(s->retry_ms * 2, (int64_t)RPC_SOCKET_RETRY_MAX_MS);
        s->retry_timer = loop_schedule(s->loop, s->retry_ms, socket_on_retry, s);
    }
    uint32_t events =
        (writing ? LOOP_WRITE : 0u) | (!s->ended && !s->held && !closing ? LOOP_READ : 0u);
    if (events == s->watched) {
        return;
    }
    s->watch = loop_del(s->watch);
    s->watched = events;
    struct error why = ERROR_INIT;
    if (events != 0 && loop_add(s->loop, s->fd, events, socket_on_ready, s, &s->watch, &why) < 0) {
        s->watched = 0;
        socket_end_reading(s, &why);
        socket_finish(s);
    }
}

static void socket_on_posted(void *target, void *payload)
{
    struct socket_end *s = payload;
    pthread_mutex_lock(&s->lock);
    s->posted = false;
    if (s->state != SOCKET_OVER) {
        socket_write_queue(s);
    }
    pthread_mutex_unlock(&s->lock);
    socket_update(s);
    socket_unref(s);
}

/* The loop is freed before it could look. */
static void socket_drop_posted(void *payload)
{
    struct socket_end *s = payload;
    socket_finish(s);
    socket_unref(s);
}

/* ---- the transport's functions ------------------------------------------------------------------ */

static void socket_close(void *transport)
{
    struct socket_end *s = transport;
    pthread_mutex_lock(&s->lock);
    if (s->state == SOCKET_OPEN) {
        socket_transition(s, SOCKET_CLOSING);
    }
    bool posted = socket_post(s);
    pthread_mutex_unlock(&s->lock);
    if (!posted) {
        socket_finish(s);
    }
}

static void socket_free(void *transport)
{
    struct socket_end *s = transport;
    pthread_mutex_lock(&s->receive_lock);
    s->channel = NULL;
    pthread_mutex_unlock(&s->receive_lock);
    pthread_mutex_lock(&s->lock);
    bool posted = socket_post(s);
    pthread_mutex_unlock(&s->lock);
    if (!posted) {
        socket_finish(s);
    }
    socket_unref(s);
}

static const struct rpc_transport_ops socket_ops = {
    .name = "socket",
    .send = socket_send,
    .close = socket_close,
    .free = socket_free,
};

/* ---- opening ----------------------------------------------------------------------------------- */

int rpc_socket_open(const struct rpc_socket_options *o, struct rpc_channel **ret_channel,
                    struct error *err)
{
    TRY(FAILPOINT(err, "rpc.socket.open"));
    int flags = fcntl(o->fd, F_GETFL);
    if (flags < 0 || fcntl(o->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return error_set_errno(err, errno, "opening a channel over descriptor %d", o->fd);
    }
    struct socket_end *s = MEM_NEW(struct socket_end);
    int rc = loop_add(o->loop, o->fd, LOOP_READ, socket_on_ready, s, &s->watch, err);
    if (rc == 0) {
        rc = rpc_channel_new(&o->end, &socket_ops, s, &s->channel, err);
    }
    if (rc < 0) {
        loop_del(s->watch);
        mem_free(s);
        return rc;
    }
    atomic_init(&s->refs, 2);
    s->loop = o->loop;
    s->fd = o->fd;
    s->on_message_fd = o->on_message_fd;
    s->queue_end = &s->queue;
    s->watched = LOOP_READ;
    frame_reader_init(&s->reader, o->end.max_message_bytes != 0 ? o->end.max_message_bytes
                                                                : RPC_MESSAGE_BYTES_DEFAULT);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->receive_lock, NULL);
    *ret_channel = s->channel;
    return 0;
}

int rpc_socket_send_fd(struct rpc_channel *c, const ProtobufCMessage *message, int take_fd,
                       struct error *err)
{
    struct socket_end *s = rpc_channel_transport(c, &socket_ops);
    ASSERT(s != NULL);
    uint8_t *bytes = NULL;
    size_t size;
    int rc = rpc_channel_pack(c, message, &bytes, &size, err);
    if (rc == 0) {
        rc = socket_send_bytes(s, bytes, size, take_fd, err);
    }
    mem_free(bytes);
    if (rc < 0) {
        close(take_fd);
        error_context(err, "sending on %s", rpc_channel_name(c));
        return rc;
    }
    rpc_channel_count_sent(c, size);
    return 0;
}
