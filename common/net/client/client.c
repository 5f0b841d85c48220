/* The client: one request at a time on a libcurl handle, driven by its multi interface so that a wait
 * ends when the cancel token does.  Connections are kept between requests.
 * Thread: the client's owner. */
#include "common/net/client/http_client.h"

#include "common/net/client/curl.h"
#include "common/net/tls/tls.h"
#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum {
    CONNECT_TIMEOUT_MS = 15 * 1000,
    REQUEST_TIMEOUT_MS = 5 * 60 * 1000,
    WAIT_MS = 1000,                 /* libcurl's own timers end a wait earlier */
    ANSWER_MAX = 100 * 1024 * 1024, /* bytes; Flink: rest.client.max-content-length */
};

struct http_client {
    const struct curl_functions *curl; /* Borrows */
    CURL *easy;                        /* Owns */
    CURLM *multi;                      /* Owns */
    struct curl_slist *headers;        /* Owns; those of every request */
    struct cancel_token *cancel;       /* a reference */
    struct tls_context *tls;           /* a reference; may be NULL */
    struct error tls_error;            /* why a connection could not be configured */
    int64_t connect_timeout_ms, timeout_ms;
    char message[CURL_ERROR_SIZE];
};

/* What one request collects. */
struct transfer {
    struct str answer;
    bool too_large;
};

static int add_headers(struct http_client *c, const char *const *headers, struct error *err)
{
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        if (strchr(headers[i], ':') == NULL || strpbrk(headers[i], "\r\n") != NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "the HTTP header number %zu is not of the form \"name: value\"",
                             i + 1);
        }
        c->headers = c->curl->slist_append(c->headers, headers[i]);
    }
    return 0;
}

int http_client_new(const struct http_client_options *options, struct http_client **ret,
                    struct error *err)
{
    static const struct http_client_options defaults = {0};
    const struct http_client_options *o = options != NULL ? options : &defaults;
    const struct curl_functions *curl = NULL;
    TRY(curl_load(&curl, err));
    struct http_client *c = MEM_NEW(struct http_client);
    c->curl = curl;
    c->easy = curl->easy_init();
    c->multi = curl->multi_init();
    c->cancel = o->cancel != NULL ? cancel_token_ref(o->cancel) : NULL;
    c->tls = o->tls != NULL ? tls_context_ref(o->tls) : NULL;
    c->connect_timeout_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    c->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : REQUEST_TIMEOUT_MS;
    int rc = add_headers(c, o->headers, err);
    if (rc == 0 && (c->easy == NULL || c->multi == NULL)) {
        rc = error_set(err, ERR_OUT_OF_MEMORY, "libcurl has no memory for a client");
    }
    if (rc < 0) {
        http_client_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

struct http_client *http_client_free(struct http_client *c)
{
    if (c != NULL) {
        if (c->easy != NULL) {
            c->curl->easy_cleanup(c->easy);
        }
        if (c->multi != NULL) {
            c->curl->multi_cleanup(c->multi);
        }
        c->curl->slist_free_all(c->headers);
        cancel_token_unref(c->cancel);
        tls_context_unref(c->tls);
        mem_free(c);
    }
    return NULL;
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    if (t->answer.len + size * n > ANSWER_MAX) {
        t->too_large = true;
        return 0; /* ends the transfer */
    }
    str_append(&t->answer, data, size * n);
    return size * n;
}

static int make_form(struct http_client *c, const struct http_exchange *x, curl_mime *mime,
                     struct error *err)
{
    const struct curl_functions *curl = c->curl;
    for (uint32_t i = 0; i < x->n_parts; i++) {
        const struct http_part *p = &x->parts[i];
        curl_mimepart *part = curl->mime_addpart(mime);
        CURLcode code = curl->mime_name(part, p->name);
        if (p->path != NULL) {
            if (code == CURLE_OK) {
                code = curl->mime_filedata(part, p->path);
            }
            if (code == CURLE_READ_ERROR) {
                return error_set_errno(err, errno != 0 ? errno : ENOENT, "reading %s to send it",
                                       p->path);
            }
        } else if (code == CURLE_OK) {
            code = curl->mime_data(part, p->data.len > 0 ? p->data.data : "", p->data.len);
        }
        if (code == CURLE_OK) {
            code = curl->mime_filename(part, p->filename);
        }
        if (code == CURLE_OK && p->content_type != NULL) {
            code = curl->mime_type(part, p->content_type);
        }
        if (code != CURLE_OK) {
            return error_set(err, ERR_INTERNAL, "making the form's part %s: %s", p->name,
                             curl->easy_strerror(code));
        }
    }
    return 0;
}

static void set_body(struct http_client *c, const struct http_exchange *x, curl_mime *mime)
{
    const struct curl_functions *curl = c->curl;
    bool is_get = strcmp(x->method, "GET") == 0;
    if (mime != NULL) {
        curl->easy_setopt(c->easy, CURLOPT_MIMEPOST, mime);
    } else if (x->body.len > 0 || !is_get) {
        curl->easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.len);
        curl->easy_setopt(c->easy, CURLOPT_POSTFIELDS, x->body.len > 0 ? x->body.data : "");
    }
    curl->easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, x->method);
}

