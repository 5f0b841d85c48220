/* POST /jobs: a job graph with its libraries, as `flink run` sends them. */
#include "engine/graph/job_graph.h"
#include "jobmanager/rest/submission.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- the request ---------------------------------------------------------------------------------- */

static const struct http_upload *find_upload(const struct http_request *rq, const char *name)
{
    for (uint32_t i = 0; i < http_request_n_uploads(rq); i++) {
        const struct http_upload *u = http_request_upload(rq, i);
        if (strcmp(u->filename, name) == 0) {
            return u;
        }
    }
    return NULL;
}

/* Name of the graph's file: 1.20 and 2.x call it differently. */
static int graph_name(const struct json_node *request, const char **ret, struct error *err)
{
    *ret = NULL;
    TRY(json_member_string(request, "jobGraphFileName", JSON_OPTIONAL, ret, err));
    if (*ret == NULL) {
        TRY(json_member_string(request, "executionPlanFileName", JSON_OPTIONAL, ret, err));
    }
    return *ret != NULL ? 0
                        : error_set(err, ERR_INVALID_ARGUMENT,
                                    "the request names no job graph: jobGraphFileName or "
                                    "executionPlanFileName must be given");
}

/* Files that the request lists must have come. */
static int check_listed(const struct http_request *rq, const struct json_node *request,
                        struct error *err)
{
    const struct json_node *names = json_node_find(request, "jobJarFileNames");
    if (names == NULL || json_node_type(names) == JSON_TYPE_NULL) {
        return 0;
    }
    if (json_node_type(names) != JSON_TYPE_ARRAY) {
        return error_set(err, ERR_INVALID_ARGUMENT, "jobJarFileNames must be an array of strings");
    }
    for (size_t i = 0; i < json_node_count(names); i++) {
        const struct json_node *name = json_node_at(names, i);
        if (json_node_type(name) != JSON_TYPE_STRING) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "jobJarFileNames must be an array of strings");
        }
        if (find_upload(rq, json_node_as_string(name).data) == NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "jobJarFileNames lists %.200s, which did not come with the request",
                             json_node_as_string(name).data);
        }
    }
    return 0;
}

/* Files for the distributed cache, which there is none of: better refused than missed by the job. */
static int refuse_artifacts(const struct json_node *request, struct error *err)
{
    const struct json_node *names = json_node_find(request, "jobArtifactFileNames");
    if (names == NULL || json_node_count(names) == 0) {
        return 0;
    }
    return error_set(err, ERR_UNSUPPORTED,
                     "jobArtifactFileNames: Flinc has no distributed cache; put files where all "
                     "task managers can read them");
}

static int read_graph(const struct http_upload *u, Flinc__JobGraph **ret, struct error *err)
{
    if (u->size > JOB_GRAPH_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "the job graph has %llu bytes; the limit is %d",
                         (unsigned long long)u->size, JOB_GRAPH_BYTES_MAX);
    }
    int fd = open(u->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening the job graph");
    }
    uint8_t *data = mem_alloc(MAX((size_t)u->size, (size_t)1));
    size_t size = 0;
    ssize_t n;
    while (size < u->size && (n = read(fd, data + size, (size_t)u->size - size)) > 0) {
        size += (size_t)n;
    }
    close(fd);
    int rc = job_graph_decode(data, size, ret, err);
    mem_free(data);
    return rc;
}

/* ---- the handler ---------------------------------------------------------------------------------- */

static int submit_uploads(struct rest_server *s, const struct http_request *rq,
                          const struct json_node *request, struct flinc_id *ret_id,
                          struct error *err)
{
    const char *name;
    Flinc__JobGraph *graph;
    TRY(graph_name(request, &name, err));
    TRY(check_listed(rq, request, err));
    TRY(refuse_artifacts(request, err));
    const struct http_upload *u = find_upload(rq, name);
    if (u == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the job graph %.200s did not come with the request", name);
    }
    TRY(read_graph(u, &graph, err));
    uint32_t n = http_request_n_uploads(rq);
    struct library_file *files = MEM_NEW_ARRAY(struct library_file, MAX(n, 1u));
    for (uint32_t i = 0; i < n; i++) {
        const struct http_upload *file = http_request_upload(rq, i);
        files[i] = (struct library_file){file->filename, file->path};
    }
    int rc = submission_run(s, graph, files, n, ret_id, err);
    mem_free(files);
    return rc;
}

static int status_of(int code)
{
    switch (code) {
    case ERR_ALREADY_EXISTS:
        return 409;
    case ERR_TOO_LARGE:
        return 413;
    case ERR_INVALID_ARGUMENT:
    case ERR_INVALID_CONFIG:
    case ERR_NOT_FOUND:
    case ERR_PARSE:
    case ERR_UNSUPPORTED:
    case ERR_CORRUPT:
        return 400;
    default:
        return http_status_of_error(code);
    }
}

static int answer_error(struct http_response *rs, const struct error *e)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    return rest_fail(rs, status_of(e->code), "Failed to submit job: %s",
                     error_format(e, text, sizeof(text)));
}

static int submit(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *unused)
{
    struct rest_server *s = owner;
    struct error err = ERROR_INIT;
    struct flinc_id id;
    JSON_AUTO request = NULL;
    const char *text = http_request_attribute(rq, "request");
    if (!s->features.submit) {
        return rest_fail(rs, 403, "Submitting jobs over REST is off (web.submit.enable: false).");
    }
    if (text == NULL) {
        return rest_fail(rs, 400,
                         "The request has no part named request: a submission is "
                         "multipart/form-data with the JSON of JobSubmitRequestBody in that part "
                         "and files beside it.");
    }
    if (json_parse(slice_cstr(text), NULL, &request, &err) < 0 ||
        json_node_type(request) != JSON_TYPE_OBJECT) {
        return rest_fail(rs, 400, "Request did not match expected format JobSubmitRequestBody: %s",
                         err.code != 0 ? err.message : "it is no object");
    }
    if (submit_uploads(s, rq, request, &id, &err) < 0) {
        return answer_error(rs, &err);
    }
    char hex[ID_HEX_LEN + 1];
    id_format(&id, hex);
    http_response_status(rs, 202);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "jobUrl");
    json_writer_printf(w, "/jobs/%s", hex);
    json_writer_end(w);
    return 0;
}

static const struct rest_route routes[] = {
    REST_ROW(POST, "/jobs", HTTP_BLOCKING | HTTP_UPLOAD, submit,
             "Submits a job: multipart with the job graph and its libraries.",
             "JobSubmitRequestBody", "JobSubmitResponseBody"),
};
const struct rest_family rest_submit_family = REST_FAMILY("Submission", routes);
