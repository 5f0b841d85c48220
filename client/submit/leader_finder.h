/* Where the leader of a cluster with high availability is, for who asks from outside.
 *
 * Flink: ClientHighAvailabilityServices, whose leader retriever clients use.  Thread: one owner. */
#ifndef FLINC_CLIENT_SUBMIT_LEADER_FINDER_H
#define FLINC_CLIENT_SUBMIT_LEADER_FINDER_H

#include "common/conf/conf.h"

struct leader_finder;
/* NULL in *ret: there is none to be found, rest.address says where the job manager is: high-availability.type is NONE, or
 * the address was given on the command line. */
int leader_finder_new(const struct conf *conf, struct leader_finder **ret,
                      struct error *err) MUST_CHECK;
struct leader_finder *leader_finder_free(struct leader_finder *f); /* NULL is fine; returns NULL */

/* Waits for a leader, up to rest.await-leader-timeout; *ret_url ("http://host:port") is the finder's, until the next call.
 * ERR_TIMEOUT says where was looked. */
int leader_finder_ask(struct leader_finder *f, const char **ret_url, struct error *err) MUST_CHECK;

#endif
