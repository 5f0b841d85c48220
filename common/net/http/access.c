/* The life of a request, as libmicrohttpd's callbacks tell it: target, headers, pieces of the body, end
 * of the body, (handler thread,) answer, completion.  Thread: the loop's. */
#include "common/net/http/state.h"

#include "common/text/number.h"
#include <stdio.h>
#include <strings.h>

void http_request_transition(struct http_request *rq, enum http_request_state to)
{
    static const uint8_t allowed[] = {
        [HTTP_REQUEST_TARGET] = 1 << HTTP_REQUEST_BODY | 1 << HTTP_REQUEST_ANSWERED,
        [HTTP_REQUEST_BODY] = 1 << HTTP_REQUEST_QUEUED | 1 << HTTP_REQUEST_ANSWERED,
        [HTTP_REQUEST_QUEUED] = 1 << HTTP_REQUEST_HANDLED | 1 << HTTP_REQUEST_ANSWERED,
        [HTTP_REQUEST_HANDLED] = 1 << HTTP_REQUEST_ANSWERED,
        [HTTP_REQUEST_ANSWERED] = 0,
    };
    ASSERT((allowed[rq->state] & 1 << to) != 0);
    rq->state = to;
}

static void set_phase(struct http_request *rq, enum http_phase phase)
{
    struct http_connection *c = rq->connection;
    if (phase == HTTP_PHASE_HANDLER) {
        rq->loop->n_handled++;
        rq->counted = true;
    }
    c->phase = phase;
    c->since_ms = rq->loop->now_ms;
    if (phase != HTTP_PHASE_ANSWER) {
        c->bytes = 0;
    }
}

static void refuse(struct http_request *rq, int status, const char *text)
{
    if (rq->refused == 0) {
        rq->refused = status;
        rq->refusal = arena_strdup(&rq->arena, text);
    }
}

void *http_on_target(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_loop *loop = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *connection = info->socket_context;
    return http_request_new(loop, mhd, connection, slice_cstr(uri));
}

/* ---- headers ------------------------------------------------------------------------------------ */

struct framing {
    uint32_t n_lengths, n_encodings;
    const char *length, *encoding, *content_type;
};

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct framing *f = arg;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->n_lengths++;
        f->length = value;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->n_encodings++;
        f->encoding = value;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0 && f->content_type == NULL) {
        f->content_type = value;
    }
    return MHD_YES;
}

/* How long the body is, said in one way only: two ways are what request smuggling is made of. */
static void check_framing(struct http_request *rq, const struct framing *f, uint64_t *ret_length)
{
    const struct http_server_options *o = &rq->loop->server->options;
    *ret_length = 0;
    if (f->n_lengths + f->n_encodings > 1) {
        refuse(rq, MHD_HTTP_BAD_REQUEST,
               "Bad request: its length is given more than once (Content-Length, "
               "Transfer-Encoding).");
    } else if (f->n_encodings == 1 && strcasecmp(f->encoding, "chunked") != 0) {
        refuse(rq, MHD_HTTP_BAD_REQUEST, "Bad request: unknown Transfer-Encoding.");
    } else if (f->n_lengths == 1) {
        if (number_parse_uint64(slice_cstr(f->length), ret_length) < 0 || f->length[0] == '+') {
            refuse(rq, MHD_HTTP_BAD_REQUEST, "Bad request: malformed Content-Length.");
        } else if (*ret_length > o->max_body_bytes) {
            char text[256];
            snprintf(text, sizeof(text),
                     "The request of %llu bytes is larger than the %llu bytes that are accepted "
                     "(rest.server.max-content-length).",
                     (unsigned long long)*ret_length, (unsigned long long)o->max_body_bytes);
            refuse(rq, MHD_HTTP_CONTENT_TOO_LARGE, text);
        }
    }
}

static bool gate_passes(struct http_request *rq)
{
    const struct http_server_options *o = &rq->loop->server->options;
    return o->gate == NULL || o->gate(o->owner, rq, &rq->response);
}

