/* The thread that drives exchanges, by libcurl's multi interface (transfer.h). */
#include "common/fs/remote/transfer.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/thread.h"
#include "common/base/vec.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { WAIT_MS = 1000 };

struct transfer {
    const struct curl_functions *curl; /* Borrows */
    struct transfer_options options;   /* ca_file Owns */
    CURLM *multi;                      /* Owns */
    CURLSH *cookies;                   /* Owns; of servers that ask who we are */
    struct vec idle;                   /* CURL *: handles to be used again; Owns */
    struct vec running;                /* struct exchange * */
    struct vec delayed;                /* struct exchange * */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    struct vec queue; /* struct exchange *: asked for; guarded by lock */
    struct vec pokes; /* struct exchange *, maybe gone; guarded by lock */
    bool is_ending;   /* guarded by lock */
};

/* ---- exchanges --------------------------------------------------------------------------------------- */

void exchange_reset(struct exchange *x)
{
    x->code = 0;
    x->why = (struct error)ERROR_INIT;
    x->status = 0;
    x->sink_used = 0;
    str_clear(&x->answer);
    str_clear(&x->location);
    x->no_ticket[0] = '\0';
    x->etag[0] = x->date[0] = x->modified[0] = x->region[0] = x->writer[0] = x->crc32c[0] =
        x->checksum_algorithm[0] = '\0';
    x->content_length = 0;
    x->has_content_length = false;
    x->retry_after_s = -1;
    x->was_sent = false;
    x->source_bytes = 0;
}

void exchange_fini(struct exchange *x)
{
    str_fini(&x->answer);
    str_fini(&x->location);
}

/* ---- callbacks of libcurl ----------------------------------------------------------------------------- */

static bool is_good(const struct exchange *x)
{
    return x->status >= 200 && x->status < 300;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    n *= size;
    if (x->sink != NULL && is_good(x)) {
        if (n > x->sink_size - x->sink_used) {
            x->code = error_set(&x->why, ERR_TOO_LARGE,
                                "the answer has more than the %zu bytes asked for", x->sink_size);
            return 0;
        }
        memcpy(x->sink + x->sink_used, data, n);
        x->sink_used += n;
        return n;
    }
    if (x->answer.len + n > TRANSFER_ANSWER_MAX) {
        x->code = error_set(&x->why, ERR_TOO_LARGE, "the answer is larger than %d MB",
                            TRANSFER_ANSWER_MAX / (1024 * 1024));
        return 0;
    }
    str_append(&x->answer, data, n);
    return n;
}

/* The value behind a name that fits, cut to `size`. */
static bool take_header(struct slice line, const char *name, char *ret_value, size_t size)
{
    size_t len = strlen(name);
    if (line.len <= len || strncasecmp(line.data, name, len) != 0 || line.data[len] != ':') {
        return false;
    }
    struct slice value = slice_trim(slice_make(line.data + len + 1, line.len - len - 1));
    snprintf(ret_value, size, "%.*s", (int)MIN(value.len, size - 1), value.data);
    return true;
}

/* Locations may be long: paths and tokens are in them. */
static bool take_location(struct slice line, struct str *ret)
{
    static const char name[] = "location:";
    if (line.len < sizeof(name) || strncasecmp(line.data, name, sizeof(name) - 1) != 0) {
        return false;
    }
    str_clear(ret);
    str_append_slice(
        ret, slice_trim(slice_make(line.data + sizeof(name) - 1, line.len - (sizeof(name) - 1))));
    return true;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    struct slice line = slice_make(data, size * n);
    char number[32];
    if (slice_starts_with(line, "HTTP/")) {
        const char *blank = memchr(line.data, ' ', line.len);
        x->status =
            blank != NULL ? atoi(blank + 1) : 0; /* the last one, behind 100 Continue, counts */
    } else if (take_header(line, "content-length", number, sizeof(number))) {
        x->content_length = strtoull(number, NULL, 10);
        x->has_content_length = true;
    } else if (take_location(line, &x->location)) {
    } else if (take_header(line, "retry-after", number, sizeof(number))) {
        x->retry_after_s = number[0] >= '0' && number[0] <= '9' ? atoi(number) : -1;
    } else if (!take_header(line, "etag", x->etag, sizeof(x->etag)) &&
               !take_header(line, "date", x->date, sizeof(x->date)) &&
               !take_header(line, "last-modified", x->modified, sizeof(x->modified)) &&
               !take_header(line, "x-amz-meta-flinc-writer", x->writer, sizeof(x->writer)) &&
               !take_header(line, "x-amz-checksum-crc32c", x->crc32c, sizeof(x->crc32c)) &&
               !take_header(line, "x-amz-checksum-algorithm", x->checksum_algorithm,
                            sizeof(x->checksum_algorithm))) {
        (void)take_header(line, "x-amz-bucket-region", x->region, sizeof(x->region));
    }
    return size * n;
}

