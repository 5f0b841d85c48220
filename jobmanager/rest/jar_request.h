/* What a client wants to run: the body and the query of /jars/:jarid/run and /plan, in all the spellings
 * that Flink's clients use.  The body wins over the query; empty texts are absent.
 * Flink: JarRequestBody, JarHandlerUtils.  Thread: any. */
#ifndef FLINC_JOBMANAGER_REST_JAR_REQUEST_H
#define FLINC_JOBMANAGER_REST_JAR_REQUEST_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "common/text/json.h"

enum { JAR_REQUEST_ARGS_MAX = 10000, JAR_REQUEST_CONFIG_MAX = 10000 };

struct jar_request {
    char *entry;         /* Owns; NULL: the bundle's own */
    struct vec args;     /* of char *; owns */
    int32_t parallelism; /* 0: not asked for */
    bool has_job_id;
    struct flinc_id job_id;
    struct vec keys, values; /* of char *; own; flinkConfiguration */
};

/* query(arg, name): a query parameter or NULL.  Errors are the client's: ERR_INVALID_ARGUMENT. */
int jar_request_parse(struct jar_request *r, const struct json_node *body,
                      const char *(*query)(const void *arg, const char *name), const void *arg,
                      struct error *err) MUST_CHECK;
void jar_request_fini(struct jar_request *r);

/* Splits a command line at blanks; pieces that begin with a quote go to the next one. */
void jar_request_split_args(const char *text, struct vec *ret_args);

#endif
