/* TLS contexts: what security.ssl.* says, made into what connections are opened with.
 *
 * Scopes are Flink's: INTERNAL (control and data between job manager and task managers: both sides show a
 * certificate, host names are not checked) and REST (the server shows one; the client, too, when
 * security.ssl.rest.authentication-enabled).  A key of a scope that is not given is read from its general form
 * (security.ssl.keystore for security.ssl.rest.keystore).
 *
 * Reload: before each new connection the files are looked at; changed ones are taken for it and those after it.  Files
 * that cannot be taken leave the old ones in force, with a warning.  Connections that are open keep what they have.
 * Resumed sessions do not outlive the certificates with which they began.
 *
 * Flink: SSLUtils, SecurityOptions.  Thread: any. */
#ifndef FLINC_COMMON_NET_TLS_TLS_H
#define FLINC_COMMON_NET_TLS_TLS_H

#include "common/conf/conf.h"

enum tls_scope { TLS_SCOPE_INTERNAL, TLS_SCOPE_REST, TLS_SCOPES };
enum tls_side { TLS_SIDE_SERVER, TLS_SIDE_CLIENT };

enum {
    TLS_HANDSHAKE_MS = 10 * 1000, /* security.ssl.internal.handshake-timeout: -1 */
    TLS_CLOSE_FLUSH_MS = 3000,    /* security.ssl.internal.close-notify-flush-timeout: -1 */
    TLS_SESSIONS = 1024,          /* security.ssl.internal.session-cache-size: -1 */
    TLS_FINGERPRINTS_MAX = 32,
};

/* The key that switches a scope on: "security.ssl.internal.enabled". */
const char *tls_scope_key(enum tls_scope scope);
bool tls_is_enabled(const struct conf *conf, enum tls_scope scope);
/* Control connections: also pekko.ssl.enabled; data connections: also taskmanager.data.ssl.enabled. */
bool tls_control_is_enabled(const struct conf *conf);
bool tls_data_is_enabled(const struct conf *conf);

/* Counted. */
struct tls_context;
/* Reads keys and files.  ERR_INVALID_CONFIG, ERR_UNSUPPORTED, ERR_NOT_FOUND, ERR_PERMISSION: the message names the key
 * and the file; ERR_UNAVAILABLE: OpenSSL is not installed. */
int tls_context_new(const struct conf *conf, enum tls_scope scope, enum tls_side side,
                    struct tls_context **ret, struct error *err) MUST_CHECK;
struct tls_context *tls_context_ref(struct tls_context *c);
struct tls_context *tls_context_unref(struct tls_context *c); /* NULL is fine; returns NULL */

enum tls_scope tls_context_scope(const struct tls_context *c);
enum tls_side tls_context_side(const struct tls_context *c);
bool tls_context_verifies_host(const struct tls_context *c);
int64_t tls_context_handshake_ms(const struct tls_context *c);
int64_t tls_context_close_flush_ms(const struct tls_context *c);
/* How often files were taken, the first time included. */
uint64_t tls_context_loads(const struct tls_context *c);

/* For libraries that make their own connections (libcurl): puts all of it into an SSL_CTX of theirs, but for the check
 * of host names.  Looks at the files, as a new connection of ours does. */
int tls_context_apply(struct tls_context *c, void *ssl_ctx, struct error *err) MUST_CHECK;
/* False: the client trusts what the system trusts. */
bool tls_context_has_trust(const struct tls_context *c);
/* Why the last check of a certificate on this thread failed; "" when it did not. */
const char *tls_verify_note(void);

#endif
