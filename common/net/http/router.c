/* The router: one node per segment of the patterns.  A literal child is tried before the parameter
 * child; when nothing below it has the method, the search steps back, so that "/jobs/overview" does not
 * hide "/jobs/:jobid/config".  Thread: any, once made. */
#include "common/net/http/router.h"

#include "common/base/vec.h"
#include <stdlib.h>

struct node {
    struct slice literal;   /* Borrows from the pattern */
    struct vec children;    /* of struct node *; sorted by literal once made */
    struct node *parameter; /* Owns; may be NULL */
    const struct http_route *routes[HTTP_METHODS]; /* Borrows */
};

struct http_router {
    struct node *root; /* Owns */
};

static struct node *node_new(struct slice literal)
{
    struct node *n = MEM_NEW(struct node);
    n->literal = literal;
    vec_init(&n->children, sizeof(struct node *));
    return n;
}

static struct node *node_free(struct node *n)
{
    if (n != NULL) {
        for (size_t i = 0; i < n->children.len; i++) {
            node_free(vec_ptr(&n->children, i));
        }
        vec_fini(&n->children);
        node_free(n->parameter);
        mem_free(n);
    }
    return NULL;
}

static struct node *node_child(struct node *n, struct slice segment)
{
    if (segment.data[0] == ':') {
        if (n->parameter == NULL) {
            n->parameter = node_new(segment);
        }
        return n->parameter;
    }
    for (size_t i = 0; i < n->children.len; i++) {
        struct node *child = vec_ptr(&n->children, i);
        if (slice_eq(child->literal, segment)) {
            return child;
        }
    }
    struct node *child = node_new(segment);
    vec_push_ptr(&n->children, child);
    return child;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *const *x = a, *const *y = b;
    return slice_compare((*x)->literal, (*y)->literal);
}

static void node_sort(struct node *n)
{
    if (n->children.len > 1) {
        qsort(n->children.data, n->children.len, sizeof(struct node *), compare_nodes);
    }
    for (size_t i = 0; i < n->children.len; i++) {
        node_sort(vec_ptr(&n->children, i));
    }
    if (n->parameter != NULL) {
        node_sort(n->parameter);
    }
}

static int router_add(struct http_router *r, const struct http_route *route, struct error *err)
{
    struct slice rest = slice_cstr(route->path), segment;
    if (route->path[0] != '/' || (unsigned)route->method >= HTTP_METHODS) {
        return error_set(err, ERR_INVALID_ARGUMENT, "route \"%s\": a path begins with /",
                         route->path);
    }
    rest = slice_make(rest.data + 1, rest.len - 1);
    struct node *n = r->root;
    uint32_t n_params = 0, depth = 0;
    while (rest.len > 0 && slice_next(&rest, '/', &segment)) {
        if (segment.len == 0 || ++depth > HTTP_SEGMENTS_MAX ||
            (segment.data[0] == ':' && ++n_params > HTTP_PARAMS_MAX)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "route \"%s\": an empty segment, or too many of them", route->path);
        }
        n = node_child(n, segment);
        if (rest.data == NULL) {
            break;
        }
    }
    if (n->routes[route->method] != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "route %s %s is there twice",
                         http_method_name(route->method), route->path);
    }
    n->routes[route->method] = route;
    return 0;
}

int http_router_new(const struct http_route *routes, uint32_t n_routes,
                    struct http_router **ret_router, struct error *err)
{
    struct http_router *r = MEM_NEW(struct http_router);
    r->root = node_new(slice_make("", 0));
    for (uint32_t i = 0; i < n_routes; i++) {
        int rc = router_add(r, &routes[i], err);
        if (rc < 0) {
            http_router_free(r);
            return rc;
        }
    }
    node_sort(r->root);
    *ret_router = r;
    return 0;
}

struct http_router *http_router_free(struct http_router *r)
{
    if (r != NULL) {
        node_free(r->root);
        mem_free(r);
    }
    return NULL;
}

static struct node *find_literal(const struct node *n, const char *segment)
{
    size_t low = 0, high = n->children.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct node *child = vec_ptr(&n->children, middle);
        int c = slice_compare(slice_cstr(segment), child->literal);
        if (c == 0) {
            return child;
        }
        if (c < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static bool find_below(const struct node *n, enum http_method method,
                       const struct http_target *target, uint32_t at, struct http_match *match)
{
    if (at == target->n_segments) {
        match->route = n->routes[method];
        return match->route != NULL;
    }
    const char *segment = target->segments[at];
    const struct node *child = find_literal(n, segment);
    if (child != NULL && find_below(child, method, target, at + 1, match)) {
        return true;
    }
    if (n->parameter == NULL || segment[0] == '\0') {
        return false;
    }
    uint32_t n_values = match->n_values;
    match->values[match->n_values++] = segment;
    if (find_below(n->parameter, method, target, at + 1, match)) {
        return true;
    }
    match->n_values = n_values;
    return false;
}

bool http_router_find(const struct http_router *r, enum http_method method,
                      const struct http_target *target, struct http_match *ret_match)
{
    struct http_match match = {0};
    if (!target->routable || !find_below(r->root, method, target, 0, &match)) {
        return false;
    }
    *ret_match = match;
    return true;
}

int http_route_param(const struct http_route *route, const char *name)
{
    struct slice rest = slice_cstr(route->path), segment;
    int number = 0;
    while (rest.data != NULL && slice_next(&rest, '/', &segment)) {
        if (segment.len > 0 && segment.data[0] == ':') {
            if (slice_eq_cstr(slice_make(segment.data + 1, segment.len - 1), name)) {
                return number;
            }
            number++;
        }
    }
    return -1;
}
