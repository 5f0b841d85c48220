/* Requests, signed and tried again (client.h). */
#include "common/fs/s3/client.h"

#include "common/base/crc32c.h"
#include "common/base/log.h"
#include "common/fs/remote/xml.h"
#include "common/fs/s3/failures.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

static const char topic[] = "flinc.fs.s3";

enum { REGION_BYTES = 40, CLOCK_OFF_MAX_MS = 5 * 60 * 1000 };

struct s3_client {
    const struct crypto *crypto;        /* Borrows */
    struct transfer *transfer;          /* Owns */
    struct s3_credentials *credentials; /* Owns */
    const struct clock *clock;          /* Borrows */
    char *scheme, *host;                /* Own; host with its port; "" of AWS: by region */
    char *base_path;                    /* Owns: of the endpoint, without a slash at its end */
    bool is_path_style, is_https, has_unsigned_files;
    _Atomic bool lacks_checksums;   /* the server refused them */
    _Atomic bool ignores_checksums; /* it takes them, and does not answer with them */
    uint32_t max_retries;
    pthread_mutex_t lock;
    char region[REGION_BYTES]; /* guarded by lock, as what follows */
    int64_t clock_off_s;       /* the server's less ours */
    struct rng random;
};

/* ---- addresses ------------------------------------------------------------------------------------------- */

static int read_endpoint(struct s3_client *c, const char *endpoint, struct error *err)
{
    if (endpoint == NULL || endpoint[0] == '\0') {
        c->scheme = mem_strdup("https");
        c->host = mem_strdup("");
        c->base_path = mem_strdup("");
        c->is_https = true;
        return 0;
    }
    const char *rest = strstr(endpoint, "://");
    size_t scheme_len = rest != NULL ? (size_t)(rest - endpoint) : 0;
    rest = rest != NULL ? rest + 3 : endpoint;
    size_t host_len = strcspn(rest, "/?#");
    bool is_http = scheme_len == 4 && strncasecmp(endpoint, "http", 4) == 0;
    c->is_https = scheme_len == 0 || (scheme_len == 5 && strncasecmp(endpoint, "https", 5) == 0);
    if ((!is_http && !c->is_https) || host_len == 0 || memchr(rest, '@', host_len) != NULL ||
        strpbrk(rest, " ?#") != NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "s3.endpoint: '%s' is no address of a server; expected, for example, "
                         "http://127.0.0.1:9000 or https://s3.eu-central-1.amazonaws.com",
                         endpoint);
    }
    c->scheme = mem_strdup(c->is_https ? "https" : "http");
    c->host = mem_dup(rest, host_len + 1);
    c->host[host_len] = '\0';
    c->base_path = mem_strdup(rest + host_len);
    size_t len = strlen(c->base_path);
    while (len > 0 && c->base_path[len - 1] == '/') {
        c->base_path[--len] = '\0';
    }
    return 0;
}

static bool is_in_host_name(const struct s3_client *c, const char *bucket)
{
    return !c->is_path_style && bucket[0] != '\0' && (strchr(bucket, '.') == NULL || !c->is_https);
}

static void make_address(struct s3_call *call, const char *region)
{
    const struct s3_client *c = call->client;
    str_clear(&call->host);
    str_clear(&call->path);
    str_clear(&call->url);
    bool in_host = is_in_host_name(c, call->bucket);
    if (in_host) {
        str_printf(&call->host, "%s.", call->bucket);
    }
    if (c->host[0] != '\0') {
        str_append_cstr(&call->host, c->host);
    } else {
        str_printf(&call->host, "s3.%s.amazonaws.com", region);
    }
    str_append_cstr(&call->path, c->base_path);
    if (!in_host && call->bucket[0] != '\0') {
        str_printf(&call->path, "/%s", call->bucket);
    }
    str_printf(&call->path, "/%s", call->key);
    str_printf(&call->url, "%s://%s", c->scheme, str_cstr(&call->host));
    sigv4_escape(&call->url, str_slice(&call->path), true);
    if (call->n_query > 0) {
        str_append_char(&call->url, '?');
        sigv4_append_query(&call->url, call->query, call->n_query);
    }
}

