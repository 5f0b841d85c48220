/* The keys of one scope; settings.h.  Thread: any. */
#include "common/net/tls/settings.h"

#include "common/base/mem.h"
#include <ctype.h>
#include <stdio.h>

/* A key of a scope and its general form. */
struct key_names {
    const char *own[TLS_SCOPES];
    const char *general;
};
static const struct key_names keystore_names = {
    {"security.ssl.internal.keystore", "security.ssl.rest.keystore"}, "security.ssl.keystore"};
static const struct key_names keystore_password_names = {
    {"security.ssl.internal.keystore-password", "security.ssl.rest.keystore-password"},
    "security.ssl.keystore-password"};
static const struct key_names key_password_names = {
    {"security.ssl.internal.key-password", "security.ssl.rest.key-password"},
    "security.ssl.key-password"};
static const struct key_names truststore_names = {
    {"security.ssl.internal.truststore", "security.ssl.rest.truststore"},
    "security.ssl.truststore"};
static const struct key_names truststore_password_names = {
    {"security.ssl.internal.truststore-password", "security.ssl.rest.truststore-password"},
    "security.ssl.truststore-password"};
static const char *const keystore_types[TLS_SCOPES] = {"security.ssl.internal.keystore-type",
                                                       "security.ssl.rest.keystore-type"};
static const char *const truststore_types[TLS_SCOPES] = {"security.ssl.internal.truststore-type",
                                                         "security.ssl.rest.truststore-type"};
static const char *const fingerprint_names[TLS_SCOPES] = {"security.ssl.internal.cert.fingerprint",
                                                          "security.ssl.rest.cert.fingerprint"};

const char *tls_scope_key(enum tls_scope scope)
{
    return scope == TLS_SCOPE_INTERNAL ? "security.ssl.internal.enabled"
                                       : "security.ssl.rest.enabled";
}

bool tls_is_enabled(const struct conf *conf, enum tls_scope scope)
{
    return conf_bool(conf, tls_scope_key(scope));
}

bool tls_control_is_enabled(const struct conf *conf)
{
    return tls_is_enabled(conf, TLS_SCOPE_INTERNAL) && conf_bool(conf, "pekko.ssl.enabled");
}

bool tls_data_is_enabled(const struct conf *conf)
{
    return tls_is_enabled(conf, TLS_SCOPE_INTERNAL) &&
           conf_bool(conf, "taskmanager.data.ssl.enabled");
}

/* The value, owned, and the key it came from; without one: NULL and the key of the scope. */
static const char *read_text(const struct conf *conf, const struct key_names *names,
                             enum tls_scope scope, const char **ret_key)
{
    const char *key = names->own[scope];
    if (!conf_has_value(conf, key) && conf_has_value(conf, names->general)) {
        key = names->general;
    }
    *ret_key = key;
    return conf_has_value(conf, key) && conf_string(conf, key)[0] != '\0'
               ? mem_strdup(conf_string(conf, key))
               : NULL;
}

static int read_store(const struct conf *conf, const struct key_names *path,
                      const struct key_names *password, const char *type_key, enum tls_scope scope,
                      struct tls_store_spec *s, struct error *err)
{
    s->path = read_text(conf, path, scope, &s->path_key);
    s->password = read_text(conf, password, scope, &s->password_key);
    return tls_store_type_parse(conf_string(conf, type_key), type_key, &s->type, err);
}

/* ---- fingerprints ------------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* "AB:CD:...", with or without colons. */
static int read_fingerprint(struct slice text, const char *key, struct tls_fingerprint *ret,
                            struct error *err)
{
    uint32_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int v = hex_value(text.data[i]);
        if (text.data[i] == ':') {
            continue;
        }
        if (v < 0 || digits == 2 * TLS_DIGEST_MAX) {
            digits = 0;
            break;
        }
        uint8_t *byte = &ret->digest[digits / 2];
        *byte = (uint8_t)(digits % 2 == 0 ? v << 4 : *byte | v);
        digits++;
    }
    if (digits != 40 && digits != 64) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s: '%.*s' is no fingerprint: 40 hex digits (SHA-1) or 64 (SHA-256), "
                         "colons allowed, as openssl x509 -fingerprint prints",
                         key, (int)MIN(text.len, (size_t)100), text.data);
    }
    ret->size = digits / 2;
    return 0;
}

static int read_fingerprints(const struct conf *conf, struct tls_settings *s, struct error *err)
{
    s->fingerprint_key = fingerprint_names[s->scope];
    if (!conf_has_value(conf, s->fingerprint_key)) {
        return 0;
    }
    struct slice rest = slice_cstr(conf_string(conf, s->fingerprint_key)), word;
    while (slice_next(&rest, ',', &word)) {
        struct slice text = slice_trim(word);
        if (text.len == 0) {
            continue;
        }
        if (s->n_fingerprints == TLS_FINGERPRINTS_MAX) {
            return error_set(err, ERR_INVALID_CONFIG, "%s: more than %d fingerprints",
                             s->fingerprint_key, TLS_FINGERPRINTS_MAX);
        }
        TRY(read_fingerprint(text, s->fingerprint_key, &s->fingerprints[s->n_fingerprints], err));
        s->n_fingerprints++;
    }
    return 0;
}

