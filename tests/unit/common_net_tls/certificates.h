/* Certificates for tests, made by openssl (tests/services/certificates.sh) in a folder of their own, and configurations
 * that name them. */
#ifndef FLINC_TESTS_UNIT_COMMON_NET_TLS_CERTIFICATES_H
#define FLINC_TESTS_UNIT_COMMON_NET_TLS_CERTIFICATES_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/tls/tls.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char certificates[256];

/* Group set-up and tear-down. */
static int make_certificates(void **state)
{
    char command[1200];
    const char *tmp = getenv("TMPDIR");
    snprintf(certificates, sizeof(certificates), "%s/flinc-tls-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(certificates));
    int dir = (int)(strrchr(__FILE__, '/') - __FILE__);
    snprintf(command, sizeof(command), "sh %.*s/../../services/certificates.sh %s >%s/log 2>&1",
             dir, __FILE__, certificates, certificates);
    assert_int_equal(system(command), 0);
    return 0;
}

static int remove_certificates(void **state)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s", certificates);
    assert_int_equal(system(command), 0);
    return 0;
}

static inline const char *certificate(const char *name)
{
    static char path[4][400];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof(path[0]), "%s/%s", certificates, name);
    return p;
}

static inline void set(struct conf *conf, const char *key, const char *value)
{
    assert_int_equal(conf_set(conf, key, value, NULL), 0);
}

/* Both stores of the internal scope. */
static inline void init_internal(struct conf *conf, const char *keystore, const char *truststore)
{
    conf_init(conf, NULL);
    set(conf, "security.ssl.internal.enabled", "true");
    set(conf, "security.ssl.internal.keystore", certificate(keystore));
    set(conf, "security.ssl.internal.truststore", certificate(truststore));
}

static inline void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' does not say '%s'", text, part);
    }
}

#endif
