/* Reading and writing of frames (connection.h). */
#include "taskmanager/network/connection.h"
#include "common/base/crc32c.h"
#include "taskmanager/network/network_internal.h"
#include "taskmanager/network/secure.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void connection_on_ready(void *arg, int fd, uint32_t events);

/* ---- life --------------------------------------------------------------------------------------- */

void connection_init(struct connection *c, struct network *n, const struct connection_role *role,
                     const char *peer)
{
    *c = (struct connection){.network = n, .role = role, .fd = -1};
    c->peer = mem_strdup(peer);
}

/* Sockets that are not TCP (tests) refuse these. */
static void set_tcp_options(const struct network *n, int fd)
{
    const struct network_settings *s = &n->settings;
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, s->keep_idle_s},
        {IPPROTO_TCP, TCP_KEEPINTVL, s->keep_interval_s},
        {IPPROTO_TCP, TCP_KEEPCNT, s->keep_count},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, s->user_timeout_ms},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, SEND_UNSENT_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (options[i].value > 0) {
            (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                             sizeof(options[i].value));
        }
    }
}

int connection_attach(struct connection *c, int take_fd, struct error *err)
{
    ASSERT(c->fd < 0);
    set_tcp_options(c->network, take_fd);
    int rc = loop_add(c->network->loop, take_fd, LOOP_READ, connection_on_ready, c, &c->watch, err);
    if (rc < 0) {
        close(take_fd);
        return rc;
    }
    c->fd = take_fd;
    return 0;
}

void connection_reset(struct connection *c)
{
    struct network *n = c->network;
    secure_end(c);
    c->watch = loop_del(c->watch);
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    while (c->out_head != NULL) {
        struct out_frame *f = c->out_head;
        c->out_head = f->next;
        out_frame_free(n, f);
    }
    c->out_tail = NULL;
    c->out_bytes = c->out_sent = 0;
    c->own = buffer_unref(c->own);
    c->staging = buffer_unref(c->staging);
    c->in_start = c->in_end = 0;
    c->blocked = false;
    c->got_frames = false;
    network_clean(n, c);
}

void connection_fini(struct connection *c)
{
    connection_reset(c);
    mem_free(c->peer);
    c->peer = NULL;
}

void connection_touch(struct connection *c)
{
    if (!c->dirty && c->fd >= 0) {
        network_dirty(c->network, c);
    }
}

/* ---- frames out --------------------------------------------------------------------------------- */

struct encoding *encoding_new(struct network *n)
{
    struct encoding *e = n->spare_encodings;
    if (e == NULL) {
        e = MEM_NEW(struct encoding);
        batch_encoder_init(&e->encoder, n->pool);
    } else {
        n->spare_encodings = e->next;
        n->n_spare_encodings--;
    }
    e->refs = 1;
    return e;
}

struct encoding *encoding_unref(struct network *n, struct encoding *e)
{
    if (e != NULL && --e->refs == 0) {
        e->batch = batch_unref(e->batch);
        if (n->n_spare_encodings < NETWORK_SPARE_MAX) {
            e->next = n->spare_encodings;
            n->spare_encodings = e;
            n->n_spare_encodings++;
        } else {
            batch_encoder_fini(&e->encoder);
            mem_free(e);
        }
    }
    return NULL;
}

struct out_frame *out_frame_new(struct network *n)
{
    struct out_frame *f = n->spare_frames;
    if (f == NULL) {
        f = mem_alloc(sizeof(*f));
    } else {
        n->spare_frames = f->next;
        n->n_spare_frames--;
    }
    f->next = NULL;
    f->encoding = NULL;
    f->buffer = NULL;
    return f;
}

void out_frame_free(struct network *n, struct out_frame *f)
{
    encoding_unref(n, f->encoding);
    buffer_unref(f->buffer);
    if (n->n_spare_frames < NETWORK_SPARE_MAX) {
        f->next = n->spare_frames;
        n->spare_frames = f;
        n->n_spare_frames++;
    } else {
        mem_free(f);
    }
}

