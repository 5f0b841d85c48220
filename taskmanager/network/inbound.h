/* A remote input: the consuming end of a channel whose elements come over a connection.
 *
 *   WAITING ─► OPEN ─END_OF_PARTITION─► ENDED ─CLOSED─► freed
 *      │         ├──consumer closed─► CLOSING ─CLOSED─► freed
 *      └─────────┴──broken, refused──────────────────► freed (ZOMBIE while in the drain queue)
 *
 * One whose consumer closes while WAITING is opened all the same, and closed at once: its producer learns of it.
 *
 * It is the producer of a `struct channel`.  The bytes that the producer may have under way are
 *
 *   capacity - outstanding (granted, not arrived) - waiting in the channel - of a batch in assembly
 *
 * and are granted when they are half of the capacity.  While nothing waits in the channel, a batch in
 * assembly does not count: a batch larger than the capacity could not be completed otherwise.  So a channel
 * holds at most its capacity and one batch, and what an announced barrier overtook at the producer (at most what
 * the channel there holds), for which nothing is granted until it is taken.
 *
 * Thread: the network's.  Inside the room only.  Flink: RemoteInputChannel. */
#ifndef FLINC_TASKMANAGER_NETWORK_INBOUND_H
#define FLINC_TASKMANAGER_NETWORK_INBOUND_H

#include "taskmanager/network/network_internal.h"

enum {
    NETWORK_OVERTAKEN_MAX = 1 << 20
}; /* elements that one barrier can overtake at the producer */

enum inbound_state {
    INBOUND_WAITING, /* for the connection */
    INBOUND_OPEN,
    INBOUND_CLOSING, /* CLOSE was sent; what comes is dropped */
    INBOUND_ENDED,   /* END_OF_PARTITION came */
    INBOUND_ZOMBIE,  /* done with, but in the drain queue */
    INBOUND_STATES,
};

struct inbound {
    struct network *network; /* Borrows */
    struct dialed *dialed;   /* Borrows; NULL: ZOMBIE */
    enum inbound_state state;
    struct channel *channel; /* Owns a ref */
    struct schema *schema;   /* Owns a ref */
    uint32_t tag;            /* in the network's table and the drain queue */
    uint32_t number;         /* on the connection, unless WAITING */
    struct subpartition_id id;
    struct flinc_id consumer_attempt;
    struct channel_options bounds;
    void (*on_broken)(void *arg, const struct error *why);
    void (*on_released)(void *arg);
    void *arg;
    uint64_t capacity, charge_min;
    uint64_t outstanding;  /* granted, not arrived */
    uint64_t pushed;       /* charges of all elements pushed into the channel */
    uint64_t n_pushed;     /* ordinary elements */
    uint64_t overtaken_to; /* those before this number may come without credit */
    uint64_t credit;       /* granted, not sent yet */
    bool has_credit;       /* in the connection's list */
    struct inbound *next_credit;
    struct buffer *assembly; /* Owns: a batch that comes in fragments */
    uint64_t assembly_total, assembly_filled;
};

/* On the network's thread: attaches the producer and finds the connection.  Takes `in`. */
void inbound_start(struct inbound *in, const struct data_location *location);
/* The OPEN of it was sent: everything is granted. */
void inbound_opened(struct inbound *in);
void inbound_request(const struct inbound *in, struct open_request *ret);
/* The connection went before WELCOME. */
void inbound_reset(struct inbound *in);
/* Where a fragment is to go. */
bool inbound_place(struct inbound *in, const struct frame_header *h, struct buffer **ret_buffer,
                   uint64_t *ret_offset);
int inbound_on_data(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                    struct buffer *own, bool is_placed, struct error *err) MUST_CHECK;
int inbound_on_control(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                       struct error *err) MUST_CHECK;
/* CLOSED or REFUSED. */
int inbound_on_closed(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                      struct error *err) MUST_CHECK;
/* Grants what can be granted, asks the channel to be told of more, notices that its consumer closed. */
void inbound_settle(struct inbound *in);
/* The connection broke, or the channel ended (`why` NULL or with code 0: nobody is told). */
void inbound_end(struct inbound *in, const struct error *why);
/* It was taken from the drain queue. */
void inbound_on_drained(struct inbound *in);
void inbound_free(struct inbound *in);

#endif
