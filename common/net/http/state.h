/* Inside the room: what a server, a connection and a request are made of.
 *
 * Thread: everything of a connection and a request belongs to its loop's thread, except between
 * QUEUED and HANDLED, when the request belongs to a handler thread (its connection is suspended). */
#ifndef FLINC_COMMON_NET_HTTP_STATE_H
#define FLINC_COMMON_NET_HTTP_STATE_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "common/net/http/http.h"
#include "common/net/http/multipart.h"
#include "common/net/http/router.h"
#include "common/net/tls/relay.h"
#include <microhttpd.h>
#include <pthread.h>

enum {
    HTTP_MEMORY_PER_CONNECTION = 32 * 1024, /* request line, headers, pieces of bodies */
    HTTP_CONNECTIONS_DEFAULT = 4096,
    HTTP_SPARE_CONNECTIONS = 64, /* above the limit: answered with 503; more wait to be accepted */
    HTTP_BODY_DEFAULT = 100 * 1024 * 1024,
    HTTP_BODIES_MAX = 256 * 1024 * 1024,   /* bytes of all bodies held in memory at one time */
    HTTP_ATTRIBUTE_MAX = 16 * 1024 * 1024, /* bytes of one form attribute */
    HTTP_HANDLERS_DEFAULT = 4,
    HTTP_HANDLERS_MAX = 64,
    HTTP_LOOPS_MAX = 16,
    HTTP_LINGERS_MAX = 64, /* connections whose unread input is drained before the end */
    HTTP_LINGER_MS = 3000, /* how long */
    HTTP_IDLE_TIMEOUT_MS = 300 * 1000,  /* default; a kept connection that asks nothing */
    HTTP_HEADER_TIMEOUT_MS = 30 * 1000, /* default; from the connection to the end of the headers */
    HTTP_REQUEST_TIMEOUT_MS = 60 * 1000, /* default; for a body, and for an answer, plus its size */
    HTTP_RATE_MIN = 16,   /* bytes per ms that a client must take or give beyond that */
    HTTP_STOP_MS = 2000,  /* for answers to be sent while the server stops */
    HTTP_FRESH_MAX = 64,  /* connections whose first bytes are looked at for TLS */
    HTTP_FRESH_MS = 2000, /* how long they are waited for */
};

struct http_loop;

/* Where a connection is, for its time-outs. */
enum http_phase {
    HTTP_PHASE_HEADERS, /* waits for a request's line and headers */
    HTTP_PHASE_BODY,
    HTTP_PHASE_HANDLER, /* ours to answer: no time-out */
    HTTP_PHASE_ANSWER,
};

struct http_connection {
    struct http_connection *next, **link; /* in the loop's list */
    struct http_loop *loop;               /* Borrows */
    int fd;                               /* libmicrohttpd's */
    enum http_phase phase;
    int64_t since_ms;
    uint64_t bytes; /* of the body so far, or of the answer */
    bool first;     /* no request has been answered on it */
    bool fresh;     /* its first bytes have not been looked at */
    bool over_limit;
};

/*   TARGET ---> BODY ---> QUEUED ---> HANDLED ---> ANSWERED
 *     |          +------------------------------------^
 *     +-----------------------------------------------^     (refused before the body) */
enum http_request_state {
    HTTP_REQUEST_TARGET,   /* the request line has come */
    HTTP_REQUEST_BODY,     /* the headers have come */
    HTTP_REQUEST_QUEUED,   /* suspended: waits for a handler thread, or is with one */
    HTTP_REQUEST_HANDLED,  /* resumed */
    HTTP_REQUEST_ANSWERED, /* the response is queued */
};

enum http_body_use { HTTP_BODY_DISCARDED, HTTP_BODY_IN_MEMORY, HTTP_BODY_MULTIPART };

struct http_response {
    struct arena *arena; /* Borrows: the request's */
    int status;
    const char *content_type; /* Borrows */
    struct str body;
    struct json_writer writer;
    bool has_writer;
    struct vec headers; /* of struct http_pair */
    int fd;             /* Owns; -1: none */
    uint64_t fd_offset, fd_size;
};

struct http_attribute {
    const char *name;
    struct str value;
};

struct http_request {
    struct http_request *next; /* queue of the handlers */
    struct http_loop *loop;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    enum http_request_state state;
    struct arena arena;
    struct slice raw; /* the request's target as sent */
    bool method_known;
    enum http_method method;
    struct http_target target;
    struct http_match match;
    int refused; /* status to answer with instead of handling; 0: none */
    const char *refusal;
    enum http_body_use body_use;
    struct str body;
    uint64_t received;
    uint64_t charged; /* bytes of HTTP_BODIES_MAX */
    struct multipart *multipart;
    struct vec uploads;    /* of struct http_upload */
    struct vec attributes; /* of struct http_attribute */
    int upload_fd;         /* of the part that is arriving; -1: none */
    struct json_node *json;
    struct http_response response;
    bool unread_body; /* answered before the body came */
    bool counted;     /* in the loop's n_handled */
};

