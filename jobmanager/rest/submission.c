/* Matching libraries to files, putting them into the blob store, handing the job to the dispatcher. */
#include "jobmanager/rest/submission.h"
#include "engine/graph/job_graph.h"

static const struct library_file *find_file(const struct library_file *files, size_t n,
                                            const Flinc__Library *l)
{
    for (size_t i = 0; i < n; i++) {
        if (files[i].name != NULL ? strcmp(files[i].name, l->name) == 0
                                  : strcmp(files[i].path, l->path) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

/* Names all that are missing, so that people need to try once only. */
static int check_libraries(const Flinc__JobGraph *g, const struct library_file *files, size_t n,
                           struct error *err)
{
    STR_AUTO missing = STR_INIT;
    for (size_t i = 0; i < g->n_libraries; i++) {
        if (find_file(files, n, g->libraries[i]) == NULL) {
            str_printf(&missing, "%s%.200s", missing.len > 0 ? ", " : "",
                       g->libraries[i]->name[0] != '\0' ? g->libraries[i]->name
                                                        : "(the client's own program)");
        }
    }
    if (missing.len == 0) {
        return 0;
    }
    return error_set(
        err, ERR_NOT_FOUND,
        "the job's functions live in libraries that did not come with it: %s. A bundle "
        "must hold all of its functions; a client sends libraries beside the graph "
        "and names them in jobJarFileNames.",
        str_cstr(&missing));
}

static int put_libraries(struct rest_server *s, struct job_submission *sub,
                         const struct library_file *files, size_t n, struct error *err)
{
    const Flinc__JobGraph *g = sub->graph;
    sub->blobs = MEM_NEW_ARRAY(struct blob_key, MAX(g->n_libraries, (size_t)1));
    for (size_t i = 0; i < g->n_libraries; i++) {
        Flinc__Library *l = g->libraries[i];
        const struct library_file *f = find_file(files, n, l);
        uint64_t size;
        TRY_CTX(err,
                blob_store_put_file(s->o.blobs, f->path, &sub->blobs[sub->n_blobs], &size, err),
                "storing the library %s", l->name);
        sub->n_blobs++;
    }
    return 0;
}

int submission_run(struct rest_server *s, Flinc__JobGraph *take_graph,
                   const struct library_file *files, size_t n_files, struct flinc_id *ret_id,
                   struct error *err)
{
    struct job_submission sub = {.graph = take_graph};
    struct flinc_id id;
    int rc = check_libraries(take_graph, files, n_files, err);
    if (rc == 0) {
        rc = put_libraries(s, &sub, files, n_files, err);
    }
    if (rc < 0) {
        job_submission_fini(&sub, s->o.blobs);
        return rc;
    }
    memcpy(id.bytes, take_graph->job_id.data, sizeof(id.bytes)); /* 16 bytes: it was validated */
    TRY(dispatcher_submit_sync(s->o.dispatcher, &sub, REST_SUBMIT_TIMEOUT_MS, err));
    *ret_id = id;
    return 0;
}
