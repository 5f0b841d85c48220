/* TLS over a socket (stream.h).
 *
 * OpenSSL writes records to a BIO of ours that puts them into `out`, which never fails: so SSL_write() always takes
 * what it is given, and nothing has to be repeated.  It reads from the socket by the same BIO, 64 KiB at a time. */
#include "common/net/tls/stream.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/net/tls/context.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RECORD_SLACK = 1024, /* header, tag, padding of a record */
    FLUSH_BYTES = 64 * 1024,
};

enum stream_state { TLS_HANDSHAKE, TLS_OPEN, TLS_CLOSING, TLS_BROKEN, TLS_STREAM_STATES };
/* By from, the states that may follow. */
static const uint8_t moves[TLS_STREAM_STATES] = {
    [TLS_HANDSHAKE] = 1 << TLS_OPEN | 1 << TLS_BROKEN,
    [TLS_OPEN] = 1 << TLS_CLOSING | 1 << TLS_BROKEN,
    [TLS_CLOSING] = 1 << TLS_BROKEN,
};

struct tls_stream {
    struct tls_session_home home;
    struct tls_context *context; /* a reference */
    const struct openssl *o;
    SSL *ssl; /* Owns */
    struct tls_transport transport;
    int fd;
    enum stream_state state;
    char *peer, *host, *session_key; /* Owns */
    bool wants_write;                /* the socket took less than there was */
    bool got_bytes, saw_end;         /* of the socket */
    int socket_errno;
    uint8_t *out; /* Owns; encrypted, from out_start to out_end */
    size_t out_start, out_end, out_cap;
    uint8_t *scratch; /* Owns; small pieces are gathered into one record; NULL: not needed yet */
};

static void tls_stream_transition(struct tls_stream *s, enum stream_state to)
{
    ASSERT((moves[s->state] >> to & 1) != 0);
    s->state = to;
}

/* ---- the socket ----------------------------------------------------------------------------------------- */

static ssize_t socket_recv(void *arg, void *buf, size_t size)
{
    const struct tls_stream *s = arg;
    return recv(s->fd, buf, size, MSG_DONTWAIT);
}

