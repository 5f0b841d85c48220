/* Inside the room: a relay and its links. */
#ifndef FLINC_COMMON_NET_TLS_LINK_H
#define FLINC_COMMON_NET_TLS_LINK_H

#include "common/base/vec.h"
#include "common/loop/executor.h"
#include "common/loop/loop.h"
#include "common/net/tls/relay.h"
#include "common/net/tls/stream.h"
#include <pthread.h>

enum tls_link_state { LINK_CONNECTING, LINK_HANDSHAKE, LINK_PLAIN, LINK_OPEN, LINK_STATES };

struct tls_link {
    struct tls_link *next, **link;   /* in the relay's list; the newest first */
    struct tls_relay *relay;         /* Borrows */
    struct tls_link_options options; /* strings owned, the context counted */
    enum tls_link_state state;
    uint64_t serial;
    uint32_t port;            /* to connect to */
    int fd, plain_fd, far_fd; /* Own; -1: none.  far_fd: the plain end that a listener gives away */
    struct tls_listener *listener; /* Borrows; NULL: none */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct tls_stream *stream;
    struct loop_fd *watch, *plain_watch;
    uint64_t timer, again;
    size_t last_unsent;          /* when the timer of its end was set */
    bool said_something;         /* the first byte of a server's peer is known */
    bool net_ended, plain_ended; /* nothing more comes from there */
    bool passed_first;           /* the plain socket got something */
    bool told_end;               /* it got the end */
    bool discards;               /* it is closed */
    bool closing, half_closed;   /* close_notify is written; is sent */
    struct str
        held; /* decrypted, and not taken by the plain socket; or what a peer without TLS said */
    size_t held_start;
};

struct tls_listener {
    struct tls_relay *relay;
    struct tls_listener_options options;
    struct loop_fd *watch;
    uint64_t pause;
};

struct tls_relay {
    struct loop *loop; /* Owns */
    pthread_t thread;
    _Atomic bool stop;
    struct cancel_token *cancel; /* Owns a ref; of the connector's waits */
    struct executor *connector;  /* Owns; made with the first connect; under lock */
    pthread_mutex_t lock;
    uint8_t *buffer; /* of the loop's thread */
    struct tls_link *links;
    struct vec listeners; /* Owns: struct tls_listener * */
    uint32_t n_handshakes;
    int64_t last_warning_ms;
    uint32_t n_unsaid;
    _Atomic uint32_t n_links;
    _Atomic uint64_t serial, n_total, n_open, n_failed, n_plaintext;
};

/* Makes the pair and the link; not yet on the loop. */
int tls_link_new(struct tls_relay *r, int take_fd, const struct tls_link_options *options,
                 struct tls_link **ret, struct error *err) MUST_CHECK;
/* On the loop: begins; may end it. */
void tls_link_begin(struct tls_link *l);
/* When the loop has ended: passes on what its owner has written, as far as the socket takes it. */
void tls_link_finish(struct tls_link *l);
/* On the loop: `why` NULL: in order.  Frees. */
void tls_link_end(struct tls_link *l, const struct error *why);
void tls_link_free(struct tls_link *l); /* one that was never on the loop, or is off it */

#endif
