/* Folders of local state; see local_dirs.h. */
#include "engine/snapshot/local_dirs.h"

#include "common/base/mem.h"
#include "common/base/str.h"

void local_dirs_add(struct local_dirs *d, const char *path)
{
    ASSERT(d->n < LOCAL_DIRS_MAX);
    d->paths = mem_realloc(d->paths, (d->n + 1) * sizeof(d->paths[0]));
    d->paths[d->n++] = mem_strdup(path);
}

void local_dirs_copy(const struct local_dirs *from, const char *name, struct local_dirs *ret)
{
    STR_AUTO path = STR_INIT;
    *ret = (struct local_dirs){.paths = NULL};
    for (uint32_t i = 0; i < from->n; i++) {
        str_clear(&path);
        str_append_cstr(&path, from->paths[i]);
        if (name != NULL) {
            str_printf(&path, "/%s", name);
        }
        local_dirs_add(ret, str_cstr(&path));
    }
}

void local_dirs_fini(struct local_dirs *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        mem_free(d->paths[i]);
    }
    mem_free(d->paths);
    *d = (struct local_dirs){.paths = NULL};
}

const char *local_dirs_of(const struct local_dirs *d, uint64_t checkpoint_id)
{
    return d->paths[checkpoint_id % d->n];
}