/* ---- all ------------------------------------------------------------------------------------------------ */

static int64_t or_default(int32_t value, int64_t otherwise)
{
    return value < 0 ? otherwise : value;
}

static void read_times(const struct conf *conf, struct tls_settings *s)
{
    s->handshake_ms = TLS_HANDSHAKE_MS;
    s->close_flush_ms = TLS_CLOSE_FLUSH_MS;
    s->session_cache_size = TLS_SESSIONS;
    s->session_timeout_ms = -1;
    if (s->scope == TLS_SCOPE_INTERNAL) {
        s->handshake_ms =
            or_default(conf_int(conf, "security.ssl.internal.handshake-timeout"), TLS_HANDSHAKE_MS);
        s->close_flush_ms = or_default(
            conf_int(conf, "security.ssl.internal.close-notify-flush-timeout"), TLS_CLOSE_FLUSH_MS);
        s->session_cache_size = (int32_t)or_default(
            conf_int(conf, "security.ssl.internal.session-cache-size"), TLS_SESSIONS);
        s->session_timeout_ms = conf_int(conf, "security.ssl.internal.session-timeout");
    }
}

static bool reads_host_check(const struct conf *conf)
{
    return conf_has(conf, "security.ssl.rest.verify-hostname")
               ? conf_bool(conf, "security.ssl.rest.verify-hostname")
               : conf_bool(conf, "security.ssl.verify-hostname");
}

static void decide_roles(const struct conf *conf, struct tls_settings *s)
{
    bool mutual = s->scope == TLS_SCOPE_INTERNAL ||
                  conf_bool(conf, "security.ssl.rest.authentication-enabled");
    s->shows_certificate = mutual || s->side == TLS_SIDE_SERVER;
    s->checks_peer = mutual || s->side == TLS_SIDE_CLIENT;
    s->verifies_host =
        s->scope == TLS_SCOPE_REST && s->side == TLS_SIDE_CLIENT && reads_host_check(conf);
}

static int missing(const struct key_names *names, enum tls_scope scope, const char *what,
                   struct error *err)
{
    return error_set(err, ERR_INVALID_CONFIG,
                     "%s or %s is missing: %s, which %s asks for (PEM or PKCS12)",
                     names->own[scope], names->general, what,
                     scope == TLS_SCOPE_REST ? "security.ssl.rest.*" : tls_scope_key(scope));
}

static int read_all(const struct conf *conf, struct tls_settings *s, struct error *err)
{
    decide_roles(conf, s);
    read_times(conf, s);
    if (s->shows_certificate) {
        TRY(read_store(conf, &keystore_names, &keystore_password_names, keystore_types[s->scope],
                       s->scope, &s->keystore, err));
        s->keystore.key_password =
            read_text(conf, &key_password_names, s->scope, &s->keystore.key_password_key);
        if (s->keystore.path == NULL) {
            return missing(&keystore_names, s->scope, "the file of the private key and certificate",
                           err);
        }
    }
    if (s->checks_peer) {
        TRY(read_store(conf, &truststore_names, &truststore_password_names,
                       truststore_types[s->scope], s->scope, &s->truststore, err));
        if (s->truststore.path == NULL &&
            (s->scope == TLS_SCOPE_INTERNAL || s->side == TLS_SIDE_SERVER)) {
            return missing(&truststore_names, s->scope, "the file of the certificates to trust",
                           err);
        }
        TRY(read_fingerprints(conf, s, err));
    }
    TRY(tls_protocols_parse(conf_string(conf, "security.ssl.protocol"), &s->min_version,
                            &s->max_version, err));
    TRY(tls_ciphers_parse(conf_string(conf, "security.ssl.algorithms"), &s->ciphers, &s->suites,
                          err));
    if (s->min_version == TLS1_2_VERSION && s->ciphers.len == 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "security.ssl.algorithms names ciphers of TLSv1.3 only, but "
                         "security.ssl.protocol has TLSv1.2");
    }
    return 0;
}

int tls_settings_read(const struct conf *conf, enum tls_scope scope, enum tls_side side,
                      struct tls_settings *ret, struct error *err)
{
    struct tls_settings s = {.scope = scope, .side = side, .ciphers = STR_INIT, .suites = STR_INIT};
    int rc = read_all(conf, &s, err);
    if (rc < 0) {
        tls_settings_fini(&s);
        return rc;
    }
    *ret = s;
    return 0;
}

static void forget(const char *secret)
{
    if (secret != NULL) {
        explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
        mem_free((char *)(uintptr_t)secret);
    }
}

static void spec_fini(struct tls_store_spec *s)
{
    mem_free((char *)(uintptr_t)s->path);
    forget(s->password);
    forget(s->key_password);
    *s = (struct tls_store_spec){.path = NULL};
}

void tls_settings_fini(struct tls_settings *s)
{
    spec_fini(&s->keystore);
    spec_fini(&s->truststore);
    str_fini(&s->ciphers);
    str_fini(&s->suites);
}
