/* What the HTTP server reads from strangers: targets through decoder and router, forms through the
 * multipart parser, whole and cut in two. */
#include "common/net/http/multipart.h"
#include "common/net/http/router.h"
#include "common/net/http/target.h"
#include "common/text/utf8.h"

static const struct http_route routes[] = {
    {HTTP_GET, "/jobs", 0, NULL},
    {HTTP_GET, "/jobs/overview", 0, NULL},
    {HTTP_GET, "/jobs/:jobid", 0, NULL},
    {HTTP_GET, "/jobs/:jobid/vertices/:vertexid/subtasks/:index", 0, NULL},
    {HTTP_GET, "/jobs/:jobid/vertices/:vertexid/subtasks/metrics", 0, NULL},
    {HTTP_GET, "/a/:b/c/:d/e/:f/g/:h", 0, NULL},
};

static void try_target(struct slice raw)
{
    struct arena arena;
    struct http_target t;
    struct http_match m;
    struct http_router *r = NULL;
    arena_init(&arena, 0);
    int rc = http_router_new(routes, ARRAY_LEN(routes), &r, NULL);
    ASSERT(rc == 0);
    if (http_target_parse(&arena, raw, &t, NULL) == 0) {
        ASSERT(t.path[0] == '/' && utf8_validate(t.path, strlen(t.path), NULL));
        if (http_router_find(r, HTTP_GET, &t, &m)) {
            for (uint32_t i = 0; i < m.n_values; i++) {
                ASSERT(m.values[i][0] != '\0');
            }
        }
    }
    http_router_free(r);
    arena_fini(&arena);
}

static int on_begin(void *arg, const struct multipart_part *part, struct error *err)
{
    ASSERT(part->filename == NULL || strpbrk(part->filename, "/\\\n") == NULL);
    str_printf(arg, "[%s|%s=", part->name, part->filename != NULL ? part->filename : "");
    return 0;
}

static int on_data(void *arg, struct slice data, struct error *err)
{
    str_append_slice(arg, data);
    return 0;
}

static int on_end(void *arg, struct error *err)
{
    str_append_char(arg, ']');
    return 0;
}

static int parse(const char *type, struct slice first, struct slice second, struct str *out)
{
    struct multipart *m = NULL;
    const struct multipart_sink sink = {on_begin, on_data, on_end, out};
    int rc = multipart_new(type, &sink, &m, NULL);
    if (rc == 0) {
        rc = multipart_feed(m, first, NULL);
        rc = rc == 0 ? multipart_feed(m, second, NULL) : rc;
        rc = rc == 0 ? multipart_finish(m, NULL) : rc;
        multipart_free(m);
    }
    return rc;
}

static void try_multipart(const char *type, struct slice text, size_t cut)
{
    STR_AUTO whole = STR_INIT;
    STR_AUTO pieces = STR_INIT;
    cut = text.len > 0 ? cut % (text.len + 1) : 0;
    int rc = parse(type, text, slice_make("", 0), &whole);
    int cut_rc = parse(type, slice_make(text.data, cut),
                       slice_make(text.data + cut, text.len - cut), &pieces);
    ASSERT(rc == cut_rc);
    ASSERT(rc < 0 || slice_eq(str_slice(&whole), str_slice(&pieces)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct slice text = slice_make((const char *)data + 2, size - 2);
    if (data[0] % 2 == 0) {
        try_target(text);
        return 0;
    }
    try_multipart("multipart/form-data; boundary=X", text, data[1]);
    /* The first line as the content type. */
    const char *line = memchr(text.data, '\n', text.len);
    if (line != NULL) {
        STR_AUTO type = STR_INIT;
        str_append_cstr(&type, "multipart/form-data;");
        str_append(&type, text.data, (size_t)(line - text.data));
        try_multipart(str_cstr(&type),
                      slice_make(line + 1, text.len - (size_t)(line + 1 - text.data)), data[1]);
    }
    return 0;
}
