/* Inside the room: what the keys of one scope and side say. */
#ifndef FLINC_COMMON_NET_TLS_SETTINGS_H
#define FLINC_COMMON_NET_TLS_SETTINGS_H

#include "common/net/tls/material.h"
#include "common/net/tls/tls.h"

enum { TLS_DIGEST_MAX = 32 };

struct tls_fingerprint {
    uint32_t size; /* 20: SHA-1, 32: SHA-256 */
    uint8_t digest[TLS_DIGEST_MAX];
};

struct tls_settings {
    enum tls_scope scope;
    enum tls_side side;
    bool shows_certificate, checks_peer, verifies_host;
    struct tls_store_spec keystore, truststore; /* strings owned; path NULL: none */
    struct tls_fingerprint fingerprints[TLS_FINGERPRINTS_MAX];
    uint32_t n_fingerprints;
    const char *fingerprint_key;
    int min_version, max_version; /* OpenSSL's */
    struct str ciphers;           /* OpenSSL's names up to TLS 1.2; empty: none are needed */
    struct str suites;            /* those of TLS 1.3; empty: OpenSSL's */
    int64_t handshake_ms, close_flush_ms;
    int32_t session_cache_size; /* 0: no limit */
    int64_t session_timeout_ms; /* -1: OpenSSL's */
};

int tls_settings_read(const struct conf *conf, enum tls_scope scope, enum tls_side side,
                      struct tls_settings *ret, struct error *err) MUST_CHECK;
void tls_settings_fini(struct tls_settings *s);

/* ---- ciphers.c ---- */
/* "TLSv1.2", "TLSv1.3", both with a comma between.  TLSv1.1 and older are refused. */
int tls_protocols_parse(const char *text, int *ret_min, int *ret_max, struct error *err) MUST_CHECK;
/* Java's names as OpenSSL's lists; unknown and weak ones are refused by name. */
int tls_ciphers_parse(const char *text, struct str *ret_ciphers, struct str *ret_suites,
                      struct error *err) MUST_CHECK;

#endif