static ssize_t socket_send(void *arg, const void *buf, size_t size)
{
    const struct tls_stream *s = arg;
    return send(s->fd, buf, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void out_reserve(struct tls_stream *s, size_t size)
{
    if (s->out_start > 0 && s->out_end + size > s->out_cap) {
        memmove(s->out, s->out + s->out_start, s->out_end - s->out_start);
        s->out_end -= s->out_start;
        s->out_start = 0;
    }
    if (s->out_end + size > s->out_cap) {
        s->out_cap = MAX(s->out_end + size, 2 * s->out_cap);
        s->out = mem_realloc(s->out, s->out_cap);
    }
}

static int on_write(BIO *bio, const char *data, size_t size, size_t *ret_n)
{
    struct tls_stream *s = NULL;
    const struct openssl *o;
    if (openssl_load(&o, NULL) < 0) {
        return 0;
    }
    s = o->BIO_get_data(bio);
    out_reserve(s, size);
    memcpy(s->out + s->out_end, data, size);
    s->out_end += size;
    *ret_n = size;
    return 1;
}

static int on_read(BIO *bio, char *buf, size_t size, size_t *ret_n)
{
    const struct openssl *o;
    if (openssl_load(&o, NULL) < 0) {
        return 0;
    }
    struct tls_stream *s = o->BIO_get_data(bio);
    o->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    ssize_t n;
    do {
        n = s->transport.recv(s->transport.arg, buf, size);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        s->got_bytes = true;
        *ret_n = (size_t)n;
        return 1;
    }
    if (n < 0 && errno == EAGAIN) {
        o->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
    } else if (n < 0) {
        s->socket_errno = errno;
    } else {
        s->saw_end = true;
    }
    return 0;
}

static long on_ctrl(BIO *bio, int what, long n, void *arg)
{
    const struct openssl *o;
    if (what == BIO_CTRL_EOF && openssl_load(&o, NULL) == 0) {
        const struct tls_stream *s = o->BIO_get_data(bio);
        return s != NULL && s->saw_end;
    }
    return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP ? 1 : 0;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* for the life of the process */

static void make_method(void)
{
    const struct openssl *o;
    if (openssl_load(&o, NULL) < 0) {
        return;
    }
    method = o->BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "flinc");
    if (method != NULL) {
        o->BIO_meth_set_write_ex(method, on_write);
        o->BIO_meth_set_read_ex(method, on_read);
        o->BIO_meth_set_ctrl(method, on_ctrl);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    uint8_t address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static int check_host(struct tls_stream *s, struct error *err)
{
    const struct openssl *o = s->o;
    X509_VERIFY_PARAM *param = o->SSL_get0_param(s->ssl);
    o->X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int ok = is_address(s->host) ? o->X509_VERIFY_PARAM_set1_ip_asc(param, s->host)
                                 : o->X509_VERIFY_PARAM_set1_host(param, s->host, 0);
    return ok == 1 ? 0
                   : error_set(err, ERR_INVALID_ARGUMENT, "%s is no host name to check", s->host);
}

static int set_side(struct tls_stream *s, struct error *err)
{
    const struct openssl *o = s->o;
    if (tls_context_side(s->context) == TLS_SIDE_SERVER) {
        o->SSL_set_accept_state(s->ssl);
        return 0;
    }
    o->SSL_set_connect_state(s->ssl);
    if (s->host != NULL && !is_address(s->host)) {
        o->SSL_ctrl(s->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, s->host);
    }
    if (s->host != NULL && tls_context_verifies_host(s->context)) {
        TRY(check_host(s, err));
    }
    return 0;
}

static int stream_open(struct tls_stream *s, struct error *err)
{
    pthread_once(&method_once, make_method);
    TRY(tls_context_open(s->context, &s->home, &s->ssl, err));
    BIO *bio = method != NULL ? s->o->BIO_new(method) : NULL;
    if (bio == NULL) {
        return error_set(err, ERR_OUT_OF_MEMORY, "OpenSSL makes no BIO");
    }
    s->o->BIO_set_data(bio, s);
    s->o->BIO_set_init(bio, 1);
    s->o->SSL_set_bio(s->ssl, bio, bio);
    return set_side(s, err);
}

int tls_stream_new(const struct tls_stream_options *options, struct tls_stream **ret,
                   struct error *err)
{
    struct tls_stream *s = MEM_NEW(struct tls_stream);
    s->context = tls_context_ref(options->context);
    s->o = tls_context_openssl(s->context);
    s->fd = options->fd;
    s->transport = options->transport != NULL ? *options->transport
                                              : (struct tls_transport){socket_recv, socket_send, s};
    s->peer = mem_strdup(options->peer != NULL ? options->peer : "the peer");
    s->host = options->host != NULL ? mem_strdup(options->host) : NULL;
    s->session_key = options->session_key != NULL ? mem_strdup(options->session_key) : NULL;
    s->home.peer_name = s->session_key;
    int rc = stream_open(s, err);
    if (rc < 0) {
        tls_stream_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct tls_stream *tls_stream_free(struct tls_stream *s)
{
    if (s == NULL) {
        return NULL;
    }
    if (s->state == TLS_OPEN || s->state == TLS_CLOSING) {
        /* Otherwise OpenSSL forgets the session of a connection that just ended. */
        s->o->SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    s->o->SSL_free(s->ssl); /* NULL is fine */
    tls_context_unref(s->context);
    mem_free(s->out);
    mem_free(s->scratch);
    mem_free(s->peer);
    mem_free(s->host);
    mem_free(s->session_key);
    mem_free(s);
    return NULL;
}

/* ---- out ------------------------------------------------------------------------------------------------------ */

static int stream_fail(struct tls_stream *s, enum tls_step step, struct error *err)
{
    const struct tls_failure f = {.step = step,
                                  .peer = s->peer,
                                  .errno_value = s->socket_errno,
                                  .ended = s->saw_end,
                                  .heard_nothing = !s->got_bytes};
    if (s->state != TLS_BROKEN) {
        tls_stream_transition(s, TLS_BROKEN);
    }
    return tls_fail(s->context, s->ssl, &f, err);
}

int tls_stream_flush(struct tls_stream *s, struct error *err)
{
    s->wants_write = false;
    while (s->out_start < s->out_end) {
        ssize_t n =
            s->transport.send(s->transport.arg, s->out + s->out_start, s->out_end - s->out_start);
        if (n > 0) {
            s->out_start += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            s->wants_write = true;
            return 0;
        } else if (n < 0 && errno != EINTR) {
            s->socket_errno = errno;
            return stream_fail(s, s->state == TLS_HANDSHAKE ? TLS_STEP_HANDSHAKE : TLS_STEP_WRITE,
                               err);
        }
    }
    s->out_start = s->out_end = 0;
    return 0;
}

/* Last words: why this side ends it. */
static void flush_alert(struct tls_stream *s)
{
    struct error ignored = ERROR_INIT;
    if (s->socket_errno == 0 && tls_stream_flush(s, &ignored) < 0) {
        s->out_start = s->out_end = 0;
    }
}

/* Small pieces together, large ones as they are: up to a record of plain bytes from `at` on. */
static struct slice next_record(struct tls_stream *s, const struct iovec *pieces, uint32_t n,
                                uint32_t *piece, size_t *offset)
{
    size_t filled = 0;
    while (*piece < n) {
        size_t left = pieces[*piece].iov_len - *offset;
        const char *from = (const char *)pieces[*piece].iov_base + *offset;
        if (filled == 0 && (left >= TLS_STREAM_RECORD_BYTES || *piece + 1 == n)) {
            size_t size = MIN(left, (size_t)TLS_STREAM_RECORD_BYTES);
            *offset += size;
            if (*offset == pieces[*piece].iov_len) {
                (*piece)++;
                *offset = 0;
            }
            if (size > 0) {
                return slice_make(from, size);
            }
            continue;
        }
        if (s->scratch == NULL) {
            s->scratch = mem_alloc(TLS_STREAM_RECORD_BYTES);
        }
        size_t size = MIN(left, TLS_STREAM_RECORD_BYTES - filled);
        memcpy(s->scratch + filled, from, size);
        filled += size;
        *offset += size;
        if (*offset == pieces[*piece].iov_len) {
            (*piece)++;
            *offset = 0;
        }
        if (filled == TLS_STREAM_RECORD_BYTES) {
            break;
        }
    }
    return slice_make((const char *)s->scratch, filled);
}

int tls_stream_write(struct tls_stream *s, const struct iovec *pieces, uint32_t n, size_t *ret_n,
                     struct error *err)
{
    uint32_t piece = 0;
    size_t offset = 0;
    *ret_n = 0;
    ASSERT(s->state == TLS_OPEN);
    if (s->wants_write) {
        TRY(tls_stream_flush(s, err));
    }
    while (tls_stream_unsent(s) + TLS_STREAM_RECORD_BYTES + RECORD_SLACK <= TLS_STREAM_OUT_BYTES) {
        struct slice record = next_record(s, pieces, n, &piece, &offset);
        if (record.len == 0) {
            break;
        }
        size_t taken = 0;
        if (s->out == NULL) {
            out_reserve(s, TLS_STREAM_OUT_BYTES);
        }
        s->o->ERR_clear_error();
        if (s->o->SSL_write_ex(s->ssl, record.data, record.len, &taken) != 1) {
            return stream_fail(s, TLS_STEP_WRITE, err);
        }
        ASSERT(taken == record.len);
        *ret_n += taken;
        if (tls_stream_unsent(s) >= FLUSH_BYTES && !s->wants_write) {
            TRY(tls_stream_flush(s, err));
        }
    }
    return s->wants_write ? 0 : tls_stream_flush(s, err);
}

size_t tls_stream_unsent(const struct tls_stream *s)
{
    return s->out_end - s->out_start;
}

int tls_stream_close(struct tls_stream *s, struct error *err)
{
    if (s->state == TLS_OPEN) {
        s->o->ERR_clear_error();
        int rc = s->o->SSL_shutdown(s->ssl);
        if (rc < 0) {
            s->o->ERR_clear_error(); /* it waits for the peer's, which tls_stream_read() sees */
        }
        tls_stream_transition(s, TLS_CLOSING);
    }
    return s->state == TLS_CLOSING ? tls_stream_flush(s, err) : 0;
}

/* ---- handshake -------------------------------------------------------------------------------------------------- */

int tls_stream_handshake(struct tls_stream *s, struct error *err)
{
    if (s->state != TLS_HANDSHAKE) {
        return s->state == TLS_BROKEN ? error_set(err, ERR_CLOSED, "the handshake has failed") : 1;
    }
    TRY(FAILPOINT(err, "tls.stream.handshake"));
    s->o->ERR_clear_error();
    tls_set_verify_note("%s", "");
    int rc = s->o->SSL_do_handshake(s->ssl);
    if (rc == 1) {
        tls_stream_transition(s, TLS_OPEN);
        TRY(tls_stream_flush(s, err));
        return 1;
    }
    if (s->o->SSL_get_error(s->ssl, rc) == SSL_ERROR_WANT_READ) {
        TRY(tls_stream_flush(s, err));
        return 0;
    }
    rc = stream_fail(s, TLS_STEP_HANDSHAKE, err);
    flush_alert(s);
    return rc;
}

bool tls_stream_is_open(const struct tls_stream *s)
{
    return s->state == TLS_OPEN;
}

uint32_t tls_stream_wants(const struct tls_stream *s)
{
    return (s->state != TLS_BROKEN ? TLS_WANTS_READ : 0u) |
           (tls_stream_unsent(s) > 0 ? TLS_WANTS_WRITE : 0u);
}

/* ---- in ----------------------------------------------------------------------------------------------------------- */

int tls_stream_read(struct tls_stream *s, void *buf, size_t size, size_t *ret_n, bool *ret_end,
                    struct error *err)
{
    *ret_n = 0;
    *ret_end = false;
    ASSERT(s->state == TLS_OPEN || s->state == TLS_CLOSING);
    TRY(FAILPOINT(err, "tls.stream.read"));
    s->o->ERR_clear_error();
    int rc = s->o->SSL_read_ex(s->ssl, buf, size, ret_n);
    if (rc == 1) {
        return 0;
    }
    switch (s->o->SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        /* It may have had to answer (a change of keys). */
        return tls_stream_unsent(s) > 0 && !s->wants_write ? tls_stream_flush(s, err) : 0;
    case SSL_ERROR_ZERO_RETURN:
        *ret_end = true;
        return 0;
    default:
        rc = stream_fail(s, TLS_STEP_READ, err);
        flush_alert(s);
        return rc;
    }
}

const char *tls_stream_version(const struct tls_stream *s)
{
    return s->o->SSL_get_version(s->ssl);
}

bool tls_stream_is_resumed(const struct tls_stream *s)
{
    return s->o->SSL_session_reused(s->ssl) == 1;
}
