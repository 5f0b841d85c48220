/* The exchange between workers: one TCP connection per pair of workers (consumer's worker to producer's),
 * many channels on it, byte credits per channel.
 *
 * On both sides a remote channel ends in an ordinary `struct channel`: at the producer the network thread
 * is the consumer of the channel that the result partition writes, at the consumer it is the producer of
 * the channel that the gate reads.  Tasks, gates and partitions know nothing of it.
 *
 *   task A ─► channel ─► network thread ══ TCP ══ network thread ─► channel ─► gate of task B
 *
 * A frame is a header (kind, flags, channel number, lengths, CRC32C) and a payload; batches are written by
 * scatter/gather from their column buffers in the batch codec's form, 16-aligned at the receiver, whose
 * batches share the frame's buffer.  What exceeds a channel's credit goes in fragments; a slow channel
 * never holds up another.  Barriers overtake on the priority lane.
 *
 * Limits and metrics: see README.md.  Flink: NettyShuffleEnvironment, PartitionRequestClient,
 * CreditBasedPartitionRequestClientHandler, RemoteInputChannel. */
#ifndef FLINC_TASKMANAGER_NETWORK_NETWORK_H
#define FLINC_TASKMANAGER_NETWORK_NETWORK_H

#include "common/conf/conf.h"
#include "common/loop/loop.h"
#include "common/metrics/registry.h"
#include "taskmanager/exchange/partition_registry.h"

struct network;

struct network_options {
    const struct conf *conf;             /* Borrows; timeouts, compression, buffer sizes */
    struct partition_registry *registry; /* Borrows; of this worker */
    struct mem_budget *budget;           /* Borrows; of its buffers; may be NULL */
    struct flinc_id job_id;
    struct flinc_id incarnation;  /* of this worker */
    const char *name;             /* copied; thread name, logs */
    struct metric_group *metrics; /* Borrows; may be NULL */
};
int network_new(const struct network_options *options, struct network **ret,
                struct error *err) MUST_CHECK;
/* Closes connections, drops channels, joins its thread.  Tasks have ended before. */
struct network *network_free(struct network *n);

/* The fixed plain hello that opens a data connection, read by the task manager that owns the data port
 * before it hands the socket to the worker: exactly these bytes.  Little endian. */
#define DATA_HELLO_MAGIC "FLNCDATA"
struct data_hello {
    char magic[8];
    uint32_t version;  /* DATA_HELLO_VERSION */
    uint32_t reserved; /* 0 */
    uint8_t job_id[16];
    uint8_t incarnation[16]; /* of the worker that is called */
};
_Static_assert(sizeof(struct data_hello) == 48, "a wire format");
enum { DATA_HELLO_VERSION = 1 };
/* ERR_CORRUPT: no hello; ERR_UNSUPPORTED: another version. */
int data_hello_check(const struct data_hello *hello, struct error *err) MUST_CHECK;

/* Where a producer is: "host:port/<hex of incarnation>". */
struct data_location {
    char host[256];
    uint32_t port;
    struct flinc_id incarnation;
};
int data_location_parse(const char *text, struct data_location *ret, struct error *err) MUST_CHECK;

/* A connection whose hello the task manager has read.  Thread: any; takes the socket. */
void network_accept(struct network *n, int take_fd, const char *peer);

/* The consuming end of a subpartition that lies at `location`: a channel that fills from there, to be
 * given to a gate.  Both attempts travel with the request.  A producer that is not there yet is waited
 * for, bounded by taskmanager.network.partition-request-timeout; a connection that cannot be made or
 * breaks closes the channel and calls on_broken (network thread: post, do not work) once per channel.
 * Thread: any. */
struct remote_input {
    struct data_location location;
    struct subpartition_id id;
    struct flinc_id consumer_attempt;
    const struct schema *schema; /* a reference is taken */
    void (*on_broken)(void *arg, const struct error *why);
    /* The last call, exactly one for each input that was opened: `arg` is not used any more.  On the
     * network's thread, or on that of network_free().  May be NULL. */
    void (*on_released)(void *arg);
    void *arg;                      /* Borrows until on_released */
    struct channel_options channel; /* bounds: its credit */
};
int network_open_input(struct network *n, const struct remote_input *input,
                       struct channel **ret_channel, struct error *err) MUST_CHECK;

#endif
