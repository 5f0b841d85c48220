/* The reading thread of the socket source: it connects, reads into a ring, and connects again when it is
 * told to.  The task takes the bytes out; a full ring holds the server back.
 *
 * Thread: open, close, peek and take are the task's; what they share with the thread is under a lock. */
#ifndef FLINC_ENGINE_OPERATORS_IO_SOCKET_READER_H
#define FLINC_ENGINE_OPERATORS_IO_SOCKET_READER_H

#include "common/base/str.h"
#include "common/loop/executor.h"
#include "common/metrics/metric.h"
#include "engine/operators/operator.h"

enum {
    SOCKET_RING_BYTES = 256 * 1024,
    SOCKET_CONNECT_TIMEOUT_MS = 10000,
};

struct socket_reader_options {
    const char *host; /* Borrows until open returns */
    uint32_t port;
    int max_retries; /* connections after the first one; negative: any number */
    int64_t retry_delay_ms;
    struct executor *io_executor; /* Borrows: looks names up; NULL: the thread does */
    struct op_waker *waker;       /* Borrows: told when there are bytes, or the end */
    struct metric_gauge *pending; /* Borrows: bytes that were read and not taken */
};

struct socket_reader;
int socket_reader_open(const struct socket_reader_options *options,
                       struct socket_reader **ret_reader, struct error *err) MUST_CHECK;
/* Ends the thread, whatever it waits for.  NULL is fine; returns NULL. */
struct socket_reader *socket_reader_close(struct socket_reader *r);

/* The next bytes, which stay until they are taken.  Empty: none are there; *ret_ended says whether more
 * can come. */
struct slice socket_reader_peek(struct socket_reader *r, bool *ret_ended);
void socket_reader_take(struct socket_reader *r, size_t n);
/* After the end: 0, or why reading failed. */
int socket_reader_check(const struct socket_reader *r, struct error *err) MUST_CHECK;
const char *socket_reader_name(const struct socket_reader *r); /* "host:port" */

#endif
