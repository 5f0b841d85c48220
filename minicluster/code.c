/* Turns function references into addresses; see code.h. */
#include "minicluster/code.h"
#include "common/plugin/code_library.h"
#include "common/plugin/shared_object.h"

static int load_library(struct local_code *c, const Flinc__Library *l, struct error *err)
{
    struct code_library found;
    struct error ignored = ERROR_INIT;

    if (map_has(&c->libraries, l->name)) {
        return 0;
    }
    int rc = code_library_find(&found, l->path, l->build_id, &ignored);
    if (rc == ERR_NOT_FOUND) {
        struct shared_object so = {NULL, NULL};
        TRY(shared_object_open(&so, l->path, err));
        *VEC_PUSH(&c->opened, struct shared_object) = so;
        rc = code_library_find(&found, l->path, l->build_id, &ignored);
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

static int code_load(struct code_resolver *resolver, Flinc__Library *const *libraries,
                     size_t n_libraries, struct error *err)
{
    struct local_code *c = (struct local_code *)resolver;
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
    struct local_code *c = (struct local_code *)resolver;

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

void local_code_init(struct local_code *c)
{
    c->resolver = (struct code_resolver){.load = code_load, .resolve = code_resolve};
    pthread_mutex_init(&c->lock, NULL);
    map_init(&c->libraries, mem_free);
    vec_init(&c->opened, sizeof(struct shared_object));
}

void local_code_fini(struct local_code *c)
{
    map_fini(&c->libraries);
    for (size_t i = 0; i < c->opened.len; i++) {
        shared_object_close(VEC_AT(&c->opened, struct shared_object, i));
    }
    vec_fini(&c->opened);
    pthread_mutex_destroy(&c->lock);
}
