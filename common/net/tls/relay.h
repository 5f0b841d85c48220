/* TLS for those who know plain sockets only (gRPC, libmicrohttpd): a thread that holds the encrypted connections and
 * gives each of them a plain socket of this process.
 *
 *   peer ══ TLS ══ link of the relay ── socket pair ── gRPC
 *
 * The plain socket is there at once; what is written to it waits for the handshake.  getpeername() of it says who the
 * peer is, as an abstract Unix name "flinc-tls/SERIAL/HOST:PORT" (tls_relay_peer_of()).  A peer that ends in order is
 * an end of the plain socket; one that breaks off closes it.  Closing the plain socket sends close_notify.
 *
 *   CONNECTING ─► HANDSHAKE ─► OPEN ─► (an end was seen on one side) ─► freed
 *                     └─► PLAIN (a server: the peer does not speak TLS and is told so)
 *
 * No link holds up another: nothing waits, a turn has a limit, handshakes have a time-out and a number, the oldest
 * gives way.  Limits: below.  Thread: any for new, add, connect, listen, free; callbacks on the relay's.  Flink: SslHandler. */
#ifndef FLINC_COMMON_NET_TLS_RELAY_H
#define FLINC_COMMON_NET_TLS_RELAY_H

#include "common/net/tls/tls.h"
#include <sys/socket.h>

enum {
    TLS_RELAY_LINKS_MAX = 8192,
    TLS_RELAY_HANDSHAKES_MAX = 1024, /* under way as a server */
    TLS_RELAY_BUFFER_BYTES = 64 * 1024,
    TLS_RELAY_TURN_BYTES = 512 * 1024, /* of a link, before others have their turn */
    TLS_RELAY_PLAIN_MAX = 8 * 1024,    /* that are read of a peer without TLS */
    TLS_RELAY_CONNECT_MS = 15 * 1000,
    TLS_RELAY_BACKLOG_PAUSE_MS = 100, /* when no descriptor is free */
    TLS_RELAY_PEER_MAX = 300,
};

struct tls_relay;
struct tls_relay_options {
    const char *name; /* of its thread */
};
int tls_relay_new(const struct tls_relay_options *options, struct tls_relay **ret,
                  struct error *err) MUST_CHECK;
/* Closes all links at once (what was written to them before is flushed as far as the sockets take it); no callback
 * comes afterwards.  NULL is fine; returns NULL. */
struct tls_relay *tls_relay_free(struct tls_relay *r);

struct tls_link_options {
    struct tls_context *context; /* a reference is taken; its side is the link's */
    const char *host; /* client: the name that the certificate is checked against; copied */
    const char *peer; /* "host:port", for messages; copied; NULL: looked up */
    uint32_t
        first_bytes; /* the plain socket gets nothing before so many are there; 0, 1: at once */
    bool whole;      /* the end of one direction is that of both */
    /* Server: what a peer that does not speak TLS has said so far.  True: enough, and the answer to send it.  May be NULL. */
    bool (*on_plaintext)(struct slice said, struct str *ret_answer);
    /* Once, the last call: `why` NULL: in order.  May be NULL. */
    void (*on_end)(void *arg, const struct error *why);
    void *arg;
};
/* Takes a connected socket.  ERR_LIMIT: there are too many. */
int tls_relay_add(struct tls_relay *r, int take_fd, const struct tls_link_options *options,
                  int *ret_plain_fd, struct error *err) MUST_CHECK;
/* Client: connects on the way; a failure is told by on_end. */
int tls_relay_connect(struct tls_relay *r, const char *host, uint32_t port,
                      const struct tls_link_options *options, int *ret_plain_fd,
                      struct error *err) MUST_CHECK;

/* Accepts what connects, and gives those away that are through with the handshake. */
struct tls_listener_options {
    int listen_fd; /* Borrows, until the relay is freed */
    struct tls_context *context;
    bool (*on_plaintext)(struct slice said, struct str *ret_answer);
    void (*on_connection)(void *arg, int take_plain_fd, const struct sockaddr *peer, socklen_t len);
    void *arg;
};
int tls_relay_listen(struct tls_relay *r, const struct tls_listener_options *options,
                     struct error *err) MUST_CHECK;

/* "HOST:PORT" of the peer behind a plain socket; false: it is none of a relay. */
bool tls_relay_peer_of(int plain_fd, char ret[TLS_RELAY_PEER_MAX]);

struct tls_relay_stats {
    uint64_t links, handshakes, failed, plaintext; /* failed: handshakes */
};
void tls_relay_get_stats(const struct tls_relay *r, struct tls_relay_stats *ret);

#endif
