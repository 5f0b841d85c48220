/* A server for tests with its routes, and raw sockets that talk to it.  Thread: the test's. */
#ifndef FLINC_TESTS_COMMON_NET_HTTP_WEB_H
#define FLINC_TESTS_COMMON_NET_HTTP_WEB_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/http/http.h"

struct web {
    struct http_server *server;
    uint32_t port;
    char dir[64], uploads[96], root[96];
    _Atomic bool leaderless; /* the gate answers 503 */
    _Atomic int n_inside;
    _Atomic bool release; /* lets /wait go on */
};
/* `options` may be NULL; its routes, owner, folders are set here. */
void web_start(struct web *w, const struct http_server_options *options);
void web_stop(struct web *w);
uint32_t web_count_uploads(const struct web *w);

struct answer {
    int status;
    char headers[8192];
    struct str body;
    bool closed; /* the server ended the connection instead of answering */
};
int web_connect(uint32_t port);
void web_send(int fd, const void *data, size_t len);
void web_send_text(int fd, const char *text);
/* Reads one answer; "100 Continue" before it is skipped. */
void web_read(int fd, struct answer *ret);
void answer_fini(struct answer *a);
/* One request on a connection of its own. */
void web_ask(const struct web *w, const char *request, struct answer *ret);
/* True when the server has closed the connection (waits up to 10 s). */
bool web_is_closed(int fd);

#endif
