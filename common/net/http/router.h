/* Inside the room: the table of routes as a trie of path segments.  Read-only once it is made.
 * Thread: any. */
#ifndef FLINC_COMMON_NET_HTTP_ROUTER_H
#define FLINC_COMMON_NET_HTTP_ROUTER_H

#include "common/net/http/http.h"
#include "common/net/http/target.h"

enum { HTTP_PARAMS_MAX = 8 }; /* path parameters of one route */

struct http_router;
/* ERR_INVALID_ARGUMENT: a pattern twice for a method, too many parameters, no '/' first. */
int http_router_new(const struct http_route *routes, uint32_t n_routes,
                    struct http_router **ret_router, struct error *err) MUST_CHECK;
struct http_router *http_router_free(struct http_router *r);

struct http_match {
    const struct http_route *route;
    const char *values[HTTP_PARAMS_MAX]; /* Borrows from the target, in the pattern's order */
    uint32_t n_values;
};
/* False: no route has this path and method. */
bool http_router_find(const struct http_router *r, enum http_method method,
                      const struct http_target *target, struct http_match *ret_match);
/* The number of the parameter `name` in a pattern; -1: it has none. */
int http_route_param(const struct http_route *route, const char *name);

#endif
