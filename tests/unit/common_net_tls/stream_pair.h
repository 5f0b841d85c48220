/* Two streams over a transport in memory that can be slow, torn, cut and damaged. */
#ifndef FLINC_TESTS_UNIT_COMMON_NET_TLS_STREAM_PAIR_H
#define FLINC_TESTS_UNIT_COMMON_NET_TLS_STREAM_PAIR_H

#include "tests/unit/common_net_tls/certificates.h"

#include "common/base/clock.h"
#include "common/net/tls/stream.h"
#include <errno.h>

/* One direction. */
struct wire {
    struct str bytes;
    size_t taken;
    uint64_t sent; /* in all */
    uint64_t
        cut_at; /* what is sent behind is lost, and the reader sees the end; UINT64_MAX: never */
    uint64_t damage_at; /* this byte arrives wrong; UINT64_MAX: none */
    size_t room;        /* that may wait */
    bool ended;
};

struct half {
    struct wire *in, *out;
    struct rng *rng;
    uint32_t torn;  /* of 100 calls: moves a few bytes only, or none */
    int fail_errno; /* of the next call; 0: none */
};

static ssize_t half_recv(void *arg, void *buf, size_t size)
{
    struct half *h = arg;
    struct wire *w = h->in;
    size_t left = w->bytes.len - w->taken;
    if (h->fail_errno != 0) {
        errno = h->fail_errno;
        return -1;
    }
    if (left == 0) {
        errno = EAGAIN;
        return w->ended ? 0 : -1;
    }
    if (rng_below(h->rng, 100) < h->torn) {
        if (rng_below(h->rng, 3) == 0) {
            errno = EAGAIN;
            return -1;
        }
        size = MIN(size, 1 + (size_t)rng_below(h->rng, 7));
    }
    size = MIN(size, left);
    memcpy(buf, w->bytes.data + w->taken, size);
    w->taken += size;
    if (w->taken == w->bytes.len) {
        str_clear(&w->bytes);
        w->taken = 0;
    }
    return (ssize_t)size;
}

static ssize_t half_send(void *arg, const void *buf, size_t size)
{
    struct half *h = arg;
    struct wire *w = h->out;
    if (h->fail_errno != 0) {
        errno = h->fail_errno;
        return -1;
    }
    size_t room = w->room - MIN(w->room, w->bytes.len - w->taken);
    if (rng_below(h->rng, 100) < h->torn) {
        room = MIN(room, (size_t)rng_below(h->rng, 5));
    }
    size = MIN(size, room);
    if (size == 0) {
        errno = EAGAIN;
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        char c = ((const char *)buf)[i];
        w->ended = w->ended || w->sent + i >= w->cut_at;
        if (!w->ended) {
            str_append_char(&w->bytes, (char)(w->sent + i == w->damage_at ? c ^ 1 : c));
        }
    }
    w->sent += size;
    return (ssize_t)size;
}

struct stream_pair {
    struct conf server_conf, client_conf;
    struct tls_context *contexts[2];
    struct tls_stream *streams[2]; /* the server, the client */
    struct wire wires[2];
    struct half halves[2];
    struct rng rng;
};

static inline void pair_init(struct stream_pair *p, uint64_t seed)
{
    *p = (struct stream_pair){.streams = {NULL}};
    init_internal(&p->server_conf, "node.pem", "ca.pem");
    init_internal(&p->client_conf, "node.pem", "ca.pem");
    rng_init(&p->rng, seed);
    for (int i = 0; i < 2; i++) {
        p->wires[i] = (struct wire){
            .bytes = STR_INIT, .cut_at = UINT64_MAX, .damage_at = UINT64_MAX, .room = 1 << 20};
        p->halves[i] = (struct half){.in = &p->wires[i], .out = &p->wires[1 - i], .rng = &p->rng};
    }
}

static inline void pair_open_scope(struct stream_pair *p, enum tls_scope scope, const char *host)
{
    struct conf *confs[2] = {&p->server_conf, &p->client_conf};
    static const char *const peers[2] = {"client:1", "server:2"};
    for (int i = 0; i < 2; i++) {
        struct error err = ERROR_INIT;
        if (p->contexts[i] == NULL &&
            tls_context_new(confs[i], scope, i == 0 ? TLS_SIDE_SERVER : TLS_SIDE_CLIENT,
                            &p->contexts[i], &err) < 0) {
            fail_msg("%s", err.message);
        }
        const struct tls_transport transport = {half_recv, half_send, &p->halves[i]};
        const struct tls_stream_options o = {.context = p->contexts[i],
                                             .transport = &transport,
                                             .peer = peers[i],
                                             .session_key = i == 1 ? "server:2" : NULL,
                                             .host = host};
        assert_int_equal(tls_stream_new(&o, &p->streams[i], NULL), 0);
    }
}

static inline void pair_open(struct stream_pair *p)
{
    pair_open_scope(p, TLS_SCOPE_INTERNAL, NULL);
}

static inline void pair_close_streams(struct stream_pair *p)
{
    for (int i = 0; i < 2; i++) {
        p->streams[i] = tls_stream_free(p->streams[i]);
        str_clear(&p->wires[i].bytes);
        p->wires[i].taken = 0;
        p->wires[i].sent = 0;
        p->wires[i].ended = false;
    }
}

static inline void pair_fini(struct stream_pair *p)
{
    pair_close_streams(p);
    for (int i = 0; i < 2; i++) {
        tls_context_unref(p->contexts[i]);
        str_fini(&p->wires[i].bytes);
    }
    conf_fini(&p->server_conf);
    conf_fini(&p->client_conf);
}

enum { PAIR_TURNS = 200000 };

/* Both take turns until both are done, or both have failed; a side that fails ends its wire.  1, or the codes. */
static inline void pair_shake(struct stream_pair *p, int ret_rc[2], struct error ret_err[2])
{
    ret_rc[0] = ret_rc[1] = 0;
    for (int turn = 0; turn < PAIR_TURNS && (ret_rc[0] == 0 || ret_rc[1] == 0); turn++) {
        for (int i = 0; i < 2; i++) {
            if (ret_rc[i] == 0) {
                ret_rc[i] = tls_stream_handshake(p->streams[i], &ret_err[i]);
            }
            if (ret_rc[i] < 0) {
                p->halves[i].out->ended = true;
            } else if (tls_stream_unsent(p->streams[i]) > 0) {
                assert_int_equal(tls_stream_flush(p->streams[i], NULL), 0);
            }
        }
    }
}

static inline void pair_connect(struct stream_pair *p)
{
    int rc[2];
    struct error err[2] = {ERROR_INIT, ERROR_INIT};
    pair_shake(p, rc, err);
    if (rc[0] != 1 || rc[1] != 1) {
        fail_msg("server %d %s, client %d %s", rc[0], err[0].message, rc[1], err[1].message);
    }
}

#endif
