/* Addresses of a host: a number at once, a name on a thread of its own, because looking it up may block for
 * seconds.  Thread: the network's.  Inside the room only. */
#ifndef FLINC_TASKMANAGER_NETWORK_RESOLVE_H
#define FLINC_TASKMANAGER_NETWORK_RESOLVE_H

#include "taskmanager/network/dialed.h"

/* With the network as target; n_addresses 0: failed, err says why. */
typedef void (*resolved_fn)(void *target, uint64_t serial, const struct dialed_address *addresses,
                            uint32_t n_addresses, const struct error *err);
/* Calls back on the network's thread, perhaps before it returns. */
void resolve_host(struct network *n, const char *host, uint32_t port, uint64_t serial,
                  resolved_fn done);

#endif
