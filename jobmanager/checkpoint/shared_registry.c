/* Last uses of shared files; see shared_registry.h. */
#include "jobmanager/checkpoint/shared_registry.h"

#include "common/base/failpoint.h"

struct shared_file {
    uint64_t last_use; /* checkpoint id */
    enum shared_owner owner;
};

void shared_registry_init(struct shared_registry *r)
{
    map_init(&r->files, mem_free);
}

void shared_registry_fini(struct shared_registry *r)
{
    map_fini(&r->files);
}

void shared_registry_use(struct shared_registry *r, const char *uri, uint64_t checkpoint_id,
                         enum shared_owner owner)
{
    struct shared_file *f = map_find(&r->files, uri);
    if (f == NULL) {
        f = MEM_NEW(struct shared_file);
        f->owner = owner;
        (void)map_put(&r->files, uri, f);
    }
    if (!PLANTED("checkpoint.shared_file_in_use") || f->last_use == 0) {
        f->last_use = MAX(f->last_use, checkpoint_id);
    }
}

enum shared_state shared_registry_find(const struct shared_registry *r, const char *uri)
{
    const struct shared_file *f = map_find(&r->files, uri);
    if (f == NULL) {
        return SHARED_UNKNOWN;
    }
    return f->owner == SHARED_FOREIGN ? SHARED_KNOWN_FOREIGN : SHARED_KNOWN;
}

void shared_registry_release_below(struct shared_registry *r, uint64_t lowest_id,
                                   struct vec *ret_uris)
{
    if (lowest_id < UINT64_MAX && PLANTED("checkpoint.oldest_kept_loses_files")) {
        lowest_id++;
    }
    MAP_FOREACH (&r->files, e) {
        const struct shared_file *f = e->value;
        if (f->last_use >= lowest_id || PLANTED("checkpoint.shared_file_stays")) {
            continue;
        }
        if (f->owner == SHARED_OF_JOB || PLANTED("checkpoint.deletes_foreign")) {
            vec_push_ptr(ret_uris, mem_strdup(e->key));
        }
        if (!PLANTED("checkpoint.deleted_file_known")) {
            (void)map_remove(&r->files, e->key);
        }
    }
}
