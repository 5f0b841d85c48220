/* Routes of uploaded bundles: list, upload, remove, plan, run.  (Flink's bundles are jars; so the paths.) */
#include "engine/graph/job_graph.h"
#include "jobmanager/rest/bundle_dir.h"
#include "jobmanager/rest/jar_request.h"
#include "jobmanager/rest/submission.h"

/* Are bundles taken at all?  Otherwise the answer is Flink's: the route is not there. */
static bool enabled(struct rest_server *s, const struct http_request *rq, struct http_response *rs)
{
    if (s->features.submit && !s->o.application_mode) {
        return true;
    }
    rest_fail(rs, 404, "Not found: %s (%s)", http_request_path(rq),
              s->o.application_mode ? "this cluster runs one application and takes no bundles"
                                    : "web.submit.enable is false");
    return false;
}

/* ---- list, upload, remove ------------------------------------------------------------------------- */

static void write_bundle(struct json_writer *w, const struct bundle *b)
{
    json_writer_object(w);
    json_writer_put_string(w, "id", b->id);
    json_writer_put_string(w, "name", b->name);
    json_writer_put_int(w, "uploaded", b->uploaded_ms);
    json_writer_key(w, "entry");
    json_writer_array(w);
    if (b->entry[0] != '\0') {
        json_writer_object(w);
        json_writer_put_string(w, "name", b->entry);
        json_writer_key(w, "description");
        json_writer_null(w);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
}

static int jars_list(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    struct rest_server *s = owner;
    struct vec bundles;
    const char *host = http_request_header(rq, "Host");
    if (!enabled(s, rq, rs)) {
        return 0;
    }
    bundle_dir_list(s->bundles_dir, &bundles);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "address");
    json_writer_printf(w, "%s://%s", s->tls != NULL ? "https" : "http",
                       host != NULL ? host : "localhost");
    json_writer_key(w, "files");
    json_writer_array(w);
    for (size_t i = 0; i < bundles.len; i++) {
        write_bundle(w, VEC_AT(&bundles, struct bundle, i));
    }
    json_writer_end(w);
    json_writer_end(w);
    vec_fini(&bundles);
    return 0;
}

