/* The ZooKeeper client library; see zookeeper_api.h. */
#include "common/ha/zookeeper_api.h"

#include <dlfcn.h>
#include <pthread.h>

#define LIBRARY "libzookeeper_mt.so.2"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct zookeeper_api api;
static bool loaded;

static int find(void *library, const char *name, void *ret_function, struct error *err)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         LIBRARY
                         " has no function %s: version 3.5 or newer of the ZooKeeper C client "
                         "is needed (Debian: libzookeeper-mt2)",
                         name);
    }
    *(void **)ret_function = found;
    return 0;
}

static int load(struct error *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "high-availability.type: zookeeper needs the library " LIBRARY
                         " (Debian: apt-get install libzookeeper-mt2): %s",
                         dlerror());
    }
#define ZK_FIND(name, result, parameters) TRY(find(library, #name, (void *)&api.name, err));
    ZK_FUNCTIONS(ZK_FIND)
#undef ZK_FIND
    api.zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
    loaded = true;
    return 0;
}

int zookeeper_api_get(const struct zookeeper_api **ret, struct error *err)
{
    pthread_mutex_lock(&lock);
    int rc = loaded ? 0 : load(err);
    pthread_mutex_unlock(&lock);
    *ret = &api;
    return rc;
}
