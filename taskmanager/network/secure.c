/* TLS of data connections: the handshake on the network's thread, reading and writing through a stream (common/net/tls).
 * The hello stays plain: it only says which worker is called, and the task manager has no part in what follows. */
#include "taskmanager/network/secure.h"
#include "common/net/tls/stream.h"
#include "taskmanager/network/network_internal.h"

int network_open_tls(struct network *n, const struct conf *conf, struct error *err)
{
    if (!tls_data_is_enabled(conf)) {
        return 0;
    }
    TRY(tls_context_new(conf, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &n->tls_server, err));
    return tls_context_new(conf, TLS_SCOPE_INTERNAL, TLS_SIDE_CLIENT, &n->tls_client, err);
}

void network_close_tls(struct network *n)
{
    n->tls_server = tls_context_unref(n->tls_server);
    n->tls_client = tls_context_unref(n->tls_client);
}

/* ---- the handshake -------------------------------------------------------------------------------------- */

static void on_handshake_timeout(void *arg)
{
    struct connection *c = arg;
    struct error err = ERROR_INIT;
    c->tls_timer = TIMER_NONE;
    error_set(&err, ERR_TIMEOUT,
              "the TLS handshake with %s took too long (security.ssl.internal.handshake-timeout): "
              "does it speak TLS (security.ssl.internal.enabled)?",
              c->peer);
    c->role->on_broken(c, &err);
}

int connection_secure(struct connection *c, struct tls_context *context, struct error *err)
{
    const struct tls_stream_options o = {
        .context = context,
        .fd = c->fd,
        .peer = c->peer,
        .session_key = tls_context_side(context) == TLS_SIDE_CLIENT ? c->peer : NULL};
    TRY(tls_stream_new(&o, &c->tls, err));
    c->tls_shaking = true;
    c->tls_timer =
        loop_schedule(c->network->loop, tls_context_handshake_ms(context), on_handshake_timeout, c);
    return secure_shake(c, err);
}

int secure_shake(struct connection *c, struct error *err)
{
    int rc = tls_stream_handshake(c->tls, err);
    TRY(rc);
    c->blocked = tls_stream_unsent(c->tls) > 0;
    if (rc == 1) {
        c->tls_shaking = false;
        loop_cancel(c->network->loop, c->tls_timer);
        c->tls_timer = TIMER_NONE;
        connection_touch(c);
    }
    return loop_mod(c->watch, LOOP_READ | (c->blocked ? LOOP_WRITE : 0u), err);
}

/* ---- bytes ------------------------------------------------------------------------------------------------ */

int secure_write(struct connection *c, const struct iovec *pieces, uint32_t n, uint64_t *ret_sent,
                 struct error *err)
{
    size_t taken;
    TRY(tls_stream_write(c->tls, pieces, n, &taken, err));
    c->blocked = tls_stream_unsent(c->tls) > 0;
    *ret_sent = taken;
    return 0;
}

int secure_flush(struct connection *c, struct error *err)
{
    TRY(tls_stream_flush(c->tls, err));
    c->blocked = tls_stream_unsent(c->tls) > 0;
    return 0;
}

int secure_read(struct connection *c, void *to, size_t size, size_t *ret_n, bool *ret_end,
                struct error *err)
{
    size_t filled = 0;
    *ret_end = false;
    while (filled < size && !*ret_end) { /* a record at a time, at most 16 KiB */
        size_t n;
        TRY(tls_stream_read(c->tls, (uint8_t *)to + filled, size - filled, &n, ret_end, err));
        filled += n;
        if (n == 0) {
            break;
        }
    }
    *ret_n = filled;
    return 0;
}

static void on_again(void *arg)
{
    struct connection *c = arg;
    c->tls_again = TIMER_NONE;
    connection_receive(c);
}

void secure_read_again(struct connection *c)
{
    if (c->tls_again == TIMER_NONE) {
        c->tls_again = loop_schedule(c->network->loop, 0, on_again, c);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

void secure_end(struct connection *c)
{
    struct error ignored = ERROR_INIT;
    struct loop *loop = c->network->loop;
    loop_cancel(loop, c->tls_timer);
    loop_cancel(loop, c->tls_again);
    c->tls_timer = c->tls_again = TIMER_NONE;
    c->tls_shaking = false;
    if (c->tls != NULL && c->fd >= 0 && tls_stream_close(c->tls, &ignored) < 0) {
        error_clear(&ignored); /* it is broken: the peer will see so */
    }
    c->tls = tls_stream_free(c->tls);
}

bool secure_looks_like_tls(const uint8_t *bytes, size_t n)
{
    enum { ALERT = 0x15, HANDSHAKE = 0x16, MAJOR_VERSION = 3 };
    return n >= 2 && (bytes[0] == ALERT || bytes[0] == HANDSHAKE) && bytes[1] == MAJOR_VERSION;
}