/* What GSS says is told nowhere else: libcurl goes on without a ticket. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    static const char before[] = "gss_init_sec_context() failed: ";
    static const char *const general[] = {
        "Unspecified GSS failure.",
        "Minor code may provide more information.",
        "No credentials were supplied, or the credentials were unavailable or inaccessible.",
    };
    struct exchange *x = arg;
    struct slice text = slice_trim(slice_make(data, size));
    if (type != CURLINFO_TEXT || !slice_starts_with(text, before)) {
        return 0;
    }
    text = slice_make(text.data + sizeof(before) - 1, text.len - (sizeof(before) - 1));
    for (size_t i = 0; i < ARRAY_LEN(general); i++) { /* what is said of each failure */
        size_t len = strlen(general[i]);
        if (text.len > len && slice_starts_with(text, general[i])) {
            text = slice_trim(slice_make(text.data + len, text.len - len));
        }
    }
    text.len -= text.len > 0 && text.data[text.len - 1] == '.';
    snprintf(x->no_ticket, sizeof(x->no_ticket), "%.*s", (int)text.len, text.data);
    return 0;
}

/* Who has nothing to send at the moment is not slow. */
static size_t on_source(char *buf, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    long got = x->source->read(x->source->arg, buf, size * n);
    const struct curl_functions *curl = transfer_curl(x->transfer);
    curl->easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, got == TRANSFER_PAUSE ? 0L : 1L);
    if (got == TRANSFER_GIVE_UP) {
        x->code = error_set(&x->why, ERR_CANCELLED, "it was given up");
        return CURL_READFUNC_ABORT;
    }
    x->source_bytes += got > 0 ? (uint64_t)got : 0;
    return got == TRANSFER_PAUSE ? (size_t)CURL_READFUNC_PAUSE : (size_t)got;
}

/* ---- on its way ---------------------------------------------------------------------------------------- */

static void set_options(struct transfer *t, struct exchange *x)
{
    const struct curl_functions *curl = t->curl;
    CURL *e = x->easy;
    bool has_body = strcmp(x->method, "PUT") == 0 || strcmp(x->method, "POST") == 0;
    x->curl_message[0] = '\0';
    curl->easy_setopt(e, CURLOPT_URL, x->url);
    curl->easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(e, CURLOPT_USERAGENT, "flinc/" FLINC_VERSION);
    curl->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)t->options.connect_timeout_ms);
    curl->easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl->easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
                      (long)MAX(t->options.idle_timeout_ms / 1000, (int64_t)1));
    curl->easy_setopt(e, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl->easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl->easy_setopt(e, CURLOPT_ERRORBUFFER, x->curl_message);
    curl->easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
    curl->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl->easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(e, CURLOPT_HEADERDATA, x);
    curl->easy_setopt(e, CURLOPT_PRIVATE, x);
    if (t->options.ca_file != NULL) {
        curl->easy_setopt(e, CURLOPT_CAINFO, t->options.ca_file);
    }
    if (x->negotiates) { /* the cookie of the first answer is good for the others */
        curl->easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_GSSNEGOTIATE);
        curl->easy_setopt(e, CURLOPT_USERPWD, ":");
        curl->easy_setopt(e, CURLOPT_SHARE, t->cookies);
        curl->easy_setopt(e, CURLOPT_COOKIEFILE, "");
        curl->easy_setopt(e, CURLOPT_VERBOSE, 1L);
        curl->easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_debug);
        curl->easy_setopt(e, CURLOPT_DEBUGDATA, x);
    }
    if (x->source != NULL) {
        curl->easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl->easy_setopt(e, CURLOPT_READFUNCTION, on_source);
        curl->easy_setopt(e, CURLOPT_READDATA, x);
        return;
    }
    if (has_body) {
        curl->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.len);
        curl->easy_setopt(e, CURLOPT_POSTFIELDS, x->body.len > 0 ? x->body.data : "");
    }
    if (strcmp(x->method, "HEAD") == 0) {
        curl->easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else {
        curl->easy_setopt(e, CURLOPT_CUSTOMREQUEST, x->method);
    }
}

static void end(struct exchange *x, int code)
{
    x->code = code;
    x->done(x);
}

static void *take_last(struct vec *v)
{
    void *last = vec_ptr(v, v->len - 1);
    v->len--;
    return last;
}

static void begin(struct transfer *t, struct exchange *x)
{
    int rc = FAILPOINT(&x->why, "fs.remote.send");
    if (rc == 0 && atomic_load(&x->is_given_up)) {
        rc = error_set(&x->why, ERR_CANCELLED, "it was given up");
    }
    if (rc < 0) {
        end(x, rc);
        return;
    }
    x->easy = t->idle.len > 0 ? take_last(&t->idle) : t->curl->easy_init();
    set_options(t, x);
    t->curl->multi_add_handle(t->multi, x->easy);
    vec_push_ptr(&t->running, x);
}