static uint64_t out_frame_bytes(const struct out_frame *f)
{
    return sizeof(f->header) + f->header.payload_bytes;
}

/* The pieces of a frame behind its first `skip` bytes; returns how many. */
static uint32_t out_frame_pieces(const struct out_frame *f, uint64_t skip, struct iovec *ret_iov,
                                 uint32_t max)
{
    uint32_t n = 0;
    if (skip < sizeof(f->header) && n < max) {
        ret_iov[n++] = (struct iovec){.iov_base = (uint8_t *)(uintptr_t)&f->header + skip,
                                      .iov_len = sizeof(f->header) - skip};
    }
    skip -= MIN(skip, (uint64_t)sizeof(f->header));
    uint64_t left = f->header.payload_bytes;
    if (f->encoding == NULL) {
        const uint8_t *data = f->buffer != NULL ? f->buffer->data : f->small;
        if (left > skip && n < max) {
            ret_iov[n++] = (struct iovec){.iov_base = (uint8_t *)(uintptr_t)data + skip,
                                          .iov_len = left - skip};
        }
        return n;
    }
    const struct batch_encoder *e = &f->encoding->encoder;
    uint64_t offset = f->iov_offset;
    for (uint32_t i = f->first_iov; left > 0 && n < max; i++) {
        uint64_t len = MIN(left, e->iov[i].iov_len - offset);
        if (skip < len) {
            ret_iov[n++] = (struct iovec){.iov_base = (uint8_t *)e->iov[i].iov_base + offset + skip,
                                          .iov_len = len - skip};
        }
        skip -= MIN(skip, len);
        left -= len;
        offset = 0;
    }
    return n;
}

static uint32_t out_frame_crc(const struct out_frame *f)
{
    uint64_t left = f->header.payload_bytes;
    if (f->encoding == NULL) {
        return crc32c(0, f->buffer != NULL ? f->buffer->data : f->small, left);
    }
    const struct batch_encoder *e = &f->encoding->encoder;
    uint64_t offset = f->iov_offset;
    uint32_t crc = 0;
    for (uint32_t i = f->first_iov; left > 0; i++) {
        uint64_t len = MIN(left, e->iov[i].iov_len - offset);
        crc = crc32c(crc, (const uint8_t *)e->iov[i].iov_base + offset, len);
        left -= len;
        offset = 0;
    }
    return crc;
}

/* Ahead of what waits, but not of a frame that is half written or of other priority frames. */
static void out_insert_priority(struct connection *c, struct out_frame *f)
{
    struct out_frame **link = &c->out_head;
    if (*link != NULL && c->out_sent > 0) {
        link = &(*link)->next;
    }
    while (*link != NULL && ((*link)->header.flags & FRAME_FLAG_PRIORITY)) {
        link = &(*link)->next;
    }
    f->next = *link;
    *link = f;
    if (f->next == NULL) {
        c->out_tail = f;
    }
}

void connection_send(struct connection *c, struct out_frame *take_frame)
{
    struct out_frame *f = take_frame;
    frame_seal(&f->header, out_frame_crc(f));
    c->out_bytes += out_frame_bytes(f);
    if (f->header.flags & FRAME_FLAG_PRIORITY) {
        out_insert_priority(c, f);
    } else if (c->out_tail == NULL) {
        c->out_head = c->out_tail = f;
    } else {
        c->out_tail->next = f;
        c->out_tail = f;
    }
    connection_touch(c);
}

void connection_send_small(struct connection *c, const struct frame_header *header,
                           const void *payload, size_t size)
{
    struct out_frame *f = out_frame_new(c->network);
    uint64_t padded = frame_align(size);
    ASSERT(padded <= sizeof(f->small));
    f->header = *header;
    f->header.payload_bytes = (uint32_t)padded;
    f->header.padding = (uint16_t)(padded - size);
    if (size > 0) {
        memcpy(f->small, payload, size);
        memset(f->small + size, 0, padded - size);
    }
    connection_send(c, f);
}

/* ---- writing ------------------------------------------------------------------------------------ */

