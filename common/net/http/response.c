/* Responses: filled by handlers, handed to libmicrohttpd without a copy of the body.
 * Thread: the request's. */
#include "common/net/http/state.h"

#include <unistd.h>

static const char json_type[] = "application/json; charset=UTF-8";

void http_response_init(struct http_response *rs, struct arena *arena)
{
    *rs = (struct http_response){
        .arena = arena, .status = MHD_HTTP_OK, .content_type = json_type, .fd = -1};
    vec_init(&rs->headers, sizeof(struct http_pair));
}

void http_response_fini(struct http_response *rs)
{
    str_fini(&rs->body);
    vec_fini(&rs->headers);
    if (rs->fd >= 0) {
        close(rs->fd);
        rs->fd = -1;
    }
}

void http_response_status(struct http_response *rs, int status)
{
    rs->status = status;
}

void http_response_header(struct http_response *rs, const char *name, const char *value)
{
    struct http_pair *p = VEC_PUSH(&rs->headers, struct http_pair);
    p->name = arena_strdup(rs->arena, name);
    p->value = arena_strdup(rs->arena, value);
}

struct str *http_response_body(struct http_response *rs)
{
    return &rs->body;
}

struct json_writer *http_response_json(struct http_response *rs)
{
    if (!rs->has_writer) {
        json_writer_init(&rs->writer, &rs->body, JSON_STYLE_COMPACT);
        rs->has_writer = true;
    }
    return &rs->writer;
}

void http_response_content_type(struct http_response *rs, const char *type)
{
    rs->content_type = type;
}

void http_response_file(struct http_response *rs, int take_fd, uint64_t size)
{
    http_response_file_part(rs, take_fd, 0, size);
}

void http_response_file_part(struct http_response *rs, int take_fd, uint64_t offset, uint64_t size)
{
    if (rs->fd >= 0) {
        close(rs->fd);
    }
    rs->fd = take_fd;
    rs->fd_offset = offset;
    rs->fd_size = size;
}

/* Forgets what a handler had written before it failed. */
static void start_error(struct http_response *rs, int status)
{
    str_clear(&rs->body);
    vec_clear(&rs->headers);
    rs->has_writer = false;
    if (rs->fd >= 0) {
        close(rs->fd);
        rs->fd = -1;
    }
    rs->content_type = json_type;
    rs->status = status;
}

void http_response_error(struct http_response *rs, int status, const char *text)
{
    start_error(rs, status);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "errors");
    json_writer_array(w);
    json_writer_string(w, text);
    json_writer_end(w);
    json_writer_end(w);
}

void http_response_failure(struct http_response *rs, int code, const struct error *err)
{
    int status = http_status_of_error(code);
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    error_format(err, text, sizeof(text));
    if (status != MHD_HTTP_INTERNAL_SERVER_ERROR) {
        http_response_error(rs, status, text);
        return;
    }
    start_error(rs, status);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "errors");
    json_writer_array(w);
    json_writer_string(w, "Internal server error.");
    json_writer_printf(w, "<Exception on server side:\n%s\nEnd of exception on server side>", text);
    json_writer_end(w);
    json_writer_end(w);
}

int http_status_of_error(int code)
{
    switch (code) {
    case ERR_OK:
        return MHD_HTTP_OK;
    case ERR_INVALID_ARGUMENT:
    case ERR_INVALID_CONFIG:
    case ERR_PARSE:
    case ERR_UNSUPPORTED:
        return MHD_HTTP_BAD_REQUEST;
    case ERR_PERMISSION:
        return MHD_HTTP_FORBIDDEN;
    case ERR_NOT_FOUND:
        return MHD_HTTP_NOT_FOUND;
    case ERR_TIMEOUT:
        return MHD_HTTP_REQUEST_TIMEOUT;
    case ERR_ALREADY_EXISTS:
    case ERR_STATE:
        return MHD_HTTP_CONFLICT;
    case ERR_TOO_LARGE:
        return MHD_HTTP_CONTENT_TOO_LARGE;
    case ERR_NO_SPACE:
        return MHD_HTTP_INSUFFICIENT_STORAGE;
    case ERR_UNAVAILABLE:
    case ERR_CANCELLED:
    case ERR_CLOSED:
    case ERR_LIMIT:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

static struct MHD_Response *make_response(struct http_response *rs)
{
    if (rs->fd >= 0) {
        if (rs->fd_size > 0) {
            struct MHD_Response *r =
                MHD_create_response_from_fd_at_offset64(rs->fd_size, rs->fd, rs->fd_offset);
            if (r != NULL) {
                rs->fd = -1;
            }
            return r;
        }
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    if (rs->has_writer) {
        json_writer_finish(&rs->writer);
    }
    if (rs->body.len == 0 && rs->content_type == json_type && rs->status != MHD_HTTP_NOT_MODIFIED) {
        str_append_cstr(&rs->body, "{}"); /* clients take no empty body */
    }
    size_t n = rs->body.len;
    if (n == 0) {
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    return MHD_create_response_from_buffer_with_free_callback(n, str_take(&rs->body), mem_free);
}

enum MHD_Result http_response_queue(struct http_request *rq)
{
    struct http_response *rs = &rq->response;
    const char *origin = rq->loop->server->options.allow_origin;
    rq->connection->bytes = rs->fd >= 0 ? rs->fd_size : rs->body.len;
    struct MHD_Response *r = make_response(rs);
    if (r == NULL) {
        return MHD_NO;
    }
    bool has_body = rs->status != MHD_HTTP_NOT_MODIFIED;
    if (has_body && rs->content_type != NULL) {
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, rs->content_type);
    }
    if (origin != NULL) {
        MHD_add_response_header(r, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    for (size_t i = 0; i < rs->headers.len; i++) {
        const struct http_pair *p = VEC_AT(&rs->headers, struct http_pair, i);
        MHD_add_response_header(r, p->name, p->value);
    }
    if (rq->unread_body || rq->connection->over_limit) {
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    enum MHD_Result done = MHD_queue_response(rq->mhd, (unsigned)rs->status, r);
    MHD_destroy_response(r);
    return done;
}