static int why_failed(struct transfer *t, struct exchange *x, CURLcode code)
{
    long cause = 0, n_sent = 0;
    double connected_s = 0;
    const char *why = x->curl_message[0] != '\0' ? x->curl_message : t->curl->easy_strerror(code);
    if (x->code < 0) {
        return x->code; /* a callback's own */
    }
    t->curl->easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &cause);
    t->curl->easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &n_sent);
    x->was_sent = n_sent > 0;
    t->curl->easy_getinfo(x->easy, CURLINFO_CONNECT_TIME, &connected_s);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return error_set(&x->why, ERR_INVALID_CONFIG, "it is no address of an HTTP server: %s",
                         why);
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(&x->why, ERR_UNAVAILABLE, "could not connect: %s", why);
    case CURLE_COULDNT_CONNECT:
        return error_set(&x->why, ERR_UNAVAILABLE, "could not connect: %s",
                         cause != 0 ? strerror((int)cause) : why);
    case CURLE_OPERATION_TIMEDOUT:
        return connected_s > 0
                   ? error_set(&x->why, ERR_TIMEOUT, "no byte came in %lld ms",
                               (long long)t->options.idle_timeout_ms)
                   : error_set(&x->why, ERR_TIMEOUT, "could not connect: no answer in %lld ms",
                               (long long)t->options.connect_timeout_ms);
    case CURLE_PEER_FAILED_VERIFICATION:
        return error_set(&x->why, ERR_PERMISSION, "its certificate is not trusted: %s", why);
    case CURLE_SSL_CACERT_BADFILE:
        return error_set(&x->why, ERR_PERMISSION, "the file of certificates cannot be read: %s",
                         why);
    case CURLE_SSL_CONNECT_ERROR:
        return error_set(&x->why, ERR_UNAVAILABLE, "no connection with TLS could be made: %s", why);
    default:
        return error_set(&x->why, ERR_UNAVAILABLE, "the connection broke: %s", why);
    }
}

/* Takes it out of what runs; false: it does not run. */
static bool stop_running(struct transfer *t, const struct exchange *x)
{
    for (size_t i = 0; i < t->running.len; i++) {
        if (vec_ptr(&t->running, i) == x) {
            vec_remove_swap(&t->running, i);
            return true;
        }
    }
    return false;
}

static void take_done(struct transfer *t)
{
    CURLMsg *m;
    int left;
    while ((m = t->curl->multi_info_read(t->multi, &left)) != NULL) {
        struct exchange *x = NULL;
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = m->data.result;
        t->curl->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&x);
        int rc = code == CURLE_OK ? 0 : why_failed(t, x, code);
        t->curl->multi_remove_handle(t->multi, x->easy);
        t->curl->easy_reset(x->easy);
        vec_push_ptr(&t->idle, STEAL(x->easy));
        (void)stop_running(t, x);
        rc = rc == 0 ? FAILPOINT(&x->why, "fs.remote.receive") : rc;
        end(x, rc);
    }
}

static bool is_running(const struct transfer *t, const struct exchange *x)
{
    for (size_t i = 0; i < t->running.len; i++) {
        if (vec_ptr(&t->running, i) == x) {
            return true;
        }
    }
    return false;
}

static void take_pokes(struct transfer *t)
{
    pthread_mutex_lock(&t->lock);
    struct vec taken = t->pokes;
    vec_init(&t->pokes, sizeof(struct exchange *));
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < taken.len; i++) {
        struct exchange *x = vec_ptr(&taken, i);
        if (!is_running(t, x)) { /* it may not even be there any more */
            continue;
        }
        if (!atomic_load(&x->is_given_up)) {
            t->curl->easy_pause(x->easy, CURLPAUSE_CONT);
            continue;
        }
        (void)stop_running(t, x);
        t->curl->multi_remove_handle(t->multi, x->easy);
        t->curl->easy_cleanup(STEAL(x->easy));
        end(x, error_set(&x->why, ERR_CANCELLED, "it was given up"));
    }
    vec_fini(&taken);
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

/* Takes what was asked for; false: the end has come. */
static bool take_queue(struct transfer *t)
{
    pthread_mutex_lock(&t->lock);
    struct vec taken = t->queue;
    vec_init(&t->queue, sizeof(struct exchange *));
    bool goes_on = !t->is_ending;
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < taken.len; i++) {
        vec_push_ptr(&t->delayed, vec_ptr(&taken, i));
    }
    vec_fini(&taken);
    return goes_on;
}

