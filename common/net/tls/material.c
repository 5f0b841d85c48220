/* Reading of key and trust stores (material.h). */
#include "common/net/tls/material.h"

#include "common/base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- types ----------------------------------------------------------------------------------------- */

static int refuse_java(const struct tls_store_spec *s, const char *what, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED,
                     "%s (%s) is a %s store, which only Java reads; make a PKCS12 store of it: "
                     "keytool -importkeystore -srckeystore %s -destkeystore %s.p12 -deststoretype "
                     "PKCS12",
                     s->path, s->path_key, what, s->path, s->path);
}

int tls_store_type_parse(const char *text, const char *key, enum tls_store_type *ret,
                         struct error *err)
{
    static const struct {
        const char *name;
        enum tls_store_type type;
    } types[] = {
        {"JVM default keystore type", TLS_STORE_ANY},
        {"PEM", TLS_STORE_PEM},
        {"PKCS12", TLS_STORE_PKCS12},
        {"P12", TLS_STORE_PKCS12},
        {"PFX", TLS_STORE_PKCS12},
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcasecmp(text, types[i].name) == 0) {
            *ret = types[i].type;
            return 0;
        }
    }
    if (strcasecmp(text, "JKS") == 0 || strcasecmp(text, "JCEKS") == 0) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: %s: only Java reads such stores; make a PKCS12 store of it (keytool "
                         "-importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype "
                         "PKCS12) and set PKCS12",
                         key, text);
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "%s: %s is no type of store; there are PKCS12 and PEM", key, text);
}

enum file_kind { FILE_UNKNOWN, FILE_PEM, FILE_PKCS12, FILE_JKS, FILE_JCEKS };

static enum file_kind kind_of(struct slice b)
{
    static const char begin[] = "-----BEGIN ";
    if (b.len >= 4 && memcmp(b.data, "\xfe\xed\xfe\xed", 4) == 0) {
        return FILE_JKS;
    }
    if (b.len >= 4 && memcmp(b.data, "\xce\xce\xce\xce", 4) == 0) {
        return FILE_JCEKS;
    }
    if (b.len > 0 && memmem(b.data, b.len, begin, sizeof(begin) - 1) != NULL) {
        return FILE_PEM;
    }
    return b.len >= 2 && (uint8_t)b.data[0] == 0x30 ? FILE_PKCS12 : FILE_UNKNOWN;
}

/* What the file is, or why it cannot be that. */
static int check_kind(const struct tls_store_spec *s, struct slice bytes, enum file_kind *ret,
                      struct error *err)
{
    enum file_kind kind = kind_of(bytes);
    if (kind == FILE_JKS || kind == FILE_JCEKS) {
        return refuse_java(s, kind == FILE_JKS ? "JKS" : "JCEKS", err);
    }
    if (kind == FILE_UNKNOWN) {
        return error_set(err, ERR_INVALID_CONFIG, "%s (%s) is neither a PEM nor a PKCS12 file",
                         s->path, s->path_key);
    }
    if ((s->type == TLS_STORE_PEM && kind != FILE_PEM) ||
        (s->type == TLS_STORE_PKCS12 && kind != FILE_PKCS12)) {
        return error_set(err, ERR_INVALID_CONFIG, "%s (%s) is a %s file, but %s-type says %s",
                         s->path, s->path_key, kind == FILE_PEM ? "PEM" : "PKCS12", s->path_key,
                         s->type == TLS_STORE_PEM ? "PEM" : "PKCS12");
    }
    *ret = kind;
    return 0;
}

/* ---- bytes ------------------------------------------------------------------------------------------- */

static int read_all(int fd, struct str *out, struct error *err, const struct tls_store_spec *s)
{
    char buf[16 * 1024];
    for (;;) {
        ssize_t n = read(fd, buf, sizeof(buf));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set_errno(err, errno, "reading %s (%s)", s->path, s->path_key);
        }
        if (n == 0) {
            break;
        }
        str_append(out, buf, (size_t)n);
        if (out->len > TLS_FILE_BYTES_MAX) {
            return error_set(err, ERR_TOO_LARGE, "%s (%s) has more than %d bytes: it is no store",
                             s->path, s->path_key, TLS_FILE_BYTES_MAX);
        }
    }
    explicit_bzero(buf, sizeof(buf));
    return out->len > 0
               ? 0
               : error_set(err, ERR_INVALID_CONFIG, "%s (%s) is empty", s->path, s->path_key);
}

int tls_store_read(const struct tls_store_spec *s, struct str *ret_bytes, struct error *err)
{
    struct stat st;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening %s (%s)", s->path, s->path_key);
    }
    int rc = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        rc = error_set(err, ERR_INVALID_CONFIG, "%s (%s) is no file", s->path, s->path_key);
    } else {
        rc = read_all(fd, ret_bytes, err, s);
    }
    close(fd);
    return rc;
}

/* ---- collecting --------------------------------------------------------------------------------------- */

