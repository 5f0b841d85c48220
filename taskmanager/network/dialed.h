/* The consumer's side of data connections: one to each worker that this one reads from, made with its first
 * channel, closed with its last.
 *
 *              ┌────────────── retry ◄─────────────┐
 *   RESOLVING ─┴► CONNECTING ─► GREETING ─► OPEN   │      any ─► CLOSED (freed at the end of the round)
 *        └─────────────┴───────────┴────────► BACKOFF
 *
 * GREETING: connected, hello and OPENs sent, WELCOME not seen yet.  Up to then a failure is one more attempt
 * to connect; afterwards a broken connection ends its channels.
 *
 * Thread: the network's.  Inside the room only.  Flink: PartitionRequestClientFactory,
 * NettyPartitionRequestClient. */
#ifndef FLINC_TASKMANAGER_NETWORK_DIALED_H
#define FLINC_TASKMANAGER_NETWORK_DIALED_H

#include "taskmanager/network/inbound.h"
#include <sys/socket.h>

enum dialed_state {
    DIALED_RESOLVING,
    DIALED_CONNECTING,
    DIALED_GREETING,
    DIALED_OPEN,
    DIALED_BACKOFF,
    DIALED_CLOSED,
    DIALED_STATES,
};
const char *dialed_state_name(enum dialed_state state);

enum { DIALED_ADDRESSES_MAX = 8 };

struct dialed_address {
    struct sockaddr_storage address;
    socklen_t len;
};

struct dialed {
    struct connection connection;
    uint32_t index; /* in network.dialed */
    uint64_t serial;
    enum dialed_state state;
    struct data_location location;
    struct dialed_address addresses[DIALED_ADDRESSES_MAX];
    uint32_t n_addresses, next_address;
    uint32_t n_attempts; /* failed ones */
    int connecting_fd;   /* Owns; -1: none */
    struct loop_fd *connecting_watch;
    uint64_t timer;        /* time-out of the attempt, or the pause before the next; 0: none */
    struct table channels; /* struct inbound * by number: opened */
    struct vec waiting;    /* struct inbound *: not opened yet */
    struct inbound *credits_head, *credits_tail; /* that have credit to give */
    uint32_t n_channels;                         /* of both */
};

/* The connection to a location, made if there is none. */
struct dialed *dialed_find(struct network *n, const struct data_location *location);
/* Opens a channel on it, at once or when it is there. */
void dialed_add(struct dialed *d, struct inbound *in);
/* The channel is done with: its number is free. */
void dialed_remove(struct dialed *d, struct inbound *in);
/* Says CLOSE; false: the channel was not opened yet. */
bool dialed_send_close(struct dialed *d, struct inbound *in);
/* Credit of the channel goes out with the next writing. */
void dialed_give_credit(struct dialed *d, struct inbound *in);
struct dialed *dialed_free(struct dialed *d);
/* Frees those that have no channel any more. */
void network_reap_dialed(struct network *n);

#endif