/* Begins those whose time has come; how long until the next. */
static int begin_due(struct transfer *t)
{
    int64_t now_ns = clock_monotonic_ns(&clock_system), next_ns = INT64_MAX;
    for (size_t i = 0; i < t->delayed.len;) {
        struct exchange *x = vec_ptr(&t->delayed, i);
        if (x->not_before_ns <= now_ns) {
            vec_remove_swap(&t->delayed, i);
            begin(t, x);
        } else {
            next_ns = MIN(next_ns, x->not_before_ns);
            i++;
        }
    }
    int64_t wait_ms = next_ns == INT64_MAX ? WAIT_MS : (next_ns - now_ns) / 1000000 + 1;
    return (int)MIN(wait_ms, (int64_t)WAIT_MS);
}

static void cancel_all(struct transfer *t)
{
    while (t->running.len + t->delayed.len > 0) {
        struct vec *of = t->running.len > 0 ? &t->running : &t->delayed;
        struct exchange *x = take_last(of);
        if (of == &t->running) {
            t->curl->multi_remove_handle(t->multi, x->easy);
            t->curl->easy_cleanup(STEAL(x->easy));
        }
        end(x, error_set(&x->why, ERR_CANCELLED, "the file system is being closed"));
        (void)take_queue(t); /* a try again is cancelled, too */
    }
}

static void *transfer_main(void *arg)
{
    struct transfer *t = arg;
    int running;
    while (take_queue(t)) {
        int wait_ms = begin_due(t);
        take_pokes(t);
        t->curl->multi_perform(t->multi, &running);
        take_done(t);
        pthread_mutex_lock(&t->lock);
        bool has_news = t->queue.len + t->pokes.len > 0;
        pthread_mutex_unlock(&t->lock);
        if (!has_news) { /* whoever asks from now on wakes it */
            t->curl->multi_poll(t->multi, NULL, 0, wait_ms, NULL);
        }
    }
    cancel_all(t);
    return NULL;
}

void transfer_start(struct transfer *t, struct exchange *x)
{
    x->transfer = t;
    exchange_reset(x);
    pthread_mutex_lock(&t->lock);
    vec_push_ptr(&t->queue, x);
    pthread_mutex_unlock(&t->lock);
    t->curl->multi_wakeup(t->multi);
}

void transfer_poke(struct transfer *t, struct exchange *x)
{
    pthread_mutex_lock(&t->lock);
    vec_push_ptr(&t->pokes, x);
    pthread_mutex_unlock(&t->lock);
    t->curl->multi_wakeup(t->multi);
}

const struct curl_functions *transfer_curl(const struct transfer *t)
{
    return t->curl;
}

/* ---- life ------------------------------------------------------------------------------------------------- */

int transfer_new(const struct transfer_options *options, struct transfer **ret_transfer,
                 struct error *err)
{
    const struct curl_functions *curl = NULL;
    TRY(curl_load(&curl, err));
    struct transfer *t = MEM_NEW(struct transfer);
    t->curl = curl;
    t->options = *options;
    t->options.ca_file = options->ca_file != NULL ? mem_strdup(options->ca_file) : NULL;
    t->multi = curl->multi_init();
    curl->multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)options->max_connections);
    curl->multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)options->max_connections);
    vec_init(&t->idle, sizeof(CURL *));
    vec_init(&t->running, sizeof(struct exchange *));
    vec_init(&t->delayed, sizeof(struct exchange *));
    vec_init(&t->queue, sizeof(struct exchange *));
    vec_init(&t->pokes, sizeof(struct exchange *));
    t->cookies = curl->share_init();
    curl->share_setopt(t->cookies, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    pthread_mutex_init(&t->lock, NULL);
    int rc = thread_start(&t->thread, options->name, transfer_main, t, err);
    t->has_thread = rc == 0;
    if (rc < 0) {
        return transfer_free(t), rc;
    }
    *ret_transfer = t;
    return 0;
}

struct transfer *transfer_free(struct transfer *t)
{
    if (t == NULL) {
        return NULL;
    }
    if (t->has_thread) {
        pthread_mutex_lock(&t->lock);
        t->is_ending = true;
        pthread_mutex_unlock(&t->lock);
        t->curl->multi_wakeup(t->multi);
        thread_join(t->thread);
    }
    for (size_t i = 0; i < t->idle.len; i++) {
        t->curl->easy_cleanup(vec_ptr(&t->idle, i));
    }
    t->curl->multi_cleanup(t->multi);
    t->curl->share_cleanup(t->cookies);
    vec_fini(&t->idle);
    vec_fini(&t->running);
    vec_fini(&t->delayed);
    vec_fini(&t->queue);
    vec_fini(&t->pokes);
    pthread_mutex_destroy(&t->lock);
    mem_free((char *)(uintptr_t)t->options.ca_file);
    mem_free(t);
    return NULL;
}