static int set_interest(struct connection *c, struct error *err)
{
    return loop_mod(c->watch, LOOP_READ | (c->blocked ? LOOP_WRITE : 0u), err);
}

static void out_advance(struct connection *c, uint64_t sent)
{
    struct network *n = c->network;
    metric_counter_add(&n->metrics.bytes_out, (int64_t)sent);
    c->out_sent += sent;
    while (c->out_head != NULL && c->out_sent >= out_frame_bytes(c->out_head)) {
        struct out_frame *f = c->out_head;
        uint64_t bytes = out_frame_bytes(f);
        c->out_sent -= bytes;
        c->out_bytes -= bytes;
        c->out_head = f->next;
        if (c->out_head == NULL) {
            c->out_tail = NULL;
        }
        metric_counter_add(&n->metrics.frames_out, 1);
        out_frame_free(n, f);
    }
}

/* One system call; *ret_blocked: the socket took less than there was. */
static int write_once(struct connection *c, struct error *err)
{
    struct iovec iov[SEND_IOV_MAX];
    uint32_t n = 0;
    uint64_t skip = c->out_sent, want = 0;
    for (struct out_frame *f = c->out_head; f != NULL && n < SEND_IOV_MAX; f = f->next) {
        n += out_frame_pieces(f, skip, iov + n, SEND_IOV_MAX - n);
        skip = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        want += iov[i].iov_len;
    }
    TRY(FAILPOINT(err, "network.connection.send"));
    if (c->tls != NULL) {
        uint64_t taken;
        TRY(secure_write(c, iov, n, &taken, err));
        out_advance(c, taken);
        return 0;
    }
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        if (errno == EAGAIN) {
            c->blocked = true;
            return 0;
        }
        return errno == EINTR ? 0 : error_set_errno(err, errno, "writing to %s", c->peer);
    }
    c->blocked = (uint64_t)sent < want;
    out_advance(c, (uint64_t)sent);
    return 0;
}

int connection_send_raw(struct connection *c, const void *data, size_t size, struct error *err)
{
    ssize_t sent = send(c->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == (ssize_t)size) {
        return 0;
    }
    if (sent >= 0) {
        return error_set(err, ERR_IO, "writing to %s: a new socket takes no hello", c->peer);
    }
    return error_set_errno(err, errno, "writing to %s", c->peer);
}

bool connection_pump(struct connection *c)
{
    struct error err = ERROR_INIT;
    if (c->tls_shaking) {
        return false; /* its end says when to go on */
    }
    bool more = c->role->produce(c);
    if (c->fd < 0) {
        return false;
    }
    if (c->out_head != NULL && !c->blocked && write_once(c, &err) < 0) {
        c->role->on_broken(c, &err);
        return false;
    }
    if (set_interest(c, &err) < 0) {
        c->role->on_broken(c, &err);
        return false;
    }
    return !c->blocked && (more || c->out_head != NULL);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* Reads as much as fits: the rest of a payload that has its own buffer, then staging.  *ret_all: this was
 * all there is, probably. */
static ssize_t read_some(struct connection *c, bool *ret_all)
{
    struct network *n = c->network;
    if (c->staging == NULL) {
        c->staging = buffer_get(n->pool, RECEIVE_STAGING_BYTES);
    }
    if (c->own == NULL) {
        uint64_t room = RECEIVE_STAGING_BYTES - c->in_end;
        ssize_t got = recv(c->fd, c->staging->data + c->in_end, room, MSG_DONTWAIT);
        *ret_all = got < (ssize_t)room;
        c->in_end += got > 0 ? (uint32_t)got : 0;
        return got;
    }
    ASSERT(c->in_start == c->in_end);
    c->in_start = c->in_end = 0;
    uint64_t left = c->own_header.payload_bytes - c->own_filled;
    struct iovec iov[] = {
        {.iov_base = c->own->data + c->own_offset + c->own_filled, .iov_len = left},
        {.iov_base = c->staging->data, .iov_len = RECEIVE_LOOKAHEAD_BYTES},
    };
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = ARRAY_LEN(iov)};
    ssize_t got = recvmsg(c->fd, &message, MSG_DONTWAIT);
    *ret_all = got < (ssize_t)(left + RECEIVE_LOOKAHEAD_BYTES);
    if (got > 0) {
        uint64_t filled = MIN((uint64_t)got, left);
        c->own_filled += filled;
        c->in_end = (uint32_t)((uint64_t)got - filled);
    }
    return got;
}