/* ---- a try ------------------------------------------------------------------------------------------------ */

static void add_header(struct s3_call *call, const char *name, const char *value)
{
    const struct curl_functions *curl = transfer_curl(call->client->transfer);
    STR_AUTO line = STR_INIT;
    str_printf(&line, "%s: %s", name, value);
    call->headers_sent = curl->slist_append(call->headers_sent, str_cstr(&line));
}

static void sign(struct s3_call *call, const char *region, int64_t time_s)
{
    struct s3_client *c = call->client;
    char date[SIGV4_DATE_BYTES];
    STR_AUTO authorization = STR_INIT;
    const struct sigv4_key key = {call->keys->access_key, call->keys->secret_key,
                                  call->keys->session_token};
    const struct sigv4_request r = {.method = call->method,
                                    .host = str_cstr(&call->host),
                                    .path = str_cstr(&call->path),
                                    .query = call->query,
                                    .n_query = call->n_query,
                                    .headers = call->headers,
                                    .n_headers = call->n_headers,
                                    .payload_sha256 = call->payload_sha256,
                                    .region = region,
                                    .service = "s3",
                                    .time_s = time_s};
    sigv4_sign(c->crypto, &key, &r, &authorization);
    sigv4_date(time_s, date);
    add_header(call, "Authorization", str_cstr(&authorization));
    add_header(call, "x-amz-date", date);
    add_header(call, "x-amz-content-sha256", call->payload_sha256);
    if (call->keys->session_token[0] != '\0') {
        add_header(call, "x-amz-security-token", call->keys->session_token);
    }
}

/* Thread: the caller's for the first, the transfer's for the others. */
static void send_try(struct s3_call *call)
{
    struct s3_client *c = call->client;
    char region[REGION_BYTES];
    pthread_mutex_lock(&c->lock);
    memcpy(region, c->region, sizeof(region));
    int64_t off_s = c->clock_off_s;
    pthread_mutex_unlock(&c->lock);
    transfer_curl(c->transfer)->slist_free_all(STEAL(call->headers_sent));
    make_address(call, region);
    if (!call->keys->is_anonymous) {
        call->signed_s = clock_now_ms(c->clock) / 1000 + off_s;
        sign(call, region, call->signed_s);
    }
    for (uint32_t i = 0; i < call->n_headers; i++) {
        add_header(call, call->headers[i].name, call->headers[i].value);
    }
    add_header(call, "Expect", "");
    add_header(call, "Content-Type", "application/octet-stream");
    call->x.method = call->method;
    call->x.url = str_cstr(&call->url);
    call->x.headers = call->headers_sent;
    call->x.body = call->body;
    call->x.sink = call->sink;
    call->x.sink_size = call->sink_size;
    call->n_tries++;
    transfer_start(c->transfer, &call->x);
}

/* ---- trying again ------------------------------------------------------------------------------------------- */

/* The server named the region of the bucket. */
static bool takes_region(struct s3_call *call)
{
    struct exchange *x = &call->x;
    STR_AUTO told = STR_INIT;
    if (call->is_moved || (x->status != 301 && x->status != 307 && x->status != 400)) {
        return false;
    }
    str_append_cstr(&told, x->region);
    if (told.len == 0 && x->answer.len > 0) {
        (void)xml_find(str_slice(&x->answer), "Error/Region", &told);
    }
    if (told.len == 0 || told.len >= REGION_BYTES) {
        return false;
    }
    pthread_mutex_lock(&call->client->lock);
    memcpy(call->client->region, told.data, told.len + 1);
    pthread_mutex_unlock(&call->client->lock);
    return call->is_moved = true;
}

/* Our clock is off: the server's is taken from now on.  What answers HEAD has no words: the time that it was signed with
 * says it, whatever other calls have learned of the clock meanwhile. */
