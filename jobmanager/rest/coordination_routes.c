/* Requests of clients to the coordinators of operators: how the rows of a SELECT come back.
 *
 * Flink's carry Java objects in JSON; ours are the bytes of a message (engine/query/collect.h, proto/collect.proto), and so are
 * their answers; errors are Flink's.  A request may wait for rows: no more than REST_WAITS_MAX do at once, so that handlers
 * are left for everything else; the others are answered at once, and clients ask again a little later.
 * Flink: ClientCoordinationHandler. */
#include "jobmanager/rest/rest_internal.h"
#include "proto/collect.pb-c.h"

enum { REST_WAITS_MAX = REST_HANDLERS / 2, REST_WAIT_MAX_MS = 1000 };

static const char is_java[] = "Coordination requests are Java-serialized objects, which Flinc "
                              "cannot read. Results of queries "
                              "come through the SQL gateway.";

/* How long it may wait here; the request as it goes on is in `out`. */
static int64_t bound_wait(struct rest_server *s, Flinc__CollectRequest *r, struct str *out)
{
    uint32_t waiting = atomic_fetch_add(&s->n_waits, 1);
    r->wait_ms = waiting < REST_WAITS_MAX ? MIN(r->wait_ms, (uint32_t)REST_WAIT_MAX_MS) : 0;
    size_t size = flinc__collect_request__get_packed_size(r);
    str_reserve(out, size);
    flinc__collect_request__pack(r, (uint8_t *)out->data);
    out->len = size;
    return r->wait_ms + s->ask_timeout_ms;
}

static int ask(struct rest_server *s, const struct flinc_id *job_id, Flinc__CollectRequest *r,
               const char *operator_uid, struct http_response *rs)
{
    STR_AUTO request = STR_INIT;
    struct error why = ERROR_INIT;
    struct coordination_ask a = {.operator_uid = operator_uid};
    a.timeout_ms = bound_wait(s, r, &request);
    a.request = str_slice(&request);
    int rc = dispatcher_ask_coordinator(s->o.dispatcher, job_id, &a, http_response_body(rs), &why);
    atomic_fetch_sub(&s->n_waits, 1);
    if (rc < 0) {
        str_clear(http_response_body(rs));
        return rest_fail_error(rs, &why);
    }
    http_response_content_type(rs, "application/octet-stream");
    return 0;
}

static int coordination(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    struct slice body = http_request_body(rq);
    struct flinc_id id;
    (void)err;
    if (!rest_param_id(rq, rs, "jobid", &id)) {
        return 0;
    }
    if (body.len == 0 || body.data[0] == '{') {
        struct job_overview job;
        return rest_has_job(owner, rq, rs, &job) ? rest_fail(rs, 400, "%s", is_java) : 0;
    }
    Flinc__CollectRequest *r =
        flinc__collect_request__unpack(NULL, body.len, (const uint8_t *)body.data);
    if (r == NULL || r->protocol != FLINC__COLLECT_PROTOCOL__COLLECT_PROTOCOL_1) {
        flinc__collect_request__free_unpacked(r, NULL);
        return rest_fail(rs, 400, "The body is no coordination request of this version.");
    }
    int rc = ask(owner, &id, r, http_request_param(rq, "operatorUid"), rs);
    flinc__collect_request__free_unpacked(r, NULL);
    return rc;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static const struct rest_route routes[] = {
    REST_ROW(POST, "/jobs/:jobid/coordinators/:operatorUid", HTTP_BLOCKING, coordination,
             "Asks the coordinator of an operator: rows of a SELECT, as bytes. Java objects are "
             "refused.",
             "bytes", "bytes"),
};
const struct rest_family rest_coordination_family = REST_FAMILY("Results of queries", routes);