static void begin_multipart(struct http_request *rq, const char *content_type)
{
    struct error err = ERROR_INIT;
    rq->body_use = HTTP_BODY_MULTIPART;
    if (rq->match.route == NULL) {
        refuse(rq, MHD_HTTP_BAD_REQUEST, "POST request not allowed");
    } else if ((rq->match.route->flags & HTTP_UPLOAD) == 0) {
        refuse(rq, MHD_HTTP_BAD_REQUEST, "File upload not allowed");
    } else {
        int rc = http_upload_begin(rq, content_type, &err);
        if (rc < 0) {
            refuse(rq, http_status_of_error(rc), err.message);
        }
    }
}

static enum MHD_Result answer(struct http_request *rq)
{
    enum MHD_Result done = http_response_queue(rq);
    http_request_transition(rq, HTTP_REQUEST_ANSWERED);
    set_phase(rq, HTTP_PHASE_ANSWER);
    return done;
}

/* The headers are complete. */
static enum MHD_Result on_headers(struct http_request *rq, const char *method)
{
    struct error err = ERROR_INIT;
    struct framing f = {0};
    uint64_t length;
    for (int m = 0; m < HTTP_METHODS; m++) {
        if (strcmp(method, http_method_name((enum http_method)m)) == 0) {
            rq->method = (enum http_method)m;
            rq->method_known = true;
        }
    }
    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, look_at_header, &f);
    check_framing(rq, &f, &length);
    if (rq->connection->over_limit) {
        refuse(rq, MHD_HTTP_SERVICE_UNAVAILABLE,
               "Too many connections at one time. Try again later.");
    } else if (atomic_load(&rq->loop->server->stopping) != 0) {
        refuse(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "The server is shutting down.");
    }
    if (http_target_parse(&rq->arena, rq->raw, &rq->target, &err) < 0) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "Bad request, could not parse parameters: %s", err.message);
        rq->target.path = "/";
        refuse(rq, MHD_HTTP_BAD_REQUEST, str_cstr(&text));
    } else if (rq->method_known) {
        http_router_find(rq->loop->server->router, rq->method, &rq->target, &rq->match);
    }
    rq->body_use = rq->match.route != NULL ? HTTP_BODY_IN_MEMORY : HTTP_BODY_DISCARDED;
    bool filled = false;
    if (rq->refused == 0 && rq->method_known && rq->method == HTTP_POST &&
        multipart_is(f.content_type)) {
        filled = !gate_passes(rq);
        if (!filled) {
            begin_multipart(rq, f.content_type);
        }
    }
    if (filled || rq->refused != 0) {
        if (!filled) {
            http_response_error(&rq->response, rq->refused, rq->refusal);
        }
        rq->refused = rq->response.status;
        if (length > 0 || f.n_encodings > 0 || f.n_lengths > 1) {
            /* What the client goes on to send is not read. */
            rq->unread_body = true;
            return answer(rq);
        }
    }
    http_request_transition(rq, HTTP_REQUEST_BODY);
    set_phase(rq, HTTP_PHASE_BODY);
    return MHD_YES;
}

/* ---- body --------------------------------------------------------------------------------------- */

/* A failure is kept for the answer: libmicrohttpd takes one only at the end of the body. */
static void on_failure(struct http_request *rq, int rc, const struct error *err)
{
    http_response_failure(&rq->response, rc, err);
    rq->refused = rq->response.status;
    rq->body_use = HTTP_BODY_DISCARDED;
}

