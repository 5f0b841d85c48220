/* The producer's side of a data connection: the worker that was called serves its subpartitions.
 *
 *   OPEN ─► WAITING ──producer attached──► OPEN ──END_OF_PARTITION sent, CLOSE, failure──► ZOMBIE ─► freed
 *              └──no producer in time, refused───────────────────────────────────────────┘
 *
 * An outbound channel is the consumer of a `struct channel`.  All share one ready queue, so a channel that
 * was closed must be kept until nobody else holds it (ZOMBIE): a producer may be about to put it there.
 *
 * Turns: channels with something to send and credit for it are in the connection's run list, one frame
 * each.  A channel without credit leaves the list until a CREDIT brings it back; elements of its priority
 * lane need none.
 *
 * What an announced barrier overtakes, and the barrier itself, goes without credit when there is none: the
 * consumer records it, and nothing that its checkpoint waits for must wait for the consumer's task.  Such
 * elements still count as waiting in the channel (channel_hold()) until the consumer gives credit again, which it
 * does when it has taken them: what is under way between the two stays below the sum of their bounds.
 *
 * Thread: the network's.  Inside the room only.  Flink: CreditBasedSequenceNumberingViewReader,
 * PartitionRequestQueue. */
#ifndef FLINC_TASKMANAGER_NETWORK_SERVED_H
#define FLINC_TASKMANAGER_NETWORK_SERVED_H

#include "taskmanager/network/network_internal.h"

enum outbound_state {
    OUTBOUND_WAITING, /* for its producer */
    OUTBOUND_OPEN,
    OUTBOUND_ZOMBIE, /* closed; waits to be let go by its producer */
    OUTBOUND_STATES,
};

struct outbound {
    struct network *network; /* Borrows */
    struct served *served;   /* Borrows; NULL: ZOMBIE */
    struct channel *channel; /* Owns a ref */
    uint32_t tag;            /* in the network's table and the ready queue */
    uint32_t number;         /* on the connection */
    struct subpartition_id id;
    enum outbound_state state;
    int64_t since_ms;
    bool has[CHANNEL_LANES]; /* may have something: not given up being queued */
    bool running;            /* in the run list */
    bool doomed;             /* sweep: nobody else holds it */
    struct outbound *next_run, *prev_run;
    uint64_t capacity, credit; /* bytes */
    uint32_t charge_min;
    uint32_t window;        /* that the consumer wants under way at most; 0: its capacity */
    uint64_t needs;         /* credit without which the next step cannot be done; 0: unknown */
    struct element pending; /* Owns: taken off the channel, not sent yet; when has_pending */
    bool has_pending;
    struct encoding *encoding; /* Owns a ref: of the pending batch; may be NULL */
    uint64_t encoded_sent;     /* bytes of it that went out in fragments */
    uint64_t overtaken_to;     /* ordinary elements before this number go without credit */
    uint32_t compress_skip;    /* frames to go before compressing is tried again */
};

struct served {
    struct connection connection;
    uint32_t index;      /* in network.served */
    struct vec channels; /* Borrows: struct outbound * by number; NULL: closed */
    struct outbound *run_head, *run_tail;
    uint32_t n_open;
};

/* Takes the socket. */
int served_new(struct network *n, int take_fd, const char *peer, struct error *err) MUST_CHECK;
struct served *served_free(struct served *s);
/* The channel has something in a lane. */
void outbound_on_ready(struct outbound *o, enum channel_lane lane);
/* Refuses what waits too long, ends those whose producer left, frees zombies. */
void network_sweep_outbound(struct network *n);
/* At the network's end: whoever still holds the channel uses it no more. */
void outbound_free(struct outbound *o);

/* Takes it out of the connection: its number is free, it has no turns. */
void served_drop_channel(struct served *s, struct outbound *o);

/* outbound.c: sends the next element of the priority lane; false: it has none. */
bool outbound_step_priority(struct outbound *o);
/* Makes the next frame of a channel.  False: it has nothing, or no credit for it. */
bool outbound_step(struct outbound *o);
/* Ends the channel on this side and says so to the other. */
void outbound_finish(struct outbound *o, enum frame_kind kind, enum close_reason reason,
                     const char *text);

#endif
