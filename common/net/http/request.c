/* Requests: what handlers ask of one, and the call of the handler.  Thread: see state.h. */
#include "common/net/http/state.h"

#include <strings.h>

const char *http_method_name(enum http_method m)
{
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    _Static_assert(ARRAY_LEN(names) == HTTP_METHODS, "a name per method");
    return names[m];
}

struct http_request *http_request_new(struct http_loop *loop, struct MHD_Connection *mhd,
                                      struct http_connection *connection, struct slice raw)
{
    struct http_request *rq = MEM_NEW(struct http_request);
    rq->loop = loop;
    rq->mhd = mhd;
    rq->connection = connection;
    rq->upload_fd = -1;
    arena_init(&rq->arena, 2048);
    vec_init(&rq->uploads, sizeof(struct http_upload));
    vec_init(&rq->attributes, sizeof(struct http_attribute));
    rq->raw = slice_make(arena_strndup(&rq->arena, raw.data, raw.len), raw.len);
    http_response_init(&rq->response, &rq->arena);
    return rq;
}

struct http_request *http_request_free(struct http_request *rq)
{
    if (rq == NULL) {
        return NULL;
    }
    http_upload_fini(rq);
    multipart_free(rq->multipart);
    for (size_t i = 0; i < rq->attributes.len; i++) {
        str_fini(&VEC_AT(&rq->attributes, struct http_attribute, i)->value);
    }
    vec_fini(&rq->attributes);
    vec_fini(&rq->uploads);
    json_node_free(rq->json);
    str_fini(&rq->body);
    http_response_fini(&rq->response);
    atomic_fetch_sub(&rq->loop->server->bodies_bytes, rq->charged);
    arena_fini(&rq->arena);
    mem_free(rq);
    return NULL;
}

int http_request_charge(struct http_request *rq, uint64_t bytes, struct error *err)
{
    _Atomic uint64_t *used = &rq->loop->server->bodies_bytes;
    if (atomic_fetch_add(used, bytes) + bytes > HTTP_BODIES_MAX) {
        atomic_fetch_sub(used, bytes);
        return error_set(err, ERR_LIMIT,
                         "Too many large requests at one time (%d MB are held). Try again later.",
                         HTTP_BODIES_MAX / (1024 * 1024));
    }
    rq->charged += bytes;
    return 0;
}

void http_request_run(struct http_request *rq)
{
    struct error err = ERROR_INIT;
    const struct http_server_options *o = &rq->loop->server->options;
    int rc = rq->match.route != NULL ? rq->match.route->handle(o->owner, rq, &rq->response, &err)
                                     : o->fallback(o->owner, rq, &rq->response, &err);
    if (rc < 0) {
        http_response_failure(&rq->response, rc, &err);
    }
}

enum http_method http_request_method(const struct http_request *rq)
{
    return rq->method;
}

const char *http_request_path(const struct http_request *rq)
{
    return rq->target.path;
}

const struct http_route *http_request_route(const struct http_request *rq)
{
    return rq->match.route;
}

const char *http_request_param(const struct http_request *rq, const char *name)
{
    int i = rq->match.route != NULL ? http_route_param(rq->match.route, name) : -1;
    ASSERT(i >= 0 && (uint32_t)i < rq->match.n_values);
    return rq->match.values[i];
}

const char *http_request_query(const struct http_request *rq, const char *name)
{
    for (uint32_t i = 0; i < rq->target.n_query; i++) {
        if (strcmp(rq->target.query[i].name, name) == 0) {
            return rq->target.query[i].value;
        }
    }
    return NULL;
}

const char *http_request_header(const struct http_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, name);
}

int http_request_json(const struct http_request *rq, const struct json_node **ret_json,
                      struct error *err)
{
    if (rq->json == NULL) {
        struct slice text = http_request_body(rq);
        if (rq->body_use == HTTP_BODY_MULTIPART) {
            text = slice_cstr(http_request_attribute(rq, "request"));
        }
        if (slice_trim(text).len == 0) {
            text = SLICE_LIT("{}");
        }
        struct json_limits limits = {.max_bytes = rq->loop->server->options.max_body_bytes,
                                     .duplicates = JSON_DUPLICATES_LAST};
        /* The tree is a cache of the body: filled by the only thread that has the request. */
        TRY_CTX(err, json_parse(text, &limits, &((struct http_request *)(uintptr_t)rq)->json, err),
                "reading the request's JSON");
    }
    *ret_json = rq->json;
    return 0;
}

struct slice http_request_body(const struct http_request *rq)
{
    return slice_make(str_cstr(&rq->body), rq->body.len);
}

uint32_t http_request_n_uploads(const struct http_request *rq)
{
    return (uint32_t)rq->uploads.len;
}

const struct http_upload *http_request_upload(const struct http_request *rq, uint32_t i)
{
    return VEC_AT(&rq->uploads, struct http_upload, i);
}

const char *http_request_attribute(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->attributes.len; i++) {
        const struct http_attribute *a = VEC_AT(&rq->attributes, struct http_attribute, i);
        if (strcmp(a->name, name) == 0) {
            return str_cstr(&a->value);
        }
    }
    return NULL;
}
