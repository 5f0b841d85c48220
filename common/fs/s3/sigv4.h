/* Signatures of requests, AWS version 4 (HMAC-SHA256 over the canonical request).
 *
 * The request is signed as it goes out: `path` and `query` are given plain, and both what is signed and what
 * is sent are made of them here, so that they cannot differ.
 *
 * Thread: any. */
#ifndef FLINC_COMMON_FS_S3_SIGV4_H
#define FLINC_COMMON_FS_S3_SIGV4_H

#include "common/net/client/crypto.h"

enum { SIGV4_PAIRS_MAX = 16, SIGV4_DATE_BYTES = 17 };
#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"

struct sigv4_key {
    const char *access_key, *secret_key;
    const char *session_token; /* NULL or "": none */
};

/* A parameter of the query or a header; names of headers in lower case, values without blanks at their ends. */
struct sigv4_pair {
    const char *name, *value;
};

struct sigv4_request {
    const char *method;
    const char *host; /* with its port, if it is not the scheme's; as the header has it */
    const char *path; /* "/bucket/key", plain */
    const struct sigv4_pair *query;
    uint32_t n_query;
    const struct sigv4_pair *headers; /* beside host, date, payload and token */
    uint32_t n_headers;
    const char *payload_sha256; /* hexadecimal, or SIGV4_UNSIGNED */
    const char *region, *service;
    int64_t time_s; /* since 1970 UTC */
};

/* "20260131T120000Z". */
void sigv4_date(int64_t time_s, char ret_date[SIGV4_DATE_BYTES]);
/* Appends with everything escaped but letters, digits, "-._~" and, in paths, "/". */
void sigv4_escape(struct str *out, struct slice text, bool is_path);
/* Appends "a=b&c=", sorted. */
void sigv4_append_query(struct str *out, const struct sigv4_pair *query, uint32_t n);
/* Appends the value of the header Authorization. */
void sigv4_sign(const struct crypto *c, const struct sigv4_key *key, const struct sigv4_request *r,
                struct str *ret_authorization);

#endif
