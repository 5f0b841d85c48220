/* Keytabs: whose key is the first, and what is put into the environment. */
#include "common/fs/hdfs/kerberos.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A hole of 4 bytes, then flink/host@R.ORG. */
static const char keytab[] = "\x05\x02"
                             "\xff\xff\xff\xfc"
                             "hole"
                             "\x00\x00\x00\x20"
                             "\x00\x02"
                             "\x00\x05"
                             "R.ORG"
                             "\x00\x05"
                             "flink"
                             "\x00\x04"
                             "host"
                             "\x00\x00\x00\x01\x00\x00\x00\x00\x01";

static void test_first_principal(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO found = STR_INIT;
    assert_int_equal(kerberos_first_principal(slice_make(keytab, sizeof(keytab) - 1), &found, &err),
                     0);
    assert_string_equal(str_cstr(&found), "flink/host@R.ORG");
    for (size_t n = 0; n < 36; n++) {
        assert_int_equal(kerberos_first_principal(slice_make(keytab, n), &found, &err),
                         ERR_CORRUPT);
    }
    assert_int_equal(kerberos_first_principal(SLICE_LIT("\x05\x01xxxxxxxxxx"), &found, &err),
                     ERR_CORRUPT);
}

static void test_environment(void **state)
{
    struct error err = ERROR_INIT;
    struct conf conf;
    struct kerberos_login login;
    char path[] = "/tmp/flinc-keytab-XXXXXX";
    int fd = mkstemp(path);
    assert_true(write(fd, keytab, sizeof(keytab) - 1) == sizeof(keytab) - 1);
    close(fd);
    conf_init(&conf, NULL);
    assert_int_equal(conf_set(&conf, "security.kerberos.login.keytab", path, &err), 0);
    assert_int_equal(conf_set(&conf, "security.kerberos.login.principal", "other@R.ORG", &err), 0);
    assert_int_equal(conf_set(&conf, "security.kerberos.login.use-ticket-cache", "false", &err), 0);
    kerberos_login_read(&conf, &login);
    assert_int_equal(kerberos_login_use(&login, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "flink/host@R.ORG"));
    kerberos_login_fini(&login);
    assert_int_equal(conf_set(&conf, "security.kerberos.login.principal", "flink/host", &err), 0);
    assert_int_equal(conf_set(&conf, "security.kerberos.krb5-conf.path", "/x/krb5.conf", &err), 0);
    kerberos_login_read(&conf, &login);
    assert_int_equal(kerberos_login_use(&login, &err), 0);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "FILE:%s", path);
    assert_string_equal(getenv("KRB5_CLIENT_KTNAME"), wanted);
    assert_string_equal(getenv("KRB5CCNAME"), "MEMORY:flinc");
    assert_string_equal(getenv("KRB5_CONFIG"), "/x/krb5.conf");
    kerberos_login_fini(&login);
    conf_fini(&conf);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_principal),
                                       cmocka_unit_test(test_environment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