static void set_options(struct http_client *c, const struct http_exchange *x, struct transfer *t,
                        const struct curl_slist *headers)
{
    const struct curl_functions *curl = c->curl;
    CURL *e = c->easy;
    c->message[0] = '\0';
    curl->easy_setopt(e, CURLOPT_URL, x->url);
    curl->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(e, CURLOPT_PROXY, ""); /* as Flink's client: the address as it is given */
    curl->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(e, CURLOPT_USERAGENT, "flinc/" FLINC_VERSION);
    curl->easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    curl->easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
    curl->easy_setopt(e, CURLOPT_ERRORBUFFER, c->message);
    curl->easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
    curl->easy_setopt(e, CURLOPT_WRITEDATA, t);
}

/* libcurl is about to connect: certificates, ciphers and checks are ours. */
static CURLcode on_ssl_context(CURL *easy, void *ssl_ctx, void *arg)
{
    struct http_client *c = arg;
    return tls_context_apply(c->tls, ssl_ctx, &c->tls_error) == 0 ? CURLE_OK
                                                                  : CURLE_SSL_CERTPROBLEM;
}

static int set_tls(struct http_client *c, struct error *err)
{
    const struct curl_functions *curl = c->curl;
    if (c->tls == NULL) {
        return 0;
    }
    error_clear(&c->tls_error);
    if (tls_context_has_trust(c->tls)) { /* and nobody else */
        curl->easy_setopt(c->easy, CURLOPT_CAINFO, NULL);
        curl->easy_setopt(c->easy, CURLOPT_CAPATH, NULL);
    }
    curl->easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl->easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, tls_context_verifies_host(c->tls) ? 2L : 0L);
    curl->easy_setopt(c->easy, CURLOPT_SSL_CTX_DATA, c);
    return curl->easy_setopt(c->easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context) == CURLE_OK
               ? 0
               : error_set(err, ERR_UNSUPPORTED,
                           "this libcurl does not use OpenSSL, which https needs (Debian: "
                           "apt-get install libcurl4)");
}

/* "http://user:secret@host:1/path?x" -> "http://host:1": what messages name. */
static void server_of(const char *url, char ret_server[256])
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme != NULL ? scheme + 3 : url;
    size_t host_len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', host_len);
    if (at != NULL) {
        host_len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    snprintf(ret_server, 256, "%.*s%.*s", scheme != NULL ? (int)(scheme + 3 - url) : 0, url,
             (int)MIN(host_len, (size_t)200), host);
}

static bool is_tls_error(CURLcode code)
{
    return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

/* What is known of a failure of TLS, with the keys to look at; 0: it was none. */
static int tls_failure(struct http_client *c, const char *server, CURLcode code, const char *why,
                       struct error *err)
{
    const bool in_tls = strstr(why, "SSL") != NULL || strstr(why, "alert") != NULL;
    if (c->tls == NULL || !is_tls_error(code)) {
        return 0;
    }
    if (c->tls_error.code != 0) {
        error_copy(err, &c->tls_error);
        return c->tls_error.code;
    }
    const char *note = tls_verify_note();
    if (code == CURLE_PEER_FAILED_VERIFICATION && note[0] == '\0' &&
        strstr(why, "verification failed") != NULL) { /* libcurl's word for the server's alert */
        return error_set(err, ERR_PERMISSION,
                         "%s refuses the connection: our certificate (security.ssl.rest.keystore) "
                         "has expired, it says",
                         server);
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        return error_set(err, ERR_PERMISSION,
                         "the certificate of %s is refused: %s; look at "
                         "security.ssl.rest.truststore%s",
                         server, note[0] != '\0' ? note : why,
                         note[0] == '\0' ? " and security.ssl.rest.verify-hostname" : "");
    }
    if (strstr(why, "wrong version number") != NULL || strstr(why, "packet length") != NULL) {
        return error_set(err, ERR_UNAVAILABLE,
                         "%s does not speak TLS: is security.ssl.rest.enabled the same there?",
                         server);
    }
    if (strstr(why, "alert") != NULL) {
        return error_set(err, ERR_PERMISSION,
                         "%s refuses the connection: %s; look at "
                         "security.ssl.rest.authentication-enabled and security.ssl.rest.keystore "
                         "(does it want a certificate?), security.ssl.algorithms and "
                         "security.ssl.protocol",
                         server, why);
    }
    return in_tls ? error_set(err, ERR_UNAVAILABLE,
                              "no connection with TLS to %s could be made: %s; is "
                              "security.ssl.rest.enabled the same there?",
                              server, why)
                  : 0;
}

static int transfer_error(struct http_client *c, const struct http_exchange *x,
                          const struct transfer *t, CURLcode code, struct error *err)
{
    char server[256];
    long cause = 0;
    double connected_s = 0;
    server_of(x->url, server);
    c->curl->easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &cause);
    c->curl->easy_getinfo(c->easy, CURLINFO_CONNECT_TIME, &connected_s);
    const char *why = c->message[0] != '\0' ? c->message : c->curl->easy_strerror(code);
    TRY(tls_failure(c, server, code, why, err));
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is no address of an HTTP server: %s",
                         server, why);
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(err, ERR_UNAVAILABLE, "could not connect to %s: %s", server, why);
    case CURLE_COULDNT_CONNECT:
        return error_set(err, ERR_UNAVAILABLE, "could not connect to %s: %s", server,
                         cause != 0 ? strerror((int)cause) : why);
    case CURLE_OPERATION_TIMEDOUT:
        if (connected_s == 0) {
            return error_set(err, ERR_TIMEOUT, "could not connect to %s: no answer in %lld ms",
                             server, (long long)MIN(c->connect_timeout_ms, c->timeout_ms));
        }
        return error_set(err, ERR_TIMEOUT, "%s %s: not answered in %lld ms", x->method, server,
                         (long long)c->timeout_ms);
    case CURLE_WRITE_ERROR:
        if (t->too_large) {
            return error_set(err, ERR_TOO_LARGE, "%s %s: the answer is larger than %d MB",
                             x->method, server, ANSWER_MAX / (1024 * 1024));
        }
        break;
    case CURLE_READ_ERROR:
        return error_set(err, ERR_IO, "%s %s: a file to send could not be read: %s", x->method,
                         server, why);
    default:
        break;
    }
    return error_set(err, ERR_UNAVAILABLE, "the connection to %s broke: %s", server, why);
}

