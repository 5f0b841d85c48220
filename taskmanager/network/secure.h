/* TLS of data connections.  Thread: the network's.  Inside the room only. */
#ifndef FLINC_TASKMANAGER_NETWORK_SECURE_H
#define FLINC_TASKMANAGER_NETWORK_SECURE_H

#include "common/net/tls/tls.h"
#include "taskmanager/network/connection.h"
#include <sys/uio.h>

/* By security.ssl.internal.* and taskmanager.data.ssl.enabled; nothing without them. */
int network_open_tls(struct network *n, const struct conf *conf, struct error *err) MUST_CHECK;
void network_close_tls(struct network *n);

/* What follows on the attached socket is TLS; begins the handshake.  Frames wait until it is done. */
int connection_secure(struct connection *c, struct tls_context *context,
                      struct error *err) MUST_CHECK;
/* Goes on with it. */
int secure_shake(struct connection *c, struct error *err) MUST_CHECK;
/* As sendmsg(); sets c->blocked.  What was taken is encrypted and will go. */
int secure_write(struct connection *c, const struct iovec *pieces, uint32_t n, uint64_t *ret_sent,
                 struct error *err) MUST_CHECK;
int secure_flush(struct connection *c, struct error *err) MUST_CHECK;
/* As recv(), until `to` is full or nothing more is there. */
int secure_read(struct connection *c, void *to, size_t size, size_t *ret_n, bool *ret_end,
                struct error *err) MUST_CHECK;
/* What is decrypted already makes no socket ready: another turn. */
void secure_read_again(struct connection *c);
/* Says close_notify, as far as the socket takes it, and forgets the stream. */
void secure_end(struct connection *c);
/* The first bytes of a peer that speaks TLS where frames are expected. */
bool secure_looks_like_tls(const uint8_t *bytes, size_t n);

#endif
