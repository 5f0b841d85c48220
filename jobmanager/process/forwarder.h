/* The REST port of a standby: every connection is passed on to the leader, byte by byte; while nobody leads, it is answered with 503,
 * which Flink's clients repeat.
 *
 * A connection that was passed on once (X-Flinc-Forwarded in its first request) is not passed on again: two standbys that take each
 * other for the leader would never end.  Flink: LeaderRetrievalHandler.
 *
 * With security.ssl.rest.enabled the standby ends the client's TLS and opens its own to the leader, as a client with the
 * same certificate: a byte is never sent in the clear.
 *
 * Lifetime: start and stop as the process becomes a standby and leads; the listening socket is the caller's and stays open, so that no
 * client is refused in between.  Threads: one that accepts, one per connection. */
#ifndef FLINC_JOBMANAGER_PROCESS_FORWARDER_H
#define FLINC_JOBMANAGER_PROCESS_FORWARDER_H

#include "common/ha/ha.h"

enum {
    FORWARDER_CONNECTIONS_MAX = 256, /* more wait to be accepted */
    FORWARDER_HEAD_MAX = 16 * 1024,  /* of the first request; a longer one is answered with 431 */
    FORWARDER_HEAD_TIMEOUT_MS = 30 * 1000,
    FORWARDER_CONNECT_TIMEOUT_MS = 5 * 1000,
};

struct forwarder;
/* listen_fd: borrowed.  ha: borrowed; who leads.  conf: security.ssl.rest.*. */
int forwarder_start(int listen_fd, struct ha *ha, const struct conf *conf, struct forwarder **ret,
                    struct error *err) MUST_CHECK;
/* Ends the connections, waits.  NULL is fine; returns NULL. */
struct forwarder *forwarder_stop(struct forwarder *f);

#endif
