/* The keys: protocols, ciphers, fingerprints, which files a scope and side want. */
#include "tests/unit/common_net_tls/certificates.h"

#include "common/net/tls/settings.h"

static void test_protocols(void **state)
{
    int min, max;
    struct error err = ERROR_INIT;
    assert_int_equal(tls_protocols_parse("TLSv1.2", &min, &max, &err), 0);
    assert_true(min == TLS1_2_VERSION && max == TLS1_2_VERSION);
    assert_int_equal(tls_protocols_parse("TLSv1.3", &min, &max, &err), 0);
    assert_true(min == TLS1_3_VERSION && max == TLS1_3_VERSION);
    assert_int_equal(tls_protocols_parse("TLSv1.3, TLSv1.2", &min, &max, &err), 0);
    assert_true(min == TLS1_2_VERSION && max == TLS1_3_VERSION);
    static const char *const weak[] = {"TLSv1", "TLSv1.1", "SSLv3", "TLSv1.2,TLSv1.1"};
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        assert_int_equal(tls_protocols_parse(weak[i], &min, &max, &err), ERR_UNSUPPORTED);
        expect_text(err.message, "security.ssl.protocol");
    }
    assert_int_equal(tls_protocols_parse("DTLS", &min, &max, &err), ERR_INVALID_CONFIG);
    assert_int_equal(tls_protocols_parse(" , ", &min, &max, &err), ERR_INVALID_CONFIG);
}

