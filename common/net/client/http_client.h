/* An HTTP client for the command line, remote environments and tools: requests that wait (libcurl
 * inside, loaded on first use so that processes that never ask pay nothing).
 * Flink: RestClient.  Thread: one owner per client. */
#ifndef FLINC_COMMON_NET_CLIENT_HTTP_CLIENT_H
#define FLINC_COMMON_NET_CLIENT_HTTP_CLIENT_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/loop/cancel.h"

struct tls_context;

struct http_client_options {
    struct tls_context
        *tls; /* of servers with https; a reference is taken; NULL: libcurl's own ways */
    int64_t connect_timeout_ms;  /* 0: 15 s */
    int64_t timeout_ms;          /* of one request; 0: 5 min */
    struct cancel_token *cancel; /* may be NULL; ends a running request with ERR_CANCELLED */
    const char *const *headers;  /* "name: value", NULL-terminated; may be NULL */
};
struct http_client;
int http_client_new(const struct http_client_options *options, struct http_client **ret,
                    struct error *err) MUST_CHECK;
struct http_client *http_client_free(struct http_client *c);

struct http_part {
    const char *name, *filename; /* filename NULL: an attribute */
    const char *content_type;    /* may be NULL */
    const char *path;            /* of a file to send; NULL: `data` */
    struct slice data;
};
struct http_exchange {
    const char *method, *url;
    struct slice body; /* with parts: ignored */
    const char *content_type;
    const struct http_part *parts;
    uint32_t n_parts;
    int status;        /* result */
    struct str answer; /* result; the caller's to str_fini */
};
/* 0 with any status that the server answered; ERR_UNAVAILABLE: no connection (the text names the address
 * and the cause), ERR_TIMEOUT, ERR_CANCELLED. */
int http_client_run(struct http_client *c, struct http_exchange *x, struct error *err) MUST_CHECK;

#endif
