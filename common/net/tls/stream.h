/* TLS over a socket that does not block: bytes in, bytes out, never a wait.
 *
 *   HANDSHAKE ──► OPEN ──► CLOSING (close_notify is on its way)
 *       └───────────┴────────────┴──► BROKEN (an error was returned; nothing but free is of use)
 *
 * The owner calls when the socket is ready for tls_stream_wants(), and reads until nothing comes: what is decrypted
 * already makes no socket ready.  Writing encrypts into a buffer of the stream's and sends from there; what was taken
 * was taken, so that no call has to be repeated with the same bytes.  The end of a connection is close_notify; without
 * it what came may be cut off, which is an error.
 *
 * Limits: STREAM_OUT_BYTES encrypted and not sent.  Thread: one owner.  Flink: netty's SslHandler. */
#ifndef FLINC_COMMON_NET_TLS_STREAM_H
#define FLINC_COMMON_NET_TLS_STREAM_H

#include "common/net/tls/tls.h"
#include <sys/uio.h>

enum {
    TLS_STREAM_RECORD_BYTES = 16 * 1024,
    TLS_STREAM_OUT_BYTES = 128 * 1024,
};

enum tls_wants { TLS_WANTS_READ = 1, TLS_WANTS_WRITE = 2 };

/* The socket; tests put others in its place.  As recv() and send(): -1 and errno. */
struct tls_transport {
    ssize_t (*recv)(void *arg, void *buf, size_t size);
    ssize_t (*send)(void *arg, const void *buf, size_t size);
    void *arg;
};

struct tls_stream_options {
    struct tls_context *context;           /* a reference is taken; says which side */
    int fd;                                /* Borrows; used when transport is NULL */
    const struct tls_transport *transport; /* copied; may be NULL */
    const char *peer;                      /* for messages; copied */
    const char *host;        /* client: for SNI and, if asked for, the check; may be NULL; copied */
    const char *session_key; /* client: whose sessions are resumed; may be NULL; copied */
};
struct tls_stream;
int tls_stream_new(const struct tls_stream_options *options, struct tls_stream **ret,
                   struct error *err) MUST_CHECK;
/* Sends nothing; NULL is fine; returns NULL. */
struct tls_stream *tls_stream_free(struct tls_stream *s);

/* 1: done, 0: not yet.  ERR_PERMISSION: a certificate was refused, by us or the peer; ERR_UNAVAILABLE: the rest. */
int tls_stream_handshake(struct tls_stream *s, struct error *err) MUST_CHECK;
bool tls_stream_is_open(const struct tls_stream *s);
/* What the socket must be ready for: enum tls_wants. */
uint32_t tls_stream_wants(const struct tls_stream *s);

/* Up to `size` bytes; *ret_n 0: none for now, or, with *ret_end, none any more. */
int tls_stream_read(struct tls_stream *s, void *buf, size_t size, size_t *ret_n, bool *ret_end,
                    struct error *err) MUST_CHECK;
/* Takes what fits of the pieces, and sends what the socket takes. */
int tls_stream_write(struct tls_stream *s, const struct iovec *pieces, uint32_t n, size_t *ret_n,
                     struct error *err) MUST_CHECK;
/* Sends what is encrypted already. */
int tls_stream_flush(struct tls_stream *s, struct error *err) MUST_CHECK;
/* Bytes encrypted and not sent. */
size_t tls_stream_unsent(const struct tls_stream *s);
/* Puts close_notify behind what was written and sends what the socket takes; no write follows. */
int tls_stream_close(struct tls_stream *s, struct error *err) MUST_CHECK;

const char *tls_stream_version(const struct tls_stream *s); /* "TLSv1.2" */
bool tls_stream_is_resumed(const struct tls_stream *s);

#endif
