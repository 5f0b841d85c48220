/* A link: an encrypted connection and a plain socket, bytes passed between the two; relay.h.  Thread: the relay's. */
#include "common/net/tls/link.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

static const char topic[] = "flinc.net.tls";

enum { WARNING_PAUSE_MS = 1000, RECORD_TYPE_HANDSHAKE = 0x16 };

/* By from, the states that may follow. */
static const uint8_t moves[LINK_STATES] = {
    [LINK_CONNECTING] = 1 << LINK_HANDSHAKE,
    [LINK_HANDSHAKE] = 1 << LINK_PLAIN | 1 << LINK_OPEN,
};

static void link_transition(struct tls_link *l, enum tls_link_state to)
{
    ASSERT((moves[l->state] >> to & 1) != 0);
    l->relay->n_handshakes += to == LINK_HANDSHAKE;
    l->relay->n_handshakes -= l->state == LINK_HANDSHAKE;
    l->state = to;
}

static bool is_server(const struct tls_link *l)
{
    return tls_context_side(l->options.context) == TLS_SIDE_SERVER;
}

/* ---- making and freeing --------------------------------------------------------------------------------- */

/* The plain socket's peer is us, by a name that says for whom. */
static void name_pair(const struct tls_link *l)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "flinc-tls/%d.%llu/%s", (int)getpid(),
                     (unsigned long long)l->serial, l->options.peer);
    n = MIN(n, (int)sizeof(a.sun_path) - 2);
    (void)bind(l->plain_fd, (struct sockaddr *)&a,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
}

