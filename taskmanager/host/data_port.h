/* The data port of a task manager: accepts connections of other workers, reads the fixed hello of exactly
 * 48 bytes, and hands the socket on.  Everything else is closed and counted; it never hurts.
 *
 * Thread: the loop's (accepting, reading); open and close the owner's, which is another one, while the loop
 * runs.  Flink: NettyServer. */
#ifndef FLINC_TASKMANAGER_HOST_DATA_PORT_H
#define FLINC_TASKMANAGER_HOST_DATA_PORT_H

#include "common/loop/loop.h"
#include "taskmanager/network/network.h"

enum {
    DATA_PORT_GREETING_MAX = 1024, /* connections whose hello is not complete */
    DATA_PORT_HELLO_MS = 10000,
    DATA_PORT_BACKLOG = 1024,
    DATA_PORT_ACCEPTS_PER_TURN = 64,
    DATA_PORT_PEER_MAX = 80, /* bytes of "address:port" */
};

struct data_port_options {
    struct loop *loop; /* Borrows */
    const char *bind_host;
    uint32_t port_first, port_last; /* 0, 0: any */
    /* A checked hello; takes the socket.  Thread: the loop's. */
    void (*on_connection)(void *owner, const struct data_hello *hello, int take_fd,
                          const char *peer);
    void *owner; /* Borrows */
};

struct data_port;
int data_port_open(const struct data_port_options *options, struct data_port **ret,
                   struct error *err) MUST_CHECK;
/* No callback comes after it.  NULL is fine; returns NULL. */
struct data_port *data_port_close(struct data_port *p);
uint32_t data_port_number(const struct data_port *p);
/* Connections that were closed because of what they said, or did not say in time; thread: any. */
uint64_t data_port_refused(const struct data_port *p);

#endif