static bool takes_clock(struct s3_call *call)
{
    struct s3_client *c = call->client;
    struct exchange *x = &call->x;
    int64_t now_ms = s3_http_time_ms(x->date);
    if (call->is_late || call->keys->is_anonymous || x->status != 403 || now_ms == INT64_MIN) {
        return false;
    }
    int64_t off_ms = now_ms - call->signed_s * 1000;
    bool is_far = off_ms > CLOCK_OFF_MAX_MS || off_ms < -CLOCK_OFF_MAX_MS;
    if (!s3_error_is(x, "RequestTimeTooSkewed") && (strcmp(call->method, "HEAD") != 0 || !is_far)) {
        return false;
    }
    pthread_mutex_lock(&c->lock);
    c->clock_off_s = (now_ms - clock_now_ms(c->clock)) / 1000;
    int64_t off_s = c->clock_off_s;
    pthread_mutex_unlock(&c->lock);
    LOG_WARN(topic, "the clock of %s is %lld s off ours: requests are signed with the server's",
             str_cstr(&call->host), (long long)off_s);
    return call->is_late = true;
}

static bool is_temporary(const struct s3_call *call)
{
    const struct exchange *x = &call->x;
    if (x->code < 0) {
        return x->code == ERR_UNAVAILABLE || x->code == ERR_TIMEOUT || x->code == ERR_IO;
    }
    return x->status == 500 || x->status == 502 || x->status == 503 || x->status == 504 ||
           x->status == 429 ||
           (x->status == 400 && (s3_error_is(x, "RequestTimeout") || s3_is_damage(x))) ||
           /* A completion whose work failed behind the status. */
           (x->status == 200 && strcmp(call->method, "POST") == 0 &&
            (s3_error_is(x, "InternalError") || s3_error_is(x, "SlowDown")));
}

static int64_t pause_ms(struct s3_call *call)
{
    struct s3_client *c = call->client;
    pthread_mutex_lock(&c->lock);
    int64_t ms = remote_pause_ms(call->n_tries, call->x.retry_after_s, &c->random);
    pthread_mutex_unlock(&c->lock);
    return ms;
}

