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

/* A hole of 4 bytes, then flink/host@R.ORG, other@R.ORG and flink/host@R.ORG again. */
#define FLINK          \
    "\x00\x00\x00\x1f" \
    "\x00\x02"         \
    "\x00\x05"         \
    "R.ORG"            \
    "\x00\x05"         \
    "flink"            \
    "\x00\x04"         \
    "host"             \
    "\x00\x00\x00\x01\x00\x00\x00\x00\x01"
#define OTHER          \
    "\x00\x00\x00\x17" \
    "\x00\x01"         \
    "\x00\x05"         \
    "R.ORG"            \
    "\x00\x05"         \
    "other"            \
    "\x00\x00\x00\x01\x00\x00\x00"
static const char keytab[] = "\x05\x02"
                             "\xff\xff\xff\xfc"
                             "hole" FLINK OTHER FLINK;
enum { FIRST_ENDS = 2 + 8 + sizeof(FLINK) - 1 };

static struct slice all(void)
{
    return slice_make(keytab, sizeof(keytab) - 1);
}

static void test_find_keys(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO found = STR_INIT;
    STR_AUTO keys = STR_INIT;
    static const char *const firsts[] = {NULL, "flink/host", "flink/host@R.ORG"};
    for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
        assert_int_equal(kerberos_find_keys(all(), firsts[i], &found, &keys, &err), 0);
        assert_string_equal(str_cstr(&found), "flink/host@R.ORG");
        assert_int_equal(keys.len, 0);
    }
    assert_int_equal(kerberos_find_keys(all(), "other", &found, &keys, &err), 0);
    assert_string_equal(str_cstr(&found), "other@R.ORG");
    assert_int_equal(keys.len, 2 + sizeof(OTHER) - 1);
    assert_memory_equal(keys.data, "\x05\x02" OTHER, keys.len);
    assert_int_equal(kerberos_find_keys(all(), "flink", &found, &keys, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "flink/host@R.ORG, other@R.ORG"));
}

static void test_no_keytab(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO found = STR_INIT;
    STR_AUTO keys = STR_INIT;
    for (size_t n = 0; n < sizeof(keytab) - 1; n++) { /* cut between two entries it is one */
        int rc = kerberos_find_keys(slice_make(keytab, n), NULL, &found, &keys, &err);
        bool is_whole = n == FIRST_ENDS || n == FIRST_ENDS + sizeof(OTHER) - 1;
        assert_int_equal(rc, is_whole ? 0 : ERR_CORRUPT);
    }
    assert_int_equal(kerberos_find_keys(SLICE_LIT("\x05\x01xxxxxxxxxx"), NULL, &found, &keys, &err),
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
    assert_int_equal(kerberos_login_use(&login, &err), 0);
    assert_non_null(strstr(getenv("KRB5_CLIENT_KTNAME"), "FILE:/proc/self/fd/"));
    STR_AUTO who = STR_INIT;
    kerberos_login_describe(&login, &who);
    assert_non_null(strstr(str_cstr(&who), "other@R.ORG"));
    kerberos_login_fini(&login);
    assert_int_equal(conf_set(&conf, "security.kerberos.login.principal", "nobody", &err), 0);
    kerberos_login_read(&conf, &login);
    assert_int_equal(kerberos_login_use(&login, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "security.kerberos.login.principal"));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find_keys),
                                       cmocka_unit_test(test_no_keytab),
                                       cmocka_unit_test(test_environment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
