/* AWS signatures, version 4 (sigv4.h).  Thread: any. */
#include "common/fs/s3/sigv4.h"

#include <stdlib.h>
#include <time.h>

enum { DAY_CHARS = 8, OWN_HEADERS = 4 };

void sigv4_date(int64_t time_s, char ret_date[SIGV4_DATE_BYTES])
{
    struct tm tm;
    time_t t = (time_t)time_s;
    gmtime_r(&t, &tm);
    (void)strftime(ret_date, SIGV4_DATE_BYTES, "%Y%m%dT%H%M%SZ", &tm);
}

void sigv4_escape(struct str *out, struct slice text, bool is_path)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                        (is_path && c == '/');
        if (is_plain) {
            str_append_char(out, (char)c);
        } else {
            str_printf(out, "%%%02X", c);
        }
    }
}

static int compare_pairs(const void *a, const void *b)
{
    const struct sigv4_pair *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->value, y->value);
}

/* Names of parameters are letters, digits and '-', which are in the same order when they are escaped. */
void sigv4_append_query(struct str *out, const struct sigv4_pair *query, uint32_t n)
{
    struct sigv4_pair sorted[SIGV4_PAIRS_MAX];
    ASSERT(n <= SIGV4_PAIRS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = query[i];
    }
    qsort(sorted, n, sizeof(*sorted), compare_pairs);
    for (uint32_t i = 0; i < n; i++) {
        str_append_cstr(out, i > 0 ? "&" : "");
        sigv4_escape(out, slice_cstr(sorted[i].name), false);
        str_append_char(out, '=');
        sigv4_escape(out, slice_cstr(sorted[i].value), false);
    }
}

/* Appends all headers that are signed, then the list of their names. */
static void append_headers(struct str *out, struct str *ret_names, const struct sigv4_key *key,
                           const struct sigv4_request *r, const char *date)
{
    struct sigv4_pair all[SIGV4_PAIRS_MAX + OWN_HEADERS];
    uint32_t n = 0;
    ASSERT(r->n_headers <= SIGV4_PAIRS_MAX);
    all[n++] = (struct sigv4_pair){"host", r->host};
    all[n++] = (struct sigv4_pair){"x-amz-content-sha256", r->payload_sha256};
    all[n++] = (struct sigv4_pair){"x-amz-date", date};
    if (key->session_token != NULL && key->session_token[0] != '\0') {
        all[n++] = (struct sigv4_pair){"x-amz-security-token", key->session_token};
    }
    for (uint32_t i = 0; i < r->n_headers; i++) {
        all[n++] = r->headers[i];
    }
    qsort(all, n, sizeof(*all), compare_pairs);
    for (uint32_t i = 0; i < n; i++) {
        str_printf(out, "%s:%s\n", all[i].name, all[i].value);
        str_printf(ret_names, "%s%s", i > 0 ? ";" : "", all[i].name);
    }
}

static struct slice bytes_of(const uint8_t *digest)
{
    return slice_make((const char *)digest, CRYPTO_SHA256_BYTES);
}

static void signing_key(const struct crypto *c, const struct sigv4_key *key,
                        const struct sigv4_request *r, const char *date,
                        uint8_t ret_key[CRYPTO_SHA256_BYTES])
{
    STR_AUTO first = STR_INIT;
    uint8_t day[CRYPTO_SHA256_BYTES], region[CRYPTO_SHA256_BYTES], service[CRYPTO_SHA256_BYTES];
    str_printf(&first, "AWS4%s", key->secret_key);
    crypto_hmac_sha256(c, str_slice(&first), slice_make(date, DAY_CHARS), day);
    crypto_hmac_sha256(c, bytes_of(day), slice_cstr(r->region), region);
    crypto_hmac_sha256(c, bytes_of(region), slice_cstr(r->service), service);
    crypto_hmac_sha256(c, bytes_of(service), SLICE_LIT("aws4_request"), ret_key);
}

void sigv4_sign(const struct crypto *c, const struct sigv4_key *key, const struct sigv4_request *r,
                struct str *ret_authorization)
{
    char date[SIGV4_DATE_BYTES];
    uint8_t digest[CRYPTO_SHA256_BYTES], secret[CRYPTO_SHA256_BYTES];
    STR_AUTO canonical = STR_INIT;
    STR_AUTO names = STR_INIT;
    STR_AUTO scope = STR_INIT;
    STR_AUTO text = STR_INIT;
    sigv4_date(r->time_s, date);

    str_printf(&canonical, "%s\n", r->method);
    sigv4_escape(&canonical, slice_cstr(r->path), true);
    str_append_char(&canonical, '\n');
    sigv4_append_query(&canonical, r->query, r->n_query);
    str_append_char(&canonical, '\n');
    append_headers(&canonical, &names, key, r, date);
    str_printf(&canonical, "\n%s\n%s", str_cstr(&names), r->payload_sha256);

    str_printf(&scope, "%.*s/%s/%s/aws4_request", DAY_CHARS, date, r->region, r->service);
    str_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n", date, str_cstr(&scope));
    crypto_sha256(c, str_slice(&canonical), digest);
    str_append_hex(&text, digest, sizeof(digest));

    signing_key(c, key, r, date, secret);
    crypto_hmac_sha256(c, bytes_of(secret), str_slice(&text), digest);
    str_printf(ret_authorization,
               "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=", key->access_key,
               str_cstr(&scope), str_cstr(&names));
    str_append_hex(ret_authorization, digest, sizeof(digest));
}