void tls_material_fini(struct tls_material *m)
{
    const struct openssl *o;
    if (m->key == NULL && m->n_certificates == 0) {
        return;
    }
    int rc = openssl_load(&o, NULL);
    ASSERT(rc == 0); /* it made what is here */
    o->EVP_PKEY_free(m->key);
    for (uint32_t i = 0; i < m->n_certificates; i++) {
        o->X509_free(m->certificates[i]);
    }
    mem_free(m->certificates);
    *m = (struct tls_material){.key = NULL};
}

static int take_certificate(const struct openssl *o, const struct tls_store_spec *s,
                            struct tls_material *m, X509 *take, struct error *err)
{
    if (m->certificates == NULL) {
        m->certificates = MEM_NEW_ARRAY(X509 *, TLS_CERTIFICATES_MAX);
    }
    if (m->n_certificates == TLS_CERTIFICATES_MAX) {
        o->X509_free(take);
        return error_set(err, ERR_TOO_LARGE, "%s (%s) has more than %d certificates", s->path,
                         s->path_key, TLS_CERTIFICATES_MAX);
    }
    m->certificates[m->n_certificates++] = take;
    return 0;
}

/* The certificate of the key comes first. */
static int order_chain(const struct openssl *o, const struct tls_store_spec *s,
                       struct tls_material *m, struct error *err)
{
    for (uint32_t i = 0; i < m->n_certificates; i++) {
        if (o->X509_check_private_key(m->certificates[i], m->key) == 1) {
            X509 *own = m->certificates[i];
            memmove(m->certificates + 1, m->certificates, i * sizeof(X509 *));
            m->certificates[0] = own;
            o->ERR_clear_error();
            return 0;
        }
    }
    o->ERR_clear_error();
    return error_set(err, ERR_INVALID_CONFIG,
                     "%s (%s): none of its %u certificates belongs to its private key", s->path,
                     s->path_key, m->n_certificates);
}

/* ---- PEM ------------------------------------------------------------------------------------------------ */

/* OpenSSL asks for a password: never a terminal, and it is remembered that it asked. */
struct password {
    const char *text;
    bool asked;
};

static int on_password(char *buf, int size, int writing, void *arg)
{
    struct password *p = arg;
    p->asked = true;
    size_t len = p->text != NULL ? strlen(p->text) : 0;
    if (p->text == NULL || len > (size_t)size) {
        return -1;
    }
    memcpy(buf, p->text, len);
    return (int)len;
}

static int pem_certificates(const struct openssl *o, const struct tls_store_spec *s,
                            struct slice bytes, struct tls_material *m, struct error *err)
{
    char why[160];
    struct password none = {NULL, false};
    BIO *bio = o->BIO_new_mem_buf(bytes.data, (int)bytes.len);
    int rc = 0;
    while (rc == 0) {
        X509 *c = o->PEM_read_bio_X509_AUX(bio, NULL, on_password, &none);
        if (c == NULL) {
            break;
        }
        rc = take_certificate(o, s, m, c, err);
    }
    o->BIO_free(bio);
    unsigned long last = o->ERR_peek_last_error();
    if (rc == 0 && last != 0 &&
        !(ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE)) {
        rc = error_set(err, ERR_INVALID_CONFIG, "%s (%s): certificate %u cannot be read: %s",
                       s->path, s->path_key, m->n_certificates + 1,
                       openssl_reason(o, why, sizeof(why)));
    }
    o->ERR_clear_error();
    return rc;
}

static int key_refused(const struct openssl *o, const struct tls_store_spec *s,
                       const struct password *p, struct error *err)
{
    char why[160];
    const char *key = s->key_password != NULL ? s->key_password_key : s->password_key;
    if (p->asked && p->text == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s (%s): its private key is encrypted and no password is given (%s)",
                         s->path, s->path_key, s->key_password_key);
    }
    if (p->asked) {
        o->ERR_clear_error();
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s (%s): its private key does not open: the password (%s) is wrong, or "
                         "the file damaged",
                         s->path, s->path_key, key);
    }
    return error_set(err, ERR_INVALID_CONFIG, "%s (%s) has no private key that can be read: %s",
                     s->path, s->path_key, openssl_reason(o, why, sizeof(why)));
}

static int pem_key(const struct openssl *o, const struct tls_store_spec *s, struct slice bytes,
                   struct tls_material *m, struct error *err)
{
    struct password p = {s->key_password != NULL ? s->key_password : s->password, false};
    BIO *bio = o->BIO_new_mem_buf(bytes.data, (int)bytes.len);
    m->key = o->PEM_read_bio_PrivateKey(bio, NULL, on_password, &p);
    o->BIO_free(bio);
    int rc = m->key != NULL ? 0 : key_refused(o, s, &p, err);
    o->ERR_clear_error();
    return rc;
}

/* ---- PKCS12 --------------------------------------------------------------------------------------------- */

