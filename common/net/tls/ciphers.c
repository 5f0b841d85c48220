/* security.ssl.protocol and security.ssl.algorithms, in OpenSSL's words.  Thread: any. */
#include "common/net/tls/settings.h"

#include <strings.h>

#define ALGORITHMS "security.ssl.algorithms"
#define PROTOCOL "security.ssl.protocol"

int tls_protocols_parse(const char *text, int *ret_min, int *ret_max, struct error *err)
{
    struct slice rest = slice_cstr(text), word;
    int low = 0, high = 0;
    while (slice_next(&rest, ',', &word)) {
        struct slice name = slice_trim(word);
        int min = slice_eq_cstr(name, "TLSv1.3") ? TLS1_3_VERSION : TLS1_2_VERSION;
        int max = slice_eq_cstr(name, "TLSv1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;
        if (name.len == 0) {
            continue;
        }
        if (slice_starts_with(name, "SSL") || slice_eq_cstr(name, "TLSv1") ||
            slice_eq_cstr(name, "TLSv1.1")) {
            return error_set(err, ERR_UNSUPPORTED,
                             PROTOCOL ": %.*s is not safe any more; there are TLSv1.2 and TLSv1.3",
                             (int)name.len, name.data);
        }
        if (!slice_eq_cstr(name, "TLSv1.2") && !slice_eq_cstr(name, "TLSv1.3") &&
            !slice_eq_cstr(name, "TLS")) {
            return error_set(err, ERR_INVALID_CONFIG,
                             PROTOCOL ": '%.*s' is unknown; there are TLSv1.2 and TLSv1.3",
                             (int)MIN(name.len, (size_t)60), name.data);
        }
        low = low == 0 ? min : MIN(low, min);
        high = MAX(high, max);
    }
    if (low == 0) {
        return error_set(err, ERR_INVALID_CONFIG, PROTOCOL " is empty; TLSv1.2 is usual");
    }
    *ret_min = low;
    *ret_max = high;
    return 0;
}

static const char *const suites_of_tls13[] = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",   "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
};

static const char *weakness_of(const char *name)
{
    static const struct {
        const char *part, *why;
    } weak[] = {
        {"_NULL", "does not encrypt"},
        {"_anon", "does not ask who the peer is"},
        {"EXPORT", "is broken"},
        {"_RC4_", "is broken"},
        {"_DES_", "is broken"},
        {"_DES40_", "is broken"},
        {"3DES", "is too weak (64-bit blocks)"},
        {"_RC2_", "is broken"},
        {"_IDEA_", "is too weak (64-bit blocks)"},
        {"_MD5", "is broken"},
    };
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        if (strcasestr(name, weak[i].part) != NULL) {
            return weak[i].why;
        }
    }
    return NULL;
}

static void append_to_list(struct str *list, const char *name)
{
    if (list->len > 0) {
        str_append_char(list, ':');
    }
    str_append_cstr(list, name);
}

static int add_cipher(const struct openssl *o, struct slice word, struct str *ciphers,
                      struct str *suites, struct error *err)
{
    char name[80];
    if (word.len >= sizeof(name)) {
        return error_set(err, ERR_INVALID_CONFIG, ALGORITHMS ": '%.60s...' is no name of a cipher",
                         word.data);
    }
    memcpy(name, word.data, word.len);
    name[word.len] = '\0';
    const char *weak = weakness_of(name);
    if (weak != NULL) {
        return error_set(err, ERR_UNSUPPORTED, ALGORITHMS ": %s is refused: it %s", name, weak);
    }
    for (size_t i = 0; i < ARRAY_LEN(suites_of_tls13); i++) {
        if (strcmp(name, suites_of_tls13[i]) == 0) {
            append_to_list(suites, name);
            return 0;
        }
    }
    const char *own = o->OPENSSL_cipher_name(name);
    if (own == NULL || own[0] == '(') {
        const char *near = cstr_nearest(name, suites_of_tls13, ARRAY_LEN(suites_of_tls13));
        return error_set(err, ERR_INVALID_CONFIG,
                         ALGORITHMS ": %s is no cipher that OpenSSL has; names are as Java's, "
                                    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256%s%s%s",
                         name, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                         near != NULL ? "?" : "");
    }
    append_to_list(ciphers, own);
    return 0;
}

int tls_ciphers_parse(const char *text, struct str *ret_ciphers, struct str *ret_suites,
                      struct error *err)
{
    const struct openssl *o;
    struct slice rest = slice_cstr(text), word;
    TRY(openssl_load(&o, err));
    while (slice_next(&rest, ',', &word)) {
        struct slice name = slice_trim(word);
        if (name.len > 0) {
            TRY(add_cipher(o, name, ret_ciphers, ret_suites, err));
        }
    }
    return ret_ciphers->len + ret_suites->len > 0
               ? 0
               : error_set(err, ERR_INVALID_CONFIG, ALGORITHMS " names no cipher");
}