static int jars_upload(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *unused)
{
    struct rest_server *s = owner;
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    if (!enabled(s, rq, rs)) {
        return 0;
    }
    if (http_request_n_uploads(rq) != 1) {
        return rest_fail(rs, 400, "Exactly 1 file must be sent, received %u.",
                         http_request_n_uploads(rq));
    }
    const struct http_upload *u = http_request_upload(rq, 0);
    if (bundle_check_upload(u->path, u->filename, &err) < 0) {
        return rest_fail(rs, 400, "%s", err.message);
    }
    if (bundle_dir_add(s->bundles_dir, REST_BUNDLES_MAX, u->path, u->filename, &path, &err) < 0) {
        return err.code == ERR_LIMIT ? rest_fail(rs, 409, "%s", err.message)
                                     : rest_fail_error(rs, &err);
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_put_string(w, "filename", str_cstr(&path));
    json_writer_put_string(w, "status", "success");
    json_writer_end(w);
    return 0;
}

static int jars_delete(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *unused)
{
    struct rest_server *s = owner;
    struct error err = ERROR_INIT;
    if (!enabled(s, rq, rs)) {
        return 0;
    }
    if (bundle_dir_remove(s->bundles_dir, http_request_param(rq, "jarid"), &err) < 0) {
        return err.code == ERR_NOT_FOUND ? rest_fail(rs, 400, "%s", err.message)
                                         : rest_fail_error(rs, &err);
    }
    return rest_done(rs, 200);
}

/* ---- building ------------------------------------------------------------------------------------- */

static const char *query_of_request(const void *arg, const char *name)
{
    return http_request_query(arg, name);
}

/* Entries of a configuration as a message has them; in an arena. */
static Flinc__KeyValue **key_values(struct arena *arena, size_t n)
{
    Flinc__KeyValue **list = arena_alloc(arena, MAX(n, (size_t)1) * sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        list[i] = arena_alloc(arena, sizeof(**list));
        flinc__key_value__init(list[i]);
    }
    return list;
}

static void fill_cluster_config(Flinc__BuildRequest *b, const struct conf *conf,
                                struct arena *arena)
{
    b->config = key_values(arena, conf->entries.len);
    MAP_FOREACH (&conf->entries, e) {
        const struct conf_entry *entry = e->value;
        Flinc__KeyValue *kv = b->config[b->n_config++];
        kv->key = arena_strdup(arena, entry->key);
        kv->value = arena_strdup(arena, entry->value);
    }
}

/* The job's own entries, which must be valid over the cluster's. */
static int fill_job_config(Flinc__BuildRequest *b, const struct jar_request *r, struct arena *arena,
                           struct error *err)
{
    struct conf check;
    int rc = 0;
    conf_init(&check, NULL);
    b->job_config = key_values(arena, r->keys.len + 1);
    for (size_t i = 0; i < r->keys.len && rc == 0; i++) {
        Flinc__KeyValue *kv = b->job_config[b->n_job_config++];
        kv->key = vec_ptr(&r->keys, i);
        kv->value = vec_ptr(&r->values, i);
        rc = conf_set_at(&check, (struct conf_place){CONF_ORIGIN_FILE, "flinkConfiguration", 0},
                         kv->key, kv->value, err);
    }
    if (r->parallelism > 0) { /* part of the job, as clients see its configuration */
        Flinc__KeyValue *kv = b->job_config[b->n_job_config++];
        kv->key = (char *)"parallelism.default";
        kv->value = arena_printf(arena, "%d", r->parallelism);
    }
    conf_fini(&check);
    return rc;
}

/* Runs the bundle's main in a child.  The caller frees the graph. */
static int build(struct rest_server *s, const struct jar_request *r, const struct bundle *bundle,
                 const char *path, bool plan_only, Flinc__JobGraph **ret, struct error *err)
{
    struct arena arena;
    Flinc__BuildRequest b = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    arena_init(&arena, 0);
    b.bundle_path = (char *)path;
    b.bundle_name = (char *)bundle->name;
    b.entry = r->entry != NULL ? r->entry : b.entry;
    b.args = r->args.data;
    b.n_args = r->args.len;
    b.parallelism = r->parallelism;
    b.plan_only = plan_only;
    if (r->has_job_id) {
        b.job_id.data = (uint8_t *)r->job_id.bytes;
        b.job_id.len = sizeof(r->job_id.bytes);
    }
    fill_cluster_config(&b, s->o.conf, &arena);
    int rc = fill_job_config(&b, r, &arena, err);
    if (rc == 0) {
        rc = job_builder_run(s->o.builder, &b, s->stopping, &answer, err);
    }
    arena_fini(&arena);
    if (rc < 0) {
        return rc;
    }
    if (answer->error != NULL && answer->error->code < 0) {
        rc = error_set(err, answer->error->code, "%s", answer->error->message);
    } else if (answer->graph.len == 0) {
        rc = error_set(err, ERR_INVALID_ARGUMENT, "No jobs included in application.");
    } else {
        rc = job_graph_decode(answer->graph.data, answer->graph.len, ret, err);
    }
    flinc__build_answer__free_unpacked(answer, NULL);
    return rc;
}

static int answer_error(struct http_response *rs, const struct error *e)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    error_format(e, text, sizeof(text));
    switch (e->code) {
    case ERR_ALREADY_EXISTS:
        return rest_fail(rs, 409, "Could not execute application. %s", text);
    case ERR_TIMEOUT:
        return rest_fail(rs, 408, "Could not execute application. %s", text);
    case ERR_LIMIT:
    case ERR_CANCELLED:
    case ERR_CLOSED:
    case ERR_UNAVAILABLE:
        return rest_fail(rs, 503, "Could not execute application. %s", text);
    default:
        return rest_fail(rs, 400, "Could not execute application. %s", text);
    }
}