static int check_mac(const struct openssl *o, const struct tls_store_spec *s, PKCS12 *p12,
                     struct error *err)
{
    const ASN1_INTEGER *iterations = NULL;
    const char *password = s->password != NULL ? s->password : "";
    if (o->PKCS12_mac_present(p12) != 1) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s (%s) has no check of its integrity (MAC): export it with a password",
                         s->path, s->path_key);
    }
    o->PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
    if (iterations != NULL) {
        long n = o->ASN1_INTEGER_get(iterations);
        if (n < 0 || n > TLS_MAC_ITERATIONS_MAX) {
            return error_set(err, ERR_TOO_LARGE,
                             "%s (%s) wants its password hashed more than %d times", s->path,
                             s->path_key, TLS_MAC_ITERATIONS_MAX);
        }
    }
    if (o->PKCS12_verify_mac(p12, password, -1) != 1 &&
        !(password[0] == '\0' && o->PKCS12_verify_mac(p12, NULL, 0) == 1)) {
        o->ERR_clear_error();
        return s->password == NULL
                   ? error_set(err, ERR_INVALID_CONFIG,
                               "%s (%s) is a PKCS12 file and no password is given (%s)", s->path,
                               s->path_key, s->password_key)
                   : error_set(err, ERR_INVALID_CONFIG,
                               "%s (%s) does not open: the password (%s) is wrong, or the file "
                               "damaged",
                               s->path, s->path_key, s->password_key);
    }
    return 0;
}

static int take_pkcs12(const struct openssl *o, const struct tls_store_spec *s, PKCS12 *p12,
                       struct tls_material *m, struct error *err)
{
    char why[160];
    X509 *own = NULL;
    STACK_OF(X509) *others = NULL;
    if (o->PKCS12_parse(p12, s->password != NULL ? s->password : "", &m->key, &own, &others) != 1) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s (%s): its contents do not open: %s; a store of an old Java or OpenSSL "
                         "(RC2) is to be exported anew",
                         s->path, s->path_key, openssl_reason(o, why, sizeof(why)));
    }
    int rc = own != NULL ? take_certificate(o, s, m, own, err) : 0;
    int n = others != NULL ? o->OPENSSL_sk_num((const OPENSSL_STACK *)others) : 0;
    for (int i = 0; i < n && rc == 0; i++) {
        X509 *c = o->OPENSSL_sk_value((const OPENSSL_STACK *)others, i);
        if (o->X509_up_ref(c) == 1) {
            rc = take_certificate(o, s, m, c, err);
        }
    }
    o->OPENSSL_sk_pop_free((OPENSSL_STACK *)others, (OPENSSL_sk_freefunc)o->X509_free);
    o->ERR_clear_error();
    return rc;
}

static int parse_pkcs12(const struct openssl *o, const struct tls_store_spec *s, struct slice bytes,
                        struct tls_material *m, struct error *err)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    PKCS12 *p12 = o->d2i_PKCS12(NULL, &at, (long)bytes.len);
    o->ERR_clear_error();
    if (p12 == NULL) {
        return error_set(err, ERR_INVALID_CONFIG, "%s (%s) is no PKCS12 file, or damaged", s->path,
                         s->path_key);
    }
    int rc = check_mac(o, s, p12, err);
    if (rc == 0) {
        rc = take_pkcs12(o, s, p12, m, err);
    }
    o->PKCS12_free(p12);
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------------------- */

static int parse_into(const struct openssl *o, const struct tls_store_spec *s, struct slice bytes,
                      bool wants_key, struct tls_material *m, struct error *err)
{
    enum file_kind kind;
    TRY(check_kind(s, bytes, &kind, err));
    if (kind == FILE_PKCS12) {
        TRY(parse_pkcs12(o, s, bytes, m, err));
    } else {
        if (wants_key) {
            TRY(pem_key(o, s, bytes, m, err));
        }
        TRY(pem_certificates(o, s, bytes, m, err));
    }
    if (wants_key && m->key == NULL) {
        return error_set(err, ERR_INVALID_CONFIG, "%s (%s) has no private key", s->path,
                         s->path_key);
    }
    if (m->n_certificates == 0) {
        return error_set(err, ERR_INVALID_CONFIG, "%s (%s) has no certificate", s->path,
                         s->path_key);
    }
    return wants_key ? order_chain(o, s, m, err) : 0;
}

static int parse(const struct tls_store_spec *s, struct slice bytes, bool wants_key,
                 struct tls_material *ret, struct error *err)
{
    const struct openssl *o;
    struct tls_material m = {.key = NULL};
    if (bytes.len > TLS_FILE_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "%s (%s) is too large for a store", s->path,
                         s->path_key);
    }
    TRY(openssl_load(&o, err));
    o->ERR_clear_error();
    int rc = parse_into(o, s, bytes, wants_key, &m, err);
    if (rc < 0) {
        tls_material_fini(&m);
        return rc;
    }
    *ret = m;
    return 0;
}

int tls_store_parse_key(const struct tls_store_spec *spec, struct slice bytes,
                        struct tls_material *ret, struct error *err)
{
    return parse(spec, bytes, true, ret, err);
}

int tls_store_parse_trust(const struct tls_store_spec *spec, struct slice bytes,
                          struct tls_material *ret, struct error *err)
{
    return parse(spec, bytes, false, ret, err);
}
