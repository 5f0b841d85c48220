/* Inside the room: libcurl, loaded on first use and kept, as a struct of its functions.  Nothing links
 * it, so that processes that never ask pay nothing for it.  Thread: any. */
#ifndef FLINC_COMMON_NET_CLIENT_CURL_H
#define FLINC_COMMON_NET_CLIENT_CURL_H

#include "common/base/error.h"

/* Its calls are checked by macros of its header, which do not know function pointers. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

struct curl_functions {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
    void (*easy_reset)(CURL *curl);
    CURLcode (*easy_pause)(CURL *curl, int bits);
    void (*easy_cleanup)(CURL *curl);
    const char *(*easy_strerror)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_wakeup)(CURLM *multi);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *curl);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *curl);
    CURLMcode (*multi_perform)(CURLM *multi, int *ret_running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd fds[], unsigned n_fds, int timeout_ms,
                            int *ret_ready);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *ret_left);
    CURLSH *(*share_init)(void);
    CURLSHcode (*share_setopt)(CURLSH *share, CURLSHoption option, ...);
    CURLSHcode (*share_cleanup)(CURLSH *share);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    curl_mime *(*mime_init)(CURL *curl);
    void (*mime_free)(curl_mime *mime);
    curl_mimepart *(*mime_addpart)(curl_mime *mime);
    CURLcode (*mime_name)(curl_mimepart *part, const char *name);
    CURLcode (*mime_filename)(curl_mimepart *part, const char *name);
    CURLcode (*mime_type)(curl_mimepart *part, const char *type);
    CURLcode (*mime_data)(curl_mimepart *part, const char *data, size_t len);
    CURLcode (*mime_filedata)(curl_mimepart *part, const char *path);
};

/* ERR_UNAVAILABLE: the library is not installed. */
int curl_load(const struct curl_functions **ret_curl, struct error *err) MUST_CHECK;

#endif
