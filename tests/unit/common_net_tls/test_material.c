/* Key and trust stores: PEM and PKCS12, passwords, what is refused and how it is said. */
#include "tests/unit/common_net_tls/certificates.h"

#include "common/net/tls/material.h"
#include <sys/stat.h>

static struct tls_store_spec spec_of(const char *name, const char *password)
{
    return (struct tls_store_spec){.path = certificate(name),
                                   .path_key = "the.keystore",
                                   .password = password,
                                   .password_key = "the.keystore-password",
                                   .key_password_key = "the.key-password"};
}

static int load(const struct tls_store_spec *spec, bool key, struct tls_material *ret,
                struct error *err)
{
    STR_AUTO bytes = STR_INIT;
    TRY(tls_store_read(spec, &bytes, err));
    return key ? tls_store_parse_key(spec, str_slice(&bytes), ret, err)
               : tls_store_parse_trust(spec, str_slice(&bytes), ret, err);
}

static void loads(const struct tls_store_spec *spec, bool key, uint32_t n)
{
    struct tls_material m = {.key = NULL};
    struct error err = ERROR_INIT;
    if (load(spec, key, &m, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(m.key != NULL, key || n == 2);
    assert_int_equal(m.n_certificates, n);
    tls_material_fini(&m);
}

static void refused(const struct tls_store_spec *spec, bool key, int code, const char *part)
{
    struct tls_material m = {.key = NULL};
    struct error err = ERROR_INIT;
    assert_int_equal(load(spec, key, &m, &err), code);
    expect_text(err.message, "the.keystore");
    expect_text(err.message, spec->path);
    expect_text(err.message, part);
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.message, "wrong!"));
}

static void test_pem(void **state)
{
    struct tls_store_spec s = spec_of("node.pem", NULL);
    loads(&s, true, 1);
    s = spec_of("ca.pem", NULL);
    s.type = TLS_STORE_PEM;
    loads(&s, false, 1);
    refused(&s, true, ERR_INVALID_CONFIG, "no private key");
    s = spec_of("node.encrypted.pem", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "the.key-password");
    s.password = "secret"; /* the store's password opens the key, too */
    loads(&s, true, 1);
    s.key_password = "wrong!";
    refused(&s, true, ERR_INVALID_CONFIG, "wrong");
    s.key_password = "secret";
    loads(&s, true, 1);
    s = spec_of("node.key", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "no certificate");
}

static void test_pkcs12(void **state)
{
    struct tls_store_spec s = spec_of("node.p12", "secret");
    loads(&s, true, 2);
    s.type = TLS_STORE_PKCS12;
    loads(&s, true, 2);
    s.type = TLS_STORE_PEM;
    refused(&s, true, ERR_INVALID_CONFIG, "the.keystore-type");
    s = spec_of("node.p12", "wrong!");
    refused(&s, true, ERR_INVALID_CONFIG, "the.keystore-password");
    s = spec_of("node.p12", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "no password is given");
    s = spec_of("ca.p12", "secret");
    loads(&s, false, 1);
    refused(&s, true, ERR_INVALID_CONFIG, "no private key");
}

static void test_no_stores(void **state)
{
    struct tls_store_spec s = spec_of("store.jks", "secret");
    refused(&s, true, ERR_UNSUPPORTED, "keytool -importkeystore");
    s = spec_of("serial", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "neither a PEM nor a PKCS12");
    s = spec_of("nowhere", NULL);
    refused(&s, true, ERR_NOT_FOUND, "No such file");
    s = spec_of(".", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "no file");
    FILE *f = fopen(certificate("empty"), "w");
    fclose(f);
    s = spec_of("empty", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "empty");
    f = fopen(certificate("damaged.p12"), "w");
    fwrite("\x30\x82\x0f\xff\x02\x01\x03", 1, 7, f);
    fclose(f);
    s = spec_of("damaged.p12", "secret");
    refused(&s, true, ERR_INVALID_CONFIG, "damaged");
    f = fopen(certificate("damaged.pem"), "w");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    s = spec_of("damaged.pem", NULL);
    refused(&s, false, ERR_INVALID_CONFIG, "cannot be read");
    f = fopen(certificate("huge"), "w");
    assert_int_equal(ftruncate(fileno(f), TLS_FILE_BYTES_MAX + 1), 0);
    fclose(f);
    s = spec_of("huge", NULL);
    refused(&s, false, ERR_TOO_LARGE, "no store");
    if (geteuid() != 0) {
        assert_int_equal(chmod(certificate("node.pem"), 0), 0);
        s = spec_of("node.pem", NULL);
        refused(&s, true, ERR_PERMISSION, "Permission denied");
        assert_int_equal(chmod(certificate("node.pem"), 0600), 0);
    }
}

static void test_foreign_key(void **state)
{
    char command[900];
    snprintf(command, sizeof(command), "cat %s %s >%s", certificate("expired.key"),
             certificate("node.crt"), certificate("mixed.pem"));
    assert_int_equal(system(command), 0);
    struct tls_store_spec s = spec_of("mixed.pem", NULL);
    refused(&s, true, ERR_INVALID_CONFIG, "none of its 1 certificates belongs");
}

static void test_types(void **state)
{
    enum tls_store_type t;
    struct error err = ERROR_INIT;
    assert_int_equal(tls_store_type_parse("JVM default keystore type", "k", &t, &err), 0);
    assert_int_equal(t, TLS_STORE_ANY);
    assert_int_equal(tls_store_type_parse("pkcs12", "k", &t, &err), 0);
    assert_int_equal(t, TLS_STORE_PKCS12);
    assert_int_equal(tls_store_type_parse("PEM", "k", &t, &err), 0);
    assert_int_equal(t, TLS_STORE_PEM);
    assert_int_equal(tls_store_type_parse("jks", "the.type", &t, &err), ERR_UNSUPPORTED);
    expect_text(err.message, "the.type");
    expect_text(err.message, "keytool");
    assert_int_equal(tls_store_type_parse("BKS", "the.type", &t, &err), ERR_INVALID_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pem),       cmocka_unit_test(test_pkcs12),
        cmocka_unit_test(test_no_stores), cmocka_unit_test(test_foreign_key),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
