/* Inside the room: the server's state, and what its handlers share. */
#ifndef FLINC_JOBMANAGER_REST_REST_INTERNAL_H
#define FLINC_JOBMANAGER_REST_REST_INTERNAL_H

#include "common/net/tls/tls.h"
#include "jobmanager/rest/metric_store.h"
#include "jobmanager/rest/overview_cache.h"
#include "jobmanager/rest/rest.h"
#include "jobmanager/rest/shape/shape.h"

enum {
    REST_ASK_TIMEOUT_MS = 10000,     /* of job masters and task managers (web.timeout if lower) */
    REST_SUBMIT_TIMEOUT_MS = 120000, /* a submission; the builder has its own */
    REST_METRICS_TIMEOUT_MS = 2000,  /* task managers that do not answer show old values */
    REST_METRICS_INTERVAL_MS = 1000, /* unless metrics.fetcher.update-interval is set */
    REST_HANDLERS = 32,              /* handlers that may wait at once, made when needed */
    REST_EXCEPTIONS_DEFAULT = 20,    /* maxExceptions */
    REST_LIST_MAX = 1024,            /* items of a list in a query: get=, jobs=, subtasks= */
    REST_BUNDLES_MAX = 1000,         /* uploaded bundles kept */
};

struct rest_server {
    struct tls_context *tls; /* a reference; NULL: without TLS */
    struct rest_options o;   /* its texts are copies */
    struct http_server *http;
    struct http_route *routes; /* Owns; the rows of all families as the HTTP server wants them */
    int64_t ask_timeout_ms;
    struct rest_features features;
    struct overview_cache overviews;
    struct metric_store *metrics;
    struct cancel_token *stopping;    /* what handlers wait for ends with it */
    _Atomic uint32_t n_waits;         /* requests to coordinators that are being answered */
    char *bundles_dir, *incoming_dir; /* of uploads: kept ones, and ones being received */
};

/* A family: its rows stand in the file of its handlers. */
struct rest_family {
    const char *title;
    const struct rest_route *routes;
    uint32_t n_routes;
};
#define REST_FAMILY(title, table)          \
    {                                      \
        (title), (table), ARRAY_LEN(table) \
    }
extern const struct rest_family rest_cluster_family;      /* cluster_routes.c */
extern const struct rest_family rest_process_family;      /* process_routes.c */
extern const struct rest_family rest_jars_family;         /* jar_routes.c */
extern const struct rest_family rest_submit_family;       /* submit_routes.c */
extern const struct rest_family rest_jobs_family;         /* job_routes.c */
extern const struct rest_family rest_vertices_family;     /* vertex_routes.c */
extern const struct rest_family rest_metrics_family;      /* metric_routes.c */
extern const struct rest_family rest_taskmanagers_family; /* taskmanager_routes.c */
extern const struct rest_family rest_checkpoints_family;  /* checkpoint_routes.c */
extern const struct rest_family rest_applications_family; /* application_routes.c */
extern const struct rest_family rest_elastic_family;      /* elastic_routes.c */
extern const struct rest_family rest_coordination_family; /* coordination_routes.c */
extern const struct rest_family rest_absent_family;       /* absent_routes.c */
const struct rest_family *const *rest_families(uint32_t *ret_n);

/* One row of a table. */
#define REST_ROW(method, path, flags, handler, summary, request, response)             \
    {                                                                                  \
        {HTTP_##method, (path), (flags), (handler)}, (summary), (request), (response), \
    }

/* ---- what handlers share (request.c) ------------------------------------------------------------- */

/* Answers with an error; is 0, so that handlers can return it. */
int rest_fail(struct http_response *rs, int status, const char *fmt, ...) PRINTF(3, 4);
/* Answers {} with this status. */
int rest_done(struct http_response *rs, int status);
/* A path parameter that is an id; otherwise the answer is 400 and the result false. */
bool rest_param_id(const struct http_request *rq, struct http_response *rs, const char *name,
                   struct flinc_id *ret);
bool rest_param_number(const struct http_request *rq, struct http_response *rs, const char *name,
                       uint32_t *ret);
/* The job of :jobid; otherwise the answer is made (400, 404, 408) and the result false.  The caller
 * unrefs it. */
bool rest_get_job(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                  const struct job_details **ret);
/* Is there a job of :jobid?  Otherwise the answer is made. */
bool rest_has_job(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                  struct job_overview *ret);
/* The same with :vertexid. */
bool rest_get_vertex(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                     const struct job_details **ret_job, const struct vertex_details **ret_vertex);
/* Is there a task manager of :taskmanagerid?  Otherwise the answer is made. */
bool rest_has_taskmanager(struct rest_server *s, const struct http_request *rq,
                          struct http_response *rs);
/* Cancels a job and answers (job_routes.c). */
int rest_cancel_job(struct rest_server *s, const struct flinc_id *id, struct http_response *rs);
/* The handler of routes that ask how a triggered operation goes, where none can have been triggered. */
int rest_unknown_trigger(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err);
/* Answers with an error of another room. */
int rest_fail_error(struct http_response *rs, const struct error *e);
/* The body as an object; otherwise the answer is 400 and the result false. */
bool rest_body_object(const struct http_request *rq, struct http_response *rs,
                      const char *class_name, const struct json_node **ret);
/* Splits "a,b,c"; empty pieces are left out; bounded.  Borrows the text's copy in ret. */
struct rest_list {
    char *text;         /* Owns */
    const char **items; /* Owns */
    size_t n;
};
void rest_list_init(struct rest_list *l, const char *text, char separator); /* NULL: empty */
void rest_list_fini(struct rest_list *l);
bool rest_list_has(const struct rest_list *l, const char *item);
#define REST_LIST_AUTO CLEANUP(rest_list_fini) struct rest_list

int64_t rest_now_ms(void);

/* Answers with a file as text; takes the descriptor. */
void rest_answer_text_file(struct http_response *rs, int take_fd, uint64_t size);

/* The page at / when there are no static files (index_page.c). */
int rest_fallback(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *err);

#endif
