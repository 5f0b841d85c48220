/* The value of a leader's node in ZooKeeper, as Java clients of Flink read it: a stream of Java's object serialization with an
 * address (writeUTF) and the leader's session id (java.util.UUID).
 * Thread: any.  Flink: ZooKeeperLeaderElectionDriver, LeaderInformation. */
#ifndef FLINC_COMMON_HA_JAVA_VALUE_H
#define FLINC_COMMON_HA_JAVA_VALUE_H

#include "common/base/clock.h"
#include "common/base/str.h"

/* The address has less than 64 KiB and no NUL. */
void java_value_write(const char *address, const struct flinc_id *token, struct str *ret);
/* False: the bytes are none, or the address does not fit. */
bool java_value_read(struct slice bytes, char *ret_address, size_t size,
                     struct flinc_id *ret_token);

#endif
