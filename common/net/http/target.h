/* Inside the room: the target of a request line taken apart.  Segments are split before anything is
 * decoded, so that "%2F" is data; what is decoded is UTF-8 without NUL.  Thread: any. */
#ifndef FLINC_COMMON_NET_HTTP_TARGET_H
#define FLINC_COMMON_NET_HTTP_TARGET_H

#include "common/base/error.h"
#include "common/base/str.h"

enum {
    HTTP_SEGMENTS_MAX = 32, /* of a path that may match a route; longer ones match none */
    HTTP_QUERY_MAX = 256,   /* parameters; more are refused */
};

struct http_pair {
    const char *name, *value;
};

/* Everything lies in the arena that it was parsed with. */
struct http_target {
    const char *path;                        /* decoded, begins with '/', without "/v1" */
    const char *segments[HTTP_SEGMENTS_MAX]; /* decoded; slashes at both ends do not count */
    uint32_t n_segments;
    bool routable; /* false: too many segments */
    const struct http_pair *query;
    uint32_t n_query;
};
int http_target_parse(struct arena *arena, struct slice raw, struct http_target *ret_target,
                      struct error *err) MUST_CHECK;

enum http_plus { HTTP_PLUS_IS_PLUS, HTTP_PLUS_IS_BLANK };
/* Decodes into the arena; ERR_PARSE: a broken escape, a NUL, or no UTF-8. */
int http_percent_decode(struct arena *arena, struct slice raw, enum http_plus plus,
                        const char **ret_text, struct error *err) MUST_CHECK;

#endif