static char *peer_name(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char host[64], port[16], text[96];
    if (fd < 0 || getpeername(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return mem_strdup("a client that has left");
    }
    snprintf(text, sizeof(text), strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
    return mem_strdup(text);
}

int tls_link_new(struct tls_relay *r, int take_fd, const struct tls_link_options *options,
                 struct tls_link **ret, struct error *err)
{
    int pair[2];
    if (atomic_fetch_add(&r->n_links, 1) >= TLS_RELAY_LINKS_MAX) {
        atomic_fetch_sub(&r->n_links, 1);
        if (take_fd >= 0) {
            close(take_fd);
        }
        return error_set(err, ERR_LIMIT, "there are %d connections with TLS already",
                         TLS_RELAY_LINKS_MAX);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        int rc = error_set_errno(err, errno, "making the plain side of a connection with TLS");
        atomic_fetch_sub(&r->n_links, 1);
        if (take_fd >= 0) {
            close(take_fd);
        }
        return rc;
    }
    struct tls_link *l = MEM_NEW(struct tls_link);
    *l = (struct tls_link){.relay = r,
                           .options = *options,
                           .fd = take_fd,
                           .plain_fd = pair[0],
                           .far_fd = pair[1],
                           .held = STR_INIT};
    l->serial = atomic_fetch_add(&r->serial, 1);
    l->options.context = tls_context_ref(options->context);
    l->options.host = options->host != NULL ? mem_strdup(options->host) : NULL;
    l->options.peer = options->peer != NULL ? mem_strdup(options->peer) : peer_name(take_fd);
    atomic_fetch_add(&r->n_total, 1);
    name_pair(l);
    *ret = l;
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void tls_link_free(struct tls_link *l)
{
    atomic_fetch_sub(&l->relay->n_links, 1);
    tls_stream_free(l->stream);
    close_fd(&l->fd);
    close_fd(&l->plain_fd);
    close_fd(&l->far_fd);
    str_fini(&l->held);
    tls_context_unref(l->options.context);
    mem_free((char *)(uintptr_t)l->options.host);
    mem_free((char *)(uintptr_t)l->options.peer);
    mem_free(l);
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

/* Strangers can make as many failures as they like: one line a second. */
static void say_refused(struct tls_relay *r, const struct error *why)
{
    char text[ERROR_MESSAGE_MAX];
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    if (r->last_warning_ms != 0 && now_ms - r->last_warning_ms < WARNING_PAUSE_MS) {
        r->n_unsaid++;
        LOG_DEBUG(topic, "A connection is refused: %s", error_format(why, text, sizeof(text)));
        return;
    }
    LOG_WARN(topic, "A connection is refused: %s%s", error_format(why, text, sizeof(text)),
             r->n_unsaid > 0 ? " (others were before it)" : "");
    r->last_warning_ms = now_ms;
    r->n_unsaid = 0;
}

void tls_link_end(struct tls_link *l, const struct error *why)
{
    struct tls_relay *r = l->relay;
    bool failed = l->state == LINK_HANDSHAKE && why != NULL;
    r->n_handshakes -= l->state == LINK_HANDSHAKE;
    atomic_fetch_add(&r->n_failed, failed);
    if (failed && is_server(l)) {
        say_refused(r, why);
    } else if (why != NULL) {
        LOG_DEBUG(topic, "A connection with TLS ends: %s", why->message);
    }
    loop_cancel(r->loop, l->timer);
    loop_cancel(r->loop, l->again);
    loop_del(l->watch);
    loop_del(l->plain_watch);
    *l->link = l->next;
    if (l->next != NULL) {
        l->next->link = l->link;
    }
    if (l->options.on_end != NULL) {
        l->options.on_end(l->options.arg, why);
    }
    tls_link_free(l);
}

static void on_timeout(void *arg);

/* Only of a link whose owner has closed: who has said all and still listens has time. */
static void arm_close_timer(struct tls_link *l)
{
    l->last_unsent = tls_stream_unsent(l->stream);
    l->timer = loop_schedule(l->relay->loop, tls_context_close_flush_ms(l->options.context),
                             on_timeout, l);
}

/* What was written last does not get away, or the peer goes on to nobody. */
static void on_close_timeout(struct tls_link *l)
{
    if (tls_stream_unsent(l->stream) < l->last_unsent && !l->half_closed) {
        arm_close_timer(l); /* slowly, but it does */
    } else {
        tls_link_end(l, NULL);
    }
}

static void on_timeout(void *arg)
{
    struct tls_link *l = arg;
    struct error err = ERROR_INIT;
    l->timer = TIMER_NONE;
    if (l->state == LINK_OPEN) {
        on_close_timeout(l);
        return;
    }
    error_set(&err, ERR_TIMEOUT,
              "the TLS handshake with %s took longer than %lld ms%s: does it speak TLS (%s)?",
              l->options.peer, (long long)tls_context_handshake_ms(l->options.context),
              tls_context_scope(l->options.context) == TLS_SCOPE_INTERNAL
                  ? " (security.ssl.internal.handshake-timeout)"
                  : "",
              tls_scope_key(tls_context_scope(l->options.context)));
    tls_link_end(l, &err);
}

/* ---- passing on -------------------------------------------------------------------------------------------------- */

static size_t held_bytes(const struct tls_link *l)
{
    return l->held.len - l->held_start;
}

/* The owner of the plain socket closed it: what still comes is of no use. */
static void plain_is_gone(struct tls_link *l)
{
    l->plain_ended = true;
    l->discards = true;
    l->plain_watch = loop_del(l->plain_watch);
    str_clear(&l->held);
    l->held_start = 0;
    if (l->closing && l->timer == TIMER_NONE) {
        arm_close_timer(l);
    }
}

/* Bytes that the plain socket took. */
static size_t send_plain(struct tls_link *l, const void *data, size_t size)
{
    size_t done = 0;
    while (done < size && !l->discards) {
        ssize_t n =
            send(l->plain_fd, (const char *)data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            done += (size_t)n;
            l->passed_first = true;
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else if (n < 0 && errno != EINTR) {
            plain_is_gone(l);
        }
    }
    return l->discards ? size : done;
}

/* What is held goes to the plain socket, once it is enough. */
static void flush_held(struct tls_link *l)
{
    bool is_enough = l->passed_first || l->net_ended || held_bytes(l) >= l->options.first_bytes;
    if (held_bytes(l) == 0 || !is_enough) {
        return;
    }
    size_t n = send_plain(l, l->held.data + l->held_start, held_bytes(l));
    l->held_start += MIN(n, held_bytes(l)); /* nothing is held when the plain socket is gone */
    if (held_bytes(l) == 0) {
        str_clear(&l->held);
        l->held_start = 0;
    }
}

static bool holds_back(const struct tls_link *l)
{
    return l->passed_first ? held_bytes(l) > 0 : held_bytes(l) >= MAX(l->options.first_bytes, 1u);
}

/* From the peer to the plain socket.  *ret_n: bytes passed. */
static int pass_in(struct tls_link *l, size_t *ret_n, struct error *err)
{
    *ret_n = 0;
    flush_held(l);
    while (!l->net_ended && !holds_back(l) && *ret_n < TLS_RELAY_TURN_BYTES) {
        size_t n, sent = 0;
        bool end;
        TRY(tls_stream_read(l->stream, l->relay->buffer, TLS_RELAY_BUFFER_BYTES, &n, &end, err));
        l->net_ended = end;
        if (n == 0) {
            break;
        }
        *ret_n += n;
        if (l->passed_first || l->discards || (held_bytes(l) == 0 && n >= l->options.first_bytes)) {
            sent = send_plain(l, l->relay->buffer, n);
        }
        if (sent < n) {
            str_append(&l->held, (char *)l->relay->buffer + sent, n - sent);
            flush_held(l);
        }
    }
    if (l->net_ended) {
        flush_held(l);
    }
    if (l->net_ended && held_bytes(l) == 0 && !l->told_end && !l->options.whole) {
        l->told_end = true;
        (void)shutdown(l->plain_fd, SHUT_WR);
    }
    return 0;
}

/* From the plain socket to the peer. */
static int pass_out(struct tls_link *l, size_t *ret_n, struct error *err)
{
    *ret_n = 0;
    if (tls_stream_unsent(l->stream) > 0) {
        TRY(tls_stream_flush(l->stream, err));
    }
    while (!l->plain_ended && *ret_n < TLS_RELAY_TURN_BYTES &&
           tls_stream_unsent(l->stream) < TLS_STREAM_OUT_BYTES / 4) {
        ssize_t n = recv(l->plain_fd, l->relay->buffer, TLS_RELAY_BUFFER_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n <= 0) { /* a reset, too: the owner closed with something unread */
            l->plain_ended = true;
            break;
        }
        size_t taken;
        struct iovec piece = {.iov_base = l->relay->buffer, .iov_len = (size_t)n};
        TRY(tls_stream_write(l->stream, &piece, 1, &taken, err));
        ASSERT(taken == (size_t)n);
        *ret_n += taken;
    }
    return 0;
}

static void link_pump(void *arg);

static int watch_both(struct tls_link *l, struct error *err)
{
    uint32_t net = tls_stream_unsent(l->stream) > 0 ? LOOP_WRITE : 0u, plain = 0;
    bool open = l->state == LINK_OPEN;
    net |= !open || (!l->net_ended && !holds_back(l)) ? LOOP_READ : 0u;
    if (open) {
        plain |= !l->plain_ended && tls_stream_unsent(l->stream) < TLS_STREAM_OUT_BYTES / 4
                     ? LOOP_READ
                     : 0u;
        plain |= holds_back(l) ? LOOP_WRITE : 0u;
    }
    TRY(loop_mod(l->watch, net, err));
    return l->plain_watch != NULL ? loop_mod(l->plain_watch, plain, err) : 0;
}

static void schedule_again(struct tls_link *l)
{
    if (l->again == TIMER_NONE) {
        l->again = loop_schedule(l->relay->loop, 0, link_pump, l);
    }
}

/* Our owner is through: close_notify behind what it said. */
static int begin_close(struct tls_link *l, struct error *err)
{
    l->closing = true;
    if (l->discards && l->timer == TIMER_NONE) {
        arm_close_timer(l);
    }
    return tls_stream_close(l->stream, err);
}

/* The end mark is out: the peer gets the end of the socket, too, and may say what it still has to. */
static void close_half(struct tls_link *l)
{
    if (l->closing && !l->half_closed && tls_stream_unsent(l->stream) == 0) {
        l->half_closed = true;
        (void)shutdown(l->fd, SHUT_WR);
    }
}

static int pump_open(struct tls_link *l, bool *ret_over, struct error *err)
{
    size_t in = 0, out = 0;
    int rc = pass_in(l, &in, err);
    if (rc < 0 && !l->closing) {
        return rc;
    }
    l->net_ended = l->net_ended || rc < 0; /* we were through, how it ends is of no interest */
    if (!l->closing) {
        TRY(pass_out(l, &out, err));
    } else if (rc == 0 && tls_stream_unsent(l->stream) > 0) {
        TRY(tls_stream_flush(l->stream, err));
    }
    if (l->plain_ended && !l->closing) {
        TRY(begin_close(l, err));
    }
    close_half(l);
    if (in >= TLS_RELAY_TURN_BYTES || out >= TLS_RELAY_TURN_BYTES) {
        schedule_again(l);
    }
    *ret_over = rc < 0 || (l->options.whole && l->net_ended && held_bytes(l) == 0) ||
                (l->half_closed && l->net_ended && held_bytes(l) == 0);
    return *ret_over ? 0 : watch_both(l, err);
}

void tls_link_finish(struct tls_link *l)
{
    struct error ignored = ERROR_INIT;
    size_t n = 1;
    if (l->state != LINK_OPEN || l->closing) {
        return;
    }
    while (n > 0 && !l->plain_ended) {
        if (pass_out(l, &n, &ignored) < 0) {
            return;
        }
    }
    if (tls_stream_close(l->stream, &ignored) < 0) {
        LOG_DEBUG(topic, "%s", ignored.message);
    }
}

/* Closed both ways.  The loop's events may be of before one end was seen, and say the same of half a close. */
static bool is_hung_up(int fd)
{
    struct pollfd p = {.fd = fd};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_plain_ready(void *arg, int fd, uint32_t events)
{
    struct tls_link *l = arg;
    if (l->plain_ended && is_hung_up(fd)) {
        plain_is_gone(l);
    }
    link_pump(l);
}

/* ---- without TLS --------------------------------------------------------------------------------------------------- */

static int say_plaintext(const struct tls_link *l, struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE,
                     "%s does not speak TLS, which %s asks for: is it the same on both sides?",
                     l->options.peer, tls_scope_key(tls_context_scope(l->options.context)));
}

/* Reads what the peer says until it is enough for an answer. */
static void link_on_plain(struct tls_link *l)
{
    STR_AUTO answer = STR_INIT;
    struct error err = ERROR_INIT;
    char buf[1024];
    ssize_t n = recv(l->fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n > 0) {
        str_append(&l->held, buf, (size_t)n);
        if (l->options.on_plaintext != NULL && l->held.len < TLS_RELAY_PLAIN_MAX &&
            !l->options.on_plaintext(str_slice(&l->held), &answer)) {
            return;
        }
    }
    if (answer.len > 0 && send(l->fd, answer.data, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
        (void)shutdown(l->fd, SHUT_WR);
        while (recv(l->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
            /* What is unread would turn the answer into a reset. */
        }
    }
    say_plaintext(l, &err);
    atomic_fetch_add(&l->relay->n_failed, 1);
    say_refused(l->relay, &err);
    tls_link_end(l, &err);
}

/* A server looks at the first byte, before anything of it is read.  False: none is there yet. */
static bool look_at_first(struct tls_link *l)
{
    uint8_t first;
    if (!is_server(l) || l->said_something || l->state != LINK_HANDSHAKE) {
        return true;
    }
    ssize_t n = recv(l->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    l->said_something = true; /* or it has ended, which the handshake will see */
    if (n == 1 && first != RECORD_TYPE_HANDSHAKE) {
        link_transition(l, LINK_PLAIN);
        atomic_fetch_add(&l->relay->n_plaintext, 1);
    }
    return true;
}

/* ---- handshake --------------------------------------------------------------------------------------------------------- */

static int link_opened(struct tls_link *l, struct error *err)
{
    struct tls_relay *r = l->relay;
    link_transition(l, LINK_OPEN);
    loop_cancel(r->loop, l->timer);
    l->timer = TIMER_NONE;
    atomic_fetch_add(&r->n_open, 1);
    if (l->listener != NULL) {
        int far_fd = l->far_fd;
        l->far_fd = -1;
        l->listener->options.on_connection(l->listener->options.arg, far_fd,
                                           (struct sockaddr *)&l->address, l->address_len);
    }
    return loop_add(r->loop, l->plain_fd, LOOP_READ, on_plain_ready, l, &l->plain_watch, err);
}

static int link_step(struct tls_link *l, bool *ret_over, struct error *err)
{
    *ret_over = false;
    if (l->state == LINK_HANDSHAKE) {
        int rc = tls_stream_handshake(l->stream, err);
        TRY(rc);
        if (rc == 0) {
            return watch_both(l, err);
        }
        TRY(link_opened(l, err));
    }
    return pump_open(l, ret_over, err);
}

static void link_pump(void *arg)
{
    struct tls_link *l = arg;
    struct error err = ERROR_INIT;
    bool over = false;
    if (l->again != TIMER_NONE) {
        loop_cancel(l->relay->loop, l->again);
        l->again = TIMER_NONE;
    }
    if (!look_at_first(l)) {
        return;
    }
    if (l->state == LINK_PLAIN) {
        link_on_plain(l);
        return;
    }
    int rc = link_step(l, &over, &err);
    if (rc < 0) {
        tls_link_end(l, &err);
    } else if (over) {
        tls_link_end(l, NULL);
    }
}

static void on_net_ready(void *arg, int fd, uint32_t events)
{
    struct tls_link *l = arg;
    /* Both ends have hung up, and the socket would say so for ever. */
    if (l->state == LINK_OPEN && l->net_ended && is_hung_up(fd)) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_UNAVAILABLE, "%s is gone", l->options.peer);
        tls_link_end(l, &err);
        return;
    }
    link_pump(l);
}

void tls_link_begin(struct tls_link *l)
{
    struct tls_relay *r = l->relay;
    struct error err = ERROR_INIT;
    const int on = 1;
    struct tls_stream_options o = {.context = l->options.context,
                                   .fd = l->fd,
                                   .peer = l->options.peer,
                                   .host = l->options.host,
                                   .session_key = is_server(l) ? NULL : l->options.peer};
    l->state = LINK_CONNECTING;
    link_transition(l, LINK_HANDSHAKE);
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int rc = tls_stream_new(&o, &l->stream, &err);
    if (rc == 0) {
        rc = loop_add(r->loop, l->fd, LOOP_READ, on_net_ready, l, &l->watch, &err);
    }
    if (rc < 0) {
        tls_link_end(l, &err);
        return;
    }
    l->timer = loop_schedule(r->loop, tls_context_handshake_ms(l->options.context), on_timeout, l);
    link_pump(l);
}