/* The same through TLS, to one place at a time. */
static int read_secure(struct connection *c, size_t *ret_got, bool *ret_all, bool *ret_end,
                       struct error *err)
{
    size_t room, got;
    if (c->staging == NULL) {
        c->staging = buffer_get(c->network->pool, RECEIVE_STAGING_BYTES);
    }
    if (c->own == NULL) {
        room = RECEIVE_STAGING_BYTES - c->in_end;
        TRY(secure_read(c, c->staging->data + c->in_end, room, &got, ret_end, err));
        c->in_end += (uint32_t)got;
    } else {
        room = c->own_header.payload_bytes - c->own_filled;
        TRY(secure_read(c, c->own->data + c->own_offset + c->own_filled, room, &got, ret_end, err));
        c->own_filled += got;
    }
    *ret_got = got;
    *ret_all = got < room;
    return 0;
}

static int deliver(struct connection *c, const struct frame_header *h, const uint8_t *payload,
                   struct buffer *own, struct error *err)
{
    int rc = frame_check_payload(h, payload, err);
    if (rc < 0) {
        metric_counter_add(&c->network->metrics.damaged, 1);
        return rc;
    }
    metric_counter_add(&c->network->metrics.frames_in, 1);
    c->got_frames = true;
    return c->role->on_frame(c, h, payload, own, err);
}

/* A payload that gets its own buffer: what of it is there already is copied. */
static void begin_own(struct connection *c, const struct frame_header *h, uint64_t have)
{
    c->own_header = *h;
    c->own_is_placed = c->role->place(c, h, &c->own, &c->own_offset);
    if (!c->own_is_placed) {
        c->own = buffer_get(c->network->pool, h->payload_bytes);
        c->own->size = h->payload_bytes;
        c->own_offset = 0;
    }
    c->own_filled = MIN(have, (uint64_t)h->payload_bytes);
    memcpy(c->own->data + c->own_offset, c->staging->data + c->in_start, c->own_filled);
    c->in_start += (uint32_t)c->own_filled;
}

/* True: another frame may be there. */
static int take_own(struct connection *c, bool *ret_more, struct error *err)
{
    if (c->own_filled < c->own_header.payload_bytes) {
        *ret_more = false;
        return 0;
    }
    struct buffer *own = STEAL(c->own);
    int rc = deliver(c, &c->own_header, own->data + c->own_offset, own, err);
    buffer_unref(own);
    *ret_more = c->fd >= 0;
    return rc;
}

static int take_frame(struct connection *c, bool *ret_more, struct error *err)
{
    if (c->own != NULL) {
        return take_own(c, ret_more, err);
    }
    uint64_t have = c->in_end - c->in_start;
    struct frame_header h;
    *ret_more = false;
    if (have < sizeof(h)) {
        return 0;
    }
    const uint8_t *at = c->staging->data + c->in_start;
    memcpy(&h, at, sizeof(h));
    int rc = frame_check(&h, c->role->receives, err);
    if (rc < 0 && !c->got_frames && c->tls == NULL && secure_looks_like_tls(at, have)) {
        return error_set(err, ERR_UNAVAILABLE,
                         "%s speaks TLS and this side does not: are security.ssl.internal.enabled "
                         "and taskmanager.data.ssl.enabled the same on both sides?",
                         c->peer);
    }
    if (rc < 0) {
        metric_counter_add(&c->network->metrics.damaged, 1);
        return rc;
    }
    have -= sizeof(h);
    if (h.kind == FRAME_DATA && h.payload_bytes >= FRAME_OWN_BYTES) {
        c->in_start += sizeof(h);
        begin_own(c, &h, have);
        *ret_more = true;
        return 0;
    }
    if (have < h.payload_bytes) {
        return 0;
    }
    TRY(deliver(c, &h, at + sizeof(h), NULL, err));
    *ret_more = c->fd >= 0;
    if (c->fd >= 0) {
        c->in_start += (uint32_t)sizeof(h) + h.payload_bytes;
    }
    return 0;
}

