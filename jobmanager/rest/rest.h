/* The REST server of the job manager: Flink's routes and JSON shapes over the dispatcher, the resource manager
 * and this process.  Routes are rows of const tables, one file per family (cluster, jars, jobs, vertices,
 * subtasks, metrics, taskmanagers, checkpoints, later features); every row has a summary and the names of
 * its request and response schemas, from which docs/reference/rest.md is generated.
 * Flink: WebMonitorEndpoint, DispatcherRestEndpoint. */
#ifndef FLINC_JOBMANAGER_REST_REST_H
#define FLINC_JOBMANAGER_REST_REST_H

#include "common/net/http/http.h"
#include "jobmanager/builder/builder.h"
#include "jobmanager/dispatcher/dispatcher.h"

struct rest_server;
struct rest_options {
    const struct conf *conf;                 /* Borrows */
    struct dispatcher *dispatcher;           /* Borrows */
    struct resourcemanager *resourcemanager; /* Borrows */
    struct blob_store *blobs;                /* Borrows */
    struct job_builder *builder;             /* Borrows */
    /* Borrows; outlives the dispatcher, whose job masters end operations. */
    struct checkpoint_operations *operations;
    struct metric_registry *metrics; /* Borrows; of this process */
    const char *upload_dir; /* web.upload.dir, or a folder of this process; uploaded bundles lie in
                               flink-web-upload/ below */
    const char *web_root;   /* static files; NULL: none */
    const char *log_dir, *log_file, *out_file; /* of this process; NULL: none */
    bool application_mode;                     /* /jars answers 404 */
    void (*on_shutdown)(void *owner);          /* DELETE /cluster; any thread */
    /* Does this process, or one that it reaches, lead?  Otherwise every answer is 503.  NULL: always.
     * Any thread; cheap. */
    bool (*has_leader)(void *owner);
    int listen_fd; /* > 0: the socket to serve, of rest_listen(); a copy is used */
    void *owner;
};
/* A socket at rest.bind-port of rest.bind-address. */
int rest_listen(const struct conf *conf, int *ret_fd, uint32_t *ret_port,
                struct error *err) MUST_CHECK;
int rest_server_start(const struct rest_options *options, struct rest_server **ret,
                      struct error *err) MUST_CHECK;
uint32_t rest_server_port(const struct rest_server *s);
struct rest_server *rest_server_stop(struct rest_server *s);
/* {"jvm": ..., "classpath": ...} of this process, secrets masked. */
void rest_write_own_environment(struct json_writer *w, const struct conf *conf);

/* All routes, for the reference page and tests. */
struct rest_route {
    struct http_route route;
    const char *summary;            /* one sentence */
    const char *request, *response; /* schema names of Flink's OpenAPI file, "-": none */
};
const struct rest_route *rest_routes(uint32_t *ret_n);

#endif
