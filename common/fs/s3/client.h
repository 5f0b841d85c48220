/* Requests to an S3 server: addressed, signed, tried again with growing pauses, and their failures in words.
 *
 *   struct s3_call call = {.method = "GET", .bucket = b, .key = k, ...};
 *   s3_call_run(client, &call, &err)             -- or s3_call_start() ... s3_call_wait(), many at a time
 *   ... call.x ...
 *   s3_call_fini(&call)
 *
 * A request is tried again when there was no answer, or one that says "later" (500, 502, 503, 504, 429, RequestTimeout), when
 * the clock was off (with the server's), or the bucket is in another region (with that one): max_retries of options.  An
 * answer may be lost although the server did what it was asked; libcurl, too, sends again what a kept connection lost. Who
 * asks for something that may not be done twice looks at what is there.
 *
 * Thread: any; a call belongs to one. */
#ifndef FLINC_COMMON_FS_S3_CLIENT_H
#define FLINC_COMMON_FS_S3_CLIENT_H

#include "common/base/thread.h"
#include "common/fs/remote/statistics.h"
#include "common/fs/remote/transfer.h"
#include "common/fs/s3/credentials.h"
#include "common/fs/s3/sigv4.h"

enum {
    S3_PAIRS_MAX = 8,
    S3_CRC32C_BYTES = 16, /* of the text of one, and its 0 */
};

struct s3_client_options {
    const char *endpoint;    /* "http://host:port"; NULL or "": that of AWS in the region */
    const char *region;      /* NULL or "": us-east-1, until a server says another one */
    bool is_path_style;      /* "host/bucket/key", not "bucket.host/key" */
    bool has_unsigned_files; /* over http, too: they have a check sum instead */
    uint32_t max_retries;    /* of a request */
    int64_t connect_timeout_ms, idle_timeout_ms;
    uint32_t max_connections;
    const char *ca_file; /* NULL: the system's */
    struct s3_credentials_options credentials;
};
struct s3_client;
/* Copies the options.  ERR_INVALID_CONFIG: the endpoint is no address. */
int s3_client_new(const struct s3_client_options *options, struct s3_client **ret_client,
                  struct error *err) MUST_CHECK;
struct s3_client *s3_client_free(struct s3_client *c); /* NULL is fine; returns NULL */
/* Files are sent with check sums: over https, or has_unsigned_files; not on a server without. */
bool s3_client_has_checksums(const struct s3_client *c);
/* The server refused them (501): there are none from now on, with a warning once. */
void s3_client_note_no_checksums(struct s3_client *c);
/* It took one, and did not answer with it: file bodies are signed from now on, with a warning once. */
void s3_client_note_ignored_checksums(struct s3_client *c);

struct s3_call {
    /* Given; borrowed until the call has ended. */
    const char *method;
    const char *bucket, *key; /* key "": the bucket itself */
    struct sigv4_pair query[S3_PAIRS_MAX];
    uint32_t n_query;
    struct sigv4_pair headers[S3_PAIRS_MAX]; /* lower case; signed, too */
    uint32_t n_headers;
    struct slice body;
    uint8_t *sink; /* exchange.sink */
    size_t sink_size;
    const char *doing; /* "reading", for messages */
    /* What came of it. */
    struct exchange x;
    /* The client's. */
    struct s3_client *client;
    enum remote_kind kind;
    struct curl_slist *headers_sent; /* Owns */
    struct str url, path, host;      /* Own */
    char payload_sha256[2 * CRYPTO_SHA256_BYTES + 1];
    char crc32c[S3_CRC32C_BYTES]; /* "": it goes without */
    uint32_t n_tries;
    int64_t signed_s;       /* the time that the last try was signed with */
    bool is_moved, is_late; /* tried again for the region, for the clock */
    struct s3_keys *keys;   /* Owns a ref */
    struct event_count ended;
    _Atomic bool has_ended;
    bool is_started;
};
/* May ask for keys.  Negative: it was not started. */
int s3_call_start(struct s3_client *c, struct s3_call *call, struct error *err) MUST_CHECK;
bool s3_call_has_ended(const struct s3_call *call);
/* Waits.  0: an answer 2xx.  Else ERR_NOT_FOUND (404), ERR_PERMISSION (401, 403), ERR_ALREADY_EXISTS (412, 409),
 * ERR_INVALID_CONFIG (no such bucket, another region), ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_IO, with the server, its code and its words. */
int s3_call_wait(struct s3_call *call, struct error *err) MUST_CHECK;
int s3_call_run(struct s3_client *c, struct s3_call *call, struct error *err) MUST_CHECK;
/* The same of one whose body is a file: with its check sum, where there are some. */
int s3_call_run_file(struct s3_client *c, struct s3_call *call, struct error *err) MUST_CHECK;
void s3_call_add_query(struct s3_call *call, const char *name, const char *value);
void s3_call_add_header(struct s3_call *call, const char *name, const char *value);
/* Its body is of a file and has its CRC32C with it, which the server checks; the body itself is not signed then, unless
 * the server turned out to look at no check sums. */
void s3_call_add_crc32c(struct s3_call *call);
/* Waits for one that is under way.  It may be started again afterwards with other arguments. */
void s3_call_fini(struct s3_call *call);

/* Milliseconds since 1970 of "Sun, 22 Nov 2026 08:00:00 GMT"; INT64_MIN: it is none. */
int64_t s3_http_time_ms(const char *text);
/* The same of "2026-11-22T08:00:00Z" and "2026-11-22T08:00:00.250Z". */
int64_t s3_time_ms(const char *text);

#endif
