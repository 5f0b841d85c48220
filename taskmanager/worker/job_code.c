/* Turns function references into addresses; see job_code.h. */
#include "taskmanager/worker/job_code.h"
#include "common/plugin/code_library.h"
#include "common/plugin/shared_object.h"
#include "engine/userfunctions/userfunctions.h"

/* Where the library lies.  ERR_INVALID_ARGUMENT: a hash that is none. */
static int library_path(const struct job_code *c, const Flinc__Library *l, struct str *ret_path,
                        struct error *err)
{
    if (c->blob_dir == NULL) {
        str_append_cstr(ret_path, l->path);
        return 0;
    }
    if (l->content_hash.len != JOB_CODE_HASH_BYTES) {
        return error_set(err, ERR_INVALID_ARGUMENT, "library '%s' comes without its content hash",
                         l->name);
    }
    str_printf(ret_path, "%s/", c->blob_dir);
    for (size_t i = 0; i < l->content_hash.len; i++) {
        str_printf(ret_path, "%02x", l->content_hash.data[i]);
    }
    str_append_cstr(ret_path, ".so");
    return 0;
}

static int open_library(struct job_code *c, const Flinc__Library *l, const char *path,
                        struct error *err)
{
    struct code_library found;
    struct error ignored = ERROR_INIT;

    int rc = code_library_find(&found, path, l->build_id, &ignored);
    if (rc == ERR_NOT_FOUND) {
        struct shared_object so = {NULL, NULL};
        TRY(shared_object_open(&so, path, err));
        *VEC_PUSH(&c->opened, struct shared_object) = so;
        rc = code_library_find(&found, path, l->build_id, &ignored);
    }
    if (rc < 0) {
        if (err != NULL) {
            error_copy(err, &ignored);
        }
        return rc;
    }
    (void)map_put(&c->libraries, l->name, mem_dup(&found, sizeof(found)));
    return 0;
}

static int load_library(struct job_code *c, const Flinc__Library *l, struct error *err)
{
    STR_AUTO path = STR_INIT;

    if (map_has(&c->libraries, l->name)) {
        return 0;
    }
    TRY(library_path(c, l, &path, err));
    TRY_CTX(err, open_library(c, l, str_cstr(&path), err), "loading library '%s' of the job",
            l->name);
    return user_library_add(l->name, str_cstr(&path), err);
}

static int code_load(struct code_resolver *resolver, Flinc__Library *const *libraries,
                     size_t n_libraries, struct error *err)
{
    struct job_code *c = (struct job_code *)resolver;
    int rc = 0;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < n_libraries && rc == 0; i++) {
        rc = load_library(c, libraries[i], err);
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static int code_resolve(struct code_resolver *resolver, const Flinc__FunctionRef *ref,
                        void **ret_fn, struct error *err)
{
    struct job_code *c = (struct job_code *)resolver;

    pthread_mutex_lock(&c->lock);
    const struct code_library *l = map_find(&c->libraries, ref->library);
    pthread_mutex_unlock(&c->lock);
    if (l == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "function '%s' lies in library '%s', which the job does not have",
                         ref->name, ref->library);
    }
    TRY_CTX(err, code_library_address(l, ref->offset, ret_fn, err), "resolving function '%s'",
            ref->name);
    return 0;
}

void job_code_init(struct job_code *c, const char *blob_dir)
{
    c->blob_dir = mem_strdup(blob_dir);
    c->resolver = (struct code_resolver){.load = code_load, .resolve = code_resolve};
    pthread_mutex_init(&c->lock, NULL);
    map_init(&c->libraries, mem_free);
    vec_init(&c->opened, sizeof(struct shared_object));
}

void job_code_fini(struct job_code *c)
{
    map_fini(&c->libraries);
    for (size_t i = 0; i < c->opened.len; i++) {
        shared_object_close(VEC_AT(&c->opened, struct shared_object, i));
    }
    vec_fini(&c->opened);
    mem_free(c->blob_dir);
    pthread_mutex_destroy(&c->lock);
}
