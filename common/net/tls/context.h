/* Inside the room: contexts as streams see them. */
#ifndef FLINC_COMMON_NET_TLS_CONTEXT_H
#define FLINC_COMMON_NET_TLS_CONTEXT_H

#include "common/net/tls/settings.h"

const struct openssl *tls_context_openssl(const struct tls_context *c);
const struct tls_settings *tls_context_settings(const struct tls_context *c);
enum { TLS_READ_AHEAD_BYTES = 64 * 1024 }; /* read from the socket at once */

/* Of a connection; lives as long as it.  Sessions are resumed with the same peer_name; NULL: they are not. */
struct tls_session_home {
    struct tls_context *context; /* Borrows */
    const char *peer_name;       /* Borrows */
    uint64_t generation;         /* of the files */
};
/* A connection of what the files say now. */
int tls_context_open(struct tls_context *c, struct tls_session_home *home, SSL **ret,
                     struct error *err) MUST_CHECK;

/* ---- failure.c ---- */
enum tls_step { TLS_STEP_HANDSHAKE, TLS_STEP_READ, TLS_STEP_WRITE };
/* Says what went wrong, and which key to look at.  errno_value: of the socket, 0: none.  `ended`: the peer closed
 * without saying so. */
struct tls_failure {
    enum tls_step step;
    const char *peer;
    int errno_value;
    bool ended;
    bool heard_nothing; /* not one byte came */
};
int tls_fail(const struct tls_context *c, SSL *ssl, const struct tls_failure *f,
             struct error *err) MUST_CHECK;
void tls_set_verify_note(const char *fmt, ...) PRINTF(1, 2);

#endif
