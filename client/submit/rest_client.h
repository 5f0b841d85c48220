/* What the command line and remote environments ask a cluster: requests to its REST interface, answers as
 * JSON, {"errors": [...]} as an error.
 *
 * The address comes from rest.address and rest.port, or with high availability from the leader (leader_finder.h); behind
 * it are rest.path and rest.url-prefix.  A server that answers 503 (no leader) is asked again rest.retry.max-attempts
 * times; one that cannot be reached at all is an error at once, naming the address, or with high availability asked
 * again where the leader is then.  Flink: RestClusterClient.  Thread: one owner. */
#ifndef FLINC_CLIENT_SUBMIT_REST_CLIENT_H
#define FLINC_CLIENT_SUBMIT_REST_CLIENT_H

#include "common/conf/conf.h"
#include "common/net/client/http_client.h"
#include "common/text/json.h"

struct rest_client;
int rest_client_new(const struct conf *conf, struct cancel_token *cancel /* may be NULL */,
                    struct rest_client **ret, struct error *err) MUST_CHECK;
struct rest_client *rest_client_free(struct rest_client *c);  /* NULL is fine; returns NULL */
const char *rest_client_address(const struct rest_client *c); /* "http://localhost:8081" */

/* `path` starts with '/' and is put behind /v1.  *ret_json (may be NULL) is the caller's to free.
 * ERR_NOT_FOUND: 404; ERR_INVALID_ARGUMENT: other 4xx; ERR_STATE: 409; ERR_UNAVAILABLE, ERR_TIMEOUT;
 * ERR_INTERNAL: 5xx, or an answer that is no JSON. */
int rest_client_request(struct rest_client *c, const char *method, const char *path,
                        struct slice body, struct json_node **ret_json,
                        struct error *err) MUST_CHECK;
/* A POST of bytes that is answered with bytes; errors as above. */
int rest_client_exchange(struct rest_client *c, const char *path, struct slice body,
                         struct str *ret_answer, struct error *err) MUST_CHECK;
int rest_client_upload(struct rest_client *c, const char *path, const struct http_part *parts,
                       uint32_t n_parts, struct json_node **ret_json, struct error *err) MUST_CHECK;

/* ---- reading answers: a field of the wrong type is like one that is missing ------------------------ */

const char *json_field_text(const struct json_node *object, const char *key, const char *otherwise);
int64_t json_field_int(const struct json_node *object, const char *key, int64_t otherwise);
/* An array or object below `object`; NULL: none. */
const struct json_node *json_field(const struct json_node *object, const char *key,
                                   enum json_type type);

#endif