/* Handler threads: made when a request waits and none is idle. */
struct http_handlers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* Under the lock: */
    struct http_request *head, **tail;
    uint32_t n_threads, n_idle, n_queued, max;
    bool stopping;
    pthread_t threads[HTTP_HANDLERS_MAX];
};

struct http_linger {
    int fd;
    int64_t until_ms;
};

/* A connection that came through TLS, on its way to its loop. */
struct http_arrival {
    int fd; /* Owns */
    struct sockaddr_storage address;
    socklen_t len;
};

struct http_loop {
    struct http_server *server;
    pthread_mutex_t arrivals_lock; /* a leaf */
    struct vec arrivals;           /* Owns: struct http_arrival; under the lock */
    struct vec fresh; /* Borrows: struct http_connection *, plain ones that may be TLS by mistake */
    struct MHD_Daemon *mhd;
    pthread_t thread;
    bool running;
    int wake_fd;
    int64_t now_ms; /* monotonic, of this turn */
    struct http_connection *connections;
    uint32_t n_connections;
    uint32_t n_handled; /* requests between dispatch and the end of their answer */
    struct http_linger lingers[HTTP_LINGERS_MAX];
    uint32_t n_lingers;
};

struct http_server {
    struct http_server_options options; /* strings owned, tls counted */
    struct tls_relay *relay;            /* Owns; NULL: without TLS */
    int tls_fd;                         /* Owns: where it listens; -1: none */
    _Atomic uint32_t next_loop;
    _Atomic int64_t warned_ms;
    struct http_router *router;
    struct http_handlers handlers;
    struct http_loop loops[HTTP_LOOPS_MAX];
    uint32_t n_loops, port;
    _Atomic uint32_t n_connections;
    _Atomic uint64_t bodies_bytes;
    _Atomic int stopping; /* 1: no new requests, 2: end when all is sent */
    pthread_mutex_t random_lock;
    struct rng random; /* under random_lock */
};

/* access.c: libmicrohttpd's callbacks */
void http_request_transition(struct http_request *rq, enum http_request_state to);
void *http_on_target(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_size, void **request);
void http_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                       enum MHD_RequestTerminationCode how);

/* server.c: makes the loop run libmicrohttpd once more; thread: any.  It has a channel of its own for
 * resumed connections, but empties it after it has looked at them: one that is resumed between the two
 * would wait for the next event. */
void http_loop_wake(struct http_loop *loop);
/* Goes on reading, and forgetting, what a client sends while its connection ends, so that
 * the answer reaches it before a reset. */
void http_loop_linger(struct http_loop *loop, int fd);

/* secure.c */
/* Listens with TLS; takes the descriptor. */
int http_secure_start(struct http_server *s, int take_fd, struct error *err) MUST_CHECK;
void http_secure_stop(struct http_server *s);
/* On the loop: what has come through TLS becomes connections of libmicrohttpd. */
void http_secure_arrive(struct http_loop *loop);
/* On the loop, of a port without TLS: who speaks TLS all the same is told so. */
void http_look_for_tls(struct http_loop *loop);
void http_fresh_add(struct http_loop *loop, struct http_connection *c);
void http_fresh_remove(struct http_loop *loop, struct http_connection *c);

/* request.c */
struct http_request *http_request_new(struct http_loop *loop, struct MHD_Connection *mhd,
                                      struct http_connection *connection, struct slice raw);
struct http_request *http_request_free(struct http_request *rq);
/* Charges the server's memory for bodies; ERR_LIMIT: too much is in use. */
int http_request_charge(struct http_request *rq, uint64_t bytes, struct error *err) MUST_CHECK;
void http_request_run(struct http_request *rq);

/* upload.c */
int http_upload_begin(struct http_request *rq, const char *content_type,
                      struct error *err) MUST_CHECK;
void http_upload_fini(struct http_request *rq); /* removes the files */

/* response.c */
void http_response_init(struct http_response *rs, struct arena *arena);
void http_response_fini(struct http_response *rs);
void http_response_failure(struct http_response *rs, int code, const struct error *err);
enum MHD_Result http_response_queue(struct http_request *rq);

/* handlers.c */
void http_handlers_init(struct http_handlers *h, uint32_t max);
/* Takes the request; ERR_CLOSED, ERR_LIMIT: it stays with the caller. */
int http_handlers_push(struct http_handlers *h, struct http_request *rq,
                       struct error *err) MUST_CHECK;
/* Requests that wait are answered 503; waits for the running ones. */
void http_handlers_stop(struct http_handlers *h);
void http_handlers_fini(struct http_handlers *h);

/* listen.c */
/* Raises the soft limit of open files so that `n` more fit, as far as the hard limit lets. */
void http_raise_file_limit(uint32_t n);

#endif
