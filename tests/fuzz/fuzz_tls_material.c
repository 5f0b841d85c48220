/* Key and trust stores, and the keys of security.ssl.* that are parsed: whatever a file holds, the answer is certificates or an
 * error that names the file, and nobody is asked for a password. */
#include "common/net/http/http.h"
#include "common/net/tls/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct tls_store_spec *spec, struct slice bytes, bool key)
{
    struct tls_material m = {.key = NULL};
    struct error err = ERROR_INIT;
    int rc = key ? tls_store_parse_key(spec, bytes, &m, &err)
                 : tls_store_parse_trust(spec, bytes, &m, &err);
    if (rc == 0) {
        ASSERT(m.n_certificates > 0 && (m.key != NULL || !key));
    } else {
        ASSERT(m.key == NULL && m.certificates == NULL && strstr(err.message, "/store") != NULL);
    }
    tls_material_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tls_store_spec spec = {.path = "/store",
                                        .path_key = "keystore",
                                        .password = size > 0 && data[0] % 2 ? "secret" : NULL,
                                        .password_key = "keystore-password",
                                        .key_password_key = "key-password",
                                        .type = TLS_STORE_ANY};
    struct slice bytes = slice_make((const char *)data, size);
    check(&spec, bytes, true);
    check(&spec, bytes, false);
    STR_AUTO text = STR_INIT;
    STR_AUTO ciphers = STR_INIT;
    STR_AUTO suites = STR_INIT;
    STR_AUTO answer = STR_INIT;
    int min = 0, max = 0;
    str_append_slice(&text, bytes);
    struct error err = ERROR_INIT;
    if (tls_ciphers_parse(str_cstr(&text), &ciphers, &suites, &err) == 0) {
        ASSERT(ciphers.len + suites.len > 0);
    }
    if (tls_protocols_parse(str_cstr(&text), &min, &max, &err) == 0) {
        ASSERT(min <= max);
    }
    if (http_redirect_to_tls(bytes, &answer) && answer.len > 0) {
        ASSERT(strstr(str_cstr(&answer), "\r\n\r\n{\"errors\":[\"") != NULL);
    }
    return 0;
}