/* What plan and run have in common: the request, the bundle, its graph.  False: the answer is made. */
struct built {
    struct bundle bundle;
    struct str path;
    Flinc__JobGraph *graph; /* Owns */
};
static bool build_requested(struct rest_server *s, const struct http_request *rq,
                            struct http_response *rs, bool plan_only, struct built *ret)
{
    struct error err = ERROR_INIT;
    struct jar_request r;
    const struct json_node *body;
    if (!enabled(s, rq, rs) || !rest_body_object(rq, rs, "JarRequestBody", &body)) {
        return false;
    }
    if (bundle_dir_find(s->bundles_dir, http_request_param(rq, "jarid"), &ret->bundle, &ret->path,
                        &err) < 0 ||
        jar_request_parse(&r, body, query_of_request, rq, &err) < 0) {
        rest_fail(rs, 400, "%s", err.message);
        return false;
    }
    int rc = build(s, &r, &ret->bundle, str_cstr(&ret->path), plan_only, &ret->graph, &err);
    jar_request_fini(&r);
    if (rc < 0) {
        answer_error(rs, &err);
    }
    return rc == 0;
}

/* ---- plan and run --------------------------------------------------------------------------------- */

static int jars_plan(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    struct built b = {0};
    if (build_requested(owner, rq, rs, true, &b)) {
        STR_AUTO plan = STR_INIT;
        job_graph_plan_json(b.graph, &plan);
        struct json_writer *w = http_response_json(rs);
        json_writer_object(w);
        json_writer_key(w, "plan");
        json_writer_raw(w, str_slice(&plan));
        json_writer_end(w);
        flinc__job_graph__free_unpacked(b.graph, NULL);
    }
    str_fini(&b.path);
    return 0;
}

/* True: the job runs; otherwise the answer is made. */
static bool run(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                struct flinc_id *ret_id)
{
    struct error err = ERROR_INIT;
    struct built b = {0};
    bool ok = false;
    if (build_requested(s, rq, rs, false, &b)) {
        const struct library_file file = {NULL, str_cstr(&b.path)};
        ok = submission_run(s, b.graph, &file, 1, ret_id, &err) == 0;
        if (!ok) {
            answer_error(rs, &err);
        }
    }
    str_fini(&b.path);
    return ok;
}

static int jars_run(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    struct flinc_id id;
    if (run(owner, rq, rs, &id)) {
        struct json_writer *w = http_response_json(rs);
        json_writer_object(w);
        rest_put_id(w, "jobid", &id);
        rest_put_id(w, "applicationId", &id);
        json_writer_end(w);
    }
    return 0;
}

static int jars_run_application(void *owner, const struct http_request *rq,
                                struct http_response *rs, struct error *err)
{
    struct flinc_id id;
    if (run(owner, rq, rs, &id)) {
        http_response_status(rs, 202);
        struct json_writer *w = http_response_json(rs);
        json_writer_object(w);
        rest_put_id(w, "applicationid", &id);
        json_writer_end(w);
    }
    return 0;
}

static const struct rest_route routes[] = {
    REST_ROW(GET, "/jars", HTTP_BLOCKING, jars_list,
             "Uploaded bundles with their jobs, newest first.", "-", "JarListInfo"),
    REST_ROW(POST, "/jars/upload", HTTP_BLOCKING | HTTP_UPLOAD, jars_upload,
             "Uploads a bundle (.so).", "file", "JarUploadResponseBody"),
    REST_ROW(DELETE, "/jars/:jarid", HTTP_BLOCKING, jars_delete, "Removes an uploaded bundle.", "-",
             "-"),
    REST_ROW(GET, "/jars/:jarid/plan", HTTP_BLOCKING, jars_plan, "The plan of a bundle's job.",
             "JarPlanRequestBody", "JobPlanInfo"),
    REST_ROW(POST, "/jars/:jarid/plan", HTTP_BLOCKING, jars_plan, "The plan of a bundle's job.",
             "JarPlanRequestBody", "JobPlanInfo"),
    REST_ROW(POST, "/jars/:jarid/run", HTTP_BLOCKING, jars_run, "Runs a bundle's job.",
             "JarRunRequestBody", "JarRunResponseBody"),
    REST_ROW(POST, "/jars/:jarid/run-application", HTTP_BLOCKING, jars_run_application,
             "The same, in Flink 2.3's words.", "JarRunApplicationRequestBody",
             "JarRunApplicationResponseBody"),
};
const struct rest_family rest_jars_family = REST_FAMILY("Bundles", routes);