static int take_frames(struct connection *c, struct error *err)
{
    bool more = true;
    while (more) {
        TRY(take_frame(c, &more, err));
    }
    if (c->fd >= 0 && c->in_start > 0) {
        memmove(c->staging->data, c->staging->data + c->in_start, c->in_end - c->in_start);
        c->in_end -= c->in_start;
        c->in_start = 0;
    }
    return 0;
}

static bool is_between_frames(const struct connection *c)
{
    return c->own == NULL && c->in_start == c->in_end;
}

static int closed_by_peer(const struct connection *c, struct error *err)
{
    return is_between_frames(c) ? ERR_CLOSED
                                : error_set(err, ERR_UNAVAILABLE,
                                            "%s closed the connection within a frame", c->peer);
}

static int connection_read_secure(struct connection *c, struct error *err)
{
    uint64_t round = 0;
    bool all = false;
    while (!all && c->fd >= 0) {
        size_t got;
        bool end;
        if (round >= RECEIVE_ROUND_BYTES) {
            secure_read_again(c);
            break;
        }
        TRY(FAILPOINT(err, "network.connection.receive"));
        TRY(read_secure(c, &got, &all, &end, err));
        metric_counter_add(&c->network->metrics.bytes_in, (int64_t)got);
        round += got;
        if (got > 0) {
            TRY_CTX(err, take_frames(c, err), "receiving from %s", c->peer);
        }
        if (end && c->fd >= 0) {
            return closed_by_peer(c, err);
        }
    }
    return 0;
}

static int connection_read(struct connection *c, struct error *err)
{
    uint64_t round = 0;
    bool all = false;
    while (!all && round < RECEIVE_ROUND_BYTES && c->fd >= 0) {
        TRY(FAILPOINT(err, "network.connection.receive"));
        ssize_t got = read_some(c, &all);
        if (got < 0) {
            if (errno == EAGAIN) {
                break;
            }
            if (errno == EINTR) {
                continue;
            }
            return error_set_errno(err, errno, "reading from %s", c->peer);
        }
        if (got == 0) {
            return closed_by_peer(c, err);
        }
        metric_counter_add(&c->network->metrics.bytes_in, got);
        round += (uint64_t)got;
        TRY_CTX(err, take_frames(c, err), "receiving from %s", c->peer);
    }
    return 0;
}

void connection_receive(struct connection *c)
{
    struct error err = ERROR_INIT;
    int rc = c->tls != NULL ? connection_read_secure(c, &err) : connection_read(c, &err);
    if (rc < 0) {
        c->role->on_broken(c, &err);
    }
}

/* With TLS; false: it is broken. */
static bool ready_secure(struct connection *c, uint32_t events)
{
    struct error err = ERROR_INIT;
    int rc = 0;
    if (c->tls_shaking) {
        rc = secure_shake(c, &err);
    } else if (events & LOOP_WRITE) {
        rc = secure_flush(c, &err);
    }
    if (rc < 0) {
        c->role->on_broken(c, &err);
        return false;
    }
    if (!c->tls_shaking && !c->blocked) {
        connection_touch(c);
    }
    return !c->tls_shaking;
}

static void connection_on_ready(void *arg, int fd, uint32_t events)
{
    struct connection *c = arg;
    if (c->tls != NULL) {
        bool shook = c->tls_shaking;
        if (ready_secure(c, events) &&
            (shook || (events & (LOOP_READ | LOOP_HANGUP | LOOP_ERROR)) != 0)) {
            connection_receive(c);
        }
        return;
    }
    if (events & LOOP_WRITE) {
        c->blocked = false;
        connection_touch(c);
    }
    if (events & (LOOP_READ | LOOP_HANGUP | LOOP_ERROR)) {
        connection_receive(c);
    }
}
