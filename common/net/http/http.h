/* An HTTP/1.1 server (libmicrohttpd inside) behind our own request, response and router.
 *
 * Routes are rows of a table: method, path pattern with parameters (":jobid"), flags, handler.  A literal
 * segment wins over a parameter.  Every route answers below "/v1" too.  Handlers of quick routes run on
 * the server's threads; those of HTTP_BLOCKING routes on a pool of handler threads, while the
 * connection is suspended, so that a slow one never holds up others.
 *
 * Bodies: JSON (up to max_body_bytes, in memory) or multipart/form-data on routes that say HTTP_UPLOAD
 * (file parts are streamed to files of their own in upload_dir, under names of ours; the base name that
 * the client gave is data).  Files that a handler does not take are removed after the request.
 * Flink: RestServerEndpoint, Router, FileUploadHandler.  Thread: any. */
#ifndef FLINC_COMMON_NET_HTTP_HTTP_H
#define FLINC_COMMON_NET_HTTP_HTTP_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/text/json.h"
#include "common/text/json_writer.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHODS };
const char *http_method_name(enum http_method m);

enum http_route_flags {
    HTTP_BLOCKING = 1, /* may wait: runs on a handler thread */
    HTTP_UPLOAD = 2,   /* takes multipart/form-data */
};

struct http_request;
struct http_response;

struct http_route {
    enum http_method method;
    const char *path; /* "/jobs/:jobid/vertices/:vertexid" */
    uint32_t flags;   /* enum http_route_flags */
    /* Fills the response.  A negative return is an error: its code decides the status (see
     * http_status_of_error) and its text is the body's "errors". */
    int (*handle)(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *err);
};

/* ---- what handlers see ------------------------------------------------------------------------ */

enum http_method http_request_method(const struct http_request *rq);
const char *http_request_path(const struct http_request *rq); /* decoded, without "/v1" */
const struct http_route *http_request_route(const struct http_request *rq);
/* A path parameter, decoded; the route has it (asserted). */
const char *http_request_param(const struct http_request *rq, const char *name);
/* A query parameter, decoded; NULL: not given.  With several of a name, the first. */
const char *http_request_query(const struct http_request *rq, const char *name);
const char *http_request_header(const struct http_request *rq, const char *name); /* NULL: none */
/* The body's JSON; an empty body is an empty object; parsed on first use.  ERR_PARSE: malformed. */
int http_request_json(const struct http_request *rq, const struct json_node **ret_json,
                      struct error *err) MUST_CHECK;
struct slice http_request_body(const struct http_request *rq);
struct http_upload {
    const char *field;    /* name of the part */
    const char *filename; /* base name that the client gave */
    const char *path;     /* where it lies now */
    uint64_t size;
};
uint32_t http_request_n_uploads(const struct http_request *rq);
const struct http_upload *http_request_upload(const struct http_request *rq, uint32_t i);
/* The text of a form attribute ("request"), NULL: not given. */
const char *http_request_attribute(const struct http_request *rq, const char *name);

/* ---- what they answer ------------------------------------------------------------------------- */

void http_response_status(struct http_response *rs, int status); /* default 200 */
void http_response_header(struct http_response *rs, const char *name, const char *value);
/* The body as text that grows; content type application/json; charset=UTF-8 unless set otherwise. */
struct str *http_response_body(struct http_response *rs);
/* A writer onto the body. */
struct json_writer *http_response_json(struct http_response *rs);
void http_response_content_type(struct http_response *rs, const char *type); /* Borrows a literal */
/* Sends `size` bytes of a file from its start; takes the descriptor. */
void http_response_file(struct http_response *rs, int take_fd, uint64_t size);
/* The same from `offset` on. */
void http_response_file_part(struct http_response *rs, int take_fd, uint64_t offset, uint64_t size);
/* Status and {"errors":[text]}. */
void http_response_error(struct http_response *rs, int status, const char *text);
int http_status_of_error(int code); /* ERR_NOT_FOUND: 404, ERR_TIMEOUT: 408 ... */

/* ---- server ----------------------------------------------------------------------------------- */

struct tls_context;

struct http_server_options {
    const char *name; /* in logs */
    /* Borrows: connections speak TLS (security.ssl.rest.*); NULL: none.  What comes without is sent to https. */
    struct tls_context *tls;
    const char *bind_address;
    uint32_t first_port, last_port; /* the first free one; 0, 0: any */
    int listen_fd; /* > 0: a socket that listens, instead of all this; a copy is used */
    const struct http_route *routes; /* Borrows */
    uint32_t n_routes;
    void *owner;
    /* What no route matched, GET only; NULL: 404.  May fill the response with a static file. */
    int (*fallback)(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err);
    /* Before any handler; false: the response it filled is sent (503 without a leader).  May be NULL. */
    bool (*gate)(void *owner, const struct http_request *rq, struct http_response *rs);
    const char *allow_origin; /* Access-Control-Allow-Origin; NULL: none */
    const char *upload_dir;
    uint64_t max_body_bytes;  /* 0: 104857600 */
    uint32_t n_threads;       /* epoll threads; 0: 1 */
    uint32_t n_handlers;      /* blocking handlers at once; 0: 4 */
    uint32_t max_connections; /* 0: 4096; more are answered with 503 */
    int64_t idle_timeout_ms;  /* 0: 300 s */
    /* A request's line and headers must be here (0: 30 s); a body, and an answer, must be through
     * (0: 60 s, and 1 s more for each 16 KB): who is slower is disconnected. */
    int64_t header_timeout_ms, request_timeout_ms;
};
/* A socket that listens at the first free port of a range; address NULL or "": everywhere. */
int http_listen(const char *name, const char *address, uint32_t first_port, uint32_t last_port,
                int *ret_fd, uint32_t *ret_port, struct error *err) MUST_CHECK;
uint32_t http_port_of(int listen_fd);
/* What a port with TLS answers to HTTP without (struct tls_link_options): 301 to the same address with https. */
bool http_redirect_to_tls(struct slice said, struct str *ret_answer);
struct http_server;
int http_server_start(const struct http_server_options *options, struct http_server **ret,
                      struct error *err) MUST_CHECK;
uint32_t http_server_port(const struct http_server *s);
/* Refuses new requests (503), waits for running handlers and for their answers to be sent (2 s at
 * most), frees.  Not from a handler.  NULL is fine; returns NULL. */
struct http_server *http_server_stop(struct http_server *s);

/* Looks a file up below `root` by its path, component by component (no "..", no links out of it), and
 * answers it with Flink's headers (type by extension, Last-Modified, Expires, Cache-Control, 304). */
int http_serve_static(const char *root, const struct http_request *rq, struct http_response *rs,
                      struct error *err);

#endif