static void check_ciphers(const char *text, const char *ciphers, const char *suites)
{
    STR_AUTO c = STR_INIT;
    STR_AUTO s = STR_INIT;
    struct error err = ERROR_INIT;
    if (tls_ciphers_parse(text, &c, &s, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(str_cstr(&c), ciphers);
    assert_string_equal(str_cstr(&s), suites);
}

static void check_no_ciphers(const char *text, int code, const char *part)
{
    STR_AUTO c = STR_INIT;
    STR_AUTO s = STR_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(tls_ciphers_parse(text, &c, &s, &err), code);
    expect_text(err.message, "security.ssl.algorithms");
    expect_text(err.message, part);
}

static void test_ciphers(void **state)
{
    check_ciphers("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                  "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", "");
    check_ciphers(" TLS_RSA_WITH_AES_128_CBC_SHA , TLS_AES_256_GCM_SHA384 ", "AES128-SHA",
                  "TLS_AES_256_GCM_SHA384");
    check_ciphers("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
                  "");
    static const char *const weak[] = {
        "TLS_RSA_WITH_NULL_SHA256",         "SSL_RSA_WITH_RC4_128_MD5",
        "TLS_DH_anon_WITH_AES_128_CBC_SHA", "SSL_RSA_WITH_DES_CBC_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",    "SSL_RSA_EXPORT_WITH_RC4_40_MD5",
    };
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        check_no_ciphers(weak[i], ERR_UNSUPPORTED, weak[i]);
    }
    check_no_ciphers("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA25", ERR_INVALID_CONFIG, "SHA25 is no");
    check_no_ciphers("TLS_AES_128_GCM_SHA25", ERR_INVALID_CONFIG, "TLS_AES_128_GCM_SHA256?");
    check_no_ciphers("ALL:!aNULL", ERR_INVALID_CONFIG, "ALL:!aNULL");
    check_no_ciphers(",", ERR_INVALID_CONFIG, "no cipher");
}

static int read_settings(const struct conf *conf, enum tls_scope scope, enum tls_side side,
                         struct error *err)
{
    struct tls_settings s;
    TRY(tls_settings_read(conf, scope, side, &s, err));
    tls_settings_fini(&s);
    return 0;
}

static void test_fingerprints(void **state)
{
    struct conf conf;
    struct error err = ERROR_INIT;
    static const char key[] = "security.ssl.internal.cert.fingerprint";
    init_internal(&conf, "node.pem", "ca.pem");
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33", 0},
        {"00112233445566778899aabbccddeeff00112233,"
         "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
         0},
        {"00112233445566778899aabbccddeeff001122", ERR_INVALID_CONFIG},
        {"00112233445566778899aabbccddeeff0011223g", ERR_INVALID_CONFIG},
        {"0", ERR_INVALID_CONFIG},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        set(&conf, key, cases[i].text);
        assert_int_equal(read_settings(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_CLIENT, &err),
                         cases[i].code);
        if (cases[i].code < 0) {
            expect_text(err.message, key);
        }
    }
    conf_fini(&conf);
}

static void test_stores_of_scopes(void **state)
{
    struct conf conf;
    struct tls_settings s;
    struct error err = ERROR_INIT;
    conf_init(&conf, NULL);
    assert_int_equal(read_settings(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_CLIENT, &err),
                     ERR_INVALID_CONFIG);
    expect_text(err.message, "security.ssl.internal.keystore or security.ssl.keystore");
    set(&conf, "security.ssl.keystore", "/k");
    set(&conf, "security.ssl.keystore-password", "p");
    assert_int_equal(read_settings(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_CLIENT, &err),
                     ERR_INVALID_CONFIG);
    expect_text(err.message, "security.ssl.internal.truststore or security.ssl.truststore");
    /* One-way REST: the server trusts nobody, the client shows nothing. */
    assert_int_equal(tls_settings_read(&conf, TLS_SCOPE_REST, TLS_SIDE_SERVER, &s, &err), 0);
    assert_true(s.shows_certificate && !s.checks_peer);
    assert_string_equal(s.keystore.path, "/k");
    assert_string_equal(s.keystore.password_key, "security.ssl.keystore-password");
    tls_settings_fini(&s);
    set(&conf, "security.ssl.rest.keystore", "/rest");
    assert_int_equal(tls_settings_read(&conf, TLS_SCOPE_REST, TLS_SIDE_CLIENT, &s, &err), 0);
    assert_true(!s.shows_certificate && s.checks_peer && s.keystore.path == NULL);
    tls_settings_fini(&s);
    set(&conf, "security.ssl.rest.authentication-enabled", "true");
    assert_int_equal(read_settings(&conf, TLS_SCOPE_REST, TLS_SIDE_SERVER, &err),
                     ERR_INVALID_CONFIG);
    set(&conf, "security.ssl.truststore", "/t");
    assert_int_equal(tls_settings_read(&conf, TLS_SCOPE_REST, TLS_SIDE_CLIENT, &s, &err), 0);
    assert_string_equal(s.keystore.path, "/rest");
    assert_string_equal(s.truststore.path, "/t");
    assert_true(s.shows_certificate && s.checks_peer && !s.verifies_host);
    tls_settings_fini(&s);
    set(&conf, "security.ssl.verify-hostname", "true");
    assert_int_equal(tls_settings_read(&conf, TLS_SCOPE_REST, TLS_SIDE_CLIENT, &s, &err), 0);
    assert_true(s.verifies_host);
    tls_settings_fini(&s);
    conf_fini(&conf);
}

static void test_times(void **state)
{
    struct conf conf;
    struct tls_settings s;
    init_internal(&conf, "node.pem", "ca.pem");
    assert_int_equal(tls_settings_read(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &s, NULL), 0);
    assert_true(s.handshake_ms == TLS_HANDSHAKE_MS && s.close_flush_ms == TLS_CLOSE_FLUSH_MS);
    tls_settings_fini(&s);
    set(&conf, "security.ssl.internal.handshake-timeout", "123");
    set(&conf, "security.ssl.close-notify-flush-timeout", "45"); /* the old name */
    assert_int_equal(tls_settings_read(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &s, NULL), 0);
    assert_true(s.handshake_ms == 123 && s.close_flush_ms == 45);
    tls_settings_fini(&s);
    set(&conf, "security.ssl.protocol", "TLSv1.2,TLSv1.3");
    set(&conf, "security.ssl.algorithms", "TLS_AES_128_GCM_SHA256");
    struct error err = ERROR_INIT;
    assert_int_equal(read_settings(&conf, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &err),
                     ERR_INVALID_CONFIG);
    expect_text(err.message, "security.ssl.protocol");
    conf_fini(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocols),    cmocka_unit_test(test_ciphers),
        cmocka_unit_test(test_fingerprints), cmocka_unit_test(test_stores_of_scopes),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
