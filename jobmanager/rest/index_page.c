/* What no route matches: static files of web_root, or, without any, a page that says where things are. */
#include "jobmanager/rest/rest_internal.h"

static const char page[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Flinc</title>\n"
    "<style>body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em}"
    "code{background:#eee;padding:0 .3em}</style></head><body>\n"
    "<h1>Flinc</h1>\n"
    "<p>This is the job manager of a Flinc cluster. It speaks Flink's REST interface:</p>\n"
    "<ul>\n"
    "<li><a href=\"./overview\"><code>GET /overview</code></a> task managers, slots, jobs</li>\n"
    "<li><a href=\"./jobs/overview\"><code>GET /jobs/overview</code></a> all jobs</li>\n"
    "<li><a href=\"./taskmanagers\"><code>GET /taskmanagers</code></a> task managers</li>\n"
    "<li><a href=\"./jobmanager/config\"><code>GET /jobmanager/config</code></a> "
    "configuration</li>\n"
    "<li><a href=\"./jobmanager/log\"><code>GET /jobmanager/log</code></a> its log</li>\n"
    "<li><a href=\"./jars\"><code>GET /jars</code></a> uploaded bundles</li>\n"
    "</ul>\n"
    "<p>On the command line: <code>bin/flink run job.so</code>, <code>bin/flink list</code>, "
    "<code>bin/flink cancel ID</code>.</p>\n"
    "</body></html>\n";

int rest_fallback(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *err)
{
    const struct rest_server *s = owner;
    const char *path = http_request_path(rq);
    if (s->o.web_root != NULL) {
        return http_serve_static(s->o.web_root, rq, rs, err);
    }
    if (strcmp(path, "/") == 0 || strcmp(path, "/index.html") == 0) {
        http_response_content_type(rs, "text/html; charset=UTF-8");
        str_append(http_response_body(rs), page, sizeof(page) - 1);
        return 0;
    }
    return rest_fail(rs, 404, "Unable to load requested file %.200s.", path);
}
