/* Keys for S3, from the first place that has some, in this order: the configuration (s3.access-key, s3.secret-key),
 * the environment (AWS_ACCESS_KEY_ID ...), a profile (~/.aws/credentials), a web identity (AWS_WEB_IDENTITY_TOKEN_FILE and
 * AWS_ROLE_ARN), the container's or the instance's metadata service.  Those that expire are fetched again in time.
 *
 * Thread: any. Flink, Hadoop: fs.s3a.aws.credentials.provider. */
#ifndef FLINC_COMMON_FS_S3_CREDENTIALS_H
#define FLINC_COMMON_FS_S3_CREDENTIALS_H

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"

enum {
    S3_KEYS_EARLY_MS = 5 * 60 * 1000, /* before they expire they are fetched again */
    S3_KEYS_PAUSE_MS = 30 * 1000,     /* between two attempts to renew them */
    S3_METADATA_TIMEOUT_MS = 2000,
};

/* A set of keys; counted, never changed. */
struct s3_keys {
    _Atomic uint32_t refs;
    char *access_key, *secret_key, *session_token; /* Owns; token may be "" */
    int64_t expires_ms;                            /* INT64_MAX: never */
    const char *source;                            /* for people */
    bool is_anonymous;                             /* requests are not signed */
};
struct s3_keys *s3_keys_unref(struct s3_keys *k); /* NULL is fine; returns NULL */

struct s3_credentials_options {
    const char *access_key, *secret_key,
        *session_token; /* of the configuration; NULL: none; copied */
    bool is_anonymous;
    const char *region; /* of the token service; copied */
    const struct clock *clock;
    int64_t
        metadata_timeout_ms; /* to connect to a server that gives keys; 0: S3_METADATA_TIMEOUT_MS */
};
struct s3_credentials;
struct s3_credentials *s3_credentials_new(const struct s3_credentials_options *options);
struct s3_credentials *
s3_credentials_free(struct s3_credentials *c); /* NULL is fine; returns NULL */
/* The keys to sign with now; a reference.  May ask a server.  ERR_PERMISSION: nobody has any, with the list of
 * places that were looked at. */
int s3_credentials_get(struct s3_credentials *c, struct s3_keys **ret_keys,
                       struct error *err) MUST_CHECK;

/* ---- for tests -------------------------------------------------------------------------------------------- */

/* The keys of a profile in the text of a credentials file; false: it has none. */
bool s3_profile_read(struct slice text, const char *profile, struct str *ret_access_key,
                     struct str *ret_secret_key, struct str *ret_token);

#endif