static bool has_header(const struct s3_call *call, const char *name)
{
    for (uint32_t i = 0; i < call->n_headers; i++) {
        if (strcmp(call->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum remote_kind kind_of(const struct s3_call *call)
{
    bool is_write = strcmp(call->method, "PUT") == 0 || strcmp(call->method, "POST") == 0;
    if (is_write && has_header(call, "x-amz-copy-source")) {
        return REMOTE_KIND_COPY;
    }
    bool is_deletion = strcmp(call->method, "DELETE") == 0 ||
                       (call->n_query > 0 && strcmp(call->query[0].name, "delete") == 0);
    return is_deletion                         ? REMOTE_KIND_DELETE
           : is_write                          ? REMOTE_KIND_WRITE
           : strcmp(call->method, "HEAD") == 0 ? REMOTE_KIND_STAT
           : call->sink != NULL                ? REMOTE_KIND_READ
                                               : REMOTE_KIND_LIST;
}

static void count_end(const struct s3_call *call)
{
    const struct exchange *x = &call->x;
    bool good = x->code == 0 && x->status >= 200 && x->status < 300;
    bool is_expected = x->code == 0 && (x->status == 404 || x->status == 412);
    remote_count_end(&s3_counters,
                     &(struct remote_ended){.bytes_read = good ? x->sink_used : 0,
                                            .bytes_written = good ? call->body.len : 0,
                                            .has_failed = !good && !is_expected});
}

/* Thread: the transfer's. */
static void on_done(struct exchange *x)
{
    struct s3_call *call = x->arg;
    bool again = false;
    x->not_before_ns = 0;
    if (x->code == 0 && (takes_region(call) || takes_clock(call))) {
        again = true;
    } else if (is_temporary(call) && call->n_tries <= call->client->max_retries) {
        STR_AUTO why = STR_INIT;
        int64_t ms = pause_ms(call);
        s3_say_why(call, &why);
        LOG_WARN(topic, "%s s3://%s/%s, try %u of %u at %s: %s; again in %lld ms", call->doing,
                 call->bucket, call->key, call->n_tries, call->client->max_retries + 1,
                 str_cstr(&call->host), str_cstr(&why), (long long)ms);
        x->not_before_ns = clock_monotonic_ns(&clock_system) + ms * 1000000;
        again = true;
    }
    if (again) {
        remote_count_retry(&s3_counters);
        send_try(call);
        return;
    }
    count_end(call);
    atomic_store(&call->has_ended, true);
    event_count_signal(&call->ended);
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

void s3_call_add_query(struct s3_call *call, const char *name, const char *value)
{
    ASSERT(call->n_query < S3_PAIRS_MAX);
    call->query[call->n_query++] = (struct sigv4_pair){name, value};
}

void s3_call_add_header(struct s3_call *call, const char *name, const char *value)
{
    ASSERT(call->n_headers < S3_PAIRS_MAX);
    call->headers[call->n_headers++] = (struct sigv4_pair){name, value};
}

void s3_call_add_crc32c(struct s3_call *call)
{
    uint32_t crc = crc32c(0, call->body.data, call->body.len);
    const uint8_t bytes[] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                             (uint8_t)crc};
    STR_AUTO text = STR_INIT;
    crypto_append_base64(&text, bytes, sizeof(bytes));
    ASSERT(text.len < S3_CRC32C_BYTES);
    memcpy(call->crc32c, text.data, text.len + 1);
    s3_call_add_header(call, "x-amz-checksum-crc32c", call->crc32c);
}

bool s3_client_has_checksums(const struct s3_client *c)
{
    return (c->is_https || c->has_unsigned_files) && !atomic_load(&c->lacks_checksums);
}

void s3_client_note_no_checksums(struct s3_client *c)
{
    if (!atomic_exchange(&c->lacks_checksums, true)) {
        LOG_WARN(topic, "the server takes no check sums of files (501)%s",
                 c->is_https ? ""
                             : ": their bytes are signed from now on, whatever "
                               "s3.payload-signing.enabled says");
    }
}

/* A server that checks says what it found.  Another one gets signed bytes, so that damage on the way is noticed. */
void s3_client_note_ignored_checksums(struct s3_client *c)
{
    if (!atomic_exchange(&c->ignores_checksums, true) && !c->is_https) {
        LOG_WARN(topic, "the server does not look at check sums of files: their bytes are signed "
                        "from now on, whatever s3.payload-signing.enabled says");
    }
}

static void hash_body(struct s3_call *call)
{
    const struct s3_client *c = call->client;
    bool is_checked = call->crc32c[0] != '\0' && !atomic_load(&c->ignores_checksums);
    if (call->body.len > 0 && (c->is_https || is_checked)) {
        memcpy(call->payload_sha256, SIGV4_UNSIGNED, sizeof(SIGV4_UNSIGNED));
        return;
    }
    uint8_t digest[CRYPTO_SHA256_BYTES];
    STR_AUTO hex = STR_INIT;
    crypto_sha256(call->client->crypto, call->body, digest);
    str_append_hex(&hex, digest, sizeof(digest));
    memcpy(call->payload_sha256, hex.data, hex.len + 1);
}

int s3_call_start(struct s3_client *c, struct s3_call *call, struct error *err)
{
    call->client = c;
    call->keys = s3_keys_unref(call->keys);
    TRY_CTX(err, s3_credentials_get(c->credentials, &call->keys, err), "%s s3://%s/%s", call->doing,
            call->bucket, call->key);
    hash_body(call);
    call->n_tries = 0;
    call->is_moved = call->is_late = false;
    call->x.done = on_done;
    call->x.arg = call;
    call->x.not_before_ns = 0;
    atomic_store(&call->has_ended, false);
    call->is_started = true;
    call->kind = kind_of(call);
    remote_count_start(&s3_counters, call->kind);
    send_try(call);
    return 0;
}

bool s3_call_has_ended(const struct s3_call *call)
{
    return atomic_load(&call->has_ended);
}

int s3_call_wait(struct s3_call *call, struct error *err)
{
    ASSERT(call->is_started);
    while (true) {
        uint32_t ticket = event_count_prepare(&call->ended);
        if (s3_call_has_ended(call)) {
            event_count_cancel(&call->ended);
            break;
        }
        (void)event_count_wait(&call->ended, ticket, -1);
    }
    call->is_started = false;
    const struct exchange *x = &call->x;
    bool good = x->code == 0 && x->status >= 200 && x->status < 300;
    /* A copy or a completion may fail behind its status. */
    if (good && x->answer.len > 0 && strcmp(call->method, "GET") != 0) {
        STR_AUTO code = STR_INIT;
        good = !xml_find(str_slice(&x->answer), "Error/Code", &code);
    }
    if (good && call->crc32c[0] != '\0' && x->crc32c[0] == '\0') {
        s3_client_note_ignored_checksums(call->client);
    }
    return good ? 0 : s3_failure(call, err);
}

int s3_call_run(struct s3_client *c, struct s3_call *call, struct error *err)
{
    TRY(s3_call_start(c, call, err));
    return s3_call_wait(call, err);
}

int s3_call_run_file(struct s3_client *c, struct s3_call *call, struct error *err)
{
    struct error why = ERROR_INIT;
    bool is_conditional = has_header(call, "if-none-match"); /* which may be what it lacks */
    if (!s3_client_has_checksums(c)) {
        return s3_call_run(c, call, err);
    }
    s3_call_add_crc32c(call);
    int rc = s3_call_run(c, call, &why);
    if (rc == ERR_UNSUPPORTED && !is_conditional) {
        s3_client_note_no_checksums(c);
        call->n_headers--;
        call->crc32c[0] = '\0';
        return s3_call_run(c, call, err);
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

void s3_call_fini(struct s3_call *call)
{
    if (call->is_started) {
        int rc = s3_call_wait(call, NULL);
        (void)rc;
    }
    if (call->client != NULL) {
        transfer_curl(call->client->transfer)->slist_free_all(STEAL(call->headers_sent));
    }
    call->keys = s3_keys_unref(call->keys);
    str_fini(&call->url);
    str_fini(&call->path);
    str_fini(&call->host);
    exchange_fini(&call->x);
}

int64_t s3_http_time_ms(const char *text)
{
    struct tm tm = {0};
    return strptime(text, "%a, %d %b %Y %H:%M:%S", &tm) != NULL ? (int64_t)timegm(&tm) * 1000
                                                                : INT64_MIN;
}

int64_t s3_time_ms(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL) {
        return INT64_MIN;
    }
    int64_t ms = (int64_t)timegm(&tm) * 1000;
    return *rest == '.' ? ms + (int64_t)(strtod(rest, NULL) * 1000 + 0.5) : ms;
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

int s3_client_new(const struct s3_client_options *options, struct s3_client **ret_client,
                  struct error *err)
{
    struct s3_client *c = MEM_NEW(struct s3_client);
    pthread_mutex_init(&c->lock, NULL);
    bool has_region = options->region != NULL && options->region[0] != '\0';
    snprintf(c->region, sizeof(c->region), "%s", has_region ? options->region : "us-east-1");
    c->clock = options->credentials.clock;
    c->is_path_style = options->is_path_style;
    c->has_unsigned_files = options->has_unsigned_files;
    c->max_retries = options->max_retries;
    rng_init(&c->random, (uint64_t)clock_monotonic_ns(&clock_system));
    int rc = read_endpoint(c, options->endpoint, err);
    rc = rc == 0 ? crypto_load(&c->crypto, err) : rc;
    if (rc == 0) {
        rc = transfer_new(
            &(struct transfer_options){.connect_timeout_ms = options->connect_timeout_ms,
                                       .idle_timeout_ms = options->idle_timeout_ms,
                                       .max_connections = options->max_connections,
                                       .ca_file = options->ca_file,
                                       .name = "s3"},
            &c->transfer, err);
    }
    if (rc < 0) {
        return s3_client_free(c), rc;
    }
    struct s3_credentials_options credentials = options->credentials;
    credentials.region = c->region;
    c->credentials = s3_credentials_new(&credentials);
    *ret_client = c;
    return 0;
}

struct s3_client *s3_client_free(struct s3_client *c)
{
    if (c != NULL) {
        transfer_free(c->transfer);
        s3_credentials_free(c->credentials);
        pthread_mutex_destroy(&c->lock);
        mem_free(c->scheme);
        mem_free(c->host);
        mem_free(c->base_path);
        mem_free(c);
    }
    return NULL;
}