/* Drives the added handle to its end. */
static int perform(struct http_client *c, const struct http_exchange *x, const struct transfer *t,
                   struct error *err)
{
    const struct curl_functions *curl = c->curl;
    struct curl_waitfd cancel_fd = {.fd = -1, .events = CURL_WAIT_POLLIN};
    if (c->cancel != NULL) {
        int fd = cancel_token_fd(c->cancel, err);
        TRY(fd);
        cancel_fd.fd = fd;
    }
    while (true) {
        int running = 0, left = 0;
        char server[256];
        server_of(x->url, server);
        TRY(cancel_token_check(c->cancel, server, err));
        CURLMcode code = curl->multi_perform(c->multi, &running);
        CURLMsg *done = curl->multi_info_read(c->multi, &left);
        if (done != NULL && done->msg == CURLMSG_DONE) {
            CURLcode result = done->data.result;
            return result == CURLE_OK ? 0 : transfer_error(c, x, t, result, err);
        }
        if (code == CURLM_OK) {
            code = curl->multi_poll(c->multi, &cancel_fd, c->cancel != NULL ? 1 : 0, WAIT_MS, NULL);
        }
        if (code != CURLM_OK) {
            return error_set(err, ERR_INTERNAL, "libcurl's multi interface failed with code %d",
                             (int)code);
        }
    }
}

int http_client_run(struct http_client *c, struct http_exchange *x, struct error *err)
{
    const struct curl_functions *curl = c->curl;
    struct transfer t = {.answer = STR_INIT};
    curl_mime *mime = NULL;
    struct curl_slist *headers = NULL;
    long status = 0;
    int rc = 0;
    curl->easy_reset(c->easy);
    for (const struct curl_slist *h = c->headers; h != NULL; h = h->next) {
        headers = curl->slist_append(headers, h->data);
    }
    if (x->n_parts > 0) {
        mime = curl->mime_init(c->easy);
        rc = make_form(c, x, mime, err);
    } else {
        STR_AUTO type = STR_INIT;
        str_printf(&type, "Content-Type: %s",
                   x->content_type != NULL ? x->content_type : "application/json; charset=UTF-8");
        headers = curl->slist_append(headers, str_cstr(&type));
    }
    if (rc == 0) {
        set_options(c, x, &t, headers);
        rc = set_tls(c, err);
    }
    if (rc == 0) {
        set_body(c, x, mime);
        curl->multi_add_handle(c->multi, c->easy);
        rc = perform(c, x, &t, err);
        curl->multi_remove_handle(c->multi, c->easy);
        curl->easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    }
    curl->easy_reset(c->easy); /* nothing of ours stays behind in it */
    curl->mime_free(mime);
    curl->slist_free_all(headers);
    if (rc < 0) {
        str_fini(&t.answer);
        return rc;
    }
    x->status = (int)status;
    x->answer = t.answer;
    return 0;
}
