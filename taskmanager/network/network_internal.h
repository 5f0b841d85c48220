/* The network of a worker from inside: one thread, its loop, the tables of channels.  Inside the room only.
 *
 * Thread: the network's, but what is said to be any's. */
#ifndef FLINC_TASKMANAGER_NETWORK_NETWORK_INTERNAL_H
#define FLINC_TASKMANAGER_NETWORK_NETWORK_INTERNAL_H

#include "common/base/failpoint.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/loop/executor.h"
#include "taskmanager/network/connection.h"
#include "taskmanager/network/network_metrics.h"
#include "taskmanager/network/table.h"

enum {
    NETWORK_SPARE_MAX = 64,         /* frames and encodings kept for reuse, each */
    NETWORK_CHANNELS_MAX = 1 << 20, /* of one connection */
    NETWORK_OUTBOUND_MAX = 1 << 20, /* channels served */
    NETWORK_SERVED_MAX = 16384,     /* accepted connections */
    NETWORK_ENCODINGS_HELD_MAX =
        64, /* encoded batches that wait for credit; others are encoded again */
    NETWORK_SWEEP_INTERVAL_MS = 500,
};

/* What the configuration says. */
struct network_settings {
    int64_t connect_timeout_ms;
    int64_t partition_timeout_ms;
    int64_t backoff_initial_ms, backoff_max_ms;
    int32_t retries;
    int keep_idle_s, keep_interval_s, keep_count; /* 0: the system's */
    int user_timeout_ms;
    bool compress; /* LZ4 */
};
int network_settings_read(const struct conf *conf, struct network_settings *ret,
                          struct error *err) MUST_CHECK;

struct dialed;
struct served;

struct tls_context;

struct network {
    struct tls_context *tls_server, *tls_client; /* references; NULL: connections are plain */
    struct partition_registry *registry;         /* Borrows */
    struct flinc_id job_id, incarnation;
    struct network_settings settings;
    const struct clock *clock; /* Borrows */
    char *name;                /* Owns */
    struct loop *loop;         /* Owns */
    struct mailbox *mailbox;   /* Owns a ref: the loop's */
    struct buffer_pool *pool;  /* Owns */
    struct executor *resolver; /* Owns; made when the first host name must be looked up */
    pthread_t thread;
    bool stopping, has_thread;
    bool reap; /* a connection may have lost its last channel */
    uint64_t next_serial;
    struct network_metrics metrics;
    /* Connections. */
    struct connection *dirty_head; /* to be pumped; a ring by next_dirty and prev_dirty */
    struct table dialed;           /* Owns: struct dialed * */
    struct table served;           /* Owns: struct served * */
    /* Channels, by the number that they were attached with; holes are NULL. */
    struct ready_queue *ready;   /* Owns a ref: outbound channels that have something */
    struct drain_queue *drained; /* Owns a ref: inbound channels that have room again */
    struct table outbound;       /* Owns: struct outbound * */
    struct table inbound;        /* Owns: struct inbound * */
    struct map open_ids;         /* ids of the subpartitions served now */
    uint32_t n_inbound, n_outbound, n_zombies;
    uint32_t n_encodings_held;
    uint64_t sweep_timer;
    /* Reuse. */
    struct encoding *spare_encodings;
    struct out_frame *spare_frames;
    uint32_t n_spare_encodings, n_spare_frames;
    struct buffer *compress_raw; /* Owns; may be NULL */
    uint32_t n_connections;
};

/* A network without a thread: tests and fuzz targets step it on their own. */
int network_new_stepped(const struct network_options *options, struct network **ret,
                        struct error *err) MUST_CHECK;
/* A round of at most one wait of timeout_ms; 1: there was something to do or is more, 0: not, or an error. */
int network_step(struct network *n, int64_t timeout_ms, struct error *err) MUST_CHECK;

void network_dirty(struct network *n, struct connection *c);
void network_clean(struct network *n, struct connection *c);
/* Takes the ready queue: channels that have something get their turns. */
void network_collect_ready(struct network *n);
void network_schedule_sweep(struct network *n);
void network_count_connections(struct network *n, int change);
void out_frame_free(struct network *n, struct out_frame *f);
#endif
