/* A server of fixed answers, as services that give keys are: real sockets, one connection after the other.  Thread: any. */
#ifndef FLINC_TESTS_UNIT_COMMON_FS_S3_FAKE_HTTP_H
#define FLINC_TESTS_UNIT_COMMON_FS_S3_FAKE_HTTP_H

#include "common/base/str.h"

#include <pthread.h>

enum { FAKE_HTTP_SILENT = -1, FAKE_HTTP_CUT = -2 }; /* no answer; the connection ends */

/* The first whose method and path fit, and that is not used up, answers; else 404. */
struct fake_route {
    const char *method, *path;
    int status; /* or FAKE_HTTP_ */
    const char *body;
    int n_times; /* 0: always */
};

struct fake_http {
    int listener;
    char address[64]; /* "http://127.0.0.1:PORT" */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    struct fake_route routes[8];
    uint32_t n_routes;
    struct str asked; /* all requests, as they came */
    uint32_t n_requests;
    int held[64]; /* connections that are not answered */
    uint32_t n_held;
};

void fake_http_start(struct fake_http *s);
void fake_http_stop(struct fake_http *s);
/* Instead of those before; forgets what was asked. */
void fake_http_answer(struct fake_http *s, const struct fake_route *routes, uint32_t n);
bool fake_http_was_asked(struct fake_http *s, const char *text);

#endif
