/* Where producers and consumers of one worker meet: a channel is named by the producer's attempt, the
 * edge and the subpartition.  Whoever comes first makes the channel and lists it, the other takes it
 * off the list.  A side that comes too late finds a channel that the other one has already closed, and
 * ends in order.
 *
 * A channel that waits for its other side longer than the time-out is dropped by the sweep: the job was
 * failed over meanwhile.  (A consumer that waits too long fails by itself: gate_n_unconnected().)
 *
 * Thread: any (lock: registry, a leaf).  Flink: ResultPartitionManager. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_PARTITION_REGISTRY_H
#define FLINC_TASKMANAGER_EXCHANGE_PARTITION_REGISTRY_H

#include "common/base/clock.h"
#include "taskmanager/exchange/channel.h"

enum { PARTITION_REGISTRY_CHANNELS_MAX = 1 << 20 }; /* waiting for their other side */

struct subpartition_id {
    struct flinc_id producer_attempt;
    uint32_t edge;
    uint32_t subpartition;
};

enum channel_side {
    CHANNEL_SIDE_PRODUCER,
    CHANNEL_SIDE_CONSUMER,
};

struct partition_registry;
struct partition_registry *partition_registry_new(const struct clock *clock);
/* Drops the channels still listed.  NULL is fine; returns NULL. */
struct partition_registry *partition_registry_free(struct partition_registry *r);

/* A reference to the channel for one side.  ERR_ALREADY_EXISTS: that side asked before; ERR_LIMIT. */
int partition_registry_connect(struct partition_registry *r, const struct subpartition_id *id,
                               enum channel_side side, struct channel **ret_channel,
                               struct error *err) MUST_CHECK;
/* Drops the channels that have waited longer; returns how many. */
uint32_t partition_registry_sweep(struct partition_registry *r, int64_t timeout_ms);
uint32_t partition_registry_len(struct partition_registry *r);

#endif
