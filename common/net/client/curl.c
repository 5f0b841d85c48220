/* Loading of libcurl.  Thread: any. */
#include "common/net/client/curl.h"

#include "common/plugin/library.h"

#define ROW(field) LIBRARY_SYMBOL(struct curl_functions, "curl_", field)
static const struct library_symbol symbols[] = {
    ROW(global_init),         ROW(easy_init),      ROW(easy_setopt),   ROW(easy_getinfo),
    ROW(easy_reset),          ROW(easy_cleanup),   ROW(easy_strerror), ROW(multi_init),
    ROW(multi_setopt),        ROW(multi_wakeup),   ROW(multi_cleanup), ROW(multi_add_handle),
    ROW(multi_remove_handle), ROW(multi_perform),  ROW(multi_poll),    ROW(multi_info_read),
    ROW(slist_append),        ROW(slist_free_all), ROW(mime_init),     ROW(mime_free),
    ROW(mime_addpart),        ROW(mime_name),      ROW(mime_filename), ROW(mime_type),
    ROW(mime_data),           ROW(mime_filedata),  ROW(easy_pause),    ROW(share_init),
    ROW(share_setopt),        ROW(share_cleanup),
};
LIBRARY_HAS_ALL(symbols, struct curl_functions);

static struct curl_functions functions;

static int start(const struct library *library, struct error *err)
{
    CURLcode code = functions.global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK ? 0
                            : error_set(err, ERR_UNAVAILABLE, "%s could not start: %s",
                                        library->file, functions.easy_strerror(code));
}

static struct library library = {
    .file = "libcurl.so.4",
    .needed_by = "the HTTP client",
    .remedy = "install libcurl (Debian: apt-get install libcurl4)",
    .no_symbol = "it is too old, 7.85 or newer is needed",
    .symbols = symbols,
    .n_symbols = ARRAY_LEN(symbols),
    .functions = &functions,
    .start = start,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

int curl_load(const struct curl_functions **ret_curl, struct error *err)
{
    TRY(library_load(&library, err));
    *ret_curl = &functions;
    return 0;
}
