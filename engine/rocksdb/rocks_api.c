/* Loading of librocksdb; what it says of failures.  Thread: any (a lock guards the first load). */
#include "engine/rocksdb/rocks_api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static const char library[] = "librocksdb.so.7.8";

static struct rocks_api functions;
static bool loaded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define ROCKS_ROW(name) {"rocksdb_" #name, offsetof(struct rocks_api, name)},
static const struct {
    const char *symbol;
    size_t at; /* in struct rocks_api */
} symbols[] = {ROCKS_FUNCTIONS(ROCKS_ROW)};

static int load(struct error *err)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return error_set(
            err, ERR_UNAVAILABLE,
            "state.backend.type rocksdb needs %s, which could not be loaded: %s; install "
            "RocksDB 7.8 (Debian: apt-get install librocksdb7.8), or choose hashmap",
            library, dlerror());
    }
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].symbol);
        if (symbol == NULL) {
            dlclose(handle);
            return error_set(err, ERR_UNAVAILABLE,
                             "%s has no %s: another version of RocksDB has its name", library,
                             symbols[i].symbol);
        }
        memcpy((char *)&functions + symbols[i].at, &symbol, sizeof(symbol));
    }
    loaded = true; /* for the life of the process: it has threads of its own */
    return 0;
}

int rocks_api_load(const struct rocks_api **ret_api, struct error *err)
{
    pthread_mutex_lock(&lock);
    int rc = loaded ? 0 : load(err);
    pthread_mutex_unlock(&lock);
    if (rc < 0) {
        return rc;
    }
    *ret_api = &functions;
    return 0;
}

int rocks_check(const struct rocks_api *api, char *take_text, const char *what, struct error *err)
{
    if (take_text == NULL) {
        return 0;
    }
    enum error_code code = strncmp(take_text, "Corruption", 10) == 0    ? ERR_CORRUPT
                           : strstr(take_text, "No space left") != NULL ? ERR_NO_SPACE
                                                                        : ERR_IO;
    int rc = error_set(err, code, "%s: %s", what, take_text);
    /* Local files are copies of checkpoints, or go back to one: a damaged one is no reason to give up. */
    error_set_class(err, ERROR_CLASS_TRANSIENT);
    api->free(take_text);
    return rc;
}
