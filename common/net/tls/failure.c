/* What people read when TLS fails: OpenSSL's reasons, the certificate checks' and the socket's, with the key to look
 * at.  Thread: any. */
#include "common/net/tls/context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char verify_note[256];

void tls_set_verify_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(verify_note, sizeof(verify_note), fmt, ap);
    va_end(ap);
}

const char *tls_verify_note(void)
{
    return verify_note;
}

/* What the keys are called in messages: those of the scope. */
struct key_set {
    const char *enabled, *keystore, *truststore, *mutual;
};
static const struct key_set key_sets[TLS_SCOPES] = {
    {"security.ssl.internal.enabled", "security.ssl.internal.keystore",
     "security.ssl.internal.truststore", "security.ssl.internal.enabled"},
    {"security.ssl.rest.enabled", "security.ssl.rest.keystore", "security.ssl.rest.truststore",
     "security.ssl.rest.authentication-enabled"},
};

enum advice {
    ADVICE_PLAIN,   /* the peer does not speak TLS */
    ADVICE_NO_CERT, /* it showed none */
    ADVICE_REFUSED, /* it does not take ours */
    ADVICE_WANTS,   /* it wants one of us */
    ADVICE_CIPHER,
    ADVICE_PROTOCOL,
};

static const struct {
    int reason;
    enum advice advice;
} advices[] = {
    {SSL_R_WRONG_VERSION_NUMBER, ADVICE_PLAIN},
    {SSL_R_HTTP_REQUEST, ADVICE_PLAIN},
    {SSL_R_HTTPS_PROXY_REQUEST, ADVICE_PLAIN},
    {SSL_R_PACKET_LENGTH_TOO_LONG, ADVICE_PLAIN},
    {SSL_R_RECORD_TOO_SMALL, ADVICE_PLAIN},
    {SSL_R_UNEXPECTED_MESSAGE, ADVICE_PLAIN},
    {SSL_R_BAD_RECORD_TYPE, ADVICE_PLAIN},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ADVICE_NO_CERT},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, ADVICE_REFUSED},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, ADVICE_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, ADVICE_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, ADVICE_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, ADVICE_REFUSED},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, ADVICE_REFUSED},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, ADVICE_REFUSED},
    {SSL_R_TLSV1_ALERT_DECRYPT_ERROR, ADVICE_REFUSED},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, ADVICE_WANTS},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, ADVICE_CIPHER},
    {SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, ADVICE_CIPHER},
    {SSL_R_NO_SHARED_CIPHER, ADVICE_CIPHER},
    {SSL_R_NO_CIPHERS_AVAILABLE, ADVICE_CIPHER},
    {SSL_R_WRONG_CIPHER_RETURNED, ADVICE_CIPHER},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, ADVICE_PROTOCOL},
    {SSL_R_UNSUPPORTED_PROTOCOL, ADVICE_PROTOCOL},
    {SSL_R_VERSION_TOO_LOW, ADVICE_PROTOCOL},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, ADVICE_PROTOCOL},
};

static int advise(enum advice a, const struct key_set *k, const char *peer, const char *reason,
                  struct error *err)
{
    switch (a) {
    case ADVICE_PLAIN:
        return error_set(err, ERR_UNAVAILABLE,
                         "%s does not speak TLS: is %s the same on both sides? (%s)", peer,
                         k->enabled, reason);
    case ADVICE_NO_CERT:
        return error_set(err, ERR_PERMISSION,
                         "%s showed no certificate, which %s asks for: it needs %s", peer,
                         k->mutual, k->keystore);
    case ADVICE_REFUSED:
        return error_set(err, ERR_PERMISSION,
                         "%s does not accept our certificate (%s): does its %s hold who signed our "
                         "%s?",
                         peer, reason, k->truststore, k->keystore);
    case ADVICE_WANTS:
        return error_set(err, ERR_PERMISSION, "%s wants a certificate of us (%s): set %s and %s",
                         peer, reason, k->mutual, k->keystore);
    case ADVICE_CIPHER:
        return error_set(
            err, ERR_UNAVAILABLE,
            "no agreement with %s on a cipher (%s): look at security.ssl.algorithms of "
            "both sides (a key of elliptic curves needs one with ECDSA), and whether "
            "it wants a certificate of us (%s, %s)",
            peer, reason, k->mutual, k->keystore);
    case ADVICE_PROTOCOL:
        return error_set(err, ERR_UNAVAILABLE,
                         "no agreement with %s on a version of TLS (%s): look at "
                         "security.ssl.protocol of both sides",
                         peer, reason);
    }
    return ERR_UNAVAILABLE;
}

static const char *step_name(enum tls_step s)
{
    return s == TLS_STEP_HANDSHAKE ? "the TLS handshake with"
           : s == TLS_STEP_READ    ? "reading from"
                                   : "writing to";
}

static int fail_ended(const struct tls_failure *f, const struct key_set *k, struct error *err)
{
    if (f->step == TLS_STEP_HANDSHAKE) {
        return error_set(err, ERR_UNAVAILABLE,
                         "%s closed the connection in the TLS handshake%s; is %s the same on both "
                         "sides? The log of the other side may say more",
                         f->peer, f->heard_nothing ? ", without a word" : "", k->enabled);
    }
    return error_set(err, ERR_UNAVAILABLE,
                     "%s broke the connection off: it ended without the end mark of TLS "
                     "(close_notify), what came before may not be all",
                     f->peer);
}

int tls_fail(const struct tls_context *c, SSL *ssl, const struct tls_failure *f, struct error *err)
{
    const struct openssl *o = tls_context_openssl(c);
    const struct key_set *k = &key_sets[tls_context_scope(c)];
    char reason[160];
    unsigned long first = o->ERR_peek_last_error();
    int code = first != 0 && ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_GET_REASON(first) : 0;
    openssl_reason(o, reason, sizeof(reason));
    if (code == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        return error_set(err, ERR_PERMISSION, "the certificate of %s is refused: %s", f->peer,
                         verify_note[0] != '\0' ? verify_note : reason);
    }
    if (f->step == TLS_STEP_HANDSHAKE &&
        (f->errno_value == ECONNRESET || f->errno_value == EPIPE)) {
        return fail_ended(f, k, err);
    }
    if (f->errno_value != 0) {
        return error_set_errno(err, f->errno_value, "%s %s", step_name(f->step), f->peer);
    }
    for (size_t i = 0; i < ARRAY_LEN(advices) && code != 0; i++) {
        if (advices[i].reason == code) {
            return advise(advices[i].advice, k, f->peer, reason, err);
        }
    }
    if (f->ended || code == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return fail_ended(f, k, err);
    }
    return error_set(err, ERR_UNAVAILABLE, "%s %s failed: %s", step_name(f->step), f->peer,
                     reason[0] != '\0' ? reason : "no reason is known");
}
