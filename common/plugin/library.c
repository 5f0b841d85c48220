/* Loading of libraries on first use (library.h). */
#include "common/plugin/library.h"

#include <dlfcn.h>
#include <string.h>

static int load(struct library *l, struct error *err)
{
    void *handle = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return error_set(err, ERR_UNAVAILABLE, "%s needs %s, which could not be loaded: %s; %s",
                         l->needed_by, l->file, dlerror(), l->remedy);
    }
    for (size_t i = 0; i < l->n_symbols; i++) {
        void *symbol = dlsym(handle, l->symbols[i].name);
        if (symbol == NULL) {
            dlclose(handle);
            return error_set(err, ERR_UNAVAILABLE, "%s has no %s%s%s", l->file, l->symbols[i].name,
                             l->no_symbol != NULL ? ": " : "",
                             l->no_symbol != NULL ? l->no_symbol : "");
        }
        memcpy((char *)l->functions + l->symbols[i].at, &symbol, sizeof(symbol));
    }
    return l->start != NULL ? l->start(l, err) : 0;
}

int library_load(struct library *l, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    if (!l->is_loaded) {
        rc = load(l, err);
        l->is_loaded = rc == 0;
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}
