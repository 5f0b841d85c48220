/* Certificates and keys from files: PEM and PKCS12.
 *
 * A key store holds one private key and the certificate that belongs to it, with the certificates between it and
 * its CA; a trust store holds certificates, each of which is trusted (as Java does, also one that is no CA).  What a
 * file is shows in its first bytes; a declared type must agree.  Java's own formats (JKS, JCEKS) cannot be read by
 * OpenSSL and are refused with the command that converts them.
 *
 * Everything here is checked before it is used; nothing asks a terminal for a password, and no message holds one.
 * Flink: SSLUtils.getKeyManagerFactory, getTrustManagerFactory.  Thread: any. */
#ifndef FLINC_COMMON_NET_TLS_MATERIAL_H
#define FLINC_COMMON_NET_TLS_MATERIAL_H

#include "common/base/str.h"
#include "common/net/tls/openssl.h"

enum {
    TLS_FILE_BYTES_MAX = 4 * 1024 * 1024,
    TLS_CERTIFICATES_MAX = 2000,               /* of one file */
    TLS_MAC_ITERATIONS_MAX = 10 * 1000 * 1000, /* of a PKCS12 file */
};

enum tls_store_type {
    TLS_STORE_ANY, /* "JVM default keystore type": what the file is */
    TLS_STORE_PEM,
    TLS_STORE_PKCS12,
};
/* `key` names the option.  ERR_UNSUPPORTED for JKS and what nobody knows. */
int tls_store_type_parse(const char *text, const char *key, enum tls_store_type *ret,
                         struct error *err) MUST_CHECK;

/* What is said of a store in messages, and how it is opened. */
struct tls_store_spec {
    const char *path;     /* Borrows, as all */
    const char *path_key; /* "security.ssl.rest.keystore" */
    const char *password; /* NULL: none given */
    const char *password_key;
    const char *key_password; /* of the private key; NULL: `password` */
    const char *key_password_key;
    enum tls_store_type type;
};

/* Start from zero. */
struct tls_material {
    EVP_PKEY *key;       /* Owns; NULL: none */
    X509 **certificates; /* Owns; the key's own first, when there is a key */
    uint32_t n_certificates;
};
void tls_material_fini(struct tls_material *m);

/* Bytes of a file; the caller's to clear: a key may be in them. */
int tls_store_read(const struct tls_store_spec *spec, struct str *ret_bytes,
                   struct error *err) MUST_CHECK;
/* A key and its certificate. */
int tls_store_parse_key(const struct tls_store_spec *spec, struct slice bytes,
                        struct tls_material *ret, struct error *err) MUST_CHECK;
/* At least one certificate. */
int tls_store_parse_trust(const struct tls_store_spec *spec, struct slice bytes,
                          struct tls_material *ret, struct error *err) MUST_CHECK;

#endif
