/* Loading of libcurl.  Thread: any (a lock guards the first load). */
#include "common/net/client/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static const char library[] = "libcurl.so.4";

#define CURL_ROW(field)                                        \
    {                                                          \
        "curl_" #field, offsetof(struct curl_functions, field) \
    }
static const struct {
    const char *symbol;
    size_t at; /* in struct curl_functions */
} symbols[] = {
    CURL_ROW(global_init),         CURL_ROW(easy_init),     CURL_ROW(easy_setopt),
    CURL_ROW(easy_getinfo),        CURL_ROW(easy_reset),    CURL_ROW(easy_cleanup),
    CURL_ROW(easy_strerror),       CURL_ROW(multi_init),    CURL_ROW(multi_setopt),
    CURL_ROW(multi_wakeup),        CURL_ROW(multi_cleanup), CURL_ROW(multi_add_handle),
    CURL_ROW(multi_remove_handle), CURL_ROW(multi_perform), CURL_ROW(multi_poll),
    CURL_ROW(multi_info_read),     CURL_ROW(slist_append),  CURL_ROW(slist_free_all),
    CURL_ROW(mime_init),           CURL_ROW(mime_free),     CURL_ROW(mime_addpart),
    CURL_ROW(mime_name),           CURL_ROW(mime_filename), CURL_ROW(mime_type),
    CURL_ROW(mime_data),           CURL_ROW(mime_filedata),
};
_Static_assert(ARRAY_LEN(symbols) * sizeof(void *) == sizeof(struct curl_functions),
               "a row per function");

static struct curl_functions functions;
static bool loaded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int load(struct error *err)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return error_set(err, ERR_UNAVAILABLE,
                         "the HTTP client needs %s, which could not be loaded: %s; install libcurl "
                         "(Debian: apt-get install libcurl4)",
                         library, dlerror());
    }
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].symbol);
        if (symbol == NULL) {
            dlclose(handle);
            return error_set(err, ERR_UNAVAILABLE,
                             "%s has no %s: it is too old, 7.85 or newer is needed", library,
                             symbols[i].symbol);
        }
        memcpy((char *)&functions + symbols[i].at, &symbol, sizeof(symbol));
    }
    CURLcode code = functions.global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK) {
        return error_set(err, ERR_UNAVAILABLE, "%s could not start: %s", library,
                         functions.easy_strerror(code));
    }
    loaded = true; /* for the life of the process: it may have threads of its own */
    return 0;
}

int curl_load(const struct curl_functions **ret_curl, struct error *err)
{
    pthread_mutex_lock(&lock);
    int rc = loaded ? 0 : load(err);
    pthread_mutex_unlock(&lock);
    if (rc < 0) {
        return rc;
    }
    *ret_curl = &functions;
    return 0;
}