static enum MHD_Result on_body(struct http_request *rq, struct slice data)
{
    struct error err = ERROR_INIT;
    const uint64_t max = rq->loop->server->options.max_body_bytes;
    int rc = 0;
    rq->received += data.len;
    rq->connection->bytes = rq->received;
    if (rq->received > max) {
        if (rq->received > 2 * max) {
            return MHD_NO; /* it does not end: the connection goes */
        }
        rc = error_set(&err, ERR_TOO_LARGE,
                       "The request is larger than the %llu bytes that are accepted "
                       "(rest.server.max-content-length).",
                       (unsigned long long)max);
    } else if (rq->refused != 0) {
        return MHD_YES;
    } else if (rq->body_use == HTTP_BODY_IN_MEMORY) {
        rc = http_request_charge(rq, data.len, &err);
        if (rc == 0) {
            str_append_slice(&rq->body, data);
        }
    } else if (rq->body_use == HTTP_BODY_MULTIPART) {
        rc = multipart_feed(rq->multipart, data, &err);
    }
    if (rc < 0) {
        on_failure(rq, rc, &err);
    }
    return MHD_YES;
}

static void respond_not_found(struct http_request *rq)
{
    STR_AUTO text = STR_INIT;
    str_append_cstr(&text, "Not found: ");
    str_append_slice(&text, rq->raw);
    http_response_error(&rq->response, MHD_HTTP_NOT_FOUND, str_cstr(&text));
}

/* The whole request is here. */
static enum MHD_Result on_complete_request(struct http_request *rq)
{
    struct error err = ERROR_INIT;
    int rc = 0;
    if (rq->refused == 0 && rq->multipart != NULL) {
        rc = multipart_finish(rq->multipart, &err);
        if (rc < 0) {
            on_failure(rq, rc, &err);
        }
    }
    if (rq->refused != 0) {
        return answer(rq);
    }
    bool fallback = rq->match.route == NULL && rq->method_known && rq->method == HTTP_GET &&
                    rq->loop->server->options.fallback != NULL;
    set_phase(rq, HTTP_PHASE_HANDLER);
    if (!gate_passes(rq)) {
        return answer(rq);
    }
    if (rq->match.route == NULL && !fallback) {
        respond_not_found(rq);
        return answer(rq);
    }
    if (!fallback && (rq->match.route->flags & HTTP_BLOCKING) != 0) {
        /* Suspended first: the handler may be done, and resume it, before push returns. */
        http_request_transition(rq, HTTP_REQUEST_QUEUED);
        MHD_suspend_connection(rq->mhd);
        rc = http_handlers_push(&rq->loop->server->handlers, rq, &err);
        if (rc < 0) {
            http_response_failure(&rq->response, ERR_UNAVAILABLE, &err);
            http_request_transition(rq, HTTP_REQUEST_HANDLED);
            MHD_resume_connection(rq->mhd);
            http_loop_wake(rq->loop);
        }
        return MHD_YES;
    }
    http_request_run(rq);
    return answer(rq);
}

enum MHD_Result http_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_size, void **request)
{
    struct http_request *rq = *request;
    ASSERT(rq != NULL && rq->mhd == mhd);
    switch (rq->state) {
    case HTTP_REQUEST_TARGET:
        return on_headers(rq, method);
    case HTTP_REQUEST_BODY:
        if (*data_size > 0) {
            struct slice piece = slice_make(data, *data_size);
            *data_size = 0;
            return on_body(rq, piece);
        }
        return on_complete_request(rq);
    case HTTP_REQUEST_HANDLED:
        return answer(rq);
    case HTTP_REQUEST_QUEUED:
    case HTTP_REQUEST_ANSWERED:
        break;
    }
    return MHD_YES;
}

void http_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                       enum MHD_RequestTerminationCode how)
{
    struct http_loop *loop = cls;
    struct http_request *rq = *request;
    if (rq == NULL) {
        return;
    }
    *request = NULL;
    struct http_connection *c = rq->connection;
    if (rq->counted) {
        loop->n_handled--;
    }
    if (rq->unread_body) {
        http_loop_linger(loop, c->fd);
    }
    c->phase = HTTP_PHASE_HEADERS;
    c->since_ms = loop->now_ms;
    c->bytes = 0;
    c->first = false;
    http_request_free(rq);
}
