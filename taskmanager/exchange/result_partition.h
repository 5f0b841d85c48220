/* The writing end of an edge in one producing subtask: routes batches to its channels.
 *
 * One channel (and forward, global): the batch goes through by pointer; only a selection is
 * materialised and a batch that pins far more string bytes than it uses is compacted.  Broadcast
 * shares one batch by reference.  Hash, rebalance, rescale, shuffle and custom edges sort the rows by
 * channel in one pass and append them to one builder per channel; what is half built goes out when it
 * is full, at result_partition_flush(), and before any control element.
 *
 * Where channels are small, a batch that is larger than `part_bytes` goes in parts, copied so that none holds the
 * memory of all; a row goes whole, however large it is.
 *
 * Rebalance and rescale deal single rows in turn, as Flink does; once a stream has brought
 * REBALANCE_ROW_WISE_ROWS rows, batches that are full anyway are dealt whole.
 *
 * Thread: the task's.  Flink: ResultPartition, RecordWriter, StreamPartitioner. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_RESULT_PARTITION_H
#define FLINC_TASKMANAGER_EXCHANGE_RESULT_PARTITION_H

#include "engine/data/partition.h"
#include "proto/graph.pb-c.h"
#include "taskmanager/exchange/channel.h"

enum {
    /* Rows that a rebalance deals one by one before it deals whole batches. */
    REBALANCE_ROW_WISE_ROWS = 16384,
    /* Batches with at least this many rows may go to a channel as they are. */
    RESULT_PARTITION_WHOLE_ROWS = BATCH_ROWS_TARGET / 2,
};

/* A user's partitioner, opened for one subtask.  `route` writes a channel in [0, n_channels) for each
 * selected row; what is outside fails the task. */
struct custom_partitioner {
    int (*route)(void *data, const struct batch *batch, uint32_t n_channels, int32_t *ret_channels,
                 struct error *err);
    void (*close)(void *data); /* may be NULL */
    void *data;
};

struct result_partition_options {
    struct buffer_pool *pool;    /* Borrows */
    const struct schema *schema; /* a reference is taken */
    Flinc__PartitionerKind kind;
    const uint32_t *key_columns; /* HASH; copied */
    uint32_t n_keys;
    uint32_t max_parallelism;         /* HASH: the consumer's */
    struct custom_partitioner custom; /* CUSTOM; taken when opening succeeds */
    struct channel *const *channels;  /* their references are taken; the producer is attached */
    uint32_t n_channels;
    uint64_t seed;                      /* of shuffle, and where the turns of rebalance start */
    uint32_t n_batch_target;            /* rows of a built batch; 0: BATCH_ROWS_TARGET */
    struct exchange_counters *counters; /* Borrows; of the task's output; may be NULL */
    struct mailbox
        *mailbox; /* the task's: what a writable channel wakes; channels take references */
    struct channel_options channel; /* bounds of each channel */
    uint64_t part_bytes; /* larger batches go in parts of so many bytes; 0: as they are */
};

struct result_partition;
/* Takes the references of the channels when it succeeds. */
int result_partition_open(const struct result_partition_options *options,
                          struct result_partition **ret_partition, struct error *err) MUST_CHECK;
/* Closes the channels on this side and drops what is half built (an ordered end sends END_OF_PARTITION
 * first).  NULL is fine; returns NULL. */
struct result_partition *result_partition_close(struct result_partition *p);

/* Takes the batch.  Fails only by a custom partitioner. */
int result_partition_write(struct result_partition *p, struct batch *take_batch,
                           struct error *err) MUST_CHECK;
/* Sends what is half built. */
void result_partition_flush(struct result_partition *p);
bool result_partition_has_buffered(const struct result_partition *p);
/* Flushes, then sends a control element to every channel, each with references of its own.  Where a barrier
 * comes to lie is remembered until the next one. */
void result_partition_send_control(struct result_partition *p, const struct element *control);
/* Takes the marker.  To one channel, chosen at random, behind what was written for it. */
void result_partition_send_marker(struct result_partition *p, struct latency_marker *take_marker);
/* To every channel ahead of what waits there; what is half built stays. */
void result_partition_send_priority(struct result_partition *p, const struct element *control);
/* The edge's elements may be recorded as channel state: a barrier may overtake them. */
bool result_partition_is_overtakable(const struct result_partition *p);
/* Announces the barrier that was sent last to every channel, ahead of what waits there: it may overtake.  Does
 * nothing when another one was sent meanwhile. */
void result_partition_announce(struct result_partition *p, struct barrier *b);

/* Payload of a part of a batch; 0: batches go as they are. */
uint64_t result_partition_part_bytes(const struct result_partition *p);
/* All channels can be written. */
bool result_partition_is_writable(struct result_partition *p);
/* Asks those that cannot to signal the task; true: all can be written now. */
bool result_partition_arm_writable(struct result_partition *p);

/* Elements waiting in its channels; thread: any that holds the partition. */
uint32_t result_partition_queue_len(const struct result_partition *p);

#endif
